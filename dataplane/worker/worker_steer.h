/* SPDX-License-Identifier: Apache-2.0 */
/* One device shared by several workers: its owner polls it and hands each frame to the worker whose connection it belongs to,
 * one hop, in bursts, over single-producer rings; what the others send goes back the same way. net sees a device of its own.
 *
 * A connection belongs to the worker that the keyed hash of its received four-tuple names. An active open picks its local
 * port so that the replies name the right one. Neighbour answers go to all workers, as each keeps its own view. */
#ifndef WORKER_STEER_H
#define WORKER_STEER_H

#include "net.h"
#include "net_rss.h"

struct worker_steer;

/* Which worker a connection belongs to, by its received four-tuple: as the device hashes, or by a keyed hash of our own. */
struct worker_flows {
	uint64_t secret[2];
	const struct net_rss *rss; /* NULL: ours */
	uint32_t n_workers;
};
uint32_t worker_flows_owner(const struct worker_flows *f, const struct flow_key *key);

#define WORKER_STEER_ALL UINT32_MAX

struct worker_steer_config {
	struct net_device real;		/* the owner's device */
	struct worker_flows flows;
	uint32_t owner;
	struct hd_worker_stats *const *stats;	/* by worker; a pointer may be set after the creation */
	void (*kick)(void *ctx, uint32_t worker); /* this one has something to fetch: it may be asleep */
	void *ctx;
	int socket;
};

/* name: unique in the process. NULL when memory is out. */
[[nodiscard]] struct worker_steer *worker_steer_create(const char *name, const struct worker_steer_config *c);
/* Frees what still lies in the rings. After the workers have stopped. */
void worker_steer_destroy(struct worker_steer *s);
/* The device as this worker uses it. */
void worker_steer_device(struct worker_steer *s, uint32_t worker, struct net_device *out);

/* For the owner: frames of the others wait for room in the device, or for its next turn. It must not sleep. */
int worker_steer_has_unsent(const struct worker_steer *s);

/* The worker that a frame is for: WORKER_STEER_ALL for answers that all have to see, `owner` for what anyone may answer. */
uint32_t worker_steer_frame(const struct worker_flows *f, const struct rte_mbuf *m, uint32_t owner);

#endif
