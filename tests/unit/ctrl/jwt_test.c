/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that OpenSSL signed, by keys that went through a policy's `jwks`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "jwt_verify.h"
#include "policy_world.h"

#define NOW INT64_C(1700000000)

static const struct kind {
	const char *alg;
	int pss;
	uint32_t half;
	const EVP_MD *(*digest)(void);
	int key; /* index in keys */
} kinds[] = {
	{ "RS256", 0, 0, EVP_sha256, 0 },  { "RS384", 0, 0, EVP_sha384, 0 },
	{ "RS512", 0, 0, EVP_sha512, 0 },  { "PS256", 1, 0, EVP_sha256, 0 },
	{ "PS384", 1, 0, EVP_sha384, 0 },  { "PS512", 1, 0, EVP_sha512, 0 },
	{ "ES256", 0, 32, EVP_sha256, 1 }, { "ES384", 0, 48, EVP_sha384, 2 },
	{ "ES512", 0, 66, EVP_sha512, 3 }, { "EdDSA", 0, 0, NULL, 4 },
};

#define KEYS 5
static EVP_PKEY *keys[KEYS], *stranger;
static char jwks[8192];
static struct policy_world world;
static struct jwt_keys *cache;
static struct hd_jwt_slot *slot;

static size_t base64url(char *out, const void *data, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *p = data;
	size_t w = 0;

	for (size_t i = 0; i < n; i += 3) {
		unsigned int v = (unsigned int)p[i] << 16;

		v |= i + 1 < n ? (unsigned int)p[i + 1] << 8 : 0;
		v |= i + 2 < n ? p[i + 2] : 0;
		for (size_t k = 0; k < 4 && i + k <= n; k++)
			out[w++] = digits[v >> (18 - 6 * k) & 63];
	}
	out[w] = '\0';
	return w;
}

static void say_number(char *out, EVP_PKEY *key, const char *name, const char *param, int n)
{
	unsigned char bytes[512];
	char text[1024];
	BIGNUM *bn = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(key, param, &bn), 1);
	if (n == 0)
		n = BN_num_bytes(bn);
	BN_bn2binpad(bn, bytes, n);
	BN_free(bn);
	base64url(text, bytes, (size_t)n);
	sprintf(out + strlen(out), ",\"%s\":\"%s\"", name, text);
}

static void say_ec(char *out, EVP_PKEY *key, const char *crv, int bytes, const char *kid)
{
	sprintf(out + strlen(out), ",{\"kty\":\"EC\",\"crv\":\"%s\",\"kid\":\"%s\"", crv, kid);
	say_number(out, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, bytes);
	say_number(out, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, bytes);
	strcat(out, "}");
}

static void say_jwks(void)
{
	unsigned char raw[32];
	char text[64];
	size_t n = sizeof(raw);

	strcpy(jwks, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k0\",\"use\":\"sig\"");
	say_number(jwks, keys[0], "n", OSSL_PKEY_PARAM_RSA_N, 0);
	say_number(jwks, keys[0], "e", OSSL_PKEY_PARAM_RSA_E, 0);
	strcat(jwks, "}");
	say_ec(jwks, keys[1], "P-256", 32, "k1");
	say_ec(jwks, keys[2], "P-384", 48, "k2");
	say_ec(jwks, keys[3], "P-521", 66, "k3");
	assert_int_equal(EVP_PKEY_get_raw_public_key(keys[4], raw, &n), 1);
	base64url(text, raw, n);
	sprintf(jwks + strlen(jwks),
		",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k4\",\"x\":\"%s\"}]}", text);
}

static int load(const char *more)
{
	static char text[16384];

	snprintf(
		text, sizeof(text),
		"apiVersion: security.istio.io/v1\nkind: RequestAuthentication\n"
		"metadata: {name: r}\nspec:\n  jwtRules:\n  - issuer: iss.example\n    jwks: '%s'\n%s",
		jwks, more);
	if (policy_world_load(&world, text) != 0)
		policy_world_tell(&world);
	return world.rc;
}

static int setup(void **state)
{
	keys[0] = EVP_RSA_gen(2048);
	stranger = EVP_RSA_gen(2048);
	keys[1] = EVP_EC_gen("P-256");
	keys[2] = EVP_EC_gen("P-384");
	keys[3] = EVP_EC_gen("P-521");
	keys[4] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	say_jwks();
	policy_world_open(&world, NULL);
	cache = jwt_keys_create();
	slot = calloc(1, sizeof(*slot));
	return load("");
}

static int teardown(void **state)
{
	for (int i = 0; i < KEYS; i++)
		EVP_PKEY_free(keys[i]);
	EVP_PKEY_free(stranger);
	policy_world_close(&world);
	jwt_keys_destroy(cache);
	free(slot);
	return 0;
}

/* r and s side by side. */
static size_t flatten(unsigned char *sig, size_t n, uint32_t half)
{
	const unsigned char *p = sig;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);

	assert_non_null(s);
	BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, (int)half);
	BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + half, (int)half);
	ECDSA_SIG_free(s);
	return 2 * half;
}

static void sign(const struct kind *k, EVP_PKEY *key, const char *head, const char *payload,
		 char *out)
{
	size_t n = base64url(out, head, strlen(head)), sig_n = 512;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	unsigned char sig[512];

	out[n++] = '.';
	n += base64url(out + n, payload, strlen(payload));
	assert_int_equal(
		EVP_DigestSignInit(ctx, &pctx, k->digest != NULL ? k->digest() : NULL, NULL, key),
		1);
	if (k->pss) {
		EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST);
	}
	assert_int_equal(EVP_DigestSign(ctx, sig, &sig_n, (unsigned char *)out, n), 1);
	EVP_MD_CTX_free(ctx);
	if (k->half > 0)
		sig_n = flatten(sig, sig_n, k->half);
	out[n++] = '.';
	base64url(out + n, sig, sig_n);
}

static enum hd_jwt_status verified(const char *token)
{
	memset(slot, 0xa5, sizeof(*slot));
	slot->jwt = &world.snapshot->jwt;
	slot->rule = 0;
	slot->token_n = (uint32_t)strlen(token);
	slot->now_s = NOW;
	memcpy(slot->token, token, slot->token_n);
	jwt_verify(cache, slot);
	return slot->status;
}

/* By key 0 and RS256. */
static enum hd_jwt_status judged(const char *head, const char *payload)
{
	char token[HD_JWT_TOKEN_MAX];

	sign(&kinds[0], keys[0], head, payload, token);
	return verified(token);
}

#define RS "{\"alg\":\"RS256\"}"
#define SOUND "{\"iss\":\"iss.example\",\"sub\":\"alice\"}"

static void every_algorithm_verifies_its_own_and_no_other(void **state)
{
	char head[128], token[HD_JWT_TOKEN_MAX];

	for (size_t i = 0; i < HD_ARRAY_SIZE(kinds); i++) {
		const struct kind *k = &kinds[i];

		snprintf(head, sizeof(head), "{\"alg\":\"%s\",\"kid\":\"k%d\"}", k->alg, k->key);
		sign(k, keys[k->key], head, SOUND, token);
		if (verified(token) != HD_JWT_OK)
			fail_msg("%s: %u", k->alg, slot->status);
		snprintf(head, sizeof(head), "{\"alg\":\"%s\"}", k->alg);
		sign(k, keys[k->key], head, SOUND, token);
		assert_int_equal(verified(token), HD_JWT_OK);
		token[strlen(token) - 20] = token[strlen(token) - 20] == 'A' ? 'B' : 'A';
		assert_int_equal(verified(token), HD_JWT_FAILS);
		snprintf(head, sizeof(head), "{\"alg\":\"%s\"}",
			 kinds[(i + 1) % HD_ARRAY_SIZE(kinds)].alg);
		sign(k, keys[k->key], head, SOUND, token);
		assert_int_equal(verified(token), HD_JWT_FAILS);
	}
	sign(&kinds[0], stranger, RS, SOUND, token);
	assert_int_equal(verified(token), HD_JWT_FAILS);
}

static void each_fault_has_its_name(void **state)
{
	static const struct {
		const char *head, *payload;
		enum hd_jwt_status status;
	} rows[] = {
		{ RS, SOUND, HD_JWT_OK },
		{ "{\"alg\":\"none\"}", SOUND, HD_JWT_HEADER_ALG },
		{ "{\"alg\":\"HS256\"}", SOUND, HD_JWT_HEADER_ALG },
		{ "{\"alg\":7}", SOUND, HD_JWT_HEADER_NO_ALG },
		{ "{}", SOUND, HD_JWT_HEADER_NO_ALG },
		{ "[]", SOUND, HD_JWT_HEADER_JSON },
		{ "{", SOUND, HD_JWT_HEADER_JSON },
		{ "{\"alg\":\"RS256\",\"alg\":\"RS256\"}", SOUND, HD_JWT_HEADER_JSON },
		{ "{\"alg\":\"RS256\",\"kid\":7}", SOUND, HD_JWT_HEADER_KID },
		{ "{\"alg\":\"RS256\",\"kid\":\"other\"}", SOUND, HD_JWT_KEY_MISMATCH },
		{ "{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", SOUND, HD_JWT_HEADER_CRIT },
		{ RS, "nothing", HD_JWT_PAYLOAD_JSON },
		{ RS, "{\"iss\":\"iss.example\\u0000\"}", HD_JWT_PAYLOAD_JSON },
		{ RS, "{\"iss\":\"iss.example\",\"exp\":-1}", HD_JWT_PAYLOAD_TIME },
		{ RS, "{\"iss\":7}", HD_JWT_PAYLOAD_ISS },
		{ RS, "{\"iss\":\"iss.example\",\"sub\":[]}", HD_JWT_PAYLOAD_SUB },
		{ RS, "{\"iss\":\"iss.example\",\"exp\":\"x\"}", HD_JWT_PAYLOAD_TIME },
		{ RS, "{\"iss\":\"iss.example\",\"aud\":7}", HD_JWT_PAYLOAD_AUD },
		{ RS, "{\"iss\":\"iss.example\",\"aud\":[7]}", HD_JWT_PAYLOAD_AUD },
		{ RS, "{\"sub\":\"alice\"}", HD_JWT_UNKNOWN_ISSUER },
		{ RS, "{\"iss\":\"Iss.example\"}", HD_JWT_UNKNOWN_ISSUER },
		{ RS, "{\"iss\":\"iss.example\",\"exp\":1699999941}", HD_JWT_OK },
		{ RS, "{\"iss\":\"iss.example\",\"exp\":1699999939}", HD_JWT_EXPIRED },
		{ RS, "{\"iss\":\"iss.example\",\"nbf\":1700000060}", HD_JWT_OK },
		{ RS, "{\"iss\":\"iss.example\",\"nbf\":1700000061}", HD_JWT_NOT_YET },
		{ RS, "{\"iss\":\"iss.example\",\"exp\":1e300}", HD_JWT_OK },
	};

	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		enum hd_jwt_status got = judged(rows[i].head, rows[i].payload);

		if (got != rows[i].status)
			fail_msg("%s %s: %u, not %u", rows[i].head, rows[i].payload, got,
				 rows[i].status);
	}
}

static void text_that_is_no_token_is_told_so(void **state)
{
	static const struct {
		const char *token;
		enum hd_jwt_status status;
	} rows[] = {
		{ "", HD_JWT_BAD_FORMAT },
		{ "abc", HD_JWT_BAD_FORMAT },
		{ "a.b", HD_JWT_BAD_FORMAT },
		{ "a.b.c.d", HD_JWT_BAD_FORMAT },
		{ "..", HD_JWT_HEADER_JSON },
		{ "a..", HD_JWT_HEADER_BASE64 },
		{ "e30=.e30.", HD_JWT_HEADER_BASE64 },
		{ "e31.e30.", HD_JWT_HEADER_BASE64 },
		{ "eyJhbGciOiJSUzI1NiJ9.!.", HD_JWT_PAYLOAD_BASE64 },
		{ "eyJhbGciOiJSUzI1NiJ9.e30.a", HD_JWT_SIGNATURE_BASE64 },
	};

	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++)
		assert_int_equal(verified(rows[i].token), rows[i].status);
}

static const char *claim(const char *name, uint32_t n, uint32_t skip)
{
	static char value[256];

	for (uint32_t i = 0; i < slot->n_rows; i++) {
		struct hd_str is = hd_jwt_text(slot, slot->rows[i].name),
			      v = hd_jwt_text(slot, slot->rows[i].value);

		if (is.n != n || memcmp(is.p, name, n) != 0 || skip-- > 0)
			continue;
		snprintf(value, sizeof(value), "%.*s", (int)v.n, v.p);
		return value;
	}
	return "(none)";
}
#define CLAIM(name, skip) claim(name, sizeof(name) - 1, skip)

static void claims_are_rows_of_names_and_texts(void **state)
{
	assert_int_equal(load("    spaceDelimitedClaims: [roles]\n"), 0);
	assert_int_equal(judged(RS,
				"{\"iss\":\"iss.example\",\"sub\":\"alice\",\"aud\":[\"a\",\"b\"],"
				"\"scope\":\"read  write\",\"roles\":\"x y\",\"name\":\"A B\","
				"\"n\":7,\"deep\":{\"er\":{\"est\":[\"z\",3]}}}"),
			 HD_JWT_OK);
	assert_string_equal(CLAIM("aud", 1), "b");
	assert_string_equal(CLAIM("scope", 0), "read");
	assert_string_equal(CLAIM("scope", 1), "write");
	assert_string_equal(CLAIM("roles", 1), "y");
	assert_string_equal(CLAIM("name", 0), "A B");
	assert_string_equal(CLAIM("n", 0), "(none)");
	assert_string_equal(CLAIM("deep\0er\0est", 0), "z");
	assert_true(hd_str_eq(hd_jwt_text(slot, slot->subject), (struct hd_str){ "alice", 5 }));
}

static void backend_gets_what_the_rule_says(void **state)
{
	assert_int_equal(
		load("    outputPayloadToHeader: X-Payload\n"
		     "    outputClaimToHeaders: [{header: x-sub, claim: sub}, {header: x-n, "
		     "claim: deep.n}, {header: x-evil, claim: evil}, {header: x-b, claim: b}]\n"),
		0);
	assert_int_equal(judged(RS, "{\"iss\":\"iss.example\",\"sub\":\"a\",\"deep\":{\"n\":-5},"
				    "\"evil\":\"x\\r\\ny: z\",\"b\":true}"),
			 HD_JWT_OK);
	slot->out[slot->out_n] = '\0';
	assert_memory_equal(slot->out, "x-payload: eyJpc3MiOiJpc3MuZXhhbXBsZSIs", 38);
	assert_non_null(strstr(slot->out, "\r\nx-sub: a\r\nx-n: -5\r\nx-b: true\r\n"));
	assert_null(strstr(slot->out, "evil"));
}

static void audience_is_one_of_the_rules(void **state)
{
	assert_int_equal(load("    audiences: [web, https://b/]\n"), 0);
	assert_int_equal(judged(RS, "{\"iss\":\"iss.example\",\"aud\":\"web\"}"), HD_JWT_OK);
	assert_int_equal(judged(RS, "{\"iss\":\"iss.example\",\"aud\":[\"x\",\"https://b\"]}"),
			 HD_JWT_OK);
	assert_int_equal(judged(RS, "{\"iss\":\"iss.example\",\"aud\":\"we\"}"), HD_JWT_AUDIENCE);
	assert_int_equal(judged(RS, SOUND), HD_JWT_AUDIENCE);
}

static void more_than_fits_is_refused_and_not_cut(void **state)
{
	char payload[6000] = "{\"iss\":\"iss.example\",\"groups\":[\"a\"";

	assert_int_equal(load(""), 0);
	for (int i = 0; i < HD_JWT_ROWS; i++)
		strcat(payload, ",\"member\"");
	strcat(payload, "]}");
	assert_int_equal(judged(RS, payload), HD_JWT_TOO_LARGE);
}

/* What anybody could sign for: a modulus of 1,024 bits behind zeros, an exponent of one. */
static void keys_that_protect_nothing_are_left_out(void **state)
{
	EVP_PKEY *small = EVP_RSA_gen(1024);
	char token[HD_JWT_TOKEN_MAX];

	sprintf(jwks, "{\"keys\":[{\"kty\":\"RSA\"");
	say_number(jwks, small, "n", OSSL_PKEY_PARAM_RSA_N, 256);
	say_number(jwks, small, "e", OSSL_PKEY_PARAM_RSA_E, 0);
	strcat(jwks, "},{\"kty\":\"RSA\"");
	say_number(jwks, keys[0], "n", OSSL_PKEY_PARAM_RSA_N, 0);
	strcat(jwks, ",\"e\":\"AQ\"},{\"kty\":\"oct\",\"k\":\"AAAA\"},{\"kty\":\"EC\",\"crv\":"
		     "\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}");
	assert_int_equal(load(""), 0);
	assert_true(
		policy_world_said(&world, POLICY_WARNING, 7, 11, "4 keys of jwks are left out"));
	sign(&kinds[0], small, RS, SOUND, token);
	assert_int_equal(verified(token), HD_JWT_NO_KEYS);
	EVP_PKEY_free(small);
	say_jwks();
	assert_int_equal(load(""), 0);
}

static void keys_that_are_elsewhere_verify_nothing(void **state)
{
	static const char text[] =
		"apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: r}\n"
		"spec: {jwtRules: [{issuer: iss.example, jwksUri: 'https://iss.example/keys'}]}\n";

	assert_int_equal(policy_world_load(&world, text), 0);
	assert_true(policy_world_said(&world, POLICY_WARNING, 4, 50, "stand inline in jwks"));
	assert_int_equal(judged(RS, SOUND), HD_JWT_KEY_MISMATCH);
	assert_int_equal(load(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_algorithm_verifies_its_own_and_no_other),
		cmocka_unit_test(each_fault_has_its_name),
		cmocka_unit_test(text_that_is_no_token_is_told_so),
		cmocka_unit_test(claims_are_rows_of_names_and_texts),
		cmocka_unit_test(backend_gets_what_the_rule_says),
		cmocka_unit_test(audience_is_one_of_the_rules),
		cmocka_unit_test(more_than_fits_is_refused_and_not_cut),
		cmocka_unit_test(keys_that_protect_nothing_are_left_out),
		cmocka_unit_test(keys_that_are_elsewhere_verify_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
