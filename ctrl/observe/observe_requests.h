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
/* What one set of labels counted. */
struct observe_request_row {
	struct hd_str service, subset; /* "api.default.svc.cluster.local"; empty: no cluster was chosen */
	uint32_t flags;		       /* hd_response_flag */
	uint16_t status;
	uint8_t tcp;
	uint64_t requests, bytes_received, bytes_sent;
	hd_ns duration;		       /* their sum */
	const uint64_t *buckets;       /* of durations, not cumulative; one more than there are bounds */
};
#define OBSERVE_BUCKETS 19
extern const double observe_bucket_ms[OBSERVE_BUCKETS];

uint32_t observe_requests_n(const struct observe_requests *r);
/* The strings live as long as r, and until the next observe_requests_count. */
void observe_requests_row(const struct observe_requests *r, uint32_t i, struct observe_request_row *out);
/* OpenMetrics families. */
void observe_requests_write(struct observe_text *t, const struct observe_requests *r);

#endif
