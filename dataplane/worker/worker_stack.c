/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_stack.h"

#include <errno.h>

static int64_t on_listener(void *ctx, const struct pkt_facts *f)
{
	struct worker_stack *s = ctx;

	return s->listener(s->ctx, f);
}

static int on_xmit(void *ctx, struct rte_mbuf *m, const struct flow_key *key,
		   struct flow_path *path, uint8_t tos, int32_t payload_sum)
{
	struct worker_stack *s = ctx;

	return net_xmit_tcp(s->net, m, key, path, tos, payload_sum);
}

static uint32_t on_busy_ports(void *ctx)
{
	const struct worker_stack *s = ctx;

	return net_busy_ports(s->net);
}

static int on_route(void *ctx, const struct flow_key *key, struct flow_path *path)
{
	struct worker_stack *s = ctx;

	return net_route(s->net, key, path);
}

static void on_confirm(void *ctx, const struct flow_path *path)
{
	struct worker_stack *s = ctx;

	net_confirm(s->net, path);
}

static uint32_t on_hash(void *ctx, const struct flow_key *key)
{
	const struct worker_stack *s = ctx;

	return net_flow_hash(s->net, key);
}

static int on_steers_here(void *ctx, const struct flow_key *key)
{
	const struct worker_stack *s = ctx;

	return s->steers_here(s->ctx, key);
}

static void on_icmp(void *ctx, const struct flow_key *key, uint32_t quoted_seq, enum net_icmp what,
		    uint32_t mtu)
{
	struct worker_stack *s = ctx;

	tcp_icmp(s->tcp, key, quoted_seq, (enum tcp_icmp)what, mtu, s->now);
}

static void on_unreachable(void *ctx, const struct flow_key *key)
{
	struct worker_stack *s = ctx;

	tcp_unreachable(s->tcp, key, s->now);
}

int worker_stack_init(struct worker_stack *s, const struct worker_stack_config *c, hd_ns now)
{
	struct net_config nc = { .node = c->node,
				 .secret = { c->flow_secret[0], c->flow_secret[1] } };
	struct net_events events = { .icmp = on_icmp, .unreachable = on_unreachable, .ctx = s };

	*s = (struct worker_stack){ .now = now,
				    .listener = c->listener,
				    .steers_here = c->steers_here,
				    .ctx = c->ctx,
				    .ops = { .listener = on_listener,
					     .xmit = on_xmit,
					     .busy_ports = on_busy_ports,
					     .route = on_route,
					     .confirm = on_confirm,
					     .hash = on_hash } };
	if (c->steers_here != NULL)
		s->ops.steers_here = on_steers_here;
	s->net = net_create(&nc, c->devices, c->bufs, c->stats, now, c->socket);
	if (s->net == NULL)
		return -ENOMEM;
	net_set_events(s->net, &events);
	s->tcp = tcp_create(c->tcp, &s->ops, s, c->stats, c->bufs, c->indirect, now, c->socket);
	if (s->tcp != NULL)
		return 0;
	net_destroy(s->net);
	s->net = NULL;
	return -ENOMEM;
}

void worker_stack_fini(struct worker_stack *s)
{
	tcp_destroy(s->tcp);
	net_destroy(s->net);
}

hd_ns worker_stack_next_deadline(const struct worker_stack *s)
{
	hd_ns net = net_next_deadline(s->net), tcp = tcp_next_deadline(s->tcp);

	return net < tcp ? net : tcp;
}
