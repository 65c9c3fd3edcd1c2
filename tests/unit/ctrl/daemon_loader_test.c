/* SPDX-License-Identifier: Apache-2.0 */
#include "ctrl_test.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>

#include "daemon_loader.h"
#include "daemon_loop.h"

static struct loader *l;
static int count;
static sem_t go;

static int make(void **state)
{
	count = 0;
	sem_init(&go, 0, 0);
	return loader_create(&l);
}

static void count_up(void *arg)
{
	count++;
}

static void wait_for_go(void *arg)
{
	sem_wait(&go);
	count++;
}

static int is_readable(int wait_ms)
{
	struct pollfd p = { .fd = loader_fd(l), .events = POLLIN };

	return poll(&p, 1, wait_ms);
}

static void each_job_is_told_of_once(void **state)
{
	for (int i = 1; i <= 1000; i++) {
		assert_int_equal(loader_take(l), 0);
		loader_start(l, count_up, NULL);
		assert_int_equal(is_readable(-1), 1);
		assert_int_equal(loader_take(l), 1);
		assert_int_equal(count, i);
	}
	assert_int_equal(is_readable(0), 0);
	assert_int_equal(loader_destroy(l, 0), 0);
}

static void the_starter_does_not_wait_for_the_job(void **state)
{
	loader_start(l, wait_for_go, NULL);
	assert_int_equal(is_readable(20), 0);
	sem_post(&go);
	assert_int_equal(is_readable(-1), 1);
	assert_int_equal(loader_destroy(l, 0), 0);
}

static void an_end_waits_for_a_job_that_ends(void **state)
{
	loader_start(l, wait_for_go, NULL);
	sem_post(&go);
	assert_int_equal(loader_destroy(l, 10 * HD_NS_PER_S), 0);
}

static void a_job_that_hangs_is_left_behind(void **state)
{
	hd_ns start = loop_now();

	loader_start(l, wait_for_go, NULL);
	assert_int_equal(is_readable(20), 0);
	assert_int_equal(loader_destroy(l, 50 * HD_NS_PER_MS), -EBUSY);
	assert_true(loop_now() - start < 5 * HD_NS_PER_S);
	/* Its thread ends by itself later, and what it has stays. */
	sem_post(&go);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, make)
	const struct CMUnitTest tests[] = {
		TEST(each_job_is_told_of_once),
		TEST(the_starter_does_not_wait_for_the_job),
		TEST(an_end_waits_for_a_job_that_ends),
		TEST(a_job_that_hangs_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
