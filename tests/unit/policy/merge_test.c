/* SPDX-License-Identifier: Apache-2.0 */
/* Several DestinationRules for one host, levels of a policy, and what a cluster becomes. */
#include "policy_test.h"

#include <errno.h>

static const struct hd_cluster *cluster(const struct policy_world *w, const char *name)
{
	const struct hd_cluster *c = policy_world_cluster(w->snapshot, name);

	if (c == NULL)
		fail_msg("no cluster %s", name);
	return c;
}

#define BASE "outbound|80||api.default.svc.cluster.local"
#define V1 "outbound|80|v1|api.default.svc.cluster.local"

static void a_service_alone_has_istios_defaults(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(w, API);
	assert_int_equal(w->snapshot->n_clusters, 1);
	c = cluster(w, BASE);
	assert_int_equal(c->lb, HD_LB_LEAST_REQUEST);
	assert_int_equal(c->max_connections, UINT32_MAX);
	assert_int_equal(c->max_pending_requests, UINT32_MAX);
	assert_int_equal(c->max_requests, UINT32_MAX);
	assert_int_equal(c->max_retries, UINT32_MAX);
	assert_int_equal(c->max_requests_per_connection, 0);
	assert_int_equal(c->connect_timeout, 10 * HD_NS_PER_S);
	assert_int_equal(c->idle_timeout, 3600 * HD_NS_PER_S);
	assert_int_equal(c->keepalive.probes, 0);
	assert_int_equal(c->endpoints_count, 2);
}

static const struct hd_outlier *outlier(const struct policy_world *w, const char *name)
{
	const struct hd_cluster *c = cluster(w, name);

	return c->outlier != 0 ? &w->snapshot->outliers[c->outlier - 1] : NULL;
}

static void outliers_are_detected_only_where_a_rule_says_so(void **state)
{
	struct policy_world *w = *state;
	const struct hd_outlier *o;

	assert_loads(w, API DR("api") "  host: api\n  subsets:\n"
				      "  - name: v1\n    labels: {version: v1}\n"
				      "    trafficPolicy: {outlierDetection: {}}\n");
	assert_null(outlier(w, BASE));
	o = outlier(w, V1);
	assert_non_null(o);
	assert_int_equal(o->consecutive_5xx, 5);
	assert_int_equal(o->consecutive_gateway, 0);
	assert_int_equal(o->consecutive_local, 0);
	assert_int_equal(o->max_ejection_percent, 10);
	assert_int_equal(o->min_health_percent, 0);
	assert_int_equal(o->interval, 10 * HD_NS_PER_S);
	assert_int_equal(o->base_ejection_time, 30 * HD_NS_PER_S);
	assert_int_equal(o->max_ejection_time, 300 * HD_NS_PER_S);
	assert_false(o->has_codes);
	assert_true(o->source.line > 0);
}

static void every_field_of_outlier_detection_reaches_the_cluster(void **state)
{
	struct policy_world *w = *state;
	const struct hd_outlier *o;

	assert_loads(w, API DR("api") "  host: api\n  trafficPolicy:\n    outlierDetection:\n"
				      "      consecutive5xxErrors: 0\n"
				      "      consecutiveGatewayErrors: 3\n"
				      "      splitExternalLocalOriginErrors: true\n"
				      "      consecutiveLocalOriginFailures: 4\n"
				      "      interval: 1500ms\n      baseEjectionTime: 1m\n"
				      "      maxEjectionPercent: 100\n      minHealthPercent: 40\n"
				      "      outlierDetectionHttpErrorCodes: [429, 599]\n");
	o = outlier(w, BASE);
	assert_int_equal(o->consecutive_5xx, 0);
	assert_int_equal(o->consecutive_gateway, 3);
	assert_int_equal(o->consecutive_local, 4);
	assert_true(o->splits_local);
	assert_int_equal(o->interval, 1500 * HD_NS_PER_MS);
	assert_int_equal(o->base_ejection_time, 60 * HD_NS_PER_S);
	assert_int_equal(o->max_ejection_percent, 100);
	assert_int_equal(o->min_health_percent, 40);
	assert_true(o->has_codes && hd_outlier_has_code(o, 429) && hd_outlier_has_code(o, 599));
	assert_false(hd_outlier_has_code(o, 500) || hd_outlier_has_code(o, 100) ||
		     hd_outlier_has_code(o, 600) || hd_outlier_has_code(o, 0));
}

static void the_mesh_has_defaults_for_what_no_rule_says(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(
		w, API
		"kind: MeshConfig\ndefaultTrafficPolicy:\n"
		"  connectionPool: {tcp: {maxConnections: 9}}\n"
		"  outlierDetection: {consecutive5xxErrors: 8}\n---\n" DR(
			"api") "  host: api\n  subsets:\n  - name: v1\n    labels: {version: v1}\n"
			       "    trafficPolicy: {outlierDetection: {}}\n");
	c = cluster(w, BASE);
	assert_int_equal(c->max_connections, 9);
	assert_int_equal(outlier(w, BASE)->consecutive_5xx, 8);
	assert_int_equal(outlier(w, BASE)->source.line, 0);
	assert_int_equal(cluster(w, V1)->max_connections, 9);
	assert_int_equal(outlier(w, V1)->consecutive_5xx, 5);
}

static void a_retry_budget_stands_in_for_max_retries(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(
		w, API DR("api") "  host: api\n  trafficPolicy:\n    retryBudget: {percent: 12.5}\n"
				 "    portLevelSettings:\n    - port: {number: 81}\n"
				 "      tls: {mode: DISABLE}\n"
				 "  subsets:\n  - name: v1\n    labels: {version: v1}\n"
				 "    trafficPolicy: {retryBudget: {minRetryConcurrency: 7}}\n");
	c = cluster(w, BASE);
	assert_true(c->has_retry_budget);
	assert_int_equal(c->retry_budget, 1250);
	assert_int_equal(c->retry_budget_min, 3);
	c = cluster(w, V1);
	assert_int_equal(c->retry_budget, 2000);
	assert_int_equal(c->retry_budget_min, 7);
}

#define GROUP(probe)                                                                       \
	"apiVersion: networking.istio.io/v1\nkind: WorkloadGroup\nmetadata: {name: vms}\n" \
	"spec:\n  template: {serviceAccount: x}\n  probe: " probe "\n---\n"
#define ENTRY(name, ip, note)                                                                  \
	"apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: " name note \
	"}\nspec: {address: " ip ", labels: {app: api}}\n---\n"
#define OF_GROUP ", annotations: {istio.io/autoRegistrationGroup: vms}"

static void a_groups_probe_asks_its_entries(void **state)
{
	struct policy_world *w = *state;
	const struct hd_probe_rule *r;
	const struct hd_cluster *c;

	assert_loads(w,
		     SERVICE("api", "10.96.0.1") ENTRY("a", "10.2.0.1", OF_GROUP)
			     ENTRY("b", "10.2.0.2", OF_GROUP) ENTRY("c", "10.2.0.3", "") GROUP(
				     "{periodSeconds: 5, httpGet: {port: 9, path: /r, httpHeaders: "
				     "[{name: Host, value: h}, {name: A, value: b}]}}"));
	c = cluster(w, BASE);
	assert_int_equal(c->endpoints_count, 3);
	assert_int_equal(w->snapshot->n_probes, 1);
	assert_int_equal(w->snapshot->endpoints[c->endpoints_first].probe, 1);
	assert_int_equal(w->snapshot->endpoints[c->endpoints_first + 1].probe, 1);
	assert_int_equal(w->snapshot->endpoints[c->endpoints_first + 2].probe, 0);
	r = &w->snapshot->probes[0];
	assert_true(r->is_http && str_is(r->path, "/r") && str_is(r->host, "h") &&
		    str_is(r->headers, "A: b\r\n"));
	assert_int_equal(r->port, 9);
	assert_int_equal(r->period, 5 * HD_NS_PER_S);
	assert_int_equal(r->timeout, HD_NS_PER_S);
	assert_int_equal(r->success_threshold, 1);
	assert_int_equal(r->failure_threshold, 3);
}

static void a_probe_is_one_question_without_line_ends(void **state)
{
	struct policy_world *w = *state;

	policy_world_load(w, GROUP("{periodSeconds: 5}"));
	assert_said(w, POLICY_ERROR, 6, 3, "one of httpGet");
	policy_world_load(w, GROUP("{httpGet: {port: 9, path: \"/a b\"}}"));
	assert_said(w, POLICY_ERROR, 6, 36, "path must begin");
	policy_world_load(
		w, GROUP("{httpGet: {port: 9, httpHeaders: [{name: A, value: \"x\\r\\ny\"}]}}"));
	assert_int_equal(w->rc, -EINVAL);
}

static void split_failures_have_a_default_of_their_own(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, API DR("api") "  host: api\n  trafficPolicy: {outlierDetection: "
				      "{splitExternalLocalOriginErrors: true}}\n");
	assert_int_equal(outlier(w, BASE)->consecutive_local, 5);
}

static void every_field_of_a_pool_reaches_the_cluster(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(
		w,
		API DR("api") "  host: api\n  trafficPolicy:\n    loadBalancer: {simple: RANDOM}\n"
			      "    connectionPool:\n"
			      "      tcp:\n"
			      "        maxConnections: 7\n"
			      "        connectTimeout: 250ms\n"
			      "        idleTimeout: 5s\n        maxConnectionDuration: 60s\n"
			      "        tcpKeepalive: {probes: 3, time: 1s, interval: 2s}\n"
			      "      http: {http1MaxPendingRequests: 8, http2MaxRequests: 9, maxRetries: 2,\n"
			      "        maxRequestsPerConnection: 1}\n");
	c = cluster(w, BASE);
	assert_int_equal(c->lb, HD_LB_RANDOM);
	assert_int_equal(c->max_connections, 7);
	assert_int_equal(c->connect_timeout, 250 * HD_NS_PER_MS);
	assert_int_equal(c->idle_timeout, 5 * HD_NS_PER_S);
	assert_int_equal(c->max_connection_duration, 60 * HD_NS_PER_S);
	assert_int_equal(c->keepalive.probes, 3);
	assert_int_equal(c->keepalive.interval, 2 * HD_NS_PER_S);
	assert_int_equal(c->max_pending_requests, 8);
	assert_int_equal(c->max_requests, 9);
	assert_int_equal(c->max_retries, 2);
	assert_int_equal(c->max_requests_per_connection, 1);
	assert_true(str_is(c->source.object, "DestinationRule default/api"));
}

static void a_subset_overrides_whole_blocks(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		API DR("api") "  host: api\n  trafficPolicy:\n    loadBalancer: {simple: ROUND_ROBIN}\n"
			      "    connectionPool: {tcp: {maxConnections: 7}, http: {http2MaxRequests: 5}}\n"
			      "  subsets:\n  - name: v1\n    labels: {version: v1}\n    trafficPolicy:\n"
			      "      connectionPool: {tcp: {maxConnections: 3}}\n");
	assert_int_equal(cluster(w, V1)->max_connections, 3);
	assert_int_equal(cluster(w, V1)->max_requests, UINT32_MAX);
	assert_int_equal(cluster(w, V1)->lb, HD_LB_ROUND_ROBIN);
	assert_int_equal(cluster(w, V1)->endpoints_count, 1);
	assert_int_equal(cluster(w, BASE)->max_requests, 5);
}

static void port_level_settings_never_inherit(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(
		w,
		API DR("api") "  host: api\n  trafficPolicy:\n    loadBalancer: {simple: ROUND_ROBIN}\n"
			      "    connectionPool: {tcp: {maxConnections: 7}}\n"
			      "    portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]\n");
	c = cluster(w, BASE);
	assert_int_equal(c->lb, HD_LB_RANDOM);
	assert_int_equal(c->max_connections, UINT32_MAX);
}

static void subsets_of_several_rules_add_up_and_missing_blocks_are_taken(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(
		w,
		API DR("a") "  host: api\n  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}\n"
			    "  subsets: [{name: v1, labels: {version: v1}}]\n---\n" DR(
				    "b") "  host: api\n  trafficPolicy:\n    loadBalancer: {simple: RANDOM}\n"
					 "    connectionPool: {tcp: {maxConnections: 4}}\n"
					 "  subsets: [{name: v1, labels: {version: v2}}, {name: v2, "
					 "labels: {version: v2}}]\n");
	c = cluster(w, BASE);
	assert_int_equal(c->lb, HD_LB_ROUND_ROBIN);
	assert_int_equal(c->max_connections, 4);
	assert_int_equal(cluster(w, V1)->max_connections, 4);
	assert_int_equal(
		cluster(w, "outbound|80|v2|api.default.svc.cluster.local")->endpoints_count, 1);
	assert_said(w, POLICY_WARNING, 33, 5,
		    "loadBalancer is already set by the older DestinationRule default/a");
	assert_said(w, POLICY_WARNING, 34, 5, "Istio would drop it");
	assert_said(w, POLICY_WARNING, 35, 13, "subset \"v1\" is already defined");
}

static void age_comes_before_the_name(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, API
		     "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
		     "metadata: {name: a, creationTimestamp: \"2026-02-01T00:00:00Z\"}\n"
		     "spec: {host: api, trafficPolicy: {loadBalancer: {simple: RANDOM}}}\n---\n"
		     "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
		     "metadata: {name: b, creationTimestamp: \"2026-01-01T00:00:00Z\"}\n"
		     "spec: {host: api, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}\n");
	assert_int_equal(cluster(w, BASE)->lb, HD_LB_ROUND_ROBIN);
}

static void the_most_specific_host_of_one_tier_applies(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		API DR("a") "  host: \"*.local\"\n  trafficPolicy: {loadBalancer: {simple: RANDOM}}\n---\n" DR(
			"b") "  host: \"*.default.svc.cluster.local\"\n"
			     "  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}\n");
	assert_int_equal(cluster(w, BASE)->lb, HD_LB_ROUND_ROBIN);
}

static void a_rule_of_the_callers_namespace_hides_that_of_the_service(void **state)
{
	const struct policy_settings s = { .n_workers = 1, .node_namespace = "edge" };
	struct policy_world w;

	policy_world_open(&w, &s);
	assert_loads(
		&w,
		API DR("a") "  host: api\n  trafficPolicy: {loadBalancer: {simple: RANDOM}}\n---\n"
			    "apiVersion: networking.istio.io/v1\n"
			    "kind: DestinationRule\n"
			    "metadata: {name: b, namespace: edge}\n"
			    "spec: {host: \"*.local\", trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}\n");
	assert_int_equal(cluster(&w, BASE)->lb, HD_LB_ROUND_ROBIN);
	policy_world_close(&w);
}

static void the_meshs_own_defaults_apply(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, API "kind: MeshConfig\nconnectTimeout: 3s\ntcpKeepalive: {time: 9s}\n");
	assert_int_equal(cluster(w, BASE)->connect_timeout, 3 * HD_NS_PER_S);
	assert_int_equal(cluster(w, BASE)->keepalive.time, 9 * HD_NS_PER_S);
	assert_int_equal(cluster(w, BASE)->keepalive.probes, 9);
	assert_loads(
		w, API
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n"
		"data:\n  mesh: |\n    connectTimeout: 4s\n    conectTimeout: 5s\n");
	assert_int_equal(cluster(w, BASE)->connect_timeout, 4 * HD_NS_PER_S);
	assert_said(w, POLICY_WARNING, 25, 5, "did you mean \"connectTimeout\"?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(a_service_alone_has_istios_defaults),
		world_test(outliers_are_detected_only_where_a_rule_says_so),
		world_test(every_field_of_outlier_detection_reaches_the_cluster),
		world_test(split_failures_have_a_default_of_their_own),
		world_test(the_mesh_has_defaults_for_what_no_rule_says),
		world_test(a_retry_budget_stands_in_for_max_retries),
		world_test(a_groups_probe_asks_its_entries),
		world_test(a_probe_is_one_question_without_line_ends),
		world_test(every_field_of_a_pool_reaches_the_cluster),
		world_test(a_subset_overrides_whole_blocks),
		world_test(port_level_settings_never_inherit),
		world_test(subsets_of_several_rules_add_up_and_missing_blocks_are_taken),
		world_test(age_comes_before_the_name),
		world_test(the_most_specific_host_of_one_tier_applies),
		cmocka_unit_test(a_rule_of_the_callers_namespace_hides_that_of_the_service),
		world_test(the_meshs_own_defaults_apply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
