/* SPDX-License-Identifier: Apache-2.0 */
/* Services, workloads and addresses; whole loads. */
#include <stdlib.h>
#include <time.h>

#include "policy_test.h"

static const struct hd_cluster *cluster(const struct policy_world *w, const char *name)
{
	const struct hd_cluster *c = policy_world_cluster(w->snapshot, name);

	if (c == NULL)
		fail_msg("no cluster %s", name);
	return c;
}

static const char *endpoint(const struct policy_world *w, const struct hd_cluster *c, uint32_t i)
{
	static char text[HD_ADDR_STRLEN];

	return hd_addr_format(&w->snapshot->endpoints[c->endpoints_first + i].addr, text);
}

#define BASE "outbound|80||api.default.svc.cluster.local"

static void the_article_loads_to_the_letter(void **state)
{
	const struct policy_settings s = { .n_workers = 1, .allow_unenforced = 1 };
	struct policy_texts texts;
	struct policy_world w;
	const struct hd_route *r;

	policy_world_open(&w, &s);
	policy_texts_init(&texts);
	assert_int_equal(policy_texts_read(&texts, EXAMPLES "/mesh.d", &w.diags), 0);
	w.rc = policy_load(w.policy, &texts, 1, &w.snapshot, &w.diags);
	if (w.rc != 0)
		policy_world_tell(&w);
	assert_int_equal(w.rc, 0);
	assert_int_equal(w.diags.errors, 0);
	assert_null(policy_snapshot_wrong(w.snapshot));
	r = policy_world_route(w.snapshot, "10.1.0.10", 80, "api-service", 0);
	assert_non_null(r);
	assert_int_equal(r->destinations_count, 2);
	assert_int_equal(w.snapshot->destinations[r->destinations_first].weight, 90);
	assert_int_not_equal(w.snapshot->destinations[r->destinations_first].cluster, HD_NONE);
	assert_int_not_equal(w.snapshot->destinations[r->destinations_first + 1].cluster, HD_NONE);
	assert_int_equal(r->timeout, 10 * HD_NS_PER_S);
	assert_int_equal(r->retry.attempts, 3);
	assert_int_equal(r->retry.per_try_timeout, 3 * HD_NS_PER_S);
	assert_int_equal(cluster(&w, "outbound|80|v1|api-service.default.svc.cluster.local")->lb,
			 HD_LB_ROUND_ROBIN);
	assert_int_equal(
		cluster(&w, "outbound|80||api-service.default.svc.cluster.local")->max_connections,
		100);
	policy_texts_fini(&texts);
	policy_world_close(&w);
}

static void pods_are_picked_by_every_label_of_the_selector(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		"apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec:\n  clusterIP: 10.96.0.1\n"
		"  selector: {app: api, tier: gold}\n  ports: [{port: 80, targetPort: 8080}]\n---\n"
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: api, tier: gold}}\n"
		"status: {podIP: 10.2.0.1}\n---\n"
		"apiVersion: v1\nkind: Pod\nmetadata: {name: b, labels: {app: api}}\nstatus: {podIP: 10.2.0.2}\n---\n"
		"apiVersion: v1\nkind: Pod\nmetadata: {name: c, namespace: x, labels: {app: api, tier: gold}}\n"
		"status: {podIP: 10.2.0.3}\n");
	assert_int_equal(cluster(w, BASE)->endpoints_count, 1);
	assert_string_equal(endpoint(w, cluster(w, BASE), 0), "10.2.0.1:8080");
}

static void unready_and_ending_pods_get_nothing(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(
		w,
		SERVICE("api", "10.96.0.1") POD(
			"a", "api", "v1",
			"10.2.0.1") "apiVersion: v1\nkind: Pod\nmetadata: {name: b, labels: {app: api}}\n"
				    "status: {podIP: 10.2.0.2, conditions: [{type: Ready, status: \"False\", "
				    "reason: x}]}\n"
				    "---\n"
				    "apiVersion: v1\nkind: Pod\nmetadata: {name: c, labels: {app: api},\n"
				    "  deletionTimestamp: \"2026-01-01T00:00:00Z\"}\nstatus: {podIP: 10.2.0.3}\n---\n"
				    "apiVersion: v1\n"
				    "kind: Pod\n"
				    "metadata: {name: d, labels: {app: api}}\n"
				    "status: {podIP: 10.2.0.4, phase: Pending}\n");
	c = cluster(w, BASE);
	assert_int_equal(c->endpoints_count, 1);
	assert_int_equal(c->endpoints_unready, 2);
	assert_int_equal(w->snapshot->endpoints[c->endpoints_first + 1].health, HD_EP_UNREADY);
}

static void a_named_target_port_is_looked_up_in_each_pod(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		"apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec:\n  clusterIP: 10.96.0.1\n"
		"  selector: {app: api}\n  ports: [{port: 80, targetPort: web}]\n---\n"
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: api}}\n"
		"spec: {containers: [{name: c, image: i, ports: [{name: web, containerPort: 9000}]}]}\n"
		"status: {podIP: 10.2.0.1}\n");
	assert_string_equal(endpoint(w, cluster(w, BASE), 0), "10.2.0.1:9000");
}

#define SLICE(name, labels, address, rest)                                             \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " name \
	", labels: {kubernetes.io/service-name: api" labels                            \
	"}}\naddressType: IPv4\nports: [{name: http, port: 8080}]\n"                   \
	"endpoints: [{addresses: [" address "]" rest "}]\n---\n"

/* clang-format off */
static const char four_slices[] =
	SERVICE("api", "10.96.0.1")
	SLICE("s1", "", "10.2.0.1", ", targetRef: {kind: Pod, name: p}")
	SLICE("s2", ", version: v2", "10.2.0.2", "")
	SLICE("s3", "", "10.2.0.3", ", conditions: {ready: false}")
	SLICE("s4", "", "10.2.0.4", ", conditions: {terminating: true}")
	"apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {version: v1}}\nstatus: {podIP: 10.2.0.9}\n---\n"
	DR("api")
	"  host: api\n"
	"  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]\n";
/* clang-format on */

static void slices_carry_labels_of_their_pods_or_their_own(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(w, four_slices);
	c = cluster(w, BASE);
	assert_int_equal(c->endpoints_count, 2);
	assert_int_equal(c->endpoints_unready, 1);
	c = cluster(w, "outbound|80|v1|api.default.svc.cluster.local");
	assert_int_equal(c->endpoints_count, 1);
	assert_string_equal(endpoint(w, c, 0), "10.2.0.1:8080");
	c = cluster(w, "outbound|80|v2|api.default.svc.cluster.local");
	assert_string_equal(endpoint(w, c, 0), "10.2.0.2:8080");
}

static void workload_entries_and_service_entries_are_endpoints_too(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(
		w,
		SERVICE("api",
			"10.96.0.1") "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vm}\n"
				     "spec: {address: 10.3.0.1, labels: {app: api}, weight: 3, ports: {http: 7000}, "
				     "locality: a/b}\n"
				     "---\n"
				     "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ext}\n"
				     "spec:\n"
				     "  hosts: [ext.example]\n"
				     "  addresses: [10.97.0.1]\n"
				     "  resolution: STATIC\n"
				     "  location: MESH_INTERNAL\n"
				     "  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}, "
				     "{number: 9, name: t, protocol: TCP}]\n"
				     "  endpoints: [{address: 10.4.0.1}, {address: \"fd00::4\", weight: 2}]\n");
	c = cluster(w, BASE);
	assert_string_equal(endpoint(w, c, 0), "10.3.0.1:7000");
	assert_int_equal(w->snapshot->endpoints[c->endpoints_first].weight, 3);
	c = cluster(w, "outbound|80||ext.example");
	assert_int_equal(c->endpoints_count, 2);
	assert_string_equal(endpoint(w, c, 1), "[fd00::4]:8080");
	assert_int_not_equal(policy_world_vhost(w->snapshot, "10.97.0.1", 80, "ext.example"),
			     HD_NONE);
	assert_int_equal(w->snapshot->n_listeners, 3);
}

static void several_services_may_share_one_address_on_different_ports(void **state)
{
	struct policy_world *w = *state;
	struct hd_ip ip;

	assert_int_equal(hd_ip_parse("10.96.0.1", &ip), 0);
	assert_loads(
		w,
		SERVICE("a",
			"10.96.0.1") "apiVersion: v1\n"
				     "kind: Service\n"
				     "metadata: {name: b}\n"
				     "spec: {clusterIP: 10.96.0.1, ports: [{name: tcp-x, port: 81}]}\n"
				     "---\n" SERVICE("c", "10.96.0.1"));
	assert_int_equal(w->snapshot->n_listeners, 2);
	assert_int_equal(w->snapshot->n_vips, 1);
	assert_true(str_is(hd_snapshot_listener(w->snapshot, &ip, 80)->service,
			   "a.default.svc.cluster.local"));
	assert_int_equal(hd_snapshot_listener(w->snapshot, &ip, 81)->protocol, HD_PROTO_TCP);
	assert_null(hd_snapshot_listener(w->snapshot, &ip, 82));
	assert_said(w, POLICY_WARNING, 20, 11, "10.96.0.1:80 already belongs to Service default/a");
}

static void names_and_app_protocols_choose_the_protocol(void **state)
{
	static const struct {
		const char *port;
		enum hd_protocol protocol;
	} rows[] = {
		{ "name: http-x, port: 80", HD_PROTO_HTTP },
		{ "name: http2, port: 80", HD_PROTO_HTTP2 },
		{ "name: grpc-web, port: 80", HD_PROTO_HTTP2 },
		{ "name: tcp-x, port: 80", HD_PROTO_TCP },
		{ "name: https, port: 80", HD_PROTO_TCP },
		{ "name: tcp, appProtocol: http, port: 80", HD_PROTO_HTTP },
		{ "name: web, appProtocol: kubernetes.io/h2c, port: 80", HD_PROTO_HTTP2 },
		{ "name: web, port: 80", HD_PROTO_HTTP },
		{ "port: 3306", HD_PROTO_TCP },
	};
	struct policy_world *w = *state;

	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
			 "spec: {clusterIP: 10.96.0.1, ports: [{%s}]}\n",
			 rows[i].port);
		assert_loads(w, text);
		if (w->snapshot->listeners[0].protocol != rows[i].protocol)
			fail_msg("%s", rows[i].port);
	}
}

static void plaintext_to_workloads_of_the_mesh_is_told_once(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {security.istio.io/tlsMode: istio}}\n"
		"status: {podIP: 10.2.0.1}\n---\n"
		"apiVersion: v1\nkind: Pod\nmetadata: {name: b, labels: {security.istio.io/tlsMode: istio}}\n"
		"status: {podIP: 10.2.0.2}\n");
	assert_int_equal(w->diags.n, 1);
	assert_said(w, POLICY_WARNING, 3, 57, "2 of them, are spoken to in plaintext");
}

static void a_failed_load_gives_no_snapshot(void **state)
{
	struct policy_world *w = *state;
	struct hd_snapshot *before;

	assert_loads(w, API);
	before = w->snapshot;
	assert_int_equal(policy_world_load(w, API "apiVersion: v1\nkind: Service\n"), -22);
	assert_ptr_equal(w->snapshot, before);
	assert_int_equal(w->snapshot->n_endpoints, 2);
}

static void equal_expressions_are_one(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		API VS("api") "  hosts: [api]\n  http:\n"
			      "  - match: [{uri: {regex: \"/a[0-9]\"}}, {uri: {regex: \"/b[0-9]\"}}, "
			      "{method: {regex: \"/a[0-9]\"}}]\n"
			      "    route: [{destination: {host: api}}]\n");
	assert_non_null(w->snapshot->regex_db);
	assert_int_equal(w->snapshot->routes[0].match.uri.regex,
			 w->snapshot->routes[2].match.method.regex);
	assert_int_not_equal(w->snapshot->routes[0].match.uri.regex,
			     w->snapshot->routes[1].match.uri.regex);
}

/* The promise is a second of a quiet machine; tests share theirs. */
#define MANY 10000
#define CPU_SECONDS_MAX 3.0

static void ten_thousand_routes_load_in_a_second(void **state)
{
	struct policy_world *w = *state;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	clock_t began;

	assert_non_null(f);
	fputs(API VS("api") "  hosts: [api]\n  http:\n", f);
	for (int i = 0; i < MANY; i++)
		fprintf(f,
			"  - match: [{uri: {exact: /item/%d}, headers: {x-user: {exact: u%d}}}]\n"
			"    route: [{destination: {host: api}}]\n    timeout: 3s\n",
			i, i);
	fclose(f);
	began = clock();
	assert_int_equal(policy_world_load_bytes(w, text, n), 0);
	assert_true((double)(clock() - began) / CLOCKS_PER_SEC < CPU_SECONDS_MAX);
	assert_int_equal(w->snapshot->n_routes, MANY);
	assert_null(policy_snapshot_wrong(w->snapshot));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_article_loads_to_the_letter),
		world_test(pods_are_picked_by_every_label_of_the_selector),
		world_test(unready_and_ending_pods_get_nothing),
		world_test(a_named_target_port_is_looked_up_in_each_pod),
		world_test(slices_carry_labels_of_their_pods_or_their_own),
		world_test(workload_entries_and_service_entries_are_endpoints_too),
		world_test(several_services_may_share_one_address_on_different_ports),
		world_test(names_and_app_protocols_choose_the_protocol),
		world_test(plaintext_to_workloads_of_the_mesh_is_told_once),
		world_test(a_failed_load_gives_no_snapshot),
		world_test(equal_expressions_are_one),
		world_test(ten_thousand_routes_load_in_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
