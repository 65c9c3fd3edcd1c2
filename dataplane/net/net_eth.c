/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet: what is for us, and what goes out. */
#include "net_priv.h"
#include "net_vlan.h"

uint32_t net_eth_input(struct net *n, struct net_if *i, struct rte_mbuf *m)
{
	struct net_pkt p = {.m = m, .in = i, .l3 = ETH_BYTES};
	const struct rte_ether_hdr *h;

	if (net_pull(m, ETH_BYTES) != 0)
		return HD_NET_RUNT;
	h = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	/* Group addresses are no source (IEEE 802.3 3.2.5); our own means that the network echoes
	 * us. */
	if (h->src_addr.addr_bytes[0] & 1 || memcmp(h->src_addr.addr_bytes, i->dev.mac, 6) == 0)
		return HD_NET_BAD_SMAC;
	if (!(h->dst_addr.addr_bytes[0] & 1) && memcmp(h->dst_addr.addr_bytes, i->dev.mac, 6) != 0)
		return HD_NET_OTHER_MAC;
	switch (rte_be_to_cpu_16(h->ether_type)) {
	case ETHERTYPE_IP4:
		return net_ip4_input(n, &p);
	case ETHERTYPE_IP6:
		return net_ip6_input(n, &p);
	case ETHERTYPE_ARP:
		return net_arp_input(n, i, m);
	case ETHERTYPE_VLAN:
		return HD_NET_VLAN;
	default:
		return HD_NET_ETHERTYPE;
	}
}

void net_eth_push(const struct net_if *i, struct rte_mbuf *m, const uint8_t to[6],
		  uint16_t ethertype)
{
	struct rte_ether_hdr *h = net_push(m, ETH_BYTES);

	memcpy(h->dst_addr.addr_bytes, to, 6);
	memcpy(h->src_addr.addr_bytes, i->dev.mac, 6);
	h->ether_type = rte_cpu_to_be_16(ethertype);
}

uint16_t net_device_prepare(const struct net_device *d, struct rte_mbuf **pkts, uint16_t n,
			    struct hd_worker_stats *stats)
{
	uint16_t ready = 0;

	if (d->prepare == NULL)
		return n;
	for (;;) {
		ready += d->prepare(d->dev, pkts + ready, n - ready);
		if (hd_likely(ready == n))
			return n;
		hd_count(stats, HD_NET_TX_REFUSED);
		rte_pktmbuf_free(pkts[ready]);
		n--;
		memmove(pkts + ready, pkts + ready + 1, (n - ready) * sizeof(*pkts));
	}
}

/* Hands the queue to the device; what it does not take stays, in order. */
void net_eth_flush(struct net *n, struct net_if *i)
{
	struct hd_port_stats *ps = &n->stats->ports[i->index];
	uint64_t bytes = 0;
	uint16_t sent;

	i->n_tx = net_device_prepare(&i->dev, i->tx, i->n_tx, n->stats);
	/* Sizes first: a packet that the device took may be freed already. */
	for (uint16_t k = 0; k < i->n_tx; k++)
		bytes += i->tx[k]->pkt_len;
	sent = i->dev.tx(i->dev.dev, i->tx, i->n_tx);
	for (uint16_t k = sent; k < i->n_tx; k++)
		bytes -= i->tx[k]->pkt_len;
	ps->tx_packets += sent;
	ps->tx_bytes += bytes;
	i->n_tx -= sent;
	if (hd_unlikely(i->n_tx != 0))
		memmove(i->tx, i->tx + sent, i->n_tx * sizeof(i->tx[0]));
}

static int is_shared(const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next) {
		if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) > 1)
			return 1;
	}
	return 0;
}

/* One fresh buffer with the bytes of the chain, for devices that take no chains or no shared
 * buffers. Frees m. */
static struct rte_mbuf *flatten(struct net *n, struct rte_mbuf *m)
{
	struct rte_mbuf *flat = net_frame(n);
	uint8_t *to;

	if (flat != NULL && rte_pktmbuf_tailroom(flat) < m->pkt_len) {
		hd_count(n->stats, HD_NET_TX_SIZE);
		rte_pktmbuf_free(flat);
		flat = NULL;
	}
	if (flat != NULL) {
		to = (uint8_t *)rte_pktmbuf_append(flat, (uint16_t)m->pkt_len);
		for (const struct rte_mbuf *at = m; at != NULL; to += at->data_len, at = at->next)
			memcpy(to, rte_pktmbuf_mtod(at, const void *), at->data_len);
		flat->ol_flags = m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK;
		flat->tx_offload = m->tx_offload;
	}
	rte_pktmbuf_free(m);
	return flat;
}

/* Queues a whole frame. Consumes m. True: data had better wait. */
int net_eth_output(struct net *n, struct net_if *i, struct rte_mbuf *m)
{
	uint32_t can = i->dev.tx_offloads;

	if (hd_unlikely((!(can & NET_TX_MULTI_SEG) && m->next != NULL) ||
			(!(can & NET_TX_REFCOUNTED) && is_shared(m)))) {
		m = flatten(n, m);
		if (m == NULL)
			return 0;
	}
	if (hd_unlikely(i->vlan != 0) && net_vlan_put(i->vlan, &m) != 0) {
		hd_count(n->stats, HD_NET_TX_REFUSED);
		rte_pktmbuf_free(m);
		return 0;
	}
	if (hd_unlikely(i->n_tx >= NET_TX_BUSY)) {
		net_eth_flush(n, i);
		if (i->n_tx == NET_TX_QUEUE) {
			hd_count(n->stats, HD_NET_TX_FULL);
			rte_pktmbuf_free(m);
			return 1;
		}
	}
	i->tx[i->n_tx++] = m;
	return i->n_tx >= NET_TX_BUSY;
}
