/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a leg, as the rest of this room reads and writes them: what they travel in is
 * settled here. Plaintext costs one branch. */
#ifndef PROXY_STREAM_H
#define PROXY_STREAM_H

#include "proxy_leg.h"
#include "proxy_tls.h"

/* Received and not taken yet. Whoever takes bytes says so by proxy_leg_received. */
static inline struct bufq *proxy_leg_rx(const struct proxy_leg *leg)
{
	return hd_likely(leg->tls == NULL) ? tcp_conn_rx(leg->conn) : &leg->tls->plain;
}

static inline void proxy_leg_received(struct proxy_leg *leg, uint32_t bytes)
{
	if (hd_likely(leg->tls == NULL))
		tcp_received(leg->conn, bytes);
	else
		proxy_tls_received(leg, bytes);
}

static inline uint32_t proxy_leg_send_space(const struct proxy_leg *leg)
{
	return hd_likely(leg->tls == NULL) ? tcp_send_space(leg->conn) : proxy_tls_send_space(leg);
}

/* Moves all of q behind what is queued. */
static inline void proxy_leg_send(struct proxy *p, struct proxy_leg *leg, struct bufq *q)
{
	if (hd_likely(leg->tls == NULL))
		tcp_send(leg->conn, q);
	else
		proxy_tls_send(p, leg, q);
}

/* A question begins with what is sent next. */
static inline void proxy_leg_ask(struct proxy_leg *leg)
{
	tcp_ask(leg->conn);
	if (hd_unlikely(leg->tls != NULL))
		leg->tls->unasked = leg->tls->plain.bytes;
}

/* So many bytes at the front of what was received left the other end before it saw the question,
 * and are no answer: the caller takes them. */
static inline uint32_t proxy_leg_unasked(struct proxy_leg *leg)
{
	uint32_t n;

	if (hd_likely(leg->tls == NULL))
		return tcp_unasked(leg->conn);
	n = RTE_MIN(leg->tls->unasked, leg->tls->plain.bytes);
	leg->tls->unasked = 0;
	return n;
}

/* We cannot go on before more comes. */
static inline void proxy_leg_expects_more(struct proxy_leg *leg)
{
	tcp_expects_more(leg->conn);
}

/* Sent and not acknowledged, or received and not taken. */
static inline uint32_t proxy_leg_held(const struct proxy_leg *leg)
{
	uint32_t n = (uint32_t)(tcp_send_offset(leg->conn) - tcp_acked_offset(leg->conn)) +
		     tcp_conn_rx(leg->conn)->bytes;

	return hd_likely(leg->tls == NULL) ? n : n + leg->tls->plain.bytes + leg->tls->unsent.bytes;
}

/* We send no more; receiving goes on. */
static inline void proxy_leg_close(struct proxy *p, struct proxy_leg *leg)
{
	if (hd_likely(leg->tls == NULL))
		tcp_close(leg->conn);
	else
		proxy_tls_close(p, leg);
}

/* Its bytes end without a proper end: what came last may not be all. */
static inline int proxy_leg_is_cut(const struct proxy_leg *leg)
{
	return leg->reset | leg->broken;
}

/* An event of its own for these bits, this turn or next. */
static inline void proxy_leg_again(struct proxy_leg *leg, uint32_t events)
{
	tcp_ready_again(leg->conn, events);
}

#endif
