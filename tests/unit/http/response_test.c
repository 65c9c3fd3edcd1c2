/* SPDX-License-Identifier: Apache-2.0 */
#include "http_check.h"
#include "http_test.h"

#define GOOD 0

static struct http_head h;
static struct http_error e;

struct fate {
	const char *start, *fields;
	enum hd_counter counter;
	uint8_t framing;
	uint8_t keep_alive;
};

static const struct fate fates[] = {
	{"HTTP/1.1 200 OK", "Content-Length: 5\r\n", GOOD, HTTP_BODY_LENGTH, 1},
	{"HTTP/1.1 200 OK", "Content-Length: 5\r\nConnection: close\r\n", GOOD, HTTP_BODY_LENGTH,
	 0},
	{"HTTP/1.1 200", "Content-Length: 0\r\n", GOOD, HTTP_BODY_LENGTH, 1},
	{"HTTP/1.1 200 ", "Transfer-Encoding: chunked\r\n", GOOD, HTTP_BODY_CHUNKED, 1},
	{"HTTP/1.1 200 OK", "", GOOD, HTTP_BODY_UNTIL_CLOSE, 0},
	{"HTTP/1.1 200 OK", "Connection: keep-alive\r\n", GOOD, HTTP_BODY_UNTIL_CLOSE, 0},
	{"HTTP/1.0 200 OK", "Content-Length: 5\r\n", GOOD, HTTP_BODY_LENGTH, 0},
	{"HTTP/1.0 200 OK", "Content-Length: 5\r\nConnection: keep-alive\r\n", GOOD,
	 HTTP_BODY_LENGTH, 1},
	{"HTTP/1.1 204 No Content", "", GOOD, HTTP_BODY_NONE, 1},
	{"HTTP/1.1 204 No Content", "Content-Length: 0\r\n", GOOD, HTTP_BODY_NONE, 1},
	{"HTTP/1.1 304 Not Modified", "Content-Length: 5\r\n", GOOD, HTTP_BODY_NONE, 1},
	{"HTTP/1.1 100 Continue", "", GOOD, HTTP_BODY_NONE, 1},
	{"HTTP/1.1 103 Early Hints", "Link: x\r\n", GOOD, HTTP_BODY_NONE, 1},
	{"HTTP/1.1 999 Odd", "Content-Length: 1\r\n", GOOD, HTTP_BODY_LENGTH, 1},
	{"HTTP/1.1 101 Switch", "Upgrade: websocket\r\nConnection: upgrade\r\n", GOOD,
	 HTTP_BODY_NONE, 1},
	{"HTTP/1.1 101 Switch", "Upgrade: websocket\r\n", HD_HTTP_BAD_SWITCH},
	{"HTTP/1.1 101 Switch", "", HD_HTTP_BAD_SWITCH},
	{"HTTP/1.1 101 Switch", "Upgrade: h2c\r\nConnection: upgrade\r\n", HD_HTTP_BAD_SWITCH},
	{"HTTP/1.1 204 No Content", "Content-Length: 5\r\n", HD_HTTP_BODY_FORBIDDEN},
	{"HTTP/1.1 204 No Content", "Transfer-Encoding: chunked\r\n", HD_HTTP_BODY_FORBIDDEN},
	{"HTTP/1.1 100 Continue", "Content-Length: 5\r\n", HD_HTTP_BODY_FORBIDDEN},
	{"HTTP/1.1 200 OK", "Content-Length: 5\r\nContent-Length: 5\r\n", HD_HTTP_MANY_LENGTHS},
	{"HTTP/1.1 304 Not Modified", "Content-Length: 5\r\nContent-Length: 6\r\n",
	 HD_HTTP_MANY_LENGTHS},
	{"HTTP/1.1 200 OK", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
	 HD_HTTP_LENGTH_AND_CHUNKED},
	{"HTTP/1.1 200 OK", "Content-Length: 18446744073709551616\r\n", HD_HTTP_BAD_LENGTH},
	{"HTTP/1.1 200 OK", "Transfer-Encoding: gzip\r\n", HD_HTTP_BAD_CODING},
	{"HTTP/1.0 200 OK", "Transfer-Encoding: chunked\r\n", HD_HTTP_CODING_IN_1_0},
	{"HTTP/2.0 200 OK", "", HD_HTTP_UNSUPPORTED_VERSION},
	{"HTTP/1.1 099 X", "", HD_HTTP_BAD_STATUS_LINE},
	{"HTTP/1.1 20 OK", "", HD_HTTP_BAD_STATUS_LINE},
	{"HTTP/1.1 2000 OK", "", HD_HTTP_BAD_STATUS_LINE},
	{"HTTP/1.1  200 OK", "", HD_HTTP_BAD_STATUS_LINE},
	{"ICY 200 OK", "", HD_HTTP_BAD_STATUS_LINE},
	{"\r\nHTTP/1.1 200 OK", "", HD_HTTP_BAD_STATUS_LINE},
	{"HTTP/1.1 200 O\x01K", "", HD_HTTP_BAD_STATUS_LINE},
	{"HTTP/1.1 200 OK", "X: a\r\n b\r\n", HD_HTTP_OBS_FOLD},
	{"HTTP/1.1 200 OK", "X : a\r\n", HD_HTTP_SPACE_BEFORE_COLON},
	{"HTTP/1.1 200 OK", "X: a\n", HD_HTTP_BARE_LF},
};

static void answers_meet_their_fate(void **state)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(fates); i++) {
		const struct fate *f = &fates[i];
		char text[256];

		snprintf(text, sizeof(text), "%s\r\n%s\r\n", f->start, f->fields);
		enum http_verdict v = http1_parse_response(BYTES(text), HTTP_GET, &h, &e);
		if (v != (f->counter == GOOD ? HTTP_DONE : HTTP_BAD))
			fail_msg("%s: verdict %d", text, v);
		if (f->counter != GOOD && (e.counter != f->counter || e.status != 502))
			fail_msg("%s: counter %d, status %d", text, e.counter, e.status);
		if (f->counter == GOOD &&
		    (h.framing != f->framing || h.keep_alive != f->keep_alive))
			fail_msg("%s: framing %d, keep-alive %d", text, h.framing, h.keep_alive);
		http_check_response(BYTES(text));
	}
}

static void the_status_line_is_taken_apart(void **state)
{
	const char *t = "HTTP/1.1 404 Not \xe4 Found\r\nServer: x\r\n\r\n";

	assert_int_equal(http1_parse_response(BYTES(t), HTTP_GET, &h, &e), HTTP_DONE);
	assert_int_equal(h.status, 404);
	assert_true(text_is(t, h.reason, h.reason_n, "Not \xe4 Found"));
	assert_int_equal(h.first[HTTP_F_SERVER], 1);
}

static void answers_to_head_have_no_body(void **state)
{
	const char *t = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

	assert_int_equal(http1_parse_response(BYTES(t), HTTP_HEAD, &h, &e), HTTP_DONE);
	assert_int_equal(h.framing, HTTP_BODY_NONE);
	assert_true(h.keep_alive);
	t = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	assert_int_equal(http1_parse_response(BYTES(t), HTTP_HEAD, &h, &e), HTTP_DONE);
	assert_int_equal(h.framing, HTTP_BODY_NONE);
	t = "HTTP/1.1 200 OK\r\n\r\n";
	assert_int_equal(http1_parse_response(BYTES(t), HTTP_HEAD, &h, &e), HTTP_DONE);
	assert_true(h.keep_alive);
}

static void a_length_of_zero_is_dropped_from_204(void **state)
{
	const char *t = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n";

	assert_int_equal(http1_parse_response(BYTES(t), HTTP_GET, &h, &e), HTTP_DONE);
	assert_true(h.fields[0].hop);
}

static void every_byte_everywhere_is_judged_alike(void **state)
{
	const char *t = "HTTP/1.1 200 OK\r\nX-Name: some value\r\n\r\n";
	char text[64];

	for (uint32_t at = 0; at < strlen(t); at++) {
		for (uint32_t c = 0; c < 256; c++) {
			memcpy(text, t, strlen(t));
			text[at] = (char)c;
			http_check_response((const uint8_t *)text, (uint32_t)strlen(t));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_meet_their_fate),
		cmocka_unit_test(the_status_line_is_taken_apart),
		cmocka_unit_test(answers_to_head_have_no_body),
		cmocka_unit_test(a_length_of_zero_is_dropped_from_204),
		cmocka_unit_test(every_byte_everywhere_is_judged_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
