/* SPDX-License-Identifier: Apache-2.0 */
/* Looks whether workers still turn, and how busy they are. Control thread. */
#ifndef DAEMON_WATCHDOG_H
#define DAEMON_WATCHDOG_H

#include <heddle/dp.h>

struct watchdog_worker {
	uint64_t turns; /* when it was last seen to move */
	hd_ns moved;
	hd_ns ran; /* when it last had the processor, or wanted it */
	uint64_t cpu_ns;		/* of its thread, then */
	int tid;			/* 0: not found */
	int schedstat_fd, stat_fd;	/* of its thread; -1: none */
	uint64_t busy_cycles, requests; /* at the last rates */
	double busy, requests_per_second;
};

struct watchdog {
	struct hd_dp *dp;
	hd_ns looked, rated;
	struct watchdog_worker workers[HD_MAX_WORKERS];
};

void watchdog_init(struct watchdog *w, struct hd_dp *dp, hd_ns now);
void watchdog_fini(struct watchdog *w);
/* Some ten times a second. Does not return when a worker hangs: half a data plane is worse than
 * none, and whoever supervises the process starts it again. */
void watchdog_look(struct watchdog *w, hd_ns now);
/* Once a second. */
void watchdog_rate(struct watchdog *w, hd_ns now);

#endif
