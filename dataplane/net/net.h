/* SPDX-License-Identifier: Apache-2.0 */
/* From frames to facts and back: Ethernet, ARP, IPv4, IPv6, neighbour discovery, ICMP echo and errors, routes.
 * One `struct net` a worker. Time is an argument. What is dropped has a counted name in HD_NET_DROPS.
 * net answers ARP, ND and echo itself; TCP segments for addresses of ours come out of net_rx with facts filled in. */
#ifndef NET_NET_H
#define NET_NET_H

#include <heddle/msg.h>
#include <heddle/node.h>
#include <heddle/stats.h>

#include "pkt.h"

struct net;

/* A device as net sees it: two calls a burst, so that a NIC, a ring to another lcore and the simulator's link look alike.
 * net_port.c makes one of any DPDK ethdev. */
struct net_device {
	uint16_t (*rx)(void *dev, struct rte_mbuf **pkts, uint16_t n);
	/* Consumes the first k of n packets, k is returned. */
	uint16_t (*tx)(void *dev, struct rte_mbuf **pkts, uint16_t n);
	/* Before tx: fixes up what the driver wants fixed. Stops at the first that the device will never send. NULL: not needed. */
	uint16_t (*prepare)(void *dev, struct rte_mbuf **pkts, uint16_t n);
	void *dev;
	uint8_t mac[6];
	uint16_t mtu;		/* bytes of IP packet */
	uint32_t rx_offloads;	/* NET_RX_* that the device does */
	uint32_t tx_offloads;	/* NET_TX_* */
};
#define NET_RX_IP_CKSUM 1	/* ol_flags say good, bad or unknown; unknown is checked in software */
#define NET_RX_L4_CKSUM 2
#define NET_TX_IP_CKSUM 1
#define NET_TX_L4_CKSUM 2
#define NET_TX_MULTI_SEG 4	/* else chains are made linear by net */
#define NET_TX_REFCOUNTED 8	/* shared (refcnt > 1) and indirect mbufs may be handed over; else they are copied */

/* Prepares n packets; those that the device will never send are counted and freed. How many are left. */
uint16_t net_device_prepare(const struct net_device *d, struct rte_mbuf **pkts, uint16_t n, struct hd_worker_stats *stats);

struct net_config {
	const struct hd_node *node;
	uint64_t secret[2];	/* keys the flow hash and IP ids */
};

/* devices: one for each node port, same order. pool: for frames that net makes. NULL when memory is out. */
[[nodiscard]] struct net *net_create(const struct net_config *c, const struct net_device *devices, struct rte_mempool *pool,
				     struct hd_worker_stats *stats, hd_ns now, int socket);
void net_destroy(struct net *n);

/* Owned addresses beside the ports' own: sorted by memcmp by the caller, must outlive the next call (they lie in the snapshot). */
void net_set_vips(struct net *n, const struct hd_ip *ips, uint32_t count);
/* Those that this took away stay ours while connections use them. The owner sweeps: a mark for the local address of each
 * connection, then the drop, which lets go of what has no mark since the last one. */
uint32_t net_n_leaving(const struct net *n);
void net_leaving_mark(struct net *n, const struct hd_ip *ip);
void net_leaving_drop(struct net *n);

/* Those of them that others have too, beyond our subnets: packets may come from there. The same way. */
void net_set_elsewhere(struct net *n, const struct hd_ip *ips, uint32_t count);

/* One burst of one port: receives up to `max`, handles what is net's, returns TCP segments with facts in out. received: how many
 * frames there were. */
uint16_t net_rx(struct net *n, uint32_t port, struct rte_mbuf **out, uint16_t max, hd_ns now, int *received);
/* So many SYNs pass from now on; what comes beyond is thrown away before anything of it is looked at. UINT32_MAX at first. */
void net_allow_syns(struct net *n, uint32_t syns);
uint32_t net_syns_left(const struct net *n);
/* Sends what is queued on all ports. True: something was sent. */
int net_tx_flush(struct net *n);
/* ARP, ND and cache timers. */
void net_timers_run(struct net *n, hd_ns now);
hd_ns net_next_deadline(const struct net *n);

/* Call-backs towards tcp; set once. */
enum net_icmp { NET_ICMP_SOFT, NET_ICMP_HARD, NET_ICMP_TOO_BIG }; /* the same values as enum tcp_icmp */
struct net_events {
	/* From within net_rx. mtu: as the message says, for NET_ICMP_TOO_BIG. */
	void (*icmp)(void *ctx, const struct flow_key *key, uint32_t quoted_seq, enum net_icmp what, uint32_t mtu);
	/* From within net_timers_run. */
	void (*unreachable)(void *ctx, const struct flow_key *key); /* a neighbour could not be resolved; once for each queued packet */
	void *ctx;
};
void net_set_events(struct net *n, const struct net_events *ev);

/* tcp_ops of the same names. */
int net_xmit_tcp(struct net *n, struct rte_mbuf *m, const struct flow_key *key,
		 struct flow_path *path, uint8_t tos, int32_t payload_sum);
uint32_t net_busy_ports(const struct net *n);
int net_route(struct net *n, const struct flow_key *key, struct flow_path *path);
void net_confirm(struct net *n, const struct flow_path *path);
uint32_t net_flow_hash(const struct net *n, const struct flow_key *key);

/* The source address to use towards a remote: of the port that the route leaves by. -EHOSTUNREACH without route. */
[[nodiscard]] int net_source_address(const struct net *n, const struct hd_ip *remote, struct hd_ip *local);
/* Which side a port serves (heddle/node.h). */
enum hd_side net_port_side(const struct net *n, uint32_t port);

/* Fills rows for `show neighbors`; returns how many there are. */
uint32_t net_neighbors(const struct net *n, struct hd_dump_neighbor *rows, uint32_t capacity, hd_ns now);

#endif
