/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of equal objects with a fixed capacity. Objects have an index and a handle: index plus generation, so that a
 * handle kept after the object was put back resolves to nothing instead of to a stranger. One owner, no lock.
 * A slot that was never used is never touched: unused capacity costs address space, not memory. */
#ifndef CORE_POOL_H
#define CORE_POOL_H

#include <heddle/base.h>
#include <heddle/stats.h>

#define CORE_POOL_NO_HANDLE UINT64_C(0) /* never a live object */

struct core_pool_slot {
	uint32_t generation; /* odd: in use */
	uint32_t next_free;  /* index + 1; 0: none */
};

struct core_pool {
	uint8_t *objects;
	struct core_pool_slot *slots;
	uint64_t inverse;  /* of the stride's odd part modulo 2^64: exact division by multiplication */
	uint32_t shift;	   /* of the stride's power of two */
	uint32_t stride;
	uint32_t capacity;
	uint32_t free;	   /* index + 1 of the last one put back: it is the warmest */
	uint32_t touched;  /* slots from here on were never used: the high-water mark */
	uint32_t used;
};

/* Objects are aligned to a cache line when object_bytes is a multiple of one, else to 8. 0 or -ENOMEM. */
[[nodiscard]] int core_pool_init(struct core_pool *p, const char *name, uint32_t capacity, uint32_t object_bytes, int socket);
void core_pool_fini(struct core_pool *p);
/* The same over zeroed memory of the caller's, who frees it: capacity objects of object_bytes (a multiple of 8), and as many slots. */
void core_pool_init_at(struct core_pool *p, uint32_t capacity, uint32_t object_bytes, void *objects, struct core_pool_slot *slots);

static inline void *core_pool_at(const struct core_pool *p, uint32_t index)
{
	return p->objects + (size_t)index * p->stride;
}

static inline uint32_t core_pool_index(const struct core_pool *p, const void *object)
{
	uint64_t offset = (uint64_t)((const uint8_t *)object - p->objects);

	return (uint32_t)((offset >> p->shift) * p->inverse);
}

/* NULL when the pool is empty. The content is whatever its last user left (zero at first use): the caller sets it. */
static inline void *core_pool_get(struct core_pool *p)
{
	uint32_t index;

	if (p->free != 0) {
		index = p->free - 1;
		p->free = p->slots[index].next_free;
	} else if (p->touched < p->capacity) {
		index = p->touched++;
	} else {
		return NULL;
	}
	p->slots[index].generation++;
	p->used++;
	return core_pool_at(p, index);
}

static inline void core_pool_put(struct core_pool *p, void *object)
{
	uint32_t index = core_pool_index(p, object);

	p->slots[index].generation++;
	p->slots[index].next_free = p->free;
	p->free = index + 1;
	p->used--;
}

static inline int core_pool_is_used(const struct core_pool *p, uint32_t index)
{
	return index < p->touched && (p->slots[index].generation & 1);
}

static inline uint64_t core_pool_handle(const struct core_pool *p, const void *object)
{
	uint32_t index = core_pool_index(p, object);

	return (uint64_t)p->slots[index].generation << 32 | index;
}

/* What the objects in use take, with their slots. */
static inline uint64_t core_pool_bytes_used(const struct core_pool *p)
{
	return (uint64_t)p->used * (p->stride + sizeof(struct core_pool_slot));
}

/* NULL when the object was put back since. */
static inline void *core_pool_resolve(const struct core_pool *p, uint64_t handle)
{
	uint32_t index = (uint32_t)handle, generation = (uint32_t)(handle >> 32);

	if (index >= p->touched || !(generation & 1) || p->slots[index].generation != generation)
		return NULL;
	return core_pool_at(p, index);
}

/* Looks at the next slot: its object when in use, else NULL. *cursor starts at 0 and passes p->touched at the end: for
 * walks in bounded pieces, however many slots are empty. Safe across gets and puts. */
static inline void *core_pool_step(const struct core_pool *p, uint32_t *cursor)
{
	uint32_t index = (*cursor)++;

	return core_pool_is_used(p, index) ? core_pool_at(p, index) : NULL;
}

/* For another thread: what it reads may be a moment old. */
static inline void core_pool_tell(const struct core_pool *p, const char *name, const char *text, struct hd_pool_info *out)
{
	uint32_t touched = __atomic_load_n(&p->touched, __ATOMIC_RELAXED);

	*out = (struct hd_pool_info){ .name = name,
				      .text = text,
				      .bytes = (uint64_t)touched * (p->stride + sizeof(struct core_pool_slot)),
				      .object_bytes = p->stride,
				      .capacity = p->capacity,
				      .used = __atomic_load_n(&p->used, __ATOMIC_RELAXED),
				      .most = touched };
}

static inline int core_pool_is_past(const struct core_pool *p, uint32_t cursor)
{
	return cursor >= p->touched;
}

/* Walks the objects in use: *cursor starts at 0; NULL at the end. Unbounded: not within a turn. */
static inline void *core_pool_walk(const struct core_pool *p, uint32_t *cursor)
{
	while (*cursor < p->touched) {
		uint32_t index = (*cursor)++;
		if (p->slots[index].generation & 1)
			return core_pool_at(p, index);
	}
	return NULL;
}

#endif
