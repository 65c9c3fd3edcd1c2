/* SPDX-License-Identifier: Apache-2.0 */
#include "ctrl_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include <heddle/control.h>

#include "cli_file.h"

static char folder[64], path[96], error[512];
static size_t n;

static int make(void **state)
{
	strcpy(folder, "/tmp/heddle-cli-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/a.yaml", folder);
	return 0;
}

static int cleanup(void **state)
{
	unlink(path);
	return rmdir(folder);
}

static void write_bytes(size_t bytes)
{
	FILE *f = fopen(path, "w");

	for (size_t i = 0; i < bytes; i++)
		fputc('a', f);
	assert_int_equal(fclose(f), 0);
}

static void a_file_is_read_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 1000000 };

	for (size_t i = 0; i < 6; i++) {
		char *p;

		write_bytes(sizes[i]);
		p = cli_file_read(path, &n, error, sizeof(error));
		assert_non_null(p);
		assert_int_equal(n, sizes[i]);
		free(p);
	}
}

static void what_never_ends_is_refused_at_once(void **state)
{
	assert_null(cli_file_read("/dev/zero", &n, error, sizeof(error)));
	assert_non_null(strstr(error, "no regular file"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(cli_file_read(path, &n, error, sizeof(error)));
	assert_non_null(strstr(error, "config apply -"));
}

static void a_folder_is_explained(void **state)
{
	assert_null(cli_file_read(folder, &n, error, sizeof(error)));
	assert_non_null(strstr(error, "/*.yaml"));
}

static void what_the_socket_would_not_take_is_not_read(void **state)
{
	write_bytes(0);
	assert_int_equal(truncate(path, (off_t)HD_CONTROL_LINE_BYTES + 1), 0);
	assert_null(cli_file_read(path, &n, error, sizeof(error)));
	assert_non_null(strstr(error, "larger than the 32 MiB"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, cleanup)
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_read_whole),
		TEST(what_never_ends_is_refused_at_once),
		TEST(a_folder_is_explained),
		TEST(what_the_socket_would_not_take_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
