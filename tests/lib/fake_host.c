/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_host.h"

#include <errno.h>
#include <stdio.h>

#define STR(text)                      \
	{                              \
		text, sizeof(text) - 1 \
	}
#define SOURCE                                                        \
	{                                                             \
		.file = STR("mesh.d/api.yaml"), .line = 12, .col = 3, \
		.object = STR("VirtualService default/api")           \
	}
#define ADDR(port_, last)                                                             \
	{                                                                             \
		.ip.b = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 2, 0, last }, \
		.port = port_                                                         \
	}

static const struct hd_endpoint endpoints[] = {
	{ .addr = ADDR(9000, 2), .slot = 0, .weight = 1, .workload = STR("api-1") },
	{ .addr = ADDR(9000, 3),
	  .slot = 1,
	  .weight = 1,
	  .health = HD_EP_EJECTED,
	  .workload = STR("\xff\xfe") },
};
static const struct hd_outlier outliers[] = {
	{ .consecutive_5xx = 5,
	  .max_ejection_percent = 100,
	  .interval = 10 * HD_NS_PER_S,
	  .base_ejection_time = 30 * HD_NS_PER_S,
	  .max_ejection_time = 300 * HD_NS_PER_S,
	  .source = SOURCE },
};
static const struct hd_cluster clusters[] = {
	{ .name = STR("outbound|80|v1|api.default.svc.cluster.local"),
	  .slot = 0,
	  .host = STR("api.default.svc.cluster.local"),
	  .subset = STR("v1"),
	  .outlier = 1,
	  .endpoints_first = 0,
	  .endpoints_count = 1 },
	{ .name = STR("outbound|80|v2|api.default.svc.cluster.local"),
	  .slot = 1,
	  .host = STR("api.default.svc.cluster.local"),
	  .subset = STR("v2"),
	  .endpoints_first = 1,
	  .endpoints_count = 1 },
};
static const struct hd_destination destinations[] = {
	{ .cluster = 0,
	  .weight = 90,
	  .host = STR("api.default.svc.cluster.local"),
	  .subset = STR("v1"),
	  .source = SOURCE },
	{ .cluster = 1,
	  .weight = 10,
	  .host = STR("api.default.svc.cluster.local"),
	  .subset = STR("v2"),
	  .source = SOURCE },
};
static const struct hd_route routes[] = {
	{ .match.uri = { .kind = HD_MATCH_PREFIX, .text = STR("/users") },
	  .destinations_count = 2,
	  .total_weight = 100,
	  .source = SOURCE },
};
static const struct hd_vhost vhosts[] = { { .name = STR("api.default.svc.cluster.local:80"),
					    .routes_count = 1 } };
static const struct hd_domain domains[] = { { .text = STR("api.default.svc.cluster.local"),
					      .vhost = 0 } };
static const uint32_t domain_table[] = { 0, HD_NONE };
static const struct hd_router routers[] = {
	{ .table_mask = 1, .any_vhost = HD_NONE, .unknown_host_status = 404 }
};
static const struct hd_listener listeners[] = {
	{ .addr = ADDR(80, 10),
	  .router = 0,
	  .cluster = HD_NONE,
	  .service = STR("api.default.svc.cluster.local") },
	{ .addr = ADDR(5432, 10),
	  .protocol = HD_PROTO_TCP,
	  .router = HD_NONE,
	  .cluster = 0,
	  .service = STR("db.default.svc.cluster.local") },
};
static const uint32_t listener_table[] = { HD_NONE, HD_NONE, HD_NONE, HD_NONE };
static const struct hd_service services[] = {
	{ .name = STR("api"),
	  .namespace_ = STR("default"),
	  .host = STR("api.default.svc.cluster.local"),
	  .addresses = STR("10.1.0.10 fd00:1::10"),
	  .ports = STR("http 80, tcp 9000"),
	  .endpoints = 2,
	  .source = SOURCE },
};
static uint64_t requests[] = { 900, 100 }, carried[2];
static struct hd_snapshot_worker snapshot_workers[] = { { .destination_requests = requests } };
static const struct hd_snapshot snapshot = {
	.generation = 7,
	.cluster_slots = 2,
	.endpoint_slots = 2,
	.n_workers = 1,
	.listeners = listeners,
	.n_listeners = 2,
	.listener_table = listener_table,
	.listener_mask = 3,
	.routers = routers,
	.n_routers = 1,
	.domain_table = domain_table,
	.domains = domains,
	.n_domains = 1,
	.vhosts = vhosts,
	.n_vhosts = 1,
	.routes = routes,
	.n_routes = 1,
	.destinations = destinations,
	.n_destinations = 2,
	.destination_carried = carried,
	.clusters = clusters,
	.n_clusters = 2,
	.outliers = outliers,
	.n_outliers = 1,
	.endpoints = endpoints,
	.n_endpoints = 2,
	.services = services,
	.n_services = 1,
	.workers = snapshot_workers,
};

static void status(void *arg, struct sock_status *out)
{
	*out = (struct sock_status){ .version = "1.2.3", .uptime_s = 61, .ready = 1 };
}

static void rates(void *arg, uint32_t worker, struct sock_rates *out)
{
	*out = (struct sock_rates){ .busy = 0.25, .requests_per_second = 1000 };
}

static const struct hd_snapshot *snapshot_get(void *arg)
{
	return &snapshot;
}

static const struct policy_texts *texts(void *arg)
{
	return &((struct fake_host *)arg)->texts;
}

static uint32_t generations(void *arg, struct sock_generation *out, uint32_t capacity)
{
	out[0] = (struct sock_generation){ .number = 7, .files = 1, .current = 1 };
	return 1;
}

static void row_add(struct policy_diags *d, uint32_t line, const char *message)
{
	d->rows = realloc(d->rows, (d->n + 1) * sizeof(*d->rows));
	d->rows[d->n++] = (struct policy_diag){ .file = strdup("vs.yaml"),
						.line = line,
						.col = 5,
						.severity = POLICY_ERROR,
						.message = strdup(message) };
	d->errors++;
}

static int verdict(struct fake_host *h, struct policy_diags *d)
{
	if (!h->refuse)
		return 0;
	h->refuse = 0;
	row_add(d, 3, "weight: -1 is below 0");
	row_add(d, 9, "route: unknown host");
	return -EINVAL;
}

static int preview_show(struct sock_load *load, const struct policy_diags *d)
{
	struct hd_destination other[] = { destinations[0], destinations[1] };
	struct hd_snapshot preview = snapshot;

	other[0].weight = other[1].weight = 50;
	preview.destinations = other;
	load->done(load, 0, d, &preview);
	return 0;
}

static int load_start(void *arg, struct sock_load *load)
{
	struct fake_host *h = arg;
	struct policy_diags d;
	int rc;

	if (h->hold) {
		h->held = load;
		return 0;
	}
	policy_diags_init(&d);
	rc = load->kind == SOCK_LOAD_ROLLBACK ? -ENOENT : verdict(h, &d);
	if (load->kind == SOCK_LOAD_APPLY && load->over.n > 0)
		snprintf(h->applied, sizeof(h->applied), "%s", load->over.rows[0].name);
	if (rc == 0 && load->kind == SOCK_LOAD_PREVIEW)
		preview_show(load, &d);
	else
		load->done(load, rc, &d, NULL);
	policy_diags_fini(&d);
	return 0;
}

void fake_host_release(struct fake_host *h, int rc)
{
	struct sock_load *load = h->held;
	struct policy_diags d;

	policy_diags_init(&d);
	h->held = NULL;
	load->done(load, rc, &d, NULL);
	policy_diags_fini(&d);
}

static int log_set(void *arg, const char *level, const char *area)
{
	struct fake_host *h = arg;

	if (strcmp(level, "loud") == 0)
		return -EINVAL;
	if (area != NULL && strcmp(area, "nope") == 0)
		return -ENOENT;
	snprintf(h->log_level, sizeof(h->log_level), "%s", level);
	snprintf(h->log_area, sizeof(h->log_area), "%s", area ? area : "");
	return 0;
}

static int endpoint_set(void *arg, const struct hd_addr *addr, uint8_t health)
{
	struct fake_host *h = arg;

	h->said = *addr;
	h->said_health = health;
	return health_say(h->health, addr, health);
}

static const struct health *health_get(void *arg)
{
	return ((struct fake_host *)arg)->health;
}

static const struct observe_requests *requests_get(void *arg)
{
	return ((struct fake_host *)arg)->requests;
}

static const struct observe_failures *failures_get(void *arg)
{
	return &((struct fake_host *)arg)->failures;
}

static uint32_t certificates(void *arg, struct sock_certificate *out, uint32_t capacity)
{
	out[0] = (struct sock_certificate){ .kind = "certificate",
					    .name = "identity",
					    .state = "ok",
					    .error = "",
					    .file = "/etc/heddle/node.pem",
					    .asked_by = "",
					    .expires_in_s = 7200,
					    .is_identity = 1 };
	strcpy(out[0].info.spiffe_id, "spiffe://cluster.local/ns/n/sa/node");
	out[0].info.not_after = INT64_C(1790000000) * INT64_C(1000000000);
	return 1;
}

static int name(void *arg, uint32_t i, struct sock_name *out)
{
	static const struct hd_ip ip = { .b = { [10] = 0xff, 0xff, 192, 0, 2, 7 } };

	*out = (struct sock_name){ .name = "api.example.test",
				   .ips = &ip,
				   .n = 1,
				   .error = "",
				   .asks_in = 5 * HD_NS_PER_MS };
	return i == 0;
}

static char *metrics(void *arg)
{
	return strdup("# EOF\n");
}

static void drain(void *arg)
{
	((struct fake_host *)arg)->drained++;
}

static void stop(void *arg)
{
	((struct fake_host *)arg)->stopped++;
}

struct fake_host *fake_host_create(uint32_t n_workers)
{
	static char node_name[] = "edge-1";
	struct fake_host *h = calloc(1, sizeof(*h));

	h->dp = fake_dp_create(n_workers);
	h->node.name = node_name;
	policy_texts_init(&h->texts);
	if (observe_requests_create(&h->node.dp, &h->requests) != 0)
		abort();
	h->health = health_create();
	if (h->health == NULL || health_reserve(h->health, &snapshot) != 0)
		abort();
	health_snapshot(h->health, h->dp, &snapshot, HD_NS_PER_S);
	h->host = (struct sock_host){ .arg = h,
				      .dp = h->dp,
				      .node = &h->node,
				      .status = status,
				      .rates = rates,
				      .snapshot = snapshot_get,
				      .texts = texts,
				      .generations = generations,
				      .load = load_start,
				      .log = log_set,
				      .endpoint_set = endpoint_set,
				      .health = health_get,
				      .requests = requests_get,
				      .failures = failures_get,
				      .metrics = metrics,
				      .certificates = certificates,
				      .name = name,
				      .drain = drain,
				      .stop = stop };
	return h;
}

void fake_host_destroy(struct fake_host *h)
{
	health_destroy(h->health);
	fake_dp_destroy(h->dp);
	policy_texts_fini(&h->texts);
	observe_requests_destroy(h->requests);
	free(h);
}
