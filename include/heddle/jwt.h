/* SPDX-License-Identifier: Apache-2.0 */
/* RequestAuthentication: rules and keys as a part of the snapshot, and the tokens that cross between a worker and the
 * thread that verifies them (ctrl/jwt).
 *
 * A lane belongs to one worker. Its slots are shared memory with one owner each: the worker fills a free one and pushes its
 * number on `jobs`, from then on it is the thread's; the thread fills the result and pushes the number on `done`, from then on it is
 * the worker's again, which keeps it as its cache. What a job names in a snapshot stays there: a worker announces no later
 * generation while a job of an earlier one is out.
 */
#ifndef HEDDLE_JWT_H
#define HEDDLE_JWT_H

#include <heddle/base.h>
#include <heddle/ring.h>

/* X(symbol, HTTP status, Envoy's text, which is also what the access log's details hold). */
#define HD_JWT_STATUSES(X)                                                                                             \
	X(OK, 200, "")                                                                                                 \
	X(MISSING, 401, "Jwt is missing")                                                                              \
	X(UNKNOWN_ISSUER, 401, "Jwt issuer is not configured")                                                         \
	X(BAD_FORMAT, 401, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")          \
	X(HEADER_BASE64, 401, "Jwt header is an invalid Base64url encoded")                                            \
	X(HEADER_JSON, 401, "Jwt header is an invalid JSON")                                                           \
	X(HEADER_NO_ALG, 401, "Jwt header [alg] field is required and must be a string")                               \
	X(HEADER_ALG, 401, "Jwt header [alg] is not supported")                                                        \
	X(HEADER_KID, 401, "Jwt header [kid] field is not a string")                                                   \
	X(HEADER_CRIT, 401, "Jwt header [crit] is not supported")                                                      \
	X(PAYLOAD_BASE64, 401, "Jwt payload is an invalid Base64url encoded")                                          \
	X(PAYLOAD_JSON, 401, "Jwt payload is an invalid JSON")                                                         \
	X(PAYLOAD_ISS, 401, "Jwt payload [iss] field is not a string")                                                 \
	X(PAYLOAD_SUB, 401, "Jwt payload [sub] field is not a string")                                                 \
	X(PAYLOAD_TIME, 401, "Jwt payload [exp], [nbf] or [iat] field is not an integer")                              \
	X(PAYLOAD_AUD, 401, "Jwt payload [aud] field is not a string or string list")                                  \
	X(SIGNATURE_BASE64, 401, "Jwt signature is an invalid Base64url encoded")                                      \
	X(NOT_YET, 401, "Jwt not yet valid")                                                                           \
	X(EXPIRED, 401, "Jwt is expired")                                                                              \
	X(AUDIENCE, 403, "Audiences in Jwt are not allowed")                                                           \
	X(NO_KEYS, 401, "Jwks doesn't have any valid public key")                                                      \
	X(KEY_MISMATCH, 401, "Jwks doesn't have key to match kid or alg from Jwt")                                     \
	X(FAILS, 401, "Jwt verification fails")                                                                        \
	X(TOO_LARGE, 401, "Jwt is larger than this proxy takes")                                                       \
	X(NO_MEMORY, 503, "Jwt cannot be verified now")

enum hd_jwt_status {
#define HD_JWT_ENUM(symbol, status, text) HD_JWT_##symbol,
	HD_JWT_STATUSES(HD_JWT_ENUM)
#undef HD_JWT_ENUM
};

enum hd_jwt_family { HD_JWT_RSA, HD_JWT_P256, HD_JWT_P384, HD_JWT_P521, HD_JWT_ED25519 };

/* A public key of a JWKS. */
struct hd_jwt_key {
	uint8_t family;
	struct hd_str kid, alg; /* empty: not given */
	struct hd_str spki;	/* DER, SubjectPublicKeyInfo */
};

enum hd_jwt_place_kind { HD_JWT_IN_HEADER, HD_JWT_IN_PARAM, HD_JWT_IN_COOKIE };

/* Where a token may be. */
struct hd_jwt_place {
	uint8_t kind;
	struct hd_str name;   /* of a header: lower case */
	struct hd_str prefix; /* of a header's value: "Bearer " */
};

struct hd_jwt_claim_header {
	struct hd_str header; /* lower case */
	struct hd_str claim;  /* "a.b": b inside a */
};

struct hd_jwt_rule {
	struct hd_str issuer;
	uint32_t audiences_first, audiences_count; /* in texts; none: any */
	uint32_t spaces_first, spaces_count;	   /* in texts: claims that are lists parted by spaces */
	uint32_t places_first, places_count;
	uint32_t keys_first, keys_count;
	uint32_t headers_first, headers_count; /* in claim_headers */
	struct hd_str payload_header;	       /* lower case; empty: none */
	uint8_t forwards;		       /* the token goes on to the backend */
	uint8_t is_unfetched;		       /* its keys are elsewhere: no token of it can be verified */
	uint8_t is_required;		       /* a request without any token is refused */
};

struct hd_jwt {
	const struct hd_jwt_rule *rules;
	const struct hd_jwt_key *keys;
	const struct hd_jwt_place *places;
	const struct hd_jwt_claim_header *claim_headers;
	const struct hd_str *texts;
	uint32_t n_rules;
};

#define HD_JWT_TOKEN_MAX 8192
#define HD_JWT_ROWS 512
#define HD_JWT_PARAMS 8      /* parameters of a query that one rule looks at */
#define HD_JWT_TEXT_MAX 8192 /* of names and values of claims */
#define HD_JWT_OUT_MAX 8192  /* of fields for the backend */
#define HD_JWT_SLOTS 2048    /* a power of two */
#define HD_JWT_SKEW_S 60     /* Envoy's */

struct hd_jwt_span {
	uint16_t at, n;
};

/* A claim: both in `text`. The name's levels are parted by NUL; a list has a row an element. */
struct hd_jwt_row {
	struct hd_jwt_span name, value;
};

struct hd_jwt_slot {
	/* The worker's, before the slot is pushed. */
	const struct hd_jwt *jwt;
	uint64_t generation;
	uint32_t rule;
	uint32_t token_n; /* of token, which stays as it is while the slot stands for it */
	int64_t now_s; /* UTC */
	/* The thread's, before it is pushed back. */
	uint8_t status;	   /* hd_jwt_status */
	int64_t expires_s; /* UTC, skew included; INT64_MAX: never */
	struct hd_jwt_span issuer, subject; /* in text */
	uint32_t n_rows, text_n, out_n;
	struct hd_jwt_row rows[HD_JWT_ROWS];
	char token[HD_JWT_TOKEN_MAX];
	char text[HD_JWT_TEXT_MAX];
	char out[HD_JWT_OUT_MAX]; /* "x-sub: alice\r\n…" */
};

struct hd_jwt_lane {
	struct hd_jwt_slot *slots; /* HD_JWT_SLOTS of them */
	struct hd_ring *jobs, *done; /* of uint32_t */
};

static inline struct hd_str hd_jwt_text(const struct hd_jwt_slot *s, struct hd_jwt_span at)
{
	return (struct hd_str){ s->text + at.at, at.n };
}

#endif
