/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "proxy_rewrite.h"

/* Where the next byte goes, and where the bytes that may be read end. The output has room for a
 * stride more than it needs, so that short copies are one or two moves of fixed size. */
struct cursor {
	uint8_t *at;
	const uint8_t *end;
};

#define LANE 16
#define STRIDE (2 * LANE)

static void put(struct cursor *c, const void *p, uint32_t n)
{
	memcpy(c->at, p, n);
	c->at += n;
}

#define put_text(c, text) put((c), (text), sizeof(text) - 1)

/* Of the received head. */
static inline void put_received(struct cursor *c, const uint8_t *p, uint32_t n)
{
	if (hd_unlikely(p + n + STRIDE > c->end)) {
		put(c, p, n);
		return;
	}
	for (uint32_t i = 0; i < n; i += STRIDE) {
		__m128i low = _mm_loadu_si128((const __m128i *)(p + i)),
			high = _mm_loadu_si128((const __m128i *)(p + i + LANE));
		_mm_storeu_si128((__m128i *)(c->at + i), low);
		_mm_storeu_si128((__m128i *)(c->at + i + LANE), high);
	}
	c->at += n;
}

static void put_end(struct cursor *c)
{
	put_text(c, "\r\n");
}

/* The capital letters of eight bytes become small; everything else stays, bytes above 127 too. */
static uint64_t lower8(uint64_t w)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t seven = w & (0x7f * ones);
	uint64_t from_a = seven + (0x80 - 'A') * ones, past_z = seven + (0x80 - 'Z' - 1) * ones;

	return w | (((from_a ^ past_z) & ~w & (0x80 * ones)) >> 2);
}

/* The capital letters of n bytes, in place, in the output. */
static inline void lower(uint8_t *p, uint32_t n)
{
	static const uint8_t small[2 * LANE] = { [0 ... LANE - 1] = 0x20 };

	for (;; n -= LANE, p += LANE) {
		__m128i w = _mm_loadu_si128((const __m128i *)p),
			bit = _mm_loadu_si128(
				(const __m128i *)(small + LANE - (n < LANE ? n : LANE))),
			past_a = _mm_add_epi8(w, _mm_set1_epi8((char)(0x80 - 'A'))),
			capital = _mm_cmplt_epi8(past_a, _mm_set1_epi8(-128 + 26));

		_mm_storeu_si128((__m128i *)p, _mm_or_si128(w, _mm_and_si128(capital, bit)));
		if (n <= LANE)
			return;
	}
}

/* Most lines are written "name: value" and go over in one piece. */
static inline void put_field(struct cursor *c, const uint8_t *bytes, const struct http_field *f)
{
	const uint8_t *name = bytes + f->name;
	uint8_t *at = c->at;

	if (hd_likely(f->value == f->name + f->name_n + 2 && name[f->name_n + 1] == ' ')) {
		put_received(c, name, (uint32_t)f->name_n + 2 + f->value_n);
	} else {
		put_received(c, name, f->name_n);
		put_text(c, ": ");
		put_received(c, bytes + f->value, f->value_n);
	}
	put_end(c);
	lower(at, f->name_n);
}

static void two_digits(char *out, uint32_t n)
{
	out[0] = (char)('0' + n / 10);
	out[1] = (char)('0' + n % 10);
}

static uint32_t digits_of(uint64_t n)
{
	static const uint64_t powers[] = {
		UINT64_C(10),
		UINT64_C(100),
		UINT64_C(1000),
		UINT64_C(10000),
		UINT64_C(100000),
		UINT64_C(1000000),
		UINT64_C(10000000),
		UINT64_C(100000000),
		UINT64_C(1000000000),
		UINT64_C(10000000000),
		UINT64_C(100000000000),
		UINT64_C(1000000000000),
		UINT64_C(10000000000000),
		UINT64_C(100000000000000),
		UINT64_C(1000000000000000),
		UINT64_C(10000000000000000),
		UINT64_C(100000000000000000),
		UINT64_C(1000000000000000000),
		UINT64_C(10000000000000000000),
	};
	uint32_t i = 0;

	while (i < HD_ARRAY_SIZE(powers) && n >= powers[i])
		i++;
	return i + 1;
}

/* Two digits at a time, from the back. */
uint32_t proxy_rewrite_decimal(uint8_t *out, uint64_t n)
{
	uint32_t digits = digits_of(n), at;

	for (at = digits; at > 1; at -= 2, n /= 100)
		two_digits((char *)out + at - 2, (uint32_t)(n % 100));
	if (at == 1)
		*out = (uint8_t)('0' + n);
	return digits;
}

static void put_decimal(struct cursor *c, uint64_t n)
{
	c->at += proxy_rewrite_decimal(c->at, n);
}

static void put_length(struct cursor *c, uint64_t n)
{
	put_text(c, "content-length: ");
	put_decimal(c, n);
	put_end(c);
}

void proxy_rewrite_uuid(uint64_t a, uint64_t b, char out[37])
{
	const __m128i digits = _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a',
					     'b', 'c', 'd', 'e', 'f');
	const __m128i low = _mm_set1_epi8(15);
	uint64_t version4 = (a & ~UINT64_C(0xf000)) | 0x4000,
		 variant = (b & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
	__m128i v = _mm_set_epi64x((int64_t)__builtin_bswap64(variant),
				   (int64_t)__builtin_bswap64(version4));
	__m128i high = _mm_and_si128(_mm_srli_epi16(v, 4), low);
	char hex[32];

	v = _mm_and_si128(v, low);
	_mm_storeu_si128((__m128i *)hex, _mm_shuffle_epi8(digits, _mm_unpacklo_epi8(high, v)));
	_mm_storeu_si128((__m128i *)(hex + 16),
			 _mm_shuffle_epi8(digits, _mm_unpackhi_epi8(high, v)));
	memcpy(out, hex, 8);
	memcpy(out + 9, hex + 8, 4);
	memcpy(out + 14, hex + 12, 4);
	memcpy(out + 19, hex + 16, 4);
	memcpy(out + 24, hex + 20, 12);
	out[8] = out[13] = out[18] = out[23] = '-';
	out[36] = 0;
}

/* Days to year, month and day after Howard Hinnant's civil_from_days: eras of 400 years that begin
 * in March. */
void proxy_rewrite_date(uint64_t seconds, char out[30])
{
	static const char days[] = "ThuFriSatSunMonTueWed",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t day = seconds / 86400, z = day + 719468;
	uint32_t left = (uint32_t)(seconds % 86400);
	uint32_t of_era = (uint32_t)(z % 146097);
	uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint32_t m = (5 * of_year + 2) / 153;
	uint32_t month = m < 10 ? m + 2 : m - 10;

	year += (uint32_t)(z / 146097) * 400 + (month < 2);
	memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", 30);
	memcpy(out, days + 3 * (day % 7), 3);
	two_digits(out + 5, of_year - (153 * m + 2) / 5 + 1);
	memcpy(out + 8, months + 3 * month, 3);
	two_digits(out + 12, year / 100 % 100);
	two_digits(out + 14, year % 100);
	two_digits(out + 17, left / 3600);
	two_digits(out + 20, left / 60 % 60);
	two_digits(out + 23, left % 60);
}

static uint32_t put_hex(char *out, uint32_t n)
{
	uint32_t digits = n > 0xfff ? 4 : n > 0xff ? 3 : n > 0xf ? 2 : 1;

	for (uint32_t i = 0; i < digits; i++)
		out[i] = "0123456789abcdef"[(n >> (4 * (digits - 1 - i))) & 15];
	return digits;
}

/* The first longest run of two or more zero groups (RFC 5952 4.2); *n is 0 when there is none. */
static uint32_t zero_run(const uint16_t group[8], uint32_t *n)
{
	uint32_t best = 8, run = 0;

	*n = 1;
	for (uint32_t i = 0; i < 8; i++) {
		run = group[i] == 0 ? run + 1 : 0;
		if (run > *n) {
			*n = run;
			best = i + 1 - run;
		}
	}
	if (best == 8)
		*n = 0;
	return best;
}

static void put_ip6(const struct hd_ip *ip, char *out)
{
	uint16_t group[8];
	uint32_t at = 0, run, run_n;

	for (uint32_t i = 0; i < 8; i++)
		group[i] = (uint16_t)(ip->b[2 * i] << 8 | ip->b[2 * i + 1]);
	run = zero_run(group, &run_n);
	for (uint32_t i = 0; i < 8; i++) {
		if (i == run) {
			out[at++] = ':';
			if (i + run_n == 8)
				out[at++] = ':';
			i += run_n - 1;
			continue;
		}
		if (i > 0)
			out[at++] = ':';
		at += put_hex(out + at, group[i]);
	}
	out[at] = 0;
}

const char *proxy_rewrite_ip(const struct hd_ip *ip, char out[HD_ADDR_STRLEN])
{
	uint8_t *at = (uint8_t *)out;

	if (!hd_ip_is_v4(ip)) {
		put_ip6(ip, out);
		return out;
	}
	for (uint32_t i = 12; i < 16; i++) {
		at += proxy_rewrite_decimal(at, ip->b[i]);
		*at++ = '.';
	}
	at[-1] = 0;
	return out;
}

/* Fields that steer Envoy and that no caller may set (istio-api.md 3.2), or that we set ourselves.
 * Names after "x-envoy-". `edge`: taken only from callers of a gateway. */
static const struct {
	const char *name;
	uint8_t n, edge;
} steering[] = {
#define STEERING(name, edge)                 \
	{                                    \
		name, sizeof(name) - 1, edge \
	}
	STEERING("retry-on", 0),
	STEERING("retry-grpc-on", 0),
	STEERING("max-retries", 0),
	STEERING("retriable-status-codes", 0),
	STEERING("retriable-header-names", 0),
	STEERING("upstream-rq-timeout-ms", 0),
	STEERING("upstream-rq-per-try-timeout-ms", 0),
	STEERING("upstream-rq-timeout-alt-response", 0),
	STEERING("hedge-on-per-try-timeout", 0),
	STEERING("force-trace", 0),
	STEERING("upstream-alt-stat-name", 0),
	STEERING("ip-tags", 0),
	STEERING("original-url", 0),
	STEERING("expected-rq-timeout-ms", 0),
	STEERING("internal", 0),
	STEERING("attempt-count", 0),
	STEERING("decorator-operation", 0),
	STEERING("original-path", 1),
	STEERING("downstream-service-cluster", 1),
	STEERING("downstream-service-node", 1),
	STEERING("external-address", 1),
#undef STEERING
};

#define ENVOY_PREFIX 8 /* "x-envoy-" */

static int has_envoy_prefix(const uint8_t *name, uint32_t n)
{
	uint64_t w;

	if (hd_likely((name[0] | 0x20) != 'x') || n < ENVOY_PREFIX)
		return 0;
	memcpy(&w, name, 8);
	return lower8(w) == __builtin_bswap64(UINT64_C(0x782d656e766f792d));
}

static int is_steering(const uint8_t *name, uint32_t n, int is_edge)
{
	if (!has_envoy_prefix(name, n))
		return 0;
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(steering); i++)
		if (steering[i].n == n - ENVOY_PREFIX && (!steering[i].edge || is_edge) &&
		    http_name_eq(name + ENVOY_PREFIX, n - ENVOY_PREFIX, steering[i].name))
			return 1;
	return 0;
}

/* What was put out already: each is put once, where its first line stood, or at the end. */
struct placed {
	uint8_t length, coding, id, forwarded_for, proto, upgrade, server, date;
};

static void put_coding(struct cursor *c)
{
	put_text(c, "transfer-encoding: chunked\r\n");
}

static void put_framing(struct cursor *c, const struct http_head *h, int is_chunked,
			struct placed *placed)
{
	if (is_chunked && !placed->coding) {
		placed->coding = 1;
		put_coding(c);
	} else if (!is_chunked && h->framing == HTTP_BODY_LENGTH && !placed->length) {
		placed->length = 1;
		put_length(c, h->content_length);
	}
}

static void put_request_id(struct cursor *c, const char *id)
{
	put_text(c, "x-request-id: ");
	put(c, id, 36);
	put_end(c);
}

static void put_proto(struct cursor *c, const struct proxy_request_patch *q)
{
	if (q->is_secure)
		put_text(c, "x-forwarded-proto: https\r\n");
	else
		put_text(c, "x-forwarded-proto: http\r\n");
}

/* On the mesh's side ours goes behind what the caller's proxy said; a gateway lets nothing of that
 * in (istio-api.md 3.3). */
static void put_client_cert(struct cursor *c, const uint8_t *bytes, const struct http_head *h,
			    const struct proxy_request_patch *q)
{
	put_text(c, "x-forwarded-client-cert: ");
	for (uint32_t i = 0; q->role != HD_ROLE_GATEWAY && i < h->n_fields; i++) {
		if (h->fields[i].id != HTTP_F_X_FORWARDED_CLIENT_CERT || h->fields[i].value_n == 0)
			continue;
		put(c, bytes + h->fields[i].value, h->fields[i].value_n);
		put_text(c, ",");
	}
	put(c, q->xfcc.p, q->xfcc.n);
	put_end(c);
}

static int is_original(const struct proxy_request_patch *q, const uint8_t *name, uint32_t n)
{
	if (!has_envoy_prefix(name, n))
		return 0;
	return (q->new_path != NULL && http_name_eq(name, n, "x-envoy-original-path")) ||
	       (q->new_authority != NULL && http_name_eq(name, n, "x-envoy-original-host"));
}

/* The field that a line turns into, or nothing. Fields that matter to security are looked at before
 * Connection's list is: a caller must not be able to name them there. */
static void put_request_field(struct cursor *c, const uint8_t *bytes, const struct http_head *h,
			      const struct http_field *f, const struct proxy_request_patch *q,
			      struct placed *placed)
{
	int is_edge = q->role == HD_ROLE_GATEWAY;

	if (hd_unlikely(q->strip != NULL) &&
	    proxy_strip_has_field(q->strip, (uint32_t)(f - h->fields)))
		return;
	switch (f->id) {
	case HTTP_F_HOST:
	case HTTP_F_X_FORWARDED_CLIENT_CERT: /* put_client_cert */
		return;
	case HTTP_F_CONTENT_LENGTH:
	case HTTP_F_TRANSFER_ENCODING:
		put_framing(c, h, q->is_chunked, placed);
		return;
	case HTTP_F_UPGRADE:
		if (q->is_upgrade && !placed->upgrade) {
			placed->upgrade = 1;
			put_text(c, "connection: upgrade\r\nupgrade: websocket\r\n");
		}
		return;
	case HTTP_F_X_REQUEST_ID:
		if (q->request_id == NULL)
			put_field(c, bytes, f);
		else if (!placed->id)
			put_request_id(c, q->request_id);
		placed->id = 1;
		return;
	case HTTP_F_X_FORWARDED_PROTO:
		if (!is_edge)
			put_field(c, bytes, f);
		else if (!placed->proto)
			put_proto(c, q);
		placed->proto = 1;
		return;
	case HTTP_F_X_FORWARDED_FOR:
		put_field(c, bytes, f);
		if (is_edge && !placed->forwarded_for &&
		    !(h->repeated >> HTTP_F_X_FORWARDED_FOR & 1)) {
			c->at[-2] = ',';
			c->at--;
			put(c, q->down_ip, (uint32_t)strlen(q->down_ip));
			put_end(c);
			placed->forwarded_for = 1;
		}
		return;
	default:
		if (!f->hop && (hd_likely(f->id != HTTP_F_UNKNOWN) ||
				(!is_steering(bytes + f->name, f->name_n, is_edge) &&
				 !is_original(q, bytes + f->name, f->name_n))))
			put_field(c, bytes, f);
	}
}

static void put_request_line(struct cursor *c, const uint8_t *bytes, const struct http_head *h,
			     const struct proxy_request_patch *q)
{
	put_received(c, bytes + h->start, h->method_n + 1u); /* and the blank behind it */
	if (hd_likely(q->new_path == NULL)) {
		put(c, q->path, q->path_n);
	} else {
		put(c, q->new_path, q->new_path_n);
		put(c, q->path + q->path_skip, q->path_n - q->path_skip);
	}
	put_text(c, " HTTP/1.1\r\nhost: ");
	if (hd_likely(q->new_authority == NULL))
		put_received(c, bytes + h->authority, h->authority_n);
	else
		put(c, q->new_authority, q->new_authority_n);
	put_end(c);
}

/* As Envoy tells the backend what it replaced (observed-istio.md 6). */
static void put_originals(struct cursor *c, const uint8_t *bytes, const struct http_head *h,
			  const struct proxy_request_patch *q)
{
	if (q->new_path != NULL && q->path_n <= PROXY_REWRITE_ORIGINAL) {
		put_text(c, "x-envoy-original-path: ");
		put(c, q->path, q->path_n);
		put_end(c);
	}
	if (q->new_authority != NULL && h->authority_n <= PROXY_REWRITE_ORIGINAL) {
		put_text(c, "x-envoy-original-host: ");
		put(c, bytes + h->authority, h->authority_n);
		put_end(c);
	}
}

static void put_request_extras(struct cursor *c, const struct proxy_request_patch *q,
			       const struct placed *placed)
{
	int is_edge = q->role == HD_ROLE_GATEWAY;

	if (is_edge && !placed->forwarded_for) {
		put_text(c, "x-forwarded-for: ");
		put(c, q->down_ip, (uint32_t)strlen(q->down_ip));
		put_end(c);
	}
	if (!placed->proto)
		put_proto(c, q);
	if (is_edge) {
		put_text(c, "x-envoy-external-address: ");
		put(c, q->down_ip, (uint32_t)strlen(q->down_ip));
		put_end(c);
	}
	if (!placed->id && q->request_id != NULL)
		put_request_id(c, q->request_id);
	if (hd_unlikely(q->claims.n > 0))
		put(c, q->claims.p, q->claims.n);
	if (q->decorator_n > 0) {
		put_text(c, "x-envoy-decorator-operation: ");
		put(c, q->decorator, q->decorator_n);
		put_end(c);
	}
	if (q->expected_ms > 0) {
		put_text(c, "x-envoy-expected-rq-timeout-ms: ");
		put_decimal(c, q->expected_ms);
		put_end(c);
	}
	put_text(c, "x-envoy-attempt-count: ");
	put_decimal(c, q->attempt);
	put_end(c);
}

uint32_t proxy_rewrite_request(const uint8_t *bytes, const struct http_head *h,
			       const struct proxy_request_patch *q, uint8_t *out)
{
	struct cursor c = { out, bytes + h->bytes };
	struct placed placed = { 0 };

	put_request_line(&c, bytes, h, q);
	for (uint32_t i = 0; i < h->n_fields; i++)
		put_request_field(&c, bytes, h, &h->fields[i], q, &placed);
	put_framing(&c, h, q->is_chunked, &placed);
	put_originals(&c, bytes, h, q);
	if (q->xfcc.n > 0)
		put_client_cert(&c, bytes, h, q);
	put_request_extras(&c, q, &placed);
	put_end(&c);
	return (uint32_t)(c.at - out);
}

static void put_server(struct cursor *c, uint8_t role)
{
	if (role == HD_ROLE_SIDECAR)
		put_text(c, "server: envoy\r\n");
	else
		put_text(c, "server: istio-envoy\r\n");
}

static int is_ours_in_answers(const uint8_t *name, uint32_t n)
{
	return has_envoy_prefix(name, n) &&
	       (http_name_eq(name, n, "x-envoy-upstream-service-time") ||
		http_name_eq(name, n, "x-envoy-decorator-operation"));
}

static void put_response_field(struct cursor *c, const uint8_t *bytes, const struct http_field *f,
			       const struct proxy_response_patch *q, struct placed *placed)
{
	switch (f->id) {
	case HTTP_F_CONTENT_LENGTH:
		if (q->has_length && !placed->length && bytes[f->value] != '0')
			put_field(c, bytes, f); /* as we would write it */
		else if (q->has_length && !placed->length)
			put_length(c, q->content_length);
		placed->length = 1;
		return;
	case HTTP_F_TRANSFER_ENCODING:
		if (q->is_chunked && !placed->coding)
			put_coding(c);
		placed->coding = 1;
		return;
	case HTTP_F_SERVER:
		if (!placed->server && !q->is_interim)
			put_server(c, q->role);
		placed->server = 1;
		return;
	case HTTP_F_UPGRADE:
		if (!q->is_upgrade)
			return;
		if (!placed->upgrade)
			put_text(c, "connection: upgrade\r\n");
		placed->upgrade = 1;
		put_field(c, bytes, f);
		return;
	case HTTP_F_DATE:
		placed->date = 1;
		[[fallthrough]];
	default:
		if (!f->hop && (hd_likely(f->id != HTTP_F_UNKNOWN) ||
				!is_ours_in_answers(bytes + f->name, f->name_n)))
			put_field(c, bytes, f);
	}
}

static void put_response_extras(struct cursor *c, const struct proxy_response_patch *q,
				const struct placed *placed)
{
	if (q->is_chunked && !placed->coding)
		put_coding(c);
	if (!placed->date) {
		put_text(c, "date: ");
		put(c, q->date, 29);
		put_end(c);
	}
	put_text(c, "x-envoy-upstream-service-time: ");
	put_decimal(c, q->upstream_ms);
	put_end(c);
	if (!placed->server)
		put_server(c, q->role);
	if (q->close)
		put_text(c, "connection: close\r\n");
}

static void put_status_line(struct cursor *c, const uint8_t *bytes, const struct http_head *h)
{
	uint8_t digits[4] = { (uint8_t)('0' + h->status / 100),
			      (uint8_t)('0' + h->status / 10 % 10), (uint8_t)('0' + h->status % 10),
			      ' ' };

	put_text(c, "HTTP/1.1 ");
	put(c, digits, 4);
	put_received(c, bytes + h->reason, h->reason_n);
	put_end(c);
}

uint32_t proxy_rewrite_response(const uint8_t *bytes, const struct http_head *h,
				const struct proxy_response_patch *q, uint8_t *out)
{
	struct cursor c = { out, bytes + h->bytes };
	struct placed placed = { 0 };

	put_status_line(&c, bytes, h);
	for (uint32_t i = 0; i < h->n_fields; i++)
		put_response_field(&c, bytes, &h->fields[i], q, &placed);
	if (!q->is_interim)
		put_response_extras(&c, q, &placed);
	put_end(&c);
	return (uint32_t)(c.at - out);
}
