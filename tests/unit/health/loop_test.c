/* SPDX-License-Identifier: Apache-2.0 */
/* The whole loop on a virtual clock: a proxy asks endpoints and tells, ctrl/health decides, the
 * proxy picks again. A second reading of Envoy's algorithm, written as its documentation tells it,
 * foretells where each request goes and what its caller gets. */
#include "../proxy/bed_talk.h"

#include <heddle/log.h>

#include "fake_dp.h"
#include "health.h"

#define MS HD_NS_PER_MS
#define S HD_NS_PER_S
#define REQUESTS 1500
#define ROUNDS 24
#define RESETS 60 /* each costs the fake tcp a connection */

void hd_log(enum hd_log_level level, const char *area, const char *format, ...)
{
}

static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % n);
}

/* The second reading: doubles, milliseconds, one host after the other. */
struct host {
	uint32_t fives, gateways, locals;
	int is_out;
	double out_at, back_at;
	uint32_t backoff;
};

struct model {
	const struct hd_outlier *rule;
	struct host hosts[BED_ENDPOINTS];
	uint32_t n, cursor, ejections, overflow;
	double next_sweep;
};

static double ms(hd_ns t)
{
	return (double)t / 1e6;
}

static uint32_t count_out(const struct model *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n; i++)
		n += (uint32_t)m->hosts[i].is_out;
	return n;
}

static int in_panic(const struct model *m)
{
	uint32_t healthy = m->n - count_out(m);
	double availability = 140.0 * healthy / m->n;

	return m->rule->min_health_percent > 0 && (int)availability < 100 &&
	       100.0 * healthy / m->n < m->rule->min_health_percent;
}

/* The host that round robin asks next, or -1. */
static int model_pick(struct model *m)
{
	int panic = in_panic(m);

	for (uint32_t k = 0; k < m->n; k++) {
		uint32_t i = ((m->cursor < m->n ? m->cursor : 0) + k) % m->n;

		if (m->hosts[i].is_out && !panic)
			continue;
		m->cursor = i + 1;
		return (int)i;
	}
	return -1;
}

static void model_detected(struct model *m, struct host *h, uint32_t *counter, double now)
{
	double percent = 100.0 * (count_out(m) + 1) / m->n;

	if (h->is_out)
		return;
	*counter = 0;
	if (percent > m->rule->max_ejection_percent) {
		m->overflow++;
		return;
	}
	m->ejections++;
	h->is_out = 1;
	h->out_at = now;
	if (h->backoff * ms(m->rule->base_ejection_time) <
	    ms(m->rule->max_ejection_time) + ms(m->rule->base_ejection_time))
		h->backoff++;
}

static void model_status(struct model *m, struct host *h, uint32_t status, double now)
{
	if (status < 500) {
		h->fives = h->gateways = 0;
		return;
	}
	if (status >= 502 && status <= 504) {
		if (++h->gateways == m->rule->consecutive_gateway)
			model_detected(m, h, &h->gateways, now);
	} else {
		h->gateways = 0;
	}
	if (++h->fives == m->rule->consecutive_5xx)
		model_detected(m, h, &h->fives, now);
}

/* A connection that ended after the request was sent. */
static void model_reset(struct model *m, struct host *h, double now)
{
	if (!m->rule->splits_local) {
		model_status(m, h, 503, now);
		return;
	}
	h->locals = 1;
	if (h->locals == m->rule->consecutive_local)
		model_detected(m, h, &h->locals, now);
}

static void model_sweep(struct model *m, double now)
{
	for (uint32_t i = 0; i < m->n; i++) {
		struct host *h = &m->hosts[i];
		double time = ms(m->rule->base_ejection_time) * h->backoff,
		       most = ms(m->rule->max_ejection_time);

		if (!h->is_out) {
			if (h->backoff > 0 && now - h->back_at >= ms(m->rule->interval))
				h->backoff--;
			continue;
		}
		if (most < ms(m->rule->base_ejection_time))
			most = ms(m->rule->base_ejection_time);
		if (now - h->out_at < (time < most ? time : most))
			continue;
		h->is_out = 0;
		h->back_at = now;
		h->fives = h->gateways = h->locals = 0;
	}
}

/* The thing itself. */
struct rig {
	struct bed *b;
	struct hd_dp *dp;
	struct health *health;
	struct tcp_conn *caller;
	uint32_t resets;
};

static void words_take(struct rig *r)
{
	for (uint32_t i = 0; i < BED_ENDPOINTS; i++) {
		r->b->health[i] = fake_dp_health(r->dp, i);
		r->b->watched[i] = fake_dp_watched(r->dp, i) != 0;
	}
}

static void outcomes_take(struct rig *r)
{
	const struct hd_outcome *o;

	while ((o = hd_ring_peek(r->b->outcomes)) != NULL) {
		health_put(r->health, o, r->b->now);
		hd_ring_pop(r->b->outcomes);
	}
	words_take(r);
}

static void rule_draw(struct hd_outlier *o)
{
	static const uint8_t percents[] = { 10, 25, 34, 50, 67, 100 };

	*o = (struct hd_outlier){
		.consecutive_5xx = below(6),
		.consecutive_gateway = below(3) == 0 ? 1 + below(4) : 0,
		.splits_local = below(3) == 0,
		.max_ejection_percent = percents[below(HD_ARRAY_SIZE(percents))],
		.min_health_percent = below(3) == 0 ? (uint8_t)(10 * below(10)) : 0,
		.interval = (1 + below(5)) * S,
		.base_ejection_time = (500 + below(8) * 500) * MS,
		.max_ejection_time = 10 * S,
	};
	o->consecutive_local = o->splits_local ? 1 + below(2) : 0;
}

static void rig_open(struct rig *r, struct model *m, uint32_t n)
{
	*r = (struct rig){ .b = bed_create(n), .dp = fake_dp_create(1) };
	r->health = health_create();
	assert_non_null(r->health);
	rule_draw(&r->b->outliers[0]);
	r->b->clusters[0].outlier = 1;
	r->b->routes[0].retry.attempts = 0;
	bed_publish(r->b);
	*m = (struct model){ .rule = &r->b->outliers[0], .n = n };
	assert_int_equal(health_reserve(r->health, &r->b->snapshots[r->b->generation % 2]), 0);
	health_snapshot(r->health, r->dp, &r->b->snapshots[r->b->generation % 2], r->b->now);
	m->next_sweep = ms(r->b->now) + ms(m->rule->interval);
	words_take(r);
	r->caller = bed_caller(r->b);
}

static void rig_close(struct rig *r)
{
	health_destroy(r->health);
	fake_dp_destroy(r->dp);
	bed_destroy(r->b);
}

/* The endpoint's connection that heard the request, or NULL. */
static struct tcp_conn *asked(struct rig *r)
{
	struct tcp_conn *c;

	for (uint32_t i = 0; (c = fake_tcp_opened(r->b->tcp, i)) != NULL; i++) {
		if (c->is_live && c->acked == 0 && c->sent == 0 && !c->is_ready) {
			fake_tcp_connected(c);
			bed_run(r->b);
		}
		if (fake_tcp_heard(c)[0] != '\0')
			return c;
	}
	return NULL;
}

static uint16_t status_draw(uint32_t bad, uint32_t host)
{
	static const uint16_t failures[] = { 500, 501, 502, 503, 504 };

	/* Some hosts fail more than others, at times. */
	if (below(10) < (host % 3 == bad ? 8u : 1u))
		return failures[below(HD_ARRAY_SIZE(failures))];
	return below(8) == 0 ? 404 : 200;
}

static void assert_status(struct rig *r, uint16_t status)
{
	char line[32];

	snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
	assert_has(fake_tcp_heard(r->caller), line);
}

/* One request, and the same in the model. */
static void ask(struct rig *r, struct model *m, uint32_t bad)
{
	int host = model_pick(m);
	struct tcp_conn *up;
	char text[64];
	uint16_t status;

	fake_tcp_say(r->caller, GET);
	bed_run(r->b);
	up = asked(r);
	if (host < 0) {
		assert_null(up);
		assert_status(r, 503);
		return;
	}
	assert_non_null(up);
	assert_int_equal(up->key.remote.b[15], 2 + host);
	status = status_draw(bad, (uint32_t)host);
	if (status == 501 && r->resets < RESETS) {
		r->resets++;
		fake_tcp_ack(up);
		fake_tcp_fin(up);
		status = 503;
		model_reset(m, &m->hosts[host], ms(r->b->now));
	} else {
		snprintf(text, sizeof(text), "HTTP/1.1 %u X\r\nContent-Length: 0\r\n\r\n", status);
		fake_tcp_say(up, text);
		m->hosts[host].locals = 0;
		model_status(m, &m->hosts[host], status, ms(r->b->now));
	}
	bed_run(r->b);
	assert_status(r, status);
	outcomes_take(r);
}

static void sweeps_run(struct rig *r, struct model *m, hd_ns until)
{
	while (m->next_sweep <= ms(until)) {
		hd_ns at = (hd_ns)(m->next_sweep * 1e6);

		model_sweep(m, m->next_sweep);
		health_tick(r->health, at);
		m->next_sweep += ms(m->rule->interval);
	}
	words_take(r);
}

static void each_request_goes_where_envoys_arithmetic_says(void **state)
{
	uint64_t ejections = 0, overflow = 0, refused = 0;

	seed = 1;
	for (int round = 0; round < ROUNDS; round++) {
		struct health_cluster_view v;
		struct model m;
		struct rig r;
		uint32_t bad = 0;

		rig_open(&r, &m, 1 + below(6));
		for (uint32_t i = 0; i < REQUESTS; i++) {
			bad = below(200) == 0 ? below(4) : bad;
			bed_pass(r.b, below(60) * MS);
			sweeps_run(&r, &m, r.b->now);
			ask(&r, &m, bad);
		}
		health_cluster_look(r.health, &r.b->clusters[0], &v);
		assert_int_equal(health_totals(r.health)->ejections, m.ejections);
		assert_int_equal(v.outlier->overflow, m.overflow);
		assert_int_equal(v.outlier->n_ejected, count_out(&m));
		ejections += m.ejections;
		overflow += m.overflow;
		refused += bed_count(r.b, HD_PROXY_NO_ENDPOINT);
		rig_close(&r);
	}
	assert_true(ejections > 100 && overflow > 100 && refused > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_request_goes_where_envoys_arithmetic_says),
	};

	if (bed_eal("unit-health-loop") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
