/* SPDX-License-Identifier: Apache-2.0 */
/* A fake of dataplane/tls for tests of what stands above it: no cryptography and no threads, but
 * records, an order of events and a clock as the real one has. Records are 5 bytes of header (type,
 * 3, 3, length) and a payload; data is stored with every byte changed, so that plaintext on the
 * wire shows.
 *
 * A caller's ClientHello is a record of type 22 whose payload is "sni=NAME alpn=istio,http/1.1
 * id=SPIFFE" (each may be left out); ours, as a client, is "hello sni=NAME". The answer is a record
 * of type 22, "ok id=SPIFFE". An alert is type 21: "close", or anything else, which is fatal. */
#ifndef TESTS_FAKE_TLS_H
#define TESTS_FAKE_TLS_H

#include "tls.h"

#define FAKE_TLS_CONTEXTS 8

struct fake_tls_context {
	int is_set;
	int wants_peer;	    /* a caller without id is refused */
	const char *prefix; /* of ids that are accepted; NULL: any */
};

struct fake_tls_options {
	hd_ns latency;	/* of a handshake */
	int seal_fails; /* the next so many seals find no buffers */
	struct fake_tls_context contexts[FAKE_TLS_CONTEXTS];
};

struct tls *fake_tls_create(struct rte_mempool *bufs, struct rte_mempool *indirect,
			    struct hd_worker_stats *stats, struct fake_tls_options *options);
void fake_tls_destroy(struct tls *t);
/* Connections that were not released. */
uint32_t fake_tls_live(const struct tls *t);

/* A record as text: out needs n + 5 bytes. Returns its length. */
uint32_t fake_tls_record(uint8_t type, const char *payload, uint32_t n, uint8_t *out);
/* All data records of a stream in clear, the others as "[22:ok id=…]"; terminated. NULL: no stream
 * of records. */
const char *fake_tls_read(const char *wire, uint32_t n);

#endif
