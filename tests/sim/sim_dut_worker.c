/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_dut.h"

#include <stdlib.h>

#include "sim_mesh.h"
#include "sim_tls.h"
#include "worker.h"

#define DRAIN_EVERY 10 /* seeds */
#define DRAIN_FIRST_MS 300 /* something is under way by then */
#define RENEW_EVERY 8  /* reloads */
#define RELOAD_PERIOD (500 * HD_NS_PER_MS)

struct sim_dut {
	struct sim_world *world;
	struct worker *worker;
	struct tls_threads *tls; /* NULL: plain */
	hd_ns tls_at;		 /* when handshakes that wait are made */
	struct sim_mesh *mesh;
	const struct hd_snapshot *snapshot;
	const struct hd_snapshot *_Atomic published;
	hd_ns reload_at, drain_at;
	struct hd_node node;
	struct proxy_slots slots;
	uint8_t *health;
	struct hd_ring *access, *mailbox;
};

int sim_dut_is_there(void)
{
	return 1;
}

static void fill_port(struct hd_node_port *port, const char *name, enum hd_side side,
		      const char *address)
{
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->side = side;
	port->n_addresses = 1;
	port->addresses[0].len = 96 + 24;
	if (hd_ip_parse(address, &port->addresses[0].ip) != 0)
		abort();
}

static void fill_node(struct hd_node *n)
{
	fill_port(&n->ports[0], "front", HD_SIDE_MESH, "10.1.0.1");
	n->ports[0].n_addresses = 2;
	n->ports[0].addresses[1].len = 64;
	if (hd_ip_parse("fd00:1::1", &n->ports[0].addresses[1].ip) != 0)
		abort();
	fill_port(&n->ports[1], "back", HD_SIDE_WORKLOAD, "10.2.0.1");
	n->n_ports = 2;
	n->n_workers = 1;
}

static void create_slots(struct sim_dut *d)
{
	d->slots.clusters[0] = calloc(PROXY_CHUNK_SLOTS, proxy_cluster_state_bytes());
	d->slots.endpoints[0] = calloc(PROXY_CHUNK_SLOTS, proxy_endpoint_state_bytes());
	d->health = calloc(PROXY_CHUNK_SLOTS, 1);
	d->access = hd_ring_create(1024, sizeof(struct hd_access_record));
	d->mailbox = hd_ring_create(16, sizeof(struct hd_ctrl_msg));
	if (d->slots.clusters[0] == NULL || d->slots.endpoints[0] == NULL || d->health == NULL ||
	    d->access == NULL || d->mailbox == NULL)
		abort();
}

static void create_worker(struct sim_dut *d, const struct net_device *devices,
			  struct rte_mempool *bufs, struct rte_mempool *indirect)
{
	uint64_t seed = d->world->seed;
	struct worker_config c = {
		.node = &d->node,
		.devices = devices,
		.bufs = bufs,
		.indirect = indirect,
		.snapshot = &d->published,
		.slots = &d->slots,
		.health = d->health,
		.access = d->access,
		.mailbox = d->mailbox,
		.tls_threads = d->tls,
		.max_connections = 512,
		.flow_secret = { sim_mix(seed + 11), sim_mix(seed + 12) },
		.secret = { sim_mix(seed + 13), sim_mix(seed + 14) },
		.socket = -1,
	};

	d->worker = worker_create(&c, d->world->now);
	if (d->worker == NULL)
		abort();
}

static void create_tls(struct sim_dut *d)
{
	const struct tls_threads_config c = { .n_workers = 1 };

	d->tls = tls_threads_create(&c);
	if (d->tls == NULL)
		abort();
	mesh_pki_install(sim_tls_pki(), d->tls, policy_snapshot_tls(d->snapshot));
}

struct sim_dut *sim_dut_create(struct sim_world *w, const struct net_device *devices,
			       struct rte_mempool *bufs, struct rte_mempool *indirect)
{
	struct sim_dut *d = calloc(1, sizeof(*d));

	if (d == NULL)
		abort();
	d->world = w;
	d->drain_at = w->seed % DRAIN_EVERY == 1
			      ? w->now + (DRAIN_FIRST_MS + w->seed % 1000) * HD_NS_PER_MS
			      : HD_NS_NEVER;
	fill_node(&d->node);
	d->tls_at = HD_NS_NEVER;
	d->mesh = sim_mesh_create(&d->node, w->profile->tls ? &sim_tls_pki()->identity : NULL);
	d->published = d->snapshot = sim_mesh_snapshot(d->mesh);
	if (w->profile->tls)
		create_tls(d);
	create_slots(d);
	create_worker(d, devices, bufs, indirect);
	return d;
}

void sim_dut_destroy(struct sim_dut *d)
{
	worker_destroy(d->worker);
	tls_threads_destroy(d->tls);
	sim_mesh_destroy(d->mesh);
	free(d->slots.clusters[0]);
	free(d->slots.endpoints[0]);
	free(d->health);
	free(d->access);
	free(d->mailbox);
	free(d);
}

/* The path is the request's number. */
static void count_record(struct sim_dut *d, const struct hd_access_record *r)
{
	uint32_t id = 0;

	if (r->path_n < 2) /* no buffer was left to read the head */
		return;
	for (uint32_t i = 1; i < r->path_n && i < HD_ACCESS_PATH; i++)
		id = id * 10 + (uint32_t)(r->path[i] - '0');
	if (id >= d->world->n_requests)
		sim_fail(d->world, "a record of request %u, which nobody sent", id);
	else
		d->world->requests[id].records++;
}

static void read_access_log(struct sim_dut *d)
{
	const struct hd_access_record *r;

	while ((r = hd_ring_peek(d->access)) != NULL) {
		sim_note(d->world, "access %.*s %.*s status %u flags %x details %s", r->method_n,
			 r->method, r->path_n < HD_ACCESS_PATH ? r->path_n : HD_ACCESS_PATH,
			 r->path, r->status, r->flags, r->details);
		if (!r->opens)
			count_record(d, r);
		hd_ring_pop(d->access);
	}
}

/* Policy changes under way: nothing may notice. */
static void reload(struct sim_dut *d, hd_ns now)
{
	sim_mesh_retire(d->mesh, d->worker->stats.generation);
	if (now < d->reload_at)
		return;
	d->reload_at = now + RELOAD_PERIOD;
	sim_mesh_reload(d->mesh);
	d->snapshot = sim_mesh_snapshot(d->mesh);
	/* Certificates are renewed: tickets end, connections do not. */
	if (d->tls != NULL && d->snapshot->generation % RENEW_EVERY == 0)
		mesh_pki_install(sim_tls_pki(), d->tls, policy_snapshot_tls(d->snapshot));
	d->published = d->snapshot;
}

/* Handshakes take their time, as on threads. */
static int make_handshakes(struct sim_dut *d, hd_ns now)
{
	if (d->tls_at <= now) {
		d->tls_at = HD_NS_NEVER;
		return tls_threads_step(d->tls);
	}
	if (tls_pushed(d->worker->tls) && d->tls_at == HD_NS_NEVER)
		d->tls_at = now + sim_mix(d->world->seed ^ now) % (2 * HD_NS_PER_MS);
	return 0;
}

/* In some runs the worker is told to drain in the middle. */
static void drain(struct sim_dut *d, hd_ns now)
{
	struct hd_ctrl_msg *msg;

	if (now < d->drain_at)
		return;
	d->drain_at = HD_NS_NEVER;
	d->world->drained = 1;
	msg = hd_ring_slot(d->mailbox);
	*msg = (struct hd_ctrl_msg){ .type = HD_CTRL_DRAIN };
	hd_ring_push(d->mailbox);
	sim_note(d->world, "drain");
}

int sim_dut_turn(struct sim_dut *d, hd_ns now)
{
	int did;

	reload(d, now);
	drain(d, now);
	did = worker_turn(d->worker, now);
	if (d->tls != NULL)
		did |= make_handshakes(d, now);
	read_access_log(d);
	return did;
}

hd_ns sim_dut_next(const struct sim_dut *d)
{
	hd_ns next = worker_next_deadline(d->worker);

	return next < d->tls_at ? next : d->tls_at;
}

static void check_endpoints(struct sim_dut *d)
{
	for (uint32_t i = 0; i < d->snapshot->n_endpoints; i++) {
		uint32_t slot = d->snapshot->endpoints[i].slot;
		const struct hd_endpoint_stats *s =
			(const void *)((const char *)d->slots.endpoints[0] +
				       slot * proxy_endpoint_state_bytes());
		if (s->active != 0 || s->connections != 0)
			sim_fail(d->world, "endpoint %u counts %u requests and %u connections", i,
				 s->active, s->connections);
	}
}

static void check_clusters(struct sim_dut *d)
{
	for (uint32_t i = 0; i < d->snapshot->n_clusters; i++) {
		uint32_t slot = d->snapshot->clusters[i].slot;
		const struct hd_cluster_stats *s =
			(const void *)((const char *)d->slots.clusters[0] +
				       slot * proxy_cluster_state_bytes());
		if (s->requests_active != 0 || s->connections != 0 || s->pending != 0)
			sim_fail(d->world,
				 "cluster %u counts %u requests, %u connections, %u pending", i,
				 s->requests_active, s->connections, s->pending);
	}
}

void sim_dut_check_idle(struct sim_dut *d)
{
	uint32_t left = tcp_n_connections(d->worker->stack.tcp);

	if (left != 0)
		sim_fail(d->world, "%u connections are left at the worker", left);
	if (d->tls != NULL && tls_bytes_used(d->worker->tls) != 0)
		sim_fail(d->world, "TLS of %llu bytes is left at the worker",
			 (unsigned long long)tls_bytes_used(d->worker->tls));
	check_endpoints(d);
	check_clusters(d);
}
