/* SPDX-License-Identifier: Apache-2.0 */
/* Any frame at all into net_rx: no crash, no leak, facts that lie inside the frame.
 *
 * The input is a list of records: one byte of flags (bit 0: port; bits 1 to 3: cut into buffers of
 * 16 << k bytes, 0: one buffer; bit 4: a second passes before; bit 5: destination MAC and IPv4
 * header checksum are made right), two bytes of length (big-endian, cut to what is left), the
 * frame. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>

#include "fake_device.h"
#include "net_cksum.h"

#define MAX_FRAME 1900

static struct rte_mempool *pool;
static struct hd_worker_stats stats;

static void start(void)
{
	char prefix[64];
	char *argv[] = { "fuzz-frame",
			 "--no-huge",
			 "--no-pci",
			 "-m",
			 "64",
			 "--no-shconf",
			 "-l",
			 "0",
			 "--no-telemetry",
			 "--log-level=error",
			 prefix };

	snprintf(prefix, sizeof(prefix), "--file-prefix=fuzz-frame-%d", getpid());
	if (rte_eal_init(HD_ARRAY_SIZE(argv), argv) < 0)
		abort();
	pool = rte_pktmbuf_pool_create("fuzz", 4095, 0, PKT_PRIV_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (pool == NULL)
		abort();
}

static void add(struct hd_node_port *port, const char *ip, uint8_t len)
{
	struct hd_prefix *p = &port->addresses[port->n_addresses++];

	if (hd_ip_parse(ip, &p->ip) != 0)
		abort();
	p->len = len;
}

/* A frame that gets past the first checks more often: what a fuzzer cannot guess is put right. */
static void help(uint8_t *frame, uint32_t n, uint8_t port)
{
	uint32_t bytes;
	uint16_t sum;

	if (n < 34)
		return;
	if (!(frame[0] & 1))
		memcpy(frame, (const uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)(port + 1) }, 6);
	if (frame[12] != 8 || frame[13] != 0)
		return;
	bytes = (frame[14] & 15) * 4u;
	if (bytes < 20 || 14 + bytes > n)
		return;
	memset(frame + 24, 0, 2);
	sum = cksum_finish(cksum_add(0, frame + 14, bytes));
	memcpy(frame + 24, &sum, 2);
}

static void check(struct rte_mbuf *m)
{
	const struct pkt_facts *f = pkt_facts(m);

	assert(f->data_offset >= 20 && f->data_offset <= 60);
	assert((uint32_t)f->tcp_offset + f->data_offset <= m->data_len);
	assert((uint32_t)f->tcp_offset + f->data_offset + f->payload == m->pkt_len);
	rte_mbuf_sanity_check(m, 1);
	rte_pktmbuf_free(m);
}

static void receive(struct net *n, uint32_t port, hd_ns now)
{
	struct rte_mbuf *out[32];
	int any;
	uint16_t got = net_rx(n, port, out, 32, now, &any);

	for (uint16_t k = 0; k < got; k++)
		check(out[k]);
	net_timers_run(n, now);
	net_tx_flush(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct hd_node node;
	static struct fake_device dev[2];
	struct net_device as_net[2];
	struct net_config c = { .node = &node, .secret = { 1, 2 } };
	hd_ns now = HD_NS_PER_S;
	uint8_t frame[MAX_FRAME];
	struct net *net;

	if (pool == NULL)
		start();
	if (node.n_ports == 0) {
		node.n_ports = 2;
		add(&node.ports[0], "10.1.0.1", 96 + 24);
		add(&node.ports[0], "fd00:1::1", 64);
		add(&node.ports[1], "10.2.0.1", 96 + 24);
		add(&node.ports[1], "fd00:2::1", 64);
	}
	for (uint8_t p = 0; p < 2; p++)
		fake_device_init(&dev[p], &as_net[p], pool, p + 1);
	net = net_create(&c, as_net, pool, &stats, now, SOCKET_ID_ANY);
	if (net == NULL)
		abort();
	while (n > 3) {
		uint8_t flags = data[0], cut = flags >> 1 & 7;
		uint32_t bytes = (uint32_t)data[1] << 8 | data[2];

		data += 3;
		n -= 3;
		if (bytes > n)
			bytes = (uint32_t)n;
		if (bytes > MAX_FRAME)
			bytes = MAX_FRAME;
		memcpy(frame, data, bytes);
		data += bytes;
		n -= bytes;
		if (flags & 0x20)
			help(frame, bytes, flags & 1);
		if (flags & 0x10)
			now += HD_NS_PER_S;
		if (bytes != 0)
			fake_device_put(&dev[flags & 1], frame, bytes, cut == 0 ? 0 : 16u << cut);
		receive(net, flags & 1, now);
	}
	net_destroy(net);
	for (uint8_t p = 0; p < 2; p++)
		fake_device_fini(&dev[p]);
	assert(rte_mempool_avail_count(pool) == 4095);
	return 0;
}
