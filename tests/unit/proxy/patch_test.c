/* SPDX-License-Identifier: Apache-2.0 */
/* Header operations, faults, CORS and mirrors (observed-istio.md 5, 7, 8, 10). */
#include "bed_talk.h"
#include "proxy_edit.h"

#define MILLION 1000000

/* Edit number `i` with the text as value, or with `kind` when that is not HD_PIECE_TEXT. */
static void edit(struct bed *b, uint32_t i, enum hd_edit_kind kind, const char *name,
		 enum hd_piece_kind piece, const char *text)
{
	b->edit_list[i] = (struct hd_edit){
		.kind = (uint8_t)kind,
		.name = { name, (uint32_t)strlen(name) },
		.pieces_first = i,
		.pieces_count = kind == HD_EDIT_REMOVE ? 0 : 1,
	};
	b->pieces[i] = (struct hd_piece){ .kind = (uint8_t)piece,
					  .text = { text, (uint32_t)strlen(text) } };
}

static const char *sent(struct bed *b, const char *text)
{
	struct tcp_conn *c = bed_caller(b);

	fake_tcp_say(c, text);
	bed_run(b);
	return fake_tcp_heard(bed_backend(b, fake_tcp_count_opened(b->tcp) - 1));
}

static void request_is_changed_in_envoys_order(void **state)
{
	struct bed *b = bed_of(state, 1);
	const char *text;

	b->routes[0].edits = 1;
	b->edits[0] = (struct hd_edits){ .request_first = 0, .request_count = 5 };
	edit(b, 0, HD_EDIT_REMOVE, "user-agent", HD_PIECE_TEXT, "");
	edit(b, 1, HD_EDIT_SET, "x-set", HD_PIECE_REQ, "x-in");
	edit(b, 2, HD_EDIT_SET, "x-none", HD_PIECE_REQ, "user-agent");
	edit(b, 3, HD_EDIT_ADD, "x-add", HD_PIECE_TEXT, "vs");
	edit(b, 4, HD_EDIT_ADD, "x-from", HD_PIECE_DOWN_REMOTE_IP, "");
	bed_publish(b);
	text = sent(b, "GET /a HTTP/1.1\r\nHost: a\r\nX-Set: mine\r\nX-Add: client\r\nX-In: IN\r\n"
		       "X-None: kept\r\nUser-Agent: t\r\nX-Set: again\r\n\r\n");
	assert_has(text,
		   "GET /a HTTP/1.1\r\nhost: a\r\nx-add: client\r\nx-in: IN\r\nx-none: kept\r\n");
	assert_has(text, "x-envoy-attempt-count: 1\r\nx-set: IN\r\nx-add: vs\r\nx-from: ");
	assert_lacks(text, "user-agent");
	assert_lacks(text, "mine");
	assert_lacks(text, "again");
}

static void destinations_among_several_come_first(void **state)
{
	struct bed *b = bed_of(state, 1);
	const char *text;

	b->routes[0].destinations_count = 2;
	b->routes[0].total_weight = 2;
	b->destinations[0].edits = b->destinations[1].edits = 2;
	b->destinations[1].weight = 1;
	b->routes[0].edits = 1;
	b->edits[0] = (struct hd_edits){ .request_first = 0, .request_count = 1 };
	b->edits[1] = (struct hd_edits){ .request_first = 1,
					 .request_count = 2,
					 .authority = BED_TEXT("other.example") };
	edit(b, 0, HD_EDIT_SET, "x-both", HD_PIECE_TEXT, "route");
	edit(b, 1, HD_EDIT_SET, "x-both", HD_PIECE_TEXT, "destination");
	edit(b, 2, HD_EDIT_SET, "x-own", HD_PIECE_TEXT, "destination");
	bed_publish(b);
	text = sent(b, GET);
	assert_has(text, "host: other.example\r\n");
	assert_has(text, "x-envoy-original-host: web.shop\r\n");
	assert_has(text, "x-own: destination\r\nx-both: route\r\n");
	assert_lacks(text, "x-both: destination");
}

/* A reload that turns the destinations round, while an answer is under way. */
static void answer_is_changed_as_its_own_destination_says(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;
	const char *text;

	b->clusters[1].endpoints_first = 1;
	b->clusters[1].endpoints_count = 1;
	b->routes[0].destinations_count = 2;
	b->routes[0].total_weight = 1;
	b->destinations[1] = (struct hd_destination){ .cluster = 1, .edits = 2 };
	b->destinations[0].edits = 1;
	for (uint32_t i = 0; i < 2; i++) {
		b->edits[i] = (struct hd_edits){ .response_first = i, .response_count = 1 };
		edit(b, i, HD_EDIT_SET, "x-cluster", HD_PIECE_TEXT, i == 0 ? "zero" : "one");
	}
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	b->destinations[2] = b->destinations[0];
	b->destinations[0] = b->destinations[1];
	b->destinations[1] = b->destinations[2];
	bed_publish(b);
	fake_tcp_say(up, OK2);
	bed_run(b);
	text = fake_tcp_heard(c);
	assert_has(text, "x-cluster: zero\r\n");
}

static void answers_of_backends_and_ours_are_changed(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;
	const char *text;

	b->routes[0].edits = 1;
	b->edits[0] = (struct hd_edits){ .response_first = 0, .response_count = 4 };
	edit(b, 0, HD_EDIT_REMOVE, "x-b", HD_PIECE_TEXT, "");
	edit(b, 1, HD_EDIT_SET, "server", HD_PIECE_SERVER, "");
	edit(b, 2, HD_EDIT_SET, "x-path", HD_PIECE_REQ, ":path");
	edit(b, 3, HD_EDIT_ADD, "x-up", HD_PIECE_RESP, "content-length");
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	fake_tcp_say(up, OK2);
	bed_run(b);
	text = fake_tcp_heard(c);
	assert_has(text,
		   "x-envoy-upstream-service-time: 0\r\nserver: istio-envoy\r\nx-path: /a?b=c\r\n"
		   "x-up: 2\r\n\r\nok");
	assert_lacks(text, "x-b:");
	b->routes[0].answer = 2;
	b->answers[1] = (struct hd_answer){ .status = 418, .body = BED_TEXT("teapot") };
	b->edit_list[0] = (struct hd_edit){ 0 };
	edit(b, 0, HD_EDIT_SET, "content-type", HD_PIECE_TEXT, "text/x-tea");
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	text = fake_tcp_heard(c);
	assert_has(text, "HTTP/1.1 418");
	assert_has(text, "content-type: text/x-tea\r\n");
	assert_lacks(text, "text/plain");
	assert_has(text, "\r\n\r\nteapot");
}

static void redirects_are_changed_too(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b);
	const char *text;

	b->routes[0].answer = 1;
	b->answers[0] = (struct hd_answer){ .status = 301, .is_redirect = 1 };
	b->routes[0].edits = 1;
	b->edits[0] = (struct hd_edits){ .response_first = 0, .response_count = 1 };
	edit(b, 0, HD_EDIT_SET, "x-a", HD_PIECE_TEXT, "b");
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	text = fake_tcp_heard(c);
	assert_has(text, "HTTP/1.1 301 Moved Permanently\r\nlocation: http://web.shop/a?b=c\r\n"
			 "content-length: 0\r\n");
	assert_has(text, "x-a: b\r\n\r\n");
}

static void lines_without_room_are_left_out_and_counted(void **state)
{
	struct bed *b = bed_of(state, 1);
	static char big[PROXY_EDIT_EXTRA * 3];
	const char *text;

	memset(big, 'x', sizeof(big) - 1);
	b->routes[0].edits = 1;
	b->edits[0] = (struct hd_edits){ .request_first = 0, .request_count = 2 };
	edit(b, 0, HD_EDIT_SET, "x-big", HD_PIECE_TEXT, big);
	edit(b, 1, HD_EDIT_SET, "x-small", HD_PIECE_TEXT, "1");
	bed_publish(b);
	text = sent(b, GET);
	assert_lacks(text, "x-big");
	assert_has(text, "x-small: 1\r\n");
	assert_int_equal(bed_count(b, HD_PROXY_EDITS_CUT), 1);
}

static struct hd_fault *faulty(struct bed *b)
{
	b->routes[0].extras = 1;
	b->extras[0] = (struct hd_extras){ 0 };
	return &b->extras[0].fault;
}

static void abort_is_answered_and_not_retried(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct hd_fault *f = faulty(b);
	struct tcp_conn *c = bed_caller(b);
	const char *text;

	f->status = 418;
	f->aborted.per_million = MILLION;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	text = fake_tcp_heard(c);
	assert_has(text, "HTTP/1.1 418");
	assert_has(text, "content-type: text/plain\r\n");
	assert_has(text, "\r\n\r\nfault filter abort");
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
	assert_int_equal(bed_record(b)->flags, HD_FLAG_FI);
	f->status = 200;
	f->grpc = 9;
	fake_tcp_say(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n"
			"Content-Length: 0\r\n\r\n");
	bed_run(b);
	assert_has(fake_tcp_heard(c), "grpc-status: 8\r\ngrpc-message: fault filter abort\r\n");
}

static void delay_comes_before_the_timeout_and_the_abort(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct hd_fault *f = faulty(b);
	struct tcp_conn *c = bed_caller(b), *up;

	b->routes[0].timeout = 300 * HD_NS_PER_MS;
	f->delay = 700 * HD_NS_PER_MS;
	f->delayed.per_million = MILLION;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_pass(b, 699 * HD_NS_PER_MS);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
	bed_pass(b, 2 * HD_NS_PER_MS);
	up = bed_backend(b, 0);
	bed_pass(b, 200 * HD_NS_PER_MS);
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 200 OK");
	assert_int_equal(bed_record(b)->flags, HD_FLAG_DI);
	f->status = 555;
	f->aborted.per_million = MILLION;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_pass(b, 701 * HD_NS_PER_MS);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 555");
	assert_int_equal(bed_record(b)->flags, HD_FLAG_DI | HD_FLAG_FI);
}

static void caller_may_go_while_it_is_delayed(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct hd_fault *f = faulty(b);
	struct tcp_conn *c = bed_caller(b);

	f->delay = HD_NS_PER_S;
	f->delayed.per_million = MILLION;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_reset(c, TCP_ERR_RESET);
	bed_pass(b, 2 * HD_NS_PER_S);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
}

/* One of every four, each time another one. */
static void shares_are_exact(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct hd_fault *f = faulty(b);
	struct tcp_conn *c = bed_caller(b);
	uint32_t places[4] = { 0 };

	f->status = 503;
	f->aborted.per_million = MILLION / 4;
	b->routes[0].answer = 2;
	b->answers[1] = (struct hd_answer){ .status = 200 };
	bed_publish(b);
	for (uint32_t i = 0; i < 400; i++) {
		uint64_t before = bed_count(b, HD_PROXY_ABORTED);

		fake_tcp_say(c, GET);
		bed_run(b);
		fake_tcp_heard(c);
		places[i % 4] += bed_count(b, HD_PROXY_ABORTED) > before;
		if (i % 4 == 3)
			assert_int_equal(bed_count(b, HD_PROXY_ABORTED), i / 4 + 1);
	}
	for (uint32_t i = 0; i < 4; i++)
		assert_in_range(places[i], 10, 40);
}

static struct hd_cors *shared(struct bed *b)
{
	b->routes[0].extras = 1;
	b->extras[0] = (struct hd_extras){ .cors = 1 };
	b->origins[0] = (struct hd_string_match){ .kind = HD_MATCH_EXACT,
						  .text = BED_TEXT("https://good.example") };
	b->cors[0] = (struct hd_cors){ .origins_count = 1,
				       .methods = BED_TEXT("GET,PUT"),
				       .headers = BED_TEXT("*"),
				       .expose = BED_TEXT("x-exp"),
				       .max_age = BED_TEXT("3600"),
				       .credentials = 1,
				       .forwards_unmatched = 1 };
	return &b->cors[0];
}

#define PREFLIGHT(origin)                                  \
	"OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: " origin \
	"\r\nAccess-Control-Request-Method: DELETE\r\n"    \
	"Access-Control-Request-Headers: x-one,x-two\r\n\r\n"

static void preflight_is_answered(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct hd_cors *cors = shared(b);
	struct tcp_conn *c = bed_caller(b);
	const char *text;

	bed_publish(b);
	fake_tcp_say(c, PREFLIGHT("https://good.example"));
	bed_run(b);
	text = fake_tcp_heard(c);
	assert_has(text, "HTTP/1.1 200 OK\r\n");
	assert_has(text, "access-control-allow-origin: https://good.example\r\n"
			 "access-control-allow-credentials: true\r\n"
			 "access-control-allow-methods: GET,PUT\r\n"
			 "access-control-allow-headers: x-one,x-two\r\n"
			 "access-control-max-age: 3600\r\n"
			 "access-control-expose-headers: x-exp\r\n");
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
	cors->forwards_unmatched = 0;
	fake_tcp_say(c, PREFLIGHT("https://bad.example"));
	bed_run(b);
	text = fake_tcp_heard(c);
	assert_has(text, "HTTP/1.1 200 OK\r\n");
	assert_lacks(text, "access-control");
	cors->forwards_unmatched = 1;
	fake_tcp_say(c, PREFLIGHT("https://bad.example"));
	bed_run(b);
	assert_has(fake_tcp_heard(bed_backend(b, 0)), "OPTIONS / HTTP/1.1\r\n");
	assert_int_equal(bed_count(b, HD_PROXY_PREFLIGHTS), 2);
}

static void answers_to_allowed_origins_say_so(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;
	const char *text;

	shared(b);
	bed_publish(b);
	fake_tcp_say(c, "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://good.example\r\n\r\n");
	bed_run(b);
	up = bed_backend(b, 0);
	fake_tcp_say(up, "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: x\r\nX-B: 1\r\n"
			 "Content-Length: 0\r\n\r\n");
	bed_run(b);
	text = fake_tcp_heard(c);
	assert_has(text,
		   "200 OK\r\naccess-control-allow-origin: https://good.example\r\nx-b: 1\r\n");
	assert_has(text, "access-control-allow-credentials: true\r\n"
			 "access-control-expose-headers: x-exp\r\n\r\n");
	assert_lacks(text, "allow-methods");
	fake_tcp_say(c, "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://bad.example\r\n\r\n");
	bed_run(b);
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_lacks(fake_tcp_heard(c), "access-control");
}

/* Cluster 1 is the mirror: the endpoint behind those of cluster 0. */
static void mirroring(struct bed *b, uint32_t per_million)
{
	b->routes[0].extras = 1;
	b->extras[0] = (struct hd_extras){ .mirrors_count = 1 };
	b->mirrors[0] = (struct hd_mirror){ .cluster = 1, .share = { .per_million = per_million } };
	b->clusters[1].endpoints_first = 1;
	b->clusters[1].endpoints_count = 1;
	bed_publish(b);
}

static void copy_goes_to_the_mirror_and_its_answer_nowhere(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up, *mirror;
	const char *text;

	mirroring(b, MILLION);
	fake_tcp_say(c, "POST /m HTTP/1.1\r\nHost: web.shop:80\r\nX-Forwarded-For: 1.2.3.4\r\n"
			"Content-Length: 4\r\n\r\nab");
	bed_run(b);
	up = bed_backend(b, 0);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
	fake_tcp_say(c, "cd");
	bed_pass(b, HD_NS_PER_MS);
	mirror = bed_backend(b, 1);
	assert_has(fake_tcp_heard(up), "\r\n\r\nabcd");
	text = fake_tcp_heard(mirror);
	assert_has(text, "POST /m HTTP/1.1\r\nhost: web.shop:80\r\nx-forwarded-for: 1.2.3.4,");
	assert_has(text, "x-envoy-attempt-count: 1\r\nx-envoy-internal: true\r\n");
	assert_has(text, "\r\n\r\nabcd");
	fake_tcp_say(mirror, "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad");
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "");
	fake_tcp_say(up, OK2);
	bed_run(b);
	text = fake_tcp_heard(c);
	assert_has(text, "HTTP/1.1 200 OK");
	assert_lacks(text, "bad");
	assert_int_equal(bed_count(b, HD_PROXY_MIRRORED), 1);
	assert_int_equal(bed_count(b, HD_PROXY_MIRROR_ANSWERS), 1);
	assert_int_equal(bed_record(b)->status, 200);
	assert_null(bed_record(b));
}

static void mirror_that_fails_is_not_noticed(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b);

	mirroring(b, MILLION);
	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say(bed_backend(b, 0), OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "200 OK");
	bed_pass(b, HD_NS_PER_MS);
	fake_tcp_reset(fake_tcp_opened(b->tcp, 1), TCP_ERR_REFUSED);
	bed_run(b);
	assert_int_equal(bed_count(b, HD_PROXY_MIRROR_FAILED), 1);
	assert_int_equal(bed_count(b, HD_PROXY_RESPONSES), 1);
}

static void mirror_that_is_silent_ends_with_the_timeout(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b);

	b->routes[0].timeout = HD_NS_PER_S;
	mirroring(b, MILLION);
	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say(bed_backend(b, 0), OK2);
	bed_pass(b, HD_NS_PER_MS);
	bed_backend(b, 1);
	bed_pass(b, 2 * HD_NS_PER_S);
	assert_int_equal(bed_count(b, HD_PROXY_MIRROR_FAILED), 1);
}

static void copy_of_a_cut_request_is_dropped(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b);

	mirroring(b, MILLION);
	fake_tcp_say(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
	bed_run(b);
	bed_backend(b, 0);
	fake_tcp_fin(c);
	bed_run(b);
	assert_int_equal(bed_count(b, HD_PROXY_MIRROR_DROPPED), 1);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(request_is_changed_in_envoys_order),
		T(destinations_among_several_come_first),
		T(answer_is_changed_as_its_own_destination_says),
		T(answers_of_backends_and_ours_are_changed),
		T(redirects_are_changed_too),
		T(lines_without_room_are_left_out_and_counted),
		T(abort_is_answered_and_not_retried),
		T(delay_comes_before_the_timeout_and_the_abort),
		T(caller_may_go_while_it_is_delayed),
		T(shares_are_exact),
		T(preflight_is_answered),
		T(answers_to_allowed_origins_say_so),
		T(copy_goes_to_the_mirror_and_its_answer_nowhere),
		T(mirror_that_fails_is_not_noticed),
		T(mirror_that_is_silent_ends_with_the_timeout),
		T(copy_of_a_cut_request_is_dropped),
	};

	if (bed_eal("unit-proxy-patch") != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
