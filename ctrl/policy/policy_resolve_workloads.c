/* SPDX-License-Identifier: Apache-2.0 */
/* What runs behind services: Pods, WorkloadEntries, EndpointSlices, the endpoints of
 * ServiceEntries. */
#include "policy_model.h"

static int label_is(const struct policy_yaml *labels, const char *key, struct hd_str value)
{
	const struct policy_yaml *y = policy_yaml_raw(labels, key);

	return y != NULL && y->type == POLICY_YAML_SCALAR && hd_str_eq(y->text, value);
}

int policy_labels_match(const struct policy_yaml *wanted, const struct policy_yaml *labels)
{
	for (const struct policy_yaml *w = wanted != NULL ? wanted->first : NULL; w != NULL;
	     w = w->next)
		if (!label_is(labels, w->key.p, w->text))
			return 0;
	return 1;
}

static struct policy_vec *bucket(struct policy_load *l, struct policy_map *m, struct hd_str key,
				 uint32_t bytes)
{
	struct policy_vec *v = policy_map_get(m, key);

	if (v == NULL) {
		v = policy_alloc(&l->arena, sizeof(*v));
		policy_vec_init(v, bytes);
		policy_map_add(m, key, v);
	}
	return v;
}

static struct hd_str label_key(struct policy_load *l, struct hd_str namespace_,
			       const struct policy_yaml *y)
{
	return policy_str_printf(&l->arena, "%.*s/%.*s=%.*s", POLICY_STR(namespace_),
				 POLICY_STR(y->key), POLICY_STR(y->text));
}

static void workload_enter(struct policy_load *l, struct policy_workload *w)
{
	*(struct policy_workload **)policy_vec_push(&l->arena, &l->workloads) = w;
	for (const struct policy_yaml *y = w->labels != NULL ? w->labels->first : NULL; y != NULL;
	     y = y->next) {
		struct policy_vec *v =
			bucket(l, &l->workloads_by_label, label_key(l, w->namespace_, y),
			       sizeof(struct policy_workload *));

		*(struct policy_workload **)policy_vec_push(&l->arena, v) = w;
	}
}

static void ip_add(struct policy_workload *w, struct hd_str text)
{
	struct hd_ip ip;

	if (text.n == 0 || hd_ip_parse(text.p, &ip) != 0)
		return;
	for (uint32_t i = 0; i < w->n_ips; i++)
		if (hd_ip_eq(&w->ips[i], &ip))
			return;
	w->ips[w->n_ips++] = ip;
}

/* Ready unless a condition says otherwise; a Pod that was printed without conditions runs. */
static uint8_t pod_ready(const struct policy_yaml *status)
{
	const struct policy_yaml *conditions = policy_get(status, "conditions");
	struct hd_str phase = policy_get_str(status, "phase");

	if (phase.n > 0 && !policy_str_is(phase, "Running"))
		return 0;
	for (const struct policy_yaml *y = conditions != NULL ? conditions->first : NULL; y != NULL;
	     y = y->next)
		if (policy_str_is(policy_get_str(y, "type"), "Ready"))
			return (uint8_t)policy_str_is(policy_get_str(y, "status"), "True");
	return 1;
}

static void pod_read(struct policy_load *l, const struct policy_object *o)
{
	const struct policy_yaml *spec = policy_get(o->body, "spec"),
				 *status = policy_get(o->body, "status");
	const struct policy_yaml *ips = policy_get(status, "podIPs");
	struct policy_workload *w;

	if (policy_get_str(o->metadata, "deletionTimestamp").n > 0)
		return; /* terminating: takes no new request */
	w = policy_alloc(&l->arena, sizeof(*w));
	w->object = o;
	w->name = o->name;
	w->namespace_ = o->namespace_;
	w->labels = o->labels;
	w->containers = policy_get(spec, "containers");
	w->account = policy_get_str(spec, "serviceAccountName");
	if (w->account.n == 0)
		w->account = policy_str("default");
	w->weight = 1;
	w->ready = pod_ready(status);
	w->ips = policy_alloc_array(&l->arena, (ips != NULL ? ips->n : 0) + 1, sizeof(*w->ips));
	ip_add(w, policy_get_str(status, "podIP"));
	for (const struct policy_yaml *y = ips != NULL ? ips->first : NULL; y != NULL; y = y->next)
		ip_add(w, policy_get_str(y, "ip"));
	workload_enter(l, w);
	policy_map_add(&l->pods_by_name,
		       policy_str_printf(&l->arena, "%.*s/%.*s", POLICY_STR(o->namespace_),
					 POLICY_STR(o->name)),
		       w);
	for (uint32_t i = 0; i < w->n_ips; i++)
		policy_map_add(
			&l->pods_by_ip,
			policy_str_copy(&l->arena, (struct hd_str){ (char *)&w->ips[i], 16 }), w);
}

static void group_read(struct policy_load *l, const struct policy_object *o)
{
	struct policy_probe *probe = policy_alloc(&l->arena, sizeof(*probe));

	probe->yaml = policy_get(o->body, "probe");
	probe->object = o;
	if (probe->yaml != NULL)
		policy_map_add(&l->probes_by_group,
			       policy_str_printf(&l->arena, "%.*s/%.*s", POLICY_STR(o->namespace_),
						 POLICY_STR(o->name)),
			       probe);
}

/* Entries that a group made say so in an annotation; so may others. */
static struct policy_probe *probe_of(struct policy_load *l, const struct policy_object *o)
{
	const struct policy_yaml *group = policy_yaml_raw(policy_get(o->metadata, "annotations"),
							  "istio.io/autoRegistrationGroup");

	if (group == NULL)
		return NULL;
	return policy_map_get(&l->probes_by_group,
			      policy_str_printf(&l->arena, "%.*s/%.*s", POLICY_STR(o->namespace_),
						POLICY_STR(group->text)));
}

struct policy_workload *policy_workload_of(struct policy_load *l, const struct policy_object *o,
					   const struct policy_yaml *body)
{
	struct policy_workload *w = policy_alloc(&l->arena, sizeof(*w));

	w->object = o;
	w->name = o->name;
	w->namespace_ = o->namespace_;
	w->labels = policy_get(body, "labels");
	w->ports = policy_get(body, "ports");
	w->locality = policy_get_str(body, "locality");
	w->account = policy_get_str(body, "serviceAccount");
	w->weight = (uint32_t)policy_get_int(body, "weight", 1);
	w->weight += w->weight == 0;
	w->ready = 1;
	w->probe = probe_of(l, o);
	w->ips = policy_alloc(&l->arena, sizeof(*w->ips));
	ip_add(w, policy_get_str(body, "address"));
	return w;
}

static struct policy_workload *entry_workload(struct policy_load *l, const struct policy_object *o,
					      const struct policy_yaml *body)
{
	struct policy_workload *w = policy_workload_of(l, o, body);
	const struct policy_yaml *address = policy_get(body, "address");
	struct policy_check c;

	if (w->n_ips == 0 && address != NULL) {
		policy_object_check(l, o, &c);
		policy_warning(
			&c, address,
			"address \"%.*s\": names and unix sockets are known but not yet honoured",
			POLICY_STR(address->text));
	}
	return w;
}

static void slice_read(struct policy_load *l, const struct policy_object *o)
{
	const struct policy_yaml *service =
		policy_yaml_raw(o->labels, "kubernetes.io/service-name");
	struct policy_check c;
	struct hd_str key;

	if (service == NULL) {
		policy_object_check(l, o, &c);
		policy_warning(&c, o->body,
			       "no label kubernetes.io/service-name: it belongs to no Service");
		return;
	}
	key = policy_str_printf(&l->arena, "%.*s/%.*s", POLICY_STR(o->namespace_),
				POLICY_STR(service->text));
	*(const struct policy_object **)policy_vec_push(&l->arena,
							bucket(l, &l->slices, key, sizeof(o))) = o;
}

static void workloads_read(struct policy_load *l)
{
	policy_vec_init(&l->workloads, sizeof(struct policy_workload *));
	policy_map_init(&l->workloads_by_label, &l->arena);
	policy_map_init(&l->pods_by_name, &l->arena);
	policy_map_init(&l->pods_by_ip, &l->arena);
	policy_map_init(&l->slices, &l->arena);
	policy_map_init(&l->probes_by_group, &l->arena);
	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o = policy_object_at(l, i);

		if (!o->replaced && o->row->id == POLICY_WORKLOAD_GROUP)
			group_read(l, o);
	}
	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o = policy_object_at(l, i);

		if (o->replaced)
			continue;
		if (o->row->id == POLICY_POD)
			pod_read(l, o);
		else if (o->row->id == POLICY_WORKLOAD_ENTRY)
			workload_enter(l, entry_workload(l, o, o->body));
		else if (o->row->id == POLICY_ENDPOINT_SLICE)
			slice_read(l, o);
	}
}

static void backend_add(struct policy_load *l, struct policy_service_port *p,
			const struct policy_backend *b)
{
	*(struct policy_backend *)policy_vec_push(&l->arena, &p->backends) = *b;
}

/* A named targetPort is looked up in each Pod. */
static uint16_t container_port(const struct policy_workload *w, struct hd_str name)
{
	for (const struct policy_yaml *k = w->containers != NULL ? w->containers->first : NULL;
	     k != NULL; k = k->next) {
		const struct policy_yaml *ports = policy_get(k, "ports");

		for (const struct policy_yaml *y = ports != NULL ? ports->first : NULL; y != NULL;
		     y = y->next)
			if (hd_str_eq(policy_get_str(y, "name"), name))
				return (uint16_t)policy_get_int(y, "containerPort", 0);
	}
	return 0;
}

static uint16_t workload_port(const struct policy_workload *w, const struct policy_service_port *p)
{
	const struct policy_yaml *own =
		w->ports != NULL ? policy_yaml_raw(w->ports, p->name.p) : NULL;

	if (own != NULL)
		return (uint16_t)own->i;
	return p->target != 0 ? p->target : container_port(w, p->target_name);
}

/* Injected Pods carry the label; a WorkloadEntry with a service account is of the mesh as well. */
static int speaks_mesh(const struct policy_workload *w)
{
	return label_is(w->labels, "security.istio.io/tlsMode", policy_str("istio")) ||
	       (w->object->row->id != POLICY_POD && w->account.n > 0);
}

void policy_workload_add(struct policy_load *l, struct policy_service *s,
			 const struct policy_workload *w)
{
	for (uint32_t k = 0; k < s->n_ports; k++) {
		struct policy_service_port *p = &s->ports[k];
		struct policy_backend b = {
			.labels = w->labels,
			.workload = w->name,
			.locality = w->locality,
			.namespace_ = w->namespace_,
			.account = w->account,
			.weight = w->weight,
			.speaks_mesh = (uint8_t)speaks_mesh(w),
			.probe = w->probe,
			.ready = w->ready || s->publish_unready,
		};

		b.addr.port = workload_port(w, p);
		if (b.addr.port == 0 || w->n_ips == 0)
			continue;
		b.addr.ip = w->ips[0]; /* of a Pod of both families, the first is its own */
		backend_add(l, p, &b);
	}
}

/* The workloads of the rarest label of the selector, each checked against all of it. */
static void selected_add(struct policy_load *l, struct policy_service *s)
{
	const struct policy_vec *least = NULL;

	for (const struct policy_yaml *y = s->selector->first; y != NULL; y = y->next) {
		const struct policy_vec *v =
			policy_map_get(&l->workloads_by_label, label_key(l, s->namespace_, y));

		if (v == NULL)
			return;
		if (least == NULL || v->n < least->n)
			least = v;
	}
	for (uint32_t i = 0; least != NULL && i < least->n; i++) {
		const struct policy_workload *w =
			*(struct policy_workload **)policy_vec_at(least, i);

		if (s->has_slices && w->object->row->id == POLICY_POD)
			continue;
		if (policy_labels_match(s->selector, w->labels))
			policy_workload_add(l, s, w);
	}
}

static const struct policy_workload *slice_pod(struct policy_load *l, const struct policy_object *o,
					       const struct policy_yaml *endpoint,
					       const struct hd_ip *ip)
{
	const struct policy_yaml *ref = policy_get(endpoint, "targetRef");
	const struct policy_workload *w = NULL;

	if (policy_str_is(policy_get_str(ref, "kind"), "Pod"))
		w = policy_map_get(&l->pods_by_name,
				   policy_str_printf(&l->arena, "%.*s/%.*s",
						     POLICY_STR(o->namespace_),
						     POLICY_STR(policy_get_str(ref, "name"))));
	return w != NULL ? w
			 : policy_map_get(&l->pods_by_ip, (struct hd_str){ (const char *)ip, 16 });
}

/* The labels of an address are those of its Pod; of the slice itself when no Pod is known. */
static void slice_address(struct policy_load *l, struct policy_service *s,
			  const struct policy_object *o, const struct policy_yaml *endpoint,
			  const struct policy_yaml *address)
{
	const struct policy_yaml *conditions = policy_get(endpoint, "conditions"),
				 *ports = policy_get(o->body, "ports");
	struct policy_backend b = { .weight = 1, .labels = o->labels };
	const struct policy_workload *w;
	struct policy_check c;

	if (hd_ip_parse(address->text.p, &b.addr.ip) != 0) {
		policy_object_check(l, o, &c);
		policy_error(&c, address, "\"%.*s\" is no address", POLICY_STR(address->text));
		return;
	}
	if (policy_get_int(conditions, "terminating", 0) != 0)
		return;
	b.ready = policy_get_int(conditions, "ready", 1) != 0 || s->publish_unready;
	w = slice_pod(l, o, endpoint, &b.addr.ip);
	b.labels = w != NULL ? w->labels : o->labels;
	b.namespace_ = s->namespace_;
	b.account = w != NULL ? w->account : (struct hd_str){ "", 0 };
	b.speaks_mesh = w != NULL && speaks_mesh(w);
	b.workload =
		w != NULL ? w->name : policy_get_str(policy_get(endpoint, "targetRef"), "name");
	b.locality = policy_get_str(endpoint, "zone");
	for (const struct policy_yaml *y = ports != NULL ? ports->first : NULL; y != NULL;
	     y = y->next)
		for (uint32_t k = 0; k < s->n_ports; k++) {
			b.addr.port = (uint16_t)policy_get_int(y, "port", 0);
			if (b.addr.port != 0 &&
			    hd_str_eq(policy_get_str(y, "name"), s->ports[k].name))
				backend_add(l, &s->ports[k], &b);
		}
}

/* A Service of both families has a slice for each, with the same Pods: those of its first address
 * count. */
static int64_t slice_family(const struct policy_service *s, const struct policy_vec *slices)
{
	int64_t own = s->n_vips > 0 && !hd_ip_is_v4(&s->vips[0]);

	for (uint32_t i = 0; i < slices->n; i++) {
		const struct policy_object *o = *(struct policy_object **)policy_vec_at(slices, i);

		if (policy_get_int(o->body, "addressType", 0) == own)
			return own;
	}
	return !own;
}

static void slices_add(struct policy_load *l, struct policy_service *s,
		       const struct policy_vec *slices)
{
	int64_t family = slice_family(s, slices);

	for (uint32_t i = 0; i < slices->n; i++) {
		const struct policy_object *o = *(struct policy_object **)policy_vec_at(slices, i);
		const struct policy_yaml *endpoints = policy_get(o->body, "endpoints");

		if (policy_get_int(o->body, "addressType", 0) != family)
			continue;
		for (const struct policy_yaml *e = endpoints != NULL ? endpoints->first : NULL;
		     e != NULL; e = e->next) {
			const struct policy_yaml *addresses = policy_get(e, "addresses");

			for (const struct policy_yaml *y = addresses != NULL ? addresses->first
									     : NULL;
			     y != NULL; y = y->next)
				slice_address(l, s, o, e, y);
		}
	}
}

static void backends_find(struct policy_load *l, struct policy_service *s)
{
	struct hd_str key = policy_str_printf(&l->arena, "%.*s/%.*s", POLICY_STR(s->namespace_),
					      POLICY_STR(s->name));
	const struct policy_vec *slices = s->entry ? NULL : policy_map_get(&l->slices, key);
	const struct policy_yaml *own = s->inline_endpoints;

	s->has_slices = slices != NULL;
	if (slices != NULL)
		slices_add(l, s, slices);
	if (s->selector != NULL)
		selected_add(l, s);
	if (s->is_named) {
		policy_resolve_names(l, s);
		return;
	}
	for (const struct policy_yaml *y = own != NULL ? own->first : NULL; y != NULL; y = y->next)
		policy_workload_add(l, s, entry_workload(l, s->object, y));
}

/* Without an identity of this node there is no automatic mTLS. Said once: a mesh has thousands of
 * them. */
static void plaintext_warn(struct policy_load *l)
{
	const struct policy_yaml *first = NULL;
	const struct policy_object *object = NULL;
	struct policy_check c;
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->workloads.n; i++) {
		const struct policy_workload *w =
			*(struct policy_workload **)policy_vec_at(&l->workloads, i);
		const struct policy_yaml *y =
			policy_yaml_raw(w->labels, "security.istio.io/tlsMode");

		if (y == NULL || !policy_str_is(y->text, "istio"))
			continue;
		if (n++ == 0) {
			first = y;
			object = w->object;
		}
	}
	if (n == 0)
		return;
	policy_object_check(l, object, &c);
	policy_warning(
		&c, first,
		"the node file has no identity, so there is no automatic mTLS: workloads labelled tlsMode "
		"istio, %u of them, are spoken to in plaintext",
		n);
}

void policy_resolve_workloads(struct policy_load *l)
{
	workloads_read(l);
	policy_vec_init(&l->wants, sizeof(struct policy_wanted));
	if (l->policy->settings.identity == NULL)
		plaintext_warn(l);
	for (uint32_t i = 0; i < l->services.n; i++)
		backends_find(l, *(struct policy_service **)policy_vec_at(&l->services, i));
}
