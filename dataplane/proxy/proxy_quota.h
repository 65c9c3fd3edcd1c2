/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster's limits over all workers, exact and without an atomic in every request.
 *
 * A limit is a pool of units that workers lease. Who has leased enough takes and gives back units without looking at anybody
 * else; who has not takes more from the pool, and when that is empty asks: the others give what they do not use in their next
 * turn, and close connections at rest for it. The units that are leased never sum up to more than the limit. */
#ifndef PROXY_QUOTA_H
#define PROXY_QUOTA_H

#include <heddle/snapshot.h>

#include "core_list.h"
#include "proxy.h"

struct proxy_leg;

enum proxy_quota_kind {
	QUOTA_CONNECTIONS,
	QUOTA_PENDING,
	QUOTA_REQUESTS,
	QUOTA_RETRIES,
	QUOTA_KINDS
};

/* How long who asked waits for the others before it tries again. */
#define PROXY_QUOTA_PATIENCE HD_NS_PER_MS

/* Shared. All words are written by every worker, on the slow road alone, except `limit`. */
struct proxy_quota {
	_Alignas(HD_CACHE_LINE) _Atomic int32_t free[QUOTA_KINDS]; /* negative: owed since the limit shrank */
	_Atomic uint64_t wanted[QUOTA_KINDS]; /* a bit for each worker that found nothing */
	_Atomic uint32_t limit[QUOTA_KINDS];  /* writer: ctrl; the last finite one */
};
_Static_assert(sizeof(struct proxy_quota) == HD_CACHE_LINE, "one line a cluster");

struct proxy_quotas {
	struct proxy_quota *chunks[PROXY_MAX_CHUNKS]; /* by cluster slot, as struct proxy_slots; zeroed */
	_Atomic uint32_t *connections; /* by endpoint slot: of all workers, where the cluster has a limit */
	uint32_t n_workers;
	void (*kick)(void *ctx, uint32_t worker); /* it was asked: it may be asleep */
	void *ctx;
	_Alignas(HD_CACHE_LINE) _Atomic uint32_t asks; /* grows with each question */
};

/* ctrl, before a snapshot is published: pools grow and shrink with the limits. */
void proxy_quotas_set(struct proxy_quotas *q, const struct hd_snapshot *s);

/* One worker's side of a cluster. */
struct proxy_lease {
	uint32_t held[QUOTA_KINDS]; /* more may be used: from before a limit came, or as an endpoint's first */
	uint32_t slot;
	hd_ns asked, dry_until, yield_until;
	hd_ns wants_until;     /* then what was asked for is wanted no more, unless it is asked for again */
	struct list_link link; /* the worker's list of leases */
	struct list_link wish; /* the worker's list of what it wants, in order of wants_until */
};

/* Whether one more may be used while `used` are. */
int proxy_quota_has_room(struct proxy *p, uint32_t slot, enum proxy_quota_kind kind, uint32_t used, uint32_t limit);
/* One fewer is used: `used` are. */
void proxy_quota_put(struct proxy *p, uint32_t slot, enum proxy_quota_kind kind, uint32_t used);
/* None was left: the others are asked, at most once a millisecond. */
void proxy_quota_ask(struct proxy *p, uint32_t slot, enum proxy_quota_kind kind);
/* Whether it is worth to wait for the answer. Not when the last question brought nothing. */
int proxy_quota_may_come(const struct proxy *p, uint32_t slot);
void proxy_quota_came_not(struct proxy *p, uint32_t slot);
/* A connection that is free again should make way for another worker's, since we have more than our share. */
int proxy_quota_should_yield(struct proxy *p, const struct proxy_leg *leg);
/* The right to an endpoint's first connection though the limit says no: no worker has one. */
int proxy_quota_take_first(struct proxy *p, uint32_t slot, uint32_t endpoint_slot);
/* Any other connection to it came or went. */
void proxy_quota_connected(struct proxy *p, uint32_t endpoint_slot);
void proxy_quota_disconnected(struct proxy *p, uint32_t endpoint_slot);
/* A new snapshot: what is in use already counts towards a limit that came later. */
void proxy_quota_settle(struct proxy *p, const struct hd_cluster *c);
/* Answers questions, forgets its own that nobody repeats, and goes on with who waits for an answer. True: something was done. */
int proxy_quota_run(struct proxy *p);
hd_ns proxy_quota_deadline(const struct proxy *p);

#endif
