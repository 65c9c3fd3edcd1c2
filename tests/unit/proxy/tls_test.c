/* SPDX-License-Identifier: Apache-2.0 */
/* Legs that speak TLS, and how callers' connections begin. */
#include "bed_secure.h"

static struct bed *inbound_bed(void **state, uint8_t mode)
{
	struct bed *b = bed_of(state, 1);

	secure_inbound(b, mode);
	return b;
}

static void strict_resets_plaintext_and_says_why(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c = bed_caller(b);
	const struct hd_access_record *r;

	fake_tcp_say(c, GET);
	bed_run(b);
	assert_true(c->is_aborted);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
	assert_int_equal(bed_count(b, HD_PROXY_PLAINTEXT_REFUSED), 1);
	r = bed_record(b);
	assert_non_null(r);
	assert_int_equal(r->flags, HD_FLAG_NR);
	assert_memory_equal(r->details, "filter_chain_not_found", 22);
}

static void strict_counts_for_connections_that_were_there_before(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PERMISSIVE);
	struct tcp_conn *c = bed_caller(b), *up;

	fake_tcp_say(c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	b->listener.inbound = HD_INBOUND_STRICT;
	bed_publish(b);
	fake_tcp_say(up, OK2); /* what was begun is finished */
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
	fake_tcp_heard(up);
	fake_tcp_say(c, GET);
	bed_run(b);
	assert_true(c->is_aborted);
	assert_string_equal(fake_tcp_heard(up), "");
	assert_int_equal(bed_count(b, HD_PROXY_PLAINTEXT_REFUSED), 1);
}

static void strict_counts_for_streams_that_were_there_before(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PERMISSIVE);
	struct tcp_conn *c, *up;

	for (int from_up = 0; from_up < 2; from_up++) {
		b->listener.inbound = HD_INBOUND_PERMISSIVE;
		b->listener.protocol = HD_PROTO_TCP;
		b->listener.router = HD_NONE;
		b->listener.cluster = 0;
		bed_publish(b);
		c = bed_caller(b);
		fake_tcp_say(c, "hello");
		bed_run(b);
		up = bed_backend(b, (uint32_t)from_up);
		assert_string_equal(fake_tcp_heard(up), "hello");
		bed_publish(b);
		fake_tcp_say(c, "more");
		bed_run(b);
		assert_string_equal(fake_tcp_heard(up), "more");
		b->listener.inbound = HD_INBOUND_STRICT;
		bed_publish(b);
		fake_tcp_say(from_up ? up : c, "secret");
		bed_run(b);
		assert_string_equal(fake_tcp_heard(from_up ? c : up), "");
		assert_true(c->is_aborted && up->is_aborted);
	}
	assert_int_equal(bed_count(b, HD_PROXY_PLAINTEXT_REFUSED), 2);
}

static void strict_serves_a_caller_with_a_certificate(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c = secure_caller(b, MESH_HELLO), *up;
	const char *got;

	assert_has(heard(c), "[22:ok");
	say_data(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: By=x\r\n\r\n");
	bed_run(b);
	up = bed_backend(b, 0);
	got = fake_tcp_heard(up);
	assert_has(got, "x-forwarded-proto: https\r\n");
	assert_has(got, "x-forwarded-client-cert: By=x,By=spiffe://td/ns/n/sa/node;Hash=00ff;"
			"Subject=\"\";URI=" CLIENT "\r\n");
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(heard(c), "\r\n\r\nok");
	assert_null(strstr(c->text, "HTTP/1.1"));
}

static void certificate_is_wanted_before_any_request(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c = bed_caller(b);

	say(c, 22, "alpn=istio");
	say_data(c, GET);
	bed_run(b);
	assert_has(heard(c), "[21:certificate_required]");
	assert_true(c->is_closed);
	assert_int_equal(bed_count(b, HD_PROXY_REQUESTS), 0);
	assert_int_equal(bed_count(b, HD_TLS_NO_CERTIFICATE), 1);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
	fake_tcp_fin(c);
	bed_run(b);
	assert_int_equal(fake_tls_live(b->tls), 0);
}

/* It is TCP's stream that has ended, below the one that is about to begin. */
static void end_that_comes_with_the_hello_ends_the_handshake(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c = bed_caller(b);

	say(c, 22, MESH_HELLO);
	fake_tcp_fin(c);
	bed_run(b);
	assert_int_equal(bed_count(b, HD_TLS_TRUNCATED), 1);
	assert_int_equal(fake_tls_live(b->tls), 0);
	assert_int_equal(bed_count(b, HD_PROXY_REQUESTS), 0);
}

static void permissive_serves_both_and_no_foreign_tls(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PERMISSIVE);
	struct tcp_conn *plain = bed_caller(b), *mesh = secure_caller(b, MESH_HELLO), *foreign, *up;

	fake_tcp_say(plain, GET);
	say_data(mesh, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	assert_has(fake_tcp_heard(up), "x-forwarded-proto: http\r\n");
	assert_has(fake_tcp_heard(bed_backend(b, 1)), "x-forwarded-proto: https\r\n");
	foreign = secure_caller(b, "alpn=http/1.1 id=" CLIENT);
	assert_true(foreign->is_aborted);
	assert_int_equal(bed_count(b, HD_PROXY_FOREIGN_TLS), 1);
}

static void silent_permissive_caller_of_a_stream_reaches_a_server_that_speaks_first(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PERMISSIVE);
	struct tcp_conn *c, *up;

	b->listener.protocol = HD_PROTO_TCP;
	b->listener.cluster = 0;
	bed_publish(b);
	c = bed_caller(b);
	bed_pass(b, 11 * HD_NS_PER_S);
	up = bed_backend(b, 0);
	fake_tcp_say(up, "220 ready\r\n");
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "220 ready\r\n");
}

static void unfinished_hello_has_ten_seconds(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c = bed_caller(b);

	fake_tcp_say_bytes(c, "\x16\x03\x03", 3);
	bed_pass(b, 9 * HD_NS_PER_S);
	assert_true(c->is_live);
	bed_pass(b, 2 * HD_NS_PER_S);
	assert_true(c->is_aborted);
	assert_int_equal(bed_count(b, HD_PROXY_HELLO_TIMEOUTS), 1);
}

static void secure_endpoints(struct bed *b)
{
	b->clusters[0].sni = BED_TEXT("outbound_.8080_._.web");
	b->endpoints[0].tls_context = 2; /* slot 1 */
	bed_publish(b);
}

static void backend_proves_who_it_is_before_it_gets_a_byte(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c, *up;

	b->routes[0].retry.attempts = 0;
	secure_endpoints(b);
	c = bed_caller(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	assert_string_equal(heard(up), "[22:hello sni=outbound_.8080_._.web]");
	say(up, 22, "ok id=spiffe://td/ns/shop/sa/someoneelse");
	bed_run(b);
	assert_string_equal(heard(up), "[21:bad_certificate]");
	assert_has(fake_tcp_heard(c), "503 Service Unavailable");
	assert_int_equal(bed_count(b, HD_TLS_ID_NAME), 1);
	assert_int_equal(bed_record(b)->flags, HD_FLAG_UF);
	assert_int_equal(fake_tls_live(b->tls), 0);
}

static void request_and_answer_travel_in_records(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c, *up;

	secure_endpoints(b);
	c = bed_caller(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	heard(up);
	say(up, 22, "ok id=" BACKEND);
	bed_run(b);
	assert_has(heard(up), "GET /a?b=c HTTP/1.1\r\n");
	say_data(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
	fake_tcp_say(c, GET); /* on the same connection, without another handshake */
	bed_run(b);
	assert_has(heard(up), "GET /a?b=c HTTP/1.1\r\n");
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

/* Head and body are sent one behind the other; the records' headers and tags are paid once. */
static void small_answer_is_one_record(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c = secure_caller(b, MESH_HELLO);
	const uint8_t *raw;
	uint32_t n;

	heard(c);
	say_data(c, GET);
	bed_run(b);
	fake_tcp_say(bed_backend(b, 0), OK2);
	bed_run(b);
	raw = (const uint8_t *)c->text + c->text_read;
	n = c->text_n - c->text_read;
	assert_true(n > 5);
	assert_int_equal(raw[0], 23);
	assert_int_equal(n, 5 + (raw[3] << 8 | raw[4]));
	assert_has(heard(c), "\r\n\r\nok");
}

/* A caller whose first request a backend answered over TLS, and its second one under way. */
static struct tcp_conn *asked_again(struct bed *b, struct tcp_conn **up)
{
	struct tcp_conn *c;

	secure_endpoints(b);
	c = bed_caller(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	*up = bed_backend(b, 0);
	say(*up, 22, "ok id=" BACKEND);
	bed_run(b);
	say_data(*up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
	fake_tcp_say(c, GET);
	bed_run(b);
	return c;
}

static void say_crossing(struct tcp_conn *c, const char *text)
{
	static uint8_t out[2000];

	fake_tcp_say_crossing_bytes(c, out, fake_tls_record(23, text, (uint32_t)strlen(text), out));
}

/* RFC 9110 15.5.9: what a server says of an idle connection crosses the next request, and is no
 * answer to it because it is encrypted. */
static void records_from_before_the_request_are_no_answer_to_it(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *up, *c = asked_again(b, &up), *again;

	say_crossing(up, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "");
	fake_tcp_fin(up);
	fake_tcp_reset(up, TCP_ERR_RESET);
	bed_run(b);
	again = bed_backend(b, 1);
	say(again, 22, "ok id=" BACKEND);
	bed_run(b);
	say_data(again, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
	assert_int_equal(bed_count(b, HD_PROXY_UP_IDLE_DATA), 1);
}

static void check_answer_behind(void **state, int in_one_look)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *up, *c = asked_again(b, &up);

	say_crossing(up, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
	if (!in_one_look)
		bed_run(b);
	say_data(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 502 ");
	assert_false(up->is_live);
	assert_int_equal(bed_count(b, HD_PROXY_UP_IDLE_DATA), 1);
}

static void answer_behind_such_records_is_not_believed(void **state)
{
	check_answer_behind(state, 0);
}

static void answer_that_is_looked_at_with_such_records_is_not_believed(void **state)
{
	check_answer_behind(state, 1);
}

static void handshake_takes_its_time_and_others_do_not_wait(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PERMISSIVE);
	struct tcp_conn *slow, *quick;

	b->tls_options.latency = 50 * HD_NS_PER_MS;
	slow = secure_caller(b, MESH_HELLO);
	quick = bed_caller(b);
	fake_tcp_say(quick, GET);
	bed_run(b);
	assert_has(fake_tcp_heard(bed_backend(b, 0)), "GET /a");
	assert_string_equal(heard(slow), "");
	bed_pass(b, 60 * HD_NS_PER_MS);
	assert_has(heard(slow), "[22:ok");
}

static struct tcp_conn *secure_backend(struct bed *b, struct tcp_conn **c)
{
	struct tcp_conn *up;

	secure_endpoints(b);
	*c = bed_caller(b);
	fake_tcp_say(*c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	say(up, 22, "ok id=" BACKEND);
	bed_run(b);
	heard(up);
	return up;
}

static void body_that_ends_with_the_connection_needs_close_notify(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c, *up = secure_backend(b, &c);
	const char *got;

	say_data(up, "HTTP/1.1 200 OK\r\n\r\nhalf of it");
	fake_tcp_fin(up);
	bed_run(b);
	got = fake_tcp_heard(c);
	assert_has(got, "half of it");
	assert_lacks(got, "0\r\n\r\n");
	assert_true(c->is_closed);
	assert_int_equal(bed_count(b, HD_TLS_TRUNCATED), 1);
	assert_int_equal(bed_count(b, HD_PROXY_CUT_ANSWERS), 1);
}

static void close_notify_ends_a_body(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c, *up = secure_backend(b, &c);

	say_data(up, "HTTP/1.1 200 OK\r\n\r\nall of it");
	say(up, 21, "close");
	fake_tcp_fin(up);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "all of it\r\n0\r\n\r\n");
	assert_string_equal(heard(up), "[21:close]");
	assert_int_equal(bed_count(b, HD_PROXY_CUT_ANSWERS), 0);
}

static void truncation_alone_does_not_tell_that_a_request_was_unseen(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c, *up = secure_backend(b, &c);

	say_data(up, OK2);
	bed_run(b);
	fake_tcp_ack(up);
	fake_tcp_heard(c);
	fake_tcp_say(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
	bed_run(b);
	fake_tcp_fin(up); /* crossing the request */
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "");
	assert_int_equal(bed_count(b, HD_PROXY_RESENDS), 0);
	bed_pass(b, 6 * HD_NS_PER_S);
	assert_has(fake_tcp_heard(c), "503 Service");
}

static void other_rules_close_what_was_made_by_former_ones(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c, *up = secure_backend(b, &c);

	say_data(up, OK2);
	bed_run(b);
	assert_true(up->is_live);
	b->endpoints[0].tls_context = 3;
	bed_publish(b);
	bed_run(b);
	assert_false(up->is_live);
	assert_string_equal(heard(up), "[21:close]");
}

static void stream_is_sealed_on_both_sides(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c, *up;

	b->listener.protocol = HD_PROTO_TCP;
	b->listener.cluster = 0;
	secure_endpoints(b);
	c = secure_caller(b, "alpn=istio-peer-exchange id=" CLIENT);
	say_data(c, "ping");
	bed_run(b);
	up = bed_backend(b, 0);
	say(up, 22, "ok id=" BACKEND);
	bed_run(b);
	assert_has(heard(up), "]ping");
	say_data(up, "pong");
	bed_run(b);
	assert_has(heard(c), "]pong");
	say(c, 21, "close");
	bed_run(b);
	assert_string_equal(heard(up), "[21:close]");
	say(up, 21, "close");
	fake_tcp_fin(up);
	bed_run(b);
	assert_string_equal(heard(c), "[21:close]");
	assert_false(up->is_live);
	assert_false(c->is_live);
}

static void cut_stream_is_cut_on_the_other_side_too(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c, *up;

	b->listener.protocol = HD_PROTO_TCP;
	b->listener.cluster = 0;
	bed_publish(b);
	c = secure_caller(b, "alpn=istio id=" CLIENT);
	say_data(c, "ping");
	bed_run(b);
	up = bed_backend(b, 0);
	fake_tcp_fin(c); /* without close_notify */
	bed_run(b);
	assert_true(up->is_aborted);
}

static void gateway(struct bed *b)
{
	b->listener.gateway = 1;
	b->listener.servers_count = 3;
	b->servers[0] = (struct hd_tls_server){ .text = BED_TEXT("shop.example"), .context = 3 };
	b->servers[1] = (struct hd_tls_server){
		.text = BED_TEXT(".example"), .kind = HD_DOMAIN_SUFFIX, .context = 1, .router = 0
	};
	b->servers[2] = (struct hd_tls_server){ .text = BED_TEXT("pass.example"),
						.protocol = HD_PROTO_TCP };
	bed_publish(b);
}

static void server_name_picks_who_serves(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c, *up;
	const char *got;

	gateway(b);
	c = secure_caller(b, "sni=shop.example");
	assert_has(heard(c), "[22:ok");
	say_data(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: evil\r\n\r\n");
	bed_run(b);
	got = fake_tcp_heard(bed_backend(b, 0));
	assert_has(got, "x-forwarded-proto: https\r\n");
	assert_lacks(got, "client-cert");
	c = secure_caller(b, "sni=x.example id=" CLIENT);
	say_data(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: evil\r\n\r\n");
	bed_run(b);
	up = bed_backend(b, 1);
	assert_has(fake_tcp_heard(up), "x-forwarded-client-cert: Hash=00ff;Cert=\"PEM\";"
				       "Subject=\"\";URI=" CLIENT "\r\n");
}

static void unknown_server_name_and_plaintext_are_reset(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c;

	gateway(b);
	c = secure_caller(b, "sni=other.test");
	assert_true(c->is_aborted);
	c = secure_caller(b, "alpn=http/1.1");
	assert_true(c->is_aborted);
	assert_int_equal(bed_count(b, HD_PROXY_UNKNOWN_NAME), 2);
	c = bed_caller(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	assert_true(c->is_aborted);
	assert_int_equal(bed_count(b, HD_PROXY_PLAINTEXT_REFUSED), 1);
}

static void passed_through_tls_is_not_touched(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c, *up;

	gateway(b);
	c = secure_caller(b, "sni=pass.example");
	up = bed_backend(b, 0);
	assert_string_equal(heard(up), "[22:sni=pass.example]");
	say(up, 22, "theirs");
	bed_run(b);
	assert_string_equal(heard(c), "[22:theirs]");
	assert_int_equal(fake_tls_live(b->tls), 0);
}

static void lack_of_buffers_delays_but_loses_nothing(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c = secure_caller(b, MESH_HELLO), *up;

	heard(c);
	say_data(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	bed_run(b);
	up = bed_backend(b, 0);
	b->tls_options.seal_fails = 2;
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(heard(c), "\r\n\r\nok[21:close]");
	assert_int_equal(bed_count(b, HD_PROXY_SEAL_DELAYED), 2);
	assert_true(c->is_closed);
}

static void heads_may_be_told_name_and_scheme(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c;
	const char *text;

	b->routes[0].edits = 1;
	b->edits[0] = (struct hd_edits){ .request_count = 2 };
	for (uint32_t i = 0; i < 2; i++)
		b->edit_list[i] = (struct hd_edit){ .kind = HD_EDIT_SET,
						    .name = i ? BED_TEXT("x-scheme")
							      : BED_TEXT("x-sni"),
						    .pieces_first = i,
						    .pieces_count = 1 };
	b->pieces[0] = (struct hd_piece){ .kind = HD_PIECE_SERVER_NAME };
	b->pieces[1] = (struct hd_piece){ .kind = HD_PIECE_REQ, .text = BED_TEXT(":scheme") };
	bed_publish(b);
	c = secure_caller(b, MESH_HELLO);
	say_data(c, GET);
	bed_run(b);
	text = fake_tcp_heard(bed_backend(b, 0));
	assert_has(text, "x-sni: outbound_.80_._.web\r\nx-scheme: https\r\n");
}

/* SIMPLE becomes MUTUAL: who showed no certificate does not stay. */
static void server_that_wants_certificates_now_refuses_who_has_none(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c, *with;

	gateway(b);
	c = secure_caller(b, "sni=shop.example");
	with = secure_caller(b, "sni=shop.example id=" CLIENT);
	b->servers[0].wants_peer = 1;
	bed_publish(b);
	say_data(c, GET);
	bed_run(b);
	assert_true(c->is_aborted);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
	assert_int_equal(bed_count(b, HD_TLS_NO_CERTIFICATE), 1);
	say_data(with, GET);
	bed_run(b);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

static void reloads_leave_passed_through_tls_alone(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c, *up;

	gateway(b);
	c = secure_caller(b, "sni=pass.example");
	up = bed_backend(b, 0);
	for (int i = 0; i < 3; i++) {
		bed_publish(b);
		fake_tcp_heard(up);
		fake_tcp_say(c, "more");
		bed_run(b);
		assert_string_equal(fake_tcp_heard(up), "more");
	}
}

static void reload_during_a_hello_is_no_matter(void **state)
{
	static uint8_t out[400];
	struct bed *b = inbound_bed(state, HD_INBOUND_STRICT);
	struct tcp_conn *c = bed_caller(b);
	uint32_t n = fake_tls_record(22, MESH_HELLO, sizeof(MESH_HELLO) - 1, out);

	for (uint32_t i = 0; i < n; i++) {
		fake_tcp_say_bytes(c, out + i, 1);
		bed_publish(b);
		bed_run(b);
	}
	say_data(c, GET);
	bed_run(b);
	assert_has(fake_tcp_heard(bed_backend(b, 0)), "GET /a");
}

static void reload_keeps_a_connection_on_its_server(void **state)
{
	struct bed *b = inbound_bed(state, HD_INBOUND_PLAIN);
	struct tcp_conn *c;

	gateway(b);
	c = secure_caller(b, "sni=shop.example");
	heard(c);
	b->servers[3] = b->servers[0]; /* another place */
	b->servers[0] = b->servers[2];
	b->listener.servers_first = 1;
	bed_publish(b);
	say_data(c, GET);
	bed_run(b);
	assert_has(fake_tcp_heard(bed_backend(b, 0)), "GET /a");
	b->listener.servers_count = 1; /* gone */
	bed_publish(b);
	fake_tcp_say(fake_tcp_opened(b->tcp, 0), OK2);
	bed_run(b);
	heard(c);
	say_data(c, GET);
	bed_run(b);
	assert_has(heard(c), "404 Not Found");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_teardown(name, teardown)
		T(strict_resets_plaintext_and_says_why),
		T(strict_counts_for_connections_that_were_there_before),
		T(strict_counts_for_streams_that_were_there_before),
		T(strict_serves_a_caller_with_a_certificate),
		T(certificate_is_wanted_before_any_request),
		T(end_that_comes_with_the_hello_ends_the_handshake),
		T(permissive_serves_both_and_no_foreign_tls),
		T(silent_permissive_caller_of_a_stream_reaches_a_server_that_speaks_first),
		T(unfinished_hello_has_ten_seconds),
		T(backend_proves_who_it_is_before_it_gets_a_byte),
		T(request_and_answer_travel_in_records),
		T(small_answer_is_one_record),
		T(records_from_before_the_request_are_no_answer_to_it),
		T(answer_behind_such_records_is_not_believed),
		T(answer_that_is_looked_at_with_such_records_is_not_believed),
		T(handshake_takes_its_time_and_others_do_not_wait),
		T(body_that_ends_with_the_connection_needs_close_notify),
		T(close_notify_ends_a_body),
		T(truncation_alone_does_not_tell_that_a_request_was_unseen),
		T(other_rules_close_what_was_made_by_former_ones),
		T(stream_is_sealed_on_both_sides),
		T(cut_stream_is_cut_on_the_other_side_too),
		T(server_name_picks_who_serves),
		T(unknown_server_name_and_plaintext_are_reset),
		T(passed_through_tls_is_not_touched),
		T(lack_of_buffers_delays_but_loses_nothing),
		T(heads_may_be_told_name_and_scheme),
		T(server_that_wants_certificates_now_refuses_who_has_none),
		T(reloads_leave_passed_through_tls_alone),
		T(reload_during_a_hello_is_no_matter),
		T(reload_keeps_a_connection_on_its_server),
	};

	if (bed_eal("proxy-tls-test") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
