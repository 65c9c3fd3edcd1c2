/* SPDX-License-Identifier: Apache-2.0 */
/* Random VirtualServices, the whole way: YAML through policy into a snapshot, bytes of a request
 * through the HTTP parser and the proxy's own look-up; against an interpreter that goes through the
 * same rules in order and asks the C library's regular expressions. HEDDLE_ROUTE_CASES says how
 * many requests. */
#include <regex.h>
#include <stdlib.h>
#include <strings.h>

#include "../policy/policy_test.h"
#include "proxy_random.h"
#include "proxy_route.h"

#define CASES 120000
#define REQUESTS 400 /* of a policy */
#define SERVICES 4
#define RULES 5
#define MATCHES 3
#define LINES 4

static struct proxy_random rnd = { { 21, 22 } };

static uint32_t below(uint32_t n)
{
	return proxy_random_below(&rnd, n);
}

#define PICK(list) (list)[below(HD_ARRAY_SIZE(list))]

enum kind { NONE, EXACT, PREFIX, REGEX, PRESENT };

struct text {
	enum kind kind;
	const char *value;
};

struct line {
	const char *name;
	struct text text;
	int without;
};

struct match {
	struct text uri, method, authority;
	int ignore_case;
	struct line headers[2], query;
};

struct rule {
	struct match matches[MATCHES];
	uint32_t n_matches, to;
};

/* Of the service of the same index; no rules: there is none. */
struct virtual_service {
	struct rule rules[RULES];
	uint32_t n_rules;
};

struct request {
	char path[64], query[64];
	const char *method, *host;
	struct {
		const char *name, *value;
	} lines[LINES];
	uint32_t n_lines;
};

static struct virtual_service mesh[SERVICES];
static regex_t compiled[16];

static const char *const paths[] = { "/",   "/a",    "/a/b",	 "/A/b", "/ab",
				     "/a/", "/v1/x", "/v22/x.y", "/zz",	 "/static/app.js" };
static const char *const uri_values[] = { "/", "/a", "/a/", "/A", "/v1", "/static/", "/zz" };
static const char *const values[] = { "", "x", "xy", "y", "v1", "v22", "X" };
static const char *const names[] = { "x-a", "x-b", "user-agent" };
static const char *const keys[] = { "p", "q", "pp" };
static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
/* The same in RE2 and POSIX. */
static const char *const expressions[] = { "/a.*",	"/v[0-9]+/.*",	"/(a|zz)", "[^/]*",
					   "x?y?",	"v[0-9][0-9]?", "GET|P.*", ".*b",
					   "svc-[0-2]", ".*\\.js" };

static void expressions_compile(void)
{
	char whole[64];

	for (size_t i = 0; i < HD_ARRAY_SIZE(expressions); i++) {
		snprintf(whole, sizeof(whole), "^(%s)$", expressions[i]);
		assert_int_equal(regcomp(&compiled[i], whole, REG_EXTENDED | REG_NOSUB), 0);
	}
}

static struct text random_text(const char *const *list, uint32_t n, int may_be_present)
{
	switch (below(may_be_present ? 5 : 4)) {
	case 0:
		return (struct text){ REGEX, PICK(expressions) };
	case 1: {
		const char *value = list[below(n)];

		return (struct text){ *value != '\0' ? PREFIX : EXACT, value };
	}
	case 4:
		return (struct text){ PRESENT, "" };
	default:
		return (struct text){ EXACT, list[below(n)] };
	}
}

#define TEXT(list, present) random_text(list, HD_ARRAY_SIZE(list), present)

static const char *const hosts[] = { "svc-0", "svc-1", "svc-2", "svc-3" };

static void random_match(struct match *m)
{
	*m = (struct match){ 0 };
	if (below(4) > 0)
		m->uri = TEXT(uri_values, 0);
	m->ignore_case = below(4) == 0 && m->uri.kind != NONE;
	if (below(4) == 0)
		m->method = TEXT(methods, 0);
	if (below(6) == 0)
		m->authority = TEXT(hosts, 0);
	for (uint32_t i = 0; i < 2; i++)
		if (below(3) == 0)
			m->headers[i] = (struct line){ names[i + below(2)], TEXT(values, 1),
						       below(3) == 0 };
	if (m->headers[0].name == m->headers[1].name)
		m->headers[1] = (struct line){ 0 };
	if (below(4) == 0)
		m->query = (struct line){ PICK(keys), TEXT(values, 1), 0 };
}

static void random_mesh(void)
{
	for (uint32_t s = 0; s < SERVICES; s++) {
		mesh[s].n_rules = below(RULES + 1);
		for (uint32_t r = 0; r < mesh[s].n_rules; r++) {
			struct rule *rule = &mesh[s].rules[r];

			rule->to = below(SERVICES);
			rule->n_matches = below(5) == 0 ? 0 : 1 + below(MATCHES);
			for (uint32_t i = 0; i < rule->n_matches; i++)
				random_match(&rule->matches[i]);
		}
	}
}

/* Into YAML. */

static void text_write(FILE *f, const struct text *t)
{
	static const char *const words[] = { "", "exact", "prefix", "regex" };

	if (t->kind == PRESENT)
		fputs("{}", f);
	else
		fprintf(f, "{%s: '%s'}", words[t->kind], t->value);
}

static void lines_write(FILE *f, const struct match *m, int without)
{
	int any = 0;

	for (uint32_t i = 0; i < 2; i++) {
		const struct line *line = &m->headers[i];

		if (line->name == NULL || line->without != without)
			continue;
		fprintf(f, "%s%s: ",
			any	  ? ", "
			: without ? ", withoutHeaders: {"
				  : ", headers: {",
			line->name);
		text_write(f, &line->text);
		any = 1;
	}
	fputs(any ? "}" : "", f);
}

static void match_write(FILE *f, const struct match *m)
{
	fprintf(f, "    - {name: m");
	if (m->uri.kind != NONE) {
		fputs(", uri: ", f);
		text_write(f, &m->uri);
	}
	if (m->ignore_case)
		fputs(", ignoreUriCase: true", f);
	if (m->method.kind != NONE) {
		fputs(", method: ", f);
		text_write(f, &m->method);
	}
	if (m->authority.kind != NONE) {
		fputs(", authority: ", f);
		text_write(f, &m->authority);
	}
	lines_write(f, m, 0);
	lines_write(f, m, 1);
	if (m->query.name != NULL) {
		fprintf(f, ", queryParams: {%s: ", m->query.name);
		text_write(f, &m->query.text);
		fputs("}", f);
	}
	fputs("}\n", f);
}

static char *mesh_text(size_t *n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	assert_non_null(f);
	for (uint32_t s = 0; s < SERVICES; s++) {
		fprintf(f, SERVICE("svc-%u", "10.96.0.%u"), s, s + 1, s);
		if (mesh[s].n_rules > 0)
			fprintf(f, VS("svc-%u") "  hosts: [svc-%u]\n  http:\n", s, s);
		for (uint32_t r = 0; r < mesh[s].n_rules; r++) {
			const struct rule *rule = &mesh[s].rules[r];

			fprintf(f, "  - route: [{destination: {host: svc-%u}}]\n", rule->to);
			fputs(rule->n_matches > 0 ? "    match:\n" : "", f);
			for (uint32_t i = 0; i < rule->n_matches; i++)
				match_write(f, &rule->matches[i]);
		}
		fputs("---\n", f);
	}
	fclose(f);
	return text;
}

/* The plain reading. */

static int matches(const struct text *t, const char *s, int ignore_case)
{
	switch (t->kind) {
	case EXACT:
		return (ignore_case ? strcasecmp : strcmp)(s, t->value) == 0;
	case PREFIX:
		return (ignore_case ? strncasecmp : strncmp)(s, t->value, strlen(t->value)) == 0;
	case REGEX:
		for (size_t i = 0; i < HD_ARRAY_SIZE(expressions); i++)
			if (expressions[i] == t->value)
				return regexec(&compiled[i], s, 0, NULL, 0) == 0;
		return 0;
	default:
		return 1;
	}
}

static int line_holds(const struct line *line, const struct request *q)
{
	int found = 0;

	for (uint32_t i = 0; i < q->n_lines; i++)
		found |= strcasecmp(q->lines[i].name, line->name) == 0 &&
			 matches(&line->text, q->lines[i].value, 0);
	return found != line->without;
}

static int query_holds(const struct line *line, const struct request *q)
{
	char copy[64], *rest = copy;

	snprintf(copy, sizeof(copy), "%s", q->query);
	for (char *part; (part = strsep(&rest, "&")) != NULL;) {
		char *equal = strchr(part, '=');

		if (equal != NULL)
			*equal = '\0';
		if (strcmp(part, line->name) == 0)
			return matches(&line->text, equal != NULL ? equal + 1 : "", 0);
	}
	return 0;
}

static int match_holds(const struct match *m, const struct request *q)
{
	int holds = matches(&m->uri, q->path, m->ignore_case) &&
		    matches(&m->method, q->method, 0) && matches(&m->authority, q->host, 0);

	for (uint32_t i = 0; i < 2; i++)
		holds &= m->headers[i].name == NULL || line_holds(&m->headers[i], q);
	return holds && (m->query.name == NULL || query_holds(&m->query, q));
}

/* The service that is to answer, SERVICES: nobody. */
static uint32_t wanted_for(uint32_t service, const struct request *q)
{
	const struct virtual_service *v = &mesh[service];

	for (uint32_t r = 0; r < v->n_rules; r++) {
		int holds = v->rules[r].n_matches == 0;

		for (uint32_t i = 0; i < v->rules[r].n_matches; i++)
			holds |= match_holds(&v->rules[r].matches[i], q);
		if (holds)
			return v->rules[r].to;
	}
	return v->n_rules == 0 ? service : SERVICES;
}

/* What the proxy does. */

static void random_request(struct request *q, uint32_t *service)
{
	static const char *const cased[] = { "x-a", "X-A", "x-b", "X-b", "User-Agent", "x-c" };

	*service = below(SERVICES);
	*q = (struct request){ .method = PICK(methods), .host = hosts[*service] };
	snprintf(q->path, sizeof(q->path), "%s", PICK(paths));
	for (uint32_t i = below(4); i > 0; i--) {
		size_t n = strlen(q->query);

		snprintf(q->query + n, sizeof(q->query) - n, "%s%s%s%s", n > 0 ? "&" : "",
			 PICK(keys), below(5) > 0 ? "=" : "", PICK(values));
	}
	q->n_lines = below(LINES + 1);
	for (uint32_t i = 0; i < q->n_lines; i++) {
		q->lines[i].name = PICK(cased);
		q->lines[i].value = PICK(values);
	}
}

static int request_write(const struct request *q, char *out, size_t bytes)
{
	int n = snprintf(out, bytes, "%s %s%s%s HTTP/1.1\r\nHost: %s\r\n", q->method, q->path,
			 *q->query != '\0' ? "?" : "", q->query, q->host);

	for (uint32_t i = 0; i < q->n_lines; i++)
		n += snprintf(out + n, bytes - (size_t)n, "%s: %s\r\n", q->lines[i].name,
			      q->lines[i].value);
	return n + snprintf(out + n, bytes - (size_t)n, "\r\n");
}

static uint32_t got_for(const struct hd_snapshot *s, uint32_t service, const char *bytes, int n)
{
	static struct proxy_route_memo memo;
	static struct http_head head;
	char text[32], host[PROXY_HOST_MAX];
	const struct hd_listener *l;
	struct http_error e;
	struct proxy_request_view view;
	const uint8_t *at = (const uint8_t *)bytes, *mark;
	struct hd_ip ip;
	uint32_t vhost, route;

	snprintf(text, sizeof(text), "10.96.0.%u", service + 1);
	assert_int_equal(hd_ip_parse(text, &ip), 0);
	l = hd_snapshot_listener(s, &ip, 80);
	assert_non_null(l);
	if (http1_parse_request(at, (uint32_t)n, &head, &e) != HTTP_DONE)
		fail_msg("no request: %s", bytes);
	vhost = proxy_route_vhost(s, &s->routers[l->router], host,
				  proxy_route_host(at + head.authority, head.authority_n, host));
	assert_int_not_equal(vhost, HD_NONE);
	mark = memchr(at + head.path, '?', head.path_n);
	view = (struct proxy_request_view){
		.bytes = at,
		.head = &head,
		.path = at + head.path,
		.path_n = mark != NULL ? (uint32_t)(mark - at) - head.path : head.path_n,
	};
	if (mark != NULL)
		view.query =
			(struct hd_str){ (const char *)mark + 1, head.path_n - view.path_n - 1u };
	route = proxy_route_find(s, &s->vhosts[vhost], &view, s->workers[0].regex_scratch, &memo);
	if (route == HD_NONE)
		return SERVICES;
	for (uint32_t i = 0; i < SERVICES; i++)
		if (strncmp(s->destinations[s->routes[route].destinations_first].host.p, hosts[i],
			    5) == 0)
			return i;
	return HD_NONE;
}

static void requests_agree(const struct policy_world *w, const char *text, uint64_t *nobody)
{
	struct request q;
	char bytes[1024];
	uint32_t service;

	for (uint32_t i = 0; i < REQUESTS; i++) {
		uint32_t wanted, got;
		int n;

		random_request(&q, &service);
		n = request_write(&q, bytes, sizeof(bytes));
		wanted = wanted_for(service, &q);
		got = got_for(w->snapshot, service, bytes, n);
		if (wanted != got)
			fail_msg("wanted service %u, got %u:\n%s%s", wanted, got, bytes, text);
		*nobody += wanted == SERVICES;
	}
}

static void compiled_routes_are_what_a_plain_reading_says(void **state)
{
	const char *given = getenv("HEDDLE_ROUTE_CASES");
	uint64_t cases = given != NULL ? strtoull(given, NULL, 10) : CASES, done = 0, nobody = 0;
	struct policy_world *w = *state;

	expressions_compile();
	for (; done < cases; done += REQUESTS) {
		size_t n = 0;
		char *text;

		random_mesh();
		text = mesh_text(&n);
		assert_loads(w, text);
		requests_agree(w, text, &nobody);
		free(text);
	}
	for (size_t i = 0; i < HD_ARRAY_SIZE(expressions); i++)
		regfree(&compiled[i]);
	print_message("%llu requests, %llu of them without a route\n", (unsigned long long)done,
		      (unsigned long long)nobody);
	assert_true(nobody > done / 20 && nobody < done / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(compiled_routes_are_what_a_plain_reading_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
