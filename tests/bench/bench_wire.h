/* SPDX-License-Identifier: Apache-2.0 */
/* A wire in memory between a worker and the generator's host, shaped like a card: the worker's side keeps rings of
 * descriptors, posts empty buffers and gets them filled, hands frames over and frees their buffers later; the host's side
 * plays the card, which sees descriptors and bytes and never an mbuf. So the worker pays what a card's driver would cost it,
 * and no buffer changes its owner's pool. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "net.h"

struct bench_wire;

/* worker_bufs and host_bufs: each side's pool. offloads: the card checks and writes checksums. NULL when memory is out. */
[[nodiscard]] struct bench_wire *bench_wire_create(struct rte_mempool *worker_bufs,
						   struct rte_mempool *host_bufs, int offloads);
/* When neither side uses it any more. */
void bench_wire_destroy(struct bench_wire *w);
/* The two ends; mac: the last byte of 02:00:00:00:00:xx. */
void bench_wire_worker_end(struct bench_wire *w, struct net_device *out, uint8_t mac);
void bench_wire_host_end(struct bench_wire *w, struct net_device *out, uint8_t mac);

/* From then on the wire loses so many of a million frames, each way. */
void bench_wire_set_loss(struct bench_wire *w, uint32_t per_million);
/* The host's end without a stack: up to n copies of a frame, each changed by `next`. Returns how many found a descriptor. */
uint32_t bench_wire_host_put(struct bench_wire *w, const void *frame, uint32_t bytes, uint32_t n,
			     void (*next)(void *ctx, uint8_t *frame), void *ctx);

#endif
