/* SPDX-License-Identifier: Apache-2.0 */
/* One token against one rule: format, claims, times, audience, signature, in Envoy's order. A
 * function of the slot, but for a cache of keys that were read. */
#ifndef JWT_VERIFY_H
#define JWT_VERIFY_H

#include <heddle/jwt.h>

struct jwt_keys;

/* NULL when memory is out. */
struct jwt_keys *jwt_keys_create(void);
void jwt_keys_destroy(struct jwt_keys *k);

/* Fills the thread's part of the slot. */
void jwt_verify(struct jwt_keys *keys, struct hd_jwt_slot *s);

#endif
