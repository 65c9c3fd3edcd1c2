/* SPDX-License-Identifier: Apache-2.0 */
/* One reading of a node file, between the files that share it. */
#ifndef POLICY_NODE_H
#define POLICY_NODE_H

#include "policy.h"
#include "policy_schema.h"

struct node_load {
	jmp_buf oom;
	struct policy_arena arena;
	struct policy_yaml_reader reader;
	struct policy_check check;
	struct policy_node *node;
	/* Where the ports' addresses stand, in the order of the node's. */
	const struct policy_yaml *addresses[HD_MAX_PORTS][HD_MAX_PORT_ADDRESSES];
	const struct policy_yaml *devices[HD_MAX_PORTS];
	const struct policy_yaml *routes[HD_MAX_ROUTES];
};

/* policy_node_net.c: `ports` and `routes`, in this order. */
void policy_node_ports(struct node_load *l, const struct policy_yaml *ports);
void policy_node_routes(struct node_load *l, const struct policy_yaml *routes);

/* policy_node_eal.c */
void policy_node_eal(struct node_load *l, const struct policy_yaml *list);

/* policy_node.c: a copy that the node owns. */
char *policy_node_keep(struct node_load *l, struct hd_str s);

#endif
