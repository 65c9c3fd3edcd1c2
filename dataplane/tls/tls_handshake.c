/* SPDX-License-Identifier: Apache-2.0 */
/* The only caller of SSL_*: a handshake over memory BIOs, fed record by record, until keys and
 * facts can be handed over. What was tried and holds about this seam: docs/tls.md, "The seam". */
#include <stdlib.h>

#include <openssl/err.h>

#include "tls_slow.h"

#define RANDOM_BYTES 32
#define MASTER_MAX 48

struct tls_handshake {
	SSL *ssl;
	BIO *in, *out; /* of the SSL */
	struct tls_context *context;
	struct tls_store *store;
	struct tls_verdict verdict;	  /* of the other side's chain */
	uint8_t secrets[2][TLS_HASH_MAX]; /* 1.3, by hd_tls_role of the sender */
	uint8_t n_secrets;
	uint8_t alert;	     /* fatal, of the other side */
	uint8_t refuses_1_2; /* no extended master secret */
	uint8_t failed;
	uint16_t failure;
	uint8_t has_changed;	/* 1.2: the other side's ChangeCipherSpec was fed */
	uint32_t behind_change; /* its records since: Finished, in as many as it likes */
	uint32_t sent_behind;	/* records of ours behind the handshake's end: tickets */
	uint32_t sessions;
	uint32_t sni_n;
	char sni[TLS_SNI_MAX + 1];
	struct hd_addr remote;
};

static struct tls_handshake *of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

static int is_server(const struct tls_handshake *h)
{
	return h->context->settings->c.role == HD_TLS_SERVER;
}

struct hd_str tls_handshake_sni(SSL *ssl)
{
	const struct tls_handshake *h = of(ssl);

	return (struct hd_str){ h->sni, h->sni_n };
}

/* ---- callbacks ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static int read_hex(const char *p, uint8_t *out, uint32_t max)
{
	uint32_t n = 0;

	for (; n < max && hex_digit(p[0]) >= 0 && hex_digit(p[1]) >= 0; p += 2)
		out[n++] = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
	return p[0] == '\0';
}

/* "LABEL <client random> <secret>", of which OpenSSL wipes its copy. */
static void on_keylog(const SSL *ssl, const char *line)
{
	static const char *const labels[] = { [HD_TLS_SERVER] = "SERVER_TRAFFIC_SECRET_0 ",
					      [HD_TLS_CLIENT] = "CLIENT_TRAFFIC_SECRET_0 " };
	struct tls_handshake *h = of(ssl);

	for (uint32_t i = 0; h != NULL && i < HD_ARRAY_SIZE(labels); i++) {
		const char *secret = strrchr(line, ' ');
		if (strncmp(line, labels[i], strlen(labels[i])) == 0 &&
		    read_hex(secret + 1, h->secrets[i], TLS_HASH_MAX))
			h->n_secrets++;
	}
}

static void on_info(const SSL *ssl, int where, int value)
{
	struct tls_handshake *h = of(ssl);

	/* Level in the high byte: 2 is fatal. */
	if (h != NULL && (where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    value >> 8 == SSL3_AL_FATAL)
		h->alert = (uint8_t)value;
}

static void read_sni(struct tls_handshake *h, SSL *ssl)
{
	const uint8_t *p;
	size_t n;

	h->sni_n = 0;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 || n < 5 ||
	    p[2] != TLSEXT_NAMETYPE_host_name)
		return;
	n = (size_t)(p[3] << 8 | p[4]) <= n - 5 ? (size_t)(p[3] << 8 | p[4]) : 0;
	if (n > TLS_SNI_MAX)
		return;
	h->sni_n = (uint32_t)n;
	memcpy(h->sni, p + 5, n);
}

/* Whether the client has 1.3 on offer. */
static int offers_1_3(SSL *ssl)
{
	const uint8_t *p;
	size_t n;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n) != 1)
		return 0;
	for (size_t i = 1; i + 1 < n; i += 2) {
		if (p[i] == 0x03 && p[i + 1] == 0x04)
			return 1;
	}
	return 0;
}

/* Sessions of 1.3 stay with us, and the ticket is their number: to write a session into a ticket
 * OpenSSL 3.0 parses the certificate in it once more, and again to read it back, at 150 us each
 * (docs/decisions/0026). */
static void keep_sessions(struct tls_handshake *h)
{
	if (!h->context->settings->c.no_resumption)
		SSL_set_options(h->ssl, SSL_OP_NO_TICKET);
}

/* RFC 7627 5.2: 1.2 without the extended master secret is refused before anything is computed. */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls_handshake *h = of(ssl);
	const uint8_t *p;
	size_t n;

	read_sni(h, ssl);
	if (SSL_CTX_get_max_proto_version(h->context->ssl) >= TLS1_3_VERSION && offers_1_3(ssl)) {
		keep_sessions(h);
		return SSL_CLIENT_HELLO_SUCCESS;
	}
	if (SSL_client_hello_get0_legacy_version(ssl) < TLS1_2_VERSION ||
	    SSL_CTX_get_min_proto_version(h->context->ssl) > TLS1_2_VERSION ||
	    SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_extended_master_secret, &p, &n) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	h->refuses_1_2 = 1;
	*alert = SSL_AD_HANDSHAKE_FAILURE;
	return SSL_CLIENT_HELLO_ERROR;
}

static int on_verify(X509_STORE_CTX *x, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_handshake *h = of(ssl);

	tls_verify_chain(h->context, X509_STORE_CTX_get0_cert(x), X509_STORE_CTX_get0_untrusted(x),
			 (struct hd_str){ h->sni, h->sni_n }, &h->verdict);
	X509_STORE_CTX_set_error(x, h->verdict.is_good ? X509_V_OK : h->verdict.x509_error);
	return h->verdict.is_good;
}

static int offers(const uint8_t *in, uint32_t n, const char *name, const uint8_t **at)
{
	size_t len = strlen(name);

	for (uint32_t i = 0; i < n; i += 1u + in[i]) {
		if (in[i] == len && i + 1 + len <= n && memcmp(in + i + 1, name, len) == 0) {
			*at = in + i + 1;
			return 1;
		}
	}
	return 0;
}

/* The best of ours that the client offers. None in common is no error: Envoy goes on without, and
 * so do we. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
		   const unsigned char *in, unsigned int n, void *arg)
{
	const struct hd_tls_context *c = &of(ssl)->context->settings->c;

	for (uint32_t i = 0; i < c->n_alpns; i++) {
		const char *name = tls_alpn_name(c->alpns[i]);
		if (!offers(in, n, name, out))
			continue;
		*out_n = (unsigned char)strlen(name);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_handshake *h = of(ssl);
	struct tls_session_key key;

	if (h == NULL)
		return 0;
	tls_session_key(&key, h->context, &h->remote, (struct hd_str){ h->sni, h->sni_n });
	tls_session_put(h->store->sessions, &key, session);
	h->sessions++;
	return 1;
}

static void caller_key(struct tls_session_key *out, const struct tls_handshake *h,
		       const uint8_t *number, uint32_t n)
{
	tls_session_caller_key(out, h->context, (struct hd_str){ (const char *)number, n },
			       (struct hd_str){ h->sni, h->sni_n });
}

static int on_caller_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_handshake *h = of(ssl);
	struct tls_session_key key;
	unsigned int n;
	const uint8_t *number = SSL_SESSION_get_id(session, &n);

	if (n == 0)
		return 0;
	caller_key(&key, h, number, n);
	tls_session_put(h->store->callers, &key, session);
	return 1;
}

/* Only under the name that it was given under, and while the certificate holds that it stands for.
 */
static SSL_SESSION *on_caller_number(SSL *ssl, const unsigned char *number, int n, int *copy)
{
	struct tls_handshake *h = of(ssl);
	struct tls_session_key key;
	SSL_SESSION *s;

	*copy = 0;
	caller_key(&key, h, number, (uint32_t)n);
	s = tls_session_get(h->store->callers, &key, tls_store_now(h->store));
	if (s == NULL || tls_ticket_still_fits(ssl, s))
		return s;
	SSL_SESSION_free(s);
	return NULL;
}

void tls_handshake_callbacks(struct tls_context *c)
{
	SSL_CTX_set_keylog_callback(c->ssl, on_keylog);
	SSL_CTX_set_info_callback(c->ssl, on_info);
	SSL_CTX_set_cert_verify_callback(c->ssl, on_verify, NULL);
	if (c->settings->c.role == HD_TLS_CLIENT) {
		SSL_CTX_sess_set_new_cb(c->ssl, on_session);
		return;
	}
	SSL_CTX_set_client_hello_cb(c->ssl, on_hello, NULL);
	SSL_CTX_set_alpn_select_cb(c->ssl, on_alpn, NULL);
	if (c->settings->c.no_resumption)
		return;
	SSL_CTX_sess_set_new_cb(c->ssl, on_caller_session);
	SSL_CTX_sess_set_get_cb(c->ssl, on_caller_number);
}

/* ---- beginning ---- */

static void offer_session(struct tls_handshake *h)
{
	struct hd_str sni = { h->sni, h->sni_n };
	struct tls_session_key key;
	struct tls_verdict v = { .is_good = 1 };
	SSL_SESSION *s;

	tls_session_key(&key, h->context, &h->remote, sni);
	s = tls_session_get(h->store->sessions, &key, tls_store_now(h->store));
	if (s == NULL)
		return;
	if (SSL_SESSION_get0_peer(s) != NULL)
		tls_verify_again(h->context, SSL_SESSION_get0_peer(s), sni, &v);
	if (v.is_good)
		SSL_set_session(h->ssl, s);
	SSL_SESSION_free(s);
}

static void begin_client(struct tls_handshake *h, const struct tls_job *j)
{
	const struct hd_tls_context *c = &h->context->settings->c;

	h->sni_n = j->sni_n;
	memcpy(h->sni, j->sni, j->sni_n);
	if (h->sni_n == 0 && c->sni.n <= TLS_SNI_MAX) {
		h->sni_n = c->sni.n;
		memcpy(h->sni, c->sni.p, c->sni.n);
	}
	h->sni[h->sni_n] = '\0';
	if (h->sni_n > 0)
		(void)SSL_set_tlsext_host_name(h->ssl, h->sni);
	if (!c->no_resumption)
		offer_session(h);
	SSL_set_connect_state(h->ssl);
}

static void end(struct tls_handshake *h)
{
	/* Or OpenSSL takes the connection for broken and its session for not worth to be resumed.
	 */
	if (h->ssl != NULL && !h->failed)
		SSL_set_shutdown(h->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(h->ssl);
	tls_store_put(h->store, h->context);
	tls_wipe(h, sizeof(*h));
	free(h);
}

static struct tls_handshake *begin(struct tls_store *store, const struct tls_job *j,
				   uint16_t *failure)
{
	struct tls_context *context = tls_store_context(store, j->context);
	struct tls_handshake *h;

	*failure = HD_TLS_NO_CONTEXT;
	if (context == NULL)
		return NULL;
	if (context->settings->c.role != j->role) {
		tls_store_put(store, context);
		return NULL;
	}
	*failure = HD_TLS_NO_MEMORY;
	h = calloc(1, sizeof(*h));
	if (h == NULL) {
		tls_store_put(store, context);
		return NULL;
	}
	h->context = context;
	h->store = store;
	h->remote = j->remote;
	h->ssl = SSL_new(context->ssl);
	h->in = BIO_new(BIO_s_mem());
	h->out = BIO_new(BIO_s_mem());
	if (h->ssl == NULL || h->in == NULL || h->out == NULL) {
		BIO_free(h->in);
		BIO_free(h->out);
		end(h);
		return NULL;
	}
	SSL_set_bio(h->ssl, h->in, h->out);
	SSL_set_app_data(h->ssl, h);
	if (is_server(h))
		SSL_set_accept_state(h->ssl);
	else
		begin_client(h, j);
	return h;
}

/* ---- why it failed ---- */

static uint16_t failure_of_reason(int reason)
{
	switch (reason) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return HD_TLS_NO_CERTIFICATE;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_VERSION_TOO_HIGH:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_WRONG_SSL_VERSION:
	case SSL_R_BAD_PROTOCOL_VERSION_NUMBER:
		return HD_TLS_NO_VERSION;
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_CIPHERS_AVAILABLE:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_NO_SHARED_GROUPS:
		return HD_TLS_NO_CIPHER;
	case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
	case SSL_R_DATA_LENGTH_TOO_LONG:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
		return HD_TLS_OVERFLOW;
	case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
		return HD_TLS_BAD_MAC;
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return HD_TLS_NOT_TLS;
	case ERR_R_MALLOC_FAILURE:
		return HD_TLS_NO_MEMORY;
	default:
		return HD_TLS_BAD_HANDSHAKE;
	}
}

static uint16_t why_failed(const struct tls_handshake *h)
{
	unsigned long e = ERR_peek_error();

	if (h->alert != 0)
		return HD_TLS_PEER_ALERT;
	if (h->refuses_1_2)
		return HD_TLS_NO_EXTENDED_SECRET;
	if (h->verdict.failure != 0)
		return h->verdict.failure;
	return failure_of_reason(ERR_GET_REASON(e));
}

static void fail(struct tls_handshake *h, uint16_t why)
{
	h->failed = 1;
	h->failure = why;
}

/* ---- a step ---- */

static uint32_t count_records(BIO *b)
{
	uint32_t records = 0;
	const uint8_t *p;
	long n = BIO_get_mem_data(b, &p);

	for (long at = 0; at + 5 <= n; at += 5 + (p[at + 3] << 8 | p[at + 4]))
		records += p[at] == 23;
	return records;
}

/* A client learns only here that the server has no extended master secret; nothing of ours goes out
 * but the alert. */
static int server_lacks_extended_secret(const struct tls_handshake *h)
{
	return !is_server(h) && SSL_version(h->ssl) == TLS1_2_VERSION &&
	       SSL_is_init_finished(h->ssl) && SSL_get_extms_support(h->ssl) != 1;
}

static void advance(struct tls_handshake *h)
{
	int rc, error;

	ERR_clear_error();
	rc = SSL_do_handshake(h->ssl);
	if (rc == 1) {
		/* What a server sends behind the client's Finished lies under the keys of
		 * application data. */
		if (is_server(h) && SSL_version(h->ssl) == TLS1_3_VERSION)
			h->sent_behind = count_records(h->out);
		if (server_lacks_extended_secret(h))
			fail(h, HD_TLS_NO_EXTENDED_SECRET);
		return;
	}
	error = SSL_get_error(h->ssl, rc);
	if (error != SSL_ERROR_WANT_READ)
		fail(h, why_failed(h));
	ERR_clear_error();
}

/* The next record of the job, fed alone: the one behind Finished is not for OpenSSL. */
static void feed(struct tls_handshake *h, struct tls_job *j)
{
	const uint8_t *p = j->in + j->used;
	uint32_t n = j->in_n - j->used;

	if (n >= 5 && n > 5u + (uint32_t)(p[3] << 8 | p[4]))
		n = 5u + (uint32_t)(p[3] << 8 | p[4]);
	h->behind_change += h->has_changed;
	h->has_changed |= p[0] == SSL3_RT_CHANGE_CIPHER_SPEC;
	if (BIO_write(h->in, p, (int)n) != (int)n) {
		fail(h, HD_TLS_NO_MEMORY);
		return;
	}
	j->used += n;
	advance(h);
}

/* Non-zero: not all of it fits. */
static int drain(struct tls_handshake *h, struct tls_job *j)
{
	int n = BIO_read(h->out, j->out + j->out_n, (int)(sizeof(j->out) - j->out_n));

	if (n > 0)
		j->out_n += (uint32_t)n;
	return BIO_pending(h->out) > 0;
}

static int is_through(const struct tls_handshake *h)
{
	return !h->failed && SSL_is_init_finished(h->ssl);
}

/* Feeds what the job brought until the handshake ends one way or the other. Non-zero: output waits.
 */
static int work(struct tls_handshake *h, struct tls_job *j)
{
	int is_first = !is_server(h) && SSL_in_before(h->ssl);

	if (drain(h, j))
		return 1;
	if (is_first)
		advance(h);
	while (!h->failed && !is_through(h) && !drain(h, j) && j->used < j->in_n)
		feed(h, j);
	return drain(h, j);
}

/* ---- handing over ---- */

static void derive_1_3(const struct tls_suite *s, const uint8_t *secret, struct tls_keys *k)
{
	memcpy(k->secret, secret, tls_hash_bytes(s->hash));
	tls_expand_label(s->hash, secret, "key", k->key, s->key_bytes);
	tls_expand_label(s->hash, secret, "iv", k->iv, TLS_NONCE_BYTES);
}

/* RFC 5246 6.3, without MAC keys: client key, server key, client IV, server IV. */
static void derive_1_2(struct tls_handshake *h, const struct tls_suite *s, struct tls_keys *client,
		       struct tls_keys *server)
{
	uint8_t master[MASTER_MAX], seed[2 * RANDOM_BYTES],
		block[2 * (TLS_KEY_MAX + TLS_NONCE_BYTES)], *p = block;
	size_t n = SSL_SESSION_get_master_key(SSL_get_session(h->ssl), master, sizeof(master));

	SSL_get_server_random(h->ssl, seed, RANDOM_BYTES);
	SSL_get_client_random(h->ssl, seed + RANDOM_BYTES, RANDOM_BYTES);
	tls_prf(s->hash, master, (uint32_t)n, "key expansion",
		&(struct hd_str){ (const char *)seed, sizeof(seed) }, block,
		2u * (s->key_bytes + s->fixed_iv_bytes));
	memcpy(client->key, p, s->key_bytes);
	memcpy(server->key, p + s->key_bytes, s->key_bytes);
	p += 2 * s->key_bytes;
	memcpy(client->iv, p, s->fixed_iv_bytes);
	memcpy(server->iv, p + s->fixed_iv_bytes, s->fixed_iv_bytes);
	/* Finished was record 0 of ours; theirs may have been cut (RFC 5246 6.2.1). */
	client->seq = is_server(h) ? h->behind_change : 1;
	server->seq = is_server(h) ? 1 : h->behind_change;
	tls_wipe(master, sizeof(master));
	tls_wipe(block, sizeof(block));
}

static void hand_keys(struct tls_handshake *h, const struct tls_suite *s, struct tls_job *j)
{
	struct tls_keys *client = is_server(h) ? &j->rx : &j->tx,
			*server = is_server(h) ? &j->tx : &j->rx;

	if (s->version == TLS1_2_VERSION) {
		derive_1_2(h, s, client, server);
		return;
	}
	derive_1_3(s, h->secrets[HD_TLS_CLIENT], client);
	derive_1_3(s, h->secrets[HD_TLS_SERVER], server);
	if (is_server(h))
		server->seq = h->sent_behind;
}

static uint8_t alpn_of(const SSL *ssl)
{
	const unsigned char *p;
	unsigned int n;

	SSL_get0_alpn_selected(ssl, &p, &n);
	for (uint8_t i = 1; i < HD_ALPN_MAX && n > 0; i++) {
		const char *name = tls_alpn_name(i);
		if (strlen(name) == n && memcmp(name, p, n) == 0)
			return i;
	}
	return HD_ALPN_NONE;
}

static int hand_identity(struct tls_handshake *h, struct tls_job *j)
{
	X509 *leaf = SSL_get0_peer_certificate(h->ssl);

	j->peer = NULL;
	if (leaf == NULL || h->context->settings->c.peer == HD_TLS_PEER_NONE)
		return 1;
	j->peer = tls_identity_get(h->store->identities, leaf);
	return j->peer != NULL;
}

/* RFC 6066 4: 1 to 4 stand for 2^9 to 2^12. */
static uint16_t fragment_of(const SSL *ssl)
{
	uint8_t code = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl));

	return code >= 1 && code <= 4 ? (uint16_t)(256u << code) : 0;
}

/* Keys and facts. A client of 1.3 lives on until its tickets were there. */
static void hand_over(struct tls_handshake *h, struct tls_job *j)
{
	const struct tls_suite *s =
		tls_suite_find(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(h->ssl)));

	if (s == NULL || (s->version == TLS1_3_VERSION && h->n_secrets < 2) ||
	    !hand_identity(h, j)) {
		fail(h, s == NULL ? HD_TLS_NO_CIPHER : HD_TLS_NO_MEMORY);
		return;
	}
	hand_keys(h, s, j);
	j->suite = tls_suite_index(s);
	j->is_resumed = SSL_session_reused(h->ssl) != 0;
	j->alpn = alpn_of(h->ssl);
	j->fragment = fragment_of(h->ssl);
	j->sni_n = h->sni_n;
	memcpy(j->sni, h->sni, h->sni_n);
	j->keeps = !is_server(h) && s->version == TLS1_3_VERSION &&
		   !h->context->settings->c.no_resumption;
	tls_wipe(h->secrets[HD_TLS_SERVER], TLS_HASH_MAX);
	tls_wipe(h->secrets[HD_TLS_CLIENT], TLS_HASH_MAX);
}

static void finish(struct tls_job *j, uint8_t status)
{
	j->status = status;
	if (j->handshake != NULL) {
		end(j->handshake);
		j->handshake = NULL;
	}
}

static void report(struct tls_handshake *h, struct tls_job *j, int output_waits)
{
	j->chain = h->verdict.chain;
	h->verdict.chain = TLS_CHAIN_NONE;
	j->sessions = (uint8_t)h->sessions;
	h->sessions = 0;
	if (output_waits) {
		j->status = TLS_JOB_OUTPUT;
		return;
	}
	if (!h->failed && !is_through(h)) {
		j->status = TLS_JOB_MORE;
		return;
	}
	if (is_through(h))
		hand_over(h, j);
	if (h->failed) {
		j->failure = h->failure;
		j->alert = h->alert;
		finish(j, TLS_JOB_FAILED);
		return;
	}
	j->status = TLS_JOB_DONE;
	if (!j->keeps)
		finish(j, TLS_JOB_DONE);
}

/* The records are OpenSSL's own again: its sequence is still that of the first of them. */
static void take_tickets(struct tls_job *j)
{
	struct tls_handshake *h = j->handshake;
	uint8_t nothing[1];

	if (BIO_write(h->in, j->in, (int)j->in_n) == (int)j->in_n)
		(void)SSL_read(h->ssl, nothing, sizeof(nothing));
	ERR_clear_error();
	j->sessions = (uint8_t)h->sessions;
}

static int start(struct tls_store *s, struct tls_job *j)
{
	uint16_t failure;

	j->keeps = 0;
	j->alert = 0;
	j->peer = NULL;
	j->chain = TLS_CHAIN_NONE;
	j->sessions = 0;
	j->handshake = begin(s, j, &failure);
	if (j->handshake != NULL)
		return 1;
	j->failure = failure;
	j->status = TLS_JOB_FAILED;
	return 0;
}

void tls_handshake_step(struct tls_store *s, struct tls_job *j)
{
	j->used = 0;
	j->out_n = 0;
	switch ((enum tls_job_op)j->op) {
	case TLS_JOB_BEGIN:
		if (!start(s, j))
			return;
		break;
	case TLS_JOB_GO_ON:
		break;
	case TLS_JOB_TICKETS:
		take_tickets(j);
		finish(j, TLS_JOB_OVER);
		return;
	case TLS_JOB_DROP:
		j->sessions = 0;
		finish(j, TLS_JOB_OVER);
		return;
	}
	report(j->handshake, j, work(j->handshake, j));
}
