/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "core_mbuf.h"
#include "proxy_relay.h"

#define STEPS 1024

void proxy_body_init(struct proxy_body *b, const struct http_head *h, int is_chunked_out)
{
	*b = (struct proxy_body){ .framing = h->framing, .is_chunked_out = is_chunked_out != 0 };
	if (h->framing == HTTP_BODY_LENGTH)
		b->left = h->content_length;
	b->done = h->framing == HTTP_BODY_NONE || (h->framing == HTTP_BODY_LENGTH && b->left == 0);
}

int proxy_relay_share(struct bufq *dst, const struct bufq *src, struct rte_mempool *indirect)
{
	struct bufq fresh = { 0 };

	for (struct rte_mbuf *m = src->head; m != NULL; m = m->next) {
		struct rte_mbuf *ref = core_mbuf_alloc(indirect, 0);
		if (ref == NULL) {
			bufq_clear(&fresh);
			return -ENOMEM;
		}
		rte_pktmbuf_attach(ref, m);
		ref->next = NULL;
		ref->nb_segs = 1;
		ref->pkt_len = ref->data_len;
		bufq_append(&fresh, ref);
	}
	bufq_concat(dst, &fresh);
	return 0;
}

/* "1f40\r\n"; returns its length. */
static uint32_t chunk_line(uint32_t n, char out[16])
{
	uint32_t digits = n == 0 ? 1 : (35 - (uint32_t)__builtin_clz(n)) / 4;

	for (uint32_t i = 0; i < digits; i++)
		out[i] = "0123456789abcdef"[(n >> (4 * (digits - 1 - i))) & 15];
	out[digits] = '\r';
	out[digits + 1] = '\n';
	return digits + 2;
}

int proxy_relay_frame(const struct proxy_body *b, struct bufq *out, struct bufq *data,
		      struct rte_mempool *bufs)
{
	char line[16];

	if (data->bytes == 0)
		return 0;
	if (!b->is_chunked_out) {
		bufq_concat(out, data);
		return 0;
	}
	if (bufq_copy_in(out, line, chunk_line(data->bytes, line), bufs) < 0)
		return -ENOMEM;
	bufq_concat(out, data);
	return bufq_copy_in(out, "\r\n", 2, bufs);
}

static int put_end(struct proxy_body *b, struct bufq *out, struct rte_mempool *bufs)
{
	b->done = 1;
	return b->is_chunked_out ? bufq_copy_in(out, "0\r\n\r\n", 5, bufs) : 0;
}

static enum proxy_relay_verdict gather_plain(struct proxy_body *b, struct bufq *in,
					     struct bufq *data, uint32_t room,
					     struct rte_mempool *indirect)
{
	uint32_t n = RTE_MIN(in->bytes, room);

	if (b->framing == HTTP_BODY_LENGTH) {
		n = (uint32_t)RTE_MIN((uint64_t)n, b->left);
		b->left -= n;
	}
	if (n > 0 && bufq_move(data, in, n, indirect) < 0)
		return RELAY_NO_MEMORY;
	if (b->framing == HTTP_BODY_LENGTH && b->left == 0)
		return RELAY_DONE;
	return in->bytes > 0 ? RELAY_FULL : RELAY_DRY;
}

/* What the chunk parser measured as data must move whole, so `room` may be passed by less than one
 * buffer. Small chunks are much work for few bytes: no more than STEPS of them at a time. */
static enum proxy_relay_verdict gather_chunked(struct proxy_body *b, struct bufq *in,
					       struct bufq *data, uint32_t room,
					       const struct proxy_relay_pools *pools,
					       struct http_error *e)
{
	uint32_t looked = 0;

	for (uint32_t steps = 0; in->bytes > 0; steps++) {
		uint32_t n, skip = 0, bytes = 0;
		const uint8_t *p = bufq_front(in, &n);
		enum http_verdict v;
		if (data->bytes >= room || looked >= PROXY_RELAY_BUDGET || steps >= STEPS)
			return RELAY_FULL;
		v = http1_chunked_step(&b->chunked, p, n, &skip, &bytes, e);
		if (v == HTTP_BAD)
			return RELAY_BAD;
		bufq_consume(in, skip);
		if (bytes > 0 &&
		    bufq_move_piece(data, in, bytes, pools->bufs, pools->indirect) < 0)
			return RELAY_NO_MEMORY;
		if (v == HTTP_DONE)
			return RELAY_DONE;
		looked += skip + bytes;
		if (skip + bytes == 0)
			break;
	}
	return RELAY_DRY;
}

enum proxy_relay_verdict proxy_relay(struct proxy_body *b, struct bufq *in, struct bufq *out,
				     uint32_t space, struct bufq *keep, uint8_t *kept,
				     uint32_t *moved, const struct proxy_relay_pools *pools,
				     struct http_error *e)
{
	uint32_t room = RTE_MIN(space, (uint32_t)PROXY_RELAY_BUDGET);
	struct bufq data = { 0 };
	enum proxy_relay_verdict v;

	*moved = 0;
	if (b->done)
		return RELAY_DONE;
	if (b->framing == HTTP_BODY_CHUNKED)
		v = gather_chunked(b, in, &data, room, pools, e);
	else
		v = gather_plain(b, in, &data, room, pools->indirect);
	*moved = data.bytes;
	if (keep != NULL && proxy_relay_share(keep, &data, pools->indirect) < 0) {
		bufq_clear(keep);
		*kept = 0;
	}
	if (v == RELAY_NO_MEMORY || proxy_relay_frame(b, out, &data, pools->bufs) < 0 ||
	    (v == RELAY_DONE && put_end(b, out, pools->bufs) < 0)) {
		bufq_clear(&data);
		return RELAY_NO_MEMORY;
	}
	return v;
}

int proxy_relay_end(struct proxy_body *b, struct bufq *out, const struct proxy_relay_pools *pools)
{
	if (b->done)
		return 1;
	if (b->framing != HTTP_BODY_UNTIL_CLOSE)
		return 0;
	return put_end(b, out, pools->bufs) < 0 ? -ENOMEM : 1;
}
