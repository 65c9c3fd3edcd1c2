/* SPDX-License-Identifier: Apache-2.0 */
/* One request over the control socket. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stddef.h>

#include <jansson.h>

enum cli_exit { CLI_FINE, CLI_REFUSED, CLI_USAGE };

/* Sends {"command","args"} and waits. CLI_FINE and *result; CLI_REFUSED or CLI_USAGE with a text in
 * error that says what to do. Steals args. */
[[nodiscard]] enum cli_exit cli_request(const char *socket_path, const char *command, json_t *args,
					json_t **result, char *error, size_t error_bytes);

/* The same for an answer of many lines: row gets each until the answer ends. */
[[nodiscard]] enum cli_exit cli_stream(const char *socket_path, const char *command, json_t *args,
				       void (*row)(void *arg, const json_t *result), void *arg,
				       char *error, size_t error_bytes);

#endif
