/* SPDX-License-Identifier: Apache-2.0 */
/* Which route a request takes: host -> virtual host -> first route whose match holds. Pure
 * functions of a snapshot and a head. */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include <heddle/snapshot.h>

#include "http.h"

/* What is matched. */
struct proxy_request_view {
	const uint8_t *bytes; /* of the head */
	const struct http_head *head;
	const uint8_t *path; /* normalised, without the query */
	uint32_t path_n;
	struct hd_str query; /* without the question mark; n 0: none */
	int is_edge;	     /* of a gateway: the caller's x-forwarded-proto counts for nothing */
	int is_secure;	     /* it came in TLS */
};

#define PROXY_HOST_MAX 256
#define PROXY_REGEX_HITS 64

/* Expressions that matched one subject. The database is scanned once for each subject, not once for
 * each route. */
struct proxy_regex_memo {
	const uint8_t *subject;
	uint32_t subject_n;
	uint32_t n; /* PROXY_REGEX_HITS + 1: more than fit, ask again for the one */
	uint32_t hits[PROXY_REGEX_HITS];
};

struct proxy_route_memo {
	struct proxy_regex_memo path, other;
};

/* The authority as hosts are looked up: lower case, without its port. Returns the length; 0:
 * nothing that could be a name. */
uint32_t proxy_route_host(const uint8_t *authority, uint32_t n, char out[PROXY_HOST_MAX]);
/* HD_NONE: no virtual host has this name. */
uint32_t proxy_route_vhost(const struct hd_snapshot *s, const struct hd_router *r, const char *host,
			   uint32_t n);
/* HD_NONE: no route of the virtual host matches. */
uint32_t proxy_route_find(const struct hd_snapshot *s, const struct hd_vhost *v,
			  const struct proxy_request_view *q, void *regex_scratch,
			  struct proxy_route_memo *memo);

/* The first value of that parameter, as written. 0, or -1: there is none. */
int proxy_route_query(struct hd_str query, struct hd_str name, struct hd_str *value);
/* Whether a text is what m wants; memo: of subjects of that kind. */
int proxy_route_text_matches(const struct hd_snapshot *s, const struct hd_string_match *m,
			     void *regex_scratch, struct proxy_regex_memo *memo,
			     struct hd_str text);

#endif
