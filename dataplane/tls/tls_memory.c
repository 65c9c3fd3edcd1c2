/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_memory.h"

#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)

void *tls_memory_map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, bytes, MADV_DONTDUMP);
	if (bytes >= HUGE_BYTES)
		(void)madvise(p, bytes, MADV_HUGEPAGE); /* small pages work too */
	return p;
}

/* The kernel zeroes pages before anybody else gets them. */
void tls_memory_unmap(void *p, size_t bytes)
{
	if (p != NULL)
		munmap(p, bytes);
}
