/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "worker_leave.h"
#include "worker_mailbox.h"

static int64_t on_listener(void *ctx, const struct pkt_facts *f)
{
	struct worker *w = ctx;

	return proxy_listener(w->proxy, f);
}

static int on_steers_here(void *ctx, const struct flow_key *key)
{
	const struct worker *w = ctx;
	struct flow_path path = { 0 };

	/* Without a route the connection fails soon enough. */
	return net_route(w->stack.net, key, &path) != 0 ||
	       w->flow_owner(w->flow_ctx, path.port, key) == w->index;
}

static int create_stack(struct worker *w, const struct worker_config *c, hd_ns now)
{
	struct tcp_config tc;
	struct worker_stack_config sc = {
		.node = c->node,
		.devices = c->devices,
		.bufs = c->bufs,
		.indirect = c->indirect,
		.stats = &w->stats,
		.flow_secret = { c->flow_secret[0], c->flow_secret[1] },
		.tcp = &tc,
		.listener = on_listener,
		.steers_here = c->flow_owner != NULL ? on_steers_here : NULL,
		.ctx = w,
		.socket = c->socket,
	};

	tcp_config_defaults(&tc);
	if (c->tcp != NULL)
		tc = *c->tcp;
	tc.max_connections = c->max_connections;
	tc.supply = &c->supply;
	tc.secret[0] = c->secret[0];
	tc.secret[1] = c->secret[1];
	return worker_stack_init(&w->stack, &sc, now) == 0;
}

static int create_tls(struct worker *w, const struct worker_config *c, hd_ns now)
{
	struct tls_config tc = {
		.max_connections = c->max_connections,
		.threads = c->tls_threads,
		.stats = &w->stats,
		.bufs = c->bufs,
		.indirect = c->indirect,
		.worker = c->index,
		.secret = c->secret[0],
		.socket = c->socket,
	};

	if (c->tls_threads == NULL)
		return 1;
	w->tls = tls_create(&tc, now);
	return w->tls != NULL;
}

static int create_proxy(struct worker *w, const struct worker_config *c, hd_ns now)
{
	struct proxy_config pc = {
		.tcp = w->stack.tcp,
		.net = w->stack.net,
		.tls = w->tls,
		.stats = &w->stats,
		.slots = c->slots,
		.quotas = c->quotas,
		.health = c->health,
		.watched = c->watched,
		.group_weights = c->group_weights,
		.outcomes = c->outcomes,
		.access = c->access,
		.jwt = c->jwt,
		.bufs = c->bufs,
		.indirect = c->indirect,
		.supply = &c->supply,
		.max_connections = c->max_connections,
		.worker = c->index,
		.wall_offset = c->wall_offset,
		.seed = { c->secret[1], c->secret[0] },
		.socket = c->socket,
	};

	w->proxy = proxy_create(&pc, now);
	return w->proxy != NULL;
}

struct worker *worker_create(const struct worker_config *c, hd_ns now)
{
	struct worker *w = rte_zmalloc_socket("worker", sizeof(*w), HD_CACHE_LINE, c->socket);

	if (w == NULL)
		return NULL;
	w->published = c->snapshot;
	w->mailbox = c->mailbox;
	w->n_ports = c->node->n_ports;
	w->index = c->index;
	w->leave_due = HD_NS_NEVER;
	w->flow_owner = c->flow_owner;
	w->flow_ctx = c->flow_ctx;
	w->last_tsc = rte_rdtsc();
	if (create_stack(w, c, now) && create_tls(w, c, now) && create_proxy(w, c, now))
		return w;
	worker_destroy(w);
	return NULL;
}

void worker_destroy(struct worker *w)
{
	if (w == NULL)
		return;
	if (w->proxy != NULL)
		proxy_destroy(w->proxy);
	if (w->tls != NULL)
		tls_destroy(w->tls);
	worker_stack_fini(&w->stack);
	rte_free(w);
}

static int load_snapshot(struct worker *w, hd_ns now)
{
	const struct hd_snapshot *s = atomic_load_explicit(w->published, memory_order_acquire);

	if (s == w->snapshot)
		return 0;
	w->snapshot = s;
	proxy_set_snapshot(w->proxy, s);
	net_set_vips(w->stack.net, s->n_vips > 0 ? &s->vips[0].ip : NULL, s->n_vips);
	worker_leave_begin(w, now);
	net_set_elsewhere(w->stack.net, s->n_elsewhere > 0 ? &s->elsewhere[0].ip : NULL,
			  s->n_elsewhere);
	return 1;
}

/* One port's share of a turn; segments: how many tcp got. Returns how many frames there were. */
static int receive_port(struct worker *w, uint32_t port, hd_ns now, uint32_t *segments)
{
	struct rte_mbuf *pkts[WORKER_BURST];
	int received, all = 0;

	for (int i = 0; i < WORKER_FLOOD_BURSTS; i++) {
		uint16_t n = net_rx(w->stack.net, port, pkts, WORKER_BURST, now, &received);

		all += received;
		if (n > 0) {
			hd_stage(&w->stats, HD_STAGE_TCP);
			tcp_input_burst(w->stack.tcp, pkts, n, now);
			hd_stage(&w->stats, HD_STAGE_RECEIVE);
		}
		*segments += n;
		if (hd_likely(!w->is_shedding) || received < WORKER_BURST || n > WORKER_BURST / 2)
			break;
	}
	return all;
}

/* SYNs of a flood must not take the time of connections: when a port's burst came full of them and
 * of other segments, only few pass in the next turn, and what is thrown away makes room for more
 * bursts. A worker that has time answers all of them. */
static int receive(struct worker *w, hd_ns now)
{
	uint32_t allowed = w->is_shedding ? WORKER_FLOOD_SYNS : UINT32_MAX, segments = 0;
	int any = 0, is_full = 0;

	net_allow_syns(w->stack.net, allowed);
	for (uint32_t port = 0; port < w->n_ports; port++) {
		int received = receive_port(w, port, now, &segments);

		any |= received;
		is_full |= received >= WORKER_BURST;
	}
	w->is_shedding = is_full && tcp_is_flooded(w->stack.tcp, now) &&
			 segments > allowed - net_syns_left(w->stack.net);
	return any != 0;
}

static int run_timers(struct worker *w, hd_ns now)
{
	int any = 0;

	if (tcp_next_deadline(w->stack.tcp) <= now) {
		tcp_timers_run(w->stack.tcp, now);
		any = 1;
	}
	if (net_next_deadline(w->stack.net) <= now) {
		net_timers_run(w->stack.net, now);
		any = 1;
	}
	if (proxy_next_deadline(w->proxy) <= now)
		any |= proxy_timers_run(w->proxy, now);
	return any | worker_leave_run(w, now);
}

/* Everything is sent and nothing of an older snapshot is held: the quiescent state that ctrl waits
 * for. */
static void end_turn(struct worker *w, int busy, uint64_t start_tsc)
{
	struct hd_worker_stats *s = &w->stats;
	uint64_t tsc = rte_rdtsc();

	if (busy)
		s->busy_cycles += tsc - start_tsc;
	s->total_cycles += tsc - w->last_tsc;
	w->last_tsc = tsc;
	s->turns++;
	s->connections = tcp_n_connections(w->stack.tcp);
	s->exchanges = proxy_n_exchanges(w->proxy);
	s->queued_bytes = tcp_bytes_queued(w->stack.tcp);
	if (w->snapshot != NULL)
		__atomic_store_n(&s->generation, proxy_oldest_generation(w->proxy),
				 __ATOMIC_RELEASE);
}

int worker_turn(struct worker *w, hd_ns now)
{
	struct hd_worker_stats *s = &w->stats;
	uint64_t start_tsc = rte_rdtsc();
	int busy;

	w->stack.now = now;
	hd_stage(s, HD_STAGE_POLICY);
	busy = load_snapshot(w, now);
	hd_stage(s, HD_STAGE_MAILBOX);
	busy |= worker_mailbox_read(w, now);
	hd_stage(s, HD_STAGE_RECEIVE);
	busy |= receive(w, now);
	hd_stage(s, HD_STAGE_TIMERS);
	busy |= run_timers(w, now);
	hd_stage(s, HD_STAGE_PROXY);
	busy |= proxy_run(w->proxy, now);
	hd_stage(s, HD_STAGE_SEGMENTS);
	busy |= tcp_flush(w->stack.tcp, now);
	hd_stage(s, HD_STAGE_TRANSMIT);
	busy |= net_tx_flush(w->stack.net);
	hd_stage(s, HD_STAGE_BETWEEN);
	end_turn(w, busy, start_tsc);
	return busy;
}

hd_ns worker_next_deadline(const struct worker *w)
{
	hd_ns stack = worker_stack_next_deadline(&w->stack), proxy = proxy_next_deadline(w->proxy);
	hd_ns next = RTE_MIN(stack, proxy);

	return RTE_MIN(next, w->leave_due);
}

void worker_stop(struct worker *w, hd_ns now)
{
	struct tcp_conn *c;
	uint32_t cursor = 0;

	worker_dump_finish(w);
	while ((c = tcp_conn_walk(w->stack.tcp, &cursor)) != NULL)
		tcp_abort(c);
	tcp_flush(w->stack.tcp, now);
	net_tx_flush(w->stack.net);
}
