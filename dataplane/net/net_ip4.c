/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 (RFC 791, 1122 3.2): the complete road, for what the fast one does not take. */
#include "net_priv.h"

#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET_MASK 0x1fff
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_LSRR 131
#define OPTION_SSRR 137

/* NET_PASS when the options may be skipped. Source routes let an attacker choose his path past
 * filters: dropped, RFC 7126. */
static uint32_t check_options(const uint8_t *o, uint32_t n)
{
	uint32_t at = 0;

	while (at < n && o[at] != OPTION_END) {
		if (o[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (n - at < 2 || o[at + 1] < 2 || o[at + 1] > n - at)
			return HD_NET_IP_OPTION;
		if (o[at] == OPTION_LSRR || o[at] == OPTION_SSRR)
			return HD_NET_IP_SOURCE_ROUTE;
		at += o[at + 1];
	}
	return NET_PASS;
}

static int checksum_is_bad(const struct net_if *i, const struct rte_mbuf *m, const void *header,
			   uint32_t bytes)
{
	if (i->dev.rx_offloads & NET_RX_IP_CKSUM) {
		switch (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
		case RTE_MBUF_F_RX_IP_CKSUM_GOOD:
			return 0;
		case RTE_MBUF_F_RX_IP_CKSUM_BAD:
			return 1;
		default:
			break;
		}
	}
	return cksum_fold(cksum_add(0, header, bytes)) != 0xffff;
}

/* RFC 1122 3.2.1.3, RFC 6890: addresses that cannot be a host's. */
static uint32_t check_addresses(struct net *n, const struct net_pkt *p)
{
	uint32_t src = rte_be_to_cpu_32(p->src.w[3]), dst = rte_be_to_cpu_32(p->dst.w[3]);
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);

	if (src >> 24 == 0 || src >> 24 == 127 || src >= 0xe0000000 ||
	    net_own_broadcast(p->in, p->src.w[3]))
		return HD_NET_IP_SOURCE;
	if (net_own_alone(n, &p->src) || p->src.w[3] == p->dst.w[3])
		return HD_NET_IP_LAND;
	/* 3.3.6: a unicast datagram in a link-layer broadcast is discarded too. */
	if (dst >= 0xe0000000 || net_own_broadcast(p->in, p->dst.w[3]) ||
	    eth->dst_addr.addr_bytes[0] & 1)
		return HD_NET_IP_GROUP;
	return net_own_at(n, p->in, &p->dst) ? NET_PASS : HD_NET_IP_NOT_OURS;
}

static uint32_t deliver(struct net *n, struct net_pkt *p)
{
	switch (p->protocol) {
	case PROTO_TCP:
		return net_seg_input(n, p);
	case PROTO_ICMP:
		return net_icmp4_input(n, p);
	case PROTO_UDP:
		net_icmp_error(n, p, 3, 3, 0); /* port unreachable, RFC 1122 4.1.3.1 */
		return HD_NET_UDP_PORT;
	default:
		return HD_NET_IP_PROTOCOL;
	}
}

uint32_t net_ip4_input(struct net *n, struct net_pkt *p)
{
	const struct rte_ipv4_hdr *h;
	uint32_t bytes, total, verdict;

	if (net_pull(p->m, p->l3 + IP4_BYTES) != 0)
		return HD_NET_RUNT;
	h = rte_pktmbuf_mtod_offset(p->m, const struct rte_ipv4_hdr *, p->l3);
	bytes = (h->version_ihl & 15) * 4u;
	total = rte_be_to_cpu_16(h->total_length);
	if (h->version_ihl >> 4 != 4 || bytes < IP4_BYTES || total < bytes)
		return HD_NET_IP_HEADER;
	if (p->m->pkt_len - p->l3 < total || net_pull(p->m, p->l3 + bytes) != 0)
		return HD_NET_IP_TRUNCATED;
	if (checksum_is_bad(p->in, p->m, h, bytes))
		return HD_NET_IP_CHECKSUM;
	net_trim(p->m, p->l3 + total);
	if (bytes > IP4_BYTES &&
	    (verdict = check_options((const uint8_t *)(h + 1), bytes - IP4_BYTES)) != NET_PASS)
		return verdict;
	p->src = hd_ip_from_v4(h->src_addr);
	p->dst = hd_ip_from_v4(h->dst_addr);
	verdict = check_addresses(n, p);
	if (verdict != NET_PASS)
		return verdict;
	if (rte_be_to_cpu_16(h->fragment_offset) & (IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK))
		return HD_NET_IP_FRAGMENT;
	p->protocol = h->next_proto_id;
	p->hops = h->time_to_live;
	p->tos = h->type_of_service;
	p->l4 = (uint16_t)(p->l3 + bytes);
	p->l4_bytes = (uint16_t)(total - bytes);
	return deliver(n, p);
}

/* All of ours are atomic (RFC 6864 4.1), so the ID means nothing; it still tells an observer
 * nothing. */
uint16_t net_ip4_id(struct net *n)
{
	unsigned __int128 p;

	n->id_state += UINT64_C(0x9e3779b97f4a7c15);
	p = (unsigned __int128)(n->id_state ^ n->hash_key[0]) * n->id_key;
	return (uint16_t)((uint64_t)p >> 32 ^ (uint64_t)(p >> 64));
}

void net_ip4_push(struct net *n, struct rte_mbuf *m, const struct hd_ip *src,
		  const struct hd_ip *dst, uint8_t protocol, uint8_t tos)
{
	struct rte_ipv4_hdr *h = net_push(m, IP4_BYTES);
	uint16_t length = rte_cpu_to_be_16((uint16_t)m->pkt_len), id = net_ip4_id(n);
	uint16_t first = (uint16_t)(tos << 8 | 0x45), hops = (uint16_t)(protocol << 8 | NET_HOPS);
	/* Summed from what is at hand: reading back what was just written waits for its line. */
	uint64_t sum = (uint64_t)src->w[3] + dst->w[3] + first + length + id + hops +
		       rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);

	h->version_ihl = 0x45;
	h->type_of_service = tos;
	h->total_length = length;
	h->packet_id = id;
	h->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
	h->time_to_live = NET_HOPS;
	h->next_proto_id = protocol;
	h->hdr_checksum = cksum_finish(sum);
	h->src_addr = src->w[3];
	h->dst_addr = dst->w[3];
}
