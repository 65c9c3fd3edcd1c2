/* SPDX-License-Identifier: Apache-2.0 */
/* The core's clock against the TSC: budgets are in core cycles, counters in TSC ticks. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

/* Core cycles a TSC tick, of the calling core now: about 30 ms of dependent multiplications. */
double bench_clock_ratio(void);

#endif
