/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of a load fails once: the load says so, changes nothing and leaks nothing (the
 * sanitizer run sees). */
#include <stdlib.h>

#include "policy_test.h"

static long countdown = -1; /* allocations until one fails; -1: none fails */

static int fails(void)
{
	return countdown >= 0 && countdown-- == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

static const char text[] = API VS(
	"api") "  hosts: [api]\n  zz: 1\n  http:\n"
	       "  - match: [{uri: {regex: \"/a[0-9]\"}}]\n"
	       "    route: [{destination: {host: api, subset: v1}}]\n---\n" DR(
		       "api") "  host: api\n  trafficPolicy: {connectionPool: {tcp: {maxConnections: 4}}}\n";

/* 1: the allocation that fails was reached. */
static int load_fails_at(long which, uint32_t *failed)
{
	struct hd_snapshot *s = NULL;
	struct policy_world w;
	int hit, rc;

	policy_world_open(&w, NULL);
	assert_int_equal(policy_texts_add(&w.texts, "f", text, sizeof(text) - 1), 0);
	countdown = which;
	rc = policy_load(w.policy, &w.texts, 1, &s, &w.diags);
	hit = countdown < 0;
	countdown = -1;
	if (rc != 0) {
		assert_int_equal(rc, -12);
		assert_null(s);
		++*failed;
	} else if (hit) /* what was lost is a row of a diagnostic, and counted */
		assert_true(w.diags.left_out > 0);
	policy_snapshot_free(w.policy, s);
	assert_loads(&w, text); /* the registry is as good as new */
	policy_world_close(&w);
	return hit;
}

static void every_allocation_of_a_load_may_fail(void **state)
{
	uint32_t failed = 0;

	for (long i = 0; load_fails_at(i, &failed); i++)
		;
	assert_true(failed > 12);
}

static const char node_text[] =
	"apiVersion: heddle.dev/v1\nkind: DataPlane\nmetadata: {name: a, labels: {b: c}}\nspec:\n"
	"  eal: [-v]\n  policy: [p]\n  ports: [{name: a, device: d, side: mesh}]\n"
	"  identity: {certificate: a, key: b, trustBundle: c}\n  locality: a/b/c\n"
	"  accessLog: {format: json}\n";

static void every_allocation_of_a_node_file_may_fail(void **state)
{
	struct policy_node *n = NULL;
	uint32_t failed = 0;

	for (long i = 0; n == NULL; i++) {
		struct policy_diags d;

		policy_diags_init(&d);
		countdown = i;
		if (policy_node_parse("d/n.yaml", node_text, sizeof(node_text) - 1, &n, &d) != 0)
			failed++;
		countdown = -1;
		policy_diags_fini(&d);
		assert_true(i < 10000);
	}
	assert_true(failed > 15);
	policy_node_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_of_a_load_may_fail),
		cmocka_unit_test(every_allocation_of_a_node_file_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
