/* SPDX-License-Identifier: Apache-2.0 */
/* A fake of heddle/dp.h for tests of the control side: no device, no thread; a test turns its
 * workers by hand. */
#ifndef FAKE_DP_H
#define FAKE_DP_H

#include <heddle/dp.h>

#define FAKE_DP_SLOTS 256
#define FAKE_DP_TLS_SLOTS 16

/* How often each slot of TLS was set since it was cleared. */
struct fake_dp_tls {
	uint32_t credentials[FAKE_DP_TLS_SLOTS], bundles[FAKE_DP_TLS_SLOTS],
		contexts[FAKE_DP_TLS_SLOTS];
};

struct fake_dp_worker {
	struct hd_worker_stats stats;
	struct hd_endpoint_stats endpoints[FAKE_DP_SLOTS];
	struct hd_cluster_stats clusters[FAKE_DP_SLOTS];
	struct hd_ring *mailbox, *access, *outcomes;
};

/* n_workers of them on lcores 1, 2, …, and one port "front". */
struct hd_dp *fake_dp_create(uint32_t n_workers);
void fake_dp_destroy(struct hd_dp *dp);
struct fake_dp_worker *fake_dp_worker(struct hd_dp *dp, uint32_t worker);
/* What is told of the port: to be changed by a test. */
struct hd_dp_port_info *fake_dp_port(struct hd_dp *dp);
/* The worker takes the published snapshot and its messages: dumps get `rows` rows. */
void fake_dp_turn(struct hd_dp *dp, uint32_t worker, uint32_t rows);
const struct hd_snapshot *fake_dp_published(const struct hd_dp *dp);
/* The next hd_dp_reserve fails. */
void fake_dp_fail_reserve(struct hd_dp *dp);
/* The health word that ctrl wrote. */
uint8_t fake_dp_health(const struct hd_dp *dp, uint32_t endpoint_slot);
uint16_t fake_dp_group_weight(const struct hd_dp *dp, uint32_t cluster_slot, uint32_t group);
int fake_dp_watched(const struct hd_dp *dp, uint32_t endpoint_slot);
/* What hd_dp_now says. */
void fake_dp_set_now(struct hd_dp *dp, hd_ns now);
const struct fake_dp_tls *fake_dp_tls(const struct hd_dp *dp);
int fake_dp_drains(const struct hd_dp *dp);

#endif
