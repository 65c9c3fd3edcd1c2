/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "bufq.h"
#include "eal_setup.h"
#include "pkt.h"

static struct rte_mempool *direct, *indirect;

#define MODEL_MAX 65536

/* What the queue should hold, as plain bytes. */
struct model {
	uint32_t n;
	uint8_t bytes[MODEL_MAX];
};

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % n;
}

static struct rte_mbuf *make(uint32_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(direct);
	uint8_t *p;

	assert_non_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)n);
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)below(256);
	return m;
}

static void model_add(struct model *o, const void *p, uint32_t n)
{
	assert_true(o->n + n <= MODEL_MAX);
	memcpy(o->bytes + o->n, p, n);
	o->n += n;
}

static void model_drop(struct model *o, uint32_t n)
{
	o->n -= n;
	memmove(o->bytes, o->bytes + n, o->n);
}

static void check(const struct bufq *q, const struct model *o)
{
	static uint8_t out[MODEL_MAX];
	uint32_t bufs = 0, bytes = 0;
	const struct rte_mbuf *last = NULL;

	for (const struct rte_mbuf *m = q->head; m != NULL; last = m, m = m->next) {
		assert_true(m->data_len > 0);
		assert_int_equal(m->nb_segs, 1);
		assert_int_equal(m->pkt_len, m->data_len);
		bufs++;
		bytes += m->data_len;
	}
	assert_ptr_equal(q->tail, last);
	assert_int_equal(q->bufs, bufs);
	assert_int_equal(q->bytes, bytes);
	assert_int_equal(q->bytes, o->n);
	bufq_copy_out(q, 0, out, q->bytes);
	assert_memory_equal(out, o->bytes, o->n);
	if (q->bytes > 3) {
		uint32_t at = below(q->bytes);
		bufq_copy_out(q, at, out, q->bytes - at);
		assert_memory_equal(out, o->bytes + at, o->n - at);
	}
}

static void append(struct bufq *q, struct model *o)
{
	struct rte_mbuf *m = make(1 + (below(2) ? below(1460) : below(64)));

	model_add(o, rte_pktmbuf_mtod(m, void *), m->data_len);
	bufq_append(q, m);
}

static void copy_in(struct bufq *q, struct model *o)
{
	uint8_t data[5000];
	uint32_t n = 1 + below(sizeof(data) - 1);

	for (uint32_t i = 0; i < n; i++)
		data[i] = (uint8_t)below(256);
	assert_int_equal(bufq_copy_in(q, data, n, direct), 0);
	model_add(o, data, n);
}

static void move(struct bufq *dst, struct model *to, struct bufq *src, struct model *from)
{
	uint32_t n = src->bytes == 0 ? 0 : below(src->bytes + 1);

	if (to->n + n > MODEL_MAX / 2)
		return;
	if (below(2))
		n = RTE_MIN(n, below(300));
	if (below(2))
		assert_int_equal(bufq_move_piece(dst, src, n, direct, indirect), 0);
	else
		assert_int_equal(bufq_move(dst, src, n, indirect), 0);
	model_add(to, from->bytes, n);
	model_drop(from, n);
}

static void random_operations_keep_the_bytes_and_leak_nothing(void **state)
{
	static struct model a, b;
	struct bufq p = { 0 }, q = { 0 };

	for (int step = 0; step < 20000; step++) {
		uint32_t n;
		if (a.n < MODEL_MAX / 2 - 6000)
			below(2) ? append(&p, &a) : copy_in(&p, &a);
		move(&q, &b, &p, &a);
		if (below(4) == 0)
			move(&p, &a, &q, &b);
		n = b.n == 0 ? 0 : below(b.n + 1);
		bufq_consume(&q, n);
		model_drop(&b, n);
		if (below(8) == 0) {
			b.n = b.n == 0 ? 0 : below(b.n + 1);
			bufq_truncate(&q, b.n);
		}
		if (below(50) == 0 && a.n + b.n < MODEL_MAX / 2) {
			if (below(2))
				bufq_concat(&p, &q);
			else
				bufq_concat_piece(&p, &q, direct);
			model_add(&a, b.bytes, b.n);
			b.n = 0;
		}
		check(&p, &a);
		check(&q, &b);
	}
	bufq_clear(&p);
	bufq_clear(&q);
	assert_int_equal(rte_mempool_in_use_count(direct), 0);
	assert_int_equal(rte_mempool_in_use_count(indirect), 0);
}

static void tiny_segments_share_one_buffer(void **state)
{
	struct bufq q = { 0 };

	for (int i = 0; i < 1000; i++)
		bufq_append(&q, make(1));
	assert_int_equal(q.bytes, 1000);
	assert_int_equal(q.bufs, 1);
	bufq_clear(&q);
}

static void tiny_pieces_share_one_buffer_however_they_lie(void **state)
{
	struct bufq p = { 0 }, q = { 0 }, one = { 0 };

	bufq_append(&p, make(2000));
	for (int i = 0; i < 500; i++) {
		assert_int_equal(bufq_move_piece(&q, &p, 1, direct, indirect), 0);
		bufq_consume(&p, 1);
		assert_int_equal(bufq_move(&one, &p, 1, indirect), 0);
		bufq_concat_piece(&q, &one, direct);
		bufq_append(&one, make(1));
		bufq_concat_piece(&q, &one, direct);
	}
	assert_int_equal(q.bytes, 1500);
	assert_int_equal(q.bufs, 1);
	assert_int_equal(rte_mempool_in_use_count(indirect), 0);
	bufq_clear(&p);
	bufq_clear(&q);
	assert_int_equal(rte_mempool_in_use_count(direct), 0);
}

static void a_shared_tail_is_never_written(void **state)
{
	struct bufq p = { 0 }, q = { 0 };
	uint8_t before, after;

	bufq_append(&p, make(1000));
	bufq_copy_out(&p, 600, &before, 1);
	assert_int_equal(bufq_move(&q, &p, 600, indirect), 0);
	bufq_append(&q, make(10));
	bufq_append(&p, make(10));
	bufq_copy_out(&p, 0, &after, 1);
	assert_int_equal(before, after);
	assert_int_equal(q.bufs, 2);
	assert_int_equal(p.bufs, 2);
	bufq_clear(&p);
	bufq_clear(&q);
	assert_int_equal(rte_mempool_in_use_count(direct), 0);
}

static void without_memory_nothing_moves(void **state)
{
	struct bufq p = { 0 }, q = { 0 };
	struct rte_mbuf *all[4096];
	unsigned int n = 0;

	bufq_append(&p, make(1000));
	while (n < HD_ARRAY_SIZE(all) && (all[n] = rte_pktmbuf_alloc(indirect)) != NULL)
		n++;
	assert_int_equal(bufq_move(&q, &p, 500, indirect), -ENOMEM);
	assert_int_equal(p.bytes, 1000);
	assert_int_equal(q.bytes, 0);
	rte_pktmbuf_free_bulk(all, n);
	bufq_clear(&p);
}

static int setup(void **state)
{
	if (eal_setup("hd_unit_bufq", "64") < 0)
		return -1;
	direct = rte_pktmbuf_pool_create("direct", 2047, 0, PKT_PRIV_SIZE,
					 RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	indirect = rte_pktmbuf_pool_create("indirect", 2047, 0, PKT_PRIV_SIZE, 0, 0);
	return direct != NULL && indirect != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_keep_the_bytes_and_leak_nothing),
		cmocka_unit_test(tiny_segments_share_one_buffer),
		cmocka_unit_test(tiny_pieces_share_one_buffer_however_they_lie),
		cmocka_unit_test(a_shared_tail_is_never_written),
		cmocka_unit_test(without_memory_nothing_moves),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
