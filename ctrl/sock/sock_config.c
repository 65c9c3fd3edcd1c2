/* SPDX-License-Identifier: Apache-2.0 */
/* config check, apply, rollback, reload, show and history. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "observe_text.h"
#include "sock_command.h"
#include "sock_job.h"
#include "sock_policy.h"

#define ERROR_ROWS 10

static int texts_have(const struct policy_texts *t, const char *name)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (strcmp(t->rows[i].name, name) == 0)
			return 1;
	return 0;
}

/* over: only the rows of these texts; what the files in use are warned about is known from their
 * own load. */
static json_t *diags_json(const struct policy_diags *d, const struct policy_texts *over)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < d->n; i++) {
		json_t *row;
		const struct policy_diag *r = &d->rows[i];

		if (over != NULL && over->n > 0 && !texts_have(over, r->file))
			continue;
		row = sock_row(out);
		sock_put_text(row, "file", r->file);
		sock_put_number(row, "line", r->line);
		sock_put_number(row, "col", r->col);
		sock_put_text(row, "severity", r->severity == POLICY_ERROR ? "error" : "warning");
		sock_put_text(row, "message", r->message);
	}
	return out;
}

/* One client's load. Whichever is later, the end of the load or of the job, frees it. */
struct load_job {
	struct sock_job job;
	struct sock_load load;
	const struct sock_host *host;
	int is_done, is_dropped;
	json_t *result; /* NULL: refused, error says why */
	char error[sizeof(((struct sock_request *)0)->error)];
};

static void load_free(struct load_job *j)
{
	policy_texts_fini(&j->load.over);
	for (uint32_t i = 0; i < j->load.n_paths; i++)
		free(j->load.paths[i]);
	free(j->load.paths);
	json_decref(j->job.id);
	json_decref(j->result);
	free(j);
}

/* The first errors, one a line. */
static void errors_write(struct load_job *j, const struct policy_diags *d)
{
	uint32_t shown = 0;
	size_t n = 0;

	for (uint32_t i = 0; i < d->n && shown < ERROR_ROWS && n < sizeof(j->error) - 1; i++) {
		char row[512];

		if (d->rows[i].severity != POLICY_ERROR)
			continue;
		policy_diag_format(&d->rows[i], row, sizeof(row));
		n += (size_t)snprintf(j->error + n, sizeof(j->error) - n, "%s%s",
				      shown++ ? "\n" : "", row);
	}
	if (d->errors > shown && n < sizeof(j->error) - 1)
		snprintf(j->error + n, sizeof(j->error) - n, "\nand %u more", d->errors - shown);
}

static void refusal_write(struct load_job *j, int rc, const struct policy_diags *d)
{
	if (rc == -ENOENT)
		snprintf(j->error, sizeof(j->error), "there is no generation before this one");
	else if (rc == -ECANCELED)
		snprintf(j->error, sizeof(j->error), "heddle ends; nothing was changed");
	else if (d->errors > 0)
		errors_write(j, d);
	else
		snprintf(j->error, sizeof(j->error), "%s; nothing was changed",
			 rc == -ENOMEM ? "out of memory" : strerror(-rc));
}

/* [{generation, warnings: [...]}]: what there is now. */
static json_t *generation_json(const struct load_job *j, json_t *warnings)
{
	const struct hd_snapshot *s = j->host->snapshot(j->host->arg);

	return json_pack("[{s:I,s:o}]", "generation", (json_int_t)s->generation, "warnings",
			 warnings);
}

static json_t *outcome_json(const struct load_job *j, const struct policy_diags *d,
			    const struct hd_snapshot *preview)
{
	switch (j->load.kind) {
	case SOCK_LOAD_CHECK:
		return diags_json(d, &j->load.over);
	case SOCK_LOAD_PREVIEW:
		return sock_snapshots_compare(j->host->snapshot(j->host->arg), preview);
	case SOCK_LOAD_APPLY:
		return generation_json(j, diags_json(d, &j->load.over));
	default:
		return generation_json(j, diags_json(d, NULL));
	}
}

static void load_done(struct sock_load *load, int rc, const struct policy_diags *diags,
		      const struct hd_snapshot *preview)
{
	struct load_job *j = hd_container_of(load, struct load_job, load);

	if (j->is_dropped) {
		load_free(j);
		return;
	}
	j->is_done = 1;
	if (rc == 0)
		j->result = outcome_json(j, diags, preview);
	else
		refusal_write(j, rc, diags);
}

static char *load_poll(struct sock_job *job, hd_ns now, int *done)
{
	struct load_job *j = hd_container_of(job, struct load_job, job);
	char *reply;

	*done = j->is_done;
	if (!j->is_done)
		return NULL;
	reply = j->error[0] != '\0' ? sock_reply_error(job->id, j->error)
				    : sock_reply_result(job->id, json_incref(j->result));
	load_free(j);
	return reply;
}

/* What was asked for goes on: whoever sends `config apply` and leaves meant it. */
static void load_drop(struct sock_job *job)
{
	struct load_job *j = hd_container_of(job, struct load_job, job);

	if (j->is_done)
		load_free(j);
	else
		j->is_dropped = 1;
}

static struct load_job *load_create(const struct sock_request *rq, enum sock_load_kind kind)
{
	struct load_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->job = (struct sock_job){ .poll = load_poll, .drop = load_drop };
	j->load = (struct sock_load){ .kind = kind, .done = load_done };
	j->host = rq->host;
	policy_texts_init(&j->load.over);
	return j;
}

/* Consumes the job. */
static int load_start(struct sock_request *rq, struct load_job *j)
{
	int rc = rq->host->load(rq->host->arg, &j->load);

	if (rc == 0 && !j->is_done) {
		rq->job = &j->job;
		return SOCK_LATER;
	}
	if (rc == -EBUSY)
		rc = sock_refuse(rq,
				 "too many loads of policy wait for the one under way: try again "
				 "(status says for how long it runs)");
	else if (j->error[0] != '\0')
		rc = sock_refuse(rq, "%s", j->error);
	else
		rq->result = json_incref(j->result);
	load_free(j);
	return rc;
}

static int file_add(struct sock_request *rq, struct policy_texts *texts, const json_t *file)
{
	const json_t *name = json_object_get(file, "name"),
		     *content = json_object_get(file, "content");

	if (!json_is_string(name) || !json_is_string(content))
		return sock_refuse(
			rq, "args: each of `files` is {\"name\":\"vs.yaml\",\"content\":\"…\"}");
	return policy_texts_add(texts, json_string_value(name), json_string_value(content),
				json_string_length(content));
}

static int files_add(struct sock_request *rq, struct policy_texts *texts)
{
	const json_t *files = json_object_get(rq->args, "files"), *file;
	size_t i;
	int rc = 0;

	if (files != NULL && !json_is_array(files))
		return sock_refuse(rq, "args: `files` must be an array");
	json_array_foreach(files, i, file) {
		rc = file_add(rq, texts, file);
		if (rc != 0)
			break;
	}
	return rc;
}

static int path_add(struct sock_request *rq, struct sock_load *load, const char *path)
{
	if (path == NULL || path[0] != '/')
		return sock_refuse(rq,
				   "args: each of `paths` is an absolute path on the daemon's machine");
	load->paths[load->n_paths] = strdup(path);
	if (load->paths[load->n_paths] == NULL)
		return -ENOMEM;
	load->n_paths++;
	return 0;
}

static int paths_add(struct sock_request *rq, struct sock_load *load)
{
	const json_t *paths = json_object_get(rq->args, "paths"), *path;
	size_t i;
	int rc = 0;

	if (paths != NULL && !json_is_array(paths))
		return sock_refuse(rq, "args: `paths` must be an array");
	load->paths = calloc(json_array_size(paths) + 1, sizeof(*load->paths));
	if (load->paths == NULL)
		return -ENOMEM;
	json_array_foreach(paths, i, path) {
		rc = path_add(rq, load, json_string_value(path));
		if (rc != 0)
			break;
	}
	return rc;
}

static int with_texts(struct sock_request *rq, enum sock_load_kind kind)
{
	struct load_job *j;
	int rc;

	if (sock_args_allow(rq, "files", "paths", NULL) != 0)
		return -EINVAL;
	j = load_create(rq, kind);
	if (j == NULL)
		return -ENOMEM;
	rc = files_add(rq, &j->load.over);
	if (rc == 0)
		rc = paths_add(rq, &j->load);
	if (rc == 0 && kind == SOCK_LOAD_APPLY && j->load.over.n + j->load.n_paths == 0)
		rc = sock_refuse(rq, "nothing to apply: args has neither `files` nor `paths`");
	if (rc == 0)
		return load_start(rq, j);
	load_free(j);
	return rc;
}

static int without_texts(struct sock_request *rq, enum sock_load_kind kind)
{
	struct load_job *j;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	j = load_create(rq, kind);
	return j != NULL ? load_start(rq, j) : -ENOMEM;
}

int sock_config_check(struct sock_request *rq)
{
	return with_texts(rq, SOCK_LOAD_CHECK);
}

int sock_config_diff(struct sock_request *rq)
{
	return with_texts(rq, SOCK_LOAD_PREVIEW);
}

int sock_config_apply(struct sock_request *rq)
{
	return with_texts(rq, SOCK_LOAD_APPLY);
}

int sock_config_rollback(struct sock_request *rq)
{
	return without_texts(rq, SOCK_LOAD_ROLLBACK);
}

int sock_config_reload(struct sock_request *rq)
{
	return without_texts(rq, SOCK_LOAD_RELOAD);
}

int sock_config_show(struct sock_request *rq)
{
	const struct policy_texts *t = rq->host->texts(rq->host->arg);

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; i < t->n; i++) {
		json_t *row = sock_row(rq->result);
		const struct policy_text *r = &t->rows[i];

		sock_put(row, "file",
			 sock_json_str((struct hd_str){ r->name, (uint32_t)strlen(r->name) }));
		sock_put_text(row, "origin", r->layer ? "apply" : "files");
		sock_put_number(row, "bytes", r->n);
		sock_put(row, "content",
			 sock_json_str((struct hd_str){ r->bytes, (uint32_t)r->n }));
	}
	return 0;
}

int sock_config_history(struct sock_request *rq)
{
	static const char *const origins[] = { [SOCK_FROM_FILES] = "files",
					       [SOCK_FROM_APPLY] = "apply",
					       [SOCK_FROM_ROLLBACK] = "rollback" };
	struct sock_generation rows[32];
	uint32_t n;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	n = rq->host->generations(rq->host->arg, rows, HD_ARRAY_SIZE(rows));
	rq->result = json_array();
	for (uint32_t i = 0; i < n; i++) {
		json_t *row;
		char since[32];
		struct tm tm;

		gmtime_r(&rows[i].since, &tm);
		strftime(since, sizeof(since), "%FT%TZ", &tm);
		row = sock_row(rq->result);
		sock_put_number(row, "generation", rows[i].number);
		sock_put(row, "current", json_boolean(rows[i].current));
		sock_put_text(row, "origin", origins[rows[i].origin]);
		sock_put_text(row, "since", since);
		sock_put_number(row, "files", rows[i].files);
		sock_put_number(row, "applied", rows[i].applied);
		sock_put_number(row, "warnings", rows[i].warnings);
	}
	return 0;
}
