/* SPDX-License-Identifier: Apache-2.0 */
/* heddlectl's words to a command and its arguments. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdio.h>

#include <jansson.h>

struct cli_command {
	const char *name; /* as the daemon knows it */
	/* The words after the name to args; -1 with error set. */
	int (*args)(int n, char **words, json_t *args, char *error, size_t error_bytes);
	const char *words, *text;
};

/* The command that the words start with, and how many of them its name takes. NULL with a text in
 * error. */
const struct cli_command *cli_command_find(int n, char **words, int *taken, char *error,
					   size_t error_bytes);
void cli_help(FILE *out);

#endif
