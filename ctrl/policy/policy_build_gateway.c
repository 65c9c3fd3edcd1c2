/* SPDX-License-Identifier: Apache-2.0 */
/* Gateway servers that this node plays: a listener on each of its ports' addresses, a router for
 * each port number. */
#include <stdlib.h>
#include <strings.h>

#include "policy_model.h"

/* All plain HTTP servers of one port number are one table of routes. */
struct gateway_port {
	uint16_t port;
	struct hd_str bind; /* the one address, or "": all of the ports */
	struct policy_names names;
	struct policy_map hosts;     /* host -> struct gateway_host */
	struct policy_vec host_list; /* struct gateway_host * */
	const struct policy_object *object;
	const struct policy_yaml *server;
	struct hd_str label;
};

/* One virtual host: the routes of every VirtualService bound to it, catch-alls last. */
struct gateway_host {
	struct hd_str host;
	struct policy_vec parts; /* struct policy_route_range */
};

static int binds(const struct policy_object *vs, struct hd_str gateway)
{
	const struct policy_yaml *list = policy_get(vs->body, "gateways");
	const char *slash = memchr(gateway.p, '/', gateway.n);
	struct hd_str ns = { gateway.p, (uint32_t)(slash - gateway.p) };
	struct hd_str name = { slash + 1, gateway.n - ns.n - 1 };

	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		if (hd_str_eq(y->text, gateway) ||
		    (hd_str_eq(y->text, name) && hd_str_eq(vs->namespace_, ns)))
			return 1;
	return 0;
}

/* "ns/host" of a server: whose VirtualServices may bind, and the host itself. */
static struct hd_str server_host(const struct policy_object *gateway, const struct policy_yaml *y,
				 struct hd_str *ns)
{
	const char *slash = memchr(y->text.p, '/', y->text.n);
	uint32_t before = slash != NULL ? (uint32_t)(slash - y->text.p) : 0;

	*ns = (struct hd_str){ "*", 1 };
	if (slash == NULL)
		return y->text;
	*ns = (struct hd_str){ y->text.p, before };
	if (policy_str_is(*ns, "."))
		*ns = gateway->namespace_;
	return (struct hd_str){ slash + 1, y->text.n - before - 1 };
}

static int wild(struct hd_str h)
{
	return h.n > 0 && h.p[0] == '*';
}

static int covers(struct hd_str outer, struct hd_str inner)
{
	struct hd_str tail = { outer.p + 1, outer.n - 1 };

	if (!wild(outer))
		return hd_str_eq(outer, inner);
	return tail.n == 0 || (inner.n > tail.n && policy_str_ends(inner, tail));
}

static void host_bind(struct policy_load *l, struct gateway_port *g, struct hd_str host,
		      struct policy_route_range range)
{
	struct gateway_host *h = policy_map_get(&g->hosts, host);

	if (h == NULL) {
		h = policy_alloc(&l->arena, sizeof(*h));
		h->host = host;
		policy_vec_init(&h->parts, sizeof(struct policy_route_range));
		policy_map_add(&g->hosts, host, h);
		*(struct gateway_host **)policy_vec_push(&l->arena, &g->host_list) = h;
	}
	*(struct policy_route_range *)policy_vec_push(&l->arena, &h->parts) = range;
}

/* Where both names overlap, the more specific of the two is the virtual host. */
static void server_bind(struct policy_load *l, struct gateway_port *g,
			const struct policy_object *gateway, const struct policy_yaml *server,
			const struct policy_object *vs)
{
	const struct policy_route_context context = { .port = g->port, .gateway = g->label };
	const struct policy_yaml *hosts = policy_get(vs->body, "hosts");

	for (const struct policy_yaml *y = policy_get(server, "hosts")->first; y != NULL;
	     y = y->next) {
		struct hd_str ns,
			allowed = policy_str_lower(&l->arena, server_host(gateway, y, &ns));

		if (!policy_str_is(ns, "*") && !hd_str_eq(ns, vs->namespace_))
			continue;
		for (const struct policy_yaml *h = hosts != NULL ? hosts->first : NULL; h != NULL;
		     h = h->next) {
			struct hd_str host = policy_host_full(l, h->text, vs->namespace_);

			if (covers(allowed, host))
				host_bind(l, g, host, policy_build_routes(l, vs, &context));
			else if (covers(host, allowed))
				host_bind(l, g, allowed, policy_build_routes(l, vs, &context));
		}
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

static void port_listeners(struct policy_load *l, const struct gateway_port *g, uint32_t router)
{
	const struct hd_node *node = l->policy->settings.node;
	struct hd_listener row = {
		.protocol = HD_PROTO_HTTP,
		.gateway = 1,
		.router = router,
		.cluster = HD_NONE,
		.service = policy_out(l, g->label),
		.port_name = policy_out(l, policy_get_str(policy_get(g->server, "port"), "name")),
		.source = policy_source(l, g->object, g->server),
	};

	if (g->bind.n > 0) {
		bound_listener(l, g, &row);
		return;
	}
	for (uint32_t p = 0; node != NULL && p < node->n_ports; p++)
		for (uint32_t i = 0; i < node->ports[p].n_addresses; i++) {
			row.addr = (struct hd_addr){ node->ports[p].addresses[i].ip, g->port };
			policy_listener_add(l, &row, g->object);
		}
}

static void port_finish(struct policy_load *l, struct gateway_port *g)
{
	struct hd_router router;

	for (uint32_t i = 0; i < g->host_list.n; i++) {
		const struct gateway_host *h =
			*(struct gateway_host **)policy_vec_at(&g->host_list, i);

		policy_names_add(l, &g->names, h->host,
				 policy_vhost_add(l, h->host, host_routes(l, h)));
	}
	router = policy_names_finish(l, &g->names);
	port_listeners(l, g, policy_router_add(l, &router));
}

static int is_http(struct hd_str protocol)
{
	static const char *const words[] = { "HTTP", "HTTP2", "GRPC", "GRPC-WEB" };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(words); i++)
		if (protocol.n == strlen(words[i]) &&
		    strncasecmp(protocol.p, words[i], protocol.n) == 0)
			return 1;
	return 0;
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
	g->bind = bind;
	g->object = o;
	g->server = server;
	policy_names_init(&g->names, &l->arena);
	policy_map_init(&g->hosts, &l->arena);
	policy_vec_init(&g->host_list, sizeof(struct gateway_host *));
	policy_map_add(by_port, key, g);
	*(struct gateway_port **)policy_vec_push(&l->arena, list) = g;
	return g;
}

static void server_add(struct policy_load *l, struct policy_map *by_port, struct policy_vec *list,
		       const struct policy_object *o, const struct policy_yaml *server)
{
	struct hd_str protocol = policy_get_str(policy_get(server, "port"), "protocol");
	struct gateway_port *g;
	struct policy_check c;

	policy_object_check(l, o, &c);
	if (!is_http(protocol)) {
		policy_warning(
			&c, policy_get(policy_get(server, "port"), "protocol"),
			"a Gateway server of protocol %.*s is known but not yet honoured: nothing listens",
			POLICY_STR(protocol));
		return;
	}
	g = port_of(l, by_port, list, o, server);
	g->label = policy_str_printf(&l->arena, "%.*s/%.*s", POLICY_STR(o->namespace_),
				     POLICY_STR(o->name));
	for (uint32_t i = 0; i < l->virtual_services.n; i++) {
		const struct policy_object *vs =
			*(struct policy_object **)policy_vec_at(&l->virtual_services, i);

		if (binds(vs, g->label) && policy_visible(l, vs))
			server_bind(l, g, o, server, vs);
	}
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
