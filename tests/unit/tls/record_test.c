/* SPDX-License-Identifier: Apache-2.0 */
/* Records that no honest side sends, put together with the right keys: what is refused, and with
 * which alert. A connection of ours plays the far side, whose keys are the near one's the other way
 * round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_mempool.h>

#include "tls_conn.h"
#include "tls_world.h"

static struct world w;
static struct tls_conn *near, *far;
static struct bufq in, plain, wire;
static uint32_t events;

static struct tls_conn *make(uint8_t suite, uint8_t role)
{
	struct tls_conn *c = core_pool_get(&w.tls->conns);

	memset(c, 0, sizeof(*c));
	c->tls = w.tls;
	c->phase = TLS_PHASE_OPEN;
	c->suite = suite;
	c->is_1_3 = tls_suite_at(suite)->version == 0x0304;
	c->limit = TLS_PLAIN_MAX;
	c->role = role;
	memset(&c->rx, role, sizeof(c->rx));
	memset(&c->tx, !role, sizeof(c->tx));
	c->rx.seq = c->tx.seq = 0;
	return c;
}

static void begin(uint16_t suite, enum hd_tls_role role)
{
	uint8_t index = tls_suite_index(tls_suite_find(suite));

	near = make(index, role);
	far = make(index, !role);
	far->limit = UINT16_MAX;
	events = 0;
}

static void finish(void)
{
	bufq_clear(&in);
	bufq_clear(&plain);
	bufq_clear(&wire);
	tls_release(near);
	tls_release(far);
}

static uint32_t pump(int fin)
{
	struct tls_io io = { .in = &in,
			     .plain = &plain,
			     .wire = &wire,
			     .plain_room = 1 << 20,
			     .wire_space = 1000,
			     .fin = fin != 0 };

	uint32_t in_before = in.bytes, plain_before = plain.bytes;

	events |= tls_pump(near, &io, w.now);
	/* Credit for TCP's window: exactly what was taken. */
	assert_int_equal(in_before - in.bytes, io.overhead + plain.bytes - plain_before);
	return events;
}

static void seal(uint8_t type, const void *bytes, uint32_t n)
{
	assert_int_equal(tls_record_seal_bytes(far, type, bytes, n, &in), 0);
}

/* An alert that our side sent, as the far side reads it; -1: none. */
static int alert_sent(void)
{
	struct bufq content = { 0 };
	struct tls_header h;
	uint8_t type, bytes[2];

	if (!tls_header_read(&wire, &h))
		return -1;
	assert_int_equal(tls_record_open(far, &wire, &h, &content, &type), TLS_OPEN_OK);
	assert_int_equal(type, TLS_TYPE_ALERT);
	assert_int_equal(content.bytes, 2);
	bufq_copy_out(&content, 0, bytes, 2);
	bufq_clear(&content);
	return bytes[1];
}

static void expect_failure(enum hd_counter why, int alert)
{
	if (!(pump(0) & TLS_EV_FAILED))
		fail_msg("no failure, wanted %u", why);
	assert_int_equal(tls_conn_failure(near), why);
	assert_int_equal(alert_sent(), alert);
	assert_false(tls_is_open(near));
	finish();
}

static uint8_t big[40000];

#define SUITE_1_3 0x1301
#define SUITE_1_2 0xc02b

static void largest_records_pass_and_larger_ones_do_not(void **state)
{
	static const uint16_t suites[] = { SUITE_1_3, 0x1303, SUITE_1_2, 0xcca8 };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(suites); i++) {
		begin(suites[i], HD_TLS_SERVER);
		seal(TLS_TYPE_DATA, big, 16384);
		assert_int_equal(pump(0), TLS_EV_READABLE);
		assert_int_equal(plain.bytes, 16384);
		seal(TLS_TYPE_DATA, big, 16385);
		expect_failure(HD_TLS_OVERFLOW, TLS_ALERT_RECORD_OVERFLOW);
	}
}

/* As many records as there are bytes, each in a segment of its own or all one behind the other. */
static void tiny_records_pin_little(void **state)
{
	static const uint16_t suites[] = { SUITE_1_3, SUITE_1_2 };
	struct bufq all = { 0 };

	for (uint32_t i = 0; i < 2 * HD_ARRAY_SIZE(suites); i++) {
		begin(suites[i / 2], HD_TLS_SERVER);
		for (uint32_t k = 0; k < 1500; k++) {
			uint8_t bytes[64];
			struct bufq one = { 0 };
			assert_int_equal(tls_record_seal_bytes(far, TLS_TYPE_DATA, "x", 1, &one),
					 0);
			bufq_copy_out(&one, 0, bytes, one.bytes);
			assert_int_equal(bufq_copy_in(i % 2 ? &in : &all, bytes, one.bytes,
						      world_bufs),
					 0);
			bufq_clear(&one);
			if (i % 2 == 0) {
				bufq_concat(&in, &all);
				pump(0);
			}
		}
		while (in.bytes > 0)
			pump(0);
		assert_int_equal(plain.bytes, 1500);
		assert_in_range(plain.bufs, 1, 2);
		assert_int_equal(rte_mempool_in_use_count(world_indirect), 0);
		finish();
	}
}

static void a_length_beyond_any_record_is_refused_by_its_header(void **state)
{
	const uint8_t header[] = { 23, 3, 3, 0x41, 0x01 };

	begin(SUITE_1_3, HD_TLS_SERVER);
	assert_int_equal(bufq_copy_in(&in, header, sizeof(header), world_bufs), 0);
	expect_failure(HD_TLS_OVERFLOW, TLS_ALERT_RECORD_OVERFLOW);
}

static void a_record_too_short_for_its_tag_is_refused(void **state)
{
	static const uint16_t suites[] = { SUITE_1_3, SUITE_1_2, 0xcca8 };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(suites); i++) {
		for (uint8_t n = 0; n < 16; n++) {
			uint8_t record[5 + 16] = { 23, 3, 3, 0, n };
			begin(suites[i], HD_TLS_SERVER);
			assert_int_equal(bufq_copy_in(&in, record, 5u + n, world_bufs), 0);
			expect_failure(HD_TLS_BAD_MAC, TLS_ALERT_BAD_RECORD_MAC);
		}
	}
}

/* RFC 8446 5.4: zeros behind the type are taken off; nothing but zeros is no record. */
static void padding_is_taken_off(void **state)
{
	static const uint32_t pads[] = { 0, 1, 15, 16, 1000, 16000 };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(pads); i++) {
		begin(SUITE_1_3, HD_TLS_SERVER);
		memset(big, 0, sizeof(big));
		memcpy(big, "hello\x17",
		       6); /* the type, then zeros; the last of them is sealed as a type */
		seal(0, big, 6 + pads[i]);
		assert_int_equal(pump(0), TLS_EV_READABLE);
		assert_int_equal(plain.bytes, 5);
		finish();
	}
	begin(SUITE_1_3, HD_TLS_SERVER);
	memset(big, 0, sizeof(big));
	seal(0, big, 3000);
	expect_failure(HD_TLS_BAD_RECORD, TLS_ALERT_UNEXPECTED_MESSAGE);
	begin(SUITE_1_3, HD_TLS_SERVER);
	seal(0, big, 16384); /* padded to one byte over the limit */
	expect_failure(HD_TLS_BAD_RECORD, TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void a_flipped_bit_anywhere_releases_nothing(void **state)
{
	for (uint32_t at = 0; at < 5 + 300 + 17; at++) {
		uint8_t *p;
		begin(SUITE_1_3, HD_TLS_SERVER);
		seal(TLS_TYPE_DATA, big, 300);
		p = rte_pktmbuf_mtod_offset(in.head, uint8_t *, at);
		*p ^= 1;
		pump(1);
		assert_int_equal(plain.bytes, 0);
		assert_true(events & TLS_EV_FAILED);
		assert_false(events & TLS_EV_READABLE);
		finish();
	}
}

static void records_of_odd_types_are_refused(void **state)
{
	static const uint8_t outer[] = { 20, 21, 22, 24, 0 };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(outer); i++) {
		const uint8_t record[] = { outer[i], 3, 3, 0, 1, 1 };
		begin(SUITE_1_3, HD_TLS_SERVER);
		assert_int_equal(bufq_copy_in(&in, record, sizeof(record), world_bufs), 0);
		expect_failure(HD_TLS_BAD_RECORD, TLS_ALERT_UNEXPECTED_MESSAGE);
	}
	begin(SUITE_1_3, HD_TLS_SERVER);
	seal(20, "\1", 1);
	expect_failure(HD_TLS_BAD_RECORD, TLS_ALERT_UNEXPECTED_MESSAGE);
	begin(SUITE_1_2, HD_TLS_SERVER);
	seal(20, "\1", 1);
	expect_failure(HD_TLS_BAD_RECORD, TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void late_messages_without_a_place_are_refused(void **state)
{
	static const struct {
		uint16_t suite;
		enum hd_tls_role role;
		const char *bytes;
		uint32_t n;
		enum hd_counter why;
		int alert;
	} rows[] = {
		{ SUITE_1_3, HD_TLS_SERVER, "\x01\x00\x00\x02xx", 6, HD_TLS_UNEXPECTED,
		  TLS_ALERT_UNEXPECTED_MESSAGE },
		{ SUITE_1_3, HD_TLS_SERVER, "\x04\x00\x00\x02xx", 6, HD_TLS_UNEXPECTED,
		  TLS_ALERT_UNEXPECTED_MESSAGE },
		{ SUITE_1_3, HD_TLS_CLIENT, "\x0d\x00\x00\x02xx", 6, HD_TLS_UNEXPECTED,
		  TLS_ALERT_UNEXPECTED_MESSAGE },
		{ SUITE_1_3, HD_TLS_CLIENT, "\x00\x00\x00\x00", 4, HD_TLS_UNEXPECTED,
		  TLS_ALERT_UNEXPECTED_MESSAGE },
		{ SUITE_1_3, HD_TLS_CLIENT, "\x04\xff\xff\xff", 4, HD_TLS_BAD_MESSAGE,
		  TLS_ALERT_DECODE_ERROR },
		{ SUITE_1_3, HD_TLS_CLIENT, "\x18\x00\x00\x02\x00\x00", 6, HD_TLS_BAD_MESSAGE,
		  TLS_ALERT_DECODE_ERROR },
		{ SUITE_1_3, HD_TLS_CLIENT, "\x18\x00\x00\x00", 4, HD_TLS_BAD_MESSAGE,
		  TLS_ALERT_DECODE_ERROR },
		{ SUITE_1_3, HD_TLS_CLIENT, "\x18\x00\x00\x01\x02", 5, HD_TLS_BAD_MESSAGE,
		  TLS_ALERT_ILLEGAL_PARAMETER },
		/* Something behind a key change in the same record. */
		{ SUITE_1_3, HD_TLS_CLIENT, "\x18\x00\x00\x01\x00\x18", 6, HD_TLS_UNEXPECTED,
		  TLS_ALERT_UNEXPECTED_MESSAGE },
		{ SUITE_1_2, HD_TLS_CLIENT, "\x18\x00\x00\x01\x00", 5, HD_TLS_UNEXPECTED,
		  TLS_ALERT_UNEXPECTED_MESSAGE },
		{ SUITE_1_2, HD_TLS_CLIENT, "\x01\x00\x00\x00", 4, HD_TLS_UNEXPECTED,
		  TLS_ALERT_UNEXPECTED_MESSAGE },
		{ SUITE_1_2, HD_TLS_SERVER, "\x00\x00\x00\x00", 4, HD_TLS_UNEXPECTED,
		  TLS_ALERT_UNEXPECTED_MESSAGE },
		{ SUITE_1_2, HD_TLS_SERVER, "\x10\x00\x00\x00", 4, HD_TLS_UNEXPECTED,
		  TLS_ALERT_UNEXPECTED_MESSAGE },
	};

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		begin(rows[i].suite, rows[i].role);
		seal(TLS_TYPE_HANDSHAKE, rows[i].bytes, rows[i].n);
		expect_failure(rows[i].why, rows[i].alert);
	}
}

/* A KeyUpdate in fragments, with whatever lies between refused. */
static void a_key_update_may_come_in_pieces(void **state)
{
	const uint8_t update[] = { 24, 0, 0, 1, 1 };

	for (uint32_t cut = 1; cut < sizeof(update); cut++) {
		begin(SUITE_1_3, HD_TLS_CLIENT);
		seal(TLS_TYPE_HANDSHAKE, update, cut);
		assert_int_equal(pump(0), 0);
		seal(TLS_TYPE_HANDSHAKE, update + cut, sizeof(update) - cut);
		tls_keys_update(far, &far->tx);
		seal(TLS_TYPE_DATA, "after", 5);
		assert_int_equal(pump(0), TLS_EV_READABLE);
		assert_int_equal(plain.bytes, 5);
		assert_true(wire.bytes > 0); /* the answer */
		finish();
		begin(SUITE_1_3, HD_TLS_CLIENT);
		seal(TLS_TYPE_HANDSHAKE, update, cut);
		seal(TLS_TYPE_DATA, "between", 7);
		expect_failure(HD_TLS_UNEXPECTED, TLS_ALERT_UNEXPECTED_MESSAGE);
	}
}

static void renegotiation_is_declined_and_insisting_is_a_flood(void **state)
{
	begin(SUITE_1_2, HD_TLS_CLIENT);
	seal(TLS_TYPE_HANDSHAKE, "\0\0\0\0", 4);
	assert_int_equal(pump(0), 0);
	assert_int_equal(alert_sent(), TLS_ALERT_NO_RENEGOTIATION);
	seal(TLS_TYPE_DATA, "x", 1);
	assert_int_equal(pump(0), TLS_EV_READABLE);
	for (int i = 0; i < 40; i++)
		seal(TLS_TYPE_HANDSHAKE, "\0\0\0\0", 4);
	assert_true(pump(0) & TLS_EV_FAILED);
	assert_int_equal(tls_conn_failure(near), HD_TLS_FLOOD);
	finish();
}

static void records_without_data_are_bounded(void **state)
{
	begin(SUITE_1_3, HD_TLS_SERVER);
	memset(big, 0, sizeof(big));
	big[0] = TLS_TYPE_DATA;
	for (int i = 0; i < 32; i++)
		seal(0, big, 2); /* no content */
	assert_int_equal(pump(0), 0);
	seal(0, big, 2);
	expect_failure(HD_TLS_FLOOD, TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void alerts_end_as_rfc_8446_6_says(void **state)
{
	begin(SUITE_1_3, HD_TLS_SERVER);
	seal(TLS_TYPE_ALERT, "\1\x5a", 2); /* user_canceled */
	assert_int_equal(pump(0), 0);
	seal(TLS_TYPE_ALERT, "\1\x2a", 2); /* a warning is none in 1.3 */
	assert_true(pump(0) & TLS_EV_FAILED);
	assert_int_equal(tls_conn_failure(near), HD_TLS_PEER_ALERT);
	assert_int_equal(tls_conn_alert(near), 0x2a);
	finish();
	begin(SUITE_1_2, HD_TLS_SERVER);
	seal(TLS_TYPE_ALERT, "\1\x2a", 2);
	assert_int_equal(pump(0), 0);
	seal(TLS_TYPE_ALERT, "\2", 1);
	expect_failure(HD_TLS_BAD_MESSAGE, TLS_ALERT_DECODE_ERROR);
}

static void an_end_without_close_notify_is_truncation(void **state)
{
	begin(SUITE_1_3, HD_TLS_SERVER);
	seal(TLS_TYPE_DATA, "most of it", 10);
	assert_true(pump(1) & TLS_EV_READABLE);
	assert_int_equal(plain.bytes, 10);
	assert_true(events & TLS_EV_FAILED);
	assert_int_equal(tls_conn_failure(near), HD_TLS_TRUNCATED);
	finish();
	begin(SUITE_1_3, HD_TLS_SERVER);
	seal(TLS_TYPE_DATA, "all of it", 9);
	seal(TLS_TYPE_ALERT, "\1\0", 2);
	assert_int_equal(bufq_copy_in(&in, "rubbish behind it", 17, world_bufs), 0);
	assert_int_equal(pump(1), TLS_EV_READABLE | TLS_EV_EOF);
	assert_int_equal(in.bytes, 0);
	assert_int_equal(pump(1), TLS_EV_READABLE | TLS_EV_EOF);
	finish();
}

/* The length that was agreed on holds both ways (RFC 6066 4). */
static void a_small_fragment_limit_is_kept(void **state)
{
	struct bufq q = { 0 };

	begin(SUITE_1_3, HD_TLS_SERVER);
	near->limit = 512;
	assert_int_equal(bufq_copy_in(&q, big, 2000, world_bufs), 0);
	assert_int_equal(tls_send(near, &q, &wire, w.now), 0);
	for (int i = 0; i < 4; i++) {
		struct bufq content = { 0 };
		struct tls_header h;
		uint8_t type;
		assert_true(tls_header_read(&wire, &h));
		assert_true(h.bytes <= 512 + 22);
		assert_int_equal(tls_record_open(far, &wire, &h, &content, &type), TLS_OPEN_OK);
		bufq_clear(&content);
	}
	assert_int_equal(wire.bytes, 0);
	seal(TLS_TYPE_DATA, big, 513);
	expect_failure(HD_TLS_OVERFLOW, TLS_ALERT_RECORD_OVERFLOW);
}

/* What somebody else holds a reference to is not written to. */
static void shared_bytes_are_sealed_elsewhere(void **state)
{
	struct bufq q = { 0 }, kept = { 0 }, copy = { 0 };
	uint8_t before[1500], after[1500];

	begin(SUITE_1_3, HD_TLS_SERVER);
	for (uint32_t i = 0; i < sizeof(before); i++)
		before[i] = (uint8_t)i;
	assert_int_equal(bufq_copy_in(&q, before, sizeof(before), world_bufs), 0);
	assert_int_equal(bufq_move(&kept, &q, 1000, world_indirect), 0);
	assert_int_equal(tls_send(near, &q, &wire, w.now), 0);
	assert_int_equal(q.bytes, 0);
	bufq_copy_out(&kept, 0, after, 1000);
	assert_memory_equal(before, after, 1000);
	assert_int_equal(bufq_copy_in(&copy, after, 10, world_bufs), 0);
	assert_int_equal(tls_send(near, &copy, &wire, w.now), 0);
	bufq_clear(&kept);
	finish();
	assert_int_equal(rte_mempool_in_use_count(world_bufs), 0);
}

/* A buffer with n bytes of `big` from `at` on, behind so much headroom. */
static void add_piece(struct bufq *q, uint32_t at, uint32_t n, uint32_t headroom)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(world_bufs);

	assert_non_null(m);
	m->data_off = (uint16_t)headroom;
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), big + at, n);
	/* Not by bufq_append, which would join small ones. */
	if (q->tail != NULL)
		q->tail->next = m;
	else
		q->head = m;
	q->tail = m;
	q->bytes += n;
	q->bufs++;
}

static void check_opens(uint32_t n)
{
	struct bufq content = { 0 };
	static uint8_t got[4000];
	struct tls_header h;
	uint8_t type;

	assert_true(tls_header_read(&wire, &h));
	assert_int_equal(h.bytes, wire.bytes);
	assert_int_equal(tls_record_open(far, &wire, &h, &content, &type), TLS_OPEN_OK);
	assert_int_equal(type, TLS_TYPE_DATA);
	assert_int_equal(content.bytes, n);
	bufq_copy_out(&content, 0, got, n);
	assert_memory_equal(got, big, n);
	bufq_clear(&content);
}

/* Sizes around a buffer's, headrooms around what goes in front, the first or the last piece seen by
 * somebody else. */
static void content_may_lie_in_any_pieces(void **state)
{
	static const uint16_t suites[] = { SUITE_1_3, 0x1302, 0x1303, SUITE_1_2 };
	static const uint32_t sizes[] = { 1, 165, 1024, 1900 },
			      headrooms[] = { 0, 5, 128, 186, 400 };

	for (uint32_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 13 + i / 256);
	for (uint32_t k = 0; k < 4 * 4 * 4 * 5 * 3; k++) {
		struct bufq q = { 0 };
		uint32_t first = sizes[k / 4 % 4], last = sizes[k / 16 % 4], how = k / 320;
		struct rte_mbuf *seen;
		begin(suites[k % 4], HD_TLS_SERVER);
		near->limit = 4000;
		add_piece(&q, 0, first, 128);
		if (last > 1)
			add_piece(&q, first, last, RTE_MIN(headrooms[k / 64 % 5], 2176 - last));
		seen = how == 1 ? q.head : how == 2 ? q.tail : NULL;
		if (seen != NULL)
			rte_mbuf_refcnt_update(seen, 1);
		assert_int_equal(tls_record_seal(near, TLS_TYPE_DATA, &q, q.bytes, &wire), 0);
		check_opens(first + (last > 1 ? last : 0));
		if (seen != NULL) {
			const uint8_t *p = rte_pktmbuf_mtod(seen, const uint8_t *);
			assert_memory_equal(p,
					    how == 1   ? big
					    : last > 1 ? big + first
						       : big,
					    seen->data_len);
			rte_pktmbuf_free_seg(seen);
		}
		finish();
		assert_int_equal(rte_mempool_in_use_count(world_bufs), 0);
	}
}

static void records_grow_after_a_while_and_shrink_after_a_pause(void **state)
{
	uint32_t first, later;

	begin(SUITE_1_3, HD_TLS_SERVER);
	for (int i = 0; i < 3; i++) {
		struct bufq q = { 0 };
		struct tls_header h;
		assert_int_equal(bufq_copy_in(&q, big, 40000, world_bufs), 0);
		assert_int_equal(tls_send(near, &q, &wire, w.now), 0);
		assert_true(tls_header_read(&wire, &h));
		first = i == 0 ? h.bytes : first;
		later = h.bytes;
		bufq_clear(&wire);
	}
	assert_int_equal(first, TLS_SMALL_RECORD + 22);
	assert_int_equal(later, TLS_PLAIN_MAX + 22);
	near->sent_ms -= 5000;
	{
		struct bufq q = { 0 };
		struct tls_header h;
		assert_int_equal(bufq_copy_in(&q, big, 40000, world_bufs), 0);
		assert_int_equal(tls_send(near, &q, &wire, w.now), 0);
		assert_true(tls_header_read(&wire, &h));
		assert_int_equal(h.bytes, TLS_SMALL_RECORD + 22);
	}
	finish();
}

/* Keys of a connection that is gone are nowhere in the pool. */
static void released_connections_leave_no_keys(void **state)
{
	uint8_t pattern[32];
	const struct tls_conn *at;

	begin(SUITE_1_3, HD_TLS_SERVER);
	memset(near->rx.key, 0xa5, sizeof(near->rx.key));
	memset(pattern, 0xa5, sizeof(pattern));
	at = near;
	finish();
	assert_null(memmem(at, sizeof(*at), pattern, sizeof(pattern)));
}

static int open_world(void **state)
{
	if (world_setup(state) < 0)
		return -1;
	world_open(&w, NULL);
	return 0;
}

static int close_world(void **state)
{
	world_close(&w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(largest_records_pass_and_larger_ones_do_not),
		cmocka_unit_test(tiny_records_pin_little),
		cmocka_unit_test(a_length_beyond_any_record_is_refused_by_its_header),
		cmocka_unit_test(a_record_too_short_for_its_tag_is_refused),
		cmocka_unit_test(padding_is_taken_off),
		cmocka_unit_test(a_flipped_bit_anywhere_releases_nothing),
		cmocka_unit_test(records_of_odd_types_are_refused),
		cmocka_unit_test(late_messages_without_a_place_are_refused),
		cmocka_unit_test(a_key_update_may_come_in_pieces),
		cmocka_unit_test(renegotiation_is_declined_and_insisting_is_a_flood),
		cmocka_unit_test(records_without_data_are_bounded),
		cmocka_unit_test(alerts_end_as_rfc_8446_6_says),
		cmocka_unit_test(an_end_without_close_notify_is_truncation),
		cmocka_unit_test(a_small_fragment_limit_is_kept),
		cmocka_unit_test(shared_bytes_are_sealed_elsewhere),
		cmocka_unit_test(content_may_lie_in_any_pieces),
		cmocka_unit_test(records_grow_after_a_while_and_shrink_after_a_pause),
		cmocka_unit_test(released_connections_leave_no_keys),
	};

	return cmocka_run_group_tests(tests, open_world, close_world);
}
