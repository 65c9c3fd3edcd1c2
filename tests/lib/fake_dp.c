/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_dp.h"

#include <errno.h>
#include <stdio.h>

struct hd_dp {
	uint32_t n_workers;
	struct fake_dp_worker *workers;
	const struct hd_snapshot *published;
	int fail_reserve, drains;
	hd_ns now;
	uint16_t weights[FAKE_DP_SLOTS][HD_GROUPS];
	struct hd_dp_port_info port;
	uint8_t health[FAKE_DP_SLOTS], watched[FAKE_DP_SLOTS];
	struct fake_dp_tls tls;
};

struct hd_dp *fake_dp_create(uint32_t n_workers)
{
	struct hd_dp *dp = calloc(1, sizeof(*dp));

	dp->n_workers = n_workers;
	dp->port = (struct hd_dp_port_info){ .name = "front",
					     .device = "net_fake0",
					     .driver = "net_fake",
					     .mtu = 1500,
					     .link_up = 1,
					     .side = HD_SIDE_MESH };
	dp->workers = aligned_alloc(HD_CACHE_LINE, n_workers * sizeof(*dp->workers));
	memset(dp->workers, 0, n_workers * sizeof(*dp->workers));
	for (uint32_t i = 0; i < n_workers; i++) {
		dp->workers[i].mailbox = hd_ring_create(8, sizeof(struct hd_ctrl_msg));
		dp->workers[i].outcomes = hd_ring_create(64, sizeof(struct hd_outcome));
		dp->workers[i].access = hd_ring_create(64, sizeof(struct hd_access_record));
	}
	return dp;
}

void fake_dp_destroy(struct hd_dp *dp)
{
	for (uint32_t i = 0; i < dp->n_workers; i++) {
		free(dp->workers[i].mailbox);
		free(dp->workers[i].access);
		free(dp->workers[i].outcomes);
	}
	free(dp->workers);
	free(dp);
}

struct fake_dp_worker *fake_dp_worker(struct hd_dp *dp, uint32_t worker)
{
	return &dp->workers[worker];
}

struct hd_dp_port_info *fake_dp_port(struct hd_dp *dp)
{
	return &dp->port;
}

static void dump_fill(struct hd_dump *d, uint32_t rows)
{
	for (d->count = 0; d->count < rows && d->count < d->capacity; d->count++) {
		if (d->kind == HD_DUMP_CONNECTIONS)
			d->connections[d->count] = (struct hd_dump_connection){
				.id = d->count + 1, .state = "ESTABLISHED", .age = HD_NS_PER_S
			};
		else
			d->neighbors[d->count] = (struct hd_dump_neighbor){ .state = "reachable" };
	}
	atomic_store_explicit(&d->done, 1, memory_order_release);
}

void fake_dp_turn(struct hd_dp *dp, uint32_t worker, uint32_t rows)
{
	struct fake_dp_worker *w = &dp->workers[worker];
	struct hd_ctrl_msg *msg;

	while ((msg = hd_ring_peek(w->mailbox)) != NULL) {
		if (msg->type == HD_CTRL_DUMP)
			dump_fill(msg->dump, rows);
		hd_ring_pop(w->mailbox);
	}
	if (dp->published != NULL)
		w->stats.generation = dp->published->generation;
	w->stats.turns++;
}

const struct hd_snapshot *fake_dp_published(const struct hd_dp *dp)
{
	return dp->published;
}

void fake_dp_fail_reserve(struct hd_dp *dp)
{
	dp->fail_reserve = 1;
}

int fake_dp_drains(const struct hd_dp *dp)
{
	return dp->drains;
}

int hd_dp_reserve(struct hd_dp *dp, uint32_t cluster_slots, uint32_t endpoint_slots)
{
	int fail = dp->fail_reserve;

	dp->fail_reserve = 0;
	return fail || cluster_slots > FAKE_DP_SLOTS || endpoint_slots > FAKE_DP_SLOTS ? -ENOMEM
										       : 0;
}

void hd_dp_publish(struct hd_dp *dp, const struct hd_snapshot *snapshot)
{
	dp->published = snapshot;
}

void hd_dp_stop(struct hd_dp *dp)
{
}

uint64_t hd_dp_oldest_generation(const struct hd_dp *dp)
{
	uint64_t oldest = dp->published->generation;

	for (uint32_t i = 0; i < dp->n_workers; i++)
		if (dp->workers[i].stats.generation < oldest)
			oldest = dp->workers[i].stats.generation;
	return oldest;
}

void hd_dp_set_health(struct hd_dp *dp, uint32_t endpoint_slot, uint8_t health)
{
	dp->health[endpoint_slot] = health;
}

void hd_dp_set_group_weights(struct hd_dp *dp, uint32_t cluster_slot,
			     const uint16_t weights[HD_GROUPS])
{
	memcpy(dp->weights[cluster_slot], weights, sizeof(dp->weights[0]));
}

uint16_t fake_dp_group_weight(const struct hd_dp *dp, uint32_t cluster_slot, uint32_t group)
{
	return dp->weights[cluster_slot][group];
}

void hd_dp_set_watched(struct hd_dp *dp, uint32_t endpoint_slot, int is_watched)
{
	dp->watched[endpoint_slot] = is_watched != 0;
}

int fake_dp_watched(const struct hd_dp *dp, uint32_t endpoint_slot)
{
	return dp->watched[endpoint_slot];
}

struct hd_ring *hd_dp_outcome_ring(struct hd_dp *dp, uint32_t worker)
{
	return dp->workers[worker].outcomes;
}

int hd_dp_outcome_fd(const struct hd_dp *dp)
{
	return -1;
}

void hd_dp_outcome_attend(struct hd_dp *dp, int attends)
{
}

uint8_t fake_dp_health(const struct hd_dp *dp, uint32_t endpoint_slot)
{
	return dp->health[endpoint_slot];
}

uint32_t hd_dp_n_workers(const struct hd_dp *dp)
{
	return dp->n_workers;
}

uint32_t hd_dp_worker_lcore(const struct hd_dp *dp, uint32_t worker)
{
	return worker + 1;
}

const struct hd_worker_stats *hd_dp_stats(const struct hd_dp *dp, uint32_t worker)
{
	return &dp->workers[worker].stats;
}

const struct hd_endpoint_stats *hd_dp_endpoint_stats(const struct hd_dp *dp, uint32_t worker,
						     uint32_t slot)
{
	return slot < FAKE_DP_SLOTS ? &dp->workers[worker].endpoints[slot] : NULL;
}

const struct hd_cluster_stats *hd_dp_cluster_stats(const struct hd_dp *dp, uint32_t worker,
						   uint32_t slot)
{
	return slot < FAKE_DP_SLOTS ? &dp->workers[worker].clusters[slot] : NULL;
}

uint32_t hd_dp_pools(const struct hd_dp *dp, uint32_t worker,
		     struct hd_pool_info rows[HD_MAX_POOLS])
{
	rows[0] = (struct hd_pool_info){ .name = "packet_buffers",
					 .text = "frames",
					 .bytes = 4096000,
					 .object_bytes = 4096,
					 .capacity = 1000,
					 .used = 10,
					 .most = 20 };
	return 1;
}

uint64_t hd_dp_tsc_hz(const struct hd_dp *dp)
{
	return 2000000000;
}

hd_ns hd_dp_now(const struct hd_dp *dp)
{
	return dp->now;
}

void fake_dp_set_now(struct hd_dp *dp, hd_ns now)
{
	dp->now = now;
}

uint32_t hd_dp_n_ports(const struct hd_dp *dp)
{
	return 1;
}

void hd_dp_port_info(const struct hd_dp *dp, uint32_t port, struct hd_dp_port_info *out)
{
	*out = dp->port;
}

struct hd_ring *hd_dp_access_ring(struct hd_dp *dp, uint32_t worker)
{
	return dp->workers[worker].access;
}

int hd_dp_event_fd(const struct hd_dp *dp)
{
	return -1;
}

int hd_dp_send(struct hd_dp *dp, uint32_t worker, const struct hd_ctrl_msg *msg)
{
	struct hd_ctrl_msg *slot = hd_ring_slot(dp->workers[worker].mailbox);

	if (slot == NULL)
		return -EAGAIN;
	*slot = *msg;
	hd_ring_push(dp->workers[worker].mailbox);
	return 0;
}

int hd_dp_drain(struct hd_dp *dp)
{
	dp->drains++;
	return 0;
}

/* The first route of the first virtual host serves everything. */
void hd_dp_explain(const struct hd_snapshot *s, const struct hd_listener *l,
		   const struct hd_explain_caller *who, const char *head, uint32_t n,
		   struct hd_explanation *out)
{
	*out = (struct hd_explanation){ .vhost = 0, .route = 0, .path = "/users", .path_n = 6 };
}

/* A pair is good when both texts are there and the chain does not say "bad". */
int hd_dp_tls_credential_check(const struct hd_tls_credential *c,
			       struct hd_tls_certificate_info *info, char *error,
			       size_t error_bytes)
{
	if (c->chain.n == 0 || c->key.n == 0 || memmem(c->chain.p, c->chain.n, "bad", 3) != NULL) {
		snprintf(error, error_bytes, "the key is of another certificate");
		return -EINVAL;
	}
	if (info == NULL)
		return 0;
	*info = (struct hd_tls_certificate_info){ .not_before = 0, .not_after = INT64_MAX };
	snprintf(info->spiffe_id, sizeof(info->spiffe_id), "%.*s", (int)c->chain.n, c->chain.p);
	info->spiffe_id[strcspn(info->spiffe_id, "\n ")] = 0;
	snprintf(info->serial, sizeof(info->serial), "%.*s", (int)c->key.n, c->key.p);
	return 0;
}

int hd_dp_tls_credential_set(struct hd_dp *dp, uint32_t slot, const struct hd_tls_credential *c,
			     char *error, size_t error_bytes)
{
	int rc = hd_dp_tls_credential_check(c, NULL, error, error_bytes);

	if (rc == 0 && slot < FAKE_DP_TLS_SLOTS)
		dp->tls.credentials[slot]++;
	return rc;
}

int hd_dp_tls_bundle_check(const struct hd_tls_bundle *b, char *error, size_t error_bytes)
{
	return 0;
}

int hd_dp_tls_bundle_set(struct hd_dp *dp, uint32_t slot, const struct hd_tls_bundle *b,
			 char *error, size_t error_bytes)
{
	if (slot < FAKE_DP_TLS_SLOTS)
		dp->tls.bundles[slot]++;
	return 0;
}

int hd_dp_tls_bundle_info(const struct hd_tls_bundle *b, uint32_t index,
			  struct hd_tls_certificate_info *info)
{
	return index == 0 ? 0 : -ENOENT;
}

int hd_dp_tls_context_set(struct hd_dp *dp, uint32_t slot, const struct hd_tls_context *c,
			  char *error, size_t error_bytes)
{
	if (slot < FAKE_DP_TLS_SLOTS)
		dp->tls.contexts[slot]++;
	return 0;
}

void hd_dp_tls_credential_clear(struct hd_dp *dp, uint32_t slot)
{
	if (slot < FAKE_DP_TLS_SLOTS)
		dp->tls.credentials[slot] = 0;
}

void hd_dp_tls_bundle_clear(struct hd_dp *dp, uint32_t slot)
{
	if (slot < FAKE_DP_TLS_SLOTS)
		dp->tls.bundles[slot] = 0;
}

void hd_dp_tls_context_clear(struct hd_dp *dp, uint32_t slot)
{
	if (slot < FAKE_DP_TLS_SLOTS)
		dp->tls.contexts[slot] = 0;
}

const struct fake_dp_tls *fake_dp_tls(const struct hd_dp *dp)
{
	return &dp->tls;
}
