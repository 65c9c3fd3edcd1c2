/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_mesh.h"

#include <stdlib.h>

#include "policy.h"

/* What an operator would load: one service, two versions, nine to one. */
static const char mesh[] =
	"apiVersion: v1\n"
	"kind: Service\n"
	"metadata: {name: echo, namespace: default}\n"
	"spec:\n"
	"  clusterIP: 10.1.0.1\n"
	"  selector: {app: echo}\n"
	"  ports: [{name: http, port: 8080, targetPort: 9000}]\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: echo-1, namespace: default, labels: {app: echo, version: v1}}\n"
	"spec: {containers: [{name: c, image: i}]}\n"
	"status: {podIP: 10.2.0.2, phase: Running, conditions: [{type: Ready, status: \"True\"}]}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: echo-2, namespace: default, labels: {app: echo, version: v2}}\n"
	"spec: {containers: [{name: c, image: i}]}\n"
	"status: {podIP: 10.2.0.3, phase: Running, conditions: [{type: Ready, status: \"True\"}]}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: DestinationRule\n"
	"metadata: {name: echo, namespace: default}\n"
	"spec:\n"
	"  host: echo\n"
	"  subsets:\n"
	"  - {name: v1, labels: {version: v1}}\n"
	"  - {name: v2, labels: {version: v2}}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: VirtualService\n"
	"metadata: {name: echo, namespace: default}\n"
	"spec:\n"
	"  hosts: [echo]\n"
	"  http:\n"
	"  - route:\n"
	"    - {destination: {host: echo, subset: v1}, weight: 90}\n"
	"    - {destination: {host: echo, subset: v2}, weight: 10}\n";

struct sim_mesh {
	struct policy *policy;
	struct hd_snapshot *snapshot;
};

static void load(struct sim_mesh *m, struct policy_texts *texts, struct policy_diags *diags)
{
	if (m->policy == NULL ||
	    policy_texts_add(texts, "mesh.yaml", mesh, sizeof(mesh) - 1) != 0 ||
	    policy_load(m->policy, texts, 1, &m->snapshot, diags) != 0) {
		policy_diags_print(diags, stderr);
		abort();
	}
}

struct sim_mesh *sim_mesh_create(const struct hd_node *node)
{
	struct policy_settings settings = { .node = node, .n_workers = 1 };
	struct sim_mesh *m = calloc(1, sizeof(*m));
	struct policy_texts texts;
	struct policy_diags diags;

	if (m == NULL)
		abort();
	policy_texts_init(&texts);
	policy_diags_init(&diags);
	m->policy = policy_create(&settings);
	load(m, &texts, &diags);
	policy_diags_fini(&diags);
	policy_texts_fini(&texts);
	return m;
}

void sim_mesh_destroy(struct sim_mesh *m)
{
	policy_snapshot_free(m->policy, m->snapshot);
	policy_destroy(m->policy);
	free(m);
}

const struct hd_snapshot *sim_mesh_snapshot(const struct sim_mesh *m)
{
	return m->snapshot;
}
