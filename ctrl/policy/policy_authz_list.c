/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of one action that apply together, as a list that is searched by what a request has rather
 * than rule by rule: each rule stands under values that it needs (its anchors), of those the ones
 * that the fewest other rules share. docs/decisions/0016-authorization-by-anchors.md */
#include <stdlib.h>

#include "policy_model.h"

#define LONGEST (HD_AUTHZ_LONGEST - 1)

struct list_build {
	struct policy_load *l;
	struct policy_map shared;     /* anchor -> how many rules have it, + 1 */
	struct policy_map dimensions; /* field and name -> number + 1 */
	struct policy_vec always;     /* uint32_t */
	struct policy_map by_hash;    /* hash -> struct policy_vec of rules */
	struct policy_vec hashes;     /* uint32_t, each once */
	struct hd_authz_list row;
};

static const struct hd_authz_term *term_at(const struct policy_load *l, uint32_t i)
{
	return policy_vec_at(&l->authz.terms, i);
}

static const struct hd_authz_value *value_at(const struct policy_load *l, uint32_t i)
{
	return policy_vec_at(&l->authz.values, i);
}

static int field_anchors(uint8_t field)
{
	switch ((enum hd_authz_field)field) {
	case HD_AUTHZ_NEVER:
	case HD_AUTHZ_DESTINATION_IP:
	case HD_AUTHZ_DESTINATION_PORT:
	case HD_AUTHZ_REQUEST_PRINCIPAL:
		return 0;
	default:
		return 1;
	}
}

static int value_anchors(const struct hd_authz_value *v)
{
	switch ((enum hd_authz_kind)v->kind) {
	case HD_AUTHZ_CIDR:
		return 1;
	case HD_AUTHZ_EXACT:
	case HD_AUTHZ_PREFIX:
	case HD_AUTHZ_SUFFIX:
		return v->text.n <= LONGEST;
	default:
		return 0;
	}
}

static int term_anchors(const struct policy_load *l, const struct hd_authz_term *t)
{
	if (t->negate || !field_anchors(t->field))
		return 0;
	for (uint32_t i = 0; i < t->values_count; i++)
		if (!value_anchors(value_at(l, t->values_first + i)))
			return 0;
	return 1;
}

static struct hd_str anchor_key(struct policy_load *l, const struct hd_authz_term *t,
				const struct hd_authz_value *v)
{
	char ip[HD_ADDR_STRLEN];

	if (v->kind == HD_AUTHZ_CIDR)
		return policy_str_printf(&l->arena, "%u %s/%u", t->field,
					 hd_ip_format(&v->cidr.ip, ip), v->cidr.len);
	return policy_str_printf(&l->arena, "%u %u %u %.*s %.*s", t->field, v->kind, t->name.n,
				 POLICY_STR(t->name), POLICY_STR(v->text));
}

static void terms_count(struct list_build *b, struct hd_authz_group g)
{
	for (uint32_t i = 0; i < g.terms_count; i++) {
		const struct hd_authz_term *t = term_at(b->l, g.terms_first + i);

		if (!term_anchors(b->l, t))
			continue;
		for (uint32_t k = 0; k < t->values_count; k++) {
			struct hd_str key =
				anchor_key(b->l, t, value_at(b->l, t->values_first + k));
			struct policy_map_entry *e;

			if (policy_map_add(&b->shared, key, (void *)(uintptr_t)1) == NULL)
				continue;
			e = policy_map_entry(&b->shared, key);
			e->value = (void *)((uintptr_t)e->value + 1);
		}
	}
}

static struct hd_authz_group group_at(const struct policy_load *l, uint32_t i)
{
	return *(struct hd_authz_group *)policy_vec_at(&l->authz.groups, i);
}

static void rule_count(struct list_build *b, const struct hd_authz_rule *r)
{
	for (uint32_t i = 0; i < r->sources_count; i++)
		terms_count(b, group_at(b->l, r->sources_first + i));
	for (uint32_t i = 0; i < r->operations_count; i++)
		terms_count(b, group_at(b->l, r->operations_first + i));
	terms_count(b, r->when);
}

/* How many rules share the commonest of its values: the fewer the better. HD_NONE: no anchor. */
static uint32_t term_cost(struct list_build *b, const struct hd_authz_term *t)
{
	uint32_t most = 0;

	if (!term_anchors(b->l, t))
		return HD_NONE;
	for (uint32_t k = 0; k < t->values_count; k++) {
		struct hd_str key = anchor_key(b->l, t, value_at(b->l, t->values_first + k));
		uint32_t n = (uint32_t)(uintptr_t)policy_map_get(&b->shared, key);

		most = n > most ? n : most;
	}
	return most;
}

static uint32_t best_term(struct list_build *b, struct hd_authz_group g, uint32_t *cost)
{
	uint32_t best = HD_NONE;

	*cost = HD_NONE;
	for (uint32_t i = 0; i < g.terms_count; i++) {
		uint32_t n = term_cost(b, term_at(b->l, g.terms_first + i));

		if (n < *cost) {
			*cost = n;
			best = g.terms_first + i;
		}
	}
	return best;
}

/* Every alternative needs an anchor, or the rule can be met without one. */
static uint32_t groups_cost(struct list_build *b, uint32_t first, uint32_t count)
{
	uint32_t most = 0, cost;

	for (uint32_t i = 0; i < count; i++) {
		best_term(b, group_at(b->l, first + i), &cost);
		if (cost == HD_NONE)
			return HD_NONE;
		most = cost > most ? cost : most;
	}
	return count > 0 ? most : HD_NONE;
}

static uint32_t dimension_of(struct list_build *b, const struct hd_authz_term *t)
{
	struct policy_vec *rows = &b->l->authz.dimensions;
	struct hd_str key =
		policy_str_printf(&b->l->arena, "%u %.*s", t->field, POLICY_STR(t->name));
	uintptr_t at = (uintptr_t)policy_map_get(&b->dimensions, key);
	struct hd_authz_dimension *d;

	if (at != 0)
		return (uint32_t)at - 1;
	d = policy_vec_push(&b->l->arena, rows);
	d->field = t->field;
	d->name = t->name;
	policy_map_add(&b->dimensions, key, (void *)(uintptr_t)(rows->n - b->row.dimensions_first));
	return rows->n - b->row.dimensions_first - 1;
}

static uint32_t value_anchor(struct list_build *b, uint32_t dimension,
			     const struct hd_authz_value *v)
{
	struct hd_authz_dimension *d =
		policy_vec_at(&b->l->authz.dimensions, b->row.dimensions_first + dimension);
	uint32_t h = hd_authz_hash(v->text.p, v->text.n), n = v->text.n;

	if (v->kind == HD_AUTHZ_CIDR) {
		d->prefixes[v->cidr.len / 64] |= UINT64_C(1) << (v->cidr.len % 64);
		return hd_authz_anchor(hd_authz_hash_ip(&v->cidr.ip, v->cidr.len), dimension,
				       HD_AUTHZ_CIDR, v->cidr.len);
	}
	if (v->kind == HD_AUTHZ_PREFIX)
		d->prefixes[n / 64] |= UINT64_C(1) << (n % 64);
	else if (v->kind == HD_AUTHZ_SUFFIX)
		d->suffixes[n / 64] |= UINT64_C(1) << (n % 64);
	else
		d->has_exact = 1;
	return hd_authz_anchor(h, dimension, v->kind, n);
}

static void bucket_add(struct list_build *b, uint32_t hash, uint32_t rule)
{
	struct hd_str key =
		policy_str_copy(&b->l->arena, (struct hd_str){ (const char *)&hash, sizeof(hash) });
	struct policy_vec *v = policy_map_get(&b->by_hash, key);

	if (v == NULL) {
		v = policy_alloc(&b->l->arena, sizeof(*v));
		policy_vec_init(v, sizeof(uint32_t));
		policy_map_add(&b->by_hash, key, v);
		*(uint32_t *)policy_vec_push(&b->l->arena, &b->hashes) = hash;
	}
	if (v->n == 0 || *(uint32_t *)policy_vec_at(v, v->n - 1) != rule)
		*(uint32_t *)policy_vec_push(&b->l->arena, v) = rule;
}

static void term_enter(struct list_build *b, uint32_t term, uint32_t rule)
{
	struct hd_authz_term t = *term_at(b->l, term);
	uint32_t dimension = dimension_of(b, &t);

	for (uint32_t i = 0; i < t.values_count; i++)
		bucket_add(b, value_anchor(b, dimension, value_at(b->l, t.values_first + i)), rule);
}

static void groups_enter(struct list_build *b, uint32_t first, uint32_t count, uint32_t rule)
{
	uint32_t cost;

	for (uint32_t i = 0; i < count; i++)
		term_enter(b, best_term(b, group_at(b->l, first + i), &cost), rule);
}

static void rule_enter(struct list_build *b, uint32_t rule)
{
	struct hd_authz_rule r = *(struct hd_authz_rule *)policy_vec_at(&b->l->authz.rules, rule);
	uint32_t sources = groups_cost(b, r.sources_first, r.sources_count);
	uint32_t operations = groups_cost(b, r.operations_first, r.operations_count);
	uint32_t when, term = best_term(b, r.when, &when);

	if (sources == HD_NONE && operations == HD_NONE && when == HD_NONE)
		*(uint32_t *)policy_vec_push(&b->l->arena, &b->always) = rule;
	else if (when <= sources && when <= operations)
		term_enter(b, term, rule);
	else if (sources <= operations)
		groups_enter(b, r.sources_first, r.sources_count, rule);
	else
		groups_enter(b, r.operations_first, r.operations_count, rule);
}

static uint32_t words_add(struct policy_load *l, const struct policy_vec *v)
{
	uint32_t first = l->authz.words.n;

	for (uint32_t i = 0; i < v->n; i++)
		*(uint32_t *)policy_vec_push(&l->arena, &l->authz.words) =
			*(uint32_t *)policy_vec_at(v, i);
	return first;
}

static void table_out(struct list_build *b)
{
	struct policy_vec *buckets = &b->l->authz.buckets;
	uint32_t size = 2;

	while (size < 2 * b->hashes.n)
		size *= 2;
	b->row.table_first = buckets->n;
	b->row.table_mask = size - 1;
	for (uint32_t i = 0; i < size; i++)
		policy_vec_push(&b->l->arena, buckets);
	for (uint32_t i = 0; i < b->hashes.n; i++) {
		uint32_t hash = *(uint32_t *)policy_vec_at(&b->hashes, i), at = hash;
		struct hd_str key = { (const char *)&hash, sizeof(hash) };
		const struct policy_vec *rules = policy_map_get(&b->by_hash, key);
		struct hd_authz_bucket *row;

		do {
			row = policy_vec_at(buckets, b->row.table_first + (at++ & (size - 1)));
		} while (row->count > 0);
		*row = (struct hd_authz_bucket){ hash, words_add(b->l, rules), rules->n };
	}
}

uint32_t policy_authz_list(struct policy_load *l, const struct policy_vec *rules)
{
	struct list_build b = { .l = l };

	if (rules->n == 0)
		return 0;
	policy_map_init(&b.shared, &l->arena);
	policy_map_init(&b.dimensions, &l->arena);
	policy_map_init(&b.by_hash, &l->arena);
	policy_vec_init(&b.always, sizeof(uint32_t));
	policy_vec_init(&b.hashes, sizeof(uint32_t));
	b.row.dimensions_first = l->authz.dimensions.n;
	for (uint32_t i = 0; i < rules->n; i++)
		rule_count(&b,
			   policy_vec_at(&l->authz.rules, *(uint32_t *)policy_vec_at(rules, i)));
	for (uint32_t i = 0; i < rules->n; i++)
		rule_enter(&b, *(uint32_t *)policy_vec_at(rules, i));
	b.row.dimensions_count = l->authz.dimensions.n - b.row.dimensions_first;
	b.row.all_first = words_add(l, rules);
	b.row.all_count = rules->n;
	b.row.always_first = words_add(l, &b.always);
	b.row.always_count = b.always.n;
	table_out(&b);
	*(struct hd_authz_list *)policy_vec_push(&l->arena, &l->authz.lists) = b.row;
	return l->authz.lists.n;
}
