/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_mailbox.h"

static void dump_connection(const struct worker *w, struct tcp_conn *c,
			    struct hd_dump_connection *row)
{
	const struct flow_key *key = tcp_conn_key(c);
	hd_ns opened = tcp_conn_opened(c);

	*row = (struct hd_dump_connection){
		.id = tcp_conn_id(c),
		.local = { key->local, key->local_port },
		.remote = { key->remote, key->remote_port },
		.bytes_in = tcp_received_offset(c),
		.bytes_out = tcp_send_offset(c),
		.age = w->stack.now > opened ? w->stack.now - opened : 0,
		.up = (uint8_t)tcp_conn_is_active(c),
	};
	memccpy(row->state, tcp_conn_state_name(c), 0, sizeof(row->state) - 1);
	proxy_describe(c, row);
}

static int is_wanted(const struct hd_dump *d, const struct hd_dump_connection *row)
{
	return (!d->only_tls || row->tls) &&
	       (hd_ip_is_zero(&d->only) || hd_ip_eq(&d->only, &row->local.ip) ||
		hd_ip_eq(&d->only, &row->remote.ip));
}

/* The rows of this turn. True: there is more. */
static int dump_connections(struct worker *w, struct hd_dump *d)
{
	struct hd_dump_connection row;
	struct tcp_conn *c;

	for (int i = 0; i < WORKER_DUMP_PLACES; i++) {
		if (!tcp_conn_step(w->stack.tcp, &w->dump_cursor, &c))
			return 0;
		if (c == NULL)
			continue;
		dump_connection(w, c, &row);
		if (!is_wanted(d, &row))
			continue;
		if (d->count == d->capacity)
			d->left_out++;
		else
			d->connections[d->count++] = row;
	}
	return 1;
}

static int dump_neighbors(struct worker *w, struct hd_dump *d)
{
	uint32_t n = net_neighbors(w->stack.net, d->neighbors, d->capacity, w->stack.now);

	d->count = RTE_MIN(n, d->capacity);
	d->left_out = n - d->count;
	return 0;
}

void worker_dump_finish(struct worker *w)
{
	if (w->dump == NULL)
		return;
	atomic_store_explicit(&w->dump->done, 1, memory_order_release);
	w->dump = NULL;
}

static void run_dump(struct worker *w)
{
	struct hd_dump *d = w->dump;

	if (!(d->kind == HD_DUMP_CONNECTIONS ? dump_connections(w, d) : dump_neighbors(w, d)))
		worker_dump_finish(w);
}

static void handle_message(struct worker *w, const struct hd_ctrl_msg *msg, hd_ns now)
{
	switch (msg->type) {
	case HD_CTRL_DRAIN:
		proxy_drain(w->proxy, now);
		break;
	case HD_CTRL_STOP:
		w->stopped = 1;
		break;
	case HD_CTRL_PROBE:
		proxy_probe(w->proxy, msg->probe, now);
		break;
	case HD_CTRL_DUMP:
		w->dump = msg->dump;
		w->dump->count = 0;
		w->dump->left_out = 0;
		w->dump_cursor = 0;
		break;
	}
}

/* Messages wait while a dump is in progress: it takes a bounded number of turns. */
int worker_mailbox_read(struct worker *w, hd_ns now)
{
	const struct hd_ctrl_msg *msg;
	int any = 0;

	if (w->mailbox == NULL)
		return 0;
	for (; any < WORKER_MESSAGES && w->dump == NULL && (msg = hd_ring_peek(w->mailbox)) != NULL;
	     any++) {
		handle_message(w, msg, now);
		hd_ring_pop(w->mailbox);
	}
	if (w->dump == NULL)
		return any;
	run_dump(w);
	return 1;
}
