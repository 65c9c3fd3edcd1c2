/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenSSL frees is wiped. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "tls_slow.h"

/* OpenSSL 3.0 frees an SSL with the traffic secrets of TLS 1.3 in it as they are: whatever it frees
 * is wiped. */
static void *openssl_malloc(size_t n, const char *file, int line)
{
	return malloc(n);
}

static void openssl_free(void *p, const char *file, int line)
{
	if (p != NULL)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* Where it must move, the old place is wiped as well. */
static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
	size_t have = p != NULL ? malloc_usable_size(p) : 0;
	void *to;

	if (n != 0 && n <= have)
		return p;
	to = n != 0 ? malloc(n) : NULL;
	if (to != NULL && p != NULL)
		memcpy(to, p, have);
	if (to != NULL || n == 0)
		openssl_free(p, file, line);
	return to;
}

void tls_guard_openssl(void)
{
	(void)CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free);
}
