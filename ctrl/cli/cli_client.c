/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <heddle/control.h>

#define ANSWER_WITHIN_S 60

static enum cli_exit say_connect(const char *path, int error, char *out, size_t bytes)
{
	const char *hint = "";

	if (error == ENOENT)
		hint = ": is heddle running? its node file names the socket under spec.control.socket; give it with -s";
	else if (error == ECONNREFUSED)
		hint = ": heddle left it behind and is not running";
	else if (error == EACCES || error == EPERM)
		hint = ": the socket belongs to the user that heddle runs as; try as root";
	snprintf(out, bytes, "%s: %s%s", path, strerror(error), hint);
	return CLI_USAGE;
}

static int socket_open(const char *path, char *error, size_t error_bytes)
{
	const struct timeval wait = { .tv_sec = ANSWER_WITHIN_S };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(a.sun_path)) {
		snprintf(error, error_bytes, "%s: longer than a Unix socket's path can be", path);
		return -1;
	}
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
		say_connect(path, errno, error, error_bytes);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	return fd;
}

static int send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -1;
		p += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* One line for free(), or NULL. */
static char *line_receive(int fd, size_t *n)
{
	size_t capacity = 65536, have = 0;
	char *p = malloc(capacity);

	while (p != NULL) {
		ssize_t got = recv(fd, p + have, capacity - have, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
		if (p[have - 1] == '\n') {
			*n = have;
			return p;
		}
		if (have == capacity) {
			char *more = realloc(p, capacity *= 2);
			if (more == NULL)
				break;
			p = more;
		}
	}
	free(p);
	return NULL;
}

static enum cli_exit answer_read(const char *line, size_t n, json_t **result, char *error,
				 size_t error_bytes)
{
	json_error_t e;
	json_t *reply = json_loadb(line, n, 0, &e);
	const char *text = json_string_value(json_object_get(reply, "error"));
	json_int_t left_out = json_integer_value(json_object_get(reply, "left_out"));
	enum cli_exit code = CLI_REFUSED;

	*result = json_incref(json_object_get(reply, "result"));
	if (left_out > 0) /* beside the result, so that scripts get rows alone */
		fprintf(stderr, "heddlectl: %lld more rows are not shown (--limit)\n",
			(long long)left_out);
	if (json_is_true(json_object_get(reply, "ok")) && *result != NULL)
		code = CLI_FINE;
	else
		snprintf(error, error_bytes, "%s",
			 text != NULL ? text : "heddle's answer was not understood");
	json_decref(reply);
	return code;
}

/* What the daemon refuses unread, it answers and closes: the answer is still there to be read. */
static int line_send(int fd, const char *line, size_t n, char *error, size_t error_bytes)
{
	if (send_all(fd, line, n) == 0 || errno == EPIPE || errno == ECONNRESET)
		return 0;
	if (errno == EAGAIN)
		snprintf(error, error_bytes, "heddle did not take the request within %d s",
			 ANSWER_WITHIN_S);
	else
		snprintf(error, error_bytes, "the request was not sent: %s", strerror(errno));
	return -1;
}

/* The line of a request, for free(); NULL with error set. Steals args. */
static char *request_line(const char *command, json_t *args, char *error, size_t error_bytes)
{
	json_t *request = json_pack("{s:i,s:s,s:o}", "id", 1, "command", command, "args", args);
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL, *line = NULL;

	json_decref(request);
	if (text == NULL)
		snprintf(error, error_bytes, "out of memory, or an argument that is not UTF-8");
	else if (strlen(text) >= HD_CONTROL_LINE_BYTES)
		snprintf(error, error_bytes,
			 "the files are more than the %u MiB that the control socket takes: put them in a policy folder of the node file",
			 HD_CONTROL_LINE_BYTES >> 20);
	else if (asprintf(&line, "%s\n", text) < 0)
		snprintf(error, error_bytes, "out of memory");
	free(text);
	return line;
}

/* A connection on which the request went out, or -1 with error set. Steals args. */
static int request_send(const char *socket_path, const char *command, json_t *args, char *error,
			size_t error_bytes)
{
	char *line = request_line(command, args, error, error_bytes);
	int fd = line != NULL ? socket_open(socket_path, error, error_bytes) : -1;

	if (fd >= 0 && line_send(fd, line, strlen(line), error, error_bytes) != 0) {
		close(fd);
		fd = -1;
	}
	free(line);
	return fd;
}

enum cli_exit cli_request(const char *socket_path, const char *command, json_t *args,
			  json_t **result, char *error, size_t error_bytes)
{
	int fd = request_send(socket_path, command, args, error, error_bytes);
	enum cli_exit code = CLI_USAGE;
	char *answer;
	size_t n = 0;

	if (fd < 0)
		return CLI_USAGE;
	answer = line_receive(fd, &n);
	if (answer != NULL)
		code = answer_read(answer, n, result, error, error_bytes);
	else
		snprintf(error, error_bytes,
			 "%s: heddle closed the connection or did not answer within %d s",
			 socket_path, ANSWER_WITHIN_S);
	free(answer);
	close(fd);
	return code;
}

enum cli_exit cli_stream(const char *socket_path, const char *command, json_t *args,
			 void (*row)(void *arg, const json_t *result), void *arg, char *error,
			 size_t error_bytes)
{
	int fd = request_send(socket_path, command, args, error, error_bytes);
	const struct timeval for_ever = { 0 };
	enum cli_exit code = CLI_FINE;
	json_t *result = NULL;
	char *line = NULL;
	size_t room = 0;
	int ended = 0;
	ssize_t n;
	FILE *f;

	if (fd < 0)
		return CLI_USAGE;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof(for_ever));
	f = fdopen(fd, "r");
	if (f == NULL)
		close(fd);
	while (f != NULL && code == CLI_FINE && (n = getline(&line, &room, f)) > 0) {
		ended = strcmp(line, "{}\n") == 0;
		if (ended)
			break;
		code = answer_read(line, (size_t)n, &result, error, error_bytes);
		if (code == CLI_FINE)
			row(arg, result);
		json_decref(result);
	}
	if (code == CLI_FINE && !ended) {
		snprintf(error, error_bytes, "%s: heddle closed the connection", socket_path);
		code = CLI_USAGE;
	}
	free(line);
	if (f != NULL)
		fclose(f);
	return code;
}
