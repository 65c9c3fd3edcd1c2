/* SPDX-License-Identifier: Apache-2.0 */
/* What ctrl asks of a worker, answered within its turns. */
#ifndef WORKER_MAILBOX_H
#define WORKER_MAILBOX_H

#include "worker.h"

/* Bounded work of one turn: messages, and rows of a dump. True: there was something. */
int worker_mailbox_read(struct worker *w, hd_ns now);
/* Gives a dump in progress back as it is. */
void worker_dump_finish(struct worker *w);

#endif
