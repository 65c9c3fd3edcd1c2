/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy_balance.h"

#define N 16

static struct proxy_endpoint_state states[N];
static struct hd_endpoint endpoints[N];
static struct hd_cluster cluster;
static struct hd_snapshot snapshot;
static uint8_t health[N];
static uint32_t cursor;
static struct proxy_random rnd;

static struct proxy_endpoint_state *state_of(const void *ctx, uint32_t slot)
{
	return &states[slot];
}

static struct proxy_balance balance_over(uint32_t n, uint8_t lb)
{
	memset(states, 0, sizeof(states));
	memset(health, 0, sizeof(health));
	cursor = 0;
	rnd = (struct proxy_random){ { 42, 43 } };
	for (uint32_t i = 0; i < N; i++)
		endpoints[i] = (struct hd_endpoint){ .slot = i, .weight = 1 };
	cluster = (struct hd_cluster){ .endpoints_count = n, .lb = lb };
	snapshot = (struct hd_snapshot){ .endpoints = endpoints, .n_endpoints = n };
	return (struct proxy_balance){
		.snapshot = &snapshot,
		.health = health,
		.cursor = &cursor,
		.random = &rnd,
		.state = state_of,
	};
}

/* Over any total_weight consecutive choices every destination comes exactly as often as its weight
 * says. */
static void weights_are_exact_in_every_window(void **state)
{
	static uint32_t chosen[3000];
	struct proxy_random r = { { 7, 9 } };

	for (int round = 0; round < 300; round++) {
		struct hd_destination d[6] = { 0 };
		int32_t now[6] = { 0 };
		uint32_t n = 1 + proxy_random_below(&r, 6), total = 0;
		for (uint32_t i = 0; i < n; i++) {
			d[i].weight = proxy_random_below(&r, round % 2 ? 12 : 60);
			total += d[i].weight;
		}
		if (total == 0)
			d[0].weight = total = 1;
		for (uint32_t k = 0; k < 4 * total; k++)
			chosen[k] = proxy_balance_destination(d, n, total, now);
		for (uint32_t from = 0; from < 3 * total; from++) {
			uint32_t seen[6] = { 0 };
			for (uint32_t k = from; k < from + total; k++)
				seen[chosen[k]]++;
			for (uint32_t i = 0; i < n && n > 1; i++)
				assert_int_equal(seen[i], d[i].weight);
		}
	}
}

static void ninety_to_ten_is_spread_evenly(void **state)
{
	const struct hd_destination d[2] = { { .weight = 90 }, { .weight = 10 } };
	int32_t now[2] = { 0 };
	uint32_t gap = 0;

	for (int k = 0; k < 1000; k++) {
		gap = proxy_balance_destination(d, 2, 100, now) == 0 ? gap + 1 : 0;
		assert_true(gap <= 9);
	}
}

/* A reload that adds a choice, takes one away and leaves others as they are: those go on, wherever
 * they lie now. */
static void reload_goes_on_in_a_choice_where_it_was(void **state)
{
	static const struct hd_destination d[2] = { { .weight = 90 }, { .weight = 10 } };
	static const struct hd_choice before[] = {
		{ .key = 1, .first = 4, .count = 2 }, /* goes */
		{ .key = 5, .first = 0, .count = 2 },
		{ .key = 5, .first = 2, .count = 2 },
	};
	static const struct hd_choice after[] = {
		{ .key = 3, .first = 2, .count = 2 }, /* comes */
		{ .key = 5, .first = 0, .count = 2 },
		{ .key = 5, .first = 4, .count = 2 },
		{ .key = 7, .first = 6, .count = 2 }, /* comes */
	};
	int32_t words[2][8] = { 0 };
	struct hd_snapshot_worker own[2] = { { .wrr = words[0] }, { .wrr = words[1] } };
	struct hd_snapshot s[2] = { { .choices = before, .n_choices = 3, .workers = &own[0] },
				    { .choices = after, .n_choices = 4, .workers = &own[1] } };
	uint32_t canary = 0, other = 0;

	for (int k = 0; k < 100; k++) {
		memset(words[k % 2], 0, sizeof(words[0]));
		if (k > 0)
			proxy_balance_carry(&s[k % 2 == 0], &s[k % 2], 0);
		canary += proxy_balance_destination(d, 2, 100, words[k % 2]);
		if (k % 3 == 0)
			other += proxy_balance_destination(d, 2, 100,
							   words[k % 2] + (k % 2 ? 4 : 2));
	}
	assert_int_equal(canary, 10);
	assert_in_range(other, 3, 4);
}

static void single_destination_of_weight_zero_gets_everything(void **state)
{
	const struct hd_destination d = { .weight = 0 };
	int32_t now = 0;

	assert_int_equal(proxy_balance_destination(&d, 1, 0, &now), 0);
}

static void round_robin_goes_around_the_healthy(void **state)
{
	struct proxy_balance b = balance_over(5, HD_LB_ROUND_ROBIN);
	uint32_t seen[5] = { 0 };

	health[1] = HD_EP_EJECTED;
	for (int k = 0; k < 400; k++)
		seen[proxy_balance_endpoint(&b, &cluster, 0, NULL, 0)]++;
	assert_int_equal(seen[1], 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(seen[i], i == 1 ? 0 : 100);
}

static void nobody_healthy_is_nobody(void **state)
{
	for (uint8_t lb = HD_LB_ROUND_ROBIN; lb <= HD_LB_RANDOM; lb++) {
		struct proxy_balance b = balance_over(3, lb);
		memset(health, HD_EP_UNREADY, sizeof(health));
		assert_int_equal(proxy_balance_endpoint(&b, &cluster, 0, NULL, 0), HD_NONE);
		assert_int_equal(proxy_balance_endpoint(&b, &cluster, 1, NULL, 0), HD_NONE);
		cluster.endpoints_count = 0;
		assert_int_equal(proxy_balance_endpoint(&b, &cluster, 0, NULL, 0), HD_NONE);
	}
}

static void least_request_prefers_the_idle(void **state)
{
	struct proxy_balance b = balance_over(2, HD_LB_LEAST_REQUEST);
	uint32_t idle = 0;

	states[0].stats.active = 5;
	for (int k = 0; k < 4000; k++)
		idle += proxy_balance_endpoint(&b, &cluster, 0, NULL, 0) == 1;
	assert_in_range(idle, 2900, 3100); /* three of four pairs hold it */
}

static void unequal_weights_are_exact(void **state)
{
	struct proxy_balance b = balance_over(3, HD_LB_ROUND_ROBIN);
	uint32_t seen[3] = { 0 };

	endpoints[0].weight = 5;
	endpoints[1].weight = 2;
	for (int k = 0; k < 800; k++)
		seen[proxy_balance_endpoint(&b, &cluster, 1, NULL, 0)]++;
	assert_int_equal(seen[0], 500);
	assert_int_equal(seen[1], 200);
	assert_int_equal(seen[2], 100);
}

static void tried_endpoints_are_avoided_while_there_are_others(void **state)
{
	const uint32_t tried[2] = { 0, 1 };

	for (uint8_t lb = HD_LB_ROUND_ROBIN; lb <= HD_LB_LEAST_REQUEST; lb++) {
		struct proxy_balance b = balance_over(2, lb);
		assert_in_range(proxy_balance_endpoint(&b, &cluster, 0, tried, 2), 0, 1);
	}
	for (int k = 0; k < 100; k++) {
		struct proxy_balance b = balance_over(2, HD_LB_ROUND_ROBIN);
		cursor = (uint32_t)k % 2;
		assert_int_equal(proxy_balance_endpoint(&b, &cluster, 0, tried, 1), 1);
	}
}

static _Atomic int flips;

static void *flip_all(void *unused)
{
	while (atomic_load(&flips)) {
		for (int i = 0; i < 4; i++)
			__atomic_store_n(&health[i], HD_EP_EJECTED, __ATOMIC_RELAXED);
		for (int i = 0; i < 4; i++)
			__atomic_store_n(&health[i], HD_EP_HEALTHY, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* ctrl writes the words while a worker picks: what was there a moment ago may be gone. */
static void health_may_change_in_the_middle_of_a_pick(void **state)
{
	static const uint8_t all[] = { HD_LB_ROUND_ROBIN, HD_LB_LEAST_REQUEST, HD_LB_RANDOM,
				       HD_LB_RING_HASH, HD_LB_MAGLEV };
	static struct hd_place places[8];
	const uint32_t tried[2] = { 0, 1 };

	for (uint32_t i = 0; i < 8; i++)
		places[i] = (struct hd_place){ .hash = i * (UINT64_MAX / 8), .endpoint = i % 4 };
	for (uint32_t k = 0; k < 2 * HD_ARRAY_SIZE(all); k++) {
		struct proxy_balance b = balance_over(4, all[k / 2]);
		pthread_t flipper;

		snapshot.places = places;
		if (all[k / 2] == HD_LB_RING_HASH || all[k / 2] == HD_LB_MAGLEV)
			cluster.places_count = 8;
		atomic_store(&flips, 1);
		assert_int_equal(pthread_create(&flipper, NULL, flip_all, NULL), 0);
		for (int i = 0; i < 200000; i++) {
			uint32_t e = proxy_balance_endpoint(&b, &cluster, k % 2, tried, 2);
			assert_true(e < 4 || e == HD_NONE);
		}
		atomic_store(&flips, 0);
		pthread_join(flipper, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_are_exact_in_every_window),
		cmocka_unit_test(ninety_to_ten_is_spread_evenly),
		cmocka_unit_test(reload_goes_on_in_a_choice_where_it_was),
		cmocka_unit_test(single_destination_of_weight_zero_gets_everything),
		cmocka_unit_test(round_robin_goes_around_the_healthy),
		cmocka_unit_test(nobody_healthy_is_nobody),
		cmocka_unit_test(least_request_prefers_the_idle),
		cmocka_unit_test(unequal_weights_are_exact),
		cmocka_unit_test(tried_endpoints_are_avoided_while_there_are_others),
		cmocka_unit_test(health_may_change_in_the_middle_of_a_pick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
