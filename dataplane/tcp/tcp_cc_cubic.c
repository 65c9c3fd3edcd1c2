/* SPDX-License-Identifier: Apache-2.0 */
/* CUBIC (RFC 9438) with HyStart++ (RFC 9406) in the first slow start. Bytes and milliseconds in
 * 64-bit integers. */
#include "tcp_cc.h"

/* Of RFC 9438 4.6 and 4.3: beta 0.7, alpha 3 (1 - beta) / (1 + beta), C 0.4. */
#define BETA_NUM 7
#define BETA_DEN 10
#define ALPHA_NUM 9
#define ALPHA_DEN 17
#define C_DEN UINT64_C(2500000000) /* 1 / C in cubic milliseconds */
#define T_MAX_MS 200000		   /* keeps the cube within 64 bits */

/* RFC 9406 4.3. */
#define HYSTART_SAMPLES 8
#define HYSTART_MIN_US 4000
#define HYSTART_MAX_US 16000
#define HYSTART_CSS_GROWTH 4
#define HYSTART_CSS_ROUNDS 5

struct cubic {
	uint32_t w_max; /* window before the last reduction, with fast convergence; 0: none yet */
	uint32_t prior; /* the same without */
	uint32_t k_ms;
	uint32_t epoch_us; /* when this stage of avoidance began */
	uint32_t w_est;	   /* what Reno would have */
	uint32_t fraction; /* acknowledged bytes that did not yet add to w_est */
	uint32_t last_us;
	uint8_t in_epoch, in_css, css_rounds, samples;
	uint32_t round_end, round_min_us, last_round_min_us, baseline_us;
};
_Static_assert(sizeof(struct cubic) <= TCP_CC_STATE_WORDS * sizeof(uint32_t),
	       "fits the algorithm's state");

/* The integer cube root, bit by bit: once a congestion event. */
static uint32_t cube_root(uint64_t x)
{
	uint64_t y = 0;

	for (int s = 63; s >= 0; s -= 3) {
		uint64_t b;

		y *= 2;
		b = (3 * y * (y + 1) + 1) << s;
		if (x >= b && b >> s == 3 * y * (y + 1) + 1) {
			x -= b;
			y++;
		}
	}
	return (uint32_t)y;
}

/* RFC 9438 4.2. */
static uint64_t window_at(const struct cubic *q, uint32_t t_ms, uint32_t mss)
{
	int64_t d = (int64_t)(t_ms > T_MAX_MS ? T_MAX_MS : t_ms) - q->k_ms, w;

	if (d < -T_MAX_MS)
		d = -T_MAX_MS;
	w = d * d * d / (int64_t)(C_DEN / 1000) * mss / 1000 + q->w_max;
	return w < 0 ? 0 : (uint64_t)w;
}

static void begin_epoch(struct cubic *q, const struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
	q->in_epoch = 1;
	q->epoch_us = q->last_us = a->now_us;
	q->w_est = cc->cwnd;
	q->fraction = 0;
	q->k_ms = 0;
	if (q->w_max > cc->cwnd)
		q->k_ms = cube_root((q->w_max - cc->cwnd) * C_DEN / a->mss);
	else
		q->w_max = cc->cwnd;
}

/* RFC 9438 4.3. */
static void grow_as_reno(struct cubic *q, const struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
	uint64_t scaled = (uint64_t)a->bytes * a->mss;

	if (q->w_est < q->prior)
		scaled = scaled * ALPHA_NUM / ALPHA_DEN;
	scaled += q->fraction;
	q->w_est += (uint32_t)(scaled / cc->cwnd);
	q->fraction = (uint32_t)(scaled % cc->cwnd);
}

static void avoid(struct tcp_cc *cc, struct cubic *q, const struct tcp_cc_ack *a)
{
	uint32_t t_ms;
	uint64_t now, target, limit = cc->cwnd + cc->cwnd / 2;

	if (!q->in_epoch)
		begin_epoch(q, cc, a);
	/* 5.8: time in which the window was not used does not count. */
	if (a->now_us - q->last_us > 2 * a->srtt_us)
		q->epoch_us += a->now_us - q->last_us - a->srtt_us;
	q->last_us = a->now_us;
	grow_as_reno(q, cc, a);
	t_ms = (a->now_us - q->epoch_us) / 1000;
	now = window_at(q, t_ms, a->mss);
	if (now < q->w_est) {
		cc->cwnd = q->w_est > cc->cwnd ? q->w_est : cc->cwnd;
		return;
	}
	target = window_at(q, t_ms + a->srtt_us / 1000, a->mss);
	target = target > limit ? limit : target;
	if (target > cc->cwnd)
		cc->cwnd += (uint32_t)((target - cc->cwnd) * a->bytes / cc->cwnd);
}

static void new_round(struct cubic *q, struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
	q->round_end = a->nxt;
	q->last_round_min_us = q->round_min_us;
	q->round_min_us = 0;
	q->samples = 0;
	if (q->in_css && ++q->css_rounds >= HYSTART_CSS_ROUNDS)
		cc->ssthresh = cc->cwnd;
}

/* RFC 9406 4.2: a round trip that grows while the window grows is a queue that fills. */
static void watch_delay(struct cubic *q, struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
	uint32_t threshold = q->last_round_min_us / 8;

	if (q->round_end == 0 || (int32_t)(a->una - q->round_end) >= 0)
		new_round(q, cc, a);
	if (a->rtt_us == 0)
		return;
	if (q->round_min_us == 0 || a->rtt_us < q->round_min_us)
		q->round_min_us = a->rtt_us;
	if (q->samples < UINT8_MAX)
		q->samples++;
	if (q->samples < HYSTART_SAMPLES || q->last_round_min_us == 0)
		return;
	threshold = threshold < HYSTART_MIN_US	 ? HYSTART_MIN_US
		    : threshold > HYSTART_MAX_US ? HYSTART_MAX_US
						 : threshold;
	if (!q->in_css && q->round_min_us >= q->last_round_min_us + threshold) {
		q->in_css = 1;
		q->css_rounds = 0;
		q->baseline_us = q->round_min_us;
	} else if (q->in_css && q->round_min_us < q->baseline_us) {
		q->in_css = 0;
	}
}

static void cubic_acked(struct tcp_cc *cc, uint32_t *state, const struct tcp_cc_ack *a)
{
	struct cubic *q = (struct cubic *)state;

	if (!tcp_cc_in_slow_start(cc)) {
		avoid(cc, q, a);
		return;
	}
	if (cc->ssthresh == TCP_CC_SSTHRESH_NONE)
		watch_delay(q, cc, a);
	tcp_cc_slow_start(cc, q->in_css ? a->bytes / HYSTART_CSS_GROWTH : a->bytes, a->mss);
}

/* RFC 9438 4.6 and 4.7. */
static uint32_t cubic_reduced(struct tcp_cc *cc, uint32_t *state, uint32_t flight, uint32_t mss)
{
	struct cubic *q = (struct cubic *)state;
	uint32_t ssthresh = (uint32_t)((uint64_t)flight * BETA_NUM / BETA_DEN);

	q->prior = cc->cwnd;
	q->w_max = cc->cwnd < q->w_max
			   ? (uint32_t)((uint64_t)cc->cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN))
			   : cc->cwnd;
	q->in_epoch = 0;
	q->in_css = 0;
	return ssthresh > 2 * mss ? ssthresh : 2 * mss;
}

const struct tcp_cc_ops tcp_cc_cubic = { .name = "cubic",
					 .acked = cubic_acked,
					 .reduced = cubic_reduced };
