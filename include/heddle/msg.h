/* SPDX-License-Identifier: Apache-2.0 */
/* What crosses between a worker and ctrl, both directions, on hd_ring of fixed-size elements. Everything is by value. */
#ifndef HEDDLE_MSG_H
#define HEDDLE_MSG_H

#include <heddle/addr.h>
#include <heddle/base.h>

/* Envoy's response flags as bits; the text of each is the X-list's second column. */
#define HD_RESPONSE_FLAGS(X)                                                                                           \
	X(UH, "UH", "no healthy upstream")                                                                             \
	X(UF, "UF", "upstream connection failure")                                                                     \
	X(UO, "UO", "upstream overflow (circuit breaking)")                                                            \
	X(NR, "NR", "no route found")                                                                                  \
	X(NC, "NC", "upstream cluster not found")                                                                      \
	X(UT, "UT", "upstream request timeout")                                                                        \
	X(UC, "UC", "upstream connection termination")                                                                 \
	X(UR, "UR", "upstream remote reset")                                                                           \
	X(URX, "URX", "upstream retry limit exceeded")                                                                 \
	X(UPE, "UPE", "upstream protocol error")                                                                       \
	X(DC, "DC", "downstream connection termination")                                                               \
	X(DPE, "DPE", "downstream protocol error")                                                                     \
	X(DT, "DT", "duration timeout")                                                                                \
	X(SI, "SI", "stream idle timeout")                                                                             \
	X(LR, "LR", "local reset")                                                                                     \
	X(RL, "RL", "rate limited")                                                                                    \
	X(FI, "FI", "fault injected")                                                                                  \
	X(DI, "DI", "delay injected")                                                                                  \
	X(UAEX, "UAEX", "denied by authorization")

enum hd_response_flag_bit {
#define HD_FLAG_ENUM(symbol, text, meaning) HD_FLAG_BIT_##symbol,
	HD_RESPONSE_FLAGS(HD_FLAG_ENUM)
#undef HD_FLAG_ENUM
};
enum hd_response_flag {
#define HD_FLAG_ENUM(symbol, text, meaning) HD_FLAG_##symbol = 1 << HD_FLAG_BIT_##symbol,
	HD_RESPONSE_FLAGS(HD_FLAG_ENUM)
#undef HD_FLAG_ENUM
};

/* One finished request (or connection without one): worker -> ctrl. Text fields are cut to fit, with their real length kept. */
#define HD_ACCESS_METHOD 16
#define HD_ACCESS_PATH 256
#define HD_ACCESS_AUTHORITY 128
#define HD_ACCESS_AGENT 64
#define HD_ACCESS_DETAILS 192

struct hd_access_record {
	hd_ns start_wall;	/* UTC, since 1970 */
	hd_ns duration, upstream_time; /* upstream_time: HD_NS_NEVER when no backend answered */
	struct hd_addr down_remote, down_local, up_remote, up_local;
	uint64_t bytes_received, bytes_sent; /* bodies, as Envoy counts them */
	uint32_t flags;		/* hd_response_flag */
	uint16_t status;	/* 0: none was sent */
	uint16_t retries;
	uint8_t protocol;	/* 11 for HTTP/1.1, 10 for HTTP/1.0, 0 for none */
	uint8_t method_n, path_cut, worker;
	uint8_t opens;		/* a TCP stream has just reached its backend: counted, not logged; what ends it has a record of its own */
	uint16_t path_n, authority_n, agent_n, details_n, cluster_n, forwarded_for_n;
	uint32_t route_source_line;
	char request_id[40];	/* terminated */
	char method[HD_ACCESS_METHOD];
	char path[HD_ACCESS_PATH]; /* as received */
	char authority[HD_ACCESS_AUTHORITY];
	char agent[HD_ACCESS_AGENT];
	char forwarded_for[64];
	char details[HD_ACCESS_DETAILS];
	char cluster[128];	/* "outbound|80|v1|host" */
	char route_name[48];	/* terminated */
	char route_source[64];	/* file of the policy behind the route, terminated */
	uint16_t tls_version;	/* of the caller's connection: 0x0303, 0x0304; 0: plaintext */
	uint16_t sni_n, peer_n;
	char sni[128];		/* server name that the caller sent */
	char peer[128];		/* SPIFFE ID that it proved */
};

/* What came of one try at an endpoint of a cluster whose outliers are detected: worker -> ctrl. */
enum hd_outcome_kind {
	HD_OUTCOME_ANSWER,	/* an answer's head, with its status (of gRPC: the one that it stands for) */
	HD_OUTCOME_CONNECTED,	/* a stream's connection came up */
	HD_OUTCOME_CONNECT_FAILURE, /* it did not */
	HD_OUTCOME_RESET,	/* the connection ended before the answer did */
	HD_OUTCOME_TIMEOUT,	/* of the try, the request or the connection */
};

struct hd_outcome {
	hd_ns at;		/* by the workers' clock */
	uint32_t endpoint;	/* slot */
	uint32_t generation;	/* of the snapshot that the endpoint was picked from, its low bits */
	uint16_t status;	/* of HD_OUTCOME_ANSWER */
	uint8_t kind;		/* hd_outcome_kind */
	uint8_t was_sent;	/* there was a connection, and the request went out on it */
};

/* ctrl -> worker. */
enum hd_ctrl_msg_type {
	HD_CTRL_DRAIN,		/* stop accepting; close idle connections; finish the rest */
	HD_CTRL_STOP,		/* leave the loop now */
	HD_CTRL_DUMP,		/* fill `dump` over the next turns */
	HD_CTRL_PROBE,		/* ask `probe` */
};

enum hd_dump_kind { HD_DUMP_CONNECTIONS, HD_DUMP_NEIGHBORS };

struct hd_dump_connection {
	uint64_t id;
	struct hd_addr local, remote;
	uint64_t bytes_in, bytes_out;
	hd_ns age;
	char state[16];		/* "ESTABLISHED", … */
	uint8_t up;		/* 0: down, 1: up */
	uint8_t tls;		/* 1: a handshake is through; the texts below say more. All are terminated */
	uint8_t is_resumed;
	char tls_version[8], cipher[40], alpn[20];
	char peer[128];		/* SPIFFE ID of the other end, else its subject; empty: it showed no certificate */
};

struct hd_dump_neighbor {
	struct hd_ip ip;
	uint8_t mac[6];
	uint8_t port;
	char state[12];		/* "reachable", "stale", "incomplete", "failed", … */
	hd_ns age;
};

/* Owned by ctrl until the message is pushed, by the worker until `done`, then by ctrl again. */
struct hd_dump {
	enum hd_dump_kind kind;
	uint32_t capacity, count; /* rows; the worker stops when full and counts what it left out */
	uint64_t left_out;
	struct hd_ip only;	/* connections with this address at either end; zero: all */
	uint8_t only_tls;
	_Atomic int done;	/* writer: worker (release); reader: ctrl (acquire) */
	union {
		struct hd_dump_connection connections[0];
		struct hd_dump_neighbor neighbors[0];
	};
};

/* A question to an endpoint, asked from a worker's own address: whether it accepts, or what it answers. */
enum hd_probe_result {
	HD_PROBE_PENDING,
	HD_PROBE_CONNECTED,	/* and that was all that was asked */
	HD_PROBE_ANSWERED,	/* with `status` */
	HD_PROBE_REFUSED,
	HD_PROBE_UNREACHABLE,
	HD_PROBE_TIMEOUT,
	HD_PROBE_BROKEN,	/* closed before it answered, or an answer that is no HTTP/1 */
	HD_PROBE_TLS,		/* the handshake failed, or somebody else is there */
	HD_PROBE_NO_ROOM,	/* nothing was asked: no port or memory here */
};

/* Owned by ctrl until the message is pushed, by the worker until `done`, then by ctrl again. */
struct hd_probe {
	struct hd_addr to;
	hd_ns timeout;		/* for all of it */
	uint32_t tls_context;	/* 1 + slot of a client's TLS context; 0: plaintext */
	uint32_t sni_n;
	char sni[256];
	uint32_t request_n;	/* 0: to connect is enough */
	char request[1024];
	uint16_t status;
	uint8_t result;		/* hd_probe_result */
	_Atomic int done;	/* writer: worker (release); reader: ctrl (acquire) */
};

struct hd_ctrl_msg {
	enum hd_ctrl_msg_type type;
	struct hd_dump *dump;
	struct hd_probe *probe;
};

#endif
