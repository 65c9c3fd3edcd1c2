/* SPDX-License-Identifier: Apache-2.0 */
/* Who may have a handshake made, and when: so that a storm of handshakes costs the stormer. Handshakes are kept by their source (an
 * IPv4 address, a /64 of IPv6). Sources take turns; those of one source wait behind each other. When places run out, the source
 * with the most gives one up. */
#ifndef TLS_ADMIT_H
#define TLS_ADMIT_H

#include "core_list.h"
#include "core_pool.h"
#include "tls_job.h"

struct tls_conn;

#define TLS_BUCKETS 256
/* Jobs with the threads at once, for each of them: what waits longer waits here, where sources take turns. */
#define TLS_IN_FLIGHT 4

enum tls_pending_state {
	TLS_PENDING_IDLE,	/* waits for bytes of the other side */
	TLS_PENDING_QUEUED,	/* waits for its turn */
	TLS_PENDING_GRANTED,	/* may hand its job over */
	TLS_PENDING_AWAY,	/* the job is with a thread */
	TLS_PENDING_BACK,	/* and back, not yet looked at */
};

/* A connection in its handshake. */
struct tls_pending {
	struct list_link all;	/* of the bucket, by age */
	struct list_link due;	/* of all, by age */
	struct list_link link;	/* queued: the bucket's queue; idle with a job: the bucket's idle */
	hd_ns deadline;
	struct tls_conn *conn;	/* NULL: released while its job was away */
	uint32_t job;		/* number + 1; 0: none yet */
	uint8_t state;		/* tls_pending_state */
	uint8_t bucket;
	uint8_t begun;		/* the thread holds something for it */
	uint8_t eager;		/* wants a turn without bytes of the other side */
	uint8_t heard;		/* the other side sent something that looks right */
	struct hd_addr remote;
	uint32_t sni_n;
	char sni[TLS_SNI_MAX + 1];
};

struct tls_bucket {
	struct list_link all, queue, idle;
	struct list_link turn;	/* in the round of buckets with a queue */
	uint32_t n, n_queued, n_jobs;
};

struct tls_admit {
	struct core_pool pendings;
	struct list_link due, round;
	uint32_t n_queued, max_queued;
	uint32_t in_flight, max_in_flight;
	uint64_t secret;
	hd_ns timeout;
	uint32_t n_free_jobs, n_leaving; /* leaving: on their way back from a thread for good */
	uint32_t *free_jobs;	/* numbers; a stack */
	struct tls_pending **owners; /* by job number */
	struct tls_bucket buckets[TLS_BUCKETS];
};

/* 0 or -ENOMEM. */
[[nodiscard]] int tls_admit_init(struct tls_admit *a, const struct tls_config *c, uint32_t n_jobs, uint32_t n_threads);
void tls_admit_fini(struct tls_admit *a);

/* NULL: no place. *evicted: one of a source with more, to be failed by the caller, who then tries again; or NULL. */
struct tls_pending *tls_admit_open(struct tls_admit *a, struct tls_conn *c, const struct hd_addr *remote, hd_ns now,
				   struct tls_pending **evicted);
/* It is done with; it must not be away. A job that it has is the caller's from now on. */
void tls_admit_close(struct tls_admit *a, struct tls_pending *p);

/* Asks for a turn: an idle one becomes granted at once, or queued. *evicted: too many wait; the caller fails this one, which may be p
 * itself. */
void tls_admit_ask(struct tls_admit *a, struct tls_pending *p, struct tls_pending **evicted);
/* The next one whose turn it is, now granted, or NULL. *evicted: who has to give its job up, so that there is one soon. */
struct tls_pending *tls_admit_next(struct tls_admit *a, struct tls_pending **evicted);
/* A granted one hands its job over. */
void tls_admit_away(struct tls_admit *a, struct tls_pending *p);
void tls_admit_back(struct tls_admit *a, struct tls_pending *p);
/* One that came back was looked at. */
void tls_admit_idle(struct tls_admit *a, struct tls_pending *p);
/* A job that nobody holds any more. */
void tls_admit_put_job(struct tls_admit *a, uint32_t number);
/* The next whose deadline has passed, or NULL. */
struct tls_pending *tls_admit_overdue(struct tls_admit *a, hd_ns now);
hd_ns tls_admit_deadline(const struct tls_admit *a);

#endif
