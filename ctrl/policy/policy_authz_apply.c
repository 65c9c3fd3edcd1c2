/* SPDX-License-Identifier: Apache-2.0 */
/* Which AuthorizationPolicies apply to a workload: those of the root namespace and of its own, by
 * its labels, and those that name its service. docs/decisions/0017-whose-authorization.md */
#include <stdlib.h>

#include "policy_model.h"

enum { WORD_ALLOW, WORD_DENY, WORD_AUDIT, WORD_CUSTOM };

static struct policy_authz_policy *policy_at(const struct policy_load *l, uint32_t i)
{
	return policy_vec_at(&l->authz.policies, i);
}

static int policy_order(const void *a, const void *b)
{
	const struct policy_object *x = ((const struct policy_authz_policy *)a)->object,
				   *y = ((const struct policy_authz_policy *)b)->object;
	int by_namespace = policy_str_cmp(x->namespace_, y->namespace_);

	return by_namespace != 0 ? by_namespace : policy_str_cmp(x->name, y->name);
}

static uint8_t action_of(const struct policy_object *o)
{
	static const uint8_t by_word[] = { HD_AUTHZ_ALLOW, HD_AUTHZ_DENY, HD_AUTHZ_AUDIT,
					   HD_AUTHZ_CUSTOM };

	return by_word[policy_get_int(o->body, "action", WORD_ALLOW)];
}

static int is_dry_run(const struct policy_object *o)
{
	const struct policy_yaml *y =
		policy_yaml_raw(policy_get(o->metadata, "annotations"), "istio.io/dry-run");

	return y != NULL && policy_str_is(y->text, "true");
}

static void whom_read(struct policy_authz_policy *p, const struct policy_object *o)
{
	const struct policy_yaml *refs = policy_get(o->body, "targetRefs");

	p->object = o;
	p->selector = policy_get(policy_get(o->body, "selector"), "matchLabels");
	p->selector = p->selector != NULL && p->selector->n > 0 ? p->selector : NULL;
	p->has_targets = policy_get(o->body, "targetRef") != NULL || (refs != NULL && refs->n > 0);
}

static void requests_find(struct policy_load *l)
{
	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o = policy_object_at(l, i);
		struct policy_authz_request *r;

		if (o->replaced || o->row->id != POLICY_REQUEST_AUTHENTICATION)
			continue;
		r = policy_vec_push(&l->arena, &l->authz.requests);
		whom_read(&r->whom, o);
		policy_build_jwt(l, o, &r->first, &r->count);
	}
}

static void policies_find(struct policy_load *l)
{
	struct policy_vec *v = &l->authz.policies;

	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o = policy_object_at(l, i);
		struct policy_authz_policy *p;

		if (o->replaced || o->row->id != POLICY_AUTHORIZATION_POLICY)
			continue;
		p = policy_vec_push(&l->arena, v);
		whom_read(p, o);
		p->said = action_of(o);
		p->action = is_dry_run(o) ? HD_AUTHZ_AUDIT : p->said;
		policy_vec_init(&p->rules, sizeof(uint32_t));
	}
	if (v->n > 0)
		qsort(v->p, v->n, v->bytes, policy_order);
}

static void policy_out_add(struct policy_load *l, const struct policy_authz_policy *p)
{
	const struct policy_object *o = p->object;
	const struct policy_yaml *rules = policy_get(o->body, "rules");
	struct hd_authz_policy *out = policy_vec_push(&l->arena, &l->authz.policies_out);

	*out = (struct hd_authz_policy){
		.name = policy_out(l, o->name),
		.namespace_ = policy_out(l, o->namespace_),
		.provider = policy_out(l, policy_get_str(policy_get(o->body, "provider"), "name")),
		.action = p->said,
		.is_dry_run = is_dry_run(o) != 0,
		.rules = rules != NULL ? rules->n : 0,
		.source = policy_source(l, o, NULL),
	};
}

/* A rule before it has its number. */
struct named_rule {
	struct hd_str id;
	uint32_t policy;
	const struct policy_yaml *yaml;
};

/* As Istio names them; what CUSTOM has no provider for is denied under a name of its own. */
static struct hd_str rule_id(struct policy_load *l, const struct policy_authz_policy *p, uint32_t i)
{
	const struct policy_object *o = p->object;
	struct hd_str id = policy_str_printf(&l->arena, "ns[%.*s]-policy[%.*s]-rule[%u]",
					     POLICY_STR(o->namespace_), POLICY_STR(o->name), i);

	if (p->action != HD_AUTHZ_CUSTOM)
		return id;
	return policy_str_printf(
		&l->arena, "istio-ext-authz-%.*s-%.*s-deny-due-to-bad-CUSTOM-action",
		POLICY_STR(policy_get_str(policy_get(o->body, "provider"), "name")),
		POLICY_STR(id));
}

static int rule_order(const void *a, const void *b)
{
	return policy_str_cmp(((const struct named_rule *)a)->id,
			      ((const struct named_rule *)b)->id);
}

static void rules_name(struct policy_load *l, struct policy_vec *named)
{
	for (uint32_t i = 0; i < l->authz.policies.n; i++) {
		const struct policy_authz_policy *p = policy_at(l, i);
		const struct policy_yaml *rules = policy_get(p->object->body, "rules");
		uint32_t index = 0;

		for (const struct policy_yaml *y = rules != NULL ? rules->first : NULL; y != NULL;
		     y = y->next)
			*(struct named_rule *)policy_vec_push(&l->arena, named) =
				(struct named_rule){ rule_id(l, p, index++), i, y };
	}
	if (named->n > 0)
		qsort(named->p, named->n, named->bytes, rule_order);
}

/* Numbers follow names: the lowest that matches is the one that is told. */
static void rules_compile(struct policy_load *l)
{
	struct policy_vec named;

	policy_vec_init(&named, sizeof(struct named_rule));
	rules_name(l, &named);
	for (uint32_t i = 0; i < named.n; i++) {
		const struct named_rule *r = policy_vec_at(&named, i);
		struct policy_authz_policy *p = policy_at(l, r->policy);
		struct hd_authz_rule row = { .policy = r->policy };

		row.details = policy_out(
			l, policy_str_printf(&l->arena, "rbac_access_denied_matched_policy[%.*s]",
					     POLICY_STR(r->id)));
		policy_authz_rule(l, p, r->yaml, &row);
		*(struct hd_authz_rule *)policy_vec_push(&l->arena, &l->authz.rules) = row;
		*(uint32_t *)policy_vec_push(&l->arena, &p->rules) = i;
	}
}

static void alias_add(struct policy_load *l, struct hd_str domain)
{
	static const char known;

	if (domain.n > 0)
		policy_map_add(&l->authz.aliases, domain, (void *)&known);
}

/* The trust domains whose principals are as good as the mesh's own. */
static void aliases_find(struct policy_load *l)
{
	const struct policy_yaml *list = policy_get(l->mesh, "trustDomainAliases");
	struct hd_str own = policy_get_str(l->mesh, "trustDomain");

	alias_add(l, own.n > 0 ? own : policy_str(l->policy->settings.trust_domain));
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		alias_add(l, y->text);
}

static void arrays_init(struct policy_authz *z, struct policy_arena *a)
{
	policy_vec_init(&z->values, sizeof(struct hd_authz_value));
	policy_vec_init(&z->terms, sizeof(struct hd_authz_term));
	policy_vec_init(&z->groups, sizeof(struct hd_authz_group));
	policy_vec_init(&z->rules, sizeof(struct hd_authz_rule));
	policy_vec_init(&z->dimensions, sizeof(struct hd_authz_dimension));
	policy_vec_init(&z->buckets, sizeof(struct hd_authz_bucket));
	policy_vec_init(&z->lists, sizeof(struct hd_authz_list));
	policy_vec_init(&z->profiles, sizeof(struct hd_authz_profile));
	policy_vec_init(&z->targets, sizeof(struct hd_authz_target));
	policy_vec_init(&z->words, sizeof(uint32_t));
	policy_vec_init(&z->policies_out, sizeof(struct hd_authz_policy));
	policy_vec_init(&z->policies, sizeof(struct policy_authz_policy));
	policy_vec_init(&z->requests, sizeof(struct policy_authz_request));
	policy_vec_init(&z->jwt_rules, sizeof(struct hd_jwt_rule));
	policy_vec_init(&z->jwt_keys, sizeof(struct hd_jwt_key));
	policy_vec_init(&z->jwt_places, sizeof(struct hd_jwt_place));
	policy_vec_init(&z->jwt_claim_headers, sizeof(struct hd_jwt_claim_header));
	policy_vec_init(&z->jwt_texts, sizeof(struct hd_str));
	policy_map_init(&z->scopes, a);
	policy_map_init(&z->profiles_by_key, a);
	policy_map_init(&z->targets_by_key, a);
	policy_map_init(&z->applied, a);
	policy_map_init(&z->jwt_lists, a);
	policy_map_init(&z->aliases, a);
}

static int service_named(const struct policy_load *l, struct hd_str namespace_, struct hd_str name,
			 int is_entry)
{
	for (uint32_t i = 0; i < l->services.n; i++) {
		const struct policy_service *s =
			*(struct policy_service **)policy_vec_at(&l->services, i);

		if (s->entry == is_entry && hd_str_eq(s->namespace_, namespace_) &&
		    hd_str_eq(s->object->name, name))
			return 1;
	}
	return 0;
}

static int gateway_named(const struct policy_load *l, struct hd_str namespace_, struct hd_str name)
{
	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o = policy_object_at(l, i);

		if (!o->replaced && o->row->id == POLICY_GATEWAY &&
		    hd_str_eq(o->namespace_, namespace_) && hd_str_eq(o->name, name))
			return 1;
	}
	return 0;
}

static void target_warn(struct policy_load *l, const struct policy_object *o,
			const struct policy_yaml *ref)
{
	struct hd_str kind = policy_get_str(ref, "kind"), name = policy_get_str(ref, "name");
	struct policy_check c;

	if ((policy_str_is(kind, "Service") && service_named(l, o->namespace_, name, 0)) ||
	    (policy_str_is(kind, "ServiceEntry") && service_named(l, o->namespace_, name, 1)) ||
	    (policy_str_is(kind, "Gateway") && gateway_named(l, o->namespace_, name)))
		return;
	policy_object_check(l, o, &c);
	policy_warning(&c, ref, "%.*s \"%.*s\" is not there: for it, the policy applies to nothing",
		       POLICY_STR(kind), POLICY_STR(name));
}

static struct policy_authz_request *request_at(const struct policy_load *l, uint32_t i)
{
	return policy_vec_at(&l->authz.requests, i);
}

static void refs_warn(struct policy_load *l, const struct policy_object *o)
{
	const struct policy_yaml *refs = policy_get(o->body, "targetRefs"),
				 *ref = policy_get(o->body, "targetRef");

	if (ref != NULL)
		target_warn(l, o, ref);
	for (const struct policy_yaml *y = refs != NULL ? refs->first : NULL; y != NULL;
	     y = y->next)
		target_warn(l, o, y);
}

static void targets_warn(struct policy_load *l)
{
	for (uint32_t i = 0; i < l->authz.policies.n; i++)
		refs_warn(l, policy_at(l, i)->object);
	for (uint32_t i = 0; i < l->authz.requests.n; i++)
		refs_warn(l, request_at(l, i)->whom.object);
}

void policy_authz_read(struct policy_load *l)
{
	struct policy_authz *z = &l->authz;

	arrays_init(z, &l->arena);
	aliases_find(l);
	policies_find(l);
	requests_find(l);
	for (uint32_t i = 0; i < z->policies.n; i++)
		policy_out_add(l, policy_at(l, i));
	rules_compile(l);
	targets_warn(l);
	policy_vec_push(&l->arena, &z->profiles); /* the first of each: nothing applies */
	policy_vec_push(&l->arena, &z->targets);
}

/* What is known of whom policies may apply to. */
struct subject {
	struct hd_str namespace_;
	const struct policy_yaml *labels, *more_labels; /* NULL: none */
	const struct policy_service *service;		/* NULL: a gateway */
	struct hd_str gateway;
};

static int selector_holds(const struct policy_load *l, const struct policy_yaml *selector,
			  const struct subject *s)
{
	if (s->service == NULL)
		return policy_node_has_labels(l, selector);
	for (const struct policy_yaml *y = selector->first; y != NULL; y = y->next) {
		const struct policy_yaml *own = policy_yaml_raw(s->labels, y->key.p);

		if (own == NULL)
			own = policy_yaml_raw(s->more_labels, y->key.p);
		if (own == NULL || !hd_str_eq(own->text, y->text))
			return 0;
	}
	return 1;
}

static int ref_holds(const struct policy_yaml *ref, const struct policy_object *o,
		     const struct subject *s)
{
	struct hd_str kind = policy_get_str(ref, "kind"), name = policy_get_str(ref, "name"), own;
	const char *slash;

	if (s->service != NULL)
		return policy_str_is(kind, s->service->entry ? "ServiceEntry" : "Service") &&
		       hd_str_eq(s->service->namespace_, o->namespace_) &&
		       hd_str_eq(s->service->object->name, name);
	slash = memchr(s->gateway.p, '/', s->gateway.n);
	own = (struct hd_str){ s->gateway.p, (uint32_t)(slash - s->gateway.p) };
	return policy_str_is(kind, "Gateway") && hd_str_eq(own, o->namespace_) &&
	       hd_str_eq((struct hd_str){ slash + 1, s->gateway.n - own.n - 1 }, name);
}

static int target_holds(const struct policy_authz_policy *p, const struct subject *s)
{
	const struct policy_yaml *refs = policy_get(p->object->body, "targetRefs"),
				 *ref = policy_get(p->object->body, "targetRef");

	if (ref != NULL && ref_holds(ref, p->object, s))
		return 1;
	for (const struct policy_yaml *y = refs != NULL ? refs->first : NULL; y != NULL;
	     y = y->next)
		if (ref_holds(y, p->object, s))
			return 1;
	return 0;
}

/* Mesh-wide, namespace-wide, by labels or name; -1: not at all. */
static int scope_of(const struct policy_load *l, const struct policy_authz_policy *p,
		    const struct subject *s)
{
	struct hd_str ns = p->object->namespace_;
	int is_root = hd_str_eq(ns, l->root_namespace);

	if (p->has_targets)
		return target_holds(p, s) ? 2 : -1;
	if (!is_root && !hd_str_eq(ns, s->namespace_))
		return -1;
	if (p->selector != NULL)
		return selector_holds(l, p->selector, s) ? 2 : -1;
	return is_root ? 0 : 1;
}

static int number_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void scope_fill(struct policy_load *l, struct policy_authz_scope *s,
		       const struct policy_vec *policies)
{
	for (int action = 0; action < HD_AUTHZ_ACTIONS; action++) {
		struct policy_vec rules;

		policy_vec_init(&rules, sizeof(uint32_t));
		for (uint32_t i = 0; i < policies->n; i++) {
			uint32_t index = *(uint32_t *)policy_vec_at(policies, i);
			const struct policy_authz_policy *p = policy_at(l, index);

			if (p->action != action)
				continue;
			s->by_port |= p->by_port;
			s->by_ip |= p->by_ip;
			if (action == HD_AUTHZ_ALLOW && s->allow_policy == 0)
				s->allow_policy = index + 1;
			for (uint32_t k = 0; k < p->rules.n; k++)
				*(uint32_t *)policy_vec_push(&l->arena, &rules) =
					*(uint32_t *)policy_vec_at(&p->rules, k);
		}
		if (rules.n > 0)
			qsort(rules.p, rules.n, rules.bytes, number_order);
		s->lists[action] = policy_authz_list(l, &rules);
	}
	s->any = policies->n > 0;
}

static const struct policy_authz_scope *scope_get(struct policy_load *l,
						  const struct policy_vec *policies)
{
	struct hd_str key = policy_str_copy(
		&l->arena, (struct hd_str){ policies->p, policies->n * policies->bytes });
	struct policy_authz_scope *s = policy_map_get(&l->authz.scopes, key);

	if (s == NULL) {
		s = policy_alloc(&l->arena, sizeof(*s));
		scope_fill(l, s, policies);
		policy_map_add(&l->authz.scopes, key, s);
	}
	return s;
}

/* The same rules have the same place. */
static void jwt_fill(struct policy_load *l, struct hd_authz_profile *p,
		     const struct policy_vec *rules)
{
	struct hd_str key =
		policy_str_copy(&l->arena, (struct hd_str){ rules->p, rules->n * rules->bytes });
	uintptr_t known = (uintptr_t)policy_map_get(&l->authz.jwt_lists, key);

	p->jwt_count = rules->n;
	p->jwt_first = known != 0 ? (uint32_t)known - 1 : l->authz.words.n;
	if (known != 0)
		return;
	policy_map_add(&l->authz.jwt_lists, key, (void *)(uintptr_t)(l->authz.words.n + 1));
	for (uint32_t i = 0; i < rules->n; i++)
		*(uint32_t *)policy_vec_push(&l->arena, &l->authz.words) =
			*(uint32_t *)policy_vec_at(rules, i);
}

static uint32_t profile_add(struct policy_load *l, const struct policy_vec policies[3],
			    const struct policy_vec *jwt)
{
	struct hd_authz_profile p;
	struct hd_str key = { (const char *)&p, sizeof(p) };
	uintptr_t known;
	int any = jwt->n > 0;

	memset(&p, 0, sizeof(p)); /* it is a key, with all its bytes */
	for (int i = 0; i < HD_AUTHZ_SCOPES; i++) {
		const struct policy_authz_scope *s = scope_get(l, &policies[i]);

		for (int action = 0; action < HD_AUTHZ_ACTIONS; action++)
			p.lists[action][i] = s->lists[action];
		if (s->allow_policy != 0 &&
		    (p.allow_policy == 0 || s->allow_policy < p.allow_policy))
			p.allow_policy = s->allow_policy;
		p.by_port |= s->by_port;
		p.by_ip |= s->by_ip;
		any |= s->any;
	}
	if (!any)
		return 0;
	if (jwt->n > 0)
		jwt_fill(l, &p, jwt);
	known = (uintptr_t)policy_map_get(&l->authz.profiles_by_key, key);
	if (known != 0)
		return (uint32_t)known - 1;
	*(struct hd_authz_profile *)policy_vec_push(&l->arena, &l->authz.profiles) = p;
	policy_map_add(&l->authz.profiles_by_key, policy_str_copy(&l->arena, key),
		       (void *)(uintptr_t)l->authz.profiles.n);
	return l->authz.profiles.n - 1;
}

static uint32_t profile_find(struct policy_load *l, const struct subject *s)
{
	struct policy_vec policies[HD_AUTHZ_SCOPES], jwt;

	policy_vec_init(&jwt, sizeof(uint32_t));
	for (int i = 0; i < HD_AUTHZ_SCOPES; i++)
		policy_vec_init(&policies[i], sizeof(uint32_t));
	for (uint32_t i = 0; i < l->authz.policies.n; i++) {
		int scope = scope_of(l, policy_at(l, i), s);

		if (scope >= 0)
			*(uint32_t *)policy_vec_push(&l->arena, &policies[scope]) = i;
	}
	for (uint32_t i = 0; i < l->authz.requests.n; i++) {
		const struct policy_authz_request *r = request_at(l, i);

		if (scope_of(l, &r->whom, s) < 0)
			continue;
		for (uint32_t k = 0; k < r->count; k++)
			*(uint32_t *)policy_vec_push(&l->arena, &jwt) = r->first + k;
	}
	return profile_add(l, policies, &jwt);
}

static uint32_t target_add(struct policy_load *l, uint32_t profile, const struct hd_addr *workload)
{
	const struct hd_authz_profile *p = policy_vec_at(&l->authz.profiles, profile);
	struct hd_authz_target t;
	struct hd_str key = { (const char *)&t, sizeof(t) };
	uintptr_t known;

	if (profile == 0)
		return 0;
	memset(&t, 0, sizeof(t));
	t.profile = profile;
	if (p->by_ip && workload != NULL)
		t.workload.ip = workload->ip;
	if (p->by_port && workload != NULL)
		t.workload.port = workload->port;
	known = (uintptr_t)policy_map_get(&l->authz.targets_by_key, key);
	if (known != 0)
		return (uint32_t)known - 1;
	*(struct hd_authz_target *)policy_vec_push(&l->arena, &l->authz.targets) = t;
	policy_map_add(&l->authz.targets_by_key, policy_str_copy(&l->arena, key),
		       (void *)(uintptr_t)l->authz.targets.n);
	return l->authz.targets.n - 1;
}

/* Workloads of one service with the same map of labels are looked at once. */
static uint32_t profile_of(struct policy_load *l, const struct subject *s)
{
	const void *known_by[2] = { s->service, s->labels };
	struct hd_str key = { (const char *)known_by, sizeof(known_by) };
	uintptr_t known = (uintptr_t)policy_map_get(&l->authz.applied, key);
	uint32_t profile;

	if (known != 0)
		return (uint32_t)known - 1;
	profile = profile_find(l, s);
	policy_map_add(&l->authz.applied, policy_str_copy(&l->arena, key),
		       (void *)(uintptr_t)(profile + 1));
	return profile;
}

uint32_t policy_authz_target(struct policy_load *l, const struct policy_service *s,
			     const struct policy_yaml *labels, const struct hd_addr *workload)
{
	const struct subject subject = { .namespace_ = s->namespace_,
					 .labels = labels,
					 .more_labels = s->selector,
					 .service = s };

	if (l->authz.policies.n + l->authz.requests.n == 0)
		return 0;
	return target_add(l, profile_of(l, &subject), workload);
}

#define TARGETS_MAX 64 /* for a decision before the workload is known; past it, each decides */

void policy_authz_targets(struct policy_load *l, const struct policy_service *s,
			  const struct policy_service_port *port, uint32_t *first, uint32_t *count)
{
	const struct hd_addr unknown = { .port = port->target };
	struct policy_vec found;
	struct policy_map seen;

	*first = l->authz.words.n;
	*count = 0;
	policy_vec_init(&found, sizeof(uint32_t));
	policy_map_init(&seen, &l->arena);
	for (uint32_t i = 0; i < port->backends.n || i == 0; i++) {
		const struct policy_backend *b =
			i < port->backends.n ? policy_vec_at(&port->backends, i) : NULL;
		uint32_t t = policy_authz_target(l, s, b != NULL ? b->labels : NULL,
						 b != NULL ? &b->addr : &unknown);
		struct hd_str key =
			policy_str_copy(&l->arena, (struct hd_str){ (const char *)&t, sizeof(t) });

		if (t == 0)
			return;
		if (policy_map_add(&seen, key, (void *)key.p) == NULL)
			*(uint32_t *)policy_vec_push(&l->arena, &found) = t;
	}
	if (found.n > TARGETS_MAX)
		return;
	*count = found.n;
	for (uint32_t i = 0; i < found.n; i++)
		*(uint32_t *)policy_vec_push(&l->arena, &l->authz.words) =
			*(uint32_t *)policy_vec_at(&found, i);
}

uint32_t policy_authz_gateway(struct policy_load *l, struct hd_str gateway)
{
	const struct subject subject = { .namespace_ =
						 policy_str(l->policy->settings.node_namespace),
					 .gateway = gateway };

	if (l->authz.policies.n + l->authz.requests.n == 0)
		return 0;
	return target_add(l, profile_find(l, &subject), NULL);
}
