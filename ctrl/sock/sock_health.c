/* SPDX-License-Identifier: Apache-2.0 */
/* Which endpoints are out, and why: what ctrl/health knows, for operators. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "sock_command.h"
#include "sock_policy.h"

const char *sock_health_name(uint8_t health)
{
	static const char *const names[] = { [HD_EP_HEALTHY] = "healthy",
					     [HD_EP_UNREADY] = "unready",
					     [HD_EP_DRAINING] = "draining",
					     [HD_EP_EJECTED] = "ejected" };

	return health < HD_ARRAY_SIZE(names) ? names[health] : "unknown";
}

uint8_t sock_health(const struct sock_host *h, const struct hd_endpoint *e)
{
	struct health_view v;

	health_look(h->health(h->arg), e, &v);
	return v.health;
}

json_t *sock_probe_json(const struct health_view *v)
{
	char text[64];

	if (v->probe == NULL)
		return json_null();
	snprintf(text, sizeof(text), "%s: %s", v->probe->is_failing ? "failing" : "passing",
		 v->probe->why[0] != '\0' ? v->probe->why : "not asked yet");
	return json_string(text);
}

static int64_t clock_read(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * (int64_t)HD_NS_PER_S + t.tv_nsec;
}

json_t *sock_json_time(hd_ns at)
{
	return sock_json_wall(
		(hd_ns)((int64_t)at + clock_read(CLOCK_REALTIME) - clock_read(CLOCK_MONOTONIC)));
}

json_t *sock_json_wall(hd_ns wall)
{
	time_t seconds = (time_t)(wall / HD_NS_PER_S);
	char day[24], text[40];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%FT%T", &tm);
	snprintf(text, sizeof(text), "%s.%03dZ", day, (int)(wall % HD_NS_PER_S / HD_NS_PER_MS));
	return json_string(text);
}

static void counters_put(json_t *row, const struct health_outlier_host *o,
			 const struct hd_outlier *rule)
{
	sock_put_number(row, "consecutive_5xx", o->consecutive_5xx);
	sock_put_number(row, "threshold_5xx", rule->consecutive_5xx);
	sock_put_number(row, "consecutive_gateway", o->consecutive_gateway);
	sock_put_number(row, "threshold_gateway", rule->consecutive_gateway);
	sock_put_number(row, "consecutive_local", o->consecutive_local);
	sock_put_number(row, "threshold_local", rule->consecutive_local);
	sock_put_number(row, "multiplier", o->multiplier);
	sock_put_number(row, "ejections", o->ejections);
}

static void cluster_put(json_t *row, const struct health_cluster_view *c)
{
	sock_put_number(row, "cluster_endpoints", c->outlier->n_hosts);
	sock_put_number(row, "cluster_ejected", c->outlier->n_ejected);
	sock_put_number(row, "max_ejection_percent", c->outlier->rule->max_ejection_percent);
	sock_put_number(row, "cluster_overflow", c->outlier->overflow);
	sock_put(row, "panic", json_boolean(c->is_panic));
}

static void rate_put(json_t *row, const struct health_rate *r, const struct health_rates *all)
{
	sock_put_number(row, "interval_tries", r->tries);
	sock_put_number(row, "interval_failures", r->failures);
	sock_put(row, "success_percent", r->percent >= 0 ? json_real(r->percent) : json_null());
	sock_put(row, "success_threshold",
		 all->threshold >= 0 ? json_real(all->threshold) : json_null());
}

static void text_put(json_t *row, const struct health_view *v)
{
	char text[160];

	if (v->is_said)
		snprintf(text, sizeof(text), "an operator said so: `endpoint admit` takes it back");
	else if (v->outlier->is_ejected)
		snprintf(text, sizeof(text), "%s; ejection %u, for %u x baseEjectionTime",
			 health_detector_name(v->outlier->by), v->outlier->ejections,
			 v->outlier->multiplier);
	else if (v->is_watched)
		snprintf(text, sizeof(text), "failed lately, in rotation");
	else if (v->outlier->ejections > 0)
		snprintf(text, sizeof(text), "was ejected before, in rotation");
	else
		text[0] = '\0';
	sock_put_text(row, "text", text);
}

static json_t *time_or_null(int is_there, hd_ns at)
{
	return is_there ? sock_json_time(at) : json_null();
}

static void row_add(json_t *rows, const struct hd_cluster *c, const struct hd_endpoint *e,
		    const struct health_view *v, const struct health_cluster_view *cv)
{
	json_t *row = sock_row(rows);
	int is_ejected = v->outlier->is_ejected;

	sock_put(row, "address", sock_json_addr(&e->addr));
	sock_put(row, "cluster", sock_json_str(c->name));
	sock_put_text(row, "health", sock_health_name(v->health));
	sock_put_text(row, "cause",
		      v->is_said   ? "operator"
		      : is_ejected ? health_detector_name(v->outlier->by)
				   : "");
	sock_put(row, "since", time_or_null(is_ejected, v->outlier->ejected_at));
	sock_put(row, "until", time_or_null(is_ejected, v->until));
	text_put(row, v);
	counters_put(row, v->outlier, cv->outlier->rule);
	cluster_put(row, cv);
	rate_put(row, &v->rate, &cv->rates);
	sock_put(row, "decided_in_us",
		 v->decided_in > 0 ? json_integer((json_int_t)(v->decided_in / HD_NS_PER_US))
				   : json_null());
	sock_put(row, "source", sock_source_json(&cv->outlier->rule->source));
}

static int is_of_interest(const struct health_view *v)
{
	return v->is_said || v->is_watched || v->outlier->is_ejected || v->outlier->ejections > 0;
}

/* Endpoints of which there is nothing to tell are left out unless `all` asks for them. */
int sock_show_outliers(struct sock_request *rq)
{
	const struct sock_host *h = rq->host;
	const struct hd_snapshot *s = h->snapshot(h->arg);
	int all = json_is_true(json_object_get(rq->args, "all"));

	if (sock_args_allow(rq, "all", NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		const struct hd_cluster *c = &s->clusters[i];
		struct health_cluster_view cv;

		health_cluster_look(h->health(h->arg), c, &cv);
		for (uint32_t k = 0; cv.outlier != NULL && k < c->endpoints_count; k++) {
			const struct hd_endpoint *e = &s->endpoints[c->endpoints_first + k];
			struct health_view v;

			health_look(h->health(h->arg), e, &v);
			if (all || is_of_interest(&v))
				row_add(rq->result, c, e, &v, &cv);
		}
	}
	return 0;
}
