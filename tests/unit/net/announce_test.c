/* SPDX-License-Identifier: Apache-2.0 */
#include <rte_arp.h>

#include "net_world.h"

struct heard {
	uint32_t arp_probes, arp_announcements, nd_probes, nd_announcements;
};

/* What port 0 says about one address until now. */
static struct heard listen_for(struct world *w, const char *text)
{
	struct hd_ip ip = ip_of(text);
	struct heard h = { 0 };
	struct frame f;

	while (world_sent(w, 0, &f) != 0) {
		const struct rte_arp_ipv4 *a = &((const struct rte_arp_hdr *)(f.b + 14))->arp_data;

		if (f.b[13] == 0x06 && a->arp_tip == ip.w[3]) {
			assert_int_equal(f.b[21], 1);
			h.arp_probes += a->arp_sip == 0;
			h.arp_announcements += a->arp_sip == a->arp_tip;
		} else if (f.b[13] == 0xdd && memcmp(f.b + 62, ip.b, 16) == 0) {
			h.nd_probes += f.b[54] == 135 && f.b[22] == 0;
			h.nd_announcements += f.b[54] == 136 && f.b[58] == 0x20;
		}
	}
	return h;
}

static void c7_7_and_c7_16_each_address_is_probed_once_and_announced_twice(void **state)
{
	const char *addresses[] = { "10.1.0.1", "10.1.0.10", "fd00:1::1", "fd00:1::10",
				    "fe80::ff:fe00:1" };

	for (size_t k = 0; k < HD_ARRAY_SIZE(addresses); k++) {
		struct world *w = world_create(0);
		int v4 = k < 2;
		struct heard h;

		*state = w;
		world_pass(w, 500 * HD_NS_PER_MS);
		h = listen_for(w, addresses[k]);
		assert_int_equal(v4 ? h.arp_probes : h.nd_probes, 1);
		assert_int_equal(v4 ? h.arp_announcements : h.nd_announcements, 0);
		world_pass(w, 4 * HD_NS_PER_S);
		h = listen_for(w, addresses[k]);
		assert_int_equal(v4 ? h.arp_announcements : h.nd_announcements, 2);
		world_teardown(state);
	}
}

static void a_vip_elsewhere_is_not_announced(void **state)
{
	struct world *w = world_create(0);
	struct heard h;

	*state = w;
	world_pass(w, 5 * HD_NS_PER_S);
	h = listen_for(w, "10.96.0.1");
	assert_int_equal(h.arp_announcements, 0);
	world_teardown(state);
}

static void a_reload_without_new_vips_is_silent(void **state)
{
	struct world *w = *state;
	struct hd_ip again[3] = { ip_of("10.1.0.10"), ip_of("10.96.0.1"), ip_of("fd00:1::10") };

	net_set_vips(w->net, again, 3);
	world_pass(w, 5 * HD_NS_PER_S);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
	net_set_vips(w->net, again, 2);
	world_pass(w, 5 * HD_NS_PER_S);
	assert_true(fake_device_sent(&w->dev[0]) > 0);
}

static void many_vips_are_announced_at_a_pace(void **state)
{
	static struct hd_ip many[250];
	struct world *w = *state;
	char text[32];

	for (uint32_t k = 0; k < HD_ARRAY_SIZE(many); k++) {
		snprintf(text, sizeof(text), "10.1.0.%u", k + 2);
		many[k] = ip_of(text);
	}
	net_set_vips(w->net, many, HD_ARRAY_SIZE(many));
	net_timers_run(w->net, w->now + HD_NS_PER_MS);
	net_tx_flush(w->net);
	assert_in_range(fake_device_sent(&w->dev[0]) + fake_device_sent(&w->dev[1]), 1, 16);
	world_pass(w, HD_NS_PER_S);
	assert_true(fake_device_sent(&w->dev[0]) >= 250);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c7_7_and_c7_16_each_address_is_probed_once_and_announced_twice),
		cmocka_unit_test(a_vip_elsewhere_is_not_announced),
		cmocka_unit_test_setup_teardown(a_reload_without_new_vips_is_silent, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(many_vips_are_announced_at_a_pace, world_setup,
						world_teardown),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
