/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asked when, and what answers mean. */
#include "health_test.h"

#include "fake_dp.h"
#include "health_probe.h"

static struct hd_probe_rule rule;
static struct hd_endpoint endpoints[4];
static struct hd_snapshot snapshot;
static struct hd_cluster cluster;
static struct health_probes table;
static struct hd_dp *dp;
static hd_ns now;
static uint32_t seen;

static void see(const struct health_probe_row *r)
{
	seen++;
}

static void publish(void)
{
	assert_int_equal(health_probes_reserve(&table, &snapshot), 0);
	health_probes_snapshot(&table, &snapshot, now);
}

static int make(void **state)
{
	table = (struct health_probes){ 0 };
	dp = fake_dp_create(2);
	now = 1000 * S;
	seen = 0;
	rule = (struct hd_probe_rule){ .port = 8080,
				       .timeout = 1 * S,
				       .period = 10 * S,
				       .success_threshold = 1,
				       .failure_threshold = 3 };
	for (uint32_t i = 0; i < 4; i++)
		endpoints[i] =
			(struct hd_endpoint){ .addr = { hd_ip_from_v4(0x0202000a + (i << 24)), 80 },
					      .probe = i == 0 };
	cluster = (struct hd_cluster){ .endpoints_count = 4, .sni = { "a.svc", 5 } };
	snapshot = (struct hd_snapshot){ .endpoints = endpoints,
					 .n_endpoints = 4,
					 .probes = &rule,
					 .n_probes = 1,
					 .clusters = &cluster,
					 .n_clusters = 1 };
	publish();
	return 0;
}

static int cleanup(void **state)
{
	health_probes_fini(&table);
	fake_dp_destroy(dp);
	return 0;
}

static uint32_t run(void)
{
	return health_probes_run(&table, dp, now, see);
}

/* The question that lies in a worker's mailbox, or NULL. */
static struct hd_probe *question(uint32_t worker)
{
	struct hd_ring *mailbox = fake_dp_worker(dp, worker)->mailbox;
	const struct hd_ctrl_msg *msg = hd_ring_peek(mailbox);
	struct hd_probe *q;

	if (msg == NULL)
		return NULL;
	assert_int_equal(msg->type, HD_CTRL_PROBE);
	q = msg->probe;
	hd_ring_pop(mailbox);
	return q;
}

/* Of a workload of the mesh all ports, of others the one that requests go to. */
static void who_speaks_tls_is_asked_in_tls(void **state)
{
	static const struct {
		uint16_t port;
		const char *identity;
		uint32_t context;
	} rows[] = { { 80, "", 7 }, { 8080, "", 0 }, { 8080, "spiffe://td/ns/a/sa/b", 7 } };

	endpoints[0].tls_context = 7;
	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		struct hd_probe *q = NULL;

		rule.port = rows[i].port;
		endpoints[0].identity =
			(struct hd_str){ rows[i].identity, (uint32_t)strlen(rows[i].identity) };
		publish();
		now += 20 * S;
		run();
		for (uint32_t k = 0; k < 2 && q == NULL; k++)
			q = question(k);
		assert_non_null(q);
		assert_int_equal(q->tls_context, rows[i].context);
		assert_int_equal(q->sni_n, rows[i].context != 0 ? 5 : 0);
		q->result = HD_PROBE_CONNECTED;
		q->done = 1;
		run();
	}
}

static void reply(struct hd_probe *q, enum hd_probe_result result, uint16_t status)
{
	assert_non_null(q);
	q->result = (uint8_t)result;
	q->status = status;
	q->done = 1;
}

/* One period with that answer; how many endpoints changed. */
static uint32_t round_of(enum hd_probe_result result, uint16_t status)
{
	uint32_t changed = run();

	reply(question(0), result, status);
	now += rule.period;
	return changed;
}

static int is_failing(void)
{
	return health_probes_find(&table, &endpoints[0].addr)->is_failing;
}

static void a_tcp_probe_has_no_request(void **state)
{
	struct hd_probe *q;

	run();
	q = question(0);
	assert_non_null(q);
	assert_int_equal(q->request_n, 0);
	assert_int_equal(q->to.port, 8080);
	assert_true(hd_ip_eq(&q->to.ip, &endpoints[0].addr.ip));
	assert_int_equal(q->timeout, 1 * S);
	assert_null(question(0));
	assert_null(question(1));
}

static void an_http_probe_is_a_request_like_kubelets(void **state)
{
	struct hd_probe *q;

	rule.is_http = 1;
	rule.path = (struct hd_str){ "/ready", 6 };
	rule.headers = (struct hd_str){ "X-A: b\r\n", 8 };
	run();
	q = question(0);
	assert_non_null(q);
	assert_string_equal(
		q->request,
		"GET /ready HTTP/1.1\r\nHost: 10.0.2.2:80\r\nUser-Agent: heddle-probe\r\nAccept: */*\r\n"
		"Connection: close\r\nX-A: b\r\n\r\n");
	assert_int_equal(q->request_n, strlen(q->request));
}

static void nobody_is_asked_twice_at_once(void **state)
{
	run();
	assert_non_null(question(0));
	now += 100 * S;
	run();
	assert_null(question(0));
}

static void so_many_failures_in_a_row_take_it_out(void **state)
{
	for (int i = 0; i < 2; i++)
		round_of(HD_PROBE_REFUSED, 0);
	round_of(HD_PROBE_CONNECTED, 0);
	for (int i = 0; i < 3; i++)
		round_of(HD_PROBE_TIMEOUT, 0);
	assert_false(is_failing());
	assert_int_equal(round_of(HD_PROBE_CONNECTED, 0), 1);
	assert_true(is_failing());
	assert_int_equal(run(), 1);
	assert_false(is_failing());
	assert_int_equal(seen, 2);
}

static void statuses_from_200_to_399_are_well(void **state)
{
	static const struct {
		uint16_t status;
		int is_well;
	} rows[] = { { 199, 0 }, { 200, 1 }, { 204, 1 }, { 302, 1 },
		     { 399, 1 }, { 400, 0 }, { 503, 0 } };

	rule.failure_threshold = 1;
	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		round_of(HD_PROBE_ANSWERED, rows[i].status);
		run();
		assert_int_equal(is_failing(), !rows[i].is_well);
		question(0);
		health_probes_find(&table, &endpoints[0].addr)->is_out = 0;
		health_probes_find(&table, &endpoints[0].addr)->next = now;
	}
}

static void success_may_need_several(void **state)
{
	rule.failure_threshold = 1;
	rule.success_threshold = 2;
	round_of(HD_PROBE_REFUSED, 0);
	round_of(HD_PROBE_CONNECTED, 0);
	round_of(HD_PROBE_CONNECTED, 0);
	assert_true(is_failing());
	run();
	assert_false(is_failing());
}

static void a_lack_of_ports_here_says_nothing_of_there(void **state)
{
	rule.failure_threshold = 1;
	for (int i = 0; i < 5; i++)
		round_of(HD_PROBE_NO_ROOM, 0);
	assert_false(is_failing());
}

static void the_delay_is_kept(void **state)
{
	endpoints[1].probe = 1;
	rule.initial_delay = 5 * S;
	publish();
	now += 4 * S;
	run();
	assert_non_null(question(0)); /* of the one that was there before */
	assert_null(question(1));
	now += 2 * S;
	run();
	assert_non_null(question(1));
}

static void who_is_gone_is_not_freed_while_a_worker_asks(void **state)
{
	struct hd_probe *q;

	run();
	q = question(0);
	endpoints[0].probe = 0;
	publish();
	run();
	assert_int_equal(table.n, 1);
	reply(q, HD_PROBE_REFUSED, 0);
	assert_int_equal(run(), 0);
	run();
	assert_int_equal(table.n, 0);
	assert_null(health_probes_find(&table, &endpoints[0].addr));
}

static void a_full_mailbox_is_tried_again(void **state)
{
	struct hd_ring *mailbox = fake_dp_worker(dp, 0)->mailbox;
	const struct hd_ctrl_msg drain = { .type = HD_CTRL_DRAIN };

	while (hd_dp_send(dp, 0, &drain) == 0)
		;
	run();
	while (hd_ring_peek(mailbox) != NULL)
		hd_ring_pop(mailbox);
	run();
	assert_non_null(question(0));
}

static void reloads_keep_what_is_known(void **state)
{
	rule.failure_threshold = 1;
	round_of(HD_PROBE_REFUSED, 0);
	run();
	for (uint32_t i = 0; i < 4; i++)
		endpoints[i].probe = 1;
	publish();
	assert_true(is_failing());
	assert_int_equal(table.n, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_non_null(health_probes_find(&table, &endpoints[i].addr));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, cleanup)
	const struct CMUnitTest tests[] = {
		TEST(who_speaks_tls_is_asked_in_tls),
		TEST(a_tcp_probe_has_no_request),
		TEST(an_http_probe_is_a_request_like_kubelets),
		TEST(nobody_is_asked_twice_at_once),
		TEST(so_many_failures_in_a_row_take_it_out),
		TEST(statuses_from_200_to_399_are_well),
		TEST(success_may_need_several),
		TEST(a_lack_of_ports_here_says_nothing_of_there),
		TEST(the_delay_is_kept),
		TEST(who_is_gone_is_not_freed_while_a_worker_asks),
		TEST(a_full_mailbox_is_tried_again),
		TEST(reloads_keep_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
