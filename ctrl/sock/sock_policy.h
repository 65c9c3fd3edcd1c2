/* SPDX-License-Identifier: Apache-2.0 */
/* How parts of a snapshot look in answers. */
#ifndef SOCK_POLICY_H
#define SOCK_POLICY_H

#include <jansson.h>

#include <heddle/snapshot.h>

/* "file:line", or "" for a default. */
json_t *sock_source_json(const struct hd_source *s);
/* "path^/api method=GET header:x-canary=yes"; "any" when everything matches. */
json_t *sock_match_json(const struct hd_snapshot *s, const struct hd_route_match *m);
const char *sock_health_name(uint8_t health);

#endif
