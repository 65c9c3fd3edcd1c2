/* SPDX-License-Identifier: Apache-2.0 */
/* Where the body ends: RFC 9112 6.3, decided once. Whatever two readers could take differently is
 * refused, also where the RFC would let us repair it. */
#include "http_internal.h"

/* 1*DIGIT that fits. More than 19 digits never do, zeros in front included. */
static int read_length(const uint8_t *p, const struct http_field *f, uint64_t *length)
{
	uint64_t v = 0;

	if (f->value_n == 0 || f->value_n > 19)
		return 0;
	for (uint32_t i = 0; i < f->value_n; i++) {
		uint8_t c = p[f->value + i];
		if (!http_is_digit(c))
			return 0;
		v = v * 10 + (c - '0'); /* 19 digits stay below 2^64 */
	}
	*length = v;
	return v <= HTTP_MAX_CONTENT_LENGTH;
}

static int has(const struct http_head *h, enum http_field_id id)
{
	return h->first[id] != 0;
}

static int is_repeated(const struct http_head *h, enum http_field_id id)
{
	return h->repeated >> id & 1;
}

static const struct http_field *field(const struct http_head *h, enum http_field_id id)
{
	return &h->fields[h->first[id] - 1];
}

static enum http_verdict framing_chunked(const uint8_t *p, struct http_head *h,
					 struct http_error *e)
{
	const struct http_field *te = field(h, HTTP_F_TRANSFER_ENCODING);

	if (h->minor == 0) /* 6.1: faulty framing */
		return http_refuse(e, HD_HTTP_CODING_IN_1_0);
	if (has(h, HTTP_F_CONTENT_LENGTH))
		return http_refuse(e, HD_HTTP_LENGTH_AND_CHUNKED);
	if (is_repeated(h, HTTP_F_TRANSFER_ENCODING) ||
	    !http_name_eq(p + te->value, te->value_n, "chunked"))
		return http_refuse(e, HD_HTTP_BAD_CODING);
	h->framing = HTTP_BODY_CHUNKED;
	return HTTP_DONE;
}

/* What the fields say, whether or not a body may follow. */
static enum http_verdict framing(const uint8_t *p, struct http_head *h, struct http_error *e)
{
	if (has(h, HTTP_F_CONTENT_LENGTH)) {
		if (is_repeated(h, HTTP_F_CONTENT_LENGTH))
			return http_refuse(e, HD_HTTP_MANY_LENGTHS);
		if (!read_length(p, field(h, HTTP_F_CONTENT_LENGTH), &h->content_length))
			return http_refuse(e, HD_HTTP_BAD_LENGTH);
		h->framing = HTTP_BODY_LENGTH;
	}
	if (has(h, HTTP_F_TRANSFER_ENCODING))
		return framing_chunked(p, h, e);
	return HTTP_DONE;
}

enum http_verdict http1_framing_request(const uint8_t *p, struct http_head *h, struct http_error *e)
{
	return framing(p, h, e);
}

/* RFC 9110 15.2, 15.3.5, RFC 9112 6.1: neither field may come with 1xx or 204. "Content-Length: 0"
 * is harmless and often seen: it is dropped. */
static enum http_verdict check_bodyless(struct http_head *h, struct http_error *e)
{
	if (h->framing == HTTP_BODY_CHUNKED || h->content_length != 0)
		return http_refuse(e, HD_HTTP_BODY_FORBIDDEN);
	if (h->framing == HTTP_BODY_LENGTH)
		h->fields[h->first[HTTP_F_CONTENT_LENGTH] - 1].hop = 1;
	return HTTP_DONE;
}

enum http_verdict http1_framing_response(const uint8_t *p, enum http_method request_method,
					 struct http_head *h, struct http_error *e)
{
	int never_has_body = h->status < 200 || h->status == 204;
	enum http_verdict v = framing(p, h, e);

	if (v == HTTP_DONE && never_has_body)
		v = check_bodyless(h, e);
	if (v != HTTP_DONE)
		return v;
	if (never_has_body || h->status == 304 || request_method == HTTP_HEAD)
		h->framing = HTTP_BODY_NONE;
	else if (h->framing == HTTP_BODY_NONE)
		h->framing = HTTP_BODY_UNTIL_CLOSE;
	return HTTP_DONE;
}
