/* SPDX-License-Identifier: Apache-2.0 */
/* The seam between OpenSSL's handshake and our records, with plain OpenSSL on the far side: nothing
 * may be lost or counted twice there, however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tls_conn.h"
#include "tls_world.h"

static uint8_t text[200000];

static void fill_text(void)
{
	for (uint32_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7 + i / 251);
}

struct way {
	enum hd_tls_role near;
	int version;
	const char *suite; /* NULL: the default */
	uint32_t tickets;
};

static const struct way ways[] = {
	{ HD_TLS_SERVER, TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", 1 },
	{ HD_TLS_SERVER, TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", 1 },
	{ HD_TLS_SERVER, TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", 1 },
	{ HD_TLS_CLIENT, TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", 2 },
	{ HD_TLS_CLIENT, TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", 2 },
	{ HD_TLS_CLIENT, TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", 2 },
	{ HD_TLS_SERVER, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", 1 },
	{ HD_TLS_SERVER, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", 1 },
	{ HD_TLS_SERVER, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", 1 },
	{ HD_TLS_CLIENT, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", 1 },
	{ HD_TLS_CLIENT, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", 1 },
	{ HD_TLS_CLIENT, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", 1 },
};

static void set_tickets(struct hd_tls_context *c, void *arg)
{
	const struct way *y = arg;

	c->n_tickets = (uint8_t)y->tickets;
	c->no_resumption = c->role == HD_TLS_SERVER && y->tickets == 0;
}

/* The far side's half of a way. */
static SSL_CTX *prepare(struct world *w, const struct way *y)
{
	SSL_CTX *far = far_context(w, y->near == HD_TLS_CLIENT);

	SSL_CTX_set_min_proto_version(far, y->version);
	SSL_CTX_set_max_proto_version(far, y->version);
	if (y->suite != NULL && y->version == TLS1_3_VERSION)
		assert_int_equal(SSL_CTX_set_ciphersuites(far, y->suite), 1);
	else if (y->suite != NULL)
		assert_int_equal(SSL_CTX_set_cipher_list(far, y->suite), 1);
	SSL_CTX_set_num_tickets(far, y->tickets);
	world_context(w, 1, y->near, set_tickets, (void *)(uintptr_t)y);
	return far;
}

static void check_near_got(const struct link *l, uint32_t n)
{
	assert_int_equal(l->got_near_n, n);
	assert_memory_equal(l->got_near, text, n);
}

static void check_far_got(const struct link *l, uint32_t n)
{
	assert_int_equal(l->got_far_n, n);
	assert_memory_equal(l->got_far, text, n);
}

/* Data both ways, a close from each side. */
static void exchange(struct link *l)
{
	static const uint32_t sizes[] = { 1, 100, 1400, 16384, 40000 };
	uint32_t near = l->got_far_n, far = l->got_near_n;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(sizes); i++) {
		link_send_far(l, text + far, sizes[i]);
		link_send_near(l, text + near, sizes[i]);
		link_run(l);
		far += sizes[i];
		near += sizes[i];
		check_near_got(l, far);
		check_far_got(l, near);
	}
	SSL_shutdown(l->far);
	link_run(l);
	assert_true(l->events & TLS_EV_EOF);
	assert_false(l->events & TLS_EV_FAILED);
	tls_close(l->conn, &l->wire);
	l->fin = 1;
	link_run(l);
	assert_true(l->far_closed);
	assert_int_equal(l->far_error, 0);
	assert_false(l->events & TLS_EV_FAILED);
}

static void check_facts(const struct link *l, const struct way *y)
{
	static const char id[] = "spiffe://td/ns/a/sa/far";

	assert_int_equal(l->facts.version, y->version);
	assert_int_equal(l->facts.is_server, y->near == HD_TLS_SERVER);
	assert_int_equal(l->facts.suite,
			 SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(l->far)));
	assert_non_null(l->facts.peer);
	assert_int_equal(l->facts.peer->spiffe_id.n, sizeof(id) - 1);
	assert_memory_equal(l->facts.peer->spiffe_id.p, id, sizeof(id) - 1);
}

static void every_way_carries_data_and_ends(void **state)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(ways); i++) {
		struct link l = { 0 };
		struct world w;
		SSL_CTX *far;
		world_open(&w, NULL);
		far = prepare(&w, &ways[i]);
		link_open(&l, &w, 1, ways[i].near, far, NULL);
		link_run(&l);
		if (!link_is_open(&l))
			fail_msg("way %u: far %d %lx, our failure %u", i, l.far_rc, l.far_error,
				 tls_conn_failure(l.conn));
		check_facts(&l, &ways[i]);
		exchange(&l);
		link_close(&l);
		SSL_CTX_free(far);
		world_close(&w);
	}
}

/* Early data of the far side lies in the very segment that ends its handshake. */
static void run_cut(struct world *w, const struct way *y, SSL_CTX *far, uint32_t cut,
		    uint32_t chunk, uint32_t *total)
{
	struct link l = { .cut = cut, .chunk = chunk, .far_first = text, .far_first_n = 333 };

	link_open(&l, w, 1, y->near, far, NULL);
	link_run(&l);
	if (!link_is_open(&l))
		fail_msg("cut %u chunk %u: far %d %lx, our failure %u", cut, chunk, l.far_rc,
			 l.far_error, tls_conn_failure(l.conn));
	check_near_got(&l, 333);
	link_send_near(&l, text, 777);
	link_send_far(&l, text + 333, 17);
	link_run(&l);
	check_near_got(&l, 350);
	check_far_got(&l, 777);
	*total = l.delivered;
	link_close(&l);
}

/* Each in turn: once whole, then byte by byte, then cut at each place. step: 1 for all places. */
static void cut_everywhere(const struct way *y, uint32_t step)
{
	struct world w;
	SSL_CTX *far;
	uint32_t total, ignored;

	world_open(&w, NULL);
	far = prepare(&w, y);
	run_cut(&w, y, far, 0, 0, &total);
	run_cut(&w, y, far, 0, 1, &ignored);
	run_cut(&w, y, far, 0, 2, &ignored);
	run_cut(&w, y, far, 0, 1000, &ignored);
	for (uint32_t cut = 1; cut < total; cut += step)
		run_cut(&w, y, far, cut, 0, &ignored);
	SSL_CTX_free(far);
	world_close(&w);
}

/* At each byte for either role and version; the other suites differ in nothing before the keys. */
static void early_data_survives_any_cut_of_the_stream(void **state)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(ways); i++)
		cut_everywhere(&ways[i], i % 3 == 0 ? 1 : 101);
}

static void any_number_of_tickets_leaves_the_sequence_right(void **state)
{
	for (uint32_t near = 0; near < 2; near++) {
		for (uint32_t n = 0; n <= 5; n++) {
			struct way y = { near, TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", n };
			struct link l = { .far_first = text, .far_first_n = 50 };
			struct world w;
			SSL_CTX *far;
			world_open(&w, NULL);
			far = prepare(&w, &y);
			link_open(&l, &w, 1, y.near, far, NULL);
			link_run(&l);
			assert_true(link_is_open(&l));
			check_near_got(&l, 50);
			exchange(&l);
			link_close(&l);
			if (near == HD_TLS_CLIENT)
				assert_int_equal(w.stats.counters[HD_TLS_SESSIONS_KEPT], n);
			SSL_CTX_free(far);
			world_close(&w);
		}
	}
}

/* Seeds decide who does what when; both sides must agree on every byte to the end. */
static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % n;
}

static void random_step(struct link *l, uint32_t *near, uint32_t *far)
{
	uint32_t n = 1 + below(below(4) == 0 ? 20000 : 300);

	switch (below(6)) {
	case 0:
		assert_int_equal(SSL_key_update(l->far, below(2) ? SSL_KEY_UPDATE_REQUESTED
								 : SSL_KEY_UPDATE_NOT_REQUESTED),
				 1);
		/* It goes out with the next write. */
		link_send_far(l, text + *far, 1);
		*far += 1;
		return;
	case 1:
		l->wire_space = below(2) ? 0 : 65536;
		return;
	case 2:
	case 3:
		n = RTE_MIN(n, (uint32_t)sizeof(text) - *far - 200);
		link_send_far(l, text + *far, n);
		*far += n;
		return;
	case 4:
		n = RTE_MIN(n, (uint32_t)sizeof(text) - *near - 200);
		link_send_near(l, text + *near, n);
		*near += n;
		return;
	default:
		link_step(l);
	}
}

static void key_updates_at_any_time_lose_nothing(void **state)
{
	static const char *const suites[] = { "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					      "TLS_CHACHA20_POLY1305_SHA256" };
	struct tls_config c = {
		.max_connections = 4, .max_handshakes = 4, .update_after = 7, .max_schedules = 3
	};

	for (seed = 1; seed < 25; seed++) {
		struct way y = { below(2), TLS1_3_VERSION, suites[below(3)], below(3) };
		struct link l = { .chunk = below(2) ? 0 : 1 + below(3000) };
		uint32_t near = 0, far = 0;
		uint64_t kept = seed;
		struct world w;
		SSL_CTX *x;
		world_open(&w, &c);
		x = prepare(&w, &y);
		link_open(&l, &w, 1, y.near, x, NULL);
		link_run(&l);
		assert_true(link_is_open(&l));
		for (int i = 0; i < 300 && near < 190000 && far < 190000; i++)
			random_step(&l, &near, &far);
		l.wire_space = 65536;
		link_run(&l);
		if (l.events & TLS_EV_FAILED)
			fail_msg("seed %u: failure %u", (unsigned int)kept,
				 tls_conn_failure(l.conn));
		check_near_got(&l, far);
		check_far_got(&l, near);
		assert_true(w.stats.counters[HD_TLS_KEY_UPDATES_SENT] > 0);
		assert_false(tls_wants_write(l.conn));
		link_close(&l);
		SSL_CTX_free(x);
		world_close(&w);
		seed = kept;
	}
}

/* While sending is blocked many requests get one answer, and it comes before the next data. */
static void a_blocked_side_answers_key_updates_once(void **state)
{
	const struct way y = { HD_TLS_SERVER, TLS1_3_VERSION, NULL, 0 };
	struct link l = { 0 };
	struct world w;
	SSL_CTX *x;

	world_open(&w, NULL);
	x = prepare(&w, &y);
	link_open(&l, &w, 1, y.near, x, NULL);
	link_run(&l);
	l.wire_space = 0;
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(SSL_key_update(l.far, SSL_KEY_UPDATE_REQUESTED), 1);
		link_send_far(&l, text + i, 1);
		link_run(&l);
	}
	check_near_got(&l, 20);
	assert_int_equal(w.stats.counters[HD_TLS_KEY_UPDATES_RECEIVED], 20);
	assert_int_equal(w.stats.counters[HD_TLS_KEY_UPDATES_SENT], 0);
	assert_true(tls_wants_write(l.conn));
	link_send_near(&l, text, 100);
	assert_int_equal(w.stats.counters[HD_TLS_KEY_UPDATES_SENT], 1);
	link_run(&l);
	check_far_got(&l, 100);
	link_close(&l);
	SSL_CTX_free(x);
	world_close(&w);
}

/* Secrets that are looked for are not kept as they are: that would be a find. */
#define MASK 0x5c

struct needle {
	uint8_t masked[48];
	uint32_t n;
};

static struct needle needle_of(const uint8_t *secret, uint32_t n)
{
	struct needle out = { .n = n };

	for (uint32_t i = 0; i < n; i++)
		out.masked[i] = secret[i] ^ MASK;
	return out;
}

static int is_at(const struct needle *k, const uint8_t *p)
{
	for (uint32_t i = 0; i < k->n; i++) {
		if ((p[i] ^ MASK) != k->masked[i])
			return 0;
	}
	return 1;
}

static uint32_t count_in(const struct needle *k, const uint8_t *p, const uint8_t *end)
{
	uint32_t found = 0;

	while ((p = memchr(p, k->masked[0] ^ MASK, (size_t)(end - p))) != NULL && p + k->n <= end)
		found += (uint32_t)is_at(k, p++);
	return found;
}

/* In all memory of this process that can be written, its stacks and freed memory too. */
static uint32_t count_in_memory(const struct needle *k)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	uint32_t found = 0;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx rw", &from, &to) == 2 && strstr(line, " rw") != NULL)
			found += count_in(k, (const uint8_t *)from, (const uint8_t *)to);
	}
	fclose(f);
	return found;
}

/* Both directions' traffic secrets and keys, for either role and version, while a resumable session
 * stays behind. */
static void secrets_of_a_closed_connection_are_nowhere_in_memory(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	print_message("skipped: AddressSanitizer lets nobody read all memory\n");
	skip();
#endif
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(ways); i++) {
		struct link l = { .far_first = text, .far_first_n = 50 };
		struct needle needles[4];
		struct world w;
		SSL_CTX *far;
		world_open(&w, NULL);
		far = prepare(&w, &ways[i]);
		link_open(&l, &w, 1, ways[i].near, far, NULL);
		link_run(&l);
		assert_true(link_is_open(&l));
		link_send_near(&l, text, 777);
		link_run(&l);
		needles[0] = needle_of(l.conn->rx.key, tls_conn_suite(l.conn)->key_bytes);
		needles[1] = needle_of(l.conn->tx.key, tls_conn_suite(l.conn)->key_bytes);
		needles[2] = needle_of(l.conn->rx.secret, l.conn->is_1_3 ? 32 : 0);
		needles[3] = needle_of(l.conn->tx.secret, l.conn->is_1_3 ? 32 : 0);
		assert_true(count_in_memory(&needles[0]) > 0);
		link_close(&l);
		for (uint32_t k = 0; k < (ways[i].version == TLS1_3_VERSION ? 4u : 2u); k++) {
			uint32_t n = count_in_memory(&needles[k]);
			if (n != 0)
				fail_msg("way %u: secret %u is left at %u places", i, k, n);
		}
		SSL_CTX_free(far);
		world_close(&w);
	}
}

/* RFC 7627 5.2, 5.3: as either side. */
static void tls_1_2_without_the_extended_master_secret_is_refused(void **state)
{
	for (uint32_t i = 6; i < HD_ARRAY_SIZE(ways); i += 3) {
		struct link l = { 0 };
		struct world w;
		SSL_CTX *far;
		world_open(&w, NULL);
		far = prepare(&w, &ways[i]);
		SSL_CTX_set_options(far, SSL_OP_NO_EXTENDED_MASTER_SECRET);
		link_open(&l, &w, 1, ways[i].near, far, NULL);
		link_run(&l);
		assert_false(link_is_open(&l));
		assert_true(l.events & TLS_EV_FAILED);
		link_close(&l);
		SSL_CTX_free(far);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_1_2_without_the_extended_master_secret_is_refused),
		cmocka_unit_test(every_way_carries_data_and_ends),
		cmocka_unit_test(any_number_of_tickets_leaves_the_sequence_right),
		cmocka_unit_test(key_updates_at_any_time_lose_nothing),
		cmocka_unit_test(a_blocked_side_answers_key_updates_once),
		cmocka_unit_test(secrets_of_a_closed_connection_are_nowhere_in_memory),
		cmocka_unit_test(early_data_survives_any_cut_of_the_stream),
	};

	fill_text();
	return cmocka_run_group_tests(tests, world_setup, NULL);
}
