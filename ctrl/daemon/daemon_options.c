/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_options.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <heddle/base.h>

#include "daemon_log.h"

enum option_id {
	OPT_CONFIG,
	OPT_CHECK,
	OPT_STRICT,
	OPT_ALLOW_UNENFORCED,
	OPT_LOG_LEVEL,
	OPT_VERSION,
	OPT_HELP
};

static const struct option_row {
	const char *name;
	char letter;
	enum option_id id;
	const char *argument;
	const char *text;
} rows[] = {
	{ "config", 'c', OPT_CONFIG, "FILE",
	  "the node file (kind: DataPlane): ports, workers, where policy is" },
	{ "check", 'C', OPT_CHECK, NULL,
	  "load everything, print each problem as file:line:col: message,\n"
	  "                          exit 0 or 1; touches no device" },
	{ "strict", 's', OPT_STRICT, NULL,
	  "a field that does not exist is an error, not a warning" },
	{ "allow-unenforced", 'u', OPT_ALLOW_UNENFORCED, NULL,
	  "start although policy asks for security that this node\n"
	  "                          cannot give (mutual TLS without an identity): a warning each" },
	{ "log-level", 'l', OPT_LOG_LEVEL, "LEVEL",
	  "error, warning, notice (default), info or debug" },
	{ "version", 'V', OPT_VERSION, NULL, "print the version" },
	{ "help", 'h', OPT_HELP, NULL, "print this" },
};

void daemon_options_help(FILE *out)
{
	fputs("heddle: a service-mesh data plane that owns its network stack.\n"
	      "\n"
	      "usage: heddle --config FILE [options]\n"
	      "       heddle [EAL options] -- --config FILE [options]\n"
	      "\n",
	      out);
	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		char name[40];

		snprintf(name, sizeof(name), "-%c, --%s%s%s", rows[i].letter, rows[i].name,
			 rows[i].argument ? " " : "", rows[i].argument ? rows[i].argument : "");
		fprintf(out, "  %-22s  %s\n", name, rows[i].text);
	}
	fputs("\n"
	      "EAL options (DPDK's own, as --in-memory, -a PCI-ADDRESS or -m MB) stand before `--`, or in the node\n"
	      "file under spec.eal. Those of the command line come last.\n"
	      "\n"
	      "Try it: write node.yaml with\n"
	      "  apiVersion: heddle.dev/v1\n"
	      "  kind: DataPlane\n"
	      "  metadata: {name: edge-1}\n"
	      "  spec:\n"
	      "    eal: [\"--no-huge\", \"-m\", \"512\", \"--no-pci\"]\n"
	      "    workers: [1]\n"
	      "    ports:\n"
	      "    - {name: front, device: \"net_af_packet0,iface=eth1\", side: mesh, addresses: [10.1.0.1/24]}\n"
	      "    policy: [mesh.d/]\n"
	      "then:\n"
	      "  heddle --config node.yaml --check   # is everything right?\n"
	      "  heddle --config node.yaml           # run; logs a line that ends in `ready`\n"
	      "  heddlectl status                    # how is it?\n"
	      "\n"
	      "Signals: SIGTERM drains and stops (a second one stops at once), SIGHUP reloads policy,\n"
	      "SIGUSR1 opens the access log again. A changed policy file is loaded by itself.\n"
	      "Exit codes: 0 fine, 1 bad configuration, 2 no device, 3 ended because SIGTERM was not answered.\n",
	      out);
}

/* Levenshtein distance of two short names, to name what was probably meant. */
static unsigned int name_distance(const char *a, const char *b)
{
	unsigned int row[32], m = strlen(b);

	if (m >= HD_ARRAY_SIZE(row) || strlen(a) >= HD_ARRAY_SIZE(row))
		return UINT32_MAX;
	for (unsigned int j = 0; j <= m; j++)
		row[j] = j;
	for (unsigned int i = 1; a[i - 1] != '\0'; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (unsigned int j = 1; j <= m; j++) {
			unsigned int best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

static const char *nearest_name(const char *name)
{
	unsigned int best = 4;
	const char *found = NULL;

	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		unsigned int d = name_distance(name, rows[i].name);
		if (d < best) {
			best = d;
			found = rows[i].name;
		}
	}
	return found;
}

/* The row of "--name", "--name=value" or "-n"; *value is what follows the "=", or NULL. */
static const struct option_row *row_find(const char *word, char *name, size_t name_bytes,
					 const char **value)
{
	const char *eq = strchr(word, '=');
	size_t n = eq != NULL ? (size_t)(eq - word) : strlen(word);

	*value = eq != NULL ? eq + 1 : NULL;
	snprintf(name, name_bytes, "%.*s", (int)n, word);
	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		if (name[0] == '-' && name[1] == '-' && strcmp(name + 2, rows[i].name) == 0)
			return &rows[i];
		if (name[0] == '-' && name[1] == rows[i].letter && name[2] == '\0')
			return &rows[i];
	}
	return NULL;
}

static int option_apply(struct daemon_options *o, const struct option_row *row, const char *value,
			char *error, size_t error_bytes)
{
	switch (row->id) {
	case OPT_CONFIG:
		o->config = value;
		return 0;
	case OPT_LOG_LEVEL:
		if (daemon_log_parse(value, &o->log_level) == 0)
			return 0;
		snprintf(error, error_bytes,
			 "--log-level: `%s` is not error, warning, notice, info or debug", value);
		return -EINVAL;
	case OPT_CHECK:
		o->check = 1;
		return 0;
	case OPT_STRICT:
		o->strict = 1;
		return 0;
	case OPT_ALLOW_UNENFORCED:
		o->allow_unenforced = 1;
		return 0;
	case OPT_VERSION:
		o->version = 1;
		return 0;
	case OPT_HELP:
		o->help = 1;
		return 0;
	}
	return -EINVAL;
}

static int unknown_word(const char *word, const char *name, int eal_given, char *error,
			size_t error_bytes)
{
	const char *near = word[0] == '-' && word[1] == '-' ? nearest_name(name + 2) : NULL;

	if (word[0] != '-')
		snprintf(error, error_bytes,
			 "`%s`: every argument is an option; a node file is given as --config FILE",
			 word);
	else if (near != NULL)
		snprintf(error, error_bytes, "no option `%s`: did you mean --%s?", name, near);
	else if (!eal_given)
		snprintf(
			error, error_bytes,
			"no option `%s`: EAL options stand before `--`, as in heddle %s -- --config FILE",
			name, name);
	else
		snprintf(error, error_bytes, "no option `%s`: see heddle --help", name);
	return -EINVAL;
}

static int option_read(struct daemon_options *o, int argc, char **argv, int *i, int eal_given,
		       char *error, size_t error_bytes)
{
	const struct option_row *row;
	const char *value;
	char name[64];

	row = row_find(argv[*i], name, sizeof(name), &value);
	if (row == NULL)
		return unknown_word(argv[*i], name, eal_given, error, error_bytes);
	if (row->argument == NULL && value != NULL) {
		snprintf(error, error_bytes, "--%s takes no value", row->name);
		return -EINVAL;
	}
	if (row->argument != NULL && value == NULL) {
		if (*i + 1 >= argc) {
			snprintf(error, error_bytes, "--%s needs a value: --%s %s", row->name,
				 row->name, row->argument);
			return -EINVAL;
		}
		value = argv[++*i];
	}
	return option_apply(o, row, value, error, error_bytes);
}

/* Index of "--", or 0: an option's own value may not be one. */
static int separator_find(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return i;
	return 0;
}

int daemon_options_parse(struct daemon_options *o, int argc, char **argv, char *error,
			 size_t error_bytes)
{
	int separator = separator_find(argc, argv);
	int rc;

	*o = (struct daemon_options){ .log_level = HD_LOG_NOTICE };
	for (int i = 1; i < separator; i++) {
		if (strncmp(argv[i], "--config", 8) == 0) {
			snprintf(error, error_bytes,
				 "--config stands after the `--`: what is before it goes to DPDK");
			return -EINVAL;
		}
		if (o->n_eal == DAEMON_MAX_EAL) {
			snprintf(error, error_bytes, "more than %d EAL options", DAEMON_MAX_EAL);
			return -EINVAL;
		}
		o->eal[o->n_eal++] = argv[i];
	}
	for (int i = separator + 1; i < argc; i++) {
		rc = option_read(o, argc, argv, &i, separator != 0, error, error_bytes);
		if (rc != 0)
			return rc;
	}
	if (o->config == NULL && !o->help && !o->version) {
		snprintf(error, error_bytes,
			 "no node file: heddle --config FILE (heddle --help shows one)");
		return -EINVAL;
	}
	return 0;
}
