/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator who is woken up should look at first: `problems` of status. */
#include <stdarg.h>
#include <stdio.h>

#include "sock_command.h"
#include "sock_policy.h"

#define MAX_CLUSTERS 5
#define BUSY_PERCENT 90
#define LONG_LOAD_S 10

static void say(json_t *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(json_t *out, const char *format, ...)
{
	char text[768];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(out, sock_json_str((struct hd_str){ text, (uint32_t)strlen(text) }));
}

static void of_daemon(json_t *out, const struct sock_status *st)
{
	if (st->draining)
		say(out, "draining: new connections are refused");
	if (st->last_failure[0] != '\0')
		say(out, "the last load of policy was refused: %s", st->last_failure);
	if (st->retry_in_s > 0)
		say(out, "the policy files could not be read; they are tried again in %llu s",
		    (unsigned long long)st->retry_in_s);
	if (st->load_runs_s >= LONG_LOAD_S)
		say(out,
		    "a load of policy has run for %llu s: its files or their file system do not "
		    "answer, or its expressions take long to compile",
		    (unsigned long long)st->load_runs_s);
	if (st->unenforced)
		say(out,
		    "started with --allow-unenforced: policy that asks for security which is not "
		    "enforced is loaded with a warning alone");
	if (st->access_lost > 0)
		say(out, "%llu lines of the access log were lost: its file cannot take them",
		    (unsigned long long)st->access_lost);
}

static void of_texts(json_t *out, const struct policy_texts *texts)
{
	uint32_t applied = 0;

	for (uint32_t i = 0; i < texts->n; i++)
		applied += texts->rows[i].layer > 0;
	if (applied > 0)
		say(out,
		    "%u applied texts lie over the policy files; they go when a file changes or "
		    "heddle ends",
		    applied);
}

static void of_ports(json_t *out, const struct hd_dp *dp)
{
	for (uint32_t i = 0; i < hd_dp_n_ports(dp); i++) {
		struct hd_dp_port_info p;

		hd_dp_port_info(dp, i, &p);
		if (p.gone)
			say(out, "port %s (%s): the device is gone: restart heddle when it is back",
			    p.name, p.device);
		else if (!p.link_up)
			say(out, "port %s (%s): the link is down", p.name, p.device);
	}
}

static void of_workers(json_t *out, const struct sock_host *h)
{
	for (uint32_t i = 0; i < hd_dp_n_workers(h->dp); i++) {
		struct sock_rates r;

		h->rates(h->arg, i, &r);
		if (r.busy * 100 >= BUSY_PERCENT)
			say(out, "the worker on lcore %u is %.0f %% busy",
			    hd_dp_worker_lcore(h->dp, i), r.busy * 100);
	}
}

static void of_clusters(json_t *out, const struct sock_host *h)
{
	const struct hd_snapshot *s = h->snapshot(h->arg);
	uint32_t dead = 0;

	for (uint32_t i = 0; i < s->n_clusters; i++) {
		const struct hd_cluster *c = &s->clusters[i];
		struct health_cluster_view health;

		health_cluster_look(h->health(h->arg), c, &health);
		if (health.is_panic)
			say(out, "%u of %u endpoints of %.*s are healthy: ejections are ignored",
			    health.healthy, c->endpoints_count, (int)c->name.n, c->name.p);
		if (health.healthy > 0)
			continue;
		if (dead++ < MAX_CLUSTERS)
			say(out, "no healthy endpoint in %.*s", (int)c->name.n, c->name.p);
	}
	if (dead > MAX_CLUSTERS)
		say(out, "and in %u more clusters: see show clusters", dead - MAX_CLUSTERS);
}

json_t *sock_problems(const struct sock_host *h, const struct sock_status *st)
{
	json_t *out = json_array();

	of_daemon(out, st);
	of_texts(out, h->texts(h->arg));
	of_ports(out, h->dp);
	of_workers(out, h);
	of_clusters(out, h);
	sock_problems_certs(h, say, out);
	sock_problems_names(h, say, out);
	return out;
}
