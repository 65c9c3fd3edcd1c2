/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an answer waits a moment for its body, so that both leave in one segment: backends
 * write them apart, and each small segment costs the caller's side a packet, an interrupt and an
 * acknowledgement. All wait equally long, so the list is in order of time. */
#include "proxy_state.h"

void proxy_hold_put(struct proxy *p, struct proxy_exchange *x, struct bufq *head)
{
	bufq_concat(&x->held, head);
	x->held_until = p->now + PROXY_HOLD;
	list_push_back(&p->held, &x->held_link);
}

void proxy_hold_release(struct proxy *p, struct proxy_exchange *x)
{
	if (!list_is_linked(&x->held_link))
		return;
	list_remove(&x->held_link);
	if (x->down != NULL)
		proxy_leg_send(p, x->down, &x->held);
	else
		bufq_clear(&x->held);
}

static struct proxy_exchange *first(const struct proxy *p)
{
	struct list_link *l = list_front(&p->held);

	return l != NULL ? list_entry(l, struct proxy_exchange, held_link) : NULL;
}

int proxy_hold_run(struct proxy *p)
{
	struct proxy_exchange *x;
	int n = 0;

	for (; (x = first(p)) != NULL && x->held_until <= p->now && n < PROXY_TURN_EVENTS; n++)
		proxy_hold_release(p, x);
	return n > 0;
}

hd_ns proxy_hold_deadline(const struct proxy *p)
{
	const struct proxy_exchange *x = first(p);

	return x != NULL ? x->held_until : HD_NS_NEVER;
}
