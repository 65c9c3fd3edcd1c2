/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include <heddle/snapshot.h>

#include "policy_slots.h"

#define QUARANTINE 1024
#define GONE (HD_NONE - 1)

void policy_slots_init(struct policy_slots *s)
{
	*s = (struct policy_slots){ .free_first = HD_NONE, .free_last = HD_NONE };
}

void policy_slots_fini(struct policy_slots *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		free(s->rows[i].key);
	free(s->rows);
	free(s->table);
	policy_slots_init(s);
}

static uint32_t table_find(const struct policy_slots *s, struct hd_str key, uint32_t hash)
{
	for (uint32_t i = hash & s->mask;; i = (i + 1) & s->mask) {
		uint32_t slot = s->table[i];
		const struct policy_slot_row *r;

		if (slot == HD_NONE)
			return HD_NONE;
		if (slot == GONE)
			continue;
		r = &s->rows[slot];
		if (r->hash == hash && r->key_n == key.n && memcmp(r->key, key.p, key.n) == 0)
			return i;
	}
}

static void table_put(struct policy_slots *s, uint32_t slot)
{
	uint32_t i = s->rows[slot].hash & s->mask;

	while (s->table[i] != HD_NONE)
		i = (i + 1) & s->mask;
	s->table[i] = slot;
	s->table_used++;
}

/* Room for one more; rebuilt without the traces of what is gone. */
static int table_reserve(struct policy_slots *s)
{
	uint32_t live = s->n - s->n_free, size = 64;
	uint32_t *table;

	if (s->table != NULL && (s->table_used + 1) * 2 <= s->mask)
		return 0;
	while (size < (live + 1) * 4)
		size *= 2;
	table = malloc(size * sizeof(*table));
	if (table == NULL)
		return -ENOMEM;
	free(s->table);
	s->table = table;
	s->mask = size - 1;
	s->table_used = 0;
	memset(table, 0xff, size * sizeof(*table));
	for (uint32_t i = 0; i < s->n; i++)
		if (s->rows[i].key != NULL)
			table_put(s, i);
	return 0;
}

static int rows_reserve(struct policy_slots *s)
{
	uint32_t capacity = s->capacity == 0 ? 64 : s->capacity * 2;
	struct policy_slot_row *rows;

	if (s->n < s->capacity)
		return 0;
	rows = realloc(s->rows, capacity * sizeof(*rows));
	if (rows == NULL)
		return -ENOMEM;
	s->rows = rows;
	s->capacity = capacity;
	return 0;
}

static uint32_t slot_take(struct policy_slots *s)
{
	uint32_t slot = s->free_first;

	if (s->n_free < QUARANTINE)
		return s->n++;
	s->free_first = s->rows[slot].next_free;
	if (s->free_first == HD_NONE)
		s->free_last = HD_NONE;
	s->n_free--;
	return slot;
}

int64_t policy_slots_get(struct policy_slots *s, struct hd_str key)
{
	uint32_t hash = hd_name_hash(key.p, key.n), slot, at;
	char *copy;

	if (table_reserve(s) != 0 || rows_reserve(s) != 0)
		return -ENOMEM;
	at = table_find(s, key, hash);
	if (at != HD_NONE) {
		s->rows[s->table[at]].held++;
		return s->table[at];
	}
	copy = malloc((size_t)key.n + 1);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, key.p, key.n);
	copy[key.n] = '\0';
	slot = slot_take(s);
	s->rows[slot] = (struct policy_slot_row){ copy, key.n, hash, 1, HD_NONE };
	table_put(s, slot);
	return slot;
}

void policy_slots_put(struct policy_slots *s, uint32_t slot)
{
	struct policy_slot_row *r = &s->rows[slot];

	if (--r->held > 0)
		return;
	s->table[table_find(s, (struct hd_str){ r->key, r->key_n }, r->hash)] = GONE;
	free(r->key);
	r->key = NULL;
	r->next_free = HD_NONE;
	if (s->free_last == HD_NONE)
		s->free_first = slot;
	else
		s->rows[s->free_last].next_free = slot;
	s->free_last = slot;
	s->n_free++;
}
