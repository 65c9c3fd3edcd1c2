/* SPDX-License-Identifier: Apache-2.0 */
/* Parsed-packet facts: what net learnt about a received frame, in the mbuf's private area.
 * Written by net for each received TCP segment, read by tcp. Addresses are IPv4-mapped (heddle/addr.h). */
#ifndef CORE_PKT_H
#define CORE_PKT_H

#include <rte_mbuf.h>

#include <heddle/addr.h>

#define PKT_TCP_FIN 0x01
#define PKT_TCP_SYN 0x02
#define PKT_TCP_RST 0x04
#define PKT_TCP_PSH 0x08
#define PKT_TCP_ACK 0x10
#define PKT_TCP_URG 0x20
#define PKT_TCP_ECE 0x40
#define PKT_TCP_CWR 0x80

/* The four-tuple as the owner of `local` sees it. Ports in host order. */
struct flow_key {
	struct hd_ip local, remote;
	uint16_t local_port, remote_port;
};

/* Where packets of a flow leave: filled by net on first use, opaque to tcp. All zero: not known yet; flow_path_reply: only
 * the port is known, and the next hop is looked for behind it first. */
struct flow_path {
	uint32_t neighbor;	/* index and generation in net's table */
	uint32_t generation;
	uint16_t mtu;		/* bytes of IP packet; 0: not known yet */
	uint8_t port;		/* index of the net port */
	uint8_t valid;		/* enum flow_path_valid */
};
enum flow_path_valid { FLOW_PATH_UNKNOWN, FLOW_PATH_KNOWN, FLOW_PATH_PORT };

/* A reply leaves by the port that the request came in by. */
static inline struct flow_path flow_path_reply(uint8_t port)
{
	return (struct flow_path){ .port = port, .valid = FLOW_PATH_PORT };
}

struct pkt_facts {
	struct flow_key key;	/* local: destination of the received packet */
	uint32_t hash;		/* keyed hash of key, by net; also picks the worker */
	uint32_t seq, ack;	/* host order */
	uint16_t window, urgent; /* host order, unscaled */
	uint8_t flags;		/* PKT_TCP_* */
	uint8_t data_offset;	/* bytes of TCP header, 20 to 60, verified to lie in the segment */
	uint8_t tos;		/* IPv4 TOS or IPv6 traffic class; ECN in the low two bits */
	uint8_t port;		/* index of the net port it came from */
	uint16_t tcp_offset;	/* from rte_pktmbuf_mtod to the TCP header; headers are contiguous in the first segment */
	uint16_t payload;	/* bytes after the TCP header; padding is already trimmed */
	uint16_t sum_at;	/* of the payload, from the start of the buffer: where it lies when headers were cut off */
	uint16_t payload_sum;	/* ones' complement sum of the payload as native 16-bit words from its first byte; counts when
				 * the mbuf has PKT_SUMMED */
};

/* In ol_flags of a received mbuf, and of references to it: payload_sum is that of the bytes at sum_at. Transmit then sums only
 * what is not forwarded of them. Who writes into a received payload says pkt_forget_sum first. */
#define PKT_SUMMED RTE_MBUF_F_LAST_FREE

static inline void pkt_forget_sum(struct rte_mbuf *m)
{
	m->ol_flags &= ~PKT_SUMMED;
}

/* The private area of every mbuf of ours (pools are made with PKT_PRIV_SIZE). */
#define PKT_PRIV_SIZE 128
_Static_assert(sizeof(struct pkt_facts) <= PKT_PRIV_SIZE, "facts fit the private area");

static inline struct pkt_facts *pkt_facts(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

#endif
