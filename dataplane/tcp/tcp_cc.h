/* SPDX-License-Identifier: Apache-2.0 */
/* Congestion control: an algorithm is one const table. Recovery (tcp_recovery.c) decides when there
 * was a loss and what the window is meanwhile; the algorithm says how the window grows and where a
 * loss leaves it. Pure arithmetic on bytes. */
#ifndef TCP_CC_H
#define TCP_CC_H

#include <heddle/base.h>

#define TCP_CC_SSTHRESH_NONE UINT32_MAX
#define TCP_CC_INITIAL_SEGMENTS 10 /* RFC 6928 */
#define TCP_CC_STATE_WORDS 14

struct tcp_cc {
	uint32_t cwnd, ssthresh;
};

/* One ACK, outside of recovery, while the window was what held us back. */
struct tcp_cc_ack {
	uint32_t bytes; /* newly acknowledged */
	uint32_t mss;
	uint32_t now_us;
	uint32_t rtt_us; /* of this ACK; 0: no sample */
	uint32_t srtt_us;
	uint32_t una, nxt;
};

struct tcp_cc_ops {
	const char *name;
	/* state: TCP_CC_STATE_WORDS words of the algorithm's own, zero at first and after an idle
	 * time. */
	void (*acked)(struct tcp_cc *cc, uint32_t *state, const struct tcp_cc_ack *a);
	/* The new slow-start threshold after a congestion event with `flight` bytes out. */
	uint32_t (*reduced)(struct tcp_cc *cc, uint32_t *state, uint32_t flight, uint32_t mss);
};

enum tcp_cc_algorithm {
	TCP_CC_CUBIC,
	TCP_CC_NEWRENO,
	TCP_CC_ALGORITHMS
}; /* the first is the default */
extern const struct tcp_cc_ops tcp_cc_cubic, tcp_cc_newreno;

const struct tcp_cc_ops *tcp_cc_by_index(uint8_t algorithm);

static inline int tcp_cc_in_slow_start(const struct tcp_cc *cc)
{
	return cc->cwnd < cc->ssthresh;
}

/* RFC 6928 2. */
static inline uint32_t tcp_cc_initial_window(uint32_t mss)
{
	uint32_t floor = 2 * mss > 14600 ? 2 * mss : 14600;

	return TCP_CC_INITIAL_SEGMENTS * mss < floor ? TCP_CC_INITIAL_SEGMENTS * mss : floor;
}

/* RFC 5681 3.1 with byte counting (RFC 3465, L = 2): however the peer cuts its ACKs, growth follows
 * bytes. Returns the acknowledged bytes that are left when the threshold was reached. */
static inline uint32_t tcp_cc_slow_start(struct tcp_cc *cc, uint32_t bytes, uint32_t mss)
{
	uint32_t step = bytes < 2 * mss ? bytes : 2 * mss, room = cc->ssthresh - cc->cwnd;

	if (step <= room) {
		cc->cwnd += step;
		return 0;
	}
	cc->cwnd = cc->ssthresh;
	return step - room;
}

/* RFC 5681 3.1 equation 3 in bytes: one segment for each window acknowledged. */
static inline void tcp_cc_reno_avoid(struct tcp_cc *cc, uint32_t *counter, uint32_t bytes,
				     uint32_t mss)
{
	*counter += bytes;
	if (*counter >= cc->cwnd) {
		*counter -= cc->cwnd;
		cc->cwnd += mss;
	}
}

#endif
