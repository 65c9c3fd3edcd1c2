/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine is: the node file as the dataplane needs it. Built by ctrl, read once at launch; owned by ctrl. */
#ifndef HEDDLE_NODE_H
#define HEDDLE_NODE_H

#include <heddle/addr.h>
#include <heddle/stats.h>

#define HD_MAX_PORT_ADDRESSES 32
#define HD_MAX_ROUTES 256

enum hd_side { HD_SIDE_MESH, HD_SIDE_WORKLOAD };
enum hd_idle { HD_IDLE_POLL, HD_IDLE_ADAPTIVE };

struct hd_node_port {
	char name[32];
	char device[256];	/* PCI address, or vdev with its arguments */
	enum hd_side side;
	struct hd_prefix addresses[HD_MAX_PORT_ADDRESSES]; /* the address itself with its subnet's length */
	uint32_t n_addresses;
	uint16_t mtu;		/* 0: as the device has it */
	uint16_t vlan;		/* 802.1Q VLAN ID of every frame; 0: untagged */
};

struct hd_node_route {
	struct hd_prefix to;
	struct hd_ip via;
};

struct hd_node {
	char *eal[64];		/* NULL-terminated EAL arguments */
	uint32_t workers[HD_MAX_WORKERS]; /* lcores */
	uint32_t n_workers;
	uint32_t main_lcore;
	enum hd_idle idle;
	struct hd_node_port ports[HD_MAX_PORTS];
	uint32_t n_ports;
	struct hd_node_route routes[HD_MAX_ROUTES];
	uint32_t n_routes;
	uint32_t handshake_threads; /* for TLS; 0: connections with TLS are refused */
	uint32_t max_connections; /* per worker, both sides; sizes the pools */
	uint32_t max_mbufs;	  /* per worker */
};

#endif
