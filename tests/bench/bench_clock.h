/* SPDX-License-Identifier: Apache-2.0 */
/* The core's clock against the TSC: budgets are in core cycles, counters in TSC ticks. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include "worker_clock.h"

#include <stdint.h>

/* Core cycles a TSC tick, of the calling core now: about 30 ms of dependent multiplications. */
double bench_clock_ratio(void);

/* How far apart two cores are: a cache line goes to and fro between them. Virtual CPUs may lie on different sockets at one
 * time and side by side at another, and every byte of a benchmark between them pays for it. */
/* The time that generator and worker are told: the TSC's, or one that moves by BENCH_TURN_NS a turn and nothing else, so that
 * a run repeats to the instruction. */
struct bench_time {
	struct worker_clock real;
	hd_ns virtual; /* 0: the real one */
};
#define BENCH_TURN_NS (20 * HD_NS_PER_US)
#define BENCH_VIRTUAL_START (1000 * HD_NS_PER_S)

static inline hd_ns bench_time_now(const struct bench_time *t)
{
	return t->virtual != 0 ? t->virtual : worker_clock_now(&t->real);
}

static inline int64_t bench_time_wall_offset(const struct bench_time *t)
{
	return t->virtual != 0 ? (int64_t)(1764000000 * HD_NS_PER_S) : worker_clock_wall_offset(&t->real);
}

struct bench_line {
	_Alignas(64) _Atomic uint32_t ping;
	_Alignas(64) _Atomic uint32_t pong;
};

/* On one core, while the other core is in bench_line_answer: nanoseconds there and back. */
double bench_line_ask(struct bench_line *l);
void bench_line_answer(struct bench_line *l);

#endif
