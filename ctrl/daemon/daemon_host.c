/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket may ask of the daemon. */
#include <errno.h>
#include <stdio.h>

#include "daemon.h"
#include "daemon_log.h"

static void host_status(void *arg, struct sock_status *out)
{
	const struct daemon *d = arg;

	*out = (struct sock_status){ .version = HEDDLE_VERSION,
				     .uptime_s = (loop_now() - d->started) / HD_NS_PER_S,
				     .ready = d->ready,
				     .draining = d->draining,
				     .reloads = d->reload.loads,
				     .reload_failures = d->reload.failures };
	snprintf(out->last_failure, sizeof(out->last_failure), "%s", d->reload.last_failure);
}

static void host_rates(void *arg, uint32_t worker, struct sock_rates *out)
{
	const struct daemon *d = arg;

	out->busy = d->watchdog.workers[worker].busy;
	out->requests_per_second = d->watchdog.workers[worker].requests_per_second;
}

static const struct hd_snapshot *host_snapshot(void *arg)
{
	const struct daemon *d = arg;

	return d->reload.snapshot;
}

static const struct policy_texts *host_texts(void *arg)
{
	const struct daemon *d = arg;

	return &d->reload.now.texts;
}

static uint32_t host_generations(void *arg, struct sock_generation *out, uint32_t capacity)
{
	const struct daemon *d = arg;

	return reload_generations(&d->reload, out, capacity);
}

static int host_check(void *arg, const struct policy_texts *over, struct policy_diags *diags)
{
	struct daemon *d = arg;

	return reload_check(&d->reload, over, diags);
}

static void say_generation(const struct daemon *d, const char *how, int rc,
			   const struct policy_diags *diags)
{
	if (rc == 0)
		hd_log(HD_LOG_NOTICE, "policy", "generation %llu is in use, %s",
		       (unsigned long long)d->reload.now.number, how);
	else
		hd_log(HD_LOG_WARNING, "policy",
		       "refused, %s, with %u errors: generation %llu stays in use", how,
		       diags->errors, (unsigned long long)d->reload.now.number);
}

static int host_apply(void *arg, const struct policy_texts *over, struct policy_diags *diags)
{
	struct daemon *d = arg;
	int rc = reload_apply(&d->reload, over, diags);

	say_generation(d, "applied over the control socket", rc, diags);
	return rc;
}

static int host_rollback(void *arg, struct policy_diags *diags)
{
	struct daemon *d = arg;
	int rc = reload_rollback(&d->reload, diags);

	if (rc != -ENOENT)
		say_generation(d, "rolled back over the control socket", rc, diags);
	return rc;
}

static int host_reload(void *arg, struct policy_diags *diags)
{
	return daemon_reload(arg, diags);
}

static int host_log(void *arg, const char *level, const char *area)
{
	enum hd_log_level parsed;
	int rc = daemon_log_parse(level, &parsed);

	return rc != 0 ? rc : daemon_log_set(parsed, area);
}

static void host_drain(void *arg)
{
	struct daemon *d = arg;

	hd_log(HD_LOG_NOTICE, "daemon", "asked to drain over the control socket");
	daemon_drain(d);
}

static void host_stop(void *arg)
{
	struct daemon *d = arg;

	hd_log(HD_LOG_NOTICE, "daemon", "asked to stop over the control socket");
	daemon_stop(d);
}

void daemon_host_init(struct daemon *d)
{
	d->host = (struct sock_host){ .arg = d,
				      .dp = d->dp,
				      .node = d->node,
				      .status = host_status,
				      .rates = host_rates,
				      .snapshot = host_snapshot,
				      .texts = host_texts,
				      .generations = host_generations,
				      .config_check = host_check,
				      .config_apply = host_apply,
				      .config_rollback = host_rollback,
				      .config_reload = host_reload,
				      .log = host_log,
				      .drain = host_drain,
				      .stop = host_stop };
}
