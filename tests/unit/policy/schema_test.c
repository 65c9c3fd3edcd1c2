/* SPDX-License-Identifier: Apache-2.0 */
/* Every class of complaint, with its line and column. */
#include "policy_schema.h"
#include "policy_test.h"

#define E POLICY_ERROR
#define W POLICY_WARNING
/* Five lines before the spec's fields. */
#define OBJECT(api, kind) "apiVersion: " api "\nkind: " kind "\nmetadata: {name: t}\nspec:\n"
#define NET(kind) OBJECT("networking.istio.io/v1", kind)
#define SEC(kind) OBJECT("security.istio.io/v1", kind)
#define ROUTE "  hosts: [a.test]\n  http:\n  - route: [{destination: {host: a.test}}]\n"
#define POOL NET("DestinationRule") "  host: a.test\n  trafficPolicy:\n    connectionPool:\n"

static const struct {
	const char *text;
	enum policy_severity severity;
	uint32_t line, col;
	const char *words;
} rows[] = {
	/* Objects. */
	{ "a: 1\n", E, 1, 1, "needs \"kind\"" },
	{ "- a\n", E, 1, 1, "must be an object" },
	{ "kind: Service\n", E, 1, 1, "needs \"apiVersion\"" },
	{ NET("VirtualServise") "  {}\n", E, 2, 7, "did you mean \"VirtualService\"?" },
	{ OBJECT("networking.istio.io/v2", "Gateway") "  {}\n", E, 1, 13, "no version \"v2\"" },
	{ OBJECT("apps/v1", "Deployment") "  {}\n", W, 2, 7, "not a kind that Heddle reads" },
	{ NET("EnvoyFilter") "  {}\n", W, 2, 7, "EnvoyFilter is known but not yet honoured" },
	{ OBJECT("policy.linkerd.io/v1", "Server") "  {}\n", E, 2, 7, "not enforced yet" },
	{ "apiVersion: v1\nkind: Service\nmetadata:\n  namespace: x\n", E, 3, 1, "needs \"name\"" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: [1]\n", E, 4, 1,
	  "spec must be a map" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspce: {}\n", W, 4, 1,
	  "did you mean \"spec\"?" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: a, labes: {a: b}}\n", W, 3, 21,
	  "\"labels\"" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: Ab}\n", E, 3, 18, "lower case" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: b.c}\n", E, 3, 32,
	  "DNS label" },
	{ "apiVersion: v1\nkind: List\nitems: 5\n", E, 3, 8, "items must be a list" },
	/* Names. */
	{ NET("VirtualService") "  hosst: [b.test]\n" ROUTE, W, 5, 3,
	  "no field \"hosst\": did you mean \"hosts\"?" },
	{ POOL "      http:\n        http1MaxPendingRequest: 1\n", W, 9, 9,
	  "http1MaxPendingRequests" },
	{ POOL "      tcp: {maxConnections: 1, max_connections: 2}\n", E, 8, 32, "given twice" },
	{ NET("DestinationRule") "  trafficPolicy: {tls: {mode: DISABLE}}\n", E, 4, 1,
	  "needs \"host\"" },
	{ SEC("PeerAuthentication") "  mtsl: {mode: STRICT}\n", W, 5, 3, "matches nothing" },
	/* Types. */
	{ POOL "      tcp:\n        maxConnections: many\n", E, 9, 25,
	  "must be a whole number, not \"many\"" },
	{ POOL "      tcp: {maxConnections: [1]}\n", E, 8, 13, "not a list" },
	{ POOL "      tcp: 5\n", E, 8, 12, "must be a map" },
	{ NET("VirtualService") "  hosts: a.test\n  http: []\n", E, 5, 10, "hosts must be a list" },
	{ NET("VirtualService") "  hosts: [1]\n", E, 5, 11, "in quotes" },
	{ NET("VirtualService") "  hosts: [yes]\n", E, 5, 11, "in quotes" },
	{ NET("VirtualService") "  hosts: [~]\n", E, 5, 11, "empty entry" },
	{ SEC("PeerAuthentication") "  mtls:\n    mode: STRICTLY\n", E, 6, 11,
	  "did you mean STRICT?" },
	{ POOL "      http: {useClientProtocol: 7}\n", E, 8, 33, "true or false" },
	{ POOL "      tcp: {maxConnections: -1}\n", E, 8, 29, "between 0 and 2147483647" },
	{ POOL "      tcp: {maxConnections: 3000000000}\n", E, 8, 29, "between 0 and" },
	{ POOL "      tcp: {connectTimeout: 10}\n", E, 8, 29, "must be a duration" },
	{ POOL "      tcp: {connectTimeout: 1500us}\n", E, 8, 29, "whole number of ms" },
	{ POOL "      tcp: {connectTimeout: 0s}\n", E, 8, 29, "at least 1ms" },
	{ POOL "      tcp: {connectTimeout: 1x}\n", E, 8, 29, "must be a duration" },
	/* Not honoured yet. */
	{ POOL "      http: {h2UpgradePolicy: UPGRADE}\n", W, 8, 14,
	  "h2UpgradePolicy is known but not yet honoured" },
	{ SEC("PeerAuthentication") "  mtls: {mode: STRICT}\n", E, 5, 16, "not enforced yet" },
	{ NET("DestinationRule") "  host: a.test\n  trafficPolicy:\n    tls: {mode: ISTIO_MUTUAL}\n", E,
	  7, 17, "tls" },
	{ NET("DestinationRule") "  host: a\n  subsets: [{name: s, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}]\n",
	  E, 6, 51, "tls" },
	/* VirtualService. */
	{ NET("VirtualService") "  hosts: [a.test]\n", E, 4, 1, "needs http, tls or tcp" },
	{ NET("VirtualService") "  hosts: [\"*\"]\n  http: [{route: [{destination: {host: a}}]}]\n",
	  E, 5, 11, "mesh" },
	{ NET("VirtualService") "  hosts: [a.b, \"*.b\"]\n  http: [{route: [{destination: {host: a}}]}]\n",
	  E, 5, 16, "overlaps" },
	{ NET("VirtualService") "  hosts: [\"a b\"]\n  http: [{route: [{destination: {host: a}}]}]\n",
	  E, 5, 11, "no host name" },
	{ NET("VirtualService") "  hosts: [a]\n  http:\n  - match: [{uri: {prefix: /}}]\n", E, 7, 5,
	  "needs route, redirect" },
	{ NET("VirtualService") "  hosts: [a]\n  http:\n  - route: [{destination: {subset: v1}}]\n",
	  E, 7, 14, "needs \"host\"" },
	{ NET("VirtualService") "  hosts: [a]\n  http:\n  - match: [{uri: {exact: /a, prefix: /b}}]\n",
	  E, 7, 14, "only one of" },
	{ NET("VirtualService") "  hosts: [a]\n  http:\n  - match: [{uri: {regex: \"/(a)\\\\1\"}}]\n",
	  E, 7, 27, "back-references are not RE2 (at byte 5)" },
	{ NET("VirtualService") "  hosts: [a]\n"
				"  retries: {attempts: 3}\n"
				"  http: [{route: [{destination: {host: a}}]}]\n",
	  W, 6, 3, "retries belongs into http[]" },
	{ NET("VirtualService") "  hosts: [a]\n  timeout: 1s\n  http: [{route: [{destination: {host: a}}]}]\n",
	  W, 6, 3, "timeout belongs into http[]" },
	{ NET("VirtualService") "  hosts: [a]\n  http:\n  - timeout: 0s\n    route: [{destination: {host: a}}]\n",
	  E, 7, 14, "at least 1ms" },
	{ NET("VirtualService") "  hosts: [a]\n  http:\n  - retries: {attempts: 1, retryOn: \"5xx,nay\"}\n"
				"    route: [{destination: {host: a}}]\n",
	  E, 7, 37, "\"nay\"" },
	{ NET("VirtualService") "  hosts: [a]\n  exportTo: [\"~\"]\n  http: [{route: [{destination: {host: a}}]}]\n",
	  E, 6, 14, "exportTo" },
	/* The others. */
	{ NET("DestinationRule") "  host: a\n  subsets: [{name: Not_Good}]\n", E, 6, 20,
	  "no DNS label" },
	{ NET("ServiceEntry") "  hosts: [\"*\"]\n", E, 5, 11, "no host name" },
	{ NET("ServiceEntry") "  hosts: [a.b]\n  resolution: DYNAMIC_DNS\n", W, 6, 15,
	  "resolution DYNAMIC_DNS is known" },
	{ NET("WorkloadEntry") "  labels: {a: b}\n", E, 4, 1, "needs \"address\"" },
	{ NET("Gateway") "  selector: {a: b}\n", E, 4, 1, "needs \"servers\"" },
	{ SEC("AuthorizationPolicy") "  action: DENY\n", E, 4, 1, "DENY needs rules" },
	{ SEC("AuthorizationPolicy") "  rules: [{when: [{key: source.ipp, values: [\"1\"]}]}]\n", E,
	  5, 25, "did you mean source.ip?" },
	{ SEC("AuthorizationPolicy") "  rules: [{from: [{source: {ipBlocks: [\"10.0.0.0/33\"]}}]}]\n",
	  E, 5, 40, "neither an address nor" },
	{ SEC("RequestAuthentication") "  jwtRules: [{issuer: a, jwksUri: ftp//x}]\n", E, 5, 35,
	  "no http" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: ten}\n", E, 4, 19,
	  "is no address" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 0}]}\n", E, 4,
	  23, "between 1 and 65535" },
	{ "apiVersion: v1\n"
	  "kind: Service\n"
	  "metadata: {name: a}\n"
	  "---\n"
	  "apiVersion: v1\n"
	  "kind: Service\n"
	  "metadata: {name: a}\n",
	  W, 5, 1, "this one replaces mesh.yaml:1" },
};

static void every_complaint_stands_at_its_place(void **state)
{
	struct policy_world *w = *state;

	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		policy_world_load(w, rows[i].text);
		if (!policy_world_said(w, rows[i].severity, rows[i].line, rows[i].col,
				       rows[i].words)) {
			policy_world_tell(w);
			fail_msg("row %zu: nothing at %u:%u with \"%s\" for\n%s", i, rows[i].line,
				 rows[i].col, rows[i].words, rows[i].text);
		}
		assert_int_equal(w->rc, w->diags.errors > 0 ? -22 : 0);
	}
}

static void strict_makes_unknown_fields_errors(void **state)
{
	const struct policy_settings s = { .n_workers = 1, .strict = 1 };
	struct policy_world w;

	policy_world_open(&w, &s);
	assert_int_equal(policy_world_load(&w, NET("VirtualService") "  hosst: [b.test]\n" ROUTE),
			 -22);
	assert_said(&w, E, 5, 3, "hosst");
	policy_world_close(&w);
}

static void allowed_unenforced_security_loads_with_a_warning(void **state)
{
	const struct policy_settings s = { .n_workers = 1, .allow_unenforced = 1 };
	struct policy_world w;

	policy_world_open(&w, &s);
	assert_loads(&w, SEC("PeerAuthentication") "  mtls: {mode: STRICT}\n");
	assert_said(&w, W, 5, 16, "STRICT without an identity of the node is not enforced yet");
	policy_world_close(&w);
}

static void permissive_needs_no_word(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, SEC("PeerAuthentication") "  mtls: {mode: PERMISSIVE}\n");
	assert_int_equal(w->diags.n, 0);
	assert_loads(w, SEC("PeerAuthentication") "  mtls: {mode: DISABLE}\n");
	assert_int_equal(w->diags.n, 0);
}

static void an_error_under_a_thousand_warnings_is_told(void **state)
{
	static char text[65536];
	struct policy_world *w = *state;
	size_t n = (size_t)snprintf(text, sizeof(text), NET("VirtualService") ROUTE);

	for (int i = 0; i < 1200; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "  zz%d: 1\n", i);
	snprintf(text + n, sizeof(text) - n, "  timeout: never\n");
	assert_int_equal(policy_world_load(w, text), -22);
	assert_said(w, E, 1208, 12, "must be a duration");
	assert_int_equal(w->diags.errors, 1);
	assert_true(w->diags.n <= 1000);
	assert_int_equal(w->diags.left_out, 201);
}

static void names_are_known_in_both_spellings(void **state)
{
	struct policy_world *w = *state;

	assert_loads(
		w,
		NET("DestinationRule") "  host: a.test\n  traffic_policy:\n    connection_pool:\n"
				       "      http: {http1_max_pending_requests: 5, http2_max_requests: 6}\n"
				       "    outlier_detection: {consecutive_5xx_errors: 5}\n");
	for (uint32_t i = 0; i < w->diags.n; i++)
		assert_null(strstr(w->diags.rows[i].message, "no field"));
}

static void the_nearest_name_is_near(void **state)
{
	static const char *const names[] = { "hosts", "http", "gateways", "exportTo" };

	assert_string_equal(policy_nearest(policy_str("hosst"), names, 4), "hosts");
	assert_string_equal(policy_nearest(policy_str("gatways"), names, 4), "gateways");
	assert_string_equal(policy_nearest(policy_str("exportto"), names, 4), "exportTo");
	assert_null(policy_nearest(policy_str("completelyOther"), names, 4));
}

static void durations_are_read_as_go_does(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = { { "1s", 1000000000 },
		     { "1.5s", 1500000000 },
		     { "250ms", 250000000 },
		     { "1h30m", 5400000000000 },
		     { "0", 0 },
		     { "0s", 0 },
		     { "1m", 60000000000 },
		     { "-1s", -1000000000 },
		     { "1us", 1000 },
		     { "2h45m30.5s", 9930500000000 } };
	static const char *const bad[] = { "",	 "1",	"s",  "1 s",  "1d",
					   ".s", "1s2", "ms", "--1s", "99999999999h" };
	int64_t ns;

	for (size_t i = 0; i < HD_ARRAY_SIZE(good); i++) {
		assert_int_equal(policy_duration_parse(policy_str(good[i].text), &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < HD_ARRAY_SIZE(bad); i++)
		assert_int_equal(policy_duration_parse(policy_str(bad[i]), &ns), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(every_complaint_stands_at_its_place),
		cmocka_unit_test(strict_makes_unknown_fields_errors),
		cmocka_unit_test(allowed_unenforced_security_loads_with_a_warning),
		world_test(permissive_needs_no_word),
		world_test(an_error_under_a_thousand_warnings_is_told),
		world_test(names_are_known_in_both_spellings),
		cmocka_unit_test(the_nearest_name_is_near),
		cmocka_unit_test(durations_are_read_as_go_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
