/* SPDX-License-Identifier: Apache-2.0 */
/* Routing against an interpreter that does it the plain way: no table, no memo, one expression at a
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <hs.h>

#include "proxy_random.h"
#include "proxy_route.h"

static struct proxy_random rnd = { { 3, 4 } };

static uint32_t below(uint32_t n)
{
	return proxy_random_below(&rnd, n);
}

static struct hd_str str(const char *text)
{
	return (struct hd_str){ text, (uint32_t)strlen(text) };
}

#define N_DOMAINS 24

static const char *const names[] = { "a.example",  "b.example", "x.a.example",
				     "example",	   "a.b.c.d",	"localhost",
				     "10.1.0.1",   "[fd00::1]", "A.EXAMPLE",
				     "a.example.", ".example",	"api.shop",
				     "api.",	   "apix",	"" };
static const char *const suffixes[] = { ".example", ".a.example", ".c.d", ".d", ".shop" };
static const char *const prefixes[] = { "api.", "a.", "x.a.", "10." };

static struct hd_domain domains[N_DOMAINS];
static uint32_t table[64];
static struct hd_router router;
static struct hd_snapshot snapshot;

static uint32_t add_names(uint32_t n, enum hd_domain_kind kind, const char *const *texts,
			  uint32_t n_texts)
{
	for (uint32_t i = 0; i < n_texts; i++)
		if (below(2) && texts[i][0] != 0 && (texts[i][0] < 'A' || texts[i][0] > 'Z'))
			domains[n++] =
				(struct hd_domain){ str(texts[i]), below(50), (uint8_t)kind };
	return n;
}

static uint32_t random_router(void)
{
	uint32_t n = add_names(0, HD_DOMAIN_EXACT, names, HD_ARRAY_SIZE(names));

	n = add_names(n, HD_DOMAIN_SUFFIX, suffixes, HD_ARRAY_SIZE(suffixes));
	router = (struct hd_router){ .table_mask = 63,
				     .any_vhost = below(2) ? 77 : HD_NONE,
				     .prefix_first = n };
	memset(table, 0xff, sizeof(table));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = hd_name_hash(domains[i].text.p, domains[i].text.n) & 63;
		if (domains[i].kind == HD_DOMAIN_SUFFIX &&
		    domains[i].text.n > router.suffix_longest)
			router.suffix_longest = domains[i].text.n;
		while (table[at] != HD_NONE)
			at = (at + 1) & 63;
		table[at] = i;
	}
	n = add_names(n, HD_DOMAIN_PREFIX, prefixes, 1);
	router.prefix_count = n - router.prefix_first;
	snapshot =
		(struct hd_snapshot){ .domains = domains, .n_domains = n, .domain_table = table };
	return n;
}

/* Exact, else the longest suffix with something before it, else the prefix, else any. */
static uint32_t plain_vhost(uint32_t n, const char *host)
{
	size_t host_n = strlen(host), longest = 0;
	uint32_t found = router.any_vhost;

	for (uint32_t i = 0; i < n; i++)
		if (domains[i].kind == HD_DOMAIN_PREFIX && host_n > domains[i].text.n &&
		    strncmp(host, domains[i].text.p, domains[i].text.n) == 0)
			found = domains[i].vhost;
	for (uint32_t i = 0; i < n; i++) {
		size_t t = domains[i].text.n;
		if (domains[i].kind == HD_DOMAIN_SUFFIX && host_n > t &&
		    strcmp(host + host_n - t, domains[i].text.p) == 0 && t > longest) {
			longest = t;
			found = domains[i].vhost;
		}
	}
	for (uint32_t i = 0; i < n; i++)
		if (domains[i].kind == HD_DOMAIN_EXACT && strcmp(host, domains[i].text.p) == 0)
			return domains[i].vhost;
	return found;
}

static void hosts_are_found_as_by_a_linear_search(void **state)
{
	for (int round = 0; round < 2000; round++) {
		uint32_t n = random_router();
		for (uint32_t i = 0; i < HD_ARRAY_SIZE(names); i++) {
			char asked[64], host[PROXY_HOST_MAX], low[64];
			uint32_t host_n;
			snprintf(asked, sizeof(asked), "%s%s", names[i], below(2) ? ":8080" : "");
			for (uint32_t k = 0; k <= strlen(names[i]); k++)
				low[k] = names[i][k] >= 'A' && names[i][k] <= 'Z'
						 ? names[i][k] | 0x20
						 : names[i][k];
			host_n = proxy_route_host((const uint8_t *)asked, (uint32_t)strlen(asked),
						  host);
			assert_int_equal(host_n, strlen(low));
			assert_memory_equal(host, low, host_n);
			assert_int_equal(proxy_route_vhost(&snapshot, &router, host, host_n),
					 plain_vhost(n, low));
		}
	}
}

static const char *const expressions[] = { "/a[0-9]+", "/.*x", "b|c", "", "/(a+)+b", "v.*" };
static const char *const texts[] = { "/", "/a", "/a1", "/a12", "/ax",  "/b",  "b",   "c",
				     "v", "V",	"vw",  "",     "/aab", "GET", "POST" };
static const char *const paths[] = { "/", "/a", "/a1", "/a12", "/ax", "/b", "/aab", "/A1" };
static const char *const header_names[] = { "x-a", "x-b", "cookie" };

#define N_ROUTES 12
static struct hd_route routes[N_ROUTES];
static struct hd_header_match lines[4 * N_ROUTES];

static struct hd_string_match random_match(int may_be_header)
{
	struct hd_string_match m = { .kind = (uint8_t)below(may_be_header ? 6 : 4),
				     .regex = HD_NONE,
				     .text = str(texts[below(HD_ARRAY_SIZE(texts))]) };

	if (m.kind == HD_MATCH_REGEX)
		m.regex = below(HD_ARRAY_SIZE(expressions));
	m.invert = may_be_header && below(4) == 0;
	return m;
}

static void random_routes(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < N_ROUTES; i++) {
		struct hd_route_match *m = &routes[i].match;
		*m = (struct hd_route_match){ .uri = random_match(0), .headers_first = n };
		if (below(3) == 0)
			m->method = random_match(0);
		if (m->uri.kind == HD_MATCH_EXACT || m->uri.kind == HD_MATCH_PREFIX)
			m->uri.text = str(paths[below(HD_ARRAY_SIZE(paths))]);
		for (m->headers_count = below(3); n < m->headers_first + m->headers_count; n++)
			lines[n] = (struct hd_header_match){ str(header_names[below(3)]),
							     random_match(1) };
		m->query_first = n;
		for (m->query_count = below(4) == 0; n < m->query_first + m->query_count; n++)
			lines[n] = (struct hd_header_match){ str("q"), random_match(1) };
	}
	snapshot.routes = routes;
	snapshot.header_matches = lines;
}

struct asked {
	const char *method, *path, *query; /* query NULL: none */
	const char *values[3][2];	   /* of header_names; NULL: not sent */
};

static int plain_regex(uint32_t id, const char *text)
{
	/* What each of the expressions means, by hand. */
	size_t n = strlen(text), a = strspn(text + (n > 0), "a");

	switch (id) {
	case 0:
		return n > 2 && strncmp(text, "/a", 2) == 0 &&
		       strspn(text + 2, "0123456789") == n - 2;
	case 1:
		return n >= 2 && text[0] == '/' && text[n - 1] == 'x';
	case 2:
		return strcmp(text, "b") == 0 || strcmp(text, "c") == 0;
	case 3:
		return n == 0;
	case 4:
		return n >= 3 && text[0] == '/' && a == n - 2 && text[n - 1] == 'b';
	default:
		return text[0] == 'v';
	}
}

static int plain_string(const struct hd_string_match *m, const char *text)
{
	switch (m->kind) {
	case HD_MATCH_EXACT:
		return strcmp(m->text.p, text) == 0;
	case HD_MATCH_PREFIX:
		return strncmp(m->text.p, text, m->text.n) == 0;
	case HD_MATCH_REGEX:
		return plain_regex(m->regex, text);
	case HD_MATCH_ABSENT:
		return 0;
	default:
		return 1;
	}
}

static int plain_values(const struct hd_string_match *m, const char *const *values, int n)
{
	int present = 0, any = 0;

	for (int i = 0; i < n; i++) {
		present |= values[i] != NULL;
		any |= values[i] != NULL && plain_string(m, values[i]);
	}
	if (m->kind == HD_MATCH_ABSENT)
		return present == m->invert;
	return any != m->invert;
}

static int plain_route(const struct hd_route_match *m, const struct asked *q)
{
	const char *value =
		q->query != NULL && strncmp(q->query, "q=", 2) == 0 ? q->query + 2 : NULL;

	if (!plain_string(&m->uri, q->path) || !plain_string(&m->method, q->method))
		return 0;
	for (uint32_t i = 0; i < m->headers_count; i++) {
		const struct hd_header_match *l = &lines[m->headers_first + i];
		int k = strcmp(l->name.p, "x-a") == 0 ? 0 : strcmp(l->name.p, "x-b") == 0 ? 1 : 2;
		if (!plain_values(&l->value, q->values[k], 2))
			return 0;
	}
	return m->query_count == 0 || plain_values(&lines[m->query_first].value, &value, 1);
}

static void ask(const struct hd_vhost *v, void *scratch, struct proxy_route_memo *memo)
{
	struct asked q = { .method = below(2) ? "GET" : "POST",
			   .path = paths[below(HD_ARRAY_SIZE(paths))],
			   .query = below(2)   ? "q=v"
				    : below(2) ? "q="
					       : NULL };
	struct http_head h;
	struct http_error e;
	char head[512];
	struct proxy_request_view view = { .bytes = (const uint8_t *)head,
					   .head = &h,
					   .path = (const uint8_t *)q.path,
					   .path_n = (uint32_t)strlen(q.path) };
	int n = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: a\r\n", q.method, q.path);
	uint32_t want = HD_NONE;

	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 2; k++) {
			if (below(2))
				continue;
			q.values[i][k] = texts[below(HD_ARRAY_SIZE(texts))];
			n += snprintf(head + n, sizeof(head) - (size_t)n, "%s: %s\r\n",
				      header_names[i], q.values[i][k]);
		}
	n += snprintf(head + n, sizeof(head) - (size_t)n, "\r\n");
	assert_int_equal(http1_parse_request((const uint8_t *)head, (uint32_t)n, &h, &e),
			 HTTP_DONE);
	if (q.query != NULL)
		view.query = str(q.query);
	for (uint32_t i = N_ROUTES; i-- > 0;)
		if (plain_route(&routes[i].match, &q))
			want = i;
	assert_int_equal(proxy_route_find(&snapshot, v, &view, scratch, memo), want);
}

static void routes_are_found_as_by_an_interpreter(void **state)
{
	static char anchored[HD_ARRAY_SIZE(expressions)][64];
	const char *patterns[HD_ARRAY_SIZE(expressions)];
	unsigned int flags[HD_ARRAY_SIZE(expressions)], ids[HD_ARRAY_SIZE(expressions)];
	const struct hd_vhost v = { .routes_count = N_ROUTES };
	static struct proxy_route_memo memo;
	hs_compile_error_t *error;
	hs_scratch_t *scratch = NULL;
	hs_database_t *db;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(expressions); i++) {
		snprintf(anchored[i], sizeof(anchored[i]), "^(?:%s)$", expressions[i]);
		patterns[i] = anchored[i];
		flags[i] = HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY;
		ids[i] = i;
	}
	assert_int_equal(hs_compile_multi(patterns, flags, ids, HD_ARRAY_SIZE(expressions),
					  HS_MODE_BLOCK, NULL, &db, &error),
			 HS_SUCCESS);
	assert_int_equal(hs_alloc_scratch(db, &scratch), HS_SUCCESS);
	snapshot.regex_db = db;
	for (int round = 0; round < 3000; round++) {
		random_routes();
		for (int k = 0; k < 5; k++)
			ask(&v, scratch, &memo);
	}
	hs_free_scratch(scratch);
	hs_free_database(db);
}

static void no_expressions_match_without_a_database(void **state)
{
	const struct hd_vhost v = { .routes_count = 1 };
	struct hd_route r = { .match.uri = { .kind = HD_MATCH_REGEX } };
	struct hd_snapshot s = { .routes = &r };
	struct http_head h = { 0 };
	struct proxy_request_view q = {
		.bytes = (const uint8_t *)"", .head = &h, .path = (const uint8_t *)"/", .path_n = 1
	};
	static struct proxy_route_memo memo;

	assert_int_equal(proxy_route_find(&s, &v, &q, NULL, &memo), HD_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_are_found_as_by_a_linear_search),
		cmocka_unit_test(routes_are_found_as_by_an_interpreter),
		cmocka_unit_test(no_expressions_match_without_a_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
