/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers from a pool, warm: while one is filled, the lines of one that comes soon are fetched. Buffers come back from the
 * device cold, or in another core's cache. */
#ifndef CORE_MBUF_H
#define CORE_MBUF_H

#include <rte_mbuf.h>

#include "pkt.h"

#define CORE_MBUF_AHEAD 4

/* What is written of a buffer that is allocated: its struct, and the lines around where a packet's headers lie. */
static inline void core_mbuf_prefetch(struct rte_mbuf *m, int with_data)
{
	uint8_t *p = (uint8_t *)m, *data = p + sizeof(*m) + PKT_PRIV_SIZE + RTE_PKTMBUF_HEADROOM;

	__builtin_prefetch(p, 1);
	__builtin_prefetch(p + HD_CACHE_LINE, 1);
	if (with_data) {
		__builtin_prefetch(data - HD_CACHE_LINE, 1);
		__builtin_prefetch(data, 1);
	}
}

/* rte_pktmbuf_alloc from the core's own cache, by the straight line when the cache holds some. */
static inline struct rte_mbuf *core_mbuf_alloc(struct rte_mempool *pool, int with_data)
{
	struct rte_mempool_cache *cache = rte_mempool_default_cache(pool, rte_lcore_id());
	struct rte_mbuf *m;

	if (hd_unlikely(cache == NULL || cache->len < CORE_MBUF_AHEAD))
		return rte_pktmbuf_alloc(pool);
	m = cache->objs[--cache->len];
	core_mbuf_prefetch(cache->objs[cache->len > CORE_MBUF_AHEAD ? cache->len - CORE_MBUF_AHEAD : 0],
			   with_data);
	rte_pktmbuf_reset(m);
	return m;
}

/* rte_pktmbuf_free_seg, likewise. */
static inline void core_mbuf_free_seg(struct rte_mbuf *m)
{
	struct rte_mempool_cache *cache;

	m = rte_pktmbuf_prefree_seg(m);
	if (m == NULL)
		return;
	cache = rte_mempool_default_cache(m->pool, rte_lcore_id());
	if (hd_likely(cache != NULL && cache->len < cache->flushthresh))
		cache->objs[cache->len++] = m;
	else
		rte_mbuf_raw_free(m);
}

#endif
