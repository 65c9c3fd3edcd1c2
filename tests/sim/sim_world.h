/* SPDX-License-Identifier: Apache-2.0 */
/* One run: callers, what is under test, and backends, on wires and virtual time. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "host.h"
#include "sim_plan.h"

#define SIM_BACKENDS 2
#define SIM_PORT 8080
#define SIM_BACKEND_PORT 9000

struct sim_world {
	uint64_t seed;
	struct sim_profile profile_of_run;
	const struct sim_profile *profile;
	hd_ns now;
	int trace;
	int drained; /* the worker takes no new connections any more */
	uint32_t n_requests;
	struct sim_request requests[SIM_MAX_REQUESTS];
	char failure[512]; /* "": none */
};

/* Remembers the first failure of the run. */
void sim_fail(struct sim_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* With --trace: one line. */
void sim_note(const struct sim_world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

struct sim_result {
	uint64_t hash, frames, turns;
	uint32_t outcomes[SIM_GIVEN_UP + 1];
	uint32_t duplicates; /* requests that backends saw twice, all allowed */
};

/* Once a process, after EAL. */
void sim_world_init(void);
/* Runs a seed to its end. True: every invariant held. */
int sim_world_run(uint64_t seed, const struct sim_profile *p, int trace, struct sim_result *result,
		  char *failure, size_t failure_bytes);

#endif
