/* SPDX-License-Identifier: Apache-2.0 */
/* Outlier detection as OpenMetrics: clusters that have it. Control thread. */
#ifndef OBSERVE_OUTLIERS_H
#define OBSERVE_OUTLIERS_H

#include "health.h"
#include "observe_text.h"

void observe_outliers_write(struct observe_text *t, const struct health *h,
			    const struct hd_snapshot *s);

#endif
