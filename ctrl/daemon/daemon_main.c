/* SPDX-License-Identifier: Apache-2.0 */
/* heddle: start-up, and the way back in reverse. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <heddle/log.h>

#include "daemon.h"
#include "daemon_log.h"
#include "sock_command.h"

enum exit_code { EXIT_FINE, EXIT_BAD_CONFIGURATION, EXIT_NO_DEVICE };

/* How long the start waits for addresses of names. */
#define NAMES_PATIENCE (2 * HD_NS_PER_S)

/* EAL options of the command line come after those of the file: the last one wins. */
static int eal_append(struct hd_node *node, const struct daemon_options *o)
{
	char why[160];
	uint32_t at;
	size_t n = 0;

	while (n < HD_ARRAY_SIZE(node->eal) && node->eal[n] != NULL)
		n++;
	for (unsigned int i = 0; i < o->n_eal; i++) {
		if (n + 1 >= HD_ARRAY_SIZE(node->eal))
			return -E2BIG;
		node->eal[n] = strdup(o->eal[i]);
		if (node->eal[n++] == NULL)
			return -ENOMEM;
	}
	if (o->n_eal == 0 || policy_eal_check(node->eal, &at, why, sizeof(why)) == 0)
		return 0;
	hd_log(HD_LOG_ERROR, "daemon", "command line, EAL option %s: %s", node->eal[at], why);
	return -EINVAL;
}

static void configuration_free(struct daemon *d)
{
	reload_fini(&d->reload);
	certs_destroy(d->certs);
	policy_node_free(d->node);
}

/* A node that is to have an identity does not start without one. */
static int identity_load(struct daemon *d)
{
	struct hd_tls_certificate_info info;
	char error[512];

	d->certs = certs_create(d->node);
	if (d->certs == NULL)
		return -ENOMEM;
	if (d->node->identity.certificate == NULL)
		return 0;
	if (certs_identity_check(d->node, &info, error, sizeof(error)) != 0) {
		hd_log(HD_LOG_ERROR, "tls", "identity: %s", error);
		return -EINVAL;
	}
	snprintf(d->spiffe_id, sizeof(d->spiffe_id), "%s", info.spiffe_id);
	return 0;
}

static int access_check(const struct daemon *d)
{
	char error[8192];
	int rc = d->node->access_log_path != NULL
			 ? observe_access_check(d->node->access_log_path, error, sizeof(error))
			 : 0;

	if (rc == 0)
		return 0;
	hd_log(HD_LOG_ERROR, "daemon", "accessLog.path: %s", error);
	return -EINVAL;
}

/* Node file and policy. On failure diags or the log say why. */
static int configuration_load(struct daemon *d, struct policy_diags *diags)
{
	struct policy *policy;
	int rc = policy_node_read(d->options->config, &d->node, diags);

	if (rc != 0)
		return rc;
	rc = identity_load(d);
	if (rc == 0)
		rc = access_check(d);
	if (rc == 0)
		rc = policy_texts_read(&d->node_text, d->options->config, diags);
	if (rc == 0)
		rc = eal_append(&d->node->dp, d->options);
	policy = rc == 0 ? daemon_registry_create(d) : NULL;
	if (policy == NULL) {
		certs_destroy(d->certs);
		policy_node_free(d->node);
		return rc != 0 ? rc : -ENOMEM;
	}
	reload_init(&d->reload, policy, d->node->policy_paths, d->node->n_policy_paths);
	d->reload.names = d->names;
	d->reload.certs = d->certs;
	rc = reload_files(&d->reload, diags);
	if (rc != 0)
		configuration_free(d);
	return rc;
}

static int check(struct daemon *d)
{
	struct policy_diags diags;
	int rc;

	policy_diags_init(&diags);
	rc = configuration_load(d, &diags);
	policy_diags_print(&diags, stdout);
	if (rc == 0)
		fprintf(stderr, "%s: fine, %u warnings; %u services, %u routes, %u endpoints\n",
			d->options->config, diags.warnings, d->reload.snapshot->n_services,
			d->reload.snapshot->n_routes, d->reload.snapshot->n_endpoints);
	else
		fprintf(stderr, "%s: %u errors, %u warnings%s%s\n", d->options->config,
			diags.errors, diags.warnings, rc == -EINVAL ? "" : ": ",
			rc == -EINVAL ? "" : strerror(-rc));
	policy_diags_fini(&diags);
	if (rc == 0)
		configuration_free(d);
	return rc == 0 ? EXIT_FINE : EXIT_BAD_CONFIGURATION;
}

/* A file system that does not answer may hold the control thread for a while; a second signal is no
 * patience any more. */
static const struct signals_patience patience = { .first = 10 * HD_NS_PER_S,
						  .again = 2 * HD_NS_PER_S };

static int http_ready(void *arg)
{
	const struct daemon *d = arg;

	return d->ready && !d->draining;
}

static int http_open(struct daemon *d)
{
	static const struct observe_http_ops ops = { .ready = http_ready,
						     .metrics = daemon_metrics };
	char text[HD_ADDR_STRLEN];
	int rc;

	if (d->node->metrics.port == 0)
		return 0;
	rc = observe_http_open(&d->node->metrics, &ops, d, &d->http);
	if (rc != 0)
		hd_log(HD_LOG_ERROR, "daemon", "metrics.listen: %s: %s%s",
		       hd_addr_format(&d->node->metrics, text), strerror(-rc),
		       rc == -EADDRINUSE ? "; stop what listens there or choose another port" : "");
	return rc;
}

static int access_open(struct daemon *d)
{
	enum observe_access_format format = d->node->access_log_format == POLICY_LOG_JSON
						    ? OBSERVE_ACCESS_JSON
						    : OBSERVE_ACCESS_TEXT;
	int rc;

	if (d->node->access_log_path == NULL)
		return 0;
	rc = observe_access_open(d->node->access_log_path, format, &d->access);
	if (rc != 0)
		hd_log(HD_LOG_ERROR, "daemon", "accessLog.path: %s: %s%s", d->node->access_log_path,
		       strerror(-rc),
		       rc == -ENXIO ? ": nobody reads this pipe: start its reader first" : "");
	return rc;
}

/* A configuration that asks for the impossible is told from a device that is not there. */
static int device_exit_code(int rc)
{
	return rc == -EINVAL || rc == -ENOTSUP ? EXIT_BAD_CONFIGURATION : EXIT_NO_DEVICE;
}

/* Without a resolver names lead nowhere, which is no reason not to serve the rest. */
static void names_open(struct daemon *d)
{
	int rc = source_names_create(NULL, &d->names);

	if (rc != 0)
		hd_log(HD_LOG_ERROR, "names", "names cannot be asked for: %s: restart once that is mended",
		       strerror(-rc));
}

/* The first generation that takes traffic knows where its names lead. */
static void names_first(struct daemon *d)
{
	struct policy_diags diags;

	if (d->names == NULL || !names_await(d->names, NAMES_PATIENCE))
		return;
	policy_diags_init(&diags);
	d->names_changed = reload_again(&d->reload, &diags) != 0;
	policy_diags_fini(&diags);
}

static int tokens_open(struct daemon *d)
{
	d->jwt = jwt_thread_start(d->dp);
	return d->jwt != NULL ? 0 : -ENOMEM;
}

/* The thread of a load that was left behind uses what is not given back yet. */
_Noreturn static void leave(struct daemon *d, int code)
{
	observe_access_close(d->access);
	hd_log(HD_LOG_NOTICE, "daemon", "stopped");
	_exit(code);
}

/* What the first traffic meets; the log says why there is none. */
static int configuration_first(struct daemon *d)
{
	struct policy_diags diags;
	int rc;

	names_open(d);
	policy_diags_init(&diags);
	rc = configuration_load(d, &diags);
	if (rc == 0)
		names_first(d);
	daemon_log_diags(d, &diags);
	policy_diags_fini(&diags);
	if (rc == 0)
		return 0;
	hd_log(HD_LOG_ERROR, "daemon", "%s: not started: %s", d->options->config,
	       rc == -EINVAL ? "see above" : strerror(-rc));
	source_names_destroy(d->names);
	return rc;
}

static int serve(struct daemon *d)
{
	int code = EXIT_BAD_CONFIGURATION, rc, left_behind = 0;
	char error[1024] = "";

	if (configuration_first(d) != 0)
		return code;
	d->started = loop_now();
	d->started_wall = time(NULL);
	rc = loop_init(&d->loop);
	if (rc != 0)
		goto free_configuration;
	observe_access_signals();
	rc = signals_open(&patience, &d->signals);
	if (rc != 0)
		goto fini_loop;
	rc = source_watch_create(&d->watch);
	if (rc != 0)
		goto close_signals;
	rc = source_watch_create(&d->cert_watch);
	if (rc != 0)
		goto destroy_watch;
	rc = sock_server_open(d->node->control_socket, &d->host, &d->sock, error, sizeof(error));
	if (rc != 0)
		goto destroy_cert_watch;
	rc = http_open(d);
	if (rc != 0)
		goto close_sock;
	rc = observe_requests_create(&d->node->dp, &d->requests);
	if (rc != 0)
		goto close_http;
	rc = access_open(d);
	if (rc != 0)
		goto destroy_requests;
	rc = hd_dp_open(&d->node->dp, &d->dp, error, sizeof(error));
	if (rc != 0) {
		code = device_exit_code(rc);
		goto close_access;
	}
	certs_use(d->certs, d->dp);
	d->health = health_create();
	rc = d->health != NULL ? reload_use(&d->reload, d->dp, d->health) : -ENOMEM;
	daemon_host_init(d);
	if (rc == 0)
		rc = tokens_open(d);
	if (rc == 0)
		rc = hd_dp_start(d->dp, d->reload.snapshot, error, sizeof(error));
	if (rc != 0)
		goto close_dp;
	rc = loads_open(d);
	if (rc != 0)
		goto close_dp;
	rc = daemon_run(d);
	code = rc == 0 ? EXIT_FINE : EXIT_BAD_CONFIGURATION;
	left_behind = loads_close(d) != 0;

close_dp:
	alarm(DAEMON_LEAVE_WITHIN_S);
	d->reload.dp = NULL;
	certs_use(d->certs, NULL);
	sock_server_close(d->sock);
	d->sock = NULL;
	jwt_thread_stop(d->jwt);
	hd_dp_close(d->dp);
	health_destroy(d->health);
	sock_jobs_sweep(1);
	if (left_behind)
		leave(d, code);
close_access:
	observe_access_close(d->access);
destroy_requests:
	observe_requests_destroy(d->requests);
close_http:
	observe_http_close(d->http);
close_sock:
	sock_server_close(d->sock);
destroy_cert_watch:
	source_watch_destroy(d->cert_watch);
destroy_watch:
	source_watch_destroy(d->watch);
close_signals:
	signals_close(d->signals);
fini_loop:
	loop_fini(&d->loop);
free_configuration:
	configuration_free(d);
	source_names_destroy(d->names);
	fflush(stdout); /* EAL's usage, so that our line is the last */
	if (rc != 0)
		hd_log(HD_LOG_ERROR, "daemon", "not started: %s",
		       error[0] != '\0' ? error : strerror(-rc));
	else if (code == EXIT_FINE)
		hd_log(HD_LOG_NOTICE, "daemon", "stopped");
	return code;
}

int main(int argc, char **argv)
{
	struct daemon_options options;
	struct daemon d = { .options = &options };
	char error[256];
	int code;

	daemon_log_init();
	if (daemon_options_parse(&options, argc, argv, error, sizeof(error)) != 0) {
		fprintf(stderr, "heddle: %s\n", error);
		return EXIT_BAD_CONFIGURATION;
	}
	if (options.help) {
		daemon_options_help(stdout);
		return EXIT_FINE;
	}
	if (options.version) {
		printf("heddle %s\n", HEDDLE_VERSION);
		return EXIT_FINE;
	}
	if (daemon_log_set(options.log_level, NULL) != 0)
		return EXIT_BAD_CONFIGURATION;
	policy_texts_init(&d.node_text);
	code = options.check ? check(&d) : serve(&d);
	policy_texts_fini(&d.node_text);
	free(d.warnings.hashes);
	return code;
}
