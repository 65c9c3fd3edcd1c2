/* SPDX-License-Identifier: Apache-2.0 */
#include "bed_talk.h"

static void request_and_answer_pass(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;
	const struct hd_access_record *r;
	const char *said;

	fake_tcp_say(c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	said = fake_tcp_heard(up);
	assert_ptr_equal(
		strstr(said,
		       "GET /a?b=c HTTP/1.1\r\nhost: web.shop\r\nuser-agent: t\r\nx-forwarded-proto: http\r\n"
		       "x-request-id: "),
		said);
	assert_has(
		said,
		"\r\nx-envoy-decorator-operation: web.shop:80/*\r\nx-envoy-attempt-count: 1\r\n\r\n");
	fake_tcp_say(up, OK2);
	bed_run(b);
	said = fake_tcp_heard(c);
	assert_ptr_equal(
		strstr(said,
		       "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-b: 1\r\ndate: Tue, 14 Nov 2023 22:13:21 GMT\r\n"
		       "x-envoy-upstream-service-time: 0\r\nserver: istio-envoy\r\n\r\nok"),
		said);
	r = bed_record(b);
	assert_non_null(r);
	assert_int_equal(r->status, 200);
	assert_memory_equal(r->path, "/a?b=c", 6);
	assert_int_equal(r->bytes_sent, 2);
	assert_int_equal(r->details_n, 12);
	assert_memory_equal(r->details, "via_upstream", 12);
	assert_int_equal(c->credit, c->received);
	assert_int_equal(up->credit, up->received);
}

static void connection_to_the_backend_is_used_again(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up), *d = bed_caller(b);

	for (int i = 0; i < 10; i++) {
		struct tcp_conn *who = i % 2 == 0 ? c : d;
		fake_tcp_say(who, GET);
		bed_run(b);
		assert_has(fake_tcp_heard(up), "GET /a?b=c");
		fake_tcp_say(up, OK2);
		bed_run(b);
		assert_has(fake_tcp_heard(who), "\r\n\r\nok");
	}
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c,
		     "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\n"
		     "Content-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\n"
		     "Host: a\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 1; i <= 3; i++) {
		char path[] = " /0 HTTP";
		path[2] = (char)('0' + i);
		bed_run(b);
		assert_has(fake_tcp_heard(up), path);
		fake_tcp_say(up, OK2);
		bed_run(b);
		assert_has(fake_tcp_heard(c),
			   i < 3 ? "server: istio-envoy\r\n\r\nok" : "connection: close\r\n\r\nok");
	}
	assert_true(c->is_closed);
	assert_string_equal(fake_tcp_heard(up), "");
}

static void bodies_cross_with_their_framing(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);
	const char *said;

	fake_tcp_say(
		c,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n");
	bed_run(b);
	fake_tcp_say(c, "002\r\nde\r\n0\r\nx-t: 1\r\n\r\n");
	bed_run(b);
	said = fake_tcp_heard(up);
	assert_has(said, "transfer-encoding: chunked\r\n");
	assert_has(said, "\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	fake_tcp_say(up, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\n"
			 "X-Hop: 1\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
	bed_run(b);
	said = fake_tcp_heard(c);
	assert_has(said, "transfer-encoding: chunked\r\n");
	assert_has(said, "\r\n\r\n2\r\nab\r\n0\r\n\r\n");
	assert_lacks(said, "x-hop");
	fake_tcp_say(c, GET);
	bed_run(b);
	assert_has(fake_tcp_heard(up), "GET /a");
}

static void answer_until_close_becomes_chunked(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);
	const char *said;

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say(up, "HTTP/1.1 200 OK\r\n\r\nabc");
	bed_run(b);
	fake_tcp_fin(up);
	bed_run(b);
	said = fake_tcp_heard(c);
	assert_has(said, "transfer-encoding: chunked\r\n");
	assert_has(said, "\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
	assert_false(c->is_closed);
}

static void cut_answers_end_without_their_end(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
		"HTTP/1.1 200 OK\r\n\r\nabc",
	};

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(answers); i++) {
		struct bed *b = bed_of(state, 1);
		struct tcp_conn *up, *c = warm_up(b, &up);
		const char *said;
		fake_tcp_say(c, GET);
		bed_run(b);
		fake_tcp_ack(up);
		fake_tcp_say(up, answers[i]);
		bed_run(b);
		if (i == 3)
			fake_tcp_reset(up, TCP_ERR_RESET);
		else
			fake_tcp_fin(up);
		bed_run(b);
		said = fake_tcp_heard(c);
		assert_has(said, "abc");
		assert_lacks(said, "0\r\n\r\n");
		assert_true(c->is_closed);
		assert_int_equal(bed_record(b)->flags, HD_FLAG_UPE);
		if (i + 1 < HD_ARRAY_SIZE(answers))
			bed_destroy(b);
	}
}

static void surplus_bytes_end_a_backend_connection(void **state)
{
	static const char *const answers[] = {
		OK2 "x",
		"HTTP/1.1 204 No Content\r\n\r\nbody",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody",
	};

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(answers); i++) {
		struct bed *b = bed_of(state, 1);
		struct tcp_conn *up, *c = warm_up(b, &up);
		fake_tcp_say(c, GET);
		bed_run(b);
		fake_tcp_say(up, answers[i]);
		bed_run(b);
		assert_false(up->is_live);
		assert_lacks(fake_tcp_heard(c), "body");
		fake_tcp_say(c, GET);
		bed_run(b);
		assert_int_equal(fake_tcp_count_opened(b->tcp), 2);
		if (i + 1 < HD_ARRAY_SIZE(answers))
			bed_destroy(b);
	}
}

static void bytes_without_a_request_end_a_backend_connection(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(up, OK2);
	fake_tcp_say(c, GET);
	bed_run(b);
	assert_false(up->is_live);
	assert_string_equal(fake_tcp_heard(c), "");
	up = bed_backend(b, 1);
	assert_has(fake_tcp_heard(up), "GET /a");
	assert_int_equal(bed_count(b, HD_PROXY_UP_IDLE_DATA), 1);
}

static void unseen_request_is_sent_again_whatever_its_method(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up), *again;

	fake_tcp_say(c, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
	bed_run(b);
	fake_tcp_say(c, "def");
	bed_run(b);
	assert_has(fake_tcp_heard(up), "abcdef");
	fake_tcp_fin(up);
	bed_run(b);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1); /* the FIN alone does not tell */
	fake_tcp_reset(up, TCP_ERR_RESET);
	bed_run(b);
	again = bed_backend(b, 1);
	assert_has(fake_tcp_heard(again), "x-envoy-attempt-count: 1\r\n\r\nabcdef");
	fake_tcp_say(again, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
	assert_int_equal(bed_count(b, HD_PROXY_RESENDS), 1);
}

static void an_unseen_body_is_held_back_rather_than_forgotten(void **state)
{
	static char body[200000], head[128];
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up), *again;

	memset(body, 'x', sizeof(body) - 1);
	snprintf(head, sizeof(head), "PUT /p HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
		 sizeof(body) - 1);
	fake_tcp_say(c, head);
	fake_tcp_say(c, body);
	bed_run(b);
	assert_in_range(strlen(fake_tcp_heard(up)), 60000, 70000);
	fake_tcp_reset(up, TCP_ERR_RESET);
	bed_run(b);
	again = bed_backend(b, 1);
	bed_run(b);
	assert_int_equal(again->sent > sizeof(body), 1);
	fake_tcp_say(again, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
}

#define LATE "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"

static void bytes_from_before_the_request_are_no_answer_to_it(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up), *again;

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say_crossing(up, LATE);
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "");
	fake_tcp_fin(up);
	fake_tcp_reset(up, TCP_ERR_RESET);
	bed_run(b);
	again = bed_backend(b, 1);
	fake_tcp_say(again, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
	assert_int_equal(bed_count(b, HD_PROXY_UP_IDLE_DATA), 1);
}

static void an_answer_behind_such_bytes_is_not_believed(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say_crossing(up, LATE);
	bed_run(b);
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 502 ");
	assert_false(up->is_live);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

/* Bytes of before, and the ACK of the request with the answer, seen in one look. */
static void bytes_from_before_the_request_are_no_answer_whenever_they_are_looked_at(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say_crossing(up, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 502 ");
	assert_false(up->is_live);
	assert_int_equal(bed_count(b, HD_PROXY_UP_IDLE_DATA), 1);
	assert_int_equal(bed_count(b, HD_PROXY_UP_PROTOCOL), 1);
}

static void bytes_from_before_the_request_are_no_answer_when_the_caller_wakes_us(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say_crossing(up, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
	fake_tcp_ack(up);
	fake_tcp_set_space(c, 1000); /* the caller comes first on the list */
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 502 ");
	assert_false(up->is_live);
}

static void peer_that_sends_piece_by_piece_is_told_that_more_is_awaited(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	assert_int_equal(c->is_awaited + up->is_awaited, 0); /* all came in one piece */
	fake_tcp_say(c, "POST / HTTP/1.1\r\nHost: a\r\n");
	bed_run(b);
	assert_int_equal(c->is_awaited, 1);
	fake_tcp_say(c, "Content-Length: 2\r\n\r\n");
	bed_run(b);
	assert_int_equal(c->is_awaited, 2);
	fake_tcp_say(c, "ab");
	bed_run(b);
	assert_int_equal(c->is_awaited, 2);
	fake_tcp_say(up, "HTTP/1.1 200 OK\r\n");
	bed_run(b);
	assert_int_equal(up->is_awaited, 1);
	fake_tcp_say(up, "Content-Length: 2\r\n\r\n");
	bed_run(b);
	assert_int_equal(up->is_awaited, 2);
	fake_tcp_say(up, "ok");
	bed_run(b);
	assert_int_equal(up->is_awaited, 2);
}

static void such_bytes_do_not_hold_a_request_for_ever(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say_crossing(up, LATE);
	bed_run(b);
	bed_pass(b, 6 * HD_NS_PER_S);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 503 ");
	assert_false(up->is_live);
}

static void acknowledged_request_is_not_sent_again(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, GET);
	bed_run(b);
	up->acked++;
	fake_tcp_reset(up, TCP_ERR_RESET);
	bed_run(b);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
	assert_has(
		fake_tcp_heard(c),
		"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 95\r\ncontent-type: text/plain\r\n");
	assert_int_equal(bed_record(b)->flags, HD_FLAG_UC);
}

static void fin_after_the_acknowledgement_is_a_failure(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_fin(up);
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "");
	fake_tcp_ack(up);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "reset reason: connection termination");
}

static void refused_connects_are_tried_as_the_policy_says(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b);
	const struct hd_access_record *r;
	const char *said;

	fake_tcp_say(c, GET);
	bed_run(b);
	for (uint32_t i = 0; i < 3; i++) {
		struct tcp_conn *up = fake_tcp_opened(b->tcp, i);
		assert_non_null(up);
		fake_tcp_reset(up, TCP_ERR_REFUSED);
		bed_run(b);
		bed_pass(b, 60 * HD_NS_PER_MS);
	}
	assert_int_equal(fake_tcp_count_opened(b->tcp), 3);
	said = fake_tcp_heard(c);
	assert_has(said, "HTTP/1.1 503 ");
	assert_has(said,
		   "\r\n\r\nupstream connect error or disconnect/reset before headers. retried "
		   "and the latest reset reason: "
		   "remote connection failure");
	r = bed_record(b);
	assert_int_equal(r->flags, HD_FLAG_UF | HD_FLAG_URX);
	assert_false(c->is_closed);
}

static void retry_goes_to_another_endpoint(void **state)
{
	struct bed *b = bed_of(state, 2);
	struct tcp_conn *c = bed_caller(b), *first, *second;

	fake_tcp_say(c, GET);
	bed_run(b);
	first = fake_tcp_opened(b->tcp, 0);
	fake_tcp_reset(first, TCP_ERR_REFUSED);
	bed_pass(b, 60 * HD_NS_PER_MS);
	second = bed_backend(b, 1);
	assert_false(hd_ip_eq(&first->key.remote, &second->key.remote));
	assert_has(fake_tcp_heard(second), "x-envoy-attempt-count: 2\r\n");
}

static void failed_answer_is_retried_with_its_body(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;

	b->routes[0].retry.on = HD_RETRY_5XX;
	bed_publish(b);
	fake_tcp_say(
		c,
		"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
	bed_run(b);
	up = bed_backend(b, 0);
	fake_tcp_ack(up);
	for (int i = 1; i <= 2; i++) {
		fake_tcp_heard(up);
		fake_tcp_say(up, "HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno");
		bed_run(b);
		bed_pass(b, 60 * HD_NS_PER_MS);
	}
	assert_has(fake_tcp_heard(up), "x-envoy-attempt-count: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
	fake_tcp_say(up, "HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno");
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 503 No\r\n");
	assert_int_equal(bed_record(b)->flags, HD_FLAG_URX);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

static void route_timeout_answers_504(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;
	const char *said;

	b->routes[0].timeout = HD_NS_PER_S;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	assert_has(fake_tcp_heard(up), "x-envoy-expected-rq-timeout-ms: 1000\r\n");
	bed_pass(b, 990 * HD_NS_PER_MS);
	assert_string_equal(fake_tcp_heard(c), "");
	bed_pass(b, 20 * HD_NS_PER_MS);
	said = fake_tcp_heard(c);
	assert_has(said, "HTTP/1.1 504 Gateway Timeout\r\n");
	assert_has(said, "\r\n\r\nupstream request timeout");
	assert_true(up->is_aborted);
	assert_false(c->is_closed);
}

static void c1_32_refused_request_is_answered_before_the_close(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b);
	const char *said;

	fake_tcp_say(
		c,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\nBad Name : v\r\n\r\nxxxx");
	bed_run(b);
	said = fake_tcp_heard(c);
	assert_has(said, "HTTP/1.1 400 Bad Request\r\n");
	assert_has(said, "connection: close\r\n\r\nBad Request");
	assert_true(c->is_closed);
	for (int i = 0; i < 20;
	     i++) { /* it goes on uploading: no reset that would destroy the answer */
		fake_tcp_say(c, "more of the body");
		bed_run(b);
	}
	assert_true(c->is_live);
	assert_int_equal(c->credit, c->received);
	fake_tcp_fin(c);
	bed_run(b);
	assert_false(c->is_live);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
}

static void c1_30_caller_that_leaves_in_mid_body_never_completes_a_request(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(
		c,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
	bed_run(b);
	fake_tcp_fin(c);
	bed_run(b);
	assert_true(up->is_aborted);
	assert_lacks(fake_tcp_heard(up), "0\r\n\r\n");
	assert_int_equal(bed_record(b)->flags, HD_FLAG_DC);
}

static void half_closed_caller_still_gets_its_answer(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, GET);
	fake_tcp_fin(c);
	bed_run(b);
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
	assert_true(c->is_closed);
}

/* Early hints of 1,000 bytes each, without an end. */
static void a_flood_of_interim_answers_ends_as_a_protocol_error(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);
	char hint[1024];
	int n;

	snprintf(hint, sizeof(hint), "HTTP/1.1 103 Early Hints\r\nLink: %0965d\r\n\r\n", 1);
	fake_tcp_say(c, GET);
	bed_run(b);
	for (n = 0; n < 100 && up->is_live; n++) {
		fake_tcp_say(up, hint);
		bed_run(b);
	}
	assert_int_equal(n, 1 + 61440 / (int)strlen(hint)); /* HTTP_MAX_HEAD_BYTES */
	assert_has(fake_tcp_heard(c), "HTTP/1.1 502 Bad Gateway\r\n");
	assert_int_equal(bed_count(b, HD_HTTP_MANY_INTERIMS), 1);
	assert_int_equal(bed_count(b, HD_PROXY_UP_PROTOCOL), 1);
	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_connected(fake_tcp_opened(b->tcp, 1));
	bed_run(b);
	fake_tcp_say(fake_tcp_opened(b->tcp, 1), "HTTP/1.1 103 Early Hints\r\n\r\n" OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
}

static void interim_answers_pass_and_expect_is_forwarded(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(
		c,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	bed_run(b);
	assert_has(fake_tcp_heard(up), "expect: 100-continue\r\n");
	fake_tcp_say(up, "HTTP/1.1 100 Continue\r\n\r\n");
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "HTTP/1.1 100 Continue\r\n\r\n");
	fake_tcp_say(c, "hi");
	bed_run(b);
	assert_string_equal(fake_tcp_heard(up), "hi");
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 200 OK");
	assert_false(c->is_closed);
}

static void early_final_answer_closes_after_it(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(
		c,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	bed_run(b);
	fake_tcp_say(up, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
	bed_run(b);
	assert_has(fake_tcp_heard(c), "connection: close\r\n\r\nno");
	assert_true(c->is_closed);
	assert_true(up->is_aborted);
}

static void unasked_101_is_a_protocol_error(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say(
		up,
		"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 502 Bad Gateway\r\n");
	assert_true(up->is_aborted);
}

static void slow_reader_holds_the_backend_back(void **state)
{
	static char body[200000];
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);
	uint32_t before = up->credit;

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_set_space(c, 3000);
	fake_tcp_say(up, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
	fake_tcp_say_bytes(up, body, sizeof(body));
	bed_run(b);
	assert_in_range(up->credit - before, 1000, 3100);
	for (int i = 0; i < 50; i++) {
		fake_tcp_set_space(c, 5000);
		bed_run(b);
	}
	assert_int_equal(up->credit, up->received);
	assert_int_equal(bed_record(b)->bytes_sent, 200000);
}

static void head_that_never_ends_is_answered_408(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b);

	fake_tcp_say(c, "GET / HTT");
	bed_run(b);
	bed_pass(b, 61 * HD_NS_PER_S);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 408 Request Timeout\r\n");
	assert_true(c->is_closed);
}

static void heads_in_pieces_read_alike(void **state)
{
	static const char head[] =
		"\r\nPOST /x HTTP/1.1\r\nHost: web.shop\r\nX-A: b\r\nContent-Length: 1\r\n\r\nz";
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	for (uint32_t cut = 1; cut < sizeof(head) - 1; cut++) {
		fake_tcp_say_bytes(c, head, cut);
		bed_run(b);
		fake_tcp_say(c, head + cut);
		bed_run(b);
		assert_has(fake_tcp_heard(up), "x-envoy-attempt-count: 1\r\n\r\nz");
		fake_tcp_say_bytes(up, OK2, cut < sizeof(OK2) - 1 ? cut : 1);
		bed_run(b);
		fake_tcp_say(up, &OK2[cut < sizeof(OK2) - 1 ? cut : 1]);
		bed_run(b);
		assert_has(fake_tcp_heard(c), "\r\n\r\nok");
	}
}

static void streams_are_split_by_weight(void **state)
{
	struct bed *b = bed_of(state, 2);
	uint32_t made[2] = { 0 };

	b->clusters[0].endpoints_count = b->clusters[1].endpoints_count = 1;
	b->clusters[1].endpoints_first = 1;
	b->destinations[0] = (struct hd_destination){ .cluster = 0, .weight = 3 };
	b->destinations[1] = (struct hd_destination){ .cluster = 1, .weight = 1 };
	b->listener.protocol = HD_PROTO_TCP;
	b->listener.destinations_count = 2;
	b->listener.total_weight = 4;
	bed_publish(b);
	for (uint32_t i = 0; i < 8; i++) {
		bed_caller(b);
		bed_run(b);
		made[tcp_conn_key(bed_backend(b, i))->remote.b[15] - 2]++;
	}
	assert_int_equal(made[0], 6);
	assert_int_equal(made[1], 2);
	assert_int_equal(b->destination_requests[0], 6);
}

static void dialled_cluster_goes_to_the_address_that_was_dialled(void **state)
{
	struct bed *b = bed_of(state, 3);
	struct tcp_conn *c = bed_caller(b), *up;

	b->clusters[0].lb = HD_LB_DIALLED;
	b->endpoints[1].addr.ip = b->listener.addr.ip;
	b->health[b->endpoints[1].slot] = HD_EP_EJECTED; /* there is no other */
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	assert_true(hd_ip_eq(&tcp_conn_key(up)->remote, &b->listener.addr.ip));
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 200 OK\r\n");
}

static void dialled_cluster_without_that_address_has_nobody(void **state)
{
	struct bed *b = bed_of(state, 3);
	struct tcp_conn *c = bed_caller(b);

	b->clusters[0].lb = HD_LB_DIALLED;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nno healthy upstream");
	assert_int_equal(bed_record(b)->flags, HD_FLAG_UH);
}

static void route_timeout_covers_the_connect(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b);

	b->routes[0].timeout = HD_NS_PER_S;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	bed_pass(b, 1010 * HD_NS_PER_MS);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 504 ");
}

static void overloaded_backend_is_not_asked_again(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;

	b->routes[0].retry.on = HD_RETRY_5XX;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	fake_tcp_ack(up);
	fake_tcp_say(up,
		     "HTTP/1.1 503 No\r\nX-Envoy-Overloaded: true\r\nContent-Length: 0\r\n\r\n");
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 503 No");
}

static void names_are_looked_up_again_after_a_reload(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	b->router.any_vhost = HD_NONE;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 404 Not Found\r\n");
	assert_int_equal(bed_record(b)->flags, HD_FLAG_NR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_teardown(name, teardown)
		T(request_and_answer_pass),
		T(connection_to_the_backend_is_used_again),
		T(pipelined_requests_are_answered_in_order),
		T(bodies_cross_with_their_framing),
		T(answer_until_close_becomes_chunked),
		T(cut_answers_end_without_their_end),
		T(surplus_bytes_end_a_backend_connection),
		T(bytes_without_a_request_end_a_backend_connection),
		T(unseen_request_is_sent_again_whatever_its_method),
		T(an_unseen_body_is_held_back_rather_than_forgotten),
		T(bytes_from_before_the_request_are_no_answer_to_it),
		T(an_answer_behind_such_bytes_is_not_believed),
		T(bytes_from_before_the_request_are_no_answer_whenever_they_are_looked_at),
		T(bytes_from_before_the_request_are_no_answer_when_the_caller_wakes_us),
		T(peer_that_sends_piece_by_piece_is_told_that_more_is_awaited),
		T(such_bytes_do_not_hold_a_request_for_ever),
		T(acknowledged_request_is_not_sent_again),
		T(fin_after_the_acknowledgement_is_a_failure),
		T(refused_connects_are_tried_as_the_policy_says),
		T(retry_goes_to_another_endpoint),
		T(failed_answer_is_retried_with_its_body),
		T(route_timeout_answers_504),
		T(c1_32_refused_request_is_answered_before_the_close),
		T(c1_30_caller_that_leaves_in_mid_body_never_completes_a_request),
		T(half_closed_caller_still_gets_its_answer),
		T(a_flood_of_interim_answers_ends_as_a_protocol_error),
		T(interim_answers_pass_and_expect_is_forwarded),
		T(early_final_answer_closes_after_it),
		T(unasked_101_is_a_protocol_error),
		T(slow_reader_holds_the_backend_back),
		T(head_that_never_ends_is_answered_408),
		T(heads_in_pieces_read_alike),
		T(streams_are_split_by_weight),
		T(dialled_cluster_goes_to_the_address_that_was_dialled),
		T(dialled_cluster_without_that_address_has_nobody),
		T(names_are_looked_up_again_after_a_reload),
		T(route_timeout_covers_the_connect),
		T(overloaded_backend_is_not_asked_again),
#undef T
	};

	if (bed_eal("unit-proxy-exchange") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
