/* SPDX-License-Identifier: Apache-2.0 */
/* Which endpoints workers may pick, and why not: what objects say, what operators say, and what
 * came of tries, in one word an endpoint. Control thread.
 *
 * The state of an endpoint is kept by its slot, which stands for its cluster and address, so it
 * outlives reloads that keep both, and ends with the first that does not. */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include <heddle/dp.h>

#include "health_groups.h"
#include "health_outlier.h"
#include "health_override.h"
#include "health_probe.h"
#include "health_rates.h"

struct health;

/* NULL: out of memory. */
[[nodiscard]] struct health *health_create(void);
void health_destroy(struct health *h);

/* Room for the slots of a snapshot. -ENOMEM changes nothing. */
[[nodiscard]] int health_reserve(struct health *h, const struct hd_snapshot *s);
/* s is the policy from now on, after its slots were reserved here and in dp, and before it is
 * published. It must live until the next call. */
void health_snapshot(struct health *h, struct hd_dp *dp, const struct hd_snapshot *s, hd_ns now);

/* One outcome, and all that wait in the workers' rings, by time. Returns how many there were. */
void health_put(struct health *h, const struct hd_outcome *o, hd_ns now);
uint32_t health_drain(struct health *h, hd_ns now);
/* Sweeps of clusters that are due. */
void health_tick(struct health *h, hd_ns now);

/* What an operator says of an address: HD_EP_HEALTHY takes it back. -ENOSPC: too many. */
[[nodiscard]] int health_say(struct health *h, const struct hd_addr *addr, uint8_t health);

struct health_view {
	uint8_t health;	    /* hd_endpoint_health */
	uint8_t is_said;    /* by an operator */
	uint8_t is_watched; /* it failed lately */
	hd_ns until; /* of an ejection, at least; HD_NS_NEVER: none, or until an operator says so */
	const struct health_outlier_host *outlier; /* NULL: outliers are not detected */
	struct health_rate rate;		   /* of the last interval */
	const struct health_probe_row *probe;	   /* NULL: nobody asks it */
	hd_ns decided_in; /* from the last failure to the last ejection; 0: none */
};
void health_look(const struct health *h, const struct hd_endpoint *e, struct health_view *out);

struct health_cluster_view {
	uint32_t healthy;			      /* endpoints, panic aside */
	uint8_t is_panic;			      /* so few that ejections are ignored */
	const struct health_outlier_cluster *outlier; /* NULL: outliers are not detected */
	struct health_rates rates;
	uint64_t detected_low, detected_failing; /* by rates; never enforced */
	const struct health_group *groups;	 /* as many as the cluster has */
};
void health_cluster_look(const struct health *h, const struct hd_cluster *c,
			 struct health_cluster_view *out);

struct health_totals {
	uint64_t outcomes, stale; /* taken from rings; of endpoints that are no more */
	uint64_t ejections, returns;
	hd_ns slowest; /* from a failure to the ejection that it caused */
};
const struct health_totals *health_totals(const struct health *h);

#endif
