/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt_thread.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "jwt_verify.h"

#define FAIR 16 /* tokens of one worker before the next one's */

struct jwt_thread {
	struct hd_dp *dp;
	struct jwt_keys *keys;
	pthread_t thread;
	_Atomic int stop;
};

static int lane_work(struct jwt_thread *t, uint32_t worker)
{
	const struct hd_jwt_lane *l = hd_dp_jwt_lane(t->dp, worker);
	int n = 0;

	for (; n < FAIR; n++) {
		const uint32_t *job = hd_ring_peek(l->jobs);
		uint32_t *done, slot;

		if (job == NULL)
			break;
		slot = *job;
		hd_ring_pop(l->jobs);
		jwt_verify(t->keys, &l->slots[slot]);
		done = hd_ring_slot(l->done); /* there is a place for every slot */
		*done = slot;
		hd_ring_push(l->done);
	}
	if (n > 0)
		hd_dp_jwt_kick(t->dp, worker);
	return n;
}

static void all_work(struct jwt_thread *t)
{
	int any;

	do {
		any = 0;
		for (uint32_t i = 0; i < hd_dp_n_workers(t->dp); i++)
			any |= lane_work(t, i) > 0;
	} while (any && !atomic_load(&t->stop));
}

static void *run(void *arg)
{
	struct jwt_thread *t = arg;
	struct pollfd p = { .fd = hd_dp_jwt_fd(t->dp), .events = POLLIN };
	uint64_t count;

	while (!atomic_load(&t->stop)) {
		all_work(t);
		if (poll(&p, 1, -1) > 0)
			(void)!read(p.fd, &count, sizeof(count));
	}
	return NULL;
}

struct jwt_thread *jwt_thread_start(struct hd_dp *dp)
{
	struct jwt_thread *t = calloc(1, sizeof(*t));
	sigset_t all, before;
	int rc;

	if (t == NULL)
		return NULL;
	t->dp = dp;
	t->keys = jwt_keys_create();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the control thread */
	rc = t->keys != NULL ? pthread_create(&t->thread, NULL, run, t) : -1;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		return t;
	jwt_keys_destroy(t->keys);
	free(t);
	return NULL;
}

void jwt_thread_stop(struct jwt_thread *t)
{
	uint64_t one = 1;

	if (t == NULL)
		return;
	atomic_store(&t->stop, 1);
	(void)!write(hd_dp_jwt_fd(t->dp), &one, sizeof(one));
	pthread_join(t->thread, NULL);
	jwt_keys_destroy(t->keys);
	free(t);
}
