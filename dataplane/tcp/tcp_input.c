/* SPDX-License-Identifier: Apache-2.0 */
/* Arrival of segments: the lookup of a burst, and the common case on one page. What is not common
 * goes to tcp_input_slow.c. */
#include <rte_byteorder.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>

#include "core_mbuf.h"
#include "tcp_stack.h"

#define BURST 64
#define ECN_SETUP (PKT_TCP_SYN | PKT_TCP_ECE | PKT_TCP_CWR)
#define IP_ECN_CE 3
#define FULL_SIZED \
	536 /* the default MSS (RFC 9293 3.7.1): no path makes full-sized segments smaller */
#define TIGHT_BUFS \
	64 /* from so many held buffers on, small ones are packed together whatever they cost */

uint32_t tcp_lookup(const struct tcp *t, const struct flow_key *key, uint32_t hash, int *found)
{
	uint16_t signature = tcp_table_signature(hash);

	for (const struct tcp_bucket *b = tcp_table_bucket(&t->table, hash); b != NULL;
	     b = tcp_bucket_next(&t->table, b)) {
		for (uint32_t hit = tcp_bucket_match(b, signature); hit != 0; hit &= hit - 1) {
			uint32_t value = b->value[(uint32_t)__builtin_ctz(hit) / 2];
			const struct flow_key *k = value & TCP_VALUE_WAIT
							   ? &tcp_wait_at(t, value)->key
							   : &tcp_conn_at(t, value)->key;

			hit &= hit - 1; /* two bits a way */
			if (flow_key_eq(k, key)) {
				*found = 1;
				return value;
			}
		}
	}
	*found = 0;
	return 0;
}

#define NO_CANDIDATE UINT32_MAX

/* The first value whose signature fits, with its lines on their way; NO_CANDIDATE: none. */
static uint32_t prefetch_candidate(const struct tcp *t, uint32_t hash)
{
	const struct tcp_bucket *b = tcp_table_bucket(&t->table, hash);
	uint32_t hit = tcp_bucket_match(b, tcp_table_signature(hash)), value;

	if (hit == 0)
		return NO_CANDIDATE;
	value = b->value[(uint32_t)__builtin_ctz(hit) / 2];
	if (value & TCP_VALUE_WAIT) {
		rte_prefetch0(tcp_wait_at(t, value));
		return NO_CANDIDATE;
	}
	rte_prefetch0(tcp_conn_at(t, value));
	rte_prefetch0(&tcp_conn_at(t, value)->tx);
	rte_prefetch0(&tcp_conn_at(t, value)->rx);
	rte_prefetch0(&tcp_conn_at(t, value)->key);
	return value;
}

/* Segments before this one in the burst may have ended the connection, or given its place away. */
static int is_still(const struct tcp *t, uint32_t candidate, const struct flow_key *key)
{
	const struct tcp_conn *c;

	if (hd_unlikely(candidate == NO_CANDIDATE))
		return 0;
	c = tcp_conn_at(t, candidate);
	return c->flags & TCP_F_IN_TABLE && flow_key_eq(&c->key, key);
}

void tcp_segment_init(struct tcp_segment *s, struct rte_mbuf *m, const struct pkt_facts *f)
{
	*s = (struct tcp_segment){ .m = m,
				   .key = f->key,
				   .seq = f->seq,
				   .ack = f->ack,
				   .len = f->payload,
				   .wnd = f->window,
				   .flags = f->flags,
				   .tos = f->tos,
				   .port = f->port };
	tcp_options_parse(&s->opt,
			  rte_pktmbuf_mtod_offset(m, const uint8_t *,
						  f->tcp_offset + sizeof(struct rte_tcp_hdr)),
			  f->data_offset - (uint32_t)sizeof(struct rte_tcp_hdr),
			  (f->flags & PKT_TCP_SYN) != 0);
	if ((f->flags & ECN_SETUP) == ECN_SETUP)
		s->opt.present |= TCP_OPTION_ECN;
	rte_pktmbuf_adj(m, (uint16_t)(f->tcp_offset + f->data_offset));
}

void tcp_segment_cut_front(struct tcp_segment *s, uint32_t n)
{
	s->seq += n;
	s->len -= n;
	for (struct rte_mbuf *m = s->m; m != NULL && n > 0; m = m->next) {
		uint32_t part = u32_min(n, m->data_len);

		m->data_off = (uint16_t)(m->data_off + part);
		m->data_len = (uint16_t)(m->data_len - part);
		n -= part;
	}
}

void tcp_segment_cut_back(struct tcp_segment *s, uint32_t n)
{
	uint32_t keep = s->len - n;

	s->len = keep;
	for (struct rte_mbuf *m = s->m; m != NULL; m = m->next) {
		m->data_len = (uint16_t)u32_min(m->data_len, keep);
		keep -= m->data_len;
	}
}

/* Appends, and holds no more buffers than the bytes are worth: past TIGHT_BUFS what fits the last
 * buffer is copied there. */
static void append(struct bufq *q, struct rte_mbuf *m)
{
	struct rte_mbuf *last = q->tail;

	if (q->bufs >= TIGHT_BUFS && RTE_MBUF_DIRECT(last) && rte_mbuf_refcnt_read(last) == 1 &&
	    rte_pktmbuf_tailroom(last) >= m->data_len) {
		pkt_forget_sum(last);
		memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len),
		       rte_pktmbuf_mtod(m, void *), m->data_len);
		last->data_len = (uint16_t)(last->data_len + m->data_len);
		last->pkt_len = last->data_len;
		q->bytes += m->data_len;
		core_mbuf_free_seg(m);
		return;
	}
	bufq_append(q, m);
}

/* RFC 9293 SHLD-18, RFC 5681 4.2: every second full-sized segment, or as many bytes as two; a burst
 * is answered once (MUST-58). The head of an answer alone is not full-sized: the next request
 * acknowledges head and body. */
static void count_unacked(struct tcp_conn *c, uint32_t bytes)
{
	int is_full = bytes >= u32_min(c->mss, FULL_SIZED);

	if ((is_full && c->unacked & TCP_UNACKED_FULL) || c->rcv_nxt - c->rcv_acked >= 2u * c->mss)
		c->flags |= TCP_F_ACK_NOW;
	/* It came: whether more must, the owner says. */
	if (hd_unlikely(c->flags & TCP_F_ACK_SOON)) {
		c->flags &= ~(uint32_t)TCP_F_ACK_SOON;
		c->delack_us = 0;
	}
	if (c->unacked != 0)
		c->unacked |= TCP_UNACKED_MORE;
	c->unacked |= is_full ? TCP_UNACKED_SOME | TCP_UNACKED_FULL : TCP_UNACKED_SOME;
	c->unacked &= (uint8_t)~TCP_UNACKED_SMALL;
	c->unacked |= bytes < c->mss ? TCP_UNACKED_SMALL : 0;
}

void tcp_input_deliver(struct tcp_conn *c, struct tcp_segment *s)
{
	struct rte_mbuf *m = s->m;

	s->m = NULL;
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		m->nb_segs = 1;
		m->pkt_len = m->data_len;
		if (m->data_len != 0)
			append(&c->rx, m);
		else
			core_mbuf_free_seg(m);
		m = next;
	}
	c->rcv_nxt += s->len;
	c->received += s->len;
	c->rcv_held += s->len;
	count_unacked(c, s->len);
	tcp_conn_queue_output(c);
	tcp_conn_raise(c, TCP_EV_READABLE);
}

/* Headers lie where Ethernet leaves them. */
static uint32_t load_be32(const uint8_t *p)
{
	rte_be32_t v;

	memcpy(&v, p, sizeof(v));
	return rte_be_to_cpu_32(v);
}

/* Header prediction: the segment that everything waits for, on a connection where nothing is wrong.
 */
static int is_predicted(const struct tcp_conn *c, const struct pkt_facts *f, const uint8_t *options)
{
	if (c->state != TCP_ESTABLISHED || (f->flags & ~PKT_TCP_PSH) != PKT_TCP_ACK ||
	    f->seq != c->rcv_nxt || f->ack - c->snd_una > tcp_conn_flight(c) ||
	    f->payload > c->rcv_edge - c->rcv_nxt || c->ooo != NULL)
		return 0;
	if (c->sb != NULL &&
	    (c->sb->state != TCP_OPEN || c->sb->sacked != 0 || c->sb->dupacks != 0))
		return 0;
	if ((f->tos & IP_ECN_CE) == IP_ECN_CE)
		return 0;
	if (f->payload == 0 && f->ack == c->snd_una) /* a duplicate, a probe or a window update */
		return 0;
	if (!(c->flags & TCP_F_TS))
		return f->data_offset == sizeof(struct rte_tcp_hdr);
	return f->data_offset == sizeof(struct rte_tcp_hdr) + TCP_OPTIONS_TS_BYTES &&
	       load_be32(options) == TCP_OPTIONS_TS_WORD &&
	       seq_geq(load_be32(options + 4), c->ts_recent);
}

static void input_predicted(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m,
			    const struct pkt_facts *f, const uint8_t *options)
{
	struct tcp_segment s;

	s.m = m;
	s.seq = f->seq;
	s.ack = f->ack;
	s.len = f->payload;
	s.wnd = (uint32_t)f->window << tcp_conn_scale_peers(c);
	s.flags = f->flags;
	s.opt.n_sack = 0;
	s.opt.present = 0;
	c->heard_ms = t->now_ms;
	if (c->flags & TCP_F_TS) {
		s.opt.present = TCP_OPTION_TS;
		s.opt.tsval = load_be32(options + 4);
		s.opt.tsecr = load_be32(options + 8);
		/* RFC 7323 4.3: of several segments that one ACK answers, the first one's is
		 * echoed. */
		if (seq_leq(s.seq, c->rcv_acked))
			c->ts_recent = s.opt.tsval;
	}
	tcp_ack_input(t, c, &s);
	if (s.len == 0) {
		rte_pktmbuf_free(m);
		return;
	}
	if (c->flags & TCP_F_RELEASED) {
		tcp_input_refuse(t, c, &s);
		rte_pktmbuf_free(m);
		return;
	}
	rte_pktmbuf_adj(m, (uint16_t)(f->tcp_offset + f->data_offset));
	tcp_input_deliver(c, &s);
}

static void input_one(struct tcp *t, struct rte_mbuf *m, uint32_t candidate)
{
	struct pkt_facts *f = pkt_facts(m);
	const uint8_t *options = rte_pktmbuf_mtod_offset(
		m, const uint8_t *, f->tcp_offset + sizeof(struct rte_tcp_hdr));
	uint32_t value = candidate, isn_floor = 0;
	struct tcp_segment s;
	int found = is_still(t, candidate, &f->key);

	if (hd_unlikely(!found))
		value = tcp_lookup(t, &f->key, f->hash, &found);
	if (found && !(value & TCP_VALUE_WAIT)) {
		struct tcp_conn *c = tcp_conn_at(t, value);

		if (hd_unlikely(t->shortage != TCP_BUFFERS_PLENTY) &&
		    tcp_shortage_refuses(t, c, f) && tcp_shortage_drop(t, c, f)) {
			rte_pktmbuf_free(m);
			return;
		}
		if (hd_likely(is_predicted(c, f, options))) {
			input_predicted(t, c, m, f, options);
			return;
		}
		tcp_segment_init(&s, m, f);
		tcp_input_slow(t, c, &s);
	} else {
		tcp_segment_init(&s, m, f);
		if (!found || tcp_wait_input(t, tcp_wait_at(t, value), &s, &isn_floor))
			tcp_listen_input(t, &s, f, isn_floor);
	}
	if (s.m != NULL)
		rte_pktmbuf_free(s.m);
}

void tcp_input_burst(struct tcp *t, struct rte_mbuf **pkts, uint16_t n, hd_ns now)
{
	uint32_t candidates[BURST];

	tcp_set_now(t, now);
	tcp_shortage_look(t);
	for (uint32_t first = 0; first < n; first += BURST) {
		uint32_t end = u32_min(first + BURST, n);

		for (uint32_t i = first; i < end; i++)
			rte_prefetch0(tcp_table_bucket(&t->table, pkt_facts(pkts[i])->hash));
		for (uint32_t i = first; i < end; i++)
			candidates[i - first] = prefetch_candidate(t, pkt_facts(pkts[i])->hash);
		for (uint32_t i = first; i < end; i++)
			input_one(t, pkts[i], candidates[i - first]);
	}
}
