/* SPDX-License-Identifier: Apache-2.0 */
/* tap: requests as they end, one reply line each, until the client leaves or the limit is reached;
 * then an empty object. A client that does not keep up loses some, and is told how many. */
#include "sock_tap.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "observe_access.h"
#include "sock_job.h"

/* What a client may be behind. */
#define BACKLOG_BYTES (1u << 20)
#define GLOB_BYTES 128
/* Half of the clients that the server has places for: the others are for short commands. */
#define MAX_TAPS 32

struct tap {
	struct sock_job job;
	struct tap *next;
	char glob[GLOB_BYTES]; /* "": everything */
	uint64_t left;	       /* requests until the end */
	uint64_t lost;	       /* since the last line */
	char *id;	       /* as JSON */
	struct observe_text out;
	struct observe_access_second second;
};

static struct tap *taps;
static uint32_t n_taps;

static void tap_drop(struct sock_job *job)
{
	struct tap *t = hd_container_of(job, struct tap, job);

	for (struct tap **at = &taps; *at != NULL; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			n_taps--;
			break;
		}
	}
	json_decref(job->id);
	free(t->id);
	observe_text_fini(&t->out);
	free(t);
}

static char *tap_poll(struct sock_job *job, hd_ns now, int *done)
{
	struct tap *t = hd_container_of(job, struct tap, job);
	char *lines;

	if (t->left == 0)
		observe_text_add_literal(&t->out, "{}\n");
	if (t->out.n == 0)
		return NULL;
	observe_text_add(&t->out, "", 1);
	lines = t->out.failed ? NULL : t->out.p;
	if (lines != NULL)
		t->out = (struct observe_text){ 0 };
	*done = t->left == 0 || lines == NULL;
	if (*done)
		tap_drop(job);
	return lines;
}

/* "GET api.example/users?x=1 503 outbound|80|v1|api.default.svc.cluster.local" */
static int tap_wants(const struct tap *t, const struct hd_access_record *r)
{
	char line[640];

	if (t->glob[0] == '\0')
		return 1;
	snprintf(line, sizeof(line), "%.*s %.*s%.*s %u %.*s", (int)r->method_n, r->method,
		 r->authority_n < HD_ACCESS_AUTHORITY ? (int)r->authority_n : HD_ACCESS_AUTHORITY,
		 r->authority, r->path_n < HD_ACCESS_PATH ? (int)r->path_n : HD_ACCESS_PATH,
		 r->path, r->status, r->cluster_n < 128 ? (int)r->cluster_n : 128, r->cluster);
	return fnmatch(t->glob, line, 0) == 0;
}

static void tap_see(struct tap *t, const struct hd_access_record *r)
{
	if (t->left == 0 || !tap_wants(t, r))
		return;
	if (t->out.n > BACKLOG_BYTES) {
		t->lost++;
		return;
	}
	observe_text_addf(&t->out, "{\"id\":%s,\"ok\":true,\"lost\":%llu,\"result\":", t->id,
			  (unsigned long long)t->lost);
	observe_access_format(&t->out, r, OBSERVE_ACCESS_JSON, &t->second);
	t->out.n--; /* its newline */
	observe_text_add_literal(&t->out, "}\n");
	t->lost = 0;
	t->left--;
}

void sock_taps_see(const struct hd_access_record *record)
{
	for (struct tap *t = taps; t != NULL; t = t->next)
		tap_see(t, record);
}

int sock_tap(struct sock_request *rq)
{
	const json_t *limit = json_object_get(rq->args, "limit");
	const char *glob = NULL;
	struct tap *t;

	if (sock_args_allow(rq, "glob", "limit", NULL) != 0 ||
	    sock_args_string(rq, "glob", &glob) != 0)
		return -EINVAL;
	if (limit != NULL && json_integer_value(limit) < 1)
		return sock_refuse(rq, "tap: `limit` is how many requests, 1 at least");
	if (glob != NULL && strlen(glob) >= GLOB_BYTES)
		return sock_refuse(rq, "tap: a pattern of more than %d bytes", GLOB_BYTES - 1);
	if (n_taps == MAX_TAPS)
		return sock_refuse(rq,
				   "tap: %d clients already follow: end one of them (a heddlectl tap each), "
				   "or read the access log",
				   MAX_TAPS);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->job = (struct sock_job){ .poll = tap_poll, .drop = tap_drop };
	t->left = limit != NULL ? (uint64_t)json_integer_value(limit) : UINT64_MAX;
	snprintf(t->glob, sizeof(t->glob), "%s", glob != NULL ? glob : "");
	t->id = json_dumps(rq->id != NULL ? rq->id : json_null(), JSON_ENCODE_ANY);
	if (t->id == NULL) {
		free(t);
		return -ENOMEM;
	}
	t->next = taps;
	taps = t;
	n_taps++;
	rq->job = &t->job;
	return SOCK_LATER;
}
