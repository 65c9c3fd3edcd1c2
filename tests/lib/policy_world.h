/* SPDX-License-Identifier: Apache-2.0 */
/* Policy from texts for tests: loads, diagnostics by place, and a checker of whole snapshots. */
#ifndef POLICY_WORLD_H
#define POLICY_WORLD_H

#include "policy.h"

struct policy_world {
	struct policy *policy;
	struct policy_texts texts;
	struct policy_diags diags;
	struct hd_snapshot *snapshot; /* of the last load; NULL when it failed */
	uint64_t generation;
	int rc;
};

/* Settings may be NULL: defaults with one worker. */
void policy_world_open(struct policy_world *w, const struct policy_settings *s);
void policy_world_close(struct policy_world *w);
/* Replaces all texts by one, "mesh.yaml", and loads; the snapshot before is freed. */
int policy_world_load(struct policy_world *w, const char *text);
int policy_world_load_bytes(struct policy_world *w, const void *text, size_t n);

/* Whether a row of that severity stands at the place and holds the words. */
int policy_world_said(const struct policy_world *w, enum policy_severity severity, uint32_t line,
		      uint32_t col, const char *words);
/* Prints all rows to stderr: for a test that is about to fail. */
void policy_world_tell(const struct policy_world *w);

/* NULL when every index is in range and every name and address is found by its table, else what is
 * wrong. */
const char *policy_snapshot_wrong(const struct hd_snapshot *s);

/* The vhost that a host name gets at an address and port, as a worker looks it up; HD_NONE when
 * there is none. */
uint32_t policy_world_vhost(const struct hd_snapshot *s, const char *ip, uint16_t port,
			    const char *host);
const struct hd_cluster *policy_world_cluster(const struct hd_snapshot *s, const char *name);
/* Route i of the vhost of a host. NULL when there is none. */
const struct hd_route *policy_world_route(const struct hd_snapshot *s, const char *ip,
					  uint16_t port, const char *host, uint32_t i);

#endif
