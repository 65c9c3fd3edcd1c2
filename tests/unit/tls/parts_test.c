/* SPDX-License-Identifier: Apache-2.0 */
/* Ciphers against OpenSSL's, key schedules against the RFCs' own numbers, and the look into a
 * ClientHello. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "tls_aead.h"
#include "tls_schedule.h"
#include "tls_slow.h"
#include "tls_world.h"

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % n;
}

static void fill(uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)below(256);
}

static const EVP_CIPHER *evp_of(enum tls_cipher c)
{
	return c == TLS_CIPHER_AES128_GCM   ? EVP_aes_128_gcm()
	       : c == TLS_CIPHER_AES256_GCM ? EVP_aes_256_gcm()
					    : EVP_chacha20_poly1305();
}

static void evp_seal(enum tls_cipher cipher, const uint8_t *key, const uint8_t *nonce,
		     const uint8_t *aad, uint32_t aad_n, uint8_t *text, uint32_t n, uint8_t *tag)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int k;

	EVP_EncryptInit_ex(x, evp_of(cipher), NULL, key, nonce);
	EVP_EncryptUpdate(x, NULL, &k, aad, (int)aad_n);
	EVP_EncryptUpdate(x, text, &k, text, (int)n);
	EVP_EncryptFinal_ex(x, text + k, &k);
	EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, TLS_TAG_BYTES, tag);
	EVP_CIPHER_CTX_free(x);
}

/* In pieces, some of them of no bytes at all. */
static void in_pieces(void (*one)(struct tls_aead_op *, uint8_t *, const uint8_t *, uint32_t),
		      struct tls_aead_op *op, uint8_t *p, uint32_t n)
{
	for (uint32_t at = 0; at < n;) {
		uint32_t k = below(4) == 0 ? below(20) : below(n - at + 1);
		k = k < n - at ? k : n - at;
		one(op, p + at, p + at, k);
		at += k;
	}
}

static void ciphers_agree_with_openssl_however_the_bytes_lie(void **state)
{
	static uint8_t plain[16500], mine[16500], theirs[16500];
	struct tls_aead *a = tls_aead_create(2);
	uint8_t key[3][32], nonce[12], aad[13], tag[16], their_tag[16];
	uint16_t schedule[3] = { 0 };

	fill(key[0], sizeof(key));
	for (int round = 0; round < 1500; round++) {
		enum tls_cipher cipher = below(3);
		const struct tls_aead_key k = { key[cipher], cipher + 1, &schedule[cipher],
						cipher };
		uint32_t n = below(3) == 0 ? below(16500) : below(200), aad_n = below(2) ? 5 : 13;
		struct tls_aead_op op;
		fill(plain, n);
		fill(nonce, sizeof(nonce));
		fill(aad, sizeof(aad));
		memcpy(mine, plain, n);
		memcpy(theirs, plain, n);
		tls_aead_begin(a, &op, &k, nonce, aad, aad_n);
		in_pieces(tls_aead_seal, &op, mine, n);
		tls_aead_end_seal(&op, tag);
		evp_seal(cipher, key[cipher], nonce, aad, aad_n, theirs, n, their_tag);
		assert_memory_equal(mine, theirs, n);
		assert_memory_equal(tag, their_tag, sizeof(tag));
		tls_aead_begin(a, &op, &k, nonce, aad, aad_n);
		in_pieces(tls_aead_open, &op, mine, n);
		assert_true(tls_aead_end_open(&op, tag));
		assert_memory_equal(mine, plain, n);
		tag[below(16)] ^= (uint8_t)(1 << below(8));
		tls_aead_begin(a, &op, &k, nonce, aad, aad_n);
		in_pieces(tls_aead_open, &op, theirs, n);
		assert_false(tls_aead_end_open(&op, tag));
	}
	tls_aead_destroy(a);
}

/* More keys than places: whoever comes gets the right one. */
static void schedules_come_and_go_and_never_mix(void **state)
{
	struct tls_aead *a = tls_aead_create(4);
	uint8_t keys[16][16], zero[12] = { 0 }, first[16][16], tag[16];
	uint16_t schedules[16] = { 0 };

	fill(keys[0], sizeof(keys));
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t k = i < 16 ? i : below(16);
		const struct tls_aead_key key = { keys[k], k + 1, &schedules[k],
						  TLS_CIPHER_AES128_GCM };
		struct tls_aead_op op;
		tls_aead_begin(a, &op, &key, zero, NULL, 0);
		tls_aead_end_seal(&op, i < 16 ? first[k] : tag);
		if (i >= 16)
			assert_memory_equal(tag, first[k], sizeof(tag));
		if (below(10) == 0)
			tls_aead_forget(a, k + 1, &schedules[k]);
	}
	assert_true(tls_aead_expanded(a) > 100);
	tls_aead_destroy(a);
}

static void unhex(const char *hex, uint8_t *out)
{
	for (; hex[0] != '\0'; hex += 2) {
		unsigned int v;
		assert_int_equal(sscanf(hex, "%2x", &v), 1);
		*out++ = (uint8_t)v;
	}
}

/* RFC 8448 3: the server's handshake and application traffic keys. */
static void labels_expand_as_rfc_8448_says(void **state)
{
	uint8_t secret[32], want[32], got[32];

	unhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38", secret);
	unhex("3fce516009c21727d0f2e4e86ee403bc", want);
	tls_expand_label(TLS_SHA256, secret, "key", got, 16);
	assert_memory_equal(got, want, 16);
	unhex("5d313eb2671276ee13000b30", want);
	tls_expand_label(TLS_SHA256, secret, "iv", got, 12);
	assert_memory_equal(got, want, 12);
	unhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643", secret);
	unhex("9f02283b6c9c07efc26bb9f2ac92e356", want);
	tls_expand_label(TLS_SHA256, secret, "key", got, 16);
	assert_memory_equal(got, want, 16);
	unhex("cf782b88dd83549aadf1e984", want);
	tls_expand_label(TLS_SHA256, secret, "iv", got, 12);
	assert_memory_equal(got, want, 12);
}

static void evp_prf(const char *digest, const uint8_t *secret, size_t secret_n, const char *label,
		    const uint8_t *s, size_t n, uint8_t *out, size_t out_n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *x = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)digest,
						 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)secret,
						  secret_n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)label,
						  strlen(label)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)s, n),
		OSSL_PARAM_construct_end(),
	};

	assert_int_equal(EVP_KDF_derive(x, out, out_n, params), 1);
	EVP_KDF_CTX_free(x);
	EVP_KDF_free(kdf);
}

static void the_prf_agrees_with_openssl(void **state)
{
	uint8_t secret[200], s[64], mine[200], theirs[200];

	for (int i = 0; i < 100; i++) {
		uint32_t n = 1 + below(200), secret_n = 1 + below(200);
		enum tls_hash h = below(2);
		fill(secret, sizeof(secret));
		fill(s, sizeof(s));
		tls_prf(h, secret, secret_n, "key expansion",
			&(struct hd_str){ (const char *)s, sizeof(s) }, mine, n);
		evp_prf(h == TLS_SHA256 ? "SHA256" : "SHA384", secret, secret_n, "key expansion", s,
			sizeof(s), theirs, n);
		assert_memory_equal(mine, theirs, n);
	}
}

/* A ClientHello as OpenSSL makes it. */
static uint32_t make_hello(uint8_t *out, uint32_t room, const char *sni, const char *alpns)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	SSL *s = SSL_new(x);
	BIO *in = BIO_new(BIO_s_mem()), *b = BIO_new(BIO_s_mem());
	int n;

	SSL_set_bio(s, in, b);
	if (sni != NULL)
		SSL_set_tlsext_host_name(s, sni);
	if (alpns != NULL)
		SSL_set_alpn_protos(s, (const unsigned char *)alpns, (unsigned int)strlen(alpns));
	SSL_set_connect_state(s);
	(void)SSL_do_handshake(s);
	n = BIO_read(b, out, (int)room);
	SSL_free(s);
	SSL_CTX_free(x);
	return (uint32_t)n;
}

static enum tls_sniff sniff(const uint8_t *p, uint32_t n, struct tls_hello *h)
{
	struct bufq q = { 0 };
	enum tls_sniff v;

	for (uint32_t at = 0; at < n;) {
		uint32_t k = 1 + below(700);
		k = k < n - at ? k : n - at;
		assert_int_equal(bufq_copy_in(&q, p + at, k, world_bufs), 0);
		at += k;
	}
	v = tls_sniff(&q, h);
	bufq_clear(&q);
	return v;
}

static void a_hello_tells_name_and_protocols(void **state)
{
	static uint8_t p[4096];
	struct tls_hello h;
	uint32_t n =
		make_hello(p, sizeof(p), "WWW.Example.com", "\002h2\010http/1.1\005istio\003foo");

	assert_int_equal(sniff(p, n, &h), TLS_SNIFF_HELLO);
	assert_string_equal(h.sni, "www.example.com");
	assert_int_equal(h.sni_n, 15);
	assert_int_equal(h.alpns, HD_ALPN_BIT(HD_ALPN_H2) | HD_ALPN_BIT(HD_ALPN_HTTP_1_1) |
					  HD_ALPN_BIT(HD_ALPN_ISTIO));
	assert_true(h.has_alpn);
	for (uint32_t k = 0; k < n; k++)
		assert_int_equal(sniff(p, k, &h), TLS_SNIFF_MORE);
	assert_int_equal(sniff(p, n + 0, &h), TLS_SNIFF_HELLO);
	n = make_hello(p, sizeof(p), NULL, NULL);
	assert_int_equal(sniff(p, n, &h), TLS_SNIFF_HELLO);
	assert_int_equal(h.sni_n, 0);
	assert_false(h.has_alpn);
}

/* The same message in records of k bytes each. */
static uint32_t refragment(const uint8_t *p, uint32_t n, uint32_t k, uint8_t *out)
{
	uint32_t at = 5, o = 0;

	while (at < n) {
		uint32_t part = k < n - at ? k : n - at;
		const uint8_t head[5] = { 22, 3, 1, (uint8_t)(part >> 8), (uint8_t)part };
		memcpy(out + o, head, sizeof(head));
		memcpy(out + o + 5, p + at, part);
		o += 5 + part;
		at += part;
	}
	return o;
}

static void a_hello_in_many_records_is_one(void **state)
{
	static uint8_t p[4096], f[65536];
	uint32_t n = make_hello(p, sizeof(p), "a.example", "\005istio");

	for (uint32_t k = 1; k < n; k += 3) {
		struct tls_hello h;
		uint32_t m = refragment(p, n, k, f);
		assert_int_equal(sniff(f, m, &h), TLS_SNIFF_HELLO);
		assert_string_equal(h.sni, "a.example");
		assert_int_equal(h.alpns, HD_ALPN_BIT(HD_ALPN_ISTIO));
		assert_int_equal(sniff(f, m - 1, &h), TLS_SNIFF_MORE);
	}
}

/* A look goes over all records: one for each byte that comes would be much work for little. */
static void a_hello_in_crumbs_is_looked_at_now_and_then(void **state)
{
	static uint8_t p[4096], f[65536];
	uint32_t n = make_hello(p, sizeof(p), "a.example", "\005istio"), m, looks = 0;
	struct bufq q = { 0 };
	struct tls_hello h = { 0 };
	enum tls_sniff v = TLS_SNIFF_MORE;

	m = refragment(p, n, 1, f);
	for (uint32_t at = 0; at < m; at++) {
		assert_int_equal(v, TLS_SNIFF_MORE);
		assert_int_equal(bufq_copy_in(&q, f + at, 1, world_bufs), 0);
		if (q.bytes < h.look_at)
			continue;
		v = tls_sniff(&q, &h);
		looks++;
	}
	assert_int_equal(v, TLS_SNIFF_HELLO);
	assert_string_equal(h.sni, "a.example");
	assert_in_range(looks, 1, 64 * 6 + 40);
	bufq_clear(&q);
}

static void what_is_no_hello_is_told_at_once(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t n;
		enum tls_sniff v;
	} rows[] = {
		{ "", 0, TLS_SNIFF_MORE },
		{ "G", 1, TLS_SNIFF_PLAIN },
		{ "GET / HTTP/1.1\r\n", 16, TLS_SNIFF_PLAIN },
		{ "\x16", 1, TLS_SNIFF_MORE },
		{ "\x16\x04", 2, TLS_SNIFF_PLAIN },
		{ "\x16\x03\x01\x00\x00", 5, TLS_SNIFF_BAD },
		{ "\x16\x03\x01\x41\x00", 5, TLS_SNIFF_BAD },
		{ "\x16\x03\x01\x00\x10\x02", 6, TLS_SNIFF_BAD },
		{ "\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9, TLS_SNIFF_BAD },
		{ "\x15\x03\x01\x00\x02\x02\x28", 7, TLS_SNIFF_PLAIN },
	};
	struct tls_hello h;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		if (sniff((const uint8_t *)rows[i].bytes, rows[i].n, &h) != rows[i].v)
			fail_msg("row %u", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ciphers_agree_with_openssl_however_the_bytes_lie),
		cmocka_unit_test(schedules_come_and_go_and_never_mix),
		cmocka_unit_test(labels_expand_as_rfc_8448_says),
		cmocka_unit_test(the_prf_agrees_with_openssl),
		cmocka_unit_test(a_hello_tells_name_and_protocols),
		cmocka_unit_test(a_hello_in_many_records_is_one),
		cmocka_unit_test(a_hello_in_crumbs_is_looked_at_now_and_then),
		cmocka_unit_test(what_is_no_hello_is_told_at_once),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
