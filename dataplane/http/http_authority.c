/* SPDX-License-Identifier: Apache-2.0 */
/* Authorities, and which one a request has (RFC 9112 3.2, RFC 3986 3.2). */
#include "http_internal.h"

/* 1 to 65535 in decimal. An empty port is grammatical and never meant. */
static int port_is_valid(const uint8_t *p, uint32_t n)
{
	uint32_t v = 0;

	if (n == 0 || n > 5)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		if (!http_is_digit(p[i]))
			return 0;
		v = v * 10 + (p[i] - '0');
	}
	return v > 0 && v <= 65535;
}

/* The dotted quad that may end an IPv6 address. */
static int quad_is_valid(const uint8_t *p, uint32_t n)
{
	uint32_t octets = 0, digits = 0, v = 0;

	for (uint32_t i = 0; i <= n; i++) {
		if (i < n && http_is_digit(p[i]) && digits < 3) {
			v = v * 10 + (p[i] - '0');
			digits++;
			continue;
		}
		if ((i < n && p[i] != '.') || digits == 0 || v > 255)
			return 0;
		octets++;
		digits = v = 0;
	}
	return octets == 4;
}

struct ip6_groups {
	uint32_t groups; /* of 16 bits */
	int elided;	 /* "::" was seen */
};

/* The text of one group and what it counts; 0: invalid. */
static uint32_t group_weight(const uint8_t *p, uint32_t n, int is_last)
{
	if (is_last && memchr(p, '.', n) != NULL)
		return quad_is_valid(p, n) ? 2 : 0;
	if (n == 0 || n > 4)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		if (!http_is(p[i], HTTP_C_HEX))
			return 0;
	}
	return 1;
}

/* RFC 3986 IPv6address, without zone. */
static int ip6_is_valid(const uint8_t *p, uint32_t n)
{
	struct ip6_groups g = {0};
	uint32_t at = 0;

	if (n < 2 || n > 45 || (p[0] == ':' && p[1] != ':'))
		return 0;
	while (at < n) {
		if (p[at] == ':' && at + 1 < n && p[at + 1] == ':') {
			if (g.elided++)
				return 0;
			at += 2;
			continue;
		}
		if (p[at] == ':' && (at == 0 || p[at - 1] == ':' || ++at == n))
			return 0;
		const uint8_t *colon = memchr(p + at, ':', n - at);
		uint32_t len = colon != NULL ? (uint32_t)(colon - p) - at : n - at;
		uint32_t weight = group_weight(p + at, len, colon == NULL);
		if (weight == 0)
			return 0;
		g.groups += weight;
		at += len;
	}
	return g.elided ? g.groups < 8 : g.groups == 8;
}

/* Where the registered name or IPv4 address at the start ends. */
static uint32_t name_end(const uint8_t *p, uint32_t n)
{
	const __m128i host = _mm_setr_epi8(
		(char)0xa8, (char)0xfc, (char)0xf8, (char)0xf8, (char)0xfc, (char)0xf8, (char)0xfc,
		(char)0xfc, (char)0xfc, (char)0xfc, (char)0xf4, 0x5c, 0x50, 0x5c, (char)0xd4, 0x70);
	uint32_t at = 0;

	for (; at + 16 <= n; at += 16) {
		uint32_t mask = http_outside(_mm_loadu_si128((const __m128i *)(p + at)), host);
		if (mask != 0)
			return at + (uint32_t)__builtin_ctz(mask);
	}
	if (at < n) {
		uint8_t last[16] = { 0 }; /* zero is in no name */

		memcpy(last, p + at, n - at);
		at += (uint32_t)__builtin_ctz(
			http_outside(_mm_loadu_si128((const __m128i *)last), host));
	}
	return at;
}

int http_authority_is_valid(const uint8_t *p, uint32_t n)
{
	uint32_t end = 0;

	if (n > 0 && p[0] == '[') {
		const uint8_t *close = memchr(p, ']', n);
		if (close == NULL || !ip6_is_valid(p + 1, close - p - 1))
			return 0;
		end = close - p + 1;
	} else {
		end = name_end(p, n);
	}
	if (end == 0)
		return 0;
	return end == n || (p[end] == ':' && port_is_valid(p + end + 1, n - end - 1));
}

static int same_authority(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (http_lower(a[i]) != http_lower(b[i]))
			return 0;
	}
	return 1;
}

/* "http://" or "https://": its length, or 0. */
static uint32_t scheme_length(const uint8_t *p, uint32_t n)
{
	if (n > 7 && http_name_eq(p, 7, "http://"))
		return 7;
	if (n > 8 && http_name_eq(p, 8, "https://"))
		return 8;
	return 0;
}

/* Takes the absolute form apart. Without a path its own "/" before the authority stands for it; a
 * query without path and a server-wide OPTIONS cannot be written so and are refused. */
static enum http_verdict check_absolute(const uint8_t *p, struct http_head *h, struct http_error *e)
{
	const uint8_t *t = p + h->target;
	uint32_t scheme = scheme_length(t, h->target_n), end = scheme;

	if (scheme == 0)
		return http_refuse(e, HD_HTTP_BAD_TARGET);
	while (end < h->target_n && t[end] != '/' && t[end] != '?')
		end++;
	h->authority = h->target + scheme;
	h->authority_n = end - scheme;
	h->path = h->target + end;
	h->path_n = h->target_n - end;
	if (end == h->target_n) {
		h->path = h->target + scheme - 1;
		h->path_n = 1;
	}
	if (p[h->path] != '/' || (end == h->target_n && h->method == HTTP_OPTIONS))
		return http_refuse(e, HD_HTTP_BAD_TARGET);
	return HTTP_DONE;
}

/* RFC 9112 3.2.1 to 3.2.4; CONNECT was refused before. */
static enum http_verdict check_form(const uint8_t *p, struct http_head *h, struct http_error *e)
{
	const uint8_t *t = p + h->target;

	if (memchr(t, '#', h->target_n) != NULL)
		return http_refuse(e, HD_HTTP_FRAGMENT);
	if (hd_likely(t[0] == '/') ||
	    (h->target_n == 1 && t[0] == '*' && h->method == HTTP_OPTIONS)) {
		h->path = h->target;
		h->path_n = h->target_n;
		return HTTP_DONE;
	}
	return check_absolute(p, h, e);
}

/* Exactly one valid Host, and the same as the target's where that has one: two authorities are a
 * routing bypass. */
enum http_verdict http_target_check(const uint8_t *p, struct http_head *h, struct http_error *e)
{
	enum http_verdict v = check_form(p, h, e);

	if (v != HTTP_DONE)
		return v;
	if (h->first[HTTP_F_HOST] == 0)
		return http_refuse(e, HD_HTTP_NO_HOST);
	if (h->repeated >> HTTP_F_HOST & 1)
		return http_refuse(e, HD_HTTP_MANY_HOSTS);
	const struct http_field *host = &h->fields[h->first[HTTP_F_HOST] - 1];
	if (host->value_n == 0)
		return http_refuse(e, HD_HTTP_NO_HOST);
	if (!http_authority_is_valid(p + host->value, host->value_n))
		return http_refuse(e, HD_HTTP_BAD_HOST);
	if (h->authority == 0) {
		h->authority = host->value;
		h->authority_n = host->value_n;
	} else if (h->authority_n != host->value_n ||
		   !same_authority(p + h->authority, p + host->value, host->value_n)) {
		return http_refuse(e, HD_HTTP_HOST_MISMATCH);
	}
	return HTTP_DONE;
}
