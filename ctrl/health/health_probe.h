/* SPDX-License-Identifier: Apache-2.0 */
/* Active health checks: asks endpoints, through the workers' stacks, whether they are well
 * (istio-api.md 1.4). One question an address, in however many clusters that is. Control thread. */
#ifndef HEALTH_PROBE_H
#define HEALTH_PROBE_H

#include <heddle/dp.h>

struct health_probe_row {
	struct hd_probe ask;		  /* lent to a worker while is_out */
	struct hd_addr addr;		  /* of the endpoint */
	const struct hd_probe_rule *rule; /* NULL: nobody wants to know any more */
	const struct hd_endpoint *endpoint; /* of the same snapshot as the rule, */
	struct hd_str sni;		  /* and the name that its cluster sends there */
	hd_ns next;
	uint32_t successes, failures; /* in a row */
	uint8_t is_failing, is_out;
	char why[32]; /* the last answer, in words; empty: none yet */
};

/* Zero at first. */
struct health_probes {
	struct health_probe_row **rows;
	uint32_t n, capacity;
	uint32_t *table; /* by address: index + 1; 0: empty */
	uint32_t mask;
};

/* After workers are gone. */
void health_probes_fini(struct health_probes *t);
/* Rows for the endpoints of a snapshot. -ENOMEM: some may have one. */
[[nodiscard]] int health_probes_reserve(struct health_probes *t, const struct hd_snapshot *s);
/* s is in force from now on: its endpoints are asked, others no more. */
void health_probes_snapshot(struct health_probes *t, const struct hd_snapshot *s, hd_ns now);
/* NULL: nobody asks it. */
struct health_probe_row *health_probes_find(const struct health_probes *t,
					    const struct hd_addr *addr);
/* Takes answers and asks who is due. Returns how many endpoints changed; see is told of each. */
uint32_t health_probes_run(struct health_probes *t, struct hd_dp *dp, hd_ns now,
			   void (*see)(const struct health_probe_row *r));

#endif
