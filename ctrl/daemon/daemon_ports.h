/* SPDX-License-Identifier: Apache-2.0 */
/* Says when a port's link goes, comes back, or its device is lost. Control thread. */
#ifndef DAEMON_PORTS_H
#define DAEMON_PORTS_H

#include <heddle/dp.h>

enum ports_state { PORTS_UP, PORTS_DOWN, PORTS_GONE };

struct ports_seen {
	uint8_t state[HD_MAX_PORTS]; /* enum ports_state, as it was last logged */
};

/* Once a second. All ports count as up before the first look. */
void ports_look(struct ports_seen *seen, const struct hd_dp *dp);

#endif
