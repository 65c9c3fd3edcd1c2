/* SPDX-License-Identifier: Apache-2.0 */
/* An exchange: one request and its answer, or one tunnel. It lives while the request is in flight,
 * holds copies of all that the snapshot decided, and owns at most one down and one up leg. */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <heddle/msg.h>
#include <heddle/snapshot.h>

#include "bufq.h"
#include "proxy_leg.h"
#include "proxy_relay.h"
#include "proxy_reply.h"
#include "proxy_strip.h"

#define PROXY_TRIED_MAX 4 /* endpoints remembered, so that a retry goes elsewhere */
#define PROXY_RETRY_STATUSES 8
#define PROXY_DECORATOR_MAX 128
#define PROXY_COPIES_MAX 4 /* of one request, for mirrors */

enum proxy_exchange_state {
	EXCHANGE_JUDGED,  /* waits for its token to be verified */
	EXCHANGE_PENDING, /* waits for a connection in its endpoint's queue */
	EXCHANGE_BACKOFF, /* waits for the next try */
	EXCHANGE_DELAYED, /* waits because its route wants so, before all else */
	EXCHANGE_FAILED,  /* on the worker's list of tries that failed: `failure` says why */
	EXCHANGE_ACTIVE,  /* the request went out on `up` */
	EXCHANGE_TUNNEL,  /* bytes pass both ways, nobody reads them */
};

/* What happens to heads before they go out. */
enum proxy_patch_bit {
	PROXY_PATCH_EDITS = 1,	   /* the route or destination has header operations */
	PROXY_PATCH_CORS = 2,	   /* the origin is allowed */
	PROXY_PATCH_PREFLIGHT = 4, /* the answer is one to a preflight */
	PROXY_PATCH_COOKIE = 16,   /* the answer brings the caller a cookie to hash by */
	PROXY_PATCH_SHADOW = 8,	   /* a copy for a mirror: it has no caller */
};

/* Where a part of the request head lies, for the access record. */
struct proxy_span {
	uint16_t at, n;
};

/* What the route said about trying again. */
struct proxy_retry {
	uint32_t on; /* hd_retry_on */
	uint16_t left;
	uint16_t made;
	uint16_t n_statuses;
	uint16_t statuses[PROXY_RETRY_STATUSES];
	uint8_t n_tried;
	uint8_t forgets_tried;
	uint8_t counted; /* takes one of the cluster's maxRetries */
	hd_ns backoff_base;
	uint32_t tried[PROXY_TRIED_MAX]; /* endpoint slots */
};

struct proxy_exchange {
	struct proxy_leg *down, *up; /* NULL: not there, or gone */
	const struct tls_identity *peer; /* the caller's; valid as long as `down` is there, and
					    held by a copy for a mirror */
	struct rte_mbuf *sni; /* of a copy: the name that the caller asked for; NULL: none */
	struct list_link
		link; /* the endpoint's pending queue, or the worker's list of failed tries */
	struct proxy_timer timer;

	uint8_t state;	    /* proxy_exchange_state */
	uint8_t failure;    /* proxy_failure of the last try */
	uint8_t method;	    /* http_method */
	uint8_t protocol;   /* 11, or 0 for a TCP stream */
	uint8_t role;	    /* hd_role */
	uint8_t close_down; /* the caller's connection ends with this exchange */
	uint8_t is_upgrade; /* the caller asked for a websocket */
	uint8_t is_grpc;
	uint8_t is_secure;  /* the caller speaks TLS */
	uint8_t is_mesh;    /* and was shown this node's identity */
	uint8_t is_stream;    /* of a TCP listener */
	uint8_t answer_begun; /* a final response head went down */
	uint8_t interim_sent; /* a 1xx went down: no retry */
	uint8_t can_replay;   /* head and all body bytes sent so far are still held */
	uint8_t is_resend;    /* the next connection must be a fresh one */
	uint8_t had_strays;   /* `up` brought bytes from before the request */
	uint8_t keeps_id;     /* the caller brought its own x-request-id */
	uint8_t up_reusable;
	uint8_t on_endpoint; /* counted as active there */
	uint8_t has_asked;   /* other workers, for room in a limit */
	uint8_t outlier;     /* proxy_outlier */

	struct bufq held; /* the answer's head while it waits for the body (proxy_hold.c) */
	struct list_link held_link;
	hd_ns held_until;
	struct bufq head;   /* the request head as received */
	struct bufq replay; /* body bytes already sent, by reference */
	struct proxy_body request, response;
	uint64_t sent_from; /* stream offset of `up` at which this request begins */

	/* Copied from the snapshot: it may be gone before the answer comes. */
	uint64_t generation;
	uint32_t cluster, cluster_slot; /* cluster: index in the snapshot of `generation` */
	uint32_t endpoint_slot;
	uint32_t ticket; /* of its place among those who wait for that endpoint */
	struct hd_addr up_addr;
	hd_ns timeout, per_try_timeout, idle_timeout, max_connection_duration;
	uint32_t max_requests_per_connection;
	uint32_t interim_bytes; /* heads of 1xx that came */
	struct proxy_retry retry;
	uint32_t admitted_as; /* the target whose policies let it pass, of `admitted_generation` */
	uint64_t admitted_generation;
	uint8_t patches; /* proxy_patch_bit */
	uint8_t has_hash;
	uint8_t n_copies;      /* that wait for the request to be complete */
	uint32_t destination;  /* index among its route's */
	uint64_t hash;	       /* for consistent hashing */
	uint32_t cookie_index; /* of its policy among the route's, with PROXY_PATCH_COOKIE */
	char cookie[16];
	struct proxy_exchange *copies[PROXY_COPIES_MAX];
	struct proxy_strip strip; /* what its backend does not get, with has_strip */
	uint16_t token;		  /* 1 + the verified token that it holds; 0: none */
	uint8_t has_strip;
	uint8_t is_routed; /* its cluster is chosen */
	uint8_t rewrites; /* its route changes the request: that one, of `route_generation` */
	uint32_t route;
	uint64_t route_generation;

	hd_ns started, request_done, deadline, try_deadline, wake; /* HD_NS_NEVER: none */
	hd_ns upstream_time;

	/* For the access record. */
	uint64_t bytes_received, bytes_sent;
	uint32_t flags; /* hd_response_flag */
	uint16_t status;
	uint16_t decorator_n, cluster_n;
	const char *details; /* static text */
	struct hd_addr down_remote, down_local, up_local;
	struct proxy_span path, authority, agent, forwarded_for;
	uint16_t method_at, method_n;
	uint32_t route_line;
	char request_id[40];
	char decorator[PROXY_DECORATOR_MAX];
	char cluster_name[128];
	char route_name[48];
	char route_source[64];
};

/* The head of a request lies parsed in p->head over the bytes `bytes`; it is the first
 * p->head.bytes of the leg's receive queue. The leg becomes busy, or is answered at once. */
void proxy_exchange_begin(struct proxy *p, struct proxy_leg *down, const uint8_t *bytes);
/* What the leg received is no request, or came too late. */
void proxy_exchange_refuse(struct proxy *p, struct proxy_leg *down, const struct http_error *e);
/* A connection of a TCP listener. */
void proxy_exchange_begin_tunnel(struct proxy *p, struct proxy_leg *down,
				 const struct hd_listener *l, const struct hd_tls_server *server);
/* A connection that nobody serves: a record, and a reset. */
void proxy_exchange_refuse_connection(struct proxy *p, struct proxy_leg *down);
/* Where a caller came in, in the snapshot of now; NULL: a reload took it away. */
const struct hd_listener *proxy_exchange_listener(struct proxy *p, struct proxy_leg *down);
/* Moves what can be moved, as events of either leg say. */
void proxy_exchange_down_event(struct proxy *p, struct proxy_exchange *x, uint32_t events);
void proxy_exchange_up_event(struct proxy *p, struct proxy_exchange *x, uint32_t events);
/* The pool has a connected leg for it: the request goes out. */
void proxy_exchange_connected(struct proxy *p, struct proxy_exchange *x, struct proxy_leg *up);
/* The current try came to nothing (the up leg is already detached): try again by the policy, or
 * answer. */
void proxy_exchange_try_failed(struct proxy *p, struct proxy_exchange *x, enum proxy_failure why);
/* The caller is gone (its leg is already detached). */
void proxy_exchange_down_lost(struct proxy *p, struct proxy_exchange *x);
/* The backend is gone. */
void proxy_exchange_up_lost(struct proxy *p, struct proxy_exchange *x, enum proxy_failure why);
void proxy_exchange_timeout(struct proxy *p, struct proxy_exchange *x);
/* Nothing moved for too long. */
void proxy_exchange_silent(struct proxy *p, struct proxy_exchange *x);
/* Buffers run low and this one holds some without moving: both connections end. */
void proxy_exchange_shed(struct proxy *p, struct proxy_exchange *x);
/* Ends everything about it: the record, the up leg (back to the pool when it may), the memory. Not
 * the down leg. */
void proxy_exchange_destroy(struct proxy *p, struct proxy_exchange *x);
/* Answers from Heddle itself and ends the exchange. */
void proxy_exchange_reply(struct proxy *p, struct proxy_exchange *x, const struct proxy_answer *a);

/* All of the request is here. */
void proxy_exchange_request_complete(struct proxy *p, struct proxy_exchange *x);
/* Picks an endpoint in the snapshot of now and asks the pool for a connection to it. */
/* The next try begins at `until`. */
void proxy_exchange_pause(struct proxy *p, struct proxy_exchange *x, hd_ns until);
void proxy_exchange_start_try(struct proxy *p, struct proxy_exchange *x);
/* The request goes out on this leg; its head lies parsed in p->head over `bytes`. */
void proxy_exchange_send(struct proxy *p, struct proxy_exchange *x, struct proxy_leg *up,
			 const uint8_t *bytes);
/* Puts the request's head, parsed in p->head, as the backend gets it into out. 0 or -ENOMEM. */
int proxy_exchange_render(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes,
			  struct bufq *out);
/* Parses the head that x kept into p->head again; returns where its bytes lie. */
const uint8_t *proxy_exchange_parse_again(struct proxy *p, struct proxy_exchange *x);

/* Its cluster in the snapshot of now; NULL when a reload took it away. */
const struct hd_cluster *proxy_exchange_cluster(const struct proxy *p, struct proxy_exchange *x);

/* Its token was verified: it goes on where it waited. */
void proxy_exchange_judge_again(struct proxy *p, struct proxy_exchange *x);

/* The server name that the caller asked for in its TLS; empty: none. */
struct hd_str proxy_exchange_sni(const struct proxy_exchange *x);
/* Of the request whose head is h over `bytes`. */
struct hd_str proxy_exchange_scheme(const struct proxy_exchange *x, const struct http_head *h,
				    const uint8_t *bytes);

/* proxy_admit.c. 0: what is not admitted is answered at once, and x is no more; or x waits for its
 * token. */
int proxy_admit_request(struct proxy *p, struct proxy_exchange *x, const struct hd_listener *l,
			const struct hd_vhost *vhost, const uint8_t *bytes);
/* bytes: the request's head, when it lies parsed in p->head; else NULL. */
int proxy_admit_endpoint(struct proxy *p, struct proxy_exchange *x, const struct hd_endpoint *ep,
			 const uint8_t *bytes);

/* The deadlines have changed. */
void proxy_exchange_arm(struct proxy *p, struct proxy_exchange *x);
/* An exchange of no caller's that goes to a cluster; NULL when the pool is empty. */
struct proxy_exchange *proxy_exchange_create_copy(struct proxy *p, uint32_t cluster);
/* Its route in the snapshot of now; NULL when there is none any more. bytes: the request's head
 * lies parsed in p->head. */
const struct hd_route *proxy_exchange_route(struct proxy *p, const struct proxy_exchange *x,
					    const uint8_t *bytes);
/* The delay that its route asks for is over. */
void proxy_exchange_resume(struct proxy *p, struct proxy_exchange *x);

/* proxy_fault.c. 1: the request is held up, or answered and x is no more. */
int proxy_fault_begin(struct proxy *p, struct proxy_exchange *x, const struct hd_fault *f);
int proxy_fault_after_delay(struct proxy *p, struct proxy_exchange *x, const struct hd_fault *f);

/* proxy_cors.c. 1: a preflight, answered: x is no more. */
int proxy_cors_begin(struct proxy *p, struct proxy_exchange *x, const struct hd_cors *c,
		     const uint8_t *bytes);
struct proxy_edit_view;
struct proxy_edit_head;
void proxy_cors_patch(const struct proxy_edit_view *v, const struct hd_cors *c, int is_answer,
		      struct proxy_edit_head *h);

/* proxy_patch.c. n bytes of a head that may grow to `room`; the new length. */
uint32_t proxy_patch_request(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes,
			     uint8_t *at, uint32_t n, uint32_t room);
uint32_t proxy_patch_response(struct proxy *p, struct proxy_exchange *x, uint8_t *at, uint32_t n,
			      uint32_t room);
uint32_t proxy_patch_reply(struct proxy *p, struct proxy_exchange *x,
			   const struct proxy_own_answer *own, const char *head, uint32_t n);
/* The Host that the chosen destination wants; n 0: none. */
struct hd_str proxy_patch_authority(struct proxy *p, const struct proxy_exchange *x,
				    const struct hd_route *r);

/* proxy_hash.c. bytes: the request's head, parsed in p->head; NULL: a stream. */
void proxy_hash_request(struct proxy *p, struct proxy_exchange *x, uint32_t first, uint32_t count,
			const uint8_t *bytes);
void proxy_hash_patch(const struct proxy_edit_view *v, const struct hd_route *r,
		      struct proxy_edit_head *h);

/* proxy_mirror.c. Copies of the request are begun, get its body, and go out when it is complete. */
void proxy_mirror_begin(struct proxy *p, struct proxy_exchange *x, const struct hd_extras *e);
void proxy_mirror_gather(struct proxy *p, struct proxy_exchange *x, const struct bufq *body);
void proxy_mirror_complete(struct proxy *p, struct proxy_exchange *x);
void proxy_mirror_drop(struct proxy *p, struct proxy_exchange *x);
/* A copy is over: what it held of its caller's. */
void proxy_mirror_end(struct proxy *p, struct proxy_exchange *copy);
void proxy_mirror_mark(const struct proxy_exchange *x, struct proxy_edit_head *h);

/* proxy_hold.c */
void proxy_hold_put(struct proxy *p, struct proxy_exchange *x, struct bufq *head);
/* What is held goes out, or is dropped when the caller is gone. */
void proxy_hold_release(struct proxy *p, struct proxy_exchange *x);
int proxy_hold_run(struct proxy *p);
hd_ns proxy_hold_deadline(const struct proxy *p);

/* proxy_tunnel.c */
void proxy_tunnel_begin(struct proxy *p, struct proxy_exchange *x);
/* Moves what can be moved, both ways, and ends the tunnel when both ways ended. */
void proxy_tunnel_relay(struct proxy *p, struct proxy_exchange *x);

/* proxy_retry.c */
/* Whether the try that failed with `why` is made again; then it is scheduled. Sets URX or UO when
 * it is not though it might. */
int proxy_retry_failure(struct proxy *p, struct proxy_exchange *x, enum proxy_failure why);
/* The same for the answer whose head lies parsed in p->head over `bytes`: only whether. The caller
 * gets rid of the answer and calls proxy_retry_schedule. */
int proxy_retry_wants_answer(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes);
/* Takes one retry and the time until it. */
void proxy_retry_schedule(struct proxy *p, struct proxy_exchange *x);
/* The policy may ask for a try after the body went out. */
int proxy_retry_needs_body(const struct proxy_exchange *x);
/* The request went out on a used connection whose other end acknowledged no byte of it: so it
 * cannot have been acted on, whatever its method, and it is safe to send it again. */
int proxy_retry_is_unseen(const struct proxy_exchange *x);
/* The try is over for the cluster's count of concurrent retries. */
void proxy_retry_end(struct proxy *p, struct proxy_exchange *x);

/* proxy_record.c */
void proxy_record_write(struct proxy *p, const struct proxy_exchange *x);
void proxy_record_open(struct proxy *p, const struct proxy_exchange *x); /* of a TCP stream */

#endif
