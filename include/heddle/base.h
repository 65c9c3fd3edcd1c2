/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes, small integers and time: what every file of Heddle may assume. libc only. */
#ifndef HEDDLE_BASE_H
#define HEDDLE_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HD_CACHE_LINE 64

#define hd_likely(x) __builtin_expect(!!(x), 1)
#define hd_unlikely(x) __builtin_expect(!!(x), 0)
#define hd_container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define HD_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Monotonic time. The one unit of time in protocol code; it is always an argument. */
typedef uint64_t hd_ns;

#define HD_NS_PER_US UINT64_C(1000)
#define HD_NS_PER_MS UINT64_C(1000000)
#define HD_NS_PER_S UINT64_C(1000000000)
#define HD_NS_NEVER UINT64_MAX

/* A string inside somebody else's memory, not terminated. */
struct hd_str {
	const char *p;
	uint32_t n;
};

static inline int hd_str_eq(struct hd_str a, struct hd_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#endif
