/* SPDX-License-Identifier: Apache-2.0 */
/* From a tuple's keyed hash to a number: buckets of one cache line with eight 16-bit signatures,
 * compared at once. One writer and reader, the worker. The caller compares the tuple itself, for a
 * signature can lie. Full buckets chain to overflow buckets; crafted tuples cannot aim at a bucket
 * as the hash is keyed. */
#ifndef TCP_TABLE_H
#define TCP_TABLE_H

#include <emmintrin.h>

#include "core_pool.h"

#define TCP_TABLE_WAYS 8
#define TCP_TABLE_TARGET_LOAD 5 /* of eight */

struct tcp_bucket {
	uint16_t signature[TCP_TABLE_WAYS]; /* 0: free */
	uint32_t value[TCP_TABLE_WAYS];
	uint32_t overflow; /* index + 1 in the overflow pool */
	uint32_t reserved[3];
};
_Static_assert(sizeof(struct tcp_bucket) == HD_CACHE_LINE, "a bucket is a cache line");

struct tcp_table {
	struct tcp_bucket *buckets;
	uint32_t mask;
	struct core_pool overflow;
};

[[nodiscard]] int tcp_table_init(struct tcp_table *tb, uint32_t capacity, int socket);
void tcp_table_fini(struct tcp_table *tb);
/* 0, or -ENOSPC. */
[[nodiscard]] int tcp_table_insert(struct tcp_table *tb, uint32_t hash, uint32_t value);
void tcp_table_remove(struct tcp_table *tb, uint32_t hash, uint32_t value);

static inline uint16_t tcp_table_signature(uint32_t hash)
{
	uint16_t s = (uint16_t)(hash >> 16);

	return s == 0 ? 1 : s;
}

static inline struct tcp_bucket *tcp_table_bucket(const struct tcp_table *tb, uint32_t hash)
{
	return &tb->buckets[hash & tb->mask];
}

/* Two bits for each way whose signature is s. */
static inline uint32_t tcp_bucket_match(const struct tcp_bucket *b, uint16_t s)
{
	__m128i have = _mm_load_si128((const __m128i *)b->signature),
		want = _mm_set1_epi16((short)s);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(have, want));
}

static inline struct tcp_bucket *tcp_bucket_next(const struct tcp_table *tb,
						 const struct tcp_bucket *b)
{
	return b->overflow == 0 ? NULL : core_pool_at(&tb->overflow, b->overflow - 1);
}

#endif
