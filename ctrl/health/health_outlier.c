/* SPDX-License-Identifier: Apache-2.0 */
#include "health_outlier.h"

const char *health_detector_name(enum health_detector d)
{
	static const char *const names[] = {
#define HEALTH_DETECTOR_NAME(symbol, name) [HEALTH_BY_##symbol] = name,
		HEALTH_DETECTORS(HEALTH_DETECTOR_NAME)
#undef HEALTH_DETECTOR_NAME
	};

	return names[d];
}

/* 100 x (ejected + 1) / hosts <= percent, as Envoy since 1.28: not even the first goes when that is
 * too many. */
static int may_eject(const struct health_outlier_cluster *c)
{
	return (uint64_t)100 * (c->n_ejected + 1) <=
	       (uint64_t)c->rule->max_ejection_percent * c->n_hosts;
}

static void eject(struct health_outlier_cluster *c, struct health_outlier_host *h,
		  enum health_detector by, hd_ns now)
{
	const struct hd_outlier *r = c->rule;

	c->n_ejected++;
	c->enforced[by]++;
	h->is_ejected = 1;
	h->by = (uint8_t)by;
	h->ejections++;
	h->ejected_at = now;
	if (h->multiplier * r->base_ejection_time < r->max_ejection_time + r->base_ejection_time)
		h->multiplier++;
}

/* A counter reached its threshold exactly. It starts anew whether or not the host may go, unless it
 * is out already: then nothing happens at all. */
static int detect(struct health_outlier_cluster *c, struct health_outlier_host *h,
		  enum health_detector by, uint32_t *counter, hd_ns now)
{
	if (h->is_ejected)
		return 0;
	c->detected[by]++;
	*counter = 0;
	if (!may_eject(c)) {
		c->overflow++;
		return 0;
	}
	eject(c, h, by, now);
	return 1;
}

static int is_error(const struct hd_outlier *r, uint32_t status)
{
	return r->has_codes ? hd_outlier_has_code(r, status) : status >= 500;
}

int health_outlier_is_failure(const struct hd_outlier *r, const struct hd_outcome *o)
{
	if (o->kind == HD_OUTCOME_ANSWER)
		return is_error(r, o->status);
	return o->kind != HD_OUTCOME_CONNECTED;
}

static int put_status(struct health_outlier_cluster *c, struct health_outlier_host *h,
		      uint32_t status, hd_ns now)
{
	const struct hd_outlier *r = c->rule;
	int ejected = 0;

	if (!is_error(r, status)) {
		h->consecutive_5xx = h->consecutive_gateway = 0;
		return 0;
	}
	if (status < 502 || status > 504)
		h->consecutive_gateway = 0;
	else if (++h->consecutive_gateway == r->consecutive_gateway)
		ejected |= detect(c, h, HEALTH_BY_GATEWAY, &h->consecutive_gateway, now);
	if (++h->consecutive_5xx == r->consecutive_5xx)
		ejected |= detect(c, h, HEALTH_BY_5XX, &h->consecutive_5xx, now);
	return ejected;
}

/* A failure that stands for a status when the rule does not tell such apart. */
static int put_local(struct health_outlier_cluster *c, struct health_outlier_host *h,
		     const struct hd_outcome *o, uint32_t status, hd_ns now)
{
	if (!c->rule->splits_local)
		return put_status(c, h, status, now);
	/* That there was a connection is a success of this kind. */
	if (o->was_sent)
		h->consecutive_local = 0;
	if (++h->consecutive_local == c->rule->consecutive_local)
		return detect(c, h, HEALTH_BY_LOCAL, &h->consecutive_local, now);
	return 0;
}

int health_outlier_put(struct health_outlier_cluster *c, struct health_outlier_host *h,
		       const struct hd_outcome *o, hd_ns now)
{
	switch ((enum hd_outcome_kind)o->kind) {
	case HD_OUTCOME_CONNECTED:
		h->consecutive_local = 0;
		/* Of a stream nothing else will be known. */
		return c->rule->splits_local ? 0 : put_status(c, h, 200, now);
	case HD_OUTCOME_ANSWER:
		h->consecutive_local = 0;
		return put_status(c, h, o->status, now);
	case HD_OUTCOME_CONNECT_FAILURE:
	case HD_OUTCOME_RESET:
		return put_local(c, h, o, 503, now);
	case HD_OUTCOME_TIMEOUT:
		return put_local(c, h, o, 504, now);
	}
	return 0;
}

hd_ns health_outlier_until(const struct hd_outlier *r, const struct health_outlier_host *h)
{
	hd_ns most = r->max_ejection_time > r->base_ejection_time ? r->max_ejection_time
								  : r->base_ejection_time;
	hd_ns time = h->multiplier * r->base_ejection_time;

	return h->ejected_at + (time < most ? time : most);
}

/* A host that came back keeps its multiplier for one whole interval; then it falls by one each. */
int health_outlier_sweep(struct health_outlier_cluster *c, struct health_outlier_host *h, hd_ns now)
{
	if (!h->is_ejected) {
		if (h->multiplier > 0 && now - h->returned_at >= c->rule->interval)
			h->multiplier--;
		return 0;
	}
	if (now < health_outlier_until(c->rule, h))
		return 0;
	c->n_ejected--;
	h->is_ejected = 0;
	h->returned_at = now;
	h->consecutive_5xx = h->consecutive_gateway = h->consecutive_local = 0;
	return 1;
}
