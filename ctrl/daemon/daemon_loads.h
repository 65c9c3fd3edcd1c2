/* SPDX-License-Identifier: Apache-2.0 */
/* Loads of policy while the daemon runs: who asks for one (a changed file, SIGHUP, names that
 * lead elsewhere, a client of the control socket), one at a time on the loader's thread, and what is said of it. Control thread.
 *
 * What arrives while a load runs waits; all that ask for the files then get one load of them. A
 * load that failed for want of something that may be back soon is tried again. */
#ifndef DAEMON_LOADS_H
#define DAEMON_LOADS_H

#include "daemon_loader.h"
#include "daemon_reload.h"

#define LOADS_WAITING 16

enum loads_reason {
	LOADS_BY_CLIENT,
	LOADS_BY_CHANGE = 1,
	LOADS_BY_SIGNAL = 2,
	LOADS_BY_RETRY = 4,
	LOADS_BY_NAMES = 8 /* the files as they were read, with where names lead now */
};

struct daemon;

struct loads {
	struct loader *loader;
	struct sock_load *waiting[LOADS_WAITING]; /* the oldest first */
	uint32_t n_waiting;
	unsigned int wanted; /* enum loads_reason, for nobody on the socket */

	struct sock_load *asked[LOADS_WAITING]; /* those that the load under way is for */
	uint32_t n_asked;
	unsigned int reasons;
	int runs, last_was_files;
	int takes_the_watch; /* the files' watch is the loader's until the load is over */
	hd_ns since;
	struct reload_load load;
	struct policy_diags diags;
	int node_differs; /* from what it was at start */

	hd_ns retry_at, retry_after; /* 0: nothing to try again */
	enum reload_kind retry_kind;
};

/* The files are watched from here on. */
[[nodiscard]] int loads_open(struct daemon *d);
/* What waits is refused, what runs is discarded. -EBUSY: its files do not answer, so all that it
 * uses must stay. */
[[nodiscard]] int loads_close(struct daemon *d);
/* See sock_host.load. */
int loads_ask(struct daemon *d, struct sock_load *load);
/* Once for however many ask before that load begins. */
void loads_want(struct daemon *d, enum loads_reason reason);
/* When loader_fd is readable. */
void loads_finish(struct daemon *d);
void loads_tick(struct daemon *d, hd_ns now);

#endif
