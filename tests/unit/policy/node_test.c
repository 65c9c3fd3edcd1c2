/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_test.h"

#define HEAD "apiVersion: heddle.dev/v1\nkind: DataPlane\nmetadata: {name: edge-1}\nspec:\n"
#define PORT \
	"  ports: [{name: front, device: \"net_af_packet0,iface=c0\", side: mesh, addresses: [10.1.0.1/24]}]\n"

static const char whole[] =
	"apiVersion: heddle.dev/v1\nkind: DataPlane\n"
	"metadata: {name: edge-1, namespace: istio-system, labels: {istio: ingressgateway, app: gw}}\n"
	"spec:\n"
	"  eal: [\"--in-memory\", \"--no-pci\"]\n"
	"  workers: [1, 2]\n"
	"  mainLcore: 0\n"
	"  handshakeThreads: 3\n"
	"  idle: adaptive\n"
	"  ports:\n"
	"  - name: front\n"
	"    device: \"net_af_packet0,iface=c0\"\n"
	"    side: mesh\n"
	"    addresses: [10.1.0.1/24, \"fd00:1::1/64\"]\n"
	"    mtu: 1500\n"
	"  - {name: back, device: \"0000:3b:00.0\", side: workload, addresses: [10.2.0.1/24]}\n"
	"  routes: [{to: 0.0.0.0/0, via: 10.1.0.254}, {to: \"::/0\", via: \"fd00:1::fe\"}]\n"
	"  identity: {certificate: tls/node.pem, key: /k.pem, trustBundle: tls/ca.pem, trustDomain: td}\n"
	"  defaultNamespace: shop\n"
	"  locality: eu-1/a/rack-7\n"
	"  policy: [mesh.d/, /etc/x.yaml]\n"
	"  control: {socket: run/h.sock}\n"
	"  metrics: {listen: \"[::1]:15020\"}\n"
	"  accessLog: {path: /dev/stdout, format: json}\n"
	"  limits: {connections: 1000, mbufs: 4096}\n";

static struct policy_node *parse(const char *text, struct policy_diags *d)
{
	struct policy_node *n = NULL;

	policy_diags_init(d);
	if (policy_node_parse("/etc/heddle/node.yaml", text, strlen(text), &n, d) != 0)
		return NULL;
	return n;
}

static void every_key_is_read(void **state)
{
	struct policy_diags d;
	struct policy_node *n = parse(whole, &d);
	char text[HD_ADDR_STRLEN];

	if (n == NULL)
		policy_diags_print(&d, stderr);
	assert_non_null(n);
	assert_string_equal(n->name, "edge-1");
	assert_string_equal(n->namespace_, "istio-system");
	assert_int_equal(n->n_labels, 2);
	assert_string_equal(n->labels[0].value, "ingressgateway");
	assert_string_equal(n->dp.eal[1], "--no-pci");
	assert_null(n->dp.eal[2]);
	assert_int_equal(n->dp.n_workers, 2);
	assert_int_equal(n->dp.workers[1], 2);
	assert_int_equal(n->dp.handshake_threads, 3);
	assert_int_equal(n->dp.idle, HD_IDLE_ADAPTIVE);
	assert_int_equal(n->dp.n_ports, 2);
	assert_string_equal(n->dp.ports[0].device, "net_af_packet0,iface=c0");
	assert_int_equal(n->dp.ports[0].addresses[0].len, 96 + 24);
	assert_int_equal(n->dp.ports[0].addresses[1].len, 64);
	assert_string_equal(hd_ip_format(&n->dp.ports[0].addresses[0].ip, text), "10.1.0.1");
	assert_int_equal(n->dp.ports[0].mtu, 1500);
	assert_int_equal(n->dp.ports[1].side, HD_SIDE_WORKLOAD);
	assert_int_equal(n->dp.n_routes, 2);
	assert_int_equal(n->dp.routes[0].to.len, 96);
	assert_int_equal(n->dp.routes[1].to.len, 0);
	assert_string_equal(n->identity.certificate, "/etc/heddle/tls/node.pem");
	assert_string_equal(n->identity.key, "/k.pem");
	assert_string_equal(n->trust_domain, "td");
	assert_string_equal(n->default_namespace, "shop");
	assert_string_equal(n->subzone, "rack-7");
	assert_string_equal(n->policy_paths[0], "/etc/heddle/mesh.d/");
	assert_string_equal(n->policy_paths[1], "/etc/x.yaml");
	assert_string_equal(n->control_socket, "/etc/heddle/run/h.sock");
	assert_string_equal(hd_addr_format(&n->metrics, text), "[::1]:15020");
	assert_string_equal(n->access_log_path, "/dev/stdout");
	assert_int_equal(n->access_log_format, POLICY_LOG_JSON);
	assert_int_equal(n->dp.max_connections, 1000);
	assert_int_equal(n->dp.max_mbufs, 4096);
	policy_node_free(n);
	policy_diags_fini(&d);
}

static void defaults_are_filled_in(void **state)
{
	struct policy_diags d;
	struct policy_node *n = parse(HEAD PORT, &d);

	assert_non_null(n);
	assert_int_equal(n->dp.n_workers, 1);
	assert_int_equal(n->dp.workers[0], 1);
	assert_int_equal(n->dp.idle, HD_IDLE_POLL);
	assert_string_equal(n->namespace_, "default");
	assert_string_equal(n->default_namespace, "default");
	assert_string_equal(n->trust_domain, "cluster.local");
	assert_string_equal(n->control_socket, "/run/heddle.sock");
	assert_string_equal(n->region, "");
	assert_null(n->access_log_path);
	assert_null(n->identity.certificate);
	assert_int_equal(n->metrics.port, 0);
	assert_int_equal(n->dp.handshake_threads, 1);
	policy_node_free(n);
	policy_diags_fini(&d);
}

#define PORTS2(a, b)                                                         \
	HEAD "  ports:\n  - {name: a, device: d, side: mesh, addresses: [" a \
	     "]}\n  - {name: b, device: e, side: mesh, addresses: [" b "]}\n"
#define DEVICES(a, b)                                                                         \
	HEAD "  ports:\n  - {name: a, side: mesh, device: " a "}\n  - {name: b, side: mesh, " \
	     "device: " b "}\n"
#define ADDRESS(a, why)                                                                          \
	{                                                                                        \
		HEAD "  ports: [{name: a, device: d, side: mesh, addresses: [" a "]}]\n", 5, 56, \
			why                                                                      \
	}
#define EAL(arg, why)                                         \
	{                                                     \
		HEAD PORT "  eal: [\"" arg "\"]\n", 6, 9, why \
	}

static const struct {
	const char *text;
	uint32_t line, col;
	const char *words;
} refused[] = {
	{ HEAD PORT "  polcy: [x]\n", 6, 3, "did you mean \"policy\"?" },
	{ HEAD "  ports: [{name: a, device: d, side: mesh, addrses: []}]\n", 5, 44,
	  "\"addresses\"" },
	{ HEAD "  workers: [1]\n", 4, 1, "needs \"ports\"" },
	{ HEAD "  ports: []\n", 5, 3, "at least one port" },
	{ HEAD PORT "  workers: [0]\n", 6, 13, "mainLcore" },
	{ HEAD PORT "  workers: [1, 1]\n", 6, 16, "given twice" },
	{ HEAD PORT "  workers: [-1]\n", 6, 13, "between 0 and 1023" },
	{ HEAD PORT "  idle: lazy\n", 6, 9, "idle cannot be" },
	{ HEAD "  ports: [{name: a, device: d, side: mesh, addresses: [10.0.0.1]}]\n", 5, 56,
	  "subnet" },
	{ HEAD "  ports: [{name: a, device: d, side: mesh, addresses: [10.0.0.1/33]}]\n", 5, 56,
	  "subnet" },
	{ HEAD "  ports: [{name: a, device: d, side: mesh}, {name: a, device: e, side: mesh}]\n", 5,
	  52, "twice" },
	{ HEAD "  ports: [{name: a, device: d, side: inside}]\n", 5, 38, "side cannot be" },
	{ HEAD PORT "  routes: [{to: 10.0.0.0, via: 10.1.0.2}]\n", 6, 17, "no prefix" },
	{ HEAD PORT "  routes: [{to: 10.0.0.0/8, via: \"fd00::1\"}]\n", 6, 34, "two families" },
	{ HEAD PORT "  metrics: {listen: nowhere}\n", 6, 21, "metrics.listen" },
	{ HEAD PORT "  metrics: {listen: \"1.2.3.4:70000\"}\n", 6, 21, "metrics.listen" },
	{ HEAD PORT "  accessLog: {format: xml}\n", 6, 23, "format cannot be" },
	{ HEAD PORT "  identity: {certificate: a, key: b}\n", 6, 3, "needs \"trustBundle\"" },
	{ HEAD PORT "  identity: {certificate: a, key: b, trustBundle: c}\n  handshakeThreads: 0\n", 7, 21,
	  "an identity needs handshakeThreads" },
	{ HEAD PORT "  locality: a/b/c/d\n", 6, 13, "region/zone/subzone" },
	{ HEAD PORT "  limits: {connections: 3}\n", 6, 25, "between 64 and" },
	{ "apiVersion: heddle.dev/v1\nkind: DataPlan\nmetadata: {name: a}\nspec:\n" PORT, 2, 7,
	  "kind is DataPlane" },
	{ "apiVersion: v2\nkind: DataPlane\nmetadata: {name: a}\nspec:\n" PORT, 1, 13,
	  "apiVersion is" },
	{ "apiVersion: heddle.dev/v1\nkind: DataPlane\nmetadata: {}\nspec:\n" PORT, 3, 1,
	  "needs \"name\"" },
	{ HEAD PORT "---\n" HEAD PORT, 1, 1, "one document" },
	{ "", 1, 1, "one document" },
	{ "- a\n", 1, 1, "must be a map" },
	{ HEAD "\tports: 1\n", 5, 1, "not YAML" },
	ADDRESS("224.0.0.1/24", "multicast"),
	ADDRESS("239.1.2.3/8", "multicast"),
	ADDRESS("255.255.255.255/32", "broadcast"),
	ADDRESS("240.0.0.1/24", "reserved"),
	ADDRESS("127.0.0.1/8", "loopback"),
	ADDRESS("0.0.0.0/0", "no address of a host"),
	ADDRESS("0.1.2.3/24", "no address of a host"),
	ADDRESS("\"::/64\"", "unspecified"),
	ADDRESS("\"::1/128\"", "loopback"),
	ADDRESS("\"ff02::1/16\"", "multicast"),
	ADDRESS("10.1.0.0/24", "the subnet itself"),
	ADDRESS("10.1.0.255/24", "broadcast address of its subnet"),
	ADDRESS("\"fd00::/64\"", "anycast"),
	ADDRESS("\"10.1.0.1/24\\0\"", "NUL byte"),
	{ PORTS2("10.1.0.1/24", "10.1.0.1/24"), 7, 50, "given twice (first in line 6)" },
	{ PORTS2("10.1.0.1/24, 10.1.0.1/32", "10.2.0.1/24"), 6, 63, "given twice" },
	{ PORTS2("10.1.0.1/16", "10.1.5.1/24"), 7, 50,
	  "overlaps that of \"10.1.0.1/16\" on port a" },
	{ PORTS2("\"fd00::1/48\"", "\"fd00:0:0:1::1/64\""), 7, 50, "overlaps" },
	{ DEVICES("net_ring0", "net_ring0"), 7, 35, "given twice (first in line 6)" },
	{ DEVICES("\"0000:3B:00.0\"", "\"3b:00.0,arg=1\""), 7, 35, "given twice" },
	{ DEVICES("\"net_af_packet0,iface=c0\"", "\"net_af_xdp1,iface=c0,queue_count=1\""), 7, 35,
	  "interface \"c0\" is given twice" },
	{ DEVICES("net_af_packet0", "net_ring0"), 6, 35, "name it" },
	{ HEAD PORT "  routes: [{to: 0.0.0.0/0, via: 10.9.0.1}]\n", 6, 33, "in no subnet" },
	{ HEAD PORT "  routes: [{to: 0.0.0.0/0, via: 10.1.0.1}]\n", 6, 33, "own address" },
	{ HEAD PORT "  routes: [{to: 0.0.0.0/0, via: 10.1.0.0}]\n", 6, 33, "the subnet itself" },
	{ HEAD PORT "  routes: [{to: 0.0.0.0/0, via: 10.1.0.255}]\n", 6, 33, "broadcast" },
	{ HEAD PORT "  routes: [{to: 0.0.0.0/0, via: 224.0.0.1}]\n", 6, 33, "multicast" },
	{ HEAD PORT "  routes: [{to: 10.1.2.3/8, via: 10.1.0.2}]\n", 6, 17,
	  "prefix is 10.0.0.0/8" },
	{ HEAD PORT "  routes: [{to: 10.1.0.0/24, via: 10.1.0.2}]\n", 6, 17, "needs no route" },
	{ HEAD PORT
	  "  routes: [{to: 10.0.0.0/8, via: 10.1.0.2}, {to: 10.0.0.0/8, via: 10.1.0.3}]\n",
	  6, 50, "given twice (first in line 6)" },
	{ PORTS2("10.1.0.1/24", "10.2.0.1/24") "  routes: [{to: \"::/0\", via: \"fe80::1\"}]\n", 8,
	  30, "any port" },
	{ HEAD PORT "  defaultNamespace: \"a\\0b\"\n", 6, 21, "NUL byte" },
	{ HEAD PORT "  mainLcore: \"5\\0b\"\n", 6, 14, "NUL byte" },
	EAL("--no-hugg", "did you mean \"--no-huge\"?"),
	EAL("-x", "no option \"-x\""),
	EAL("foo", "no EAL option"),
	EAL("--", "no EAL option"),
	EAL("", "no EAL option"),
	EAL("--help", "prints its usage"),
	EAL("-m", "needs a value"),
	EAL("-m0", "number above 0"),
	EAL("--main-lcore=x\\0", "NUL byte"),
	EAL("--no-pci=1", "takes no value"),
	EAL("--iova-mode=dc", "pa or va"),
	EAL("--proc-type=secondary", "secondary process"),
	{ HEAD PORT "  eal: [\"-m\", \"512\", \"--socket-mem=512\"]\n", 6, 22,
	  "either -m or --socket-mem" },
	{ HEAD PORT "  eal: [\"--in-memory\", \"--legacy-mem\"]\n", 6, 24,
	  "either --in-memory or --legacy-mem" },
	{ HEAD PORT "  eal: [\"--file-prefix\", \"--no-pci\"]\n", 6, 9, "needs a value" },
};

static void every_mistake_is_refused_at_its_place(void **state)
{
	for (size_t i = 0; i < HD_ARRAY_SIZE(refused); i++) {
		struct policy_diags d;
		int found = 0;

		assert_null(parse(refused[i].text, &d));
		for (uint32_t k = 0; k < d.n; k++)
			found |= d.rows[k].severity == POLICY_ERROR &&
				 d.rows[k].line == refused[i].line &&
				 d.rows[k].col == refused[i].col &&
				 strstr(d.rows[k].message, refused[i].words) != NULL;
		if (!found) {
			policy_diags_print(&d, stderr);
			fail_msg("row %zu: %s", i, refused[i].words);
		}
		policy_diags_fini(&d);
	}
}

/* What stands close to the mistakes above and works. */
static const char *const taken[] = {
	PORTS2("10.1.0.1/24, 10.1.0.2/24, \"fe80::1/64\"", "10.2.0.0/31, \"fe80::2/64\""),
	PORTS2("10.1.0.1/32", "10.1.0.2/32"),
	PORTS2("\"fd00::/127\", 10.1.0.1/24", "\"fd01::ffff/112\""),
	DEVICES("\"net_af_packet0,iface=c0\"", "\"net_af_packet1,iface=c01\""),
	HEAD PORT "  routes: [{to: 10.0.0.0/8, via: 10.1.0.2}, {to: 10.0.0.0/9, via: 10.1.0.2}]\n",
	HEAD PORT "  routes: [{to: \"::/0\", via: \"fe80::1\"}]\n",
	HEAD PORT
	"  eal: [\"--no-huge\", \"-m\", \"1024\", \"--no-pci\", \"--no-shconf\", -v, \"-l0,1\"]\n",
	HEAD PORT
	"  eal: [\"--log-level=lib.eal:debug\", \"--file-prefix\", h, \"--huge-unlink=never\"]\n",
	HEAD PORT
	"  eal: [\"-a\", \"0000:3b:00.0,x=1\", \"--allow=0000:3b:00.1\", \"--main-lcore=0\"]\n",
};

static void what_works_is_taken(void **state)
{
	for (size_t i = 0; i < HD_ARRAY_SIZE(taken); i++) {
		struct policy_diags d;
		struct policy_node *n = parse(taken[i], &d);

		policy_diags_print(&d, stderr);
		if (n == NULL)
			fail_msg("row %zu", i);
		policy_node_free(n);
		policy_diags_fini(&d);
	}
}

static void a_file_that_is_not_there_is_told(void **state)
{
	struct policy_node *n = NULL;
	struct policy_diags d;

	policy_diags_init(&d);
	assert_int_equal(policy_node_read("/nonexistent/node.yaml", &n, &d), -22);
	assert_int_equal(d.errors, 1);
	assert_string_equal(d.rows[0].file, "/nonexistent/node.yaml");
	policy_diags_fini(&d);
}

static void the_examples_are_read(void **state)
{
	static const char *const files[] = { EXAMPLES "/node.yaml", EXAMPLES "/node-xdp.yaml" };

	for (size_t i = 0; i < HD_ARRAY_SIZE(files); i++) {
		struct policy_node *n = NULL;
		struct policy_diags d;

		policy_diags_init(&d);
		if (policy_node_read(files[i], &n, &d) != 0)
			policy_diags_print(&d, stderr);
		assert_non_null(n);
		policy_node_free(n);
		policy_diags_fini(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(every_mistake_is_refused_at_its_place),
		cmocka_unit_test(what_works_is_taken),
		cmocka_unit_test(a_file_that_is_not_there_is_told),
		cmocka_unit_test(the_examples_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
