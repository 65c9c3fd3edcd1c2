/* SPDX-License-Identifier: Apache-2.0 */
/* hd_dp_explain: what a worker would do with a request, by the worker's own parser and lookups. On
 * the control thread. */
#include <stdio.h>

#include <hs.h>

#include <heddle/dp.h>

#include "http.h"
#include "proxy_authz.h"
#include "proxy_route.h"

static void explain_refusal(struct hd_explanation *x, uint16_t status, const char *details)
{
	x->status = status;
	snprintf(x->details, sizeof(x->details), "%s", details);
}

/* The path as policy sees it, with its query behind it, in whole. 0: it has none. */
static uint32_t explain_path(struct hd_explanation *x, uint8_t paths, const uint8_t *head,
			     const struct http_head *h, uint8_t *whole,
			     struct proxy_request_view *q)
{
	uint32_t at = h->path_n > 0 && head[h->path] != '?' ? 0 : 1, n;
	const uint8_t *query;

	whole[0] = '/';
	memcpy(whole + at, head + h->path, h->path_n);
	n = http_path_normalize_as(paths, whole, h->path_n + at, whole);
	query = memchr(whole, '?', n);
	q->path = whole;
	q->path_n = query != NULL ? (uint32_t)(query - whole) : n;
	if (query != NULL)
		q->query = (struct hd_str){ (const char *)query + 1, n - q->path_n - 1 };
	x->path_n = q->path_n < sizeof(x->path) ? q->path_n : (uint32_t)sizeof(x->path);
	memcpy(x->path, whole, x->path_n);
	return n;
}

static void explain_route(struct hd_explanation *x, const struct hd_snapshot *s,
			  const struct proxy_request_view *q)
{
	hs_scratch_t *scratch = NULL;
	struct proxy_route_memo memo;

	if (s->regex_db != NULL && hs_alloc_scratch(s->regex_db, &scratch) != HS_SUCCESS) {
		explain_refusal(x, 500, "no memory to try the regular expressions");
		return;
	}
	x->route = proxy_route_find(s, &s->vhosts[x->vhost], q, scratch, &memo);
	hs_free_scratch(scratch);
	if (x->route == HD_NONE)
		explain_refusal(x, 404, "route_not_found");
}

static void explain_verdict(struct hd_explanation *x, const struct proxy_authz_verdict *v)
{
	x->authz_policy = v->policy;
	x->authz_rule = v->rule == HD_AUTHZ_NO_RULE ? 0 : v->rule + 1;
}

/* Each kind of workload behind the name is asked. */
static void explain_authorization(struct hd_explanation *x, const struct hd_snapshot *s,
				  const uint32_t *targets, uint32_t n,
				  const struct proxy_authz_view *v)
{
	uint32_t denied = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct proxy_authz_verdict d = proxy_authz_decide(&s->authz, targets[i], v);

		if (i == 0 || (d.is_denied && denied == 0))
			explain_verdict(x, &d);
		denied += d.is_denied;
	}
	if (n == 0)
		return;
	x->authorization = denied == 0	? HD_EXPLAINED_ALLOWED
			   : denied < n ? HD_EXPLAINED_MIXED
					: HD_EXPLAINED_DENIED;
	if (denied == n)
		explain_refusal(x, 403, "rbac_access_denied");
}

static void explain_caller(struct hd_explanation *x, const struct hd_snapshot *s,
			   const struct hd_listener *l, const struct hd_explain_caller *who,
			   const struct proxy_request_view *q)
{
	const struct proxy_authz_view v = {
		.principal = who->principal,
		.source = who->source,
		.remote = proxy_authz_remote(q->bytes, q->head, &who->source, l->gateway),
		.dialled = l->addr,
		.bytes = q->bytes,
		.head = q->head,
		.path = q->path,
		.path_n = q->path_n,
	};
	const struct hd_vhost *vhost = &s->vhosts[x->vhost];

	if (l->gateway)
		explain_authorization(x, s, &l->authz, l->authz != 0, &v);
	else
		explain_authorization(x, s, s->authz.words + vhost->authz_first, vhost->authz_count,
				      &v);
}

void hd_dp_explain(const struct hd_snapshot *s, const struct hd_listener *l,
		   const struct hd_explain_caller *who, const char *head, uint32_t n,
		   struct hd_explanation *out)
{
	const uint8_t *bytes = (const uint8_t *)head;
	const struct hd_router *r;
	struct http_head h;
	struct proxy_request_view q = { .bytes = bytes, .head = &h, .is_edge = l->gateway };
	uint8_t path[HTTP_MAX_HEAD_BYTES + 1];
	struct http_error e;
	char host[PROXY_HOST_MAX];

	*out = (struct hd_explanation){ .vhost = HD_NONE, .route = HD_NONE };
	if (n > HTTP_MAX_HEAD_BYTES || l->router == HD_NONE) {
		explain_refusal(out, n > HTTP_MAX_HEAD_BYTES ? 431 : 0,
				"no HTTP port, or a head that is too long");
		return;
	}
	if (http1_parse_request(bytes, n, &h, &e) != HTTP_DONE) {
		explain_refusal(out, e.status, e.details);
		return;
	}
	if (explain_path(out, s->paths, bytes, &h, path, &q) == 0) {
		explain_refusal(out, 400, "path_normalization_failed");
		return;
	}
	r = &s->routers[l->router];
	out->vhost = proxy_route_vhost(s, r, host,
				       proxy_route_host(bytes + h.authority, h.authority_n, host));
	if (out->vhost == HD_NONE) {
		explain_refusal(out, r->unknown_host_status, "no virtual host has this name");
		return;
	}
	explain_route(out, s, &q);
	explain_caller(out, s, l, who, &q);
}
