/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram of 64-bit values with under 1 % error at any magnitude: 128 linear steps in each power of two. */
#ifndef CORE_HIST_H
#define CORE_HIST_H

#include <heddle/base.h>

#define HIST_STEP_BITS 7
#define HIST_BINS ((64 - HIST_STEP_BITS + 1) << HIST_STEP_BITS)

struct hist {
	uint64_t count, max;
	uint64_t bins[HIST_BINS];
};

static inline uint32_t hist_bin(uint64_t value)
{
	unsigned int shift;

	if (value < (1u << HIST_STEP_BITS))
		return (uint32_t)value;
	shift = 63 - HIST_STEP_BITS - (unsigned int)__builtin_clzll(value);
	return (shift << HIST_STEP_BITS) + (uint32_t)(value >> shift);
}

/* The largest value of a bin. */
static inline uint64_t hist_bin_max(uint32_t bin)
{
	uint32_t shift = (bin >> HIST_STEP_BITS) == 0 ? 0 : (bin >> HIST_STEP_BITS) - 1;
	uint64_t base = bin - ((uint64_t)shift << HIST_STEP_BITS);

	return (base << shift) + ((UINT64_C(1) << shift) - 1);
}

static inline void hist_add(struct hist *h, uint64_t value)
{
	h->count++;
	h->bins[hist_bin(value)]++;
	if (value > h->max)
		h->max = value;
}

static inline void hist_merge(struct hist *to, const struct hist *from)
{
	to->count += from->count;
	if (from->max > to->max)
		to->max = from->max;
	for (uint32_t i = 0; i < HIST_BINS; i++)
		to->bins[i] += from->bins[i];
}

/* The value that `share` (0 to 1) of all values do not exceed; 0 when there are none. */
static inline uint64_t hist_quantile(const struct hist *h, double share)
{
	uint64_t seen = 0, rank = (uint64_t)(share * (double)h->count + 0.5);

	if (rank == 0)
		rank = 1;
	for (uint32_t i = 0; i < HIST_BINS; i++) {
		seen += h->bins[i];
		if (seen >= rank)
			return hist_bin_max(i) < h->max ? hist_bin_max(i) : h->max;
	}
	return h->max;
}

#endif
