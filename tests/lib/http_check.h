/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of the http room for any bytes at all. Aborts with a text where it does not; used
 * by unit tests and fuzzers alike. Each call looks at exact copies, so that a sanitizer sees one
 * byte read too many. */
#ifndef LIB_HTTP_CHECK_H
#define LIB_HTTP_CHECK_H

#include "http.h"

/* Scan and parse agree; every split of the bytes gives the same answer; what is accepted keeps its
 * promises. */
void http_check_request(const uint8_t *p, uint32_t n);
void http_check_response(const uint8_t *p, uint32_t n);
/* Every split gives the same data, the same end and the same error. */
void http_check_chunked(const uint8_t *p, uint32_t n);
/* Normalising twice changes nothing, and in place is the same. */
void http_check_path(const uint8_t *p, uint32_t n);

#endif
