/* SPDX-License-Identifier: Apache-2.0 */
/* All expressions of a snapshot as one Hyperscan database. */
#include <errno.h>
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

/* RE2 matches the whole value; \z rather than $, which would also hold before a final newline. */
static char *anchored(struct hd_str e)
{
	size_t bytes = (size_t)e.n + 16;
	char *out = malloc(bytes);

	if (out != NULL)
		snprintf(out, bytes, "\\A(?:%.*s)\\z", (int)e.n, e.p);
	return out;
}

#define FLAGS (HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY)

static int compile(char *const *patterns, const unsigned int *flags, const unsigned int *ids,
		   uint32_t n, hs_database_t **database, uint32_t *at_fault, char *why,
		   size_t why_bytes)
{
	hs_compile_error_t *error = NULL;
	hs_error_t rc = hs_compile_multi((const char *const *)patterns, flags, ids, n,
					 HS_MODE_BLOCK, NULL, database, &error);

	if (rc == HS_SUCCESS)
		return 0;
	*at_fault = error != NULL && error->expression >= 0 ? (uint32_t)error->expression : 0;
	snprintf(why, why_bytes, "%s",
		 error != NULL && error->message != NULL ? error->message : "cannot be compiled");
	if (error != NULL)
		hs_free_compile_error(error);
	return rc == HS_NOMEM ? -ENOMEM : -EINVAL;
}

static int compile_set(const struct policy_regex_set *s, hs_database_t **database,
		       uint32_t *at_fault, char *why, size_t why_bytes)
{
	uint32_t n = s->texts.n;
	char **patterns = calloc(n, sizeof(*patterns));
	unsigned int *flags = calloc(n, sizeof(*flags)), *ids = calloc(n, sizeof(*ids));
	int rc = patterns != NULL && flags != NULL && ids != NULL ? 0 : -ENOMEM;

	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		patterns[i] = anchored(*(struct hd_str *)policy_vec_at(&s->texts, i));
		flags[i] = FLAGS;
		ids[i] = i;
		rc = patterns[i] != NULL ? 0 : -ENOMEM;
	}
	if (rc == 0)
		rc = compile(patterns, flags, ids, n, database, at_fault, why, why_bytes);
	for (uint32_t i = 0; patterns != NULL && i < n; i++)
		free(patterns[i]);
	free(patterns);
	free(flags);
	free(ids);
	return rc;
}

int policy_regex_compile(const struct policy_regex_set *s, uint32_t n_workers, void **database,
			 void **scratches, uint32_t *at_fault, char *why, size_t why_bytes)
{
	hs_database_t *db = NULL;
	int rc;

	*database = NULL;
	if (s->texts.n == 0)
		return 0;
	rc = compile_set(s, &db, at_fault, why, why_bytes);
	if (rc != 0)
		return rc;
	*database = db;
	for (uint32_t i = 0; i < n_workers; i++) {
		hs_scratch_t *scratch = NULL;

		if (hs_alloc_scratch(db, &scratch) != HS_SUCCESS)
			return -ENOMEM; /* the caller frees what there is */
		scratches[i] = scratch;
	}
	return 0;
}

int policy_regex_probe(struct hd_str expression, char *why, size_t why_bytes)
{
	char *pattern = anchored(expression);
	unsigned int flags = FLAGS, id = 0;
	hs_database_t *db = NULL;
	uint32_t at_fault;
	int rc = -ENOMEM;

	if (pattern != NULL)
		rc = compile(&pattern, &flags, &id, 1, &db, &at_fault, why, why_bytes);
	hs_free_database(db);
	free(pattern);
	return rc;
}

void policy_regex_free(void *database, void **scratches, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		hs_free_scratch(scratches[i]);
	hs_free_database(database);
}
