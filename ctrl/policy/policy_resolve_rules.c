/* SPDX-License-Identifier: Apache-2.0 */
/* Which VirtualService and which DestinationRules apply to a host, and what several of them say
 * together. */
#include <stdlib.h>

#include "policy_model.h"

static const char *const blocks[] = { "loadBalancer", "connectionPool", "outlierDetection", "tls",
				      "retryBudget" };

/* Istio's order everywhere: oldest, then by name, then by namespace. */
static int object_compare(const void *pa, const void *pb)
{
	const struct policy_object *a = *(struct policy_object *const *)pa,
				   *b = *(struct policy_object *const *)pb;
	int c = policy_str_cmp(a->created, b->created);

	if (c == 0)
		c = policy_str_cmp(a->name, b->name);
	return c != 0 ? c : policy_str_cmp(a->namespace_, b->namespace_);
}

void policy_objects_sorted(struct policy_load *l, enum policy_kind kind, struct policy_vec *out)
{
	policy_vec_init(out, sizeof(struct policy_object *));
	for (uint32_t i = 0; i < l->objects.n; i++) {
		struct policy_object *o = policy_object_at(l, i);

		if (!o->replaced && o->row->id == kind)
			*(struct policy_object **)policy_vec_push(&l->arena, out) = o;
	}
	if (out->n > 1)
		qsort(out->p, out->n, sizeof(struct policy_object *), object_compare);
}

/* The mesh's default for objects of a kind that do not say; "*" when it does not say either. */
static const struct policy_yaml *export_default(const struct policy_load *l, enum policy_kind kind)
{
	switch (kind) {
	case POLICY_VIRTUAL_SERVICE:
		return policy_get(l->mesh, "defaultVirtualServiceExportTo");
	case POLICY_DESTINATION_RULE:
		return policy_get(l->mesh, "defaultDestinationRuleExportTo");
	default:
		return policy_get(l->mesh, "defaultServiceExportTo");
	}
}

int policy_visible(const struct policy_load *l, const struct policy_object *o)
{
	const struct policy_yaml *to = policy_get(o->body, "exportTo");
	struct hd_str node = policy_str(l->policy->settings.node_namespace);

	if (to == NULL || to->n == 0)
		to = export_default(l, o->row->id);
	if (to == NULL || to->n == 0)
		return 1;
	for (const struct policy_yaml *y = to->first; y != NULL; y = y->next)
		if (policy_str_is(y->text, "*") || hd_str_eq(y->text, node) ||
		    (policy_str_is(y->text, ".") && hd_str_eq(o->namespace_, node)))
			return 1;
	return 0;
}

/* A rule for certain callers of its namespace: this node is one of them, or not. */
static int rule_selects_node(const struct policy_load *l, const struct policy_object *o)
{
	const struct policy_yaml *selector = policy_get(o->body, "workloadSelector");

	if (selector == NULL)
		return 1;
	return policy_str_is(o->namespace_, l->policy->settings.node_namespace) &&
	       policy_node_has_labels(l, policy_get(selector, "matchLabels"));
}

/* Calls back with "a.b.c", "*.b.c", "*.c", "*": the most specific first. */
static void *by_host(const struct policy_load *l, struct hd_str host,
		     void *(*find)(const struct policy_load *, struct hd_str, const void *),
		     const void *context)
{
	char wild[256];
	void *found = find(l, host, context);

	for (uint32_t i = 0; found == NULL && i < host.n; i++) {
		uint32_t rest = host.n - i;

		if (host.p[i] != '.' || rest + 1 > sizeof(wild))
			continue;
		wild[0] = '*';
		memcpy(wild + 1, host.p + i, rest);
		found = find(l, (struct hd_str){ wild, rest + 1 }, context);
	}
	return found != NULL ? found : find(l, (struct hd_str){ "*", 1 }, context);
}

/* VirtualServices. */

static int for_mesh(const struct policy_object *o)
{
	const struct policy_yaml *gateways = policy_get(o->body, "gateways");

	if (gateways == NULL || gateways->n == 0)
		return 1;
	for (const struct policy_yaml *y = gateways->first; y != NULL; y = y->next)
		if (policy_str_is(y->text, "mesh"))
			return 1;
	return 0;
}

static void mesh_host_add(struct policy_load *l, struct policy_object *o,
			  const struct policy_yaml *y)
{
	struct hd_str host = policy_host_full(l, y->text, o->namespace_);
	const struct policy_object *before = policy_map_add(&l->mesh_hosts, host, o);
	struct policy_check c;

	if (before == NULL || before == o)
		return;
	policy_object_check(l, o, &c);
	policy_warning(
		&c, y,
		"host %.*s is already routed by %.*s, which is older or first by name: this one has no "
		"effect on it",
		POLICY_STR(host), POLICY_STR(before->label));
}

static void virtual_services_index(struct policy_load *l)
{
	policy_objects_sorted(l, POLICY_VIRTUAL_SERVICE, &l->virtual_services);
	policy_map_init(&l->mesh_hosts, &l->arena);
	for (uint32_t i = 0; i < l->virtual_services.n; i++) {
		struct policy_object *o =
			*(struct policy_object **)policy_vec_at(&l->virtual_services, i);
		const struct policy_yaml *hosts = policy_get(o->body, "hosts");

		if (!for_mesh(o) || !policy_visible(l, o) || !policy_imported_rule(l, o))
			continue;
		for (const struct policy_yaml *y = hosts != NULL ? hosts->first : NULL; y != NULL;
		     y = y->next)
			mesh_host_add(l, o, y);
	}
}

static void *mesh_host_find(const struct policy_load *l, struct hd_str host, const void *context)
{
	(void)context;
	return policy_map_get(&l->mesh_hosts, host);
}

const struct policy_object *policy_virtual_service_of(const struct policy_load *l,
						      struct hd_str host)
{
	return by_host(l, host, mesh_host_find, NULL);
}

/* DestinationRules. */

static struct hd_str rule_key(struct policy_load *l, struct hd_str namespace_, struct hd_str host)
{
	return policy_str_printf(&l->arena, "%.*s/%.*s", POLICY_STR(namespace_), POLICY_STR(host));
}

static const struct policy_yaml **block_slot(struct policy_traffic *t, uint32_t block)
{
	const struct policy_yaml **slots[] = { &t->load_balancer, &t->connection_pool, &t->outlier,
					       &t->tls, &t->retry_budget };

	return slots[block];
}

static void block_merge(struct policy_load *l, struct policy_destination *d,
			const struct policy_object *o, const struct policy_yaml *policy,
			uint32_t block, int first)
{
	const struct policy_yaml *y = policy_get(policy, blocks[block]),
				 **slot = block_slot(&d->traffic, block);
	struct policy_check c;

	if (y == NULL)
		return;
	policy_object_check(l, o, &c);
	if (*slot != NULL)
		policy_warning(&c, y, "%s is already set by the older %.*s: this one has no effect",
			       blocks[block], POLICY_STR(d->traffic.object->label));
	else if (!first)
		policy_warning(
			&c, y,
			"%s is taken although an older DestinationRule for this host (%.*s) exists: "
			"Istio would drop it",
			blocks[block], POLICY_STR(d->traffic.object->label));
	if (*slot == NULL)
		*slot = y;
	if (d->traffic.outlier == y)
		d->traffic.outlier_object = o;
}

static void ports_merge(struct policy_load *l, struct policy_destination *d,
			const struct policy_object *o, const struct policy_yaml *policy)
{
	const struct policy_yaml *y = policy_get(policy, "portLevelSettings");
	struct policy_check c;

	if (y == NULL)
		return;
	if (d->port_settings == NULL) {
		d->port_settings = y;
		return;
	}
	policy_object_check(l, o, &c);
	policy_warning(&c, y,
		       "portLevelSettings is already set by the older %.*s: this one has no effect",
		       POLICY_STR(d->traffic.object->label));
}

static void subset_merge(struct policy_load *l, struct policy_destination *d,
			 const struct policy_object *o, const struct policy_yaml *y)
{
	struct policy_subset *s = policy_alloc(&l->arena, sizeof(*s)), *before;
	struct policy_check c;

	s->yaml = y;
	s->object = o;
	before = policy_map_add(&d->subsets, policy_get_str(y, "name"), s);
	if (before == NULL) {
		*(struct policy_subset **)policy_vec_push(&l->arena, &d->subset_list) = s;
		return;
	}
	policy_object_check(l, o, &c);
	policy_warning(&c, y, "subset \"%.*s\" is already defined by %.*s: this one has no effect",
		       POLICY_STR(policy_get_str(y, "name")), POLICY_STR(before->object->label));
}

static void destination_merge(struct policy_load *l, struct policy_destination *d,
			      const struct policy_object *o, int first)
{
	const struct policy_yaml *policy = policy_get(o->body, "trafficPolicy"),
				 *subsets = policy_get(o->body, "subsets");

	if (first)
		d->traffic.object = o;
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(blocks); i++)
		block_merge(l, d, o, policy, i, first);
	ports_merge(l, d, o, policy);
	for (const struct policy_yaml *y = subsets != NULL ? subsets->first : NULL; y != NULL;
	     y = y->next)
		subset_merge(l, d, o, y);
}

static void destinations_index(struct policy_load *l)
{
	struct policy_vec rules;

	policy_objects_sorted(l, POLICY_DESTINATION_RULE, &rules);
	policy_map_init(&l->destinations, &l->arena);
	for (uint32_t i = 0; i < rules.n; i++) {
		const struct policy_object *o = *(struct policy_object **)policy_vec_at(&rules, i);
		struct hd_str host =
			policy_host_full(l, policy_get_str(o->body, "host"), o->namespace_);
		struct hd_str key = rule_key(l, o->namespace_, host);
		struct policy_destination *d = policy_map_get(&l->destinations, key);
		int first = d == NULL;

		if (!policy_visible(l, o) || !rule_selects_node(l, o))
			continue;
		if (first) {
			d = policy_alloc(&l->arena, sizeof(*d));
			policy_map_init(&d->subsets, &l->arena);
			policy_vec_init(&d->subset_list, sizeof(struct policy_subset *));
			policy_map_add(&l->destinations, key, d);
		}
		destination_merge(l, d, o, first);
	}
}

static void *destination_find(const struct policy_load *l, struct hd_str host, const void *context)
{
	const struct hd_str *namespace_ = context;
	char key[512];
	int n = snprintf(key, sizeof(key), "%.*s/%.*s", POLICY_STR(*namespace_), POLICY_STR(host));

	return n < (int)sizeof(key)
		       ? policy_map_get(&l->destinations, (struct hd_str){ key, (uint32_t)n })
		       : NULL;
}

/* Of the caller's namespace (here the node's), else of the service's, else of the root: one of
 * them, never two. */
static const struct policy_destination *destination_of(struct policy_load *l,
						       const struct policy_service *s)
{
	struct hd_str node = policy_str(l->policy->settings.node_namespace);
	const struct policy_destination *d = NULL;

	if (!hd_str_eq(node, l->root_namespace))
		d = by_host(l, s->host, destination_find, &node);
	if (d == NULL)
		d = by_host(l, s->host, destination_find, &s->namespace_);
	if (d == NULL)
		d = by_host(l, s->host, destination_find, &l->root_namespace);
	return d;
}

void policy_resolve_rules(struct policy_load *l)
{
	virtual_services_index(l);
	destinations_index(l);
	for (uint32_t i = 0; i < l->services.n; i++) {
		struct policy_service *s =
			*(struct policy_service **)policy_vec_at(&l->services, i);

		s->destination = destination_of(l, s);
	}
}

static const struct policy_yaml *port_entry(const struct policy_yaml *list, uint16_t port)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		if (policy_get_int(policy_get(y, "port"), "number", 0) == port)
			return y;
	return NULL;
}

/* A port's entry stands alone: what it leaves unset is Istio's default, not the level above. */
static void traffic_replace(struct policy_traffic *t, const struct policy_yaml *policy)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(blocks); i++)
		*block_slot(t, i) = policy_get(policy, blocks[i]);
}

struct policy_traffic policy_traffic_of(const struct policy_service *s, uint16_t port,
					const struct policy_subset *subset)
{
	const struct policy_yaml *entry, *own;
	struct policy_traffic t = { 0 };

	if (s->destination == NULL)
		return t;
	t = s->destination->traffic;
	entry = port_entry(s->destination->port_settings, port);
	if (entry != NULL) {
		traffic_replace(&t, entry);
		t.outlier_object = t.object;
	}
	if (subset == NULL)
		return t;
	t.object = subset->object;
	own = policy_get(subset->yaml, "trafficPolicy");
	entry = port_entry(policy_get(own, "portLevelSettings"), port);
	if (entry != NULL || policy_get(own, "outlierDetection") != NULL)
		t.outlier_object = subset->object;
	if (entry != NULL) {
		traffic_replace(&t, entry);
		return t;
	}
	for (uint32_t i = 0; own != NULL && i < HD_ARRAY_SIZE(blocks); i++)
		if (policy_get(own, blocks[i]) != NULL)
			*block_slot(&t, i) = policy_get(own, blocks[i]);
	return t;
}
