/* SPDX-License-Identifier: Apache-2.0 */
/* What ctrl is told of tries, and what it is spared. */
#include "bed_talk.h"

#define ANSWER(status, reason) "HTTP/1.1 " status " " reason "\r\nContent-Length: 0\r\n\r\n"

static struct bed *detecting(void **state, uint32_t n)
{
	struct bed *b = bed_of(state, n);

	b->clusters[0].outlier = 1;
	b->routes[0].retry.attempts = 0;
	bed_publish(b);
	return b;
}

static void assert_told(struct bed *b, enum hd_outcome_kind kind, uint16_t status, int was_sent)
{
	const struct hd_outcome *o = hd_ring_peek(b->outcomes);

	assert_non_null(o);
	assert_int_equal(o->kind, kind);
	assert_int_equal(o->status, status);
	assert_int_equal(o->was_sent, was_sent);
	assert_int_equal(o->generation, b->generation);
	assert_true(o->at <= b->now && b->now - o->at < HD_NS_PER_S);
	hd_ring_pop(b->outcomes);
}

static void assert_silence(struct bed *b)
{
	assert_null(hd_ring_peek(b->outcomes));
}

static void exchange(struct bed *b, struct tcp_conn *c, struct tcp_conn *up, const char *answer)
{
	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_heard(up);
	fake_tcp_say(up, answer);
	bed_run(b);
	fake_tcp_heard(c);
}

static void success_is_told_only_after_a_failure(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	assert_silence(b);
	exchange(b, c, up, OK2);
	assert_silence(b);
	exchange(b, c, up, ANSWER("500", "No"));
	assert_told(b, HD_OUTCOME_ANSWER, 500, 1);
	exchange(b, c, up, ANSWER("404", "No"));
	assert_told(b, HD_OUTCOME_ANSWER, 404, 1);
	exchange(b, c, up, OK2);
	assert_silence(b);
}

static void everything_of_a_watched_endpoint_is_told(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	b->watched[0] = 1;
	for (int i = 0; i < 3; i++) {
		exchange(b, c, up, OK2);
		assert_told(b, HD_OUTCOME_ANSWER, 200, 1);
	}
	b->watched[0] = 0;
	exchange(b, c, up, OK2);
	assert_silence(b);
}

static void clusters_without_detection_tell_nothing(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	b->watched[0] = 1;
	exchange(b, c, up, ANSWER("500", "No"));
	assert_silence(b);
}

static void a_connection_that_fails_is_told_for_each_that_waited(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *c = bed_caller(b), *d = bed_caller(b);

	fake_tcp_say(c, GET);
	fake_tcp_say(d, GET);
	bed_run(b);
	fake_tcp_reset(fake_tcp_opened(b->tcp, 0), TCP_ERR_REFUSED);
	bed_run(b);
	assert_told(b, HD_OUTCOME_CONNECT_FAILURE, 0, 0);
	assert_told(b, HD_OUTCOME_CONNECT_FAILURE, 0, 0);
	assert_silence(b);
}

static void a_backend_that_leaves_without_an_answer_is_told(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_ack(up);
	fake_tcp_fin(up);
	bed_run(b);
	assert_told(b, HD_OUTCOME_RESET, 0, 1);
	assert_silence(b);
}

static void an_answer_that_breaks_off_is_told_twice(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	b->watched[0] = 1;
	exchange(b, c, up, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
	assert_told(b, HD_OUTCOME_ANSWER, 200, 1);
	fake_tcp_fin(up);
	bed_run(b);
	assert_told(b, HD_OUTCOME_RESET, 0, 1);
	assert_silence(b);
}

static void a_timeout_is_told(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *up, *c;

	b->routes[0].timeout = HD_NS_PER_S;
	bed_publish(b);
	c = warm_up(b, &up);
	fake_tcp_say(c, GET);
	bed_pass(b, HD_NS_PER_S + 100 * HD_NS_PER_MS);
	assert_told(b, HD_OUTCOME_TIMEOUT, 0, 1);
	assert_silence(b);
}

static void each_try_is_told(void **state)
{
	struct bed *b = detecting(state, 2);
	struct tcp_conn *c;

	b->routes[0].retry = (struct hd_retry_policy){ .on = HD_RETRY_5XX, .attempts = 1 };
	bed_publish(b);
	c = bed_caller(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say(bed_backend(b, 0), ANSWER("503", "No"));
	bed_run(b);
	assert_told(b, HD_OUTCOME_ANSWER, 503, 1);
	bed_pass(b, HD_NS_PER_S);
	fake_tcp_say(bed_backend(b, 1), ANSWER("500", "No"));
	bed_run(b);
	assert_told(b, HD_OUTCOME_ANSWER, 500, 1);
	assert_silence(b);
}

static void overflow_is_nobodys_fault(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *up, *c;

	c = warm_up(b, &up);
	b->clusters[0].max_requests = 1;
	bed_publish(b);
	b->watched[0] = 1;
	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say(bed_caller(b), GET);
	bed_run(b);
	assert_int_equal(bed_count(b, HD_PROXY_OVERFLOW), 1);
	assert_silence(b);
}

static void grpc_that_is_all_head_counts_by_its_own_status(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(
		c,
		"POST /k.S/M HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
	bed_run(b);
	fake_tcp_say(
		up,
		"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nGrpc-Status: 14\r\nContent-Length: 0\r\n\r\n");
	bed_run(b);
	assert_told(b, HD_OUTCOME_ANSWER, 503, 1);
}

static void listed_codes_leave_the_judgement_to_ctrl(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *up, *c;

	b->outliers[0].has_codes = 1;
	bed_publish(b);
	c = warm_up(b, &up);
	assert_told(b, HD_OUTCOME_ANSWER, 200, 1);
	exchange(b, c, up, ANSWER("429", "Slow down"));
	assert_told(b, HD_OUTCOME_ANSWER, 429, 1);
}

static void a_full_ring_is_counted_and_stops_nothing(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	for (int i = 0; i < 20; i++)
		exchange(b, c, up, ANSWER("500", "No"));
	assert_int_equal(bed_count(b, HD_WORKER_OUTCOMES_LOST), 4);
	for (int i = 0; i < 16; i++)
		assert_told(b, HD_OUTCOME_ANSWER, 500, 1);
	assert_silence(b);
}

static void a_stream_tells_how_its_connection_went(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *c;

	b->listener.protocol = HD_PROTO_TCP;
	b->listener.cluster = 0;
	bed_publish(b);
	b->watched[0] = 1;
	c = bed_caller(b);
	fake_tcp_say(c, "anything");
	bed_run(b);
	bed_backend(b, 0);
	assert_told(b, HD_OUTCOME_CONNECTED, 0, 1);
	bed_caller(b);
	bed_run(b);
	fake_tcp_reset(fake_tcp_opened(b->tcp, 1), TCP_ERR_REFUSED);
	bed_run(b);
	assert_told(b, HD_OUTCOME_CONNECT_FAILURE, 0, 0);
	assert_silence(b);
}

static void an_ejected_endpoint_finishes_what_it_has(void **state)
{
	struct bed *b = detecting(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, GET);
	bed_run(b);
	b->health[0] = HD_EP_EJECTED;
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
	fake_tcp_say(c, GET);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nno healthy upstream");
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(success_is_told_only_after_a_failure),
		T(everything_of_a_watched_endpoint_is_told),
		T(clusters_without_detection_tell_nothing),
		T(a_connection_that_fails_is_told_for_each_that_waited),
		T(a_backend_that_leaves_without_an_answer_is_told),
		T(an_answer_that_breaks_off_is_told_twice),
		T(a_timeout_is_told),
		T(each_try_is_told),
		T(overflow_is_nobodys_fault),
		T(grpc_that_is_all_head_counts_by_its_own_status),
		T(listed_codes_leave_the_judgement_to_ctrl),
		T(a_full_ring_is_counted_and_stops_nothing),
		T(a_stream_tells_how_its_connection_went),
		T(an_ejected_endpoint_finishes_what_it_has),
	};

	if (bed_eal("unit-proxy-outcome") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
