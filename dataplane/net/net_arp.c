/* SPDX-License-Identifier: Apache-2.0 */
/* ARP for IPv4 over Ethernet (RFC 826), with probes, announcements and defence (RFC 5227). */
#include <rte_arp.h>

#include "net_priv.h"

#define DEFEND_NS (10 * HD_NS_PER_S) /* RFC 5227 1.1 DEFEND_INTERVAL */

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void say(struct net *n, struct net_if *i, uint16_t operation, const uint8_t frame_to[6],
		uint32_t from_ip, const uint8_t to_mac[6], uint32_t to_ip)
{
	struct rte_mbuf *m = net_frame(n);
	struct rte_arp_hdr *h;

	if (m == NULL)
		return;
	h = (void *)rte_pktmbuf_append(m, sizeof(*h));
	h->arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER);
	h->arp_protocol = rte_cpu_to_be_16(ETHERTYPE_IP4);
	h->arp_hlen = 6;
	h->arp_plen = 4;
	h->arp_opcode = rte_cpu_to_be_16(operation);
	memcpy(h->arp_data.arp_sha.addr_bytes, i->dev.mac, 6);
	h->arp_data.arp_sip = from_ip;
	memcpy(h->arp_data.arp_tha.addr_bytes, to_mac, 6);
	h->arp_data.arp_tip = to_ip;
	net_eth_push(i, m, frame_to, ETHERTYPE_ARP);
	net_eth_output(n, i, m);
}

/* to: the MAC to ask alone (RFC 1122 2.3.2.1), NULL: everybody. */
void net_arp_solicit(struct net *n, struct net_if *i, const struct hd_ip *target, const uint8_t *to)
{
	static const uint8_t unknown[6];
	const struct hd_ip *from = net_if_source(i, target);

	say(n, i, RTE_ARP_OP_REQUEST, to != NULL ? to : everybody, from != NULL ? from->w[3] : 0,
	    unknown, target->w[3]);
}

void net_arp_probe(struct net *n, struct net_if *i, const struct hd_ip *ip)
{
	static const uint8_t unknown[6];

	say(n, i, RTE_ARP_OP_REQUEST, everybody, 0, unknown, ip->w[3]);
}

void net_arp_announce(struct net *n, struct net_if *i, const struct hd_ip *ip)
{
	static const uint8_t unknown[6];

	say(n, i, RTE_ARP_OP_REQUEST, everybody, ip->w[3], unknown, ip->w[3]);
}

static int is_well_formed(const struct rte_arp_hdr *h)
{
	uint16_t op = rte_be_to_cpu_16(h->arp_opcode);

	return h->arp_hardware == rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) &&
	       h->arp_protocol == rte_cpu_to_be_16(ETHERTYPE_IP4) && h->arp_hlen == 6 &&
	       h->arp_plen == 4 && (op == RTE_ARP_OP_REQUEST || op == RTE_ARP_OP_REPLY);
}

/* A MAC that one station may have. */
static int is_station(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6) != 0;
}

static int is_host(const struct net_if *i, uint32_t be32)
{
	uint32_t ip = rte_be_to_cpu_32(be32);

	return ip >> 24 != 0 && ip >> 24 != 127 && ip < 0xe0000000 && !net_own_broadcast(i, be32);
}

/* RFC 5227 2.4 (c): keep the address, say so at most once in ten seconds. */
static uint32_t defend(struct net *n, struct net_if *i, const struct hd_ip *claimed)
{
	if (n->now >= i->defend_after) {
		i->defend_after = n->now + DEFEND_NS;
		net_arp_announce(n, i, claimed);
	}
	return HD_NET_ARP_CONFLICT;
}

/* Who may answer for an address here: its own port, or, for a vip, the port whose subnet it lies
 * in. */
static int answers_for(struct net *n, const struct net_if *i, const struct hd_ip *ip)
{
	return net_own_at(n, i, ip) && net_if_on_link(i, ip);
}

uint32_t net_arp_input(struct net *n, struct net_if *i, struct rte_mbuf *m)
{
	const struct rte_arp_hdr *h;
	const struct rte_arp_ipv4 *a;
	struct hd_ip sender, target;

	if (net_pull(m, ETH_BYTES + sizeof(*h)) != 0)
		return HD_NET_ARP_MALFORMED;
	h = rte_pktmbuf_mtod_offset(m, const struct rte_arp_hdr *, ETH_BYTES);
	a = &h->arp_data;
	if (!is_well_formed(h) || !is_station(a->arp_sha.addr_bytes) ||
	    (a->arp_sip != 0 && !is_host(i, a->arp_sip)))
		return HD_NET_ARP_MALFORMED;
	sender = hd_ip_from_v4(a->arp_sip);
	target = hd_ip_from_v4(a->arp_tip);
	if (net_own_any(n, &sender) && !net_leaving_cede(n, &sender))
		return answers_for(n, i, &sender) ? defend(n, i, &sender) : HD_NET_ARP_CONFLICT;
	if (h->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REPLY)) {
		int to_us = memcmp(a->arp_tha.addr_bytes, i->dev.mac, 6) == 0;

		net_neigh_learn(n, i, &sender, a->arp_sha.addr_bytes,
				to_us ? NEIGH_NEWS_ANSWER : NEIGH_NEWS_CLAIM);
		rte_pktmbuf_free(m);
		return NET_TAKEN;
	}
	if (a->arp_sip == 0 && net_leaving_cede(n, &target)) /* RFC 5227 2.1.1: a probe */
		return HD_NET_ARP_NOT_OURS;
	if (!answers_for(n, i, &target)) {
		/* RFC 826: what we know of the sender is brought up to date whoever was asked. */
		net_neigh_learn(n, i, &sender, a->arp_sha.addr_bytes, NEIGH_NEWS_CLAIM);
		return HD_NET_ARP_NOT_OURS;
	}
	if (a->arp_sip != 0)
		net_neigh_learn(n, i, &sender, a->arp_sha.addr_bytes, NEIGH_NEWS_ASKED);
	say(n, i, RTE_ARP_OP_REPLY, a->arp_sha.addr_bytes, a->arp_tip, a->arp_sha.addr_bytes,
	    a->arp_sip);
	rte_pktmbuf_free(m);
	return NET_TAKEN;
}
