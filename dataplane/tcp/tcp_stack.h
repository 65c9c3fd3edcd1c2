/* SPDX-License-Identifier: Apache-2.0 */
/* The stack of one worker, and what the files of this room ask of each other. */
#ifndef TCP_STACK_H
#define TCP_STACK_H

#include "core_list.h"
#include "tcp_conn.h"
#include "tcp_isn.h"
#include "tcp_table.h"

/* TIME-WAIT: what is needed to answer late segments and to judge a new SYN (RFC 6191), and no more.
 * All wait equally long, so the list is in order of deadlines. */
struct tcp_wait {
	struct flow_key key;
	struct flow_path path;
	struct list_link link;
	uint32_t snd_nxt, rcv_nxt;
	uint32_t ts_recent, ts_offset;
	uint32_t since_ms;
	uint32_t window; /* as the last ACK said it, unscaled */
	uint8_t has_ts;
};
_Static_assert(sizeof(struct tcp_wait) <= 104, "a third of a connection");

/* How much is left of the pools that received and sent segments lie in. */
enum tcp_shortage {
	TCP_BUFFERS_PLENTY,
	TCP_BUFFERS_SHORT, /* who holds something gets nothing more */
	TCP_BUFFERS_LAST,  /* what is left is for acknowledgements */
};

/* A value in the table: the index of a connection, or with this bit of a struct tcp_wait. */
#define TCP_VALUE_WAIT UINT32_C(0x80000000)

struct tcp {
	hd_ns now;
	uint32_t now_us, now_ms; /* of now, wrapping */
	struct tcp_conn *output_head, *output_tail;
	struct tcp_conn *ready_head, *ready_tail;
	struct tcp_conn *again_head, *again_tail; /* for the next turn */
	struct tcp_table table;
	struct core_pool conns;
	struct wheel wheel;

	struct rte_mempool *header, *indirect;
	struct core_supply supply;
	struct hd_worker_stats *stats;
	const struct tcp_ops *ops;
	void *ctx;
	struct tcp_config config;
	struct tcp_rto_limits rto;
	const struct tcp_cc_ops *cc;
	uint8_t scale;	      /* of the windows that we offer */
	uint8_t shortage;     /* enum tcp_shortage */
	uint32_t shortage_us; /* when that was looked at */

	struct core_pool boards, medium, large, ranges, waits;
	struct list_link waiting; /* struct tcp_wait */
	uint32_t open;		  /* connections in the table */
	uint64_t queued;	  /* bytes in all send queues */
	uint32_t callers_max;	  /* none is let in while so many connections are there */
	uint32_t half_open, half_open_max;
	uint32_t orphans, orphans_max; /* released, and not yet gone */
	hd_ns cookies_until;	       /* the last cookie that was sent is good so long */
	uint64_t ports_chosen;
	uint32_t sent; /* segments handed to xmit, ever */
	uint32_t busy; /* ports that keep no pace as of the last flush, a bit each */
};

/* One received segment on its way through the slow path. */
struct tcp_segment {
	struct rte_mbuf *m; /* NULL once its payload was taken */
	struct flow_key key;
	uint32_t seq, ack;
	uint32_t len;	  /* payload */
	uint32_t wnd;	  /* scaled */
	uint32_t fin_seq; /* when flags have FIN */
	uint8_t flags;
	uint8_t tos;
	uint8_t port; /* of net: replies leave by it */
	struct tcp_options opt;
	struct tcp_sack_block dup; /* what of it came twice (RFC 2883) */
};

/* tcp_conn.c */
struct tcp_conn *tcp_conn_create(struct tcp *t, const struct flow_key *key, uint32_t hash);
void tcp_conn_raise(struct tcp_conn *c, uint32_t events);
void tcp_conn_queue_output(struct tcp_conn *c);
/* Out of the table, silent from now on; the owner may still read and must release. */
void tcp_conn_detach(struct tcp_conn *c);
/* Ends badly: RESET with this error, or freed when nobody owns it. */
void tcp_conn_fail(struct tcp_conn *c, enum tcp_error error);
/* Ends well: CLOSED, or freed. */
void tcp_conn_finish(struct tcp_conn *c);
void tcp_conn_free(struct tcp_conn *c);
/* Handshake done, either way. */
void tcp_conn_establish(struct tcp_conn *c, const struct tcp_segment *s);
/* What a SYN of the peer negotiates. */
void tcp_conn_negotiate(struct tcp_conn *c, const struct tcp_options *o);
/* The scoreboard, made when missing; NULL when memory is out. */
struct tcp_scoreboard *tcp_conn_scoreboard(struct tcp_conn *c);
void tcp_conn_drop_scoreboard(struct tcp_conn *c);
void tcp_conn_drop_ranges(struct tcp_conn *c);
/* Payload of a full segment from what the peer said, the path and our options. */
void tcp_conn_update_mss(struct tcp_conn *c);
/* The path takes less than was thought: segments of at most mss. Returns whether that changes
 * anything. */
int tcp_conn_lower_mss(struct tcp_conn *c, uint16_t mss);
uint16_t tcp_conn_advertised_mss(const struct tcp_conn *c);
/* Of a peer that names none (RFC 9293 MUST-15). */
uint16_t tcp_conn_default_mss(const struct flow_key *key);
uint16_t tcp_path_mss(const struct flow_path *path, const struct flow_key *key);

/* tcp_input.c */
/* Takes n bytes of payload off the front or back of the segment. */
void tcp_segment_cut_front(struct tcp_segment *s, uint32_t n);
void tcp_segment_cut_back(struct tcp_segment *s, uint32_t n);
uint32_t tcp_lookup(const struct tcp *t, const struct flow_key *key, uint32_t hash, int *found);
/* Appends the payload of an in-order segment, s->seq == rcv_nxt; takes s->m. */
void tcp_input_deliver(struct tcp_conn *c, struct tcp_segment *s);
void tcp_segment_init(struct tcp_segment *s, struct rte_mbuf *m, const struct pkt_facts *f);
/* tcp_shortage.c */
/* Looks at the pool, at most every 100 us. */
void tcp_shortage_look(struct tcp *t);
/* Whether the payload must be dropped as if the network had lost it. */
int tcp_shortage_refuses(const struct tcp *t, const struct tcp_conn *c, const struct pkt_facts *f);
/* Drops it. 1: nothing of the segment is left; 0: its acknowledgement counts. */
int tcp_shortage_drop(struct tcp *t, struct tcp_conn *c, struct pkt_facts *f);
/* tcp_input_slow.c */
void tcp_input_slow(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s);
/* Data for a connection that nobody reads any more: reset (RFC 9293 3.6.1). */
void tcp_input_refuse(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s);
/* tcp_listen.c: a segment that belongs to no connection. */
void tcp_listen_input(struct tcp *t, struct tcp_segment *s, const struct pkt_facts *f,
		      uint32_t isn_floor);
/* tcp_ack.c: SEG.ACK lies in [una - window, nxt]. */
void tcp_ack_input(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s);

/* tcp_ecn.c */
/* What the IP header and the flags of an acceptable segment say (RFC 3168 6.1.2, 6.1.3). */
void tcp_ecn_input(struct tcp *t, struct tcp_conn *c, const struct tcp_segment *s);

/* tcp_recovery.c */
/* Congestion without loss: the window shrinks once a round trip. */
void tcp_recovery_congested(struct tcp *t, struct tcp_conn *c);
struct tcp_ack_context {
	struct tcp_acked a;
	const struct tcp_segment *s;
	uint32_t bytes;	     /* by which SND.UNA moved */
	uint32_t flight;     /* before */
	uint32_t rtt_us;     /* 0: none */
	uint8_t duplicate;   /* RFC 5681 2 */
	uint8_t dsack;	     /* the first block repeats what was acknowledged */
	uint8_t was_limited; /* the window was what held us back */
};
void tcp_recovery_acked(struct tcp *t, struct tcp_conn *c, struct tcp_ack_context *x);
void tcp_recovery_timeout(struct tcp *t, struct tcp_conn *c);
/* The reordering timer of RACK fired. */
void tcp_recovery_reorder_timeout(struct tcp *t, struct tcp_conn *c);
/* Bytes in the network as far as we know. */
uint32_t tcp_recovery_pipe(const struct tcp_conn *c);
/* A record goes out once more, or new bytes in recovery. */
void tcp_recovery_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes, int again);

/* tcp_output.c */
/* Sends what may be sent, then the ACK that is due. 0, or -ENOBUFS: to be called again when there
 * is memory, or -EAGAIN: the turn's share is used up. */
int tcp_output(struct tcp *t, struct tcp_conn *c);
void tcp_output_ack(struct tcp *t, struct tcp_conn *c, const struct tcp_sack_block *dup);
void tcp_output_syn(struct tcp *t, struct tcp_conn *c);
void tcp_output_reset(struct tcp *t, struct tcp_conn *c);
/* A zero-window, keep-alive or other probe: an old sequence number, to which the peer must answer
 * with an ACK. */
void tcp_output_probe(struct tcp *t, struct tcp_conn *c);
/* What fits the peer's small window, whatever its size (RFC 9293 3.8.6.2.1). */
void tcp_output_override(struct tcp *t, struct tcp_conn *c);
/* RFC 8985 7.3: new data, else the last segment again. */
void tcp_output_loss_probe(struct tcp *t, struct tcp_conn *c);
/* The first segment once more, whatever the windows say. */
void tcp_output_resend_first(struct tcp *t, struct tcp_conn *c);
/* A SYN-ACK with this sequence number for which no state is kept. */
void tcp_output_cookie(struct tcp *t, const struct tcp_segment *syn, struct flow_path *path,
		       uint32_t cookie);
/* Answers to what no connection owns (RFC 9293 3.10.7.1). */
void tcp_output_reset_for(struct tcp *t, const struct tcp_segment *s);
void tcp_output_wait_ack(struct tcp *t, struct tcp_wait *w);
/* The window that would be offered now, and moves the promised edge. */
uint16_t tcp_output_window(struct tcp_conn *c);
/* n bytes left the front of the send queue. */
void tcp_output_acked(struct tcp_conn *c, uint32_t n);

/* tcp_timers.c */
void tcp_timers_arm(struct tcp *t, struct tcp_conn *c);
/* After sending or an ACK: which of retransmission, probe and persist timer runs, and until when.
 */
void tcp_timers_set_rtx(struct tcp *t, struct tcp_conn *c);
void tcp_timers_set_rtx_at(struct tcp *t, struct tcp_conn *c, enum tcp_rtx_kind kind,
			   uint32_t in_us);
void tcp_timers_set_delack(struct tcp *t, struct tcp_conn *c);
void tcp_timers_set_state(struct tcp *t, struct tcp_conn *c, hd_ns in);
uint32_t tcp_timers_rto_us(const struct tcp *t, const struct tcp_conn *c);
void tcp_set_now(struct tcp *t, hd_ns now);

/* tcp_time_wait.c */
void tcp_wait_enter(struct tcp *t, struct tcp_conn *c);
/* 1: a new SYN may take the tuple (RFC 6191, RFC 9293 3.10.7.4); the wait is gone then and
 * *isn_floor says above what our new sequence number must be. 0: handled. */
int tcp_wait_input(struct tcp *t, struct tcp_wait *w, const struct tcp_segment *s,
		   uint32_t *isn_floor);
void tcp_wait_drop(struct tcp *t, struct tcp_wait *w);
void tcp_wait_expire(struct tcp *t);
hd_ns tcp_wait_next_deadline(const struct tcp *t);

/* tcp_challenge.c: 1 when an ACK that nobody is owed may be sent now (RFC 5961 7). */
int tcp_challenge_allow(struct tcp *t, struct tcp_conn *c);

/* tcp_ports.c: sets key->local_port, or -EADDRNOTAVAIL. */
[[nodiscard]] int tcp_ports_choose(struct tcp *t, struct flow_key *key, uint32_t *hash);

static inline int flow_key_eq(const struct flow_key *a, const struct flow_key *b)
{
	return hd_ip_eq(&a->remote, &b->remote) && a->remote_port == b->remote_port &&
	       a->local_port == b->local_port && hd_ip_eq(&a->local, &b->local);
}

static inline uint32_t tcp_timestamp(const struct tcp *t, uint32_t offset)
{
	return t->now_ms + offset;
}

/* 0 means off everywhere. */
static inline uint32_t tcp_deadline(uint32_t at)
{
	return at == 0 ? 1 : at;
}

static inline struct tcp_conn *tcp_conn_at(const struct tcp *t, uint32_t value)
{
	return core_pool_at(&t->conns, value);
}

static inline struct tcp_wait *tcp_wait_at(const struct tcp *t, uint32_t value)
{
	return core_pool_at(&t->waits, value & ~TCP_VALUE_WAIT);
}

#define TCP_RECEIVE_START 65536

/* What may be received and not yet taken: it grows with what the owner took of this answer (or, when
 * it asks nothing, of the stream), as far as its reader keeps up, and so doubles in a round trip. */
static inline uint32_t tcp_receive_buffer(const struct tcp_conn *c)
{
	uint32_t most = c->t->config.rcv_buffer;
	uint32_t taken = (uint32_t)c->received - c->rcv_held - c->answer_from;

	if (-taken <= c->rcv_held) /* the owner is not yet where the answer begins */
		taken = 0;
	return u32_min(most, TCP_RECEIVE_START + u32_min(taken, most));
}

static inline void tcp_count(struct tcp *t, enum hd_counter counter)
{
	hd_count(t->stats, counter);
}

#endif
