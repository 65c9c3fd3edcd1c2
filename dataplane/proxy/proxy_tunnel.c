/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that nobody reads: after a 101 that was asked for, and of TCP listeners. Each direction
 * ends on its own (half close). */
#include "proxy_state.h"

void proxy_tunnel_begin(struct proxy *p, struct proxy_exchange *x)
{
	proxy_count(p, HD_PROXY_TUNNELS);
	x->state = EXCHANGE_TUNNEL;
	x->answer_begun = 1;
	x->close_down = 1;
	x->up_reusable = 0;
	x->request.done = x->response.done = 0;
	x->deadline = x->try_deadline = x->wake = HD_NS_NEVER;
	wheel_cancel(&p->wheel, &x->timer.wheel);
	if (x->is_stream && x->max_connection_duration > 0) {
		x->deadline = p->now + x->max_connection_duration;
		wheel_arm(&p->wheel, &x->timer.wheel, x->deadline);
	}
	proxy_leg_set_due(p, x->down, p->now + proxy_exchange_patience(x));
	if (x->is_stream)
		proxy_record_open(p, x);
	proxy_tunnel_relay(p, x);
}

/* One direction, one step. Bytes moved, or -1 for lack of buffers. */
static int64_t move(struct proxy *p, struct proxy_leg *from, struct proxy_leg *to, uint8_t *done)
{
	struct bufq *in = proxy_leg_rx(from), out = { 0 };
	uint32_t n = RTE_MIN(in->bytes, (uint32_t)PROXY_RELAY_BUDGET);

	if (*done || proxy_leg_is_cut(to))
		return 0;
	n = RTE_MIN(n, proxy_leg_send_space(to));
	if (n > 0) {
		if (bufq_move(&out, in, n, p->pools.indirect) < 0)
			return -1;
		proxy_leg_send(p, to, &out);
		proxy_leg_received(from, n);
		if (in->bytes > 0 && proxy_leg_send_space(to) > 0)
			proxy_leg_again(from, TCP_EV_READABLE);
	}
	if (from->fin && !proxy_leg_is_cut(from) && in->bytes == 0) {
		*done = 1;
		proxy_leg_close(p, to);
	}
	return n;
}

static void end(struct proxy *p, struct proxy_exchange *x, int with_reset)
{
	struct proxy_leg *down = x->down;

	if (with_reset)
		x->request.done = x->response.done = 0;
	proxy_exchange_destroy(p, x);
	if (with_reset)
		proxy_leg_abort(p, down);
	else
		proxy_leg_release(p, down);
}

/* The port is for TLS alone by now, or for callers with a certificate. */
static void refuse(struct proxy *p, struct proxy_exchange *x)
{
	proxy_count(p, proxy_inbound_why(x->down));
	x->flags |= HD_FLAG_NR;
	x->details = "filter_chain_not_found";
	end(p, x, 1);
}

void proxy_tunnel_relay(struct proxy *p, struct proxy_exchange *x)
{
	int64_t out, in;

	if (hd_unlikely(proxy_inbound_is_refused(p, x->down))) {
		refuse(p, x);
		return;
	}
	out = move(p, x->down, x->up, &x->request.done);
	in = move(p, x->up, x->down, &x->response.done);
	if (out > 0 || in > 0) {
		x->bytes_received += (uint64_t)RTE_MAX(out, 0);
		x->bytes_sent += (uint64_t)RTE_MAX(in, 0);
		proxy_leg_set_due(p, x->down, p->now + proxy_exchange_patience(x));
	}
	if (out < 0 || in < 0) {
		proxy_count(p, HD_PROXY_NO_MEMORY);
		end(p, x, 1);
	} else if (proxy_leg_is_cut(x->up)) {
		end(p, x, 1);
	} else if (x->request.done && x->response.done) {
		end(p, x, 0);
	}
}
