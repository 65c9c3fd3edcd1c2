/* SPDX-License-Identifier: Apache-2.0 */
/* Where tokens are in a request, and what of the request a backend does not get: tokens that end
 * here, and fields that only rules of RequestAuthentications may set. It is said by places in the
 * head as it was received, so that it outlives the policy that decided it. */
#ifndef PROXY_STRIP_H
#define PROXY_STRIP_H

#include <heddle/jwt.h>

#include "http.h"

#define PROXY_STRIP_WORDS ((HTTP_MAX_FIELDS + 63) / 64)

struct proxy_strip {
	uint64_t fields[PROXY_STRIP_WORDS]; /* bit: index of a field of the head */
	uint16_t params[HD_JWT_PARAMS];	    /* where they begin behind the query's '?' */
	uint8_t n_params;
};

/* A request: its head over bytes, and its path with the query. */
struct proxy_strip_view {
	const struct http_head *head;
	const uint8_t *bytes, *path;
	uint32_t path_n;
};

/* The token at a place of a rule. 0: there is none. Several tell themselves by a text that is no
 * token. */
int proxy_strip_find(const struct proxy_strip_view *v, const struct hd_jwt_place *at,
		     struct hd_str *out);

/* By the rules that apply, and the one whose token was good: HD_NONE when there was none. */
void proxy_strip_decide(const struct proxy_strip_view *v, const struct hd_jwt *j,
			const uint32_t *rules, uint32_t n_rules, uint32_t good,
			struct proxy_strip *out);

static inline int proxy_strip_has_field(const struct proxy_strip *s, uint32_t index)
{
	return (s->fields[index / 64] >> (index % 64) & 1) != 0;
}

/* Cuts parameters out of a path with its query, in place; the new length. */
uint32_t proxy_strip_params(const struct proxy_strip *s, uint8_t *path, uint32_t n);

#endif
