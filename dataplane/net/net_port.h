/* SPDX-License-Identifier: Apache-2.0 */
/* A DPDK ethdev as a net_device: found or hot-plugged, configured with the offloads it has,
 * started. Slow path: every call is for the control thread, before the workers start or after they
 * stopped, except the rx and tx of the devices that net_port_device hands out, which belong to the
 * worker of that queue. */
#ifndef NET_PORT_H
#define NET_PORT_H

#include <heddle/dp.h>

#include "net.h"
#include "net_rss.h"

struct net_port;

/* Opens and starts node->device after EAL is up: a PCI address or a vdev string, probed now unless
 * --vdev or the bus scan already did. A queue each way for each of the n_queues workers (pools[i]
 * feeds queue i; its data room must hold the MTU, 2,048 and headroom do for 1,500) when the device
 * has as many and spreads TCP over them in a way that net_port_rss foretells, else a single one,
 * fed by pools[first]. rss_key: what the spreading is keyed with. 0, or a negative errno with one
 * line in error: -ENODEV the device is not there, -EINVAL it refuses the configuration. */
struct net_port_queues {
	uint32_t n, first;
	struct rte_mempool *pools[HD_MAX_WORKERS];
	uint8_t rss_key[NET_RSS_KEY];
	int sleeps; /* the workers sleep when idle: receive interrupts if the device has them */
};
[[nodiscard]] int net_port_open(const struct hd_node_port *node, const struct net_port_queues *q,
				struct net_port **out, char *error, size_t error_bytes);
/* Stops and closes; unplugs what net_port_open plugged. NULL is fine. */
void net_port_close(struct net_port *p);

/* The device as the worker of this queue uses it. Valid until net_port_close. */
void net_port_device(struct net_port *p, uint32_t queue, struct net_device *out);
/* How the device spreads TCP over its queues, queue i to worker i; NULL: it has a single one. */
const struct net_rss *net_port_rss(const struct net_port *p);
/* The file that becomes readable when frames come while net_port_arm has it armed; -1: none. */
int net_port_interrupt_fd(const struct net_port *p, uint32_t queue);
/* By the worker of the queue. Frames that came before are announced or not: look once more. */
void net_port_arm(const struct net_port *p, uint32_t queue, int armed);

/* Everything of struct hd_dp_port_info. Asks the device, or the kernel behind it, now. */
void net_port_info(const struct net_port *p, struct hd_dp_port_info *out);

#endif
