/* SPDX-License-Identifier: Apache-2.0 */
#include "sock_job.h"

#include <errno.h>
#include <stdlib.h>

/* Workers answer within a few turns; one that does not is in trouble, and the caller should know.
 */
#define ANSWER_WITHIN (2 * HD_NS_PER_S)

struct dump_job {
	struct sock_job job;
	struct hd_dp *dp;
	sock_rows_fn add;
	hd_ns deadline; /* 0: set by the first poll */
	uint32_t n_workers;
	struct part {
		struct hd_dump *dump; /* NULL: added to the result, or lent for good */
		int sent;
	} parts[HD_MAX_WORKERS];
};

/* Dumps whose job is gone while a worker still writes them. */
static struct orphan {
	struct hd_dump *dump;
	struct orphan *next;
} * orphans;

static size_t row_bytes(enum hd_dump_kind kind)
{
	return kind == HD_DUMP_CONNECTIONS ? sizeof(struct hd_dump_connection)
					   : sizeof(struct hd_dump_neighbor);
}

static void dump_orphan(struct hd_dump *dump)
{
	struct orphan *o = malloc(sizeof(*o));

	/* Without memory to remember it, it is lost; a worker writes to it, so it cannot be freed.
	 */
	if (o == NULL)
		return;
	*o = (struct orphan){ .dump = dump, .next = orphans };
	orphans = o;
}

static void dump_drop(struct sock_job *job)
{
	struct dump_job *d = hd_container_of(job, struct dump_job, job);

	for (uint32_t i = 0; i < d->n_workers; i++) {
		struct part *p = &d->parts[i];

		if (p->dump == NULL)
			continue;
		if (p->sent && !atomic_load_explicit(&p->dump->done, memory_order_acquire))
			dump_orphan(p->dump);
		else
			free(p->dump);
	}
	json_decref(job->id);
	free(d);
}

void sock_jobs_sweep(int all)
{
	for (struct orphan **at = &orphans; *at != NULL;) {
		struct orphan *o = *at;

		if (!all && !atomic_load_explicit(&o->dump->done, memory_order_acquire)) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		free(o->dump);
		free(o);
	}
}

/* True when every worker has answered. */
static int dump_finished(struct dump_job *d)
{
	int finished = 1;

	for (uint32_t i = 0; i < d->n_workers; i++) {
		struct part *p = &d->parts[i];

		if (!p->sent) {
			struct hd_ctrl_msg msg = { .type = HD_CTRL_DUMP, .dump = p->dump };
			p->sent = hd_dp_send(d->dp, i, &msg) == 0;
			finished = 0;
		} else if (!atomic_load_explicit(&p->dump->done, memory_order_acquire)) {
			finished = 0;
		}
	}
	return finished;
}

static char *dump_poll(struct sock_job *job, hd_ns now, int *done)
{
	struct dump_job *d = hd_container_of(job, struct dump_job, job);
	uint64_t left_out = 0;
	json_t *result;
	char *reply;

	if (d->deadline == 0)
		d->deadline = now + ANSWER_WITHIN;
	*done = dump_finished(d);
	if (!*done && now < d->deadline)
		return NULL;
	if (*done) {
		result = json_array();
		for (uint32_t i = 0; i < d->n_workers; i++) {
			d->add(result, d->parts[i].dump, i);
			left_out += d->parts[i].dump->left_out;
		}
		reply = sock_reply_rows(job->id, result, left_out);
	} else {
		reply = sock_reply_error(
			job->id,
			"a worker did not answer within 2 s: see `show workers` and the log");
	}
	*done = 1;
	dump_drop(job);
	return reply;
}

int sock_dump_start(struct hd_dp *dp, enum hd_dump_kind kind, uint32_t rows, sock_rows_fn add,
		    struct sock_job **out)
{
	struct dump_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return -ENOMEM;
	job->job = (struct sock_job){ .poll = dump_poll, .drop = dump_drop };
	job->dp = dp;
	job->add = add;
	job->n_workers = hd_dp_n_workers(dp);
	for (uint32_t i = 0; i < job->n_workers; i++) {
		struct hd_dump *d = calloc(1, sizeof(*d) + rows * row_bytes(kind));

		if (d == NULL) {
			dump_drop(&job->job);
			return -ENOMEM;
		}
		d->kind = kind;
		d->capacity = rows;
		job->parts[i].dump = d;
	}
	*out = &job->job;
	return 0;
}

void sock_dump_only_tls(struct sock_job *job, const struct hd_ip *ip)
{
	struct dump_job *d = hd_container_of(job, struct dump_job, job);

	for (uint32_t i = 0; i < d->n_workers; i++) {
		d->parts[i].dump->only = *ip;
		d->parts[i].dump->only_tls = 1;
	}
}

char *sock_job_poll(struct sock_job *job, hd_ns now, int *done)
{
	*done = 0;
	return job->poll(job, now, done);
}

void sock_job_drop(struct sock_job *job)
{
	job->drop(job);
}
