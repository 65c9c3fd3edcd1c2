/* SPDX-License-Identifier: Apache-2.0 */
#include <rte_malloc.h>

#include "core_mbuf.h"
#include "proxy_state.h"

#define COPIES_SHARE 4 /* and of the exchanges for copies of requests */
#define REPLAY_SHARE 4 /* at most a quarter of the buffers is kept for further tries */

struct proxy *proxy_create(const struct proxy_config *c, hd_ns now)
{
	struct proxy *p = rte_zmalloc_socket("proxy", sizeof(*p), HD_CACHE_LINE, c->socket);

	if (p == NULL)
		return NULL;
	p->tcp = c->tcp;
	p->net = c->net;
	p->tls = c->tls;
	p->stats = c->stats;
	p->slots = c->slots;
	p->health = c->health;
	p->watched = c->watched;
	p->group_weights = c->group_weights;
	p->outcomes = c->outcomes;
	p->access = c->access;
	p->worker = c->worker;
	p->quotas = c->quotas;
	p->wall_offset = c->wall_offset;
	p->now = now;
	p->pools = (struct proxy_relay_pools){ c->bufs, c->indirect };
	p->random = (struct proxy_random){ { c->seed[0], c->seed[1] | 1 } };
	proxy_tokens_init(&p->tokens, c->jwt,
			  (uint64_t[]){ proxy_random_next(&p->random),
					proxy_random_next(&p->random) });
	if (c->supply != NULL)
		p->supply = *c->supply;
	core_supply_add(&p->supply, c->bufs);
	core_supply_add(&p->supply, c->indirect);
	p->replay_bufs_max = c->bufs->size / REPLAY_SHARE;
	p->copies_max = c->max_connections / COPIES_SHARE;
	wheel_init(&p->wheel, now);
	list_init(&p->at_rest);
	list_init(&p->held);
	list_init(&p->failed);
	list_init(&p->pooled);
	list_init(&p->leases);
	list_init(&p->wishes);
	list_init(&p->starved);
	list_init(&p->doomed);
	list_init(&p->sealing);
	if (core_pool_init(&p->legs, "proxy_legs", c->max_connections, sizeof(struct proxy_leg),
			   c->socket) < 0)
		goto free_proxy;
	if (core_pool_init(&p->exchanges, "proxy_exchanges", c->max_connections,
			   sizeof(struct proxy_exchange), c->socket) < 0)
		goto fini_legs;
	if (p->tls != NULL && core_pool_init(&p->secures, "proxy_tls", c->max_connections,
					     sizeof(struct proxy_tls), c->socket) < 0)
		goto fini_exchanges;
	return p;

fini_exchanges:
	core_pool_fini(&p->exchanges);
fini_legs:
	core_pool_fini(&p->legs);
free_proxy:
	rte_free(p);
	return NULL;
}

/* tcp is destroyed before or after: no connection is touched here. */
void proxy_destroy(struct proxy *p)
{
	struct proxy_exchange *x;
	struct proxy_tls *t;
	uint32_t cursor = 0;

	while ((x = core_pool_walk(&p->exchanges, &cursor)) != NULL) {
		bufq_clear(&x->held);
		bufq_clear(&x->head);
		bufq_clear(&x->replay);
		if (x->sni != NULL)
			rte_pktmbuf_free(x->sni);
	}
	for (cursor = 0; p->tls != NULL && (t = core_pool_walk(&p->secures, &cursor)) != NULL;) {
		bufq_clear(&t->plain);
		bufq_clear(&t->unsent);
		if (t->sni_m != NULL)
			rte_pktmbuf_free(t->sni_m);
	}
	if (p->tls != NULL)
		core_pool_fini(&p->secures);
	core_pool_fini(&p->exchanges);
	core_pool_fini(&p->legs);
	rte_free(p);
}

uint32_t proxy_pools(const struct proxy *p, struct hd_pool_info *rows)
{
	core_pool_tell(&p->legs, "legs", "connections as the proxy sees them", &rows[0]);
	core_pool_tell(&p->exchanges, "exchanges", "requests with their answers", &rows[1]);
	return 2;
}

void proxy_set_snapshot(struct proxy *p, const struct hd_snapshot *s)
{
	if (p->snapshot == s)
		return;
	if (p->snapshot != NULL)
		proxy_balance_carry(p->snapshot, s, p->worker);
	p->snapshot = s;
	p->own = &s->workers[p->worker];
	proxy_pool_snapshot(p);
}

void proxy_set_wall(struct proxy *p, int64_t wall_offset)
{
	p->wall_offset = wall_offset;
}

const char *proxy_date(struct proxy *p)
{
	uint64_t second = (uint64_t)((int64_t)p->now + p->wall_offset) / HD_NS_PER_S;

	if (second != p->date_second) {
		p->date_second = second;
		proxy_rewrite_date(second, p->date);
	}
	return p->date;
}

struct proxy_head_room proxy_head_begin(struct proxy *p, uint32_t extra)
{
	struct rte_mbuf *m = core_mbuf_alloc(p->pools.bufs, 1);

	if (m == NULL)
		return (struct proxy_head_room){ 0 };
	if (p->head.bytes + PROXY_REWRITE_SLACK + extra <= rte_pktmbuf_tailroom(m))
		return (struct proxy_head_room){ m, rte_pktmbuf_mtod(m, uint8_t *) };
	rte_pktmbuf_free(m);
	return (struct proxy_head_room){ NULL, p->out };
}

int proxy_head_end(struct proxy *p, struct proxy_head_room *room, uint32_t n, struct bufq *q)
{
	if (room->m == NULL)
		return proxy_put(p, q, room->at, n);
	room->m->data_len = (uint16_t)n;
	room->m->pkt_len = n;
	bufq_append(q, room->m);
	return 0;
}

int64_t proxy_listener(struct proxy *p, const struct pkt_facts *f)
{
	const struct hd_listener *l;

	if (p->snapshot == NULL || p->is_draining)
		return -1;
	l = hd_snapshot_listener(p->snapshot, &f->key.local, f->key.local_port);
	return l != NULL ? l - p->snapshot->listeners : -1;
}

static int run_events(struct proxy *p)
{
	struct tcp_conn *c;
	uint32_t events;
	int n = 0;

	while (n < PROXY_TURN_EVENTS && p->turn_steps < PROXY_TURN_STEPS &&
	       (c = tcp_ready_next(p->tcp, &events)) != NULL) {
		struct proxy_leg *leg = tcp_conn_user(c);
		n++;
		if (leg != NULL)
			proxy_leg_event(p, leg, events);
		else if (events & TCP_EV_ACCEPTED)
			proxy_leg_accept(p, c, events);
	}
	return n > 0;
}

static int run_failed(struct proxy *p)
{
	struct list_link *l;
	int n = 0;

	while (n < PROXY_TURN_FAILED && (l = list_pop_front(&p->failed)) != NULL) {
		struct proxy_exchange *x = proxy_exchange_of(l);
		n++;
		proxy_exchange_try_failed(p, x, x->failure);
	}
	return n > 0;
}

int proxy_run(struct proxy *p, hd_ns now)
{
	int did;

	p->now = now;
	p->turn_steps = 0;
	if (now - p->pressure_at >= PROXY_PRESSURE_PERIOD)
		proxy_pressure_look(p);
	did = proxy_quota_run(p);
	did |= run_events(p);
	if (p->tls != NULL)
		did |= proxy_tls_run(p);
	did |= proxy_pool_doom(p);
	did |= proxy_tokens_run(p);
	did |= run_failed(p);
	did |= proxy_hold_run(p);
	did |= proxy_pool_sweep(p);
	if (hd_unlikely(p->is_draining))
		did |= proxy_leg_drain(p) | proxy_pool_drain(p);
	proxy_tls_flush(p);
	return did;
}

int proxy_timers_run(struct proxy *p, hd_ns now)
{
	uint32_t budget = PROXY_TURN_TIMERS;
	struct wheel_timer *t;
	int did = 0;

	p->now = now;
	while (p->turn_steps < PROXY_TURN_STEPS &&
	       (t = wheel_pop(&p->wheel, now, &budget)) != NULL) {
		struct proxy_timer *timer = hd_container_of(t, struct proxy_timer, wheel);
		did = 1;
		if (timer->kind == PROXY_TIMER_LEG)
			proxy_leg_timeout(p, hd_container_of(timer, struct proxy_leg, timer));
		else
			proxy_exchange_timeout(
				p, hd_container_of(timer, struct proxy_exchange, timer));
	}
	return did;
}

hd_ns proxy_next_deadline(const struct proxy *p)
{
	hd_ns hold, wheel, quota;

	if (!list_is_empty(&p->failed) || !list_is_empty(&p->doomed) || p->is_sweeping ||
	    !list_is_empty(&p->tokens.told))
		return 0;
	hold = proxy_hold_deadline(p);
	wheel = wheel_next_deadline(&p->wheel);
	quota = proxy_quota_deadline(p);
	hold = RTE_MIN(hold, quota);
	if (p->tls != NULL)
		wheel = RTE_MIN(wheel, tls_next_deadline(p->tls));
	return RTE_MIN(hold, wheel);
}

uint64_t proxy_bytes_used(const struct proxy *p)
{
	return core_pool_bytes_used(&p->legs) + core_pool_bytes_used(&p->exchanges) +
	       core_pool_bytes_used(&p->secures);
}

uint32_t proxy_n_exchanges(const struct proxy *p)
{
	return p->exchanges.used;
}

void proxy_drain(struct proxy *p, hd_ns now)
{
	p->now = now;
	p->is_draining = 1;
}
