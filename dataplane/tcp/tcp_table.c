/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_table.h"

#include <errno.h>

#include <rte_malloc.h>

#define OVERFLOW_SHARE 8 /* one overflow bucket for so many buckets */

static uint32_t power_of_two(uint32_t at_least)
{
	uint32_t n = 16;

	while (n < at_least)
		n *= 2;
	return n;
}

int tcp_table_init(struct tcp_table *tb, uint32_t capacity, int socket)
{
	uint32_t n = power_of_two(capacity / TCP_TABLE_TARGET_LOAD);

	tb->mask = n - 1;
	tb->buckets = rte_zmalloc_socket("tcp_table", (size_t)n * sizeof(tb->buckets[0]),
					 HD_CACHE_LINE, socket);
	if (tb->buckets == NULL)
		return -ENOMEM;
	if (core_pool_init(&tb->overflow, "tcp_overflow", n / OVERFLOW_SHARE,
			   sizeof(struct tcp_bucket), socket) != 0) {
		rte_free(tb->buckets);
		return -ENOMEM;
	}
	return 0;
}

void tcp_table_fini(struct tcp_table *tb)
{
	core_pool_fini(&tb->overflow);
	rte_free(tb->buckets);
}

static void put(struct tcp_bucket *b, uint32_t way_bits, uint16_t signature, uint32_t value)
{
	uint32_t way = (uint32_t)__builtin_ctz(way_bits) / 2;

	b->signature[way] = signature;
	b->value[way] = value;
}

int tcp_table_insert(struct tcp_table *tb, uint32_t hash, uint32_t value)
{
	struct tcp_bucket *b = tcp_table_bucket(tb, hash), *last = b;

	for (; b != NULL; last = b, b = tcp_bucket_next(tb, b)) {
		uint32_t room = tcp_bucket_match(b, 0);

		if (room != 0) {
			put(b, room, tcp_table_signature(hash), value);
			return 0;
		}
	}
	b = core_pool_get(&tb->overflow);
	if (b == NULL)
		return -ENOSPC;
	*b = (struct tcp_bucket){ 0 };
	put(b, 1, tcp_table_signature(hash), value);
	last->overflow = core_pool_index(&tb->overflow, b) + 1;
	return 0;
}

static int is_empty(const struct tcp_bucket *b)
{
	return tcp_bucket_match(b, 0) == 0xffff;
}

void tcp_table_remove(struct tcp_table *tb, uint32_t hash, uint32_t value)
{
	struct tcp_bucket *before = NULL;

	for (struct tcp_bucket *b = tcp_table_bucket(tb, hash); b != NULL;
	     before = b, b = tcp_bucket_next(tb, b)) {
		for (uint32_t hit = tcp_bucket_match(b, tcp_table_signature(hash)); hit != 0;
		     hit &= hit - 1) {
			uint32_t way = (uint32_t)__builtin_ctz(hit) / 2;

			if (b->value[way] != value)
				continue;
			b->signature[way] = 0;
			if (before != NULL && is_empty(b)) {
				before->overflow = b->overflow;
				core_pool_put(&tb->overflow, b);
			}
			return;
		}
	}
}
