/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "tls_slow.h"

static char *text(struct hd_str s)
{
	return s.n > 0 ? strndup(s.p, s.n) : strdup("");
}

static int add_roots(X509_STORE *store, struct hd_str pem)
{
	STACK_OF(X509) *all = tls_pem_certificates(pem);
	int ok = all != NULL;

	for (int i = 0; ok && i < sk_X509_num(all); i++)
		ok = X509_STORE_add_cert(store, sk_X509_value(all, i));
	sk_X509_pop_free(all, X509_free);
	ERR_clear_error();
	return ok;
}

/* How many lists were read; -1: one is broken. */
static int add_crls(X509_STORE *store, struct hd_str pem)
{
	BIO *b = pem.n > 0 && pem.n < INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	X509_CRL *crl;
	int n = 0;

	while (b != NULL && n >= 0 && (crl = PEM_read_bio_X509_CRL(b, NULL, NULL, NULL)) != NULL) {
		n = X509_STORE_add_crl(store, crl) ? n + 1 : -1;
		X509_CRL_free(crl);
	}
	BIO_free(b);
	ERR_clear_error();
	return n;
}

static int make_domain(struct tls_bundle *b, const struct hd_tls_roots *from, struct hd_str crl,
		       char *error, size_t bytes)
{
	struct tls_domain *d = &b->domains[b->n_domains++];

	d->name = text(from->trust_domain);
	d->store = X509_STORE_new();
	if (d->name == NULL || d->store == NULL) {
		snprintf(error, bytes, "out of memory");
		return 0;
	}
	if (!add_roots(d->store, from->pem)) {
		snprintf(error, bytes,
			 "the roots of trust domain \"%s\" are no PEM certificates, or damaged",
			 d->name);
		return 0;
	}
	if (crl.n == 0)
		return 1;
	if (add_crls(d->store, crl) <= 0) {
		snprintf(error, bytes,
			 "the revocation list is no PEM (-----BEGIN X509 CRL-----), or damaged");
		return 0;
	}
	X509_STORE_set_flags(d->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	b->has_crl = 1;
	return 1;
}

static int fill(struct tls_bundle *b, const struct hd_tls_bundle *from, char *error, size_t bytes)
{
	b->domains = calloc(from->n_roots + 1, sizeof(*b->domains));
	b->aliases = calloc(from->n_aliases + 1, sizeof(*b->aliases));
	if (b->domains == NULL || b->aliases == NULL) {
		snprintf(error, bytes, "out of memory");
		return 0;
	}
	for (uint32_t i = 0; i < from->n_aliases; i++) {
		b->aliases[i] = text(from->aliases[i]);
		if (b->aliases[i] == NULL)
			return 0;
		b->n_aliases++;
	}
	for (uint32_t i = 0; i < from->n_roots; i++) {
		if (!make_domain(b, &from->roots[i], from->crl, error, bytes))
			return 0;
	}
	return 1;
}

struct tls_bundle *tls_bundle_parse(const struct hd_tls_bundle *from, char *error,
				    size_t error_bytes)
{
	static _Atomic uint64_t last_serial;
	struct tls_bundle *b = calloc(1, sizeof(*b));

	snprintf(error, error_bytes, "out of memory");
	if (b == NULL)
		return NULL;
	b->refs = 1;
	b->serial = atomic_fetch_add(&last_serial, 1) + 1;
	if (from->n_roots == 0)
		snprintf(error, error_bytes, "a trust bundle without roots");
	else if (fill(b, from, error, error_bytes))
		return b;
	tls_bundle_free(b);
	return NULL;
}

void tls_bundle_free(struct tls_bundle *b)
{
	for (uint32_t i = 0; i < b->n_domains; i++) {
		free(b->domains[i].name);
		X509_STORE_free(b->domains[i].store);
	}
	for (uint32_t i = 0; i < b->n_aliases; i++)
		free(b->aliases[i]);
	free(b->domains);
	free(b->aliases);
	free(b);
}

static int is(const char *name, struct hd_str s)
{
	return strlen(name) == s.n && memcmp(name, s.p, s.n) == 0;
}

int tls_bundle_is_home(const struct tls_bundle *b, struct hd_str trust_domain)
{
	if (is(b->domains[0].name, trust_domain))
		return 1;
	for (uint32_t i = 0; i < b->n_aliases; i++) {
		if (is(b->aliases[i], trust_domain))
			return 1;
	}
	return 0;
}

X509_STORE *tls_bundle_find(const struct tls_bundle *b, struct hd_str trust_domain)
{
	for (uint32_t i = 0; i < b->n_domains; i++) {
		if (is(b->domains[i].name, trust_domain))
			return b->domains[i].store;
	}
	return tls_bundle_is_home(b, trust_domain) ? b->domains[0].store : NULL;
}
