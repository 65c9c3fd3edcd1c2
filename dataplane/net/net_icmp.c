/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP (RFC 792, 1122 3.2.2) and ICMPv6 (RFC 4443): echo, errors about TCP for tcp, a few errors of
 * ours. All that we answer is rate-limited and goes back where it came from on the link, so a
 * spoofed source makes no work for neighbour resolution. */
#include <rte_tcp.h>

#include "net_priv.h"

#define ECHO_INTERVAL_NS HD_NS_PER_MS /* 1,000 a second, 100 at once */
#define ECHO_BURST 100
#define ERROR_INTERVAL_NS (10 * HD_NS_PER_MS) /* 100 a second, 20 at once */
#define ERROR_BURST 20
#define ICMP_BYTES 8
#define ICMP4_ECHO_REPLY 0
#define ICMP4_UNREACHABLE 3
#define ICMP4_ECHO 8
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER 12
#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG 2
#define ICMP6_TIME_EXCEEDED 3
#define ICMP6_PARAMETER 4
#define ICMP6_ECHO 128
#define ICMP6_ECHO_REPLY 129
#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136
#define QUOTE4_BYTES 548 /* RFC 1812 4.3.2.3: the error is at most 576 bytes */
#define QUOTE6_BYTES (1280 - IP6_BYTES - ICMP_BYTES) /* RFC 4443 2.4 (c) */

struct icmp_wire {
	uint8_t type, code;
	uint16_t checksum;
	uint32_t word; /* MTU, pointer, identifier and sequence */
} __attribute__((packed, aligned(2))); /* behind 14 bytes of Ethernet */
_Static_assert(sizeof(struct icmp_wire) == ICMP_BYTES, "RFC 792");

/* Changes type in place, checksum included (RFC 1624 eqn. 3). */
static void become_reply(struct icmp_wire *w, uint8_t type)
{
	uint16_t before, after;

	memcpy(&before, w, 2);
	w->type = type;
	memcpy(&after, w, 2);
	w->checksum = cksum_finish((uint64_t)(uint16_t)~w->checksum + (uint16_t)~before + after);
}

/* Cuts everything in front of the ICMP header and puts fresh headers there: options of the request
 * are not echoed. */
static uint32_t send_reply(struct net *n, struct net_pkt *p)
{
	uint8_t to[6];

	memcpy(to, rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *)->src_addr.addr_bytes, 6);
	rte_pktmbuf_adj(p->m, p->l4);
	p->m->ol_flags = 0;
	if (hd_ip_is_v4(&p->src)) {
		net_ip4_push(n, p->m, &p->dst, &p->src, PROTO_ICMP, p->tos & 0xfc);
		net_eth_push(p->in, p->m, to, ETHERTYPE_IP4);
	} else {
		net_ip6_push(p->m, &p->dst, &p->src, PROTO_ICMP6, p->tos & 0xfc, NET_HOPS);
		net_eth_push(p->in, p->m, to, ETHERTYPE_IP6);
	}
	net_eth_output(n, p->in, p->m);
	return NET_TAKEN;
}

static uint32_t echo(struct net *n, struct net_pkt *p, struct icmp_wire *w, uint8_t reply)
{
	if (w->code != 0)
		return HD_NET_ICMP_MALFORMED;
	if (!net_bucket_take(&n->echo, n->now, ECHO_INTERVAL_NS, ECHO_BURST))
		return HD_NET_ICMP_RATE;
	become_reply(w, reply);
	return send_reply(n, p);
}

/* The TCP segment that an error quotes: its headers may be all there is of it. 0: it is none that
 * we can have sent. */
static int read_quote(const struct net *n, const struct net_pkt *p, struct flow_key *key,
		      uint32_t *seq)
{
	uint32_t at = p->l4 + ICMP_BYTES, left = p->l4_bytes - ICMP_BYTES, bytes;
	const struct rte_tcp_hdr *tcp;
	const uint8_t *q;

	if (left > 128)
		left = 128;
	if (left < IP4_BYTES || net_pull(p->m, at + left) != 0)
		return 0;
	q = rte_pktmbuf_mtod_offset(p->m, const uint8_t *, at);
	if (hd_ip_is_v4(&p->dst)) {
		const struct rte_ipv4_hdr *h = (const void *)q;

		bytes = (h->version_ihl & 15) * 4u;
		if (h->version_ihl >> 4 != 4 || bytes < IP4_BYTES ||
		    h->next_proto_id != PROTO_TCP ||
		    (rte_be_to_cpu_16(h->fragment_offset) & 0x1fff) != 0)
			return 0;
		key->local = hd_ip_from_v4(h->src_addr);
		key->remote = hd_ip_from_v4(h->dst_addr);
	} else {
		bytes = IP6_BYTES;
		if (left < IP6_BYTES || q[0] >> 4 != 6 ||
		    q[6] != PROTO_TCP) /* we send no extension headers */
			return 0;
		memcpy(key->local.b, q + 8, 16);
		memcpy(key->remote.b, q + 24, 16);
	}
	/* RFC 792: 8 bytes of it: ports and sequence number. */
	if (left < bytes + 8 || !hd_ip_eq(&key->local, &p->dst) || net_own_alone(n, &key->remote))
		return 0;
	tcp = (const void *)(q + bytes);
	key->local_port = rte_be_to_cpu_16(tcp->src_port);
	key->remote_port = rte_be_to_cpu_16(tcp->dst_port);
	*seq = rte_be_to_cpu_32(tcp->sent_seq);
	return 1;
}

static uint32_t report(struct net *n, struct net_pkt *p, enum net_icmp what, uint32_t mtu)
{
	struct flow_key key;
	uint32_t seq;

	if (!read_quote(n, p, &key, &seq))
		return HD_NET_ICMP_QUOTE;
	if (n->events.icmp != NULL)
		n->events.icmp(n->events.ctx, &key, seq, what, mtu);
	rte_pktmbuf_free(p->m);
	return NET_TAKEN;
}

/* RFC 1122 4.2.3.9 and what was prohibited since: whether a connect may give up at once. */
static enum net_icmp unreachable4(uint8_t code)
{
	switch (code) {
	case 4:
		return NET_ICMP_TOO_BIG;
	case 2: /* protocol */
	case 3: /* port */
	case 9:
	case 10:
	case 13: /* administratively prohibited, RFC 1812 5.2.7.1 */
		return NET_ICMP_HARD;
	default:
		return NET_ICMP_SOFT;
	}
}

uint32_t net_icmp4_input(struct net *n, struct net_pkt *p)
{
	struct icmp_wire *w;

	if (p->l4_bytes < ICMP_BYTES || net_pull(p->m, p->l4 + ICMP_BYTES) != 0)
		return HD_NET_ICMP_MALFORMED;
	if (cksum_chain(p->m, p->l4, p->l4_bytes) != 0xffff)
		return HD_NET_ICMP_CHECKSUM;
	w = rte_pktmbuf_mtod_offset(p->m, struct icmp_wire *, p->l4);
	switch (w->type) {
	case ICMP4_ECHO:
		return echo(n, p, w, ICMP4_ECHO_REPLY);
	case ICMP4_UNREACHABLE:
		return report(n, p, unreachable4(w->code), rte_be_to_cpu_32(w->word) & 0xffff);
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAMETER:
		return report(n, p, NET_ICMP_SOFT, 0);
	default:
		/* Redirects: our next hops are configured. Source quench: RFC 6633. */
		return HD_NET_ICMP_IGNORED;
	}
}

/* 4443 3.1: 1 administratively prohibited, 4 port, 5 and 6 policy and reject route. */
static enum net_icmp unreachable6(uint8_t code)
{
	return code == 1 || code == 4 || code == 5 || code == 6 ? NET_ICMP_HARD : NET_ICMP_SOFT;
}

uint32_t net_icmp6_input(struct net *n, struct net_pkt *p)
{
	struct icmp_wire *w;

	if (p->l4_bytes < ICMP_BYTES || net_pull(p->m, p->l4 + ICMP_BYTES) != 0)
		return HD_NET_ICMP_MALFORMED;
	if (cksum_fold(cksum_pseudo(&p->src, &p->dst, PROTO_ICMP6, p->l4_bytes) +
		       cksum_chain(p->m, p->l4, p->l4_bytes)) != 0xffff)
		return HD_NET_ICMP_CHECKSUM;
	w = rte_pktmbuf_mtod_offset(p->m, struct icmp_wire *, p->l4);
	if (w->type == ND_SOLICITATION)
		return net_nd_solicitation(n, p);
	if (w->type == ND_ADVERTISEMENT)
		return net_nd_advertisement(n, p);
	if (net_own_any(n, &p->src))
		return HD_NET_IP_LAND;
	/* Echo to a group is a tool of amplifiers; errors about our unicast segments come to a
	 * unicast address. */
	if (p->group || (p->src.q[0] == 0 && p->src.q[1] == 0))
		return HD_NET_IP_GROUP;
	switch (w->type) {
	case ICMP6_ECHO:
		return echo(n, p, w, ICMP6_ECHO_REPLY);
	case ICMP6_UNREACHABLE:
		return report(n, p, unreachable6(w->code), 0);
	case ICMP6_TOO_BIG:
		return report(n, p, NET_ICMP_TOO_BIG, rte_be_to_cpu_32(w->word));
	case ICMP6_PARAMETER: /* code 1: it does not know TCP */
		return report(n, p, w->code == 1 ? NET_ICMP_HARD : NET_ICMP_SOFT, 0);
	case ICMP6_TIME_EXCEEDED:
		return report(n, p, NET_ICMP_SOFT, 0);
	default:
		return HD_NET_ICMP_IGNORED;
	}
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e): none about an error, a group (except 4443's two exceptions, of
 * which we have the option one), or a source that is no single host. word: host order. */
void net_icmp_error(struct net *n, const struct net_pkt *p, uint8_t type, uint8_t code,
		    uint32_t word)
{
	int v4 = hd_ip_is_v4(&p->dst);
	uint32_t most = v4 ? QUOTE4_BYTES : QUOTE6_BYTES, quote = (uint32_t)p->m->data_len - p->l3;
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	const struct hd_ip *from = p->group ? net_if_source(p->in, &p->src) : &p->dst;
	struct rte_mbuf *m;
	struct icmp_wire *w;
	uint64_t sum;

	if (quote > most)
		quote = most;
	if (from == NULL || (p->src.q[0] == 0 && p->src.q[1] == 0) || net_own_any(n, &p->src))
		return;
	if (!net_bucket_take(&n->errors, n->now, ERROR_INTERVAL_NS, ERROR_BURST)) {
		hd_count(n->stats, HD_NET_ICMP_RATE);
		return;
	}
	m = net_frame(n);
	if (m == NULL)
		return;
	w = (void *)rte_pktmbuf_append(m, (uint16_t)(ICMP_BYTES + quote));
	*w = (struct icmp_wire){.type = type, .code = code, .word = rte_cpu_to_be_32(word)};
	memcpy(w + 1, rte_pktmbuf_mtod_offset(p->m, const void *, p->l3), quote);
	sum = v4 ? 0 : cksum_pseudo(from, &p->src, PROTO_ICMP6, ICMP_BYTES + quote);
	w->checksum = cksum_finish(cksum_add(sum, w, ICMP_BYTES + quote));
	if (v4)
		net_ip4_push(n, m, from, &p->src, PROTO_ICMP, 0);
	else
		net_ip6_push(m, from, &p->src, PROTO_ICMP6, 0, NET_HOPS);
	net_eth_push(p->in, m, eth->src_addr.addr_bytes, v4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
	net_eth_output(n, p->in, m);
}
