/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the other end of a connection has proved to be, by a certificate that was verified. */
#ifndef PROXY_PEER_H
#define PROXY_PEER_H

#include "tls.h"

/* "cluster.local/ns/shop/sa/client", as AuthorizationPolicy spells it. Empty for plaintext, for a
 * caller that showed no certificate, and for one whose certificate has no SPIFFE ID. */
static inline struct hd_str proxy_peer_principal(const struct tls_identity *peer)
{
	return peer != NULL ? peer->principal : (struct hd_str){ "", 0 };
}

#endif
