/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of RequestAuthentications: where they are in a request, a cache of those that were
 * verified, and exchanges that wait for one that is not yet.
 * docs/decisions/0032-tokens-off-the-worker.md */
#ifndef PROXY_TOKEN_H
#define PROXY_TOKEN_H

#include <heddle/authz.h>
#include <heddle/jwt.h>

#include "core_list.h"
#include "http.h"
#include "proxy_authz.h"
#include "proxy_strip.h"

struct proxy;
struct proxy_exchange;

/* Known by its bytes, its rule and the snapshot. */
struct proxy_token {
	uint64_t hash, generation;
	struct list_link waiting; /* exchanges */
	struct list_link idle;	  /* in proxy_tokens.idle when nobody uses it */
	hd_ns keep_until;	  /* what may change by itself is asked again */
	uint32_t users;
	uint16_t rule;
	uint16_t next; /* in its bucket, 1 + index */
	uint8_t state; /* proxy_token_state */
};

enum proxy_token_state { TOKEN_FREE, TOKEN_PENDING, TOKEN_DONE, TOKEN_FORGOTTEN };

struct proxy_tokens {
	const struct hd_jwt_lane *lane;
	uint64_t key[2];       /* so that nobody fills one bucket */
	struct list_link idle; /* the first is the first to go */
	struct list_link told; /* exchanges whose token came back: some a turn go on */
	uint32_t used;	       /* slots that were ever used */
	uint32_t asked, answered;
	uint16_t order[HD_JWT_SLOTS]; /* 1 + index, of those between the two */
	uint16_t buckets[2 * HD_JWT_SLOTS];
	struct proxy_token rows[HD_JWT_SLOTS];
};

void proxy_tokens_init(struct proxy_tokens *t, const struct hd_jwt_lane *lane,
		       const uint64_t key[2]);
/* Tokens that came back: whoever waits for them goes on. True: there was one. */
int proxy_tokens_run(struct proxy *p);

enum proxy_token_verdict {
	TOKEN_NONE,  /* no token: a request without identity */
	TOKEN_GOOD,  /* x holds it: proxy_token_claims */
	TOKEN_BAD,   /* *status says why */
	TOKEN_LATER, /* x waits, and comes back by itself */
};
/* The request by the rules of the profile. */
enum proxy_token_verdict proxy_token_judge(struct proxy *p, struct proxy_exchange *x,
					   const struct hd_authz_profile *profile,
					   const struct proxy_strip_view *v,
					   enum hd_jwt_status *status);
/* What the token that x holds says. */
struct proxy_claims proxy_token_claims(const struct proxy *p, const struct proxy_exchange *x);
/* Its rule, in the snapshot of when it was judged; HD_NONE: x holds none. */
uint32_t proxy_token_rule(const struct proxy *p, const struct proxy_exchange *x);
/* What it adds to the request's head. */
struct hd_str proxy_token_fields(const struct proxy *p, const struct proxy_exchange *x);
/* A copy of the request holds it too. */
void proxy_token_share(struct proxy *p, const struct proxy_exchange *x,
		       struct proxy_exchange *copy);
void proxy_token_release(struct proxy *p, struct proxy_exchange *x);

/* The 401 or 403 of a status. */
const char *proxy_token_text(enum hd_jwt_status status);
uint16_t proxy_token_http(enum hd_jwt_status status);

#endif
