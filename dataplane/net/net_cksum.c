/* SPDX-License-Identifier: Apache-2.0 */
#include "net_cksum.h"

#include <immintrin.h>

/* Words are summed in pairs by the signed multiply-and-add, so each is made signed first: less
 * 2^15, which is added again at the end, once for each. A packet's words so reduced sum to less
 * than 2^30 in all. Returns how many bytes it took. */
#define LESS ((int16_t)0x8000)
/* A Haswell loads 32 bytes at once. */
#define AVX2 __attribute__((target("avx2", "tune=haswell")))

/* The four lanes, and what was taken off the words. */
static inline uint64_t total(__m128i x, size_t bytes)
{
	x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
	x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1));
	return (uint64_t)((int64_t)_mm_cvtsi128_si32(x) + (int64_t)(bytes / 2) * 0x8000);
}

AVX2 static inline __m256i step_avx2(__m256i sum, const uint8_t *p)
{
	__m256i x = _mm256_loadu_si256((const __m256i *)p);

	x = _mm256_xor_si256(x, _mm256_set1_epi16(LESS));
	return _mm256_add_epi32(sum, _mm256_madd_epi16(x, _mm256_set1_epi16(1)));
}

/* The four lanes of each half, and what was taken off. */
AVX2 static inline uint64_t total_avx2(__m256i x, size_t bytes)
{
	return total(_mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)),
		     bytes);
}

/* The last n % 32 bytes, out of the last 32; what is masked out counts nothing but what is put on
 * each word. n is even. */
AVX2 static inline __m256i tail_avx2(__m256i sum, const uint8_t *p, size_t n)
{
	static const uint8_t keep[64] = { [32 ... 63] = 0xff };
	__m256i mask = _mm256_loadu_si256((const __m256i *)(keep + n % 32)),
		x = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(p + n - 32)), mask);

	x = _mm256_xor_si256(x, _mm256_set1_epi16(LESS));
	return _mm256_add_epi32(sum, _mm256_madd_epi16(x, _mm256_set1_epi16(1)));
}

/* At least 32 bytes. */
AVX2 static uint64_t add_avx2(uint64_t sum, const uint8_t *p, size_t n)
{
	__m256i a = _mm256_setzero_si256(), b = a;
	size_t at = 0;

	if (n & 1) /* it counts as if a zero followed */
		sum += p[--n];
	for (; at + 64 <= n; at += 64) {
		a = step_avx2(a, p + at);
		b = step_avx2(b, p + at + 32);
	}
	if (at + 32 <= n) {
		a = step_avx2(a, p + at);
		at += 32;
	}
	if (at != n) {
		b = tail_avx2(b, p, n);
		at += 32;
	}
	return sum + total_avx2(_mm256_add_epi32(a, b), at);
}

static size_t add_sse2(uint64_t *sum, const uint8_t *p, size_t n)
{
	__m128i a = _mm_setzero_si128();
	size_t at = 0;

	for (; at + 16 <= n; at += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(p + at));

		x = _mm_xor_si128(x, _mm_set1_epi16(LESS));
		a = _mm_add_epi32(a, _mm_madd_epi16(x, _mm_set1_epi16(1)));
	}
	*sum += total(a, at);
	return at;
}

uint64_t cksum_add_long(uint64_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;
	size_t done;

	if (hd_likely(__builtin_cpu_supports("avx2")))
		return add_avx2(sum, p, n);
	done = add_sse2(&sum, p, n);
	return cksum_add_short(sum, p + done, n - done);
}
