/* SPDX-License-Identifier: Apache-2.0 */
/* Identities of a whole mesh, made on the spot: one root, and a certificate each for the node, its callers and its backends.
 * And what the daemon would do with them: the slots that a snapshot names. */
#ifndef MESH_PKI_H
#define MESH_PKI_H

#include "policy.h"
#include "policy_tls.h"
#include "tls_pki.h"
#include "tls_threads.h"

struct mesh_pki {
	struct tls_pki root, node, caller, backend;
	struct policy_identity identity; /* for policy_settings: names that stand for `node` and `root` */
};

/* key: as tls_pki_wish has it. Never fails. */
void mesh_pki_make(struct mesh_pki *p, const char *key);
void mesh_pki_free(struct mesh_pki *p);
/* Sets what the snapshot needs. Aborts when something is refused. */
void mesh_pki_install(const struct mesh_pki *p, struct tls_threads *threads, const struct policy_tls *tls);

#endif
