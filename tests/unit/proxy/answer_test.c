/* SPDX-License-Identifier: Apache-2.0 */
/* Routes that answer themselves, redirects and texts, and routes that rewrite what they forward. */
#include "bed_talk.h"

/* What GET of that path brings, with route 0 as the bed has it now. */
static const char *answered(struct bed *b, const char *path, const char *more)
{
	static char text[512];
	struct tcp_conn *c;

	bed_publish(b);
	c = bed_caller(b);
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: web.shop:80\r\n%s\r\n", path, more);
	fake_tcp_say(c, text);
	bed_run(b);
	return fake_tcp_heard(c);
}

static struct hd_answer *redirecting(struct bed *b)
{
	b->routes[0].answer = 1;
	b->routes[0].match.uri =
		(struct hd_string_match){ .kind = HD_MATCH_PREFIX, .text = BED_TEXT("/a") };
	b->answers[0] = (struct hd_answer){ .is_redirect = 1, .status = 301 };
	return &b->answers[0];
}

static void redirect_keeps_what_it_does_not_change(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct hd_answer *a = redirecting(b);

	assert_has(answered(b, "/a/x?q=1", ""),
		   "HTTP/1.1 301 Moved Permanently\r\nlocation: http://web.shop:80/a/x?q=1\r\n");
	a->scheme = BED_TEXT("https");
	assert_has(answered(b, "/a", ""), "location: https://web.shop/a\r\n");
	a->port = 8443;
	assert_has(answered(b, "/a", ""), "location: https://web.shop:8443/a\r\n");
	a->port = 443;
	a->authority = BED_TEXT("a.example");
	assert_has(answered(b, "/a", ""), "location: https://a.example/a\r\n");
	a->listener_port = 1;
	a->scheme = BED_TEXT("");
	assert_has(answered(b, "/a", ""), "location: http://a.example/a\r\n");
}

static void redirect_replaces_the_prefix_or_the_path(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct hd_answer *a = redirecting(b);

	a->status = 308;
	a->path_change = HD_PATH_PREFIX;
	a->path = BED_TEXT("/b");
	a->authority = BED_TEXT("other.example");
	assert_has(answered(b, "/a/x?q", "X-Forwarded-Proto: https\r\n"),
		   "location: https://other.example/b/x?q\r\n");
	a->path_change = HD_PATH_WHOLE;
	assert_has(answered(b, "/a/x?q", ""), "location: http://other.example/b?q\r\n");
	a->path = BED_TEXT("/n?own");
	assert_has(answered(b, "/a/x?q", ""), "location: http://other.example/n?own\r\n");
	assert_has(answered(b, "/a", ""), "content-length: 0\r\n");
	assert_int_equal(bed_record(b)->status, 308);
}

static void text_is_sent_as_it_is(void **state)
{
	struct bed *b = bed_of(state, 1);

	b->routes[0].answer = 2;
	b->answers[1] = (struct hd_answer){ .status = 418, .body = BED_TEXT("teapot") };
	assert_has(answered(b, "/", ""), "content-length: 6\r\ncontent-type: text/plain\r\n");
	assert_has(answered(b, "/", ""), "\r\n\r\nteapot");
	assert_int_equal(bed_count(b, HD_PROXY_LOCAL_REPLIES), 2);
}

static void no_content_has_neither_text_nor_length(void **state)
{
	struct bed *b = bed_of(state, 1);

	b->routes[0].answer = 2;
	b->answers[1] = (struct hd_answer){ .status = 204, .body = BED_TEXT("teapot") };
	assert_lacks(answered(b, "/", ""), "content-length");
	assert_lacks(answered(b, "/", ""), "teapot");
}

/* What the backend hears of GET of that path. */
static uint32_t next;

static const char *forwarded(struct bed *b, const char *path, const char *more)
{
	(void)answered(b, path, more);
	return fake_tcp_heard(bed_backend(b, next++));
}

static void rewrite_replaces_what_was_matched(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct hd_rewrite *w = &b->rewrites[0];
	const char *text;

	next = 0;
	b->routes[0].rewrite = 1;
	b->routes[0].match.uri =
		(struct hd_string_match){ .kind = HD_MATCH_PREFIX, .text = BED_TEXT("/a") };
	*w = (struct hd_rewrite){ .path_change = HD_PATH_PREFIX, .path = BED_TEXT("/b") };
	text = forwarded(b, "/a/x?q=1", "X-Envoy-Original-Path: /mine\r\n");
	assert_has(text, "GET /b/x?q=1 HTTP/1.1\r\nhost: web.shop:80\r\n");
	assert_has(text, "x-envoy-original-path: /a/x?q=1\r\n");
	assert_lacks(text, "/mine");
	w->path_change = HD_PATH_WHOLE;
	w->authority = BED_TEXT("new.example");
	text = forwarded(b, "/a/x?q", "");
	assert_has(text, "GET /b?q HTTP/1.1\r\nhost: new.example\r\n");
	assert_has(text, "x-envoy-original-host: web.shop:80\r\n");
	w->path_change = HD_PATH_KEPT;
	text = forwarded(b, "/a", "");
	assert_has(text, "GET /a HTTP/1.1\r\nhost: new.example\r\n");
	assert_lacks(text, "original-path");
}

static void longest_path_can_be_rewritten(void **state)
{
	struct bed *b = bed_of(state, 1);
	char path[400];

	memset(path, 'x', sizeof(path));
	memcpy(path, "/a", 2);
	path[sizeof(path) - 1] = '\0';
	next = 0;
	b->routes[0].rewrite = 1;
	b->rewrites[0] =
		(struct hd_rewrite){ .path_change = HD_PATH_PREFIX, .path = BED_TEXT("/longer/") };
	assert_has(forwarded(b, path, ""), "GET /longer/axxxx");
}

static void try_after_a_reload_is_rewritten_as_the_new_policy_says(void **state)
{
	struct bed *b = bed_of(state, 2);
	struct tcp_conn *c = bed_caller(b);

	b->routes[0].rewrite = 1;
	b->rewrites[0] =
		(struct hd_rewrite){ .path_change = HD_PATH_WHOLE, .path = BED_TEXT("/old") };
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	b->rewrites[0].path = BED_TEXT("/new");
	bed_publish(b);
	fake_tcp_reset(fake_tcp_opened(b->tcp, 0), TCP_ERR_REFUSED);
	bed_pass(b, HD_NS_PER_S);
	assert_has(fake_tcp_heard(bed_backend(b, 1)), "GET /new?b=c HTTP/1.1\r\n");
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(redirect_keeps_what_it_does_not_change),
		T(redirect_replaces_the_prefix_or_the_path),
		T(text_is_sent_as_it_is),
		T(no_content_has_neither_text_nor_length),
		T(rewrite_replaces_what_was_matched),
		T(longest_path_can_be_rewritten),
		T(try_after_a_reload_is_rewritten_as_the_new_policy_says),
	};

	if (bed_eal("unit-proxy-answer") != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
