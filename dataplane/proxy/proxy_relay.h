/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies on their way: framing taken off, bytes moved by reference, framing put on again. Credit is
 * the only flow control: a byte leaves the receive queue when the other side has room for it, and
 * only then its window opens again. */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include "bufq.h"
#include "http.h"

/* At most this much of a body is looked at in one go: a turn's work is bounded. */
#define PROXY_RELAY_BUDGET 65536

struct proxy_body {
	uint8_t framing; /* http_framing, as received */
	uint8_t is_chunked_out;
	uint8_t done;  /* complete, and its end was put out */
	uint64_t left; /* HTTP_BODY_LENGTH */
	struct http1_chunked chunked;
};

enum proxy_relay_verdict {
	RELAY_DRY,  /* all that was there is moved */
	RELAY_FULL, /* the other side has no room, or the budget is used up */
	RELAY_DONE, /* the message is complete */
	RELAY_BAD,  /* the framing is broken: http_error says how */
	RELAY_NO_MEMORY,
};

struct proxy_relay_pools {
	struct rte_mempool *bufs, *indirect;
};

void proxy_body_init(struct proxy_body *b, const struct http_head *h, int is_chunked_out);

/* Moves body bytes from `in` to `out` until one of them ends; `space` is what out may take. *moved
 * counts body bytes without framing. keep: NULL, or where references to the moved bytes go as well;
 * when that fails *keep is cleared and *kept is 0. */
enum proxy_relay_verdict proxy_relay(struct proxy_body *b, struct bufq *in, struct bufq *out,
				     uint32_t space, struct bufq *keep, uint8_t *kept,
				     uint32_t *moved, const struct proxy_relay_pools *pools,
				     struct http_error *e);
/* The sender closed: a body until close is complete now; any other that is not done was cut. True:
 * it is complete. -ENOMEM when its end could not be put out. */
int proxy_relay_end(struct proxy_body *b, struct bufq *out, const struct proxy_relay_pools *pools);
/* References to all bytes of src go behind dst. 0, or -ENOMEM with dst as it was. */
[[nodiscard]] int proxy_relay_share(struct bufq *dst, const struct bufq *src,
				    struct rte_mempool *indirect);
/* Puts the chunk frame around data, if the body has one, and moves all to out. 0 or -ENOMEM (data
 * may be left). */
[[nodiscard]] int proxy_relay_frame(const struct proxy_body *b, struct bufq *out, struct bufq *data,
				    struct rte_mempool *bufs);

#endif
