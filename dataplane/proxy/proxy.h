/* SPDX-License-Identifier: Apache-2.0 */
/* The proxy of one worker: legs (connections of ours), exchanges (one request and its answer),
 * routing, balancing, upstream pools and relay. The only room that sees net, tcp and http together.
 * Time is an argument. */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include <heddle/msg.h>
#include <heddle/ring.h>
#include <heddle/snapshot.h>
#include <heddle/stats.h>

#include "net.h"
#include "tcp.h"
#include "tls.h"

struct proxy;

/* Stable per-slot state that outlives snapshots; chunks are provided by hd_dp_reserve before a
 * snapshot that needs them. */
#define PROXY_CHUNK_SLOTS 1024
#define PROXY_MAX_CHUNKS 1024
struct proxy_quotas;
struct proxy_cluster_state;  /* proxy_pool.h: starts with struct hd_cluster_stats */
struct proxy_endpoint_state; /* proxy_pool.h: starts with struct hd_endpoint_stats */

struct proxy_slots {
	struct proxy_cluster_state
		*clusters[PROXY_MAX_CHUNKS]; /* each PROXY_CHUNK_SLOTS long, zeroed */
	struct proxy_endpoint_state *endpoints[PROXY_MAX_CHUNKS];
};
size_t proxy_cluster_state_bytes(void);
size_t proxy_endpoint_state_bytes(void);

/* How the requests of a cluster are drawn among its groups of endpoints: one half-word each, which
 * ctrl writes. */
struct proxy_group_weights {
	uint16_t of[HD_GROUPS];
};

struct proxy_config {
	struct tcp *tcp;
	struct net *net;
	struct tls *tls; /* NULL: connections with TLS are refused */
	struct hd_worker_stats *stats;
	struct proxy_slots *slots;
	const uint8_t
		*health; /* hd_endpoint_health by endpoint slot; written by ctrl, one byte each */
	const struct proxy_group_weights *group_weights; /* by cluster slot */
	const uint8_t
		*watched; /* by endpoint slot, whether each outcome is told; written by ctrl */
	struct hd_ring *outcomes; /* of struct hd_outcome; NULL: outliers are not detected */
	const struct hd_jwt_lane *jwt; /* NULL: no token can be verified */
	struct hd_ring *access;	  /* of struct hd_access_record; NULL: no access log */
	struct rte_mempool *bufs, *indirect;
	const struct core_supply *supply; /* pools beside bufs that received data lie in; NULL:
					     none. Read by proxy_create alone */
	uint32_t max_connections;
	uint32_t worker;	     /* index in hd_snapshot.workers */
	struct proxy_quotas *quotas; /* proxy_quota.h; NULL when this worker is alone */
	int64_t wall_offset;	     /* UTC ns minus hd_ns; refreshed through proxy_set_wall */
	uint64_t seed[2];	     /* request ids, random balancing */
	int socket;
};

[[nodiscard]] struct proxy *proxy_create(const struct proxy_config *c, hd_ns now);
void proxy_destroy(struct proxy *p);
/* Its pools; how many rows. Any thread. */
uint32_t proxy_pools(const struct proxy *p, struct hd_pool_info *rows);

/* Once a turn, before anything else. The old snapshot is not read after this returns. */
void proxy_set_snapshot(struct proxy *p, const struct hd_snapshot *s);
/* What is known of a connection's TLS. */
void proxy_describe(const struct tcp_conn *c, struct hd_dump_connection *row);
/* The oldest generation that is still read, by us or by who verifies our tokens. */
uint64_t proxy_oldest_generation(const struct proxy *p);
void proxy_set_wall(struct proxy *p, int64_t wall_offset);
/* tcp_ops.listener. */
int64_t proxy_listener(struct proxy *p, const struct pkt_facts *f);
/* Drains tcp's ready list and what waits for this turn. True: something was done. */
int proxy_run(struct proxy *p, hd_ns now);
int proxy_timers_run(struct proxy *p, hd_ns now);
hd_ns proxy_next_deadline(const struct proxy *p);
/* Of its pools: what is in use, without packet buffers. */
uint64_t proxy_bytes_used(const struct proxy *p);
/* Requests and streams in flight. */
uint32_t proxy_n_exchanges(const struct proxy *p);
/* Asks what ctrl wants to know of an endpoint. */
void proxy_probe(struct proxy *p, struct hd_probe *probe, hd_ns now);
/* No new connections; keep-alive ends after the current exchange ("connection: close"); idle ones
 * close now. */
void proxy_drain(struct proxy *p, hd_ns now);

#endif
