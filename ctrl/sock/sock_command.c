/* SPDX-License-Identifier: Apache-2.0 */
#include "sock_command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heddle/log.h>

#include "sock_job.h"

static int run_help(struct sock_request *rq);

static const char log_areas[] = ""
#define NAME(name) " " #name
	HD_LOG_AREAS(NAME)
#undef NAME
	;

static int run_log(struct sock_request *rq)
{
	const char *level = NULL, *area = NULL;
	int rc;

	if (sock_args_allow(rq, "level", "area", NULL) != 0 ||
	    sock_args_string(rq, "level", &level) != 0 || sock_args_string(rq, "area", &area) != 0)
		return -EINVAL;
	if (level == NULL)
		return sock_refuse(rq, "log: which level? error, warning, notice, info or debug");
	rc = rq->host->log(rq->host->arg, level, area);
	if (rc == -ENOENT)
		return sock_refuse(rq, "log: no area `%.32s`: there are%s", area, log_areas);
	if (rc != 0)
		return sock_refuse(rq, "log: `%.32s` is not error, warning, notice, info or debug",
				   level);
	rq->result = json_pack("[{s:s,s:s?}]", "level", level, "area", area);
	return 0;
}

static int run_drain(struct sock_request *rq)
{
	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->host->drain(rq->host->arg);
	rq->result = json_pack("[{s:b}]", "draining", 1);
	return 0;
}

static int run_stop(struct sock_request *rq)
{
	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->host->stop(rq->host->arg);
	rq->result = json_pack("[{s:b}]", "stopping", 1);
	return 0;
}

static const struct command {
	const char *name;
	int (*run)(struct sock_request *rq);
	const char *args, *text;
} commands[] = {
	{ "status", sock_show_status, "", "how the daemon is" },
	{ "show certs", sock_show_certs, "", "certificates and roots, their identities and expiry" },
	{ "show services", sock_show_services, "", "services, their addresses and ports" },
	{ "show routes", sock_show_routes, "",
	  "routes in the order they are tried, with weights and requests so far" },
	{ "show clusters", sock_show_clusters, "",
	  "service ports and subsets, with what goes to them now" },
	{ "show endpoints", sock_show_endpoints, "", "backends, their health and load" },
	{ "show outliers", sock_show_outliers, "all",
	  "endpoints that failed: why they are out, since when, until when" },
	{ "show failures", sock_show_failures, "",
	  "every 5xx that Heddle made itself: cause, how many, the last, the line of policy" },
	{ "tls", sock_tls, "address", "who is at the other end of TLS connections, and how" },
	{ "show connections", sock_show_connections, "limit", "open connections of both sides" },
	{ "show names", sock_show_names, "", "names of ServiceEntries, and where they lead to" },
	{ "show workers", sock_show_workers, "", "what each worker core does" },
	{ "show ports", sock_show_ports, "", "devices, addresses, packets" },
	{ "show drops", sock_show_drops, "all", "what was thrown away, and why" },
	{ "show neighbors", sock_show_neighbors, "", "the link-layer addresses that ports know" },
	{ "show requests", sock_show_requests, "",
	  "what callers were answered, by service, status and flags" },
	{ "show policies", sock_show_policies, "",
	  "AuthorizationPolicies, with what each decided" },
	{ "show memory", sock_show_memory, "", "where memory is" },
	{ "stats", sock_stats, "glob", "counters by name" },
	{ "explain", sock_explain, "method, url, headers, principal, source",
	  "which port, route and endpoints a request would get" },
	{ "tap", sock_tap, "glob, limit", "requests as they end, a line each" },
	{ "metrics", sock_metrics, "", "the same text as the metrics endpoint" },
	{ "endpoint eject", sock_endpoint_eject, "address",
	  "no new requests to it, until it is admitted" },
	{ "endpoint drain", sock_endpoint_drain, "address", "the same, shown as draining" },
	{ "endpoint admit", sock_endpoint_admit, "address", "back into rotation" },
	{ "config check", sock_config_check, "files, paths",
	  "try files over the present ones; changes nothing" },
	{ "config diff", sock_config_diff, "files, paths", "what applying files would change" },
	{ "config apply", sock_config_apply, "files, paths",
	  "lay files over the present ones: all or nothing" },
	{ "config rollback", sock_config_rollback, "", "return to the generation before this one" },
	{ "config reload", sock_config_reload, "", "read the policy files again, as SIGHUP does" },
	{ "config show", sock_config_show, "", "the texts that are in use" },
	{ "config history", sock_config_history, "", "generations of policy" },
	{ "log", run_log, "level, area", "how much is logged" },
	{ "drain", run_drain, "", "no new connections; finish what is open" },
	{ "stop", run_stop, "", "drain, then end" },
	{ "help", run_help, "", "this list" },
};

static int run_help(struct sock_request *rq)
{
	rq->result = json_array();
	for (size_t i = 0; i < HD_ARRAY_SIZE(commands); i++) {
		json_t *row = sock_row(rq->result);

		sock_put_text(row, "command", commands[i].name);
		sock_put_text(row, "args", commands[i].args);
		sock_put_text(row, "text", commands[i].text);
	}
	return 0;
}

int sock_refuse(struct sock_request *rq, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(rq->error, sizeof(rq->error), format, args);
	va_end(args);
	return -EINVAL;
}

int sock_args_allow(struct sock_request *rq, ...)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)rq->args, key, value)
	{
		const char *name;
		int known = 0;
		va_list names;

		va_start(names, rq);
		while (!known && (name = va_arg(names, const char *)) != NULL)
			known = strcmp(key, name) == 0;
		va_end(names);
		if (!known)
			return sock_refuse(rq, "args: this command has no argument `%.64s`", key);
	}
	return 0;
}

int sock_args_string(struct sock_request *rq, const char *name, const char **out)
{
	const json_t *value = json_object_get(rq->args, name);

	*out = NULL;
	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return sock_refuse(rq, "args: `%s` must be a string", name);
	*out = json_string_value(value);
	return 0;
}

json_t *sock_row(json_t *rows)
{
	json_t *row = json_object();

	return json_array_append_new(rows, row) == 0 ? row : NULL;
}

void sock_put(json_t *row, const char *key, json_t *value)
{
	json_object_set_new(row, key, value);
}

void sock_put_number(json_t *row, const char *key, uint64_t value)
{
	sock_put(row, key, json_integer((json_int_t)value));
}

void sock_put_text(json_t *row, const char *key, const char *value)
{
	sock_put(row, key, sock_json_str((struct hd_str){ value, (uint32_t)strlen(value) }));
}

json_t *sock_json_str(struct hd_str s)
{
	json_t *j = json_stringn(s.n ? s.p : "", s.n);
	char *clean;

	if (j != NULL)
		return j;
	clean = malloc(s.n);
	if (clean == NULL)
		return json_string("");
	for (uint32_t i = 0; i < s.n; i++)
		clean[i] = (unsigned char)s.p[i] < 0x80 ? s.p[i] : '?';
	j = json_stringn(clean, s.n);
	free(clean);
	return j;
}

json_t *sock_json_addr(const struct hd_addr *a)
{
	char text[HD_ADDR_STRLEN];

	return json_string(hd_addr_format(a, text));
}

/* One line: what the caller sent, then the verdict. Consumes `reply`. */
static char *reply_print(const json_t *id, json_t *reply)
{
	char *text = NULL;

	if (reply != NULL &&
	    json_object_set(reply, "id", id != NULL ? (json_t *)(uintptr_t)id : json_null()) == 0)
		text = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (text != NULL) {
		size_t n = strlen(text);
		char *line = realloc(text, n + 2);
		if (line == NULL) {
			free(text);
			return NULL;
		}
		strcpy(line + n, "\n");
		text = line;
	}
	return text;
}

char *sock_reply_error(const json_t *id, const char *error)
{
	json_t *reply = json_object(),
	       *text = sock_json_str((struct hd_str){ error, (uint32_t)strlen(error) });

	json_object_set_new(reply, "id", json_null());
	json_object_set_new(reply, "ok", json_false());
	json_object_set_new(reply, "error", text);
	return reply_print(id, reply);
}

char *sock_reply_result(const json_t *id, json_t *result)
{
	return sock_reply_rows(id, result, 0);
}

char *sock_reply_rows(const json_t *id, json_t *result, uint64_t left_out)
{
	json_t *reply = json_object();

	json_object_set_new(reply, "id", json_null());
	json_object_set_new(reply, "ok", json_true());
	if (left_out > 0)
		json_object_set_new(reply, "left_out", json_integer((json_int_t)left_out));
	if (json_object_set_new(reply, "result", result) != 0) {
		json_decref(reply);
		return sock_reply_error(id, "out of memory");
	}
	return reply_print(id, reply);
}

static size_t common_prefix(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] != '\0' && a[n] == b[n])
		n++;
	return n;
}

static char *reply_unknown(const json_t *id, const char *name)
{
	const char *near = NULL;
	size_t best = 2;
	char error[256];

	for (size_t i = 0; i < HD_ARRAY_SIZE(commands); i++) {
		size_t n = common_prefix(name, commands[i].name);
		if (n > best) {
			best = n;
			near = commands[i].name;
		}
	}
	if (near != NULL)
		snprintf(error, sizeof(error),
			 "no command `%.64s`: did you mean `%s`? `help` lists them", name, near);
	else
		snprintf(error, sizeof(error), "no command `%.64s`: `help` lists them", name);
	return sock_reply_error(id, error);
}

static char *command_run(const struct sock_host *host, const struct command *c, const json_t *id,
			 const json_t *args, struct sock_job **job)
{
	struct sock_request rq = { .host = host, .id = id, .args = args };
	int rc = c->run(&rq);

	if (rc == SOCK_LATER) {
		rq.job->id = json_incref((json_t *)(uintptr_t)id);
		*job = rq.job;
		return NULL;
	}
	if (rc == 0)
		return sock_reply_result(id, rq.result);
	json_decref(rq.result);
	return sock_reply_error(id, rq.error[0] != '\0' ? rq.error : "out of memory");
}

static char *request_run(const struct sock_host *host, const json_t *request, struct sock_job **job)
{
	const json_t *id = json_object_get(request, "id"), *args = json_object_get(request, "args");
	const char *name = json_string_value(json_object_get(request, "command"));
	json_t *none = json_object();
	char *reply = NULL;
	size_t i;

	if (json_is_object(id) || json_is_array(id)) {
		reply = sock_reply_error(NULL, "`id` is a number or a string");
	} else if (name == NULL) {
		reply = sock_reply_error(
			id,
			"`command` is missing or no string: {\"id\":1,\"command\":\"help\"} lists what there is");
	} else if (args != NULL && !json_is_object(args) && !json_is_null(args)) {
		reply = sock_reply_error(id, "`args` must be an object");
	} else {
		for (i = 0; i < HD_ARRAY_SIZE(commands); i++)
			if (strcmp(name, commands[i].name) == 0)
				break;
		reply = i == HD_ARRAY_SIZE(commands)
				? reply_unknown(id, name)
				: command_run(host, &commands[i], id,
					      json_is_object(args) ? args : none, job);
	}
	json_decref(none);
	return reply;
}

char *sock_line_run(const struct sock_host *host, const char *line, size_t n, struct sock_job **job)
{
	json_error_t e;
	json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, &e);
	char error[256], *reply;

	*job = NULL;
	if (request == NULL) {
		snprintf(error, sizeof(error), "no JSON at byte %d: %s", e.position, e.text);
		return sock_reply_error(NULL, error);
	}
	if (!json_is_object(request))
		reply = sock_reply_error(
			NULL,
			"a request is an object: {\"id\":1,\"command\":\"status\",\"args\":{}}");
	else
		reply = request_run(host, request, job);
	json_decref(request);
	return reply;
}
