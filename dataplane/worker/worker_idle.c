/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_idle.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SPIN \
	(5 * HD_NS_PER_US) /* what going to sleep and waking costs: spinning longer never pays */
#define DEAF_STEP (50 * HD_NS_PER_US)
#define MISSED_MAX 8
#define LONGEST (100 * HD_NS_PER_MS)	/* so that the watchdog sees a sleeper turn */

int worker_idle_init(struct worker_idle *i)
{
	memset(i, 0, sizeof(*i));
	i->fds[0] =
		(struct pollfd){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .events = POLLIN };
	i->n_fds = 1;
	return i->fds[0].fd < 0 ? -errno : 0;
}

void worker_idle_fini(struct worker_idle *i)
{
	if (i->n_fds > 0 && i->fds[0].fd >= 0)
		close(i->fds[0].fd);
	i->n_fds = 0;
}

/* Packet sockets become readable when a frame lies in their ring. */
static int announces_packets(int fd)
{
	int domain = 0;
	socklen_t n = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0)
		return 0;
	return domain == AF_PACKET || domain == AF_XDP;
}

uint32_t worker_idle_list_sockets(int *fds, uint32_t capacity)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	uint32_t n = 0;

	if (dir == NULL)
		return 0;
	while (n < capacity && (e = readdir(dir)) != NULL) {
		int fd = atoi(e->d_name);
		if (e->d_name[0] != '.' && announces_packets(fd))
			fds[n++] = fd;
	}
	closedir(dir);
	return n;
}

void worker_idle_add_port(struct worker_idle *i, const int *fds, uint32_t n)
{
	if (n == 0 || i->n_fds + n > HD_ARRAY_SIZE(i->fds)) {
		i->has_deaf_port = 1;
		return;
	}
	for (uint32_t k = 0; k < n; k++)
		i->fds[i->n_fds++] = (struct pollfd){ .fd = fds[k], .events = POLLIN };
}

void worker_idle_add_interrupt(struct worker_idle *i, int fd,
			       void (*arm)(void *port, uint32_t queue, int armed), void *port,
			       uint32_t queue)
{
	uint32_t n = i->n_fds;

	worker_idle_add_port(i, &fd, i->n_interrupts < HD_ARRAY_SIZE(i->interrupts));
	if (i->n_fds > n)
		i->interrupts[i->n_interrupts++] = (struct worker_idle_interrupt){
			.fd = n,
			.arm = arm,
			.port = port,
			.queue = queue,
		};
}

/* An interface that went down or away leaves an error that would end every later sleep at once. */
static void take_error(int fd)
{
	int error;
	socklen_t n = sizeof(error);

	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
}

/* True: there was one. */
static int take_event(const struct pollfd *fd)
{
	uint64_t events;

	return (fd->revents & POLLIN) && read(fd->fd, &events, sizeof(events)) > 0;
}

static void take_interrupts(struct worker_idle *i)
{
	for (uint32_t k = 0; k < i->n_interrupts; k++) {
		if (!take_event(&i->fds[i->interrupts[k].fd]))
			continue;
		i->interrupts[k].is_proven = 1;
		i->missed = 0;
	}
}

/* The turn after a sleep had work. That only its length ended it is chance, but not often. */
static void doubt_interrupts(struct worker_idle *i)
{
	if (!i->slept_whole || ++i->missed < MISSED_MAX)
		return;
	for (uint32_t k = 0; k < i->n_interrupts; k++)
		i->interrupts[k].is_proven = 0;
}

static hd_ns longest_sleep(const struct worker_idle *i)
{
	if (i->has_deaf_port)
		return DEAF_STEP;
	for (uint32_t k = 0; k < i->n_interrupts; k++) {
		if (!i->interrupts[k].is_proven)
			return DEAF_STEP;
	}
	return LONGEST;
}

static void sleep_for(struct worker_idle *i, hd_ns span)
{
	struct timespec ts = { .tv_sec = (time_t)(span / HD_NS_PER_S),
			       .tv_nsec = (long)(span % HD_NS_PER_S) };

	i->slept_whole = ppoll(i->fds, i->n_fds, &ts, NULL) <= 0;
	if (i->slept_whole)
		return;
	(void)take_event(&i->fds[0]);
	take_interrupts(i);
	for (uint32_t k = 1; k < i->n_fds; k++) {
		if (i->fds[k].revents & POLLERR)
			take_error(i->fds[k].fd);
	}
}

/* Announced one turn before the sleep: who puts something down after that turn has looked sees the
 * flag and kicks, and a frame that comes after it interrupts. */
static void set_asleep(struct worker_idle *i, int asleep)
{
	if (atomic_load_explicit(&i->asleep, memory_order_relaxed) == asleep)
		return;
	for (uint32_t k = 0; k < i->n_interrupts; k++)
		i->interrupts[k].arm(i->interrupts[k].port, i->interrupts[k].queue, asleep);
	atomic_store_explicit(&i->asleep, asleep, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

void worker_idle_after_turn(struct worker_idle *i, int busy, hd_ns now, hd_ns deadline)
{
	hd_ns longest;

	if (busy) {
		doubt_interrupts(i);
		i->slept_whole = 0;
		i->idle_since = 0;
		set_asleep(i, 0);
		return;
	}
	if (i->idle_since == 0)
		i->idle_since = now;
	if (now - i->idle_since < SPIN || deadline <= now)
		return;
	if (!atomic_load_explicit(&i->asleep, memory_order_relaxed)) {
		set_asleep(i, 1);
		return;
	}
	longest = longest_sleep(i);
	sleep_for(i, deadline - now < longest ? deadline - now : longest);
	i->slept_whole &= deadline - now >= longest; /* else a timer has work to do */
	set_asleep(i, 0);
}

void worker_idle_kick(struct worker_idle *i)
{
	uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&i->asleep, memory_order_relaxed))
		(void)!write(i->fds[0].fd, &one, sizeof(one));
}
