/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the fast half share: the TLS of a worker and one connection of it. */
#ifndef TLS_CONN_H
#define TLS_CONN_H

#include "core_list.h"
#include "core_pool.h"
#include "tls_admit.h"
#include "tls_job.h"
#include "tls_suite.h"

/* RFC 8446 B.1, B.2, B.3. */
enum { TLS_TYPE_CCS = 20, TLS_TYPE_ALERT = 21, TLS_TYPE_HANDSHAKE = 22, TLS_TYPE_DATA = 23 };
enum {
	TLS_ALERT_CLOSE_NOTIFY = 0,
	TLS_ALERT_UNEXPECTED_MESSAGE = 10,
	TLS_ALERT_BAD_RECORD_MAC = 20,
	TLS_ALERT_RECORD_OVERFLOW = 22,
	TLS_ALERT_ILLEGAL_PARAMETER = 47,
	TLS_ALERT_DECODE_ERROR = 50,
	TLS_ALERT_PROTOCOL_VERSION = 70,
	TLS_ALERT_INTERNAL_ERROR = 80,
	TLS_ALERT_USER_CANCELED = 90,
	TLS_ALERT_NO_RENEGOTIATION = 100,
};

#define TLS_HEADER_BYTES 5
#define TLS_PLAIN_MAX 16384
/* Records start at one segment's worth, so that the first bytes of an answer need not wait for more of them, and are full-sized once so
 * much went out without a pause. */
#define TLS_SMALL_RECORD 1400
#define TLS_SMALL_UNTIL 65536
#define TLS_SMALL_PAUSE_MS 1000
/* Records in a row without data: KeyUpdates, empty ones, warnings, tickets. */
#define TLS_ODD_MAX 32
/* Of one tls_pump. */
#define TLS_PUMP_RECORDS 64

enum tls_phase { TLS_PHASE_HANDSHAKE, TLS_PHASE_OPEN, TLS_PHASE_FAILED };

struct tls_conn {
	struct tls *tls;
	void *user;
	struct tls_pending *pending;	/* in the handshake */
	const struct tls_identity *peer;
	struct tls_keys rx, tx;
	struct list_link ready, open_window;
	uint32_t context;
	uint32_t window;		/* a client's finished job that still takes tickets: its number + 1 */
	uint32_t window_ms;		/* since when */
	uint32_t steady;		/* bytes sent without a pause, up to TLS_SMALL_UNTIL */
	uint32_t sent_ms;		/* when something was sent last */
	uint32_t message_left;		/* bytes of a late handshake message to be skipped */
	uint8_t message[4], message_n;	/* its header, as far as it came */
	uint8_t phase;			/* tls_phase */
	uint8_t suite, alpn, role;
	uint8_t alert;			/* of the other side */
	uint8_t odd;
	uint16_t failure;		/* hd_counter; meaningful when failed */
	uint16_t limit;			/* of plaintext in a record, both ways */
	uint8_t is_resumed : 1;
	uint8_t is_1_3 : 1;
	uint8_t got_close : 1;
	uint8_t sent_close : 1;
	uint8_t update_due : 1;		/* we owe a KeyUpdate */
	uint8_t update_asked : 1;	/* and wait for one */
};
_Static_assert(sizeof(struct tls_conn) <= 5 * HD_CACHE_LINE, "an idle connection is five cache lines");

struct tls {
	struct core_pool conns;
	struct tls_aead *aead;
	struct hd_worker_stats *stats;
	struct rte_mempool *bufs, *indirect;
	struct tls_admit admit;
	struct tls_link link;
	struct tls_threads *threads;
	struct list_link ready;		/* connections with news */
	struct list_link windows;	/* jobs that wait for tickets, oldest first */
	uint64_t update_after;
	uint32_t sni_n;			/* of the connection that finished its handshake last */
	char sni[TLS_SNI_MAX + 1];
	uint8_t pushed;			/* something for the threads since the last look */
	uint32_t worker;
	void *memory;			/* of the pool of connections */
	size_t memory_bytes;
};

static inline void tls_count(struct tls *t, enum hd_counter c)
{
	hd_count(t->stats, c);
}

static inline const struct tls_suite *tls_conn_suite(const struct tls_conn *c)
{
	return tls_suite_at(c->suite);
}

static inline void tls_conn_ready(struct tls_conn *c)
{
	if (!list_is_linked(&c->ready))
		list_push_back(&c->tls->ready, &c->ready);
}

/* Over, for this reason: counted, once. */
void tls_conn_fail(struct tls_conn *c, enum hd_counter why);
/* The same with a fatal alert on the wire (RFC 8446 6.2). */
void tls_conn_fail_alert(struct tls_conn *c, struct bufq *wire, enum hd_counter why, uint8_t alert);
static inline uint32_t tls_ms(hd_ns now)
{
	return (uint32_t)(now / HD_NS_PER_MS);
}
/* The traffic secret moves on, and with it key and IV (RFC 8446 7.2). */
void tls_keys_update(struct tls_conn *c, struct tls_keys *k);
/* Both expanded schedules are wiped. */
void tls_keys_forget(struct tls_conn *c);

/* tls_handover.c: what a pump does in the handshake. TLS_EV_* bits. */
uint32_t tls_handover_pump(struct tls_conn *c, struct tls_io *io, hd_ns now);
/* A job came back from a thread. */
void tls_handover_return(struct tls *t, uint32_t number);
/* Who waits gets a turn, who waited too long is failed. True: something was done. */
int tls_handover_run(struct tls *t, hd_ns now);
/* The connection leaves its handshake, whatever state that is in. */
void tls_handover_detach(struct tls_conn *c);
/* A client's finished job takes tickets for a little while. A record that may be one is noted before it is opened, and judged
 * behind that; the window ends with the pump that saw tickets, or with the first data. */
#define TLS_WINDOW_MS 1000
void tls_window_note(struct tls_conn *c, const struct bufq *in, uint32_t bytes);
/* It could not be opened yet, and is noted again when it can. */
void tls_window_unnote(struct tls_conn *c);
void tls_window_judge(struct tls_conn *c, uint8_t type);
/* What was noted goes to the thread, if anything was; else the window stays open, or ends at once. */
void tls_window_flush(struct tls_conn *c);
void tls_window_end(struct tls_conn *c);

/* tls_record.c. A record's header at the front of in, if all five bytes are there: total length with header, type and version. */
struct tls_header {
	uint32_t bytes; /* of the record, with its header */
	uint16_t version;
	uint8_t type;
};
int tls_header_read(const struct bufq *in, struct tls_header *h);

enum tls_open {
	TLS_OPEN_OK,
	TLS_OPEN_NO_MEMORY, /* nothing was taken */
	TLS_OPEN_BAD_MAC,
	TLS_OPEN_OVERFLOW,
	TLS_OPEN_NO_TYPE, /* all padding */
};
/* Takes a whole record off in, decrypts it in place and leaves its content in `content`; *type is the inner one. */
enum tls_open tls_record_open(struct tls_conn *c, struct bufq *in, const struct tls_header *h, struct bufq *content, uint8_t *type);
/* One record of n bytes (n <= limit) from the front of plain to the end of wire. 0 or -ENOMEM with nothing taken. */
[[nodiscard]] int tls_record_seal(struct tls_conn *c, uint8_t type, struct bufq *plain, uint32_t n, struct bufq *wire);
/* The same from memory. */
[[nodiscard]] int tls_record_seal_bytes(struct tls_conn *c, uint8_t type, const void *bytes, uint32_t n, struct bufq *wire);

/* tls_message.c: records of an open connection that carry no data. They may fail it. */
void tls_message_alert(struct tls_conn *c, const struct bufq *content, struct tls_io *io, uint32_t *events);
void tls_message_handshake(struct tls_conn *c, const struct bufq *content, struct tls_io *io);
/* Sends the KeyUpdate that is due. 0 or -ENOMEM. */
int tls_message_key_update(struct tls_conn *c, struct bufq *wire);

#endif
