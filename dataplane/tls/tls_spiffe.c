/* SPDX-License-Identifier: Apache-2.0 */
/* SPIFFE-ID 2: spiffe://trust-domain/path, with few characters allowed, so that two spellings are
 * never one identity. */
#include "tls_slow.h"

#define ID_MAX 2048
#define DOMAIN_MAX 255

static int is_domain_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

static int is_path_char(char c)
{
	return is_domain_char(c) || (c >= 'A' && c <= 'Z');
}

/* A segment that is not empty, "." or "..". */
static int segment_is_good(const char *p, uint32_t n)
{
	if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		if (!is_path_char(p[i]))
			return 0;
	}
	return 1;
}

static int path_is_good(struct hd_str path)
{
	uint32_t from = 1;

	if (path.n < 2 || path.p[0] != '/')
		return 0;
	for (uint32_t i = 1; i <= path.n; i++) {
		if (i < path.n && path.p[i] != '/')
			continue;
		if (!segment_is_good(path.p + from, i - from))
			return 0;
		from = i + 1;
	}
	return 1;
}

int tls_spiffe_parse(struct hd_str uri, struct hd_str *trust_domain, struct hd_str *path)
{
	static const char scheme[] = "spiffe://";
	uint32_t at = sizeof(scheme) - 1, from = at;

	if (uri.n > ID_MAX || uri.n <= at || memcmp(uri.p, scheme, at) != 0)
		return 0;
	while (at < uri.n && is_domain_char(uri.p[at]))
		at++;
	*trust_domain = (struct hd_str){ uri.p + from, at - from };
	*path = (struct hd_str){ uri.p + at, uri.n - at };
	return trust_domain->n > 0 && trust_domain->n <= DOMAIN_MAX && path_is_good(*path);
}
