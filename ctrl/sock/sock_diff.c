/* SPDX-License-Identifier: Apache-2.0 */
/* config diff: what files would change if they were applied. Not of their texts but of what they
 * do: both sides are whole generations, told as lines, sorted and compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe_text.h"
#include "sock_command.h"
#include "sock_policy.h"

/* Told in order, told once: the kind is a word, the rest is what an operator would say. */
struct line {
	const char *kind;
	char *text;
};

struct lines {
	struct line *rows;
	size_t n, capacity;
	int failed;
};

static void lines_fini(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->rows[i].text);
	free(l->rows);
}

/* Takes the text. */
static void line_add(struct lines *l, const char *kind, struct observe_text *t)
{
	observe_text_add(t, "", 1);
	if (l->n == l->capacity) {
		size_t capacity = l->capacity ? l->capacity * 2 : 256;
		struct line *rows = realloc(l->rows, capacity * sizeof(*rows));

		if (rows != NULL) {
			l->rows = rows;
			l->capacity = capacity;
		}
	}
	if (t->failed || l->n == l->capacity) {
		l->failed = 1;
		observe_text_fini(t);
		return;
	}
	l->rows[l->n++] = (struct line){ kind, t->p };
}

static void add_str(struct observe_text *t, struct hd_str s)
{
	observe_text_add(t, s.p, s.n);
}

static void services_tell(struct lines *l, const struct hd_snapshot *s)
{
	for (uint32_t i = 0; i < s->n_services; i++) {
		const struct hd_service *v = &s->services[i];
		struct observe_text t = { 0 };

		add_str(&t, v->host);
		observe_text_add_literal(&t, " at ");
		add_str(&t, v->addresses);
		observe_text_add_literal(&t, ", ");
		add_str(&t, v->ports);
		line_add(l, "service", &t);
	}
}

static void route_tell(struct observe_text *t, const struct hd_snapshot *s,
		       const struct hd_route *r)
{
	json_t *match = sock_match_json(s, &r->match);

	observe_text_addf(t, "%s ->", json_string_value(match));
	json_decref(match);
	for (uint32_t i = 0; i < r->destinations_count; i++) {
		const struct hd_destination *d = &s->destinations[r->destinations_first + i];

		observe_text_addf(t, "%s %u%% ", i ? "," : "",
				  r->total_weight ? 100 * d->weight / r->total_weight : 100);
		add_str(t, d->host);
		if (d->subset.n > 0)
			observe_text_addf(t, " (%.*s)", (int)d->subset.n, d->subset.p);
	}
	if (r->timeout > 0)
		observe_text_addf(t, ", timeout %llu ms",
				  (unsigned long long)(r->timeout / HD_NS_PER_MS));
	observe_text_addf(t, ", %u retries", r->retry.attempts);
}

/* Their number is part of a route: the first that matches wins. */
static void routes_tell(struct lines *l, const struct hd_snapshot *s)
{
	for (uint32_t v = 0; v < s->n_vhosts; v++) {
		for (uint32_t i = 0; i < s->vhosts[v].routes_count; i++) {
			struct observe_text t = { 0 };

			add_str(&t, s->vhosts[v].name);
			observe_text_addf(&t, " #%u ", i + 1);
			route_tell(&t, s, &s->routes[s->vhosts[v].routes_first + i]);
			line_add(l, "route", &t);
		}
	}
}

static void endpoints_tell(struct lines *l, const struct hd_snapshot *s)
{
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		const struct hd_cluster *c = &s->clusters[i];

		for (uint32_t k = 0; k < c->endpoints_count; k++) {
			const struct hd_endpoint *e = &s->endpoints[c->endpoints_first + k];
			struct observe_text t = { 0 };

			observe_text_add_addr(&t, &e->addr);
			observe_text_add_literal(&t, " in ");
			add_str(&t, c->name);
			observe_text_addf(&t, ", weight %u", e->weight);
			line_add(l, "endpoint", &t);
		}
	}
}

static void limit_tell(struct observe_text *t, const char *name, uint32_t value, uint32_t none)
{
	if (value != none)
		observe_text_addf(t, ", %s %u", name, value);
}

static void outlier_tell(struct observe_text *t, const struct hd_outlier *o)
{
	observe_text_addf(t,
			  ", ejects after %u 5xx, %u gateway, %u local failures for %llu ms each "
			  "%llu ms, at most %u %%, unless fewer than %u %% are healthy",
			  o->consecutive_5xx, o->consecutive_gateway, o->consecutive_local,
			  (unsigned long long)(o->base_ejection_time / HD_NS_PER_MS),
			  (unsigned long long)(o->interval / HD_NS_PER_MS), o->max_ejection_percent,
			  o->min_health_percent);
	for (uint32_t code = 100; o->has_codes && code < 600; code++)
		if (hd_outlier_has_code(o, code))
			observe_text_addf(t, ", error %u", code);
}

/* The groups by their sizes, "3|1|5". */
static void groups_tell(struct observe_text *t, const struct hd_cluster *c)
{
	uint32_t begin = 0;

	for (uint32_t i = 0; i < c->n_groups; begin = c->groups[i++].end)
		observe_text_addf(t, "%s%u", i == 0 ? ", groups " : "|", c->groups[i].end - begin);
	for (uint32_t i = 0; c->spread == HD_SPREAD_SHARES && i < c->n_groups; i++)
		observe_text_addf(t, "%s%u", i == 0 ? " with shares " : ":", c->groups[i].weight);
}

static void clusters_tell(struct lines *l, const struct hd_snapshot *s)
{
	static const char *const balancers[] = { [HD_LB_ROUND_ROBIN] = "round robin",
						 [HD_LB_LEAST_REQUEST] = "least request",
						 [HD_LB_RANDOM] = "random",
						 [HD_LB_RING_HASH] = "ring hash",
						 [HD_LB_MAGLEV] = "maglev",
						 [HD_LB_DIALLED] = "original destination" };

	for (uint32_t i = 0; i < s->n_clusters; i++) {
		const struct hd_cluster *c = &s->clusters[i];
		struct observe_text t = { 0 };

		add_str(&t, c->name);
		observe_text_addf(&t, ": %s, connect timeout %llu ms",
				  c->lb < HD_ARRAY_SIZE(balancers) ? balancers[c->lb] : "?",
				  (unsigned long long)(c->connect_timeout / HD_NS_PER_MS));
		limit_tell(&t, "maxConnections", c->max_connections, UINT32_MAX);
		limit_tell(&t, "pending", c->max_pending_requests, UINT32_MAX);
		limit_tell(&t, "requests", c->max_requests, UINT32_MAX);
		limit_tell(&t, "maxRetries", c->max_retries, UINT32_MAX);
		limit_tell(&t, "maxRequestsPerConnection", c->max_requests_per_connection, 0);
		if (c->has_retry_budget)
			observe_text_addf(&t, ", retry budget %.2f %%, at least %u",
					  c->retry_budget / 100.0, c->retry_budget_min);
		if (c->outlier != 0)
			outlier_tell(&t, &s->outliers[c->outlier - 1]);
		groups_tell(&t, c);
		line_add(l, "cluster", &t);
	}
}

static int by_text(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int kind = strcmp(x->kind, y->kind);

	return kind != 0 ? kind : strcmp(x->text, y->text);
}

static void snapshot_tell(struct lines *l, const struct hd_snapshot *s)
{
	services_tell(l, s);
	routes_tell(l, s);
	clusters_tell(l, s);
	endpoints_tell(l, s);
	qsort(l->rows, l->n, sizeof(*l->rows), by_text);
}

static void change_add(json_t *rows, const char *change, const struct line *line)
{
	json_t *row = sock_row(rows);

	sock_put_text(row, "change", change);
	sock_put_text(row, "kind", line->kind);
	sock_put_text(row, "text", line->text);
}

static void lines_compare(json_t *rows, const struct lines *before, const struct lines *after)
{
	size_t i = 0, k = 0;

	while (i < before->n || k < after->n) {
		int order = i == before->n  ? 1
			    : k == after->n ? -1
					    : by_text(&before->rows[i], &after->rows[k]);

		if (order < 0)
			change_add(rows, "removed", &before->rows[i++]);
		else if (order > 0)
			change_add(rows, "added", &after->rows[k++]);
		else
			i++, k++;
	}
}

json_t *sock_snapshots_compare(const struct hd_snapshot *before, const struct hd_snapshot *after)
{
	struct lines a = { 0 }, b = { 0 };
	json_t *rows = json_array();

	snapshot_tell(&a, before);
	snapshot_tell(&b, after);
	if (!a.failed && !b.failed)
		lines_compare(rows, &a, &b);
	lines_fini(&a);
	lines_fini(&b);
	return rows;
}
