/* SPDX-License-Identifier: Apache-2.0 */
/* Two stacks over a bad link: what one side writes the other reads, byte for byte, and everything
 * comes back. */
#include "pair.h"

static struct pair p;

static int any_open(struct pair *q)
{
	return q->end[0].t->open + q->end[1].t->open != 0 || q->n_streams < 2;
}

/* Both sides send and close; returns virtual time used. */
static hd_ns exchange(uint64_t up, uint64_t down, uint32_t chunk)
{
	hd_ns start = p.now;
	struct pair_stream *s;

	p.accept_template.to_send = down;
	p.accept_template.close_when_done = 1;
	p.accept_template.write_chunk = chunk;
	s = pair_connect(&p, 0);
	s->to_send = up;
	if (!pair_run_while(&p, any_open, 300 * HD_NS_PER_S)) {
		pair_dump(&p, p.n_log > 60 ? p.n_log - 60 : 0);
		fail_msg("still open: %u and %u", p.end[0].t->open, p.end[1].t->open);
	}
	assert_int_equal(p.n_streams, 2);
	for (int i = 0; i < 2; i++) {
		s = &p.stream[i];
		assert_int_equal(s->error, TCP_OK);
		assert_true(s->closed && s->fin_seen && !s->reset);
		assert_int_equal(s->received, s->end == 0 ? down : up);
		assert_int_equal(s->acked_at_end, s->to_send);
	}
	return p.now - start;
}

static void bytes_arrive_exactly_on_a_clean_link(void **state)
{
	pair_init(&p, 1, NULL, NULL);
	exchange(300000, 500000, 4096);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_RETRANSMITS], 0);
	assert_int_equal(p.end[1].stats.counters[HD_TCP_RETRANSMITS], 0);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_CONNECTED], 1);
	assert_int_equal(p.end[1].stats.counters[HD_TCP_ACCEPTED], 1);
	pair_drain(&p);
	assert_int_equal(p.end[0].t->waits.used + p.end[1].t->waits.used, 0);
	pair_fini(&p);
}

static void c1_41_sequence_numbers_wrap(void **state)
{
	/* The ISN clock moves 2^32 in 4.9 hours: start so that each of the two wraps within the
	 * transfer. */
	for (int side = 0; side < 2; side++) {
		struct pair_stream *s;

		pair_init(&p, 2, NULL, NULL);
		p.accept_template.to_send = 1000000;
		p.accept_template.close_when_done = 1;
		s = pair_connect(&p, 0);
		s->to_send = 1000000;
		s->c->snd_una = UINT32_MAX - (side ? 10 : 500000);
		s->c->snd_nxt = s->c->snd_una + 1;
		assert_true(pair_run_while(&p, any_open, 100 * HD_NS_PER_S));
		assert_int_equal(p.stream[0].received, 1000000);
		assert_int_equal(p.stream[1].received, 1000000);
		pair_drain(&p);
		pair_fini(&p);
	}
}

static void seeded(uint64_t seed)
{
	static const uint32_t chunks[] = { 1, 100, 700, 1448, 4096, 16384 };
	struct tcp_config c[2] = { pair_config(), pair_config() };
	uint32_t rough;

	p.seed = seed * 991 + 3;
	rough = pair_random(&p, 4);
	for (int i = 0; i < 2; i++)
		if (pair_random(&p, 3) == 0)
			c[i].rcv_buffer = 8192 + pair_random(&p, 60000);
	pair_init(&p, seed, &c[0], &c[1]);
	p.loss_ppm = rough * 15000;
	p.dup_ppm = pair_random(&p, 2) * 20000;
	p.reorder_ppm = pair_random(&p, 3) * 20000;
	p.corrupt_ppm = pair_random(&p, 2) * 10000;
	p.delay = (1 + pair_random(&p, 40)) * HD_NS_PER_MS / 2;
	p.jitter = pair_random(&p, 2) * p.delay / 4;
	p.accept_template.read_limit = pair_random(&p, 4) == 0 ? 3000 : 0;

	uint32_t chunk = chunks[pair_random(&p, HD_ARRAY_SIZE(chunks))];
	uint32_t limit = chunk == 1 ? 3000 : 200000;

	exchange(pair_random(&p, limit), pair_random(&p, limit), chunk);
	pair_drain(&p);
	pair_fini(&p);
}

static void bytes_arrive_exactly_over_loss_reordering_duplication_and_corruption(void **state)
{
	const char *n = getenv("TCP_PAIR_SEEDS"), *first = getenv("TCP_PAIR_FIRST");
	uint64_t from = first != NULL ? strtoull(first, NULL, 10) : 1,
		 count = n != NULL ? strtoull(n, NULL, 10) : 200;

	for (uint64_t seed = from; seed < from + count; seed++) {
		if (n != NULL)
			print_message("seed %lu\n", (unsigned long)seed);
		seeded(seed);
	}
}

static void c3_7_reordering_within_a_quarter_round_trip_soon_costs_nothing(void **state)
{
	const uint64_t *c = p.end[0].stats.counters;

	pair_init(&p, 21, NULL, NULL);
	p.delay = 10 * HD_NS_PER_MS;
	p.late = 4 * HD_NS_PER_MS;
	p.reorder_ppm = 50000;
	exchange(4000000, 10, 16384);
	assert_in_range(c[HD_TCP_FAST_RECOVERIES], 1, 2);
	assert_int_equal(c[HD_TCP_UNDONE], c[HD_TCP_FAST_RECOVERIES]);
	assert_int_equal(c[HD_TCP_TIMEOUT_RETRANSMITS], 0);
	pair_drain(&p);
	pair_fini(&p);
}

static void allocations_may_fail_at_any_point(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		pair_init(&p, seed, NULL, NULL);
		p.starve_ppm = 50000 + (uint32_t)(seed % 8) * 100000;
		p.loss_ppm = (uint32_t)(seed % 3) * 10000;
		exchange(3000 * seed, 100000, seed % 2 ? 4096 : 300);
		p.starve_ppm = 0;
		pair_drain(&p);
		pair_fini(&p);
	}
}

static int are_pending(struct pair *unused)
{
	for (uint32_t i = 0; i < p.n_streams; i++)
		if (p.stream[i].c != NULL)
			return 1;
	return p.n_streams == 0;
}

/* What our own device cannot take at the moment is no loss, and nobody comes too short. */
static void a_device_that_takes_little_slows_all_and_loses_nothing(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;

	pair_init(&p, 1, NULL, NULL);
	p.accept_template.close_when_done = 1;
	p.end[0].tx_takes = 100;
	for (int i = 0; i < 24; i++) {
		struct pair_stream *s = pair_connect(&p, 0);

		s->to_send = 300000;
		s->write_chunk = 16384;
		s->close_when_done = 1;
	}
	pair_run_for(&p, 20 * HD_NS_PER_MS);
	for (uint32_t i = 0; i < p.n_streams; i++) {
		assert_non_null(p.stream[i].c);
		if (tcp_conn_is_active(p.stream[i].c)) {
			uint64_t acked = tcp_acked_offset(p.stream[i].c);

			least = acked < least ? acked : least;
			most = acked > most ? acked : most;
		}
	}
	assert_true(least > most / 3);
	assert_true(pair_run_while(&p, are_pending, 100 * HD_NS_PER_S));
	assert_int_equal(p.end[0].stats.counters[HD_TCP_RETRANSMITS], 0);
	assert_int_equal(p.tx_drops, 0);
	pair_drain(&p);
	pair_fini(&p);
}

static void c1_31_half_close_keeps_the_other_direction_open(void **state)
{
	struct pair_stream *s;

	pair_init(&p, 3, NULL, NULL);
	p.accept_template.to_send = 100000;
	p.accept_template.hold_reads = 0;
	s = pair_connect(&p, 0);
	s->to_send = 10;
	s->close_when_done = 1;
	pair_run_for(&p, 2 * HD_NS_PER_S);
	assert_true(p.stream[1].fin_seen);
	assert_int_equal(p.stream[0].received, 100000);
	assert_string_equal(tcp_conn_state_name(p.stream[0].c), "fin_wait_2");
	assert_string_equal(tcp_conn_state_name(p.stream[1].c), "close_wait");
	/* Not ours to end: the owner holds it, for as long as it likes. */
	pair_run_for(&p, 200 * HD_NS_PER_S);
	assert_non_null(p.stream[0].c);
	tcp_close(p.stream[1].c);
	pair_drain(&p);
	assert_true(p.stream[0].closed && p.stream[1].closed);
	pair_fini(&p);
}

static void c1_33_simultaneous_close_ends_in_time_wait_on_both_sides(void **state)
{
	pair_init(&p, 4, NULL, NULL);
	pair_connect(&p, 0);
	pair_run_for(&p, HD_NS_PER_S);
	tcp_close(p.stream[0].c);
	tcp_close(p.stream[1].c);
	pair_run_for(&p, HD_NS_PER_S);
	assert_true(p.stream[0].closed && p.stream[1].closed);
	assert_int_equal(p.end[0].t->waits.used, 1);
	assert_int_equal(p.end[1].t->waits.used, 1);
	pair_drain(&p);
	assert_int_equal(p.end[0].t->waits.used + p.end[1].t->waits.used, 0);
	pair_fini(&p);
}

static void c1_09_simultaneous_open_makes_one_connection(void **state)
{
	struct pair_stream *a, *b;
	struct hd_addr remote;
	struct tcp_conn *c;

	pair_init(&p, 5, NULL, NULL);
	p.end[0].listens = p.end[1].listens = 0;
	a = pair_connect(&p, 0);
	a->to_send = 5000;
	/* The other side opens the same tuple the other way round. */
	remote = (struct hd_addr){ .ip = p.end[0].ip, .port = a->c->key.local_port };
	assert_int_equal(tcp_connect(p.end[1].t, &p.end[1].ip, &remote, p.now, &c), TCP_OK);
	{
		struct tcp *t = p.end[1].t;
		struct flow_key key = c->key;
		uint32_t index = core_pool_index(&t->conns, c);

		tcp_table_remove(&t->table, t->ops->hash(t->ctx, &key), index);
		c->key.local_port = PAIR_PORT;
		assert_int_equal(tcp_table_insert(&t->table, t->ops->hash(t->ctx, &c->key), index),
				 0);
	}
	p.stream[1] = p.accept_template;
	b = &p.stream[1];
	b->c = c;
	b->end = 1;
	b->salt = 1001;
	b->to_send = 7000;
	p.n_streams = 2;
	tcp_conn_set_user(c, b);
	pair_run_for(&p, 3 * HD_NS_PER_S);
	assert_true(a->connected && b->connected);
	assert_int_equal(a->received, 7000);
	assert_int_equal(b->received, 5000);
	tcp_close(a->c);
	tcp_close(b->c);
	pair_drain(&p);
	pair_fini(&p);
}

static void c1_17_zero_window_probes_back_off_and_never_give_up(void **state)
{
	struct pair_stream *s;
	uint64_t probes;

	pair_init(&p, 6, NULL, NULL);
	p.accept_template.hold_reads = 1;
	s = pair_connect(&p, 0);
	s->to_send = 1000000;
	pair_run_for(&p, 10 * HD_NS_PER_S);
	assert_true(s->sent < 1000000);
	assert_int_equal(s->c->snd_wnd, 0);
	pair_run_for(&p, 600 * HD_NS_PER_S); /* ten minutes: the peer answers, so it lives */
	assert_non_null(s->c);
	probes = p.end[0].stats.counters[HD_TCP_WINDOW_PROBES];
	assert_in_range(probes, 12, 25);
	p.stream[1].hold_reads = 0;
	tcp_ready_again(p.stream[1].c, TCP_EV_READABLE);
	pair_run_for(&p, 5 * HD_NS_PER_S);
	assert_int_equal(p.stream[1].received, 1000000);
	tcp_close(p.stream[0].c);
	tcp_close(p.stream[1].c);
	pair_drain(&p);
	pair_fini(&p);
}

static int drop_updates(void *ctx, const struct pair_segment *s)
{
	return *(int *)ctx && s->from == 1 && s->len == 0;
}

static void c1_18_a_lost_window_update_is_found_by_a_probe(void **state)
{
	struct pair_stream *s;
	int dropping = 0;

	pair_init(&p, 7, NULL, NULL);
	p.drop = drop_updates;
	p.drop_ctx = &dropping;
	p.accept_template.hold_reads = 1;
	s = pair_connect(&p, 0);
	s->to_send = 600000;
	pair_run_for(&p, 2 * HD_NS_PER_S);
	assert_int_equal(s->c->snd_wnd, 0);
	dropping = 1;
	p.stream[1].hold_reads = 0;
	tcp_ready_again(p.stream[1].c, TCP_EV_READABLE);
	pair_run_for(&p, HD_NS_PER_MS);
	dropping = 0;
	pair_run_for(&p, 10 * HD_NS_PER_S);
	assert_int_equal(p.stream[1].received, 600000);
	tcp_abort(p.stream[0].c);
	p.stream[0].c = NULL;
	pair_drain(&p);
	assert_true(p.stream[1].reset);
	assert_int_equal(p.stream[1].error, TCP_ERR_RESET);
	pair_fini(&p);
}

static int drop_all(void *ctx, const struct pair_segment *s)
{
	return *(int *)ctx;
}

static void c1_27_and_c4_5_a_silent_peer_is_given_up_at_the_user_timeout(void **state)
{
	struct pair_stream *s;
	int dropping = 0;
	hd_ns start;

	pair_init(&p, 8, NULL, NULL);
	p.drop = drop_all;
	p.drop_ctx = &dropping;
	s = pair_connect(&p, 0);
	pair_run_for(&p, HD_NS_PER_S);
	dropping = 1;
	s->to_send = 1000;
	tcp_ready_again(s->c, TCP_EV_WRITABLE);
	start = p.now;
	while (!s->reset && p.now - start < 300 * HD_NS_PER_S)
		pair_run_for(&p, HD_NS_PER_S);
	assert_int_equal(s->error, TCP_ERR_TIMEOUT);
	assert_int_equal(s->acked_at_end, 0);
	assert_in_range((p.now - start) / HD_NS_PER_S, 100, 170);
	tcp_abort(p.stream[1].c);
	pair_fini(&p);
}

static void c4_1_a_syn_is_sent_at_1_2_4_8_seconds_and_then_given_up(void **state)
{
	struct pair_stream *s;
	int dropping = 1;
	hd_ns first;

	pair_init(&p, 9, NULL, NULL);
	p.drop = drop_all;
	p.drop_ctx = &dropping;
	s = pair_connect(&p, 0);
	first = p.now;
	pair_run_for(&p, 200 * HD_NS_PER_S);
	assert_true(s->reset);
	assert_int_equal(s->error, TCP_ERR_TIMEOUT);
	assert_int_equal(p.n_log, 7);
	for (uint32_t i = 1; i < 5; i++)
		assert_in_range((p.log[i].at - first) / HD_NS_PER_MS, ((1u << i) - 1) * 1000,
				((1u << i) - 1) * 1000 + 5);
	pair_fini(&p);
}

static void a_connect_timeout_ends_the_attempt(void **state)
{
	struct pair_stream *s;
	int dropping = 1;

	pair_init(&p, 10, NULL, NULL);
	p.drop = drop_all;
	p.drop_ctx = &dropping;
	s = pair_connect(&p, 0);
	tcp_set_connect_timeout(s->c, 3 * HD_NS_PER_S);
	pair_run_for(&p, 2900 * HD_NS_PER_MS);
	assert_false(s->reset);
	pair_run_for(&p, 200 * HD_NS_PER_MS);
	assert_true(s->reset);
	assert_int_equal(s->error, TCP_ERR_TIMEOUT);
	pair_fini(&p);
}

static void a_refused_connection_says_so(void **state)
{
	struct pair_stream *s;

	pair_init(&p, 11, NULL, NULL);
	p.end[1].listens = 0;
	s = pair_connect(&p, 0);
	pair_run_for(&p, HD_NS_PER_S);
	assert_true(s->reset);
	assert_int_equal(s->error, TCP_ERR_REFUSED);
	pair_fini(&p);
}

static void c4_7_a_released_connection_leaves_fin_wait_2_at_its_timeout(void **state)
{
	pair_init(&p, 12, NULL, NULL);
	pair_connect(&p, 0);
	pair_run_for(&p, HD_NS_PER_S);
	tcp_release(p.stream[0].c);
	pair_run_for(&p, 50 * HD_NS_PER_S);
	assert_int_equal(p.end[0].t->open, 1);
	assert_true(p.stream[1].fin_seen);
	pair_run_for(&p, 15 * HD_NS_PER_S);
	assert_int_equal(p.end[0].t->open, 0);
	tcp_abort(p.stream[1].c);
	pair_fini(&p);
}

static void data_for_a_released_connection_are_reset(void **state)
{
	pair_init(&p, 13, NULL, NULL);
	pair_connect(&p, 0);
	pair_run_for(&p, HD_NS_PER_S);
	tcp_release(p.stream[0].c);
	pair_run_for(&p, HD_NS_PER_S);
	p.stream[1].to_send = 100;
	tcp_ready_again(p.stream[1].c, TCP_EV_WRITABLE);
	pair_run_for(&p, HD_NS_PER_S);
	assert_true(p.stream[1].reset);
	assert_int_equal(p.end[0].t->open, 0);
	pair_fini(&p);
}

static void a_released_connection_has_no_more_events(void **state)
{
	uint32_t events;

	pair_init(&p, 17, NULL, NULL);
	pair_connect(&p, 0);
	pair_run_for(&p, HD_NS_PER_S);
	tcp_ready_again(p.stream[0].c, TCP_EV_WRITABLE);
	assert_null(tcp_ready_next(p.end[0].t, &events)); /* moves it to the list of this turn */
	tcp_release(p.stream[0].c);
	assert_null(tcp_ready_next(p.end[0].t, &events));
	tcp_close(p.stream[1].c);
	pair_drain(&p);
	pair_fini(&p);
}

static void c1_28_keepalive_finds_a_dead_peer_and_bears_one_lost_probe(void **state)
{
	struct pair_stream *s;
	int dropping = 0;

	pair_init(&p, 14, NULL, NULL);
	p.drop = drop_all;
	p.drop_ctx = &dropping;
	s = pair_connect(&p, 0);
	pair_run_for(&p, HD_NS_PER_S);
	p.n_log = 0;
	pair_run_for(&p, 30 * HD_NS_PER_S);
	assert_int_equal(p.n_log, 0); /* off unless asked for */
	tcp_set_keepalive(s->c, 3, 10 * HD_NS_PER_S, HD_NS_PER_S);
	pair_run_for(&p, 65 * HD_NS_PER_S);
	assert_in_range(p.n_log, 8, 14);
	dropping = 1;
	pair_run_for(&p, 6 * HD_NS_PER_S + 500 * HD_NS_PER_MS);
	dropping = 0; /* one or two probes lost */
	pair_run_for(&p, 5 * HD_NS_PER_S);
	assert_false(s->reset);
	dropping = 1;
	pair_run_for(&p, 20 * HD_NS_PER_S);
	assert_true(s->reset);
	assert_int_equal(s->error, TCP_ERR_TIMEOUT);
	dropping = 0;
	tcp_abort(p.stream[1].c);
	pair_fini(&p);
}

static void an_idle_connection_holds_nothing(void **state)
{
	pair_init(&p, 15, NULL, NULL);
	p.accept_template.to_send = 10000;
	pair_connect(&p, 0)->to_send = 10000;
	pair_run_for(&p, 10 * HD_NS_PER_S);
	assert_int_equal(p.end[0].t->open, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(p.end[i].t->boards.used, 0);
		assert_int_equal(p.end[i].t->medium.used, 0);
		assert_int_equal(p.end[i].t->wheel.armed, 0);
		assert_int_equal(tcp_next_deadline(p.end[i].t), HD_NS_NEVER);
	}
	tcp_close(p.stream[0].c);
	tcp_close(p.stream[1].c);
	pair_drain(&p);
	pair_fini(&p);
}

static int drop_last_data(void *ctx, const struct pair_segment *s)
{
	uint32_t *armed = ctx;

	/* The last segment of the burst carries PSH. */
	if (*armed && s->from == 0 && s->len != 0 && s->flags & PKT_TCP_PSH) {
		*armed = 0;
		return 1;
	}
	return 0;
}

static void c3_8_a_lost_tail_is_probed_after_two_round_trips(void **state)
{
	struct pair_stream *s;
	uint32_t armed = 1;
	hd_ns start;

	pair_init(&p, 16, NULL, NULL);
	p.delay = 10 * HD_NS_PER_MS;
	p.drop = drop_last_data;
	p.drop_ctx = &armed;
	s = pair_connect(&p, 0);
	s->write_chunk = 16384;
	s->to_send = 14000;
	start = p.now;
	while (p.n_streams < 2 || p.stream[1].received < 14000)
		pair_run_for(&p, HD_NS_PER_MS);
	assert_false(armed);
	assert_in_range((p.now - start) / HD_NS_PER_MS, 80,
			150); /* of it 50 ms for a delayed ACK */
	assert_int_equal(p.end[0].stats.counters[HD_TCP_TAIL_PROBES], 1);
	assert_int_equal(p.end[0].stats.counters[HD_TCP_TIMEOUT_RETRANSMITS], 0);
	tcp_close(p.stream[0].c);
	tcp_close(p.stream[1].c);
	pair_drain(&p);
	pair_fini(&p);
}

static int setup(void **state)
{
	return pair_eal("unit-tcp-pair");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_arrive_exactly_on_a_clean_link),
		cmocka_unit_test(c1_41_sequence_numbers_wrap),
		cmocka_unit_test(a_device_that_takes_little_slows_all_and_loses_nothing),
		cmocka_unit_test(c1_31_half_close_keeps_the_other_direction_open),
		cmocka_unit_test(c1_33_simultaneous_close_ends_in_time_wait_on_both_sides),
		cmocka_unit_test(c1_09_simultaneous_open_makes_one_connection),
		cmocka_unit_test(c1_17_zero_window_probes_back_off_and_never_give_up),
		cmocka_unit_test(c1_18_a_lost_window_update_is_found_by_a_probe),
		cmocka_unit_test(c1_27_and_c4_5_a_silent_peer_is_given_up_at_the_user_timeout),
		cmocka_unit_test(c4_1_a_syn_is_sent_at_1_2_4_8_seconds_and_then_given_up),
		cmocka_unit_test(a_connect_timeout_ends_the_attempt),
		cmocka_unit_test(a_refused_connection_says_so),
		cmocka_unit_test(c4_7_a_released_connection_leaves_fin_wait_2_at_its_timeout),
		cmocka_unit_test(data_for_a_released_connection_are_reset),
		cmocka_unit_test(c1_28_keepalive_finds_a_dead_peer_and_bears_one_lost_probe),
		cmocka_unit_test(an_idle_connection_holds_nothing),
		cmocka_unit_test(c3_8_a_lost_tail_is_probed_after_two_round_trips),
		cmocka_unit_test(a_released_connection_has_no_more_events),
		cmocka_unit_test(c3_7_reordering_within_a_quarter_round_trip_soon_costs_nothing),
		cmocka_unit_test(allocations_may_fail_at_any_point),
		cmocka_unit_test(
			bytes_arrive_exactly_over_loss_reordering_duplication_and_corruption),
	};

	cmocka_set_test_filter(getenv("TCP_PAIR_TEST"));
	return cmocka_run_group_tests(tests, setup, NULL);
}
