/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the other end of a connection has proved to be, by a certificate that was verified. One for
 * each certificate that this worker's connections show, counted, so that a leg needs one pointer. */
#ifndef PROXY_PEER_H
#define PROXY_PEER_H

#include <heddle/base.h>

struct proxy_peer {
	uint32_t users;
	struct hd_str principal; /* "cluster.local/ns/shop/sa/client": the SPIFFE URI as
				    AuthorizationPolicy spells it; empty: the certificate has none */
};

/* Empty for plaintext, and for a caller that showed no certificate. */
static inline struct hd_str proxy_peer_principal(const struct proxy_peer *peer)
{
	return peer != NULL ? peer->principal : (struct hd_str){ "", 0 };
}

#endif
