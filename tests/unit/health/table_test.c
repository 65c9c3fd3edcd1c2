/* SPDX-License-Identifier: Apache-2.0 */
/* What workers are told, over outcomes, sweeps, operators and reloads. */
#include "health_test.h"

#include "fake_dp.h"
#include "health.h"

#include <heddle/log.h>

#define ENDPOINTS 4

void hd_log(enum hd_log_level level, const char *area, const char *format, ...)
{
}

/* Two generations by turns, each of one cluster with up to four endpoints whose slots a test may
 * change. */
static struct {
	struct hd_snapshot snapshot;
	struct hd_cluster cluster;
	struct hd_endpoint endpoints[ENDPOINTS];
	struct hd_outlier rule;
} world[2];
static uint64_t generation;
static struct hd_dp *dp;
static struct health *health;
static hd_ns now;

#define W world[generation % 2]

static void begin(uint32_t n)
{
	generation++;
	memset(&W, 0, sizeof(W));
	W.rule = (struct hd_outlier){ RULE_DEFAULTS };
	W.rule.max_ejection_percent = 100;
	W.cluster = (struct hd_cluster){ .endpoints_count = n, .outlier = 1 };
	W.cluster.name = (struct hd_str){ "outbound|80||api", 16 };
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		W.endpoints[i] =
			(struct hd_endpoint){ .addr = { hd_ip_from_v4(0x0202000a + (i << 24)), 80 },
					      .slot = i };
}

static void publish(void)
{
	W.snapshot = (struct hd_snapshot){ .generation = generation,
					   .cluster_slots = 1,
					   .endpoint_slots = ENDPOINTS,
					   .clusters = &W.cluster,
					   .n_clusters = 1,
					   .endpoints = W.endpoints,
					   .n_endpoints = ENDPOINTS,
					   .outliers = &W.rule,
					   .n_outliers = 1 };
	assert_int_equal(health_reserve(health, &W.snapshot), 0);
	health_snapshot(health, dp, &W.snapshot, now);
}

static int make(void **state)
{
	generation = 0;
	now = 1000 * S;
	dp = fake_dp_create(2);
	health = health_create();
	assert_non_null(health);
	begin(ENDPOINTS);
	publish();
	return 0;
}

static int cleanup(void **state)
{
	health_destroy(health);
	fake_dp_destroy(dp);
	return 0;
}

static struct hd_outcome outcome(uint32_t slot, uint16_t status, hd_ns at)
{
	return (struct hd_outcome){ .at = at,
				    .endpoint = slot,
				    .generation = (uint32_t)generation,
				    .status = status,
				    .kind = HD_OUTCOME_ANSWER,
				    .was_sent = 1 };
}

static void answer(uint32_t slot, uint16_t status, int n)
{
	for (int i = 0; i < n; i++) {
		const struct hd_outcome o = outcome(slot, status, now);

		health_put(health, &o, now);
	}
}

static void tell(uint32_t worker, uint32_t slot, uint16_t status, hd_ns at)
{
	struct hd_ring *ring = hd_dp_outcome_ring(dp, worker);
	struct hd_outcome *o = hd_ring_slot(ring);

	assert_non_null(o);
	*o = outcome(slot, status, at);
	hd_ring_push(ring);
}

static void pass(hd_ns time)
{
	hd_ns end = now + time;

	for (; now < end; now += 50 * MS)
		health_tick(health, now);
	now = end;
	health_tick(health, now);
}

#define HEALTH(slot) fake_dp_health(dp, slot)

static void an_ejection_is_told_and_taken_back_by_a_sweep(void **state)
{
	answer(1, 500, 4);
	assert_int_equal(HEALTH(1), HD_EP_HEALTHY);
	answer(1, 500, 1);
	assert_int_equal(HEALTH(1), HD_EP_EJECTED);
	pass(30 * S - 100 * MS);
	assert_int_equal(HEALTH(1), HD_EP_EJECTED);
	pass(200 * MS);
	assert_int_equal(HEALTH(1), HD_EP_HEALTHY);
	assert_int_equal(health_totals(health)->ejections, 1);
	assert_int_equal(health_totals(health)->returns, 1);
}

static void the_view_has_the_figures(void **state)
{
	struct health_view v;

	answer(0, 503, 5);
	health_look(health, &W.endpoints[0], &v);
	assert_int_equal(v.health, HD_EP_EJECTED);
	assert_int_equal(v.until, now + 30 * S);
	assert_int_equal(v.outlier->by, HEALTH_BY_5XX);
	health_look(health, &W.endpoints[1], &v);
	assert_int_equal(v.health, HD_EP_HEALTHY);
	assert_int_equal(v.until, HD_NS_NEVER);
}

static void only_endpoints_that_failed_are_watched(void **state)
{
	answer(0, 200, 3);
	assert_false(fake_dp_watched(dp, 0));
	answer(0, 500, 1);
	assert_true(fake_dp_watched(dp, 0));
	pass(20 * S);
	assert_true(fake_dp_watched(dp, 0)); /* one error is still counted */
	answer(0, 200, 1);
	pass(20 * S);
	assert_false(fake_dp_watched(dp, 0));
}

/* The order of two workers is that of their clocks, not of their rings. */
static void outcomes_of_workers_are_put_in_order(void **state)
{
	for (unsigned int i = 0; i < 4; i++)
		tell(0, 2, 500, now + 10 * i);
	tell(1, 2, 200, now + 35);
	tell(0, 2, 500, now + 40);
	assert_int_equal(health_drain(health, now + 100), 6);
	assert_int_equal(HEALTH(2), HD_EP_HEALTHY);
	for (unsigned int i = 0; i < 4; i++)
		tell(i % 2, 2, 500, now + 200 + i);
	fake_dp_set_now(dp, now + 300);
	assert_int_equal(health_drain(health, now + 300), 4);
	assert_int_equal(HEALTH(2), HD_EP_EJECTED);
	assert_int_equal(health_totals(health)->slowest, 97);
}

static void nobody_is_ejected_for_what_was_not_seen(void **state)
{
	answer(0, 500, 4);
	fake_dp_worker(dp, 1)->stats.counters[HD_WORKER_OUTCOMES_LOST] = 3;
	health_drain(health, now);
	answer(0, 500, 4);
	assert_int_equal(HEALTH(0), HD_EP_HEALTHY);
	answer(0, 500, 1);
	assert_int_equal(HEALTH(0), HD_EP_EJECTED);
}

static void panic_ignores_ejections(void **state)
{
	struct health_cluster_view v;

	begin(ENDPOINTS);
	W.rule.max_ejection_percent = 100;
	W.rule.min_health_percent = 50;
	publish();
	answer(0, 500, 5);
	answer(1, 500, 5);
	assert_int_equal(HEALTH(0), HD_EP_EJECTED); /* half is not fewer than half */
	answer(2, 500, 5);
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		assert_int_equal(HEALTH(i), HD_EP_HEALTHY);
	health_cluster_look(health, &W.cluster, &v);
	assert_true(v.is_panic);
	assert_int_equal(v.healthy, 1);
	assert_int_equal(v.outlier->n_ejected, 3);
	pass(31 * S);
	health_cluster_look(health, &W.cluster, &v);
	assert_false(v.is_panic);
}

static void enough_healthy_ones_are_no_panic_whatever_the_percent(void **state)
{
	begin(ENDPOINTS);
	W.rule.min_health_percent = 100;
	publish();
	answer(0, 500, 5); /* three of four, times 1.4, carry all the load */
	assert_int_equal(HEALTH(0), HD_EP_EJECTED);
	answer(1, 500, 5);
	assert_int_equal(HEALTH(0), HD_EP_HEALTHY);
	assert_int_equal(HEALTH(1), HD_EP_HEALTHY);
}

static void an_operator_has_the_last_word(void **state)
{
	struct health_view v;

	assert_int_equal(health_say(health, &W.endpoints[3].addr, HD_EP_DRAINING), 0);
	assert_int_equal(HEALTH(3), HD_EP_DRAINING);
	answer(3, 500, 5);
	assert_int_equal(HEALTH(3), HD_EP_DRAINING);
	health_look(health, &W.endpoints[3], &v);
	assert_true(v.is_said);
	assert_int_equal(health_say(health, &W.endpoints[3].addr, HD_EP_HEALTHY), 0);
	assert_int_equal(HEALTH(3), HD_EP_EJECTED);
}

static void a_reload_keeps_what_is_known(void **state)
{
	answer(1, 500, 5);
	answer(2, 500, 4);
	begin(ENDPOINTS);
	publish();
	assert_int_equal(HEALTH(1), HD_EP_EJECTED);
	answer(2, 500, 1);
	assert_int_equal(HEALTH(2), HD_EP_EJECTED);
	pass(31 * S);
	assert_int_equal(HEALTH(1), HD_EP_HEALTHY);
}

static void an_endpoint_that_was_away_starts_anew(void **state)
{
	answer(3, 500, 5);
	begin(3);
	W.endpoints[3].slot = 0; /* nobody's */
	publish();
	begin(ENDPOINTS);
	publish();
	assert_int_equal(HEALTH(3), HD_EP_HEALTHY);
	answer(3, 500, 4);
	assert_int_equal(HEALTH(3), HD_EP_HEALTHY);
}

static void outcomes_of_who_had_the_slot_before_are_nobodys(void **state)
{
	struct hd_outcome o = outcome(3, 500, now);

	begin(3);
	publish();
	begin(ENDPOINTS);
	publish();
	for (int i = 0; i < 9; i++)
		health_put(health, &o, now);
	assert_int_equal(HEALTH(3), HD_EP_HEALTHY);
	assert_int_equal(health_totals(health)->stale, 9);
	o.endpoint = 4000;
	health_put(health, &o, now);
	assert_int_equal(health_totals(health)->stale, 10);
}

static void without_a_rule_everybody_is_back(void **state)
{
	answer(0, 500, 5);
	begin(ENDPOINTS);
	W.cluster.outlier = 0;
	publish();
	assert_int_equal(HEALTH(0), HD_EP_HEALTHY);
	assert_false(fake_dp_watched(dp, 0));
	answer(0, 500, 9);
	assert_int_equal(HEALTH(0), HD_EP_HEALTHY);
	pass(60 * S);
}

static void a_shorter_interval_counts_at_once(void **state)
{
	answer(0, 500, 5);
	begin(ENDPOINTS);
	W.rule.interval = 1 * S;
	W.rule.base_ejection_time = 2 * S;
	publish();
	pass(2100 * MS);
	assert_int_equal(HEALTH(0), HD_EP_HEALTHY);
}

static void sweeps_do_not_drift(void **state)
{
	begin(ENDPOINTS);
	W.rule.interval = 1 * S;
	W.rule.base_ejection_time = 1 * MS;
	publish();
	for (int i = 1; i < 20; i++) {
		hd_ns tick = 1000 * S + (hd_ns)i * S;

		now = tick - 10 * MS;
		answer(0, 500, 5);
		health_tick(health, now);
		assert_int_equal(HEALTH(0), HD_EP_EJECTED);
		now = tick + 30 * MS; /* each look is late */
		health_tick(health, now);
		assert_int_equal(HEALTH(0), HD_EP_HEALTHY);
	}
}

static void rates_are_found_and_enforced_never(void **state)
{
	struct health_cluster_view cv;
	struct health_view v;

	for (uint32_t i = 0; i < ENDPOINTS; i++)
		fake_dp_worker(dp, 0)->endpoints[i] =
			(struct hd_endpoint_stats){ .outcomes = 200, .failed_outcomes = i * 60 };
	fake_dp_worker(dp, 1)->endpoints[3].outcomes = 40;
	pass(11 * S);
	health_look(health, &W.endpoints[3], &v);
	assert_int_equal(v.rate.tries, 240);
	assert_int_equal(v.rate.failures, 180);
	health_cluster_look(health, &W.cluster, &cv);
	assert_int_equal(cv.detected_failing, 0); /* four hosts are too few */
	pass(10 * S);
	health_look(health, &W.endpoints[3], &v);
	assert_int_equal(v.rate.tries, 0);
	assert_int_equal(HEALTH(3), HD_EP_HEALTHY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, cleanup)
	const struct CMUnitTest tests[] = {
		TEST(an_ejection_is_told_and_taken_back_by_a_sweep),
		TEST(the_view_has_the_figures),
		TEST(only_endpoints_that_failed_are_watched),
		TEST(outcomes_of_workers_are_put_in_order),
		TEST(nobody_is_ejected_for_what_was_not_seen),
		TEST(panic_ignores_ejections),
		TEST(enough_healthy_ones_are_no_panic_whatever_the_percent),
		TEST(an_operator_has_the_last_word),
		TEST(a_reload_keeps_what_is_known),
		TEST(an_endpoint_that_was_away_starts_anew),
		TEST(outcomes_of_who_had_the_slot_before_are_nobodys),
		TEST(without_a_rule_everybody_is_back),
		TEST(a_shorter_interval_counts_at_once),
		TEST(sweeps_do_not_drift),
		TEST(rates_are_found_and_enforced_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
