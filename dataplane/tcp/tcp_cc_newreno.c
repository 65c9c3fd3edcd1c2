/* SPDX-License-Identifier: Apache-2.0 */
/* NewReno (RFC 5681, 6582). */
#include "tcp_cc.h"

struct newreno {
	uint32_t
		avoided_bytes; /* acknowledged since the window last grew in congestion avoidance */
};
_Static_assert(sizeof(struct newreno) <= TCP_CC_STATE_WORDS * sizeof(uint32_t),
	       "fits the algorithm's state");

static void newreno_acked(struct tcp_cc *cc, uint32_t *state, const struct tcp_cc_ack *a)
{
	struct newreno *r = (struct newreno *)state;
	uint32_t bytes = a->bytes;

	if (tcp_cc_in_slow_start(cc))
		bytes = tcp_cc_slow_start(cc, bytes, a->mss);
	if (bytes != 0)
		tcp_cc_reno_avoid(cc, &r->avoided_bytes, bytes, a->mss);
}

/* RFC 5681 equation 4. */
static uint32_t newreno_reduced(struct tcp_cc *cc, uint32_t *state, uint32_t flight, uint32_t mss)
{
	struct newreno *r = (struct newreno *)state;

	r->avoided_bytes = 0;
	return flight / 2 > 2 * mss ? flight / 2 : 2 * mss;
}

const struct tcp_cc_ops tcp_cc_newreno = { .name = "newreno",
					   .acked = newreno_acked,
					   .reduced = newreno_reduced };
