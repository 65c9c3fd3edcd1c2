/* SPDX-License-Identifier: Apache-2.0 */
/* Round-trip time and retransmission timeout (RFC 6298). Pure arithmetic, microseconds. */
#ifndef TCP_RTT_H
#define TCP_RTT_H

#include <heddle/base.h>

struct tcp_rtt {
	uint32_t srtt_8us; /* eight times the smoothed time; 0: no sample yet */
	uint32_t rttvar_4us;
	uint32_t min_us; /* smallest sample, slowly forgotten; 0: none */
};

struct tcp_rto_limits {
	uint32_t initial_us, min_us, max_us;
};

void tcp_rtt_sample(struct tcp_rtt *r, uint32_t us);
/* The timeout after `backoff` expiries in a row: doubled for each, at most max_us. */
uint32_t tcp_rtt_timeout_us(const struct tcp_rtt *r, const struct tcp_rto_limits *l,
			    uint32_t backoff);

static inline uint32_t tcp_rtt_smoothed_us(const struct tcp_rtt *r)
{
	return r->srtt_8us >> 3;
}

#endif
