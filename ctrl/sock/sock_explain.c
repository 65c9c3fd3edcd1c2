/* SPDX-License-Identifier: Apache-2.0 */
/* explain METHOD URL: which port, route and endpoints a request would get, and from which lines of
 * policy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "observe_text.h"
#include "sock_command.h"
#include "sock_policy.h"

#define MAX_HEADERS 64

struct url {
	struct hd_str authority, host, path;
	unsigned int port;
};

/* "http://api.default:80/users?x=1"; the scheme and the path may be left out. 0 or -EINVAL. */
static int url_parse(const char *text, struct url *u)
{
	const char *p = strstr(text, "://"), *end, *colon;
	char *rest;

	p = p != NULL ? p + 3 : text;
	end = p + strcspn(p, "/?");
	u->authority = (struct hd_str){ p, (uint32_t)(end - p) };
	u->path = (struct hd_str){ end, (uint32_t)strlen(end) };
	u->host = u->authority;
	u->port = strncmp(text, "https://", 8) == 0 ? 443 : 80;
	colon = p[0] == '[' ? strstr(p, "]:") : memchr(p, ':', u->authority.n);
	if (colon != NULL && p[0] == '[')
		colon++;
	if (colon != NULL && colon < end) {
		u->host.n = (uint32_t)(colon - p);
		u->port = (unsigned int)strtoul(colon + 1, &rest, 10);
		if (rest != end)
			return -EINVAL;
	}
	return u->host.n == 0 || u->port == 0 || u->port > UINT16_MAX ? -EINVAL : 0;
}

/* "api" and "api.default" mean api.default.svc.cluster.local. */
static int names_service(struct hd_str host, struct hd_str service)
{
	return host.n <= service.n && strncasecmp(host.p, service.p, host.n) == 0 &&
	       (host.n == service.n || service.p[host.n] == '.');
}

/* True: the host is an address, and no name. */
static int host_is_address(const struct url *u, struct hd_ip *ip)
{
	char text[64];
	struct hd_str h = u->host;

	if (h.n >= 2 && h.p[0] == '[')
		h = (struct hd_str){ h.p + 1, h.n - 2 };
	snprintf(text, sizeof(text), "%.*s", (int)h.n, h.p);
	return h.n < sizeof(text) && hd_ip_parse(text, ip) == 0;
}

/* Where a caller of this URL would connect: the address itself, the service of that name, else any
 * port that routes. */
static const struct hd_listener *listener_find(const struct hd_snapshot *s, const struct url *u)
{
	const struct hd_listener *found = NULL;
	struct hd_ip ip;

	if (host_is_address(u, &ip))
		return hd_snapshot_listener(s, &ip, (uint16_t)u->port);
	for (uint32_t i = 0; i < s->n_listeners && found == NULL; i++)
		if (s->listeners[i].addr.port == u->port &&
		    names_service(u->host, s->listeners[i].service))
			found = &s->listeners[i];
	for (uint32_t i = 0; i < s->n_listeners && found == NULL; i++)
		if (s->listeners[i].addr.port == u->port &&
		    (s->listeners[i].router != HD_NONE || s->listeners[i].servers_count > 0))
			found = &s->listeners[i];
	return found;
}

/* A caller names the host in its handshake too: what serves that name. */
static const struct hd_listener *listener_named(const struct hd_snapshot *s,
						const struct hd_listener *l, const struct url *u,
						struct hd_listener *copy)
{
	const struct hd_tls_server *server = hd_snapshot_server(s, l, u->host.p, u->host.n);

	if (l->servers_count == 0)
		return l;
	*copy = *l;
	copy->router = server != NULL ? server->router : HD_NONE;
	copy->cluster = server != NULL ? server->cluster : HD_NONE;
	copy->destinations_first = server != NULL ? server->destinations_first : 0;
	copy->destinations_count = server != NULL ? server->destinations_count : 0;
	return copy;
}

/* Other lines of a head must not come in through an argument. */
static int has_line_end(struct hd_str s)
{
	return memchr(s.p, '\r', s.n) != NULL || memchr(s.p, '\n', s.n) != NULL;
}

static int headers_add(struct sock_request *rq, struct observe_text *head)
{
	const json_t *headers = json_object_get(rq->args, "headers"), *h;
	size_t i;

	if (headers != NULL && (!json_is_array(headers) || json_array_size(headers) > MAX_HEADERS))
		return sock_refuse(
			rq, "args: `headers` is an array of at most %d lines \"name: value\"",
			MAX_HEADERS);
	json_array_foreach(headers, i, h)
	{
		struct hd_str line = { json_string_value(h), (uint32_t)json_string_length(h) };

		if (line.p == NULL || has_line_end(line) || memchr(line.p, ':', line.n) == NULL)
			return sock_refuse(rq, "args: a header is \"name: value\"");
		observe_text_add(head, line.p, line.n);
		observe_text_add(head, "\r\n", 2);
	}
	return 0;
}

static int head_build(struct sock_request *rq, const char *method, const struct url *u,
		      struct observe_text *head)
{
	struct hd_str parts[] = { { method, (uint32_t)strlen(method) }, u->authority, u->path };

	for (size_t i = 0; i < HD_ARRAY_SIZE(parts); i++)
		if (has_line_end(parts[i]))
			return sock_refuse(rq, "args: `method` and `url` are one line each");
	observe_text_addf(head, "%s %s%.*s HTTP/1.1\r\nhost: %.*s\r\n", method,
			  u->path.n == 0 || u->path.p[0] != '/' ? "/" : "", (int)u->path.n,
			  u->path.n ? u->path.p : "", (int)u->authority.n, u->authority.p);
	if (headers_add(rq, head) != 0)
		return -EINVAL;
	observe_text_add(head, "\r\n", 2);
	return head->failed ? -ENOMEM : 0;
}

static json_t *endpoints_json(const struct sock_host *h, uint32_t cluster)
{
	const struct hd_snapshot *s = h->snapshot(h->arg);
	json_t *out = json_array();

	if (cluster == HD_NONE)
		return out;
	for (uint32_t i = 0; i < s->clusters[cluster].endpoints_count; i++) {
		json_t *row = sock_row(out);
		const struct hd_endpoint *e =
			&s->endpoints[s->clusters[cluster].endpoints_first + i];

		sock_put(row, "address", sock_json_addr(&e->addr));
		sock_put_text(row, "health", sock_health_name(sock_health(h, e)));
		sock_put_number(row, "weight", e->weight);
	}
	return out;
}

static json_t *destinations_json(const struct sock_host *h, const struct hd_route *r)
{
	const struct hd_snapshot *s = h->snapshot(h->arg);
	json_t *out = json_array();

	for (uint32_t i = 0; i < r->destinations_count; i++) {
		json_t *row = sock_row(out);
		const struct hd_destination *d = &s->destinations[r->destinations_first + i];
		double share = r->total_weight		    ? 100.0 * d->weight / r->total_weight
			       : r->destinations_count == 1 ? 100
							    : 0;

		sock_put(row, "host", sock_json_str(d->host));
		sock_put(row, "subset", sock_json_str(d->subset));
		sock_put_number(row, "weight", d->weight);
		sock_put(row, "share_percent", json_real(share));
		sock_put(row, "cluster", sock_cluster_json(s, d->cluster));
		sock_put(row, "source", sock_source_json(&d->source));
		sock_put(row, "endpoints", endpoints_json(h, d->cluster));
	}
	return out;
}

/* "denied: no rule of the ALLOW policies matches" and where the policy stands. */
static void authorization_put(json_t *row, const struct hd_snapshot *s,
			      const struct hd_explanation *x)
{
	static const char *const words[] = {
		[HD_EXPLAINED_FREE] = "no policy applies",
		[HD_EXPLAINED_ALLOWED] = "allowed",
		[HD_EXPLAINED_DENIED] = "denied",
		[HD_EXPLAINED_MIXED] = "denied by some of the workloads",
	};
	const struct hd_authz_policy *p =
		x->authz_policy != 0 ? &s->authz_policies[x->authz_policy - 1] : NULL;
	struct hd_source at;

	sock_put_text(row, "authorization", words[x->authorization]);
	if (p == NULL)
		return;
	at = p->source;
	if (x->authz_rule != 0)
		at.line = s->authz.rules[x->authz_rule - 1].line;
	sock_put(row, "authorization_policy", sock_json_str(p->source.object));
	sock_put_text(row, "authorization_why",
		      x->authz_rule == 0 ? "no rule of any ALLOW policy matches"
					 : "a rule matches");
	sock_put(row, "authorization_source", sock_source_json(&at));
}

static void answer_build(json_t *row, const struct sock_host *h, const struct hd_explanation *x)
{
	const struct hd_snapshot *s = h->snapshot(h->arg);
	const struct hd_route *r = x->route != HD_NONE ? &s->routes[x->route] : NULL;

	sock_put(row, "path", sock_json_str((struct hd_str){ x->path, x->path_n }));
	sock_put(row, "virtual_host",
		 x->vhost == HD_NONE ? json_null() : sock_json_str(s->vhosts[x->vhost].name));
	sock_put_number(row, "status", x->status);
	sock_put(row, "details", x->details[0] != '\0' ? json_string(x->details) : json_null());
	authorization_put(row, s, x);
	if (r == NULL)
		return;
	sock_put(row, "route", sock_json_str(r->name));
	sock_put(row, "match", sock_match_json(s, &r->match));
	sock_put(row, "object", sock_json_str(r->source.object));
	sock_put(row, "source", sock_source_json(&r->source));
	sock_put_number(row, "timeout_ms", r->timeout / HD_NS_PER_MS);
	sock_put_number(row, "retries", r->retry.attempts);
	sock_put(row, "destinations", destinations_json(h, r));
}

/* How the connection must begin. Local workloads speak plaintext to every service. */
static const char *transport_of(const struct hd_listener *l, const struct hd_explain_caller *who)
{
	if (l->servers_count > 0)
		return "TLS";
	if (l->gateway || l->inbound == HD_INBOUND_PLAIN)
		return "plaintext";
	if (l->inbound == HD_INBOUND_PERMISSIVE)
		return "mutual TLS or plaintext (PeerAuthentication PERMISSIVE)";
	return who->principal.n > 0
		       ? "mutual TLS (PeerAuthentication STRICT)"
		       : "PeerAuthentication STRICT: a caller on a mesh port without a certificate is refused; --principal names one";
}

/* A TCP port passes every stream on unread. */
static void answer_tcp(json_t *row, const struct sock_host *h, const struct hd_listener *l)
{
	sock_put_number(row, "status", 0);
	sock_put_text(row, "details", "a TCP port: bytes are passed on unread");
	sock_put(row, "source", sock_source_json(&l->source));
	sock_put(row, "endpoints", endpoints_json(h, l->cluster));
}

/* What the arguments say of the caller. */
static int caller_read(struct sock_request *rq, struct hd_explain_caller *who)
{
	const char *principal = NULL, *source = NULL;

	*who = (struct hd_explain_caller){ 0 };
	if (sock_args_string(rq, "principal", &principal) != 0 ||
	    sock_args_string(rq, "source", &source) != 0)
		return -EINVAL;
	if (source != NULL && hd_ip_parse(source, &who->source) != 0)
		return sock_refuse(rq, "explain: `source` must be an IP address");
	if (principal != NULL && strncmp(principal, "spiffe://", 9) == 0)
		principal += 9;
	if (principal != NULL)
		who->principal = (struct hd_str){ principal, (uint32_t)strlen(principal) };
	return 0;
}

int sock_explain(struct sock_request *rq)
{
	const struct hd_snapshot *s = rq->host->snapshot(rq->host->arg);
	const char *method = NULL, *text = NULL;
	struct hd_explain_caller who;
	struct observe_text head = { 0 };
	const struct hd_listener *l;
	struct hd_listener named;
	struct hd_explanation x;
	struct url u;
	json_t *row;
	int rc;

	if (sock_args_allow(rq, "method", "url", "headers", "principal", "source", NULL) != 0 ||
	    sock_args_string(rq, "method", &method) != 0 ||
	    sock_args_string(rq, "url", &text) != 0 || caller_read(rq, &who) != 0)
		return -EINVAL;
	if (method == NULL || text == NULL)
		return sock_refuse(
			rq,
			"explain needs `method` and `url`, as GET and http://api.default/users");
	if (url_parse(text, &u) != 0)
		return sock_refuse(
			rq, "explain: `%.128s` is no URL, as http://api.default:80/users is", text);
	l = listener_find(s, &u);
	if (l == NULL)
		return sock_refuse(
			rq,
			"explain: nothing accepts connections for %.*s on port %u: see `show services`",
			(int)u.host.n, u.host.p, u.port);
	rq->result = json_array();
	row = sock_row(rq->result);
	sock_put(row, "listener", sock_json_addr(&l->addr));
	sock_put(row, "service", sock_json_str(l->service));
	sock_put_text(row, "transport", transport_of(l, &who));
	l = listener_named(s, l, &u, &named);
	if (l->router == HD_NONE) {
		answer_tcp(row, rq->host, l);
		return 0;
	}
	rc = head_build(rq, method, &u, &head);
	if (rc == 0) {
		hd_dp_explain(s, l, &who, head.p, (uint32_t)head.n, &x);
		answer_build(row, rq->host, &x);
	}
	observe_text_fini(&head);
	return rc;
}
