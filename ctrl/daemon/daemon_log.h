/* SPDX-License-Identifier: Apache-2.0 */
/* The slow-path log's levels. hd_log itself is in heddle/log.h. Any thread. */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <heddle/log.h>

/* Colours when stderr is a terminal and NO_COLOR is not set. */
void daemon_log_init(void);
/* "error", "warning", "notice", "info" or "debug". 0, or -EINVAL. */
[[nodiscard]] int daemon_log_parse(const char *text, enum hd_log_level *level);
/* area NULL: everything but the areas that have a level of their own. -ENOENT: no such area. */
[[nodiscard]] int daemon_log_set(enum hd_log_level level, const char *area);

#endif
