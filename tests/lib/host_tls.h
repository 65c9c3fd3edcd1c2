/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS of a host's application, by our own records and handshakes. A stream is a TCP connection, with TLS over it or
 * without: the same calls for either, with the meaning that tcp.h gives them. */
#ifndef HOST_TLS_H
#define HOST_TLS_H

#include "host.h"
#include "tls.h"
#include "tls_pki.h"

struct host_tls;

struct host_tls_config {
	enum hd_tls_role role;
	const struct tls_pki *own, *root;
	struct rte_mempool *bufs, *indirect;
	uint32_t max_connections;
	uint8_t no_resumption;
	uint8_t threaded; /* handshakes on a thread of their own; else where the host takes its turn */
	uint32_t max_handshakes; /* 0: the default */
};

/* NULL when memory is out. */
[[nodiscard]] struct host_tls *host_tls_create(const struct host_tls_config *c, hd_ns now);
void host_tls_destroy(struct host_tls *t);

struct host_stream {
	struct host_tls *tls; /* NULL: plain */
	struct tcp_conn *tcp;
	struct tls_conn *conn;
	struct bufq plain, unsent;
	uint8_t fin, begun, open, failed, closing, again, is_cut;
};

/* Once a turn, before or behind host_turn: handshakes, and their events by way of `event`. True: something was done. */
int host_tls_run(struct host_tls *t, void (*event)(void *ctx, struct tcp_conn *c, uint32_t events), void *ctx, hd_ns now);
hd_ns host_tls_next_deadline(const struct host_tls *t);
uint64_t host_tls_handshakes(const struct host_tls *t);

/* t NULL: plain. A connection that cannot have TLS now is one whose first event is a reset. */
void host_stream_open(struct host_stream *s, struct host_tls *t, struct tcp_conn *c, const struct hd_addr *remote);
/* TCP's events in, those of the stream out: connected behind the handshake, and a reset when TLS fails. */
uint32_t host_stream_event(struct host_stream *s, uint32_t events);
struct bufq *host_stream_rx(struct host_stream *s);
void host_stream_received(struct host_stream *s, uint32_t bytes);
uint32_t host_stream_space(const struct host_stream *s);
[[nodiscard]] int host_stream_send(struct host_stream *s, const void *p, uint32_t n);
void host_stream_close(struct host_stream *s);
void host_stream_release(struct host_stream *s);
void host_stream_abort(struct host_stream *s);
/* As a broken peer ends: FIN without close_notify. Plain: as close. */
void host_stream_cut(struct host_stream *s);

#endif
