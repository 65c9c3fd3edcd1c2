/* SPDX-License-Identifier: Apache-2.0 */
/* Every 5xx that Heddle made itself, by cause. */
#include <errno.h>
#include <stdlib.h>

#include "observe_failures.h"
#include "observe_text.h"
#include "sock_command.h"
#include "sock_policy.h"

static json_t *text_json(const char *text)
{
	return sock_json_str((struct hd_str){ text, (uint32_t)strlen(text) });
}

static json_t *flags_json(uint32_t flags)
{
	struct observe_text t = { 0 };
	json_t *out;

	observe_text_add_flags(&t, flags);
	out = sock_json_str((struct hd_str){ t.p, (uint32_t)t.n });
	observe_text_fini(&t);
	return out;
}

static const struct hd_cluster *cluster_find(const struct hd_snapshot *s, const char *name)
{
	const struct hd_str wanted = { name, (uint32_t)strlen(name) };

	for (uint32_t i = 0; i < s->n_clusters; i++)
		if (hd_str_eq(s->clusters[i].name, wanted))
			return &s->clusters[i];
	return NULL;
}

/* The line of policy behind it: of a limit or of missing endpoints the DestinationRule or Service,
 * else the route. */
static json_t *policy_json(const struct hd_snapshot *s, const struct observe_failure *f)
{
	const struct hd_cluster *c =
		f->flags & (HD_FLAG_UO | HD_FLAG_UH) ? cluster_find(s, f->cluster) : NULL;
	struct hd_source source = { .file = { f->source, (uint32_t)strlen(f->source) },
				    .line = f->source_line };

	return sock_source_json(c != NULL ? &c->source : &source);
}

static void row_add(json_t *rows, const struct hd_snapshot *s, const struct observe_failure *f)
{
	json_t *row = sock_row(rows);

	sock_put_number(row, "status", f->status);
	sock_put(row, "flags", flags_json(f->flags));
	sock_put(row, "details", text_json(f->details));
	sock_put(row, "cluster", text_json(f->cluster));
	sock_put_number(row, "count", f->count);
	sock_put_text(row, "cause", observe_failure_cause(f));
	sock_put_text(row, "advice", observe_failure_advice(f));
	sock_put(row, "first_seen", sock_json_wall(f->first_wall));
	sock_put(row, "last_seen", sock_json_wall(f->last_wall));
	sock_put(row, "last_endpoint",
		 f->last_endpoint.port != 0 ? sock_json_addr(&f->last_endpoint) : json_null());
	sock_put(row, "last_request", text_json(f->last_request));
	sock_put(row, "policy", policy_json(s, f));
}

static int last_first(const void *a, const void *b)
{
	const struct observe_failure *x = *(const struct observe_failure *const *)a,
				     *y = *(const struct observe_failure *const *)b;

	return (x->last_wall < y->last_wall) - (x->last_wall > y->last_wall);
}

int sock_show_failures(struct sock_request *rq)
{
	const struct sock_host *h = rq->host;
	const struct observe_failures *f = h->failures(h->arg);
	const struct observe_failure *rows[OBSERVE_FAILURES];

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	for (uint32_t i = 0; i < f->n; i++)
		rows[i] = &f->rows[i];
	qsort(rows, f->n, sizeof(rows[0]), last_first);
	rq->result = json_array();
	for (uint32_t i = 0; i < f->n; i++)
		row_add(rq->result, h->snapshot(h->arg), rows[i]);
	return 0;
}
