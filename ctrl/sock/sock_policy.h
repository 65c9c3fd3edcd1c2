/* SPDX-License-Identifier: Apache-2.0 */
/* How parts of a snapshot look in answers. */
#ifndef SOCK_POLICY_H
#define SOCK_POLICY_H

#include <jansson.h>

#include <heddle/snapshot.h>

#include "sock_host.h"

/* "file:line", or "" for a default. */
json_t *sock_source_json(const struct hd_source *s);
/* "path^/api method=GET header:x-canary=yes"; "any" when everything matches. */
json_t *sock_match_json(const struct hd_snapshot *s, const struct hd_route_match *m);
/* Its name, or null for HD_NONE. */
json_t *sock_cluster_json(const struct hd_snapshot *s, uint32_t cluster);
const char *sock_health_name(uint8_t health);
/* hd_endpoint_health. */
uint8_t sock_health(const struct sock_host *h, const struct hd_endpoint *e);
/* What came of its probe: "passing: status 200", null when nobody asks it. */
json_t *sock_probe_json(const struct health_view *v);
/* An hd_ns as UTC, "2024-05-01T12:00:00.250Z". */
json_t *sock_json_time(hd_ns at);
/* The same of nanoseconds since 1970. */
json_t *sock_json_wall(hd_ns wall);

/* What the second does otherwise than the first: rows of change, kind and text. */
json_t *sock_snapshots_compare(const struct hd_snapshot *before, const struct hd_snapshot *after);

#endif
