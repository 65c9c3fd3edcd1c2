/* SPDX-License-Identifier: Apache-2.0 */
/* One line in, one line out. */
#ifndef SOCK_COMMAND_H
#define SOCK_COMMAND_H

#include <jansson.h>

#include "sock_host.h"

/* An answer that workers are still preparing. */
struct sock_job;

struct sock_request {
	const struct sock_host *host;
	const json_t *id;     /* NULL: none */
	const json_t *args;   /* an object, maybe empty */
	json_t *result;	      /* set by a command that returns 0 */
	struct sock_job *job; /* set by a command that returns SOCK_LATER */
	char error[1024];     /* set by a command that returns a negative errno */
};

#define SOCK_LATER 1

/* Runs one line (without its newline; any bytes). Returns the reply line with its newline for
 * free(), or NULL with *job set when the answer takes longer, or NULL without when memory is out.
 */
char *sock_line_run(const struct sock_host *host, const char *line, size_t n,
		    struct sock_job **job);

/* Lines of the answer, or NULL when there are none yet. *done: the job is over and freed. */
char *sock_job_poll(struct sock_job *job, hd_ns now, int *done);
/* Nobody wants the answer any more. */
void sock_job_drop(struct sock_job *job);
/* Frees what dropped jobs lent to workers and workers gave back. all: they are gone, free the rest
 * too. */
void sock_jobs_sweep(int all);

/* The reply to a line that could not even be read. */
char *sock_reply_error(const json_t *id, const char *error);
char *sock_reply_result(const json_t *id, json_t *result);
/* left_out: rows that there are beside those of result. */
char *sock_reply_rows(const json_t *id, json_t *result, uint64_t left_out);

/* -EINVAL with rq->error set. */
int sock_refuse(struct sock_request *rq, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Only these arguments (names, ended by NULL) may be there. 0 or -EINVAL. */
int sock_args_allow(struct sock_request *rq, ...);
/* *out is NULL when it is not there. 0, or -EINVAL when it is not a string. */
int sock_args_string(struct sock_request *rq, const char *name, const char **out);

/* A new object at the end of rows, and its members; sock_put consumes the value. */
json_t *sock_row(json_t *rows);
void sock_put(json_t *row, const char *key, json_t *value);
void sock_put_number(json_t *row, const char *key, uint64_t value);
void sock_put_text(json_t *row, const char *key, const char *value);

/* Bytes that are not UTF-8 become '?'. Never NULL unless memory is out. */
json_t *sock_json_str(struct hd_str s);
json_t *sock_json_addr(const struct hd_addr *a);

/* Sentences about what is wrong now. */
json_t *sock_problems(const struct sock_host *h, const struct sock_status *st);

/* sock_certs.c: of the node, for status; and what is wrong with certificates. */
json_t *sock_identity(const struct sock_host *h);
void sock_problems_certs(const struct sock_host *h,
			 void (*say)(json_t *out, const char *format, ...), json_t *out);

/* sock_names.c */
void sock_problems_names(const struct sock_host *h,
			 void (*say)(json_t *out, const char *format, ...), json_t *out);

/* The commands, by file. */
int sock_show_status(struct sock_request *rq);
int sock_show_workers(struct sock_request *rq);
int sock_show_ports(struct sock_request *rq);
int sock_show_drops(struct sock_request *rq);
int sock_show_policies(struct sock_request *rq);
int sock_show_memory(struct sock_request *rq);
int sock_stats(struct sock_request *rq);
int sock_show_services(struct sock_request *rq);
int sock_show_routes(struct sock_request *rq);
int sock_show_clusters(struct sock_request *rq);
int sock_show_endpoints(struct sock_request *rq);
int sock_show_connections(struct sock_request *rq);
int sock_show_neighbors(struct sock_request *rq);
int sock_show_failures(struct sock_request *rq);
int sock_show_certs(struct sock_request *rq);
int sock_show_names(struct sock_request *rq);
int sock_tls(struct sock_request *rq);
int sock_show_outliers(struct sock_request *rq);
int sock_explain(struct sock_request *rq);
int sock_endpoint_eject(struct sock_request *rq);
int sock_endpoint_drain(struct sock_request *rq);
int sock_endpoint_admit(struct sock_request *rq);
int sock_tap(struct sock_request *rq);
int sock_show_requests(struct sock_request *rq);
int sock_metrics(struct sock_request *rq);
int sock_config_check(struct sock_request *rq);
int sock_config_diff(struct sock_request *rq);
int sock_config_apply(struct sock_request *rq);
int sock_config_rollback(struct sock_request *rq);
int sock_config_reload(struct sock_request *rq);
int sock_config_show(struct sock_request *rq);
int sock_config_history(struct sock_request *rq);

#endif
