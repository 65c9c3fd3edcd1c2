/* SPDX-License-Identifier: Apache-2.0 */
/* Which Sidecar speaks for this node, and what of the mesh it lets the node see. Gateways have
 * none, as in Istio: docs/decisions/0035-whose-sidecar.md */
#include "policy_model.h"

static int is_gateway(struct policy_load *l)
{
	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o = policy_object_at(l, i);

		if (!o->replaced && o->row->id == POLICY_GATEWAY &&
		    policy_node_has_labels(l, policy_get(o->body, "selector")))
			return 1;
	}
	return 0;
}

static const struct policy_yaml *selector_of(const struct policy_object *o)
{
	const struct policy_yaml *selector = policy_get(o->body, "workloadSelector");
	const struct policy_yaml *labels = policy_get(selector, "labels");

	return labels != NULL ? labels : policy_get(selector, "matchLabels");
}

/* One that selects this node before its namespace's before the mesh's; the oldest of each. */
static const struct policy_object *sidecar_find(struct policy_load *l)
{
	struct hd_str own = policy_str(l->policy->settings.node_namespace);
	const struct policy_object *by_namespace = NULL, *by_mesh = NULL;
	struct policy_vec sidecars;

	policy_objects_sorted(l, POLICY_SIDECAR, &sidecars);
	for (uint32_t i = 0; i < sidecars.n; i++) {
		const struct policy_object *o =
			*(struct policy_object **)policy_vec_at(&sidecars, i);
		const struct policy_yaml *labels = selector_of(o);
		int selects = labels != NULL && labels->n > 0;

		if (hd_str_eq(o->namespace_, own) && selects && policy_node_has_labels(l, labels))
			return o;
		if (hd_str_eq(o->namespace_, own) && !selects && by_namespace == NULL)
			by_namespace = o;
		if (hd_str_eq(o->namespace_, l->root_namespace) && !selects && by_mesh == NULL)
			by_mesh = o;
	}
	return by_namespace != NULL ? by_namespace : by_mesh;
}

static int namespace_matches(const struct policy_object *sidecar, struct hd_str wanted,
			     struct hd_str namespace_)
{
	if (policy_str_is(wanted, "*"))
		return 1;
	return hd_str_eq(policy_str_is(wanted, ".") ? sidecar->namespace_ : wanted, namespace_);
}

static int host_matches(struct hd_str wanted, struct hd_str host)
{
	if (wanted.n == 0 || wanted.p[0] != '*')
		return hd_str_eq(wanted, host);
	return host.n >= wanted.n - 1 &&
	       memcmp(host.p + host.n - (wanted.n - 1), wanted.p + 1, wanted.n - 1) == 0;
}

/* "namespace/host"; with ~ in front it takes away. */
static int line_matches(struct policy_load *l, struct hd_str line, struct hd_str namespace_,
			struct hd_str host, int *takes_away)
{
	const char *slash = memchr(line.p, '/', line.n);
	struct hd_str ns = { line.p, (uint32_t)(slash - line.p) };
	struct hd_str name = policy_str_lower(
		&l->arena, (struct hd_str){ slash + 1, line.n - ns.n - 1 });

	*takes_away = ns.n > 0 && ns.p[0] == '~';
	if (*takes_away)
		ns = ns.n == 1 ? policy_str("*") : (struct hd_str){ ns.p + 1, ns.n - 1 };
	return namespace_matches(l->sidecar, ns, namespace_) && host_matches(name, host);
}

static int egress_has(struct policy_load *l, struct hd_str namespace_, struct hd_str host)
{
	const struct policy_yaml *egress = policy_get(l->sidecar->body, "egress");
	int has = egress == NULL || egress->n == 0, takes_away;

	for (const struct policy_yaml *e = has ? NULL : egress->first; e != NULL; e = e->next) {
		const struct policy_yaml *hosts = policy_get(e, "hosts");

		for (const struct policy_yaml *y = hosts != NULL ? hosts->first : NULL; y != NULL;
		     y = y->next) {
			if (!line_matches(l, y->text, namespace_, host, &takes_away))
				continue;
			if (takes_away)
				return 0;
			has = 1;
		}
	}
	return has;
}

static void destinations_import(struct policy_load *l, const struct policy_object *vs,
				const struct policy_yaml *rules)
{
	for (const struct policy_yaml *r = rules != NULL ? rules->first : NULL; r != NULL;
	     r = r->next) {
		const struct policy_yaml *route = policy_get(r, "route");

		for (const struct policy_yaml *y = route != NULL ? route->first : NULL; y != NULL;
		     y = y->next) {
			struct hd_str host = policy_host_full(
				l, policy_get_str(policy_get(y, "destination"), "host"),
				vs->namespace_);

			policy_map_add(&l->imported, host, (void *)vs);
		}
	}
}

int policy_imported(struct policy_load *l, struct hd_str namespace_, struct hd_str host)
{
	return l->sidecar == NULL || policy_map_get(&l->imported, host) != NULL ||
	       egress_has(l, namespace_, host);
}

int policy_imported_rule(struct policy_load *l, const struct policy_object *vs)
{
	const struct policy_yaml *hosts = policy_get(vs->body, "hosts");

	if (l->sidecar == NULL)
		return 1;
	for (const struct policy_yaml *y = hosts != NULL ? hosts->first : NULL; y != NULL;
	     y = y->next)
		if (egress_has(l, vs->namespace_, policy_host_full(l, y->text, vs->namespace_)))
			return 1;
	return 0;
}

/* A VirtualService that is seen brings the services that it leads to. */
void policy_resolve_sidecar(struct policy_load *l)
{
	policy_map_init(&l->imported, &l->arena);
	l->sidecar = is_gateway(l) ? NULL : sidecar_find(l);
	for (uint32_t i = 0; l->sidecar != NULL && i < l->objects.n; i++) {
		const struct policy_object *o = policy_object_at(l, i);

		if (o->replaced || o->row->id != POLICY_VIRTUAL_SERVICE ||
		    !policy_visible(l, o) || !policy_imported_rule(l, o))
			continue;
		destinations_import(l, o, policy_get(o->body, "http"));
		destinations_import(l, o, policy_get(o->body, "tcp"));
		destinations_import(l, o, policy_get(o->body, "tls"));
	}
}

void policy_sidecar_tell(struct policy_load *l)
{
	struct policy_check c;

	if (l->sidecar == NULL || l->n_left_out == 0)
		return;
	policy_object_check(l, l->sidecar, &c);
	policy_warning(&c, policy_get(l->sidecar->body, "egress"),
		       "%.*s is this node's: %u services that its egress does not list are left out",
		       POLICY_STR(l->sidecar->label), l->n_left_out);
}
