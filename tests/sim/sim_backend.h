/* SPDX-License-Identifier: Apache-2.0 */
/* A backend: answers each request as its plan says, checks every byte that reaches it, and
 * misbehaves where the plan says so. */
#ifndef SIM_BACKEND_H
#define SIM_BACKEND_H

#include "sim_world.h"

struct sim_backend;

struct sim_backend *sim_backend_create(struct sim_world *w, const char *address,
				       const struct net_device *device, struct rte_mempool *bufs,
				       struct rte_mempool *indirect);
void sim_backend_destroy(struct sim_backend *b);
int sim_backend_turn(struct sim_backend *b, hd_ns now);
hd_ns sim_backend_next(const struct sim_backend *b);
struct host *sim_backend_host(struct sim_backend *b);

#endif
