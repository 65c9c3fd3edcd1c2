/* SPDX-License-Identifier: Apache-2.0 */
/* A thousand spellings of each path against each kind of path policy: whoever writes a path in
 * another way is judged as by its canonical form, and the backend gets that form. Spellings are
 * made from the canonical path by steps of which each leaves the meaning alone, so that what comes
 * out is known without asking the normaliser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http.h"
#include "policy_world.h"
#include "proxy_authz.h"

#define SPELLINGS 1000
#define ROOM 4096

#define MESH                                                                                       \
	"apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.1.0.1, "       \
	"selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}\n"               \
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: one, labels: {app: web, version: v1}}\n" \
	"spec: {containers: [{name: c}]}\nstatus: {podIP: 10.2.0.2, phase: Running}\n"             \
	"---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\n"

static const char *const policies[] = {
	"spec: {action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}\n",
	"spec: {action: DENY, rules: [{to: [{operation: {paths: [/admin*]}}]}]}\n",
	"spec: {action: DENY, rules: [{to: [{operation: {paths: [/admin/*]}}]}]}\n",
	"spec: {action: DENY, rules: [{to: [{operation: {paths: ['*/secret']}}]}]}\n",
	"spec: {action: DENY, rules: [{to: [{operation: {notPaths: [/public/*]}}]}]}\n",
	"spec: {action: DENY, rules: [{to: [{operation: {paths: ['/a/{*}/c']}}]}]}\n",
	"spec: {action: DENY, rules: [{to: [{operation: {paths: ['/admin/{**}']}}]}]}\n",
	"spec: {action: DENY, rules: [{to: [{operation: {paths: ['/a/{**}/secret']}}]}]}\n",
	"spec: {rules: [{to: [{operation: {paths: [/public/*, /exact]}}]}]}\n",
	"spec: {rules: [{to: [{operation: {paths: ['*.html'], notPaths: [/admin/*]}}]}]}\n",
	"spec: {rules: [{to: [{operation: {paths: ['/a/{*}/c', '/d/{**}']}}]}]}\n",
};

static const char *const paths[] = {
	"/",
	"/admin",
	"/admin/",
	"/admin/users",
	"/administrator",
	"/public/x",
	"/public/",
	"/public",
	"/exact",
	"/exact/",
	"/a/b/c",
	"/a/b/x/c",
	"/a/x/y/secret",
	"/x/secret",
	"/secret",
	"/d/",
	"/d/e/f",
	"/d",
	"/index.html",
	"/admin/index.html",
	"/a/~b-_.9/c",
	"/public/a;b=c",
	"/public/a,b:c@d",
	"/public/%2B%20x",
	"/a/%25/c",
};

static uint64_t state = 0x9e3779b97f4a7c15;

static uint32_t draw(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % below;
}

struct text {
	char p[ROOM];
	uint32_t n;
};

static void put(struct text *t, const char *s)
{
	t->n += (uint32_t)sprintf(t->p + t->n, "%s", s);
}

/* A letter, digit, '-', '.', '_' or '~' may be written by its number, and means the same
 * (RFC 3986 2.3). */
static void put_char(struct text *t, char c)
{
	static const char *const forms[] = { "%%%02x", "%%%02X" };
	int plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~", c) != NULL;

	if (plain && draw(4) == 0)
		t->n += (uint32_t)sprintf(t->p + t->n, forms[draw(2)], (unsigned int)c);
	else
		t->p[t->n++] = c;
}

/* What may stand where a '/' does. */
static void put_slash(struct text *t, uint8_t how)
{
	static const char *const base[] = { "/",       "\\",	     "/./",
					    "/%2e/",   "/x/../",     "\\.\\",
					    "/%2E/./", "/q/%2e%2E/", "/a/b/.././../" };
	static const char *const merged[] = { "//", "///", "/.//", "//./" };
	static const char *const decoded[] = { "%2f", "%2F", "%5c", "%5C", "/%2f", "%2F.%2f" };
	static const uint32_t kinds[] = { [HD_PATHS_NONE] = 1,
					  [HD_PATHS_BASE] = 2,
					  [HD_PATHS_MERGE] = 3,
					  [HD_PATHS_DECODE_AND_MERGE] = 4 };
	uint32_t kind = draw(kinds[how]);

	if (kind == 0)
		put(t, "/");
	else if (kind == 1)
		put(t, base[draw(HD_ARRAY_SIZE(base))]);
	else if (kind == 2)
		put(t, merged[draw(HD_ARRAY_SIZE(merged))]);
	else
		put(t, decoded[draw(HD_ARRAY_SIZE(decoded))]);
}

static void spell(const char *path, uint8_t how, struct text *t)
{
	static const char *const tails[] = {
		"", "?", "?a=b", "?/../admin", "?x=/public/%61", "?\\"
	};

	do { /* a target begins with a slash */
		t->n = 0;
		put_slash(t, how);
	} while (t->p[0] != '/');
	for (const char *p = path + 1; *p != '\0'; p++) {
		if (how == HD_PATHS_NONE || *p == '%') {
			for (int i = *p == '%' ? 2 : 0; i > 0; i--)
				t->p[t->n++] = *p++;
			t->p[t->n++] = *p;
		} else if (*p == '/') {
			put_slash(t, how);
		} else {
			put_char(t, *p);
		}
	}
	put(t, tails[draw(HD_ARRAY_SIZE(tails))]);
}

/* Through the parser and the normaliser, as a worker does it. */
static int is_denied(const struct hd_snapshot *s, const char *target, uint8_t how, char *canonical)
{
	static struct http_head head;
	static uint8_t path[ROOM];
	char bytes[ROOM + 64];
	struct http_error e;
	const uint8_t *mark;
	int n = snprintf(bytes, sizeof(bytes), "GET %s HTTP/1.1\r\nHost: web\r\n\r\n", target);
	struct proxy_authz_view v = { .bytes = (const uint8_t *)bytes,
				      .head = &head,
				      .path = path };

	if (http1_parse_request((const uint8_t *)bytes, (uint32_t)n, &head, &e) != HTTP_DONE)
		fail_msg("%s is refused: %s", target, e.details);
	n = (int)http_path_normalize_as(how, v.bytes + head.path, head.path_n, path);
	mark = memchr(path, '?', (size_t)n);
	v.path_n = mark != NULL ? (uint32_t)(mark - path) : (uint32_t)n;
	memcpy(canonical, path, v.path_n);
	canonical[v.path_n] = '\0';
	return proxy_authz_decide(&s->authz, s->authz.words[s->vhosts[0].authz_first], &v)
		.is_denied;
}

static uint32_t try_path(const struct hd_snapshot *s, const char *policy, const char *path,
			 uint8_t how)
{
	char canonical[ROOM];
	struct text t;
	int denied = is_denied(s, path, how, canonical);

	assert_string_equal(canonical, path);
	for (int i = 0; i < SPELLINGS; i++) {
		spell(path, how, &t);
		if (is_denied(s, t.p, how, canonical) != denied || strcmp(canonical, path) != 0)
			fail_msg("%s\n%s is taken for %s, not for %s (how %u)", policy, t.p,
				 canonical, path, how);
	}
	return denied;
}

static void every_spelling_is_judged_as_its_canonical_path(void **unused)
{
	struct policy_world world;
	static char text[4096];
	uint32_t denied = 0, tried = 0;

	policy_world_open(&world, NULL);
	for (size_t i = 0; i < HD_ARRAY_SIZE(policies); i++) {
		snprintf(text, sizeof(text), "%s%s", MESH, policies[i]);
		assert_int_equal(policy_world_load(&world, text), 0);
		for (size_t k = 0; k < HD_ARRAY_SIZE(paths); k++)
			for (uint8_t how = HD_PATHS_BASE; how <= HD_PATHS_DECODE_AND_MERGE; how++) {
				denied += try_path(world.snapshot, policies[i], paths[k], how);
				tried++;
			}
	}
	printf("%u paths of %u denied, %u spellings each\n", denied, tried, SPELLINGS);
	policy_world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_spelling_is_judged_as_its_canonical_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
