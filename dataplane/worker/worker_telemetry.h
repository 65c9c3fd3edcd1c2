/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of heddle/stats.h on DPDK's own telemetry socket, under /heddle/…: for dpdk-telemetry.py
 * and whatever scrapes it. */
#ifndef WORKER_TELEMETRY_H
#define WORKER_TELEMETRY_H

#include <heddle/dp.h>

/* From here until worker_telemetry_close EAL's telemetry thread may read the dataplane. */
void worker_telemetry_open(const struct hd_dp *dp);
/* Returns when that thread is done with it. */
void worker_telemetry_close(void);

#endif
