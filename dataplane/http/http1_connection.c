/* SPDX-License-Identifier: Apache-2.0 */
/* Connection, Upgrade and TE (RFC 9110 7.6.1, 7.8, 10.1.4): what the sender wants of this hop, and
 * which fields end here. */
#include "http_internal.h"

/* What a Connection option cannot take away: the message's own meaning, and what later hops rely on
 * (hop-by-hop abuse). */
#define NEVER_LISTED                                                                               \
	(HTTP_BIT(HOST) | HTTP_BIT(CONTENT_LENGTH) | HTTP_BIT(CONTENT_TYPE) | HTTP_BIT(TE) |       \
	 HTTP_BIT(DATE) | HTTP_BIT(SERVER) | HTTP_BIT(X_REQUEST_ID) | HTTP_BIT(X_FORWARDED_FOR) |  \
	 HTTP_BIT(X_FORWARDED_PROTO) |                                                             \
	 HTTP_BIT(X_FORWARDED_HOST) | HTTP_BIT(X_FORWARDED_CLIENT_CERT))

struct options {
	const uint8_t *p;
	struct http_head *h;
	uint32_t count;
	uint8_t close, keep_alive, upgrade;
};

static int same_name(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (http_lower(a[i]) != http_lower(b[i]))
			return 0;
	}
	return 1;
}

/* Marks the fields of that name. */
static void list_field(struct options *o, const uint8_t *name, uint32_t n)
{
	for (uint32_t i = 0; i < o->h->n_fields; i++) {
		struct http_field *f = &o->h->fields[i];
		if (f->name_n == n && !(NEVER_LISTED >> f->id & 1) &&
		    same_name(o->p + f->name, name, n))
			f->hop = 1;
	}
}

static void take_option(struct options *o, const uint8_t *name, uint32_t n)
{
	if (http_name_eq(name, n, "close"))
		o->close = 1;
	else if (http_name_eq(name, n, "keep-alive"))
		o->keep_alive = 1;
	else if (http_name_eq(name, n, "upgrade"))
		o->upgrade = 1;
	else
		list_field(o, name, n);
}

/* 1#connection-option; members that are no token name nothing. The count is bounded: each costs a
 * walk over the fields. */
static int take_line(struct options *o, const struct http_field *f)
{
	const uint8_t *p = o->p + f->value, *end = p + f->value_n;

	if (hd_likely(f->value_n == 10 && http_token_is(p, 10, "keep-alive"))) {
		o->keep_alive = 1;
		return ++o->count <= HTTP_MAX_CONNECTION_OPTIONS;
	}
	while (p < end) {
		const uint8_t *from = p;
		while (p < end && http_is(*p, HTTP_C_TOKEN))
			p++;
		if (p > from) {
			if (++o->count > HTTP_MAX_CONNECTION_OPTIONS)
				return 0;
			take_option(o, from, p - from);
		}
		p += p < end;
	}
	return 1;
}

static int take_lines(struct options *o)
{
	struct http_head *h = o->h;

	if (h->first[HTTP_F_CONNECTION] == 0)
		return 1;
	for (uint32_t i = h->first[HTTP_F_CONNECTION] - 1; i < h->n_fields; i++) {
		if (h->fields[i].id == HTTP_F_CONNECTION && !take_line(o, &h->fields[i]))
			return 0;
	}
	return 1;
}

static int value_is(const uint8_t *p, const struct http_head *h, enum http_field_id id,
		    const char *lower)
{
	const struct http_field *f = &h->fields[h->first[id] - 1];

	return !(h->repeated >> id & 1) && http_name_eq(p + f->value, f->value_n, lower);
}

static int may_open_websocket(const struct http_head *h)
{
	if (h->status == 101)
		return 1;
	return h->method == HTTP_GET && h->framing != HTTP_BODY_CHUNKED && h->content_length == 0;
}

static enum http_upgrade upgrade_of(const uint8_t *p, const struct http_head *h)
{
	int is_request = h->status == 0;

	if (h->first[HTTP_F_UPGRADE] == 0 || h->minor == 0 || (!is_request && h->status != 101))
		return HTTP_UPGRADE_NONE;
	if (h->first[HTTP_F_HTTP2_SETTINGS] != 0 || value_is(p, h, HTTP_F_UPGRADE, "h2c"))
		return HTTP_UPGRADE_NONE;
	if (value_is(p, h, HTTP_F_UPGRADE, "websocket") && may_open_websocket(h))
		return HTTP_UPGRADE_WEBSOCKET;
	return HTTP_UPGRADE_OTHER;
}

enum http_verdict http1_connection(const uint8_t *p, struct http_head *h, struct http_error *e)
{
	struct options o = {.p = p, .h = h};

	if (!take_lines(&o))
		return http_refuse(e, HD_HTTP_TOO_MANY_OPTIONS);
	h->keep_alive =
		h->framing != HTTP_BODY_UNTIL_CLOSE && !o.close && (h->minor > 0 || o.keep_alive);
	if (o.upgrade)
		h->upgrade = upgrade_of(p, h);
	if (h->first[HTTP_F_TE] != 0 && value_is(p, h, HTTP_F_TE, "trailers"))
		h->fields[h->first[HTTP_F_TE] - 1].hop = 0;
	return HTTP_DONE;
}
