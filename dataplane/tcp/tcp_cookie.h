/* SPDX-License-Identifier: Apache-2.0 */
/* SYN cookies (RFC 4987 3.6): a handshake that costs no state. The sequence number of the SYN-ACK
 * carries the time and the peer's MSS, keyed to the tuple; with timestamps the TSval that the peer
 * echoes carries the rest. Pure arithmetic. */
#ifndef TCP_COOKIE_H
#define TCP_COOKIE_H

#include "pkt.h"
#include "tcp_options.h"

#define TCP_COOKIE_LIFE_NS (2 * TCP_COOKIE_PERIOD_NS) /* at most so long a cookie is good */
#define TCP_COOKIE_PERIOD_NS (UINT64_C(1) << 36)      /* 69 s */

/* The sequence number of a SYN-ACK to this SYN. */
uint32_t tcp_cookie_make(const uint64_t secret[2], const struct flow_key *key, uint32_t peer_isn,
			 uint16_t peer_mss, hd_ns now);
/* The MSS that an acknowledged cookie stands for, 0 when it is none of ours or too old. */
uint16_t tcp_cookie_check(const uint64_t secret[2], const struct flow_key *key, uint32_t peer_isn,
			  uint32_t cookie, hd_ns now);

/* A timestamp at or just below `timestamp` that remembers what the SYN offered. */
uint32_t tcp_cookie_timestamp(uint32_t timestamp, const struct tcp_options *offered);
/* What the SYN had offered beside MSS and timestamps, from the timestamp that came back. */
void tcp_cookie_recall(uint32_t echoed, struct tcp_options *offered);

#endif
