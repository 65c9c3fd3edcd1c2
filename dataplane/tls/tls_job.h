/* SPDX-License-Identifier: Apache-2.0 */
/* What crosses between a worker and the handshake threads: jobs, owned by whoever was handed their number last
 * (docs/decisions/0014). */
#ifndef TLS_JOB_H
#define TLS_JOB_H

#include <heddle/ring.h>

#include "tls.h"
#include "tls_aead.h"
#include "tls_schedule.h"

#define TLS_JOB_IN 17408	/* a record of the largest size fits */
#define TLS_JOB_OUT 16384	/* what does not fit is fetched by another round */
#define TLS_SNI_MAX 255
#define TLS_MAX_THREADS 16

_Static_assert(TLS_JOB_IN >= TLS_RECORD_WIRE_MAX, "any record fits a job");

/* One direction of a connection. */
struct tls_keys {
	uint8_t secret[TLS_HASH_MAX];	/* 1.3: the traffic secret */
	uint8_t key[TLS_KEY_MAX];
	uint8_t iv[TLS_NONCE_BYTES];
	uint16_t schedule;		/* the cache's */
	uint64_t seq;			/* of the next record */
};

enum tls_job_op {
	TLS_JOB_BEGIN,		/* a new handshake */
	TLS_JOB_GO_ON,		/* more records, or room for output */
	TLS_JOB_TICKETS,	/* records with tickets for a client's finished handshake; it ends with them */
	TLS_JOB_DROP,		/* the end, whatever state it is in */
};

enum tls_job_status {
	TLS_JOB_MORE,		/* waits for records of the other side */
	TLS_JOB_OUTPUT,		/* has more to send than fits */
	TLS_JOB_DONE,		/* through */
	TLS_JOB_FAILED,		/* `failure` says why */
	TLS_JOB_OVER,		/* nothing of it is left with the thread */
};

struct tls_job {
	/* Filled by the worker. */
	uint8_t op;		/* tls_job_op */
	uint8_t role;		/* hd_tls_role */
	uint32_t context;	/* slot */
	struct hd_addr remote;	/* of a client: what sessions are kept for */
	uint32_t in_n;

	/* By the worker for a client, by the thread for a server. */
	uint32_t sni_n;
	char sni[TLS_SNI_MAX + 1];

	/* By the thread. */
	uint8_t status;		/* tls_job_status */
	uint8_t keeps;		/* done, but the thread waits for tickets or a drop */
	uint16_t failure;	/* hd_counter */
	uint8_t alert;		/* of the other side, with HD_TLS_PEER_ALERT */
	uint32_t used;		/* bytes of in that are done with; those behind stay the worker's */
	uint32_t out_n;
	uint8_t suite;		/* tls_suite_index */
	uint8_t is_resumed, alpn;
	uint8_t chain;		/* tls_job_chain: how the other side's was judged */
	uint8_t sessions;	/* kept for resumption by this step */
	uint16_t fragment;	/* limit of RFC 6066 4 on plaintext; 0: none */
	struct tls_keys rx, tx;
	const struct tls_identity *peer; /* with a reference that the worker gives back */

	/* The thread's own. */
	struct tls_handshake *handshake;

	_Alignas(HD_CACHE_LINE) uint8_t in[TLS_JOB_IN];
	_Alignas(HD_CACHE_LINE) uint8_t out[TLS_JOB_OUT];
};

enum tls_job_chain { TLS_CHAIN_NONE, TLS_CHAIN_VERIFIED, TLS_CHAIN_CACHED };

/* A worker's end: its jobs, and a pair of rings of uint32_t (job numbers) for each thread. */
struct tls_link {
	struct tls_job *jobs;
	uint32_t n_jobs, n_threads;
	struct hd_ring *to[TLS_MAX_THREADS], *from[TLS_MAX_THREADS]; /* each has room for all jobs */
};

/* Makes rings and jobs for a worker. At start, before the threads run. 0 or -ENOMEM. */
[[nodiscard]] int tls_threads_attach(struct tls_threads *threads, uint32_t worker, uint32_t n_jobs, struct tls_link *out);
/* At the end, after the threads were stopped. */
void tls_threads_detach(struct tls_threads *threads, uint32_t worker);

#endif
