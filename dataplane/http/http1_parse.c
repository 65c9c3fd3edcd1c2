/* SPDX-License-Identifier: Apache-2.0 */
/* The quick reader of complete heads. It takes what is good and whole and leaves every other
 * verdict to http1_scan.c, so that both always agree; the fuzzer http_request compares them. Names
 * and values are each looked through for the one class of bytes that ends them, 16 at a time. */
#include <endian.h>

#include "http_internal.h"

#define LANE 16
#define BLOCK 64
#define MAX_METHOD 32
#define AVX2 __attribute__((target("avx2,bmi,bmi2")))

struct cursor {
	const uint8_t *p;
	uint32_t n; /* at least LANE */
};

/* tchar, as http_outside wants it. */
#define TOKENS                                                                                     \
	_mm_setr_epi8((char)0xe8, (char)0xfc, (char)0xf8, (char)0xfc, (char)0xfc, (char)0xfc,      \
		      (char)0xfc, (char)0xfc, (char)0xf8, (char)0xf8, (char)0xf4, 0x54,            \
		      (char)0xd0, 0x54, (char)0xf4, 0x70)

static inline uint32_t no_token_mask(__m128i x)
{
	return http_outside(x, TOKENS);
}

static inline uint32_t control_mask(__m128i x)
{
	__m128i below = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
	__m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8('\t'));
	__m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));

	return _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, below), del));
}

/* The lane at `at` < n. Bytes past the end are zero, which belongs to no token and to no value. */
static inline __m128i lane(const struct cursor *c, uint32_t at)
{
	static const int8_t down[2 * LANE] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
					       11, 12, 13, 14, 15, -1, -1, -1, -1, -1, -1,
					       -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 };
	uint32_t over;
	__m128i x;

	if (hd_likely(at + LANE <= c->n))
		return _mm_loadu_si128((const __m128i *)(c->p + at));
	over = at + LANE - c->n;
	x = _mm_loadu_si128((const __m128i *)(c->p + c->n - LANE));
	return _mm_shuffle_epi8(x, _mm_loadu_si128((const __m128i *)(down + over)));
}

/* One bit a byte of 64: what ends a name, and what ends a value. */
struct block {
	uint64_t no_token, control;
};

static inline struct block block_sse(const uint8_t *p)
{
	struct block b = { 0, 0 };

	for (uint32_t i = 0; i < BLOCK; i += LANE) {
		__m128i x = _mm_loadu_si128((const __m128i *)(p + i));

		b.no_token |= (uint64_t)no_token_mask(x) << i;
		b.control |= (uint64_t)control_mask(x) << i;
	}
	return b;
}

AVX2 static inline uint64_t no_token_avx2(__m256i x)
{
	const __m256i high = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0));
	__m256i nibble = _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15));
	__m256i both =
		_mm256_and_si256(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(TOKENS), x),
				 _mm256_shuffle_epi8(high, nibble));

	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(both, _mm256_setzero_si256()));
}

AVX2 static inline uint64_t control_avx2(__m256i x)
{
	__m256i below = _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8(0x1f)), x);
	__m256i tab = _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\t'));
	__m256i del = _mm256_cmpeq_epi8(x, _mm256_set1_epi8(0x7f));

	return (uint32_t)_mm256_movemask_epi8(
		_mm256_or_si256(_mm256_andnot_si256(tab, below), del));
}

AVX2 static inline struct block block_avx2(const uint8_t *p)
{
	__m256i low = _mm256_loadu_si256((const __m256i *)p),
		high = _mm256_loadu_si256((const __m256i *)(p + 32));

	return (struct block){ no_token_avx2(low) | no_token_avx2(high) << 32,
			       control_avx2(low) | control_avx2(high) << 32 };
}

/* The first byte at or after `at` that is no tchar; n when there is none. */
static inline uint32_t token_end(const struct cursor *c, uint32_t at)
{
	for (; at < c->n; at += LANE) {
		uint32_t mask = no_token_mask(lane(c, at));
		if (mask != 0)
			return at + (uint32_t)__builtin_ctz(mask);
	}
	return c->n;
}

static inline int is_crlf(const struct cursor *c, uint32_t at)
{
	uint16_t two;

	if (hd_unlikely(at + 1 >= c->n))
		return 0;
	memcpy(&two, c->p + at, 2);
	return two == htole16('\r' | '\n' << 8);
}

static inline uint16_t load16(const uint8_t *p)
{
	uint16_t two;

	memcpy(&two, p, 2);
	return two;
}

#define CRLF htole16('\r' | '\n' << 8)

/* [name, colon) and what lies before `end`, where a CR is: the field with index i, at *f. */
static inline __attribute__((always_inline)) void
put_field(struct http_head *h, struct http_field *f, uint32_t i, const uint8_t *p, size_t name,
	  size_t colon, size_t end)
{
	const struct http_known *k = http_field_find(p + name, colon - name);
	size_t value = colon + 1;

	f->name = (uint16_t)name;
	f->name_n = (uint16_t)(colon - name);
	value += p[value] == ' ';
	if (hd_unlikely(p[value] <= ' ')) {
		while (http_is_space(p[value])) /* the CR ends it */
			value++;
	}
	if (hd_unlikely(p[end - 1] <= ' ')) {
		while (end > value && http_is_space(p[end - 1]))
			end--;
	}
	f->value = (uint16_t)value;
	f->value_n = (uint16_t)(end - value);
	f->id = k->id;
	f->hop = k->hop;
	if (k->id == HTTP_F_UNKNOWN)
		return;
	if (hd_likely(h->first[k->id] == 0))
		h->first[k->id] = (uint16_t)(i + 1);
	else
		h->repeated |= UINT32_C(1) << k->id;
}

/* The fields' bytes, a block at a time, each looked at once. */
struct marks {
	const uint8_t *p;
	size_t n;
	size_t base; /* of the block */
	struct block b;
};

typedef struct block (*block_reader)(const uint8_t *p);

/* What is past the end belongs to no name and to no value. Of the last bytes of a longer head those
 * in front, which were looked at before, are shifted out. */
static inline __attribute__((always_inline)) void read_last(struct marks *m, size_t at,
							    block_reader read)
{
	uint8_t rest[BLOCK] = { 0 };
	size_t seen = at + BLOCK - m->n;

	if (hd_unlikely(at >= m->n)) {
		m->b = (struct block){ UINT64_MAX, UINT64_MAX };
	} else if (hd_likely(m->n >= BLOCK)) {
		m->b = read(m->p + m->n - BLOCK);
		m->b.no_token = ~(~m->b.no_token >> seen);
		m->b.control = ~(~m->b.control >> seen);
	} else {
		memcpy(rest, m->p + at, m->n - at);
		m->b = read(rest);
	}
}

static inline __attribute__((always_inline)) void read_block(struct marks *m, size_t at,
							     block_reader read)
{
	m->base = at;
	if (hd_likely(at + BLOCK <= m->n))
		m->b = read(m->p + at);
	else
		read_last(m, at, read);
}

/* Both: the first such byte at or after `at`, which never goes back. Past the end there is one. */
static inline __attribute__((always_inline)) size_t name_end(struct marks *m, size_t at,
							       block_reader read)
{
	uint64_t hit = 0;

	if (hd_likely(at - m->base < BLOCK))
		hit = m->b.no_token >> (at - m->base);
	while (hd_unlikely(hit == 0)) {
		at = at - m->base < BLOCK ? m->base + BLOCK : at;
		read_block(m, at, read);
		hit = m->b.no_token;
	}
	return at + (size_t)__builtin_ctzll(hit);
}

static inline __attribute__((always_inline)) size_t value_end(struct marks *m, size_t at,
								block_reader read)
{
	uint64_t hit = 0;

	if (hd_likely(at - m->base < BLOCK))
		hit = m->b.control >> (at - m->base);
	while (hd_unlikely(hit == 0)) {
		at = at - m->base < BLOCK ? m->base + BLOCK : at;
		read_block(m, at, read);
		hit = m->b.control;
	}
	return at + (size_t)__builtin_ctzll(hit);
}

/* From the first field line to the end of the head. Behind each line there are at least two bytes
 * more, so one look at the end a line is enough. */
static inline __attribute__((always_inline)) int read_fields_by(const struct cursor *c, size_t at,
								struct http_head *h,
								block_reader read)
{
	struct marks m = { .p = c->p, .n = c->n };
	struct http_field *f = h->fields;
	uint32_t i = 0;

	if (at + 2 > m.n)
		return 0;
	read_block(&m, at, read);
	for (; load16(m.p + at) != CRLF; i++, f++) {
		size_t colon = name_end(&m, at, read), end = value_end(&m, colon + 1, read);

		if (end + 4 > m.n || load16(m.p + end) != CRLF || m.p[colon] != ':' ||
		    colon == at || i == HTTP_MAX_FIELDS)
			return 0;
		put_field(h, f, i, m.p, at, colon, end);
		at = end + 2;
	}
	h->n_fields = (uint16_t)i;
	h->bytes = (uint16_t)(at + 2);
	return 1;
}

static int read_fields_sse(const struct cursor *c, uint32_t at, struct http_head *h)
{
	return read_fields_by(c, at, h, block_sse);
}

AVX2 static int read_fields_avx2(const struct cursor *c, uint32_t at, struct http_head *h)
{
	return read_fields_by(c, at, h, block_avx2);
}

static int read_fields(const struct cursor *c, uint32_t at, struct http_head *h)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
		       ? read_fields_avx2(c, at, h)
		       : read_fields_sse(c, at, h);
}

/* "HTTP/1.x" at `at`; 0 for anything else. */
static int read_version(const struct cursor *c, uint32_t at, struct http_head *h)
{
	if (at + 8 > c->n || memcmp(c->p + at, "HTTP/1.", 7) != 0 || !http_is_digit(c->p[at + 7]))
		return 0;
	h->minor = c->p[at + 7] != '0';
	return 1;
}

/* The first byte that is neither VCHAR nor obs-text. */
static uint32_t target_end(const struct cursor *c, uint32_t at)
{
	for (; at + 16 <= c->n; at += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(c->p + at));
		__m128i blank = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x20)), x);
		__m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
		uint32_t mask = (uint32_t)_mm_movemask_epi8(_mm_or_si128(blank, del));
		if (mask != 0)
			return at + (uint32_t)__builtin_ctz(mask);
	}
	while (at < c->n && http_is(c->p[at], HTTP_C_VISIBLE))
		at++;
	return at;
}

static int read_request(const struct cursor *c, struct http_head *h)
{
	uint32_t at = 0;

	while (at < 2 * HTTP_MAX_EMPTY_LINES && is_crlf(c, at))
		at += 2;
	h->start = at;
	uint32_t method = token_end(c, at);
	if (method == at || method >= c->n || c->p[method] != ' ' || method - at > MAX_METHOD)
		return 0;
	h->method_n = method - at;
	uint32_t target = method + 1, end = target_end(c, target);
	if (end == target || end >= c->n || c->p[end] != ' ' || !read_version(c, end + 1, h) ||
	    !is_crlf(c, end + 9))
		return 0;
	h->target = target;
	h->target_n = end - target;
	return read_fields(c, end + 11, h);
}

static int read_reason(const struct cursor *c, struct http_head *h)
{
	if (is_crlf(c, 12))
		return read_fields(c, 14, h);
	if (c->p[12] != ' ')
		return 0;
	uint32_t end = 13;
	while (end < c->n && http_is(c->p[end], HTTP_C_VALUE))
		end++;
	if (!is_crlf(c, end))
		return 0;
	h->reason = 13;
	h->reason_n = end - 13;
	return read_fields(c, end + 2, h);
}

static int read_response(const struct cursor *c, struct http_head *h)
{
	const uint8_t *p = c->p;

	if (!read_version(c, 0, h) || c->n < 14 || p[8] != ' ' || p[9] == '0')
		return 0;
	if (!http_is_digit(p[9]) || !http_is_digit(p[10]) || !http_is_digit(p[11]))
		return 0;
	h->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
	return read_reason(c, h);
}

static void head_init(struct http_head *h)
{
	memset(h, 0, offsetof(struct http_head, fields));
}

static struct cursor cursor_of(const uint8_t *p, uint32_t n)
{
	return (struct cursor){ p, n < HTTP_MAX_HEAD_BYTES ? n : HTTP_MAX_HEAD_BYTES };
}

/* Values that hold for every version and method. */
static enum http_verdict check_expect(const uint8_t *p, struct http_head *h, struct http_error *e)
{
	if (h->first[HTTP_F_EXPECT] == 0)
		return HTTP_DONE;
	for (uint32_t i = h->first[HTTP_F_EXPECT] - 1; i < h->n_fields; i++) {
		const struct http_field *f = &h->fields[i];
		if (f->id == HTTP_F_EXPECT &&
		    !http_name_eq(p + f->value, f->value_n, "100-continue"))
			return http_refuse(e, HD_HTTP_BAD_EXPECT);
	}
	h->expect_continue = h->framing == HTTP_BODY_CHUNKED || h->content_length != 0;
	return HTTP_DONE;
}

static enum http_verdict check_method(const uint8_t *p, struct http_head *h, struct http_error *e)
{
	int method = http_method_lookup(p + h->start, h->method_n);

	if (h->minor == 0)
		return http_refuse(e, HD_HTTP_OLD_VERSION);
	if (method < 0)
		return http_refuse(e, HD_HTTP_UNKNOWN_METHOD);
	if (method == HTTP_CONNECT)
		return http_refuse(e, HD_HTTP_CONNECT_REFUSED);
	h->method = method;
	return HTTP_DONE;
}

enum http_verdict http1_parse_request(const uint8_t *p, uint32_t n, struct http_head *h,
				      struct http_error *e)
{
	struct cursor c = cursor_of(p, n);

	head_init(h);
	if (hd_unlikely(n < LANE || !read_request(&c, h))) {
		struct http1_scan s = {0};
		uint32_t bytes;
		enum http_verdict v = http1_scan_request(&s, p, n, &bytes, e);
		return v == HTTP_DONE ? http_refuse(e, HD_HTTP_BAD_REQUEST_LINE) : v;
	}
	enum http_verdict v = check_method(p, h, e);
	if (v == HTTP_DONE)
		v = http_target_check(p, h, e);
	if (v == HTTP_DONE)
		v = http1_framing_request(p, h, e);
	if (v == HTTP_DONE)
		v = check_expect(p, h, e);
	return v == HTTP_DONE ? http1_connection(p, h, e) : v;
}

static enum http_verdict parse_response(const uint8_t *p, uint32_t n,
					enum http_method request_method, struct http_head *h,
					struct http_error *e)
{
	struct cursor c = cursor_of(p, n);

	head_init(h);
	if (hd_unlikely(n < LANE || !read_response(&c, h))) {
		struct http1_scan s = {0};
		uint32_t bytes;
		enum http_verdict v = http1_scan_response(&s, p, n, &bytes, e);
		return v == HTTP_DONE ? http_refuse(e, HD_HTTP_BAD_STATUS_LINE) : v;
	}
	enum http_verdict v = http1_framing_response(p, request_method, h, e);
	if (v == HTTP_DONE)
		v = http1_connection(p, h, e);
	if (v == HTTP_DONE && h->status == 101 && h->upgrade == HTTP_UPGRADE_NONE)
		v = http_refuse(e, HD_HTTP_BAD_SWITCH);
	return v;
}

enum http_verdict http1_parse_response(const uint8_t *p, uint32_t n,
				       enum http_method request_method, struct http_head *h,
				       struct http_error *e)
{
	enum http_verdict v = parse_response(p, n, request_method, h, e);

	if (v == HTTP_BAD)
		e->status = 502;
	return v;
}
