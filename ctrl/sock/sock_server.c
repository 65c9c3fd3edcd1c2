/* SPDX-License-Identifier: Apache-2.0 */
#include "sock_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <heddle/control.h>
#include <heddle/log.h>

#include "sock_command.h"
#include "sock_tap.h"

#define MAX_CLIENTS 64
#define READ_BYTES 65536
/* Of the lines of all clients together: a few large ones, and short ones of everybody. */
#define MAX_LINES_BYTES (128u << 20)
#define LINES_A_RUN 16
/* A client that does not take its answer. */
#define STUCK_AFTER (30 * HD_NS_PER_S)
/* A client without a command may lose its place to a new one. */
#define IDLE_AFTER (2 * HD_NS_PER_S)

struct client {
	int fd;		 /* -1: free */
	uint32_t events; /* what epoll waits for */
	char *in;
	size_t in_n, in_capacity, in_seen; /* in_seen: bytes already searched for a newline */
	char *out;
	size_t out_n, out_sent;
	struct sock_job *job;
	hd_ns active; /* last time that a byte moved */
	uint8_t eof, closing;
};

struct sock_server {
	const struct sock_host *host;
	int epoll_fd, listen_fd;
	int spare_fd; /* given up for a moment to refuse a client in words when no other is left */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev;
	ino_t ino;
	struct client clients[MAX_CLIENTS];
};

static int address_of(const char *path, struct sockaddr_un *a, char *error, size_t error_bytes)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(a->sun_path)) {
		snprintf(error, error_bytes,
			 "control.socket: a path of %zu bytes; a Unix socket takes %zu",
			 strlen(path), sizeof(a->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(a->sun_path, path);
	return 0;
}

/* Makes way for our socket, unless something alive or something else is there. */
static int path_clear(const struct sockaddr_un *a, char *error, size_t error_bytes)
{
	struct stat st;
	int fd, rc;

	if (lstat(a->sun_path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(
			error, error_bytes,
			"control.socket: %s is there and is no socket; remove it or choose another path",
			a->sun_path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Only a refusal says that nobody listens any more: a socket of another type, or one
	 * that we may not reach, is somebody's. */
	rc = connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 ? 0 : -errno;
	close(fd);
	if (rc != 0 && rc != -EAGAIN && rc != -ECONNREFUSED) {
		snprintf(error, error_bytes,
			 "control.socket: %s belongs to something else (%s); choose another path",
			 a->sun_path, strerror(-rc));
		return rc;
	}
	if (rc != -ECONNREFUSED) {
		snprintf(error, error_bytes,
			 "control.socket: another daemon answers at %s; stop it "
			 "(heddlectl -s %s stop) or choose another path",
			 a->sun_path, a->sun_path);
		return -EADDRINUSE;
	}
	hd_log(HD_LOG_NOTICE, "ctl", "%s was left over by a daemon that is gone: replaced",
	       a->sun_path);
	return unlink(a->sun_path) != 0 ? -errno : 0;
}

static int listen_open(struct sock_server *s, const struct sockaddr_un *a, char *error,
		       size_t error_bytes)
{
	mode_t mask = umask(0177);
	struct stat st;
	int rc, bound = 0;

	s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listen_fd >= 0)
		bound = bind(s->listen_fd, (const struct sockaddr *)a, sizeof(*a)) == 0;
	umask(mask);
	if (bound && listen(s->listen_fd, MAX_CLIENTS) == 0 && stat(a->sun_path, &st) == 0) {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
		return 0;
	}
	rc = -errno;
	snprintf(error, error_bytes, "control.socket: %s: %s%s", a->sun_path, strerror(-rc),
		 rc == -ENOENT ? " (its folder must be there)" : "");
	if (bound)
		unlink(a->sun_path);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	return rc;
}

int sock_server_open(const char *path, const struct sock_host *host, struct sock_server **out,
		     char *error, size_t error_bytes)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	struct sock_server *s;
	struct sockaddr_un a;
	int rc = address_of(path, &a, error, error_bytes);

	if (rc == 0)
		rc = path_clear(&a, error, error_bytes);
	if (rc != 0)
		return rc;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->host = host;
	strcpy(s->path, a.sun_path);
	for (int i = 0; i < MAX_CLIENTS; i++)
		s->clients[i].fd = -1;
	rc = listen_open(s, &a, error, error_bytes);
	if (rc != 0)
		goto free_server;
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, &ev) != 0) {
		rc = -errno;
		snprintf(error, error_bytes, "control.socket: epoll: %s", strerror(-rc));
		goto close_listen;
	}
	*out = s;
	return 0;

close_listen:
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	if (s->spare_fd >= 0)
		close(s->spare_fd);
	unlink(s->path);
	close(s->listen_fd);
free_server:
	free(s);
	return rc;
}

static void client_close(struct client *c)
{
	if (c->job != NULL)
		sock_job_drop(c->job);
	close(c->fd);
	free(c->in);
	free(c->out);
	*c = (struct client){ .fd = -1 };
}

void sock_server_close(struct sock_server *s)
{
	struct stat st;

	if (s == NULL)
		return;
	for (int i = 0; i < MAX_CLIENTS; i++)
		if (s->clients[i].fd >= 0)
			client_close(&s->clients[i]);
	/* Only our own: somebody may have put another one there. */
	if (stat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	close(s->listen_fd);
	close(s->epoll_fd);
	free(s);
}

int sock_server_fd(const struct sock_server *s)
{
	return s->epoll_fd;
}

/* epoll waits for what the client's state allows: one answer at a time, so a slow reader holds one
 * answer and no more. */
static void client_wait(struct sock_server *s, struct client *c)
{
	struct epoll_event ev = { .data.ptr = c };

	if (c->out_n > c->out_sent)
		ev.events = EPOLLOUT;
	else if (c->job == NULL && !c->eof)
		ev.events = EPOLLIN;
	if (ev.events == c->events)
		return;
	c->events = ev.events;
	epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
}

static void client_send(struct client *c, hd_ns now)
{
	while (c->out_sent < c->out_n) {
		ssize_t n = send(c->fd, c->out + c->out_sent, c->out_n - c->out_sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				c->closing = 1;
			return;
		}
		c->out_sent += (size_t)n;
		c->active = now;
	}
	free(c->out);
	c->out = NULL;
	c->out_n = c->out_sent = 0;
}

static void client_answer(struct client *c, char *reply, hd_ns now)
{
	if (reply == NULL) {
		c->closing = 1; /* out of memory: a closed connection is an answer, too */
		return;
	}
	c->out = reply;
	c->out_n = strlen(reply);
	c->out_sent = 0;
	client_send(c, now);
}

static void line_take(struct client *c, size_t with_end)
{
	memmove(c->in, c->in + with_end, c->in_n - with_end);
	c->in_n -= with_end;
	c->in_seen = 0;
	/* A large line is over: its memory goes back. */
	if (c->in_n == 0 && c->in_capacity > READ_BYTES) {
		free(c->in);
		c->in = NULL;
		c->in_capacity = 0;
	}
}

/* Runs the first whole line. False when there is none. */
static int client_line(struct sock_server *s, struct client *c, hd_ns now)
{
	const char *end = c->in_n > c->in_seen
				  ? memchr(c->in + c->in_seen, '\n', c->in_n - c->in_seen)
				  : NULL;
	size_t n = end != NULL ? (size_t)(end - c->in) : c->in_n;
	char *reply;

	c->in_seen = c->in_n;
	/* The last line may lack its newline. */
	if (end == NULL && (!c->eof || c->in_n == 0))
		return 0;
	reply = sock_line_run(s->host, c->in, n, &c->job);
	if (c->job == NULL)
		client_answer(c, reply, now);
	line_take(c, end != NULL ? n + 1 : n);
	return 1;
}

static size_t lines_bytes(const struct sock_server *s)
{
	size_t sum = 0;

	for (int i = 0; i < MAX_CLIENTS; i++)
		sum += s->clients[i].in_capacity;
	return sum;
}

static int client_room(const struct sock_server *s, struct client *c)
{
	size_t capacity = c->in_capacity ? c->in_capacity * 2 : READ_BYTES;
	char *p;

	if (c->in_n < c->in_capacity)
		return 0;
	/* A first block is always given: who asks for the status must be heard. */
	if (c->in_capacity > 0 && lines_bytes(s) + capacity - c->in_capacity > MAX_LINES_BYTES)
		return -ENOBUFS;
	p = realloc(c->in, capacity);
	if (p == NULL)
		return -ENOMEM;
	c->in = p;
	c->in_capacity = capacity;
	return 0;
}

static void line_refuse(struct client *c, const char *why, hd_ns now)
{
	client_answer(c, sock_reply_error(NULL, why), now);
	c->closing = 1;
}

static void client_read(const struct sock_server *s, struct client *c, hd_ns now)
{
	ssize_t n;

	if (c->in_n >= HD_CONTROL_LINE_BYTES) {
		line_refuse(c, "a line of more than 32 MiB", now);
		return;
	}
	if (client_room(s, c) != 0) {
		line_refuse(c, "too much is sent by all clients at once: try again", now);
		return;
	}
	n = recv(c->fd, c->in + c->in_n, c->in_capacity - c->in_n, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		c->closing = 1;
	else if (n == 0)
		c->eof = 1;
	else
		c->in_n += (size_t)n;
	c->active = now;
}

/* Goes on as far as the client's state allows, then waits or closes. */
static void client_go(struct sock_server *s, struct client *c, hd_ns now)
{
	for (int i = 0; i < LINES_A_RUN && !c->closing && c->job == NULL && c->out == NULL; i++)
		if (!client_line(s, c, now))
			break;
	if (c->closing || (c->eof && c->in_n == 0 && c->job == NULL && c->out == NULL)) {
		client_close(c);
		return;
	}
	client_wait(s, c);
}

static void client_event(struct sock_server *s, struct client *c, uint32_t events, hd_ns now)
{
	/* The peer is gone altogether: nobody will read what is left. */
	if ((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLIN)) {
		client_close(c);
		return;
	}
	if (events & EPOLLOUT)
		client_send(c, now);
	if ((events & EPOLLIN) && c->job == NULL && c->out == NULL)
		client_read(s, c, now);
	client_go(s, c, now);
}

/* A free place, or that of the client that has been silent longest. */
static struct client *place_find(struct sock_server *s, hd_ns now)
{
	struct client *oldest = NULL;

	for (int i = 0; i < MAX_CLIENTS; i++) {
		struct client *c = &s->clients[i];

		if (c->fd < 0)
			return c;
		if (c->job == NULL && now - c->active > IDLE_AFTER &&
		    (oldest == NULL || c->active < oldest->active))
			oldest = c;
	}
	if (oldest != NULL)
		client_close(oldest);
	return oldest;
}

static void client_refuse(int fd, const char *why)
{
	char *reply = sock_reply_error(NULL, why);

	if (reply == NULL || send(fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		hd_log(HD_LOG_DEBUG, "ctl", "a client over the limit did not wait for its answer");
	free(reply);
	close(fd);
}

/* A client that nobody takes stays in the queue, and the queue readable. */
static void refuse_without_fd(struct sock_server *s)
{
	int fd;

	close(s->spare_fd);
	fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		client_refuse(fd, "the daemon is out of file descriptors: raise LimitNOFILE or "
				  "ulimit -n, and restart it");
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void client_accept(struct sock_server *s, hd_ns now)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && s->spare_fd >= 0)
		refuse_without_fd(s);
	if (fd < 0)
		return;
	c = place_find(s, now);
	ev.data.ptr = c;
	if (c == NULL || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		client_refuse(fd, "too many clients: each of them waits for an answer or came within the "
				  "last 2 s: try again");
		return;
	}
	*c = (struct client){ .fd = fd, .events = EPOLLIN, .active = now };
}

void sock_server_see(struct sock_server *s, const struct hd_access_record *record)
{
	sock_taps_see(record);
}

void sock_server_run(struct sock_server *s, hd_ns now)
{
	struct epoll_event events[MAX_CLIENTS + 1];
	int n = epoll_wait(s->epoll_fd, events, MAX_CLIENTS + 1, 0);

	/* Clients first: an accept may give a place that is still in `events` to somebody else. */
	for (int i = 0; i < n; i++)
		if (events[i].data.ptr != NULL)
			client_event(s, events[i].data.ptr, events[i].events, now);
	for (int i = 0; i < n; i++)
		if (events[i].data.ptr == NULL)
			client_accept(s, now);
}

/* True when the job had something to send, or is over. */
static int client_job(struct client *c, hd_ns now)
{
	char *reply;
	int done;

	if (c->out != NULL)
		return 1;
	reply = sock_job_poll(c->job, now, &done);
	if (done)
		c->job = NULL;
	if (reply != NULL || done)
		client_answer(c, reply, now);
	return reply != NULL || done;
}

void sock_server_tick(struct sock_server *s, hd_ns now)
{
	sock_jobs_sweep(0);
	for (int i = 0; i < MAX_CLIENTS; i++) {
		struct client *c = &s->clients[i];

		if (c->fd < 0)
			continue;
		if (c->job != NULL) {
			if (!client_job(c, now))
				continue;
		}
		if (c->out != NULL && now - c->active > STUCK_AFTER)
			c->closing = 1;
		client_go(s, c, now);
	}
}
