/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_mesh.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy.h"

struct bench_mesh {
	struct policy *policy;
	struct hd_snapshot *snapshot;
};

static const char outliers[] = "  trafficPolicy: {outlierDetection: {maxEjectionPercent: 100}}\n";

static const char mutual[] = "  trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}\n";

static const char strict[] = "---\n"
			     "apiVersion: security.istio.io/v1\n"
			     "kind: PeerAuthentication\n"
			     "metadata: {name: default, namespace: default}\n"
			     "spec: {mtls: {mode: STRICT}}\n";

/* %s: nothing, or one of the lines above. */
static const char objects[] =
	"apiVersion: v1\n"
	"kind: Service\n"
	"metadata: {name: api, namespace: default}\n"
	"spec:\n"
	"  clusterIP: " BENCH_VIP "\n"
	"  selector: {app: api}\n"
	"  ports: [{name: http, port: 80, targetPort: 8080, protocol: TCP}]\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: WorkloadEntry\n"
	"metadata: {name: api-v1, namespace: default}\n"
	"spec: {address: 10.2.0.2, serviceAccount: backend, labels: {app: api, version: v1}}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: WorkloadEntry\n"
	"metadata: {name: api-v2, namespace: default}\n"
	"spec: {address: 10.2.0.3, serviceAccount: backend, labels: {app: api, version: v2}}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: DestinationRule\n"
	"metadata: {name: api, namespace: default}\n"
	"spec:\n"
	"  host: api\n"
	"%s"
	"  subsets:\n"
	"  - {name: v1, labels: {version: v1}}\n"
	"  - {name: v2, labels: {version: v2}}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: VirtualService\n"
	"metadata: {name: api, namespace: default}\n"
	"spec:\n"
	"  hosts: [api]\n"
	"  http:\n"
	"  - match: [{uri: {prefix: /admin}, headers: {x-canary: {exact: 'yes'}}}]\n"
	"    route: [{destination: {host: api, subset: v2}}]\n"
	"  - route:\n"
	"    - {destination: {host: api, subset: v1}, weight: 90}\n"
	"    - {destination: {host: api, subset: v2}, weight: 10}\n"
	"    timeout: 10s\n"
	"    retries: {attempts: 2, retryOn: 'connect-failure,reset'}\n"
	"%s";

/* One of many: its name, and that by which it is asked for. */
#define SERVICE                                                                              \
	"---\n"                                                                              \
	"apiVersion: v1\n"                                                                   \
	"kind: Service\n"                                                                    \
	"metadata: {name: " BENCH_SERVICE ", namespace: default}\n"                          \
	"spec:\n"                                                                            \
	"  clusterIP: None\n"                                                                \
	"  selector: {app: api}\n"                                                           \
	"  ports: [{name: http, port: 80, targetPort: 8080}]\n"                              \
	"---\n"                                                                              \
	"apiVersion: networking.istio.io/v1\n"                                               \
	"kind: DestinationRule\n"                                                            \
	"metadata: {name: " BENCH_SERVICE ", namespace: default}\n"                          \
	"spec:\n"                                                                            \
	"  host: " BENCH_SERVICE "\n"                                                        \
	"  trafficPolicy:\n"                                                                 \
	"    connectionPool:\n"                                                              \
	"      tcp: {maxConnections: 1000}\n"                                                \
	"      http: {http1MaxPendingRequests: 1000, http2MaxRequests: 1000, maxRetries: 10}\n" \
	"    outlierDetection: {maxEjectionPercent: 100}\n"                                  \
	"---\n"                                                                              \
	"apiVersion: networking.istio.io/v1\n"                                               \
	"kind: VirtualService\n"                                                             \
	"metadata: {name: " BENCH_SERVICE ", namespace: default}\n"                          \
	"spec:\n"                                                                            \
	"  hosts: [" BENCH_SERVICE "]\n"                                                     \
	"  http:\n"
#define ROUTE                                                                      \
	"  - match: [{uri: {prefix: " BENCH_PATH "}}]\n"                            \
	"    route: [{destination: {host: " BENCH_SERVICE "}}]\n"                   \
	"    timeout: 10s\n"                                                        \
	"    retries: {attempts: 2, retryOn: 'connect-failure,reset'}\n"

static void services_write(FILE *out, uint32_t services)
{
	for (uint32_t i = 0; i < services; i++) {
		fprintf(out, SERVICE, i, i, i, i, i);
		for (uint32_t r = 0; r < BENCH_PATHS; r++)
			fprintf(out, ROUTE, r, i);
	}
}

static void fill_port(struct hd_node_port *port, const char *name, enum hd_side side,
		      const char *ip, uint8_t len)
{
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->side = side;
	port->n_addresses = 1;
	port->addresses[0].len = len;
	if (hd_ip_parse(ip, &port->addresses[0].ip) != 0)
		abort();
}

static int load(struct bench_mesh *m, const struct hd_node *node, const struct bench_options *o,
		const struct mesh_pki *pki)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	struct policy_settings s = { .node = node,
				     .n_workers = 1,
				     .identity = o->tls ? &pki->identity : NULL };
	struct policy_diags diags;
	struct policy_texts texts;
	int rc;

	if (out == NULL)
		return -1;
	fprintf(out, objects,
		o->tls	      ? mutual
		: o->outliers ? outliers
			      : "",
		o->tls ? strict : "");
	services_write(out, o->services);
	fclose(out);
	policy_diags_init(&diags);
	policy_texts_init(&texts);
	m->policy = policy_create(&s);
	rc = m->policy == NULL || text == NULL ? -1
					       : policy_texts_add(&texts, "bench.yaml", text, n);
	free(text);
	if (rc == 0)
		rc = policy_load(m->policy, &texts, 1, &m->snapshot, &diags);
	if (diags.n != 0)
		policy_diags_print(&diags, stderr);
	policy_texts_fini(&texts);
	policy_diags_fini(&diags);
	return rc;
}

struct bench_mesh *bench_mesh_create(struct hd_node *node, const struct bench_options *o,
				     const struct mesh_pki *pki)
{
	struct bench_mesh *m = calloc(1, sizeof(*m));

	fill_port(&node->ports[0], "front", HD_SIDE_MESH, "10.1.0.1", 96 + 16);
	fill_port(&node->ports[1], "back", HD_SIDE_WORKLOAD, "10.2.0.1", 96 + 24);
	node->n_ports = 2;
	node->n_workers = 1;
	if (m == NULL)
		return NULL;
	if (load(m, node, o, pki) == 0)
		return m;
	bench_mesh_destroy(m);
	return NULL;
}

void bench_mesh_destroy(struct bench_mesh *m)
{
	if (m == NULL)
		return;
	if (m->snapshot != NULL)
		policy_snapshot_free(m->policy, m->snapshot);
	if (m->policy != NULL)
		policy_destroy(m->policy);
	free(m);
}

const struct hd_snapshot *bench_mesh_snapshot(const struct bench_mesh *m)
{
	return m->snapshot;
}
