/* SPDX-License-Identifier: Apache-2.0 */
/* Which routes a host gets, in which order, to where. */
#include "policy_test.h"

#define VIP "10.96.0.1"
#define HOST "api.default.svc.cluster.local"
#define TWO API SERVICE("web", "10.96.0.2") POD("w1", "web", "v1", "10.2.0.3")
#define TO(host) "    route: [{destination: {host: " host "}}]\n"

static const struct hd_route *route(const struct policy_world *w, const char *host, uint32_t i)
{
	return policy_world_route(w->snapshot, VIP, 80, host, i);
}

static const struct hd_destination *to(const struct policy_world *w, const struct hd_route *r,
				       uint32_t i)
{
	assert_non_null(r);
	assert_true(i < r->destinations_count);
	return &w->snapshot->destinations[r->destinations_first + i];
}

static void without_a_virtual_service_all_goes_to_the_service(void **state)
{
	struct policy_world *w = *state;
	const struct hd_route *r;

	assert_loads(w, API);
	r = route(w, HOST, 0);
	assert_true(str_is(to(w, r, 0)->host, HOST));
	assert_int_equal(r->timeout, 0);
	assert_int_equal(r->retry.attempts, 2);
	assert_int_equal(r->retry.on, HD_RETRY_CONNECT_FAILURE | HD_RETRY_REFUSED_STREAM |
					      HD_RETRY_GRPC_UNAVAILABLE | HD_RETRY_GRPC_CANCELLED);
	assert_int_equal(r->retry.backoff_base, 25 * HD_NS_PER_MS);
	assert_true(str_is(r->decorator, HOST ":80/*"));
	assert_null(route(w, HOST, 1));
}

static void a_service_has_all_its_names(void **state)
{
	struct policy_world *w = *state;
	static const char *const names[] = { HOST,  HOST ".", "api.default", "api.default.svc",
					     "api", VIP };
	uint32_t api, web;

	assert_loads(w, TWO);
	api = policy_world_vhost(w->snapshot, VIP, 80, HOST);
	web = policy_world_vhost(w->snapshot, VIP, 80, "web");
	assert_int_not_equal(api, web);
	for (size_t i = 0; i < HD_ARRAY_SIZE(names); i++)
		assert_int_equal(policy_world_vhost(w->snapshot, "10.96.0.2", 80, names[i]), api);
	assert_int_equal(policy_world_vhost(w->snapshot, VIP, 80, "elsewhere.test"), api);
	assert_int_equal(policy_world_vhost(w->snapshot, "10.96.0.2", 80, "elsewhere.test"), web);
}

static void registry_only_refuses_unknown_names(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, API "kind: MeshConfig\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\n");
	assert_int_equal(policy_world_vhost(w->snapshot, VIP, 80, "elsewhere.test"), HD_NONE);
	assert_int_equal(w->snapshot->routers[0].unknown_host_status, 502);
}

static void rules_stand_in_order_until_one_takes_all(void **state)
{
	struct policy_world *w = *state;
	const struct hd_route *r;

	assert_loads(
		w,
		TWO VS("api") "  hosts: [api]\n  http:\n"
			      "  - name: a\n"
			      "    match: [{uri: {prefix: /a}}, {name: m, uri: {exact: /b}, ignoreUriCase: true}]\n" TO(
				      "web") "  - match: [{uri: {regex: \"/c/[0-9]+\"}, "
					     "method: {exact: GET}}]\n" TO("web") "  -\n" TO(
						     "api") "  - match: [{uri: {prefix: /never}}]\n" TO("web"));
	assert_null(route(w, HOST, 4));
	r = route(w, HOST, 0);
	assert_int_equal(r->match.uri.kind, HD_MATCH_PREFIX);
	assert_true(str_is(r->name, "a"));
	assert_true(str_is(r->decorator, "web.default.svc.cluster.local:80/a*"));
	r = route(w, HOST, 1);
	assert_true(str_is(r->name, "a.m"));
	assert_int_equal(r->match.uri.ignore_case, 1);
	assert_int_equal(r->choice, route(w, HOST, 0)->choice); /* one rule, one count */
	r = route(w, HOST, 2);
	assert_int_equal(r->match.uri.kind, HD_MATCH_REGEX);
	assert_int_equal(r->match.method.kind, HD_MATCH_EXACT);
	assert_true(str_is(to(w, route(w, HOST, 3), 0)->host, HOST));
}

static void conditions_become_rows(void **state)
{
	struct policy_world *w = *state;
	const struct hd_header_match *h;
	const struct hd_route *r;

	assert_loads(
		w,
		API VS("api") "  hosts: [api]\n  http:\n  - match:\n    - headers: {X-A: {exact: V}, b: {}}\n"
			      "      withoutHeaders: {c: {}, d: {prefix: x}}\n"
			      "      queryParams: {Q: {exact: \"\"}, p: {}}\n"
			      "      authority: {exact: \"A:80\"}\n      scheme: {exact: https}\n" TO(
				      "api"));
	r = route(w, HOST, 0);
	assert_int_equal(r->match.headers_count, 4);
	h = &w->snapshot->header_matches[r->match.headers_first];
	assert_true(str_is(h[0].name, "x-a"));
	assert_int_equal(h[0].value.kind, HD_MATCH_EXACT);
	assert_int_equal(h[1].value.kind, HD_MATCH_PRESENT);
	assert_int_equal(h[2].value.kind, HD_MATCH_ABSENT);
	assert_int_equal(h[3].value.kind, HD_MATCH_PREFIX);
	assert_int_equal(h[3].value.invert, 1);
	assert_int_equal(r->match.query_count, 2);
	h = &w->snapshot->header_matches[r->match.query_first];
	assert_true(str_is(h[0].name, "Q"));
	assert_int_equal(h[0].value.kind, HD_MATCH_EXACT);
	assert_int_equal(h[1].value.kind, HD_MATCH_PRESENT);
	assert_true(str_is(r->match.authority.text, "A:80"));
	assert_true(str_is(r->match.scheme.text, "https"));
}

static void weights_keep_their_shares(void **state)
{
	struct policy_world *w = *state;
	const struct hd_route *r;

	assert_loads(w, TWO VS("api") "  hosts: [api]\n  http:\n  - route:\n"
				      "    - {destination: {host: api}, weight: 90}\n"
				      "    - {destination: {host: web}, weight: 10}\n"
				      "    - {destination: {host: web}}\n");
	r = route(w, HOST, 0);
	assert_int_equal(r->destinations_count, 2);
	assert_int_equal(r->total_weight, 100);
	assert_int_equal(to(w, r, 1)->weight, 10);
	assert_true(str_is(r->decorator, "api:80/*"));
	assert_loads(
		w,
		TWO VS("api") "  hosts: [api]\n  http:\n  - route: [{destination: {host: web}, weight: 0}]\n");
	assert_int_equal(to(w, route(w, HOST, 0), 0)->weight, 1);
}

static void missing_destinations_are_told_and_lead_nowhere(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w, API VS("api") "  hosts: [api]\n  http:\n  - route:\n"
				 "    - {destination: {host: nobody}, weight: 1}\n"
				 "    - {destination: {host: api, port: {number: 81}}, weight: 1}\n"
				 "    - {destination: {host: api, subset: v9}, weight: 1}\n"
				 "    - {destination: {host: api, subset: v1}, weight: 1}\n");
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(to(w, route(w, HOST, 0), i)->cluster, HD_NONE);
	assert_int_not_equal(to(w, route(w, HOST, 0), 3)->cluster, HD_NONE);
	assert_said(w, POLICY_WARNING, 26, 28,
		    "no service is called nobody.default.svc.cluster.local");
	assert_said(w, POLICY_WARNING, 27, 28, "no port 81");
	assert_said(w, POLICY_WARNING, 28, 41, "no workload is labelled version=v9");
	assert_said(w, POLICY_WARNING, 29, 41, "the workloads labelled version=v1");
}

static void a_subset_that_is_defined_but_empty_has_a_cluster(void **state)
{
	struct policy_world *w = *state;
	const struct hd_route *r;

	assert_loads(
		w,
		API VS("api") "  hosts: [api]\n  http: [{route: [{destination: {host: api, subset: v9}}]}]\n---\n" DR(
			"api") "  host: api\n  subsets: [{name: v9, labels: {version: v9}}]\n");
	r = route(w, HOST, 0);
	assert_int_not_equal(to(w, r, 0)->cluster, HD_NONE);
	assert_int_equal(w->snapshot->clusters[to(w, r, 0)->cluster].endpoints_count, 0);
}

static void retries_become_bits(void **state)
{
	struct policy_world *w = *state;
	const struct hd_route *r;

	assert_loads(
		w,
		API VS("api") "  hosts: [api]\n  http:\n  - timeout: 10s\n"
			      "    retries: {attempts: 3, perTryTimeout: 3s, retryOn: \"5xx, 429,reset,503\", "
			      "backoff: 100ms}\n" TO("api"));
	r = route(w, HOST, 0);
	assert_int_equal(r->timeout, 10 * HD_NS_PER_S);
	assert_int_equal(r->retry.attempts, 3);
	assert_int_equal(r->retry.per_try_timeout, 3 * HD_NS_PER_S);
	assert_int_equal(r->retry.backoff_base, 100 * HD_NS_PER_MS);
	assert_int_equal(r->retry.on, HD_RETRY_5XX | HD_RETRY_RESET | HD_RETRY_STATUS_CODES);
	assert_int_equal(r->retry.statuses_count, 2);
	assert_int_equal(w->snapshot->retry_statuses[r->retry.statuses_first], 429);
	assert_loads(
		w, API VS("api") "  hosts: [api]\n  http:\n  - retries: {attempts: 0}\n" TO("api"));
	assert_int_equal(route(w, HOST, 0)->retry.attempts, 0);
	assert_int_equal(route(w, HOST, 0)->retry.on, 0);
}

static void misplaced_retries_and_timeout_fill_what_a_rule_leaves_unset(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		API VS("api") "  hosts: [api]\n  retries: {attempts: 7}\n  timeout: 4s\n  http:\n"
			      "  - match: [{uri: {prefix: /own}}]\n    timeout: 1s\n    retries: {attempts: 1}\n" TO(
				      "api") "  -\n" TO("api"));
	assert_int_equal(route(w, HOST, 0)->retry.attempts, 1);
	assert_int_equal(route(w, HOST, 0)->timeout, HD_NS_PER_S);
	assert_int_equal(route(w, HOST, 1)->retry.attempts, 7);
	assert_int_equal(route(w, HOST, 1)->timeout, 4 * HD_NS_PER_S);
}

static void what_is_ruled_out_beforehand_is_no_route(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		TWO VS("api") "  hosts: [api]\n  http:\n"
			      "  - match: [{port: 81}, {gateways: [gw]}, {sourceLabels: {a: b}}, "
			      "{sourceNamespace: x}]\n" TO("web"));
	assert_null(route(w, HOST, 1));
	assert_true(str_is(to(w, route(w, HOST, 0), 0)->host,
			   HOST)); /* the service's own route again */
	assert_loads(
		w,
		TWO VS("api") "  hosts: [api]\n  http:\n"
			      "  - match: [{port: 80, uri: {prefix: /x}}, {gateways: [mesh], uri: {prefix: /y}}]\n" TO(
				      "web"));
	assert_non_null(route(w, HOST, 1));
	assert_null(route(w, HOST, 2));
}

static void the_exact_host_beats_a_wildcard_and_the_first_by_name_the_second(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		TWO VS("a") "  hosts: [\"*.default.svc.cluster.local\"]\n"
			    "  http:\n"
			    "  -\n" TO("web") "---\n" VS(
				    "b") "  hosts: [api]\n"
					 "  http:\n"
					 "  - name: first\n" TO("api") "---\n" VS(
						 "c") "  hosts: [api]\n  http:\n  - name: second\n" TO("web"));
	assert_true(str_is(route(w, HOST, 0)->name, "first"));
	assert_said(w, POLICY_WARNING, 54, 11, "already routed by VirtualService default/b");
	assert_true(
		str_is(to(w, policy_world_route(w->snapshot, "10.96.0.2", 80, "web", 0), 0)->host,
		       "web.default.svc.cluster.local"));
}

static void exports_hide_from_other_namespaces(void **state)
{
	const struct policy_settings s = { .n_workers = 1, .node_namespace = "edge" };
	struct policy_world w;

	policy_world_open(&w, &s);
	assert_loads(&w,
		     TWO VS("api") "  hosts: [api]\n  exportTo: [\".\"]\n  http:\n  -\n" TO("web"));
	assert_true(str_is(to(&w, route(&w, HOST, 0), 0)->host, HOST));
	policy_world_close(&w);
}

static void the_meshs_default_exports_hide_too(void **state)
{
	const struct policy_settings s = { .n_workers = 1, .node_namespace = "edge" };
	struct policy_world w;

	policy_world_open(&w, &s);
	assert_loads(
		&w,
		TWO VS("api") "  hosts: [api]\n  http:\n  -\n" TO(
			"web") "---\n"
			       "kind: MeshConfig\ndefaultVirtualServiceExportTo: [\".\"]\n---\n"
			       "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: x}\n"
			       "spec: {hosts: [x.test], exportTo: [\".\"], resolution: STATIC}\n");
	assert_true(str_is(to(&w, route(&w, HOST, 0), 0)->host, HOST));
	assert_int_equal(w.snapshot->n_services, 2);
	assert_said(&w, POLICY_WARNING, 47, 25, "not exported to this node's namespace (edge)");
	policy_world_close(&w);
}

static void a_rule_for_other_workloads_does_not_apply(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w,
		     API DR("a") "  host: api\n  workloadSelector: {matchLabels: {app: other}}\n"
				 "  trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}\n");
	assert_int_equal(w->snapshot->clusters[0].max_connections, UINT32_MAX);
}

static void hosts_beside_the_services_are_served_on_port_80(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		TWO VS("x") "  hosts: [shop.example, \"*.wild.example\"]\n  http:\n  - name: shop\n" TO(
			"web"));
	assert_true(str_is(route(w, "shop.example", 0)->name, "shop"));
	assert_true(str_is(route(w, "a.b.wild.example", 0)->name, "shop"));
	assert_true(str_is(route(w, "wild.example", 0)->name, "default"));
}

/* clang-format off */
static const char delegating[] =
	TWO VS("api")
	"  hosts: [api]\n  http:\n"
	"  - name: root\n    timeout: 3s\n"
	"    match: [{uri: {prefix: /d}, headers: {a: {exact: x}, b: {}}}]\n"
	"    delegate: {name: inner}\n"
	"  - delegate: {name: nobody}\n"
	"  - name: last\n" TO("api")
	"---\n" VS("inner")
	"  http:\n"
	"  - name: leaf\n    match: [{uri: {exact: /d/1}, headers: {a: {exact: y}}}]\n" TO("web")
	"  - match: [{uri: {exact: /other}}]\n" TO("web")
	"  - timeout: 1s\n" TO("web");
/* clang-format on */

static void delegates_stand_in_place_of_the_rule_that_names_them(void **state)
{
	struct policy_world *w = *state;
	const struct hd_route *r;

	assert_loads(w, delegating);
	r = route(w, HOST, 0);
	assert_true(str_is(r->name, "root-leaf"));
	assert_true(str_is(r->match.uri.text, "/d/1"));
	assert_int_equal(r->match.headers_count, 2);
	assert_int_equal(r->timeout, 3 * HD_NS_PER_S);
	assert_true(str_is(r->source.object, "VirtualService default/inner"));
	r = route(w, HOST, 1);
	assert_true(str_is(r->match.uri.text, "/d"));
	assert_int_equal(r->timeout, HD_NS_PER_S);
	assert_true(str_is(route(w, HOST, 2)->name, "last"));
	assert_said(w, POLICY_WARNING, 42, 5, "no VirtualService without hosts is called nobody");
	assert_said(w, POLICY_WARNING, 54, 5, "fits no match of VirtualService default/api");
}

#define STREAMS                                                        \
	"apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec:\n" \
	"  clusterIPs: [10.96.0.7, 10.97.0.7]\n"                       \
	"  ports: [{name: tcp-a, port: 7}, {name: tcp-b, port: 8}]\n---\n"

static const struct hd_listener *stream(const struct policy_world *w, const char *vip,
					uint16_t port)
{
	const struct hd_listener *l;
	struct hd_ip ip;

	assert_int_equal(hd_ip_parse(vip, &ip), 0);
	l = hd_snapshot_listener(w->snapshot, &ip, port);
	assert_non_null(l);
	assert_int_equal(l->protocol, HD_PROTO_TCP);
	return l;
}

static void tcp_rules_send_streams_by_port_and_address(void **state)
{
	struct policy_world *w = *state;
	const struct hd_listener *l;

	assert_loads(
		w, TWO STREAMS VS(
			   "db") "  hosts: [db]\n  tcp:\n"
				 "  - match: [{port: 8}]\n    route: [{destination: {host: api}}]\n"
				 "  - match: [{destinationSubnets: [10.97.0.0/16]}]\n"
				 "    route:\n    - {destination: {host: web}, weight: 1}\n"
				 "    - {destination: {host: api}, weight: 2}\n");
	l = stream(w, "10.96.0.7", 8);
	assert_int_equal(l->destinations_count, 1);
	assert_true(str_is(w->snapshot->destinations[l->destinations_first].host, HOST));
	l = stream(w, "10.96.0.7", 7);
	assert_int_equal(l->destinations_count, 0);
	assert_true(str_is(w->snapshot->clusters[l->cluster].name,
			   "outbound|7||db.default.svc.cluster.local"));
	l = stream(w, "10.97.0.7", 7);
	assert_int_equal(l->destinations_count, 2);
	assert_int_equal(l->total_weight, 3);
	assert_int_equal(w->snapshot->destinations[l->destinations_first + 1].weight, 2);
}

static const struct hd_answer *answer(const struct policy_world *w, uint32_t i)
{
	const struct hd_route *r = route(w, HOST, i);

	assert_non_null(r);
	assert_int_not_equal(r->answer, 0);
	return &w->snapshot->answers[r->answer - 1];
}

/* clang-format off */
static const char answering[] =
	API VS("api")
	"  hosts: [api]\n  http:\n"
	"  - match: [{uri: {prefix: /r}}]\n"
	"    redirect: {prefixRewrite: /new, authority: a.test, scheme: https, redirectCode: 308}\n"
	"  - match: [{uri: {prefix: /x}}]\n"
	"    redirect: {prefixRewrite: /new, derivePort: FROM_REQUEST_PORT}\n"
	"  - match: [{uri: {exact: /t}}]\n"
	"    directResponse: {status: 418, body: {string: teapot}}\n"
	"  - match: [{uri: {exact: /b}}]\n"
	"    directResponse: {status: 200, body: {bytes: aGVsbG8=}}\n"
	"  - redirect: {uri: /all}\n";
/* clang-format on */

static void rules_may_answer_themselves(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, answering);
	assert_int_equal(w->diags.n, 0);
	assert_int_equal(answer(w, 0)->status, 308);
	assert_int_equal(answer(w, 0)->path_change, HD_PATH_PREFIX);
	assert_true(str_is(answer(w, 0)->scheme, "https"));
	assert_int_equal(answer(w, 1)->listener_port, 1);
	assert_int_equal(route(w, HOST, 1)->match.uri.kind, HD_MATCH_PREFIX);
	assert_int_equal(answer(w, 2)->status, 418);
	assert_true(str_is(answer(w, 2)->body, "teapot"));
	assert_true(str_is(answer(w, 3)->body, "hello"));
	assert_int_equal(answer(w, 4)->status, 301);
	assert_int_equal(answer(w, 4)->path_change, HD_PATH_WHOLE);
	assert_int_equal(
		policy_world_load(
			w,
			API VS("api") "  hosts: [api]\n  http:\n"
				      "  - directResponse: {status: 200, body: {bytes: \"!\"}}\n"),
		-22);
	assert_said(w, POLICY_ERROR, 25, 49, "not base64");
}

static void rewrites_follow_the_kind_of_match(void **state)
{
	struct policy_world *w = *state;
	const struct hd_rewrite *c;

	assert_loads(
		w,
		API VS("api") "  hosts: [api]\n  http:\n"
			      "  - match: [{uri: {prefix: /a}}, {uri: {exact: /b}}, {uri: {regex: \"/c.*\"}}]\n"
			      "    rewrite: {uri: /new, authority: x.test}\n" TO("api"));
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_not_equal(route(w, HOST, i)->rewrite, 0);
		c = &w->snapshot->rewrites[route(w, HOST, i)->rewrite - 1];
		assert_true(str_is(c->path, "/new"));
		assert_true(str_is(c->authority, "x.test"));
		assert_int_equal(c->path_change, i == 0 ? HD_PATH_PREFIX : HD_PATH_WHOLE);
	}
}

static void huge_weights_are_scaled_down(void **state)
{
	struct policy_world *w = *state;
	const struct hd_route *r;

	assert_loads(w, TWO VS("api") "  hosts: [api]\n  http:\n  - route:\n"
				      "    - {destination: {host: api}, weight: 2000000000}\n"
				      "    - {destination: {host: web}, weight: 1000000000}\n"
				      "    - {destination: {host: web}, weight: 1}\n");
	r = route(w, HOST, 0);
	assert_true(r->total_weight <= (1u << 28) + 1);
	assert_true(to(w, r, 0)->weight >= 2 * to(w, r, 1)->weight &&
		    to(w, r, 0)->weight <= 2 * to(w, r, 1)->weight + 1);
	assert_int_equal(to(w, r, 2)->weight, 1);
}

static void a_gateway_serves_what_is_bound_to_it(void **state)
{
	struct policy_label label = { (char *)"istio", (char *)"ingressgateway" };
	struct hd_node node = { .n_ports = 1, .ports = { { .n_addresses = 1 } } };
	struct policy_settings s = {
		.n_workers = 1, .labels = &label, .n_labels = 1, .node = &node
	};
	struct policy_world w;

	assert_int_equal(hd_ip_parse("10.1.0.1", &node.ports[0].addresses[0].ip), 0);
	policy_world_open(&w, &s);
	assert_loads(
		&w, TWO
		"apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: gw}\nspec:\n"
		"  selector: {istio: ingressgateway}\n"
		"  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: [\"*.shop\", "
		"\"./own.test\", \"other/b.test\"]}]\n"
		"---\n" VS("a") "  hosts: [\"a.shop\"]\n"
				"  gateways: [gw]\n"
				"  http:\n"
				"  - name: all\n" TO("web") "---\n" VS(
					"b") "  hosts: [\"a.shop\"]\n"
					     "  gateways: [default/gw]\n"
					     "  http:\n"
					     "  - name: some\n"
					     "    match: [{uri: {prefix: /some}}]\n" TO(
						     "api") "---\n" VS("c") "  hosts: [\"*\"]\n"
									    "  gateways: [gw]\n"
									    "  http:\n"
									    "  - name: rest\n" TO(
										    "api"));
	assert_true(str_is(policy_world_route(w.snapshot, "10.1.0.1", 8080, "a.shop", 0)->name,
			   "some"));
	assert_true(
		str_is(policy_world_route(w.snapshot, "10.1.0.1", 8080, "a.shop", 1)->name, "all"));
	assert_true(str_is(policy_world_route(w.snapshot, "10.1.0.1", 8080, "z.shop", 0)->name,
			   "rest"));
	assert_true(str_is(policy_world_route(w.snapshot, "10.1.0.1", 8080, "own.test", 0)->name,
			   "rest"));
	assert_null(policy_world_route(w.snapshot, "10.1.0.1", 8080, "b.test", 0));
	assert_null(policy_world_route(w.snapshot, "10.1.0.1", 8080, "elsewhere", 0));
	assert_int_equal(w.snapshot->n_vips, 2); /* the services', not the port's own */
	policy_world_close(&w);
}

static void a_server_may_be_bound_to_one_address(void **state)
{
	struct hd_node node = { .n_ports = 1, .ports = { { .n_addresses = 1 } } };
	struct policy_settings s = { .n_workers = 1, .node = &node };
	struct policy_world w;

	assert_int_equal(hd_ip_parse("10.1.0.1", &node.ports[0].addresses[0].ip), 0);
	policy_world_open(&w, &s);
	assert_loads(
		&w,
		"apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: gw}\nspec:\n"
		"  servers:\n"
		"  - {port: {number: 80, name: a, protocol: HTTP}, hosts: [\"*\"], bind: 10.1.0.9}\n"
		"  - {port: {number: 81, name: b, protocol: HTTP}, hosts: [\"*\"]}\n");
	assert_int_equal(w.snapshot->n_listeners, 2);
	assert_int_equal(w.snapshot->n_vips, 1);
	assert_int_equal(w.snapshot->listeners[0].addr.port, 80);
	assert_true(hd_ip_eq(&w.snapshot->listeners[0].addr.ip, &w.snapshot->vips[0].ip));
	policy_world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(without_a_virtual_service_all_goes_to_the_service),
		world_test(a_service_has_all_its_names),
		world_test(registry_only_refuses_unknown_names),
		world_test(rules_stand_in_order_until_one_takes_all),
		world_test(conditions_become_rows),
		world_test(weights_keep_their_shares),
		world_test(missing_destinations_are_told_and_lead_nowhere),
		world_test(a_subset_that_is_defined_but_empty_has_a_cluster),
		world_test(retries_become_bits),
		world_test(misplaced_retries_and_timeout_fill_what_a_rule_leaves_unset),
		world_test(what_is_ruled_out_beforehand_is_no_route),
		world_test(the_exact_host_beats_a_wildcard_and_the_first_by_name_the_second),
		cmocka_unit_test(exports_hide_from_other_namespaces),
		cmocka_unit_test(the_meshs_default_exports_hide_too),
		world_test(a_rule_for_other_workloads_does_not_apply),
		world_test(hosts_beside_the_services_are_served_on_port_80),
		world_test(delegates_stand_in_place_of_the_rule_that_names_them),
		world_test(tcp_rules_send_streams_by_port_and_address),
		world_test(rules_may_answer_themselves),
		world_test(rewrites_follow_the_kind_of_match),
		world_test(huge_weights_are_scaled_down),
		cmocka_unit_test(a_gateway_serves_what_is_bound_to_it),
		cmocka_unit_test(a_server_may_be_bound_to_one_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
