/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_world.h"

#include <stdarg.h>
#include <stdlib.h>

#include "sim_backend.h"
#include "sim_caller.h"
#include "sim_dut.h"
#include "sim_judge.h"

#define START (1000 * HD_NS_PER_S)
#define PATIENCE (900 * HD_NS_PER_S) /* within which everything must be answered */
#define STARVING (10 * HD_NS_PER_S)
#define QUIET (2 * 3600 * HD_NS_PER_S) /* after which nothing may be left */
#define MAX_TURNS_AT_ONCE 2000
#define PATIENT_TURNS 8
#define MAX_STEPS 20000000
#define POOL_BUFS 8191

enum { CALLERS, DUT, BACKENDS, N_POOLS = BACKENDS + SIM_BACKENDS };

static struct {
	struct rte_mempool *bufs, *indirect;
} pools[N_POOLS];

struct run {
	struct sim_world *world;
	struct sim_wire *front, *back;
	struct sim_caller *caller;
	struct sim_dut *dut;
	struct sim_backend *backends[SIM_BACKENDS];
	uint32_t n_backends;
	uint64_t turns;
	uint32_t n_held, n_held_indirect; /* buffers that the worker does not get */
	struct rte_mbuf *held[POOL_BUFS], *held_indirect[POOL_BUFS];
};

void sim_fail(struct sim_world *w, const char *format, ...)
{
	va_list args;

	if (w->failure[0] != '\0')
		return;
	int n = snprintf(w->failure, sizeof(w->failure),
			 "at %.6f s: ", (double)(w->now - START) / 1e9);
	va_start(args, format);
	vsnprintf(w->failure + n, sizeof(w->failure) - (size_t)n, format, args);
	va_end(args);
	if (w->trace)
		printf("%12.6f FAILED %s\n", (double)w->now / 1e9, w->failure);
}

void sim_note(const struct sim_world *w, const char *format, ...)
{
	va_list args;

	if (!w->trace)
		return;
	printf("%12.6f ", (double)w->now / 1e9);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

void sim_world_init(void)
{
	for (uint32_t i = 0; i < N_POOLS; i++) {
		char name[32];
		snprintf(name, sizeof(name), "sim-bufs-%u", i);
		pools[i].bufs = rte_pktmbuf_pool_create(name, POOL_BUFS, 0, PKT_PRIV_SIZE,
							RTE_MBUF_DEFAULT_BUF_SIZE, -1);
		snprintf(name, sizeof(name), "sim-indirect-%u", i);
		pools[i].indirect =
			rte_pktmbuf_pool_create(name, POOL_BUFS, 0, PKT_PRIV_SIZE, 0, -1);
		if (pools[i].bufs == NULL || pools[i].indirect == NULL) {
			fprintf(stderr, "no memory for packet pools\n");
			exit(1);
		}
	}
}

static void create_proxied(struct run *r, const struct net_device *front)
{
	static const char *const addresses[SIM_BACKENDS] = { "10.2.0.2", "10.2.0.3" };
	struct net_device devices[2] = { *front }, back;

	r->back = sim_wire_create("back", &r->world->profile->back, r->world->seed);
	sim_wire_attach(r->back, pools[DUT].bufs, &devices[1]);
	for (r->n_backends = 0; r->n_backends < SIM_BACKENDS; r->n_backends++) {
		uint32_t i = r->n_backends, pool = BACKENDS + i;
		sim_wire_attach(r->back, pools[pool].bufs, &back);
		r->backends[i] = sim_backend_create(r->world, addresses[i], &back, pools[pool].bufs,
						    pools[pool].indirect);
	}
	r->dut = sim_dut_create(r->world, devices, pools[DUT].bufs, pools[DUT].indirect);
}

static void create_direct(struct run *r, const struct net_device *device)
{
	r->backends[0] = sim_backend_create(r->world, "10.1.0.1", device, pools[BACKENDS].bufs,
					    pools[BACKENDS].indirect);
	r->n_backends = 1;
}

static void create(struct run *r)
{
	struct sim_world *w = r->world;
	struct net_device device, other;
	int is_ipv6 = sim_dut_is_there() && w->seed % 4 == 0;
	struct hd_addr remote = { .port = sim_dut_is_there() ? SIM_PORT : SIM_BACKEND_PORT };

	r->front = sim_wire_create("front", &w->profile->front, w->seed);
	sim_wire_attach(r->front, pools[CALLERS].bufs, &device);
	sim_wire_attach(r->front, pools[sim_dut_is_there() ? DUT : BACKENDS].bufs, &other);
	sim_wire_trace(r->front, w->trace);
	if (sim_dut_is_there())
		create_proxied(r, &other);
	else
		create_direct(r, &other);
	if (r->back != NULL)
		sim_wire_trace(r->back, w->trace);
	if (hd_ip_parse(is_ipv6 ? "fd00:1::1" : "10.1.0.1", &remote.ip) != 0)
		abort();
	r->caller = sim_caller_create(w, &device, pools[CALLERS].bufs, pools[CALLERS].indirect,
				      &remote);
}

static void destroy(struct run *r)
{
	sim_caller_destroy(r->caller);
	for (uint32_t i = 0; i < r->n_backends; i++)
		sim_backend_destroy(r->backends[i]);
	if (r->dut != NULL)
		sim_dut_destroy(r->dut);
	sim_wire_destroy(r->front);
	if (r->back != NULL)
		sim_wire_destroy(r->back);
}

static hd_ns min_ns(hd_ns a, hd_ns b)
{
	return a < b ? a : b;
}

static hd_ns next_time(const struct run *r)
{
	hd_ns t = min_ns(sim_wire_next(r->front), sim_caller_next(r->caller));

	for (uint32_t i = 0; i < r->n_backends; i++)
		t = min_ns(t, sim_backend_next(r->backends[i]));
	if (r->dut != NULL)
		t = min_ns(t, min_ns(sim_dut_next(r->dut), sim_wire_next(r->back)));
	return t;
}

static int turn_all(struct run *r, hd_ns now)
{
	int did = sim_caller_turn(r->caller, now);

	if (r->dut != NULL)
		did |= sim_dut_turn(r->dut, now);
	for (uint32_t i = 0; i < r->n_backends; i++)
		did |= sim_backend_turn(r->backends[i], now);
	r->turns++;
	return did;
}

static void blame(struct run *r, hd_ns now)
{
	const char *who = "nobody's timer";

	if (sim_caller_next(r->caller) <= now)
		who = "a timer of the callers";
	for (uint32_t i = 0; i < r->n_backends; i++) {
		if (sim_backend_next(r->backends[i]) <= now)
			who = "a timer of a backend";
	}
	if (r->dut != NULL && sim_dut_next(r->dut) <= now)
		who = "a timer of the worker";
	sim_fail(r->world, "endless work without time passing; %s is in the past", who);
}

/* Everything that happens at one time. Endless work without time passing is a failure. */
static void step(struct run *r, hd_ns now)
{
	uint32_t n = 0;

	r->world->now = now;
	sim_wire_set_time(r->front, now);
	if (r->back != NULL)
		sim_wire_set_time(r->back, now);
	while (turn_all(r, now) || next_time(r) <= now) {
		n++;
		if (n == PATIENT_TURNS && r->n_held > 0)
			return; /* it asks for buffers again and again, as it should: let time pass
				 */
		if (n == MAX_TURNS_AT_ONCE) {
			blame(r, now);
			return;
		}
	}
}

static void run_until(struct run *r, hd_ns end, int (*is_done)(const struct sim_caller *c))
{
	struct sim_world *w = r->world;

	for (uint64_t steps = 0; w->failure[0] == '\0'; steps++) {
		hd_ns t = next_time(r);
		if (t > end || (is_done != NULL && is_done(r->caller)))
			return;
		if (steps == MAX_STEPS)
			sim_fail(w, "too many steps");
		step(r, t > w->now ? t : w->now + (r->n_held > 0 ? HD_NS_PER_MS : 0));
	}
}

static uint32_t take(struct rte_mempool *pool, struct rte_mbuf **held, uint32_t leave)
{
	uint32_t n = POOL_BUFS > leave ? POOL_BUFS - leave : 0;

	return rte_mempool_get_bulk(pool, (void **)held, n) == 0 ? n : 0;
}

/* Little memory for the worker: everything may fail then, but nothing may be lost, mixed up or
 * left. */
static void starve(struct run *r)
{
	struct sim_random random = sim_random_of(r->world->seed, 77);
	uint32_t least = r->world->profile->starved;

	r->n_held = take(pools[DUT].bufs, r->held, least + sim_below(&random, least));
	r->n_held_indirect = take(pools[DUT].indirect, r->held_indirect, sim_below(&random, least));
}

static void feed(struct run *r)
{
	rte_mempool_put_bulk(pools[DUT].bufs, (void **)r->held, r->n_held);
	rte_mempool_put_bulk(pools[DUT].indirect, (void **)r->held_indirect, r->n_held_indirect);
	r->n_held = r->n_held_indirect = 0;
}

static void check_pool(struct sim_world *w, const struct rte_mempool *pool)
{
	unsigned int used = rte_mempool_in_use_count(pool);

	if (used != 0)
		sim_fail(w, "%u buffers of %s are still in use", used, pool->name);
}

static void check_quiet(struct run *r)
{
	struct sim_world *w = r->world;
	uint32_t left = tcp_n_connections(host_tcp(sim_caller_host(r->caller)));

	if (r->dut != NULL)
		sim_dut_check_idle(r->dut);
	if (left != 0)
		sim_fail(w, "%u connections are left at the callers", left);
	for (uint32_t i = 0; i < r->n_backends; i++) {
		left = tcp_n_connections(host_tcp(sim_backend_host(r->backends[i])));
		if (left != 0)
			sim_fail(w, "%u connections are left at backend %u", left, i);
	}
	for (uint32_t i = 0; i < N_POOLS; i++) {
		check_pool(w, pools[i].bufs);
		check_pool(w, pools[i].indirect);
	}
}

static void run(struct run *r)
{
	struct sim_world *w = r->world;

	if (w->profile->starved > 0) {
		starve(r);
		run_until(r, START + STARVING, sim_caller_is_done);
		feed(r);
	}
	run_until(r, START + PATIENCE, sim_caller_is_done);
	if (!sim_caller_is_done(r->caller))
		sim_fail(w, "requests wait for ever");
	sim_wire_calm(r->front);
	if (r->back != NULL)
		sim_wire_calm(r->back);
	run_until(r, w->now + QUIET, NULL);
	sim_judge(w);
	check_quiet(r);
}

int sim_world_run(uint64_t seed, const struct sim_profile *p, int trace, struct sim_result *result,
		  char *failure, size_t failure_bytes)
{
	struct sim_world *w = calloc(1, sizeof(*w));
	struct run *r = calloc(1, sizeof(*r));

	if (w == NULL || r == NULL)
		abort();
	*w = (struct sim_world){ .seed = seed, .profile_of_run = *p, .now = START, .trace = trace };
	w->profile = &w->profile_of_run;
	if (!sim_dut_is_there()) /* nobody shields the callers from what backends do */
		w->profile_of_run.faults = 0;
	r->world = w;
	create(r);
	run(r);
	*result = (struct sim_result){ .turns = r->turns };
	result->hash =
		sim_wire_hash(r->front) ^ (r->back != NULL ? sim_mix(sim_wire_hash(r->back)) : 0);
	result->frames =
		sim_wire_frames(r->front) + (r->back != NULL ? sim_wire_frames(r->back) : 0);
	for (uint32_t i = 0; i < w->n_requests; i++) {
		result->outcomes[w->requests[i].outcome]++;
		result->duplicates += w->requests[i].heads > 1;
	}
	snprintf(failure, failure_bytes, "%s", w->failure);
	destroy(r);
	free(r);
	for (uint32_t i = 0; i < N_POOLS && failure[0] == '\0'; i++) {
		if (rte_mempool_in_use_count(pools[i].bufs) +
			    rte_mempool_in_use_count(pools[i].indirect) !=
		    0)
			snprintf(failure, failure_bytes,
				 "buffers are lost after everything was destroyed");
	}
	free(w);
	return failure[0] == '\0';
}
