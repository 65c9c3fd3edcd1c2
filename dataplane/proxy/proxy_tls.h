/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS of a leg: what lies between its TCP connection and those who read and write its bytes. It
 * exists from the first byte of the handshake to the end of the leg. */
#ifndef PROXY_TLS_H
#define PROXY_TLS_H

#include "bufq.h"
#include "tls.h"

struct proxy;
struct proxy_leg;

#define PROXY_SNI_INLINE 50

struct proxy_tls {
	struct tls_conn *conn;
	struct bufq plain;	/* verified and not taken yet */
	struct bufq unsent;	/* sealed at the end of the turn, or of the one in which there are buffers again */
	struct list_link sealing; /* in proxy.sealing: something is unsent, or closing */
	struct rte_mbuf *sni_m; /* a name that is longer than fits below */
	uint32_t unasked;	/* bytes at the front of plain that left before the question was seen */
	uint32_t server;	/* hd_name_hash of the pattern that the name was found by */
	uint8_t fin;		/* TCP's stream has ended */
	uint8_t opened;		/* the handshake was through */
	uint16_t version;
	uint8_t begun; /* the connection below is there */
	uint8_t failed;
	uint8_t again;	 /* stopped for lack of room: goes on when bytes are taken */
	uint8_t closing; /* closes when `unsent` is out */
	uint8_t stuck;	 /* no buffers to seal with */
	uint8_t sni_n;	 /* at most 255 */
	char sni[PROXY_SNI_INLINE];
};

/* So much plaintext may wait at most; what the peer may send is bounded by TCP's window anyhow,
 * which is opened only by what is taken. */
#define PROXY_TLS_PLAIN_ROOM (256u << 10)

/* Puts TLS upon the leg. conn: as tls_accept or tls_connect gave it, its user is the leg; NULL when
 * it is out of connections. 0, or -ENOMEM with conn released. */
[[nodiscard]] int proxy_tls_begin(struct proxy *p, struct proxy_leg *leg, struct tls_conn *conn);
/* Events of TCP below become those of the stream above, as TCP_EV_* bits: CONNECTED when the
 * handshake of an up leg is through, OPENED when a caller's is. A stream that failed is FIN with
 * leg->broken. */
#define PROXY_EV_OPENED 0x100
uint32_t proxy_tls_event(struct proxy *p, struct proxy_leg *leg, uint32_t events);
/* The end of it, above a TCP connection that goes on: without a word to the other end, or with
 * close_notify. -1: bytes are lost, the connection must not end as if it were whole. */
void proxy_tls_strip(struct proxy *p, struct proxy_leg *leg);
[[nodiscard]] int proxy_tls_end(struct proxy *p, struct proxy_leg *leg);
struct hd_str proxy_tls_sni(const struct proxy_leg *leg);
/* What came of handshakes on other threads. True: something was done. */
int proxy_tls_run(struct proxy *p);
/* The end of a turn: what was sent in it leaves in as few records as may be. */
void proxy_tls_flush(struct proxy *p);

/* proxy_stream.h, for legs with TLS. */
void proxy_tls_received(struct proxy_leg *leg, uint32_t bytes);
uint32_t proxy_tls_send_space(const struct proxy_leg *leg);
void proxy_tls_send(struct proxy *p, struct proxy_leg *leg, struct bufq *q);
void proxy_tls_close(struct proxy *p, struct proxy_leg *leg);

#endif
