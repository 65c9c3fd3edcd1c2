/* SPDX-License-Identifier: Apache-2.0 */
#include "ctrl_test.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon_loop.h"

static struct loop l;
static unsigned int ticks, calls;

static unsigned int tick(void *arg)
{
	if (++ticks == 4)
		loop_stop(&l);
	return 10;
}

static void ignore(void *arg)
{
	calls++;
}

/* As an accept without a file descriptor left. */
static void what_nobody_takes_from_its_source_does_not_burn_the_processor(void **state)
{
	struct loop_source s = { eventfd(1, EFD_CLOEXEC), ignore, NULL };

	assert_int_equal(loop_init(&l), 0);
	assert_int_equal(loop_add(&l, &s), 0);
	loop_run(&l, tick, NULL);
	assert_int_equal(ticks, 4);
	assert_in_range(calls, 3, 3 * 512);
	close(s.fd);
	loop_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_takes_from_its_source_does_not_burn_the_processor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
