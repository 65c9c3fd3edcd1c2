/* SPDX-License-Identifier: Apache-2.0 */
/* Records of an open connection: RFC 8446 5, RFC 5246 6.2, RFC 5288, RFC 7905. */
#include <errno.h>

#include "core_mbuf.h"
#include "tls_conn.h"

#define EXPLICIT_MAX 8
/* Records up to this size are made in one buffer: to copy them there costs less than a cipher that
 * goes on from piece to piece. */
#define ONE_BUFFER 2048

int tls_header_read(const struct bufq *in, struct tls_header *h)
{
	uint8_t b[TLS_HEADER_BYTES];

	if (in->bytes < sizeof(b))
		return 0;
	bufq_copy_out(in, 0, b, sizeof(b));
	h->type = b[0];
	h->version = (uint16_t)(b[1] << 8 | b[2]);
	h->bytes = (uint32_t)(b[3] << 8 | b[4]) + TLS_HEADER_BYTES;
	return 1;
}

static void put_header(uint8_t *to, uint8_t type, uint32_t n)
{
	to[0] = type;
	to[1] = 0x03;
	to[2] = 0x03;
	to[3] = (uint8_t)(n >> 8);
	to[4] = (uint8_t)n;
}

static void put_be64(uint8_t *to, uint64_t v)
{
	uint64_t be = __builtin_bswap64(v);

	memcpy(to, &be, sizeof(be));
}

/* RFC 8446 5.3, RFC 7905 2: the sequence number XORed into the IV. RFC 5288 3: four bytes of the
 * key block, then the explicit ones, which on our side are the sequence number, so that none comes
 * twice. */
static void make_nonce(const struct tls_keys *k, const struct tls_suite *s,
		       const uint8_t *explicit_part, uint8_t nonce[TLS_NONCE_BYTES])
{
	uint8_t seq[8];

	if (s->explicit_bytes > 0) {
		memcpy(nonce, k->iv, s->fixed_iv_bytes);
		memcpy(nonce + s->fixed_iv_bytes, explicit_part, s->explicit_bytes);
		return;
	}
	put_be64(seq, k->seq);
	memcpy(nonce, k->iv, TLS_NONCE_BYTES);
	for (uint32_t i = 0; i < sizeof(seq); i++)
		nonce[4 + i] ^= seq[i];
}

static uint32_t owner_of(const struct tls_conn *c, const struct tls_keys *k)
{
	return (core_pool_index(&c->tls->conns, c) << 1 | (k == &c->tx)) + 1;
}

static void forget_schedule(struct tls_conn *c, struct tls_keys *k)
{
	tls_aead_forget(c->tls->aead, owner_of(c, k), &k->schedule);
}

/* What a cipher is begun with for one record. */
struct start {
	struct tls_aead_key key;
	uint32_t aad_n;
	uint8_t nonce[TLS_NONCE_BYTES], aad[13];
};

/* header: the record's five bytes as they are on the wire; content: bytes of plaintext. */
static void prepare(struct tls_conn *c, struct tls_keys *k, struct start *s, const uint8_t *header,
		    uint32_t content)
{
	const struct tls_suite *suite = tls_conn_suite(c);

	s->key = (struct tls_aead_key){ .raw = k->key,
					.owner = owner_of(c, k),
					.schedule = &k->schedule,
					.cipher = suite->cipher };
	make_nonce(k, suite, header + TLS_HEADER_BYTES, s->nonce);
	if (c->is_1_3) {
		s->aad_n = TLS_HEADER_BYTES;
		memcpy(s->aad, header, TLS_HEADER_BYTES);
		return;
	}
	s->aad_n = sizeof(s->aad);
	put_be64(s->aad, k->seq);
	memcpy(s->aad + 8, header, 3);
	s->aad[11] = (uint8_t)(content >> 8);
	s->aad[12] = (uint8_t)content;
}

static void begin(struct tls_conn *c, struct tls_aead_op *op, const struct start *s)
{
	tls_aead_begin(c->tls->aead, op, &s->key, s->nonce, s->aad, s->aad_n);
}

void tls_keys_forget(struct tls_conn *c)
{
	forget_schedule(c, &c->rx);
	forget_schedule(c, &c->tx);
}

void tls_keys_update(struct tls_conn *c, struct tls_keys *k)
{
	const struct tls_suite *s = tls_conn_suite(c);
	enum tls_hash h = s->hash;

	forget_schedule(c, k);
	tls_expand_label(h, k->secret, "traffic upd", k->secret, tls_hash_bytes(h));
	tls_expand_label(h, k->secret, "key", k->key, s->key_bytes);
	tls_expand_label(h, k->secret, "iv", k->iv, TLS_NONCE_BYTES);
	k->seq = 0;
}

/* What was known of the bytes as they came holds no longer. */
static void decrypt(struct tls_aead_op *op, struct bufq *q, uint32_t skip, uint32_t n)
{
	for (struct rte_mbuf *m = q->head; n > 0; m = m->next) {
		uint32_t k;
		if (skip >= m->data_len) {
			skip -= m->data_len;
			continue;
		}
		k = RTE_MIN(m->data_len - skip, n);
		pkt_forget_sum(m);
		tls_aead_open(op, rte_pktmbuf_mtod_offset(m, uint8_t *, skip),
			      rte_pktmbuf_mtod_offset(m, uint8_t *, skip), k);
		n -= k;
		skip = 0;
	}
}

/* Where the last byte that is not zero ends; 0: there is none. */
static uint32_t end_of_content(const struct bufq *q)
{
	uint32_t at = 0, end = 0;

	for (const struct rte_mbuf *m = q->head; m != NULL; at += m->data_len, m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
		uint32_t n = m->data_len;
		while (n > 0 && p[n - 1] == 0)
			n--;
		end = n > 0 ? at + n : end;
	}
	return end;
}

/* RFC 8446 5.2, 5.4: content, its type, zeros. Only the last buffer is looked at unless it is all
 * zeros. */
static enum tls_open strip_padding(struct bufq *q, uint8_t *type)
{
	const struct rte_mbuf *last = q->tail;
	uint32_t end = q->bytes;

	if (last == NULL)
		return TLS_OPEN_NO_TYPE;
	if (*rte_pktmbuf_mtod_offset(last, const uint8_t *, last->data_len - 1) == 0)
		end = end_of_content(q);
	if (end == 0)
		return TLS_OPEN_NO_TYPE;
	bufq_copy_out(q, end - 1, type, 1);
	bufq_truncate(q, end - 1);
	return TLS_OPEN_OK;
}

/* A record in pieces. */
static int open_pieces(struct tls_conn *c, struct bufq *q, uint32_t before, uint32_t n)
{
	uint8_t head[TLS_HEADER_BYTES + EXPLICIT_MAX], tag[TLS_TAG_BYTES];
	struct tls_aead_op op;
	struct start s;

	bufq_copy_out(q, 0, head, before);
	bufq_copy_out(q, before + n, tag, TLS_TAG_BYTES);
	prepare(c, &c->rx, &s, head, n);
	begin(c, &op, &s);
	decrypt(&op, q, before, n);
	return tls_aead_end_open(&op, tag);
}

/* A record in one buffer, as most of a request's size are. */
static int open_one(struct tls_conn *c, struct bufq *q, uint32_t before, uint32_t n)
{
	uint8_t *p = rte_pktmbuf_mtod(q->head, uint8_t *);
	struct start s;

	prepare(c, &c->rx, &s, p, n);
	pkt_forget_sum(q->head);
	return tls_aead_open_whole(c->tls->aead, &s.key, s.nonce, s.aad, s.aad_n, p + before, n,
				   p + before + n);
}

enum tls_open tls_record_open(struct tls_conn *c, struct bufq *in, const struct tls_header *h,
			      struct bufq *content, uint8_t *type)
{
	uint32_t before = TLS_HEADER_BYTES + tls_conn_suite(c)->explicit_bytes;
	uint32_t plain_max = c->limit + c->is_1_3;
	uint32_t n;
	int is_right;

	/* Too short for its tag: no key makes that right. */
	if (h->bytes < before + TLS_TAG_BYTES)
		return TLS_OPEN_BAD_MAC;
	n = h->bytes - before - TLS_TAG_BYTES;
	if (n > plain_max)
		return TLS_OPEN_OVERFLOW;
	if (bufq_move(content, in, h->bytes, c->tls->indirect) < 0)
		return TLS_OPEN_NO_MEMORY;
	is_right = (content->head == content->tail ? open_one : open_pieces)(c, content, before, n);
	c->rx.seq++;
	if (!is_right) {
		bufq_clear(content);
		return TLS_OPEN_BAD_MAC;
	}
	bufq_truncate(content, before + n);
	bufq_consume(content, before);
	*type = h->type;
	return c->is_1_3 ? strip_padding(content, type) : TLS_OPEN_OK;
}

/* The parts of a record around its content. */
struct frame {
	uint8_t head[TLS_HEADER_BYTES + EXPLICIT_MAX];
	uint32_t head_n;
	uint8_t inner_type; /* 1.3: goes behind the content, encrypted */
	uint32_t tail_n;
};

static void make_frame(const struct tls_conn *c, uint8_t type, uint32_t n, struct frame *f)
{
	uint32_t explicit_bytes = tls_conn_suite(c)->explicit_bytes;

	f->head_n = TLS_HEADER_BYTES + explicit_bytes;
	f->inner_type = type;
	f->tail_n = c->is_1_3 + TLS_TAG_BYTES;
	put_header(f->head, c->is_1_3 ? TLS_TYPE_DATA : type, explicit_bytes + n + f->tail_n);
	if (explicit_bytes > 0)
		put_be64(f->head + TLS_HEADER_BYTES, c->tx.seq);
}

static int is_ours_alone(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

/* Whether the content may be encrypted where it lies, with the frame written around it. */
static int fits_in_place(const struct bufq *q, const struct frame *f)
{
	if (q->head == NULL || rte_pktmbuf_headroom(q->head) < f->head_n ||
	    rte_pktmbuf_tailroom(q->tail) < f->tail_n)
		return 0;
	for (const struct rte_mbuf *m = q->head; m != NULL; m = m->next) {
		if (!is_ours_alone(m))
			return 0;
	}
	return 1;
}

static void grow(struct rte_mbuf *m, uint32_t n)
{
	m->data_len += (uint16_t)n;
	m->pkt_len = m->data_len;
}

static void shift_back(struct rte_mbuf *m, uint32_t n)
{
	m->data_off -= (uint16_t)n;
	grow(m, n);
}

/* The content, in front of its inner type, in one buffer that is ours alone: in the last one when
 * what lies before it fits into that one's headroom, else in a fresh one. 0: it cannot be. */
static int gather(struct tls_conn *c, struct bufq *q, const struct frame *f)
{
	struct rte_mbuf *last = q->tail, *m = NULL;
	uint32_t n = q->bytes;

	if (last != NULL && is_ours_alone(last) && rte_pktmbuf_tailroom(last) >= f->tail_n &&
	    rte_pktmbuf_headroom(last) >= n - last->data_len + f->head_n) {
		uint32_t before = n - last->data_len;
		bufq_copy_out(q, 0, rte_pktmbuf_mtod_offset(last, uint8_t *, -(int)before), before);
		bufq_consume(q, before);
		shift_back(last, before);
		q->bytes = n;
		return 1;
	}
	if (f->head_n + n + f->tail_n <= ONE_BUFFER)
		m = core_mbuf_alloc(c->tls->bufs, 1);
	if (m == NULL || rte_pktmbuf_tailroom(m) < n + f->tail_n)
		goto no;
	bufq_copy_out(q, 0, rte_pktmbuf_mtod(m, uint8_t *), n);
	grow(m, n);
	bufq_clear(q);
	bufq_append(q, m);
	return 1;
no:
	if (m != NULL)
		core_mbuf_free_seg(m);
	return 0;
}

static void seal_one(struct tls_conn *c, const struct start *s, const struct frame *f,
		     struct bufq *q)
{
	struct rte_mbuf *m = q->head;
	uint32_t n = m->data_len;
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	pkt_forget_sum(m);
	p[n] = f->inner_type; /* in 1.2 the tag overwrites it */
	n += c->is_1_3;
	tls_aead_seal_whole(c->tls->aead, &s->key, s->nonce, s->aad, s->aad_n, p, n, p + n);
	grow(m, f->tail_n);
	shift_back(m, f->head_n);
	memcpy(p - f->head_n, f->head, f->head_n);
	q->bytes += f->head_n + f->tail_n;
}

static void write_end(struct tls_conn *c, struct tls_aead_op *op, const struct frame *f,
		      uint8_t *to)
{
	if (c->is_1_3) {
		tls_aead_seal(op, to, &f->inner_type, 1);
		to++;
	}
	tls_aead_end_seal(op, to);
}

static void seal_in_place(struct tls_conn *c, struct tls_aead_op *op, const struct frame *f,
			  struct bufq *q)
{
	struct rte_mbuf *first = q->head, *last = q->tail;

	for (struct rte_mbuf *m = first; m != NULL; m = m->next) {
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
		pkt_forget_sum(m);
		tls_aead_seal(op, p, p, m->data_len);
	}
	write_end(c, op, f, rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len));
	grow(last, f->tail_n);
	shift_back(first, f->head_n);
	memcpy(rte_pktmbuf_mtod(first, uint8_t *), f->head, f->head_n);
	q->bytes += f->head_n + f->tail_n;
}

/* Fresh empty buffers with room for n bytes, the first behind `head` bytes that are written into
 * it. */
static int fresh_for(struct tls_conn *c, uint32_t n, struct bufq *out)
{
	bufq_init(out);
	while (n > 0) {
		struct rte_mbuf *m = core_mbuf_alloc(c->tls->bufs, 1);
		uint32_t k;
		if (m == NULL) {
			bufq_clear(out);
			return -ENOMEM;
		}
		k = RTE_MIN((uint32_t)rte_pktmbuf_tailroom(m), n);
		pkt_forget_sum(m);
		grow(m, k);
		/* The last bytes, inner type and tag, lie together. */
		if (n > k && n - k < TLS_TAG_BYTES + 1) {
			m->data_len = (uint16_t)(k - (TLS_TAG_BYTES + 1));
			m->pkt_len = m->data_len;
			k -= TLS_TAG_BYTES + 1;
		}
		n -= k;
		bufq_append(out, m);
	}
	return 0;
}

/* Encrypts from one chain to another that begins `at` bytes into its first buffer. Returns where
 * the next byte goes. */
static uint8_t *seal_across(struct tls_aead_op *op, const struct bufq *from, const struct bufq *to,
			    uint32_t at)
{
	const struct rte_mbuf *out = to->head;

	for (const struct rte_mbuf *m = from->head; m != NULL; m = m->next) {
		uint32_t done = 0;
		while (done < m->data_len) {
			uint32_t k = RTE_MIN((uint32_t)(out->data_len - at), m->data_len - done);
			if (k == 0) {
				out = out->next;
				at = 0;
				continue;
			}
			tls_aead_seal(op, rte_pktmbuf_mtod_offset(out, uint8_t *, at),
				      rte_pktmbuf_mtod_offset(m, const uint8_t *, done), k);
			done += k;
			at += k;
		}
	}
	if (at == out->data_len) {
		out = out->next;
		at = 0;
	}
	return rte_pktmbuf_mtod_offset(out, uint8_t *, at);
}

static int seal_into_fresh(struct tls_conn *c, struct tls_aead_op *op, const struct frame *f,
			   struct bufq *q)
{
	struct bufq fresh;
	uint8_t *end;

	if (fresh_for(c, f->head_n + q->bytes + f->tail_n, &fresh) < 0)
		return -ENOMEM;
	memcpy(rte_pktmbuf_mtod(fresh.head, uint8_t *), f->head, f->head_n);
	end = seal_across(op, q, &fresh, f->head_n);
	write_end(c, op, f, end);
	bufq_clear(q);
	*q = fresh;
	return 0;
}

/* Makes a record of all of q, in place of it. */
static int seal(struct tls_conn *c, uint8_t type, struct bufq *q)
{
	struct tls_aead_op op;
	struct frame f;
	struct start s;
	int rc = 0;

	make_frame(c, type, q->bytes, &f);
	prepare(c, &c->tx, &s, f.head, q->bytes);
	if (q->bytes <= ONE_BUFFER && gather(c, q, &f)) {
		seal_one(c, &s, &f, q);
	} else {
		begin(c, &op, &s);
		if (fits_in_place(q, &f))
			seal_in_place(c, &op, &f, q);
		else
			rc = seal_into_fresh(c, &op, &f, q);
	}
	if (rc < 0)
		return rc;
	c->tx.seq++;
	tls_count(c->tls, HD_TLS_SEALED);
	return 0;
}

int tls_record_seal(struct tls_conn *c, uint8_t type, struct bufq *plain, uint32_t n,
		    struct bufq *wire)
{
	struct bufq piece = { 0 };

	if (bufq_move(&piece, plain, n, c->tls->indirect) < 0)
		return -ENOMEM;
	if (seal(c, type, &piece) < 0) {
		bufq_concat(&piece, plain);
		*plain = piece;
		return -ENOMEM;
	}
	bufq_concat(wire, &piece);
	return 0;
}

int tls_record_seal_bytes(struct tls_conn *c, uint8_t type, const void *bytes, uint32_t n,
			  struct bufq *wire)
{
	struct bufq piece = { 0 };

	if (bufq_copy_in(&piece, bytes, n, c->tls->bufs) < 0)
		return -ENOMEM;
	if (seal(c, type, &piece) < 0) {
		bufq_clear(&piece);
		return -ENOMEM;
	}
	bufq_concat(wire, &piece);
	return 0;
}
