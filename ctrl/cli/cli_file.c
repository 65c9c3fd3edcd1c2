/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <heddle/control.h>

/* By name only regular files, as the daemon reads its own. */
static int file_open(const char *path, char *error, size_t error_bytes)
{
	/* Opening a pipe would wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0) {
		snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	if (S_ISDIR(st.st_mode))
		snprintf(error, error_bytes, "%s: is a folder: name the files, as %s/*.yaml", path,
			 path);
	else
		snprintf(error, error_bytes,
			 "%s: is no regular file; what a program writes is piped in: ... | heddlectl config apply -",
			 path);
	return -1;
}

/* -1: failed, or it is too much; error says so. */
static int bytes_read(int fd, const char *path, char **out, size_t *n, char *error,
		      size_t error_bytes)
{
	size_t capacity = 0;
	ssize_t got;

	do {
		if (*n == capacity) {
			char *more = realloc(*out, capacity = capacity ? capacity * 2 : 65536);

			if (more == NULL) {
				snprintf(error, error_bytes, "%s: out of memory", path);
				return -1;
			}
			*out = more;
		}
		got = read(fd, *out + *n, capacity - *n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
			return -1;
		}
		*n += (size_t)got;
	} while (got != 0 && *n <= HD_CONTROL_LINE_BYTES);
	if (*n <= HD_CONTROL_LINE_BYTES)
		return 0;
	snprintf(error, error_bytes,
		 "%s: larger than the %u MiB that the control socket takes: put it in a policy folder of the node file",
		 path, HD_CONTROL_LINE_BYTES >> 20);
	return -1;
}

char *cli_file_read(const char *path, size_t *n, char *error, size_t error_bytes)
{
	int is_input = strcmp(path, "-") == 0, rc;
	int fd = is_input ? STDIN_FILENO : file_open(path, error, error_bytes);
	char *bytes = NULL;

	*n = 0;
	if (fd < 0)
		return NULL;
	rc = bytes_read(fd, path, &bytes, n, error, error_bytes);
	if (!is_input)
		close(fd);
	if (rc == 0)
		return bytes;
	free(bytes);
	return NULL;
}
