/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that has an outcome to tell wakes us. From then on we look at a pace of our own, for as
 * long as outcomes keep coming and a moment more: docs/decisions has the figures. */
#include "daemon_health.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define PACE (250 * HD_NS_PER_US)
#define PATIENCE (10 * HD_NS_PER_MS)

static void pace_set(struct daemon_health *d, hd_ns pace)
{
	const struct itimerspec t = { .it_interval.tv_nsec = (long)pace,
				      .it_value.tv_nsec = (long)pace };

	timerfd_settime(d->on_pace.fd, 0, &t, NULL);
}

/* True: there was something. */
static int look(struct daemon_health *d)
{
	hd_ns now = loop_now();

	if (health_drain(d->health, now) == 0)
		return 0;
	d->last = now;
	return 1;
}

static void on_outcome(void *arg)
{
	struct daemon_health *d = arg;
	uint64_t count;

	if (read(d->on_outcome.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	if (!d->attends) {
		d->attends = 1;
		d->last = loop_now();
		hd_dp_outcome_attend(d->dp, 1);
		pace_set(d, PACE);
	}
	look(d);
}

static void on_pace(void *arg)
{
	struct daemon_health *d = arg;
	uint64_t count;

	if (read(d->on_pace.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	if (look(d) || loop_now() - d->last < PATIENCE)
		return;
	hd_dp_outcome_attend(d->dp, 0);
	if (look(d)) { /* it came while we stopped, and nobody would wake us for it */
		hd_dp_outcome_attend(d->dp, 1);
		return;
	}
	d->attends = 0;
	pace_set(d, 0);
}

int daemon_health_open(struct daemon_health *d, struct health *health, struct hd_dp *dp,
		       struct loop *loop)
{
	int rc, fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	*d = (struct daemon_health){ .health = health, .dp = dp, .loop = loop };
	d->on_pace = (struct loop_source){ fd, on_pace, d };
	d->on_outcome = (struct loop_source){ hd_dp_outcome_fd(dp), on_outcome, d };
	rc = loop_add(loop, &d->on_pace);
	if (rc == 0)
		rc = loop_add(loop, &d->on_outcome);
	if (rc != 0)
		close(fd);
	return rc;
}

void daemon_health_close(struct daemon_health *d)
{
	loop_remove(d->loop, &d->on_outcome);
	loop_remove(d->loop, &d->on_pace);
	close(d->on_pace.fd);
}
