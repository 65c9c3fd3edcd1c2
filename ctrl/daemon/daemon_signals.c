/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon_loop.h"

/* So many SIGTERM and SIGINT end the process whatever the loop does. */
#define ENOUGH 3

struct signals {
	struct signals_patience patience;
	pthread_t thread;
	sigset_t set;
	int fds[2]; /* a byte a signal; [0] is the loop's */
	atomic_int closing;
	atomic_uint taken;  /* of SIGTERM and SIGINT; written by the loop */
	unsigned int asked; /* of them; the thread's own, as is the rest */
	hd_ns deadline;	    /* HD_NS_NEVER: nothing is waited for */
};

static int is_termination(int signo)
{
	return signo == SIGTERM || signo == SIGINT;
}

/* Not by hd_log: whoever hangs may hold its lock. A standard error that does not take the line must
 * not keep us either. */
_Noreturn static void process_end(const char *why)
{
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[256];
	int n = snprintf(line, sizeof(line), "heddle: %s: ending the process\n", why);

	if (poll(&ready, 1, 0) > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		_exit(SIGNALS_EXIT_HUNG);
	_exit(SIGNALS_EXIT_HUNG);
}

static void termination_count(struct signals *s)
{
	s->asked++;
	if (s->asked >= ENOUGH)
		process_end("SIGTERM or SIGINT for the third time");
	s->deadline = loop_now() + (s->asked == 1 ? s->patience.first : s->patience.again);
}

static void deadline_look(struct signals *s)
{
	if (s->deadline == HD_NS_NEVER || loop_now() < s->deadline)
		return;
	if (atomic_load(&s->taken) < s->asked)
		process_end(s->asked == 1 ? "the control thread does not answer SIGTERM"
					  : "the control thread does not answer a second SIGTERM");
	s->deadline = HD_NS_NEVER;
}

/* The next signal; 0: the deadline came first, or nothing at all. */
static int signal_wait(struct signals *s)
{
	hd_ns now = loop_now(), left = s->deadline > now ? s->deadline - now : 0;
	const struct timespec wait = { .tv_sec = (time_t)(left / HD_NS_PER_S),
				       .tv_nsec = (long)(left % HD_NS_PER_S) };
	int signo = sigtimedwait(&s->set, NULL, s->deadline == HD_NS_NEVER ? NULL : &wait);

	return signo > 0 ? signo : 0;
}

static void *signals_run(void *arg)
{
	struct signals *s = arg;

	while (!atomic_load(&s->closing)) {
		int signo = signal_wait(s);
		uint8_t byte = (uint8_t)signo;

		if (signo != 0 && write(s->fds[1], &byte, 1) < 0 && errno != EAGAIN)
			process_end("signals cannot be handed on");
		if (is_termination(signo))
			termination_count(s);
		deadline_look(s);
	}
	return NULL;
}

static int thread_start(struct signals *s)
{
	sigset_t before;
	int rc;

	sigemptyset(&s->set);
	sigaddset(&s->set, SIGTERM);
	sigaddset(&s->set, SIGINT);
	sigaddset(&s->set, SIGHUP);
	sigaddset(&s->set, SIGUSR1);
	rc = pthread_sigmask(SIG_BLOCK, &s->set, &before);
	if (rc != 0)
		return -rc;
	rc = pthread_create(&s->thread, NULL, signals_run, s);
	if (rc != 0)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	else
		pthread_setname_np(s->thread, "hd-signals");
	return -rc;
}

int signals_open(const struct signals_patience *patience, struct signals **out)
{
	struct signals *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->patience = *patience;
	s->deadline = HD_NS_NEVER;
	rc = pipe2(s->fds, O_CLOEXEC | O_NONBLOCK) != 0 ? -errno : 0;
	if (rc != 0)
		goto free_signals;
	rc = thread_start(s);
	if (rc != 0)
		goto close_pipe;
	*out = s;
	return 0;

close_pipe:
	close(s->fds[0]);
	close(s->fds[1]);
free_signals:
	free(s);
	return rc;
}

void signals_close(struct signals *s)
{
	if (s == NULL)
		return;
	atomic_store(&s->closing, 1);
	pthread_kill(s->thread, SIGUSR1);
	pthread_join(s->thread, NULL);
	close(s->fds[0]);
	close(s->fds[1]);
	free(s);
}

int signals_fd(const struct signals *s)
{
	return s->fds[0];
}

int signals_take(struct signals *s)
{
	uint8_t byte;

	if (read(s->fds[0], &byte, 1) != 1)
		return 0;
	if (is_termination(byte))
		atomic_fetch_add(&s->taken, 1);
	return byte;
}
