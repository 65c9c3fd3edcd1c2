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

/* Elements written lately: in a mesh the same few identities come all day. */
#define PROXY_XFCC_MEMO 64
struct proxy_xfcc_memo {
	uint64_t serial; /* of the caller's certificate; 0: none */
	uint16_t n, own_n;
	uint8_t with_cert;
	uint8_t text[492];
};

struct proxy_xfcc {
	struct proxy_xfcc_memo memos[PROXY_XFCC_MEMO];
	uint8_t longest[PROXY_XFCC_MAX]; /* one that is too long to be kept */
};

/* The same, written once; valid until the next call. */
struct hd_str proxy_xfcc_element(struct proxy_xfcc *x, const struct tls_identity *peer,
				 struct hd_str own, int with_cert);

#endif
