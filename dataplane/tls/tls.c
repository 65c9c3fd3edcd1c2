/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <rte_malloc.h>

#include "tls_conn.h"
#include "tls_memory.h"
#include "tls_threads.h"

#define DEFAULT_HANDSHAKES 1024
#define DEFAULT_SCHEDULES 1024
#define DEFAULT_UPDATE_AFTER (UINT64_C(1) << 23)
/* Handshakes given up in favour of another one that opens. */
#define OPEN_TRIES 2

static int make_conns(struct tls *t, uint32_t n)
{
	size_t objects = (size_t)n * sizeof(struct tls_conn);
	uint8_t *memory;

	t->memory_bytes = objects + n * sizeof(struct core_pool_slot);
	memory = tls_memory_map(t->memory_bytes);
	t->memory = memory;
	if (memory == NULL)
		return 0;
	core_pool_init_at(&t->conns, n, sizeof(struct tls_conn), memory,
			  (struct core_pool_slot *)(memory + objects));
	return 1;
}

struct tls *tls_create(const struct tls_config *c, hd_ns now)
{
	uint32_t n_jobs = c->max_handshakes != 0 ? c->max_handshakes : DEFAULT_HANDSHAKES;
	uint32_t n_schedules = c->max_schedules != 0 ? c->max_schedules : DEFAULT_SCHEDULES;
	struct tls *t = rte_zmalloc_socket("tls", sizeof(*t), HD_CACHE_LINE, c->socket);

	if (t == NULL)
		return NULL;
	t->stats = c->stats;
	t->bufs = c->bufs;
	t->indirect = c->indirect;
	t->worker = c->worker;
	t->update_after = c->update_after != 0 ? c->update_after : DEFAULT_UPDATE_AFTER;
	list_init(&t->ready);
	list_init(&t->windows);
	t->aead = tls_aead_create(n_schedules);
	if (t->aead != NULL && make_conns(t, c->max_connections) &&
	    tls_threads_attach(c->threads, c->worker, n_jobs, &t->link) == 0) {
		t->threads = c->threads;
		if (tls_admit_init(&t->admit, c, n_jobs, t->link.n_threads) == 0)
			return t;
	}
	tls_destroy(t);
	return NULL;
}

void tls_destroy(struct tls *t)
{
	if (t == NULL)
		return;
	if (t->threads != NULL) {
		tls_threads_detach(t->threads, t->worker);
		tls_admit_fini(&t->admit);
	}
	tls_aead_destroy(t->aead);
	tls_memory_unmap(t->memory, t->memory_bytes);
	rte_free(t);
}

uint64_t tls_bytes_used(const struct tls *t)
{
	return core_pool_bytes_used(&t->conns);
}

int tls_run(struct tls *t, hd_ns now)
{
	int any = tls_handover_run(t, now);

	t->stats->counters[HD_TLS_SCHEDULES] = tls_aead_expanded(t->aead);
	return any;
}

hd_ns tls_next_deadline(const struct tls *t)
{
	return tls_admit_deadline(&t->admit);
}

int tls_pushed(struct tls *t)
{
	int pushed = t->pushed;

	t->pushed = 0;
	return pushed;
}

struct tls_conn *tls_ready_next(struct tls *t)
{
	struct list_link *l = list_pop_front(&t->ready);

	return l != NULL ? list_entry(l, struct tls_conn, ready) : NULL;
}

static struct tls_pending *open_pending(struct tls *t, struct tls_conn *c,
					const struct hd_addr *remote, hd_ns now)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		struct tls_pending *evicted;
		struct tls_pending *p = tls_admit_open(&t->admit, c, remote, now, &evicted);
		if (p != NULL)
			return p;
		if (evicted == NULL)
			return NULL;
		tls_conn_ready(evicted->conn);
		tls_conn_fail(evicted->conn, HD_TLS_EVICTED);
	}
	return NULL;
}

static struct tls_conn *open_conn(struct tls *t, enum hd_tls_role role, uint32_t context,
				  const struct hd_addr *remote, void *user, hd_ns now)
{
	struct tls_conn *c = core_pool_get(&t->conns);

	if (c == NULL) {
		tls_count(t, HD_TLS_NO_MEMORY);
		return NULL;
	}
	memset(c, 0, sizeof(*c));
	c->tls = t;
	c->user = user;
	c->role = role;
	c->context = context;
	c->phase = TLS_PHASE_HANDSHAKE;
	c->pending = open_pending(t, c, remote, now);
	if (c->pending != NULL)
		return c;
	core_pool_put(&t->conns, c);
	tls_count(t, HD_TLS_BUSY);
	return NULL;
}

struct tls_conn *tls_accept(struct tls *t, uint32_t context, const struct hd_addr *remote,
			    void *user, hd_ns now)
{
	return open_conn(t, HD_TLS_SERVER, context, remote, user, now);
}

struct tls_conn *tls_connect(struct tls *t, uint32_t context, const struct hd_addr *remote,
			     struct hd_str sni, void *user, hd_ns now)
{
	struct tls_conn *c = open_conn(t, HD_TLS_CLIENT, context, remote, user, now);

	if (c == NULL)
		return NULL;
	c->pending->eager = 1;
	c->pending->sni_n = sni.n < TLS_SNI_MAX ? sni.n : TLS_SNI_MAX;
	if (sni.n > 0)
		memcpy(c->pending->sni, sni.p, c->pending->sni_n);
	return c;
}

void tls_release(struct tls_conn *c)
{
	struct tls *t = c->tls;

	tls_handover_detach(c);
	if (c->window != 0)
		tls_window_end(c);
	if (c->peer != NULL)
		tls_identity_put(c->peer, t->worker);
	if (list_is_linked(&c->ready))
		list_remove(&c->ready);
	tls_keys_forget(c);
	tls_wipe(c, sizeof(*c));
	core_pool_put(&t->conns, c);
}
