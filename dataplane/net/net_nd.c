/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbour discovery (RFC 4861) for a host with fixed addresses: solicitations and advertisements,
 * nothing of routers. */
#include "net_priv.h"

#define ND_SOLICIT 135
#define ND_ADVERT 136
#define OPTION_SOURCE_MAC 1
#define OPTION_TARGET_MAC 2
#define FLAG_SOLICITED 0x40
#define FLAG_OVERRIDE 0x20
#define DEFEND_NS (10 * HD_NS_PER_S)

struct nd_wire {
	uint8_t type, code;
	uint16_t checksum;
	uint8_t flags, reserved[3];
	uint8_t target[16];
	uint8_t option, option_units, mac[6]; /* one link-layer address, when there is one */
};
_Static_assert(sizeof(struct nd_wire) == 32, "RFC 4861 4.3, 4.4 with one 8-byte option");
#define ND_FIXED_BYTES 24

static const struct hd_ip all_nodes = {.b = {0xff, 2, [15] = 1}};

/* RFC 4291 2.7.1 */
static struct hd_ip solicited_node(const struct hd_ip *ip)
{
	struct hd_ip group = {.b = {0xff, 2, [11] = 1, [12] = 0xff}};

	memcpy(group.b + 13, ip->b + 13, 3);
	return group;
}

static void group_mac(const struct hd_ip *group, uint8_t mac[6])
{
	mac[0] = mac[1] = 0x33;
	memcpy(mac + 2, group->b + 12, 4);
}

/* option: 0 for none, else ours is told. to_mac NULL: dst is a group. */
static void say(struct net *n, struct net_if *i, uint8_t type, uint8_t flags, uint8_t option,
		const struct hd_ip *src, const struct hd_ip *dst, const uint8_t *to_mac,
		const struct hd_ip *target)
{
	uint16_t bytes = option != 0 ? sizeof(struct nd_wire) : ND_FIXED_BYTES;
	struct rte_mbuf *m = net_frame(n);
	struct nd_wire w = {.type = type, .flags = flags, .option = option, .option_units = 1};
	uint8_t mac[6];

	if (m == NULL)
		return;
	memcpy(w.target, target->b, 16);
	memcpy(w.mac, i->dev.mac, 6);
	w.checksum = cksum_finish(cksum_add(cksum_pseudo(src, dst, PROTO_ICMP6, bytes), &w, bytes));
	memcpy(rte_pktmbuf_append(m, bytes), &w, bytes);
	net_ip6_push(m, src, dst, PROTO_ICMP6, 0, 255);
	if (to_mac == NULL)
		group_mac(dst, mac);
	net_eth_push(i, m, to_mac != NULL ? to_mac : mac, ETHERTYPE_IP6);
	net_eth_output(n, i, m);
}

void net_nd_solicit(struct net *n, struct net_if *i, const struct hd_ip *target, const uint8_t *to)
{
	const struct hd_ip *src = net_if_source(i, target);
	struct hd_ip group = solicited_node(target);

	if (src != NULL)
		say(n, i, ND_SOLICIT, 0, OPTION_SOURCE_MAC, src, to != NULL ? target : &group, to,
		    target);
}

/* Duplicate address detection (RFC 4862 5.4.2): from the unspecified address, without option. */
void net_nd_probe(struct net *n, struct net_if *i, const struct hd_ip *ip)
{
	static const struct hd_ip unspecified;
	struct hd_ip group = solicited_node(ip);

	say(n, i, ND_SOLICIT, 0, 0, &unspecified, &group, NULL, ip);
}

void net_nd_announce(struct net *n, struct net_if *i, const struct hd_ip *ip)
{
	say(n, i, ND_ADVERT, FLAG_OVERRIDE, OPTION_TARGET_MAC, ip, &all_nodes, NULL, ip);
}

/* The checks that solicitations and advertisements share (7.1.1, 7.1.2); the checksum was checked.
 * mac: NULL when no option of kind `wanted` is there. NULL: malformed. */
static const struct nd_wire *parse(const struct net_pkt *p, uint8_t wanted, const uint8_t **mac)
{
	const struct nd_wire *w;
	uint32_t at = ND_FIXED_BYTES;

	*mac = NULL;
	if (p->hops != 255 || p->l4_bytes < ND_FIXED_BYTES ||
	    net_pull(p->m, (uint32_t)p->l4 + p->l4_bytes) != 0)
		return NULL;
	w = rte_pktmbuf_mtod_offset(p->m, const struct nd_wire *, p->l4);
	if (w->code != 0 || w->target[0] == 0xff)
		return NULL;
	while (at < p->l4_bytes) {
		const uint8_t *o = (const uint8_t *)w + at;
		uint32_t left = p->l4_bytes - at;

		if (left < 2 || o[1] == 0 || o[1] * 8u > left)
			return NULL;
		if (o[0] == wanted) {
			if (o[1] != 1 || o[2] & 1)
				return NULL;
			*mac = o + 2;
		}
		at += o[1] * 8u;
	}
	return w;
}

static int answers_for(struct net *n, const struct net_if *i, const struct hd_ip *ip)
{
	return net_own_at(n, i, ip) && net_if_on_link(i, ip);
}

uint32_t net_nd_solicitation(struct net *n, struct net_pkt *p)
{
	const uint8_t *mac;
	const struct nd_wire *w = parse(p, OPTION_SOURCE_MAC, &mac);
	int probe = p->src.q[0] == 0 && p->src.q[1] == 0;
	/* RFC 4429 3.3: while an address of ours is still being probed we do not override. */
	uint8_t flags = n->now < n->tentative_until ? 0 : FLAG_OVERRIDE;
	struct hd_ip target, group;

	if (w == NULL)
		return HD_NET_ND_MALFORMED;
	memcpy(target.b, w->target, 16);
	group = solicited_node(&target);
	if (probe && (mac != NULL || !hd_ip_eq(&p->dst, &group)))
		return HD_NET_ND_MALFORMED;
	if (!answers_for(n, p->in, &target) || (probe && net_leaving_cede(n, &target)))
		return HD_NET_ND_NOT_OURS;
	if (net_own_any(n, &p->src))
		return HD_NET_ND_CONFLICT;
	if (probe) {
		say(n, p->in, ND_ADVERT, flags, OPTION_TARGET_MAC, &target, &all_nodes, NULL,
		    &target);
	} else {
		const struct rte_ether_hdr *eth =
			rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);

		if (mac != NULL)
			net_neigh_learn(n, p->in, &p->src, mac, NEIGH_NEWS_ASKED);
		say(n, p->in, ND_ADVERT, flags | FLAG_SOLICITED, OPTION_TARGET_MAC, &target,
		    &p->src, mac != NULL ? mac : eth->src_addr.addr_bytes, &target);
	}
	rte_pktmbuf_free(p->m);
	return NET_TAKEN;
}

/* Somebody else advertises an address of ours. In the first second it had it before us: RFC
 * 4862 5.4.5. */
static uint32_t conflict(struct net *n, struct net_if *i, const struct hd_ip *ip)
{
	if (n->now < n->tentative_until) {
		for (uint32_t a = 0; a < i->n_addrs; a++) {
			if (!hd_ip_eq(&i->addrs[a].prefix.ip, ip))
				continue;
			i->addrs[a].duplicate = 1;
			net_own_build(n);
			return HD_NET_ND_DUPLICATE;
		}
	}
	if (n->now >= i->defend_after) {
		i->defend_after = n->now + DEFEND_NS;
		net_nd_announce(n, i, ip);
	}
	return HD_NET_ND_CONFLICT;
}

uint32_t net_nd_advertisement(struct net *n, struct net_pkt *p)
{
	const uint8_t *mac;
	const struct nd_wire *w = parse(p, OPTION_TARGET_MAC, &mac);
	struct hd_ip target;
	struct net_neigh *g;
	int solicited;

	if (w == NULL || (w->flags & FLAG_SOLICITED && p->group))
		return HD_NET_ND_MALFORMED;
	memcpy(target.b, w->target, 16);
	if (answers_for(n, p->in, &target) && !net_leaving_cede(n, &target))
		return conflict(n, p->in, &target);
	if (net_own_any(n, &p->src))
		return HD_NET_IP_LAND;
	g = net_neigh_find(n, p->in, &target);
	if (g == NULL || (mac == NULL && !net_neigh_usable(g)))
		return HD_NET_ND_NOT_OURS; /* 7.2.5: nobody waits for it */
	solicited = (w->flags & FLAG_SOLICITED) != 0;
	if (mac == NULL || (net_neigh_usable(g) && memcmp(g->l2, mac, 6) == 0)) {
		if (solicited)
			net_neigh_confirm(n, g);
	} else if (!(w->flags & FLAG_OVERRIDE) && net_neigh_usable(g)) {
		net_neigh_learn(n, p->in, &target, mac, NEIGH_NEWS_CLAIM_WEAK);
	} else {
		net_neigh_learn(n, p->in, &target, mac,
				solicited ? NEIGH_NEWS_ANSWER : NEIGH_NEWS_CLAIM);
	}
	rte_pktmbuf_free(p->m);
	return NET_TAKEN;
}
