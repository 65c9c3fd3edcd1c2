/* SPDX-License-Identifier: Apache-2.0 */
/* Stands for tls_aead.c where the records' framing is fuzzed: encrypts nothing, and every tag is
 * right unless its first byte is 0xff. */
#include "tls_aead.h"

struct tls_aead {
	uint64_t expanded;
};

struct tls_aead *tls_aead_create(uint32_t max_schedules)
{
	static struct tls_aead all;

	return &all;
}

void tls_aead_destroy(struct tls_aead *a)
{
}

void tls_aead_forget(struct tls_aead *a, uint32_t owner, const uint16_t *schedule)
{
}

uint64_t tls_aead_expanded(const struct tls_aead *a)
{
	return a->expanded;
}

void tls_aead_begin(struct tls_aead *a, struct tls_aead_op *op, const struct tls_aead_key *key,
		    const uint8_t nonce[TLS_NONCE_BYTES], const void *aad, uint32_t aad_n)
{
	op->aead = a;
}

void tls_aead_seal(struct tls_aead_op *op, uint8_t *to, const uint8_t *from, uint32_t n)
{
	memmove(to, from, n);
}

void tls_aead_open(struct tls_aead_op *op, uint8_t *to, const uint8_t *from, uint32_t n)
{
	memmove(to, from, n);
}

void tls_aead_end_seal(struct tls_aead_op *op, uint8_t tag[TLS_TAG_BYTES])
{
	memset(tag, 0, TLS_TAG_BYTES);
}

int tls_aead_end_open(struct tls_aead_op *op, const uint8_t tag[TLS_TAG_BYTES])
{
	return tag[0] != 0xff;
}

void tls_aead_seal_whole(struct tls_aead *a, const struct tls_aead_key *key,
			 const uint8_t nonce[TLS_NONCE_BYTES], const void *aad, uint32_t aad_n,
			 uint8_t *p, uint32_t n, uint8_t tag[TLS_TAG_BYTES])
{
	memset(tag, 0, TLS_TAG_BYTES);
}

int tls_aead_open_whole(struct tls_aead *a, const struct tls_aead_key *key,
			const uint8_t nonce[TLS_NONCE_BYTES], const void *aad, uint32_t aad_n,
			uint8_t *p, uint32_t n, const uint8_t tag[TLS_TAG_BYTES])
{
	return tag[0] != 0xff;
}
