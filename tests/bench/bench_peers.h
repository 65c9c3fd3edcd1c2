/* SPDX-License-Identifier: Apache-2.0 */
/* Callers and backends: small applications on tests/lib/host. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "bench_options.h"
#include "core_hist.h"
#include "host_tls.h"

/* Where a host stands. */
struct bench_site {
	struct net_device device; /* its end of the wire */
	struct rte_mempool *bufs, *indirect;
	struct host_tls *tls; /* NULL: plain */
};

struct bench_callers {
	struct host *host;
	struct host_tls *tls;
	const struct bench_options *options;
	struct hd_addr to;
	struct bench_call *calls;	/* one a connection */
	uint64_t begun; /* of the requests to many services */
	uint32_t n_calls;
	uint64_t connected, requests, body_bytes, errors, handshakes;
	int measuring;			/* latencies count */
	int is_storming;		/* the calls behind options->connections make handshakes, one after the other */
	hd_ns began;			/* open loop: when the first request was due; 0: not yet */
	uint64_t asked;			/* and how many were begun since */
	struct hist latency_ns;
};

struct bench_backends {
	struct host *host;
	struct host_tls *tls;
	struct hd_addr node; /* who connects */
	const struct bench_options *options;
	char head[256];
	uint32_t head_bytes;
	uint64_t requests, errors;
	struct bench_reply *replies;	/* free list and storage */
	struct bench_reply *free;
};

/* 0, or -1 when memory is out. */
[[nodiscard]] int bench_callers_init(struct bench_callers *c, const struct bench_options *o, const struct bench_site *site, hd_ns now);
void bench_callers_fini(struct bench_callers *c);
/* Opens connections that are missing, a few a turn. */
int bench_callers_turn(struct bench_callers *c, hd_ns now);

[[nodiscard]] int bench_backends_init(struct bench_backends *b, const struct bench_options *o, const struct bench_site *site, hd_ns now);
int bench_backends_turn(struct bench_backends *b, hd_ns now);
void bench_backends_fini(struct bench_backends *b);

#endif
