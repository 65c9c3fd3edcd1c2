/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: classes of bytes, refusals, the steps of the parse. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include <immintrin.h>

#include <heddle/stats.h>

#include "http.h"

/* Classes of bytes, as bits. */
#define HTTP_C_TOKEN 0x01   /* RFC 9110 5.6.2 tchar */
#define HTTP_C_VALUE 0x02   /* field-vchar, SP, HTAB, obs-text */
#define HTTP_C_VISIBLE 0x04 /* VCHAR and obs-text: what a request target may hold at all */
#define HTTP_C_HOST 0x08    /* unreserved and sub-delims of RFC 3986, without the comma */
#define HTTP_C_HEX 0x10
extern const uint8_t http_class[256];

static inline int http_is(uint8_t byte, uint8_t class)
{
	return http_class[byte] & class;
}

static inline int http_is_digit(uint8_t c)
{
	return (uint8_t)(c - '0') < 10;
}

static inline int http_is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* ASCII only; other bytes stay. */
static inline uint8_t http_lower(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? c | 0x20 : c;
}

/* The value of a hex digit of HTTP_C_HEX. */
static inline uint8_t http_hex(uint8_t c)
{
	return (c & 15) + (c >> 6) * 9;
}

/* One bit for each of 16 bytes that is not in a class of ASCII. Row of the table: low nibble; bit k
 * of it: the byte with high nibble k belongs to the class. */
static inline uint32_t http_outside(__m128i x, __m128i table)
{
	const __m128i high =
		_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0);
	__m128i nibble = _mm_and_si128(_mm_srli_epi16(x, 4), _mm_set1_epi8(15));
	__m128i both = _mm_and_si128(_mm_shuffle_epi8(table, x), _mm_shuffle_epi8(high, nibble));

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(both, _mm_setzero_si128()));
}

/* Fills *e for this counter of HD_HTTP_ERRORS; returns HTTP_BAD. */
enum http_verdict http_refuse(struct http_error *e, enum hd_counter counter);

#define HTTP_LOW4 UINT32_C(0x20202020)
#define HTTP_LOW8 UINT64_C(0x2020202020202020)

static inline uint32_t http_differ4(const uint8_t *a, const char *b)
{
	uint32_t x, y;

	memcpy(&x, a, 4);
	memcpy(&y, b, 4);
	return (x | HTTP_LOW4) ^ y;
}

static inline uint64_t http_differ8(const uint8_t *a, const char *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return (x | HTTP_LOW8) ^ y;
}

/* Whether n bytes without controls are this word, in any case; none of '^', '_' and '~' in the word.
 * Bit 5 set makes a tchar lower case or leaves it, but for '^' and '_', which no known name holds;
 * nor '~' and DEL. */
static inline int http_token_is(const uint8_t *p, uint32_t n, const char *lower)
{
	if (n >= 16)
		return (http_differ8(p, lower) | http_differ8(p + 8, lower + 8) |
			http_differ8(p + n - 8, lower + n - 8)) == 0;
	if (n >= 8)
		return (http_differ8(p, lower) | http_differ8(p + n - 8, lower + n - 8)) == 0;
	if (n >= 4)
		return (http_differ4(p, lower) | http_differ4(p + n - 4, lower + n - 4)) == 0;
	return http_name_eq(p, n, lower);
}

/* Known field names: a hash without collisions over length, first and last letter. Case drops out
 * of it because bit 5 times 9 or 24 vanishes modulo 32. */
#define HTTP_KNOWN_SLOTS 32
#define HTTP_KNOWN_EMPTY 2 /* one that no name has */

struct http_known {
	char name[29];
	uint8_t n;
	uint8_t id, hop; /* of struct http_field */
};
extern const struct http_known http_known[HTTP_KNOWN_SLOTS]; /* n 0: an empty slot */

/* An empty slot for names that are not known. */
static inline const struct http_known *http_field_find(const uint8_t *name, size_t n)
{
	const struct http_known *k =
		&http_known[(n + name[0] * 9u + name[n - 1] * 24u) % HTTP_KNOWN_SLOTS];

	return hd_likely(k->n == n && http_token_is(name, (uint32_t)n, k->name))
		       ? k
		       : &http_known[HTTP_KNOWN_EMPTY];
}

/* The number of a known field name, HTTP_F_UNKNOWN for others. The name is a token. */

/* The method's number, -1 when no registry knows it: Envoy's list, which is IANA's and WebDAV's. */
int http_method_lookup(const uint8_t *p, uint32_t n);

/* A request's authority, target forms and Host (RFC 9112 3.2). */
enum http_verdict http_target_check(const uint8_t *p, struct http_head *h, struct http_error *e);

#define HTTP_BIT(id) (UINT32_C(1) << HTTP_F_##id)

/* Fields that are hop-by-hop whatever Connection says. Trailer belongs to them because trailers are
 * dropped; HTTP2-Settings because h2c is not offered. */
#define HTTP_ALWAYS_HOP                                                            \
	(HTTP_BIT(CONNECTION) | HTTP_BIT(TRANSFER_ENCODING) | HTTP_BIT(UPGRADE) |  \
	 HTTP_BIT(TE) | HTTP_BIT(TRAILER) | HTTP_BIT(KEEP_ALIVE) |                 \
	 HTTP_BIT(PROXY_CONNECTION) | HTTP_BIT(HTTP2_SETTINGS))
_Static_assert(HTTP_F_MAX <= 32, "field ids fit a word of bits");
/* Connection, Upgrade and TE: hop-by-hop marks, keep-alive, upgrade. After the framing is known. */
enum http_verdict http1_connection(const uint8_t *p, struct http_head *h, struct http_error *e);

/* RFC 9112 6.3: the one decision where the body ends. */
enum http_verdict http1_framing_request(const uint8_t *p, struct http_head *h,
					struct http_error *e);
enum http_verdict http1_framing_response(const uint8_t *p, enum http_method request_method,
					 struct http_head *h, struct http_error *e);

#endif
