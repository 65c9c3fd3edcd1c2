/* SPDX-License-Identifier: Apache-2.0 */
/* 802.1Q tags of one port. Any thread that owns the packets. */
#ifndef NET_VLAN_H
#define NET_VLAN_H

#include <stdint.h>

struct rte_mbuf;

/* Received frames lose the tag; those that are not of this VLAN (0: untagged) get the type of a tagged
 * frame, which net_eth_input counts as other_vlan and drops. */
void net_vlan_take(uint16_t vlan, struct rte_mbuf **pkts, uint16_t n);
/* Tags a frame that is about to leave. 0, or a negative errno: no room in front of it, or it is shared. */
[[nodiscard]] int net_vlan_put(uint16_t vlan, struct rte_mbuf **m);

#endif
