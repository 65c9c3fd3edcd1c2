/* SPDX-License-Identifier: Apache-2.0 */
/* What may have become of each request, given its plan and its connection's story. */
#ifndef SIM_JUDGE_H
#define SIM_JUDGE_H

#include "sim_world.h"

void sim_judge(struct sim_world *w);

#endif
