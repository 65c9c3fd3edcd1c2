/* SPDX-License-Identifier: Apache-2.0 */
/* TCP segments: received ones become facts for tcp, by a straight line when the packet is an
 * ordinary one; sent ones get their checksum and lower headers. */
#include <rte_tcp.h>

#include "net_priv.h"

#define TCP_MIN_BYTES 20

/* 1: good, 0: bad, -1: the device does not know. */
static inline int device_says(const struct net_if *i, const struct rte_mbuf *m)
{
	if (!(i->dev.rx_offloads & NET_RX_L4_CKSUM))
		return -1;
	switch (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
	case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
		return 1;
	case RTE_MBUF_F_RX_L4_CKSUM_BAD:
		return 0;
	default:
		return -1;
	}
}

/* Verifies the segment and fills payload_sum. The sum of everything is all ones, so of a segment
 * that is good the payload's sum follows from the header's alone. */
static inline int verify(const struct net_if *i, struct rte_mbuf *m, struct pkt_facts *f,
			 const uint8_t *tcp, uint64_t pseudo)
{
	uint16_t header = cksum_fold(cksum_add(pseudo, tcp, f->data_offset));
	int said = device_says(i, m);

	f->sum_at = (uint16_t)(m->data_off + f->tcp_offset + f->data_offset);
	f->payload_sum = (uint16_t)~header;
	if (hd_likely(m->next == NULL))
		m->ol_flags |= PKT_SUMMED;
	if (said >= 0)
		return said;
	if (hd_likely(m->next == NULL))
		pseudo += cksum_add(0, tcp, (size_t)f->data_offset + f->payload);
	else
		pseudo += cksum_chain(m, f->tcp_offset, (uint32_t)f->data_offset + f->payload);
	return cksum_fold(pseudo) == 0xffff;
}

/* The TCP header at f->tcp_offset, whose data offset was checked. */
static inline void read_header(struct pkt_facts *f, const struct rte_tcp_hdr *h)
{
	f->key.local_port = rte_be_to_cpu_16(h->dst_port);
	f->key.remote_port = rte_be_to_cpu_16(h->src_port);
	f->seq = rte_be_to_cpu_32(h->sent_seq);
	f->ack = rte_be_to_cpu_32(h->recv_ack);
	f->window = rte_be_to_cpu_16(h->rx_win);
	f->urgent = rte_be_to_cpu_16(h->tcp_urp);
	f->flags = h->tcp_flags;
}

/* In a flood most SYNs are nobody's, and each costs as much as a segment of a connection. */
static inline int is_shed(struct net *n, const struct rte_tcp_hdr *h)
{
	if (hd_likely((h->tcp_flags & (PKT_TCP_SYN | PKT_TCP_ACK)) != PKT_TCP_SYN))
		return 0;
	if (hd_unlikely(n->syns_left == 0))
		return 1;
	n->syns_left--;
	return 0;
}

/* The complete road's end: everything about addresses was checked. */
uint32_t net_seg_input(struct net *n, struct net_pkt *p)
{
	struct pkt_facts *f = pkt_facts(p->m);
	const struct rte_tcp_hdr *h;

	if (p->l4_bytes < TCP_MIN_BYTES || net_pull(p->m, p->l4 + TCP_MIN_BYTES) != 0)
		return HD_TCP_BAD_OFFSET;
	h = rte_pktmbuf_mtod_offset(p->m, const struct rte_tcp_hdr *, p->l4);
	f->data_offset = (h->data_off >> 4) * 4;
	if (f->data_offset < TCP_MIN_BYTES || f->data_offset > p->l4_bytes ||
	    net_pull(p->m, (uint32_t)p->l4 + f->data_offset) != 0)
		return HD_TCP_BAD_OFFSET;
	if (is_shed(n, h))
		return HD_NET_SYN_SHED;
	f->key.local = p->dst;
	f->key.remote = p->src;
	f->tcp_offset = p->l4;
	f->payload = p->l4_bytes - f->data_offset;
	f->tos = p->tos;
	f->port = p->in->index;
	if (!verify(p->in, p->m, f, (const uint8_t *)h,
		    cksum_pseudo(&p->src, &p->dst, PROTO_TCP, p->l4_bytes)))
		return HD_NET_TCP_CHECKSUM;
	read_header(f, h);
	f->hash = net_flow_hash(n, &f->key);
	return NET_PASS;
}

/* A remembered answer of net_own_at. */
static inline int is_ours(const struct net *n, const struct net_if *i, const struct hd_ip *ip)
{
	const struct net_own_hit *hit = &n->own_hits[net_own_hash(ip) % NET_OWN_HITS];

	return hit->port_plus_1 == i->index + 1u && hd_ip_eq(&hit->ip, ip);
}

static inline int is_for_mac(const struct net_if *i, const struct rte_ether_hdr *h)
{
	return memcmp(h->dst_addr.addr_bytes, i->dev.mac, 6) == 0 &&
	       !(h->src_addr.addr_bytes[0] & 1) &&
	       memcmp(h->src_addr.addr_bytes, i->dev.mac, 6) != 0;
}

static inline int ip_checksum_is_good(const struct net_if *i, const struct rte_mbuf *m,
				      const struct rte_ipv4_hdr *h)
{
	if (i->dev.rx_offloads & NET_RX_IP_CKSUM &&
	    (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return 1;
	return cksum_fold(cksum_add(0, h, IP4_BYTES)) == 0xffff;
}

/* The rest of the straight line, the same for both families. l4_bytes: by the IP header, already
 * found in the frame. */
static inline uint32_t fast_tcp(struct net *n, struct net_if *i, struct rte_mbuf *m,
				struct pkt_facts *f, uint32_t l4, uint32_t l4_bytes,
				uint64_t pseudo)
{
	const struct rte_tcp_hdr *h = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, l4);
	uint32_t header = (h->data_off >> 4) * 4u;

	if (header < TCP_MIN_BYTES || header > l4_bytes)
		return NET_TAKEN;
	if (is_shed(n, h))
		return HD_NET_SYN_SHED;
	f->data_offset = (uint8_t)header;
	f->tcp_offset = (uint16_t)l4;
	f->payload = (uint16_t)(l4_bytes - header);
	f->port = i->index;
	if (!verify(i, m, f, (const uint8_t *)h, pseudo))
		return NET_TAKEN;
	read_header(f, h);
	f->hash = net_flow_hash(n, &f->key);
	m->data_len = (uint16_t)(l4 + l4_bytes);
	m->pkt_len = l4 + l4_bytes;
	return NET_PASS;
}

static inline uint32_t fast_ip4(struct net *n, struct net_if *i, struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *h =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, ETH_BYTES);
	struct pkt_facts *f = pkt_facts(m);
	uint32_t total = rte_be_to_cpu_16(h->total_length), src = rte_be_to_cpu_32(h->src_addr);

	if (h->version_ihl != 0x45 || h->next_proto_id != PROTO_TCP ||
	    (h->fragment_offset & rte_cpu_to_be_16((uint16_t)~RTE_IPV4_HDR_DF_FLAG)) != 0)
		return NET_TAKEN;
	if (total < IP4_BYTES + TCP_MIN_BYTES || total + ETH_BYTES > m->data_len ||
	    !ip_checksum_is_good(i, m, h))
		return NET_TAKEN;
	f->key.local = hd_ip_from_v4(h->dst_addr);
	f->key.remote = hd_ip_from_v4(h->src_addr);
	if (src >> 24 == 0 || src >> 24 == 127 || src >= 0xe0000000 ||
	    net_own_maybe(n, &f->key.remote) || !is_ours(n, i, &f->key.local))
		return NET_TAKEN;
	f->tos = h->type_of_service;
	return fast_tcp(n, i, m, f, ETH_BYTES + IP4_BYTES, total - IP4_BYTES,
			(uint64_t)htons(PROTO_TCP) + htons((uint16_t)(total - IP4_BYTES)) +
				h->src_addr + h->dst_addr);
}

static inline uint32_t fast_ip6(struct net *n, struct net_if *i, struct rte_mbuf *m)
{
	const struct rte_ipv6_hdr *h =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, ETH_BYTES);
	struct pkt_facts *f = pkt_facts(m);
	uint32_t flow = rte_be_to_cpu_32(h->vtc_flow), bytes = rte_be_to_cpu_16(h->payload_len);

	if (flow >> 28 != 6 || h->proto != PROTO_TCP || bytes < TCP_MIN_BYTES ||
	    (uint32_t)m->data_len < ETH_BYTES + IP6_BYTES + bytes)
		return NET_TAKEN;
	memcpy(f->key.local.b, h->dst_addr, 16);
	memcpy(f->key.remote.b, h->src_addr, 16);
	if (f->key.remote.b[0] == 0xff || f->key.remote.q[0] == 0 ||
	    net_own_maybe(n, &f->key.remote) || !is_ours(n, i, &f->key.local))
		return NET_TAKEN;
	f->tos = (uint8_t)(flow >> 20);
	return fast_tcp(n, i, m, f, ETH_BYTES + IP6_BYTES, bytes,
			cksum_pseudo(&f->key.remote, &f->key.local, PROTO_TCP, bytes));
}

/* NET_PASS for an ordinary TCP segment to an address of ours; HD_NET_SYN_SHED for a SYN too many.
 * Anything else, wrong or merely unusual, has NET_TAKEN and is untouched: the complete road judges
 * it and names what is wrong. */
uint32_t net_seg_fast(struct net *n, struct net_if *i, struct rte_mbuf *m)
{
	const struct rte_ether_hdr *h = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);

	if (m->data_len < ETH_BYTES + IP4_BYTES + TCP_MIN_BYTES || m->nb_segs != 1 ||
	    !is_for_mac(i, h))
		return NET_TAKEN;
	if (h->ether_type == rte_cpu_to_be_16(ETHERTYPE_IP4))
		return fast_ip4(n, i, m);
	if (h->ether_type == rte_cpu_to_be_16(ETHERTYPE_IP6) &&
	    m->data_len >= ETH_BYTES + IP6_BYTES + TCP_MIN_BYTES)
		return fast_ip6(n, i, m);
	return NET_TAKEN;
}

/* The sum of a reference to most of a received payload, out of what is known of the whole: only the
 * rest is summed, mostly a head. Returns 0 when that is no gain. */
static int known_sum(struct rte_mbuf *seg, uint16_t *out)
{
	const struct pkt_facts *f;
	const uint8_t *buf = seg->buf_addr;
	uint32_t before, after, end;
	uint64_t sum;
	uint16_t part;

	if (!RTE_MBUF_CLONED(seg) || !(seg->ol_flags & PKT_SUMMED))
		return 0;
	f = pkt_facts(rte_mbuf_from_indirect(seg));
	before = (uint32_t)seg->data_off - f->sum_at;
	end = before + seg->data_len;
	after = f->payload - end;
	if (seg->data_off < f->sum_at || end > f->payload || before + after >= seg->data_len)
		return 0;
	sum = f->payload_sum;
	if (before != 0)
		sum += (uint16_t)~cksum_fold(cksum_add(0, buf + f->sum_at, before));
	if (after != 0) {
		part = (uint16_t)~cksum_fold(cksum_add(0, buf + f->sum_at + end, after));
		sum += end & 1 ? cksum_swap(part) : part;
	}
	part = cksum_fold(sum);
	*out = before & 1 ? cksum_swap(part) : part;
	return 1;
}

/* The folded sum of a whole chain. */
static uint16_t sum_chain(struct rte_mbuf *m)
{
	uint64_t sum = 0;
	uint32_t done = 0;

	for (; m != NULL; done += m->data_len, m = m->next) {
		uint16_t part;

		if (!known_sum(m, &part))
			part = cksum_fold(
				cksum_add(0, rte_pktmbuf_mtod(m, const void *), m->data_len));
		sum += done & 1 ? cksum_swap(part) : part;
	}
	return cksum_fold(sum);
}

/* Finishes the checksum in software. */
static void sum_segment(struct rte_mbuf *m, struct rte_tcp_hdr *h, uint64_t pseudo,
			int32_t payload_sum)
{
	uint32_t header = (h->data_off >> 4) * 4u;

	if (payload_sum >= 0)
		pseudo += cksum_add(0, h, header) + (uint32_t)payload_sum;
	else if (hd_likely(m->next == NULL))
		pseudo += cksum_add(0, h, m->data_len);
	else
		pseudo += sum_chain(m);
	h->cksum = cksum_finish(pseudo);
}

static void checksum(const struct net_if *i, struct rte_mbuf *m, const struct flow_key *key,
		     int32_t payload_sum)
{
	struct rte_tcp_hdr *h = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);
	int v4 = hd_ip_is_v4(&key->remote);
	uint64_t pseudo = cksum_pseudo(&key->local, &key->remote, PROTO_TCP, m->pkt_len);

	m->ol_flags = 0;
	if (!(i->dev.tx_offloads & NET_TX_L4_CKSUM)) {
		sum_segment(m, h, pseudo, payload_sum);
		return;
	}
	h->cksum = cksum_fold(pseudo);
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM | (v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	m->l2_len = ETH_BYTES;
	m->l3_len = v4 ? IP4_BYTES : IP6_BYTES;
	m->l4_len = (h->data_off >> 4) * 4u;
}

int net_xmit_tcp(struct net *n, struct rte_mbuf *m, const struct flow_key *key,
		 struct flow_path *path, uint8_t tos, int32_t payload_sum)
{
	struct net_neigh *g;
	struct net_if *i;

	if (hd_unlikely(path->valid != FLOW_PATH_KNOWN ||
			n->neigh.entries[path->neighbor].generation != path->generation) &&
	    net_route(n, key, path) != 0) {
		hd_count(n->stats, HD_NET_IP_NO_ROUTE);
		rte_pktmbuf_free(m);
		return 0;
	}
	g = &n->neigh.entries[path->neighbor];
	i = &n->ifs[g->port];
	checksum(i, m, key, payload_sum);
	if (hd_ip_is_v4(&key->remote))
		net_ip4_push(n, m, &key->local, &key->remote, PROTO_TCP, tos);
	else
		net_ip6_push(m, &key->local, &key->remote, PROTO_TCP, tos, NET_HOPS);
	if (hd_unlikely(n->now >= g->reachable_until)) {
		net_neigh_output(n, g, m);
		return i->n_tx >= NET_TX_BUSY;
	}
	g->used = n->now;
	memcpy(net_push(m, ETH_BYTES), g->l2, ETH_BYTES);
	return net_eth_output(n, i, m);
}

uint32_t net_busy_ports(const struct net *n)
{
	uint32_t busy = 0;

	for (uint32_t p = 0; p < HD_MAX_PORTS; p++)
		busy |= (uint32_t)(n->ifs[p].n_tx >= NET_TX_BUSY) << p;
	return busy;
}
