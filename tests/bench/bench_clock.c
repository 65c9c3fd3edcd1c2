/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_clock.h"

#include <stdint.h>

#include <rte_cycles.h>

#define TRIALS 200
#define ROUNDS 10000
#define CYCLES_A_ROUND                                                                             \
	24 /* eight multiplications that wait for each other, three cycles each on every x86 since \
	      2008 */

static uint64_t chain(void)
{
	uint64_t x = 3, start = rte_rdtsc_precise();

	for (uint32_t i = 0; i < ROUNDS; i++)
		__asm__ volatile("imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0\n\t"
				 "imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0"
				 : "+r"(x));
	return rte_rdtsc_precise() - start;
}

double bench_clock_ratio(void)
{
	uint64_t best = UINT64_MAX;

	for (uint32_t i = 0; i < TRIALS; i++) {
		uint64_t ticks = chain();

		if (ticks < best)
			best = ticks;
	}
	return (double)ROUNDS * CYCLES_A_ROUND / (double)best;
}
