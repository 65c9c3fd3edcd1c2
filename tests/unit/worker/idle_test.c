/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "worker_idle.h"

static hd_ns clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (hd_ns)ts.tv_sec * HD_NS_PER_S + (hd_ns)ts.tv_nsec;
}

/* Idle turns until `until`; the processor time that they took. */
static hd_ns idle_until(struct worker_idle *i, hd_ns until)
{
	hd_ns cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID), now;

	while ((now = clock_ns(CLOCK_MONOTONIC)) < until)
		worker_idle_after_turn(i, 0, now, until);
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
}

static void an_idle_worker_uses_under_two_percent_of_its_core(void **state)
{
	struct worker_idle i;
	int pipe_fds[2];

	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(worker_idle_init(&i), 0);
	worker_idle_add_port(&i, pipe_fds, 1);
	assert_true(idle_until(&i, clock_ns(CLOCK_MONOTONIC) + 300 * HD_NS_PER_MS) <
		    6 * HD_NS_PER_MS);
	worker_idle_fini(&i);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void a_busy_worker_never_sleeps(void **state)
{
	struct worker_idle i;
	hd_ns start = clock_ns(CLOCK_MONOTONIC);

	assert_int_equal(worker_idle_init(&i), 0);
	for (hd_ns now = start; now < start + 10 * HD_NS_PER_S; now += HD_NS_PER_MS)
		worker_idle_after_turn(&i, 1, now, HD_NS_NEVER);
	assert_true(clock_ns(CLOCK_MONOTONIC) - start < HD_NS_PER_S);
	worker_idle_fini(&i);
}

static void a_deadline_that_has_come_is_not_slept_over(void **state)
{
	struct worker_idle i;
	hd_ns now = HD_NS_PER_S, start = clock_ns(CLOCK_MONOTONIC);

	assert_int_equal(worker_idle_init(&i), 0);
	for (int k = 0; k < 1000; k++, now += HD_NS_PER_MS)
		worker_idle_after_turn(&i, 0, now, now);
	assert_true(clock_ns(CLOCK_MONOTONIC) - start < 50 * HD_NS_PER_MS);
	worker_idle_fini(&i);
}

/* The longest single sleep with this file readable, or kicked. */
static hd_ns sleep_with(struct worker_idle *i)
{
	hd_ns start = clock_ns(CLOCK_MONOTONIC);

	i->asleep = 0;
	i->idle_since = 1;
	worker_idle_after_turn(i, 0, start, start + 10 * HD_NS_PER_S);
	assert_true(i->asleep);
	worker_idle_after_turn(i, 0, start, start + 10 * HD_NS_PER_S);
	return clock_ns(CLOCK_MONOTONIC) - start;
}

static void a_packet_or_a_kick_ends_the_sleep_at_once(void **state)
{
	struct worker_idle i;
	int pipe_fds[2];

	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(worker_idle_init(&i), 0);
	worker_idle_add_port(&i, pipe_fds, 1);
	i.asleep = 1;
	worker_idle_kick(&i);
	assert_true(sleep_with(&i) < 50 * HD_NS_PER_MS);
	worker_idle_kick(&i);
	assert_true(sleep_with(&i) >= 50 * HD_NS_PER_MS);
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	assert_true(sleep_with(&i) < 50 * HD_NS_PER_MS);
	worker_idle_fini(&i);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static int armed_now, arm_calls;

static void note_arm(void *port, uint32_t queue, int armed)
{
	assert_ptr_equal(port, &armed_now);
	assert_int_equal(queue, 3);
	armed_now = armed;
	arm_calls++;
}

static void interrupt(int fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void a_queue_is_armed_for_the_sleep_alone(void **state)
{
	struct worker_idle i;
	int fd = eventfd(0, EFD_NONBLOCK);

	armed_now = arm_calls = 0;
	assert_int_equal(worker_idle_init(&i), 0);
	worker_idle_add_interrupt(&i, fd, note_arm, &armed_now, 3);
	i.idle_since = 1;
	worker_idle_after_turn(&i, 0, HD_NS_PER_S, HD_NS_NEVER);
	assert_true(armed_now); /* and one more turn before the sleep */
	worker_idle_after_turn(&i, 0, HD_NS_PER_S, HD_NS_NEVER);
	assert_false(armed_now);
	worker_idle_after_turn(&i, 1, HD_NS_PER_S, HD_NS_NEVER);
	assert_int_equal(arm_calls, 2);
	worker_idle_fini(&i);
	close(fd);
}

static void an_interrupt_is_slept_on_for_long_only_once_it_has_come(void **state)
{
	struct worker_idle i;
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(worker_idle_init(&i), 0);
	worker_idle_add_interrupt(&i, fd, note_arm, &armed_now, 3);
	assert_true(sleep_with(&i) < 50 * HD_NS_PER_MS);
	interrupt(fd);
	assert_true(sleep_with(&i) < 50 * HD_NS_PER_MS);
	assert_true(sleep_with(&i) >= 50 * HD_NS_PER_MS);
	interrupt(fd);
	assert_true(sleep_with(&i) < 50 * HD_NS_PER_MS);
	worker_idle_fini(&i);
	close(fd);
}

/* Work after a sleep that nothing ended, time and again: the interrupt does not come any more. */
static void an_interrupt_that_stops_coming_is_relied_upon_no_more(void **state)
{
	struct worker_idle i;
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(worker_idle_init(&i), 0);
	worker_idle_add_interrupt(&i, fd, note_arm, &armed_now, 3);
	interrupt(fd);
	sleep_with(&i);
	for (int k = 0; k < 8; k++) {
		assert_true(sleep_with(&i) >= 50 * HD_NS_PER_MS);
		worker_idle_after_turn(&i, 1, HD_NS_PER_S, HD_NS_NEVER);
	}
	assert_true(sleep_with(&i) < 50 * HD_NS_PER_MS);
	worker_idle_fini(&i);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_worker_uses_under_two_percent_of_its_core),
		cmocka_unit_test(a_busy_worker_never_sleeps),
		cmocka_unit_test(a_deadline_that_has_come_is_not_slept_over),
		cmocka_unit_test(a_queue_is_armed_for_the_sleep_alone),
		cmocka_unit_test(an_interrupt_is_slept_on_for_long_only_once_it_has_come),
		cmocka_unit_test(an_interrupt_that_stops_coming_is_relied_upon_no_more),
		cmocka_unit_test(a_packet_or_a_kick_ends_the_sleep_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
