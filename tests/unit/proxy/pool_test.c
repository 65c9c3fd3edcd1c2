/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, limits, streams and the ends of connections. */
#include "bed_talk.h"

static void websocket_opens_a_tunnel_with_half_close(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, WS "early");
	bed_run(b);
	assert_has(fake_tcp_heard(up), "connection: upgrade\r\nupgrade: websocket\r\n");
	fake_tcp_say(
		up,
		"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello");
	bed_run(b);
	assert_has(fake_tcp_heard(c), "upgrade: websocket\r\n");
	assert_string_equal(fake_tcp_heard(up), "early");
	fake_tcp_fin(c);
	bed_run(b);
	assert_true(up->is_closed);
	fake_tcp_say(up, "bye");
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "bye");
	fake_tcp_fin(up);
	bed_run(b);
	assert_false(up->is_live);
	assert_false(c->is_live);
	assert_int_equal(bed_record(b)->status, 101);
}

static void refused_upgrade_is_no_tunnel(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	fake_tcp_say(c, WS "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
	bed_run(b);
	fake_tcp_heard(up);
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "connection: close\r\n\r\nok");
	assert_true(c->is_closed);
	assert_string_equal(fake_tcp_heard(up), "");
}

static void removed_endpoint_loses_its_idle_connections_only(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *busy, *c = warm_up(b, &up), *d = bed_caller(b);

	fake_tcp_say(c, GET);
	fake_tcp_say(d, GET);
	bed_run(b);
	busy = bed_backend(b, 1);
	fake_tcp_say(up, OK2);
	bed_run(b);
	b->clusters[0].endpoints_count = 0;
	bed_publish(b);
	bed_run(b);
	assert_false(up->is_live);
	assert_true(busy->is_live);
	fake_tcp_say(busy, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(d), "\r\n\r\nok");
	assert_false(busy->is_live);
	fake_tcp_heard(c);
	fake_tcp_say(c, GET);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nno healthy upstream");
}

static void callers_that_rest_longest_give_way_when_places_run_out(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c[5];

	for (int i = 0; i < 4; i++) {
		c[i] = bed_caller(b);
		bed_run(b);
	}
	fake_tcp_say(c[0], GET); /* moves to the end of the line */
	bed_run(b);
	up = bed_backend(b, 0);
	fake_tcp_say(up, OK2);
	bed_run(b);
	fake_tcp_ack(c[0]);
	fake_tcp_say(c[1], "GET /"); /* not at rest */
	bed_run(b);
	b->tcp->room = FAKE_TCP_MAX / 16 - 1;
	c[4] = bed_caller(b);
	bed_run(b);
	assert_true(c[0]->is_live);
	assert_true(c[1]->is_live);
	assert_true(c[2]->is_aborted);
	assert_true(c[3]->is_aborted);
	assert_true(c[4]->is_live);
	assert_int_equal(bed_count(b, HD_PROXY_IDLE_EVICTED), 2);
	b->tcp->room = FAKE_TCP_MAX / 16;
	bed_caller(b);
	bed_run(b);
	assert_int_equal(bed_count(b, HD_PROXY_IDLE_EVICTED), 2);
}

static void a_caller_that_has_not_got_all_of_its_answer_does_not_give_way(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up);

	b->tcp->room = 1;
	bed_caller(b);
	bed_run(b);
	assert_true(c->is_live);
	fake_tcp_ack(c);
	bed_caller(b);
	bed_run(b);
	assert_true(c->is_aborted);
}

static void without_a_place_for_its_connection_a_request_overflows(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *idle = bed_caller(b), *c = bed_caller(b);
	static const char details[] =
		"upstream_reset_before_response_started{overflow|limits.connections}";
	const char *said;

	bed_run(b);
	b->tcp->refuse_connect = 2;
	fake_tcp_say(c, GET);
	bed_run(b);
	assert_true(idle->is_aborted);
	said = fake_tcp_heard(c);
	assert_has(said, "HTTP/1.1 503 Service Unavailable\r\nx-envoy-overloaded: true\r\n");
	assert_has(said, "reset reason: overflow");
	assert_int_equal(bed_count(b, HD_PROXY_NO_PLACE), 1);
	assert_int_equal(bed_count(b, HD_PROXY_CONNECT_FAILURES), 0);
	const struct hd_access_record *rec = bed_record(b);
	assert_int_equal(rec->flags, HD_FLAG_UO);
	assert_int_equal(rec->details_n, strlen(details));
	assert_memory_equal(rec->details, details, strlen(details));
}

static void limits_hold_requests_back_or_refuse_them(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c[4], *up = NULL;
	const char *said;

	b->clusters[0].max_connections = 1;
	b->clusters[0].max_pending_requests = 1;
	bed_publish(b);
	for (int i = 0; i < 4; i++) {
		c[i] = bed_caller(b);
		fake_tcp_say(c[i], GET);
		bed_run(b);
		if (i == 0)
			up = bed_backend(b, 0);
	}
	for (int i = 2; i < 4; i++) {
		said = fake_tcp_heard(c[i]);
		assert_has(said,
			   "HTTP/1.1 503 Service Unavailable\r\nx-envoy-overloaded: true\r\n");
		assert_has(said, "reset reason: overflow");
	}
	for (int i = 0; i < 2; i++) {
		fake_tcp_say(up, OK2);
		bed_run(b);
		assert_has(fake_tcp_heard(c[i]), "\r\n\r\nok");
	}
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

static void a_connection_at_rest_goes_when_it_is_old(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up;

	b->clusters[0].max_connection_duration = 2 * HD_NS_PER_S;
	bed_publish(b);
	warm_up(b, &up);
	bed_pass(b, 1900 * HD_NS_PER_MS);
	assert_true(up->is_live);
	bed_pass(b, 200 * HD_NS_PER_MS);
	assert_false(up->is_live);
}

/* Half of the active requests may be retried at once, at least one. */
static void a_budget_of_retries_grows_with_the_load(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c[4];
	uint32_t answered = 0;

	b->routes[0].retry = (struct hd_retry_policy){ .on = HD_RETRY_5XX,
						       .attempts = 1,
						       .backoff_base = HD_NS_PER_S };
	b->clusters[0].has_retry_budget = 1;
	b->clusters[0].retry_budget = 5000;
	b->clusters[0].retry_budget_min = 1;
	bed_publish(b);
	for (uint32_t i = 0; i < 4; i++) {
		c[i] = bed_caller(b);
		fake_tcp_say(c[i], GET);
		bed_run(b);
		bed_backend(b, i);
	}
	for (uint32_t i = 0; i < 4; i++) {
		fake_tcp_say(fake_tcp_opened(b->tcp, i),
			     "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
		bed_run(b);
		answered += strstr(fake_tcp_heard(c[i]), "503 No") != NULL;
	}
	assert_int_equal(bed_count(b, HD_PROXY_RETRIES), 1);
	assert_int_equal(bed_count(b, HD_PROXY_RETRY_OVERFLOW), 3);
	assert_int_equal(answered, 3);
	assert_int_equal(bed_record(b)->flags, HD_FLAG_UO);
}

static void draining_closes_idle_callers_and_lets_others_finish(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up), *idle = bed_caller(b);
	struct pkt_facts f = { .key = c->key };

	bed_run(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	assert_int_equal(proxy_listener(b->proxy, &f), 0);
	proxy_drain(b->proxy, b->now);
	bed_run(b);
	assert_int_equal(proxy_listener(b->proxy, &f), -1);
	assert_true(idle->is_closed);
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "connection: close\r\n\r\nok");
	assert_true(c->is_closed);
	assert_false(up->is_live);
}

static void tcp_listener_carries_a_stream(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c, *up;

	b->listener.protocol = HD_PROTO_TCP;
	b->listener.cluster = 0;
	bed_publish(b);
	c = bed_caller(b);
	fake_tcp_say(c, "anything");
	bed_run(b);
	up = bed_backend(b, 0);
	assert_string_equal(fake_tcp_heard(up), "anything");
	fake_tcp_say(up, "else");
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "else");
	fake_tcp_reset(c, TCP_ERR_RESET);
	bed_run(b);
	assert_true(up->is_aborted);
}

static void stream_without_a_backend_gets_no_text(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *refused, *nobody;

	b->listener.protocol = HD_PROTO_TCP;
	b->listener.cluster = 0;
	bed_publish(b);
	refused = bed_caller(b);
	bed_run(b);
	fake_tcp_reset(fake_tcp_opened(b->tcp, 0), TCP_ERR_REFUSED);
	bed_run(b);
	assert_string_equal(fake_tcp_heard(refused), "");
	assert_true(refused->is_closed);
	assert_int_equal(bed_record(b)->flags, HD_FLAG_UF | HD_FLAG_URX);
	b->clusters[0].endpoints_count = 0;
	bed_publish(b);
	nobody = bed_caller(b);
	bed_run(b);
	assert_true(nobody->is_aborted);
	assert_int_equal(bed_record(b)->flags, HD_FLAG_UH);
}

static void streams_obey_the_limits_of_their_cluster(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *first, *second, *up;

	b->listener.protocol = HD_PROTO_TCP;
	b->listener.cluster = 0;
	b->clusters[0].max_connections = 1;
	b->clusters[0].idle_timeout = HD_NS_PER_S;
	b->clusters[0].max_connection_duration = 3 * HD_NS_PER_S;
	bed_publish(b);
	first = bed_caller(b);
	bed_run(b);
	up = bed_backend(b, 0);
	second = bed_caller(b);
	bed_run(b);
	assert_true(second->is_closed);
	assert_int_equal(bed_record(b)->flags, HD_FLAG_UO);
	for (int i = 0; i < 4; i++) {
		fake_tcp_say(up, "tick");
		bed_pass(b, 700 * HD_NS_PER_MS);
		assert_false(first->is_closed);
	}
	fake_tcp_say(up, "tick");
	bed_pass(b, 700 * HD_NS_PER_MS);
	assert_true(first->is_closed);
	assert_int_equal(bed_record(b)->flags, HD_FLAG_DT);
	first = bed_caller(b);
	bed_run(b);
	bed_backend(b, 1);
	bed_pass(b, 1100 * HD_NS_PER_MS);
	assert_true(first->is_closed);
	assert_int_equal(bed_record(b)->flags, 0);
}

static void connection_that_nobody_waits_for_any_more_rests_as_its_cluster_says(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;

	b->clusters[0].idle_timeout = 2 * HD_NS_PER_S;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_reset(c, TCP_ERR_RESET);
	bed_run(b);
	up = bed_backend(b, 0);
	bed_pass(b, 1900 * HD_NS_PER_MS);
	assert_true(up->is_live);
	bed_pass(b, 200 * HD_NS_PER_MS);
	assert_false(up->is_live);
}

static void stream_to_nowhere_says_so(void **state)
{
	struct bed *b = bed_of(state, 1);
	const struct hd_access_record *r;

	b->listener.protocol = HD_PROTO_TCP;
	b->listener.cluster = HD_NONE;
	bed_publish(b);
	bed_caller(b);
	bed_run(b);
	r = bed_record(b);
	assert_non_null(r);
	assert_int_equal(r->flags, HD_FLAG_NC);
	assert_int_equal(r->details_n, strlen("cluster_not_found"));
	assert_int_equal(bed_count(b, HD_PROXY_NO_CLUSTER), 1);
}

static void stuck_callers_give_their_buffers_up_when_there_are_few(void **state)
{
	static char body[30000];
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *up, *c = warm_up(b, &up), *d;
	struct rte_mbuf *m[4095];
	uint32_t n = 0;

	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_set_space(c, 100);
	fake_tcp_say(up, "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n");
	fake_tcp_say_bytes(up, body, sizeof(body));
	bed_pass(b, 2 * HD_NS_PER_S);
	while (rte_mempool_avail_count(bed_bufs()) > 300)
		m[n++] = rte_pktmbuf_alloc(bed_bufs());
	bed_pass(b, 2 * HD_NS_PER_S);
	assert_int_equal(b->tcp->buffers, 8192);
	assert_true(c->is_live);
	bed_pass(b, 4 * HD_NS_PER_S);
	assert_true(c->is_aborted);
	assert_true(up->is_aborted);
	rte_pktmbuf_free_bulk(m, n);
	bed_pass(b, HD_NS_PER_S);
	assert_int_equal(b->tcp->buffers, 262144);
	assert_int_equal(bed_count(b, HD_PROXY_SHED), 1);
	d = bed_caller(b);
	fake_tcp_say(d, GET);
	bed_run(b);
	up = bed_backend(b, 1);
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(d), "\r\n\r\nok");
}

static void backend_that_accepts_and_closes_fails_one_request_a_connection(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;

	fake_tcp_say(c, GET);
	bed_run(b);
	up = fake_tcp_opened(b->tcp, 0);
	fake_tcp_connected(up);
	fake_tcp_fin(up);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 503 ");
	assert_int_equal(bed_record(b)->flags, HD_FLAG_UC);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
	assert_int_equal(bed_count(b, HD_PROXY_UP_SHUT_AT_ONCE), 1);
}

static void backend_that_accepts_and_closes_is_tried_again_by_the_policy(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;

	b->routes[0].retry.on = HD_RETRY_RESET;
	b->routes[0].retry.attempts = 2;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	for (uint32_t i = 0; i < 3; i++) {
		bed_pass(b, HD_NS_PER_S);
		up = fake_tcp_opened(b->tcp, i);
		assert_non_null(up);
		fake_tcp_connected(up);
		fake_tcp_fin(up);
		bed_run(b);
	}
	bed_pass(b, HD_NS_PER_S);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 3);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 503 ");
	assert_int_equal(bed_record(b)->flags, HD_FLAG_UC | HD_FLAG_URX);
}

static void answer_that_came_with_the_handshake_is_read(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;

	fake_tcp_say(c, GET);
	bed_run(b);
	up = fake_tcp_opened(b->tcp, 0);
	fake_tcp_connected(up);
	fake_tcp_say(up, "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n");
	fake_tcp_fin(up);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 429 ");
	assert_false(up->is_live);
}

static void stream_gets_what_came_with_the_handshake(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c, *up;

	b->listener.protocol = HD_PROTO_TCP;
	b->listener.cluster = 0;
	bed_publish(b);
	c = bed_caller(b);
	bed_run(b);
	up = fake_tcp_opened(b->tcp, 0);
	fake_tcp_connected(up);
	fake_tcp_say(up, "the time");
	fake_tcp_fin(up);
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "the time");
	assert_true(c->is_closed);
}

static void many_who_wait_fail_in_pieces_and_all_are_told(void **state)
{
	enum { N = 150 };
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c[N];
	uint32_t told = 0;

	b->clusters[0].max_connections = 1;
	b->routes[0].retry.on = 0;
	bed_publish(b);
	for (int i = 0; i < N; i++) {
		c[i] = bed_caller(b);
		fake_tcp_say(c[i], GET);
	}
	bed_run(b);
	fake_tcp_reset(fake_tcp_opened(b->tcp, 0), TCP_ERR_REFUSED);
	proxy_run(b->proxy, b->now);
	for (int i = 0; i < N; i++)
		told += c[i]->text_n > 0;
	assert_in_range(told, 1, N - 1);
	fake_tcp_reset(c[N - 1], TCP_ERR_RESET); /* leaves while it is still to be told */
	bed_run(b);
	for (int i = 0; i < N - 1; i++)
		assert_has(fake_tcp_heard(c[i]), "HTTP/1.1 503 ");
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
	fake_tcp_say(c[0], GET);
	bed_run(b);
	fake_tcp_say(bed_backend(b, 1), OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c[0]), "\r\n\r\nok");
}

static uint32_t count_live(const struct bed *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < fake_tcp_count_opened(b->tcp); i++)
		n += fake_tcp_opened(b->tcp, i)->is_live != 0;
	return n;
}

static void warm_up_many(struct bed *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		fake_tcp_say(bed_caller(b), GET);
	bed_run(b);
	for (uint32_t i = 0; i < n; i++)
		bed_backend(b, i);
	for (uint32_t i = 0; i < n; i++)
		fake_tcp_say(fake_tcp_opened(b->tcp, i), OK2);
	bed_run(b);
	assert_int_equal(count_live(b), n);
}

static void connections_of_an_endpoint_that_moved_are_closed_by_the_sweep(void **state)
{
	struct bed *b = bed_of(state, 1);

	warm_up_many(b, 100);
	b->endpoints[0].addr.port++;
	bed_publish(b);
	bed_run(b);
	assert_int_equal(count_live(b), 0);
	fake_tcp_say(bed_caller(b), GET);
	bed_run(b);
	assert_int_equal(fake_tcp_opened(b->tcp, 100)->key.remote_port, 8081);
}

static void sweep_leaves_what_stays(void **state)
{
	struct bed *b = bed_of(state, 2);

	warm_up_many(b, 100);
	b->clusters[0].endpoints_count = 1;
	bed_publish(b);
	bed_run(b);
	assert_int_equal(count_live(b), 50);
	bed_publish(b);
	bed_run(b);
	assert_int_equal(count_live(b), 50);
	proxy_drain(b->proxy, b->now);
	bed_run(b);
	assert_int_equal(count_live(b), 0);
}

static void words_behind_a_refused_upgrade_are_no_request(void **state)
{
	struct bed *b = bed_of(state, 0);
	struct tcp_conn *c = bed_caller(b);
	const char *said;

	fake_tcp_say(c, WS "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
	bed_run(b);
	said = fake_tcp_heard(c);
	assert_has(said, "connection: close\r\n\r\nno healthy upstream");
	assert_null(strstr(said + 9, "HTTP/1.1"));
	assert_true(c->is_closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_teardown(name, teardown)
		T(websocket_opens_a_tunnel_with_half_close),
		T(refused_upgrade_is_no_tunnel),
		T(removed_endpoint_loses_its_idle_connections_only),
		T(callers_that_rest_longest_give_way_when_places_run_out),
		T(a_caller_that_has_not_got_all_of_its_answer_does_not_give_way),
		T(without_a_place_for_its_connection_a_request_overflows),
		T(limits_hold_requests_back_or_refuse_them),
		T(a_connection_at_rest_goes_when_it_is_old),
		T(a_budget_of_retries_grows_with_the_load),
		T(draining_closes_idle_callers_and_lets_others_finish),
		T(tcp_listener_carries_a_stream),
		T(stream_without_a_backend_gets_no_text),
		T(streams_obey_the_limits_of_their_cluster),
		T(connection_that_nobody_waits_for_any_more_rests_as_its_cluster_says),
		T(stream_to_nowhere_says_so),
		T(stuck_callers_give_their_buffers_up_when_there_are_few),
		T(backend_that_accepts_and_closes_fails_one_request_a_connection),
		T(backend_that_accepts_and_closes_is_tried_again_by_the_policy),
		T(answer_that_came_with_the_handshake_is_read),
		T(stream_gets_what_came_with_the_handshake),
		T(many_who_wait_fail_in_pieces_and_all_are_told),
		T(connections_of_an_endpoint_that_moved_are_closed_by_the_sweep),
		T(sweep_leaves_what_stays),
		T(words_behind_a_refused_upgrade_are_no_request),
#undef T
	};

	if (bed_eal("unit-proxy-pool") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
