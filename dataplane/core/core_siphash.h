/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash (Aumasson, Bernstein 2012) of short keys: 2-4 where an outsider could profit from guessing (sequence numbers,
 * ports), 1-3 for tables that only must not be flooded. */
#ifndef CORE_SIPHASH_H
#define CORE_SIPHASH_H

#include <heddle/base.h>

static inline uint64_t siphash_rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void siphash_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = siphash_rotl(v[1], 13) ^ v[0];
	v[0] = siphash_rotl(v[0], 32);
	v[2] += v[3];
	v[3] = siphash_rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = siphash_rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = siphash_rotl(v[1], 17) ^ v[2];
	v[2] = siphash_rotl(v[2], 32);
}

static inline __attribute__((always_inline)) uint64_t siphash_with(const uint64_t key[2], const void *data, size_t n,
								   int word_rounds, int final_rounds)
{
	uint64_t v[4] = { key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
			  key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573) };
	const uint8_t *p = data;
	uint64_t last = (uint64_t)n << 56, word;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		v[3] ^= word;
		for (int i = 0; i < word_rounds; i++)
			siphash_round(v);
		v[0] ^= word;
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)p[i] << (8 * i);
	v[3] ^= last;
	for (int i = 0; i < word_rounds; i++)
		siphash_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < final_rounds; i++)
		siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static inline uint64_t siphash_2_4(const uint64_t key[2], const void *data, size_t n)
{
	return siphash_with(key, data, n, 2, 4);
}

static inline uint64_t siphash_1_3(const uint64_t key[2], const void *data, size_t n)
{
	return siphash_with(key, data, n, 1, 3);
}

#endif
