/* SPDX-License-Identifier: Apache-2.0 */
#include "net_cksum.h"

#include <immintrin.h>

/* Four lanes of low halves, four of high ones: no carry to chase (RFC 1071 2 (C)). Returns how many
 * bytes it took. */
__attribute__((target("avx2"))) static size_t add_avx2(uint64_t *sum, const uint8_t *p, size_t n)
{
	const __m256i half = _mm256_set1_epi64x(UINT32_MAX);
	__m256i low = _mm256_setzero_si256(), high = low, low2 = low, high2 = low;
	uint64_t lanes[4];
	size_t at = 0;

	for (; at + 64 <= n; at += 64) {
		__m256i a = _mm256_loadu_si256((const __m256i *)(p + at));
		__m256i b = _mm256_loadu_si256((const __m256i *)(p + at + 32));

		low = _mm256_add_epi64(low, _mm256_and_si256(a, half));
		high = _mm256_add_epi64(high, _mm256_srli_epi64(a, 32));
		low2 = _mm256_add_epi64(low2, _mm256_and_si256(b, half));
		high2 = _mm256_add_epi64(high2, _mm256_srli_epi64(b, 32));
	}
	low = _mm256_add_epi64(_mm256_add_epi64(low, high), _mm256_add_epi64(low2, high2));
	_mm256_storeu_si256((__m256i *)lanes, low);
	*sum += lanes[0] + lanes[1] + lanes[2] + lanes[3];
	return at;
}

static size_t add_sse2(uint64_t *sum, const uint8_t *p, size_t n)
{
	const __m128i half = _mm_set1_epi64x(UINT32_MAX);
	__m128i low = _mm_setzero_si128(), high = low;
	uint64_t lanes[2];
	size_t at = 0;

	for (; at + 16 <= n; at += 16) {
		__m128i a = _mm_loadu_si128((const __m128i *)(p + at));

		low = _mm_add_epi64(low, _mm_and_si128(a, half));
		high = _mm_add_epi64(high, _mm_srli_epi64(a, 32));
	}
	_mm_storeu_si128((__m128i *)lanes, _mm_add_epi64(low, high));
	*sum += lanes[0] + lanes[1];
	return at;
}

uint64_t cksum_add_long(uint64_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;
	size_t done = __builtin_cpu_supports("avx2") ? add_avx2(&sum, p, n) : add_sse2(&sum, p, n);

	return cksum_add_short(sum, p + done, n - done);
}
