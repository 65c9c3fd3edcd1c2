/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_slots.h"
#include "policy_test.h"

static int64_t get(struct policy_slots *s, const char *name)
{
	return policy_slots_get(s, (struct hd_str){ name, (uint32_t)strlen(name) });
}

static void a_name_keeps_its_slot_while_anyone_holds_it(void **state)
{
	struct policy_slots s;

	policy_slots_init(&s);
	assert_int_equal(get(&s, "a"), 0);
	assert_int_equal(get(&s, "b"), 1);
	assert_int_equal(get(&s, "a"), 0);
	policy_slots_put(&s, 0);
	assert_int_equal(get(&s, "a"), 0);
	policy_slots_put(&s, 0);
	policy_slots_put(&s, 0);
	assert_int_equal(s.n_free, 1);
	assert_int_equal(get(&s, "b"), 1);
	policy_slots_fini(&s);
}

static void a_free_slot_waits_for_a_thousand_others(void **state)
{
	struct policy_slots s;
	char name[16];

	policy_slots_init(&s);
	for (int i = 0; i < 1024; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(get(&s, name), i);
	}
	assert_int_equal(get(&s, "other"), 1024);
	policy_slots_put(&s, 1024);
	for (uint32_t i = 0; i < 1024; i++)
		policy_slots_put(&s, i);
	assert_int_equal(s.n_free, 1025);
	assert_int_equal(get(&s, "new"), 1024); /* the one that was free first */
	assert_int_equal(get(&s, "newer"), 0);
	assert_int_equal(get(&s, "newest"), 1025);
	policy_slots_fini(&s);
}

static void names_are_found_after_much_coming_and_going(void **state)
{
	struct policy_slots s;
	char name[16];

	policy_slots_init(&s);
	assert_int_equal(get(&s, "stays"), 0);
	for (int i = 0; i < 20000; i++) {
		int64_t slot;

		snprintf(name, sizeof(name), "n%d", i);
		slot = get(&s, name);
		assert_true(slot > 0);
		policy_slots_put(&s, (uint32_t)slot);
	}
	assert_int_equal(get(&s, "stays"), 0);
	assert_true(s.n <= 1026);
	policy_slots_fini(&s);
}

static const char two[] = API VS(
	"api") "  hosts: [api]\n  http:\n  - name: main\n    route: [{destination: {host: api}}]\n";
static const char one[] = SERVICE("api", "10.96.0.1") POD("a2", "api", "v2", "10.2.0.2");

static void slots_and_counts_outlive_a_reload(void **state)
{
	struct policy_world *w = *state;
	struct hd_snapshot *next = NULL;
	uint32_t slot;

	assert_loads(w, two);
	slot = w->snapshot->endpoints[1].slot;
	w->snapshot->workers[0].destination_requests[0] = 7;
	assert_int_equal(policy_load(w->policy, &w->texts, 9, &next, &w->diags), 0);
	assert_int_equal(next->endpoints[1].slot, slot);
	assert_int_equal(next->clusters[0].slot, w->snapshot->clusters[0].slot);
	policy_snapshot_carry(next, w->snapshot);
	next->workers[0].destination_requests[0] = 3;
	assert_int_equal(policy_destination_requests(next, 0), 10);
	policy_snapshot_free(w->policy, next);
	assert_loads(w, one);
	assert_int_equal(w->snapshot->n_endpoints, 1);
	assert_int_equal(w->snapshot->endpoints[0].slot, slot);
}

#define WEIGHED(v1, v2)                                                                  \
	VS("api")                                                                        \
	"  hosts: [api]\n  http:\n  - route:\n"                                          \
	"    - {destination: {host: api, subset: v1}, weight: " v1 "}\n"                  \
	"    - {destination: {host: api, subset: v2}, weight: " v2 "}\n"

/* Workers go on in a choice by its key. */
static void choice_is_the_same_until_its_weights_change(void **state)
{
	struct policy_world *w = *state;
	uint64_t key;

	assert_loads(w, API WEIGHED("90", "10"));
	assert_int_equal(w->snapshot->n_choices, 1);
	key = w->snapshot->choices[0].key;
	assert_int_equal(w->snapshot->choices[0].count, 2);
	assert_loads(w, SERVICE("other", "10.96.0.9") API POD("a9", "api", "v2", "10.2.0.9")
				WEIGHED("90", "10"));
	assert_int_equal(w->snapshot->choices[0].key, key);
	assert_loads(w, API WEIGHED("80", "20"));
	assert_true(w->snapshot->choices[0].key != key);
}

static void a_failed_load_leaves_slots_as_they_were(void **state)
{
	struct policy_world *w = *state;
	struct policy_texts texts;
	uint32_t slots;

	assert_loads(w, two);
	slots = w->snapshot->endpoint_slots;
	policy_texts_init(&texts);
	assert_int_equal(policy_texts_add(&texts, "x", "apiVersion: v1\nkind: Nope\n", 26), 0);
	assert_int_equal(policy_check(w->policy, &texts, &w->diags), -22);
	policy_texts_fini(&texts);
	assert_loads(w, two);
	assert_int_equal(w->snapshot->endpoint_slots, slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_keeps_its_slot_while_anyone_holds_it),
		cmocka_unit_test(a_free_slot_waits_for_a_thousand_others),
		cmocka_unit_test(names_are_found_after_much_coming_and_going),
		world_test(slots_and_counts_outlive_a_reload),
		world_test(choice_is_the_same_until_its_weights_change),
		world_test(a_failed_load_leaves_slots_as_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
