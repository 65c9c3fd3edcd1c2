/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core_pool.h"
#include "eal_setup.h"

static void handles_of_objects_put_back_resolve_to_nothing(void **state)
{
	struct core_pool p;
	void *a, *b;
	uint64_t old;

	assert_int_equal(core_pool_init(&p, "t", 4, 24, 0), 0);
	a = core_pool_get(&p);
	old = core_pool_handle(&p, a);
	assert_ptr_equal(core_pool_resolve(&p, old), a);
	core_pool_put(&p, a);
	assert_null(core_pool_resolve(&p, old));
	b = core_pool_get(&p);
	assert_ptr_equal(a, b);
	assert_null(core_pool_resolve(&p, old));
	assert_null(core_pool_resolve(&p, CORE_POOL_NO_HANDLE));
	core_pool_fini(&p);
}

static void capacity_is_exact_and_index_is_the_inverse_of_at(void **state)
{
	static const uint32_t sizes[] = { 8, 24, 40, 64, 200, 576, 1000 };

	for (size_t k = 0; k < HD_ARRAY_SIZE(sizes); k++) {
		struct core_pool p;
		assert_int_equal(core_pool_init(&p, "t", 1000, sizes[k], 0), 0);
		for (uint32_t i = 0; i < 1000; i++) {
			void *o = core_pool_get(&p);
			assert_non_null(o);
			assert_int_equal(core_pool_index(&p, o), i);
			assert_ptr_equal(core_pool_at(&p, i), o);
		}
		assert_null(core_pool_get(&p));
		assert_int_equal(p.used, 1000);
		core_pool_fini(&p);
	}
}

static void a_walk_sees_each_object_in_use_once(void **state)
{
	struct core_pool p;
	uint32_t cursor = 0, seen = 0;

	assert_int_equal(core_pool_init(&p, "t", 100, 16, 0), 0);
	for (int i = 0; i < 60; i++)
		core_pool_get(&p);
	for (uint32_t i = 0; i < 60; i += 2)
		core_pool_put(&p, core_pool_at(&p, i));
	for (void *o; (o = core_pool_walk(&p, &cursor)) != NULL; seen++)
		assert_int_equal(core_pool_index(&p, o) % 2, 1);
	assert_int_equal(seen, 30);
	core_pool_fini(&p);
}

static int setup(void **state)
{
	return eal_setup("hd_unit_pool", "64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_of_objects_put_back_resolve_to_nothing),
		cmocka_unit_test(capacity_is_exact_and_index_is_the_inverse_of_at),
		cmocka_unit_test(a_walk_sees_each_object_in_use_once),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
