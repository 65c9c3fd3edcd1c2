/* SPDX-License-Identifier: Apache-2.0 */
/* What a Sidecar lets this node see. The node is in namespace shop and has the label app=web. */
#include "policy_test.h"

#define SIDECAR(ns, name, spec)                                                         \
	"apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: " name     \
	", namespace: " ns "}\nspec:\n" spec "---\n"
#define SERVICE_IN(ns, name, vip)                                                        \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: " ns       \
	"}\nspec:\n  clusterIP: " vip "\n  ports: [{name: http, port: 80}]\n---\n"
#define MESH                                        \
	SERVICE_IN("shop", "web", "10.96.0.1")      \
	SERVICE_IN("shop", "cart", "10.96.0.2")     \
	SERVICE_IN("bank", "pay", "10.96.0.3")      \
	SERVICE_IN("bank", "audit", "10.96.0.4")
#define ROUTE                                                                              \
	"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: pay, " \
	"namespace: shop}\nspec:\n  hosts: [pay.test]\n  http:\n  - route: [{destination: "  \
	"{host: pay.bank.svc.cluster.local}}]\n---\n"
#define GATEWAY                                                                         \
	"apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, "       \
	"namespace: shop}\nspec:\n  selector: {app: web}\n  servers: [{port: {number: " \
	"80, name: http, protocol: HTTP}, hosts: ['*']}]\n---\n"

static const struct policy_label node_labels[] = { { (char *)"app", (char *)"web" } };

static int setup(void **state)
{
	static struct policy_world w;
	const struct policy_settings s = {
		.n_workers = 1, .node_namespace = "shop", .labels = node_labels, .n_labels = 1
	};

	policy_world_open(&w, &s);
	*state = &w;
	return 0;
}

/* The first letters of the services that are seen. */
static const char *seen(struct policy_world *w, const char *text)
{
	static char out[16];
	uint32_t n = 0;

	assert_loads(w, text);
	for (uint32_t i = 0; i < w->snapshot->n_services && n < sizeof(out) - 1; i++)
		out[n++] = w->snapshot->services[i].name.p[0];
	out[n] = '\0';
	return out;
}

static void without_one_everything_is_seen(void **state)
{
	assert_string_equal(seen(*state, MESH), "wcpa");
	assert_string_equal(
		seen(*state, MESH SIDECAR("bank", "s", "  egress: [{hosts: [./pay]}]\n")), "wcpa");
}

static void hosts_are_namespaces_and_names(void **state)
{
	struct policy_world *w = *state;

	assert_string_equal(seen(w, MESH SIDECAR("shop", "s", "  egress: [{hosts: [./*]}]\n")),
			    "wc");
	assert_said(w, POLICY_WARNING, 33, 3, "Sidecar shop/s is this node's: 2 services");
	assert_string_equal(
		seen(w, MESH SIDECAR("shop", "s",
				     "  egress: [{hosts: ['bank/pay.bank.svc.cluster.local', "
				     "'*/cart.shop.svc.cluster.local']}]\n")),
		"cp");
	assert_string_equal(
		seen(w, MESH SIDECAR("shop", "s", "  egress: [{hosts: ['*/*.bank.svc.cluster.local']}]\n")),
		"pa");
	assert_string_equal(
		seen(w, MESH SIDECAR("shop", "s", "  egress: [{hosts: ['*/*', '~bank/*']}]\n")), "wc");
}

static void the_nearest_sidecar_speaks(void **state)
{
#define ROOT SIDECAR("istio-system", "mesh", "  egress: [{hosts: ['bank/*']}]\n")
#define NAMESPACE SIDECAR("shop", "all", "  egress: [{hosts: [./*]}]\n")
#define SELECTING(app)                                        \
	SIDECAR("shop", "one", "  workloadSelector: {labels: {app: " app \
			       "}}\n  egress: [{hosts: ['*/*']}]\n")
	assert_string_equal(seen(*state, MESH ROOT), "pa");
	assert_string_equal(seen(*state, MESH ROOT NAMESPACE), "wc");
	assert_string_equal(seen(*state, MESH ROOT NAMESPACE SELECTING("web")), "wcpa");
	assert_string_equal(seen(*state, MESH ROOT NAMESPACE SELECTING("other")), "wc");
}

static void gateways_have_none(void **state)
{
	assert_string_equal(seen(*state, MESH NAMESPACE GATEWAY), "wcpa");
}

static void a_virtual_service_brings_where_it_leads(void **state)
{
	assert_string_equal(
		seen(*state, MESH ROUTE SIDECAR("shop", "s", "  egress: [{hosts: [./pay.test]}]\n")),
		"p");
	assert_string_equal(
		seen(*state, MESH ROUTE SIDECAR("shop", "s", "  egress: [{hosts: [bank/audit.bank.svc.cluster.local]}]\n")),
		"a");
}

/* 502, or the service behind the address. */
static int refuses_unknown(struct policy_world *w, const char *text)
{
	assert_loads(w, text);
	return policy_world_vhost(w->snapshot, "10.96.0.1", 80, "unknown.test") == HD_NONE;
}

static void its_outbound_policy_stands_in_for_the_meshs(void **state)
{
	struct policy_world *w = *state;

	assert_false(refuses_unknown(w, MESH));
	assert_true(refuses_unknown(
		w, MESH SIDECAR("shop", "s", "  outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n")));
	assert_true(refuses_unknown(w, MESH SIDECAR("shop", "s", "  outboundTrafficPolicy: {}\n")));
	assert_false(refuses_unknown(
		w, MESH SIDECAR("shop", "s", "  outboundTrafficPolicy: {mode: ALLOW_ANY}\n")
			   "kind: MeshConfig\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\n"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(without_one_everything_is_seen),
		T(hosts_are_namespaces_and_names),
		T(the_nearest_sidecar_speaks),
		T(gateways_have_none),
		T(a_virtual_service_brings_where_it_leads),
		T(its_outbound_policy_stands_in_for_the_meshs),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
