/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>

#include "worker_eal.h"

static struct worker_eal_args args;

static const char *line(const struct hd_node *node, int huge)
{
	static char text[1024];
	size_t n = 0;

	assert_int_equal(worker_eal_build(node, huge, &args), 0);
	assert_null(args.argv[args.argc]);
	for (int i = 0; i < args.argc; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "",
				      args.argv[i]);
	return text;
}

static void a_bare_node_gets_lcores_devices_and_memory(void **state)
{
	struct hd_node node = { .workers = { 1 }, .n_workers = 1, .main_lcore = 0, .n_ports = 1 };

	strcpy(node.ports[0].device, "net_af_packet0,iface=c0");
	assert_string_equal(line(&node, 1),
			    "heddle --lcores=0,1 --main-lcore=0 --no-pci --log-level=warning");
	assert_string_equal(
		line(&node, 0),
		"heddle --lcores=0,1 --main-lcore=0 --no-pci --no-huge -m768 --no-shconf "
		"--log-level=warning");
}

static void only_the_ports_own_pci_devices_are_taken(void **state)
{
	struct hd_node node = {
		.workers = { 3, 5 }, .n_workers = 2, .main_lcore = 2, .n_ports = 2
	};

	strcpy(node.ports[0].device, "0000:3b:00.0");
	strcpy(node.ports[1].device, "net_memif0,role=server");
	assert_string_equal(
		line(&node, 1),
		"heddle --lcores=2,3,5 --main-lcore=2 --allow=0000:3b:00.0 --log-level=warning");
}

static void what_the_operator_says_wins(void **state)
{
	struct hd_node node = { .workers = { 1 },
				.n_workers = 1,
				.n_ports = 1,
				.eal = { "--no-huge", "-m", "1024", "--no-pci", "-l0,1",
					 "--log-level=debug" } };

	assert_string_equal(line(&node, 0),
			    "heddle --no-huge -m 1024 --no-pci -l0,1 --log-level=debug --no-shconf");
}

static void in_memory_needs_huge_pages(void **state)
{
	struct hd_node node = { .eal = { "--in-memory", "-l0,1", "--no-pci", "--log-level=info" } };

	assert_string_equal(line(&node, 1),
			    "heddle --in-memory -l0,1 --no-pci --log-level=info");
	assert_string_equal(line(&node, 0), "heddle -l0,1 --no-pci --log-level=info --no-huge "
					    "-m768 --no-shconf");
	node.eal[4] = "--no-huge";
	assert_string_equal(line(&node, 1),
			    "heddle -l0,1 --no-pci --log-level=info --no-huge --no-shconf");
}

static void a_file_prefix_is_kept(void **state)
{
	struct hd_node node = { .eal = { "-l0,1", "--no-pci", "--log-level=info", "--no-huge",
					 "--file-prefix=h" } };

	assert_string_equal(line(&node, 0), "heddle -l0,1 --no-pci --log-level=info --no-huge "
					    "--file-prefix=h");
}

static void a_long_option_is_not_taken_for_a_short_one(void **state)
{
	struct hd_node node = { .workers = { 1 },
				.n_workers = 1,
				.eal = { "--log-level=debug", "--match-allocations" } };

	assert_string_equal(
		line(&node, 1),
		"heddle --log-level=debug --match-allocations --lcores=0,1 --main-lcore=0 --no-pci");
}

static void a_card_without_huge_pages_is_refused_with_what_to_do(void **state)
{
	struct hd_node node = { .n_ports = 2 };
	char error[256];

	strcpy(node.ports[0].device, "net_af_packet0,iface=c0");
	strcpy(node.ports[1].device, "3b:00.0");
	assert_int_equal(worker_eal_check_memory(&node, 1, error, sizeof(error)), 0);
	assert_int_equal(worker_eal_check_memory(&node, 0, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "3b:00.0"));
	assert_non_null(strstr(error, "this machine has none: echo 1024 > "));
	node.eal[0] = "--no-huge";
	assert_int_equal(worker_eal_check_memory(&node, 1, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "--no-huge forbids them"));
	node.n_ports = 1;
	assert_int_equal(worker_eal_check_memory(&node, 0, error, sizeof(error)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bare_node_gets_lcores_devices_and_memory),
		cmocka_unit_test(only_the_ports_own_pci_devices_are_taken),
		cmocka_unit_test(what_the_operator_says_wins),
		cmocka_unit_test(a_card_without_huge_pages_is_refused_with_what_to_do),
		cmocka_unit_test(in_memory_needs_huge_pages),
		cmocka_unit_test(a_file_prefix_is_kept),
		cmocka_unit_test(a_long_option_is_not_taken_for_a_short_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
