/* SPDX-License-Identifier: Apache-2.0 */
#include "health_groups.h"

/* Envoy's overprovisioning factor of 1.4: a group carries its whole load while 5 of 7 are healthy.
 */
static uint32_t availability(const struct health_group *g)
{
	uint32_t percent = g->total > 0 ? 140 * g->healthy / g->total : 0;

	return percent < 100 ? percent : 100;
}

static int is_below(const struct health_group *g, uint32_t percent)
{
	return g->total > 0 && (uint64_t)100 * g->healthy < (uint64_t)percent * g->total;
}

/* In order: each takes what it can carry, the next the rest. What all of them together cannot carry
 * is theirs in proportion; the first that can carry anything takes what rounding leaves. */
static void order(struct health_group *groups, uint32_t n, uint32_t sum)
{
	uint32_t left = 100, first = 0;

	for (uint32_t i = n; i-- > 0;)
		first = availability(&groups[i]) > 0 ? i : first;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t load = sum > 0 ? availability(&groups[i]) * 100 / sum : 0;

		groups[i].weight = (uint16_t)(load < left ? load : left);
		left -= groups[i].weight;
	}
	groups[first].weight = (uint16_t)(groups[first].weight + left);
}

/* Nobody can carry anything: by the number of those who are asked all the same. */
static void order_in_panic(struct health_group *groups, uint32_t n)
{
	uint32_t all = 0;

	for (uint32_t i = 0; i < n; i++)
		all += groups[i].is_panic ? groups[i].total : 0;
	for (uint32_t i = 0; i < n; i++)
		groups[i].weight =
			(uint16_t)(all > 0 && groups[i].is_panic ? groups[i].total * 100 / all : 0);
}

static void judge_order(struct health_group *groups, uint32_t n, uint32_t panic_percent)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += availability(&groups[i]);
	sum = sum < 100 ? sum : 100;
	for (uint32_t i = 0; i < n; i++)
		groups[i].is_panic = sum < 100 && is_below(&groups[i], panic_percent);
	if (sum > 0)
		order(groups, n, sum);
	else
		order_in_panic(groups, n);
}

/* A share shrinks when its group cannot carry it; a panic is one of all groups. */
static void judge_shares(const struct hd_cluster *c, struct health_group *groups, uint32_t n,
			 uint32_t panic_percent)
{
	struct health_group all = { 0 };
	int is_panic;

	for (uint32_t i = 0; i < n; i++) {
		all.total += groups[i].total;
		all.healthy += groups[i].healthy;
	}
	is_panic = availability(&all) < 100 && is_below(&all, panic_percent);
	for (uint32_t i = 0; i < n; i++) {
		struct health_group *g = &groups[i];

		g->is_panic = is_panic != 0;
		g->weight = (uint16_t)(c->groups[i].weight *
				       (is_panic && g->total > 0 ? 100 : availability(g)));
	}
}

void health_groups_judge(const struct hd_cluster *c, uint32_t panic_percent,
			 struct health_group *groups, uint32_t n)
{
	if (c->spread == HD_SPREAD_SHARES)
		judge_shares(c, groups, n, panic_percent);
	else
		judge_order(groups, n, panic_percent);
}
