/* SPDX-License-Identifier: Apache-2.0 */
/* Opening devices: with drivers that need no hardware. */
#include <errno.h>
#include <stdio.h>

#include "net_port.h"
#include "net_world.h"

static struct hd_node_port port_of(const char *device)
{
	struct hd_node_port p = { .name = "front" };

	snprintf(p.device, sizeof(p.device), "%s", device);
	return p;
}

static void a_device_that_is_not_there_is_one_clear_line(void **state)
{
	struct world *w = *state;
	const char *devices[] = { "0000:7f:1f.7", "net_af_packet9,iface=no-such-if",
				  "net_no_such_driver0", "", "," };
	struct net_port_queues queues = { .n = 1, .pools = { w->pool } };

	for (size_t k = 0; k < HD_ARRAY_SIZE(devices); k++) {
		struct hd_node_port node = port_of(devices[k]);
		struct net_port *p;
		char error[200] = "";

		assert_int_equal(net_port_open(&node, &queues, &p, error, sizeof(error)), -ENODEV);
		assert_non_null(strstr(error, "port front"));
		assert_non_null(strstr(error, devices[k]));
		assert_null(strchr(error, '\n'));
	}
}

static void a_vdev_is_plugged_used_and_unplugged(void **state)
{
	struct world *w = *state;
	struct hd_node_port node = port_of("net_ring0");
	struct net_port_queues queues = { .n = 1, .pools = { w->pool } };

	for (int again = 0; again < 2; again++) {
		struct hd_dp_port_info info;
		struct net_device dev;
		struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool), *got = NULL;
		struct net_port *p;
		char error[200] = "";

		assert_int_equal(net_port_open(&node, &queues, &p, error, sizeof(error)), 0);
		net_port_device(p, 0, &dev);
		assert_int_equal(dev.mtu, 1500);
		rte_pktmbuf_append(m, 60);
		assert_int_equal(dev.tx(dev.dev, &m, 1), 1);
		assert_int_equal(dev.rx(dev.dev, &got, 1), 1); /* this driver is a loop */
		assert_ptr_equal(got, m);
		rte_pktmbuf_free(got);
		net_port_info(p, &info);
		assert_string_equal(info.name, "front");
		assert_string_equal(info.driver, "net_ring");
		assert_int_equal(info.link_up, 1);
		net_port_close(p);
	}
}

/* net_ring cannot hash. */
static void a_device_that_cannot_spread_has_one_queue_of_the_owners_pool(void **state)
{
	struct world *w = *state;
	struct hd_node_port node = port_of("net_ring3");
	struct net_port_queues queues = { .n = 2, .first = 1, .pools = { NULL, w->pool } };
	struct net_port *p;
	char error[200] = "";

	assert_int_equal(net_port_open(&node, &queues, &p, error, sizeof(error)), 0);
	assert_null(net_port_rss(p));
	net_port_close(p);
}

/* net_null hashes as far as it can be asked: it takes the key and the table. */
static void a_device_that_spreads_is_read_back(void **state)
{
	struct world *w = *state;
	struct hd_node_port node = port_of("net_null0");
	struct net_port_queues queues = { .n = 2, .pools = { w->pool, w->pool } };
	struct hd_dp_port_info info;
	const struct net_rss *rss;
	struct net_rss *wanted = calloc(1, sizeof(*wanted));
	struct flow_key k = { .local_port = 1, .remote_port = 2 };
	struct net_port *p;
	char error[200] = "";

	for (int i = 0; i < NET_RSS_KEY; i++)
		queues.rss_key[i] = (uint8_t)(i * 37 + 1);
	net_rss_set_key(wanted, queues.rss_key);
	assert_int_equal(hd_ip_parse("10.1.0.1", &k.local), 0);
	assert_int_equal(hd_ip_parse("10.1.0.2", &k.remote), 0);
	assert_int_equal(net_port_open(&node, &queues, &p, error, sizeof(error)), 0);
	rss = net_port_rss(p);
	assert_non_null(rss);
	assert_int_equal(net_rss_hash(rss, &k), net_rss_hash(wanted, &k));
	assert_in_range(net_rss_queue(rss, &k), 0, 1);
	net_port_info(p, &info);
	assert_non_null(strstr(info.offloads, "rss"));
	net_port_close(p);
	free(wanted);
}

static void an_mtu_that_the_device_refuses_is_said(void **state)
{
	struct world *w = *state;
	struct hd_node_port node = port_of("net_null1");
	struct net_port_queues queues = { .n = 1, .pools = { w->pool } };
	struct net_port *p;
	char error[200] = "";

	node.mtu = 20;
	assert_int_equal(net_port_open(&node, &queues, &p, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "port front (net_null1): "));
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_device_that_is_not_there_is_one_clear_line),
		WORLD_TEST(a_vdev_is_plugged_used_and_unplugged),
		WORLD_TEST(a_device_that_cannot_spread_has_one_queue_of_the_owners_pool),
		WORLD_TEST(a_device_that_spreads_is_read_back),
		WORLD_TEST(an_mtu_that_the_device_refuses_is_said),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
