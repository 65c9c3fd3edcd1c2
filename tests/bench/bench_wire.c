/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_wire.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_ring.h>

#define WIRE_SLOTS 2048
#define POSTED 256 /* receive descriptors: few, so that their buffers stay in the core's cache */
#define BATCH 64   /* buffers that are posted or freed at once */

struct bench_wire {
	/* Worker to host: frames, and their buffers on the way back. Host to worker: empty buffers,
	 * and filled ones. */
	struct rte_ring *sent, *done, *empty, *filled;
	struct rte_mempool *worker_bufs, *host_bufs;
	int offloads;
	/* Of the worker's side alone. */
	_Alignas(HD_CACHE_LINE) uint32_t posted, in_flight;
};

static struct rte_ring *ring(const char *name, const char *kind)
{
	char full[RTE_RING_NAMESIZE];

	snprintf(full, sizeof(full), "%s-%s", name, kind);
	return rte_ring_create(full, WIRE_SLOTS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

struct bench_wire *bench_wire_create(const char *name, struct rte_mempool *worker_bufs,
				     struct rte_mempool *host_bufs, int offloads)
{
	struct bench_wire *w = aligned_alloc(HD_CACHE_LINE, sizeof(*w));

	if (w == NULL)
		return NULL;
	*w = (struct bench_wire){ .sent = ring(name, "sent"),
				  .done = ring(name, "done"),
				  .empty = ring(name, "empty"),
				  .filled = ring(name, "filled"),
				  .worker_bufs = worker_bufs,
				  .host_bufs = host_bufs,
				  .offloads = offloads };
	if (w->sent != NULL && w->done != NULL && w->empty != NULL && w->filled != NULL)
		return w;
	bench_wire_destroy(w);
	return NULL;
}

static void drain(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (r != NULL && rte_ring_sc_dequeue(r, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void bench_wire_destroy(struct bench_wire *w)
{
	if (w == NULL)
		return;
	drain(w->sent);
	drain(w->done);
	drain(w->empty);
	drain(w->filled);
	free(w);
}

/* Keeps the receive descriptors full, a batch at a time. */
static void post(struct bench_wire *w)
{
	struct rte_mbuf *fresh[BATCH];

	if (w->posted + BATCH > POSTED || rte_pktmbuf_alloc_bulk(w->worker_bufs, fresh, BATCH) != 0)
		return;
	rte_ring_sp_enqueue_burst(w->empty, (void **)fresh, BATCH, NULL);
	w->posted += BATCH;
}

static uint16_t worker_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct bench_wire *w = dev;
	uint16_t got = (uint16_t)rte_ring_sc_dequeue_burst(w->filled, (void **)pkts, n, NULL);

	w->posted -= got;
	post(w);
	return got;
}

static void reclaim(struct bench_wire *w)
{
	struct rte_mbuf *back[BATCH];
	uint32_t n = rte_ring_sc_dequeue_burst(w->done, (void **)back, BATCH, NULL);

	rte_pktmbuf_free_bulk(back, n);
	w->in_flight -= n;
}

static uint16_t worker_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct bench_wire *w = dev;
	uint16_t taken;

	if (w->in_flight >= BATCH)
		reclaim(w);
	taken = (uint16_t)rte_ring_sp_enqueue_burst(w->sent, (void **)pkts, n, NULL);
	w->in_flight += taken;
	return taken;
}

/* The bytes of a chain into one buffer. 0: they do not fit. */
static int copy_frame(struct rte_mbuf *to, const struct rte_mbuf *from)
{
	uint8_t *p = rte_pktmbuf_mtod(to, uint8_t *);

	if (rte_pktmbuf_tailroom(to) < from->pkt_len)
		return 0;
	to->data_len = (uint16_t)from->pkt_len;
	to->pkt_len = from->pkt_len;
	for (; from != NULL; p += from->data_len, from = from->next)
		memcpy(p, rte_pktmbuf_mtod(from, const void *), from->data_len);
	return 1;
}

#define GOOD (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

static uint16_t host_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct bench_wire *w = dev;
	struct rte_mbuf *frames[BATCH];
	uint32_t want = n < BATCH ? n : BATCH, got;
	uint16_t copied = 0;

	got = rte_ring_sc_dequeue_burst(w->sent, (void **)frames, want, NULL);
	for (uint32_t k = 0; k < got; k++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(w->host_bufs);

		if (m == NULL || !copy_frame(m, frames[k])) {
			rte_pktmbuf_free(m); /* lost, as on a wire */
			continue;
		}
		m->ol_flags = GOOD; /* memory does not err, and the generator's sums are not what is
				       measured */
		pkts[copied++] = m;
	}
	rte_ring_sp_enqueue_burst(w->done, (void **)frames, got, NULL);
	return copied;
}

static uint16_t host_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct bench_wire *w = dev;
	struct rte_mbuf *bufs[BATCH];
	uint32_t want = n < BATCH ? n : BATCH;
	uint32_t got = rte_ring_sc_dequeue_burst(w->empty, (void **)bufs, want, NULL);

	for (uint32_t k = 0; k < got; k++) {
		(void)copy_frame(bufs[k], pkts[k]);
		bufs[k]->ol_flags = w->offloads ? GOOD : 0;
	}
	rte_pktmbuf_free_bulk(pkts, got);
	rte_ring_sp_enqueue_burst(w->filled, (void **)bufs, got, NULL);
	return (uint16_t)got;
}

static void end(struct bench_wire *w, struct net_device *out, uint8_t mac)
{
	*out = (struct net_device){ .dev = w, .mac = { 2, 0, 0, 0, 0, mac }, .mtu = 1500 };
	out->tx_offloads = NET_TX_MULTI_SEG | NET_TX_REFCOUNTED;
}

void bench_wire_worker_end(struct bench_wire *w, struct net_device *out, uint8_t mac)
{
	end(w, out, mac);
	out->rx = worker_rx;
	out->tx = worker_tx;
	if (w->offloads) {
		out->rx_offloads = NET_RX_IP_CKSUM | NET_RX_L4_CKSUM;
		out->tx_offloads |= NET_TX_IP_CKSUM | NET_TX_L4_CKSUM;
	}
	while (w->posted + BATCH <= POSTED) {
		uint32_t before = w->posted;

		post(w);
		if (w->posted == before)
			break;
	}
}

void bench_wire_host_end(struct bench_wire *w, struct net_device *out, uint8_t mac)
{
	end(w, out, mac);
	out->rx = host_rx;
	out->tx = host_tx;
	out->rx_offloads = NET_RX_IP_CKSUM | NET_RX_L4_CKSUM;
	if (w->offloads)
		out->tx_offloads |= NET_TX_IP_CKSUM | NET_TX_L4_CKSUM;
}
