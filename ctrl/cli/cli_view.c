/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_view.h"

#include <inttypes.h>
#include <string.h>

#include "cli_table.h"

struct view {
	const char *command;
	const struct cli_column *columns;
	size_t n_columns;
	const char *empty;
};

static const struct cli_column services[] = { { "name", "NAME" },
					      { "namespace", "NAMESPACE" },
					      { "addresses", "ADDRESSES" },
					      { "ports", "PORTS" },
					      { "endpoints", "ENDPOINTS", CLI_COUNT } };
static const struct cli_column clusters[] = { { "name", "CLUSTER" },
					      { "healthy", "HEALTHY", CLI_COUNT },
					      { "endpoints", "OF", CLI_COUNT },
					      { "connections", "CONNS", CLI_COUNT },
					      { "pending", "PENDING", CLI_COUNT },
					      { "requests_active", "ACTIVE", CLI_COUNT },
					      { "requests", "REQUESTS", CLI_COUNT },
					      { "overflow", "OVERFLOW", CLI_COUNT } };
static const struct cli_column endpoints[] = {
	{ "address", "ADDRESS", CLI_ADDRESS },	   { "health", "HEALTH" },
	{ "service", "SERVICE" },	   { "subset", "SUBSET" },
	{ "weight", "WEIGHT", CLI_COUNT }, { "requests", "REQUESTS", CLI_COUNT },
	{ "active", "ACTIVE", CLI_COUNT }, { "connect_failures", "FAILED", CLI_COUNT }
};
static const struct cli_column outliers[] = { { "address", "ADDRESS", CLI_ADDRESS },
					      { "health", "HEALTH" },
					      { "text", "WHY" },
					      { "until", "UNTIL" },
					      { "ejections", "TIMES", CLI_COUNT },
					      { "consecutive_5xx", "5XX", CLI_COUNT },
					      { "consecutive_gateway", "GATEWAY", CLI_COUNT },
					      { "consecutive_local", "LOCAL", CLI_COUNT },
					      { "cluster", "CLUSTER" } };
static const struct cli_column failures[] = { { "status", "STATUS", CLI_NUMBER },
					      { "flags", "FLAGS" },
					      { "count", "COUNT", CLI_COUNT },
					      { "cause", "CAUSE" },
					      { "last_seen", "LAST SEEN" },
					      { "last_endpoint", "ENDPOINT", CLI_ADDRESS },
					      { "policy", "POLICY", CLI_PLACE },
					      { "advice", "NEXT" } };
static const struct cli_column connections[] = { { "id", "ID", CLI_NUMBER, 1 },
						 { "side", "SIDE" },
						 { "local", "LOCAL", CLI_ADDRESS },
						 { "remote", "REMOTE", CLI_ADDRESS },
						 { "state", "STATE" },
						 { "bytes_in", "IN", CLI_BYTES },
						 { "bytes_out", "OUT", CLI_BYTES },
						 { "age_ms", "AGE", CLI_MS } };
static const struct cli_column tls[] = { { "side", "SIDE" },
					 { "local", "LOCAL", CLI_ADDRESS },
					 { "remote", "REMOTE", CLI_ADDRESS },
					 { "peer", "PEER" },
					 { "tls_version", "VERSION" },
					 { "cipher", "CIPHER" },
					 { "alpn", "ALPN" },
					 { "resumed", "RESUMED", CLI_YES },
					 { "age_ms", "AGE", CLI_MS } };
static const struct cli_column certs[] = { { "name", "NAME" },	     { "kind", "KIND" },
					   { "state", "STATE" },     { "spiffe_id", "IDENTITY" },
					   { "not_after", "UNTIL" }, { "serial", "SERIAL" },
					   { "error", "WRONG" } };
static const struct cli_column names[] = { { "name", "NAME" },
					   { "addresses", "ADDRESSES" },
					   { "asks_in_ms", "NEXT", CLI_MS },
					   { "failures", "FAILURES", CLI_COUNT },
					   { "error", "WRONG" } };
static const struct cli_column workers[] = { { "lcore", "LCORE", CLI_NUMBER },
					     { "busy_percent", "BUSY", CLI_PERCENT },
					     { "requests_per_second", "REQ/S", CLI_COUNT },
					     { "requests", "REQUESTS", CLI_COUNT },
					     { "connections", "CONNS", CLI_COUNT },
					     { "rx_packets", "RX", CLI_COUNT },
					     { "tx_packets", "TX", CLI_COUNT },
					     { "drops", "DROPS", CLI_COUNT } };
static const struct cli_column ports[] = { { "name", "PORT" },
					   { "side", "SIDE" },
					   { "link_up", "LINK", CLI_YES },
					   { "mtu", "MTU", CLI_COUNT },
					   { "vlan", "VLAN", CLI_NUMBER },
					   { "addresses", "ADDRESSES", CLI_ADDRESS },
					   { "rx_packets", "RX", CLI_COUNT },
					   { "rx_bytes", "RX BYTES", CLI_BYTES, 1 },
					   { "tx_packets", "TX", CLI_COUNT },
					   { "tx_bytes", "TX BYTES", CLI_BYTES, 1 } };
static const struct cli_column drops[] = { { "layer", "LAYER" },
					   { "reason", "REASON" },
					   { "count", "COUNT", CLI_COUNT },
					   { "text", "MEANING" } };
static const struct cli_column neighbors[] = { { "ip", "ADDRESS", CLI_ADDRESS },
					       { "mac", "MAC" },
					       { "port", "PORT", CLI_NUMBER },
					       { "state", "STATE" },
					       { "age_ms", "AGE", CLI_MS } };
static const struct cli_column requests[] = { { "service", "SERVICE" },
					      { "subset", "SUBSET" },
					      { "status", "STATUS", CLI_NUMBER },
					      { "flags", "FLAGS" },
					      { "requests", "REQUESTS", CLI_COUNT },
					      { "mean_ms", "MEAN", CLI_LATENCY },
					      { "bytes_received", "IN", CLI_BYTES },
					      { "bytes_sent", "OUT", CLI_BYTES } };
static const struct cli_column memory[] = { { "kind", "KIND" },
					    { "worker", "WORKER" },
					    { "bytes", "BYTES", CLI_BYTES },
					    { "used", "USED", CLI_COUNT },
					    { "most", "MOST", CLI_COUNT },
					    { "capacity", "CAPACITY", CLI_COUNT },
					    { "text", "WHAT" } };
static const struct cli_column policies[] = { { "name", "POLICY" },
					      { "namespace", "NAMESPACE" },
					      { "action", "ACTION" },
					      { "rules", "RULES", CLI_COUNT },
					      { "allowed", "ALLOWED", CLI_COUNT },
					      { "denied", "DENIED", CLI_COUNT },
					      { "matched", "MATCHED", CLI_COUNT },
					      { "source", "SOURCE", CLI_PLACE } };
static const struct cli_column stats[] = { { "name", "NAME" },
					   { "value", "VALUE", CLI_COUNT },
					   { "text", "MEANING" } };
static const struct cli_column history[] = { { "generation", "GENERATION", CLI_NUMBER },
					     { "current", "IN USE", CLI_YES },
					     { "origin", "FROM" },
					     { "since", "SINCE" },
					     { "files", "FILES", CLI_COUNT },
					     { "applied", "APPLIED", CLI_COUNT },
					     { "warnings", "WARNINGS", CLI_COUNT } };
static const struct cli_column health[] = { { "address", "ADDRESS", CLI_ADDRESS },
					    { "health", "HEALTH" },
					    { "cluster", "CLUSTER" } };
static const struct cli_column log_rows[] = { { "level", "LEVEL" }, { "area", "AREA" } };
static const struct cli_column help_rows[] = { { "command", "COMMAND" },
					       { "args", "ARGUMENTS" },
					       { "text", "WHAT" } };
static const struct cli_column routes[] = {
	{ "host", "HOST" }, { "match", "MATCH" }, { "to", "TO" }, { "source", "SOURCE", CLI_PLACE }
};

#define VIEW(command, columns, empty)                                         \
	{                                                                     \
		command, columns, sizeof(columns) / sizeof(columns[0]), empty \
	}

static const struct view views[] = {
	VIEW("show services", services, "no services: the policy files hold none"),
	VIEW("show clusters", clusters, "no clusters: the policy files hold no Service"),
	VIEW("show endpoints", endpoints,
	     "no endpoints: no EndpointSlice, Pod or WorkloadEntry belongs to a Service"),
	VIEW("show outliers", outliers,
	     "no endpoint failed lately where outliers are detected (--all lists all of them)"),
	VIEW("show failures", failures, "Heddle has made no 5xx itself"),
	VIEW("show connections", connections, "no connections are open"),
	VIEW("show certs", certs, "no certificates: the node file has no identity, and no policy names any"),
	VIEW("tls", tls, "no TLS connection is open there"),
	VIEW("show names", names, "no ServiceEntry is resolved by DNS"),
	VIEW("show workers", workers, "no workers"),
	VIEW("show ports", ports, "no ports"),
	VIEW("show drops", drops, "nothing was dropped (--all lists every reason)"),
	VIEW("show neighbors", neighbors, "no neighbours are known yet"),
	VIEW("show requests", requests, "no request has ended yet"),
	VIEW("show memory", memory, "nothing"),
	VIEW("show policies", policies, "no AuthorizationPolicy: every caller may pass"),
	VIEW("stats", stats, "no counter has such a name"),
	VIEW("config history", history, "nothing"),
	VIEW("log", log_rows, "done"),
	VIEW("help", help_rows, "nothing"),
	VIEW("endpoint eject", health, "nothing"),
	VIEW("endpoint drain", health, "nothing"),
	VIEW("endpoint admit", health, "no cluster has it; it is admitted when one does"),
};

static const char *text(const json_t *o, const char *key)
{
	const char *p = json_string_value(json_object_get(o, key));

	return p != NULL ? p : "-";
}

/* "v1 90 (812), v2 10 (90)": subset or host, weight, requests. */
static json_t *destinations_text(const json_t *destinations)
{
	char out[512] = "";
	const json_t *d;
	size_t i, n = 0;

	json_array_foreach(destinations, i, d)
	{
		const char *subset = json_string_value(json_object_get(d, "subset"));

		if (n < sizeof(out) - 1)
			n += (size_t)snprintf(
				out + n, sizeof(out) - n,
				"%s%s %" JSON_INTEGER_FORMAT " (%" JSON_INTEGER_FORMAT ")",
				n ? ", " : "", subset && subset[0] ? subset : text(d, "host"),
				json_integer_value(json_object_get(d, "weight")),
				json_integer_value(json_object_get(d, "requests")));
	}
	return json_string(out);
}

static void routes_print(FILE *out, const json_t *result, size_t width)
{
	json_t *rows = json_array(), *row;
	const json_t *r;
	size_t i;

	json_array_foreach(result, i, r)
	{
		row = json_object();
		json_object_update(row, (json_t *)(uintptr_t)r);
		json_object_set_new(row, "to",
				    destinations_text(json_object_get(r, "destinations")));
		json_array_append_new(rows, row);
	}
	cli_table_print(out, rows, routes, sizeof(routes) / sizeof(routes[0]), width,
			"no routes: the policy files hold no Service");
	if (json_array_size(rows) > 0)
		fprintf(out, "\nTO: subset or host, weight, (requests so far)\n");
	json_decref(rows);
}

static void diags_print(FILE *out, const json_t *rows)
{
	const json_t *d;
	size_t i;

	json_array_foreach(rows, i, d)
	{
		fprintf(out, "%s:%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT ": %s: %s\n",
			text(d, "file"), json_integer_value(json_object_get(d, "line")),
			json_integer_value(json_object_get(d, "col")), text(d, "severity"),
			text(d, "message"));
	}
}

static void check_print(FILE *out, const json_t *result)
{
	diags_print(out, result);
	fprintf(out, "fine, %zu warnings; nothing was changed\n", json_array_size(result));
}

static void diff_print(FILE *out, const json_t *result, int colour)
{
	const json_t *d;
	char line[1024];
	size_t i;

	json_array_foreach(result, i, d)
	{
		int added = strcmp(text(d, "change"), "added") == 0;

		cli_value_format(json_object_get(d, "text"), CLI_TEXT, line, sizeof(line));
		fprintf(out, "%s%c %-8s %s%s\n",
			!colour ? ""
			: added ? "\033[32m"
				: "\033[31m",
			added ? '+' : '-', text(d, "kind"), line, colour ? "\033[0m" : "");
	}
	if (json_array_size(result) == 0)
		fprintf(out, "nothing would change\n");
}

static void generation_print(FILE *out, const json_t *result)
{
	const json_t *row = json_array_get(result, 0);

	diags_print(out, json_object_get(row, "warnings"));
	fprintf(out, "generation %" JSON_INTEGER_FORMAT " is in use\n",
		json_integer_value(json_object_get(row, "generation")));
}

static void texts_print(FILE *out, const json_t *result)
{
	const json_t *t;
	size_t i;

	json_array_foreach(result, i, t)
	{
		const char *content = text(t, "content");
		size_t n = strlen(content);

		fprintf(out, "%s# %s (%s)\n%s%s", i ? "---\n" : "", text(t, "file"),
			text(t, "origin"), content, n && content[n - 1] == '\n' ? "" : "\n");
	}
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *cell(const json_t *o, const char *key, enum cli_unit unit, char *out,
			size_t bytes)
{
	cli_value_format(json_object_get(o, key), unit, out, bytes);
	return out;
}

static void status_workers(FILE *out, const json_t *rows)
{
	const json_t *w;
	size_t i;
	char a[32], b[32];

	json_array_foreach(rows, i, w)
		fprintf(out, "%-12s lcore %.0f: %.1f%% busy, %s requests/s, %s connections\n",
			i ? "" : "workers", number(w, "lcore"), number(w, "busy_percent"),
			cell(w, "requests_per_second", CLI_COUNT, a, sizeof(a)),
			cell(w, "connections", CLI_COUNT, b, sizeof(b)));
}

static void status_ports(FILE *out, const json_t *rows, int colour)
{
	const json_t *p;
	char addresses[256];
	size_t i;

	json_array_foreach(rows, i, p)
	{
		int up = json_is_true(json_object_get(p, "link_up"));

		fprintf(out, "%-12s %s (%s): link %s%s%s, %s\n", i ? "" : "ports", text(p, "name"),
			text(p, "side"), !up && colour ? "\033[1;31m" : "", up ? "up" : "DOWN",
			!up && colour ? "\033[0m" : "",
			cell(p, "addresses", CLI_TEXT, addresses, sizeof(addresses)));
	}
}

static void status_problems(FILE *out, const json_t *problems, int colour)
{
	const json_t *p;
	char line[1024];
	size_t i;

	json_array_foreach(problems, i, p)
	{
		cli_value_format(p, CLI_TEXT, line, sizeof(line));
		fprintf(out, "%-12s %s%s%s\n", i ? "" : "problems", colour ? "\033[31m" : "", line,
			colour ? "\033[0m" : "");
	}
}

static void status_print(FILE *out, const json_t *s, int colour)
{
	int ready = json_is_true(json_object_get(s, "ready")),
	    draining = json_is_true(json_object_get(s, "draining"));
	const char *tint = !colour		? ""
			   : ready && !draining ? "\033[32m"
						: "\033[1;31m",
		   *plain = colour ? "\033[0m" : "";
	char a[64], b[64];

	fprintf(out, "%-12s heddle %s, node %s, up ", "daemon", text(s, "version"),
		text(s, "node"));
	json_t *uptime = json_real(number(s, "uptime_s") * 1000);
	cli_value_format(uptime, CLI_MS, a, sizeof(a));
	json_decref(uptime);
	fprintf(out, "%s\n%-12s %s%s%s\n", a, "state", tint,
		draining ? "DRAINING"
		: ready	 ? "ready"
			 : "NOT READY",
		plain);
	fprintf(out, "%-12s generation %.0f; services %.0f, routes %.0f, endpoints %.0f\n",
		"policy", number(s, "generation"), number(s, "services"), number(s, "routes"),
		number(s, "endpoints"));
	status_workers(out, json_object_get(s, "workers"));
	status_ports(out, json_object_get(s, "ports"), colour);
	fprintf(out, "%-12s %s requests so far, %s connections open, ", "traffic",
		cell(s, "requests", CLI_COUNT, a, sizeof(a)),
		cell(s, "connections", CLI_COUNT, b, sizeof(b)));
	fprintf(out, "%s drops%s\n", cell(s, "drops", CLI_COUNT, a, sizeof(a)),
		number(s, "drops") > 0 ? " (heddlectl show drops)" : "");
	if (json_is_object(json_object_get(s, "identity")))
		fprintf(out, "%-12s %s\n", "identity",
			text(json_object_get(s, "identity"), "certificate"));
	status_problems(out, json_object_get(s, "problems"), colour);
}

static void explain_destinations(FILE *out, const json_t *rows)
{
	const json_t *d, *e;
	size_t i, k;

	json_array_foreach(rows, i, d)
	{
		const char *subset = json_string_value(json_object_get(d, "subset"));

		fprintf(out, "%-12s %5.1f%%  %s%s%s\n", i ? "" : "to", number(d, "share_percent"),
			text(d, "host"), subset && subset[0] ? " " : "", subset ? subset : "");
		if (json_array_size(json_object_get(d, "endpoints")) == 0)
			fprintf(out, "%-12s         no endpoint: the caller gets 503\n", "");
		json_array_foreach(json_object_get(d, "endpoints"), k, e) fprintf(
			out, "%-12s         %s %s\n", "", text(e, "address"), text(e, "health"));
	}
}

static void explain_print(FILE *out, const json_t *result)
{
	const json_t *x = json_array_get(result, 0);

	fprintf(out, "%-12s %s (%s)\n", "listener", text(x, "listener"), text(x, "service"));
	fprintf(out, "%-12s %s\n", "transport", text(x, "transport"));
	if (number(x, "status") > 0)
		fprintf(out, "%-12s %.0f by heddle itself: %s\n", "answer", number(x, "status"),
			text(x, "details"));
	else if (json_is_string(json_object_get(x, "details")))
		fprintf(out, "%-12s %s\n", "answer", text(x, "details"));
	if (json_is_string(json_object_get(x, "virtual_host")))
		fprintf(out, "%-12s %s, path %s\n", "host", text(x, "virtual_host"),
			text(x, "path"));
	if (json_is_string(json_object_get(x, "authorization")))
		fprintf(out, "%-12s %s\n", "authorized", text(x, "authorization"));
	if (json_is_string(json_object_get(x, "authorization_policy")))
		fprintf(out, "%-12s %s: %s %s\n", "", text(x, "authorization_why"),
			text(x, "authorization_policy"), text(x, "authorization_source"));
	if (json_is_string(json_object_get(x, "match"))) {
		fprintf(out, "%-12s %s\n", "match", text(x, "match"));
		fprintf(out, "%-12s %s %s\n", "from", text(x, "object"), text(x, "source"));
		if (number(x, "timeout_ms") > 0)
			fprintf(out, "%-12s timeout %.0f ms", "", number(x, "timeout_ms"));
		else
			fprintf(out, "%-12s no timeout", "");
		fprintf(out, ", %.0f retries\n", number(x, "retries"));
	}
	explain_destinations(out, json_object_get(x, "destinations"));
}

void cli_view_print(FILE *out, const char *command, const json_t *result, size_t width, int colour)
{
	if (strcmp(command, "status") == 0)
		status_print(out, result, colour);
	else if (strcmp(command, "show routes") == 0)
		routes_print(out, result, width);
	else if (strcmp(command, "explain") == 0)
		explain_print(out, result);
	else if (strcmp(command, "config check") == 0)
		check_print(out, result);
	else if (strcmp(command, "config diff") == 0)
		diff_print(out, result, colour);
	else if (strcmp(command, "config show") == 0)
		texts_print(out, result);
	else if (strcmp(command, "metrics") == 0)
		fputs(text(json_array_get(result, 0), "text"), out);
	else if (strcmp(command, "drain") == 0)
		fprintf(out, "draining: new connections are refused, open requests finish\n");
	else if (strcmp(command, "stop") == 0)
		fprintf(out, "stopping: draining first\n");
	else if (strncmp(command, "config ", 7) == 0 && strcmp(command, "config history") != 0)
		generation_print(out, result);
	else
		for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
			if (strcmp(command, views[i].command) == 0)
				cli_table_print(out, result, views[i].columns, views[i].n_columns,
						width, views[i].empty);
}
