/* SPDX-License-Identifier: Apache-2.0 */
/* Explicit congestion notification (RFC 3168): heard, told, answered. ECT(1) is never sent (RFC
 * 8311). */
#include "tcp_stack.h"

#define IP_ECN_MASK 3
#define IP_ECN_CE 3

void tcp_ecn_input(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s)
{
	if (!(c->flags & TCP_F_ECN))
		return;
	if (s->flags & PKT_TCP_CWR)
		c->flags &= ~(uint32_t)TCP_F_ECE_OWED;
	if ((s->tos & IP_ECN_MASK) == IP_ECN_CE && s->len != 0) {
		tcp_count(t, HD_TCP_CE_RECEIVED);
		c->flags |= TCP_F_ECE_OWED | TCP_F_ACK_NOW;
	}
	if (s->flags & PKT_TCP_ECE)
		tcp_recovery_congested(t, c);
}
