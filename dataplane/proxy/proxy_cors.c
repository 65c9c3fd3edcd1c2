/* SPDX-License-Identifier: Apache-2.0 */
/* CORS as Envoy's filter does it (istio-api.md 1.1.8, observed-istio.md 7): preflights of allowed
 * origins are answered, other answers to them are marked. */
#include "proxy_edit.h"
#include "proxy_state.h"

static struct hd_str value(const struct http_head *h, const uint8_t *bytes, const char *lower)
{
	const struct http_field *f = proxy_field_find(h, bytes, lower);

	return f != NULL ? (struct hd_str){ (const char *)bytes + f->value, f->value_n }
			 : (struct hd_str){ "", 0 };
}

static int is_allowed(struct proxy *p, const struct hd_cors *c, struct hd_str origin)
{
	for (uint32_t i = 0; i < c->origins_count; i++)
		if (proxy_route_text_matches(p->snapshot,
					     &p->snapshot->origin_matches[c->origins_first + i],
					     p->own->regex_scratch, &p->memo.other, origin))
			return 1;
	return 0;
}

static int is_preflight(const struct http_head *h, const uint8_t *bytes)
{
	return h->method == HTTP_OPTIONS && value(h, bytes, "access-control-request-method").n > 0;
}

int proxy_cors_begin(struct proxy *p, struct proxy_exchange *x, const struct hd_cors *c,
		     const uint8_t *bytes)
{
	static const struct proxy_answer empty = { .status = 200, .details = "cors_response" };
	struct hd_str origin = value(&p->head, bytes, "origin");

	if (origin.n == 0)
		return 0;
	p->memo.other.subject = NULL; /* another request's may lie at the same place */
	x->patches |= is_allowed(p, c, origin) ? PROXY_PATCH_CORS : 0;
	if (!is_preflight(&p->head, bytes))
		return 0;
	if (!(x->patches & PROXY_PATCH_CORS) && c->forwards_unmatched)
		return 0;
	proxy_count(p, HD_PROXY_PREFLIGHTS);
	x->patches |= PROXY_PATCH_PREFLIGHT;
	proxy_exchange_reply(p, x, &empty);
	return 1;
}

static void put(struct proxy_edit_head *h, const char *lower, struct hd_str v)
{
	if (v.n > 0)
		proxy_edit_replace(h, lower, v);
}

/* What is listed, or what was asked for. */
static struct hd_str listed(struct hd_str list, const struct proxy_edit_view *v, const char *asked)
{
	return list.n == 1 && list.p[0] == '*' ? value(v->head, v->bytes, asked) : list;
}

void proxy_cors_patch(const struct proxy_edit_view *v, const struct hd_cors *c, int is_answer,
		      struct proxy_edit_head *h)
{
	put(h, "access-control-allow-origin", value(v->head, v->bytes, "origin"));
	if (c->credentials)
		put(h, "access-control-allow-credentials", (struct hd_str){ "true", 4 });
	if (is_answer) {
		put(h, "access-control-allow-methods",
		    listed(c->methods, v, "access-control-request-method"));
		put(h, "access-control-allow-headers",
		    listed(c->headers, v, "access-control-request-headers"));
		put(h, "access-control-max-age", c->max_age);
	}
	put(h, "access-control-expose-headers", c->expose);
}
