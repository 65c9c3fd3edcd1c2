/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_telemetry.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <rte_pause.h>
#include <rte_telemetry.h>

/* One dataplane a process, and commands cannot be unregistered: they answer while it is there. */
static struct {
	const struct hd_dp *_Atomic dp;
	_Atomic unsigned int readers; /* inside a command */
	int registered;
} telemetry;

static const struct hd_dp *dp_get(void)
{
	atomic_fetch_add(&telemetry.readers, 1);
	return atomic_load(&telemetry.dp);
}

static void dp_put(void)
{
	atomic_fetch_sub(&telemetry.readers, 1);
}

static uint64_t counter_sum(const struct hd_dp *dp, enum hd_counter c)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < hd_dp_n_workers(dp); i++)
		sum += __atomic_load_n(&hd_dp_stats(dp, i)->counters[c], __ATOMIC_RELAXED);
	return sum;
}

/* Names take letters, digits, "_" and "/". */
#define ADD_COUNTER(symbol, layer, name, text)                                                     \
	rte_tel_data_add_dict_u64(d, layer "/" name, counter_sum(dp, HD_##symbol));

static void drops_fill(const struct hd_dp *dp, struct rte_tel_data *d)
{
	HD_DROP_COUNTERS(ADD_COUNTER)
}

static void counters_fill(const struct hd_dp *dp, struct rte_tel_data *d)
{
	HD_COUNTERS(ADD_COUNTER)
}

static int answer(struct rte_tel_data *d,
		  void (*fill)(const struct hd_dp *dp, struct rte_tel_data *d))
{
	const struct hd_dp *dp = dp_get();

	rte_tel_data_start_dict(d);
	if (dp != NULL)
		fill(dp, d);
	dp_put();
	return dp != NULL ? 0 : -ENODEV;
}

static int on_drops(const char *cmd, const char *params, struct rte_tel_data *d)
{
	return answer(d, drops_fill);
}

static int on_stats(const char *cmd, const char *params, struct rte_tel_data *d)
{
	return answer(d, counters_fill);
}

static int on_workers(const char *cmd, const char *params, struct rte_tel_data *d)
{
	const struct hd_dp *dp = dp_get();

	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	for (uint32_t i = 0; dp != NULL && i < hd_dp_n_workers(dp); i++)
		rte_tel_data_add_array_int(d, (int)hd_dp_worker_lcore(dp, i));
	dp_put();
	return dp != NULL ? 0 : -ENODEV;
}

static void worker_fill(const struct hd_worker_stats *s, struct rte_tel_data *d)
{
	rte_tel_data_add_dict_u64(d, "busy_cycles",
				  __atomic_load_n(&s->busy_cycles, __ATOMIC_RELAXED));
	rte_tel_data_add_dict_u64(d, "total_cycles",
				  __atomic_load_n(&s->total_cycles, __ATOMIC_RELAXED));
	rte_tel_data_add_dict_u64(d, "turns", __atomic_load_n(&s->turns, __ATOMIC_RELAXED));
	rte_tel_data_add_dict_u64(d, "requests", __atomic_load_n(&s->requests, __ATOMIC_RELAXED));
	rte_tel_data_add_dict_u64(d, "connections",
				  __atomic_load_n(&s->connections, __ATOMIC_RELAXED));
	rte_tel_data_add_dict_u64(d, "generation",
				  __atomic_load_n(&s->generation, __ATOMIC_RELAXED));
}

/* "/heddle/worker,1": of the worker on lcore 1. */
static int on_worker(const char *cmd, const char *params, struct rte_tel_data *d)
{
	const struct hd_dp *dp = dp_get();
	int rc = -EINVAL;

	rte_tel_data_start_dict(d);
	for (uint32_t i = 0; dp != NULL && params != NULL && i < hd_dp_n_workers(dp); i++) {
		if (hd_dp_worker_lcore(dp, i) != strtoul(params, NULL, 10))
			continue;
		worker_fill(hd_dp_stats(dp, i), d);
		rc = 0;
	}
	dp_put();
	return rc;
}

void worker_telemetry_open(const struct hd_dp *dp)
{
	if (!telemetry.registered) {
		rte_telemetry_register_cmd("/heddle/workers", on_workers, "lcores of the workers");
		rte_telemetry_register_cmd("/heddle/worker", on_worker,
					   "what one worker does. Parameter: its lcore");
		rte_telemetry_register_cmd("/heddle/drops", on_drops,
					   "what was thrown away, by layer and reason");
		rte_telemetry_register_cmd("/heddle/stats", on_stats, "all counters");
		telemetry.registered = 1;
	}
	atomic_store(&telemetry.dp, dp);
}

void worker_telemetry_close(void)
{
	atomic_store(&telemetry.dp, NULL);
	while (atomic_load(&telemetry.readers) > 0)
		rte_pause();
}
