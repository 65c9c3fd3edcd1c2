/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster's limits over three workers. */
#include "bed_talk.h"
#include "proxy_state.h"

#define WORKERS BED_WORKERS
#define MS HD_NS_PER_MS

static struct bed *beds[WORKERS];
static struct proxy_quotas quotas;
static uint32_t kicks;

static void kick(void *ctx, uint32_t worker)
{
	kicks++;
}

static void publish(uint32_t n, void (*shape)(struct hd_cluster *c, uint32_t n))
{
	for (int i = 0; i < WORKERS; i++) {
		shape(&beds[i]->clusters[0], n);
		bed_publish(beds[i]);
		bed_run(beds[i]);
	}
}

static void limit_requests(struct hd_cluster *c, uint32_t n)
{
	c->max_requests = n;
}

static void limit_connections(struct hd_cluster *c, uint32_t n)
{
	c->max_connections = n;
}

static void limit_pending(struct hd_cluster *c, uint32_t n)
{
	c->max_connections = 1;
	c->max_pending_requests = n;
}

static void begin(uint32_t n_endpoints)
{
	memset(&quotas, 0, sizeof(quotas));
	quotas.n_workers = WORKERS;
	quotas.kick = kick;
	quotas.connections = calloc(PROXY_CHUNK_SLOTS, sizeof(*quotas.connections));
	quotas.chunks[0] =
		aligned_alloc(HD_CACHE_LINE, PROXY_CHUNK_SLOTS * sizeof(struct proxy_quota));
	memset(quotas.chunks[0], 0, PROXY_CHUNK_SLOTS * sizeof(struct proxy_quota));
	for (uint32_t i = 0; i < WORKERS; i++)
		beds[i] = bed_create_worker(n_endpoints, &quotas, i);
}

static void end(void)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		bed_destroy(beds[i]);
	for (int kind = 0; kind < QUOTA_KINDS; kind++)
		assert_true(quotas.chunks[0]->free[kind] >= 0);
	free(quotas.connections);
	free(quotas.chunks[0]);
}

static struct hd_cluster_stats *stats_of(uint32_t i)
{
	return &proxy_pool_cluster(beds[i]->proxy, 0)->stats;
}

static uint32_t connections(void)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < WORKERS; i++)
		sum += stats_of(i)->connections;
	return sum;
}

/* Time passes for all, a millisecond a step. */
static void pass(uint32_t ms)
{
	for (uint32_t k = 0; k < ms * 4; k++)
		for (uint32_t i = 0; i < WORKERS; i++) {
			beds[i]->now += MS / 4;
			bed_run(beds[i]);
		}
}

/* Bare units, without requests around them. */
static int take(uint32_t i)
{
	struct hd_cluster_stats *s = stats_of(i);

	if (!proxy_quota_has_room(beds[i]->proxy, 0, QUOTA_REQUESTS, s->requests_active,
				  beds[i]->clusters[0].max_requests))
		return 0;
	s->requests_active++;
	return 1;
}

static void put(uint32_t i)
{
	struct hd_cluster_stats *s = stats_of(i);

	s->requests_active--;
	proxy_quota_put(beds[i]->proxy, 0, QUOTA_REQUESTS, s->requests_active);
}

static uint32_t active(void)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < WORKERS; i++)
		sum += stats_of(i)->requests_active;
	return sum;
}

/* What was leased and what was not are always the limit. */
static void check_books(uint32_t limit)
{
	int64_t sum = quotas.chunks[0]->free[QUOTA_REQUESTS];

	for (uint32_t i = 0; i < WORKERS; i++)
		sum += proxy_pool_cluster(beds[i]->proxy, 0)->lease.held[QUOTA_REQUESTS];
	assert_int_equal(sum, limit);
}

static void whatever_workers_do_the_sum_stays_within_the_limit(void **state)
{
	uint32_t limit = 20, refused = 0;

	begin(1);
	publish(limit, limit_requests);
	srand(1);
	for (int step = 0; step < 200000; step++) {
		uint32_t i = (uint32_t)rand() % WORKERS, before = active();
		switch (rand() % 16) {
		case 0:
			proxy_quota_ask(beds[i]->proxy, 0, QUOTA_REQUESTS);
			break;
		case 1:
			beds[i]->now += MS;
			bed_run(beds[i]);
			break;
		case 2:
			if (rand() % 50 == 0)
				publish(limit = 1 + (uint32_t)rand() % 40, limit_requests);
			break;
		case 3 ... 8:
			if (stats_of(i)->requests_active > 0)
				put(i);
			break;
		default:
			if (take(i))
				assert_true(before < limit);
			else
				refused++;
		}
		check_books(limit);
	}
	assert_true(refused > 1000);
	while (active() > 0)
		for (uint32_t i = 0; i < WORKERS; i++)
			if (stats_of(i)->requests_active > 0)
				put(i);
	end();
}

static void one_worker_may_have_all_that_the_others_do_not_use(void **state)
{
	uint32_t got = 0;

	begin(1);
	publish(30, limit_requests);
	for (uint32_t i = 0; i < WORKERS; i++) {
		for (int k = 0; k < 6; k++)
			assert_true(take(i));
		for (int k = 0; k < 6; k++)
			put(i);
	}
	while (take(0))
		got++;
	assert_true(got < 30); /* the others keep a little */
	proxy_quota_ask(beds[0]->proxy, 0, QUOTA_REQUESTS);
	assert_true(kicks > 0);
	pass(1);
	while (take(0))
		got++;
	assert_int_equal(got, 30);
	while (got-- > 0)
		put(0);
	end();
}

static void what_was_in_use_before_a_limit_came_counts(void **state)
{
	begin(1);
	for (int k = 0; k < 5; k++)
		stats_of(1)->requests_active++; /* while there was none */
	publish(6, limit_requests);
	check_books(6);
	assert_true(take(0));
	assert_false(take(0));
	assert_false(take(2));
	for (int k = 0; k < 5; k++)
		put(1);
	assert_true(take(2));
	put(0);
	put(2);
	end();
}

/* A request at worker i, answered when a connection for it comes up. */
static struct tcp_conn *ask(uint32_t i)
{
	struct tcp_conn *c = bed_caller(beds[i]);

	fake_tcp_say(c, GET);
	bed_run(beds[i]);
	return c;
}

static void connect_and_answer(uint32_t i, uint32_t nth)
{
	struct tcp_conn *up = bed_backend(beds[i], nth);

	fake_tcp_say(up, OK2);
	bed_run(beds[i]);
}

static void a_connection_at_rest_makes_way_for_another_workers(void **state)
{
	struct tcp_conn *c;

	begin(1);
	publish(1, limit_connections);
	c = ask(0);
	connect_and_answer(0, 0);
	assert_has(fake_tcp_heard(c), "ok");
	assert_int_equal(connections(), 1);
	c = ask(1);
	assert_int_equal(connections(), 1);
	pass(5);
	assert_int_equal(connections(), 1);
	assert_int_equal(stats_of(1)->connections, 1);
	assert_int_equal(bed_count(beds[0], HD_PROXY_UP_YIELDED), 1);
	connect_and_answer(1, 0);
	assert_has(fake_tcp_heard(c), "ok");
	end();
}

/* Each exchange that ends has a successor that waits already. */
static void a_busy_worker_gives_up_what_is_above_its_share(void **state)
{
	struct tcp_conn *mine;
	uint32_t nth = 0;

	begin(1);
	publish(1, limit_connections);
	ask(0);
	ask(0);
	ask(0);
	mine = ask(2);
	for (int k = 0; k < 3 && stats_of(2)->connections == 0; k++) {
		connect_and_answer(0, nth);
		assert_true(connections() <= 1);
		pass(5);
	}
	assert_int_equal(stats_of(2)->connections, 1);
	connect_and_answer(2, 0);
	assert_has(fake_tcp_heard(mine), "ok");
	pass(5);
	/* It goes back to those who still wait. */
	assert_int_equal(connections(), 1);
	assert_int_equal(stats_of(0)->connections, 1);
	end();
}

static void an_endpoint_without_any_connection_gets_one_above_the_limit(void **state)
{
	begin(2);
	publish(1, limit_connections);
	ask(0); /* endpoint 0 */
	ask(0); /* endpoint 1: nobody has a connection there */
	assert_int_equal(connections(), 2);
	ask(1);
	ask(1);
	assert_int_equal(connections(), 2);
	connect_and_answer(0, 0);
	connect_and_answer(0, 1);
	pass(5);
	assert_true(connections() <= 2);
	assert_true(stats_of(1)->connections >= 1);
	end();
}

static void a_request_over_the_limit_is_refused_after_the_others_were_asked(void **state)
{
	struct tcp_conn *up, *a, *b, *c;

	begin(1);
	publish(2, limit_requests);
	a = warm_up(beds[0], &up); /* worker 0 keeps the unit that this request used */
	fake_tcp_heard(a);
	b = ask(1);
	c = ask(1);
	pass(3);
	assert_int_equal(active(), 2);
	a = ask(2);
	pass(3);
	assert_has(fake_tcp_heard(a), "503 ");
	assert_int_equal(bed_count(beds[2], HD_PROXY_OVERFLOW), 1);
	up = bed_backend(beds[1], 0);
	fake_tcp_say(up, OK2);
	bed_run(beds[1]);
	fake_tcp_say(up, OK2);
	bed_run(beds[1]);
	assert_has(fake_tcp_heard(b), "ok");
	assert_has(fake_tcp_heard(c), "ok");
	end();
}

static void the_queue_is_limited_over_all_workers(void **state)
{
	uint32_t refused = 0;

	begin(1);
	publish(2, limit_pending);
	for (uint32_t i = 0; i < WORKERS; i++)
		for (int k = 0; k < 3; k++)
			ask(i);
	pass(5);
	for (uint32_t i = 0; i < WORKERS; i++)
		refused += (uint32_t)bed_count(beds[i], HD_PROXY_OVERFLOW);
	/* One for which the connection is made does not count. */
	assert_in_range(refused, 6, 7);
	end();
}

/* What a worker asks for is asked for as long as somebody waits. */
static void who_asked_and_left_is_forgotten(void **state)
{
	struct tcp_conn *c;

	begin(1);
	publish(6, limit_connections);
	for (int k = 0; k < 6; k++)
		ask(0);
	assert_int_equal(stats_of(0)->connections, 6);
	c = ask(1);
	pass(20);
	assert_true(quotas.chunks[0]->wanted[QUOTA_CONNECTIONS] != 0);
	fake_tcp_reset(c, TCP_ERR_RESET);
	pass(20);
	assert_int_equal(stats_of(1)->pending, 0);
	assert_true(quotas.chunks[0]->wanted[QUOTA_CONNECTIONS] == 0);
	for (uint32_t k = 0; k < 6; k++) {
		struct tcp_conn *up = bed_backend(beds[0], k);
		if (fake_tcp_heard(up)[0] != 0)
			fake_tcp_say(up, OK2);
		bed_run(beds[0]);
	}
	pass(100);
	assert_int_equal(stats_of(0)->connections, 6);
	assert_int_equal(bed_count(beds[0], HD_PROXY_UP_YIELDED), 0);
	end();
}

static int setup(void **state)
{
	return bed_eal("hd_unit_quota");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_workers_do_the_sum_stays_within_the_limit),
		cmocka_unit_test(one_worker_may_have_all_that_the_others_do_not_use),
		cmocka_unit_test(what_was_in_use_before_a_limit_came_counts),
		cmocka_unit_test(a_connection_at_rest_makes_way_for_another_workers),
		cmocka_unit_test(a_busy_worker_gives_up_what_is_above_its_share),
		cmocka_unit_test(an_endpoint_without_any_connection_gets_one_above_the_limit),
		cmocka_unit_test(a_request_over_the_limit_is_refused_after_the_others_were_asked),
		cmocka_unit_test(the_queue_is_limited_over_all_workers),
		cmocka_unit_test(who_asked_and_left_is_forgotten),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
