/* SPDX-License-Identifier: Apache-2.0 */
/* AEAD over bytes that lie in pieces: begin, any number of pieces, end. The only caller of ipsec-mb, for all ciphers
 * (docs/decisions/0021). Expanded AES keys live in a cache of the worker; whoever owns a key keeps the raw one. */
#ifndef TLS_AEAD_H
#define TLS_AEAD_H

#include <heddle/base.h>

#define TLS_TAG_BYTES 16
#define TLS_NONCE_BYTES 12
#define TLS_KEY_MAX 32
#define TLS_AEAD_CONTEXT_BYTES 256

enum tls_cipher { TLS_CIPHER_AES128_GCM, TLS_CIPHER_AES256_GCM, TLS_CIPHER_CHACHA20_POLY1305 };

struct tls_aead; /* of one worker */

/* A key of somebody: `owner` names it within the worker, never 0. schedule is the cache's. */
struct tls_aead_key {
	const uint8_t *raw;
	uint32_t owner;
	uint16_t *schedule;
	uint8_t cipher; /* tls_cipher */
};

struct tls_aead_op {
	const struct tls_aead *aead;
	const void *key; /* expanded; valid until the next tls_aead_begin of the worker */
	uint8_t cipher;
	_Alignas(16) uint8_t context[TLS_AEAD_CONTEXT_BYTES];
};

/* NULL when memory is out. */
[[nodiscard]] struct tls_aead *tls_aead_create(uint32_t max_schedules);
void tls_aead_destroy(struct tls_aead *a);
/* The owner is gone or has another key from now on: its expanded key is wiped. */
void tls_aead_forget(struct tls_aead *a, uint32_t owner, const uint16_t *schedule);
/* Keys expanded so far. */
uint64_t tls_aead_expanded(const struct tls_aead *a);

void tls_aead_begin(struct tls_aead *a, struct tls_aead_op *op, const struct tls_aead_key *key,
		    const uint8_t nonce[TLS_NONCE_BYTES], const void *aad, uint32_t aad_n);
/* to and from are equal or do not overlap. */
void tls_aead_seal(struct tls_aead_op *op, uint8_t *to, const uint8_t *from, uint32_t n);
void tls_aead_open(struct tls_aead_op *op, uint8_t *to, const uint8_t *from, uint32_t n);
void tls_aead_end_seal(struct tls_aead_op *op, uint8_t tag[TLS_TAG_BYTES]);
/* Non-zero: the tag is right. In constant time. */
[[nodiscard]] int tls_aead_end_open(struct tls_aead_op *op, const uint8_t tag[TLS_TAG_BYTES]);

/* The same at once for a record that lies in one piece, in place. */
void tls_aead_seal_whole(struct tls_aead *a, const struct tls_aead_key *key, const uint8_t nonce[TLS_NONCE_BYTES], const void *aad,
			 uint32_t aad_n, uint8_t *p, uint32_t n, uint8_t tag[TLS_TAG_BYTES]);
[[nodiscard]] int tls_aead_open_whole(struct tls_aead *a, const struct tls_aead_key *key, const uint8_t nonce[TLS_NONCE_BYTES],
				      const void *aad, uint32_t aad_n, uint8_t *p, uint32_t n, const uint8_t tag[TLS_TAG_BYTES]);

#endif
