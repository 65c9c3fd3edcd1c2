/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that take longer than a call: they are asked again until they are done. */
#ifndef SOCK_JOB_H
#define SOCK_JOB_H

#include "sock_command.h"

/* The head of every job; its maker embeds it. */
struct sock_job {
	/* Lines to send, for free(), or NULL when there are none yet. *done: they were the last,
	 * and the job is freed. */
	char *(*poll)(struct sock_job *job, hd_ns now, int *done);
	void (*drop)(struct sock_job *job);
	json_t *id;	/* of the request; whoever frees the job gives it up */
};

/* Adds the rows of one worker's finished dump to result. */
typedef void (*sock_rows_fn)(json_t *result, const struct hd_dump *dump, uint32_t worker);

/* Asks each worker for `rows` rows at most. 0 and *out, or a negative errno. */
[[nodiscard]] int sock_dump_start(struct hd_dp *dp, enum hd_dump_kind kind, uint32_t rows,
				  sock_rows_fn add, struct sock_job **out);
/* Of connections only those with TLS, and with this address unless it is zero. Before the first poll. */
void sock_dump_only_tls(struct sock_job *job, const struct hd_ip *ip);

#endif
