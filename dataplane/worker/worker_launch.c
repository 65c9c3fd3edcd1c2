/* SPDX-License-Identifier: Apache-2.0 */
/* heddle/dp.h: the workers of this process as ctrl sees them. All but the lcore loop runs on the
 * control thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include <heddle/dp.h>

#include "net_port.h"
#include "proxy_quota.h"
#include "tls_threads.h"
#include "worker.h"
#include "worker_clock.h"
#include "worker_eal.h"
#include "worker_idle.h"
#include "worker_pool.h"
#include "worker_telemetry.h"
#include "worker_spread.h"
#include "worker_steer.h"

#define DEFAULT_CONNECTIONS 131072
#define LEAST_CONNECTIONS 8192
#define DEFAULT_MBUFS 65535
#define LEAST_MBUFS 8191
#define ACCESS_RECORDS 4096
#define OUTCOMES 8192
#define MAILBOX_MESSAGES 64
#define NOTIFY_EVERY HD_NS_PER_MS
#define WALL_EVERY HD_NS_PER_S

/* A worker with what stands around it. */
struct lane {
	struct hd_dp *dp;
	struct worker *worker;
	struct rte_mempool *bufs, *indirect;
	struct hd_ring *mailbox, *access, *outcomes;
	struct proxy_slots slots;
	struct worker_idle idle;
	struct net_device devices[HD_MAX_PORTS];
	uint32_t index, lcore;
	int launched;
	/* Of the lcore loop alone. */
	uint32_t announced;	     /* head of the access ring when ctrl was last told */
	struct hd_jwt_lane jwt;
	uint32_t jwt_announced;
	uint32_t outcomes_announced; /* the same of the ring of outcomes */
	hd_ns next_notify, next_wall;
};

struct hd_dp {
	const struct hd_node *node;
	const struct hd_snapshot *_Atomic snapshot; /* writer: ctrl; readers: workers */
	_Atomic int stop;			    /* writer: ctrl; readers: workers */
	int event_fd, jwt_fd;
	struct worker_clock clock;
	uint64_t flow_secret[2];
	uint8_t rss_key[NET_RSS_KEY];
	struct net_port *ports[HD_MAX_PORTS];
	uint32_t n_ports, n_lanes, cluster_chunks, endpoint_chunks;
	struct lane *lanes;
	struct tls_threads *tls; /* NULL: no TLS */
	struct proxy_quotas quotas;		   /* limits over all workers */
	/* With several workers each port has one of these. */
	struct worker_steer *steers[HD_MAX_PORTS];
	struct worker_spread *spreads[HD_MAX_PORTS];
	struct worker_flows flows[HD_MAX_PORTS];
	struct hd_worker_stats *stats[HD_MAX_WORKERS];
	uint8_t *health; /* by endpoint slot; writer: ctrl; readers: workers, whole bytes */
	struct proxy_group_weights *group_weights; /* by cluster slot, the same */
	uint8_t *watched;			   /* the same */
	_Atomic int outcomes_attended;		   /* writer: ctrl; readers: workers */
	int outcome_fd;
};

static void kick_lane(void *ctx, uint32_t worker)
{
	struct hd_dp *dp = ctx;

	worker_idle_kick(&dp->lanes[worker].idle);
}

static int fail(int code, char *error, size_t bytes, const char *text)
{
	snprintf(error, bytes, "%s", text);
	return code;
}

static int check_node(const struct hd_node *node, char *error, size_t bytes)
{
	if (node->n_workers == 0 || node->n_ports == 0)
		return fail(-EINVAL, error, bytes, "a node needs at least one worker and one port");
	for (uint32_t i = 0; i < node->n_workers; i++) {
		if (node->workers[i] != node->main_lcore)
			continue;
		snprintf(error, bytes, "workers: lcore %u is mainLcore too: a worker needs its own",
			 node->main_lcore);
		return -EINVAL;
	}
	return 0;
}

static struct rte_mempool *make_pool(const char *kind, const struct lane *l, uint32_t n,
				     uint16_t room)
{
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "%s%u", kind, l->index);
	return worker_pool_create(name, n, room, (int)rte_lcore_to_socket_id(l->lcore));
}

static uint16_t data_room(const struct hd_node *node)
{
	uint32_t room = 2048;

	for (uint32_t i = 0; i < node->n_ports; i++)
		room = RTE_MAX(room, node->ports[i].mtu + 128u);
	return (uint16_t)RTE_MIN(room + RTE_PKTMBUF_HEADROOM, (uint32_t)UINT16_MAX);
}

/* A size that the operator wrote is taken as it is; ours shrinks until it fits the memory there is.
 */
static int make_pools(struct lane *l, const struct hd_node *node)
{
	uint32_t n = node->max_mbufs != 0 ? node->max_mbufs : DEFAULT_MBUFS;

	for (;; n /= 2) {
		l->bufs = make_pool("bufs", l, n, data_room(node));
		l->indirect = make_pool("refs", l, n, 0);
		if (l->bufs != NULL && l->indirect != NULL)
			return 0;
		rte_mempool_free(l->bufs);
		rte_mempool_free(l->indirect);
		l->bufs = l->indirect = NULL;
		if (node->max_mbufs != 0 || n / 2 < LEAST_MBUFS)
			return -ENOMEM;
	}
}

static int random_fill(void *out, size_t n)
{
	return getrandom(out, n, 0) == (ssize_t)n ? 0 : -EIO;
}

static uint32_t flow_owner(void *ctx, uint32_t port, const struct flow_key *key)
{
	const struct hd_dp *dp = ctx;

	return worker_flows_owner(&dp->flows[port], key);
}

static int make_worker(struct lane *l, hd_ns now)
{
	struct hd_dp *dp = l->dp;
	struct worker_config c = {
		.node = dp->node,
		.devices = l->devices,
		.bufs = l->bufs,
		.indirect = l->indirect,
		.snapshot = &dp->snapshot,
		.slots = &l->slots,
		.quotas = dp->n_lanes > 1 ? &dp->quotas : NULL,
		.health = dp->health,
		.watched = dp->watched,
		.group_weights = dp->group_weights,
		.outcomes = l->outcomes,
		.mailbox = l->mailbox,
		.access = l->access,
		.tls_threads = dp->tls,
		.jwt = &l->jwt,
		.max_connections = dp->node->max_connections,
		.flow_owner = dp->n_lanes > 1 ? flow_owner : NULL,
		.flow_ctx = dp,
		.index = l->index,
		.flow_secret = { dp->flow_secret[0], dp->flow_secret[1] },
		.wall_offset = worker_clock_wall_offset(&dp->clock),
		.socket = (int)rte_lcore_to_socket_id(l->lcore),
	};

	uint32_t least = c.max_connections;

	for (uint32_t i = 0; i < dp->n_ports; i++) {
		if (dp->spreads[i] == NULL)
			core_supply_add(&c.supply, dp->lanes[i % dp->n_lanes].bufs);
	}
	if (random_fill(c.secret, sizeof(c.secret)) < 0)
		return -EIO;
	if (c.max_connections == 0) {
		c.max_connections = DEFAULT_CONNECTIONS;
		least = LEAST_CONNECTIONS;
	}
	for (; l->worker == NULL && c.max_connections >= least; c.max_connections /= 2)
		l->worker = worker_create(&c, now);
	if (l->worker == NULL)
		return -ENOMEM;
	dp->stats[l->index] = &l->worker->stats;
	return 0;
}

static int open_lane(struct hd_dp *dp, uint32_t index)
{
	struct lane *l = &dp->lanes[index];
	int rc;

	l->dp = dp;
	l->index = index;
	l->lcore = dp->node->workers[index];
	rc = worker_idle_init(&l->idle);
	if (rc < 0)
		return rc;
	l->mailbox = hd_ring_create(MAILBOX_MESSAGES, sizeof(struct hd_ctrl_msg));
	l->access = hd_ring_create(ACCESS_RECORDS, sizeof(struct hd_access_record));
	l->outcomes = hd_ring_create(OUTCOMES, sizeof(struct hd_outcome));
	/* Memory of slots that no token ever used is never touched. */
	l->jwt.slots = calloc(HD_JWT_SLOTS, sizeof(*l->jwt.slots));
	l->jwt.jobs = hd_ring_create(HD_JWT_SLOTS, sizeof(uint32_t));
	l->jwt.done = hd_ring_create(HD_JWT_SLOTS, sizeof(uint32_t));
	if (l->mailbox == NULL || l->access == NULL || l->outcomes == NULL ||
	    l->jwt.slots == NULL || l->jwt.jobs == NULL || l->jwt.done == NULL)
		return -ENOMEM;
	/* Touched here, so that no request has to wait for a page. */
	memset(l->access->slots, 0, ACCESS_RECORDS * sizeof(struct hd_access_record));
	memset(l->outcomes->slots, 0, OUTCOMES * sizeof(struct hd_outcome));
	return make_pools(l, dp->node);
}

/* What lies in DPDK's memory goes with rte_eal_cleanup. To free it piece by piece would first write
 * zeroes over hundreds of megabytes, most of them never touched: seconds on a busy machine. */
static void close_lane(struct lane *l)
{
	if (l->worker != NULL) { /* what holds keys does not lie there */
		tls_destroy(l->worker->tls);
		l->worker->tls = NULL;
	}
	free(l->mailbox);
	free(l->access);
	free(l->outcomes);
	free(l->jwt.slots);
	free(l->jwt.jobs);
	free(l->jwt.done);
	worker_idle_fini(&l->idle);
}

static int has_fd(const int *fds, uint32_t n, int fd)
{
	for (uint32_t i = 0; i < n; i++) {
		if (fds[i] == fd)
			return 1;
	}
	return 0;
}

static void arm_queue(void *port, uint32_t queue, int armed)
{
	net_port_arm(port, queue, armed);
}

static void watch_queue(struct lane *l, struct net_port *port, uint32_t queue)
{
	int fd = net_port_interrupt_fd(port, queue);

	if (fd >= 0)
		worker_idle_add_interrupt(&l->idle, fd, arm_queue, port, queue);
	else
		worker_idle_add_port(&l->idle, NULL, 0);
}

/* What opening the port added to the process's packet sockets announces its packets; if nothing,
 * its interrupt does. */
static void watch_port(struct lane *l, struct net_port *port, const int *before,
		       uint32_t n_before)
{
	int after[WORKER_IDLE_MAX_FDS], fresh[WORKER_IDLE_MAX_FDS];
	uint32_t n_after = worker_idle_list_sockets(after, WORKER_IDLE_MAX_FDS), n = 0;

	for (uint32_t i = 0; i < n_after; i++) {
		if (!has_fd(before, n_before, after[i]))
			fresh[n++] = after[i];
	}
	if (n > 0)
		worker_idle_add_port(&l->idle, fresh, n);
	else
		watch_queue(l, port, 0);
}

/* Several workers share a port: its owner polls it for all of them. Owners take turns over the
 * ports. */
static int share_port(struct hd_dp *dp, uint32_t i)
{
	struct worker_steer_config c = {
		.real = dp->lanes[i % dp->n_lanes].devices[i],
		.flows = dp->flows[i],
		.owner = i % dp->n_lanes,
		.stats = dp->stats,
		.kick = kick_lane,
		.ctx = dp,
		.socket = (int)rte_lcore_to_socket_id(dp->lanes[i % dp->n_lanes].lcore),
	};
	char name[16];

	snprintf(name, sizeof(name), "steer%u", i);
	dp->steers[i] = worker_steer_create(name, &c);
	if (dp->steers[i] == NULL)
		return -ENOMEM;
	for (uint32_t w = 0; w < dp->n_lanes; w++)
		worker_steer_device(dp->steers[i], w, &dp->lanes[w].devices[i]);
	return 0;
}

/* The device spreads TCP itself: each worker has a queue. */
static int spread_port(struct hd_dp *dp, uint32_t i)
{
	struct worker_spread_config c = {
		.flows = dp->flows[i],
		.stats = dp->stats,
		.kick = kick_lane,
		.ctx = dp,
		.socket = (int)rte_lcore_to_socket_id(dp->lanes[0].lcore),
	};
	char name[16];

	for (uint32_t w = 0; w < dp->n_lanes; w++) {
		net_port_device(dp->ports[i], w, &c.real[w]);
		watch_queue(&dp->lanes[w], dp->ports[i], w);
	}
	snprintf(name, sizeof(name), "spread%u", i);
	dp->spreads[i] = worker_spread_create(name, &c);
	if (dp->spreads[i] == NULL)
		return -ENOMEM;
	for (uint32_t w = 0; w < dp->n_lanes; w++)
		worker_spread_device(dp->spreads[i], w, &dp->lanes[w].devices[i]);
	return 0;
}

static int open_port(struct hd_dp *dp, uint32_t i, char *error, size_t bytes)
{
	struct lane *owner = &dp->lanes[i % dp->n_lanes];
	struct net_port_queues queues = {
		.n = dp->n_lanes,
		.first = i % dp->n_lanes,
		.sleeps = dp->node->idle == HD_IDLE_ADAPTIVE,
	};
	int before[WORKER_IDLE_MAX_FDS];
	uint32_t n_before = worker_idle_list_sockets(before, WORKER_IDLE_MAX_FDS);
	int rc;

	memcpy(queues.rss_key, dp->rss_key, sizeof(queues.rss_key));
	for (uint32_t w = 0; w < dp->n_lanes; w++)
		queues.pools[w] = dp->lanes[w].bufs;
	rc = net_port_open(&dp->node->ports[i], &queues, &dp->ports[i], error, bytes);
	if (rc < 0)
		return rc;
	dp->n_ports++;
	dp->flows[i] = (struct worker_flows){ .secret = { dp->flow_secret[0], dp->flow_secret[1] },
					      .rss = net_port_rss(dp->ports[i]),
					      .n_workers = dp->n_lanes };
	if (dp->flows[i].rss != NULL) {
		rc = spread_port(dp, i);
	} else {
		net_port_device(dp->ports[i], 0, &owner->devices[i]);
		watch_port(owner, dp->ports[i], before, n_before);
		rc = dp->n_lanes == 1 ? 0 : share_port(dp, i);
	}
	return rc < 0 ? fail(rc, error, bytes,
			     "no memory for the rings between workers: give DPDK more (-m)")
		      : 0;
}

static int make_tls(struct hd_dp *dp)
{
	const struct tls_threads_config c = {
		.n_threads = dp->node->handshake_threads,
		.n_workers = dp->n_lanes,
		.kick = kick_lane,
		.ctx = dp,
	};

	if (c.n_threads == 0)
		return 0;
	dp->tls = tls_threads_create(&c);
	return dp->tls != NULL ? 0 : -ENOMEM;
}

static int open_all(struct hd_dp *dp, char *error, size_t bytes)
{
	int rc = 0;

	for (uint32_t i = 0; i < dp->n_lanes; i++) {
		rc = open_lane(dp, i);
		if (rc < 0)
			return fail(rc, error, bytes,
				    "no memory for packet buffers: give DPDK more (-m)");
	}
	for (uint32_t i = 0; i < dp->node->n_ports; i++) {
		rc = open_port(dp, i, error, bytes);
		if (rc < 0)
			return rc;
	}
	if (make_tls(dp) < 0)
		return fail(-ENOMEM, error, bytes, "no memory for handshake threads");
	for (uint32_t i = 0; i < dp->n_lanes; i++) {
		rc = make_worker(&dp->lanes[i], worker_clock_now(&dp->clock));
		if (rc < 0)
			return fail(rc, error, bytes,
				    "no memory for connections: give DPDK more (-m)");
	}
	return 0;
}

/* NULL: out of memory, and EAL is cleaned up. */
static struct hd_dp *allocate(const struct hd_node *node)
{
	struct hd_dp *dp = aligned_alloc(_Alignof(struct hd_dp), sizeof(*dp));

	if (dp == NULL) {
		rte_eal_cleanup();
		return NULL;
	}
	memset(dp, 0, sizeof(*dp));
	dp->node = node;
	dp->n_lanes = node->n_workers;
	dp->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	dp->lanes = calloc(node->n_workers, sizeof(*dp->lanes));
	dp->outcome_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	dp->jwt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	dp->health = calloc(PROXY_MAX_CHUNKS, PROXY_CHUNK_SLOTS);
	dp->group_weights =
		calloc((size_t)PROXY_MAX_CHUNKS * PROXY_CHUNK_SLOTS, sizeof(*dp->group_weights));
	dp->watched = calloc(PROXY_MAX_CHUNKS, PROXY_CHUNK_SLOTS);
	dp->quotas =
		(struct proxy_quotas){ .n_workers = node->n_workers, .kick = kick_lane, .ctx = dp };
	dp->quotas.connections = calloc(PROXY_MAX_CHUNKS, PROXY_CHUNK_SLOTS * sizeof(uint32_t));
	worker_clock_init(&dp->clock);
	if (dp->event_fd >= 0 && dp->outcome_fd >= 0 && dp->jwt_fd >= 0 && dp->lanes != NULL &&
	    dp->health != NULL && dp->watched != NULL && dp->group_weights != NULL &&
	    dp->quotas.connections != NULL &&
	    random_fill(dp->flow_secret, sizeof(dp->flow_secret)) == 0 &&
	    random_fill(dp->rss_key, sizeof(dp->rss_key)) == 0)
		return dp;
	hd_dp_close(dp);
	return NULL;
}

int hd_dp_open(const struct hd_node *node, struct hd_dp **out, char *error, size_t error_bytes)
{
	struct hd_dp *dp;
	int rc = check_node(node, error, error_bytes);

	if (rc == 0)
		rc = worker_eal_init(node, error, error_bytes);
	if (rc < 0)
		return rc;
	dp = allocate(node);
	if (dp == NULL)
		return fail(-ENOMEM, error, error_bytes, "out of memory");
	rc = open_all(dp, error, error_bytes);
	if (rc < 0) {
		hd_dp_close(dp);
		return rc;
	}
	*out = dp;
	return 0;
}

/* Tells ctrl at most once a millisecond that access records wait. */
static void notify_ctrl(struct lane *l, hd_ns now)
{
	uint32_t head = atomic_load_explicit(&l->access->head, memory_order_relaxed);
	uint64_t one = 1;

	if (head == l->announced || now < l->next_notify)
		return;
	l->announced = head;
	l->next_notify = now + NOTIFY_EVERY;
	(void)!write(l->dp->event_fd, &one, sizeof(one));
}

/* Outcomes cannot wait: a failing endpoint is to be left alone within a millisecond. Ctrl looks by
 * itself once it has been woken, so that a stream of them costs no stream of calls. */
static void notify_outcomes(struct lane *l)
{
	uint32_t head = atomic_load_explicit(&l->outcomes->head, memory_order_relaxed);
	uint64_t one = 1;

	if (hd_likely(head == l->outcomes_announced))
		return;
	l->outcomes_announced = head;
	/* Either ctrl sees the outcome when it looks after it has stopped attending, or we see
	 * that it has stopped. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&l->dp->outcomes_attended, memory_order_relaxed))
		(void)!write(l->dp->outcome_fd, &one, sizeof(one));
}

/* Tokens that were not seen before: a call for each turn that had some. */
static void notify_jwt(struct lane *l)
{
	uint32_t head = atomic_load_explicit(&l->jwt.jobs->head, memory_order_relaxed);
	uint64_t one = 1;

	if (hd_likely(head == l->jwt_announced))
		return;
	l->jwt_announced = head;
	(void)!write(l->dp->jwt_fd, &one, sizeof(one));
}

static void refresh_wall(struct lane *l, hd_ns now)
{
	if (now < l->next_wall)
		return;
	l->next_wall = now + WALL_EVERY;
	proxy_set_wall(l->worker->proxy, worker_clock_wall_offset(&l->dp->clock));
}

/* Records that wait to be announced must not sleep with the worker. */
static hd_ns next_deadline(const struct lane *l)
{
	hd_ns deadline = worker_next_deadline(l->worker);
	uint32_t head = atomic_load_explicit(&l->access->head, memory_order_relaxed);

	return head != l->announced && l->next_notify < deadline ? l->next_notify : deadline;
}

/* Frames of other workers that a full device has not taken: nobody kicks us for them again. */
static int has_unsent(const struct lane *l)
{
	const struct hd_dp *dp = l->dp;

	for (uint32_t i = l->index; i < dp->n_ports; i += dp->n_lanes) {
		if (dp->steers[i] != NULL && worker_steer_has_unsent(dp->steers[i]))
			return 1;
	}
	return 0;
}

static int lcore_main(void *arg)
{
	struct lane *l = arg;
	struct worker *w = l->worker;
	const struct worker_clock *clock = &l->dp->clock;
	int adaptive = l->dp->node->idle == HD_IDLE_ADAPTIVE;

	while (!w->stopped && !atomic_load_explicit(&l->dp->stop, memory_order_relaxed)) {
		hd_ns now = worker_clock_now(clock);
		int busy = worker_turn(w, now);

		notify_jwt(l);
		notify_outcomes(l);
		notify_ctrl(l, now);
		refresh_wall(l, now);
		if (w->tls != NULL && tls_pushed(w->tls))
			tls_threads_wake(l->dp->tls);
		if (!adaptive)
			continue;
		hd_stage(&w->stats, HD_STAGE_ASLEEP);
		worker_idle_after_turn(&l->idle, busy || has_unsent(l), now,
				       busy ? 0 : next_deadline(l));
	}
	worker_stop(w, worker_clock_now(clock));
	return 0;
}

int hd_dp_start(struct hd_dp *dp, const struct hd_snapshot *first, char *error, size_t error_bytes)
{
	int threads = dp->tls != NULL ? tls_threads_start(dp->tls) : 0;

	if (threads < 0)
		return fail(threads, error, error_bytes, "a handshake thread does not start");
	hd_dp_publish(dp, first);
	for (uint32_t i = 0; i < dp->n_lanes; i++) {
		struct lane *l = &dp->lanes[i];
		int rc = rte_eal_remote_launch(lcore_main, l, l->lcore);
		if (rc < 0) {
			snprintf(error, error_bytes, "lcore %u does not start: %s", l->lcore,
				 strerror(-rc));
			return rc;
		}
		l->launched = 1;
	}
	worker_telemetry_open(dp);
	return 0;
}

static void kick_all(struct hd_dp *dp)
{
	for (uint32_t i = 0; i < dp->n_lanes; i++)
		worker_idle_kick(&dp->lanes[i].idle);
}

void hd_dp_stop(struct hd_dp *dp)
{
	atomic_store_explicit(&dp->stop, 1, memory_order_relaxed);
	kick_all(dp);
	for (uint32_t i = 0; i < dp->n_lanes; i++) {
		if (dp->lanes[i].launched)
			rte_eal_wait_lcore(dp->lanes[i].lcore);
		dp->lanes[i].launched = 0;
	}
}

void hd_dp_close(struct hd_dp *dp)
{
	worker_telemetry_close();
	if (dp->lanes != NULL) {
		hd_dp_stop(dp);
		if (dp->tls != NULL)
			tls_threads_stop(dp->tls);
		for (uint32_t i = 0; i < dp->n_lanes; i++)
			close_lane(&dp->lanes[i]);
	}
	if (dp->tls != NULL)
		tls_threads_destroy(dp->tls);
	for (uint32_t i = 0; i < dp->n_ports; i++) {
		worker_steer_destroy(dp->steers[i]);
		worker_spread_destroy(dp->spreads[i]);
		net_port_close(dp->ports[i]);
	}
	if (dp->event_fd >= 0)
		close(dp->event_fd);
	if (dp->jwt_fd >= 0)
		close(dp->jwt_fd);
	if (dp->outcome_fd >= 0)
		close(dp->outcome_fd);
	free(dp->lanes);
	free(dp->health);
	free(dp->watched);
	free(dp->group_weights);
	free(dp->quotas.connections);
	free(dp);
	rte_eal_cleanup();
}

static int no_tls(char *error, size_t bytes)
{
	return fail(-ENOTSUP, error, bytes, "handshakeThreads is 0 in the node file: there is no TLS");
}

int hd_dp_tls_credential_set(struct hd_dp *dp, uint32_t slot, const struct hd_tls_credential *c,
			     char *error, size_t error_bytes)
{
	return dp->tls != NULL ? tls_credential_set(dp->tls, slot, c, error, error_bytes)
			       : no_tls(error, error_bytes);
}

int hd_dp_tls_bundle_set(struct hd_dp *dp, uint32_t slot, const struct hd_tls_bundle *b,
			 char *error, size_t error_bytes)
{
	return dp->tls != NULL ? tls_bundle_set(dp->tls, slot, b, error, error_bytes)
			       : no_tls(error, error_bytes);
}

int hd_dp_tls_context_set(struct hd_dp *dp, uint32_t slot, const struct hd_tls_context *c,
			  char *error, size_t error_bytes)
{
	return dp->tls != NULL ? tls_context_set(dp->tls, slot, c, error, error_bytes)
			       : no_tls(error, error_bytes);
}

void hd_dp_tls_credential_clear(struct hd_dp *dp, uint32_t slot)
{
	if (dp->tls != NULL)
		tls_credential_clear(dp->tls, slot);
}

void hd_dp_tls_bundle_clear(struct hd_dp *dp, uint32_t slot)
{
	if (dp->tls != NULL)
		tls_bundle_clear(dp->tls, slot);
}

void hd_dp_tls_context_clear(struct hd_dp *dp, uint32_t slot)
{
	if (dp->tls != NULL)
		tls_context_clear(dp->tls, slot);
}

int hd_dp_tls_credential_check(const struct hd_tls_credential *c,
			       struct hd_tls_certificate_info *info, char *error,
			       size_t error_bytes)
{
	return tls_credential_check(c, info, error, error_bytes);
}

int hd_dp_tls_bundle_check(const struct hd_tls_bundle *b, char *error, size_t error_bytes)
{
	return tls_bundle_check(b, error, error_bytes);
}

int hd_dp_tls_bundle_info(const struct hd_tls_bundle *b, uint32_t index,
			  struct hd_tls_certificate_info *info)
{
	return tls_bundle_info(b, index, info);
}

static uint32_t chunks_for(uint32_t slots)
{
	return (slots + PROXY_CHUNK_SLOTS - 1) / PROXY_CHUNK_SLOTS;
}

static void *make_chunk(const struct lane *l, size_t state_bytes)
{
	int socket = (int)rte_lcore_to_socket_id(l->lcore);

	return rte_zmalloc_socket("slots", PROXY_CHUNK_SLOTS * state_bytes, HD_CACHE_LINE, socket);
}

static int reserve_quotas(struct hd_dp *dp, uint32_t clusters)
{
	for (uint32_t i = 0; i < clusters; i++) {
		if (dp->quotas.chunks[i] == NULL)
			dp->quotas.chunks[i] =
				make_chunk(&dp->lanes[0], sizeof(struct proxy_quota));
		if (dp->quotas.chunks[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* Chunks made before memory ran out stay: the next attempt finds them. */
static int reserve_lane(struct lane *l, uint32_t clusters, uint32_t endpoints)
{
	for (uint32_t i = 0; i < clusters; i++) {
		if (l->slots.clusters[i] == NULL)
			l->slots.clusters[i] = make_chunk(l, proxy_cluster_state_bytes());
		if (l->slots.clusters[i] == NULL)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < endpoints; i++) {
		if (l->slots.endpoints[i] == NULL)
			l->slots.endpoints[i] = make_chunk(l, proxy_endpoint_state_bytes());
		if (l->slots.endpoints[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

int hd_dp_reserve(struct hd_dp *dp, uint32_t cluster_slots, uint32_t endpoint_slots)
{
	uint32_t clusters = chunks_for(cluster_slots), endpoints = chunks_for(endpoint_slots);

	if (clusters > PROXY_MAX_CHUNKS || endpoints > PROXY_MAX_CHUNKS)
		return -ENOMEM;
	if (dp->n_lanes > 1 && reserve_quotas(dp, clusters) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < dp->n_lanes; i++) {
		if (reserve_lane(&dp->lanes[i], clusters, endpoints) < 0)
			return -ENOMEM;
	}
	dp->cluster_chunks = RTE_MAX(dp->cluster_chunks, clusters);
	dp->endpoint_chunks = RTE_MAX(dp->endpoint_chunks, endpoints);
	return 0;
}

void hd_dp_publish(struct hd_dp *dp, const struct hd_snapshot *snapshot)
{
	if (dp->n_lanes > 1)
		proxy_quotas_set(&dp->quotas, snapshot);
	atomic_store_explicit(&dp->snapshot, snapshot, memory_order_release);
	kick_all(dp);
}

uint64_t hd_dp_oldest_generation(const struct hd_dp *dp)
{
	const struct hd_snapshot *s = atomic_load_explicit(&dp->snapshot, memory_order_relaxed);
	uint64_t oldest = s != NULL ? s->generation : 0;

	for (uint32_t i = 0; i < dp->n_lanes; i++) {
		const struct lane *l = &dp->lanes[i];
		uint64_t seen;
		if (!l->launched)
			continue;
		seen = __atomic_load_n(&l->worker->stats.generation, __ATOMIC_ACQUIRE);
		oldest = RTE_MIN(oldest, seen);
	}
	return oldest;
}

void hd_dp_set_health(struct hd_dp *dp, uint32_t endpoint_slot, uint8_t health)
{
	if (endpoint_slot < PROXY_MAX_CHUNKS * PROXY_CHUNK_SLOTS)
		__atomic_store_n(&dp->health[endpoint_slot], health, __ATOMIC_RELAXED);
}

void hd_dp_set_group_weights(struct hd_dp *dp, uint32_t cluster_slot,
			     const uint16_t weights[HD_GROUPS])
{
	if (cluster_slot >= PROXY_MAX_CHUNKS * PROXY_CHUNK_SLOTS)
		return;
	for (uint32_t i = 0; i < HD_GROUPS; i++)
		__atomic_store_n(&dp->group_weights[cluster_slot].of[i], weights[i],
				 __ATOMIC_RELAXED);
}

void hd_dp_set_watched(struct hd_dp *dp, uint32_t endpoint_slot, int is_watched)
{
	if (endpoint_slot < PROXY_MAX_CHUNKS * PROXY_CHUNK_SLOTS)
		__atomic_store_n(&dp->watched[endpoint_slot], is_watched != 0, __ATOMIC_RELAXED);
}

uint32_t hd_dp_n_workers(const struct hd_dp *dp)
{
	return dp->n_lanes;
}

uint32_t hd_dp_worker_lcore(const struct hd_dp *dp, uint32_t worker)
{
	return dp->lanes[worker].lcore;
}

const struct hd_worker_stats *hd_dp_stats(const struct hd_dp *dp, uint32_t worker)
{
	return &dp->lanes[worker].worker->stats;
}

const struct hd_endpoint_stats *hd_dp_endpoint_stats(const struct hd_dp *dp, uint32_t worker,
						     uint32_t slot)
{
	uint32_t chunk = slot / PROXY_CHUNK_SLOTS;
	size_t offset = slot % PROXY_CHUNK_SLOTS * proxy_endpoint_state_bytes();

	if (chunk >= dp->endpoint_chunks)
		return NULL;
	return (const void *)((const uint8_t *)dp->lanes[worker].slots.endpoints[chunk] + offset);
}

const struct hd_cluster_stats *hd_dp_cluster_stats(const struct hd_dp *dp, uint32_t worker,
						   uint32_t slot)
{
	uint32_t chunk = slot / PROXY_CHUNK_SLOTS;
	size_t offset = slot % PROXY_CHUNK_SLOTS * proxy_cluster_state_bytes();

	if (chunk >= dp->cluster_chunks)
		return NULL;
	return (const void *)((const uint8_t *)dp->lanes[worker].slots.clusters[chunk] + offset);
}

static struct hd_pool_info packet_pool(const char *name, const char *text,
				       const struct rte_mempool *mp, uint32_t most)
{
	uint32_t object = mp->header_size + mp->elt_size + mp->trailer_size;

	return (struct hd_pool_info){ .name = name,
				      .text = text,
				      .bytes = (uint64_t)mp->size * object,
				      .object_bytes = object,
				      .capacity = mp->size,
				      .used = rte_mempool_in_use_count(mp),
				      .most = most };
}

uint32_t hd_dp_pools(const struct hd_dp *dp, uint32_t worker,
		     struct hd_pool_info rows[HD_MAX_POOLS])
{
	const struct lane *l = &dp->lanes[worker];
	uint32_t n = 0, most = __atomic_load_n(&l->worker->stats.bufs_most, __ATOMIC_RELAXED);

	rows[n++] = packet_pool("packet_buffers", "frames and bodies, those that devices hold too",
				l->bufs, most);
	rows[n++] = packet_pool("packet_references", "parts of packet buffers", l->indirect, 0);
	n += tcp_pools(l->worker->stack.tcp, rows + n);
	n += proxy_pools(l->worker->proxy, rows + n);
	rows[n++] = (struct hd_pool_info){
		.name = "slots",
		.text = "counters and pools of clusters and endpoints",
		.bytes = (dp->cluster_chunks * proxy_cluster_state_bytes() +
			  dp->endpoint_chunks * proxy_endpoint_state_bytes()) *
			 PROXY_CHUNK_SLOTS,
	};
	return n;
}

uint64_t hd_dp_tsc_hz(const struct hd_dp *dp)
{
	return rte_get_tsc_hz();
}

hd_ns hd_dp_now(const struct hd_dp *dp)
{
	return worker_clock_now(&dp->clock);
}

uint32_t hd_dp_n_ports(const struct hd_dp *dp)
{
	return dp->n_ports;
}

void hd_dp_port_info(const struct hd_dp *dp, uint32_t port, struct hd_dp_port_info *out)
{
	net_port_info(dp->ports[port], out);
}

struct hd_ring *hd_dp_access_ring(struct hd_dp *dp, uint32_t worker)
{
	return dp->lanes[worker].access;
}

struct hd_ring *hd_dp_outcome_ring(struct hd_dp *dp, uint32_t worker)
{
	return dp->lanes[worker].outcomes;
}

int hd_dp_outcome_fd(const struct hd_dp *dp)
{
	return dp->outcome_fd;
}

void hd_dp_outcome_attend(struct hd_dp *dp, int attends)
{
	atomic_store_explicit(&dp->outcomes_attended, attends, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

const struct hd_jwt_lane *hd_dp_jwt_lane(const struct hd_dp *dp, uint32_t worker)
{
	return &dp->lanes[worker].jwt;
}

int hd_dp_jwt_fd(const struct hd_dp *dp)
{
	return dp->jwt_fd;
}

void hd_dp_jwt_kick(struct hd_dp *dp, uint32_t worker)
{
	worker_idle_kick(&dp->lanes[worker].idle);
}

int hd_dp_event_fd(const struct hd_dp *dp)
{
	return dp->event_fd;
}

int hd_dp_send(struct hd_dp *dp, uint32_t worker, const struct hd_ctrl_msg *msg)
{
	struct lane *l = &dp->lanes[worker];
	struct hd_ctrl_msg *slot = hd_ring_slot(l->mailbox);

	if (slot == NULL)
		return -EAGAIN;
	*slot = *msg;
	hd_ring_push(l->mailbox);
	worker_idle_kick(&l->idle);
	return 0;
}

int hd_dp_drain(struct hd_dp *dp)
{
	const struct hd_ctrl_msg msg = { .type = HD_CTRL_DRAIN };
	int rc = 0;

	for (uint32_t i = 0; i < dp->n_lanes; i++) {
		int sent = hd_dp_send(dp, i, &msg);
		rc = rc < 0 ? rc : sent;
	}
	return rc;
}
