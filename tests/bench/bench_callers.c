/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "bench_mesh.h"
#include "bench_peers.h"
#include "bufq.h"

#define OPENS_A_TURN 16
#define HEAD_MAX 1024

/* What a caller asks: about as much as a browser or a client library sends. */
#define REQUEST(connection)                                        \
	"GET /v1/items/4711?fields=name,price&page=2 HTTP/1.1\r\n" \
	"Host: " BENCH_HOST "\r\n"                                 \
	"User-Agent: heddle-bench/1.0\r\n"                         \
	"Accept: application/json\r\n"                             \
	"Accept-Encoding: gzip, deflate\r\n"                       \
	"X-Tenant: 0123456789abcdef\r\n"                           \
	"Cookie: session=0123456789abcdef0123456789abcdef\r\n" connection "\r\n"

static const char keep[] = REQUEST(""), once[] = REQUEST("Connection: close\r\n");

/* The same to one of many services. */
#define REQUEST_OF                                                            \
	"GET " BENCH_PATH "/4711?fields=name,price&page=2 HTTP/1.1\r\n"       \
	"Host: " BENCH_SERVICE ".default.svc.cluster.local\r\n"               \
	"User-Agent: heddle-bench/1.0\r\n"                                    \
	"Accept: application/json\r\n"                                        \
	"Accept-Encoding: gzip, deflate\r\n"                                  \
	"X-Tenant: 0123456789abcdef\r\n"                                      \
	"Cookie: session=0123456789abcdef0123456789abcdef\r\n%s\r\n"
/* It shares no factor with the number of routes: neighbours in time are none in memory. */
#define STRIDE 7919

struct bench_call {
	struct host_stream stream; /* tcp NULL: to be opened */
	hd_ns sent;
	uint64_t left;	       /* of the body */
	uint8_t in_body, done; /* done: idle wants one request only */
	uint8_t resting;       /* open loop: connected, and nothing asked */
	uint8_t is_storm;      /* a handshake is all that is wanted of it */
};

static int ask_one_of(struct bench_callers *c, struct bench_call *call, int one_each)
{
	uint64_t at = c->begun++ * STRIDE;
	char text[512];
	int n = snprintf(text, sizeof(text), REQUEST_OF, (uint32_t)(at % BENCH_PATHS),
			 (uint32_t)(at % c->options->services),
			 one_each ? "Connection: close\r\n" : "");

	return host_stream_send(&call->stream, text, (uint32_t)n);
}

static void ask(struct bench_callers *c, struct bench_call *call)
{
	int one_each = c->options->scenario == BENCH_CONNECT;

	call->resting = 0;
	if (c->options->services != 0) {
		c->errors += ask_one_of(c, call, one_each) != 0;
		return;
	}
	if (host_stream_send(&call->stream, one_each ? once : keep,
			     (one_each ? sizeof(once) : sizeof(keep)) - 1) != 0)
		c->errors++;
}

/* Closed loop: the next request is due now. Open loop: when its time comes. */
static void ask_next(struct bench_callers *c, struct bench_call *call)
{
	if (c->options->rate != 0) {
		call->resting = 1;
		return;
	}
	call->sent = host_now(c->host);
	ask(c, call);
}

/* Open loop: what is due goes to connections at rest; for what finds none the clock runs. */
static void ask_due(struct bench_callers *c, hd_ns now)
{
	double interval = (double)HD_NS_PER_S / c->options->rate;

	if (c->began == 0)
		c->began = now;
	for (uint32_t i = 0; i < c->options->connections; i++) {
		struct bench_call *call = &c->calls[(c->asked + i) % c->options->connections];
		hd_ns due = c->began + (hd_ns)((double)c->asked * interval);

		if (due > now)
			return;
		if (!call->resting)
			continue;
		call->sent = due;
		c->asked++;
		ask(c, call);
	}
}

/* The value of content-length in a head; UINT64_MAX: none, or not 200. */
static uint64_t body_length(const char *head, uint32_t n)
{
	static const char name[] = "\r\ncontent-length:";

	if (n < 12 || memcmp(head, "HTTP/1.1 200", 12) != 0)
		return UINT64_MAX;
	for (uint32_t i = 0; i + sizeof(name) < n; i++) {
		if (head[i] == '\r' && strncasecmp(head + i, name, sizeof(name) - 1) == 0)
			return strtoull(head + i + sizeof(name) - 1, NULL, 10);
	}
	return UINT64_MAX;
}

/* 1: the head was there and is taken; 0: more must come; -1: no answer that we want. */
static int take_head(struct bench_call *call, struct bufq *rx)
{
	char head[HEAD_MAX + 1];
	uint32_t n = rx->bytes < HEAD_MAX ? rx->bytes : HEAD_MAX;
	const char *end;

	bufq_copy_out(rx, 0, head, n);
	head[n] = '\0';
	end = strstr(head, "\r\n\r\n");
	if (end == NULL)
		return n < HEAD_MAX ? 0 : -1;
	call->left = body_length(head, (uint32_t)(end + 4 - head));
	call->in_body = 1;
	bufq_consume(rx, (uint32_t)(end + 4 - head));
	return call->left == UINT64_MAX ? -1 : 1;
}

static void answered(struct bench_callers *c, struct bench_call *call)
{
	call->in_body = 0;
	c->requests++;
	if (c->measuring)
		hist_add(&c->latency_ns, host_now(c->host) - call->sent);
	if (c->options->scenario == BENCH_IDLE)
		call->done = 1;
	else if (c->options->scenario != BENCH_CONNECT)
		ask_next(c, call);
}

/* 0: the connection is of no use any more. */
static int receive(struct bench_callers *c, struct bench_call *call)
{
	struct bufq *rx = host_stream_rx(&call->stream);
	uint32_t before = rx->bytes;

	while (rx->bytes > 0) {
		uint32_t take;
		int got = call->in_body ? 1 : take_head(call, rx);

		if (got < 0)
			return 0;
		if (got == 0)
			break;
		take = call->left < rx->bytes ? (uint32_t)call->left : rx->bytes;
		bufq_consume(rx, take);
		c->body_bytes += take;
		call->left -= take;
		if (call->left != 0)
			break;
		answered(c, call);
	}
	if (before != rx->bytes)
		host_stream_received(&call->stream, before - rx->bytes);
	return 1;
}

static void let_go(struct bench_callers *c, struct bench_call *call)
{
	tcp_conn_set_user(call->stream.tcp, NULL);
	host_stream_release(&call->stream);
	*call = (struct bench_call){ .is_storm = call->is_storm };
}

static void give_up(struct bench_callers *c, struct bench_call *call)
{
	if (c->options->scenario != BENCH_CONNECT || call->in_body)
		c->errors++;
	let_go(c, call);
}

/* A handshake is what was asked for: it counts, and another one begins. Those of a storm are no
 * requests: the established connections' are what it is measured by. */
static void shaken(struct bench_callers *c, struct bench_call *call)
{
	c->handshakes++;
	if (c->options->scenario == BENCH_HANDSHAKE) {
		c->requests++;
		if (c->measuring)
			hist_add(&c->latency_ns, host_now(c->host) - call->sent);
	}
	let_go(c, call);
}

static void on_event(void *ctx, struct tcp_conn *conn, uint32_t events)
{
	struct bench_callers *c = ctx;
	struct bench_call *call = tcp_conn_user(conn);

	if (call == NULL) {
		tcp_release(conn);
		return;
	}
	events = host_stream_event(&call->stream, events);
	if (events & TCP_EV_CONNECTED) {
		c->connected++;
		if (!call->is_storm)
			ask_next(c, call);
	}
	/* To resume it a ticket is wanted, which comes next. */
	if (call->is_storm && call->stream.open &&
	    (!c->options->resumed || !(events & TCP_EV_CONNECTED))) {
		shaken(c, call);
		return;
	}
	if (events & TCP_EV_READABLE && !receive(c, call)) {
		c->errors++;
		give_up(c, call);
		return;
	}
	if (events & (TCP_EV_FIN | TCP_EV_RESET | TCP_EV_CLOSED))
		give_up(c, call);
}

static void fill_config(struct host_config *hc, const struct bench_site *site, uint32_t connections)
{
	*hc = (struct host_config){ .name = "callers",
				    .device = site->device,
				    .n_addresses = 1,
				    .bufs = site->bufs,
				    .indirect = site->indirect,
				    .max_connections = connections * 2 + 1024,
				    .secret = { 0x1234567, 0x89abcdef },
				    .socket = SOCKET_ID_ANY };
	hc->addresses[0].len = 96 + 16;
	if (hd_ip_parse("10.1.1.1", &hc->addresses[0].ip) != 0)
		abort();
}

int bench_callers_init(struct bench_callers *c, const struct bench_options *o,
		       const struct bench_site *site, hd_ns now)
{
	struct host_app app = { .event = on_event, .ctx = c };
	struct host_config hc;

	memset(c, 0, sizeof(*c));
	fill_config(&hc, site, o->connections + o->storm);
	c->options = o;
	c->tls = site->tls;
	c->to.port = 80;
	if (hd_ip_parse(BENCH_VIP, &c->to.ip) != 0)
		abort();
	c->n_calls = o->connections + o->storm;
	c->calls = calloc(c->n_calls, sizeof(*c->calls));
	c->host = host_create(&hc, &app, now);
	if (c->calls == NULL || c->host == NULL)
		return -1;
	for (uint32_t i = o->scenario == BENCH_HANDSHAKE ? 0 : o->connections; i < c->n_calls; i++)
		c->calls[i].is_storm = 1;
	return 0;
}

void bench_callers_fini(struct bench_callers *c)
{
	host_destroy(c->host);
	free(c->calls);
}

static void open_missing(struct bench_callers *c)
{
	uint32_t opened = 0, n = c->is_storming ? c->n_calls : c->options->connections;

	for (uint32_t i = 0; i < n && opened < OPENS_A_TURN; i++) {
		struct bench_call *call = &c->calls[i];

		struct tcp_conn *conn;

		if (call->stream.tcp != NULL)
			continue;
		conn = host_connect(c->host, &c->to);
		if (conn == NULL)
			return;
		tcp_conn_set_user(conn, call);
		call->sent = host_now(c->host);
		host_stream_open(&call->stream, c->tls, conn, &c->to);
		opened++;
	}
}

int bench_callers_turn(struct bench_callers *c, hd_ns now)
{
	int did = host_turn(c->host, now);

	if (c->tls != NULL)
		did |= host_tls_run(c->tls, on_event, c, now);
	open_missing(c);
	if (c->options->rate != 0)
		ask_due(c, now);
	return did;
}
