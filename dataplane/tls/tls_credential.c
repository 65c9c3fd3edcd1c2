/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls_slow.h"

static void say(char *error, size_t bytes, const char *text)
{
	snprintf(error, bytes, "%s", text);
}

/* An encrypted key has nobody to ask for its password. */
static int no_password(char *buf, int size, int writing, void *ctx)
{
	return -1;
}

static BIO *reader(struct hd_str pem)
{
	return pem.n > 0 && pem.n < INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
}

/* At the end of a PEM text OpenSSL finds no start line; anything else is an error in it. */
static int is_end(void)
{
	unsigned long e = ERR_peek_last_error();
	int end = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	return end;
}

STACK_OF(X509) * tls_pem_certificates(struct hd_str pem)
{
	BIO *b = reader(pem);
	STACK_OF(X509) *all = sk_X509_new_null();
	X509 *x;

	while (b != NULL && all != NULL &&
	       (x = PEM_read_bio_X509(b, NULL, no_password, NULL)) != NULL) {
		if (sk_X509_push(all, x) == 0)
			X509_free(x);
	}
	BIO_free(b);
	if (all != NULL && is_end() && sk_X509_num(all) > 0)
		return all;
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

static int read_chain(struct tls_credential *c, struct hd_str pem, char *error, size_t bytes)
{
	c->chain = tls_pem_certificates(pem);
	if (c->chain == NULL) {
		say(error, bytes,
		    "the certificate is no PEM (-----BEGIN CERTIFICATE-----), or damaged");
		return 0;
	}
	c->leaf = sk_X509_shift(c->chain);
	return 1;
}

static int read_key(struct tls_credential *c, struct hd_str pem, char *error, size_t bytes)
{
	BIO *b = reader(pem);

	c->key = b != NULL ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
	BIO_free(b);
	ERR_clear_error();
	if (c->key == NULL) {
		say(error, bytes,
		    "the private key is no PEM (-----BEGIN PRIVATE KEY-----), or damaged, or encrypted: give it without a password");
		return 0;
	}
	if (X509_check_private_key(c->leaf, c->key) != 1) {
		ERR_clear_error();
		say(error, bytes, "the private key belongs to another certificate");
		return 0;
	}
	return 1;
}

/* Each certificate of the file must be issued by the next: one in a wrong place is a file put
 * together wrongly, and other sides will refuse it. */
static int check_order(const struct tls_credential *c, char *error, size_t bytes)
{
	X509 *child = c->leaf;

	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		X509 *issuer = sk_X509_value(c->chain, i);
		if (X509_check_issued(issuer, child) != X509_V_OK) {
			snprintf(
				error, bytes,
				"certificate %d of the chain did not issue the one before it: the leaf comes first, each issuer behind it",
				i + 2);
			return 0;
		}
		child = issuer;
	}
	return 1;
}

static int check_time(const struct tls_credential *c, int64_t now, char *error, size_t bytes)
{
	struct hd_tls_certificate_info info;

	tls_certificate_info(c->leaf, c->chain, &info);
	if (info.not_after <= now * (int64_t)HD_NS_PER_S) {
		say(error, bytes, "the certificate has expired");
		return 0;
	}
	return 1;
}

struct tls_credential *tls_credential_parse(const struct hd_tls_credential *from, int64_t now,
					    char *error, size_t error_bytes)
{
	struct tls_credential *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		say(error, error_bytes, "out of memory");
		return NULL;
	}
	c->refs = 1;
	if (read_chain(c, from->chain, error, error_bytes) &&
	    read_key(c, from->key, error, error_bytes) && check_order(c, error, error_bytes) &&
	    check_time(c, now, error, error_bytes))
		return c;
	tls_credential_free(c);
	return NULL;
}

void tls_credential_free(struct tls_credential *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	free(c);
}

static int64_t unix_ns(const ASN1_TIME *t)
{
	static const time_t epoch = 0;
	ASN1_TIME *zero = ASN1_TIME_set(NULL, epoch);
	int days = 0, seconds = 0;

	if (zero == NULL || ASN1_TIME_diff(&days, &seconds, zero, t) != 1)
		days = seconds = 0;
	ASN1_TIME_free(zero);
	return ((int64_t)days * 86400 + seconds) * (int64_t)HD_NS_PER_S;
}

static void name_text(const X509_NAME *name, char *out, size_t bytes)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	out[0] = '\0';
	if (b == NULL)
		return;
	X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253);
	n = BIO_get_mem_data(b, &p);
	if (n > 0)
		snprintf(out, bytes, "%.*s", (int)n, p);
	BIO_free(b);
}

static void hash_text(X509 *x, char out[65])
{
	uint8_t hash[EVP_MAX_MD_SIZE] = { 0 };

	X509_digest(x, EVP_sha256(), hash, NULL);
	for (int i = 0; i < 32; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static void key_text(X509 *x, char *out, size_t bytes)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	char group[20];
	size_t n;

	if (key == NULL)
		snprintf(out, bytes, "?");
	else if (EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1)
		snprintf(out, bytes, "EC %s", group);
	else if (EVP_PKEY_is_a(key, "RSA"))
		snprintf(out, bytes, "RSA %d", EVP_PKEY_get_bits(key));
	else
		snprintf(out, bytes, "%s", EVP_PKEY_get0_type_name(key));
	ERR_clear_error();
}

static void serial_text(X509 *x, char *out, size_t bytes)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *hex = n != NULL ? BN_bn2hex(n) : NULL;

	snprintf(out, bytes, "%s", hex != NULL ? hex : "");
	OPENSSL_free(hex);
	BN_free(n);
}

static void spiffe_text(X509 *x, char *out, size_t bytes)
{
	struct hd_str domain, path;

	out[0] = '\0';
	if (tls_names_spiffe(x, &domain, &path) == 0)
		snprintf(out, bytes, "spiffe://%.*s%.*s", (int)domain.n, domain.p, (int)path.n,
			 path.p);
}

void tls_certificate_info(X509 *leaf, STACK_OF(X509) * chain, struct hd_tls_certificate_info *out)
{
	memset(out, 0, sizeof(*out));
	name_text(X509_get_subject_name(leaf), out->subject, sizeof(out->subject));
	name_text(X509_get_issuer_name(leaf), out->issuer, sizeof(out->issuer));
	serial_text(leaf, out->serial, sizeof(out->serial));
	key_text(leaf, out->key_type, sizeof(out->key_type));
	spiffe_text(leaf, out->spiffe_id, sizeof(out->spiffe_id));
	hash_text(leaf, out->sha256);
	out->not_before = unix_ns(X509_get0_notBefore(leaf));
	out->not_after = out->chain_not_after = unix_ns(X509_get0_notAfter(leaf));
	out->chain_length = 1;
	for (int i = 0; chain != NULL && i < sk_X509_num(chain); i++) {
		int64_t end = unix_ns(X509_get0_notAfter(sk_X509_value(chain, i)));
		out->chain_not_after = end < out->chain_not_after ? end : out->chain_not_after;
		out->chain_length++;
	}
}
