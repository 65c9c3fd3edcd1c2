/* SPDX-License-Identifier: Apache-2.0 */
/* A storm of handshakes costs the stormer: others get theirs, and all that it left behind is gone
 * in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tls_conn.h"
#include "tls_world.h"

#define STORM 60

static struct world w;
static struct tls_conn *storm[STORM];
static struct bufq storm_in[STORM];
static uint8_t hello[4096];
static uint32_t hello_n;

static void make_hello(SSL_CTX *far)
{
	SSL *s = SSL_new(far);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	SSL_set_bio(s, in, out);
	SSL_set_connect_state(s);
	(void)SSL_do_handshake(s);
	hello_n = (uint32_t)BIO_read(out, hello, sizeof(hello));
	SSL_free(s);
}

static void pump(struct tls_conn *c, struct bufq *in)
{
	struct bufq plain = { 0 }, wire = { 0 };
	struct tls_io io = { .in = in,
			     .plain = &plain,
			     .wire = &wire,
			     .plain_room = 1 << 16,
			     .wire_space = 1 << 16 };

	(void)tls_pump(c, &io, w.now);
	bufq_clear(&wire);
}

/* Connections of one source that say hello and nothing more. bytes: of the hello. */
static void begin_storm(uint32_t n, uint32_t bytes)
{
	struct hd_addr from = { .ip = hd_ip_from_v4(0x01020304), .port = 1 };

	for (uint32_t i = 0; i < n; i++) {
		storm[i] = tls_accept(w.tls, 1, &from, &storm_in[i], w.now);
		if (storm[i] == NULL)
			continue;
		assert_int_equal(bufq_copy_in(&storm_in[i], hello, bytes, world_bufs), 0);
		pump(storm[i], &storm_in[i]);
	}
}

static int is_of_storm(const struct tls_conn *c)
{
	const struct bufq *in = tls_conn_user(c);

	return in >= storm_in && in < storm_in + STORM;
}

static void pump_storm(void)
{
	struct tls_conn *c;

	tls_run(w.tls, w.now);
	while ((c = tls_ready_next(w.tls)) != NULL) {
		assert_true(is_of_storm(c));
		pump(c, tls_conn_user(c));
	}
}

static void turn(void)
{
	pump_storm();
	tls_threads_step(w.threads);
	pump_storm();
}

static void end_storm(void)
{
	for (uint32_t i = 0; i < STORM; i++) {
		if (storm[i] != NULL)
			tls_release(storm[i]);
		storm[i] = NULL;
		bufq_clear(&storm_in[i]);
	}
	turn();
	turn();
	assert_int_equal(w.tls->admit.pendings.used, 0);
	assert_int_equal(w.tls->admit.n_free_jobs, 8);
	assert_int_equal(w.tls->admit.in_flight, 0);
	assert_int_equal(w.tls->admit.n_queued, 0);
	assert_int_equal(w.tls->admit.n_leaving, 0);
	assert_int_equal(w.tls->conns.used, 0);
}

static void open_world(void)
{
	const struct tls_config c = { .max_connections = 256,
				      .max_handshakes = 8,
				      .max_waiting = 16 };

	world_open(&w, &c);
	world_context(&w, 1, HD_TLS_SERVER, NULL, NULL);
}

static void pump_stranger(struct tls_conn *c)
{
	pump(c, tls_conn_user(c));
}

static void others_get_in(SSL_CTX *far)
{
	for (int i = 0; i < 3; i++) {
		struct link l = { 0 };
		link_open(&l, &w, 1, HD_TLS_SERVER, far, NULL);
		world_stranger = pump_stranger;
		for (int k = 0; k < 50 && !(l.events & TLS_EV_HANDSHAKEN); k++)
			link_step(&l);
		if (!link_is_open(&l))
			fail_msg("round %d: failure %u", i, tls_conn_failure(l.conn));
		link_close(&l);
		world_stranger = NULL;
	}
}

static void others_get_in_beside_a_storm_of_hellos(void **state)
{
	SSL_CTX *far;

	open_world();
	far = far_context(&w, 0);
	make_hello(far);
	begin_storm(STORM, hello_n);
	for (int i = 0; i < 20; i++)
		turn();
	assert_true(w.stats.counters[HD_TLS_BUSY] + w.stats.counters[HD_TLS_EVICTED] > 0);
	others_get_in(far);
	assert_true(w.stats.counters[HD_TLS_EVICTED] > 0);
	end_storm();
	SSL_CTX_free(far);
	world_close(&w);
}

static void silent_connections_hold_no_place_of_others(void **state)
{
	SSL_CTX *far;

	open_world();
	far = far_context(&w, 0);
	make_hello(far);
	begin_storm(STORM, 3);
	assert_int_equal(w.tls->admit.pendings.used, 24);
	others_get_in(far);
	end_storm();
	SSL_CTX_free(far);
	world_close(&w);
}

static void half_done_handshakes_end_at_their_deadline(void **state)
{
	SSL_CTX *far;

	open_world();
	far = far_context(&w, 0);
	make_hello(far);
	begin_storm(6, hello_n);
	turn();
	assert_int_equal(tls_next_deadline(w.tls), w.now + 10 * HD_NS_PER_S);
	w.now += 10 * HD_NS_PER_S - 1;
	turn();
	assert_int_equal(w.stats.counters[HD_TLS_TIMEOUT], 0);
	w.now += 1;
	turn();
	assert_int_equal(w.stats.counters[HD_TLS_TIMEOUT], 6);
	assert_int_equal(tls_conn_failure(storm[0]), HD_TLS_TIMEOUT);
	end_storm();
	SSL_CTX_free(far);
	world_close(&w);
}

/* Released at any moment: nothing is left, whoever had the job. */
static void connections_may_go_at_any_moment(void **state)
{
	SSL_CTX *far;

	open_world();
	far = far_context(&w, 0);
	make_hello(far);
	for (uint32_t when = 0; when < 5; when++) {
		begin_storm(3, hello_n);
		if (when > 0)
			tls_run(w.tls, w.now);
		if (when > 1)
			tls_threads_step(w.threads);
		if (when > 2)
			tls_run(w.tls, w.now);
		if (when > 3)
			turn();
		for (uint32_t i = 0; i < 3; i++) {
			tls_release(storm[i]);
			storm[i] = NULL;
			bufq_clear(&storm_in[i]);
		}
		turn();
		end_storm();
	}
	SSL_CTX_free(far);
	world_close(&w);
}

/* The same with real threads: many handshakes at once from many sources, all succeed and nothing is
 * left. */
static void threads_make_many_at_once(void **state)
{
	static struct link links[40];
	SSL_CTX *far;
	uint32_t done = 0;
	time_t end = time(NULL) + 60;

	open_world();
	far = far_context(&w, 0);
	assert_int_equal(tls_threads_start(w.threads), 0);
	for (uint32_t i = 0; i < 20; i++)
		link_open(&links[i], &w, 1, HD_TLS_SERVER, far, NULL);
	while (done < 20 && time(NULL) < end) {
		done = 0;
		for (uint32_t i = 0; i < 20; i++) {
			link_threaded_step(&links[i]);
			done += link_is_open(&links[i]) != 0;
		}
		if (tls_pushed(w.tls))
			tls_threads_wake(w.threads);
	}
	assert_int_equal(done, 20);
	assert_int_equal(w.stats.counters[HD_TLS_ACCEPTED], 20);
	tls_threads_stop(w.threads);
	for (uint32_t i = 0; i < 20; i++)
		link_close(&links[i]);
	SSL_CTX_free(far);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_get_in_beside_a_storm_of_hellos),
		cmocka_unit_test(silent_connections_hold_no_place_of_others),
		cmocka_unit_test(half_done_handshakes_end_at_their_deadline),
		cmocka_unit_test(connections_may_go_at_any_moment),
		cmocka_unit_test(threads_make_many_at_once),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
