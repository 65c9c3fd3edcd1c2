/* SPDX-License-Identifier: Apache-2.0 */
/* Segments that belong to no connection: RFC 9293 3.10.7.1 and 3.10.7.2. */
#include "tcp_cookie.h"
#include "tcp_stack.h"

#define FLOOD_MEMORY_NS (100 * HD_NS_PER_MS)

int tcp_is_flooded(const struct tcp *t, hd_ns now)
{
	return hd_unlikely(t->cookies_until != 0) &&
	       now + TCP_COOKIE_LIFE_NS < t->cookies_until + FLOOD_MEMORY_NS;
}

static struct tcp_conn *create_passive(struct tcp *t, const struct tcp_segment *s,
				       const struct pkt_facts *f)
{
	struct flow_path path = flow_path_reply(s->port);
	struct tcp_conn *c;

	if (t->ops->route(t->ctx, &s->key, &path) != 0) {
		tcp_count(t, HD_TCP_NO_ROUTE);
		return NULL;
	}
	if (t->conns.used >= t->callers_max) {
		tcp_count(t, HD_TCP_NO_ROOM);
		return NULL;
	}
	c = tcp_conn_create(t, &s->key, f->hash);
	if (c == NULL) {
		tcp_count(t, HD_TCP_NO_MEMORY);
		return NULL;
	}
	c->path = path;
	c->in_port = f->port;
	c->state = TCP_SYN_RECEIVED;
	return c;
}

/* A half-open connection, and its SYN-ACK. */
static void open_half(struct tcp *t, const struct tcp_segment *s, const struct pkt_facts *f,
		      uint32_t isn_floor)
{
	uint32_t isn = tcp_isn_generate(t->config.secret, &s->key, t->now);
	struct tcp_conn *c = create_passive(t, s, f);

	if (c == NULL)
		return;
	c->flags |= TCP_F_HALF_OPEN;
	t->half_open++;
	c->rcv_nxt = s->seq + 1;
	c->rcv_edge = c->rcv_nxt + u32_min(t->config.rcv_buffer, UINT16_MAX);
	/* RFC 6191: above all that the tuple's last connection sent. */
	c->snd_una = isn_floor != 0 && seq_leq(isn, isn_floor) ? isn_floor + UINT16_MAX : isn;
	c->snd_nxt = c->snd_una + 1;
	tcp_conn_negotiate(c, &s->opt);
	tcp_conn_queue_output(c);
}

/* Too many handshakes are open: the SYN-ACK is all there is of this one. */
static void answer_with_cookie(struct tcp *t, const struct tcp_segment *s)
{
	struct flow_path path = flow_path_reply(s->port);
	uint16_t mss = s->opt.present & TCP_OPTION_MSS ? s->opt.mss : tcp_conn_default_mss(&s->key);

	if (t->ops->route(t->ctx, &s->key, &path) != 0) {
		tcp_count(t, HD_TCP_NO_ROUTE);
		return;
	}
	t->cookies_until = t->now + TCP_COOKIE_LIFE_NS;
	tcp_count(t, HD_TCP_COOKIES_SENT);
	tcp_output_cookie(t, s, &path,
			  tcp_cookie_make(t->config.secret, &s->key, s->seq, mss, t->now));
}

/* An ACK that no connection owns may be the answer to a cookie. Returns whether it was: then there
 * is a connection. */
static int accept_cookie(struct tcp *t, struct tcp_segment *s, const struct pkt_facts *f)
{
	struct tcp_options offered = { .present = TCP_OPTION_MSS | (s->opt.present & TCP_OPTION_TS),
				       .tsval = s->opt.tsval };
	struct tcp_conn *c;

	if (t->now > t->cookies_until || (s->flags & (PKT_TCP_ACK | PKT_TCP_SYN)) != PKT_TCP_ACK)
		return 0;
	offered.mss = tcp_cookie_check(t->config.secret, &s->key, s->seq - 1, s->ack - 1, t->now);
	if (offered.mss == 0) {
		tcp_count(t, HD_TCP_COOKIES_REFUSED);
		return 0;
	}
	if (t->ops->listener(t->ctx, f) < 0)
		return 0;
	if (offered.present & TCP_OPTION_TS)
		tcp_cookie_recall(s->opt.tsecr, &offered);
	c = create_passive(t, s, f);
	if (c == NULL)
		return 1; /* the peer's next segment tries again */
	c->rcv_nxt = s->seq;
	c->rcv_edge = c->rcv_nxt + u32_min(t->config.rcv_buffer, UINT16_MAX);
	c->rcv_acked = c->rcv_nxt;
	c->snd_una = s->ack - 1;
	c->snd_nxt = s->ack;
	tcp_conn_negotiate(c, &offered);
	tcp_count(t, HD_TCP_COOKIES_ACCEPTED);
	tcp_input_slow(t, c, s);
	return 1;
}

/* 3.10.7.2, second: an ACK, or nothing that opens anything. */
static void refuse(struct tcp *t, struct tcp_segment *s, const struct pkt_facts *f)
{
	if (accept_cookie(t, s, f))
		return;
	tcp_count(t, HD_TCP_NO_CONNECTION);
	if (s->flags & (PKT_TCP_ACK | PKT_TCP_FIN) || s->len != 0)
		tcp_output_reset_for(t, s);
}

void tcp_listen_input(struct tcp *t, struct tcp_segment *s, const struct pkt_facts *f,
		      uint32_t isn_floor)
{
	/* First an RST, second an ACK, third a SYN, as 3.10.7.2 orders; SYN with FIN or RST is
	 * nobody's honest opening. */
	if (s->flags & PKT_TCP_RST)
		return;
	if (s->flags & PKT_TCP_ACK || !(s->flags & PKT_TCP_SYN)) {
		refuse(t, s, f);
		return;
	}
	if (s->flags & PKT_TCP_FIN) {
		tcp_count(t, HD_TCP_BAD_FLAGS);
		return;
	}
	if (t->ops->listener(t->ctx, f) < 0) {
		tcp_count(t, HD_TCP_CLOSED_PORT);
		tcp_output_reset_for(t, s);
		return;
	}
	if (t->half_open >= t->half_open_max)
		answer_with_cookie(t, s);
	else
		open_half(t, s, f, isn_floor);
}
