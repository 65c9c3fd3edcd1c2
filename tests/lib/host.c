/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>

struct host {
	struct net *net;
	struct tcp *tcp;
	struct host_app app;
	hd_ns now;
	uint64_t connect_failures;
	struct hd_node node;
	struct hd_worker_stats stats;
};

static int64_t on_listener(void *ctx, const struct pkt_facts *f)
{
	struct host *h = ctx;

	return h->app.listener != NULL ? h->app.listener(h->app.ctx, f) : -1;
}

static void on_xmit(void *ctx, struct rte_mbuf *m, const struct flow_key *key,
		    struct flow_path *path, uint8_t tos, int32_t payload_sum)
{
	struct host *h = ctx;

	net_xmit_tcp(h->net, m, key, path, tos, payload_sum);
}

static int on_route(void *ctx, const struct flow_key *key, struct flow_path *path)
{
	struct host *h = ctx;

	return net_route(h->net, key, path);
}

static void on_confirm(void *ctx, const struct flow_path *path)
{
	struct host *h = ctx;

	net_confirm(h->net, path);
}

static uint32_t on_hash(void *ctx, const struct flow_key *key)
{
	const struct host *h = ctx;

	return net_flow_hash(h->net, key);
}

static const struct tcp_ops tcp_to_net = {
	.listener = on_listener,
	.xmit = on_xmit,
	.route = on_route,
	.confirm = on_confirm,
	.hash = on_hash,
};

static void on_icmp(void *ctx, const struct flow_key *key, uint32_t seq, enum net_icmp what,
		    uint32_t mtu)
{
	struct host *h = ctx;

	tcp_icmp(h->tcp, key, seq, (enum tcp_icmp)what, mtu, h->now);
}

static void on_unreachable(void *ctx, const struct flow_key *key)
{
	struct host *h = ctx;

	tcp_unreachable(h->tcp, key, h->now);
}

static void fill_node(struct hd_node *node, const struct host_config *c)
{
	struct hd_node_port *port = &node->ports[0];

	snprintf(port->name, sizeof(port->name), "%s", c->name);
	memcpy(port->addresses, c->addresses, sizeof(c->addresses));
	port->n_addresses = c->n_addresses;
	node->n_ports = 1;
	if (!hd_ip_is_zero(&c->gateway)) {
		node->routes[0].via = c->gateway;
		if (hd_ip_is_v4(&c->gateway))
			node->routes[0].to =
				(struct hd_prefix){ .ip = hd_ip_from_v4(0), .len = 96 };
		node->n_routes = 1;
	}
}

static int create_stack(struct host *h, const struct host_config *c, hd_ns now)
{
	struct net_config nc = { .node = &h->node, .secret = { c->secret[0], c->secret[1] } };
	struct net_events events = { .icmp = on_icmp, .unreachable = on_unreachable, .ctx = h };
	struct tcp_config tc;

	tcp_config_defaults(&tc);
	if (c->tcp != NULL)
		tc = *c->tcp;
	tc.max_connections = c->max_connections;
	tc.secret[0] = c->secret[1];
	tc.secret[1] = c->secret[0];
	h->net = net_create(&nc, &c->device, c->bufs, &h->stats, now, c->socket);
	if (h->net == NULL)
		return 0;
	net_set_events(h->net, &events);
	h->tcp = tcp_create(&tc, &tcp_to_net, h, &h->stats, c->bufs, c->indirect, now, c->socket);
	return h->tcp != NULL;
}

struct host *host_create(const struct host_config *c, const struct host_app *app, hd_ns now)
{
	struct host *h = aligned_alloc(_Alignof(struct host), sizeof(*h));

	if (h == NULL)
		return NULL;
	memset(h, 0, sizeof(*h));
	h->app = *app;
	h->now = now;
	fill_node(&h->node, c);
	if (create_stack(h, c, now))
		return h;
	host_destroy(h);
	return NULL;
}

void host_destroy(struct host *h)
{
	if (h == NULL)
		return;
	if (h->tcp != NULL)
		tcp_destroy(h->tcp);
	if (h->net != NULL)
		net_destroy(h->net);
	free(h);
}

int host_turn(struct host *h, hd_ns now)
{
	struct rte_mbuf *pkts[HOST_BURST];
	uint32_t events;
	struct tcp_conn *c;
	int received, did;
	uint16_t n;

	h->now = now;
	n = net_rx(h->net, 0, pkts, HOST_BURST, now, &received);
	tcp_input_burst(h->tcp, pkts, n, now);
	net_timers_run(h->net, now);
	tcp_timers_run(h->tcp, now);
	did = received;
	while ((c = tcp_ready_next(h->tcp, &events)) != NULL) {
		did = 1;
		h->app.event(h->app.ctx, c, events);
	}
	did |= tcp_flush(h->tcp, now);
	did |= net_tx_flush(h->net);
	return did;
}

hd_ns host_next_deadline(const struct host *h)
{
	hd_ns net = net_next_deadline(h->net), tcp = tcp_next_deadline(h->tcp);

	return net < tcp ? net : tcp;
}

struct tcp *host_tcp(struct host *h)
{
	return h->tcp;
}

struct net *host_net(struct host *h)
{
	return h->net;
}

const struct hd_worker_stats *host_stats(const struct host *h)
{
	return &h->stats;
}

hd_ns host_now(const struct host *h)
{
	return h->now;
}

struct tcp_conn *host_connect(struct host *h, const struct hd_addr *remote)
{
	struct tcp_conn *c = NULL;
	struct hd_ip local;

	if (net_source_address(h->net, &remote->ip, &local) == 0 &&
	    tcp_connect(h->tcp, &local, remote, h->now, &c) == TCP_OK)
		return c;
	h->connect_failures++;
	return NULL;
}

uint64_t host_connect_failures(const struct host *h)
{
	return h->connect_failures;
}
