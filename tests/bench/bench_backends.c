/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "bench_mesh.h"
#include "bench_peers.h"
#include "bufq.h"

#define MOST_REPLIES 65536
#define CHUNK (64 * 1024)

/* An accepted connection. */
struct bench_reply {
	struct bench_reply *next;
	struct host_stream stream;
	uint64_t left;	  /* of the body that is being sent */
	uint32_t matched; /* characters of the blank line seen */
	uint32_t asked;	  /* whole requests not yet answered */
};

static const uint8_t filler[CHUNK] = { [0 ... CHUNK - 1] = 'x' };

static int64_t on_listener(void *ctx, const struct pkt_facts *f)
{
	return f->key.local_port == BENCH_BACKEND_PORT ? 0 : -1;
}

/* As much of the body as the connection takes now. */
static void send_body(struct bench_backends *b, struct bench_reply *r)
{
	while (r->left > 0) {
		uint32_t space = host_stream_space(&r->stream),
			 n = r->left < CHUNK ? (uint32_t)r->left : CHUNK;

		if (space == 0)
			return;
		if (n > space)
			n = space;
		if (host_stream_send(&r->stream, filler, n) != 0) {
			b->errors++;
			return;
		}
		r->left -= n;
	}
}

/* Small answers go out whole, as a server's would: head and body in one piece. */
static void answer(struct bench_backends *b, struct bench_reply *r)
{
	char whole[2048];
	uint32_t body = b->options->size;

	b->requests++;
	if (b->head_bytes + body <= sizeof(whole)) {
		memcpy(whole, b->head, b->head_bytes);
		memset(whole + b->head_bytes, 'x', body);
		if (host_stream_send(&r->stream, whole, b->head_bytes + body) != 0)
			b->errors++;
		return;
	}
	if (host_stream_send(&r->stream, b->head, b->head_bytes) != 0)
		b->errors++;
	r->left = body;
	send_body(b, r);
}

/* Requests have no body: each blank line ends one. */
static void count_requests(struct bench_reply *r, const uint8_t *p, uint32_t n)
{
	static const char blank[] = "\r\n\r\n";

	for (uint32_t i = 0; i < n; i++) {
		if (p[i] == (uint8_t)blank[r->matched])
			r->matched++;
		else
			r->matched = p[i] == '\r';
		if (r->matched == 4) {
			r->matched = 0;
			r->asked++;
		}
	}
}

static void receive(struct bench_reply *r)
{
	struct bufq *rx = host_stream_rx(&r->stream);
	uint32_t total = rx->bytes, n;
	const uint8_t *p;

	while ((p = bufq_front(rx, &n)) != NULL) {
		count_requests(r, p, n);
		bufq_consume(rx, n);
	}
	host_stream_received(&r->stream, total);
}

static void on_event(void *ctx, struct tcp_conn *conn, uint32_t events)
{
	struct bench_backends *b = ctx;
	struct bench_reply *r = tcp_conn_user(conn);

	if (r == NULL && events & TCP_EV_ACCEPTED && b->free != NULL) {
		r = b->free;
		b->free = r->next;
		*r = (struct bench_reply){ 0 };
		tcp_conn_set_user(conn, r);
		host_stream_open(&r->stream, b->tls, conn, &b->node);
	}
	if (r == NULL) {
		tcp_release(conn);
		return;
	}
	events = host_stream_event(&r->stream, events);
	if (events & (TCP_EV_FIN | TCP_EV_RESET | TCP_EV_CLOSED)) {
		tcp_conn_set_user(conn, NULL);
		host_stream_release(&r->stream);
		r->next = b->free;
		b->free = r;
		return;
	}
	if (events & TCP_EV_READABLE)
		receive(r);
	send_body(b, r);
	for (; r->left == 0 && r->asked > 0; r->asked--)
		answer(b, r);
}

static void fill_config(struct host_config *hc, const struct bench_site *site, uint32_t connections)
{
	static const char *const addresses[] = { "10.2.0.2", "10.2.0.3" };

	*hc = (struct host_config){ .name = "backends",
				    .device = site->device,
				    .n_addresses = HD_ARRAY_SIZE(addresses),
				    .bufs = site->bufs,
				    .indirect = site->indirect,
				    .max_connections = connections * 2 + 1024,
				    .secret = { 0x7654321, 0xfedcba98 },
				    .socket = SOCKET_ID_ANY };
	for (size_t i = 0; i < HD_ARRAY_SIZE(addresses); i++) {
		hc->addresses[i].len = 96 + 24;
		if (hd_ip_parse(addresses[i], &hc->addresses[i].ip) != 0)
			abort();
	}
}

int bench_backends_turn(struct bench_backends *b, hd_ns now)
{
	int did = host_turn(b->host, now);

	if (b->tls != NULL)
		did |= host_tls_run(b->tls, on_event, b, now);
	return did;
}

int bench_backends_init(struct bench_backends *b, const struct bench_options *o,
			const struct bench_site *site, hd_ns now)
{
	struct host_app app = { .listener = on_listener, .event = on_event, .ctx = b };
	struct host_config hc;

	memset(b, 0, sizeof(*b));
	fill_config(&hc, site, o->connections + o->services * 4);
	b->options = o;
	b->tls = site->tls;
	if (hd_ip_parse("10.2.0.1", &b->node.ip) != 0)
		abort();
	b->head_bytes = (uint32_t)snprintf(
		b->head, sizeof(b->head),
		"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Wed, 25 Nov 2026 10:00:00 GMT\r\n"
		"Content-Type: application/json\r\nContent-Length: %u\r\nConnection: keep-alive\r\n\r\n",
		o->size);
	b->replies = calloc(MOST_REPLIES, sizeof(*b->replies));
	b->host = host_create(&hc, &app, now);
	if (b->replies == NULL || b->host == NULL)
		return -1;
	for (uint32_t i = 0; i < MOST_REPLIES; i++) {
		b->replies[i].next = b->free;
		b->free = &b->replies[i];
	}
	return 0;
}

void bench_backends_fini(struct bench_backends *b)
{
	host_destroy(b->host);
	free(b->replies);
}
