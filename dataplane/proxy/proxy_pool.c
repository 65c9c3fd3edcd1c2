/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_state.h"

struct proxy_cluster_state *proxy_pool_cluster(const struct proxy *p, uint32_t slot)
{
	return &p->slots->clusters[slot / PROXY_CHUNK_SLOTS][slot % PROXY_CHUNK_SLOTS];
}

struct proxy_endpoint_state *proxy_pool_endpoint(const struct proxy *p, uint32_t slot)
{
	return &p->slots->endpoints[slot / PROXY_CHUNK_SLOTS][slot % PROXY_CHUNK_SLOTS];
}

size_t proxy_cluster_state_bytes(void)
{
	return sizeof(struct proxy_cluster_state);
}

size_t proxy_endpoint_state_bytes(void)
{
	return sizeof(struct proxy_endpoint_state);
}

/* Closes connections at rest, the longest unused first: those of an earlier incarnation, or all.
 * Each takes one from *budget. */
static void close_idle(struct proxy *p, struct proxy_endpoint_state *st, int all, uint32_t *budget)
{
	struct list_link *l;

	for (; *budget > 0 && (l = list_back(&st->idle)) != NULL; --*budget) {
		struct proxy_leg *leg = list_entry(l, struct proxy_leg, link);
		if (!all && leg->up.incarnation == st->incarnation)
			return;
		proxy_count(p, HD_PROXY_UP_RETIRED);
		proxy_pool_drop(p, leg, 0);
	}
}

static void fail_one(struct proxy *p, struct proxy_exchange *x, enum proxy_failure why)
{
	proxy_pool_unwait(p, x);
	x->state = EXCHANGE_FAILED;
	x->failure = why;
	list_push_back(&p->failed, &x->link);
}

/* All who wait now fail. There may be many: they leave the queue at once, and are told in pieces
 * (proxy_pool_doom). */
static void fail_pending(struct proxy *p, struct proxy_endpoint_state *st, enum proxy_failure why)
{
	if (list_is_empty(&st->pending))
		return;
	list_splice_back(&st->doomed, &st->pending);
	st->n_pending = 0;
	st->doomed_before = st->ticket;
	st->doom = (uint8_t)why;
	if (!list_is_linked(&st->doomed_link))
		list_push_back(&p->doomed, &st->doomed_link);
}

int proxy_pool_doom(struct proxy *p)
{
	struct list_link *l, *waiting;
	int n = 0;

	while ((l = list_front(&p->doomed)) != NULL) {
		struct proxy_endpoint_state *st =
			list_entry(l, struct proxy_endpoint_state, doomed_link);
		for (; n < PROXY_TURN_FAILED && (waiting = list_front(&st->doomed)) != NULL; n++)
			fail_one(p, proxy_exchange_of(waiting), st->doom);
		if (!list_is_empty(&st->doomed))
			return 1;
		list_remove(&st->doomed_link);
	}
	return n > 0;
}

/* A connection at rest is of an earlier incarnation: the newest lie in front. */
static int has_stale(const struct proxy_endpoint_state *st)
{
	const struct list_link *l = list_back(&st->idle);

	return l != NULL &&
	       list_entry(l, struct proxy_leg, link)->up.incarnation != st->incarnation;
}

/* From now on the slot stands for somebody else, or for nobody: connections in use close when their
 * exchange is over. */
static void renew(struct proxy *p, struct proxy_endpoint_state *st)
{
	st->incarnation++;
	/* Whoever still waited would get a connection to the old address. Those at rest are closed
	 * by the sweep. */
	fail_pending(p, st, PROXY_FAIL_UNREACHABLE);
}

static int is_same_addr(const struct hd_addr *a, const struct hd_addr *b)
{
	return a->port == b->port && hd_ip_eq(&a->ip, &b->ip);
}

/* An address that is to be reached in another way is another: no request goes out on a connection
 * that was made by former rules. */
static int is_same(const struct proxy_endpoint_state *st, const struct hd_endpoint *ep)
{
	return is_same_addr(&st->addr, &ep->addr) && st->tls_context == ep->tls_context &&
	       st->sni_hash == ep->sni_hash;
}

static void sync_endpoint(struct proxy *p, struct proxy_endpoint_state *st,
			  const struct hd_endpoint *ep)
{
	if (st->idle.next == NULL) {
		list_init(&st->idle);
		list_init(&st->pending);
		list_init(&st->doomed);
	} else if (hd_likely(is_same(st, ep))) {
		st->generation = p->snapshot->generation;
		return;
	} else {
		renew(p, st);
	}
	st->addr = ep->addr;
	st->tls_context = ep->tls_context;
	st->sni_hash = ep->sni_hash;
	st->generation = p->snapshot->generation;
	st->slot = ep->slot;
}

static void account_gone(struct proxy *p, struct proxy_leg *leg)
{
	struct proxy_endpoint_state *st = proxy_pool_endpoint(p, leg->up.endpoint);
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, leg->up.cluster);

	st->stats.connections--;
	cs->stats.connections--;
	if (leg->is_counted)
		proxy_quota_disconnected(p, leg->up.endpoint);
	proxy_quota_put(p, leg->up.cluster, QUOTA_CONNECTIONS, cs->stats.connections);
	if (leg->state == LEG_CONNECTING)
		st->n_connecting--;
	if (list_is_linked(&leg->link))
		list_remove(&leg->link);
	if (list_is_empty(&st->idle) && list_is_linked(&st->link))
		list_remove(&st->link);
}

static enum proxy_failure failure_of(enum tcp_error e)
{
	switch (e) {
	case TCP_ERR_TIMEOUT:
		return PROXY_FAIL_CONNECT_TIMEOUT;
	case TCP_ERR_UNREACHABLE:
		return PROXY_FAIL_UNREACHABLE;
	case TCP_ERR_NO_PORTS:
		return PROXY_FAIL_LOCAL;
	case TCP_ERR_NO_MEMORY:
		return PROXY_FAIL_NO_PLACE;
	default:
		return PROXY_FAIL_CONNECT;
	}
}

static enum proxy_failure failure_of_tls(const struct tls_conn *c)
{
	switch (tls_conn_failure(c)) {
	case HD_TLS_TIMEOUT:
		return PROXY_FAIL_CONNECT_TIMEOUT;
	case HD_TLS_NOT_TLS:
		return PROXY_FAIL_TLS_PLAINTEXT;
	case HD_TLS_ID_NONE:
	case HD_TLS_ID_MANY:
	case HD_TLS_ID_MALFORMED:
	case HD_TLS_ID_TRUST_DOMAIN:
	case HD_TLS_ID_NAME:
		return PROXY_FAIL_TLS_NAME;
	case HD_TLS_NO_CERTIFICATE:
	case HD_TLS_CERT_EXPIRED:
	case HD_TLS_CERT_EARLY:
	case HD_TLS_CERT_UNKNOWN_CA:
	case HD_TLS_CERT_REVOKED:
	case HD_TLS_CERT_NO_CRL:
	case HD_TLS_CERT_PURPOSE:
	case HD_TLS_CERT_BAD:
		return PROXY_FAIL_TLS_CERTIFICATE;
	default:
		return PROXY_FAIL_TLS_HANDSHAKE;
	}
}

/* The handshake begins when TCP is there; it may take as long as connecting may altogether. 0 or
 * -1. */
static int begin_tls(struct proxy *p, struct proxy_leg *leg, const struct proxy_endpoint_state *st,
		     const struct hd_cluster *c)
{
	if (p->tls == NULL || proxy_tls_begin(p, leg,
					      tls_connect(p->tls, st->tls_context - 1, &st->addr,
							  c->sni, leg, p->now)) < 0)
		return -1;
	proxy_leg_set_due(p, leg, p->now + c->connect_timeout);
	return 0;
}

/* Begins a connection. PROXY_FAIL_* or -1. */
static int begin_connect(struct proxy *p, struct proxy_endpoint_state *st,
			 const struct hd_cluster *c, struct proxy_leg **out)
{
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, c->slot);
	struct tcp_conn *conn;
	struct proxy_leg *leg;
	struct hd_ip local;
	enum tcp_error e;

	if (net_source_address(p->net, &st->addr.ip, &local) < 0)
		return PROXY_FAIL_UNREACHABLE;
	e = tcp_connect(p->tcp, &local, &st->addr, p->now, &conn);
	if (e == TCP_ERR_NO_MEMORY && proxy_pressure_evict(p))
		e = tcp_connect(p->tcp, &local, &st->addr, p->now, &conn);
	if (e != TCP_OK)
		return failure_of(e);
	leg = proxy_leg_create(p, conn, 1);
	if (leg == NULL) {
		tcp_abort(conn);
		return PROXY_FAIL_LOCAL;
	}
	if (st->tls_context != 0 && begin_tls(p, leg, st, c) < 0) {
		proxy_leg_abort(p, leg);
		return PROXY_FAIL_LOCAL;
	}
	tcp_set_connect_timeout(conn, c->connect_timeout);
	if (c->keepalive.probes > 0)
		tcp_set_keepalive(conn, c->keepalive.probes, c->keepalive.time,
				  c->keepalive.interval);
	leg->up.endpoint = st->slot;
	leg->up.cluster = c->slot;
	leg->up.incarnation = st->incarnation;
	st->n_connecting++;
	st->stats.connections++;
	cs->stats.connections++;
	cs->stats.connects++;
	*out = leg;
	return -1;
}

/* Not all endpoints of the snapshot are marked as known yet. */
static int is_marking(const struct proxy *p)
{
	return p->is_sweeping && p->swept < p->snapshot->n_endpoints;
}

static int is_fresh_enough(const struct proxy *p, const struct proxy_leg *leg,
			   const struct proxy_endpoint_state *st, uint32_t max_requests,
			   hd_ns max_duration)
{
	if (!is_marking(p) && st->generation != p->snapshot->generation)
		return 0; /* a reload took the endpoint away */
	return leg->up.incarnation == st->incarnation &&
	       (max_requests == 0 || leg->requests < max_requests) &&
	       (max_duration == 0 || p->now - tcp_conn_opened(leg->conn) < max_duration);
}

static struct proxy_leg *take_idle(struct proxy *p, struct proxy_endpoint_state *st,
				   const struct hd_cluster *c)
{
	struct list_link *l;

	for (int i = 0; i < PROXY_TURN_STALE && (l = list_front(&st->idle)) != NULL; i++) {
		struct proxy_leg *leg = list_entry(l, struct proxy_leg, link);
		if (proxy_leg_rx(leg)->bytes > 0) {
			proxy_count(p, HD_PROXY_UP_IDLE_DATA);
			proxy_pool_drop(p, leg, 1);
		} else if (tcp_has_refused(leg->conn) ||
			   !is_fresh_enough(p, leg, st, c->max_requests_per_connection,
					    c->max_connection_duration)) {
			proxy_count(p, HD_PROXY_UP_RETIRED);
			proxy_pool_drop(p, leg, 0);
		} else {
			list_remove(l);
			if (list_is_empty(&st->idle))
				list_remove(&st->link);
			leg->due = HD_NS_NEVER;
			return leg;
		}
	}
	return NULL;
}

static void wait_for(struct proxy *p, struct proxy_exchange *x, struct proxy_endpoint_state *st)
{
	x->state = EXCHANGE_PENDING;
	x->ticket = st->ticket++;
	list_push_back(&st->pending, &x->link);
	st->n_pending++;
	proxy_pool_cluster(p, x->cluster_slot)->stats.pending++;
}

void proxy_pool_unwait(struct proxy *p, struct proxy_exchange *x)
{
	struct proxy_endpoint_state *st = proxy_pool_endpoint(p, x->endpoint_slot);
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, x->cluster_slot);
	int is_doomed = !list_is_empty(&st->doomed) && (int32_t)(x->ticket - st->doomed_before) < 0;

	list_remove(&x->link);
	if (!is_doomed)
		st->n_pending--;
	cs->stats.pending--;
	proxy_quota_put(p, x->cluster_slot, QUOTA_PENDING, cs->stats.pending);
}

enum connect_room { CONNECT_NOT, CONNECT_LIMITED, CONNECT_FIRST };

/* An endpoint without any connection gets one whatever the limit says (istio-api.md 5.2), else it
 * would starve. */
static enum connect_room room_to_connect(struct proxy *p, const struct proxy_endpoint_state *st,
					 const struct hd_cluster *c)
{
	uint32_t used = proxy_pool_cluster(p, c->slot)->stats.connections;

	if (proxy_quota_has_room(p, c->slot, QUOTA_CONNECTIONS, used, c->max_connections))
		return CONNECT_LIMITED;
	if (st->stats.connections > 0)
		return CONNECT_NOT;
	if (p->quotas == NULL)
		return CONNECT_LIMITED;
	return proxy_quota_take_first(p, c->slot, st->slot) ? CONNECT_FIRST : CONNECT_NOT;
}

/* A connection if there is room for one. PROXY_FAIL_* or -1. */
static int connect_if_room(struct proxy *p, struct proxy_endpoint_state *st,
			   const struct hd_cluster *c, enum connect_room room)
{
	int is_counted = p->quotas != NULL && c->max_connections != UINT32_MAX, failure;
	struct proxy_leg *leg;

	if (room == CONNECT_NOT) {
		if (p->quotas != NULL && !list_is_linked(&st->starved))
			list_push_back(&p->starved, &st->starved);
		proxy_quota_ask(p, c->slot, QUOTA_CONNECTIONS);
		return -1;
	}
	if (is_counted && room == CONNECT_LIMITED)
		proxy_quota_connected(p, st->slot);
	failure = begin_connect(p, st, c, &leg);
	if (failure >= 0) {
		if (is_counted)
			proxy_quota_disconnected(p, st->slot);
		return failure;
	}
	leg->is_counted = (uint8_t)is_counted;
	return -1;
}

/* Over the limit as far as we know. */
static enum proxy_pool_verdict overflow(struct proxy *p, const struct proxy_exchange *x,
					enum proxy_quota_kind kind)
{
	if (x->has_asked)
		proxy_quota_came_not(p, x->cluster_slot);
	if (x->has_asked || !proxy_quota_may_come(p, x->cluster_slot))
		return POOL_OVERFLOW;
	proxy_quota_ask(p, x->cluster_slot, kind);
	return POOL_LATER;
}

enum proxy_pool_verdict proxy_pool_get(struct proxy *p, struct proxy_exchange *x,
				       const struct hd_cluster *c, const struct hd_endpoint *ep,
				       struct proxy_leg **out)
{
	struct proxy_endpoint_state *st = proxy_pool_endpoint(p, ep->slot);
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, c->slot);
	enum connect_room room;
	uint32_t pending;
	int failure;

	sync_endpoint(p, st, ep);
	if (!proxy_quota_has_room(p, c->slot, QUOTA_REQUESTS, cs->stats.requests_active,
				  c->max_requests))
		return overflow(p, x, QUOTA_REQUESTS);
	/* A stream does not wait for its turn. */
	if (x->is_stream && !proxy_quota_has_room(p, c->slot, QUOTA_CONNECTIONS,
						  cs->stats.connections, c->max_connections))
		return overflow(p, x, QUOTA_CONNECTIONS);
	*out = x->is_resend ? NULL : take_idle(p, st, c);
	if (*out != NULL)
		return POOL_READY;
	/* The request that this endpoint's connection is being made for does not count: whether a
	 * second one comes before or after the handshake decides nothing. */
	pending = cs->stats.pending - (st->n_connecting > 0 && st->n_pending > 0);
	if (!proxy_quota_has_room(p, c->slot, QUOTA_PENDING, pending, c->max_pending_requests))
		return overflow(p, x, QUOTA_PENDING);
	if (st->n_connecting <= st->n_pending) {
		room = room_to_connect(p, st, c);
		if (room == CONNECT_NOT)
			x->is_resend = 0; /* a fresh connection is not to be had: any will do */
		failure = connect_if_room(p, st, c, room);
		if (failure >= 0 && st->n_connecting == 0) {
			x->failure = (uint8_t)failure;
			return POOL_NO_CONNECT;
		}
	}
	wait_for(p, x, st);
	return POOL_WAIT;
}

/* The first in the queue that may use this leg: a request that is sent again wants one that never
 * carried another. */
static struct proxy_exchange *next_waiting(struct proxy_endpoint_state *st,
					   const struct proxy_leg *leg)
{
	struct list_link *l = list_front(&st->pending);

	for (int i = 0; l != NULL && i < 4; i++, l = list_next(&st->pending, l)) {
		struct proxy_exchange *x = proxy_exchange_of(l);
		if (leg->requests == 0 || !x->is_resend)
			return x;
	}
	return NULL;
}

/* A leg at rest goes when it was idle for long enough, or is old. */
static hd_ns rests_until(const struct proxy *p, const struct proxy_leg *leg, hd_ns idle_timeout,
			 hd_ns max_duration)
{
	hd_ns idle = p->now + (idle_timeout > 0 ? idle_timeout : PROXY_IDLE_TIMEOUT);
	hd_ns old = max_duration > 0 ? tcp_conn_opened(leg->conn) + max_duration : HD_NS_NEVER;

	return RTE_MIN(idle, old);
}

static void hand_out(struct proxy *p, struct proxy_endpoint_state *st, struct proxy_leg *leg,
		     hd_ns idle_timeout, hd_ns max_duration)
{
	struct proxy_exchange *x = next_waiting(st, leg);

	if (x != NULL) {
		proxy_pool_unwait(p, x);
		leg->due = HD_NS_NEVER;
		proxy_exchange_connected(p, x, leg);
		return;
	}
	leg->state = LEG_IDLE;
	list_push_front(&st->idle, &leg->link);
	if (!list_is_linked(&st->link))
		list_push_back(&p->pooled, &st->link);
	proxy_leg_set_due(p, leg, rests_until(p, leg, idle_timeout, max_duration));
}

/* A connection went away: those who still wait may need another. */
static void top_up(struct proxy *p, struct proxy_endpoint_state *st)
{
	struct list_link *l = list_front(&st->pending);
	const struct hd_cluster *c;
	int failure;

	if (l == NULL || st->n_connecting >= st->n_pending)
		return;
	c = proxy_exchange_cluster(p, proxy_exchange_of(l));
	if (c == NULL) {
		fail_pending(p, st, PROXY_FAIL_UNREACHABLE);
		return;
	}
	failure = connect_if_room(p, st, c, room_to_connect(p, st, c));
	if (failure >= 0 && st->stats.connections == 0)
		fail_pending(p, st, (enum proxy_failure)failure);
}

void proxy_pool_drop(struct proxy *p, struct proxy_leg *leg, int with_reset)
{
	uint32_t slot = leg->up.endpoint;

	account_gone(p, leg);
	if (with_reset)
		proxy_leg_abort(p, leg);
	else
		proxy_leg_release(p, leg);
	top_up(p, proxy_pool_endpoint(p, slot));
}

/* Each is looked at once; who still finds no room is at the list's end again. */
void proxy_pool_feed(struct proxy *p)
{
	struct list_link starved, *l;

	list_init(&starved);
	list_splice_back(&starved, &p->starved);
	while ((l = list_pop_front(&starved)) != NULL)
		top_up(p, list_entry(l, struct proxy_endpoint_state, starved));
}

void proxy_pool_put(struct proxy *p, struct proxy_leg *leg, uint32_t max_requests,
		    hd_ns idle_timeout, hd_ns max_duration)
{
	struct proxy_endpoint_state *st = proxy_pool_endpoint(p, leg->up.endpoint);

	if (!is_fresh_enough(p, leg, st, max_requests, max_duration) || p->is_draining) {
		proxy_count(p, HD_PROXY_UP_RETIRED);
		proxy_pool_drop(p, leg, 0);
		return;
	}
	if (proxy_quota_should_yield(p, leg)) {
		proxy_count(p, HD_PROXY_UP_YIELDED);
		proxy_pool_drop(p, leg, 0);
		return;
	}
	hand_out(p, st, leg, idle_timeout, max_duration);
}

static void connect_failed(struct proxy *p, struct proxy_leg *leg, enum proxy_failure why)
{
	struct proxy_endpoint_state *st = proxy_pool_endpoint(p, leg->up.endpoint);

	proxy_count(p, HD_PROXY_CONNECT_FAILURES);
	st->stats.connect_failures++;
	account_gone(p, leg);
	proxy_leg_release(p, leg);
	fail_pending(p, st, why);
}

/* The backend accepted and closed without a word. That answers one request, as if it had been sent:
 * else we would connect again and again, each round trip. A stream gets what there is. */
static int is_shut_at_once(struct proxy *p, struct proxy_endpoint_state *st, struct proxy_leg *leg)
{
	struct proxy_exchange *x = next_waiting(st, leg);

	if (!leg->fin || proxy_leg_rx(leg)->bytes > 0 || (x != NULL && x->is_stream))
		return 0;
	proxy_count(p, HD_PROXY_UP_SHUT_AT_ONCE);
	st->stats.resets++;
	if (x != NULL)
		fail_one(p, x, PROXY_FAIL_TERMINATED);
	return 1;
}

/* NULL: a reload took it away. */
static const struct hd_cluster *cluster_of(const struct proxy *p, const struct proxy_leg *leg)
{
	const struct hd_snapshot *s = p->snapshot;
	uint32_t slot = leg->up.cluster,
		 i = slot < s->cluster_slots ? s->cluster_of_slot[slot] : HD_NONE;

	return i != HD_NONE ? &s->clusters[i] : NULL;
}

static void connect_done(struct proxy *p, struct proxy_leg *leg)
{
	struct proxy_endpoint_state *st = proxy_pool_endpoint(p, leg->up.endpoint);
	const struct hd_cluster *c = cluster_of(p, leg);

	st->n_connecting--;
	leg->state = LEG_IDLE;
	if (leg->up.incarnation != st->incarnation) {
		proxy_count(p, HD_PROXY_UP_RETIRED);
		proxy_pool_drop(p, leg, 0);
		return;
	}
	if (is_shut_at_once(p, st, leg)) {
		proxy_pool_drop(p, leg, 0);
		return;
	}
	/* What came with the handshake is looked at by whoever owns the leg then. */
	if (proxy_leg_rx(leg)->bytes > 0 || leg->fin)
		proxy_leg_again(leg, TCP_EV_READABLE);
	hand_out(p, st, leg, c != NULL ? c->idle_timeout : 0,
		 c != NULL ? c->max_connection_duration : 0);
}

void proxy_pool_event(struct proxy *p, struct proxy_leg *leg, uint32_t events)
{
	if (leg->state == LEG_CONNECTING) {
		if (leg->broken)
			connect_failed(p, leg, failure_of_tls(leg->tls->conn));
		else if (events & TCP_EV_RESET)
			connect_failed(p, leg, failure_of(tcp_conn_error(leg->conn)));
		else if (events & TCP_EV_CONNECTED)
			connect_done(p, leg);
		return;
	}
	if (leg->fin)
		proxy_count(p, HD_PROXY_UP_IDLE_CLOSED);
	else if (proxy_leg_rx(leg)->bytes > 0)
		proxy_count(p, HD_PROXY_UP_IDLE_DATA);
	else
		return;
	proxy_pool_drop(p, leg, !leg->fin);
}

void proxy_pool_late(struct proxy *p, struct proxy_leg *leg)
{
	connect_failed(p, leg, PROXY_FAIL_CONNECT_TIMEOUT);
}

void proxy_pool_snapshot(struct proxy *p)
{
	p->swept = p->settled = 0;
	p->is_sweeping = 1;
}

/* Looks at one endpoint with connections at rest; the list goes round once. False: it did. */
static int sweep_pooled(struct proxy *p, uint32_t *budget)
{
	struct list_link *l = list_front(&p->pooled);
	struct proxy_endpoint_state *st;

	if (l == NULL)
		return 0;
	st = list_entry(l, struct proxy_endpoint_state, link);
	if (st->swept != p->snapshot->generation && st->generation != p->snapshot->generation)
		renew(p, st);
	else if (st->swept == p->snapshot->generation && !has_stale(st))
		return 0;
	st->swept = p->snapshot->generation;
	--*budget;
	close_idle(p, st, 0, budget);
	if (list_is_linked(&st->link) && !has_stale(st)) {
		list_remove(&st->link);
		list_push_back(&p->pooled, &st->link);
	}
	return 1;
}

/* First all endpoints of the snapshot are marked, then those with connections at rest that are not
 * marked are emptied. */
int proxy_pool_sweep(struct proxy *p)
{
	const struct hd_snapshot *s = p->snapshot;
	uint32_t budget = PROXY_TURN_SWEEP;

	if (!p->is_sweeping)
		return 0;
	for (; p->settled < s->n_clusters && budget > 0; p->settled++, budget--)
		proxy_quota_settle(p, &s->clusters[p->settled]);
	for (; p->swept < s->n_endpoints && budget > 0; p->swept++, budget--)
		sync_endpoint(p, proxy_pool_endpoint(p, s->endpoints[p->swept].slot),
			      &s->endpoints[p->swept]);
	if (p->settled < s->n_clusters || p->swept < s->n_endpoints)
		return 1;
	while (budget > 0 && p->is_sweeping)
		p->is_sweeping = sweep_pooled(p, &budget);
	return 1;
}

int proxy_pool_drain(struct proxy *p)
{
	uint32_t budget = PROXY_TURN_SWEEP;
	struct list_link *l;

	while (budget > 0 && (l = list_front(&p->pooled)) != NULL)
		close_idle(p, list_entry(l, struct proxy_endpoint_state, link), 1, &budget);
	return budget < PROXY_TURN_SWEEP;
}
