/* SPDX-License-Identifier: Apache-2.0 */
/* heddlectl's side of the socket, with a daemon of this test at the other. */
#include "ctrl_test.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli_client.h"

static char folder[64], path[96], error[512];
static int listen_fd;
static pthread_t daemon_thread;

static int make(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(folder, "/tmp/heddle-cli-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/ctl.sock", folder);
	strcpy(a.sun_path, path);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return bind(listen_fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(listen_fd, 4) != 0;
}

static int cleanup(void **state)
{
	pthread_join(daemon_thread, NULL);
	close(listen_fd);
	unlink(path);
	return rmdir(folder);
}

/* Reads nothing of what comes, answers and closes. */
static void *refuse(void *answer)
{
	int fd = accept(listen_fd, NULL, NULL);

	if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
		abort();
	close(fd);
	return NULL;
}

/* A request of more than a socket holds, so that sending it fails while the daemon closes. */
static enum cli_exit ask(char *answer)
{
	static char much[4 << 20];
	json_t *result = NULL;
	enum cli_exit code;

	memset(much, 'x', sizeof(much) - 1);
	assert_int_equal(pthread_create(&daemon_thread, NULL, refuse, answer), 0);
	code = cli_request(path, "config apply", json_pack("{s:s}", "content", much), &result,
			   error, sizeof(error));
	json_decref(result);
	return code;
}

static void a_refusal_is_read_though_the_request_was_not_taken(void **state)
{
	static char answer[] =
		"{\"id\":null,\"ok\":false,\"error\":\"a line of more than 32 MiB\"}\n";

	assert_int_equal(ask(answer), CLI_REFUSED);
	assert_string_equal(error, "a line of more than 32 MiB");
}

static void a_daemon_that_only_closes_is_told_so(void **state)
{
	static char nothing[] = "";

	assert_int_equal(ask(nothing), CLI_USAGE);
	assert_non_null(strstr(error, "closed the connection"));
}

static void half_an_answer_is_none(void **state)
{
	static char half[] = "{\"id\":1,\"ok\":true,";

	assert_int_equal(ask(half), CLI_USAGE);
	assert_non_null(strstr(error, "closed the connection"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, cleanup)
	const struct CMUnitTest tests[] = {
		TEST(a_refusal_is_read_though_the_request_was_not_taken),
		TEST(a_daemon_that_only_closes_is_told_so),
		TEST(half_an_answer_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
