/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of one worker: bytes and time in, bytes and events out. RFC 8446 and 5246, 5288, 7627, 7905; docs/tls.md lists the limits.
 *
 * Records are opened and sealed here, in place. Handshakes run on other threads (tls_threads.h); until one is through, a
 * connection answers "later", which is an ordinary verdict.
 *
 * Turn: received bytes -> tls_pump -> plaintext and bytes to send. tls_run once a turn hands work over to the handshake
 * threads and fetches theirs; then the owner takes tls_ready_next until NULL and pumps each.
 *
 * The order of bytes is the owner's duty: what tls_pump, tls_send and tls_close append to `wire` goes to TCP in the order of
 * these calls, all of it (tcp_send takes more than its space). A record is opened only when all of it is there: TCP's
 * receive buffer must hold TLS_RECORD_WIRE_MAX bytes at the least. */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <heddle/addr.h>
#include <heddle/stats.h>
#include <heddle/tls.h>

#include "bufq.h"

struct tls;
struct tls_conn;
struct tls_threads;

#define TLS_RECORD_WIRE_MAX (5 + 16384 + 256)

struct tls_config {
	uint32_t max_connections;
	uint32_t max_handshakes;	/* under way at once; 0: 1024 */
	uint32_t max_waiting;		/* more that wait for their turn; 0: 4096 */
	uint32_t max_schedules;		/* expanded keys kept, 1.3 KB each; 0: 1024 */
	struct tls_threads *threads;	/* outlives it */
	struct hd_worker_stats *stats;
	struct rte_mempool *bufs, *indirect;
	uint32_t worker;		/* index */
	uint64_t secret;		/* keys the buckets of sources */
	hd_ns handshake_timeout;	/* 0: 10 s */
	uint64_t update_after;		/* records under one key; 0: 2^23 (RFC 8446 5.5) */
	int socket;
};

/* NULL when memory is out. */
[[nodiscard]] struct tls *tls_create(const struct tls_config *c, hd_ns now);
void tls_destroy(struct tls *t);

/* What connections take, without packet buffers and what their handshake needs. */
uint64_t tls_bytes_used(const struct tls *t);

/* Once a turn. True: something was done. */
int tls_run(struct tls *t, hd_ns now);
hd_ns tls_next_deadline(const struct tls *t);
/* The next connection that has news (of its handshake, or its deadline passed): pump it. */
struct tls_conn *tls_ready_next(struct tls *t);

/* A connection that a caller opened. context: a server's slot. remote: handshakes of one source wait behind each other,
 * not before those of others. NULL: the pool is empty (counted). */
[[nodiscard]] struct tls_conn *tls_accept(struct tls *t, uint32_t context, const struct hd_addr *remote, void *user, hd_ns now);
/* A connection that we opened; pump it to send the ClientHello. sni: empty, the context's. Sessions are resumed per context,
 * remote and sni. */
[[nodiscard]] struct tls_conn *tls_connect(struct tls *t, uint32_t context, const struct hd_addr *remote, struct hd_str sni,
					   void *user, hd_ns now);
/* The end, at any time: keys are wiped, a handshake under way is given up. Sends nothing. */
void tls_release(struct tls_conn *c);

#define TLS_EV_HANDSHAKEN 0x01	/* once: tls_conn_facts tells with whom. A client that got none of our records yet may still be
				 * refused by the server: then TLS_EV_FAILED follows */
#define TLS_EV_READABLE 0x02	/* plaintext was appended */
#define TLS_EV_EOF 0x04		/* close_notify: no byte follows; sending goes on (1.3) */
#define TLS_EV_FAILED 0x08	/* over; tls_conn_failure tells why. `wire` may hold a last alert: send it, close, release */
#define TLS_EV_AGAIN 0x10	/* stopped at plain_room or a bound of work, and `in` may hold more: pump again when there is room */

struct tls_io {
	struct bufq *in;	/* received; what is done with is taken from its front, by tls_pump alone. The rest of a record may
				 * still come, and what lies with a handshake thread stays until it is known to be done with */
	struct bufq *plain;	/* verified plaintext goes to its end */
	struct bufq *wire;	/* bytes to send go to its end */
	uint32_t plain_room;	/* stop when plain holds so much (tls_plain_is_full) */
	uint32_t wire_space;	/* 0: TCP takes nothing now; answers that can wait do (tls_wants_write) */
	uint8_t fin;		/* TCP's stream ended behind `in`, by FIN or RST: without close_notify that is TLS_EV_FAILED */
	/* Filled: */
	uint32_t overhead;	/* bytes taken from in that were no plaintext: credit for TCP's window at once */
};

/* Counted in bytes and in buffers: records may be small. */
#define TLS_PLAIN_BUF_BYTES 512
static inline int tls_plain_is_full(const struct bufq *plain, uint32_t room)
{
	return plain->bytes >= room || plain->bufs >= room / TLS_PLAIN_BUF_BYTES;
}

/* Does all that can be done now. TLS_EV_* bits. */
uint32_t tls_pump(struct tls_conn *c, struct tls_io *io, hd_ns now);
/* Pump again when TCP has space. */
int tls_wants_write(const struct tls_conn *c);

/* Whether application data may be sent: from TLS_EV_HANDSHAKEN to tls_close. */
int tls_is_open(const struct tls_conn *c);
/* Seals all of plain. Buffers that nobody else sees are sealed in place; shared ones into fresh buffers. 0, or -ENOMEM with what was
 * not sealed left in plain. */
[[nodiscard]] int tls_send(struct tls_conn *c, struct bufq *plain, struct bufq *wire, hd_ns now);
/* close_notify behind all that was sealed; receiving goes on. In a handshake nothing is sent. */
void tls_close(struct tls_conn *c, struct bufq *wire);

void *tls_conn_user(const struct tls_conn *c);

/* A verified certificate of the other side. Immutable, shared by all connections that showed it, kept while one of them is open. */
struct tls_identity {
	uint64_t serial;	/* the same certificate has the same number while anything holds it; never used again */
	struct hd_str spiffe_id; /* "spiffe://td/ns/N/sa/S"; empty: none */
	struct hd_str principal; /* the same without "spiffe://" */
	struct hd_str trust_domain;
	struct hd_str namespace_, service_account; /* empty when the path is not /ns/N/sa/S */
	struct hd_str subject;	/* RFC 2253, as Envoy writes it; not escaped for a header */
	struct hd_str pem;	/* the leaf, URL-encoded as x-forwarded-client-cert has it */
	struct hd_str hash;	/* SHA-256 of the leaf, 64 hex digits */
	const struct hd_str *dns; /* names */
	const struct hd_str *uris; /* all URI names */
	uint32_t n_dns, n_uris;
	int64_t not_after;	/* UTC ns */
};

/* A worker that holds it, by a connection or by this call, holds it once more; every holder gives it back. Never frees. */
void tls_identity_hold(const struct tls_identity *i, uint32_t worker);
void tls_identity_put(const struct tls_identity *i, uint32_t worker);

struct tls_facts {
	uint16_t version;	/* 0x0303, 0x0304 */
	uint16_t suite;		/* IANA's number */
	uint8_t is_resumed;
	uint8_t alpn;		/* hd_alpn */
	uint8_t is_server;
	uint32_t context;	/* slot */
	const struct tls_identity *peer; /* NULL: none was shown. Valid while the connection is */
};

/* From TLS_EV_HANDSHAKEN on. */
void tls_conn_facts(const struct tls_conn *c, struct tls_facts *out);
/* The server name that the client sent; valid while TLS_EV_HANDSHAKEN is handled. */
struct hd_str tls_conn_sni(const struct tls_conn *c);
/* After TLS_EV_FAILED: a row of HD_TLS_FAILURES, already counted. */
enum hd_counter tls_conn_failure(const struct tls_conn *c);
/* The alert of the other side behind HD_TLS_PEER_ALERT, 0: none. */
uint8_t tls_conn_alert(const struct tls_conn *c);

const char *tls_suite_name(uint16_t suite);	/* "TLS_AES_128_GCM_SHA256"; "?" */
const char *tls_version_name(uint16_t version); /* "TLSv1.3" */
const char *tls_alpn_name(uint8_t alpn);	/* ""; for HD_ALPN_NONE */

/* What the first bytes of a stream are, before it is decided who serves it. */
enum tls_sniff {
	TLS_SNIFF_MORE,		/* cannot tell yet */
	TLS_SNIFF_PLAIN,	/* no TLS */
	TLS_SNIFF_HELLO,	/* a whole ClientHello: out is filled */
	TLS_SNIFF_BAD,		/* begins as TLS and is none */
};

struct tls_hello {
	uint32_t alpns;		/* HD_ALPN_BIT of those offered that we know */
	uint8_t has_alpn;
	uint16_t sni_n;
	uint32_t look_at;	/* with TLS_SNIFF_MORE: another look is worth its work when `in` holds so much, or ended */
	char sni[256];		/* lower case; empty: none */
};

/* Takes nothing from in. */
enum tls_sniff tls_sniff(const struct bufq *in, struct tls_hello *out);

#endif
