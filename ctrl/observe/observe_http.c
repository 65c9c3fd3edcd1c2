/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

/* One more takes the place of the one that has been idle longest. */
#define MAX_CLIENTS 64
/* libmicrohttpd stops to accept at its own limit: those that are being closed need room. */
#define MAX_ACCEPTED (2 * MAX_CLIENTS)
/* In which nothing moves. */
#define SILENCE_S 10
/* From the connect, or from the end of an answer, to the end of the next head: however slowly its
 * bytes come. */
#define HEAD_WITHIN (10 * HD_NS_PER_S)

struct http_client {
	int fd; /* -1: free */
	int answering;
	hd_ns since; /* when it came, or its last answer ended */
};

struct observe_http {
	struct MHD_Daemon *daemon;
	const struct observe_http_ops *ops;
	void *arg;
	int epoll_fd;
	hd_ns now;
	struct http_client clients[MAX_ACCEPTED];
	uint32_t n_clients; /* that nobody closes */
	struct observe_http_stats stats;
};

/* libmicrohttpd learns of it as of a client that left, and frees the place then. */
static void client_shed(struct observe_http *h, struct http_client *c, uint64_t *count)
{
	shutdown(c->fd, SHUT_RDWR);
	c->fd = -1;
	h->n_clients--;
	++*count;
}

/* Who waits for a head before who takes an answer, then who has been so longest. */
static int idler_than(const struct http_client *a, const struct http_client *b)
{
	return a->answering != b->answering ? !a->answering : a->since < b->since;
}

static struct http_client *idlest(struct observe_http *h)
{
	struct http_client *found = NULL;

	for (uint32_t i = 0; i < MAX_ACCEPTED; i++) {
		struct http_client *c = &h->clients[i];

		if (c->fd >= 0 && (found == NULL || idler_than(c, found)))
			found = c;
	}
	return found;
}

static struct http_client *client_new(struct observe_http *h, int fd)
{
	uint32_t i = 0;

	if (h->n_clients == MAX_CLIENTS)
		client_shed(h, idlest(h), &h->stats.shed);
	while (h->clients[i].fd >= 0)
		i++;
	h->clients[i] = (struct http_client){ .fd = fd, .since = h->now };
	h->n_clients++;
	return &h->clients[i];
}

static int connection_fd(struct MHD_Connection *c)
{
	return MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* NULL: it is being closed. */
static struct http_client *client_of(struct observe_http *h, struct MHD_Connection *c)
{
	int fd = connection_fd(c);

	for (uint32_t i = 0; i < MAX_ACCEPTED; i++)
		if (h->clients[i].fd == fd)
			return &h->clients[i];
	return NULL;
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct observe_http *h = arg;
	struct http_client *client;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		client_new(h, connection_fd(c));
		return;
	}
	client = client_of(h, c);
	if (client == NULL)
		return;
	client->fd = -1;
	h->n_clients--;
}

static void on_answered(void *arg, struct MHD_Connection *c, void **state,
			enum MHD_RequestTerminationCode how)
{
	struct http_client *client = client_of(arg, c);

	if (client == NULL)
		return;
	client->answering = 0;
	client->since = ((struct observe_http *)arg)->now;
}

static enum MHD_Result answer_text(struct MHD_Connection *c, unsigned int status, const char *text,
				   const char *allow)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result rc;

	if (r == NULL)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
	if (allow != NULL)
		MHD_add_response_header(r, "Allow", allow);
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result answer_metrics(struct observe_http *h, struct MHD_Connection *c)
{
	struct observe_text t = { 0 };
	struct MHD_Response *r;
	enum MHD_Result rc;

	h->ops->metrics(h->arg, &t);
	if (t.failed || t.n == 0) {
		observe_text_fini(&t);
		return answer_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n", NULL);
	}
	r = MHD_create_response_from_buffer(t.n, t.p, MHD_RESPMEM_MUST_FREE);
	if (r == NULL) {
		observe_text_fini(&t);
		return MHD_NO;
	}
	MHD_add_response_header(r, "Content-Type",
				"application/openmetrics-text; version=1.0.0; charset=utf-8");
	rc = MHD_queue_response(c, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *body,
			      size_t *body_bytes, void **state)
{
	static int seen;
	struct observe_http *h = arg;
	struct http_client *client = client_of(h, c);

	/* libmicrohttpd calls once for the head, then for each piece of a body, then for the
	 * answer. */
	if (*state == NULL) {
		*state = &seen;
		if (client != NULL)
			client->answering = 1;
		return MHD_YES;
	}
	if (*body_bytes != 0) {
		*body_bytes = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD\n", "GET, HEAD");
	if (strcmp(url, "/metrics") == 0 || strcmp(url, "/stats/prometheus") == 0)
		return answer_metrics(h, c);
	if (strcmp(url, "/healthz") == 0)
		return answer_text(c, MHD_HTTP_OK, "ok\n", NULL);
	if (strcmp(url, "/readyz") == 0 || strcmp(url, "/healthz/ready") == 0)
		return h->ops->ready(h->arg)
			       ? answer_text(c, MHD_HTTP_OK, "ready\n", NULL)
			       : answer_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready\n", NULL);
	return answer_text(c, MHD_HTTP_NOT_FOUND, "here are: /metrics /healthz /readyz\n", NULL);
}

/* Our own socket: libmicrohttpd's would not say why it cannot listen. */
static int listen_open(const struct hd_addr *a)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons(a->port),
				  .sin_addr.s_addr = a->ip.w[3] };
	int is_v4 = hd_ip_is_v4(&a->ip), one = 1, rc;
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(&v6.sin6_addr, a->ip.b, sizeof(a->ip.b));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	rc = is_v4 ? bind(fd, (struct sockaddr *)&v4, sizeof(v4))
		   : bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	if (rc != 0 || listen(fd, MAX_CLIENTS) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int observe_http_open(const struct hd_addr *listen, const struct observe_http_ops *ops, void *arg,
		      struct observe_http **out)
{
	struct observe_http *h = calloc(1, sizeof(*h));
	const union MHD_DaemonInfo *info;
	int fd;

	if (h == NULL)
		return -ENOMEM;
	h->ops = ops;
	h->arg = arg;
	for (uint32_t i = 0; i < MAX_ACCEPTED; i++)
		h->clients[i].fd = -1;
	fd = listen_open(listen);
	if (fd < 0) {
		free(h);
		return fd;
	}
	h->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, h,
				     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				     (unsigned int)MAX_ACCEPTED, MHD_OPTION_CONNECTION_TIMEOUT,
				     (unsigned int)SILENCE_S, MHD_OPTION_NOTIFY_CONNECTION,
				     on_connection, h, MHD_OPTION_NOTIFY_COMPLETED, on_answered, h,
				     MHD_OPTION_END);
	info = h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (info == NULL) {
		close(fd);
		free(h);
		return -ENOMEM;
	}
	h->epoll_fd = info->epoll_fd;
	*out = h;
	return 0;
}

void observe_http_close(struct observe_http *h)
{
	if (h == NULL)
		return;
	MHD_stop_daemon(h->daemon);
	free(h);
}

int observe_http_fd(const struct observe_http *h)
{
	return h->epoll_fd;
}

void observe_http_run(struct observe_http *h, hd_ns now)
{
	h->now = now;
	for (uint32_t i = 0; i < MAX_ACCEPTED; i++) {
		struct http_client *c = &h->clients[i];

		if (c->fd >= 0 && !c->answering && now - c->since > HEAD_WITHIN)
			client_shed(h, c, &h->stats.late);
	}
	MHD_run(h->daemon);
}

void observe_http_stats(const struct observe_http *h, struct observe_http_stats *out)
{
	*out = h->stats;
}
