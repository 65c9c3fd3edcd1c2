/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_ranges.h"

void tcp_ranges_init(struct tcp_ranges *o)
{
	o->n = o->bufs = o->clock = 0;
	o->has_fin = 0;
}

void tcp_ranges_clear(struct tcp_ranges *o)
{
	for (uint32_t i = 0; i < o->n; i++)
		bufq_clear(&o->r[i].q);
	tcp_ranges_init(o);
}

/* The first range that ends at or after seq: the one to extend or to insert before. */
static uint32_t find(const struct tcp_ranges *o, uint32_t seq)
{
	uint32_t i = 0;

	while (i < o->n && seq_lt(o->r[i].end, seq))
		i++;
	return i;
}

static void remove_at(struct tcp_ranges *o, uint32_t i)
{
	o->n--;
	memmove(&o->r[i], &o->r[i + 1], (o->n - i) * sizeof(o->r[0]));
}

static void open_at(struct tcp_ranges *o, uint32_t i, uint32_t start)
{
	memmove(&o->r[i + 1], &o->r[i], (o->n - i) * sizeof(o->r[0]));
	o->r[i] = (struct tcp_range){ .start = start, .end = start };
	o->n++;
}

/* Range i grew until it touches the next one. */
static void join_next(struct tcp_ranges *o, uint32_t i)
{
	struct tcp_range *r = &o->r[i];

	if (i + 1 >= o->n || r[1].start != r->end)
		return;
	r->end = r[1].end;
	bufq_concat(&r->q, &r[1].q);
	remove_at(o, i + 1);
}

static void add_bytes(struct tcp_ranges *o, struct tcp_range *r, struct rte_mbuf *m)
{
	uint32_t before = r->q.bufs;

	r->end += m->data_len;
	bufq_append(&r->q, m);
	o->bufs += r->q.bufs - before;
	r->touched = ++o->clock;
}

static enum tcp_ranges_verdict drop(struct rte_mbuf *m, enum tcp_ranges_verdict v)
{
	rte_pktmbuf_free_seg(m);
	return v;
}

enum tcp_ranges_verdict tcp_ranges_insert(struct tcp_ranges *o, uint32_t seq, struct rte_mbuf *m,
					  struct tcp_sack_block *dup)
{
	uint32_t end = seq + m->data_len, i = find(o, seq);
	struct tcp_range *r = &o->r[i];

	/* What an earlier copy holds at the front goes, first copy wins. */
	if (i < o->n && seq_leq(r->start, seq) && seq_lt(seq, r->end)) {
		*dup = (struct tcp_sack_block){ seq, seq_min(end, r->end) };
		if (seq_leq(end, r->end)) {
			r->touched = ++o->clock;
			return drop(m, TCP_RANGES_DUPLICATE);
		}
		rte_pktmbuf_adj(m, (uint16_t)(r->end - seq));
		seq = r->end;
	}
	/* Now seq lies in a gap, or exactly at the end of range i. Up to the next range. */
	int extends = i < o->n && r->end == seq;
	uint32_t above = extends ? i + 1 : i;

	if (above < o->n && seq_lt(o->r[above].start, end)) {
		uint32_t next = o->r[above].start;

		if (dup->start == dup->end)
			*dup = (struct tcp_sack_block){ next, seq_min(end, o->r[above].end) };
		rte_pktmbuf_trim(m, (uint16_t)(end - next));
		end = next;
	}
	if (o->bufs >= TCP_RANGES_MAX_BUFS)
		return drop(m, TCP_RANGES_FULL);
	if (!extends) {
		if (o->n == TCP_RANGES_MAX)
			return drop(m, TCP_RANGES_FULL);
		open_at(o, i, seq);
	}
	add_bytes(o, &o->r[i], m);
	join_next(o, i);
	return TCP_RANGES_STORED;
}

void tcp_ranges_take(struct tcp_ranges *o, uint32_t *rcv_nxt, struct bufq *q)
{
	while (o->n > 0 && seq_leq(o->r[0].start, *rcv_nxt)) {
		struct tcp_range *r = &o->r[0];

		o->bufs -= r->q.bufs;
		if (seq_gt(r->end, *rcv_nxt)) {
			bufq_consume(&r->q, *rcv_nxt - r->start);
			*rcv_nxt = r->end;
			bufq_concat(q, &r->q);
		} else {
			bufq_clear(&r->q);
		}
		remove_at(o, 0);
	}
}

uint32_t tcp_ranges_blocks(const struct tcp_ranges *o, struct tcp_sack_block *out, uint32_t max)
{
	uint32_t n = 0, below = UINT32_MAX;

	while (n < max) {
		const struct tcp_range *best = NULL;

		for (uint32_t i = 0; i < o->n; i++) {
			const struct tcp_range *r = &o->r[i];

			if (r->touched < below && (best == NULL || r->touched > best->touched))
				best = r;
		}
		if (best == NULL)
			break;
		out[n++] = (struct tcp_sack_block){ best->start, best->end };
		below = best->touched;
	}
	return n;
}
