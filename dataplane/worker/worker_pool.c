/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_pool.h"

#include <errno.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memory.h>

#include "pkt.h"

#define HUGE_BYTES ((size_t)2 << 20)

/* Without huge pages DPDK would keep each buffer within one 4 KiB page, as for a device that reads
 * physical addresses: half of the memory would be lost. The devices that work there are software
 * and see the virtual ones. */
static unsigned int pool_flags(void)
{
	return rte_eal_has_hugepages() ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
}

static void unmap(struct rte_mempool_memhdr *chunk, void *bytes)
{
	munmap(chunk->addr, (size_t)(uintptr_t)bytes);
}

/* `bytes` (whole huge pages) that begin on a huge page, or NULL. */
static void *map_aligned(size_t bytes)
{
	uint8_t *p = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)p & (HUGE_BYTES - 1);
	if (before != 0)
		munmap(p, before);
	if (before != HUGE_BYTES)
		munmap(p + before + bytes, HUGE_BYTES - before);
	return p + before;
}

/* DPDK's memory without huge pages is a file of 4 KiB pages. A pool's working set misses the TLB
 * all the time there; anonymous memory may get huge pages from the kernel. Only when as much would
 * have fitted the memory that DPDK was given, so that -m still says how much a worker takes. */
static int populate_huge(struct rte_mempool *mp)
{
	size_t least, align, bytes;
	ssize_t need = rte_mempool_op_calc_mem_size_default(mp, mp->size, 0, &least, &align);
	void *p;

	if (need <= 0 || (size_t)need > rte_eal_get_physmem_size() / 2)
		return -ENOMEM;
	bytes = ((size_t)need + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1);
	p = map_aligned(bytes);
	if (p == NULL)
		return -ENOMEM;
	(void)madvise(p, bytes, MADV_HUGEPAGE); /* small pages work too */
	if (rte_mempool_populate_iova(mp, p, RTE_BAD_IOVA, bytes, unmap,
				      (void *)(uintptr_t)bytes) == (int)mp->size)
		return 0;
	/* What was added is freed with the pool; if nothing was, it is still ours. */
	if (mp->nb_mem_chunks == 0)
		munmap(p, bytes);
	return -ENOMEM;
}

static int populate(struct rte_mempool *mp)
{
	if (!rte_eal_has_hugepages() && populate_huge(mp) == 0)
		return 0;
	return rte_mempool_populate_default(mp) < 0 ? -ENOMEM : 0;
}

struct rte_mempool *worker_pool_create(const char *name, uint32_t n, uint16_t room, int socket)
{
	struct rte_pktmbuf_pool_private priv = { .mbuf_data_room_size = room,
						 .mbuf_priv_size = PKT_PRIV_SIZE };
	unsigned int object_bytes = sizeof(struct rte_mbuf) + PKT_PRIV_SIZE + room;
	struct rte_mempool *mp = rte_mempool_create_empty(name, n, object_bytes, WORKER_POOL_CACHE,
							  sizeof(priv), socket, pool_flags());

	if (mp == NULL)
		return NULL;
	if (rte_mempool_set_ops_byname(mp, rte_mbuf_best_mempool_ops(), NULL) == 0) {
		rte_pktmbuf_pool_init(mp, &priv);
		if (populate(mp) == 0) {
			rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
			return mp;
		}
	}
	rte_mempool_free(mp);
	return NULL;
}
