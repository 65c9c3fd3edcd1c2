/* SPDX-License-Identifier: Apache-2.0 */
/* The access log: records of requests to a file, in Istio's default JSON or text.
 * Control thread; never waits for the file: what a slow or full one cannot take is kept up to a
 * cap, then counted as lost. */
#ifndef OBSERVE_ACCESS_H
#define OBSERVE_ACCESS_H

#include <heddle/msg.h>

#include "observe_text.h"

enum observe_access_format { OBSERVE_ACCESS_TEXT, OBSERVE_ACCESS_JSON };

struct observe_access;

struct observe_access_stats {
	uint64_t lines, lost, write_errors;
};

/* What a file does to a process that writes to it, a failed write tells as well: once, before the
 * first flush. */
void observe_access_signals(void);
/* Whether path could be opened, without making it. 0, or a negative errno and one line in error that
 * says what to do. */
[[nodiscard]] int observe_access_check(const char *path, char *error, size_t error_bytes);
/* Opens path for appending. 0, or a negative errno. */
[[nodiscard]] int observe_access_open(const char *path, enum observe_access_format format,
				      struct observe_access **out);
/* After a last flush. */
void observe_access_close(struct observe_access *a);
/* Keeps the record's line for the next flush, or counts it as lost when too much is kept. */
void observe_access_add(struct observe_access *a, const struct hd_access_record *r, hd_ns now);
/* Writes what the file takes without waiting. */
void observe_access_flush(struct observe_access *a, hd_ns now);
/* At the next flush the file is opened again (after a rename). */
void observe_access_reopen(struct observe_access *a);
/* Once a second: opens again when the name leads to another file now. */
void observe_access_look(struct observe_access *a);
void observe_access_stats(const struct observe_access *a, struct observe_access_stats *out);

/* Lines of the same second share its text. Zero to start. */
struct observe_access_second {
	uint64_t second;
	char text[24];
	size_t n;
};

/* One line with its newline. */
void observe_access_format(struct observe_text *t, const struct hd_access_record *r,
			   enum observe_access_format format, struct observe_access_second *second);

#endif
