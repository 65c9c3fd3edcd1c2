/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests, made on the spot: authorities and leaves with any names, times and keys, good and bad. */
#ifndef TLS_PKI_H
#define TLS_PKI_H

#include <openssl/x509.h>

#include <heddle/tls.h>

struct tls_pki {
	EVP_PKEY *key;
	X509 *x;
	char *pem, *key_pem; /* terminated */
};

struct tls_pki_wish {
	const char *name;	/* common name; NULL: an empty subject */
	const char *san;	/* as openssl.cnf has it: "URI:spiffe://td/ns/a/sa/b,DNS:x"; NULL: none */
	const char *key;	/* "EC", "P-384", "RSA", "ED25519"; NULL: EC (P-256) */
	int is_ca;
	int from_days, until_days; /* from now; both 0: -1 to 30 */
	const char *purpose;	/* extended key usage; NULL: both */
};

/* issuer NULL: self-signed. Never fails: aborts the test. */
void tls_pki_make(struct tls_pki *out, const struct tls_pki_wish *w, const struct tls_pki *issuer);
void tls_pki_free(struct tls_pki *p);
/* PEM of a revocation list of `issuer` that names `revoked` (NULL: an empty list). For free(). */
char *tls_pki_crl(const struct tls_pki *issuer, const struct tls_pki *revoked);
/* Two PEM texts one behind the other, for free(). */
char *tls_pki_join(const char *a, const char *b);

static inline struct hd_str tls_pki_text(const char *s)
{
	return (struct hd_str){ s, s != NULL ? (uint32_t)strlen(s) : 0 };
}

#endif
