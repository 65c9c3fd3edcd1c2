/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_caller.h"

#include <stdlib.h>

#include "sim_message.h"
#include "sim_tls.h"

#define MAX_CONNECTIONS 64
#define MAX_PER_CONNECTION 12

struct call {
	struct sim_caller *caller;
	struct host_stream c; /* tcp NULL: not yet, or no more */
	hd_ns open_at, abort_at, read_at, hold_until;
	uint32_t first, n; /* requests */
	uint32_t begun, sent, answered;
	uint32_t depth;	     /* of pipelining */
	uint32_t read_bytes; /* 0: reads at once; else so much every millisecond or so */
	uint8_t opened, ended, peer_closed, says_close;
	struct sim_writer writer;
	struct sim_reader reader;
};

struct sim_caller {
	struct sim_world *world;
	struct host *host;
	struct host_tls *tls; /* NULL: plain */
	struct hd_addr remote;
	struct sim_random random;
	uint32_t n;
	struct call calls[MAX_CONNECTIONS];
};

static struct sim_request *request(struct call *k, uint32_t i)
{
	return &k->caller->world->requests[k->first + i];
}

static int is_head(struct call *k, uint32_t i)
{
	return request(k, i)->plan.method[0] == 'H';
}

static void start_reader(struct call *k)
{
	int no_body = k->answered < k->n && is_head(k, k->answered);

	sim_reader_start(&k->reader, k->caller->world->seed, 1, no_body);
}

/* The connection is over: what was not answered gets its outcome. */
static void end_call(struct call *k, enum sim_outcome first, enum sim_outcome rest)
{
	for (uint32_t i = k->answered; i < k->n; i++)
		request(k, i)->outcome = i == k->answered ? first : rest;
	k->answered = k->n;
	k->ended = 1;
}

static void give_up(struct call *k)
{
	sim_note(k->caller->world, "caller gives up on requests from %u", k->first + k->answered);
	host_stream_abort(&k->c);
	end_call(k, SIM_GIVEN_UP, SIM_GIVEN_UP);
}

static void closed_by_peer(struct call *k)
{
	int begun = sim_reader_has_begun(&k->reader) && k->answered < k->n;

	sim_note(k->caller->world, "closed with %u of %u answered", k->answered, k->n);
	host_stream_release(&k->c);
	end_call(k, begun ? SIM_CUT : SIM_UNANSWERED, SIM_UNANSWERED);
}

/* RFC 9110 10.1.1: it need not wait for ever. */
static void release_body(struct call *k)
{
	if (k->reader.interim > 0 || k->hold_until <= k->caller->world->now)
		k->writer.hold = 0;
}

static int holds_body(const struct call *k)
{
	return k->begun > k->sent && k->writer.hold;
}

static void send_more(struct call *k)
{
	struct sim_world *w = k->caller->world;

	while (!k->peer_closed) {
		if (k->begun > k->sent) {
			release_body(k);
			if (!sim_writer_pump(&k->writer, &k->c))
				return;
			k->sent++;
		}
		if (k->begun == k->n || k->begun - k->answered >= k->depth)
			return;
		sim_writer_request(&k->writer, w->seed, k->first + k->begun,
				   &request(k, k->begun)->plan,
				   k->says_close && k->begun == k->n - 1);
		k->writer.hold = request(k, k->begun)->plan.expect && k->depth == 1;
		k->hold_until = w->now + HD_NS_PER_S;
		k->begun++;
	}
}

/* Which answers a proxy may make up when a backend failed it. */
static int is_local_error(const struct sim_reader *r)
{
	return r->status == 502 || r->status == 503 || r->status == 504;
}

static void judge_answer(struct call *k)
{
	struct sim_world *w = k->caller->world;
	uint32_t id = k->first + k->answered;
	struct sim_request *q = request(k, k->answered);
	const struct sim_reader *r = &k->reader;

	q->status = r->status;
	if (r->id == UINT32_MAX) {
		q->outcome = SIM_LOCAL;
		q->timed_out = strstr(r->text, "timeout") != NULL;
		if (!is_local_error(r))
			sim_fail(w, "request %u was refused with %u %s", id, r->status, r->text);
		sim_note(w, "request %u: local %u \"%s\"", id, r->status, r->text);
		return;
	}
	q->outcome = SIM_ANSWERED;
	if (r->id != id)
		sim_fail(w, "request %u got the answer of %u", id, r->id);
	else if (r->status != q->plan.status)
		sim_fail(w, "request %u got status %u instead of %u", id, r->status,
			 q->plan.status);
	else if (r->offset != q->plan.answer_bytes)
		sim_fail(w, "request %u: answer of %llu bytes instead of %u", id,
			 (unsigned long long)r->offset, q->plan.answer_bytes);
	sim_note(w, "request %u answered", id);
}

static void answered(struct call *k)
{
	int last;

	judge_answer(k);
	last = ++k->answered == k->n;
	if (last || k->reader.close || holds_body(k)) { /* a body that nobody wants is not sent */
		host_stream_release(&k->c);
		end_call(k, SIM_UNANSWERED, SIM_UNANSWERED);
		return;
	}
	start_reader(k);
}

static void read_more(struct call *k)
{
	struct sim_world *w = k->caller->world;
	uint32_t limit = k->read_bytes > 0 ? k->read_bytes : UINT32_MAX;

	while (k->c.tcp != NULL) {
		if (k->answered >= k->begun && host_stream_rx(&k->c)->bytes > 0) {
			sim_fail(w, "bytes came unasked after request %u", k->first + k->answered);
			give_up(k);
			return;
		}
		enum sim_reading v = sim_reader_pump(&k->reader, &k->c, limit);
		if (v == SIM_READ_MORE)
			return;
		if (v == SIM_READ_WRONG) {
			sim_fail(w, "answer to %u: %s", k->first + k->answered, k->reader.wrong);
			give_up(k);
		} else if (v == SIM_READ_DONE) {
			answered(k);
		}
	}
}

static void read_close(struct call *k)
{
	if (k->c.tcp == NULL || !k->peer_closed || host_stream_rx(&k->c)->bytes > 0)
		return;
	if (sim_reader_close(&k->reader) == SIM_READ_DONE && sim_reader_has_begun(&k->reader))
		answered(k);
	if (k->c.tcp != NULL)
		closed_by_peer(k);
}

static void work(struct call *k)
{
	if (k->c.tcp != NULL && k->read_bytes == 0)
		read_more(k);
	read_close(k);
	if (k->c.tcp != NULL)
		send_more(k);
}

static void on_event(void *ctx, struct tcp_conn *c, uint32_t events)
{
	struct call *k = tcp_conn_user(c);

	(void)ctx;
	events = host_stream_event(&k->c, events);
	if (events & TCP_EV_RESET) {
		/* Bytes that came before the reset count. */
		read_more(k);
		if (k->c.tcp != NULL)
			closed_by_peer(k);
		return;
	}
	if (events & (TCP_EV_FIN | TCP_EV_CLOSED))
		k->peer_closed = 1;
	work(k);
}

static void open_call(struct call *k)
{
	struct tcp_conn *c;

	k->opened = 1;
	c = host_connect(k->caller->host, &k->caller->remote);
	if (c == NULL) {
		end_call(k, SIM_UNANSWERED, SIM_UNANSWERED);
		return;
	}
	host_stream_open(&k->c, k->caller->tls, c, &k->caller->remote);
	tcp_conn_set_user(c, k);
	tcp_set_keepalive(c, 3, 60 * HD_NS_PER_S, 10 * HD_NS_PER_S);
	start_reader(k);
}

static hd_ns next_of(const struct call *k)
{
	if (!k->opened)
		return k->open_at;
	if (k->c.tcp == NULL)
		return HD_NS_NEVER;
	hd_ns t = k->abort_at < k->read_at ? k->abort_at : k->read_at;
	return holds_body(k) && k->hold_until < t ? k->hold_until : t;
}

/* A slow reader's turn to read. */
static void read_slowly(struct call *k, hd_ns now)
{
	k->read_at = now + HD_NS_PER_MS + sim_next(&k->caller->random) % (4 * HD_NS_PER_MS);
	read_more(k);
	read_close(k);
	if (k->c.tcp != NULL)
		send_more(k);
}

static int run_due(struct call *k, hd_ns now)
{
	if (next_of(k) > now)
		return 0;
	if (!k->opened)
		open_call(k);
	else if (k->abort_at <= now)
		give_up(k);
	else if (k->read_at <= now)
		read_slowly(k, now);
	else
		send_more(k);
	return 1;
}

int sim_caller_turn(struct sim_caller *c, hd_ns now)
{
	int did = 0;

	for (uint32_t i = 0; i < c->n; i++)
		did |= run_due(&c->calls[i], now);
	if (c->tls != NULL)
		did |= host_tls_run(c->tls, on_event, c, now);
	return host_turn(c->host, now) | did;
}

hd_ns sim_caller_next(const struct sim_caller *c)
{
	hd_ns first = host_next_deadline(c->host);

	if (c->tls != NULL && host_tls_next_deadline(c->tls) < first)
		first = host_tls_next_deadline(c->tls);
	for (uint32_t i = 0; i < c->n; i++) {
		hd_ns t = next_of(&c->calls[i]);
		if (t < first)
			first = t;
	}
	return first;
}

int sim_caller_is_done(const struct sim_caller *c)
{
	for (uint32_t i = 0; i < c->n; i++) {
		if (!c->calls[i].ended)
			return 0;
	}
	return 1;
}

struct host *sim_caller_host(struct sim_caller *c)
{
	return c->host;
}

static void plan_call(struct sim_caller *c, struct call *k)
{
	struct sim_world *w = c->world;
	struct sim_random *r = &c->random;

	*k = (struct call){ .caller = c, .abort_at = HD_NS_NEVER, .read_at = HD_NS_NEVER };
	k->open_at = w->now + sim_next(r) % HD_NS_PER_S;
	k->first = w->n_requests;
	k->n = 1 + sim_below(r, MAX_PER_CONNECTION);
	k->depth = sim_chance(r, 400) ? 1 + sim_below(r, 8) : 1;
	k->says_close = (uint8_t)sim_chance(r, 200);
	if (sim_chance(r, w->profile->aborts))
		k->abort_at = k->open_at + sim_next(r) % (2 * HD_NS_PER_S);
	if (sim_chance(r, w->profile->slow)) {
		k->read_bytes = 100 + sim_below(r, 20000);
		k->read_at = k->open_at;
	}
	for (uint32_t i = 0; i < k->n; i++, w->n_requests++) {
		w->requests[w->n_requests].connection = k->first;
		sim_plan_make(&w->requests[w->n_requests].plan, w->profile, w->seed, w->n_requests);
	}
}

struct sim_caller *sim_caller_create(struct sim_world *w, const struct net_device *device,
				     struct rte_mempool *bufs, struct rte_mempool *indirect,
				     const struct hd_addr *remote)
{
	struct sim_caller *c = calloc(1, sizeof(*c));
	struct host_app app = { .event = on_event, .ctx = c };
	struct host_config hc = {
		.name = "callers",
		.device = *device,
		.n_addresses = 2,
		.bufs = bufs,
		.indirect = indirect,
		.max_connections = 256,
		.secret = { sim_mix(w->seed + 1), sim_mix(w->seed + 2) },
		.socket = -1,
	};

	if (c == NULL || hd_ip_parse("10.1.0.2", &hc.addresses[0].ip) != 0 ||
	    hd_ip_parse("fd00:1::2", &hc.addresses[1].ip) != 0)
		abort();
	hc.addresses[0].len = 96 + 24;
	hc.addresses[1].len = 64;
	c->world = w;
	c->remote = *remote;
	c->random = sim_random_of(w->seed, 1);
	c->host = host_create(&hc, &app, w->now);
	if (c->host == NULL)
		abort();
	c->tls = sim_tls_create(w, HD_TLS_CLIENT, bufs, indirect);
	c->n = w->profile->callers;
	for (uint32_t i = 0; i < c->n; i++)
		plan_call(c, &c->calls[i]);
	return c;
}

void sim_caller_destroy(struct sim_caller *c)
{
	host_tls_destroy(c->tls);
	host_destroy(c->host);
	free(c);
}
