/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_threads.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "tls_memory.h"
#include "tls_slow.h"

#define SLEEP_MS 1000 /* at most: a wake-up is never lost, this is for the day that one is */

struct thread {
	struct tls_threads *all;
	pthread_t id;
	uint32_t index;
	int is_running;
	int event_fd;	    /* what wakes it */
	_Atomic int asleep; /* or about to be. Writer: the thread; reader: who wakes */
};

struct tls_threads {
	struct tls_threads_config c;
	struct tls_store *store;
	_Atomic int stop; /* writer: who stops; readers: the threads */
	uint32_t n_threads;
	struct tls_link *links; /* by worker; set before the threads run */
	size_t *job_bytes;
	struct thread threads[TLS_MAX_THREADS];
};

/* Before main, whoever calls OpenSSL first. */
__attribute__((constructor)) static void guard(void)
{
	tls_guard_openssl();
}

static int open_threads(struct tls_threads *t)
{
	for (uint32_t i = 0; i < TLS_MAX_THREADS; i++)
		t->threads[i].event_fd = -1;
	for (uint32_t i = 0; i < t->n_threads; i++) {
		t->threads[i].all = t;
		t->threads[i].index = i;
		t->threads[i].event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (t->threads[i].event_fd < 0)
			return 0;
	}
	return 1;
}

struct tls_threads *tls_threads_create(const struct tls_threads_config *c)
{
	struct tls_threads *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->c = *c;
	t->n_threads = c->n_threads == 0		? 1
		       : c->n_threads < TLS_MAX_THREADS ? c->n_threads
							: TLS_MAX_THREADS;
	t->links = calloc(c->n_workers, sizeof(*t->links));
	t->job_bytes = calloc(c->n_workers, sizeof(*t->job_bytes));
	t->store = tls_store_create(c->n_workers);
	if (!open_threads(t) || t->links == NULL || t->job_bytes == NULL || t->store == NULL) {
		tls_threads_destroy(t);
		return NULL;
	}
	t->store->wall = c->wall;
	t->store->wall_ctx = c->ctx;
	return t;
}

void tls_threads_destroy(struct tls_threads *t)
{
	if (t == NULL)
		return;
	tls_threads_stop(t);
	for (uint32_t i = 0; i < TLS_MAX_THREADS; i++) {
		if (t->threads[i].event_fd >= 0)
			close(t->threads[i].event_fd);
	}
	for (uint32_t i = 0; t->links != NULL && i < t->c.n_workers; i++)
		tls_threads_detach(t, i);
	tls_store_destroy(t->store);
	free(t->links);
	free(t->job_bytes);
	free(t);
}

static uint32_t ring_size(uint32_t n)
{
	uint32_t size = 1;

	while (size < n)
		size *= 2;
	return size;
}

int tls_threads_attach(struct tls_threads *t, uint32_t worker, uint32_t n_jobs,
		       struct tls_link *out)
{
	struct tls_link *l = &t->links[worker];
	int ok = 1;

	*l = (struct tls_link){ .n_jobs = n_jobs, .n_threads = t->n_threads };
	t->job_bytes[worker] = n_jobs * sizeof(struct tls_job);
	l->jobs = tls_memory_map(t->job_bytes[worker]);
	for (uint32_t i = 0; i < t->n_threads; i++) {
		l->to[i] = hd_ring_create(ring_size(n_jobs), sizeof(uint32_t));
		l->from[i] = hd_ring_create(ring_size(n_jobs), sizeof(uint32_t));
		ok = ok && l->to[i] != NULL && l->from[i] != NULL;
	}
	if (ok && l->jobs != NULL) {
		*out = *l;
		return 0;
	}
	tls_threads_detach(t, worker);
	return -ENOMEM;
}

/* Handshakes that are still under way are ended here: their worker is gone. */
void tls_threads_detach(struct tls_threads *t, uint32_t worker)
{
	struct tls_link *l = &t->links[worker];

	for (uint32_t i = 0; l->jobs != NULL && i < l->n_jobs; i++) {
		if (l->jobs[i].handshake == NULL)
			continue;
		l->jobs[i].op = TLS_JOB_DROP;
		tls_handshake_step(t->store, &l->jobs[i]);
	}
	for (uint32_t i = 0; i < TLS_MAX_THREADS; i++) {
		free(l->to[i]);
		free(l->from[i]);
	}
	tls_memory_unmap(l->jobs, t->job_bytes[worker]);
	*l = (struct tls_link){ 0 };
}

/* One job of a worker. True: there was one. */
static int serve(struct tls_threads *t, uint32_t index, uint32_t worker)
{
	struct tls_link *l = &t->links[worker];
	const uint32_t *waiting = l->jobs != NULL ? hd_ring_peek(l->to[index]) : NULL;
	uint32_t number, *slot;

	if (waiting == NULL)
		return 0;
	number = *waiting;
	hd_ring_pop(l->to[index]);
	tls_handshake_step(t->store, &l->jobs[number]);
	slot = hd_ring_slot(l->from[index]); /* it has room for all jobs */
	*slot = number;
	hd_ring_push(l->from[index]);
	if (t->c.kick != NULL)
		t->c.kick(t->c.ctx, worker);
	return 1;
}

/* One job of each worker. */
static int serve_round(struct tls_threads *t, uint32_t index)
{
	int any = 0;

	for (uint32_t w = 0; w < t->c.n_workers; w++)
		any |= serve(t, index, w);
	return any;
}

static int has_work(const struct tls_threads *t, uint32_t index)
{
	for (uint32_t w = 0; w < t->c.n_workers; w++) {
		if (t->links[w].jobs != NULL && hd_ring_peek(t->links[w].to[index]) != NULL)
			return 1;
	}
	return 0;
}

/* Whoever hands something over after the flag is seen set writes to the event; whatever was handed
 * over before is found by the look behind it. */
static void sleep_until_woken(struct thread *th)
{
	struct pollfd fd = { .fd = th->event_fd, .events = POLLIN };
	uint64_t count;

	atomic_store(&th->asleep, 1);
	if (!has_work(th->all, th->index) && !atomic_load(&th->all->stop))
		(void)poll(&fd, 1, SLEEP_MS);
	atomic_store(&th->asleep, 0);
	(void)!read(th->event_fd, &count, sizeof(count));
}

static void *thread_main(void *arg)
{
	struct thread *th = arg;

	while (!atomic_load_explicit(&th->all->stop, memory_order_relaxed)) {
		if (!serve_round(th->all, th->index))
			sleep_until_woken(th);
	}
	OPENSSL_thread_stop();
	return NULL;
}

int tls_threads_start(struct tls_threads *t)
{
	atomic_store(&t->stop, 0);
	for (uint32_t i = 0; i < t->n_threads; i++) {
		int rc = pthread_create(&t->threads[i].id, NULL, thread_main, &t->threads[i]);
		if (rc != 0) {
			tls_threads_stop(t);
			return -rc;
		}
		t->threads[i].is_running = 1;
		(void)pthread_setname_np(t->threads[i].id, "heddle-tls");
	}
	return 0;
}

void tls_threads_stop(struct tls_threads *t)
{
	const uint64_t one = 1;

	atomic_store(&t->stop, 1);
	for (uint32_t i = 0; i < t->n_threads; i++) {
		if (!t->threads[i].is_running)
			continue;
		(void)!write(t->threads[i].event_fd, &one, sizeof(one));
		pthread_join(t->threads[i].id, NULL);
		t->threads[i].is_running = 0;
	}
}

int tls_threads_step(struct tls_threads *t)
{
	int any = 0;

	for (uint32_t i = 0; i < t->n_threads; i++) {
		while (serve_round(t, i))
			any = 1;
	}
	return any;
}

void tls_threads_wake(struct tls_threads *t)
{
	const uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t i = 0; i < t->n_threads; i++) {
		if (atomic_load_explicit(&t->threads[i].asleep, memory_order_relaxed))
			(void)!write(t->threads[i].event_fd, &one, sizeof(one));
	}
}

hd_ns tls_threads_ran(const struct tls_threads *t)
{
	hd_ns sum = 0;

	for (uint32_t i = 0; i < t->n_threads; i++) {
		struct timespec ts;
		clockid_t clock;
		if (t->threads[i].is_running &&
		    pthread_getcpuclockid(t->threads[i].id, &clock) == 0 &&
		    clock_gettime(clock, &ts) == 0)
			sum += (hd_ns)ts.tv_sec * HD_NS_PER_S + (hd_ns)ts.tv_nsec;
	}
	return sum;
}

int tls_credential_set(struct tls_threads *t, uint32_t slot, const struct hd_tls_credential *c,
		       char *error, size_t error_bytes)
{
	return tls_store_credential_set(t->store, slot, c, error, error_bytes);
}

int tls_bundle_set(struct tls_threads *t, uint32_t slot, const struct hd_tls_bundle *b, char *error,
		   size_t error_bytes)
{
	return tls_store_bundle_set(t->store, slot, b, error, error_bytes);
}

int tls_context_set(struct tls_threads *t, uint32_t slot, const struct hd_tls_context *c,
		    char *error, size_t error_bytes)
{
	return tls_store_context_set(t->store, slot, c, error, error_bytes);
}

void tls_credential_clear(struct tls_threads *t, uint32_t slot)
{
	tls_store_credential_clear(t->store, slot);
}

void tls_bundle_clear(struct tls_threads *t, uint32_t slot)
{
	tls_store_bundle_clear(t->store, slot);
}

void tls_context_clear(struct tls_threads *t, uint32_t slot)
{
	tls_store_context_clear(t->store, slot);
}

int tls_credential_check(const struct hd_tls_credential *c, struct hd_tls_certificate_info *info,
			 char *error, size_t error_bytes)
{
	struct tls_credential *parsed =
		tls_credential_parse(c, (int64_t)time(NULL), error, error_bytes);

	if (parsed == NULL)
		return -EINVAL;
	if (info != NULL)
		tls_certificate_info(parsed->leaf, parsed->chain, info);
	tls_credential_free(parsed);
	return 0;
}

int tls_bundle_check(const struct hd_tls_bundle *b, char *error, size_t error_bytes)
{
	struct tls_bundle *parsed = tls_bundle_parse(b, error, error_bytes);

	if (parsed == NULL)
		return -EINVAL;
	tls_bundle_free(parsed);
	return 0;
}

int tls_bundle_info(const struct hd_tls_bundle *b, uint32_t index,
		    struct hd_tls_certificate_info *info)
{
	for (uint32_t i = 0; i < b->n_roots; i++) {
		STACK_OF(X509) *all = tls_pem_certificates(b->roots[i].pem);
		uint32_t n = all != NULL ? (uint32_t)sk_X509_num(all) : 0;
		if (index < n)
			tls_certificate_info(sk_X509_value(all, (int)index), NULL, info);
		sk_X509_pop_free(all, X509_free);
		if (index < n)
			return 0;
		index -= n;
	}
	return -ENOENT;
}
