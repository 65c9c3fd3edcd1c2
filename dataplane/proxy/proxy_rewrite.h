/* SPDX-License-Identifier: Apache-2.0 */
/* Heads on their way: what is one hop's stays behind, what Envoy adds is added, the rest goes out
 * as it came, its names in lower case and in its order (observed-istio.md 8, 9, 19, 20). Output
 * goes to memory of the caller that is large enough. */
#ifndef PROXY_REWRITE_H
#define PROXY_REWRITE_H

#include <heddle/addr.h>
#include <heddle/snapshot.h>

#include "http.h"
#include "proxy_strip.h"

/* More than any head of ours can grow by what is added to it. */
#define PROXY_REWRITE_SLACK 1024
/* Originals that a rewrite replaced are told to the backend up to this length. */
#define PROXY_REWRITE_ORIGINAL 2048
/* What a rewrite may add to that. */
#define PROXY_REWRITE_EXTRA (2 * PROXY_REWRITE_ORIGINAL + 512)

struct proxy_request_patch {
	const struct proxy_strip *strip; /* NULL: nothing is taken away */
	struct hd_str claims; /* fields of its token, with their line ends */
	const uint8_t *path; /* normalised, with the query; of the original form */
	uint32_t path_n;
	uint8_t role;		/* hd_role */
	uint8_t is_upgrade;	/* to websocket */
	uint8_t is_chunked;	/* the body goes out in chunks */
	uint16_t attempt;	/* 1 for the first try */
	const char *request_id; /* NULL: the caller's own stays */
	const char *down_ip;	/* text, for gateways */
	const char *decorator;	/* x-envoy-decorator-operation; decorator_n 0: none */
	uint32_t decorator_n;
	uint64_t expected_ms; /* x-envoy-expected-rq-timeout-ms; 0: none */
	uint8_t is_secure;    /* the caller speaks TLS to us */
	struct hd_str xfcc;   /* what is told of its certificate; n 0: nothing is, and nothing passes */
	/* What the route changes: new_path instead of the first path_skip bytes of the path. */
	const char *new_path, *new_authority; /* NULL: as they are */
	uint32_t new_path_n, new_authority_n, path_skip;
};
uint32_t proxy_rewrite_request(const uint8_t *bytes, const struct http_head *h,
			       const struct proxy_request_patch *q, uint8_t *out);

struct proxy_response_patch {
	uint8_t role;
	uint8_t close;	    /* connection: close */
	uint8_t is_upgrade; /* 101 */
	uint8_t is_chunked;
	uint8_t is_interim; /* 1xx: nothing is added */
	uint8_t has_length; /* content_length is sent, also when no body follows (HEAD, 304) */
	uint64_t content_length;
	uint64_t upstream_ms; /* x-envoy-upstream-service-time */
	const char *date;     /* 29 bytes, used when the backend sent none */
};
uint32_t proxy_rewrite_response(const uint8_t *bytes, const struct http_head *h,
				const struct proxy_response_patch *q, uint8_t *out);

/* A UUID version 4 (RFC 9562 5.4) with its end. */
void proxy_rewrite_uuid(uint64_t a, uint64_t b, char out[37]);
/* Decimal digits; returns how many. */
uint32_t proxy_rewrite_decimal(uint8_t *out, uint64_t n);
/* An address as text, without a system library. */
const char *proxy_rewrite_ip(const struct hd_ip *ip, char out[HD_ADDR_STRLEN]);
/* "Sun, 06 Nov 1994 08:49:37 GMT" of seconds since 1970 (RFC 9110 5.6.7), with its end. */
void proxy_rewrite_date(uint64_t seconds, char out[30]);

#endif
