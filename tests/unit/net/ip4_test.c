/* SPDX-License-Identifier: Apache-2.0 */
#include "net_world.h"

static struct tcp_args syn(void)
{
	return (struct tcp_args){ .src = "10.1.0.2",
				  .dst = "10.1.0.1",
				  .sport = 4000,
				  .dport = 80,
				  .seq = 7,
				  .flags = PKT_TCP_SYN };
}

static void make_syn(struct frame *f)
{
	struct tcp_args a = syn();

	frame_tcp(f, &a);
}

static void c7_1_every_single_bit_of_the_header_matters(void **state)
{
	struct world *w = *state;
	struct frame f, good;

	make_syn(&good);
	for (uint32_t bit = 0; bit < 160; bit++) {
		f = good;
		f.b[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_CHECKSUM) + world_count(w, HD_NET_IP_HEADER) +
				 world_count(w, HD_NET_IP_TRUNCATED),
			 160);
	assert_int_equal(world_rx(w, 0, &good), 1);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

static void c7_1_lengths_that_lie_are_refused_with_a_right_checksum(void **state)
{
	struct world *w = *state;
	const uint16_t totals[] = { 0, 1, 19, 41, 1500, 65535 };
	const uint8_t first[] = { 0x40, 0x44, 0x46, 0x4f, 0x55, 0x65, 0x05 };
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(totals); k++) {
		make_syn(&f);
		f.b[16] = (uint8_t)(totals[k] >> 8);
		f.b[17] = (uint8_t)totals[k];
		frame_fix_ip4(&f);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	for (size_t k = 0; k < HD_ARRAY_SIZE(first); k++) {
		make_syn(&f);
		f.b[14] = first[k];
		frame_fix_ip4(&f);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
}

static void every_cut_of_a_frame_is_refused(void **state)
{
	struct world *w = *state;
	struct frame f;

	make_syn(&f);
	for (uint32_t n = f.n - 1; n > 0; n--) {
		f.n = n;
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
}

static void c7_1_padding_is_trimmed(void **state)
{
	struct world *w = *state;
	struct tcp_args a = syn();
	struct frame f;

	a.data = "hello";
	a.n_data = 5;
	frame_tcp(&f, &a);
	memset(f.b + f.n, 0xee, 30);
	f.n += 30;
	assert_int_equal(world_rx(w, 0, &f), 1);
	assert_int_equal(world_facts()->payload, 5);
}

static void c1_36_bad_sources_are_refused(void **state)
{
	struct world *w = *state;
	const char *bad[] = { "0.0.0.0",   "0.1.2.3",	      "127.0.0.1", "224.0.0.1",
			      "240.0.0.1", "255.255.255.255", "10.1.0.255" };
	const char *own[] = { "10.1.0.1", "10.2.0.1", "10.1.0.10", "10.96.0.1" };
	struct tcp_args a = syn();
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(bad); k++) {
		a.src = bad[k];
		frame_tcp(&f, &a);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_SOURCE), HD_ARRAY_SIZE(bad));
	for (size_t k = 0; k < HD_ARRAY_SIZE(own); k++) {
		a.src = own[k];
		frame_tcp(&f, &a);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_LAND), HD_ARRAY_SIZE(own));
}

static void what_others_have_too_may_send(void **state)
{
	struct world *w = *state;
	const struct hd_ip elsewhere[] = { ip_of("10.96.0.1") };
	struct tcp_args a = syn();
	struct frame f;

	net_set_elsewhere(w->net, elsewhere, 1);
	a.src = "10.96.0.1";
	frame_tcp(&f, &a);
	assert_int_equal(world_rx(w, 0, &f), 1);
	a.dst = "10.96.0.1"; /* to itself all the same not */
	frame_tcp(&f, &a);
	assert_int_equal(world_rx(w, 0, &f), 0);
	net_set_elsewhere(w->net, NULL, 0);
	a.dst = "10.1.0.1";
	frame_tcp(&f, &a);
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(world_count(w, HD_NET_IP_LAND), 2);
}

static void only_our_addresses_are_ours(void **state)
{
	struct world *w = *state;
	const char *ours[] = { "10.1.0.1", "10.1.0.10", "10.96.0.1" };
	const char *not_ours[] = { "10.1.0.3", "10.2.0.1", "10.96.0.2", "8.8.8.8" };
	const char *groups[] = { "10.1.0.255", "255.255.255.255", "224.0.0.1" };
	struct tcp_args a = syn();
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(ours); k++) {
		a.dst = ours[k];
		frame_tcp(&f, &a);
		assert_int_equal(world_rx(w, 0, &f), 1);
		assert_int_equal(world_rx(w, 0, &f), 1); /* by the straight line this time */
	}
	for (size_t k = 0; k < HD_ARRAY_SIZE(not_ours); k++) {
		a.dst = not_ours[k];
		frame_tcp(&f, &a);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_NOT_OURS), HD_ARRAY_SIZE(not_ours));
	for (size_t k = 0; k < HD_ARRAY_SIZE(groups); k++) {
		a.dst = groups[k];
		frame_tcp(&f, &a);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_GROUP), HD_ARRAY_SIZE(groups));
}

static void a_vip_that_left_stays_until_a_sweep_finds_no_user(void **state)
{
	struct world *w = *state;
	struct hd_ip vip = hd_ip_from_v4(inet_addr("10.96.0.1"));
	struct tcp_args a = syn();
	struct frame f;

	a.dst = "10.96.0.1";
	frame_tcp(&f, &a);
	assert_int_equal(world_rx(w, 0, &f), 1);
	net_set_vips(w->net, NULL, 0);
	assert_int_equal(net_n_leaving(w->net), 3);
	net_leaving_drop(w->net); /* the sweep that may have begun before it left */
	assert_int_equal(world_rx(w, 0, &f), 1);
	net_leaving_mark(w->net, &vip);
	net_leaving_drop(w->net);
	assert_int_equal(net_n_leaving(w->net), 1);
	assert_int_equal(world_rx(w, 0, &f), 1);
	net_leaving_drop(w->net);
	assert_int_equal(net_n_leaving(w->net), 0);
	assert_int_equal(world_rx(w, 0, &f), 0);
}

static void a_vip_that_comes_back_does_not_leave(void **state)
{
	struct world *w = *state;
	struct hd_ip vip = hd_ip_from_v4(inet_addr("10.96.0.1"));
	struct tcp_args a = syn();
	struct frame f;

	a.dst = "10.96.0.1";
	frame_tcp(&f, &a);
	net_set_vips(w->net, NULL, 0);
	net_set_vips(w->net, &vip, 1);
	assert_int_equal(net_n_leaving(w->net), 2);
	net_leaving_drop(w->net);
	net_leaving_drop(w->net);
	assert_int_equal(net_n_leaving(w->net), 0);
	assert_int_equal(world_rx(w, 0, &f), 1);
}

static void more_vips_leave_than_are_kept_and_the_rest_is_counted(void **state)
{
	static struct hd_ip many[5000];
	struct world *w = *state;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(many); i++)
		many[i] = hd_ip_from_v4(htonl(0x0b000000 + i));
	net_set_vips(w->net, many, HD_ARRAY_SIZE(many));
	net_set_vips(w->net, NULL, 0);
	assert_int_equal(net_n_leaving(w->net), 4096);
	assert_int_equal(world_count(w, HD_NET_IP_LEAVING), 5000 + 3 - 4096);
}

static void c7_4_and_c7_5_fragments_are_dropped_and_counted(void **state)
{
	struct world *w = *state;
	const uint16_t words[] = { 0x2000, 1, 0x2001, 0x1fff };
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(words); k++) {
		make_syn(&f);
		f.b[20] = (uint8_t)(words[k] >> 8);
		f.b[21] = (uint8_t)words[k];
		frame_fix_ip4(&f);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_FRAGMENT), HD_ARRAY_SIZE(words));
}

/* A SYN with IPv4 options in front. */
static void make_optioned(struct frame *f, const uint8_t *options, uint32_t n)
{
	make_syn(f);
	memmove(f->b + 34 + n, f->b + 34, f->n - 34);
	memcpy(f->b + 34, options, n);
	f->n += n;
	f->b[14] = (uint8_t)(0x45 + n / 4);
	f->b[17] = (uint8_t)(f->n - 14);
	frame_fix_ip4(f);
}

static void c1_39_source_routes_are_dropped_other_options_skipped(void **state)
{
	struct world *w = *state;
	const uint8_t loose[] = { 131, 7, 4, 10, 1, 0, 9, 0 },
		      strict[] = { 1, 137, 7, 4, 10, 1, 0, 9 };
	const uint8_t record[] = { 7, 7, 4, 0, 0, 0, 0, 0 },
		      padded[] = { 1, 1, 1, 0, 131, 131, 131, 131 };
	struct frame f;

	make_optioned(&f, loose, 8);
	assert_int_equal(world_rx(w, 0, &f), 0);
	make_optioned(&f, strict, 8);
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(world_count(w, HD_NET_IP_SOURCE_ROUTE), 2);
	make_optioned(&f, record, 8);
	assert_int_equal(world_rx(w, 0, &f), 1);
	make_optioned(&f, padded, 8);
	assert_int_equal(world_rx(w, 0, &f), 1);
}

static void options_that_run_over_are_refused(void **state)
{
	struct world *w = *state;
	const uint8_t bad[][4] = {
		{ 7, 0, 0, 0 }, { 7, 1, 0, 0 }, { 7, 5, 0, 0 }, { 1, 1, 1, 7 }, { 7, 255, 0, 0 }
	};
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(bad); k++) {
		make_optioned(&f, bad[k], 4);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_OPTION), HD_ARRAY_SIZE(bad));
}

static void c7_2_any_ttl_is_accepted(void **state)
{
	struct world *w = *state;
	const uint8_t ttls[] = { 0, 1, 255 };
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(ttls); k++) {
		make_syn(&f);
		f.b[22] = ttls[k];
		frame_fix_ip4(&f);
		assert_int_equal(world_rx(w, 0, &f), 1);
	}
}

static void c7_19_udp_gets_port_unreachable_and_only_so_many(void **state)
{
	struct world *w = *state;
	const uint8_t udp[] = { 0x13, 0x88, 0x82, 0x35, 0, 12, 0, 0, 'a', 'b', 'c', 'd' };
	struct frame f, r;
	uint32_t answered = 0;

	for (uint32_t k = 0; k < 200; k++) {
		frame_ip(&f, "10.1.0.2", "10.1.0.1", IPPROTO_UDP, udp, sizeof(udp));
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	while (world_sent(w, 0, &r) != 0) {
		assert_int_equal(r.b[34], 3);
		assert_int_equal(r.b[35], 3);
		assert_memory_equal(r.b, world_far_mac, 6);
		assert_memory_equal(r.b + 42, f.b + 14, f.n - 14);
		answered++;
	}
	assert_in_range(answered, 1, 30);
	assert_int_equal(world_count(w, HD_NET_UDP_PORT), 200);
	assert_int_equal(world_count(w, HD_NET_ICMP_RATE), 200 - answered);
}

static void c7_19_other_protocols_are_counted_silence(void **state)
{
	struct world *w = *state;
	uint8_t body[40] = { 0 };
	struct frame f;

	for (uint32_t protocol = 0; protocol < 256; protocol++) {
		if (protocol == IPPROTO_ICMP || protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
			continue;
		frame_ip(&f, "10.1.0.2", "10.1.0.1", (uint8_t)protocol, body, sizeof(body));
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_PROTOCOL), 253);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(c7_1_every_single_bit_of_the_header_matters),
		WORLD_TEST(c7_1_lengths_that_lie_are_refused_with_a_right_checksum),
		WORLD_TEST(every_cut_of_a_frame_is_refused),
		WORLD_TEST(c7_1_padding_is_trimmed),
		WORLD_TEST(c1_36_bad_sources_are_refused),
		WORLD_TEST(what_others_have_too_may_send),
		WORLD_TEST(only_our_addresses_are_ours),
		WORLD_TEST(a_vip_that_left_stays_until_a_sweep_finds_no_user),
		WORLD_TEST(a_vip_that_comes_back_does_not_leave),
		WORLD_TEST(more_vips_leave_than_are_kept_and_the_rest_is_counted),
		WORLD_TEST(c7_4_and_c7_5_fragments_are_dropped_and_counted),
		WORLD_TEST(c1_39_source_routes_are_dropped_other_options_skipped),
		WORLD_TEST(options_that_run_over_are_refused),
		WORLD_TEST(c7_2_any_ttl_is_accepted),
		WORLD_TEST(c7_19_udp_gets_port_unreachable_and_only_so_many),
		WORLD_TEST(c7_19_other_protocols_are_counted_silence),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
