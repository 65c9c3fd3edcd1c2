/* SPDX-License-Identifier: Apache-2.0 */
/* How a caller's connection begins: what its first bytes are, whether they may come like that, and
 * who serves them (istio-api.md 1.5, 1.7; observed-istio.md 16, 21). */
#ifndef PROXY_INBOUND_H
#define PROXY_INBOUND_H

#include <heddle/snapshot.h>

struct proxy;
struct proxy_leg;

/* Whether the first bytes decide anything. */
int proxy_inbound_looks(const struct proxy *p, const struct proxy_leg *leg,
			const struct hd_listener *l);
void proxy_inbound_begin(struct proxy *p, struct proxy_leg *leg, const struct hd_listener *l);
/* In LEG_SNIFF. */
void proxy_inbound_event(struct proxy *p, struct proxy_leg *leg);
/* The handshake is through. */
void proxy_inbound_opened(struct proxy *p, struct proxy_leg *leg);
/* In LEG_SNIFF or LEG_HANDSHAKE. */
void proxy_inbound_timeout(struct proxy *p, struct proxy_leg *leg);

/* What a server name led to in another generation, by the pattern that it was found by. */
const struct hd_tls_server *proxy_inbound_server_again(const struct hd_snapshot *s,
						       const struct hd_listener *l, uint32_t key);
uint32_t proxy_inbound_server_key(const struct hd_tls_server *server);

/* A reload gave the caller this listener: whether it may go on in clear. */
void proxy_inbound_judge(struct proxy_leg *leg, const struct hd_listener *l);
/* The counter of a caller that is refused so. */
enum hd_counter proxy_inbound_why(const struct proxy_leg *leg);
/* A caller at rest that may not: reset. */
void proxy_inbound_refuse(struct proxy *p, struct proxy_leg *leg);

#endif
