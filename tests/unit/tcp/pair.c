/* SPDX-License-Identifier: Apache-2.0 */
#include "pair.h"

#include <rte_byteorder.h>
#include <rte_eal.h>
#include <rte_tcp.h>

#include "core_siphash.h"

#define POOL_BUFS 8191
#define JUNK_HEADER 34 /* Ethernet and IPv4, which tcp must not read */

static struct rte_mempool *rx_pool, *header_pool, *indirect_pool;

struct pair_packet {
	struct pair_packet *next;
	hd_ns at;
	struct pair_segment s;
	uint32_t n;
	uint8_t bytes[];
};

int pair_eal(const char *prefix)
{
	char *argv[] = { "test",
			 "--no-huge",
			 "--no-pci",
			 "-m",
			 "96",
			 "--no-shconf",
			 "--no-telemetry",
			 "--file-prefix",
			 (char *)prefix,
			 "--log-level=error",
			 "-l",
			 "0" };

	if (rte_eal_init(HD_ARRAY_SIZE(argv), argv) < 0)
		return -1;
	rx_pool = rte_pktmbuf_pool_create("rx", POOL_BUFS, 0, PKT_PRIV_SIZE,
					  RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	header_pool = rte_pktmbuf_pool_create("header", POOL_BUFS, 0, PKT_PRIV_SIZE,
					      RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	indirect_pool = rte_pktmbuf_pool_create("indirect", POOL_BUFS, 0, PKT_PRIV_SIZE, 0, 0);
	return rx_pool != NULL && header_pool != NULL && indirect_pool != NULL ? 0 : -1;
}

uint8_t pair_byte(uint32_t salt, uint64_t offset)
{
	uint64_t x = (offset + salt) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)(x >> 56);
}

uint32_t pair_random(struct pair *p, uint32_t below)
{
	p->seed = p->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((p->seed >> 33) % below);
}

static int happens(struct pair *p, uint32_t ppm)
{
	return ppm != 0 && pair_random(p, 1000000) < ppm;
}

static uint32_t fake_hash(const struct flow_key *k)
{
	static const uint64_t key[2] = { 1, 2 };
	uint64_t w[5] = { k->local.q[0], k->local.q[1], k->remote.q[0], k->remote.q[1],
			  (uint64_t)k->local_port << 16 | k->remote_port };

	return (uint32_t)siphash_1_3(key, w, sizeof(w));
}

static int64_t fake_listener(void *ctx, const struct pkt_facts *f)
{
	struct pair_end *e = ctx;

	return e->listens && f->key.local_port == PAIR_PORT ? 7 : -1;
}

static int fake_route(void *ctx, const struct flow_key *key, struct flow_path *path)
{
	struct pair_end *e = ctx;

	if (e->no_route)
		return -1;
	path->mtu = e->mtu;
	path->valid = 1;
	return 0;
}

static uint32_t ops_hash(void *ctx, const struct flow_key *key)
{
	return fake_hash(key);
}

static void enqueue(struct pair *p, const struct pair_packet *from, hd_ns at)
{
	struct pair_packet *k = malloc(sizeof(*k) + from->n), **link = &p->queue;

	memcpy(k, from, sizeof(*k) + from->n);
	k->at = at;
	while (*link != NULL && (*link)->at <= at)
		link = &(*link)->next;
	k->next = *link;
	*link = k;
}

static void describe(struct pair_segment *s, const uint8_t *b, uint32_t n)
{
	const struct rte_tcp_hdr *h = (const struct rte_tcp_hdr *)b;
	uint32_t offset = (uint32_t)(h->data_off >> 4) * 4;

	assert_true(offset >= 20 && offset <= n);
	s->seq = rte_be_to_cpu_32(h->sent_seq);
	s->ack = rte_be_to_cpu_32(h->recv_ack);
	s->window = rte_be_to_cpu_16(h->rx_win);
	s->flags = h->tcp_flags;
	s->sport = rte_be_to_cpu_16(h->src_port);
	s->dport = rte_be_to_cpu_16(h->dst_port);
	s->len = n - offset;
	s->opt_bytes = (uint8_t)(offset - 20);
	assert_int_equal(h->cksum, 0);
	memcpy(s->payload, b + offset, u32_min(s->len, sizeof(s->payload)));
	tcp_options_parse(&s->opt, b + 20, offset - 20, (s->flags & PKT_TCP_SYN) != 0);
}

/* Puts the segment on the link with what the link does to it. */
static void carry(struct pair *p, struct pair_packet *k)
{
	hd_ns at = p->now + p->delay + (p->jitter != 0 ? pair_random(p, (uint32_t)p->jitter) : 0);

	k->s.dropped =
		(uint8_t)((p->drop != NULL && p->drop(p->drop_ctx, &k->s)) ||
			  happens(p, p->loss_ppm) ||
			  happens(p, p->corrupt_ppm)); /* net's checksum finds a corrupted one */
	if (p->n_log < PAIR_LOG)
		p->log[p->n_log++] = k->s;
	if (k->s.dropped || p->end[!k->s.from].raw)
		return;
	if (happens(p, p->reorder_ppm))
		at += p->late != 0 ? p->late : p->delay + pair_random(p, 1 + (uint32_t)p->delay);
	enqueue(p, k, at);
	if (happens(p, p->dup_ppm))
		enqueue(p, k, at + pair_random(p, 1 + 2 * (uint32_t)p->delay));
}

/* As net: beyond three quarters of its queue it says so, beyond its queue it drops. */
static int has_tx_room(struct pair_end *e)
{
	if (e->tx_takes == 0)
		return 1;
	if (e->tx_room == 0)
		return 0;
	e->tx_room--;
	return 1;
}

static int is_tx_busy(const struct pair_end *e)
{
	return e->tx_takes != 0 && e->tx_room <= e->tx_takes / 4;
}

static uint32_t fake_busy_ports(void *ctx)
{
	return (uint32_t)is_tx_busy(ctx);
}

static int fake_xmit(void *ctx, struct rte_mbuf *m, const struct flow_key *key,
		     struct flow_path *path, uint8_t tos, int32_t payload_sum)
{
	struct pair_end *e = ctx;
	struct pair_packet *k = malloc(sizeof(*k) + m->pkt_len);
	uint32_t n = 0, segs = 0;

	assert_true(rte_pktmbuf_headroom(m) >= 64);
	for (const struct rte_mbuf *x = m; x != NULL; x = x->next, segs++) {
		memcpy(k->bytes + n, rte_pktmbuf_mtod(x, const void *), x->data_len);
		n += x->data_len;
	}
	assert_int_equal(n, m->pkt_len);
	assert_int_equal(segs, m->nb_segs);
	rte_pktmbuf_free(m);
	k->n = n;
	k->s = (struct pair_segment){ .at = e->p->now, .from = e->index, .tos = tos };
	describe(&k->s, k->bytes, n);
	assert_int_equal(k->s.sport, key->local_port);
	assert_true(hd_ip_eq(&key->local, &e->ip));
	assert_int_not_equal(tos & 3, 1); /* ECT(1) */
	assert_true(n <= e->mtu - 20u || e->mtu == 0);
	if (has_tx_room(e))
		carry(e->p, k);
	else
		e->p->tx_drops++;
	free(k);
	return is_tx_busy(e);
}

static const struct tcp_ops fake_ops = { .listener = fake_listener,
					 .xmit = fake_xmit,
					 .busy_ports = fake_busy_ports,
					 .route = fake_route,
					 .hash = ops_hash };

struct tcp_config pair_config(void)
{
	struct tcp_config c;

	tcp_config_defaults(&c);
	c.max_connections = 256;
	c.secret[0] = 11;
	c.secret[1] = 22;
	return c;
}

void pair_init(struct pair *p, uint64_t seed, const struct tcp_config *cfg0,
	       const struct tcp_config *cfg1)
{
	const struct tcp_config *cfg[2] = { cfg0, cfg1 };
	struct tcp_config def = pair_config();

	memset(p, 0, sizeof(*p));
	p->rx_before = rte_mempool_in_use_count(rx_pool);
	p->header_before = rte_mempool_in_use_count(header_pool);
	p->indirect_before = rte_mempool_in_use_count(indirect_pool);
	p->seed = seed * 77 + 5;
	p->now = 1000 * HD_NS_PER_S;
	p->delay = HD_NS_PER_MS;
	p->accept_template = (struct pair_stream){ .release_at_end = 1, .write_chunk = 4096 };
	for (int i = 0; i < 2; i++) {
		struct pair_end *e = &p->end[i];

		e->p = p;
		e->index = (uint8_t)i;
		e->listens = 1;
		e->mtu = 1500;
		e->ip = hd_ip_from_v4(rte_cpu_to_be_32(0x0a000001u + (uint32_t)i));
		e->t = tcp_create(cfg[i] != NULL ? cfg[i] : &def, &fake_ops, e, &e->stats,
				  header_pool, indirect_pool, p->now, 0);
		assert_non_null(e->t);
	}
}

void pair_fini(struct pair *p)
{
	while (p->queue != NULL) {
		struct pair_packet *k = p->queue;

		p->queue = k->next;
		free(k);
	}
	for (int i = 0; i < 2; i++) {
		struct tcp *t = p->end[i].t;
		uint32_t events;

		while (tcp_ready_next(t, &events) != NULL)
			;
		tcp_flush(t, p->now);
		assert_int_equal(t->open, 0);
		assert_int_equal(t->half_open, 0);
		assert_int_equal(t->conns.used, 0);
		assert_int_equal(t->boards.used, 0);
		assert_int_equal(t->medium.used, 0);
		assert_int_equal(t->large.used, 0);
		assert_int_equal(t->ranges.used, 0);
		tcp_destroy(t);
	}
	assert_int_equal(rte_mempool_in_use_count(rx_pool), p->rx_before);
	assert_int_equal(rte_mempool_in_use_count(header_pool), p->header_before);
	assert_int_equal(rte_mempool_in_use_count(indirect_pool), p->indirect_before);
}

static struct pair_stream *new_stream(struct pair *p, struct tcp_conn *c, uint32_t end)
{
	struct pair_stream *s = &p->stream[p->n_streams];

	assert_true(p->n_streams < PAIR_STREAMS);
	*s = p->accept_template;
	s->c = c;
	s->end = (uint8_t)end;
	s->salt = 1000u + end;
	p->n_streams++;
	tcp_conn_set_user(c, s);
	return s;
}

struct pair_stream *pair_connect(struct pair *p, uint32_t from)
{
	struct hd_addr remote = { .ip = p->end[!from].ip, .port = PAIR_PORT };
	struct tcp_conn *c;
	struct pair_stream *s;

	assert_int_equal(tcp_connect(p->end[from].t, &p->end[from].ip, &remote, p->now, &c),
			 TCP_OK);
	s = new_stream(p, c, from);
	return s;
}

struct pair_stream *pair_accepted(struct pair *p)
{
	for (uint32_t i = p->n_streams; i-- > 0;)
		if (p->stream[i].c != NULL && !tcp_conn_is_active(p->stream[i].c))
			return &p->stream[i];
	return NULL;
}

static void app_read(struct pair_stream *s)
{
	struct bufq *q = tcp_conn_rx(s->c);
	uint32_t take = s->hold_reads	     ? 0
			: s->read_limit != 0 ? u32_min(s->read_limit, q->bytes)
					     : q->bytes;
	uint8_t buf[4096];

	while (take > 0) {
		uint32_t n = u32_min(take, sizeof(buf));

		bufq_copy_out(q, 0, buf, n);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(buf[i], pair_byte(1000u + !s->end, s->received + i));
		bufq_consume(q, n);
		s->received += n;
		take -= n;
		tcp_received(s->c, n);
	}
	if (q->bytes != 0 && !s->hold_reads)
		tcp_ready_again(s->c, TCP_EV_READABLE);
}

static void app_write(struct pair *p, struct pair_stream *s)
{
	uint8_t buf[16384];

	while (s->sent < s->to_send) {
		uint32_t n = u32_min(u32_min(tcp_send_space(s->c), s->write_chunk), sizeof(buf));

		if (s->to_send - s->sent < n)
			n = (uint32_t)(s->to_send - s->sent);
		if (n == 0)
			return;
		for (uint32_t i = 0; i < n; i++)
			buf[i] = pair_byte(s->salt, s->sent + i);
		if (tcp_send_copy(s->c, buf, n) != 0) { /* in the next turn */
			tcp_ready_again(s->c, TCP_EV_WRITABLE);
			return;
		}
		s->sent += n;
	}
	if (s->close_when_done && !s->close_called) {
		s->close_called = 1;
		tcp_close(s->c);
	}
}

static void app_event(struct pair *p, uint32_t end, struct tcp_conn *c, uint32_t ev)
{
	struct pair_stream *s = tcp_conn_user(c);

	if (s == NULL) {
		assert_true(ev & TCP_EV_ACCEPTED);
		s = new_stream(p, c, end);
	}
	assert_ptr_equal(s->c, c);
	if (ev & (TCP_EV_CONNECTED | TCP_EV_ACCEPTED))
		s->connected = 1;
	if (ev & (TCP_EV_RESET | TCP_EV_CLOSED)) /* the last chance to read */
		s->read_limit = 0;
	app_read(s);
	if (ev & TCP_EV_FIN)
		s->fin_seen = 1;
	if (ev & (TCP_EV_RESET | TCP_EV_CLOSED)) {
		s->reset = (ev & TCP_EV_RESET) != 0;
		s->closed = (ev & TCP_EV_CLOSED) != 0;
		s->error = tcp_conn_error(c);
		s->acked_at_end = tcp_acked_offset(c);
		s->c = NULL;
		tcp_release(c);
		return;
	}
	if (s->connected)
		app_write(p, s);
}

static void check_scoreboard(const struct tcp_conn *c)
{
	const struct tcp_scoreboard *b = c->sb;
	uint32_t pipe = 0, sacked = 0, lost = 0, records = 0, next = c->snd_una;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct tcp_sent *s = tcp_scoreboard_at(b, i);

		assert_int_equal(s->seq, next);
		assert_true(s->len > 0);
		next += s->len;
		assert_true((s->flags & (TCP_SENT_SACKED | TCP_SENT_LOST)) !=
			    (TCP_SENT_SACKED | TCP_SENT_LOST));
		sacked += s->flags & TCP_SENT_SACKED ? s->len : 0;
		records += (s->flags & TCP_SENT_SACKED) != 0;
		lost += s->flags & TCP_SENT_LOST ? s->len : 0;
		pipe += s->flags & (TCP_SENT_SACKED | TCP_SENT_LOST) ? 0 : s->len;
	}
	assert_int_equal(next, c->snd_nxt);
	assert_int_equal(pipe, b->pipe);
	assert_int_equal(sacked, b->sacked);
	assert_int_equal(records, b->sacked_records);
	assert_int_equal(lost, b->lost);
}

static void check_conn(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t flight = c->snd_nxt - c->snd_una, sum = 0;

	assert_true(flight < 1u << 30);
	if (c->state >= TCP_ESTABLISHED) {
		assert_true(flight <= c->tx.bytes + 1);
		assert_true((c->rcv_edge - c->rcv_nxt) <= t->config.rcv_buffer + 65536);
		assert_true(c->rcv_held <= t->config.rcv_buffer + 65536);
		if (flight != 0)
			check_scoreboard(c);
		assert_true(c->cc.cwnd >= c->mss);
	}
	/* What is unacknowledged always has a timer, and the wheel knows. */
	if (flight != 0 && !(c->flags & TCP_F_IN_OUTPUT))
		assert_true(c->rtx_us != 0);
	if (c->rtx_us != 0 || c->delack_us != 0 || c->state_ms != 0)
		assert_true(wheel_is_armed(&c->timer));
	for (const struct rte_mbuf *m = c->tx.head; m != NULL; m = m->next)
		sum += m->data_len;
	assert_int_equal(sum, c->tx.bytes);
}

static void check(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		struct tcp *t = p->end[i].t;
		uint32_t cursor = 0;
		struct tcp_conn *c;

		while ((c = tcp_conn_walk(t, &cursor)) != NULL)
			check_conn(t, c);
	}
}

static struct rte_mbuf *to_mbuf(struct pair *p, const struct pair_packet *k)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rx_pool);
	struct pkt_facts *f = pkt_facts(m);
	uint8_t *b = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(JUNK_HEADER + k->n));

	assert_non_null(b);
	memset(b, 0xee, JUNK_HEADER);
	memcpy(b + JUNK_HEADER, k->bytes, k->n);
	memset(f, 0, sizeof(*f));
	f->key.local = p->end[!k->s.from].ip;
	f->key.remote = p->end[k->s.from].ip;
	f->key.local_port = k->s.dport;
	f->key.remote_port = k->s.sport;
	f->hash = fake_hash(&f->key);
	f->seq = k->s.seq;
	f->ack = k->s.ack;
	f->window = k->s.window;
	f->flags = k->s.flags;
	f->tos = k->s.tos;
	f->data_offset = (uint8_t)(20 + k->s.opt_bytes);
	f->tcp_offset = JUNK_HEADER;
	f->payload = (uint16_t)k->s.len;
	return m;
}

/* Everything that arrives now at this end, as one burst. */
static void receive(struct pair *p, uint32_t end)
{
	struct rte_mbuf *burst[64];
	struct pair_packet **link = &p->queue;
	uint16_t n = 0;

	while (*link != NULL && (*link)->at <= p->now && n < 64) {
		struct pair_packet *k = *link;

		if (k->s.from == end) {
			link = &k->next;
			continue;
		}
		burst[n++] = to_mbuf(p, k);
		*link = k->next;
		free(k);
	}
	if (n != 0)
		tcp_input_burst(p->end[end].t, burst, n, p->now);
}

/* Takes all but a few buffers for one turn. */
static uint32_t starve(struct pair *p, struct rte_mempool *pool, void **held)
{
	uint32_t n = rte_mempool_avail_count(pool), left = pair_random(p, 4);

	if (!happens(p, p->starve_ppm) || n <= left)
		return 0;
	return rte_mempool_get_bulk(pool, held, n - left) == 0 ? n - left : 0;
}

static void turn(struct pair *p, uint32_t end)
{
	static void *hidden[2][POOL_BUFS];
	struct tcp *t = p->end[end].t;
	struct tcp_conn *c;
	uint32_t events, held[2];

	if (p->end[end].raw)
		return;
	if (p->steps % 50 == 0 || p->end[end].tx_takes == 0)
		p->end[end].tx_room = p->end[end].tx_takes;
	receive(p, end);
	held[0] = starve(p, header_pool, hidden[0]);
	held[1] = starve(p, indirect_pool, hidden[1]);
	tcp_timers_run(t, p->now);
	while ((c = tcp_ready_next(t, &events)) != NULL)
		app_event(p, end, c, events);
	tcp_flush(t, p->now);
	rte_mempool_put_bulk(header_pool, hidden[0], held[0]);
	rte_mempool_put_bulk(indirect_pool, hidden[1], held[1]);
}

static hd_ns next_event(const struct pair *p)
{
	hd_ns at = p->queue != NULL ? p->queue->at : HD_NS_NEVER;

	for (int i = 0; i < 2; i++) {
		hd_ns d = p->end[i].raw ? HD_NS_NEVER : tcp_next_deadline(p->end[i].t);

		at = d < at ? d : at;
	}
	return at;
}

static void step(struct pair *p)
{
	turn(p, 0);
	turn(p, 1);
	check(p);
	p->steps++;
}

void pair_run_until(struct pair *p, hd_ns until)
{
	for (;;) {
		hd_ns at;

		step(p);
		at = next_event(p);
		if (at <= p->now) /* more work at once: the next turn is 10 us later */
			at = p->now + 10 * HD_NS_PER_US;
		if (at > until)
			break;
		p->now = at;
	}
	p->now = until;
	step(p);
}

void pair_run_for(struct pair *p, hd_ns time)
{
	pair_run_until(p, p->now + time);
}

int pair_run_while(struct pair *p, int (*pending)(struct pair *p), hd_ns limit)
{
	hd_ns end = p->now + limit;

	while (pending(p) && p->now < end) {
		hd_ns at;

		step(p);
		at = next_event(p);
		p->now = at <= p->now ? p->now + 10 * HD_NS_PER_US : at;
	}
	return !pending(p);
}

void pair_drain(struct pair *p)
{
	pair_run_for(p, 70 * HD_NS_PER_S);
}

static struct rte_mbuf *written(struct pair *p, const struct pair_segment *s, const void *payload)
{
	struct pair_packet *k = malloc(sizeof(*k) + 60 + s->len);
	struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)k->bytes;
	struct rte_mbuf *m;
	uint32_t options;

	memset(h, 0, sizeof(*h));
	options = tcp_options_emit(&s->opt, k->bytes + 20);
	h->src_port = rte_cpu_to_be_16(s->sport);
	h->dst_port = rte_cpu_to_be_16(s->dport);
	h->sent_seq = rte_cpu_to_be_32(s->seq);
	h->recv_ack = rte_cpu_to_be_32(s->ack);
	h->data_off = (uint8_t)((20 + options) / 4 << 4 | s->reserved_bits);
	h->tcp_flags = s->flags;
	h->rx_win = rte_cpu_to_be_16(s->window);
	if (s->len != 0)
		memcpy(k->bytes + 20 + options, payload, s->len);
	k->n = 20 + options + s->len;
	k->s = *s;
	describe(&k->s, k->bytes, k->n);
	k->s.from = 1;
	m = to_mbuf(p, k);
	free(k);
	return m;
}

void pair_inject_burst(struct pair *p, const struct pair_segment *s, const void *const *payload,
		       uint16_t n)
{
	struct rte_mbuf *m[64];

	for (uint16_t i = 0; i < n; i++)
		m[i] = written(p, &s[i], payload[i]);
	tcp_input_burst(p->end[0].t, m, n, p->now);
	step(p);
}

void pair_inject(struct pair *p, const struct pair_segment *s, const void *payload)
{
	pair_inject_burst(p, s, &payload, 1);
}

const struct pair_segment *pair_next(struct pair *p, uint32_t *cursor)
{
	while (*cursor < p->n_log) {
		const struct pair_segment *s = &p->log[(*cursor)++];

		if (s->from == 0)
			return s;
	}
	return NULL;
}

void raw_send_at(struct raw_peer *r, uint32_t seq, uint8_t flags, const void *payload, uint32_t n)
{
	struct pair_segment s = { .seq = seq,
				  .ack = flags & PKT_TCP_ACK ? r->rcv : 0,
				  .len = n,
				  .window = r->window,
				  .flags = flags,
				  .sport = r->sport,
				  .dport = r->dport };

	if (r->has_ts) {
		s.opt.present = TCP_OPTION_TS;
		s.opt.tsval = r->ts;
		s.opt.tsecr = r->ts_echo;
	}
	pair_inject(r->p, &s, payload);
}

void raw_send(struct raw_peer *r, uint8_t flags, const void *payload, uint32_t n)
{
	uint32_t seq = r->nxt;

	r->nxt += n + !!(flags & PKT_TCP_FIN) + !!(flags & PKT_TCP_SYN);
	raw_send_at(r, seq, flags, payload, n);
}

const struct pair_segment *raw_expect(struct raw_peer *r, hd_ns limit)
{
	hd_ns end = r->p->now + limit;

	for (;;) {
		const struct pair_segment *s = pair_next(r->p, &r->cursor);
		hd_ns at;

		if (s != NULL) {
			if (s->opt.present & TCP_OPTION_TS)
				r->ts_echo = s->opt.tsval;
			return s;
		}
		at = next_event(r->p);
		if (at <= r->p->now)
			at = r->p->now + 10 * HD_NS_PER_US;
		if (at > end) {
			r->p->now = end;
			step(r->p);
			return pair_next(r->p, &r->cursor);
		}
		r->p->now = at;
		step(r->p);
	}
}

void raw_skip(struct raw_peer *r)
{
	r->cursor = r->p->n_log;
}

struct pair_stream *raw_open(struct raw_peer *r, struct pair *p,
			     const struct tcp_options *syn_options)
{
	const struct pair_segment *a;
	struct pair_segment s = { .flags = PKT_TCP_SYN, .window = 65535, .dport = PAIR_PORT };

	p->end[1].raw = 1;
	r->p = p;
	r->sport = r->sport != 0 ? r->sport : 40000;
	r->dport = PAIR_PORT;
	r->window = r->window != 0 ? r->window : 65535;
	s.sport = r->sport;
	s.seq = r->nxt;
	s.opt = *syn_options;
	raw_skip(r);
	pair_inject(p, &s, NULL);
	a = raw_expect(r, HD_NS_PER_S);
	assert_non_null(a);
	assert_int_equal(a->flags, PKT_TCP_SYN | PKT_TCP_ACK);
	assert_int_equal(a->ack, r->nxt + 1);
	r->nxt++;
	r->rcv = a->seq + 1;
	r->has_ts = (a->opt.present & TCP_OPTION_TS) != 0;
	r->ts = syn_options->tsval;
	r->ts_echo = a->opt.tsval;
	r->scale_theirs = a->opt.present & TCP_OPTION_SCALE ? a->opt.scale : 0;
	raw_send(r, PKT_TCP_ACK, NULL, 0);
	return pair_accepted(p);
}

void pair_dump(const struct pair *p, uint32_t from)
{
	for (uint32_t i = from; i < p->n_log; i++) {
		const struct pair_segment *s = &p->log[i];

		print_message("%9.3f %c flags %02x seq %u ack %u len %u win %u sack %u%s\n",
			      (double)(s->at / 1000) / 1000, s->from ? '<' : '>', s->flags, s->seq,
			      s->ack, s->len, s->window, s->opt.n_sack,
			      s->dropped ? " DROPPED" : "");
	}
}
