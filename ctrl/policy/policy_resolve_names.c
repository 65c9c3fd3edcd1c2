/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints of ServiceEntries with resolution DNS and DNS_ROUND_ROBIN: names, with the addresses
 * that they are known to have while this policy is loaded. */
#include "policy_model.h"

static void name_add(struct policy_load *l, struct policy_service *s, struct policy_workload *w,
		     struct hd_str name)
{
	const struct policy_resolver *r = &l->policy->resolver;
	struct policy_name known;

	*(struct policy_wanted *)policy_vec_push(&l->arena, &l->wants) =
		(struct policy_wanted){ policy_str_lower(&l->arena, name), s->is_first_only };
	if (r->find == NULL || !r->find(r->ctx, policy_str_lower(&l->arena, name), &known))
		return;
	if (s->is_first_only && known.n > 0)
		known = (struct policy_name){ .ips = &known.first, .n = 1, .first = known.first };
	for (uint32_t i = 0; i < known.n; i++) {
		w->ips[0] = known.ips[i];
		w->n_ips = 1;
		policy_workload_add(l, s, w);
	}
}

static void host_add(struct policy_load *l, struct policy_service *s)
{
	struct policy_workload *w = policy_alloc(&l->arena, sizeof(*w));
	const struct policy_yaml *resolution = policy_get(s->object->body, "resolution");
	struct policy_check c;

	if (policy_str_has(s->host, '*')) {
		policy_object_check(l, s->object, &c);
		policy_warning(&c, resolution,
			       "%.*s is no name that could be asked for, and there are no endpoints: "
			       "requests to it get 503",
			       POLICY_STR(s->host));
		return;
	}
	w->object = s->object;
	w->name = s->host;
	w->namespace_ = s->namespace_;
	w->weight = 1;
	w->ready = 1;
	w->ips = policy_alloc(&l->arena, sizeof(*w->ips));
	name_add(l, s, w, s->host);
}

void policy_resolve_names(struct policy_load *l, struct policy_service *s)
{
	const struct policy_yaml *list = s->inline_endpoints;

	if (list == NULL || list->n == 0) {
		if (s->selector == NULL)
			host_add(l, s);
		return;
	}
	for (const struct policy_yaml *y = list->first; y != NULL; y = y->next) {
		struct policy_workload *w = policy_workload_of(l, s->object, y);

		if (w->n_ips > 0)
			policy_workload_add(l, s, w);
		else
			name_add(l, s, w, policy_get_str(y, "address"));
	}
}
