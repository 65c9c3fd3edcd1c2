/* SPDX-License-Identifier: Apache-2.0 */
/* Who is let in: chains, times, purposes, names, lists of revoked ones; each refusal under its own
 * name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tls_slow.h"
#include "tls_world.h"

struct rules {
	enum hd_tls_peer peer;
	enum hd_tls_names names_rule;
	struct hd_str names[2];
	uint32_t n_names;
	uint32_t bundle;
	const char *sni;
};

static void apply(struct hd_tls_context *c, void *arg)
{
	const struct rules *r = arg;

	c->peer = r->peer;
	c->names_rule = r->names_rule;
	c->names = r->names;
	c->n_names = r->n_names;
	c->bundle = r->bundle;
	c->sni = tls_pki_text(r->sni);
}

/* A handshake with the far side as `pki` (NULL: without a certificate) with `chain` behind it; the
 * counter of our failure, 0: it succeeded. */
static enum hd_counter outcome(struct world *w, enum hd_tls_role near, int version,
			       const struct tls_pki *pki, const struct tls_pki *chain,
			       const struct rules *rules, struct tls_facts *facts)
{
	struct link l = { 0 };
	SSL_CTX *far =
		SSL_CTX_new(near == HD_TLS_CLIENT ? TLS_server_method() : TLS_client_method());
	enum hd_counter why;

	SSL_CTX_set_security_level(far, 0);
	SSL_CTX_set_max_proto_version(far, version);
	if (pki != NULL) {
		SSL_CTX_use_certificate(far, pki->x);
		SSL_CTX_use_PrivateKey(far, pki->key);
	}
	if (chain != NULL)
		SSL_CTX_add1_chain_cert(far, chain->x);
	SSL_CTX_set_session_cache_mode(far, SSL_SESS_CACHE_OFF);
	world_context(w, 1, near, apply, (void *)(uintptr_t)rules);
	link_open(&l, w, 1, near, far, NULL);
	link_run(&l);
	why = l.events & TLS_EV_FAILED ? tls_conn_failure(l.conn) : 0;
	if (why != 0) {
		assert_int_equal(w->stats.counters[why] > 0, 1);
		assert_false(l.events & TLS_EV_HANDSHAKEN);
		/* The other side is told, whichever way the alert travels. */
		assert_true(l.far_error != 0 || l.far_rc != 1);
	} else {
		assert_true(link_is_open(&l));
	}
	if (facts != NULL)
		*facts = l.facts;
	link_close(&l);
	SSL_CTX_free(far);
	return why;
}

static struct world w;

static const struct rules spiffe = { HD_TLS_PEER_REQUIRED, HD_TLS_NAMES_SPIFFE };

static void expect_for(const struct tls_pki_wish *wish, const struct tls_pki *issuer,
		       const struct tls_pki *chain, const struct rules *r, enum hd_counter why)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };
	struct tls_pki pki;

	tls_pki_make(&pki, wish, issuer);
	for (uint32_t near = 0; near < 2; near++) {
		for (uint32_t v = 0; v < 2; v++) {
			enum hd_counter got = outcome(&w, near, versions[v], &pki, chain, r, NULL);
			if (got != why)
				fail_msg("role %u version %x: %u, not %u", near, versions[v], got,
					 why);
			/* And again: what the cache remembers changes nothing. */
			assert_int_equal(outcome(&w, near, versions[v], &pki, chain, r, NULL), why);
		}
	}
	tls_pki_free(&pki);
}

#define GOOD "URI:spiffe://td/ns/a/sa/b"

static void open_world(void)
{
	world_open(&w, NULL);
}

static void good_ones_are_let_in(void **state)
{
	static const char *const keys[] = { "EC", "P-384", "RSA", "ED25519" };

	open_world();
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(keys); i++) {
		const struct tls_pki_wish wish = { .san = GOOD, .key = keys[i] };
		expect_for(&wish, &w.root, NULL, &spiffe, 0);
	}
	expect_for(&(struct tls_pki_wish){ .san = GOOD ",DNS:a.example" }, &w.intermediate,
		   &w.intermediate, &spiffe, 0);
	world_close(&w);
}

static void bad_chains_are_refused_by_name(void **state)
{
	struct tls_pki not_ca;

	open_world();
	tls_pki_make(&not_ca, &(struct tls_pki_wish){ .name = "no ca", .san = GOOD }, &w.root);
	expect_for(&(struct tls_pki_wish){ .san = GOOD }, &w.stranger, NULL, &spiffe,
		   HD_TLS_CERT_UNKNOWN_CA);
	expect_for(&(struct tls_pki_wish){ .san = GOOD }, &w.intermediate, NULL, &spiffe,
		   HD_TLS_CERT_UNKNOWN_CA);
	expect_for(&(struct tls_pki_wish){ .san = GOOD }, NULL, NULL, &spiffe,
		   HD_TLS_CERT_UNKNOWN_CA);
	expect_for(&(struct tls_pki_wish){ .san = GOOD, .from_days = -9, .until_days = -1 },
		   &w.root, NULL, &spiffe, HD_TLS_CERT_EXPIRED);
	expect_for(&(struct tls_pki_wish){ .san = GOOD, .from_days = 1, .until_days = 9 }, &w.root,
		   NULL, &spiffe, HD_TLS_CERT_EARLY);
	expect_for(&(struct tls_pki_wish){ .san = GOOD, .purpose = "emailProtection" }, &w.root,
		   NULL, &spiffe, HD_TLS_CERT_PURPOSE);
	expect_for(&(struct tls_pki_wish){ .san = GOOD }, &not_ca, &not_ca, &spiffe,
		   HD_TLS_CERT_PURPOSE);
	expect_for(&(struct tls_pki_wish){ .san = GOOD, .key = "RSA1024" }, &w.root, NULL, &spiffe,
		   HD_TLS_CERT_BAD);
	tls_pki_free(&not_ca);
	world_close(&w);
}

static void names_that_are_no_spiffe_identity_are_refused(void **state)
{
	static const struct {
		const char *san;
		enum hd_counter why;
	} rows[] = {
		{ NULL, HD_TLS_ID_NONE },
		{ "DNS:a.example", HD_TLS_ID_NONE },
		{ GOOD ",URI:spiffe://td/ns/a/sa/c", HD_TLS_ID_MANY },
		{ "URI:https://td/ns/a/sa/b", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://td", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://td/", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://td/ns//sa", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://td/ns/../sa", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://td/ns/a/sa/b/", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://td/ns/a%2Fb", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://td/ns/a?x", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://TD/ns/a/sa/b", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://td:1/ns/a/sa/b", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://a@td/ns/a/sa/b", HD_TLS_ID_MALFORMED },
		{ "URI:spiffe://other/ns/a/sa/b", HD_TLS_ID_TRUST_DOMAIN },
		{ "URI:spiffe://td.evil/ns/a/sa/b", HD_TLS_ID_TRUST_DOMAIN },
	};

	open_world();
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(rows); i++)
		expect_for(&(struct tls_pki_wish){ .san = rows[i].san }, &w.root, NULL, &spiffe,
			   rows[i].why);
	world_close(&w);
}

static void only_the_names_that_are_wanted_pass(void **state)
{
	struct rules r = spiffe;

	open_world();
	r.names[0] = tls_pki_text("spiffe://td/ns/a/sa/x");
	r.names[1] = tls_pki_text("spiffe://td/ns/a/sa/b");
	r.n_names = 1;
	expect_for(&(struct tls_pki_wish){ .san = GOOD }, &w.root, NULL, &r, HD_TLS_ID_NAME);
	r.n_names = 2;
	expect_for(&(struct tls_pki_wish){ .san = GOOD }, &w.root, NULL, &r, 0);
	r = (struct rules){ HD_TLS_PEER_REQUIRED,
			    HD_TLS_NAMES_LISTED,
			    { tls_pki_text("a.example"), tls_pki_text("10.0.0.1") },
			    2 };
	expect_for(&(struct tls_pki_wish){ .san = "DNS:A.Example" }, &w.root, NULL, &r, 0);
	expect_for(&(struct tls_pki_wish){ .san = "DNS:*.example" }, &w.root, NULL, &r,
		   HD_TLS_ID_NAME);
	expect_for(&(struct tls_pki_wish){ .san = "DNS:b.example,IP:10.0.0.1" }, &w.root, NULL, &r,
		   0);
	expect_for(&(struct tls_pki_wish){ .san = "DNS:x.a.example,IP:10.0.0.2" }, &w.root, NULL,
		   &r, HD_TLS_ID_NAME);
	expect_for(&(struct tls_pki_wish){ .name = "a.example" }, &w.root, NULL, &r,
		   HD_TLS_ID_NAME);
	r.names[0] = tls_pki_text("www.a.example");
	expect_for(&(struct tls_pki_wish){ .san = "DNS:*.a.example" }, &w.root, NULL, &r, 0);
	r = (struct rules){ HD_TLS_PEER_REQUIRED, HD_TLS_NAMES_ANY };
	expect_for(&(struct tls_pki_wish){ .name = "whoever" }, &w.root, NULL, &r, 0);
	expect_for(&(struct tls_pki_wish){ .name = "whoever" }, &w.stranger, NULL, &r,
		   HD_TLS_CERT_UNKNOWN_CA);
	world_close(&w);
}

static void a_certificate_is_asked_for_as_the_context_says(void **state)
{
	struct rules r = spiffe;
	struct tls_facts facts;

	open_world();
	assert_int_equal(outcome(&w, HD_TLS_SERVER, TLS1_3_VERSION, NULL, NULL, &r, NULL),
			 HD_TLS_NO_CERTIFICATE);
	assert_int_equal(outcome(&w, HD_TLS_SERVER, TLS1_2_VERSION, NULL, NULL, &r, NULL),
			 HD_TLS_NO_CERTIFICATE);
	r.peer = HD_TLS_PEER_OPTIONAL;
	assert_int_equal(outcome(&w, HD_TLS_SERVER, TLS1_3_VERSION, NULL, NULL, &r, &facts), 0);
	assert_null(facts.peer);
	assert_int_equal(outcome(&w, HD_TLS_SERVER, TLS1_3_VERSION, &w.far, NULL, &r, &facts), 0);
	assert_non_null(facts.peer);
	r = (struct rules){ HD_TLS_PEER_NONE, HD_TLS_NAMES_ANY };
	assert_int_equal(outcome(&w, HD_TLS_CLIENT, TLS1_3_VERSION, &w.stranger, NULL, &r, &facts),
			 0);
	assert_null(facts.peer);
	world_close(&w);
}

static void aliases_and_other_domains_have_their_own_roots(void **state)
{
	const struct hd_str aliases[] = { tls_pki_text("old") };
	struct rules r = spiffe;
	struct hd_tls_roots roots[2];
	const struct hd_tls_bundle b = {
		.roots = roots, .n_roots = 2, .aliases = aliases, .n_aliases = 1
	};
	char error[200];

	open_world();
	roots[0] = (struct hd_tls_roots){ tls_pki_text("td"), tls_pki_text(w.root.pem) };
	roots[1] = (struct hd_tls_roots){ tls_pki_text("friend"), tls_pki_text(w.stranger.pem) };
	assert_int_equal(tls_bundle_set(w.threads, 2, &b, error, sizeof(error)), 0);
	r.bundle = 2;
	r.names[0] = tls_pki_text("spiffe://td/ns/a/sa/b");
	expect_for(&(struct tls_pki_wish){ .san = "URI:spiffe://old/ns/a/sa/b" }, &w.root, NULL, &r,
		   0);
	expect_for(&(struct tls_pki_wish){ .san = "URI:spiffe://friend/ns/a/sa/b" }, &w.stranger,
		   NULL, &r, 0);
	/* Each domain is vouched for by its own roots alone. */
	expect_for(&(struct tls_pki_wish){ .san = "URI:spiffe://friend/ns/a/sa/b" }, &w.root, NULL,
		   &r, HD_TLS_CERT_UNKNOWN_CA);
	expect_for(&(struct tls_pki_wish){ .san = GOOD }, &w.stranger, NULL, &r,
		   HD_TLS_CERT_UNKNOWN_CA);
	r.n_names = 1;
	expect_for(&(struct tls_pki_wish){ .san = "URI:spiffe://old/ns/a/sa/b" }, &w.root, NULL, &r,
		   0);
	expect_for(&(struct tls_pki_wish){ .san = "URI:spiffe://friend/ns/a/sa/b" }, &w.stranger,
		   NULL, &r, HD_TLS_ID_NAME);
	world_close(&w);
}

static void set_crl(const char *crl)
{
	struct hd_tls_roots roots = { tls_pki_text("td"), tls_pki_text(w.root.pem) };
	const struct hd_tls_bundle b = { .roots = &roots, .n_roots = 1, .crl = tls_pki_text(crl) };
	char error[200];

	assert_int_equal(tls_bundle_set(w.threads, 0, &b, error, sizeof(error)), 0);
}

static void revoked_ones_are_refused_from_the_next_handshake_on(void **state)
{
	const struct tls_pki_wish wish = { .san = GOOD };
	struct tls_pki pki;
	char *empty, *full, *foreign;

	open_world();
	tls_pki_make(&pki, &wish, &w.root);
	empty = tls_pki_crl(&w.root, NULL);
	full = tls_pki_crl(&w.root, &pki);
	foreign = tls_pki_crl(&w.stranger, NULL);
	assert_int_equal(outcome(&w, HD_TLS_SERVER, TLS1_3_VERSION, &pki, NULL, &spiffe, NULL), 0);
	set_crl(empty);
	assert_int_equal(outcome(&w, HD_TLS_SERVER, TLS1_3_VERSION, &pki, NULL, &spiffe, NULL), 0);
	set_crl(full);
	assert_int_equal(outcome(&w, HD_TLS_SERVER, TLS1_3_VERSION, &pki, NULL, &spiffe, NULL),
			 HD_TLS_CERT_REVOKED);
	assert_int_equal(outcome(&w, HD_TLS_CLIENT, TLS1_3_VERSION, &pki, NULL, &spiffe, NULL),
			 HD_TLS_CERT_REVOKED);
	set_crl(foreign);
	assert_int_equal(outcome(&w, HD_TLS_SERVER, TLS1_3_VERSION, &pki, NULL, &spiffe, NULL),
			 HD_TLS_CERT_NO_CRL);
	free(empty);
	free(full);
	free(foreign);
	tls_pki_free(&pki);
	world_close(&w);
}

static void chains_are_verified_once_and_identities_shared(void **state)
{
	struct tls_facts a, b;

	open_world();
	assert_int_equal(outcome(&w, HD_TLS_SERVER, TLS1_3_VERSION, &w.far, NULL, &spiffe, &a), 0);
	assert_int_equal(outcome(&w, HD_TLS_SERVER, TLS1_3_VERSION, &w.far, NULL, &spiffe, &b), 0);
	assert_ptr_equal(a.peer, b.peer);
	assert_int_equal(w.stats.counters[HD_TLS_CHAINS_VERIFIED], 1);
	assert_int_equal(w.stats.counters[HD_TLS_CHAINS_CACHED], 1);
	world_close(&w);
}

/* Some are looked for at each sixty-fourth that is new. */
static void what_a_worker_holds_longer_than_its_connection_stays(void **state)
{
	struct tls_identities *t = tls_identities_create(2);
	const struct tls_identity *held = NULL, *i;
	struct tls_pki pki;
	uint64_t serial = 0;

	for (int k = 0; k < 130; k++) {
		tls_pki_make(&pki, &(struct tls_pki_wish){ .name = "x", .san = GOOD }, NULL);
		i = tls_identity_get(t, pki.x);
		assert_non_null(i);
		tls_pki_free(&pki);
		if (k == 0) {
			held = i;
			serial = i->serial;
			tls_identity_hold(held, 1);
		}
		tls_identity_put(i, 1);
	}
	assert_int_equal(held->serial, serial);
	assert_true(hd_str_eq(held->spiffe_id, tls_pki_text("spiffe://td/ns/a/sa/b")));
	tls_identity_put(held, 1);
	tls_identities_destroy(t);
}

static int is_text(struct hd_str s, const char *text)
{
	return hd_str_eq(s, tls_pki_text(text));
}

static void an_identity_says_all_that_a_header_needs(void **state)
{
	struct link l = { 0 };
	struct tls_pki pki;
	const struct tls_identity *i;
	SSL_CTX *far;

	open_world();
	tls_pki_make(&pki,
		     &(struct tls_pki_wish){ .name = "a \"quoted\", one",
					     .san = "DNS:x.example," GOOD ",DNS:y.example" },
		     &w.root);
	far = far_context(&w, 0);
	SSL_CTX_use_certificate(far, pki.x);
	SSL_CTX_use_PrivateKey(far, pki.key);
	world_context(&w, 1, HD_TLS_SERVER, NULL, NULL);
	link_open(&l, &w, 1, HD_TLS_SERVER, far, "some.host");
	link_run(&l);
	assert_true(link_is_open(&l));
	i = l.facts.peer;
	assert_true(is_text(i->spiffe_id, "spiffe://td/ns/a/sa/b"));
	assert_true(is_text(i->principal, "td/ns/a/sa/b"));
	assert_true(is_text(i->trust_domain, "td"));
	assert_true(is_text(i->namespace_, "a"));
	assert_true(is_text(i->service_account, "b"));
	assert_true(is_text(i->subject, "CN=a \\\"quoted\\\"\\, one"));
	assert_int_equal(i->n_dns, 2);
	assert_true(is_text(i->dns[1], "y.example"));
	assert_int_equal(i->hash.n, 64);
	assert_memory_equal(i->pem.p, "-----BEGIN%20CERTIFICATE-----%0A", 32);
	assert_true(is_text(tls_conn_sni(l.conn), "some.host"));
	link_close(&l);
	tls_pki_free(&pki);
	SSL_CTX_free(far);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_are_let_in),
		cmocka_unit_test(bad_chains_are_refused_by_name),
		cmocka_unit_test(names_that_are_no_spiffe_identity_are_refused),
		cmocka_unit_test(only_the_names_that_are_wanted_pass),
		cmocka_unit_test(a_certificate_is_asked_for_as_the_context_says),
		cmocka_unit_test(aliases_and_other_domains_have_their_own_roots),
		cmocka_unit_test(revoked_ones_are_refused_from_the_next_handshake_on),
		cmocka_unit_test(chains_are_verified_once_and_identities_shared),
		cmocka_unit_test(what_a_worker_holds_longer_than_its_connection_stays),
		cmocka_unit_test(an_identity_says_all_that_a_header_needs),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
