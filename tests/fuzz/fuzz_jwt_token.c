/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a token, and any bytes as the payload of a token whose signature holds. Only the
 * latter may be good; what comes of it lies within the slot, and its fields for the backend are
 * whole lines. The first byte of the input says which. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "jwt_verify.h"
#include "policy_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy_world world;
static struct jwt_keys *keys;
static EVP_PKEY *signer;
static struct hd_jwt_slot *slot;

static size_t base64url(char *out, const uint8_t *p, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t w = 0;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;

		v |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
		v |= i + 2 < n ? p[i + 2] : 0;
		for (size_t k = 0; k < 4 && i + k <= n; k++)
			out[w++] = digits[v >> (18 - 6 * k) & 63];
	}
	return w;
}

static void start(void)
{
	static const uint8_t secret[32] = { 1, 2, 3 };
	char text[2048], x[64];
	uint8_t raw[32];
	size_t n = sizeof(raw);

	signer = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof(secret));
	keys = jwt_keys_create();
	slot = calloc(1, sizeof(*slot));
	if (signer == NULL || keys == NULL || slot == NULL ||
	    EVP_PKEY_get_raw_public_key(signer, raw, &n) != 1)
		abort();
	x[base64url(x, raw, n)] = '\0';
	snprintf(
		text, sizeof(text),
		"apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: r}\n"
		"spec: {jwtRules: [{issuer: i, jwks: '{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
		"\"x\":\"%s\"}]}', spaceDelimitedClaims: [s], outputPayloadToHeader: p, "
		"outputClaimToHeaders: [{header: a, claim: sub}, {header: b, claim: b.c}]}]}\n",
		x);
	policy_world_open(&world, NULL);
	if (policy_world_load(&world, text) != 0)
		abort();
}

/* {"alg":"EdDSA"}. 0: it is too long. */
static size_t sign(const uint8_t *payload, size_t n, char *out)
{
	static const char head[] = "eyJhbGciOiJFZERTQSJ9.";
	uint8_t sig[64];
	size_t w = sizeof(head) - 1, sig_n = sizeof(sig);
	EVP_MD_CTX *ctx;

	if (n > HD_JWT_TOKEN_MAX / 4 * 3 - 256)
		return 0;
	memcpy(out, head, w);
	w += base64url(out + w, payload, n);
	ctx = EVP_MD_CTX_new();
	if (ctx == NULL || EVP_DigestSignInit(ctx, NULL, NULL, NULL, signer) != 1 ||
	    EVP_DigestSign(ctx, sig, &sig_n, (const uint8_t *)out, w) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
	out[w++] = '.';
	return w + base64url(out + w, sig, sig_n);
}

static void span_check(struct hd_jwt_span s)
{
	assert((uint32_t)s.at + s.n <= slot->text_n);
}

static void result_check(void)
{
	uint32_t lines = 0;

	assert(slot->n_rows <= HD_JWT_ROWS && slot->text_n <= sizeof(slot->text) &&
	       slot->out_n <= sizeof(slot->out));
	span_check(slot->issuer);
	span_check(slot->subject);
	for (uint32_t i = 0; i < slot->n_rows; i++) {
		span_check(slot->rows[i].name);
		span_check(slot->rows[i].value);
	}
	for (uint32_t i = 0; i < slot->out_n; i++) {
		assert(slot->out[i] != '\0');
		assert((slot->out[i] == '\r') == (i + 1 < slot->out_n && slot->out[i + 1] == '\n'));
		lines += slot->out[i] == '\n';
	}
	assert(lines <= 3);
	assert(slot->out_n == 0 || slot->out[slot->out_n - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int is_signed;

	if (slot == NULL)
		start();
	if (size == 0)
		return 0;
	is_signed = data[0] == 's';
	data++;
	size--;
	if (!is_signed && size > HD_JWT_TOKEN_MAX)
		return 0;
	memset(slot, 0x5a, offsetof(struct hd_jwt_slot, token));
	slot->jwt = &world.snapshot->jwt;
	slot->rule = 0;
	slot->now_s = 1700000000;
	if (is_signed)
		size = sign(data, size, slot->token);
	else
		memcpy(slot->token, data, size);
	slot->token_n = (uint32_t)size;
	jwt_verify(keys, slot);
	assert(slot->status != HD_JWT_FAILS || !is_signed);
	assert(slot->status != HD_JWT_OK || is_signed);
	if (slot->status == HD_JWT_OK)
		result_check();
	return 0;
}
