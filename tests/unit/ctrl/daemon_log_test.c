/* SPDX-License-Identifier: Apache-2.0 */
/* The log with readers of every kind. */
#include "ctrl_test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "daemon_log.h"
#include "daemon_loop.h"

static int reader, standard_error;
static char got[1 << 17];

static int make(void **state)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	reader = ends[0];
	fcntl(reader, F_SETFL, O_NONBLOCK);
	standard_error = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	return 0;
}

static int cleanup(void **state)
{
	dup2(standard_error, STDERR_FILENO);
	close(standard_error);
	close(reader);
	return daemon_log_set(HD_LOG_NOTICE, NULL);
}

static const char *hear(void)
{
	ssize_t n = read(reader, got, sizeof(got) - 1);

	got[n > 0 ? n : 0] = '\0';
	return got;
}

static void a_line_has_level_area_and_clean_text(void **state)
{
	hd_log(HD_LOG_WARNING, "tls", "a\nb\033[2J%s", "c");
	assert_non_null(strstr(hear(), "Z warning tls     a?b?[2Jc\n"));
}

static void levels_of_areas_win(void **state)
{
	assert_int_equal(daemon_log_set(HD_LOG_DEBUG, "tls"), 0);
	assert_int_equal(daemon_log_set(HD_LOG_DEBUG, "tsl"), -ENOENT);
	hd_log(HD_LOG_DEBUG, "policy", "not this");
	hd_log(HD_LOG_DEBUG, "tls", "this");
	assert_null(strstr(hear(), "not this"));
	assert_non_null(strstr(got, "this"));
}

static void a_reader_that_stops_costs_lines_and_no_time(void **state)
{
	hd_ns start = loop_now();

	for (int i = 0; i < 10000; i++)
		hd_log(HD_LOG_ERROR, "ctl", "line %d of many that nobody reads for a while", i);
	assert_true(loop_now() - start < 2 * HD_NS_PER_S);
	assert_non_null(strstr(hear(), "line 0 of"));
	assert_null(strstr(got, "lost"));
	hd_log(HD_LOG_ERROR, "ctl", "at last");
	assert_non_null(strstr(hear(), " lines of the log were lost"));
	assert_non_null(strstr(got, "at last"));
	hd_log(HD_LOG_ERROR, "ctl", "as ever");
	assert_null(strstr(hear(), "lost"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, cleanup)
	const struct CMUnitTest tests[] = {
		TEST(a_line_has_level_area_and_clean_text),
		TEST(levels_of_areas_win),
		TEST(a_reader_that_stops_costs_lines_and_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
