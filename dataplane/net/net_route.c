/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: the subnets of the ports' addresses and the node file's, longest prefix first. Looked up
 * once a flow, not once a packet, and there are few: a walk. */
#include <errno.h>

#include "net_priv.h"

int net_if_on_link(const struct net_if *i, const struct hd_ip *ip)
{
	for (uint32_t a = 0; a < i->n_addrs; a++) {
		if (hd_prefix_has(&i->addrs[a].prefix, ip))
			return 1;
	}
	return 0;
}

/* The address of ours that the subnet of `towards` has, else the first of its family; NULL: the
 * port has none. */
const struct hd_ip *net_if_source(const struct net_if *i, const struct hd_ip *towards)
{
	const struct hd_ip *otherwise = NULL;

	for (uint32_t a = 0; a < i->n_addrs; a++) {
		const struct net_addr *at = &i->addrs[a];

		if (at->duplicate || hd_ip_is_v4(&at->prefix.ip) != hd_ip_is_v4(towards))
			continue;
		if (hd_prefix_has(&at->prefix, towards))
			return &at->prefix.ip;
		if (otherwise == NULL || net_ip_is_link_local(otherwise))
			otherwise = &at->prefix.ip;
	}
	return otherwise;
}

/* Behind all routes of at least its length, so that the first of equals wins. */
static void add(struct net *n, const struct net_route *route)
{
	uint32_t at = n->n_routes;

	while (at > 0 && n->routes[at - 1].to.len < route->to.len) {
		n->routes[at] = n->routes[at - 1];
		at--;
	}
	n->routes[at] = *route;
	n->n_routes++;
}

/* A gateway that is on no link of ours is no route at all; ctrl refuses such a node file. */
static void add_via(struct net *n, const struct hd_node_route *r)
{
	for (uint32_t p = 0; p < n->n_ifs; p++) {
		if (net_if_on_link(&n->ifs[p], &r->via)) {
			add(n,
			    &(struct net_route){ .to = r->to, .via = r->via, .port = (uint8_t)p });
			return;
		}
	}
}

void net_routes_build(struct net *n, const struct hd_node *node)
{
	for (uint32_t p = 0; p < n->n_ifs; p++) {
		for (uint32_t a = 0; a < n->ifs[p].n_addrs; a++)
			add(n, &(struct net_route){ .to = n->ifs[p].addrs[a].prefix,
						    .port = (uint8_t)p });
	}
	for (uint32_t r = 0; r < node->n_routes; r++)
		add_via(n, &node->routes[r]);
}

/* The longest match; with a port (>= 0), among the routes behind it if it has any. */
const struct net_route *net_route_find(const struct net *n, const struct hd_ip *remote, int port)
{
	const struct net_route *any = NULL;
	int v4 = hd_ip_is_v4(remote); /* ::/0 would match mapped addresses too */

	for (uint32_t r = 0; r < n->n_routes; r++) {
		const struct net_route *at = &n->routes[r];

		if (hd_ip_is_v4(&at->to.ip) != v4 || !hd_prefix_has(&at->to, remote))
			continue;
		if (port < 0 || at->port == port)
			return at;
		if (any == NULL)
			any = at;
	}
	return any;
}

int net_source_address(const struct net *n, const struct hd_ip *remote, struct hd_ip *local)
{
	const struct net_route *r = net_route_find(n, remote, -1);
	const struct hd_ip *ip;

	if (r == NULL)
		return -EHOSTUNREACH;
	ip = net_if_source(&n->ifs[r->port], hd_ip_is_zero(&r->via) ? remote : &r->via);
	if (ip == NULL)
		return -EHOSTUNREACH;
	*local = *ip;
	return 0;
}

int net_route(struct net *n, const struct flow_key *key, struct flow_path *path)
{
	const struct net_route *r =
		net_route_find(n, &key->remote, path->valid == FLOW_PATH_UNKNOWN ? -1 : path->port);
	struct net_neigh *g;

	if (r == NULL)
		return -EHOSTUNREACH;
	g = net_neigh_get(n, &n->ifs[r->port], hd_ip_is_zero(&r->via) ? &key->remote : &r->via);
	*path = (struct flow_path){ .neighbor = (uint32_t)(g - n->neigh.entries),
				    .generation = g->generation,
				    .mtu = n->ifs[r->port].dev.mtu,
				    .port = r->port,
				    .valid = FLOW_PATH_KNOWN };
	return 0;
}

void net_confirm(struct net *n, const struct flow_path *path)
{
	struct net_neigh *g = &n->neigh.entries[path->neighbor];

	if (path->valid == FLOW_PATH_KNOWN && g->generation == path->generation)
		net_neigh_confirm(n, g);
}
