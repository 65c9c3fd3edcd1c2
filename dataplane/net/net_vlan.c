/* SPDX-License-Identifier: Apache-2.0 */
/* IEEE 802.1Q: a port with a VLAN sends every frame with its tag and takes no other. Tags come
 * off before anybody reads a frame and go on when it is queued: nothing between knows of them. */
#include "net_priv.h"
#include "net_vlan.h"

#define VLAN_ID 0x0fff

static struct rte_ether_hdr *ether(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
}

/* Takes the tag off: the driver's (which stripped it already) or the one in the frame. The VLAN ID
 * of the frame; 0 for an untagged one and for a mere priority tag (802.1Q 6.9.1). */
static uint16_t untag(struct rte_mbuf *m)
{
	if (!(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && rte_vlan_strip(m) != 0)
		return 0;
	m->ol_flags &= ~(RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED);
	return m->vlan_tci & VLAN_ID;
}

void net_vlan_take(uint16_t vlan, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t k = 0; k < n; k++) {
		struct rte_mbuf *m = pkts[k];

		/* Too short for an address pair and a type: net says what it is. */
		if (m->data_len < ETH_BYTES)
			continue;
		/* Whatever is behind the header, it is not for this port: net counts the type. */
		if (untag(m) != vlan)
			ether(m)->ether_type = rte_cpu_to_be_16(ETHERTYPE_VLAN);
	}
}

int net_vlan_put(uint16_t vlan, struct rte_mbuf **m)
{
	(*m)->vlan_tci = vlan;
	return rte_vlan_insert(m);
}
