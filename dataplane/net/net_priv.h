/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of net share. */
#ifndef NET_PRIV_H
#define NET_PRIV_H

#include <assert.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "core_list.h"
#include "core_wheel.h"
#include "net.h"
#include "net_cksum.h"
#include "net_neigh.h"

#define ETH_BYTES 14
#define IP4_BYTES 20
#define IP6_BYTES 40
#define ETHERTYPE_IP4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_IP6 0x86dd
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMP6 58

#define NET_HOPS 64 /* TTL and hop limit of what we send */
#define NET_TX_QUEUE 512
#define NET_TX_BUSY 384 /* from here on data wait: the rest is for acknowledgements */
#define NET_FILTER_BITS 15
#define NET_OWN_HITS 64
#define NET_MAX_LEAVING 4096
#define NET_MAX_ADDRS (HD_MAX_PORT_ADDRESSES + 1) /* and the link-local one */
#define NET_MAX_ALL_ROUTES (HD_MAX_PORTS * NET_MAX_ADDRS + HD_MAX_ROUTES)

/* What became of a received packet: a row of HD_COUNTERS (count it and free it), or one of these.
 */
enum net_verdict {
	NET_PASS = HD_COUNTER_MAX, /* a TCP segment with its facts, for tcp */
	NET_TAKEN,		   /* net kept or freed it */
};

struct net_addr {
	struct hd_prefix prefix; /* the address itself with its subnet's length */
	uint32_t broadcast;	 /* network order; 0: none */
	uint8_t duplicate;	 /* taken by another station at start: not used (RFC 4862 5.4.5) */
};

struct net_if {
	struct net_device dev;
	enum hd_side side;
	uint8_t index;
	uint16_t vlan; /* 802.1Q; 0: none */
	uint16_t n_tx;
	uint32_t n_addrs;
	hd_ns defend_after; /* RFC 5227 2.4 (c): one defence in ten seconds */
	struct net_addr addrs[NET_MAX_ADDRS];
	struct rte_mbuf *tx[NET_TX_QUEUE];
};

/* A token bucket: `burst` at once, then one each `interval`. */
struct net_bucket {
	hd_ns full_at; /* when it will be full again */
};

struct net_route {
	struct hd_prefix to;
	struct hd_ip via; /* zero: on-link */
	uint8_t port;
};

/* A positive answer of net_own_at, remembered. */
struct net_own_hit {
	struct hd_ip ip;
	uint32_t port_plus_1;
};

struct net {
	struct hd_worker_stats *stats;
	struct rte_mempool *pool;
	hd_ns now; /* of this turn */
	uint32_t syns_left; /* net_allow_syns */
	uint64_t hash_key[4];
	uint64_t id_state, id_key;
	struct net_events events;

	const struct hd_ip *vips;
	uint32_t n_vips;
	/* Vips that the policy took away while connections may use them (net_leaving.c), sorted. */
	uint32_t n_leaving;
	struct hd_ip leaving[NET_MAX_LEAVING];
	uint8_t leaving_used[NET_MAX_LEAVING]; /* in the sweep that goes on */
	const struct hd_ip *elsewhere;
	uint32_t n_elsewhere;
	/* One bit for each hash of an address of ours or a broadcast address: clear means neither.
	 */
	uint64_t own_filter[(1 << NET_FILTER_BITS) / 64];
	struct net_own_hit own_hits[NET_OWN_HITS];

	struct net_bucket echo, errors;
	struct wheel wheel;
	struct net_neigh_table neigh;

	/* Start-up and reload announcements (net_announce.c). */
	struct wheel_timer announce_timer;
	uint32_t announce_round, announce_next;
	hd_ns tentative_until; /* duplicate address detection runs until then */

	uint32_t n_routes;
	struct net_route routes[NET_MAX_ALL_ROUTES]; /* longest prefix first */
	uint32_t n_ifs;
	struct net_if ifs[HD_MAX_PORTS];
};

/* One received packet on its way through the slow, complete road. */
struct net_pkt {
	struct rte_mbuf *m;
	struct net_if *in;
	struct hd_ip src, dst;
	uint16_t l3, l4;   /* offsets from mtod; what lies before l4 is contiguous */
	uint16_t l4_bytes; /* behind l4; padding is trimmed */
	uint8_t protocol, hops, tos;
	uint8_t group; /* dst is a multicast address */
};

/* net.c */
int net_pull(struct rte_mbuf *m, uint32_t bytes);
void net_trim(struct rte_mbuf *m, uint32_t bytes);
struct rte_mbuf *net_frame(struct net *n);
int net_bucket_take(struct net_bucket *b, hd_ns now, hd_ns interval, uint32_t burst);

/* net_eth.c */
uint32_t net_eth_input(struct net *n, struct net_if *i, struct rte_mbuf *m);
int net_eth_output(struct net *n, struct net_if *i, struct rte_mbuf *m);
void net_eth_push(const struct net_if *i, struct rte_mbuf *m, const uint8_t to[6],
		  uint16_t ethertype);
void net_eth_flush(struct net *n, struct net_if *i);

/* net_ip4.c, net_ip6.c */
uint32_t net_ip4_input(struct net *n, struct net_pkt *p);
uint32_t net_ip6_input(struct net *n, struct net_pkt *p);
void net_ip4_push(struct net *n, struct rte_mbuf *m, const struct hd_ip *src,
		  const struct hd_ip *dst, uint8_t protocol, uint8_t tos);
void net_ip6_push(struct rte_mbuf *m, const struct hd_ip *src, const struct hd_ip *dst,
		  uint8_t protocol, uint8_t tos, uint8_t hops);
uint16_t net_ip4_id(struct net *n);

/* net_seg.c */
uint32_t net_seg_fast(struct net *n, struct net_if *i, struct rte_mbuf *m);
uint32_t net_seg_input(struct net *n, struct net_pkt *p);

/* net_icmp.c */
uint32_t net_icmp4_input(struct net *n, struct net_pkt *p);
uint32_t net_icmp6_input(struct net *n, struct net_pkt *p);
void net_icmp_error(struct net *n, const struct net_pkt *p, uint8_t type, uint8_t code,
		    uint32_t word);

/* net_arp.c */
uint32_t net_arp_input(struct net *n, struct net_if *i, struct rte_mbuf *m);
void net_arp_solicit(struct net *n, struct net_if *i, const struct hd_ip *target,
		     const uint8_t *to);
void net_arp_probe(struct net *n, struct net_if *i, const struct hd_ip *ip);
void net_arp_announce(struct net *n, struct net_if *i, const struct hd_ip *ip);

/* net_nd.c */
uint32_t net_nd_solicitation(struct net *n, struct net_pkt *p);
uint32_t net_nd_advertisement(struct net *n, struct net_pkt *p);
void net_nd_solicit(struct net *n, struct net_if *i, const struct hd_ip *target, const uint8_t *to);
void net_nd_probe(struct net *n, struct net_if *i, const struct hd_ip *ip);
void net_nd_announce(struct net *n, struct net_if *i, const struct hd_ip *ip);

/* net_announce.c */
void net_announce_start(struct net *n);
void net_announce_vips(struct net *n);
void net_announce_run(struct net *n);

/* net_leaving.c */
void net_leaving_update(struct net *n, const struct hd_ip *old, uint32_t count);
int net_leaving_has(const struct net *n, const struct hd_ip *ip);
int net_leaving_cede(struct net *n, const struct hd_ip *ip);

/* net_route.c */
void net_routes_build(struct net *n, const struct hd_node *node);
const struct net_route *net_route_find(const struct net *n, const struct hd_ip *remote, int port);
const struct hd_ip *net_if_source(const struct net_if *i, const struct hd_ip *towards);
int net_if_on_link(const struct net_if *i, const struct hd_ip *ip);

/* net_own.c */
void net_own_build(struct net *n);
int net_own_at(struct net *n, const struct net_if *i, const struct hd_ip *ip);
int net_own_any(const struct net *n, const struct hd_ip *ip);
int net_own_vip(const struct net *n, const struct hd_ip *ip);
/* Where it stands among sorted addresses, or should stand. */
uint32_t net_own_place(const struct hd_ip *sorted, uint32_t count, const struct hd_ip *ip);
/* Nobody else has it: what says that it comes from there is forged. */
int net_own_alone(const struct net *n, const struct hd_ip *ip);
int net_own_broadcast(const struct net_if *i, uint32_t be32);

/* Room for a header in front. All headroom is ours: tcp and net_frame leave RTE_PKTMBUF_HEADROOM
 * free below their data. */
static inline void *net_push(struct rte_mbuf *m, uint16_t bytes)
{
	assert(m->data_off >= bytes);
	m->data_off -= bytes;
	m->data_len += bytes;
	m->pkt_len += bytes;
	return rte_pktmbuf_mtod(m, void *);
}

static inline uint32_t net_own_hash(const struct hd_ip *ip)
{
	return (uint32_t)(((ip->q[0] * UINT64_C(0xff51afd7ed558ccd)) ^ ip->q[1]) *
				  UINT64_C(0x9e3779b97f4a7c15) >>
			  (64 - NET_FILTER_BITS));
}

/* 0: certainly neither ours nor a broadcast address. */
static inline int net_own_maybe(const struct net *n, const struct hd_ip *ip)
{
	uint32_t h = net_own_hash(ip);

	return (n->own_filter[h / 64] >> (h % 64)) & 1;
}

/* ::ffff:0:0/96 on the wire would be taken for IPv4 (RFC 4942 2.2); :: and ::1 are no host on a
 * link. */
static inline int net_ip6_is_special(const struct hd_ip *ip)
{
	return ip->q[0] == 0 && (hd_ip_is_v4(ip) || ip->q[1] == 0 || ip->q[1] == htobe64(1));
}

static inline int net_ip_is_link_local(const struct hd_ip *ip)
{
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

#endif
