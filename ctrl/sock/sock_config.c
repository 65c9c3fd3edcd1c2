/* SPDX-License-Identifier: Apache-2.0 */
/* config check, apply, rollback, reload, show and history. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "observe_text.h"
#include "sock_command.h"
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

/* The first errors, one a line, in the reply's error. */
static int refuse_with(struct sock_request *rq, const struct policy_diags *d, int rc)
{
	uint32_t shown = 0;
	size_t n = 0;

	if (rc != -EINVAL)
		return sock_refuse(rq, "%s",
				   rc == -ENOMEM ? "out of memory; nothing was changed"
						 : strerror(-rc));
	for (uint32_t i = 0; i < d->n && shown < ERROR_ROWS && n < sizeof(rq->error) - 1; i++) {
		char row[512];

		if (d->rows[i].severity != POLICY_ERROR)
			continue;
		policy_diag_format(&d->rows[i], row, sizeof(row));
		n += (size_t)snprintf(rq->error + n, sizeof(rq->error) - n, "%s%s",
				      shown++ ? "\n" : "", row);
	}
	if (d->errors > shown && n < sizeof(rq->error) - 1)
		snprintf(rq->error + n, sizeof(rq->error) - n, "\nand %u more", d->errors - shown);
	return -EINVAL;
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

static int paths_add(struct sock_request *rq, struct policy_texts *texts,
		     struct policy_diags *diags)
{
	const json_t *paths = json_object_get(rq->args, "paths"), *path;
	size_t i;

	if (paths != NULL && !json_is_array(paths))
		return sock_refuse(rq, "args: `paths` must be an array");
	json_array_foreach(paths, i, path) {
		const char *p = json_string_value(path);
		int rc;

		if (p == NULL || p[0] != '/')
			return sock_refuse(
				rq,
				"args: each of `paths` is an absolute path on the daemon's machine");
		rc = policy_texts_read(texts, p, diags);
		if (rc != 0)
			return refuse_with(rq, diags, rc);
	}
	return 0;
}

/* The files of the request, as texts. */
static int texts_read(struct sock_request *rq, struct policy_texts *texts,
		      struct policy_diags *diags)
{
	int rc;

	if (sock_args_allow(rq, "files", "paths", NULL) != 0)
		return -EINVAL;
	rc = files_add(rq, texts);
	if (rc == 0)
		rc = paths_add(rq, texts, diags);
	return rc;
}

static int with_texts(struct sock_request *rq,
		      int (*run)(void *arg, const struct policy_texts *over,
				 struct policy_diags *diags),
		      int may_be_empty)
{
	struct policy_texts over;
	struct policy_diags diags;
	int rc;

	policy_texts_init(&over);
	policy_diags_init(&diags);
	rc = texts_read(rq, &over, &diags);
	if (rc == 0 && over.n == 0 && !may_be_empty)
		rc = sock_refuse(rq, "nothing to apply: args has neither `files` nor `paths`");
	if (rc == 0) {
		rc = run(rq->host->arg, &over, &diags);
		if (rc != 0)
			rc = refuse_with(rq, &diags, rc);
		else
			rq->result = diags_json(&diags, &over);
	}
	policy_texts_fini(&over);
	policy_diags_fini(&diags);
	return rc;
}

int sock_config_check(struct sock_request *rq)
{
	return with_texts(rq, rq->host->config_check, 1);
}

static void diff_see(void *ctx, const struct hd_snapshot *preview)
{
	struct sock_request *rq = ctx;

	rq->result = sock_snapshots_compare(rq->host->snapshot(rq->host->arg), preview);
}

int sock_config_diff(struct sock_request *rq)
{
	struct policy_texts over;
	struct policy_diags diags;
	int rc;

	policy_texts_init(&over);
	policy_diags_init(&diags);
	rc = texts_read(rq, &over, &diags);
	if (rc == 0) {
		rc = rq->host->config_preview(rq->host->arg, &over, &diags, diff_see, rq);
		if (rc != 0)
			rc = refuse_with(rq, &diags, rc);
	}
	policy_texts_fini(&over);
	policy_diags_fini(&diags);
	return rc;
}

/* [{generation, warnings: [...]}]: what there is now. Consumes the rows of a successful load. */
static int answer_generation(struct sock_request *rq, json_t *warnings)
{
	const struct hd_snapshot *s = rq->host->snapshot(rq->host->arg);

	rq->result = json_pack("[{s:I,s:o}]", "generation", (json_int_t)s->generation, "warnings",
			       warnings);
	return 0;
}

int sock_config_apply(struct sock_request *rq)
{
	int rc = with_texts(rq, rq->host->config_apply, 0);

	return rc == 0 ? answer_generation(rq, rq->result) : rc;
}

static int without_texts(struct sock_request *rq, int (*run)(void *arg, struct policy_diags *diags))
{
	struct policy_diags diags;
	int rc;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	policy_diags_init(&diags);
	rc = run(rq->host->arg, &diags);
	if (rc == -ENOENT)
		rc = sock_refuse(rq, "there is no generation before this one");
	else if (rc != 0)
		rc = refuse_with(rq, &diags, rc);
	else
		rc = answer_generation(rq, diags_json(&diags, NULL));
	policy_diags_fini(&diags);
	return rc;
}

int sock_config_rollback(struct sock_request *rq)
{
	return without_texts(rq, rq->host->config_rollback);
}

int sock_config_reload(struct sock_request *rq)
{
	return without_texts(rq, rq->host->config_reload);
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
