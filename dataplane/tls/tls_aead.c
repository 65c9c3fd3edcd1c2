/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_aead.h"

#include <intel-ipsec-mb.h>

#include "tls_memory.h"
#include "tls_schedule.h"

/* Which key a schedule belongs to, and whether it was used since the hand came by. */
struct place {
	uint32_t owner; /* 0: free */
	uint8_t used;
};

struct tls_aead {
	IMB_MGR *mgr;
	uint64_t expanded;
	uint32_t n, hand; /* of the clock that chooses whom to forget */
	struct place *places;
	struct gcm_key_data *schedules;
	size_t bytes;
};

_Static_assert(sizeof(struct gcm_context_data) <= TLS_AEAD_CONTEXT_BYTES, "room for GCM's state");
_Static_assert(sizeof(struct chacha20_poly1305_context_data) <= TLS_AEAD_CONTEXT_BYTES,
	       "room for ChaCha20-Poly1305's state");

static size_t schedules_bytes(uint32_t n)
{
	return (size_t)n * sizeof(struct gcm_key_data);
}

struct tls_aead *tls_aead_create(uint32_t max_schedules)
{
	size_t own = (sizeof(struct tls_aead) + HD_CACHE_LINE - 1) & ~(size_t)(HD_CACHE_LINE - 1);
	size_t bytes = own + schedules_bytes(max_schedules) + max_schedules * sizeof(struct place);
	struct tls_aead *a = tls_memory_map(bytes);

	if (a == NULL)
		return NULL;
	a->bytes = bytes;
	a->n = max_schedules;
	a->schedules = (struct gcm_key_data *)((uint8_t *)a + own);
	a->places = (struct place *)((uint8_t *)a->schedules + schedules_bytes(max_schedules));
	a->mgr = alloc_mb_mgr(0);
	if (a->mgr == NULL) {
		tls_memory_unmap(a, bytes);
		return NULL;
	}
	init_mb_mgr_auto(a->mgr, NULL);
	return a;
}

void tls_aead_destroy(struct tls_aead *a)
{
	if (a == NULL)
		return;
	free_mb_mgr(a->mgr);
	tls_memory_unmap(a, a->bytes);
}

uint64_t tls_aead_expanded(const struct tls_aead *a)
{
	return a->expanded;
}

void tls_aead_forget(struct tls_aead *a, uint32_t owner, const uint16_t *schedule)
{
	if (*schedule >= a->n || a->places[*schedule].owner != owner)
		return;
	a->places[*schedule] = (struct place){ 0 };
	tls_wipe(&a->schedules[*schedule], sizeof(a->schedules[0]));
}

/* The first place that was not used since the hand last came by. */
static uint32_t make_room(struct tls_aead *a)
{
	for (;;) {
		uint32_t at = a->hand;
		a->hand = at + 1 < a->n ? at + 1 : 0;
		if (!a->places[at].used)
			return at;
		a->places[at].used = 0;
	}
}

static const struct gcm_key_data *expand(struct tls_aead *a, const struct tls_aead_key *key)
{
	uint32_t at = make_room(a);
	struct gcm_key_data *s = &a->schedules[at];

	tls_wipe(s, sizeof(*s));
	if (key->cipher == TLS_CIPHER_AES128_GCM)
		IMB_AES128_GCM_PRE(a->mgr, key->raw, s);
	else
		IMB_AES256_GCM_PRE(a->mgr, key->raw, s);
	a->places[at] = (struct place){ .owner = key->owner, .used = 1 };
	*key->schedule = (uint16_t)at;
	a->expanded++;
	return s;
}

static const struct gcm_key_data *find(struct tls_aead *a, const struct tls_aead_key *key)
{
	uint16_t at = *key->schedule;

	if (hd_unlikely(at >= a->n || a->places[at].owner != key->owner))
		return expand(a, key);
	a->places[at].used = 1;
	return &a->schedules[at];
}

void tls_aead_begin(struct tls_aead *a, struct tls_aead_op *op, const struct tls_aead_key *key,
		    const uint8_t nonce[TLS_NONCE_BYTES], const void *aad, uint32_t aad_n)
{
	void *x = op->context;

	op->aead = a;
	op->cipher = key->cipher;
	if (key->cipher == TLS_CIPHER_CHACHA20_POLY1305) {
		op->key = key->raw;
		IMB_CHACHA20_POLY1305_INIT(a->mgr, op->key, x, nonce, aad, aad_n);
		return;
	}
	op->key = find(a, key);
	if (key->cipher == TLS_CIPHER_AES128_GCM)
		IMB_AES128_GCM_INIT(a->mgr, op->key, x, nonce, aad, aad_n);
	else
		IMB_AES256_GCM_INIT(a->mgr, op->key, x, nonce, aad, aad_n);
}

void tls_aead_seal(struct tls_aead_op *op, uint8_t *to, const uint8_t *from, uint32_t n)
{
	void *x = op->context;

	switch ((enum tls_cipher)op->cipher) {
	case TLS_CIPHER_AES128_GCM:
		IMB_AES128_GCM_ENC_UPDATE(op->aead->mgr, op->key, x, to, from, n);
		return;
	case TLS_CIPHER_AES256_GCM:
		IMB_AES256_GCM_ENC_UPDATE(op->aead->mgr, op->key, x, to, from, n);
		return;
	case TLS_CIPHER_CHACHA20_POLY1305:
		IMB_CHACHA20_POLY1305_ENC_UPDATE(op->aead->mgr, op->key, x, to, from, n);
		return;
	}
}

void tls_aead_open(struct tls_aead_op *op, uint8_t *to, const uint8_t *from, uint32_t n)
{
	void *x = op->context;

	switch ((enum tls_cipher)op->cipher) {
	case TLS_CIPHER_AES128_GCM:
		IMB_AES128_GCM_DEC_UPDATE(op->aead->mgr, op->key, x, to, from, n);
		return;
	case TLS_CIPHER_AES256_GCM:
		IMB_AES256_GCM_DEC_UPDATE(op->aead->mgr, op->key, x, to, from, n);
		return;
	case TLS_CIPHER_CHACHA20_POLY1305:
		IMB_CHACHA20_POLY1305_DEC_UPDATE(op->aead->mgr, op->key, x, to, from, n);
		return;
	}
}

void tls_aead_end_seal(struct tls_aead_op *op, uint8_t tag[TLS_TAG_BYTES])
{
	void *x = op->context;

	switch ((enum tls_cipher)op->cipher) {
	case TLS_CIPHER_AES128_GCM:
		IMB_AES128_GCM_ENC_FINALIZE(op->aead->mgr, op->key, x, tag, TLS_TAG_BYTES);
		return;
	case TLS_CIPHER_AES256_GCM:
		IMB_AES256_GCM_ENC_FINALIZE(op->aead->mgr, op->key, x, tag, TLS_TAG_BYTES);
		return;
	case TLS_CIPHER_CHACHA20_POLY1305:
		IMB_CHACHA20_POLY1305_ENC_FINALIZE(op->aead->mgr, x, tag, TLS_TAG_BYTES);
		return;
	}
}

static void end_open(struct tls_aead_op *op, uint8_t tag[TLS_TAG_BYTES])
{
	void *x = op->context;

	switch ((enum tls_cipher)op->cipher) {
	case TLS_CIPHER_AES128_GCM:
		IMB_AES128_GCM_DEC_FINALIZE(op->aead->mgr, op->key, x, tag, TLS_TAG_BYTES);
		return;
	case TLS_CIPHER_AES256_GCM:
		IMB_AES256_GCM_DEC_FINALIZE(op->aead->mgr, op->key, x, tag, TLS_TAG_BYTES);
		return;
	case TLS_CIPHER_CHACHA20_POLY1305:
		IMB_CHACHA20_POLY1305_DEC_FINALIZE(op->aead->mgr, x, tag, TLS_TAG_BYTES);
		return;
	}
}

/* In constant time. */
static int tags_are_equal(const uint64_t mine[2], const uint8_t tag[TLS_TAG_BYTES])
{
	uint64_t theirs[2];

	memcpy(theirs, tag, sizeof(theirs));
	return ((mine[0] ^ theirs[0]) | (mine[1] ^ theirs[1])) == 0;
}

int tls_aead_end_open(struct tls_aead_op *op, const uint8_t tag[TLS_TAG_BYTES])
{
	uint64_t mine[2];

	end_open(op, (uint8_t *)mine);
	return tags_are_equal(mine, tag);
}

void tls_aead_seal_whole(struct tls_aead *a, const struct tls_aead_key *key,
			 const uint8_t nonce[TLS_NONCE_BYTES], const void *aad, uint32_t aad_n,
			 uint8_t *p, uint32_t n, uint8_t tag[TLS_TAG_BYTES])
{
	struct gcm_context_data x;
	struct tls_aead_op op;

	switch ((enum tls_cipher)key->cipher) {
	case TLS_CIPHER_AES128_GCM:
		IMB_AES128_GCM_ENC(a->mgr, find(a, key), &x, p, p, n, nonce, aad, aad_n, tag,
				   TLS_TAG_BYTES);
		return;
	case TLS_CIPHER_AES256_GCM:
		IMB_AES256_GCM_ENC(a->mgr, find(a, key), &x, p, p, n, nonce, aad, aad_n, tag,
				   TLS_TAG_BYTES);
		return;
	case TLS_CIPHER_CHACHA20_POLY1305:
		tls_aead_begin(a, &op, key, nonce, aad, aad_n);
		tls_aead_seal(&op, p, p, n);
		tls_aead_end_seal(&op, tag);
		return;
	}
}

int tls_aead_open_whole(struct tls_aead *a, const struct tls_aead_key *key,
			const uint8_t nonce[TLS_NONCE_BYTES], const void *aad, uint32_t aad_n,
			uint8_t *p, uint32_t n, const uint8_t tag[TLS_TAG_BYTES])
{
	struct gcm_context_data x;
	struct tls_aead_op op;
	uint64_t mine[2];

	switch ((enum tls_cipher)key->cipher) {
	case TLS_CIPHER_AES128_GCM:
		IMB_AES128_GCM_DEC(a->mgr, find(a, key), &x, p, p, n, nonce, aad, aad_n,
				   (uint8_t *)mine, TLS_TAG_BYTES);
		return tags_are_equal(mine, tag);
	case TLS_CIPHER_AES256_GCM:
		IMB_AES256_GCM_DEC(a->mgr, find(a, key), &x, p, p, n, nonce, aad, aad_n,
				   (uint8_t *)mine, TLS_TAG_BYTES);
		return tags_are_equal(mine, tag);
	case TLS_CIPHER_CHACHA20_POLY1305:
		tls_aead_begin(a, &op, key, nonce, aad, aad_n);
		tls_aead_open(&op, p, p, n);
		return tls_aead_end_open(&op, tag);
	}
	return 0;
}
