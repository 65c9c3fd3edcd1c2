/* SPDX-License-Identifier: Apache-2.0 */
/* The callers: one machine that opens connections and sends planned requests on them, pipelined or
 * one by one, reading at once or slowly, now and then giving up in the middle. */
#ifndef SIM_CALLER_H
#define SIM_CALLER_H

#include "sim_world.h"

struct sim_caller;

struct sim_caller *sim_caller_create(struct sim_world *w, const struct net_device *device,
				     struct rte_mempool *bufs, struct rte_mempool *indirect,
				     const struct hd_addr *remote);
void sim_caller_destroy(struct sim_caller *c);
/* Does what is due, then a turn of the machine. True: something was done. */
int sim_caller_turn(struct sim_caller *c, hd_ns now);
hd_ns sim_caller_next(const struct sim_caller *c);
/* Every connection was opened and ended. */
int sim_caller_is_done(const struct sim_caller *c);
struct host *sim_caller_host(struct sim_caller *c);

#endif
