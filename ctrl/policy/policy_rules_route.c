/* SPDX-License-Identifier: Apache-2.0 */
/* VirtualService: what Istio's validation refuses beyond types and ranges. */
#include <ctype.h>
#include <strings.h>

#include "policy_regex.h"
#include "policy_rules.h"

#define BODY_MAX (1u << 20)
#define REGEX_MAX 1024

static int has(const struct policy_yaml *map, const char *name)
{
	return policy_get(map, name) != NULL;
}

static uint32_t count(const struct policy_yaml *map, const char *name)
{
	const struct policy_yaml *y = policy_get(map, name);

	return y != NULL ? y->n : 0;
}

static void regex_check(struct policy_check *c, const struct policy_yaml *y)
{
	uint32_t at;
	const char *why = y != NULL ? policy_regex_refused(y->text, &at) : NULL;

	if (y != NULL && y->text.n == 0)
		policy_error(c, y, "an empty regex matches nothing: leave it out, or write \".*\"");
	else if (y != NULL && y->text.n > REGEX_MAX)
		policy_error(c, y, "a regex has at most %d bytes: this one has %u", REGEX_MAX,
			     y->text.n);
	else if (why != NULL)
		policy_error(c, y, "regex \"%.*s\": %s (at byte %u)", POLICY_STR(y->text), why,
			     at + 1);
}

/* Of withoutHeaders: Istio takes it for "present". */
int policy_match_is_star(const struct policy_yaml *map)
{
	return map->field != NULL && strcmp(map->field->name, "withoutHeaders") == 0 &&
	       policy_str_is(policy_get_str(map, "regex"), "*");
}

void policy_rule_string_match(struct policy_check *c, struct policy_yaml *map)
{
	if (has(map, "exact") + has(map, "prefix") + has(map, "regex") > 1)
		policy_error(c, map, "StringMatch takes only one of exact, prefix and regex");
	if (!policy_match_is_star(map))
		regex_check(c, policy_get(map, "regex"));
}

static void prefix_filled(struct policy_check *c, const struct policy_yaml *match)
{
	const struct policy_yaml *prefix = policy_get(match, "prefix");

	if (prefix != NULL && prefix->text.n == 0)
		policy_error(c, prefix, "an empty prefix is refused here: leave the match out");
}

/* A claim of a token, as a gateway may route by it. */
static int claim_name(struct hd_str name)
{
	return policy_str_starts(name, "@request.auth.claims");
}

static int match_name_valid(struct hd_str name)
{
	static const char *const pseudo[] = { ":method", ":scheme", ":authority", ":path",
					      ":status" };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(pseudo); i++)
		if (policy_str_is(name, pseudo[i]))
			return 1;
	return claim_name(name) || policy_word_token(name);
}

static void match_names(struct policy_check *c, const struct policy_yaml *map, const char *field,
			int of_headers)
{
	const struct policy_yaml *names = policy_get(map, field);

	for (const struct policy_yaml *y = names != NULL ? names->first : NULL; y != NULL;
	     y = y->next) {
		if (y->key.n == 0)
			policy_error(c, y, "%s has an empty name", field);
		else if (of_headers && !match_name_valid(y->key))
			policy_error(c, y, "%s: \"%.*s\" is no name of a header", field,
				     POLICY_STR(y->key));
		prefix_filled(c, y);
	}
}

void policy_rule_http_match(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *ns = policy_get(map, "sourceNamespace");

	match_names(c, map, "headers", 1);
	match_names(c, map, "withoutHeaders", 1);
	match_names(c, map, "queryParams", 0);
	prefix_filled(c, policy_get(map, "scheme"));
	prefix_filled(c, policy_get(map, "method"));
	prefix_filled(c, policy_get(map, "authority"));
	policy_rule_labels(c, policy_get(map, "sourceLabels"));
	policy_rule_gateways(c, policy_get(map, "gateways"));
	if (ns != NULL && ns->text.n > 0 && !policy_word_label(ns->text))
		policy_error(c, ns, "sourceNamespace \"%.*s\" is no namespace",
			     POLICY_STR(ns->text));
}

/* Of tcp and tls rules. */
void policy_rule_l4_match(struct policy_check *c, struct policy_yaml *map)
{
	policy_rule_subnets(c, policy_get(map, "destinationSubnets"));
	policy_rule_labels(c, policy_get(map, "sourceLabels"));
	policy_rule_gateways(c, policy_get(map, "gateways"));
}

int policy_label_valid(struct hd_str s)
{
	if (s.n == 0 || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return 0;
	for (uint32_t i = 0; i < s.n; i++) {
		char ch = s.p[i];

		if (!(ch >= 'a' && ch <= 'z') && !(ch >= '0' && ch <= '9') && ch != '-')
			return 0;
	}
	return 1;
}

/* A DNS name, "*", or a name below "*."; upper case and underscores pass as in Istio. */
int policy_host_valid(struct hd_str s)
{
	struct hd_ip ip;
	uint32_t label = 0;

	if (s.n == 0 || s.n > 255)
		return 0;
	if (policy_str_is(s, "*"))
		return 1;
	if (hd_ip_parse(s.p, &ip) == 0)
		return 1;
	if (policy_str_starts(s, "*.")) {
		s.p += 2;
		s.n -= 2;
	}
	for (uint32_t i = 0; i < s.n; i++) {
		char ch = s.p[i];

		if (ch == '.') {
			if (label == 0 || s.p[i - 1] == '-')
				return 0;
			label = 0;
			continue;
		}
		if (!((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z') && !(ch >= '0' && ch <= '9') &&
		    ch != '_' && (ch != '-' || label == 0))
			return 0;
		if (++label > 63)
			return 0;
	}
	return s.n > 0 && s.p[s.n - 1] != '-';
}

void policy_rule_destination(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *host = policy_get(map, "host"),
				 *subset = policy_get(map, "subset"),
				 *port = policy_get(map, "port");

	if (port != NULL && !has(port, "number"))
		policy_error(c, port, "port needs \"number\"");
	if (host != NULL && (!policy_host_valid(host->text) || policy_str_has(host->text, '*')))
		policy_error(c, host, "destination host \"%.*s\" is no host name",
			     POLICY_STR(host->text));
	if (subset != NULL && subset->text.n > 0 && !policy_label_valid(subset->text))
		policy_error(c, subset, "subset \"%.*s\" is no DNS label",
			     POLICY_STR(subset->text));
}

/* What goes into the first line or a Host as it stands: a blank or an end of a line in it would be
 * read as the end of the field, and what follows as somebody else's. */
static void wire_text(struct policy_check *c, const struct policy_yaml *y)
{
	for (uint32_t i = 0; y != NULL && i < y->text.n; i++) {
		uint8_t byte = (uint8_t)y->text.p[i];

		if (byte > ' ' && byte != 0x7f)
			continue;
		policy_error(c, y,
			     "\"%.*s\" may hold no blanks and no control characters: "
			     "write them percent-encoded",
			     POLICY_STR(y->key));
		return;
	}
}

void policy_rule_rewrite(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *regex = policy_get(map, "uriRegexRewrite");

	if (has(map, "uri") && has(map, "uriRegexRewrite"))
		policy_error(c, regex, "rewrite takes either uri or uriRegexRewrite");
	if (!has(map, "uri") && !has(map, "uriRegexRewrite") && !has(map, "authority"))
		policy_error(c, map, "rewrite needs uri, uriRegexRewrite or authority");
	if (has(map, "uriRegexRewrite") &&
	    (policy_get_str(regex, "match").n == 0 || policy_get_str(regex, "rewrite").n == 0))
		policy_error(c, regex, "uriRegexRewrite needs both match and rewrite");
	regex_check(c, policy_get(regex, "match"));
	wire_text(c, policy_get(regex, "rewrite"));
	wire_text(c, policy_get(map, "uri"));
	wire_text(c, policy_get(map, "authority"));
}

void policy_rule_redirect(struct policy_check *c, struct policy_yaml *map)
{
	int64_t code = policy_get_int(map, "redirectCode", 0);
	struct hd_str scheme = policy_get_str(map, "scheme");

	wire_text(c, policy_get(map, "uri"));
	wire_text(c, policy_get(map, "prefixRewrite"));
	wire_text(c, policy_get(map, "authority"));
	if (has(map, "uri") && has(map, "prefixRewrite"))
		policy_error(c, map, "redirect takes either uri or prefixRewrite");
	if (policy_get_str(map, "uri").n + policy_get_str(map, "prefixRewrite").n +
			    policy_get_str(map, "authority").n + scheme.n ==
		    0 &&
	    !has(map, "port") && !has(map, "derivePort"))
		policy_error(c, map,
			     "redirect leads back to itself: give uri, authority, scheme or port");
	if (has(map, "port") && has(map, "derivePort"))
		policy_error(c, map, "redirect takes either port or derivePort");
	if (code != 0 && code != 301 && code != 302 && code != 303 && code != 307 && code != 308)
		policy_error(c, policy_get(map, "redirectCode"),
			     "redirectCode is %lld, but must be 301, 302, 303, 307 or 308",
			     (long long)code);
	if (scheme.n > 0 && !policy_str_is(scheme, "http") && !policy_str_is(scheme, "https"))
		policy_error(c, policy_get(map, "scheme"), "redirect scheme must be http or https");
}

static int word_among(struct hd_str s, const char *const *words, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (policy_str_is(s, words[i]))
			return 1;
	return 0;
}

static void cors_names(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		if (!policy_word_token(y->text))
			policy_error(c, y, "%s: \"%.*s\" is no name of a header", list->field->name,
				     POLICY_STR(y->text));
}

void policy_rule_cors(struct policy_check *c, struct policy_yaml *map)
{
	static const char *const methods[] = { "GET",	 "HEAD",    "POST",    "PUT",	"PATCH",
					       "DELETE", "CONNECT", "OPTIONS", "TRACE", "*" };
	const struct policy_yaml *list = policy_get(map, "allowMethods"),
				 *origins = policy_get(map, "allowOrigins"),
				 *age = policy_get(map, "maxAge");

	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		if (!word_among(y->text, methods, HD_ARRAY_SIZE(methods)))
			policy_error(c, y,
				     "allowMethods: \"%.*s\" is no method: GET, HEAD, POST, PUT, "
				     "PATCH, DELETE, CONNECT, OPTIONS, TRACE, in upper case, or *",
				     POLICY_STR(y->text));
	cors_names(c, policy_get(map, "allowHeaders"));
	cors_names(c, policy_get(map, "exposeHeaders"));
	for (const struct policy_yaml *y = origins != NULL ? origins->first : NULL; y != NULL;
	     y = y->next)
		if (policy_get_str(y, "exact").n + policy_get_str(y, "prefix").n +
			    policy_get_str(y, "regex").n ==
		    0)
			policy_error(c, y, "allowOrigins needs exact, prefix or regex");
	if (age != NULL && age->i % (int64_t)HD_NS_PER_S != 0)
		policy_error(c, age, "maxAge must be whole seconds");
}

void policy_rule_direct_response(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *body = policy_get(map, "body");
	int64_t status = policy_get_int(map, "status", 0);

	if (has(body, "string") && has(body, "bytes"))
		policy_error(c, body, "body takes either string or bytes");
	if (policy_get_str(body, "string").n > BODY_MAX ||
	    policy_get_str(body, "bytes").n > BODY_MAX)
		policy_error(c, body, "body is larger than 1 MiB");
	if (policy_get_str(body, "string").n + policy_get_str(body, "bytes").n > 0 &&
	    (status == 204 || status == 304))
		policy_warning(c, body, "an answer of status %lld has no body: it is left out",
			       (long long)status);
}

static int retry_word(struct hd_str w)
{
	static const char *const words[] = { "5xx",
					     "gateway-error",
					     "reset",
					     "reset-before-request",
					     "connect-failure",
					     "retriable-4xx",
					     "refused-stream",
					     "retriable-status-codes",
					     "retriable-headers",
					     "envoy-ratelimited",
					     "http3-post-connect-failure",
					     "cancelled",
					     "deadline-exceeded",
					     "internal",
					     "resource-exhausted",
					     "unavailable" };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(words); i++)
		if (policy_str_is(w, words[i]))
			return 1;
	if (w.n != 3)
		return 0;
	return w.p[0] >= '1' && w.p[0] <= '5' && w.p[1] >= '0' && w.p[1] <= '9' && w.p[2] >= '0' &&
	       w.p[2] <= '9';
}

void policy_rule_retries(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *on = policy_get(map, "retryOn");
	const char *p = on != NULL ? on->text.p : "", *end = p + (on != NULL ? on->text.n : 0);

	if (policy_get_int(map, "attempts", 1) == 0 &&
	    (has(map, "perTryTimeout") || has(map, "retryOn")))
		policy_warning(
			c, map,
			"attempts 0 switches retries off: perTryTimeout and retryOn have no effect");
	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma != NULL ? comma : end;
		struct hd_str w;

		while (p < stop && *p == ' ')
			p++;
		w = (struct hd_str){ p, (uint32_t)(stop - p) };
		while (w.n > 0 && w.p[w.n - 1] == ' ')
			w.n--;
		if (!retry_word(w))
			policy_error(c, on, "retryOn does not know \"%.*s\"", POLICY_STR(w));
		p = stop + 1;
	}
}

void policy_rule_delay(struct policy_check *c, struct policy_yaml *map)
{
	if (has(map, "exponentialDelay"))
		policy_error(c, policy_get(map, "exponentialDelay"),
			     "exponentialDelay is not supported by Istio");
	else if (!has(map, "fixedDelay"))
		policy_error(c, map, "delay needs fixedDelay");
}

/* 0, or from a ten-thousandth on: finer ones would never happen. */
void policy_rule_percent(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *value = policy_get(map, "value");

	if (value != NULL && value->d > 0 && value->d < 0.0001)
		policy_error(c, value, "value must be 0 or at least 0.0001");
}

void policy_rule_fault(struct policy_check *c, struct policy_yaml *map)
{
	if (!has(map, "delay") && !has(map, "abort"))
		policy_error(c, map, "fault needs delay or abort");
}

void policy_rule_abort(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *grpc = policy_get(map, "grpcStatus");

	if (grpc != NULL && policy_word_grpc_status(grpc->text) < 0)
		policy_error(c, grpc,
			     "grpcStatus \"%.*s\" is no status of gRPC such as UNAVAILABLE",
			     POLICY_STR(grpc->text));
	if (has(map, "http2Error"))
		policy_error(c, policy_get(map, "http2Error"),
			     "http2Error is not supported by Istio");
	if (has(map, "httpStatus") + has(map, "grpcStatus") + has(map, "http2Error") != 1)
		policy_error(c, map, "abort needs one of httpStatus and grpcStatus");
}

static int name_is(struct hd_str s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* Names of HTTP/2's own begin with a colon. */
static int is_token(struct hd_str name)
{
	uint32_t colon = name.n > 0 && name.p[0] == ':';

	return policy_word_token((struct hd_str){ name.p + colon, name.n - colon });
}

static void header_name(struct policy_check *c, const struct policy_yaml *y, struct hd_str name,
			int host_allowed)
{
	int host = name_is(name, "host") || name_is(name, ":authority");

	if (name.n == 0 || !is_token(name))
		policy_error(c, y, "\"%.*s\" is no name of a header", POLICY_STR(name));
	else if ((host && !host_allowed) || (!host && name.p[0] == ':'))
		policy_error(c, y, "header \"%.*s\" cannot be changed here", POLICY_STR(name));
}

static void header_operations(struct policy_check *c, const struct policy_yaml *map, int request)
{
	static const char *const maps[] = { "set", "add" };
	const struct policy_yaml *removed = policy_get(map, "remove");

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(maps); i++) {
		const struct policy_yaml *m = policy_get(map, maps[i]);

		for (const struct policy_yaml *y = m != NULL ? m->first : NULL; y != NULL;
		     y = y->next) {
			header_name(c, y, y->key, request);
			policy_rule_header_value(c, y);
			if (name_is(y->key, "host") || name_is(y->key, ":authority"))
				wire_text(c, y);
		}
	}
	for (const struct policy_yaml *y = removed != NULL ? removed->first : NULL; y != NULL;
	     y = y->next)
		header_name(c, y, y->text, 0);
}

void policy_rule_request_headers(struct policy_check *c, struct policy_yaml *map)
{
	header_operations(c, map, 1);
}

void policy_rule_response_headers(struct policy_check *c, struct policy_yaml *map)
{
	header_operations(c, map, 0);
}

/* The one place that gives requests another Host. */
static void authority_once(struct policy_check *c, const struct policy_yaml *map)
{
	static const char *const maps[] = { "set", "add" };
	const struct policy_yaml *request = policy_get(policy_get(map, "headers"), "request");
	int given = policy_get_str(policy_get(map, "rewrite"), "authority").n > 0;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(maps); i++) {
		const struct policy_yaml *m = policy_get(request, maps[i]);

		for (const struct policy_yaml *y = m != NULL ? m->first : NULL; y != NULL;
		     y = y->next) {
			if (!name_is(y->key, "host") && !name_is(y->key, ":authority"))
				continue;
			if (given)
				policy_error(c, y,
					     "the Host of requests is set twice: keep one of "
					     "rewrite.authority and the headers");
			given = 1;
		}
	}
}

/* What is replaced by prefixRewrite is the prefix that matched. */
static void prefix_redirect(struct policy_check *c, const struct policy_yaml *map)
{
	const struct policy_yaml *rewrite =
		policy_get(policy_get(map, "redirect"), "prefixRewrite");
	const struct policy_yaml *matches = policy_get(map, "match");

	for (const struct policy_yaml *m = rewrite != NULL && matches != NULL ? matches->first
									      : NULL;
	     m != NULL; m = m->next)
		if (has(m, "uri") && !has(policy_get(m, "uri"), "prefix"))
			policy_error(c, policy_get(m, "uri"),
				     "redirect.prefixRewrite needs matches by uri.prefix");
}

static void route_actions(struct policy_check *c, const struct policy_yaml *map)
{
	int actions = (count(map, "route") > 0) + has(map, "redirect") + has(map, "directResponse");
	int forwarding = has(map, "rewrite") || has(map, "fault");

	if (has(map, "delegate") && (count(map, "route") > 0 || has(map, "redirect")))
		policy_error(c, policy_get(map, "delegate"),
			     "delegate does not go together with route or redirect");
	else if (!has(map, "delegate") && actions == 0)
		policy_error(c, map, "an http rule needs route, redirect or directResponse");
	else if (actions > 1)
		policy_error(c, map,
			     "an http rule takes only one of route, redirect and directResponse");
	else if (count(map, "route") == 0 && !has(map, "delegate") && forwarding)
		policy_error(c, map, "rewrite and fault go only with route");
}

/* Several destinations need a weight between them; a single one gets all, whatever its weight. */
static void route_weights(struct policy_check *c, const struct policy_yaml *route)
{
	int64_t sum = 0;

	for (const struct policy_yaml *y = route->first; y != NULL; y = y->next)
		sum += policy_get_int(y, "weight", 0);
	if (route->n > 1 && sum == 0)
		policy_error(c, route, "all weights are 0");
	else if (sum > POLICY_U32)
		policy_error(c, route, "the weights add up to more than 2^32-1");
}

void policy_rule_http_route(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *route = policy_get(map, "route");

	route_actions(c, map);
	if (route != NULL)
		route_weights(c, route);
	if (has(map, "mirror") && has(map, "mirrors"))
		policy_error(c, policy_get(map, "mirrors"),
			     "mirror and mirrors do not go together");
	authority_once(c, map);
	prefix_redirect(c, map);
}

/* *.a contains x.a and *.x.a. */
static int host_inside(struct hd_str inner, struct hd_str outer)
{
	if (policy_str_is(outer, "*"))
		return 1;
	if (!policy_str_starts(outer, "*."))
		return hd_str_eq(inner, outer);
	return inner.n > outer.n - 1 &&
	       policy_str_ends(inner, (struct hd_str){ outer.p + 1, outer.n - 1 });
}

void policy_rule_tls_route(struct policy_check *c, struct policy_yaml *map)
{
	if (count(map, "route") == 0)
		policy_error(c, map, "a tls rule needs route");
	if (count(map, "match") == 0)
		policy_error(c, map, "a tls rule needs match");
}

void policy_rule_tcp_route(struct policy_check *c, struct policy_yaml *map)
{
	if (count(map, "route") == 0)
		policy_error(c, map, "a tcp rule needs route");
	else
		route_weights(c, policy_get(map, "route"));
}

void policy_rule_export_to(struct policy_check *c, const struct policy_yaml *list, int tilde)
{
	uint32_t n = list != NULL ? list->n : 0;

	for (const struct policy_yaml *y = n > 0 ? list->first : NULL; y != NULL; y = y->next) {
		int all = policy_str_is(y->text, "*"), own = policy_str_is(y->text, ".");
		int none = policy_str_is(y->text, "~");

		for (const struct policy_yaml *o = list->first; o != y; o = o->next)
			if (hd_str_eq(o->text, y->text))
				policy_error(c, y, "exportTo \"%.*s\" is given twice",
					     POLICY_STR(y->text));
		if (none && !tilde)
			policy_error(c, y, "exportTo does not take \"~\" here");
		else if (!all && !own && !none && !policy_label_valid(y->text))
			policy_error(c, y, "exportTo \"%.*s\" is no namespace",
				     POLICY_STR(y->text));
		else if ((all || none) && n > 1)
			policy_error(c, y, "exportTo \"%.*s\" stands alone", POLICY_STR(y->text));
	}
}

static void sni_hosts(struct policy_check *c, const struct policy_yaml *hosts,
		      const struct policy_yaml *tls)
{
	for (const struct policy_yaml *rule = tls != NULL ? tls->first : NULL; rule != NULL;
	     rule = rule->next)
		for (const struct policy_yaml *m = policy_get(rule, "match")->first; m != NULL;
		     m = m->next)
			for (const struct policy_yaml *s = policy_get(m, "sniHosts")->first;
			     s != NULL; s = s->next) {
				int inside = 0;

				for (const struct policy_yaml *h = hosts->first; h != NULL;
				     h = h->next)
					inside |= host_inside(s->text, h->text);
				if (!inside)
					policy_error(c, s,
						     "sniHosts \"%.*s\" is not among the hosts",
						     POLICY_STR(s->text));
			}
}

static void hosts_check(struct policy_check *c, const struct policy_yaml *hosts, int mesh)
{
	uint32_t seen = 0;

	for (const struct policy_yaml *y = hosts->first; y != NULL; y = y->next, seen++) {
		uint32_t k = 0;

		if (!policy_host_valid(y->text))
			policy_error(c, y, "host \"%.*s\" is no host name", POLICY_STR(y->text));
		else if (mesh && policy_str_is(y->text, "*"))
			policy_error(c, y, "host \"*\" cannot be bound to the mesh");
		if (seen > 4096) /* each against each: what no person writes is not compared */
			continue;
		for (const struct policy_yaml *o = hosts->first; k < seen; o = o->next, k++)
			if (host_inside(y->text, o->text) || host_inside(o->text, y->text)) {
				policy_error(c, y, "host \"%.*s\" overlaps \"%.*s\"",
					     POLICY_STR(y->text), POLICY_STR(o->text));
				break;
			}
	}
}

static void delegate_check(struct policy_check *c, const struct policy_yaml *map)
{
	const struct policy_yaml *http = policy_get(map, "http");

	if (count(map, "gateways") > 0)
		policy_error(c, map, "a VirtualService with gateways needs hosts");
	for (const struct policy_yaml *y = http != NULL ? http->first : NULL; y != NULL;
	     y = y->next)
		if (has(y, "delegate"))
			policy_error(c, policy_get(y, "delegate"),
				     "a VirtualService without hosts is a delegate, and delegates "
				     "do not delegate");
	if (count(map, "tls") > 0 || count(map, "tcp") > 0)
		policy_error(c, map,
			     "a VirtualService without hosts (a delegate) takes no tls and tcp");
}

/* Tokens are read at gateways. */
static void claims_check(struct policy_check *c, const struct policy_yaml *http)
{
	static const char *const maps[] = { "headers", "withoutHeaders" };

	for (const struct policy_yaml *r = http != NULL ? http->first : NULL; r != NULL;
	     r = r->next) {
		const struct policy_yaml *match = policy_get(r, "match");

		for (const struct policy_yaml *m = match != NULL ? match->first : NULL; m != NULL;
		     m = m->next)
			for (uint32_t i = 0; i < HD_ARRAY_SIZE(maps); i++) {
				const struct policy_yaml *h = policy_get(m, maps[i]);

				for (const struct policy_yaml *y = h != NULL ? h->first : NULL;
				     y != NULL; y = y->next)
					if (claim_name(y->key))
						policy_error(c, y,
							     "claims of tokens are matched only at "
							     "gateways: the mesh has none");
			}
	}
}

void policy_rule_virtual_service(struct policy_check *c, struct policy_yaml *map)
{
	static const char *const misplaced[] = { "retries", "timeout" };
	const struct policy_yaml *hosts = policy_get(map, "hosts"),
				 *gateways = policy_get(map, "gateways");
	int mesh = gateways == NULL || gateways->n == 0;

	for (const struct policy_yaml *y = mesh ? NULL : gateways->first; y != NULL; y = y->next)
		mesh |= policy_str_is(y->text, "mesh");
	policy_rule_gateways(c, gateways);
	if (mesh)
		claims_check(c, policy_get(map, "http"));
	if (count(map, "http") + count(map, "tls") + count(map, "tcp") == 0)
		policy_error(c, map, "a VirtualService needs http, tls or tcp");
	if (hosts == NULL || hosts->n == 0)
		delegate_check(c, map);
	else {
		hosts_check(c, hosts, mesh);
		sni_hosts(c, hosts, policy_get(map, "tls"));
	}
	policy_rule_export_to(c, policy_get(map, "exportTo"), 0);
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(misplaced); i++) {
		const struct policy_yaml *y = policy_get(map, misplaced[i]);
		struct policy_yaml at;

		if (y == NULL)
			continue;
		at = *y;
		at.line = y->key_line;
		at.col = y->key_col;
		policy_warning(
			c, &at,
			"%s belongs into http[]: taken for every route that has none of its own "
			"(Istio would ignore it)",
			misplaced[i]);
	}
}
