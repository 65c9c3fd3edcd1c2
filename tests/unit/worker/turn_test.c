/* SPDX-License-Identifier: Apache-2.0 */
/* Two workers behind one pair of devices, with a caller and a backend of our own stack on the other
 * ends, all on one thread and a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../core/eal_setup.h"
#include "host.h"
#include "proxy_quota.h"
#include "worker.h"
#include "worker_steer.h"

#define WORKERS 2
#define CALLS 40
#define WIRE_FRAMES 1024
#define STEP (50 * HD_NS_PER_US)

static const char ask[] = "GET / HTTP/1.1\r\nHost: echo\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/* One direction of a link. */
struct pipe {
	struct rte_mbuf *frames[WIRE_FRAMES];
	uint32_t head, tail;
};

struct end {
	struct pipe *in, *out;
};

static uint16_t end_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct pipe *p = ((struct end *)dev)->in;
	uint16_t k = 0;

	while (k < n && p->tail != p->head)
		pkts[k++] = p->frames[p->tail++ % WIRE_FRAMES];
	return k;
}

static uint16_t end_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct pipe *p = ((struct end *)dev)->out;
	uint16_t k = 0;

	while (k < n && p->head - p->tail < WIRE_FRAMES)
		p->frames[p->head++ % WIRE_FRAMES] = pkts[k++];
	return k;
}

struct world {
	struct rte_mempool *bufs, *indirect;
	struct pipe pipes[4];
	struct end ends[4]; /* worker front, caller, worker back, backend */
	struct worker_steer *steers[2];
	struct hd_node node;
	const struct hd_snapshot *_Atomic published;
	struct proxy_slots slots[WORKERS];
	struct proxy_quotas quotas;
	uint8_t *health;
	struct hd_ring *mailbox[WORKERS];
	struct hd_worker_stats *stats[WORKERS];
	struct worker *workers[WORKERS];
	struct host *caller, *backend;
	hd_ns now;
	uint32_t answers, resets, kicks;
	uint32_t body, sent, got; /* of the one long answer; body 0: none */
};

static const struct worker_flows flows = { .secret = { 3, 4 }, .n_workers = WORKERS };

static struct hd_ip ip(const char *text)
{
	struct hd_ip out;

	assert_int_equal(hd_ip_parse(text, &out), 0);
	return out;
}

/* A policy of one listener, one route and one backend. */
#define STR(s)                   \
	{                        \
		s, sizeof(s) - 1 \
	}
static struct hd_listener listener = { .protocol = HD_PROTO_HTTP, .cluster = HD_NONE };
static uint32_t listener_table[2] = { HD_NONE, HD_NONE }, domain_table[1] = { HD_NONE };
static struct hd_vip vip;
static const struct hd_router router = { .any_vhost = 0, .unknown_host_status = 404 };
static const struct hd_vhost vhost = { STR("all"), 0, 1 };
static const struct hd_route route = { .destinations_count = 1, .total_weight = 1 };
static const struct hd_destination destination = { .weight = 1, .host = STR("echo") };
static struct hd_cluster cluster = {
	.name = STR("echo"),
	.host = STR("echo"),
	.endpoints_count = 1,
	.max_connections = UINT32_MAX,
	.max_pending_requests = UINT32_MAX,
	.max_requests = UINT32_MAX,
	.max_retries = UINT32_MAX,
	.connect_timeout = 10 * HD_NS_PER_S,
};
static struct hd_endpoint endpoint = { .weight = 1 };
static int32_t wrr[WORKERS][4];
static uint64_t chosen[WORKERS][4];
static struct hd_snapshot_worker own[WORKERS] = {
	{ .wrr = wrr[0], .destination_requests = chosen[0] },
	{ .wrr = wrr[1], .destination_requests = chosen[1] }
};

static const uint32_t cluster_of_slot[1];

static struct hd_snapshot snapshot_of(uint64_t generation)
{
	listener.addr = (struct hd_addr){ ip("10.1.0.1"), 80 };
	endpoint.addr = (struct hd_addr){ ip("10.2.0.2"), 9000 };
	vip.ip = listener.addr.ip;
	listener_table[hd_addr_hash(&listener.addr.ip, 80) & 1] = 0;
	return (struct hd_snapshot){
		.generation = generation,
		.cluster_slots = 1,
		.endpoint_slots = 1,
		.n_workers = WORKERS,
		.listeners = &listener,
		.n_listeners = 1,
		.listener_table = listener_table,
		.listener_mask = 1,
		.vips = &vip,
		.n_vips = 1,
		.routers = &router,
		.n_routers = 1,
		.domain_table = domain_table,
		.vhosts = &vhost,
		.n_vhosts = 1,
		.routes = &route,
		.n_routes = 1,
		.destinations = &destination,
		.n_destinations = 1,
		.clusters = &cluster,
		.n_clusters = 1,
		.cluster_of_slot = cluster_of_slot,
		.endpoints = &endpoint,
		.n_endpoints = 1,
		.workers = own,
	};
}

static struct net_device device(struct world *w, int i)
{
	return (struct net_device){ .rx = end_rx,
				    .tx = end_tx,
				    .dev = &w->ends[i],
				    .mac = { 2, 0, 0, 0, 0, (uint8_t)i },
				    .mtu = 1500,
				    .tx_offloads = NET_TX_MULTI_SEG | NET_TX_REFCOUNTED };
}

static uint8_t body_byte(uint32_t at)
{
	return (uint8_t)(at * 2654435761u >> 13);
}

/* Behind the head, which comes whole. */
static void take_body(struct world *w, struct tcp_conn *c)
{
	static uint8_t bytes[512 * 1024];
	struct bufq *rx = tcp_conn_rx(c);
	uint32_t n = rx->bytes, at = 0;

	assert_true(n <= sizeof(bytes));
	bufq_copy_out(rx, 0, bytes, n);
	if (w->got == 0)
		at = (uint32_t)((uint8_t *)memmem(bytes, n, "\r\n\r\n", 4) + 4 - bytes);
	for (; at < n; at++)
		assert_int_equal(bytes[at], body_byte(w->got++));
	bufq_clear(rx);
	tcp_received(c, n);
	w->answers += w->got == w->body;
}

static void send_body(struct world *w, struct tcp_conn *c)
{
	uint8_t bytes[1400];
	uint32_t n = 0;

	if (tcp_send_space(c) < sizeof(bytes))
		return;
	while (n < sizeof(bytes) && w->sent < w->body)
		bytes[n++] = body_byte(w->sent++);
	assert_int_equal(tcp_send_copy(c, bytes, n), 0);
}

static void caller_event(void *ctx, struct tcp_conn *c, uint32_t events)
{
	struct world *w = ctx;
	struct bufq *rx = tcp_conn_rx(c);
	char text[1024];
	uint32_t n = rx->bytes;

	if (events & TCP_EV_CONNECTED)
		assert_int_equal(tcp_send_copy(c, ask, sizeof(ask) - 1), 0);
	if (events & (TCP_EV_RESET | TCP_EV_CLOSED)) {
		w->resets += (events & TCP_EV_RESET) != 0;
		tcp_release(c);
		return;
	}
	if (events & TCP_EV_FIN)
		tcp_close(c);
	if (n == 0)
		return;
	if (w->body > 0) {
		take_body(w, c);
		return;
	}
	assert_true(n < sizeof(text));
	bufq_copy_out(rx, 0, text, n);
	if (memmem(text, n, "\r\n\r\nhello", 9) == NULL)
		return;
	assert_memory_equal(text, "HTTP/1.1 200", 12);
	bufq_clear(rx);
	tcp_received(c, n);
	w->answers++;
}

static int64_t backend_listener(void *ctx, const struct pkt_facts *f)
{
	return 0;
}

static void answer_long(struct world *w, struct tcp_conn *c)
{
	char head[96];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\ncontent-length: %u\r\n\r\n",
			 w->body);

	assert_int_equal(tcp_send_copy(c, head, (uint32_t)n), 0);
	send_body(w, c);
}

static void backend_event(void *ctx, struct tcp_conn *c, uint32_t events)
{
	struct world *w = ctx;
	struct bufq *rx = tcp_conn_rx(c);
	uint32_t n = rx->bytes;

	if (events & (TCP_EV_RESET | TCP_EV_CLOSED)) {
		tcp_release(c);
		return;
	}
	if (events & TCP_EV_FIN)
		tcp_close(c);
	if (events & TCP_EV_WRITABLE && w->sent > 0 && w->sent < w->body)
		send_body(w, c);
	if (n == 0)
		return;
	bufq_clear(rx);
	tcp_received(c, n);
	if (w->body > 0)
		answer_long(w, c);
	else
		assert_int_equal(tcp_send_copy(c, answer, sizeof(answer) - 1), 0);
}

static struct host *make_host(struct world *w, int end, const char *address, const char *gateway,
			      struct host_app app)
{
	struct host_config c = { .name = address,
				 .device = device(w, end),
				 .addresses = { { ip(address), 96 + 24 } },
				 .n_addresses = 1,
				 .gateway = ip(gateway),
				 .bufs = w->bufs,
				 .indirect = w->indirect,
				 .max_connections = 256,
				 .secret = { (uint64_t)end, 9 } };
	struct host *h;

	app.ctx = w;
	h = host_create(&c, &app, w->now);
	assert_non_null(h);
	return h;
}

static void kick(void *ctx, uint32_t worker)
{
	((struct world *)ctx)->kicks++;
}

static uint32_t flow_owner(void *ctx, uint32_t port, const struct flow_key *key)
{
	return worker_flows_owner(&flows, key);
}

static void share_ports(struct world *w)
{
	for (uint32_t port = 0; port < 2; port++) {
		struct worker_steer_config c = { .real = device(w, (int)port * 2),
						 .flows = flows,
						 .owner = port,
						 .stats = w->stats,
						 .kick = kick,
						 .ctx = w };

		w->steers[port] = worker_steer_create(port == 0 ? "front" : "back", &c);
		assert_non_null(w->steers[port]);
	}
}

static void make_worker(struct world *w, uint32_t i)
{
	struct net_device devices[2];
	struct worker_config c = { .node = &w->node,
				   .devices = devices,
				   .bufs = w->bufs,
				   .indirect = w->indirect,
				   .snapshot = &w->published,
				   .slots = &w->slots[i],
				   .quotas = &w->quotas,
				   .health = w->health,
				   .mailbox = w->mailbox[i],
				   .max_connections = 256,
				   .index = i,
				   .flow_owner = flow_owner,
				   .flow_ctx = w,
				   .flow_secret = { 5, 6 },
				   .secret = { i, 7 } };

	for (uint32_t port = 0; port < 2; port++)
		worker_steer_device(w->steers[port], i, &devices[port]);
	w->slots[i].clusters[0] = calloc(PROXY_CHUNK_SLOTS, proxy_cluster_state_bytes());
	w->slots[i].endpoints[0] = calloc(PROXY_CHUNK_SLOTS, proxy_endpoint_state_bytes());
	w->mailbox[i] = c.mailbox = hd_ring_create(8, sizeof(struct hd_ctrl_msg));
	w->workers[i] = worker_create(&c, w->now);
	assert_non_null(w->workers[i]);
	w->stats[i] = &w->workers[i]->stats;
}

static struct world *make_world(const struct hd_snapshot *s)
{
	struct world *w = aligned_alloc(_Alignof(struct world), sizeof(*w));
	const struct host_app caller = { .event = caller_event },
			      backend = { .listener = backend_listener, .event = backend_event };

	assert_non_null(w);
	memset(w, 0, sizeof(*w));
	w->now = HD_NS_PER_S;
	w->bufs = rte_mempool_lookup("bufs");
	w->indirect = rte_mempool_lookup("refs");
	for (int i = 0; i < 4; i++)
		w->ends[i] = (struct end){ &w->pipes[i], &w->pipes[i ^ 1] };
	w->node.n_ports = 2;
	w->node.ports[0] = (struct hd_node_port){ .name = "front", .side = HD_SIDE_MESH };
	w->node.ports[1] = (struct hd_node_port){ .name = "back", .side = HD_SIDE_WORKLOAD };
	for (int i = 0; i < 2; i++) {
		w->node.ports[i].addresses[0] =
			(struct hd_prefix){ ip(i == 0 ? "10.1.0.1" : "10.2.0.1"), 96 + 24 };
		w->node.ports[i].n_addresses = 1;
	}
	w->health = calloc(PROXY_CHUNK_SLOTS, 1);
	w->quotas = (struct proxy_quotas){
		.connections = calloc(PROXY_CHUNK_SLOTS, sizeof(*w->quotas.connections)),
		.n_workers = WORKERS,
		.kick = kick,
		.ctx = w,
	};
	w->quotas.chunks[0] =
		aligned_alloc(HD_CACHE_LINE, PROXY_CHUNK_SLOTS * sizeof(struct proxy_quota));
	memset(w->quotas.chunks[0], 0, PROXY_CHUNK_SLOTS * sizeof(struct proxy_quota));
	proxy_quotas_set(&w->quotas, s);
	w->published = s;
	share_ports(w);
	for (uint32_t i = 0; i < WORKERS; i++)
		make_worker(w, i);
	w->caller = make_host(w, 1, "10.1.0.2", "10.1.0.1", caller);
	w->backend = make_host(w, 3, "10.2.0.2", "10.2.0.1", backend);
	return w;
}

static void destroy_world(struct world *w)
{
	for (uint32_t i = 0; i < WORKERS; i++) {
		worker_destroy(w->workers[i]);
		free(w->slots[i].clusters[0]);
		free(w->slots[i].endpoints[0]);
		free(w->mailbox[i]);
	}
	host_destroy(w->caller);
	host_destroy(w->backend);
	worker_steer_destroy(w->steers[0]);
	worker_steer_destroy(w->steers[1]);
	for (int i = 0; i < 4; i++) {
		while (w->pipes[i].tail != w->pipes[i].head)
			rte_pktmbuf_free(w->pipes[i].frames[w->pipes[i].tail++ % WIRE_FRAMES]);
	}
	assert_int_equal(rte_mempool_in_use_count(w->bufs), 0);
	assert_int_equal(rte_mempool_in_use_count(w->indirect), 0);
	free(w->health);
	free(w->quotas.connections);
	free(w->quotas.chunks[0]);
	free(w);
}

static void turns(struct world *w, int n)
{
	for (int i = 0; i < n; i++, w->now += STEP) {
		host_turn(w->caller, w->now);
		host_turn(w->backend, w->now);
		for (uint32_t k = 0; k < WORKERS; k++)
			worker_turn(w->workers[k], w->now);
	}
}

static void call(struct world *w)
{
	struct tcp_conn *c = host_connect(w->caller, &listener.addr);

	assert_non_null(c);
	tcp_conn_set_user(c, w);
}

static void call_all(struct world *w)
{
	for (int i = 0; i < CALLS; i++)
		call(w);
	turns(w, 4000);
}

static void callers_are_spread_and_each_answer_finds_its_worker(void **state)
{
	struct hd_snapshot s = snapshot_of(1);
	struct world *w = make_world(&s);

	call_all(w);
	assert_int_equal(w->answers, CALLS);
	assert_int_equal(w->resets, 0);
	for (uint32_t i = 0; i < WORKERS; i++) {
		const uint64_t *counters = w->stats[i]->counters;
		assert_in_range(counters[HD_PROXY_REQUESTS], CALLS / 4, CALLS * 3 / 4);
		assert_true(counters[HD_TCP_CONNECTED] > 0);
		assert_int_equal(counters[HD_TCP_NO_CONNECTION], 0);
		assert_int_equal(counters[HD_TCP_RETRANSMITS], 0);
	}
	assert_true(w->kicks > 0);
	destroy_world(w);
}

static uint32_t backend_connections(const struct world *w)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < WORKERS; i++)
		sum += ((const struct hd_cluster_stats *)w->slots[i].clusters[0])->connections;
	return sum;
}

static void a_limit_on_connections_holds_over_all_workers_at_every_moment(void **state)
{
	for (uint32_t limit = 1; limit <= 3; limit++) {
		struct hd_snapshot s = snapshot_of(1);
		struct world *w;
		uint32_t most = 0;

		cluster.max_connections = limit;
		w = make_world(&s);
		for (int round = 0; round < 5; round++) {
			for (int i = 0; i < CALLS; i++)
				call(w);
			for (int i = 0; i < 4000; i++) {
				turns(w, 1);
				assert_in_range(backend_connections(w), 0, limit);
				most = RTE_MAX(most, backend_connections(w));
			}
		}
		assert_int_equal(most, limit);
		assert_int_equal(w->answers, 5 * CALLS);
		for (uint32_t i = 0; i < WORKERS; i++)
			assert_true(w->stats[i]->counters[HD_TCP_CONNECTED] > 0);
		destroy_world(w);
	}
	cluster.max_connections = UINT32_MAX;
}

static void a_turn_after_publishing_frees_the_old_snapshot(void **state)
{
	struct hd_snapshot first = snapshot_of(1), second = snapshot_of(2);
	struct world *w = make_world(&first);

	turns(w, 1);
	assert_int_equal(w->stats[0]->generation, 1);
	w->published = &second;
	assert_int_equal(w->stats[1]->generation, 1);
	turns(w, 1);
	assert_int_equal(w->stats[0]->generation, 2);
	assert_int_equal(w->stats[1]->generation, 2);
	memset(&first, 0xa5, sizeof(first));
	call_all(w);
	assert_int_equal(w->answers, CALLS);
	destroy_world(w);
}

static uint32_t leaving(const struct world *w)
{
	return net_n_leaving(w->workers[0]->stack.net) + net_n_leaving(w->workers[1]->stack.net);
}

static void a_service_that_is_removed_finishes_its_answers_and_refuses_callers(void **state)
{
	static const uint32_t nobody[2] = { HD_NONE, HD_NONE };
	struct hd_snapshot with = snapshot_of(1), without = snapshot_of(2);
	struct world *w;

	vip.ip = listener.addr.ip = ip("10.96.0.1");
	listener_table[0] = listener_table[1] = 0;
	without.n_listeners = without.n_vips = 0;
	without.listener_table = nobody;
	w = make_world(&with);
	w->body = 1 << 20;
	call(w);
	while (w->got < w->body / 8)
		turns(w, 1);
	assert_true(w->sent < w->body);
	w->published = &without;
	turns(w, 2);
	assert_int_equal(leaving(w), 2);
	memset(&with, 0xa5, sizeof(with));
	call(w);
	turns(w, 400);
	assert_int_equal(w->resets, 1); /* the new caller */
	for (int i = 0; i < 20000 && w->got < w->body; i++)
		turns(w, 1);
	assert_int_equal(w->got, w->body);
	assert_int_equal(w->answers, 1);
	assert_int_equal(w->resets, 1);
	turns(w, 30000); /* a second and more: the idle connection keeps its address */
	assert_int_equal(leaving(w), 1);
	destroy_world(w);
	listener_table[0] = listener_table[1] = HD_NONE;
}

static void tell(struct world *w, uint32_t worker, struct hd_ctrl_msg msg)
{
	*(struct hd_ctrl_msg *)hd_ring_slot(w->mailbox[worker]) = msg;
	hd_ring_push(w->mailbox[worker]);
}

static void a_dump_lists_what_is_open_and_says_what_it_left_out(void **state)
{
	struct hd_snapshot s = snapshot_of(1);
	struct world *w = make_world(&s);
	size_t bytes = sizeof(struct hd_dump) + 256 * sizeof(struct hd_dump_connection);
	struct hd_dump *d = calloc(1, bytes);
	uint64_t open;

	call_all(w);
	open = w->stats[0]->connections;
	d->kind = HD_DUMP_CONNECTIONS;
	d->capacity = 3;
	tell(w, 0, (struct hd_ctrl_msg){ HD_CTRL_DUMP, d });
	turns(w, 10);
	assert_int_equal(d->done, 1);
	assert_int_equal(d->count, 3);
	assert_int_equal(d->count + d->left_out, open);
	assert_string_equal(d->connections[0].state, "established");
	free(d);
	destroy_world(w);
}

static void draining_closes_what_is_idle_and_takes_no_more(void **state)
{
	struct hd_snapshot s = snapshot_of(1);
	struct world *w = make_world(&s);

	call_all(w);
	for (uint32_t i = 0; i < WORKERS; i++)
		tell(w, i, (struct hd_ctrl_msg){ .type = HD_CTRL_DRAIN });
	turns(w, 4000);
	call(w);
	turns(w, 100);
	assert_int_equal(w->answers, CALLS);
	assert_int_equal(w->resets, 1);
	assert_int_equal(w->stats[0]->connections + w->stats[1]->connections, 0);
	destroy_world(w);
}

static void stopping_resets_what_is_open(void **state)
{
	struct hd_snapshot s = snapshot_of(1);
	struct world *w = make_world(&s);

	call_all(w);
	for (uint32_t i = 0; i < WORKERS; i++)
		tell(w, i, (struct hd_ctrl_msg){ .type = HD_CTRL_STOP });
	turns(w, 1);
	for (uint32_t i = 0; i < WORKERS; i++) {
		assert_true(w->workers[i]->stopped);
		worker_stop(w->workers[i], w->now);
	}
	turns(w, 2);
	assert_int_equal(w->resets, CALLS);
	destroy_world(w);
}

static int setup(void **state)
{
	struct rte_mempool *bufs, *refs;

	if (eal_setup("hd_unit_turn", "192") < 0)
		return -1;
	bufs = rte_pktmbuf_pool_create("bufs", 8191, 0, PKT_PRIV_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE,
				       0);
	refs = rte_pktmbuf_pool_create("refs", 8191, 0, PKT_PRIV_SIZE, 0, 0);
	return bufs != NULL && refs != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callers_are_spread_and_each_answer_finds_its_worker),
		cmocka_unit_test(a_limit_on_connections_holds_over_all_workers_at_every_moment),
		cmocka_unit_test(a_turn_after_publishing_frees_the_old_snapshot),
		cmocka_unit_test(
			a_service_that_is_removed_finishes_its_answers_and_refuses_callers),
		cmocka_unit_test(a_dump_lists_what_is_open_and_says_what_it_left_out),
		cmocka_unit_test(draining_closes_what_is_idle_and_takes_no_more),
		cmocka_unit_test(stopping_resets_what_is_open),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
