/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of ctrl to endpoints. */
#include "bed_secure.h"

static struct hd_probe question;

static void question_fill(struct bed *b, const char *request)
{
	memset(&question, 0, sizeof(question));
	question.to = b->endpoints[0].addr;
	question.timeout = HD_NS_PER_S;
	question.request_n = (uint32_t)strlen(request);
	memcpy(question.request, request, question.request_n);
}

static void ask(struct bed *b, const char *request)
{
	question_fill(b, request);
	proxy_probe(b->proxy, &question, b->now);
	bed_run(b);
}

static void assert_result(enum hd_probe_result result, uint16_t status)
{
	assert_true(question.done);
	assert_int_equal(question.result, result);
	assert_int_equal(question.status, status);
}

static void to_connect_is_enough_without_a_request(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up;

	ask(b, "");
	assert_false(question.done);
	up = bed_backend(b, 0);
	assert_result(HD_PROBE_CONNECTED, 0);
	assert_true(up->is_released);
}

static void the_status_is_the_answer(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up;

	ask(b, "GET /healthy HTTP/1.1\r\n\r\n");
	up = bed_backend(b, 0);
	assert_string_equal(fake_tcp_heard(up), "GET /healthy HTTP/1.1\r\n\r\n");
	fake_tcp_say(up, "HTTP/1.1 2");
	bed_run(b);
	assert_false(question.done);
	fake_tcp_say(up, "04 Fine\r\n\r\n");
	bed_run(b);
	assert_result(HD_PROBE_ANSWERED, 204);
	assert_true(up->is_released);
}

static void endpoint_of_the_mesh_is_asked_in_tls(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up;

	b->tls_options.contexts[1] = (struct fake_tls_context){ .is_set = 1, .prefix = BACKEND };
	for (int right = 1; right >= 0; right--) {
		question_fill(b, "GET /healthy HTTP/1.1\r\n\r\n");
		question.tls_context = 2;
		question.sni_n = 5;
		memcpy(question.sni, "a.svc", 5);
		proxy_probe(b->proxy, &question, b->now);
		bed_run(b);
		up = bed_backend(b, !right);
		assert_has(heard(up), "sni=a.svc");
		say(up, 22, right ? "ok id=" BACKEND : "ok id=" CLIENT);
		bed_run(b);
		if (!right)
			break;
		assert_has(heard(up), "GET /healthy HTTP/1.1");
		say_data(up, "HTTP/1.1 204 Fine\r\n\r\n");
		bed_run(b);
		assert_result(HD_PROBE_ANSWERED, 204);
	}
	assert_result(HD_PROBE_TLS, 0);
	assert_lacks(heard(up), "GET");
}

static void what_is_no_http_is_broken(void **state)
{
	static const char *const texts[] = { "SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 abc Never\r\n",
					     "HTTP/2.0 200 No no\r\n", "HTTP/1.1\t200 Never\r\n" };
	struct bed *b = bed_of(state, 1);

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(texts); i++) {
		ask(b, "GET / HTTP/1.1\r\n\r\n");
		fake_tcp_say(bed_backend(b, i), texts[i]);
		bed_run(b);
		assert_result(HD_PROBE_BROKEN, 0);
	}
}

static void a_close_without_an_answer_is_broken(void **state)
{
	struct bed *b = bed_of(state, 1);

	ask(b, "GET / HTTP/1.1\r\n\r\n");
	fake_tcp_fin(bed_backend(b, 0));
	bed_run(b);
	assert_result(HD_PROBE_BROKEN, 0);
	ask(b, "GET / HTTP/1.1\r\n\r\n");
	fake_tcp_reset(bed_backend(b, 1), TCP_ERR_RESET);
	bed_run(b);
	assert_result(HD_PROBE_BROKEN, 0);
}

static void a_refused_connection_is_said_to_be_one(void **state)
{
	struct bed *b = bed_of(state, 1);

	ask(b, "");
	fake_tcp_reset(fake_tcp_opened(b->tcp, 0), TCP_ERR_REFUSED);
	bed_run(b);
	assert_result(HD_PROBE_REFUSED, 0);
}

static void silence_ends_with_the_time_that_was_given(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up;

	ask(b, "GET / HTTP/1.1\r\n\r\n");
	up = bed_backend(b, 0);
	bed_pass(b, 900 * HD_NS_PER_MS);
	assert_false(question.done);
	bed_pass(b, 200 * HD_NS_PER_MS);
	assert_result(HD_PROBE_TIMEOUT, 0);
	assert_true(up->is_aborted);
}

static void without_a_port_nothing_is_asked(void **state)
{
	struct bed *b = bed_of(state, 1);

	b->tcp->refuse_connect = 1;
	ask(b, "");
	assert_result(HD_PROBE_NO_ROOM, 0);
}

static void a_probe_is_no_request_and_no_pooled_connection(void **state)
{
	struct bed *b = bed_of(state, 1);

	ask(b, "");
	bed_backend(b, 0);
	assert_int_equal(b->stats.requests, 0);
	assert_null(bed_record(b));
	fake_tcp_say(bed_caller(b), GET);
	bed_run(b);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(to_connect_is_enough_without_a_request),
		T(the_status_is_the_answer),
		T(endpoint_of_the_mesh_is_asked_in_tls),
		T(what_is_no_http_is_broken),
		T(a_close_without_an_answer_is_broken),
		T(a_refused_connection_is_said_to_be_one),
		T(silence_ends_with_the_time_that_was_given),
		T(without_a_port_nothing_is_asked),
		T(a_probe_is_no_request_and_no_pooled_connection),
	};

	if (bed_eal("unit-proxy-probe") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
