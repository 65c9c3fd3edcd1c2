/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "../core/eal_setup.h"
#include "worker_steer.h"

#define N 4

static const struct worker_flows flows = { .secret = { 11, 22 }, .n_workers = N };
static struct rte_mempool *pool;

/* A wire under test: what the device has to receive, and what it was given to send. */
struct wire {
	struct rte_mbuf *rx[64], *tx[4096];
	uint16_t n_rx, n_tx, room;
};

static uint16_t wire_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct wire *w = dev;
	uint16_t k = RTE_MIN(n, w->n_rx);

	memcpy(pkts, w->rx, k * sizeof(*pkts));
	memmove(w->rx, w->rx + k, (w->n_rx - k) * sizeof(*pkts));
	w->n_rx -= k;
	return k;
}

static uint16_t wire_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct wire *w = dev;
	uint16_t k = RTE_MIN(n, w->room);

	memcpy(w->tx + w->n_tx, pkts, k * sizeof(*pkts));
	w->n_tx += k;
	w->room -= k;
	return k;
}

static uint32_t kicks[N];

static void kick(void *ctx, uint32_t worker)
{
	kicks[worker]++;
}

static struct hd_worker_stats stats_block;
static struct hd_worker_stats *stats[N] = { &stats_block };

static struct worker_steer *make(struct wire *w)
{
	struct worker_steer_config c = { .real = { .rx = wire_rx, .tx = wire_tx, .dev = w },
					 .flows = flows,
					 .stats = stats,
					 .kick = kick };
	struct worker_steer *s = worker_steer_create("t", &c);

	assert_non_null(s);
	return s;
}

static struct rte_mbuf *frame(const void *bytes, uint16_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, n), bytes, n);
	return m;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t ip4_tcp(uint8_t *p, const struct flow_key *key)
{
	memset(p, 0, 54);
	put16(p + 12, 0x0800);
	p[14] = 0x45;
	p[23] = 6;
	memcpy(p + 26, key->remote.b + 12, 4);
	memcpy(p + 30, key->local.b + 12, 4);
	put16(p + 34, key->remote_port);
	put16(p + 36, key->local_port);
	return 54;
}

static struct flow_key flow(uint16_t port)
{
	struct flow_key k = { .local_port = 8080, .remote_port = port };

	assert_int_equal(hd_ip_parse("10.1.0.1", &k.local), 0);
	assert_int_equal(hd_ip_parse("10.1.0.2", &k.remote), 0);
	return k;
}

static struct rte_mbuf *tcp_frame(uint16_t port)
{
	struct flow_key key = flow(port);
	uint8_t bytes[64];

	return frame(bytes, ip4_tcp(bytes, &key));
}

static void flows_are_spread_evenly(void **state)
{
	uint32_t share[N] = { 0 };

	for (uint32_t port = 1024; port < 1024 + 40000; port++) {
		struct flow_key key = flow((uint16_t)port);
		share[worker_flows_owner(&flows, &key)]++;
	}
	for (int i = 0; i < N; i++)
		assert_in_range(share[i], 9500, 10500);
}

static void each_frame_reaches_the_worker_of_its_flow(void **state)
{
	static struct wire w;
	struct worker_steer *s = make(&w);
	struct net_device dev[N];
	struct rte_mbuf *got[64];
	unsigned int seen = 0;

	for (uint32_t i = 0; i < N; i++)
		worker_steer_device(s, i, &dev[i]);
	for (uint16_t i = 0; i < 60; i++)
		w.rx[w.n_rx++] = tcp_frame((uint16_t)(2000 + i));
	for (uint32_t i = 0; i < N; i++) {
		uint16_t n = dev[i].rx(dev[i].dev, got, 64);
		for (uint16_t k = 0; k < n; k++) {
			assert_int_equal(worker_steer_frame(&flows, got[k], 0), i);
			rte_pktmbuf_free(got[k]);
			seen++;
		}
		assert_true(i == 0 || n == 0 || kicks[i] > 0);
	}
	assert_int_equal(seen, 60);
	worker_steer_destroy(s);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void neighbor_answers_reach_everyone_and_requests_the_owner(void **state)
{
	static struct wire w;
	struct worker_steer *s = make(&w);
	struct net_device dev;
	struct rte_mbuf *got[8];
	uint8_t arp[42] = { [12] = 0x08, [13] = 0x06, [21] = 2 };

	arp[41] = 1;
	w.rx[w.n_rx++] = frame(arp, sizeof(arp));
	arp[21] = 1;
	w.rx[w.n_rx++] = frame(arp, sizeof(arp));
	for (uint32_t i = 0; i < N; i++) {
		worker_steer_device(s, i, &dev);
		assert_int_equal(dev.rx(dev.dev, got, 8), i == 0 ? 2 : 1);
		rte_pktmbuf_free_bulk(got, i == 0 ? 2 : 1);
	}
	worker_steer_destroy(s);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void an_error_goes_to_the_worker_of_the_flow_that_it_quotes(void **state)
{
	struct flow_key key = flow(4321), turned = key;
	uint8_t error[128] = { [12] = 0x08, [14] = 0x45, [23] = 1, [34] = 3 }, quoted[64];
	struct rte_mbuf *m;

	/* What we sent, as the router quotes it: from local to remote. */
	turned.local = key.remote;
	turned.remote = key.local;
	turned.local_port = key.remote_port;
	turned.remote_port = key.local_port;
	ip4_tcp(quoted, &turned);
	memcpy(error + 42, quoted + 14, 28);
	m = frame(error, 42 + 28);
	assert_int_equal(worker_steer_frame(&flows, m, 0), worker_flows_owner(&flows, &key));
	rte_pktmbuf_free(m);
}

/* An IPv6 TCP frame with `n` extension headers of 8 bytes in front of TCP. */
static uint16_t ip6_tcp(uint8_t *p, const struct flow_key *key, const uint8_t *types, int n)
{
	uint16_t at = 54;

	memset(p, 0, 54 + 8 * (size_t)n + 20);
	put16(p + 12, 0x86dd);
	p[14] = 0x60;
	p[20] = n > 0 ? types[0] : 6;
	memcpy(p + 22, key->remote.b, 16);
	memcpy(p + 38, key->local.b, 16);
	for (int i = 0; i < n; i++, at += 8)
		p[at] = i + 1 < n ? types[i + 1] : 6;
	put16(p + at, key->remote_port);
	put16(p + at + 2, key->local_port);
	return at + 20;
}

static void extension_headers_do_not_move_a_flow_to_another_worker(void **state)
{
	static const uint8_t types[9] = { 0, 60, 43, 44, 60, 60, 60, 60, 60 };
	struct flow_key key = { .local_port = 8080 };
	uint8_t bytes[256];

	assert_int_equal(hd_ip_parse("fd00::1", &key.local), 0);
	assert_int_equal(hd_ip_parse("fd00::2", &key.remote), 0);
	for (uint16_t port = 5000; port < 5040; port++) {
		key.remote_port = port;
		for (int n = 0; n <= 9; n++) {
			struct rte_mbuf *m = frame(bytes, ip6_tcp(bytes, &key, types, n));
			uint32_t to = worker_steer_frame(&flows, m, N);
			/* net drops more than eight. */
			assert_int_equal(to, n <= 8 ? worker_flows_owner(&flows, &key) : N);
			rte_pktmbuf_free(m);
		}
	}
}

static void later_fragments_and_cut_extension_headers_go_to_the_owner(void **state)
{
	static const uint8_t types[2] = { 60, 44 };
	struct flow_key key = { .local_port = 8080, .remote_port = 1 };
	uint8_t bytes[256];
	uint16_t n = ip6_tcp(bytes, &key, types, 2);
	struct rte_mbuf *m;

	for (uint16_t k = 0; k < n; k++) {
		m = frame(bytes, k);
		assert_int_equal(worker_steer_frame(&flows, m, N),
				 k >= 74 ? worker_flows_owner(&flows, &key) : N);
		rte_pktmbuf_free(m);
	}
	put16(bytes + 62 + 2, 1 << 3);
	m = frame(bytes, n);
	assert_int_equal(worker_steer_frame(&flows, m, N), N);
	rte_pktmbuf_free(m);
	put16(bytes + 62 + 2, 0);
	bytes[54 + 1] = 255; /* past the end */
	m = frame(bytes, n);
	assert_int_equal(worker_steer_frame(&flows, m, N), N);
	rte_pktmbuf_free(m);
}

static void cut_frames_go_to_the_owner(void **state)
{
	struct flow_key key = flow(999);
	uint8_t bytes[64];
	uint16_t n = ip4_tcp(bytes, &key);

	for (uint16_t k = 0; k < n; k++) {
		struct rte_mbuf *m = frame(bytes, k);
		uint32_t to = worker_steer_frame(&flows, m, 3);
		assert_true(k >= 38 ? to == worker_flows_owner(&flows, &key) : to == 3);
		rte_pktmbuf_free(m);
	}
}

static void what_the_device_does_not_take_waits_in_order(void **state)
{
	static struct wire w;
	struct worker_steer *s = make(&w);
	struct net_device own, other;
	struct rte_mbuf *sent[200], *none[1];

	worker_steer_device(s, 0, &own);
	worker_steer_device(s, 2, &other);
	for (int i = 0; i < 200; i++)
		sent[i] = frame("x", 1);
	assert_int_equal(other.tx(other.dev, sent, 200), 200);
	for (int turn = 0; turn < 400 && w.n_tx < 200; turn++) {
		/* Nobody kicks the owner for these again. */
		assert_true(worker_steer_has_unsent(s));
		w.room = (uint16_t)(turn % 3);
		assert_int_equal(own.rx(own.dev, none, 1), 0);
	}
	assert_int_equal(w.n_tx, 200);
	assert_false(worker_steer_has_unsent(s));
	assert_memory_equal(w.tx, sent, sizeof(sent));
	rte_pktmbuf_free_bulk(sent, 200);
	worker_steer_destroy(s);
}

/* A driver that cannot send frames of one byte. */
static uint16_t wire_prepare(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t k = 0;

	while (k < n && pkts[k]->pkt_len != 1)
		k++;
	return k;
}

static void what_the_driver_refuses_is_counted_and_holds_nothing_up(void **state)
{
	static struct wire w = { .room = 100 };
	struct worker_steer_config c = { .real = { .rx = wire_rx,
						   .tx = wire_tx,
						   .prepare = wire_prepare,
						   .dev = &w },
					 .flows = { .n_workers = 2 },
					 .stats = stats,
					 .kick = kick };
	struct worker_steer *s = worker_steer_create("r", &c);
	struct net_device own, other;
	struct rte_mbuf *sent[8], *none[1];

	worker_steer_device(s, 0, &own);
	worker_steer_device(s, 1, &other);
	assert_null(other.prepare);
	for (int i = 0; i < 8; i++)
		sent[i] = frame("xyz", i == 0 || i == 3 || i == 4 || i == 7 ? 1 : 3);
	assert_int_equal(other.tx(other.dev, sent, 8), 8);
	own.rx(own.dev, none, 1);
	assert_int_equal(w.n_tx, 4);
	assert_ptr_equal(w.tx[0], sent[1]);
	assert_ptr_equal(w.tx[3], sent[6]);
	assert_int_equal(stats_block.counters[HD_NET_TX_REFUSED], 4);
	rte_pktmbuf_free_bulk(w.tx, w.n_tx);
	worker_steer_destroy(s);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void a_worker_that_does_not_keep_up_loses_counted_frames(void **state)
{
	static struct wire w;
	struct worker_steer *s = make(&w);
	struct net_device own;
	struct rte_mbuf *got[64];
	uint64_t sent = 0, kept = 0;

	worker_steer_device(s, 0, &own);
	for (int turn = 0; turn < 300; turn++) {
		for (uint16_t i = 0; i < 60; i++, sent++)
			w.rx[w.n_rx++] = tcp_frame((uint16_t)(2000 + i));
		uint16_t n = own.rx(own.dev, got, 64);
		rte_pktmbuf_free_bulk(got, n);
		kept += n;
	}
	assert_true(stats_block.counters[HD_WORKER_STEER_FULL] > 0);
	assert_int_equal(sent, kept + stats_block.counters[HD_WORKER_STEER_FULL] +
				       rte_mempool_in_use_count(pool));
	worker_steer_destroy(s);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static int setup(void **state)
{
	if (eal_setup("hd_unit_steer", "64") < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("p", 12287, 0, PKT_PRIV_SIZE, 384, 0);
	return pool != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_spread_evenly),
		cmocka_unit_test(each_frame_reaches_the_worker_of_its_flow),
		cmocka_unit_test(neighbor_answers_reach_everyone_and_requests_the_owner),
		cmocka_unit_test(an_error_goes_to_the_worker_of_the_flow_that_it_quotes),
		cmocka_unit_test(extension_headers_do_not_move_a_flow_to_another_worker),
		cmocka_unit_test(later_fragments_and_cut_extension_headers_go_to_the_owner),
		cmocka_unit_test(cut_frames_go_to_the_owner),
		cmocka_unit_test(what_the_device_does_not_take_waits_in_order),
		cmocka_unit_test(what_the_driver_refuses_is_counted_and_holds_nothing_up),
		cmocka_unit_test(a_worker_that_does_not_keep_up_loses_counted_frames),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
