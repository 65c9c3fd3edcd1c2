/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_admit.h"

#include <errno.h>

#include <rte_malloc.h>

#define DEFAULT_TIMEOUT (10 * HD_NS_PER_S)
#define DEFAULT_WAITING 4096

static int init_jobs(struct tls_admit *a, uint32_t n_jobs, int socket)
{
	a->free_jobs = rte_zmalloc_socket("tls_jobs", n_jobs * sizeof(*a->free_jobs), HD_CACHE_LINE,
					  socket);
	a->owners = rte_zmalloc_socket("tls_owners", n_jobs * sizeof(*a->owners), HD_CACHE_LINE,
				       socket);
	if (a->free_jobs == NULL || a->owners == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_jobs; i++)
		a->free_jobs[i] = n_jobs - 1 - i;
	a->n_free_jobs = n_jobs;
	return 0;
}

int tls_admit_init(struct tls_admit *a, const struct tls_config *c, uint32_t n_jobs,
		   uint32_t n_threads)
{
	*a = (struct tls_admit){
		.max_queued = c->max_waiting != 0 ? c->max_waiting : DEFAULT_WAITING,
		.max_in_flight = n_threads * TLS_IN_FLIGHT,
		.secret = c->secret,
		.timeout = c->handshake_timeout != 0 ? c->handshake_timeout : DEFAULT_TIMEOUT,
	};
	list_init(&a->due);
	list_init(&a->round);
	for (uint32_t i = 0; i < TLS_BUCKETS; i++) {
		list_init(&a->buckets[i].all);
		list_init(&a->buckets[i].queue);
		list_init(&a->buckets[i].idle);
	}
	if (core_pool_init(&a->pendings, "tls_pending", a->max_queued + n_jobs,
			   sizeof(struct tls_pending), c->socket) == 0 &&
	    init_jobs(a, n_jobs, c->socket) == 0)
		return 0;
	tls_admit_fini(a);
	return -ENOMEM;
}

void tls_admit_fini(struct tls_admit *a)
{
	core_pool_fini(&a->pendings);
	rte_free(a->free_jobs);
	rte_free(a->owners);
	a->free_jobs = NULL;
	a->owners = NULL;
}

static uint8_t bucket_of(const struct tls_admit *a, const struct hd_addr *remote)
{
	uint64_t h = remote->ip.q[0] ^ a->secret;

	if (hd_ip_is_v4(&remote->ip))
		h ^= remote->ip.q[1];
	h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return (uint8_t)(h >> 56);
}

static struct tls_bucket *bucket(struct tls_admit *a, const struct tls_pending *p)
{
	return &a->buckets[p->bucket];
}

static struct tls_bucket *richest(struct tls_admit *a, size_t counter)
{
	struct tls_bucket *best = &a->buckets[0];

#define COUNT(b) (*(const uint32_t *)((const uint8_t *)(b) + counter))
	for (uint32_t i = 1; i < TLS_BUCKETS; i++) {
		if (COUNT(&a->buckets[i]) > COUNT(best))
			best = &a->buckets[i];
	}
#undef COUNT
	return best;
}

/* Those that are away or about to go are few. */
static struct tls_pending *oldest_at_home(struct tls_bucket *b)
{
	for (struct list_link *l = list_front(&b->all); l != NULL; l = list_next(&b->all, l)) {
		struct tls_pending *p = list_entry(l, struct tls_pending, all);
		if (p->conn != NULL && p->state != TLS_PENDING_AWAY &&
		    p->state != TLS_PENDING_GRANTED)
			return p;
	}
	return NULL;
}

struct tls_pending *tls_admit_open(struct tls_admit *a, struct tls_conn *c,
				   const struct hd_addr *remote, hd_ns now,
				   struct tls_pending **evicted)
{
	uint8_t at = bucket_of(a, remote);
	struct tls_bucket *b = &a->buckets[at];
	struct tls_pending *p = core_pool_get(&a->pendings);

	*evicted = NULL;
	if (p == NULL) {
		struct tls_bucket *rich = richest(a, offsetof(struct tls_bucket, n));
		if (rich->n > b->n + 1)
			*evicted = oldest_at_home(rich);
		return NULL;
	}
	memset(p, 0, offsetof(struct tls_pending, sni));
	p->conn = c;
	p->bucket = at;
	p->deadline = now + a->timeout;
	p->remote = *remote;
	list_push_back(&b->all, &p->all);
	list_push_back(&a->due, &p->due);
	b->n++;
	return p;
}

static void unlink_from_bucket(struct tls_admit *a, struct tls_pending *p)
{
	struct tls_bucket *b = bucket(a, p);

	if (!list_is_linked(&p->link))
		return;
	list_remove(&p->link);
	if (p->state != TLS_PENDING_QUEUED)
		return;
	b->n_queued--;
	a->n_queued--;
	if (b->n_queued == 0)
		list_remove(&b->turn);
}

void tls_admit_close(struct tls_admit *a, struct tls_pending *p)
{
	struct tls_bucket *b = bucket(a, p);

	unlink_from_bucket(a, p);
	if (p->state == TLS_PENDING_GRANTED)
		a->in_flight--;
	list_remove(&p->all);
	if (list_is_linked(&p->due))
		list_remove(&p->due);
	b->n--;
	if (p->job != 0) {
		b->n_jobs--;
		a->owners[p->job - 1] = NULL;
	}
	core_pool_put(&a->pendings, p);
}

/* Whether p has a job now. */
static int take_job(struct tls_admit *a, struct tls_pending *p)
{
	if (p->job != 0)
		return 1;
	if (a->n_free_jobs == 0)
		return 0;
	p->job = a->free_jobs[--a->n_free_jobs] + 1;
	a->owners[p->job - 1] = p;
	bucket(a, p)->n_jobs++;
	return 1;
}

void tls_admit_put_job(struct tls_admit *a, uint32_t number)
{
	a->free_jobs[a->n_free_jobs++] = number;
}

static void grant(struct tls_admit *a, struct tls_pending *p)
{
	unlink_from_bucket(a, p);
	p->state = TLS_PENDING_GRANTED;
	a->in_flight++;
}

/* What is half done goes first: it holds a job. */
static void enqueue(struct tls_admit *a, struct tls_pending *p)
{
	struct tls_bucket *b = bucket(a, p);

	unlink_from_bucket(a, p);
	p->state = TLS_PENDING_QUEUED;
	if (p->job != 0)
		list_push_front(&b->queue, &p->link);
	else
		list_push_back(&b->queue, &p->link);
	if (b->n_queued++ == 0)
		list_push_back(&a->round, &b->turn);
	a->n_queued++;
}

void tls_admit_ask(struct tls_admit *a, struct tls_pending *p, struct tls_pending **evicted)
{
	struct tls_bucket *rich;

	*evicted = NULL;
	if (a->n_queued == 0 && a->in_flight < a->max_in_flight && take_job(a, p)) {
		grant(a, p);
		return;
	}
	enqueue(a, p);
	if (a->n_queued <= a->max_queued)
		return;
	rich = richest(a, offsetof(struct tls_bucket, n_queued));
	*evicted = rich->n_queued > bucket(a, p)->n_queued
			   ? list_entry(rich->queue.prev, struct tls_pending, link)
			   : p;
}

/* A source with clearly more jobs than the one that waits gives its oldest idle one up. */
static struct tls_pending *who_gives_way(struct tls_admit *a, const struct tls_bucket *poor)
{
	struct tls_bucket *rich = richest(a, offsetof(struct tls_bucket, n_jobs));
	struct list_link *l = list_front(&rich->idle);

	if (a->n_leaving > 0 || l == NULL || rich->n_jobs <= poor->n_jobs + 1)
		return NULL;
	return list_entry(l, struct tls_pending, link);
}

struct tls_pending *tls_admit_next(struct tls_admit *a, struct tls_pending **evicted)
{
	struct tls_bucket *poor = NULL;

	*evicted = NULL;
	for (uint32_t i = 0; i < TLS_BUCKETS && a->in_flight < a->max_in_flight; i++) {
		struct list_link *l = list_pop_front(&a->round);
		struct tls_bucket *b;
		struct tls_pending *p;
		if (l == NULL)
			return NULL;
		b = list_entry(l, struct tls_bucket, turn);
		list_push_back(&a->round, &b->turn);
		p = list_entry(list_front(&b->queue), struct tls_pending, link);
		if (take_job(a, p)) {
			grant(a, p);
			return p;
		}
		poor = poor == NULL || b->n_jobs < poor->n_jobs ? b : poor;
	}
	if (poor != NULL)
		*evicted = who_gives_way(a, poor);
	return NULL;
}

void tls_admit_away(struct tls_admit *a, struct tls_pending *p)
{
	p->state = TLS_PENDING_AWAY;
}

void tls_admit_back(struct tls_admit *a, struct tls_pending *p)
{
	p->state = TLS_PENDING_BACK;
	a->in_flight--;
}

void tls_admit_idle(struct tls_admit *a, struct tls_pending *p)
{
	p->state = TLS_PENDING_IDLE;
	if (p->job != 0)
		list_push_back(&bucket(a, p)->idle, &p->link);
}

struct tls_pending *tls_admit_overdue(struct tls_admit *a, hd_ns now)
{
	struct list_link *l = list_front(&a->due);
	struct tls_pending *p;

	if (l == NULL)
		return NULL;
	p = list_entry(l, struct tls_pending, due);
	return p->deadline <= now ? p : NULL;
}

hd_ns tls_admit_deadline(const struct tls_admit *a)
{
	const struct list_link *l = list_front(&a->due);

	return l != NULL ? list_entry(l, const struct tls_pending, due)->deadline : HD_NS_NEVER;
}
