/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that answer themselves, redirects and direct responses, and what rules change in a request.
 */
#include "policy_model.h"

#define BODY_MAX 16384 /* what a worker copies for an answer */

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c != '\0' ? strchr(digits, c) : NULL;

	return p != NULL ? (int)(p - digits) : -1;
}

/* RFC 4648 4. n is HD_NONE when the text is not that. */
static struct hd_str base64_decode(struct policy_load *l, struct hd_str text)
{
	char *out = policy_alloc(&l->arena, (size_t)text.n + 1);
	uint32_t bits = 0, held = 0, n = 0;

	while (text.n > 0 && text.p[text.n - 1] == '=')
		text.n--;
	for (uint32_t i = 0; i < text.n; i++) {
		int digit = base64_digit(text.p[i]);

		if (digit < 0)
			return (struct hd_str){ NULL, HD_NONE };
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[n++] = (char)(bits >> held);
		}
	}
	return (struct hd_str){ out, n };
}

static uint32_t answer_add(struct policy_load *l, const struct hd_answer *a)
{
	*(struct hd_answer *)policy_vec_push(&l->arena, &l->answers) = *a;
	return l->answers.n; /* 1 + its index */
}

static struct hd_str body_of(struct policy_load *l, const struct policy_object *origin,
			     const struct policy_yaml *body)
{
	const struct policy_yaml *bytes = policy_get(body, "bytes");
	struct hd_str text = policy_get_str(body, "string");
	struct policy_check c;

	policy_object_check(l, origin, &c);
	if (bytes != NULL)
		text = base64_decode(l, bytes->text);
	if (text.n == HD_NONE) {
		policy_error(&c, bytes, "body.bytes is not base64");
		return (struct hd_str){ "", 0 };
	}
	if (text.n > BODY_MAX) {
		policy_warning(
			&c, body,
			"a body of more than %d bytes is known but not yet honoured: it is cut",
			BODY_MAX);
		text.n = BODY_MAX;
	}
	return policy_out(l, text);
}

static struct hd_answer redirect_of(struct policy_load *l, const struct policy_yaml *redirect)
{
	const struct policy_yaml *uri = policy_get(redirect, "uri"),
				 *prefix = policy_get(redirect, "prefixRewrite");
	int64_t code = policy_get_int(redirect, "redirectCode", 0);
	struct hd_answer a = {
		.is_redirect = 1,
		.status = (uint16_t)(code != 0 ? code : 301),
		.port = (uint16_t)policy_get_int(redirect, "port", 0),
		.listener_port = policy_get_int(redirect, "derivePort", 0) == 1,
		.scheme = policy_out(l, policy_get_str(redirect, "scheme")),
		.authority = policy_out(l, policy_get_str(redirect, "authority")),
	};

	if (uri != NULL && uri->text.n > 0) {
		a.path_change = HD_PATH_WHOLE;
		a.path = policy_out(l, uri->text);
	} else if (prefix != NULL && prefix->text.n > 0) {
		a.path_change = HD_PATH_PREFIX;
		a.path = policy_out(l, prefix->text);
	}
	return a;
}

uint32_t policy_build_answer(struct policy_load *l, const struct policy_object *origin,
			     const struct policy_yaml *rule)
{
	const struct policy_yaml *redirect = policy_get(rule, "redirect"),
				 *direct = policy_get(rule, "directResponse");
	struct hd_answer a = { 0 };

	if (redirect != NULL)
		a = redirect_of(l, redirect);
	else if (direct != NULL) {
		a.status = (uint16_t)policy_get_int(direct, "status", 200);
		a.body = body_of(l, origin, policy_get(direct, "body"));
	} else
		return 0;
	return answer_add(l, &a);
}

struct policy_route_range policy_build_redirect(struct policy_load *l,
						const struct policy_object *gateway,
						const struct policy_yaml *server)
{
	const struct hd_answer a = { .status = 301, .is_redirect = 1, .scheme = { "https", 5 } };
	struct policy_route_range range = { l->routes.n, 1 };
	struct hd_route *r = policy_vec_push(&l->arena, &l->routes);

	r->match.uri.regex = r->match.method.regex = HD_NONE;
	r->match.scheme.regex = r->match.authority.regex = HD_NONE;
	r->answer = answer_add(l, &a);
	r->source = policy_source(l, gateway, server);
	return range;
}

/* A text that a rule puts into requests; too long a one is left out, with a warning. */
static struct hd_str rewrite_text(struct policy_load *l, const struct policy_object *origin,
				  const struct policy_yaml *y)
{
	struct policy_check c;

	if (y == NULL || y->text.n <= HD_REWRITE_MAX)
		return y != NULL ? policy_out(l, y->text) : (struct hd_str){ "", 0 };
	policy_object_check(l, origin, &c);
	policy_warning(&c, y, "a rewrite of more than %d bytes is known but not yet honoured",
		       HD_REWRITE_MAX);
	return (struct hd_str){ "", 0 };
}

/* What `rewrite` says, else the Host that `headers` set, of the route before its single destination
 * (istio-api.md 1.1.9). */
static const struct policy_yaml *authority_of(const struct policy_yaml *rule)
{
	const struct policy_yaml *y = policy_get(policy_get(rule, "rewrite"), "authority"),
				 *route = policy_get(rule, "route");

	if (y == NULL)
		y = policy_headers_host(policy_get(rule, "headers"));
	if (y == NULL && route != NULL && route->n == 1)
		y = policy_headers_host(policy_get(route->first, "headers"));
	return y;
}

uint32_t policy_build_rewrite(struct policy_load *l, const struct policy_object *origin,
			      const struct policy_yaml *rule, const struct hd_string_match *uri)
{
	const struct policy_yaml *path = policy_get(policy_get(rule, "rewrite"), "uri");
	struct hd_rewrite w = { 0 };

	w.path = rewrite_text(l, origin, path);
	w.authority = rewrite_text(l, origin, authority_of(rule));
	if (w.path.n > 0)
		w.path_change = uri->kind == HD_MATCH_PREFIX || uri->kind == HD_MATCH_ANY
					? HD_PATH_PREFIX
					: HD_PATH_WHOLE;
	w.program = policy_build_program(
		l, origin, policy_get(policy_get(rule, "rewrite"), "uriRegexRewrite"));
	if (w.path.n + w.authority.n + w.program == 0)
		return 0;
	*(struct hd_rewrite *)policy_vec_push(&l->arena, &l->rewrites) = w;
	return l->rewrites.n;
}
