/* SPDX-License-Identifier: Apache-2.0 */
#include "core_wheel.h"

/* A timer sits at the highest digit in which its tick differs from the current one, in the slot of
 * that digit's value. So all slots of a lower digit come due before any of a higher one, and slots
 * up to the current digit are empty. */

void wheel_init(struct wheel *w, hd_ns now)
{
	memset(w, 0, sizeof(*w));
	w->tick = now >> WHEEL_TICK_SHIFT;
	w->next = UINT64_MAX;
}

/* Rounded up: never early. The last tick of all time has no successor. */
static uint64_t tick_of(hd_ns deadline)
{
	return (deadline >> WHEEL_TICK_SHIFT) + ((deadline & ((1u << WHEEL_TICK_SHIFT) - 1)) != 0);
}

static void push(struct wheel_timer **list, struct wheel_timer *t)
{
	t->next = *list;
	if (t->next != NULL)
		t->next->link = &t->next;
	t->link = list;
	*list = t;
}

static void unlink_timer(struct wheel_timer *t)
{
	*t->link = t->next;
	if (t->next != NULL)
		t->next->link = t->link;
	t->link = NULL;
}

static void place(struct wheel *w, struct wheel_timer *t)
{
	uint64_t tick = tick_of(t->deadline);
	unsigned int digit, slot;

	if (tick <= w->tick) {
		push(&w->due, t);
		return;
	}
	digit = (63 - (unsigned int)__builtin_clzll(tick ^ w->tick)) / WHEEL_DIGIT_BITS;
	if (digit >= WHEEL_DIGITS) { /* only the tick past the end of time */
		digit = WHEEL_DIGITS - 1;
		tick = UINT64_MAX >> WHEEL_TICK_SHIFT;
	}
	slot = (tick >> (digit * WHEEL_DIGIT_BITS)) & (WHEEL_SLOTS - 1);
	push(&w->slots[digit][slot], t);
	w->map[digit][slot / 64] |= UINT64_C(1) << (slot % 64);
	tick = tick >> (digit * WHEEL_DIGIT_BITS) << (digit * WHEEL_DIGIT_BITS);
	if (tick < w->next)
		w->next = tick;
}

void wheel_arm(struct wheel *w, struct wheel_timer *t, hd_ns deadline)
{
	wheel_cancel(w, t);
	if (deadline == HD_NS_NEVER)
		return;
	t->deadline = deadline;
	w->armed++;
	place(w, t);
}

void wheel_cancel(struct wheel *w, struct wheel_timer *t)
{
	struct wheel_timer **link = t->link, **slots = &w->slots[0][0];

	if (link == NULL)
		return;
	unlink_timer(t);
	w->armed--;
	if (*link == NULL && link >= slots && link < slots + WHEEL_DIGITS * WHEEL_SLOTS) {
		size_t slot = (size_t)(link - slots);
		w->map[slot / WHEEL_SLOTS][slot % WHEEL_SLOTS / 64] &=
			~(UINT64_C(1) << (slot % 64));
	}
}

/* The first slot that holds something, lowest digit first; its tick goes to w->next. False when all
 * are empty. */
static int find_next(struct wheel *w, unsigned int *digit, unsigned int *slot)
{
	for (unsigned int d = 0; d < WHEEL_DIGITS; d++) {
		for (unsigned int i = 0; i < WHEEL_WORDS; i++) {
			if (w->map[d][i] == 0)
				continue;
			unsigned int bits = d * WHEEL_DIGIT_BITS, above = bits + WHEEL_DIGIT_BITS;
			*digit = d;
			*slot = i * 64 + (unsigned int)__builtin_ctzll(w->map[d][i]);
			w->next = (w->tick >> above << above) | (uint64_t)*slot << bits;
			return 1;
		}
	}
	w->next = UINT64_MAX;
	return 0;
}

static void take_slot(struct wheel *w, unsigned int digit, unsigned int slot)
{
	struct wheel_timer **from = &w->slots[digit][slot], **to = digit == 0 ? &w->due : &w->sink;

	*to = *from;
	(*to)->link = to;
	*from = NULL;
	w->map[digit][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* Moves time on to the next slot that comes due by `target`, or to target. True: there was one. */
static int advance(struct wheel *w, uint64_t target)
{
	unsigned int digit, slot;

	if (target < w->next || !find_next(w, &digit, &slot) || target < w->next) {
		if (w->tick < target)
			w->tick = target;
		return 0;
	}
	w->tick = w->next;
	take_slot(w, digit, slot);
	return 1;
}

struct wheel_timer *wheel_pop(struct wheel *w, hd_ns now, uint32_t *budget)
{
	struct wheel_timer *t;

	for (; *budget > 0; (*budget)--) {
		if ((t = w->due) != NULL) {
			unlink_timer(t);
			w->armed--;
			(*budget)--;
			return t;
		}
		if ((t = w->sink) != NULL) {
			unlink_timer(t);
			place(w, t);
		} else if (!advance(w, now >> WHEEL_TICK_SHIFT)) {
			return NULL;
		}
	}
	return NULL;
}
