/* SPDX-License-Identifier: Apache-2.0 */
/* Records of an open connection: RFC 8446 5, RFC 5246 6.2, RFC 5288, RFC 7905. */
#include <errno.h>

#include "core_mbuf.h"
#include "tls_conn.h"

#define EXPLICIT_MAX 8

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

/* header: the record's five bytes as they are on the wire; content: bytes of plaintext. */
static void begin(struct tls_conn *c, struct tls_keys *k, struct tls_aead_op *op,
		  const uint8_t *header, const uint8_t *explicit_part, uint32_t content)
{
	const struct tls_suite *s = tls_conn_suite(c);
	const struct tls_aead_key key = { .raw = k->key,
					  .owner = owner_of(c, k),
					  .schedule = &k->schedule,
					  .cipher = s->cipher };
	uint8_t nonce[TLS_NONCE_BYTES], aad[13];

	make_nonce(k, s, explicit_part, nonce);
	if (c->is_1_3) {
		tls_aead_begin(c->tls->aead, op, &key, nonce, header, TLS_HEADER_BYTES);
		return;
	}
	put_be64(aad, k->seq);
	memcpy(aad + 8, header, 3);
	aad[11] = (uint8_t)(content >> 8);
	aad[12] = (uint8_t)content;
	tls_aead_begin(c->tls->aead, op, &key, nonce, aad, sizeof(aad));
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

enum tls_open tls_record_open(struct tls_conn *c, struct bufq *in, const struct tls_header *h,
			      struct bufq *content, uint8_t *type)
{
	uint32_t before = TLS_HEADER_BYTES + tls_conn_suite(c)->explicit_bytes;
	uint32_t plain_max = c->limit + c->is_1_3;
	uint8_t head[TLS_HEADER_BYTES + EXPLICIT_MAX], tag[TLS_TAG_BYTES];
	struct tls_aead_op op;
	uint32_t n;

	/* Too short for its tag: no key makes that right. */
	if (h->bytes < before + TLS_TAG_BYTES)
		return TLS_OPEN_BAD_MAC;
	n = h->bytes - before - TLS_TAG_BYTES;
	if (n > plain_max)
		return TLS_OPEN_OVERFLOW;
	if (bufq_move(content, in, h->bytes, c->tls->indirect) < 0)
		return TLS_OPEN_NO_MEMORY;
	bufq_copy_out(content, 0, head, before);
	bufq_copy_out(content, h->bytes - TLS_TAG_BYTES, tag, TLS_TAG_BYTES);
	begin(c, &c->rx, &op, head, head + TLS_HEADER_BYTES, n);
	decrypt(&op, content, before, n);
	c->rx.seq++;
	if (!tls_aead_end_open(&op, tag)) {
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

static void write_end(struct tls_conn *c, struct tls_aead_op *op, const struct frame *f,
		      uint8_t *to)
{
	if (c->is_1_3) {
		tls_aead_seal(op, to, &f->inner_type, 1);
		to++;
	}
	tls_aead_end_seal(op, to);
}

static void grow(struct rte_mbuf *m, uint32_t n)
{
	m->data_len += (uint16_t)n;
	m->pkt_len = m->data_len;
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
	first->data_off -= (uint16_t)f->head_n;
	grow(first, f->head_n);
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
	int rc = 0;

	make_frame(c, type, q->bytes, &f);
	begin(c, &c->tx, &op, f.head, f.head + TLS_HEADER_BYTES, q->bytes);
	if (fits_in_place(q, &f))
		seal_in_place(c, &op, &f, q);
	else
		rc = seal_into_fresh(c, &op, &f, q);
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
