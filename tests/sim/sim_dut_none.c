/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_dut.h"

int sim_dut_is_there(void)
{
	return 0;
}

struct sim_dut *sim_dut_create(struct sim_world *w, const struct net_device *devices,
			       struct rte_mempool *bufs, struct rte_mempool *indirect)
{
	(void)w;
	(void)devices;
	(void)bufs;
	(void)indirect;
	return NULL;
}

void sim_dut_destroy(struct sim_dut *d)
{
	(void)d;
}

int sim_dut_turn(struct sim_dut *d, hd_ns now)
{
	(void)d;
	(void)now;
	return 0;
}

hd_ns sim_dut_next(const struct sim_dut *d)
{
	(void)d;
	return HD_NS_NEVER;
}

void sim_dut_check_idle(struct sim_dut *d)
{
	(void)d;
}
