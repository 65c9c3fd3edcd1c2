/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "tls_slow.h"

#define CIPHERS                                                                                    \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define CURVES "X25519:P-256:P-384"
#define SECURITY_LEVEL 2 /* 112 bits */

static size_t texts_bytes(const struct hd_tls_context *c)
{
	size_t n = c->name.n + c->sni.n + c->ciphers.n + c->curves.n + 2u;

	for (uint32_t i = 0; i < c->n_names; i++)
		n += c->names[i].n;
	return n;
}

static void copy_text(struct hd_str *s, char **at)
{
	if (s->n > 0)
		memcpy(*at, s->p, s->n);
	s->p = *at;
	*at += s->n;
}

struct tls_settings *tls_settings_copy(const struct hd_tls_context *c)
{
	size_t names = c->n_names * sizeof(struct hd_str);
	struct tls_settings *s = malloc(sizeof(*s) + names + texts_bytes(c));
	struct hd_str *rows;
	char *at;

	if (s == NULL)
		return NULL;
	s->c = *c;
	rows = (struct hd_str *)(s + 1);
	at = (char *)rows + names;
	for (uint32_t i = 0; i < c->n_names; i++) {
		rows[i] = c->names[i];
		copy_text(&rows[i], &at);
	}
	s->c.names = rows;
	copy_text(&s->c.name, &at);
	copy_text(&s->c.sni, &at);
	copy_text(&s->c.ciphers, &at);
	*at++ = '\0';
	copy_text(&s->c.curves, &at);
	*at = '\0';
	return s;
}

static int say(char *error, size_t bytes, const char *text)
{
	snprintf(error, bytes, "%s", text);
	ERR_clear_error();
	return 0;
}

/* Only what records can be made with: of a list that names others too, the rest is used. */
static int set_ciphers(SSL_CTX *x, const char *list, char *error, size_t bytes)
{
	char kept[1024] = "";
	STACK_OF(SSL_CIPHER) * all;

	if (SSL_CTX_set_cipher_list(x, list) != 1)
		return say(error, bytes, "no known cipher in the list of cipher suites");
	all = SSL_CTX_get_ciphers(x);
	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
		const struct tls_suite *s = tls_suite_find(SSL_CIPHER_get_protocol_id(c));
		size_t n = strlen(kept);
		if (s != NULL && s->version == TLS1_2_VERSION)
			snprintf(kept + n, sizeof(kept) - n, "%s%s", n > 0 ? ":" : "",
				 SSL_CIPHER_get_name(c));
	}
	if (kept[0] == '\0' || SSL_CTX_set_cipher_list(x, kept) != 1)
		return say(
			error, bytes,
			"none of the cipher suites is ECDHE with AES-GCM or ChaCha20-Poly1305: Heddle has no others");
	return 1;
}

static int set_versions(SSL_CTX *x, const struct hd_tls_context *c, char *error, size_t bytes)
{
	int min = c->version_min != 0 ? c->version_min : TLS1_2_VERSION;
	int max = c->version_max != 0 ? c->version_max : TLS1_3_VERSION;

	min = min < TLS1_2_VERSION ? TLS1_2_VERSION : min;
	if (min > max || SSL_CTX_set_min_proto_version(x, min) != 1 ||
	    SSL_CTX_set_max_proto_version(x, max) != 1)
		return say(error, bytes, "no version of TLS is left: Heddle has 1.2 and 1.3");
	return 1;
}

static int use_credential(SSL_CTX *x, const struct tls_credential *c, char *error, size_t bytes)
{
	if (SSL_CTX_use_certificate(x, c->leaf) == 1 && SSL_CTX_use_PrivateKey(x, c->key) == 1 &&
	    SSL_CTX_set1_chain(x, c->chain) == 1)
		return 1;
	return say(
		error, bytes,
		"the certificate cannot be used: keys need 2,048 bits of RSA, or EC, or Ed25519");
}

static int offer_alpns(SSL_CTX *x, const struct hd_tls_context *c)
{
	uint8_t wire[256];
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n_alpns; i++) {
		const char *name = tls_alpn_name(c->alpns[i]);
		size_t len = strlen(name);
		if (len == 0 || n + 1 + len > sizeof(wire))
			continue;
		wire[n] = (uint8_t)len;
		memcpy(wire + n + 1, name, len);
		n += 1 + (uint32_t)len;
	}
	return n == 0 || SSL_CTX_set_alpn_protos(x, wire, n) == 0;
}

static void set_resumption(SSL_CTX *x, const struct hd_tls_context *c)
{
	int is_server = c->role == HD_TLS_SERVER;
	size_t tickets = c->no_resumption ? 0 : c->n_tickets != 0 ? c->n_tickets : 1;

	SSL_CTX_set_session_cache_mode(x, c->no_resumption ? SSL_SESS_CACHE_OFF
							   : SSL_SESS_CACHE_BOTH |
								     SSL_SESS_CACHE_NO_INTERNAL);
	if (is_server)
		(void)SSL_CTX_set_num_tickets(x, tickets);
	if (c->no_resumption)
		SSL_CTX_set_options(x, SSL_OP_NO_TICKET);
}

static void set_options(struct tls_context *c)
{
	const struct hd_tls_context *s = &c->settings->c;
	int verify = s->peer == HD_TLS_PEER_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;

	if (s->peer == HD_TLS_PEER_REQUIRED)
		verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_options(c->ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					    SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(c->ssl, verify, NULL);
	SSL_CTX_set_app_data(c->ssl, c);
	SSL_CTX_set_session_id_context(c->ssl, (const uint8_t *)&c->serial, sizeof(c->serial));
	set_resumption(c->ssl, s);
	tls_handshake_callbacks(c);
}

static int configure(struct tls_context *c, char *error, size_t bytes)
{
	const struct hd_tls_context *s = &c->settings->c;

	SSL_CTX_set_security_level(c->ssl, SECURITY_LEVEL);
	if (!set_versions(c->ssl, s, error, bytes) ||
	    !set_ciphers(c->ssl, s->ciphers.n > 0 ? s->ciphers.p : CIPHERS, error, bytes))
		return 0;
	if (SSL_CTX_set_ciphersuites(c->ssl, SUITES_1_3) != 1 ||
	    SSL_CTX_set1_groups_list(c->ssl, s->curves.n > 0 ? s->curves.p : CURVES) != 1)
		return say(error, bytes, "no known curve in the list of curves");
	for (uint32_t i = 0; i < s->n_credentials; i++) {
		if (!use_credential(c->ssl, c->credentials[i], error, bytes))
			return 0;
	}
	if (s->role == HD_TLS_CLIENT && !offer_alpns(c->ssl, s))
		return say(error, bytes, "out of memory");
	set_options(c);
	if (s->role == HD_TLS_SERVER && !tls_ticket_setup(c))
		return say(error, bytes, "out of memory");
	return 1;
}

static int check(const struct hd_tls_context *c, const struct tls_bundle *bundle, char *error,
		 size_t bytes)
{
	if (c->role == HD_TLS_SERVER && c->n_credentials == 0)
		return say(error, bytes, "a server without a certificate");
	if (c->peer != HD_TLS_PEER_NONE && bundle == NULL)
		return say(
			error, bytes,
			"certificates of the other side are asked for, but there is no trust bundle to judge them by");
	if (c->names_rule == HD_TLS_NAMES_LISTED && c->n_names == 0)
		return say(error, bytes,
			   "an empty list of accepted names: nobody would be accepted");
	return 1;
}

struct tls_context *tls_context_build(struct tls_store *store, const struct hd_tls_context *from,
				      struct tls_credential *const *credentials,
				      struct tls_bundle *bundle, char *error, size_t error_bytes)
{
	static _Atomic uint64_t last_serial;
	struct tls_context *c;

	if (!check(from, bundle, error, error_bytes))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		say(error, error_bytes, "out of memory");
		return NULL;
	}
	c->refs = 1;
	c->serial = atomic_fetch_add(&last_serial, 1) + 1;
	c->store = store;
	pthread_mutex_init(&c->lock, NULL);
	for (uint32_t i = 0; i < from->n_credentials; i++)
		c->credentials[i] = credentials[i];
	c->settings = tls_settings_copy(from);
	c->ssl = SSL_CTX_new(from->role == HD_TLS_SERVER ? TLS_server_method()
							 : TLS_client_method());
	if (c->settings == NULL || c->ssl == NULL)
		say(error, error_bytes, "out of memory");
	else if (configure(c, error, error_bytes)) {
		c->bundle = bundle;
		return c;
	}
	tls_context_free(c);
	return NULL;
}

void tls_context_free(struct tls_context *c)
{
	SSL_CTX_free(c->ssl);
	free(c->settings);
	tls_wipe(c->tickets, sizeof(c->tickets));
	pthread_mutex_destroy(&c->lock);
	free(c);
}
