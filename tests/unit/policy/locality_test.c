/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of endpoints by where they are. The node is at eu/a/r1. */
#include "policy_test.h"

#define BASE "outbound|80||api.default.svc.cluster.local"
#define ENTRY(name, ip, place)                                                            \
	"apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: " name \
	"}\nspec: {address: " ip ", locality: " place ", labels: {app: api, tier: " name  \
	"}}\n---\n"
#define PLACES                                 \
	SERVICE("api", "10.96.0.1")            \
	ENTRY("us", "10.2.0.6", "us/x/y")      \
	ENTRY("far", "10.2.0.5", "ap/x/y")     \
	ENTRY("region", "10.2.0.4", "eu/b/r1") \
	ENTRY("zone", "10.2.0.3", "eu/a/r2") ENTRY("here", "10.2.0.2", "eu/a/r1")
#define OUTLIERS "    outlierDetection: {}\n"

static const struct policy_label node_labels[] = { { (char *)"tier", (char *)"zone" } };

static int setup(void **state)
{
	static struct policy_world w;
	const struct policy_settings s = { .n_workers = 1,
					   .region = "eu",
					   .zone = "a",
					   .subzone = "r1",
					   .labels = node_labels,
					   .n_labels = 1 };

	policy_world_open(&w, &s);
	*state = &w;
	return 0;
}

static const struct hd_cluster *load(struct policy_world *w, const char *text)
{
	const struct hd_cluster *c;

	assert_loads(w, text);
	c = policy_world_cluster(w->snapshot, BASE);
	assert_non_null(c);
	return c;
}

/* The last bytes of the addresses, groups apart: "2|3|45". */
static const char *shape(const struct policy_world *w, const struct hd_cluster *c)
{
	static char text[64];
	uint32_t g = 0, n = 0;

	for (uint32_t i = 0; i < c->endpoints_count; i++) {
		if (c->n_groups > 0 && i == c->groups[g].end) {
			text[n++] = '|';
			g++;
		}
		text[n++] =
			(char)('0' + w->snapshot->endpoints[c->endpoints_first + i].addr.ip.b[15]);
	}
	text[n] = '\0';
	return text;
}

static void outlier_detection_brings_failover_by_place(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c =
		load(w, PLACES DR("api") "  host: api\n  trafficPolicy:\n" OUTLIERS);

	assert_int_equal(c->spread, HD_SPREAD_ORDER);
	assert_string_equal(shape(w, c), "2|3|4|65");
}

static void without_it_place_does_not_matter(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c = load(w, PLACES);

	assert_int_equal(c->n_groups, 0);
	assert_int_equal(c->spread, HD_SPREAD_NONE);
	assert_int_equal(c->endpoints_count, 5);
	c = load(w, PLACES DR("api") "  host: api\n  trafficPolicy:\n" OUTLIERS
				     "    loadBalancer: {localityLbSetting: {enabled: false}}\n");
	assert_int_equal(c->n_groups, 0);
}

static void a_region_that_is_named_steps_in_first(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c =
		load(w, PLACES DR("api") "  host: api\n  trafficPolicy:\n" OUTLIERS
					 "    loadBalancer: {localityLbSetting: {failover: "
					 "[{from: us, to: ap}, {from: eu, to: ap}]}}\n");

	assert_string_equal(shape(w, c), "2|3|4|5|6");
}

static void labels_decide_in_their_order(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c =
		load(w, PLACES DR("api") "  host: api\n  trafficPolicy:\n" OUTLIERS
					 "    loadBalancer: {localityLbSetting: {failoverPriority: "
					 "[topology.kubernetes.io/region, tier]}}\n");

	/* Two of two labels equal, one, none. */
	assert_string_equal(shape(w, c), "3|42|65");
	c = load(w, PLACES DR("api") "  host: api\n  trafficPolicy:\n" OUTLIERS
				     "    loadBalancer: {localityLbSetting: {failoverPriority: "
				     "[\"tier=far\"]}}\n");
	assert_string_equal(shape(w, c), "5|6432");
}

static void shares_leave_out_who_is_not_listed(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c =
		load(w, PLACES DR("api") "  host: api\n  trafficPolicy:\n"
					 "    loadBalancer: {localityLbSetting: {distribute: ["
					 "{from: us/*, to: {\"ap/*\": 100}}, "
					 "{from: eu/a/*, to: {\"eu/a/*\": 80, us: 20}}]}}\n");

	assert_int_equal(c->spread, HD_SPREAD_SHARES);
	assert_string_equal(shape(w, c), "32|6");
	assert_int_equal(c->groups[0].weight, 80);
	assert_int_equal(c->groups[1].weight, 20);
}

static void shares_from_elsewhere_are_none(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c =
		load(w, PLACES DR("api") "  host: api\n  trafficPolicy:\n"
					 "    loadBalancer: {localityLbSetting: {distribute: ["
					 "{from: us/*, to: {\"ap/*\": 100}}]}}\n");

	assert_int_equal(c->n_groups, 0);
	assert_int_equal(c->endpoints_count, 5);
}

static void a_hash_has_one_table_of_all(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c = load(
		w, PLACES DR("api") "  host: api\n  trafficPolicy:\n" OUTLIERS
				    "    loadBalancer: {consistentHash: {useSourceIp: true}}\n");

	assert_int_equal(c->n_groups, 0);
	assert_int_equal(c->endpoints_count, 5);
	assert_true(w->diags.warnings > 0);
}

static void the_mesh_may_say_so_for_all(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c =
		load(w, PLACES "kind: MeshConfig\nlocalityLbSetting: {enabled: false}\n---\n" DR(
				"api") "  host: api\n  trafficPolicy:\n" OUTLIERS);

	assert_int_equal(c->n_groups, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(outlier_detection_brings_failover_by_place),
		TEST(without_it_place_does_not_matter),
		TEST(a_region_that_is_named_steps_in_first),
		TEST(labels_decide_in_their_order),
		TEST(shares_leave_out_who_is_not_listed),
		TEST(shares_from_elsewhere_are_none),
		TEST(a_hash_has_one_table_of_all),
		TEST(the_mesh_may_say_so_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
