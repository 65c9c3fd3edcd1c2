/* SPDX-License-Identifier: Apache-2.0 */
#include "health_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The first questions after a load are spread over this time. */
#define SPREAD HD_NS_PER_S

void health_probes_fini(struct health_probes *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		free(t->rows[i]);
	free(t->rows);
	free(t->table);
	*t = (struct health_probes){ 0 };
}

static uint32_t place(const struct health_probes *t, const struct hd_addr *a)
{
	uint32_t i = hd_addr_hash(&a->ip, a->port) & t->mask;

	while (t->table[i] != 0) {
		const struct hd_addr *other = &t->rows[t->table[i] - 1]->addr;

		if (other->port == a->port && hd_ip_eq(&other->ip, &a->ip))
			break;
		i = (i + 1) & t->mask;
	}
	return i;
}

static void table_fill(struct health_probes *t)
{
	memset(t->table, 0, (t->mask + 1) * sizeof(*t->table));
	for (uint32_t i = 0; i < t->n; i++)
		t->table[place(t, &t->rows[i]->addr)] = i + 1;
}

struct health_probe_row *health_probes_find(const struct health_probes *t,
					    const struct hd_addr *addr)
{
	uint32_t i;

	if (t->table == NULL)
		return NULL;
	i = place(t, addr);
	return t->table[i] != 0 ? t->rows[t->table[i] - 1] : NULL;
}

static int grow(struct health_probes *t, uint32_t capacity)
{
	uint32_t size = 16, *table;
	struct health_probe_row **rows;

	while (size < 2 * capacity)
		size *= 2;
	rows = realloc(t->rows, capacity * sizeof(struct health_probe_row *));
	if (rows == NULL)
		return -ENOMEM;
	t->rows = rows;
	table = malloc(size * sizeof(*table));
	if (table == NULL)
		return -ENOMEM;
	free(t->table);
	t->table = table;
	t->mask = size - 1;
	t->capacity = capacity;
	table_fill(t);
	return 0;
}

static int row_add(struct health_probes *t, const struct hd_addr *addr)
{
	struct health_probe_row *r;

	if (t->n == t->capacity && grow(t, t->capacity * 2 + 16) != 0)
		return -ENOMEM;
	if (health_probes_find(t, addr) != NULL)
		return 0;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->addr = *addr;
	t->rows[t->n++] = r;
	t->table[place(t, addr)] = t->n;
	return 0;
}

int health_probes_reserve(struct health_probes *t, const struct hd_snapshot *s)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->n_endpoints && rc == 0; i++)
		if (s->endpoints[i].probe != 0)
			rc = row_add(t, &s->endpoints[i].addr);
	return rc;
}

static void endpoint_see(struct health_probes *t, const struct hd_snapshot *s,
			 const struct hd_cluster *c, uint32_t i, hd_ns now)
{
	const struct hd_endpoint *e = &s->endpoints[i];
	struct health_probe_row *r;

	if (e->probe == 0)
		return;
	r = health_probes_find(t, &e->addr);
	r->rule = &s->probes[e->probe - 1];
	r->endpoint = e;
	r->sni = c->sni;
	if (r->next == 0)
		r->next = now + r->rule->initial_delay + i * (SPREAD / s->n_endpoints);
}

void health_probes_snapshot(struct health_probes *t, const struct hd_snapshot *s, hd_ns now)
{
	for (uint32_t i = 0; i < t->n; i++)
		t->rows[i]->rule = NULL;
	for (uint32_t i = 0; i < s->n_clusters; i++)
		for (uint32_t k = 0; k < s->clusters[i].endpoints_count; k++)
			endpoint_see(t, s, &s->clusters[i], s->clusters[i].endpoints_first + k,
				     now);
}

/* Rows that nobody wants and no worker holds. */
static void sweep(struct health_probes *t)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		if (t->rows[i]->rule == NULL && !t->rows[i]->is_out)
			free(t->rows[i]);
		else
			t->rows[kept++] = t->rows[i];
	}
	if (kept == t->n)
		return;
	t->n = kept;
	table_fill(t);
}

/* What is asked of the port that requests go to is asked as they are. A workload of the mesh has
 * its proxy before all its ports; of others nothing is known but that one. */
static void secure(struct health_probe_row *r)
{
	const struct hd_endpoint *e = r->endpoint;

	if (r->ask.to.port != e->addr.port && e->identity.n == 0)
		return;
	r->ask.tls_context = e->tls_context;
	r->ask.sni_n = r->sni.n < sizeof(r->ask.sni) ? r->sni.n : 0;
	if (r->ask.sni_n > 0)
		memcpy(r->ask.sni, r->sni.p, r->ask.sni_n);
}

static void question_fill(struct health_probe_row *r)
{
	const struct hd_probe_rule *rule = r->rule;
	char ip[HD_ADDR_STRLEN];
	const char *host = hd_addr_format(&r->addr, ip);
	struct hd_str name =
		rule->host.n > 0 ? rule->host : (struct hd_str){ host, (uint32_t)strlen(host) };
	int n = 0;

	r->ask = (struct hd_probe){ .to = { r->addr.ip, rule->port }, .timeout = rule->timeout };
	secure(r);
	if (rule->is_http)
		n = snprintf(r->ask.request, sizeof(r->ask.request),
			     "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: heddle-probe\r\n"
			     "Accept: */*\r\nConnection: close\r\n%.*s\r\n",
			     (int)rule->path.n, rule->path.p, (int)name.n, name.p,
			     (int)rule->headers.n, rule->headers.p);
	/* One that does not fit is cut short of its end: the endpoint will not answer it. */
	r->ask.request_n =
		(uint32_t)n < sizeof(r->ask.request) ? (uint32_t)n : sizeof(r->ask.request) - 1;
}

static void ask(struct health_probe_row *r, struct hd_dp *dp, uint32_t worker, hd_ns now)
{
	const struct hd_ctrl_msg msg = { .type = HD_CTRL_PROBE, .probe = &r->ask };

	question_fill(r);
	if (hd_dp_send(dp, worker, &msg) != 0)
		return; /* the mailbox is full: the next look tries again */
	r->is_out = 1;
	r->next = now + r->rule->period;
}

static int is_well(const struct hd_probe *q)
{
	return q->result == HD_PROBE_CONNECTED ||
	       (q->result == HD_PROBE_ANSWERED && q->status >= 200 && q->status < 400);
}

static void why_fill(struct health_probe_row *r)
{
	static const char *const words[] = {
		[HD_PROBE_CONNECTED] = "connected",	[HD_PROBE_REFUSED] = "refused",
		[HD_PROBE_UNREACHABLE] = "unreachable", [HD_PROBE_TIMEOUT] = "timeout",
		[HD_PROBE_BROKEN] = "no HTTP answer",	[HD_PROBE_TLS] = "TLS handshake"
	};

	if (r->ask.result == HD_PROBE_ANSWERED)
		snprintf(r->why, sizeof(r->why), "status %u", r->ask.status);
	else
		snprintf(r->why, sizeof(r->why), "%s", words[r->ask.result]);
}

/* True: the endpoint is thought of otherwise now. */
static int judge(struct health_probe_row *r)
{
	int was = r->is_failing;

	r->is_out = 0;
	if (r->rule == NULL || r->ask.result == HD_PROBE_NO_ROOM)
		return 0; /* nothing was learnt */
	why_fill(r);
	if (is_well(&r->ask)) {
		r->failures = 0;
		r->is_failing &= ++r->successes < r->rule->success_threshold;
	} else {
		r->successes = 0;
		r->is_failing |= ++r->failures >= r->rule->failure_threshold;
	}
	return r->is_failing != was;
}

uint32_t health_probes_run(struct health_probes *t, struct hd_dp *dp, hd_ns now,
			   void (*see)(const struct health_probe_row *r))
{
	uint32_t changed = 0, unwanted = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		struct health_probe_row *r = t->rows[i];

		if (r->is_out && atomic_load_explicit(&r->ask.done, memory_order_acquire) &&
		    judge(r)) {
			see(r);
			changed++;
		}
		if (r->rule == NULL)
			unwanted++;
		else if (!r->is_out && now >= r->next)
			ask(r, dp, i % hd_dp_n_workers(dp), now);
	}
	if (unwanted > 0)
		sweep(t);
	return changed;
}
