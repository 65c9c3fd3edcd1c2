/* SPDX-License-Identifier: Apache-2.0 */
/* Outlier detection of a cluster, with the defaults that Istio gives Envoy (istio-api.md 1.2.4). */
#include "policy_model.h"

#define CONSECUTIVE_5XX 5
#define CONSECUTIVE_LOCAL 5
#define INTERVAL (10 * (int64_t)HD_NS_PER_S)
#define BASE_EJECTION_TIME (30 * (int64_t)HD_NS_PER_S)
#define MAX_EJECTION_TIME (300 * HD_NS_PER_S)
#define MAX_EJECTION_PERCENT 10

static uint32_t count_of(const struct policy_yaml *block, const char *name, int64_t otherwise)
{
	return (uint32_t)policy_get_int(block, name, otherwise);
}

static void codes_fill(struct hd_outlier *o, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		o->has_codes = 1;
		o->codes[(y->i - 100) / 8] |= (uint8_t)(1 << (y->i - 100) % 8);
	}
}

uint32_t policy_build_outlier(struct policy_load *l, const struct policy_service *s,
			      const struct policy_traffic *t)
{
	const struct policy_yaml *block = t->outlier;
	struct hd_outlier *o;
	int64_t percent;

	if (block == NULL)
		return 0;
	o = policy_vec_push(&l->arena, &l->outliers);
	percent = policy_get_int(block, "maxEjectionPercent", 0);
	o->splits_local = policy_get_int(block, "splitExternalLocalOriginErrors", 0) != 0;
	o->consecutive_5xx = count_of(block, "consecutive5xxErrors", CONSECUTIVE_5XX);
	o->consecutive_gateway = count_of(block, "consecutiveGatewayErrors", 0);
	if (o->splits_local)
		o->consecutive_local =
			count_of(block, "consecutiveLocalOriginFailures", CONSECUTIVE_LOCAL);
	o->interval = (hd_ns)policy_get_int(block, "interval", INTERVAL);
	o->base_ejection_time =
		(hd_ns)policy_get_int(block, "baseEjectionTime", BASE_EJECTION_TIME);
	o->max_ejection_time = MAX_EJECTION_TIME;
	o->max_ejection_percent = (uint8_t)(percent > 0 ? percent : MAX_EJECTION_PERCENT);
	/* Of a service that publishes addresses that are not ready, nothing says how many are. */
	o->min_health_percent =
		s->publish_unready ? 0 : (uint8_t)policy_get_int(block, "minHealthPercent", 0);
	codes_fill(o, policy_get(block, "outlierDetectionHttpErrorCodes"));
	if (t->outlier_object != NULL) /* else it is the mesh's default */
		o->source = policy_source(l, t->outlier_object, block);
	return l->outliers.n;
}
