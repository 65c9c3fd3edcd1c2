/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a command sends along. */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <stddef.h>

/* A whole file for free(), or standard input when path is "-". NULL: error says what to do. What
 * would wait or never end (a pipe, a device) is refused; standard input may be anything. */
char *cli_file_read(const char *path, size_t *n, char *error, size_t error_bytes);

#endif
