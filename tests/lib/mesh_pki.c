/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh_pki.h"

#include <stdio.h>
#include <stdlib.h>

#define SPIFFE(account) "URI:spiffe://cluster.local/ns/default/sa/" account

void mesh_pki_make(struct mesh_pki *p, const char *key)
{
	static char certificate[] = "node.pem", node_key[] = "node.key", roots[] = "roots.pem";
	const struct tls_pki_wish root = { .name = "root", .key = key, .is_ca = 1 };
	const struct tls_pki_wish node = { .san = SPIFFE("node"), .key = key },
				  caller = { .san = SPIFFE("caller"), .key = key },
				  backend = { .san = SPIFFE("backend"), .key = key };

	tls_pki_make(&p->root, &root, NULL);
	tls_pki_make(&p->node, &node, &p->root);
	tls_pki_make(&p->caller, &caller, &p->root);
	tls_pki_make(&p->backend, &backend, &p->root);
	p->identity = (struct policy_identity){ certificate, node_key, roots };
}

void mesh_pki_free(struct mesh_pki *p)
{
	tls_pki_free(&p->root);
	tls_pki_free(&p->node);
	tls_pki_free(&p->caller);
	tls_pki_free(&p->backend);
}

static void must(int rc, struct hd_str name, const char *error)
{
	if (rc == 0)
		return;
	fprintf(stderr, "%.*s: %s\n", (int)name.n, name.p, error);
	abort();
}

void mesh_pki_install(const struct mesh_pki *p, struct tls_threads *threads,
		      const struct policy_tls *tls)
{
	const struct hd_tls_credential pair = { tls_pki_text(p->node.pem),
						tls_pki_text(p->node.key_pem) };
	char error[256] = "";

	for (uint32_t i = 0; i < tls->n_credentials; i++)
		must(tls_credential_set(threads, tls->credentials[i].slot, &pair, error,
					sizeof(error)),
		     tls->credentials[i].name, error);
	for (uint32_t i = 0; i < tls->n_bundles; i++) {
		const struct hd_tls_roots roots = { tls->bundles[i].trust_domain,
						    tls_pki_text(p->root.pem) };
		const struct hd_tls_bundle b = { .roots = &roots,
						 .n_roots = 1,
						 .aliases = tls->bundles[i].aliases,
						 .n_aliases = tls->bundles[i].n_aliases };
		must(tls_bundle_set(threads, tls->bundles[i].slot, &b, error, sizeof(error)),
		     tls->bundles[i].name, error);
	}
	for (uint32_t i = 0; i < tls->n_contexts; i++)
		must(tls_context_set(threads, tls->contexts[i].slot, &tls->contexts[i].context,
				     error, sizeof(error)),
		     tls->contexts[i].context.name, error);
}
