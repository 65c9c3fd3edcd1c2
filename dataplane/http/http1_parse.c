/* SPDX-License-Identifier: Apache-2.0 */
/* The quick reader of complete heads. It takes what is good and whole and leaves every other
 * verdict to http1_scan.c, so that both always agree; the fuzzer http_request compares them. Bytes
 * are classified 64 at a time into two masks, and lines are cut by looking for their next bits: the
 * common head costs few unpredicted branches. */
#include "http_internal.h"

#define BLOCK 64
#define MAX_METHOD 32

struct cursor {
	const uint8_t *p;
	uint32_t n;
	uint32_t block;
	uint64_t no_token;
	uint64_t control; /* no field-vchar, SP, HTAB or obs-text */
};

static inline uint32_t no_token_mask(__m128i x)
{
	return http_outside(x, _mm_setr_epi8((char)0xe8, (char)0xfc, (char)0xf8, (char)0xfc,
					     (char)0xfc, (char)0xfc, (char)0xfc, (char)0xfc,
					     (char)0xf8, (char)0xf8, (char)0xf4, 0x54, (char)0xd0,
					     0x54, (char)0xf4, 0x70));
}

static inline uint32_t control_mask(__m128i x)
{
	__m128i below = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
	__m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8('\t'));
	__m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));

	return _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, below), del));
}

static inline void classify(struct cursor *c, const uint8_t *p)
{
	uint64_t no_token = 0, control = 0;

	for (uint32_t i = 0; i < BLOCK; i += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(p + i));
		no_token |= (uint64_t)no_token_mask(x) << i;
		control |= (uint64_t)control_mask(x) << i;
	}
	c->no_token = no_token;
	c->control = control;
}

/* The last block, of `left` bytes: its last lane is read so that it ends where the bytes end, and
 * shifted down. Fewer than 16 bytes are no head in any case: they match nothing. */
static void classify_last(struct cursor *c, const uint8_t *p, uint32_t left)
{
	c->no_token = c->control = 0;
	for (uint32_t i = 0; i < left && c->n >= 16; i += 16) {
		uint32_t over = left - i < 16 ? 16 - (left - i) : 0;
		__m128i x = _mm_loadu_si128((const __m128i *)(p + i - over));
		c->no_token |= (uint64_t)(no_token_mask(x) >> over) << i;
		c->control |= (uint64_t)(control_mask(x) >> over) << i;
	}
}

static inline void load_block(struct cursor *c, uint32_t block)
{
	uint32_t at = block * BLOCK;

	c->block = block;
	if (hd_likely(at + BLOCK <= c->n))
		classify(c, c->p + at);
	else
		classify_last(c, c->p + at, c->n - at);
}

/* The first byte of the class at or after `at`; n when there is none. Positions only grow from call
 * to call. */
static inline __attribute__((always_inline)) uint32_t next(struct cursor *c, uint32_t at,
							   int control)
{
	uint32_t block = at / BLOCK;
	uint64_t mask = UINT64_MAX << (at % BLOCK);

	for (;; block++, mask = UINT64_MAX) {
		if (block * BLOCK >= c->n)
			return c->n;
		if (block != c->block)
			load_block(c, block);
		mask &= control ? c->control : c->no_token;
		if (mask != 0)
			break;
	}
	uint32_t found = block * BLOCK + (uint32_t)__builtin_ctzll(mask);
	return found < c->n ? found : c->n;
}

static inline int is_crlf(const struct cursor *c, uint32_t at)
{
	return at + 1 < c->n && c->p[at] == '\r' && c->p[at + 1] == '\n';
}

static void add_field(struct http_head *h, const uint8_t *p, uint32_t name, uint32_t colon,
		      uint32_t end)
{
	uint32_t value = colon + 1, i = h->n_fields++;
	struct http_field *f = &h->fields[i];

	while (value < end && http_is_space(p[value]))
		value++;
	while (end > value && http_is_space(p[end - 1]))
		end--;
	enum http_field_id id = http_field_lookup(p + name, colon - name);
	*f = (struct http_field){name, colon - name, value, end - value, id, http1_always_hop(id)};
	if (id == HTTP_F_UNKNOWN)
		return;
	if (h->first[id] == 0)
		h->first[id] = i + 1;
	else
		h->repeated |= UINT32_C(1) << id;
}

/* From the first field line to the end of the head. */
static int read_fields(struct cursor *c, uint32_t at, struct http_head *h)
{
	while (!is_crlf(c, at)) {
		uint32_t colon = next(c, at, 0);
		if (colon == at || colon >= c->n || c->p[colon] != ':' ||
		    h->n_fields == HTTP_MAX_FIELDS)
			return 0;
		uint32_t end = next(c, colon + 1, 1);
		if (!is_crlf(c, end))
			return 0;
		add_field(h, c->p, at, colon, end);
		at = end + 2;
	}
	h->bytes = at + 2;
	return 1;
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

static int read_request(struct cursor *c, struct http_head *h)
{
	uint32_t at = 0;

	while (is_crlf(c, at))
		at += 2;
	h->start = at;
	uint32_t method = next(c, at, 0);
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

static int read_reason(struct cursor *c, struct http_head *h)
{
	if (is_crlf(c, 12))
		return read_fields(c, 14, h);
	if (c->p[12] != ' ')
		return 0;
	uint32_t end = next(c, 13, 1);
	if (!is_crlf(c, end))
		return 0;
	h->reason = 13;
	h->reason_n = end - 13;
	return read_fields(c, end + 2, h);
}

static int read_response(struct cursor *c, struct http_head *h)
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
	return (struct cursor){p, n < HTTP_MAX_HEAD_BYTES ? n : HTTP_MAX_HEAD_BYTES, UINT32_MAX, 0,
			       0};
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
	if (hd_unlikely(!read_request(&c, h))) {
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
	if (hd_unlikely(!read_response(&c, h))) {
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
