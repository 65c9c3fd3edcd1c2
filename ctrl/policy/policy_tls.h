/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS that a snapshot needs: which certificates, roots and contexts, each in the slot by which the snapshot names it.
 * Policy says where keys are to be found; whoever publishes the snapshot reads them and hands them to the dataplane
 * (heddle/tls.h) before it does. The same thing keeps its slot from generation to generation. */
#ifndef POLICY_TLS_H
#define POLICY_TLS_H

#include <heddle/snapshot.h>
#include <heddle/tls.h>

/* A file, or the PEM itself; neither: it is not there, and `missing` of its owner says why. */
struct policy_tls_text {
	struct hd_str path, pem;
};

struct policy_tls_credential {
	uint32_t slot;
	struct hd_str name; /* "identity", "Secret istio-system/shop", "/etc/certs/tls.crt" */
	struct policy_tls_text chain, key;
	struct hd_source source; /* what asked for it */
	uint8_t is_identity;
};

struct policy_tls_bundle {
	uint32_t slot;
	struct hd_str name;
	struct hd_str trust_domain; /* empty: not of a mesh */
	struct policy_tls_text roots, crl;
	const struct hd_str *aliases;
	uint32_t n_aliases;
	struct hd_source source;
};

struct policy_tls_context {
	uint32_t slot;
	struct hd_tls_context context; /* its credentials and bundle are slots too */
};

struct policy_tls {
	const struct policy_tls_credential *credentials;
	const struct policy_tls_bundle *bundles;
	const struct policy_tls_context *contexts;
	uint32_t n_credentials, n_bundles, n_contexts;
};

const struct policy_tls *policy_snapshot_tls(const struct hd_snapshot *s);

#endif
