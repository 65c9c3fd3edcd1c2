/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_command.h"

#include <stdlib.h>
#include <string.h>

#include "cli_file.h"

static int args_none(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	if (n == 0)
		return 0;
	snprintf(error, error_bytes, "`%s`: nothing may follow this command", words[0]);
	return -1;
}

static int args_stats(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	if (n > 1) {
		snprintf(error, error_bytes,
			 "stats takes one pattern, as 'tcp.*' (in quotes, or the shell takes it)");
		return -1;
	}
	if (n == 1)
		json_object_set_new(args, "glob", json_string(words[0]));
	return 0;
}

static int args_drops(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	if (n == 0)
		return 0;
	if (n != 1 || strcmp(words[0], "--all") != 0) {
		snprintf(error, error_bytes,
			 "show drops takes --all (reasons that never happened too) or nothing");
		return -1;
	}
	json_object_set_new(args, "all", json_true());
	return 0;
}

static int args_connections(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	char *end;

	if (n == 0)
		return 0;
	if (n == 2 && strcmp(words[0], "--limit") == 0 && words[1][0] != '\0') {
		json_object_set_new(args, "limit", json_integer(strtoll(words[1], &end, 10)));
		if (*end == '\0')
			return 0;
	}
	snprintf(error, error_bytes,
		 "show connections takes --limit ROWS (10000 of each worker when not given)");
	return -1;
}

static int args_tls(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	if (n == 1)
		json_object_set_new(args, "address", json_string(words[0]));
	if (n <= 1)
		return 0;
	snprintf(error, error_bytes, "tls takes an address, such as 10.2.0.11, or nothing");
	return -1;
}

static int args_log(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	if (n < 1 || n > 2) {
		snprintf(error, error_bytes,
			 "log LEVEL [AREA]: error, warning, notice, info or debug; of one area "
			 "(as policy or tls) or of all");
		return -1;
	}
	json_object_set_new(args, "level", json_string(words[0]));
	if (n == 2)
		json_object_set_new(args, "area", json_string(words[1]));
	return 0;
}

static int args_files(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	json_t *files = json_array();

	json_object_set_new(args, "files", files);
	for (int i = 0; i < n; i++) {
		size_t bytes;
		char *content = cli_file_read(words[i], &bytes, error, error_bytes);
		json_t *text = content != NULL ? json_stringn(content, bytes) : NULL;

		free(content);
		if (content == NULL)
			return -1;
		if (text == NULL) {
			snprintf(error, error_bytes, "%s: is not UTF-8 text", words[i]);
			return -1;
		}
		json_array_append_new(files,
				      json_pack("{s:s,s:o}", "name", words[i], "content", text));
	}
	return 0;
}

static int args_apply(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	if (n > 0)
		return args_files(n, words, args, error, error_bytes);
	snprintf(error, error_bytes, "config apply FILE...: which files? `-` is standard input");
	return -1;
}

static int explain_option(const char *option, const char *value, json_t *args, json_t *headers)
{
	if (strcmp(option, "-H") == 0)
		return json_array_append_new(headers, json_string(value));
	if (strcmp(option, "--source") == 0 || strcmp(option, "--principal") == 0)
		return json_object_set_new(args, option + 2, json_string(value));
	return -1;
}

static int args_explain(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	json_t *headers = json_array();
	int plain = 0;

	json_object_set_new(args, "headers", headers);
	for (int i = 0; i < n; i++) {
		if (words[i][0] == '-') {
			if (i + 1 == n ||
			    explain_option(words[i], words[i + 1], args, headers) != 0) {
				snprintf(error, error_bytes,
					 "explain: `%s`: -H 'name: value', --principal ID or --source IP",
					 words[i]);
				return -1;
			}
			i++;
			continue;
		}
		json_object_set_new(args, plain++ == 0 ? "method" : "url", json_string(words[i]));
	}
	if (plain == 2)
		return 0;
	snprintf(
		error, error_bytes,
		"explain METHOD URL [-H 'name: value'] [--principal ID] [--source IP], as: explain GET http://api.default/users");
	return -1;
}

static int args_endpoint(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	if (n != 1) {
		snprintf(error, error_bytes,
			 "endpoint eject|drain|admit ADDR:PORT: see show endpoints");
		return -1;
	}
	json_object_set_new(args, "address", json_string(words[0]));
	return 0;
}

static int args_tap(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	int i = 0;

	while (i < n) {
		if (strcmp(words[i], "--limit") == 0 && i + 1 < n && atoll(words[i + 1]) > 0) {
			json_object_set_new(args, "limit", json_integer(atoll(words[i + 1])));
			i += 2;
		} else if (json_object_get(args, "glob") == NULL && words[i][0] != '-') {
			json_object_set_new(args, "glob", json_string(words[i++]));
		} else {
			break;
		}
	}
	if (i == n)
		return 0;
	snprintf(error, error_bytes,
		 "tap [GLOB] [--limit N]: a pattern over METHOD AUTHORITY/PATH STATUS CLUSTER, "
		 "as '* 503 *'");
	return -1;
}

static int args_top(int n, char **words, json_t *args, char *error, size_t error_bytes)
{
	if (n == 0)
		return 0;
	if (n == 2 && strcmp(words[0], "--count") == 0 && atoll(words[1]) > 0) {
		json_object_set_new(args, "count", json_integer(atoll(words[1])));
		return 0;
	}
	snprintf(error, error_bytes, "top takes --count N (how often to look) or nothing");
	return -1;
}

static const struct cli_command commands[] = {
	{ "status", args_none, "", "how the daemon is: the page to look at first" },
	{ "show services", args_none, "", "services, their addresses and ports" },
	{ "show routes", args_none, "",
	  "routes in the order they are tried, weights, requests so far" },
	{ "show clusters", args_none, "", "service ports and subsets, and what goes to them now" },
	{ "show endpoints", args_none, "", "backends: health, weight, load" },
	{ "show outliers", args_drops, "[--all]",
	  "endpoints that failed: why they are out, until when" },
	{ "show failures", args_none, "", "every 5xx that Heddle made itself, by cause" },
	{ "show connections", args_connections, "[--limit ROWS]",
	  "open connections of both sides" },
	{ "show certs", args_none, "", "certificates and roots, their identities and expiry" },
	{ "tls", args_tls, "[ADDR]", "TLS connections with an address: who is there, and how" },
	{ "show names", args_none, "", "names of ServiceEntries, and where they lead to" },
	{ "show workers", args_none, "", "what each worker core does" },
	{ "show ports", args_none, "", "devices, addresses, packets" },
	{ "show drops", args_drops, "[--all]", "what was thrown away, and why" },
	{ "show neighbors", args_none, "", "link-layer addresses that ports know" },
	{ "show requests", args_none, "", "what callers were answered: service, status, flags" },
	{ "show policies", args_none, "", "AuthorizationPolicies and what each decided" },
	{ "show memory", args_none, "", "where memory is" },
	{ "stats", args_stats, "[GLOB]", "counters by name" },
	{ "explain", args_explain, "METHOD URL",
	  "which policy, route, endpoints it gets: -H, --principal, --source" },
	{ "tap", args_tap, "[GLOB] [--limit N]", "requests as they end, a line each" },
	{ "top", args_top, "[--count N]",
	  "rate, errors and latency of each service, every second" },
	{ "metrics", args_none, "", "the same text as the metrics endpoint" },
	{ "endpoint eject", args_endpoint, "ADDR:PORT",
	  "no new requests to it, until it is admitted" },
	{ "endpoint drain", args_endpoint, "ADDR:PORT", "the same, shown as draining" },
	{ "endpoint admit", args_endpoint, "ADDR:PORT", "back into rotation" },
	{ "config check", args_files, "[FILE...]",
	  "try files over the present ones; changes nothing" },
	{ "config diff", args_files, "[FILE...]", "what applying files would change" },
	{ "config apply", args_apply, "FILE...",
	  "lay files over the present ones: all or nothing" },
	{ "config rollback", args_none, "", "return to the generation before this one" },
	{ "config reload", args_none, "", "read the policy files again, as SIGHUP does" },
	{ "config show", args_none, "", "the texts in use" },
	{ "config history", args_none, "", "generations of policy" },
	{ "log", args_log, "LEVEL [AREA]", "how much is logged" },
	{ "drain", args_none, "", "no new connections; finish what is open" },
	{ "stop", args_none, "", "drain, then end" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* The words of a name that the given words repeat; 0 unless all of them do. */
static int name_match(const char *name, int n, char **words)
{
	int taken = 0;

	while (*name != '\0') {
		size_t length = strcspn(name, " ");

		if (taken == n || strlen(words[taken]) != length ||
		    strncmp(words[taken], name, length) != 0)
			return 0;
		taken++;
		name += length + (name[length] == ' ');
	}
	return taken;
}

/* What may follow "show" or "config", for the message. */
static void say_unknown(int n, char **words, char *error, size_t error_bytes)
{
	size_t at = 0, first = strlen(words[0]);

	for (size_t i = 0; i < N_COMMANDS && at < error_bytes; i++) {
		if (strncmp(commands[i].name, words[0], first) != 0 ||
		    commands[i].name[first] != ' ')
			continue;
		if (at == 0)
			at = (size_t)snprintf(error, error_bytes,
					      "`%s` is followed by one of: ", words[0]);
		at += (size_t)snprintf(error + at, error_bytes - at, "%s%s",
				       error[at - 2] == ':' ? "" : ", ",
				       commands[i].name + first + 1);
	}
	if (at == 0)
		snprintf(error, error_bytes, "no command `%s`: heddlectl --help lists them",
			 words[0]);
}

const struct cli_command *cli_command_find(int n, char **words, int *taken, char *error,
					   size_t error_bytes)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		*taken = name_match(commands[i].name, n, words);
		if (*taken > 0)
			return &commands[i];
	}
	say_unknown(n, words, error, error_bytes);
	return NULL;
}

void cli_help(FILE *out)
{
	fputs("heddlectl: ask and steer a running heddle.\n"
	      "\n"
	      "usage: heddlectl [-s SOCKET] [-o table|json] COMMAND...\n"
	      "\n"
	      "  -s, --socket SOCKET   the daemon's control socket (/run/heddle.sock, or $HEDDLE_SOCKET)\n"
	      "  -o, --output FORMAT   table for people (default), json for scripts: the bare result\n"
	      "  -h, --help            print this\n"
	      "  -V, --version         print the version\n"
	      "\n"
	      "commands:\n",
	      out);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char words[64];

		snprintf(words, sizeof(words), "%s %s", commands[i].name, commands[i].words);
		fprintf(out, "  %-32s %s\n", words, commands[i].text);
	}
	fputs("\n"
	      "examples:\n"
	      "  heddlectl status\n"
	      "  heddlectl config check new-weights.yaml && heddlectl config apply new-weights.yaml\n"
	      "  heddlectl config rollback\n"
	      "  heddlectl stats 'tcp.*'\n"
	      "  heddlectl tap '* 503 *'\n"
	      "  heddlectl explain GET http://api.default/users -H 'x-canary: yes'\n"
	      "  heddlectl -o json show endpoints | jq '.[] | select(.health != \"healthy\")'\n"
	      "\n"
	      "exit codes: 0 done, 1 heddle refused (the message says why), 2 wrong usage or no daemon.\n",
	      out);
}
