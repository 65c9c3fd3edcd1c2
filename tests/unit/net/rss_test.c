/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_thash.h>

#include "net_rss.h"

/* The key and the rows of Microsoft's "Verifying the RSS Hash Calculation". */
static const uint8_t key[NET_RSS_KEY] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct {
	const char *local, *remote;
	uint16_t local_port, remote_port;
	uint32_t hash;
} published[] = {
	{ "161.142.100.80", "66.9.149.187", 1766, 2794, 0x51ccc178 },
	{ "65.69.140.83", "199.92.111.2", 4739, 14230, 0xc626b0ea },
	{ "12.22.207.184", "24.19.198.95", 38024, 12898, 0x5c2b394a },
	{ "209.142.163.6", "38.27.205.30", 2217, 48228, 0xafc7327f },
	{ "202.188.127.2", "153.39.163.191", 1303, 44251, 0x10e828a2 },
	{ "3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x40207d3d },
	{ "ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0xdde51bbf },
	{ "fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251,
	  0x02d1feef },
};

static struct net_rss rss;

static struct flow_key flow(const char *local, const char *remote, uint16_t local_port,
			    uint16_t remote_port)
{
	struct flow_key k = { .local_port = local_port, .remote_port = remote_port };

	assert_int_equal(hd_ip_parse(local, &k.local), 0);
	assert_int_equal(hd_ip_parse(remote, &k.remote), 0);
	return k;
}

static void the_published_vectors_come_out(void **state)
{
	net_rss_set_key(&rss, key);
	for (size_t i = 0; i < HD_ARRAY_SIZE(published); i++) {
		struct flow_key k = flow(published[i].local, published[i].remote,
					 published[i].local_port, published[i].remote_port);
		assert_int_equal(net_rss_hash(&rss, &k), published[i].hash);
	}
}

static uint32_t be_word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* As DPDK computes it, from words in host order. */
static uint32_t by_dpdk(const uint8_t *rss_key, const struct flow_key *k)
{
	uint32_t words[9], n = hd_ip_is_v4(&k->remote) ? 1 : 4, skip = 16 - 4 * n;

	for (uint32_t i = 0; i < n; i++) {
		words[i] = be_word(k->remote.b + skip + 4 * i);
		words[n + i] = be_word(k->local.b + skip + 4 * i);
	}
	words[2 * n] = (uint32_t)k->remote_port << 16 | k->local_port;
	return rte_softrss(words, 2 * n + 1, rss_key);
}

static void it_is_the_hash_of_dpdk(void **state)
{
	uint8_t other[NET_RSS_KEY];

	srand(7);
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof(other); i++)
			other[i] = (uint8_t)rand();
		net_rss_set_key(&rss, other);
		for (int i = 0; i < 500; i++) {
			struct flow_key k = flow("10.0.0.1", "10.0.0.2", (uint16_t)rand(),
						 (uint16_t)rand());
			for (int b = i % 2 != 0 ? 0 : 12; b < 16; b++) {
				k.local.b[b] = (uint8_t)rand();
				k.remote.b[b] = (uint8_t)rand();
			}
			assert_int_equal(net_rss_hash(&rss, &k), by_dpdk(other, &k));
		}
	}
}

static void some_local_port_leads_to_each_queue(void **state)
{
	uint32_t seen[4] = { 0 };

	net_rss_set_key(&rss, key);
	rss.reta_size = 128;
	for (uint32_t i = 0; i < rss.reta_size; i++)
		rss.reta[i] = (uint16_t)(i % 4);
	for (uint16_t port = 32768; port < 32768 + 4000; port++) {
		struct flow_key k = flow("10.2.0.1", "10.2.0.11", port, 8080);
		seen[net_rss_queue(&rss, &k)]++;
	}
	for (int q = 0; q < 4; q++)
		assert_in_range(seen[q], 800, 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_vectors_come_out),
		cmocka_unit_test(it_is_the_hash_of_dpdk),
		cmocka_unit_test(some_local_port_leads_to_each_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
