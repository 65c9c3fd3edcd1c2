/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <hs/hs.h>

#include "policy_regex.h"
#include "policy_test.h"

static const char *const accepted[] = {
	"",
	"a",
	"/v[0-9]+/item",
	"(a|b)/[^/]+\\.(png|jpe?g)",
	"^(.*?;\\s*)?(user=jason)(;.*)?$",
	"(?i)abc",
	"(?i:abc)d",
	"(?P<n>a)",
	"(?<n>a)",
	"a{2,5}",
	"a{2,}",
	"a{,5}",
	"x{",
	"[]a]",
	"[^]a]",
	"[[:alpha:]_-]",
	"\\pN\\p{Greek}",
	"\\Qa.b*\\E",
	"a*?b+?c??",
	"\\x41\\x{1F600}",
	"\\d\\D\\w\\W\\s\\S",
	"()",
	"(|a)",
	"a||b",
	"\\bword\\b",
	"[a-z&&[b]",
	"(a+)+b",
	"\\.\\/\\-",
	"[\\]\\-a]",
	"^*",
};

static const struct {
	const char *text;
	uint64_t size;
} sizes[] = {
	{ "", 0 },
	{ "abc", 3 },
	{ "a*b+[c-z]?", 3 },
	{ "a{3}", 3 },
	{ "a{0,7}b", 8 },
	{ "a{0}", 1 },
	{ "a{5,}", 5 },
	{ "(ab){10}", 20 },
	{ "(a|bc|(?:d)){2,4}", 16 },
	{ "(?i)a{10}", 10 },
	{ "((a{0,100}){0,100})", 10000 },
	{ "((((a{1000}){1000}){1000}){1000}){1000}", UINT64_C(1) << 31 },
};

static const struct {
	const char *text;
	uint32_t at;
	const char *why;
} refused[] = {
	{ "*", 0, "nothing to repeat" },
	{ "b(a{0,100}){0,100}", 0, "longer than the 10000 characters" },
	{ "a|*b", 2, "nothing to repeat" },
	{ "(+a)", 1, "nothing to repeat" },
	{ "[a-", 0, "missing closing ]" },
	{ "(a", 0, "missing closing )" },
	{ "ab(c(d)", 2, "missing closing )" },
	{ "a)", 1, "unexpected )" },
	{ "/(a)\\1", 4, "back-references" },
	{ "(?P=n)", 0, "back-references" },
	{ "\\k<n>", 0, "back-references" },
	{ "(?=a)", 0, "look-around" },
	{ "a(?!b)", 1, "look-around" },
	{ "(?<=a)b", 0, "look-around" },
	{ "(?<!a)b", 0, "look-around" },
	{ "(?>a)", 0, "atomic" },
	{ "a**", 1, "bad repetition" },
	{ "a++", 1, "possessive" },
	{ "a{5,2}", 1, "repetition count" },
	{ "a{1001}", 1, "repetition count" },
	{ "[z-a]", 1, "range" },
	{ "[[:nope:]]", 1, "class name" },
	{ "a\\", 1, "trailing" },
	{ "\\y", 0, "escape" },
	{ "\\x4", 0, "escape" },
	{ "(?#c)a", 0, "flags" },
	{ "(?z)a", 0, "flags" },
};

static void what_re2_takes_is_taken(void **state)
{
	for (size_t i = 0; i < HD_ARRAY_SIZE(accepted); i++) {
		uint32_t at;

		if (policy_regex_refused(policy_str(accepted[i]), &at) != NULL)
			fail_msg("refused: %s", accepted[i]);
	}
}

static void what_re2_refuses_is_refused_at_its_byte(void **state)
{
	for (size_t i = 0; i < HD_ARRAY_SIZE(refused); i++) {
		uint32_t at = 99;
		const char *why = policy_regex_refused(policy_str(refused[i].text), &at);

		if (why == NULL || strstr(why, refused[i].why) == NULL || at != refused[i].at)
			fail_msg("%s: %s at %u", refused[i].text, why != NULL ? why : "accepted",
				 at);
	}
}

static int hit(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags,
	       void *context)
{
	*(uint64_t *)context |= UINT64_C(1) << id;
	return 0;
}

static uint64_t scan(void *db, void *scratch, const char *text)
{
	uint64_t hits = 0;

	assert_int_equal(hs_scan(db, text, (unsigned int)strlen(text), 0, scratch, hit, &hits),
			 HS_SUCCESS);
	return hits;
}

static void a_set_matches_whole_values_only(void **state)
{
	static const char *const texts[] = { "/v[0-9]+/item", "a|bc", "x.*y", "", "(a+)+b" };
	struct policy_regex_db *db, *again;
	struct policy_regex_set set;
	struct policy_arena arena;
	const uint32_t *rank;
	void *scratch;
	uint32_t at;
	char why[128];
	jmp_buf oom;

	policy_arena_init(&arena, &oom);
	policy_regex_set_init(&set, &arena);
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(texts); i++)
		assert_int_equal(policy_regex_set_add(&set, policy_str(texts[i])), i);
	assert_int_equal(policy_regex_set_add(&set, policy_str("a|bc")), 1);
	rank = policy_regex_set_sort(&set);
	assert_int_equal(rank[3], 0); /* the empty one is first */
	assert_int_equal(policy_regex_db_make(&set, NULL, &db, &at, why, sizeof(why)), 0);
	assert_int_equal(policy_regex_db_make(&set, db, &again, &at, why, sizeof(why)), 0);
	assert_ptr_equal(db, again); /* an equal set is taken over */
	policy_regex_db_put(again);
	scratch = policy_regex_scratch_create(db);
	assert_non_null(scratch);
#define HITS(text) scan(policy_regex_db_database(db), scratch, text)
#define BIT(i) (UINT64_C(1) << rank[i])
	assert_int_equal(HITS("/v12/item"), BIT(0));
	assert_int_equal(HITS("/v12/items"), 0);
	assert_int_equal(HITS("x/v1/item"), 0);
	assert_int_equal(HITS("a"), BIT(1));
	assert_int_equal(HITS("bc"), BIT(1));
	assert_int_equal(HITS("abc"), 0);
	assert_int_equal(HITS("x123y"), BIT(2));
	assert_int_equal(HITS(""), BIT(3));
	assert_int_equal(HITS("/v1/item\n"), 0);
	assert_int_equal(HITS("aaaaab"), BIT(4));
	policy_regex_scratch_destroy(scratch);
	policy_regex_db_put(db);
	policy_arena_fini(&arena);
}

static void plain_texts_need_no_expression(void **state)
{
	static const struct {
		const char *regex;
		enum policy_regex_shape shape;
		const char *literal;
	} rows[] = {
		{ "/foo", POLICY_REGEX_LITERAL, "/foo" },
		{ "^/foo$", POLICY_REGEX_LITERAL, "/foo" },
		{ "/a\\.b", POLICY_REGEX_LITERAL, "/a.b" },
		{ "/foo.*", POLICY_REGEX_LITERAL_PREFIX, "/foo" },
		{ "^/foo/.*$", POLICY_REGEX_LITERAL_PREFIX, "/foo/" },
		{ ".*", POLICY_REGEX_LITERAL_PREFIX, "" },
		{ "/foo\\.*", POLICY_REGEX_TRUE, NULL },
		{ "/a.b", POLICY_REGEX_TRUE, NULL },
		{ "a|b", POLICY_REGEX_TRUE, NULL },
		{ "\\d", POLICY_REGEX_TRUE, NULL },
		{ "a\\$", POLICY_REGEX_LITERAL, "a$" },
	};
	struct policy_arena arena;
	jmp_buf oom;

	policy_arena_init(&arena, &oom);
	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		struct hd_str literal = { 0 };

		if (policy_regex_shape(&arena, policy_str(rows[i].regex), &literal) !=
			    rows[i].shape ||
		    (rows[i].literal != NULL && !str_is(literal, rows[i].literal)))
			fail_msg("%s", rows[i].regex);
	}
	policy_arena_fini(&arena);
}

static void repetitions_are_counted_written_out(void **state)
{
	for (size_t i = 0; i < HD_ARRAY_SIZE(sizes); i++) {
		struct hd_str e = { sizes[i].text, (uint32_t)strlen(sizes[i].text) };

		assert_int_equal(policy_regex_size(e), sizes[i].size);
	}
}

static void many_large_ones_are_refused_before_they_are_compiled(void **state)
{
	struct policy_regex_db *db;
	struct policy_regex_set s;
	struct policy_arena a;
	static jmp_buf oom;
	uint32_t at_fault = 0;
	char why[256] = "", text[64];

	assert_int_equal(setjmp(oom), 0);
	policy_arena_init(&a, &oom);
	policy_regex_set_init(&s, &a);
	for (int i = 0; i < 41; i++) {
		struct hd_str e = { text, 0 };

		e.n = (uint32_t)snprintf(text, sizeof(text), "/%d(.{99}x){0,%d}", i,
					 i == 7 ? 99 : 98);
		policy_regex_set_add(&s, policy_str_copy(&a, e));
	}
	assert_int_equal(policy_regex_db_make(&s, NULL, &db, &at_fault, why, sizeof(why)),
			 -EINVAL);
	assert_int_equal(at_fault, 7);
	assert_non_null(strstr(why, "the 41 expressions"));
	policy_arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_re2_takes_is_taken),
		cmocka_unit_test(what_re2_refuses_is_refused_at_its_byte),
		cmocka_unit_test(a_set_matches_whole_values_only),
		cmocka_unit_test(plain_texts_need_no_expression),
		cmocka_unit_test(repetitions_are_counted_written_out),
		cmocka_unit_test(many_large_ones_are_refused_before_they_are_compiled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
