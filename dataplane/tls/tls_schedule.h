/* SPDX-License-Identifier: Apache-2.0 */
/* The key schedules: HKDF-Expand-Label of TLS 1.3 (RFC 8446 7.1) and the PRF of TLS 1.2 (RFC 5246 5). Nothing here
 * allocates: a KeyUpdate happens on the worker. */
#ifndef TLS_SCHEDULE_H
#define TLS_SCHEDULE_H

#include <heddle/base.h>

enum tls_hash { TLS_SHA256, TLS_SHA384 };

#define TLS_HASH_MAX 48

static inline uint32_t tls_hash_bytes(enum tls_hash h)
{
	return h == TLS_SHA256 ? 32 : 48;
}

/* HMAC of the parts one behind the other; out has tls_hash_bytes. */
void tls_hmac(enum tls_hash h, const void *key, uint32_t key_n, const struct hd_str *parts, uint32_t n_parts, uint8_t *out);
/* HKDF-Expand-Label(secret, label, "", n); n is at most the hash's size. secret has the hash's size. */
void tls_expand_label(enum tls_hash h, const uint8_t *secret, const char *label, uint8_t *out, uint32_t n);
/* The PRF of RFC 5246 5 with the suite's hash. */
void tls_prf(enum tls_hash h, const uint8_t *secret, uint32_t secret_n, const char *label, const struct hd_str *seed,
	     uint8_t *out, uint32_t n);

/* Overwrites in a way that no compiler leaves out. */
static inline void tls_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}

#endif
