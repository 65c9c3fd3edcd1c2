/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: the proxy of one worker. */
#ifndef PROXY_STATE_H
#define PROXY_STATE_H

#include <rte_branch_prediction.h>

#include "core_list.h"
#include "core_pool.h"
#include "core_wheel.h"
#include "http.h"
#include "proxy.h"
#include "proxy_balance.h"
#include "proxy_edit.h"
#include "proxy_exchange.h"
#include "proxy_inbound.h"
#include "proxy_leg.h"
#include "proxy_outcome.h"
#include "proxy_peer.h"
#include "proxy_pool.h"
#include "proxy_program.h"
#include "proxy_random.h"
#include "proxy_relay.h"
#include "proxy_rewrite.h"
#include "proxy_route.h"
#include "proxy_token.h"
#include "proxy_stream.h"
#include "proxy_tls.h"
#include "proxy_xfcc.h"

/* contract.md, "Deadlines that are on by default", and Envoy's. */
#define PROXY_HEAD_TIMEOUT (60 * HD_NS_PER_S)
#define PROXY_IDLE_TIMEOUT (3600 * HD_NS_PER_S)
#define PROXY_STREAM_TIMEOUT (300 * HD_NS_PER_S)
#define PROXY_TUNNEL_TIMEOUT (3600 * HD_NS_PER_S)
#define PROXY_LINGER_TIMEOUT (5 * HD_NS_PER_S)
#define PROXY_SNIFF_TIMEOUT (10 * HD_NS_PER_S)
#define PROXY_HOLD (100 * HD_NS_PER_US) /* proxy_hold.c */
/* How long a backend that closed may keep us from knowing whether it saw the request. */
#define PROXY_VERDICT_TIMEOUT (5 * HD_NS_PER_S)

/* Bounds of one turn. */
#define PROXY_TURN_EVENTS 512
#define PROXY_TURN_STEPS 200000 /* of programs that rewrite paths: no more events then */
#define PROXY_TURN_FAILED 64
#define PROXY_TURN_TIMERS 256
#define PROXY_TURN_SWEEP 256
#define PROXY_TURN_STALE 8     /* unfit connections that one request clears away */
#define PROXY_TURN_INTERIMS 16 /* of one exchange */

/* Bytes of request bodies kept for another try: of one request (Envoy's 1 MiB), and while only an
 * unseen request could need them. */
#define PROXY_REPLAY_MAX (1u << 20)
#define PROXY_UNSEEN_MAX (64u << 10)

#define PROXY_HEAD_ROOM (HTTP_MAX_HEAD_BYTES + 8192)

/* Names that callers asked for lately: most say the same one again and again, and to make it small,
 * to hash it and to look it up costs as much as all the rest of routing. */
#define PROXY_HOST_MEMO 64
struct proxy_host_memo {
	uint64_t generation; /* of the snapshot; 0: empty */
	uint32_t router, vhost;
	uint32_t n;
	uint8_t authority[76]; /* as it was sent */
};

struct proxy {
	struct tcp *tcp;
	struct net *net;
	struct tls *tls; /* NULL: none */
	struct hd_worker_stats *stats;
	struct proxy_slots *slots;
	const uint8_t *health, *watched;
	const struct proxy_group_weights *group_weights;
	struct hd_ring *outcomes;
	const struct hd_snapshot *snapshot;
	struct hd_snapshot_worker *own; /* ours in the snapshot */
	hd_ns now;			/* of this turn */
	uint32_t turn_steps;		/* of programs, in this turn */
	struct proxy_random random;
	struct proxy_relay_pools pools;
	struct core_supply supply;
	struct core_pool legs, exchanges;
	struct core_pool secures; /* struct proxy_tls */
	struct wheel wheel;
	struct list_link at_rest; /* down legs between requests */
	struct list_link held;	  /* exchanges whose answer's head waits, in order of time */
	struct list_link failed;  /* exchanges whose try failed */
	struct list_link pooled;  /* endpoints with legs at rest */
	struct list_link doomed;  /* endpoints whose queue failed */
	struct list_link sealing; /* proxy_tls with something to seal before the turn ends */
	struct list_link leases;  /* what was leased of limits over all workers */
	struct list_link wishes;  /* what others were asked for */
	struct list_link starved; /* endpoints whose exchanges wait for room in one */
	hd_ns starved_look;
	struct proxy_quotas *quotas; /* NULL: we are alone */
	uint32_t asks_seen;
	uint32_t settled; /* clusters of the snapshot whose limits were */
	uint32_t swept;	  /* endpoints of the snapshot that were marked as known */
	uint32_t replay_bufs, replay_bufs_max; /* held by all exchanges for another try */
	uint32_t n_copies, copies_max;	       /* exchanges that are copies for mirrors */
	hd_ns pressure_at;		       /* when the buffers were counted last */
	uint32_t pressure_rcv;		       /* what connections may receive at that level */
	uint32_t pressure;		       /* index of the level that was found then */
	uint32_t shed_cursor;		       /* over the legs */
	uint32_t worker;
	uint8_t is_draining;
	uint8_t is_sweeping;
	int64_t wall_offset;
	struct hd_ring *access;
	struct proxy_tokens tokens;
	uint64_t date_second;
	char date[30];

	struct proxy_host_memo hosts[PROXY_HOST_MEMO];
	struct proxy_xfcc xfcc;

	/* Work space, valid within one step. */
	struct proxy_route_memo memo;
	struct http_head head;
	char host[PROXY_HOST_MAX];
	uint32_t path_n;
	uint8_t path[PROXY_HEAD_ROOM];
	char regex_path[PROXY_PROGRAM_PATH]; /* rewritten by a program */
	uint8_t in[PROXY_HEAD_ROOM]; /* a head that was spread over buffers */
	char told[160]; /* details of an answer */
	uint8_t out[PROXY_HEAD_ROOM + PROXY_REWRITE_SLACK + PROXY_EDIT_EXTRA + PROXY_XFCC_MAX +
		    HD_JWT_OUT_MAX];
};

static inline void proxy_count(struct proxy *p, enum hd_counter c)
{
	hd_count(p->stats, c);
}

/* Text of the current second for `date` fields. */
const char *proxy_date(struct proxy *p);

static inline const struct http_field *proxy_field_find(const struct http_head *h,
							const uint8_t *bytes, const char *lower)
{
	for (uint32_t i = 0; i < h->n_fields; i++)
		if (http_name_eq(bytes + h->fields[i].name, h->fields[i].name_n, lower))
			return &h->fields[i];
	return NULL;
}

/* Puts n bytes of `bytes` at the end of q. 0 or -ENOMEM. */
static inline int proxy_put(struct proxy *p, struct bufq *q, const void *bytes, uint32_t n)
{
	return bufq_copy_in(q, bytes, n, p->pools.bufs);
}

/* A caller that is there may not go on by the policy of now: asked before each request, and before
 * what passes through a tunnel. */
static inline int proxy_inbound_is_refused(struct proxy *p, struct proxy_leg *down)
{
	if (hd_unlikely(down->down.generation != (uint32_t)p->snapshot->generation))
		(void)proxy_exchange_listener(p, down);
	return down->is_refused;
}

/* How long nothing may move. */
static inline hd_ns proxy_exchange_patience(const struct proxy_exchange *x)
{
	if (x->state != EXCHANGE_TUNNEL)
		return PROXY_STREAM_TIMEOUT;
	return x->is_stream && x->idle_timeout > 0 ? x->idle_timeout : PROXY_TUNNEL_TIMEOUT;
}

/* Where a head of ours is written: at once into a buffer when it surely fits, else by way of the
 * work space. */
struct proxy_head_room {
	struct rte_mbuf *m;
	uint8_t *at; /* NULL: out of buffers */
};
/* For the head that lies parsed in p->head. */
struct proxy_head_room proxy_head_begin(struct proxy *p, uint32_t extra);
/* n bytes were written: they go to the end of q. 0 or -ENOMEM. */
int proxy_head_end(struct proxy *p, struct proxy_head_room *room, uint32_t n, struct bufq *q);

/* Counts buffers now and then, and acts on what it finds (proxy_pressure.c). */
void proxy_pressure_look(struct proxy *p);
/* Makes places for connections: callers that rest longest lose theirs. False: none does. */
int proxy_pressure_evict(struct proxy *p);
/* A caller came in: makes room before there is none. */
void proxy_pressure_accepted(struct proxy *p);
#define PROXY_PRESSURE_PERIOD HD_NS_PER_MS

static inline struct proxy_exchange *proxy_exchange_of(struct list_link *l)
{
	return list_entry(l, struct proxy_exchange, link);
}

#endif
