/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_tls.h"

#include <stdlib.h>

const struct mesh_pki *sim_tls_pki(void)
{
	static struct mesh_pki pki;

	if (pki.root.x == NULL)
		mesh_pki_make(&pki, "ED25519");
	return &pki;
}

struct host_tls *sim_tls_create(const struct sim_world *w, enum hd_tls_role role,
				struct rte_mempool *bufs, struct rte_mempool *indirect)
{
	const struct mesh_pki *pki = sim_tls_pki();
	struct host_tls_config c = { .role = role,
				     .own = role == HD_TLS_CLIENT ? &pki->caller : &pki->backend,
				     .root = &pki->root,
				     .bufs = bufs,
				     .indirect = indirect,
				     .max_connections = 256,
				     .max_handshakes = 32,
				     .no_resumption = w->seed % 2 };
	struct host_tls *t;

	if (!w->profile->tls)
		return NULL;
	t = host_tls_create(&c, w->now);
	if (t == NULL)
		abort();
	return t;
}
