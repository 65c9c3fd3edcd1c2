/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_suite.h"

#include "tls.h"

#define GCM128 TLS_CIPHER_AES128_GCM
#define GCM256 TLS_CIPHER_AES256_GCM
#define CHACHA TLS_CIPHER_CHACHA20_POLY1305

/* RFC 8446 B.4; RFC 5289 and RFC 7905 for 1.2. */
static const struct tls_suite suites[] = {
	{ 0x1301, 0x0304, GCM128, TLS_SHA256, 16, 12, 0, "TLS_AES_128_GCM_SHA256" },
	{ 0x1302, 0x0304, GCM256, TLS_SHA384, 32, 12, 0, "TLS_AES_256_GCM_SHA384" },
	{ 0x1303, 0x0304, CHACHA, TLS_SHA256, 32, 12, 0, "TLS_CHACHA20_POLY1305_SHA256" },
	{ 0xc02b, 0x0303, GCM128, TLS_SHA256, 16, 4, 8, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
	{ 0xc02c, 0x0303, GCM256, TLS_SHA384, 32, 4, 8, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" },
	{ 0xc02f, 0x0303, GCM128, TLS_SHA256, 16, 4, 8, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" },
	{ 0xc030, 0x0303, GCM256, TLS_SHA384, 32, 4, 8, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" },
	{ 0xcca8, 0x0303, CHACHA, TLS_SHA256, 32, 12, 0,
	  "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" },
	{ 0xcca9, 0x0303, CHACHA, TLS_SHA256, 32, 12, 0,
	  "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" },
};

const struct tls_suite *tls_suite_find(uint16_t number)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(suites); i++) {
		if (suites[i].number == number)
			return &suites[i];
	}
	return NULL;
}

const struct tls_suite *tls_suite_at(uint8_t index)
{
	return &suites[index];
}

uint8_t tls_suite_index(const struct tls_suite *s)
{
	return (uint8_t)(s - suites);
}

const char *tls_suite_name(uint16_t suite)
{
	const struct tls_suite *s = tls_suite_find(suite);

	return s != NULL ? s->name : "?";
}

const char *tls_version_name(uint16_t version)
{
	return version == 0x0304 ? "TLSv1.3" : version == 0x0303 ? "TLSv1.2" : "?";
}

const char *tls_alpn_name(uint8_t alpn)
{
	static const char *const names[] = { [HD_ALPN_NONE] = "",
#define ALPN_NAME(symbol, name) [HD_ALPN_##symbol] = name,
					     HD_ALPNS(ALPN_NAME)
#undef ALPN_NAME
	};

	return alpn < HD_ALPN_MAX ? names[alpn] : "";
}
