/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_access.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <heddle/log.h>

/* What a file that cannot be written may make us keep. */
#define BACKLOG_BYTES (1u << 20)
#define COMPLAIN_EVERY (60 * HD_NS_PER_S)

struct observe_access {
	char *path;
	enum observe_access_format format;
	int fd;
	int reopen;
	int regular; /* a plain file: a write of any size does not wait */
	struct observe_access_second second;
	struct observe_text out;
	size_t written; /* bytes of out that the file has */
	struct observe_access_stats stats;
	hd_ns complain_at;
};

/* Standard output may be shared with our log, and a socket cannot be opened by name: a copy keeps
 * the one offset. */
static int path_open(const char *path)
{
	if (strcmp(path, "/dev/stdout") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (strcmp(path, "/dev/stderr") == 0)
		return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	/* O_NONBLOCK: opening a FIFO that nobody reads must fail, not wait. */
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
}

static int access_file_open(struct observe_access *a)
{
	struct stat st;
	int fd = path_open(a->path);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
		close(fd);
		return -EISDIR;
	}
	if (a->fd >= 0)
		close(a->fd);
	a->fd = fd;
	a->regular = S_ISREG(st.st_mode);
	return 0;
}

void observe_access_signals(void)
{
	signal(SIGPIPE, SIG_IGN); /* a reader that is gone */
	signal(SIGXFSZ, SIG_IGN); /* a file at RLIMIT_FSIZE */
}

static int is_standard(const char *path)
{
	return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0;
}

/* The file is not there: can it be made? */
static int folder_check(const char *path, char *error, size_t error_bytes)
{
	char copy[PATH_MAX];
	const char *folder;

	snprintf(copy, sizeof(copy), "%s", path);
	folder = dirname(copy);
	if (access(folder, W_OK | X_OK) == 0)
		return 0;
	if (errno == ENOENT)
		snprintf(error, error_bytes, "%s: its folder is not there: mkdir -p %s", path,
			 folder);
	else
		snprintf(error, error_bytes,
			 "%s: %s: let the user that heddle runs as write in %s, or choose another path",
			 path, strerror(errno), folder);
	return errno != 0 ? -errno : -EACCES;
}

int observe_access_check(const char *path, char *error, size_t error_bytes)
{
	struct stat st;
	int rc = 0;

	error[0] = '\0';
	if (is_standard(path))
		return 0;
	if (strlen(path) >= PATH_MAX)
		rc = -ENAMETOOLONG;
	else if (stat(path, &st) != 0)
		rc = errno == ENOENT ? folder_check(path, error, error_bytes) : -errno;
	else if (S_ISDIR(st.st_mode))
		rc = -EISDIR;
	else if (access(path, W_OK) != 0)
		rc = -errno;
	if (rc != 0 && error[0] == '\0')
		snprintf(error, error_bytes, "%s: %s: choose another path", path, strerror(-rc));
	return rc;
}

int observe_access_open(const char *path, enum observe_access_format format,
			struct observe_access **out)
{
	struct observe_access *a = calloc(1, sizeof(*a));
	int rc;

	if (a == NULL)
		return -ENOMEM;
	a->fd = -1;
	a->format = format;
	a->path = strdup(path);
	rc = a->path == NULL ? -ENOMEM : access_file_open(a);
	if (rc != 0) {
		free(a->path);
		free(a);
		return rc;
	}
	*out = a;
	return 0;
}

static void complain(struct observe_access *a, hd_ns now, int error)
{
	a->stats.write_errors++;
	if (now < a->complain_at)
		return;
	a->complain_at = now + COMPLAIN_EVERY;
	hd_log(HD_LOG_ERROR, "access",
	       "%s: %s; requests are served all the same, their log lines may be lost (said once a minute)",
	       a->path, strerror(error));
}

/* A pipe, terminal or socket that is ready takes PIPE_BUF bytes without waiting. */
static ssize_t write_some(struct observe_access *a, const char *p, size_t n)
{
	struct pollfd ready = { .fd = a->fd, .events = POLLOUT };

	if (a->regular)
		return write(a->fd, p, n);
	if (poll(&ready, 1, 0) <= 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(a->fd, p, n < PIPE_BUF ? n : PIPE_BUF);
}

static void flush(struct observe_access *a, hd_ns now)
{
	while (a->written < a->out.n) {
		ssize_t n = write_some(a, a->out.p + a->written, a->out.n - a->written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (errno != EAGAIN)
				complain(a, now, errno);
			break;
		}
		a->written += (size_t)n;
	}
	if (a->written == 0)
		return;
	memmove(a->out.p, a->out.p + a->written, a->out.n - a->written);
	a->out.n -= a->written;
	a->written = 0;
}

void observe_access_add(struct observe_access *a, const struct hd_access_record *r, hd_ns now)
{
	if (a->out.n >= BACKLOG_BYTES)
		flush(a, now);
	if (a->out.n >= BACKLOG_BYTES) {
		a->stats.lost++;
		return;
	}
	observe_access_format(&a->out, r, a->format, &a->second);
	a->stats.lines++;
}

void observe_access_flush(struct observe_access *a, hd_ns now)
{
	if (a->reopen) {
		int rc = access_file_open(a);

		a->reopen = 0;
		if (rc != 0)
			complain(a, now, -rc);
	}
	flush(a, now);
}

void observe_access_reopen(struct observe_access *a)
{
	a->reopen = 1;
}

void observe_access_look(struct observe_access *a)
{
	struct stat by_name, open_now;

	if (!a->regular || strncmp(a->path, "/dev/", 5) == 0 || fstat(a->fd, &open_now) != 0)
		return;
	if (stat(a->path, &by_name) != 0 || by_name.st_ino != open_now.st_ino ||
	    by_name.st_dev != open_now.st_dev)
		a->reopen = 1;
}

void observe_access_stats(const struct observe_access *a, struct observe_access_stats *out)
{
	*out = a->stats;
}

void observe_access_close(struct observe_access *a)
{
	if (a == NULL)
		return;
	flush(a, 0);
	close(a->fd);
	observe_text_fini(&a->out);
	free(a->path);
	free(a);
}
