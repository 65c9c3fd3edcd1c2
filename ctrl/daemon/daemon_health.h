/* SPDX-License-Identifier: Apache-2.0 */
/* When the control thread looks at what workers tell of their tries: at once, however seldom that
 * is, and without being woken for each while there are many. Control thread. */
#ifndef DAEMON_HEALTH_H
#define DAEMON_HEALTH_H

#include "daemon_loop.h"
#include "health.h"

struct daemon_health {
	struct health *health;
	struct hd_dp *dp;
	struct loop *loop;
	struct loop_source on_outcome, on_pace;
	int attends;
	hd_ns last; /* when there was an outcome */
};

/* 0 or a negative errno. */
[[nodiscard]] int daemon_health_open(struct daemon_health *d, struct health *health,
				     struct hd_dp *dp, struct loop *loop);
void daemon_health_close(struct daemon_health *d);

#endif
