/* SPDX-License-Identifier: Apache-2.0 */
/* Istio's standard request metrics, counted from the workers' access records. Control thread. */
#ifndef OBSERVE_REQUESTS_H
#define OBSERVE_REQUESTS_H

#include <heddle/msg.h>
#include <heddle/node.h>

#include "observe_text.h"

struct observe_requests;

/* The node says which callers are its own workloads; it must outlive this. */
[[nodiscard]] int observe_requests_create(const struct hd_node *node,
					  struct observe_requests **out);
void observe_requests_destroy(struct observe_requests *r);
void observe_requests_count(struct observe_requests *r, const struct hd_access_record *record);
/* OpenMetrics families. */
void observe_requests_write(struct observe_text *t, const struct observe_requests *r);

#endif
