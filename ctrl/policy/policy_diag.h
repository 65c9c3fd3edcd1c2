/* SPDX-License-Identifier: Apache-2.0 */
/* How the room complains: rows with a place. */
#ifndef POLICY_DIAG_H
#define POLICY_DIAG_H

#include <stdarg.h>

#include "policy.h"

#define POLICY_DIAG_LIMIT 1000

void policy_diag_add(struct policy_diags *d, enum policy_severity severity, const char *file,
		     uint32_t line, uint32_t col, const char *format, va_list ap);
/* By file, line, column; equal rows once. */
void policy_diags_sort(struct policy_diags *d);

/* All of another's rows and counts. */
void policy_diags_append(struct policy_diags *d, const struct policy_diags *from);

#endif
