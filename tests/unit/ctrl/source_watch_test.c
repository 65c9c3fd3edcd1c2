/* SPDX-License-Identifier: Apache-2.0 */
#include "ctrl_test.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source_watch.h"

static char folder[64];

static void path_in(char *out, const char *name)
{
	snprintf(out, 128, "%s/%s", folder, name);
}

static void write_file(const char *name)
{
	char path[128];
	FILE *f;

	path_in(path, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("x", f);
	fclose(f);
}

static int folder_make(void **state)
{
	strcpy(folder, "/tmp/heddle-watch-XXXXXX");
	return mkdtemp(folder) == NULL;
}

static int folder_remove(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static struct source_watch *watch(const char *path)
{
	char *paths[] = { (char *)(uintptr_t)path };
	struct source_watch *w;

	assert_int_equal(source_watch_create(&w), 0);
	assert_int_equal(source_watch_set(w, paths, 1), 0);
	source_watch_read(w);
	return w;
}

static void a_written_file_in_a_folder_is_seen(void **state)
{
	struct source_watch *w = watch(folder);

	assert_false(source_watch_read(w));
	write_file("a.yaml");
	assert_true(source_watch_read(w));
	assert_false(source_watch_read(w));
	source_watch_destroy(w);
}

static void a_file_that_is_written_is_unfinished_until_it_is_closed(void **state)
{
	struct source_watch *w = watch(folder);
	char path[128], *paths[] = { folder };
	FILE *f;

	path_in(path, "slow.yaml");
	f = fopen(path, "w");
	fputs("x", f);
	fflush(f);
	assert_true(source_watch_read(w)); /* it is there */
	assert_string_equal(source_watch_unfinished(w), path);
	write_file("other.yaml");
	assert_true(source_watch_read(w));
	/* Over a new set of watches, too. */
	assert_int_equal(source_watch_set(w, paths, 1), 0);
	assert_string_equal(source_watch_unfinished(w), path);
	fputs("y", f);
	fflush(f);
	assert_false(source_watch_read(w));
	fclose(f);
	assert_true(source_watch_read(w));
	assert_null(source_watch_unfinished(w));
	source_watch_destroy(w);
}

static void a_file_that_goes_is_not_waited_for(void **state)
{
	struct source_watch *w = watch(folder);
	char path[128];
	FILE *f;

	path_in(path, "slow.yaml");
	f = fopen(path, "w");
	fputs("x", f);
	fflush(f);
	unlink(path);
	assert_true(source_watch_read(w));
	assert_null(source_watch_unfinished(w));
	fclose(f);
	source_watch_destroy(w);
}

static void nothing_is_lost_while_watches_are_set_again(void **state)
{
	struct source_watch *w = watch(folder);
	char *paths[] = { folder };

	for (int i = 0; i < 20; i++) {
		write_file("a.yaml");
		assert_int_equal(source_watch_set(w, paths, 1), 0);
		assert_true(source_watch_read(w));
		assert_false(source_watch_read(w));
	}
	source_watch_destroy(w);
}

static void a_hidden_file_is_not_policy(void **state)
{
	struct source_watch *w = watch(folder);

	write_file(".a.yaml.swp");
	assert_false(source_watch_read(w));
	source_watch_destroy(w);
}

static void a_neighbour_of_a_watched_file_does_not_count(void **state)
{
	char path[128];
	struct source_watch *w;

	write_file("a.yaml");
	path_in(path, "a.yaml");
	w = watch(path);
	write_file("b.yaml");
	assert_false(source_watch_read(w));
	write_file("a.yaml");
	assert_true(source_watch_read(w));
	source_watch_destroy(w);
}

static void a_file_that_comes_later_is_seen(void **state)
{
	char path[128];
	struct source_watch *w;

	path_in(path, "later.yaml");
	w = watch(path);
	write_file("later.yaml");
	assert_true(source_watch_read(w));
	source_watch_destroy(w);
}

/* What the kubelet does: files lead through ..data, which a rename points to a new folder. */
static void a_swapped_kubernetes_volume_is_seen(void **state)
{
	char old[128], new[128], data[128], tmp[128], file[128];
	struct source_watch *w;

	path_in(old, "..1");
	path_in(new, "..2");
	path_in(data, "..data");
	path_in(tmp, "..data_tmp");
	path_in(file, "mesh.yaml");
	assert_int_equal(mkdir(old, 0700) | mkdir(new, 0700), 0);
	write_file("..1/mesh.yaml");
	write_file("..2/mesh.yaml");
	assert_int_equal(symlink("..1", data) | symlink("..data/mesh.yaml", file), 0);
	w = watch(file);
	assert_int_equal(symlink("..2", tmp), 0);
	assert_false(source_watch_read(w));
	assert_int_equal(rename(tmp, data), 0);
	assert_true(source_watch_read(w));
	source_watch_destroy(w);
	w = watch(folder);
	assert_int_equal(symlink("..1", tmp) | rename(tmp, data), 0);
	assert_true(source_watch_read(w));
	source_watch_destroy(w);
}

static void a_folder_that_is_made_again_is_found(void **state)
{
	char sub[128];
	struct source_watch *w;

	path_in(sub, "mesh.d");
	assert_int_equal(mkdir(sub, 0700), 0);
	w = watch(sub);
	assert_int_equal(rmdir(sub), 0);
	assert_true(source_watch_read(w));
	assert_false(source_watch_retry(w));
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_true(source_watch_retry(w));
	source_watch_read(w);
	write_file("mesh.d/a.yaml");
	assert_true(source_watch_read(w));
	source_watch_destroy(w);
}

static void a_folder_in_a_folder_is_watched(void **state)
{
	char sub[128];
	struct source_watch *w;

	path_in(sub, "team-a");
	assert_int_equal(mkdir(sub, 0700), 0);
	w = watch(folder);
	write_file("team-a/a.yaml");
	assert_true(source_watch_read(w));
	source_watch_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_written_file_in_a_folder_is_seen, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(
			a_file_that_is_written_is_unfinished_until_it_is_closed, folder_make,
			folder_remove),
		cmocka_unit_test_setup_teardown(a_file_that_goes_is_not_waited_for, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(nothing_is_lost_while_watches_are_set_again,
						folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(a_hidden_file_is_not_policy, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(a_neighbour_of_a_watched_file_does_not_count,
						folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(a_file_that_comes_later_is_seen, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(a_swapped_kubernetes_volume_is_seen, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(a_folder_in_a_folder_is_watched, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(a_folder_that_is_made_again_is_found, folder_make,
						folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
