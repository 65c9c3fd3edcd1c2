/* SPDX-License-Identifier: Apache-2.0 */
#include "net_world.h"

#define HOP_BY_HOP 0
#define ROUTING 43
#define FRAGMENT 44
#define DESTINATION 60

struct ext {
	uint8_t type;
	uint32_t n;
	uint8_t b[64];
};

static const struct ext padn = { DESTINATION, 8, { 0, 0, 1, 4 } };

static void make_syn(struct frame *f, const char *src, const char *dst)
{
	frame_tcp(f, &(struct tcp_args){ .src = src,
					 .dst = dst,
					 .sport = 4000,
					 .dport = 80,
					 .seq = 7,
					 .flags = PKT_TCP_SYN });
}

/* A SYN behind extension headers. */
static void make_chain(struct frame *f, const struct ext *e, uint32_t count)
{
	uint32_t total = 0, at = 54;

	make_syn(f, "fd00:1::2", "fd00:1::1");
	for (uint32_t k = 0; k < count; k++)
		total += e[k].n;
	memmove(f->b + 54 + total, f->b + 54, f->n - 54);
	f->n += total;
	f->b[18] = (uint8_t)((f->n - 54) >> 8);
	f->b[19] = (uint8_t)(f->n - 54);
	f->b[20] = count != 0 ? e[0].type : IPPROTO_TCP;
	for (uint32_t k = 0; k < count; at += e[k].n, k++) {
		memcpy(f->b + at, e[k].b, e[k].n);
		f->b[at] = k + 1 < count ? e[k + 1].type : IPPROTO_TCP;
	}
}

/* The ICMPv6 error that was sent: type << 8 | code, its pointer; 0: none. */
static uint32_t error_sent(struct world *w, uint32_t *pointer)
{
	struct frame r;

	if (world_sent(w, 0, &r) == 0)
		return 0;
	assert_int_equal(r.b[20], IPPROTO_ICMPV6);
	*pointer = (uint32_t)r.b[58] << 24 | (uint32_t)r.b[59] << 16 | (uint32_t)r.b[60] << 8 |
		   r.b[61];
	return (uint32_t)r.b[54] << 8 | r.b[55];
}

static void lengths_and_versions_that_lie_are_refused(void **state)
{
	struct world *w = *state;
	const uint16_t lengths[] = { 0, 19, 21, 1400, 65535 };
	const uint8_t first[] = { 0x40, 0x00, 0xf0 };
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(lengths); k++) {
		make_syn(&f, "fd00:1::2", "fd00:1::1");
		f.b[18] = (uint8_t)(lengths[k] >> 8);
		f.b[19] = (uint8_t)lengths[k];
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	for (size_t k = 0; k < HD_ARRAY_SIZE(first); k++) {
		make_syn(&f, "fd00:1::2", "fd00:1::1");
		f.b[14] = first[k];
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	make_syn(&f, "fd00:1::2", "fd00:1::1");
	for (struct frame cut = f; --cut.n > 0;)
		assert_int_equal(world_rx(w, 0, &cut), 0);
	memset(f.b + f.n, 0xdd, 200);
	f.n += 200;
	assert_int_equal(world_rx(w, 0, &f), 1);
	assert_int_equal(world_facts()->payload, 0);
}

static void c1_36_bad_sources_are_refused(void **state)
{
	struct world *w = *state;
	const char *bad[] = { "::", "::1", "ff02::9", "::ffff:10.1.0.2" };
	const char *own[] = { "fd00:1::1", "fd00:2::1", "fd00:1::10", "fe80::ff:fe00:1" };
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(bad); k++) {
		make_syn(&f, "fd00:1::2", "fd00:1::1");
		memcpy(f.b + 22, ip_of(bad[k]).b, 16);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_SOURCE), HD_ARRAY_SIZE(bad));
	for (size_t k = 0; k < HD_ARRAY_SIZE(own); k++) {
		make_syn(&f, own[k], "fd00:1::1");
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_LAND), HD_ARRAY_SIZE(own));
}

static void only_our_addresses_are_ours(void **state)
{
	struct world *w = *state;
	const char *ours[] = { "fd00:1::1", "fd00:1::10", "fe80::ff:fe00:1" };
	const char *not_ours[] = { "fd00:1::3", "fd00:2::1",	  "fe80::ff:fe00:2",
				   "ff02::1",	"ff02::1:ff00:1", "ff05::2" };
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(ours); k++) {
		make_syn(&f, "fd00:1::2", ours[k]);
		assert_int_equal(world_rx(w, 0, &f), 1);
		assert_int_equal(world_rx(w, 0, &f), 1);
	}
	for (size_t k = 0; k < HD_ARRAY_SIZE(not_ours); k++) {
		make_syn(&f, "fd00:1::2", not_ours[k]);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	/* The mapped form of an IPv4 address of ours is not that address. */
	make_syn(&f, "fd00:1::2", "fd00:1::1");
	memcpy(f.b + 38, ip_of("10.1.0.1").b, 16);
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

static void c7_12_options_are_skipped_or_refused_by_their_action_bits(void **state)
{
	struct world *w = *state;
	const uint32_t want[] = { 0, 0, 0x0402, 0x0402 };
	struct frame f;
	uint32_t pointer;

	for (uint8_t action = 0; action < 4; action++) {
		struct ext e = { DESTINATION, 8, { 0, 0, (uint8_t)(action << 6 | 0x1e), 4 } };

		make_chain(&f, &e, 1);
		assert_int_equal(world_rx(w, 0, &f), action == 0);
		assert_int_equal(error_sent(w, &pointer), want[action]);
		if (want[action] != 0)
			assert_int_equal(pointer, 42);
	}
}

static void padded_chains_reach_tcp(void **state)
{
	struct world *w = *state;
	struct ext hop = padn, pad1 = { DESTINATION, 8, { 0 } };
	struct frame f;

	hop.type = HOP_BY_HOP;
	make_chain(&f, (const struct ext[]){ hop, padn, pad1 }, 3);
	assert_int_equal(world_rx(w, 0, &f), 1);
	assert_int_equal(world_facts()->tcp_offset, 54 + 24);
	for (uint32_t seg = 1; seg < f.n; seg += 3)
		assert_int_equal(world_rx_chain(w, 0, &f, seg < 16 ? 16 : seg), 1);
}

static void c7_12_and_c7_13_chains_out_of_order_too_long_or_cut_are_refused(void **state)
{
	struct world *w = *state;
	struct ext many[12], hop = padn, over = { DESTINATION, 8, { 0, 0, 0x1e, 255 } },
			     far = { DESTINATION, 8, { 0, 255 } };
	struct frame f;
	uint32_t pointer;

	hop.type = HOP_BY_HOP;
	make_chain(&f, (const struct ext[]){ padn, hop }, 2);
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(error_sent(w, &pointer), 0x0401);
	assert_int_equal(pointer, 40);
	for (size_t k = 0; k < HD_ARRAY_SIZE(many); k++)
		many[k] = padn;
	make_chain(&f, many, HD_ARRAY_SIZE(many));
	assert_int_equal(world_rx(w, 0, &f), 0);
	make_chain(&f, &over, 1);
	assert_int_equal(world_rx(w, 0, &f), 0);
	make_chain(&f, &far, 1);
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

static void c7_13_routing_headers_count_only_when_used_up(void **state)
{
	struct world *w = *state;
	struct ext rh = { ROUTING, 24, { 0, 2, 0, 1 } };
	struct frame f;
	uint32_t pointer;

	make_chain(&f, &rh, 1);
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(error_sent(w, &pointer), 0x0400);
	assert_int_equal(pointer, 42);
	assert_int_equal(world_count(w, HD_NET_IP_SOURCE_ROUTE), 1);
	rh.b[3] = 0;
	make_chain(&f, &rh, 1);
	assert_int_equal(world_rx(w, 0, &f), 1);
}

static void c7_14_only_atomic_fragments_are_whole(void **state)
{
	struct world *w = *state;
	struct ext e = { FRAGMENT, 8, { 0, 0, 0, 0, 0, 0, 4, 210 } };
	const uint16_t real[] = { 1, 8, 9, 0xfff8 };
	struct frame f;

	make_chain(&f, &e, 1);
	assert_int_equal(world_rx(w, 0, &f), 1);
	for (size_t k = 0; k < HD_ARRAY_SIZE(real); k++) {
		e.b[2] = (uint8_t)(real[k] >> 8);
		e.b[3] = (uint8_t)real[k];
		make_chain(&f, &e, 1);
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_IP_FRAGMENT), HD_ARRAY_SIZE(real));
}

static void c7_12_unknown_next_headers_are_a_parameter_problem_at_their_place(void **state)
{
	struct world *w = *state;
	struct frame f;
	uint32_t pointer;

	make_chain(&f, &padn, 0);
	f.b[20] = 253;
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(error_sent(w, &pointer), 0x0401);
	assert_int_equal(pointer, 6);
	make_chain(&f, &padn, 1);
	f.b[54] = 253;
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(error_sent(w, &pointer), 0x0401);
	assert_int_equal(pointer, 40);
	make_chain(&f, &padn, 0);
	f.b[20] = 59; /* nothing follows */
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(error_sent(w, &pointer), 0);
}

static void c7_19_udp_gets_port_unreachable(void **state)
{
	struct world *w = *state;
	const uint8_t udp[] = { 0x13, 0x88, 0x82, 0x35, 0, 12, 0, 0, 'a', 'b', 'c', 'd' };
	struct frame f;
	uint32_t pointer;

	frame_ip(&f, "fd00:1::2", "fd00:1::1", IPPROTO_UDP, udp, sizeof(udp));
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(error_sent(w, &pointer), 0x0104);
	frame_ip(&f, "fd00:1::2", "ff02::1", IPPROTO_UDP, udp, sizeof(udp));
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(error_sent(w, &pointer), 0);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(lengths_and_versions_that_lie_are_refused),
		WORLD_TEST(c1_36_bad_sources_are_refused),
		WORLD_TEST(only_our_addresses_are_ours),
		WORLD_TEST(c7_12_options_are_skipped_or_refused_by_their_action_bits),
		WORLD_TEST(padded_chains_reach_tcp),
		WORLD_TEST(c7_12_and_c7_13_chains_out_of_order_too_long_or_cut_are_refused),
		WORLD_TEST(c7_13_routing_headers_count_only_when_used_up),
		WORLD_TEST(c7_14_only_atomic_fragments_are_whole),
		WORLD_TEST(c7_12_unknown_next_headers_are_a_parameter_problem_at_their_place),
		WORLD_TEST(c7_19_udp_gets_port_unreachable),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
