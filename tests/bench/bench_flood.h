/* SPDX-License-Identifier: Apache-2.0 */
/* SYNs from nobody: prebuilt frames, each with another source address, port and sequence number. */
#ifndef BENCH_FLOOD_H
#define BENCH_FLOOD_H

#include "bench_clock.h"
#include "bench_wire.h"

struct bench_flood {
	uint64_t sent;
	uint64_t state; /* of the random source */
	uint32_t rate;	/* a second; 0: as many as the wire takes */
	hd_ns started;
	uint8_t frame[74];
};

void bench_flood_init(struct bench_flood *f, uint32_t rate);
/* Once a turn of the generator. */
void bench_flood_turn(struct bench_flood *f, struct bench_wire *w, const struct bench_time *time);

#endif
