/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: RE2's syntax, found by Hyperscan in linear time. */
#ifndef POLICY_REGEX_H
#define POLICY_REGEX_H

#include "policy_arena.h"

/* What an expression, and all of a generation together, may be as policy_regex_size counts: Hyperscan
 * compiles some 10,000 a second of the worst kind, in memory that grows with them. */
#define POLICY_REGEX_SIZE_MAX 10000
#define POLICY_REGEX_SET_MAX 400000

/* Characters and classes, those in a repetition as often as it may say them. */
uint64_t policy_regex_size(struct hd_str expression);
/* NULL when RE2 would take it and it is not too large, else why not; `at` is the byte that is wrong.
 */
const char *policy_regex_refused(struct hd_str expression, uint32_t *at);

/* An expression that is a plain text, or a plain text followed by ".*": no expression is needed
 * then. */
enum policy_regex_shape { POLICY_REGEX_TRUE, POLICY_REGEX_LITERAL, POLICY_REGEX_LITERAL_PREFIX };
enum policy_regex_shape policy_regex_shape(struct policy_arena *a, struct hd_str expression,
					   struct hd_str *literal);

struct policy_regex_set {
	struct policy_arena *arena;
	struct policy_map by_text;
	struct policy_vec texts; /* struct hd_str */
};

void policy_regex_set_init(struct policy_regex_set *s, struct policy_arena *a);
/* The id of an expression, the same for equal ones. */
uint32_t policy_regex_set_add(struct policy_regex_set *s, struct hd_str expression);
/* Gives ids in order of the texts, so that equal sets are equal whatever came first: the new id of
 * each old one. */
const uint32_t *policy_regex_set_sort(struct policy_regex_set *s);

/* A compiled set, each expression anchored at both ends; counted, by any thread.
 * Compiling takes about a millisecond an expression, so the next load takes it over when it has the
 * same set. */
struct policy_regex_db;

/* 0; -ENOMEM; -EINVAL with the id at fault and why. `last` may be NULL. An empty set gives NULL. */
[[nodiscard]] int policy_regex_db_make(const struct policy_regex_set *s,
				       struct policy_regex_db *last, struct policy_regex_db **out,
				       uint32_t *at_fault, char *why, size_t why_bytes);
struct policy_regex_db *policy_regex_db_get(struct policy_regex_db *db);
void policy_regex_db_put(struct policy_regex_db *db);
/* Hyperscan's database, for hs_scan. */
void *policy_regex_db_database(const struct policy_regex_db *db);
/* A scratch of a worker; NULL: no memory. */
void *policy_regex_scratch_create(const struct policy_regex_db *db);
void policy_regex_scratch_destroy(void *scratch);

#endif
