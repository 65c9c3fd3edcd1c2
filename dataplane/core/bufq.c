/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "bufq.h"
#include "core_mbuf.h"

#define SMALL_BYTES                                                                           \
	256 /* at most this is copied rather than referenced: less than what an indirect mbuf \
	       costs */

static void push(struct bufq *q, struct rte_mbuf *m)
{
	m->next = NULL;
	if (q->tail == NULL)
		q->head = m;
	else
		q->tail->next = m;
	q->tail = m;
	q->bytes += m->data_len;
	q->bufs++;
}

static void set_len(struct rte_mbuf *m, uint32_t n)
{
	m->data_len = (uint16_t)n;
	m->pkt_len = n;
}

/* Whether n bytes may be written behind m's: nobody else sees its memory, and there is room. */
static int has_room(const struct rte_mbuf *m, uint32_t n)
{
	return m != NULL && RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 &&
	       rte_pktmbuf_tailroom(m) >= n;
}

static void write_tail(struct bufq *q, const void *data, uint32_t n)
{
	struct rte_mbuf *m = q->tail;

	pkt_forget_sum(m);
	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), data, n);
	set_len(m, m->data_len + n);
	q->bytes += n;
}

void bufq_append(struct bufq *q, struct rte_mbuf *m)
{
	if (m->data_len <= SMALL_BYTES && has_room(q->tail, m->data_len)) {
		write_tail(q, rte_pktmbuf_mtod(m, const void *), m->data_len);
		core_mbuf_free_seg(m);
		return;
	}
	m->nb_segs = 1;
	m->pkt_len = m->data_len;
	push(q, m);
}

void bufq_concat(struct bufq *dst, struct bufq *src)
{
	if (src->head == NULL)
		return;
	if (dst->tail == NULL)
		dst->head = src->head;
	else
		dst->tail->next = src->head;
	dst->tail = src->tail;
	dst->bytes += src->bytes;
	dst->bufs += src->bufs;
	bufq_init(src);
}

static struct rte_mbuf *pop(struct bufq *q)
{
	struct rte_mbuf *m = q->head;

	q->head = m->next;
	if (q->head == NULL)
		q->tail = NULL;
	q->bytes -= m->data_len;
	q->bufs--;
	m->next = NULL;
	return m;
}

static void trim_head(struct bufq *q, uint32_t n)
{
	struct rte_mbuf *m = q->head;

	m->data_off += (uint16_t)n;
	set_len(m, m->data_len - n);
	q->bytes -= n;
}

/* Splits the head of src so that exactly n of its bytes are reachable through a buffer of their
 * own. */
static struct rte_mbuf *share_front(struct rte_mbuf *m, uint32_t n, struct rte_mempool *indirect)
{
	struct rte_mbuf *ref = core_mbuf_alloc(indirect, 0);

	if (ref == NULL)
		return NULL;
	rte_pktmbuf_attach(ref, m);
	ref->next = NULL;
	ref->nb_segs = 1;
	set_len(ref, n);
	return ref;
}

/* Where a move ends: the buffers that move whole come first, then `*part` bytes of the one
 * returned. */
static struct rte_mbuf *find_cut(const struct bufq *q, uint32_t n, struct rte_mbuf **before,
				 uint32_t *part)
{
	struct rte_mbuf *m = q->head;

	*before = NULL;
	for (; m != NULL && n >= m->data_len; m = m->next) {
		n -= m->data_len;
		*before = m;
	}
	*part = n;
	return m;
}

static void move_whole(struct bufq *dst, struct bufq *src, const struct rte_mbuf *cut)
{
	while (src->head != cut)
		push(dst, pop(src));
}

int bufq_move(struct bufq *dst, struct bufq *src, uint32_t n, struct rte_mempool *indirect)
{
	struct rte_mbuf *before, *ref;
	uint32_t part;
	struct rte_mbuf *cut = find_cut(src, n, &before, &part);

	if (part == 0) {
		move_whole(dst, src, cut);
		return 0;
	}
	if (part <= SMALL_BYTES && has_room(before != NULL ? before : dst->tail, part)) {
		move_whole(dst, src, cut);
		write_tail(dst, rte_pktmbuf_mtod(cut, const void *), part);
		trim_head(src, part);
		return 0;
	}
	ref = share_front(cut, part, indirect);
	if (ref == NULL)
		return -ENOMEM;
	move_whole(dst, src, cut);
	push(dst, ref);
	trim_head(src, part);
	return 0;
}

void bufq_consume(struct bufq *q, uint32_t n)
{
	while (n > 0 && n >= q->head->data_len) {
		n -= q->head->data_len;
		core_mbuf_free_seg(pop(q));
	}
	if (n > 0)
		trim_head(q, n);
}

/* Room for n bytes at the end of q. 0 or -ENOMEM. */
static int make_room(struct bufq *q, uint32_t n, struct rte_mempool *pool)
{
	struct rte_mbuf *m;

	if (has_room(q->tail, n))
		return 0;
	m = core_mbuf_alloc(pool, 1);
	if (m == NULL)
		return -ENOMEM;
	push(q, m);
	return 0;
}

/* n bytes (at most SMALL_BYTES) from the front of src into the room at the end of dst. */
static void copy_front(struct bufq *dst, struct bufq *src, uint32_t n)
{
	uint8_t bytes[SMALL_BYTES];

	bufq_copy_out(src, 0, bytes, n);
	write_tail(dst, bytes, n);
	bufq_consume(src, n);
}

/* What lies alone in a buffer with room stays there: the next pieces join it. */
void bufq_concat_piece(struct bufq *dst, struct bufq *src, struct rte_mempool *bufs)
{
	uint32_t n = src->bytes;

	if (n > 0 && n <= SMALL_BYTES &&
	    (has_room(dst->tail, n) || src->bufs > 1 || !has_room(src->head, SMALL_BYTES)) &&
	    make_room(dst, n, bufs) == 0)
		copy_front(dst, src, n);
	else
		bufq_concat(dst, src);
}

int bufq_move_piece(struct bufq *dst, struct bufq *src, uint32_t n, struct rte_mempool *bufs,
		    struct rte_mempool *indirect)
{
	if (n == 0 || n > SMALL_BYTES || n == src->head->data_len)
		return bufq_move(dst, src, n, indirect);
	if (make_room(dst, n, bufs) < 0)
		return -ENOMEM;
	copy_front(dst, src, n);
	return 0;
}

void bufq_truncate(struct bufq *q, uint32_t n)
{
	struct bufq kept = { 0 };

	while (n > 0 && n >= q->head->data_len) {
		n -= q->head->data_len;
		push(&kept, pop(q));
	}
	if (n > 0) {
		struct rte_mbuf *cut = pop(q);
		set_len(cut, n);
		push(&kept, cut);
	}
	bufq_clear(q);
	*q = kept;
}

void bufq_clear(struct bufq *q)
{
	while (q->head != NULL)
		core_mbuf_free_seg(pop(q));
}

void bufq_copy_out(const struct bufq *q, uint32_t offset, void *out, uint32_t n)
{
	const struct rte_mbuf *m = q->head;
	uint8_t *to = out;

	for (; n > 0 && offset >= m->data_len; m = m->next)
		offset -= m->data_len;
	while (n > 0) {
		uint32_t k = RTE_MIN(m->data_len - offset, n);
		memcpy(to, rte_pktmbuf_mtod_offset(m, const uint8_t *, offset), k);
		to += k;
		n -= k;
		offset = 0;
		m = m->next;
	}
}

/* Fresh empty buffers for n bytes in all. */
static int alloc_for(struct bufq *q, uint32_t n, struct rte_mempool *pool)
{
	while (n > 0) {
		struct rte_mbuf *m = core_mbuf_alloc(pool, 1);
		if (m == NULL) {
			bufq_clear(q);
			return -ENOMEM;
		}
		set_len(m, RTE_MIN((uint32_t)rte_pktmbuf_tailroom(m), n));
		n -= m->data_len;
		push(q, m);
	}
	return 0;
}

int bufq_copy_in(struct bufq *q, const void *data, uint32_t n, struct rte_mempool *pool)
{
	struct bufq fresh = { 0 };
	const uint8_t *from = data;

	if (has_room(q->tail, n)) {
		write_tail(q, data, n);
		return 0;
	}
	if (alloc_for(&fresh, n, pool) < 0)
		return -ENOMEM;
	for (struct rte_mbuf *m = fresh.head; m != NULL; from += m->data_len, m = m->next)
		memcpy(rte_pktmbuf_mtod(m, void *), from, m->data_len);
	bufq_concat(q, &fresh);
	return 0;
}
