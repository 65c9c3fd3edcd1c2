/* SPDX-License-Identifier: Apache-2.0 */
/* How many buffers are left for a worker. What it holds lies in its own pools, of buffers and of references to parts of them,
 * and, when another worker polls a port for it, in that one's as well: the scarcest counts. */
#ifndef CORE_SUPPLY_H
#define CORE_SUPPLY_H

#include <rte_lcore.h>
#include <rte_mempool.h>

#include <heddle/stats.h>

#define CORE_SUPPLY_ALL 1024 /* nothing is in use */

struct core_supply {
	struct rte_mempool *pools[HD_MAX_PORTS + 2];
	uint32_t n;
};

static inline void core_supply_add(struct core_supply *s, struct rte_mempool *pool)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->pools[i] == pool)
			return;
	}
	s->pools[s->n++] = pool;
}

/* What lies in the caches of other cores is not ours to take, and to count it would cost a line of each. */
static inline uint32_t core_supply_of_pool(const struct rte_mempool *mp)
{
	const struct rte_mempool_cache *own = rte_mempool_default_cache((struct rte_mempool *)mp, rte_lcore_id());
	uint32_t n = rte_mempool_get_ops(mp->ops_index)->get_count(mp);

	n += own != NULL ? own->len : 0;
	return n < mp->size ? n : mp->size;
}

/* The free share of the scarcest pool, of CORE_SUPPLY_ALL. */
static inline uint32_t core_supply_left(const struct core_supply *s)
{
	uint32_t least = CORE_SUPPLY_ALL;

	for (uint32_t i = 0; i < s->n; i++) {
		uint64_t free = core_supply_of_pool(s->pools[i]);
		uint32_t left = (uint32_t)(free * CORE_SUPPLY_ALL / s->pools[i]->size);
		least = left < least ? left : least;
	}
	return least;
}

#endif
