/* SPDX-License-Identifier: Apache-2.0 */
/* A leg: one TCP connection of ours, down (towards the caller) or up (towards a backend). Small,
 * because most are idle. */
#ifndef PROXY_LEG_H
#define PROXY_LEG_H

#include "core_list.h"
#include "core_wheel.h"
#include "http.h"
#include "tcp.h"

struct proxy;
struct proxy_exchange;
struct proxy_tls;
struct tls_identity;

enum proxy_timer_kind { PROXY_TIMER_LEG, PROXY_TIMER_EXCHANGE };

struct proxy_timer {
	struct wheel_timer wheel;
	uint32_t kind; /* proxy_timer_kind */
};

enum proxy_leg_state {
	LEG_HEAD,	/* down: waits for a request head or reads it */
	LEG_BUSY,	/* an exchange owns it */
	LEG_LINGER,	/* down: answered and closed by us; what still arrives is thrown away */
	LEG_SNIFF,	/* down: its first bytes decide who serves it (proxy_inbound.c) */
	LEG_HANDSHAKE,	/* down: of TLS */
	LEG_CONNECTING, /* up: to TLS_EV_HANDSHAKEN where there is TLS */
	LEG_IDLE,	/* up: in the pool */
	LEG_PROBE,	/* up: a question of ctrl's (proxy_probe.c) */
};

struct proxy_leg {
	struct tcp_conn *conn;
	struct proxy_tls *tls;		 /* NULL: plaintext */
	const struct tls_identity *peer; /* who is at the other end; NULL: plaintext, or a caller
					    without a certificate (proxy_peer.h) */
	union {
		struct proxy_exchange *exchange; /* LEG_BUSY, and LEG_CONNECTING of a tunnel */
		struct hd_probe *probe;		 /* LEG_PROBE */
	};
	struct list_link link; /* down: the worker's list of callers at rest; up: the endpoint's
				  idle or connecting list */
	struct proxy_timer timer;
	uint8_t state; /* proxy_leg_state */
	uint8_t is_up;
	uint8_t role;	    /* hd_role */
	uint8_t fin;	    /* the other end will send no more */
	uint8_t reset;	    /* the connection is gone; what was received may still be read */
	union {
		uint8_t is_counted; /* up: among its endpoint's connections of all workers */
		uint8_t is_refused; /* down: a reload found it in clear or without a certificate
				       where that is not served any more */
	};
	uint8_t broken;	    /* TLS failed, or TCP ended without close_notify: as `reset`, but the
			       connection is there */
	uint8_t is_mesh;    /* down: we showed this node's identity */
	hd_ns due; /* when the state ends by itself; the timer may be set to fire earlier and is
		      then set anew */
	union {
		struct http1_scan scan; /* of the head being received */
		uint32_t look_at;	/* LEG_SNIFF: when so many bytes are there */
	};
	uint32_t requests;	/* carried so far, with the current one */
	union {
		struct {
			uint32_t listener; /* index in the snapshot of `generation` */
			uint32_t generation;
			uint32_t server; /* 1 + index in tls_servers; 0: none */
		} down;
		struct {
			uint32_t endpoint, cluster; /* slots */
			uint32_t incarnation; /* of the endpoint's slot when this leg connected */
		} up;
	};
};
_Static_assert(sizeof(struct proxy_leg) <= 2 * HD_CACHE_LINE, "an idle leg is two cache lines");

/* A new leg around a connection, or NULL when the pool is empty. */
struct proxy_leg *proxy_leg_create(struct proxy *p, struct tcp_conn *conn, int is_up);
/* Gives the connection back to tcp, which closes it in the background, and frees the leg. */
void proxy_leg_release(struct proxy *p, struct proxy_leg *leg);
/* The same with a reset. */
void proxy_leg_abort(struct proxy *p, struct proxy_leg *leg);
/* The state lasts until `due` at most. */
void proxy_leg_set_due(struct proxy *p, struct proxy_leg *leg, hd_ns due);
/* All that waits is thrown away and its credit returned. */
void proxy_leg_discard(struct proxy_leg *leg);

void proxy_leg_event(struct proxy *p, struct proxy_leg *leg, uint32_t events);
void proxy_leg_timeout(struct proxy *p, struct proxy_leg *leg);
/* A caller that tcp accepted. */
void proxy_leg_accept(struct proxy *p, struct tcp_conn *conn, uint32_t events);
/* proxy_probe.c */
void proxy_probe_event(struct proxy *p, struct proxy_leg *leg, uint32_t events);
void proxy_probe_timeout(struct proxy *p, struct proxy_leg *leg);
/* Its stream begins: requests may come. */
void proxy_leg_open(struct proxy *p, struct proxy_leg *leg);
/* The exchange of a down leg is over: the next request, or the end of the connection. */
void proxy_leg_down_next(struct proxy *p, struct proxy_leg *leg);
/* Closes our direction and waits a moment for the caller's, so that the answer is not lost to a
 * reset (RFC 9112 9.6). */
void proxy_leg_linger(struct proxy *p, struct proxy_leg *leg);
/* Closes callers at rest, some a turn, while draining. True: something was done. */
int proxy_leg_drain(struct proxy *p);

#endif
