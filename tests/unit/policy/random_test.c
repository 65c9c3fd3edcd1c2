/* SPDX-License-Identifier: Apache-2.0 */
/* Random policies against a plain reading of the same objects: which VirtualService a host gets,
 * which rule a request meets, where it goes. The reading here knows nothing of tables: it goes
 * through everything in order. */
#include <stdlib.h>

#include <hs/hs.h>

#include "policy_test.h"

#define POLICIES 400
#define REQUESTS 60
#define MAX_VS 5
#define MAX_RULES 4

static uint64_t seed;

static uint32_t pick(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % n;
}

static const char *const services[] = { "a.n1", "b.n1", "a.n2", "c.default" };
static const char *const vips[] = { "10.96.0.1", "10.96.0.2", "10.96.0.3", "10.96.0.4" };
static const char *const namespaces[] = { "n1", "n2", "default" };
/* As a VirtualService writes them; the last two belong to no service. */
static const char *const hosts[] = {
	"a",	   "b",		"c",	      "a.n1.svc.cluster.local", "*.n1.svc.cluster.local",
	"*.local", "shop.test", "*.wild.test"
};
static const char *const asked[] = { "a.n1.svc.cluster.local",
				     "a.n1",
				     "b.n1.svc",
				     "a.n2.svc.cluster.local.",
				     "c",
				     "shop.test",
				     "x.wild.test",
				     "10.96.0.3",
				     "elsewhere",
				     "a",
				     "b" };
static const char *const paths[] = { "/", "/a", "/a/b", "/ab", "/A", "/c/7", "/c/77x" };
static const char *const methods[] = { "GET", "POST" };
static const char *const uris[] = { "",
				    "{exact: /a}",
				    "{prefix: /a}",
				    "{prefix: /}",
				    "{regex: \"/c/[0-9]+\"}",
				    "{regex: \"/a.*\"}" };

struct rule {
	uint32_t uri, method, header, port, to; /* 0: none; but `to`, an index of services */
};

struct vs {
	uint32_t ns, host, n_rules;
	struct rule rules[MAX_RULES];
};

static struct vs all[MAX_VS];
static uint32_t n_all;

static void policy_make(void)
{
	n_all = 1 + pick(MAX_VS);
	for (uint32_t i = 0; i < n_all; i++) {
		all[i].ns = pick(HD_ARRAY_SIZE(namespaces));
		all[i].host = pick(HD_ARRAY_SIZE(hosts));
		all[i].n_rules = 1 + pick(MAX_RULES);
		for (uint32_t k = 0; k < all[i].n_rules; k++)
			all[i].rules[k] =
				(struct rule){ pick(HD_ARRAY_SIZE(uris)),
					       pick(4) == 0 ? 1 + pick(2) : 0, pick(4) == 0,
					       pick(5) == 0 ? 80 + pick(2) : 0,
					       pick(HD_ARRAY_SIZE(services)) };
	}
}

static void service_write(FILE *f, uint32_t i)
{
	const char *dot = strchr(services[i], '.');

	fprintf(f,
		"apiVersion: v1\nkind: Service\nmetadata: {name: %.*s, namespace: %s}\n"
		"spec: {clusterIP: %s, ports: [{name: http, port: 80}]}\n---\n",
		(int)(dot - services[i]), services[i], dot + 1, vips[i]);
}

static void rule_write(FILE *f, const struct rule *r)
{
	const char *dot = strchr(services[r->to], '.');

	fprintf(f, "  - match:\n    - name: m\n");
	if (r->uri > 0)
		fprintf(f, "      uri: %s\n", uris[r->uri]);
	if (r->method > 0)
		fprintf(f, "      method: {exact: %s}\n", methods[r->method - 1]);
	if (r->header)
		fprintf(f, "      headers: {x-k: {exact: v}}\n");
	if (r->port > 0)
		fprintf(f, "      port: %u\n", r->port);
	fprintf(f, "    route: [{destination: {host: %.*s.%s.svc.cluster.local}}]\n",
		(int)(dot - services[r->to]), services[r->to], dot + 1);
}

static char *policy_text(size_t *n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(services); i++)
		service_write(f, i);
	for (uint32_t i = 0; i < n_all; i++) {
		fprintf(f,
			"apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
			"metadata: {name: v%u, namespace: %s}\nspec:\n  hosts: [\"%s\"]\n  http:\n",
			i, namespaces[all[i].ns], hosts[all[i].host]);
		for (uint32_t k = 0; k < all[i].n_rules; k++)
			rule_write(f, &all[i].rules[k]);
		fprintf(f, "---\n");
	}
	fclose(f);
	return text;
}

/* The plain reading. */

static void service_host(uint32_t i, char *out, size_t n)
{
	snprintf(out, n, "%s.svc.cluster.local", services[i]);
}

static void vs_host(const struct vs *v, char *out, size_t n)
{
	const char *h = hosts[v->host];

	if (strchr(h, '.') == NULL)
		snprintf(out, n, "%s.%s.svc.cluster.local", h, namespaces[v->ns]);
	else
		snprintf(out, n, "%s", h);
}

static int wildcard_has(const char *pattern, const char *host)
{
	size_t p = strlen(pattern), h = strlen(host);

	if (pattern[0] != '*')
		return strcmp(pattern, host) == 0;
	return h > p - 1 && strcmp(host + h - (p - 1), pattern + 1) == 0;
}

/* Exact before wildcards, longer before shorter, then the first of the list. */
static const struct vs *vs_for(const char *host)
{
	const struct vs *best = NULL;
	char text[128], best_text[128] = "";

	for (uint32_t i = 0; i < n_all; i++) {
		int better;

		vs_host(&all[i], text, sizeof(text));
		if (!wildcard_has(text, host))
			continue;
		better =
			best == NULL || (best_text[0] == '*' && text[0] != '*') ||
			(best_text[0] == '*' && text[0] == '*' && strlen(text) > strlen(best_text));
		if (better) {
			best = &all[i];
			strcpy(best_text, text);
		}
	}
	return best;
}

/* The service that a name stands for; a bare one is of the default namespace, or the only one. */
static int service_for(const char *host)
{
	char full[128], bare[16];
	int found = -1, several = 0;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(services); i++) {
		service_host(i, full, sizeof(full));
		snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(services[i], "."), services[i]);
		if (strncmp(full, host, strlen(full)) == 0 &&
		    strspn(host + strlen(full), ".") == strlen(host) - strlen(full))
			return (int)i;
		if (strcmp(host, services[i]) == 0 || strcmp(host, vips[i]) == 0)
			return (int)i;
		if (strncmp(host, services[i], strlen(services[i])) == 0 &&
		    strcmp(host + strlen(services[i]), ".svc") == 0)
			return (int)i;
		if (strcmp(host, bare) == 0) {
			several = found >= 0;
			found = (int)i;
		}
	}
	return several ? -1 : found;
}

static int uri_has(uint32_t uri, const char *path)
{
	switch (uri) {
	case 1:
		return strcmp(path, "/a") == 0;
	case 2:
	case 5:
		return strncmp(path, "/a", 2) == 0;
	case 4:
		return strcmp(path, "/c/7") == 0;
	default:
		return 1;
	}
}

static int rule_has(const struct rule *r, const char *path, uint32_t method, int header)
{
	return uri_has(r->uri, path) && (r->method == 0 || r->method - 1 == method) &&
	       (!r->header || header);
}

/* The index of the service that answers, -1: 404. `own` is what the vhost's service is, -1: none.
 */
static int expected(const struct vs *v, int own, const char *path, uint32_t method, int header)
{
	int any = 0;

	for (uint32_t k = 0; v != NULL && k < v->n_rules; k++) {
		if (v->rules[k].port == 81)
			continue;
		any = 1;
		if (rule_has(&v->rules[k], path, method, header))
			return (int)v->rules[k].to;
	}
	return any ? -1 : own;
}

static int expected_for(uint32_t vip, const char *host, const char *path, uint32_t method,
			int header)
{
	int own = service_for(host);
	const struct vs *v;
	char full[128];

	if (own < 0) {
		int names_one = 0;

		v = vs_for(host); /* a host that only a VirtualService knows */
		for (uint32_t i = 0; v != NULL && i < HD_ARRAY_SIZE(services); i++) {
			char text[128];

			service_host(i, full, sizeof(full));
			vs_host(v, text, sizeof(text));
			names_one |= wildcard_has(text, full);
		}
		if (v != NULL && !names_one) {
			int any = 0;

			for (uint32_t k = 0; k < v->n_rules; k++)
				any |= v->rules[k].port != 81;
			if (any)
				return expected(v, -1, path, method, header);
		}
		own = (int)vip;
	}
	service_host((uint32_t)own, full, sizeof(full));
	return expected(vs_for(full), own, path, method, header);
}

/* What a worker does with the snapshot. */

static int note(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags,
		void *context)
{
	*(uint64_t *)context |= UINT64_C(1) << id;
	return 0;
}

static int text_has(const struct hd_snapshot *s, const struct hd_string_match *m, const char *text)
{
	uint64_t hits = 0;

	switch (m->kind) {
	case HD_MATCH_EXACT:
		return str_is(m->text, text);
	case HD_MATCH_PREFIX:
		return strncmp(text, m->text.p, m->text.n) == 0;
	case HD_MATCH_REGEX:
		hs_scan(s->regex_db, text, (unsigned int)strlen(text), 0,
			s->workers[0].regex_scratch, note, &hits);
		return (int)(hits >> m->regex & 1);
	default:
		return 1;
	}
}

static int got_for(const struct hd_snapshot *s, uint32_t vip, const char *host, const char *path,
		   uint32_t method, int header)
{
	char full[128];
	const struct hd_route *r;

	for (uint32_t i = 0; (r = policy_world_route(s, vips[vip], 80, host, i)) != NULL; i++) {
		if (!text_has(s, &r->match.uri, path) ||
		    !text_has(s, &r->match.method, methods[method]) ||
		    (r->match.headers_count > 0 && !header))
			continue;
		for (uint32_t k = 0; k < HD_ARRAY_SIZE(services); k++) {
			service_host(k, full, sizeof(full));
			if (str_is(s->destinations[r->destinations_first].host, full))
				return (int)k;
		}
		return -2;
	}
	return -1;
}

static void requests_agree(const struct policy_world *w, const char *text)
{
	for (uint32_t i = 0; i < REQUESTS; i++) {
		uint32_t vip = pick(HD_ARRAY_SIZE(vips)), method = pick(2);
		const char *host = asked[pick(HD_ARRAY_SIZE(asked))],
			   *path = paths[pick(HD_ARRAY_SIZE(paths))];
		int header = (int)pick(2), want = expected_for(vip, host, path, method, header);
		int got = got_for(w->snapshot, vip, host, path, method, header);

		if (want != got)
			fail_msg("%s %s at %s, Host %s, header %d: wanted %d, got %d\n%s",
				 methods[method], path, vips[vip], host, header, want, got, text);
	}
}

static void every_request_goes_where_a_plain_reading_sends_it(void **state)
{
	struct policy_world *w = *state;

	for (uint32_t i = 0; i < POLICIES; i++) {
		size_t n = 0;
		char *text;

		seed = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
		policy_make();
		text = policy_text(&n);
		assert_loads(w, text);
		requests_agree(w, text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(every_request_goes_where_a_plain_reading_sends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
