/* SPDX-License-Identifier: Apache-2.0 */
/* The policy of a benchmark: real YAML through ctrl/policy. One service with two subsets, routed 90
 * to 10; many others, and mutual TLS, where the options say so. */
#ifndef BENCH_MESH_H
#define BENCH_MESH_H

#include <heddle/node.h>
#include <heddle/snapshot.h>

#include "bench_options.h"
#include "mesh_pki.h"

#define BENCH_HOST "api.default.svc.cluster.local"
/* Of many services, by number, and of the routes of each. */
#define BENCH_SERVICE "s%04u"
#define BENCH_PATH "/v%u/items"
#define BENCH_PATHS 10
#define BENCH_VIP "10.1.0.10"
#define BENCH_BACKEND_PORT 8080

struct bench_mesh;

/* Fills node with two ports: front 10.1.0.1/16, back 10.2.0.1/24. Prints what is wrong; NULL then.
 */
struct bench_mesh *bench_mesh_create(struct hd_node *node, const struct bench_options *o, const struct mesh_pki *pki);
void bench_mesh_destroy(struct bench_mesh *m);
const struct hd_snapshot *bench_mesh_snapshot(const struct bench_mesh *m);

#endif
