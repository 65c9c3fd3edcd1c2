/* SPDX-License-Identifier: Apache-2.0 */
#include "net_rss.h"

#include <string.h>

/* The 32 bits of the key that begin at its bit `at`: what a one there adds to the hash. */
static uint32_t window(const uint8_t *key, uint32_t at)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < 5; i++)
		bits = bits << 8 | (at / 8 + i < NET_RSS_KEY ? key[at / 8 + i] : 0);
	return (uint32_t)(bits >> (8 - at % 8));
}

void net_rss_set_key(struct net_rss *r, const uint8_t key[NET_RSS_KEY])
{
	for (uint32_t place = 0; place < NET_RSS_INPUT; place++) {
		for (uint32_t byte = 0; byte < 256; byte++) {
			uint32_t hash = 0;
			for (uint32_t bit = 0; bit < 8; bit++) {
				if (byte & (0x80u >> bit))
					hash ^= window(key, place * 8 + bit);
			}
			r->table[place][byte] = hash;
		}
	}
}

static uint32_t add(const struct net_rss *r, uint32_t place, const uint8_t *p, uint32_t n)
{
	uint32_t hash = 0;

	for (uint32_t i = 0; i < n; i++)
		hash ^= r->table[place + i][p[i]];
	return hash;
}

uint32_t net_rss_hash(const struct net_rss *r, const struct flow_key *key)
{
	uint32_t n = hd_ip_is_v4(&key->remote) ? 4 : 16, skip = 16 - n;
	const uint8_t ports[4] = { (uint8_t)(key->remote_port >> 8), (uint8_t)key->remote_port,
				   (uint8_t)(key->local_port >> 8), (uint8_t)key->local_port };

	return add(r, 0, key->remote.b + skip, n) ^ add(r, n, key->local.b + skip, n) ^
	       add(r, 2 * n, ports, 4);
}

uint32_t net_rss_queue(const struct net_rss *r, const struct flow_key *key)
{
	return r->reta[net_rss_hash(r, key) % r->reta_size];
}
