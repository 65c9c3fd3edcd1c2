/* SPDX-License-Identifier: Apache-2.0 */
/* Segments written by hand against one stack: what RFC 9293 3.10.7, 7323, 5961 and 6191 ask of the
 * receiver, and who may open a connection. */
#include "raw.h"

static void c1_02_odd_options_do_not_disturb(void **state)
{
	struct pair_stream *s = begin(&full);

	raw_send(&r, ACK | PSH, bytes_at(0), 100);
	assert_int_equal(s->received, 100);
	finish();
}

static void c1_11_data_left_of_the_window_get_an_ack_and_a_dsack(void **state)
{
	struct pair_stream *s = begin(&sack);
	const struct pair_segment *a;

	raw_send(&r, ACK | PSH, bytes_at(0), 100);
	expect(ACK, 100 * MS);
	raw_send_at(&r, r.nxt - 100, ACK | PSH, bytes_at(0), 100);
	a = expect(ACK, 0);
	assert_int_equal(a->ack, r.nxt);
	assert_int_equal(a->opt.n_sack, 1);
	assert_int_equal(a->opt.sack[0].start, r.nxt - 100);
	assert_int_equal(a->opt.sack[0].end, r.nxt);
	assert_int_equal(s->received, 100);
	finish();
}

static void c1_11_of_data_across_the_left_edge_the_new_part_counts(void **state)
{
	struct pair_stream *s = begin(&plain);

	raw_send(&r, ACK, bytes_at(0), 100);
	raw_send_at(&r, r.nxt - 50, ACK, bytes_at(50), 100);
	assert_int_equal(s->received, 150);
	finish();
}

/* Leaves one buffer of so many free. */
static uint32_t take_buffers(struct rte_mbuf **held, uint32_t share)
{
	struct rte_mempool *pool = p.end[0].t->header;
	uint32_t n = rte_mempool_avail_count(pool) - pool->size / share;

	assert_int_equal(rte_mempool_get_bulk(pool, (void **)held, n), 0);
	pair_run_for(&p, MS);
	return n;
}

static void when_buffers_run_short_data_wait_but_acks_count(void **state)
{
	struct pair_stream *s = begin(&plain);
	struct rte_mbuf **held = calloc(p.end[0].t->header->size, sizeof(*held));
	uint32_t n;

	s->hold_reads = 1;
	n = take_buffers(held, 20);
	raw_send(&r, ACK, bytes_at(0), 1400); /* nothing is held: taken */
	raw_send(&r, ACK, bytes_at(1400), 1400);
	assert_int_equal(s->c->received, 1400);
	write_stream(s, 1000);
	r.rcv += 1000;
	raw_send_at(&r, r.nxt, ACK, bytes_at(2800), 1400);
	assert_int_equal(s->c->received, 1400);
	assert_int_equal(tcp_acked_offset(s->c), 1000);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_SHORT_OF_BUFFERS], 2);
	rte_mempool_put_bulk(p.end[0].t->header, (void **)held, n);
	pair_run_for(&p, MS);
	raw_send_at(&r, r.nxt - 1400, ACK, bytes_at(1400), 1400);
	assert_int_equal(s->c->received, 2800);
	free(held);
	finish();
}

/* The answer to all that we sent acknowledges it, and leaves nothing that is held. */
static void when_buffers_run_short_an_answer_that_acknowledges_all_is_taken(void **state)
{
	struct pair_stream *s = begin(&plain);
	struct rte_mbuf **held = calloc(p.end[0].t->header->size, sizeof(*held));
	uint32_t n;

	n = take_buffers(held, 20);
	write_stream(s, 1000);
	r.rcv += 999;
	raw_send_at(&r, r.nxt, ACK, bytes_at(0), 500); /* one byte is still held */
	assert_int_equal(s->c->received, 0);
	r.rcv += 1;
	raw_send(&r, ACK, bytes_at(0), 500);
	assert_int_equal(s->c->received, 500);
	assert_int_equal(tcp_acked_offset(s->c), 1000);
	r.rcv += 5000; /* what was never sent frees nothing */
	write_stream(s, 1000);
	raw_send_at(&r, r.nxt, ACK, bytes_at(500), 500);
	assert_int_equal(s->c->received, 500);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_SHORT_OF_BUFFERS], 2);
	rte_mempool_put_bulk(p.end[0].t->header, (void **)held, n);
	free(held);
	finish();
}

static void the_last_buffers_are_for_acknowledgements(void **state)
{
	struct pair_stream *s = begin(&plain);
	struct rte_mbuf **held = calloc(p.end[0].t->header->size, sizeof(*held));
	uint32_t n = take_buffers(held, 80);

	raw_send(&r, ACK, bytes_at(0), 100);
	assert_int_equal(s->c->received, 0);
	rte_mempool_put_bulk(p.end[0].t->header, (void **)held, n);
	pair_run_for(&p, MS);
	raw_send_at(&r, r.nxt - 100, ACK, bytes_at(0), 100);
	assert_int_equal(s->c->received, 100);
	free(held);
	finish();
}

static void c1_11_data_right_of_the_window_get_an_ack(void **state)
{
	struct pair_stream *s = begin(&plain);
	const struct pair_segment *a;

	raw_send_at(&r, r.nxt + 70000, ACK, bytes_at(0), 10);
	a = expect(ACK, 0);
	assert_int_equal(a->ack, r.nxt);
	assert_int_equal(s->received, 0);
	assert_null(s->c->ooo);
	finish();
}

/* The owner takes nothing until the window is shut. */
static struct pair_stream *shut_window(const struct tcp_options *o)
{
	struct pair_stream *s = begin(o);

	s->hold_reads = 1;
	while (s->c->rcv_edge != s->c->rcv_nxt) {
		uint32_t room = s->c->rcv_edge - s->c->rcv_nxt;

		raw_send(&r, ACK, bytes_at(s->c->received), u32_min(1460, room));
		pair_run_for(&p, 0);
	}
	pair_run_for(&p, 100 * MS);
	raw_skip(&r);
	return s;
}

static void c1_11_data_at_a_shut_window_get_an_ack_and_are_not_taken(void **state)
{
	struct pair_stream *s = shut_window(&plain);
	uint64_t before = s->c->received;
	const struct pair_segment *a;

	assert_int_equal(before,
			 p.end[0].t->config.rcv_buffer / 65536 * 65536 > before ? before : before);
	raw_send_at(&r, r.nxt, ACK, bytes_at(0), 10);
	a = expect(ACK, 0);
	assert_int_equal(a->ack, r.nxt);
	assert_int_equal(a->window, 0);
	assert_int_equal(s->c->received, before);
	finish();
}

/* Where 100 bytes that the stack sends are the question. */
static void ask(struct pair_stream *s)
{
	s->hold_reads = 1;
	tcp_ask(s->c);
	write_stream(s, 100);
	collect();
}

static void bytes_from_before_the_question_are_told_from_its_answer(void **state)
{
	struct pair_stream *s = begin(&plain);
	uint32_t before = r.rcv, seen;

	ask(s);
	seen = r.rcv;
	r.rcv = before;
	raw_send(&r, ACK | PSH, bytes_at(0), 30);
	assert_int_equal(tcp_unasked(s->c), 30);
	r.rcv = seen;
	raw_send(&r, ACK | PSH, bytes_at(30), 50);
	assert_int_equal(tcp_conn_rx(s->c)->bytes, 80);
	assert_int_equal(tcp_unasked(s->c), 30);
	bufq_consume(tcp_conn_rx(s->c), 30);
	assert_int_equal(tcp_unasked(s->c), 0);
	finish();
}

static void bytes_from_before_the_question_are_known_out_of_order(void **state)
{
	struct pair_stream *s = begin(&plain);
	uint32_t before = r.rcv, seen, at = r.nxt;

	ask(s);
	seen = r.rcv;
	raw_send_at(&r, at + 30, ACK | PSH, bytes_at(30), 50);
	r.rcv = before;
	raw_send_at(&r, at, ACK | PSH, bytes_at(0), 30);
	assert_int_equal(tcp_conn_rx(s->c)->bytes, 80);
	assert_int_equal(tcp_unasked(s->c), 30);
	bufq_clear(tcp_conn_rx(s->c));
	tcp_received(s->c, 80);

	/* Above a gap that is filled by what was sent again later. */
	r.rcv = seen;
	at += 80;
	ask(s);
	seen = r.rcv;
	r.rcv = seen - 100;
	raw_send_at(&r, at + 10, ACK | PSH, bytes_at(90), 20);
	r.rcv = seen;
	raw_send_at(&r, at, ACK | PSH, bytes_at(80), 10);
	assert_int_equal(tcp_conn_rx(s->c)->bytes, 30);
	assert_int_equal(tcp_unasked(s->c), 30);
	finish();
}

static void c1_12_a_reset_is_taken_at_a_shut_window(void **state)
{
	struct pair_stream *s = shut_window(&plain);

	raw_send_at(&r, r.nxt, RST, NULL, 0);
	assert_true(s->reset);
	assert_int_equal(s->error, TCP_ERR_RESET);
	finish();
}

static void c1_20_the_window_opens_in_steps_worth_a_segment(void **state)
{
	struct pair_stream *s = shut_window(&plain);
	const struct pair_segment *a;
	uint32_t last = 0, updates = 0;

	for (int i = 0; i < 20000; i++) {
		bufq_consume(tcp_conn_rx(s->c), 1);
		tcp_received(s->c, 1);
		pair_run_for(&p, 0);
		while ((a = pair_next(&p, &r.cursor)) != NULL) {
			assert_true(a->window >= last + 1460);
			last = a->window;
			updates++;
		}
	}
	assert_in_range(updates, 3, 14);
	finish();
}

static void c1_13_closed_ports_answer_as_the_rfc_says(void **state)
{
	static const struct {
		uint8_t flags;
		uint32_t len;
	} in[] = { { SYN, 0 }, { SYN, 5 }, { ACK, 0 },	     { ACK, 7 },
		   { FIN, 0 }, { 0, 3 },   { SYN | ACK, 0 }, { FIN | ACK, 4 } };

	begin(&plain);
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(in); i++) {
		struct pair_segment s = { .flags = in[i].flags,
					  .seq = 1000,
					  .ack = in[i].flags & ACK ? 77777 : 0,
					  .len = in[i].len,
					  .sport = 1234,
					  .dport = 1999 };
		const struct pair_segment *a;

		raw_skip(&r);
		pair_inject(&p, &s, "xxxxxxxxx");
		if (in[i].flags & ACK) {
			a = expect(RST, 0);
			assert_int_equal(a->seq, 77777);
		} else {
			a = expect(RST | ACK, 0);
			assert_int_equal(a->seq, 0);
			assert_int_equal(a->ack, 1000 + in[i].len + !!(in[i].flags & (SYN | FIN)));
		}
	}
	for (uint8_t f = 0; f < 3; f++) {
		struct pair_segment s = { .flags = RST | (f == 1   ? ACK
							  : f == 2 ? SYN
								   : 0),
					  .seq = 1000,
					  .dport = 1999 };

		raw_skip(&r);
		pair_inject(&p, &s, NULL);
		expect_silence(10 * MS);
	}
	finish();
}

static void c5_3_only_a_reset_at_rcv_nxt_kills(void **state)
{
	struct pair_stream *s = begin(&plain);
	const struct pair_segment *a;

	pair_run_for(&p, 100 * MS);
	raw_skip(&r);
	raw_send_at(&r, r.nxt + 1, RST, NULL, 0);
	a = expect(ACK, 0);
	assert_int_equal(a->ack, r.nxt);
	raw_send_at(&r, r.nxt + 60000, RST, NULL, 0);
	expect(ACK, 0);
	raw_send_at(&r, r.nxt - 1, RST, NULL, 0);
	expect_silence(10 * MS);
	raw_send_at(&r, r.nxt + 70000, RST, NULL, 0);
	expect_silence(10 * MS);
	assert_false(s->reset);
	raw_send_at(&r, r.nxt, RST, NULL, 0);
	assert_true(s->reset);
	finish();
}

static void c1_14_and_c5_4_a_syn_on_a_live_connection_draws_a_challenge(void **state)
{
	struct pair_stream *s = begin(&plain);
	const struct pair_segment *a;

	raw_skip(&r);
	raw_send_at(&r, r.nxt, SYN, NULL, 0);
	a = expect(ACK, 0);
	assert_int_equal(a->seq, r.rcv);
	assert_int_equal(a->ack, r.nxt);
	raw_send_at(&r, r.nxt + 0x20000000, SYN, NULL, 0);
	expect(ACK, 0);
	raw_send_at(&r, a->ack, RST, NULL, 0); /* what the rebooted peer answers */
	assert_true(s->reset);
	r.nxt += 5000;
	raw_open(&r, &p, &plain);
	finish();
}

static void c5_5_acks_of_the_unsent_and_the_ancient_are_answered_and_dropped(void **state)
{
	struct pair_stream *s = begin(&plain);
	uint32_t good = r.rcv;

	pair_run_for(&p, 100 * MS);
	raw_skip(&r);
	r.rcv = good + 1;
	raw_send_at(&r, r.nxt, ACK, bytes_at(0), 10);
	expect(ACK, 0);
	assert_int_equal(s->received, 0);
	r.rcv = good - 70000;
	raw_send_at(&r, r.nxt, ACK, bytes_at(0), 10);
	expect(ACK, 0);
	assert_int_equal(s->received, 0);
	r.rcv = good - 60000; /* within the largest window: an old duplicate */
	raw_send_at(&r, r.nxt, ACK, bytes_at(0), 10);
	assert_int_equal(s->received, 10);
	finish();
}

static void c5_6_challenges_are_limited_for_each_connection(void **state)
{
	uint32_t n = 0;

	begin(&plain);
	raw_skip(&r);
	for (int i = 0; i < 1000; i++)
		raw_send_at(&r, r.nxt + 1, RST, NULL, 0);
	while (pair_next(&p, &r.cursor) != NULL)
		n++;
	assert_in_range(n, 4, 26);
	assert_true(p.end[0].stats.counters[HD_TCP_CHALLENGE_LIMITED] > 900);
	pair_run_for(&p, 3000 * MS);
	raw_send_at(&r, r.nxt + 1, RST, NULL, 0);
	expect(ACK, 0);
	finish();
}

static void c1_23_acks_are_delayed_for_one_segment_and_not_for_two(void **state)
{
	const struct pair_segment *a;
	hd_ns start;

	begin(&plain);
	raw_skip(&r);
	start = p.now;
	raw_send(&r, ACK, bytes_at(0), 1000);
	assert_null(pair_next(&p, &r.cursor));
	a = expect(ACK, 500 * MS);
	assert_int_equal(a->ack, r.nxt);
	assert_in_range((a->at - start) / MS, 30, 45);
	raw_send(&r, ACK, bytes_at(1000), 1000);
	raw_send(&r, ACK, bytes_at(2000), 1000);
	expect(ACK, 0);
	finish();
}

static void a_small_segment_behind_which_more_is_awaited_is_acked_soon(void **state)
{
	struct pair_stream *s = begin(&plain);
	const struct pair_segment *a;
	hd_ns start = p.now;

	raw_skip(&r);
	raw_send(&r, ACK | PSH, bytes_at(0), 200);
	tcp_expects_more(s->c);
	a = expect(ACK, 5 * MS);
	assert_int_equal(a->ack, r.nxt);
	assert_in_range(a->at - start, 100 * HD_NS_PER_US, MS);

	/* It comes before that: nothing is hurried any more. */
	start = p.now;
	raw_send(&r, ACK | PSH, bytes_at(200), 200);
	tcp_expects_more(s->c);
	raw_send(&r, ACK | PSH, bytes_at(400), 300);
	a = expect(ACK, 100 * MS);
	assert_in_range(a->at - start, 3 * MS, 5 * MS);

	/* A full segment is held back by nobody. */
	start = p.now;
	raw_send(&r, ACK, bytes_at(700), 1460);
	tcp_expects_more(s->c);
	a = expect(ACK, 100 * MS);
	assert_in_range(a->at - start, 30 * MS, 45 * MS);
	finish();
}

static void c1_33_a_fin_above_a_gap_waits_for_it(void **state)
{
	struct pair_stream *s = begin(&plain);
	const struct pair_segment *a;

	raw_skip(&r);
	raw_send_at(&r, r.nxt + 400, ACK | FIN, bytes_at(400), 200);
	a = expect(ACK, 0);
	assert_int_equal(a->ack, r.nxt);
	assert_false(s->fin_seen);
	raw_send_at(&r, r.nxt, ACK, bytes_at(0), 400);
	assert_int_equal(s->received, 600);
	assert_true(s->fin_seen);
	assert_string_equal(tcp_conn_state_name(s->c), "close_wait");
	a = expect(ACK, 0);
	assert_int_equal(a->ack, r.nxt + 601);
	raw_send_at(&r, r.nxt + 600, ACK | FIN, NULL, 0); /* late, again */
	a = expect(ACK, 0);
	assert_int_equal(a->ack, r.nxt + 601);
	finish();
}

/* We close first, the peer follows. */
static void to_time_wait(const struct tcp_options *o)
{
	struct pair_stream *s = begin(o);

	tcp_close(s->c);
	pair_run_for(&p, 0);
	collect();
	raw_send(&r, FIN | ACK, NULL, 0);
	assert_true(s->closed);
	assert_int_equal(p.end[0].t->waits.used, 1);
	pair_run_for(&p, MS);
	raw_skip(&r);
}

static void c1_34_and_c1_35_time_wait_acks_a_late_fin_and_ignores_resets(void **state)
{
	const struct pair_segment *a;

	to_time_wait(&plain);
	raw_send_at(&r, r.nxt, RST, NULL, 0);
	expect_silence(10 * MS);
	assert_int_equal(p.end[0].t->waits.used, 1);
	pair_run_for(&p, 40000 * MS);
	raw_send_at(&r, r.nxt - 1, FIN | ACK, NULL, 0);
	a = expect(ACK, 0);
	assert_int_equal(a->ack, r.nxt);
	pair_run_for(&p, 40000 * MS); /* the wait began anew */
	assert_int_equal(p.end[0].t->waits.used, 1);
	pair_run_for(&p, 25000 * MS);
	assert_int_equal(p.end[0].t->waits.used, 0);
	finish();
}

static void c2_7_a_newer_syn_takes_a_time_wait_tuple_and_an_older_does_not(void **state)
{
	struct pair_segment s = {
		.flags = SYN, .sport = 40000, .dport = PAIR_PORT, .window = 1000, .opt = { 0 }
	};
	const struct pair_segment *a;
	uint32_t old_nxt;

	to_time_wait(&full);
	s.opt = full;
	s.seq = r.nxt - 50000; /* lower sequence: only the timestamp can tell */
	s.opt.tsval = full.tsval - 10;
	pair_inject(&p, &s, NULL);
	a = expect(ACK, 0);
	assert_int_equal(a->ack, r.nxt);
	old_nxt = a->seq;
	s.opt.tsval = full.tsval + 10;
	pair_inject(&p, &s, NULL);
	a = expect(SYN | ACK, 0);
	assert_true(seq_gt(a->seq, old_nxt));
	s.flags = RST;
	s.seq++;
	pair_inject(&p, &s, NULL);
	finish();
}

static void c1_42_data_on_a_syn_are_taken_once(void **state)
{
	struct pair_segment s = { .flags = SYN,
				  .sport = 5,
				  .dport = PAIR_PORT,
				  .window = 1000,
				  .seq = 500,
				  .len = 10,
				  .opt = { 0 } };
	const struct pair_segment *a;
	struct pair_stream *t;

	pair_init(&p, 1, NULL, NULL);
	p.end[1].raw = 1;
	r = (struct raw_peer){ .p = &p, .sport = 5, .dport = PAIR_PORT, .window = 65535 };
	pair_inject(&p, &s, bytes_at(0));
	a = expect(SYN | ACK, 0);
	assert_int_equal(a->ack, 501);
	assert_int_equal(a->opt.present, TCP_OPTION_MSS); /* nothing that was not offered */
	r.nxt = 501;
	r.rcv = a->seq + 1;
	raw_send(&r, ACK, bytes_at(0), 30);
	t = pair_accepted(&p);
	assert_int_equal(t->received, 30);
	finish();
}

static void c1_43_of_bytes_that_come_twice_the_first_stay(void **state)
{
	struct pair_stream *s = begin(&sack);
	static const uint8_t junk[500] = { 0 };

	raw_send_at(&r, r.nxt + 100, ACK, bytes_at(100), 100);
	raw_send_at(&r, r.nxt + 100, ACK, junk, 100);
	raw_send_at(&r, r.nxt, ACK, bytes_at(0), 100);
	raw_send_at(&r, r.nxt + 50, ACK, junk, 150);
	assert_int_equal(s->received, 200); /* the stream compares each byte */
	finish();
}

static void c2_1_a_window_is_scaled_only_when_both_agreed(void **state)
{
	struct tcp_options o = full;
	struct pair_stream *s;

	s = begin(&plain);
	assert_int_equal(s->c->snd_wnd, 65535);
	finish();
	o.scale = 15;
	s = begin(&o);
	assert_int_equal(s->c->snd_wnd, 65535u << 14);
	finish();
}

static void c2_2_of_two_segments_one_ack_echoes_the_first_timestamp(void **state)
{
	const struct pair_segment *a;

	begin(&full);
	raw_skip(&r);
	r.ts = 6000;
	raw_send(&r, ACK, bytes_at(0), 1000);
	r.ts = 6050;
	raw_send(&r, ACK, bytes_at(1000), 1000);
	a = expect(ACK, 0);
	assert_int_equal(a->opt.tsecr, 6000);
	finish();
}

static void c2_3_paws_drops_the_past_but_not_a_reset(void **state)
{
	struct pair_stream *s = begin(&full);

	r.ts = 6000;
	raw_send(&r, ACK, bytes_at(0), 100);
	pair_run_for(&p, 100 * MS);
	raw_skip(&r);
	r.ts = 5999;
	raw_send_at(&r, r.nxt, ACK, bytes_at(100), 100);
	expect(ACK, 0);
	assert_int_equal(s->received, 100);
	/* Out-of-order data do not move TS.Recent. */
	r.ts = 9000;
	raw_send_at(&r, r.nxt + 500, ACK, bytes_at(600), 10);
	r.ts = 6001;
	raw_send(&r, ACK, bytes_at(100), 100);
	assert_int_equal(s->received, 200);
	r.has_ts = 0;
	raw_send_at(&r, r.nxt, RST, NULL, 0);
	assert_true(s->reset);
	finish();
}

static void c2_4_a_segment_without_its_timestamp_is_dropped(void **state)
{
	struct pair_stream *s = begin(&full);

	raw_skip(&r);
	r.has_ts = 0;
	raw_send_at(&r, r.nxt, ACK, bytes_at(0), 100);
	expect_silence(100 * MS);
	assert_int_equal(s->received, 0);
	finish();
}

static void c2_5_ts_recent_ages(void **state)
{
	struct pair_stream *s = begin(&full);

	pair_run_for(&p, 25 * 24 * 3600 * HD_NS_PER_S);
	r.ts = full.tsval - 1000000;
	raw_send_at(&r, r.nxt, ACK, bytes_at(0), 100);
	assert_int_equal(s->received, 100);
	finish();
}

static void c1_05_and_c1_06_the_mss_defaults_and_pays_for_options(void **state)
{
	struct tcp_options none = { 0 },
			   o = { .present = TCP_OPTION_MSS | TCP_OPTION_TS, .mss = 1000 };

	assert_int_equal(begin(&none)->c->mss, 536);
	finish();
	assert_int_equal(begin(&o)->c->mss, 988);
	finish();
	o.mss = 8;
	assert_int_equal(begin(&o)->c->mss, 76);
	finish();
}

static void c5_12_a_million_tiny_segments_with_holes_stay_capped(void **state)
{
	struct pair_stream *s = begin(&sack);

	for (uint32_t i = 0; i < 20000; i++)
		raw_send_at(&r, r.nxt + 1 + (i * 7919) % 60000, ACK,
			    bytes_at(1 + (i * 7919) % 60000), 1);
	assert_true(s->c->ooo->n <= TCP_RANGES_MAX);
	assert_true(s->c->ooo->bufs <= TCP_RANGES_MAX_BUFS);
	for (int i = 0; i < 100 && s->received < 1000; i++) /* the peer fills gap after gap */
		raw_send_at(&r, s->c->rcv_nxt, ACK, bytes_at(s->received), 1000);
	assert_true(s->received >= 1000);
	assert_false(s->reset);
	finish();
}

static void the_window_grows_with_what_is_taken_and_not_before(void **state)
{
	struct pair_stream *s = begin(&sack);
	uint32_t at = 0, scale = p.end[0].t->scale;

	for (; at < 100 * 1460; at += 1460)
		raw_send(&r, ACK, bytes_at(at), 1460);
	collect();
	assert_true((uint32_t)p.log[p.n_log - 1].window << scale > 150000);
	s->hold_reads = 1;
	tcp_ask(s->c); /* another answer begins: its reader has taken nothing yet */
	for (uint32_t i = 0; i < 150; i++, at += 1460)
		raw_send(&r, ACK, bytes_at(at), 1460);
	assert_true(tcp_receive_buffer(s->c) <= 65536);
	finish();
}

static void send_space_is_little_while_the_peer_takes_nothing(void **state)
{
	struct pair_stream *s = begin(&sack);

	assert_int_equal(tcp_send_space(s->c), 32768);
	s->c->cc.cwnd = 100000;
	s->c->snd_wnd = 1 << 20;
	assert_int_equal(tcp_send_space(s->c), 200000);
	s->c->snd_wnd = 0;
	assert_int_equal(tcp_send_space(s->c), 32768);
	finish();
}

static void tiny_segments_in_order_are_packed(void **state)
{
	struct pair_stream *s = begin(&sack);

	s->hold_reads = 1;
	for (uint32_t i = 0; i < 2000; i++)
		raw_send(&r, ACK, bytes_at(i * 20), 20);
	assert_int_equal(tcp_conn_rx(s->c)->bytes, 40000);
	assert_true(tcp_conn_rx(s->c)->bufs <= 64);
	finish();
}

static void segments_of_middle_size_are_packed_when_many_are_held(void **state)
{
	struct pair_stream *s = begin(&sack);

	s->hold_reads = 1;
	for (uint32_t i = 0; i < 200; i++)
		raw_send(&r, ACK, bytes_at(i * 300), 300);
	assert_int_equal(tcp_conn_rx(s->c)->bytes, 60000);
	assert_true(tcp_conn_rx(s->c)->bufs <= 64 + 60000 / 1000);
	finish();
}

static void c1_10_a_reset_in_syn_received_forgets_the_attempt(void **state)
{
	struct pair_segment s = { .flags = SYN,
				  .sport = 5,
				  .dport = PAIR_PORT,
				  .window = 1000,
				  .seq = 500,
				  .opt = { 0 } };

	pair_init(&p, 1, NULL, NULL);
	p.end[1].raw = 1;
	r = (struct raw_peer){ .p = &p, .sport = 5, .dport = PAIR_PORT, .window = 65535 };
	pair_inject(&p, &s, NULL);
	expect(SYN | ACK, 0);
	s.flags = RST;
	s.seq = 501;
	pair_inject(&p, &s, NULL);
	assert_int_equal(p.end[0].t->open, 0);
	assert_int_equal(p.end[0].t->half_open, 0);
	expect_silence(5000 * MS);
	assert_int_equal(p.n_streams, 0);
	pair_fini(&p);
}

static void c5_10_syn_acks_are_sent_a_bounded_number_of_times(void **state)
{
	struct pair_segment s = { .flags = SYN,
				  .sport = 5,
				  .dport = PAIR_PORT,
				  .window = 1000,
				  .seq = 500,
				  .opt = { 0 } };

	pair_init(&p, 1, NULL, NULL);
	p.end[1].raw = 1;
	pair_inject(&p, &s, NULL);
	pair_run_for(&p, 200 * HD_NS_PER_S);
	assert_int_equal(p.n_log, 6);
	assert_int_equal(p.end[0].t->open, 0);
	pair_fini(&p);
}

/* One handshake fills the table of half-open ones; the next SYN from port `sport` draws a cookie.
 */
static const struct pair_segment *draw_cookie(const struct tcp_options *o, uint16_t sport)
{
	struct tcp_config c = pair_config();
	struct pair_segment s = { .flags = SYN,
				  .sport = 5,
				  .dport = PAIR_PORT,
				  .window = 1000,
				  .seq = 500,
				  .opt = { 0 } };

	c.max_connections = 4;
	pair_init(&p, 1, &c, NULL);
	p.end[1].raw = 1;
	pair_inject(&p, &s, NULL);
	r = (struct raw_peer){ .p = &p,
			       .sport = sport,
			       .dport = PAIR_PORT,
			       .window = 65535,
			       .nxt = 9001,
			       .cursor = p.n_log };
	s.sport = sport;
	s.seq = 9000;
	s.opt = *o;
	pair_inject(&p, &s, NULL);
	assert_int_equal(p.end[0].t->half_open, 1);
	assert_int_equal(p.end[0].t->conns.used, 1);
	return expect(SYN | ACK, 0);
}

static void c5_7_and_c5_8_a_cookie_keeps_mss_scale_and_sack(void **state)
{
	struct pair_stream *s;
	const struct pair_segment *a = draw_cookie(&full, 6);
	struct pair_segment rst = { .flags = RST, .sport = 5, .dport = PAIR_PORT, .seq = 501 };

	assert_int_equal(a->opt.present, full.present);
	assert_int_equal(a->ack, 9001);
	r.rcv = a->seq + 1;
	r.has_ts = 1;
	r.ts = full.tsval + 1;
	r.ts_echo = a->opt.tsval;
	pair_run_for(&p, 30 * HD_NS_PER_S);
	raw_skip(&r);
	raw_send(&r, ACK, bytes_at(0), 100); /* the bare ACK was lost: data bring it */
	s = pair_accepted(&p);
	assert_non_null(s);
	assert_int_equal(s->received, 100);
	assert_int_equal(s->c->mss, 1448);
	assert_int_equal(s->c->flags & (TCP_F_SACK | TCP_F_SCALE | TCP_F_TS),
			 TCP_F_SACK | TCP_F_SCALE | TCP_F_TS);
	assert_int_equal(tcp_conn_scale_peers(s->c), 7);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_COOKIES_ACCEPTED], 1);
	/* Timestamps go on from the cookie's. */
	a = expect(ACK, 100 * MS);
	assert_true(seq_gt(a->opt.tsval, r.ts_echo - 1));
	pair_inject(&p, &rst, NULL);
	finish();
}

static void c5_8_a_cookie_without_timestamps_keeps_the_mss(void **state)
{
	const struct pair_segment *a = draw_cookie(&sack, 6);
	struct pair_segment rst = { .flags = RST, .sport = 5, .dport = PAIR_PORT, .seq = 501 };

	assert_int_equal(a->opt.present, TCP_OPTION_MSS);
	r.rcv = a->seq + 1;
	raw_send(&r, ACK, NULL, 0);
	assert_non_null(pair_accepted(&p));
	assert_int_equal(pair_accepted(&p)->c->mss, 1460);
	pair_inject(&p, &rst, NULL);
	finish();
}

static void c5_9_old_and_strange_cookies_are_refused(void **state)
{
	uint32_t cookie = draw_cookie(&sack, 6)->seq;

	r.rcv = cookie + 1;
	r.sport = 7; /* another tuple's */
	raw_send_at(&r, 9001, ACK, NULL, 0);
	expect(RST, 0);
	r.sport = 6;
	r.rcv = cookie + 2;
	raw_send_at(&r, 9001, ACK, NULL, 0);
	expect(RST, 0);
	pair_run_for(&p, 240 * HD_NS_PER_S);
	raw_skip(&r);
	r.rcv = cookie + 1;
	raw_send_at(&r, 9001, ACK, NULL, 0);
	expect(RST, 0);
	assert_null(pair_accepted(&p));
	assert_int_equal(p.end[0].t->open, 0);
	finish();
}

static void c5_15_released_connections_are_capped(void **state)
{
	pair_init(&p, 1, NULL, NULL);
	p.end[0].t->orphans_max = 2;
	for (uint16_t i = 0; i < 5; i++) {
		r = (struct raw_peer){ .nxt = 100000, .sport = (uint16_t)(50000 + i) };
		tcp_release(raw_open(&r, &p, &plain)->c);
		p.stream[i].c = NULL;
		pair_run_for(&p, MS);
	}
	assert_int_equal(p.end[0].t->open, 2);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_ORPHANS_RESET], 3);
	pair_run_for(&p, 300 * HD_NS_PER_S); /* the peer never answers: they go by themselves */
	assert_int_equal(p.end[0].t->open, 0);
	assert_int_equal(p.end[0].t->orphans, 0);
	finish();
}

static int setup(void **state)
{
	fill_stream();
	return pair_eal("unit-tcp-input");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c1_02_odd_options_do_not_disturb),
		cmocka_unit_test(c1_11_data_left_of_the_window_get_an_ack_and_a_dsack),
		cmocka_unit_test(c1_11_of_data_across_the_left_edge_the_new_part_counts),
		cmocka_unit_test(when_buffers_run_short_data_wait_but_acks_count),
		cmocka_unit_test(when_buffers_run_short_an_answer_that_acknowledges_all_is_taken),
		cmocka_unit_test(the_last_buffers_are_for_acknowledgements),
		cmocka_unit_test(c1_11_data_right_of_the_window_get_an_ack),
		cmocka_unit_test(c1_11_data_at_a_shut_window_get_an_ack_and_are_not_taken),
		cmocka_unit_test(bytes_from_before_the_question_are_told_from_its_answer),
		cmocka_unit_test(bytes_from_before_the_question_are_known_out_of_order),
		cmocka_unit_test(c1_12_a_reset_is_taken_at_a_shut_window),
		cmocka_unit_test(c1_20_the_window_opens_in_steps_worth_a_segment),
		cmocka_unit_test(c1_13_closed_ports_answer_as_the_rfc_says),
		cmocka_unit_test(c5_3_only_a_reset_at_rcv_nxt_kills),
		cmocka_unit_test(c1_14_and_c5_4_a_syn_on_a_live_connection_draws_a_challenge),
		cmocka_unit_test(c5_5_acks_of_the_unsent_and_the_ancient_are_answered_and_dropped),
		cmocka_unit_test(c5_6_challenges_are_limited_for_each_connection),
		cmocka_unit_test(c1_23_acks_are_delayed_for_one_segment_and_not_for_two),
		cmocka_unit_test(a_small_segment_behind_which_more_is_awaited_is_acked_soon),
		cmocka_unit_test(c1_33_a_fin_above_a_gap_waits_for_it),
		cmocka_unit_test(c1_34_and_c1_35_time_wait_acks_a_late_fin_and_ignores_resets),
		cmocka_unit_test(c2_7_a_newer_syn_takes_a_time_wait_tuple_and_an_older_does_not),
		cmocka_unit_test(c1_42_data_on_a_syn_are_taken_once),
		cmocka_unit_test(c1_43_of_bytes_that_come_twice_the_first_stay),
		cmocka_unit_test(c2_1_a_window_is_scaled_only_when_both_agreed),
		cmocka_unit_test(c2_2_of_two_segments_one_ack_echoes_the_first_timestamp),
		cmocka_unit_test(c2_3_paws_drops_the_past_but_not_a_reset),
		cmocka_unit_test(c2_4_a_segment_without_its_timestamp_is_dropped),
		cmocka_unit_test(c2_5_ts_recent_ages),
		cmocka_unit_test(c1_05_and_c1_06_the_mss_defaults_and_pays_for_options),
		cmocka_unit_test(c5_12_a_million_tiny_segments_with_holes_stay_capped),
		cmocka_unit_test(the_window_grows_with_what_is_taken_and_not_before),
		cmocka_unit_test(send_space_is_little_while_the_peer_takes_nothing),
		cmocka_unit_test(tiny_segments_in_order_are_packed),
		cmocka_unit_test(segments_of_middle_size_are_packed_when_many_are_held),
		cmocka_unit_test(c1_10_a_reset_in_syn_received_forgets_the_attempt),
		cmocka_unit_test(c5_10_syn_acks_are_sent_a_bounded_number_of_times),
		cmocka_unit_test(c5_7_and_c5_8_a_cookie_keeps_mss_scale_and_sack),
		cmocka_unit_test(c5_8_a_cookie_without_timestamps_keeps_the_mss),
		cmocka_unit_test(c5_9_old_and_strange_cookies_are_refused),
		cmocka_unit_test(c5_15_released_connections_are_capped),
	};

	cmocka_set_test_filter(getenv("TCP_PAIR_TEST"));
	return cmocka_run_group_tests(tests, setup, NULL);
}
