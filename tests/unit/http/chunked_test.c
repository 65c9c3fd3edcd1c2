/* SPDX-License-Identifier: Apache-2.0 */
#include "http_check.h"
#include "http_test.h"

#define GOOD 0
#define UNFINISHED 1

static const struct {
	const char *bytes, *data;
	enum hd_counter fate; /* or GOOD, UNFINISHED */
} table[] = {
	{"0\r\n\r\n", "", GOOD},
	{"5\r\nhello\r\n0\r\n\r\n", "hello", GOOD},
	{"1\r\na\r\n2\r\nbc\r\n0\r\n\r\nGET /", "abc", GOOD},
	{"A\r\n0123456789\r\n0\r\n\r\n", "0123456789", GOOD},
	{"000000000000005\r\nhello\r\n0\r\n\r\n", "hello", GOOD},
	{"5;a=b\r\nhello\r\n0;c\r\n\r\n", "hello", GOOD},
	{"5 ; a=\"b\"\r\nhello\r\n0\r\n\r\n", "hello", GOOD},
	{"5\r\nhello\r\n0\r\nX-T: v\r\nY:\r\n\r\n", "hello", GOOD},
	{"5\r\nabc", "abc", UNFINISHED},
	{"5\r\nhello\r\n0\r\n", "hello", UNFINISHED},
	{"0000000000000005\r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"10000000000000005\r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"\r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{" 5\r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{";a\r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"0x5\r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"+5\r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"-5\r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"5_0\r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"5 5\r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"5 \r\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"5\n", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"5\rh", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"5;a\nb", "", HD_HTTP_BAD_CHUNK_EXTENSION},
	{"5;a\x01", "", HD_HTTP_BAD_CHUNK_EXTENSION},
	{"5;a\rb", "", HD_HTTP_BAD_CHUNK_SIZE},
	{"5\r\nhello\n", "hello", HD_HTTP_BAD_CHUNK_END},
	{"5\r\nhelloX", "hello", HD_HTTP_BAD_CHUNK_END},
	{"5\r\nhello\rX", "hello", HD_HTTP_BAD_CHUNK_END},
	{"5\r\nhello0\r\n", "hello", HD_HTTP_BAD_CHUNK_END},
	{"0\r\n\n", "", HD_HTTP_BAD_TRAILER},
	{"0\r\n\rX", "", HD_HTTP_BAD_TRAILER},
	{"0\r\nX T: v\r\n", "", HD_HTTP_BAD_TRAILER},
	{"0\r\nGET / HTTP/1.1\r\n", "", HD_HTTP_BAD_TRAILER},
	{"0\r\nX: y\r\n z\r\n", "", HD_HTTP_BAD_TRAILER},
	{"0\r\nX: y\n", "", HD_HTTP_BAD_TRAILER},
	{"0\r\n: y\r\n", "", HD_HTTP_BAD_TRAILER},
};

/* Reads all; the data goes to out. Returns GOOD, UNFINISHED or the counter; *consumed is where the
 * message ended. */
static enum hd_counter read_all(const uint8_t *p, uint32_t n, char *out, uint32_t *consumed)
{
	struct http1_chunked c = {0};
	struct http_error e;
	uint32_t at = 0, w = 0;

	while (at < n) {
		uint32_t skip, data;
		enum http_verdict v = http1_chunked_step(&c, p + at, n - at, &skip, &data, &e);
		if (out != NULL) {
			memcpy(out + w, p + at + skip, data);
			out[w + data] = '\0';
		}
		w += data;
		at += skip + data;
		*consumed = at;
		if (v != HTTP_MORE)
			return v == HTTP_DONE ? GOOD : e.counter;
	}
	return UNFINISHED;
}

static void bodies_meet_their_fate(void **state)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(table); i++) {
		char data[64] = "";
		uint32_t consumed = 0;
		enum hd_counter fate = read_all(BYTES(table[i].bytes), data, &consumed);

		if (fate != table[i].fate || strcmp(data, table[i].data) != 0)
			fail_msg("%s: fate %d, data \"%s\"", table[i].bytes, fate, data);
		http_check_chunked(BYTES(table[i].bytes));
	}
}

static void a_message_ends_where_its_empty_line_ends(void **state)
{
	uint32_t consumed;

	assert_int_equal(read_all(BYTES("1\r\na\r\n0\r\n\r\nGET /"), NULL, &consumed), GOOD);
	assert_int_equal(consumed, 11);
	assert_int_equal(read_all(BYTES("0\r\nX: y\r\n\r\nGET /"), NULL, &consumed), GOOD);
	assert_int_equal(consumed, 11);
}

static void extensions_are_bounded_unless_data_pays_for_them(void **state)
{
	enum { CHUNKS = 100, EACH = 1000 };
	static char p[CHUNKS * (EACH * 2 + 64)];
	uint32_t consumed, small = 0, large = 0;

	for (uint32_t i = 0; i < CHUNKS; i++) {
		small += (uint32_t)sprintf(p + small, "1;%0*d\r\nx\r\n", EACH, 0);
	}
	small += (uint32_t)sprintf(p + small, "0\r\n\r\n");
	assert_int_equal(read_all((const uint8_t *)p, small, NULL, &consumed),
			 HD_HTTP_LONG_CHUNK_EXTENSIONS);
	for (uint32_t i = 0; i < CHUNKS; i++)
		large +=
			(uint32_t)sprintf(p + large, "%x;%0*d\r\n%0*d\r\n", EACH, EACH, 0, EACH, 0);
	large += (uint32_t)sprintf(p + large, "0\r\n\r\n");
	assert_int_equal(read_all((const uint8_t *)p, large, NULL, &consumed), GOOD);
	http_check_chunked((const uint8_t *)p, large);
}

static void trailers_are_bounded(void **state)
{
	static char p[HTTP_MAX_HEAD_BYTES + 64];
	uint32_t consumed, n;

	n = (uint32_t)sprintf(p, "0\r\nX: %0*d\r\n\r\n", HTTP_MAX_HEAD_BYTES - 7, 0);
	assert_int_equal(read_all((const uint8_t *)p, n, NULL, &consumed), GOOD);
	n = (uint32_t)sprintf(p, "0\r\nX: %0*d\r\n\r\n", HTTP_MAX_HEAD_BYTES - 6, 0);
	assert_int_equal(read_all((const uint8_t *)p, n, NULL, &consumed), HD_HTTP_LONG_TRAILERS);
	n = (uint32_t)sprintf(p, "0\r\n");
	for (uint32_t i = 0; i <= HTTP_MAX_FIELDS; i++)
		n += (uint32_t)sprintf(p + n, "a:\r\n");
	assert_int_equal(read_all((const uint8_t *)p, n, NULL, &consumed), HD_HTTP_LONG_TRAILERS);
}

static void a_chunk_of_many_gigabytes_is_counted_exactly(void **state)
{
	struct http1_chunked c = {0};
	struct http_error e;
	uint32_t skip, data;
	uint64_t left = 0xfffffffffffffff;

	assert_int_equal(http1_chunked_step(&c, BYTES("fffffffffffffff\r\nabc"), &skip, &data, &e),
			 HTTP_MORE);
	assert_int_equal(skip, 17);
	assert_int_equal(data, 3);
	assert_true(c.left == left - 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_meet_their_fate),
		cmocka_unit_test(a_message_ends_where_its_empty_line_ends),
		cmocka_unit_test(extensions_are_bounded_unless_data_pays_for_them),
		cmocka_unit_test(trailers_are_bounded),
		cmocka_unit_test(a_chunk_of_many_gigabytes_is_counted_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
