/* SPDX-License-Identifier: Apache-2.0 */
#include "host_tls.h"

#include <stdio.h>
#include <stdlib.h>

#include "tls_threads.h"

#define CONTEXT 0
#define PLAIN_ROOM 65536
#define SPACE_MIN 64

struct host_tls {
	struct host_tls_config c;
	struct tls_threads *threads;
	struct tls *tls;
	hd_ns now;
	struct hd_worker_stats stats;
};

static int set_up(struct host_tls *t)
{
	const struct hd_tls_credential pair = { tls_pki_text(t->c.own->pem),
						tls_pki_text(t->c.own->key_pem) };
	const struct hd_tls_roots roots = { tls_pki_text("cluster.local"),
					    tls_pki_text(t->c.root->pem) };
	const struct hd_tls_bundle bundle = { .roots = &roots, .n_roots = 1 };
	const struct hd_tls_context context = {
		.role = t->c.role,
		.name = tls_pki_text("host"),
		.n_credentials = 1,
		.peer = HD_TLS_PEER_REQUIRED,
		.names_rule = HD_TLS_NAMES_SPIFFE,
		.alpns = { HD_ALPN_ISTIO, HD_ALPN_HTTP_1_1 },
		.n_alpns = 2,
		.no_resumption = t->c.no_resumption,
	};
	char error[256] = "";

	if (tls_credential_set(t->threads, 0, &pair, error, sizeof(error)) == 0 &&
	    tls_bundle_set(t->threads, 0, &bundle, error, sizeof(error)) == 0 &&
	    tls_context_set(t->threads, CONTEXT, &context, error, sizeof(error)) == 0)
		return 0;
	fprintf(stderr, "host: %s\n", error);
	return -1;
}

struct host_tls *host_tls_create(const struct host_tls_config *c, hd_ns now)
{
	struct tls_threads_config threads = { .n_workers = 1 };
	struct host_tls *t = aligned_alloc(_Alignof(struct host_tls), sizeof(*t));
	struct tls_config tc = { .max_connections = c->max_connections,
				 .bufs = c->bufs,
				 .indirect = c->indirect,
				 .max_handshakes = c->max_handshakes,
				 .socket = -1 };

	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->c = *c;
	t->now = now;
	tc.stats = &t->stats;
	t->threads = tc.threads = tls_threads_create(&threads);
	if (t->threads != NULL)
		t->tls = tls_create(&tc, now);
	if (t->tls != NULL && set_up(t) == 0 &&
	    (!c->threaded || tls_threads_start(t->threads) == 0))
		return t;
	host_tls_destroy(t);
	return NULL;
}

void host_tls_destroy(struct host_tls *t)
{
	if (t == NULL)
		return;
	if (t->threads != NULL)
		tls_threads_stop(t->threads);
	tls_destroy(t->tls);
	tls_threads_destroy(t->threads);
	free(t);
}

int host_tls_run(struct host_tls *t, void (*event)(void *ctx, struct tcp_conn *c, uint32_t events),
		 void *ctx, hd_ns now)
{
	struct tls_conn *c;
	int did = 0;

	t->now = now;
	if (t->c.threaded) {
		if (tls_pushed(t->tls))
			tls_threads_wake(t->threads);
	} else {
		did = tls_threads_step(t->threads);
	}
	did |= tls_run(t->tls, now) != 0;
	while ((c = tls_ready_next(t->tls)) != NULL) {
		struct host_stream *s = tls_conn_user(c);
		event(ctx, s->tcp, 0);
		did = 1;
	}
	return did;
}

hd_ns host_tls_next_deadline(const struct host_tls *t)
{
	return tls_next_deadline(t->tls);
}

uint64_t host_tls_handshakes(const struct host_tls *t)
{
	const uint64_t *n = t->stats.counters;

	return n[HD_TLS_ACCEPTED] + n[HD_TLS_ACCEPTED_RESUMED] + n[HD_TLS_CONNECTED] +
	       n[HD_TLS_CONNECTED_RESUMED];
}

void host_stream_open(struct host_stream *s, struct host_tls *t, struct tcp_conn *c,
		      const struct hd_addr *remote)
{
	static const struct hd_str sni = { "outbound_.80_._.api.default.svc.cluster.local", 45 };

	*s = (struct host_stream){ .tls = t, .tcp = c };
	if (t == NULL)
		return;
	s->begun = t->c.role == HD_TLS_SERVER;
	s->conn = s->begun ? tls_accept(t->tls, CONTEXT, remote, s, t->now)
			   : tls_connect(t->tls, CONTEXT, remote, sni, s, t->now);
	s->failed = s->conn == NULL;
}

static void flush(struct host_stream *s)
{
	struct bufq wire = { 0 };
	int rc = 0;

	if (s->conn == NULL || !tls_is_open(s->conn))
		return;
	if (s->unsent.bytes > 0)
		rc = tls_send(s->conn, &s->unsent, &wire, s->tls->now);
	if (rc == 0 && s->closing)
		tls_close(s->conn, &wire);
	if (wire.bytes > 0)
		tcp_send(s->tcp, &wire);
	if (rc < 0)
		tcp_ready_again(s->tcp, TCP_EV_WRITABLE);
}

static uint32_t pump(struct host_stream *s, int is_reset)
{
	struct bufq wire = { 0 };
	struct tls_io io = { .in = tcp_conn_rx(s->tcp),
			     .plain = &s->plain,
			     .wire = &wire,
			     .plain_room = PLAIN_ROOM,
			     .wire_space = is_reset ? 0 : tcp_send_space(s->tcp),
			     .fin = s->fin };
	uint32_t got = tls_pump(s->conn, &io, s->tls->now), events = 0;

	if (io.overhead > 0)
		tcp_received(s->tcp, io.overhead);
	if (is_reset)
		bufq_clear(&wire);
	else if (wire.bytes > 0)
		tcp_send(s->tcp, &wire);
	s->again = (got & TLS_EV_AGAIN) != 0;
	if (s->again && s->plain.bytes < PLAIN_ROOM)
		tcp_ready_again(s->tcp, TCP_EV_READABLE);
	if (got & TLS_EV_HANDSHAKEN)
		s->open = 1;
	if ((got & TLS_EV_HANDSHAKEN) && s->tls->c.role == HD_TLS_CLIENT)
		events |= TCP_EV_CONNECTED;
	if (got & TLS_EV_READABLE)
		events |= TCP_EV_READABLE;
	if (got & TLS_EV_EOF)
		events |= TCP_EV_FIN;
	if (got & TLS_EV_FAILED)
		s->failed = 1;
	return events;
}

static uint32_t ignored(struct host_stream *s, uint32_t events)
{
	struct bufq *rx = tcp_conn_rx(s->tcp);
	uint32_t n = rx->bytes;

	bufq_clear(rx);
	tcp_received(s->tcp, n);
	return events & ~(uint32_t)TCP_EV_READABLE;
}

uint32_t host_stream_event(struct host_stream *s, uint32_t events)
{
	uint32_t above = events & (TCP_EV_ACCEPTED | TCP_EV_WRITABLE | TCP_EV_RESET);

	if (s->tls == NULL)
		return events;
	if (s->is_cut)
		return ignored(s, events);
	s->begun |= (events & TCP_EV_CONNECTED) != 0;
	s->fin |= (events & (TCP_EV_FIN | TCP_EV_RESET | TCP_EV_CLOSED)) != 0;
	if (s->begun && !s->failed)
		above |= pump(s, (events & (TCP_EV_RESET | TCP_EV_CLOSED)) != 0);
	if ((events & TCP_EV_READABLE) && s->plain.bytes > 0)
		above |= TCP_EV_READABLE;
	if (s->failed)
		above |= TCP_EV_RESET;
	else if (events & TCP_EV_CLOSED)
		above |= TCP_EV_CLOSED;
	if (!(above & (TCP_EV_RESET | TCP_EV_CLOSED)))
		flush(s);
	return above;
}

struct bufq *host_stream_rx(struct host_stream *s)
{
	return s->tls != NULL ? &s->plain : tcp_conn_rx(s->tcp);
}

void host_stream_received(struct host_stream *s, uint32_t bytes)
{
	tcp_received(s->tcp, bytes);
	if (s->again) {
		s->again = 0;
		tcp_ready_again(s->tcp, TCP_EV_READABLE);
	}
}

uint32_t host_stream_space(const struct host_stream *s)
{
	uint32_t space = tcp_send_space(s->tcp);

	if (s->tls == NULL)
		return space;
	return !s->open || s->unsent.bytes > 0 || space < SPACE_MIN ? 0 : space;
}

int host_stream_send(struct host_stream *s, const void *p, uint32_t n)
{
	if (s->tls == NULL)
		return tcp_send_copy(s->tcp, p, n);
	if (bufq_copy_in(&s->unsent, p, n, s->tls->c.bufs) < 0)
		return -1;
	flush(s);
	return 0;
}

void host_stream_close(struct host_stream *s)
{
	s->closing = 1;
	flush(s);
	tcp_close(s->tcp);
}

static void forget(struct host_stream *s)
{
	if (s->conn != NULL)
		tls_release(s->conn);
	bufq_clear(&s->plain);
	bufq_clear(&s->unsent);
	*s = (struct host_stream){ 0 };
}

void host_stream_release(struct host_stream *s)
{
	struct tcp_conn *c = s->tcp;

	s->closing = 1;
	if (!s->fin)
		flush(s);
	forget(s);
	tcp_release(c);
}

void host_stream_abort(struct host_stream *s)
{
	struct tcp_conn *c = s->tcp;

	forget(s);
	tcp_abort(c);
}

void host_stream_cut(struct host_stream *s)
{
	if (s->conn != NULL)
		tls_release(s->conn);
	s->conn = NULL;
	s->is_cut = 1;
	tcp_close(s->tcp);
}
