/* SPDX-License-Identifier: Apache-2.0 */
/* Envoy's algorithm to the exact number, on a virtual clock. Figures marked "measured" were read
 * off a real Envoy. */
#include "health_test.h"

#include "health_outlier.h"

#define HOSTS 16

static struct hd_outlier rule;
static struct health_outlier_cluster cluster;
static struct health_outlier_host hosts[HOSTS];
static hd_ns now;

static int make(void **state)
{
	rule = (struct hd_outlier){ RULE_DEFAULTS };
	cluster = (struct health_outlier_cluster){ .rule = &rule, .n_hosts = 1 };
	memset(hosts, 0, sizeof(hosts));
	rule.max_ejection_percent = 100;
	now = 1000 * S;
	return 0;
}

static int answer(uint32_t host, uint16_t status)
{
	const struct hd_outcome o = { .kind = HD_OUTCOME_ANSWER, .status = status, .was_sent = 1 };

	return health_outlier_put(&cluster, &hosts[host], &o, now);
}

static int fail_as(uint32_t host, enum hd_outcome_kind kind, int was_sent)
{
	const struct hd_outcome o = { .kind = (uint8_t)kind, .was_sent = was_sent != 0 };

	return health_outlier_put(&cluster, &hosts[host], &o, now);
}

/* Answers until the host is out; how many that took. */
static int answers_to_eject(uint32_t host, uint16_t status)
{
	for (int i = 1; i < 1000; i++)
		if (answer(host, status))
			return i;
	return 0;
}

/* Sweeps at each interval until the host is back; how long it was out. */
static hd_ns time_out(uint32_t host)
{
	hd_ns from = now;

	assert_true(hosts[host].is_ejected);
	do
		now += rule.interval;
	while (!health_outlier_sweep(&cluster, &hosts[host], now));
	return now - from;
}

static void the_fifth_error_in_a_row_ejects_at_once(void **state)
{
	for (int i = 0; i < 4; i++)
		assert_false(answer(0, 500));
	assert_true(answer(0, 500));
	assert_int_equal(cluster.n_ejected, 1);
	assert_int_equal(cluster.enforced[HEALTH_BY_5XX], 1);
	assert_string_equal(health_detector_name(hosts[0].by), "consecutive_5xx");
}

static void a_success_starts_the_count_anew(void **state)
{
	for (int i = 0; i < 4; i++)
		answer(0, 503);
	answer(0, 404);
	for (int i = 0; i < 4; i++)
		assert_false(answer(0, 503));
	assert_true(answer(0, 503));
}

static void zero_switches_a_detector_off(void **state)
{
	rule.consecutive_5xx = 0;
	assert_int_equal(answers_to_eject(0, 500), 0);
	rule.consecutive_gateway = 2;
	assert_int_equal(answers_to_eject(0, 500), 0);
	assert_int_equal(answers_to_eject(0, 502), 2);
	assert_string_equal(health_detector_name(hosts[0].by), "consecutive_gateway_failure");
}

static void gateway_errors_count_for_both(void **state)
{
	rule.consecutive_gateway = 7;
	assert_int_equal(answers_to_eject(0, 504), 5); /* measured: 5xx keeps its default */
	assert_int_equal(hosts[0].consecutive_gateway, 5);
}

static void another_5xx_starts_the_gateway_count_anew(void **state)
{
	rule.consecutive_5xx = 0;
	rule.consecutive_gateway = 3;
	answer(0, 502);
	answer(0, 503);
	answer(0, 500);
	answer(0, 503);
	assert_false(answer(0, 504));
	assert_true(answer(0, 502));
}

/* Measured: four hosts at 10 % lose none, at 50 % two. */
static void the_budget_is_exact(void **state)
{
	static const struct {
		uint32_t hosts;
		uint8_t percent;
		uint32_t out;
	} rows[] = { { 4, 10, 0 },  { 9, 10, 0 },   { 10, 10, 1 }, { 19, 10, 1 }, { 4, 50, 2 },
		     { 2, 50, 1 },  { 2, 49, 0 },   { 3, 33, 0 },  { 3, 34, 1 },  { 3, 66, 1 },
		     { 3, 67, 2 },  { 1, 99, 0 },   { 1, 100, 1 }, { 7, 14, 0 },  { 7, 15, 1 },
		     { 16, 50, 8 }, { 16, 100, 16 } };

	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		make(NULL);
		cluster.n_hosts = rows[i].hosts;
		rule.max_ejection_percent = rows[i].percent;
		for (uint32_t k = 0; k < rows[i].hosts && k < HOSTS; k++)
			for (int n = 0; n < 5; n++)
				answer(k, 500);
		assert_int_equal(cluster.n_ejected, rows[i].out);
		assert_int_equal(cluster.overflow,
				 (rows[i].hosts < HOSTS ? rows[i].hosts : HOSTS) - rows[i].out);
	}
}

/* Measured: 30 errors with threshold 1 and no budget were detected 30 times. */
static void a_detection_without_budget_starts_the_count_anew(void **state)
{
	cluster.n_hosts = 4;
	rule.max_ejection_percent = 10;
	rule.consecutive_5xx = 3;
	for (int i = 0; i < 30; i++)
		assert_false(answer(0, 500));
	assert_int_equal(cluster.detected[HEALTH_BY_5XX], 10);
	assert_int_equal(cluster.overflow, 10);
	assert_int_equal(cluster.enforced[HEALTH_BY_5XX], 0);
}

static void what_an_ejected_host_still_answers_changes_nothing(void **state)
{
	answers_to_eject(0, 500);
	for (int i = 0; i < 20; i++)
		assert_false(answer(0, 500));
	assert_int_equal(cluster.detected[HEALTH_BY_5XX], 1);
	assert_int_equal(hosts[0].ejections, 1);
	time_out(0);
	assert_int_equal(hosts[0].consecutive_5xx, 0);
	assert_int_equal(answers_to_eject(0, 500), 5);
}

/* Measured with baseEjectionTime 1.5 s and interval 1 s: 1.9, 4.0, 4.9 s; after four quiet seconds
 * 1.7 s. Ticks are whole seconds here. */
static void each_ejection_is_longer_and_quiet_takes_it_back(void **state)
{
	rule.interval = 1 * S;
	rule.base_ejection_time = 1500 * MS;
	answers_to_eject(0, 500);
	assert_int_equal(time_out(0), 2 * S);
	answers_to_eject(0, 500);
	assert_int_equal(time_out(0), 3 * S);
	answers_to_eject(0, 500);
	assert_int_equal(time_out(0), 5 * S);
	for (int i = 0; i < 4; i++) {
		now += 1 * S;
		health_outlier_sweep(&cluster, &hosts[0], now);
	}
	assert_int_equal(hosts[0].multiplier, 0);
	answers_to_eject(0, 500);
	assert_int_equal(time_out(0), 2 * S);
}

static void a_host_returns_only_at_a_tick(void **state)
{
	rule.base_ejection_time = 30 * S;
	rule.interval = 10 * S;
	answers_to_eject(0, 500);
	now += 30 * S - 1;
	assert_false(health_outlier_sweep(&cluster, &hosts[0], now));
	assert_true(hosts[0].is_ejected);
	now += 1;
	assert_true(health_outlier_sweep(&cluster, &hosts[0], now));
	assert_int_equal(cluster.n_ejected, 0);
}

static void the_multiplier_waits_a_whole_interval_after_the_return(void **state)
{
	answers_to_eject(0, 500);
	time_out(0);
	now += rule.interval - 1;
	health_outlier_sweep(&cluster, &hosts[0], now);
	assert_int_equal(hosts[0].multiplier, 1);
	now += 1;
	health_outlier_sweep(&cluster, &hosts[0], now);
	assert_int_equal(hosts[0].multiplier, 0);
	now += 10 * rule.interval;
	health_outlier_sweep(&cluster, &hosts[0], now);
	assert_int_equal(hosts[0].multiplier, 0);
}

/* 30, 60, … 300 s, and no longer; the multiplier stops at the first beyond that. */
static void ejections_have_a_longest_time(void **state)
{
	for (uint32_t i = 1; i <= 20; i++) {
		answers_to_eject(0, 500);
		assert_int_equal(hosts[0].multiplier, i < 11 ? i : 11);
		assert_int_equal(health_outlier_until(&rule, &hosts[0]) - now,
				 i < 10 ? i * 30 * S : 300 * S);
		time_out(0);
	}
}

static void a_base_above_the_longest_time_counts_once(void **state)
{
	rule.base_ejection_time = 400 * S;
	for (int i = 0; i < 3; i++) {
		answers_to_eject(0, 500);
		assert_int_equal(health_outlier_until(&rule, &hosts[0]) - now, 400 * S);
		time_out(0);
	}
}

static void failures_without_an_answer_count_as_5xx(void **state)
{
	static const enum hd_outcome_kind kinds[] = { HD_OUTCOME_CONNECT_FAILURE, HD_OUTCOME_RESET,
						      HD_OUTCOME_TIMEOUT };

	for (size_t i = 0; i < HD_ARRAY_SIZE(kinds); i++) {
		make(NULL);
		rule.consecutive_5xx = 2;
		rule.consecutive_gateway = 3;
		assert_false(fail_as(0, kinds[i], 0));
		assert_true(fail_as(0, kinds[i], 0));
		assert_int_equal(hosts[0].consecutive_gateway, 2);
	}
}

static void split_failures_count_apart(void **state)
{
	rule.splits_local = 1;
	rule.consecutive_local = 3;
	for (int i = 0; i < 2; i++)
		assert_false(fail_as(0, HD_OUTCOME_CONNECT_FAILURE, 0));
	assert_int_equal(hosts[0].consecutive_5xx, 0);
	answer(0, 500); /* there was a connection */
	assert_int_equal(hosts[0].consecutive_local, 0);
	for (int i = 0; i < 2; i++)
		assert_false(fail_as(0, HD_OUTCOME_CONNECT_FAILURE, 0));
	assert_int_equal(hosts[0].consecutive_5xx, 1);
	assert_true(fail_as(0, HD_OUTCOME_TIMEOUT, 0));
	assert_string_equal(health_detector_name(hosts[0].by), "consecutive_local_origin_failure");
}

static void split_failures_after_a_connection_are_never_consecutive(void **state)
{
	rule.splits_local = 1;
	rule.consecutive_local = 2;
	for (int i = 0; i < 50; i++)
		assert_false(fail_as(0, HD_OUTCOME_TIMEOUT, 1));
}

static void split_5xx_still_count(void **state)
{
	rule.splits_local = 1;
	rule.consecutive_local = 5;
	assert_int_equal(answers_to_eject(0, 500), 5);
}

static void listed_codes_replace_5xx(void **state)
{
	rule.has_codes = 1;
	rule.codes[(429 - 100) / 8] |= 1 << (429 - 100) % 8;
	assert_int_equal(answers_to_eject(0, 500), 0);
	assert_int_equal(hosts[0].consecutive_5xx, 0);
	assert_int_equal(answers_to_eject(0, 429), 5);
}

static void a_stream_that_connects_is_a_success(void **state)
{
	for (int i = 0; i < 4; i++)
		fail_as(0, HD_OUTCOME_CONNECT_FAILURE, 0);
	fail_as(0, HD_OUTCOME_CONNECTED, 1);
	assert_int_equal(hosts[0].consecutive_5xx, 0);
}

static void room_that_a_return_makes_is_for_the_next(void **state)
{
	cluster.n_hosts = 2;
	rule.max_ejection_percent = 50;
	answers_to_eject(0, 500);
	assert_int_equal(answers_to_eject(1, 500), 0);
	time_out(0);
	hosts[1].consecutive_5xx = 0;
	assert_int_equal(answers_to_eject(1, 500), 5);
	assert_int_equal(answers_to_eject(0, 500), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, make)
	const struct CMUnitTest tests[] = {
		TEST(the_fifth_error_in_a_row_ejects_at_once),
		TEST(a_success_starts_the_count_anew),
		TEST(zero_switches_a_detector_off),
		TEST(gateway_errors_count_for_both),
		TEST(another_5xx_starts_the_gateway_count_anew),
		TEST(the_budget_is_exact),
		TEST(a_detection_without_budget_starts_the_count_anew),
		TEST(what_an_ejected_host_still_answers_changes_nothing),
		TEST(each_ejection_is_longer_and_quiet_takes_it_back),
		TEST(a_host_returns_only_at_a_tick),
		TEST(the_multiplier_waits_a_whole_interval_after_the_return),
		TEST(ejections_have_a_longest_time),
		TEST(a_base_above_the_longest_time_counts_once),
		TEST(failures_without_an_answer_count_as_5xx),
		TEST(split_failures_count_apart),
		TEST(split_failures_after_a_connection_are_never_consecutive),
		TEST(split_5xx_still_count),
		TEST(listed_codes_replace_5xx),
		TEST(a_stream_that_connects_is_a_success),
		TEST(room_that_a_return_makes_is_for_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
