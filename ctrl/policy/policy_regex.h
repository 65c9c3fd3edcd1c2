/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: RE2's syntax, found by Hyperscan in linear time. */
#ifndef POLICY_REGEX_H
#define POLICY_REGEX_H

#include "policy_arena.h"

/* NULL when RE2 would take it, else why not; `at` is the byte that is wrong. */
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
/* One database of all, each anchored at both ends, with a scratch for each of n workers. 0;
 * -ENOMEM; -EINVAL with the expression at fault and why. An empty set gives no database. */
[[nodiscard]] int policy_regex_compile(const struct policy_regex_set *s, uint32_t n_workers,
				       void **database, void **scratches, uint32_t *at_fault,
				       char *why, size_t why_bytes);
/* Whether one expression compiles; 0, -EINVAL with why, -ENOMEM. */
[[nodiscard]] int policy_regex_probe(struct hd_str expression, char *why, size_t why_bytes);
void policy_regex_free(void *database, void **scratches, uint32_t n);

#endif
