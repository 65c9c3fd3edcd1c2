/* SPDX-License-Identifier: Apache-2.0 */
/* Routers and listeners of services. How a request picks its virtual host:
 * docs/decisions/0007-which-router.md */
#include <stdlib.h>

#include "policy_build_tls.h"

/* All that one port number shares: names of every service with that port, and of VirtualServices
 * beside them. */
struct port_table {
	uint16_t port;
	struct policy_names names;
	struct hd_router router;  /* when finished */
	struct policy_vec vhosts; /* struct service_vhost */
};

struct service_vhost {
	struct policy_service *service;
	struct policy_service_port *port;
	uint32_t vhost;
};

static struct port_table *table_of(struct policy_load *l, struct policy_vec *tables, uint16_t port)
{
	struct hd_str key = policy_str_printf(&l->arena, "%u", port);
	struct port_table *t = policy_map_get(&l->tables, key);

	if (t != NULL)
		return t;
	t = policy_alloc(&l->arena, sizeof(*t));
	t->port = port;
	policy_names_init(&t->names, &l->arena);
	policy_vec_init(&t->vhosts, sizeof(struct service_vhost));
	policy_map_add(&l->tables, key, t);
	*(struct port_table **)policy_vec_push(&l->arena, tables) = t;
	return t;
}

/* The routes of the VirtualService that applies; when all its rules are ruled out for this port,
 * the service's own. */
static struct policy_route_range service_routes(struct policy_load *l,
						const struct policy_service *s,
						const struct policy_service_port *p)
{
	const struct policy_route_context context = { .port = p->port };
	const struct policy_object *vs = policy_virtual_service_of(l, s->host);
	struct policy_route_range range = { 0 };

	if (vs != NULL)
		range = policy_build_routes(l, vs, &context);
	return range.count > 0 ? range : policy_build_default(l, s, p);
}

static void vip_names_add(struct policy_load *l, struct policy_names *n,
			  const struct policy_service *s, uint32_t vhost)
{
	char text[HD_ADDR_STRLEN];

	for (uint32_t i = 0; i < s->n_vips; i++) {
		struct hd_str name =
			policy_str_printf(&l->arena, "%s", hd_ip_format(&s->vips[i], text));

		policy_names_add(l, n, name, vhost);
		if (!hd_ip_is_v4(&s->vips[i])) /* as it stands in a Host */
			policy_names_add(l, n,
					 policy_str_printf(&l->arena, "[%.*s]", POLICY_STR(name)),
					 vhost);
	}
}

/* Unambiguous names; short ones come when all services have theirs. */
static void service_names_add(struct policy_load *l, struct port_table *t,
			      const struct service_vhost *v)
{
	const struct policy_service *s = v->service;
	struct hd_str name = policy_str_lower(&l->arena, s->name), ns = s->namespace_;

	policy_names_add(l, &t->names, s->host, v->vhost);
	policy_names_add(l, &t->names, policy_str_printf(&l->arena, "%.*s.", POLICY_STR(s->host)),
			 v->vhost);
	if (s->entry)
		return;
	policy_names_add(
		l, &t->names,
		policy_str_printf(&l->arena, "%.*s.%.*s", POLICY_STR(name), POLICY_STR(ns)),
		v->vhost);
	policy_names_add(
		l, &t->names,
		policy_str_printf(&l->arena, "%.*s.%.*s.svc", POLICY_STR(name), POLICY_STR(ns)),
		v->vhost);
}

static void vhost_authorize(struct policy_load *l, const struct service_vhost *v)
{
	struct hd_vhost *row = policy_vec_at(&l->vhosts, v->vhost);

	policy_authz_targets(l, v->service, v->port, &row->authz_first, &row->authz_count);
}

static void service_vhosts(struct policy_load *l, struct policy_vec *tables,
			   struct policy_service *s)
{
	for (uint32_t i = 0; i < s->n_ports; i++) {
		struct policy_service_port *p = &s->ports[i];
		struct port_table *t;
		struct service_vhost *v;

		if (p->protocol == HD_PROTO_TCP || p->cluster == HD_NONE)
			continue;
		t = table_of(l, tables, p->port);
		v = policy_vec_push(&l->arena, &t->vhosts);
		v->service = s;
		v->port = p;
		v->vhost = policy_vhost_add(
			l, policy_str_printf(&l->arena, "%.*s:%u", POLICY_STR(s->host), p->port),
			service_routes(l, s, p));
		vhost_authorize(l, v);
		service_names_add(l, t, v);
	}
}

static struct service_vhost *vhost_at(const struct port_table *t, uint32_t i)
{
	return policy_vec_at(&t->vhosts, i);
}

/* A bare name means the default namespace's service, or the only one of that name: a caller's
 * namespace is not known on the wire. Where it stays ambiguous, the service behind the address
 * answers. */
static void short_names_add(struct policy_load *l, struct port_table *t)
{
	struct policy_map owners;
	static const char several;

	policy_map_init(&owners, &l->arena);
	for (uint32_t i = 0; i < t->vhosts.n; i++) {
		const struct policy_service *s = vhost_at(t, i)->service;

		if (policy_str_is(s->namespace_, l->policy->settings.default_namespace) &&
		    !s->entry)
			policy_names_add(l, &t->names, policy_str_lower(&l->arena, s->name),
					 vhost_at(t, i)->vhost);
	}
	for (uint32_t i = 0; i < t->vhosts.n; i++) {
		const struct policy_service *s = vhost_at(t, i)->service;
		struct policy_map_entry *e;

		if (s->entry || policy_map_add(&owners, s->name, (void *)s) == NULL)
			continue;
		e = policy_map_entry(&owners, s->name);
		e->value = (void *)&several;
	}
	for (uint32_t i = 0; i < t->vhosts.n; i++) {
		const struct policy_service *s = vhost_at(t, i)->service;

		if (!s->entry && policy_map_get(&owners, s->name) == s)
			policy_names_add(l, &t->names, policy_str_lower(&l->arena, s->name),
					 vhost_at(t, i)->vhost);
	}
}

static void addresses_add(struct policy_load *l, struct port_table *t)
{
	for (uint32_t i = 0; i < t->vhosts.n; i++)
		vip_names_add(l, &t->names, vhost_at(t, i)->service, vhost_at(t, i)->vhost);
}

/* ".b.c" and ".c" of every service a.b.c, when a wildcard asks for the first time. */
static void suffixes_index(struct policy_load *l)
{
	policy_map_init(&l->service_suffixes, &l->arena);
	for (uint32_t i = 0; i < l->services.n; i++) {
		struct hd_str host =
			(*(struct policy_service **)policy_vec_at(&l->services, i))->host;

		for (uint32_t k = 0; k < host.n; k++)
			if (host.p[k] == '.')
				policy_map_add(&l->service_suffixes,
					       (struct hd_str){ host.p + k, host.n - k },
					       (void *)host.p);
	}
}

static int names_a_service(struct policy_load *l, struct hd_str host)
{
	if (!policy_str_starts(host, "*."))
		return policy_map_get(&l->services_by_host, host) != NULL;
	if (l->service_suffixes.arena == NULL)
		suffixes_index(l);
	return policy_map_get(&l->service_suffixes, (struct hd_str){ host.p + 1, host.n - 1 }) !=
	       NULL;
}

/* Hosts that only a VirtualService knows are served on port 80, as on a sidecar. */
static void foreign_hosts_add(struct policy_load *l, struct port_table *t)
{
	const struct policy_route_context context = { .port = t->port };

	for (uint32_t i = 0; i < l->virtual_services.n; i++) {
		const struct policy_object *vs =
			*(struct policy_object **)policy_vec_at(&l->virtual_services, i);
		const struct policy_yaml *hosts = policy_get(vs->body, "hosts");
		struct policy_route_range range;

		for (const struct policy_yaml *y = hosts != NULL ? hosts->first : NULL; y != NULL;
		     y = y->next) {
			struct hd_str host = policy_host_full(l, y->text, vs->namespace_);

			if (policy_map_get(&l->mesh_hosts, host) != vs || names_a_service(l, host))
				continue;
			range = policy_build_routes(l, vs, &context);
			if (range.count > 0)
				policy_names_add(l, &t->names, host,
						 policy_vhost_add(l, host, range));
		}
	}
}

/* A Sidecar's block stands in for the mesh's; without a mode it is REGISTRY_ONLY. */
static int registry_only(const struct policy_load *l)
{
	const struct policy_yaml *own =
		l->sidecar != NULL ? policy_get(l->sidecar->body, "outboundTrafficPolicy") : NULL;
	const struct policy_yaml *mode =
		policy_get(policy_get(l->mesh, "outboundTrafficPolicy"), "mode");

	if (own != NULL)
		return policy_get_int(own, "mode", 0) == 0;
	return mode != NULL && mode->i == 0;
}

void policy_listener_fill(struct policy_load *l, struct hd_listener *row,
			  const struct policy_service *s, const struct policy_service_port *p)
{
	*row = (struct hd_listener){
		.protocol = p->protocol,
		.router = HD_NONE,
		.cluster = HD_NONE,
		.service = policy_out(l, s->host),
		.port_name = policy_out(l, p->name),
		.source = policy_source(l, s->object, p->place),
	};
	policy_build_inbound(l, s, p, row);
}

static void listeners_add(struct policy_load *l, const struct policy_service *s,
			  const struct hd_listener *row, uint16_t port)
{
	for (uint32_t i = 0; i < s->n_vips; i++) {
		struct hd_listener each = *row;

		each.addr = (struct hd_addr){ s->vips[i], port };
		policy_listener_add(l, &each, s->object);
	}
}

/* A name that the port's table does not know goes to the service behind the address, unless only
 * known ones may. */
static void table_listeners(struct policy_load *l, const struct port_table *t)
{
	for (uint32_t i = 0; i < t->vhosts.n; i++) {
		const struct service_vhost *v = vhost_at(t, i);
		struct hd_router router = t->router;
		struct hd_listener row;

		if (v->service->n_vips == 0)
			continue;
		router.any_vhost = registry_only(l) ? HD_NONE : v->vhost;
		router.unknown_host_status = 502;
		policy_listener_fill(l, &row, v->service, v->port);
		row.router = policy_router_add(l, &router);
		listeners_add(l, v->service, &row, t->port);
	}
}

static void service_row(struct policy_load *l, const struct policy_service *s)
{
	static const char *const protocols[] = { "http", "http2", "tcp" };
	struct hd_str addresses = { "", 0 }, ports = { "", 0 };
	char text[HD_ADDR_STRLEN];
	uint32_t most = 0;

	for (uint32_t i = 0; i < s->n_vips; i++)
		addresses = policy_str_printf(&l->arena, "%.*s%s%s", POLICY_STR(addresses),
					      i > 0 ? " " : "", hd_ip_format(&s->vips[i], text));
	for (uint32_t i = 0; i < s->n_ports; i++) {
		const struct policy_service_port *p = &s->ports[i];

		ports = policy_str_printf(&l->arena, "%.*s%s%s %u", POLICY_STR(ports),
					  i > 0 ? ", " : "", protocols[p->protocol], p->port);
		if (p->cluster != HD_NONE) {
			const struct hd_cluster *c = policy_vec_at(&l->clusters, p->cluster);

			most = c->endpoints_count + c->endpoints_unready > most
				       ? c->endpoints_count + c->endpoints_unready
				       : most;
		}
	}
	*(struct hd_service *)policy_vec_push(&l->arena, &l->services_out) = (struct hd_service){
		.name = policy_out(l, s->name),
		.namespace_ = policy_out(l, s->namespace_),
		.host = policy_out(l, s->host),
		.addresses = policy_out(l, addresses),
		.ports = policy_out(l, ports),
		.endpoints = most,
		.source = policy_source(l, s->object, NULL),
	};
}

static void arrays_init(struct policy_load *l)
{
	policy_map_init(&l->interned, &l->arena);
	policy_map_init(&l->listeners_by_address, &l->arena);
	policy_map_init(&l->vips_by_address, &l->arena);
	policy_map_init(&l->ranges, &l->arena);
	policy_map_init(&l->tables, &l->arena);
	policy_vec_init(&l->listeners, sizeof(struct hd_listener));
	policy_vec_init(&l->vips, sizeof(struct hd_vip));
	policy_vec_init(&l->elsewhere, sizeof(struct hd_vip));
	policy_vec_init(&l->routers, sizeof(struct hd_router));
	policy_vec_init(&l->domain_table, sizeof(uint32_t));
	policy_vec_init(&l->domains, sizeof(struct hd_domain));
	policy_vec_init(&l->vhosts, sizeof(struct hd_vhost));
	policy_vec_init(&l->routes, sizeof(struct hd_route));
	policy_vec_init(&l->header_matches, sizeof(struct hd_header_match));
	policy_vec_init(&l->destinations_out, sizeof(struct hd_destination));
	policy_vec_init(&l->destination_keys, sizeof(struct hd_str));
	policy_vec_init(&l->choices, sizeof(struct hd_choice));
	policy_vec_init(&l->retry_statuses, sizeof(uint16_t));
	policy_vec_init(&l->answers, sizeof(struct hd_answer));
	policy_vec_init(&l->rewrites, sizeof(struct hd_rewrite));
	policy_vec_init(&l->edits, sizeof(struct hd_edits));
	policy_vec_init(&l->edit_list, sizeof(struct hd_edit));
	policy_vec_init(&l->pieces, sizeof(struct hd_piece));
	policy_vec_init(&l->extras, sizeof(struct hd_extras));
	policy_vec_init(&l->cors, sizeof(struct hd_cors));
	policy_vec_init(&l->origin_matches, sizeof(struct hd_string_match));
	policy_vec_init(&l->mirrors, sizeof(struct hd_mirror));
	policy_vec_init(&l->hashes, sizeof(struct hd_hash));
	policy_vec_init(&l->places, sizeof(struct hd_place));
	policy_vec_init(&l->programs, sizeof(struct hd_program));
	policy_vec_init(&l->steps, sizeof(struct hd_step));
	policy_vec_init(&l->outliers, sizeof(struct hd_outlier));
	policy_vec_init(&l->probes, sizeof(struct hd_probe_rule));
	policy_vec_init(&l->clusters, sizeof(struct hd_cluster));
	policy_vec_init(&l->endpoints, sizeof(struct hd_endpoint));
	policy_vec_init(&l->services_out, sizeof(struct hd_service));
	policy_regex_set_init(&l->regexes, &l->arena);
	policy_vec_init(&l->regex_places, sizeof(struct policy_regex_place));
}

void policy_build(struct policy_load *l)
{
	struct policy_vec tables;

	arrays_init(l);
	policy_tls_begin(l);
	policy_vec_init(&tables, sizeof(struct port_table *));
	policy_authz_read(l);
	policy_build_clusters(l);
	for (uint32_t i = 0; i < l->services.n; i++)
		service_vhosts(l, &tables,
			       *(struct policy_service **)policy_vec_at(&l->services, i));
	for (uint32_t i = 0; i < tables.n; i++) {
		struct port_table *t = *(struct port_table **)policy_vec_at(&tables, i);

		addresses_add(l, t);
		short_names_add(l, t);
		if (t->port == 80)
			foreign_hosts_add(l, t);
		t->router = policy_names_finish(l, &t->names);
		table_listeners(l, t);
	}
	policy_build_streams(l);
	policy_build_gateways(l);
	for (uint32_t i = 0; i < l->services.n; i++)
		service_row(l, *(struct policy_service **)policy_vec_at(&l->services, i));
}
