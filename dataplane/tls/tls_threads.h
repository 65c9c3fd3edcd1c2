/* SPDX-License-Identifier: Apache-2.0 */
/* The slow half of TLS: the threads that make handshakes, and the store of certificates, bundles and contexts that they make
 * them with. Launch makes them before the workers and ends them after. Nothing here is for a worker's turn but
 * tls_threads_wake, which the loop around the turn calls. */
#ifndef TLS_THREADS_H
#define TLS_THREADS_H

#include "tls.h"

struct tls_threads;

struct tls_threads_config {
	uint32_t n_threads;	/* 0: 1 */
	uint32_t n_workers;
	/* Something came back for a worker: it may have to be woken. On a handshake thread. NULL: nobody sleeps. */
	void (*kick)(void *ctx, uint32_t worker);
	void *ctx;
	int64_t (*wall)(void *ctx); /* UTC ns, what certificates are judged by. NULL: the system's */
};

/* NULL when memory is out. */
[[nodiscard]] struct tls_threads *tls_threads_create(const struct tls_threads_config *c);
void tls_threads_destroy(struct tls_threads *t);

/* They inherit the caller's CPUs. 0 or a negative errno. */
[[nodiscard]] int tls_threads_start(struct tls_threads *t);
void tls_threads_stop(struct tls_threads *t);
/* Without threads: does what waits, on the caller's. For tests and simulators. True: something was done. */
int tls_threads_step(struct tls_threads *t);

/* Whether the last turns handed something over (and forgets it): then tls_threads_wake must be called. */
int tls_pushed(struct tls *t);
/* Any thread. */
void tls_threads_wake(struct tls_threads *t);
/* Time that the threads were on a CPU; any thread, while they run. */
hd_ns tls_threads_ran(const struct tls_threads *t);

/* Behind hd_dp_tls_*, heddle/dp.h. */
int tls_credential_set(struct tls_threads *t, uint32_t slot, const struct hd_tls_credential *c, char *error, size_t error_bytes);
int tls_bundle_set(struct tls_threads *t, uint32_t slot, const struct hd_tls_bundle *b, char *error, size_t error_bytes);
int tls_context_set(struct tls_threads *t, uint32_t slot, const struct hd_tls_context *c, char *error, size_t error_bytes);
void tls_credential_clear(struct tls_threads *t, uint32_t slot);
void tls_bundle_clear(struct tls_threads *t, uint32_t slot);
void tls_context_clear(struct tls_threads *t, uint32_t slot);
int tls_credential_check(const struct hd_tls_credential *c, struct hd_tls_certificate_info *info, char *error, size_t error_bytes);
int tls_bundle_check(const struct hd_tls_bundle *b, char *error, size_t error_bytes);
int tls_bundle_info(const struct hd_tls_bundle *b, uint32_t index, struct hd_tls_certificate_info *info);

#endif
