/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "http_test.h"

static const char *const names[HTTP_F_MAX] = {
#define HTTP_FIELD_NAME(symbol, name) [HTTP_F_##symbol] = name,
	HTTP_FIELDS(HTTP_FIELD_NAME)
#undef HTTP_FIELD_NAME
};

/* The number that the parser gives to a field of that name. */
static int id_of(const char *name)
{
	static struct http_head h;
	struct http_error e;
	char text[256];

	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%s: 1\r\n\r\n", name);
	if (http1_parse_response(BYTES(text), HTTP_GET, &h, &e) != HTTP_DONE)
		return -1;
	return h.fields[0].id;
}

static void every_known_name_has_its_number(void **state)
{
	for (int id = 1; id < HTTP_F_MAX; id++) {
		char upper[32] = "";
		for (uint32_t i = 0; names[id][i] != '\0'; i++)
			upper[i] = (char)toupper(names[id][i]);
		if (id == HTTP_F_TRANSFER_ENCODING) /* refused with that value, as it should be */
			continue;
		assert_int_equal(id_of(names[id]), id);
		assert_int_equal(id_of(upper), id);
	}
}

static void names_that_are_nearly_known_are_unknown(void **state)
{
	for (int id = 1; id < HTTP_F_MAX; id++) {
		for (uint32_t i = 0; names[id][i] != '\0'; i++) {
			char near[32];
			strcpy(near, names[id]);
			near[i] ^= 1;
			assert_int_not_equal(id_of(near), id);
			strcpy(near, names[id]);
			near[i] = '_';
			assert_int_not_equal(id_of(near), id);
			strcpy(near, names[id]);
			near[i] = '\0';
			assert_int_not_equal(id_of(near), id);
		}
	}
	assert_int_equal(id_of("x"), HTTP_F_UNKNOWN);
}

static void names_compare_without_case(void **state)
{
	assert_true(http_name_eq(BYTES("Content-TYPE"), "content-type"));
	assert_false(http_name_eq(BYTES("content-typ"), "content-type"));
	assert_false(http_name_eq(BYTES("content-types"), "content-type"));
	assert_false(http_name_eq(BYTES("content\x0dtype"), "content-type"));
	assert_false(http_name_eq(BYTES("@"), "`"));
	assert_true(http_name_eq(BYTES(""), ""));
}

static void reasons_are_the_registry_s(void **state)
{
	assert_string_equal(http_reason(200), "OK");
	assert_string_equal(http_reason(431), "Request Header Fields Too Large");
	assert_string_equal(http_reason(504), "Gateway Timeout");
	assert_string_equal(http_reason(299), "Unknown");
	assert_string_equal(http_reason(999), "Unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_known_name_has_its_number),
		cmocka_unit_test(names_that_are_nearly_known_are_unknown),
		cmocka_unit_test(names_compare_without_case),
		cmocka_unit_test(reasons_are_the_registry_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
