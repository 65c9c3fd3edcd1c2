/* SPDX-License-Identifier: Apache-2.0 */
/* How each command's result looks to a person. */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include <stdio.h>

#include <jansson.h>

/* width: of the terminal, 0 when there is none. colour: whether escapes may be used. */
void cli_view_print(FILE *out, const char *command, const json_t *result, size_t width, int colour);

#endif
