/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "net_cksum.h"
#include "net_world.h"

/* The definition, one 16-bit word in network order at a time. */
static uint16_t plain(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)sum);
}

static void sum_equals_the_definition_for_every_length_and_alignment(void **state)
{
	uint8_t data[1700];

	srand(1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rand();
	for (size_t at = 0; at < 9; at++) {
		for (size_t n = 0; n < sizeof(data) - at; n++)
			assert_int_equal(cksum_fold(cksum_add(0, data + at, n)),
					 plain(data + at, n));
	}
}

static void all_ones_do_not_overflow(void **state)
{
	uint8_t data[65536];

	memset(data, 0xff, sizeof(data));
	assert_int_equal(cksum_fold(cksum_add(UINT32_MAX, data, sizeof(data))), 0xffff);
	assert_int_equal(cksum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(cksum_fold(0), 0);
}

static void chain_sums_like_the_linear_bytes_however_it_is_cut(void **state)
{
	struct world *w = *state;
	uint8_t data[600];

	srand(2);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rand();
	for (uint32_t cut = 1; cut < 64; cut++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool), *more;

		memcpy(rte_pktmbuf_append(m, cut), data, cut);
		for (uint32_t at = cut; at < sizeof(data); at += 37 + cut) {
			uint32_t n = sizeof(data) - at < 37 + cut ? sizeof(data) - at : 37 + cut;

			more = rte_pktmbuf_alloc(w->pool);
			memcpy(rte_pktmbuf_append(more, (uint16_t)n), data + at, n);
			rte_pktmbuf_chain(m, more);
		}
		for (uint32_t at = 0; at < 100; at += 3)
			assert_int_equal(cksum_chain(m, at, sizeof(data) - at - cut),
					 plain(data + at, sizeof(data) - at - cut));
		rte_pktmbuf_free(m);
	}
}

static void a_finished_checksum_verifies(void **state)
{
	uint8_t data[64];
	uint16_t sum;

	for (uint32_t seed = 0; seed < 2000; seed++) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)rand();
		memset(data + 10, 0, 2);
		sum = cksum_finish(cksum_add(0, data, sizeof(data)));
		memcpy(data + 10, &sum, 2);
		assert_int_equal(cksum_fold(cksum_add(0, data, sizeof(data))), 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_equals_the_definition_for_every_length_and_alignment),
		cmocka_unit_test(all_ones_do_not_overflow),
		cmocka_unit_test_setup_teardown(chain_sums_like_the_linear_bytes_however_it_is_cut,
						world_setup, world_teardown),
		cmocka_unit_test(a_finished_checksum_verifies),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
