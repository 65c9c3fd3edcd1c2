/* SPDX-License-Identifier: Apache-2.0 */
/* ServiceEntries by their resolution, and clusters that go where the caller dialled. */
#include <heddle/node.h>

#include "policy_test.h"
#include "policy_tls.h"

#define SE(spec)                                                                           \
	"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e}\nspec:\n" spec
#define PORTS "  ports: [{number: 443, name: tls, protocol: TCP, targetPort: 8443}]\n"
#define CLUSTER(host) "outbound|443||" host

static const struct hd_endpoint *endpoint_at(const struct policy_world *w, const char *cluster,
					     uint32_t i)
{
	const struct hd_cluster *c = policy_world_cluster(w->snapshot, cluster);

	assert_non_null(c);
	assert_true(i < c->endpoints_count);
	return &w->snapshot->endpoints[c->endpoints_first + i];
}

static void assert_addr(const struct hd_addr *a, const char *text)
{
	char out[HD_ADDR_STRLEN];

	assert_string_equal(hd_addr_format(a, out), text);
}

static void without_resolution_an_entry_leads_where_the_caller_dialled(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(w, SE("  hosts: [a.test, b.test]\n  addresses: [192.0.2.7, 192.0.2.8]\n" PORTS));
	assert_int_equal(w->diags.n, 0);
	c = policy_world_cluster(w->snapshot, CLUSTER("a.test"));
	assert_int_equal(c->lb, HD_LB_DIALLED);
	assert_int_equal(c->endpoints_count, 2);
	assert_addr(&endpoint_at(w, CLUSTER("a.test"), 0)->addr, "192.0.2.7:8443");
	/* Names of one entry share its addresses; listeners are the first one's. */
	assert_addr(&endpoint_at(w, CLUSTER("b.test"), 1)->addr, "192.0.2.8:8443");
	assert_int_equal(w->snapshot->n_listeners, 2);
	assert_int_equal(w->snapshot->n_elsewhere, 4);
	assert_true(hd_ip_eq(&w->snapshot->elsewhere[0].ip, &w->snapshot->vips[0].ip));
}

static void what_nobody_can_dial_is_said(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, SE("  hosts: [a.test]\n" PORTS));
	assert_said(w, POLICY_WARNING, 4, 1, "a.test has no address of its own");
}

static void passthrough_goes_to_the_services_own_address(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(w, API DR("api") "  host: api\n  trafficPolicy:\n    loadBalancer: {simple: "
				      "PASSTHROUGH}\n    outlierDetection: {}\n");
	c = policy_world_cluster(w->snapshot, "outbound|80||api.default.svc.cluster.local");
	assert_int_equal(c->lb, HD_LB_DIALLED);
	assert_int_equal(c->endpoints_count, 1);
	assert_int_equal(c->outlier, 0);
	assert_addr(&w->snapshot->endpoints[c->endpoints_first].addr, "10.96.0.1:80");
}

static void subsets_of_such_a_cluster_ignore_their_labels(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(w, API DR("api") "  host: api\n  trafficPolicy: {loadBalancer: {simple: "
				      "PASSTHROUGH}}\n  subsets: [{name: v1, labels: {version: v1}}]\n");
	c = policy_world_cluster(w->snapshot, "outbound|80|v1|api.default.svc.cluster.local");
	assert_int_equal(c->lb, HD_LB_DIALLED);
	assert_int_equal(c->endpoints_count, 1);
}

static void address_in_an_own_subnet_cannot_be_dialled(void **state)
{
	static struct hd_node node = { .n_ports = 1 };
	struct policy_world *w = *state;
	const struct policy_settings s = { .n_workers = 1, .node = &node };

	policy_world_close(w);
	snprintf(node.ports[0].name, sizeof(node.ports[0].name), "back");
	assert_int_equal(hd_ip_parse("192.0.2.1", &node.ports[0].addresses[0].ip), 0);
	node.ports[0].addresses[0].len = 96 + 24;
	node.ports[0].n_addresses = 1;
	policy_world_open(w, &s);
	assert_loads(w, SE("  hosts: [a.test]\n  resolution: NONE\n  addresses: [192.0.2.7]\n" PORTS));
	assert_said(w, POLICY_WARNING, 6, 15, "192.0.2.7 lies in a subnet of port back");
}

static void headless_service_is_balanced_over_its_endpoints(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;

	assert_loads(w, SERVICE("api", "None") SERVICE("other", "10.96.0.9")
				POD("a1", "api", "v1", "10.2.0.1") POD("a2", "api", "v2", "10.2.0.2"));
	c = policy_world_cluster(w->snapshot, "outbound|80||api.default.svc.cluster.local");
	assert_int_equal(c->endpoints_count, 2);
	assert_int_not_equal(c->lb, HD_LB_DIALLED);
	assert_int_equal(w->snapshot->n_listeners, 1);
	assert_int_not_equal(policy_world_vhost(w->snapshot, "10.96.0.9", 80, "api.default"),
			     policy_world_vhost(w->snapshot, "10.96.0.9", 80, "other.default"));
}

static int find(void *ctx, struct hd_str name, struct policy_name *out)
{
	static struct hd_ip ips[2];

	assert_int_equal(hd_ip_parse("192.0.2.1", &ips[0]), 0);
	assert_int_equal(hd_ip_parse("192.0.2.2", &ips[1]), 0);
	if (!str_is(name, "a.test") && !str_is(name, "b.test"))
		return 0;
	*out = (struct policy_name){ ips, 2, ips[1] };
	return 1;
}

static void resolve(struct policy_world *w)
{
	const struct policy_resolver r = { find, w };

	policy_set_resolver(w->policy, &r);
}

static const struct hd_cluster *cluster_of(const struct policy_world *w, const char *name)
{
	const struct hd_cluster *c = policy_world_cluster(w->snapshot, name);

	assert_non_null(c);
	return c;
}

static void a_name_has_all_its_addresses_as_endpoints(void **state)
{
	struct policy_world *w = *state;
	const struct policy_wants *wants;

	resolve(w);
	assert_loads(w, SE("  hosts: [A.test]\n  resolution: DNS\n" PORTS));
	assert_int_equal(w->diags.n, 0);
	assert_int_equal(cluster_of(w, CLUSTER("a.test"))->endpoints_count, 2);
	assert_addr(&endpoint_at(w, CLUSTER("a.test"), 1)->addr, "192.0.2.2:8443");
	wants = policy_snapshot_wants(w->snapshot);
	assert_int_equal(wants->n, 1);
	assert_true(str_is(wants->rows[0].name, "a.test"));
	assert_false(wants->rows[0].is_first_only);
	assert_int_equal(wants->refresh, 60 * HD_NS_PER_S);
}

static void round_robin_has_the_first_alone(void **state)
{
	struct policy_world *w = *state;

	resolve(w);
	assert_loads(w, SE("  hosts: [a.test]\n  resolution: DNS_ROUND_ROBIN\n" PORTS));
	assert_int_equal(cluster_of(w, CLUSTER("a.test"))->endpoints_count, 1);
	assert_addr(&endpoint_at(w, CLUSTER("a.test"), 0)->addr, "192.0.2.2:8443");
	assert_true(policy_snapshot_wants(w->snapshot)->rows[0].is_first_only);
}

static void endpoints_may_be_names_and_addresses(void **state)
{
	struct policy_world *w = *state;

	resolve(w);
	assert_loads(w, SE("  hosts: [x.test]\n  resolution: DNS\n  endpoints:\n"
			   "  - {address: a.test, labels: {version: v1}, weight: 3}\n"
			   "  - {address: b.test, ports: {tls: 9443}}\n"
			   "  - {address: 192.0.2.9}\n  - {address: unknown.test}\n" PORTS) "---\n"
			DR("x") "  host: x.test\n  subsets: [{name: v1, labels: {version: v1}}]\n");
	assert_int_equal(w->diags.n, 0);
	assert_int_equal(cluster_of(w, CLUSTER("x.test"))->endpoints_count, 5);
	assert_int_equal(endpoint_at(w, CLUSTER("x.test"), 0)->weight, 3);
	assert_addr(&endpoint_at(w, CLUSTER("x.test"), 2)->addr, "192.0.2.1:9443");
	assert_addr(&endpoint_at(w, CLUSTER("x.test"), 4)->addr, "192.0.2.9:8443");
	assert_int_equal(cluster_of(w, "outbound|443|v1|x.test")->endpoints_count, 2);
	assert_int_equal(policy_snapshot_wants(w->snapshot)->n, 3);
}

static void names_that_are_not_known_have_no_endpoints(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, SE("  hosts: [a.test]\n  resolution: DNS\n" PORTS)
			"---\nkind: MeshConfig\ndnsRefreshRate: 5s\n");
	assert_int_equal(cluster_of(w, CLUSTER("a.test"))->endpoints_count, 0);
	assert_int_equal(policy_snapshot_wants(w->snapshot)->refresh, 5 * HD_NS_PER_S);
}

static void names_of_an_entry_are_expected_in_its_certificates(void **state)
{
	struct policy_world *w = *state;
	const struct policy_tls *t;
	uint32_t found = 0;

	assert_loads(w, SE("  hosts: [a.test]\n  resolution: STATIC\n  endpoints: [{address: "
			   "192.0.2.1}]\n  subjectAltNames: [\"x.test\"]\n" PORTS) "---\n"
			DR("a") "  host: a.test\n  trafficPolicy: {tls: {mode: SIMPLE}}\n");
	assert_int_equal(w->diags.n, 0);
	t = policy_snapshot_tls(w->snapshot);
	for (uint32_t i = 0; i < t->n_contexts; i++) {
		const struct hd_tls_context *c = &t->contexts[i].context;

		if (t->contexts[i].slot + 1 !=
		    endpoint_at(w, CLUSTER("a.test"), 0)->tls_context)
			continue;
		found++;
		assert_int_equal(c->names_rule, HD_TLS_NAMES_LISTED);
		assert_int_equal(c->n_names, 1);
		assert_true(str_is(c->names[0], "x.test"));
	}
	assert_int_equal(found, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(without_resolution_an_entry_leads_where_the_caller_dialled),
		world_test(what_nobody_can_dial_is_said),
		world_test(passthrough_goes_to_the_services_own_address),
		world_test(subsets_of_such_a_cluster_ignore_their_labels),
		world_test(address_in_an_own_subnet_cannot_be_dialled),
		world_test(headless_service_is_balanced_over_its_endpoints),
		world_test(names_of_an_entry_are_expected_in_its_certificates),
		world_test(a_name_has_all_its_addresses_as_endpoints),
		world_test(round_robin_has_the_first_alone),
		world_test(endpoints_may_be_names_and_addresses),
		world_test(names_that_are_not_known_have_no_endpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
