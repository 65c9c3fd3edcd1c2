/* SPDX-License-Identifier: Apache-2.0 */
/* The policy of a run: one service of two versions on the backends, nine requests to one. */
#ifndef SIM_MESH_H
#define SIM_MESH_H

#include <heddle/node.h>
#include <heddle/snapshot.h>

#include "policy.h"

struct sim_mesh;

/* identity: NULL: plaintext alone; else mutual TLS on both sides. */
struct sim_mesh *sim_mesh_create(const struct hd_node *node, const struct policy_identity *identity);
void sim_mesh_destroy(struct sim_mesh *m);
const struct hd_snapshot *sim_mesh_snapshot(const struct sim_mesh *m);
/* A new generation of the same policy. Nothing when the one before the present is still read. */
void sim_mesh_reload(struct sim_mesh *m);
/* No worker reads a generation older than this. */
void sim_mesh_retire(struct sim_mesh *m, uint64_t oldest);

#endif
