/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_clock.h"

#include <stdatomic.h>
#include <stdint.h>

#include <rte_cycles.h>

#define TURNS 20000
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

/* The best hundred turns: in the others somebody may have taken a core. */
double bench_line_ask(struct bench_line *l)
{
	uint64_t best = UINT64_MAX, start = rte_rdtsc();

	for (uint32_t i = 1; i <= TURNS; i++) {
		atomic_store_explicit(&l->ping, i, memory_order_release);
		while (atomic_load_explicit(&l->pong, memory_order_acquire) != i)
			;
		if (i % 100 == 0) {
			uint64_t now = rte_rdtsc();

			best = now - start < best ? now - start : best;
			start = now;
		}
	}
	return (double)best / (double)rte_get_tsc_hz() * 1e9 / 100;
}

void bench_line_answer(struct bench_line *l)
{
	for (uint32_t i = 1; i <= TURNS; i++) {
		while (atomic_load_explicit(&l->ping, memory_order_acquire) != i)
			;
		atomic_store_explicit(&l->pong, i, memory_order_release);
	}
}
