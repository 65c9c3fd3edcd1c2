/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a chain holds. In a mesh the same few come back all day: a chain that was found good is
 * remembered by its digest for as long as the trust bundle is the same, with the time within which
 * all of it is valid. */
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "tls_slow.h"

#define CHAINS 4096
#define DEPTH_MAX 8
#define SECURITY_LEVEL 2 /* 112 bits: RSA of 2,048, no SHA-1 */

struct known {
	uint8_t digest[32];
	uint64_t bundle; /* serial; 0: empty */
	int64_t from, until;
	int is_server; /* what it was found good for */
};

struct tls_chains {
	pthread_mutex_t lock;
	struct known rows[CHAINS];
};

struct tls_chains *tls_chains_create(void)
{
	struct tls_chains *t = calloc(1, sizeof(*t));

	if (t != NULL)
		pthread_mutex_init(&t->lock, NULL);
	return t;
}

void tls_chains_destroy(struct tls_chains *t)
{
	if (t == NULL)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static void add_digest(EVP_MD_CTX *md, X509 *x)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (X509_digest(x, EVP_sha256(), hash, &n) == 1)
		EVP_DigestUpdate(md, hash, n);
}

/* Of every certificate that was shown, in order. */
static int chain_digest(X509 *leaf, STACK_OF(X509) * untrusted, uint8_t out[32])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

	if (ok) {
		add_digest(md, leaf);
		for (int i = 0; i < sk_X509_num(untrusted); i++)
			add_digest(md, sk_X509_value(untrusted, i));
		ok = EVP_DigestFinal_ex(md, out, NULL) == 1;
	}
	EVP_MD_CTX_free(md);
	return ok;
}

static struct known *row_of(struct tls_chains *t, const uint8_t digest[32])
{
	uint32_t at;

	memcpy(&at, digest, sizeof(at));
	return &t->rows[at % CHAINS];
}

static int is_known(struct tls_context *c, const uint8_t digest[32], int64_t now)
{
	struct tls_chains *t = c->store->chains;
	int wants_server = c->settings->c.role == HD_TLS_CLIENT;
	const struct known *k;
	int found;

	pthread_mutex_lock(&t->lock);
	k = row_of(t, digest);
	found = k->bundle == c->bundle->serial && k->is_server == wants_server &&
		memcmp(k->digest, digest, sizeof(k->digest)) == 0 && k->from <= now &&
		now < k->until;
	pthread_mutex_unlock(&t->lock);
	return found;
}

static int64_t seconds(const ASN1_TIME *t, int64_t now)
{
	time_t base = (time_t)now;
	ASN1_TIME *zero = ASN1_TIME_set(NULL, base);
	int days = 0, rest = 0, ok = zero != NULL && ASN1_TIME_diff(&days, &rest, zero, t) == 1;

	ASN1_TIME_free(zero);
	return ok ? now + (int64_t)days * 86400 + rest : now;
}

/* A chain with revocation lists is good for an hour at most: these lists end too. */
static void remember(struct tls_context *c, const uint8_t digest[32], STACK_OF(X509) * chain,
		     int64_t now)
{
	struct known k = { .bundle = c->bundle->serial,
			   .from = INT64_MIN,
			   .until = c->bundle->has_crl ? now + 3600 : INT64_MAX,
			   .is_server = c->settings->c.role == HD_TLS_CLIENT };

	memcpy(k.digest, digest, sizeof(k.digest));
	for (int i = 0; i < sk_X509_num(chain); i++) {
		int64_t from = seconds(X509_get0_notBefore(sk_X509_value(chain, i)), now);
		int64_t until = seconds(X509_get0_notAfter(sk_X509_value(chain, i)), now);
		k.from = from > k.from ? from : k.from;
		k.until = until < k.until ? until : k.until;
	}
	pthread_mutex_lock(&c->store->chains->lock);
	*row_of(c->store->chains, digest) = k;
	pthread_mutex_unlock(&c->store->chains->lock);
}

static uint16_t failure_of(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return HD_TLS_CERT_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return HD_TLS_CERT_EARLY;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
		return HD_TLS_CERT_UNKNOWN_CA;
	case X509_V_ERR_CERT_REVOKED:
		return HD_TLS_CERT_REVOKED;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
		return HD_TLS_CERT_NO_CRL;
	case X509_V_ERR_INVALID_PURPOSE:
	case X509_V_ERR_INVALID_CA:
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
	case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
		return HD_TLS_CERT_PURPOSE;
	default:
		return HD_TLS_CERT_BAD;
	}
}

static void refuse(struct tls_verdict *v, uint16_t failure, int x509_error)
{
	v->is_good = 0;
	v->failure = failure;
	v->x509_error = x509_error;
}

/* Names that are wrong. Envoy's alert for them is certificate_unknown; OpenSSL's for a wrong host
 * is bad_certificate. */
static void refuse_names(struct tls_verdict *v, uint16_t failure)
{
	refuse(v, failure, X509_V_ERR_HOSTNAME_MISMATCH);
}

/* The roots that may vouch for this leaf. */
static X509_STORE *roots_for(const struct tls_context *c, X509 *leaf)
{
	struct hd_str domain, path;
	X509_STORE *store = NULL;

	if (tls_names_spiffe(leaf, &domain, &path) == 0)
		store = tls_bundle_find(c->bundle, domain);
	if (store == NULL && c->settings->c.names_rule != HD_TLS_NAMES_SPIFFE)
		store = tls_bundle_find(c->bundle, (struct hd_str){ "", 0 });
	if (store == NULL && c->settings->c.names_rule != HD_TLS_NAMES_SPIFFE)
		store = c->bundle->domains[0].store;
	return store;
}

static int verify(struct tls_context *c, X509_STORE *store, X509 *leaf, STACK_OF(X509) * untrusted,
		  const uint8_t digest[32], int64_t now)
{
	X509_STORE_CTX *x = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int error = X509_V_ERR_OUT_OF_MEM;

	if (x == NULL || X509_STORE_CTX_init(x, store, leaf, untrusted) != 1) {
		X509_STORE_CTX_free(x);
		return error;
	}
	param = X509_STORE_CTX_get0_param(x);
	X509_VERIFY_PARAM_set_purpose(param, c->settings->c.role == HD_TLS_CLIENT
						     ? X509_PURPOSE_SSL_SERVER
						     : X509_PURPOSE_SSL_CLIENT);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	if (X509_verify_cert(x) == 1) {
		error = X509_V_OK;
		remember(c, digest, X509_STORE_CTX_get0_chain(x), now);
	} else {
		error = X509_STORE_CTX_get_error(x);
		error = error != X509_V_OK ? error : X509_V_ERR_UNSPECIFIED;
	}
	X509_STORE_CTX_free(x);
	ERR_clear_error();
	return error;
}

static void judge_chain(struct tls_context *c, X509 *leaf, STACK_OF(X509) * untrusted,
			struct tls_verdict *v)
{
	int64_t now = tls_store_now(c->store);
	X509_STORE *store;
	uint8_t digest[32];
	int error;

	v->is_good = 1;
	if (!chain_digest(leaf, untrusted, digest)) {
		refuse(v, HD_TLS_NO_MEMORY, X509_V_ERR_OUT_OF_MEM);
		return;
	}
	v->chain = TLS_CHAIN_CACHED;
	if (is_known(c, digest, now))
		return;
	v->chain = TLS_CHAIN_VERIFIED;
	store = roots_for(c, leaf);
	error = store != NULL ? verify(c, store, leaf, untrusted, digest, now)
			      : X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
	if (error != X509_V_OK)
		refuse(v, failure_of(error), error);
}

void tls_verify_chain(struct tls_context *c, X509 *leaf, STACK_OF(X509) * untrusted,
		      struct hd_str sni, struct tls_verdict *v)
{
	uint16_t why;

	*v = (struct tls_verdict){ .is_good = 1 };
	if (c->settings->c.peer == HD_TLS_PEER_NONE)
		return;
	/* Whom it names comes first: for a stranger's trust domain there are no roots to ask. */
	why = c->settings->c.names_rule == HD_TLS_NAMES_SPIFFE ? tls_names_check(c, leaf, sni) : 0;
	if (why != 0 && why != HD_TLS_ID_NAME) {
		refuse_names(v, why);
		return;
	}
	judge_chain(c, leaf, untrusted, v);
	if (!v->is_good)
		return;
	why = tls_names_check(c, leaf, sni);
	if (why != 0)
		refuse_names(v, why);
}

void tls_verify_again(struct tls_context *c, X509 *leaf, struct hd_str sni, struct tls_verdict *v)
{
	int64_t now = tls_store_now(c->store);
	uint16_t why;

	*v = (struct tls_verdict){ .is_good = 1 };
	if (c->settings->c.peer == HD_TLS_PEER_NONE)
		return;
	if (seconds(X509_get0_notAfter(leaf), now) <= now) {
		refuse(v, HD_TLS_CERT_EXPIRED, X509_V_ERR_CERT_HAS_EXPIRED);
		return;
	}
	why = tls_names_check(c, leaf, sni);
	if (why != 0)
		refuse_names(v, why);
}
