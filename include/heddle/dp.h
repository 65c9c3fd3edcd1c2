/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that ctrl may make on the dataplane. All are for the control thread; none of them blocks on a worker.
 * DPDK stays behind this header. Implemented in dataplane/worker/worker_launch.c. */
#ifndef HEDDLE_DP_H
#define HEDDLE_DP_H

#include <heddle/jwt.h>
#include <heddle/msg.h>
#include <heddle/node.h>
#include <heddle/ring.h>
#include <heddle/snapshot.h>
#include <heddle/stats.h>
#include <heddle/tls.h>

struct hd_dp;

struct hd_dp_port_info {
	char name[32], device[256], driver[32];
	uint8_t mac[6];
	uint16_t mtu;
	uint16_t vlan;		/* 802.1Q; 0: untagged */
	uint8_t link_up, side;
	uint8_t gone;		/* the device was there at start and is not any more */
	uint32_t speed_mbps;
	char offloads[128];	/* "rx-checksum tx-checksum multi-seg", what is used */
};

/* Initialises EAL and opens the ports; starts no worker. 0, or a negative errno with one clear line in error
 * (-ENODEV: a device is not there). */
[[nodiscard]] int hd_dp_open(const struct hd_node *node, struct hd_dp **out, char *error, size_t error_bytes);
/* Starts the workers on the first snapshot. */
[[nodiscard]] int hd_dp_start(struct hd_dp *dp, const struct hd_snapshot *first, char *error, size_t error_bytes);
/* Stops and joins the workers: what they left in their rings is all there will be. */
void hd_dp_stop(struct hd_dp *dp);
/* Stops the workers if they run, closes ports, frees everything. */
void hd_dp_close(struct hd_dp *dp);

/* Before a snapshot that uses these slot counts is published. -ENOMEM changes nothing. */
[[nodiscard]] int hd_dp_reserve(struct hd_dp *dp, uint32_t cluster_slots, uint32_t endpoint_slots);
/* Workers use it from their next turn. */
void hd_dp_publish(struct hd_dp *dp, const struct hd_snapshot *snapshot);
/* The oldest generation that a worker may still be reading: older snapshots may be freed. */
uint64_t hd_dp_oldest_generation(const struct hd_dp *dp);

/* Health of an endpoint, by slot: hd_endpoint_health. Workers see it without a lock in their next pick. */
void hd_dp_set_health(struct hd_dp *dp, uint32_t endpoint_slot, uint8_t health);
/* How a cluster's requests are drawn among its groups. */
void hd_dp_set_group_weights(struct hd_dp *dp, uint32_t cluster_slot, const uint16_t weights[HD_GROUPS]);
/* Whether workers tell each outcome of an endpoint, or only failures and the first success after one. */
void hd_dp_set_watched(struct hd_dp *dp, uint32_t endpoint_slot, int is_watched);

uint32_t hd_dp_n_workers(const struct hd_dp *dp);
uint32_t hd_dp_worker_lcore(const struct hd_dp *dp, uint32_t worker);
const struct hd_worker_stats *hd_dp_stats(const struct hd_dp *dp, uint32_t worker);
/* NULL when the slot was never reserved. */
const struct hd_endpoint_stats *hd_dp_endpoint_stats(const struct hd_dp *dp, uint32_t worker, uint32_t slot);
const struct hd_cluster_stats *hd_dp_cluster_stats(const struct hd_dp *dp, uint32_t worker, uint32_t slot);
/* At most HD_MAX_POOLS rows; how many there are. */
uint32_t hd_dp_pools(const struct hd_dp *dp, uint32_t worker, struct hd_pool_info rows[HD_MAX_POOLS]);
uint64_t hd_dp_tsc_hz(const struct hd_dp *dp);
/* The workers' clock, which is not CLOCK_MONOTONIC: it starts from that and runs by the TSC. */
hd_ns hd_dp_now(const struct hd_dp *dp);

uint32_t hd_dp_n_ports(const struct hd_dp *dp);
void hd_dp_port_info(const struct hd_dp *dp, uint32_t port, struct hd_dp_port_info *out);

/* The ring of struct hd_access_record of a worker; ctrl is its consumer. */
struct hd_ring *hd_dp_access_ring(struct hd_dp *dp, uint32_t worker);
/* An eventfd that workers make readable when something waits for ctrl (access records, dump done), at most once a
 * millisecond. ctrl also looks on its own timer. */
int hd_dp_event_fd(const struct hd_dp *dp);

/* The ring of struct hd_outcome of a worker; ctrl is its consumer. */
struct hd_ring *hd_dp_outcome_ring(struct hd_dp *dp, uint32_t worker);
/* An eventfd that workers make readable when an outcome waits, unless ctrl attends: then it looks by itself, and looks
 * once more after it has stopped attending. */
int hd_dp_outcome_fd(const struct hd_dp *dp);
void hd_dp_outcome_attend(struct hd_dp *dp, int attends);

/* Tokens of a worker on their way to be verified. Another thread than ctrl's may be at their other end: one for all. */
const struct hd_jwt_lane *hd_dp_jwt_lane(const struct hd_dp *dp, uint32_t worker);
/* An eventfd that workers make readable when they have pushed a token. */
int hd_dp_jwt_fd(const struct hd_dp *dp);
/* Tokens were pushed back: the worker looks, also when it sleeps. */
void hd_dp_jwt_kick(struct hd_dp *dp, uint32_t worker);

/* -EAGAIN when the mailbox is full: try again. */
[[nodiscard]] int hd_dp_send(struct hd_dp *dp, uint32_t worker, const struct hd_ctrl_msg *msg);

/* What a worker would do with a request at a listener, by its own parser and lookups; asks no worker. head: an HTTP/1.1
 * request head with its empty line. */
enum hd_explained { HD_EXPLAINED_FREE, HD_EXPLAINED_ALLOWED, HD_EXPLAINED_DENIED, HD_EXPLAINED_MIXED };

/* Who asks: for policy about callers. */
struct hd_explain_caller {
	struct hd_str principal; /* "cluster.local/ns/default/sa/web"; empty: plaintext */
	struct hd_ip source;
};

struct hd_explanation {
	uint16_t status;	/* we would answer with it ourselves, for the reason in details; 0: the request goes on */
	char details[64];
	uint32_t vhost, route;	/* HD_NONE: none */
	uint32_t path_n;
	char path[2048];	/* as policy sees it: normalised, without the query; cut to fit */
	uint8_t authorization;	/* hd_explained: FREE: no policy applies; MIXED: some workloads of the service deny it */
	uint32_t authz_policy;	/* 1 + the policy that decides (of the first workload that denies, when one does); 0: none */
	uint32_t authz_rule;	/* 1 + its rule; 0: no rule of any ALLOW policy matches */
};
void hd_dp_explain(const struct hd_snapshot *s, const struct hd_listener *l, const struct hd_explain_caller *who,
		   const char *head, uint32_t n, struct hd_explanation *out);

/* Certificates, trust bundles and contexts, by slot (heddle/tls.h). What is handed over is copied. Setting checks everything and
 * changes nothing unless it returns 0: -EINVAL (error says what is wrong: no PEM, a key of another certificate, expired, …),
 * -ENOMEM. A context's credentials and bundle must be set before it. Clearing is for slots that no context, or no snapshot that a
 * worker may read, names any more. */
[[nodiscard]] int hd_dp_tls_credential_set(struct hd_dp *dp, uint32_t slot, const struct hd_tls_credential *c, char *error,
					   size_t error_bytes);
[[nodiscard]] int hd_dp_tls_bundle_set(struct hd_dp *dp, uint32_t slot, const struct hd_tls_bundle *b, char *error,
				       size_t error_bytes);
[[nodiscard]] int hd_dp_tls_context_set(struct hd_dp *dp, uint32_t slot, const struct hd_tls_context *c, char *error,
					size_t error_bytes);
void hd_dp_tls_credential_clear(struct hd_dp *dp, uint32_t slot);
void hd_dp_tls_bundle_clear(struct hd_dp *dp, uint32_t slot);
void hd_dp_tls_context_clear(struct hd_dp *dp, uint32_t slot);
/* The same checks as setting, without a dataplane: for `--check`. info may be NULL. */
[[nodiscard]] int hd_dp_tls_credential_check(const struct hd_tls_credential *c, struct hd_tls_certificate_info *info, char *error,
					     size_t error_bytes);
[[nodiscard]] int hd_dp_tls_bundle_check(const struct hd_tls_bundle *b, char *error, size_t error_bytes);
/* Each root of a bundle in turn: 0, or -ENOENT past the last. */
[[nodiscard]] int hd_dp_tls_bundle_info(const struct hd_tls_bundle *b, uint32_t index, struct hd_tls_certificate_info *info);

/* Drain as SIGTERM does; connections left is the sum of hd_worker_stats.connections. */
[[nodiscard]] int hd_dp_drain(struct hd_dp *dp);

#endif
