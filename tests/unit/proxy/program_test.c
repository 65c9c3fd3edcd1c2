/* SPDX-License-Identifier: Apache-2.0 */
/* uriRegexRewrite, from the objects to the path, as RE2's GlobalReplace does it. */
#include "bed_talk.h"
#include "policy_world.h"
#include "proxy_program.h"

static struct policy_world world;

/* The path after the rewrite; NULL: the expression is not honoured. */
static const char *replaced(const char *match, const char *with, const char *path)
{
	static char text[1024], out[PROXY_PROGRAM_PATH + 1];
	const struct hd_route *r;
	const struct hd_rewrite *w;
	uint32_t steps = 0;
	int n;

	snprintf(
		text, sizeof(text),
		"apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec:\n  clusterIP: 10.96.0.1\n"
		"  ports: [{name: http, port: 80}]\n---\n"
		"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: api}\n"
		"spec:\n  hosts: [api]\n  http:\n  - rewrite: {uriRegexRewrite: {match: '%s', rewrite: '%s'}}\n"
		"    route: [{destination: {host: api}}]\n",
		match, with);
	if (policy_world_load(&world, text) != 0) {
		policy_world_tell(&world);
		fail();
	}
	r = policy_world_route(world.snapshot, "10.96.0.1", 80, "api", 0);
	if (r->rewrite == 0)
		return NULL;
	w = &world.snapshot->rewrites[r->rewrite - 1];
	n = proxy_program_replace(world.snapshot, &world.snapshot->programs[w->program - 1], path,
				  (uint32_t)strlen(path), out, &steps);
	if (n < 0)
		return "";
	out[n] = '\0';
	return out;
}

static void matches_are_replaced_as_re2_does(void **state)
{
	static const struct {
		const char *match, *with, *path, *wanted;
	} rows[] = {
		{ "^/r/([^/]+)/(.*)$", "/\\2/to/\\1", "/r/one/two/three", "/two/three/to/one" },
		{ "^/service/([^/]+)(/.*)$", "\\2/instance/\\1", "/service/foo/v1/api",
		  "/v1/api/instance/foo" },
		{ "one", "two", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/two/zzz" },
		{ "^(.*?)one(.*)$", "\\1two\\2", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/one/zzz" },
		{ "(?i)/xxx/", "/yyy/", "/aaa/XxX/bbb", "/aaa/yyy/bbb" },
		{ "a|ab", "x", "/abab", "/xbxb" },
		{ "(a|ab)(c|bcd)(d*)", "[\\1,\\2,\\3]", "abcd", "[a,bcd,]" },
		{ "x*", "-", "abc", "-a-b-c-" },
		{ "[0-9]{2,3}", "N", "/1/12/123/1234", "/1/N/N/N4" },
		{ "(\\d+)-(\\w+)", "\\2.\\1\\\\", "/12-ab", "/ab.12\\" },
		{ "(a*)*b", "x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac" },
		{ "(?:a(b)?)+", "<\\1\\0>", "/abaa", "/<babaa>" },
		{ "/a+?", "/", "/aaa", "/aa" },
		{ "$", "/end", "/x", "/x/end" },
		{ "no", "yes", "/same", "/same" },
	};

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		const char *got = replaced(rows[i].match, rows[i].with, rows[i].path);

		if (got == NULL || strcmp(got, rows[i].wanted) != 0)
			fail_msg("%s -> %s of %s is %s, not %s", rows[i].match, rows[i].with,
				 rows[i].path, got != NULL ? got : "not honoured", rows[i].wanted);
	}
}

static void what_is_not_honoured_is_said(void **state)
{
	assert_null(replaced("\\bword", "x", "/"));
	assert_null(replaced("(a{50}){50}", "x", "/"));
	assert_null(replaced("a", "\\1", "/"));
}

static void work_is_bounded(void **state)
{
	char path[PROXY_PROGRAM_PATH + 2];

	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_string_equal(replaced("a", "b", path), "");
	path[2000] = '\0';
	assert_string_equal(replaced("a{40}.*.*.*.*x|a", "b", path), "");
}

/* Paths that take long, from many callers at once: each turn does some of the work. */
static void work_of_a_turn_is_bounded(void **state)
{
	struct bed *b = bed_of(state, 1);
	char path[1900], text[2000];
	uint64_t before, most = 0;

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	replaced("((a|b|c|d)(a|b|c|d)?(a|b|c|d)?)+x", "y", "/");
	b->programs = world.snapshot->programs;
	b->steps = world.snapshot->steps;
	b->rewrites[0] = (struct hd_rewrite){ .program = 1 };
	b->routes[0].rewrite = 1;
	bed_publish(b);
	bed_run(b);
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
	for (int i = 0; i < 30; i++)
		fake_tcp_say(bed_caller(b), text);
	bed_run(b);
	for (uint32_t i = 0; i < 30; i++)
		fake_tcp_connected(fake_tcp_opened(b->tcp, i));
	for (int turn = 0; turn < 60; turn++) {
		uint64_t gone = 0;
		before = most;
		proxy_run(b->proxy, b->now);
		for (uint32_t i = 0; i < 30; i++)
			gone += fake_tcp_opened(b->tcp, i)->text_n > 0;
		assert_in_range(gone - before, 0, 2);
		most = gone;
	}
	assert_int_equal(most, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_are_replaced_as_re2_does),
		cmocka_unit_test(what_is_not_honoured_is_said),
		cmocka_unit_test(work_is_bounded),
		cmocka_unit_test_teardown(work_of_a_turn_is_bounded, teardown),
	};

	if (bed_eal("hd_unit_program") < 0)
		return 1;
	policy_world_open(&world, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
