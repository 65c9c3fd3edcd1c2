/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target on every file of the folders and on the files given: replays a corpus or a
 * crash without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data;
	size_t n;

	if (f == NULL || fstat(fileno(f), &st) != 0) {
		perror(path);
		return -1;
	}
	/* Exactly as long as the input, so that a sanitizer sees one byte read too many. */
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	n = data == NULL ? 0 : fread(data, 1, (size_t)st.st_size, f);
	fclose(f);
	if (data == NULL || n != (size_t)st.st_size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		free(data);
		return -1;
	}
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

static int replay_folder(const char *path, unsigned int *count)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char file[4096];
	int rc = 0;

	if (d == NULL) {
		perror(path);
		return -1;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		if (replay_file(file) != 0)
			rc = -1;
		++*count;
	}
	closedir(d);
	return rc;
}

int main(int argc, char **argv)
{
	unsigned int count = 0;
	struct stat st;
	int rc = 0;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
			rc |= replay_folder(argv[i], &count);
		} else {
			rc |= replay_file(argv[i]);
			count++;
		}
	}
	printf("%u inputs replayed\n", count);
	return rc != 0 || count == 0;
}
