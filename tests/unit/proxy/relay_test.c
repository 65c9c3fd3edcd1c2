/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies between two queues: what they cost in buffers and in work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_mempool.h>

#include "bed.h"
#include "proxy_relay.h"

static struct rte_mempool *indirect;
static struct bufq in, out, keep;

static void put(const char *text)
{
	assert_int_equal(bufq_copy_in(&in, text, (uint32_t)strlen(text), bed_bufs()), 0);
}

static enum proxy_relay_verdict relay(struct proxy_body *b, uint32_t *moved)
{
	const struct proxy_relay_pools pools = { bed_bufs(), indirect };
	struct http_error e = { 0 };
	uint8_t kept = 1;

	return proxy_relay(b, &in, &out, 256 << 10, &keep, &kept, moved, &pools, &e);
}

static void clear(void)
{
	bufq_clear(&in);
	bufq_clear(&out);
	bufq_clear(&keep);
	assert_int_equal(rte_mempool_in_use_count(indirect), 0);
	assert_int_equal(rte_mempool_in_use_count(bed_bufs()), 0);
}

static void tiny_chunks_pin_little(void **state)
{
	struct proxy_body b = { .framing = HTTP_BODY_CHUNKED, .is_chunked_out = 1 };
	uint32_t moved, sum = 0, steps = 0;

	for (int i = 0; i < 12000; i++)
		put("1\r\nx\r\n");
	while (in.bytes > 0) {
		assert_true(relay(&b, &moved) != RELAY_BAD);
		sum += moved;
		steps++;
	}
	assert_int_equal(sum, 12000);
	assert_in_range(steps, 10, 30); /* little work in one go */
	assert_in_range(out.bufs, 1, 3 * steps);
	assert_in_range(keep.bufs, 1, 2 * steps);
	clear();
}

/* Whatever is cut into what: a buffer for each 128 bytes is the most. */
static void chunks_of_any_size_pin_little(void **state)
{
	static char text[600];

	for (uint32_t size = 1; size < 500; size += 7) {
		struct proxy_body b = { .framing = HTTP_BODY_CHUNKED, .is_chunked_out = 1 };
		uint32_t moved, sum = 0, n = 40000 / size;
		int at = snprintf(text, sizeof(text), "%x\r\n", size);
		memset(text + at, 'y', size);
		memcpy(text + at + size, "\r\n", 3);
		for (uint32_t i = 0; i < n; i++)
			put(text);
		while (in.bytes > 0) {
			assert_true(relay(&b, &moved) != RELAY_BAD);
			sum += moved;
		}
		assert_int_equal(sum, n * size);
		assert_in_range(out.bufs, 1, 16 + sum / 128);
		clear();
	}
}

static int setup(void **state)
{
	if (bed_eal("hd_unit_relay") < 0)
		return -1;
	indirect = rte_pktmbuf_pool_create("relay_refs", 4095, 0, PKT_PRIV_SIZE, 0, -1);
	return indirect != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tiny_chunks_pin_little),
		cmocka_unit_test(chunks_of_any_size_pin_little),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
