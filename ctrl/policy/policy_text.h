/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_TEXT_H
#define POLICY_TEXT_H

#include "policy.h"

/* A whole file, for free. 0; -EINVAL with an error row; -ENOMEM. */
[[nodiscard]] int policy_text_load(const char *path, char **bytes, size_t *n,
				   struct policy_diags *diags);

#endif
