/* SPDX-License-Identifier: Apache-2.0 */
#include <heddle/snapshot.h>

#include "http_check.h"
#include "http_test.h"

static const struct {
	const char *path, *want; /* NULL: refused */
} table[] = {
	{"/", "/"},
	{"/a/./b", "/a/b"},
	{"/a/../b", "/b"},
	{"/a/b/..", "/a/"},
	{"/a/b/.", "/a/b/"},
	{"/a/b/../", "/a/"},
	{"/..", "/"},
	{"/../../a", "/a"},
	{"/...", "/..."},
	{"/a%2e%2e/b", "/a../b"},
	{"/a/%2e%2e/b", "/b"},
	{"/a/%2E/b", "/a/b"},
	{"/a/.%2e/b", "/b"},
	{"/a\\b", "/a/b"},
	{"/a\\..\\b", "/b"},
	{"/%7euser", "/~user"},
	{"/%41%5a%30", "/AZ0"},
	{"/a%2fb", "/a%2fb"},
	{"/a%5Cb", "/a%5Cb"},
	{"/a%252fb", "/a%252fb"},
	{"/%%34%31", "/%%341"},
	{"/a%zz", "/a%zz"},
	{"/a%4", "/a%4"},
	{"/a//b", "/a//b"},
	{"//a/..//", "///"},
	{"/a/..;/b", "/a/..;/b"},
	{"/a?x=/../y\\%41", "/a?x=/../y\\%41"},
	{"/a/..?/..", "/?/.."},
	{"/\xc3\xa9", "/\xc3\xa9"},
	{"/a%00b", NULL},
	{"/a#b", NULL},
	{"/a?b#c", NULL},
	{"*", NULL},
	{"a", NULL},
	{"\\a", NULL},
};

static void paths_get_one_spelling(void **state)
{
	uint8_t out[64];

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(table); i++) {
		uint32_t n = http_path_normalize(BYTES(table[i].path), out);
		if (table[i].want == NULL)
			assert_int_equal(n, 0);
		else if (!text_is((const char *)out, 0, n, table[i].want))
			fail_msg("%s became %.*s", table[i].path, (int)n, out);
	}
}

static const struct {
	uint8_t how;
	const char *path, *want;
} other_ways[] = {
	{HD_PATHS_BASE, "//a//./b", "//a//b"},
	{HD_PATHS_NONE, "/a/../b//%41\\", "/a/../b//%41\\"},
	{HD_PATHS_NONE, "a", NULL},
	{HD_PATHS_NONE, "/a#b", NULL},
	{HD_PATHS_MERGE, "//a///b/", "/a/b/"},
	{HD_PATHS_MERGE, "/a//../b", "/a/b"},
	{HD_PATHS_MERGE, "/a%2F%2fb?x=//y", "/a%2F%2fb?x=//y"},
	{HD_PATHS_MERGE, "/a/%00", NULL},
	{HD_PATHS_DECODE_AND_MERGE, "/a%2F%2fb%5Cc", "/a/b/c"},
	{HD_PATHS_DECODE_AND_MERGE, "/a%2f..%5c%2e%2E/b", "/b"},
	{HD_PATHS_DECODE_AND_MERGE, "/a?x=%2F%2F", "/a?x=%2F%2F"},
	{HD_PATHS_DECODE_AND_MERGE, "/a%252F", "/a%252F"},
	{HD_PATHS_DECODE_AND_MERGE, "%2Fa", "/a"},
};

static void mesh_config_chooses_another_spelling(void **state)
{
	uint8_t out[64];

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(other_ways); i++) {
		const char *want = other_ways[i].want;
		uint8_t how = other_ways[i].how;
		uint32_t n = http_path_normalize_as(how, BYTES(other_ways[i].path), out);

		if (want == NULL)
			assert_int_equal(n, 0);
		else if (!text_is((const char *)out, 0, n, want))
			fail_msg("%s became %.*s", other_ways[i].path, (int)n, out);
		if (want == NULL)
			continue;
		n = http_path_normalize_as(how, out, n, out);
		if (!text_is((const char *)out, 0, n, want))
			fail_msg("%s, again, became %.*s", want, (int)n, out);
	}
}

static void normalising_again_changes_nothing(void **state)
{
	static const char alphabet[] = "//..%%234eE1\\?;a";
	uint32_t seed = 7;

	for (uint32_t round = 0; round < 200000; round++) {
		uint8_t path[24] = "/";
		uint32_t n = 1 + round % 20;
		for (uint32_t i = 1; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			path[i] = (uint8_t)alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		http_check_path(path, n);
	}
}

static void no_dot_segment_is_left(void **state)
{
	static const char alphabet[] = "//..%2eE\\a";
	uint32_t seed = 9;

	for (uint32_t round = 0; round < 100000; round++) {
		uint8_t path[24] = "/", out[24];
		for (uint32_t i = 1; i < 20; i++) {
			seed = seed * 1664525 + 1013904223;
			path[i] = (uint8_t)alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		uint32_t n = http_path_normalize(path, 20, out);
		out[n] = '/';
		assert_null(memmem(out, n + 1, "/../", 4));
		assert_null(memmem(out, n + 1, "/./", 3));
	}
}

/* What lies before a path and goes away again takes the road that looks at each byte. */
static void the_short_cut_for_ordinary_paths_changes_no_answer(void **state)
{
	static const char alphabet[] = "abcdefgh/abcdefgh/abcdefgh/.?#%41\\";
	static const char detour[] = "/%61/..";
	uint32_t seed = 11;

	for (uint32_t round = 0; round < 300000; round++) {
		uint8_t path[80] = "/%61/../", quick[80], slow[80];
		uint32_t skip = sizeof(detour) - 1, n = 1 + round % 60;
		for (uint32_t i = 1; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			path[skip + i] = (uint8_t)alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		uint32_t a = http_path_normalize(path + skip, n, quick);
		uint32_t b = http_path_normalize(path, skip + n, slow);
		assert_int_equal(a, b);
		assert_memory_equal(quick, slow, a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_get_one_spelling),
		cmocka_unit_test(mesh_config_chooses_another_spelling),
		cmocka_unit_test(normalising_again_changes_nothing),
		cmocka_unit_test(no_dot_segment_is_left),
		cmocka_unit_test(the_short_cut_for_ordinary_paths_changes_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
