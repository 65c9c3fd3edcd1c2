/* SPDX-License-Identifier: Apache-2.0 */
/* A look into the ClientHello (RFC 8446 4.1.2) before it is decided who serves the connection:
 * server name and application protocols. It takes nothing and promises nothing: whoever serves
 * parses all of it. */
#include "tls_conn.h"

#define HELLO_MAX 16384 /* bytes of the message: more is none that anybody sends */
#define MANY_RECORDS 64
#define EXT_SERVER_NAME 0
#define EXT_ALPN 16

/* A piece of the message; reading past its end makes it bad once and for all. */
struct piece {
	const uint8_t *p;
	uint32_t n;
	int is_bad;
};

static struct piece take(struct piece *from, uint32_t n)
{
	struct piece out = { from->p, n, 0 };

	if (n > from->n) {
		from->is_bad = 1;
		out.n = 0;
		n = from->n;
	}
	from->p += n;
	from->n -= n;
	return out;
}

static uint32_t number(struct piece *from, uint32_t bytes)
{
	struct piece p = take(from, bytes);
	uint32_t v = 0;

	for (uint32_t i = 0; i < p.n; i++)
		v = v << 8 | p.p[i];
	return v;
}

/* What follows with its length in `bytes` before it. */
static struct piece vector(struct piece *from, uint32_t bytes)
{
	return take(from, number(from, bytes));
}

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* RFC 6066 3: a host name without a dot at its end. One with a NUL or longer than a name can be is
 * no name. */
static int read_sni(struct piece ext, struct tls_hello *out)
{
	struct piece list = vector(&ext, 2);
	uint32_t type = number(&list, 1);
	struct piece name = vector(&list, 2);

	if (ext.is_bad || list.is_bad || type != 0 || name.n == 0 || name.n > TLS_SNI_MAX)
		return 0;
	for (uint32_t i = 0; i < name.n; i++) {
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
			return 0;
		out->sni[i] = lower(name.p[i]);
	}
	out->sni_n = (uint16_t)name.n;
	return 1;
}

static uint32_t alpn_bit(struct piece name)
{
	for (uint8_t i = 1; i < HD_ALPN_MAX; i++) {
		const char *known = tls_alpn_name(i);
		if (strlen(known) == name.n && memcmp(known, name.p, name.n) == 0)
			return HD_ALPN_BIT(i);
	}
	return 0;
}

/* RFC 7301 3.1. */
static int read_alpn(struct piece ext, struct tls_hello *out)
{
	struct piece list = vector(&ext, 2);

	out->has_alpn = 1;
	while (list.n > 0 && !list.is_bad) {
		struct piece name = vector(&list, 1);
		if (name.n == 0)
			return 0;
		out->alpns |= alpn_bit(name);
	}
	return !ext.is_bad && !list.is_bad;
}

static int read_extensions(struct piece all, struct tls_hello *out)
{
	int seen_sni = 0;

	while (all.n > 0 && !all.is_bad) {
		uint32_t type = number(&all, 2);
		struct piece ext = vector(&all, 2);
		if (all.is_bad)
			return 0;
		if (type == EXT_SERVER_NAME && (seen_sni++ > 0 || !read_sni(ext, out)))
			return 0;
		if (type == EXT_ALPN && (out->has_alpn || !read_alpn(ext, out)))
			return 0;
	}
	return !all.is_bad;
}

static int read_hello(struct piece m, struct tls_hello *out)
{
	(void)number(&m, 2); /* legacy_version */
	(void)take(&m, 32);  /* random */
	(void)vector(&m, 1); /* legacy_session_id */
	(void)vector(&m, 2); /* cipher_suites */
	(void)vector(&m, 1); /* legacy_compression_methods */
	if (m.is_bad)
		return 0;
	return m.n == 0 || read_extensions(vector(&m, 2), out);
}

/* The message's bytes may lie in several records: they are gathered in `out`, up to its size.
 * TLS_SNIFF_HELLO: all of what is there is gathered. Records of a byte or two make each look as
 * long as the message: then the next is due when the rest of it may be there, which halves what is
 * missing each few times. */
static enum tls_sniff gather(const struct bufq *in, uint8_t *out, uint32_t max, uint32_t *n,
			     uint32_t *look_at)
{
	uint32_t at = 0, need = 4;

	*n = *look_at = 0;
	for (uint32_t records = 0; *n < need; records++) {
		uint8_t h[TLS_HEADER_BYTES];
		uint32_t have = in->bytes - at < sizeof(h) ? in->bytes - at : (uint32_t)sizeof(h),
			 body;
		bufq_copy_out(in, at, h, have);
		if (have > 0 && h[0] != TLS_TYPE_HANDSHAKE)
			return at == 0 ? TLS_SNIFF_PLAIN : TLS_SNIFF_BAD;
		if (have > 1 && h[1] != 3)
			return at == 0 ? TLS_SNIFF_PLAIN : TLS_SNIFF_BAD;
		if (records >= MANY_RECORDS)
			*look_at = in->bytes + (need - *n);
		if (have < sizeof(h))
			return TLS_SNIFF_MORE;
		body = (uint32_t)(h[3] << 8 | h[4]);
		if (body == 0 || body > TLS_PLAIN_MAX)
			return TLS_SNIFF_BAD;
		if (*n == 0 && in->bytes - at > sizeof(h)) {
			bufq_copy_out(in, at + (uint32_t)sizeof(h), out, 1);
			if (out[0] != 1) /* client_hello */
				return TLS_SNIFF_BAD;
		}
		if (in->bytes - at - sizeof(h) < body)
			return TLS_SNIFF_MORE;
		body = body < max - *n ? body : max - *n;
		bufq_copy_out(in, at + (uint32_t)sizeof(h), out + *n, body);
		at += (uint32_t)sizeof(h) + (uint32_t)(h[3] << 8 | h[4]);
		*n += body;
		if (*n >= 4)
			need = 4u + (uint32_t)(out[1] << 16 | out[2] << 8 | out[3]);
		if (need > max)
			return TLS_SNIFF_BAD;
	}
	*n = need;
	return TLS_SNIFF_HELLO;
}

enum tls_sniff tls_sniff(const struct bufq *in, struct tls_hello *out)
{
	uint8_t message[HELLO_MAX];
	uint32_t n;
	uint32_t look_at;
	enum tls_sniff v = gather(in, message, sizeof(message), &n, &look_at);

	memset(out, 0, sizeof(*out));
	out->look_at = look_at;
	if (v != TLS_SNIFF_HELLO)
		return v;
	if (read_hello((struct piece){ message + 4, n - 4, 0 }, out))
		return TLS_SNIFF_HELLO;
	memset(out, 0, sizeof(*out));
	return TLS_SNIFF_BAD;
}
