/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of bytes held in mbufs: each element is one single-segment mbuf, linked by mbuf->next; data_off and data_len
 * say which bytes of it belong to the queue. Single owner. No function here fails for lack of memory except
 * bufq_split and bufq_copy_in, which say so. */
#ifndef CORE_BUFQ_H
#define CORE_BUFQ_H

#include <rte_mbuf.h>

#include <heddle/base.h>

struct bufq {
	struct rte_mbuf *head, *tail;
	uint32_t bytes;		/* of content */
	uint32_t bufs;		/* elements: what the cap on held memory counts */
};

static inline void bufq_init(struct bufq *q)
{
	*q = (struct bufq){ 0 };
}

/* Takes ownership of m (single segment, data_len > 0). If its bytes are few and fit the tail's room (and the tail is
 * not shared), they are copied there and m is freed: so tiny segments pin little. */
void bufq_append(struct bufq *q, struct rte_mbuf *m);
/* All of src moves behind dst. */
void bufq_concat(struct bufq *dst, struct bufq *src);
/* Moves exactly n bytes (n <= src->bytes) from the front of src to the back of dst, by reference. A buffer that must be
 * cut in two is shared through an indirect mbuf from `indirect` (or its smaller part copied).
 * 0, or -ENOMEM with nothing moved. */
[[nodiscard]] int bufq_move(struct bufq *dst, struct bufq *src, uint32_t n, struct rte_mempool *indirect);
/* The same two for pieces that a peer cuts as small as it likes: few bytes are copied into the last buffer's room, or into a
 * fresh buffer of `bufs`, so that no two neighbours are nearly empty. */
void bufq_concat_piece(struct bufq *dst, struct bufq *src, struct rte_mempool *bufs);
[[nodiscard]] int bufq_move_piece(struct bufq *dst, struct bufq *src, uint32_t n, struct rte_mempool *bufs,
				  struct rte_mempool *indirect);
/* Frees n bytes (n <= bytes) from the front. */
void bufq_consume(struct bufq *q, uint32_t n);
/* Frees what lies behind the first n bytes (n <= bytes). */
void bufq_truncate(struct bufq *q, uint32_t n);
/* Frees everything. */
void bufq_clear(struct bufq *q);
/* Copies n bytes from offset to out; the caller guarantees offset + n <= bytes. */
void bufq_copy_out(const struct bufq *q, uint32_t offset, void *out, uint32_t n);
/* Appends n bytes copied from data into fresh mbufs of pool. 0, or -ENOMEM with nothing appended. */
[[nodiscard]] int bufq_copy_in(struct bufq *q, const void *data, uint32_t n, struct rte_mempool *pool);
/* The first contiguous piece: pointer and length (0 when empty). */
static inline const uint8_t *bufq_front(const struct bufq *q, uint32_t *n)
{
	if (q->head == NULL) {
		*n = 0;
		return NULL;
	}
	*n = q->head->data_len;
	return rte_pktmbuf_mtod(q->head, const uint8_t *);
}

#endif
