/* SPDX-License-Identifier: Apache-2.0 */
#include "net_cksum.h"
#include "net_priv.h"
#include "net_world.h"

#define NS 135
#define NA 136
#define PORT_GROUP "ff02::1:ff00:1"
static const uint8_t other_mac[6] = { 2, 0, 0, 0, 0, 0x77 }, port_mac[6] = { 2, 0, 0, 0, 0, 1 };

/* Hop limit, checksum and type of a sent ND message; its flags are returned. */
static uint8_t check_nd(const struct frame *f, uint8_t type)
{
	struct hd_ip src, dst;
	uint32_t n = f->n - 54;

	memcpy(src.b, f->b + 22, 16);
	memcpy(dst.b, f->b + 38, 16);
	assert_int_equal(f->b[21], 255);
	assert_int_equal(f->b[54], type);
	assert_int_equal(cksum_fold(cksum_add(cksum_pseudo(&src, &dst, 58, n), f->b + 54, n)),
			 0xffff);
	return f->b[58];
}

static void hear(struct world *w, const char *ip, const uint8_t mac[6])
{
	struct frame f;

	frame_nd(&f, NS, ip, PORT_GROUP, 0, "fd00:1::1", 1, mac);
	world_rx(w, 0, &f);
	assert_int_not_equal(world_sent(w, 0, &f), 0);
}

static void mac_in_use(struct world *w, const char *ip, struct flow_path *path, uint8_t mac[6])
{
	struct frame f;

	world_xmit(w, "fd00:1::1", ip, path, 0);
	assert_int_equal(world_sent(w, 0, &f), 74);
	memcpy(mac, f.b, 6);
}

static void c7_15_solicitations_for_our_addresses_are_answered(void **state)
{
	struct world *w = *state;
	const struct {
		const char *target, *group;
	} ours[] = { { "fd00:1::1", "ff02::1:ff00:1" },
		     { "fd00:1::10", "ff02::1:ff00:10" },
		     { "fe80::ff:fe00:1", "ff02::1:ff00:1" } };
	struct frame f, r;

	for (size_t k = 0; k < HD_ARRAY_SIZE(ours); k++) {
		for (int unicast = 0; unicast < 2; unicast++) {
			frame_nd(&f, NS, "fd00:1::2", unicast ? ours[k].target : ours[k].group, 0,
				 ours[k].target, 1, world_far_mac);
			world_rx(w, 0, &f);
			assert_int_not_equal(world_sent(w, 0, &r), 0);
			assert_int_equal(check_nd(&r, NA),
					 0x60); /* solicited, override, no router */
			assert_memory_equal(r.b, world_far_mac, 6);
			assert_memory_equal(r.b + 62, ip_of(ours[k].target).b, 16);
			assert_int_equal(r.b[78], 2);
			assert_memory_equal(r.b + 80, port_mac, 6);
		}
	}
}

static void a_probe_is_answered_to_all_nodes_without_the_solicited_flag(void **state)
{
	struct world *w = *state;
	struct frame f, r;

	frame_nd(&f, NS, "::", PORT_GROUP, 0, "fd00:1::1", 0, NULL);
	world_rx(w, 0, &f);
	assert_int_not_equal(world_sent(w, 0, &r), 0);
	assert_int_equal(check_nd(&r, NA) & 0x40, 0);
	assert_memory_equal(r.b + 38, ip_of("ff02::1").b, 16);
	assert_memory_equal(r.b, ((const uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1 }), 6);
}

static void c7_15_invalid_solicitations_are_silence(void **state)
{
	struct world *w = *state;
	struct frame f, good;

	frame_nd(&good, NS, "fd00:1::2", PORT_GROUP, 0, "fd00:1::1", 1, world_far_mac);
	f = good;
	f.b[21] = 254;
	world_rx(w, 0, &f);
	f = good;
	f.b[56] ^= 1;
	world_rx(w, 0, &f);
	frame_nd(&f, NS, "fd00:1::2", PORT_GROUP, 0, "fd00:1::c7", 1, world_far_mac);
	world_rx(w, 0, &f);
	frame_nd(&f, NS, "fd00:1::2", "ff02::1", 0, "ff02::1", 1, world_far_mac);
	world_rx(w, 0, &f);
	frame_nd(&f, NS, "::", PORT_GROUP, 0, "fd00:1::1", 1,
		 world_far_mac); /* a probe carries no address */
	world_rx(w, 0, &f);
	frame_nd(&f, NS, "::", "ff02::1", 0, "fd00:1::1", 0, NULL);
	world_rx(w, 0, &f);
	frame_nd(&f, NS, "fd00:1::2", PORT_GROUP, 0, "fd00:1::1", 1, other_mac);
	for (uint32_t n = f.n - 1; n > 54; n--) {
		f.n = n;
		world_rx(w, 0, &f);
	}
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
	assert_int_equal(world_count(w, HD_NET_ICMP_CHECKSUM), 1);
}

static void options_of_no_length_or_past_the_end_are_refused_unknown_ones_skipped(void **state)
{
	struct world *w = *state;
	const struct {
		uint8_t bytes[16];
		uint32_t n;
		int answered;
	} cases[] = {
		{ { 1, 0, 2, 0, 0, 0, 0, 9 }, 8, 0 },
		{ { 1, 5, 2, 0, 0, 0, 0, 9 }, 8, 0 },
		{ { 99, 1, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 9 }, 16, 1 },
		{ { 1, 1, 3, 0, 0, 0, 0, 9 }, 8, 0 }, /* a group MAC */
	};
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(cases); k++) {
		uint8_t data[32];

		memcpy(data, ip_of("fd00:1::1").b, 16);
		memcpy(data + 16, cases[k].bytes, cases[k].n);
		frame_icmp(&f, "fd00:1::2", PORT_GROUP, NS, 0, 0, data, 16 + cases[k].n);
		world_rx(w, 0, &f);
		assert_int_equal(world_sent(w, 0, &f) != 0, cases[k].answered);
	}
}

static void resolution_asks_the_group_and_sends_what_waited(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	struct frame f;

	world_xmit(w, "fd00:1::1", "fd00:1::abcd", &path, 4);
	assert_int_not_equal(world_sent(w, 0, &f), 0);
	check_nd(&f, NS);
	assert_memory_equal(f.b + 38, ip_of("ff02::1:ff00:abcd").b, 16);
	assert_memory_equal(f.b, ((const uint8_t[]){ 0x33, 0x33, 0xff, 0, 0xab, 0xcd }), 6);
	frame_nd(&f, NA, "fd00:1::abcd", "fd00:1::1", 0x60, "fd00:1::abcd", 2, other_mac);
	world_rx(w, 0, &f);
	assert_int_equal(world_sent(w, 0, &f), 14 + 40 + 24);
	assert_memory_equal(f.b, other_mac, 6);
	world_pass(w, HD_NS_PER_S * 4);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

/* RFC 4861 7.3.3: the MAC that is known first, then whoever has the address now. */
static void c7_15_a_silent_neighbour_is_probed_alone_then_asked_of_its_group(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	uint32_t alone = 0, group = 0;
	struct frame f;

	hear(w, "fd00:1::2", other_mac);
	for (int k = 0; k < 12; k++) {
		world_xmit(w, "fd00:1::1", "fd00:1::2", &path, 0);
		world_pass(w, HD_NS_PER_S);
		while (world_sent(w, 0, &f) != 0) {
			if (f.b[20] != 58)
				continue;
			check_nd(&f, NS);
			if (f.b[0] == 0x33)
				group++;
			else
				alone++;
		}
	}
	assert_int_equal(alone, 3);
	assert_int_equal(group, 3);
	assert_true(w->n_unreachable > 0);
}

static void c7_8_a_flood_of_solicitations_leaves_peers_in_use_alone(void **state)
{
	struct world *w = *state;
	static struct hd_dump_neighbor rows[NEIGH_MAX];
	struct flow_path path = { 0 };
	uint8_t mac[6];
	char text[48];
	struct frame f;

	hear(w, "fd00:1::2", other_mac);
	mac_in_use(w, "fd00:1::2", &path, mac);
	for (uint32_t k = 0; k < 20000; k++) {
		snprintf(text, sizeof(text), "fd00:1::%x:%x", 1 + k / 1000, 5 + k % 1000);
		frame_nd(&f, NS, text, PORT_GROUP, 0, "fd00:1::1", 1, world_far_mac);
		world_rx(w, 0, &f);
		world_sent(w, 0, &f);
	}
	assert_in_range(net_neighbors(w->net, rows, NEIGH_MAX, w->now), 2, NEIGH_MAX_HEARD + 1);
	mac_in_use(w, "fd00:1::2", &path, mac);
	assert_memory_equal(mac, other_mac, 6);
}

static void c7_15_only_an_override_changes_a_known_mac(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	struct frame f;
	uint8_t mac[6];

	hear(w, "fd00:1::2", world_far_mac);
	frame_nd(&f, NA, "fd00:1::2", "fd00:1::1", 0, "fd00:1::2", 2, other_mac);
	world_rx(w, 0, &f);
	mac_in_use(w, "fd00:1::2", &path, mac);
	assert_memory_equal(mac, world_far_mac, 6);
	frame_nd(&f, NA, "fd00:1::2", "ff02::1", 0x20, "fd00:1::2", 2, other_mac);
	world_rx(w, 0, &f);
	mac_in_use(w, "fd00:1::2", &path, mac);
	assert_memory_equal(mac, other_mac, 6);
}

static void c7_15_invalid_advertisements_change_nothing(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	struct frame f;
	uint8_t mac[6];

	hear(w, "fd00:1::2", world_far_mac);
	frame_nd(&f, NA, "fd00:1::2", "fd00:1::1", 0x20, "fd00:1::2", 2, other_mac);
	f.b[21] = 64;
	world_rx(w, 0, &f);
	f.b[21] = 255;
	f.b[56] ^= 1;
	world_rx(w, 0, &f);
	frame_nd(&f, NA, "fd00:1::2", "ff02::1", 0x60, "fd00:1::2", 2,
		 other_mac); /* solicited to a group */
	world_rx(w, 0, &f);
	mac_in_use(w, "fd00:1::2", &path, mac);
	assert_memory_equal(mac, world_far_mac, 6);
}

static void unasked_advertisements_create_nothing(void **state)
{
	struct world *w = *state;
	struct hd_dump_neighbor row;
	struct frame f;

	frame_nd(&f, NA, "fd00:1::5", "ff02::1", 0x20, "fd00:1::5", 2, other_mac);
	world_rx(w, 0, &f);
	assert_int_equal(net_neighbors(w->net, &row, 1, w->now), 0);
}

static void c7_16_an_address_taken_at_start_is_not_used(void **state)
{
	struct world *w = world_create(0);
	struct frame f;

	*state = w;
	frame_nd(&f, NA, "fd00:1::1", "ff02::1", 0x20, "fd00:1::1", 2, other_mac);
	world_rx(w, 0, &f);
	assert_int_equal(world_count(w, HD_NET_ND_DUPLICATE), 1);
	while (world_sent(w, 0, &f) != 0)
		;
	frame_nd(&f, NS, "fd00:1::2", PORT_GROUP, 0, "fd00:1::1", 1, world_far_mac);
	world_rx(w, 0, &f);
	assert_int_equal(world_sent(w, 0, &f), 0);
	frame_nd(&f, NS, "fd00:1::2", "ff02::1:ff00:10", 0, "fd00:1::10", 1, world_far_mac);
	world_rx(w, 0, &f);
	assert_int_not_equal(world_sent(w, 0, &f), 0);
	world_teardown(state);
}

static void c7_16_a_later_claim_of_our_address_is_defended(void **state)
{
	struct world *w = *state;
	struct frame f;
	uint32_t n = 0;

	for (int k = 0; k < 20; k++) {
		frame_nd(&f, NA, "fd00:1::1", "ff02::1", 0x20, "fd00:1::1", 2, other_mac);
		world_rx(w, 0, &f);
	}
	while (world_sent(w, 0, &f) != 0) {
		assert_int_equal(check_nd(&f, NA), 0x20);
		n++;
	}
	assert_int_equal(n, 1);
	assert_int_equal(world_count(w, HD_NET_ND_CONFLICT), 20);
}

static void a_claim_of_an_address_that_leaves_is_not_defended(void **state)
{
	struct world *w = *state;
	struct frame f;

	net_set_vips(w->net, NULL, 0);
	frame_nd(&f, NA, "fd00:1::10", "ff02::1", 0x20, "fd00:1::10", 2, other_mac);
	world_rx(w, 0, &f);
	assert_int_equal(world_sent(w, 0, &f), 0);
	assert_int_equal(world_count(w, HD_NET_ND_CONFLICT), 0);
	assert_int_equal(net_n_leaving(w->net), 2);
}

static void an_address_that_leaves_is_free_for_who_probes_it(void **state)
{
	struct world *w = *state;
	struct frame f;

	net_set_vips(w->net, NULL, 0);
	frame_nd(&f, NS, "::", "ff02::1:ff00:10", 0, "fd00:1::10", 0, NULL);
	world_rx(w, 0, &f);
	assert_int_equal(world_sent(w, 0, &f), 0);
	assert_int_equal(net_n_leaving(w->net), 2);
}

static void c7_10_and_c7_17_routers_and_redirects_are_ignored(void **state)
{
	struct world *w = *state;
	uint8_t body[40] = { 0 };
	struct frame f;

	for (uint8_t type = 133; type <= 137; type++) {
		if (type == NS || type == NA)
			continue;
		frame_icmp(&f, "fe80::bad", "fd00:1::1", type, 0, 0, body, sizeof(body));
		assert_int_equal(world_rx(w, 0, &f), 0);
	}
	assert_int_equal(world_count(w, HD_NET_ICMP_IGNORED), 3);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(c7_15_solicitations_for_our_addresses_are_answered),
		WORLD_TEST(a_probe_is_answered_to_all_nodes_without_the_solicited_flag),
		WORLD_TEST(c7_15_invalid_solicitations_are_silence),
		WORLD_TEST(options_of_no_length_or_past_the_end_are_refused_unknown_ones_skipped),
		WORLD_TEST(resolution_asks_the_group_and_sends_what_waited),
		WORLD_TEST(c7_15_a_silent_neighbour_is_probed_alone_then_asked_of_its_group),
		WORLD_TEST(c7_8_a_flood_of_solicitations_leaves_peers_in_use_alone),
		WORLD_TEST(c7_15_only_an_override_changes_a_known_mac),
		WORLD_TEST(c7_15_invalid_advertisements_change_nothing),
		WORLD_TEST(unasked_advertisements_create_nothing),
		cmocka_unit_test(c7_16_an_address_taken_at_start_is_not_used),
		WORLD_TEST(c7_16_a_later_claim_of_our_address_is_defended),
		WORLD_TEST(a_claim_of_an_address_that_leaves_is_not_defended),
		WORLD_TEST(an_address_that_leaves_is_free_for_who_probes_it),
		WORLD_TEST(c7_10_and_c7_17_routers_and_redirects_are_ignored),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
