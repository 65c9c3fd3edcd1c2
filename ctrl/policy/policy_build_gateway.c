/* SPDX-License-Identifier: Apache-2.0 */
/* Gateway servers that this node plays: a listener on each of its ports' addresses, a router for
 * each port number. */
#include <stdlib.h>
#include <strings.h>

#include "policy_build_gateway.h"

int policy_gateway_binds(const struct policy_load *l, const struct policy_object *vs,
			 struct hd_str gateway)
{
	const struct policy_yaml *list = policy_get(vs->body, "gateways");
	const char *slash = memchr(gateway.p, '/', gateway.n);
	struct hd_str ns = { gateway.p, (uint32_t)(slash - gateway.p) };
	struct hd_str name = { slash + 1, gateway.n - ns.n - 1 };

	if (!policy_visible(l, vs))
		return 0;
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		if (hd_str_eq(y->text, gateway) ||
		    (hd_str_eq(y->text, name) && hd_str_eq(vs->namespace_, ns)))
			return 1;
	return 0;
}

struct hd_str policy_gateway_host(struct policy_load *l, const struct policy_object *gateway,
				  const struct policy_yaml *y, struct hd_str *ns)
{
	const char *slash = memchr(y->text.p, '/', y->text.n);
	uint32_t before = slash != NULL ? (uint32_t)(slash - y->text.p) : 0;

	*ns = (struct hd_str){ "*", 1 };
	if (slash == NULL)
		return policy_str_lower(&l->arena, y->text);
	*ns = (struct hd_str){ y->text.p, before };
	if (policy_str_is(*ns, "."))
		*ns = gateway->namespace_;
	return policy_str_lower(&l->arena, (struct hd_str){ slash + 1, y->text.n - before - 1 });
}

static int covers(struct hd_str outer, struct hd_str inner)
{
	struct hd_str tail = { outer.p + 1, outer.n - 1 };

	if (outer.n == 0 || outer.p[0] != '*')
		return hd_str_eq(outer, inner);
	return tail.n == 0 || (inner.n > tail.n && policy_str_ends(inner, tail));
}

struct hd_str policy_gateway_overlap(struct hd_str a, struct hd_str b)
{
	if (covers(a, b))
		return b;
	return covers(b, a) ? a : (struct hd_str){ "", 0 };
}

static struct gateway_host *host_of(struct policy_load *l, struct gateway_table *t,
				    struct hd_str host)
{
	struct gateway_host *h = policy_map_get(&t->hosts, host);

	if (h != NULL)
		return h;
	h = policy_alloc(&l->arena, sizeof(*h));
	h->host = host;
	policy_vec_init(&h->parts, sizeof(struct policy_route_range));
	policy_map_add(&t->hosts, host, h);
	*(struct gateway_host **)policy_vec_push(&l->arena, &t->host_list) = h;
	return h;
}

static void host_bind(struct policy_load *l, struct gateway_table *t, struct hd_str host,
		      struct policy_route_range range)
{
	*(struct policy_route_range *)policy_vec_push(&l->arena, &host_of(l, t, host)->parts) =
		range;
}

/* Where both names overlap, the more specific of the two is the virtual host. */
static void server_bind(struct policy_load *l, struct gateway_table *t,
			const struct policy_object *gateway, const struct policy_yaml *server,
			const struct policy_object *vs)
{
	const struct policy_route_context context = { .port = t->port, .gateway = t->label };
	const struct policy_yaml *hosts = policy_get(vs->body, "hosts");

	for (const struct policy_yaml *y = policy_get(server, "hosts")->first; y != NULL;
	     y = y->next) {
		struct hd_str ns, allowed = policy_gateway_host(l, gateway, y, &ns);

		if (!policy_str_is(ns, "*") && !hd_str_eq(ns, vs->namespace_))
			continue;
		for (const struct policy_yaml *h = hosts != NULL ? hosts->first : NULL; h != NULL;
		     h = h->next) {
			struct hd_str both = policy_gateway_overlap(
				allowed, policy_host_full(l, h->text, vs->namespace_));

			if (both.n > 0)
				host_bind(l, t, both, policy_build_routes(l, vs, &context));
		}
	}
}

/* Whatever is asked for, in clear: a server with httpsRedirect has this route for each of its hosts
 * alone. */
static void server_redirect(struct policy_load *l, struct gateway_table *t,
			    const struct policy_object *gateway, const struct policy_yaml *server)
{
	struct policy_route_range range = policy_build_redirect(l, gateway, server);

	for (const struct policy_yaml *y = policy_get(server, "hosts")->first; y != NULL;
	     y = y->next) {
		struct hd_str ns, host = policy_gateway_host(l, gateway, y, &ns);
		struct gateway_host *h = host_of(l, t, host);

		h->parts.n = 0;
		host_bind(l, t, host, range);
	}
}

void policy_gateway_table_init(struct policy_load *l, struct gateway_table *t, uint16_t port,
			       struct hd_str label)
{
	*t = (struct gateway_table){ .port = port, .label = label };
	policy_map_init(&t->hosts, &l->arena);
	policy_vec_init(&t->host_list, sizeof(struct gateway_host *));
}

void policy_gateway_table_bind(struct policy_load *l, struct gateway_table *t,
			       const struct policy_object *gateway,
			       const struct policy_yaml *server)
{
	for (uint32_t i = 0; i < l->virtual_services.n; i++) {
		const struct policy_object *vs =
			*(struct policy_object **)policy_vec_at(&l->virtual_services, i);

		if (policy_gateway_binds(l, vs, t->label))
			server_bind(l, t, gateway, server, vs);
	}
}

static int is_catch_all(const struct hd_route *r)
{
	const struct hd_route_match *m = &r->match;

	return (m->uri.kind == HD_MATCH_ANY ||
		(m->uri.kind == HD_MATCH_PREFIX && m->uri.text.n <= 1)) &&
	       m->headers_count + m->query_count == 0 && m->method.kind == HD_MATCH_ANY &&
	       m->scheme.kind == HD_MATCH_ANY && m->authority.kind == HD_MATCH_ANY;
}

static void parts_copy(struct policy_load *l, const struct gateway_host *h, int catch_alls)
{
	for (uint32_t i = 0; i < h->parts.n; i++) {
		const struct policy_route_range *part = policy_vec_at(&h->parts, i);

		for (uint32_t k = 0; k < part->count; k++) {
			struct hd_route r =
				*(struct hd_route *)policy_vec_at(&l->routes, part->first + k);

			if (is_catch_all(&r) == catch_alls)
				*(struct hd_route *)policy_vec_push(&l->arena, &l->routes) = r;
		}
	}
}

static struct policy_route_range host_routes(struct policy_load *l, const struct gateway_host *h)
{
	struct policy_route_range range = { l->routes.n, 0 };

	if (h->parts.n == 1)
		return *(struct policy_route_range *)policy_vec_at(&h->parts, 0);
	parts_copy(l, h, 0);
	parts_copy(l, h, 1);
	range.count = l->routes.n - range.first;
	return range;
}

static void bound_listener(struct policy_load *l, const struct gateway_port *g,
			   struct hd_listener *row)
{
	struct policy_check c;

	if (hd_ip_parse(g->bind.p, &row->addr.ip) != 0) {
		policy_object_check(l, g->object, &c);
		policy_warning(&c, policy_get(g->server, "bind"),
			       "bind \"%.*s\" is no address: nothing listens", POLICY_STR(g->bind));
		return;
	}
	row->addr.port = g->port;
	policy_listener_add(l, row, g->object);
}

static void port_listeners(struct policy_load *l, const struct gateway_port *g,
			   struct hd_listener *row)
{
	const struct hd_node *node = l->policy->settings.node;

	if (g->bind.n > 0) {
		bound_listener(l, g, row);
		return;
	}
	for (uint32_t p = 0; node != NULL && p < node->n_ports; p++)
		for (uint32_t i = 0; i < node->ports[p].n_addresses; i++) {
			row->addr = (struct hd_addr){ node->ports[p].addresses[i].ip, g->port };
			policy_listener_add(l, row, g->object);
		}
}

uint32_t policy_gateway_table_finish(struct policy_load *l, struct gateway_table *t)
{
	struct policy_names names;
	struct hd_router router;

	policy_names_init(&names, &l->arena);
	for (uint32_t i = 0; i < t->host_list.n; i++) {
		const struct gateway_host *h =
			*(struct gateway_host **)policy_vec_at(&t->host_list, i);

		policy_names_add(l, &names, h->host,
				 policy_vhost_add(l, h->host, host_routes(l, h)));
	}
	router = policy_names_finish(l, &names);
	return policy_router_add(l, &router);
}

static void port_finish(struct policy_load *l, struct gateway_port *g)
{
	struct hd_listener row = {
		.protocol = g->kind == GATEWAY_TCP ? HD_PROTO_TCP : HD_PROTO_HTTP,
		.gateway = 1,
		.router = HD_NONE,
		.cluster = HD_NONE,
		.authz = policy_authz_gateway(l, g->label),
		.service = policy_out(l, g->label),
		.port_name = policy_out(l, policy_get_str(policy_get(g->server, "port"), "name")),
		.source = policy_source(l, g->object, g->server),
	};

	switch (g->kind) {
	case GATEWAY_HTTP:
		row.router = policy_gateway_table_finish(l, &g->http);
		break;
	case GATEWAY_TLS:
		if (g->servers.n == 0)
			return;
		policy_sni_finish(l, &g->servers, &row);
		break;
	case GATEWAY_TCP:
		if (g->d.count == 0)
			return;
		row.destinations_first = row.choice = g->d.first;
		row.destinations_count = g->d.count;
		row.total_weight = g->d.total_weight;
	}
	port_listeners(l, g, &row);
}

static int word_is(struct hd_str protocol, const char *word)
{
	return protocol.n == strlen(word) && strncasecmp(protocol.p, word, protocol.n) == 0;
}

static enum gateway_kind kind_of(struct hd_str protocol)
{
	static const char *const http[] = { "HTTP", "HTTP2", "GRPC", "GRPC-WEB" };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(http); i++)
		if (word_is(protocol, http[i]))
			return GATEWAY_HTTP;
	return word_is(protocol, "HTTPS") || word_is(protocol, "TLS") ? GATEWAY_TLS : GATEWAY_TCP;
}

static struct gateway_port *port_of(struct policy_load *l, struct policy_map *by_port,
				    struct policy_vec *list, const struct policy_object *o,
				    const struct policy_yaml *server)
{
	uint16_t port = (uint16_t)policy_get_int(policy_get(server, "port"), "number", 0);
	struct hd_str bind = policy_get_str(server, "bind"), key;
	struct gateway_port *g;

	if (policy_str_is(bind, "0.0.0.0") || policy_str_is(bind, "::"))
		bind = (struct hd_str){ "", 0 };
	key = policy_str_printf(&l->arena, "%u %.*s", port, POLICY_STR(bind));
	g = policy_map_get(by_port, key);

	if (g != NULL)
		return g;
	g = policy_alloc(&l->arena, sizeof(*g));
	g->port = port;
	g->kind = kind_of(policy_get_str(policy_get(server, "port"), "protocol"));
	g->bind = bind;
	g->object = o;
	g->server = server;
	g->label = policy_str_printf(&l->arena, "%.*s/%.*s", POLICY_STR(o->namespace_),
				     POLICY_STR(o->name));
	policy_gateway_table_init(l, &g->http, port, g->label);
	policy_vec_init(&g->servers, sizeof(struct hd_tls_server));
	policy_map_init(&g->taken, &l->arena);
	policy_map_add(by_port, key, g);
	*(struct gateway_port **)policy_vec_push(&l->arena, list) = g;
	return g;
}

static void server_add(struct policy_load *l, struct policy_map *by_port, struct policy_vec *list,
		       const struct policy_object *o, const struct policy_yaml *server)
{
	const struct policy_yaml *port = policy_get(server, "port");
	struct gateway_port *g = port_of(l, by_port, list, o, server);
	enum gateway_kind kind = kind_of(policy_get_str(port, "protocol"));
	struct policy_check c;

	if (kind != g->kind || (kind == GATEWAY_TCP && g->server != server)) {
		policy_object_check(l, o, &c);
		policy_warning(&c, port,
			       "port %u is already that of another server (%.*s): left out",
			       g->port, POLICY_STR(g->label));
		return;
	}
	g->label = policy_str_printf(&l->arena, "%.*s/%.*s", POLICY_STR(o->namespace_),
				     POLICY_STR(o->name));
	g->http.label = g->label;
	if (kind == GATEWAY_TLS)
		policy_server_tls(l, g, o, server);
	else if (kind == GATEWAY_TCP)
		policy_server_tcp(l, g, o);
	else if (policy_get_int(policy_get(server, "tls"), "httpsRedirect", 0) != 0)
		server_redirect(l, &g->http, o, server);
	else
		policy_gateway_table_bind(l, &g->http, o, server);
}

void policy_build_gateways(struct policy_load *l)
{
	struct policy_map by_port;
	struct policy_vec list;

	policy_map_init(&by_port, &l->arena);
	policy_vec_init(&list, sizeof(struct gateway_port *));
	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o = policy_object_at(l, i);
		const struct policy_yaml *servers = policy_get(o->body, "servers");

		if (o->row->id != POLICY_GATEWAY || o->replaced ||
		    !policy_node_has_labels(l, policy_get(o->body, "selector")))
			continue;
		for (const struct policy_yaml *y = servers->first; y != NULL; y = y->next)
			server_add(l, &by_port, &list, o, y);
	}
	for (uint32_t i = 0; i < list.n; i++)
		port_finish(l, *(struct gateway_port **)policy_vec_at(&list, i));
}
