/* SPDX-License-Identifier: Apache-2.0 */
/* Success rates and failure percentages of a cluster's hosts in one interval, by Envoy's rules and
 * defaults. Istio lets Envoy find such outliers and never eject them, so they are found, counted
 * and shown. */
#ifndef HEALTH_RATES_H
#define HEALTH_RATES_H

#include <heddle/base.h>

struct health_rate {
	uint64_t tries, failures; /* of one host in the interval */
	double percent;		  /* of success; below 0: too few tries to tell */
	uint8_t is_low;		  /* below the others by 1.9 standard deviations */
	uint8_t is_failing;	  /* at least 85 % failed */
};

struct health_rates {
	double average, threshold; /* of success, in percent; below 0: too few hosts to tell */
	uint32_t n_low, n_failing;
};

void health_rates_judge(struct health_rate *hosts, uint32_t n, struct health_rates *out);

#endif
