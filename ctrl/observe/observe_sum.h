/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over workers of what each of them counts alone. Control thread. */
#ifndef OBSERVE_SUM_H
#define OBSERVE_SUM_H

#include <heddle/dp.h>

/* Names of the counters, by enum hd_counter. */
struct observe_counter_name {
	const char *layer, *name, *text;
};
extern const struct observe_counter_name observe_counter_names[HD_COUNTER_MAX];
/* One of HD_DROP_COUNTERS. */
int observe_counter_is_drop(enum hd_counter c);

struct observe_totals {
	uint64_t counters[HD_COUNTER_MAX];
	struct hd_port_stats ports[HD_MAX_PORTS];
	uint64_t busy_cycles, total_cycles, connections, requests, exchanges, queued_bytes;
};

/* All counters a worker has for itself, each word read once. */
void observe_worker_read(const struct hd_dp *dp, uint32_t worker, struct observe_totals *out);
/* The same over all workers. */
void observe_totals_sum(const struct hd_dp *dp, struct observe_totals *out);
uint64_t observe_drops_sum(const struct observe_totals *t);
/* Zeros for a slot that was never reserved. */
void observe_endpoint_sum(const struct hd_dp *dp, uint32_t slot, struct hd_endpoint_stats *out);
void observe_cluster_sum(const struct hd_dp *dp, uint32_t slot, struct hd_cluster_stats *out);

#endif
