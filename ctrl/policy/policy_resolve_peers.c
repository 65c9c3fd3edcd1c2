/* SPDX-License-Identifier: Apache-2.0 */
/* PeerAuthentication: what a workload wants of its callers (istio-api.md 1.7). The oldest policy
 * that selects the workload counts, else the namespace's, else the mesh's; only UNSET looks
 * further. */
#include "policy_model.h"

static int has_selector(const struct policy_object *o)
{
	const struct policy_yaml *labels =
		policy_get(policy_get(o->body, "selector"), "matchLabels");

	return labels != NULL && labels->n > 0;
}

/* Of one place the oldest counts; the others say nothing. */
static void wide_add(struct policy_load *l, const struct policy_object *o)
{
	const struct policy_object *before =
		policy_map_add(&l->peers_by_namespace, o->namespace_, (void *)o);
	struct policy_check c;

	if (before == NULL)
		return;
	policy_object_check(l, o, &c);
	policy_warning(&c, o->body,
		       "%.*s, which is older or first by name, speaks for namespace %.*s: "
		       "this one has no effect",
		       POLICY_STR(before->label), POLICY_STR(o->namespace_));
}

void policy_resolve_peers(struct policy_load *l)
{
	struct policy_vec all;

	policy_map_init(&l->peers_by_namespace, &l->arena);
	policy_map_init(&l->peers_selecting, &l->arena);
	policy_objects_sorted(l, POLICY_PEER_AUTHENTICATION, &all);
	for (uint32_t i = 0; i < all.n; i++) {
		const struct policy_object *o = *(struct policy_object **)policy_vec_at(&all, i);
		struct policy_vec *v;

		if (!has_selector(o)) {
			wide_add(l, o);
			continue;
		}
		v = policy_map_get(&l->peers_selecting, o->namespace_);
		if (v == NULL) {
			v = policy_alloc(&l->arena, sizeof(*v));
			policy_vec_init(v, sizeof(struct policy_object *));
			policy_map_add(&l->peers_selecting, o->namespace_, v);
		}
		*(const struct policy_object **)policy_vec_push(&l->arena, v) = o;
	}
}

static int64_t own_mode(const struct policy_object *o)
{
	return o != NULL ? policy_get_int(policy_get(o->body, "mtls"), "mode", POLICY_PEER_UNSET)
			 : POLICY_PEER_UNSET;
}

enum policy_peer policy_peer_of_namespace(const struct policy_load *l, struct hd_str namespace_)
{
	int64_t mode = own_mode(policy_map_get(&l->peers_by_namespace, namespace_));

	if (mode == POLICY_PEER_UNSET)
		mode = own_mode(policy_map_get(&l->peers_by_namespace, l->root_namespace));
	return mode == POLICY_PEER_UNSET ? POLICY_PEER_PERMISSIVE : (enum policy_peer)mode;
}

static const struct policy_object *selecting(const struct policy_load *l, struct hd_str namespace_,
					     const struct policy_yaml *labels)
{
	const struct policy_vec *v = policy_map_get(&l->peers_selecting, namespace_);

	for (uint32_t i = 0; v != NULL && i < v->n; i++) {
		const struct policy_object *o = *(struct policy_object **)policy_vec_at(v, i);

		if (policy_labels_match(policy_get(policy_get(o->body, "selector"), "matchLabels"),
					labels))
			return o;
	}
	return NULL;
}

static int64_t port_mode(struct policy_load *l, const struct policy_object *o, uint16_t port)
{
	const struct policy_yaml *ports = policy_get(o->body, "portLevelMtls");
	struct hd_str key = policy_str_printf(&l->arena, "%u", port);
	const struct policy_yaml *entry = ports != NULL ? policy_yaml_raw(ports, key.p) : NULL;

	return policy_get_int(entry, "mode", POLICY_PEER_UNSET);
}

enum policy_peer policy_peer_of(struct policy_load *l, struct hd_str namespace_,
				const struct policy_yaml *labels, uint16_t port)
{
	const struct policy_object *o = selecting(l, namespace_, labels);
	int64_t mode = POLICY_PEER_UNSET;

	if (o != NULL) {
		mode = port_mode(l, o, port);
		if (mode == POLICY_PEER_UNSET)
			mode = own_mode(o);
	}
	return mode == POLICY_PEER_UNSET ? policy_peer_of_namespace(l, namespace_)
					 : (enum policy_peer)mode;
}

/* One address stands for all workloads of a port: what the strictest of them wants. */
enum policy_peer policy_peer_of_port(struct policy_load *l, const struct policy_service *s,
				     const struct policy_service_port *p)
{
	enum policy_peer most = POLICY_PEER_UNSET, least = POLICY_PEER_STRICT;
	struct policy_check c;

	for (uint32_t i = 0; i < p->backends.n; i++) {
		const struct policy_backend *b = policy_vec_at(&p->backends, i);
		enum policy_peer mode = policy_peer_of(l, b->namespace_, b->labels, b->addr.port);

		most = mode > most ? mode : most;
		least = mode < least ? mode : least;
	}
	if (p->backends.n == 0) /* none yet: as those that the Service waits for */
		return policy_peer_of(l, s->namespace_, s->selector, p->target);
	if (most != least) {
		policy_object_check(l, s->object, &c);
		policy_warning(
			&c, p->place,
			"PeerAuthentication says different things about the workloads behind "
			"port %u: the strictest holds for all of them",
			p->port);
	}
	return most;
}
