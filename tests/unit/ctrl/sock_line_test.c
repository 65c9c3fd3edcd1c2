/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the control socket and their answers, without a socket. */
#include "ctrl_test.h"

#include <heddle/log.h>
#include <jansson.h>

#include "fake_host.h"
#include "sock_command.h"
#include "sock_tap.h"

void hd_log(enum hd_log_level level, const char *area, const char *format, ...)
{
}

static struct fake_host *h;

static int host_make(void **state)
{
	h = fake_host_create(1);
	return 0;
}

static int host_remove(void **state)
{
	sock_jobs_sweep(1);
	fake_host_destroy(h);
	return 0;
}

/* The reply, checked for the shape that every reply has. */
static json_t *ask_bytes(const char *line, size_t n)
{
	struct sock_job *job;
	char *text = sock_line_run(&h->host, line, n, &job);
	json_t *reply;
	int done;

	if (job != NULL) {
		assert_null(sock_job_poll(job, 1, &done));
		fake_dp_turn(h->dp, 0, 3);
		text = sock_job_poll(job, 2, &done);
		assert_true(done);
	}
	assert_non_null(text);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	reply = json_loads(text, 0, NULL);
	assert_non_null(reply);
	assert_non_null(json_object_get(reply, "id"));
	assert_true(json_is_boolean(json_object_get(reply, "ok")));
	if (json_is_true(json_object_get(reply, "ok")))
		assert_non_null(json_object_get(reply, "result"));
	else
		assert_true(json_is_string(json_object_get(reply, "error")));
	free(text);
	return reply;
}

static json_t *result_of(const char *line)
{
	json_t *reply = ask_bytes(line, strlen(line)), *result;

	assert_true(json_is_true(json_object_get(reply, "ok")));
	result = json_incref(json_object_get(reply, "result"));
	json_decref(reply);
	return result;
}

static char error_text[2048];

static const char *error_of(const char *line, size_t n)
{
	json_t *reply = ask_bytes(line, n);

	assert_true(json_is_false(json_object_get(reply, "ok")));
	snprintf(error_text, sizeof(error_text), "%s",
		 json_string_value(json_object_get(reply, "error")));
	json_decref(reply);
	return error_text;
}

#define REFUSED(line, part) assert_non_null(strstr(error_of(line, sizeof(line) - 1), part))

static void the_id_comes_back_as_it_was(void **state)
{
	static const char *const ids[] = { "7", "\"a b\"", "null", "1.5" };

	for (size_t i = 0; i < HD_ARRAY_SIZE(ids); i++) {
		char line[64];
		json_t *reply, *id = json_loads(ids[i], JSON_DECODE_ANY, NULL);

		snprintf(line, sizeof(line), "{\"id\":%s,\"command\":\"drain\"}", ids[i]);
		reply = ask_bytes(line, strlen(line));
		assert_true(json_equal(json_object_get(reply, "id"), id));
		json_decref(reply);
		json_decref(id);
	}
	assert_int_equal(h->drained, 4);
}

static void hostile_lines_get_a_clear_error(void **state)
{
	static char deep[5000];

	memset(deep, '[', sizeof(deep));
	REFUSED("hello", "no JSON");
	REFUSED("[1]", "a request is an object");
	REFUSED("{}", "`command` is missing");
	REFUSED("{\"command\":7}", "`command` is missing");
	REFUSED("{\"command\":\"status\",\"args\":[]}", "`args` must be an object");
	REFUSED("{\"command\":\"status\",\"command\":\"stop\"}", "no JSON");
	REFUSED("{\"command\":\"\xff\xfe\"}", "no JSON");
	REFUSED("{\"command\":\"a\0b\"}", "no JSON");
	REFUSED("{\"id\":{},\"command\":\"status\"}", "`id`");
	assert_non_null(strstr(error_of(deep, sizeof(deep)), "no JSON"));
	assert_int_equal(h->stopped, 0);
}

static void an_unknown_command_names_the_nearest(void **state)
{
	REFUSED("{\"command\":\"show endpoin\"}", "did you mean `show endpoints`?");
	REFUSED("{\"command\":\"xyz\"}", "`help` lists them");
	REFUSED("{\"command\":\"stop\",\"args\":{\"now\":1}}", "no argument `now`");
	assert_int_equal(h->stopped, 0);
}

/* The promised keys of each result, by contract. */
static void results_have_the_promised_keys(void **state)
{
	static const struct {
		const char *command, *keys;
	} rows[] = {
		{ "show workers",
		  "lcore busy_cycles total_cycles tsc_hz requests connections rx_packets tx_packets drops" },
		{ "show endpoints",
		  "address service subset cluster health weight requests active ejected_until" },
		{ "show clusters",
		  "name endpoints healthy connections pending requests_active overflow ejected panic "
		  "remaining_connections remaining_pending remaining_requests remaining_retries" },
		{ "show services", "name namespace addresses ports endpoints" },
		{ "show routes", "host match destinations source" },
		{ "show connections", "id side local remote state bytes_in bytes_out age_ms tls" },
		{ "show ports", "name" },
		{ "show neighbors", "ip mac state" },
		{ "show memory", "kind bytes" },
		{ "stats", "name value" },
		{ "config history", "generation current origin" },
	};

	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		char line[128], keys[256];
		json_t *result;

		snprintf(line, sizeof(line), "{\"id\":1,\"command\":\"%s\",\"args\":{}}",
			 rows[i].command);
		result = result_of(line);
		assert_true(json_array_size(result) > 0);
		snprintf(keys, sizeof(keys), "%s", rows[i].keys);
		for (char *key = strtok(keys, " "); key != NULL; key = strtok(NULL, " "))
			assert_non_null(json_object_get(json_array_get(result, 0), key));
		json_decref(result);
	}
}

static void status_is_one_object(void **state)
{
	static const char *const keys[] = { "version", "uptime_s", "ready",   "generation",
					    "workers", "ports",	   "identity" };
	json_t *s = result_of("{\"id\":1,\"command\":\"status\"}");

	for (size_t i = 0; i < HD_ARRAY_SIZE(keys); i++)
		assert_non_null(json_object_get(s, keys[i]));
	assert_int_equal(json_integer_value(json_object_get(s, "generation")), 7);
	json_decref(s);
}

static void names_tell_where_they_lead(void **state)
{
	json_t *rows = result_of("{\"command\":\"show names\"}"), *row = json_array_get(rows, 0);

	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(row, "addresses"), 0)),
		"192.0.2.7");
	assert_int_equal(json_integer_value(json_object_get(row, "asks_in_ms")), 5);
	assert_int_equal(json_integer_value(json_object_get(row, "failures")), 0);
	assert_true(json_is_null(json_object_get(row, "error")));
	json_decref(rows);
}

static void status_says_what_is_wrong(void **state)
{
	json_t *s = result_of("{\"command\":\"status\"}"),
	       *problems = json_object_get(s, "problems");

	assert_int_equal(json_array_size(problems), 1);
	assert_string_equal(json_string_value(json_array_get(problems, 0)),
			    "no healthy endpoint in outbound|80|v2|api.default.svc.cluster.local");
	json_decref(s);
}

static void drops_list_what_happened_and_all_on_demand(void **state)
{
	json_t *r;

	fake_dp_worker(h->dp, 0)->stats.counters[HD_TCP_NO_MEMORY] = 3;
	r = result_of("{\"command\":\"show drops\"}");
	assert_int_equal(json_array_size(r), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(r, 0), "layer")),
			    "tcp");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(r, 0), "count")), 3);
	json_decref(r);
	r = result_of("{\"command\":\"show drops\",\"args\":{\"all\":true}}");
	assert_true(json_array_size(r) > 5);
	json_decref(r);
}

static void a_worker_that_does_not_answer_is_an_error_and_no_leak(void **state)
{
	struct sock_job *job;
	char *reply = sock_line_run(&h->host, "{\"command\":\"show connections\"}", 30, &job);
	int done;

	assert_null(reply);
	assert_null(sock_job_poll(job, 1, &done));
	reply = sock_job_poll(job, 1 + 3 * HD_NS_PER_S, &done);
	assert_true(done);
	assert_non_null(strstr(reply, "did not answer"));
	free(reply);
	sock_jobs_sweep(0);
	fake_dp_turn(h->dp, 0, 1); /* late: it still writes to what it was lent */
	sock_jobs_sweep(0);
}

static void apply_is_refused_with_file_line_and_column(void **state)
{
	static const char line[] =
		"{\"command\":\"config apply\",\"args\":{\"files\":[{\"name\":\"vs.yaml\",\"content\":\"a: 1\"}]}}";
	json_t *r;

	h->refuse = 1;
	REFUSED(line, "vs.yaml:3:5: weight: -1 is below 0\nvs.yaml:9:5:");
	r = result_of(line);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(r, 0), "generation")),
			 7);
	assert_string_equal(h->applied, "vs.yaml");
	json_decref(r);
	REFUSED("{\"command\":\"config apply\"}", "nothing to apply");
	REFUSED("{\"command\":\"config apply\",\"args\":{\"files\":[{}]}}", "each of `files`");
	REFUSED("{\"command\":\"config apply\",\"args\":{\"paths\":[\"x.yaml\"]}}",
		"absolute path");
	REFUSED("{\"command\":\"config rollback\"}", "no generation before");
}

static void diff_tells_what_would_change(void **state)
{
	static const char line[] = "{\"command\":\"config diff\",\"args\":{\"files\":"
				   "[{\"name\":\"vs.yaml\",\"content\":\"a: 1\"}]}}";
	json_t *r = result_of(line), *removed, *added;

	assert_int_equal(json_array_size(r), 2);
	removed = json_array_get(r, 0);
	added = json_array_get(r, 1);
	if (strcmp(json_string_value(json_object_get(removed, "change")), "added") == 0) {
		added = removed;
		removed = json_array_get(r, 1);
	}
	assert_non_null(strstr(json_string_value(json_object_get(removed, "text")), " 90% "));
	assert_non_null(strstr(json_string_value(json_object_get(added, "text")), " 50% "));
	assert_string_equal(json_string_value(json_object_get(added, "kind")), "route");
	json_decref(r);
	h->refuse = 1;
	REFUSED(line, "vs.yaml:3:5:");
}

static void explain_names_route_weights_and_endpoints(void **state)
{
	json_t *r = result_of(
		       "{\"command\":\"explain\",\"args\":{\"method\":\"GET\",\"url\":\"http://api.default/users\"}}"),
	       *x, *d;

	x = json_array_get(r, 0);
	assert_string_equal(json_string_value(json_object_get(x, "source")), "mesh.d/api.yaml:12");
	assert_string_equal(json_string_value(json_object_get(x, "match")), "path^/users");
	d = json_array_get(json_object_get(x, "destinations"), 0);
	assert_true(json_number_value(json_object_get(d, "share_percent")) == 90);
	assert_int_equal(json_array_size(json_object_get(d, "endpoints")), 1);
	json_decref(r);
	r = result_of(
		"{\"command\":\"explain\",\"args\":{\"method\":\"GET\",\"url\":\"db.default:5432\"}}");
	assert_non_null(
		strstr(json_string_value(json_object_get(json_array_get(r, 0), "details")), "TCP"));
	json_decref(r);
	REFUSED("{\"command\":\"explain\",\"args\":{\"method\":\"GET\",\"url\":\"http://10.81.0.99/\"}}",
		"for 10.81.0.99 on port 80");
	REFUSED("{\"command\":\"explain\",\"args\":{\"method\":\"GET\",\"url\":\"http://api:99/\"}}",
		"port 99");
	REFUSED("{\"command\":\"explain\",\"args\":{\"method\":\"GET\",\"url\":\"http://api:99999999999/\"}}",
		"no URL");
	REFUSED("{\"command\":\"explain\",\"args\":{\"method\":\"GET x\\r\\nh: y\",\"url\":\"api\"}}",
		"one line");
	REFUSED("{\"command\":\"explain\",\"args\":{\"method\":\"GET\",\"url\":\"api\",\"headers\":[\"a\\nb: c\"]}}",
		"a header is");
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *p = json_string_value(json_object_get(o, key));

	return p != NULL ? p : "(none)";
}

static void outliers_tell_why_and_until_when(void **state)
{
	static const char ask[] = "{\"command\":\"show outliers\"}";
	const struct hd_outcome o = { .at = HD_NS_PER_S,
				      .endpoint = 0,
				      .generation = 7,
				      .status = 503,
				      .kind = HD_OUTCOME_ANSWER };
	json_t *r = result_of(ask), *e;

	assert_int_equal(json_array_size(r), 0);
	json_decref(r);
	r = result_of("{\"command\":\"show outliers\",\"args\":{\"all\":true}}");
	assert_int_equal(json_array_size(r), 1);
	json_decref(r);
	fake_dp_set_now(h->dp, HD_NS_PER_S + 250000);
	for (int i = 0; i < 5; i++)
		health_put(h->health, &o, HD_NS_PER_S);
	r = result_of(ask);
	assert_int_equal(json_array_size(r), 1);
	e = json_array_get(r, 0);
	assert_string_equal(text_of(e, "health"), "ejected");
	assert_string_equal(text_of(e, "cause"), "consecutive_5xx");
	assert_string_equal(text_of(e, "source"), "mesh.d/api.yaml:12");
	assert_int_equal(strlen(text_of(e, "until")), strlen("2024-05-01T12:00:00.250Z"));
	assert_int_equal(json_integer_value(json_object_get(e, "cluster_ejected")), 1);
	assert_int_equal(json_integer_value(json_object_get(e, "decided_in_us")), 250);
	json_decref(r);
	r = result_of("{\"command\":\"show endpoints\"}");
	assert_true(json_is_string(json_object_get(json_array_get(r, 0), "ejected_until")));
	json_decref(r);
}

static void failures_are_told_apart_by_cause(void **state)
{
	struct hd_access_record a = { .start_wall = UINT64_C(1714564800250) * HD_NS_PER_MS,
				      .status = 503,
				      .flags = HD_FLAG_UO,
				      .method = "GET",
				      .method_n = 3,
				      .authority = "api",
				      .authority_n = 3,
				      .path = "/users",
				      .path_n = 6 };
	json_t *r, *e;

	a.cluster_n = (uint16_t)snprintf(a.cluster, sizeof(a.cluster),
					 "outbound|80|v1|api.default.svc.cluster.local");
	a.details_n = (uint16_t)snprintf(a.details, sizeof(a.details), "overflow");
	observe_failures_count(&h->failures, &a);
	observe_failures_count(&h->failures, &a);
	a.flags = HD_FLAG_UF;
	a.start_wall += HD_NS_PER_S;
	snprintf(a.route_source, sizeof(a.route_source), "mesh.d/vs.yaml");
	a.route_source_line = 9;
	observe_failures_count(&h->failures, &a);
	a.details_n = (uint16_t)snprintf(a.details, sizeof(a.details), "via_upstream");
	observe_failures_count(&h->failures, &a);
	r = result_of("{\"command\":\"show failures\"}");
	assert_int_equal(json_array_size(r), 2);
	e = json_array_get(r, 0);
	assert_string_equal(text_of(e, "flags"), "UF");
	assert_string_equal(text_of(e, "policy"), "mesh.d/vs.yaml:9");
	e = json_array_get(r, 1);
	assert_int_equal(json_integer_value(json_object_get(e, "count")), 2);
	assert_string_equal(text_of(e, "cause"), "a limit of the connection pool");
	assert_string_equal(text_of(e, "last_request"), "GET api/users");
	assert_string_equal(text_of(e, "last_seen"), "2024-05-01T12:00:00.250Z");
	json_decref(r);
}

static void kinds_of_failures_are_bounded(void **state)
{
	struct hd_access_record a = { .status = 503, .flags = HD_FLAG_UH };
	json_t *r;

	for (uint32_t i = 0; i < 3 * OBSERVE_FAILURES; i++) {
		a.route_source_line = i;
		observe_failures_count(&h->failures, &a);
	}
	assert_int_equal(h->failures.lost, 2 * OBSERVE_FAILURES);
	r = result_of("{\"command\":\"show failures\"}");
	assert_int_equal(json_array_size(r), OBSERVE_FAILURES);
	json_decref(r);
}

static void an_operator_takes_an_endpoint_out_and_back(void **state)
{
	static const char eject[] =
		"{\"command\":\"endpoint eject\",\"args\":{\"address\":\"10.2.0.2:9000\"}}";
	json_t *r = result_of(eject), *e;

	assert_int_equal(json_array_size(r), 1);
	json_decref(r);
	assert_int_equal(h->said_health, HD_EP_EJECTED);
	r = result_of("{\"command\":\"show endpoints\"}");
	e = json_array_get(r, 0);
	assert_string_equal(json_string_value(json_object_get(e, "health")), "ejected");
	json_decref(r);
	json_decref(result_of(
		"{\"command\":\"endpoint admit\",\"args\":{\"address\":\"10.2.0.2:9000\"}}"));
	assert_int_equal(h->said_health, HD_EP_HEALTHY);
	REFUSED("{\"command\":\"endpoint eject\",\"args\":{\"address\":\"10.9.9.9:1\"}}",
		"no cluster has");
	REFUSED("{\"command\":\"endpoint eject\",\"args\":{\"address\":\"10.2.0.2\"}}",
		"`address`");
	REFUSED("{\"command\":\"endpoint drain\",\"args\":{\"address\":\"[]:\"}}", "`address`");
	REFUSED("{\"command\":\"endpoint drain\"}", "`address`");
}

static void see(const char *path)
{
	struct hd_access_record r = { .status = 200, .protocol = 11, .upstream_time = HD_NS_NEVER };

	r.path_n = (uint16_t)snprintf(r.path, sizeof(r.path), "%s", path);
	sock_taps_see(&r);
}

static void a_tap_sees_what_its_pattern_wants_and_ends(void **state)
{
	static const char line[] =
		"{\"id\":\"t\",\"command\":\"tap\",\"args\":{\"glob\":\"*/users*\",\"limit\":2}}";
	struct sock_job *job;
	char *text;
	int done;

	assert_null(sock_line_run(&h->host, line, sizeof(line) - 1, &job));
	assert_null(sock_job_poll(job, 1, &done));
	see("/other");
	assert_null(sock_job_poll(job, 1, &done));
	see("/users/1");
	text = sock_job_poll(job, 1, &done);
	assert_false(done);
	assert_non_null(strstr(text, "{\"id\":\"t\",\"ok\":true"));
	assert_non_null(strstr(text, "\"/users/1\""));
	free(text);
	see("/users/2");
	see("/users/3");
	text = sock_job_poll(job, 1, &done);
	assert_true(done);
	assert_null(strstr(text, "/users/3"));
	assert_string_equal(text + strlen(text) - 3, "{}\n");
	free(text);
	see("/users/4");
}

static void a_tap_that_is_not_read_loses_and_says_so(void **state)
{
	struct sock_job *job;
	char *text;
	int done;

	assert_null(sock_line_run(&h->host, "{\"command\":\"tap\"}", 17, &job));
	for (int i = 0; i < 5000; i++)
		see("/users");
	text = sock_job_poll(job, 1, &done);
	assert_true(strlen(text) < 2 << 20);
	free(text);
	see("/users");
	text = sock_job_poll(job, 1, &done);
	assert_null(strstr(text, "\"lost\":0"));
	free(text);
	sock_job_drop(job);
}

static void stats_take_a_pattern(void **state)
{
	json_t *r = result_of("{\"command\":\"stats\",\"args\":{\"glob\":\"worker.*\"}}");

	assert_true(json_array_size(r) >= 4);
	json_decref(r);
	r = result_of("{\"command\":\"stats\",\"args\":{\"glob\":\"[\"}}");
	assert_int_equal(json_array_size(r), 0);
	json_decref(r);
	REFUSED("{\"command\":\"stats\",\"args\":{\"glob\":7}}", "must be a string");
}

static void log_levels_are_checked(void **state)
{
	json_decref(
		result_of("{\"command\":\"log\",\"args\":{\"level\":\"debug\",\"area\":\"tls\"}}"));
	assert_string_equal(h->log_level, "debug");
	assert_string_equal(h->log_area, "tls");
	REFUSED("{\"command\":\"log\",\"args\":{\"level\":\"loud\"}}", "`loud`");
	REFUSED("{\"command\":\"log\",\"args\":{\"level\":\"debug\",\"area\":\"nope\"}}",
		"no area `nope`: there are access ctl");
	REFUSED("{\"command\":\"log\"}", "which level");
}

static void help_lists_commands_that_all_answer(void **state)
{
	json_t *r = result_of("{\"command\":\"help\"}"), *row;
	size_t i;

	json_array_foreach(r, i, row)
	{
		char line[128];

		if (strcmp(json_string_value(json_object_get(row, "command")), "tap") == 0)
			continue;
		snprintf(line, sizeof(line), "{\"command\":\"%s\"}",
			 json_string_value(json_object_get(row, "command")));
		json_decref(ask_bytes(line, strlen(line)));
	}
	json_decref(r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, host_make, host_remove)
	const struct CMUnitTest tests[] = {
		TEST(the_id_comes_back_as_it_was),
		TEST(hostile_lines_get_a_clear_error),
		TEST(an_unknown_command_names_the_nearest),
		TEST(results_have_the_promised_keys),
		TEST(status_is_one_object),
		TEST(status_says_what_is_wrong),
		TEST(names_tell_where_they_lead),
		TEST(drops_list_what_happened_and_all_on_demand),
		TEST(a_worker_that_does_not_answer_is_an_error_and_no_leak),
		TEST(apply_is_refused_with_file_line_and_column),
		TEST(diff_tells_what_would_change),
		TEST(explain_names_route_weights_and_endpoints),
		TEST(outliers_tell_why_and_until_when),
		TEST(failures_are_told_apart_by_cause),
		TEST(kinds_of_failures_are_bounded),
		TEST(an_operator_takes_an_endpoint_out_and_back),
		TEST(a_tap_sees_what_its_pattern_wants_and_ends),
		TEST(a_tap_that_is_not_read_loses_and_says_so),
		TEST(stats_take_a_pattern),
		TEST(log_levels_are_checked),
		TEST(help_lists_commands_that_all_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
