/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that hangs ends the process; one that sleeps, or that the machine did not run, does not.
 */
#include "ctrl_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon_watchdog.h"
#include "fake_dp.h"

#define TICK (50 * HD_NS_PER_MS)

static struct hd_dp *dp;
static struct watchdog w;

static hd_ns clock_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (hd_ns)t.tv_sec * HD_NS_PER_S + (hd_ns)t.tv_nsec;
}

/* As EAL names the thread of lcore 1. */
static void *spin(void *arg)
{
	pthread_setname_np(pthread_self(), "rte-worker-1");
	atomic_store((atomic_int *)arg, 1);
	while (atomic_load((atomic_int *)arg) == 1)
		;
	return NULL;
}

static void *nap(void *arg)
{
	pthread_setname_np(pthread_self(), "rte-worker-1");
	atomic_store((atomic_int *)arg, 1);
	pause();
	return NULL;
}

static atomic_int state_of_thread;

static void worker_start(void *(*body)(void *))
{
	pthread_t thread;

	dp = fake_dp_create(1);
	atomic_store(&state_of_thread, 0);
	assert_int_equal(pthread_create(&thread, NULL, body, &state_of_thread), 0);
	while (atomic_load(&state_of_thread) == 0)
		;
	watchdog_init(&w, dp, 0);
}

static void wait_until_blocked(int tid)
{
	char path[64], state = 'R';

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	while (state != 'S') {
		FILE *f = fopen(path, "r");

		assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
		fclose(f);
	}
}

static char said[4096]; /* by the last child */

/* In a child, since the verdict is an abort: the signal that ended it, 0 for none. */
static int child_signal(void (*body)(void))
{
	const struct rlimit no_core = { 0 };
	int status, out[2];
	pid_t pid;
	FILE *f;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(out[1], STDERR_FILENO);
		body();
		_exit(0);
	}
	close(out[1]);
	f = fdopen(out[0], "r");
	said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
	fclose(f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void look_while_it_spins(void)
{
	hd_ns cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);

	worker_start(spin);
	/* Enough of the processor for anybody's patience, however busy the machine is. */
	for (hd_ns now = TICK; clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu < 10 * HD_NS_PER_S;
	     now += TICK)
		watchdog_look(&w, now);
}

/* Idle: it sleeps nearly all the time, and turns ten times a second. */
static void look_while_it_sleeps(void)
{
	worker_start(nap);
	for (hd_ns now = TICK; now < 60 * HD_NS_PER_S; now += TICK) {
		if (now % (100 * HD_NS_PER_MS) == 0)
			fake_dp_turn(dp, 0, 0);
		watchdog_look(&w, now);
	}
}

/* The process has no descriptor left to look at anything with. */
static void descriptors_take(void)
{
	struct rlimit none;

	getrlimit(RLIMIT_NOFILE, &none);
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
}

static void look_without_descriptors(void)
{
	worker_start(nap);
	for (hd_ns now = TICK; now < 60 * HD_NS_PER_S; now += TICK) {
		if (now % (200 * HD_NS_PER_MS) == 0)
			fake_dp_turn(dp, 0, 0);
		if (now == HD_NS_PER_S + 2 * TICK)
			descriptors_take();
		watchdog_look(&w, now);
	}
}

static void look_while_it_spins_without_descriptors(void)
{
	hd_ns cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);

	worker_start(spin);
	descriptors_take();
	for (hd_ns now = TICK; clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu < 10 * HD_NS_PER_S;
	     now += TICK)
		watchdog_look(&w, now);
}

static void look_while_it_is_blocked(void)
{
	worker_start(nap);
	wait_until_blocked(w.workers[0].tid);
	hd_stage(&fake_dp_worker(dp, 0)->stats, HD_STAGE_TRANSMIT);
	for (hd_ns now = TICK; now < HD_NS_PER_S; now += TICK)
		watchdog_look(&w, now);
}

static void look_while_it_turns(void)
{
	hd_ns cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);

	worker_start(spin);
	for (hd_ns now = TICK; clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu < 2 * HD_NS_PER_S;
	     now += TICK) {
		fake_dp_turn(dp, 0, 0);
		watchdog_look(&w, now);
	}
}

static void look_after_the_whole_process_was_stopped(void)
{
	worker_start(nap);
	for (hd_ns now = TICK; now < 300 * HD_NS_PER_S; now += 3 * HD_NS_PER_S)
		watchdog_look(&w, now);
}

static void a_worker_lost_in_a_loop_ends_the_process(void **state)
{
	assert_int_equal(child_signal(look_while_it_spins), SIGABRT);
	assert_non_null(strstr(said, "burns its core, last seen between turns"));
}

static void a_worker_that_sleeps_is_left_alone(void **state)
{
	assert_int_equal(child_signal(look_while_it_sleeps), 0);
}

static void a_process_without_descriptors_is_looked_at_as_ever(void **state)
{
	assert_int_equal(child_signal(look_without_descriptors), 0);
	assert_int_equal(child_signal(look_while_it_spins_without_descriptors), SIGABRT);
}

static void a_blocked_worker_ends_the_process_within_a_second(void **state)
{
	assert_int_equal(child_signal(look_while_it_is_blocked), SIGABRT);
	assert_non_null(strstr(said, "lcore 1 has not ended a turn for 8"));
	assert_non_null(strstr(said, "is blocked, last seen transmitting"));
}

static void a_worker_that_turns_is_left_alone(void **state)
{
	assert_int_equal(child_signal(look_while_it_turns), 0);
}

static void a_stopped_machine_is_no_fault_of_the_worker(void **state)
{
	assert_int_equal(child_signal(look_after_the_whole_process_was_stopped), 0);
}

static void rates_are_of_the_last_second(void **state)
{
	struct hd_worker_stats *s;

	dp = fake_dp_create(1);
	s = &fake_dp_worker(dp, 0)->stats;
	s->busy_cycles = 1000;
	watchdog_init(&w, dp, HD_NS_PER_S);
	s->busy_cycles += hd_dp_tsc_hz(dp) / 4;
	s->requests += 300;
	watchdog_rate(&w, 2 * HD_NS_PER_S);
	assert_true(w.workers[0].busy > 0.249 && w.workers[0].busy < 0.251);
	assert_true(w.workers[0].requests_per_second == 300);
	fake_dp_destroy(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_lost_in_a_loop_ends_the_process),
		cmocka_unit_test(a_worker_that_sleeps_is_left_alone),
		cmocka_unit_test(a_process_without_descriptors_is_looked_at_as_ever),
		cmocka_unit_test(a_blocked_worker_ends_the_process_within_a_second),
		cmocka_unit_test(a_worker_that_turns_is_left_alone),
		cmocka_unit_test(a_stopped_machine_is_no_fault_of_the_worker),
		cmocka_unit_test(rates_are_of_the_last_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
