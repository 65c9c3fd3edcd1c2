/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_reload.h"

#include "daemon_loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon_certs.h"
#include "daemon_names.h"

void reload_init(struct reload *r, struct policy *policy, char *const *paths, uint32_t n_paths)
{
	*r = (struct reload){ .policy = policy, .paths = paths, .n_paths = n_paths };
	policy_texts_init(&r->now.texts);
	policy_texts_init(&r->seen);
}

void reload_fini(struct reload *r)
{
	for (uint32_t i = 0; i < r->n_retired; i++)
		policy_snapshot_free(r->policy, r->retired[i]);
	if (r->snapshot != NULL)
		policy_snapshot_free(r->policy, r->snapshot);
	for (uint32_t i = 0; i < r->n_history; i++)
		policy_texts_fini(&r->history[i].texts);
	policy_texts_fini(&r->now.texts);
	policy_texts_fini(&r->seen);
	policy_destroy(r->policy);
	free(r->retired);
}

/* Unlike policy_texts_add, a text of the same name stays: the one in the higher layer goes over it
 * object by object. */
static int text_append(struct policy_texts *to, const struct policy_text *row, const char *name,
		       uint32_t layer)
{
	struct policy_text copy = {
		.name = strdup(name), .bytes = malloc(row->n + 1), .n = row->n, .layer = layer
	};

	if (to->n == to->capacity) {
		uint32_t capacity = to->capacity ? to->capacity * 2 : 8;
		struct policy_text *rows = realloc(to->rows, capacity * sizeof(*rows));

		if (rows != NULL) {
			to->rows = rows;
			to->capacity = capacity;
		}
	}
	if (copy.name == NULL || copy.bytes == NULL || to->n == to->capacity) {
		free(copy.name);
		free(copy.bytes);
		return -ENOMEM;
	}
	if (row->n > 0)
		memcpy(copy.bytes, row->bytes, row->n);
	copy.bytes[row->n] = '\0';
	to->rows[to->n++] = copy;
	return 0;
}

static int texts_copy(struct policy_texts *to, const struct policy_texts *from)
{
	int rc = 0;

	for (uint32_t i = 0; i < from->n && rc == 0; i++)
		rc = text_append(to, &from->rows[i], from->rows[i].name, from->rows[i].layer);
	return rc;
}

static int texts_equal(const struct policy_texts *a, const struct policy_texts *b)
{
	if (a->n != b->n)
		return 0;
	for (uint32_t i = 0; i < a->n; i++) {
		const struct policy_text *x = &a->rows[i], *y = &b->rows[i];

		if (strcmp(x->name, y->name) != 0 || x->layer != y->layer || x->n != y->n ||
		    (x->n > 0 && memcmp(x->bytes, y->bytes, x->n) != 0))
			return 0;
	}
	return 1;
}

/* The texts in use with `over` as the highest layer. Names of earlier layers get the generation
 * that brought them, so that a complaint about vs.yaml is about the one just given. */
static int texts_lay(struct policy_texts *to, const struct reload *r,
		     const struct policy_texts *over)
{
	uint32_t layer = 0;
	char name[4096];
	int rc = 0;

	for (uint32_t i = 0; i < r->now.texts.n && rc == 0; i++) {
		const struct policy_text *row = &r->now.texts.rows[i];

		if (row->layer > layer)
			layer = row->layer;
		if (row->layer > 0 && strchr(row->name, '@') == NULL)
			snprintf(name, sizeof(name), "%s@%llu", row->name,
				 (unsigned long long)r->now.number);
		else
			snprintf(name, sizeof(name), "%s", row->name);
		rc = text_append(to, row, name, row->layer);
	}
	for (uint32_t i = 0; i < over->n && rc == 0; i++)
		rc = text_append(to, &over->rows[i], over->rows[i].name, layer + 1);
	return rc;
}

static int files_read(struct policy_texts *texts, const struct reload *r,
		      struct policy_diags *diags)
{
	int rc = 0;

	for (uint32_t i = 0; i < r->n_paths; i++) {
		int one = policy_texts_read(texts, r->paths[i], diags);
		if (rc == 0)
			rc = one;
	}
	return rc;
}

/* What is replaced by the same texts is nothing to return to. */
static void history_push(struct reload *r, const struct policy_texts *next)
{
	if (r->now.number == 0 || texts_equal(&r->now.texts, next)) {
		policy_texts_fini(&r->now.texts);
		return;
	}
	if (r->n_history == RELOAD_HISTORY)
		policy_texts_fini(&r->history[--r->n_history].texts);
	memmove(&r->history[1], &r->history[0], r->n_history * sizeof(r->history[0]));
	r->history[0] = r->now;
	r->n_history++;
}

static int retired_room(struct reload *r)
{
	struct hd_snapshot **p;

	if (r->n_retired < r->retired_capacity)
		return 0;
	p = realloc(r->retired, (r->retired_capacity + 16) * sizeof(struct hd_snapshot *));
	if (p == NULL)
		return -ENOMEM;
	r->retired = p;
	r->retired_capacity += 16;
	return 0;
}

static void failure_note(struct reload *r, const struct policy_diags *diags, int rc)
{
	char *to = rc == -EINVAL ? r->last_failure : r->passing_failure;

	r->failures++;
	snprintf(to, sizeof(r->last_failure), "%s", strerror(-rc));
	for (uint32_t i = 0; i < diags->n; i++) {
		if (diags->rows[i].severity == POLICY_ERROR) {
			policy_diag_format(&diags->rows[i], to, sizeof(r->last_failure));
			return;
		}
	}
}

static int slots_reserve(struct reload *r, const struct hd_snapshot *s)
{
	int rc = hd_dp_reserve(r->dp, s->cluster_slots, s->endpoint_slots);

	return rc == 0 ? health_reserve(r->health, s) : rc;
}

int reload_use(struct reload *r, struct hd_dp *dp, struct health *health)
{
	int rc;

	r->dp = dp;
	r->health = health;
	rc = slots_reserve(r, r->snapshot);
	if (r->certs != NULL)
		certs_load(r->certs, policy_snapshot_tls(r->snapshot), r->snapshot->generation);
	if (rc == 0)
		health_snapshot(health, dp, r->snapshot, loop_now());
	return rc;
}

/* What was applied and is now replaced whole by later applies is dropped: applying the same objects
 * again and again takes no more memory than once. */
static void texts_fold(struct policy_texts *texts, const struct hd_snapshot *s)
{
	uint32_t kept = 0, layer = 0, last = 0;

	for (uint32_t i = 0; i < texts->n; i++) {
		struct policy_text *row = &texts->rows[i];

		if (row->layer > 0 && !policy_snapshot_uses_text(s, i)) {
			free(row->name);
			free(row->bytes);
			continue;
		}
		layer += row->layer != last;
		last = row->layer;
		row->layer = layer;
		texts->rows[kept++] = *row;
	}
	texts->n = kept;
}

/* The files into l->files, and the same into l->texts. 1: they are what they were. */
static int files_build(const struct reload *r, struct reload_load *l)
{
	int rc = files_read(&l->files, r, l->diags);

	l->has_files = rc == 0;
	if (rc != 0)
		return rc;
	if (l->kind == RELOAD_CHANGED && texts_equal(&l->files, &r->seen))
		return 1;
	return texts_copy(&l->texts, &l->files);
}

static int over_build(const struct reload *r, struct reload_load *l)
{
	int rc = 0;

	for (uint32_t i = 0; i < l->n_over_paths && rc == 0; i++)
		rc = policy_texts_read(l->over, l->over_paths[i], l->diags);
	return rc == 0 ? texts_lay(&l->texts, r, l->over) : rc;
}

static int texts_build(const struct reload *r, struct reload_load *l)
{
	switch (l->kind) {
	case RELOAD_FILES:
	case RELOAD_CHANGED:
		return files_build(r, l);
	case RELOAD_AGAIN:
		return texts_copy(&l->texts, &r->now.texts);
	case RELOAD_ROLLBACK:
		return r->n_history > 0 ? texts_copy(&l->texts, &r->history[0].texts) : -ENOENT;
	default:
		return over_build(r, l);
	}
}

void reload_build(const struct reload *r, struct reload_load *l)
{
	policy_texts_init(&l->texts);
	policy_texts_init(&l->files);
	l->snapshot = NULL;
	l->has_files = 0;
	l->rc = texts_build(r, l);
	if (l->rc != 0)
		return;
	if (l->kind == RELOAD_PREVIEW && l->scratch == NULL)
		l->rc = -ENOMEM;
	else if (l->kind == RELOAD_CHECK)
		l->rc = policy_check(r->policy, &l->texts, l->diags);
	else
		l->rc = policy_load(l->kind == RELOAD_PREVIEW ? l->scratch : r->policy, &l->texts,
				    r->now.number + 1, &l->snapshot, l->diags);
}

static int puts_into_force(enum reload_kind kind)
{
	return kind != RELOAD_CHECK && kind != RELOAD_PREVIEW;
}

void reload_discard(struct reload *r, struct reload_load *l)
{
	if (l->snapshot != NULL)
		policy_snapshot_free(l->kind == RELOAD_PREVIEW ? l->scratch : r->policy,
				     l->snapshot);
	l->snapshot = NULL;
	policy_texts_fini(&l->texts);
	policy_texts_fini(&l->files);
}

static enum sock_origin origin_of(const struct reload *r, enum reload_kind kind)
{
	return kind == RELOAD_AGAIN	 ? r->now.origin
	       : kind == RELOAD_APPLY	 ? SOCK_FROM_APPLY
	       : kind == RELOAD_ROLLBACK ? SOCK_FROM_ROLLBACK
					 : SOCK_FROM_FILES;
}

/* Whatever can fail comes first. */
static int snapshot_publish(struct reload *r, struct reload_load *l)
{
	struct hd_snapshot *s = l->snapshot;
	int rc = retired_room(r);

	if (rc == 0 && r->dp != NULL)
		rc = slots_reserve(r, s);
	if (rc != 0)
		return rc;
	if (r->certs != NULL)
		certs_load(r->certs, policy_snapshot_tls(s), s->generation);
	if (r->names != NULL)
		names_want(r->names, s, loop_now());
	if (r->dp != NULL) {
		health_snapshot(r->health, r->dp, s, loop_now());
		hd_dp_publish(r->dp, s);
	}
	if (r->snapshot != NULL)
		r->retired[r->n_retired++] = r->snapshot;
	r->snapshot = s;
	l->snapshot = NULL;
	return 0;
}

static void generation_take(struct reload *r, struct reload_load *l)
{
	texts_fold(&l->texts, r->snapshot);
	history_push(r, &l->texts);
	r->now = (struct reload_generation){ .number = r->snapshot->generation,
					     .origin = origin_of(r, l->kind),
					     .since = time(NULL),
					     .warnings = l->diags->warnings,
					     .texts = l->texts };
	policy_texts_init(&l->texts);
	r->loads++;
	r->last_failure[0] = '\0';
}

/* What was rolled back from, and what was returned to, leave the history: a second rollback goes
 * one further. */
static void history_pop(struct reload *r)
{
	for (int i = 0; i < 2 && r->n_history > 0; i++) {
		policy_texts_fini(&r->history[0].texts);
		r->n_history--;
		memmove(&r->history[0], &r->history[1], r->n_history * sizeof(r->history[0]));
	}
}

int reload_end(struct reload *r, struct reload_load *l)
{
	if (l->rc == 0 && puts_into_force(l->kind))
		l->rc = snapshot_publish(r, l);
	/* What failed for another reason than its text is new the next time, too. */
	if ((l->rc == 0 || l->rc == -EINVAL) && l->has_files) {
		policy_texts_fini(&r->seen);
		r->seen = l->files;
		policy_texts_init(&l->files);
	}
	if (l->rc == 0 && puts_into_force(l->kind))
		generation_take(r, l);
	if (l->rc == 0 && l->kind == RELOAD_ROLLBACK)
		history_pop(r);
	if (l->has_files)
		r->passing_failure[0] = '\0';
	if (l->rc < 0 && l->rc != -ENOENT && puts_into_force(l->kind))
		failure_note(r, l->diags, l->rc);
	reload_discard(r, l);
	return l->rc;
}

int reload_run(struct reload *r, struct reload_load *l)
{
	reload_build(r, l);
	return reload_end(r, l);
}

int reload_files(struct reload *r, struct policy_diags *diags)
{
	struct reload_load l = { .kind = RELOAD_FILES, .diags = diags };

	return reload_run(r, &l);
}

int reload_again(struct reload *r, struct policy_diags *diags)
{
	struct reload_load l = { .kind = RELOAD_AGAIN, .diags = diags };

	return reload_run(r, &l);
}

void reload_sweep(struct reload *r)
{
	uint64_t oldest;
	uint32_t n = 0;

	if (r->n_retired == 0 || r->dp == NULL)
		return;
	oldest = hd_dp_oldest_generation(r->dp);
	while (n < r->n_retired && r->retired[n]->generation < oldest) {
		struct hd_snapshot *next = n + 1 < r->n_retired ? r->retired[n + 1] : r->snapshot;

		policy_snapshot_carry(next, r->retired[n]);
		policy_snapshot_free(r->policy, r->retired[n]);
		n++;
	}
	r->n_retired -= n;
	memmove(r->retired, r->retired + n, r->n_retired * sizeof(struct hd_snapshot *));
	if (n > 0 && r->certs != NULL)
		certs_sweep(r->certs, r->n_retired > 0 ? r->retired[0]->generation
						       : r->snapshot->generation);
}

static struct sock_generation generation_row(const struct reload_generation *g, int current)
{
	struct sock_generation row = { .number = g->number,
				       .origin = g->origin,
				       .since = g->since,
				       .warnings = g->warnings,
				       .current = current };

	for (uint32_t i = 0; i < g->texts.n; i++) {
		if (g->texts.rows[i].layer > 0)
			row.applied++;
		else
			row.files++;
	}
	return row;
}

uint32_t reload_generations(const struct reload *r, struct sock_generation *out, uint32_t capacity)
{
	uint32_t n = 0;

	if (capacity > 0)
		out[n++] = generation_row(&r->now, 1);
	for (uint32_t i = 0; i < r->n_history && n < capacity; i++)
		out[n++] = generation_row(&r->history[i], 0);
	return n;
}
