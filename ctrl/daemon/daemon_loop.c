/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 16
/* What nobody can take from its source (an accept without a file descriptor left) makes the loop go
 * round for nothing: after so many rounds it waits for the next tick. */
#define ROUNDS_A_TICK 512

int loop_init(struct loop *l)
{
	*l = (struct loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	return l->epoll_fd < 0 ? -errno : 0;
}

void loop_fini(struct loop *l)
{
	close(l->epoll_fd);
}

int loop_add(struct loop *l, struct loop_source *s)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };

	return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) != 0 ? -errno : 0;
}

void loop_remove(struct loop *l, struct loop_source *s)
{
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
}

hd_ns loop_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (hd_ns)t.tv_sec * HD_NS_PER_S + (hd_ns)t.tv_nsec;
}

static void sleep_ms(int ms)
{
	const struct timespec t = { .tv_nsec = (long)ms * (long)HD_NS_PER_MS };

	nanosleep(&t, NULL);
}

void loop_run(struct loop *l, unsigned int (*tick)(void *arg), void *arg)
{
	struct epoll_event events[EVENTS];
	hd_ns tick_at = loop_now();
	unsigned int rounds = 0;

	while (!l->stopped) {
		hd_ns now = loop_now();
		int n, wait_ms;

		if (now >= tick_at) {
			unsigned int after_ms = tick(arg);

			tick_at = loop_now() + after_ms * HD_NS_PER_MS;
			rounds = 0;
			continue;
		}
		wait_ms = (int)((tick_at - now + HD_NS_PER_MS - 1) / HD_NS_PER_MS);
		if (rounds >= ROUNDS_A_TICK) {
			sleep_ms(wait_ms);
			continue;
		}
		rounds++;
		n = epoll_wait(l->epoll_fd, events, EVENTS, wait_ms);
		for (int i = 0; i < n && !l->stopped; i++) {
			struct loop_source *s = events[i].data.ptr;
			s->ready(s->arg);
		}
	}
}

void loop_stop(struct loop *l)
{
	l->stopped = 1;
}
