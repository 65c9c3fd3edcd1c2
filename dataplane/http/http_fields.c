/* SPDX-License-Identifier: Apache-2.0 */
/* Known field names, by http_known_slot. The unit test finds every name of HTTP_FIELDS. */
#include "http_internal.h"

#define K(symbol, text)                                                            \
	{                                                                          \
		.name = text, .n = sizeof(text) - 1, .id = HTTP_F_##symbol,        \
		.hop = HTTP_ALWAYS_HOP >> HTTP_F_##symbol & 1                      \
	}

const struct http_known http_known[HTTP_KNOWN_SLOTS] = {
	[0] = K(DATE, "date"),
	[1] = K(SERVER, "server"),
	[4] = K(X_REQUEST_ID, "x-request-id"),
	[5] = K(KEEP_ALIVE, "keep-alive"),
	[7] = K(USER_AGENT, "user-agent"),
	[8] = K(X_FORWARDED_HOST, "x-forwarded-host"),
	[9] = K(CONTENT_LENGTH, "content-length"),
	[11] = K(TRAILER, "trailer"),
	[12] = K(HOST, "host"),
	[13] = K(TRANSFER_ENCODING, "transfer-encoding"),
	[14] = K(TE, "te"),
	[15] = K(X_FORWARDED_CLIENT_CERT, "x-forwarded-client-cert"),
	[16] = K(PROXY_CONNECTION, "proxy-connection"),
	[17] = K(X_FORWARDED_PROTO, "x-forwarded-proto"),
	[19] = K(EXPECT, "expect"),
	[21] = K(CONNECTION, "connection"),
	[23] = K(X_FORWARDED_FOR, "x-forwarded-for"),
	[25] = K(COOKIE, "cookie"),
	[28] = K(UPGRADE, "upgrade"),
	[30] = K(HTTP2_SETTINGS, "http2-settings"),
	[31] = K(CONTENT_TYPE, "content-type"),
};

int http_name_eq(const uint8_t *p, uint32_t n, const char *lower)
{
	for (uint32_t i = 0; i < n; i++) {
		if (lower[i] == '\0' || http_lower(p[i]) != (uint8_t)lower[i])
			return 0;
	}
	return lower[n] == '\0';
}
