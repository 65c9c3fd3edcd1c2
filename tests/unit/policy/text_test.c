/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy_test.h"

static char root[] = "/tmp/policy-text-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int folder_setup(void **state)
{
	char path[256];

	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/sub", root);
	assert_int_equal(mkdir(path, 0700), 0);
	put("b.yaml", "b: 1\n");
	put("a.json", "{}");
	put("c.txt", "no policy");
	put(".hidden.yaml", "no policy");
	put("sub/d.yml", "d: 1\n");
	snprintf(path, sizeof(path), "%s/pipe", root);
	assert_int_equal(mkfifo(path, 0600), 0);
	return 0;
}

static int folder_teardown(void **state)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void a_folder_gives_its_policy_files_in_order(void **state)
{
	struct policy_texts t;
	struct policy_diags d;

	policy_texts_init(&t);
	policy_diags_init(&d);
	assert_int_equal(policy_texts_read(&t, root, &d), 0);
	assert_int_equal(t.n, 3);
	assert_non_null(strstr(t.rows[0].name, "/a.json"));
	assert_non_null(strstr(t.rows[1].name, "/b.yaml"));
	assert_non_null(strstr(t.rows[2].name, "/sub/d.yml"));
	assert_string_equal(t.rows[1].bytes, "b: 1\n");
	policy_texts_fini(&t);
	policy_diags_fini(&d);
}

/* Whatever it should have denied would pass if it were left out. */
static void refuses(const char *name, const char *why)
{
	struct policy_texts t;
	struct policy_diags d;

	policy_texts_init(&t);
	policy_diags_init(&d);
	assert_int_equal(policy_texts_read(&t, root, &d), -22);
	assert_int_equal(d.errors, 1);
	assert_non_null(strstr(d.rows[0].message, why));
	policy_diags_fini(&d);
	policy_texts_fini(&t);
	assert_int_equal(unlink(name), 0);
}

static void a_name_of_policy_that_is_no_file_is_refused_and_not_waited_for(void **state)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/deny.yaml", root);
	assert_int_equal(symlink("/nonexistent/deny.yaml", path), 0);
	refuses(path, "cannot be opened");
	assert_int_equal(symlink(path, path), 0);
	refuses(path, "cannot be opened");
	assert_int_equal(mkfifo(path, 0600), 0);
	refuses(path, "is no regular file");
}

static void a_text_of_the_same_name_is_replaced(void **state)
{
	struct policy_texts t;

	policy_texts_init(&t);
	assert_int_equal(policy_texts_add(&t, "x", "1", 1), 0);
	assert_int_equal(policy_texts_add(&t, "y", "2", 1), 0);
	assert_int_equal(policy_texts_add(&t, "x", "33", 2), 0);
	assert_int_equal(t.n, 2);
	assert_string_equal(t.rows[0].bytes, "33");
	policy_texts_fini(&t);
}

static void what_cannot_be_read_is_told(void **state)
{
	struct policy_texts t;
	struct policy_diags d;

	policy_texts_init(&t);
	policy_diags_init(&d);
	assert_int_equal(policy_texts_read(&t, "/nonexistent/mesh.d", &d), -22);
	assert_int_equal(d.errors, 1);
	assert_non_null(strstr(d.rows[0].message, "cannot be opened"));
	policy_diags_fini(&d);
	policy_texts_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folder_gives_its_policy_files_in_order),
		cmocka_unit_test(
			a_name_of_policy_that_is_no_file_is_refused_and_not_waited_for),
		cmocka_unit_test(a_text_of_the_same_name_is_replaced),
		cmocka_unit_test(what_cannot_be_read_is_told),
	};

	return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
