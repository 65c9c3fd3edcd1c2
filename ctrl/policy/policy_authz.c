/* SPDX-License-Identifier: Apache-2.0 */
/* AuthorizationPolicies as terms of a few fields (istio-api.md 1.8). */
#include <stdlib.h>

#include "policy_model.h"

/* While one term grows. */
struct term_build {
	struct policy_load *l;
	struct policy_vec exact, others; /* struct hd_authz_value */
	struct hd_authz_term row;
	struct hd_str namespace_; /* of the policy */
};

static void term_begin(struct term_build *b, struct policy_load *l, struct hd_str namespace_,
		       enum hd_authz_field field, int negate, struct hd_str name)
{
	*b = (struct term_build){ .l = l, .namespace_ = namespace_ };
	policy_vec_init(&b->exact, sizeof(struct hd_authz_value));
	policy_vec_init(&b->others, sizeof(struct hd_authz_value));
	b->row.field = (uint8_t)field;
	b->row.negate = negate != 0;
	b->row.name = policy_out(l, name);
}

static struct hd_authz_value *value_add(struct term_build *b, enum hd_authz_kind kind)
{
	struct hd_authz_value *v =
		policy_vec_push(&b->l->arena, kind == HD_AUTHZ_EXACT ? &b->exact : &b->others);

	v->kind = (uint8_t)kind;
	return v;
}

/* `*` alone, in front or behind; anywhere else it is a star. */
static struct hd_str pattern_of(struct hd_str s, enum hd_authz_kind *kind)
{
	*kind = HD_AUTHZ_EXACT;
	if (policy_str_is(s, "*")) {
		*kind = HD_AUTHZ_PRESENT;
		return (struct hd_str){ "", 0 };
	}
	if (s.n > 0 && s.p[0] == '*') {
		*kind = HD_AUTHZ_SUFFIX;
		return (struct hd_str){ s.p + 1, s.n - 1 };
	}
	if (s.n > 0 && s.p[s.n - 1] == '*') {
		*kind = HD_AUTHZ_PREFIX;
		return (struct hd_str){ s.p, s.n - 1 };
	}
	return s;
}

static void text_add(struct term_build *b, struct hd_str s)
{
	enum hd_authz_kind kind;
	struct hd_str text = pattern_of(s, &kind);

	value_add(b, kind)->text = policy_out(b->l, text);
}

static void host_add(struct term_build *b, struct hd_str s)
{
	text_add(b, policy_str_lower(&b->l->arena, s));
}

static void path_add(struct term_build *b, struct hd_str s)
{
	if (policy_str_has(s, '{'))
		value_add(b, HD_AUTHZ_TEMPLATE)->text = policy_out(b->l, s);
	else
		text_add(b, s);
}

/* A principal of the mesh's own trust domain, or of `cluster.local`, means those of its aliases
 * too. */
static void principal_add(struct term_build *b, struct hd_str s)
{
	const struct policy_map *aliases = &b->l->authz.aliases;
	const char *slash = memchr(s.p, '/', s.n);
	struct hd_str domain = { s.p, slash != NULL ? (uint32_t)(slash - s.p) : 0 };

	if (domain.n == 0 ||
	    (!policy_str_is(domain, "cluster.local") && policy_map_get(aliases, domain) == NULL)) {
		text_add(b, s);
		return;
	}
	for (uint32_t i = 0; i <= aliases->mask && aliases->n > 0; i++)
		if (aliases->entries[i].value != NULL)
			text_add(b, policy_str_printf(&b->l->arena, "%.*s%.*s",
						      POLICY_STR(aliases->entries[i].key),
						      (int)(s.n - domain.n), slash));
}

/* "ns/account", or an account of the policy's namespace, of any trust domain. */
static void account_add(struct term_build *b, struct hd_str s)
{
	const char *slash = memchr(s.p, '/', s.n);
	struct hd_str ns = b->namespace_, name = s;

	if (slash != NULL) {
		ns = (struct hd_str){ s.p, (uint32_t)(slash - s.p) };
		name = (struct hd_str){ slash + 1, s.n - ns.n - 1 };
	}
	value_add(b, HD_AUTHZ_SUFFIX)->text =
		policy_out(b->l, policy_str_printf(&b->l->arena, "/ns/%.*s/sa/%.*s", POLICY_STR(ns),
						   POLICY_STR(name)));
}

static int split_at(struct hd_str s, struct hd_str *issuer, struct hd_str *subject)
{
	uint32_t at = s.n;

	while (at > 0 && s.p[at - 1] != '/')
		at--;
	if (at == 0)
		return 0;
	*issuer = (struct hd_str){ s.p, at - 1 };
	*subject = (struct hd_str){ s.p + at, s.n - at };
	return 1;
}

/* "issuer/subject", parted at the last slash; a pattern without one is about the end it leaves
 * open. */
static void request_principal_add(struct term_build *b, struct hd_str s)
{
	struct hd_str issuer = { "*", 1 }, subject = { "*", 1 };
	enum hd_authz_kind first, second;
	struct hd_authz_value v = { 0 };

	if (!policy_str_is(s, "*") && !split_at(s, &issuer, &subject)) {
		if (s.p[0] == '*')
			subject = s;
		else
			issuer = s;
	}
	v.text = policy_out(b->l, pattern_of(issuer, &first));
	v.second = policy_out(b->l, pattern_of(subject, &second));
	v.kind = (uint8_t)first;
	v.second_kind = (uint8_t)second;
	*(struct hd_authz_value *)policy_vec_push(&b->l->arena, &b->others) = v;
}

static void block_add(struct term_build *b, struct hd_str s)
{
	const char *slash = memchr(s.p, '/', s.n);
	uint32_t n = slash != NULL ? (uint32_t)(slash - s.p) : s.n;
	struct hd_str ip = policy_str_copy(&b->l->arena, (struct hd_str){ s.p, n });
	struct hd_authz_value *v = value_add(b, HD_AUTHZ_CIDR);
	long bits;

	(void)hd_ip_parse(ip.p, &v->cidr.ip); /* the schema has read it */
	bits = slash != NULL ? strtol(slash + 1, NULL, 10) : hd_ip_is_v4(&v->cidr.ip) ? 32 : 128;
	v->cidr.len = (uint8_t)(hd_ip_is_v4(&v->cidr.ip) ? 96 + bits : bits);
}

static void port_add(struct term_build *b, struct hd_str s)
{
	value_add(b, HD_AUTHZ_PORT)->port = (uint16_t)strtol(s.p, NULL, 10);
}

/* Many exact values are looked up, a few compared. */
#define TABLE_FROM 8

static void table_add(struct policy_load *l, struct hd_authz_term *t)
{
	uint32_t size = 16, *table;

	if (t->exact_count < TABLE_FROM)
		return;
	while (size < 2 * t->exact_count)
		size *= 2;
	t->table_first = l->authz.words.n;
	t->table_mask = size - 1;
	for (uint32_t i = 0; i < size; i++)
		*(uint32_t *)policy_vec_push(&l->arena, &l->authz.words) = HD_NONE;
	table = policy_vec_at(&l->authz.words, t->table_first);
	for (uint32_t i = 0; i < t->exact_count; i++) {
		const struct hd_authz_value *v =
			policy_vec_at(&l->authz.values, t->values_first + i);
		uint32_t at = hd_authz_hash(v->text.p, v->text.n);

		while (table[at & t->table_mask] != HD_NONE)
			at++;
		table[at & t->table_mask] = t->values_first + i;
	}
}

static void term_end(struct term_build *b)
{
	struct policy_authz *z = &b->l->authz;
	struct hd_authz_term *t = &b->row;

	t->values_first = z->values.n;
	t->exact_count = b->exact.n;
	t->values_count = b->exact.n + b->others.n;
	for (uint32_t i = 0; i < b->exact.n; i++)
		*(struct hd_authz_value *)policy_vec_push(&b->l->arena, &z->values) =
			*(struct hd_authz_value *)policy_vec_at(&b->exact, i);
	for (uint32_t i = 0; i < b->others.n; i++)
		*(struct hd_authz_value *)policy_vec_push(&b->l->arena, &z->values) =
			*(struct hd_authz_value *)policy_vec_at(&b->others, i);
	table_add(b->l, t);
	*(struct hd_authz_term *)policy_vec_push(&b->l->arena, &z->terms) = *t;
}

/* One rule on its way. */
struct rule_build {
	struct policy_load *l;
	const struct policy_object *object;
	uint8_t fails_closed; /* ALLOW: what is not known lets nothing pass; else it is left out */
	uint8_t needs_http;
	struct policy_authz_policy *policy;
};

typedef void (*add_value)(struct term_build *b, struct hd_str s);

static void list_term(struct rule_build *r, enum hd_authz_field field, int negate,
		      struct hd_str name, const struct policy_yaml *list, add_value add)
{
	struct term_build b;

	if (list == NULL || list->n == 0)
		return;
	term_begin(&b, r->l, r->object->namespace_, field, negate, name);
	for (const struct policy_yaml *y = list->first; y != NULL; y = y->next)
		add(&b, y->text);
	term_end(&b);
	r->needs_http |= field >= HD_AUTHZ_FIRST_HTTP;
	r->policy->by_ip |= field == HD_AUTHZ_DESTINATION_IP;
	r->policy->by_port |= field == HD_AUTHZ_DESTINATION_PORT;
}

static void never_term(struct rule_build *r)
{
	struct term_build b;

	if (!r->fails_closed)
		return;
	term_begin(&b, r->l, r->object->namespace_, HD_AUTHZ_NEVER, 0, (struct hd_str){ "", 0 });
	term_end(&b);
}

static int has_unknown(const struct policy_yaml *map)
{
	for (const struct policy_yaml *y = map != NULL ? map->first : NULL; y != NULL; y = y->next)
		if (y->field == NULL)
			return 1;
	return 0;
}

static const struct list_field {
	const char *name, *not_name;
	uint8_t field;
	add_value add;
} source_fields[] = {
	{ "principals", "notPrincipals", HD_AUTHZ_PRINCIPAL, principal_add },
	{ "serviceAccounts", "notServiceAccounts", HD_AUTHZ_PRINCIPAL, account_add },
	{ "namespaces", "notNamespaces", HD_AUTHZ_NAMESPACE, text_add },
	{ "trustDomains", "notTrustDomains", HD_AUTHZ_TRUST_DOMAIN, text_add },
	{ "requestPrincipals", "notRequestPrincipals", HD_AUTHZ_REQUEST_PRINCIPAL,
	  request_principal_add },
	{ "ipBlocks", "notIpBlocks", HD_AUTHZ_SOURCE_IP, block_add },
	{ "remoteIpBlocks", "notRemoteIpBlocks", HD_AUTHZ_REMOTE_IP, block_add },
	{ NULL },
}, operation_fields[] = {
	{ "methods", "notMethods", HD_AUTHZ_METHOD, text_add },
	{ "paths", "notPaths", HD_AUTHZ_PATH, path_add },
	{ "hosts", "notHosts", HD_AUTHZ_HOST, host_add },
	{ "ports", "notPorts", HD_AUTHZ_DESTINATION_PORT, port_add },
	{ NULL },
};

static void fields_group(struct rule_build *r, const struct policy_yaml *entry,
			 const struct policy_yaml *map, const struct list_field *fields)
{
	struct policy_authz *z = &r->l->authz;
	uint32_t first = z->terms.n;
	const struct hd_str no_name = { "", 0 };
	struct hd_authz_group *g;

	if (has_unknown(entry) || has_unknown(map))
		never_term(r);
	for (const struct list_field *f = fields; f->name != NULL; f++) {
		list_term(r, f->field, 0, no_name, policy_get(map, f->name), f->add);
		list_term(r, f->field, 1, no_name, policy_get(map, f->not_name), f->add);
	}
	g = policy_vec_push(&r->l->arena, &z->groups);
	*g = (struct hd_authz_group){ first, z->terms.n - first };
}

/* "[a][b]" behind the prefix: "a\0b". */
static struct hd_str claim_name(struct policy_load *l, struct hd_str key)
{
	struct hd_str s = policy_str_copy(&l->arena, key);
	char *out = (char *)s.p;
	uint32_t n = 0;

	for (uint32_t i = 0; i < key.n; i++) {
		if (key.p[i] == '[')
			continue;
		if (key.p[i] != ']')
			out[n++] = key.p[i];
		else if (i + 1 < key.n)
			out[n++] = '\0';
	}
	s.n = n;
	return s;
}

static const struct condition_key {
	const char *key;
	uint8_t field;
	add_value add;
	const char *claim;
} condition_keys[] = {
	{ "source.ip", HD_AUTHZ_SOURCE_IP, block_add },
	{ "remote.ip", HD_AUTHZ_REMOTE_IP, block_add },
	{ "source.namespace", HD_AUTHZ_NAMESPACE, text_add },
	{ "source.serviceAccount", HD_AUTHZ_PRINCIPAL, account_add },
	{ "source.trustDomain", HD_AUTHZ_TRUST_DOMAIN, text_add },
	{ "source.principal", HD_AUTHZ_PRINCIPAL, principal_add },
	{ "request.auth.principal", HD_AUTHZ_REQUEST_PRINCIPAL, request_principal_add },
	{ "request.auth.audiences", HD_AUTHZ_CLAIM, text_add, "aud" },
	{ "request.auth.presenter", HD_AUTHZ_CLAIM, text_add, "azp" },
	{ "destination.ip", HD_AUTHZ_DESTINATION_IP, block_add },
	{ "destination.port", HD_AUTHZ_DESTINATION_PORT, port_add },
	{ "connection.sni", HD_AUTHZ_SNI, text_add },
};

#define HEADERS "request.headers["
#define CLAIMS "request.auth.claims"

/* What a key is about; 0: nothing that Heddle has. */
static int key_find(struct policy_load *l, struct hd_str key, struct condition_key *out,
		    struct hd_str *name)
{
	const uint32_t headers_n = sizeof(HEADERS) - 1, claims_n = sizeof(CLAIMS) - 1;

	*name = (struct hd_str){ "", 0 };
	if (policy_str_starts(key, HEADERS)) {
		*out = (struct condition_key){ HEADERS, HD_AUTHZ_HEADER, text_add };
		*name = policy_str_lower(
			&l->arena, (struct hd_str){ key.p + headers_n, key.n - headers_n - 1 });
		return 1;
	}
	if (policy_str_starts(key, CLAIMS)) {
		*out = (struct condition_key){ CLAIMS, HD_AUTHZ_CLAIM, text_add };
		*name = claim_name(l, (struct hd_str){ key.p + claims_n, key.n - claims_n });
		return 1;
	}
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(condition_keys); i++) {
		if (!policy_str_is(key, condition_keys[i].key))
			continue;
		*out = condition_keys[i];
		if (out->claim != NULL)
			*name = policy_str(out->claim);
		return 1;
	}
	return 0;
}

static void condition_terms(struct rule_build *r, const struct policy_yaml *map)
{
	struct condition_key k;
	struct hd_str name;
	struct policy_check c;

	if (has_unknown(map))
		never_term(r);
	if (!key_find(r->l, policy_get_str(map, "key"), &k, &name)) {
		policy_object_check(r->l, r->object, &c);
		policy_warning(&c, policy_get(map, "key"), "no filter of Heddle sets %.*s: %s",
			       POLICY_STR(policy_get_str(map, "key")),
			       r->fails_closed ? "the rule matches nothing"
					       : "the condition is left out");
		never_term(r);
		return;
	}
	list_term(r, k.field, 0, name, policy_get(map, "values"), k.add);
	list_term(r, k.field, 1, name, policy_get(map, "notValues"), k.add);
}

static void groups_add(struct rule_build *r, const struct policy_yaml *list, const char *inner,
		       const struct list_field *fields, uint32_t *first, uint32_t *count)
{
	*first = r->l->authz.groups.n;
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		fields_group(r, y, policy_get(y, inner), fields);
	*count = r->l->authz.groups.n - *first;
}

/* What stands beside the rules or around them makes an ALLOW rule void as well: a mistyped
 * selector must not open more than it says. */
static int object_is_odd(const struct policy_object *o)
{
	const struct policy_yaml *refs = policy_get(o->body, "targetRefs");

	for (const struct policy_yaml *y = refs != NULL ? refs->first : NULL; y != NULL;
	     y = y->next)
		if (has_unknown(y))
			return 1;
	return has_unknown(o->body) || has_unknown(policy_get(o->body, "selector")) ||
	       has_unknown(policy_get(o->body, "targetRef"));
}

void policy_authz_rule(struct policy_load *l, struct policy_authz_policy *p,
		       const struct policy_yaml *rule, struct hd_authz_rule *out)
{
	struct rule_build r = {
		.l = l, .object = p->object, .policy = p, .fails_closed = p->said == HD_AUTHZ_ALLOW
	};
	const struct policy_yaml *when = policy_get(rule, "when");

	groups_add(&r, policy_get(rule, "from"), "source", source_fields, &out->sources_first,
		   &out->sources_count);
	groups_add(&r, policy_get(rule, "to"), "operation", operation_fields,
		   &out->operations_first, &out->operations_count);
	out->when.terms_first = l->authz.terms.n;
	if (has_unknown(rule) || object_is_odd(p->object))
		never_term(&r);
	for (const struct policy_yaml *y = when != NULL ? when->first : NULL; y != NULL;
	     y = y->next)
		condition_terms(&r, y);
	out->when.terms_count = l->authz.terms.n - out->when.terms_first;
	out->needs_http = r.needs_http;
	out->line = policy_line(rule);
}
