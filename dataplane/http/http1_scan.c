/* SPDX-License-Identifier: Apache-2.0 */
/* The one reader that decides whether bytes are lexically a head (RFC 9112 2 to 5): a state machine
 * over single bytes, so that no split can change its answer. What a head means is http1_parse.c's;
 * its quick reader comes here for every verdict other than "good and whole". */
#include "http_internal.h"

/* Names no registry has methods of that length; stops endless first words early. */
#define MAX_METHOD 32

enum scan_state {
	SCAN_START, /* requests: empty lines before it are skipped (RFC 9112 2.2) */
	SCAN_START_LF,
	SCAN_METHOD,
	SCAN_TARGET_FIRST,
	SCAN_TARGET,
	SCAN_VERSION, /* + 0..4: "HTTP/" */
	SCAN_MAJOR = SCAN_VERSION + 5,
	SCAN_DOT,
	SCAN_MINOR,
	SCAN_LINE_CR,
	SCAN_LINE_LF,
	SCAN_STATUS_SPACE,
	SCAN_STATUS_DIGIT, /* + 0..2 */
	SCAN_REASON_SPACE = SCAN_STATUS_DIGIT + 3,
	SCAN_REASON,
	SCAN_FIELD,
	SCAN_NAME,
	SCAN_VALUE,
	SCAN_VALUE_LF,
	SCAN_END_LF,
	SCAN_DONE,
	SCAN_BAD, /* the counter is in `fields` */
};

#define BAD(name) bad(s, HD_HTTP_##name)

static enum scan_state bad(struct http1_scan *s, enum hd_counter why)
{
	s->fields = why;
	return SCAN_BAD;
}

static enum scan_state bad_line(struct http1_scan *s, uint8_t c, enum hd_counter why)
{
	if (c == '\n')
		return BAD(BARE_LF);
	return bad(s, why);
}

static enum scan_state lf_or_bad(struct http1_scan *s, uint8_t c, enum scan_state next)
{
	return c == '\n' ? next : BAD(BARE_CR);
}

static enum scan_state step_start(struct http1_scan *s, uint8_t c)
{
	if (c == '\r') /* nothing but empty lines lies before it */
		return s->seen < 2 * HTTP_MAX_EMPTY_LINES ? SCAN_START_LF : BAD(EMPTY_LINES);
	s->line = s->seen;
	if (http_is(c, HTTP_C_TOKEN))
		return SCAN_METHOD;
	return bad_line(s, c, HD_HTTP_BAD_REQUEST_LINE);
}

static enum scan_state step_method(struct http1_scan *s, uint8_t c)
{
	if (c == ' ')
		return SCAN_TARGET_FIRST;
	if (!http_is(c, HTTP_C_TOKEN))
		return bad_line(s, c, HD_HTTP_BAD_REQUEST_LINE);
	if (s->seen - s->line >= MAX_METHOD)
		return BAD(UNKNOWN_METHOD);
	return SCAN_METHOD;
}

static enum scan_state step_target(struct http1_scan *s, uint8_t c)
{
	if (http_is(c, HTTP_C_VISIBLE))
		return SCAN_TARGET;
	if (c == ' ' && s->state == SCAN_TARGET)
		return SCAN_VERSION;
	return bad_line(s, c, HD_HTTP_BAD_REQUEST_LINE);
}

static enum hd_counter line_error(const struct http1_scan *s)
{
	return s->response ? HD_HTTP_BAD_STATUS_LINE : HD_HTTP_BAD_REQUEST_LINE;
}

static enum scan_state step_version(struct http1_scan *s, uint8_t c)
{
	if (c == "HTTP/"[s->state - SCAN_VERSION])
		return s->state + 1;
	return bad_line(s, c, line_error(s));
}

static enum scan_state step_major(struct http1_scan *s, uint8_t c)
{
	if (c == '1')
		return SCAN_DOT;
	if (http_is_digit(c))
		return BAD(UNSUPPORTED_VERSION);
	return bad_line(s, c, line_error(s));
}

static enum scan_state step_minor(struct http1_scan *s, uint8_t c)
{
	if (!http_is_digit(c))
		return bad_line(s, c, line_error(s));
	return s->response ? SCAN_STATUS_SPACE : SCAN_LINE_CR;
}

static enum scan_state step_expect(struct http1_scan *s, uint8_t c, uint8_t want,
				   enum scan_state next)
{
	return c == want ? next : bad_line(s, c, line_error(s));
}

/* 100 to 999: what lies beyond 599 is passed on as it came. */
static enum scan_state step_status_digit(struct http1_scan *s, uint8_t c)
{
	if (!http_is_digit(c) || (s->state == SCAN_STATUS_DIGIT && c == '0'))
		return bad_line(s, c, HD_HTTP_BAD_STATUS_LINE);
	return s->state + 1;
}

/* The space before an empty reason is often left out. */
static enum scan_state step_reason_space(struct http1_scan *s, uint8_t c)
{
	if (c == '\r')
		return SCAN_LINE_LF;
	return step_expect(s, c, ' ', SCAN_REASON);
}

static enum scan_state step_reason(struct http1_scan *s, uint8_t c)
{
	if (http_is(c, HTTP_C_VALUE))
		return SCAN_REASON;
	return step_expect(s, c, '\r', SCAN_LINE_LF);
}

static enum scan_state step_field(struct http1_scan *s, uint8_t c)
{
	if (c == '\r')
		return SCAN_END_LF;
	if (http_is_space(c))
		return BAD(OBS_FOLD);
	if (c == ':')
		return BAD(EMPTY_NAME);
	if (!http_is(c, HTTP_C_TOKEN))
		return bad_line(s, c, HD_HTTP_BAD_NAME);
	if (s->fields == HTTP_MAX_FIELDS)
		return BAD(TOO_MANY_FIELDS);
	s->fields++;
	return SCAN_NAME;
}

static enum scan_state step_name(struct http1_scan *s, uint8_t c)
{
	if (http_is(c, HTTP_C_TOKEN))
		return SCAN_NAME;
	if (c == ':')
		return SCAN_VALUE;
	if (http_is_space(c))
		return BAD(SPACE_BEFORE_COLON);
	return bad_line(s, c, HD_HTTP_BAD_NAME);
}

static enum scan_state step_value(struct http1_scan *s, uint8_t c)
{
	if (http_is(c, HTTP_C_VALUE))
		return SCAN_VALUE;
	if (c == '\r')
		return SCAN_VALUE_LF;
	return bad_line(s, c, HD_HTTP_BAD_VALUE);
}

static enum scan_state step(struct http1_scan *s, uint8_t c)
{
	switch (s->state) {
	case SCAN_START:
		return step_start(s, c);
	case SCAN_START_LF:
		return lf_or_bad(s, c, SCAN_START);
	case SCAN_METHOD:
		return step_method(s, c);
	case SCAN_TARGET_FIRST:
	case SCAN_TARGET:
		return step_target(s, c);
	case SCAN_VERSION ... SCAN_MAJOR - 1:
		return step_version(s, c);
	case SCAN_MAJOR:
		return step_major(s, c);
	case SCAN_DOT:
		return step_expect(s, c, '.', SCAN_MINOR);
	case SCAN_MINOR:
		return step_minor(s, c);
	case SCAN_LINE_CR:
		return step_expect(s, c, '\r', SCAN_LINE_LF);
	case SCAN_STATUS_SPACE:
		return step_expect(s, c, ' ', SCAN_STATUS_DIGIT);
	case SCAN_STATUS_DIGIT ... SCAN_REASON_SPACE - 1:
		return step_status_digit(s, c);
	case SCAN_REASON_SPACE:
		return step_reason_space(s, c);
	case SCAN_REASON:
		return step_reason(s, c);
	case SCAN_FIELD:
		return step_field(s, c);
	case SCAN_NAME:
		return step_name(s, c);
	case SCAN_VALUE:
		return step_value(s, c);
	case SCAN_LINE_LF:
	case SCAN_VALUE_LF:
		return lf_or_bad(s, c, SCAN_FIELD);
	case SCAN_END_LF:
		return lf_or_bad(s, c, SCAN_DONE);
	}
	return s->state;
}

static int in_first_line(const struct http1_scan *s)
{
	return s->state < SCAN_FIELD;
}

static enum http_verdict verdict(struct http1_scan *s, uint32_t *head_bytes, struct http_error *e)
{
	if (s->state == SCAN_DONE) {
		*head_bytes = s->seen;
		return HTTP_DONE;
	}
	if (s->state != SCAN_BAD && s->seen == HTTP_MAX_HEAD_BYTES)
		s->state = bad(s, in_first_line(s) && !s->response ? HD_HTTP_TARGET_TOO_LONG
								   : HD_HTTP_HEAD_TOO_LONG);
	return s->state == SCAN_BAD ? http_refuse(e, s->fields) : HTTP_MORE;
}

static enum http_verdict scan(struct http1_scan *s, const uint8_t *p, uint32_t n,
			      uint32_t *head_bytes, struct http_error *e)
{
	uint32_t room = HTTP_MAX_HEAD_BYTES - s->seen;

	if (n > room)
		n = room;
	for (uint32_t i = 0; i < n && s->state < SCAN_DONE; i++) {
		s->state = step(s, p[i]);
		s->seen++;
	}
	return verdict(s, head_bytes, e);
}

enum http_verdict http1_scan_request(struct http1_scan *s, const uint8_t *p, uint32_t n,
				     uint32_t *head_bytes, struct http_error *e)
{
	return scan(s, p, n, head_bytes, e);
}

enum http_verdict http1_scan_response(struct http1_scan *s, const uint8_t *p, uint32_t n,
				      uint32_t *head_bytes, struct http_error *e)
{
	if (s->seen == 0 && s->state == SCAN_START) {
		s->state = SCAN_VERSION;
		s->response = 1;
	}
	enum http_verdict v = scan(s, p, n, head_bytes, e);
	if (v == HTTP_BAD)
		e->status = 502;
	return v;
}
