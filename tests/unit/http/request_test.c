/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "http_check.h"
#include "http_test.h"

#define GOOD 0

static struct http_head h;
static struct http_error e;

static enum http_verdict parse(const char *text)
{
	return http1_parse_request(BYTES(text), &h, &e);
}

static int field_is(const char *text, uint32_t i, const char *name, const char *value)
{
	return text_is(text, h.fields[i].name, h.fields[i].name_n, name) &&
	       text_is(text, h.fields[i].value, h.fields[i].value_n, value);
}

static void a_plain_request_is_taken_apart(void **state)
{
	const char *t =
		"GET /a?b=c HTTP/1.1\r\nHost: a.example:80\r\nX-A:\t b c \t\r\nX-B:\r\n\r\nGET";

	assert_int_equal(parse(t), HTTP_DONE);
	assert_int_equal(h.bytes, strlen(t) - 3);
	assert_int_equal(h.method, HTTP_GET);
	assert_int_equal(h.minor, 1);
	assert_true(text_is(t, h.start, h.method_n, "GET"));
	assert_true(text_is(t, h.target, h.target_n, "/a?b=c"));
	assert_true(text_is(t, h.path, h.path_n, "/a?b=c"));
	assert_true(text_is(t, h.authority, h.authority_n, "a.example:80"));
	assert_int_equal(h.n_fields, 3);
	assert_true(field_is(t, 0, "Host", "a.example:80"));
	assert_true(field_is(t, 1, "X-A", "b c"));
	assert_true(field_is(t, 2, "X-B", ""));
	assert_int_equal(h.first[HTTP_F_HOST], 1);
	assert_int_equal(h.framing, HTTP_BODY_NONE);
	assert_true(h.keep_alive);
}

static void the_absolute_form_is_taken_apart(void **state)
{
	const char *t = "GET HTTP://A.example:8080/p?q HTTP/1.1\r\nHost: a.EXAMPLE:8080\r\n\r\n";

	assert_int_equal(parse(t), HTTP_DONE);
	assert_true(text_is(t, h.path, h.path_n, "/p?q"));
	assert_true(text_is(t, h.authority, h.authority_n, "A.example:8080"));
	t = "GET https://a HTTP/1.1\r\nHost: a\r\n\r\n";
	assert_int_equal(parse(t), HTTP_DONE);
	assert_true(text_is(t, h.path, h.path_n, "/"));
	assert_true(text_is(t, h.target, h.target_n, "https://a"));
}

static void empty_lines_before_a_request_are_skipped(void **state)
{
	const char *t = "\r\n\r\nPOST /x HTTP/1.1\r\nHost: a\r\n\r\n";

	assert_int_equal(parse(t), HTTP_DONE);
	assert_int_equal(h.start, 4);
	assert_true(text_is(t, h.start, h.method_n, "POST"));
	assert_int_equal(h.bytes, strlen(t));
}

static void the_ninth_empty_line_before_a_request_is_refused(void **state)
{
	char t[128];
	struct http1_scan s = { 0 };
	uint32_t bytes;

	for (int i = 0; i < 9; i++)
		memcpy(t + 2 * i, "\r\n", 2);
	strcpy(t + 18, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(parse(t + 2), HTTP_DONE);
	assert_int_equal(h.start, 16);
	assert_int_equal(parse(t), HTTP_BAD);
	assert_int_equal(http1_scan_request(&s, (const uint8_t *)t, 16, &bytes, &e), HTTP_MORE);
	assert_int_equal(http1_scan_request(&s, (const uint8_t *)t + 16, 1, &bytes, &e), HTTP_BAD);
	assert_int_equal(e.status, 400);
	assert_int_equal(e.counter, HD_HTTP_EMPTY_LINES);
}

/* A request of one start line and more fields, and its fate: GOOD or the counter. */
struct fate {
	const char *start, *fields;
	enum hd_counter counter;
	uint16_t status;
};

static const struct fate lines[] = {
	{"GET / HTTP/1.1", "", GOOD},
	{"GET / HTTP/1.2", "", GOOD},
	{"OPTIONS * HTTP/1.1", "", GOOD},
	{"TRACE / HTTP/1.1", "", GOOD},
	{"PROPFIND / HTTP/1.1", "", GOOD},
	{"GET / HTTP/1.0", "", HD_HTTP_OLD_VERSION, 426},
	{"GET / HTTP/2.0", "", HD_HTTP_UNSUPPORTED_VERSION, 505},
	{"PRI * HTTP/2.0", "", HD_HTTP_UNSUPPORTED_VERSION, 505},
	{"GET / HTTP/0.9", "", HD_HTTP_UNSUPPORTED_VERSION, 505},
	{"GET / HTTP/11", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"GET / HTTP/1.10", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"GET / http/1.1", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"GET / HTTP/1.1 ", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"GET  / HTTP/1.1", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"GET\t/ HTTP/1.1", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"GET /a b HTTP/1.1", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"GET /", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"GET HTTP/1.1", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{" GET / HTTP/1.1", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"GET: / HTTP/1.1", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"GET /\x7f HTTP/1.1", "", HD_HTTP_BAD_REQUEST_LINE, 400},
	{"get / HTTP/1.1", "", HD_HTTP_UNKNOWN_METHOD, 400},
	{"BREW / HTTP/1.1", "", HD_HTTP_UNKNOWN_METHOD, 400},
	{"CONNECT a:443 HTTP/1.1", "", HD_HTTP_CONNECT_REFUSED, 404},
	{"CONNECT /x HTTP/1.1", "", HD_HTTP_CONNECT_REFUSED, 404},
	{"GET * HTTP/1.1", "", HD_HTTP_BAD_TARGET, 400},
	{"GET a HTTP/1.1", "", HD_HTTP_BAD_TARGET, 400},
	{"GET ftp://a/ HTTP/1.1", "", HD_HTTP_BAD_TARGET, 400},
	{"GET http://a?q HTTP/1.1", "", HD_HTTP_BAD_TARGET, 400},
	{"OPTIONS http://a HTTP/1.1", "", HD_HTTP_BAD_TARGET, 400},
	{"GET /a#b HTTP/1.1", "", HD_HTTP_FRAGMENT, 400},
	{"GET http://b/ HTTP/1.1", "", HD_HTTP_HOST_MISMATCH, 400},
	{"GET http://a:80/ HTTP/1.1", "", HD_HTTP_HOST_MISMATCH, 400},
	{"GET http:///x HTTP/1.1", "", HD_HTTP_HOST_MISMATCH, 400},
	{"GET http://u@a/x HTTP/1.1", "", HD_HTTP_HOST_MISMATCH, 400},
};

static const struct fate fields[] = {
	{"GET / HTTP/1.1", "Host: a\r\n", HD_HTTP_MANY_HOSTS, 400},
	{"GET / HTTP/1.1", "X-A: b\r\n c\r\n", HD_HTTP_OBS_FOLD, 400},
	{"GET / HTTP/1.1", "X-A: b\r\n\t\r\n", HD_HTTP_OBS_FOLD, 400},
	{"GET / HTTP/1.1", ": b\r\n", HD_HTTP_EMPTY_NAME, 400},
	{"GET / HTTP/1.1", "X A: b\r\n", HD_HTTP_SPACE_BEFORE_COLON, 400},
	{"GET / HTTP/1.1", "X-A : b\r\n", HD_HTTP_SPACE_BEFORE_COLON, 400},
	{"GET / HTTP/1.1", "X-A\t: b\r\n", HD_HTTP_SPACE_BEFORE_COLON, 400},
	{"GET / HTTP/1.1", "X-A\r\n", HD_HTTP_BAD_NAME, 400},
	{"GET / HTTP/1.1", "X-\xe9: b\r\n", HD_HTTP_BAD_NAME, 400},
	{"GET / HTTP/1.1", "X-A: b\rc\r\n", HD_HTTP_BARE_CR, 400},
	{"GET / HTTP/1.1", "X-A: b\r\r\n", HD_HTTP_BARE_CR, 400},
	{"GET / HTTP/1.1", "X-A: b\n", HD_HTTP_BARE_LF, 400},
	{"GET / HTTP/1.1", "X-A: b\x01\r\n", HD_HTTP_BAD_VALUE, 400},
	{"GET / HTTP/1.1", "X-A: b\x7f\r\n", HD_HTTP_BAD_VALUE, 400},
	{"GET / HTTP/1.1", "X-A: caf\xe9 \x80\xff\r\n", GOOD},
	{"GET / HTTP/1.1", "Expect: 100-continue\r\n", GOOD},
	{"GET / HTTP/1.1", "Expect: 200-ok\r\n", HD_HTTP_BAD_EXPECT, 417},
	{"GET / HTTP/1.1", "Expect: 100-continue\r\nExpect: x\r\n", HD_HTTP_BAD_EXPECT, 417},
};

static const struct fate framings[] = {
	{"POST / HTTP/1.1", "Content-Length: 5\r\n", GOOD},
	{"POST / HTTP/1.1", "Content-Length: 9223372036854775807\r\n", GOOD},
	{"POST / HTTP/1.1", "Content-Length: 9223372036854775808\r\n", HD_HTTP_BAD_LENGTH, 400},
	{"POST / HTTP/1.1", "Content-Length: 18446744073709551616\r\n", HD_HTTP_BAD_LENGTH, 400},
	{"POST / HTTP/1.1", "Content-Length: 00000000000000000005\r\n", HD_HTTP_BAD_LENGTH, 400},
	{"POST / HTTP/1.1", "Content-Length:\r\n", HD_HTTP_BAD_LENGTH, 400},
	{"POST / HTTP/1.1", "Content-Length: +5\r\n", HD_HTTP_BAD_LENGTH, 400},
	{"POST / HTTP/1.1", "Content-Length: 5 5\r\n", HD_HTTP_BAD_LENGTH, 400},
	{"POST / HTTP/1.1", "Content-Length: 5, 5\r\n", HD_HTTP_BAD_LENGTH, 400},
	{"POST / HTTP/1.1",
	 "Content-Length: \xa0"
	 "5\r\n",
	 HD_HTTP_BAD_LENGTH, 400},
	{"POST / HTTP/1.1", "Content-Length: 5\r\ncontent-length: 5\r\n", HD_HTTP_MANY_LENGTHS,
	 400},
	{"POST / HTTP/1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
	 HD_HTTP_LENGTH_AND_CHUNKED, 400},
	{"POST / HTTP/1.1", "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
	 HD_HTTP_BAD_LENGTH, 400},
	{"POST / HTTP/1.1", "Transfer-Encoding: CHUNKED \r\n", GOOD},
	{"POST / HTTP/1.1", "Transfer-Encoding: gzip\r\n", HD_HTTP_BAD_CODING, 501},
	{"POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked\r\n", HD_HTTP_BAD_CODING, 501},
	{"POST / HTTP/1.1", "Transfer-Encoding: chunked;a=b\r\n", HD_HTTP_BAD_CODING, 501},
	{"POST / HTTP/1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
	 HD_HTTP_BAD_CODING, 501},
	{"POST / HTTP/1.1", "Transfer-Encoding:\r\n", HD_HTTP_BAD_CODING, 501},
};

static void meets_its_fate(const struct fate *f)
{
	char text[512];

	snprintf(text, sizeof(text), "%s\r\nHost: a\r\n%s\r\n", f->start, f->fields);
	enum http_verdict v = parse(text);
	if (v != (f->counter == GOOD ? HTTP_DONE : HTTP_BAD))
		fail_msg("%s: verdict %d", text, v);
	if (f->counter != GOOD && (e.counter != f->counter || e.status != f->status))
		fail_msg("%s: counter %d status %d", text, e.counter, e.status);
	http_check_request(BYTES(text));
}

static void start_lines_meet_their_fate(void **state)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(lines); i++)
		meets_its_fate(&lines[i]);
}

static void fields_meet_their_fate(void **state)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(fields); i++)
		meets_its_fate(&fields[i]);
}

static void framing_is_one_strict_decision(void **state)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(framings); i++)
		meets_its_fate(&framings[i]);
}

static void a_host_is_demanded(void **state)
{
	assert_int_equal(parse("GET / HTTP/1.1\r\n\r\n"), HTTP_BAD);
	assert_int_equal(e.counter, HD_HTTP_NO_HOST);
	assert_string_equal(e.details, "missing_host_header");
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost:\r\n\r\n"), HTTP_BAD);
	assert_int_equal(e.counter, HD_HTTP_NO_HOST);
	assert_int_equal(parse("GET http://a/ HTTP/1.1\r\n\r\n"), HTTP_BAD);
	assert_int_equal(e.counter, HD_HTTP_NO_HOST);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"), HTTP_BAD);
	assert_int_equal(e.counter, HD_HTTP_BAD_HOST);
}

static void connection_names_what_ends_here(void **state)
{
	const char *t =
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: x-one, close, host\r\nX-ONE: 1\r\nx-one: 2\r\n"
		"X-Two: 3\r\nKeep-Alive: 1\r\nTE: gzip\r\nTrailer: x\r\nContent-Type: t\r\n\r\n";

	assert_int_equal(parse(t), HTTP_DONE);
	assert_false(h.keep_alive);
	static const uint8_t hop[] = {0, 1, 1, 1, 0, 1, 1, 1, 0};
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(hop); i++)
		assert_int_equal(h.fields[i].hop, hop[i]);
}

static void te_trailers_goes_on(void **state)
{
	assert_int_equal(
		parse("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n"),
		HTTP_DONE);
	assert_false(h.fields[1].hop);
	assert_true(h.fields[2].hop);
}

static void connection_options_are_bounded(void **state)
{
	char text[1024] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: a";

	for (uint32_t i = 0; i < 31; i++)
		strcat(text, ",,b");
	size_t n = strlen(text);
	strcpy(text + n, "\r\n\r\n");
	assert_int_equal(parse(text), HTTP_DONE);
	strcpy(text + n, ",c\r\n\r\n");
	assert_int_equal(parse(text), HTTP_BAD);
	assert_int_equal(e.counter, HD_HTTP_TOO_MANY_OPTIONS);
}

static int upgrade_of(const char *start, const char *lines_of_it)
{
	char text[256];

	snprintf(text, sizeof(text), "%s /x HTTP/1.1\r\nHost: a\r\n%s\r\n", start, lines_of_it);
	assert_int_equal(parse(text), HTTP_DONE);
	return h.upgrade;
}

static void upgrades_are_told_apart(void **state)
{
	const char *ws = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";

	assert_int_equal(upgrade_of("GET", ws), HTTP_UPGRADE_WEBSOCKET);
	assert_int_equal(upgrade_of("POST", ws), HTTP_UPGRADE_OTHER);
	assert_int_equal(upgrade_of("GET", "Upgrade: websocket\r\n"), HTTP_UPGRADE_NONE);
	assert_int_equal(upgrade_of("GET", "Connection: upgrade\r\n"), HTTP_UPGRADE_NONE);
	assert_int_equal(upgrade_of("GET", "Connection: upgrade\r\nUpgrade: foo\r\n"),
			 HTTP_UPGRADE_OTHER);
	assert_int_equal(upgrade_of("GET", "Connection: upgrade\r\nUpgrade: h2c\r\n"),
			 HTTP_UPGRADE_NONE);
	assert_int_equal(upgrade_of("GET", "Connection: upgrade\r\nUpgrade: h2c, websocket\r\n"),
			 HTTP_UPGRADE_OTHER);
	assert_int_equal(
		upgrade_of("GET", "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"),
		HTTP_UPGRADE_OTHER);
	assert_int_equal(
		upgrade_of("GET",
			   "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"),
		HTTP_UPGRADE_OTHER);
}

static void a_body_is_expected_only_when_one_follows(void **state)
{
	assert_int_equal(
		parse("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n"),
		HTTP_DONE);
	assert_true(h.expect_continue);
	assert_int_equal(
		parse("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"),
		HTTP_DONE);
	assert_false(h.expect_continue);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"),
			 HTTP_DONE);
	assert_false(h.expect_continue);
}

/* Every byte in every part of a head: the two readers agree, and none that ends a line for somebody
 * gets through. */
static void every_byte_everywhere_is_judged_alike(void **state)
{
	const char *t = "GET /p HTTP/1.1\r\nHost: a\r\nX-Name: some value\r\n\r\n";
	char text[64];

	for (uint32_t at = 0; at < strlen(t); at++) {
		for (uint32_t c = 0; c < 256; c++) {
			memcpy(text, t, strlen(t));
			text[at] = (char)c;
			http_check_request((const uint8_t *)text, (uint32_t)strlen(t));
			if (at > 33 && at < 44 && (c == 0 || c == '\r' || c == '\n'))
				assert_int_not_equal(http1_parse_request((const uint8_t *)text,
									 (uint32_t)strlen(t), &h,
									 &e),
						     HTTP_DONE);
		}
	}
}

static void a_head_may_end_at_any_place_in_a_block(void **state)
{
	char text[512];

	for (int pad = 0; pad < 200; pad++) {
		snprintf(
			text, sizeof(text), "GET /%.*s HTTP/1.1\r\nHost: a\r\n%.*s: %.*s\r\n\r\n",
			pad,
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			pad % 71 + 1,
			"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
			pad % 67,
			"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv");
		assert_int_equal(parse(text), HTTP_DONE);
		assert_int_equal(h.bytes, strlen(text));
		http_check_request(BYTES(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_request_is_taken_apart),
		cmocka_unit_test(the_absolute_form_is_taken_apart),
		cmocka_unit_test(empty_lines_before_a_request_are_skipped),
		cmocka_unit_test(the_ninth_empty_line_before_a_request_is_refused),
		cmocka_unit_test(start_lines_meet_their_fate),
		cmocka_unit_test(fields_meet_their_fate),
		cmocka_unit_test(framing_is_one_strict_decision),
		cmocka_unit_test(a_host_is_demanded),
		cmocka_unit_test(connection_names_what_ends_here),
		cmocka_unit_test(te_trailers_goes_on),
		cmocka_unit_test(connection_options_are_bounded),
		cmocka_unit_test(upgrades_are_told_apart),
		cmocka_unit_test(a_body_is_expected_only_when_one_follows),
		cmocka_unit_test(every_byte_everywhere_is_judged_alike),
		cmocka_unit_test(a_head_may_end_at_any_place_in_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
