/* SPDX-License-Identifier: Apache-2.0 */
/* What a card's receive-side scaling does with a TCP packet: the Toeplitz hash of its addresses and ports, and the queue that
 * the indirection table names for it. Computed, so that an active open can choose a local port whose replies come back to the
 * worker that opens. */
#ifndef NET_RSS_H
#define NET_RSS_H

#include "pkt.h"

#define NET_RSS_KEY 40	   /* bytes that the hash of two IPv6 addresses and ports needs */
#define NET_RSS_RETA 2048  /* entries of the largest indirection table */
#define NET_RSS_INPUT 36   /* addresses and ports of IPv6 */

struct net_rss {
	uint32_t table[NET_RSS_INPUT][256]; /* the hash of each byte at each place: they add up */
	uint32_t reta_size;
	uint16_t reta[NET_RSS_RETA]; /* queues */
};

void net_rss_set_key(struct net_rss *r, const uint8_t key[NET_RSS_KEY]);
/* Of a packet that is received with this key: from remote to local. */
uint32_t net_rss_hash(const struct net_rss *r, const struct flow_key *key);
uint32_t net_rss_queue(const struct net_rss *r, const struct flow_key *key);

#endif
