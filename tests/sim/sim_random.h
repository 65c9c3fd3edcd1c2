/* SPDX-License-Identifier: Apache-2.0 */
/* Reproducible chance. Everything that happens in a run follows from its seed. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <heddle/base.h>

struct sim_random {
	uint64_t state;
};

/* SplitMix64's finalizer: a good hash of one word. */
static inline uint64_t sim_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static inline struct sim_random sim_random_of(uint64_t seed, uint64_t purpose)
{
	return (struct sim_random){ sim_mix(seed ^ sim_mix(purpose)) };
}

static inline uint64_t sim_next(struct sim_random *r)
{
	r->state += UINT64_C(0x9e3779b97f4a7c15);
	return sim_mix(r->state);
}

static inline uint32_t sim_below(struct sim_random *r, uint32_t n)
{
	return (uint32_t)((sim_next(r) >> 32) * n >> 32);
}

/* n of a thousand times. */
static inline int sim_chance(struct sim_random *r, uint32_t per_mille)
{
	return sim_below(r, 1000) < per_mille;
}

#endif
