/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side of a handshake: whole records go to a thread, what it did with them comes back
 * (docs/decisions/0014). */
#include <errno.h>

#include "tls_conn.h"

#define RUN_RETURNS 64 /* jobs taken back a turn */

static struct tls_job *job_of(struct tls *t, uint32_t number)
{
	return &t->link.jobs[number];
}

static void push(struct tls *t, uint32_t number, enum tls_job_op op)
{
	struct hd_ring *r = t->link.to[number % t->link.n_threads];
	uint32_t *slot = hd_ring_slot(r);

	job_of(t, number)->op = op;
	*slot = number; /* the ring has room for all jobs */
	hd_ring_push(r);
	t->pushed = 1;
}

/* A job that nobody waits for: straight back when the thread has nothing of it. */
static void dispose(struct tls *t, uint32_t number, int thread_holds)
{
	if (!thread_holds) {
		tls_admit_put_job(&t->admit, number);
		return;
	}
	t->admit.n_leaving++;
	push(t, number, TLS_JOB_DROP);
}

static int thread_holds(const struct tls_job *j)
{
	return j->status == TLS_JOB_MORE || j->status == TLS_JOB_OUTPUT ||
	       (j->status == TLS_JOB_DONE && j->keeps);
}

static void wipe_result(struct tls_job *j)
{
	tls_wipe(&j->rx, sizeof(j->rx));
	tls_wipe(&j->tx, sizeof(j->tx));
}

/* A result that nobody looks at. */
static void discard_result(struct tls *t, struct tls_job *j)
{
	if (j->status == TLS_JOB_DONE && j->peer != NULL)
		tls_identity_put(j->peer, t->worker);
	j->peer = NULL;
	wipe_result(j);
}

void tls_handover_detach(struct tls_conn *c)
{
	struct tls *t = c->tls;
	struct tls_pending *p = c->pending;
	uint32_t number;
	int holds;

	c->pending = NULL;
	if (p == NULL)
		return;
	if (p->state == TLS_PENDING_AWAY) {
		p->conn = NULL;
		list_remove(&p->due);
		return;
	}
	number = p->job;
	holds = p->begun;
	if (p->state == TLS_PENDING_BACK) {
		holds = thread_holds(job_of(t, number - 1));
		discard_result(t, job_of(t, number - 1));
	}
	tls_admit_close(&t->admit, p);
	if (number != 0)
		dispose(t, number - 1, holds);
}

static void fail_pending(struct tls_pending *p, enum hd_counter why)
{
	struct tls_conn *c = p->conn;

	tls_conn_fail(c, why);
	tls_conn_ready(c);
}

void tls_handover_return(struct tls *t, uint32_t number)
{
	struct tls_pending *p = t->admit.owners[number];
	struct tls_job *j = job_of(t, number);

	if (p == NULL) {
		t->stats->counters[HD_TLS_SESSIONS_KEPT] += j->sessions;
		t->admit.n_leaving--;
		tls_admit_put_job(&t->admit, number);
		return;
	}
	tls_admit_back(&t->admit, p);
	if (p->conn != NULL) {
		tls_conn_ready(p->conn);
		return;
	}
	discard_result(t, j);
	tls_admit_close(&t->admit, p);
	dispose(t, number, thread_holds(j));
}

/* Bytes of whole records at the front of in, at most `room`. A header that cannot be one is handed
 * over by itself: OpenSSL knows which alert it deserves. */
static uint32_t whole_records(const struct bufq *in, uint32_t room)
{
	uint32_t at = 0;

	while (at + TLS_HEADER_BYTES <= in->bytes) {
		uint8_t b[TLS_HEADER_BYTES];
		uint32_t n;
		bufq_copy_out(in, at, b, sizeof(b));
		n = TLS_HEADER_BYTES + (uint32_t)(b[3] << 8 | b[4]);
		if (n > TLS_RECORD_WIRE_MAX || b[1] != 3 || b[0] < TLS_TYPE_CCS ||
		    b[0] > TLS_TYPE_DATA)
			return at == 0 ? TLS_HEADER_BYTES : at;
		if (at + n > in->bytes || at + n > room)
			break;
		at += n;
	}
	return at;
}

/* The first bytes of the other side: a handshake record, or (a server's) an alert. */
static int begins_as_tls(const struct tls_conn *c, const struct bufq *in)
{
	uint8_t b[2];
	uint32_t n = in->bytes < sizeof(b) ? in->bytes : sizeof(b);

	bufq_copy_out(in, 0, b, n);
	if (n > 0 && b[0] != TLS_TYPE_HANDSHAKE &&
	    (c->role == HD_TLS_SERVER || b[0] != TLS_TYPE_ALERT))
		return 0;
	return n < sizeof(b) || b[1] == 3;
}

static void submit(struct tls_conn *c, const struct tls_io *io)
{
	struct tls *t = c->tls;
	struct tls_pending *p = c->pending;
	struct tls_job *j = job_of(t, p->job - 1);

	j->in_n = whole_records(io->in, sizeof(j->in));
	bufq_copy_out(io->in, 0, j->in, j->in_n);
	if (!p->begun) {
		j->role = c->role;
		j->context = c->context;
		j->remote = p->remote;
		j->sni_n = p->sni_n;
		memcpy(j->sni, p->sni, p->sni_n);
	}
	tls_admit_away(&t->admit, p);
	push(t, p->job - 1, p->begun ? TLS_JOB_GO_ON : TLS_JOB_BEGIN);
	p->begun = 1;
	p->eager = 0;
}

static void ask(struct tls_conn *c)
{
	struct tls_pending *evicted;

	tls_admit_ask(&c->tls->admit, c->pending, &evicted);
	if (c->pending->state == TLS_PENDING_QUEUED)
		tls_count(c->tls, HD_TLS_QUEUED);
	if (evicted == NULL)
		return;
	if (evicted == c->pending)
		tls_conn_fail(c, HD_TLS_BUSY);
	else
		fail_pending(evicted, HD_TLS_BUSY);
}

static void open_window(struct tls_conn *c, uint32_t number, hd_ns now)
{
	struct tls *t = c->tls;

	job_of(t, number)->in_n = 0;
	c->window = number + 1;
	c->window_ms = tls_ms(now);
	list_push_back(&t->windows, &c->open_window);
}

void tls_window_note(struct tls_conn *c, const struct bufq *in, uint32_t bytes)
{
	struct tls_job *j = job_of(c->tls, c->window - 1);

	j->used = j->in_n;
	if (bytes > sizeof(j->in) - j->in_n)
		return;
	bufq_copy_out(in, 0, j->in + j->in_n, bytes);
	j->in_n += bytes;
}

void tls_window_unnote(struct tls_conn *c)
{
	struct tls_job *j = job_of(c->tls, c->window - 1);

	j->in_n = j->used;
}

static void close_window(struct tls_conn *c, enum tls_job_op op)
{
	struct tls *t = c->tls;
	uint32_t number = c->window - 1;

	list_remove(&c->open_window);
	c->window = 0;
	job_of(t, number)->sessions = 0;
	t->admit.n_leaving++;
	push(t, number, op);
}

void tls_window_end(struct tls_conn *c)
{
	close_window(c, job_of(c->tls, c->window - 1)->in_n > 0 ? TLS_JOB_TICKETS : TLS_JOB_DROP);
}

void tls_window_flush(struct tls_conn *c)
{
	if (job_of(c->tls, c->window - 1)->in_n > 0)
		close_window(c, TLS_JOB_TICKETS);
}

void tls_window_judge(struct tls_conn *c, uint8_t type)
{
	struct tls_job *j = job_of(c->tls, c->window - 1);

	if (type == TLS_TYPE_HANDSHAKE)
		return;
	j->in_n = j->used;
	tls_window_end(c);
}

static void count_success(struct tls_conn *c, const struct tls_job *j)
{
	static const enum hd_counter rows[2][2] = {
		[HD_TLS_SERVER] = { HD_TLS_ACCEPTED, HD_TLS_ACCEPTED_RESUMED },
		[HD_TLS_CLIENT] = { HD_TLS_CONNECTED, HD_TLS_CONNECTED_RESUMED },
	};

	tls_count(c->tls, rows[c->role == HD_TLS_CLIENT][j->is_resumed != 0]);
}

/* The handshake is through: from here on records are ours. */
static void become_open(struct tls_conn *c, hd_ns now)
{
	struct tls *t = c->tls;
	struct tls_pending *p = c->pending;
	uint32_t number = p->job - 1;
	struct tls_job *j = job_of(t, number);

	c->rx = j->rx;
	c->tx = j->tx;
	wipe_result(j);
	c->suite = j->suite;
	c->is_1_3 = tls_conn_suite(c)->version == 0x0304;
	c->alpn = j->alpn;
	c->is_resumed = j->is_resumed != 0;
	c->limit = j->fragment != 0 ? j->fragment : TLS_PLAIN_MAX;
	c->peer = j->peer;
	j->peer = NULL;
	t->sni_n = j->sni_n;
	memcpy(t->sni, j->sni, j->sni_n);
	count_success(c, j);
	c->phase = TLS_PHASE_OPEN;
	c->pending = NULL;
	tls_admit_close(&t->admit, p);
	if (j->keeps)
		open_window(c, number, now);
	else
		tls_admit_put_job(&t->admit, number);
}

static void count_chain(struct tls *t, const struct tls_job *j)
{
	if (j->chain == TLS_CHAIN_VERIFIED)
		tls_count(t, HD_TLS_CHAINS_VERIFIED);
	if (j->chain == TLS_CHAIN_CACHED)
		tls_count(t, HD_TLS_CHAINS_CACHED);
	t->stats->counters[HD_TLS_SESSIONS_KEPT] += j->sessions;
}

/* What a thread did. Non-zero: later, buffers are short. */
static int take_result(struct tls_conn *c, struct tls_io *io, hd_ns now)
{
	struct tls *t = c->tls;
	struct tls_pending *p = c->pending;
	struct tls_job *j = job_of(t, p->job - 1);

	if (j->out_n > 0 && bufq_copy_in(io->wire, j->out, j->out_n, t->bufs) < 0)
		return -ENOMEM;
	bufq_consume(io->in, RTE_MIN(j->used, io->in->bytes));
	count_chain(t, j);
	switch ((enum tls_job_status)j->status) {
	case TLS_JOB_OUTPUT:
		p->eager = 1;
		tls_admit_idle(&t->admit, p);
		return 0;
	case TLS_JOB_MORE:
		tls_admit_idle(&t->admit, p);
		return 0;
	case TLS_JOB_DONE:
		become_open(c, now);
		return 0;
	case TLS_JOB_FAILED:
	case TLS_JOB_OVER:
		c->alert = j->alert;
		tls_conn_fail(c, j->failure);
		return 0;
	}
	return 0;
}

/* Whether there is something for a thread to do, or what will never come makes that a failure. */
static int wants_turn(struct tls_conn *c, const struct tls_io *io)
{
	struct tls_pending *p = c->pending;

	if (p->eager)
		return 1;
	if ((!p->begun || (c->role == HD_TLS_CLIENT && !p->heard)) && !begins_as_tls(c, io->in)) {
		tls_conn_fail(c, HD_TLS_NOT_TLS);
		return 0;
	}
	if (whole_records(io->in, TLS_JOB_IN) > 0) {
		p->heard = 1;
		return 1;
	}
	if (io->fin)
		tls_conn_fail(c, HD_TLS_CLOSED_EARLY);
	return 0;
}

uint32_t tls_handover_pump(struct tls_conn *c, struct tls_io *io, hd_ns now)
{
	struct tls_pending *p = c->pending;

	if (p->state == TLS_PENDING_BACK && take_result(c, io, now) < 0) {
		tls_conn_ready(c);
		return 0;
	}
	if (c->phase == TLS_PHASE_OPEN)
		return TLS_EV_HANDSHAKEN;
	if (c->phase == TLS_PHASE_HANDSHAKE && p->state == TLS_PENDING_IDLE && wants_turn(c, io))
		ask(c);
	if (c->phase == TLS_PHASE_HANDSHAKE && p->state == TLS_PENDING_GRANTED)
		submit(c, io);
	return 0;
}

static int take_back(struct tls *t)
{
	int any = 0;

	for (uint32_t i = 0; i < t->link.n_threads; i++) {
		struct hd_ring *r = t->link.from[i];
		const uint32_t *slot;
		for (uint32_t n = 0; n < RUN_RETURNS && (slot = hd_ring_peek(r)) != NULL; n++) {
			uint32_t number = *slot;
			hd_ring_pop(r);
			tls_handover_return(t, number);
			any = 1;
		}
	}
	return any;
}

/* Jobs that only wait for tickets make way, and none waits for long. */
static void close_windows(struct tls *t, hd_ns now)
{
	struct list_link *l;

	while ((l = list_front(&t->windows)) != NULL) {
		struct tls_conn *c = list_entry(l, struct tls_conn, open_window);
		int is_needed = t->admit.n_queued > 0 && t->admit.n_free_jobs == 0 &&
				t->admit.n_leaving == 0;
		if (tls_ms(now) - c->window_ms < TLS_WINDOW_MS && !is_needed)
			return;
		tls_window_end(c);
	}
}

int tls_handover_run(struct tls *t, hd_ns now)
{
	int any = take_back(t);
	struct tls_pending *p, *evicted = NULL;

	while ((p = tls_admit_overdue(&t->admit, now)) != NULL) {
		fail_pending(p, HD_TLS_TIMEOUT);
		any = 1;
	}
	close_windows(t, now);
	while ((p = tls_admit_next(&t->admit, &evicted)) != NULL) {
		tls_conn_ready(p->conn);
		any = 1;
	}
	if (evicted != NULL)
		fail_pending(evicted, HD_TLS_EVICTED);
	return any;
}
