/* SPDX-License-Identifier: Apache-2.0 */
/* Received above a gap: data that waits for what is missing, as ranges in sequence order with their
 * buffers. Of bytes that come twice the first copy stays. Allocated when the first such segment
 * arrives, freed when the gap is filled. Both the ranges and the buffers are capped; what does not
 * fit is dropped before it was ever reported by SACK. */
#ifndef TCP_RANGES_H
#define TCP_RANGES_H

#include "bufq.h"
#include "tcp_options.h"
#include "tcp_seq.h"

#define TCP_RANGES_MAX 32
#define TCP_RANGES_MAX_BUFS 256

struct tcp_range {
	uint32_t start, end;
	uint32_t touched; /* larger: more recently changed; orders SACK blocks (RFC 2018 4) */
	struct bufq q;
};

struct tcp_ranges {
	uint32_t n, bufs, clock;
	uint32_t fin_seq; /* of a FIN that came above a gap */
	uint8_t has_fin;
	struct tcp_range r[TCP_RANGES_MAX];
};

enum tcp_ranges_verdict { TCP_RANGES_STORED, TCP_RANGES_DUPLICATE, TCP_RANGES_FULL };

void tcp_ranges_init(struct tcp_ranges *o);
void tcp_ranges_clear(struct tcp_ranges *o);

/* Consumes m, whose data are the bytes [seq, seq + data_len), all above RCV.NXT. What overlaps is
 * cut off; of a segment that covers whole ranges only the part before the first one is kept. dup is
 * set to the first overlap, if any (RFC 2883). */
enum tcp_ranges_verdict tcp_ranges_insert(struct tcp_ranges *o, uint32_t seq, struct rte_mbuf *m,
					  struct tcp_sack_block *dup);

/* Moves what continues at *rcv_nxt to the back of q and advances *rcv_nxt. Ranges wholly below it
 * are dropped. */
void tcp_ranges_take(struct tcp_ranges *o, uint32_t *rcv_nxt, struct bufq *q);

/* Where the first range begins; n > 0. */
static inline uint32_t tcp_ranges_first(const struct tcp_ranges *o)
{
	return o->r[0].start;
}

/* Writes up to `max` blocks, the most recently changed first; returns how many. */
uint32_t tcp_ranges_blocks(const struct tcp_ranges *o, struct tcp_sack_block *out, uint32_t max);

#endif
