/* SPDX-License-Identifier: Apache-2.0 */
#include "ctrl_test.h"

#include "daemon_options.h"

static struct daemon_options o;
static char error[256];

#define PARSE(...) parse((char *[]){ "heddle", __VA_ARGS__, NULL })

static int parse(char **argv)
{
	int argc = 0;

	while (argv[argc] != NULL)
		argc++;
	error[0] = '\0';
	return daemon_options_parse(&o, argc, argv, error, sizeof(error));
}

static void both_forms_of_the_line_are_read(void **state)
{
	assert_int_equal(PARSE("--config", "n.yaml"), 0);
	assert_string_equal(o.config, "n.yaml");
	assert_int_equal(o.n_eal, 0);
	assert_int_equal(PARSE("--in-memory", "-a", "0000:3b:00.0", "--", "--config=n.yaml",
			       "--check", "--strict"),
			 0);
	assert_int_equal(o.n_eal, 3);
	assert_string_equal(o.eal[2], "0000:3b:00.0");
	assert_true(o.check && o.strict && !o.allow_unenforced);
}

static void a_mistyped_option_names_the_nearest(void **state)
{
	assert_true(PARSE("--confg", "n.yaml") < 0);
	assert_non_null(strstr(error, "did you mean --config?"));
	assert_true(PARSE("--config", "n.yaml", "--alow-unenforced") < 0);
	assert_non_null(strstr(error, "--allow-unenforced"));
}

static void eal_options_without_separator_are_explained(void **state)
{
	assert_true(PARSE("--in-memory", "--config", "n.yaml") < 0);
	assert_non_null(strstr(error, "before `--`"));
	assert_true(PARSE("--config", "n.yaml", "--", "--check") < 0);
	assert_non_null(strstr(error, "after the `--`"));
}

static void what_is_missing_is_named(void **state)
{
	assert_true(PARSE("--check") < 0);
	assert_non_null(strstr(error, "--config FILE"));
	assert_true(PARSE("--config") < 0);
	assert_non_null(strstr(error, "needs a value"));
	assert_true(PARSE("--config", "n.yaml", "--log-level", "loud") < 0);
	assert_non_null(strstr(error, "`loud`"));
	assert_true(PARSE("node.yaml") < 0);
	assert_non_null(strstr(error, "--config FILE"));
	assert_true(PARSE("--config", "n.yaml", "--check=yes") < 0);
}

static void help_and_version_need_no_node_file(void **state)
{
	assert_int_equal(PARSE("--help"), 0);
	assert_true(o.help);
	assert_int_equal(PARSE("-V"), 0);
	assert_true(o.version);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms_of_the_line_are_read),
		cmocka_unit_test(a_mistyped_option_names_the_nearest),
		cmocka_unit_test(eal_options_without_separator_are_explained),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(help_and_version_need_no_node_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
