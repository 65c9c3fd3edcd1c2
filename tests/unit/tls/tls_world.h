/* SPDX-License-Identifier: Apache-2.0 */
/* One worker's TLS, its handshake side run inline, and a far side that is plain OpenSSL over memory BIOs. */
#ifndef TLS_WORLD_H
#define TLS_WORLD_H

#include <openssl/ssl.h>

#include "tls.h"
#include "tls_pki.h"
#include "tls_threads.h"

#define WORLD_MAX (1 << 20)

struct world {
	struct tls_threads *threads;
	struct tls *tls;
	struct hd_worker_stats stats;
	hd_ns now;
	struct tls_pki root, stranger, intermediate, near, far;
	char *near_chain;
};

extern struct rte_mempool *world_bufs, *world_indirect;
extern int64_t world_wall_shift; /* seconds that our wall clock is ahead of the far side's */

/* Once a program. */
int world_setup(void **state);
void world_open(struct world *w, const struct tls_config *c);
void world_close(struct world *w);
/* A context of ours in `slot` with what most tests want: the near certificate (slot 0), the root's bundle (slot 0), both sides
 * verified by SPIFFE ID. change may be NULL. */
void world_context(struct world *w, uint32_t slot, enum hd_tls_role role, void (*change)(struct hd_tls_context *c, void *arg),
		   void *arg);

/* The far side's context: its certificate, and the root as what it trusts. */
SSL_CTX *far_context(const struct world *w, int is_server);

/* NULL, or who pumps ready connections that are not of the link that was opened last. */
extern void (*world_stranger)(struct tls_conn *c);

/* A connection between the two. */
struct link {
	struct world *w;
	struct tls_conn *conn;
	SSL *far;
	BIO *to_far, *from_far;
	struct bufq in, plain, wire;
	uint32_t events;	/* of ours, all so far */
	struct tls_facts facts;
	uint8_t *got_near, *got_far; /* plaintext received */
	uint32_t got_near_n, got_far_n;
	uint32_t cut;		/* the first delivery ends before this byte of what the far side sends; 0: none */
	uint32_t chunk;		/* bytes a delivery after that; 0: all there is */
	uint32_t delivered;	/* to us */
	uint32_t sent;		/* by us */
	uint32_t wire_space;
	int far_rc;		/* of its handshake: 1 done, 0 not yet, -1 failed */
	int far_closed;		/* close_notify */
	int fin;
	unsigned long far_error;
	/* What the far side does as soon as its handshake is done, in the same breath. */
	const uint8_t *far_first;
	uint32_t far_first_n;
};

void link_open(struct link *l, struct world *w, uint32_t context, enum hd_tls_role near_role, SSL_CTX *far, const char *sni);
void link_close(struct link *l);
/* Goes on until nothing moves any more. */
void link_run(struct link *l);
/* One delivery and what follows of it. True: something moved. */
int link_step(struct link *l);
/* The same beside real threads: who works for it is not run here. */
void link_threaded_step(struct link *l);
void link_send_near(struct link *l, const void *p, uint32_t n);
void link_send_far(struct link *l, const void *p, uint32_t n);
int link_is_open(const struct link *l);

#endif
