/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a JWKS (RFC 7517) as DER that a verifier reads without knowing JSON. */
#ifndef POLICY_JWKS_H
#define POLICY_JWKS_H

#include <heddle/jwt.h>

#include "policy_arena.h"

#define POLICY_JWKS_KEYS 64

struct policy_jwks {
	struct hd_jwt_key keys[POLICY_JWKS_KEYS]; /* texts in the arena */
	uint32_t n;
	uint32_t left_out; /* of a kind that Heddle does not verify with, or unsound */
};

/* 0, or -1 when the text is no JWKS. */
int policy_jwks_read(struct policy_arena *a, struct hd_str text, struct policy_jwks *out);

#endif
