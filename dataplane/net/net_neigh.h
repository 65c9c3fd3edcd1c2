/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours: who on the link has which MAC address, for IPv4 (RFC 826) and IPv6 (RFC 4861 7.3)
 * alike. Capped; peers in use outlive any flood of new ones. Time is net->now. */
#ifndef NET_NEIGH_H
#define NET_NEIGH_H

#include <rte_mbuf.h>

#include <heddle/addr.h>

#include "core_list.h"
#include "core_wheel.h"
#include "pkt.h"

struct net;
struct net_if;

#define NEIGH_BITS 13
#define NEIGH_MAX (1 << NEIGH_BITS) /* entries in all */
#define NEIGH_MAX_HEARD 1024  /* learnt from others' requests and never used by us */
#define NEIGH_MAX_PENDING 512 /* being resolved */
#define NEIGH_MAX_FAILED 1024 /* negative cache */
#define NEIGH_QUEUE 64	      /* packets that wait for one: a burst of connections to a new backend */
#define NEIGH_QUEUE_SURE 3    /* of them in any case; the others as long as NEIGH_QUEUE_ALL wait in all */
#define NEIGH_QUEUE_ALL 1024

#define NEIGH_REACHABLE_NS (30 * HD_NS_PER_S) /* RFC 4861 10 */
#define NEIGH_DELAY_NS (5 * HD_NS_PER_S)
#define NEIGH_RETRANS_NS HD_NS_PER_S
#define NEIGH_PROBES 3
#define NEIGH_FAILED_NS (3 * HD_NS_PER_S)
#define NEIGH_IDLE_NS (600 * HD_NS_PER_S) /* unused that long: forgotten */

enum neigh_state {
	NEIGH_FREE,
	NEIGH_NEW,	  /* created by a route look-up, nothing sent yet */
	NEIGH_INCOMPLETE, /* asked, no answer yet */
	NEIGH_FAILED,	  /* no answer: refused until the timer frees it */
	/* From here on l2 is usable. */
	NEIGH_REACHABLE,
	NEIGH_STALE,
	NEIGH_DELAY,
	NEIGH_PROBE,
};

enum neigh_class { NEIGH_IN_USE, NEIGH_HEARD, NEIGH_PENDING, NEIGH_NEGATIVE, NEIGH_CLASSES };

struct net_neigh {
	uint8_t l2[14]; /* the whole Ethernet header */
	uint8_t state, port;
	uint32_t generation;   /* changes when the entry is given to another neighbour */
	uint32_t next;	       /* of the bucket: index + 1 */
	hd_ns reachable_until; /* 0 unless reachable */
	hd_ns used;	       /* by transmit */
	struct hd_ip ip;
	hd_ns since; /* of this state or MAC */
	struct wheel_timer timer;
	struct list_link link;		     /* of its class, oldest first; or of the free list */
	struct rte_mbuf *first, *last;	     /* IP packets that wait, without Ethernet header; linked in their private area */
	uint8_t n_queue, probes, class;
};

struct net_neigh_table {
	struct net_neigh *entries;
	uint32_t *buckets; /* NEIGH_MAX of them: index + 1 */
	struct list_link free, classes[NEIGH_CLASSES];
	uint32_t n[NEIGH_CLASSES];
	uint32_t n_queued; /* packets that wait for a neighbour, of all */
	/* Flows to tell tcp about, from net_timers_run: a full queue of the deepest state. */
	struct flow_key lost[64];
	uint32_t n_lost;
};

[[nodiscard]] int net_neigh_init(struct net *n, int socket);
void net_neigh_fini(struct net *n);

/* The entry of ip on a port, created when it is not known. Never NULL. */
struct net_neigh *net_neigh_get(struct net *n, struct net_if *i, const struct hd_ip *ip);
struct net_neigh *net_neigh_find(struct net *n, const struct net_if *i, const struct hd_ip *ip);
/* Sends an IP packet to g in whatever state: now, after resolution, or never (counted). Consumes m.
 */
void net_neigh_output(struct net *n, struct net_neigh *g, struct rte_mbuf *m);

enum neigh_news {
	NEIGH_NEWS_ASKED,      /* it asked for us: may create an entry; its MAC counts */
	NEIGH_NEWS_ANSWER,     /* it answers our question: reachable */
	NEIGH_NEWS_CLAIM,      /* unasked claim: updates what is known */
	NEIGH_NEWS_CLAIM_WEAK, /* an advertisement without the override flag (RFC 4861 7.2.5) */
};
void net_neigh_learn(struct net *n, struct net_if *i, const struct hd_ip *ip, const uint8_t mac[6],
		     enum neigh_news news);
/* An advertisement with the solicited flag that does not override but names the MAC we know, or an
 * upper layer's hint. */
void net_neigh_confirm(struct net *n, struct net_neigh *g);
void net_neigh_timer(struct net *n, struct net_neigh *g);
/* Tells tcp of flows whose packets were given up. */
void net_neigh_report(struct net *n);

static inline int net_neigh_usable(const struct net_neigh *g)
{
	return g->state >= NEIGH_REACHABLE;
}

#endif
