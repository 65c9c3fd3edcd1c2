/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "policy_cache.h"
#include "policy_model.h"

#define LOADS_KEPT 4		       /* checks and previews of other texts come between */
#define TREE_BYTES 16		       /* of memory for a byte of text, about */
#define BYTES_KEPT ((size_t)256 << 20) /* of trees */

static void document_free(struct policy_document *d)
{
	policy_diags_fini(&d->diags);
	policy_arena_fini(&d->arena);
	free(d->file);
	free(d->bytes);
	free(d);
}

void policy_cache_fini(struct policy_cache *c)
{
	for (uint32_t i = 0; c->buckets != NULL && i <= c->mask; i++)
		while (c->buckets[i] != NULL) {
			struct policy_document *d = c->buckets[i];

			c->buckets[i] = d->next;
			document_free(d);
		}
	free(c->buckets);
	*c = (struct policy_cache){ 0 };
}

void policy_cache_begin(struct policy_cache *c)
{
	c->load++;
}

static uint64_t bytes_hash(const char *bytes, size_t n)
{
	uint64_t h = n, w;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		memcpy(&w, bytes + i, 8);
		h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	for (; i < n; i++)
		h = (h ^ (uint8_t)bytes[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static void tree_shift(struct policy_yaml *y, uint32_t by)
{
	for (; y != NULL; y = y->next) {
		y->line += by;
		y->key_line += by;
		tree_shift(y->first, by);
	}
}

/* A body that is no part of the document's tree: its own nodes, and those that it copied. */
static void body_shift(struct policy_yaml *body, uint32_t by)
{
	body->line += by;
	for (struct policy_yaml *y = body->first; y != NULL; y = y->next) {
		y->line += by;
		y->key_line += by;
	}
}

/* Differences count round zero, as unsigned ones do. */
static void document_move(struct policy_document *d, uint32_t line)
{
	uint32_t by = line - d->line;

	for (uint32_t i = 0; i < d->roots.n; i++)
		tree_shift(*(struct policy_yaml **)policy_vec_at(&d->roots, i), by);
	for (uint32_t i = 0; i < d->objects.n; i++) {
		struct policy_object *o = *(struct policy_object **)policy_vec_at(&d->objects, i);

		o->line += by;
		if (o->own_body)
			body_shift(o->body, by);
	}
	d->line = line;
}

/* Words of a diagnostic may name lines: such a document is only itself in its own place. */
static int usable(const struct policy_cache *c, const struct policy_document *d, const char *file,
		  const char *bytes, size_t n, uint32_t line)
{
	return d->used != c->load && d->n == n && (d->line == line || d->diags.n == 0) &&
	       memcmp(d->bytes, bytes, n) == 0 && strcmp(d->file, file) == 0;
}

struct policy_document *policy_cache_find(struct policy_cache *c, const char *file,
					  const char *bytes, size_t n, uint32_t line)
{
	uint64_t hash = bytes_hash(bytes, n);
	struct policy_document *best = NULL;

	if (c->buckets == NULL)
		return NULL;
	for (struct policy_document *d = c->buckets[hash & c->mask]; d != NULL; d = d->next)
		if (d->hash == hash && usable(c, d, file, bytes, n, line)) {
			best = d;
			if (d->line == line)
				break;
		}
	if (best == NULL)
		return NULL;
	if (best->line != line)
		document_move(best, line);
	best->used = c->load;
	return best;
}

static int buckets_grow(struct policy_cache *c)
{
	uint32_t size = c->buckets == NULL ? 64 : (c->mask + 1) * 4;
	struct policy_document **buckets = calloc(size, sizeof(struct policy_document *));

	if (buckets == NULL)
		return -1;
	for (uint32_t i = 0; c->buckets != NULL && i <= c->mask; i++)
		while (c->buckets[i] != NULL) {
			struct policy_document *d = c->buckets[i];

			c->buckets[i] = d->next;
			d->next = buckets[d->hash & (size - 1)];
			buckets[d->hash & (size - 1)] = d;
		}
	free(c->buckets);
	c->buckets = buckets;
	c->mask = size - 1;
	return 0;
}

struct policy_document *policy_cache_add(struct policy_cache *c, const char *file,
					 const char *bytes, size_t n, uint32_t line, jmp_buf *oom)
{
	struct policy_document *d;

	if ((c->buckets == NULL || c->n > c->mask) && buckets_grow(c) != 0)
		return NULL;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->file = strdup(file);
	d->bytes = malloc(n + 1);
	if (d->file == NULL || d->bytes == NULL) {
		document_free(d);
		return NULL;
	}
	memcpy(d->bytes, bytes, n);
	d->bytes[n] = '\0';
	d->n = n;
	d->line = line;
	d->hash = bytes_hash(bytes, n);
	d->used = c->load;
	policy_arena_init(&d->arena, oom);
	policy_arena_expect(&d->arena, n * TREE_BYTES);
	policy_vec_init(&d->roots, sizeof(struct policy_yaml *));
	policy_vec_init(&d->objects, sizeof(struct policy_object *));
	d->next = c->buckets[d->hash & c->mask];
	c->buckets[d->hash & c->mask] = d;
	c->n++;
	return d;
}

/* A text of hundreds of megabytes is read again each time. */
static int forgotten(const struct policy_cache *c, const struct policy_document *d)
{
	return !d->whole || d->diags.errors > 0 || d->used + LOADS_KEPT < c->load;
}

void policy_cache_end(struct policy_cache *c)
{
	size_t kept = 0;

	for (uint32_t i = 0; c->buckets != NULL && i <= c->mask; i++)
		for (struct policy_document **at = &c->buckets[i]; *at != NULL;) {
			struct policy_document *d = *at;

			if (!forgotten(c, d) && kept + d->arena.bytes <= BYTES_KEPT) {
				kept += d->arena.bytes;
				at = &d->next;
				continue;
			}
			*at = d->next;
			document_free(d);
			c->n--;
		}
}
