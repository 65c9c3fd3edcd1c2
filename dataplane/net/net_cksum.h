/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum (RFC 1071): sums of native 16-bit words, kept in 64 bits and folded at the
 * end. */
#ifndef NET_CKSUM_H
#define NET_CKSUM_H

#include <rte_mbuf.h>

#include <heddle/addr.h>

static inline uint16_t cksum_fold(uint64_t sum)
{
	uint32_t half;

	/* Both halves added to both: the upper one ends with the sum and the carry out of the lower. */
	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* Long runs, 32 bytes at a step where the CPU can. At least 32 bytes. */
uint64_t cksum_add_long(uint64_t sum, const void *data, size_t n);

/* sum plus the words of data; n may be odd: the last byte counts as if a zero followed. No overflow
 * below 2^32 bytes: each step adds two 32-bit halves. */
static inline uint64_t cksum_add_short(uint64_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t word;
	uint16_t half;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		sum += (word & 0xffffffff) + (word >> 32);
	}
	for (; n >= 2; n -= 2, p += 2) {
		memcpy(&half, p, 2);
		sum += half;
	}
	if (n != 0) {
		half = 0;
		memcpy(&half, p, 1);
		sum += half;
	}
	return sum;
}

static inline uint64_t cksum_add(uint64_t sum, const void *data, size_t n)
{
	return n < 64 ? cksum_add_short(sum, data, n) : cksum_add_long(sum, data, n);
}

/* A folded sum of bytes that start at an odd offset of the whole (RFC 1071 2 (B)). */
static inline uint16_t cksum_swap(uint16_t folded)
{
	return (uint16_t)(folded << 8 | folded >> 8);
}

/* Folded sum of n bytes of a chain from offset; the caller guarantees offset + n <= pkt_len. */
static inline uint16_t cksum_chain(const struct rte_mbuf *m, uint32_t offset, uint32_t n)
{
	uint64_t sum = 0;
	uint32_t done = 0;

	while (offset >= m->data_len && m->next != NULL) {
		offset -= m->data_len;
		m = m->next;
	}
	for (; done < n && m != NULL; m = m->next, offset = 0) {
		uint32_t take = m->data_len - offset;
		uint16_t part;

		if (take > n - done)
			take = n - done;
		part = cksum_fold(
			cksum_add(0, rte_pktmbuf_mtod_offset(m, const void *, offset), take));
		sum += done & 1 ? cksum_swap(part) : part;
		done += take;
	}
	return cksum_fold(sum);
}

/* Pseudo header of either family (RFC 9293 3.1, RFC 8200 8.1); bytes: of the upper layer. The
 * mapped prefix ::ffff of an IPv4 address must not count, so families differ. */
static inline uint64_t cksum_pseudo(const struct hd_ip *src, const struct hd_ip *dst,
				    uint8_t protocol, uint32_t bytes)
{
	uint64_t sum = (uint64_t)htons(protocol) + htons((uint16_t)bytes);

	if (hd_ip_is_v4(dst))
		return sum + src->w[3] + dst->w[3];
	for (int i = 0; i < 4; i++)
		sum += (uint64_t)src->w[i] + dst->w[i];
	return sum;
}

/* What goes into the header for a sum of everything else. */
static inline uint16_t cksum_finish(uint64_t sum)
{
	return (uint16_t)~cksum_fold(sum);
}

#endif
