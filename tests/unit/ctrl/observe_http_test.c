/* SPDX-License-Identifier: Apache-2.0 */
/* The endpoint of metrics over real sockets of the loopback. */
#include "ctrl_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <heddle/log.h>

#include "observe_http.h"

void hd_log(enum hd_log_level level, const char *area, const char *format, ...)
{
}

static struct observe_http *http;
static struct sockaddr_in at = { .sin_family = AF_INET };
static hd_ns now;
static char got[4096];

static int ready(void *arg)
{
	return 1;
}

static void metrics(void *arg, struct observe_text *t)
{
	observe_text_addf(t, "# EOF\n");
}

static const struct observe_http_ops ops = { .ready = ready, .metrics = metrics };

/* A port that nobody has now. */
static uint16_t port_free(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static int make(void **state)
{
	struct hd_addr a = { .port = port_free() };

	hd_ip_parse("127.0.0.1", &a.ip);
	at.sin_port = htons(a.port);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	now = HD_NS_PER_S;
	return observe_http_open(&a, &ops, NULL, &http);
}

static int cleanup(void **state)
{
	observe_http_close(http);
	return 0;
}

static int client(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 || errno == EINPROGRESS);
	observe_http_run(http, now);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	observe_http_run(http, now);
}

/* What comes, "closed", or "" when nothing does for a while. */
static const char *hear(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	ssize_t n;

	for (int i = 0; i < 20; i++) {
		observe_http_run(http, now);
		if (poll(&readable, 1, 5) > 0)
			break;
	}
	n = recv(fd, got, sizeof(got) - 1, 0);
	got[n > 0 ? n : 0] = '\0';
	return n == 0 || (n < 0 && errno != EAGAIN) ? "closed" : got;
}

#define HEALTHZ "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

static void a_client_that_asks_is_answered(void **state)
{
	int fd = client();

	for (int i = 0; i < 3; i++) {
		say(fd, HEALTHZ);
		assert_non_null(strstr(hear(fd), "200 OK"));
	}
	close(fd);
}

static void idle_clients_make_place_for_one_that_asks(void **state)
{
	struct observe_http_stats st;
	int fds[300], fd;

	for (int i = 0; i < 300; i++) {
		now++;
		fds[i] = client();
	}
	fd = client();
	say(fd, HEALTHZ);
	assert_non_null(strstr(hear(fd), "200 OK"));
	assert_string_equal(hear(fds[0]), "closed");
	assert_string_equal(hear(fds[299]), "");
	observe_http_stats(http, &st);
	assert_int_equal(st.shed, 300 + 1 - 64);
	close(fd);
	for (int i = 0; i < 300; i++)
		close(fds[i]);
}

static void a_client_that_asks_now_and_then_outlives_idle_ones(void **state)
{
	int fds[200], fd = client();

	for (int i = 0; i < 200; i++) {
		now += HD_NS_PER_MS;
		fds[i] = client();
		if (i % 20 == 0) {
			say(fd, HEALTHZ);
			assert_non_null(strstr(hear(fd), "200 OK"));
		}
	}
	say(fd, HEALTHZ);
	assert_non_null(strstr(hear(fd), "200 OK"));
	close(fd);
	for (int i = 0; i < 200; i++)
		close(fds[i]);
}

static void a_head_that_drips_has_a_deadline(void **state)
{
	struct observe_http_stats st;
	int fd = client();

	say(fd, "GET /healthz HTTP/1.1\r\n");
	for (int i = 0; i < 10; i++) {
		now += HD_NS_PER_S;
		say(fd, "x: y\r\n");
	}
	now += HD_NS_PER_S;
	assert_string_equal(hear(fd), "closed");
	observe_http_stats(http, &st);
	assert_int_equal(st.late, 1);
	close(fd);
}

static void a_client_that_leaves_gives_its_place_back(void **state)
{
	struct observe_http_stats st;

	for (int i = 0; i < 300; i++) {
		int fd = client();

		close(fd);
		for (int k = 0; k < 3; k++)
			observe_http_run(http, now);
	}
	observe_http_stats(http, &st);
	assert_int_equal(st.shed, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, cleanup)
	const struct CMUnitTest tests[] = {
		TEST(a_client_that_asks_is_answered),
		TEST(idle_clients_make_place_for_one_that_asks),
		TEST(a_client_that_asks_now_and_then_outlives_idle_ones),
		TEST(a_head_that_drips_has_a_deadline),
		TEST(a_client_that_leaves_gives_its_place_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
