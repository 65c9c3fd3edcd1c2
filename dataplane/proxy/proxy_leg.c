/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_state.h"

struct proxy_leg *proxy_leg_create(struct proxy *p, struct tcp_conn *conn, int is_up)
{
	struct proxy_leg *leg = core_pool_get(&p->legs);

	if (leg == NULL) {
		proxy_count(p, HD_PROXY_NO_MEMORY);
		return NULL;
	}
	*leg = (struct proxy_leg){
		.conn = conn, .is_up = is_up != 0, .due = HD_NS_NEVER, .timer.kind = PROXY_TIMER_LEG
	};
	leg->state = is_up ? LEG_CONNECTING : LEG_HEAD;
	tcp_conn_set_user(conn, leg);
	return leg;
}

static void forget(struct proxy *p, struct proxy_leg *leg)
{
	wheel_cancel(&p->wheel, &leg->timer.wheel);
	if (list_is_linked(&leg->link))
		list_remove(&leg->link);
	tcp_conn_set_user(leg->conn, NULL);
	core_pool_put(&p->legs, leg);
}

void proxy_leg_release(struct proxy *p, struct proxy_leg *leg)
{
	struct tcp_conn *conn = leg->conn;
	int is_whole = hd_likely(leg->tls == NULL) || proxy_tls_end(p, leg) == 0;

	forget(p, leg);
	if (is_whole)
		tcp_release(conn);
	else
		tcp_abort(conn);
}

void proxy_leg_abort(struct proxy *p, struct proxy_leg *leg)
{
	struct tcp_conn *conn = leg->conn;

	int is_gone = leg->reset;

	if (leg->tls != NULL)
		proxy_tls_strip(p, leg);
	forget(p, leg);
	if (is_gone)
		tcp_release(conn);
	else
		tcp_abort(conn);
}

/* Most deadlines only move on: the timer is set anew when it fires, not each time. */
void proxy_leg_set_due(struct proxy *p, struct proxy_leg *leg, hd_ns due)
{
	leg->due = due;
	if (due != HD_NS_NEVER &&
	    (!wheel_is_armed(&leg->timer.wheel) || leg->timer.wheel.deadline > due))
		wheel_arm(&p->wheel, &leg->timer.wheel, due);
}

void proxy_leg_discard(struct proxy_leg *leg)
{
	struct bufq *rx = proxy_leg_rx(leg);
	uint32_t n = rx->bytes;

	if (n == 0)
		return;
	bufq_clear(rx);
	proxy_leg_received(leg, n);
}

static void rest(struct proxy *p, struct proxy_leg *leg)
{
	leg->state = LEG_HEAD;
	leg->exchange = NULL;
	leg->scan = (struct http1_scan){ 0 };
	if (!list_is_linked(&leg->link))
		list_push_back(&p->at_rest, &leg->link);
}

void proxy_leg_open(struct proxy *p, struct proxy_leg *leg)
{
	rest(p, leg);
	if (proxy_leg_rx(leg)->bytes > 0 || leg->fin) {
		proxy_leg_set_due(p, leg, p->now + PROXY_HEAD_TIMEOUT);
		proxy_leg_again(leg, TCP_EV_READABLE);
	} else {
		proxy_leg_set_due(p, leg, p->now + PROXY_IDLE_TIMEOUT);
	}
}

void proxy_leg_linger(struct proxy *p, struct proxy_leg *leg)
{
	leg->state = LEG_LINGER;
	leg->exchange = NULL;
	if (list_is_linked(&leg->link))
		list_remove(&leg->link);
	if (leg->fin) {
		proxy_leg_release(p, leg);
		return;
	}
	proxy_leg_close(p, leg);
	proxy_leg_discard(leg);
	proxy_leg_set_due(p, leg, p->now + PROXY_LINGER_TIMEOUT);
}

/* Bytes that came while the last exchange ran (pipelining) are looked at as an event of their own:
 * no recursion, and others get their turn. */
void proxy_leg_down_next(struct proxy *p, struct proxy_leg *leg)
{
	if (p->is_draining) {
		proxy_count(p, HD_PROXY_DRAINED);
		proxy_leg_linger(p, leg);
		return;
	}
	proxy_leg_open(p, leg);
}

/* Goes on from where the last look ended; on HTTP_DONE the head lies contiguous in p->in. */
static enum http_verdict scan_request(struct proxy *p, struct proxy_leg *leg, const struct bufq *rx,
				      struct http_error *e)
{
	uint32_t offset = leg->scan.seen, head_bytes = 0;
	enum http_verdict v = HTTP_MORE;

	for (const struct rte_mbuf *m = rx->head; m != NULL && v == HTTP_MORE; m = m->next) {
		if (offset >= m->data_len) {
			offset -= m->data_len;
			continue;
		}
		v = http1_scan_request(&leg->scan,
				       rte_pktmbuf_mtod_offset(m, const uint8_t *, offset),
				       m->data_len - offset, &head_bytes, e);
		offset = 0;
	}
	if (v != HTTP_DONE)
		return v;
	bufq_copy_out(rx, 0, p->in, head_bytes);
	return http1_parse_request(p->in, head_bytes, &p->head, e);
}

static enum http_verdict read_request(struct proxy *p, struct proxy_leg *leg, const struct bufq *rx,
				      const uint8_t **bytes, struct http_error *e)
{
	uint32_t n;
	enum http_verdict v;

	*bytes = bufq_front(rx, &n);
	if (leg->scan.seen == 0) {
		v = http1_parse_request(*bytes, n, &p->head, e);
		if (v != HTTP_MORE)
			return v;
	}
	*bytes = p->in;
	return scan_request(p, leg, rx, e);
}

static void read_head(struct proxy *p, struct proxy_leg *leg)
{
	const struct bufq *rx = proxy_leg_rx(leg);
	struct http_error e = { 0 };
	const uint8_t *bytes;

	if (rx->bytes == 0) {
		if (leg->fin)
			proxy_leg_linger(p, leg);
		return;
	}
	switch (read_request(p, leg, rx, &bytes, &e)) {
	case HTTP_DONE:
		if (hd_unlikely(proxy_inbound_is_refused(p, leg)))
			proxy_inbound_refuse(p, leg);
		else
			proxy_exchange_begin(p, leg, bytes);
		return;
	case HTTP_BAD:
		proxy_exchange_refuse(p, leg, &e);
		return;
	case HTTP_MORE:
		if (leg->fin) {
			proxy_leg_linger(p, leg);
			return;
		}
		proxy_leg_expects_more(leg);
		if (leg->due > p->now + PROXY_HEAD_TIMEOUT)
			proxy_leg_set_due(p, leg, p->now + PROXY_HEAD_TIMEOUT);
	}
}

/* The caller is gone, or its TLS is: then an alert is on its way, which a reset would overtake. */
static void down_lost(struct proxy *p, struct proxy_leg *leg)
{
	if (leg->exchange != NULL)
		proxy_exchange_down_lost(p, leg->exchange);
	if (leg->reset) {
		proxy_leg_release(p, leg);
		return;
	}
	proxy_tls_strip(p, leg);
	leg->broken = 0;
	proxy_leg_linger(p, leg);
}

static void down_event(struct proxy *p, struct proxy_leg *leg, uint32_t events)
{
	if ((events & TCP_EV_RESET) || leg->broken) {
		down_lost(p, leg);
		return;
	}
	switch ((enum proxy_leg_state)leg->state) {
	case LEG_HEAD:
		if (events & (TCP_EV_READABLE | TCP_EV_FIN))
			read_head(p, leg);
		return;
	case LEG_BUSY:
		proxy_exchange_down_event(p, leg->exchange, events);
		return;
	case LEG_LINGER:
		proxy_leg_discard(leg);
		if (leg->fin || (events & TCP_EV_CLOSED))
			proxy_leg_release(p, leg);
		return;
	case LEG_SNIFF:
		proxy_inbound_event(p, leg);
		return;
	case LEG_HANDSHAKE:
		if (events & PROXY_EV_OPENED)
			proxy_inbound_opened(p, leg);
		return;
	case LEG_CONNECTING:
	case LEG_IDLE:
	case LEG_PROBE:
		return;
	}
}

void proxy_leg_event(struct proxy *p, struct proxy_leg *leg, uint32_t events)
{
	if (hd_unlikely(leg->tls != NULL)) {
		events = proxy_tls_event(p, leg, events);
		if (events == 0)
			return;
	} else {
		if (events & (TCP_EV_FIN | TCP_EV_RESET))
			leg->fin = 1;
		if (events & TCP_EV_RESET)
			leg->reset = 1;
	}
	if (!leg->is_up)
		down_event(p, leg, events);
	else if (leg->state == LEG_BUSY)
		proxy_exchange_up_event(p, leg->exchange, events);
	else if (hd_unlikely(leg->state == LEG_PROBE))
		proxy_probe_event(p, leg, events);
	else
		proxy_pool_event(p, leg, events);
}

void proxy_leg_timeout(struct proxy *p, struct proxy_leg *leg)
{
	if (leg->due > p->now) {
		proxy_leg_set_due(p, leg, leg->due);
		return;
	}
	switch ((enum proxy_leg_state)leg->state) {
	case LEG_HEAD:
		if (proxy_leg_rx(leg)->bytes > 0 || leg->scan.seen > 0) {
			static const struct http_error late = {
				.status = 408,
				.details = "request_header_timeout",
				.body = "request header timeout",
			};
			proxy_count(p, HD_PROXY_HEAD_TIMEOUTS);
			proxy_exchange_refuse(p, leg, &late);
			return;
		}
		proxy_count(p, HD_PROXY_IDLE_TIMEOUTS);
		proxy_leg_linger(p, leg);
		return;
	case LEG_BUSY:
		proxy_exchange_silent(p, leg->exchange);
		return;
	case LEG_LINGER:
		proxy_count(p, HD_PROXY_LINGER_TIMEOUTS);
		proxy_leg_release(p, leg);
		return;
	case LEG_IDLE:
		proxy_count(p, HD_PROXY_UP_RETIRED);
		proxy_pool_drop(p, leg, 0);
		return;
	case LEG_PROBE:
		proxy_probe_timeout(p, leg);
		return;
	case LEG_SNIFF:
	case LEG_HANDSHAKE:
		proxy_inbound_timeout(p, leg);
		return;
	case LEG_CONNECTING:
		proxy_pool_late(p, leg);
		return;
	}
}

static uint8_t role_of(const struct proxy *p, const struct tcp_conn *conn,
		       const struct hd_listener *l)
{
	if (l->gateway)
		return HD_ROLE_GATEWAY;
	return net_port_side(p->net, tcp_conn_port(conn)) == HD_SIDE_WORKLOAD ? HD_ROLE_SIDECAR
									      : HD_ROLE_WAYPOINT;
}

void proxy_leg_accept(struct proxy *p, struct tcp_conn *conn, uint32_t events)
{
	const struct flow_key *k = tcp_conn_key(conn);
	const struct hd_listener *l = hd_snapshot_listener(p->snapshot, &k->local, k->local_port);
	struct proxy_leg *leg = l != NULL ? proxy_leg_create(p, conn, 0) : NULL;

	if (leg == NULL) {
		tcp_abort(conn);
		return;
	}
	proxy_pressure_accepted(p);
	leg->role = role_of(p, conn, l);
	leg->down.listener = (uint32_t)(l - p->snapshot->listeners);
	leg->down.generation = (uint32_t)p->snapshot->generation;
	if (proxy_inbound_looks(p, leg, l)) {
		proxy_inbound_begin(p, leg, l);
	} else if (l->protocol == HD_PROTO_TCP && !(events & TCP_EV_RESET)) {
		leg->fin = (events & TCP_EV_FIN) != 0;
		proxy_exchange_begin_tunnel(p, leg, l, NULL);
		return;
	} else {
		rest(p, leg);
		proxy_leg_set_due(p, leg, p->now + PROXY_IDLE_TIMEOUT);
	}
	if (events & ~(uint32_t)TCP_EV_ACCEPTED)
		proxy_leg_event(p, leg, events & ~(uint32_t)TCP_EV_ACCEPTED);
}

int proxy_leg_drain(struct proxy *p)
{
	struct list_link *l;
	int n = 0;

	while (n < PROXY_TURN_SWEEP && (l = list_pop_front(&p->at_rest)) != NULL) {
		struct proxy_leg *leg = list_entry(l, struct proxy_leg, link);
		n++;
		if (proxy_leg_rx(leg)->bytes > 0)
			continue; /* a request is coming: it is answered with `connection: close` */
		proxy_count(p, HD_PROXY_DRAINED);
		proxy_leg_linger(p, leg);
	}
	return n > 0;
}
