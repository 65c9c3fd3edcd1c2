/* SPDX-License-Identifier: Apache-2.0 */
/* Creation, and the turn: input, timers, flush. */
#include <errno.h>

#include <rte_malloc.h>

#include "tcp_stack.h"

#define BUFFER_MIN 4096
#define BUFFER_MAX (64u << 20)
#define WAITS_SHARE 4 /* one TIME-WAIT for so many connections */
#define WAITS_MIN 1024
#define OURS_SHARE 8 /* of the connections, kept for those that we open */
#define HALF_OPEN_SHARE 4
#define HALF_OPEN_MAX 8192
#define ORPHANS_SHARE 4
#define ORPHANS_MIN 64
#define BOARDS_SHARE 2 /* connections with data in flight at a time */
#define MEDIUM_SHARE 32
#define LARGE_SHARE 256
#define RANGES_SHARE 64
#define SPARE 64 /* beside each share, for small tables */

void tcp_config_defaults(struct tcp_config *c)
{
	*c = (struct tcp_config){
		.max_connections = 65536,
		.rcv_buffer = 256 * 1024,
		.snd_buffer = 256 * 1024,
		.rto_min = 200 * HD_NS_PER_MS,
		.rto_max = 60 * HD_NS_PER_S,
		.rto_initial = 1 * HD_NS_PER_S,
		.time_wait = 60 * HD_NS_PER_S,
		.fin_wait_2 = 60 * HD_NS_PER_S,
		.user_timeout = 100 * HD_NS_PER_S,
		.delayed_ack = 40 * HD_NS_PER_MS,
		.syn_retries = 6,
		.synack_retries = 5,
		.ecn = TCP_ECN_ACCEPT,
	};
}

static uint32_t clamp(uint32_t v, uint32_t low, uint32_t high)
{
	return v < low ? low : v > high ? high : v;
}

void tcp_set_now(struct tcp *t, hd_ns now)
{
	t->now = now;
	t->now_us = (uint32_t)(now / HD_NS_PER_US);
	t->now_ms = (uint32_t)(now / HD_NS_PER_MS);
}

static void set_limits(struct tcp *t)
{
	struct tcp_config *c = &t->config;

	c->rcv_buffer = clamp(c->rcv_buffer, BUFFER_MIN, BUFFER_MAX);
	c->snd_buffer = clamp(c->snd_buffer, BUFFER_MIN, BUFFER_MAX);
	t->rto = (struct tcp_rto_limits){ .initial_us = (uint32_t)(c->rto_initial / HD_NS_PER_US),
					  .min_us = (uint32_t)(c->rto_min / HD_NS_PER_US),
					  .max_us = (uint32_t)(c->rto_max / HD_NS_PER_US) };
	t->callers_max = c->max_connections - c->max_connections / OURS_SHARE;
	t->half_open_max = clamp(c->max_connections / HALF_OPEN_SHARE, 1, HALF_OPEN_MAX);
	t->orphans_max = c->max_connections / ORPHANS_SHARE + ORPHANS_MIN;
	while (t->scale < TCP_OPTIONS_MAX_SCALE && (uint32_t)UINT16_MAX << t->scale < c->rcv_buffer)
		t->scale++;
}

void tcp_set_buffers(struct tcp *t, uint32_t rcv_buffer, uint32_t snd_buffer)
{
	t->config.rcv_buffer = clamp(rcv_buffer, BUFFER_MIN, BUFFER_MAX);
	t->config.snd_buffer = clamp(snd_buffer, BUFFER_MIN, BUFFER_MAX);
}

static int create_pools(struct tcp *t, int socket)
{
	uint32_t n = t->config.max_connections;
	uint32_t waits = n / WAITS_SHARE + WAITS_MIN;

	if (tcp_table_init(&t->table, n + waits, socket) != 0)
		goto fail_table;
	if (core_pool_init(&t->conns, "tcp_conns", n, sizeof(struct tcp_conn), socket) != 0)
		goto fail_conns;
	if (core_pool_init(&t->waits, "tcp_waits", waits, sizeof(struct tcp_wait), socket) != 0)
		goto fail_waits;
	if (core_pool_init(&t->boards, "tcp_boards", n / BOARDS_SHARE + SPARE,
			   sizeof(struct tcp_scoreboard), socket) != 0)
		goto fail_boards;
	if (core_pool_init(&t->medium, "tcp_medium", n / MEDIUM_SHARE + SPARE,
			   TCP_SCOREBOARD_MEDIUM * sizeof(struct tcp_sent), socket) != 0)
		goto fail_medium;
	if (core_pool_init(&t->large, "tcp_large", n / LARGE_SHARE + SPARE,
			   TCP_SCOREBOARD_MAX * sizeof(struct tcp_sent), socket) != 0)
		goto fail_large;
	if (core_pool_init(&t->ranges, "tcp_ranges", n / RANGES_SHARE + SPARE,
			   sizeof(struct tcp_ranges), socket) != 0)
		goto fail_ranges;
	return 0;

fail_ranges:
	core_pool_fini(&t->large);
fail_large:
	core_pool_fini(&t->medium);
fail_medium:
	core_pool_fini(&t->boards);
fail_boards:
	core_pool_fini(&t->waits);
fail_waits:
	core_pool_fini(&t->conns);
fail_conns:
	tcp_table_fini(&t->table);
fail_table:
	return -1;
}

struct tcp *tcp_create(const struct tcp_config *c, const struct tcp_ops *ops, void *ctx,
		       struct hd_worker_stats *stats, struct rte_mempool *header,
		       struct rte_mempool *indirect, hd_ns now, int socket)
{
	struct tcp *t = rte_zmalloc_socket("tcp", sizeof(*t), HD_CACHE_LINE, socket);

	if (t == NULL)
		return NULL;
	t->config = *c;
	t->ops = ops;
	t->ctx = ctx;
	t->stats = stats;
	t->header = header;
	t->indirect = indirect;
	if (c->supply != NULL)
		t->supply = *c->supply;
	core_supply_add(&t->supply, header);
	core_supply_add(&t->supply, indirect);
	t->config.supply = NULL;
	t->cc = tcp_cc_by_index(c->congestion_control);
	list_init(&t->waiting);
	wheel_init(&t->wheel, now);
	tcp_set_now(t, now);
	set_limits(t);
	if (create_pools(t, socket) != 0) {
		rte_free(t);
		return NULL;
	}
	return t;
}

uint64_t tcp_bytes_used(const struct tcp *t)
{
	uint64_t tuples = (uint64_t)t->conns.used + t->waits.used;
	uint64_t table = tuples * sizeof(struct tcp_bucket) / TCP_TABLE_TARGET_LOAD +
			 core_pool_bytes_used(&t->table.overflow);

	return table + core_pool_bytes_used(&t->conns) + core_pool_bytes_used(&t->waits) +
	       core_pool_bytes_used(&t->boards) + core_pool_bytes_used(&t->medium) +
	       core_pool_bytes_used(&t->large) + core_pool_bytes_used(&t->ranges);
}

void tcp_destroy(struct tcp *t)
{
	uint32_t cursor = 0;
	struct tcp_conn *c;

	if (t == NULL)
		return;
	while ((c = core_pool_walk(&t->conns, &cursor)) != NULL) {
		bufq_clear(&c->rx);
		bufq_clear(&c->tx);
		tcp_conn_drop_ranges(c);
	}
	core_pool_fini(&t->ranges);
	core_pool_fini(&t->large);
	core_pool_fini(&t->medium);
	core_pool_fini(&t->boards);
	core_pool_fini(&t->waits);
	core_pool_fini(&t->conns);
	tcp_table_fini(&t->table);
	rte_free(t);
}

uint32_t tcp_pools(const struct tcp *t, struct hd_pool_info *rows)
{
	uint32_t n = 0;

	core_pool_tell(&t->conns, "tcp_connections", "connections", &rows[n++]);
	core_pool_tell(&t->waits, "tcp_time_wait", "connections that wait out TIME-WAIT", &rows[n++]);
	core_pool_tell(&t->boards, "tcp_boards_small", "what is in flight: a few segments",
		       &rows[n++]);
	core_pool_tell(&t->medium, "tcp_boards_medium", "the same: more", &rows[n++]);
	core_pool_tell(&t->large, "tcp_boards_large", "the same: most", &rows[n++]);
	core_pool_tell(&t->ranges, "tcp_ranges", "data above gaps", &rows[n++]);
	core_pool_tell(&t->table.overflow, "tcp_overflow", "buckets of the table that overflowed",
		       &rows[n++]);
	rows[n++] = (struct hd_pool_info){
		.name = "tcp_table",
		.text = "buckets of the connection table",
		.bytes = ((uint64_t)t->table.mask + 1) * sizeof(*t->table.buckets),
		.object_bytes = sizeof(*t->table.buckets),
		.capacity = t->table.mask + 1,
	};
	return n;
}

static struct tcp_conn *pop_output(struct tcp *t)
{
	struct tcp_conn *c = t->output_head;

	t->output_head = c->output_next;
	if (t->output_head == NULL)
		t->output_tail = NULL;
	c->flags &= ~(uint32_t)TCP_F_IN_OUTPUT;
	return c;
}

/* Connections whose port was busy before their turn came: first in the next flush. */
struct held {
	struct tcp_conn *head, *tail;
};

static void hold(struct held *h, struct tcp_conn *c)
{
	c->flags |= TCP_F_IN_OUTPUT;
	c->output_next = NULL;
	if (h->tail == NULL)
		h->head = c;
	else
		h->tail->output_next = c;
	h->tail = c;
}

static void put_in_front(struct tcp *t, struct held *h)
{
	if (h->head == NULL)
		return;
	h->tail->output_next = t->output_head;
	if (t->output_head == NULL)
		t->output_tail = h->tail;
	t->output_head = h->head;
}

static void output(struct tcp *t, struct tcp_conn *c, struct held *held)
{
	int rc;

	if (c->flags & TCP_F_DEAD) {
		tcp_conn_free(c);
		return;
	}
	rc = tcp_output(t, c);
	if (hd_unlikely(rc == -EBUSY) && !(c->flags & TCP_F_IN_OUTPUT))
		hold(held, c);
	else if (rc != 0)
		tcp_conn_queue_output(c);
}

int tcp_flush(struct tcp *t, hd_ns now)
{
	struct tcp_conn *last = t->output_tail, *c = NULL;
	struct held held = { 0 };
	uint32_t sent = t->sent;

	tcp_set_now(t, now);
	if (hd_unlikely(t->busy != 0))
		t->busy = t->ops->busy_ports != NULL ? t->ops->busy_ports(t->ctx) : 0;
	/* Those that could not send everything come back behind `last`, for the next turn. */
	while (t->output_head != NULL && c != last) {
		c = pop_output(t);
		output(t, c, &held);
	}
	put_in_front(t, &held);
	return t->sent != sent;
}

hd_ns tcp_next_deadline(const struct tcp *t)
{
	hd_ns wheel = wheel_next_deadline(&t->wheel), wait = tcp_wait_next_deadline(t);

	if (t->output_head != NULL || t->ready_head != NULL || t->again_head != NULL)
		return t->now;
	return wheel < wait ? wheel : wait;
}

/* RFC 5927 4: an ICMP message counts only when it quotes a segment that is in flight. */
static struct tcp_conn *quoted_connection(struct tcp *t, const struct flow_key *key,
					  uint32_t quoted_seq)
{
	int found;
	uint32_t value = tcp_lookup(t, key, t->ops->hash(t->ctx, key), &found);

	if (!found || value & TCP_VALUE_WAIT)
		return NULL;

	struct tcp_conn *c = tcp_conn_at(t, value);

	return c->snd_una != c->snd_nxt && seq_leq(c->snd_una, quoted_seq) &&
			       seq_lt(quoted_seq, c->snd_nxt)
		       ? c
		       : NULL;
}

#define MTU_FLOOR_V4 552  /* RFC 1191 3 allows 68, which would only serve attackers */
#define MTU_FLOOR_V6 1280 /* RFC 8201 4 */

static void too_big(struct tcp *t, struct tcp_conn *c, uint32_t mtu)
{
	int v4 = hd_ip_is_v4(&c->key.remote);
	struct flow_path path = { .mtu = mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu };
	uint16_t mss = tcp_path_mss(&path, &c->key);

	if (mtu < (v4 ? MTU_FLOOR_V4 : MTU_FLOOR_V6) || !tcp_conn_is_synchronized(c) ||
	    !tcp_conn_lower_mss(c, mss)) {
		tcp_count(t, HD_TCP_ICMP_IGNORED);
		return;
	}
	/* No congestion: what is in flight and too long goes out again in pieces, the window stays.
	 */
	for (uint32_t i = 0; i < c->sb->n; i++)
		if (tcp_scoreboard_at(c->sb, i)->len > c->mss)
			tcp_scoreboard_mark_lost(c->sb, tcp_scoreboard_at(c->sb, i));
	tcp_conn_queue_output(c);
	tcp_count(t, HD_TCP_MTU_REDUCED);
}

void tcp_icmp(struct tcp *t, const struct flow_key *key, uint32_t quoted_seq, enum tcp_icmp what,
	      uint32_t mtu, hd_ns now)
{
	tcp_set_now(t, now);

	struct tcp_conn *c = quoted_connection(t, key, quoted_seq);

	if (c == NULL)
		tcp_count(t, HD_TCP_ICMP_IGNORED);
	else if (what == TCP_ICMP_TOO_BIG)
		too_big(t, c, mtu);
	/* RFC 5461 and 5927 5.2: while opening an error is an answer; later even a hard one is only
	 * a hint. */
	else if (what == TCP_ICMP_HARD && c->state == TCP_SYN_SENT)
		tcp_conn_fail(c, TCP_ERR_REFUSED);
	else
		tcp_count(t, HD_TCP_ICMP_IGNORED);
}

void tcp_unreachable(struct tcp *t, const struct flow_key *key, hd_ns now)
{
	int found;

	tcp_set_now(t, now);

	uint32_t value = tcp_lookup(t, key, t->ops->hash(t->ctx, key), &found);

	if (!found || value & TCP_VALUE_WAIT)
		return;
	if (tcp_conn_at(t, value)->state == TCP_SYN_SENT)
		tcp_conn_fail(tcp_conn_at(t, value), TCP_ERR_UNREACHABLE);
}
