/* SPDX-License-Identifier: Apache-2.0 */
/* uriRegexRewrite: every match in a path is replaced, the leftmost first and the first alternative
 * preferred, as RE2's GlobalReplace does. All alternatives go on side by side, so the work is
 * bounded by the path and the program, and by a budget. */
#ifndef PROXY_PROGRAM_H
#define PROXY_PROGRAM_H

#include <heddle/snapshot.h>

#define PROXY_PROGRAM_PATH 2048

/* Returns the length in out, or -1: too long, or more work than is allowed. *steps grows by what was
 * done, some ns each. */
int proxy_program_replace(const struct hd_snapshot *s, const struct hd_program *g, const char *path,
			  uint32_t n, char out[PROXY_PROGRAM_PATH], uint32_t *steps);

#endif
