/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_backend.h"

#include <stdlib.h>

#include "sim_message.h"
#include "sim_tls.h"

#define MAX_CONNECTIONS 256

enum serve_state {
	SERVE_FREE,
	SERVE_READING,
	SERVE_WAITING,
	SERVE_ANSWERING,
	SERVE_IDLE_FAULT,
	SERVE_DRAINING
};

struct serve {
	struct sim_backend *backend;
	struct host_stream c;
	enum serve_state state;
	uint32_t id; /* of the request in hand */
	hd_ns due;   /* SERVE_WAITING, SERVE_IDLE_FAULT */
	uint8_t peer_closed;
	uint8_t poisoned; /* surplus bytes were sent */
	struct sim_reader reader;
	struct sim_writer writer;
};

struct sim_backend {
	struct sim_world *world;
	struct host *host;
	struct host_tls *tls; /* NULL: plain */
	struct serve serves[MAX_CONNECTIONS];
};

static struct sim_request *request(struct serve *s)
{
	return &s->backend->world->requests[s->id];
}

static void forget(struct serve *s)
{
	s->state = SERVE_FREE;
}

static void reset(struct serve *s)
{
	if (s->id != UINT32_MAX)
		request(s)->reset_after = 1;
	sim_note(s->backend->world, "backend resets after request %u", s->id);
	host_stream_abort(&s->c);
	forget(s);
}

/* The connection closes for good; what comes then is answered with a reset. */
static void drop(struct serve *s)
{
	sim_note(s->backend->world, "backend drops its connection after request %u", s->id);
	host_stream_release(&s->c);
	forget(s);
}

/* As careful servers do: a reset for what the other side still sends would destroy the answer on
 * its way. */
static void finish(struct serve *s)
{
	sim_note(s->backend->world, "backend closes after request %u", s->id);
	host_stream_close(&s->c);
	s->state = SERVE_DRAINING;
}

/* What a broken server's TLS does: its bytes end, and nobody may take that for the end of an
 * answer. */
static void cut(struct serve *s)
{
	sim_note(s->backend->world, "backend ends amid TLS after request %u", s->id);
	request(s)->reset_after = 1;
	host_stream_cut(&s->c);
	s->state = SERVE_DRAINING;
}

static void next_request(struct serve *s)
{
	s->state = SERVE_READING;
	sim_reader_start(&s->reader, s->backend->world->seed, 0, 0);
}

static void start_answer(struct serve *s)
{
	const struct sim_plan *p = &request(s)->plan;

	s->state = SERVE_ANSWERING;
	sim_writer_answer(&s->writer, s->backend->world->seed, s->id, p);
	if (p->fault == SIM_RESET_AMID || p->fault == SIM_CLOSE_AMID)
		s->writer.cut_at = p->fault_at;
}

static void wait_then_answer(struct serve *s)
{
	s->state = SERVE_WAITING;
	s->due = s->backend->world->now + request(s)->plan.delay;
}

static void check_head(struct serve *s)
{
	struct sim_world *w = s->backend->world;
	struct sim_request *q;

	if (s->reader.id >= w->n_requests) {
		sim_fail(w, "a backend got a request that nobody sent: %.60s", s->reader.head);
		return;
	}
	s->id = s->reader.id;
	q = request(s);
	q->heads++;
	q->poisoned = s->poisoned;
	if (strncmp(s->reader.head, q->plan.method, strlen(q->plan.method)) != 0)
		sim_fail(w, "request %u came with another method: %.20s", s->id, s->reader.head);
	if (q->heads > 1)
		sim_note(w, "request %u came again", s->id);
}

static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* The head is there. False: the connection is gone. */
static int take_head(struct serve *s)
{
	check_head(s);
	if (s->backend->world->failure[0] != '\0') {
		reset(s);
		return 0;
	}
	if (request(s)->plan.fault == SIM_RESET_AT_HEAD) {
		reset(s);
		return 0;
	}
	if (strcasestr(s->reader.head, "\r\nexpect: 100-continue\r\n") != NULL)
		(void)!host_stream_send(&s->c, go_on, sizeof(go_on) - 1);
	return 1;
}

static void check_whole(struct serve *s)
{
	struct sim_world *w = s->backend->world;
	struct sim_request *q = request(s);

	q->wholes++;
	if (s->reader.offset != q->plan.request_bytes)
		sim_fail(w, "request %u came with %llu bytes instead of %u", s->id,
			 (unsigned long long)s->reader.offset, q->plan.request_bytes);
}

static void take_whole(struct serve *s)
{
	check_whole(s);
	switch (request(s)->plan.fault) {
	case SIM_RESET_UNANSWERED:
		reset(s);
		return;
	case SIM_CLOSE_UNANSWERED:
		finish(s);
		return;
	default:
		wait_then_answer(s);
	}
}

static void read_request(struct serve *s)
{
	struct sim_world *w = s->backend->world;

	while (s->state == SERVE_READING) {
		switch (sim_reader_pump(&s->reader, &s->c, UINT32_MAX)) {
		case SIM_READ_HEAD:
			if (!take_head(s))
				return;
			break;
		case SIM_READ_DONE:
			take_whole(s);
			break;
		case SIM_READ_WRONG:
			sim_fail(w, "request %u at the backend: %s", s->reader.id, s->reader.wrong);
			reset(s);
			return;
		case SIM_READ_MORE:
			if (s->peer_closed)
				drop(s);
			return;
		}
	}
}

/* The answer is out: what the plan says of the connection now. */
static void after_answer(struct serve *s)
{
	const struct sim_plan *p = &request(s)->plan;

	switch (p->fault) {
	case SIM_RESET_AMID:
		if (s->backend->tls != NULL && p->fault_at % 2 == 1) {
			cut(s);
			return;
		}
		reset(s);
		return;
	case SIM_GARBAGE:
		reset(s);
		return;
	case SIM_SURPLUS:
		s->poisoned = 1;
		(void)!host_stream_send(&s->c, "HTTP/1.1 200 OK\r\n", 17);
		break;
	case SIM_IDLE_DATA:
	case SIM_IDLE_CLOSE:
	case SIM_IDLE_RESET:
	case SIM_IDLE_ANSWER:
		s->state = SERVE_IDLE_FAULT;
		s->due = s->backend->world->now + p->idle;
		sim_reader_start(&s->reader, s->backend->world->seed, 0, 0);
		return;
	default:
		if (p->close || p->fault == SIM_CLOSE_AMID) {
			finish(s);
			return;
		}
	}
	next_request(s);
}

/* It idles until its fault is due; a request that comes first is served, as by any server. */
static void idle(struct serve *s)
{
	if (host_stream_rx(&s->c)->bytes > 0 || s->peer_closed)
		next_request(s);
}

/* Not before the answer has arrived: the reset would destroy it. */
static void reset_idle(struct serve *s)
{
	if (tcp_acked_offset(s->c.tcp) < tcp_send_offset(s->c.tcp)) {
		s->due = s->backend->world->now + 5 * HD_NS_PER_MS;
		return;
	}
	sim_note(s->backend->world, "backend resets its idle connection after request %u", s->id);
	host_stream_abort(&s->c);
	forget(s);
}

static void idle_fault(struct serve *s)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";
	static const char unasked[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";

	switch (request(s)->plan.fault) {
	case SIM_IDLE_CLOSE:
		drop(s);
		return;
	case SIM_IDLE_RESET:
		reset_idle(s);
		return;
	case SIM_IDLE_ANSWER:
		(void)!host_stream_send(&s->c, answer, sizeof(answer) - 1);
		s->poisoned = 1;
		next_request(s);
		return;
	default:
		(void)!host_stream_send(&s->c, unasked, sizeof(unasked) - 1);
		drop(s);
	}
}

static void drain(struct serve *s)
{
	uint32_t n = host_stream_rx(&s->c)->bytes;

	bufq_clear(host_stream_rx(&s->c));
	host_stream_received(&s->c, n);
	if (s->peer_closed)
		drop(s);
}

static void work(struct serve *s)
{
	enum serve_state before;

	do {
		before = s->state;
		if (s->state == SERVE_IDLE_FAULT)
			idle(s);
		if (s->state == SERVE_READING)
			read_request(s);
		if (s->state == SERVE_DRAINING)
			drain(s);
		if (s->state == SERVE_ANSWERING && sim_writer_pump(&s->writer, &s->c))
			after_answer(s);
	} while (s->state != before && s->state != SERVE_FREE && s->state != SERVE_WAITING);
}

static int run_due(struct serve *s, hd_ns now)
{
	if (s->state == SERVE_WAITING && s->due <= now) {
		start_answer(s);
		work(s);
		return 1;
	}
	if (s->state == SERVE_IDLE_FAULT && s->due <= now) {
		idle_fault(s);
		return 1;
	}
	return 0;
}

/* Its FIN is right behind the handshake: the proxy may see both in one event. */
static int is_shut_at_once(const struct sim_backend *b, const struct hd_addr *remote)
{
	struct sim_random r = sim_random_of(b->world->seed, 5000000 + remote->port);

	return sim_chance(&r, b->world->profile->shuts);
}

static struct serve *accept_connection(struct sim_backend *b, struct tcp_conn *c)
{
	const struct hd_addr remote = { .ip = tcp_conn_key(c)->remote,
					.port = tcp_conn_key(c)->remote_port };

	for (uint32_t i = 0; i < MAX_CONNECTIONS; i++) {
		struct serve *s = &b->serves[i];
		if (s->state == SERVE_FREE) {
			*s = (struct serve){ .backend = b, .id = UINT32_MAX };
			host_stream_open(&s->c, b->tls, c, &remote);
			next_request(s);
			if (is_shut_at_once(b, &remote)) {
				sim_note(b->world, "backend shuts what it accepted");
				host_stream_close(&s->c);
				s->state = SERVE_DRAINING;
			}
			tcp_conn_set_user(c, s);
			tcp_set_keepalive(c, 3, 60 * HD_NS_PER_S, 10 * HD_NS_PER_S);
			return s;
		}
	}
	abort();
}

static void on_event(void *ctx, struct tcp_conn *c, uint32_t events)
{
	struct serve *s = tcp_conn_user(c);

	if (events & TCP_EV_ACCEPTED)
		s = accept_connection(ctx, c);
	events = host_stream_event(&s->c, events);
	if (events & TCP_EV_RESET) {
		host_stream_release(&s->c);
		forget(s);
		return;
	}
	if (events & (TCP_EV_FIN | TCP_EV_CLOSED))
		s->peer_closed = 1;
	work(s);
}

static int64_t listener(void *ctx, const struct pkt_facts *f)
{
	(void)ctx;
	return f->key.local_port == SIM_BACKEND_PORT ? 0 : -1;
}

int sim_backend_turn(struct sim_backend *b, hd_ns now)
{
	int did = 0;

	for (uint32_t i = 0; i < MAX_CONNECTIONS; i++)
		did |= run_due(&b->serves[i], now);
	if (b->tls != NULL)
		did |= host_tls_run(b->tls, on_event, b, now);
	return host_turn(b->host, now) | did;
}

hd_ns sim_backend_next(const struct sim_backend *b)
{
	hd_ns first = host_next_deadline(b->host);

	if (b->tls != NULL && host_tls_next_deadline(b->tls) < first)
		first = host_tls_next_deadline(b->tls);
	for (uint32_t i = 0; i < MAX_CONNECTIONS; i++) {
		const struct serve *s = &b->serves[i];
		if ((s->state == SERVE_WAITING || s->state == SERVE_IDLE_FAULT) && s->due < first)
			first = s->due;
	}
	return first;
}

struct host *sim_backend_host(struct sim_backend *b)
{
	return b->host;
}

struct sim_backend *sim_backend_create(struct sim_world *w, const char *address,
				       const struct net_device *device, struct rte_mempool *bufs,
				       struct rte_mempool *indirect)
{
	uint64_t key = sim_mix(w->seed + (uint64_t)address[strlen(address) - 1]);
	struct sim_backend *b = calloc(1, sizeof(*b));
	struct host_app app = { .listener = listener, .event = on_event, .ctx = b };
	struct host_config hc = {
		.name = "backend",
		.device = *device,
		.n_addresses = 1,
		.bufs = bufs,
		.indirect = indirect,
		.max_connections = MAX_CONNECTIONS,
		.secret = { key, sim_mix(key) },
		.socket = -1,
	};

	if (b == NULL || hd_ip_parse(address, &hc.addresses[0].ip) != 0)
		abort();
	hc.addresses[0].len = 96 + 24;
	b->world = w;
	b->host = host_create(&hc, &app, w->now);
	if (b->host == NULL)
		abort();
	b->tls = sim_tls_create(w, HD_TLS_SERVER, bufs, indirect);
	return b;
}

void sim_backend_destroy(struct sim_backend *b)
{
	host_tls_destroy(b->tls);
	host_destroy(b->host);
	free(b);
}
