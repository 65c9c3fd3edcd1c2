/* SPDX-License-Identifier: Apache-2.0 */
/* The timers of a connection behind one entry of the wheel. The entry is armed for the earliest and
 * left alone when that moves later: an entry that fires early looks again. So an ACK costs no work
 * on the wheel. */
#include "tcp_stack.h"

#define FIRES_PER_TURN 256    /* connections whose timers are served in one call */
#define RELEASED_PROBES_MAX 8 /* zero-window probes for a connection that nobody owns any more */
#define SYNACK_RETRIES_CROWDED 1
#define RTO_AFTER_LOST_SYN_US 3000000
#define PROBE_MIN_US 10000 /* RFC 8985 7.2 leaves the floor to us */
#define PROBE_ONE_SEGMENT_US \
	50000 /* beside the RTT, for the peer's delayed ACK when only one segment is out */

static hd_ns after_us(const struct tcp *t, uint32_t at_us)
{
	int32_t in = (int32_t)(at_us - t->now_us);

	return in <= 0 ? t->now : t->now + (hd_ns)in * HD_NS_PER_US;
}

static hd_ns after_ms(const struct tcp *t, uint32_t at_ms)
{
	int32_t in = (int32_t)(at_ms - t->now_ms);

	return in <= 0 ? t->now : t->now + (hd_ns)in * HD_NS_PER_MS;
}

void tcp_timers_arm(struct tcp *t, struct tcp_conn *c)
{
	hd_ns at = HD_NS_NEVER, other;

	if (c->rtx_us != 0)
		at = after_us(t, c->rtx_us);
	if (c->delack_us != 0 && (other = after_us(t, c->delack_us)) < at)
		at = other;
	if (c->state_ms != 0 && (other = after_ms(t, c->state_ms)) < at)
		at = other;
	if (at != HD_NS_NEVER && (!wheel_is_armed(&c->timer) || at < c->timer.deadline))
		wheel_arm(&t->wheel, &c->timer, at);
}

/* The entry already lies where a deadline so far ahead needs it, or earlier: nothing to compute. */
static int is_armed_within(const struct tcp *t, const struct tcp_conn *c, uint32_t in_us)
{
	return wheel_is_armed(&c->timer) &&
	       c->timer.deadline <= t->now + (hd_ns)in_us * HD_NS_PER_US;
}

uint32_t tcp_timers_rto_us(const struct tcp *t, const struct tcp_conn *c)
{
	struct tcp_rto_limits after_lost_syn = t->rto;

	if (c->rtt.srtt_8us != 0 || !(c->flags & TCP_F_SYN_RESENT) || !tcp_conn_is_synchronized(c))
		return tcp_rtt_timeout_us(&c->rtt, &t->rto, c->backoff);
	after_lost_syn.initial_us =
		u32_max(t->rto.initial_us, RTO_AFTER_LOST_SYN_US); /* RFC 6298 5.7 */
	return tcp_rtt_timeout_us(&c->rtt, &after_lost_syn, c->backoff);
}

void tcp_timers_set_rtx_at(struct tcp *t, struct tcp_conn *c, enum tcp_rtx_kind kind,
			   uint32_t in_us)
{
	c->rtx_kind = (uint8_t)kind;
	c->rtx_us = tcp_deadline(t->now_us + in_us);
	if (!is_armed_within(t, c, in_us))
		tcp_timers_arm(t, c);
}

/* RFC 8985 7.2: 2 SRTT, and time for a delayed ACK when it could be one. */
static uint32_t probe_timeout_us(const struct tcp_conn *c)
{
	uint32_t us = 2 * tcp_rtt_smoothed_us(&c->rtt);

	if (c->sb->n <= 1)
		us += PROBE_ONE_SEGMENT_US;
	return us < PROBE_MIN_US ? PROBE_MIN_US : us;
}

static int may_probe(const struct tcp_conn *c)
{
	const struct tcp_scoreboard *b = c->sb;

	return c->flags & TCP_F_SACK && c->rtt.srtt_8us != 0 && c->backoff == 0 &&
	       b->state == TCP_OPEN && b->sacked == 0 && !b->probe_out;
}

void tcp_timers_set_rtx(struct tcp *t, struct tcp_conn *c)
{
	if (c->snd_una != c->snd_nxt) {
		uint32_t rto = tcp_timers_rto_us(t, c);
		uint32_t probe = may_probe(c) ? probe_timeout_us(c) : rto;

		tcp_timers_set_rtx_at(t, c, probe < rto ? TCP_RTX_PROBE : TCP_RTX_TIMEOUT,
				      u32_min(probe, rto));
	} else if (c->flags & TCP_F_WINDOW_SMALL) {
		if (c->rtx_us == 0 || c->rtx_kind != TCP_RTX_PERSIST)
			tcp_timers_set_rtx_at(t, c, TCP_RTX_PERSIST, tcp_timers_rto_us(t, c));
	} else {
		c->rtx_us = 0;
	}
}

/* With several segments out a sender probes for a loss of the last after two round trips and a few
 * milliseconds, without allowing for a delayed ACK (RFC 8985 7.2): Linux after 8. */
#define DELAY_OF_SEVERAL_US 4000
#define DELAY_OF_AWAITED_US 200 /* what is written apart without Nagle's delay comes sooner */

void tcp_timers_set_delack(struct tcp *t, struct tcp_conn *c)
{
	uint32_t in = (uint32_t)(t->config.delayed_ack / HD_NS_PER_US), at;

	if (c->unacked & TCP_UNACKED_MORE)
		in = u32_min(in, DELAY_OF_SEVERAL_US);
	if (c->flags & TCP_F_ACK_SOON)
		in = u32_min(in, DELAY_OF_AWAITED_US);
	at = tcp_deadline(t->now_us + in);
	if (c->delack_us != 0 && (int32_t)(at - c->delack_us) >= 0)
		return;
	c->delack_us = at;
	if (!is_armed_within(t, c, in))
		tcp_timers_arm(t, c);
}

void tcp_timers_set_state(struct tcp *t, struct tcp_conn *c, hd_ns in)
{
	c->state_ms =
		in == HD_NS_NEVER ? 0 : tcp_deadline(t->now_ms + (uint32_t)(in / HD_NS_PER_MS));
	tcp_timers_arm(t, c);
}

static int is_silent_for(const struct tcp *t, const struct tcp_conn *c, hd_ns limit)
{
	return (hd_ns)(t->now_ms - c->heard_ms) * HD_NS_PER_MS >= limit;
}

/* While many handshakes are open their answers are not waited for as long: a flood ages quickly. */
static uint8_t syn_retries(const struct tcp *t, const struct tcp_conn *c)
{
	if (c->state == TCP_SYN_SENT || c->flags & TCP_F_ACTIVE)
		return t->config.syn_retries;
	if (t->half_open > t->half_open_max / 2 &&
	    t->config.synack_retries > SYNACK_RETRIES_CROWDED)
		return SYNACK_RETRIES_CROWDED;
	return t->config.synack_retries;
}

/* RFC 6298 5.4 to 5.7 for SYN and SYN-ACK. */
static void fire_syn(struct tcp *t, struct tcp_conn *c)
{
	uint8_t limit = syn_retries(t, c);

	if (c->backoff >= limit) {
		tcp_count(t, HD_TCP_TIMEOUTS);
		tcp_conn_fail(c, TCP_ERR_TIMEOUT);
		return;
	}
	c->backoff++;
	c->flags |= TCP_F_SYN_RESENT;
	tcp_count(t, HD_TCP_RETRANSMITS);
	tcp_output_syn(t, c);
}

/* RFC 5482: how long data may stay unacknowledged. The peer's ACKs of other things do not count as
 * progress of these. */
static int is_given_up(const struct tcp *t, const struct tcp_conn *c)
{
	/* A peer that closed its window is alive as long as it answers (RFC 9293 MUST-37). */
	if (c->snd_wnd == 0)
		return is_silent_for(t, c, t->config.user_timeout);
	return (hd_ns)(t->now_ms - c->sb->progress_ms) * HD_NS_PER_MS >= t->config.user_timeout;
}

static void fire_timeout(struct tcp *t, struct tcp_conn *c)
{
	if (!tcp_conn_is_synchronized(c)) {
		fire_syn(t, c);
		return;
	}
	if (c->sb == NULL || c->sb->n == 0) {
		tcp_conn_queue_output(c);
		return;
	}
	if (is_given_up(t, c)) {
		tcp_count(t, HD_TCP_TIMEOUTS);
		tcp_output_reset(t, c);
		tcp_conn_fail(c, TCP_ERR_TIMEOUT);
		return;
	}
	tcp_recovery_timeout(t, c);
}

/* RFC 9293 3.8.6.1, and the override timer of 3.8.6.2.1. */
static void fire_persist(struct tcp *t, struct tcp_conn *c)
{
	if (is_silent_for(t, c, t->config.user_timeout) ||
	    (c->flags & TCP_F_RELEASED && c->backoff >= RELEASED_PROBES_MAX)) {
		tcp_count(t, HD_TCP_TIMEOUTS);
		tcp_output_reset(t, c);
		tcp_conn_fail(c, TCP_ERR_TIMEOUT);
		return;
	}
	if (c->snd_wnd == 0) {
		tcp_output_probe(t, c);
		tcp_count(t, HD_TCP_WINDOW_PROBES);
	} else {
		tcp_output_override(t, c);
	}
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	if (c->snd_una == c->snd_nxt)
		tcp_timers_set_rtx_at(t, c, TCP_RTX_PERSIST, tcp_timers_rto_us(t, c));
}

static void fire_rtx(struct tcp *t, struct tcp_conn *c)
{
	c->rtx_us = 0;
	switch ((enum tcp_rtx_kind)c->rtx_kind) {
	case TCP_RTX_TIMEOUT:
		fire_timeout(t, c);
		break;
	case TCP_RTX_PERSIST:
		fire_persist(t, c);
		break;
	case TCP_RTX_PROBE:
		tcp_output_loss_probe(t, c);
		break;
	case TCP_RTX_REORDER:
		tcp_recovery_reorder_timeout(t, c);
		break;
	}
}

/* RFC 9293 3.8.4. */
static void fire_keepalive(struct tcp *t, struct tcp_conn *c)
{
	hd_ns idle = (hd_ns)(t->now_ms - c->heard_ms) * HD_NS_PER_MS,
	      time = c->keepalive_time_s * HD_NS_PER_S;

	if (idle < time) {
		c->keepalive_sent = 0;
		tcp_timers_set_state(t, c, time - idle);
		return;
	}
	if (c->keepalive_sent >= c->keepalive_probes) {
		tcp_count(t, HD_TCP_TIMEOUTS);
		tcp_output_reset(t, c);
		tcp_conn_fail(c, TCP_ERR_TIMEOUT);
		return;
	}
	c->keepalive_sent++;
	tcp_output_probe(t, c);
	tcp_timers_set_state(t, c, c->keepalive_interval_s * HD_NS_PER_S);
}

static void fire_state(struct tcp *t, struct tcp_conn *c)
{
	c->state_ms = 0;
	switch ((enum tcp_state)c->state) {
	case TCP_SYN_SENT:
	case TCP_SYN_RECEIVED:
		tcp_count(t, HD_TCP_TIMEOUTS);
		if (c->state == TCP_SYN_RECEIVED)
			tcp_output_reset(t, c);
		tcp_conn_fail(c, TCP_ERR_TIMEOUT);
		return;
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
		if (c->keepalive_probes != 0)
			fire_keepalive(t, c);
		return;
	case TCP_FIN_WAIT_2:
		tcp_count(t, HD_TCP_FIN_WAIT_2_EXPIRED);
		tcp_conn_fail(c, TCP_ERR_TIMEOUT);
		return;
	default:
		return;
	}
}

static int is_due(uint32_t at, uint32_t now)
{
	return at != 0 && (int32_t)(at - now) <= 0;
}

/* Each step may end the connection; its memory stays readable, for nothing is taken from the pool
 * meanwhile. */
static void fire(struct tcp *t, struct tcp_conn *c)
{
	if (is_due(c->delack_us, t->now_us)) {
		c->delack_us = 0;
		c->flags |= TCP_F_ACK_NOW;
		tcp_conn_queue_output(c);
	}
	/* Before the other: who gives up now does not send once more. */
	if (is_due(c->state_ms, t->now_ms))
		fire_state(t, c);
	if (is_due(c->rtx_us, t->now_us))
		fire_rtx(t, c);
	if (c->state == TCP_CLOSED)
		return;
	/* Nothing in flight for a timeout's time: what it needed goes, and the window with it (RFC
	 * 9293's idle restart). */
	if (c->sb != NULL && c->sb->n == 0 && c->rtx_us == 0)
		tcp_conn_drop_scoreboard(c);
	tcp_timers_arm(t, c);
}

void tcp_timers_run(struct tcp *t, hd_ns now)
{
	uint32_t budget = FIRES_PER_TURN;
	struct wheel_timer *w;

	tcp_set_now(t, now);
	while ((w = wheel_pop(&t->wheel, now, &budget)) != NULL)
		fire(t, hd_container_of(w, struct tcp_conn, timer));
	tcp_wait_expire(t);
}
