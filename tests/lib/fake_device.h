/* SPDX-License-Identifier: Apache-2.0 */
/* A device for unit tests and fuzzers: frames that the test put in come out of rx, frames that net sends stay until taken. */
#ifndef FAKE_DEVICE_H
#define FAKE_DEVICE_H

#include <heddle/ring.h>

#include "net.h"
#include "pkt.h"

#define FAKE_DEVICE_FRAMES 4096

struct fake_device {
	struct rte_mempool *pool;
	struct rte_mbuf *in[FAKE_DEVICE_FRAMES], *out[FAKE_DEVICE_FRAMES];
	uint32_t n_in, at_in, n_out, at_out;
	uint32_t tx_room;	/* packets that tx still takes; UINT32_MAX: all */
	uint64_t rx_ol_flags;	/* set on every received mbuf */
};

/* Ethernet, MAC 02:00:00:00:00:<last>, MTU 1,500, takes chains and shared buffers, no checksum offload. */
void fake_device_init(struct fake_device *d, struct net_device *as_net, struct rte_mempool *pool, uint8_t last);
/* Frees what was not taken. */
void fake_device_fini(struct fake_device *d);

/* The frame will be received, in one buffer or, with seg_bytes > 0, in a chain of buffers of that many bytes. */
void fake_device_put(struct fake_device *d, const void *frame, uint32_t bytes, uint32_t seg_bytes);
/* The oldest frame that was sent and not taken, made linear in buf; its length, 0: none. */
uint32_t fake_device_take(struct fake_device *d, void *buf, uint32_t bytes);
uint32_t fake_device_sent(const struct fake_device *d); /* how many wait to be taken */

#endif
