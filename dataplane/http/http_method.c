/* SPDX-License-Identifier: Apache-2.0 */
#include "http_internal.h"

struct method {
	char name[15];
	uint8_t n;
	uint8_t id;
};

#define M(word, number)                        \
	{                                      \
		word, sizeof(word) - 1, number \
	}

/* By frequency. Those without a number of their own are passed on by their name. */
static const struct method methods[] = {
	M("GET", HTTP_GET),	      M("POST", HTTP_POST),	   M("HEAD", HTTP_HEAD),
	M("PUT", HTTP_PUT),	      M("DELETE", HTTP_DELETE),	   M("OPTIONS", HTTP_OPTIONS),
	M("PATCH", HTTP_PATCH),	      M("CONNECT", HTTP_CONNECT),  M("TRACE", HTTP_TRACE),
	M("ACL", HTTP_OTHER),	      M("BIND", HTTP_OTHER),	   M("CHECKOUT", HTTP_OTHER),
	M("COPY", HTTP_OTHER),	      M("LINK", HTTP_OTHER),	   M("LOCK", HTTP_OTHER),
	M("MERGE", HTTP_OTHER),	      M("MKACTIVITY", HTTP_OTHER), M("MKCALENDAR", HTTP_OTHER),
	M("MKCOL", HTTP_OTHER),	      M("MOVE", HTTP_OTHER),	   M("M-SEARCH", HTTP_OTHER),
	M("NOTIFY", HTTP_OTHER),      M("PROPFIND", HTTP_OTHER),   M("PROPPATCH", HTTP_OTHER),
	M("PURGE", HTTP_OTHER),	      M("REBIND", HTTP_OTHER),	   M("REPORT", HTTP_OTHER),
	M("SEARCH", HTTP_OTHER),      M("SOURCE", HTTP_OTHER),	   M("SUBSCRIBE", HTTP_OTHER),
	M("UNBIND", HTTP_OTHER),      M("UNLINK", HTTP_OTHER),	   M("UNLOCK", HTTP_OTHER),
	M("UNSUBSCRIBE", HTTP_OTHER),
};

int http_method_lookup(const uint8_t *p, uint32_t n)
{
	if (hd_likely(n == 3 && memcmp(p, "GET", 3) == 0))
		return HTTP_GET;
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(methods); i++) {
		if (methods[i].n == n && memcmp(methods[i].name, p, n) == 0)
			return methods[i].id;
	}
	return -1;
}
