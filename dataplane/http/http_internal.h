/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: classes of bytes, refusals, the steps of the parse. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include <tmmintrin.h>

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

/* The number of a known field name, HTTP_F_UNKNOWN for others. The name is a token. */
enum http_field_id http_field_lookup(const uint8_t *name, uint32_t n);

/* The method's number, -1 when no registry knows it: Envoy's list, which is IANA's and WebDAV's. */
int http_method_lookup(const uint8_t *p, uint32_t n);

/* A request's authority, target forms and Host (RFC 9112 3.2). */
enum http_verdict http_target_check(const uint8_t *p, struct http_head *h, struct http_error *e);

/* Whether n bytes without controls are this word, in any case; none of '^', '_' and '~' in the word. */
int http_token_is(const uint8_t *p, uint32_t n, const char *lower);

/* Fields that are hop-by-hop whatever Connection says. */
int http1_always_hop(enum http_field_id id);
/* Connection, Upgrade and TE: hop-by-hop marks, keep-alive, upgrade. After the framing is known. */
enum http_verdict http1_connection(const uint8_t *p, struct http_head *h, struct http_error *e);

/* RFC 9112 6.3: the one decision where the body ends. */
enum http_verdict http1_framing_request(const uint8_t *p, struct http_head *h,
					struct http_error *e);
enum http_verdict http1_framing_response(const uint8_t *p, enum http_method request_method,
					 struct http_head *h, struct http_error *e);

#endif
