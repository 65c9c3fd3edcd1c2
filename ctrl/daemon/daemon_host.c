/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket may ask of the daemon. */
#include <errno.h>
#include <stdio.h>

#include "daemon.h"
#include "daemon_log.h"

#define MAX_CERTIFICATES 64

static void load_status(const struct loads *q, hd_ns now, struct sock_status *out)
{
	if (q->runs)
		out->load_runs_s = (now - q->since) / HD_NS_PER_S;
	if (q->retry_at > now)
		out->retry_in_s = (q->retry_at - now) / HD_NS_PER_S + 1;
}

static void host_status(void *arg, struct sock_status *out)
{
	const struct daemon *d = arg;

	*out = (struct sock_status){ .version = HEDDLE_VERSION,
				     .uptime_s = (loop_now() - d->started) / HD_NS_PER_S,
				     .ready = d->ready,
				     .draining = d->draining,
				     .unenforced = d->options->allow_unenforced,
				     .reloads = d->reload.loads,
				     .reload_failures = d->reload.failures };
	if (d->access != NULL) {
		struct observe_access_stats st;

		observe_access_stats(d->access, &st);
		out->access_lost = st.lost;
	}
	load_status(&d->loads, loop_now(), out);
	snprintf(out->last_failure, sizeof(out->last_failure), "%s",
		 d->reload.passing_failure[0] != '\0' ? d->reload.passing_failure
						      : d->reload.last_failure);
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

struct policy *daemon_registry_create(const struct daemon *d)
{
	struct policy_settings s = { 0 };
	struct policy *p;

	policy_settings_from_node(&s, d->node);
	s.spiffe_id = d->spiffe_id;
	s.strict = d->options->strict;
	s.allow_unenforced = d->options->allow_unenforced;
	p = policy_create(&s);
	if (p != NULL && d->names != NULL) {
		struct policy_resolver r = names_resolver(d->names);

		policy_set_resolver(p, &r);
	}
	return p;
}

static int host_load(void *arg, struct sock_load *load)
{
	return loads_ask(arg, load);
}

static int host_log(void *arg, const char *level, const char *area)
{
	enum hd_log_level parsed;
	int rc = daemon_log_parse(level, &parsed);

	return rc != 0 ? rc : daemon_log_set(parsed, area);
}

static void certificate_write(struct observe_text *t, const struct sock_certificate *c)
{
	observe_text_addf(t, "heddle_certificate_expiration_timestamp_seconds{kind=\"%s\",name=", c->kind);
	observe_text_add_json(t, c->name, (uint32_t)strlen(c->name));
	observe_text_addf(t, ",spiffe_id=");
	observe_text_add_json(t, c->info.spiffe_id, (uint32_t)strlen(c->info.spiffe_id));
	observe_text_addf(t, "} %lld\n", (long long)(c->info.not_after / INT64_C(1000000000)));
}

static void certificates_write(const struct daemon *d, struct observe_text *t)
{
	struct sock_certificate rows[MAX_CERTIFICATES];
	uint32_t n = certs_rows(d->certs, rows, MAX_CERTIFICATES);

	observe_text_add_family(t, "heddle_certificate_expiration_timestamp_seconds", "gauge",
				"When a certificate or root in use expires, seconds since 1970.");
	for (uint32_t i = 0; i < n; i++)
		if (rows[i].info.not_after != 0)
			certificate_write(t, &rows[i]);
	observe_text_add_counter(t, "heddle_certificate_failures",
				 "Certificates, roots and contexts that were refused.",
				 certs_failures(d->certs));
}

static void names_write(const struct daemon *d, struct observe_text *t)
{
	struct source_names_stats s = { 0 };

	if (d->names != NULL)
		source_names_stats(d->names, &s);
	observe_text_add_counter(t, "heddle_dns_queries",
				 "Times that a name was asked for.", s.queries);
	observe_text_add_counter(t, "heddle_dns_failures",
				 "Answers that did not come or had no address.", s.failures);
	observe_text_add_counter(t, "heddle_dns_changes",
				 "Answers that were others than before.", s.changes);
	observe_text_add_counter(t, "heddle_dns_left_out",
				 "Names that were not asked for because there are too many.",
				 s.left_out);
}

void daemon_metrics(void *arg, struct observe_text *t)
{
	const struct daemon *d = arg;
	const struct observe_metrics_input in = { .dp = d->dp,
						  .snapshot = d->reload.snapshot,
						  .requests = d->requests,
						  .health = d->health,
						  .http = d->http,
						  .access = d->access,
						  .version = HEDDLE_VERSION,
						  .reloads = d->reload.loads,
						  .reload_failures = d->reload.failures,
						  .started = (double)d->started_wall };

	observe_metrics_write(t, &in);
	certificates_write(d, t);
	names_write(d, t);
	observe_text_addf(t, "# EOF\n");
}

static int host_endpoint_set(void *arg, const struct hd_addr *addr, uint8_t health)
{
	struct daemon *d = arg;
	char text[HD_ADDR_STRLEN];
	int rc = health_say(d->health, addr, health);

	if (rc != 0)
		return rc;
	hd_log(HD_LOG_NOTICE, "policy", "endpoint %s is %s by an operator",
	       hd_addr_format(addr, text),
	       health == HD_EP_HEALTHY ? "back in rotation" : "out of rotation");
	return 0;
}

static const struct health *host_health(void *arg)
{
	const struct daemon *d = arg;

	return d->health;
}

static const struct observe_requests *host_requests(void *arg)
{
	const struct daemon *d = arg;

	return d->requests;
}

static const struct observe_failures *host_failures(void *arg)
{
	const struct daemon *d = arg;

	return &d->failures;
}

static char *host_metrics(void *arg)
{
	struct observe_text t = { 0 };

	daemon_metrics(arg, &t);
	observe_text_add(&t, "", 1);
	if (!t.failed)
		return t.p;
	observe_text_fini(&t);
	return NULL;
}

static uint32_t host_certificates(void *arg, struct sock_certificate *out, uint32_t capacity)
{
	const struct daemon *d = arg;

	return certs_rows(d->certs, out, capacity);
}

static int host_name(void *arg, uint32_t i, struct sock_name *out)
{
	const struct daemon *d = arg;

	return d->names != NULL && names_row(d->names, i, loop_now(), out);
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
				      .load = host_load,
				      .log = host_log,
				      .endpoint_set = host_endpoint_set,
				      .health = host_health,
				      .requests = host_requests,
				      .failures = host_failures,
				      .metrics = host_metrics,
				      .certificates = host_certificates,
				      .name = host_name,
				      .drain = host_drain,
				      .stop = host_stop };
}
