/* SPDX-License-Identifier: Apache-2.0 */
/* Signals with a loop that answers, and with one that hangs: each in a process of its own. */
#include "ctrl_test.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon_loop.h"
#include "daemon_signals.h"

static const struct signals_patience patience = { .first = 400 * HD_NS_PER_MS,
						  .again = 200 * HD_NS_PER_MS };
static char said[4096];
static int stderr_of_child;

/* A control thread that takes signals until the second SIGTERM, and says what it took. */
static void answer(struct signals *s)
{
	struct pollfd ready = { .fd = signals_fd(s), .events = POLLIN };
	int terminations = 0, signo;

	while (terminations < 2 && poll(&ready, 1, -1) > 0) {
		while ((signo = signals_take(s)) != 0) {
			dprintf(STDERR_FILENO, "took %d\n", signo);
			terminations += signo == SIGTERM || signo == SIGINT;
		}
	}
}

/* Takes none; says when two came. */
static void hang(struct signals *s)
{
	int n = 0;

	while (ioctl(signals_fd(s), FIONREAD, &n) == 0 && n < 2)
		sched_yield();
	dprintf(STDERR_FILENO, "2");
	poll(NULL, 0, -1);
}

static pid_t child_start(void (*control)(struct signals *s))
{
	int out[2];
	char ready;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct signals *s;

		dup2(out[1], STDERR_FILENO);
		if (signals_open(&patience, &s) != 0)
			_exit(99);
		if (write(STDERR_FILENO, ".", 1) != 1)
			_exit(98);
		control(s);
		signals_close(s);
		_exit(0);
	}
	close(out[1]);
	stderr_of_child = out[0];
	assert_int_equal(read(out[0], &ready, 1), 1);
	return pid;
}

/* Its exit code; what it said is in said. */
static int child_end(pid_t pid)
{
	size_t n = 0;
	ssize_t got;
	int status;

	while ((got = read(stderr_of_child, said + n, sizeof(said) - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = '\0';
	close(stderr_of_child);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect(const char *text)
{
	char got[64];
	ssize_t n = read(stderr_of_child, got, sizeof(got) - 1);

	got[n > 0 ? n : 0] = '\0';
	assert_string_equal(got, text);
}

static void a_loop_takes_signals_in_order(void **state)
{
	struct pollfd says = { .events = POLLIN };
	pid_t pid = child_start(answer);

	kill(pid, SIGHUP);
	expect("took 1\n");
	kill(pid, SIGTERM);
	expect("took 15\n");
	/* It was taken: more time than the patience brings nothing. */
	says.fd = stderr_of_child;
	assert_int_equal(poll(&says, 1, 600), 0);
	kill(pid, SIGINT);
	assert_int_equal(child_end(pid), 0);
	assert_string_equal(said, "took 2\n");
}

static void one_sigterm_ends_a_process_that_hangs(void **state)
{
	hd_ns start = loop_now();
	pid_t pid = child_start(hang);

	kill(pid, SIGTERM);
	assert_int_equal(child_end(pid), SIGNALS_EXIT_HUNG);
	assert_true(loop_now() - start >= patience.first);
	assert_non_null(strstr(said, "does not answer SIGTERM"));
}

static void a_second_sigterm_ends_it_sooner(void **state)
{
	pid_t pid = child_start(hang);

	kill(pid, SIGTERM);
	kill(pid, SIGINT);
	assert_int_equal(child_end(pid), SIGNALS_EXIT_HUNG);
	assert_non_null(strstr(said, "second SIGTERM"));
}

static void a_third_ends_it_at_once(void **state)
{
	pid_t pid = child_start(hang);

	kill(pid, SIGTERM);
	kill(pid, SIGINT);
	expect("2");
	kill(pid, SIGTERM);
	assert_int_equal(child_end(pid), SIGNALS_EXIT_HUNG);
	assert_non_null(strstr(said, "third time"));
}

static void many_sighups_that_nobody_takes_do_not_wait_for_it(void **state)
{
	pid_t pid = child_start(hang);

	for (int i = 0; i < 100000; i++)
		kill(pid, i % 2 ? SIGHUP : SIGUSR1);
	kill(pid, SIGTERM);
	assert_int_equal(child_end(pid), SIGNALS_EXIT_HUNG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_takes_signals_in_order),
		cmocka_unit_test(one_sigterm_ends_a_process_that_hangs),
		cmocka_unit_test(a_second_sigterm_ends_it_sooner),
		cmocka_unit_test(a_third_ends_it_at_once),
		cmocka_unit_test(many_sighups_that_nobody_takes_do_not_wait_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
