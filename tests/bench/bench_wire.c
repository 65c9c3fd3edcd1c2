/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_wire.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core_mbuf.h"

#define SLOTS 1024 /* transmit descriptors; one for each buffer of a chain */
#define POSTED 256 /* receive descriptors: few, so that their buffers stay in the core's cache */
#define HEAD_BYTES 640
#define BATCH                                                                                      \
	32 /* buffers that are posted at once, and that transmit lets pile up before it frees them \
	    */

/* What the other side sees of a buffer. It never touches the mbuf, as a card would not. */
struct desc {
	uint8_t *data;
	uint32_t bytes;
	uint32_t last; /* of its frame */
};

/* head: how many descriptors the worker handed over; done: how many the host is through with. */
struct queue {
	_Alignas(HD_CACHE_LINE) _Atomic uint32_t head; /* writer: worker; reader: host */
	_Alignas(HD_CACHE_LINE) _Atomic uint32_t done; /* writer: host; reader: worker */
	_Alignas(HD_CACHE_LINE) uint32_t reclaimed;    /* of the worker alone */
	struct rte_mbuf *owners[SLOTS];		       /* of the worker alone */
	_Alignas(HD_CACHE_LINE) struct desc descs[SLOTS];
};

struct bench_wire {
	struct queue tx, rx;
	struct rte_mempool *worker_bufs, *host_bufs;
	int offloads;
	uint32_t loss;	/* of a million frames */
	uint64_t random;
};

struct bench_wire *bench_wire_create(struct rte_mempool *worker_bufs, struct rte_mempool *host_bufs,
				     int offloads)
{
	struct bench_wire *w = aligned_alloc(HD_CACHE_LINE, sizeof(*w));

	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->worker_bufs = worker_bufs;
	w->host_bufs = host_bufs;
	w->offloads = offloads;
	return w;
}

void bench_wire_set_loss(struct bench_wire *w, uint32_t per_million)
{
	w->loss = per_million;
	w->random = 1;
}

/* Whether the wire loses this frame. The same ones each run. */
static int loses(struct bench_wire *w)
{
	if (w->loss == 0)
		return 0;
	w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(w->random >> 33) % 1000000 < w->loss;
}

static uint32_t head_of(const struct queue *q)
{
	return atomic_load_explicit(&q->head, memory_order_acquire);
}

static uint32_t done_of(const struct queue *q)
{
	return atomic_load_explicit(&q->done, memory_order_acquire);
}

void bench_wire_destroy(struct bench_wire *w)
{
	if (w == NULL)
		return;
	for (uint32_t k = w->tx.reclaimed; k != head_of(&w->tx); k++)
		rte_pktmbuf_free_seg(w->tx.owners[k % SLOTS]);
	for (uint32_t k = w->rx.reclaimed; k != head_of(&w->rx); k++)
		rte_pktmbuf_free(w->rx.owners[k % SLOTS]);
	free(w);
}

/* Keeps the receive descriptors full, a batch at a time. Returns whether there was room for one. */
static int post(struct bench_wire *w)
{
	struct queue *q = &w->rx;
	uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
	struct rte_mbuf *fresh[BATCH];

	if (head - q->reclaimed + BATCH > POSTED ||
	    rte_pktmbuf_alloc_bulk(w->worker_bufs, fresh, BATCH) != 0)
		return 0;
	for (uint32_t k = 0; k < BATCH; k++) {
		q->owners[(head + k) % SLOTS] = fresh[k];
		q->descs[(head + k) % SLOTS].data = rte_pktmbuf_mtod(fresh[k], uint8_t *);
	}
	atomic_store_explicit(&q->head, head + BATCH, memory_order_release);
	return 1;
}

#define GOOD (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

static uint16_t worker_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct bench_wire *w = dev;
	struct queue *q = &w->rx;
	uint32_t ready = done_of(q) - q->reclaimed;
	uint16_t got = ready < n ? (uint16_t)ready : n;

	for (uint16_t k = 0; k < got; k++, q->reclaimed++) {
		struct rte_mbuf *m = q->owners[q->reclaimed % SLOTS];

		m->data_len = (uint16_t)q->descs[q->reclaimed % SLOTS].bytes;
		m->pkt_len = m->data_len;
		m->ol_flags = w->offloads ? GOOD : 0;
		pkts[k] = m;
	}
	if (got != 0)
		(void)post(w);
	return got;
}

/* A card's reads leave a line with the core that wrote it; the other core's take it away. What is
 * small is a head whose buffer will be written anew soon: its lines are asked back in time. */
static void take_back(const struct desc *d)
{
	for (uint32_t at = 0; d->bytes <= HEAD_BYTES && at < d->bytes; at += HD_CACHE_LINE)
		__asm__ volatile("prefetchw %0" : : "m"(d->data[at]));
}

static void reclaim(struct queue *q)
{
	uint32_t done = done_of(q);

	for (; q->reclaimed != done; q->reclaimed++) {
		take_back(&q->descs[q->reclaimed % SLOTS]);
		core_mbuf_free_seg(q->owners[q->reclaimed % SLOTS]);
	}
}

static uint16_t worker_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct bench_wire *w = dev;
	struct queue *q = &w->tx;
	uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
	uint16_t taken = 0;

	if (head - q->reclaimed >= BATCH)
		reclaim(q);
	for (; taken < n && head - q->reclaimed + pkts[taken]->nb_segs <= SLOTS; taken++) {
		struct rte_mbuf *m = pkts[taken];

		for (; m != NULL; m = m->next, head++) {
			q->owners[head % SLOTS] = m;
			q->descs[head % SLOTS] = (struct desc){ rte_pktmbuf_mtod(m, uint8_t *),
								m->data_len, m->next == NULL };
		}
	}
	atomic_store_explicit(&q->head, head, memory_order_release);
	return taken;
}

/* The frame at descriptor *at into a buffer of the host's; NULL: lost, as on a wire. */
static struct rte_mbuf *copy_in(struct bench_wire *w, uint32_t *at)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->host_bufs);
	const struct desc *d;

	do {
		d = &w->tx.descs[(*at)++ % SLOTS];
		if (m != NULL && rte_pktmbuf_tailroom(m) >= d->bytes)
			memcpy(rte_pktmbuf_append(m, (uint16_t)d->bytes), d->data, d->bytes);
	} while (!d->last);
	if (m != NULL && loses(w)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	if (m != NULL)
		m->ol_flags =
			GOOD; /* memory does not err, and the generator's sums are not measured */
	return m;
}

static uint16_t host_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct bench_wire *w = dev;
	uint32_t head = head_of(&w->tx),
		 at = atomic_load_explicit(&w->tx.done, memory_order_relaxed);
	uint16_t got = 0;

	while (got < n && at != head) {
		pkts[got] = copy_in(w, &at);
		got += pkts[got] != NULL;
	}
	atomic_store_explicit(&w->tx.done, at, memory_order_release);
	return got;
}

static void copy_out(struct desc *to, const struct rte_mbuf *from)
{
	uint8_t *p = to->data;

	to->bytes = from->pkt_len;
	for (; from != NULL; p += from->data_len, from = from->next)
		memcpy(p, rte_pktmbuf_mtod(from, const void *), from->data_len);
}

static uint16_t host_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct bench_wire *w = dev;
	uint32_t head = head_of(&w->rx),
		 at = atomic_load_explicit(&w->rx.done, memory_order_relaxed);
	uint16_t sent = 0;

	for (; sent < n && at != head; sent++) {
		if (hd_likely(!loses(w)))
			copy_out(&w->rx.descs[at++ % SLOTS], pkts[sent]);
	}
	atomic_store_explicit(&w->rx.done, at, memory_order_release);
	rte_pktmbuf_free_bulk(pkts, sent);
	return sent;
}

uint32_t bench_wire_host_put(struct bench_wire *w, const void *frame, uint32_t bytes, uint32_t n,
			     void (*next)(void *ctx, uint8_t *frame), void *ctx)
{
	uint32_t head = head_of(&w->rx),
		 at = atomic_load_explicit(&w->rx.done, memory_order_relaxed), k = 0;

	for (; k < n && at != head; k++, at++) {
		struct desc *d = &w->rx.descs[at % SLOTS];

		memcpy(d->data, frame, bytes);
		d->bytes = bytes;
		next(ctx, d->data);
	}
	atomic_store_explicit(&w->rx.done, at, memory_order_release);
	return k;
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
	while (post(w))
		;
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
