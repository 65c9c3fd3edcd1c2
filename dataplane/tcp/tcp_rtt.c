/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_rtt.h"

#define SAMPLE_MAX_US (120u * 1000 * 1000) /* keeps eight times the value within 32 bits */

void tcp_rtt_sample(struct tcp_rtt *r, uint32_t us)
{
	us = us == 0 ? 1 : us > SAMPLE_MAX_US ? SAMPLE_MAX_US : us;
	/* The floor forgets 1/1024 a sample, so that a path that became longer is believed after a
	 * while. */
	if (r->min_us == 0 || us < r->min_us)
		r->min_us = us;
	else
		r->min_us += (us - r->min_us) >> 10;
	if (r->srtt_8us == 0) { /* RFC 6298 2.2 */
		r->srtt_8us = us << 3;
		r->rttvar_4us = us << 1;
		return;
	}
	/* RFC 6298 2.3: RTTVAR first, with the old SRTT; beta 1/4, alpha 1/8. */
	int32_t error = (int32_t)(us - (r->srtt_8us >> 3));
	uint32_t deviation = (uint32_t)(error < 0 ? -error : error);

	r->rttvar_4us = r->rttvar_4us - (r->rttvar_4us >> 2) + deviation;
	r->srtt_8us = (uint32_t)((int32_t)r->srtt_8us + error);
}

uint32_t tcp_rtt_timeout_us(const struct tcp_rtt *r, const struct tcp_rto_limits *l,
			    uint32_t backoff)
{
	uint64_t us = l->initial_us;

	/* The minimum guards the variance, as Linux has it: a steady 150 ms path with a peer that
	 * delays ACKs by 200 ms must not fire. The result never lies below RFC 6298 2.3's. */
	if (r->srtt_8us != 0)
		us = (r->srtt_8us >> 3) +
		     (uint64_t)(r->rttvar_4us > l->min_us ? r->rttvar_4us : l->min_us);
	us <<= backoff > 16 ? 16 : backoff;
	return us > l->max_us ? l->max_us : (uint32_t)us;
}
