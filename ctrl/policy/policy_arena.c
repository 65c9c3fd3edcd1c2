/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "policy_arena.h"

#define SLAB_BYTES ((size_t)256 * 1024)
#define SLAB_LEAST ((size_t)1024)
#define SPARE_MOST 256 /* slabs */

struct policy_slab {
	struct policy_slab *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

void policy_arena_init(struct policy_arena *a, jmp_buf *oom)
{
	*a = (struct policy_arena){ .oom = oom, .slab_bytes = SLAB_BYTES };
}

void policy_arena_expect(struct policy_arena *a, size_t bytes)
{
	a->slab_bytes = bytes < SLAB_LEAST ? SLAB_LEAST : bytes < SLAB_BYTES ? bytes : SLAB_BYTES;
}

void policy_spare_init(struct policy_spare *spare)
{
	*spare = (struct policy_spare){ 0 };
	pthread_mutex_init(&spare->lock, NULL);
}

void policy_spare_fini(struct policy_spare *spare)
{
	while (spare->slabs != NULL) {
		struct policy_slab *s = spare->slabs;

		spare->slabs = s->next;
		free(s);
	}
	spare->n = 0;
	pthread_mutex_destroy(&spare->lock);
}

static void slab_release(struct policy_spare *spare, struct policy_slab *s)
{
	if (spare != NULL && s->size == SLAB_BYTES) {
		pthread_mutex_lock(&spare->lock);
		if (spare->n < SPARE_MOST) {
			s->next = spare->slabs;
			spare->slabs = s;
			spare->n++;
			s = NULL;
		}
		pthread_mutex_unlock(&spare->lock);
	}
	free(s);
}

void policy_arena_fini(struct policy_arena *a)
{
	while (a->slabs != NULL) {
		struct policy_slab *s = a->slabs;

		a->slabs = s->next;
		slab_release(a->spare, s);
	}
}

void policy_arena_exhausted(struct policy_arena *a)
{
	longjmp(*a->oom, 1);
}

/* Zeroed; one that was used before costs no page faults. */
static struct policy_slab *slab_take(struct policy_arena *a, size_t size)
{
	struct policy_slab *s = NULL;

	if (size == SLAB_BYTES && a->spare != NULL) {
		pthread_mutex_lock(&a->spare->lock);
		s = a->spare->slabs;
		if (s != NULL) {
			a->spare->slabs = s->next;
			a->spare->n--;
		}
		pthread_mutex_unlock(&a->spare->lock);
	}
	if (s == NULL)
		return calloc(1, sizeof(*s) + size);
	memset(s->bytes, 0, s->used);
	s->used = 0;
	return s;
}

static struct policy_slab *slab_add(struct policy_arena *a, size_t bytes)
{
	size_t size = bytes > a->slab_bytes / 4 ? bytes : a->slab_bytes;
	struct policy_slab *s = slab_take(a, size);

	if (s == NULL)
		policy_arena_exhausted(a);
	s->size = size;
	a->bytes += sizeof(*s) + size;
	if (size != a->slab_bytes &&
	    a->slabs != NULL) { /* a large one: the current slab still has room */
		s->next = a->slabs->next;
		a->slabs->next = s;
	} else {
		s->next = a->slabs;
		a->slabs = s;
	}
	return s;
}

void *policy_alloc(struct policy_arena *a, size_t bytes)
{
	struct policy_slab *s = a->slabs;
	void *p;

	bytes = (bytes + 15) & ~(size_t)15;
	if (s == NULL || s->size - s->used < bytes)
		s = slab_add(a, bytes);
	p = s->bytes + s->used;
	s->used += bytes;
	return p;
}

void *policy_alloc_array(struct policy_arena *a, size_t n, size_t bytes)
{
	size_t all;

	if (__builtin_mul_overflow(n, bytes, &all) || all > (size_t)1 << 40)
		policy_arena_exhausted(a);
	return policy_alloc(a, all);
}

struct hd_str policy_str_copy(struct policy_arena *a, struct hd_str s)
{
	char *p = policy_alloc(a, (size_t)s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (struct hd_str){ p, s.n };
}

struct hd_str policy_str_lower(struct policy_arena *a, struct hd_str s)
{
	char *p = policy_alloc(a, (size_t)s.n + 1);

	for (uint32_t i = 0; i < s.n; i++)
		p[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i]);
	return (struct hd_str){ p, s.n };
}

static struct hd_str digits_of(char out[20], unsigned long long u)
{
	char *end = out + 20, *at = end;

	do
		*--at = (char)('0' + u % 10);
	while ((u /= 10) > 0);
	return (struct hd_str){ at, (uint32_t)(end - at) };
}

/* Writes to p unless it is NULL. The length. */
static size_t str_put(char *p, const char *format, va_list ap)
{
	size_t n = 0;

	for (; *format != '\0'; format++) {
		struct hd_str part = { format, 1 };
		char digits[20];

		if (strncmp(format, "%.*s", 4) == 0) {
			int most = va_arg(ap, int);

			part.p = va_arg(ap, const char *);
			part.n = most > 0 ? (uint32_t)strnlen(part.p, (size_t)most) : 0;
			format += 3;
		} else if (strncmp(format, "%s", 2) == 0) {
			part = policy_str(va_arg(ap, const char *));
			format++;
		} else if (strncmp(format, "%u", 2) == 0) {
			part = digits_of(digits, va_arg(ap, unsigned int));
			format++;
		} else if (strncmp(format, "%llu", 4) == 0) {
			part = digits_of(digits, va_arg(ap, unsigned long long));
			format += 3;
		} else {
			assert(*format != '%');
		}
		if (p != NULL && part.n > 0)
			memcpy(p + n, part.p, part.n);
		n += part.n;
	}
	return n;
}

struct hd_str policy_str_printf(struct policy_arena *a, const char *format, ...)
{
	va_list ap;
	size_t n;
	char *p;

	va_start(ap, format);
	n = str_put(NULL, format, ap);
	va_end(ap);
	p = policy_alloc(a, n + 1);
	va_start(ap, format);
	(void)str_put(p, format, ap);
	va_end(ap);
	return (struct hd_str){ p, (uint32_t)n };
}

int policy_str_cmp(struct hd_str a, struct hd_str b)
{
	uint32_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	if (c != 0)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

int policy_str_has(struct hd_str s, char c)
{
	return s.n > 0 && memchr(s.p, c, s.n) != NULL;
}

/* Eight bytes at a time: a load hashes some hundred thousand names. Not against an attacker: who
 * writes the policy may also write nonsense. */
static uint32_t key_hash(struct hd_str key)
{
	uint64_t h = key.n * UINT64_C(0x9e3779b97f4a7c15), w;
	uint32_t i = 0;

	for (; i + 8 <= key.n; i += 8) {
		memcpy(&w, key.p + i, 8);
		h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	if (i < key.n) {
		w = 0;
		memcpy(&w, key.p + i, key.n - i);
		h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	return (uint32_t)(h ^ (h >> 29));
}

void policy_map_init(struct policy_map *m, struct policy_arena *a)
{
	*m = (struct policy_map){ .arena = a };
}

static struct policy_map_entry *map_slot(const struct policy_map *m, struct hd_str key,
					 uint32_t hash)
{
	uint32_t i = hash & m->mask;

	while (m->entries[i].value != NULL &&
	       (m->entries[i].hash != hash || !hd_str_eq(m->entries[i].key, key)))
		i = (i + 1) & m->mask;
	return &m->entries[i];
}

void *policy_map_get(const struct policy_map *m, struct hd_str key)
{
	return m->entries == NULL ? NULL : map_slot(m, key, key_hash(key))->value;
}

struct policy_map_entry *policy_map_entry(struct policy_map *m, struct hd_str key)
{
	return map_slot(m, key, key_hash(key));
}

static void map_grow(struct policy_map *m)
{
	struct policy_map old = *m;

	m->mask = old.entries == NULL ? 15 : old.mask * 2 + 1;
	m->entries = policy_alloc_array(m->arena, (size_t)m->mask + 1, sizeof(*m->entries));
	for (uint32_t i = 0; old.entries != NULL && i <= old.mask; i++) {
		uint32_t at = old.entries[i].hash & m->mask;

		if (old.entries[i].value == NULL)
			continue;
		while (m->entries[at].value != NULL)
			at = (at + 1) & m->mask;
		m->entries[at] = old.entries[i];
	}
}

void *policy_map_add(struct policy_map *m, struct hd_str key, void *value)
{
	uint32_t hash = key_hash(key);
	struct policy_map_entry *e;

	if (m->entries == NULL || m->n * 2 > m->mask)
		map_grow(m);
	e = map_slot(m, key, hash);
	if (e->value != NULL)
		return e->value;
	*e = (struct policy_map_entry){ key, value, hash };
	m->n++;
	return NULL;
}

void *policy_vec_push(struct policy_arena *a, struct policy_vec *v)
{
	if (v->n == v->capacity) {
		uint32_t capacity = v->capacity == 0 ? 8 : v->capacity * 2;
		char *p = policy_alloc_array(a, capacity, v->bytes);

		if (v->n > 0)
			memcpy(p, v->p, (size_t)v->n * v->bytes);
		v->p = p;
		v->capacity = capacity;
	}
	return v->p + (size_t)v->n++ * v->bytes;
}
