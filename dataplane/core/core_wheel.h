/* SPDX-License-Identifier: Apache-2.0 */
/* A hierarchical timer wheel over the whole range of hd_ns: six digits of 256 slots, ticks of 65,536 ns.
 *
 * Arming, cancelling and firing cost the same with ten timers and with ten million; a timer moves down at most once a digit.
 * A timer never fires early, and at most one tick late as long as the caller's budget suffices.
 * Intrusive and single-owner: `while ((t = wheel_pop(w, now, &budget)) != NULL) …` fires what is due. */
#ifndef CORE_WHEEL_H
#define CORE_WHEEL_H

#include <heddle/base.h>

#define WHEEL_TICK_SHIFT 16
#define WHEEL_DIGITS 6
#define WHEEL_DIGIT_BITS 8
#define WHEEL_SLOTS (1 << WHEEL_DIGIT_BITS)
#define WHEEL_WORDS (WHEEL_SLOTS / 64)

/* All zero: not armed. */
struct wheel_timer {
	struct wheel_timer *next, **link; /* link: what points here; NULL: not armed */
	hd_ns deadline;
};

struct wheel {
	uint64_t tick;	/* all earlier ticks were handled */
	uint64_t next;	/* no slot comes due before this tick; may be too early after a cancel, never too late */
	struct wheel_timer *due;  /* to fire now */
	struct wheel_timer *sink; /* taken from a slot of a higher digit, to be placed again */
	uint64_t armed; /* how many timers */
	uint64_t map[WHEEL_DIGITS][WHEEL_WORDS]; /* slots that hold something */
	struct wheel_timer *slots[WHEEL_DIGITS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, hd_ns now);
/* Arms t, or arms it anew. A deadline in the past fires in the next wheel_pop. HD_NS_NEVER disarms. */
void wheel_arm(struct wheel *w, struct wheel_timer *t, hd_ns deadline);
void wheel_cancel(struct wheel *w, struct wheel_timer *t);
/* The next timer that is due, disarmed; NULL when there is none or the budget is used up. Each timer fired or moved takes
 * one from *budget. */
struct wheel_timer *wheel_pop(struct wheel *w, hd_ns now, uint32_t *budget);

static inline int wheel_is_armed(const struct wheel_timer *t)
{
	return t->link != NULL;
}

/* When wheel_pop has work again (firing or moving): 0 when now, HD_NS_NEVER when nothing is armed. */
static inline hd_ns wheel_next_deadline(const struct wheel *w)
{
	if (w->due != NULL || w->sink != NULL)
		return 0;
	return w->armed == 0 ? HD_NS_NEVER : w->next << WHEEL_TICK_SHIFT;
}

#endif
