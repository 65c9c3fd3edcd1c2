/* SPDX-License-Identifier: Apache-2.0 */
#include <rte_arp.h>

#include "net_priv.h"
#include "net_world.h"

static const uint8_t nobody[6], everybody[6] = { 255, 255, 255, 255, 255, 255 };
static const uint8_t port_mac[6] = { 2, 0, 0, 0, 0, 1 }, other_mac[6] = { 2, 0, 0, 0, 0, 0x77 };

static const struct rte_arp_ipv4 *arp_of(const struct frame *f)
{
	assert_int_equal(f->n, 42);
	assert_int_equal(f->b[12] << 8 | f->b[13], 0x0806);
	return &((const struct rte_arp_hdr *)(f->b + 14))->arp_data;
}

static uint32_t sent_requests(struct world *w, uint32_t port, const char *target)
{
	struct frame f;
	uint32_t n = 0;

	while (world_sent(w, port, &f) != 0) {
		if (f.b[13] == 0x06 && arp_of(&f)->arp_tip == ip_of(target).w[3] && f.b[21] == 1)
			n++;
	}
	return n;
}

/* Teaches net the MAC of a station by its own request. */
static void hear(struct world *w, uint32_t port, const char *ip, const uint8_t mac[6])
{
	struct frame f;

	frame_arp(&f, 1, mac, ip, nobody, port == 0 ? "10.1.0.1" : "10.2.0.1");
	world_rx(w, port, &f);
	assert_int_not_equal(world_sent(w, port, &f), 0);
}

static void c7_6_requests_for_our_addresses_are_answered_to_the_asker(void **state)
{
	struct world *w = *state;
	const char *ours[] = { "10.1.0.1", "10.1.0.10" };
	struct frame f, r;

	for (size_t k = 0; k < HD_ARRAY_SIZE(ours); k++) {
		frame_arp(&f, 1, world_far_mac, "10.1.0.2", nobody, ours[k]);
		assert_int_equal(world_rx(w, 0, &f), 0);
		assert_int_not_equal(world_sent(w, 0, &r), 0);
		assert_memory_equal(r.b, world_far_mac, 6);
		assert_memory_equal(r.b + 6, port_mac, 6);
		assert_int_equal(r.b[21], 2);
		assert_int_equal(arp_of(&r)->arp_sip, ip_of(ours[k]).w[3]);
		assert_int_equal(arp_of(&r)->arp_tip, ip_of("10.1.0.2").w[3]);
		assert_memory_equal(arp_of(&r)->arp_sha.addr_bytes, port_mac, 6);
		assert_memory_equal(arp_of(&r)->arp_tha.addr_bytes, world_far_mac, 6);
	}
}

static void c7_6_requests_for_others_are_silence(void **state)
{
	struct world *w = *state;
	const char *others[] = { "10.1.0.199", "10.1.0.255", "0.0.0.0",
				 "10.2.0.1",   "224.0.0.1",  "10.96.0.1" };
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(others); k++) {
		frame_arp(&f, 1, world_far_mac, "10.1.0.2", nobody, others[k]);
		world_rx(w, 0, &f);
	}
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

static void c7_7_a_probe_is_answered(void **state)
{
	struct world *w = *state;
	struct frame f;

	frame_arp(&f, 1, world_far_mac, "0.0.0.0", nobody, "10.1.0.1");
	world_rx(w, 0, &f);
	assert_int_not_equal(world_sent(w, 0, &f), 0);
	assert_int_equal(f.b[21], 2);
}

static void malformed_packets_have_no_effect(void **state)
{
	struct world *w = *state;
	const struct {
		uint32_t at;
		uint8_t value;
	} changes[] = { { 0, 9 }, { 1, 7 },  { 2, 0x86 }, { 4, 0 }, { 4, 255 },
			{ 5, 0 }, { 5, 16 }, { 6, 9 },	  { 7, 0 }, { 7, 99 } };
	struct frame f, good;

	frame_arp(&good, 1, world_far_mac, "10.1.0.2", nobody, "10.1.0.1");
	for (size_t k = 0; k < HD_ARRAY_SIZE(changes); k++) {
		f = good;
		f.b[14 + changes[k].at] = changes[k].value;
		world_rx(w, 0, &f);
	}
	for (f = good; --f.n > 14;)
		world_rx(w, 0, &f);
	frame_arp(&f, 1, everybody, "10.1.0.2", nobody, "10.1.0.1");
	world_rx(w, 0, &f);
	frame_arp(&f, 1, nobody, "10.1.0.2", nobody, "10.1.0.1");
	world_rx(w, 0, &f);
	frame_arp(&f, 1, world_far_mac, "224.0.0.5", nobody, "10.1.0.1");
	world_rx(w, 0, &f);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

static void c7_6_first_packets_wait_and_leave_in_order_when_the_answer_comes(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	struct frame f;

	for (uint32_t k = 0; k < 66; k++)
		world_xmit(w, "10.2.0.1", "10.2.0.9", &path, 10 + k);
	assert_int_equal(world_count(w, HD_NET_NEIGH_QUEUE), 2);
	assert_int_equal(sent_requests(w, 1, "10.2.0.9"), 1);
	frame_arp(&f, 2, other_mac, "10.2.0.9", (const uint8_t[]){ 2, 0, 0, 0, 0, 2 }, "10.2.0.1");
	world_rx(w, 1, &f);
	for (uint32_t k = 0; k < 64; k++) {
		assert_int_equal(world_sent(w, 1, &f), 14 + 20 + 20 + 10 + k);
		assert_memory_equal(f.b, other_mac, 6);
	}
	assert_int_equal(world_sent(w, 1, &f), 0);
	world_xmit(w, "10.2.0.1", "10.2.0.9", &path, 1);
	assert_int_not_equal(world_sent(w, 1, &f), 0);
}

static void c7_6_requests_go_out_once_a_second_then_tcp_is_told(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };

	world_xmit(w, "10.2.0.1", "10.2.0.9", &path, 0);
	world_pass(w, 990 * HD_NS_PER_MS);
	assert_int_equal(sent_requests(w, 1, "10.2.0.9"), 1);
	world_pass(w, HD_NS_PER_S);
	assert_int_equal(sent_requests(w, 1, "10.2.0.9"), 1);
	world_pass(w, HD_NS_PER_S / 2);
	assert_int_equal(sent_requests(w, 1, "10.2.0.9"), 1);
	assert_int_equal(w->n_unreachable, 0);
	world_pass(w, HD_NS_PER_S);
	assert_int_equal(w->n_unreachable, 1);
	assert_true(hd_ip_eq(&w->lost_key.remote,
			     &(struct hd_ip){ .b = { [10] = 255, [11] = 255, 10, 2, 0, 9 } }));
	assert_int_equal(w->lost_key.local_port, 80);
	assert_int_equal(w->lost_key.remote_port, 4000);
}

static void c7_6_a_failed_neighbour_is_refused_at_once_then_asked_again(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };

	world_xmit(w, "10.2.0.1", "10.2.0.9", &path, 0);
	world_pass(w, 3100 * HD_NS_PER_MS);
	assert_int_equal(sent_requests(w, 1, "10.2.0.9"), 3);
	world_xmit(w, "10.2.0.1", "10.2.0.9", &path, 0);
	world_pass(w, 10 * HD_NS_PER_MS);
	assert_int_equal(w->n_unreachable, 2);
	assert_int_equal(sent_requests(w, 1, "10.2.0.9"), 0);
	world_pass(w, 3 * HD_NS_PER_S);
	world_xmit(w, "10.2.0.1", "10.2.0.9", &path, 0);
	assert_int_equal(sent_requests(w, 1, "10.2.0.9"), 1);
}

static void asking_for_us_teaches_the_mac(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	struct frame f;

	hear(w, 0, "10.1.0.2", other_mac);
	world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 0);
	assert_int_not_equal(world_sent(w, 0, &f), 0);
	assert_memory_equal(f.b, other_mac, 6);
}

static void c7_6_a_new_mac_is_used_after_a_request_or_an_answer(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	struct frame f;

	hear(w, 0, "10.1.0.2", world_far_mac);
	world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 0);
	world_sent(w, 0, &f);
	hear(w, 0, "10.1.0.2", other_mac);
	world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 0);
	world_sent(w, 0, &f);
	assert_memory_equal(f.b, other_mac, 6);
	frame_arp(&f, 2, world_far_mac, "10.1.0.2", port_mac, "10.1.0.1");
	world_rx(w, 0, &f);
	world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 0);
	world_sent(w, 0, &f);
	assert_memory_equal(f.b, world_far_mac, 6);
}

static void c7_7_unasked_claims_create_nothing(void **state)
{
	struct world *w = *state;
	struct hd_dump_neighbor rows[4];
	struct frame f;

	frame_arp(&f, 2, other_mac, "10.1.0.3", everybody, "10.1.0.3");
	world_rx(w, 0, &f);
	frame_arp(&f, 1, other_mac, "10.1.0.3", nobody, "10.1.0.4");
	world_rx(w, 0, &f);
	frame_arp(&f, 1, other_mac, "192.168.0.3", nobody,
		  "10.1.0.1"); /* answered, but on no link of ours */
	world_rx(w, 0, &f);
	assert_int_equal(net_neighbors(w->net, rows, 4, w->now), 0);
	while (world_sent(w, 0, &f) != 0)
		;
}

static void a_neighbour_that_progress_confirms_is_never_probed(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	struct frame f;

	hear(w, 0, "10.1.0.2", other_mac);
	for (int k = 0; k < 60; k++) {
		world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 0);
		assert_int_equal(world_sent(w, 0, &f), 54);
		net_confirm(w->net, &path);
		world_pass(w, HD_NS_PER_S);
		assert_int_equal(fake_device_sent(&w->dev[0]), 0);
	}
}

static void a_silent_neighbour_is_probed_alone_then_asked_of_everybody_then_given_up(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	struct frame f;
	uint32_t unicast = 0, broadcast = 0;

	hear(w, 0, "10.1.0.2", other_mac);
	for (int k = 0; k < 12; k++) {
		world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 0);
		world_pass(w, HD_NS_PER_S);
		while (world_sent(w, 0, &f) != 0) {
			if (f.b[13] != 0x06)
				continue;
			if (f.b[0] == 0xff)
				broadcast++;
			else
				unicast++;
		}
	}
	assert_int_equal(unicast, 3);
	assert_int_equal(broadcast, 3);
	assert_true(w->n_unreachable > 0);
}

static void an_answer_to_the_probe_keeps_the_neighbour(void **state)
{
	struct world *w = *state;
	struct hd_dump_neighbor row;
	struct flow_path path = { 0 };
	struct frame f;

	hear(w, 0, "10.1.0.2", other_mac);
	world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 0);
	world_pass(w, 5100 * HD_NS_PER_MS);
	assert_int_equal(net_neighbors(w->net, &row, 1, w->now), 1);
	assert_string_equal(row.state, "probe");
	frame_arp(&f, 2, other_mac, "10.1.0.2", port_mac, "10.1.0.1");
	world_rx(w, 0, &f);
	net_neighbors(w->net, &row, 1, w->now);
	assert_string_equal(row.state, "reachable");
	assert_memory_equal(row.mac, other_mac, 6);
	world_pass(w, 31 * HD_NS_PER_S);
	net_neighbors(w->net, &row, 1, w->now);
	assert_string_equal(row.state, "stale");
	while (world_sent(w, 0, &f) != 0)
		;
}

static void c7_8_a_flood_of_strangers_leaves_peers_in_use_alone(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 };
	static struct hd_dump_neighbor rows[9000];
	char text[32];
	struct frame f;

	hear(w, 0, "10.1.0.2", other_mac);
	world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 0);
	world_sent(w, 0, &f);
	for (uint32_t k = 0; k < 100000; k++) {
		const uint8_t mac[6] = {
			2, 1, (uint8_t)(k >> 16), (uint8_t)(k >> 8), (uint8_t)k, 5
		};

		snprintf(text, sizeof(text), "10.1.0.%u", 20 + k % 200);
		frame_arp(&f, 1, mac, text, nobody, "10.1.0.1");
		world_rx(w, 0, &f);
		world_sent(w, 0, &f);
	}
	assert_true(net_neighbors(w->net, rows, 9000, w->now) < 300);
	world_xmit(w, "10.1.0.1", "10.1.0.2", &path, 0);
	assert_int_not_equal(world_sent(w, 0, &f), 0);
	assert_memory_equal(f.b, other_mac, 6);
}

static uint32_t longest_chain(const struct net_neigh_table *t)
{
	uint32_t longest = 0;

	for (uint32_t b = 0; b < NEIGH_MAX; b++) {
		uint32_t n = 0;

		for (uint32_t at = t->buckets[b]; at != 0; at = t->entries[at - 1].next)
			n++;
		longest = n > longest ? n : longest;
	}
	return longest;
}

/* All of a /16 once lay in one bucket: then each new neighbour looks at all others. */
static void c7_8_neighbours_of_a_wide_subnet_lie_apart(void **state)
{
	struct world *w = *state;
	char text[48];

	for (uint32_t k = 0; k < NEIGH_MAX_PENDING; k++) {
		struct hd_ip ip;

		snprintf(text, sizeof(text), "10.1.%u.%u", k / 8, 1 + k % 8 * 31);
		ip = ip_of(text);
		net_neigh_get(w->net, &w->net->ifs[0], &ip);
	}
	assert_in_range(longest_chain(&w->net->neigh), 1, 6);
	for (uint32_t k = 0; k < NEIGH_MAX_PENDING; k++) {
		struct hd_ip ip;

		snprintf(text, sizeof(text), "fd00:1::%x:%x", k / 8, 1 + k % 8);
		ip = ip_of(text);
		net_neigh_get(w->net, &w->net->ifs[0], &ip);
	}
	assert_in_range(longest_chain(&w->net->neigh), 1, 6);
}

static void c7_7_our_address_claimed_by_another_is_defended_once_in_ten_seconds(void **state)
{
	struct world *w = *state;
	struct frame f;
	uint32_t n = 0;

	for (int k = 0; k < 50; k++) {
		frame_arp(&f, 1 + k % 2, other_mac, "10.1.0.10", nobody, "10.1.0.10");
		world_rx(w, 0, &f);
		world_pass(w, 100 * HD_NS_PER_MS);
	}
	while (world_sent(w, 0, &f) != 0) {
		assert_int_equal(arp_of(&f)->arp_sip, ip_of("10.1.0.10").w[3]);
		n++;
	}
	assert_int_equal(n, 1);
	assert_int_equal(world_count(w, HD_NET_ARP_CONFLICT), 50);
	world_pass(w, 10 * HD_NS_PER_S);
	frame_arp(&f, 2, other_mac, "10.1.0.10", everybody, "10.1.0.10");
	world_rx(w, 0, &f);
	assert_int_equal(fake_device_sent(&w->dev[0]), 1);
}

static void an_address_that_leaves_is_answered_for_until_another_claims_it(void **state)
{
	struct world *w = *state;
	struct frame f;

	net_set_vips(w->net, NULL, 0);
	frame_arp(&f, 1, other_mac, "10.1.0.2", nobody, "10.1.0.10");
	world_rx(w, 0, &f);
	assert_int_not_equal(world_sent(w, 0, &f), 0);
	assert_int_equal(arp_of(&f)->arp_sip, ip_of("10.1.0.10").w[3]);
	frame_arp(&f, 1, other_mac, "10.1.0.10", nobody, "10.1.0.10");
	world_rx(w, 0, &f);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
	assert_int_equal(world_count(w, HD_NET_ARP_CONFLICT), 0);
	frame_arp(&f, 1, other_mac, "10.1.0.2", nobody, "10.1.0.10");
	world_rx(w, 0, &f);
	assert_int_equal(world_sent(w, 0, &f), 0);
}

static void an_address_that_leaves_is_free_for_who_probes_it(void **state)
{
	struct world *w = *state;
	struct frame f;

	net_set_vips(w->net, NULL, 0);
	frame_arp(&f, 1, other_mac, "0.0.0.0", nobody, "10.1.0.10");
	world_rx(w, 0, &f);
	assert_int_equal(world_sent(w, 0, &f), 0);
	assert_int_equal(net_n_leaving(w->net), 2);
}

static void idle_neighbours_are_forgotten(void **state)
{
	struct world *w = *state;
	struct hd_dump_neighbor row;

	hear(w, 0, "10.1.0.2", other_mac);
	world_pass(w, 599 * HD_NS_PER_S);
	assert_int_equal(net_neighbors(w->net, &row, 1, w->now), 1);
	world_pass(w, 2 * HD_NS_PER_S);
	assert_int_equal(net_neighbors(w->net, &row, 1, w->now), 0);
}

static void off_link_goes_by_the_gateway(void **state)
{
	struct world *w = *state;
	struct flow_path path = { 0 }, back = flow_path_reply(1);

	world_xmit(w, "10.1.0.1", "8.8.8.8", &path, 0);
	assert_int_equal(sent_requests(w, 0, "10.1.0.254"), 1);
	memset(&path, 0, sizeof(path));
	world_xmit(w, "10.2.0.1", "10.9.1.1", &path, 0);
	assert_int_equal(sent_requests(w, 1, "10.2.0.254"), 1);
	/* A reply leaves by the port of the request although the default route is elsewhere, if
	 * there is a way. */
	world_xmit(w, "10.96.0.1", "10.9.1.1", &back, 0);
	assert_int_equal(back.port, 1);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(c7_6_requests_for_our_addresses_are_answered_to_the_asker),
		WORLD_TEST(c7_6_requests_for_others_are_silence),
		WORLD_TEST(c7_7_a_probe_is_answered),
		WORLD_TEST(malformed_packets_have_no_effect),
		WORLD_TEST(c7_6_first_packets_wait_and_leave_in_order_when_the_answer_comes),
		WORLD_TEST(c7_6_requests_go_out_once_a_second_then_tcp_is_told),
		WORLD_TEST(c7_6_a_failed_neighbour_is_refused_at_once_then_asked_again),
		WORLD_TEST(asking_for_us_teaches_the_mac),
		WORLD_TEST(c7_6_a_new_mac_is_used_after_a_request_or_an_answer),
		WORLD_TEST(c7_7_unasked_claims_create_nothing),
		WORLD_TEST(a_neighbour_that_progress_confirms_is_never_probed),
		WORLD_TEST(
			a_silent_neighbour_is_probed_alone_then_asked_of_everybody_then_given_up),
		WORLD_TEST(an_answer_to_the_probe_keeps_the_neighbour),
		WORLD_TEST(c7_8_a_flood_of_strangers_leaves_peers_in_use_alone),
		WORLD_TEST(c7_8_neighbours_of_a_wide_subnet_lie_apart),
		WORLD_TEST(c7_7_our_address_claimed_by_another_is_defended_once_in_ten_seconds),
		WORLD_TEST(an_address_that_leaves_is_answered_for_until_another_claims_it),
		WORLD_TEST(an_address_that_leaves_is_free_for_who_probes_it),
		WORLD_TEST(idle_neighbours_are_forgotten),
		WORLD_TEST(off_link_goes_by_the_gateway),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
