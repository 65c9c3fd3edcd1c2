/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include <heddle/stats.h>

#include "http_check.h"

/* Longer inputs are cut at some places only. */
#define ALL_SPLITS 512

#define must(condition)                                                                  \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, \
				#condition);                                             \
			abort();                                                         \
		}                                                                        \
	} while (0)

struct reading {
	enum http_verdict verdict;
	uint32_t bytes;
	struct http_error error;
};

typedef enum http_verdict (*scan_fn)(struct http1_scan *s, const uint8_t *p, uint32_t n,
				     uint32_t *head_bytes, struct http_error *e);

static uint8_t *copy_of(const uint8_t *p, uint32_t n)
{
	uint8_t *copy = calloc(1, n > 0 ? n : 1);

	must(copy != NULL);
	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

static void feed(scan_fn scan, struct http1_scan *s, struct reading *r, const uint8_t *p,
		 uint32_t n)
{
	if (r->verdict == HTTP_MORE)
		r->verdict = scan(s, p, n, &r->bytes, &r->error);
}

static struct reading scan_cut(scan_fn scan, const uint8_t *p, uint32_t n, uint32_t cut)
{
	struct http1_scan s = {0};
	struct reading r = {.verdict = HTTP_MORE};

	feed(scan, &s, &r, p, cut);
	feed(scan, &s, &r, p + cut, n - cut);
	return r;
}

static struct reading scan_bytewise(scan_fn scan, const uint8_t *p, uint32_t n)
{
	struct http1_scan s = {0};
	struct reading r = {.verdict = HTTP_MORE};

	for (uint32_t i = 0; i < n; i++)
		feed(scan, &s, &r, p + i, 1);
	return r;
}

static void must_be_same(const struct reading *a, const struct reading *b)
{
	must(a->verdict == b->verdict);
	if (a->verdict == HTTP_DONE)
		must(a->bytes == b->bytes);
	if (a->verdict == HTTP_BAD) {
		must(a->error.counter == b->error.counter);
		must(a->error.status == b->error.status);
	}
}

static struct reading scan_every_way(scan_fn scan, const uint8_t *p, uint32_t n)
{
	struct reading whole = scan_cut(scan, p, n, n), other = scan_bytewise(scan, p, n);
	uint32_t stride = n <= ALL_SPLITS ? 1 : n / 16;

	must_be_same(&whole, &other);
	for (uint32_t cut = 0; cut < n; cut += stride) {
		other = scan_cut(scan, p, n, cut);
		must_be_same(&whole, &other);
	}
	return whole;
}

/* A refusal has a status of an error, a row of its own in the counters and texts. */
static void check_error(const struct http_error *e)
{
	must(e->status >= 400 && e->status < 600);
	must(e->counter >= HD_HTTP_BAD_REQUEST_LINE && e->counter <= HD_HTTP_LONG_TRAILERS);
	must(e->details != NULL && e->body != NULL);
}

static void check_field(const uint8_t *p, const struct http_head *h, const struct http_field *f)
{
	must(f->name_n > 0 && f->name + f->name_n < h->bytes);
	must(f->value + f->value_n < h->bytes);
	must(memchr(p + f->value, '\0', f->value_n) == NULL);
	must(memchr(p + f->value, '\r', f->value_n) == NULL);
	must(memchr(p + f->value, '\n', f->value_n) == NULL);
	must(f->id < HTTP_F_MAX);
	if (f->id != HTTP_F_UNKNOWN)
		must(h->first[f->id] != 0 && h->first[f->id] <= h->n_fields);
}

static void check_head(const uint8_t *p, const struct http_head *h)
{
	must(h->n_fields <= HTTP_MAX_FIELDS && h->bytes <= HTTP_MAX_HEAD_BYTES);
	must(memcmp(p + h->bytes - 4, "\r\n\r\n", 4) == 0);
	for (uint32_t i = 0; i < h->n_fields; i++)
		check_field(p, h, &h->fields[i]);
	if (h->framing == HTTP_BODY_CHUNKED)
		must(h->first[HTTP_F_TRANSFER_ENCODING] != 0 &&
		     h->first[HTTP_F_CONTENT_LENGTH] == 0);
}

static void check_request_head(const uint8_t *p, const struct http_head *h)
{
	check_head(p, h);
	must(h->framing != HTTP_BODY_UNTIL_CLOSE);
	must(h->path_n > 0 && h->path + h->path_n < h->bytes);
	must(http_authority_is_valid(p + h->authority, h->authority_n));
	http_check_path(p + h->path, h->path_n);
}

/* The parse of all bytes and of the head alone are one. */
static void must_parse_alike(const struct http_head *a, const struct http_head *b)
{
	must(memcmp(a, b, offsetof(struct http_head, fields)) == 0);
	must(memcmp(a->fields, b->fields, a->n_fields * sizeof(a->fields[0])) == 0);
}

static void must_agree(const struct reading *scan, const struct reading *parse)
{
	if (scan->verdict != HTTP_DONE) {
		must_be_same(scan, parse);
	} else {
		must(parse->verdict != HTTP_MORE);
		if (parse->verdict == HTTP_DONE)
			must(parse->bytes == scan->bytes);
	}
	if (parse->verdict == HTTP_BAD)
		check_error(&parse->error);
}

void http_check_request(const uint8_t *bytes, uint32_t n)
{
	uint8_t *p = copy_of(bytes, n);
	struct reading scan = scan_every_way(http1_scan_request, p, n), parse = {0}, again = {0};
	struct http_head h, alone;

	parse.verdict = http1_parse_request(p, n, &h, &parse.error);
	parse.bytes = h.bytes;
	must_agree(&scan, &parse);
	if (scan.verdict == HTTP_DONE) {
		uint8_t *head = copy_of(p, scan.bytes);
		again.verdict = http1_parse_request(head, scan.bytes, &alone, &again.error);
		again.bytes = alone.bytes;
		must_be_same(&parse, &again);
		if (parse.verdict == HTTP_DONE) {
			must_parse_alike(&h, &alone);
			check_request_head(head, &h);
		}
		free(head);
	}
	free(p);
}

static void check_response_to(const uint8_t *p, uint32_t n, const struct reading *scan,
			      enum http_method method)
{
	struct reading parse = {0};
	struct http_head h;

	parse.verdict = http1_parse_response(p, n, method, &h, &parse.error);
	parse.bytes = h.bytes;
	must_agree(scan, &parse);
	if (parse.verdict == HTTP_BAD)
		must(parse.error.status == 502);
	if (parse.verdict != HTTP_DONE)
		return;
	check_head(p, &h);
	must(h.status >= 100 && h.status <= 999);
	if (method == HTTP_HEAD || h.status < 200 || h.status == 204 || h.status == 304)
		must(h.framing == HTTP_BODY_NONE);
	else
		must(h.framing != HTTP_BODY_NONE);
}

void http_check_response(const uint8_t *bytes, uint32_t n)
{
	uint8_t *p = copy_of(bytes, n);
	struct reading scan = scan_every_way(http1_scan_response, p, n);

	check_response_to(p, n, &scan, HTTP_GET);
	check_response_to(p, n, &scan, HTTP_HEAD);
	free(p);
}

struct unchunked {
	struct http1_chunked state;
	enum http_verdict verdict;
	struct http_error error;
	uint32_t consumed, n;
	uint8_t *data;
};

static void chunked_feed(struct unchunked *u, const uint8_t *p, uint32_t n)
{
	while (n > 0 && u->verdict == HTTP_MORE) {
		uint32_t skip, data;
		u->verdict = http1_chunked_step(&u->state, p, n, &skip, &data, &u->error);
		must(skip + data <= n);
		must(skip + data > 0);
		if (u->verdict != HTTP_MORE)
			must(data == 0);
		memcpy(u->data + u->n, p + skip, data);
		u->n += data;
		u->consumed += skip + data;
		p += skip + data;
		n -= skip + data;
	}
}

static struct unchunked chunked_cut(const uint8_t *p, uint32_t n, uint32_t piece)
{
	struct unchunked u = {.verdict = HTTP_MORE, .data = copy_of(p, n)};

	for (uint32_t at = 0; at < n; at += piece)
		chunked_feed(&u, p + at, n - at < piece ? n - at : piece);
	return u;
}

static struct unchunked chunked_in_two(const uint8_t *p, uint32_t n, uint32_t cut)
{
	struct unchunked u = {.verdict = HTTP_MORE, .data = copy_of(p, n)};

	chunked_feed(&u, p, cut);
	chunked_feed(&u, p + cut, n - cut);
	return u;
}

static void must_unchunk_alike(const struct unchunked *a, struct unchunked b)
{
	must(a->verdict == b.verdict && a->n == b.n && a->consumed == b.consumed);
	must(memcmp(a->data, b.data, a->n) == 0);
	if (a->verdict == HTTP_BAD)
		must(a->error.counter == b.error.counter);
	free(b.data);
}

void http_check_chunked(const uint8_t *bytes, uint32_t n)
{
	uint8_t *p = copy_of(bytes, n);
	struct unchunked whole = chunked_in_two(p, n, n);
	uint32_t stride = n <= ALL_SPLITS ? 1 : n / 16;

	if (whole.verdict == HTTP_BAD)
		check_error(&whole.error);
	must_unchunk_alike(&whole, chunked_cut(p, n, 1));
	must_unchunk_alike(&whole, chunked_cut(p, n, 3));
	for (uint32_t cut = 0; cut < n; cut += stride)
		must_unchunk_alike(&whole, chunked_in_two(p, n, cut));
	free(whole.data);
	free(p);
}

void http_check_path(const uint8_t *bytes, uint32_t n)
{
	uint8_t *p = copy_of(bytes, n), *once = copy_of(bytes, n), *twice = copy_of(bytes, n);
	uint32_t n1 = http_path_normalize(p, n, once);

	must(n1 <= n);
	must(http_path_normalize(p, n, p) == n1 && memcmp(p, once, n1) == 0);
	if (n1 > 0) {
		must(once[0] == '/');
		must(http_path_normalize(once, n1, twice) == n1 && memcmp(once, twice, n1) == 0);
	}
	free(p);
	free(once);
	free(twice);
}
