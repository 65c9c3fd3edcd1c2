/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy_arena.h"

#define SLAB_BYTES ((size_t)256 * 1024)
#define SLAB_LEAST ((size_t)1024)

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

void policy_arena_fini(struct policy_arena *a)
{
	while (a->slabs != NULL) {
		struct policy_slab *s = a->slabs;

		a->slabs = s->next;
		free(s);
	}
}

void policy_arena_exhausted(struct policy_arena *a)
{
	longjmp(*a->oom, 1);
}

static struct policy_slab *slab_add(struct policy_arena *a, size_t bytes)
{
	size_t size = bytes > a->slab_bytes / 4 ? bytes : a->slab_bytes;
	struct policy_slab *s = calloc(1, sizeof(*s) + size);

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

/* What nearly all names are made of: "%.*s", "%s" and "%u" between plain text. Writes to p unless
 * it is NULL; the length, or -1: the format has other things. */
static int64_t str_simple(char *p, const char *format, va_list ap)
{
	size_t n = 0;

	for (; *format != '\0'; format++) {
		const char *text = format;
		size_t bytes = 1;
		char digits[12];

		if (*format != '%') {
		} else if (format[1] == '.' && format[2] == '*' && format[3] == 's') {
			int most = va_arg(ap, int);

			text = va_arg(ap, const char *);
			bytes = most > 0 ? strnlen(text, (size_t)most) : 0;
			format += 3;
		} else if (format[1] == 's') {
			text = va_arg(ap, const char *);
			bytes = strlen(text);
			format++;
		} else if (format[1] == 'u') {
			unsigned int u = va_arg(ap, unsigned int);
			char *at = digits + sizeof(digits);

			do
				*--at = (char)('0' + u % 10);
			while ((u /= 10) > 0);
			text = at;
			bytes = (size_t)(digits + sizeof(digits) - at);
			format++;
		} else {
			return -1;
		}
		if (p != NULL)
			memcpy(p + n, text, bytes);
		n += bytes;
	}
	return n <= INT32_MAX ? (int64_t)n : -1;
}

static struct hd_str str_vprintf(struct policy_arena *a, const char *format, va_list ap)
{
	va_list again;
	int64_t n;
	char *p;
	int simple;

	va_copy(again, ap);
	n = str_simple(NULL, format, again);
	va_end(again);
	simple = n >= 0;
	if (!simple) {
		va_copy(again, ap);
		n = vsnprintf(NULL, 0, format, again);
		va_end(again);
	}
	if (n < 0)
		n = 0;
	p = policy_alloc(a, (size_t)n + 1);
	if (simple)
		(void)str_simple(p, format, ap);
	else
		vsnprintf(p, (size_t)n + 1, format, ap);
	return (struct hd_str){ p, (uint32_t)n };
}

struct hd_str policy_str_printf(struct policy_arena *a, const char *format, ...)
{
	struct hd_str s;
	va_list ap;

	va_start(ap, format);
	s = str_vprintf(a, format, ap);
	va_end(ap);
	return s;
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
