/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_loads.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <systemd/sd-daemon.h>

#include <heddle/log.h>

#include "daemon.h"

#define RETRY_FIRST HD_NS_PER_S
#define RETRY_MOST (60 * HD_NS_PER_S)
/* What the loader may still take when the daemon ends. */
#define LEAVE_WITHIN (2 * HD_NS_PER_S)

static int is_files(enum sock_load_kind kind)
{
	return kind == SOCK_LOAD_RELOAD;
}

static void watch_again(struct daemon *d)
{
	if (source_watch_set(d->watch, d->node->policy_paths, d->node->n_policy_paths) != 0)
		hd_log(HD_LOG_WARNING, "policy",
		       "files are not watched any more for lack of memory: SIGHUP reads them");
}

/* What the node file says is laid down at start; the operator should know when it says something
 * else by now. */
static int node_differs(const struct daemon *d)
{
	struct policy_texts now;
	struct policy_diags diags;
	int differs = 0;

	policy_texts_init(&now);
	policy_diags_init(&diags);
	if (policy_texts_read(&now, d->options->config, &diags) == 0 && now.n == 1 &&
	    d->node_text.n == 1)
		differs = now.rows[0].n != d->node_text.rows[0].n ||
			  memcmp(now.rows[0].bytes, d->node_text.rows[0].bytes, now.rows[0].n) != 0;
	policy_diags_fini(&diags);
	policy_texts_fini(&now);
	return differs;
}

/* On the loader's thread. The watch comes before the files are read: a change after that is seen
 * again. */
static void load_run(void *arg)
{
	struct daemon *d = arg;
	struct loads *q = &d->loads;

	q->node_differs = q->takes_the_watch && node_differs(d);
	if (q->takes_the_watch)
		watch_again(d);
	reload_build(&d->reload, &q->load);
}

static void say_systemd(const char *state)
{
	sd_notifyf(0, "%s\nMONOTONIC_USEC=%" PRIu64, state, (uint64_t)(loop_now() / HD_NS_PER_US));
}

static void load_start(struct daemon *d, enum reload_kind kind)
{
	struct loads *q = &d->loads;

	policy_diags_init(&q->diags);
	q->load = (struct reload_load){ .kind = kind, .diags = &q->diags };
	if (q->n_asked > 0) {
		q->load.over = &q->asked[0]->over;
		q->load.over_paths = q->asked[0]->paths;
		q->load.n_over_paths = q->asked[0]->n_paths;
	}
	if (kind == RELOAD_PREVIEW)
		q->load.scratch = daemon_registry_create(d);
	q->runs = 1;
	q->since = loop_now();
	q->takes_the_watch = kind == RELOAD_FILES || kind == RELOAD_CHANGED;
	if (q->takes_the_watch)
		loop_remove(&d->loop, &d->on_watch);
	if (d->names != NULL)
		loop_remove(&d->loop, &d->on_names);
	if (kind == RELOAD_FILES)
		say_systemd("RELOADING=1");
	loader_start(q->loader, load_run, d);
}

static enum reload_kind kind_of(const struct loads *q)
{
	if (q->n_asked > 0 || (q->reasons & LOADS_BY_SIGNAL))
		return RELOAD_FILES;
	if (q->reasons & LOADS_BY_RETRY)
		return q->retry_kind;
	return q->reasons & LOADS_BY_CHANGE ? RELOAD_CHANGED : RELOAD_AGAIN;
}

/* Everybody who wants the files read again gets this load. */
static void files_start(struct daemon *d)
{
	struct loads *q = &d->loads;
	uint32_t kept = 0;

	q->n_asked = 0;
	for (uint32_t i = 0; i < q->n_waiting; i++) {
		if (is_files(q->waiting[i]->kind))
			q->asked[q->n_asked++] = q->waiting[i];
		else
			q->waiting[kept++] = q->waiting[i];
	}
	q->n_waiting = kept;
	q->reasons = q->wanted;
	q->wanted = 0;
	q->last_was_files = 1;
	load_start(d, kind_of(q));
}

static void next_start(struct daemon *d)
{
	static const enum reload_kind kinds[] = { [SOCK_LOAD_CHECK] = RELOAD_CHECK,
						  [SOCK_LOAD_PREVIEW] = RELOAD_PREVIEW,
						  [SOCK_LOAD_APPLY] = RELOAD_APPLY,
						  [SOCK_LOAD_ROLLBACK] = RELOAD_ROLLBACK };
	struct loads *q = &d->loads;

	if (q->runs)
		return;
	if ((q->wanted && !q->last_was_files) ||
	    (q->n_waiting > 0 ? is_files(q->waiting[0]->kind) : q->wanted != 0)) {
		files_start(d);
		return;
	}
	q->last_was_files = 0;
	if (q->n_waiting == 0)
		return;
	q->asked[0] = q->waiting[0];
	q->n_asked = 1;
	q->reasons = LOADS_BY_CLIENT;
	q->n_waiting--;
	memmove(&q->waiting[0], &q->waiting[1], q->n_waiting * sizeof(q->waiting[0]));
	load_start(d, kinds[q->asked[0]->kind]);
}

int loads_ask(struct daemon *d, struct sock_load *load)
{
	struct loads *q = &d->loads;

	if (q->n_waiting == LOADS_WAITING)
		return -EBUSY;
	q->waiting[q->n_waiting++] = load;
	next_start(d);
	return 0;
}

void loads_want(struct daemon *d, enum loads_reason reason)
{
	d->loads.wanted |= reason;
	next_start(d);
}

static void say_use(const struct daemon *d, const char *how)
{
	const struct hd_snapshot *s = d->reload.snapshot;

	hd_log(HD_LOG_NOTICE, "policy",
	       "generation %" PRIu64
	       " is in use%s: %u services, %u routes, %u endpoints, %u warnings",
	       d->reload.now.number, how, s->n_services, s->n_routes, s->n_endpoints,
	       d->reload.now.warnings);
}

static void say_refused(const struct daemon *d, const char *what, int rc,
			const struct policy_diags *diags)
{
	char errors[32];

	snprintf(errors, sizeof(errors), "%u errors", diags->errors);
	hd_log(rc == -EINVAL ? HD_LOG_ERROR : HD_LOG_WARNING, "policy",
	       "%s (%s): generation %" PRIu64 " stays in use", what,
	       rc == -EINVAL ? errors : strerror(-rc), d->reload.now.number);
}

/* The next wait is twice as long, up to a minute. */
static void retry_plan(struct daemon *d, int rc, enum reload_kind kind)
{
	struct loads *q = &d->loads;

	if (rc >= 0 || rc == -EINVAL) {
		q->retry_at = q->retry_after = 0;
		return;
	}
	q->retry_after = q->retry_after == 0 ? RETRY_FIRST : q->retry_after * 2;
	if (q->retry_after > RETRY_MOST)
		q->retry_after = RETRY_MOST;
	q->retry_at = loop_now() + q->retry_after;
	q->retry_kind = kind;
	hd_log(HD_LOG_WARNING, "policy", "the files are read again in %" PRIu64 " s",
	       q->retry_after / HD_NS_PER_S);
}

static void files_said(struct daemon *d, int rc, uint32_t applied)
{
	struct loads *q = &d->loads;

	if (q->node_differs)
		hd_log(HD_LOG_WARNING, "daemon", "%s has changed: a restart is needed for that",
		       d->options->config);
	if (rc == 1)
		return;
	if (q->reasons & LOADS_BY_CHANGE)
		hd_log(HD_LOG_NOTICE, "policy", "policy files changed");
	daemon_log_diags(d, &q->diags);
	if (rc == 0)
		say_use(d, applied > 0 ? ", what was applied is gone" : "");
	else
		say_refused(d, "the files were refused", rc, &q->diags);
}

static void names_said(struct daemon *d, int rc)
{
	if (rc == 0)
		hd_log(HD_LOG_INFO, "names",
		       "names lead to other addresses: generation %" PRIu64 " is in use",
		       d->reload.now.number);
	else
		say_refused(d, "names lead to other addresses and that was refused", rc,
			    &d->loads.diags);
}

static void client_said(struct daemon *d, int rc, enum reload_kind kind)
{
	if (kind != RELOAD_APPLY && kind != RELOAD_ROLLBACK)
		return;
	if (rc == 0)
		say_use(d, kind == RELOAD_APPLY ? ", applied over the control socket"
						: ", rolled back over the control socket");
	else if (rc != -ENOENT)
		say_refused(d,
			    kind == RELOAD_APPLY ? "config apply was refused"
						 : "config rollback was refused",
			    rc, &d->loads.diags);
}

static uint32_t applied_texts(const struct daemon *d)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->reload.now.texts.n; i++)
		n += d->reload.now.texts.rows[i].layer > 0;
	return n;
}

static void askers_tell(struct loads *q, int rc, const struct hd_snapshot *preview)
{
	for (uint32_t i = 0; i < q->n_asked; i++)
		q->asked[i]->done(q->asked[i], rc, &q->diags, preview);
	q->n_asked = 0;
}

static void load_over(struct daemon *d)
{
	struct loads *q = &d->loads;

	policy_destroy(q->load.scratch);
	policy_diags_fini(&q->diags);
	q->runs = 0;
	if (q->takes_the_watch && loop_add(&d->loop, &d->on_watch) != 0)
		hd_log(HD_LOG_WARNING, "policy",
		       "files are not watched any more: SIGHUP reads them");
	q->takes_the_watch = 0;
	if (d->names != NULL && loop_add(&d->loop, &d->on_names) != 0)
		hd_log(HD_LOG_WARNING, "names", "answers are taken late: no memory to wait for them");
}

void loads_finish(struct daemon *d)
{
	struct loads *q = &d->loads;
	enum reload_kind kind = q->load.kind;
	uint32_t applied = applied_texts(d);
	int rc;

	if (!loader_take(q->loader))
		return;
	if (kind == RELOAD_PREVIEW) {
		rc = q->load.rc;
		askers_tell(q, rc, q->load.snapshot);
		(void)reload_end(&d->reload, &q->load);
	} else {
		rc = reload_end(&d->reload, &q->load);
	}
	if (kind == RELOAD_AGAIN)
		names_said(d, rc);
	else if (kind == RELOAD_FILES || kind == RELOAD_CHANGED)
		files_said(d, rc, applied);
	else
		client_said(d, rc, kind);
	if (q->last_was_files)
		retry_plan(d, rc, kind);
	if (rc != 0 && kind != RELOAD_AGAIN && (q->reasons & LOADS_BY_NAMES))
		q->wanted |= LOADS_BY_NAMES;
	if (rc == 0)
		d->certs_changed_at = loop_now(); /* others may be wanted now */
	askers_tell(q, rc, NULL);
	if (kind == RELOAD_FILES)
		say_systemd("READY=1");
	load_over(d);
	next_start(d);
}

void loads_tick(struct daemon *d, hd_ns now)
{
	struct loads *q = &d->loads;

	if (q->retry_at == 0 || now < q->retry_at)
		return;
	q->retry_at = 0;
	loads_want(d, LOADS_BY_RETRY);
}

int loads_open(struct daemon *d)
{
	watch_again(d);
	return loader_create(&d->loads.loader);
}

static void waiting_refuse(struct loads *q)
{
	struct policy_diags none;

	policy_diags_init(&none);
	for (uint32_t i = 0; i < q->n_waiting; i++)
		q->waiting[i]->done(q->waiting[i], -ECANCELED, &none, NULL);
	q->n_waiting = 0;
}

int loads_close(struct daemon *d)
{
	struct loads *q = &d->loads;
	int rc = loader_destroy(q->loader, LEAVE_WITHIN);

	waiting_refuse(q);
	if (rc != 0)
		hd_log(HD_LOG_WARNING, "policy",
		       "a load is left behind: its files do not answer, or its expressions take long");
	if (rc == 0 && q->runs) {
		askers_tell(q, -ECANCELED, NULL);
		reload_discard(&d->reload, &q->load);
		policy_destroy(q->load.scratch);
		policy_diags_fini(&q->diags);
	}
	sock_server_tick(d->sock, loop_now()); /* who waits is told */
	return rc;
}
