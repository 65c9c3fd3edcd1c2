/* SPDX-License-Identifier: Apache-2.0 */
/* Signals have a thread of their own, which hands them to the loop and does not need it: a process
 * whose control thread hangs (in a file system that does not answer, say) can still be ended by
 * SIGTERM, and not by SIGKILL alone. */
#ifndef DAEMON_SIGNALS_H
#define DAEMON_SIGNALS_H

#include <heddle/base.h>

/* The process ends with this code when the loop does not take a SIGTERM or SIGINT in time. */
#define SIGNALS_EXIT_HUNG 3

struct signals;

/* How long the loop may take to take the first SIGTERM or SIGINT, and the next one. */
struct signals_patience {
	hd_ns first, again;
};

/* Blocks SIGTERM, SIGINT, SIGHUP and SIGUSR1 in the caller, before it starts other threads: they
 * inherit that. 0 or a negative errno. */
[[nodiscard]] int signals_open(const struct signals_patience *patience, struct signals **out);
/* The caller's threads are gone, or do not mind to be ended by a signal. NULL is nothing. */
void signals_close(struct signals *s);
/* Readable when there is one to take. */
int signals_fd(const struct signals *s);
/* The next signal, in the order in which they came; 0: none. Control thread. */
int signals_take(struct signals *s);

#endif
