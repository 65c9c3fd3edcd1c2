/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_state.h"

#define LEASE_SHARE 8 /* so much of a worker's even share is leased ahead */
#define KEEP_SHARE 4  /* and so much may lie unused */
#define DRY (10 * HD_NS_PER_MS)	  /* after a question that brought nothing */
#define YIELD (2 * HD_NS_PER_MS)  /* longer than who asked takes to look again */
#define WISH (4 * HD_NS_PER_MS)	  /* who still waits asks again before that */
#define ANSWER_ENDPOINTS 256	  /* looked at for connections at rest */

static struct proxy_quota *quota_at(const struct proxy_quotas *q, uint32_t slot)
{
	return &q->chunks[slot / PROXY_CHUNK_SLOTS][slot % PROXY_CHUNK_SLOTS];
}

static struct proxy_lease *lease_at(const struct proxy *p, uint32_t slot)
{
	return &proxy_pool_cluster(p, slot)->lease;
}

static void set_limit(struct proxy_quota *q, enum proxy_quota_kind kind, uint32_t limit)
{
	uint32_t before = atomic_load_explicit(&q->limit[kind], memory_order_relaxed);

	if (limit > INT32_MAX || limit == before)
		return;
	atomic_store_explicit(&q->limit[kind], limit, memory_order_relaxed);
	atomic_fetch_add_explicit(&q->free[kind], (int32_t)(limit - before), memory_order_relaxed);
}

void proxy_quotas_set(struct proxy_quotas *q, const struct hd_snapshot *s)
{
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		const struct hd_cluster *c = &s->clusters[i];
		struct proxy_quota *one = quota_at(q, c->slot);

		set_limit(one, QUOTA_CONNECTIONS, c->max_connections);
		set_limit(one, QUOTA_PENDING, c->max_pending_requests);
		set_limit(one, QUOTA_REQUESTS, c->max_requests);
		set_limit(one, QUOTA_RETRIES, c->max_retries);
	}
}

/* An even share of the limit. */
static uint32_t share_of(const struct proxy *p, struct proxy_quota *q, enum proxy_quota_kind kind)
{
	return atomic_load_explicit(&q->limit[kind], memory_order_relaxed) / p->quotas->n_workers;
}

static int is_wanted_by_others(const struct proxy *p, struct proxy_quota *q,
			       enum proxy_quota_kind kind)
{
	return (atomic_load_explicit(&q->wanted[kind], memory_order_relaxed) &
		~(UINT64_C(1) << p->worker)) != 0;
}

static void want_no_more(const struct proxy *p, struct proxy_quota *q, enum proxy_quota_kind kind)
{
	uint64_t me = UINT64_C(1) << p->worker;

	if (atomic_load_explicit(&q->wanted[kind], memory_order_relaxed) & me)
		atomic_fetch_and_explicit(&q->wanted[kind], ~me, memory_order_relaxed);
}

static void note(struct proxy *p, struct proxy_lease *l, uint32_t slot)
{
	if (list_is_linked(&l->link))
		return;
	l->slot = slot;
	list_push_back(&p->leases, &l->link);
}

static int lease(struct proxy *p, uint32_t slot, enum proxy_quota_kind kind, uint32_t used)
{
	struct proxy_quota *q = quota_at(p->quotas, slot);
	struct proxy_lease *l = lease_at(p, slot);
	int32_t need = (int32_t)(used + 1 - l->held[kind]), ahead;
	int32_t free = atomic_load_explicit(&q->free[kind], memory_order_relaxed);

	if (kind == QUOTA_CONNECTIONS && p->now < l->yield_until)
		return 0;
	do {
		if (free < need)
			return 0;
		ahead = (int32_t)(share_of(p, q, kind) / LEASE_SHARE);
		ahead = RTE_MIN(ahead, (free - need) / 2);
	} while (!atomic_compare_exchange_weak_explicit(&q->free[kind], &free, free - need - ahead,
							memory_order_relaxed,
							memory_order_relaxed));
	l->held[kind] += (uint32_t)(need + ahead);
	note(p, l, slot);
	want_no_more(p, q, kind);
	return 1;
}

int proxy_quota_has_room(struct proxy *p, uint32_t slot, enum proxy_quota_kind kind, uint32_t used,
			 uint32_t limit)
{
	if (hd_likely(limit > INT32_MAX))
		return 1;
	if (p->quotas == NULL)
		return used < limit;
	return used < lease_at(p, slot)->held[kind] || lease(p, slot, kind, used);
}

static void give(struct proxy_quota *q, struct proxy_lease *l, enum proxy_quota_kind kind,
		 uint32_t n)
{
	l->held[kind] -= n;
	atomic_fetch_add_explicit(&q->free[kind], (int32_t)n, memory_order_relaxed);
}

void proxy_quota_put(struct proxy *p, uint32_t slot, enum proxy_quota_kind kind, uint32_t used)
{
	struct proxy_quota *q;
	struct proxy_lease *l;
	uint32_t unused, keep;

	if (p->quotas == NULL)
		return;
	l = lease_at(p, slot);
	if (l->held[kind] <= used)
		return;
	q = quota_at(p->quotas, slot);
	unused = l->held[kind] - used;
	keep = RTE_MAX(share_of(p, q, kind) / KEEP_SHARE, 1u);
	if (is_wanted_by_others(p, q, kind) ||
	    atomic_load_explicit(&q->free[kind], memory_order_relaxed) < 0)
		give(q, l, kind, unused);
	else if (unused > keep)
		give(q, l, kind, unused - keep / 2);
}

static void wish(struct proxy *p, struct proxy_lease *l)
{
	if (list_is_linked(&l->wish))
		list_remove(&l->wish);
	l->wants_until = p->now + WISH;
	list_push_back(&p->wishes, &l->wish);
}

/* Who asked may have left, or found room elsewhere: others must not close connections for it for
 * ever. */
static int forget_wishes(struct proxy *p)
{
	struct list_link *at = list_front(&p->wishes);
	struct proxy_lease *l;

	if (hd_likely(at == NULL))
		return 0;
	l = list_entry(at, struct proxy_lease, wish);
	if (p->now < l->wants_until)
		return 0;
	list_remove(at);
	for (int kind = 0; kind < QUOTA_KINDS; kind++)
		want_no_more(p, quota_at(p->quotas, l->slot), kind);
	return 1;
}

void proxy_quota_ask(struct proxy *p, uint32_t slot, enum proxy_quota_kind kind)
{
	struct proxy_lease *l;

	if (p->quotas == NULL)
		return;
	l = lease_at(p, slot);
	atomic_fetch_or_explicit(&quota_at(p->quotas, slot)->wanted[kind], UINT64_C(1) << p->worker,
				 memory_order_relaxed);
	note(p, l, slot);
	wish(p, l);
	if (p->now - l->asked < PROXY_QUOTA_PATIENCE)
		return;
	l->asked = p->now;
	atomic_fetch_add_explicit(&p->quotas->asks, 1, memory_order_release);
	for (uint32_t i = 0; i < p->quotas->n_workers; i++) {
		if (i != p->worker)
			p->quotas->kick(p->quotas->ctx, i);
	}
}

int proxy_quota_may_come(const struct proxy *p, uint32_t slot)
{
	return p->quotas != NULL && p->now >= lease_at(p, slot)->dry_until;
}

void proxy_quota_came_not(struct proxy *p, uint32_t slot)
{
	if (p->quotas != NULL)
		lease_at(p, slot)->dry_until = p->now + DRY;
}

int proxy_quota_should_yield(struct proxy *p, const struct proxy_leg *leg)
{
	uint32_t slot = leg->up.cluster;
	struct proxy_cluster_state *cs;
	struct proxy_quota *q;

	if (p->quotas == NULL)
		return 0;
	q = quota_at(p->quotas, slot);
	if (hd_likely(!is_wanted_by_others(p, q, QUOTA_CONNECTIONS)))
		return 0;
	cs = proxy_pool_cluster(p, slot);
	if (cs->stats.connections <= share_of(p, q, QUOTA_CONNECTIONS))
		return 0;
	cs->lease.yield_until = p->now + YIELD;
	return 1;
}

int proxy_quota_take_first(struct proxy *p, uint32_t slot, uint32_t endpoint_slot)
{
	uint32_t none = 0;

	return p->now >= lease_at(p, slot)->yield_until &&
	       atomic_compare_exchange_strong_explicit(&p->quotas->connections[endpoint_slot],
						       &none, 1, memory_order_relaxed,
						       memory_order_relaxed);
}

void proxy_quota_connected(struct proxy *p, uint32_t endpoint_slot)
{
	atomic_fetch_add_explicit(&p->quotas->connections[endpoint_slot], 1, memory_order_relaxed);
}

void proxy_quota_disconnected(struct proxy *p, uint32_t endpoint_slot)
{
	atomic_fetch_sub_explicit(&p->quotas->connections[endpoint_slot], 1, memory_order_relaxed);
}

static uint32_t used_of(const struct proxy_cluster_state *cs, enum proxy_quota_kind kind)
{
	switch (kind) {
	case QUOTA_CONNECTIONS:
		return cs->stats.connections;
	case QUOTA_PENDING:
		return cs->stats.pending;
	case QUOTA_REQUESTS:
		return cs->stats.requests_active;
	default:
		return cs->stats.retries_active;
	}
}

static void settle(struct proxy *p, uint32_t slot, enum proxy_quota_kind kind, uint32_t limit)
{
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, slot);
	uint32_t used = used_of(cs, kind), more;

	if (limit > INT32_MAX || used <= cs->lease.held[kind]) {
		proxy_quota_put(p, slot, kind, used);
		return;
	}
	more = used - cs->lease.held[kind];
	cs->lease.held[kind] = used;
	atomic_fetch_sub_explicit(&quota_at(p->quotas, slot)->free[kind], (int32_t)more,
				  memory_order_relaxed);
	note(p, &cs->lease, slot);
}

void proxy_quota_settle(struct proxy *p, const struct hd_cluster *c)
{
	if (p->quotas == NULL)
		return;
	settle(p, c->slot, QUOTA_CONNECTIONS, c->max_connections);
	settle(p, c->slot, QUOTA_PENDING, c->max_pending_requests);
	settle(p, c->slot, QUOTA_REQUESTS, c->max_requests);
	settle(p, c->slot, QUOTA_RETRIES, c->max_retries);
}

/* A connection at rest that counts against the cluster's limit. */
static void close_one_at_rest(struct proxy *p, uint32_t slot)
{
	struct list_link *l = list_front(&p->pooled);

	for (int i = 0; l != NULL && i < ANSWER_ENDPOINTS; i++, l = list_next(&p->pooled, l)) {
		struct proxy_endpoint_state *st = list_entry(l, struct proxy_endpoint_state, link);
		struct proxy_leg *leg =
			list_entry(list_front(&st->idle), struct proxy_leg, link);

		if (leg->up.cluster != slot)
			continue;
		lease_at(p, slot)->yield_until = p->now + YIELD;
		proxy_count(p, HD_PROXY_UP_YIELDED);
		proxy_pool_drop(p, leg, 0);
		return;
	}
}

static void answer(struct proxy *p, struct proxy_lease *l)
{
	struct proxy_cluster_state *cs = hd_container_of(l, struct proxy_cluster_state, lease);
	struct proxy_quota *q = quota_at(p->quotas, l->slot);

	for (int kind = 0; kind < QUOTA_KINDS; kind++) {
		uint32_t used = used_of(cs, kind);
		if (!is_wanted_by_others(p, q, kind))
			continue;
		if (l->held[kind] > used)
			give(q, l, kind, l->held[kind] - used);
		else if (kind == QUOTA_CONNECTIONS)
			close_one_at_rest(p, l->slot);
	}
}

static int answer_all(struct proxy *p)
{
	uint32_t asks = atomic_load_explicit(&p->quotas->asks, memory_order_acquire);
	struct list_link *l, *next;

	if (hd_likely(asks == p->asks_seen))
		return 0;
	p->asks_seen = asks;
	for (l = list_front(&p->leases); l != NULL; l = next) {
		next = list_next(&p->leases, l);
		answer(p, list_entry(l, struct proxy_lease, link));
	}
	return 1;
}

int proxy_quota_run(struct proxy *p)
{
	int did;

	if (p->quotas == NULL)
		return 0;
	did = answer_all(p) | forget_wishes(p);
	if (list_is_empty(&p->starved) || p->now < p->starved_look)
		return did;
	p->starved_look = p->now + PROXY_QUOTA_PATIENCE;
	proxy_pool_feed(p);
	return 1;
}

hd_ns proxy_quota_deadline(const struct proxy *p)
{
	const struct list_link *wish = list_front(&p->wishes);
	hd_ns at = list_is_empty(&p->starved) ? HD_NS_NEVER : p->starved_look;

	return wish == NULL ? at
			    : RTE_MIN(at, list_entry(wish, struct proxy_lease, wish)->wants_until);
}
