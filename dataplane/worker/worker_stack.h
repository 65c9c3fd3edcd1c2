/* SPDX-License-Identifier: Apache-2.0 */
/* net and tcp as one stack: each asks the other by callbacks, since neither room sees the other. */
#ifndef WORKER_STACK_H
#define WORKER_STACK_H

#include "net.h"
#include "tcp.h"

struct worker_stack_config {
	const struct hd_node *node;
	const struct net_device *devices; /* one for each node port */
	struct rte_mempool *bufs, *indirect;
	struct hd_worker_stats *stats;
	uint64_t flow_secret[2];
	const struct tcp_config *tcp;
	/* As those of struct tcp_ops; steers_here may be NULL. */
	int64_t (*listener)(void *ctx, const struct pkt_facts *f);
	int (*steers_here)(void *ctx, const struct flow_key *key);
	void *ctx;
	int socket;
};

struct worker_stack {
	struct net *net;
	struct tcp *tcp;
	hd_ns now; /* of this turn: set by the owner */
	struct tcp_ops ops;
	int64_t (*listener)(void *ctx, const struct pkt_facts *f);
	int (*steers_here)(void *ctx, const struct flow_key *key);
	void *ctx;
};

/* 0, or -ENOMEM; the stack stays where it is until worker_stack_fini. */
[[nodiscard]] int worker_stack_init(struct worker_stack *s, const struct worker_stack_config *c, hd_ns now);
void worker_stack_fini(struct worker_stack *s);
/* When a timer of either is due. */
hd_ns worker_stack_next_deadline(const struct worker_stack *s);

#endif
