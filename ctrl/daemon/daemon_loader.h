/* SPDX-License-Identifier: Apache-2.0 */
/* A thread for what may take long: one job at a time, told over a file descriptor when it is done.
 * Control thread. */
#ifndef DAEMON_LOADER_H
#define DAEMON_LOADER_H

#include <heddle/base.h>

struct loader;

/* The thread runs where its creator may run. 0 or a negative errno. */
[[nodiscard]] int loader_create(struct loader **out);
/* A job that did not begin is dropped; one that runs is waited for, but no longer than that. -EBUSY: it goes on, and the loader and all
 * that the job uses must stay. NULL is nothing. */
[[nodiscard]] int loader_destroy(struct loader *l, hd_ns within);
/* Readable when a job is done and loader_take was not called since. */
int loader_fd(const struct loader *l);
/* Only when no job runs that loader_take has not told of. */
void loader_start(struct loader *l, void (*run)(void *arg), void *arg);
/* True once after each job. */
int loader_take(struct loader *l);

#endif
