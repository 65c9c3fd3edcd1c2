/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_certs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <heddle/log.h>

#define FILE_MAX (1u << 20)
#define SOON_SHARE 5	 /* a fifth of a lifetime is left */
#define SOON_MAX_DAYS 30 /* or so much */
#define SECOND INT64_C(1000000000)

enum row_kind { ROW_CREDENTIAL, ROW_BUNDLE };

/* One slot of either kind. */
struct row {
	enum row_kind kind;
	uint8_t is_used, is_set, is_identity, said_soon, said_expired;
	uint64_t generation; /* of the last snapshot that named it */
	uint64_t digest;     /* of what was read last, whether it was taken or not */
	char *name, *paths[2], *place;
	char *trust_domain;
	char error[640]; /* empty: what was read last is in use */
	struct hd_tls_certificate_info info;
};

struct context {
	uint64_t generation;
	uint8_t is_set;
};

struct certs {
	const struct policy_node *node;
	struct hd_dp *dp;
	struct row *rows[2]; /* by kind, by slot */
	uint32_t n_rows[2];
	struct context *contexts;
	uint32_t n_contexts;
	uint64_t failures;
};

/* A text that is read: from a file, or lent. */
struct text {
	struct hd_str s;
	char *own;
};

static void text_drop(struct text *t)
{
	if (t->own != NULL) {
		explicit_bzero(t->own, t->s.n);
		free(t->own);
	}
	*t = (struct text){ 0 };
}

/* NULL with the reason in error. Opening a pipe would wait for a writer. */
static FILE *file_open(const char *path, char *error, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	FILE *f;

	if (fd < 0) {
		snprintf(error, bytes, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		snprintf(error, bytes, "%s: is no regular file", path);
		close(fd);
		return NULL;
	}
	f = fdopen(fd, "r");
	if (f == NULL) {
		snprintf(error, bytes, "%s: %s", path, strerror(errno));
		close(fd);
	}
	return f;
}

static int file_read(const char *path, struct text *out, char *error, size_t bytes)
{
	FILE *f = file_open(path, error, bytes);
	size_t n;

	if (f == NULL)
		return -EINVAL;
	out->own = malloc(FILE_MAX);
	n = out->own != NULL ? fread(out->own, 1, FILE_MAX, f) : 0;
	if (out->own == NULL || ferror(f) || n == FILE_MAX)
		snprintf(error, bytes, "%s: %s", path,
			 n == FILE_MAX ? "longer than 1 MiB: no PEM file is" : strerror(errno));
	else
		error[0] = '\0';
	fclose(f);
	out->s = (struct hd_str){ out->own, (uint32_t)n };
	if (error[0] == '\0')
		return 0;
	text_drop(out);
	return -EINVAL;
}

static int text_read(const struct policy_tls_text *from, struct text *out, char *error,
		     size_t bytes)
{
	*out = (struct text){ 0 };
	if (from->path.n > 0)
		return file_read(from->path.p, out, error, bytes);
	out->s = from->pem;
	return 0;
}

static uint64_t digest_add(uint64_t h, struct hd_str s)
{
	for (uint32_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * UINT64_C(1099511628211);
	return (h ^ s.n) * UINT64_C(1099511628211);
}

#define DIGEST UINT64_C(14695981039346656037)

struct certs *certs_create(const struct policy_node *node)
{
	struct certs *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->node = node;
	return c;
}

static void row_fini(struct row *r)
{
	free(r->name);
	free(r->place);
	free(r->paths[0]);
	free(r->paths[1]);
	free(r->trust_domain);
	*r = (struct row){ .kind = r->kind };
}

void certs_destroy(struct certs *c)
{
	if (c == NULL)
		return;
	for (int kind = 0; kind < 2; kind++) {
		for (uint32_t i = 0; i < c->n_rows[kind]; i++)
			row_fini(&c->rows[kind][i]);
		free(c->rows[kind]);
	}
	free(c->contexts);
	free(c);
}

void certs_use(struct certs *c, struct hd_dp *dp)
{
	c->dp = dp;
}

static void *slot_grow(void *array, uint32_t *n, uint32_t slot, size_t bytes)
{
	uint32_t want = slot + 16;
	void *p;

	if (slot < *n)
		return array;
	p = realloc(array, want * bytes);
	if (p == NULL)
		return NULL;
	memset((char *)p + *n * bytes, 0, (want - *n) * bytes);
	*n = want;
	return p;
}

static struct row *row_at(struct certs *c, enum row_kind kind, uint32_t slot)
{
	struct row *rows = slot_grow(c->rows[kind], &c->n_rows[kind], slot, sizeof(*rows));

	if (rows == NULL)
		return NULL;
	c->rows[kind] = rows;
	rows[slot].kind = kind;
	return &rows[slot];
}

static char *dup_str(struct hd_str s)
{
	return strndup(s.n > 0 ? s.p : "", s.n);
}

/* Who the row is, the first time that its slot comes up. */
static void row_name(struct row *r, struct hd_str name, const struct policy_tls_text *a,
		     const struct policy_tls_text *b, const struct hd_source *source)
{
	char place[512];

	if (r->is_used)
		return;
	r->is_used = 1;
	r->name = dup_str(name);
	r->paths[0] = dup_str(a->path);
	r->paths[1] = dup_str(b->path);
	snprintf(place, sizeof(place), "%.*s:%u", (int)source->file.n,
		 source->file.n > 0 ? source->file.p : "", source->line);
	r->place = strdup(source->line > 0 ? place : "");
}

static void refused(struct certs *c, struct row *r)
{
	c->failures++;
	hd_log(HD_LOG_ERROR, "tls", "%s: %s: %s", r->name != NULL ? r->name : "?", r->error,
	       r->is_set ? "the one in use stays"
			 : "whoever needs it is refused until it is there");
}

/* What SPIFFE and the node file want of this node's own certificate. */
static int identity_fits(const struct policy_node *node, const struct hd_tls_certificate_info *info,
			 char *error, size_t bytes)
{
	size_t n = strlen(node->trust_domain);

	if (info->spiffe_id[0] == '\0')
		snprintf(error, bytes,
			 "%s: the certificate has no SPIFFE ID (one URI name, spiffe://…)",
			 node->identity.certificate);
	else if (strncmp(info->spiffe_id, "spiffe://", 9) != 0 ||
		 strncmp(info->spiffe_id + 9, node->trust_domain, n) != 0 ||
		 info->spiffe_id[9 + n] != '/')
		snprintf(error, bytes, "%s: %s is not of the node's trust domain %s",
			 node->identity.certificate, info->spiffe_id, node->trust_domain);
	else
		return 0;
	return -EINVAL;
}

static int pair_check(const struct hd_tls_credential *pair, struct hd_tls_certificate_info *info,
		      char *error, size_t bytes)
{
	*info = (struct hd_tls_certificate_info){ 0 };
	if (pair->chain.n == 0 || pair->key.n == 0) {
		snprintf(error, bytes, "there is no certificate with its key");
		return -EINVAL;
	}
	return hd_dp_tls_credential_check(pair, info, error, bytes);
}

/* A renewed certificate of the node must be of the same identity: routes and records tell of it. */
static int pair_fits(struct certs *c, const struct row *r,
		     const struct hd_tls_certificate_info *info, char *error, size_t bytes)
{
	if (!r->is_identity)
		return 0;
	if (identity_fits(c->node, info, error, bytes) != 0)
		return -EINVAL;
	if (!r->is_set || strcmp(info->spiffe_id, r->info.spiffe_id) == 0)
		return 0;
	snprintf(error, bytes, "%s is another identity than %s: that needs a restart",
		 info->spiffe_id, r->info.spiffe_id);
	return -EINVAL;
}

static uint32_t pair_set(struct certs *c, struct row *r, uint32_t slot,
			 const struct hd_tls_credential *pair)
{
	struct hd_tls_certificate_info info;
	int rc = pair_check(pair, &info, r->error, sizeof(r->error));

	if (rc == 0)
		rc = pair_fits(c, r, &info, r->error, sizeof(r->error));
	if (rc == 0 && c->dp != NULL)
		rc = hd_dp_tls_credential_set(c->dp, slot, pair, r->error, sizeof(r->error));
	if (rc != 0) {
		refused(c, r);
		return 0;
	}
	if (c->dp != NULL)
		hd_log(HD_LOG_NOTICE, "tls", "%s: %s %s, serial %s, is in use", r->name,
		       info.spiffe_id[0] != '\0' ? info.spiffe_id : info.subject,
		       r->is_set ? "renewed" : "loaded", info.serial);
	r->info = info;
	r->error[0] = '\0';
	r->said_soon = r->said_expired = 0;
	r->is_set = c->dp != NULL;
	return 1;
}

static uint32_t credential_load(struct certs *c, const struct policy_tls_credential *from,
				uint64_t generation)
{
	struct row *r = row_at(c, ROW_CREDENTIAL, from->slot);
	struct text chain, key = { 0 };
	struct hd_tls_credential pair;
	char why[sizeof(r->error)];
	uint64_t digest;
	uint32_t changed = 0;

	if (r == NULL)
		return 0;
	row_name(r, from->name, &from->chain, &from->key, &from->source);
	r->generation = generation;
	r->is_identity = from->is_identity;
	if (text_read(&from->chain, &chain, why, sizeof(why)) != 0 ||
	    text_read(&from->key, &key, why, sizeof(why)) != 0) {
		snprintf(r->error, sizeof(r->error), "%s", why);
		if (r->digest != 1)
			refused(c, r);
		r->digest = 1; /* said */
		text_drop(&chain);
		return 0;
	}
	pair = (struct hd_tls_credential){ chain.s, key.s };
	digest = digest_add(digest_add(DIGEST, chain.s), key.s);
	if (digest != r->digest || (c->dp != NULL && !r->is_set && r->error[0] == '\0'))
		changed = pair_set(c, r, from->slot, &pair);
	r->digest = digest;
	text_drop(&chain);
	text_drop(&key);
	return changed;
}

static int bundle_set(struct certs *c, struct row *r, uint32_t slot, const struct hd_tls_bundle *b)
{
	int rc = b->roots[0].pem.n > 0 ? hd_dp_tls_bundle_check(b, r->error, sizeof(r->error))
				       : -EINVAL;

	if (b->roots[0].pem.n == 0)
		snprintf(r->error, sizeof(r->error), "there are no roots");
	if (rc == 0 && c->dp != NULL)
		rc = hd_dp_tls_bundle_set(c->dp, slot, b, r->error, sizeof(r->error));
	if (rc != 0) {
		refused(c, r);
		return 0;
	}
	if (c->dp != NULL && r->is_set)
		hd_log(HD_LOG_NOTICE, "tls", "%s: the roots have changed", r->name);
	(void)hd_dp_tls_bundle_info(b, 0, &r->info);
	r->error[0] = '\0';
	r->said_soon = r->said_expired = 0;
	r->is_set = c->dp != NULL;
	return 1;
}

static uint32_t bundle_load(struct certs *c, const struct policy_tls_bundle *from,
			    uint64_t generation)
{
	struct row *r = row_at(c, ROW_BUNDLE, from->slot);
	struct text roots, crl = { 0 };
	struct hd_tls_roots list = { .trust_domain = from->trust_domain };
	struct hd_tls_bundle b = {
		.roots = &list, .n_roots = 1, .aliases = from->aliases, .n_aliases = from->n_aliases
	};
	char why[sizeof(r->error)];
	uint64_t digest = DIGEST;
	uint32_t changed = 0;

	if (r == NULL)
		return 0;
	row_name(r, from->name, &from->roots, &from->crl, &from->source);
	r->generation = generation;
	if (text_read(&from->roots, &roots, why, sizeof(why)) != 0 ||
	    text_read(&from->crl, &crl, why, sizeof(why)) != 0) {
		snprintf(r->error, sizeof(r->error), "%s", why);
		if (r->digest != 1)
			refused(c, r);
		r->digest = 1;
		text_drop(&roots);
		return 0;
	}
	list.pem = roots.s;
	b.crl = crl.s;
	digest = digest_add(digest_add(digest, roots.s), crl.s);
	for (uint32_t i = 0; i < from->n_aliases; i++)
		digest = digest_add(digest, from->aliases[i]);
	if (digest != r->digest || (c->dp != NULL && !r->is_set && r->error[0] == '\0'))
		changed = (uint32_t)bundle_set(c, r, from->slot, &b);
	r->digest = digest;
	text_drop(&roots);
	text_drop(&crl);
	return changed;
}

static int is_set(const struct certs *c, enum row_kind kind, uint32_t slot)
{
	return slot < c->n_rows[kind] && c->rows[kind][slot].is_set;
}

/* A context is set when all that it names is there, once: the same slot always means the same. */
static void context_load(struct certs *c, const struct policy_tls_context *from,
			 uint64_t generation)
{
	struct context *all = slot_grow(c->contexts, &c->n_contexts, from->slot, sizeof(*all));
	char error[256] = "";

	if (all == NULL)
		return;
	c->contexts = all;
	all[from->slot].generation = generation;
	if (all[from->slot].is_set || c->dp == NULL)
		return;
	for (uint32_t i = 0; i < from->context.n_credentials; i++)
		if (!is_set(c, ROW_CREDENTIAL, from->context.credentials[i]))
			return;
	if (from->context.bundle != HD_TLS_NONE && !is_set(c, ROW_BUNDLE, from->context.bundle))
		return;
	if (hd_dp_tls_context_set(c->dp, from->slot, &from->context, error, sizeof(error)) == 0) {
		all[from->slot].is_set = 1;
		return;
	}
	c->failures++;
	hd_log(HD_LOG_ERROR, "tls", "%.*s: %s: whoever needs it is refused",
	       (int)from->context.name.n, from->context.name.p, error);
}

uint32_t certs_load(struct certs *c, const struct policy_tls *tls, uint64_t generation)
{
	uint32_t changed = 0;

	for (uint32_t i = 0; i < tls->n_credentials; i++)
		changed += credential_load(c, &tls->credentials[i], generation);
	for (uint32_t i = 0; i < tls->n_bundles; i++)
		changed += bundle_load(c, &tls->bundles[i], generation);
	for (uint32_t i = 0; i < tls->n_contexts; i++)
		context_load(c, &tls->contexts[i], generation);
	return changed;
}

void certs_sweep(struct certs *c, uint64_t oldest)
{
	for (uint32_t i = 0; i < c->n_contexts; i++) {
		if (!c->contexts[i].is_set || c->contexts[i].generation >= oldest)
			continue;
		hd_dp_tls_context_clear(c->dp, i);
		c->contexts[i] = (struct context){ 0 };
	}
	for (int kind = 0; kind < 2; kind++)
		for (uint32_t i = 0; i < c->n_rows[kind]; i++) {
			struct row *r = &c->rows[kind][i];

			if (!r->is_used || r->generation >= oldest)
				continue;
			if (r->is_set && kind == ROW_CREDENTIAL)
				hd_dp_tls_credential_clear(c->dp, i);
			else if (r->is_set)
				hd_dp_tls_bundle_clear(c->dp, i);
			row_fini(r);
		}
}

static int is_soon(const struct row *r, int64_t now)
{
	int64_t left = r->info.not_after - now, life = r->info.not_after - r->info.not_before;

	return left < life / SOON_SHARE && left < SOON_MAX_DAYS * 86400 * SECOND;
}

static void row_look(struct row *r, int64_t now)
{
	int64_t left = (r->info.not_after - now) / SECOND;

	if (left <= 0 && !r->said_expired) {
		r->said_expired = r->said_soon = 1;
		hd_log(HD_LOG_ERROR, "tls", "%s: the certificate has expired: renew it", r->name);
	} else if (left > 0 && is_soon(r, now) && !r->said_soon) {
		r->said_soon = 1;
		hd_log(HD_LOG_WARNING, "tls",
		       "%s: the certificate expires in %" PRId64 " h %" PRId64 " min: renew it",
		       r->name, left / 3600, left / 60 % 60);
	}
}

void certs_look(struct certs *c, int64_t now)
{
	for (int kind = 0; kind < 2; kind++)
		for (uint32_t i = 0; i < c->n_rows[kind]; i++)
			if (c->rows[kind][i].is_set)
				row_look(&c->rows[kind][i], now);
}

char **certs_paths(const struct certs *c, uint32_t *n)
{
	char **out = malloc((2 * (size_t)(c->n_rows[0] + c->n_rows[1]) + 1) * sizeof(*out));

	*n = 0;
	for (int kind = 0; out != NULL && kind < 2; kind++)
		for (uint32_t i = 0; i < c->n_rows[kind]; i++)
			for (int k = 0; k < 2; k++) {
				char *path = c->rows[kind][i].paths[k];

				if (c->rows[kind][i].is_used && path != NULL && path[0] != '\0')
					out[(*n)++] = path;
			}
	return out;
}

static const char *state_of(const struct row *r, int64_t now)
{
	if (r->error[0] != '\0')
		return r->is_set ? "refused" : "missing";
	if (r->info.not_after <= now)
		return "expired";
	return is_soon(r, now) ? "expiring" : "ok";
}

uint32_t certs_rows(const struct certs *c, struct sock_certificate *out, uint32_t capacity)
{
	struct timespec ts;
	int64_t now;
	uint32_t n = 0;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
	for (int kind = 0; kind < 2; kind++)
		for (uint32_t i = 0; i < c->n_rows[kind]; i++) {
			const struct row *r = &c->rows[kind][i];

			if (!r->is_used || n == capacity)
				continue;
			out[n++] = (struct sock_certificate){
				.kind = kind == ROW_CREDENTIAL ? "certificate" : "roots",
				.name = r->name,
				.state = state_of(r, now),
				.error = r->error,
				.file = r->paths[0],
				.asked_by = r->place,
				.expires_in_s = (r->info.not_after - now) / SECOND,
				.is_identity = r->is_identity,
				.info = r->info,
			};
		}
	return n;
}

uint64_t certs_failures(const struct certs *c)
{
	return c->failures;
}

static int roots_check(const struct policy_node *node, char *error, size_t bytes)
{
	struct hd_tls_roots list = { .trust_domain = { node->trust_domain,
						       (uint32_t)strlen(node->trust_domain) } };
	struct hd_tls_bundle b = { .roots = &list, .n_roots = 1 };
	char why[256];
	struct text roots = { 0 }, crl = { 0 };
	int rc = file_read(node->identity.trust_bundle, &roots, error, bytes);

	if (rc == 0 && node->identity.crl != NULL)
		rc = file_read(node->identity.crl, &crl, error, bytes);
	list.pem = roots.s;
	b.crl = crl.s;
	if (rc == 0) {
		rc = hd_dp_tls_bundle_check(&b, why, sizeof(why));
		if (rc != 0)
			snprintf(error, bytes, "%s: %s", node->identity.trust_bundle, why);
	}
	text_drop(&roots);
	text_drop(&crl);
	return rc;
}

int certs_identity_check(const struct policy_node *node, struct hd_tls_certificate_info *info,
			 char *error, size_t error_bytes)
{
	struct text chain = { 0 }, key = { 0 };
	struct hd_tls_credential pair;
	char why[256];
	int rc = file_read(node->identity.certificate, &chain, error, error_bytes);

	if (rc == 0)
		rc = file_read(node->identity.key, &key, error, error_bytes);
	if (rc == 0) {
		pair = (struct hd_tls_credential){ chain.s, key.s };
		rc = pair_check(&pair, info, why, sizeof(why));
		if (rc != 0)
			snprintf(error, error_bytes, "%s: %s", node->identity.certificate, why);
	}
	text_drop(&chain);
	text_drop(&key);
	if (rc == 0)
		rc = identity_fits(node, info, error, error_bytes);
	return rc == 0 ? roots_check(node, error, error_bytes) : rc;
}
