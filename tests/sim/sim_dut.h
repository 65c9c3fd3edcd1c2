/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between callers and backends: a whole worker, or nothing (then the callers reach one
 * backend directly, and what is tested is two of our TCPs against each other). */
#ifndef SIM_DUT_H
#define SIM_DUT_H

#include "sim_world.h"

struct sim_dut;

/* Whether this program has something in between. */
int sim_dut_is_there(void);
/* devices: of the callers' and of the backends' side. */
struct sim_dut *sim_dut_create(struct sim_world *w, const struct net_device *devices,
			       struct rte_mempool *bufs, struct rte_mempool *indirect);
void sim_dut_destroy(struct sim_dut *d);
int sim_dut_turn(struct sim_dut *d, hd_ns now);
hd_ns sim_dut_next(const struct sim_dut *d);
/* When all is quiet: nothing may be left open, counted or waited for. */
void sim_dut_check_idle(struct sim_dut *d);

#endif
