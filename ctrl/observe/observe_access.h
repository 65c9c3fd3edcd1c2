/* SPDX-License-Identifier: Apache-2.0 */
/* The access log: records from the workers' rings to a file, in Istio's default JSON or text.
 * Control thread; never waits for the file: what a slow or full one cannot take is kept up to a
 * cap, then counted as lost. */
#ifndef OBSERVE_ACCESS_H
#define OBSERVE_ACCESS_H

#include <heddle/dp.h>

#include "observe_requests.h"
#include "observe_text.h"

enum observe_access_format { OBSERVE_ACCESS_TEXT, OBSERVE_ACCESS_JSON };

struct observe_access;

struct observe_access_stats {
	uint64_t lines, lost, write_errors;
};

/* Opens path for appending. 0, or a negative errno. */
[[nodiscard]] int observe_access_open(const char *path, enum observe_access_format format,
				      struct observe_access **out);
/* Writes what it can without waiting. */
void observe_access_close(struct observe_access *a);
/* Takes what the workers' rings hold, counts it and writes it. a NULL: there is no access log.
 * Returns how many records there were. */
unsigned int observe_access_drain(struct observe_access *a, struct observe_requests *r,
				  struct hd_dp *dp, hd_ns now);
/* At the next drain the file is opened again (after a rename). */
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
