/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_strip.h"

#include <heddle/snapshot.h>

static const struct hd_str no_token = { ",", 1 };

static uint8_t lower(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? c | 0x20 : c;
}

static int name_is(const uint8_t *p, uint32_t n, struct hd_str name)
{
	if (n != name.n)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		if (lower(p[i]) != (uint8_t)name.p[i])
			return 0;
	return 1;
}

static int is_token_byte(char c)
{
	return (uint8_t)(c - '0') < 10 || (uint8_t)((c | 0x20) - 'a') < 26 || c == '-' ||
	       c == '_' || c == '.';
}

/* Envoy's: what follows the prefix wherever it stands, as far as it could be a token. */
static int behind_prefix(struct hd_str value, struct hd_str prefix, struct hd_str *out)
{
	const char *at, *end = value.p + value.n, *start;

	if (prefix.n == 0) {
		*out = value;
		return value.n > 0;
	}
	at = value.n > 0 ? memmem(value.p, value.n, prefix.p, prefix.n) : NULL;
	if (at == NULL)
		return 0;
	for (at += prefix.n; at < end && !is_token_byte(*at);)
		at++;
	for (start = at; at < end && is_token_byte(*at);)
		at++;
	*out = (struct hd_str){ start, (uint32_t)(at - start) };
	return 1;
}

static struct hd_str value_of(const struct proxy_strip_view *v, uint32_t i)
{
	const struct http_field *f = &v->head->fields[i];

	return (struct hd_str){ (const char *)v->bytes + f->value, f->value_n };
}

static int field_is(const struct proxy_strip_view *v, uint32_t i, struct hd_str name)
{
	const struct http_field *f = &v->head->fields[i];

	return name_is(v->bytes + f->name, f->name_n, name);
}

/* Two lines of one name are one value with a comma to Envoy, and so no token. */
static int header_token(const struct proxy_strip_view *v, const struct hd_jwt_place *at,
			struct hd_str *out)
{
	int found = 0;

	for (uint32_t i = 0; i < v->head->n_fields; i++)
		if (field_is(v, i, at->name) && behind_prefix(value_of(v, i), at->prefix, out))
			found++;
	if (found > 1)
		*out = no_token;
	return found > 0;
}

/* A walk over the parameters of a query. */
struct params {
	const char *query, *at, *end; /* at NULL: no more */
};

static struct params params_of(const uint8_t *path, uint32_t n)
{
	const char *p = (const char *)path, *mark = n > 0 ? memchr(p, '?', n) : NULL;

	return mark != NULL ? (struct params){ mark + 1, mark + 1, p + n }
			    : (struct params){ NULL, NULL, NULL };
}

static int params_next(struct params *w, struct hd_str *param)
{
	const char *last;

	if (w->at == NULL)
		return 0;
	last = memchr(w->at, '&', (size_t)(w->end - w->at));
	*param = (struct hd_str){ w->at, (uint32_t)((last != NULL ? last : w->end) - w->at) };
	w->at = last != NULL ? last + 1 : NULL;
	return 1;
}

static int param_is(struct hd_str param, struct hd_str name)
{
	return param.n > name.n + 1 && param.p[name.n] == '=' &&
	       memcmp(param.p, name.p, name.n) == 0;
}

/* Who sends two, here or in cookies, must not have one judged and the backend read the other. */
static int param_token(const struct proxy_strip_view *v, struct hd_str name, struct hd_str *out)
{
	struct params w = params_of(v->path, v->path_n);
	struct hd_str param;
	int found = 0;

	while (params_next(&w, &param)) {
		if (!param_is(param, name))
			continue;
		*out = (struct hd_str){ param.p + name.n + 1, param.n - name.n - 1 };
		found++;
	}
	if (found > 1)
		*out = no_token;
	return found > 0;
}

static struct hd_str unquoted(struct hd_str s)
{
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return (struct hd_str){ s.p + 1, s.n - 2 };
	return s;
}

static int cookies_in(struct hd_str line, struct hd_str name, struct hd_str *out)
{
	const char *p = line.p, *end = line.p + line.n;
	int found = 0;

	while (p < end) {
		const char *semi = memchr(p, ';', (size_t)(end - p)),
			   *last = semi != NULL ? semi : end;

		while (p < last && (*p == ' ' || *p == '\t'))
			p++;
		if (param_is((struct hd_str){ p, (uint32_t)(last - p) }, name)) {
			*out = unquoted((struct hd_str){ p + name.n + 1,
							 (uint32_t)(last - p) - name.n - 1 });
			found++;
		}
		p = last + 1;
	}
	return found;
}

static int cookie_token(const struct proxy_strip_view *v, struct hd_str name, struct hd_str *out)
{
	int found = 0;

	for (uint32_t i = 0; i < v->head->n_fields; i++)
		if (v->head->fields[i].id == HTTP_F_COOKIE)
			found += cookies_in(value_of(v, i), name, out);
	if (found > 1)
		*out = no_token;
	return found > 0;
}

int proxy_strip_find(const struct proxy_strip_view *v, const struct hd_jwt_place *at,
		     struct hd_str *out)
{
	switch ((enum hd_jwt_place_kind)at->kind) {
	case HD_JWT_IN_HEADER:
		return header_token(v, at, out);
	case HD_JWT_IN_PARAM:
		return param_token(v, at->name, out);
	case HD_JWT_IN_COOKIE:
		return cookie_token(v, at->name, out);
	}
	return 0;
}

static void cut_field(const struct proxy_strip_view *v, struct hd_str name, struct proxy_strip *out)
{
	for (uint32_t i = 0; name.n > 0 && i < v->head->n_fields; i++)
		if (field_is(v, i, name))
			out->fields[i / 64] |= UINT64_C(1) << (i % 64);
}

static void cut_param(const struct proxy_strip_view *v, struct hd_str name, struct proxy_strip *out)
{
	struct params w = params_of(v->path, v->path_n);
	struct hd_str param;

	while (params_next(&w, &param))
		if (param_is(param, name) && out->n_params < HD_JWT_PARAMS)
			out->params[out->n_params++] = (uint16_t)(param.p - w.query);
}

/* Envoy leaves cookies where they are. */
static void cut_token(const struct proxy_strip_view *v, const struct hd_jwt_place *at,
		      struct proxy_strip *out)
{
	struct hd_str token;

	if (at->kind == HD_JWT_IN_COOKIE || !proxy_strip_find(v, at, &token))
		return;
	if (at->kind == HD_JWT_IN_HEADER)
		cut_field(v, at->name, out);
	else
		cut_param(v, at->name, out);
}

void proxy_strip_decide(const struct proxy_strip_view *v, const struct hd_jwt *j,
			const uint32_t *rules, uint32_t n_rules, uint32_t good,
			struct proxy_strip *out)
{
	const struct hd_jwt_rule *r;

	*out = (struct proxy_strip){ 0 };
	for (uint32_t i = 0; i < n_rules; i++) {
		r = &j->rules[rules[i]];
		cut_field(v, r->payload_header, out);
		for (uint32_t k = 0; k < r->headers_count; k++)
			cut_field(v, j->claim_headers[r->headers_first + k].header, out);
	}
	if (good == HD_NONE || j->rules[good].forwards)
		return;
	r = &j->rules[good];
	for (uint32_t i = 0; i < r->places_count; i++)
		cut_token(v, &j->places[r->places_first + i], out);
}

static int is_cut(const struct proxy_strip *s, size_t at)
{
	for (uint32_t i = 0; i < s->n_params; i++)
		if (s->params[i] == at)
			return 1;
	return 0;
}

uint32_t proxy_strip_params(const struct proxy_strip *s, uint8_t *path, uint32_t n)
{
	struct params w = params_of(path, n);
	struct hd_str param;
	uint8_t *out;
	char mark = '?';

	if (w.query == NULL)
		return n;
	out = path + (w.query - 1 - (const char *)path);
	while (params_next(&w, &param)) {
		if (is_cut(s, (size_t)(param.p - w.query)))
			continue;
		*out++ = (uint8_t)mark;
		memmove(out, param.p, param.n);
		out += param.n;
		mark = '&';
	}
	return (uint32_t)(out - path);
}
