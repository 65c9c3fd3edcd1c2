/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_malloc.h>

#include "bed.h"

static struct rte_mempool *bufs, *indirect;

int bed_eal(const char *prefix)
{
	char *argv[] = { "test",
			 "--no-huge",
			 "--no-pci",
			 "-m",
			 "64",
			 "--no-shconf",
			 "--no-telemetry",
			 "--file-prefix",
			 (char *)prefix,
			 "--log-level=error",
			 "-l",
			 "0" };

	if (rte_eal_init(HD_ARRAY_SIZE(argv), argv) < 0)
		return -1;
	bufs = rte_pktmbuf_pool_create("bufs", 4095, 0, PKT_PRIV_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE,
				       -1);
	indirect = rte_pktmbuf_pool_create("indirect", 4095, 0, PKT_PRIV_SIZE, 0, -1);
	return bufs == NULL || indirect == NULL ? -1 : 0;
}

struct rte_mempool *bed_bufs(void)
{
	return bufs;
}

static void shape_policy(struct bed *b, uint32_t n_endpoints)
{
	b->listener = (struct hd_listener){ .addr.port = 80,
					    .cluster = HD_NONE,
					    .service = BED_TEXT("web.shop.svc.cluster.local") };
	assert_int_equal(hd_ip_parse("10.1.0.1", &b->listener.addr.ip), 0);
	b->listener_table[0] = b->listener_table[1] = HD_NONE;
	b->listener_table[hd_addr_hash(&b->listener.addr.ip, 80) & 1] = 0;
	b->domain_table[0] = HD_NONE;
	b->router = (struct hd_router){ .any_vhost = 0, .unknown_host_status = 404 };
	b->vhost = (struct hd_vhost){ .routes_count = 1 };
	b->routes[0] = (struct hd_route){ .destinations_count = 1,
					  .total_weight = 1,
					  .decorator = BED_TEXT("web.shop:80/*"),
					  .retry = { .on = HD_RETRY_CONNECT_FAILURE,
						     .attempts = 2,
						     .backoff_base = 25 * HD_NS_PER_MS } };
	b->destinations[0] = (struct hd_destination){ .weight = 1 };
	for (uint32_t i = 0; i < BED_CLUSTERS; i++)
		b->clusters[i] = (struct hd_cluster){ .name = BED_TEXT("outbound|80||web"),
						      .slot = i,
						      .lb = HD_LB_ROUND_ROBIN,
						      .max_connections = UINT32_MAX,
						      .max_pending_requests = UINT32_MAX,
						      .max_requests = UINT32_MAX,
						      .max_retries = UINT32_MAX,
						      .connect_timeout = 10 * HD_NS_PER_S };
	b->clusters[0].endpoints_count = n_endpoints;
	for (uint32_t i = 0; i < BED_ENDPOINTS; i++) {
		b->endpoints[i] =
			(struct hd_endpoint){ .addr = { hd_ip_from_v4(htonl(0x0a020002 + i)),
							8080 },
					      .slot = i,
					      .weight = 1 };
	}
}

static const uint32_t cluster_of_slot[BED_CLUSTERS] = { 0, 1, 2, 3 };

void bed_publish(struct bed *b)
{
	struct hd_snapshot *s = &b->snapshots[++b->generation % 2];

	for (uint32_t i = 0; i < BED_WORKERS; i++)
		b->own[i] = (struct hd_snapshot_worker){
			.wrr = b->wrr,
			.destination_requests = b->destination_requests,
			.authz = b->authz_counts,
			.dice = b->dice,
		};
	*s = (struct hd_snapshot){
		.generation = b->generation,
		.n_workers = 1,
		.cluster_slots = BED_CLUSTERS,
		.endpoint_slots = BED_ENDPOINTS,
		.identity = BED_TEXT("spiffe://td/ns/n/sa/node"),
		.tls_servers = b->servers,
		.n_tls_servers = HD_ARRAY_SIZE(b->servers),
		.listeners = &b->listener,
		.n_listeners = 1,
		.listener_table = b->listener_table,
		.listener_mask = 1,
		.routers = &b->router,
		.n_routers = 1,
		.domain_table = b->domain_table,
		.vhosts = &b->vhost,
		.n_vhosts = 1,
		.routes = b->routes,
		.n_routes = BED_ROUTES,
		.destinations = b->destinations,
		.n_destinations = BED_DESTINATIONS,
		.retry_statuses = b->retry_statuses,
		.answers = b->answers,
		.n_answers = 2,
		.rewrites = b->rewrites,
		.n_rewrites = 1,
		.programs = b->programs,
		.steps = b->steps,
		.edits = b->edits,
		.n_edits = HD_ARRAY_SIZE(b->edits),
		.edit_list = b->edit_list,
		.pieces = b->pieces,
		.extras = b->extras,
		.n_extras = 1,
		.cors = b->cors,
		.origin_matches = b->origins,
		.mirrors = b->mirrors,
		.hashes = b->hashes,
		.clusters = b->clusters,
		.n_clusters = BED_CLUSTERS,
		.cluster_of_slot = cluster_of_slot,
		.endpoints = b->endpoints,
		.outliers = b->outliers,
		.n_outliers = 1,
		.n_endpoints = b->clusters[0].endpoints_count,
		.authz = b->authz,
		.workers = b->own,
		.jwt = b->jwt,
	};
	if (b->quotas != NULL)
		proxy_quotas_set(b->quotas, s);
	proxy_set_snapshot(b->proxy, s);
}

static int n_beds;

struct bed *bed_create(uint32_t n_endpoints)
{
	return bed_create_worker(n_endpoints, NULL, 0);
}

struct bed *bed_create_worker(uint32_t n_endpoints, struct proxy_quotas *quotas, uint32_t worker)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct proxy_config c = { .stats = &b->stats,
				  .slots = &b->slots,
				  .quotas = quotas,
				  .worker = worker,
				  .health = b->health,
				  .watched = b->watched,
				  .group_weights = b->group_weights,
				  .bufs = bufs,
				  .indirect = indirect,
				  .max_connections = 512,
				  .seed = { 1, 2 },
				  .socket = -1,
				  .wall_offset = INT64_C(1700000000) * (int64_t)HD_NS_PER_S };

	n_beds++;
	b->quotas = quotas;
	b->now = HD_NS_PER_S;
	b->tcp = fake_tcp_create(bufs);
	b->access = hd_ring_create(64, sizeof(struct hd_access_record));
	b->outcomes = hd_ring_create(16, sizeof(struct hd_outcome));
	b->slots.clusters[0] = calloc(PROXY_CHUNK_SLOTS, proxy_cluster_state_bytes());
	b->slots.endpoints[0] = calloc(PROXY_CHUNK_SLOTS, proxy_endpoint_state_bytes());
	b->tls = fake_tls_create(bufs, indirect, &b->stats, &b->tls_options);
	b->lane = (struct hd_jwt_lane){ calloc(HD_JWT_SLOTS, sizeof(*b->lane.slots)),
					hd_ring_create(HD_JWT_SLOTS, sizeof(uint32_t)),
					hd_ring_create(HD_JWT_SLOTS, sizeof(uint32_t)) };
	c.jwt = &b->lane;
	c.tcp = b->tcp;
	c.tls = b->tls;
	c.access = b->access;
	c.outcomes = b->outcomes;
	b->proxy = proxy_create(&c, b->now);
	assert_non_null(b->proxy);
	shape_policy(b, n_endpoints);
	bed_publish(b);
	return b;
}

void bed_destroy(struct bed *b)
{
	proxy_destroy(b->proxy);
	fake_tls_destroy(b->tls);
	fake_tcp_destroy(b->tcp);
	if (--n_beds == 0) {
		assert_int_equal(rte_mempool_in_use_count(bufs), 0);
		assert_int_equal(rte_mempool_in_use_count(indirect), 0);
	}
	free(b->access);
	free(b->lane.slots);
	free(b->lane.jobs);
	free(b->lane.done);
	free(b->outcomes);
	free(b->slots.clusters[0]);
	free(b->slots.endpoints[0]);
	free(b);
}

void bed_run(struct bed *b)
{
	int did;

	b->tcp->now = b->now;
	do {
		did = proxy_run(b->proxy, b->now);
		did |= proxy_timers_run(b->proxy, b->now);
	} while (did);
}

void bed_pass(struct bed *b, hd_ns time)
{
	hd_ns end = b->now + time;

	bed_run(b);
	while (b->now < end) {
		hd_ns next = proxy_next_deadline(b->proxy);
		b->now = next > b->now && next < end ? next
			 : next <= b->now	     ? b->now + HD_NS_PER_MS
						     : end;
		bed_run(b);
	}
}

struct tcp_conn *bed_caller(struct bed *b)
{
	return fake_tcp_accept(b->tcp, "10.1.0.1", 80);
}

struct tcp_conn *bed_backend(struct bed *b, uint32_t i)
{
	struct tcp_conn *c = fake_tcp_opened(b->tcp, i);

	assert_non_null(c);
	fake_tcp_connected(c);
	bed_run(b);
	return c;
}

uint64_t bed_count(const struct bed *b, enum hd_counter c)
{
	return b->stats.counters[c];
}

const struct hd_access_record *bed_record(struct bed *b)
{
	static struct hd_access_record last;
	struct hd_access_record *r;

	while ((r = hd_ring_peek(b->access)) != NULL) {
		last = *r;
		hd_ring_pop(b->access);
		if (!last.opens)
			return &last;
	}
	return NULL;
}
