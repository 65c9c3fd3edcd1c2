/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_wire.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#define QUEUE_FRAMES 100
#define FRAMES_MAX 65536

struct frame {
	hd_ns at;
	uint64_t order;
	uint32_t bytes;
	uint8_t from, to;
	uint8_t data[];
};

struct station {
	struct sim_wire *wire;
	struct rte_mempool *pool;
	uint8_t index;
	hd_ns free_at; /* when the sender has serialized what it sent */
};

struct sim_wire {
	const char *name;
	struct sim_weather weather;
	struct sim_random random;
	struct station stations[SIM_STATIONS];
	uint8_t n_stations;
	int trace;
	hd_ns now, cut_from, cut_to;
	hd_ns last[SIM_STATIONS][SIM_STATIONS]; /* arrival: jitter alone does not reorder */
	uint64_t order, hash, delivered;
	struct frame **heap; /* the earliest first */
	uint32_t n;
};

static int is_before(const struct frame *a, const struct frame *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct frame **a, struct frame **b)
{
	struct frame *t = *a;

	*a = *b;
	*b = t;
}

static void heap_push(struct sim_wire *w, struct frame *f)
{
	uint32_t i = w->n++;

	w->heap[i] = f;
	for (; i > 0 && is_before(w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static struct frame *heap_remove(struct sim_wire *w, uint32_t i)
{
	struct frame *out = w->heap[i];

	w->heap[i] = w->heap[--w->n];
	if (i == w->n)
		return out;
	for (; i > 0 && is_before(w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&w->heap[i], &w->heap[(i - 1) / 2]);
	for (;;) {
		uint32_t least = i, l = 2 * i + 1, r = l + 1;
		if (l < w->n && is_before(w->heap[l], w->heap[least]))
			least = l;
		if (r < w->n && is_before(w->heap[r], w->heap[least]))
			least = r;
		if (least == i)
			return out;
		swap(&w->heap[i], &w->heap[least]);
		i = least;
	}
}

/* Partitions follow one another at random distances. */
static int is_cut(struct sim_wire *w)
{
	if (w->weather.cut_every == 0)
		return 0;
	while (w->now >= w->cut_to) {
		w->cut_from =
			w->cut_to + sim_below(&w->random, 2000) * (w->weather.cut_every / 1000);
		w->cut_to =
			w->cut_from + sim_below(&w->random, 2000) * (w->weather.cut_for / 1000) + 1;
	}
	return w->now >= w->cut_from;
}

/* Bytes that a checksum covers: a flip elsewhere is what Ethernet's own check is for. */
static void corrupt(struct sim_wire *w, struct frame *f)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)f->data;

	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP) || f->bytes <= RTE_ETHER_HDR_LEN)
		return;
	uint32_t at = RTE_ETHER_HDR_LEN + sim_below(&w->random, f->bytes - RTE_ETHER_HDR_LEN);
	f->data[at] ^= (uint8_t)(1 << sim_below(&w->random, 8));
}

static void launch(struct sim_wire *w, const uint8_t *data, uint32_t bytes, uint8_t from,
		   uint8_t to, hd_ns at)
{
	const struct sim_weather *e = &w->weather;
	struct frame *f;

	if (w->n == FRAMES_MAX || sim_chance(&w->random, e->loss) || is_cut(w))
		return;
	f = malloc(sizeof(*f) + bytes);
	if (f == NULL)
		abort();
	*f = (struct frame){ .order = w->order++, .bytes = bytes, .from = from, .to = to };
	memcpy(f->data, data, bytes);
	f->at = at + e->delay;
	if (e->jitter > 0)
		f->at += sim_next(&w->random) % e->jitter;
	if (f->at < w->last[from][to])
		f->at = w->last[from][to];
	w->last[from][to] = f->at;
	if (sim_chance(&w->random, e->reorder))
		f->at += e->delay + sim_next(&w->random) % (4 * e->delay + 1);
	if (sim_chance(&w->random, e->corrupt))
		corrupt(w, f);
	heap_push(w, f);
}

static void fly(struct sim_wire *w, const uint8_t *data, uint32_t bytes, uint8_t from, uint8_t to,
		hd_ns at)
{
	launch(w, data, bytes, from, to, at);
	if (sim_chance(&w->random, w->weather.duplicate))
		launch(w, data, bytes, from, to, at);
}

/* When the sender's line has taken the frame; HD_NS_NEVER: its queue is full. */
static hd_ns serialize(struct station *s, uint32_t bytes)
{
	struct sim_wire *w = s->wire;
	hd_ns each = w->weather.mbit > 0 ? (hd_ns)bytes * 8000 / w->weather.mbit : 0;

	if (s->free_at < w->now)
		s->free_at = w->now;
	if (each > 0 && s->free_at - w->now > QUEUE_FRAMES * each)
		return HD_NS_NEVER;
	s->free_at += each;
	return s->free_at;
}

static void send_one(struct station *s, struct rte_mbuf *m)
{
	struct sim_wire *w = s->wire;
	uint8_t copy[65536];
	uint32_t bytes = m->pkt_len;
	const uint8_t *data = rte_pktmbuf_read(m, 0, bytes, copy);

	if (data == NULL || bytes < RTE_ETHER_HDR_LEN || bytes > sizeof(copy))
		abort(); /* net may not send such */
	hd_ns at = serialize(s, bytes);
	for (uint8_t to = 0; to < w->n_stations && at != HD_NS_NEVER; to++) {
		if (to != s->index && ((data[0] & 1) || data[5] == to))
			fly(w, data, bytes, s->index, to, at);
	}
	rte_pktmbuf_free(m);
}

static uint16_t wire_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		send_one(dev, pkts[i]);
	return n;
}

static void hash_bytes(struct sim_wire *w, const void *data, uint32_t bytes)
{
	const uint8_t *p = data;

	for (uint32_t i = 0; i < bytes; i++)
		w->hash = (w->hash ^ p[i]) * UINT64_C(0x100000001b3);
}

static void print_tcp(const struct frame *f, const struct rte_ipv4_hdr *ip)
{
	uint32_t l3 = (ip->version_ihl & 15) * 4u;
	const struct rte_tcp_hdr *t = (const struct rte_tcp_hdr *)((const uint8_t *)ip + l3);
	static const char names[] = "FSRPAUEC";
	char flags[9];
	uint32_t n = 0, head = (t->data_off >> 4) * 4u;

	for (uint32_t i = 0; i < 8; i++) {
		if (t->tcp_flags >> i & 1)
			flags[n++] = names[i];
	}
	flags[n] = '\0';
	printf(" %u > %u %s seq %u ack %u win %u len %u", rte_be_to_cpu_16(t->src_port),
	       rte_be_to_cpu_16(t->dst_port), flags, rte_be_to_cpu_32(t->sent_seq),
	       rte_be_to_cpu_32(t->recv_ack), rte_be_to_cpu_16(t->rx_win),
	       rte_be_to_cpu_16(ip->total_length) - l3 - head);
	(void)f;
}

static void print_frame(const struct sim_wire *w, const struct frame *f)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)f->data;
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);

	printf("%12.6f %s %u->%u %4u bytes", (double)f->at / 1e9, w->name, f->from, f->to,
	       f->bytes);
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && ip->next_proto_id == IPPROTO_TCP &&
	    f->bytes >= 54)
		print_tcp(f, ip);
	else
		printf(" type %04x", rte_be_to_cpu_16(eth->ether_type));
	printf("\n");
}

/* NULL when the pool is empty: then the frame is lost, as on a card. */
static struct rte_mbuf *receive(struct station *s, const struct frame *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->pool);
	char *p = m != NULL ? rte_pktmbuf_append(m, (uint16_t)f->bytes) : NULL;

	if (p == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memcpy(p, f->data, f->bytes);
	return m;
}

static struct rte_mbuf *deliver(struct station *s, uint32_t i)
{
	struct sim_wire *w = s->wire;
	struct frame *f = heap_remove(w, i);

	hash_bytes(w, &f->at, sizeof(f->at));
	hash_bytes(w, f->data, f->bytes);
	w->delivered++;
	if (w->trace)
		print_frame(w, f);
	struct rte_mbuf *m = receive(s, f);
	free(f);
	return m;
}

/* The earliest frame for the station that has arrived; w->n: none. Few are due at one time. */
static uint32_t find_due(const struct station *s)
{
	const struct sim_wire *w = s->wire;
	uint32_t best = w->n;

	if (w->n == 0 || w->heap[0]->at > w->now)
		return w->n;
	if (w->heap[0]->to == s->index)
		return 0;
	for (uint32_t i = 1; i < w->n; i++) {
		const struct frame *f = w->heap[i];
		if (f->at <= w->now && f->to == s->index &&
		    (best == w->n || is_before(f, w->heap[best])))
			best = i;
	}
	return best;
}

static uint16_t wire_rx(void *dev, struct rte_mbuf **pkts, uint16_t max)
{
	struct station *s = dev;
	uint16_t n = 0;
	uint32_t i;

	while (n < max && (i = find_due(s)) < s->wire->n) {
		struct rte_mbuf *m = deliver(s, i);
		if (m != NULL)
			pkts[n++] = m;
	}
	return n;
}

struct sim_wire *sim_wire_create(const char *name, const struct sim_weather *weather, uint64_t seed)
{
	struct sim_wire *w = calloc(1, sizeof(*w));

	if (w == NULL || (w->heap = calloc(FRAMES_MAX, sizeof(w->heap[0]))) == NULL)
		abort();
	w->name = name;
	w->weather = *weather;
	w->random = sim_random_of(seed, sim_mix((uint64_t)name[0]));
	w->hash = UINT64_C(0xcbf29ce484222325);
	return w;
}

void sim_wire_destroy(struct sim_wire *w)
{
	while (w->n > 0)
		free(heap_remove(w, 0));
	free(w->heap);
	free(w);
}

void sim_wire_attach(struct sim_wire *w, struct rte_mempool *pool, struct net_device *out)
{
	struct station *s = &w->stations[w->n_stations];

	*s = (struct station){ .wire = w, .pool = pool, .index = w->n_stations++ };
	*out = (struct net_device){
		.rx = wire_rx,
		.tx = wire_tx,
		.dev = s,
		.mac = { 2, 0, 0, 0, (uint8_t)w->name[0], s->index },
		.mtu = 1500,
		.tx_offloads = NET_TX_MULTI_SEG | NET_TX_REFCOUNTED,
	};
}

void sim_wire_calm(struct sim_wire *w)
{
	w->weather.loss = w->weather.corrupt = 0;
	w->weather.cut_every = 0;
}

void sim_wire_set_time(struct sim_wire *w, hd_ns now)
{
	w->now = now;
}

hd_ns sim_wire_next(const struct sim_wire *w)
{
	return w->n > 0 ? w->heap[0]->at : HD_NS_NEVER;
}

uint64_t sim_wire_hash(const struct sim_wire *w)
{
	return w->hash;
}

uint64_t sim_wire_frames(const struct sim_wire *w)
{
	return w->delivered;
}

void sim_wire_trace(struct sim_wire *w, int on)
{
	w->trace = on;
}
