/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that Heddle makes itself, with Envoy's statuses, texts, flags and details
 * (istio-api.md 3.1, observed-istio.md 1). */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include <heddle/msg.h>
#include <heddle/snapshot.h>

#include "http.h"

/* As Envoy, which has them of BoringSSL, words it. */
#define PROXY_TLS_DETAILS \
	"upstream_reset_before_response_started{remote_connection_failure|TLS_error:"
#define PROXY_TLS_ROUTINES "SSL_routines:OPENSSL_internal:"

/* Why a try failed. X(symbol, status, flag, reset reason, details). */
#define PROXY_FAILURES(X)                                                                                                \
	X(CONNECT, 503, UF, "remote connection failure",                                                                 \
	  "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}") \
	X(UNREACHABLE, 503, UF, "remote connection failure",                                                             \
	  "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_No_route_to_host}")   \
	X(TLS_NAME, 503, UF, "remote connection failure",                                                                \
	  PROXY_TLS_DETAILS                                                                                              \
	  "|268435581:" PROXY_TLS_ROUTINES                                                                               \
	  "CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_SAN_matcher:TLS_error_end}")                                    \
	X(TLS_CERTIFICATE, 503, UF, "remote connection failure",                                                         \
	  PROXY_TLS_DETAILS "|268435581:" PROXY_TLS_ROUTINES                                                             \
			    "CERTIFICATE_VERIFY_FAILED:TLS_error_end}")                                                  \
	X(TLS_PLAINTEXT, 503, UF, "remote connection failure",                                                           \
	  PROXY_TLS_DETAILS "|268435703:" PROXY_TLS_ROUTINES                                                             \
			    "WRONG_VERSION_NUMBER:TLS_error_end}")                                                       \
	X(TLS_HANDSHAKE, 503, UF, "remote connection failure", PROXY_TLS_DETAILS "TLS_error_end}")                       \
	X(LOCAL, 503, UF, "local connection failure",                                                                    \
	  "upstream_reset_before_response_started{local_connection_failure}")                                            \
	X(CONNECT_TIMEOUT, 503, UF, "connection timeout",                                                                \
	  "upstream_reset_before_response_started{connection_timeout}")                                                  \
	X(TERMINATED, 503, UC, "connection termination",                                                                 \
	  "upstream_reset_before_response_started{connection_termination}")                                              \
	X(PROTOCOL, 502, UPE, "protocol error",                                                                          \
	  "upstream_reset_before_response_started{protocol_error}")                                                      \
	X(OVERFLOW, 503, UO, "overflow", "upstream_reset_before_response_started{overflow}")                             \
	X(NO_PLACE, 503, UO, "overflow",                                                                                 \
	  "upstream_reset_before_response_started{overflow|limits.connections}")                                         \
	X(PER_TRY_TIMEOUT, 504, UT, NULL, "upstream_per_try_timeout")                                                    \
	X(NO_ENDPOINT, 503, UH, NULL, "no_healthy_upstream")                                                             \
	X(NO_CLUSTER, 503, NC, NULL, "cluster_not_found")

enum proxy_failure {
#define PROXY_FAILURE_ENUM(symbol, status, flag, reason, details) PROXY_FAIL_##symbol,
	PROXY_FAILURES(PROXY_FAILURE_ENUM)
#undef PROXY_FAILURE_ENUM
};

/* What a route answers itself: where to, in pieces, or a text. It lives until it is sent. */
#define PROXY_LOCATION_PIECES 8
struct proxy_own_answer {
	struct hd_str location[PROXY_LOCATION_PIECES];
	uint32_t n_location; /* 0: no location */
	char port[8];
	struct hd_str text;
};

/* The request that a redirect starts from. */
struct proxy_redirect_view {
	struct hd_str scheme, authority, path, query; /* query: with its mark, or empty */
	uint32_t matched_n; /* bytes of the path that the route's match is about */
	uint16_t port;	    /* the listener's */
};
void proxy_reply_own(const struct hd_answer *w, const struct proxy_redirect_view *v,
		     struct proxy_own_answer *out);

struct proxy_answer {
	uint16_t status;
	uint8_t is_overload; /* x-envoy-overloaded: true */
	uint8_t is_retried;  /* the text says that there were several tries */
	uint32_t flags;	     /* hd_response_flag */
	const char *body;    /* or a reset reason to put into Envoy's sentence, when is_reset */
	uint8_t is_reset;
	uint8_t grpc; /* 1 + the grpc-status for gRPC; 0: as the status says */
	const char *details;
	const char *authenticate; /* www-authenticate; NULL: none */
	const struct proxy_own_answer *own; /* instead of the body; NULL: none */
};

/* What the caller gets when the last try failed like this. */
struct proxy_answer proxy_reply_of_failure(enum proxy_failure why, int is_retried);
/* What the caller gets for bytes that are no request. */
struct proxy_answer proxy_reply_of_error(const struct http_error *e);

struct proxy_reply_style {
	uint8_t role;	 /* hd_role */
	uint8_t is_head; /* no body follows, whatever the length says (RFC 9110 9.3.2) */
	uint8_t is_grpc; /* trailers-only answer (istio-api.md 3.4) */
	uint8_t close;
	const char *date; /* 29 bytes */
};
#define PROXY_REPLY_MAX 1024
/* Renders head and body; returns their length. *body_n: how much of it is body. Of an own answer
 * only the head, without the location, which belongs behind its first line; *body_n then is what of
 * the text follows. */
uint32_t proxy_reply_render(const struct proxy_answer *a, const struct proxy_reply_style *s,
			    char out[PROXY_REPLY_MAX], uint32_t *body_n);

#endif
