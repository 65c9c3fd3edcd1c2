/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: from the files and Secrets that a snapshot names to the slots of the dataplane, and
 * their state for operators. Control thread.
 *
 * What is refused changes nothing: the pair in use stays and the row says what is wrong. A slot
 * without any means that whoever needs it is refused. */
#ifndef DAEMON_CERTS_H
#define DAEMON_CERTS_H

#include <heddle/dp.h>

#include "policy.h"
#include "policy_tls.h"
#include "sock_host.h"

struct certs;

/* Reads and checks the node's own pair and roots. 0, or -EINVAL with a line that names the file. */
[[nodiscard]] int certs_identity_check(const struct policy_node *node,
				       struct hd_tls_certificate_info *info, char *error,
				       size_t error_bytes);

struct certs *certs_create(const struct policy_node *node);
void certs_destroy(struct certs *c);
/* From now on what is set is set there. */
void certs_use(struct certs *c, struct hd_dp *dp);
/* Before a snapshot with this is published, and when files may have changed: reads everything, sets
 * what is new or differs. Returns how many rows changed. */
uint32_t certs_load(struct certs *c, const struct policy_tls *tls, uint64_t generation);
/* Clears what no snapshot from `oldest` on names. */
void certs_sweep(struct certs *c, uint64_t oldest);
/* Says once what is about to expire and what has. now: UTC ns. */
void certs_look(struct certs *c, int64_t now);
/* Files that the rows come from, for a watch; the caller frees the array, not the names. */
char **certs_paths(const struct certs *c, uint32_t *n);
uint32_t certs_rows(const struct certs *c, struct sock_certificate *out, uint32_t capacity);
uint64_t certs_failures(const struct certs *c);

#endif
