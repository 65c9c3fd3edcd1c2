/* SPDX-License-Identifier: Apache-2.0 */
#include "ctrl_test.h"

#include <stdio.h>

#include <heddle/log.h>

#include "daemon_ports.h"
#include "fake_dp.h"

static char logged[256];
static int lines;

void hd_log(enum hd_log_level level, const char *area, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(logged, sizeof(logged), format, args);
	va_end(args);
	lines++;
}

static void each_change_of_a_link_is_said_once(void **state)
{
	struct ports_seen seen = { 0 };
	struct hd_dp *dp = fake_dp_create(1);
	struct hd_dp_port_info *info = fake_dp_port(dp);

	ports_look(&seen, dp);
	assert_int_equal(lines, 0);
	info->link_up = 0;
	ports_look(&seen, dp);
	ports_look(&seen, dp);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(logged, "front (net_fake0): the link is down"));
	info->link_up = 1;
	ports_look(&seen, dp);
	assert_int_equal(lines, 2);
	assert_non_null(strstr(logged, "the link is up"));
	info->link_up = 0;
	info->gone = 1;
	ports_look(&seen, dp);
	ports_look(&seen, dp);
	assert_int_equal(lines, 3);
	assert_non_null(strstr(logged, "restart heddle"));
	fake_dp_destroy(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_change_of_a_link_is_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
