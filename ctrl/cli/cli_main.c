/* SPDX-License-Identifier: Apache-2.0 */
/* heddlectl: a thin client of the control socket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <heddle/control.h>

#include "cli_client.h"
#include "cli_command.h"
#include "cli_live.h"
#include "cli_view.h"

struct options {
	const char *socket;
	int json, help, version;
};

static enum cli_exit usage(const char *text)
{
	fprintf(stderr, "heddlectl: %s\n", text);
	return CLI_USAGE;
}

/* A refusal is heddle's own text; the rest is about how we were called. */
static enum cli_exit say(enum cli_exit code, const char *error)
{
	if (code == CLI_USAGE)
		return usage(error);
	fprintf(stderr, "%s\n", error);
	return code;
}

static int value_of(int argc, char **argv, int *i, const char *letter, const char *name,
		    const char **value)
{
	size_t n = strlen(name);

	if (strncmp(argv[*i], name, n) == 0 && argv[*i][n] == '=') {
		*value = argv[*i] + n + 1;
		return 1;
	}
	if (strcmp(argv[*i], letter) != 0 && strcmp(argv[*i], name) != 0)
		return 0;
	*value = *i + 1 < argc ? argv[++*i] : NULL;
	return 1;
}

/* Takes our options out, wherever they stand; what is left are the command's words, moved to the
 * front of argv + 1. Returns how many, or -1 with error set. */
static int options_read(struct options *o, int argc, char **argv, char *error, size_t error_bytes)
{
	const char *format = "table";
	int n = 0;

	for (int i = 1; i < argc; i++) {
		if (value_of(argc, argv, &i, "-s", "--socket", &o->socket) ||
		    value_of(argc, argv, &i, "-o", "--output", &format)) {
			if (o->socket != NULL && format != NULL)
				continue;
			snprintf(error, error_bytes, "%s needs a value", argv[argc - 1]);
			return -1;
		}
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			o->help = 1;
		} else if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) {
			o->version = 1;
		} else if (argv[i][0] == '-' && argv[i][1] != '\0' && n == 0) {
			snprintf(error, error_bytes, "no option `%s`: heddlectl --help lists them",
				 argv[i]);
			return -1;
		} else {
			argv[1 + n++] = argv[i];
		}
	}
	o->json = strcmp(format, "json") == 0;
	if (!o->json && strcmp(format, "table") != 0) {
		snprintf(error, error_bytes, "-o %s: table or json", format);
		return -1;
	}
	return n;
}

static size_t terminal_width(void)
{
	struct winsize w;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col < 40)
		return 80;
	return w.ws_col;
}

static enum cli_exit run_live(const struct options *o, const char *name, json_t *args)
{
	char error[4096];
	enum cli_exit code;

	if (strcmp(name, "tap") == 0)
		code = cli_tap(o->socket, args, o->json, error, sizeof(error));
	else
		code = cli_top(o->socket, args, o->json, terminal_width(), error, sizeof(error));
	return code == CLI_FINE ? code : say(code, error);
}

static enum cli_exit run(const struct options *o, int n, char **words)
{
	int taken, colour = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	const struct cli_command *c;
	json_t *args = json_object(), *result = NULL;
	char error[4096];
	enum cli_exit code;

	c = cli_command_find(n, words, &taken, error, sizeof(error));
	if (c == NULL || c->args(n - taken, words + taken, args, error, sizeof(error)) != 0) {
		json_decref(args);
		return usage(error);
	}
	if (strcmp(c->name, "tap") == 0 || strcmp(c->name, "top") == 0)
		return run_live(o, c->name, args);
	code = cli_request(o->socket, c->name, args, &result, error, sizeof(error));
	if (code != CLI_FINE)
		say(code, error);
	else if (o->json)
		json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	else
		cli_view_print(stdout, c->name, result, terminal_width(), colour);
	if (code == CLI_FINE && o->json)
		putchar('\n');
	json_decref(result);
	return code;
}

int main(int argc, char **argv)
{
	struct options o = { .socket = getenv("HEDDLE_SOCKET") };
	char error[256];
	int n;

	if (o.socket == NULL)
		o.socket = HD_CONTROL_SOCKET;
	n = options_read(&o, argc, argv, error, sizeof(error));
	if (n < 0)
		return usage(error);
	if (o.help) {
		cli_help(stdout);
		return CLI_FINE;
	}
	if (o.version) {
		printf("heddlectl %s\n", HEDDLE_VERSION);
		return CLI_FINE;
	}
	if (n == 0) {
		cli_help(stderr);
		return CLI_USAGE;
	}
	return run(&o, n, argv + 1);
}
