/* SPDX-License-Identifier: Apache-2.0 */
/* The control thread's event loop: file descriptors that call back, and one tick. Single thread. */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <heddle/base.h>

struct loop_source {
	int fd;
	void (*ready)(void *arg);
	void *arg;
};

struct loop {
	int epoll_fd;
	int stopped;
};

[[nodiscard]] int loop_init(struct loop *l);
void loop_fini(struct loop *l);
/* The source must live until loop_fini or loop_remove; its fd is level-triggered for reading. */
[[nodiscard]] int loop_add(struct loop *l, struct loop_source *s);
void loop_remove(struct loop *l, struct loop_source *s);
/* Calls the sources as they are ready, and tick(arg) again after as many milliseconds as it
 * returned, until loop_stop. */
void loop_run(struct loop *l, unsigned int (*tick)(void *arg), void *arg);
void loop_stop(struct loop *l);

/* CLOCK_MONOTONIC. */
hd_ns loop_now(void);

#endif
