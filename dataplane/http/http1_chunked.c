/* SPDX-License-Identifier: Apache-2.0 */
/* The chunked coding received (RFC 9112 7.1): hex digits, CRLF and nothing else. Extensions and
 * trailers are validated and dropped; a forwarder writes its own framing around the data. */
#include "http_internal.h"

#define MAX_DIGITS 15

enum chunked_state {
	CHUNKED_SIZE_FIRST,
	CHUNKED_SIZE,
	CHUNKED_SIZE_SPACE, /* bad white space, which only an extension may follow (7.1.1) */
	CHUNKED_EXTENSION,
	CHUNKED_SIZE_LF,
	CHUNKED_DATA,
	CHUNKED_DATA_CR,
	CHUNKED_DATA_LF,
	CHUNKED_TRAILER,
	CHUNKED_TRAILER_NAME,
	CHUNKED_TRAILER_VALUE,
	CHUNKED_TRAILER_LF,
	CHUNKED_END_LF,
	CHUNKED_DONE,
	CHUNKED_BAD, /* the counter is in `left` */
};

static enum chunked_state bad(struct http1_chunked *c, enum hd_counter why)
{
	c->left = why;
	return CHUNKED_BAD;
}

static enum chunked_state step_digit(struct http1_chunked *c, uint8_t b)
{
	if (c->digits == MAX_DIGITS)
		return bad(c, HD_HTTP_BAD_CHUNK_SIZE);
	c->digits++;
	c->left = c->left << 4 | http_hex(b);
	return CHUNKED_SIZE;
}

static enum chunked_state step_extension(struct http1_chunked *c, uint8_t b)
{
	if (b == '\r')
		return CHUNKED_SIZE_LF;
	if (!http_is(b, HTTP_C_VALUE))
		return bad(c, HD_HTTP_BAD_CHUNK_EXTENSION);
	if (++c->extension_bytes > HTTP_MAX_CHUNK_EXTENSIONS)
		return bad(c, HD_HTTP_LONG_CHUNK_EXTENSIONS);
	return CHUNKED_EXTENSION;
}

static enum chunked_state step_size(struct http1_chunked *c, uint8_t b)
{
	if (http_is(b, HTTP_C_HEX) && c->state != CHUNKED_SIZE_SPACE)
		return step_digit(c, b);
	if (c->state == CHUNKED_SIZE_FIRST)
		return bad(c, HD_HTTP_BAD_CHUNK_SIZE);
	if (b == ';')
		return CHUNKED_EXTENSION;
	if (http_is_space(b) && ++c->extension_bytes <= HTTP_MAX_CHUNK_EXTENSIONS)
		return CHUNKED_SIZE_SPACE;
	if (b == '\r' && c->state == CHUNKED_SIZE)
		return CHUNKED_SIZE_LF;
	return bad(c, HD_HTTP_BAD_CHUNK_SIZE);
}

/* The bytes of a chunk pay for the extensions before it: a long body with a signature in each chunk
 * is no attack. */
static enum chunked_state step_size_lf(struct http1_chunked *c, uint8_t b)
{
	if (b != '\n')
		return bad(c, HD_HTTP_BAD_CHUNK_SIZE);
	c->digits = 0;
	if (c->left == 0)
		return CHUNKED_TRAILER;
	c->extension_bytes -= c->left < c->extension_bytes ? (uint32_t)c->left : c->extension_bytes;
	return CHUNKED_DATA;
}

/* Trailer lines obey the rules of field lines (RFC 9112 5). */
static enum chunked_state step_trailer(struct http1_chunked *c, uint8_t b)
{
	if (b == '\r')
		return CHUNKED_END_LF;
	if (!http_is(b, HTTP_C_TOKEN))
		return bad(c, HD_HTTP_BAD_TRAILER);
	if (++c->trailer_fields > HTTP_MAX_FIELDS)
		return bad(c, HD_HTTP_LONG_TRAILERS);
	return CHUNKED_TRAILER_NAME;
}

static enum chunked_state step_trailer_name(struct http1_chunked *c, uint8_t b)
{
	if (b == ':')
		return CHUNKED_TRAILER_VALUE;
	return http_is(b, HTTP_C_TOKEN) ? CHUNKED_TRAILER_NAME : bad(c, HD_HTTP_BAD_TRAILER);
}

static enum chunked_state step_trailer_value(struct http1_chunked *c, uint8_t b)
{
	if (b == '\r')
		return CHUNKED_TRAILER_LF;
	return http_is(b, HTTP_C_VALUE) ? CHUNKED_TRAILER_VALUE : bad(c, HD_HTTP_BAD_TRAILER);
}

static enum chunked_state step_want(struct http1_chunked *c, uint8_t b, uint8_t want,
				    enum chunked_state next, enum hd_counter why)
{
	return b == want ? next : bad(c, why);
}

static enum chunked_state step_in_trailers(struct http1_chunked *c, uint8_t b)
{
	if (++c->trailer_bytes > HTTP_MAX_HEAD_BYTES)
		return bad(c, HD_HTTP_LONG_TRAILERS);
	switch (c->state) {
	case CHUNKED_TRAILER:
		return step_trailer(c, b);
	case CHUNKED_TRAILER_NAME:
		return step_trailer_name(c, b);
	case CHUNKED_TRAILER_VALUE:
		return step_trailer_value(c, b);
	case CHUNKED_TRAILER_LF:
		return step_want(c, b, '\n', CHUNKED_TRAILER, HD_HTTP_BAD_TRAILER);
	}
	return step_want(c, b, '\n', CHUNKED_DONE, HD_HTTP_BAD_TRAILER);
}

static enum chunked_state step(struct http1_chunked *c, uint8_t b)
{
	switch (c->state) {
	case CHUNKED_SIZE_FIRST:
	case CHUNKED_SIZE:
	case CHUNKED_SIZE_SPACE:
		return step_size(c, b);
	case CHUNKED_EXTENSION:
		return step_extension(c, b);
	case CHUNKED_SIZE_LF:
		return step_size_lf(c, b);
	case CHUNKED_DATA_CR:
		return step_want(c, b, '\r', CHUNKED_DATA_LF, HD_HTTP_BAD_CHUNK_END);
	case CHUNKED_DATA_LF:
		return step_want(c, b, '\n', CHUNKED_SIZE_FIRST, HD_HTTP_BAD_CHUNK_END);
	}
	return step_in_trailers(c, b);
}

static void take_data(struct http1_chunked *c, uint32_t n, uint32_t *data)
{
	*data = c->left < n ? (uint32_t)c->left : n;
	c->left -= *data;
	if (c->left == 0)
		c->state = CHUNKED_DATA_CR;
}

enum http_verdict http1_chunked_step(struct http1_chunked *c, const uint8_t *p, uint32_t n,
				     uint32_t *skip, uint32_t *data, struct http_error *e)
{
	uint32_t i = 0;

	*data = 0;
	while (i < n && c->state != CHUNKED_DATA && c->state < CHUNKED_DONE)
		c->state = step(c, p[i++]);
	*skip = i;
	if (c->state == CHUNKED_BAD)
		return http_refuse(e, (enum hd_counter)c->left);
	if (c->state == CHUNKED_DONE)
		return HTTP_DONE;
	if (c->state == CHUNKED_DATA)
		take_data(c, n - i, data);
	return HTTP_MORE;
}
