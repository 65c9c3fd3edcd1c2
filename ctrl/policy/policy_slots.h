/* SPDX-License-Identifier: Apache-2.0 */
/* Small numbers for names, the same from generation to generation. A slot is held by every snapshot
 * that names it; when the last is gone it joins the end of a queue and is given out again only
 * after a thousand others wait with it, so that what workers keep behind a slot has long run out.
 */
#ifndef POLICY_SLOTS_H
#define POLICY_SLOTS_H

#include <heddle/base.h>

struct policy_slot_row {
	char *key; /* NULL: nobody's */
	uint32_t key_n, hash;
	uint32_t held;	    /* by how many snapshots */
	uint32_t next_free; /* HD_NONE ends the queue */
};

struct policy_slots {
	struct policy_slot_row *rows; /* by slot */
	uint32_t n, capacity;
	uint32_t *table; /* of slots, open addressing; HD_NONE: empty, HD_NONE - 1: was used */
	uint32_t mask, table_used;
	uint32_t free_first, free_last, n_free;
};

void policy_slots_init(struct policy_slots *s);
void policy_slots_fini(struct policy_slots *s);
/* Holds the slot of a name, a new one when it has none. The slot, or -ENOMEM. */
[[nodiscard]] int64_t policy_slots_get(struct policy_slots *s, struct hd_str key);
void policy_slots_put(struct policy_slots *s, uint32_t slot);

#endif
