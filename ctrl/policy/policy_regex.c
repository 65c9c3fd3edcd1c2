/* SPDX-License-Identifier: Apache-2.0 */
/* All expressions of a snapshot as one Hyperscan database. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <hs/hs.h>

#include "policy_regex.h"

void policy_regex_set_init(struct policy_regex_set *s, struct policy_arena *a)
{
	s->arena = a;
	policy_map_init(&s->by_text, a);
	policy_vec_init(&s->texts, sizeof(struct hd_str));
}

uint32_t policy_regex_set_add(struct policy_regex_set *s, struct hd_str expression)
{
	uintptr_t next = (uintptr_t)s->texts.n + 1; /* kept as the map's value, so never NULL */
	uintptr_t known = (uintptr_t)policy_map_add(&s->by_text, expression, (void *)next);

	if (known != 0)
		return (uint32_t)known - 1;
	*(struct hd_str *)policy_vec_push(s->arena, &s->texts) = expression;
	return (uint32_t)next - 1;
}

struct ranked {
	struct hd_str text;
	uint32_t old;
};

static int ranked_compare(const void *a, const void *b)
{
	return policy_str_cmp(((const struct ranked *)a)->text, ((const struct ranked *)b)->text);
}

const uint32_t *policy_regex_set_sort(struct policy_regex_set *s)
{
	struct ranked *rows = policy_alloc_array(s->arena, s->texts.n, sizeof(*rows));
	uint32_t *rank = policy_alloc_array(s->arena, s->texts.n, sizeof(*rank));

	for (uint32_t i = 0; i < s->texts.n; i++)
		rows[i] = (struct ranked){ *(struct hd_str *)policy_vec_at(&s->texts, i), i };
	if (s->texts.n > 1)
		qsort(rows, s->texts.n, sizeof(*rows), ranked_compare);
	for (uint32_t i = 0; i < s->texts.n; i++) {
		rank[rows[i].old] = i;
		*(struct hd_str *)policy_vec_at(&s->texts, i) = rows[i].text;
	}
	return rank;
}

struct policy_regex_db {
	hs_database_t *hs;
	atomic_uint held;
	uint32_t n;
	char **patterns; /* anchored, in order of their texts */
};

/* RE2 matches the whole value; \z rather than $, which would also hold before a final newline. */
static char *anchored(struct hd_str e)
{
	size_t bytes = (size_t)e.n + 16;
	char *out = malloc(bytes);

	if (out != NULL)
		snprintf(out, bytes, "\\A(?:%.*s)\\z", (int)e.n, e.p);
	return out;
}

static int db_compile(struct policy_regex_db *db, uint32_t *at_fault, char *why, size_t why_bytes)
{
	unsigned int *flags = calloc(db->n, sizeof(*flags)), *ids = calloc(db->n, sizeof(*ids));
	hs_compile_error_t *error = NULL;
	hs_error_t rc = HS_NOMEM;

	for (uint32_t i = 0; flags != NULL && ids != NULL && i < db->n; i++) {
		flags[i] = HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY;
		ids[i] = i;
	}
	if (flags != NULL && ids != NULL)
		rc = hs_compile_multi((const char *const *)db->patterns, flags, ids, db->n,
				      HS_MODE_BLOCK, NULL, &db->hs, &error);
	*at_fault = error != NULL && error->expression >= 0 ? (uint32_t)error->expression : 0;
	snprintf(why, why_bytes, "%s",
		 error != NULL && error->message != NULL ? error->message : "cannot be compiled");
	hs_free_compile_error(error);
	free(flags);
	free(ids);
	return rc == HS_SUCCESS ? 0 : rc == HS_NOMEM ? -ENOMEM : -EINVAL;
}

void policy_regex_db_put(struct policy_regex_db *db)
{
	if (db == NULL || atomic_fetch_sub(&db->held, 1) > 1)
		return;
	for (uint32_t i = 0; db->patterns != NULL && i < db->n; i++)
		free(db->patterns[i]);
	free(db->patterns);
	hs_free_database(db->hs);
	free(db);
}

struct policy_regex_db *policy_regex_db_get(struct policy_regex_db *db)
{
	if (db != NULL)
		atomic_fetch_add(&db->held, 1);
	return db;
}

void *policy_regex_db_database(const struct policy_regex_db *db)
{
	return db != NULL ? db->hs : NULL;
}

static struct policy_regex_db *db_create(const struct policy_regex_set *s)
{
	struct policy_regex_db *db = calloc(1, sizeof(*db));

	if (db == NULL)
		return NULL;
	atomic_init(&db->held, 1);
	db->n = s->texts.n;
	db->patterns = calloc(db->n, sizeof(*db->patterns));
	for (uint32_t i = 0; db->patterns != NULL && i < db->n; i++) {
		db->patterns[i] = anchored(*(struct hd_str *)policy_vec_at(&s->texts, i));
		if (db->patterns[i] == NULL)
			break;
		if (i + 1 == db->n)
			return db;
	}
	policy_regex_db_put(db);
	return NULL;
}

static int same_patterns(const struct policy_regex_db *a, const struct policy_regex_db *b)
{
	if (a == NULL || a->n != b->n)
		return 0;
	for (uint32_t i = 0; i < a->n; i++)
		if (strcmp(a->patterns[i], b->patterns[i]) != 0)
			return 0;
	return 1;
}

static int too_large(const struct policy_regex_set *s, uint32_t *at_fault, char *why,
		     size_t why_bytes)
{
	uint64_t size = 0, largest = 0;

	for (uint32_t i = 0; i < s->texts.n; i++) {
		uint64_t one = policy_regex_size(*(struct hd_str *)policy_vec_at(&s->texts, i));

		size += one;
		if (one > largest) {
			largest = one;
			*at_fault = i;
		}
	}
	if (size <= POLICY_REGEX_SET_MAX)
		return 0;
	snprintf(why, why_bytes,
		 "the %u expressions, of which this is the largest, are together %llu characters with their "
		 "repetitions written out; %u are compiled: lower the counts in braces, or use prefixes",
		 s->texts.n, (unsigned long long)size, POLICY_REGEX_SET_MAX);
	return 1;
}

int policy_regex_db_make(const struct policy_regex_set *s, struct policy_regex_db *last,
			 struct policy_regex_db **out, uint32_t *at_fault, char *why,
			 size_t why_bytes)
{
	struct policy_regex_db *db;
	int rc;

	*out = NULL;
	if (s->texts.n == 0)
		return 0;
	if (too_large(s, at_fault, why, why_bytes))
		return -EINVAL;
	db = db_create(s);
	if (db == NULL)
		return -ENOMEM;
	if (same_patterns(last, db)) {
		policy_regex_db_put(db);
		*out = policy_regex_db_get(last);
		return 0;
	}
	rc = db_compile(db, at_fault, why, why_bytes);
	if (rc == 0)
		*out = db;
	else
		policy_regex_db_put(db);
	return rc;
}

void *policy_regex_scratch_create(const struct policy_regex_db *db)
{
	hs_scratch_t *scratch = NULL;

	return hs_alloc_scratch(db->hs, &scratch) == HS_SUCCESS ? scratch : NULL;
}

void policy_regex_scratch_destroy(void *scratch)
{
	hs_free_scratch(scratch);
}
