/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and roots: `show certs`, and the identity in status. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sock_command.h"

#define MAX_ROWS 1024

static json_t *time_text(int64_t ns)
{
	time_t seconds = (time_t)(ns / INT64_C(1000000000));
	struct tm tm;
	char text[32];

	if (ns == 0 || gmtime_r(&seconds, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return json_null();
	return json_string(text);
}

static void put_filled(json_t *row, const char *key, const char *value)
{
	if (value != NULL && value[0] != '\0')
		sock_put_text(row, key, value);
	else
		sock_put(row, key, json_null());
}

static void row_put(json_t *out, const struct sock_certificate *c)
{
	json_t *row = sock_row(out);

	sock_put_text(row, "kind", c->kind);
	sock_put_text(row, "name", c->name);
	sock_put_text(row, "state", c->state);
	put_filled(row, "spiffe_id", c->info.spiffe_id);
	put_filled(row, "subject", c->info.subject);
	put_filled(row, "issuer", c->info.issuer);
	put_filled(row, "serial", c->info.serial);
	put_filled(row, "key_type", c->info.key_type);
	sock_put(row, "not_before", time_text(c->info.not_before));
	sock_put(row, "not_after", time_text(c->info.not_after));
	sock_put(row, "chain_not_after", time_text(c->info.chain_not_after));
	if (c->info.not_after != 0)
		sock_put(row, "expires_in_s", json_integer(c->expires_in_s));
	else
		sock_put(row, "expires_in_s", json_null());
	put_filled(row, "sha256", c->info.sha256);
	put_filled(row, "file", c->file);
	put_filled(row, "asked_by", c->asked_by);
	put_filled(row, "error", c->error);
}

/* For free(). */
static struct sock_certificate *rows_get(const struct sock_host *h, uint32_t *n)
{
	struct sock_certificate *rows = calloc(MAX_ROWS, sizeof(*rows));

	*n = rows != NULL ? h->certificates(h->arg, rows, MAX_ROWS) : 0;
	return rows;
}

int sock_show_certs(struct sock_request *rq)
{
	struct sock_certificate *rows;
	uint32_t n;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rows = rows_get(rq->host, &n);
	rq->result = json_array();
	for (uint32_t i = 0; i < n; i++)
		row_put(rq->result, &rows[i]);
	free(rows);
	return 0;
}

json_t *sock_identity(const struct sock_host *h)
{
	struct sock_certificate *rows;
	json_t *out;
	uint32_t n;

	if (h->node->identity.certificate == NULL)
		return json_null();
	out = json_object();
	sock_put_text(out, "certificate", h->node->identity.certificate);
	sock_put_text(out, "trust_domain", h->node->trust_domain);
	rows = rows_get(h, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (!rows[i].is_identity)
			continue;
		put_filled(out, "spiffe_id", rows[i].info.spiffe_id);
		sock_put_text(out, "state", rows[i].state);
		sock_put(out, "not_after", time_text(rows[i].info.not_after));
		sock_put(out, "expires_in_s", json_integer(rows[i].expires_in_s));
		put_filled(out, "error", rows[i].error);
	}
	free(rows);
	return out;
}

void sock_problems_certs(const struct sock_host *h,
			 void (*say)(json_t *out, const char *format, ...), json_t *out)
{
	uint32_t n;
	struct sock_certificate *rows = rows_get(h, &n);

	for (uint32_t i = 0; i < n; i++) {
		const struct sock_certificate *c = &rows[i];

		if (strcmp(c->state, "ok") == 0)
			continue;
		if (c->error[0] != '\0')
			say(out, "%s %s is %s: %s", c->kind, c->name, c->state, c->error);
		else
			say(out, "%s %s is %s: %lld h left", c->kind, c->name, c->state,
			    (long long)(c->expires_in_s / 3600));
	}
	free(rows);
}
