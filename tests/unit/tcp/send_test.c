/* SPDX-License-Identifier: Apache-2.0 */
/* Acknowledgements written by hand against one stack: windows, loss recovery, timers, ECN, path
 * MTU. */
#include "raw.h"

static void c1_15_an_older_ack_does_not_move_the_window(void **state)
{
	struct pair_stream *s;
	uint32_t first;

	r = (struct raw_peer){ .nxt = 100000, .window = 14600 };
	pair_init(&p, 1, NULL, NULL);
	s = raw_open(&r, &p, &plain);
	first = r.rcv;
	write_stream(s, 200000);
	assert_int_equal(collect(), 10);
	r.rcv = first + 1460;
	r.window = 13140;
	raw_send(&r, ACK, NULL, 0); /* newest: nothing more */
	r.rcv = first;
	r.window = 65535;
	for (int i = 0; i < 3; i++)
		raw_send(&r, ACK, NULL, 0);
	assert_int_equal(collect(), 0);
	finish();
}

static void c1_16_a_shrunken_window_stops_new_data_and_kills_nothing(void **state)
{
	struct pair_stream *s = begin(&plain);
	const struct pair_segment *a;
	uint32_t first = r.rcv;

	write_stream(s, 100000);
	assert_int_equal(collect(), 10);
	r.rcv = first + 1460;
	r.window = 500;
	raw_send(&r, ACK, NULL, 0);
	/* The retransmission fits the window that is left. */
	while ((a = raw_expect(&r, 3000 * MS)) != NULL) {
		assert_true(seq_leq(a->seq + a->len, first + 14600));
		if (a->len != 0)
			assert_true(seq_leq(a->seq + a->len, first + 1960));
		if (p.n_log > 14)
			break;
	}
	r.window = 65535;
	r.rcv = first + 14600;
	raw_send(&r, ACK, NULL, 0);
	assert_true(collect() >= 1);
	finish();
}

static void c1_19_a_window_opened_byte_by_byte_draws_no_tiny_segments(void **state)
{
	struct pair_stream *s = begin(&plain);
	uint32_t tiny = 0;

	write_stream(s, 100000);
	collect();
	r.window = 0;
	raw_send(&r, ACK, NULL, 0);
	assert_int_equal(collect(), 0);
	for (uint16_t w = 1; w < 40; w++) {
		r.window = w;
		raw_send(&r, ACK, NULL, 0);
		tiny += collect();
	}
	assert_true(tiny <= 1);
	r.window = 65535;
	raw_send(&r, ACK, NULL, 0);
	assert_true(collect() > 5);
	finish();
}

static void c1_22_the_last_segment_carries_psh(void **state)
{
	struct pair_stream *s = begin(&full);
	const struct pair_segment *a, *last = NULL;

	raw_skip(&r);
	write_stream(s, 5000);
	while ((a = pair_next(&p, &r.cursor)) != NULL)
		if (a->len != 0)
			last = a;
	assert_true(last->flags & PSH);
	finish();
}

static void c3_1_the_first_flight_is_ten_segments(void **state)
{
	struct pair_stream *s = begin(&sack);

	raw_skip(&r);
	write_stream(s, 100000);
	assert_int_equal(collect(), 10);
	finish();
}

static void c3_2_growth_follows_bytes_not_acks(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t first = r.rcv, before;

	write_stream(s, 200000);
	collect();
	before = s->c->cc.cwnd;
	for (uint32_t i = 1; i <= 146; i++) { /* the first segment acknowledged in 10-byte pieces */
		r.rcv = first + i * 10;
		raw_send(&r, ACK, NULL, 0);
	}
	assert_int_equal(s->c->cc.cwnd, before + 1460);
	before = s->c->cc.cwnd;
	collect();
	raw_send(&r, ACK, NULL, 0); /* one ACK for all of it */
	assert_true(s->c->cc.cwnd <= before + 2 * 1460);
	finish();
}

/* An ACK with blocks given as segment numbers above `base`. */
static void send_sack(uint32_t base, uint32_t n, const uint32_t (*blocks)[2])
{
	struct pair_segment s = { .seq = r.nxt,
				  .ack = r.rcv,
				  .window = r.window,
				  .flags = ACK,
				  .sport = r.sport,
				  .dport = r.dport };

	for (uint32_t i = 0; i < n; i++)
		s.opt.sack[s.opt.n_sack++] = (struct tcp_sack_block){ base + blocks[i][0] * 1460,
								      base + blocks[i][1] * 1460 };
	pair_inject(&p, &s, NULL);
}

static void c1_26_and_c3_3_a_hole_below_three_sacked_segments_is_sent_at_once(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t base = r.rcv;
	const struct pair_segment *a;

	write_stream(s, 100000);
	collect();
	r.rcv = base;
	pair_run_for(&p, 10 * MS);
	send_sack(base, 1, (const uint32_t[][2]){ { 1, 2 } });
	send_sack(base, 1, (const uint32_t[][2]){ { 1, 3 } });
	/* C3.4, limited transmit: one new segment each. */
	a = expect(ACK, 0);
	assert_int_equal(a->seq, base + 14600);
	a = expect(ACK, 0);
	assert_int_equal(a->seq, base + 16060);
	send_sack(base, 1, (const uint32_t[][2]){ { 1, 4 } });
	a = expect(ACK, 0);
	assert_int_equal(a->seq, base);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_FAST_RECOVERIES], 1);
	assert_true(s->c->cc.ssthresh < 14600);
	finish();
}

static void c3_6_only_holes_are_sent_again(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t base = r.rcv, again = 0;
	const struct pair_segment *a;

	write_stream(s, 14600);
	collect();
	r.rcv = base;
	pair_run_for(&p, 10 * MS);
	send_sack(base, 3, (const uint32_t[][2]){ { 7, 8 }, { 5, 6 }, { 3, 4 } });
	send_sack(base, 4, (const uint32_t[][2]){ { 9, 10 }, { 7, 8 }, { 5, 6 }, { 3, 4 } });
	for (int i = 0; i < 12; i++) {
		pair_run_for(&p, MS);
		send_sack(base, 4,
			  (const uint32_t[][2]){ { 9, 10 }, { 7, 8 }, { 5, 6 }, { 3, 4 } });
	}
	while ((a = pair_next(&p, &r.cursor)) != NULL) {
		uint32_t k = (a->seq - base) / 1460;

		if (a->len == 0)
			continue;
		assert_true(k != 3 && k != 5 && k != 7 && k != 9);
		again++;
	}
	assert_true(again >= 1 && again <= 6);
	finish();
}

/* RFC 3042: the first two duplicates let one new segment out each, and take no window. */
static void c3_4_the_first_two_duplicate_acks_release_new_data(void **state)
{
	struct pair_stream *s = begin(&plain);
	uint32_t base = r.rcv, cwnd;
	const struct pair_segment *a;

	write_stream(s, 30000);
	assert_int_equal(collect(), 10);
	cwnd = s->c->cc.cwnd;
	r.rcv = base;
	for (uint32_t i = 0; i < 2; i++) {
		raw_send(&r, ACK, NULL, 0);
		a = expect(ACK, 0);
		assert_int_equal(a->seq, base + (10 + i) * 1460);
		assert_null(pair_next(&p, &r.cursor));
	}
	assert_int_equal(s->c->cc.cwnd, cwnd);
	raw_send(&r, ACK, NULL, 0);
	a = expect(ACK, 0);
	assert_int_equal(a->seq, base);
	finish();
}

static void c3_14_without_sack_one_retransmission_a_partial_ack(void **state)
{
	struct pair_stream *s = begin(&plain);
	uint32_t base = r.rcv;
	const struct pair_segment *a;

	write_stream(s, 14600);
	collect();
	r.rcv = base;
	pair_run_for(&p, 10 * MS);
	for (int i = 0; i < 3; i++)
		raw_send(&r, ACK, NULL, 0);
	a = expect(ACK, 0);
	assert_int_equal(a->seq, base);
	assert_null(pair_next(&p, &r.cursor));
	r.rcv = base + 3 * 1460; /* partial */
	raw_send(&r, ACK, NULL, 0);
	a = expect(ACK, 0);
	assert_int_equal(a->seq, base + 3 * 1460);
	assert_null(pair_next(&p, &r.cursor));
	r.rcv = base + 14600;
	raw_send(&r, ACK, NULL, 0);
	assert_int_equal(s->c->sb->state, TCP_OPEN);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_FAST_RECOVERIES], 1);
	finish();
}

static void c3_15_a_reneging_peer_gets_everything_again(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t base = r.rcv;
	const struct pair_segment *a;
	uint8_t seen[10] = { 0 };

	write_stream(s, 14600);
	collect();
	r.rcv = base;
	pair_run_for(&p, 10 * MS);
	send_sack(base, 1, (const uint32_t[][2]){ { 1, 10 } });
	/* The hole is filled, yet the rest is denied. */
	for (int i = 0; i < 4000; i++) {
		a = raw_expect(&r, 3000 * MS);
		if (a == NULL || a->len == 0)
			continue;
		seen[(a->seq - base) / 1460] = 1;
		if (a->seq == r.rcv) {
			r.rcv = a->seq + a->len;
			raw_send(&r, ACK, NULL, 0);
		}
		if (r.rcv == base + 14600)
			break;
	}
	assert_int_equal(r.rcv, base + 14600);
	for (int i = 0; i < 10; i++)
		assert_true(seen[i]);
	finish();
}

static void c3_16_bogus_sack_is_ignored(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t base = r.rcv;

	write_stream(s, 14600);
	collect();
	r.rcv = base;
	send_sack(base, 4,
		  (const uint32_t[][2]){ { 20, 30 }, { 5, 4 }, { 0, 100 }, { 100000, 100001 } });
	send_sack(base - 1460 * 30, 2, (const uint32_t[][2]){ { 0, 3 }, { 10, 9 } });
	assert_int_equal(s->c->sb->sacked, 0);
	assert_int_equal(s->c->sb->lost, 0);
	finish();
}

static void c3_17_an_ack_for_unsent_data_changes_nothing(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t before;

	write_stream(s, 100000);
	collect();
	before = s->c->cc.cwnd;
	r.rcv += 100000;
	raw_send(&r, ACK, NULL, 0);
	assert_int_equal(s->c->cc.cwnd, before);
	assert_int_equal(tcp_acked_offset(s->c), 0);
	finish();
}

static void c3_19_an_application_limited_window_does_not_grow(void **state)
{
	struct pair_stream *s = begin(&sack);

	for (int i = 0; i < 100; i++) {
		write_stream(s, 1000);
		collect();
		raw_send(&r, ACK, NULL, 0);
	}
	assert_int_equal(s->c->cc.cwnd, 14600);
	finish();
}

static void c3_13_a_needless_timeout_is_undone(void **state)
{
	struct pair_stream *s = begin(&full);
	uint32_t base = r.rcv, cwnd, echo, lost;

	write_stream(s, 100000);
	collect();
	cwnd = s->c->cc.cwnd;
	echo = r.ts_echo;
	pair_run_for(&p, 1500 * MS); /* a delay spike: probe and timeout fire */
	lost = (uint32_t)p.end[0].stats.counters[HD_TCP_TIMEOUT_RETRANSMITS];
	assert_true(lost >= 1);
	collect();
	r.ts_echo = echo; /* the originals arrived */
	r.rcv = base + 2896;
	raw_send(&r, ACK, NULL, 0);
	assert_true(s->c->cc.cwnd >= cwnd);
	assert_int_equal(s->c->sb->lost, 0);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_UNDONE], 1);
	finish();
}

static void c4_6_one_timer_when_the_window_shuts_over_data_in_flight(void **state)
{
	struct pair_stream *s = begin(&plain);
	uint32_t base = r.rcv;

	write_stream(s, 100000);
	collect();
	r.rcv = base + 1460;
	r.window = 0;
	raw_send(&r, ACK, NULL, 0);
	assert_int_equal(s->c->rtx_kind, TCP_RTX_TIMEOUT);
	assert_true(s->c->rtx_us != 0);
	r.rcv = base + 14600;
	raw_send(&r, ACK, NULL, 0);
	assert_int_equal(s->c->rtx_kind, TCP_RTX_PERSIST);
	assert_true(s->c->rtx_us != 0);
	finish();
}

static void what_a_reset_acknowledges_counts_as_seen(void **state)
{
	struct pair_stream *s = begin(&sack);

	write_stream(s, 500);
	collect();
	r.rcv -= 200;
	raw_send_at(&r, r.nxt, RST | ACK, NULL, 0);
	assert_true(s->reset);
	assert_int_equal(s->acked_at_end, 300);
	finish();
	/* A reset without ACK says nothing. */
	s = begin(&sack);
	write_stream(s, 500);
	collect();
	raw_send_at(&r, r.nxt, RST, NULL, 0);
	assert_int_equal(s->acked_at_end, 0);
	finish();
}

static void c6_5_and_c6_6_a_smaller_path_mtu_is_believed_for_data_in_flight_only(void **state)
{
	struct pair_stream *s = begin(&plain);
	uint32_t base = r.rcv;
	const struct flow_key *key = &s->c->key;

	write_stream(s, 14600);
	collect();
	tcp_icmp(p.end[0].t, key, base - 5, TCP_ICMP_TOO_BIG, 1000, p.now);
	tcp_icmp(p.end[0].t, key, base, TCP_ICMP_TOO_BIG, 68, p.now);
	tcp_icmp(p.end[0].t, key, base, TCP_ICMP_TOO_BIG, 9000, p.now);
	tcp_icmp(p.end[0].t, key, base, TCP_ICMP_HARD, 0, p.now);
	assert_int_equal(s->c->mss, 1460);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_ICMP_IGNORED], 4);
	tcp_icmp(p.end[0].t, key, base, TCP_ICMP_TOO_BIG, 1000, p.now);
	assert_int_equal(s->c->mss, 960);
	pair_run_for(&p, 0);
	/* All that is in flight goes out again at once, in pieces that fit. */
	for (int i = 0; i < 10; i++) {
		assert_int_equal(expect(ACK, 0)->len, 960);
		assert_int_equal(expect(ACK, 0)->len, 500);
	}
	assert_int_equal(s->c->sb->state, TCP_OPEN);
	finish();
}

static void c3_7_a_lost_retransmission_is_found_without_a_timeout(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t base = r.rcv, again = 0;
	const struct pair_segment *a;

	write_stream(s, 100000);
	collect();
	r.rcv = base;
	pair_run_for(&p, 10 * MS);
	send_sack(base, 1, (const uint32_t[][2]){ { 1, 10 } });
	for (int i = 0; i < 3;
	     i++) { /* the first retransmission is lost, what was sent after it arrives */
		pair_run_for(&p, 10 * MS);
		while ((a = pair_next(&p, &r.cursor)) != NULL)
			again += a->seq == base;
		send_sack(base, 1, (const uint32_t[][2]){ { 1, 12 + (uint32_t)i } });
	}
	while ((a = pair_next(&p, &r.cursor)) != NULL)
		again += a->seq == base;
	assert_true(again >= 2);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_TIMEOUT_RETRANSMITS], 0);
	finish();
}

static void c3_7_after_one_needless_retransmission_late_segments_are_waited_for(void **state)
{
	struct pair_stream *s = begin(&full);
	uint32_t base = r.rcv, again = 0;
	struct pair_segment a = {
		.flags = ACK, .window = 65535, .sport = r.sport, .dport = r.dport
	};
	const struct pair_segment *x;

	s->c->rtt = (struct tcp_rtt){ .srtt_8us = 64000, .rttvar_4us = 8000, .min_us = 8000 };
	write_stream(s, 200000);
	collect();
	pair_run_for(&p, 8 * MS);
	a.seq = r.nxt;
	a.opt.present = TCP_OPTION_TS;
	a.opt.tsval = r.ts;
	a.opt.tsecr = r.ts_echo;
	a.opt.n_sack = 1;
	for (uint32_t i = 0; i < 8; i += 4) { /* the first of each four comes last */
		a.ack = base + i * 1448;
		a.opt.sack[0] = (struct tcp_sack_block){ a.ack + 1448, a.ack + 4 * 1448 };
		a.opt.n_sack = 1;
		pair_inject(&p, &a, NULL);
		pair_run_for(&p, MS);
		a.ack = base + (i + 4) * 1448;
		a.opt.n_sack = 0;
		pair_inject(&p, &a, NULL);
		while ((x = pair_next(&p, &r.cursor)) != NULL)
			again += x->len != 0 && seq_lt(x->seq, base + 8 * 1448);
	}
	if (again != 1)
		pair_dump(&p, 0);
	assert_int_equal(again, 1);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_UNDONE], 1);
	finish();
}

static void c3_12_after_a_pause_the_first_flight_is_the_initial_window(void **state)
{
	struct pair_stream *s = begin(&sack);

	for (int i = 0; i < 6; i++) {
		write_stream(s, 60000);
		while (collect() != 0)
			raw_send(&r, ACK, NULL, 0);
	}
	assert_true(s->c->cc.cwnd > 12 * 1460);
	pair_run_for(&p, 2000 * MS);
	write_stream(s, 100000);
	assert_int_equal(collect(), 10);
	finish();
}

static void c3_18_a_window_that_opens_draws_no_burst_beyond_the_initial_window(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t n;

	for (int i = 0; i < 6; i++) {
		write_stream(s, 60000);
		while (collect() != 0)
			raw_send(&r, ACK, NULL, 0);
	}
	write_stream(s, 200000);
	collect();
	r.window = 0;
	raw_send(&r, ACK, NULL, 0);
	assert_int_equal(collect(), 0);
	pair_run_for(&p, 10 * MS);
	r.window = 65535;
	raw_send(&r, ACK, NULL, 0);
	n = collect();
	assert_in_range(n, 1, 10);
	finish();
}

static void c1_25_and_c4_3_after_a_lost_syn_ack_the_first_timeout_is_three_seconds(void **state)
{
	struct pair_segment s = { .flags = SYN,
				  .sport = 5,
				  .dport = PAIR_PORT,
				  .window = 65535,
				  .seq = 500,
				  .opt = { 0 } };
	const struct pair_segment *a;
	hd_ns start;

	pair_init(&p, 1, NULL, NULL);
	p.end[1].raw = 1;
	r = (struct raw_peer){
		.p = &p, .sport = 5, .dport = PAIR_PORT, .window = 65535, .nxt = 501
	};
	pair_inject(&p, &s, NULL);
	expect(SYN | ACK, 0);
	a = expect(SYN | ACK, 1100 * MS);
	r.rcv = a->seq + 1;
	raw_send(&r, ACK, NULL, 0);
	write_stream(pair_accepted(&p), 3000);
	assert_int_equal(collect(), 1); /* RFC 6928 2 */
	start = p.now;
	a = expect(ACK, 5000 * MS);
	assert_in_range((a->at - start) / MS, 2990, 3010);
	finish();
}

/* Opens with an ECN-setup SYN. */
static struct pair_stream *begin_ecn(void)
{
	struct pair_segment s = { .flags = SYN | PKT_TCP_ECE | PKT_TCP_CWR,
				  .sport = 5,
				  .dport = PAIR_PORT,
				  .window = 65535,
				  .seq = 99999,
				  .opt = { 0 } };
	const struct pair_segment *a;

	pair_init(&p, 1, NULL, NULL);
	p.end[1].raw = 1;
	r = (struct raw_peer){
		.p = &p, .sport = 5, .dport = PAIR_PORT, .window = 65535, .nxt = 100000
	};
	s.opt = sack;
	pair_inject(&p, &s, NULL);
	a = expect(SYN | ACK | PKT_TCP_ECE, 0);
	assert_int_equal(a->tos & 3, 0);
	r.rcv = a->seq + 1;
	raw_send(&r, ACK, NULL, 0);
	return pair_accepted(&p);
}

static void c6_1_and_c6_2_and_c6_3_marks_are_echoed_until_cwr(void **state)
{
	struct pair_segment s = {
		.flags = ACK, .sport = 5, .dport = PAIR_PORT, .window = 1000, .tos = 3, .len = 100
	};
	const struct pair_segment *a;

	begin_ecn();
	s.seq = r.nxt;
	s.ack = r.rcv;
	raw_skip(&r);
	pair_inject(&p, &s, bytes_at(0));
	a = expect(ACK | PKT_TCP_ECE, 0); /* at once */
	assert_int_equal(a->tos & 3, 0);
	r.nxt += 100;
	raw_send(&r, ACK, bytes_at(100), 1000);
	expect(ACK | PKT_TCP_ECE, 100 * MS);
	raw_send(&r, ACK | PKT_TCP_CWR, bytes_at(1100), 1000);
	expect(ACK, 100 * MS);
	finish();
}

static void c6_2_the_window_shrinks_once_a_round_trip_and_cwr_tells(void **state)
{
	struct pair_stream *s = begin_ecn();
	const struct pair_segment *a;
	uint32_t base = r.rcv, cwnd;

	raw_skip(&r);
	write_stream(s, 100000);
	a = expect(ACK, 0);
	assert_int_equal(a->tos & 3, 2); /* data are ECT(0) */
	collect();
	cwnd = s->c->cc.cwnd;
	r.rcv = base + 1460;
	raw_send(&r, ACK | PKT_TCP_ECE, NULL, 0);
	assert_true(s->c->cc.cwnd <= cwnd * 7 / 10 + 1460);
	cwnd = s->c->cc.cwnd;
	r.rcv = base + 2920;
	raw_send(&r, ACK | PKT_TCP_ECE, NULL, 0);
	assert_in_range(s->c->cc.cwnd, cwnd, cwnd + 1460);
	r.rcv = base + 14600;
	raw_send(&r, ACK, NULL, 0);
	a = expect(ACK | PKT_TCP_CWR, 0);
	assert_true(a->len != 0);
	a = expect(ACK, 0);
	finish();
}

static void c6_7_when_full_segments_vanish_smaller_ones_are_tried(void **state)
{
	struct pair_stream *s = begin(&plain);
	uint32_t base = r.rcv;
	const struct pair_segment *a;

	write_stream(s, 20000);
	for (int i = 0; i < 60 && r.rcv - base < 20000;
	     i++) { /* what is longer than 1,300 bytes does not arrive */
		a = raw_expect(&r, 5000 * MS);
		if (a != NULL && a->len != 0 && a->len <= 1300 && a->seq == r.rcv) {
			r.rcv += a->len;
			raw_send(&r, ACK, NULL, 0);
		}
	}
	assert_int_equal(r.rcv - base, 20000);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_BLACK_HOLES], 1);
	finish();
}

static void c3_13_without_timestamps_a_late_original_undoes_a_timeout(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t base = r.rcv, cwnd;

	write_stream(s, 100000);
	collect();
	cwnd = s->c->cc.cwnd;
	pair_run_for(&p, 500 * MS);
	assert_true(p.end[0].stats.counters[HD_TCP_TIMEOUT_RETRANSMITS] >= 1);
	collect();
	r.rcv = base + 2 * 1460; /* the first, sent twice, and the second, sent once */
	raw_send(&r, ACK, NULL, 0);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_UNDONE], 1);
	assert_true(s->c->cc.cwnd >= cwnd);
	finish();
}

static int setup(void **state)
{
	fill_stream();
	return pair_eal("unit-tcp-send");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c1_15_an_older_ack_does_not_move_the_window),
		cmocka_unit_test(c1_16_a_shrunken_window_stops_new_data_and_kills_nothing),
		cmocka_unit_test(c1_19_a_window_opened_byte_by_byte_draws_no_tiny_segments),
		cmocka_unit_test(c1_22_the_last_segment_carries_psh),
		cmocka_unit_test(c3_1_the_first_flight_is_ten_segments),
		cmocka_unit_test(c3_2_growth_follows_bytes_not_acks),
		cmocka_unit_test(c1_26_and_c3_3_a_hole_below_three_sacked_segments_is_sent_at_once),
		cmocka_unit_test(c3_6_only_holes_are_sent_again),
		cmocka_unit_test(c3_4_the_first_two_duplicate_acks_release_new_data),
		cmocka_unit_test(c3_14_without_sack_one_retransmission_a_partial_ack),
		cmocka_unit_test(c3_15_a_reneging_peer_gets_everything_again),
		cmocka_unit_test(c3_16_bogus_sack_is_ignored),
		cmocka_unit_test(c3_17_an_ack_for_unsent_data_changes_nothing),
		cmocka_unit_test(c3_19_an_application_limited_window_does_not_grow),
		cmocka_unit_test(c3_13_a_needless_timeout_is_undone),
		cmocka_unit_test(c4_6_one_timer_when_the_window_shuts_over_data_in_flight),
		cmocka_unit_test(what_a_reset_acknowledges_counts_as_seen),
		cmocka_unit_test(
			c6_5_and_c6_6_a_smaller_path_mtu_is_believed_for_data_in_flight_only),
		cmocka_unit_test(c3_7_a_lost_retransmission_is_found_without_a_timeout),
		cmocka_unit_test(
			c3_7_after_one_needless_retransmission_late_segments_are_waited_for),
		cmocka_unit_test(c3_12_after_a_pause_the_first_flight_is_the_initial_window),
		cmocka_unit_test(
			c3_18_a_window_that_opens_draws_no_burst_beyond_the_initial_window),
		cmocka_unit_test(
			c1_25_and_c4_3_after_a_lost_syn_ack_the_first_timeout_is_three_seconds),
		cmocka_unit_test(c6_1_and_c6_2_and_c6_3_marks_are_echoed_until_cwr),
		cmocka_unit_test(c6_2_the_window_shrinks_once_a_round_trip_and_cwr_tells),
		cmocka_unit_test(c6_7_when_full_segments_vanish_smaller_ones_are_tried),
		cmocka_unit_test(c3_13_without_timestamps_a_late_original_undoes_a_timeout),
	};

	cmocka_set_test_filter(getenv("TCP_PAIR_TEST"));
	return cmocka_run_group_tests(tests, setup, NULL);
}
