/* SPDX-License-Identifier: Apache-2.0 */
/* What is in flight, segment by segment: one small record for each, in sequence order, with when it
 * left and what became of it. SACK (RFC 2018, 6675), RACK-TLP (RFC 8985) and NewReno all mark and
 * read these records. It exists while there is data in flight and shortly after.
 *
 * A record is SACKED, LOST (deemed lost and not yet sent again) or in the pipe; a LOST record that
 * is sent again is in the pipe once more. Work an ACK is bounded by the records, and those by
 * TCP_SCOREBOARD_MAX. */
#ifndef TCP_SCOREBOARD_H
#define TCP_SCOREBOARD_H

#include "tcp_cc.h"
#include "tcp_options.h"
#include "tcp_seq.h"

#define TCP_SENT_SACKED 0x01
#define TCP_SENT_LOST 0x02
#define TCP_SENT_AGAIN 0x04 /* sent more than once: no RTT sample (Karn) */
#define TCP_SENT_FIN 0x08   /* its last sequence number is our FIN */

struct tcp_sent {
	uint32_t seq;
	uint32_t sent_us; /* last transmission */
	uint16_t len;	  /* in sequence space: payload and FIN */
	uint8_t flags;
	uint8_t reserved;
};

#define TCP_SCOREBOARD_SMALL 8 /* records inside */
#define TCP_SCOREBOARD_MEDIUM 64
#define TCP_SCOREBOARD_MAX 512

enum tcp_recovery_state {
	TCP_OPEN,     /* nothing wrong */
	TCP_RECOVERY, /* fast recovery (RFC 6675, 6582, 6937) */
	TCP_LOSS,     /* after a retransmission timeout */
};

struct tcp_scoreboard {
	struct tcp_sent *rec; /* a ring: inside, or grown storage */
	uint16_t mask, first, n;
	uint8_t state;	       /* enum tcp_recovery_state */
	uint8_t dupacks;       /* without SACK; each stands for one segment that left the network */
	uint32_t progress_ms;  /* when SND.UNA last moved, or the first record came */
	uint32_t sent_ms;      /* last new data */
	uint32_t pipe;	       /* bytes in flight and not known to be lost or received */
	uint32_t sacked, lost; /* bytes so marked */
	uint16_t sacked_records;
	uint8_t in_episode; /* SND.UNA has not yet passed recovery_end: one reduction is enough */
	uint32_t recovery_end; /* SND.NXT when the episode began */
	uint32_t high_sacked;  /* highest sequence number that SACK reported; valid while sacked > 0
				*/

	/* RACK (RFC 8985 6.1): the most recently sent of the delivered segments. */
	uint32_t rack_sent_us, rack_end, rack_rtt_us;
	uint8_t rack_valid;
	uint8_t reordering_seen;
	uint8_t reo_wnd_steps;	 /* 6.2 step 4: grows with DSACKs */
	uint8_t reo_wnd_persist; /* recoveries until it shrinks again */
	uint32_t dsack_round_end;
	uint8_t dsack_round_open;

	/* Tail loss probe (RFC 8985 7). */
	uint8_t probe_out, probe_was_again;
	uint32_t probe_end;

	/* PRR (RFC 6937): bytes delivered and sent in this recovery, and the flight it began with.
	 */
	uint32_t prr_delivered, prr_out, recover_flight;

	/* Undo (RFC 3522, 4015; DSACK as RFC 2883 and 3708): what to return to. */
	uint32_t undo_cwnd, undo_ssthresh;
	uint32_t undo_sent_ms;	  /* timestamp of the first retransmission */
	int32_t undo_retransmits; /* not yet proved needless by a DSACK; -1: no undo */

	uint32_t cc[TCP_CC_STATE_WORDS]; /* of the congestion control algorithm */
	struct tcp_sent inside[TCP_SCOREBOARD_SMALL];
};

/* What one ACK did to the records. */
struct tcp_acked {
	uint32_t delivered; /* bytes acknowledged or newly SACKed, each once in its life */
	uint32_t sacked;    /* of these, newly SACKed */
	uint32_t sent_us; /* last transmission of the most recently sent of them, never sent twice;
			     see has_rtt */
	uint8_t has_rtt;
	uint8_t any_again;    /* an acknowledged record had been sent more than once */
	uint8_t reordered;    /* a never retransmitted record below what was SACKed before was
				 delivered */
	uint8_t newest_again; /* the newest one was sent more than once */
	uint8_t any;
	uint32_t newest_us, newest_end; /* most recently sent of the delivered (RACK) */
};

void tcp_scoreboard_init(struct tcp_scoreboard *b);

static inline struct tcp_sent *tcp_scoreboard_at(const struct tcp_scoreboard *b, uint32_t i)
{
	return &b->rec[(b->first + i) & b->mask];
}

static inline int tcp_scoreboard_is_full(const struct tcp_scoreboard *b)
{
	return b->n > b->mask;
}

static inline int tcp_sent_after(uint32_t us_a, uint32_t end_a, uint32_t us_b, uint32_t end_b)
{
	return us_a == us_b ? seq_gt(end_a, end_b) : (int32_t)(us_a - us_b) > 0;
}

/* Moves the records to larger storage of `capacity` (a power of two); returns the storage left
 * behind when it was not inside. */
struct tcp_sent *tcp_scoreboard_grow(struct tcp_scoreboard *b, struct tcp_sent *storage,
				     uint32_t capacity);

/* A segment was sent for the first time. The board is not full. */
void tcp_scoreboard_push(struct tcp_scoreboard *b, uint32_t seq, uint32_t len, uint8_t flags,
			 uint32_t now_us);
/* Everything below una is delivered: records leave. */
void tcp_scoreboard_ack(struct tcp_scoreboard *b, uint32_t una, struct tcp_acked *a);
/* [start, end) was received, una < start < end <= nxt. Only whole records count. */
void tcp_scoreboard_sack(struct tcp_scoreboard *b, uint32_t start, uint32_t end,
			 struct tcp_acked *a);
void tcp_scoreboard_mark_lost(struct tcp_scoreboard *b, struct tcp_sent *s);
/* After a timeout: all that was not SACKed; with renege also that (RFC 2018 8). */
void tcp_scoreboard_mark_all_lost(struct tcp_scoreboard *b, int renege);
/* The first LOST record, or NULL. */
struct tcp_sent *tcp_scoreboard_first_lost(const struct tcp_scoreboard *b);
/* The record was sent once more. */
void tcp_scoreboard_resent(struct tcp_scoreboard *b, struct tcp_sent *s, uint32_t now_us);
/* A LOST record that was not lost after all goes back into the pipe, all of them. */
void tcp_scoreboard_unmark_lost(struct tcp_scoreboard *b);

#endif
