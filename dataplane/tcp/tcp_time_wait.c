/* SPDX-License-Identifier: Apache-2.0 */
/* TIME-WAIT (RFC 9293 3.6, 3.10.7.4; RFC 6191; RFC 1337). When all places are taken the oldest
 * gives way. */
#include "tcp_stack.h"

static uint32_t hash_of(const struct tcp *t, const struct tcp_wait *w)
{
	return t->ops->hash(t->ctx, &w->key);
}

void tcp_wait_drop(struct tcp *t, struct tcp_wait *w)
{
	tcp_table_remove(&t->table, hash_of(t, w), core_pool_index(&t->waits, w) | TCP_VALUE_WAIT);
	list_remove(&w->link);
	core_pool_put(&t->waits, w);
}

static struct tcp_wait *oldest(const struct tcp *t)
{
	struct list_link *l = list_front(&t->waiting);

	return l == NULL ? NULL : list_entry(l, struct tcp_wait, link);
}

/* The connection becomes a wait: the caller ends it. */
void tcp_wait_enter(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_wait *w = core_pool_get(&t->waits);
	uint32_t hash = t->ops->hash(t->ctx, &c->key);

	if (w == NULL) {
		tcp_count(t, HD_TCP_TIME_WAIT_EVICTED);
		tcp_wait_drop(t, oldest(t));
		w = core_pool_get(&t->waits);
	}
	*w = (struct tcp_wait){
		.key = c->key,
		.path = c->path,
		.snd_nxt = c->snd_nxt,
		.rcv_nxt = c->rcv_nxt,
		.ts_recent = c->ts_recent,
		.ts_offset = c->ts_offset,
		.since_ms = t->now_ms,
		.window = u32_min((c->rcv_edge - c->rcv_nxt) >> tcp_conn_scale_ours(c), UINT16_MAX),
		.has_ts = (c->flags & TCP_F_TS) != 0,
	};
	tcp_table_remove(&t->table, hash, core_pool_index(&t->conns, c));
	c->flags &= ~(uint32_t)TCP_F_IN_TABLE;
	t->open--;
	list_push_back(&t->waiting, &w->link);
	/* The place that the connection had is free now. */
	if (tcp_table_insert(&t->table, hash, core_pool_index(&t->waits, w) | TCP_VALUE_WAIT) !=
	    0) {
		list_remove(&w->link);
		core_pool_put(&t->waits, w);
	}
}

/* RFC 6191 and RFC 9293 3.10.7.4: a SYN that is newer than all of the old connection. */
static int is_newer_syn(const struct tcp_wait *w, const struct tcp_segment *s)
{
	if ((s->flags & (PKT_TCP_SYN | PKT_TCP_ACK | PKT_TCP_RST | PKT_TCP_FIN)) != PKT_TCP_SYN)
		return 0;
	if (w->has_ts && s->opt.present & TCP_OPTION_TS && s->opt.tsval != w->ts_recent)
		return seq_gt(s->opt.tsval, w->ts_recent);
	return seq_gt(s->seq, w->rcv_nxt);
}

int tcp_wait_input(struct tcp *t, struct tcp_wait *w, const struct tcp_segment *s,
		   uint32_t *isn_floor)
{
	if (is_newer_syn(w, s)) {
		*isn_floor = w->snd_nxt;
		tcp_wait_drop(t, w);
		return 1;
	}
	if (s->flags & PKT_TCP_RST) /* RFC 1337 3, fix 1 */
		return 0;
	/* A late FIN that was sent again starts the wait anew; whatever else comes hears where we
	 * stand. An ACK that says nothing new gets no answer: two such ends would talk for ever. */
	if (s->flags & PKT_TCP_FIN && s->seq + s->len + 1 == w->rcv_nxt) {
		w->since_ms = t->now_ms;
		list_remove(&w->link);
		list_push_back(&t->waiting, &w->link);
	} else if (s->len == 0 && !(s->flags & (PKT_TCP_SYN | PKT_TCP_FIN))) {
		return 0;
	}
	tcp_output_wait_ack(t, w);
	return 0;
}

static hd_ns left(const struct tcp *t, const struct tcp_wait *w)
{
	hd_ns spent = (hd_ns)(t->now_ms - w->since_ms) * HD_NS_PER_MS;

	return spent >= t->config.time_wait ? 0 : t->config.time_wait - spent;
}

void tcp_wait_expire(struct tcp *t)
{
	struct tcp_wait *w;

	while ((w = oldest(t)) != NULL && left(t, w) == 0)
		tcp_wait_drop(t, w);
}

hd_ns tcp_wait_next_deadline(const struct tcp *t)
{
	const struct tcp_wait *w = oldest(t);

	return w == NULL ? HD_NS_NEVER : t->now + left(t, w);
}
