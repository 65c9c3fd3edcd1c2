/* SPDX-License-Identifier: Apache-2.0 */
/* How requests are spread over the groups of a cluster as their endpoints fail, by Envoy's rules
 * (istio-api.md 5.3). Pure arithmetic. */
#ifndef HEALTH_GROUPS_H
#define HEALTH_GROUPS_H

#include <heddle/snapshot.h>

struct health_group {
	uint32_t total, healthy; /* endpoints, without those that an operator took out */
	uint8_t is_panic;	 /* so few are healthy that it does not matter who is */
	uint16_t weight;	 /* of the draw; those of all groups add up to whatever they do */
};

/* One group is a cluster without groups. panic_percent 0: never. Fills is_panic and weight. */
void health_groups_judge(const struct hd_cluster *c, uint32_t panic_percent,
			 struct health_group *groups, uint32_t n);

#endif
