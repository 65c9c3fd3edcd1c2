/* SPDX-License-Identifier: Apache-2.0 */
/* A question of ctrl to an endpoint: ctrl has no address on the wire, so a worker asks with its own
 * stack. One connection, no pool, no counts: it is no request of anybody's. */
#include "proxy_state.h"

#define STATUS_LINE 12 /* "HTTP/1.1 200" */

static void finish(struct proxy *p, struct proxy_leg *leg, enum hd_probe_result result)
{
	struct hd_probe *q = leg->probe;

	proxy_leg_discard(leg);
	if (result == HD_PROBE_TIMEOUT)
		proxy_leg_abort(p, leg);
	else
		proxy_leg_release(p, leg);
	q->result = (uint8_t)result;
	atomic_store_explicit(&q->done, 1, memory_order_release);
}

static int begin_tls(struct proxy *p, struct proxy_leg *leg, const struct hd_probe *q)
{
	const struct hd_str sni = { q->sni, q->sni_n };

	if (p->tls == NULL)
		return -1;
	return proxy_tls_begin(p, leg,
			       tls_connect(p->tls, q->tls_context - 1, &q->to, sni, leg, p->now));
}

/* Why no connection was begun; HD_PROBE_PENDING when one was. */
static enum hd_probe_result begin(struct proxy *p, struct hd_probe *q)
{
	struct tcp_conn *conn;
	struct proxy_leg *leg;
	struct hd_ip local;

	if (net_source_address(p->net, &q->to.ip, &local) < 0)
		return HD_PROBE_UNREACHABLE;
	if (tcp_connect(p->tcp, &local, &q->to, p->now, &conn) != TCP_OK)
		return HD_PROBE_NO_ROOM;
	leg = proxy_leg_create(p, conn, 1);
	if (leg == NULL) {
		tcp_abort(conn);
		return HD_PROBE_NO_ROOM;
	}
	if (q->tls_context != 0 && begin_tls(p, leg, q) < 0) {
		proxy_leg_abort(p, leg);
		return HD_PROBE_NO_ROOM;
	}
	leg->state = LEG_PROBE;
	leg->probe = q;
	tcp_set_connect_timeout(conn, q->timeout);
	proxy_leg_set_due(p, leg, p->now + q->timeout);
	return HD_PROBE_PENDING;
}

void proxy_probe(struct proxy *p, struct hd_probe *q, hd_ns now)
{
	p->now = now;
	q->result = (uint8_t)begin(p, q);
	if (q->result != HD_PROBE_PENDING)
		atomic_store_explicit(&q->done, 1, memory_order_release);
}

static void connected(struct proxy *p, struct proxy_leg *leg)
{
	const struct hd_probe *q = leg->probe;
	struct bufq out = { 0 };

	leg->requests = 1;
	if (q->request_n == 0) {
		finish(p, leg, HD_PROBE_CONNECTED);
	} else if (proxy_put(p, &out, q->request, q->request_n) == 0) {
		proxy_leg_send(p, leg, &out);
	} else {
		bufq_clear(&out);
		finish(p, leg, HD_PROBE_NO_ROOM);
	}
}

static int digit(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : -1000;
}

/* The status, 0 when the line is none of HTTP/1's. */
static uint16_t status_of(const uint8_t line[STATUS_LINE])
{
	int status = digit(line[9]) * 100 + digit(line[10]) * 10 + digit(line[11]);

	if (memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ' || status < 100)
		return 0;
	return (uint16_t)status;
}

/* The status is enough: the rest of the answer is nobody's. */
static void answered(struct proxy *p, struct proxy_leg *leg)
{
	uint8_t line[STATUS_LINE];

	bufq_copy_out(proxy_leg_rx(leg), 0, line, sizeof(line));
	leg->probe->status = status_of(line);
	finish(p, leg, leg->probe->status != 0 ? HD_PROBE_ANSWERED : HD_PROBE_BROKEN);
}

void proxy_probe_event(struct proxy *p, struct proxy_leg *leg, uint32_t events)
{
	if (leg->requests > 0 && proxy_leg_rx(leg)->bytes >= STATUS_LINE) {
		answered(p, leg);
		return;
	}
	if (leg->tls != NULL && leg->broken) {
		finish(p, leg, leg->requests > 0 ? HD_PROBE_BROKEN : HD_PROBE_TLS);
		return;
	}
	if (events & TCP_EV_RESET) {
		enum tcp_error e = tcp_conn_error(leg->conn);
		finish(p, leg,
		       e == TCP_ERR_TIMEOUT	  ? HD_PROBE_TIMEOUT
		       : e == TCP_ERR_UNREACHABLE ? HD_PROBE_UNREACHABLE
		       : leg->requests > 0	  ? HD_PROBE_BROKEN
						  : HD_PROBE_REFUSED);
		return;
	}
	if (events & TCP_EV_CONNECTED) {
		connected(p, leg);
		return;
	}
	if (leg->fin)
		finish(p, leg, HD_PROBE_BROKEN);
}

void proxy_probe_timeout(struct proxy *p, struct proxy_leg *leg)
{
	finish(p, leg, HD_PROBE_TIMEOUT);
}
