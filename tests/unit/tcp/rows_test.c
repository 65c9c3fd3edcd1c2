/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the checklist that need no more than a few segments each. */
#include "raw.h"

static void c1_04_the_mss_is_told_on_a_syn_only_and_follows_the_mtu(void **state)
{
	const struct pair_segment *a;
	struct pair_stream *s;

	pair_init(&p, 1, NULL, NULL);
	p.end[0].mtu = 1400;
	r = (struct raw_peer){ .nxt = 100000 };
	s = raw_open(&r, &p, &full);
	assert_int_equal(p.log[0].opt.mss, 1360);
	write_stream(s, 5000);
	while ((a = pair_next(&p, &r.cursor)) != NULL)
		assert_int_equal(a->opt.present & TCP_OPTION_MSS, 0);
	finish();
}

static void c1_07_a_tiny_mss_draws_no_storm(void **state)
{
	struct tcp_options o = { .present = TCP_OPTION_MSS };
	struct pair_stream *s = begin(&o);

	write_stream(s, 880);
	assert_int_equal(collect(), 10);
	finish();
}

static void c1_21_a_second_small_piece_does_not_wait_for_an_ack(void **state)
{
	struct pair_stream *s = begin(&plain);

	raw_skip(&r);
	write_stream(s, 10);
	write_stream(s, 10);
	assert_int_equal(expect(ACK, 0)->len, 10);
	assert_int_equal(expect(ACK, 0)->len, 10);
	finish();
}

static void c1_24_a_burst_is_answered_once_and_for_all(void **state)
{
	struct pair_segment in[32];
	const void *payload[32];
	const struct pair_segment *a;

	begin(&plain);
	raw_skip(&r);
	for (uint32_t i = 0; i < 32; i++) {
		in[i] = (struct pair_segment){ .seq = r.nxt + i * 1460,
					       .ack = r.rcv,
					       .len = 1460,
					       .flags = ACK,
					       .window = 65535,
					       .sport = r.sport,
					       .dport = r.dport };
		payload[i] = bytes_at(i * 1460);
	}
	pair_inject_burst(&p, in, payload, 32);
	a = expect(ACK, 0);
	assert_int_equal(a->ack, r.nxt + 32 * 1460);
	assert_null(pair_next(&p, &r.cursor));
	finish();
}

static void c1_29_urgent_data_stay_in_line(void **state)
{
	struct pair_stream *s = begin(&plain);

	for (uint32_t i = 0; i < 20; i++)
		raw_send(&r, ACK | PKT_TCP_URG, bytes_at(i * 7), 7);
	assert_int_equal(s->received, 140);
	finish();
}

static void c1_44_strange_flags_open_and_kill_nothing(void **state)
{
	static const uint8_t strange[] = { 0,	 FIN, SYN | FIN, SYN | RST, FIN | PSH | PKT_TCP_URG,
					   0x3f, 0xff };
	struct pair_stream *s = begin(&plain);

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(strange); i++) {
		struct pair_segment to_listen = {
			.flags = strange[i], .seq = 1, .sport = 9, .dport = PAIR_PORT
		};

		pair_inject(&p, &to_listen, NULL);
		if (!(strange[i] & RST)) /* at RCV.NXT a reset is a reset, whatever comes with it */
			raw_send_at(&r, r.nxt, strange[i] & (uint8_t)~ACK, NULL, 0);
	}
	assert_int_equal(p.n_streams, 1);
	assert_int_equal(p.end[0].t->half_open, 0);
	raw_send(&r, ACK, bytes_at(0), 10);
	assert_int_equal(s->received, 10);
	finish();
}

static void c1_45_more_syns_than_places_draw_no_reset(void **state)
{
	struct tcp_config c = pair_config();
	const struct pair_segment *a;

	c.max_connections = 80;
	pair_init(&p, 1, &c, NULL);
	p.end[1].raw = 1;
	r = (struct raw_peer){ .p = &p };
	for (uint16_t i = 0; i < 500; i++) {
		struct pair_segment s = {
			.flags = SYN, .seq = i, .sport = (uint16_t)(1000 + i), .dport = PAIR_PORT
		};

		pair_inject(&p, &s, NULL);
	}
	while ((a = pair_next(&p, &r.cursor)) != NULL)
		assert_int_equal(a->flags, SYN | ACK);
	assert_int_equal(p.end[0].t->open, 20);
	pair_run_for(&p, 4 * HD_NS_PER_S); /* in a crowd one repetition must do */
	assert_in_range(p.end[0].t->open, 1, 10);
	pair_run_for(&p, 90 * HD_NS_PER_S);
	assert_int_equal(p.end[0].t->open, 0);
	pair_fini(&p);
}

/* Callers must not take what is needed to reach the backends for those that are here already. */
static void callers_leave_an_eighth_of_the_places_to_connections_of_ours(void **state)
{
	struct tcp_config cfg = pair_config();
	uint32_t of;

	cfg.max_connections = 64;
	pair_init(&p, 1, &cfg, NULL);
	for (int i = 0; i < 60; i++) {
		r = (struct raw_peer){ .nxt = 100000, .sport = (uint16_t)(30000 + i) };
		if (i < 56)
			assert_non_null(raw_open(&r, &p, &plain));
		else
			pair_inject(&p,
				    &(struct pair_segment){ .flags = SYN,
							    .seq = 1,
							    .window = 1000,
							    .sport = (uint16_t)(30000 + i),
							    .dport = PAIR_PORT },
				    NULL);
	}
	assert_int_equal(p.end[0].t->open, 56);
	assert_int_equal(tcp_room_for_callers(p.end[0].t, &of), 0);
	assert_int_equal(of, 56);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_NO_ROOM], 4);
	for (int i = 0; i < 8; i++)
		pair_connect(&p, 0);
	assert_int_equal(p.end[0].t->open, 64);
	finish();
}

/* The fake device asserts it of each segment. */
static void c1_37_a_connection_keeps_the_source_address_that_it_began_with(void **state)
{
	struct pair_stream *s;

	pair_init(&p, 1, NULL, NULL);
	p.accept_template.close_when_done = 1;
	p.accept_template.to_send = 5000;
	s = pair_connect(&p, 0);
	s->to_send = 100000;
	s->write_chunk = 4096;
	s->close_when_done = 1;
	pair_drain(&p);
	assert_true(s->closed);
	assert_int_equal(s->received, 5000);
	pair_fini(&p);
}

static void c1_38_every_segment_has_the_dscp_that_was_set(void **state)
{
	struct tcp_config cfg = pair_config();
	struct pair_stream *s;

	cfg.tos = 0x28;
	pair_init(&p, 1, &cfg, NULL);
	r = (struct raw_peer){ .nxt = 100000 };
	s = raw_open(&r, &p, &full);
	write_stream(s, 5000);
	tcp_abort(s->c);
	raw_send(&r, ACK, NULL, 0); /* a reset of no connection */
	pair_inject(&p,
		    &(struct pair_segment){
			    .flags = SYN, .seq = 1, .window = 1000, .sport = 7, .dport = 9 },
		    NULL);
	assert_true(p.n_log > 6);
	for (uint32_t i = 0; i < p.n_log; i++)
		if (p.log[i].from == 0)
			assert_int_equal(p.log[i].tos & 0xfc, 0x28);
	pair_fini(&p);
}

/* AE, CWR and ECE: RFC 9768 3.1.2 has the other side fall back when the answer is RFC 3168's. */
static void c6_4_a_syn_of_accurate_ecn_gets_the_answer_of_rfc_3168(void **state)
{
	struct pair_segment s = { .flags = SYN | PKT_TCP_ECE | PKT_TCP_CWR,
				  .reserved_bits = 1,
				  .seq = 100000,
				  .window = 65535,
				  .sport = 5,
				  .dport = PAIR_PORT,
				  .opt = sack };

	pair_init(&p, 1, NULL, NULL);
	p.end[1].raw = 1;
	r = (struct raw_peer){ .p = &p, .sport = 5, .dport = PAIR_PORT, .window = 65535 };
	pair_inject(&p, &s, NULL);
	r.rcv = expect(SYN | ACK | PKT_TCP_ECE, 0)->seq + 1;
	r.nxt = 100001;
	raw_send(&r, ACK, NULL, 0);
	assert_non_null(pair_accepted(&p));
	finish();
}

static void c2_6_timestamps_of_two_tuples_show_no_common_clock(void **state)
{
	static const uint64_t secret[2] = { 5, 6 };
	struct flow_key k = { .local_port = 80, .remote_port = 1 }, l = k;

	l.remote_port = 2;
	assert_int_not_equal(tcp_isn_timestamp_offset(secret, &k),
			     tcp_isn_timestamp_offset(secret, &l));
	assert_int_equal(tcp_isn_timestamp_offset(secret, &k),
			 tcp_isn_timestamp_offset(secret, &k));
}

static void c2_8_a_tuple_in_time_wait_is_avoided_while_others_are_free(void **state)
{
	pair_init(&p, 1, NULL, NULL);
	p.accept_template.close_when_done = 1;
	for (int i = 0; i < 400; i++) {
		p.n_streams = 0;
		pair_connect(&p, 0)->close_when_done = 1;
		pair_run_for(&p, 20 * MS);
		assert_true(p.stream[0].closed && !p.stream[0].reset);
	}
	assert_int_equal(p.end[0].stats.counters[HD_TCP_NO_PORTS], 0);
	pair_drain(&p);
	pair_fini(&p);
}

static void c3_9_recovery_sends_no_burst(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t base = r.rcv, most = 0, n;
	struct pair_segment a = {
		.flags = ACK, .window = 65535, .sport = r.sport, .dport = r.dport
	};

	for (int i = 0; i < 10; i++) { /* a window of some 30 segments */
		write_stream(s, 60000);
		while (collect() != 0)
			raw_send(&r, ACK, NULL, 0);
	}
	write_stream(s, 200000);
	base = r.rcv;
	n = collect();
	assert_true(n >= 20);
	pair_run_for(&p, 10 * MS);
	raw_skip(&r);
	/* The first ten are lost, the others are reported one by one. */
	a.seq = r.nxt;
	a.ack = base;
	a.opt.n_sack = 1;
	a.opt.sack[0].start = base + 10 * 1460;
	for (uint32_t i = 11; i <= n; i++) {
		uint32_t sent = 0;

		a.opt.sack[0].end = base + i * 1460;
		pair_inject(&p, &a, NULL);
		while (pair_next(&p, &r.cursor) != NULL)
			sent++;
		most = u32_max(most, sent);
	}
	assert_in_range(most, 1, 3);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_FAST_RECOVERIES], 1);
	finish();
}

static void c5_13_a_window_that_toggles_by_a_byte_costs_few_segments(void **state)
{
	struct pair_stream *s = begin(&plain);
	uint32_t n = 0;

	write_stream(s, 50000);
	collect();
	for (int i = 0; i < 1000; i++) {
		r.window = (uint16_t)(i & 1);
		raw_send(&r, ACK, NULL, 0);
		n += collect();
	}
	assert_true(n <= 2);
	finish();
}

static void c5_14_stale_acks_start_no_war(void **state)
{
	uint32_t n = 0;

	begin(&plain);
	raw_skip(&r);
	for (int i = 0; i < 1000; i++) /* each would draw an ACK that draws another */
		raw_send_at(&r, r.nxt - 5000, ACK, NULL, 0);
	while (pair_next(&p, &r.cursor) != NULL)
		n++;
	assert_in_range(n, 1, 26);
	finish();
}

static void c1_40_and_c6_8_and_c6_9_errors_end_an_attempt_and_nothing_else(void **state)
{
	struct pair_stream *s = begin(&plain), *t;
	uint32_t una = r.rcv;

	write_stream(s, 1000);
	tcp_icmp(p.end[0].t, &s->c->key, una, TCP_ICMP_HARD, 0, p.now);
	tcp_icmp(p.end[0].t, &s->c->key, una, TCP_ICMP_SOFT, 0, p.now);
	assert_false(s->reset);
	t = pair_connect(&p, 0);
	pair_run_for(&p, 0);
	tcp_icmp(p.end[0].t, &t->c->key, t->c->snd_una, TCP_ICMP_SOFT, 0, p.now);
	pair_run_for(&p, 0);
	assert_false(t->reset);
	tcp_icmp(p.end[0].t, &t->c->key, t->c->snd_una + 7, TCP_ICMP_HARD, 0,
		 p.now); /* quotes nothing of ours */
	pair_run_for(&p, 0);
	assert_false(t->reset);
	tcp_icmp(p.end[0].t, &t->c->key, t->c->snd_una, TCP_ICMP_HARD, 0, p.now);
	pair_run_for(&p, 0);
	assert_true(t->reset);
	assert_int_equal(t->error, TCP_ERR_REFUSED);
	finish();
}

static int setup(void **state)
{
	fill_stream();
	return pair_eal("unit-tcp-rows");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c1_04_the_mss_is_told_on_a_syn_only_and_follows_the_mtu),
		cmocka_unit_test(c1_07_a_tiny_mss_draws_no_storm),
		cmocka_unit_test(c1_21_a_second_small_piece_does_not_wait_for_an_ack),
		cmocka_unit_test(c1_24_a_burst_is_answered_once_and_for_all),
		cmocka_unit_test(c1_29_urgent_data_stay_in_line),
		cmocka_unit_test(c1_44_strange_flags_open_and_kill_nothing),
		cmocka_unit_test(c1_45_more_syns_than_places_draw_no_reset),
		cmocka_unit_test(callers_leave_an_eighth_of_the_places_to_connections_of_ours),
		cmocka_unit_test(c1_37_a_connection_keeps_the_source_address_that_it_began_with),
		cmocka_unit_test(c1_38_every_segment_has_the_dscp_that_was_set),
		cmocka_unit_test(c6_4_a_syn_of_accurate_ecn_gets_the_answer_of_rfc_3168),
		cmocka_unit_test(c2_6_timestamps_of_two_tuples_show_no_common_clock),
		cmocka_unit_test(c2_8_a_tuple_in_time_wait_is_avoided_while_others_are_free),
		cmocka_unit_test(c3_9_recovery_sends_no_burst),
		cmocka_unit_test(c5_13_a_window_that_toggles_by_a_byte_costs_few_segments),
		cmocka_unit_test(c5_14_stale_acks_start_no_war),
		cmocka_unit_test(c1_40_and_c6_8_and_c6_9_errors_end_an_attempt_and_nothing_else),
	};

	cmocka_set_test_filter(getenv("TCP_PAIR_TEST"));
	return cmocka_run_group_tests(tests, setup, NULL);
}
