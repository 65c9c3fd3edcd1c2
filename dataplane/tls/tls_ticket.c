/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets of our servers in 1.2 (in 1.3 a ticket is the number of a session that we keep). Their
 * keys belong to one built context: another listener, another certificate or another trust bundle
 * cannot read them, and a full handshake follows. Each ticket also carries the server name that it
 * was given under. Keys change every hour; the one before still opens. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "tls_slow.h"

#define KEY_SECONDS 3600
#define LIFETIME (2 * KEY_SECONDS)

static int renew(struct tls_context *c, int64_t now)
{
	struct tls_ticket_key fresh = { .born = now };

	if (c->tickets[0].born != 0 && now < c->tickets[0].born + KEY_SECONDS &&
	    now >= c->tickets[0].born)
		return 1;
	if (RAND_bytes(fresh.name, sizeof(fresh.name)) != 1 ||
	    RAND_priv_bytes(fresh.cipher, sizeof(fresh.cipher)) != 1 ||
	    RAND_priv_bytes(fresh.mac, sizeof(fresh.mac)) != 1)
		return 0;
	c->tickets[1] = c->tickets[0];
	c->tickets[0] = fresh;
	return 1;
}

static int set_mac(EVP_MAC_CTX *mac, const struct tls_ticket_key *k)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)k->mac,
						  sizeof(k->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params);
}

static int seal(struct tls_context *c, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher,
		EVP_MAC_CTX *mac)
{
	const struct tls_ticket_key *k = &c->tickets[0];

	if (!renew(c, tls_store_now(c->store)) ||
	    RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
		return -1;
	memcpy(name, k->name, sizeof(k->name));
	return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->cipher, iv) == 1 &&
			       set_mac(mac, k) == 1
		       ? 1
		       : -1;
}

/* 0: a key that we do not have (any more). */
static int open_with(struct tls_context *c, const uint8_t *name, const uint8_t *iv,
		     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	int64_t now = tls_store_now(c->store);

	for (int i = 0; i < 2; i++) {
		const struct tls_ticket_key *k = &c->tickets[i];
		if (k->born == 0 || now >= k->born + LIFETIME ||
		    memcmp(name, k->name, sizeof(k->name)) != 0)
			continue;
		if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->cipher, iv) != 1 ||
		    set_mac(mac, k) != 1)
			return -1;
		return 1;
	}
	return 0;
}

static int on_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		  EVP_MAC_CTX *mac, int is_seal)
{
	struct tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = is_seal ? seal(c, name, iv, cipher, mac) : open_with(c, name, iv, cipher, mac);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static int on_give(SSL *ssl, void *arg)
{
	struct hd_str sni = tls_handshake_sni(ssl);

	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), sni.p, sni.n);
}

int tls_ticket_still_fits(SSL *ssl, SSL_SESSION *session)
{
	struct tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	X509 *leaf = SSL_SESSION_get0_peer(session);
	struct tls_verdict v;

	if (leaf == NULL)
		return c->settings->c.peer != HD_TLS_PEER_REQUIRED;
	tls_verify_again(c, leaf, tls_handshake_sni(ssl), &v);
	return v.is_good;
}

static int was_given_under(SSL_SESSION *session, struct hd_str sni)
{
	void *p = NULL;
	size_t n = 0;

	return SSL_SESSION_get0_ticket_appdata(session, &p, &n) == 1 && n == sni.n &&
	       (n == 0 || memcmp(p, sni.p, n) == 0);
}

static SSL_TICKET_RETURN on_take(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
				 size_t name_n, SSL_TICKET_STATUS status, void *arg)
{
	switch (status) {
	case SSL_TICKET_SUCCESS:
	case SSL_TICKET_SUCCESS_RENEW:
		if (!was_given_under(session, tls_handshake_sni(ssl)) ||
		    !tls_ticket_still_fits(ssl, session))
			return SSL_TICKET_RETURN_IGNORE_RENEW;
		return SSL_version(ssl) == TLS1_3_VERSION || status == SSL_TICKET_SUCCESS_RENEW
			       ? SSL_TICKET_RETURN_USE_RENEW
			       : SSL_TICKET_RETURN_USE;
	case SSL_TICKET_EMPTY:
	case SSL_TICKET_NO_DECRYPT:
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	default:
		return SSL_TICKET_RETURN_IGNORE;
	}
}

int tls_ticket_setup(struct tls_context *c)
{
	SSL_CTX_set_timeout(c->ssl, LIFETIME - KEY_SECONDS);
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(c->ssl, on_key) == 1 &&
	       SSL_CTX_set_session_ticket_cb(c->ssl, on_give, on_take, NULL) == 1;
}
