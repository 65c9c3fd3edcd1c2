/* SPDX-License-Identifier: Apache-2.0 */
#include "http_check.h"
#include "http_test.h"

#define START "GET / HTTP/1.1\r\nHost: a\r\n"

static struct http_error e;

/* A request head of exactly n bytes with one long value. */
static char *head_of(uint32_t n)
{
	static char p[HTTP_MAX_HEAD_BYTES + 2];
	uint32_t at = (uint32_t)sprintf(p, START "X: ");
	memset(p + at, 'v', n - at - 4);
	memcpy(p + n - 4, "\r\n\r\n", 5);
	return p;
}

static enum http_verdict scan_all(const char *p, uint32_t n, uint32_t *bytes)
{
	struct http1_scan s = {0};

	return http1_scan_request(&s, (const uint8_t *)p, n, bytes, &e);
}

static void the_largest_head_is_taken_and_no_larger(void **state)
{
	uint32_t bytes = 0;
	char *p = head_of(HTTP_MAX_HEAD_BYTES);

	assert_int_equal(scan_all(p, HTTP_MAX_HEAD_BYTES, &bytes), HTTP_DONE);
	assert_int_equal(bytes, HTTP_MAX_HEAD_BYTES);
	http_check_request((const uint8_t *)p, HTTP_MAX_HEAD_BYTES);
	p = head_of(HTTP_MAX_HEAD_BYTES + 1);
	assert_int_equal(scan_all(p, HTTP_MAX_HEAD_BYTES + 1, &bytes), HTTP_BAD);
	assert_int_equal(e.counter, HD_HTTP_HEAD_TOO_LONG);
	assert_int_equal(e.status, 431);
	http_check_request((const uint8_t *)p, HTTP_MAX_HEAD_BYTES + 1);
}

static void a_request_line_beyond_the_limit_is_414(void **state)
{
	static char p[HTTP_MAX_HEAD_BYTES];
	uint32_t n = HTTP_MAX_HEAD_BYTES, bytes;

	memset(p, 'a', n);
	memcpy(p, "GET /", 5);
	assert_int_equal(scan_all(p, n - 1, &bytes), HTTP_MORE);
	assert_int_equal(scan_all(p, n, &bytes), HTTP_BAD);
	assert_int_equal(e.status, 414);
}

static void one_field_more_than_the_limit_is_431(void **state)
{
	char text[2048] = START;
	uint32_t bytes;

	for (uint32_t i = 1; i < HTTP_MAX_FIELDS; i++)
		strcat(text, "a:\r\n");
	size_t n = strlen(text);
	strcpy(text + n, "\r\n");
	assert_int_equal(scan_all(text, (uint32_t)strlen(text), &bytes), HTTP_DONE);
	http_check_request(BYTES(text));
	strcpy(text + n, "b");
	assert_int_equal(scan_all(text, (uint32_t)strlen(text), &bytes), HTTP_BAD);
	assert_int_equal(e.counter, HD_HTTP_TOO_MANY_FIELDS);
	assert_int_equal(e.status, 431);
	http_check_request(BYTES(text));
}

static void what_cannot_become_http_is_refused_at_its_first_byte(void **state)
{
	uint32_t bytes;

	assert_int_equal(scan_all("\x16\x03\x01", 1, &bytes), HTTP_BAD);
	assert_int_equal(scan_all("GET / HTTP/2", 12, &bytes), HTTP_BAD);
	assert_int_equal(scan_all("GET / HTTQ", 10, &bytes), HTTP_BAD);
	assert_int_equal(scan_all("GET / HTTP/1.1\n", 15, &bytes), HTTP_BAD);
	assert_int_equal(scan_all("\n", 1, &bytes), HTTP_BAD);
	assert_int_equal(scan_all("GETGETGETGETGETGETGETGETGETGETGETG", 34, &bytes), HTTP_BAD);
}

static void a_verdict_stays(void **state)
{
	struct http1_scan s = {0};
	uint32_t bytes = 0;

	assert_int_equal(http1_scan_request(&s, LITERAL("\x01"), &bytes, &e), HTTP_BAD);
	assert_int_equal(http1_scan_request(&s, LITERAL(START "\r\n"), &bytes, &e), HTTP_BAD);
	assert_int_equal(e.counter, HD_HTTP_BAD_REQUEST_LINE);
}

static void nothing_is_not_yet_a_head(void **state)
{
	uint32_t bytes;

	assert_int_equal(scan_all("", 0, &bytes), HTTP_MORE);
	assert_int_equal(scan_all("\r\n", 2, &bytes), HTTP_MORE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_head_is_taken_and_no_larger),
		cmocka_unit_test(a_request_line_beyond_the_limit_is_414),
		cmocka_unit_test(one_field_more_than_the_limit_is_431),
		cmocka_unit_test(what_cannot_become_http_is_refused_at_its_first_byte),
		cmocka_unit_test(a_verdict_stays),
		cmocka_unit_test(nothing_is_not_yet_a_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
