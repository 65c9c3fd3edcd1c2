/* SPDX-License-Identifier: Apache-2.0 */
/* A fake link and a fake application for tests of tcp: two stacks that talk over loss, reordering,
 * duplication and corruption on a virtual clock, or one stack against segments written by the test.
 * A seed reproduces a run. After every step the invariants of each connection are checked. */
#ifndef TESTS_TCP_PAIR_H
#define TESTS_TCP_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tcp_stack.h"

#define PAIR_STREAMS 64
#define PAIR_LOG 4096
#define PAIR_PORT 8080

/* A segment on the wire. */
struct pair_segment {
	hd_ns at;
	uint32_t seq, ack, len;
	uint16_t window;
	uint8_t flags, from, tos;
	struct tcp_options opt;
	uint8_t opt_bytes;
	uint8_t dropped;
	uint8_t reserved_bits; /* beside the data offset, of injected ones */
	uint16_t sport, dport;
	uint8_t payload[64]; /* the first bytes */
};

/* One end of one connection, with what its application does. */
struct pair_stream {
	struct tcp_conn *c;
	uint8_t end;
	uint64_t to_send, sent, received;
	uint32_t write_chunk;	 /* bytes in one tcp_send */
	uint32_t read_limit;	 /* taken a turn; 0: all */
	uint8_t hold_reads;	 /* takes nothing */
	uint8_t close_when_done; /* FIN after to_send */
	uint8_t release_at_end;	 /* tcp_release on CLOSED or RESET */
	uint8_t fin_seen, closed, reset, connected, close_called;
	uint32_t salt;
	enum tcp_error error;
	uint64_t acked_at_end;
};

struct pair;

struct pair_end {
	struct pair *p;
	struct tcp *t;
	struct hd_worker_stats stats;
	struct hd_ip ip;
	uint8_t index, listens, raw; /* raw: no stack, the test writes the segments */
	uint8_t no_route;
	uint16_t mtu;
	uint32_t tx_takes,
		tx_room; /* segments that the device takes in 50 turns (0: all), and still does */
};

struct pair_packet;

struct pair {
	hd_ns now;
	struct pair_end end[2];
	struct pair_stream stream[PAIR_STREAMS];
	uint32_t n_streams;
	struct pair_packet *queue;
	uint64_t seed;
	hd_ns delay, jitter;
	hd_ns late; /* what reordering adds; 0: one to two delays */
	uint32_t loss_ppm, dup_ppm, reorder_ppm, corrupt_ppm;
	uint32_t starve_ppm; /* in so many turns the pools have hardly a buffer left */
	/* 1: the test takes the segment away. */
	int (*drop)(void *ctx, const struct pair_segment *s);
	void *drop_ctx;
	/* What a new accepted stream is like. */
	struct pair_stream accept_template;
	uint32_t steps;
	uint32_t tx_drops; /* by devices that take no more */
	uint32_t rx_before, header_before,
		indirect_before; /* buffers in use: an earlier test may have failed */
	struct pair_segment log[PAIR_LOG];
	uint32_t n_log;
};

int pair_eal(const char *prefix);
/* cfg NULL: defaults with 1024 connections. */
void pair_init(struct pair *p, uint64_t seed, const struct tcp_config *cfg0,
	       const struct tcp_config *cfg1);
/* Asserts that every buffer came back and every pool is empty. */
void pair_fini(struct pair *p);
struct tcp_config pair_config(void);
uint32_t pair_random(struct pair *p, uint32_t below);

struct pair_stream *pair_connect(struct pair *p, uint32_t from);
struct pair_stream *pair_accepted(struct pair *p); /* the newest accepted stream, or NULL */
void pair_run_until(struct pair *p, hd_ns until);
void pair_run_for(struct pair *p, hd_ns time);
/* Runs until the condition holds or time is over; returns whether it held. */
int pair_run_while(struct pair *p, int (*pending)(struct pair *p), hd_ns limit);
/* Both stacks have no connection and nothing in TIME-WAIT. */
void pair_drain(struct pair *p);

/* Raw mode: end 1 is the test. Sends a segment from end 1 to the stack at end 0. */
void pair_inject(struct pair *p, const struct pair_segment *s, const void *payload);
/* As pair_inject for several that arrive together. */
void pair_inject_burst(struct pair *p, const struct pair_segment *s, const void *const *payload,
		       uint16_t n);
/* The next logged segment from end 0 at or after *cursor, or NULL. */
const struct pair_segment *pair_next(struct pair *p, uint32_t *cursor);

/* Prints what was on the wire, from that entry of the log on. */
void pair_dump(const struct pair *p, uint32_t from);

/* A scripted peer's idea of a connection. */
struct raw_peer {
	struct pair *p;
	uint16_t sport, dport; /* its own, the stack's */
	uint32_t nxt, rcv;     /* what it sends next, what it expects */
	uint16_t window;
	uint32_t ts, ts_echo;
	uint8_t has_ts, scale_theirs;
	uint32_t cursor;
};
void raw_send(struct raw_peer *r, uint8_t flags, const void *payload, uint32_t n);
void raw_send_at(struct raw_peer *r, uint32_t seq, uint8_t flags, const void *payload, uint32_t n);
/* Handshake from the peer's side; options as given (a SYN's). Returns the accepted stream. */
struct pair_stream *raw_open(struct raw_peer *r, struct pair *p,
			     const struct tcp_options *syn_options);
/* Next segment from the stack, running the clock up to `limit`; NULL: silence. */
const struct pair_segment *raw_expect(struct raw_peer *r, hd_ns limit);
void raw_skip(struct raw_peer *r);

uint8_t pair_byte(uint32_t salt, uint64_t offset);

#endif
