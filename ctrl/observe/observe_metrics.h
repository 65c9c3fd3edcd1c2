/* SPDX-License-Identifier: Apache-2.0 */
/* OpenMetrics text of everything that is counted. Control thread. */
#ifndef OBSERVE_METRICS_H
#define OBSERVE_METRICS_H

#include <heddle/dp.h>

#include "observe_access.h"
#include "observe_http.h"
#include "observe_requests.h"
#include "observe_text.h"

struct observe_metrics_input {
	const struct hd_dp *dp;
	const struct hd_snapshot *snapshot;
	const struct observe_requests *requests;
	const struct health *health;
	const struct observe_http *http;     /* NULL: not served over HTTP */
	const struct observe_access *access; /* NULL: no access log */
	const char *version;
	uint64_t reloads, reload_failures;
	double started; /* seconds since 1970 */
};

void observe_metrics_write(struct observe_text *t, const struct observe_metrics_input *in);

#endif
