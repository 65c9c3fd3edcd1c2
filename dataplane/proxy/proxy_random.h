/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers for balancing, jitter and request ids: xoroshiro128+ (Blackman, Vigna), seeded
 * from getrandom by ctrl. */
#ifndef PROXY_RANDOM_H
#define PROXY_RANDOM_H

#include <heddle/base.h>

struct proxy_random {
	uint64_t s[2];
};

static inline uint64_t proxy_random_next(struct proxy_random *r)
{
	uint64_t a = r->s[0], b = r->s[1], sum = a + b;

	b ^= a;
	r->s[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
	r->s[1] = b << 37 | b >> 27;
	return sum;
}

/* Uniform below n (n > 0), without a division. */
static inline uint32_t proxy_random_below(struct proxy_random *r, uint32_t n)
{
	return (uint32_t)(((proxy_random_next(r) >> 32) * n) >> 32);
}

#endif
