/* SPDX-License-Identifier: Apache-2.0 */
/* A fake daemon around the control socket: one service, a 90/10 route, a fake dataplane. */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include "fake_dp.h"
#include "observe_failures.h"
#include "observe_requests.h"
#include "sock_host.h"

struct fake_host {
	struct sock_host host;
	struct hd_dp *dp;
	struct policy_node node;
	struct policy_texts texts;
	struct observe_requests *requests;
	struct health *health;
	struct observe_failures failures;
	int refuse; /* the next config_* call fails with two errors */
	int hold;		/* the next load waits for fake_host_release */
	struct sock_load *held; /* it */
	int drained, stopped;
	struct hd_addr said; /* by endpoint_set */
	uint8_t said_health;
	char applied[64]; /* name of the last text that config_apply was given */
	char log_level[16], log_area[16];
};

struct fake_host *fake_host_create(uint32_t n_workers);
void fake_host_destroy(struct fake_host *h);
/* The load that is held ends with that. */
void fake_host_release(struct fake_host *h, int rc);

#endif
