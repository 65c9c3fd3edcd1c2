/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization against an interpreter that reads policies as they are written: random policies go
 * through the loader, random requests through the parser. HEDDLE_AUTHZ_CASES: how many decisions
 * are compared (250,000 when not set). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "authz_plain.h"
#include "policy_world.h"
#include "proxy_authz.h"
#include "proxy_random.h"

#define CASES 250000
#define REQUESTS 500 /* of one set of policies */
#define POLICIES 12

static struct proxy_random rnd = { { 11, 12 } };

static uint32_t below(uint32_t n)
{
	return proxy_random_below(&rnd, n);
}

#define PICK(list) list[below(HD_ARRAY_SIZE(list))]

static const char *const principals[] = { "cluster.local/ns/default/sa/web",
					  "cluster.local/ns/default/sa/api",
					  "cluster.local/ns/shop/sa/web",
					  "other.domain/ns/shop/sa/api" };
static const char *const principal_patterns[] = { "*",
						  "cluster.local/ns/default/*",
						  "*/sa/web",
						  "other.domain/ns/shop/sa/api",
						  "cluster.local/ns/default/sa/web",
						  "cluster.local/ns/shop/sa/web",
						  "*shop/sa/api",
						  "no*" };
static const char *const account_patterns[] = { "web", "shop/web", "default/api", "shop/api" };
static const char *const namespace_patterns[] = { "default", "shop", "sh*", "*op", "*", "none" };
static const char *const domain_patterns[] = { "cluster.local", "other.*", "*.domain", "*" };
static const char *const token_patterns[] = { "*",	  "iss/alice", "iss/*", "*/bob",
					      "i*/alice", "a/b/alice", "*ce",	"is*" };
static const char *const block_patterns[] = { "10.0.0.1", "10.0.0.0/8", "10.1.0.0/16",	"0.0.0.0/0",
					      "fd00::/8", "fd00:1::1",	"10.1.2.128/25" };
static const char *const addresses[] = { "10.0.0.1",  "10.1.2.3",  "10.1.2.200",
					 "192.0.2.1", "fd00:1::1", "fd00:2::9" };
static const char *const method_patterns[] = { "GET", "POST", "DEL*", "*T", "*" };
static const char *const methods[] = { "GET", "POST", "DELETE", "PUT", "PATCH" };
static const char *const path_patterns[] = { "/a",	  "/a/*",      "*/b",
					     "/a/{*}/c",  "/d/{**}",   "/{*}/b",
					     "/d/{**}/z", "*",	       "/api/v1/users",
					     "/api/*",	  "/{*}/{**}", "/e/*/f" };
static const char *const paths[] = { "/a",   "/a/b",	      "/a/b/c",		"/d/",
				     "/d",   "/d/x/y/z",      "/d/z",		"/a//c",
				     "/q/b", "/api/v1/users", "/api/v1/users/", "/a/*/c",
				     "/",    "/e/*/f",	      "/d/x*/z" };
static const char *const host_patterns[] = { "web.shop", "*.example", "WEB*", "*",
					     "web.shop:8080" };
static const char *const hosts[] = { "web.shop", "Web.Shop", "a.example", "example",
				     "web.shop:8080" };
static const char *const port_patterns[] = { "80", "8080", "9090" };
static const char *const header_patterns[] = { "a", "b*", "*z", "*", "a,z" };
static const char *const header_values[] = { "a", "bb", "xz", "A", "", "a,z" };
static const char *const claim_patterns[] = { "g1", "g*", "*2", "*" };
static const char *const claim_values[] = { "g1", "g2", "other", "" };
static const char *const sni_patterns[] = { "web.shop", "outbound_*", "*shop", "*" };
static const char *const snis[] = { "", "web.shop", "outbound_.80_._.web.shop" };
static const char *const keys[] = { "source.ip",
				    "remote.ip",
				    "source.namespace",
				    "source.serviceAccount",
				    "source.trustDomain",
				    "source.principal",
				    "request.auth.principal",
				    "request.auth.audiences",
				    "request.auth.presenter",
				    "request.auth.claims[groups]",
				    "request.auth.claims[a][b]",
				    "destination.ip",
				    "destination.port",
				    "connection.sni",
				    "request.headers[x-k]",
				    "request.headers[X-Other]" };

static const char *pattern_for(const char *field)
{
	static const struct {
		const char *in, *const *list;
		uint32_t n;
	} lists[] = {
#define LIST(word, list) { word, list, HD_ARRAY_SIZE(list) }
		LIST("equestPrincipals", token_patterns),
		LIST("request.auth.principal", token_patterns),
		LIST("erviceAccount", account_patterns),
		LIST("rincipal", principal_patterns),
		LIST("amespace", namespace_patterns),
		LIST("rustDomain", domain_patterns),
		LIST("pBlocks", block_patterns),
		LIST(".ip", block_patterns),
		LIST("ethods", method_patterns),
		LIST("aths", path_patterns),
		LIST("osts", host_patterns),
		LIST("ort", port_patterns),
		LIST("headers", header_patterns),
		LIST("auth", claim_patterns),
		LIST("sni", sni_patterns),
#undef LIST
	};

	for (size_t i = 0; i < HD_ARRAY_SIZE(lists); i++)
		if (strstr(field, lists[i].in) != NULL)
			return lists[i].list[below(lists[i].n)];
	fail_msg("no values for %s", field);
	return NULL;
}

static void fill(struct plain_list *l, const char *field)
{
	l->n = 1 + (int)below(PLAIN_VALUES);
	for (int i = 0; i < l->n; i++)
		l->values[i] = pattern_for(field);
}

static int identity_field(const char *name)
{
	return strstr(name, "lock") == NULL;
}

/* One or two fields; never accounts beside what they do not go with, never identities in CUSTOM. */
static void fill_some(struct plain_list *lists, const char *const *names, uint32_t n, int custom)
{
	int accounts = below(4) == 0, any = 0;

	while (!any)
		for (uint32_t k = 0; k < 1 + below(2); k++) {
			uint32_t f = below(n);
			int is_source = n == PLAIN_SOURCE_FIELDS;

			if (is_source && custom && identity_field(names[f]))
				continue;
			if (is_source && !accounts && (f == 2 || f == 3))
				continue;
			if (is_source && accounts && (f < 2 || f == 4 || f == 5))
				continue;
			fill(&lists[f], names[f]);
			any = 1;
		}
}

static int key_fits(const char *key, int custom)
{
	return !custom || strncmp(key, "request.h", 9) == 0 || strstr(key, ".ip") != NULL ||
	       strstr(key, "port") != NULL || strstr(key, "sni") != NULL;
}

static void random_rule(struct plain_rule *r, int custom)
{
	*r = (struct plain_rule){ 0 };
	r->n_sources = (int)below(3);
	r->n_operations = (int)below(3);
	r->n_conditions = (int)below(3) == 0 ? 1 + (int)below(2) : 0;
	for (int i = 0; i < r->n_sources; i++)
		fill_some(r->sources[i], plain_source_names, PLAIN_SOURCE_FIELDS, custom);
	for (int i = 0; i < r->n_operations; i++)
		fill_some(r->operations[i], plain_operation_names, PLAIN_OPERATION_FIELDS, custom);
	for (int i = 0; i < r->n_conditions; i++) {
		struct plain_condition *c = &r->conditions[i];

		do {
			c->key = PICK(keys);
		} while (!key_fits(c->key, custom));
		if (below(2))
			fill(&c->values, c->key);
		if (c->values.n == 0 || below(3) == 0)
			fill(&c->not_values, c->key);
	}
}

static const char *const policy_namespaces[] = { "istio-system", "default", "shop" };
static const char *const selectors[][2] = {
	{ NULL, NULL }, { NULL, NULL }, { "app", "web" }, { "version", "v2" }, { "app", "none" }
};

static void random_policy(struct plain_policy *p, int i)
{
	static const enum plain_action actions[] = { PLAIN_ALLOW, PLAIN_ALLOW, PLAIN_ALLOW,
						     PLAIN_DENY,  PLAIN_DENY,  PLAIN_AUDIT,
						     PLAIN_CUSTOM };
	uint32_t selector = below(HD_ARRAY_SIZE(selectors));

	*p = (struct plain_policy){ .namespace_ = PICK(policy_namespaces),
				    .action = PICK(actions) };
	snprintf(p->name, sizeof(p->name), "p%u-%d", below(30), i);
	p->label[0] = selectors[selector][0];
	p->label[1] = selectors[selector][1];
	p->dry_run = below(10) == 0;
	p->n_rules = (int)below(PLAIN_RULES + 1);
	if (p->n_rules == 0 && (p->action == PLAIN_DENY || p->action == PLAIN_CUSTOM))
		p->n_rules = 1;
	for (int k = 0; k < p->n_rules; k++)
		random_rule(&p->rules[k], p->action == PLAIN_CUSTOM);
}

static char text[1 << 19];
static size_t text_n;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_n += (size_t)vsnprintf(text + text_n, sizeof(text) - text_n, format, args);
	va_end(args);
	assert_true(text_n < sizeof(text));
}

static void say_list(const char *indent, const char *name, const struct plain_list *l)
{
	if (l->n == 0)
		return;
	say("%s%s: [", indent, name);
	for (int i = 0; i < l->n; i++)
		say("%s'%s'", i > 0 ? ", " : "", l->values[i]);
	say("]\n");
}

static void say_rule(const struct plain_rule *r)
{
	static const struct plain_rule empty;

	if (memcmp(r, &empty, sizeof(*r)) == 0)
		say("  - {}\n");
	else
		say("  -\n");
	if (r->n_sources > 0)
		say("    from:\n");
	for (int i = 0; i < r->n_sources; i++) {
		say("    - source:\n");
		for (int f = 0; f < PLAIN_SOURCE_FIELDS; f++)
			say_list("        ", plain_source_names[f], &r->sources[i][f]);
	}
	if (r->n_operations > 0)
		say("    to:\n");
	for (int i = 0; i < r->n_operations; i++) {
		say("    - operation:\n");
		for (int f = 0; f < PLAIN_OPERATION_FIELDS; f++)
			say_list("        ", plain_operation_names[f], &r->operations[i][f]);
	}
	if (r->n_conditions > 0)
		say("    when:\n");
	for (int i = 0; i < r->n_conditions; i++) {
		say("    - key: '%s'\n", r->conditions[i].key);
		say_list("      ", "values", &r->conditions[i].values);
		say_list("      ", "notValues", &r->conditions[i].not_values);
	}
}

static void say_policy(const struct plain_policy *p)
{
	static const char *const words[] = { "ALLOW", "DENY", "AUDIT", "CUSTOM" };

	say("---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
	    "metadata: {name: %s, namespace: %s%s}\nspec:\n  action: %s\n",
	    p->name, p->namespace_, p->dry_run ? ", annotations: {istio.io/dry-run: 'true'}" : "",
	    words[p->action]);
	if (p->action == PLAIN_CUSTOM)
		say("  provider: {name: nobody}\n");
	if (p->label[0] != NULL)
		say("  selector: {matchLabels: {%s: %s}}\n", p->label[0], p->label[1]);
	if (p->n_rules > 0)
		say("  rules:\n");
	for (int i = 0; i < p->n_rules; i++)
		say_rule(&p->rules[i]);
}

static const struct plain_workload workloads[] = {
	{ "default", { { "app", "web" }, { "version", "v1" } }, "10.2.0.1", 8080 },
	{ "default", { { "app", "web" }, { "version", "v2" } }, "10.2.0.2", 8080 },
	{ "shop", { { "app", "cart" } }, "10.2.0.3", 9090 },
};

static void say_world(void)
{
	text_n = 0;
	say("apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: default}\n"
	    "spec: {clusterIP: 10.1.0.10, selector: {app: web}, ports: [{name: http, port: 80, "
	    "targetPort: 8080}]}\n---\napiVersion: v1\nkind: Service\n"
	    "metadata: {name: cart, namespace: shop}\nspec: {clusterIP: 10.1.0.11, selector: {app: "
	    "cart}, ports: [{name: http, port: 80, targetPort: 9090}]}\n");
	for (size_t i = 0; i < HD_ARRAY_SIZE(workloads); i++) {
		const struct plain_workload *w = &workloads[i];

		say("---\napiVersion: v1\nkind: Pod\nmetadata: {name: pod%zu, namespace: %s, "
		    "labels: {%s: %s%s%s%s%s}}\nspec: {containers: [{name: c}]}\nstatus: {podIP: %s, "
		    "phase: Running}\n",
		    i, w->namespace_, w->labels[0][0], w->labels[0][1], w->labels[1][0] ? ", " : "",
		    w->labels[1][0] ? w->labels[1][0] : "", w->labels[1][0] ? ": " : "",
		    w->labels[1][0] ? w->labels[1][1] : "", w->ip);
	}
}

static void random_request(struct plain_request *q)
{
	static const char *const forwarded[] = { "10.0.0.1", "10.1.2.3, 192.0.2.1", "rubbish",
						 "192.0.2.1,  fd00:1::1" };
	static const char *const names[] = { "x-k", "X-K", "x-other" };
	static const char *const claims[] = { "[aud]", "[azp]", "[groups]", "[a][b]" };

	*q = (struct plain_request){ .is_stream = below(6) == 0,
				     .principal = below(3) ? PICK(principals) : "",
				     .source = PICK(addresses),
				     .forwarded = below(3) == 0 ? PICK(forwarded) : NULL,
				     .dialled_ip = "10.1.0.10",
				     .dialled_port = 80,
				     .sni = PICK(snis),
				     .method = PICK(methods),
				     .path = PICK(paths),
				     .host = PICK(hosts),
				     .has_token = (int)below(2),
				     .issuer = below(3) ? "iss" : "a/b",
				     .subject = below(2) ? "alice" : "bob" };
	q->n_headers = (int)below(4);
	for (int i = 0; i < q->n_headers; i++)
		q->headers[i] = (struct plain_pair){ PICK(names), PICK(header_values) };
	q->n_claims = (int)below(5);
	for (int i = 0; i < q->n_claims; i++)
		q->claims[i] = (struct plain_pair){ PICK(claims), PICK(claim_values) };
}

static struct hd_str str(const char *s)
{
	return (struct hd_str){ s, (uint32_t)strlen(s) };
}

/* The same request as a worker sees it. */
struct seen {
	struct proxy_authz_view view;
	struct http_head head;
	struct proxy_claims claims;
	struct hd_jwt_row rows[6];
	char bytes[1024], text[1024];
};

static struct hd_jwt_span put_text(struct seen *s, uint32_t *n, const char *from)
{
	struct hd_jwt_span at = { (uint16_t)*n, (uint16_t)strlen(from) };

	assert_true(*n + at.n <= sizeof(s->text));
	memcpy(s->text + *n, from, at.n);
	*n += at.n;
	return at;
}

/* "a][b]" is "a\0b" to a worker. */
static struct hd_jwt_span put_name(struct seen *s, uint32_t *n, const char *from)
{
	char name[32];
	uint16_t w = 0;
	struct hd_jwt_span at = { (uint16_t)*n, 0 };

	for (const char *p = from; *p != '\0'; p++)
		if (*p != '[' && (*p != ']' || p[1] != '\0'))
			name[w++] = *p == ']' ? '\0' : *p;
	memcpy(s->text + *n, name, w);
	*n += w;
	at.n = w;
	return at;
}

static void see_claims(struct seen *s, const struct plain_request *q)
{
	uint32_t n = 0;

	s->claims = (struct proxy_claims){ str(q->issuer), str(q->subject), s->rows, s->text,
					   (uint32_t)q->n_claims };
	for (int i = 0; i < q->n_claims; i++) {
		s->rows[i].name = put_name(s, &n, q->claims[i].name);
		s->rows[i].value = put_text(s, &n, q->claims[i].value);
	}
	if (q->has_token)
		s->view.claims = &s->claims;
}

static void see(struct seen *s, const struct plain_request *q)
{
	struct proxy_authz_view *v = &s->view;
	struct http_error e;
	int n;

	s->view = (struct proxy_authz_view){ .principal = str(q->principal), .sni = str(q->sni) };
	assert_int_equal(hd_ip_parse(q->source, &v->source), 0);
	assert_int_equal(hd_ip_parse(q->dialled_ip, &v->dialled.ip), 0);
	v->dialled.port = (uint16_t)q->dialled_port;
	v->remote = v->source;
	if (q->is_stream)
		return;
	n = snprintf(s->bytes, sizeof(s->bytes), "%s %s HTTP/1.1\r\nhost: %s\r\n", q->method,
		     q->path, q->host);
	for (int i = 0; i < q->n_headers; i++)
		n += snprintf(s->bytes + n, sizeof(s->bytes) - (size_t)n, "%s: %s\r\n",
			      q->headers[i].name, q->headers[i].value);
	if (q->forwarded != NULL)
		n += snprintf(s->bytes + n, sizeof(s->bytes) - (size_t)n, "x-forwarded-for: %s\r\n",
			      q->forwarded);
	n += snprintf(s->bytes + n, sizeof(s->bytes) - (size_t)n, "\r\n");
	assert_int_equal(http1_parse_request((const uint8_t *)s->bytes, (uint32_t)n, &s->head, &e),
			 HTTP_DONE);
	v->bytes = (const uint8_t *)s->bytes;
	v->head = &s->head;
	v->path = v->bytes + s->head.path;
	v->path_n = s->head.path_n;
	v->remote = proxy_authz_remote(v->bytes, &s->head, &v->source, 0);
	see_claims(s, q);
}

static uint32_t target_of(const struct hd_snapshot *s, const struct plain_workload *w)
{
	struct hd_ip ip;

	assert_int_equal(hd_ip_parse(w->ip, &ip), 0);
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		if (hd_ip_eq(&s->endpoints[i].addr.ip, &ip))
			return s->endpoints[i].authz;
	fail_msg("no endpoint %s", w->ip);
	return 0;
}

static void told_apart(const struct plain_request *q, const char *plain, const char *compiled)
{
	print_error("%s\n%s %s host %s principal '%s' source %s xff %s sni '%s' stream %d token %d "
		    "%s %s\n",
		    text, q->method, q->path, q->host, q->principal, q->source,
		    q->forwarded ? q->forwarded : "-", q->sni, q->is_stream, q->has_token,
		    q->issuer, q->subject);
	for (int i = 0; i < q->n_headers; i++)
		print_error("%s: %s\n", q->headers[i].name, q->headers[i].value);
	for (int i = 0; i < q->n_claims; i++)
		print_error("%s: %s\n", q->claims[i].name, q->claims[i].value);
	fail_msg("by the book: %s, compiled: %s", plain, compiled);
}

static void compare(const struct hd_snapshot *s, const struct plain_policy *policies, int n,
		    uint64_t *denied)
{
	const struct plain_workload *w = &PICK(workloads);
	static struct seen seen;
	struct plain_request q;
	struct proxy_authz_verdict v;
	char id[192], wanted[256], got[256];
	int may;

	random_request(&q);
	see(&seen, &q);
	may = plain_decide(policies, n, w, &q, id);
	v = proxy_authz_decide(&s->authz, target_of(s, w), &seen.view);
	snprintf(wanted, sizeof(wanted), "%s rbac_access_denied_matched_policy[%s]",
		 may ? "may pass" : "denied", id);
	snprintf(got, sizeof(got), "%s %s", v.is_denied ? "denied" : "may pass",
		 proxy_authz_details(&s->authz, &v));
	if (strcmp(wanted, got) != 0)
		told_apart(&q, wanted, got);
	*denied += !may;
}

static void random_policies_decide_as_the_book_says(void **state)
{
	static struct plain_policy policies[POLICIES];
	const char *wanted = getenv("HEDDLE_AUTHZ_CASES");
	uint64_t cases = wanted != NULL ? strtoull(wanted, NULL, 10) : CASES, done = 0, denied = 0;
	struct policy_world w;

	policy_world_open(&w, NULL);
	while (done < cases) {
		int n = 1 + (int)below(POLICIES);

		say_world();
		for (int i = 0; i < n; i++) {
			random_policy(&policies[i], i);
			say_policy(&policies[i]);
		}
		if (policy_world_load(&w, text) != 0) {
			policy_world_tell(&w);
			fail_msg("%s", text);
		}
		for (int i = 0; i < REQUESTS; i++, done++)
			compare(w.snapshot, policies, n, &denied);
	}
	print_message("%llu decisions, %llu of them denials\n", (unsigned long long)done,
		      (unsigned long long)denied);
	assert_true(denied > done / 10 && denied < done * 9 / 10);
	policy_world_close(&w);
}

/* A path in another spelling of the same meaning, as `how` has it. */
static uint32_t spell(uint8_t how, const char *path, char out[512])
{
	static const char *const detours[] = { "/.", "/x/..", "/%2e", "/x/%2E%2e", "/y/.\\.." };
	uint32_t n = 0;

	for (; *path != '\0'; path++) {
		if (*path == '/' && path[1] != '\0' && below(3) == 0)
			n += (uint32_t)sprintf(out + n, "%s", PICK(detours));
		if (*path == '/' && how >= HD_PATHS_MERGE)
			while (below(3) == 0) {
				char c = below(2) && n > 0 ? '\\' : '/';

				out[n++] = c;
			}
		if (*path == '/' && how == HD_PATHS_DECODE_AND_MERGE && n > 0 && below(2))
			n += (uint32_t)sprintf(
				out + n, "%s",
				(const char *[]){ "%2F", "%2f", "%5C", "%5c" }[below(4)]);
		else if (*path == '/' && n > 0 && below(4) == 0)
			out[n++] = '\\';
		else if (*path != '/' && below(3) == 0)
			n += (uint32_t)sprintf(out + n, below(2) ? "%%%02x" : "%%%02X",
					       (unsigned char)*path);
		else
			out[n++] = *path;
	}
	if (below(4) == 0)
		n += (uint32_t)sprintf(out + n, "?/../admin=//%%2e");
	out[n] = '\0';
	return n;
}

/* The view of a request for a path as it is sent. */
static int decide_spelled(const struct hd_snapshot *s, uint8_t how, const char *path)
{
	static struct seen seen;
	static uint8_t normal[512];
	struct plain_request q = { .source = "10.0.0.1",
				   .dialled_ip = "10.1.0.10",
				   .dialled_port = 80,
				   .principal = "",
				   .sni = "",
				   .method = "GET",
				   .path = "/",
				   .host = "web.shop",
				   .issuer = "",
				   .subject = "" };
	const uint8_t *mark;
	uint32_t n;

	see(&seen, &q);
	n = http_path_normalize_as(how, (const uint8_t *)path, (uint32_t)strlen(path), normal);
	if (n == 0)
		fail_msg("%s is refused", path);
	mark = memchr(normal, '?', n);
	seen.view.path = normal;
	seen.view.path_n = mark != NULL ? (uint32_t)(mark - normal) : n;
	return proxy_authz_decide(&s->authz, target_of(s, &workloads[0]), &seen.view).is_denied;
}

static void spelling_of_a_path_decides_nothing(void **state)
{
	static const char *const meant[] = { "/admin",	   "/admin/users",  "/public/x", "/a/b/c",
					     "/d/e/f/g.h", "/api/v1/users", "/A~b_c-d",	 "/" };
	static const char *const patterns[] = { "/admin",    "/admin*",	 "/admin/*", "*/users",
						"/public/*", "/a/{*}/c", "/d/{**}",  "/{*}/x",
						"/{**}",     "*",	 "/A*",	     "*d" };
	struct policy_world w;
	char path[512];

	policy_world_open(&w, NULL);
	for (size_t i = 0; i < HD_ARRAY_SIZE(patterns); i++) {
		say_world();
		say("---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: "
		    "{name: p, namespace: default}\nspec: {action: DENY, rules: [{to: [{operation: "
		    "{paths: ['%s']}}]}]}\n",
		    patterns[i]);
		assert_int_equal(policy_world_load(&w, text), 0);
		for (uint32_t k = 0; k < 3000 * HD_ARRAY_SIZE(meant); k++) {
			static const uint8_t ways[] = { HD_PATHS_BASE, HD_PATHS_MERGE,
							HD_PATHS_DECODE_AND_MERGE };
			const char *m = meant[k % HD_ARRAY_SIZE(meant)];
			uint8_t how = ways[k / HD_ARRAY_SIZE(meant) % HD_ARRAY_SIZE(ways)];

			spell(how, m, path);
			if (decide_spelled(w.snapshot, how, path) !=
			    decide_spelled(w.snapshot, HD_PATHS_NONE, m))
				fail_msg("%s decides differently for %s and %s", patterns[i], m,
					 path);
		}
	}
	policy_world_close(&w);
}

/* A thousand policies that all apply, each found by something else. */
static void say_thousand(void)
{
	static const char *const rules[] = {
		"from: [{source: {principals: [cluster.local/ns/default/sa/a%d]}}], to: [{operation: "
		"{methods: [GET], paths: ['/api/v%d/*']}}]",
		"from: [{source: {serviceAccounts: [default/b%d]}}], to: [{operation: {paths: ['/x/%d']}}]",
		"from: [{source: {ipBlocks: [10.%d.0.0/16], notPrincipals: ['*/z%d']}}]",
		"to: [{operation: {methods: [POST], paths: ['*/end%d', '/tail/%d']}}]",
		"when: [{key: 'request.headers[x-tenant]', values: [t%d, u%d]}]"
	};

	for (int i = 0; i < 1000; i++) {
		say("---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: "
		    "{name: p%d, namespace: default}\nspec: {action: %s, rules: [{",
		    i, i % 3 == 0 ? "DENY" : "ALLOW");
		text_n += (size_t)snprintf(text + text_n, sizeof(text) - text_n, rules[i % 5],
					   i % 200, i % 200);
		say("}]}\n");
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * HD_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void thousand_policies_cost_less_than_a_microsecond(void **state)
{
	const struct plain_request q = { .principal = "cluster.local/ns/default/sa/a7",
					 .source = "192.0.2.1",
					 .dialled_ip = "10.1.0.10",
					 .dialled_port = 80,
					 .sni = "",
					 .method = "GET",
					 .path = "/api/v7/users/12345/orders",
					 .host = "web.default.svc.cluster.local",
					 .headers = { { "x-tenant", "nobody" }, { "accept", "*" } },
					 .n_headers = 2,
					 .issuer = "",
					 .subject = "" };
	static struct seen seen;
	uint64_t best = UINT64_MAX, denied = 0;
	struct policy_world w;
	uint32_t target;

	policy_world_open(&w, NULL);
	say_world();
	say_thousand();
	assert_int_equal(policy_world_load(&w, text), 0);
	see(&seen, &q);
	target = target_of(w.snapshot, &workloads[0]);
	for (int round = 0; round < 50; round++) {
		uint64_t before = now_ns();

		for (int i = 0; i < 1000; i++)
			denied += proxy_authz_decide(&w.snapshot->authz, target, &seen.view)
					  .is_denied;
		if (now_ns() - before < best)
			best = now_ns() - before;
	}
	print_message("%llu ns a decision over 1,000 policies\n", (unsigned long long)best / 1000);
	assert_true(denied == 0 || denied == 50000);
#if !defined(__SANITIZE_ADDRESS__)
	assert_true(best / 1000 < 1000);
#endif
	policy_world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_policies_decide_as_the_book_says),
		cmocka_unit_test(spelling_of_a_path_decides_nothing),
		cmocka_unit_test(thousand_policies_cost_less_than_a_microsecond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
