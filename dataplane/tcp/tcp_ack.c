/* SPDX-License-Identifier: Apache-2.0 */
/* What an acceptable ACK field changes: RFC 9293 3.10.7.4, "fifth, check the ACK field". */
#include "tcp_stack.h"

/* SND.WL1 and SND.WL2 keep an older segment from moving the window. Returns whether it changed. */
static int update_window(struct tcp_conn *c, const struct tcp_segment *s)
{
	uint32_t before = c->snd_wnd;

	if (!seq_lt(c->snd_wl1, s->seq) && !(c->snd_wl1 == s->seq && seq_leq(c->snd_wl2, s->ack)))
		return 0;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	c->snd_wnd = s->wnd;
	c->snd_wnd_max = u32_max(c->snd_wnd_max, s->wnd);
	return before != s->wnd;
}

/* RFC 2018 5.1, RFC 2883 4: the first block repeats what the ACK covers, or lies inside the second.
 */
static int is_dsack(const struct tcp_conn *c, const struct tcp_segment *s)
{
	const struct tcp_sack_block *first = &s->opt.sack[0], *second = &s->opt.sack[1];

	if (s->opt.n_sack == 0 || !seq_lt(first->start, first->end))
		return 0;
	if (seq_leq(first->end, s->ack))
		return s->ack - first->start <= c->snd_wnd_max + UINT16_MAX;
	return s->opt.n_sack > 1 && seq_geq(first->start, second->start) &&
	       seq_leq(first->end, second->end);
}

static void take_sack(struct tcp_conn *c, const struct tcp_segment *s, struct tcp_ack_context *x)
{
	x->dsack = (uint8_t)is_dsack(c, s);
	for (uint32_t i = x->dsack; i < s->opt.n_sack; i++) {
		const struct tcp_sack_block *k = &s->opt.sack[i];

		/* Blocks about what we never sent, what is acknowledged, or upside down, say
		 * nothing. */
		if (seq_lt(k->start, k->end) && seq_gt(k->start, c->snd_una) &&
		    seq_leq(k->end, c->snd_nxt))
			tcp_scoreboard_sack(c->sb, k->start, k->end, &x->a);
	}
}

/* The stream's own bytes among n of sequence space: our FIN is no byte. */
static uint32_t stream_bytes(const struct tcp_conn *c, uint32_t n)
{
	return n > c->tx.bytes ? c->tx.bytes : n;
}

void tcp_ack_input(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	uint32_t bytes = s->ack - c->snd_una;
	struct tcp_ack_context x = { .s = s,
				     .flight = tcp_conn_flight(c),
				     .was_limited = (c->flags & TCP_F_CWND_LIMITED) != 0 };
	int opened;

	if ((int32_t)bytes < 0) /* an old one: neither its window nor its SACK says anything new */
		return;
	opened = update_window(c, s);
	if (x.flight == 0) {
		/* RFC 8985 7.4.2: the copy that a tail probe sent arrived beside the original. */
		if (c->sb != NULL && s->len == 0)
			c->sb->probe_out = 0;
		if (opened) {
			if (c->snd_wnd != 0) /* the answer to a probe that changes nothing does not
						shorten the next wait */
				c->backoff = 0;
			tcp_conn_queue_output(c);
		}
		return;
	}
	x.bytes = bytes;
	x.duplicate =
		bytes == 0 && s->len == 0 && !opened && !(s->flags & (PKT_TCP_FIN | PKT_TCP_SYN));
	if (bytes != 0) {
		uint32_t stream = stream_bytes(c, bytes);

		tcp_scoreboard_ack(c->sb, s->ack, &x.a);
		c->snd_una = s->ack;
		c->acked += stream;
		if (c->flags & TCP_F_ASKED && seq_gt(s->ack, c->question)) {
			c->flags &= ~(uint32_t)TCP_F_ASKED;
			c->answer_from = seq_max(c->answer_from, (uint32_t)c->received);
		}
		if (stream != 0) {
			tcp_output_acked(c, stream);
			tcp_conn_raise(c, TCP_EV_WRITABLE);
		}
		if (t->ops->confirm != NULL)
			t->ops->confirm(t->ctx, &c->path);
	}
	if (c->flags & TCP_F_SACK && s->opt.n_sack != 0)
		take_sack(c, s, &x);
	if (bytes == 0 && !x.duplicate && s->opt.n_sack == 0 && !opened)
		return;
	tcp_recovery_acked(t, c, &x);
	if (tcp_conn_unsent(c) != 0 || c->sb->lost != 0 || c->flags & TCP_F_FIN_WANTED)
		tcp_conn_queue_output(c);
}
