/* SPDX-License-Identifier: Apache-2.0 */
/* A proxy over the fake tcp with a small policy that each test shapes: one listener at 10.1.0.1:80,
 * one virtual host for any name. */
#ifndef TESTS_PROXY_BED_H
#define TESTS_PROXY_BED_H

#include <heddle/node.h>

#include "fake_tcp.h"
#include "fake_tls.h"
#include "proxy.h"
#include "proxy_quota.h"

#define BED_WORKERS 3
#define BED_CLUSTERS 4
#define BED_ENDPOINTS 8
#define BED_ROUTES 8
#define BED_DESTINATIONS 16
#define BED_POLICIES 8

struct bed {
	struct tcp *tcp;
	struct tls *tls;
	struct fake_tls_options tls_options;
	struct proxy *proxy;
	struct proxy_slots slots;
	struct hd_worker_stats stats;
	struct hd_ring *access;
	struct hd_ring *outcomes;
	struct proxy_group_weights group_weights[BED_CLUSTERS];
	uint8_t health[PROXY_CHUNK_SLOTS], watched[PROXY_CHUNK_SLOTS];
	hd_ns now;

	struct hd_snapshot snapshots[2]; /* by turns */
	uint64_t generation;
	struct proxy_quotas *quotas;
	struct hd_snapshot_worker own[BED_WORKERS];
	struct hd_listener listener;
	struct hd_tls_server servers[4];
	uint32_t listener_table[2], domain_table[1];
	struct hd_router router;
	struct hd_vhost vhost;
	struct hd_route routes[BED_ROUTES];
	struct hd_destination destinations[BED_DESTINATIONS];
	struct hd_cluster clusters[BED_CLUSTERS];
	struct hd_endpoint endpoints[BED_ENDPOINTS];
	struct hd_outlier outliers[1];
	uint16_t retry_statuses[4];
	struct hd_answer answers[2];
	struct hd_rewrite rewrites[1];
	const struct hd_program *programs;
	const struct hd_step *steps;
	struct hd_edits edits[4];
	struct hd_edit edit_list[16];
	struct hd_piece pieces[16];
	struct hd_extras extras[1];
	struct hd_cors cors[1];
	struct hd_string_match origins[2];
	struct hd_mirror mirrors[2];
	const struct hd_hash *hashes;
	struct hd_die dice[4];
	int32_t wrr[64];
	uint64_t destination_requests[BED_DESTINATIONS];
	struct hd_authz authz;
	struct hd_jwt jwt;
	struct hd_jwt_lane lane; /* whose other end is the test */
	struct hd_authz_count authz_counts[BED_POLICIES];
};

#define BED_TEXT(s) ((struct hd_str){ s, sizeof(s) - 1 })

/* Once for the program; then a bed for each test, with one route to cluster 0, which has n
 * endpoints (10.2.0.2 on). */
int bed_eal(const char *prefix);
struct rte_mempool *bed_bufs(void);
struct bed *bed_create(uint32_t n_endpoints);
/* One of several workers that share limits. */
struct bed *bed_create_worker(uint32_t n_endpoints, struct proxy_quotas *quotas, uint32_t worker);
/* The last one fails the test when a buffer is lost. */
void bed_destroy(struct bed *b);
/* Publishes the policy as it is now, as a new generation. */
void bed_publish(struct bed *b);
/* Turns until nothing more happens. */
void bed_run(struct bed *b);
/* Time passes, in steps, with turns between. */
void bed_pass(struct bed *b, hd_ns time);
struct tcp_conn *bed_caller(struct bed *b);
/* The n-th backend connection, made to be connected. */
struct tcp_conn *bed_backend(struct bed *b, uint32_t i);
uint64_t bed_count(const struct bed *b, enum hd_counter c);
/* The record of the last exchange; NULL when none was written since the last call. */
const struct hd_access_record *bed_record(struct bed *b);

#endif
