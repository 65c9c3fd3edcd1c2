/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <heddle/msg.h>

void observe_text_fini(struct observe_text *t)
{
	free(t->p);
	*t = (struct observe_text){ 0 };
}

static int room_for(struct observe_text *t, size_t n)
{
	size_t capacity = t->capacity ? t->capacity : 4096;
	char *p;

	if (t->n + n <= t->capacity)
		return 1;
	while (capacity < t->n + n)
		capacity *= 2;
	p = realloc(t->p, capacity);
	if (p == NULL) {
		t->failed = 1;
		return 0;
	}
	t->p = p;
	t->capacity = capacity;
	return 1;
}

void observe_text_add(struct observe_text *t, const char *p, size_t n)
{
	if (n == 0 || !room_for(t, n))
		return;
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

void observe_text_addf(struct observe_text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n <= 0 || !room_for(t, (size_t)n + 1))
		return;
	va_start(args, format);
	vsnprintf(t->p + t->n, (size_t)n + 1, format, args);
	va_end(args);
	t->n += (size_t)n;
}

void observe_text_add_number(struct observe_text *t, uint64_t value)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	observe_text_add(t, digits + n, sizeof(digits) - n);
}

void observe_text_add_addr(struct observe_text *t, const struct hd_addr *a)
{
	char ip[HD_ADDR_STRLEN];

	if (hd_ip_is_v4(&a->ip)) {
		for (int i = 12; i < 16; i++) {
			observe_text_add_number(t, a->ip.b[i]);
			observe_text_add(t, i < 15 ? "." : ":", 1);
		}
	} else {
		hd_ip_format(&a->ip, ip);
		observe_text_add_literal(t, "[");
		observe_text_add(t, ip, strlen(ip));
		observe_text_add_literal(t, "]:");
	}
	observe_text_add_number(t, a->port);
}

void observe_text_add_flags(struct observe_text *t, uint32_t flags)
{
	size_t start = t->n;

	if (flags == 0)
		observe_text_add_literal(t, "-");
#define FLAG_ADD(symbol, text, meaning)                             \
	if (flags & HD_FLAG_##symbol)                               \
		observe_text_add(t, t->n > start ? "," text : text, \
				 sizeof(text) - 1 + (t->n > start));
	HD_RESPONSE_FLAGS(FLAG_ADD)
#undef FLAG_ADD
}

void observe_text_add_family(struct observe_text *t, const char *name, const char *type,
			     const char *help)
{
	observe_text_addf(t, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

void observe_text_add_counter(struct observe_text *t, const char *name, const char *help,
			      uint64_t value)
{
	observe_text_add_family(t, name, "counter", help);
	observe_text_addf(t, "%s_total %llu\n", name, (unsigned long long)value);
}

static int is_tail(const uint8_t *p, size_t left, size_t i)
{
	return i < left && (p[i] & 0xc0) == 0x80;
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629 4), or 0. */
static size_t utf8_length(const uint8_t *p, size_t left)
{
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return is_tail(p, left, 1) ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		if (!is_tail(p, left, 1) || !is_tail(p, left, 2))
			return 0;
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if (!is_tail(p, left, 1) || !is_tail(p, left, 2) || !is_tail(p, left, 3))
			return 0;
		if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

static inline int is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void observe_text_add_json(struct observe_text *t, const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text;

	observe_text_add(t, "\"", 1);
	for (size_t i = 0; i < n;) {
		size_t run = i, length;

		while (run < n && is_plain(p[run]))
			run++;
		observe_text_add(t, text + i, run - i);
		i = run;
		if (i == n)
			break;
		length = utf8_length(p + i, n - i);
		if (p[i] == '"' || p[i] == '\\')
			observe_text_addf(t, "\\%c", p[i]);
		else if (p[i] < 0x20 || p[i] == 0x7f)
			observe_text_addf(t, "\\u%04x", p[i]);
		else if (length == 0)
			observe_text_add(t, "\\ufffd", 6);
		else
			observe_text_add(t, text + i, length);
		i += length ? length : 1;
	}
	observe_text_add(t, "\"", 1);
}

void observe_text_add_quotable(struct observe_text *t, const char *text, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t run = i;

		while (run < n && is_plain((uint8_t)text[run]))
			run++;
		observe_text_add(t, text + i, run - i);
		if (run < n)
			observe_text_addf(t, "\\x%02x", (uint8_t)text[run++]);
		i = run;
	}
}
