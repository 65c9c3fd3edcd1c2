/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_device.h"

#include <assert.h>

static uint16_t fake_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct fake_device *d = dev;
	uint16_t got = 0;

	while (got < n && d->at_in < d->n_in)
		pkts[got++] = d->in[d->at_in++];
	if (d->at_in == d->n_in)
		d->at_in = d->n_in = 0;
	return got;
}

static uint16_t fake_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct fake_device *d = dev;
	uint16_t taken = 0;

	while (taken < n && d->tx_room != 0 && d->n_out < FAKE_DEVICE_FRAMES) {
		d->out[d->n_out++] = pkts[taken++];
		if (d->tx_room != UINT32_MAX)
			d->tx_room--;
	}
	return taken;
}

void fake_device_init(struct fake_device *d, struct net_device *as_net, struct rte_mempool *pool,
		      uint8_t last)
{
	*d = (struct fake_device){ .pool = pool, .tx_room = UINT32_MAX };
	*as_net = (struct net_device){ .rx = fake_rx,
				       .tx = fake_tx,
				       .dev = d,
				       .mac = { 2, 0, 0, 0, 0, last },
				       .mtu = 1500,
				       .tx_offloads = NET_TX_MULTI_SEG | NET_TX_REFCOUNTED };
}

void fake_device_fini(struct fake_device *d)
{
	while (d->at_in < d->n_in)
		rte_pktmbuf_free(d->in[d->at_in++]);
	while (d->at_out < d->n_out)
		rte_pktmbuf_free(d->out[d->at_out++]);
}

static struct rte_mbuf *buffer(struct fake_device *d, const uint8_t *bytes, uint32_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(d->pool);

	assert(m != NULL);
	if (n != 0)
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes, n);
	return m;
}

void fake_device_put(struct fake_device *d, const void *frame, uint32_t bytes, uint32_t seg_bytes)
{
	const uint8_t *p = frame;
	uint32_t first = seg_bytes != 0 && seg_bytes < bytes ? seg_bytes : bytes;
	struct rte_mbuf *m = buffer(d, p, first);

	for (uint32_t at = first; at < bytes; at += seg_bytes) {
		uint32_t n = bytes - at < seg_bytes ? bytes - at : seg_bytes;

		rte_pktmbuf_chain(m, buffer(d, p + at, n));
	}
	m->ol_flags = d->rx_ol_flags;
	assert(d->n_in < FAKE_DEVICE_FRAMES);
	d->in[d->n_in++] = m;
}

uint32_t fake_device_take(struct fake_device *d, void *buf, uint32_t bytes)
{
	uint8_t *to = buf;
	struct rte_mbuf *m;
	uint32_t n;

	if (d->at_out == d->n_out)
		return 0;
	m = d->out[d->at_out++];
	if (d->at_out == d->n_out)
		d->at_out = d->n_out = 0;
	n = m->pkt_len;
	assert(n <= bytes);
	for (const struct rte_mbuf *s = m; s != NULL; to += s->data_len, s = s->next)
		memcpy(to, rte_pktmbuf_mtod(s, const void *), s->data_len);
	rte_pktmbuf_free(m);
	return n;
}

uint32_t fake_device_sent(const struct fake_device *d)
{
	return d->n_out - d->at_out;
}
