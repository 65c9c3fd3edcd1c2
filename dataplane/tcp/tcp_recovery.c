/* SPDX-License-Identifier: Apache-2.0 */
/* Loss: when it is believed, what the window is meanwhile, and when it was no loss after all.
 * With SACK: RACK-TLP (RFC 8985), which marks at once what RFC 6675 would once three segments were
 * SACKed. Without: NewReno (RFC 6582). The window during recovery follows PRR (RFC 6937). */
#include "tcp_stack.h"

#define DUPACK_THRESHOLD 3
#define REORDER_PERSIST 16 /* RFC 8985 6.2: recoveries before a widened window shrinks */
#define REORDER_STEPS_MAX 20
#define BLACK_HOLE_TIMEOUTS 3 /* in a row */
#define BLACK_HOLE_MSS 1024

uint32_t tcp_recovery_pipe(const struct tcp_conn *c)
{
	const struct tcp_scoreboard *b = c->sb;
	uint32_t left;

	if (b == NULL)
		return 0;
	/* Without SACK each duplicate ACK says that one segment left the network (RFC 6582 3.2, RFC
	 * 3042). */
	left = c->flags & TCP_F_SACK ? 0 : (uint32_t)b->dupacks * c->mss;
	return b->pipe > left ? b->pipe - left : 0;
}

void tcp_recovery_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes, int again)
{
	struct tcp_scoreboard *b = c->sb;

	b->prr_out += bytes;
	if (!again)
		return;
	tcp_count(t, HD_TCP_RETRANSMITS);
	if (b->undo_retransmits >= 0)
		b->undo_retransmits++;
	if (b->undo_retransmits == 1)
		b->undo_sent_ms = tcp_timestamp(t, c->ts_offset);
}

static void remember_for_undo(struct tcp_conn *c)
{
	struct tcp_scoreboard *b = c->sb;

	b->undo_cwnd = c->cc.cwnd;
	b->undo_ssthresh = c->cc.ssthresh;
	b->undo_retransmits = 0;
}

static void reduce(struct tcp *t, struct tcp_conn *c)
{
	c->cc.ssthresh = t->cc->reduced(&c->cc, c->sb->cc, tcp_conn_flight(c), c->mss);
}

void tcp_recovery_congested(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_scoreboard *b = c->sb;

	if (b == NULL || b->state != TCP_OPEN || b->in_episode)
		return;
	reduce(t, c);
	c->cc.cwnd = u32_max(c->cc.ssthresh, c->mss);
	b->recovery_end = c->snd_nxt;
	b->in_episode = 1;
	c->flags |= TCP_F_CWR_DUE;
	tcp_count(t, HD_TCP_ECN_REDUCED);
}

static void enter_recovery(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_scoreboard *b = c->sb;

	remember_for_undo(c);
	b->recover_flight = u32_max(tcp_conn_flight(c), c->mss);
	reduce(t, c);
	b->state = TCP_RECOVERY;
	b->recovery_end = c->snd_nxt;
	b->in_episode = 1;
	b->prr_delivered = b->prr_out = 0;
	tcp_count(t, HD_TCP_FAST_RECOVERIES);
}

static void leave(struct tcp_conn *c)
{
	struct tcp_scoreboard *b = c->sb;

	/* RFC 6937: the window ends at what was decided; after a timeout it grew from one segment
	 * by itself. */
	if (b->state == TCP_RECOVERY)
		c->cc.cwnd = u32_max(c->cc.ssthresh, c->mss);
	b->state = TCP_OPEN;
	b->dupacks = 0;
	if (b->reo_wnd_persist > 0 && --b->reo_wnd_persist == 0)
		b->reo_wnd_steps = 1;
}

/* All of it was needless: as if nothing had happened (RFC 4015 3.2 without its optional caution).
 */
static void undo(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_scoreboard *b = c->sb;

	c->cc.cwnd = u32_max(c->cc.cwnd, b->undo_cwnd);
	c->cc.ssthresh = b->undo_ssthresh;
	/* What was taken for lost only came late: without this each such segment, as it was sent
	 * again, would never count as overtaken (RFC 8985 6.2 step 3). */
	if (b->state == TCP_RECOVERY)
		b->reordering_seen = 1;
	b->undo_retransmits = -1;
	tcp_scoreboard_unmark_lost(b);
	b->state = TCP_OPEN;
	b->dupacks = 0;
	c->backoff = 0;
	tcp_count(t, HD_TCP_UNDONE);
}

/* RFC 3522: the ACK that first moves SND.UNA echoes a timestamp older than the retransmission: the
 * original arrived. Or every retransmission was reported as a duplicate (RFC 3708). */
static int is_needless(const struct tcp_conn *c, const struct tcp_ack_context *x)
{
	const struct tcp_scoreboard *b = c->sb;

	if (b->undo_retransmits < 0 || b->state == TCP_OPEN)
		return 0;
	if (x->bytes != 0 && b->undo_retransmits > 0 && x->s->opt.present & TCP_OPTION_TS &&
	    c->flags & TCP_F_TS && seq_lt(x->s->opt.tsecr, b->undo_sent_ms))
		return 1;
	/* RFC 5682 3.1 step 3b: with only the first segment sent again, one that was sent but once
	 * and never SACKed before is acknowledged: the others were on their way. */
	if (b->state == TCP_LOSS && c->flags & TCP_F_SACK && b->undo_retransmits == 1 &&
	    x->bytes != 0 && x->a.has_rtt)
		return 1;
	return x->dsack && b->undo_retransmits == 0;
}

/* RFC 8985 6.2 steps 1 to 3. */
static void rack_update(struct tcp *t, struct tcp_conn *c, const struct tcp_ack_context *x)
{
	struct tcp_scoreboard *b = c->sb;
	uint32_t rtt = t->now_us - x->a.newest_us;

	if (x->a.reordered)
		b->reordering_seen = 1;
	if (!x->a.any)
		return;
	/* An ACK of something sent twice that comes too soon is about the first copy. */
	if (x->a.newest_again && rtt < c->rtt.min_us)
		return;
	b->rack_rtt_us = rtt;
	if (!b->rack_valid ||
	    tcp_sent_after(x->a.newest_us, x->a.newest_end, b->rack_sent_us, b->rack_end)) {
		b->rack_sent_us = x->a.newest_us;
		b->rack_end = x->a.newest_end;
		b->rack_valid = 1;
	}
}

/* Step 4: how long to wait for reordering. */
static uint32_t reorder_window_us(const struct tcp_conn *c)
{
	const struct tcp_scoreboard *b = c->sb;
	uint32_t us;

	if (!b->reordering_seen && (b->state != TCP_OPEN || b->sacked_records >= DUPACK_THRESHOLD))
		return 0;
	us = c->rtt.min_us / 4 * b->reo_wnd_steps;
	return u32_min(us, tcp_rtt_smoothed_us(&c->rtt));
}

/* A DSACK says that the window was too short (step 4, once a round trip). */
static void widen_reorder_window(struct tcp_conn *c)
{
	struct tcp_scoreboard *b = c->sb;

	if (b->dsack_round_open && seq_lt(c->snd_una, b->dsack_round_end))
		return;
	b->dsack_round_open = 1;
	b->dsack_round_end = c->snd_nxt;
	if (b->reo_wnd_steps < REORDER_STEPS_MAX)
		b->reo_wnd_steps++;
	b->reo_wnd_persist = REORDER_PERSIST;
}

/* Step 5. Returns the time until the next record is due, 0 when none waits. */
static uint32_t rack_detect(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_scoreboard *b = c->sb;
	uint32_t window = reorder_window_us(c), wait = 0;

	if (!b->rack_valid)
		return 0;
	for (uint32_t i = 0; i < b->n; i++) {
		struct tcp_sent *s = tcp_scoreboard_at(b, i);

		if (s->flags & (TCP_SENT_SACKED | TCP_SENT_LOST) ||
		    !tcp_sent_after(b->rack_sent_us, b->rack_end, s->sent_us, s->seq + s->len))
			continue;

		int32_t left = (int32_t)(s->sent_us + b->rack_rtt_us + window - t->now_us);

		if (left <= 0)
			tcp_scoreboard_mark_lost(b, s);
		else
			wait = u32_max(wait, (uint32_t)left);
	}
	return wait;
}

/* RFC 6582 3.2: the third duplicate ACK, and each partial ACK, condemn the first segment. */
static void newreno_detect(struct tcp_conn *c, const struct tcp_ack_context *x)
{
	struct tcp_scoreboard *b = c->sb;

	if (b->n == 0)
		return;
	if (b->state == TCP_OPEN) {
		/* 3.2 step 1 with its careful variant: not for duplicates of what was sent before
		 * the last episode ended. */
		if (b->dupacks >= DUPACK_THRESHOLD && !b->in_episode)
			tcp_scoreboard_mark_lost(b, tcp_scoreboard_at(b, 0));
	} else if (b->state == TCP_RECOVERY && x->bytes != 0) {
		tcp_scoreboard_mark_lost(b, tcp_scoreboard_at(b, 0));
	}
}

static void count_duplicates(struct tcp_conn *c, const struct tcp_ack_context *x)
{
	struct tcp_scoreboard *b = c->sb;

	if (b->state == TCP_LOSS) { /* all that was out is taken for lost already */
		b->dupacks = 0;
	} else if (x->duplicate) {
		if (b->dupacks < UINT8_MAX)
			b->dupacks++;
	} else if (x->bytes != 0) {
		/* Deflate by what was acknowledged: those segments are no longer in the flight
		 * either. */
		uint32_t segments = (x->bytes + c->mss - 1) / c->mss;

		b->dupacks = b->state == TCP_OPEN || segments > b->dupacks
				     ? 0
				     : (uint8_t)(b->dupacks - segments + 1);
	}
}

/* RFC 6937 3.1 with the slow-start reduction bound. */
static void proportional_reduction(struct tcp_conn *c, uint32_t delivered, int at_least_one)
{
	struct tcp_scoreboard *b = c->sb;
	uint32_t pipe = tcp_recovery_pipe(c), ssthresh = c->cc.ssthresh, send;

	b->prr_delivered += delivered;
	if (pipe > ssthresh) {
		uint64_t due = ((uint64_t)b->prr_delivered * ssthresh + b->recover_flight - 1) /
			       b->recover_flight;

		send = due > b->prr_out ? (uint32_t)due - b->prr_out : 0;
	} else {
		uint32_t owed = b->prr_delivered > b->prr_out ? b->prr_delivered - b->prr_out : 0;

		send = u32_min(ssthresh - pipe, u32_max(owed, delivered) + c->mss);
	}
	if (at_least_one)
		send = u32_max(send, c->mss);
	c->cc.cwnd = u32_max(pipe + send, c->mss);
}

static uint32_t delivered_bytes(const struct tcp_conn *c, const struct tcp_ack_context *x)
{
	if (c->flags & TCP_F_SACK)
		return x->a.delivered;
	return x->duplicate ? c->mss : x->bytes;
}

static void grow(struct tcp *t, struct tcp_conn *c, const struct tcp_ack_context *x)
{
	struct tcp_cc_ack a = {
		.bytes = x->bytes,
		.mss = c->mss,
		.now_us = t->now_us,
		.rtt_us = x->rtt_us,
		.srtt_us = tcp_rtt_smoothed_us(&c->rtt),
		.una = c->snd_una,
		.nxt = c->snd_nxt,
	};

	/* RFC 7661: a window that was not used says nothing about the network. */
	if (x->bytes != 0 && x->was_limited && c->cc.cwnd < 2 * c->t->config.snd_buffer)
		t->cc->acked(&c->cc, c->sb->cc, &a);
}

/* RFC 8985 7.4: what the ACK says about a tail loss probe. */
static void judge_probe(struct tcp *t, struct tcp_conn *c, const struct tcp_ack_context *x)
{
	struct tcp_scoreboard *b = c->sb;

	if (!b->probe_out || seq_lt(c->snd_una, b->probe_end))
		return;
	if (!b->probe_was_again || x->dsack || x->duplicate) {
		b->probe_out = 0; /* new data, or the original had arrived */
	} else if (seq_gt(c->snd_una, b->probe_end)) {
		/* The probe repaired a loss: that was congestion as any other. */
		b->probe_out = 0;
		if (b->state == TCP_OPEN) {
			reduce(t, c);
			c->cc.cwnd = c->cc.ssthresh;
		}
	}
}

static void detect(struct tcp *t, struct tcp_conn *c, const struct tcp_ack_context *x)
{
	uint32_t wait;

	if (!(c->flags & TCP_F_SACK)) {
		newreno_detect(c, x);
		return;
	}
	wait = rack_detect(t, c);
	if (wait != 0)
		tcp_timers_set_rtx_at(t, c, TCP_RTX_REORDER, wait);
	else if (c->rtx_kind == TCP_RTX_REORDER)
		tcp_timers_set_rtx(t, c);
}

static void sample_rtt(struct tcp *t, struct tcp_conn *c, struct tcp_ack_context *x)
{
	if (x->a.has_rtt) {
		x->rtt_us = u32_max(t->now_us - x->a.sent_us, 1);
	} else if (x->bytes != 0 && c->flags & TCP_F_TS && x->s->opt.present & TCP_OPTION_TS) {
		/* Only what was sent twice: the echoed timestamp tells which copy (RFC 7323 4.1).
		 */
		uint32_t ms = tcp_timestamp(t, c->ts_offset) - x->s->opt.tsecr;

		if (ms <= t->rto.max_us / 1000)
			x->rtt_us = ms * 1000 + 1;
	}
	if (x->rtt_us != 0)
		tcp_rtt_sample(&c->rtt, x->rtt_us);
}

/* All that was out is acknowledged, and nothing was ever wrong with it: no loss can be found, and
 * the next flight brings RACK's times of its own. */
static int is_all_well(const struct tcp_conn *c, const struct tcp_ack_context *x)
{
	const struct tcp_scoreboard *b = c->sb;

	return b->n == 0 && x->bytes != 0 && b->state == TCP_OPEN && !b->in_episode &&
	       b->undo_retransmits < 0 && !b->probe_out && !x->dsack && !x->a.reordered &&
	       c->rtx_kind != TCP_RTX_REORDER;
}

void tcp_recovery_acked(struct tcp *t, struct tcp_conn *c, struct tcp_ack_context *x)
{
	struct tcp_scoreboard *b = c->sb;
	uint32_t lost_before = b->lost;
	int entered = 0;

	sample_rtt(t, c, x);
	if (hd_likely(is_all_well(c, x))) {
		c->backoff = 0;
		b->dupacks = 0;
		b->progress_ms = t->now_ms;
		tcp_timers_set_rtx(t, c);
		if (x->was_limited)
			grow(t, c, x);
		return;
	}
	if (x->bytes != 0) {
		c->backoff = 0;
		b->progress_ms = t->now_ms;
	}
	if (!(c->flags & TCP_F_SACK))
		count_duplicates(c, x);
	rack_update(t, c, x);
	if (x->dsack) {
		widen_reorder_window(c);
		if (b->undo_retransmits > 0)
			b->undo_retransmits--;
	}
	judge_probe(t, c, x);
	if (is_needless(c, x))
		undo(t, c);
	if (b->state != TCP_OPEN && seq_geq(c->snd_una, b->recovery_end))
		leave(c);
	if (b->state == TCP_OPEN && b->in_episode && seq_gt(c->snd_una, b->recovery_end))
		b->in_episode = 0;
	/* RFC 6298 5.3: only progress restarts the timer. A tail probe makes no sense once SACK
	 * reports a hole. */
	if (x->bytes != 0 || (c->rtx_kind == TCP_RTX_PROBE && b->sacked != 0))
		tcp_timers_set_rtx(t, c);
	detect(t, c, x);
	if (b->state == TCP_OPEN && b->lost > 0 && lost_before != b->lost) {
		enter_recovery(t, c);
		entered = 1;
	}
	/* The first retransmission does not wait, nor the one that a partial ACK asks for (RFC
	 * 6582 3.2 step 3). */
	if (b->state == TCP_RECOVERY)
		proportional_reduction(c, delivered_bytes(c, x),
				       entered || (!(c->flags & TCP_F_SACK) && x->bytes != 0));
	else
		grow(t, c, x);
}

void tcp_recovery_reorder_timeout(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_scoreboard *b = c->sb;
	struct tcp_segment nothing = { 0 };
	struct tcp_ack_context x = { .s = &nothing };

	if (b == NULL || b->n == 0)
		return;
	tcp_timers_set_rtx(t, c);
	detect(t, c, &x);
	if (b->lost == 0)
		return;
	if (b->state == TCP_OPEN) {
		enter_recovery(t, c);
		proportional_reduction(c, 0, 1);
	}
	tcp_conn_queue_output(c);
}

/* RFC 5681 3.1, RFC 6298 5.4 to 5.6. */
void tcp_recovery_timeout(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_scoreboard *b = c->sb;
	int renege = (tcp_scoreboard_at(b, 0)->flags & TCP_SENT_SACKED) != 0 || c->backoff > 0;

	/* The threshold once an episode: a timeout of what was sent again says nothing new. */
	if (b->state != TCP_LOSS) {
		if (b->state == TCP_OPEN)
			remember_for_undo(c);
		else
			b->undo_retransmits = -1;
		reduce(t, c);
	}
	b->state = TCP_LOSS;
	b->dupacks = 0;
	b->probe_out = 0;
	b->recovery_end = c->snd_nxt;
	b->in_episode = 1;
	tcp_scoreboard_mark_all_lost(b, renege);
	c->cc.cwnd = c->mss;
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	/* RFC 4821 7.6: full segments vanish again and again; perhaps only small ones get through.
	 */
	if (c->backoff == BLACK_HOLE_TIMEOUTS && tcp_scoreboard_at(b, 0)->len > BLACK_HOLE_MSS &&
	    tcp_conn_lower_mss(c, BLACK_HOLE_MSS))
		tcp_count(t, HD_TCP_BLACK_HOLES);
	tcp_count(t, HD_TCP_TIMEOUT_RETRANSMITS);
	tcp_output_resend_first(t, c);
	tcp_timers_set_rtx_at(t, c, TCP_RTX_TIMEOUT, tcp_timers_rto_us(t, c));
}
