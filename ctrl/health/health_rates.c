/* SPDX-License-Identifier: Apache-2.0 */
#include "health_rates.h"

#include <math.h>

/* Envoy's defaults, which Istio leaves alone. */
#define RATE_TRIES 100
#define RATE_HOSTS 5
#define RATE_FACTOR 1.9
#define FAILURE_TRIES 50
#define FAILURE_HOSTS 5
#define FAILURE_PERCENT 85.0

static double success_percent(const struct health_rate *h)
{
	return 100.0 * (double)(h->tries - h->failures) / (double)h->tries;
}

/* The mean of those with enough tries, and the deviation below which a host stands out. */
static void judge_success(struct health_rate *hosts, uint32_t n, struct health_rates *out)
{
	double sum = 0, variance = 0;
	uint32_t valid = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (hosts[i].tries < RATE_TRIES)
			continue;
		sum += hosts[i].percent = success_percent(&hosts[i]);
		valid++;
	}
	if (valid < RATE_HOSTS)
		return;
	out->average = sum / valid;
	for (uint32_t i = 0; i < n; i++)
		if (hosts[i].percent >= 0)
			variance += (hosts[i].percent - out->average) *
				    (hosts[i].percent - out->average);
	out->threshold = out->average - RATE_FACTOR * sqrt(variance / valid);
	for (uint32_t i = 0; i < n; i++) {
		hosts[i].is_low = hosts[i].percent >= 0 && hosts[i].percent < out->threshold;
		out->n_low += hosts[i].is_low;
	}
}

static void judge_failure(struct health_rate *hosts, uint32_t n, struct health_rates *out)
{
	uint32_t valid = 0;

	for (uint32_t i = 0; i < n; i++)
		valid += hosts[i].tries >= FAILURE_TRIES;
	if (valid < FAILURE_HOSTS)
		return;
	for (uint32_t i = 0; i < n; i++) {
		hosts[i].is_failing = hosts[i].tries >= FAILURE_TRIES &&
				      100.0 - success_percent(&hosts[i]) >= FAILURE_PERCENT;
		out->n_failing += hosts[i].is_failing;
	}
}

void health_rates_judge(struct health_rate *hosts, uint32_t n, struct health_rates *out)
{
	*out = (struct health_rates){ .average = -1, .threshold = -1 };
	for (uint32_t i = 0; i < n; i++) {
		hosts[i].percent = -1;
		hosts[i].is_low = hosts[i].is_failing = 0;
	}
	judge_success(hosts, n, out);
	judge_failure(hosts, n, out);
}
