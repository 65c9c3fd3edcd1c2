/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core_hist.h"

static void bins_are_within_one_percent_at_any_magnitude(void **state)
{
	for (unsigned int shift = 0; shift < 64; shift++) {
		for (uint64_t k = 0; k < 50; k++) {
			uint64_t v = (UINT64_C(1) << shift) + k * ((UINT64_C(1) << shift) / 50);
			uint64_t top = hist_bin_max(hist_bin(v));
			assert_true(hist_bin(v) < HIST_BINS);
			assert_true(top >= v && top - v <= v / 100);
			assert_true(hist_bin(top) == hist_bin(v));
		}
	}
	assert_int_equal(hist_bin(UINT64_MAX), HIST_BINS - 1);
}

static void quantiles_of_a_ramp_are_its_ranks(void **state)
{
	static struct hist h;

	for (uint64_t i = 1; i <= 100000; i++)
		hist_add(&h, i);
	assert_true(hist_quantile(&h, 0.5) >= 50000 && hist_quantile(&h, 0.5) <= 50500);
	assert_true(hist_quantile(&h, 0.999) >= 99900);
	assert_int_equal(hist_quantile(&h, 1.0), 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bins_are_within_one_percent_at_any_magnitude),
		cmocka_unit_test(quantiles_of_a_ramp_are_its_ranks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
