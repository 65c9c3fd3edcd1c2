/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <rte_malloc.h>

#include "core_pool.h"

/* Newton's iteration doubles the correct low bits: 3 -> 6 -> … -> 96. */
static uint64_t inverse_of_odd(uint64_t odd)
{
	uint64_t x = odd;

	for (int i = 0; i < 5; i++)
		x *= 2 - odd * x;
	return x;
}

void core_pool_init_at(struct core_pool *p, uint32_t capacity, uint32_t object_bytes, void *objects,
		       struct core_pool_slot *slots)
{
	*p = (struct core_pool){ .capacity = capacity, .stride = (object_bytes + 7) & ~7u };
	p->shift = (uint32_t)__builtin_ctz(p->stride);
	p->inverse = inverse_of_odd(p->stride >> p->shift);
	p->objects = objects;
	p->slots = slots;
}

int core_pool_init(struct core_pool *p, const char *name, uint32_t capacity, uint32_t object_bytes,
		   int socket)
{
	size_t stride = (object_bytes + 7) & ~7u;

	/* DPDK's free memory is zero already: rte_zmalloc does not write to it. */
	core_pool_init_at(
		p, capacity, object_bytes,
		rte_zmalloc_socket(name, capacity * stride, HD_CACHE_LINE, socket),
		rte_zmalloc_socket(name, capacity * sizeof(*p->slots), HD_CACHE_LINE, socket));
	if (p->objects != NULL && p->slots != NULL)
		return 0;
	core_pool_fini(p);
	return -ENOMEM;
}

void core_pool_fini(struct core_pool *p)
{
	rte_free(p->objects);
	rte_free(p->slots);
	*p = (struct core_pool){ 0 };
}
