/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as ctrl describes it: certificates with their keys, trust bundles, and contexts that join them. ctrl hands bytes
 * over (PEM); they are parsed and kept by the dataplane's handshake side, and workers know only slot numbers.
 *
 * Slots are ctrl's to choose, below HD_TLS_MAX_SLOTS for each kind. Setting a slot again replaces what is there for all
 * handshakes that begin from then on; connections and handshakes under way keep what they have. So a certificate that is
 * renewed is one call, whatever contexts use it. A snapshot names context slots: set them before it is published, clear
 * them when no worker reads it any more. */
#ifndef HEDDLE_TLS_H
#define HEDDLE_TLS_H

#include <heddle/base.h>

#define HD_TLS_MAX_SLOTS 65536
#define HD_TLS_NONE UINT32_MAX

/* Application protocols that mean something to a mesh. X(symbol, name on the wire) */
#define HD_ALPNS(X)                                                                                                    \
	X(H2, "h2")                                                                                                    \
	X(HTTP_1_1, "http/1.1")                                                                                        \
	X(HTTP_1_0, "http/1.0")                                                                                        \
	X(ISTIO, "istio")                                                                                              \
	X(ISTIO_PEER_EXCHANGE, "istio-peer-exchange")                                                                  \
	X(ISTIO_HTTP_1_0, "istio-http/1.0")                                                                            \
	X(ISTIO_HTTP_1_1, "istio-http/1.1")                                                                            \
	X(ISTIO_H2, "istio-h2")

enum hd_alpn {
	HD_ALPN_NONE,
#define HD_ALPN_ENUM(symbol, name) HD_ALPN_##symbol,
	HD_ALPNS(HD_ALPN_ENUM)
#undef HD_ALPN_ENUM
	HD_ALPN_MAX
};
/* A bit in masks of what was offered. */
#define HD_ALPN_BIT(alpn) (1u << (alpn))

enum hd_tls_role { HD_TLS_SERVER, HD_TLS_CLIENT };

/* Whether the other side must show a certificate. A client's context always wants the server's; HD_TLS_PEER_NONE does
 * not look at it (insecureSkipVerify). */
enum hd_tls_peer { HD_TLS_PEER_NONE, HD_TLS_PEER_OPTIONAL, HD_TLS_PEER_REQUIRED };

/* What must be in a certificate whose chain holds. */
enum hd_tls_names {
	HD_TLS_NAMES_ANY,	/* whatever it says */
	HD_TLS_NAMES_SPIFFE,	/* exactly one URI, a SPIFFE ID of a trust domain that the bundle has roots for; if `names` is
				 * not empty, one of these (aliases of a trust domain are all alike) */
	HD_TLS_NAMES_LISTED,	/* one of `names` is among its DNS names, URIs, IP addresses or e-mail addresses, exactly; a
				 * DNS name of the certificate may begin with "*." */
	HD_TLS_NAMES_SNI,	/* its DNS names cover the server name that we sent */
};

/* A chain (leaf first, intermediates behind it) and the leaf's private key, each PEM. Unencrypted keys only. */
struct hd_tls_credential {
	struct hd_str chain, key;
};

/* Roots of one trust domain. An empty name: for certificates that carry no SPIFFE ID. */
struct hd_tls_roots {
	struct hd_str trust_domain;
	struct hd_str pem;
};

struct hd_tls_bundle {
	const struct hd_tls_roots *roots;
	uint32_t n_roots;
	const struct hd_str *aliases; /* trust domains that count as the first of `roots`, with its roots, where they have none */
	uint32_t n_aliases;
	struct hd_str crl;	/* PEM, may hold several; empty: nothing is revoked. With one, every certificate of a chain
				 * needs an issuer that has one there */
};

#define HD_TLS_MAX_CREDENTIALS 4

struct hd_tls_context {
	enum hd_tls_role role;
	struct hd_str name;	/* of the listener or cluster: what tickets are bound to, and what messages say */
	uint32_t credentials[HD_TLS_MAX_CREDENTIALS]; /* slots; a server picks by what the client can verify */
	uint32_t n_credentials;	/* 0: a client without a certificate */
	uint32_t bundle;	/* slot, HD_TLS_NONE: none (only with HD_TLS_PEER_NONE) */
	enum hd_tls_peer peer;
	enum hd_tls_names names_rule;
	const struct hd_str *names;
	uint32_t n_names;
	uint8_t alpns[HD_ALPN_MAX]; /* enum hd_alpn, best first; a server without one in common agrees on none */
	uint32_t n_alpns;
	struct hd_str sni;	/* of a client; tls_connect may say another */
	uint16_t version_min, version_max; /* 0x0303, 0x0304; 0: both */
	struct hd_str ciphers;	/* OpenSSL's list for TLS 1.2; empty: ECDHE with AES-GCM or ChaCha20-Poly1305 */
	struct hd_str curves;	/* OpenSSL's list; empty: X25519, P-256, P-384 */
	uint8_t no_resumption;
	uint8_t n_tickets;	/* a server sends in 1.3; 0: one */
};

/* A certificate as `show certs` tells it. Times are UTC ns since 1970. */
struct hd_tls_certificate_info {
	char subject[256], issuer[256], serial[44], key_type[24], spiffe_id[256], sha256[65];
	int64_t not_before, not_after; /* of the leaf */
	int64_t chain_not_after;       /* the earliest of the chain */
	uint32_t chain_length;
};

#endif
