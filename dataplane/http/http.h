/* SPDX-License-Identifier: Apache-2.0 */
/* The message model both HTTP versions share, and HTTP/1.1 (RFC 9110, RFC 9112) as pure functions
 * of bytes. No allocation, no time, no I/O. Offsets instead of pointers where a head may move. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <heddle/base.h>

/* Limits (Envoy's defaults): 60 KiB of head, 100 fields. */
#define HTTP_MAX_HEAD_BYTES 61440
#define HTTP_MAX_FIELDS 100
#define HTTP_MAX_CONNECTION_OPTIONS 32
#define HTTP_MAX_EMPTY_LINES 8 /* before a request; RFC 9112 2.2 asks for one at least */
/* Bytes of chunk extensions beyond the bytes of data that came with them. */
#define HTTP_MAX_CHUNK_EXTENSIONS 16384
#define HTTP_MAX_CONTENT_LENGTH (UINT64_MAX >> 1)

enum http_method {
	HTTP_OTHER,
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_CONNECT,
	HTTP_OPTIONS,
	HTTP_TRACE,
	HTTP_PATCH
};

/* Known names get a number, so that the proxy asks with an array index. 0: unknown. */
#define HTTP_FIELDS(X)                                        \
	X(HOST, "host")                                       \
	X(CONNECTION, "connection")                           \
	X(CONTENT_LENGTH, "content-length")                   \
	X(TRANSFER_ENCODING, "transfer-encoding")             \
	X(EXPECT, "expect")                                   \
	X(UPGRADE, "upgrade")                                 \
	X(TE, "te")                                           \
	X(TRAILER, "trailer")                                 \
	X(KEEP_ALIVE, "keep-alive")                           \
	X(PROXY_CONNECTION, "proxy-connection")               \
	X(SERVER, "server")                                   \
	X(DATE, "date")                                       \
	X(USER_AGENT, "user-agent")                           \
	X(CONTENT_TYPE, "content-type")                       \
	X(X_REQUEST_ID, "x-request-id")                       \
	X(X_FORWARDED_FOR, "x-forwarded-for")                 \
	X(X_FORWARDED_PROTO, "x-forwarded-proto")             \
	X(X_FORWARDED_HOST, "x-forwarded-host")               \
	X(X_FORWARDED_CLIENT_CERT, "x-forwarded-client-cert") \
	X(COOKIE, "cookie")                                   \
	X(HTTP2_SETTINGS, "http2-settings")

enum http_field_id {
	HTTP_F_UNKNOWN,
#define HTTP_FIELD_ENUM(symbol, name) HTTP_F_##symbol,
	HTTP_FIELDS(HTTP_FIELD_ENUM)
#undef HTTP_FIELD_ENUM
		HTTP_F_MAX
};

/* A field: offsets from the start of the head. The name is as received (compare without case). */
struct http_field {
	uint16_t name, name_n;
	uint16_t value, value_n; /* without surrounding SP and HTAB */
	uint8_t id;		 /* http_field_id */
	uint8_t hop; /* not forwarded: hop-by-hop always or as Connection lists it, Trailer
		      * (trailers are dropped), "TE" unless exactly "trailers", Content-Length: 0 of
		      * a 1xx or 204 */
};

enum http_framing {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CHUNKED,
	HTTP_BODY_UNTIL_CLOSE, /* responses only */
};

/* What an upgrade is about. h2c is not offered: asking for it means nothing (RFC 9113 3.1) and its
 * fields are hop-by-hop. */
enum http_upgrade {
	HTTP_UPGRADE_NONE,
	HTTP_UPGRADE_OTHER, /* unknown, or a WebSocket request that is no GET without body */
	HTTP_UPGRADE_WEBSOCKET,
};

/* A parsed head; valid as long as its bytes stay where the caller keeps them. */
struct http_head {
	uint16_t bytes;	   /* length of the head with its empty line */
	uint8_t minor;	   /* 0 or 1: HTTP/1.2 to 1.9 are read as 1.1 (RFC 9110 2.5) */
	uint8_t method;	   /* http_method (requests) */
	uint16_t status;   /* responses */
	uint16_t method_n; /* requests: the method is at offset 0 after skipped empty lines: see
			      start */
	uint16_t start;	   /* offset of the first byte after leading empty lines */
	uint16_t target, target_n; /* request target as received */
	uint16_t path,
		path_n; /* path and query of it: "/a?b"; absolute form is taken apart; "*" stays */
	uint16_t authority, authority_n; /* from the absolute form, else the Host line */
	uint16_t reason, reason_n;
	uint8_t framing;	 /* http_framing */
	uint8_t keep_alive;	 /* what the sender is willing to: version and Connection */
	uint8_t expect_continue; /* only when a body is to follow */
	uint8_t upgrade; /* http_upgrade: asked for with both Upgrade and Connection; in a 101:
			    answered with */
	uint64_t content_length;
	uint32_t repeated; /* bit http_field_id: that known field came more than once */
	uint16_t n_fields;
	uint16_t first[HTTP_F_MAX]; /* index + 1 of the first field with that id; 0: absent */
	struct http_field fields[HTTP_MAX_FIELDS];
};

enum http_verdict {
	HTTP_DONE, /* complete */
	HTTP_MORE, /* bytes are missing; call again with the same bytes and more behind them */
	HTTP_BAD,  /* refused; http_error says what */
};

/* Why: an X-list so that each is counted and has its status and text. */
struct http_error {
	uint16_t status;     /* requests: 400, 404 (CONNECT), 413, 414, 417, 426, 431, 501, 505;
				responses: 502 */
	uint16_t counter;    /* enum hd_counter */
	const char *details; /* for the access log: "http1.codec_error", … */
	const char *body; /* Envoy's text of the answer, "" for an empty one; the connection closes
			     after it */
};

/* Where an unfinished head was looked at: keeps the work linear however the bytes are split. Zero
 * to start. */
struct http1_scan {
	uint32_t seen; /* bytes already scanned */
	uint8_t state;
	uint8_t response;
	uint8_t reserved[2];
	uint32_t line; /* offset where the current line began */
	uint16_t fields;
};

/* Looks at n more bytes of a head without keeping them: HTTP_DONE with *head_bytes when the head
 * ends inside, HTTP_MORE, or HTTP_BAD as early as any byte makes it impossible (bare LF or CR,
 * control bytes, bad version, too long, not HTTP at all). The answer is the same for any split. */
enum http_verdict http1_scan_request(struct http1_scan *s, const uint8_t *p, uint32_t n,
				     uint32_t *head_bytes, struct http_error *e);
enum http_verdict http1_scan_response(struct http1_scan *s, const uint8_t *p, uint32_t n,
				      uint32_t *head_bytes, struct http_error *e);

/* Parses a complete contiguous head (scan said HTTP_DONE, or the caller tries its luck with a whole
 * buffer: HTTP_MORE when the end is not inside). Decides the framing once and strictly (RFC
 * 9112 6.3, refused where ambiguous). */
enum http_verdict http1_parse_request(const uint8_t *p, uint32_t n, struct http_head *h,
				      struct http_error *e);
/* request_method: RFC 9112 6.3 rules 1 and 2 depend on it. */
enum http_verdict http1_parse_response(const uint8_t *p, uint32_t n,
				       enum http_method request_method, struct http_head *h,
				       struct http_error *e);

/* Chunked coding, received: a state machine over bytes; the data is not copied but measured. */
struct http1_chunked {
	uint8_t state;
	uint8_t digits;
	uint16_t trailer_bytes, trailer_fields;
	uint32_t extension_bytes;
	uint64_t left; /* bytes of the current chunk still to come */
};
/* Looks at p[0..n): *skip bytes of framing come first (to be dropped), then *data bytes of body.
 * Call again for the rest. HTTP_DONE: skip reaches the end of the message, trailer section included
 * (its bytes, if any, lie at the end of what was skipped since state CHUNKED_TRAILER began; they
 * are validated, and dropped when forwarding). */
enum http_verdict http1_chunked_step(struct http1_chunked *c, const uint8_t *p, uint32_t n,
				     uint32_t *skip, uint32_t *data, struct http_error *e);

/* "Host" rules of RFC 9112 3.2 and RFC 3986: a valid host[:port], no userinfo, no comma. */
int http_authority_is_valid(const uint8_t *p, uint32_t n);
/* Istio's pathNormalization BASE: dot segments resolved, %41 -> A (unreserved ones, also %2e),
 * backslash -> slash; not merged:
 * "//"; kept: %2F, %5C; the query stays as it is. Refused: %00, a fragment, "*" and whatever does
 * not begin with a slash. out holds n bytes at least and may be path itself. Returns the new
 * length, 0: refuse with 400. */
uint32_t http_path_normalize(const uint8_t *path, uint32_t n, uint8_t *out);
/* The same for Istio's other choices: `how` is enum hd_path_normalization. MERGE_SLASHES makes one
 * of several slashes after that, DECODE_AND_MERGE_SLASHES turns %2F and %5C into what they stand
 * for before; NONE leaves the path as it came and refuses only what has no slash in front and
 * fragments. */
uint32_t http_path_normalize_as(uint8_t how, const uint8_t *path, uint32_t n, uint8_t *out);

int http_name_eq(const uint8_t *p, uint32_t n, const char *lower);
const char *http_reason(uint16_t status); /* "Not Found" */

#endif
