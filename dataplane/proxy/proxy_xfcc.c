/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_xfcc.h"

struct writer {
	uint8_t *at, *end;
};

static uint32_t room(const struct writer *w)
{
	return (uint32_t)(w->end - w->at);
}

static void put(struct writer *w, const char *p, uint32_t n)
{
	memcpy(w->at, p, n);
	w->at += n;
}

/* What separates parts, elements or fields must not come from a certificate. */
static int is_plain(struct hd_str s)
{
	for (uint32_t i = 0; i < s.n; i++)
		if ((uint8_t)s.p[i] <= ' ' || s.p[i] == ',' || s.p[i] == ';' || s.p[i] == '=' ||
		    s.p[i] == '"' || s.p[i] == '\\' || (uint8_t)s.p[i] >= 0x7f)
			return 0;
	return 1;
}

/* Bytes that no field value may hold are left out. */
static void put_quoted(struct writer *w, struct hd_str s)
{
	put(w, "\"", 1);
	for (uint32_t i = 0; i < s.n; i++) {
		if ((uint8_t)s.p[i] < ' ' || s.p[i] == 0x7f)
			continue;
		if (s.p[i] == '"' || s.p[i] == '\\')
			put(w, "\\", 1);
		put(w, &s.p[i], 1);
	}
	put(w, "\"", 1);
}

/* ";key=value", quoted when it must be or when `quoted` says so. */
static void put_part(struct writer *w, const char *key, struct hd_str value, int quoted)
{
	uint32_t key_n = (uint32_t)strlen(key);

	if (room(w) < key_n + 2 * value.n + 4)
		return;
	put(w, ";", 1);
	put(w, key, key_n);
	put(w, "=", 1);
	if (quoted || !is_plain(value))
		put_quoted(w, value);
	else
		put(w, value.p, value.n);
}

uint32_t proxy_xfcc_write(const struct tls_identity *peer, struct hd_str own, int with_cert,
			  uint8_t out[PROXY_XFCC_MAX])
{
	struct writer w = { out, out + PROXY_XFCC_MAX };
	uint32_t names = own.n + peer->subject.n + 256;

	for (uint32_t i = 0; i < peer->n_uris; i++)
		names += peer->uris[i].n + 8;
	for (uint32_t i = 0; i < peer->n_dns; i++)
		names += peer->dns[i].n + 8;
	if (own.n > 0)
		put_part(&w, "By", own, 0);
	put_part(&w, "Hash", peer->hash, 0);
	if (with_cert && 2 * (peer->pem.n + names) < PROXY_XFCC_MAX)
		put_part(&w, "Cert", peer->pem, 1);
	put_part(&w, "Subject", peer->subject, 1);
	for (uint32_t i = 0; i < peer->n_uris; i++)
		put_part(&w, "URI", peer->uris[i], 0);
	if (peer->n_uris == 0)
		put_part(&w, "URI", (struct hd_str){ "", 0 }, 0);
	for (uint32_t i = 0; i < peer->n_dns; i++)
		put_part(&w, "DNS", peer->dns[i], 0);
	memmove(out, out + 1, (size_t)(w.at - out) - 1); /* the first ";" */
	return (uint32_t)(w.at - out) - 1;
}

/* An element that names its own side begins with "By=" and that. */
static int is_memo_of(const struct proxy_xfcc_memo *m, const struct tls_identity *peer,
		      struct hd_str own, int with_cert)
{
	return m->n > 0 && m->serial == peer->serial && m->with_cert == with_cert &&
	       m->own_n == own.n && (own.n == 0 || memcmp(m->text + 3, own.p, own.n) == 0);
}

struct hd_str proxy_xfcc_element(struct proxy_xfcc *x, const struct tls_identity *peer,
				 struct hd_str own, int with_cert)
{
	struct proxy_xfcc_memo *m = &x->memos[peer->serial % PROXY_XFCC_MEMO];
	uint32_t n;

	if (hd_likely(is_memo_of(m, peer, own, with_cert)))
		return (struct hd_str){ (const char *)m->text, m->n };
	n = proxy_xfcc_write(peer, own, with_cert, x->longest);
	if (n > sizeof(m->text) || own.n + 3 > n || peer->serial == 0)
		return (struct hd_str){ (const char *)x->longest, n };
	*m = (struct proxy_xfcc_memo){ .serial = peer->serial,
				       .n = (uint16_t)n,
				       .own_n = (uint16_t)own.n,
				       .with_cert = (uint8_t)with_cert };
	memcpy(m->text, x->longest, n);
	return (struct hd_str){ (const char *)m->text, n };
}
