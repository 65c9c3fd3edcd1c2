/* SPDX-License-Identifier: Apache-2.0 */
/* What the snapshot in use says, with what workers counted for it. */
#include <errno.h>
#include <stdio.h>

#include "observe_sum.h"
#include "observe_text.h"
#include "sock_command.h"
#include "sock_policy.h"

static const struct hd_snapshot *snapshot(const struct sock_request *rq)
{
	return rq->host->snapshot(rq->host->arg);
}

json_t *sock_source_json(const struct hd_source *s)
{
	char line[16];
	struct observe_text t = { 0 };
	json_t *out;

	if (s->line == 0)
		return json_string("");
	observe_text_add(&t, s->file.p, s->file.n);
	observe_text_add(&t, line, (size_t)snprintf(line, sizeof(line), ":%u", s->line));
	out = sock_json_str((struct hd_str){ t.p, (uint32_t)t.n });
	observe_text_fini(&t);
	return out;
}

/* Words of a text that separates them with spaces or ", ". */
static json_t *words_json(struct hd_str text, const char *separators)
{
	json_t *out = json_array();
	uint32_t i = 0;

	while (i < text.n) {
		uint32_t start;

		while (i < text.n && strchr(separators, text.p[i]) != NULL)
			i++;
		start = i;
		while (i < text.n && (text.p[i] != separators[0]))
			i++;
		if (i > start)
			json_array_append_new(
				out, sock_json_str((struct hd_str){ text.p + start, i - start }));
	}
	return out;
}

int sock_show_services(struct sock_request *rq)
{
	const struct hd_snapshot *s = snapshot(rq);

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; i < s->n_services; i++) {
		json_t *row = sock_row(rq->result);
		const struct hd_service *v = &s->services[i];

		sock_put(row, "name", sock_json_str(v->name));
		sock_put(row, "namespace", sock_json_str(v->namespace_));
		sock_put(row, "host", sock_json_str(v->host));
		sock_put(row, "addresses", words_json(v->addresses, " "));
		sock_put(row, "ports", words_json(v->ports, ", "));
		sock_put_number(row, "endpoints", v->endpoints);
		sock_put(row, "source", sock_source_json(&v->source));
	}
	return 0;
}

static void string_match_print(struct observe_text *t, const char *what, struct hd_str name,
			       const struct hd_string_match *m)
{
	static const char *const kinds[] = { [HD_MATCH_EXACT] = "=",
					     [HD_MATCH_PREFIX] = "^",
					     [HD_MATCH_REGEX] = "~",
					     [HD_MATCH_PRESENT] = "",
					     [HD_MATCH_ABSENT] = " absent" };

	if (m->kind == HD_MATCH_ANY)
		return;
	observe_text_addf(t, "%s%s%s", t->n ? " " : "", m->invert ? "not " : "", what);
	observe_text_add(t, name.p, name.n);
	observe_text_addf(t, "%s", kinds[m->kind]);
	observe_text_add(t, m->text.p, m->text.n);
}

json_t *sock_match_json(const struct hd_snapshot *s, const struct hd_route_match *m)
{
	struct observe_text t = { 0 };
	json_t *out;

	string_match_print(&t, "path", (struct hd_str){ 0 }, &m->uri);
	string_match_print(&t, "method", (struct hd_str){ 0 }, &m->method);
	string_match_print(&t, "scheme", (struct hd_str){ 0 }, &m->scheme);
	string_match_print(&t, "authority", (struct hd_str){ 0 }, &m->authority);
	for (uint32_t i = 0; i < m->headers_count; i++) {
		const struct hd_header_match *h = &s->header_matches[m->headers_first + i];
		string_match_print(&t, "header:", h->name, &h->value);
	}
	for (uint32_t i = 0; i < m->query_count; i++) {
		const struct hd_header_match *q = &s->header_matches[m->query_first + i];
		string_match_print(&t, "query:", q->name, &q->value);
	}
	out = t.n ? sock_json_str((struct hd_str){ t.p, (uint32_t)t.n }) : json_string("any");
	observe_text_fini(&t);
	return out;
}

json_t *sock_cluster_json(const struct hd_snapshot *s, uint32_t cluster)
{
	return cluster == HD_NONE ? json_null() : sock_json_str(s->clusters[cluster].name);
}

static json_t *destinations_json(const struct hd_snapshot *s, const struct hd_route *r)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < r->destinations_count; i++) {
		json_t *row = sock_row(out);
		uint32_t index = r->destinations_first + i;
		const struct hd_destination *d = &s->destinations[index];

		sock_put(row, "host", sock_json_str(d->host));
		sock_put(row, "subset", sock_json_str(d->subset));
		sock_put_number(row, "weight", d->weight);
		sock_put_number(row, "requests", policy_destination_requests(s, index));
		sock_put(row, "cluster", sock_cluster_json(s, d->cluster));
	}
	return out;
}

static void routes_add(json_t *result, const struct hd_snapshot *s, uint32_t vhost)
{
	const struct hd_vhost *v = &s->vhosts[vhost];

	for (uint32_t i = 0; i < v->routes_count; i++) {
		json_t *row = sock_row(result);
		const struct hd_route *r = &s->routes[v->routes_first + i];

		sock_put(row, "host", sock_json_str(v->name));
		sock_put(row, "match", sock_match_json(s, &r->match));
		sock_put(row, "destinations", destinations_json(s, r));
		sock_put(row, "source", sock_source_json(&r->source));
		sock_put(row, "name", sock_json_str(r->name));
		sock_put_number(row, "timeout_ms", r->timeout / HD_NS_PER_MS);
		sock_put_number(row, "retries", r->retry.attempts);
		sock_put(row, "object", sock_json_str(r->source.object));
	}
}

int sock_show_routes(struct sock_request *rq)
{
	const struct hd_snapshot *s = snapshot(rq);

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; i < s->n_vhosts; i++)
		routes_add(rq->result, s, i);
	return 0;
}

/* How much of a limit is left; null when there is none. */
static void remaining_put(json_t *row, const char *key, uint32_t limit, uint32_t used)
{
	sock_put(row, key,
		 limit == UINT32_MAX ? json_null() : json_integer(limit > used ? limit - used : 0));
}

static json_t *weights_json(const struct hd_cluster *c, const struct health_cluster_view *v)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < c->n_groups; i++)
		json_array_append_new(out, json_integer(v->groups[i].weight));
	return out;
}

static uint32_t retries_allowed(const struct hd_cluster *c, const struct hd_cluster_stats *st)
{
	uint64_t by_load = (uint64_t)c->retry_budget * st->requests_active / 10000;

	if (!c->has_retry_budget)
		return c->max_retries;
	return by_load > c->retry_budget_min ? (uint32_t)by_load : c->retry_budget_min;
}

static void limits_put(json_t *row, const struct hd_cluster *c, const struct hd_cluster_stats *st)
{
	remaining_put(row, "remaining_connections", c->max_connections, st->connections);
	remaining_put(row, "remaining_pending", c->max_pending_requests, st->pending);
	remaining_put(row, "remaining_requests", c->max_requests, st->requests_active);
	remaining_put(row, "remaining_retries", retries_allowed(c, st), st->retries_active);
}

int sock_show_clusters(struct sock_request *rq)
{
	const struct hd_snapshot *s = snapshot(rq);

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		json_t *row;
		const struct hd_cluster *c = &s->clusters[i];
		struct health_cluster_view health;
		struct hd_cluster_stats st;

		observe_cluster_sum(rq->host->dp, c->slot, &st);
		health_cluster_look(rq->host->health(rq->host->arg), c, &health);
		row = sock_row(rq->result);
		sock_put(row, "name", sock_json_str(c->name));
		sock_put_number(row, "endpoints", c->endpoints_count);
		sock_put_number(row, "healthy", health.healthy);
		sock_put_number(row, "connections", st.connections);
		sock_put_number(row, "pending", st.pending);
		sock_put_number(row, "requests_active", st.requests_active);
		sock_put_number(row, "overflow", st.overflow);
		sock_put_number(row, "requests", st.requests);
		sock_put_number(row, "retries", st.retries);
		limits_put(row, c, &st);
		sock_put_number(row, "ejected",
				health.outlier != NULL ? health.outlier->n_ejected : 0);
		sock_put(row, "panic", json_boolean(health.is_panic));
		sock_put(row, "group_weights", weights_json(c, &health));
		sock_put(row, "source", sock_source_json(&c->source));
	}
	return 0;
}

int sock_show_endpoints(struct sock_request *rq)
{
	const struct hd_snapshot *s = snapshot(rq);

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		const struct hd_cluster *c = &s->clusters[i];

		for (uint32_t k = 0; k < c->endpoints_count; k++) {
			json_t *row;
			const struct hd_endpoint *e = &s->endpoints[c->endpoints_first + k];
			struct hd_endpoint_stats st;
			struct health_view view;

			health_look(rq->host->health(rq->host->arg), e, &view);
			observe_endpoint_sum(rq->host->dp, e->slot, &st);
			row = sock_row(rq->result);
			sock_put(row, "address", sock_json_addr(&e->addr));
			sock_put(row, "service", sock_json_str(c->host));
			sock_put(row, "subset", sock_json_str(c->subset));
			sock_put(row, "cluster", sock_json_str(c->name));
			sock_put_text(row, "health", sock_health_name(view.health));
			sock_put_number(row, "weight", e->weight);
			sock_put_number(row, "requests", st.requests);
			sock_put_number(row, "active", st.active);
			sock_put(row, "ejected_until",
				 view.until != HD_NS_NEVER ? sock_json_time(view.until)
							   : json_null());
			sock_put(row, "probe", sock_probe_json(&view));
			sock_put_number(row, "connections", st.connections);
			sock_put_number(row, "connect_failures", st.connect_failures);
			sock_put_number(row, "responses_5xx", st.responses_5xx);
			sock_put(row, "workload", sock_json_str(e->workload));
			sock_put(row, "locality", sock_json_str(e->locality));
		}
	}
	return 0;
}

static json_t *action_json(const struct hd_authz_policy *p)
{
	static const char *const words[] = { [HD_AUTHZ_CUSTOM] = "CUSTOM",
					     [HD_AUTHZ_AUDIT] = "AUDIT",
					     [HD_AUTHZ_DENY] = "DENY",
					     [HD_AUTHZ_ALLOW] = "ALLOW" };

	return json_string(words[p->action]);
}

int sock_show_policies(struct sock_request *rq)
{
	const struct hd_snapshot *s = snapshot(rq);

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; i < s->n_authz_policies; i++) {
		const struct hd_authz_policy *p = &s->authz_policies[i];
		struct hd_authz_count c = policy_authz_counts(s, i);
		json_t *row = sock_row(rq->result);

		sock_put_text(row, "kind", "AuthorizationPolicy");
		sock_put(row, "name", sock_json_str(p->name));
		sock_put(row, "namespace", sock_json_str(p->namespace_));
		sock_put(row, "action", action_json(p));
		sock_put(row, "dry_run", json_boolean(p->is_dry_run));
		sock_put_number(row, "rules", p->rules);
		sock_put_number(row, "allowed", c.allowed);
		sock_put_number(row, "denied", c.denied);
		sock_put_number(row, "matched", c.matched);
		sock_put(row, "source", sock_source_json(&p->source));
	}
	return 0;
}
