/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the slow half share. All of it runs on handshake threads and on the control thread, never on a worker. */
#ifndef TLS_SLOW_H
#define TLS_SLOW_H

#include <pthread.h>

#include <openssl/ssl.h>

#include "tls_job.h"
#include "tls_suite.h"
#include "tls_threads.h"

/* tls_credential.c: a chain with its key, parsed. Immutable, counted under the store's lock. */
struct tls_credential {
	uint32_t refs;
	X509 *leaf;
	STACK_OF(X509) *chain; /* without the leaf */
	EVP_PKEY *key;
};
/* NULL, and error says why. `now`: UTC seconds. */
struct tls_credential *tls_credential_parse(const struct hd_tls_credential *c, int64_t now, char *error, size_t error_bytes);
void tls_credential_free(struct tls_credential *c);
void tls_certificate_info(X509 *leaf, STACK_OF(X509) *chain, struct hd_tls_certificate_info *out);
/* All certificates of a PEM text; NULL when there is none or one is broken. */
STACK_OF(X509) *tls_pem_certificates(struct hd_str pem);

/* tls_bundle.c: roots by trust domain. Immutable, counted as above. */
struct tls_domain {
	char *name;
	X509_STORE *store;
};
struct tls_bundle {
	uint32_t refs;
	uint64_t serial; /* never used again: what caches are bound to */
	struct tls_domain *domains;
	uint32_t n_domains;
	char **aliases;
	uint32_t n_aliases;
	int has_crl;
};
struct tls_bundle *tls_bundle_parse(const struct hd_tls_bundle *b, char *error, size_t error_bytes);
void tls_bundle_free(struct tls_bundle *b);
/* The roots for a trust domain or an alias of the first; NULL: not trusted. */
X509_STORE *tls_bundle_find(const struct tls_bundle *b, struct hd_str trust_domain);
/* Whether a domain is the first one or an alias of it: all of these are alike. */
int tls_bundle_is_home(const struct tls_bundle *b, struct hd_str trust_domain);

/* tls_context.c: a context as it was set, and what was built of it and of the credentials and the bundle at that time. */
struct tls_ticket_key {
	uint8_t name[16], cipher[32], mac[32];
	int64_t born; /* UTC s; 0: none */
};
struct tls_settings {
	struct hd_tls_context c; /* its texts lie behind it */
};
struct tls_context {
	uint32_t refs;
	uint64_t serial; /* never used again: what sessions are bound to */
	struct tls_settings *settings; /* the slot's, which the context outlives only with a reference of its own */
	SSL_CTX *ssl;
	struct tls_credential *credentials[HD_TLS_MAX_CREDENTIALS];
	struct tls_bundle *bundle;
	struct tls_store *store;
	pthread_mutex_t lock; /* of the ticket keys */
	struct tls_ticket_key tickets[2];
};
/* NULL, and error says why. Takes references of credentials and bundle over when it succeeds. */
struct tls_context *tls_context_build(struct tls_store *s, const struct hd_tls_context *c, struct tls_credential *const *credentials,
				      struct tls_bundle *bundle, char *error, size_t error_bytes);
void tls_context_free(struct tls_context *c);
/* A copy with its texts, one piece of memory for free(); NULL: out of memory. */
struct tls_settings *tls_settings_copy(const struct hd_tls_context *c);

/* tls_ticket.c: tickets of our servers. */
int tls_ticket_setup(struct tls_context *c);
/* Whether the certificate that a session stands for, if any, still holds under the rules of this handshake. */
int tls_ticket_still_fits(SSL *ssl, SSL_SESSION *session);

/* tls_store.c: slots, and what is found by name of a slot. */
struct tls_store {
	pthread_mutex_t lock;
	struct tls_slot_credential {
		struct tls_credential *value;
	} *credentials;
	struct tls_slot_bundle {
		struct tls_bundle *value;
	} *bundles;
	struct tls_slot_context {
		struct tls_settings *settings;
		struct tls_context *built;
	} *contexts;
	struct tls_identities *identities;
	struct tls_sessions *sessions; /* of backends */
	struct tls_sessions *callers;
	struct tls_chains *chains;
	int64_t (*wall)(void *ctx);
	void *wall_ctx;
};
struct tls_store *tls_store_create(uint32_t n_workers);
void tls_store_destroy(struct tls_store *s);
int tls_store_credential_set(struct tls_store *s, uint32_t slot, const struct hd_tls_credential *from, char *error, size_t error_bytes);
int tls_store_bundle_set(struct tls_store *s, uint32_t slot, const struct hd_tls_bundle *from, char *error, size_t error_bytes);
int tls_store_context_set(struct tls_store *s, uint32_t slot, const struct hd_tls_context *from, char *error, size_t error_bytes);
void tls_store_credential_clear(struct tls_store *s, uint32_t slot);
void tls_store_bundle_clear(struct tls_store *s, uint32_t slot);
void tls_store_context_clear(struct tls_store *s, uint32_t slot);
/* What handshakes that begin now use, with a reference; NULL: nothing is set. */
struct tls_context *tls_store_context(struct tls_store *s, uint32_t slot);
void tls_store_put(struct tls_store *s, struct tls_context *c);
int64_t tls_store_now(const struct tls_store *s); /* UTC s */

/* tls_identity.c */
struct tls_identities *tls_identities_create(uint32_t n_workers);
void tls_identities_destroy(struct tls_identities *t);
/* The identity of a certificate, with a reference for a worker to give back. NULL: out of memory. */
const struct tls_identity *tls_identity_get(struct tls_identities *t, X509 *leaf);

/* tls_spiffe.c. 0: no SPIFFE ID of a workload. */
int tls_spiffe_parse(struct hd_str uri, struct hd_str *trust_domain, struct hd_str *path);

/* tls_verify.c */
struct tls_verdict {
	int is_good;
	uint16_t failure;	/* hd_counter */
	int x509_error;		/* what OpenSSL makes the alert of */
	uint8_t chain;		/* tls_job_chain */
};
struct tls_chains *tls_chains_create(void);
void tls_chains_destroy(struct tls_chains *t);
/* The chain that the other side showed. sni: what we asked for, as a client. */
void tls_verify_chain(struct tls_context *c, X509 *leaf, STACK_OF(X509) *untrusted, struct hd_str sni, struct tls_verdict *v);
/* A certificate that was verified in an earlier connection of the same context: its time, and its names again. */
void tls_verify_again(struct tls_context *c, X509 *leaf, struct hd_str sni, struct tls_verdict *v);
/* tls_names.c: the rule on names alone; 0 or a hd_counter. */
uint16_t tls_names_check(const struct tls_context *c, X509 *leaf, struct hd_str sni);
/* The leaf's only URI; 0, or HD_TLS_ID_NONE, HD_TLS_ID_MANY, HD_TLS_ID_MALFORMED. out lies in the certificate. */
uint16_t tls_names_spiffe(X509 *leaf, struct hd_str *trust_domain, struct hd_str *path);

/* tls_session.c: sessions, of backends by whom they are with, of callers by the number that they were given. */
struct tls_sessions *tls_sessions_create(void);
void tls_sessions_destroy(struct tls_sessions *t);
struct tls_session_key {
	uint8_t bytes[32];
};
void tls_session_key(struct tls_session_key *out, const struct tls_context *c, const struct hd_addr *remote, struct hd_str sni);
void tls_session_caller_key(struct tls_session_key *out, const struct tls_context *c, struct hd_str number, struct hd_str sni);
/* Takes the reference. */
void tls_session_put(struct tls_sessions *t, const struct tls_session_key *key, SSL_SESSION *session);
/* One that is still good, with a reference, or NULL. */
SSL_SESSION *tls_session_get(struct tls_sessions *t, const struct tls_session_key *key, int64_t now);

/* tls_guard.c: from then on what OpenSSL frees is wiped. Before its first allocation, or in vain. */
void tls_guard_openssl(void);

/* tls_handshake.c: the only caller of SSL_*. One step of a job. */
void tls_handshake_step(struct tls_store *s, struct tls_job *j);
/* Callbacks that contexts are built with. */
void tls_handshake_callbacks(struct tls_context *c);
/* The server name of this handshake, as the ClientHello has it: OpenSSL reads tickets before it looks at it. */
struct hd_str tls_handshake_sni(SSL *ssl);

#endif
