/* SPDX-License-Identifier: Apache-2.0 */
#include "net_port.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_ethdev.h>

#include "net_vlan.h"

/* 25 us of small frames at 20 Mpps; the buffers of more would go round outside of the L2 cache. */
#define RX_DESCRIPTORS 512
#define TX_DESCRIPTORS 512

struct port_queue {
	uint16_t port_id, queue, vlan;
};

struct net_port {
	struct hd_node_port node;
	uint16_t port_id;
	uint16_t n_queues, mtu;
	unsigned int if_index; /* of the kernel interface behind a vdev; 0: none */
	uint64_t rx_offloads, tx_offloads; /* RTE_ETH_*_OFFLOAD_* in use */
	int plugged;			   /* probed by us, so unplugged by us */
	int started;
	int interrupts; /* asked for at configuration */
	struct rte_device *device;
	char driver[32];
	struct rte_ether_addr mac;
	struct port_queue queues[HD_MAX_WORKERS];
	struct net_rss rss; /* with several queues */
};

static int fail(const struct net_port *p, int code, char *error, size_t bytes, const char *format,
		...) __attribute__((format(printf, 5, 6)));

/* "port front (net_af_packet0,iface=c0): why". Returns code. */
static int fail(const struct net_port *p, int code, char *error, size_t bytes, const char *format,
		...)
{
	int n = snprintf(error, bytes, "port %s (%s): ", p->node.name, p->node.device);
	va_list args;

	if (n < 0 || (size_t)n >= bytes)
		return code;
	va_start(args, format);
	vsnprintf(error + n, bytes - (size_t)n, format, args);
	va_end(args);
	return code;
}

/* "net_af_packet0" of "net_af_packet0,iface=c0"; a PCI address gets its domain: "3b:00.0" ->
 * "0000:3b:00.0". */
static void device_name(const char *devargs, char *name, size_t bytes)
{
	size_t n = strcspn(devargs, ",");
	int short_pci = n == 7 && devargs[2] == ':' && devargs[5] == '.';

	snprintf(name, bytes, "%s%.*s", short_pci ? "0000:" : "", (int)n, devargs);
}

/* AF_PACKET holds 512 frames unless told otherwise: 5 ms of a busy link, less than a scheduler may
 * keep a worker waiting. */
static void complete(const char *devargs, char *out, size_t bytes)
{
	int short_ring =
		strncmp(devargs, "net_af_packet", 13) == 0 && strstr(devargs, "framecnt=") == NULL;

	snprintf(out, bytes, "%s%s", devargs, short_ring ? ",framecnt=4096" : "");
}

static int find_or_plug(struct net_port *p, char *error, size_t bytes)
{
	char name[RTE_ETH_NAME_MAX_LEN], devargs[sizeof(p->node.device) + 32];
	int rc;

	device_name(p->node.device, name, sizeof(name));
	if (rte_eth_dev_get_port_by_name(name, &p->port_id) == 0)
		return 0;
	complete(p->node.device, devargs, sizeof(devargs));
	rc = rte_dev_probe(devargs);
	if (rc < 0)
		return fail(p, -ENODEV, error, bytes, "no such device (%s)",
			    rc == -1 ? "or no right to open it" : strerror(-rc));
	if (rte_eth_dev_get_port_by_name(name, &p->port_id) != 0)
		return fail(p, -ENODEV, error, bytes, "no Ethernet driver takes this device");
	p->plugged = 1;
	return 0;
}

/* Of the kernel interface behind a vdev. 0, or a negative errno: -ENXIO when it is not there. */
static int ask_kernel(unsigned int if_index, unsigned long what, struct ifreq *ifr)
{
	int s, rc;

	if (if_indextoname(if_index, ifr->ifr_name) == NULL)
		return -errno;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	rc = ioctl(s, what, ifr) != 0 ? -errno : 0;
	close(s);
	return rc;
}

/* A vdev over a kernel interface (af_packet, af_xdp, tap) says 1,500 whatever the interface is set
 * to, and that its link is up whatever the other end does: ask the kernel. */
static uint16_t kernel_mtu(unsigned int if_index, uint16_t otherwise)
{
	struct ifreq ifr = { 0 };

	if (if_index == 0 || ask_kernel(if_index, SIOCGIFMTU, &ifr) != 0)
		return otherwise;
	return ifr.ifr_mtu < otherwise ? (uint16_t)ifr.ifr_mtu : otherwise;
}

/* The carrier itself: IFF_RUNNING may follow it by a second. */
static void kernel_link(unsigned int if_index, struct hd_dp_port_info *out)
{
	struct ethtool_value link = { .cmd = ETHTOOL_GLINK };
	struct ifreq ifr = { .ifr_data = (char *)&link };
	int rc;

	if (if_index == 0)
		return;
	rc = ask_kernel(if_index, SIOCETHTOOL, &ifr);
	if (rc == 0)
		out->link_up = link.data != 0;
	else if (rc == -ENXIO || rc == -ENODEV)
		out->gone = 1;
}

static int settle_mtu(struct net_port *p, const struct rte_eth_dev_info *info, char *error,
		      size_t bytes)
{
	uint16_t mtu = RTE_ETHER_MTU;
	int rc;

	if (p->node.mtu != 0) {
		rc = rte_eth_dev_set_mtu(p->port_id, p->node.mtu);
		if (rc != 0)
			return fail(p, -EINVAL, error, bytes, "the device refuses an MTU of %u: %s",
				    p->node.mtu, strerror(-rc));
		p->mtu = p->node.mtu;
		return 0;
	}
	rc = rte_eth_dev_get_mtu(p->port_id, &mtu);
	if (rc != 0)
		return fail(p, -EINVAL, error, bytes, "cannot read the MTU: %s", strerror(-rc));
	p->mtu = kernel_mtu(info->if_index, mtu);
	return 0;
}

#define RSS_TYPES (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)

/* 0 stands for the usual 40. */
static uint8_t key_bytes(const struct rte_eth_dev_info *info)
{
	return info->hash_key_size != 0 ? info->hash_key_size : NET_RSS_KEY;
}

static void ask_to_spread(const struct net_port_queues *q, const struct rte_eth_dev_info *info,
			  uint8_t key[UINT8_MAX], struct rte_eth_rss_conf *conf)
{
	memcpy(key, q->rss_key, NET_RSS_KEY);
	*conf = (struct rte_eth_rss_conf){
		.rss_key = key,
		.rss_key_len = key_bytes(info),
		.rss_hf = info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RSS_TYPES),
	};
}

/* Whether the device may be able to; what it really does shows when it runs. */
static int may_spread(const struct rte_eth_dev_info *info, uint32_t n_queues)
{
	return n_queues > 1 && info->max_rx_queues >= n_queues && info->max_tx_queues >= n_queues &&
	       (info->flow_type_rss_offloads & RSS_TYPES) == RSS_TYPES &&
	       key_bytes(info) >= NET_RSS_KEY && info->reta_size > 0 &&
	       info->reta_size <= NET_RSS_RETA;
}

static void reta_entry(struct rte_eth_rss_reta_entry64 *reta, uint32_t i, uint16_t queue)
{
	reta[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
	reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = queue;
}

/* Asks for an even table and takes down what the device has. */
static int settle_reta(struct net_port *p, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 reta[NET_RSS_RETA / RTE_ETH_RETA_GROUP_SIZE] = { 0 };

	for (uint32_t i = 0; i < size; i++)
		reta_entry(reta, i, (uint16_t)(i % p->n_queues));
	(void)rte_eth_dev_rss_reta_update(p->port_id, reta, size);
	if (rte_eth_dev_rss_reta_query(p->port_id, reta, size) != 0)
		return 0;
	p->rss.reta_size = size;
	for (uint32_t i = 0; i < size; i++) {
		p->rss.reta[i] =
			reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
		if (p->rss.reta[i] >= p->n_queues)
			return 0;
	}
	return 1;
}

/* The key that is in the device, be it ours or not: some take it when they are configured, some
 * only now. */
static int settle_key(struct net_port *p, const struct net_port_queues *q,
		      const struct rte_eth_dev_info *info)
{
	uint8_t key[UINT8_MAX] = { 0 };
	struct rte_eth_rss_conf conf = { 0 };

	ask_to_spread(q, info, key, &conf);
	(void)rte_eth_dev_rss_hash_update(p->port_id, &conf);
	memset(key, 0, sizeof(key));
	if (rte_eth_dev_rss_hash_conf_get(p->port_id, &conf) != 0 ||
	    (conf.rss_hf & RSS_TYPES) != RSS_TYPES)
		return 0;
	net_rss_set_key(&p->rss, key);
	return 1;
}

static int configure(struct net_port *p, const struct net_port_queues *q,
		     const struct rte_eth_dev_info *info, char *error, size_t bytes)
{
	struct rte_eth_conf conf = { 0 };
	uint8_t key[UINT8_MAX] = { 0 };
	int rc;

	p->rx_offloads = info->rx_offload_capa &
			 (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
	p->tx_offloads = info->tx_offload_capa &
			 (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
			  RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	if (p->node.mtu > RTE_ETHER_MTU)
		p->rx_offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.rxmode.offloads = p->rx_offloads;
	conf.rxmode.mtu = p->node.mtu != 0 ? p->node.mtu : RTE_ETHER_MTU;
	conf.txmode.offloads = p->tx_offloads;
	conf.intr_conf.rxq = p->interrupts != 0;
	if (p->n_queues > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		ask_to_spread(q, info, key, &conf.rx_adv_conf.rss_conf);
	}
	rc = rte_eth_dev_configure(p->port_id, p->n_queues, p->n_queues, &conf);
	if (rc != 0)
		return fail(p, -EINVAL, error, bytes, "the device refuses its configuration: %s",
			    strerror(-rc));
	return 0;
}

static int set_up_queues(struct net_port *p, const struct net_port_queues *q, char *error,
			 size_t bytes)
{
	uint16_t rx_desc = RX_DESCRIPTORS, tx_desc = TX_DESCRIPTORS;
	int socket = rte_eth_dev_socket_id(p->port_id), rc;

	rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->port_id, &rx_desc, &tx_desc);
	if (rc != 0)
		return fail(p, -EINVAL, error, bytes, "cannot size the rings: %s", strerror(-rc));
	for (uint16_t i = 0; i < p->n_queues; i++) {
		rc = rte_eth_rx_queue_setup(p->port_id, i, rx_desc, (unsigned int)socket, NULL,
					    q->pools[p->n_queues > 1 ? i : q->first]);
		if (rc != 0)
			return fail(p, -EINVAL, error, bytes, "receive queue %u: %s", i,
				    strerror(-rc));
	}
	for (uint16_t i = 0; i < p->n_queues; i++) {
		rc = rte_eth_tx_queue_setup(p->port_id, i, tx_desc, (unsigned int)socket, NULL);
		if (rc != 0)
			return fail(p, -EINVAL, error, bytes, "transmit queue %u: %s", i,
				    strerror(-rc));
	}
	return 0;
}

/* Solicited-node groups (RFC 4291 2.7.1) of addresses that may change with every snapshot: all
 * multicast, or everything when the device cannot. A device that can neither (a memory vdev)
 * filters nothing to begin with. */
static void open_filters(const struct net_port *p)
{
	if (rte_eth_allmulticast_enable(p->port_id) != 0)
		(void)rte_eth_promiscuous_enable(p->port_id);
}

static int start(struct net_port *p, const struct net_port_queues *q,
		 const struct rte_eth_dev_info *info, char *error, size_t bytes)
{
	int rc = configure(p, q, info, error, bytes);

	if (rc == 0)
		rc = settle_mtu(p, info, error, bytes);
	if (rc == 0)
		rc = set_up_queues(p, q, error, bytes);
	if (rc != 0)
		return rc;
	rc = rte_eth_dev_start(p->port_id);
	if (rc != 0)
		return fail(p, -EINVAL, error, bytes, "cannot start: %s", strerror(-rc));
	p->started = 1;
	return 0;
}

/* True: the device runs with a queue for each worker, and it is known which TCP packet goes where.
 */
static int start_spread(struct net_port *p, const struct net_port_queues *q,
			const struct rte_eth_dev_info *info)
{
	char why[256];

	p->n_queues = (uint16_t)q->n;
	if (start(p, q, info, why, sizeof(why)) == 0 && settle_key(p, q, info) &&
	    settle_reta(p, info->reta_size))
		return 1;
	if (p->started)
		(void)rte_eth_dev_stop(p->port_id);
	p->started = 0;
	return 0;
}

static int spread_or_start(struct net_port *p, const struct net_port_queues *q,
			   const struct rte_eth_dev_info *info, char *error, size_t bytes)
{
	if (may_spread(info, q->n) && start_spread(p, q, info))
		return 0;
	p->n_queues = 1;
	return start(p, q, info, error, bytes);
}

static int bring_up(struct net_port *p, const struct net_port_queues *q, char *error, size_t bytes)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(p->port_id, &info);

	if (rc != 0)
		return fail(p, -ENODEV, error, bytes, "cannot ask the device: %s", strerror(-rc));
	p->device = info.device;
	p->if_index = info.if_index;
	snprintf(p->driver, sizeof(p->driver), "%s", info.driver_name);
	/* No driver says beforehand whether it can interrupt. Packet sockets need not. */
	p->interrupts = q->sleeps && info.if_index == 0;
	rc = spread_or_start(p, q, &info, error, bytes);
	if (rc != 0 && p->interrupts) {
		p->interrupts = 0;
		rc = spread_or_start(p, q, &info, error, bytes);
	}
	if (rc != 0)
		return rc;
	/* Asked once: DPDK logs an error each time that a device has none. */
	if (p->interrupts && rte_eth_dev_rx_intr_ctl_q_get_fd(p->port_id, 0) < 0)
		p->interrupts = 0;
	rc = rte_eth_macaddr_get(p->port_id, &p->mac);
	if (rc != 0)
		return fail(p, -ENODEV, error, bytes, "cannot read the MAC address: %s",
			    strerror(-rc));
	open_filters(p);
	return 0;
}

int net_port_open(const struct hd_node_port *node, const struct net_port_queues *q,
		  struct net_port **out, char *error, size_t error_bytes)
{
	struct net_port *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL) {
		snprintf(error, error_bytes, "port %s: out of memory", node->name);
		return -ENOMEM;
	}
	p->node = *node;
	p->port_id = RTE_MAX_ETHPORTS;
	rc = find_or_plug(p, error, error_bytes);
	if (rc != 0)
		goto free_port;
	rc = bring_up(p, q, error, error_bytes);
	if (rc != 0)
		goto close_device;
	for (uint16_t i = 0; i < HD_MAX_WORKERS; i++)
		p->queues[i] = (struct port_queue){
			.port_id = p->port_id,
			.queue = i,
			.vlan = node->vlan,
		};
	*out = p;
	return 0;

close_device:
	net_port_close(p);
	return rc;
free_port:
	free(p);
	return rc;
}

void net_port_close(struct net_port *p)
{
	if (p == NULL)
		return;
	if (p->started)
		(void)rte_eth_dev_stop(p->port_id);
	(void)rte_eth_dev_close(p->port_id);
	if (p->plugged && p->device != NULL)
		(void)rte_dev_remove(p->device);
	free(p);
}

static uint16_t ethdev_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	const struct port_queue *q = dev;

	return rte_eth_rx_burst(q->port_id, q->queue, pkts, n);
}

static uint16_t vlan_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	const struct port_queue *q = dev;
	uint16_t got = rte_eth_rx_burst(q->port_id, q->queue, pkts, n);

	net_vlan_take(q->vlan, pkts, got);
	return got;
}

static uint16_t ethdev_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	const struct port_queue *q = dev;

	return rte_eth_tx_burst(q->port_id, q->queue, pkts, n);
}

/* With checksum offload some drivers want their own fix-ups before the burst. */
static uint16_t ethdev_prepare(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	const struct port_queue *q = dev;

	return rte_eth_tx_prepare(q->port_id, q->queue, pkts, n);
}

void net_port_device(struct net_port *p, uint32_t queue, struct net_device *out)
{
	*out = (struct net_device){ .dev = &p->queues[queue], .mtu = p->mtu };
	memcpy(out->mac, p->mac.addr_bytes, sizeof(out->mac));
	out->rx = p->node.vlan != 0 ? vlan_rx : ethdev_rx;
	out->tx = ethdev_tx;
	if (p->tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
		out->prepare = ethdev_prepare;
	if (p->rx_offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM)
		out->rx_offloads |= NET_RX_IP_CKSUM;
	if (p->rx_offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
		out->rx_offloads |= NET_RX_L4_CKSUM;
	if (p->tx_offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM)
		out->tx_offloads |= NET_TX_IP_CKSUM;
	if (p->tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
		out->tx_offloads |= NET_TX_L4_CKSUM;
	if (p->tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
		out->tx_offloads |= NET_TX_MULTI_SEG;
	/* Drivers free through rte_pktmbuf_prefree_seg as long as MBUF_FAST_FREE is not asked for,
	 * and it is not. */
	out->tx_offloads |= NET_TX_REFCOUNTED;
}

const struct net_rss *net_port_rss(const struct net_port *p)
{
	return p->n_queues > 1 ? &p->rss : NULL;
}

int net_port_interrupt_fd(const struct net_port *p, uint32_t queue)
{
	return p->interrupts ? rte_eth_dev_rx_intr_ctl_q_get_fd(p->port_id, (uint16_t)queue) : -1;
}

void net_port_arm(const struct net_port *p, uint32_t queue, int armed)
{
	if (armed)
		(void)rte_eth_dev_rx_intr_enable(p->port_id, (uint16_t)queue);
	else
		(void)rte_eth_dev_rx_intr_disable(p->port_id, (uint16_t)queue);
}

static void describe_offloads(const struct net_port *p, char *out, size_t bytes)
{
	const struct {
		int used;
		const char *name;
	} names[] = {
		{ p->n_queues > 1, "rss" },
		{ net_port_interrupt_fd(p, 0) >= 0, "rx-interrupt" },
		{ (p->rx_offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0, "rx-ip-checksum" },
		{ (p->rx_offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM) != 0, "rx-tcp-checksum" },
		{ (p->rx_offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0, "rx-scatter" },
		{ (p->tx_offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0, "tx-ip-checksum" },
		{ (p->tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0, "tx-tcp-checksum" },
		{ (p->tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0, "multi-seg" },
	};
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < HD_ARRAY_SIZE(names); i++) {
		if (names[i].used && at < bytes)
			at += (size_t)snprintf(out + at, bytes - at, "%s%s", at == 0 ? "" : " ",
					       names[i].name);
	}
}

void net_port_info(const struct net_port *p, struct hd_dp_port_info *out)
{
	struct rte_eth_link link = { 0 };

	*out = (struct hd_dp_port_info){ .mtu = p->mtu,
					 .vlan = p->node.vlan,
					 .side = (uint8_t)p->node.side };
	snprintf(out->name, sizeof(out->name), "%s", p->node.name);
	snprintf(out->device, sizeof(out->device), "%s", p->node.device);
	snprintf(out->driver, sizeof(out->driver), "%s", p->driver);
	memcpy(out->mac, p->mac.addr_bytes, sizeof(out->mac));
	if (rte_eth_link_get_nowait(p->port_id, &link) == 0) {
		out->link_up = link.link_status == RTE_ETH_LINK_UP;
		out->speed_mbps =
			link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	}
	out->gone = rte_eth_dev_is_removed(p->port_id) != 0;
	kernel_link(p->if_index, out);
	if (out->gone)
		out->link_up = 0;
	describe_offloads(p, out->offloads, sizeof(out->offloads));
}
