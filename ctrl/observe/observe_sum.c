/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_sum.h"

#define LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)

const struct observe_counter_name observe_counter_names[HD_COUNTER_MAX] = {
#define COUNTER_NAME(symbol, layer_, name_, text_) \
	[HD_##symbol] = { .layer = layer_, .name = name_, .text = text_ },
	HD_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
};

int observe_counter_is_drop(enum hd_counter c)
{
	switch (c) {
#define COUNTER_DROP(symbol, layer, name, text) case HD_##symbol:
		HD_DROP_COUNTERS(COUNTER_DROP)
#undef COUNTER_DROP
		return 1;
	default:
		return 0;
	}
}

static void worker_add(const struct hd_dp *dp, uint32_t worker, struct observe_totals *t)
{
	const struct hd_worker_stats *s = hd_dp_stats(dp, worker);

	for (unsigned int i = 0; i < HD_COUNTER_MAX; i++)
		t->counters[i] += LOAD(&s->counters[i]);
	for (unsigned int i = 0; i < HD_MAX_PORTS; i++) {
		t->ports[i].rx_packets += LOAD(&s->ports[i].rx_packets);
		t->ports[i].rx_bytes += LOAD(&s->ports[i].rx_bytes);
		t->ports[i].tx_packets += LOAD(&s->ports[i].tx_packets);
		t->ports[i].tx_bytes += LOAD(&s->ports[i].tx_bytes);
	}
	t->busy_cycles += LOAD(&s->busy_cycles);
	t->total_cycles += LOAD(&s->total_cycles);
	t->connections += LOAD(&s->connections);
	t->requests += LOAD(&s->requests);
	t->exchanges += LOAD(&s->exchanges);
	t->queued_bytes += LOAD(&s->queued_bytes);
}

void observe_worker_read(const struct hd_dp *dp, uint32_t worker, struct observe_totals *out)
{
	*out = (struct observe_totals){ 0 };
	worker_add(dp, worker, out);
}

void observe_totals_sum(const struct hd_dp *dp, struct observe_totals *out)
{
	*out = (struct observe_totals){ 0 };
	for (uint32_t i = 0; i < hd_dp_n_workers(dp); i++)
		worker_add(dp, i, out);
}

uint64_t observe_drops_sum(const struct observe_totals *t)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HD_COUNTER_MAX; i++)
		if (observe_counter_is_drop(i))
			sum += t->counters[i];
	return sum;
}

void observe_endpoint_sum(const struct hd_dp *dp, uint32_t slot, struct hd_endpoint_stats *out)
{
	*out = (struct hd_endpoint_stats){ 0 };
	for (uint32_t i = 0; i < hd_dp_n_workers(dp); i++) {
		const struct hd_endpoint_stats *s = hd_dp_endpoint_stats(dp, i, slot);

		if (s == NULL)
			continue;
		out->requests += LOAD(&s->requests);
		out->connect_failures += LOAD(&s->connect_failures);
		out->resets += LOAD(&s->resets);
		out->timeouts += LOAD(&s->timeouts);
		out->responses_5xx += LOAD(&s->responses_5xx);
		out->active += LOAD(&s->active);
		out->connections += LOAD(&s->connections);
	}
}

void observe_cluster_sum(const struct hd_dp *dp, uint32_t slot, struct hd_cluster_stats *out)
{
	*out = (struct hd_cluster_stats){ 0 };
	for (uint32_t i = 0; i < hd_dp_n_workers(dp); i++) {
		const struct hd_cluster_stats *s = hd_dp_cluster_stats(dp, i, slot);

		if (s == NULL)
			continue;
		out->requests += LOAD(&s->requests);
		out->overflow += LOAD(&s->overflow);
		out->connects += LOAD(&s->connects);
		out->retries += LOAD(&s->retries);
		out->connections += LOAD(&s->connections);
		out->pending += LOAD(&s->pending);
		out->requests_active += LOAD(&s->requests_active);
		out->retries_active += LOAD(&s->retries_active);
	}
}
