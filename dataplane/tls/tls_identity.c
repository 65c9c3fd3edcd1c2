/* SPDX-License-Identifier: Apache-2.0 */
/* Identities: one immutable object a certificate, found by its hash. This side counts the
 * references that it gives out, each worker those it gave back, in a word of its own; when the two
 * agree nobody holds it. */
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls_slow.h"

#define ROWS 4096      /* of the table; chains grow */
#define SWEEP_EVERY 64 /* new identities */

struct entry {
	struct entry *next;
	uint8_t hash[32];
	uint32_t given; /* under the lock */
	struct tls_identity identity;
	char *texts;
	_Atomic uint32_t returned[HD_MAX_WORKERS]; /* writer: that worker */
};

struct tls_identities {
	pthread_mutex_t lock;
	uint64_t last_serial;
	uint32_t n_workers, since_sweep;
	struct entry *rows[ROWS];
};

struct tls_identities *tls_identities_create(uint32_t n_workers)
{
	struct tls_identities *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	t->n_workers = n_workers;
	return t;
}

static void free_entry(struct entry *e)
{
	free(e->texts);
	free((void *)(uintptr_t)e->identity.dns);
	free(e);
}

void tls_identities_destroy(struct tls_identities *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < ROWS; i++) {
		while (t->rows[i] != NULL) {
			struct entry *e = t->rows[i];
			t->rows[i] = e->next;
			free_entry(e);
		}
	}
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static void give_back(const struct tls_identity *i, uint32_t worker, uint32_t n)
{
	struct entry *e =
		hd_container_of((struct tls_identity *)(uintptr_t)i, struct entry, identity);
	uint32_t before = atomic_load_explicit(&e->returned[worker], memory_order_relaxed);

	atomic_store_explicit(&e->returned[worker], before + n, memory_order_release);
}

/* What a worker gave back can be taken again only while it holds more: then nobody frees it in
 * between. */
void tls_identity_hold(const struct tls_identity *i, uint32_t worker)
{
	give_back(i, worker, UINT32_MAX);
}

void tls_identity_put(const struct tls_identity *i, uint32_t worker)
{
	give_back(i, worker, 1);
}

static int is_held(const struct tls_identities *t, struct entry *e)
{
	uint32_t returned = 0;

	for (uint32_t i = 0; i < t->n_workers; i++)
		returned += atomic_load_explicit(&e->returned[i], memory_order_acquire);
	return returned != e->given;
}

static void sweep(struct tls_identities *t)
{
	for (uint32_t i = 0; i < ROWS; i++) {
		for (struct entry **at = &t->rows[i]; *at != NULL;) {
			struct entry *e = *at;
			if (is_held(t, e)) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			free_entry(e);
		}
	}
}

/* Texts are gathered as bytes with their places, and become pointers when all are there. */
struct gather {
	BIO *out;
	int at;
};

static struct hd_str mark(const struct gather *g, int from)
{
	return (struct hd_str){ (const char *)(uintptr_t)from, (uint32_t)(g->at - from) };
}

static struct hd_str put(struct gather *g, const void *p, int n)
{
	int from = g->at;

	if (n > 0 && BIO_write(g->out, p, n) == n)
		g->at += n;
	return mark(g, from);
}

static struct hd_str put_subject(struct gather *g, X509 *leaf)
{
	int from = g->at;

	X509_NAME_print_ex(g->out, X509_get_subject_name(leaf), 0, XN_FLAG_RFC2253);
	g->at = (int)BIO_pending(g->out);
	return mark(g, from);
}

/* As Envoy encodes it: everything but letters, digits and -_.~ */
static void put_encoded(struct gather *g, const char *p, long n)
{
	static const char hex[] = "0123456789ABCDEF";

	for (long i = 0; i < n; i++) {
		uint8_t b = (uint8_t)p[i];
		char coded[3] = { '%', hex[b >> 4], hex[b & 15] };
		int plain = (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') ||
			    (b >= 'a' && b <= 'z') || b == '-' || b == '_' || b == '.' || b == '~';
		put(g, plain ? &p[i] : coded, plain ? 1 : 3);
	}
}

static struct hd_str put_pem(struct gather *g, X509 *leaf)
{
	BIO *b = BIO_new(BIO_s_mem());
	int from = g->at;
	char *p;

	if (b != NULL && PEM_write_bio_X509(b, leaf) == 1) {
		long n = BIO_get_mem_data(b, &p);
		put_encoded(g, p, n);
	}
	BIO_free(b);
	return mark(g, from);
}

static struct hd_str put_hash(struct gather *g, const uint8_t hash[32])
{
	static const char hex[] = "0123456789abcdef";
	int from = g->at;

	for (int i = 0; i < 32; i++) {
		char two[2] = { hex[hash[i] >> 4], hex[hash[i] & 15] };
		put(g, two, 2);
	}
	return mark(g, from);
}

/* Puts all names of a type; the rows are the caller's. */
static uint32_t put_names(struct gather *g, const GENERAL_NAMES *all, int type, struct hd_str *rows)
{
	uint32_t n = 0;

	for (int i = 0; all != NULL && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
		if (name->type == type) /* both are IA5 strings in the same place */
			rows[n++] = put(g, ASN1_STRING_get0_data(name->d.ia5),
					ASN1_STRING_length(name->d.ia5));
	}
	return n;
}

static void settle(struct hd_str *s, const char *texts)
{
	s->p = texts + (uintptr_t)s->p;
}

/* /ns/N/sa/S */
static void split_path(struct tls_identity *i, struct hd_str path)
{
	const char *sa;

	if (path.n < 8 || memcmp(path.p, "/ns/", 4) != 0)
		return;
	sa = memmem(path.p + 4, path.n - 4, "/sa/", 4);
	if (sa == NULL || memchr(path.p + 4, '/', (size_t)(sa - path.p - 4)) != NULL ||
	    memchr(sa + 4, '/', (size_t)(path.p + path.n - sa - 4)) != NULL)
		return;
	i->namespace_ = (struct hd_str){ path.p + 4, (uint32_t)(sa - path.p - 4) };
	i->service_account = (struct hd_str){ sa + 4, (uint32_t)(path.p + path.n - sa - 4) };
}

static void settle_all(struct entry *e, struct hd_str *rows)
{
	struct tls_identity *i = &e->identity;
	struct hd_str path;

	for (uint32_t k = 0; k < i->n_dns + i->n_uris; k++)
		settle(&rows[k], e->texts);
	settle(&i->subject, e->texts);
	settle(&i->pem, e->texts);
	settle(&i->hash, e->texts);
	if (i->n_uris != 1 || !tls_spiffe_parse(i->uris[0], &i->trust_domain, &path)) {
		i->trust_domain = (struct hd_str){ "", 0 };
		return;
	}
	i->spiffe_id = i->uris[0];
	i->principal = (struct hd_str){ i->trust_domain.p, i->trust_domain.n + path.n };
	split_path(i, path);
}

static int fill(struct entry *e, X509 *leaf, struct gather *g)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	struct hd_str *rows = calloc((size_t)sk_GENERAL_NAME_num(all) + 2, sizeof(*rows));
	struct tls_identity *i = &e->identity;
	struct hd_tls_certificate_info info;
	char *p;

	if (rows == NULL) {
		GENERAL_NAMES_free(all);
		return 0;
	}
	i->dns = rows;
	i->n_dns = put_names(g, all, GEN_DNS, rows);
	i->uris = rows + i->n_dns;
	i->n_uris = put_names(g, all, GEN_URI, rows + i->n_dns);
	GENERAL_NAMES_free(all);
	i->subject = put_subject(g, leaf);
	i->pem = put_pem(g, leaf);
	i->hash = put_hash(g, e->hash);
	tls_certificate_info(leaf, NULL, &info);
	i->not_after = info.not_after;
	BIO_get_mem_data(g->out, &p);
	e->texts = malloc((size_t)g->at + 1);
	if (e->texts == NULL)
		return 0;
	memcpy(e->texts, p, (size_t)g->at);
	settle_all(e, rows);
	return 1;
}

static struct entry *make_entry(const uint8_t hash[32], X509 *leaf)
{
	struct gather g = { .out = BIO_new(BIO_s_mem()) };
	struct entry *e = calloc(1, sizeof(*e));
	int ok;

	if (g.out == NULL || e == NULL) {
		BIO_free(g.out);
		free(e);
		return NULL;
	}
	memcpy(e->hash, hash, sizeof(e->hash));
	ok = fill(e, leaf, &g);
	BIO_free(g.out);
	ERR_clear_error();
	if (ok)
		return e;
	free_entry(e);
	return NULL;
}

static struct entry **row_of(struct tls_identities *t, const uint8_t hash[32])
{
	uint32_t at;

	memcpy(&at, hash, sizeof(at));
	return &t->rows[at % ROWS];
}

static struct entry *add(struct tls_identities *t, const uint8_t hash[32], X509 *leaf)
{
	struct entry **row = row_of(t, hash), *e;

	if (++t->since_sweep >= SWEEP_EVERY) {
		t->since_sweep = 0;
		sweep(t);
	}
	e = make_entry(hash, leaf);
	if (e == NULL)
		return NULL;
	e->identity.serial = ++t->last_serial;
	e->next = *row;
	*row = e;
	return e;
}

const struct tls_identity *tls_identity_get(struct tls_identities *t, X509 *leaf)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	struct entry *e;

	if (X509_digest(leaf, EVP_sha256(), hash, NULL) != 1)
		return NULL;
	pthread_mutex_lock(&t->lock);
	for (e = *row_of(t, hash); e != NULL && memcmp(e->hash, hash, sizeof(e->hash)) != 0;
	     e = e->next)
		;
	if (e == NULL)
		e = add(t, hash, leaf);
	if (e != NULL)
		e->given++;
	pthread_mutex_unlock(&t->lock);
	return e != NULL ? &e->identity : NULL;
}
