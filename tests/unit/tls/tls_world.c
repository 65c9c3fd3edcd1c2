/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <openssl/err.h>

#include "eal_setup.h"
#include "pkt.h"
#include "tls_world.h"

struct rte_mempool *world_bufs, *world_indirect;
int64_t world_wall_shift;
void (*world_stranger)(struct tls_conn *c);
static const struct link *world_link; /* that was opened last */

static int64_t wall(void *ctx)
{
	return ((int64_t)time(NULL) + world_wall_shift) * (int64_t)HD_NS_PER_S;
}

int world_setup(void **state)
{
	if (eal_setup("unit-tls", "192") < 0)
		return -1;
	world_bufs = rte_pktmbuf_pool_create("bufs", 8191, 64, PKT_PRIV_SIZE,
					     2048 + RTE_PKTMBUF_HEADROOM, 0);
	world_indirect = rte_pktmbuf_pool_create("refs", 8191, 64, PKT_PRIV_SIZE, 0, 0);
	return world_bufs != NULL && world_indirect != NULL ? 0 : -1;
}

static void make_pki(struct world *w)
{
	const struct tls_pki_wish root = { .name = "root", .is_ca = 1 },
				  stranger = { .name = "stranger", .is_ca = 1 },
				  intermediate = { .name = "intermediate", .is_ca = 1 },
				  near = { .san = "URI:spiffe://td/ns/a/sa/near,DNS:near.example" },
				  far = { .san = "URI:spiffe://td/ns/a/sa/far,DNS:far.example" };

	tls_pki_make(&w->root, &root, NULL);
	tls_pki_make(&w->stranger, &stranger, NULL);
	tls_pki_make(&w->intermediate, &intermediate, &w->root);
	tls_pki_make(&w->near, &near, &w->intermediate);
	tls_pki_make(&w->far, &far, &w->root);
	w->near_chain = tls_pki_join(w->near.pem, w->intermediate.pem);
}

void world_open(struct world *w, const struct tls_config *c)
{
	struct tls_threads_config tc = { .n_workers = 1, .wall = wall };
	struct tls_config config = { .max_connections = 64, .max_handshakes = 16 };
	struct hd_tls_credential credential;
	struct hd_tls_roots roots;
	struct hd_tls_bundle bundle = { .roots = &roots, .n_roots = 1 };
	char error[256] = "";

	memset(w, 0, sizeof(*w));
	w->now = HD_NS_PER_S;
	make_pki(w);
	if (c != NULL)
		config = *c;
	w->threads = tls_threads_create(&tc);
	assert_non_null(w->threads);
	config.threads = w->threads;
	config.stats = &w->stats;
	config.bufs = world_bufs;
	config.indirect = world_indirect;
	w->tls = tls_create(&config, w->now);
	assert_non_null(w->tls);
	credential.chain = tls_pki_text(w->near_chain);
	credential.key = tls_pki_text(w->near.key_pem);
	roots.trust_domain = tls_pki_text("td");
	roots.pem = tls_pki_text(w->root.pem);
	assert_int_equal(tls_credential_set(w->threads, 0, &credential, error, sizeof(error)), 0);
	assert_int_equal(tls_bundle_set(w->threads, 0, &bundle, error, sizeof(error)), 0);
}

void world_close(struct world *w)
{
	tls_destroy(w->tls);
	tls_threads_destroy(w->threads);
	tls_pki_free(&w->root);
	tls_pki_free(&w->stranger);
	tls_pki_free(&w->intermediate);
	tls_pki_free(&w->near);
	tls_pki_free(&w->far);
	free(w->near_chain);
	assert_int_equal(rte_mempool_in_use_count(world_bufs), 0);
	assert_int_equal(rte_mempool_in_use_count(world_indirect), 0);
}

void world_context(struct world *w, uint32_t slot, enum hd_tls_role role,
		   void (*change)(struct hd_tls_context *c, void *arg), void *arg)
{
	struct hd_tls_context c = {
		.role = role,
		.name = tls_pki_text("test"),
		.n_credentials = 1,
		.peer = HD_TLS_PEER_REQUIRED,
		.names_rule = HD_TLS_NAMES_SPIFFE,
		.alpns = { HD_ALPN_H2, HD_ALPN_HTTP_1_1 },
		.n_alpns = 2,
	};
	char error[256] = "";

	if (change != NULL)
		change(&c, arg);
	if (tls_context_set(w->threads, slot, &c, error, sizeof(error)) != 0)
		fail_msg("%s", error);
}

SSL_CTX *far_context(const struct world *w, int is_server)
{
	SSL_CTX *x = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());

	SSL_CTX_use_certificate(x, w->far.x);
	SSL_CTX_use_PrivateKey(x, w->far.key);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(x), w->root.x);
	SSL_CTX_set_verify(x, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_session_id_context(x, (const unsigned char *)"far", 3);
	SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE);
	return x;
}

void link_open(struct link *l, struct world *w, uint32_t context, enum hd_tls_role near_role,
	       SSL_CTX *far, const char *sni)
{
	struct hd_addr remote = { .ip = hd_ip_from_v4(0x0a000001), .port = 443 };

	world_link = l;
	l->w = w;
	l->wire_space = 1 << 20;
	l->got_near = calloc(1, WORLD_MAX);
	l->got_far = calloc(1, WORLD_MAX);
	l->far = SSL_new(far);
	l->to_far = BIO_new(BIO_s_mem());
	l->from_far = BIO_new(BIO_s_mem());
	SSL_set_bio(l->far, l->to_far, l->from_far);
	if (near_role == HD_TLS_SERVER) {
		SSL_set_connect_state(l->far);
		if (sni != NULL)
			SSL_set_tlsext_host_name(l->far, sni);
		l->conn = tls_accept(w->tls, context, &remote, l, w->now);
	} else {
		SSL_set_accept_state(l->far);
		l->conn = tls_connect(w->tls, context, &remote, tls_pki_text(sni), l, w->now);
	}
	assert_non_null(l->conn);
}

void link_close(struct link *l)
{
	if (l->conn != NULL)
		tls_release(l->conn);
	tls_run(l->w->tls, l->w->now);
	tls_threads_step(l->w->threads);
	tls_run(l->w->tls, l->w->now);
	bufq_clear(&l->in);
	bufq_clear(&l->plain);
	bufq_clear(&l->wire);
	SSL_set_shutdown(l->far, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(l->far);
	free(l->got_near);
	free(l->got_far);
	memset(l, 0, sizeof(*l));
}

static int take_plain(struct link *l)
{
	uint32_t n = l->plain.bytes;

	assert_true(l->got_near_n + n <= WORLD_MAX);
	bufq_copy_out(&l->plain, 0, l->got_near + l->got_near_n, n);
	bufq_clear(&l->plain);
	l->got_near_n += n;
	return n > 0;
}

static int wire_to_far(struct link *l)
{
	static uint8_t bytes[WORLD_MAX];
	uint32_t n = l->wire.bytes;

	assert_true(n <= sizeof(bytes));
	bufq_copy_out(&l->wire, 0, bytes, n);
	bufq_clear(&l->wire);
	l->sent += n;
	if (n > 0)
		assert_int_equal(BIO_write(l->to_far, bytes, (int)n), n);
	return n > 0;
}

static int pump(struct link *l)
{
	uint32_t before = l->in.bytes, all = l->events, events;
	struct tls_io io = { .in = &l->in,
			     .plain = &l->plain,
			     .wire = &l->wire,
			     .plain_room = 65536,
			     .wire_space = l->wire_space,
			     .fin = l->fin != 0 };

	events = tls_pump(l->conn, &io, l->w->now);
	assert_int_equal(before - l->in.bytes, io.overhead + l->plain.bytes);
	if (events & TLS_EV_HANDSHAKEN) {
		assert_false(all & TLS_EV_HANDSHAKEN);
		tls_conn_facts(l->conn, &l->facts);
	}
	if (l->plain.bytes > 0)
		assert_true((all | events) & TLS_EV_HANDSHAKEN);
	l->events |= events;
	return take_plain(l) | wire_to_far(l) | (l->events != all) | (l->in.bytes != before) |
	       ((events & TLS_EV_AGAIN) != 0);
}

static int pump_ready(struct world *w)
{
	struct tls_conn *c;
	int any = 0;

	while ((c = tls_ready_next(w->tls)) != NULL) {
		if (world_stranger != NULL && tls_conn_user(c) != world_link)
			world_stranger(c);
		else
			any |= pump(tls_conn_user(c));
	}
	return any;
}

static int run_near(struct link *l)
{
	int any = pump(l);

	any |= tls_run(l->w->tls, l->w->now);
	any |= pump_ready(l->w);
	any |= tls_threads_step(l->w->threads);
	any |= tls_run(l->w->tls, l->w->now);
	return any | pump_ready(l->w);
}

static void far_handshake(struct link *l)
{
	int rc, e;

	if (l->far_rc != 0)
		return;
	ERR_clear_error();
	rc = SSL_do_handshake(l->far);
	e = SSL_get_error(l->far, rc);
	if (rc == 1) {
		l->far_rc = 1;
		if (l->far_first_n > 0)
			assert_int_equal(SSL_write(l->far, l->far_first, (int)l->far_first_n),
					 l->far_first_n);
	} else if (e != SSL_ERROR_WANT_READ) {
		l->far_rc = -1;
		l->far_error = ERR_peek_error();
	}
}

static int far_read(struct link *l)
{
	int any = 0, n;

	if (l->far_rc != 1)
		return 0;
	for (;;) {
		ERR_clear_error();
		n = SSL_read(l->far, l->got_far + l->got_far_n, (int)(WORLD_MAX - l->got_far_n));
		if (n <= 0)
			break;
		l->got_far_n += (uint32_t)n;
		any = 1;
	}
	n = SSL_get_error(l->far, n);
	if (n == SSL_ERROR_ZERO_RETURN && !l->far_closed) {
		l->far_closed = 1;
		any = 1;
	} else if (n == SSL_ERROR_SSL && l->far_error == 0) {
		l->far_error = ERR_peek_error();
	}
	return any;
}

/* What the far side sent so far arrives, up to the cut or by chunks. */
static int deliver(struct link *l)
{
	uint8_t *p;
	long n = BIO_get_mem_data(l->from_far, &p);
	uint32_t k = (uint32_t)n;

	if (n <= 0)
		return 0;
	if (l->delivered < l->cut)
		k = RTE_MIN(k, l->cut - l->delivered);
	else if (l->chunk > 0)
		k = RTE_MIN(k, l->chunk);
	for (uint32_t at = 0; at < k;) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(world_bufs);
		uint32_t part = RTE_MIN(k - at, 1448u);
		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), p + at, part);
		bufq_append(&l->in, m);
		at += part;
	}
	BIO_read(l->from_far, p, 0);
	for (uint32_t at = 0; at < k;) {
		uint8_t gone[4096];
		at += (uint32_t)BIO_read(l->from_far, gone, (int)RTE_MIN(k - at, sizeof(gone)));
	}
	l->delivered += k;
	return 1;
}

int link_step(struct link *l)
{
	int any;

	far_handshake(l);
	any = far_read(l);
	any |= deliver(l);
	any |= run_near(l);
	far_handshake(l);
	return any;
}

void link_threaded_step(struct link *l)
{
	far_handshake(l);
	far_read(l);
	deliver(l);
	pump(l);
	tls_run(l->w->tls, l->w->now);
	pump_ready(l->w);
	far_handshake(l);
}

void link_run(struct link *l)
{
	for (int i = 0; link_step(l); i++)
		assert_true(i < 100000);
}

void link_send_near(struct link *l, const void *p, uint32_t n)
{
	struct bufq q = { 0 };

	assert_int_equal(bufq_copy_in(&q, p, n, world_bufs), 0);
	assert_int_equal(tls_send(l->conn, &q, &l->wire, l->w->now), 0);
	wire_to_far(l);
}

void link_send_far(struct link *l, const void *p, uint32_t n)
{
	for (uint32_t at = 0; at < n;) {
		int k = SSL_write(l->far, (const uint8_t *)p + at, (int)(n - at));
		assert_true(k > 0);
		at += (uint32_t)k;
	}
}

int link_is_open(const struct link *l)
{
	return l->far_rc == 1 && (l->events & TLS_EV_HANDSHAKEN) && tls_is_open(l->conn);
}
