/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: every exit has a counted name. Each X-list row is X(symbol, layer, "name", "what it means").
 * Counters only rise; the reader subtracts. Writer: the owning worker. Reader: ctrl, with relaxed loads of whole words. */
#ifndef HEDDLE_STATS_H
#define HEDDLE_STATS_H

#include <heddle/base.h>

/* Frames and datagrams that net throws away. */
#define HD_NET_DROPS(X)                                                                                                \
	X(NET_RUNT, "ethernet", "runt", "frame shorter than its headers")                                              \
	X(NET_ETHERTYPE, "ethernet", "unknown_ethertype", "neither IPv4, IPv6 nor ARP")                                \
	X(NET_NO_MBUF, "port", "no_mbuf", "the packet pool is empty")                                                  \
	X(NET_TX_FULL, "port", "tx_full", "the device's transmit ring stayed full")

/* Segments that tcp throws away. */
#define HD_TCP_DROPS(X)                                                                                                \
	X(TCP_BAD_OFFSET, "tcp", "bad_offset", "data offset below 5 or past the segment")                              \
	X(TCP_NO_MEMORY, "tcp", "no_connection_memory", "the connection pool is empty")

/* Events of tcp that are no drops. */
#define HD_TCP_EVENTS(X)                                                                                               \
	X(TCP_ACCEPTED, "tcp", "accepted", "connections that callers opened")                                          \
	X(TCP_CONNECTED, "tcp", "connected", "connections opened to backends")

/* Protocol errors of HTTP/1.1 on either side. */
#define HD_HTTP_ERRORS(X)                                                                                              \
	X(HTTP_BAD_REQUEST_LINE, "http", "bad_request_line", "the request line is not RFC 9112 3")

/* What the proxy did with requests. */
#define HD_PROXY_EVENTS(X)                                                                                             \
	X(PROXY_REQUESTS, "proxy", "requests", "requests whose head was complete")                                     \
	X(PROXY_RESPONSES, "proxy", "responses", "answers sent, ours and the backends'")

/* What the worker itself ran out of or did. */
#define HD_WORKER_EVENTS(X)                                                                                            \
	X(WORKER_LOG_RING_FULL, "worker", "access_ring_full", "access records lost because ctrl did not keep up")

#define HD_COUNTERS(X)                                                                                                 \
	HD_NET_DROPS(X)                                                                                                \
	HD_TCP_DROPS(X)                                                                                                \
	HD_TCP_EVENTS(X)                                                                                               \
	HD_HTTP_ERRORS(X)                                                                                              \
	HD_PROXY_EVENTS(X)                                                                                             \
	HD_WORKER_EVENTS(X)

enum hd_counter {
#define HD_COUNTER_ENUM(symbol, layer, name, text) HD_##symbol,
	HD_COUNTERS(HD_COUNTER_ENUM)
#undef HD_COUNTER_ENUM
	HD_COUNTER_MAX
};

/* The rows of HD_NET_DROPS and HD_TCP_DROPS: what `show drops` lists. */
#define HD_DROP_COUNTERS(X) HD_NET_DROPS(X) HD_TCP_DROPS(X)

#define HD_MAX_PORTS 16
#define HD_MAX_WORKERS 64

struct hd_port_stats {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

/* One worker's block. */
struct hd_worker_stats {
	_Alignas(HD_CACHE_LINE) uint64_t counters[HD_COUNTER_MAX];
	struct hd_port_stats ports[HD_MAX_PORTS];
	uint64_t busy_cycles, total_cycles; /* TSC ticks; busy: turns that received, sent or fired anything */
	uint64_t turns;
	uint64_t connections;		    /* gauge: open now, both sides */
	uint64_t requests;
	uint64_t generation;		    /* of the snapshot used in the last turn; also the quiescent-state token */
};

/* Per endpoint slot and worker; lives in chunks that hd_dp_reserve provides. */
struct hd_endpoint_stats {
	uint64_t requests;
	uint64_t connect_failures, resets, timeouts, responses_5xx;
	uint32_t active;	/* gauge: requests in flight */
	uint32_t connections;	/* gauge */
};

/* Per cluster slot and worker. */
struct hd_cluster_stats {
	uint64_t requests, overflow, connects, retries;
	uint32_t connections, pending, requests_active; /* gauges */
};

static inline void hd_count(struct hd_worker_stats *s, enum hd_counter c)
{
	s->counters[c]++;
}

#endif
