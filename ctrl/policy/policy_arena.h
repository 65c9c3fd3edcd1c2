/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of one load: slabs that are freed together, and hash maps inside them.
 *
 * A load makes a hundred thousand small objects and keeps or drops them as a whole. So that running
 * out of memory is handled in one place rather than at each of them, an arena leaves through `oom`
 * (longjmp) to whoever began the load; between that setjmp and its end nothing may hold what is not
 * in an arena or in the load's own record.
 */
#ifndef POLICY_ARENA_H
#define POLICY_ARENA_H

#include <pthread.h>
#include <setjmp.h>

#include <heddle/base.h>

struct policy_slab;

/* Slabs that wait for the next load. Any thread: one loads while another frees a snapshot. */
struct policy_spare {
	pthread_mutex_t lock;
	struct policy_slab *slabs;
	uint32_t n;
};

void policy_spare_init(struct policy_spare *spare);
void policy_spare_fini(struct policy_spare *spare);

struct policy_arena {
	struct policy_slab *slabs;
	jmp_buf *oom;
	size_t bytes; /* asked of malloc */
	size_t slab_bytes;
	struct policy_spare *spare; /* where slabs come from and go to; NULL: malloc */
};

void policy_arena_init(struct policy_arena *a, jmp_buf *oom);
/* A small arena: slabs of about so many bytes rather than of the usual quarter of a megabyte. */
void policy_arena_expect(struct policy_arena *a, size_t bytes);
void policy_arena_fini(struct policy_arena *a);

/* Zeroed, aligned to 16. Does not return without memory. */
void *policy_alloc(struct policy_arena *a, size_t bytes) __attribute__((returns_nonnull));
void *policy_alloc_array(struct policy_arena *a, size_t n, size_t bytes)
	__attribute__((returns_nonnull));
void policy_arena_exhausted(struct policy_arena *a) __attribute__((noreturn));

/* Copies with a NUL behind, which is not counted. */
struct hd_str policy_str_copy(struct policy_arena *a, struct hd_str s);
struct hd_str policy_str_lower(struct policy_arena *a, struct hd_str s);
/* Names are made of few things, and there are very many: of printf's it knows %.*s, %s, %u and
 * %llu.
 */
struct hd_str policy_str_printf(struct policy_arena *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline struct hd_str policy_str(const char *s)
{
	return (struct hd_str){ s, (uint32_t)strlen(s) };
}

static inline int policy_str_is(struct hd_str s, const char *text)
{
	size_t n = strlen(text);

	return s.n == n && memcmp(s.p, text, n) == 0;
}

static inline int policy_str_starts(struct hd_str s, const char *text)
{
	size_t n = strlen(text);

	return s.n >= n && memcmp(s.p, text, n) == 0;
}

static inline int policy_str_ends(struct hd_str s, struct hd_str tail)
{
	return s.n >= tail.n && memcmp(s.p + s.n - tail.n, tail.p, tail.n) == 0;
}

int policy_str_cmp(struct hd_str a, struct hd_str b);
int policy_str_has(struct hd_str s, char c);

#define POLICY_STR(s) (int)(s).n, (s).p /* for "%.*s" */

/* Name -> anything, open addressing, in an arena; grows fourfold. Keys are not copied. */
struct policy_map_entry {
	struct hd_str key;
	void *value; /* never NULL in an entry that is used */
	uint32_t hash;
};

struct policy_map {
	struct policy_arena *arena;
	struct policy_map_entry *entries;
	uint32_t n, mask;
};

void policy_map_init(struct policy_map *m, struct policy_arena *a);
void *policy_map_get(const struct policy_map *m, struct hd_str key);
/* The entry of a key that is there; its value may be changed. */
struct policy_map_entry *policy_map_entry(struct policy_map *m, struct hd_str key);
/* Keeps what is there already and returns it; NULL: it was added. */
void *policy_map_add(struct policy_map *m, struct hd_str key, void *value);

/* A growing array of fixed-size elements. */
struct policy_vec {
	char *p;
	uint32_t n, capacity, bytes;
};

static inline void policy_vec_init(struct policy_vec *v, uint32_t bytes)
{
	*v = (struct policy_vec){ .bytes = bytes };
}

/* A zeroed element at the end; it moves when the next is pushed. */
void *policy_vec_push(struct policy_arena *a, struct policy_vec *v)
	__attribute__((returns_nonnull));

static inline void *policy_vec_at(const struct policy_vec *v, uint32_t i)
{
	return v->p + (size_t)i * v->bytes;
}

#endif
