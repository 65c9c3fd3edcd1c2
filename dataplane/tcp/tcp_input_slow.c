/* SPDX-License-Identifier: Apache-2.0 */
/* Segment arrival in every state but the common case: RFC 9293 3.10.7.3 and 3.10.7.4, step by step,
 * with RFC 7323 5.3 in front and RFC 5961 inside. */
#include "tcp_stack.h"

#define TS_RECENT_IDLE_MS (24u * 24 * 3600 * 1000) /* RFC 7323 5.5 */

static uint32_t segment_end(const struct tcp_segment *s)
{
	return s->seq + s->len + !!(s->flags & PKT_TCP_SYN) + !!(s->flags & PKT_TCP_FIN);
}

void tcp_input_refuse(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	tcp_count(t, HD_TCP_AFTER_RELEASE);
	tcp_output_reset(t, c);
	tcp_conn_fail(c, TCP_ERR_ABORTED);
}

/* An ACK that tells an odd sender where we stand. */
static void challenge(struct tcp *t, struct tcp_conn *c)
{
	if (!tcp_challenge_allow(t, c))
		return;
	tcp_count(t, HD_TCP_CHALLENGE_ACKS);
	tcp_output_ack(t, c, NULL);
}

/* RFC 7323 5.3 R1: 1 when the segment must go. RST is not judged (5.2). */
static int is_paws_rejected(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	if (!(c->flags & TCP_F_TS) || s->flags & PKT_TCP_RST)
		return 0;
	if (!(s->opt.present & TCP_OPTION_TS)) { /* RFC 7323 3.2 */
		tcp_count(t, HD_TCP_NO_TIMESTAMP);
		return 1;
	}
	if (seq_geq(s->opt.tsval, c->ts_recent) || t->now_ms - c->heard_ms > TS_RECENT_IDLE_MS)
		return 0;
	tcp_count(t, HD_TCP_PAWS);
	if (s->len != 0 || tcp_challenge_allow(t, c))
		tcp_output_ack(t, c, NULL);
	return 1;
}

/* The four cases of RFC 9293 3.4 table 6. An empty segment may lie at the right edge: a peer that
 * filled our window sends its ACKs from there. */
static int is_acceptable(const struct tcp_conn *c, const struct tcp_segment *s)
{
	uint32_t window = c->rcv_edge - c->rcv_nxt, end = segment_end(s);

	if (end == s->seq)
		return s->seq - c->rcv_nxt <= window;
	if (window == 0) /* "special allowance": its ACK is taken, its data are not */
		return s->seq == c->rcv_nxt;
	return seq_lt(s->seq, c->rcv_edge) && seq_gt(end, c->rcv_nxt);
}

/* First check. What is wholly outside gets an ACK; twice received data are told by DSACK. */
static void reject_sequence(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	tcp_count(t, HD_TCP_OUT_OF_WINDOW);
	if (s->flags & PKT_TCP_RST)
		return;
	if (s->len == 0 && !(s->flags & PKT_TCP_FIN)) {
		if (tcp_challenge_allow(t, c))
			tcp_output_ack(t, c, NULL);
		return;
	}
	if (s->len != 0 && seq_leq(s->seq + s->len, c->rcv_nxt))
		s->dup = (struct tcp_sack_block){ s->seq, s->seq + s->len };
	tcp_output_ack(t, c, &s->dup);
}

/* Second check, RFC 5961 3.2. Returns whether the segment was an RST. */
static int check_reset(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	if (!(s->flags & PKT_TCP_RST))
		return 0;
	if (s->seq != c->rcv_nxt) {
		challenge(t, c);
		return 1;
	}
	tcp_count(t, HD_TCP_RESETS_RECEIVED);
	/* The reset may say more than any ACK before it: what it acknowledges was seen. */
	if (s->flags & PKT_TCP_ACK && tcp_conn_is_synchronized(c) &&
	    seq_between(c->snd_una, s->ack, c->snd_nxt))
		c->acked += u32_min(s->ack - c->snd_una, c->tx.bytes);
	tcp_conn_fail(c, TCP_ERR_RESET);
	return 1;
}

/* Cuts to the window what lies outside of it. */
static void trim(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	uint32_t old = seq_lt(s->seq, c->rcv_nxt) ? c->rcv_nxt - s->seq : 0, room;

	if (old != 0) {
		uint32_t cut = u32_min(old, s->len);

		if (cut != 0)
			s->dup = (struct tcp_sack_block){ s->seq, s->seq + cut };
		tcp_segment_cut_front(s, cut);
		s->seq = c->rcv_nxt;
		c->flags |= TCP_F_ACK_NOW;
	}
	room = c->rcv_edge - s->seq;
	if (s->len > room) {
		tcp_count(t, HD_TCP_BEYOND_WINDOW);
		tcp_segment_cut_back(s, s->len - room);
		s->flags &= (uint8_t)~PKT_TCP_FIN;
		c->flags |= TCP_F_ACK_NOW;
		tcp_conn_queue_output(c);
	}
}

/* RFC 7323 4.3 (3). */
static void update_ts_recent(struct tcp_conn *c, const struct tcp_segment *s)
{
	if (c->flags & TCP_F_TS && s->opt.present & TCP_OPTION_TS &&
	    seq_leq(s->seq, c->rcv_acked) && seq_geq(s->opt.tsval, c->ts_recent))
		c->ts_recent = s->opt.tsval;
}

/* Fifth check in SYN-RECEIVED. */
static int ack_completes_handshake(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	if (s->ack != c->snd_nxt) {
		tcp_output_reset_for(t, s);
		return 0;
	}
	tcp_conn_establish(c, s);
	return 1;
}

static int fin_is_acked(const struct tcp_conn *c)
{
	return c->flags & TCP_F_FIN_SENT && c->snd_una == c->snd_nxt;
}

/* What the acknowledgement of our FIN changes. Returns whether the connection is gone. */
static int ack_moves_state(struct tcp *t, struct tcp_conn *c)
{
	if (!fin_is_acked(c))
		return 0;
	switch ((enum tcp_state)c->state) {
	case TCP_FIN_WAIT_1:
		c->state = TCP_FIN_WAIT_2;
		if (c->flags & TCP_F_RELEASED)
			tcp_timers_set_state(t, c, t->config.fin_wait_2);
		return 0;
	case TCP_CLOSING:
		tcp_wait_enter(t, c);
		tcp_conn_finish(c);
		return 1;
	case TCP_LAST_ACK:
		tcp_conn_finish(c);
		return 1;
	default:
		return 0;
	}
}

/* Fifth check, synchronized states; RFC 5961 5.2 bounds how old an ACK may be. Returns whether the
 * segment goes on. */
static int check_ack(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	if (!seq_between(c->snd_una - c->snd_wnd_max, s->ack, c->snd_nxt)) {
		tcp_count(t, HD_TCP_BAD_ACK);
		challenge(t, c);
		return 0;
	}
	tcp_ack_input(t, c, s);
	return !ack_moves_state(t, c);
}

static int may_receive(const struct tcp_conn *c)
{
	return c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 ||
	       c->state == TCP_FIN_WAIT_2;
}

/* Data above a gap: kept, and told at once (RFC 5681 4.2). */
static void hold_above_gap(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	if (c->ooo == NULL) {
		c->ooo = core_pool_get(&t->ranges);
		if (c->ooo == NULL) {
			tcp_count(t, HD_TCP_NO_MEMORY);
			return;
		}
		tcp_ranges_init(c->ooo);
	}
	/* One buffer of a received chain after the other. */
	for (struct rte_mbuf *m = s->m, *next; m != NULL; m = next) {
		uint32_t n = m->data_len;

		next = m->next;
		m->next = NULL;
		m->nb_segs = 1;
		m->pkt_len = n;
		if (n == 0)
			rte_pktmbuf_free_seg(m);
		else if (tcp_ranges_insert(c->ooo, s->seq, m, &s->dup) == TCP_RANGES_FULL)
			tcp_count(t, HD_TCP_RANGES_FULL);
		s->seq += n;
	}
	s->m = NULL;
	if (s->flags & PKT_TCP_FIN) {
		c->ooo->has_fin = 1;
		c->ooo->fin_seq = s->fin_seq;
	}
	if (c->ooo->n == 0)
		tcp_conn_drop_ranges(c);
}

/* In order, and what waited for it. */
static void deliver_with_held(struct tcp_conn *c, struct tcp_segment *s)
{
	uint32_t before;

	if (c->ooo != NULL &&
	    seq_lt(tcp_ranges_first(c->ooo), s->seq + s->len)) /* the first copy stays */
		tcp_segment_cut_back(s, s->seq + s->len - tcp_ranges_first(c->ooo));
	if (s->len != 0)
		tcp_input_deliver(c, s);
	if (c->ooo == NULL)
		return;
	before = c->rcv_nxt;
	tcp_ranges_take(c->ooo, &c->rcv_nxt, &c->rx);
	c->received += c->rcv_nxt - before;
	c->rcv_held += c->rcv_nxt - before;
	if (c->ooo->has_fin && c->ooo->fin_seq == c->rcv_nxt) {
		s->flags |= PKT_TCP_FIN;
		s->fin_seq = c->rcv_nxt;
	}
	if (c->ooo->n == 0)
		tcp_conn_drop_ranges(c);
	c->flags |= TCP_F_ACK_NOW; /* RFC 5681 4.2: a filled gap is told at once */
}

/* Bytes that left the peer before it saw the question are no answer, in whatever order they come
 * (tcp_ask). */
static void note_unasked(struct tcp_conn *c, const struct tcp_segment *s)
{
	if (seq_leq(s->ack, c->question))
		c->answer_from = seq_max(c->answer_from, (uint32_t)c->received + s->seq + s->len -
								 c->rcv_nxt);
}

/* Seventh, the text. Returns whether the connection is still there. */
static int take_text(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	if (s->len == 0)
		return 1;
	if (!may_receive(c)) /* "this should not occur since a FIN has been received" */
		return 1;
	if (c->flags & TCP_F_RELEASED) {
		tcp_input_refuse(t, c, s);
		return 0;
	}
	note_unasked(c, s);
	if (s->seq == c->rcv_nxt) {
		deliver_with_held(c, s);
	} else {
		hold_above_gap(t, c, s);
		tcp_output_ack(t, c, &s->dup);
		return 1;
	}
	if (s->dup.start != s->dup.end)
		tcp_output_ack(t, c, &s->dup);
	return 1;
}

/* Eighth, the FIN; only when all before it was received. */
static void take_fin(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	if (!(s->flags & PKT_TCP_FIN) || s->fin_seq != c->rcv_nxt || !may_receive(c))
		return;
	c->rcv_nxt++;
	c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt);
	c->flags |= TCP_F_FIN_RECEIVED | TCP_F_ACK_NOW;
	tcp_conn_drop_ranges(c);
	tcp_conn_queue_output(c);
	tcp_conn_raise(c, TCP_EV_FIN);
	switch ((enum tcp_state)c->state) {
	case TCP_ESTABLISHED:
		c->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT_1:
		c->state = TCP_CLOSING;
		break;
	case TCP_FIN_WAIT_2:
		tcp_output_ack(t, c, NULL);
		tcp_wait_enter(t, c);
		tcp_conn_finish(c);
		break;
	default:
		break;
	}
}

/* RFC 9293 3.10.7.3. */
static void input_syn_sent(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	int acks = (s->flags & PKT_TCP_ACK) != 0, acceptable = acks && s->ack == c->snd_nxt;

	if (acks && !acceptable) {
		if (!(s->flags & PKT_TCP_RST))
			tcp_output_reset_for(t, s);
		return;
	}
	if (s->flags & PKT_TCP_RST) {
		if (acceptable) {
			tcp_count(t, HD_TCP_RESETS_RECEIVED);
			tcp_conn_fail(c, TCP_ERR_REFUSED);
		}
		return;
	}
	if (!(s->flags & PKT_TCP_SYN) || s->flags & PKT_TCP_FIN)
		return;
	c->rcv_nxt = s->seq + 1;
	c->heard_ms = t->now_ms;
	/* RFC 3168 6.1.1: the answer to an ECN-setup SYN has ECE alone; both flags are a broken
	 * reflection. */
	if (acks && t->config.ecn == TCP_ECN_ASK && !(c->flags & TCP_F_SYN_RESENT) &&
	    (s->flags & (PKT_TCP_ECE | PKT_TCP_CWR)) == PKT_TCP_ECE)
		s->opt.present |= TCP_OPTION_ECN;
	else if (acks)
		s->opt.present &= (uint8_t)~TCP_OPTION_ECN;
	tcp_conn_negotiate(c, &s->opt);
	c->rcv_edge = c->rcv_nxt + u32_min(t->config.rcv_buffer, UINT16_MAX);
	if (!acceptable) { /* simultaneous open (3.5, figure 8) */
		c->state = TCP_SYN_RECEIVED;
		tcp_output_syn(t, c);
		return;
	}
	c->rcv_acked = s->seq;
	tcp_conn_establish(c, s);
	/* Data on the SYN-ACK are left for the peer to send again. */
	c->flags |= TCP_F_ACK_NOW;
}

/* A SYN-ACK or SYN that we know already, while our own may be lost. Returns whether it was handled.
 */
static int input_repeated_syn(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	if (!(s->flags & PKT_TCP_SYN) || s->seq + 1 != c->rcv_nxt || s->flags & PKT_TCP_RST)
		return 0;
	if (s->flags & PKT_TCP_ACK) { /* figure 8, line 6: the crossing SYN with its ACK */
		s->flags &= (uint8_t)~PKT_TCP_SYN;
		s->seq++;
		return 0;
	}
	c->flags |= TCP_F_SYN_RESENT;
	if (tcp_challenge_allow(t, c))
		tcp_output_syn(t, c);
	return 1;
}

/* RFC 9293 3.10.7.4. */
static void input_in_order_of_rfc(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	if (is_paws_rejected(t, c, s))
		return;
	if (!is_acceptable(c, s)) {
		reject_sequence(t, c, s);
		return;
	}
	if (check_reset(t, c, s))
		return;
	if (s->flags & PKT_TCP_SYN) { /* fourth: RFC 5961 4.2 */
		challenge(t, c);
		return;
	}
	if (!(s->flags & PKT_TCP_ACK)) {
		tcp_count(t, HD_TCP_BAD_FLAGS);
		return;
	}
	c->heard_ms = t->now_ms;
	update_ts_recent(c, s);
	if (c->state == TCP_SYN_RECEIVED) {
		if (!ack_completes_handshake(t, c, s))
			return;
	} else if (!check_ack(t, c, s)) {
		return;
	}
	s->fin_seq = s->seq + s->len;
	tcp_ecn_input(t, c, s);
	trim(t, c, s);
	if (take_text(t, c, s))
		take_fin(t, c, s);
}

void tcp_input_slow(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	if (!(s->flags & PKT_TCP_SYN)) /* RFC 7323 2.2 */
		s->wnd <<= tcp_conn_scale_peers(c);
	if (c->state == TCP_SYN_SENT) {
		input_syn_sent(t, c, s);
		return;
	}
	if (c->state == TCP_SYN_RECEIVED && input_repeated_syn(t, c, s))
		return;
	input_in_order_of_rfc(t, c, s);
	if (c->state != TCP_CLOSED && c->flags & TCP_F_ACK_NOW)
		tcp_conn_queue_output(c);
}
