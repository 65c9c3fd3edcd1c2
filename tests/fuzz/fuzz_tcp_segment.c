/* SPDX-License-Identifier: Apache-2.0 */
/* Any segments into a live connection, mixed with what its owner does and with time: no crash, no
 * leak, sums that add up.
 *
 * Input: one byte (which options the SYN had), then records of an operation byte and its arguments:
 *   0x00-0x7f  segment: flags, seq - RCV.NXT (16 bits, signed), ack - SND.UNA (16 bits, signed),
 * window (16), payload (16, cut to 1,460), bytes of options (cut to 40) and the options; of the
 * operation byte bit 0 adds a good timestamp in front, bit 1 makes the distances 16 times as far
 *   0x80-0x9f  time passes: 2^(op & 31) microseconds
 *   0xa0-0xaf  the owner writes (op & 15) * 700 bytes
 *   0xb0-0xbf  the owner reads up to (op & 15) * 700 bytes
 *   0xc0-0xff  close, abort, release, keep-alive, smaller path MTU, by the low three bits */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>

#include "tcp_stack.h"

#define START (1000 * HD_NS_PER_S)
#define PORT 80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mempool *rx, *header, *indirect;
static struct hd_worker_stats stats;

struct world {
	struct tcp *t;
	struct tcp_conn *c; /* NULL: gone or released */
	hd_ns now;
	uint32_t sent;
	uint32_t tsval;
	struct flow_key key;
};

struct input {
	const uint8_t *p;
	size_t n;
};

static void start(void)
{
	char prefix[64];
	char *argv[] = {
		"fuzz-tcp", "--no-huge",      "--no-pci",	   "-m",  "64", "--no-shconf", "-l",
		"0",	    "--no-telemetry", "--log-level=error", prefix
	};

	snprintf(prefix, sizeof(prefix), "--file-prefix=fuzz-tcp-%d", getpid());
	if (rte_eal_init(HD_ARRAY_SIZE(argv), argv) < 0)
		abort();
	rx = rte_pktmbuf_pool_create("rx", 4095, 0, PKT_PRIV_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE,
				     SOCKET_ID_ANY);
	header = rte_pktmbuf_pool_create("header", 4095, 0, PKT_PRIV_SIZE,
					 RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	indirect = rte_pktmbuf_pool_create("indirect", 4095, 0, PKT_PRIV_SIZE, 0, SOCKET_ID_ANY);
	if (rx == NULL || header == NULL || indirect == NULL)
		abort();
}

static int64_t on_listener(void *ctx, const struct pkt_facts *f)
{
	return f->key.local_port == PORT ? 1 : -1;
}

static int on_xmit(void *ctx, struct rte_mbuf *m, const struct flow_key *key,
		   struct flow_path *path, uint8_t tos, int32_t sum)
{
	struct world *w = ctx;
	uint32_t n = 0;

	for (const struct rte_mbuf *x = m; x != NULL; x = x->next)
		n += x->data_len;
	assert(n == m->pkt_len && n <= 1480);
	rte_pktmbuf_free(m);
	w->sent++;
	return 0;
}

static int on_route(void *ctx, const struct flow_key *key, struct flow_path *path)
{
	path->mtu = 1500;
	return 0;
}

static uint32_t on_hash(void *ctx, const struct flow_key *key)
{
	return 0x12345678u + key->remote_port;
}

static const struct tcp_ops ops = {
	.listener = on_listener, .xmit = on_xmit, .route = on_route, .hash = on_hash
};

static uint32_t take(struct input *in, uint32_t bytes)
{
	uint32_t v = 0;

	while (bytes-- > 0) {
		v = v << 8;
		if (in->n > 0) {
			v |= *in->p++;
			in->n--;
		}
	}
	return v;
}

static void check(const struct world *w)
{
	const struct tcp_conn *c;
	uint32_t cursor = 0;

	while ((c = tcp_conn_walk(w->t, &cursor)) != NULL) {
		uint32_t flight = c->snd_nxt - c->snd_una, pipe = 0, sacked = 0, lost = 0;

		assert(flight < 1u << 30 && c->rcv_edge - c->rcv_nxt <= 1u << 24);
		if (flight != 0 && !(c->flags & TCP_F_IN_OUTPUT))
			assert(c->rtx_us != 0);
		if (c->state < TCP_ESTABLISHED || c->sb == NULL)
			continue;
		assert(c->rcv_held <= c->t->config.rcv_buffer + 65536);
		for (uint32_t i = 0; i < c->sb->n; i++) {
			const struct tcp_sent *s = tcp_scoreboard_at(c->sb, i);

			*(s->flags & TCP_SENT_SACKED ? &sacked
			  : s->flags & TCP_SENT_LOST ? &lost
						     : &pipe) += s->len;
		}
		assert(pipe == c->sb->pipe && sacked == c->sb->sacked && lost == c->sb->lost);
		assert(pipe + sacked + lost == flight);
	}
}

static void turn(struct world *w)
{
	struct tcp_conn *c;
	uint32_t events;

	tcp_timers_run(w->t, w->now);
	while ((c = tcp_ready_next(w->t, &events)) != NULL) {
		if (w->c == NULL && events & TCP_EV_ACCEPTED) {
			w->c = c;
			tcp_conn_set_user(c, w);
		}
		if (events & (TCP_EV_RESET | TCP_EV_CLOSED)) {
			if (c == w->c)
				w->c = NULL;
			tcp_release(c);
		}
	}
	tcp_flush(w->t, w->now);
	check(w);
}

/* One segment with these options. */
static void inject(struct world *w, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t window,
		   uint32_t payload, const uint8_t *options, uint32_t n_options)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rx);
	struct pkt_facts *f;
	uint32_t words = (n_options + 3) / 4 * 4;
	uint8_t *b;

	if (m == NULL)
		return;
	f = pkt_facts(m);
	b = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(20 + words + payload));
	memset(b, 0, 20 + words);
	memcpy(b + 20, options, n_options);
	memset(b + 20 + words, 'x', payload);
	*f = (struct pkt_facts){ .key = w->key,
				 .hash = on_hash(NULL, &w->key),
				 .seq = seq,
				 .ack = ack,
				 .window = window,
				 .flags = flags,
				 .data_offset = (uint8_t)(20 + words),
				 .payload = (uint16_t)payload };
	tcp_input_burst(w->t, &m, 1, w->now);
}

static void segment(struct world *w, struct input *in, uint8_t op)
{
	uint8_t flags = (uint8_t)take(in, 1), options[40];
	int32_t seq = (int16_t)take(in, 2), ack = (int16_t)take(in, 2), far = op & 2 ? 16 : 1;
	uint16_t window = (uint16_t)take(in, 2);
	uint32_t payload = take(in, 2) % 1461, n = take(in, 1) % 41, at = 0;
	const struct tcp_conn *c = w->c;

	if (op & 1) {
		struct tcp_options ts = { .present = TCP_OPTION_TS,
					  .tsval = w->tsval,
					  .tsecr = (uint32_t)(w->now / HD_NS_PER_MS) };

		if (c != NULL)
			ts.tsecr += c->ts_offset;
		at = tcp_options_emit(&ts, options);
	}
	for (n = u32_min(n, 40 - at); n > 0; n--)
		options[at++] = (uint8_t)take(in, 1);
	inject(w, flags, (c != NULL ? c->rcv_nxt : 0) + (uint32_t)(seq * far),
	       (c != NULL ? c->snd_una : 0) + (uint32_t)(ack * far), window, payload, options, at);
}

static void write_bytes(struct world *w, uint32_t n)
{
	static const uint8_t zeros[16 * 700];

	if (w->c == NULL)
		return;
	n = u32_min(n, tcp_send_space(w->c));
	if (n != 0 && tcp_send_copy(w->c, zeros, n) != 0)
		return;
}

static void read_bytes(struct world *w, uint32_t n)
{
	if (w->c == NULL)
		return;
	n = u32_min(n, tcp_conn_rx(w->c)->bytes);
	bufq_consume(tcp_conn_rx(w->c), n);
	tcp_received(w->c, n);
}

static void act(struct world *w, uint8_t op)
{
	struct tcp_conn *c = w->c;

	if (c == NULL)
		return;
	switch (op & 7) {
	case 0:
		tcp_close(c);
		break;
	case 1:
		tcp_abort(c);
		w->c = NULL;
		break;
	case 2:
		tcp_release(c);
		w->c = NULL;
		break;
	case 3:
		tcp_set_keepalive(c, 2, HD_NS_PER_S, HD_NS_PER_S);
		break;
	default:
		tcp_icmp(w->t, &w->key, c->snd_una, TCP_ICMP_TOO_BIG, 1400 - (op & 4) * 100,
			 w->now);
	}
}

static void step(struct world *w, struct input *in)
{
	uint8_t op = (uint8_t)take(in, 1);

	if (op < 0x80) {
		segment(w, in, op);
	} else if (op < 0xa0) {
		w->now += HD_NS_PER_US << (op & 31);
		w->tsval += 1u << (op & 31) >> 10;
	} else if (op < 0xb0) {
		write_bytes(w, (op & 15u) * 700);
	} else if (op < 0xc0) {
		read_bytes(w, (op & 15u) * 700);
	} else {
		act(w, op);
	}
	turn(w);
}

static void open_connection(struct world *w, uint8_t options)
{
	struct tcp_options o = {
		.present = options & 15, .mss = 1460, .scale = 7, .tsval = w->tsval
	};
	uint8_t bytes[TCP_OPTIONS_MAX_BYTES];
	uint32_t n = tcp_options_emit(&o, bytes), cursor = 0;
	struct tcp_options ts = { .present = options & TCP_OPTION_TS, .tsval = w->tsval };
	struct tcp_conn *c;

	inject(w, PKT_TCP_SYN, 5000, 0, 65535, 0, bytes, n);
	turn(w);
	c = tcp_conn_walk(w->t, &cursor);
	assert(c != NULL);
	ts.tsecr = (uint32_t)(w->now / HD_NS_PER_MS) + c->ts_offset;
	n = tcp_options_emit(&ts, bytes);
	inject(w, PKT_TCP_ACK, 5001, c->snd_nxt, 65535, 0, bytes, n);
	turn(w);
	assert(w->c != NULL);
}

static void end(struct world *w)
{
	struct tcp_conn *c;
	uint32_t cursor = 0, events;

	while ((c = tcp_conn_walk(w->t, &cursor)) != NULL)
		tcp_abort(c);
	while (tcp_ready_next(w->t, &events) != NULL)
		;
	tcp_flush(w->t, w->now);
	assert(w->t->conns.used == 0 && w->t->boards.used == 0 && w->t->medium.used == 0 &&
	       w->t->large.used == 0);
	assert(w->t->ranges.used == 0 && w->t->half_open == 0);
	tcp_destroy(w->t);
	assert(rte_mempool_in_use_count(rx) == 0 && rte_mempool_in_use_count(header) == 0);
	assert(rte_mempool_in_use_count(indirect) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct tcp_config config;
	struct world w = { .now = START, .tsval = 77000 };

	if (rx == NULL)
		start();
	tcp_config_defaults(&config);
	config.max_connections = 16;
	config.rcv_buffer = 65536;
	w.key = (struct flow_key){ .local = hd_ip_from_v4(0x0100000a),
				   .remote = hd_ip_from_v4(0x0200000a),
				   .local_port = PORT,
				   .remote_port = 40000 };
	w.t = tcp_create(&config, &ops, &w, &stats, header, indirect, w.now, 0);
	if (w.t == NULL)
		abort();
	open_connection(&w, (uint8_t)take(&in, 1));
	for (int i = 0; i < 300 && in.n > 0; i++)
		step(&w, &in);
	end(&w);
	return 0;
}
