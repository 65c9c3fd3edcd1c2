/* SPDX-License-Identifier: Apache-2.0 */
/* What a certificate becomes in x-forwarded-client-cert. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy_xfcc.h"

#define S(text) ((struct hd_str){ text, sizeof(text) - 1 })

static const char *written(const struct tls_identity *peer, struct hd_str own, int with_cert)
{
	static uint8_t out[PROXY_XFCC_MAX + 1];

	out[proxy_xfcc_write(peer, own, with_cert, out)] = 0;
	return (const char *)out;
}

static void parts_stand_in_envoys_order(void **state)
{
	const struct hd_str uris[] = { S("spiffe://td/ns/n/sa/a") }, dns[] = { S("a.test") };
	const struct tls_identity peer = { .hash = S("0f"),
					   .subject = S("CN=a"),
					   .pem = S("PEM"),
					   .uris = uris,
					   .n_uris = 1,
					   .dns = dns,
					   .n_dns = 1 };

	assert_string_equal(written(&peer, S("spiffe://td/ns/n/sa/us"), 0),
			    "By=spiffe://td/ns/n/sa/us;Hash=0f;Subject=\"CN=a\";"
			    "URI=spiffe://td/ns/n/sa/a;DNS=a.test");
	assert_string_equal(written(&peer, S(""), 1),
			    "Hash=0f;Cert=\"PEM\";Subject=\"CN=a\";URI=spiffe://td/ns/n/sa/a;"
			    "DNS=a.test");
}

static void without_a_uri_its_part_is_empty(void **state)
{
	const struct tls_identity peer = { .hash = S("0f") };

	assert_string_equal(written(&peer, S(""), 0), "Hash=0f;Subject=\"\";URI=");
}

static void names_do_not_break_out_of_their_part(void **state)
{
	const struct hd_str uris[] = { S("x://a,By=evil"), S("x://b;URI=evil"), S("x://c\"\\") };
	const struct tls_identity peer = {
		.hash = S("0f"), .subject = S("CN=\"\\,\r\nEvil: 1"), .uris = uris, .n_uris = 3
	};

	assert_string_equal(written(&peer, S(""), 0),
			    "Hash=0f;Subject=\"CN=\\\"\\\\,Evil: 1\";URI=\"x://a,By=evil\";"
			    "URI=\"x://b;URI=evil\";URI=\"x://c\\\"\\\\\"");
}

static void what_does_not_fit_is_left_out_and_nothing_is_cut(void **state)
{
	static char big[PROXY_XFCC_MAX];
	struct hd_str uris[64];
	struct tls_identity peer = { .hash = S("0f"), .uris = uris, .n_uris = 64 };
	const char *text;

	memset(big, 'a', sizeof(big));
	for (uint32_t i = 0; i < 64; i++)
		uris[i] = (struct hd_str){ big, 1000 };
	peer.pem = (struct hd_str){ big, sizeof(big) };
	text = written(&peer, S(""), 1);
	assert_true(strlen(text) <= PROXY_XFCC_MAX);
	assert_null(strstr(text, "Cert="));
	for (const char *at = strstr(text, "URI="); at != NULL; at = strstr(at + 4, "URI="))
		assert_int_equal(strcspn(at + 4, ";"), 1000);
}

static void check_kept(struct proxy_xfcc *x, const struct tls_identity *peer, struct hd_str own,
		       int with_cert)
{
	struct hd_str got = proxy_xfcc_element(x, peer, own, with_cert);
	const char *right = written(peer, own, with_cert);

	assert_int_equal(got.n, strlen(right));
	assert_memory_equal(got.p, right, got.n);
}

static void what_is_kept_is_what_would_be_written(void **state)
{
	static struct proxy_xfcc x;
	struct tls_identity peers[3] = { { .serial = 7, .hash = S("0a"), .subject = S("CN=a") },
					 { .serial = 7 + PROXY_XFCC_MEMO, .hash = S("0b") },
					 { .serial = 0, .hash = S("0c") } };
	const struct hd_str owns[] = { S(""), S("spiffe://td/us"), S("spiffe://td/as"), S("a,b") };

	peers[0].pem = S("PEM");
	for (uint32_t i = 0; i < 600; i++) {
		uint32_t k = i * 7 / 3;
		check_kept(&x, &peers[k % 3], owns[k / 3 % 4], (int)(k / 5 % 2));
		check_kept(&x, &peers[k % 3], owns[k / 3 % 4], (int)(k / 5 % 2));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_stand_in_envoys_order),
		cmocka_unit_test(without_a_uri_its_part_is_empty),
		cmocka_unit_test(names_do_not_break_out_of_their_part),
		cmocka_unit_test(what_does_not_fit_is_left_out_and_nothing_is_cut),
		cmocka_unit_test(what_is_kept_is_what_would_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
