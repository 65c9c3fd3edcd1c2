/* SPDX-License-Identifier: Apache-2.0 */
/* A card with a queue for each worker, played by DPDK's own Toeplitz hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_thash.h>

#include "../core/eal_setup.h"
#include "worker_spread.h"

#define N 3
#define FLOWS 200
#define SYN 2
#define ACK 16

static struct rte_mempool *pool;
static struct net_rss rss;
static uint8_t key[NET_RSS_KEY];
static struct hd_worker_stats blocks[N];
static struct hd_worker_stats *stats[N] = { &blocks[0], &blocks[1], &blocks[2] };
static uint32_t kicks[N];

struct queue {
	struct rte_mbuf *rx[64], *tx[64];
	uint16_t n_rx, n_tx;
};
static struct queue queues[N];

static uint16_t queue_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct queue *q = dev;
	uint16_t k = RTE_MIN(n, q->n_rx);

	memcpy(pkts, q->rx, k * sizeof(*pkts));
	memmove(q->rx, q->rx + k, (q->n_rx - k) * sizeof(*pkts));
	q->n_rx -= k;
	return k;
}

static uint16_t queue_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct queue *q = dev;

	memcpy(q->tx + q->n_tx, pkts, n * sizeof(*pkts));
	q->n_tx += n;
	return n;
}

static void kick(void *ctx, uint32_t worker)
{
	kicks[worker]++;
}

static struct worker_spread *make(struct net_device dev[N])
{
	struct worker_spread_config c = { .flows = { .rss = &rss, .n_workers = N },
					  .stats = stats,
					  .kick = kick };
	struct worker_spread *s;

	memset(queues, 0, sizeof(queues));
	memset(blocks, 0, sizeof(blocks));
	memset(kicks, 0, sizeof(kicks));
	for (int i = 0; i < N; i++)
		c.real[i] =
			(struct net_device){ .rx = queue_rx, .tx = queue_tx, .dev = &queues[i] };
	s = worker_spread_create("s", &c);
	assert_non_null(s);
	for (uint32_t i = 0; i < N; i++)
		worker_spread_device(s, i, &dev[i]);
	return s;
}

static void end(struct worker_spread *s)
{
	worker_spread_destroy(s);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static struct rte_mbuf *frame(const void *bytes, uint16_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, n), bytes, n);
	return m;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* From 10.1.0.2:port to 10.1.0.1:80, or the same in IPv6. */
static struct rte_mbuf *segment(int v6, uint16_t port, uint8_t flags)
{
	uint8_t p[74] = { 0 };
	uint16_t tcp = v6 ? 54 : 34;

	put16(p + 12, v6 ? 0x86dd : 0x0800);
	p[14] = v6 ? 0x60 : 0x45;
	if (v6) {
		p[20] = 6;
		p[22] = p[38] = 0xfd;
		p[37] = 2;
		p[53] = 1;
	} else {
		p[23] = 6;
		memcpy(p + 26, (uint8_t[]){ 10, 1, 0, 2, 10, 1, 0, 1 }, 8);
	}
	put16(p + tcp, port);
	put16(p + tcp + 2, 80);
	p[tcp + 12] = 0x50;
	p[tcp + 13] = flags;
	return frame(p, tcp + 20);
}

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Where the card puts it. */
static uint32_t queue_of(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t words[9], n = p[12] == 0x86 ? 9 : 3, at = p[12] == 0x86 ? 22 : 26;

	for (uint32_t i = 0; i < n; i++)
		words[i] = word(p + at + 4 * i);
	return rss.reta[rte_softrss(words, n, key) % rss.reta_size];
}

static void give(uint32_t queue, struct rte_mbuf *m)
{
	queues[queue].rx[queues[queue].n_rx++] = m;
}

/* How many frames each worker has now; they are freed. */
static void take(struct net_device dev[N], uint32_t got[N])
{
	struct rte_mbuf *pkts[64];

	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < N; i++) {
			uint16_t n = dev[i].rx(dev[i].dev, pkts, 64);
			rte_pktmbuf_free_bulk(pkts, n);
			got[i] += n;
		}
	}
}

static void what_the_card_places_right_is_left_where_it_is(void **state)
{
	struct net_device dev[N];
	struct worker_spread *s = make(dev);
	uint32_t got[N] = { 0 }, placed[N] = { 0 };

	for (uint16_t i = 0; i < FLOWS; i++) {
		struct rte_mbuf *m = segment(i % 2, (uint16_t)(3000 + i), i % 3 ? ACK : SYN);
		placed[queue_of(m)]++;
		give(queue_of(m), m);
		if (i % 20 == 19)
			take(dev, got);
	}
	take(dev, got);
	assert_memory_equal(got, placed, sizeof(got));
	for (int i = 0; i < N; i++) {
		assert_true(got[i] > FLOWS / 6);
		assert_int_equal(kicks[i], 0);
		assert_int_equal(blocks[i].counters[HD_WORKER_RSS_WRONG], 0);
	}
	end(s);
}

static void a_card_that_hashes_otherwise_is_found_out_by_a_syn(void **state)
{
	struct net_device dev[N];
	struct worker_spread *s = make(dev);
	struct rte_mbuf *m = segment(0, 5000, ACK);
	uint32_t right = queue_of(m), wrong = (right + 1) % N, got[N] = { 0 };

	give(wrong, m); /* nobody looks */
	take(dev, got);
	assert_int_equal(got[wrong], 1);
	give(wrong, segment(0, 5000, SYN));
	take(dev, got);
	assert_int_equal(got[right], 1);
	assert_int_equal(kicks[right], 1);
	assert_int_equal(blocks[wrong].counters[HD_WORKER_RSS_WRONG], 1);
	give(wrong, segment(0, 5000, ACK)); /* from now on all are looked at */
	take(dev, got);
	assert_int_equal(got[right], 2);
	end(s);
}

static void what_the_card_cannot_place_reaches_whom_it_is_for(void **state)
{
	struct net_device dev[N];
	struct worker_spread *s = make(dev);
	struct flow_key k = { .local_port = 80, .remote_port = 5000 };
	uint8_t p[128] = { [12] = 0x08, [14] = 0x45, [23] = 1, [34] = 3 };
	uint32_t right, got[N] = { 0 };

	assert_int_equal(hd_ip_parse("10.1.0.1", &k.local), 0);
	assert_int_equal(hd_ip_parse("10.1.0.2", &k.remote), 0);
	right = net_rss_queue(&rss, &k);
	/* An error that quotes what we sent. */
	p[42] = 0x45;
	p[51] = 6;
	memcpy(p + 54, (uint8_t[]){ 10, 1, 0, 1, 10, 1, 0, 2 }, 8);
	put16(p + 62, 80);
	put16(p + 64, 5000);
	give((right + 1) % N, frame(p, 70));
	take(dev, got);
	assert_int_equal(got[right], 1);
	/* An ARP reply. */
	memset(p, 0, sizeof(p));
	put16(p + 12, 0x0806);
	put16(p + 20, 2);
	p[31] = 1;
	give(0, frame(p, 42));
	take(dev, got);
	assert_int_equal(got[0] + got[1] + got[2], 1 + N);
	assert_int_equal(blocks[(right + 1) % N].counters[HD_WORKER_RSS_WRONG], 0);
	end(s);
}

static void each_worker_sends_by_its_own_queue(void **state)
{
	struct net_device dev[N];
	struct worker_spread *s = make(dev);

	for (uint32_t i = 0; i < N; i++) {
		struct rte_mbuf *m = segment(0, 1, ACK);
		assert_int_equal(dev[i].tx(dev[i].dev, &m, 1), 1);
		assert_int_equal(queues[i].n_tx, 1);
		rte_pktmbuf_free(queues[i].tx[0]);
	}
	end(s);
}

static void what_does_not_fit_the_ring_is_counted(void **state)
{
	struct net_device dev[N];
	struct worker_spread *s = make(dev);
	struct rte_mbuf *m = segment(0, 5000, SYN), *pkts[64];
	uint32_t wrong = (queue_of(m) + 1) % N;

	rte_pktmbuf_free(m);
	for (int i = 0; i < 2000; i++) {
		give(wrong, segment(0, 5000, SYN));
		assert_int_equal(dev[wrong].rx(dev[wrong].dev, pkts, 64), 0);
	}
	assert_true(blocks[wrong].counters[HD_WORKER_STEER_FULL] > 0);
	end(s);
}

static int setup(void **state)
{
	if (eal_setup("hd_unit_spread", "64") < 0)
		return -1;
	srand(3);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)rand();
	net_rss_set_key(&rss, key);
	rss.reta_size = 128;
	for (uint32_t i = 0; i < rss.reta_size; i++)
		rss.reta[i] = (uint16_t)(i % N);
	pool = rte_pktmbuf_pool_create("p", 4095, 0, PKT_PRIV_SIZE, 384, 0);
	return pool != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_card_places_right_is_left_where_it_is),
		cmocka_unit_test(a_card_that_hashes_otherwise_is_found_out_by_a_syn),
		cmocka_unit_test(what_the_card_cannot_place_reaches_whom_it_is_for),
		cmocka_unit_test(each_worker_sends_by_its_own_queue),
		cmocka_unit_test(what_does_not_fit_the_ring_is_counted),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
