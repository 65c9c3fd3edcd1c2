/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "policy_world.h"

void policy_world_open(struct policy_world *w, const struct policy_settings *s)
{
	const struct policy_settings defaults = { .n_workers = 1 };

	*w = (struct policy_world){ 0 };
	w->policy = policy_create(s != NULL ? s : &defaults);
	if (w->policy == NULL)
		abort();
	policy_texts_init(&w->texts);
	policy_diags_init(&w->diags);
}

void policy_world_close(struct policy_world *w)
{
	policy_snapshot_free(w->policy, w->snapshot);
	policy_destroy(w->policy);
	policy_texts_fini(&w->texts);
	policy_diags_fini(&w->diags);
}

int policy_world_load_bytes(struct policy_world *w, const void *text, size_t n)
{
	struct hd_snapshot *next = NULL;

	policy_texts_fini(&w->texts);
	policy_diags_fini(&w->diags);
	w->rc = policy_texts_add(&w->texts, "mesh.yaml", text, n);
	if (w->rc == 0)
		w->rc = policy_load(w->policy, &w->texts, ++w->generation, &next, &w->diags);
	if (w->rc == 0) {
		policy_snapshot_free(w->policy, w->snapshot);
		w->snapshot = next;
	}
	return w->rc;
}

int policy_world_load(struct policy_world *w, const char *text)
{
	return policy_world_load_bytes(w, text, strlen(text));
}

int policy_world_said(const struct policy_world *w, enum policy_severity severity, uint32_t line,
		      uint32_t col, const char *words)
{
	for (uint32_t i = 0; i < w->diags.n; i++) {
		const struct policy_diag *d = &w->diags.rows[i];

		if (d->severity == severity && d->line == line && d->col == col &&
		    strstr(d->message, words) != NULL)
			return 1;
	}
	return 0;
}

void policy_world_tell(const struct policy_world *w)
{
	policy_diags_print(&w->diags, stderr);
}

static int range(uint32_t first, uint32_t count, uint32_t n)
{
	return first <= n && count <= n - first;
}

static uint32_t domain_find(const struct hd_snapshot *s, const struct hd_router *r, const char *p,
			    uint32_t n, uint8_t kind)
{
	for (uint32_t i = hd_name_hash(p, n) & r->table_mask, steps = 0; steps <= r->table_mask;
	     i = (i + 1) & r->table_mask, steps++) {
		uint32_t at = s->domain_table[r->table_first + i];

		if (at == HD_NONE)
			return HD_NONE;
		if (s->domains[at].kind == kind && s->domains[at].text.n == n &&
		    memcmp(s->domains[at].text.p, p, n) == 0)
			return at;
	}
	return HD_NONE;
}

static const char *router_wrong(const struct hd_snapshot *s, const struct hd_router *r)
{
	if ((r->table_mask & (r->table_mask + 1)) != 0)
		return "a domain table is no power of two";
	if (r->any_vhost != HD_NONE && r->any_vhost >= s->n_vhosts)
		return "any_vhost out of range";
	if (!range(r->prefix_first, r->prefix_count, s->n_domains))
		return "prefix domains out of range";
	if (r->unknown_host_status != 404 && r->unknown_host_status != 502)
		return "unknown_host_status is neither 404 nor 502";
	for (uint32_t i = 0; i <= r->table_mask; i++) {
		uint32_t at = s->domain_table[r->table_first + i];
		const struct hd_domain *d;

		if (at == HD_NONE)
			continue;
		if (at >= s->n_domains)
			return "a domain table points out of range";
		d = &s->domains[at];
		if (d->vhost >= s->n_vhosts)
			return "a domain's vhost is out of range";
		if (d->kind == HD_DOMAIN_SUFFIX && d->text.n > r->suffix_longest)
			return "suffix_longest is too small";
		if (domain_find(s, r, d->text.p, d->text.n, d->kind) != at)
			return "a domain is not found by its table";
	}
	return NULL;
}

static const char *string_wrong(const struct hd_snapshot *s, const struct hd_string_match *m)
{
	if ((m->kind == HD_MATCH_REGEX) != (m->regex != HD_NONE))
		return "regex and its kind disagree";
	if (m->kind == HD_MATCH_REGEX && s->regex_db == NULL)
		return "a regex without database";
	if (m->kind > HD_MATCH_ABSENT || (m->text.n > 0 && m->text.p == NULL))
		return "a string match has no text";
	return NULL;
}

static const char *match_wrong(const struct hd_snapshot *s, const struct hd_route_match *m)
{
	const struct hd_string_match *strings[] = { &m->uri, &m->method, &m->scheme,
						    &m->authority };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(strings); i++)
		if (string_wrong(s, strings[i]) != NULL)
			return string_wrong(s, strings[i]);
	if (!range(m->headers_first, m->headers_count, s->n_header_matches) ||
	    !range(m->query_first, m->query_count, s->n_header_matches))
		return "header matches out of range";
	return NULL;
}

static const char *route_wrong(const struct hd_snapshot *s, const struct hd_route *r)
{
	uint64_t sum = 0;

	if (!range(r->destinations_first, r->destinations_count, s->n_destinations) ||
	    !range(r->choice, r->destinations_count, s->n_destinations))
		return "destinations out of range";
	for (uint32_t i = 0; i < r->destinations_count; i++) {
		const struct hd_destination *d = &s->destinations[r->destinations_first + i];

		if (d->cluster != HD_NONE && d->cluster >= s->n_clusters)
			return "a destination's cluster is out of range";
		if (d->weight == 0)
			return "a destination of weight 0";
		sum += d->weight;
	}
	if (sum != r->total_weight)
		return "total_weight is not the sum";
	if (r->edits > s->n_edits || r->extras > s->n_extras)
		return "header operations or extras are out of range";
	if (r->answer > s->n_answers || r->rewrite > s->n_rewrites)
		return "an answer or a rewrite is out of range";
	return match_wrong(s, &r->match);
}

static const char *cluster_wrong(const struct hd_snapshot *s, const struct hd_cluster *c)
{
	if (!range(c->endpoints_first, c->endpoints_count + c->endpoints_unready, s->n_endpoints))
		return "endpoints out of range";
	if (c->slot >= s->cluster_slots)
		return "a cluster's slot is out of range";
	for (uint32_t i = 0; i < c->endpoints_count + c->endpoints_unready; i++) {
		const struct hd_endpoint *e = &s->endpoints[c->endpoints_first + i];

		if (e->slot >= s->endpoint_slots || e->weight == 0 || e->addr.port == 0)
			return "an endpoint has no slot, weight or port";
		if ((e->health == HD_EP_HEALTHY) != (i < c->endpoints_count))
			return "an endpoint stands among those of another health";
	}
	return NULL;
}

/* Where a stream goes: a listener's or a TLS server's, which say it in the same words. */
struct way {
	uint32_t cluster, first, count, total_weight, choice;
};

static const char *stream_wrong(const struct hd_snapshot *s, const struct way *w)
{
	uint64_t sum = 0;

	if (w->count == 0)
		return w->cluster >= s->n_clusters ? "a stream leads nowhere" : NULL;
	if (!range(w->first, w->count, s->n_destinations) ||
	    !range(w->choice, w->count, s->n_destinations))
		return "destinations of a stream out of range";
	for (uint32_t i = 0; i < w->count; i++)
		sum += s->destinations[w->first + i].weight;
	return sum != w->total_weight ? "total_weight of a stream is not the sum" : NULL;
}

static const char *tls_server_wrong(const struct hd_snapshot *s, const struct hd_tls_server *t)
{
	const struct way w = { t->cluster, t->destinations_first, t->destinations_count,
			       t->total_weight, t->choice };

	if (t->protocol == HD_PROTO_TCP)
		return stream_wrong(s, &w);
	return t->router >= s->n_routers ? "a TLS server leads nowhere" : NULL;
}

static const char *listener_wrong(const struct hd_snapshot *s, const struct hd_listener *l)
{
	const struct way w = { l->cluster, l->destinations_first, l->destinations_count,
			       l->total_weight, l->choice };

	if (hd_snapshot_listener(s, &l->addr.ip, l->addr.port) != l)
		return "a listener is not found by its table";
	if (!range(l->servers_first, l->servers_count, s->n_tls_servers))
		return "TLS servers of a listener out of range";
	if (l->servers_count > 0)
		return NULL; /* they lead, the listener does not */
	if (l->protocol == HD_PROTO_TCP)
		return stream_wrong(s, &w);
	return l->router >= s->n_routers ? "a listener leads nowhere" : NULL;
}

#define CHECK_ALL(array, count, wrong)               \
	for (uint32_t i = 0; i < (count); i++)       \
		if ((wrong)(s, &(array)[i]) != NULL) \
			return (wrong)(s, &(array)[i]);

const char *policy_snapshot_wrong(const struct hd_snapshot *s)
{
	CHECK_ALL(s->listeners, s->n_listeners, listener_wrong)
	CHECK_ALL(s->tls_servers, s->n_tls_servers, tls_server_wrong)
	CHECK_ALL(s->routers, s->n_routers, router_wrong)
	CHECK_ALL(s->routes, s->n_routes, route_wrong)
	CHECK_ALL(s->clusters, s->n_clusters, cluster_wrong)
	for (uint32_t i = 0; i < s->n_vhosts; i++)
		if (!range(s->vhosts[i].routes_first, s->vhosts[i].routes_count, s->n_routes))
			return "a vhost's routes are out of range";
	for (uint32_t i = 0; i < s->n_workers; i++)
		if (s->workers[i].wrr == NULL ||
		    (s->regex_db != NULL && s->workers[i].regex_scratch == NULL))
			return "a worker has no block of its own";
	return NULL;
}

uint32_t policy_world_vhost(const struct hd_snapshot *s, const char *ip, uint16_t port,
			    const char *host)
{
	uint32_t n = (uint32_t)strlen(host), at;
	const struct hd_listener *l;
	const struct hd_router *r;
	struct hd_ip address;

	if (hd_ip_parse(ip, &address) != 0 ||
	    (l = hd_snapshot_listener(s, &address, port)) == NULL || l->router == HD_NONE)
		return HD_NONE;
	r = &s->routers[l->router];
	at = domain_find(s, r, host, n, HD_DOMAIN_EXACT);
	for (uint32_t i = 1; at == HD_NONE && i < n; i++)
		if (host[i] == '.')
			at = domain_find(s, r, host + i, n - i, HD_DOMAIN_SUFFIX);
	return at != HD_NONE ? s->domains[at].vhost : r->any_vhost;
}

const struct hd_cluster *policy_world_cluster(const struct hd_snapshot *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_clusters; i++)
		if (s->clusters[i].name.n == strlen(name) &&
		    memcmp(s->clusters[i].name.p, name, s->clusters[i].name.n) == 0)
			return &s->clusters[i];
	return NULL;
}

const struct hd_route *policy_world_route(const struct hd_snapshot *s, const char *ip,
					  uint16_t port, const char *host, uint32_t i)
{
	uint32_t v = policy_world_vhost(s, ip, port, host);

	if (v == HD_NONE || i >= s->vhosts[v].routes_count)
		return NULL;
	return &s->routes[s->vhosts[v].routes_first + i];
}
