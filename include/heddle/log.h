/* SPDX-License-Identifier: Apache-2.0 */
/* The slow-path log. Never called from a worker's turn; a worker counts, ctrl talks. */
#ifndef HEDDLE_LOG_H
#define HEDDLE_LOG_H

enum hd_log_level { HD_LOG_ERROR, HD_LOG_WARNING, HD_LOG_NOTICE, HD_LOG_INFO, HD_LOG_DEBUG };

#define HD_LOG_AREAS(X) \
	X(access) X(ctl) X(daemon) X(health) X(names) X(policy) X(port) X(tls) X(worker)

/* area: one of HD_LOG_AREAS; a level set for one area wins over the general one.
 * One line: time, level, area, text. Thread-safe. Implemented in ctrl/daemon/daemon_log.c; tests bring their own. */
void hd_log(enum hd_log_level level, const char *area, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
