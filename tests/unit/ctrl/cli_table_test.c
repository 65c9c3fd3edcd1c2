/* SPDX-License-Identifier: Apache-2.0 */
#include "ctrl_test.h"

#include "cli_command.h"
#include "cli_live.h"
#include "cli_table.h"
#include "cli_view.h"

static const struct cli_column columns[] = { { "name", "NAME" },
					     { "count", "COUNT", CLI_COUNT },
					     { "what", "WHAT" } };

static char printed[4096];

static const char *print(const char *json, size_t width)
{
	json_t *rows = json_loads(json, 0, NULL);
	FILE *f = fmemopen(printed, sizeof(printed), "w");

	assert_non_null(rows);
	cli_table_print(f, rows, columns, 3, width, "none");
	fclose(f);
	json_decref(rows);
	return printed;
}

static void numbers_stand_to_the_right(void **state)
{
	assert_string_equal(
		print("[{\"name\":\"a\",\"count\":7,\"what\":\"x\"},"
		      "{\"name\":\"longer\",\"count\":12345,\"what\":\"y\"}]",
		      0),
		"NAME    COUNT  WHAT\n"
		"a           7  x\n"
		"longer  12345  y\n");
}

static void wide_text_is_cut_where_the_terminal_ends(void **state)
{
	print("[{\"name\":\"a-very-long-name-of-a-service-that-nobody-wants-to-type\",\"count\":1,\"what\":\"short\"}]",
	      40);
	for (char *line = strtok(printed, "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 40);
}

static void what_is_cut_keeps_what_tells_most(void **state)
{
	static const struct cli_column places[] = { { "id", "ID", CLI_NUMBER, 1 },
						    { "address", "ADDRESS", CLI_ADDRESS },
						    { "name", "NAME" },
						    { "source", "SOURCE", CLI_PLACE } };
	json_t *rows = json_loads("[{\"id\":1,\"address\":\"10.2.0.11:8080\",\"name\":\"api-service.default\","
				  "\"source\":\"/etc/heddle/mesh.d/route.yaml:13\"}]",
				  0, NULL);
	static const char *const begins[] = { "ID  ADDRESS", "ADDRESS" };
	static const size_t widths[] = { 48, 34 };

	for (int i = 0; i < 2; i++) {
		FILE *f = fmemopen(printed, sizeof(printed), "w");

		cli_table_print(f, rows, places, 4, widths[i], "none");
		fclose(f);
		assert_non_null(strstr(printed, "10.2.0.11:8080"));
		assert_non_null(strstr(printed, ":13\n"));
		assert_true(strcspn(printed, "\n") <= widths[i]);
		assert_ptr_equal(strstr(printed, begins[i]), printed);
	}
	json_decref(rows);
}

static void nothing_says_so(void **state)
{
	assert_string_equal(print("[]", 80), "none\n");
}

static void a_server_cannot_drive_the_terminal(void **state)
{
	assert_null(strchr(print("[{\"name\":\"\\u001b[2J\",\"count\":1,\"what\":\"\\u0007\"}]", 0),
			   '\033'));
}

static void values_have_units(void **state)
{
	static const struct {
		double value;
		enum cli_unit unit;
		const char *text;
	} rows[] = {
		{ 99999, CLI_COUNT, "99999" },	   { 123456, CLI_COUNT, "123.5k" },
		{ 12345678, CLI_COUNT, "12.35M" }, { 512, CLI_BYTES, "512 B" },
		{ 1536, CLI_BYTES, "1.5 KiB" },	   { 350, CLI_MS, "350ms" },
		{ 12000, CLI_MS, "12.0s" },	   { 185000, CLI_MS, "3m05s" },
		{ 90061000, CLI_MS, "1d01h" },	   { 12.34, CLI_PERCENT, "12.3%" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *v = json_real(rows[i].value);
		char out[64];

		cli_value_format(v, rows[i].unit, out, sizeof(out));
		assert_string_equal(out, rows[i].text);
		json_decref(v);
	}
}

static void every_view_takes_a_result_of_any_shape(void **state)
{
	static const char *const commands[] = { "status",
						"show services",
						"show routes",
						"show clusters",
						"show endpoints",
						"show connections",
						"show workers",
						"show ports",
						"show drops",
						"show neighbors",
						"show memory",
						"stats",
						"config check",
						"config apply",
						"config history",
						"config show",
						"log",
						"help" };
	static const char *const shapes[] = { "[]",
					      "{}",
					      "[{}]",
					      "[[]]",
					      "[1,\"a\",null]",
					      "{\"ready\":3,\"ports\":{},\"workers\":7}" };

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
			json_t *j = json_loads(shapes[k], 0, NULL);
			FILE *f = fmemopen(printed, sizeof(printed), "w");

			cli_view_print(f, commands[i], j, 80, 0);
			fclose(f);
			json_decref(j);
		}
	}
}

static json_t *row(const char *service, int status, int requests, int fast, int slow)
{
	json_t *r = json_pack("{s:s,s:s,s:i,s:i,s:f}", "service", service, "protocol", "http",
			      "status", status, "requests", requests, "mean_ms", 2.0);
	json_t *buckets = json_array();

	for (int i = 0; i < 20; i++)
		json_array_append_new(buckets, json_integer(i == 0 ? fast : i == 7 ? slow : 0));
	json_object_set_new(r, "buckets", buckets);
	return r;
}

static double figure(const json_t *rows, size_t i, const char *key)
{
	return json_number_value(json_object_get(json_array_get(rows, i), key));
}

static void top_is_about_what_changed(void **state)
{
	json_t *before = json_pack("[o]", row("api", 200, 100, 100, 0)), *rows;
	json_t *now = json_pack("[o,o,o]", row("api", 200, 280, 270, 10),
				row("api", 503, 20, 20, 0), row("web", 200, 10, 10, 0));

	rows = cli_top_rows(before, now, 2);
	assert_int_equal(json_array_size(rows), 2);
	assert_true(figure(rows, 0, "requests_per_second") == 100);
	assert_true(figure(rows, 0, "errors_percent") == 10);
	assert_true(figure(rows, 0, "p50_ms") < 0.5);
	assert_true(figure(rows, 0, "p99_ms") > 100 && figure(rows, 0, "p99_ms") <= 250);
	assert_true(figure(rows, 1, "requests_per_second") == 5);
	json_decref(rows);
	json_decref(before);
	json_decref(now);
}

static void words_become_commands(void **state)
{
	char *show[] = { "show", "routes", "x" }, *bad[] = { "show", "rotes" },
	     *worse[] = { "shw" };
	char error[512];
	int taken;

	assert_string_equal(cli_command_find(3, show, &taken, error, sizeof(error))->name,
			    "show routes");
	assert_int_equal(taken, 2);
	assert_null(cli_command_find(2, bad, &taken, error, sizeof(error)));
	assert_non_null(strstr(error, "is followed by one of: services, routes"));
	assert_null(cli_command_find(1, worse, &taken, error, sizeof(error)));
	assert_non_null(strstr(error, "--help"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_stand_to_the_right),
		cmocka_unit_test(wide_text_is_cut_where_the_terminal_ends),
		cmocka_unit_test(what_is_cut_keeps_what_tells_most),
		cmocka_unit_test(nothing_says_so),
		cmocka_unit_test(a_server_cannot_drive_the_terminal),
		cmocka_unit_test(values_have_units),
		cmocka_unit_test(every_view_takes_a_result_of_any_shape),
		cmocka_unit_test(top_is_about_what_changed),
		cmocka_unit_test(words_become_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
