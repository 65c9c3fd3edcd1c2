/* SPDX-License-Identifier: Apache-2.0 */
/* A registry that remembers documents says and builds the same as one that reads all for the first
 * time, whatever was edited in between. */
#include "policy_test.h"

#include <stdlib.h>

#define ROUNDS 300
#define MOST 24

static uint64_t seed = 1;

static uint32_t pick(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % n;
}

/* Some are wrong, some warn, some are given twice. */
static void document_write(FILE *f, uint32_t kind, uint32_t name)
{
	switch (kind % 10) {
	case 0:
	case 1:
		fprintf(f, SERVICE("s%u", "10.96.0.%u"), name, name + 1, name);
		return;
	case 2:
		fprintf(f, POD("p%u", "s%u", "v1", "10.2.0.%u"), name, name, name + 1);
		return;
	case 3:
		fprintf(f,
			VS("v%u") "  hosts: [s%u]\n  http:\n"
				  "  - match: [{uri: {prefix: /a}}]\n    timeout: %us\n"
				  "    route: [{destination: {host: s%u, subset: v1}}]\n---\n",
			name, name, kind % 7 + 1, name);
		return;
	case 4: /* a list, an alias and a word that is not known */
		fprintf(f,
			"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n"
			"  metadata: {name: l%u, labels: &l {app: s%u}, annotatons: *l}\n"
			"  status: {podIP: 10.2.1.%u}\n---\n",
			name, name, name + 1);
		return;
	case 5:
		fprintf(f,
			"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: e%u, "
			"labels: {kubernetes.io/service-name: s%u}}\naddressType: IPv4\n"
			"ports: [{name: http, port: %u}]\nendpoints: [{addresses: [10.3.0.%u]}]\n---\n",
			name, name, 8000 + kind % 3, name + 1);
		return;
	case 6:
		fprintf(f,
			VS("v%u") "  hosts: [s%u]\n  retries: {attempts: 3}\n  http: [{route: "
				  "[{destination: {host: s%u}}]}]\n---\n",
			name, name, name);
		return;
	case 7:
		fprintf(f,
			DR("d%u") "  host: s%u\n  subsets: [{name: v1, labels: {version: v1}}]\n"
				  "---\n",
			name, name);
		return;
	case 8: /* no body, and a kind whose fields stand beside metadata */
		fprintf(f, "apiVersion: v1\nkind: Namespace\nmetadata: {name: n%u}\n---\n", name);
		return;
	default:
		if (pick(8) == 0)
			fprintf(f, VS("v%u") "  hosts: [s%u, s%u]\n  http: []\n---\n", name, name,
				name);
		else
			fprintf(f, "# nothing, in %u lines\n\n---\n", name);
	}
}

struct mesh {
	uint32_t kinds[MOST], names[MOST];
	uint32_t n;
};

static void mesh_edit(struct mesh *m)
{
	uint32_t at = pick(MOST);

	if (m->n < MOST && pick(3) != 0) {
		m->kinds[m->n] = pick(60);
		m->names[m->n++] = pick(6);
	} else if (m->n > 0 && pick(2) == 0) {
		at %= m->n--;
		m->kinds[at] = m->kinds[m->n];
		m->names[at] = m->names[m->n];
	} else if (m->n > 0) {
		m->kinds[at % m->n] = pick(60);
	}
}

static void mesh_load(struct policy_world *w, const struct mesh *m, uint64_t at)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	seed = at;
	for (uint32_t i = 0; i < m->n; i++)
		document_write(f, m->kinds[i], m->names[i]);
	fclose(f);
	(void)policy_world_load_bytes(w, text, n);
	free(text);
}

static void assert_source_equal(struct hd_source a, struct hd_source b)
{
	assert_true(hd_str_eq(a.file, b.file) && hd_str_eq(a.object, b.object));
	assert_int_equal(a.line, b.line);
	assert_int_equal(a.col, b.col);
}

static void assert_snapshots_equal(const struct hd_snapshot *a, const struct hd_snapshot *b)
{
	assert_int_equal(a->n_routes, b->n_routes);
	assert_int_equal(a->n_clusters, b->n_clusters);
	assert_int_equal(a->n_endpoints, b->n_endpoints);
	assert_int_equal(a->n_services, b->n_services);
	assert_int_equal(a->n_domains, b->n_domains);
	for (uint32_t i = 0; i < a->n_routes; i++) {
		assert_source_equal(a->routes[i].source, b->routes[i].source);
		assert_source_equal(a->routes[i].match.source, b->routes[i].match.source);
		assert_true(hd_str_eq(a->routes[i].match.uri.text, b->routes[i].match.uri.text));
		assert_int_equal(a->routes[i].timeout, b->routes[i].timeout);
		assert_int_equal(a->routes[i].retry.attempts, b->routes[i].retry.attempts);
	}
	for (uint32_t i = 0; i < a->n_clusters; i++) {
		assert_source_equal(a->clusters[i].source, b->clusters[i].source);
		assert_true(hd_str_eq(a->clusters[i].name, b->clusters[i].name));
	}
	for (uint32_t i = 0; i < a->n_endpoints; i++)
		assert_memory_equal(&a->endpoints[i].addr, &b->endpoints[i].addr, 18);
	for (uint32_t i = 0; i < a->n_services; i++)
		assert_source_equal(a->services[i].source, b->services[i].source);
}

static void assert_diags_equal(const struct policy_diags *a, const struct policy_diags *b)
{
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->errors, b->errors);
	assert_int_equal(a->warnings, b->warnings);
	for (uint32_t i = 0; i < a->n; i++) {
		assert_int_equal(a->rows[i].line, b->rows[i].line);
		assert_int_equal(a->rows[i].col, b->rows[i].col);
		assert_string_equal(a->rows[i].message, b->rows[i].message);
	}
}

static void what_is_remembered_is_what_is_read(void **state)
{
	struct policy_world *w = *state, fresh;
	struct mesh m = { .n = 0 };
	uint32_t loaded = 0;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint64_t at = seed;

		mesh_load(w, &m, at);
		policy_world_open(&fresh, NULL);
		mesh_load(&fresh, &m, at);
		assert_int_equal(w->rc, fresh.rc);
		assert_diags_equal(&w->diags, &fresh.diags);
		if (w->rc == 0)
			assert_snapshots_equal(w->snapshot, fresh.snapshot);
		loaded += w->rc == 0;
		policy_world_close(&fresh);
		for (uint32_t i = pick(3) + 1; i > 0; i--)
			mesh_edit(&m);
	}
	assert_in_range(loaded, ROUNDS / 10, ROUNDS - 1);
}

/* "---" in the first column begins a document even within a text. */
static const struct {
	const char *text;
	int rc;
	uint32_t services;
} splits[] = {
	{ "---\n" SERVICE("a", "10.0.0.1") SERVICE("b", "10.0.0.2"), 0, 2 },
	{ SERVICE("a", "10.0.0.1") "# nothing\n---\n---\n" SERVICE("b", "10.0.0.2"), 0, 2 },
	{ "--- # the first\n" SERVICE("a", "10.0.0.1"), 0, 1 },
	{ "---\t\n" SERVICE("a", "10.0.0.1"), 0, 1 },
	{ "---\r\n" SERVICE("a", "10.0.0.1") SERVICE("b", "10.0.0.2"), 0, 2 },
	{ "%YAML 1.1\n---\n" SERVICE("a", "10.0.0.1") "...\n%YAML 1.1\n---\n" SERVICE("b",
										      "10.0.0.2"),
	  0, 2 },
	{ SERVICE("a", "10.0.0.1") "...\n---\n" SERVICE("b", "10.0.0.2"), 0, 2 },
	{ "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  k: |\n    x\n    ---\n"
	  "    kind: Service\n  j: \"---x\"\n",
	  0, 0 },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---x: 1\nspec: {clusterIP: 10.0.0.1, "
	  "ports: [{port: 80}]}\n",
	  0, 1 },
	{ "apiVersion: v1\nkind: \"Po\n---\nd\"\n", -22, 0 },
	{ "{apiVersion: v1,\n---\nkind: Service}\n", -22, 0 },
};

static void documents_end_where_yaml_ends_them(void **state)
{
	struct policy_world *w = *state;

	for (size_t i = 0; i < HD_ARRAY_SIZE(splits); i++) {
		if (policy_world_load(w, splits[i].text) != splits[i].rc) {
			policy_world_tell(w);
			fail_msg("row %zu", i);
		}
		if (splits[i].rc == 0)
			assert_int_equal(w->snapshot->n_services, splits[i].services);
	}
}

static void a_line_above_moves_every_place_below(void **state)
{
	struct policy_world *w = *state;
	uint32_t route, service;

	assert_loads(
		w,
		API VS("api") "  hosts: [api]\n  http: [{route: [{destination: {host: api}}]}]\n");
	route = w->snapshot->routes[0].source.line;
	service = w->snapshot->services[0].source.line;
	assert_loads(w, "# one\n# two\n---\n" API VS("api") "  hosts: [api]\n  http: [{route: "
							    "[{destination: {host: api}}]}]\n");
	assert_int_equal(w->snapshot->routes[0].source.line, route + 3);
	assert_int_equal(w->snapshot->services[0].source.line, service + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(what_is_remembered_is_what_is_read),
		world_test(documents_end_where_yaml_ends_them),
		world_test(a_line_above_moves_every_place_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
