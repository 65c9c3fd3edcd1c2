/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a request goes to: the destination of its route, then an endpoint of that destination's
 * cluster. */
#ifndef PROXY_BALANCE_H
#define PROXY_BALANCE_H

#include <heddle/snapshot.h>

#include "proxy_pool.h"
#include "proxy_random.h"

/* Smooth weighted round robin (as in nginx): exact over any `total_weight` consecutive choices, and
 * spread evenly. `now` holds one word a destination, zero at first. Returns the index among the n.
 */
uint32_t proxy_balance_destination(const struct hd_destination *d, uint32_t n,
				   uint32_t total_weight, int32_t *now);

/* A worker goes on in the choices of `to` where it was in the same ones of `from`. */
void proxy_balance_carry(const struct hd_snapshot *from, const struct hd_snapshot *to,
			 uint32_t worker);

struct proxy_balance {
	const struct hd_snapshot *snapshot;
	const uint8_t *health; /* by endpoint slot */
	uint32_t *cursor; /* the cluster's, of round robin */
	struct proxy_random *random;
	struct proxy_endpoint_state *(*state)(const void *ctx, uint32_t slot);
	const void *ctx;
	uint8_t has_hash; /* of the request; consistent hashing draws one when it has none */
	uint64_t hash;
};

/* An index in the snapshot's endpoints, or HD_NONE: none is healthy. Endpoints whose slot is among
 * `tried` are avoided while there are others (Envoy's previous_hosts: five draws, then whatever
 * came). */
uint32_t proxy_balance_endpoint(const struct proxy_balance *b, const struct hd_cluster *c,
				int is_weighted, const uint32_t *tried, uint32_t n_tried);

#endif
