/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded single-producer single-consumer ring of fixed-size elements: the only road between two threads.
 * Never blocks, never allocates after hd_ring_create. Full and empty are ordinary verdicts. */
#ifndef HEDDLE_RING_H
#define HEDDLE_RING_H

#include <stdatomic.h>
#include <stdlib.h>

#include <heddle/base.h>

struct hd_ring {
	_Alignas(HD_CACHE_LINE) _Atomic uint32_t head; /* written by the producer, read by the consumer */
	uint32_t tail_seen;			       /* the producer's last look at tail */
	_Alignas(HD_CACHE_LINE) _Atomic uint32_t tail; /* written by the consumer, read by the producer */
	uint32_t head_seen;			       /* the consumer's last look at head */
	_Alignas(HD_CACHE_LINE) uint32_t mask;
	uint32_t elem_bytes;
	_Alignas(HD_CACHE_LINE) uint8_t slots[];
};

/* n: a power of two. Slow path only. NULL when memory is out. Freed with free(). */
static inline struct hd_ring *hd_ring_create(uint32_t n, uint32_t elem_bytes)
{
	size_t bytes = sizeof(struct hd_ring) + (size_t)n * elem_bytes;
	struct hd_ring *r = aligned_alloc(HD_CACHE_LINE, (bytes + HD_CACHE_LINE - 1) & ~(size_t)(HD_CACHE_LINE - 1));

	if (r == NULL)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->mask = n - 1;
	r->elem_bytes = elem_bytes;
	return r;
}

/* Producer: a slot to fill, or NULL when full. Becomes visible with hd_ring_push. */
static inline void *hd_ring_slot(struct hd_ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head - r->tail_seen > r->mask) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (head - r->tail_seen > r->mask)
			return NULL;
	}
	return r->slots + (size_t)(head & r->mask) * r->elem_bytes;
}

static inline void hd_ring_push(struct hd_ring *r)
{
	atomic_store_explicit(&r->head, atomic_load_explicit(&r->head, memory_order_relaxed) + 1, memory_order_release);
}

/* Consumer: the oldest element, or NULL when empty. Stays valid until hd_ring_pop. */
static inline void *hd_ring_peek(struct hd_ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail == r->head_seen) {
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (tail == r->head_seen)
			return NULL;
	}
	return r->slots + (size_t)(tail & r->mask) * r->elem_bytes;
}

static inline void hd_ring_pop(struct hd_ring *r)
{
	atomic_store_explicit(&r->tail, atomic_load_explicit(&r->tail, memory_order_relaxed) + 1, memory_order_release);
}

#endif
