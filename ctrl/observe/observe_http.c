/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#define MAX_CLIENTS 64
#define CLIENT_TIMEOUT_S 10

struct observe_http {
	struct MHD_Daemon *daemon;
	const struct observe_http_ops *ops;
	void *arg;
	int epoll_fd;
};

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

	/* libmicrohttpd calls once for the head, then for each piece of a body, then for the
	 * answer. */
	if (*state == NULL) {
		*state = &seen;
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
	fd = listen_open(listen);
	if (fd < 0) {
		free(h);
		return fd;
	}
	h->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, h,
				     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				     (unsigned int)MAX_CLIENTS, MHD_OPTION_CONNECTION_TIMEOUT,
				     (unsigned int)CLIENT_TIMEOUT_S, MHD_OPTION_END);
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

void observe_http_run(struct observe_http *h)
{
	MHD_run(h->daemon);
}
