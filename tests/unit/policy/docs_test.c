/* SPDX-License-Identifier: Apache-2.0 */
/* docs/policy.md says of every field what the tables say, and docs/node-file.md knows every key.
 * With --write the part of policy.md between its markers is made anew. */
#include <stdlib.h>

#include "policy_schema.h"
#include "policy_test.h"

#define BEGIN "<!-- fields: begin -->\n"
#define FIN "<!-- fields: end -->"

static const char *const honour_words[] = { "honoured", "no effect", "not yet",
					    "refused until it is enforced" };

static char *file_read(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL || text == NULL)
		return text;
	n = fread(text, 1, (1 << 20) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void fields_write(FILE *out, const struct policy_schema *s, const char *prefix, int outer)
{
	static const char *const shapes[] = { "", "[]", "{}" };

	for (const struct policy_field *f = s->fields; f->name != NULL; f++) {
		int honour = outer > f->honour ? outer : f->honour;
		char name[256];

		snprintf(name, sizeof(name), "%s%s%s", prefix, f->name, shapes[f->shape]);
		fprintf(out, "| `%s` | %s%s%s |\n", name, honour_words[honour],
			f->note != NULL ? ": " : "", f->note != NULL ? f->note : "");
		if (f->type != POLICY_T_OBJECT || honour != POLICY_NOW)
			continue;
		strncat(name, ".", sizeof(name) - strlen(name) - 1);
		fields_write(out, f->object, name, honour);
	}
}

/* The part of the page that the tables decide. */
static char *tables_text(void)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	for (uint32_t i = 0; i < POLICY_KINDS; i++) {
		const struct policy_kind_row *k = &policy_kinds[i];

		fprintf(out, "\n### %s\n\n", k->kind);
		if (k->group != NULL && k->group[0] != '\0')
			fprintf(out, "`%s`: %s\n\n", k->group, k->versions);
		if (k->note != NULL)
			fprintf(out, "The whole kind is %s.\n\n", k->note);
		fprintf(out, "| field | |\n|---|---|\n");
		fields_write(out, k->schema, "", POLICY_NOW);
	}
	fprintf(out, "\n");
	fclose(out);
	return text;
}

static int page_write(void)
{
	char *page = file_read(DOCS "/policy.md"), *tables = tables_text();
	char *begin = strstr(page, BEGIN), *end = strstr(page, FIN);
	FILE *out;

	if (begin == NULL || end == NULL)
		return 1;
	out = fopen(DOCS "/policy.md", "w");
	fprintf(out, "%.*s%s%s%s", (int)(begin - page), page, BEGIN, tables, end);
	fclose(out);
	return 0;
}

static void the_page_says_what_the_tables_say(void **state)
{
	char *page = file_read(DOCS "/policy.md"), *tables = tables_text();
	char *begin = strstr(page, BEGIN), *end = strstr(page, FIN);

	assert_non_null(begin);
	assert_non_null(end);
	*end = '\0';
	if (strcmp(begin + strlen(BEGIN), tables) != 0)
		fail_msg("docs/policy.md is not what the tables say: run unit-policy-docs --write");
	free(page);
	free(tables);
}

static void keys_known(const char *page, const struct policy_schema *s)
{
	for (const struct policy_field *f = s->fields; f->name != NULL; f++) {
		char word[128];

		snprintf(word, sizeof(word), "`%s`", f->name);
		if (strstr(page, word) == NULL)
			fail_msg("docs/node-file.md does not know %s of %s", word, s->name);
		if (f->type == POLICY_T_OBJECT)
			keys_known(page, f->object);
	}
}

static void the_node_files_page_knows_every_key(void **state)
{
	char *page = file_read(DOCS "/node-file.md");

	keys_known(page, &policy_schema_node);
	free(page);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_says_what_the_tables_say),
		cmocka_unit_test(the_node_files_page_knows_every_key),
	};

	if (argc > 1 && strcmp(argv[1], "--write") == 0)
		return page_write();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
