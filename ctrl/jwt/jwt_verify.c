/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 7515, 7518, 7519, 8037. Texts and order of checks are Envoy's (observed-istio.md 18). */
#include "jwt_verify.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#define KEYS 64
#define DEPTH 16 /* of claims inside claims */

/* Keys that were read from their DER, found by its bytes. */
struct jwt_keys {
	struct {
		unsigned char *der;
		uint32_t n;
		EVP_PKEY *key;
	} rows[KEYS];
	uint32_t next;
};

static const struct algorithm {
	const char *name;
	const EVP_MD *(*digest)(void);
	uint8_t family, is_pss;
	uint32_t half; /* bytes of r and of s */
} algorithms[] = {
	{ "RS256", EVP_sha256, HD_JWT_RSA, 0, 0 },   { "RS384", EVP_sha384, HD_JWT_RSA, 0, 0 },
	{ "RS512", EVP_sha512, HD_JWT_RSA, 0, 0 },   { "PS256", EVP_sha256, HD_JWT_RSA, 1, 0 },
	{ "PS384", EVP_sha384, HD_JWT_RSA, 1, 0 },   { "PS512", EVP_sha512, HD_JWT_RSA, 1, 0 },
	{ "ES256", EVP_sha256, HD_JWT_P256, 0, 32 }, { "ES384", EVP_sha384, HD_JWT_P384, 0, 48 },
	{ "ES512", EVP_sha512, HD_JWT_P521, 0, 66 }, { "EdDSA", NULL, HD_JWT_ED25519, 0, 0 },
};

/* A token taken apart. */
struct token {
	struct hd_str parts[3]; /* as they came */
	unsigned char header[HD_JWT_TOKEN_MAX], payload[HD_JWT_TOKEN_MAX],
		signature[HD_JWT_TOKEN_MAX];
	uint32_t header_n, payload_n, signature_n;
	json_t *head, *claims;
	const struct algorithm *alg;
	const char *kid; /* NULL: none */
};

struct jwt_keys *jwt_keys_create(void)
{
	return calloc(1, sizeof(struct jwt_keys));
}

void jwt_keys_destroy(struct jwt_keys *k)
{
	for (uint32_t i = 0; k != NULL && i < KEYS; i++) {
		free(k->rows[i].der);
		EVP_PKEY_free(k->rows[i].key);
	}
	free(k);
}

static EVP_PKEY *key_read(struct jwt_keys *k, struct hd_str der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	unsigned char *copy;
	EVP_PKEY *key;

	for (uint32_t i = 0; i < KEYS; i++)
		if (k->rows[i].key != NULL && k->rows[i].n == der.n &&
		    memcmp(k->rows[i].der, der.p, der.n) == 0)
			return k->rows[i].key;
	copy = malloc(der.n);
	key = copy != NULL ? d2i_PUBKEY(NULL, &p, (long)der.n) : NULL;
	if (key == NULL) {
		free(copy);
		return NULL;
	}
	memcpy(copy, der.p, der.n);
	free(k->rows[k->next % KEYS].der);
	EVP_PKEY_free(k->rows[k->next % KEYS].key);
	k->rows[k->next % KEYS].der = copy;
	k->rows[k->next % KEYS].n = der.n;
	k->rows[k->next % KEYS].key = key;
	return k->rows[k->next++ % KEYS].key;
}

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Without padding (RFC 7515 2). -1: it is none. Bits that are left over must be zero, so that a
 * token has one spelling. */
static int64_t base64url_decode(struct hd_str s, unsigned char *out)
{
	uint32_t bits = 0, have = 0, w = 0;

	if (s.n % 4 == 1)
		return -1;
	for (uint32_t i = 0; i < s.n; i++) {
		int d = digit_of(s.p[i]);

		if (d < 0)
			return -1;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[w++] = (unsigned char)(bits >> have);
			bits &= (1u << have) - 1;
		}
	}
	return bits == 0 ? (int64_t)w : -1;
}

static int parts_find(struct token *t, struct hd_str s)
{
	const char *first = memchr(s.p, '.', s.n), *second, *end = s.p + s.n;

	second = first != NULL ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
	if (second == NULL || memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
		return 0;
	t->parts[0] = (struct hd_str){ s.p, (uint32_t)(first - s.p) };
	t->parts[1] = (struct hd_str){ first + 1, (uint32_t)(second - first - 1) };
	t->parts[2] = (struct hd_str){ second + 1, (uint32_t)(end - second - 1) };
	return 1;
}

static json_t *object_read(const unsigned char *p, uint32_t n)
{
	json_t *j = json_loadb((const char *)p, n, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(j))
		return j;
	json_decref(j);
	return NULL;
}

static enum hd_jwt_status header_read(struct token *t)
{
	int64_t n = base64url_decode(t->parts[0], t->header);
	const json_t *alg, *kid;

	if (n < 0)
		return HD_JWT_HEADER_BASE64;
	t->head = object_read(t->header, (uint32_t)n);
	if (t->head == NULL)
		return HD_JWT_HEADER_JSON;
	alg = json_object_get(t->head, "alg");
	kid = json_object_get(t->head, "kid");
	if (!json_is_string(alg))
		return HD_JWT_HEADER_NO_ALG;
	for (size_t i = 0; i < HD_ARRAY_SIZE(algorithms); i++)
		if (strcmp(algorithms[i].name, json_string_value(alg)) == 0)
			t->alg = &algorithms[i];
	if (t->alg == NULL)
		return HD_JWT_HEADER_ALG;
	if (kid != NULL && !json_is_string(kid))
		return HD_JWT_HEADER_KID;
	if (json_object_get(t->head, "crit") != NULL) /* we understand none (RFC 7515 4.1.11) */
		return HD_JWT_HEADER_CRIT;
	t->kid = json_string_value(kid);
	return HD_JWT_OK;
}

static int is_absent_or_string(const json_t *claims, const char *name)
{
	const json_t *v = json_object_get(claims, name);

	return v == NULL || json_is_string(v);
}

static int is_absent_or_time(const json_t *claims, const char *name)
{
	const json_t *v = json_object_get(claims, name);

	return v == NULL || (json_is_number(v) && json_number_value(v) >= 0);
}

static int audience_is_sound(const json_t *claims)
{
	const json_t *aud = json_object_get(claims, "aud"), *one;
	size_t i;

	if (aud == NULL || json_is_string(aud))
		return 1;
	json_array_foreach(aud, i, one) if (!json_is_string(one)) return 0;
	return json_is_array(aud);
}

static enum hd_jwt_status payload_read(struct token *t)
{
	int64_t n = base64url_decode(t->parts[1], t->payload);

	if (n < 0)
		return HD_JWT_PAYLOAD_BASE64;
	t->payload_n = (uint32_t)n;
	t->claims = object_read(t->payload, t->payload_n);
	if (t->claims == NULL)
		return HD_JWT_PAYLOAD_JSON;
	if (!is_absent_or_string(t->claims, "iss"))
		return HD_JWT_PAYLOAD_ISS;
	if (!is_absent_or_string(t->claims, "sub"))
		return HD_JWT_PAYLOAD_SUB;
	if (!is_absent_or_time(t->claims, "exp") || !is_absent_or_time(t->claims, "nbf") ||
	    !is_absent_or_time(t->claims, "iat"))
		return HD_JWT_PAYLOAD_TIME;
	return audience_is_sound(t->claims) ? HD_JWT_OK : HD_JWT_PAYLOAD_AUD;
}

static enum hd_jwt_status token_read(struct token *t, struct hd_str s)
{
	enum hd_jwt_status status;
	int64_t n;

	if (!parts_find(t, s))
		return HD_JWT_BAD_FORMAT;
	status = header_read(t);
	if (status == HD_JWT_OK)
		status = payload_read(t);
	if (status != HD_JWT_OK)
		return status;
	n = base64url_decode(t->parts[2], t->signature);
	if (n < 0)
		return HD_JWT_SIGNATURE_BASE64;
	t->signature_n = (uint32_t)n;
	return HD_JWT_OK;
}

static int is_text(struct hd_str s, const char *text)
{
	return text != NULL && strlen(text) == s.n && memcmp(text, s.p, s.n) == 0;
}

static int json_is_text(const json_t *v, struct hd_str s)
{
	return json_is_string(v) && json_string_length(v) == s.n &&
	       memcmp(json_string_value(v), s.p, s.n) == 0;
}

/* Beyond any clock: whoever writes such a time means never. */
static int64_t seconds_of(const json_t *claims, const char *name, int64_t otherwise)
{
	const json_t *v = json_object_get(claims, name);
	double d = v != NULL ? json_number_value(v) : 0;

	if (v == NULL || d <= 0)
		return otherwise;
	return d < 1e15 ? (int64_t)d : INT64_MAX - HD_JWT_SKEW_S;
}

static enum hd_jwt_status times_check(const struct token *t, struct hd_jwt_slot *s)
{
	int64_t exp = seconds_of(t->claims, "exp", 0), nbf = seconds_of(t->claims, "nbf", 0);

	s->expires_s = exp != 0 ? exp + HD_JWT_SKEW_S : INT64_MAX;
	if (nbf != 0 && s->now_s + HD_JWT_SKEW_S < nbf)
		return HD_JWT_NOT_YET;
	return s->now_s > s->expires_s ? HD_JWT_EXPIRED : HD_JWT_OK;
}

/* A slash at the end of either counts for nothing, as in Envoy. */
static struct hd_str audience_trim(const char *p, size_t n)
{
	if (n > 0 && p[n - 1] == '/')
		n--;
	return (struct hd_str){ p, (uint32_t)n };
}

static int audience_is_one_of(const struct hd_jwt *j, const struct hd_jwt_rule *r, const json_t *v)
{
	struct hd_str is = audience_trim(json_string_value(v), json_string_length(v));

	for (uint32_t i = 0; i < r->audiences_count; i++) {
		struct hd_str want = j->texts[r->audiences_first + i];

		if (hd_str_eq(is, audience_trim(want.p, want.n)))
			return 1;
	}
	return 0;
}

static int audience_fits(const struct token *t, const struct hd_jwt *j, const struct hd_jwt_rule *r)
{
	const json_t *aud = json_object_get(t->claims, "aud"), *one;
	size_t i;

	if (r->audiences_count == 0)
		return 1;
	if (json_is_string(aud))
		return audience_is_one_of(j, r, aud);
	json_array_foreach(aud, i, one) if (audience_is_one_of(j, r, one)) return 1;
	return 0;
}

/* r and s side by side (RFC 7518 3.4) as the DER that OpenSSL wants. NULL: they cannot be. */
static unsigned char *ecdsa_der(const struct token *t, int *n)
{
	uint32_t half = t->alg->half;
	ECDSA_SIG *sig = t->signature_n == 2 * half ? ECDSA_SIG_new() : NULL;
	BIGNUM *r = sig != NULL ? BN_bin2bn(t->signature, (int)half, NULL) : NULL;
	BIGNUM *s = r != NULL ? BN_bin2bn(t->signature + half, (int)half, NULL) : NULL;
	unsigned char *der = NULL;

	if (s != NULL && ECDSA_SIG_set0(sig, r, s)) {
		*n = i2d_ECDSA_SIG(sig, &der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return der;
}

static int pss_set(EVP_PKEY_CTX *ctx)
{
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
}

static int signature_holds(const struct token *t, EVP_PKEY *key)
{
	struct hd_str head = t->parts[0], body = t->parts[1];
	const EVP_MD *md = t->alg->digest != NULL ? t->alg->digest() : NULL;
	const unsigned char *sig = t->signature;
	unsigned char *der = NULL;
	int n = (int)t->signature_n, holds = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;

	if (t->alg->half > 0) {
		der = ecdsa_der(t, &n);
		sig = der;
	}
	if (ctx != NULL && sig != NULL && EVP_DigestVerifyInit(ctx, &pctx, md, NULL, key) > 0 &&
	    (!t->alg->is_pss || pss_set(pctx)))
		holds = EVP_DigestVerify(ctx, sig, (size_t)n, (const unsigned char *)head.p,
					 (size_t)head.n + 1 + body.n) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	ERR_clear_error();
	return holds;
}

static enum hd_jwt_status signature_check(struct jwt_keys *keys, const struct token *t,
					  const struct hd_jwt *j, const struct hd_jwt_rule *r)
{
	enum hd_jwt_status status = HD_JWT_KEY_MISMATCH;

	if (r->keys_count == 0)
		return r->is_unfetched ? HD_JWT_KEY_MISMATCH : HD_JWT_NO_KEYS;
	for (uint32_t i = 0; i < r->keys_count; i++) {
		const struct hd_jwt_key *k = &j->keys[r->keys_first + i];
		EVP_PKEY *key;

		if ((t->kid != NULL && t->kid[0] != '\0' && k->kid.n > 0 &&
		     !is_text(k->kid, t->kid)) ||
		    (k->alg.n > 0 && !is_text(k->alg, t->alg->name)))
			continue;
		status = HD_JWT_FAILS;
		if (k->family != t->alg->family)
			continue;
		key = key_read(keys, k->spki);
		if (key != NULL && signature_holds(t, key))
			return HD_JWT_OK;
	}
	return status;
}

/* Text of the slot. -1: it is full. */
static int text_put(struct hd_jwt_slot *s, const void *p, size_t n, struct hd_jwt_span *at)
{
	if (n > sizeof(s->text) - s->text_n)
		return -1;
	at->at = (uint16_t)s->text_n;
	at->n = (uint16_t)n;
	memcpy(s->text + s->text_n, p, n);
	s->text_n += (uint32_t)n;
	return 0;
}

static int row_put(struct hd_jwt_slot *s, struct hd_jwt_span name, const char *p, size_t n)
{
	struct hd_jwt_row *row = &s->rows[s->n_rows];

	if (s->n_rows == HD_JWT_ROWS || text_put(s, p, n, &row->value) < 0)
		return -1;
	row->name = name;
	s->n_rows++;
	return 0;
}

static int words_put(struct hd_jwt_slot *s, struct hd_jwt_span name, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		const char *space = memchr(p, ' ', (size_t)(end - p));
		const char *stop = space != NULL ? space : end;

		if (stop > p && row_put(s, name, p, (size_t)(stop - p)) < 0)
			return -1;
		p = stop + 1;
	}
	return 0;
}

static int is_words(const struct hd_jwt_slot *s, const struct hd_jwt_rule *r,
		    struct hd_jwt_span name)
{
	struct hd_str is = hd_jwt_text(s, name);

	if (is_text(is, "scope") || is_text(is, "permission"))
		return 1;
	for (uint32_t i = 0; i < r->spaces_count; i++)
		if (hd_str_eq(is, s->jwt->texts[r->spaces_first + i]))
			return 1;
	return 0;
}

static int claims_put(struct hd_jwt_slot *s, const struct hd_jwt_rule *r, json_t *claims,
		      struct hd_jwt_span outer, int depth);

static int claim_put(struct hd_jwt_slot *s, const struct hd_jwt_rule *r, json_t *v,
		     struct hd_jwt_span name, int depth)
{
	const json_t *one;
	size_t i;

	if (json_is_string(v) && is_words(s, r, name))
		return words_put(s, name, json_string_value(v), json_string_length(v));
	if (json_is_string(v))
		return row_put(s, name, json_string_value(v), json_string_length(v));
	if (json_is_object(v))
		return claims_put(s, r, v, name, depth + 1);
	json_array_foreach(v, i, one) if (json_is_string(one) &&
					  row_put(s, name, json_string_value(one),
						  json_string_length(one)) < 0) return -1;
	return 0;
}

/* Names inside others are "outer\0inner". */
static int claims_put(struct hd_jwt_slot *s, const struct hd_jwt_rule *r, json_t *claims,
		      struct hd_jwt_span outer, int depth)
{
	const char *key;
	json_t *v;

	if (depth > DEPTH)
		return -1;
	json_object_foreach(claims, key, v)
	{
		struct hd_jwt_span name, rest;
		size_t n = strlen(key);

		if (outer.n > 0 && (text_put(s, s->text + outer.at, outer.n, &name) < 0 ||
				    text_put(s, "", 1, &rest) < 0))
			return -1;
		if (text_put(s, key, n, outer.n > 0 ? &rest : &name) < 0)
			return -1;
		if (outer.n > 0)
			name.n = (uint16_t)(outer.n + 1 + n);
		if (claim_put(s, r, v, name, depth) < 0)
			return -1;
	}
	return 0;
}

static int out_put(struct hd_jwt_slot *s, struct hd_str name, const char *p, size_t n)
{
	char *at = s->out + s->out_n;

	if (name.n + n + 4 > sizeof(s->out) - s->out_n)
		return -1;
	memcpy(at, name.p, name.n);
	memcpy(at + name.n, ": ", 2);
	memcpy(at + name.n + 2, p, n);
	memcpy(at + name.n + 2 + n, "\r\n", 2);
	s->out_n += name.n + (uint32_t)n + 4;
	return 0;
}

static const json_t *claim_at(const json_t *claims, struct hd_str path)
{
	char name[256];

	while (path.n > 0 && claims != NULL) {
		const char *dot = memchr(path.p, '.', path.n);
		uint32_t n = dot != NULL ? (uint32_t)(dot - path.p) : path.n;

		if (n >= sizeof(name))
			return NULL;
		memcpy(name, path.p, n);
		name[n] = '\0';
		claims = json_object_get(claims, name);
		path = dot != NULL ? (struct hd_str){ dot + 1, path.n - n - 1 }
				   : (struct hd_str){ "", 0 };
	}
	return claims;
}

/* What a field's value may hold (RFC 9110 5.5), and nothing that could end its line. */
static int is_field_value(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
			return 0;
	return n == 0 || (p[0] != ' ' && p[0] != '\t' && p[n - 1] != ' ' && p[n - 1] != '\t');
}

static int claim_header_put(struct hd_jwt_slot *s, struct hd_str name, const json_t *v)
{
	char number[32];

	if (json_is_string(v))
		return is_field_value(json_string_value(v), json_string_length(v))
			       ? out_put(s, name, json_string_value(v), json_string_length(v))
			       : 0;
	if (json_is_boolean(v))
		return out_put(s, name, json_is_true(v) ? "true" : "false",
			       json_is_true(v) ? 4 : 5);
	if (!json_is_integer(v))
		return 0;
	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
	return out_put(s, name, number, strlen(number));
}

static int fields_put(struct hd_jwt_slot *s, const struct hd_jwt_rule *r, const struct token *t)
{
	if (r->payload_header.n > 0 &&
	    out_put(s, r->payload_header, t->parts[1].p, t->parts[1].n) < 0)
		return -1;
	for (uint32_t i = 0; i < r->headers_count; i++) {
		const struct hd_jwt_claim_header *h = &s->jwt->claim_headers[r->headers_first + i];

		if (claim_header_put(s, h->header, claim_at(t->claims, h->claim)) < 0)
			return -1;
	}
	return 0;
}

static enum hd_jwt_status result_fill(struct hd_jwt_slot *s, const struct hd_jwt_rule *r,
				      const struct token *t)
{
	const json_t *iss = json_object_get(t->claims, "iss"),
		     *sub = json_object_get(t->claims, "sub");
	const struct hd_jwt_span none = { 0, 0 };

	if (text_put(s, json_string_value(iss), json_string_length(iss), &s->issuer) < 0 ||
	    (sub != NULL &&
	     text_put(s, json_string_value(sub), json_string_length(sub), &s->subject) < 0) ||
	    claims_put(s, r, t->claims, none, 0) < 0 || fields_put(s, r, t) < 0)
		return HD_JWT_TOO_LARGE;
	return HD_JWT_OK;
}

static enum hd_jwt_status verify(struct jwt_keys *keys, struct hd_jwt_slot *s, struct token *t)
{
	const struct hd_jwt_rule *r = &s->jwt->rules[s->rule];
	enum hd_jwt_status status = token_read(t, (struct hd_str){ s->token, s->token_n });

	if (status != HD_JWT_OK)
		return status;
	if (!json_is_text(json_object_get(t->claims, "iss"), r->issuer))
		return HD_JWT_UNKNOWN_ISSUER;
	status = times_check(t, s);
	if (status != HD_JWT_OK)
		return status;
	if (!audience_fits(t, s->jwt, r))
		return HD_JWT_AUDIENCE;
	status = signature_check(keys, t, s->jwt, r);
	return status == HD_JWT_OK ? result_fill(s, r, t) : status;
}

void jwt_verify(struct jwt_keys *keys, struct hd_jwt_slot *s)
{
	struct token *t = calloc(1, sizeof(*t));

	s->n_rows = s->text_n = s->out_n = 0;
	s->issuer = s->subject = (struct hd_jwt_span){ 0, 0 };
	s->expires_s = INT64_MAX;
	s->status = HD_JWT_NO_MEMORY;
	if (t == NULL)
		return;
	s->status = (uint8_t)verify(keys, s, t);
	json_decref(t->head);
	json_decref(t->claims);
	free(t);
}
