/* SPDX-License-Identifier: Apache-2.0 */
/* TLS in a run whose profile says so: callers, worker and backends speak it to each other. Certificates are made once a process, with
 * Ed25519: its signatures are all of one length, so that a seed makes the same segments each time. */
#ifndef SIM_TLS_H
#define SIM_TLS_H

#include "host_tls.h"
#include "mesh_pki.h"
#include "sim_world.h"

const struct mesh_pki *sim_tls_pki(void);
/* NULL: this run is plain. */
struct host_tls *sim_tls_create(const struct sim_world *w, enum hd_tls_role role, struct rte_mempool *bufs, struct rte_mempool *indirect);

#endif
