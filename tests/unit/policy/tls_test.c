/* SPDX-License-Identifier: Apache-2.0 */
/* What PeerAuthentication, DestinationRule tls and Gateways become in a snapshot. */
#include "policy_test.h"
#include "policy_tls.h"

static struct policy_identity identity = { "/c.pem", "/k.pem", "/ca.pem" };

static int setup(void **state)
{
	static struct policy_world w;
	static struct hd_node node = { .n_ports = 1 };
	static struct policy_label label = { "istio", "edge" };
	const struct policy_settings s = { .n_workers = 1,
					   .identity = &identity,
					   .spiffe_id = "spiffe://cluster.local/ns/n/sa/node",
					   .labels = &label,
					   .n_labels = 1,
					   .node = &node };

	assert_int_equal(hd_ip_parse("10.1.0.1", &node.ports[0].addresses[0].ip), 0);
	node.ports[0].n_addresses = 1;
	policy_world_open(&w, &s);
	*state = &w;
	return 0;
}

static int world_shutdown(void **state)
{
	policy_world_close(*state);
	return 0;
}

#undef POD
#define POD(name, app, ip, mesh)                                                        \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: " name ", labels: {app: " app mesh \
	"}}\nspec: {serviceAccountName: " name "}\nstatus: {podIP: " ip "}\n---\n"
#define MESHED ", security.istio.io/tlsMode: istio"
#define PEER(name, ns, spec)                                                                 \
	"apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: " name \
	", namespace: " ns "}\nspec: " spec "\n---\n"

static uint8_t inbound_of(const struct policy_world *w, const char *ip, uint16_t port)
{
	struct hd_ip addr;

	assert_int_equal(hd_ip_parse(ip, &addr), 0);
	return hd_snapshot_listener(w->snapshot, &addr, port)->inbound;
}

static void workload_beats_namespace_beats_mesh(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, SERVICE("a", "10.0.0.1") SERVICE("b", "10.0.0.2")
				POD("x", "a", "10.2.0.1", "") POD("y", "b", "10.2.0.2", ""));
	assert_int_equal(inbound_of(w, "10.0.0.1", 80), HD_INBOUND_PERMISSIVE);
	assert_loads(w,
		     SERVICE("a", "10.0.0.1") SERVICE("b", "10.0.0.2") POD(
			     "x", "a", "10.2.0.1", "") POD("y", "b", "10.2.0.2", "")
			     PEER("m", "istio-system", "{mtls: {mode: STRICT}}") PEER(
				     "w", "default",
				     "{selector: {matchLabels: {app: b}}, mtls: {mode: DISABLE}}"));
	assert_int_equal(inbound_of(w, "10.0.0.1", 80), HD_INBOUND_STRICT);
	assert_int_equal(inbound_of(w, "10.0.0.2", 80), HD_INBOUND_PLAIN);
	assert_loads(w,
		     SERVICE("a", "10.0.0.1") POD("x", "a", "10.2.0.1", "") PEER(
			     "m", "istio-system", "{mtls: {mode: STRICT}}")
			     PEER("n", "default", "{mtls: {mode: PERMISSIVE}}") PEER(
				     "w", "default",
				     "{selector: {matchLabels: {app: a}}, mtls: {mode: UNSET}}"));
	assert_int_equal(inbound_of(w, "10.0.0.1", 80), HD_INBOUND_PERMISSIVE);
}

static void port_level_is_by_the_workloads_port(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, SERVICE("a", "10.0.0.1") POD("x", "a", "10.2.0.1", "")
				PEER("w", "default",
				     "{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}, "
				     "portLevelMtls: {8080: {mode: DISABLE}}}"));
	assert_int_equal(inbound_of(w, "10.0.0.1", 80), HD_INBOUND_PLAIN);
	assert_loads(w, SERVICE("a", "10.0.0.1") POD("x", "a", "10.2.0.1", "")
				PEER("w", "default",
				     "{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}, "
				     "portLevelMtls: {80: {mode: DISABLE}}}"));
	assert_int_equal(inbound_of(w, "10.0.0.1", 80), HD_INBOUND_STRICT);
}

static void strictest_workload_speaks_for_the_address(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, SERVICE("a", "10.0.0.1") POD("x", "a", "10.2.0.1",
						     ", v: one") POD("y", "a", "10.2.0.2", "")
				PEER("w", "default",
				     "{selector: {matchLabels: {v: one}}, mtls: {mode: STRICT}}"));
	assert_int_equal(inbound_of(w, "10.0.0.1", 80), HD_INBOUND_STRICT);
	assert_int_equal(w->diags.warnings, 1);
}

static const struct hd_tls_context *context_of(const struct policy_world *w, uint32_t one_based)
{
	const struct policy_tls *t = policy_snapshot_tls(w->snapshot);

	for (uint32_t i = 0; i < t->n_contexts; i++)
		if (t->contexts[i].slot + 1 == one_based)
			return &t->contexts[i].context;
	fail_msg("no context %u", one_based);
	return NULL;
}

static void labelled_endpoints_get_mesh_tls_with_their_own_identity(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cluster *c;
	const struct hd_endpoint *e;

	assert_loads(w, SERVICE("a", "10.0.0.1") POD("x", "a", "10.2.0.1", MESHED)
				POD("y", "a", "10.2.0.2", ""));
	c = policy_world_cluster(w->snapshot, "outbound|80||a.default.svc.cluster.local");
	e = w->snapshot->endpoints + c->endpoints_first;
	assert_memory_equal(c->sni.p, "outbound_.80_._.a.default.svc.cluster.local", c->sni.n);
	assert_int_not_equal(e[0].tls_context, 0);
	assert_int_equal(e[1].tls_context, 0);
	assert_memory_equal(e[0].identity.p, "spiffe://cluster.local/ns/default/sa/x",
			    e[0].identity.n);
	assert_int_equal(context_of(w, e[0].tls_context)->n_names, 1);
	assert_int_equal(context_of(w, e[0].tls_context)->names_rule, HD_TLS_NAMES_SPIFFE);
}

#define RULE(tls)                                                                          \
	"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r}\n" \
	"spec: {host: a, trafficPolicy: {tls: " tls "}}\n---\n"

static void rules_win_over_what_is_automatic(void **state)
{
	struct policy_world *w = *state;
	const struct hd_tls_context *c;

	assert_loads(w, SERVICE("a", "10.0.0.1") POD("x", "a", "10.2.0.1", MESHED)
				RULE("{mode: DISABLE}"));
	assert_int_equal(w->snapshot->endpoints[0].tls_context, 0);
	assert_loads(w, SERVICE("a", "10.0.0.1") POD("x", "a", "10.2.0.1", "")
				RULE("{mode: ISTIO_MUTUAL}"));
	assert_int_not_equal(w->snapshot->endpoints[0].tls_context, 0);
	assert_loads(w, SERVICE("a", "10.0.0.1") POD("x", "a", "10.2.0.1", MESHED)
				RULE("{mode: SIMPLE, sni: s.test, caCertificates: /r.pem}"));
	c = context_of(w, w->snapshot->endpoints[0].tls_context);
	assert_int_equal(c->names_rule, HD_TLS_NAMES_SNI);
	assert_int_equal(c->n_credentials, 0);
	assert_loads(w, SERVICE("a", "10.0.0.1") POD("x", "a", "10.2.0.1", MESHED)
				RULE("{mode: MUTUAL, credentialName: gone}"));
	c = context_of(w, w->snapshot->endpoints[0].tls_context);
	assert_int_equal(c->n_credentials, 1); /* which is not there: nothing goes out in clear */
}

#define GATEWAY                                                                           \
	"apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec:\n" \
	"  selector: {istio: edge}\n  servers:\n"                                         \
	"  - port: {number: 443, name: a, protocol: HTTPS}\n    hosts: [a.test]\n"        \
	"    tls: {mode: SIMPLE, credentialName: pair}\n"                                 \
	"  - port: {number: 443, name: b, protocol: HTTPS}\n    hosts: [\"*.b.test\"]\n"  \
	"    tls: {mode: MUTUAL, credentialName: pair}\n---\n"                            \
	"apiVersion: v1\nkind: Secret\nmetadata: {name: pair}\n"                          \
	"data: {tls.crt: Q0VSVA==, tls.key: S0VZ, ca.crt: Q0E=}\n---\n"

static void gateway_servers_are_picked_by_name(void **state)
{
	struct policy_world *w = *state;
	const struct hd_listener *l;
	const struct policy_tls *t;
	struct hd_ip ip;

	assert_loads(w, GATEWAY);
	assert_int_equal(w->rc, 0);
	assert_int_equal(hd_ip_parse("10.1.0.1", &ip), 0);
	l = hd_snapshot_listener(w->snapshot, &ip, 443);
	assert_non_null(l);
	assert_int_equal(l->servers_count, 2);
	assert_int_equal(w->snapshot->tls_servers[l->servers_first].kind, HD_DOMAIN_EXACT);
	assert_int_equal(w->snapshot->tls_servers[l->servers_first + 1].kind, HD_DOMAIN_SUFFIX);
	t = policy_snapshot_tls(w->snapshot);
	assert_int_equal(t->n_credentials, 2); /* the identity, and one Secret named twice */
	assert_memory_equal(t->credentials[1].chain.pem.p, "CERT", 4);
	assert_memory_equal(t->credentials[1].key.pem.p, "KEY", 3);
	assert_memory_equal(t->bundles[1].roots.pem.p, "CA", 2);
}

static void slots_stay_from_load_to_load(void **state)
{
	struct policy_world *w = *state;
	uint32_t before;

	assert_loads(w, SERVICE("a", "10.0.0.1") POD("x", "a", "10.2.0.1", MESHED));
	before = w->snapshot->endpoints[0].tls_context;
	assert_loads(w, SERVICE("z", "10.0.0.9") SERVICE("a", "10.0.0.1") POD(
				"w", "z", "10.2.0.9", MESHED) POD("x", "a", "10.2.0.1", MESHED));
	for (uint32_t i = 0; i < w->snapshot->n_endpoints; i++)
		if (w->snapshot->endpoints[i].tls_context == before)
			return;
	fail_msg("slot %u is gone", before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, world_shutdown)
		T(workload_beats_namespace_beats_mesh),
		T(port_level_is_by_the_workloads_port),
		T(strictest_workload_speaks_for_the_address),
		T(labelled_endpoints_get_mesh_tls_with_their_own_identity),
		T(rules_win_over_what_is_automatic),
		T(gateway_servers_are_picked_by_name),
		T(slots_stay_from_load_to_load),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
