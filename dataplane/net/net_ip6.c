/* SPDX-License-Identifier: Apache-2.0 */
/* IPv6 (RFC 8200): the complete road. Extension headers are walked with a limit; Heddle is never a
 * router or a reassembler. */
#include "net_priv.h"

#define EXT_HOP_BY_HOP 0
#define EXT_ROUTING 43
#define EXT_FRAGMENT 44
#define EXT_DESTINATION 60
#define EXT_NONE 59
#define MAX_EXTENSIONS 8
#define OPTION_PAD1 0
#define ICMP6_PARAMETER 4
#define PARAMETER_FIELD 0
#define PARAMETER_NEXT_HEADER 1
#define PARAMETER_OPTION 2

/* RFC 8200 4.2: the two high bits of an unknown option's type say what to do. `at` and `end` are
 * offsets from mtod. */
static uint32_t walk_options(struct net *n, const struct net_pkt *p, uint32_t at, uint32_t end)
{
	const uint8_t *b = rte_pktmbuf_mtod(p->m, const uint8_t *);

	while (at < end) {
		if (b[at] == OPTION_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2 || b[at + 1] > end - at - 2)
			return HD_NET_IP_OPTION;
		switch (b[at] >> 6) {
		case 0:
			break;
		case 1:
			return HD_NET_IP_OPTION;
		case 3:
			if (p->group)
				return HD_NET_IP_OPTION;
			/* fall through */
		default:
			net_icmp_error(n, p, ICMP6_PARAMETER, PARAMETER_OPTION, at - p->l3);
			return HD_NET_IP_OPTION;
		}
		at += 2u + b[at + 1];
	}
	return NET_PASS;
}

/* One extension header at p->l4 of type `type`: checks it and moves p on. */
static uint32_t skip_extension(struct net *n, struct net_pkt *p, uint8_t type)
{
	const uint8_t *h;
	uint32_t bytes, verdict = NET_PASS;

	if (p->l4_bytes < 8 || net_pull(p->m, p->l4 + 8u) != 0)
		return HD_NET_IP_CHAIN;
	h = rte_pktmbuf_mtod_offset(p->m, const uint8_t *, p->l4);
	bytes = type == EXT_FRAGMENT ? 8 : (h[1] + 1u) * 8;
	if (p->l4_bytes < bytes || net_pull(p->m, p->l4 + bytes) != 0)
		return HD_NET_IP_CHAIN;
	if (type == EXT_FRAGMENT) {
		/* RFC 6946: offset 0 and nothing to follow is a whole datagram. The reserved bits
		 * are ignored. */
		if (h[2] != 0 || h[3] & 0xf9)
			verdict = HD_NET_IP_FRAGMENT;
	} else if (type == EXT_ROUTING) {
		/* 4.4: segments left and a type that we do not walk; RFC 5095 makes type 0 one of
		 * those. */
		if (h[3] != 0) {
			net_icmp_error(n, p, ICMP6_PARAMETER, PARAMETER_FIELD, p->l4 + 2u - p->l3);
			verdict = HD_NET_IP_SOURCE_ROUTE;
		}
	} else {
		verdict = walk_options(n, p, p->l4 + 2u, p->l4 + bytes);
	}
	p->protocol = h[0];
	p->l4 += bytes;
	p->l4_bytes -= bytes;
	return verdict;
}

static int is_extension(uint8_t type)
{
	return type == EXT_HOP_BY_HOP || type == EXT_ROUTING || type == EXT_FRAGMENT ||
	       type == EXT_DESTINATION;
}

/* Leaves p at the upper layer. `named` is where the type of the header at p->l4 is written, from
 * the IPv6 header. */
static uint32_t walk_chain(struct net *n, struct net_pkt *p, uint32_t *named)
{
	for (int i = 0; is_extension(p->protocol); i++) {
		uint8_t type = p->protocol;
		uint32_t here = p->l4 - p->l3, verdict;

		if (i == MAX_EXTENSIONS)
			return HD_NET_IP_CHAIN;
		if (type == EXT_HOP_BY_HOP && i != 0) {
			/* 4.1: only right behind the IPv6 header. */
			net_icmp_error(n, p, ICMP6_PARAMETER, PARAMETER_NEXT_HEADER, *named);
			return HD_NET_IP_CHAIN;
		}
		verdict = skip_extension(n, p, type);
		if (verdict != NET_PASS)
			return verdict;
		*named = here;
	}
	return NET_PASS;
}

/* Groups that we hear: all nodes, and the solicited-node group of an address of ours (RFC
 * 4291 2.8). That it is really ours is for neighbour discovery to check; nothing else is taken from
 * a group. */
static int is_heard_group(const struct hd_ip *ip)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t solicited[13] = {0xff, 2, [11] = 1, [12] = 0xff};

	return memcmp(ip->b, all_nodes, 16) == 0 || memcmp(ip->b, solicited, 13) == 0;
}

/* The unspecified source is for duplicate address detection (RFC 4862): only ICMPv6 gets to see it.
 */
static uint32_t check_addresses(struct net *n, struct net_pkt *p)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	int unspecified = p->src.q[0] == 0 && p->src.q[1] == 0;

	if (p->src.b[0] == 0xff || (!unspecified && net_ip6_is_special(&p->src)))
		return HD_NET_IP_SOURCE;
	if (p->protocol != PROTO_ICMP6 &&
	    (net_own_alone(n, &p->src) || hd_ip_eq(&p->src, &p->dst)))
		return HD_NET_IP_LAND; /* net_icmp6_input must see who claims our address */
	p->group = p->dst.b[0] == 0xff;
	if (p->group)
		return is_heard_group(&p->dst) ? NET_PASS : HD_NET_IP_GROUP;
	if (unspecified)
		return HD_NET_IP_SOURCE;
	if (eth->dst_addr.addr_bytes[0] & 1)
		return HD_NET_IP_GROUP;
	if (net_ip6_is_special(&p->dst))
		return HD_NET_IP_NOT_OURS;
	return net_own_at(n, p->in, &p->dst) ? NET_PASS : HD_NET_IP_NOT_OURS;
}

static uint32_t deliver(struct net *n, struct net_pkt *p, uint32_t named)
{
	if (p->protocol == PROTO_ICMP6)
		return net_icmp6_input(n, p);
	if (p->group)
		return HD_NET_IP_GROUP;
	switch (p->protocol) {
	case PROTO_TCP:
		return net_seg_input(n, p);
	case PROTO_UDP:
		net_icmp_error(n, p, 1, 4, 0); /* port unreachable */
		return HD_NET_UDP_PORT;
	case EXT_NONE:
		return HD_NET_IP_PROTOCOL;
	default:
		net_icmp_error(n, p, ICMP6_PARAMETER, PARAMETER_NEXT_HEADER, named);
		return HD_NET_IP_PROTOCOL;
	}
}

uint32_t net_ip6_input(struct net *n, struct net_pkt *p)
{
	const struct rte_ipv6_hdr *h;
	uint32_t flow, bytes, verdict, named = 6;

	if (net_pull(p->m, p->l3 + IP6_BYTES) != 0)
		return HD_NET_RUNT;
	h = rte_pktmbuf_mtod_offset(p->m, const struct rte_ipv6_hdr *, p->l3);
	flow = rte_be_to_cpu_32(h->vtc_flow);
	bytes = rte_be_to_cpu_16(h->payload_len);
	if (flow >> 28 != 6)
		return HD_NET_IP_HEADER;
	/* Zero would announce a jumbogram (RFC 2675): not on our links. */
	if (bytes == 0 || p->m->pkt_len - p->l3 - IP6_BYTES < bytes)
		return HD_NET_IP_TRUNCATED;
	net_trim(p->m, p->l3 + IP6_BYTES + bytes);
	memcpy(p->src.b, h->src_addr, 16);
	memcpy(p->dst.b, h->dst_addr, 16);
	p->protocol = h->proto;
	verdict = check_addresses(n, p);
	if (verdict != NET_PASS)
		return verdict;
	p->hops = h->hop_limits;
	p->tos = (uint8_t)(flow >> 20);
	p->l4 = p->l3 + IP6_BYTES;
	p->l4_bytes = (uint16_t)bytes;
	verdict = walk_chain(n, p, &named);
	return verdict == NET_PASS ? deliver(n, p, named) : verdict;
}

void net_ip6_push(struct rte_mbuf *m, const struct hd_ip *src, const struct hd_ip *dst,
		  uint8_t protocol, uint8_t tos, uint8_t hops)
{
	uint16_t bytes = (uint16_t)m->pkt_len;
	struct rte_ipv6_hdr *h = net_push(m, IP6_BYTES);

	h->vtc_flow = rte_cpu_to_be_32(UINT32_C(6) << 28 | (uint32_t)tos << 20);
	h->payload_len = rte_cpu_to_be_16(bytes);
	h->proto = protocol;
	h->hop_limits = hops;
	memcpy(h->src_addr, src->b, 16);
	memcpy(h->dst_addr, dst->b, 16);
}
