/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon does once it is up: one loop over signals, files, sockets and a tick. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include <heddle/log.h>

#include "daemon.h"
#include "observe_sum.h"

/* While requests come in, their records are fetched every so often; else a tick is for the rest. */
#define BUSY_TICK_MS 10
#define TICK_MS 50
/* Files often change in company: wait until they are quiet, but not for ever. */
#define QUIET (200 * HD_NS_PER_MS)
#define QUIET_MAX (2 * HD_NS_PER_S)
/* How long a change waits for a file that somebody still writes. */
#define UNFINISHED_MAX (30 * HD_NS_PER_S)
/* A drain ends when no connection is left; when nothing moves for the first while, no request is in
 * flight and nobody has bytes of ours to read; or after the second in any case. */
#define DRAIN_IDLE (2 * HD_NS_PER_S)
#define DRAIN_MAX (25 * HD_NS_PER_S)
#define LOGGED_ROWS 50
#define CONTROL_NICE (-10)
/* Records taken from one ring at once: the control thread has other work too. */
#define RECORDS 4096

static uint64_t text_hash(const char *p)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * UINT64_C(1099511628211);
	return h;
}

static int warning_is_old(const struct daemon_warnings *w, uint64_t hash)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (w->hashes[i] == hash)
			return 1;
	return 0;
}

void daemon_log_diags(struct daemon *d, const struct policy_diags *diags)
{
	struct daemon_warnings now = { .hashes = calloc(diags->n + 1, sizeof(uint64_t)) };
	uint32_t logged = 0, old = 0;
	char row[1024];

	for (uint32_t i = 0; i < diags->n && now.hashes != NULL; i++) {
		enum hd_log_level level =
			diags->rows[i].severity == POLICY_ERROR ? HD_LOG_ERROR : HD_LOG_WARNING;
		uint64_t hash;

		policy_diag_format(&diags->rows[i], row, sizeof(row));
		hash = text_hash(row);
		now.hashes[now.n++] = hash;
		if (level == HD_LOG_WARNING && warning_is_old(&d->warnings, hash))
			old++;
		else if (logged++ < LOGGED_ROWS)
			hd_log(level, "policy", "%s", row);
	}
	if (logged > LOGGED_ROWS)
		hd_log(HD_LOG_WARNING, "policy", "and %u more: heddle --check prints all of them",
		       logged - LOGGED_ROWS + diags->left_out);
	if (old > 0)
		hd_log(HD_LOG_NOTICE, "policy", "%u warnings as before", old);
	free(d->warnings.hashes);
	d->warnings = now;
}

static void say_systemd(const char *state)
{
	sd_notifyf(0, "%s\nMONOTONIC_USEC=%" PRIu64, state, (uint64_t)(loop_now() / HD_NS_PER_US));
}

/* Half a file may be valid policy without the half that denies. */
static int files_are_whole(struct daemon *d, hd_ns now)
{
	const char *unfinished = source_watch_unfinished(d->watch);

	if (unfinished == NULL)
		return 1;
	if (now - d->change_first < UNFINISHED_MAX)
		return 0;
	hd_log(HD_LOG_WARNING, "policy",
	       "%s is being written and was not closed for %" PRIu64
	       " s: it is read as it is; write beside it and rename",
	       unfinished, UNFINISHED_MAX / HD_NS_PER_S);
	source_watch_forget(d->watch);
	return 1;
}

static void reload_when_quiet(struct daemon *d, hd_ns now)
{
	if (d->changed_at == 0 || d->loads.takes_the_watch ||
	    (now - d->changed_at < QUIET && now - d->change_first < QUIET_MAX) ||
	    !files_are_whole(d, now))
		return;
	d->changed_at = d->change_first = 0;
	loads_want(d, LOADS_BY_CHANGE);
}

void daemon_drain(struct daemon *d)
{
	if (d->draining)
		return;
	d->draining = 1;
	d->drain_unsent = hd_dp_drain(d->dp) != 0;
}

void daemon_stop(struct daemon *d)
{
	if (d->drain_at != 0)
		return;
	daemon_drain(d);
	d->drain_at = d->drain_idle_at = loop_now();
	say_systemd("STOPPING=1");
	hd_log(HD_LOG_NOTICE, "daemon", "draining: no new connections, open requests finish");
}

static void drain_look(struct daemon *d, hd_ns now)
{
	struct observe_totals t;

	if (d->drain_unsent)
		d->drain_unsent = hd_dp_drain(d->dp) != 0;
	if (d->drain_at == 0)
		return;
	observe_totals_sum(d->dp, &t);
	if (t.connections + t.requests != d->drain_seen || t.exchanges > 0 || t.queued_bytes > 0) {
		d->drain_seen = t.connections + t.requests;
		d->drain_idle_at = now;
	}
	if (t.connections == 0 || now - d->drain_idle_at > DRAIN_IDLE ||
	    now - d->drain_at > DRAIN_MAX) {
		hd_log(HD_LOG_NOTICE, "daemon",
		       "drained in %" PRIu64 " ms, %" PRIu64 " connections left",
		       (now - d->drain_at) / HD_NS_PER_MS, t.connections);
		loop_stop(&d->loop);
	}
}

static void on_terminate(struct daemon *d, const char *name)
{
	/* Signals count, not what came over the socket: a supervisor's first one after
	 * `heddlectl stop` is no hurry. */
	if (d->terminations++ > 0) {
		hd_log(HD_LOG_NOTICE, "daemon", "%s again: stopping at once", name);
		loop_stop(&d->loop);
		return;
	}
	hd_log(HD_LOG_NOTICE, "daemon", "%s", name);
	daemon_stop(d);
}

static void on_signal(void *arg)
{
	struct daemon *d = arg;
	int signo;

	while ((signo = signals_take(d->signals)) != 0) {
		switch (signo) {
		case SIGTERM:
			on_terminate(d, "SIGTERM");
			break;
		case SIGINT:
			on_terminate(d, "SIGINT");
			break;
		case SIGHUP:
			hd_log(HD_LOG_NOTICE, "daemon", "SIGHUP: reading the policy files");
			loads_want(d, LOADS_BY_SIGNAL);
			break;
		case SIGUSR1:
			if (d->access != NULL)
				observe_access_reopen(d->access);
			break;
		}
	}
}

static void on_sock(void *arg)
{
	struct daemon *d = arg;

	sock_server_run(d->sock, loop_now());
}

static void on_http(void *arg)
{
	struct daemon *d = arg;

	observe_http_run(d->http, loop_now());
}

static void on_watch(void *arg)
{
	struct daemon *d = arg;

	if (!source_watch_read(d->watch))
		return;
	d->changed_at = loop_now();
	if (d->change_first == 0)
		d->change_first = d->changed_at;
}

static void on_load(void *arg)
{
	struct daemon *d = arg;

	loads_finish(d);
	sock_server_tick(d->sock, loop_now());
}

static void certs_watch_again(struct daemon *d)
{
	uint32_t n;
	char **paths = certs_paths(d->certs, &n);

	if (paths == NULL || source_watch_set(d->cert_watch, paths, n) != 0)
		hd_log(HD_LOG_WARNING, "tls",
		       "certificates are not watched any more for lack of memory: SIGHUP reads them");
	free(paths);
}

static void certs_read(struct daemon *d)
{
	d->certs_changed_at = 0;
	certs_watch_again(d);
	(void)certs_load(d->certs, policy_snapshot_tls(d->reload.snapshot),
			 d->reload.snapshot->generation);
}

static void on_certs(void *arg)
{
	struct daemon *d = arg;

	if (source_watch_read(d->cert_watch))
		d->certs_changed_at = loop_now();
}

/* A certificate and its key are two files: both should be there before they are read. */
static void certs_when_quiet(struct daemon *d, hd_ns now)
{
	if (d->certs_changed_at != 0 && now - d->certs_changed_at >= QUIET)
		certs_read(d);
}

static int64_t wall_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* A record is counted, logged and shown to whoever taps. */
static void record_see(struct daemon *d, const struct hd_access_record *r, hd_ns now)
{
	observe_requests_count(d->requests, r);
	if (r->opens)
		return;
	observe_failures_count(&d->failures, r);
	if (d->access != NULL)
		observe_access_add(d->access, r, now);
	sock_server_see(d->sock, r);
}

/* Returns how many there were. */
static unsigned int records_drain(struct daemon *d, hd_ns now)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < hd_dp_n_workers(d->dp); i++) {
		struct hd_ring *ring = hd_dp_access_ring(d->dp, i);
		const struct hd_access_record *r;

		for (unsigned int k = 0; k < RECORDS && (r = hd_ring_peek(ring)) != NULL;
		     k++, n++) {
			record_see(d, r, now);
			hd_ring_pop(ring);
		}
	}
	if (d->access != NULL)
		observe_access_flush(d->access, now);
	return n;
}

/* Where names lead is part of the endpoints: the same texts make another generation. */
static void names_look(struct daemon *d, hd_ns now)
{
	/* While a load runs the names are its own. */
	if (d->names == NULL || d->loads.runs)
		return;
	d->names_changed |= names_run(d->names, now);
	if (d->names_changed)
		loads_want(d, LOADS_BY_NAMES);
	d->names_changed = 0;
}

static void on_names(void *arg)
{
	names_look(arg, loop_now());
}

static void on_event(void *arg)
{
	struct daemon *d = arg;
	uint64_t count;

	if (read(d->on_event.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	records_drain(d, loop_now());
	sock_server_tick(d->sock, loop_now());
	/* Workers would wake us a thousand times a second: the ticks do from here, until one finds
	 * nothing. */
	loop_remove(&d->loop, &d->on_event);
	d->busy = 1;
}

/* After a tick that found no record a worker may wake us again. */
static void busy_look(struct daemon *d, unsigned int records)
{
	if (!d->busy || records > 0)
		return;
	d->busy = loop_add(&d->loop, &d->on_event) != 0;
}

static void second(struct daemon *d, hd_ns now)
{
	d->next_second = now + HD_NS_PER_S;
	watchdog_rate(&d->watchdog, now);
	ports_look(&d->ports, d->dp);
	if (d->access != NULL)
		observe_access_look(d->access);
	certs_look(d->certs, wall_now());
	if (source_watch_retry(d->cert_watch))
		d->certs_changed_at = now;
	if (!d->loads.takes_the_watch && source_watch_retry(d->watch) && d->changed_at == 0)
		d->changed_at = d->change_first = now;
	sd_notify(0, "WATCHDOG=1");
}

static unsigned int tick(void *arg)
{
	struct daemon *d = arg;
	hd_ns now = loop_now();

	watchdog_look(&d->watchdog, now);
	health_tick(d->health, now);
	busy_look(d, records_drain(d, now));
	sock_server_tick(d->sock, now);
	if (d->http != NULL)
		observe_http_run(d->http, now);
	reload_sweep(&d->reload);
	reload_when_quiet(d, now);
	loads_tick(d, now);
	certs_when_quiet(d, now);
	names_look(d, now);
	drain_look(d, now);
	if (now >= d->next_second)
		second(d, now);
	return d->busy ? BUSY_TICK_MS : TICK_MS;
}

static int sources_add(struct daemon *d)
{
	struct loop_source *sources[] = { &d->on_signal, &d->on_sock,  &d->on_watch,
					  &d->on_certs,	 &d->on_event, &d->on_http,
					  &d->on_names, &d->on_load };
	int rc = 0;

	d->on_signal = (struct loop_source){ signals_fd(d->signals), on_signal, d };
	d->on_sock = (struct loop_source){ sock_server_fd(d->sock), on_sock, d };
	d->on_certs = (struct loop_source){ source_watch_fd(d->cert_watch), on_certs, d };
	d->on_watch = (struct loop_source){ source_watch_fd(d->watch), on_watch, d };
	d->on_names = (struct loop_source){
		d->names != NULL ? source_names_fd(d->names) : -1, on_names, d
	};
	d->on_load = (struct loop_source){ loader_fd(d->loads.loader), on_load, d };
	d->on_event = (struct loop_source){ hd_dp_event_fd(d->dp), on_event, d };
	d->on_http =
		(struct loop_source){ d->http != NULL ? observe_http_fd(d->http) : -1, on_http, d };
	for (size_t i = 0; i < HD_ARRAY_SIZE(sources) && rc == 0; i++)
		if (sources[i]->fd >= 0)
			rc = loop_add(&d->loop, sources[i]);
	return rc;
}

/* This thread sleeps nearly always, and what wakes it is a failing backend: on a machine that
 * others keep busy it should not wait for their time slices. Not allowed to everybody, and no
 * condition. */
static void come_first(void)
{
	(void)setpriority(PRIO_PROCESS, 0, CONTROL_NICE);
}

int daemon_run(struct daemon *d)
{
	int rc = sources_add(d);

	if (rc == 0)
		rc = daemon_health_open(&d->outcomes, d->health, d->dp, &d->loop);
	if (rc != 0)
		return rc;
	/* What changed between the first load and the watch. */
	d->certs_changed_at = loop_now();
	d->changed_at = d->change_first = loop_now();
	watchdog_init(&d->watchdog, d->dp, loop_now());
	d->ready = 1;
	say_systemd("READY=1");
	hd_log(HD_LOG_NOTICE, "daemon",
	       "%s: %u workers, %u ports, %u services, %u routes, %u endpoints, generation %" PRIu64
	       ": ready",
	       d->node->name, hd_dp_n_workers(d->dp), hd_dp_n_ports(d->dp),
	       d->reload.snapshot->n_services, d->reload.snapshot->n_routes,
	       d->reload.snapshot->n_endpoints, d->reload.now.number);
	come_first();
	loop_run(&d->loop, tick, d);
	d->ready = 0;
	alarm(DAEMON_LEAVE_WITHIN_S);
	watchdog_fini(&d->watchdog);
	hd_dp_stop(d->dp);
	daemon_health_close(&d->outcomes);
	records_drain(d, loop_now());
	return 0;
}
