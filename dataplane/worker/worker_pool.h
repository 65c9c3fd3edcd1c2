/* SPDX-License-Identifier: Apache-2.0 */
/* Pools of packet buffers, in huge pages even where DPDK has none. */
#ifndef WORKER_POOL_H
#define WORKER_POOL_H

#include <rte_mbuf.h>

#define WORKER_POOL_CACHE 256

/* n buffers with PKT_PRIV_SIZE and `room` bytes for headroom and data; room 0: for references only. NULL when memory is out. */
[[nodiscard]] struct rte_mempool *worker_pool_create(const char *name, uint32_t n, uint16_t room, int socket);

#endif
