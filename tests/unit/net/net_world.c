/* SPDX-License-Identifier: Apache-2.0 */
#include "net_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_arp.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "net_cksum.h"

static struct rte_mempool *pool;
static struct hd_ip vips[3];
static struct pkt_facts last_facts;
static uint8_t last_segment[2048];
static uint32_t last_bytes;
const uint8_t world_far_mac[6] = { 2, 0, 0, 0, 0, 0x99 };

struct hd_ip ip_of(const char *text)
{
	struct hd_ip ip;

	assert_int_equal(hd_ip_parse(text, &ip), 0);
	return ip;
}

int world_group_setup(void **state)
{
	char prefix[64];
	char *argv[] = { "unit-net", "--no-huge", "--no-pci",	    "-m",  "64", "--no-shconf",
			 "-l",	     "0",	  "--no-telemetry", prefix };

	snprintf(prefix, sizeof(prefix), "--file-prefix=unit-net-%d", getpid());
	if (rte_eal_init(HD_ARRAY_SIZE(argv), argv) < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("unit-net", 2047, 0, PKT_PRIV_SIZE,
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

static void on_icmp(void *ctx, const struct flow_key *key, uint32_t seq, enum net_icmp what,
		    uint32_t mtu)
{
	struct world *w = ctx;

	w->n_icmp++;
	w->icmp_key = *key;
	w->icmp_seq = seq;
	w->icmp_what = what;
	w->icmp_mtu = mtu;
}

static void on_unreachable(void *ctx, const struct flow_key *key)
{
	struct world *w = ctx;

	w->n_unreachable++;
	w->lost_key = *key;
}

static struct hd_prefix prefix_of(const char *text, uint8_t len)
{
	struct hd_prefix p = { .ip = ip_of(text), .len = len };

	return p;
}

static void fill_node(struct hd_node *node)
{
	node->n_ports = 2;
	node->ports[0].addresses[0] = prefix_of("10.1.0.1", 96 + 24);
	node->ports[0].addresses[1] = prefix_of("fd00:1::1", 64);
	node->ports[1].addresses[0] = prefix_of("10.2.0.1", 96 + 24);
	node->ports[1].addresses[1] = prefix_of("fd00:2::1", 64);
	node->ports[0].n_addresses = node->ports[1].n_addresses = 2;
	node->ports[1].side = HD_SIDE_WORKLOAD;
	node->routes[0] = (struct hd_node_route){ prefix_of("0.0.0.0", 96), ip_of("10.1.0.254") };
	node->routes[1] = (struct hd_node_route){ prefix_of("::", 0), ip_of("fd00:1::fe") };
	node->routes[2] =
		(struct hd_node_route){ prefix_of("10.9.0.0", 96 + 16), ip_of("10.2.0.254") };
	node->n_routes = 3;
}

struct world *world_create(int settle)
{
	struct world *w = aligned_alloc(_Alignof(struct world), sizeof(*w));
	struct net_config c = { .secret = { 1, 2 } };
	struct net_events ev = { .icmp = on_icmp, .unreachable = on_unreachable, .ctx = w };
	struct frame f;

	memset(w, 0, sizeof(*w));
	w->pool = pool;
	w->free_before = rte_mempool_avail_count(pool);
	w->now = 100 * HD_NS_PER_S;
	fill_node(&w->node);
	c.node = &w->node;
	fake_device_init(&w->dev[0], &w->as_net[0], pool, 1);
	fake_device_init(&w->dev[1], &w->as_net[1], pool, 2);
	w->net = net_create(&c, w->as_net, pool, &w->stats, w->now, SOCKET_ID_ANY);
	assert_non_null(w->net);
	net_set_events(w->net, &ev);
	vips[0] = ip_of("10.1.0.10");
	vips[1] = ip_of("10.96.0.1");
	vips[2] = ip_of("fd00:1::10");
	net_set_vips(w->net, vips, 3);
	if (settle) {
		world_pass(w, 5 * HD_NS_PER_S);
		while (world_sent(w, 0, &f) != 0 || world_sent(w, 1, &f) != 0)
			;
	}
	return w;
}

int world_setup(void **state)
{
	*state = world_create(1);
	return 0;
}

int world_teardown(void **state)
{
	struct world *w = *state;

	net_destroy(w->net);
	fake_device_fini(&w->dev[0]);
	fake_device_fini(&w->dev[1]);
	assert_int_equal(rte_mempool_avail_count(w->pool), w->free_before);
	free(w);
	return 0;
}

static void frame_eth(struct frame *f, const struct hd_ip *dst, uint16_t type)
{
	struct rte_ether_hdr *h = (void *)f->b;

	memcpy(h->dst_addr.addr_bytes, (const uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
	if (dst != NULL && dst->b[0] == 0xff) {
		h->dst_addr.addr_bytes[0] = h->dst_addr.addr_bytes[1] = 0x33;
		memcpy(h->dst_addr.addr_bytes + 2, dst->b + 12, 4);
	}
	memcpy(h->src_addr.addr_bytes, world_far_mac, 6);
	h->ether_type = rte_cpu_to_be_16(type);
}

void frame_fix_ip4(struct frame *f)
{
	struct rte_ipv4_hdr *h = (void *)(f->b + 14);

	h->hdr_checksum = 0;
	h->hdr_checksum = cksum_finish(cksum_add(0, h, (h->version_ihl & 15) * 4u));
}

static void frame_ip4(struct frame *f, const struct hd_ip *src, const struct hd_ip *dst,
		      uint8_t protocol, uint32_t n)
{
	struct rte_ipv4_hdr *h = (void *)(f->b + 14);

	*h = (struct rte_ipv4_hdr){ .version_ihl = 0x45,
				    .total_length = rte_cpu_to_be_16((uint16_t)(20 + n)),
				    .fragment_offset = rte_cpu_to_be_16(0x4000),
				    .time_to_live = 64,
				    .next_proto_id = protocol,
				    .src_addr = src->w[3],
				    .dst_addr = dst->w[3] };
	frame_fix_ip4(f);
}

static void frame_ip6(struct frame *f, const struct hd_ip *src, const struct hd_ip *dst,
		      uint8_t protocol, uint32_t n)
{
	struct rte_ipv6_hdr *h = (void *)(f->b + 14);

	*h = (struct rte_ipv6_hdr){ .vtc_flow = rte_cpu_to_be_32(6u << 28),
				    .payload_len = rte_cpu_to_be_16((uint16_t)n),
				    .proto = protocol,
				    .hop_limits = 255 };
	memcpy(h->src_addr, src->b, 16);
	memcpy(h->dst_addr, dst->b, 16);
}

void frame_ip(struct frame *f, const char *src, const char *dst, uint8_t protocol, const void *l4,
	      uint32_t n)
{
	struct hd_ip s = ip_of(src), d = ip_of(dst);
	int v4 = hd_ip_is_v4(&d);
	uint32_t header = v4 ? 20 : 40;

	memmove(f->b + 14 + header, l4, n);
	frame_eth(f, &d, v4 ? 0x0800 : 0x86dd);
	(v4 ? frame_ip4 : frame_ip6)(f, &s, &d, protocol, n);
	f->n = 14 + header + n;
}

void frame_tcp(struct frame *f, const struct tcp_args *a)
{
	struct hd_ip s = ip_of(a->src), d = ip_of(a->dst);
	uint8_t l4[1600] = { 0 };
	struct rte_tcp_hdr *h = (void *)l4;
	uint32_t header = 20 + a->n_options, n = header + a->n_data;

	*h = (struct rte_tcp_hdr){ .src_port = rte_cpu_to_be_16(a->sport),
				   .dst_port = rte_cpu_to_be_16(a->dport),
				   .sent_seq = rte_cpu_to_be_32(a->seq),
				   .recv_ack = rte_cpu_to_be_32(a->ack),
				   .data_off = (uint8_t)(header / 4 << 4),
				   .tcp_flags = a->flags,
				   .rx_win = rte_cpu_to_be_16(1000) };
	if (a->n_options != 0)
		memcpy(l4 + 20, a->options, a->n_options);
	if (a->n_data != 0)
		memcpy(l4 + header, a->data, a->n_data);
	h->cksum = cksum_finish(cksum_add(cksum_pseudo(&s, &d, IPPROTO_TCP, n), l4, n));
	frame_ip(f, a->src, a->dst, IPPROTO_TCP, l4, n);
}

void frame_icmp(struct frame *f, const char *src, const char *dst, uint8_t type, uint8_t code,
		uint32_t word, const void *data, uint32_t n)
{
	struct hd_ip s = ip_of(src), d = ip_of(dst);
	int v4 = hd_ip_is_v4(&d);
	uint8_t l4[2000] = { type, code };
	uint16_t sum;

	memcpy(l4 + 4, &word, 4);
	if (n != 0)
		memcpy(l4 + 8, data, n);
	sum = cksum_finish(
		cksum_add(v4 ? 0 : cksum_pseudo(&s, &d, IPPROTO_ICMPV6, n + 8), l4, n + 8));
	memcpy(l4 + 2, &sum, 2);
	frame_ip(f, src, dst, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, l4, n + 8);
}

void frame_arp(struct frame *f, uint16_t op, const uint8_t sha[6], const char *spa,
	       const uint8_t tha[6], const char *tpa)
{
	struct rte_arp_hdr *h = (void *)(f->b + 14);

	frame_eth(f, NULL, 0x0806);
	memset(f->b, 0xff, 6);
	*h = (struct rte_arp_hdr){ .arp_hardware = rte_cpu_to_be_16(1),
				   .arp_protocol = rte_cpu_to_be_16(0x0800),
				   .arp_hlen = 6,
				   .arp_plen = 4,
				   .arp_opcode = rte_cpu_to_be_16(op) };
	memcpy(h->arp_data.arp_sha.addr_bytes, sha, 6);
	memcpy(h->arp_data.arp_tha.addr_bytes, tha, 6);
	h->arp_data.arp_sip = ip_of(spa).w[3];
	h->arp_data.arp_tip = ip_of(tpa).w[3];
	f->n = 14 + 28;
}

void frame_nd(struct frame *f, uint8_t type, const char *src, const char *dst, uint8_t flags,
	      const char *target, uint8_t option, const uint8_t mac[6])
{
	struct hd_ip t = ip_of(target);
	uint8_t data[24];
	uint32_t word = rte_cpu_to_be_32((uint32_t)flags << 24);

	memcpy(data, t.b, 16);
	data[16] = option;
	data[17] = 1;
	if (option != 0)
		memcpy(data + 18, mac, 6);
	frame_icmp(f, src, dst, type, 0, word, data, option != 0 ? 24 : 16);
}

static uint32_t receive(struct world *w, uint32_t port)
{
	struct rte_mbuf *out[64];
	int any;
	uint16_t n = net_rx(w->net, port, out, 64, w->now, &any);

	for (uint16_t k = 0; k < n; k++) {
		uint32_t at = pkt_facts(out[k])->tcp_offset;

		last_facts = *pkt_facts(out[k]);
		last_bytes = out[k]->pkt_len - at;
		for (uint32_t b = 0; b < last_bytes; b++)
			last_segment[b] = *(const uint8_t *)rte_pktmbuf_read(out[k], at + b, 1,
									     &last_segment[b]);
		rte_pktmbuf_free(out[k]);
	}
	net_tx_flush(w->net);
	return n;
}

uint32_t world_rx(struct world *w, uint32_t port, const struct frame *f)
{
	return world_rx_chain(w, port, f, 0);
}

uint32_t world_rx_chain(struct world *w, uint32_t port, const struct frame *f, uint32_t seg_bytes)
{
	fake_device_put(&w->dev[port], f->b, f->n, seg_bytes);
	return receive(w, port);
}

const struct pkt_facts *world_facts(void)
{
	return &last_facts;
}

const uint8_t *world_segment(uint32_t *n)
{
	*n = last_bytes;
	return last_segment;
}

uint32_t world_sent(struct world *w, uint32_t port, struct frame *f)
{
	f->n = fake_device_take(&w->dev[port], f->b, sizeof(f->b));
	return f->n;
}

void world_pass(struct world *w, hd_ns ns)
{
	hd_ns end = w->now + ns;

	while (w->now < end) {
		w->now = end - w->now > 10 * HD_NS_PER_MS ? w->now + 10 * HD_NS_PER_MS : end;
		net_timers_run(w->net, w->now);
		net_tx_flush(w->net);
	}
}

uint64_t world_count(const struct world *w, enum hd_counter c)
{
	return w->stats.counters[c];
}

int world_xmit(struct world *w, const char *local, const char *remote, struct flow_path *path,
	       uint32_t n)
{
	int is_busy;
	struct flow_key key = { .local = ip_of(local),
				.remote = ip_of(remote),
				.local_port = 80,
				.remote_port = 4000 };
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);
	struct rte_tcp_hdr *h;

	assert_non_null(m);
	h = (void *)rte_pktmbuf_append(m, (uint16_t)(20 + n));
	memset(h, 0, 20 + n);
	h->src_port = rte_cpu_to_be_16(80);
	h->dst_port = rte_cpu_to_be_16(4000);
	h->data_off = 5 << 4;
	for (uint32_t k = 0; k < n; k++)
		((uint8_t *)(h + 1))[k] = (uint8_t)(k * 7 + 1);
	is_busy = net_xmit_tcp(w->net, m, &key, path, 0, -1);
	net_tx_flush(w->net);
	return is_busy;
}
