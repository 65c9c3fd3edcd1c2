/* SPDX-License-Identifier: Apache-2.0 */
/* The worker under measurement, on an lcore of its own. */
#ifndef BENCH_DUT_H
#define BENCH_DUT_H

#include "bench_clock.h"
#include "bench_mesh.h"
#include "bench_options.h"
#include "bench_wire.h"
#include "worker.h"

struct bench_dut;

/* What the worker had done at one moment. */
struct bench_sample {
	hd_ns at, ran;		/* ran: time that its thread was on its core */
	uint64_t busy, total;	/* TSC ticks */
	uint64_t requests;
	uint64_t rx, tx, turns;
	uint64_t handshakes, resumed; /* with callers, done; resumed: of these */
	hd_ns handshake_cpu;	      /* of the handshake thread */
};

/* devices: front and back. pki: with TLS. NULL, with a line on stderr, when memory is out. */
struct bench_dut *bench_dut_create(const struct bench_options *o, const struct net_device devices[2], struct rte_mempool *bufs,
				   struct rte_mempool *indirect, const struct bench_time *time, const struct mesh_pki *pki);
/* Runs worker_turn on the lcore until bench_dut_stop; with one_core, only when bench_dut_turn is called. */
[[nodiscard]] int bench_dut_start(struct bench_dut *d, unsigned int lcore);
void bench_dut_turn(struct bench_dut *d);
void bench_dut_stop(struct bench_dut *d, unsigned int lcore);
void bench_dut_destroy(struct bench_dut *d);

/* From the other core. */
void bench_dut_sample(struct bench_dut *d, struct bench_sample *out);
uint64_t bench_dut_drain_access(struct bench_dut *d);
const struct hd_worker_stats *bench_dut_stats(const struct bench_dut *d);
double bench_dut_clock_ratio(const struct bench_dut *d);   /* core cycles a TSC tick, the higher of before and after */
double bench_dut_line_ns(const struct bench_dut *d); /* a cache line to the other core and back; 0: one core */
uint64_t bench_dut_bytes_used(const struct bench_dut *d); /* by connections, without packet buffers: while it does nothing */
uint32_t bench_dut_stage(const struct bench_dut *d); /* enum hd_worker_stage, this moment */

#endif
