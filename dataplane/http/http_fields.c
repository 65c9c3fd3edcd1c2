/* SPDX-License-Identifier: Apache-2.0 */
/* Known field names: a hash without collisions over length, first and last letter. Case drops out
 * of it because bit 5 times 9 or 24 vanishes modulo 32. The unit test finds every name of
 * HTTP_FIELDS. */
#include "http_internal.h"

#define SLOTS 32

static inline uint32_t slot_of(const uint8_t *name, uint32_t n)
{
	return (n + name[0] * 9u + name[n - 1] * 24u) % SLOTS;
}

static const char *const names[HTTP_F_MAX] = {
#define HTTP_FIELD_NAME(symbol, name) [HTTP_F_##symbol] = name,
	HTTP_FIELDS(HTTP_FIELD_NAME)
#undef HTTP_FIELD_NAME
};

static const uint8_t lengths[HTTP_F_MAX] = {
#define HTTP_FIELD_LENGTH(symbol, name) [HTTP_F_##symbol] = sizeof(name) - 1,
	HTTP_FIELDS(HTTP_FIELD_LENGTH)
#undef HTTP_FIELD_LENGTH
};

static const uint8_t slots[SLOTS] = {
	[0] = HTTP_F_DATE,
	[1] = HTTP_F_SERVER,
	[4] = HTTP_F_X_REQUEST_ID,
	[5] = HTTP_F_KEEP_ALIVE,
	[7] = HTTP_F_USER_AGENT,
	[8] = HTTP_F_X_FORWARDED_HOST,
	[9] = HTTP_F_CONTENT_LENGTH,
	[11] = HTTP_F_TRAILER,
	[12] = HTTP_F_HOST,
	[13] = HTTP_F_TRANSFER_ENCODING,
	[14] = HTTP_F_TE,
	[15] = HTTP_F_X_FORWARDED_CLIENT_CERT,
	[16] = HTTP_F_PROXY_CONNECTION,
	[17] = HTTP_F_X_FORWARDED_PROTO,
	[19] = HTTP_F_EXPECT,
	[21] = HTTP_F_CONNECTION,
	[23] = HTTP_F_X_FORWARDED_FOR,
	[25] = HTTP_F_COOKIE,
	[28] = HTTP_F_UPGRADE,
	[30] = HTTP_F_HTTP2_SETTINGS,
	[31] = HTTP_F_CONTENT_TYPE,
};

#define LOW4 UINT32_C(0x20202020)
#define LOW8 UINT64_C(0x2020202020202020)

static inline uint32_t differ4(const uint8_t *a, const char *b)
{
	uint32_t x, y;

	memcpy(&x, a, 4);
	memcpy(&y, b, 4);
	return (x | LOW4) ^ y;
}

static inline uint64_t differ8(const uint8_t *a, const char *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return (x | LOW8) ^ y;
}

/* Bit 5 set makes a tchar lower case or leaves it, but for '^' and '_', which no known name holds;
 * nor '~' and DEL. */
int http_token_is(const uint8_t *p, uint32_t n, const char *lower)
{
	if (n >= 16)
		return (differ8(p, lower) | differ8(p + 8, lower + 8) |
			differ8(p + n - 8, lower + n - 8)) == 0;
	if (n >= 8)
		return (differ8(p, lower) | differ8(p + n - 8, lower + n - 8)) == 0;
	if (n >= 4)
		return (differ4(p, lower) | differ4(p + n - 4, lower + n - 4)) == 0;
	return http_name_eq(p, n, lower);
}

enum http_field_id http_field_lookup(const uint8_t *name, uint32_t n)
{
	uint8_t id = slots[slot_of(name, n)];

	if (lengths[id] != n || !http_token_is(name, n, names[id]))
		return HTTP_F_UNKNOWN;
	return id;
}

int http_name_eq(const uint8_t *p, uint32_t n, const char *lower)
{
	for (uint32_t i = 0; i < n; i++) {
		if (lower[i] == '\0' || http_lower(p[i]) != (uint8_t)lower[i])
			return 0;
	}
	return lower[n] == '\0';
}
