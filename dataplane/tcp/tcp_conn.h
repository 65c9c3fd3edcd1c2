/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: five cache lines. What is needed only while data is in flight is in the
 * scoreboard, what is needed only above a gap in the ranges; an idle connection has neither, and no
 * buffer. TIME-WAIT has a smaller struct of its own. */
#ifndef TCP_CONN_H
#define TCP_CONN_H

#include "bufq.h"
#include "core_wheel.h"
#include "pkt.h"
#include "tcp.h"
#include "tcp_cc.h"
#include "tcp_ranges.h"
#include "tcp_rtt.h"
#include "tcp_scoreboard.h"

/* RFC 9293 3.3.2; LISTEN is the owner's, TIME-WAIT is struct tcp_wait. */
enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_SENT,
	TCP_SYN_RECEIVED,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK,
};

/* Negotiated. */
#define TCP_F_TS 0x0001
#define TCP_F_SACK 0x0002
#define TCP_F_SCALE 0x0004
#define TCP_F_ACTIVE 0x0008
/* Due at the next flush. */
#define TCP_F_ACK_NOW 0x0010
#define TCP_F_FIN_WANTED 0x0020
/* Done. */
#define TCP_F_FIN_SENT 0x0040
#define TCP_F_FIN_RECEIVED 0x0080
#define TCP_F_RELEASED 0x0100 /* the owner let go */
/* Where it is. */
#define TCP_F_IN_TABLE 0x0200
#define TCP_F_IN_READY 0x0400
#define TCP_F_IN_OUTPUT 0x0800
#define TCP_F_DEAD 0x1000      /* freed when the lists that still hold it let go */
#define TCP_F_HALF_OPEN 0x2000 /* counted among the half-open */
#define TCP_F_ORPHAN 0x20000   /* counted among the released */
/* ECN (RFC 3168): agreed; ECE goes on every ACK until CWR comes; CWR goes on the next new data. */
#define TCP_F_ECN 0x40000
#define TCP_F_ECE_OWED 0x80000
#define TCP_F_CWR_DUE 0x100000
#define TCP_F_REFUSED 0x800000 /* data came and was dropped for lack of buffers */
#define TCP_F_ACK_SOON 0x400000 /* the owner waits for more (tcp_expects_more) */
#define TCP_F_ASKED 0x200000 /* `question` is not acknowledged yet */
/* How sending stands. */
#define TCP_F_CWND_LIMITED 0x4000
#define TCP_F_SYN_RESENT 0x8000 /* RFC 6298 5.7 */
#define TCP_F_WINDOW_SMALL                                                                        \
	0x10000 /* what waits does not fit the peer's window: the persist timer runs when nothing \
		   is out */

#define TCP_UNACKED_SOME 1
#define TCP_UNACKED_MORE 4 /* in more than one segment */
#define TCP_UNACKED_FULL 2 /* a full-sized segment among it */
#define TCP_UNACKED_SMALL 8 /* the last segment was smaller than the path allows */

/* What rtx_us is for; only one of them at a time (RFC 9293 3.8.6.1). */
enum tcp_rtx_kind { TCP_RTX_TIMEOUT, TCP_RTX_PERSIST, TCP_RTX_PROBE, TCP_RTX_REORDER };

struct tcp_conn {
	/* What every segment reads. */
	uint32_t snd_una, snd_nxt;
	uint32_t snd_wnd, snd_wl1, snd_wl2;
	uint32_t rcv_nxt;
	uint32_t rcv_edge;  /* right edge of the window that was promised; never moves left */
	uint32_t rcv_acked; /* the last ACK that we sent (RFC 7323's Last.ACK.sent) */
	uint32_t ts_recent;
	union {
		uint32_t rcv_held;    /* delivered, and not yet given back by tcp_received */
		uint32_t syn_sent_us; /* until the handshake is done */
	};
	uint32_t flags;
	uint8_t state;
	uint8_t events;
	uint8_t unacked; /* data since our last ACK: TCP_UNACKED_* */
	uint8_t scales;	 /* low nibble: ours, applied to what we send; high: the peer's */
	struct tcp_scoreboard *sb;
	struct tcp_ranges *ooo;

	/* What sending reads. */
	struct bufq tx;		 /* from snd_una on (without SYN and FIN) */
	struct rte_mbuf *tx_buf; /* where snd_nxt is: NULL at the front of an empty queue */
	uint32_t tx_off;
	struct tcp_cc cc;
	uint16_t mss; /* payload of a full segment without SACK blocks */
	uint16_t peer_mss;
	uint32_t snd_wnd_max; /* largest window that the peer ever offered */
	struct tcp_rtt rtt;

	/* What the owner touches. */
	struct bufq rx;
	struct tcp_conn *ready_next;
	struct tcp_conn *output_next;
	void *user;
	uint64_t acked, received; /* bytes of the streams */

	struct flow_key key;
	struct flow_path path;
	uint32_t ts_offset;
	uint32_t heard_ms; /* last segment from the peer */
	uint8_t in_port;
	uint8_t rtx_kind;
	uint8_t keepalive_sent;
	uint8_t challenges; /* in this window (tcp_challenge.c) */

	struct wheel_timer timer; /* the one entry of the wheel, at or before the earliest of the
				     three below */
	struct tcp *t;
	uint32_t question;    /* sequence number of its first byte (tcp_ask) */
	uint32_t answer_from; /* in `received`: where the answer to it begins at the earliest */
	uint32_t rtx_us;    /* 0: off */
	uint32_t delack_us; /* 0: off */
	uint32_t state_ms;  /* connect timeout, keep-alive or FIN-WAIT-2, by state; 0: off */
	uint32_t opened_ms;
	uint16_t keepalive_time_s, keepalive_interval_s;
	uint8_t keepalive_probes;
	uint8_t backoff; /* expiries in a row */
	uint8_t error;	 /* enum tcp_error */
	uint8_t challenge_window;
};
_Static_assert(sizeof(struct tcp_conn) == 5 * HD_CACHE_LINE, "five cache lines");
_Static_assert(offsetof(struct tcp_conn, tx) == HD_CACHE_LINE,
	       "one line for what every segment reads");
_Static_assert(offsetof(struct tcp_conn, rx) == 2 * HD_CACHE_LINE, "one line for sending");

static inline uint32_t tcp_conn_scale_ours(const struct tcp_conn *c)
{
	return c->scales & 15;
}

static inline uint32_t tcp_conn_scale_peers(const struct tcp_conn *c)
{
	return c->scales >> 4;
}

/* Sequence space that is out and not acknowledged. */
static inline uint32_t tcp_conn_flight(const struct tcp_conn *c)
{
	return c->snd_nxt - c->snd_una;
}

static inline int tcp_conn_is_synchronized(const struct tcp_conn *c)
{
	return c->state >= TCP_ESTABLISHED;
}

/* Bytes of the send queue that were never sent. */
static inline uint32_t tcp_conn_unsent(const struct tcp_conn *c)
{
	uint32_t sent =
		tcp_conn_flight(c) - (c->flags & TCP_F_FIN_SENT && c->snd_una != c->snd_nxt);

	return c->state < TCP_ESTABLISHED ? c->tx.bytes : c->tx.bytes - sent;
}

#endif
