/* SPDX-License-Identifier: Apache-2.0 */
/* Envoy's outlier detection over the hosts of one cluster (istio-api.md 5.1): counts outcomes,
 * ejects, and lets back in. Pure arithmetic; time is an argument. */
#ifndef HEALTH_OUTLIER_H
#define HEALTH_OUTLIER_H

#include <heddle/msg.h>
#include <heddle/snapshot.h>

/* Why an endpoint is an outlier. X(symbol, name). */
#define HEALTH_DETECTORS(X)                       \
	X(NONE, "")                               \
	X(5XX, "consecutive_5xx")                 \
	X(GATEWAY, "consecutive_gateway_failure") \
	X(LOCAL, "consecutive_local_origin_failure")

enum health_detector {
#define HEALTH_DETECTOR_ENUM(symbol, name) HEALTH_BY_##symbol,
	HEALTH_DETECTORS(HEALTH_DETECTOR_ENUM)
#undef HEALTH_DETECTOR_ENUM
	HEALTH_BY_MAX
};
const char *health_detector_name(enum health_detector d);

struct health_outlier_cluster {
	const struct hd_outlier *rule;
	uint32_t n_hosts, n_ejected;
	/* Only rise. */
	uint64_t detected[HEALTH_BY_MAX], enforced[HEALTH_BY_MAX];
	uint64_t overflow; /* detected, but maxEjectionPercent said no */
};

/* Zero at first. */
struct health_outlier_host {
	uint32_t consecutive_5xx, consecutive_gateway, consecutive_local;
	uint32_t multiplier; /* of baseEjectionTime */
	uint32_t ejections;
	uint8_t is_ejected;
	uint8_t by; /* health_detector of the last ejection */
	hd_ns ejected_at, returned_at;
};

/* Whether an outcome speaks against its host. */
int health_outlier_is_failure(const struct hd_outlier *rule, const struct hd_outcome *o);
/* True: the host was ejected by this outcome. */
int health_outlier_put(struct health_outlier_cluster *c, struct health_outlier_host *h,
		       const struct hd_outcome *o, hd_ns now);
/* What each interval does with a host. True: it came back. */
int health_outlier_sweep(struct health_outlier_cluster *c, struct health_outlier_host *h,
			 hd_ns now);
/* How long the present ejection lasts at least; it ends with a sweep. */
hd_ns health_outlier_until(const struct hd_outlier *rule, const struct health_outlier_host *h);
/* Nothing was counted since the last success. */
static inline int health_outlier_is_quiet(const struct health_outlier_host *h)
{
	return !h->is_ejected && (h->consecutive_5xx | h->consecutive_gateway |
				  h->consecutive_local) == 0;
}

#endif
