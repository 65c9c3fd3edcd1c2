/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that verifies tokens for all workers. It sleeps until a worker hands one over. */
#ifndef JWT_THREAD_H
#define JWT_THREAD_H

#include <heddle/dp.h>

struct jwt_thread;

/* NULL: no memory or no thread. */
[[nodiscard]] struct jwt_thread *jwt_thread_start(struct hd_dp *dp);
/* Before the dataplane is closed. NULL is nothing. */
void jwt_thread_stop(struct jwt_thread *t);

#endif
