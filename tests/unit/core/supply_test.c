/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_mbuf.h>

#include "core_supply.h"
#include "eal_setup.h"

#define N 1023

static struct rte_mempool *a, *b;
static struct rte_mbuf *held[N];

static void the_scarcest_pool_counts(void **state)
{
	struct core_supply s = { 0 };

	core_supply_add(&s, a);
	core_supply_add(&s, b);
	assert_int_equal(core_supply_left(&s), CORE_SUPPLY_ALL);
	assert_int_equal(rte_pktmbuf_alloc_bulk(b, held, N * 3 / 4), 0);
	assert_in_range(core_supply_left(&s), 255, 258);
	rte_pktmbuf_free_bulk(held, N * 3 / 4);
	assert_int_equal(rte_pktmbuf_alloc_bulk(a, held, N / 2), 0);
	assert_in_range(core_supply_left(&s), 511, 514);
	rte_pktmbuf_free_bulk(held, N / 2);
	assert_int_equal(core_supply_left(&s), CORE_SUPPLY_ALL);
}

static void a_pool_counts_once(void **state)
{
	struct core_supply s = { 0 };

	core_supply_add(&s, a);
	core_supply_add(&s, b);
	core_supply_add(&s, a);
	assert_int_equal(s.n, 2);
}

static void what_is_in_our_own_cache_is_free(void **state)
{
	struct core_supply s = { 0 };

	core_supply_add(&s, a);
	assert_int_equal(rte_pktmbuf_alloc_bulk(a, held, 10), 0);
	assert_in_range(rte_mempool_default_cache(a, rte_lcore_id())->len, 1, N);
	assert_int_equal(core_supply_of_pool(a), N - 10);
	rte_pktmbuf_free_bulk(held, 10);
}

static int setup(void **state)
{
	if (eal_setup("hd_unit_supply", "32") < 0)
		return -1;
	a = rte_pktmbuf_pool_create("a", N, 64, 0, 256, 0);
	b = rte_pktmbuf_pool_create("b", N, 64, 0, 256, 0);
	return a != NULL && b != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_scarcest_pool_counts),
		cmocka_unit_test(a_pool_counts_once),
		cmocka_unit_test(what_is_in_our_own_cache_is_free),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
