/* SPDX-License-Identifier: Apache-2.0 */
#include "http_internal.h"

#define FIRST HD_HTTP_BAD_REQUEST_LINE
#define ROW(symbol) [HD_HTTP_##symbol - FIRST]

#define CODEC "http1.codec_error"
#define BAD_REQUEST "Bad Request"

/* What differs from 400 "Bad Request" with http1.codec_error. Texts and details are Envoy's. */
static const struct http_error particular[] = {
	ROW(UNSUPPORTED_VERSION) = {505, 0, CODEC, "HTTP Version Not Supported"},
	ROW(OLD_VERSION) = {426, 0, "low_version", ""},
	ROW(CONNECT_REFUSED) = {404, 0, "route_not_found", ""},
	ROW(FRAGMENT) = {400, 0, "path_normalization_failed", ""},
	ROW(NO_HOST) = {400, 0, "missing_host_header", ""},
	ROW(BAD_HOST) = {400, 0, "http.invalid_authority", BAD_REQUEST},
	ROW(HOST_MISMATCH) = {400, 0, "http.invalid_authority", BAD_REQUEST},
	ROW(TARGET_TOO_LONG) = {414, 0, "http1.headers_too_large", "URI Too Long"},
	ROW(HEAD_TOO_LONG) = {431, 0, "http1.headers_too_large", "Request Header Fields Too Large"},
	ROW(TOO_MANY_FIELDS) = {431, 0, "http1.too_many_headers",
				"Request Header Fields Too Large"},
	ROW(LENGTH_AND_CHUNKED) = {400, 0, "http1.content_length_and_chunked_not_allowed",
				   BAD_REQUEST},
	ROW(BAD_CODING) = {501, 0, "http1.invalid_transfer_encoding", "Not Implemented"},
	ROW(BAD_EXPECT) = {417, 0, CODEC, "Expectation Failed"},
	ROW(LONG_CHUNK_EXTENSIONS) = {413, 0, CODEC, "Payload Too Large"},
	ROW(LONG_TRAILERS) = {431, 0, "http1.trailers_too_large",
			      "Request Header Fields Too Large"},
};

enum http_verdict http_refuse(struct http_error *e, enum hd_counter counter)
{
	uint32_t row = counter - FIRST;

	*e = (struct http_error){400, 0, CODEC, BAD_REQUEST};
	if (row < HD_ARRAY_SIZE(particular) && particular[row].status != 0)
		*e = particular[row];
	e->counter = counter;
	return HTTP_BAD;
}
