/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <heddle/base.h>

#define TOLD_BYTES 96
#define LINE_BYTES (PIPE_BUF - TOLD_BYTES)
#define PATIENCE_MS 10

static const struct {
	const char *name, *colour;
} levels[] = {
	[HD_LOG_ERROR] = { "error", "\033[1;31m" }, [HD_LOG_WARNING] = { "warning", "\033[33m" },
	[HD_LOG_NOTICE] = { "notice", "\033[36m" }, [HD_LOG_INFO] = { "info", "" },
	[HD_LOG_DEBUG] = { "debug", "\033[2m" },
};

static const char *const areas[] = {
#define NAME(name) #name,
	HD_LOG_AREAS(NAME)
#undef NAME
};
#define AREAS (sizeof(areas) / sizeof(areas[0]))

/* One for the process: hd_log is called from anywhere on the slow path and has no context to be
 * passed. */
static struct {
	pthread_mutex_t lock;
	enum hd_log_level level;
	enum hd_log_level of_area[AREAS];
	uint8_t area_is_set[AREAS];
	int colour;
	unsigned long long lost; /* lines, since the last one that was written */
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .level = HD_LOG_NOTICE };

void daemon_log_init(void)
{
	state.colour = isatty(STDERR_FILENO) && getenv("NO_COLOR") == NULL;
}

int daemon_log_parse(const char *text, enum hd_log_level *level)
{
	for (unsigned int i = 0; i < HD_ARRAY_SIZE(levels); i++) {
		if (strcmp(text, levels[i].name) == 0) {
			*level = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* AREAS: there is none of that name. */
static size_t area_find(const char *name)
{
	size_t i = 0;

	while (i < AREAS && strcmp(areas[i], name) != 0)
		i++;
	return i;
}

int daemon_log_set(enum hd_log_level level, const char *area)
{
	size_t i = area != NULL ? area_find(area) : 0;

	if (i == AREAS)
		return -ENOENT;
	pthread_mutex_lock(&state.lock);
	if (area == NULL) {
		state.level = level;
	} else {
		state.of_area[i] = level;
		state.area_is_set[i] = 1;
	}
	pthread_mutex_unlock(&state.lock);
	return 0;
}

static int area_logs(enum hd_log_level level, const char *area)
{
	size_t i = area_find(area);
	enum hd_log_level limit;

	pthread_mutex_lock(&state.lock);
	limit = i < AREAS && state.area_is_set[i] ? state.of_area[i] : state.level;
	pthread_mutex_unlock(&state.lock);
	return level <= limit;
}

/* Control bytes could rewrite an operator's terminal or forge a line: they come from files and
 * sockets. */
static void line_clean(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			p[i] = p[i] == '\t' ? ' ' : '?';
}

/* Whoever reads our log may stop to: a pager, a terminal on hold. We do not wait for it longer than
 * for a moment, and not again until it reads. */
static int takes_a_line(void)
{
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&ready, 1, state.lost > 0 ? 0 : PATIENCE_MS) != 0;
}

/* One write, so that lines of several threads do not mix; what is ready for writing takes PIPE_BUF
 * bytes as a whole. A log that cannot be written has no place to complain. */
static void line_write(char *line, size_t n)
{
	char told[TOLD_BYTES];
	struct iovec parts[] = { { told, 0 }, { line, n } };

	pthread_mutex_lock(&state.lock);
	if (state.lost > 0)
		parts[0].iov_len = (size_t)snprintf(
			told, sizeof(told), "(%llu lines of the log were lost: nobody read them)\n",
			state.lost);
	if (takes_a_line() && writev(STDERR_FILENO, parts, 2) >= 0)
		state.lost = 0;
	else
		state.lost++;
	pthread_mutex_unlock(&state.lock);
}

void hd_log(enum hd_log_level level, const char *area, const char *format, ...)
{
	const char *colour = state.colour ? levels[level].colour : "";
	char line[LINE_BYTES];
	struct timespec now;
	struct tm tm;
	size_t head, n;
	va_list args;

	if (!area_logs(level, area))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%FT%T", &tm);
	n += snprintf(line + n, sizeof(line) - n, ".%03ldZ %s%-7s%s %-7s ", now.tv_nsec / 1000000,
		      colour, levels[level].name, colour[0] != '\0' ? "\033[0m" : "", area);
	head = n;
	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - n, format, args);
	va_end(args);
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line_clean(line + head, n - head);
	line[n++] = '\n';
	line_write(line, n);
}
