/* SPDX-License-Identifier: Apache-2.0 */
/* One worker: its own devices' queues, net, tcp and proxy, and the turn that runs them. Nothing is shared with another
 * worker; time and devices are arguments, so that a NIC, a test and the simulator drive the same code. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <heddle/dp.h>

#include "proxy.h"
#include "worker_stack.h"

#define WORKER_BURST 32		/* packets of one port a turn */
#define WORKER_FLOOD_BURSTS 8	/* so many of them while most are SYNs of a flood, to find what waits behind */
#define WORKER_FLOOD_SYNS 8	/* of a flood that pass in a turn when something did */
#define WORKER_MESSAGES 16	/* of ctrl a turn */
#define WORKER_DUMP_PLACES 256	/* of connections, looked at for a dump in a turn */

struct worker_config {
	const struct hd_node *node;
	const struct net_device *devices;	/* one for each node port */
	struct rte_mempool *bufs, *indirect;	/* made with PKT_PRIV_SIZE; bufs also feeds the devices */
	struct core_supply supply;		/* pools beside bufs from which frames for this worker come */
	const struct hd_snapshot *_Atomic *snapshot; /* writer: ctrl; loaded once a turn; NULL until the first */
	struct proxy_slots *slots;
	struct proxy_quotas *quotas;		/* shared by all workers; NULL: this one is alone */
	const struct proxy_group_weights *group_weights; /* by cluster slot; writer: ctrl */
	const uint8_t *health, *watched;	/* by endpoint slot; writer: ctrl */
	struct hd_ring *outcomes;		/* of struct hd_outcome; NULL: none */
	struct hd_ring *mailbox;		/* of struct hd_ctrl_msg; NULL: none */
	const struct hd_jwt_lane *jwt;		/* NULL: no token can be verified */
	struct hd_ring *access;			/* of struct hd_access_record; NULL: none */
	const struct tcp_config *tcp;		/* NULL: defaults; max_connections and secret come from here below */
	struct tls_threads *tls_threads;	/* outlives the worker; NULL: no TLS */
	uint32_t max_connections;
	uint32_t index;				/* in hd_snapshot.workers */
	/* The worker that packets of a tuple reach when they arrive at a port. NULL: this one is alone. */
	uint32_t (*flow_owner)(void *ctx, uint32_t port, const struct flow_key *key);
	void *flow_ctx;
	uint64_t flow_secret[2];		/* keys net's flow hash; the same for all workers */
	uint64_t secret[2];			/* this worker's own */
	int64_t wall_offset;			/* UTC ns minus hd_ns */
	int socket;
};

struct worker {
	struct worker_stack stack;
	struct tls *tls;			/* NULL: none */
	struct proxy *proxy;
	const struct hd_snapshot *snapshot;	/* of this turn */
	const struct hd_snapshot *_Atomic *published;
	struct hd_ring *mailbox;
	int is_shedding;			/* SYNs: as the last turn saw a flood in front of segments */
	uint64_t last_tsc;
	uint32_t n_ports;
	uint32_t index;
	uint32_t (*flow_owner)(void *ctx, uint32_t port, const struct flow_key *key);
	void *flow_ctx;
	int stopped;
	struct hd_dump *dump;			/* in progress */
	uint32_t dump_cursor;
	uint32_t leave_cursor;			/* of the sweep for addresses that leave (worker_leave.h) */
	hd_ns leave_due;			/* its next piece; HD_NS_NEVER: none leaves */
	struct hd_worker_stats stats;
};

/* NULL when memory is out. */
[[nodiscard]] struct worker *worker_create(const struct worker_config *c, hd_ns now);
void worker_destroy(struct worker *w);

/* One turn. True: it received, sent or fired something. Now never runs backwards. */
int worker_turn(struct worker *w, hd_ns now);
/* When a turn has work again if nothing arrives. */
hd_ns worker_next_deadline(const struct worker *w);
/* The last turn: resets what is still open, so that nobody waits for us. Only worker_destroy may follow. */
void worker_stop(struct worker *w, hd_ns now);

#endif
