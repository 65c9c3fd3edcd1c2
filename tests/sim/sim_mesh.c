/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_mesh.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy.h"

/* What an operator would load: one service, two versions, nine to one. */
static const char mesh[] =
	"apiVersion: v1\n"
	"kind: Service\n"
	"metadata: {name: echo, namespace: default}\n"
	"spec:\n"
	"  clusterIP: 10.1.0.1\n"
	"  clusterIPs: [10.1.0.1, \"fd00:1::1\"]\n"
	"  selector: {app: echo}\n"
	"  ports: [{name: http, port: 8080, targetPort: 9000}]\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: echo-1, namespace: default, labels: {app: echo, version: v1}}\n"
	"spec: {serviceAccountName: backend, containers: [{name: c, image: i}]}\n"
	"status: {podIP: 10.2.0.2, phase: Running, conditions: [{type: Ready, status: \"True\"}]}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: echo-2, namespace: default, labels: {app: echo, version: v2}}\n"
	"spec: {serviceAccountName: backend, containers: [{name: c, image: i}]}\n"
	"status: {podIP: 10.2.0.3, phase: Running, conditions: [{type: Ready, status: \"True\"}]}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: DestinationRule\n"
	"metadata: {name: echo, namespace: default}\n"
	"spec:\n"
	"  host: echo\n"
	"  subsets:\n"
	"  - {name: v1, labels: {version: v1}}\n"
	"  - {name: v2, labels: {version: v2}}\n";

static const char mutual[] = "  trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}\n"
			     "---\n"
			     "apiVersion: security.istio.io/v1\n"
			     "kind: PeerAuthentication\n"
			     "metadata: {name: default, namespace: default}\n"
			     "spec: {mtls: {mode: STRICT}}\n";

/* The generations by turns: nine to one, halves, one version alone. */
#define ROUTE                                          \
	"apiVersion: networking.istio.io/v1\n"         \
	"kind: VirtualService\n"                       \
	"metadata: {name: echo, namespace: default}\n" \
	"spec:\n"                                      \
	"  hosts: [echo]\n"                            \
	"  http:\n"                                    \
	"  - route:\n"

static const char *const routes[] = {
	ROUTE "    - {destination: {host: echo, subset: v1}, weight: 90}\n"
	      "    - {destination: {host: echo, subset: v2}, weight: 10}\n",
	ROUTE "    - {destination: {host: echo, subset: v1}, weight: 50}\n"
	      "    - {destination: {host: echo, subset: v2}, weight: 50}\n",
	ROUTE "    - {destination: {host: echo, subset: v1}}\n",
};

struct sim_mesh {
	struct policy *policy;
	struct policy_texts texts;
	struct hd_snapshot *snapshot, *old; /* old: until no worker reads it */
	uint64_t generation;
};

static struct hd_snapshot *load(struct sim_mesh *m)
{
	const char *route = routes[m->generation % HD_ARRAY_SIZE(routes)];
	struct hd_snapshot *s = NULL;
	struct policy_diags diags;

	policy_diags_init(&diags);
	if (policy_texts_add(&m->texts, "route.yaml", route, strlen(route)) != 0 ||
	    policy_load(m->policy, &m->texts, ++m->generation, &s, &diags) != 0) {
		policy_diags_print(&diags, stderr);
		abort();
	}
	policy_diags_fini(&diags);
	return s;
}

struct sim_mesh *sim_mesh_create(const struct hd_node *node, const struct policy_identity *identity)
{
	struct policy_settings settings = { .node = node, .n_workers = 1, .identity = identity };
	struct sim_mesh *m = calloc(1, sizeof(*m));
	char text[sizeof(mesh) + sizeof(mutual)];

	if (m == NULL)
		abort();
	policy_texts_init(&m->texts);
	m->policy = policy_create(&settings);
	snprintf(text, sizeof(text), "%s%s", mesh, identity != NULL ? mutual : "");
	if (m->policy == NULL || policy_texts_add(&m->texts, "mesh.yaml", text, strlen(text)) != 0)
		abort();
	m->snapshot = load(m);
	return m;
}

void sim_mesh_destroy(struct sim_mesh *m)
{
	if (m->old != NULL)
		policy_snapshot_free(m->policy, m->old);
	policy_snapshot_free(m->policy, m->snapshot);
	policy_destroy(m->policy);
	policy_texts_fini(&m->texts);
	free(m);
}

const struct hd_snapshot *sim_mesh_snapshot(const struct sim_mesh *m)
{
	return m->snapshot;
}

void sim_mesh_reload(struct sim_mesh *m)
{
	if (m->old != NULL)
		return;
	m->old = m->snapshot;
	m->snapshot = load(m);
}

void sim_mesh_retire(struct sim_mesh *m, uint64_t oldest)
{
	if (m->old == NULL || oldest < m->snapshot->generation)
		return;
	policy_snapshot_carry(m->snapshot, m->old);
	policy_snapshot_free(m->policy, m->old);
	m->old = NULL;
}
