/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 7517, 7518 6, 8037 2. What jansson and OpenSSL hold is freed before anything is taken from
 * the arena, which may leave by longjmp. */
#include "policy_jwks.h"

#include <stdlib.h>

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#define NUMBER 1368 /* base64url digits of a modulus of 8,192 bits */

struct number {
	unsigned char p[NUMBER];
	size_t n; /* 0: missing or unsound */
};

static void number_read(const json_t *key, const char *name, struct number *out)
{
	const json_t *v = json_object_get(key, name);
	const char *text = json_string_value(v);
	size_t n = json_string_length(v), w = 0;
	unsigned int bits = 0, have = 0;

	out->n = 0;
	if (text == NULL || n > NUMBER)
		return;
	for (size_t i = 0; i < n && text[i] != '='; i++) {
		static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					     "0123456789-_";
		const char *d = text[i] != '\0' ? strchr(digits, text[i]) : NULL;

		if (d == NULL)
			return;
		bits = bits << 6 | (unsigned int)(d - digits);
		have += 6;
		if (have >= 8)
			out->p[w++] = (unsigned char)(bits >> (have -= 8));
	}
	out->n = w;
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* Below 2,048 bits is no protection (RFC 7518 3.3), nor is an exponent of one. */
static int rsa_is_sound(const BIGNUM *n, const BIGNUM *e)
{
	return n != NULL && e != NULL && BN_num_bits(n) >= 2048 && BN_is_odd(n) && BN_is_odd(e) &&
	       !BN_is_one(e);
}

static EVP_PKEY *rsa_key(const json_t *j)
{
	struct number n, e;
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	BIGNUM *bn = NULL, *be = NULL;
	EVP_PKEY *key = NULL;

	number_read(j, "n", &n);
	number_read(j, "e", &e);
	if (e.n <= 8) {
		bn = BN_bin2bn(n.p, (int)n.n, NULL);
		be = BN_bin2bn(e.p, (int)e.n, NULL);
	}
	if (b != NULL && rsa_is_sound(bn, be) &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn) &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be))
		params = OSSL_PARAM_BLD_to_param(b);
	if (params != NULL)
		key = key_from("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(bn);
	BN_free(be);
	return key;
}

static const struct curve {
	const char *name, *group;
	uint8_t family;
	size_t bytes;
} curves[] = {
	{ "P-256", "prime256v1", HD_JWT_P256, 32 },
	{ "P-384", "secp384r1", HD_JWT_P384, 48 },
	{ "P-521", "secp521r1", HD_JWT_P521, 66 },
};

static EVP_PKEY *ec_key(const json_t *j, uint8_t *family)
{
	const char *crv = json_string_value(json_object_get(j, "crv"));
	const struct curve *c = NULL;
	unsigned char point[1 + 2 * 66];
	OSSL_PARAM params[3];
	struct number x, y;

	for (size_t i = 0; crv != NULL && i < HD_ARRAY_SIZE(curves); i++)
		if (strcmp(curves[i].name, crv) == 0)
			c = &curves[i];
	number_read(j, "x", &x);
	number_read(j, "y", &y);
	if (c == NULL || x.n != c->bytes || y.n != c->bytes)
		return NULL;
	*family = c->family;
	point[0] = 4; /* uncompressed */
	memcpy(point + 1, x.p, c->bytes);
	memcpy(point + 1 + c->bytes, y.p, c->bytes);
	params[0] =
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)c->group, 0);
	params[1] =
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * c->bytes);
	params[2] = OSSL_PARAM_construct_end();
	return key_from("EC", params);
}

static EVP_PKEY *okp_key(const json_t *j)
{
	const char *crv = json_string_value(json_object_get(j, "crv"));
	struct number x;

	number_read(j, "x", &x);
	if (crv == NULL || strcmp(crv, "Ed25519") != 0 || x.n != 32)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.p, x.n);
}

static EVP_PKEY *key_make(const json_t *j, uint8_t *family)
{
	const char *kty = json_string_value(json_object_get(j, "kty"));

	if (kty == NULL)
		return NULL;
	if (strcmp(kty, "RSA") == 0) {
		*family = HD_JWT_RSA;
		return rsa_key(j);
	}
	if (strcmp(kty, "EC") == 0)
		return ec_key(j, family);
	*family = HD_JWT_ED25519;
	return strcmp(kty, "OKP") == 0 ? okp_key(j) : NULL;
}

/* A key outside of the arena. */
struct raw_key {
	unsigned char *der;
	int n;
	char *kid, *alg; /* NULL: not given */
	uint8_t family;
};

static char *text_copy(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s != NULL ? strdup(s) : NULL;
}

/* A key for something else than signatures is none of ours. */
static int key_read(const json_t *j, struct raw_key *out)
{
	const char *use = json_string_value(json_object_get(j, "use"));
	EVP_PKEY *key = use == NULL || strcmp(use, "sig") == 0 ? key_make(j, &out->family) : NULL;

	if (key == NULL)
		return -1;
	out->der = NULL;
	out->n = i2d_PUBKEY(key, &out->der);
	EVP_PKEY_free(key);
	if (out->n <= 0)
		return -1;
	out->kid = text_copy(j, "kid");
	out->alg = text_copy(j, "alg");
	return 0;
}

static uint32_t keys_read(struct hd_str text, struct raw_key *raw, uint32_t *left_out)
{
	json_t *root = json_loadb(text.p, text.n, 0, NULL), *j;
	json_t *list = json_object_get(root, "keys");
	uint32_t n = 0;
	size_t i;

	if (!json_is_array(list)) {
		json_decref(root);
		return UINT32_MAX;
	}
	json_array_foreach(list, i, j)
	{
		if (n < POLICY_JWKS_KEYS && key_read(j, &raw[n]) == 0)
			n++;
		else
			*left_out += 1;
	}
	json_decref(root);
	return n;
}

static void raw_free(struct raw_key *raw, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		OPENSSL_free(raw[i].der);
		free(raw[i].kid);
		free(raw[i].alg);
	}
	free(raw);
}

static struct hd_str text_take(char **at, const void *p, size_t n)
{
	struct hd_str s = { *at, (uint32_t)n };

	if (n > 0)
		memcpy(*at, p, n);
	*at += n;
	return s;
}

static size_t length_of(const char *s)
{
	return s != NULL ? strlen(s) : 0;
}

/* Everything into one block, asked for at once: nothing is lost when there is none. */
static void *keys_take(struct policy_jwks *out, const struct raw_key *raw, char *at)
{
	for (uint32_t i = 0; i < out->n; i++) {
		struct hd_jwt_key *k = &out->keys[i];

		k->family = raw[i].family;
		k->spki = text_take(&at, raw[i].der, (size_t)raw[i].n);
		k->kid = text_take(&at, raw[i].kid, length_of(raw[i].kid));
		k->alg = text_take(&at, raw[i].alg, length_of(raw[i].alg));
	}
	return at;
}

int policy_jwks_read(struct policy_arena *a, struct hd_str text, struct policy_jwks *out)
{
	char *room = policy_alloc(a, 2 * (size_t)text.n + POLICY_JWKS_KEYS * 128 + 1);
	struct raw_key *raw = calloc(POLICY_JWKS_KEYS, sizeof(*raw));
	uint32_t n;

	*out = (struct policy_jwks){ 0 };
	if (raw == NULL)
		policy_arena_exhausted(a);
	n = keys_read(text, raw, &out->left_out);
	if (n != UINT32_MAX) {
		out->n = n;
		keys_take(out, raw, room);
	}
	raw_free(raw, n != UINT32_MAX ? n : 0);
	return n != UINT32_MAX ? 0 : -1;
}
