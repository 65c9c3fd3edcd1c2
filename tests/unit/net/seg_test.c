/* SPDX-License-Identifier: Apache-2.0 */
#include "net_cksum.h"
#include "net_world.h"

static struct tcp_args data_segment(int v4)
{
	static const char text[] = "GET / HTTP/1.1\r\n\r\n";

	return (struct tcp_args){ .src = v4 ? "10.1.0.2" : "fd00:1::2",
				  .dst = v4 ? "10.1.0.1" : "fd00:1::1",
				  .sport = 4000,
				  .dport = 80,
				  .seq = 0xfffffff0,
				  .ack = 0x01020304,
				  .flags = PKT_TCP_ACK | PKT_TCP_PSH,
				  .options = "\1\1\10\12\0\0\0\1\0\0\0\2",
				  .n_options = 12,
				  .data = text,
				  .n_data = sizeof(text) - 1 };
}

static void check_facts(int v4, const struct tcp_args *a)
{
	const struct pkt_facts *f = world_facts();
	struct hd_ip src = ip_of(a->src), dst = ip_of(a->dst);
	uint32_t n;
	const uint8_t *segment = world_segment(&n);

	assert_true(hd_ip_eq(&f->key.local, &dst));
	assert_true(hd_ip_eq(&f->key.remote, &src));
	assert_int_equal(f->key.local_port, 80);
	assert_int_equal(f->key.remote_port, 4000);
	assert_int_equal(f->seq, a->seq);
	assert_int_equal(f->ack, a->ack);
	assert_int_equal(f->window, 1000);
	assert_int_equal(f->flags, a->flags);
	assert_int_equal(f->data_offset, 32);
	assert_int_equal(f->payload, a->n_data);
	assert_int_equal(f->tcp_offset, v4 ? 34 : 54);
	assert_int_equal(f->port, 0);
	assert_int_equal(n, 32 + a->n_data);
	assert_memory_equal(segment + 32, a->data, a->n_data);
	assert_int_equal(f->payload_sum % 0xffff,
			 cksum_fold(cksum_add(0, a->data, a->n_data)) % 0xffff);
}

static void c7_20_both_roads_find_the_same_facts(void **state)
{
	struct world *w = *state;
	struct frame f;

	for (int v4 = 0; v4 < 2; v4++) {
		struct tcp_args a = data_segment(v4);
		uint32_t hash;

		frame_tcp(&f, &a);
		assert_int_equal(world_rx(w, 0, &f),
				 1); /* complete: the address is not remembered yet */
		check_facts(v4, &a);
		hash = world_facts()->hash;
		assert_int_equal(hash, net_flow_hash(w->net, &world_facts()->key));
		assert_int_equal(world_rx(w, 0, &f), 1); /* straight */
		check_facts(v4, &a);
		assert_int_equal(world_facts()->hash, hash);
		for (uint32_t seg = 14; seg < f.n; seg += 5) {
			assert_int_equal(world_rx_chain(w, 0, &f, seg), 1);
			check_facts(v4, &a);
		}
	}
}

static void a_device_that_vouches_saves_the_sum_and_it_is_the_same(void **state)
{
	struct world *w = *state;
	struct tcp_args a = data_segment(1);
	struct frame f;

	net_destroy(w->net);
	w->as_net[0].rx_offloads = NET_RX_IP_CKSUM | NET_RX_L4_CKSUM;
	w->net = net_create(&(struct net_config){ .node = &w->node }, w->as_net, w->pool, &w->stats,
			    w->now, -1);
	frame_tcp(&f, &a);
	w->dev[0].rx_ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	for (int k = 0; k < 2; k++) {
		assert_int_equal(world_rx(w, 0, &f), 1);
		check_facts(1, &a);
	}
	w->dev[0].rx_ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
	assert_int_equal(world_rx(w, 0, &f), 0);
	w->dev[0].rx_ol_flags = 0; /* it does not know: ours counts */
	assert_int_equal(world_rx(w, 0, &f), 1);
	f.b[60] ^= 4;
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(world_count(w, HD_NET_TCP_CHECKSUM), 2);
}

static void c1_1_every_single_bit_of_the_segment_matters(void **state)
{
	struct world *w = *state;

	for (int v4 = 0; v4 < 2; v4++) {
		struct tcp_args a = data_segment(v4);
		struct frame good, f;
		uint32_t l4 = v4 ? 34 : 54;

		frame_tcp(&good, &a);
		assert_int_equal(world_rx(w, 0, &good), 1);
		for (uint32_t bit = 0; bit < (good.n - l4) * 8; bit++) {
			f = good;
			f.b[l4 + bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(world_rx(w, 0, &f), 0);
		}
		assert_int_equal(world_rx(w, 0, &good), 1);
	}
}

static void c1_3_data_offsets_outside_the_segment_are_refused(void **state)
{
	struct world *w = *state;
	struct tcp_args a = { .src = "10.1.0.2",
			      .dst = "10.1.0.1",
			      .sport = 4000,
			      .dport = 80,
			      .flags = PKT_TCP_SYN };
	struct frame f;

	frame_tcp(&f, &a);
	assert_int_equal(world_rx(w, 0, &f), 1);
	for (uint8_t offset = 0; offset < 16; offset++) {
		uint16_t sum;

		frame_tcp(&f, &a);
		f.b[46] = (uint8_t)(offset << 4);
		memset(f.b + 50, 0, 2);
		sum = cksum_finish(
			cksum_add(cksum_pseudo(&(struct hd_ip[]){ ip_of(a.src) }[0],
					       &(struct hd_ip[]){ ip_of(a.dst) }[0], 6, 20),
				  f.b + 34, 20));
		memcpy(f.b + 50, &sum, 2);
		assert_int_equal(world_rx(w, 0, &f), offset == 5);
	}
	assert_int_equal(world_count(w, HD_TCP_BAD_OFFSET), 15);
}

static void c7_11_frames_of_other_stations_and_kinds_are_dropped(void **state)
{
	struct world *w = *state;
	struct tcp_args a = data_segment(1);
	struct frame good, f;

	frame_tcp(&good, &a);
	f = good;
	f.b[5] = 9;
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(world_count(w, HD_NET_OTHER_MAC), 1);
	f = good;
	f.b[6] |= 1;
	assert_int_equal(world_rx(w, 0, &f), 0);
	f = good;
	memcpy(f.b + 6, f.b, 6);
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(world_count(w, HD_NET_BAD_SMAC), 2);
	for (uint32_t type = 0; type < 0x10000; type += 255) {
		f = good;
		f.b[12] = (uint8_t)(type >> 8);
		f.b[13] = (uint8_t)type;
		assert_int_equal(world_rx(w, 0, &f), type == 0x0800);
	}
	f = good; /* IPv4 in a frame of type IPv6 */
	f.b[12] = 0x86;
	f.b[13] = 0xdd;
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

static void c7_2_and_c7_3_what_we_send_is_well_formed(void **state)
{
	struct world *w = *state;
	const char *pairs[][2] = { { "10.1.0.10", "10.1.0.2" }, { "fd00:1::10", "fd00:1::2" } };
	const uint8_t nobody[6] = { 0 };
	uint16_t ids[300];
	uint32_t near = 0, k = 0;
	struct frame f;

	frame_arp(&f, 1, world_far_mac, "10.1.0.2", nobody, "10.1.0.1");
	world_rx(w, 0, &f);
	frame_nd(&f, 135, "fd00:1::2", "ff02::1:ff00:1", 0, "fd00:1::1", 1, world_far_mac);
	world_rx(w, 0, &f);
	while (world_sent(w, 0, &f) != 0)
		;
	for (uint32_t n = 0; n < 300; n++) {
		struct flow_path path = { 0 };
		struct hd_ip l = ip_of(pairs[n & 1][0]), r = ip_of(pairs[n & 1][1]);
		uint32_t l4 = n & 1 ? 54 : 34;

		world_xmit(w, pairs[n & 1][0], pairs[n & 1][1], &path, n);
		assert_int_equal(world_sent(w, 0, &f), l4 + 20 + n);
		assert_memory_equal(f.b, world_far_mac, 6);
		assert_int_equal(path.mtu, 1500);
		assert_int_equal(
			cksum_fold(cksum_add(cksum_pseudo(&l, &r, 6, 20 + n), f.b + l4, 20 + n)),
			0xffff);
		if (n & 1) {
			assert_int_equal(f.b[21], 64);
			continue;
		}
		assert_int_equal(cksum_fold(cksum_add(0, f.b + 14, 20)), 0xffff);
		assert_int_equal(f.b[20] << 8 | f.b[21], 0x4000);
		assert_int_equal(f.b[22], 64);
		ids[k++] = (uint16_t)(f.b[18] << 8 | f.b[19]);
	}
	for (uint32_t i = 1; i < k; i++)
		near += (uint16_t)(ids[i] - ids[i - 1]) < 16;
	assert_true(near < 4);
}

/* References to every part of a received payload, behind a header of every parity: what goes out
 * checks, though only a part of it was summed again. */
static void forwarded_parts_keep_a_right_sum(void **state)
{
	struct world *w = *state;
	struct tcp_args a = data_segment(1);
	uint8_t data[301];
	struct flow_key key = { .local = ip_of("10.1.0.1"),
				.remote = ip_of("10.1.0.2"),
				.local_port = 80,
				.remote_port = 4000 };
	struct flow_path path = { 0 };
	const uint8_t nobody[6] = { 0 };
	struct frame f;

	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + 11);
	a.data = data;
	a.n_data = sizeof(data);
	frame_arp(&f, 1, world_far_mac, "10.1.0.2", nobody, "10.1.0.1");
	world_rx(w, 0, &f);
	world_sent(w, 0, &f);
	for (uint32_t cut = 0; cut < 120; cut++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool), *ref = rte_pktmbuf_alloc(w->pool),
				*in;
		uint64_t sum;
		uint32_t n;
		int any;

		frame_tcp(&f, &a);
		fake_device_put(&w->dev[0], f.b, f.n, 0);
		assert_int_equal(net_rx(w->net, 0, &in, 1, w->now, &any), 1);
		assert_true(in->ol_flags & PKT_SUMMED);
		rte_pktmbuf_attach(ref, in);
		rte_pktmbuf_adj(ref, (uint16_t)(34 + 32 + cut));
		rte_pktmbuf_trim(ref, (uint16_t)(cut / 3));
		memset(rte_pktmbuf_append(m, (uint16_t)(20 + cut % 3)), 0, 20 + cut % 3);
		rte_pktmbuf_mtod(m, uint8_t *)[12] = 5 << 4;
		n = 20 + cut % 3 + ref->data_len;
		m->next = ref;
		m->nb_segs = 2;
		m->pkt_len = n;
		rte_pktmbuf_free(in);
		net_xmit_tcp(w->net, m, &key, &path, 0, -1);
		net_tx_flush(w->net);
		assert_int_equal(world_sent(w, 0, &f), 34 + n);
		sum = cksum_add(cksum_pseudo(&key.local, &key.remote, 6, n), f.b + 34, n);
		assert_int_equal(cksum_fold(sum), 0xffff);
	}
}

static void syns_beyond_the_allowance_are_thrown_away(void **state)
{
	struct world *w = *state;
	struct tcp_args a = data_segment(1), syn = data_segment(1);
	struct frame f, from_syn;
	struct rte_mbuf *in;
	int received;

	syn.flags = PKT_TCP_SYN;
	frame_tcp(&from_syn, &syn);
	frame_tcp(&f, &a);
	net_allow_syns(w->net, 2);
	for (uint32_t i = 0; i < 4; i++) {
		fake_device_put(&w->dev[0], from_syn.b, from_syn.n, 0);
		assert_int_equal(net_rx(w->net, 0, &in, 1, w->now, &received), i < 2);
		assert_int_equal(received, 1);
		if (i < 2)
			rte_pktmbuf_free(in);
	}
	assert_int_equal(net_syns_left(w->net), 0);
	assert_int_equal(world_count(w, HD_NET_SYN_SHED), 2);
	fake_device_put(&w->dev[0], f.b, f.n, 0);
	assert_int_equal(net_rx(w->net, 0, &in, 1, w->now, &received), 1);
	rte_pktmbuf_free(in);
}

static void a_known_payload_sum_is_used(void **state)
{
	struct world *w = *state;
	struct tcp_args a = data_segment(1);
	struct flow_key key = { .local = ip_of("10.1.0.1"),
				.remote = ip_of("10.1.0.2"),
				.local_port = 80,
				.remote_port = 4000 };
	struct flow_path path = { 0 };
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);
	const uint8_t nobody[6] = { 0 };
	struct frame f;

	frame_arp(&f, 1, world_far_mac, "10.1.0.2", nobody, "10.1.0.1");
	world_rx(w, 0, &f);
	world_sent(w, 0, &f);
	frame_tcp(&f, &a);
	assert_int_equal(world_rx(w, 0, &f), 1);
	memcpy(rte_pktmbuf_append(m, (uint16_t)(f.n - 34)), f.b + 34, f.n - 34);
	memset(rte_pktmbuf_mtod_offset(m, void *, 16), 0, 2);
	net_xmit_tcp(w->net, m, &key, &path, 0, world_facts()->payload_sum);
	net_tx_flush(w->net);
	assert_int_equal(world_sent(w, 0, &f), f.n);
	assert_int_equal(cksum_fold(cksum_add(cksum_pseudo(&key.local, &key.remote, 6, f.n - 34),
					      f.b + 34, f.n - 34)),
			 0xffff);
}

static void a_device_without_chains_gets_one_buffer(void **state)
{
	struct world *w = *state;
	struct flow_key key = { .local = ip_of("10.1.0.1"),
				.remote = ip_of("10.1.0.2"),
				.local_port = 80,
				.remote_port = 4000 };
	struct flow_path path = { 0 };
	const uint8_t nobody[6] = { 0 };
	struct rte_mbuf *m, *payload;
	struct frame f;

	net_destroy(w->net);
	w->as_net[0].tx_offloads = 0;
	w->net = net_create(&(struct net_config){ .node = &w->node }, w->as_net, w->pool, &w->stats,
			    w->now, -1);
	frame_arp(&f, 1, world_far_mac, "10.1.0.2", nobody, "10.1.0.1");
	world_rx(w, 0, &f);
	world_sent(w, 0, &f);
	m = rte_pktmbuf_alloc(w->pool);
	payload = rte_pktmbuf_alloc(w->pool);
	memset(rte_pktmbuf_append(m, 20), 0x50, 20);
	memset(rte_pktmbuf_append(payload, 333), 0xab, 333);
	rte_mbuf_refcnt_update(payload, 1);
	rte_pktmbuf_chain(m, payload);
	net_xmit_tcp(w->net, m, &key, &path, 0, -1);
	net_tx_flush(w->net);
	assert_int_equal(w->dev[0].out[w->dev[0].at_out]->nb_segs, 1);
	assert_int_equal(rte_mbuf_refcnt_read(payload), 1);
	assert_int_equal(world_sent(w, 0, &f), 54 + 333);
	assert_int_equal(f.b[54 + 332], 0xab);
	rte_pktmbuf_free(payload);
}

static void a_full_device_keeps_order_then_drops_and_counts(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	const uint8_t nobody[6] = { 0 };
	uint64_t before;
	struct frame f;

	frame_arp(&f, 1, world_far_mac, "10.1.0.2", nobody, "10.1.0.1");
	world_rx(w, 0, &f);
	world_sent(w, 0, &f);
	before = w->stats.ports[0].tx_packets;
	w->dev[0].tx_room = 0;
	for (uint32_t n = 0; n < 600; n++)
		world_xmit(w, "10.1.0.1", "10.1.0.2", &path, n);
	assert_int_equal(world_count(w, HD_NET_TX_FULL), 600 - 512);
	w->dev[0].tx_room = UINT32_MAX;
	net_tx_flush(w->net);
	for (uint32_t n = 0; n < 512; n++)
		assert_int_equal(world_sent(w, 0, &f), 54 + n);
	assert_int_equal(w->stats.ports[0].tx_packets - before, 512);
}

/* Before it drops it says so: tcp sends no data then. */
static void a_device_that_takes_nothing_is_called_busy_in_time(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	const uint8_t nobody[6] = { 0 };
	struct frame f;

	frame_arp(&f, 1, world_far_mac, "10.1.0.2", nobody, "10.1.0.1");
	world_rx(w, 0, &f);
	world_sent(w, 0, &f);
	w->dev[0].tx_room = 0;
	for (uint32_t n = 1; n <= 500; n++)
		assert_int_equal(world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 10), n >= 384);
	assert_int_equal(net_busy_ports(w->net), 1);
	w->dev[0].tx_room = UINT32_MAX;
	assert_int_equal(world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 10), 0);
	assert_int_equal(net_busy_ports(w->net), 0);
	assert_int_equal(world_count(w, HD_NET_TX_FULL), 0);
	net_tx_flush(w->net);
	while (world_sent(w, 0, &f) != 0)
		;
}

static void flow_hashes_spread(void **state)
{
	struct world *w = *state;
	uint32_t buckets[256] = { 0 };

	for (uint32_t k = 0; k < 65536; k++) {
		struct flow_key key = { .local = ip_of("10.1.0.1"),
					.remote = ip_of("10.1.0.2"),
					.local_port = 80,
					.remote_port = (uint16_t)k };

		buckets[net_flow_hash(w->net, &key) & 255]++;
	}
	for (uint32_t b = 0; b < 256; b++)
		assert_in_range(buckets[b], 150, 370);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(c7_20_both_roads_find_the_same_facts),
		WORLD_TEST(a_device_that_vouches_saves_the_sum_and_it_is_the_same),
		WORLD_TEST(c1_1_every_single_bit_of_the_segment_matters),
		WORLD_TEST(c1_3_data_offsets_outside_the_segment_are_refused),
		WORLD_TEST(c7_11_frames_of_other_stations_and_kinds_are_dropped),
		WORLD_TEST(c7_2_and_c7_3_what_we_send_is_well_formed),
		WORLD_TEST(a_known_payload_sum_is_used),
		WORLD_TEST(syns_beyond_the_allowance_are_thrown_away),
		WORLD_TEST(forwarded_parts_keep_a_right_sum),
		WORLD_TEST(a_device_without_chains_gets_one_buffer),
		WORLD_TEST(a_full_device_keeps_order_then_drops_and_counts),
		WORLD_TEST(a_device_that_takes_nothing_is_called_busy_in_time),
		WORLD_TEST(flow_hashes_spread),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
