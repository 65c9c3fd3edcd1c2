/* SPDX-License-Identifier: Apache-2.0 */
/* What few routes have: faults, CORS and mirrors (istio-api.md 1.1.1, 1.1.7, 1.1.8). */
#include <stdlib.h>

#include "policy_model.h"
#include "policy_rules.h"

#define MILLION 1000000

/* Value x 10000, the rest cut off, as Istio tells Envoy. */
static uint32_t per_million(const struct policy_yaml *percentage, uint32_t otherwise)
{
	const struct policy_yaml *value = policy_get(percentage, "value");

	if (percentage == NULL)
		return otherwise;
	return value != NULL ? (uint32_t)(value->d * 10000) : 0;
}

static struct hd_share share_of(struct policy_load *l, uint32_t n)
{
	struct hd_share s = { .per_million = n < MILLION ? n : MILLION };

	if (n > 0)
		s.die = l->n_dice++;
	return s;
}

static void delay_fill(struct policy_load *l, const struct policy_yaml *delay, struct hd_fault *f)
{
	const struct policy_yaml *percentage = policy_get(delay, "percentage");
	uint32_t n = per_million(percentage,
				 (uint32_t)policy_get_int(delay, "percent", 0) * (MILLION / 100));

	f->delay = (hd_ns)policy_get_int(delay, "fixedDelay", 0);
	f->delayed = share_of(l, f->delay > 0 ? n : 0);
}

static void abort_fill(struct policy_load *l, const struct policy_yaml *abort_, struct hd_fault *f)
{
	const struct policy_yaml *grpc = policy_get(abort_, "grpcStatus");

	f->status = (uint16_t)policy_get_int(abort_, "httpStatus", 200);
	if (grpc != NULL)
		f->grpc = (uint8_t)(1 + policy_word_grpc_status(grpc->text));
	f->aborted = share_of(l, per_million(policy_get(abort_, "percentage"), 0));
	if (f->aborted.per_million == 0)
		f->status = 0;
	else if (f->delayed.per_million > 0)
		f->die_after_delay = l->n_dice++;
	else
		f->die_after_delay = f->aborted.die;
}

/* "a,b,c" */
static struct hd_str joined(struct policy_load *l, const struct policy_yaml *list)
{
	struct hd_str s = { "", 0 };

	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		s = policy_str_printf(&l->arena, "%.*s%s%.*s", POLICY_STR(s), s.n > 0 ? "," : "",
				      POLICY_STR(y->text));
	return policy_out(l, s);
}

static void origin_add(struct policy_load *l, const struct policy_object *origin,
		       const struct policy_yaml *y, int is_text)
{
	struct hd_string_match m = { .kind = HD_MATCH_EXACT, .regex = HD_NONE };

	if (is_text)
		m.text = policy_out(l, y->text);
	else
		policy_build_string_match(l, origin, y, 0, &m);
	if (m.kind == HD_MATCH_EXACT && policy_str_is(m.text, "*"))
		m.kind = HD_MATCH_PRESENT;
	*(struct hd_string_match *)policy_vec_push(&l->arena, &l->origin_matches) = m;
}

static uint32_t cors_of(struct policy_load *l, const struct policy_object *origin,
			const struct policy_yaml *cors)
{
	const struct policy_yaml *origins = policy_get(cors, "allowOrigins"),
				 *max_age = policy_get(cors, "maxAge");
	int is_text = origins == NULL;
	struct hd_cors c = { .origins_first = l->origin_matches.n };

	if (cors == NULL)
		return 0;
	if (is_text)
		origins = policy_get(cors, "allowOrigin");
	for (const struct policy_yaml *y = origins != NULL ? origins->first : NULL; y != NULL;
	     y = y->next)
		origin_add(l, origin, y, is_text);
	c.origins_count = l->origin_matches.n - c.origins_first;
	c.methods = joined(l, policy_get(cors, "allowMethods"));
	c.headers = joined(l, policy_get(cors, "allowHeaders"));
	c.expose = joined(l, policy_get(cors, "exposeHeaders"));
	if (max_age != NULL)
		c.max_age = policy_out(
			l, policy_str_printf(&l->arena, "%llu",
					     (unsigned long long)max_age->i / HD_NS_PER_S));
	c.credentials = policy_get_int(cors, "allowCredentials", 0) != 0;
	c.forwards_unmatched = policy_get_int(cors, "unmatchedPreflights", 0) != 2;
	*(struct hd_cors *)policy_vec_push(&l->arena, &l->cors) = c;
	return l->cors.n;
}

/* A destination that is not there is left out, and said. */
static void mirror_add(struct policy_load *l, const struct policy_object *origin, uint16_t port,
		       const struct policy_yaml *destination, uint32_t n)
{
	struct hd_mirror *m;
	uint32_t cluster;

	if (destination == NULL || n == 0)
		return;
	cluster = policy_destination_cluster(l, origin, port, destination, &port);
	if (cluster == HD_NONE)
		return;
	m = policy_vec_push(&l->arena, &l->mirrors);
	m->cluster = cluster;
	m->share = share_of(l, n);
}

static void mirrors_add(struct policy_load *l, const struct policy_object *origin, uint16_t port,
			const struct policy_yaml *rule)
{
	const struct policy_yaml *list = policy_get(rule, "mirrors"),
				 *percent = policy_get(rule, "mirrorPercent");

	mirror_add(l, origin, port, policy_get(rule, "mirror"),
		   per_million(policy_get(rule, "mirrorPercentage"),
			       percent != NULL ? (uint32_t)percent->i * (MILLION / 100) : MILLION));
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		mirror_add(l, origin, port, policy_get(y, "destination"),
			   per_million(policy_get(y, "percentage"), MILLION));
}

uint32_t policy_build_extras(struct policy_load *l, const struct policy_object *origin,
			     uint16_t port, const struct policy_yaml *rule)
{
	const struct policy_yaml *fault = policy_get(rule, "fault"),
				 *delay = policy_get(fault, "delay"),
				 *abort_ = policy_get(fault, "abort");
	struct hd_extras e = { .mirrors_first = l->mirrors.n };

	if (delay != NULL)
		delay_fill(l, delay, &e.fault);
	if (abort_ != NULL)
		abort_fill(l, abort_, &e.fault);
	e.cors = cors_of(l, origin, policy_get(rule, "corsPolicy"));
	mirrors_add(l, origin, port, rule);
	e.mirrors_count = l->mirrors.n - e.mirrors_first;
	if (e.fault.delayed.per_million + e.fault.status + e.cors + e.mirrors_count == 0)
		return 0;
	*(struct hd_extras *)policy_vec_push(&l->arena, &l->extras) = e;
	return l->extras.n;
}
