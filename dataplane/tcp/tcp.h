/* SPDX-License-Identifier: Apache-2.0 */
/* Heddle's TCP: bytes and time in, bytes and events out. One `struct tcp` a worker; nothing here is
 * shared.
 *
 * Turn: tcp_input_burst (what net received) -> tcp_timers_run -> the owner drains tcp_ready_next
 * and calls tcp_send, tcp_received, tcp_close, … -> tcp_flush builds all segments and ACKs that the
 * turn made due. Standards: RFC 9293, 7323, 2018, 2883, 5681, 6298, 6582, 6675, 5961, 6528, 6056;
 * docs/tcp.md lists deviations.
 */
#ifndef TCP_TCP_H
#define TCP_TCP_H

#include <heddle/stats.h>

#include "bufq.h"
#include "core_supply.h"
#include "pkt.h"

struct tcp;
struct tcp_conn;

/* What tcp asks of its owner. All calls come from inside the worker's turn. */
struct tcp_ops {
	/* A SYN for this tuple: whether somebody listens (>= 0), or -1: no such port (a reset
	 * answers). */
	int64_t (*listener)(void *ctx, const struct pkt_facts *f);
	/* Takes a TCP segment: m's data starts at the TCP header (checksum field zero), with room
	 * for the lower headers in front; payload may follow in further segments of the chain. net
	 * fills checksum, IP and Ethernet. `tos` is the DSCP and ECN byte. payload_sum: as
	 * pkt_facts says, or -1. Always consumes m. path is updated. True: its port keeps no pace;
	 * data that nobody waits for are better not sent before the next turn. */
	int (*xmit)(void *ctx, struct rte_mbuf *m, const struct flow_key *key,
		    struct flow_path *path, uint8_t tos, int32_t payload_sum);
	/* Ports of which that is still true, a bit each. NULL: none. */
	uint32_t (*busy_ports)(void *ctx);
	/* The MTU towards the remote, and whether there is a route at all: 0 or -EHOSTUNREACH.
	 * Fills path. */
	int (*route)(void *ctx, const struct flow_key *key, struct flow_path *path);
	/* This flow makes progress: reachability confirmed for the neighbour (RFC 4861 7.3.1). May
	 * be NULL. */
	void (*confirm)(void *ctx, const struct flow_path *path);
	/* The hash that net puts into the facts of this tuple's packets. */
	uint32_t (*hash)(void *ctx, const struct flow_key *key);
	/* Whether replies to this tuple reach this worker: a local port is only chosen when they
	 * do. NULL: always. */
	int (*steers_here)(void *ctx, const struct flow_key *key);
};

struct tcp_config {
	uint32_t max_connections;
	uint32_t rcv_buffer, snd_buffer; /* bytes per connection and direction; defaults 256 KiB */
	hd_ns rto_min, rto_max, rto_initial; /* 200 ms as Linux, 60 s, 1 s */
	hd_ns time_wait;		     /* 2 MSL; default 60 s */
	hd_ns fin_wait_2;		     /* default 60 s */
	hd_ns user_timeout; /* give up on unacknowledged data; default 100 s (R2) */
	hd_ns delayed_ack;  /* 40 ms */
	uint8_t syn_retries, synack_retries; /* 6, 5 */
	uint8_t tos, congestion_control;     /* 0: CUBIC, 1: NewReno */
	uint8_t ecn;			     /* TCP_ECN_*; default: accept */
	uint64_t secret[2]; /* keys ISNs, ports, timestamps and the table; from getrandom */
	/* Pools beside the header's that received data lie in; NULL: none. Read by tcp_create alone. */
	const struct core_supply *supply;
};
#define TCP_ECN_OFF 0
#define TCP_ECN_ACCEPT 1 /* when the peer asks, as Linux does */
#define TCP_ECN_ASK 2	 /* also on our own SYNs */
void tcp_config_defaults(struct tcp_config *c);

/* Memory: pools for segments. header: direct mbufs for headers and small payloads; indirect: for
 * references. The conn pool is allocated here. stats and ops outlive the tcp. NULL when memory is
 * out. */
[[nodiscard]] struct tcp *tcp_create(const struct tcp_config *c, const struct tcp_ops *ops,
				     void *ctx, struct hd_worker_stats *stats,
				     struct rte_mempool *header, struct rte_mempool *indirect,
				     hd_ns now, int socket);
void tcp_destroy(struct tcp *t);
/* Its pools; how many rows. Any thread. */
uint32_t tcp_pools(const struct tcp *t, struct hd_pool_info *rows);

/* Bytes per connection and direction from now on, at most what the config said: windows are offered
 * and send space is told by them. What was promised stays promised. For an owner whose buffers run
 * low. */
void tcp_set_buffers(struct tcp *t, uint32_t rcv_buffer, uint32_t snd_buffer);

/* Consumes all n packets (facts filled, checksum verified by net). Looks the burst up with
 * prefetch. */
void tcp_input_burst(struct tcp *t, struct rte_mbuf **pkts, uint16_t n, hd_ns now);
void tcp_timers_run(struct tcp *t, hd_ns now);
/* The earliest time at which tcp_timers_run has work, HD_NS_NEVER if none: for adaptive sleep. */
hd_ns tcp_next_deadline(const struct tcp *t);
/* Sends what the turn made due: data within window and congestion window, ACKs, FINs, resets. True:
 * something was sent. */
int tcp_flush(struct tcp *t, hd_ns now);
/* ICMP said so about this tuple (validated by net; tcp checks the quoted sequence, RFC 5927). */
enum tcp_icmp { TCP_ICMP_SOFT, TCP_ICMP_HARD, TCP_ICMP_TOO_BIG };
void tcp_icmp(struct tcp *t, const struct flow_key *key, uint32_t quoted_seq, enum tcp_icmp what,
	      uint32_t mtu, hd_ns now);
/* net could not resolve the neighbour of this tuple: a connect fails at once; established flows go
 * on retrying. */
void tcp_unreachable(struct tcp *t, const struct flow_key *key, hd_ns now);

/* Events, as bits. A connection is on the ready list at most once. */
#define TCP_EV_ACCEPTED 0x01  /* new, passive, established */
#define TCP_EV_CONNECTED 0x02 /* active open succeeded */
#define TCP_EV_READABLE 0x04  /* bytes were appended to the receive queue */
#define TCP_EV_WRITABLE 0x08  /* send space grew: acknowledged bytes left the send queue */
#define TCP_EV_FIN 0x10 /* the peer's FIN was reached: no byte follows those in the receive queue \
			 */
#define TCP_EV_RESET \
	0x20 /* gone; tcp_conn_error tells why. Nothing may be sent; the owner must tcp_release */
#define TCP_EV_CLOSED 0x40 /* our FIN was acknowledged and theirs received: clean end */

/* The next connection with events, or NULL; *events are cleared for it. Bounded by the connections
 * that had events. */
struct tcp_conn *tcp_ready_next(struct tcp *t, uint32_t *events);
/* Puts the connection on the ready list again with these bits: work that the owner wants to go on
 * with this turn or next. */
void tcp_ready_again(struct tcp_conn *c, uint32_t events);

enum tcp_error {
	TCP_OK,
	TCP_ERR_RESET,
	TCP_ERR_REFUSED,
	TCP_ERR_TIMEOUT,
	TCP_ERR_UNREACHABLE,
	TCP_ERR_ABORTED,
	TCP_ERR_NO_PORTS,
	TCP_ERR_NO_MEMORY
};

/* Active open. local may be zero: the owner's `route` has said which source address is right, so it
 * must be set here. The local port is chosen (RFC 6056 algorithm 3 style, keyed). CONNECTED or
 * RESET follows as an event. */
[[nodiscard]] enum tcp_error tcp_connect(struct tcp *t, const struct hd_ip *local,
					 const struct hd_addr *remote, hd_ns now,
					 struct tcp_conn **out);

/* The owner's pointer. A connection without owner pointer that gets RESET or CLOSED is released by
 * tcp itself. */
void tcp_conn_set_user(struct tcp_conn *c, void *user);
void *tcp_conn_user(const struct tcp_conn *c);
uint64_t tcp_conn_id(const struct tcp_conn *c); /* unique over the worker's life */
const struct flow_key *tcp_conn_key(const struct tcp_conn *c);
uint8_t tcp_conn_port(const struct tcp_conn *c); /* net port it came in by (passive) */
enum tcp_error tcp_conn_error(const struct tcp_conn *c);

/* Received, in order, not yet taken by the owner. The owner takes bytes with bufq calls, then tells
 * how many left so that the window can open: at once, or later when they have moved on (that is the
 * credit that flow control runs on). */
struct bufq *tcp_conn_rx(struct tcp_conn *c);
void tcp_received(struct tcp_conn *c, uint32_t bytes);

/* Bytes that tcp_send takes now: buffer minus what waits or is unacknowledged (counted in bytes and
 * held buffers). */
uint32_t tcp_send_space(const struct tcp_conn *c);
/* Moves all of q behind what is queued. More than tcp_send_space is accepted (headers, our own
 * answers) but callers keep to it. */
void tcp_send(struct tcp_conn *c, struct bufq *q);
/* As tcp_send with copied bytes. 0 or -ENOMEM with nothing sent. */
[[nodiscard]] int tcp_send_copy(struct tcp_conn *c, const void *data, uint32_t n);

/* Offsets in the stream that we send, counted from its first byte: what was queued in all, and what
 * the peer acknowledged, by an ACK or by the reset itself. acked == queued at the start of a
 * request means: it has seen no byte of it. */
uint64_t tcp_send_offset(const struct tcp_conn *c);
uint64_t tcp_acked_offset(const struct tcp_conn *c);
uint64_t tcp_received_offset(const struct tcp_conn *c);
/* A question begins with the next byte that is queued. What the peer sent before its TCP had seen
 * that byte cannot be the answer: so many bytes of the receive queue, from its front. */
void tcp_ask(struct tcp_conn *c);
uint32_t tcp_unasked(const struct tcp_conn *c);
/* Data came and was dropped for lack of buffers. Sent again it carries a newer acknowledgement, and
 * could pass for the answer to a question that it never saw: ask nothing more here. */
int tcp_has_refused(const struct tcp_conn *c);
/* The owner cannot go on before more comes. A peer that sends small segments one at a time (Nagle,
 * RFC 9293 3.7.4) holds it back until the last one is acknowledged: that is done soon. */
void tcp_expects_more(struct tcp_conn *c);

/* FIN after all that is queued. Receiving goes on. */
void tcp_close(struct tcp_conn *c);
/* Reset now (RST with SND.NXT), drop everything. No event follows; the connection is gone after
 * this call. */
void tcp_abort(struct tcp_conn *c);
/* The owner lets go: the connection closes in the background (FIN if not yet sent; received bytes
 * are discarded, data arriving later is answered with a reset, RFC 9293 3.6.1) and is freed by tcp.
 * No event follows. */
void tcp_release(struct tcp_conn *c);

void tcp_set_keepalive(struct tcp_conn *c, uint32_t probes, hd_ns time,
		       hd_ns interval); /* probes 0: off */
void tcp_set_connect_timeout(struct tcp_conn *c,
			     hd_ns timeout); /* RESET with TCP_ERR_TIMEOUT when it passes */

const char *tcp_conn_state_name(const struct tcp_conn *c);
/* How many more callers are let in, of so many: an eighth of all connections is for tcp_connect. */
uint32_t tcp_room_for_callers(const struct tcp *t, uint32_t *of);
uint32_t tcp_n_connections(const struct tcp *t);
/* SYNs are answered with cookies: too many handshakes are open. */
int tcp_is_flooded(const struct tcp *t, hd_ns now);
/* Of its pools and its table: what is in use, without packet buffers. The table counts by its part that the connections need. */
uint64_t tcp_bytes_used(const struct tcp *t);
/* Bytes that wait or are unacknowledged in all send queues. */
uint64_t tcp_bytes_queued(const struct tcp *t);
/* Walks connections: *cursor starts at 0; NULL at the end. Unbounded: not within a turn. */
struct tcp_conn *tcp_conn_walk(struct tcp *t, uint32_t *cursor);
/* One place of that walk, for pieces of a turn: *c is NULL when nobody is there. 0 at the end. Safe
 * across turns. */
int tcp_conn_step(struct tcp *t, uint32_t *cursor, struct tcp_conn **c);
hd_ns tcp_conn_opened(const struct tcp_conn *c);
int tcp_conn_is_active(const struct tcp_conn *c);

#endif
