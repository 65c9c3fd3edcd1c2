/* SPDX-License-Identifier: Apache-2.0 */
#include "health_test.h"

#include <math.h>

#include "health_rates.h"

static int near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

/* Rates 100, 100, 100, 100, 60: mean 92, deviation 16, threshold 92 - 1.9 x 16 = 61.6. */
static void a_host_far_below_the_others_is_low(void **state)
{
	struct health_rate h[5] = { { 100, 0 }, { 200, 0 }, { 100, 0 }, { 100, 0 }, { 100, 40 } };
	struct health_rates r;

	health_rates_judge(h, 5, &r);
	assert_true(near(r.average, 92));
	assert_true(near(r.threshold, 61.6));
	assert_int_equal(r.n_low, 1);
	assert_true(h[4].is_low);
	assert_int_equal(r.n_failing, 0);
}

static void four_hosts_or_too_few_tries_tell_nothing(void **state)
{
	struct health_rate h[5] = { { 100, 0 }, { 100, 0 }, { 100, 0 }, { 100, 0 }, { 99, 99 } };
	struct health_rates r;

	health_rates_judge(h, 5, &r);
	assert_true(r.average < 0 && r.threshold < 0);
	assert_int_equal(r.n_low, 0);
	assert_true(h[4].percent < 0);
}

static void failing_hosts_are_those_with_85_percent(void **state)
{
	struct health_rate h[5] = { { 50, 0 }, { 60, 51 }, { 100, 84 }, { 50, 50 }, { 60, 0 } };
	struct health_rates r;

	health_rates_judge(h, 5, &r);
	assert_int_equal(r.n_failing, 2);
	assert_true(h[1].is_failing); /* 85.0 exactly */
	assert_false(h[2].is_failing);
	assert_true(h[3].is_failing);
}

static void no_hosts_are_no_matter(void **state)
{
	struct health_rates r;

	health_rates_judge(NULL, 0, &r);
	assert_int_equal(r.n_low + r.n_failing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_far_below_the_others_is_low),
		cmocka_unit_test(four_hosts_or_too_few_tries_tell_nothing),
		cmocka_unit_test(failing_hosts_are_those_with_85_percent),
		cmocka_unit_test(no_hosts_are_no_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
