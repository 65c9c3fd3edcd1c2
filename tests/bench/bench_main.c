/* SPDX-License-Identifier: Apache-2.0 */
/* heddle-bench: what a request costs a worker. See --help. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "bench_flood.h"
#include "bench_report.h"
#include "worker_pool.h"

#define IDLE_SETTLE_NS (2 * HD_NS_PER_S)
#define STORM_LEAVE_NS (20 * 1000)

/* Everything that a run has. */
struct bench {
	struct bench_options options;
	struct bench_time time;
	struct rte_mempool *bufs[2], *indirect[2]; /* 0: the worker's, 1: the generator's */
	struct bench_wire *wires[2];		   /* front, back */
	struct mesh_pki pki;
	struct host_tls *tls[2]; /* of callers and backends; NULL: plain */
	struct bench_callers callers;
	struct bench_backends backends;
	struct bench_flood flood;
	struct bench_dut *dut;
	struct bench_quiet quiet;
	uint64_t stages[HD_STAGE_MAX]; /* how often the worker was seen in each */
	uint32_t bufs_before;
	uint64_t bytes_before;
	unsigned int lcore;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	interrupted = 1;
}

static int create_pools(struct bench *b)
{
	static const char *const names[2][2] = { { "worker-bufs", "worker-refs" },
						 { "peers-bufs", "peers-refs" } };
	uint32_t n = 16383;

	while (n < (b->options.connections + b->options.storm) * 4)
		n = n * 2 + 1;
	for (int side = 0; side < 2; side++) {
		b->bufs[side] = worker_pool_create(names[side][0], n, RTE_MBUF_DEFAULT_BUF_SIZE,
						   SOCKET_ID_ANY);
		b->indirect[side] = worker_pool_create(names[side][1], n, 0, SOCKET_ID_ANY);
		if (b->bufs[side] == NULL || b->indirect[side] == NULL)
			return -1;
	}
	return 0;
}

static int create_wires(struct bench *b)
{
	for (int i = 0; i < 2; i++) {
		b->wires[i] = bench_wire_create(b->bufs[0], b->bufs[1], b->options.offloads);
		if (b->wires[i] == NULL)
			return -1;
		bench_wire_set_loss(b->wires[i], b->options.loss);
	}
	bench_flood_init(&b->flood, b->options.syn_rate);
	return 0;
}

static int create_tls(struct bench *b, hd_ns now)
{
	struct host_tls_config c = { .role = HD_TLS_CLIENT,
				     .own = &b->pki.caller,
				     .root = &b->pki.root,
				     .bufs = b->bufs[1],
				     .indirect = b->indirect[1],
				     .max_connections =
					     (b->options.connections + b->options.storm) * 2 + 1024,
				     .no_resumption = !b->options.resumed,
				     .threaded = b->options.turns == 0 };

	mesh_pki_make(&b->pki, "EC");
	b->tls[0] = host_tls_create(&c, now);
	c.role = HD_TLS_SERVER;
	c.own = &b->pki.backend;
	b->tls[1] = host_tls_create(&c, now);
	return b->tls[0] != NULL && b->tls[1] != NULL ? 0 : -1;
}

static int create_peers(struct bench *b)
{
	hd_ns now = bench_time_now(&b->time);
	struct bench_site sites[2] = {
		{ .bufs = b->bufs[1], .indirect = b->indirect[1], .tls = b->tls[0] },
		{ .bufs = b->bufs[1], .indirect = b->indirect[1], .tls = b->tls[1] }
	};

	bench_wire_host_end(b->wires[0], &sites[0].device, 0x11);
	bench_wire_host_end(b->wires[1], &sites[1].device, 0x12);
	return bench_callers_init(&b->callers, &b->options, &sites[0], now) == 0 &&
			       bench_backends_init(&b->backends, &b->options, &sites[1], now) == 0
		       ? 0
		       : -1;
}

static int create(struct bench *b)
{
	struct net_device ends[2];

	worker_clock_init(&b->time.real);
	if (b->options.turns != 0)
		b->time.virtual = BENCH_VIRTUAL_START;
	if (create_pools(b) != 0 || create_wires(b) != 0 ||
	    (b->options.tls && create_tls(b, bench_time_now(&b->time)) != 0) ||
	    create_peers(b) != 0) {
		fprintf(stderr, "heddle-bench: no memory: give DPDK more (-m)\n");
		return -1;
	}
	bench_wire_worker_end(b->wires[0], &ends[0], 1);
	bench_wire_worker_end(b->wires[1], &ends[1], 2);
	b->dut = bench_dut_create(&b->options, ends, b->bufs[0], b->indirect[0], &b->time, &b->pki);
	if (b->dut == NULL)
		return -1;
	b->bufs_before = rte_mempool_in_use_count(b->bufs[0]);
	b->bytes_before = bench_dut_bytes_used(b->dut);
	return 0;
}

static void destroy(struct bench *b)
{
	bench_dut_destroy(b->dut);
	bench_callers_fini(&b->callers);
	bench_backends_fini(&b->backends);
	host_tls_destroy(b->tls[0]);
	host_tls_destroy(b->tls[1]);
	if (b->options.tls)
		mesh_pki_free(&b->pki);
	bench_wire_destroy(b->wires[0]);
	bench_wire_destroy(b->wires[1]);
}

/* One turn of the generator. True: something moved. */
static int turn(struct bench *b)
{
	int did = bench_callers_turn(&b->callers, bench_time_now(&b->time));

	did |= bench_backends_turn(&b->backends, bench_time_now(&b->time));
	if (b->options.scenario == BENCH_SYNFLOOD)
		bench_flood_turn(&b->flood, b->wires[0], &b->time);
	if (b->options.one_core)
		bench_dut_turn(b->dut);
	if (b->options.access_log)
		bench_dut_drain_access(b->dut);
	if (b->options.stages)
		b->stages[bench_dut_stage(b->dut)]++;
	if (b->options.turns != 0)
		b->time.virtual += BENCH_TURN_NS;
	return did;
}

/* In a storm the handshake threads have what the generator leaves of its core; it wakes before
 * them, so that what is measured is the worker. */
static void leave_core(void)
{
	const struct timespec little = { .tv_nsec = STORM_LEAVE_NS };

	(void)ppoll(NULL, 0, &little, NULL);
}

static void run_for(struct bench *b, hd_ns ns)
{
	hd_ns now = bench_time_now(&b->time), end = now + ns;

	for (; !interrupted && now < end; now = bench_time_now(&b->time)) {
		if (b->callers.measuring)
			bench_quiet_look(&b->quiet, b->dut, now);
		if (!turn(b) && b->options.scenario == BENCH_STORM)
			leave_core();
	}
}

/* Idle: until every caller has had its answer, then a moment for the last acknowledgements. */
static void run_idle(struct bench *b)
{
	hd_ns end = bench_time_now(&b->time) + b->options.seconds * HD_NS_PER_S;

	while (!interrupted && b->callers.requests < b->options.connections &&
	       bench_time_now(&b->time) < end)
		turn(b);
	run_for(b, IDLE_SETTLE_NS);
}

/* A virtual clock's run: so many turns, no matter how long they take. */
static void run_turns(struct bench *b)
{
	for (uint32_t i = 0; i < b->options.turns && !interrupted; i++)
		turn(b);
}

static void run_seconds(struct bench *b)
{
	struct bench_sample before, after;

	bench_dut_sample(b->dut, &before);
	for (uint32_t s = 1; s <= b->options.seconds && !interrupted; s++) {
		uint64_t requests = b->callers.requests;

		run_for(b, HD_NS_PER_S);
		bench_dut_sample(b->dut, &after);
		bench_report_second(s, &before, &after, b->callers.requests - requests,
				    b->options.one_core);
		before = after;
	}
}

/* Half of the time calm, then the same beside the storm. */
static void run_storm(struct bench *b, struct bench_result *r)
{
	struct bench_sample before, after;
	hd_ns half = b->options.seconds * HD_NS_PER_S / 2;

	run_for(b, half);
	r->calm_ns = b->callers.latency_ns;
	b->callers.latency_ns = (struct hist){ 0 };
	b->callers.is_storming = 1;
	run_for(b, HD_NS_PER_S / 4); /* it begins with every connection at once */
	b->callers.latency_ns = (struct hist){ 0 };
	bench_dut_sample(b->dut, &before);
	run_for(b, half);
	bench_dut_sample(b->dut, &after);
	r->storm_rate = (double)(after.handshakes - before.handshakes) * (double)HD_NS_PER_S /
			(double)(after.at - before.at);
	b->callers.is_storming = 0;
}

/* What idle connections take: of the pools and the table, and the buffers that they pin. Each
 * caller has one connection at the worker, those to backends are few. */
static void measure_memory(const struct bench *b, struct bench_result *r)
{
	uint32_t in_use = rte_mempool_in_use_count(b->bufs[0]);
	double pinned = in_use > b->bufs_before ? in_use - b->bufs_before : 0,
	       n = (double)b->options.connections;

	r->table_bytes = (double)(bench_dut_bytes_used(b->dut) - b->bytes_before) / n;
	r->buffer_bytes = pinned * (double)b->bufs[0]->elt_size / n;
}

static int run(struct bench *b)
{
	struct bench_result r = { .options = &b->options, .tsc_hz = rte_get_tsc_hz() };
	uint64_t requests, errors, body_bytes, syns;
	int idle = b->options.scenario == BENCH_IDLE;

	if (bench_dut_start(b->dut, b->lcore) != 0)
		return 1;
	if (b->options.scenario == BENCH_STORM)
		(void)setpriority(PRIO_PROCESS, 0, -20); /* of this thread alone */
	if (!idle && b->options.turns == 0)
		run_for(b, b->options.warm_up * HD_NS_PER_S);
	requests = b->callers.requests;
	errors = b->callers.errors;
	body_bytes = b->callers.body_bytes;
	syns = b->flood.sent;
	b->callers.measuring = 1;
	memset(b->stages, 0, sizeof(b->stages));
	bench_dut_sample(b->dut, &r.first);
	if (b->options.scenario == BENCH_STORM && b->options.turns == 0)
		run_storm(b, &r);
	else
		(idle ? run_idle : b->options.turns != 0 ? run_turns : run_seconds)(b);
	bench_dut_sample(b->dut, &r.last);
	if (idle)
		measure_memory(b, &r);
	bench_dut_stop(b->dut, b->lcore);
	r.requests = b->callers.requests - requests;
	r.errors = b->callers.errors - errors + b->backends.errors;
	r.body_bytes = b->callers.body_bytes - body_bytes;
	r.quiet = b->quiet;
	r.stages = b->stages;
	r.syns = b->flood.sent - syns;
	r.latency_ns = &b->callers.latency_ns;
	r.line_ns = bench_dut_line_ns(b->dut);
	r.clock_ratio = bench_dut_clock_ratio(b->dut);
	bench_report_text(&r);
	if (b->options.json)
		bench_report_json(&r);
	return r.requests == 0 || r.errors != 0;
}

static int wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return 1;
	}
	return argc == 1;
}

int main(int argc, char **argv)
{
	static struct bench b;
	int used, rc;

	if (wants_help(argc, argv)) {
		bench_options_help();
		return 0;
	}
	used = rte_eal_init(argc, argv);
	if (used < 0)
		return 2;
	if (bench_options_parse(&b.options, argc - used, argv + used) != 0)
		return 1;
	b.lcore = rte_get_next_lcore(-1, 1, 0);
	if (b.lcore >= RTE_MAX_LCORE && !b.options.one_core) {
		fprintf(stderr,
			"heddle-bench: one core generates, another is the worker: give two (-l 0,1)\n");
		return 2;
	}
	signal(SIGINT, on_signal);
	rc = create(&b);
	rc = rc != 0 ? 2 : run(&b);
	destroy(&b);
	rte_eal_cleanup();
	return rc;
}
