/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core_siphash.h"

static const uint64_t key[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };

static void published_vectors_hold(void **state)
{
	uint8_t in[15];

	for (uint8_t i = 0; i < sizeof(in); i++)
		in[i] = i;
	assert_true(siphash_2_4(key, in, 15) ==
		    UINT64_C(0xa129ca6149be45e5)); /* the paper's appendix A */
	assert_true(siphash_2_4(key, in, 0) == UINT64_C(0x726fdb47dd0e0e31));
	assert_true(siphash_1_3(key, in, 0) == UINT64_C(0xabac0158050fc4dc));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(published_vectors_hold) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
