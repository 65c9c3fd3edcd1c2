/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_dut.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_launch.h>

#include "tls_threads.h"

#define CHUNKS (2 * BENCH_SERVICES_MOST / PROXY_CHUNK_SLOTS + 1)
#define ACCESS_RECORDS 4096
#define OUTCOMES 4096

struct bench_dut {
	struct worker *worker;
	struct tls_threads *tls; /* NULL: no TLS */
	struct bench_mesh *mesh;
	struct hd_node node;
	const struct hd_snapshot *_Atomic published;
	struct proxy_slots slots;
	uint8_t *health, *watched;
	struct hd_ring *access, *outcomes;
	const struct bench_time *time;
	double ratio, line_ns;
	struct bench_line line;
	clockid_t thread_clock;
	_Atomic int running, stop;
	int one_core, is_virtual;
};

static int make_tls(struct bench_dut *d, const struct mesh_pki *pki)
{
	const struct tls_threads_config c = { .n_workers = 1 };

	d->tls = tls_threads_create(&c);
	if (d->tls == NULL)
		return -1;
	mesh_pki_install(pki, d->tls, policy_snapshot_tls(d->published));
	return 0;
}

static int make_worker(struct bench_dut *d, const struct bench_options *o,
		       const struct net_device devices[2], struct rte_mempool *bufs,
		       struct rte_mempool *indirect)
{
	struct worker_config c = {
		.node = &d->node,
		.devices = devices,
		.bufs = bufs,
		.indirect = indirect,
		.snapshot = &d->published,
		.slots = &d->slots,
		.health = d->health,
		.watched = d->watched,
		.outcomes = d->outcomes,
		.access = o->access_log ? d->access : NULL,
		.tls_threads = d->tls,
		.max_connections = (o->connections + o->storm) * 2 + 4096 + o->services * 8,
		.flow_secret = { 0x0123456789abcdef, 0xfedcba9876543210 },
		.secret = { 0x1122334455667788, 0x8877665544332211 },
		.wall_offset = bench_time_wall_offset(d->time),
		.socket = SOCKET_ID_ANY,
	};

	if (o->scenario == BENCH_CONNECT || o->scenario >= BENCH_HANDSHAKE)
		c.max_connections += 1u << 17; /* TIME-WAIT */
	d->worker = worker_create(&c, bench_time_now(d->time));
	return d->worker != NULL;
}

/* For the most services, with two endpoints each. */
static int make_slots(struct bench_dut *d)
{
	for (uint32_t i = 0; i < CHUNKS; i++) {
		d->slots.clusters[i] = calloc(PROXY_CHUNK_SLOTS, proxy_cluster_state_bytes());
		d->slots.endpoints[i] = calloc(PROXY_CHUNK_SLOTS, proxy_endpoint_state_bytes());
		if (d->slots.clusters[i] == NULL || d->slots.endpoints[i] == NULL)
			return 0;
	}
	return 1;
}

struct bench_dut *bench_dut_create(const struct bench_options *o,
				   const struct net_device devices[2], struct rte_mempool *bufs,
				   struct rte_mempool *indirect, const struct bench_time *time,
				   const struct mesh_pki *pki)
{
	struct bench_dut *d = aligned_alloc(_Alignof(struct bench_dut), sizeof(*d));

	if (d == NULL)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->time = time;
	d->one_core = o->one_core;
	d->is_virtual = o->turns != 0;
	d->mesh = bench_mesh_create(&d->node, o, pki);
	d->health = calloc(CHUNKS * PROXY_CHUNK_SLOTS, 1);
	d->watched = calloc(CHUNKS * PROXY_CHUNK_SLOTS, 1);
	d->outcomes = hd_ring_create(OUTCOMES, sizeof(struct hd_outcome));
	d->access = hd_ring_create(ACCESS_RECORDS, sizeof(struct hd_access_record));
	if (d->mesh != NULL && make_slots(d) && d->health != NULL && d->access != NULL &&
	    d->watched != NULL && d->outcomes != NULL) {
		d->published = bench_mesh_snapshot(d->mesh);
		if ((!o->tls || make_tls(d, pki) == 0) &&
		    make_worker(d, o, devices, bufs, indirect))
			return d;
	}
	fprintf(stderr, "heddle-bench: no memory for the worker: give DPDK more (-m)\n");
	bench_dut_destroy(d);
	return NULL;
}

void bench_dut_destroy(struct bench_dut *d)
{
	if (d == NULL)
		return;
	if (d->tls != NULL)
		tls_threads_stop(d->tls);
	worker_destroy(d->worker);
	tls_threads_destroy(d->tls);
	bench_mesh_destroy(d->mesh);
	for (uint32_t i = 0; i < CHUNKS; i++) {
		free(d->slots.clusters[i]);
		free(d->slots.endpoints[i]);
	}
	free(d->health);
	free(d->watched);
	free(d->outcomes);
	free(d->access);
	free(d);
}

static void begin(struct bench_dut *d)
{
	d->ratio = bench_clock_ratio();
	pthread_getcpuclockid(pthread_self(), &d->thread_clock);
	atomic_store(&d->running, 1);
}

static void finish(struct bench_dut *d)
{
	double after = bench_clock_ratio();

	if (after > d->ratio)
		d->ratio = after;
	worker_stop(d->worker, bench_time_now(d->time));
}

void bench_dut_turn(struct bench_dut *d)
{
	worker_turn(d->worker, bench_time_now(d->time));
	if (d->tls == NULL || !tls_pushed(d->worker->tls))
		return;
	if (d->is_virtual)
		(void)tls_threads_step(d->tls);
	else
		tls_threads_wake(d->tls);
}

static int lcore_main(void *arg)
{
	struct bench_dut *d = arg;

	bench_line_answer(&d->line);
	begin(d);
	while (!atomic_load_explicit(&d->stop, memory_order_relaxed))
		bench_dut_turn(d);
	finish(d);
	return 0;
}

int bench_dut_start(struct bench_dut *d, unsigned int lcore)
{
	if (d->tls != NULL && !d->is_virtual && tls_threads_start(d->tls) != 0)
		return -1;
	if (d->one_core) {
		begin(d);
		return 0;
	}
	if (rte_eal_remote_launch(lcore_main, d, lcore) != 0)
		return -1;
	d->line_ns = bench_line_ask(&d->line);
	while (!atomic_load(&d->running))
		rte_pause();
	return 0;
}

void bench_dut_stop(struct bench_dut *d, unsigned int lcore)
{
	if (d->one_core) {
		finish(d);
		return;
	}
	atomic_store(&d->stop, 1);
	rte_eal_wait_lcore(lcore);
}

void bench_dut_sample(struct bench_dut *d, struct bench_sample *out)
{
	const volatile struct hd_worker_stats *s = &d->worker->stats;

	*out = (struct bench_sample){
		.at = bench_time_now(d->time),
		.ran = worker_clock_of(d->thread_clock),
		.busy = s->busy_cycles,
		.total = s->total_cycles,
		.requests = s->counters[HD_PROXY_REQUESTS],
		.rx = s->ports[0].rx_packets + s->ports[1].rx_packets,
		.tx = s->ports[0].tx_packets + s->ports[1].tx_packets,
		.turns = s->turns,
		.handshakes = s->counters[HD_TLS_ACCEPTED] + s->counters[HD_TLS_ACCEPTED_RESUMED],
		.resumed = s->counters[HD_TLS_ACCEPTED_RESUMED],
		.handshake_cpu = d->tls != NULL ? tls_threads_ran(d->tls) : 0,
	};
}

uint64_t bench_dut_drain_access(struct bench_dut *d)
{
	uint64_t n = 0;

	for (; hd_ring_peek(d->access) != NULL; n++)
		hd_ring_pop(d->access);
	return n;
}

const struct hd_worker_stats *bench_dut_stats(const struct bench_dut *d)
{
	return &d->worker->stats;
}

double bench_dut_clock_ratio(const struct bench_dut *d)
{
	return d->ratio;
}

double bench_dut_line_ns(const struct bench_dut *d)
{
	return d->line_ns;
}

uint64_t bench_dut_bytes_used(const struct bench_dut *d)
{
	return tcp_bytes_used(d->worker->stack.tcp) + proxy_bytes_used(d->worker->proxy) +
	       (d->tls != NULL ? tls_bytes_used(d->worker->tls) : 0);
}

uint32_t bench_dut_stage(const struct bench_dut *d)
{
	return __atomic_load_n(&d->worker->stats.stage, __ATOMIC_RELAXED);
}
