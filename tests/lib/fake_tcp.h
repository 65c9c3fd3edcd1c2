/* SPDX-License-Identifier: Apache-2.0 */
/* A fake of tcp.h for tests of what stands above it: connections without packets. The test says
 * what the other end does. It also fakes the two calls of net.h that the proxy makes. */
#ifndef TESTS_FAKE_TCP_H
#define TESTS_FAKE_TCP_H

#include "net.h"
#include "tcp.h"

#define FAKE_TCP_MAX 256
#define FAKE_TCP_TEXT 400000

struct tcp_conn {
	struct tcp *tcp;
	struct bufq rx;
	struct flow_key key;
	void *user;
	uint32_t events;
	enum tcp_error error;
	hd_ns opened, connect_timeout;
	uint64_t sent, acked, received;
	uint64_t asked, answer_from; /* tcp_ask: where, and what came before that was seen */
	int is_asked;
	int is_awaited; /* how often tcp_expects_more was said */
	uint32_t credit; /* bytes that the owner gave back */
	uint32_t space;	 /* what tcp_send_space says */
	int is_active, is_ready, is_live;
	int is_closed;	/* the owner sent its FIN */
	int is_aborted; /* the owner reset it */
	int is_released;
	int chaos_up, chaos_over; /* for the test's own books */
	uint32_t text_n, text_read;
	char text[FAKE_TCP_TEXT]; /* all that the owner sent */
};

struct tcp {
	struct rte_mempool *bufs;
	struct tcp_conn conns[FAKE_TCP_MAX];
	uint32_t n;
	int refuse_connect; /* 1: no local port is free; 2: no place is */
	uint32_t room;	    /* what tcp_room_for_callers says */
	uint32_t buffers; /* what tcp_set_buffers said */
	hd_ns now;
};

struct tcp *fake_tcp_create(struct rte_mempool *bufs);
void fake_tcp_destroy(struct tcp *t);
/* A caller connects. */
struct tcp_conn *fake_tcp_accept(struct tcp *t, const char *local, uint16_t port);
/* The i-th connection that the owner opened, or NULL. */
struct tcp_conn *fake_tcp_opened(struct tcp *t, uint32_t i);
uint32_t fake_tcp_count_opened(const struct tcp *t);
/* The other end: its bytes arrive, in buffers of their own; it accepts; it closes; it resets; it
 * acknowledges all. */
void fake_tcp_say(struct tcp_conn *c, const char *text);
void fake_tcp_say_bytes(struct tcp_conn *c, const void *bytes, uint32_t n);
void fake_tcp_connected(struct tcp_conn *c);
void fake_tcp_fin(struct tcp_conn *c);
void fake_tcp_reset(struct tcp_conn *c, enum tcp_error e);
void fake_tcp_ack(struct tcp_conn *c);
/* Its bytes were under way before it saw what the owner sent last. fake_tcp_say acknowledges all.
 */
void fake_tcp_say_crossing(struct tcp_conn *c, const char *text);
void fake_tcp_say_crossing_bytes(struct tcp_conn *c, const void *bytes, uint32_t n);
/* More room to send. */
void fake_tcp_set_space(struct tcp_conn *c, uint32_t space);
/* What the owner sent since the last call; terminated. */
const char *fake_tcp_heard(struct tcp_conn *c);

#endif
