/* SPDX-License-Identifier: Apache-2.0 */
/* Generations of policy, with the real policy room and a fake dataplane. */
#include "ctrl_test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon_reload.h"
#include "fake_dp.h"

static char folder[64], *paths[] = { folder };
static struct hd_dp *dp;
static struct reload r;
static struct policy_diags diags;

static const char service[] =
	"apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec:\n  clusterIP: 10.1.0.10\n"
	"  selector: {app: api}\n  ports: [{name: http, port: 80, targetPort: 9000}]\n"
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: a1, labels: {app: api, version: v1}}\n"
	"status: {podIP: 10.2.0.2, phase: Running, conditions: [{type: Ready, status: \"True\"}]}\n"
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: a2, labels: {app: api, version: v2}}\n"
	"status: {podIP: 10.2.0.3, phase: Running, conditions: [{type: Ready, status: \"True\"}]}\n";

static void write_policy(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *weights(int v1)
{
	static char text[1024];

	snprintf(
		text, sizeof(text),
		"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: api}\n"
		"spec:\n  hosts: [api]\n  http:\n"
		"  - route:\n    - destination: {host: api, subset: v1}\n      weight: %d\n"
		"    - destination: {host: api, subset: v2}\n      weight: %d\n"
		"---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
		"metadata: {name: api}\nspec:\n  host: api\n"
		"  subsets:\n  - {name: v1, labels: {version: v1}}\n  - {name: v2, labels: {version: v2}}\n",
		v1, 100 - v1);
	return text;
}

static int make(void **state)
{
	struct policy_settings settings = { .n_workers = 1 };

	strcpy(folder, "/tmp/heddle-reload-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	write_policy("a.yaml", service);
	write_policy("b.yaml", weights(90));
	dp = fake_dp_create(1);
	reload_init(&r, policy_create(&settings), paths, 1);
	r.dp = dp;
	r.health = health_create();
	assert_non_null(r.health);
	policy_diags_init(&diags);
	return reload_files(&r, &diags);
}

static int cleanup(void **state)
{
	char command[128];

	policy_diags_fini(&diags);
	health_destroy(r.health);
	reload_fini(&r);
	fake_dp_destroy(dp);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* Weight of the first destination of the route that the VirtualService brought. */
static uint32_t weight_now(void)
{
	const struct hd_snapshot *s = fake_dp_published(dp);

	for (uint32_t i = 0; i < s->n_routes; i++)
		if (s->routes[i].destinations_count == 2)
			return s->destinations[s->routes[i].destinations_first].weight;
	return UINT32_MAX;
}

#define RUN(kind_, ...) \
	reload_run(&r, &(struct reload_load){ .kind = kind_, .diags = &diags, __VA_ARGS__ })

static int apply(const char *text)
{
	struct policy_texts over;
	int rc;

	policy_texts_init(&over);
	assert_int_equal(policy_texts_add(&over, "over.yaml", text, strlen(text)), 0);
	rc = RUN(RELOAD_APPLY, .over = &over);
	policy_texts_fini(&over);
	return rc;
}

static void a_load_publishes_a_generation(void **state)
{
	assert_int_equal(r.now.number, 1);
	assert_ptr_equal(fake_dp_published(dp), r.snapshot);
	assert_int_equal(weight_now(), 90);
}

static void a_broken_file_changes_nothing(void **state)
{
	const struct hd_snapshot *before = fake_dp_published(dp);

	write_policy("c.yaml", "kind: [\n");
	assert_int_equal(reload_files(&r, &diags), -EINVAL);
	assert_ptr_equal(fake_dp_published(dp), before);
	assert_int_equal(r.now.number, 1);
	assert_non_null(strstr(r.last_failure, "c.yaml:"));
}

static void applied_objects_lie_over_the_files_until_these_change(void **state)
{
	assert_int_equal(apply(weights(50)), 0);
	assert_int_equal(weight_now(), 50);
	assert_int_equal(fake_dp_published(dp)->n_services, 1);
	assert_int_equal(RUN(RELOAD_CHANGED), 1);
	assert_int_equal(weight_now(), 50);
	write_policy("b.yaml", weights(80));
	assert_int_equal(RUN(RELOAD_CHANGED), 0);
	assert_int_equal(weight_now(), 80);
}

/* A text of its own for a ServiceEntry that nothing else names. */
static const char *entry(const char *name)
{
	static char text[512];

	snprintf(text, sizeof(text),
		 "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: %s}\n"
		 "spec:\n  hosts: [%s.example]\n  location: MESH_EXTERNAL\n  resolution: STATIC\n"
		 "  ports: [{number: 80, name: http, protocol: HTTP}]\n"
		 "  endpoints: [{address: 10.2.0.9}]\n",
		 name, name);
	return text;
}

static void what_later_applies_replace_whole_is_kept_no_longer(void **state)
{
	uint32_t n = r.now.texts.n;

	for (int i = 0; i < 300; i++)
		assert_int_equal(apply(weights(i % 100)), 0);
	assert_int_equal(r.now.texts.n, n + 1);
	assert_int_equal(weight_now(), 99);
	assert_int_equal(r.now.texts.rows[n].layer, 1);
	assert_string_equal(r.now.texts.rows[n].name, "over.yaml");
}

static void applies_of_one_name_add_up_when_their_objects_differ(void **state)
{
	uint32_t n = r.now.texts.n, services = fake_dp_published(dp)->n_services;

	assert_int_equal(apply(entry("one")), 0);
	assert_int_equal(apply(entry("two")), 0);
	assert_int_equal(fake_dp_published(dp)->n_services, services + 2);
	assert_int_equal(r.now.texts.n, n + 2);
	assert_int_equal(apply(entry("one")), 0);
	assert_int_equal(r.now.texts.n, n + 2);
	assert_int_equal(fake_dp_published(dp)->n_services, services + 2);
}

static void the_same_apply_again_is_nothing_to_return_to(void **state)
{
	for (int i = 0; i < 3; i++)
		assert_int_equal(apply(weights(50)), 0);
	assert_int_equal(RUN(RELOAD_ROLLBACK), 0);
	assert_int_equal(weight_now(), 90);
}

static void rollback_goes_back_step_by_step(void **state)
{
	assert_int_equal(apply(weights(50)), 0);
	assert_int_equal(apply(weights(20)), 0);
	assert_int_equal(RUN(RELOAD_ROLLBACK), 0);
	assert_int_equal(weight_now(), 50);
	assert_int_equal(r.now.number, 4);
	assert_int_equal(RUN(RELOAD_ROLLBACK), 0);
	assert_int_equal(weight_now(), 90);
	assert_int_equal(RUN(RELOAD_ROLLBACK), -ENOENT);
}

static void a_reload_of_the_same_files_is_nothing_to_return_to(void **state)
{
	assert_int_equal(apply(weights(50)), 0);
	assert_int_equal(reload_files(&r, &diags), 0);
	assert_int_equal(reload_files(&r, &diags), 0);
	assert_int_equal(RUN(RELOAD_ROLLBACK), 0);
	assert_int_equal(weight_now(), 50);
}

static void a_refused_apply_leaves_no_trace(void **state)
{
	assert_int_equal(apply(weights(-1)), -EINVAL);
	assert_int_equal(weight_now(), 90);
	assert_int_equal(r.n_history, 0);
	assert_non_null(strstr(r.last_failure, "over.yaml:"));
}

static void no_memory_for_slots_changes_nothing(void **state)
{
	fake_dp_fail_reserve(dp);
	assert_int_equal(apply(weights(50)), -ENOMEM);
	assert_int_equal(weight_now(), 90);
	assert_int_equal(apply(weights(50)), 0);
}

static void check_publishes_nothing(void **state)
{
	const struct hd_snapshot *before = fake_dp_published(dp);
	struct policy_texts over;

	policy_texts_init(&over);
	assert_int_equal(RUN(RELOAD_CHECK, .over = &over), 0);
	assert_int_equal(policy_texts_add(&over, "x.yaml", "kind: [", 7), 0);
	assert_int_equal(RUN(RELOAD_CHECK, .over = &over), -EINVAL);
	assert_ptr_equal(fake_dp_published(dp), before);
	policy_texts_fini(&over);
}

static void files_may_be_named_to_be_laid_over(void **state)
{
	char path[128], *over_paths[] = { path };
	struct policy_texts over;

	policy_texts_init(&over);
	snprintf(path, sizeof(path), "%s/over.txt", folder);
	assert_int_equal(RUN(RELOAD_APPLY, .over = &over, .over_paths = over_paths,
			     .n_over_paths = 1),
			 -EINVAL);
	assert_non_null(strstr(r.last_failure, path));
	write_policy("over.txt", weights(30));
	assert_int_equal(RUN(RELOAD_APPLY, .over = &over, .over_paths = over_paths,
			     .n_over_paths = 1),
			 0);
	assert_int_equal(weight_now(), 30);
	policy_texts_fini(&over);
}

static void what_passes_is_no_fault_of_the_files(void **state)
{
	struct rlimit old, none;

	write_policy("b.yaml", weights(70));
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(RUN(RELOAD_CHANGED), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_string_equal(r.last_failure, "");
	assert_non_null(strstr(r.passing_failure, "Too many open files"));
	assert_int_equal(weight_now(), 90);
	assert_int_equal(RUN(RELOAD_CHANGED), 0);
	assert_string_equal(r.passing_failure, "");
	assert_int_equal(weight_now(), 70);
}

static void no_memory_for_changed_files_is_tried_again(void **state)
{
	write_policy("b.yaml", weights(70));
	fake_dp_fail_reserve(dp);
	assert_int_equal(RUN(RELOAD_CHANGED), -ENOMEM);
	assert_int_equal(RUN(RELOAD_CHANGED), 0);
	assert_int_equal(weight_now(), 70);
}

/* The thread that builds, and this one that frees what was replaced. */
static void *builds(void *load)
{
	reload_build(&r, load);
	return NULL;
}

static void a_load_is_built_while_old_ones_are_freed(void **state)
{
	for (int i = 1; i < 50; i++) {
		struct reload_load l = { .kind = RELOAD_FILES, .diags = &diags };
		pthread_t thread;

		write_policy("b.yaml", weights(i));
		assert_int_equal(pthread_create(&thread, NULL, builds, &l), 0);
		fake_dp_turn(dp, 0, 0);
		reload_sweep(&r);
		pthread_join(thread, NULL);
		assert_int_equal(reload_end(&r, &l), 0);
		assert_int_equal(weight_now(), i);
	}
}

static void snapshots_are_freed_when_no_worker_reads_them(void **state)
{
	fake_dp_turn(dp, 0, 0);
	for (int i = 0; i < 40; i++)
		assert_int_equal(apply(weights(i)), 0);
	reload_sweep(&r);
	assert_int_equal(r.n_retired, 40);
	fake_dp_turn(dp, 0, 0);
	reload_sweep(&r);
	assert_int_equal(r.n_retired, 0);
	assert_int_equal(r.n_history, RELOAD_HISTORY);
}

static void requests_of_a_destination_are_carried_over_reloads(void **state)
{
	const struct hd_snapshot *s = fake_dp_published(dp);
	uint32_t route = 0;

	while (s->routes[route].destinations_count != 2)
		route++;
	s->workers[0].destination_requests[s->routes[route].destinations_first] = 7;
	assert_int_equal(reload_files(&r, &diags), 0);
	fake_dp_turn(dp, 0, 0);
	reload_sweep(&r);
	s = fake_dp_published(dp);
	assert_int_equal(policy_destination_requests(s, s->routes[route].destinations_first), 7);
}

/* Every slot of the address 10.2.0.2:9000. */
static void assert_health(uint8_t health)
{
	const struct hd_snapshot *s = fake_dp_published(dp);
	unsigned int seen = 0;

	for (uint32_t i = 0; i < s->n_endpoints; i++) {
		int is_it = s->endpoints[i].addr.ip.b[15] == 2;

		seen += (unsigned int)is_it;
		assert_int_equal(fake_dp_health(dp, s->endpoints[i].slot),
				 is_it ? health : HD_EP_HEALTHY);
	}
	assert_true(seen >= 2);
}

static void an_ejected_endpoint_stays_out_over_reloads(void **state)
{
	struct hd_addr a = { .port = 9000 };

	hd_ip_parse("10.2.0.2", &a.ip);
	assert_int_equal(health_say(r.health, &a, HD_EP_EJECTED), 0);
	assert_int_equal(reload_files(&r, &diags), 0);
	assert_health(HD_EP_EJECTED);
	assert_int_equal(health_say(r.health, &a, HD_EP_HEALTHY), 0);
	assert_int_equal(reload_files(&r, &diags), 0);
	assert_health(HD_EP_HEALTHY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, cleanup)
	const struct CMUnitTest tests[] = {
		TEST(a_load_publishes_a_generation),
		TEST(a_broken_file_changes_nothing),
		TEST(applied_objects_lie_over_the_files_until_these_change),
		TEST(what_later_applies_replace_whole_is_kept_no_longer),
		TEST(applies_of_one_name_add_up_when_their_objects_differ),
		TEST(the_same_apply_again_is_nothing_to_return_to),
		TEST(rollback_goes_back_step_by_step),
		TEST(a_reload_of_the_same_files_is_nothing_to_return_to),
		TEST(a_refused_apply_leaves_no_trace),
		TEST(no_memory_for_slots_changes_nothing),
		TEST(check_publishes_nothing),
		TEST(files_may_be_named_to_be_laid_over),
		TEST(what_passes_is_no_fault_of_the_files),
		TEST(no_memory_for_changed_files_is_tried_again),
		TEST(a_load_is_built_while_old_ones_are_freed),
		TEST(snapshots_are_freed_when_no_worker_reads_them),
		TEST(an_ejected_endpoint_stays_out_over_reloads),
		TEST(requests_of_a_destination_are_carried_over_reloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
