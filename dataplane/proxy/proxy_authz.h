/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a request or a stream may pass: AuthorizationPolicy as a pure function of a snapshot, a
 * caller and a head. Istio's order: CUSTOM, DENY, ALLOW; AUDIT decides nothing. */
#ifndef PROXY_AUTHZ_H
#define PROXY_AUTHZ_H

#include <heddle/authz.h>
#include <heddle/jwt.h>

#include "http.h"

/* What a verified token says. */
struct proxy_claims {
	struct hd_str issuer, subject;
	const struct hd_jwt_row *rows;
	const char *text; /* that they lie in */
	uint32_t n;
};

static inline struct hd_str proxy_claim_text(const struct proxy_claims *c, struct hd_jwt_span s)
{
	return (struct hd_str){ c->text + s.at, s.n };
}

struct proxy_authz_view {
	struct hd_str principal; /* the caller's SPIFFE identity without its scheme; empty: none */
	struct hd_str sni;
	struct hd_ip source, remote;
	struct hd_addr dialled;
	const uint8_t *bytes; /* of the head; NULL: a stream */
	const struct http_head *head;
	const uint8_t *path; /* normalised, without the query */
	uint32_t path_n;
	const struct proxy_claims *claims; /* NULL: no token was verified */
};

struct proxy_authz_verdict {
	uint8_t is_denied;
	uint8_t action;	  /* hd_authz_action of the rule */
	uint32_t rule;	  /* the rule that decided; HD_AUTHZ_NO_RULE: none did */
	uint32_t policy;  /* 1 + the policy that decided; 0: there is none */
	uint32_t audited; /* 1 + the policy whose AUDIT or dry-run rule matched first; 0: none */
};
#define HD_AUTHZ_NO_RULE UINT32_MAX

struct proxy_authz_verdict proxy_authz_decide(const struct hd_authz *z, uint32_t target,
					      const struct proxy_authz_view *v);
/* Envoy's response code details of a denial; terminated. */
const char *proxy_authz_details(const struct hd_authz *z, const struct proxy_authz_verdict *v);
/* Who is behind the connection: the last address of x-forwarded-for, unless the callers of this
 * listener are the edge, or the address is none. */
struct hd_ip proxy_authz_remote(const uint8_t *bytes, const struct http_head *h,
				const struct hd_ip *source, int is_edge);

#endif
