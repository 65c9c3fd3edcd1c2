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
	struct rte_mempool *pools[1] = { w->pool };

	for (size_t k = 0; k < HD_ARRAY_SIZE(devices); k++) {
		struct hd_node_port node = port_of(devices[k]);
		struct net_port *p;
		char error[200] = "";

		assert_int_equal(net_port_open(&node, 1, pools, &p, error, sizeof(error)), -ENODEV);
		assert_non_null(strstr(error, "port front"));
		assert_non_null(strstr(error, devices[k]));
		assert_null(strchr(error, '\n'));
	}
}

static void a_vdev_is_plugged_used_and_unplugged(void **state)
{
	struct world *w = *state;
	struct hd_node_port node = port_of("net_ring0");
	struct rte_mempool *pools[1] = { w->pool };

	for (int again = 0; again < 2; again++) {
		struct hd_dp_port_info info;
		struct net_device dev;
		struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool), *got = NULL;
		struct net_port *p;
		char error[200] = "";

		assert_int_equal(net_port_open(&node, 1, pools, &p, error, sizeof(error)), 0);
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

static void more_workers_than_queues_receive_nothing_from_it(void **state)
{
	struct world *w = *state;
	struct hd_node_port node = port_of("net_null0");
	struct rte_mempool *pools[HD_MAX_WORKERS];
	struct rte_mbuf *got;
	struct net_device dev;
	struct net_port *p;
	char error[200] = "";

	for (uint32_t k = 0; k < HD_MAX_WORKERS; k++)
		pools[k] = w->pool;
	assert_int_equal(net_port_open(&node, 2, pools, &p, error, sizeof(error)), 0);
	assert_true(net_port_rx_queues(p) <= 2);
	net_port_device(p, net_port_rx_queues(p), &dev);
	assert_int_equal(dev.rx(dev.dev, &got, 1), 0);
	net_port_close(p);
}

static void an_mtu_that_the_device_refuses_is_said(void **state)
{
	struct world *w = *state;
	struct hd_node_port node = port_of("net_null1");
	struct rte_mempool *pools[1] = { w->pool };
	struct net_port *p;
	char error[200] = "";

	node.mtu = 20;
	assert_int_equal(net_port_open(&node, 1, pools, &p, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "port front (net_null1): "));
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_device_that_is_not_there_is_one_clear_line),
		WORLD_TEST(a_vdev_is_plugged_used_and_unplugged),
		WORLD_TEST(more_workers_than_queues_receive_nothing_from_it),
		WORLD_TEST(an_mtu_that_the_device_refuses_is_said),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
