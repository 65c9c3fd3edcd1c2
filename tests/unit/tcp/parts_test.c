/* SPDX-License-Identifier: Apache-2.0 */
/* The small objects under a connection, each alone: options, RTT, ranges, records in flight, table,
 * numbers, congestion control. */
#include "pair.h"
#include "tcp_cookie.h"

static uint64_t seed = 7;

static uint32_t below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % n;
}

static void c1_02_options_are_found_in_any_order_and_alignment(void **state)
{
	static const uint8_t in[] = { 1, 253, 4,  0xab, 0xcd, 2, 4, 5, 180, 1, 3, 3, 7,	 4,
				      2, 8,   10, 0,	0,    1, 0, 0, 0,   0, 9, 0, 255 };
	struct tcp_options o;

	tcp_options_parse(&o, in, sizeof(in), 1);
	assert_int_equal(o.present,
			 TCP_OPTION_MSS | TCP_OPTION_SCALE | TCP_OPTION_SACK_OK | TCP_OPTION_TS);
	assert_int_equal(o.mss, 1460);
	assert_int_equal(o.scale, 7);
	assert_int_equal(o.tsval, 256);
	assert_int_equal(o.tsecr, 9);
	tcp_options_parse(&o, in, sizeof(in), 0); /* what only a SYN may carry does not count */
	assert_int_equal(o.present, TCP_OPTION_TS);
}

static void c1_03_illegal_lengths_end_the_parse(void **state)
{
	static const uint8_t bad[][4] = { { 2, 0, 5, 180 },
					  { 2, 1, 5, 180 },
					  { 2, 255, 5, 180 },
					  { 8, 10, 0, 0 },
					  { 1, 1, 1, 2 } };
	struct tcp_options o;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(bad); i++) {
		tcp_options_parse(&o, bad[i], 4, 1);
		assert_int_equal(o.present, 0);
		assert_int_equal(o.n_sack, 0);
	}
}

static void written_options_read_the_same(void **state)
{
	for (int i = 0; i < 20000; i++) {
		struct tcp_options a = { .present = (uint8_t)below(16),
					 .mss = (uint16_t)below(65536),
					 .scale = (uint8_t)below(15),
					 .tsval = below(UINT32_MAX),
					 .tsecr = below(UINT32_MAX),
					 .n_sack = (uint8_t)below(5) };
		struct tcp_options b;
		uint8_t out[TCP_OPTIONS_MAX_BYTES];
		uint32_t n;

		for (int k = 0; k < a.n_sack; k++)
			a.sack[k] = (struct tcp_sack_block){ below(UINT32_MAX), below(UINT32_MAX) };
		n = tcp_options_emit(&a, out);
		assert_int_equal(n, tcp_options_bytes(&a));
		assert_int_equal(n % 4, 0);
		tcp_options_parse(&b, out, n, 1);
		assert_int_equal(b.present, a.present);
		tcp_options_parse(&b, out, n, 0);
		assert_true(b.n_sack <= a.n_sack && (a.n_sack == 0 || b.n_sack >= 1));
		assert_memory_equal(b.sack, a.sack, b.n_sack * sizeof(b.sack[0]));
	}
}

static const struct tcp_rto_limits limits = { 1000000, 200000, 60000000 };

static void c4_1_the_timeout_starts_at_one_second_and_doubles_to_its_cap(void **state)
{
	struct tcp_rtt rtt = { 0 };

	assert_int_equal(tcp_rtt_timeout_us(&rtt, &limits, 0), 1000000);
	assert_int_equal(tcp_rtt_timeout_us(&rtt, &limits, 3), 8000000);
	assert_int_equal(tcp_rtt_timeout_us(&rtt, &limits, 6), 60000000);
	assert_int_equal(tcp_rtt_timeout_us(&rtt, &limits, 255), 60000000);
}

static void c4_2_and_c4_4_the_timeout_has_a_floor_and_follows_the_variance(void **state)
{
	struct tcp_rtt rtt = { 0 };

	tcp_rtt_sample(&rtt, 100000);
	assert_int_equal(tcp_rtt_smoothed_us(&rtt), 100000);
	assert_int_equal(tcp_rtt_timeout_us(&rtt, &limits, 0), 300000); /* SRTT + 4 * SRTT / 2 */
	for (int i = 0; i < 200; i++)
		tcp_rtt_sample(&rtt, 1000);
	assert_in_range(tcp_rtt_timeout_us(&rtt, &limits, 0), 200000, 202000);
	tcp_rtt_sample(&rtt, 100000);
	assert_true(tcp_rtt_timeout_us(&rtt, &limits, 0) >= 200000 + 13000);
	tcp_rtt_sample(&rtt, UINT32_MAX); /* capped, not wrapped */
	assert_true(tcp_rtt_smoothed_us(&rtt) < 20000000);
}

static struct rte_mempool *pool;

static struct rte_mbuf *bytes_of(uint32_t seq, uint32_t n, uint8_t copy)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *b = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)n);

	for (uint32_t i = 0; i < n; i++)
		b[i] = copy != 0 ? copy : pair_byte(1, seq + i);
	return m;
}

/* Ranges against a bitmap: what was reported is delivered, in the first copy that was stored, and
 * nothing else. */
static void c5_12_ranges_agree_with_a_bitmap(void **state)
{
	for (int round = 0; round < 300; round++) {
		static uint8_t have[4096];
		uint32_t base = below(UINT32_MAX), rcv_nxt = base;
		struct bufq out = { 0 };
		struct tcp_ranges o;

		memset(have, 0, sizeof(have));
		tcp_ranges_init(&o);
		for (int i = 0; i < 100; i++) {
			uint32_t start = 1 + below(3000), n = 1 + below(300), held = 0;
			struct tcp_sack_block dup = { 0, 0 };

			tcp_ranges_insert(&o, base + start, bytes_of(base + start, n, 0), &dup);
			assert_true(o.n <= TCP_RANGES_MAX);
			for (uint32_t k = 0; k < o.n; k++) {
				assert_true(seq_lt(o.r[k].start, o.r[k].end));
				assert_int_equal(o.r[k].q.bytes, o.r[k].end - o.r[k].start);
				if (k > 0)
					assert_true(seq_lt(o.r[k - 1].end, o.r[k].start));
				held += o.r[k].q.bufs;
				for (uint32_t q = o.r[k].start - base; q < o.r[k].end - base; q++)
					have[q] = 1;
			}
			assert_int_equal(held, o.bufs);
			assert_true(o.bufs <= TCP_RANGES_MAX_BUFS);
		}
		while (o.n > 0) { /* fill each gap, take what follows */
			uint32_t first = tcp_ranges_first(&o), before;
			uint8_t b[4096];

			rcv_nxt = first;
			before = out.bytes;
			tcp_ranges_take(&o, &rcv_nxt, &out);
			assert_int_equal(out.bytes - before, rcv_nxt - first);
			bufq_copy_out(&out, before, b, rcv_nxt - first);
			for (uint32_t i = 0; i < rcv_nxt - first; i++) {
				assert_int_equal(b[i], pair_byte(1, first + i));
				assert_int_equal(have[first - base + i], 1);
				have[first - base + i] = 0;
			}
		}
		for (uint32_t i = 0; i < sizeof(have); i++)
			assert_int_equal(have[i], 0);
		bufq_clear(&out);
		assert_int_equal(rte_mempool_in_use_count(pool), 0);
	}
}

static void c3_5_the_newest_range_is_reported_first(void **state)
{
	struct tcp_sack_block b[4], dup = { 0, 0 };
	struct tcp_ranges o;

	tcp_ranges_init(&o);
	tcp_ranges_insert(&o, 100, bytes_of(100, 10, 0), &dup);
	tcp_ranges_insert(&o, 300, bytes_of(300, 10, 0), &dup);
	tcp_ranges_insert(&o, 200, bytes_of(200, 10, 0), &dup);
	assert_int_equal(tcp_ranges_blocks(&o, b, 2), 2);
	assert_int_equal(b[0].start, 200);
	assert_int_equal(b[1].start, 300);
	assert_int_equal(dup.start, dup.end);
	assert_int_equal(tcp_ranges_insert(&o, 305, bytes_of(305, 5, 0), &dup),
			 TCP_RANGES_DUPLICATE);
	assert_int_equal(dup.start, 305);
	assert_int_equal(dup.end, 310);
	tcp_ranges_clear(&o);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void sums(const struct tcp_scoreboard *b, uint32_t *total)
{
	uint32_t pipe = 0, sacked = 0, lost = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct tcp_sent *s = tcp_scoreboard_at(b, i);

		*(s->flags & TCP_SENT_SACKED ? &sacked
		  : s->flags & TCP_SENT_LOST ? &lost
					     : &pipe) += s->len;
	}
	assert_int_equal(pipe, b->pipe);
	assert_int_equal(sacked, b->sacked);
	assert_int_equal(lost, b->lost);
	*total = pipe + sacked + lost;
}

static void records_keep_their_sums_whatever_is_acknowledged(void **state)
{
	static struct tcp_sent medium[TCP_SCOREBOARD_MEDIUM], large[TCP_SCOREBOARD_MAX];

	for (int round = 0; round < 500; round++) {
		uint32_t una = below(UINT32_MAX), nxt = una, total;
		struct tcp_scoreboard b;

		tcp_scoreboard_init(&b);
		for (int i = 0; i < 400; i++) {
			struct tcp_acked a = { 0 };
			uint32_t x, y;

			switch (below(6)) {
			case 0:
			case 1:
				if (b.n == TCP_SCOREBOARD_MAX)
					break;
				if (tcp_scoreboard_is_full(&b))
					tcp_scoreboard_grow(&b, b.rec == b.inside ? medium : large,
							    b.rec == b.inside
								    ? TCP_SCOREBOARD_MEDIUM
								    : TCP_SCOREBOARD_MAX);
				x = 1 + below(1460);
				tcp_scoreboard_push(&b, nxt, x, 0, (uint32_t)i);
				nxt += x;
				break;
			case 2:
				x = below(nxt - una + 1) / 3;
				tcp_scoreboard_ack(&b, una + x, &a);
				una += x;
				break;
			case 3:
				x = una + 1 + below(nxt - una + 1);
				y = x + below(6000);
				if (seq_leq(y, nxt) && seq_lt(x, y))
					tcp_scoreboard_sack(&b, x, y, &a);
				break;
			case 4:
				if (b.n > 0)
					tcp_scoreboard_mark_lost(&b,
								 tcp_scoreboard_at(&b, below(b.n)));
				break;
			default:
				if (tcp_scoreboard_first_lost(&b) != NULL)
					tcp_scoreboard_resent(&b, tcp_scoreboard_first_lost(&b),
							      (uint32_t)i);
				else if (below(40) == 0)
					tcp_scoreboard_mark_all_lost(&b, below(2) != 0);
				break;
			}
			sums(&b, &total);
			assert_int_equal(total, nxt - una);
		}
	}
}

static void c5_16_the_table_finds_what_was_put_in_and_nothing_else(void **state)
{
	static uint32_t hash[3000];
	struct tcp_table tb;

	assert_int_equal(tcp_table_init(&tb, 3000, 0), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		hash[i] = below(4) == 0 ? (1 + below(8)) << 16
					: below(UINT32_MAX); /* a quarter collides */
		if (tcp_table_insert(&tb, hash[i], i) != 0)
			hash[i] = 0;
	}
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < 3000; i++) {
			int hits = 0;

			if (hash[i] == 0)
				continue;
			for (const struct tcp_bucket *b = tcp_table_bucket(&tb, hash[i]); b != NULL;
			     b = tcp_bucket_next(&tb, b))
				for (uint32_t way = 0; way < TCP_TABLE_WAYS; way++)
					hits += b->signature[way] == tcp_table_signature(hash[i]) &&
						b->value[way] == i;
			assert_int_equal(hits, pass == 0 || i % 2 == 0);
		}
		for (uint32_t i = 1; i < 3000 && pass == 0; i += 2)
			if (hash[i] != 0)
				tcp_table_remove(&tb, hash[i], i);
	}
	for (uint32_t i = 0; i < 3000; i += 2)
		if (hash[i] != 0)
			tcp_table_remove(&tb, hash[i], i);
	assert_int_equal(tb.overflow.used, 0);
	tcp_table_fini(&tb);
}

static void c1_8_and_c5_1_sequence_numbers_rise_within_a_tuple_and_tell_nothing_across(void **state)
{
	static const uint64_t secret[2] = { 5, 6 };
	struct flow_key k = { .local = hd_ip_from_v4(1),
			      .remote = hd_ip_from_v4(2),
			      .local_port = 80,
			      .remote_port = 1000 };
	uint32_t a = tcp_isn_generate(secret, &k, 0), b, above = 0;

	for (hd_ns t = 0; t < 100 * HD_NS_PER_S; t += 10 * HD_NS_PER_MS) {
		b = tcp_isn_generate(secret, &k, t + 10 * HD_NS_PER_MS);
		assert_true(seq_gt(b, a));
		a = b;
	}
	for (uint32_t i = 0; i < 10000; i++) {
		k.remote_port = (uint16_t)i;
		a = tcp_isn_generate(secret, &k, 0);
		k.remote_port = (uint16_t)(i + 1);
		above += seq_gt(tcp_isn_generate(secret, &k, 0), a);
	}
	assert_in_range(above, 4700, 5300);
}

static void c5_2_ports_cover_the_range_without_order(void **state)
{
	static uint8_t seen[65536];
	static struct pair p;
	struct flow_key k;
	uint32_t distinct = 0, low = 65535, high = 0, rises = 0, last = 0, hash;

	pair_init(&p, 1, NULL, NULL);
	k = (struct flow_key){ .local = p.end[0].ip, .remote = p.end[1].ip, .remote_port = 80 };
	for (uint32_t i = 0; i < 20000; i++) {
		assert_int_equal(tcp_ports_choose(p.end[0].t, &k, &hash), 0);
		distinct += !seen[k.local_port];
		seen[k.local_port] = 1;
		low = u32_min(low, k.local_port);
		high = u32_max(high, k.local_port);
		rises += k.local_port > last;
		last = k.local_port;
	}
	assert_in_range(low, 1024, 1100);
	assert_in_range(high, 65400, 65535);
	assert_true(distinct > 16000);
	assert_in_range(rises, 9600, 10400);
	pair_fini(&p);
}

static void c3_2_slow_start_doubles_at_most_and_avoidance_adds_one_segment_a_window(void **state)
{
	uint32_t words[TCP_CC_STATE_WORDS] = { 0 };
	struct tcp_cc cc = { .cwnd = 14600, .ssthresh = TCP_CC_SSTHRESH_NONE };
	struct tcp_cc_ack a = { .bytes = 14600, .mss = 1460 };

	tcp_cc_newreno.acked(&cc, words, &a);
	assert_int_equal(cc.cwnd, 14600 + 2 * 1460);
	cc = (struct tcp_cc){ .cwnd = 14600, .ssthresh = 14600 };
	a.bytes = 1460;
	for (int i = 0; i < 10; i++)
		tcp_cc_newreno.acked(&cc, words, &a);
	assert_int_equal(cc.cwnd, 16060);
	assert_int_equal(tcp_cc_newreno.reduced(&cc, words, 16060, 1460), 8030);
	assert_int_equal(tcp_cc_newreno.reduced(&cc, words, 100, 1460), 2920);
}

/* Acknowledges a whole window every round trip of 100 ms; returns the window after that many. */
static uint32_t run_cubic(struct tcp_cc *cc, uint32_t *words, uint32_t *now_us, uint32_t rounds)
{
	struct tcp_cc_ack a = { .mss = 1000, .rtt_us = 100000, .srtt_us = 100000 };

	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t segments = cc->cwnd / 1000;

		for (uint32_t k = 0; k < segments; k++) {
			*now_us += 100000 / segments;
			a.now_us = *now_us;
			a.bytes = 1000;
			tcp_cc_cubic.acked(cc, words, &a);
		}
	}
	return cc->cwnd;
}

static void c3_10_cubic_is_concave_up_to_the_old_window_and_convex_beyond(void **state)
{
	uint32_t words[TCP_CC_STATE_WORDS] = { 0 }, now_us = 5000000;
	struct tcp_cc cc = { .cwnd = 1000000, .ssthresh = 1000000 };
	uint32_t w[14];

	cc.ssthresh = tcp_cc_cubic.reduced(&cc, words, 1000000, 1000);
	assert_int_equal(cc.ssthresh, 700000); /* beta 0.7 */
	cc.cwnd = cc.ssthresh;
	/* K = cbrt(300 / 0.4) = 9.09 s. */
	for (int i = 0; i < 14; i++)
		w[i] = run_cubic(&cc, words, &now_us, 10);
	assert_in_range(w[8], 985000, 1005000);
	assert_true(w[1] - w[0] > w[4] - w[3] && w[4] - w[3] > w[7] - w[6]);
	assert_true(w[13] - w[12] > w[10] - w[9]);
	/* A second loss below the old window gives room to others (fast convergence). */
	cc.cwnd = 900000;
	words[0] = 1000000;
	tcp_cc_cubic.reduced(&cc, words, 900000, 1000);
	assert_int_equal(words[0], 765000);
}

static void c3_10_cubic_is_never_slower_than_reno_on_short_paths(void **state)
{
	uint32_t words[TCP_CC_STATE_WORDS] = { 0 }, now_us = 5000000, cubic;
	struct tcp_cc cc = { .cwnd = 20000, .ssthresh = 20000 };
	struct tcp_cc_ack a = { .mss = 1000, .rtt_us = 1000, .srtt_us = 1000, .bytes = 1000 };

	cc.ssthresh = tcp_cc_cubic.reduced(&cc, words, 20000, 1000);
	cc.cwnd = cc.ssthresh;
	for (int i = 0; i < 400; i++) {
		now_us += 50;
		a.now_us = now_us;
		tcp_cc_cubic.acked(&cc, words, &a);
	}
	cubic = cc.cwnd;
	assert_in_range(cubic, 21000,
			40000); /* Reno gains about 15 segments in these 25 round trips */
}

static void c3_11_hystart_leaves_slow_start_when_the_delay_grows(void **state)
{
	uint32_t words[TCP_CC_STATE_WORDS] = { 0 }, now_us = 5000000, una = 1000, rtt = 20000;
	struct tcp_cc cc = { .cwnd = 14600, .ssthresh = TCP_CC_SSTHRESH_NONE };

	for (int round = 0; round < 20 && cc.ssthresh == TCP_CC_SSTHRESH_NONE; round++) {
		uint32_t segments = cc.cwnd / 1460, nxt = una + cc.cwnd;

		for (uint32_t k = 0; k < segments; k++) {
			una += 1460;
			now_us += rtt / segments;
			tcp_cc_cubic.acked(&cc, words,
					   &(struct tcp_cc_ack){ .bytes = 1460,
								 .mss = 1460,
								 .now_us = now_us,
								 .rtt_us = rtt,
								 .srtt_us = rtt,
								 .una = una,
								 .nxt = nxt + k * 1460 });
		}
		if (cc.cwnd > 200000)
			rtt += 5000; /* the queue fills */
	}
	assert_true(cc.ssthresh != TCP_CC_SSTHRESH_NONE);
	assert_true(cc.cwnd < 1500000);
}

static void c5_8_a_cookies_timestamp_never_runs_ahead_and_tells_all(void **state)
{
	for (int i = 0; i < 20000; i++) {
		struct tcp_options in = { .present = (uint8_t)(below(4) << 1),
					  .scale = (uint8_t)below(15) },
				   out = { 0 };
		uint32_t now = below(UINT32_MAX), ts = tcp_cookie_timestamp(now, &in);

		assert_true(seq_leq(ts, now) && now - ts < 128);
		tcp_cookie_recall(ts, &out);
		assert_int_equal(out.present, in.present & (TCP_OPTION_SCALE | TCP_OPTION_SACK_OK));
		if (out.present & TCP_OPTION_SCALE)
			assert_int_equal(out.scale, in.scale);
	}
}

static int setup(void **state)
{
	if (pair_eal("unit-tcp-parts") != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("parts", 4095, 0, PKT_PRIV_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE,
				       0);
	return pool == NULL ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c1_02_options_are_found_in_any_order_and_alignment),
		cmocka_unit_test(c1_03_illegal_lengths_end_the_parse),
		cmocka_unit_test(written_options_read_the_same),
		cmocka_unit_test(c4_1_the_timeout_starts_at_one_second_and_doubles_to_its_cap),
		cmocka_unit_test(c4_2_and_c4_4_the_timeout_has_a_floor_and_follows_the_variance),
		cmocka_unit_test(c5_12_ranges_agree_with_a_bitmap),
		cmocka_unit_test(c3_5_the_newest_range_is_reported_first),
		cmocka_unit_test(records_keep_their_sums_whatever_is_acknowledged),
		cmocka_unit_test(c5_16_the_table_finds_what_was_put_in_and_nothing_else),
		cmocka_unit_test(
			c1_8_and_c5_1_sequence_numbers_rise_within_a_tuple_and_tell_nothing_across),
		cmocka_unit_test(c5_2_ports_cover_the_range_without_order),
		cmocka_unit_test(
			c3_2_slow_start_doubles_at_most_and_avoidance_adds_one_segment_a_window),
		cmocka_unit_test(c3_10_cubic_is_concave_up_to_the_old_window_and_convex_beyond),
		cmocka_unit_test(c3_10_cubic_is_never_slower_than_reno_on_short_paths),
		cmocka_unit_test(c3_11_hystart_leaves_slow_start_when_the_delay_grows),
		cmocka_unit_test(c5_8_a_cookies_timestamp_never_runs_ahead_and_tells_all),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
