/* SPDX-License-Identifier: Apache-2.0 */
/* hd_ns from the TSC by one multiplication, without a call. */
#ifndef WORKER_CLOCK_H
#define WORKER_CLOCK_H

#include <time.h>

#include <rte_cycles.h>

#include <heddle/base.h>

struct worker_clock {
	uint64_t tsc0, ns_per_tick_q32; /* 32.32 fixed point */
	hd_ns ns0;
};

static inline hd_ns worker_clock_of(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (hd_ns)ts.tv_sec * HD_NS_PER_S + (hd_ns)ts.tv_nsec;
}

/* After EAL has measured the TSC. All workers' clocks start from the same point. */
static inline void worker_clock_init(struct worker_clock *c)
{
	c->tsc0 = rte_rdtsc();
	c->ns0 = worker_clock_of(CLOCK_MONOTONIC);
	c->ns_per_tick_q32 = (uint64_t)(((__uint128_t)HD_NS_PER_S << 32) / rte_get_tsc_hz());
}

static inline hd_ns worker_clock_now(const struct worker_clock *c)
{
	return c->ns0 + (hd_ns)((__uint128_t)(rte_rdtsc() - c->tsc0) * c->ns_per_tick_q32 >> 32);
}

/* UTC minus hd_ns. To be asked again now and then: the two clocks drift. */
static inline int64_t worker_clock_wall_offset(const struct worker_clock *c)
{
	return (int64_t)(worker_clock_of(CLOCK_REALTIME) - worker_clock_now(c));
}

#endif
