/* SPDX-License-Identifier: Apache-2.0 */
/* Segments that belong to no connection: RFC 9293 3.10.7.1 and 3.10.7.2. */
#include "tcp_stack.h"

/* A half-open connection, and its SYN-ACK. */
static void open_half(struct tcp *t, const struct tcp_segment *s, const struct pkt_facts *f, int64_t listener, uint32_t isn_floor)
{
	uint32_t isn = tcp_isn_generate(t->config.secret, &s->key, t->now);
	struct flow_path path = { 0 };
	struct tcp_conn *c;

	if (t->ops->route(t->ctx, &s->key, &path) != 0) {
		tcp_count(t, HD_TCP_NO_ROUTE);
		return;
	}
	c = tcp_conn_create(t, &s->key, f->hash);
	if (c == NULL) {
		tcp_count(t, HD_TCP_NO_MEMORY);
		return;
	}
	c->flags |= TCP_F_HALF_OPEN;
	t->half_open++;
	c->path = path;
	c->in_port = f->port;
	c->listener = listener;
	c->state = TCP_SYN_RECEIVED;
	c->rcv_nxt = s->seq + 1;
	c->rcv_edge = c->rcv_nxt + u32_min(t->config.rcv_buffer, UINT16_MAX);
	/* RFC 6191: above all that the tuple's last connection sent. */
	c->snd_una = isn_floor != 0 && seq_leq(isn, isn_floor) ? isn_floor + UINT16_MAX : isn;
	c->snd_nxt = c->snd_una + 1;
	tcp_conn_negotiate(c, &s->opt);
	tcp_conn_queue_output(c);
}

void tcp_listen_input(struct tcp *t, struct tcp_segment *s, const struct pkt_facts *f, uint32_t isn_floor)
{
	int64_t listener;

	/* First an RST, second an ACK, third a SYN, as 3.10.7.2 orders; SYN with FIN or RST is nobody's honest opening. */
	if (s->flags & PKT_TCP_RST)
		return;
	if (s->flags & PKT_TCP_ACK || !(s->flags & PKT_TCP_SYN)) {
		tcp_count(t, HD_TCP_NO_CONNECTION);
		if (s->flags & (PKT_TCP_ACK | PKT_TCP_FIN) || s->len != 0)
			tcp_output_reset_for(t, s);
		return;
	}
	if (s->flags & PKT_TCP_FIN) {
		tcp_count(t, HD_TCP_BAD_FLAGS);
		return;
	}
	listener = t->ops->listener(t->ctx, f);
	if (listener < 0) {
		tcp_count(t, HD_TCP_CLOSED_PORT);
		tcp_output_reset_for(t, s);
		return;
	}
	if (t->half_open >= t->half_open_max) {
		tcp_count(t, HD_TCP_HALF_OPEN_FULL);
		return;
	}
	open_half(t, s, f, listener, isn_floor);
}
