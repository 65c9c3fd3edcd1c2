/* SPDX-License-Identifier: Apache-2.0 */
/* A machine on the other end of a link, for tests and benchmarks: our own net and tcp with an application on top. The same code
 * plays callers and backends. Time and the device are arguments; nothing here is shared between hosts. */
#ifndef HOST_H
#define HOST_H

#include "net.h"
#include "tcp.h"

#define HOST_BURST 64

struct host;

/* What runs on the machine. All calls come from inside host_turn. */
struct host_app {
	/* A SYN for this tuple: somebody listens (>= 0), or -1: refused. NULL: refuses all. */
	int64_t (*listener)(void *ctx, const struct pkt_facts *f);
	/* tcp_ready_next gave c with these TCP_EV_*. On TCP_EV_RESET or TCP_EV_CLOSED the app must tcp_release. */
	void (*event)(void *ctx, struct tcp_conn *c, uint32_t events);
	void *ctx;
};

struct host_config {
	const char *name;		/* of its port, for messages */
	struct net_device device;
	struct hd_prefix addresses[8];	/* with the subnet's length */
	uint32_t n_addresses;
	struct hd_ip gateway;		/* zero: none; the default route of its family */
	struct rte_mempool *bufs, *indirect; /* made with PKT_PRIV_SIZE */
	uint32_t max_connections;
	const struct tcp_config *tcp;	/* NULL: defaults; max_connections and secret come from here */
	uint64_t secret[2];
	int socket;
};

/* NULL when memory is out. */
[[nodiscard]] struct host *host_create(const struct host_config *c, const struct host_app *app, hd_ns now);
void host_destroy(struct host *h);

/* Receives, runs timers, tells the app its events, sends. True: something was received, fired or sent. */
int host_turn(struct host *h, hd_ns now);
/* When a turn has work again if nothing arrives: for a simulated clock. */
hd_ns host_next_deadline(const struct host *h);

struct tcp *host_tcp(struct host *h);
struct net *host_net(struct host *h);
const struct hd_worker_stats *host_stats(const struct host *h);
hd_ns host_now(const struct host *h);	/* of the turn that runs */

/* Opens a connection from the host's address that suits the remote; the app's event follows. NULL: counted in failures. */
struct tcp_conn *host_connect(struct host *h, const struct hd_addr *remote);
uint64_t host_connect_failures(const struct host *h);

#endif
