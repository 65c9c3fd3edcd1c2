/* SPDX-License-Identifier: Apache-2.0 */
/* Routes that answer themselves: where a redirect leads (istio-api.md 1.1.5, observed-istio.md 6).
 */
#include "proxy_reply.h"
#include "proxy_rewrite.h"

static int is_text(struct hd_str s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static void put_piece(struct proxy_own_answer *out, const char *p, uint32_t n)
{
	if (n > 0)
		out->location[out->n_location++] = (struct hd_str){ p, n };
}

static int is_default_port(struct hd_str scheme, uint16_t port)
{
	return (port == 80 && is_text(scheme, "http")) || (port == 443 && is_text(scheme, "https"));
}

/* The request's authority without its port. */
static struct hd_str host_of(struct hd_str authority)
{
	for (uint32_t i = authority.n; i > 0 && authority.p[i - 1] != ']'; i--)
		if (authority.p[i - 1] == ':')
			return (struct hd_str){ authority.p, i - 1 };
	return authority;
}

/* A port in Host stays, unless another is asked for or it is the default of the scheme that is
 * left. */
static struct hd_str kept_authority(const struct proxy_redirect_view *v, struct hd_str scheme,
				    int has_port)
{
	struct hd_str host = host_of(v->authority);
	struct hd_str port = { v->authority.p + host.n, v->authority.n - host.n };
	int changes = !hd_str_eq(scheme, v->scheme);

	if (has_port || (changes && is_text(v->scheme, "http") && is_text(port, ":80")) ||
	    (changes && is_text(v->scheme, "https") && is_text(port, ":443")))
		return host;
	return v->authority;
}

static void put_authority(const struct hd_answer *w, const struct proxy_redirect_view *v,
			  struct hd_str scheme, struct proxy_own_answer *out)
{
	uint16_t port = w->listener_port ? v->port : w->port;
	struct hd_str authority = w->authority;

	if (is_default_port(scheme, port))
		port = 0;
	if (authority.n == 0)
		authority = kept_authority(v, scheme, port != 0);
	put_piece(out, authority.p, authority.n);
	if (port == 0)
		return;
	out->port[0] = ':';
	put_piece(out, out->port, 1 + proxy_rewrite_decimal((uint8_t *)out->port + 1, port));
}

static void put_path(const struct hd_answer *w, const struct proxy_redirect_view *v,
		     struct proxy_own_answer *out)
{
	int has_query = w->path.n > 0 && memchr(w->path.p, '?', w->path.n) != NULL;
	uint32_t skip = v->matched_n < v->path.n ? v->matched_n : v->path.n;

	if (w->path_change != HD_PATH_KEPT)
		put_piece(out, w->path.p, w->path.n);
	if (w->path_change == HD_PATH_KEPT)
		put_piece(out, v->path.p, v->path.n);
	else if (w->path_change == HD_PATH_PREFIX)
		put_piece(out, v->path.p + skip, v->path.n - skip);
	if (w->path_change != HD_PATH_WHOLE || !has_query)
		put_piece(out, v->query.p, v->query.n);
}

void proxy_reply_own(const struct hd_answer *w, const struct proxy_redirect_view *v,
		     struct proxy_own_answer *out)
{
	struct hd_str scheme = w->scheme.n > 0 ? w->scheme : v->scheme;

	out->n_location = 0;
	out->text = w->body;
	if (!w->is_redirect)
		return;
	put_piece(out, scheme.p, scheme.n);
	put_piece(out, "://", 3);
	put_authority(w, v, scheme, out);
	put_path(w, v, out);
}
