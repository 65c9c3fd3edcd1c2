/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that outsiders must not guess, keyed by the tuple: initial sequence numbers, timestamp
 * offsets, ports. */
#ifndef TCP_ISN_H
#define TCP_ISN_H

#include "pkt.h"

/* RFC 6528: a clock of 4 us plus a keyed function of the tuple: unpredictable across tuples, rising
 * within one. */
uint32_t tcp_isn_generate(const uint64_t secret[2], const struct flow_key *key, hd_ns now);
/* RFC 7323 5.4: the timestamp clock of each tuple starts elsewhere, and never runs back within one.
 */
uint32_t tcp_isn_timestamp_offset(const uint64_t secret[2], const struct flow_key *key);
/* A number for the n-th choice of a local port towards a remote (RFC 6056): no order, and no
 * relation between remotes. */
uint64_t tcp_isn_port_seed(const uint64_t secret[2], const struct flow_key *key, uint64_t n);

#endif
