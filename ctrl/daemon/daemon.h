/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's one object, from a finished start-up to the end. Control thread. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <heddle/dp.h>

#include "daemon_health.h"
#include "daemon_certs.h"
#include "daemon_loads.h"
#include "daemon_loop.h"
#include "daemon_names.h"
#include "daemon_options.h"
#include "daemon_ports.h"
#include "daemon_reload.h"
#include "daemon_signals.h"
#include "daemon_watchdog.h"
#include "jwt_thread.h"
#include "observe_access.h"
#include "observe_failures.h"
#include "observe_http.h"
#include "observe_metrics.h"
#include "policy.h"
#include "sock_server.h"
#include "source_watch.h"

/* A worker that does not leave must not keep the process. SIGALRM is not handled: it ends it.
 * Giving the memory back takes a while as well: DPDK writes zeros over all of it, seconds of work
 * on a loaded machine. */
#define DAEMON_LEAVE_WITHIN_S 30

struct daemon {
	const struct daemon_options *options;
	struct policy_node *node;
	struct policy_texts node_text; /* as it was at start */
	struct reload reload;
	struct loads loads;
	struct hd_dp *dp;
	struct jwt_thread *jwt;
	struct health *health;
	struct daemon_health outcomes;
	struct sock_host host;
	struct sock_server *sock;
	struct observe_http *http;     /* NULL: no metrics endpoint */
	struct observe_access *access; /* NULL: no access log */
	struct observe_requests *requests;
	struct observe_failures failures;
	struct source_watch *watch;
	struct source_names *names; /* NULL: nobody asks (--check) */
	int names_changed;
	struct certs *certs;
	struct source_watch *cert_watch;
	hd_ns certs_changed_at; /* 0: no */
	char spiffe_id[256];	/* of the identity; "" without */
	struct watchdog watchdog;
	struct ports_seen ports;
	struct signals *signals;

	struct loop loop;
	struct loop_source on_signal, on_sock, on_http, on_watch, on_certs, on_event, on_names;
	struct loop_source on_load;
	hd_ns started, next_second;
	time_t started_wall;
	hd_ns changed_at, change_first; /* a file changed: the last time and the first since the
					   last load; 0: none */

	struct daemon_warnings {
		uint64_t *hashes; /* of the rows that were logged for the generation in use */
		uint32_t n;
	} warnings;

	int ready, draining;
	int busy;		       /* on_event is not in the loop: ticks fetch the records */
	int drain_unsent;	       /* a mailbox was full */
	hd_ns drain_at, drain_idle_at; /* when it began; when it last saw progress */
	uint32_t terminations;	       /* SIGTERM and SIGINT so far */
	uint64_t drain_seen;	       /* what progress is measured by */
};

/* Fills d->host: what the control socket may ask for. */
void daemon_host_init(struct daemon *d);
/* Serves until it is told to stop. Everything that d names is open; 0, or a negative errno. */
[[nodiscard]] int daemon_run(struct daemon *d);

/* By the node file and the options. NULL: out of memory. */
struct policy *daemon_registry_create(const struct daemon *d);
/* Everything that is counted, as OpenMetrics. arg: the daemon. */
void daemon_metrics(void *arg, struct observe_text *t);
void daemon_drain(struct daemon *d);
void daemon_stop(struct daemon *d);
/* Logs each row; warnings that the last call logged too are only counted: a reload repeats them
 * all. */
void daemon_log_diags(struct daemon *d, const struct policy_diags *diags);

#endif
