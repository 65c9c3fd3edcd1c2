/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_watchdog.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <heddle/log.h>

/* A worker that burns its core for so long without ending a turn is lost in a loop. The processor
 * time of its own thread tells that from a worker that the machine did not run. */
#define LOST_CPU (700 * HD_NS_PER_MS)
/* One that does not turn and does not want the processor either waits for what never comes: even an
 * idle worker turns ten times a second (worker_idle.c). */
#define BLOCKED_AFTER (800 * HD_NS_PER_MS)
/* When we were not run ourselves, nothing can be said of the others. */
#define OWN_GAP (500 * HD_NS_PER_MS)

static uint64_t turns_of(const struct watchdog *w, uint32_t i)
{
	return __atomic_load_n(&hd_dp_stats(w->dp, i)->turns, __ATOMIC_RELAXED);
}

/* The thread that runs an lcore, by the name EAL gives it. 0: not found. */
static int thread_find(uint32_t lcore)
{
	char want[32], path[300], name[32];
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *e;
	int tid = 0;

	snprintf(want, sizeof(want), "rte-worker-%u\n", lcore);
	while (tasks != NULL && tid == 0 && (e = readdir(tasks)) != NULL) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		if (f != NULL && fgets(name, sizeof(name), f) != NULL && strcmp(name, want) == 0)
			tid = atoi(e->d_name);
		if (f != NULL)
			fclose(f);
	}
	if (tasks != NULL)
		closedir(tasks);
	return tid;
}

/* Kept open: a process without a descriptor left must still be told from one that hangs. -1: it
 * cannot be looked at. */
static int thread_open(int tid, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, what);
	return tid != 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

/* A line that changes each time it is read. */
static int line_read(int fd, char *line, size_t bytes)
{
	ssize_t n = fd >= 0 ? pread(fd, line, bytes - 1, 0) : -1;

	line[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* 0: not known. */
static uint64_t thread_cpu_ns(const struct watchdog_worker *x)
{
	char line[128];
	uint64_t ns;

	if (!line_read(x->schedstat_fd, line, sizeof(line)) || sscanf(line, "%" SCNu64, &ns) != 1)
		return 0;
	return ns;
}

/* Asleep in the kernel, rather than running, waiting for a processor, or held by a debugger. */
static int thread_is_blocked(const struct watchdog_worker *x)
{
	char line[512], state;

	/* EAL's names of threads have no parentheses. */
	if (!line_read(x->stat_fd, line, sizeof(line)) ||
	    sscanf(line, "%*d (%*[^)]) %c", &state) != 1)
		return 0;
	return state == 'S' || state == 'D';
}

void watchdog_init(struct watchdog *w, struct hd_dp *dp, hd_ns now)
{
	*w = (struct watchdog){ .dp = dp, .looked = now, .rated = now };
	for (uint32_t i = 0; i < hd_dp_n_workers(dp); i++) {
		int tid = thread_find(hd_dp_worker_lcore(dp, i));

		w->workers[i].tid = tid;
		w->workers[i].schedstat_fd = thread_open(tid, "schedstat");
		w->workers[i].stat_fd = thread_open(tid, "stat");
		w->workers[i].moved = w->workers[i].ran = now;
		w->workers[i].busy_cycles =
			__atomic_load_n(&hd_dp_stats(dp, i)->busy_cycles, __ATOMIC_RELAXED);
	}
}

static const char *stage_of(const struct hd_worker_stats *s)
{
	static const char *const texts[] = {
#define TEXT(symbol, text) text,
		HD_WORKER_STAGES(TEXT)
#undef TEXT
	};
	uint32_t stage = __atomic_load_n(&s->stage, __ATOMIC_RELAXED);

	return stage < HD_STAGE_MAX ? texts[stage] : "nowhere";
}

_Noreturn static void give_up(const struct watchdog *w, uint32_t i, const char *how, hd_ns now)
{
	const struct hd_worker_stats *s = hd_dp_stats(w->dp, i);

	hd_log(HD_LOG_ERROR, "worker",
	       "the worker on lcore %u has not ended a turn for %" PRIu64 " ms and %s, last seen %s "
	       "(after %" PRIu64 " turns, %" PRIu64 " requests, %" PRIu64
	       " connections open): ending the process",
	       hd_dp_worker_lcore(w->dp, i), (now - w->workers[i].moved) / HD_NS_PER_MS, how,
	       stage_of(s), w->workers[i].turns, s->requests, s->connections);
	abort();
}

static void worker_look(struct watchdog *w, uint32_t i, hd_ns now)
{
	struct watchdog_worker *x = &w->workers[i];
	uint64_t turns = turns_of(w, i), cpu_ns;

	/* First look at a still worker: its processor time counts from here. */
	if (turns != x->turns || now - w->looked > OWN_GAP) {
		x->turns = turns;
		x->moved = x->ran = now;
		x->cpu_ns = 0;
		return;
	}
	cpu_ns = thread_cpu_ns(x);
	if (x->cpu_ns == 0)
		x->cpu_ns = cpu_ns;
	else if (cpu_ns > x->cpu_ns + LOST_CPU)
		give_up(w, i, "burns its core", now);
	if (!thread_is_blocked(x))
		x->ran = now;
	else if (now - x->ran > BLOCKED_AFTER)
		give_up(w, i, "is blocked", now);
}

void watchdog_fini(struct watchdog *w)
{
	for (uint32_t i = 0; i < hd_dp_n_workers(w->dp); i++) {
		if (w->workers[i].schedstat_fd >= 0)
			close(w->workers[i].schedstat_fd);
		if (w->workers[i].stat_fd >= 0)
			close(w->workers[i].stat_fd);
	}
}

void watchdog_look(struct watchdog *w, hd_ns now)
{
	for (uint32_t i = 0; i < hd_dp_n_workers(w->dp); i++)
		worker_look(w, i, now);
	w->looked = now;
}

void watchdog_rate(struct watchdog *w, hd_ns now)
{
	double seconds = (double)(now - w->rated) / (double)HD_NS_PER_S;

	if (seconds <= 0)
		return;
	for (uint32_t i = 0; i < hd_dp_n_workers(w->dp); i++) {
		const struct hd_worker_stats *s = hd_dp_stats(w->dp, i);
		uint64_t busy = __atomic_load_n(&s->busy_cycles, __ATOMIC_RELAXED);
		uint64_t requests = __atomic_load_n(&s->requests, __ATOMIC_RELAXED);
		struct watchdog_worker *x = &w->workers[i];

		x->busy = (double)(busy - x->busy_cycles) / (seconds * (double)hd_dp_tsc_hz(w->dp));
		x->requests_per_second = (double)(requests - x->requests) / seconds;
		x->busy_cycles = busy;
		x->requests = requests;
	}
	w->rated = now;
}
