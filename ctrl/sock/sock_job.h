/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that workers prepare over several turns: dumps of what only they may read. */
#ifndef SOCK_JOB_H
#define SOCK_JOB_H

#include "sock_command.h"

/* Adds the rows of one worker's finished dump to result. */
typedef void (*sock_rows_fn)(json_t *result, const struct hd_dump *dump, uint32_t worker);

/* Asks each worker for `rows` rows at most. 0 and *out, or a negative errno. */
[[nodiscard]] int sock_job_start(struct hd_dp *dp, enum hd_dump_kind kind, uint32_t rows,
				 sock_rows_fn add, struct sock_job **out);
void sock_job_set_id(struct sock_job *job, const json_t *id);

#endif
