/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core_wheel.h"

#define N 3000
#define TICK (UINT64_C(1) << WHEEL_TICK_SHIFT)

static uint64_t seed = 7;

static uint64_t random64(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return seed ^ seed >> 29;
}

/* Spans from nothing to years, each magnitude alike. */
static hd_ns random_span(void)
{
	return random64() >> (8 + random64() % 56);
}

struct model {
	struct wheel_timer timers[N];
	hd_ns deadline[N]; /* HD_NS_NEVER: not armed */
};

static hd_ns model_earliest(const struct model *m)
{
	hd_ns least = HD_NS_NEVER;

	for (int i = 0; i < N; i++)
		least = m->deadline[i] < least ? m->deadline[i] : least;
	return least;
}

static void fire_all(struct wheel *w, struct model *m, hd_ns now)
{
	struct wheel_timer *t;
	uint32_t budget = UINT32_MAX;

	while ((t = wheel_pop(w, now, &budget)) != NULL) {
		size_t i = (size_t)(t - m->timers);
		assert_true(m->deadline[i] <= now);
		assert_false(wheel_is_armed(t));
		m->deadline[i] = HD_NS_NEVER;
	}
	for (int i = 0; i < N; i++)
		assert_true(m->deadline[i] == HD_NS_NEVER || m->deadline[i] + TICK > now);
}

static void c4_8_random_timers_fire_never_early_and_at_most_a_tick_late(void **state)
{
	static struct wheel w;
	static struct model m;
	hd_ns now = 12345678901;

	wheel_init(&w, now);
	memset(m.deadline, 0xff, sizeof(m.deadline));
	for (int step = 0; step < 3000; step++) {
		for (int k = 0; k < 20; k++) {
			size_t i = random64() % N;
			if (random64() % 4 == 0) {
				wheel_cancel(&w, &m.timers[i]);
				m.deadline[i] = HD_NS_NEVER;
			} else {
				m.deadline[i] = now + random_span();
				wheel_arm(&w, &m.timers[i], m.deadline[i]);
			}
		}
		if (model_earliest(&m) == HD_NS_NEVER)
			assert_true(wheel_next_deadline(&w) == HD_NS_NEVER);
		else
			assert_true(wheel_next_deadline(&w) < model_earliest(&m) + TICK);
		now += random_span() / 4096;
		fire_all(&w, &m, now);
	}
}

static void sleeping_until_the_next_deadline_misses_nothing(void **state)
{
	static struct wheel w;
	static struct model m;
	hd_ns now = HD_NS_PER_S, next;
	unsigned int wakes = 0;

	wheel_init(&w, now);
	for (int i = 0; i < N; i++) {
		m.deadline[i] = now + random64() % (3600 * HD_NS_PER_S);
		wheel_arm(&w, &m.timers[i], m.deadline[i]);
	}
	while ((next = wheel_next_deadline(&w)) != HD_NS_NEVER) {
		assert_true(next > now || next == 0);
		now = next > now ? next : now;
		fire_all(&w, &m, now);
		wakes++;
	}
	assert_int_equal(w.armed, 0);
	assert_true(wakes <= N * 4);
}

static void c4_8_work_in_a_turn_is_bounded_by_the_budget(void **state)
{
	static struct wheel w;
	static struct wheel_timer timers[N];
	uint32_t fired = 0, turns = 0;

	wheel_init(&w, 0);
	for (int i = 0; i < N; i++)
		wheel_arm(&w, &timers[i], 10 * HD_NS_PER_S);
	for (; fired < N; turns++) {
		uint32_t budget = 64, got = 0;
		while (wheel_pop(&w, 20 * HD_NS_PER_S, &budget) != NULL)
			got++;
		assert_true(got <= 64);
		fired += got;
		assert_true(fired == N || wheel_next_deadline(&w) <= 20 * HD_NS_PER_S);
	}
	assert_true(turns <= 5 * N / 64 + 2);
}

static void the_ends_of_time_are_ordinary_deadlines(void **state)
{
	static struct wheel w;
	struct wheel_timer t = { 0 };
	uint32_t budget = 100;

	wheel_init(&w, 5);
	wheel_arm(&w, &t, HD_NS_NEVER - 1);
	assert_true(wheel_is_armed(&t));
	assert_null(wheel_pop(&w, HD_NS_NEVER / 2, &budget));
	wheel_arm(&w, &t, 0);
	assert_ptr_equal(wheel_pop(&w, HD_NS_NEVER / 2, &budget), &t);
	wheel_arm(&w, &t, HD_NS_NEVER);
	assert_false(wheel_is_armed(&t));
	assert_true(wheel_next_deadline(&w) == HD_NS_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c4_8_random_timers_fire_never_early_and_at_most_a_tick_late),
		cmocka_unit_test(sleeping_until_the_next_deadline_misses_nothing),
		cmocka_unit_test(c4_8_work_in_a_turn_is_bounded_by_the_budget),
		cmocka_unit_test(the_ends_of_time_are_ordinary_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
