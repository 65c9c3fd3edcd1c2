/* SPDX-License-Identifier: Apache-2.0 */
/* A net with two ports on fake devices, and frames to feed it with: for the unit tests of net
 * alone.
 *
 * Port 0: 10.1.0.1/24, fd00:1::1/64, MAC 02::01; port 1: 10.2.0.1/24, fd00:2::1/64, MAC 02::02;
 * default routes by 10.1.0.254 and fd00:1::fe; vips 10.1.0.10, 10.96.0.1, fd00:1::10. The far
 * station of a test has MAC 02::99. */
#ifndef NET_WORLD_H
#define NET_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_device.h"
#include "net.h"

struct world {
	struct rte_mempool *pool;
	struct hd_node node;
	struct hd_worker_stats stats;
	struct fake_device dev[2];
	struct net_device as_net[2];
	struct net *net;
	hd_ns now;
	uint32_t free_before; /* of the pool */

	/* What net told tcp. */
	uint32_t n_icmp, n_unreachable, icmp_seq, icmp_mtu;
	enum net_icmp icmp_what;
	struct flow_key icmp_key, lost_key;
};

struct frame {
	uint8_t b[2048];
	uint32_t n;
};

struct tcp_args {
	const char *src, *dst;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
	const void *options, *data;
	uint32_t n_options, n_data;
};

extern const uint8_t world_far_mac[6];

/* EAL and the pool, once a program; argv[0] names the file prefix. */
int world_group_setup(void **state);
int world_setup(void **state);	  /* announcements are over */
int world_teardown(void **state); /* fails when an mbuf leaked */
struct world *world_create(int settle);

/* Frames from the far station to port 0's MAC (IPv6: or the group's). */
void frame_ip(struct frame *f, const char *src, const char *dst, uint8_t protocol, const void *l4,
	      uint32_t n);
void frame_tcp(struct frame *f, const struct tcp_args *a);
/* ICMP of either family: type, code, the second word in network order, then data; checksum right.
 */
void frame_icmp(struct frame *f, const char *src, const char *dst, uint8_t type, uint8_t code,
		uint32_t word, const void *data, uint32_t n);
void frame_arp(struct frame *f, uint16_t op, const uint8_t sha[6], const char *spa,
	       const uint8_t tha[6], const char *tpa);
/* Neighbour discovery with an optional 8-byte option (type 0: none). */
void frame_nd(struct frame *f, uint8_t type, const char *src, const char *dst, uint8_t flags,
	      const char *target, uint8_t option, const uint8_t mac[6]);
void frame_fix_ip4(struct frame *f); /* header checksum, after a change */

/* Receives f on a port; how many segments came out (their facts: world_facts). */
uint32_t world_rx(struct world *w, uint32_t port, const struct frame *f);
uint32_t world_rx_chain(struct world *w, uint32_t port, const struct frame *f, uint32_t seg_bytes);
const struct pkt_facts *world_facts(void); /* of the segment that came out last */
const uint8_t *world_segment(uint32_t *n); /* its TCP header, and bytes from there on */
/* The next frame that a port sent; 0: none. */
uint32_t world_sent(struct world *w, uint32_t port, struct frame *f);
void world_pass(struct world *w, hd_ns ns); /* time, in steps of 10 ms, with timers and flushes */
uint64_t world_count(const struct world *w, enum hd_counter c);
/* Sends a TCP segment of ours with n bytes of data; what net_xmit_tcp says. */
int world_xmit(struct world *w, const char *local, const char *remote, struct flow_path *path,
	       uint32_t n);
struct hd_ip ip_of(const char *text);

#endif
