/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "policy_test.h"
#include "policy_yaml.h"

struct reading {
	struct policy_arena arena;
	jmp_buf oom;
	struct policy_diags diags;
	struct policy_yaml_reader reader;
	struct policy_vec documents;
	int rc;
};

static struct policy_yaml *read_text(struct reading *r, const char *text)
{
	policy_arena_init(&r->arena, &r->oom);
	policy_diags_init(&r->diags);
	policy_vec_init(&r->documents, sizeof(struct policy_yaml *));
	r->reader = (struct policy_yaml_reader){ .arena = &r->arena,
						 .diags = &r->diags,
						 .file = "f",
						 .bytes = text,
						 .n = strlen(text) };
	r->rc = policy_yaml_read(&r->reader, &r->documents);
	return r->rc == 0 && r->documents.n > 0
		       ? *(struct policy_yaml **)policy_vec_at(&r->documents, 0)
		       : NULL;
}

static void read_done(struct reading *r)
{
	policy_diags_fini(&r->diags);
	policy_arena_fini(&r->arena);
}

static void every_value_knows_its_place(void **state)
{
	struct reading r;
	struct policy_yaml *root = read_text(&r, "a: 1\nb:\n  c: [x, yy]\n"),
			   *b = policy_yaml_raw(root, "b");
	struct policy_yaml *c = policy_yaml_raw(b, "c");

	assert_int_equal(root->line, 1);
	assert_int_equal(b->key_line, 2);
	assert_int_equal(b->key_col, 1);
	assert_int_equal(c->line, 3);
	assert_int_equal(c->col, 6);
	assert_int_equal(c->first->next->line, 3);
	assert_int_equal(c->first->next->col, 10);
	assert_true(str_is(c->first->next->text, "yy"));
	read_done(&r);
}

static void json_and_a_byte_order_mark_are_read(void **state)
{
	struct reading r;
	struct policy_yaml *root = read_text(&r, "\xef\xbb\xbf{\"a\": {\"b\": [1, \"1\"]}}");
	struct policy_yaml *list = policy_yaml_raw(policy_yaml_raw(root, "a"), "b");

	assert_int_equal(list->n, 2);
	assert_int_equal(policy_yaml_scalar(list->first), POLICY_SCALAR_INT);
	assert_int_equal(policy_yaml_scalar(list->first->next), POLICY_SCALAR_STRING);
	read_done(&r);
}

static void empty_documents_are_left_out(void **state)
{
	struct reading r;

	read_text(&r, "---\n# nothing\n---\na: 1\n---\n---\nnull\n---\nb: 2\n");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.documents.n, 2);
	read_done(&r);
	read_text(&r, "");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.documents.n, 0);
	read_done(&r);
}

static void refused_at(const char *text, uint32_t line, uint32_t col, const char *words)
{
	struct reading r;

	assert_null(read_text(&r, text));
	assert_int_equal(r.rc, -1);
	assert_int_equal(r.diags.n, 1);
	if (r.diags.rows[0].line != line || r.diags.rows[0].col != col ||
	    strstr(r.diags.rows[0].message, words) == NULL)
		policy_diags_print(&r.diags, stderr);
	assert_int_equal(r.diags.rows[0].line, line);
	assert_int_equal(r.diags.rows[0].col, col);
	assert_non_null(strstr(r.diags.rows[0].message, words));
	read_done(&r);
}

static void what_does_not_parse_is_placed(void **state)
{
	refused_at("a: 1\nb:\n\tc: 2\n", 3, 1, "not YAML");
	refused_at("a: [1, 2\nb: 3\n", 2, 2, "not YAML");
	refused_at("a: 1\na: 2\n", 2, 1, "given twice");
	refused_at("<<: {a: 1}\n<<: {b: 2}\n", 2, 1, "\"<<\" is given twice (first in line 1)");
	refused_at("x: {b: 1, c: 2,\n  b: 3}\n", 2, 3, "first in line 1");
	refused_at("a: *nobody\n", 1, 4, "alias");
	refused_at("? [a]\n: 1\n", 1, 3, "plain word");
	refused_at("a: \xff\n", 1, 4, "not YAML");
	refused_at("a: &x [*x]\n", 1, 8, "alias");
}

static void a_repeated_key_is_found_in_long_maps(void **state)
{
	char text[8192];
	size_t n = 0;

	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "k%d: 1\n", i);
	snprintf(text + n, sizeof(text) - n, "k42: 1\n");
	refused_at(text, 101, 1, "\"k42\" is given twice (first in line 43)");
}

static void depth_is_bounded(void **state)
{
	char text[1024];

	memset(text, '[', 200);
	memset(text + 200, ']', 200);
	text[400] = '\0';
	refused_at(text, 1, 66, "nested more than 64 deep");
}

static void aliases_cannot_multiply_without_end(void **state)
{
	char text[4096];
	size_t n = (size_t)snprintf(text, sizeof(text), "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	struct reading r;

	for (int i = 1; i < 10; i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n,
			"a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
			i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	read_text(&r, text);
	assert_int_equal(r.rc, -1);
	assert_int_equal(r.diags.n, 1);
	assert_non_null(strstr(r.diags.rows[0].message, "aliases multiply"));
	assert_true(r.arena.bytes < (size_t)64 << 20);
	read_done(&r);
}

static void an_alias_is_a_copy_and_merge_keys_fill_in(void **state)
{
	struct reading r;
	struct policy_yaml *root =
		read_text(&r, "base: &b {x: 1, y: 2}\nm:\n  <<: *b\n  y: 3\nz: *b\n");
	struct policy_yaml *m = policy_yaml_raw(root, "m"), *z = policy_yaml_raw(root, "z");

	assert_non_null(m);
	assert_true(str_is(policy_yaml_raw(m, "x")->text, "1"));
	assert_true(str_is(policy_yaml_raw(m, "y")->text, "3"));
	assert_true(str_is(policy_yaml_raw(z, "y")->text, "2"));
	assert_ptr_not_equal(z->first, policy_yaml_raw(root, "base")->first);
	read_done(&r);
}

static void scalars_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		enum policy_scalar kind;
	} rows[] = {
		{ "1", POLICY_SCALAR_INT },	     { "-7", POLICY_SCALAR_INT },
		{ "0x1f", POLICY_SCALAR_INT },	     { "1.5", POLICY_SCALAR_FLOAT },
		{ "1e3", POLICY_SCALAR_FLOAT },	     { "'1'", POLICY_SCALAR_STRING },
		{ "v1", POLICY_SCALAR_STRING },	     { "true", POLICY_SCALAR_BOOL },
		{ "yes", POLICY_SCALAR_BOOL },	     { "~", POLICY_SCALAR_NULL },
		{ "null", POLICY_SCALAR_NULL },	     { "''", POLICY_SCALAR_STRING },
		{ "1.2.3", POLICY_SCALAR_STRING },   { "10s", POLICY_SCALAR_STRING },
		{ ".", POLICY_SCALAR_STRING },	     { "1e", POLICY_SCALAR_STRING },
		{ "!!str 5", POLICY_SCALAR_STRING },
	};

	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		struct reading r;
		char text[64];
		struct policy_yaml *root;

		snprintf(text, sizeof(text), "[%s]", rows[i].text);
		root = read_text(&r, text);
		assert_non_null(root);
		assert_int_equal(policy_yaml_scalar(root->first), rows[i].kind);
		read_done(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_knows_its_place),
		cmocka_unit_test(json_and_a_byte_order_mark_are_read),
		cmocka_unit_test(empty_documents_are_left_out),
		cmocka_unit_test(what_does_not_parse_is_placed),
		cmocka_unit_test(a_repeated_key_is_found_in_long_maps),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(aliases_cannot_multiply_without_end),
		cmocka_unit_test(an_alias_is_a_copy_and_merge_keys_fill_in),
		cmocka_unit_test(scalars_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
