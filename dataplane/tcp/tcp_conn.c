/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's life, its place on the lists, and what its owner asks of it. */
#include <errno.h>

#include "tcp_stack.h"

#define MSS_DEFAULT_V4 536 /* RFC 9293 3.7.1 */
#define MSS_DEFAULT_V6 1220
#define MSS_FLOOR \
	88 /* below this a peer only wants many segments (CVE-2019-11479); such a peer gets 88 */
#define HEADERS_V4 40
#define HEADERS_V6 60
#define SEND_BUF_BYTES \
	1024 /* the send queue may hold so many buffers as its bytes divided by this, and some */
#define SEND_BUFS_MIN 32
#define SEND_START 32768 /* bytes in the send queue, however slow the peer */
#define KEEPALIVE_TIME_S 7200
#define KEEPALIVE_INTERVAL_S 75

struct tcp_conn *tcp_conn_create(struct tcp *t, const struct flow_key *key, uint32_t hash)
{
	struct tcp_conn *c = core_pool_get(&t->conns);

	if (c == NULL)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->t = t;
	c->key = *key;
	if (tcp_table_insert(&t->table, hash, core_pool_index(&t->conns, c)) != 0) {
		core_pool_put(&t->conns, c);
		return NULL;
	}
	t->open++;
	c->flags = TCP_F_IN_TABLE;
	c->ts_offset = tcp_isn_timestamp_offset(t->config.secret, key);
	c->heard_ms = c->opened_ms = t->now_ms;
	c->keepalive_time_s = KEEPALIVE_TIME_S;
	c->keepalive_interval_s = KEEPALIVE_INTERVAL_S;
	return c;
}

static void leave_half_open(struct tcp_conn *c)
{
	if (c->flags & TCP_F_HALF_OPEN) {
		c->flags &= ~(uint32_t)TCP_F_HALF_OPEN;
		c->t->half_open--;
	}
}

void tcp_conn_drop_scoreboard(struct tcp_conn *c)
{
	struct tcp *t = c->t;

	if (c->sb == NULL)
		return;
	if (c->sb->rec != c->sb->inside)
		core_pool_put(c->sb->mask + 1u == TCP_SCOREBOARD_MEDIUM ? &t->medium : &t->large,
			      c->sb->rec);
	core_pool_put(&t->boards, c->sb);
	c->sb = NULL;
}

void tcp_conn_drop_ranges(struct tcp_conn *c)
{
	if (c->ooo == NULL)
		return;
	tcp_ranges_clear(c->ooo);
	core_pool_put(&c->t->ranges, c->ooo);
	c->ooo = NULL;
}

void tcp_conn_detach(struct tcp_conn *c)
{
	struct tcp *t = c->t;

	if (c->flags & TCP_F_IN_TABLE) {
		tcp_table_remove(&t->table, t->ops->hash(t->ctx, &c->key),
				 core_pool_index(&t->conns, c));
		c->flags &= ~(uint32_t)TCP_F_IN_TABLE;
		t->open--;
	}
	leave_half_open(c);
	if (c->flags & TCP_F_ORPHAN) {
		c->flags &= ~(uint32_t)TCP_F_ORPHAN;
		t->orphans--;
	}
	wheel_cancel(&t->wheel, &c->timer);
	c->rtx_us = c->delack_us = c->state_ms = 0;
	t->queued -= c->tx.bytes;
	bufq_clear(&c->tx);
	c->tx_buf = NULL;
	tcp_conn_drop_ranges(c);
	tcp_conn_drop_scoreboard(c);
	c->state = TCP_CLOSED;
}

void tcp_conn_free(struct tcp_conn *c)
{
	tcp_conn_detach(c);
	bufq_clear(&c->rx);
	if (c->flags & (TCP_F_IN_READY | TCP_F_IN_OUTPUT))
		c->flags |= TCP_F_DEAD;
	else
		core_pool_put(&c->t->conns, c);
}

static void end(struct tcp_conn *c, uint32_t event)
{
	tcp_conn_detach(c);
	if (c->user == NULL)
		tcp_conn_free(c);
	else
		tcp_conn_raise(c, event);
}

void tcp_conn_fail(struct tcp_conn *c, enum tcp_error error)
{
	c->error = (uint8_t)error;
	end(c, TCP_EV_RESET);
}

void tcp_conn_finish(struct tcp_conn *c)
{
	end(c, TCP_EV_CLOSED);
}

void tcp_conn_queue_output(struct tcp_conn *c)
{
	struct tcp *t = c->t;

	if (c->flags & TCP_F_IN_OUTPUT)
		return;
	c->flags |= TCP_F_IN_OUTPUT;
	c->output_next = NULL;
	if (t->output_tail == NULL)
		t->output_head = c;
	else
		t->output_tail->output_next = c;
	t->output_tail = c;
}

static void push_ready(struct tcp_conn **head, struct tcp_conn **tail, struct tcp_conn *c)
{
	c->flags |= TCP_F_IN_READY;
	c->ready_next = NULL;
	if (*tail == NULL)
		*head = c;
	else
		(*tail)->ready_next = c;
	*tail = c;
}

void tcp_conn_raise(struct tcp_conn *c, uint32_t events)
{
	if (c->flags & TCP_F_RELEASED)
		return;
	c->events |= (uint8_t)events;
	if (!(c->flags & TCP_F_IN_READY))
		push_ready(&c->t->ready_head, &c->t->ready_tail, c);
}

void tcp_ready_again(struct tcp_conn *c, uint32_t events)
{
	c->events |= (uint8_t)events;
	if (!(c->flags & TCP_F_IN_READY))
		push_ready(&c->t->again_head, &c->t->again_tail, c);
}

struct tcp_conn *tcp_ready_next(struct tcp *t, uint32_t *events)
{
	struct tcp_conn *c;

	while ((c = t->ready_head) != NULL) {
		t->ready_head = c->ready_next;
		if (t->ready_head == NULL)
			t->ready_tail = NULL;
		c->flags &= ~(uint32_t)TCP_F_IN_READY;
		if (c->flags & TCP_F_DEAD) {
			tcp_conn_free(c);
			continue;
		}
		if (c->events == 0) /* released since, and closing by itself */
			continue;
		*events = c->events;
		c->events = 0;
		return c;
	}
	/* What the owner put back waits for its next turn, so that one turn ends. */
	t->ready_head = t->again_head;
	t->ready_tail = t->again_tail;
	t->again_head = t->again_tail = NULL;
	return NULL;
}

void tcp_conn_update_mss(struct tcp_conn *c)
{
	uint32_t mss = c->peer_mss, ours = tcp_conn_advertised_mss(c);

	mss = mss < MSS_FLOOR ? MSS_FLOOR : mss;
	mss = mss > ours ? ours : mss;
	/* RFC 9293 MUST-16, RFC 6691: what options take comes off. */
	c->mss = (uint16_t)(mss - (c->flags & TCP_F_TS ? TCP_OPTIONS_TS_BYTES : 0));
}

uint16_t tcp_conn_default_mss(const struct flow_key *key)
{
	return hd_ip_is_v4(&key->remote) ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6;
}

uint16_t tcp_path_mss(const struct flow_path *path, const struct flow_key *key)
{
	uint32_t headers = hd_ip_is_v4(&key->remote) ? HEADERS_V4 : HEADERS_V6;

	return path->mtu < headers + MSS_FLOOR ? tcp_conn_default_mss(key)
					       : (uint16_t)(path->mtu - headers);
}

uint16_t tcp_conn_advertised_mss(const struct tcp_conn *c)
{
	return tcp_path_mss(&c->path, &c->key);
}

int tcp_conn_lower_mss(struct tcp_conn *c, uint16_t mss)
{
	if (mss >= c->peer_mss || mss >= tcp_conn_advertised_mss(c))
		return 0;
	c->peer_mss = mss;
	tcp_conn_update_mss(c);
	return 1;
}

void tcp_conn_negotiate(struct tcp_conn *c, const struct tcp_options *o)
{
	uint32_t scale = o->scale > TCP_OPTIONS_MAX_SCALE ? TCP_OPTIONS_MAX_SCALE : o->scale;

	c->flags &= ~(uint32_t)(TCP_F_TS | TCP_F_SACK | TCP_F_SCALE | TCP_F_ECN);
	c->scales = 0;
	if (o->present & TCP_OPTION_TS) {
		c->flags |= TCP_F_TS;
		c->ts_recent = o->tsval;
	}
	if (o->present & TCP_OPTION_SACK_OK)
		c->flags |= TCP_F_SACK;
	if (o->present & TCP_OPTION_ECN && c->t->config.ecn != TCP_ECN_OFF)
		c->flags |= TCP_F_ECN;
	if (o->present & TCP_OPTION_SCALE) {
		c->flags |= TCP_F_SCALE;
		c->scales = (uint8_t)(scale << 4 | c->t->scale);
	}
	c->peer_mss = o->present & TCP_OPTION_MSS ? o->mss : tcp_conn_default_mss(&c->key);
	tcp_conn_update_mss(c);
}

void tcp_conn_establish(struct tcp_conn *c, const struct tcp_segment *s)
{
	struct tcp *t = c->t;
	uint32_t waited = t->now_us - c->syn_sent_us;

	/* RFC 6298 5.7: after a lost SYN the first data start with 3 s, unless a sample says
	 * otherwise; RFC 6928 2: and with one segment. */
	if (c->flags & TCP_F_SYN_RESENT) {
		c->cc.cwnd = c->mss;
		if (c->flags & TCP_F_TS && s->opt.present & TCP_OPTION_TS)
			tcp_rtt_sample(&c->rtt,
				       (tcp_timestamp(t, c->ts_offset) - s->opt.tsecr) * 1000);
	} else {
		c->cc.cwnd = tcp_cc_initial_window(c->mss);
		if (c->syn_sent_us != 0) /* else a cookie: nobody knows */
			tcp_rtt_sample(&c->rtt, waited);
	}
	c->cc.ssthresh = TCP_CC_SSTHRESH_NONE;
	c->rcv_held = 0;
	leave_half_open(c);
	c->backoff = 0;
	c->rtx_us = c->state_ms = 0;
	c->snd_una = s->ack;
	c->snd_wnd = s->wnd;
	c->snd_wnd_max = s->wnd;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	c->state = TCP_ESTABLISHED;
	if (c->keepalive_probes != 0)
		tcp_timers_set_state(t, c, c->keepalive_time_s * HD_NS_PER_S);
	tcp_count(t, c->flags & TCP_F_ACTIVE ? HD_TCP_CONNECTED : HD_TCP_ACCEPTED);
	tcp_conn_raise(c, c->flags & TCP_F_ACTIVE ? TCP_EV_CONNECTED : TCP_EV_ACCEPTED);
	tcp_conn_queue_output(c);
}

struct tcp_scoreboard *tcp_conn_scoreboard(struct tcp_conn *c)
{
	if (c->sb == NULL) {
		c->sb = core_pool_get(&c->t->boards);
		if (c->sb != NULL)
			tcp_scoreboard_init(c->sb);
		else
			tcp_count(c->t, HD_TCP_NO_BOARD);
	}
	return c->sb;
}

enum tcp_error tcp_connect(struct tcp *t, const struct hd_ip *local, const struct hd_addr *remote,
			   hd_ns now, struct tcp_conn **out)
{
	struct flow_key key = { .local = *local,
				.remote = remote->ip,
				.remote_port = remote->port };
	struct flow_path path = { 0 };
	struct tcp_conn *c;
	uint32_t hash;

	tcp_set_now(t, now);
	if (t->ops->route(t->ctx, &key, &path) != 0)
		return TCP_ERR_UNREACHABLE;
	if (tcp_ports_choose(t, &key, &hash) != 0)
		return TCP_ERR_NO_PORTS;
	c = tcp_conn_create(t, &key, hash);
	if (c == NULL) {
		tcp_count(t, HD_TCP_NO_MEMORY);
		return TCP_ERR_NO_MEMORY;
	}
	c->path = path;
	c->in_port = path.port;
	c->flags |= TCP_F_ACTIVE | TCP_F_TS | TCP_F_SACK | TCP_F_SCALE;
	c->state = TCP_SYN_SENT;
	c->snd_una = tcp_isn_generate(t->config.secret, &key, now);
	c->snd_nxt = c->snd_una + 1;
	tcp_conn_queue_output(c);
	*out = c;
	return TCP_OK;
}

void tcp_conn_set_user(struct tcp_conn *c, void *user)
{
	c->user = user;
}

void *tcp_conn_user(const struct tcp_conn *c)
{
	return c->user;
}

uint64_t tcp_conn_id(const struct tcp_conn *c)
{
	return core_pool_handle(&c->t->conns, c);
}

const struct flow_key *tcp_conn_key(const struct tcp_conn *c)
{
	return &c->key;
}

uint8_t tcp_conn_port(const struct tcp_conn *c)
{
	return c->in_port;
}

enum tcp_error tcp_conn_error(const struct tcp_conn *c)
{
	return (enum tcp_error)c->error;
}

struct bufq *tcp_conn_rx(struct tcp_conn *c)
{
	return &c->rx;
}

/* RFC 9293 3.8.6.2.2, receiver: the window opens again in steps that are worth a segment. While the
 * peer has room left the next ACK tells it; when it may be waiting an ACK of its own does. */
void tcp_received(struct tcp_conn *c, uint32_t bytes)
{
	uint32_t buffer, offered, room;

	c->rcv_held -= u32_min(bytes, c->rcv_held);
	buffer = tcp_receive_buffer(c);
	if (c->state < TCP_ESTABLISHED || c->flags & TCP_F_FIN_RECEIVED)
		return;
	offered = c->rcv_edge - c->rcv_nxt;
	room = u32_min(buffer - u32_min(buffer, c->rcv_held),
		       (uint32_t)UINT16_MAX << tcp_conn_scale_ours(c));
	if (offered < buffer / 8 && room >= offered + u32_min(2u * c->mss, buffer / 2)) {
		c->flags |= TCP_F_ACK_NOW;
		tcp_conn_queue_output(c);
	}
}

/* Twice what may be in flight keeps the network busy; what a slow reader would not take soon is not
 * queued for it. */
static uint32_t send_buffer(const struct tcp_conn *c)
{
	uint32_t flight = u32_min(c->cc.cwnd, c->snd_wnd);

	return u32_min(c->t->config.snd_buffer, u32_max(SEND_START, 2 * u32_min(flight, 1u << 30)));
}

uint32_t tcp_send_space(const struct tcp_conn *c)
{
	uint32_t limit = send_buffer(c), max_bufs = limit / SEND_BUF_BYTES + SEND_BUFS_MIN;

	if (c->state == TCP_CLOSED || c->flags & TCP_F_FIN_WANTED || c->tx.bytes >= limit ||
	    c->tx.bufs >= max_bufs)
		return 0;
	if (c->t->shortage != TCP_BUFFERS_PLENTY && c->tx.bytes != 0)
		return 0;
	return u32_min(limit - c->tx.bytes, (max_bufs - c->tx.bufs) * SEND_BUF_BYTES);
}

void tcp_send(struct tcp_conn *c, struct bufq *q)
{
	if (c->state == TCP_CLOSED || c->flags & TCP_F_FIN_WANTED) {
		bufq_clear(q);
		return;
	}
	c->t->queued += q->bytes;
	bufq_concat(&c->tx, q);
	bufq_init(q);
	tcp_conn_queue_output(c);
}

int tcp_send_copy(struct tcp_conn *c, const void *data, uint32_t n)
{
	int rc;

	if (c->state == TCP_CLOSED || c->flags & TCP_F_FIN_WANTED)
		return 0;
	rc = bufq_copy_in(&c->tx, data, n, c->t->header);
	if (rc != 0)
		return rc;
	c->t->queued += n;
	tcp_conn_queue_output(c);
	return 0;
}

uint64_t tcp_send_offset(const struct tcp_conn *c)
{
	return c->acked + c->tx.bytes;
}

uint64_t tcp_acked_offset(const struct tcp_conn *c)
{
	return c->acked;
}

uint64_t tcp_received_offset(const struct tcp_conn *c)
{
	return c->received;
}

void tcp_ask(struct tcp_conn *c)
{
	c->flags |= TCP_F_ASKED;
	c->question = c->snd_una + c->tx.bytes;
	c->answer_from = (uint32_t)c->received;
}

uint32_t tcp_unasked(const struct tcp_conn *c)
{
	uint32_t taken = (uint32_t)c->received - c->rx.bytes;

	if (c->flags & TCP_F_ASKED)
		return c->rx.bytes;
	return seq_gt(c->answer_from, taken) ? u32_min(c->answer_from - taken, c->rx.bytes) : 0;
}

int tcp_has_refused(const struct tcp_conn *c)
{
	return (c->flags & TCP_F_REFUSED) != 0;
}

void tcp_expects_more(struct tcp_conn *c)
{
	if (!(c->unacked & TCP_UNACKED_SMALL) || c->flags & TCP_F_ACK_SOON)
		return;
	c->flags |= TCP_F_ACK_SOON;
	tcp_conn_queue_output(c);
}

void tcp_close(struct tcp_conn *c)
{
	if (c->state == TCP_CLOSED || c->flags & TCP_F_FIN_WANTED)
		return;
	if (c->state == TCP_SYN_SENT) { /* RFC 9293 3.10.4: nobody there yet */
		tcp_conn_finish(c);
		return;
	}
	c->flags |= TCP_F_FIN_WANTED;
	tcp_conn_queue_output(c);
}

void tcp_abort(struct tcp_conn *c)
{
	if (c->state >= TCP_SYN_RECEIVED)
		tcp_output_reset(c->t, c);
	tcp_conn_free(c);
}

void tcp_release(struct tcp_conn *c)
{
	c->user = NULL;
	c->events = 0;
	if (c->state == TCP_CLOSED) {
		tcp_conn_free(c);
		return;
	}
	c->flags |= TCP_F_RELEASED;
	if (c->t->orphans >= c->t->orphans_max) { /* too many linger: this one ends now */
		tcp_count(c->t, HD_TCP_ORPHANS_RESET);
		tcp_abort(c);
		return;
	}
	c->flags |= TCP_F_ORPHAN;
	c->t->orphans++;
	bufq_clear(&c->rx);
	c->rcv_held = 0;
	if (c->state == TCP_FIN_WAIT_2)
		tcp_timers_set_state(c->t, c, c->t->config.fin_wait_2);
	tcp_close(c);
}

static uint16_t seconds(hd_ns ns)
{
	uint64_t s = (ns + HD_NS_PER_S - 1) / HD_NS_PER_S;

	return s > UINT16_MAX ? UINT16_MAX : s == 0 ? 1 : (uint16_t)s;
}

void tcp_set_keepalive(struct tcp_conn *c, uint32_t probes, hd_ns time, hd_ns interval)
{
	c->keepalive_probes = probes > UINT8_MAX ? UINT8_MAX : (uint8_t)probes;
	c->keepalive_time_s = seconds(time);
	c->keepalive_interval_s = seconds(interval);
	c->keepalive_sent = 0;
	if (c->state != TCP_ESTABLISHED && c->state != TCP_CLOSE_WAIT)
		return;
	tcp_timers_set_state(c->t, c,
			     probes == 0 ? HD_NS_NEVER : c->keepalive_time_s * HD_NS_PER_S);
}

void tcp_set_connect_timeout(struct tcp_conn *c, hd_ns timeout)
{
	if (c->state == TCP_SYN_SENT || (c->state == TCP_SYN_RECEIVED && c->flags & TCP_F_ACTIVE))
		tcp_timers_set_state(c->t, c, timeout);
}

const char *tcp_conn_state_name(const struct tcp_conn *c)
{
	static const char *const names[] = { "closed",	    "syn_sent",	  "syn_received",
					     "established", "fin_wait_1", "fin_wait_2",
					     "close_wait",  "closing",	  "last_ack" };

	return names[c->state];
}

uint32_t tcp_room_for_callers(const struct tcp *t, uint32_t *of)
{
	*of = t->callers_max;
	return t->callers_max - u32_min(t->callers_max, t->conns.used);
}

uint32_t tcp_n_connections(const struct tcp *t)
{
	return t->open;
}

uint64_t tcp_bytes_queued(const struct tcp *t)
{
	return t->queued;
}

struct tcp_conn *tcp_conn_walk(struct tcp *t, uint32_t *cursor)
{
	struct tcp_conn *c;

	while ((c = core_pool_walk(&t->conns, cursor)) != NULL)
		if (c->flags & TCP_F_IN_TABLE)
			return c;
	return NULL;
}

int tcp_conn_step(struct tcp *t, uint32_t *cursor, struct tcp_conn **c)
{
	if (core_pool_is_past(&t->conns, *cursor))
		return 0;
	*c = core_pool_step(&t->conns, cursor);
	if (*c != NULL && !((*c)->flags & TCP_F_IN_TABLE))
		*c = NULL;
	return 1;
}

hd_ns tcp_conn_opened(const struct tcp_conn *c)
{
	return c->t->now - (hd_ns)(c->t->now_ms - c->opened_ms) * HD_NS_PER_MS;
}

int tcp_conn_is_active(const struct tcp_conn *c)
{
	return (c->flags & TCP_F_ACTIVE) != 0;
}
