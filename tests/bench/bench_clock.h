/* SPDX-License-Identifier: Apache-2.0 */
/* The core's clock against the TSC: budgets are in core cycles, counters in TSC ticks. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>

/* Core cycles a TSC tick, of the calling core now: about 30 ms of dependent multiplications. */
double bench_clock_ratio(void);

/* How far apart two cores are: a cache line goes to and fro between them. Virtual CPUs may lie on different sockets at one
 * time and side by side at another, and every byte of a benchmark between them pays for it. */
struct bench_line {
	_Alignas(64) _Atomic uint32_t ping;
	_Alignas(64) _Atomic uint32_t pong;
};

/* On one core, while the other core is in bench_line_answer: nanoseconds there and back. */
double bench_line_ask(struct bench_line *l);
void bench_line_answer(struct bench_line *l);

#endif
