/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_schedule.h"

/* The plain functions: those of EVP allocate. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#define BLOCK_MAX SHA512_CBLOCK

struct digest {
	enum tls_hash hash;
	union {
		SHA256_CTX small;
		SHA512_CTX large;
	};
};

static void digest_init(struct digest *d, enum tls_hash h)
{
	d->hash = h;
	if (h == TLS_SHA256)
		SHA256_Init(&d->small);
	else
		SHA384_Init(&d->large);
}

static void digest_add(struct digest *d, const void *p, size_t n)
{
	if (d->hash == TLS_SHA256)
		SHA256_Update(&d->small, p, n);
	else
		SHA384_Update(&d->large, p, n);
}

static void digest_end(struct digest *d, uint8_t *out)
{
	if (d->hash == TLS_SHA256)
		SHA256_Final(out, &d->small);
	else
		SHA384_Final(out, &d->large);
}

/* RFC 2104. */
void tls_hmac(enum tls_hash h, const void *key, uint32_t key_n, const struct hd_str *parts,
	      uint32_t n_parts, uint8_t *out)
{
	uint32_t block = h == TLS_SHA256 ? SHA256_CBLOCK : SHA512_CBLOCK;
	uint8_t pad[BLOCK_MAX] = { 0 };
	struct digest d;

	if (key_n <= block) {
		memcpy(pad, key, key_n);
	} else {
		digest_init(&d, h);
		digest_add(&d, key, key_n);
		digest_end(&d, pad);
	}
	for (uint32_t i = 0; i < block; i++)
		pad[i] ^= 0x36;
	digest_init(&d, h);
	digest_add(&d, pad, block);
	for (uint32_t i = 0; i < n_parts; i++)
		digest_add(&d, parts[i].p, parts[i].n);
	digest_end(&d, out);
	for (uint32_t i = 0; i < block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	digest_init(&d, h);
	digest_add(&d, pad, block);
	digest_add(&d, out, tls_hash_bytes(h));
	digest_end(&d, out);
	tls_wipe(pad, sizeof(pad));
	tls_wipe(&d, sizeof(d));
}

/* One round of HKDF-Expand (RFC 5869 2.3) is enough for what TLS derives. */
void tls_expand_label(enum tls_hash h, const uint8_t *secret, const char *label, uint8_t *out,
		      uint32_t n)
{
	static const char prefix[] = "tls13 ";
	uint32_t label_n = (uint32_t)strlen(label);
	uint8_t head[3] = { (uint8_t)(n >> 8), (uint8_t)n,
			    (uint8_t)(sizeof(prefix) - 1 + label_n) };
	uint8_t okm[TLS_HASH_MAX];
	const struct hd_str info[] = {
		{ (const char *)head, sizeof(head) },
		{ prefix, sizeof(prefix) - 1 },
		{ label, label_n },
		{ "\0\1", 2 }, /* no context; round 1 */
	};

	tls_hmac(h, secret, tls_hash_bytes(h), info, HD_ARRAY_SIZE(info), okm);
	memcpy(out, okm, n);
	tls_wipe(okm, sizeof(okm));
}

void tls_prf(enum tls_hash h, const uint8_t *secret, uint32_t secret_n, const char *label,
	     const struct hd_str *seed, uint8_t *out, uint32_t n)
{
	uint32_t size = tls_hash_bytes(h);
	uint8_t a[TLS_HASH_MAX], round[TLS_HASH_MAX];
	struct hd_str parts[] = { { (const char *)a, 0 },
				  { label, (uint32_t)strlen(label) },
				  *seed };

	/* A(0) is the seed itself: label and seed. */
	tls_hmac(h, secret, secret_n, parts, HD_ARRAY_SIZE(parts), a);
	parts[0].n = size;
	while (n > 0) {
		uint32_t k = n < size ? n : size;
		tls_hmac(h, secret, secret_n, parts, HD_ARRAY_SIZE(parts), round);
		memcpy(out, round, k);
		out += k;
		n -= k;
		tls_hmac(h, secret, secret_n, parts, 1, round);
		memcpy(a, round, size);
	}
	tls_wipe(a, sizeof(a));
	tls_wipe(round, sizeof(round));
}
