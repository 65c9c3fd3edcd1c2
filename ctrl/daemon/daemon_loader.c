/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_loader.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon_loop.h"

struct loader {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int event_fd;
	int closing;
	int runs;		/* from loader_start to the end of the job */
	void (*run)(void *arg); /* NULL: taken by the thread */
	void *arg;
};

static void done_tell(struct loader *l)
{
	uint64_t one = 1;

	/* The counter cannot be full: each job is taken before the next one. */
	if (write(l->event_fd, &one, sizeof(one)) < 0)
		abort();
}

static void *loader_main(void *arg)
{
	struct loader *l = arg;

	pthread_mutex_lock(&l->lock);
	while (!l->closing) {
		void (*run)(void *arg) = l->run;

		if (run == NULL) {
			pthread_cond_wait(&l->changed, &l->lock);
			continue;
		}
		l->run = NULL;
		pthread_mutex_unlock(&l->lock);
		run(l->arg);
		pthread_mutex_lock(&l->lock);
		l->runs = 0;
		done_tell(l);
		pthread_cond_broadcast(&l->changed);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static void locks_init(struct loader *l)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static void loader_free(struct loader *l)
{
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	close(l->event_fd);
	free(l);
}

int loader_create(struct loader **out)
{
	struct loader *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL)
		return -ENOMEM;
	l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->event_fd < 0) {
		rc = -errno;
		free(l);
		return rc;
	}
	locks_init(l);
	rc = -pthread_create(&l->thread, NULL, loader_main, l);
	if (rc != 0) {
		loader_free(l);
		return rc;
	}
	pthread_setname_np(l->thread, "hd-loader");
	*out = l;
	return 0;
}

/* Holds the lock. 0, or -ETIMEDOUT. */
static int job_wait(struct loader *l, hd_ns within)
{
	hd_ns end = loop_now() + within;
	const struct timespec until = { .tv_sec = (time_t)(end / HD_NS_PER_S),
					.tv_nsec = (long)(end % HD_NS_PER_S) };
	int rc = 0;

	if (l->run != NULL)
		l->runs = 0;
	while (l->runs && rc == 0)
		rc = pthread_cond_timedwait(&l->changed, &l->lock, &until);
	return l->runs ? -ETIMEDOUT : 0;
}

int loader_destroy(struct loader *l, hd_ns within)
{
	int rc;

	if (l == NULL)
		return 0;
	pthread_mutex_lock(&l->lock);
	l->closing = 1;
	pthread_cond_broadcast(&l->changed);
	rc = job_wait(l, within);
	pthread_mutex_unlock(&l->lock);
	if (rc != 0) {
		pthread_detach(l->thread);
		return -EBUSY;
	}
	pthread_join(l->thread, NULL);
	loader_free(l);
	return 0;
}

int loader_fd(const struct loader *l)
{
	return l->event_fd;
}

void loader_start(struct loader *l, void (*run)(void *arg), void *arg)
{
	pthread_mutex_lock(&l->lock);
	l->runs = 1;
	l->run = run;
	l->arg = arg;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

int loader_take(struct loader *l)
{
	uint64_t n;

	return read(l->event_fd, &n, sizeof(n)) == (ssize_t)sizeof(n);
}
