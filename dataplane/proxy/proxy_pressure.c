/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers are shared by all connections of a worker, so callers that read slowly must not take them
 * from the others. What a connection may hold shrinks as they run low; when they are nearly gone,
 * those that hold much and have not moved for some time are closed.
 * Places for connections are shared as well: callers that ask for nothing must not keep out those
 * who would (docs/decisions/0033-who-rests-gives-way.md). */
#include "proxy_state.h"

#define SHED_AFTER (5 * HD_NS_PER_S)
#define SHED_SOON HD_NS_PER_S /* when less than this share of the buffers is free */
#define SHED_SOON_LEFT (CORE_SUPPLY_ALL / 32)
#define SHED_HOLDS 8192 /* bytes */
#define SHED_LEGS 256	/* places for one, looked at in one go */
#define ROOM_SHARE 16	/* less than this share of the callers' places is free */
#define EVICT 2		/* for each caller that comes, so that room grows again */
#define EVICT_LOOK 16

/* X of 16 buffers free at least: a connection may hold so many bytes in each direction. */
static const struct {
	uint32_t sixteenths, bytes;
} levels[] = { { 8, 262144 }, { 4, 65536 }, { 2, 16384 }, { 0, 8192 } };
#define LOWEST (HD_ARRAY_SIZE(levels) - 1)

static int is_stuck(const struct proxy *p, const struct proxy_leg *leg, hd_ns after)
{
	const struct proxy_exchange *x = leg->exchange;
	hd_ns since = leg->due - proxy_exchange_patience(x);
	uint32_t bytes = proxy_leg_held(leg);

	if (x->up != NULL && !x->up->reset)
		bytes += proxy_leg_held(x->up);
	return bytes > SHED_HOLDS && p->now - since > after;
}

static void judge(struct proxy *p, struct proxy_leg *leg, hd_ns after)
{
	if (leg->is_up)
		return;
	if (leg->state == LEG_BUSY) {
		if (is_stuck(p, leg, after))
			proxy_exchange_shed(p, leg->exchange);
	} else if (leg->state == LEG_HEAD && proxy_leg_rx(leg)->bytes > 0 &&
		   leg->due < p->now + PROXY_HEAD_TIMEOUT - after) {
		proxy_count(p, HD_PROXY_SHED);
		proxy_leg_abort(p, leg);
	}
}

static void shed(struct proxy *p, hd_ns after)
{
	for (int i = 0; i < SHED_LEGS; i++) {
		struct proxy_leg *leg = core_pool_step(&p->legs, &p->shed_cursor);

		if (leg != NULL)
			judge(p, leg, after);
		if (core_pool_is_past(&p->legs, p->shed_cursor)) {
			p->shed_cursor = 0;
			return;
		}
	}
}

void proxy_pressure_look(struct proxy *p)
{
	uint32_t left = core_supply_left(&p->supply), level = 0, rcv;

	p->pressure_at = p->now;
	while (level < LOWEST && left < levels[level].sixteenths * (CORE_SUPPLY_ALL / 16))
		level++;
	/* A record is opened only when all of it is there. */
	rcv = p->tls != NULL && p->secures.used > 0
		      ? RTE_MAX(levels[level].bytes, (uint32_t)TLS_RECORD_WIRE_MAX)
		      : levels[level].bytes;
	if (level != p->pressure || rcv != p->pressure_rcv) {
		p->pressure = level;
		p->pressure_rcv = rcv;
		tcp_set_buffers(p->tcp, rcv, levels[level].bytes);
	}
	if (level == LOWEST)
		shed(p, left < SHED_SOON_LEFT ? SHED_SOON : SHED_AFTER);
}

/* Nothing is under way on it, in either direction. */
static int is_at_rest(const struct proxy_leg *leg)
{
	return (leg->state == LEG_HEAD || leg->state == LEG_SNIFF) && leg->scan.seen == 0 &&
	       proxy_leg_rx(leg)->bytes == 0 &&
	       tcp_acked_offset(leg->conn) == tcp_send_offset(leg->conn);
}

int proxy_pressure_evict(struct proxy *p)
{
	struct list_link *l = list_front(&p->at_rest), *next;
	int n = 0;

	for (int i = 0; l != NULL && i < EVICT_LOOK && n < EVICT; i++, l = next) {
		struct proxy_leg *leg = list_entry(l, struct proxy_leg, link);

		next = list_next(&p->at_rest, l);
		if (!is_at_rest(leg))
			continue;
		proxy_count(p, HD_PROXY_IDLE_EVICTED);
		/* With a reset: a FIN would keep the place until the caller answers it. */
		proxy_leg_abort(p, leg);
		n++;
	}
	return n > 0;
}

void proxy_pressure_accepted(struct proxy *p)
{
	uint32_t of, room = tcp_room_for_callers(p->tcp, &of);

	if (hd_unlikely(room < of / ROOM_SHARE))
		proxy_pressure_evict(p);
}
