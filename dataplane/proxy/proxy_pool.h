/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to backends of one worker: for each endpoint slot those at rest, those connecting,
 * and the requests that wait for one. Limits are the cluster's. */
#ifndef PROXY_POOL_H
#define PROXY_POOL_H

#include <heddle/snapshot.h>
#include <heddle/stats.h>

#include "core_list.h"
#include "proxy_leg.h"
#include "proxy_quota.h"

struct proxy_cluster_state {
	struct hd_cluster_stats stats; /* first: hd_dp_cluster_stats hands it out */
	uint64_t generation;	       /* of the snapshot that `is_weighted` speaks of */
	uint8_t is_weighted;	       /* endpoints of unequal weight */
	uint32_t cursor;	       /* of round robin, among the endpoints */
	struct proxy_lease lease;
};

struct proxy_endpoint_state {
	struct hd_endpoint_stats stats; /* first: hd_dp_endpoint_stats hands it out */
	struct hd_addr addr;		/* whom the slot stands for now */
	uint32_t incarnation; /* grows when it comes to stand for somebody else, or for nobody */
	uint32_t tls_context; /* 1 + slot; 0: plaintext. With the address it is whom it stands for */
	uint32_t sni_hash;
	int32_t weight_now;   /* smooth weighted round robin, when weights are unequal */
	uint64_t generation;  /* of the last snapshot that had it */
	uint32_t n_connecting;
	uint32_t n_pending;
	uint32_t slot;		  /* its own */
	uint8_t told_failure;	  /* the last outcome that ctrl was told was a failure */
	struct list_link idle;	  /* legs, the most recently used first; zero until first used */
	struct list_link pending; /* exchanges, the oldest first */
	struct list_link link;	  /* the worker's list of endpoints with legs at rest */
	struct list_link starved; /* the worker's list of endpoints that wait for room in a limit */
	struct list_link doomed;  /* exchanges that waited when all of them failed: told in pieces */
	struct list_link doomed_link; /* the worker's list of endpoints with such */
	uint32_t ticket;	  /* of the next exchange that waits */
	uint32_t doomed_before;	  /* whoever waits with an older ticket is among the doomed */
	uint64_t swept;		  /* generation of the sweep that looked at it last */
	uint8_t doom;		  /* proxy_failure of the doomed */
};

struct proxy;
struct proxy_exchange;

struct proxy_cluster_state *proxy_pool_cluster(const struct proxy *p, uint32_t slot);
struct proxy_endpoint_state *proxy_pool_endpoint(const struct proxy *p, uint32_t slot);

/* Finds x a connection to ep. */
enum proxy_pool_verdict {
	POOL_READY,    /* *out is an idle leg */
	POOL_WAIT,     /* x is in the endpoint's queue: proxy_exchange_connected or EXCHANGE_FAILED
			  follows */
	POOL_OVERFLOW, /* a limit of the cluster says no */
	POOL_LATER,    /* so it does, but other workers may have room to give: try again soon */
	POOL_NO_CONNECT, /* no connection could be begun: x->failure says why */
};
enum proxy_pool_verdict proxy_pool_get(struct proxy *p, struct proxy_exchange *x,
				       const struct hd_cluster *c, const struct hd_endpoint *ep,
				       struct proxy_leg **out);
/* x does not wait any longer. */
void proxy_pool_unwait(struct proxy *p, struct proxy_exchange *x);
/* Events of a leg that belongs to the pool: connecting or at rest. */
void proxy_pool_event(struct proxy *p, struct proxy_leg *leg, uint32_t events);
/* A leg that did not come up in time. */
void proxy_pool_late(struct proxy *p, struct proxy_leg *leg);
/* An exchange is done with its leg, which is fit for another: to the next in the queue, to rest, or
 * closed when it is old. */
void proxy_pool_put(struct proxy *p, struct proxy_leg *leg, uint32_t max_requests,
		    hd_ns idle_timeout, hd_ns max_duration);
/* The leg is gone for the pool's accounts; its connection is released or reset. */
void proxy_pool_drop(struct proxy *p, struct proxy_leg *leg, int with_reset);
/* Who waits for room in a limit that other workers may have made. */
void proxy_pool_feed(struct proxy *p);
/* Goes on with closing connections to endpoints that the snapshot no longer has; a bounded piece.
 * True: something was done. */
int proxy_pool_sweep(struct proxy *p);
/* A new snapshot is in force. */
void proxy_pool_snapshot(struct proxy *p);
/* Hands some of the exchanges whose endpoint failed to the list of failed tries. */
int proxy_pool_doom(struct proxy *p);
/* Closes connections at rest, some a turn. */
int proxy_pool_drain(struct proxy *p);

#endif
