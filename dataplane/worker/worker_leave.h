/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that a reload took away are kept until no connection of this worker uses them. */
#ifndef WORKER_WORKER_LEAVE_H
#define WORKER_WORKER_LEAVE_H

#include "worker.h"

/* After the vips have changed. */
void worker_leave_begin(struct worker *w, hd_ns now);
/* A piece of the sweep over the connections, when it is due. True: it looked. */
int worker_leave_run(struct worker *w, hd_ns now);

#endif
