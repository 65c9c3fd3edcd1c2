/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "proxy_reply.h"
#include "proxy_rewrite.h"

static struct http_head head;
static uint8_t out[16384];

static const char *request(const char *text, struct proxy_request_patch q)
{
	struct http_error e = { 0 };
	uint32_t n;

	assert_int_equal(
		http1_parse_request((const uint8_t *)text, (uint32_t)strlen(text), &head, &e),
		HTTP_DONE);
	q.path = (const uint8_t *)text + head.path;
	q.path_n = head.path_n;
	q.attempt = 1;
	q.is_chunked = head.framing == HTTP_BODY_CHUNKED;
	n = proxy_rewrite_request((const uint8_t *)text, &head, &q, out);
	assert_in_range(n, 1, head.bytes + PROXY_REWRITE_SLACK);
	out[n] = 0;
	return (const char *)out;
}

static const char *response(const char *text, struct proxy_response_patch q)
{
	struct http_error e = { 0 };
	uint32_t n;

	assert_int_equal(http1_parse_response((const uint8_t *)text, (uint32_t)strlen(text),
					      HTTP_GET, &head, &e),
			 HTTP_DONE);
	q.is_chunked = head.framing == HTTP_BODY_CHUNKED || head.framing == HTTP_BODY_UNTIL_CLOSE;
	q.has_length = head.framing == HTTP_BODY_LENGTH;
	q.content_length = head.content_length;
	q.date = "Sun, 06 Nov 1994 08:49:37 GMT";
	n = proxy_rewrite_response((const uint8_t *)text, &head, &q, out);
	out[n] = 0;
	return (const char *)out;
}

#define TAIL "x-envoy-attempt-count: 1\r\n\r\n"

static void sidecar_keeps_the_callers_words(void **state)
{
	const struct proxy_request_patch q = { .role = HD_ROLE_SIDECAR };

	assert_string_equal(
		request("GET / HTTP/1.1\r\nHost: plain.shop\r\nX-Mixed-CASE: V\r\nCookie: a=1\r\ncookie: b=2\r\n"
			"X-Request-Id: mine\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"
			"X-Envoy-Attempt-Count: 7\r\nX-Envoy-External-Address: 9.9.9.9\r\nX-Envoy-Foo: bar\r\n"
			"X-Envoy-Max-Retries: 9\r\nX-Forwarded-Client-Cert: By=x\r\nEmpty:\r\n\r\n",
			q),
		"GET / HTTP/1.1\r\nhost: plain.shop\r\nx-mixed-case: V\r\ncookie: a=1\r\ncookie: b=2\r\n"
		"x-request-id: mine\r\nx-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\n"
		"x-envoy-external-address: 9.9.9.9\r\nx-envoy-foo: bar\r\nempty: \r\n" TAIL);
}

static void gateway_replaces_what_outsiders_say(void **state)
{
	const struct proxy_request_patch q = { .role = HD_ROLE_GATEWAY,
					       .down_ip = "192.0.2.2",
					       .request_id =
						       "18f82770-bfbf-4815-98b4-282542bdf30e" };

	assert_string_equal(
		request("GET / HTTP/1.1\r\nHost: a.example\r\nX-Request-Id: mine\r\nX-Forwarded-For: 1.2.3.4\r\n"
			"X-Forwarded-Proto: https\r\nX-Envoy-External-Address: 9.9.9.9\r\n"
			"X-Envoy-Original-Path: /zz\r\nX-Envoy-Foo: bar\r\n\r\n",
			q),
		"GET / HTTP/1.1\r\nhost: a.example\r\nx-request-id: 18f82770-bfbf-4815-98b4-282542bdf30e\r\n"
		"x-forwarded-for: 1.2.3.4,192.0.2.2\r\nx-forwarded-proto: http\r\nx-envoy-foo: bar\r\n"
		"x-envoy-external-address: 192.0.2.2\r\n" TAIL);
	assert_string_equal(
		request("GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n"
			"Connection: x-forwarded-for\r\n\r\n",
			q),
		"GET / HTTP/1.1\r\nhost: a.example\r\nx-forwarded-for: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\n"
		"x-forwarded-for: 192.0.2.2\r\nx-forwarded-proto: http\r\nx-envoy-external-address: 192.0.2.2\r\n"
		"x-request-id: 18f82770-bfbf-4815-98b4-282542bdf30e\r\n" TAIL);
}

static void one_hops_fields_stay_behind(void **state)
{
	const struct proxy_request_patch q = { .role = HD_ROLE_SIDECAR };

	assert_string_equal(
		request("POST / HTTP/1.1\r\nHost: a\r\nConnection: X-Secret, keep-alive, "
			"Host, Content-Length\r\nX-Secret: 1\r\n"
			"Keep-Alive: timeout=5\r\nProxy-Connection: k\r\nTE: gzip\r\nUpgrade: websocket\r\n"
			"Content-Length: 0005\r\n\r\n",
			q),
		"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nx-forwarded-proto: http\r\n" TAIL);
	assert_string_equal(
		response("HTTP/1.1 200 Fine\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: "
			 "5\r\nServer: nginx\r\n"
			 "X-Envoy-Upstream-Service-Time: 9\r\nX-Envoy-Decorator-Operation: d\r\n"
			 "X-Envoy-Overloaded: true\r\n"
			 "Content-Length: 2\r\n\r\n",
			 (struct proxy_response_patch){ .role = HD_ROLE_SIDECAR,
							.upstream_ms = 12 }),
		"HTTP/1.1 200 Fine\r\nserver: envoy\r\nx-envoy-overloaded: true\r\ncontent-length: 2\r\n"
		"date: Sun, 06 Nov 1994 08:49:37 GMT\r\nx-envoy-upstream-service-time: 12\r\n\r\n");
}

static void absolute_form_gives_the_host(void **state)
{
	const struct proxy_request_patch q = { .role = HD_ROLE_SIDECAR };

	assert_string_equal(
		request("GET http://b.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n", q),
		"GET /x HTTP/1.1\r\nhost: b.example\r\nx-forwarded-proto: http\r\n" TAIL);
}

static void names_become_small_letters_and_nothing_else_changes(void **state)
{
	const struct proxy_request_patch q = { .role = HD_ROLE_SIDECAR };
	const char *got = request(
		"GET / HTTP/1.1\r\nHost: a\r\nABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+-.^_`|~09: AbZ\xe9\xff [@`{\r\n\r\n",
		q);

	assert_non_null(strstr(
		got, "\r\nabcdefghijklmnopqrstuvwxyz!#$%&'*+-.^_`|~09: AbZ\xe9\xff [@`{\r\n"));
}

static void dates_agree_with_the_c_library(void **state)
{
	char mine[30], theirs[64];

	for (uint64_t t = 0; t < UINT64_C(8000000000); t += 7777777 + t % 1013) {
		time_t tt = (time_t)t;
		struct tm tm;
		gmtime_r(&tt, &tm);
		strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		proxy_rewrite_date(t, mine);
		assert_string_equal(mine, theirs);
	}
}

static void addresses_agree_with_the_c_library(void **state)
{
	static const char *const texts[] = { "1.2.3.4",
					     "255.255.255.255",
					     "0.0.0.0",
					     "::",
					     "::1",
					     "fd00:1::1",
					     "1:2:3:4:5:6:7:8",
					     "2001:db8:0:1:1:1:1:1",
					     "2001:0:0:1::1",
					     "1::",
					     "fe80::abcd:0:0:12",
					     "a:0:b:0:c:0:d:0" };
	char mine[HD_ADDR_STRLEN], theirs[HD_ADDR_STRLEN];

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(texts); i++) {
		struct hd_ip ip;
		assert_int_equal(hd_ip_parse(texts[i], &ip), 0);
		assert_string_equal(proxy_rewrite_ip(&ip, mine), hd_ip_format(&ip, theirs));
	}
}

static void request_ids_are_version_4(void **state)
{
	char id[37];

	proxy_rewrite_uuid(UINT64_MAX, UINT64_MAX, id);
	assert_string_equal(id, "ffffffff-ffff-4fff-bfff-ffffffffffff");
	proxy_rewrite_uuid(0, 0, id);
	assert_string_equal(id, "00000000-0000-4000-8000-000000000000");
}

static const char *reply(struct proxy_answer a, struct proxy_reply_style s)
{
	static char text[PROXY_REPLY_MAX + 1];
	uint32_t body_n;

	s.date = "D";
	text[proxy_reply_render(&a, &s, text, &body_n)] = 0;
	return text;
}

static void local_replies_are_envoys(void **state)
{
	const struct proxy_reply_style sidecar = { .role = HD_ROLE_SIDECAR },
				       gateway = { .role = HD_ROLE_GATEWAY, .close = 1 },
				       grpc = { .role = HD_ROLE_SIDECAR, .is_grpc = 1 },
				       of_head = { .role = HD_ROLE_SIDECAR, .is_head = 1 };
	const struct proxy_answer no_route = { .status = 404 };

	assert_string_equal(
		reply(proxy_reply_of_failure(PROXY_FAIL_CONNECT, 1), sidecar),
		"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 121\r\ncontent-type: text/plain\r\ndate: D\r\n"
		"server: envoy\r\n\r\nupstream connect error or disconnect/reset before "
		"headers. retried and the latest reset "
		"reason: remote connection failure");
	assert_string_equal(
		reply(no_route, gateway),
		"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\ndate: D\r\nserver: istio-envoy\r\n"
		"connection: close\r\n\r\n");
	assert_string_equal(
		reply(proxy_reply_of_failure(PROXY_FAIL_NO_ENDPOINT, 0), of_head),
		"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 19\r\ncontent-type: text/plain\r\ndate: D\r\n"
		"server: envoy\r\n\r\n");
	assert_string_equal(
		reply(proxy_reply_of_failure(PROXY_FAIL_NO_ENDPOINT, 0), grpc),
		"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\n"
		"grpc-message: no healthy upstream\r\n"
		"content-length: 0\r\ndate: D\r\nserver: envoy\r\n\r\n");
	assert_int_equal(proxy_reply_of_failure(PROXY_FAIL_PROTOCOL, 0).status, 502);
	assert_int_equal(proxy_reply_of_failure(PROXY_FAIL_PER_TRY_TIMEOUT, 0).status, 504);
	assert_non_null(strstr(reply(proxy_reply_of_failure(PROXY_FAIL_OVERFLOW, 0), sidecar),
			       "\r\nx-envoy-overloaded: true\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sidecar_keeps_the_callers_words),
		cmocka_unit_test(gateway_replaces_what_outsiders_say),
		cmocka_unit_test(one_hops_fields_stay_behind),
		cmocka_unit_test(absolute_form_gives_the_host),
		cmocka_unit_test(names_become_small_letters_and_nothing_else_changes),
		cmocka_unit_test(dates_agree_with_the_c_library),
		cmocka_unit_test(addresses_agree_with_the_c_library),
		cmocka_unit_test(request_ids_are_version_4),
		cmocka_unit_test(local_replies_are_envoys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
