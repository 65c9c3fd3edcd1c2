/* SPDX-License-Identifier: Apache-2.0 */
/* TLS while a snapshot is built: numbers here, 1 + number where the snapshot has 1 + slot, are rows
 * of the load's own tables and become slots with all others at its end. */
#ifndef POLICY_BUILD_TLS_H
#define POLICY_BUILD_TLS_H

#include "policy_model.h"

/* DestinationRule tls.mode. */
enum { POLICY_TLS_DISABLE, POLICY_TLS_SIMPLE, POLICY_TLS_MUTUAL, POLICY_TLS_ISTIO_MUTUAL };

/* How a cluster speaks to its endpoints. */
struct policy_client_tls {
	const struct policy_yaml *block; /* NULL: automatic mTLS */
	const struct policy_service *service;
	int64_t mode;
	uint8_t protocol;
	uint32_t context; /* 1 + that of SIMPLE and MUTUAL, the same for every endpoint; 0: none */
	struct hd_str sni;
};

void policy_tls_begin(struct policy_load *l);
int policy_tls_has_identity(const struct policy_load *l);
uint32_t policy_tls_credential_add(struct policy_load *l, const struct policy_tls_credential *c);
uint32_t policy_tls_bundle_add(struct policy_load *l, const struct policy_tls_bundle *b);
uint32_t policy_tls_context_add(struct policy_load *l, const struct hd_tls_context *c);
uint32_t policy_tls_credential_file(struct policy_load *l, struct hd_str chain, struct hd_str key,
				    struct hd_source source);
/* An empty path: the system's. */
uint32_t policy_tls_roots_file(struct policy_load *l, struct hd_str path, struct hd_str crl,
			       struct hd_source source);
void policy_tls_defaults(const struct policy_load *l, struct hd_tls_context *c);

/* policy_build_secret.c. `at` is where the name stands, for complaints. A credential that cannot be
 * found is a row without texts: whoever needs it is refused. */
uint32_t policy_tls_secret_credential(struct policy_load *l, const struct policy_object *o,
				      const struct policy_yaml *at, struct hd_str name);
/* HD_NONE: the Secret has no roots. */
uint32_t policy_tls_secret_roots(struct policy_load *l, const struct policy_object *o,
				 const struct policy_yaml *at, struct hd_str name);

/* "spiffe://td/ns/N/sa/S"; empty when one of them is not known. */
struct hd_str policy_tls_spiffe(struct policy_load *l, struct hd_str namespace_,
				struct hd_str account);
uint32_t policy_tls_mesh_server(struct policy_load *l, struct hd_str name,
				const struct hd_str *names, uint32_t n_names);
struct policy_client_tls policy_tls_client(struct policy_load *l, const struct policy_service *s,
					   uint16_t port, uint8_t protocol, struct hd_str subset,
					   const struct policy_traffic *traffic);
/* 1 + the context for one endpoint, 0: plaintext; and whom it expects there. */
uint32_t policy_tls_endpoint(struct policy_load *l, const struct policy_client_tls *t,
			     const struct policy_backend *b, struct hd_str *identity);
/* What a service's listener wants of callers. */
void policy_build_inbound(struct policy_load *l, const struct policy_service *s,
			  const struct policy_service_port *p, struct hd_listener *row);

#endif
