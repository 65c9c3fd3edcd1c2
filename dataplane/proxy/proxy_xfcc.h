/* SPDX-License-Identifier: Apache-2.0 */
/* x-forwarded-client-cert: what the backend is told of a caller's certificate (istio-api.md 3.3).
 */
#ifndef PROXY_XFCC_H
#define PROXY_XFCC_H

#include "tls.h"

/* Room for one element. Parts that do not fit are left out, the certificate first. */
#define PROXY_XFCC_MAX 8192

/* own: this side's SPIFFE ID, empty when it was not shown; with_cert: as gateways do. Returns the
 * length. */
uint32_t proxy_xfcc_write(const struct tls_identity *peer, struct hd_str own, int with_cert,
			  uint8_t out[PROXY_XFCC_MAX]);

#endif
