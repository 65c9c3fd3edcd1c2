/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_spread.h"

#include <stdatomic.h>
#include <stdio.h>

#include <rte_malloc.h>
#include <rte_ring.h>

#define RING_FRAMES 1024

#define ETH_BYTES 14
#define TCP_SYN 2

/* One worker's view. */
struct spread_lane {
	struct worker_spread *spread;
	uint32_t worker;
	struct rte_ring *in; /* writers: all other workers */
};

struct worker_spread {
	struct worker_spread_config c;
	_Atomic int is_checked; /* the device was found to hash otherwise; writers: all, once */
	struct spread_lane lanes[];
};

enum frame_kind { FRAME_ODD, FRAME_SYN, FRAME_PLAIN };

/* Plain: the device hashed addresses and ports of a TCP segment. */
static enum frame_kind kind_of(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t tcp;

	if (m->data_len < ETH_BYTES + 20 + 20)
		return FRAME_ODD;
	if (p[12] == 0x08 && p[13] == 0x00) {
		if (p[14] != 0x45 || p[23] != 6 || (p[20] & 0x3f) != 0 || p[21] != 0)
			return FRAME_ODD;
		tcp = ETH_BYTES + 20;
	} else if (p[12] == 0x86 && p[13] == 0xdd) {
		if (m->data_len < ETH_BYTES + 40 + 20 || p[20] != 6)
			return FRAME_ODD;
		tcp = ETH_BYTES + 40;
	} else {
		return FRAME_ODD;
	}
	return p[tcp + 13] & TCP_SYN ? FRAME_SYN : FRAME_PLAIN;
}

static void hand_over(struct spread_lane *from, uint32_t to, struct rte_mbuf *m)
{
	struct worker_spread *s = from->spread;
	struct hd_worker_stats *stats = s->c.stats[from->worker];

	if (rte_ring_mp_enqueue(s->lanes[to].in, m) != 0) {
		rte_pktmbuf_free(m);
		if (stats != NULL)
			stats->counters[HD_WORKER_STEER_FULL]++;
	}
	s->c.kick(s->c.ctx, to);
}

static void copy_to_all(struct spread_lane *from, const struct rte_mbuf *m)
{
	for (uint32_t i = 0; i < from->spread->c.flows.n_workers; i++) {
		struct rte_mbuf *copy;
		if (i == from->worker)
			continue;
		copy = rte_pktmbuf_copy(m, m->pool, 0, UINT32_MAX);
		if (copy != NULL)
			hand_over(from, i, copy);
	}
}

static void distrust(struct spread_lane *l)
{
	struct hd_worker_stats *stats = l->spread->c.stats[l->worker];

	atomic_store_explicit(&l->spread->is_checked, 1, memory_order_relaxed);
	if (stats != NULL)
		stats->counters[HD_WORKER_RSS_WRONG]++;
}

/* True: the frame is this worker's. */
static int place(struct spread_lane *l, struct rte_mbuf *m, enum frame_kind kind)
{
	uint32_t to = worker_steer_frame(&l->spread->c.flows, m, l->worker);

	if (hd_likely(to == l->worker))
		return 1;
	if (to == WORKER_STEER_ALL) {
		copy_to_all(l, m);
		return 1;
	}
	if (kind == FRAME_SYN)
		distrust(l);
	hand_over(l, to, m);
	return 0;
}

static uint16_t spread_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct spread_lane *l = dev;
	const struct net_device *real = &l->spread->c.real[l->worker];
	int all = atomic_load_explicit(&l->spread->is_checked, memory_order_relaxed);
	uint16_t kept = 0, end;

	if (hd_unlikely(!rte_ring_empty(l->in)))
		kept = (uint16_t)rte_ring_sc_dequeue_burst(l->in, (void **)pkts, n, NULL);
	end = kept + real->rx(real->dev, pkts + kept, n - kept);
	for (uint16_t i = kept; i < end; i++) {
		enum frame_kind kind = kind_of(pkts[i]);
		if (hd_likely(kind == FRAME_PLAIN && !all) || place(l, pkts[i], kind))
			pkts[kept++] = pkts[i];
	}
	return kept;
}

static uint16_t spread_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	const struct spread_lane *l = dev;
	const struct net_device *real = &l->spread->c.real[l->worker];

	return real->tx(real->dev, pkts, n);
}

static uint16_t spread_prepare(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	const struct spread_lane *l = dev;
	const struct net_device *real = &l->spread->c.real[l->worker];

	return real->prepare(real->dev, pkts, n);
}

struct worker_spread *worker_spread_create(const char *name, const struct worker_spread_config *c)
{
	uint32_t n = c->flows.n_workers;
	struct worker_spread *s = rte_zmalloc_socket(
		"spread", sizeof(*s) + n * sizeof(struct spread_lane), HD_CACHE_LINE, c->socket);

	if (s == NULL)
		return NULL;
	s->c = *c;
	for (uint32_t i = 0; i < n; i++) {
		char text[RTE_RING_NAMESIZE];

		snprintf(text, sizeof(text), "%.16s%u", name, i);
		s->lanes[i] = (struct spread_lane){
			.spread = s,
			.worker = i,
			.in = rte_ring_create(text, RING_FRAMES, c->socket, RING_F_SC_DEQ),
		};
		if (s->lanes[i].in == NULL) {
			worker_spread_destroy(s);
			return NULL;
		}
	}
	return s;
}

void worker_spread_destroy(struct worker_spread *s)
{
	struct rte_mbuf *m;

	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->c.flows.n_workers; i++) {
		struct rte_ring *in = s->lanes[i].in;
		while (in != NULL && rte_ring_sc_dequeue(in, (void **)&m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(in);
	}
	rte_free(s);
}

void worker_spread_device(struct worker_spread *s, uint32_t worker, struct net_device *out)
{
	*out = s->c.real[worker];
	out->dev = &s->lanes[worker];
	out->rx = spread_rx;
	out->tx = spread_tx;
	if (out->prepare != NULL)
		out->prepare = spread_prepare;
}
