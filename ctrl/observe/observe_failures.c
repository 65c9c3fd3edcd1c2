/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_failures.h"

#include <stdio.h>

/* Flags that tell of a failure whatever the status: gRPC gets 200, a stream gets none. */
#define FAILED                                                                         \
	(HD_FLAG_UH | HD_FLAG_UF | HD_FLAG_UO | HD_FLAG_NC | HD_FLAG_UT | HD_FLAG_UC | \
	 HD_FLAG_UR | HD_FLAG_UPE | HD_FLAG_LR)

#define UPSTREAM "via_upstream"

static const struct {
	uint32_t flag;
	const char *cause, *advice;
} causes[] = {
	{ HD_FLAG_UH, "no healthy endpoint",
	  "see show outliers and show endpoints: are the backends ready, ejected or drained?" },
	{ HD_FLAG_UO, "a limit of the connection pool",
	  "see show clusters: raise the limit in the DestinationRule, or add endpoints" },
	{ HD_FLAG_NC, "the destination does not exist",
	  "see config check: the route names a host, port or subset that nobody defines" },
	{ HD_FLAG_UF, "no connection to the backend",
	  "does the endpoint listen on that port? see show endpoints and show neighbors" },
	{ HD_FLAG_UT, "no answer in time",
	  "the route's timeout or perTryTimeout passed: is the backend slow?" },
	{ HD_FLAG_UC, "the backend closed the connection before its answer",
	  "look into the backend's own log; is its idle timeout shorter than the pool's?" },
	{ HD_FLAG_UPE, "the backend's answer is not HTTP",
	  "does the port speak HTTP/1.1? see stats 'http.*'" },
	{ HD_FLAG_SI, "nothing moved for five minutes", "is the backend or the caller stuck?" },
	{ HD_FLAG_FI, "a fault that policy injects", "see the route's fault" },
	{ HD_FLAG_LR, "Heddle gave up", "see stats 'proxy.*' for what ran out" },
};

static int is_failure(const struct hd_access_record *r)
{
	if (r->details_n >= sizeof(UPSTREAM) - 1 &&
	    memcmp(r->details, UPSTREAM, sizeof(UPSTREAM) - 1) == 0)
		return 0;
	return r->status >= 500 || (r->flags & FAILED);
}

static void copy(char *out, size_t room, const char *text, size_t n)
{
	if (n > room - 1)
		n = room - 1;
	memcpy(out, text, n);
	out[n] = '\0';
}

static void key_fill(struct observe_failure *k, const struct hd_access_record *r)
{
	*k = (struct observe_failure){ .flags = r->flags,
				       .status = r->status,
				       .source_line = r->route_source_line };
	copy(k->details, sizeof(k->details), r->details,
	     r->details_n < HD_ACCESS_DETAILS ? r->details_n : HD_ACCESS_DETAILS);
	copy(k->cluster, sizeof(k->cluster), r->cluster,
	     r->cluster_n < sizeof(r->cluster) ? r->cluster_n : sizeof(r->cluster));
	copy(k->source, sizeof(k->source), r->route_source,
	     strnlen(r->route_source, sizeof(r->route_source)));
}

static uint32_t text_hash(uint32_t h, const char *p)
{
	for (; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return h * 31;
}

static uint32_t key_hash(const struct observe_failure *k)
{
	uint32_t h = 2166136261u ^ k->flags ^ (uint32_t)k->status << 20 ^ k->source_line << 8;

	return text_hash(text_hash(text_hash(h, k->details), k->cluster), k->source);
}

static int is_same(const struct observe_failure *a, const struct observe_failure *b)
{
	return a->hash == b->hash && a->flags == b->flags && a->status == b->status &&
	       a->source_line == b->source_line && strcmp(a->details, b->details) == 0 &&
	       strcmp(a->cluster, b->cluster) == 0 && strcmp(a->source, b->source) == 0;
}

static struct observe_failure *row_get(struct observe_failures *f, const struct observe_failure *k)
{
	uint32_t slots = HD_ARRAY_SIZE(f->table);

	for (uint32_t i = k->hash % slots;; i = (i + 1) % slots) {
		if (f->table[i] == 0) {
			if (f->n == OBSERVE_FAILURES)
				return NULL;
			f->rows[f->n] = *k;
			f->table[i] = (uint16_t)++f->n;
			return &f->rows[f->n - 1];
		}
		if (is_same(&f->rows[f->table[i] - 1], k))
			return &f->rows[f->table[i] - 1];
	}
}

/* A stream has neither method nor path. */
static void request_note(struct observe_failure *row, const struct hd_access_record *r)
{
	int method_n = r->method_n < HD_ACCESS_METHOD ? r->method_n : HD_ACCESS_METHOD;
	int authority_n =
		r->authority_n < HD_ACCESS_AUTHORITY ? r->authority_n : HD_ACCESS_AUTHORITY;
	int path_n = r->path_n < HD_ACCESS_PATH ? r->path_n : HD_ACCESS_PATH;

	snprintf(row->last_request, sizeof(row->last_request), "%.*s%s%.*s%.*s", method_n,
		 r->method, method_n > 0 ? " " : "", authority_n, r->authority, path_n, r->path);
}

void observe_failures_count(struct observe_failures *f, const struct hd_access_record *r)
{
	struct observe_failure key, *row;

	if (!is_failure(r))
		return;
	key_fill(&key, r);
	key.hash = key_hash(&key);
	row = row_get(f, &key);
	if (row == NULL) {
		f->lost++;
		return;
	}
	if (row->count++ == 0)
		row->first_wall = r->start_wall;
	row->last_wall = r->start_wall + r->duration;
	row->last_endpoint = r->up_remote;
	request_note(row, r);
}

const char *observe_failure_cause(const struct observe_failure *f)
{
	for (size_t i = 0; i < HD_ARRAY_SIZE(causes); i++)
		if (f->flags & causes[i].flag)
			return causes[i].cause;
	return strcmp(f->details, "direct_response") == 0 ? "the route answers so itself"
							  : "see details";
}

const char *observe_failure_advice(const struct observe_failure *f)
{
	for (size_t i = 0; i < HD_ARRAY_SIZE(causes); i++)
		if (f->flags & causes[i].flag)
			return causes[i].advice;
	return "";
}
