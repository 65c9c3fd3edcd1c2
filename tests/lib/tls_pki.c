/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pki.h"

#include <assert.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static EVP_PKEY *make_key(const char *kind)
{
	EVP_PKEY *key;

	if (kind == NULL || strcmp(kind, "EC") == 0)
		key = EVP_EC_gen("P-256");
	else if (strcmp(kind, "RSA") == 0)
		key = EVP_RSA_gen(2048);
	else if (strcmp(kind, "RSA1024") == 0)
		key = EVP_RSA_gen(1024);
	else if (strcmp(kind, "ED25519") == 0)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	else
		key = EVP_EC_gen(kind);
	assert(key != NULL);
	return key;
}

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert(e != NULL);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static char *text_of(BIO *b)
{
	char *p, *out;
	long n = BIO_get_mem_data(b, &p);

	out = malloc((size_t)n + 1); /* what a BIO holds has no NUL behind it */
	assert(out != NULL);
	memcpy(out, p, (size_t)n);
	out[n] = '\0';
	BIO_free(b);
	return out;
}

static void write_texts(struct tls_pki *p)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(b, p->x);
	p->pem = text_of(b);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(b, p->key, NULL, NULL, 0, NULL, NULL);
	p->key_pem = text_of(b);
}

static const EVP_MD *digest_for(EVP_PKEY *key)
{
	return EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
}

void tls_pki_make(struct tls_pki *out, const struct tls_pki_wish *w, const struct tls_pki *issuer)
{
	static long serial = 1000;
	int is_default = w->from_days == 0 && w->until_days == 0;
	X509 *x = X509_new(), *by;

	out->key = make_key(w->key);
	out->x = x;
	by = issuer != NULL ? issuer->x : x;
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x), 86400L * (is_default ? -1 : w->from_days));
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * (is_default ? 30 : w->until_days));
	if (w->name != NULL)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
					   (const unsigned char *)w->name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(by));
	X509_set_pubkey(x, out->key);
	extend(x, by, NID_subject_key_identifier, "hash");
	extend(x, by, NID_basic_constraints, w->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	extend(x, by, NID_key_usage,
	       w->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
	if (!w->is_ca)
		extend(x, by, NID_ext_key_usage,
		       w->purpose != NULL ? w->purpose : "serverAuth,clientAuth");
	if (w->san != NULL)
		extend(x, by, NID_subject_alt_name, w->san);
	if (issuer != NULL)
		extend(x, by, NID_authority_key_identifier, "keyid:always");
	assert(X509_sign(x, issuer != NULL ? issuer->key : out->key,
			 digest_for(issuer != NULL ? issuer->key : out->key)) > 0);
	write_texts(out);
}

void tls_pki_free(struct tls_pki *p)
{
	EVP_PKEY_free(p->key);
	X509_free(p->x);
	free(p->pem);
	free(p->key_pem);
	*p = (struct tls_pki){ 0 };
}

char *tls_pki_crl(const struct tls_pki *issuer, const struct tls_pki *revoked)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_new();
	BIO *b = BIO_new(BIO_s_mem());

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x));
	X509_gmtime_adj(t, -3600);
	X509_CRL_set1_lastUpdate(crl, t);
	if (revoked != NULL) {
		X509_REVOKED *r = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked->x));
		X509_REVOKED_set_revocationDate(r, t);
		X509_CRL_add0_revoked(crl, r);
	}
	X509_gmtime_adj(t, 86400);
	X509_CRL_set1_nextUpdate(crl, t);
	X509_CRL_sign(crl, issuer->key, digest_for(issuer->key));
	PEM_write_bio_X509_CRL(b, crl);
	ASN1_TIME_free(t);
	X509_CRL_free(crl);
	return text_of(b);
}

char *tls_pki_join(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	char *out = malloc(n + m + 1);

	assert(out != NULL);
	memcpy(out, a, n);
	memcpy(out + n, b, m + 1);
	return out;
}
