/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters and their endpoints: a service port, or a subset of one. */
#include "policy_build_tls.h"

/* Linux's, for what a keep-alive block leaves unset. */
#define KEEPALIVE_PROBES 9
#define KEEPALIVE_TIME (7200 * (int64_t)HD_NS_PER_S)
#define KEEPALIVE_INTERVAL (75 * (int64_t)HD_NS_PER_S)
#define CONNECT_TIMEOUT (10 * (int64_t)HD_NS_PER_S)
#define RETRY_BUDGET_PERCENT 20.0
#define RETRY_BUDGET_LEAST 3
#define IDLE_TIMEOUT (3600 * (int64_t)HD_NS_PER_S)

/* 0 cannot mean "none allowed" in Istio: it is unset. */
static uint32_t limit_of(const struct policy_yaml *map, const char *name)
{
	int64_t n = policy_get_int(map, name, 0);

	return n > 0 ? (uint32_t)n : UINT32_MAX;
}

static enum hd_lb lb_of(const struct policy_yaml *load_balancer)
{
	static const uint8_t by_word[] = { HD_LB_LEAST_REQUEST, HD_LB_LEAST_REQUEST,
					   HD_LB_RANDOM,	HD_LB_DIALLED,
					   HD_LB_ROUND_ROBIN,	HD_LB_LEAST_REQUEST };

	return by_word[policy_get_int(load_balancer, "simple", 0)];
}

static void keepalive_fill(struct hd_tcp_keepalive *k, const struct policy_yaml *block)
{
	if (block == NULL)
		return;
	if (k->probes == 0)
		*k = (struct hd_tcp_keepalive){ KEEPALIVE_PROBES, KEEPALIVE_TIME,
						KEEPALIVE_INTERVAL };
	if (policy_get_int(block, "probes", 0) > 0)
		k->probes = (uint32_t)policy_get_int(block, "probes", 0);
	k->time = (hd_ns)policy_get_int(block, "time", (int64_t)k->time);
	k->interval = (hd_ns)policy_get_int(block, "interval", (int64_t)k->interval);
}

static void pool_fill(struct policy_load *l, struct hd_cluster *c, const struct policy_yaml *pool,
		      uint8_t protocol)
{
	const struct policy_yaml *tcp = policy_get(pool, "tcp"), *http = policy_get(pool, "http");
	int64_t idle = policy_get_int(tcp, "idleTimeout", IDLE_TIMEOUT);

	c->max_connections = limit_of(tcp, "maxConnections");
	c->connect_timeout = (hd_ns)policy_get_int(
		tcp, "connectTimeout", policy_get_int(l->mesh, "connectTimeout", CONNECT_TIMEOUT));
	keepalive_fill(&c->keepalive, policy_get(l->mesh, "tcpKeepalive"));
	keepalive_fill(&c->keepalive, policy_get(tcp, "tcpKeepalive"));
	c->max_connection_duration = (hd_ns)policy_get_int(tcp, "maxConnectionDuration", 0);
	if (protocol != HD_PROTO_TCP)
		idle = policy_get_int(http, "idleTimeout", idle);
	c->idle_timeout = (hd_ns)idle;
	c->max_pending_requests = limit_of(http, "http1MaxPendingRequests");
	c->max_requests = limit_of(http, "http2MaxRequests");
	c->max_retries = limit_of(http, "maxRetries");
	c->max_requests_per_connection =
		(uint32_t)policy_get_int(http, "maxRequestsPerConnection", 0);
}

/* Envoy's defaults for what the block leaves unset; 0 is unset. */
static void retry_budget_fill(struct hd_cluster *c, const struct policy_yaml *block)
{
	const struct policy_yaml *percent = policy_get(block, "percent");
	int64_t least = policy_get_int(block, "minRetryConcurrency", 0);

	if (block == NULL)
		return;
	c->has_retry_budget = 1;
	c->retry_budget = (uint32_t)((percent != NULL ? percent->d : RETRY_BUDGET_PERCENT) * 100);
	c->retry_budget_min = least > 0 ? (uint32_t)least : RETRY_BUDGET_LEAST;
}

static void endpoint_add(struct policy_load *l, const struct policy_service *s,
			 const struct policy_backend *b, const struct policy_client_tls *tls)
{
	struct hd_endpoint *e = policy_vec_push(&l->arena, &l->endpoints);
	struct hd_str identity;

	e->tls_context = policy_tls_endpoint(l, tls, b, &identity);
	e->identity = policy_out(l, identity);
	e->sni_hash = e->tls_context != 0 ? hd_name_hash(tls->sni.p, tls->sni.n) : 0;
	e->addr = b->addr;
	e->slot = HD_NONE; /* when all else has succeeded */
	e->weight = b->weight;
	e->probe = policy_build_probe(l, b->probe);
	e->health = b->ready ? HD_EP_HEALTHY : HD_EP_UNREADY;
	e->locality = policy_out(l, b->locality);
	e->workload = policy_out(l, b->workload);
	e->authz = policy_authz_target(l, s, b->labels, &b->addr);
}

/* Which endpoints of a port make a cluster. */
struct endpoints {
	const struct policy_service *service;
	const struct policy_service_port *port;
	const struct policy_yaml *labels;
	const struct policy_client_tls *tls;
	const struct policy_spread *spread;
	struct policy_map seen; /* an address counts once */
};

/* Those of one group, or those that are not ready, whatever their group. Returns how many. */
static uint32_t group_fill(struct policy_load *l, struct endpoints *from, int ready, uint32_t rank)
{
	uint32_t before = l->endpoints.n;

	for (uint32_t i = 0; i < from->port->backends.n; i++) {
		const struct policy_backend *b = policy_vec_at(&from->port->backends, i);
		struct hd_str key = { (const char *)&b->addr, 18 };

		if (b->ready != ready || !policy_labels_match(from->labels, b->labels) ||
		    (ready && policy_spread_rank(l, from->spread, b) != rank) ||
		    policy_map_add(&from->seen, key, (void *)b) != NULL)
			continue;
		endpoint_add(l, from->service, b, from->tls);
	}
	return l->endpoints.n - before;
}

/* The usable ones first, group after group. One group is none. */
static void endpoints_fill(struct policy_load *l, struct hd_cluster *c, struct endpoints *from)
{
	const struct policy_spread *spread = from->spread;
	uint32_t ranks = spread->kind == HD_SPREAD_NONE ? 1 : HD_GROUPS;

	policy_map_init(&from->seen, &l->arena);
	c->endpoints_first = l->endpoints.n;
	for (uint32_t rank = 0; rank < ranks; rank++) {
		uint32_t n = group_fill(l, from, 1, rank);

		c->endpoints_count += n;
		if (n > 0 && spread->kind != HD_SPREAD_NONE)
			c->groups[c->n_groups++] = (struct hd_group){
				.end = c->endpoints_count,
				.weight = spread->kind == HD_SPREAD_SHARES
						  ? policy_spread_weight(spread, rank)
						  : 0,
			};
	}
	if (c->n_groups < 2)
		c->n_groups = 0;
	c->spread = c->n_groups > 0 ? spread->kind : HD_SPREAD_NONE;
	c->endpoints_unready = group_fill(l, from, 0, 0);
}

/* A hash has one table of all endpoints. */
static void groups_check(struct policy_load *l, struct hd_cluster *c,
			 const struct policy_traffic *t)
{
	const struct policy_yaml *hash = policy_get(t->load_balancer, "consistentHash");
	struct policy_check check;

	if (c->n_groups == 0 || hash == NULL)
		return;
	c->n_groups = 0;
	c->spread = HD_SPREAD_NONE;
	policy_object_check(l, t->object, &check);
	policy_warning(
		&check, hash,
		"consistentHash does not look at localities yet: near endpoints do not come first");
}

static struct hd_str cluster_name(struct policy_load *l, const struct policy_service *s,
				  uint16_t port, struct hd_str subset)
{
	return policy_str_printf(&l->arena, "outbound|%u|%.*s|%.*s", port, POLICY_STR(subset),
				 POLICY_STR(s->host));
}

/* What no rule says of a cluster the mesh may say of all. */
static void traffic_defaults(const struct policy_load *l, struct policy_traffic *t)
{
	const struct policy_yaml *mesh = policy_get(l->mesh, "defaultTrafficPolicy");

	if (t->connection_pool == NULL)
		t->connection_pool = policy_get(mesh, "connectionPool");
	if (t->outlier != NULL)
		return;
	t->outlier = policy_get(mesh, "outlierDetection");
	t->outlier_object = NULL;
}

/* The endpoints, and what they are picked by. */
static void members_fill(struct policy_load *l, struct hd_cluster *c, struct endpoints *from,
			 const struct policy_traffic *t)
{
	struct policy_service_port view = *from->port;
	struct policy_spread none = { .kind = HD_SPREAD_NONE };

	if (!policy_is_dialled(from->service, t)) {
		c->outlier = policy_build_outlier(l, from->service, t);
		endpoints_fill(l, c, from);
		groups_check(l, c, t);
		policy_build_hash(l, c, t->load_balancer);
		return;
	}
	policy_dialled_fill(l, from->service, t, &view);
	c->lb = HD_LB_DIALLED;
	from->port = &view;
	from->labels = NULL;
	from->spread = &none;
	endpoints_fill(l, c, from);
}

static uint32_t cluster_add(struct policy_load *l, const struct policy_service *s,
			    const struct policy_service_port *p, const struct policy_subset *subset,
			    struct hd_str subset_name, const struct policy_yaml *labels)
{
	struct policy_traffic t = policy_traffic_of(s, p->port, subset);
	struct policy_client_tls tls =
		policy_tls_client(l, s, p->port, p->protocol, subset_name, &t);
	struct hd_str name = policy_out(l, cluster_name(l, s, p->port, subset_name));
	struct policy_spread spread;
	struct endpoints from = { s, p, labels, &tls, &spread, { 0 } };
	uint32_t index = l->clusters.n;
	struct hd_cluster *c;

	traffic_defaults(l, &t);
	spread = policy_spread_of(l, &t);
	c = policy_vec_push(&l->arena, &l->clusters);
	c->name = name;
	c->slot = HD_NONE;
	c->host = policy_out(l, s->host);
	c->subset = policy_out(l, subset_name);
	c->port = p->port;
	c->lb = lb_of(t.load_balancer);
	pool_fill(l, c, t.connection_pool, p->protocol);
	retry_budget_fill(c, t.retry_budget);
	c->source = policy_source(l, t.object != NULL ? t.object : s->object,
				  subset != NULL ? subset->yaml : NULL);
	c->sni = policy_out(l, tls.sni);
	members_fill(l, c, &from, &t);
	policy_map_add(&l->clusters_by_name, name, (void *)(uintptr_t)(index + 1));
	return index;
}

static void service_clusters(struct policy_load *l, struct policy_service *s)
{
	for (uint32_t i = 0; i < s->n_ports; i++) {
		struct policy_service_port *p = &s->ports[i];

		if (policy_map_get(&l->clusters_by_name,
				   cluster_name(l, s, p->port, (struct hd_str){ "", 0 })) != NULL)
			continue; /* a port number given twice: the first is it */
		p->cluster = cluster_add(l, s, p, NULL, (struct hd_str){ "", 0 }, NULL);
		for (uint32_t k = 0; s->destination != NULL && k < s->destination->subset_list.n;
		     k++) {
			const struct policy_subset *sub = *(struct policy_subset **)policy_vec_at(
				&s->destination->subset_list, k);

			cluster_add(l, s, p, sub, policy_get_str(sub->yaml, "name"),
				    policy_get(sub->yaml, "labels"));
		}
	}
}

void policy_build_clusters(struct policy_load *l)
{
	policy_map_init(&l->clusters_by_name, &l->arena);
	for (uint32_t i = 0; i < l->services.n; i++)
		service_clusters(l, *(struct policy_service **)policy_vec_at(&l->services, i));
}

static struct policy_yaml *version_labels(struct policy_load *l, struct hd_str version)
{
	struct policy_yaml *map = policy_alloc(&l->arena, sizeof(*map)),
			   *y = policy_alloc(&l->arena, sizeof(*y));

	map->type = POLICY_YAML_MAP;
	map->n = 1;
	map->first = y;
	y->key = policy_str("version");
	y->text = version;
	return map;
}

static int backend_with(const struct policy_service_port *p, const struct policy_yaml *labels)
{
	for (uint32_t i = 0; i < p->backends.n; i++)
		if (policy_labels_match(
			    labels,
			    ((struct policy_backend *)policy_vec_at(&p->backends, i))->labels))
			return 1;
	return 0;
}

/* A subset that no rule defines means the workloads of that version, when there are any. */
static uint32_t cluster_by_version(struct policy_load *l, const struct policy_service *s,
				   uint16_t port, struct hd_str subset)
{
	const struct policy_yaml *labels = version_labels(l, subset);

	for (uint32_t i = 0; i < s->n_ports; i++)
		if (s->ports[i].port == port && s->ports[i].cluster != HD_NONE &&
		    backend_with(&s->ports[i], labels))
			return cluster_add(l, s, &s->ports[i], NULL, subset, labels);
	return HD_NONE;
}

uint32_t policy_cluster_find(struct policy_load *l, const struct policy_service *s, uint16_t port,
			     struct hd_str subset, int *by_version)
{
	uintptr_t found =
		(uintptr_t)policy_map_get(&l->clusters_by_name, cluster_name(l, s, port, subset));
	int defined = subset.n == 0 || (s->destination != NULL &&
					policy_map_get(&s->destination->subsets, subset) != NULL);

	*by_version = !defined;
	if (found != 0)
		return (uint32_t)found - 1;
	return defined ? HD_NONE : cluster_by_version(l, s, port, subset);
}
