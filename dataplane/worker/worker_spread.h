/* SPDX-License-Identifier: Apache-2.0 */
/* One device whose own hash spreads TCP over a queue for each worker. Each worker polls its queue and sends by its own; only what
 * the device cannot place (neighbour answers, ICMP errors, IPv6 extension headers, fragments) goes to the worker that it
 * belongs to over a ring, one hop. Whether the device hashes as it was foretold is checked on every SYN: once it did not, all
 * frames of the port are looked at. */
#ifndef WORKER_SPREAD_H
#define WORKER_SPREAD_H

#include "worker_steer.h"

struct worker_spread;

struct worker_spread_config {
	struct worker_flows flows;
	struct net_device real[HD_MAX_WORKERS];	/* of each worker's queue */
	struct hd_worker_stats *const *stats;	/* by worker; a pointer may be set after the creation */
	void (*kick)(void *ctx, uint32_t worker);
	void *ctx;
	int socket;
};

/* name: unique in the process. NULL when memory is out. */
[[nodiscard]] struct worker_spread *worker_spread_create(const char *name, const struct worker_spread_config *c);
/* Frees what still lies in the rings. After the workers have stopped. NULL is fine. */
void worker_spread_destroy(struct worker_spread *s);
void worker_spread_device(struct worker_spread *s, uint32_t worker, struct net_device *out);

#endif
