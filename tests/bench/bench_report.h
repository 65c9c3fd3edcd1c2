/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench_dut.h"
#include "bench_peers.h"

/* Windows of two milliseconds in which neither thread lost its core: what a request costs when nobody disturbs. */
struct bench_quiet {
	struct bench_sample from;
	hd_ns generator_ran, time;
	uint64_t busy, requests;
};

struct bench_result {
	const struct bench_options *options;
	struct bench_sample first, last;
	const struct hist *latency_ns;
	uint64_t requests, errors, body_bytes; /* of the callers, while measured */
	struct bench_quiet quiet;
	const uint64_t *stages; /* HD_STAGE_MAX of them */
	uint64_t syns;		/* of a flood, that the wire took */
	double clock_ratio, line_ns;
	uint64_t tsc_hz;
	struct hist calm_ns; /* storm: without it */
	double storm_rate;   /* handshakes a second in it */
	double table_bytes, buffer_bytes; /* a connection; 0: not measured */
};

/* By the generator's thread, all the time; ends a window when it is due. */
void bench_quiet_look(struct bench_quiet *q, struct bench_dut *d, hd_ns now);
/* One second. */
void bench_report_second(uint32_t second, const struct bench_sample *from, const struct bench_sample *to, uint64_t requests, int one_core);
/* The end, in words. */
void bench_report_text(const struct bench_result *r);
/* The end, as the object that docs/performance.md explains, on one line. */
void bench_report_json(const struct bench_result *r);

#endif
