/* SPDX-License-Identifier: Apache-2.0 */
/* Envoy's priority loads and locality weights, by its own examples and by hand. */
#include "health_test.h"

#include "health_groups.h"

static struct hd_cluster cluster;
static struct health_group g[HD_GROUPS];

static void judge(enum hd_spread spread, uint32_t panic, uint32_t n, const uint32_t healthy[],
		  uint32_t total)
{
	cluster.spread = (uint8_t)spread;
	cluster.n_groups = (uint8_t)n;
	memset(g, 0, sizeof(g));
	for (uint32_t i = 0; i < n; i++)
		g[i] = (struct health_group){ .total = total, .healthy = healthy[i] };
	health_groups_judge(&cluster, panic, g, n);
}

/* The table in Envoy's documentation of priority levels, of two and three priorities of 100 hosts.
 */
static void loads_are_those_of_envoys_tables(void **state)
{
	static const struct {
		uint32_t n, healthy[3];
		uint16_t weights[3];
	} rows[] = {
		{ 2, { 100, 100 }, { 100, 0 } },
		{ 2, { 72, 72 }, { 100, 0 } },
		{ 2, { 71, 71 }, { 99, 1 } },
		{ 2, { 50, 50 }, { 70, 30 } },
		{ 2, { 25, 100 }, { 35, 65 } },
		{ 2, { 25, 25 }, { 50, 50 } },
		{ 3, { 100, 100, 100 }, { 100, 0, 0 } },
		{ 3, { 72, 72, 100 }, { 100, 0, 0 } },
		{ 3, { 71, 71, 100 }, { 99, 1, 0 } },
		{ 3, { 50, 50, 100 }, { 70, 30, 0 } },
		{ 3, { 25, 100, 100 }, { 35, 65, 0 } },
		{ 3, { 25, 25, 100 }, { 35, 35, 30 } },
		{ 2, { 0, 100 }, { 0, 100 } },
		{ 2, { 0, 30 }, { 0, 100 } },
	};

	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		judge(HD_SPREAD_ORDER, 0, rows[i].n, rows[i].healthy, 100);
		for (uint32_t k = 0; k < rows[i].n; k++)
			assert_int_equal(g[k].weight, rows[i].weights[k]);
	}
}

static void a_panic_needs_all_together_to_be_too_few(void **state)
{
	judge(HD_SPREAD_ORDER, 50, 2, (const uint32_t[]){ 1, 10 }, 10);
	assert_false(g[0].is_panic); /* the second carries everything */
	judge(HD_SPREAD_ORDER, 50, 2, (const uint32_t[]){ 1, 6 }, 10);
	assert_true(g[0].is_panic);
	assert_false(g[1].is_panic);
}

static void nobody_healthy_is_spread_by_number_in_a_panic_only(void **state)
{
	judge(HD_SPREAD_ORDER, 50, 2, (const uint32_t[]){ 0, 0 }, 5);
	assert_int_equal(g[0].weight, 50);
	assert_int_equal(g[1].weight, 50);
	judge(HD_SPREAD_ORDER, 0, 2, (const uint32_t[]){ 0, 0 }, 5);
	assert_int_equal(g[0].weight + g[1].weight, 0);
}

static void shares_shrink_below_five_of_seven(void **state)
{
	cluster.groups[0].weight = 80;
	cluster.groups[1].weight = 20;
	judge(HD_SPREAD_SHARES, 0, 2, (const uint32_t[]){ 8, 10 }, 10);
	assert_int_equal(g[0].weight, 8000);
	assert_int_equal(g[1].weight, 2000);
	judge(HD_SPREAD_SHARES, 0, 2, (const uint32_t[]){ 5, 10 }, 10);
	assert_int_equal(g[0].weight, 5600);
	judge(HD_SPREAD_SHARES, 0, 2, (const uint32_t[]){ 0, 10 }, 10);
	assert_int_equal(g[0].weight, 0);
	judge(HD_SPREAD_SHARES, 60, 2, (const uint32_t[]){ 0, 10 }, 10);
	assert_int_equal(g[0].weight, 8000);
	assert_true(g[0].is_panic && g[1].is_panic);
}

static void one_group_is_a_cluster_without_groups(void **state)
{
	judge(HD_SPREAD_NONE, 50, 1, (const uint32_t[]){ 5 }, 10);
	assert_false(g[0].is_panic);
	judge(HD_SPREAD_NONE, 50, 1, (const uint32_t[]){ 4 }, 10);
	assert_true(g[0].is_panic);
	judge(HD_SPREAD_NONE, 50, 1, (const uint32_t[]){ 0 }, 0);
	assert_false(g[0].is_panic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_are_those_of_envoys_tables),
		cmocka_unit_test(a_panic_needs_all_together_to_be_too_few),
		cmocka_unit_test(nobody_healthy_is_spread_by_number_in_a_panic_only),
		cmocka_unit_test(shares_shrink_below_five_of_seven),
		cmocka_unit_test(one_group_is_a_cluster_without_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
