/* SPDX-License-Identifier: Apache-2.0 */
#include "ctrl_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <heddle/log.h>
#include <jansson.h>

#include "observe_access.h"
#include "observe_requests.h"

void hd_log(enum hd_log_level level, const char *area, const char *format, ...)
{
}

static struct hd_access_record record(void)
{
	struct hd_access_record r = { .start_wall = UINT64_C(1767323045678) * HD_NS_PER_MS,
				      .duration = 12 * HD_NS_PER_MS + 999999,
				      .upstream_time = 11 * HD_NS_PER_MS,
				      .bytes_received = 3,
				      .bytes_sent = 1024,
				      .status = 200,
				      .protocol = 11 };

	hd_ip_parse("10.1.0.2", &r.down_remote.ip);
	r.down_remote.port = 40000;
	hd_ip_parse("fd00:1::1", &r.down_local.ip);
	r.down_local.port = 80;
	hd_ip_parse("10.2.0.2", &r.up_remote.ip);
	r.up_remote.port = 9000;
	r.method_n = (uint8_t)snprintf(r.method, sizeof(r.method), "GET");
	r.path_n = (uint16_t)snprintf(r.path, sizeof(r.path), "/a?b=\"c\"");
	r.authority_n = (uint16_t)snprintf(r.authority, sizeof(r.authority), "api");
	r.cluster_n = (uint16_t)snprintf(r.cluster, sizeof(r.cluster),
					 "outbound|80|v1|api.default.svc.cluster.local");
	r.details_n = (uint16_t)snprintf(r.details, sizeof(r.details), "via_upstream");
	snprintf(r.route_name, sizeof(r.route_name), "default");
	return r;
}

static const struct hd_node node = {
	.n_ports = 1,
	.ports[0] = { .side = HD_SIDE_WORKLOAD,
		      .n_addresses = 1,
		      .addresses[0] = { .ip.b = { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 9 },
					.len = 112 } }
};
static struct observe_requests *requests;
static struct observe_access_second second;

static int requests_make(void **state)
{
	return observe_requests_create(&node, &requests);
}

static int requests_remove(void **state)
{
	observe_requests_destroy(requests);
	return 0;
}

static json_t *as_json(const struct hd_access_record *r)
{
	struct observe_text t = { 0 };
	json_t *j;

	observe_access_format(&t, r, OBSERVE_ACCESS_JSON, &second);
	assert_int_equal(t.p[t.n - 1], '\n');
	j = json_loadb(t.p, t.n, JSON_ALLOW_NUL, NULL);
	assert_non_null(j);
	observe_text_fini(&t);
	return j;
}

static void json_has_istios_keys_and_types(void **state)
{
	static const char *const keys[] = { "authority",
					    "bytes_received",
					    "bytes_sent",
					    "connection_termination_details",
					    "downstream_local_address",
					    "downstream_remote_address",
					    "duration",
					    "method",
					    "path",
					    "protocol",
					    "request_id",
					    "requested_server_name",
					    "downstream_tls_version",
					    "downstream_peer_uri_san",
					    "response_code",
					    "response_code_details",
					    "response_flags",
					    "route_name",
					    "start_time",
					    "upstream_cluster",
					    "upstream_host",
					    "upstream_local_address",
					    "upstream_service_time",
					    "upstream_transport_failure_reason",
					    "user_agent",
					    "x_forwarded_for" };
	struct hd_access_record r = record();
	json_t *j = as_json(&r);

	assert_int_equal(json_object_size(j), HD_ARRAY_SIZE(keys));
	for (size_t i = 0; i < HD_ARRAY_SIZE(keys); i++)
		assert_non_null(json_object_get(j, keys[i]));
	assert_string_equal(json_string_value(json_object_get(j, "start_time")),
			    "2026-01-02T03:04:05.678Z");
	assert_string_equal(json_string_value(json_object_get(j, "path")), "/a?b=\"c\"");
	assert_string_equal(json_string_value(json_object_get(j, "downstream_local_address")),
			    "[fd00:1::1]:80");
	assert_string_equal(json_string_value(json_object_get(j, "upstream_service_time")), "11");
	assert_string_equal(json_string_value(json_object_get(j, "response_flags")), "-");
	assert_int_equal(json_integer_value(json_object_get(j, "duration")), 12);
	assert_int_equal(json_integer_value(json_object_get(j, "response_code")), 200);
	assert_true(json_is_null(json_object_get(j, "upstream_local_address")));
	json_decref(j);
}

static void flags_are_joined_by_commas(void **state)
{
	struct hd_access_record r = record();
	json_t *j;

	r.flags = HD_FLAG_UF | HD_FLAG_URX;
	j = as_json(&r);
	assert_string_equal(json_string_value(json_object_get(j, "response_flags")), "UF,URX");
	json_decref(j);
}

static void failure_of_the_backends_tls_stands_apart(void **state)
{
	static const char details[] = "upstream_reset_before_response_started{remote_connection_"
				      "failure|TLS_error:|268435581:x:TLS_error_end}";
	struct hd_access_record r = record();
	struct observe_text t = { 0 };
	json_t *j;

	r.details_n = sizeof(details) - 1;
	memcpy(r.details, details, r.details_n);
	j = as_json(&r);
	assert_string_equal(json_string_value(json_object_get(j, "upstream_transport_failure_reason")),
			    "TLS_error:|268435581:x:TLS_error_end");
	json_decref(j);
	observe_access_format(&t, &r, OBSERVE_ACCESS_TEXT, &second);
	observe_text_add(&t, "", 1);
	assert_non_null(strstr(t.p, "_end} - \"TLS_error:|268435581:x:TLS_error_end\" 3 1024"));
	observe_text_fini(&t);
}

static void any_byte_in_a_path_gives_valid_json(void **state)
{
	struct hd_access_record r = record();

	for (unsigned int i = 0; i < 256; i++)
		r.path[i] = (char)(255 - i);
	r.path_n = 300; /* longer than what was kept */
	json_decref(as_json(&r));
}

static void text_is_istios_default_format(void **state)
{
	struct hd_access_record r = record();
	struct observe_text t = { 0 };

	observe_access_format(&t, &r, OBSERVE_ACCESS_TEXT, &second);
	observe_text_add(&t, "", 1);
	assert_string_equal(
		t.p,
		"[2026-01-02T03:04:05.678Z] \"GET /a?b=\\x22c\\x22 HTTP/1.1\" 200 - via_upstream - \"-\" 3 1024 12 11 "
		"\"-\" \"-\" \"-\" \"api\" \"10.2.0.2:9000\" outbound|80|v1|api.default.svc.cluster.local - "
		"[fd00:1::1]:80 10.1.0.2:40000 - default\n");
	observe_text_fini(&t);
}

static void text_without_a_request_is_all_dashes(void **state)
{
	struct hd_access_record r = { .upstream_time = HD_NS_NEVER };
	struct observe_text t = { 0 };

	observe_access_format(&t, &r, OBSERVE_ACCESS_TEXT, &second);
	observe_text_add(&t, "", 1);
	assert_non_null(strstr(t.p, "\"- - -\" 0 - - - \"-\" 0 0 0 - \"-\""));
	observe_text_fini(&t);
}

static void put(struct observe_access *a, unsigned int n)
{
	struct hd_access_record r = record();

	while (n-- > 0)
		observe_access_add(a, &r, HD_NS_PER_S);
	observe_access_flush(a, HD_NS_PER_S);
}

static unsigned int lines_of(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned int n = 0;

	for (int c; f != NULL && (c = fgetc(f)) != EOF;)
		n += c == '\n';
	if (f != NULL)
		fclose(f);
	return n;
}

static void a_renamed_file_is_opened_again(void **state)
{
	char path[] = "/tmp/heddle-access-XXXXXX", moved[64];
	int fd = mkstemp(path);
	struct observe_access *a;

	snprintf(moved, sizeof(moved), "%s.1", path);
	assert_int_equal(observe_access_open(path, OBSERVE_ACCESS_JSON, &a), 0);
	put(a, 2);
	assert_int_equal(rename(path, moved), 0);
	observe_access_look(a);
	put(a, 1);
	assert_int_equal(lines_of(moved), 2);
	assert_int_equal(lines_of(path), 1);
	observe_access_close(a);
	close(fd);
	unlink(path);
	unlink(moved);
}

static void a_path_that_cannot_be_opened_is_an_error(void **state)
{
	struct observe_access *a;

	assert_int_equal(observe_access_open("/nowhere/access.log", OBSERVE_ACCESS_JSON, &a),
			 -ENOENT);
	assert_int_equal(observe_access_open("/tmp", OBSERVE_ACCESS_JSON, &a), -EISDIR);
}

static void a_path_is_checked_without_making_it(void **state)
{
	char folder[] = "/tmp/heddle-access-XXXXXX", path[64], error[256];

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a.log", folder);
	assert_int_equal(observe_access_check(path, error, sizeof(error)), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(observe_access_check("/dev/stdout", error, sizeof(error)), 0);
	assert_int_equal(observe_access_check(folder, error, sizeof(error)), -EISDIR);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(observe_access_check(path, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "mkdir -p "));
	assert_non_null(strstr(error, folder));
}

static void a_reader_that_is_slow_costs_lines_and_no_time(void **state)
{
	char folder[] = "/tmp/heddle-fifo-XXXXXX", path[64];
	struct observe_access_stats st;
	struct observe_access *a;
	int reader;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pipe", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	assert_int_equal(observe_access_open(path, OBSERVE_ACCESS_JSON, &a), 0);
	put(a, 6400);
	observe_access_stats(a, &st);
	assert_true(st.lost > 0);
	assert_int_equal(st.lost + st.lines, 6400);
	observe_access_close(a);
	close(reader);
	unlink(path);
	rmdir(folder);
}

static void a_full_disk_is_counted_and_survived(void **state)
{
	struct observe_access_stats st;
	struct observe_access *a;

	assert_int_equal(observe_access_open("/dev/full", OBSERVE_ACCESS_JSON, &a), 0);
	put(a, 10);
	observe_access_stats(a, &st);
	assert_int_equal(st.write_errors, 1);
	observe_access_close(a);
}

static void a_file_at_its_limit_is_counted_and_survived(void **state)
{
	char path[] = "/tmp/heddle-access-XXXXXX";
	int fd = mkstemp(path);
	struct observe_access_stats st;
	struct observe_access *a;
	struct rlimit old, small;

	observe_access_signals();
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(observe_access_open(path, OBSERVE_ACCESS_JSON, &a), 0);
	put(a, 10);
	setrlimit(RLIMIT_FSIZE, &old);
	observe_access_stats(a, &st);
	assert_int_equal(st.write_errors, 1);
	observe_access_close(a);
	close(fd);
	unlink(path);
}

static void requests_are_counted_under_istios_labels(void **state)
{
	struct hd_access_record r = record();
	struct observe_text t = { 0 };

	observe_requests_count(requests, &r);
	observe_requests_count(requests, &r);
	r.status = 503;
	r.flags = HD_FLAG_UF | HD_FLAG_URX;
	observe_requests_count(requests, &r);
	observe_requests_write(&t, requests);
	observe_text_add(&t, "", 1);
	assert_non_null(strstr(
		t.p,
		"istio_requests_total{reporter=\"waypoint\",source_workload=\"unknown\","
		"source_workload_namespace=\"unknown\",source_principal=\"unknown\",destination_service=\"api.default.svc.cluster.local\","
		"destination_service_name=\"api\",destination_service_namespace=\"default\",destination_version=\"v1\","
		"request_protocol=\"http\",response_code=\"200\",grpc_response_status=\"\",response_flags=\"-\","
		"connection_security_policy=\"none\"} 2\n"));
	assert_non_null(strstr(
		t.p, "response_code=\"503\",grpc_response_status=\"\",response_flags=\"UF,URX\""));
	assert_non_null(strstr(t.p, "le=\"10\"} 0\n"));
	assert_non_null(strstr(t.p, "le=\"25\"} 2\n"));
	observe_text_fini(&t);
}

/* The figure of the first line that begins so. */
static long value_of(const char *text, const char *begin)
{
	const char *at = strstr(text, begin);

	assert_non_null(at);
	return strtol(strstr(at, "} ") + 2, NULL, 10);
}

static void callers_with_a_certificate_are_told_apart_by_who_they_are(void **state)
{
	static const char who[] = "spiffe://cluster.local/ns/default/sa/web";
	struct hd_access_record r = record();
	struct observe_text t = { 0 };

	r.peer_n = sizeof(who) - 1;
	memcpy(r.peer, who, r.peer_n);
	observe_requests_count(requests, &r);
	observe_requests_write(&t, requests);
	observe_text_add(&t, "", 1);
	assert_non_null(
		strstr(t.p, "source_principal=\"spiffe://cluster.local/ns/default/sa/web\""));
	assert_non_null(strstr(t.p, "connection_security_policy=\"mutual_tls\"} 1\n"));
	observe_text_fini(&t);
}

static void a_stream_is_counted_when_it_opens_and_when_it_ends(void **state)
{
	struct hd_access_record r = record();
	struct observe_text t = { 0 };

	r.protocol = 0;
	r.status = 0;
	r.opens = 1;
	observe_requests_count(requests, &r);
	observe_requests_count(requests, &r);
	r.opens = 0;
	observe_requests_count(requests, &r);
	observe_requests_write(&t, requests);
	observe_text_add(&t, "", 1);
	assert_non_null(strstr(t.p, "\nistio_tcp_connections_opened_total{"));
	assert_int_equal(value_of(t.p, "istio_tcp_connections_opened_total{"), 2);
	assert_int_equal(value_of(t.p, "istio_tcp_connections_closed_total{"), 1);
	observe_text_fini(&t);
}

static void too_many_label_sets_are_bounded(void **state)
{
	struct hd_access_record r = record();
	struct observe_text t = { 0 };

	for (int i = 0; i < 5000; i++) {
		r.cluster_n =
			(uint16_t)snprintf(r.cluster, sizeof(r.cluster), "outbound|80||host-%d", i);
		observe_requests_count(requests, &r);
	}
	observe_requests_write(&t, requests);
	observe_text_add(&t, "", 1);
	assert_non_null(strstr(t.p, "heddle_request_label_sets_lost_total 904\n"));
	observe_text_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_has_istios_keys_and_types),
		cmocka_unit_test(flags_are_joined_by_commas),
		cmocka_unit_test(failure_of_the_backends_tls_stands_apart),
		cmocka_unit_test(any_byte_in_a_path_gives_valid_json),
		cmocka_unit_test(text_is_istios_default_format),
		cmocka_unit_test(text_without_a_request_is_all_dashes),
		cmocka_unit_test_setup_teardown(a_renamed_file_is_opened_again, requests_make,
						requests_remove),
		cmocka_unit_test(a_path_that_cannot_be_opened_is_an_error),
		cmocka_unit_test(a_path_is_checked_without_making_it),
		cmocka_unit_test_setup_teardown(a_reader_that_is_slow_costs_lines_and_no_time,
						requests_make, requests_remove),
		cmocka_unit_test_setup_teardown(a_full_disk_is_counted_and_survived, requests_make,
						requests_remove),
		cmocka_unit_test_setup_teardown(a_file_at_its_limit_is_counted_and_survived,
						requests_make, requests_remove),
		cmocka_unit_test_setup_teardown(
			requests_are_counted_under_istios_labels, requests_make,
			requests_remove),
		cmocka_unit_test_setup_teardown(
			callers_with_a_certificate_are_told_apart_by_who_they_are, requests_make,
			requests_remove),
		cmocka_unit_test_setup_teardown(
			a_stream_is_counted_when_it_opens_and_when_it_ends, requests_make,
			requests_remove),
		cmocka_unit_test_setup_teardown(too_many_label_sets_are_bounded, requests_make,
						requests_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
