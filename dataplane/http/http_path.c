/* SPDX-License-Identifier: Apache-2.0 */
/* One spelling of a path for routing, policy and backend (RFC 3986 6.2.2, 5.2.4), as Istio's
 * pathNormalization has it. */
#include <heddle/snapshot.h>

#include "http_internal.h"

static int is_unreserved(uint8_t c)
{
	return http_is_digit(c) || (uint8_t)((c | 0x20) - 'a') < 26 || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

static int is_escape(const uint8_t *p, uint32_t left)
{
	return left >= 3 && p[0] == '%' && http_is(p[1], HTTP_C_HEX) && http_is(p[2], HTTP_C_HEX);
}

/* Whether a byte written next would complete an escape that the sender did not write: "%%34%31" is
 * not "%41". */
static int would_escape(const uint8_t *out, uint32_t w)
{
	return (w >= 1 && out[w - 1] == '%') || (w >= 2 && out[w - 2] == '%');
}

/* Decodes what needs no escape and turns backslashes; the result is never longer. 0: refused. */
static uint32_t decode(const uint8_t *p, uint32_t n, uint8_t *out)
{
	uint32_t w = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint8_t c = p[i];
		if (is_escape(p + i, n - i)) {
			uint8_t v = http_hex(p[i + 1]) << 4 | http_hex(p[i + 2]);
			if (v == 0)
				return 0;
			if (is_unreserved(v) && !would_escape(out, w)) {
				c = v;
				i += 2;
			}
		} else if (c == '\\') {
			c = '/';
		}
		out[w++] = c;
	}
	return w;
}

/* How many dots make up the segment at p[0..n): 1 or 2, else 0. */
static uint32_t dots(const uint8_t *p, uint32_t n)
{
	if (n == 1 && p[0] == '.')
		return 1;
	return n == 2 && p[0] == '.' && p[1] == '.' ? 2 : 0;
}

static uint32_t segment_end(const uint8_t *p, uint32_t at, uint32_t n)
{
	while (at < n && p[at] != '/')
		at++;
	return at;
}

/* RFC 3986 5.2.4 in place: p begins with a slash, and so does what is left. */
static uint32_t remove_dot_segments(uint8_t *p, uint32_t n)
{
	uint32_t w = 0, at = 0;

	while (at < n) {
		uint32_t end = segment_end(p, at + 1, n), d = dots(p + at + 1, end - at - 1);
		if (d == 2) {
			while (w > 0 && p[--w] != '/')
				;
		}
		if (d == 0) {
			memmove(p + w, p + at, end - at);
			w += end - at;
		} else if (end == n) {
			p[w++] = '/';
		}
		at = end;
	}
	return w;
}

#define LANE 16

/* Bytes that may need a change, or end the path. */
static inline uint32_t special(__m128i x)
{
	const __m128i escape = _mm_cmpeq_epi8(x, _mm_set1_epi8('%')),
		      back = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')),
		      hash = _mm_cmpeq_epi8(x, _mm_set1_epi8('#')),
		      dot = _mm_cmpeq_epi8(x, _mm_set1_epi8('.')),
		      query = _mm_cmpeq_epi8(x, _mm_set1_epi8('?'));

	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(
		_mm_or_si128(_mm_or_si128(escape, back), _mm_or_si128(hash, dot)), query));
}

/* Nothing to decode, to turn or to remove: the path, which begins with a slash, is as it should be.
 * Most are. A dot matters behind a slash. */
static int is_normal(const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += LANE) {
		uint8_t last[LANE] = { 0 };
		uint32_t found;

		if (n - i < LANE)
			memcpy(last, p + i, n - i);
		found = special(_mm_loadu_si128((const __m128i *)(n - i < LANE ? last : p + i)));
		for (; hd_unlikely(found != 0); found &= found - 1) {
			uint32_t at = i + (uint32_t)__builtin_ctz(found);

			if (p[at] == '?')
				return memchr(p + at, '#', n - at) == NULL;
			if (p[at] != '.' || p[at - 1] == '/')
				return 0;
		}
	}
	return 1;
}

uint32_t http_path_normalize(const uint8_t *path, uint32_t n, uint8_t *out)
{
	if (hd_likely(n > 0 && path[0] == '/' && is_normal(path, n))) {
		memcpy(out, path, n);
		return n;
	}
	const uint8_t *query = memchr(path, '?', n);
	uint32_t path_n = query != NULL ? (uint32_t)(query - path) : n, query_n = n - path_n;

	if (n == 0 || path[0] != '/' || memchr(path, '#', n) != NULL)
		return 0;
	uint32_t w = decode(path, path_n, out);
	if (w == 0)
		return 0;
	w = remove_dot_segments(out, w);
	if (query_n > 0)
		memmove(out + w, path + path_n, query_n);
	return w + query_n;
}

/* Of the path alone, before everything else. out may be path itself. */
static uint32_t decode_slashes(const uint8_t *p, uint32_t n, uint8_t *out)
{
	uint32_t w = 0, i = 0;

	while (i < n && p[i] != '?') {
		uint8_t c = p[i];

		if (is_escape(p + i, n - i) && ((p[i + 1] == '2' && (p[i + 2] | 0x20) == 'f') ||
						(p[i + 1] == '5' && (p[i + 2] | 0x20) == 'c'))) {
			c = p[i + 1] == '2' ? '/' : '\\';
			i += 2;
		}
		out[w++] = c;
		i++;
	}
	memmove(out + w, p + i, n - i);
	return w + n - i;
}

static uint32_t merge_slashes(uint8_t *p, uint32_t n)
{
	uint32_t w = 0, i = 0;

	for (; i < n && p[i] != '?'; i++)
		if (p[i] != '/' || w == 0 || p[w - 1] != '/')
			p[w++] = p[i];
	memmove(p + w, p + i, n - i);
	return w + n - i;
}

static uint32_t unchanged(const uint8_t *path, uint32_t n, uint8_t *out)
{
	if (n == 0 || path[0] != '/' || memchr(path, '#', n) != NULL)
		return 0;
	memmove(out, path, n);
	return n;
}

uint32_t http_path_normalize_as(uint8_t how, const uint8_t *path, uint32_t n, uint8_t *out)
{
	switch ((enum hd_path_normalization)how) {
	case HD_PATHS_BASE:
		break;
	case HD_PATHS_NONE:
		return unchanged(path, n, out);
	case HD_PATHS_MERGE:
		return merge_slashes(out, http_path_normalize(path, n, out));
	case HD_PATHS_DECODE_AND_MERGE:
		n = decode_slashes(path, n, out);
		return merge_slashes(out, http_path_normalize(out, n, out));
	}
	return http_path_normalize(path, n, out);
}
