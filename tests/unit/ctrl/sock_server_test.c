/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket over a real Unix socket: clients of every kind. */
#include "ctrl_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <heddle/log.h>

#include "fake_host.h"
#include "sock_server.h"

void hd_log(enum hd_log_level level, const char *area, const char *format, ...)
{
}

static struct fake_host *h;
static struct sock_server *server;
static char folder[64], path[96], error[512];
static hd_ns now;

static int make(void **state)
{
	strcpy(folder, "/tmp/heddle-sock-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/ctl.sock", folder);
	now = HD_NS_PER_S;
	h = fake_host_create(1);
	return sock_server_open(path, &h->host, &server, error, sizeof(error));
}

static int cleanup(void **state)
{
	sock_server_close(server);
	fake_host_destroy(h);
	unlink(path);
	return rmdir(folder);
}

static int client(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	sock_server_run(server, now);
	return fd;
}

static void turn(void)
{
	sock_server_run(server, now);
	fake_dp_turn(h->dp, 0, 2);
	sock_server_tick(server, now);
	sock_server_run(server, now);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turn();
}

static char got[65536];

static const char *hear(int fd)
{
	ssize_t n;

	for (int i = 0; i < 4; i++)
		turn();
	n = recv(fd, got, sizeof(got) - 1, 0);
	got[n > 0 ? n : 0] = '\0';
	return n == 0 ? "closed" : got;
}

static void the_socket_is_for_its_owner_alone(void **state)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void lines_are_answered_in_order(void **state)
{
	int fd = client();

	say(fd, "{\"id\":1,\"command\":\"drain\"}\n{\"id\":2,\"command\":\"show connections\"}\n"
		"\n  \r\n{\"id\":3,\"command\":\"drain\"}\n");
	hear(fd);
	assert_non_null(strstr(got, "\"id\":1"));
	assert_true(strstr(got, "\"id\":1") < strstr(got, "\"id\":2"));
	assert_true(strstr(got, "\"id\":2") < strstr(got, "\"id\":3"));
	close(fd);
}

static void a_line_may_come_byte_by_byte(void **state)
{
	static const char line[] = "{\"id\":9,\"command\":\"drain\"}\n";
	int fd = client();

	for (const char *p = line; *p != '\0'; p++)
		say(fd, (char[]){ *p, '\0' });
	assert_non_null(strstr(hear(fd), "\"id\":9"));
	close(fd);
}

static void the_last_line_may_lack_its_newline(void **state)
{
	int fd = client();

	say(fd, "{\"id\":4,\"command\":\"drain\"}");
	shutdown(fd, SHUT_WR);
	assert_non_null(strstr(hear(fd), "\"id\":4"));
	assert_string_equal(hear(fd), "closed");
	close(fd);
}

static void a_client_that_leaves_while_workers_answer_harms_nothing(void **state)
{
	int fd = client();

	assert_true(send(fd, "{\"command\":\"show connections\"}\n", 31, 0) == 31);
	sock_server_run(server, now);
	close(fd);
	for (int i = 0; i < 3; i++)
		turn();
	fd = client();
	say(fd, "{\"id\":5,\"command\":\"drain\"}\n");
	assert_non_null(strstr(hear(fd), "\"id\":5"));
	close(fd);
}

static void a_client_that_never_reads_is_closed_in_the_end(void **state)
{
	int fd = client(), other;
	ssize_t n;

	for (int i = 0; i < 5000; i++) {
		if (send(fd, "{\"command\":\"help\"}\n", 19, MSG_NOSIGNAL) != 19)
			break;
		sock_server_run(server, now);
	}
	other = client();
	say(other, "{\"id\":6,\"command\":\"drain\"}\n");
	assert_non_null(strstr(hear(other), "\"id\":6"));
	now += 40 * HD_NS_PER_S;
	turn();
	while ((n = recv(fd, got, sizeof(got), 0)) > 0)
		;
	assert_true(n == 0 || errno == ECONNRESET);
	close(fd);
	close(other);
}

static void the_longest_silent_client_makes_place(void **state)
{
	int fds[64], late;

	for (int i = 0; i < 64; i++)
		fds[i] = client();
	late = client();
	assert_non_null(strstr(hear(late), "too many clients"));
	close(late);
	now += 3 * HD_NS_PER_S;
	say(fds[0], "{\"id\":1,\"command\":\"drain\"}\n");
	assert_non_null(strstr(hear(fds[0]), "\"id\":1"));
	late = client();
	say(late, "{\"id\":7,\"command\":\"drain\"}\n");
	assert_non_null(strstr(hear(late), "\"id\":7"));
	say(fds[0], "{\"id\":8,\"command\":\"drain\"}\n");
	assert_non_null(strstr(hear(fds[0]), "\"id\":8"));
	assert_string_equal(hear(fds[1]), "closed");
	close(late);
	for (int i = 0; i < 64; i++)
		close(fds[i]);
}

static void followers_leave_places_for_short_commands(void **state)
{
	int fds[64], n = 0, late;

	for (; n < 64; n++) {
		fds[n] = client();
		say(fds[n], "{\"id\":1,\"command\":\"tap\"}\n");
		if (strstr(hear(fds[n]), "already follow") != NULL)
			break;
	}
	assert_int_equal(n, 32);
	now += 3 * HD_NS_PER_S;
	for (int i = 0; i < 100; i++) {
		late = client();
		say(late, "{\"id\":7,\"command\":\"drain\"}\n");
		assert_non_null(strstr(hear(late), "\"id\":7"));
		close(late);
	}
	close(fds[0]);
	turn();
	say(fds[32], "{\"id\":1,\"command\":\"tap\"}\n");
	assert_string_equal(hear(fds[32]), "");
	for (int i = 1; i <= 32; i++)
		close(fds[i]);
}

static void others_are_answered_while_a_load_runs(void **state)
{
	int fd = client(), other = client(), gone = client();

	h->hold = 1;
	say(gone, "{\"id\":3,\"command\":\"config reload\"}\n");
	close(gone);
	turn();
	fake_host_release(h, 0);
	say(fd, "{\"id\":1,\"command\":\"config rollback\"}\n");
	assert_string_equal(hear(fd), "");
	say(other, "{\"id\":2,\"command\":\"drain\"}\n");
	assert_non_null(strstr(hear(other), "\"id\":2"));
	fake_host_release(h, -ENOENT);
	assert_non_null(strstr(hear(fd), "\"id\":1"));
	assert_non_null(strstr(got, "no generation before"));
	say(fd, "{\"id\":4,\"command\":\"config reload\"}\n");
	fake_host_release(h, 0);
	assert_non_null(strstr(hear(fd), "\"generation\":7"));
	close(fd);
	close(other);
}

static void a_line_without_end_is_refused(void **state)
{
	static char much[1 << 20];
	int fd = client();
	const char *answer = "";

	memset(much, 'x', sizeof(much));
	for (int i = 0; i < 2000 && *answer == '\0'; i++) {
		ssize_t n = send(fd, much, sizeof(much), MSG_NOSIGNAL);
		sock_server_run(server, now);
		if (n < 0 && errno == EPIPE)
			break;
		n = recv(fd, got, sizeof(got) - 1, 0);
		if (n > 0) {
			got[n] = '\0';
			answer = got;
		}
	}
	assert_non_null(strstr(answer, "32 MiB"));
	close(fd);
}

/* Sends so much of a line that does not end, or until there is an answer. */
static const char *say_much(int fd, size_t mib)
{
	static char much[1 << 20];
	size_t sent = 0;

	memset(much, 'x', sizeof(much));
	got[0] = '\0';
	while (sent < mib << 20 && got[0] == '\0') {
		ssize_t n = send(fd, much, sizeof(much), MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		sock_server_run(server, now);
		n = recv(fd, got, sizeof(got) - 1, 0);
		got[n > 0 ? n : 0] = '\0';
	}
	return got;
}

static void lines_of_all_clients_together_are_bounded(void **state)
{
	int fds[8], fd, refused = 0;

	for (int i = 0; i < 8; i++) {
		fds[i] = client();
		refused += strstr(say_much(fds[i], 20), "at once") != NULL;
	}
	assert_true(refused >= 4);
	fd = client();
	say(fd, "{\"id\":1,\"command\":\"drain\"}\n");
	assert_non_null(strstr(hear(fd), "\"ok\":true"));
	close(fd);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	turn();
	fd = client();
	assert_string_equal(say_much(fd, 20), "");
	close(fd);
}

static void without_a_file_descriptor_a_client_is_told_so(void **state)
{
	struct rlimit old, none;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), again;

	strcpy(a.sun_path, path);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_non_null(strstr(hear(fd), "out of file descriptors"));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	again = client();
	say(again, "{\"id\":1,\"command\":\"drain\"}\n");
	assert_non_null(strstr(hear(again), "\"ok\":true"));
	close(fd);
	close(again);
}

static void a_taken_path_is_refused_and_a_stale_one_replaced(void **state)
{
	struct sock_server *second;

	assert_int_equal(sock_server_open(path, &h->host, &second, error, sizeof(error)),
			 -EADDRINUSE);
	assert_non_null(strstr(error, "another daemon answers"));
	/* As a daemon that was killed leaves it. */
	assert_int_equal(rename(path, "/tmp/heddle-sock-stale"), 0);
	sock_server_close(server);
	assert_int_equal(rename("/tmp/heddle-sock-stale", path), 0);
	assert_int_equal(sock_server_open(path, &h->host, &server, error, sizeof(error)), 0);
}

static void a_file_in_the_way_is_not_removed(void **state)
{
	struct sock_server *second;
	char file[128];
	FILE *f;

	snprintf(file, sizeof(file), "%s/file", folder);
	f = fopen(file, "w");
	fclose(f);
	assert_int_equal(sock_server_open(file, &h->host, &second, error, sizeof(error)), -EEXIST);
	assert_int_equal(access(file, F_OK), 0);
	unlink(file);
}

static void a_socket_of_something_else_is_not_removed(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct sock_server *second;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/datagrams", folder);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(sock_server_open(a.sun_path, &h->host, &second, error, sizeof(error)),
			 -EPROTOTYPE);
	assert_non_null(strstr(error, "belongs to something else"));
	assert_int_equal(access(a.sun_path, F_OK), 0);
	close(fd);
	unlink(a.sun_path);
}

static void a_path_that_cannot_be_is_explained(void **state)
{
	char too_long[200];
	struct sock_server *second;

	memset(too_long, 'a', sizeof(too_long));
	too_long[0] = '/';
	too_long[199] = '\0';
	assert_int_equal(sock_server_open(too_long, &h->host, &second, error, sizeof(error)),
			 -ENAMETOOLONG);
	assert_int_equal(
		sock_server_open("/nowhere/x.sock", &h->host, &second, error, sizeof(error)),
		-ENOENT);
	assert_non_null(strstr(error, "folder"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, cleanup)
	const struct CMUnitTest tests[] = {
		TEST(the_socket_is_for_its_owner_alone),
		TEST(lines_are_answered_in_order),
		TEST(a_line_may_come_byte_by_byte),
		TEST(the_last_line_may_lack_its_newline),
		TEST(a_client_that_leaves_while_workers_answer_harms_nothing),
		TEST(a_client_that_never_reads_is_closed_in_the_end),
		TEST(the_longest_silent_client_makes_place),
		TEST(followers_leave_places_for_short_commands),
		TEST(others_are_answered_while_a_load_runs),
		TEST(a_line_without_end_is_refused),
		TEST(lines_of_all_clients_together_are_bounded),
		TEST(without_a_file_descriptor_a_client_is_told_so),
		TEST(a_taken_path_is_refused_and_a_stale_one_replaced),
		TEST(a_file_in_the_way_is_not_removed),
		TEST(a_socket_of_something_else_is_not_removed),
		TEST(a_path_that_cannot_be_is_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
