/* SPDX-License-Identifier: Apache-2.0 */
/* Segments: what goes out, and how it is built. Payload leaves by reference to the queued buffers,
 * which are never written while they are queued; little payloads are copied behind the header. */
#include <errno.h>

#include <rte_byteorder.h>

#include "tcp_cookie.h"
#include "core_mbuf.h"
#include "tcp_stack.h"

#define SEGMENTS_PER_TURN 64
#define IP_ECN_ECT0 2
#define COPY_MAX \
	512 /* bytes: cheaper to copy than to refer to; the head of a message in front of its body \
	       is such a piece */
#define PIECES_MAX \
	6 /* references in one segment: what every device takes; such a segment ends early */

struct tcp_header {
	rte_be16_t source, destination;
	rte_be32_t seq, ack;
	uint8_t offset, flags;
	rte_be16_t window, checksum, urgent;
};
_Static_assert(sizeof(struct tcp_header) == 20, "RFC 9293 3.1");

/* One segment to be sent. */
struct out {
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	struct tcp_options opt;
};

/* Nearly always a timestamp and nothing else. */
static uint32_t emit_options(const struct tcp_options *o, uint8_t *out)
{
	const rte_be32_t stamp[3] = { RTE_BE32(TCP_OPTIONS_TS_WORD), rte_cpu_to_be_32(o->tsval),
				      rte_cpu_to_be_32(o->tsecr) };

	if (hd_unlikely(o->present != TCP_OPTION_TS || o->n_sack != 0))
		return tcp_options_emit(o, out);
	memcpy(out, stamp, sizeof(stamp));
	return sizeof(stamp);
}

/* New data takes one straight line from here to transmit; what is seldom calls. */
#define INLINED static inline __attribute__((always_inline))

/* A header of its own in a fresh mbuf, or NULL. */
INLINED struct rte_mbuf *put_header(struct tcp *t, const struct flow_key *key, const struct out *o)
{
	struct rte_mbuf *m = core_mbuf_alloc(t->header, 1);
	struct tcp_header *h;
	uint32_t options;

	if (m == NULL) {
		tcp_count(t, HD_TCP_NO_MBUF);
		return NULL;
	}
	h = rte_pktmbuf_mtod(m, struct tcp_header *);
	options = emit_options(&o->opt, (uint8_t *)(h + 1));
	*h = (struct tcp_header){
		.source = rte_cpu_to_be_16(key->local_port),
		.destination = rte_cpu_to_be_16(key->remote_port),
		.seq = rte_cpu_to_be_32(o->seq),
		.ack = rte_cpu_to_be_32(o->ack),
		.offset = (uint8_t)((sizeof(*h) + options) / 4 << 4),
		.flags = o->flags,
		.window = rte_cpu_to_be_16(o->window),
	};
	m->data_len = (uint16_t)(sizeof(*h) + options);
	m->pkt_len = m->data_len;
	return m;
}

static struct rte_mbuf *build_header(struct tcp *t, const struct flow_key *key, const struct out *o)
{
	return put_header(t, key, o);
}

static void transmit_as(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m, uint8_t ecn)
{
	t->sent++;
	if (hd_unlikely(t->ops->xmit(t->ctx, m, &c->key, &c->path, t->config.tos | ecn, -1)))
		t->busy |= 1u << c->path.port;
}

static void transmit(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	transmit_as(t, c, m, 0);
}

/* RFC 9293 3.8.6.2.2 and RFC 7323 2.4. The promised edge moves only by what is worth telling and
 * never back; what rounding to the scale hides is accepted all the same. */
uint16_t tcp_output_window(struct tcp_conn *c)
{
	uint32_t buffer = tcp_receive_buffer(c), scale = tcp_conn_scale_ours(c);
	uint32_t room = buffer - u32_min(buffer, c->rcv_held), offered = c->rcv_edge - c->rcv_nxt;

	if (room > offered && room - offered >= u32_min(c->mss, buffer / 2)) {
		offered = u32_min(room, (uint32_t)UINT16_MAX << scale) >> scale << scale;
		c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt + offered);
	}
	return (uint16_t)u32_min((c->rcv_edge - c->rcv_nxt) >> scale, UINT16_MAX);
}

static void fill(struct tcp *t, struct tcp_conn *c, struct out *o, uint32_t seq, uint8_t flags)
{
	o->seq = seq;
	o->ack = c->rcv_nxt;
	o->flags = flags | PKT_TCP_ACK;
	o->window = tcp_output_window(c);
	o->opt.present = o->opt.n_sack = 0;
	if (c->flags & TCP_F_ECE_OWED)
		o->flags |= PKT_TCP_ECE;
	if (c->flags & TCP_F_TS) {
		o->opt.present = TCP_OPTION_TS;
		o->opt.tsval = tcp_timestamp(t, c->ts_offset);
		o->opt.tsecr = c->ts_recent;
	}
}

/* RFC 2018 4, RFC 2883 4: a duplicate first, then the ranges, the newest first. */
static void fill_sack(const struct tcp_conn *c, struct out *o, const struct tcp_sack_block *dup)
{
	if (!(c->flags & TCP_F_SACK))
		return;
	if (dup != NULL && dup->start != dup->end)
		o->opt.sack[o->opt.n_sack++] = *dup;
	if (c->ooo != NULL)
		o->opt.n_sack += (uint8_t)tcp_ranges_blocks(c->ooo, &o->opt.sack[o->opt.n_sack],
							    TCP_OPTIONS_MAX_SACK - o->opt.n_sack);
}

/* A segment with an ACK left: nothing is owed any more. */
static void acked(struct tcp_conn *c)
{
	c->rcv_acked = c->rcv_nxt;
	c->unacked = 0;
	c->delack_us = 0;
	c->flags &= ~(uint32_t)(TCP_F_ACK_NOW | TCP_F_ACK_SOON);
}

void tcp_output_ack(struct tcp *t, struct tcp_conn *c, const struct tcp_sack_block *dup)
{
	struct rte_mbuf *m;
	struct out o;

	fill(t, c, &o, c->snd_nxt, 0);
	fill_sack(c, &o, dup);
	m = build_header(t, &c->key, &o);
	if (m == NULL) {
		c->flags |= TCP_F_ACK_NOW;
		tcp_conn_queue_output(c);
		return;
	}
	acked(c);
	transmit(t, c, m);
}

void tcp_output_probe(struct tcp *t, struct tcp_conn *c)
{
	struct rte_mbuf *m;
	struct out o;

	/* SND.UNA - 1 is left of every window: whoever lives must answer (RFC 9293 3.10.7.4). */
	fill(t, c, &o, c->snd_una - 1, 0);
	m = build_header(t, &c->key, &o);
	if (m != NULL)
		transmit(t, c, m);
}

void tcp_output_reset(struct tcp *t, struct tcp_conn *c)
{
	struct rte_mbuf *m;
	struct out o;

	fill(t, c, &o, c->snd_nxt, PKT_TCP_RST);
	o.flags &= (uint8_t)~PKT_TCP_ECE;
	o.opt.n_sack = 0;
	m = build_header(t, &c->key, &o);
	if (m != NULL)
		transmit(t, c, m);
	tcp_count(t, HD_TCP_RESETS_SENT);
}

void tcp_output_syn(struct tcp *t, struct tcp_conn *c)
{
	int answers = c->state == TCP_SYN_RECEIVED;
	uint32_t window =
		u32_min(t->config.rcv_buffer, UINT16_MAX); /* never scaled (RFC 7323 2.2) */
	struct rte_mbuf *m;
	struct out o = { .seq = c->snd_una,
			 .ack = answers ? c->rcv_nxt : 0,
			 .window = (uint16_t)window };

	o.flags = answers ? PKT_TCP_SYN | PKT_TCP_ACK : PKT_TCP_SYN;
	if (answers && c->flags & TCP_F_ECN)
		o.flags |= PKT_TCP_ECE;
	else if (!answers && t->config.ecn == TCP_ECN_ASK && !(c->flags & TCP_F_SYN_RESENT))
		o.flags |= PKT_TCP_ECE | PKT_TCP_CWR;
	o.opt.present = TCP_OPTION_MSS;
	o.opt.mss = tcp_conn_advertised_mss(c);
	o.opt.present |= c->flags & TCP_F_TS ? TCP_OPTION_TS : 0;
	o.opt.tsval = tcp_timestamp(t, c->ts_offset);
	o.opt.tsecr = answers ? c->ts_recent : 0;
	o.opt.present |= c->flags & TCP_F_SACK ? TCP_OPTION_SACK_OK : 0;
	o.opt.present |= c->flags & TCP_F_SCALE ? TCP_OPTION_SCALE : 0;
	o.opt.scale = t->scale;
	if (!(c->flags & TCP_F_SYN_RESENT))
		c->syn_sent_us = tcp_deadline(t->now_us);
	m = build_header(t, &c->key, &o);
	if (m != NULL) {
		if (answers)
			acked(c);
		transmit(t, c, m);
	}
	tcp_timers_set_rtx_at(t, c, TCP_RTX_TIMEOUT, tcp_timers_rto_us(t, c));
}

void tcp_output_cookie(struct tcp *t, const struct tcp_segment *syn, struct flow_path *path,
		       uint32_t cookie)
{
	struct rte_mbuf *m;
	struct out o = { .seq = cookie, .ack = syn->seq + 1, .flags = PKT_TCP_SYN | PKT_TCP_ACK };
	uint8_t offered = syn->opt.present;

	o.window = (uint16_t)u32_min(t->config.rcv_buffer, UINT16_MAX);
	o.opt.present = TCP_OPTION_MSS;
	o.opt.mss = tcp_path_mss(path, &syn->key);
	if (offered & TCP_OPTION_TS) { /* without a timestamp there is no place for the others */
		uint32_t offset = tcp_isn_timestamp_offset(t->config.secret, &syn->key);

		o.opt.present |= offered & (TCP_OPTION_TS | TCP_OPTION_SACK_OK | TCP_OPTION_SCALE);
		o.opt.tsval = tcp_cookie_timestamp(tcp_timestamp(t, offset), &syn->opt);
		o.opt.tsecr = syn->opt.tsval;
		o.opt.scale = t->scale;
		if (offered & TCP_OPTION_ECN && t->config.ecn != TCP_ECN_OFF)
			o.flags |= PKT_TCP_ECE;
	}
	m = build_header(t, &syn->key, &o);
	if (m == NULL)
		return;
	t->sent++;
	t->ops->xmit(t->ctx, m, &syn->key, path, t->config.tos, -1);
}

void tcp_output_reset_for(struct tcp *t, const struct tcp_segment *s)
{
	struct flow_path path = flow_path_reply(s->port);
	struct rte_mbuf *m;
	struct out o = { .flags = PKT_TCP_RST };

	if (s->flags & PKT_TCP_RST)
		return;
	if (s->flags & PKT_TCP_ACK) {
		o.seq = s->ack;
	} else {
		o.ack = s->seq + s->len + !!(s->flags & PKT_TCP_SYN) + !!(s->flags & PKT_TCP_FIN);
		o.flags |= PKT_TCP_ACK;
	}
	m = build_header(t, &s->key, &o);
	if (m == NULL)
		return;
	tcp_count(t, HD_TCP_RESETS_SENT);
	t->sent++;
	t->ops->xmit(t->ctx, m, &s->key, &path, t->config.tos, -1);
}

void tcp_output_wait_ack(struct tcp *t, struct tcp_wait *w)
{
	struct rte_mbuf *m;
	struct out o = { .seq = w->snd_nxt,
			 .ack = w->rcv_nxt,
			 .flags = PKT_TCP_ACK,
			 .window = (uint16_t)w->window };

	if (w->has_ts) {
		o.opt.present = TCP_OPTION_TS;
		o.opt.tsval = tcp_timestamp(t, w->ts_offset);
		o.opt.tsecr = w->ts_recent;
	}
	m = build_header(t, &w->key, &o);
	if (m == NULL)
		return;
	t->sent++;
	t->ops->xmit(t->ctx, m, &w->key, &w->path, t->config.tos, -1);
}

/* A place in the send queue. */
struct place {
	struct rte_mbuf *m;
	uint32_t off;
};

/* To the buffer that holds the next byte: a place at the end of one moves on when another follows.
 */
static void settle(const struct bufq *q, struct place *p)
{
	if (p->m == NULL)
		*p = (struct place){ q->head, 0 };
	while (p->m != NULL && p->off == p->m->data_len && p->m->next != NULL)
		*p = (struct place){ p->m->next, 0 };
}

static struct place place_of(const struct bufq *q, uint32_t offset)
{
	struct place p = { q->head, offset };

	while (p.m != NULL && p.off >= p.m->data_len && p.m->next != NULL) {
		p.off -= p.m->data_len;
		p.m = p.m->next;
	}
	return p;
}

/* How many of n bytes are copied behind the header: all when they are few, else the little that is
 * left of the buffer they begin in. */
static uint32_t copied_bytes(const struct rte_mbuf *m, const struct bufq *q, struct place *p,
			     uint32_t n)
{
	if (hd_unlikely(rte_pktmbuf_tailroom(m) < COPY_MAX))
		return 0;
	if (n <= COPY_MAX)
		return n;
	settle(q, p);
	return p->m->data_len - p->off <= COPY_MAX ? p->m->data_len - p->off : 0;
}

/* Copies n bytes behind the header. The caller saw that they fit. */
static void copy_payload(struct rte_mbuf *m, const struct bufq *q, struct place *p, uint32_t n)
{
	uint8_t *to = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);

	m->data_len = (uint16_t)(m->data_len + n);
	m->pkt_len += n;
	while (n > 0) {
		settle(q, p);

		uint32_t part = u32_min(n, p->m->data_len - p->off);

		memcpy(to, rte_pktmbuf_mtod_offset(p->m, uint8_t *, p->off), part);
		to += part;
		p->off += part;
		n -= part;
	}
}

/* Chains references to up to n bytes; returns how many it could. */
static uint32_t refer_payload(struct tcp *t, struct rte_mbuf *m, const struct bufq *q,
			      struct place *p, uint32_t n)
{
	struct rte_mbuf *last = m;
	uint32_t done = 0;

	for (int pieces = 0; done < n && pieces < PIECES_MAX; pieces++) {
		struct rte_mbuf *r = core_mbuf_alloc(t->indirect, 0);

		if (r == NULL) {
			tcp_count(t, HD_TCP_NO_MBUF);
			break;
		}
		settle(q, p);

		uint32_t part = u32_min(n - done, p->m->data_len - p->off);

		rte_pktmbuf_attach(r, p->m);
		r->data_off = (uint16_t)(r->data_off + p->off);
		r->data_len = (uint16_t)part;
		r->pkt_len = part;
		r->next = NULL;
		last->next = r;
		last = r;
		m->nb_segs++;
		m->pkt_len += part;
		p->off += part;
		done += part;
	}
	return done;
}

/* A data segment from place p, which moves on; returns the payload's bytes (maybe fewer than
 * asked), or -1. PSH and FIN in last_flags go only on a segment that took everything. is_new: RFC
 * 3168 6.1.5, what is sent again is not ECT. */
INLINED int32_t send_data(struct tcp *t, struct tcp_conn *c, uint32_t seq, struct place *p,
			  uint32_t want, uint8_t last_flags, int is_new)
{
	struct rte_mbuf *m;
	struct out o;
	uint32_t done, n;

	fill(t, c, &o, seq, 0);
	if (c->ooo != NULL)
		fill_sack(c, &o, NULL);
	n = u32_min(want, c->mss);
	if (o.opt.n_sack !=
	    0) /* RFC 9293 MUST-16: c->mss has paid for the timestamp, not for these */
		n = u32_min(want, c->mss + (c->flags & TCP_F_TS ? TCP_OPTIONS_TS_BYTES : 0u) -
					  tcp_options_bytes(&o.opt));
	m = put_header(t, &c->key, &o);
	if (m == NULL)
		return -1;
	done = copied_bytes(m, &c->tx, p, n);
	if (done != 0)
		copy_payload(m, &c->tx, p, done);
	if (done < n)
		done += refer_payload(t, m, &c->tx, p, n - done);
	if (done == 0 && n != 0) {
		rte_pktmbuf_free(m);
		return -1;
	}
	if (done == want)
		rte_pktmbuf_mtod(m, struct tcp_header *)->flags |= last_flags;
	if (is_new && c->flags & TCP_F_CWR_DUE) {
		rte_pktmbuf_mtod(m, struct tcp_header *)->flags |= PKT_TCP_CWR;
		c->flags &= ~(uint32_t)TCP_F_CWR_DUE;
	}
	acked(c);
	transmit_as(t, c, m, is_new && done != 0 && c->flags & TCP_F_ECN ? IP_ECN_ECT0 : 0);
	return (int32_t)done;
}

/* What the peer's window leaves above seq. */
static uint32_t usable_window(const struct tcp_conn *c, uint32_t seq)
{
	uint32_t edge = c->snd_una + c->snd_wnd;

	return seq_gt(edge, seq) ? edge - seq : 0;
}

/* A record once more, at most `limit` bytes of its payload. 0 or -ENOBUFS. */
static int resend(struct tcp *t, struct tcp_conn *c, struct tcp_sent *s, uint32_t limit)
{
	uint32_t fin = (s->flags & TCP_SENT_FIN) != 0, left = s->len - fin, seq = s->seq;
	struct place p = place_of(&c->tx, seq - c->snd_una);
	uint8_t flags = PKT_TCP_PSH | (fin ? PKT_TCP_FIN : 0);
	int whole = limit >= s->len;

	if (!whole && left > limit) {
		left = limit;
		flags = PKT_TCP_PSH;
	}
	do { /* more than one segment when the MSS became smaller meanwhile */
		int32_t n = send_data(t, c, seq, &p, left, flags, 0);

		if (n < 0)
			return -ENOBUFS;
		seq += (uint32_t)n;
		left -= (uint32_t)n;
	} while (left > 0);
	tcp_recovery_sent(t, c, s->len, 1);
	if (whole)
		tcp_scoreboard_resent(c->sb, s, t->now_us);
	else
		s->flags |= TCP_SENT_AGAIN;
	return 0;
}

void tcp_output_resend_first(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_sent *s;

	if (c->sb == NULL || c->sb->n == 0)
		return;
	s = tcp_scoreboard_at(c->sb, 0);
	/* RFC 9293 3.8.6: into a window that shrank goes what fits, and one byte into one that is
	 * shut. */
	if (resend(t, c, s, u32_max(usable_window(c, s->seq), 1)) != 0)
		tcp_conn_queue_output(c);
}

enum step { STEP_SENT, STEP_DONE, STEP_NO_MEMORY };

/* Room for one more record. */
static int reserve_record(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_scoreboard *b = tcp_conn_scoreboard(c);
	struct tcp_sent *storage, *left;
	int small;

	if (b == NULL)
		return -ENOBUFS;
	if (!tcp_scoreboard_is_full(b))
		return 0;
	small = b->mask + 1 == TCP_SCOREBOARD_SMALL;
	if (b->mask + 1 == TCP_SCOREBOARD_MAX)
		return -EAGAIN;
	storage = core_pool_get(small ? &t->medium : &t->large);
	if (storage == NULL)
		return -EAGAIN;
	left = tcp_scoreboard_grow(b, storage, small ? TCP_SCOREBOARD_MEDIUM : TCP_SCOREBOARD_MAX);
	if (left != NULL)
		core_pool_put(&t->medium, left);
	return 0;
}

/* RFC 5681 4.1: after a pause the window says nothing about the network as it is now. */
static void restart_after_idle(struct tcp *t, struct tcp_conn *c)
{
	uint32_t initial = tcp_cc_initial_window(c->mss);

	if (c->cc.cwnd <= initial)
		return;
	if (c->cc.ssthresh != TCP_CC_SSTHRESH_NONE)
		c->cc.ssthresh = u32_max(c->cc.ssthresh, c->cc.cwnd / 4 * 3);
	c->cc.cwnd = initial;
	memset(c->sb->cc, 0, sizeof(c->sb->cc));
}

/* The pause lasted longer than a timeout: then the scoreboard is gone, or about to go. Or the
 * peer's window was shut: without ACKs to clock it the whole window would leave at once. */
static int was_idle(const struct tcp *t, const struct tcp_conn *c)
{
	if (c->rtx_us != 0 && c->rtx_kind == TCP_RTX_PERSIST)
		return 1;
	if (c->sb == NULL)
		return 1;
	if (c->sb->n != 0 || (t->now_ms - c->sb->sent_ms) * 1000 < t->rto.min_us)
		return 0; /* sooner than any timeout: nothing to compute */
	return t->now_ms - c->sb->sent_ms > tcp_timers_rto_us(t, c) / 1000;
}

/* The next n bytes that were never sent, and the FIN when it is due and all else is sent. */
INLINED enum step send_next(struct tcp *t, struct tcp_conn *c, uint32_t n, int with_fin)
{
	struct place p = { c->tx_buf, c->tx_off };
	uint32_t unsent = tcp_conn_unsent(c);
	uint8_t flags = (n == unsent ? PKT_TCP_PSH : 0) | (with_fin ? PKT_TCP_FIN : 0);
	int idle = was_idle(t, c), rc = reserve_record(t, c);
	int32_t sent;

	if (rc != 0)
		return rc == -ENOBUFS ? STEP_NO_MEMORY : STEP_DONE;
	if (idle)
		restart_after_idle(t, c);
	if (c->sb->n == 0)
		c->sb->progress_ms = t->now_ms;
	sent = send_data(t, c, c->snd_nxt, &p, n, flags, 1);
	if (sent < 0)
		return STEP_NO_MEMORY;
	with_fin = with_fin && (uint32_t)sent == n;
	c->tx_buf = p.m;
	c->tx_off = p.off;
	tcp_scoreboard_push(c->sb, c->snd_nxt, (uint32_t)sent + (uint32_t)with_fin,
			    with_fin ? TCP_SENT_FIN : 0, t->now_us);
	tcp_recovery_sent(t, c, (uint32_t)sent, 0);
	c->snd_nxt += (uint32_t)sent + (uint32_t)with_fin;
	c->sb->sent_ms = t->now_ms;
	if (with_fin) {
		c->flags |= TCP_F_FIN_SENT;
		c->state = c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT_1;
		c->state_ms = 0;
	}
	return STEP_SENT;
}

static enum step send_new(struct tcp *t, struct tcp_conn *c, uint32_t n, int with_fin)
{
	return send_next(t, c, n, with_fin);
}

/* RFC 6928 2 means ten segments, also when some are small: nothing is known of the path yet. */
static int is_first_flight_full(const struct tcp_conn *c)
{
	const struct tcp_scoreboard *b = c->sb;

	return c->acked == 0 && b != NULL &&
	       b->n >= TCP_CC_INITIAL_SEGMENTS + b->sacked_records + b->dupacks;
}

/* New data within the peer's window and ours (RFC 9293 3.8.6.2.1 without Nagle's delay, RFC 5681).
 */
static enum step step_new(struct tcp *t, struct tcp_conn *c)
{
	uint32_t unsent = tcp_conn_unsent(c), usable = usable_window(c, c->snd_nxt),
		 n = u32_min(unsent, c->mss), pipe;
	int fin = (c->flags & (TCP_F_FIN_WANTED | TCP_F_FIN_SENT)) == TCP_F_FIN_WANTED;

	if (unsent == 0 && !fin)
		return STEP_DONE;
	if (n > usable || usable == 0) {
		if (usable == 0 || usable < c->snd_wnd_max / 2) {
			c->flags |= TCP_F_WINDOW_SMALL;
			return STEP_DONE;
		}
		n = usable;
	}
	pipe = tcp_recovery_pipe(c);
	if ((pipe != 0 && pipe + n > c->cc.cwnd) || is_first_flight_full(c)) {
		c->flags |= TCP_F_CWND_LIMITED;
		return STEP_DONE;
	}
	return send_next(t, c, n, fin && n == unsent && n < usable);
}

/* What is deemed lost, in order. */
static enum step step_lost(struct tcp *t, struct tcp_conn *c, struct tcp_sent *s)
{
	uint32_t pipe = tcp_recovery_pipe(c);

	if (pipe != 0 && pipe + s->len > c->cc.cwnd) {
		c->flags |= TCP_F_CWND_LIMITED;
		return STEP_DONE;
	}
	if (usable_window(c, s->seq) < s->len) {
		c->flags |= TCP_F_WINDOW_SMALL;
		return STEP_DONE;
	}
	return resend(t, c, s, s->len) == 0 ? STEP_SENT : STEP_NO_MEMORY;
}

static enum step step(struct tcp *t, struct tcp_conn *c)
{
	if (c->sb != NULL && c->sb->lost != 0)
		return step_lost(t, c, tcp_scoreboard_first_lost(c->sb));
	return step_new(t, c);
}

static int is_all_sent(const struct tcp_conn *c)
{
	return tcp_conn_unsent(c) == 0 && (c->sb == NULL || c->sb->lost == 0) &&
	       (c->flags & (TCP_F_FIN_WANTED | TCP_F_FIN_SENT)) != TCP_F_FIN_WANTED;
}

/* What is made now would be dropped behind us, and look like congestion of the network. */
static int is_port_busy(const struct tcp *t, const struct tcp_conn *c)
{
	return hd_unlikely(t->busy != 0) && t->busy >> c->path.port & 1;
}

/* All data and FIN that may go now. -EBUSY: the port takes nothing, so nothing was sent. */
static int send_stream(struct tcp *t, struct tcp_conn *c)
{
	uint32_t before = c->snd_nxt;
	enum step result = STEP_SENT;
	uint32_t n;

	c->flags &= ~(uint32_t)(TCP_F_CWND_LIMITED | TCP_F_WINDOW_SMALL);
	if (is_all_sent(c))
		return 0;
	for (n = 0; n < SEGMENTS_PER_TURN && result == STEP_SENT && !is_port_busy(t, c); n++) {
		result = step(t, c);
		if (result == STEP_SENT && is_all_sent(c))
			result = STEP_DONE;
	}
	if (hd_unlikely(n == 0))
		return -EBUSY;
	if (c->rtx_us == 0 || (before != c->snd_nxt &&
			       (c->rtx_kind == TCP_RTX_PROBE || c->rtx_kind == TCP_RTX_PERSIST)))
		tcp_timers_set_rtx(t, c);
	return result == STEP_NO_MEMORY ? -ENOBUFS : result == STEP_SENT ? -EAGAIN : 0;
}

int tcp_output(struct tcp *t, struct tcp_conn *c)
{
	int rc;

	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED) {
		if (c->rtx_us == 0)
			tcp_output_syn(t, c);
		return 0;
	}
	if (c->state == TCP_CLOSED)
		return 0;
	rc = send_stream(t, c);
	if (c->flags & TCP_F_ACK_NOW)
		tcp_output_ack(t, c, NULL);
	else if (c->unacked != 0)
		tcp_timers_set_delack(t, c);
	return rc;
}

void tcp_output_override(struct tcp *t, struct tcp_conn *c)
{
	uint32_t n = u32_min(u32_min(tcp_conn_unsent(c), c->mss), usable_window(c, c->snd_nxt));

	if (n != 0)
		send_new(t, c, n, 0);
	else
		tcp_conn_queue_output(c);
	if (c->snd_una != c->snd_nxt)
		tcp_timers_set_rtx(t, c);
}

void tcp_output_loss_probe(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_scoreboard *b = c->sb;
	uint32_t n = u32_min(tcp_conn_unsent(c), c->mss);

	if (b == NULL || b->n == 0)
		return;
	b->probe_was_again =
		n == 0 || usable_window(c, c->snd_nxt) < n || send_new(t, c, n, 0) != STEP_SENT;
	if (b->probe_was_again && resend(t, c, tcp_scoreboard_at(b, b->n - 1u), UINT32_MAX) != 0) {
		/* No buffer for a probe: what is in flight still needs its timer. */
		tcp_timers_set_rtx_at(t, c, TCP_RTX_TIMEOUT, tcp_timers_rto_us(t, c));
		return;
	}
	b->probe_out = 1;
	b->probe_end = c->snd_nxt;
	tcp_count(t, HD_TCP_TAIL_PROBES);
	tcp_timers_set_rtx_at(t, c, TCP_RTX_TIMEOUT, tcp_timers_rto_us(t, c));
}

void tcp_output_acked(struct tcp_conn *c, uint32_t n)
{
	struct rte_mbuf *m = c->tx.head;
	uint32_t left = n;

	/* The place of SND.NXT is kept where it is while buffers leave in front of it. */
	for (; m != NULL && left >= m->data_len; m = m->next) {
		left -= m->data_len;
		if (c->tx_buf == m) {
			c->tx_buf = m->next;
			c->tx_off = 0;
		}
	}
	if (m != NULL && c->tx_buf == m)
		c->tx_off -= left;
	bufq_consume(&c->tx, n);
	c->t->queued -= n;
}
