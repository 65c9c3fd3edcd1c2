/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>

#include "worker_stack.h"

struct host {
	struct worker_stack stack;
	struct host_app app;
	uint64_t connect_failures;
	struct hd_node node;
	struct hd_worker_stats stats;
};

static int64_t on_listener(void *ctx, const struct pkt_facts *f)
{
	struct host *h = ctx;

	return h->app.listener != NULL ? h->app.listener(h->app.ctx, f) : -1;
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
	struct tcp_config tc;
	struct worker_stack_config sc = { .node = &h->node,
					  .devices = &c->device,
					  .bufs = c->bufs,
					  .indirect = c->indirect,
					  .stats = &h->stats,
					  .flow_secret = { c->secret[0], c->secret[1] },
					  .tcp = &tc,
					  .listener = on_listener,
					  .ctx = h,
					  .socket = c->socket };

	tcp_config_defaults(&tc);
	if (c->tcp != NULL)
		tc = *c->tcp;
	tc.max_connections = c->max_connections;
	tc.secret[0] = c->secret[1];
	tc.secret[1] = c->secret[0];
	return worker_stack_init(&h->stack, &sc, now) == 0;
}

struct host *host_create(const struct host_config *c, const struct host_app *app, hd_ns now)
{
	struct host *h = aligned_alloc(_Alignof(struct host), sizeof(*h));

	if (h == NULL)
		return NULL;
	memset(h, 0, sizeof(*h));
	h->app = *app;
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
	worker_stack_fini(&h->stack);
	free(h);
}

int host_turn(struct host *h, hd_ns now)
{
	struct rte_mbuf *pkts[HOST_BURST];
	uint32_t events;
	struct tcp_conn *c;
	int received, did;
	uint16_t n;

	h->stack.now = now;
	n = net_rx(h->stack.net, 0, pkts, HOST_BURST, now, &received);
	tcp_input_burst(h->stack.tcp, pkts, n, now);
	net_timers_run(h->stack.net, now);
	tcp_timers_run(h->stack.tcp, now);
	did = received;
	while ((c = tcp_ready_next(h->stack.tcp, &events)) != NULL) {
		did = 1;
		h->app.event(h->app.ctx, c, events);
	}
	did |= tcp_flush(h->stack.tcp, now);
	did |= net_tx_flush(h->stack.net);
	return did;
}

hd_ns host_next_deadline(const struct host *h)
{
	return worker_stack_next_deadline(&h->stack);
}

struct tcp *host_tcp(struct host *h)
{
	return h->stack.tcp;
}

struct net *host_net(struct host *h)
{
	return h->stack.net;
}

const struct hd_worker_stats *host_stats(const struct host *h)
{
	return &h->stats;
}

hd_ns host_now(const struct host *h)
{
	return h->stack.now;
}

struct tcp_conn *host_connect(struct host *h, const struct hd_addr *remote)
{
	struct tcp_conn *c = NULL;
	struct hd_ip local;

	if (net_source_address(h->stack.net, &remote->ip, &local) == 0 &&
	    tcp_connect(h->stack.tcp, &local, remote, h->stack.now, &c) == TCP_OK)
		return c;
	h->connect_failures++;
	return NULL;
}

uint64_t host_connect_failures(const struct host *h)
{
	return h->connect_failures;
}
