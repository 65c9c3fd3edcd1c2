/* SPDX-License-Identifier: Apache-2.0 */
/* Resumption: what is resumed was verified under exactly the rules that hold now, for the same
 * listener and name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tls_world.h"

static struct world w;
static SSL_SESSION *kept;

static int on_new_session(SSL *ssl, SSL_SESSION *s)
{
	SSL_SESSION_free(kept);
	kept = s;
	return 1;
}

static SSL_CTX *far_client(int version)
{
	SSL_CTX *x = far_context(&w, 0);

	SSL_CTX_set_min_proto_version(x, version);
	SSL_CTX_set_max_proto_version(x, version);
	SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(x, on_new_session);
	return x;
}

/* A caller that offers `offered` (NULL: nothing) to a context of ours. Whether it was resumed; both
 * sides agree. */
static int call(SSL_CTX *far, uint32_t context, const char *sni, SSL_SESSION *offered)
{
	struct link l = { 0 };
	int resumed;

	link_open(&l, &w, context, HD_TLS_SERVER, far, sni);
	if (offered != NULL)
		SSL_set_session(l.far, offered);
	link_run(&l);
	if (!link_is_open(&l))
		fail_msg("failure %u, far %lx", tls_conn_failure(l.conn), l.far_error);
	assert_non_null(l.facts.peer);
	link_send_near(&l, "x", 1);
	link_run(&l);
	resumed = l.facts.is_resumed;
	assert_int_equal(resumed, SSL_session_reused(l.far));
	link_send_far(&l, "y", 1);
	link_run(&l);
	assert_int_equal(l.got_near_n, 1);
	link_close(&l);
	return resumed;
}

static void set_name(struct hd_tls_context *c, void *arg)
{
	c->name = tls_pki_text(arg);
}

static void reload_bundle(void)
{
	struct hd_tls_roots roots = { tls_pki_text("td"), tls_pki_text(w.root.pem) };
	const struct hd_tls_bundle b = { .roots = &roots, .n_roots = 1 };
	char error[200];

	assert_int_equal(tls_bundle_set(w.threads, 0, &b, error, sizeof(error)), 0);
}

static void reload_credential(void)
{
	const struct hd_tls_credential c = { tls_pki_text(w.near_chain),
					     tls_pki_text(w.near.key_pem) };
	char error[200];

	assert_int_equal(tls_credential_set(w.threads, 0, &c, error, sizeof(error)), 0);
}

static SSL_SESSION *fresh(SSL_CTX *far, uint32_t context, const char *sni)
{
	SSL_SESSION *s;

	assert_int_equal(call(far, context, sni, NULL), 0);
	assert_non_null(kept);
	s = kept;
	kept = NULL;
	return s;
}

static void callers_resume_only_where_they_were_known(void **state)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };

	for (uint32_t v = 0; v < 2; v++) {
		SSL_CTX *far;
		SSL_SESSION *s;
		world_open(&w, NULL);
		far = far_client(versions[v]);
		world_context(&w, 1, HD_TLS_SERVER, set_name, (void *)(uintptr_t) "one");
		world_context(&w, 2, HD_TLS_SERVER, set_name, (void *)(uintptr_t) "two");
		s = fresh(far, 1, "a.example");
		assert_int_equal(call(far, 1, "a.example", s), 1);
		assert_int_equal(call(far, 2, "a.example", s), 0);
		assert_int_equal(call(far, 1, "b.example", s), 0);
		assert_int_equal(call(far, 1, NULL, s), 0);
		SSL_SESSION_free(s);
		s = fresh(far, 1, "a.example");
		reload_bundle();
		assert_int_equal(call(far, 1, "a.example", s), 0);
		SSL_SESSION_free(s);
		s = fresh(far, 1, "a.example");
		reload_credential();
		assert_int_equal(call(far, 1, "a.example", s), 0);
		SSL_SESSION_free(s);
		SSL_CTX_free(far);
		SSL_SESSION_free(kept);
		kept = NULL;
		world_close(&w);
	}
}

static void set_backend(struct hd_tls_context *c, void *arg)
{
	c->sni = tls_pki_text("far.example");
}

/* A connection of ours to the far side; whether it was resumed. */
static int reach(SSL_CTX *far, uint32_t context, const char *sni, uint32_t address)
{
	struct link l = { 0 };
	int resumed;

	link_open(&l, &w, context, HD_TLS_CLIENT, far, sni);
	tls_release(l.conn);
	l.conn = tls_connect(w.tls, context,
			     &(struct hd_addr){ .ip = hd_ip_from_v4(address), .port = 443 },
			     tls_pki_text(sni), &l, w.now);
	assert_non_null(l.conn);
	link_run(&l);
	assert_true(link_is_open(&l));
	resumed = l.facts.is_resumed;
	assert_int_equal(resumed, SSL_session_reused(l.far));
	assert_non_null(l.facts.peer);
	link_send_near(&l, "ping", 4);
	link_send_far(&l, "pong", 4);
	link_run(&l);
	assert_int_equal(l.got_far_n, 4);
	assert_int_equal(l.got_near_n, 4);
	link_close(&l);
	return resumed;
}

static void backends_are_resumed_by_address_name_and_context(void **state)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };

	for (uint32_t v = 0; v < 2; v++) {
		SSL_CTX *far;
		world_open(&w, NULL);
		far = far_context(&w, 1);
		SSL_CTX_set_max_proto_version(far, versions[v]);
		world_context(&w, 1, HD_TLS_CLIENT, set_backend, NULL);
		world_context(&w, 2, HD_TLS_CLIENT, set_backend, NULL);
		assert_int_equal(reach(far, 1, "", 1), 0);
		assert_int_equal(reach(far, 1, "", 1), 1);
		assert_int_equal(reach(far, 1, "", 1), 1);
		assert_int_equal(reach(far, 1, "far.example", 1), 1);
		assert_int_equal(reach(far, 1, "other.example", 1), 0);
		assert_int_equal(reach(far, 1, "", 2), 0);
		assert_int_equal(reach(far, 2, "", 1), 0);
		reload_bundle();
		assert_int_equal(reach(far, 1, "", 1), 0);
		assert_int_equal(reach(far, 1, "", 1), 1);
		SSL_CTX_free(far);
		world_close(&w);
	}
}

static void a_ticket_in_pieces_is_still_taken(void **state)
{
	SSL_CTX *far;

	world_open(&w, NULL);
	far = far_context(&w, 1);
	world_context(&w, 1, HD_TLS_CLIENT, set_backend, NULL);
	for (uint32_t chunk = 1; chunk < 400; chunk += 37) {
		struct link l = { .chunk = chunk };
		link_open(&l, &w, 1, HD_TLS_CLIENT, far, "");
		link_run(&l);
		assert_true(link_is_open(&l));
		assert_int_equal(l.facts.is_resumed, chunk > 1);
		link_send_far(&l, "pong", 4);
		link_run(&l);
		assert_int_equal(l.got_near_n, 4);
		link_close(&l);
	}
	SSL_CTX_free(far);
	world_close(&w);
}

/* RFC 8446 4.6.1 and more: a session does not outlive the certificate that it stands for. */
static void a_session_ends_with_its_certificate(void **state)
{
	struct tls_pki brief;
	SSL_SESSION *s;
	struct link l = { 0 };
	SSL_CTX *far;

	world_open(&w, NULL);
	far = far_client(TLS1_3_VERSION);
	tls_pki_make(&brief,
		     &(struct tls_pki_wish){
			     .san = "URI:spiffe://td/ns/a/sa/b", .from_days = -9, .until_days = 1 },
		     &w.root);
	SSL_CTX_use_certificate(far, brief.x);
	SSL_CTX_use_PrivateKey(far, brief.key);
	world_context(&w, 1, HD_TLS_SERVER, NULL, NULL);
	s = fresh(far, 1, NULL);
	assert_int_equal(call(far, 1, NULL, s), 1);
	world_wall_shift = 2 * 86400;
	link_open(&l, &w, 1, HD_TLS_SERVER, far, NULL);
	SSL_set_session(l.far, s);
	link_run(&l);
	assert_true(l.events & TLS_EV_FAILED);
	assert_int_equal(tls_conn_failure(l.conn), HD_TLS_CERT_EXPIRED);
	world_wall_shift = 0;
	link_close(&l);
	SSL_SESSION_free(s);
	SSL_SESSION_free(kept);
	kept = NULL;
	tls_pki_free(&brief);
	SSL_CTX_free(far);
	world_close(&w);
}

static void early_data_is_refused_and_the_handshake_goes_on(void **state)
{
	SSL_CTX *far;
	SSL_SESSION *s;
	struct link l = { 0 };
	size_t n;

	world_open(&w, NULL);
	far = far_client(TLS1_3_VERSION);
	world_context(&w, 1, HD_TLS_SERVER, NULL, NULL);
	s = fresh(far, 1, NULL);
	assert_int_equal(SSL_SESSION_get_max_early_data(s), 0);
	SSL_SESSION_set_max_early_data(s, 10000);
	link_open(&l, &w, 1, HD_TLS_SERVER, far, NULL);
	SSL_set_session(l.far, s);
	(void)SSL_write_early_data(l.far, "GET /danger", 11, &n);
	link_run(&l);
	assert_true(link_is_open(&l));
	assert_int_equal(SSL_get_early_data_status(l.far), SSL_EARLY_DATA_REJECTED);
	assert_int_equal(l.got_near_n, 0);
	link_send_far(&l, "fine", 4);
	link_run(&l);
	assert_int_equal(l.got_near_n, 4);
	link_close(&l);
	SSL_SESSION_free(s);
	SSL_SESSION_free(kept);
	kept = NULL;
	SSL_CTX_free(far);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callers_resume_only_where_they_were_known),
		cmocka_unit_test(backends_are_resumed_by_address_name_and_context),
		cmocka_unit_test(a_ticket_in_pieces_is_still_taken),
		cmocka_unit_test(a_session_ends_with_its_certificate),
		cmocka_unit_test(early_data_is_refused_and_the_handshake_goes_on),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
