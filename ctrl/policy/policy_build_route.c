/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: the http rules of a VirtualService for one port, in order. */
#include <stdlib.h>

#include "policy_model.h"

#define BACKOFF (25 * HD_NS_PER_MS)
#define DEFAULT_ATTEMPTS 2
#define DEFAULT_ON                                                                        \
	(HD_RETRY_CONNECT_FAILURE | HD_RETRY_REFUSED_STREAM | HD_RETRY_GRPC_UNAVAILABLE | \
	 HD_RETRY_GRPC_CANCELLED)

/* One VirtualService on one port. */
struct route_run {
	struct policy_load *l;
	const struct policy_object *vs;
	const struct policy_object *origin; /* of the rule: the VirtualService, or its delegate */
	const struct policy_route_context *context;
	struct policy_check check;
	uint32_t rule; /* index in http[] */
	int replaces_prefix;
};

/* Matches. */

static void string_match(struct route_run *r, const struct policy_yaml *y,
			 struct hd_string_match *out)
{
	policy_build_string_match(r->l, r->origin, y, r->replaces_prefix, out);
}

static void uri_match(struct route_run *r, const struct policy_yaml *match,
		      struct hd_string_match *out)
{
	const struct policy_yaml *uri = policy_get(match, "uri");

	string_match(r, uri, out);
	if (policy_get_int(match, "ignoreUriCase", 0) == 0 || policy_get(uri, "regex") != NULL ||
	    out->kind == HD_MATCH_ANY)
		return;
	out->ignore_case = 1;
	out->text = policy_out(r->l, policy_str_lower(&r->l->arena, out->text));
}

static struct hd_header_match *header_row(struct route_run *r, const struct policy_yaml *y,
					  int lower)
{
	struct hd_string_match value;
	struct hd_header_match *h;

	string_match(r, policy_match_is_star(y) ? NULL : y, &value);
	if (value.kind == HD_MATCH_ANY)
		value.kind = HD_MATCH_PRESENT;
	h = policy_vec_push(&r->l->arena, &r->l->header_matches);
	h->name = policy_out(r->l, lower ? policy_str_lower(&r->l->arena, y->key) : y->key);
	h->value = value;
	return h;
}

static void header_rows(struct route_run *r, const struct policy_yaml *match,
			struct hd_route_match *out)
{
	const struct policy_yaml *with = policy_get(match, "headers"),
				 *without = policy_get(match, "withoutHeaders");
	const struct policy_yaml *query = policy_get(match, "queryParams");

	out->headers_first = r->l->header_matches.n;
	for (const struct policy_yaml *y = with != NULL ? with->first : NULL; y != NULL;
	     y = y->next)
		header_row(r, y, 1);
	for (const struct policy_yaml *y = without != NULL ? without->first : NULL; y != NULL;
	     y = y->next) {
		struct hd_header_match *h = header_row(r, y, 1);

		if (h->value.kind == HD_MATCH_PRESENT)
			h->value.kind = HD_MATCH_ABSENT;
		else
			h->value.invert =
				1; /* a missing header is an empty value, and so another one */
	}
	out->headers_count = r->l->header_matches.n - out->headers_first;
	out->query_first = r->l->header_matches.n;
	for (const struct policy_yaml *y = query != NULL ? query->first : NULL; y != NULL;
	     y = y->next)
		header_row(r, y, 0);
	out->query_count = r->l->header_matches.n - out->query_first;
}

static void match_fill(struct route_run *r, const struct policy_yaml *match,
		       const struct policy_yaml *rule, struct hd_route_match *out)
{
	uri_match(r, match, &out->uri);
	string_match(r, policy_get(match, "method"), &out->method);
	string_match(r, policy_get(match, "scheme"), &out->scheme);
	string_match(r, policy_get(match, "authority"), &out->authority);
	header_rows(r, match, out);
	out->source = policy_source(r->l, r->origin, match != NULL ? match : rule);
}

static int is_catch_all(const struct hd_route_match *m)
{
	int path = m->uri.kind == HD_MATCH_ANY ||
		   (m->uri.kind == HD_MATCH_PREFIX && m->uri.text.n <= 1);

	return path && m->headers_count == 0 && m->query_count == 0 &&
	       m->method.kind == HD_MATCH_ANY && m->scheme.kind == HD_MATCH_ANY &&
	       m->authority.kind == HD_MATCH_ANY;
}

/* Retries. */

static uint32_t retry_bit(struct hd_str w)
{
	static const struct {
		const char *word;
		uint32_t bit;
	} rows[] = { { "5xx", HD_RETRY_5XX },
		     { "gateway-error", HD_RETRY_GATEWAY_ERROR },
		     { "reset", HD_RETRY_RESET },
		     { "reset-before-request", HD_RETRY_RESET_BEFORE_REQUEST },
		     { "connect-failure", HD_RETRY_CONNECT_FAILURE },
		     { "retriable-4xx", HD_RETRY_RETRIABLE_4XX },
		     { "refused-stream", HD_RETRY_REFUSED_STREAM },
		     { "retriable-status-codes", HD_RETRY_STATUS_CODES },
		     { "unavailable", HD_RETRY_GRPC_UNAVAILABLE },
		     { "cancelled", HD_RETRY_GRPC_CANCELLED } };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(rows); i++)
		if (policy_str_is(w, rows[i].word))
			return rows[i].bit;
	return 0;
}

static void retry_word(struct route_run *r, const struct policy_yaml *on, struct hd_str w,
		       struct hd_retry_policy *out)
{
	uint32_t bit = retry_bit(w);

	out->on |= bit;
	if (bit != 0)
		return;
	if (w.n == 3 && w.p[0] >= '1' && w.p[0] <= '5') {
		*(uint16_t *)policy_vec_push(&r->l->arena, &r->l->retry_statuses) =
			(uint16_t)strtoul(w.p, NULL, 10);
		out->statuses_count++;
		out->on |= HD_RETRY_STATUS_CODES;
		return;
	}
	policy_warning(&r->check, on, "retryOn %.*s is known but not yet honoured", POLICY_STR(w));
}

static void retry_words(struct route_run *r, const struct policy_yaml *on,
			struct hd_retry_policy *out)
{
	const char *p = on->text.p, *end = p + on->text.n;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p)),
			   *stop = comma != NULL ? comma : end;
		struct hd_str w;

		while (p < stop && *p == ' ')
			p++;
		w = (struct hd_str){ p, (uint32_t)(stop - p) };
		while (w.n > 0 && w.p[w.n - 1] == ' ')
			w.n--;
		retry_word(r, on, w, out);
		p = stop + 1;
	}
}

static void retry_fill(struct route_run *r, const struct policy_yaml *retries, hd_ns timeout,
		       struct hd_retry_policy *out)
{
	const struct policy_yaml *on = policy_get(retries, "retryOn");

	*out = (struct hd_retry_policy){ .backoff_base = BACKOFF,
					 .statuses_first = r->l->retry_statuses.n };
	if (retries == NULL) {
		out->on = DEFAULT_ON;
		out->attempts = DEFAULT_ATTEMPTS;
		return;
	}
	out->attempts = (uint16_t)(policy_get_int(retries, "attempts", 0) > UINT16_MAX
					   ? UINT16_MAX
					   : policy_get_int(retries, "attempts", 0));
	if (out->attempts == 0)
		return;
	if (on != NULL && on->text.n > 0)
		retry_words(r, on, out);
	else
		out->on = DEFAULT_ON;
	out->forgets_tried = policy_get_int(retries, "retryIgnorePreviousHosts", 1) == 0;
	out->backoff_base = (hd_ns)policy_get_int(retries, "backoff", BACKOFF);
	out->per_try_timeout = (hd_ns)policy_get_int(retries, "perTryTimeout", 0);
	if (timeout != 0 && out->per_try_timeout >= timeout)
		out->per_try_timeout = 0; /* as Envoy: the route's own comes first */
}

/* Destinations. */

/* A rule that answers in another way has none, and is not served yet. */
static void destinations_fill(struct route_run *r, const struct policy_yaml *rule,
			      struct hd_route *route)
{
	struct hd_str key = policy_str_printf(&r->l->arena, "%.*s#%u@%u", POLICY_STR(r->vs->label),
					      r->rule, r->context->port);
	struct policy_destinations d = policy_destinations_add(r->l, r->origin, r->context->port,
							       key, policy_get(rule, "route"));

	route->destinations_first = route->choice = d.first;
	route->destinations_count = d.count;
	route->total_weight = d.total_weight;
}

static const struct hd_cluster *single_cluster(struct route_run *r, const struct hd_route *route)
{
	const struct hd_destination *d;

	if (route->destinations_count != 1)
		return NULL;
	d = policy_vec_at(&r->l->destinations_out, route->destinations_first);
	return d->cluster != HD_NONE ? policy_vec_at(&r->l->clusters, d->cluster) : NULL;
}

/* As Istio's: the single destination, else the VirtualService, then the path. */
static struct hd_str decorator(struct route_run *r, const struct hd_route *route)
{
	const struct hd_string_match *uri = &route->match.uri;
	const struct hd_cluster *c = single_cluster(r, route);
	const char *star = uri->kind == HD_MATCH_PREFIX || uri->kind == HD_MATCH_ANY ? "*" : "";
	struct hd_str path = uri->kind == HD_MATCH_ANY ? (struct hd_str){ "/", 1 } : uri->text;

	return policy_out(r->l, policy_str_printf(&r->l->arena, "%.*s:%u%.*s%s",
						  POLICY_STR(c != NULL ? c->host : r->vs->name),
						  c != NULL ? c->port : r->context->port,
						  POLICY_STR(path), star));
}

static struct hd_str route_name(struct route_run *r, const struct policy_yaml *rule,
				const struct policy_yaml *match)
{
	struct hd_str name = policy_get_str(rule, "name"), tail = policy_get_str(match, "name");

	if (tail.n > 0)
		name = policy_str_printf(&r->l->arena, "%.*s.%.*s", POLICY_STR(name),
					 POLICY_STR(tail));
	return name.n > 0 ? policy_out(r->l, name) : policy_out(r->l, policy_str("default"));
}

static const struct policy_yaml *single_headers(const struct policy_yaml *route)
{
	return route != NULL && route->n == 1 ? policy_get(route->first, "headers") : NULL;
}

/* What all match blocks of a rule share. */
static void action_fill(struct route_run *r, const struct policy_yaml *rule, struct hd_route *route)
{
	const struct policy_yaml *retries = policy_get(rule, "retries"),
				 *timeout = policy_get(rule, "timeout");

	if (retries == NULL)
		retries = policy_get(r->vs->body, "retries"); /* misplaced, but meant */
	if (retries == NULL)
		retries = policy_get(r->l->mesh, "defaultHttpRetryPolicy");
	if (timeout == NULL)
		timeout = policy_get(r->vs->body, "timeout");
	route->timeout = timeout != NULL ? (hd_ns)timeout->i : 0;
	retry_fill(r, retries, route->timeout, &route->retry);
	destinations_fill(r, rule, route);
	policy_build_route_hash(r->l, route);
	route->answer = policy_build_answer(r->l, r->origin, rule);
	route->edits = policy_build_edits(r->l, r->origin, policy_get(rule, "headers"),
					  single_headers(policy_get(rule, "route")));
	route->extras = policy_build_extras(r->l, r->origin, r->context->port, rule);
	route->source = policy_source(r->l, r->origin, rule);
}

static int route_add(struct route_run *r, const struct policy_yaml *rule,
		     const struct policy_yaml *match, const struct hd_route *action)
{
	struct hd_route route = *action;

	match_fill(r, match, rule, &route.match);
	route.name = route_name(r, rule, match);
	route.rewrite = policy_build_rewrite(r->l, r->origin, rule, &route.match.uri);
	route.decorator = decorator(r, &route);
	*(struct hd_route *)policy_vec_push(&r->l->arena, &r->l->routes) = route;
	return is_catch_all(&route.match);
}

/* 1: nothing behind this rule can be reached. */
static int rule_add(struct route_run *r, const struct policy_yaml *rule)
{
	const struct policy_yaml *matches = policy_get(rule, "match");
	struct hd_route action = { 0 };
	int filled = 0;

	r->replaces_prefix = policy_get(policy_get(rule, "redirect"), "prefixRewrite") != NULL ||
			     policy_get(policy_get(rule, "rewrite"), "uri") != NULL;
	if (matches == NULL || matches->n == 0) {
		action_fill(r, rule, &action);
		return route_add(r, rule, NULL, &action);
	}
	for (const struct policy_yaml *m = matches->first; m != NULL; m = m->next) {
		if (!policy_match_applies(r->l, r->origin, r->context, m))
			continue;
		if (!filled)
			action_fill(r, rule, &action);
		filled = 1;
		if (route_add(r, rule, m, &action))
			return 1;
	}
	return 0;
}

struct policy_route_range policy_build_routes(struct policy_load *l, const struct policy_object *vs,
					      const struct policy_route_context *context)
{
	struct hd_str key = policy_str_printf(&l->arena, "%.*s@%u@%.*s", POLICY_STR(vs->label),
					      context->port, POLICY_STR(context->gateway));
	struct policy_route_range *range = policy_map_get(&l->ranges, key);
	struct route_run r = { .l = l, .vs = vs, .context = context };
	struct policy_vec rules;

	if (range != NULL)
		return *range;
	policy_rules_of(l, vs, &rules);
	range = policy_alloc(&l->arena, sizeof(*range));
	range->first = l->routes.n;
	for (uint32_t i = 0; i < rules.n; i++) {
		const struct policy_rule *rule = policy_vec_at(&rules, i);

		r.rule = rule->index;
		r.origin = rule->origin;
		policy_object_check(l, r.origin, &r.check);
		if (rule_add(&r, rule->yaml))
			break;
	}
	range->count = l->routes.n - range->first;
	policy_map_add(&l->ranges, key, range);
	return *range;
}

struct policy_route_range policy_build_default(struct policy_load *l,
					       const struct policy_service *s,
					       const struct policy_service_port *port)
{
	const struct policy_route_context context = { .port = port->port };
	struct route_run r = { .l = l, .vs = s->object, .origin = s->object, .context = &context };
	struct hd_destination *d;
	struct hd_route route = { .total_weight = 1, .destinations_count = 1 };

	match_fill(&r, NULL, port->place, &route.match);
	route.name = policy_out(l, policy_str("default"));
	route.destinations_first = route.choice = l->destinations_out.n;
	retry_fill(&r, policy_get(l->mesh, "defaultHttpRetryPolicy"), 0, &route.retry);
	route.source = policy_source(l, s->object, port->place);
	d = policy_vec_push(&l->arena, &l->destinations_out);
	d->cluster = port->cluster;
	d->weight = 1;
	d->host = policy_out(l, s->host);
	d->source = route.source;
	*(struct hd_str *)policy_vec_push(&l->arena, &l->destination_keys) =
		policy_out(l, policy_str_printf(&l->arena, "%.*s@%u|default",
						POLICY_STR(s->object->label), port->port));
	policy_build_route_hash(l, &route);
	route.decorator = decorator(&r, &route);
	*(struct hd_route *)policy_vec_push(&l->arena, &l->routes) = route;
	return (struct policy_route_range){ l->routes.n - 1, 1 };
}
