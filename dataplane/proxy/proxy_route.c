/* SPDX-License-Identifier: Apache-2.0 */
#include <hs.h>

#include "proxy_route.h"

static uint8_t lower(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? c | 0x20 : c;
}

/* The port is no part of the name (Istio's ignore_port_in_host_matching); the brackets of an IPv6
 * address are. */
uint32_t proxy_route_host(const uint8_t *authority, uint32_t n, char out[PROXY_HOST_MAX])
{
	uint32_t end = n;

	if (n > 0 && authority[0] == '[') {
		const uint8_t *bracket = memchr(authority, ']', n);
		end = bracket != NULL ? (uint32_t)(bracket - authority) + 1 : n;
	} else {
		const uint8_t *colon = memchr(authority, ':', n);
		end = colon != NULL ? (uint32_t)(colon - authority) : n;
	}
	if (end > PROXY_HOST_MAX)
		return 0;
	for (uint32_t i = 0; i < end; i++)
		out[i] = (char)lower(authority[i]);
	return end;
}

static uint32_t lookup(const struct hd_snapshot *s, const struct hd_router *r,
		       enum hd_domain_kind kind, const char *p, uint32_t n)
{
	const uint32_t *table = s->domain_table + r->table_first;

	for (uint32_t i = hd_name_hash(p, n) & r->table_mask;; i = (i + 1) & r->table_mask) {
		const struct hd_domain *d;
		if (table[i] == HD_NONE)
			return HD_NONE;
		d = &s->domains[table[i]];
		if (d->kind == kind && d->text.n == n && memcmp(d->text.p, p, n) == 0)
			return d->vhost;
	}
}

/* The longest suffix first: from the first dot on. At least one byte stands for the `*`. */
static uint32_t lookup_suffix(const struct hd_snapshot *s, const struct hd_router *r,
			      const char *host, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint32_t vhost;
		if (host[i] != '.' || n - i > r->suffix_longest)
			continue;
		vhost = lookup(s, r, HD_DOMAIN_SUFFIX, host + i, n - i);
		if (vhost != HD_NONE)
			return vhost;
	}
	return HD_NONE;
}

static uint32_t lookup_prefix(const struct hd_snapshot *s, const struct hd_router *r,
			      const char *host, uint32_t n)
{
	for (uint32_t i = 0; i < r->prefix_count; i++) {
		const struct hd_domain *d = &s->domains[r->prefix_first + i];
		if (d->text.n < n && memcmp(d->text.p, host, d->text.n) == 0)
			return d->vhost;
	}
	return HD_NONE;
}

uint32_t proxy_route_vhost(const struct hd_snapshot *s, const struct hd_router *r, const char *host,
			   uint32_t n)
{
	uint32_t vhost = n > 0 ? lookup(s, r, HD_DOMAIN_EXACT, host, n) : HD_NONE;

	if (vhost == HD_NONE && r->suffix_longest > 0)
		vhost = lookup_suffix(s, r, host, n);
	if (vhost == HD_NONE)
		vhost = lookup_prefix(s, r, host, n);
	return vhost != HD_NONE ? vhost : r->any_vhost;
}

static int note_hit(unsigned int id, unsigned long long from, unsigned long long to,
		    unsigned int flags, void *ctx)
{
	struct proxy_regex_memo *m = ctx;

	if (m->n >= PROXY_REGEX_HITS) {
		m->n = PROXY_REGEX_HITS + 1;
		return 1;
	}
	m->hits[m->n++] = id;
	return 0;
}

struct wanted_hit {
	uint32_t id;
	int found;
};

static int note_wanted(unsigned int id, unsigned long long from, unsigned long long to,
		       unsigned int flags, void *ctx)
{
	struct wanted_hit *w = ctx;

	w->found |= id == w->id;
	return w->found;
}

static int regex_matches(const struct hd_snapshot *s, void *scratch, struct proxy_regex_memo *m,
			 uint32_t id, const uint8_t *p, uint32_t n)
{
	struct wanted_hit wanted = { .id = id };

	if (s->regex_db == NULL || scratch == NULL)
		return 0;
	if (m->subject != p || m->subject_n != n) {
		*m = (struct proxy_regex_memo){ .subject = p, .subject_n = n };
		hs_scan(s->regex_db, (const char *)p, n, 0, scratch, note_hit, m);
	}
	if (m->n <= PROXY_REGEX_HITS) {
		for (uint32_t i = 0; i < m->n; i++)
			if (m->hits[i] == id)
				return 1;
		return 0;
	}
	hs_scan(s->regex_db, (const char *)p, n, 0, scratch, note_wanted, &wanted);
	return wanted.found;
}

static int text_equal(const struct hd_string_match *m, const uint8_t *p, uint32_t n)
{
	if (!m->ignore_case)
		return memcmp(m->text.p, p, n) == 0;
	for (uint32_t i = 0; i < n; i++)
		if ((uint8_t)m->text.p[i] != lower(p[i]))
			return 0;
	return 1;
}

struct match_context {
	const struct hd_snapshot *s;
	const struct proxy_request_view *q;
	void *scratch;
	struct proxy_route_memo *memo;
};

static int string_matches(const struct match_context *c, const struct hd_string_match *m,
			  struct proxy_regex_memo *memo, const uint8_t *p, uint32_t n)
{
	switch ((enum hd_string_match_kind)m->kind) {
	case HD_MATCH_ANY:
	case HD_MATCH_PRESENT:
		return 1;
	case HD_MATCH_EXACT:
		return m->text.n == n && text_equal(m, p, n);
	case HD_MATCH_PREFIX:
		return m->text.n <= n && text_equal(m, p, m->text.n);
	case HD_MATCH_REGEX:
		return regex_matches(c->s, c->scratch, memo, m->regex, p, n);
	case HD_MATCH_ABSENT:
		return 0;
	}
	return 0;
}

/* Any of the lines with this name; each value is tried alone (observed-istio.md 11). The authority
 * has a line of its own name. */
static int any_value_matches(const struct match_context *c, const struct hd_header_match *m)
{
	const struct http_head *h = c->q->head;
	const uint8_t *bytes = c->q->bytes;

	if (m->name.n > 0 && m->name.p[0] == ':') {
		if (m->name.n == 10 && memcmp(m->name.p, ":authority", 10) == 0)
			return string_matches(c, &m->value, &c->memo->other, bytes + h->authority,
					      h->authority_n);
		return 0;
	}
	for (uint32_t i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->fields[i];
		uint32_t k = 0;
		if (f->name_n != m->name.n)
			continue;
		while (k < f->name_n && lower(bytes[f->name + k]) == (uint8_t)m->name.p[k])
			k++;
		if (k == f->name_n &&
		    string_matches(c, &m->value, &c->memo->other, bytes + f->value, f->value_n))
			return 1;
	}
	return 0;
}

static int header_matches(const struct match_context *c, const struct hd_header_match *m)
{
	struct hd_header_match present = *m;

	if (m->value.kind != HD_MATCH_ABSENT)
		return any_value_matches(c, m) != m->value.invert;
	present.value.kind = HD_MATCH_PRESENT;
	return any_value_matches(c, &present) == m->value.invert;
}

/* The connection's own, unless a proxy in front of us says otherwise. */
static int scheme_matches(const struct match_context *c, const struct hd_string_match *m)
{
	const struct http_head *h = c->q->head;
	uint16_t first = h->first[HTTP_F_X_FORWARDED_PROTO];
	const struct http_field *f = &h->fields[first - (first > 0)];

	if (first == 0 || c->q->is_edge)
		return string_matches(c, m, &c->memo->other, (const uint8_t *)"https",
				      c->q->is_secure ? 5 : 4);
	return string_matches(c, m, &c->memo->other, c->q->bytes + f->value, f->value_n);
}

/* The first parameter of that name, as it is written (observed-istio.md 11). -1: there is none. */
int proxy_route_query(struct hd_str query, struct hd_str name, struct hd_str *value)
{
	const char *p = query.p, *end = query.p + query.n;

	while (p < end) {
		const char *amp = memchr(p, '&', (size_t)(end - p)),
			   *stop = amp != NULL ? amp : end;
		const char *equal = memchr(p, '=', (size_t)(stop - p)),
			   *name_end = equal != NULL ? equal : stop;

		if (hd_str_eq((struct hd_str){ p, (uint32_t)(name_end - p) }, name)) {
			*value = (struct hd_str){ equal != NULL ? equal + 1 : stop, 0 };
			value->n = (uint32_t)(stop - value->p);
			return 0;
		}
		p = stop + 1;
	}
	return -1;
}

static int query_matches(const struct match_context *c, const struct hd_header_match *m)
{
	struct hd_str v;
	int found = proxy_route_query(c->q->query, m->name, &v) == 0;

	if (m->value.kind == HD_MATCH_ABSENT)
		return found == m->value.invert;
	found = found && string_matches(c, &m->value, &c->memo->other, (const uint8_t *)v.p, v.n);
	return found != m->value.invert;
}

static int all_lines_match(const struct match_context *c, const struct hd_route_match *m)
{
	for (uint32_t i = 0; i < m->headers_count; i++)
		if (!header_matches(c, &c->s->header_matches[m->headers_first + i]))
			return 0;
	for (uint32_t i = 0; i < m->query_count; i++)
		if (!query_matches(c, &c->s->header_matches[m->query_first + i]))
			return 0;
	return 1;
}

static int route_matches(const struct match_context *c, const struct hd_route_match *m)
{
	const struct http_head *h = c->q->head;
	const uint8_t *bytes = c->q->bytes;
	struct proxy_route_memo *memo = c->memo;

	if (m->uri.kind != HD_MATCH_ANY &&
	    string_matches(c, &m->uri, &memo->path, c->q->path, c->q->path_n) == m->uri.invert)
		return 0;
	if (m->method.kind != HD_MATCH_ANY &&
	    string_matches(c, &m->method, &memo->other, bytes + h->start, h->method_n) ==
		    m->method.invert)
		return 0;
	if (m->authority.kind != HD_MATCH_ANY &&
	    string_matches(c, &m->authority, &memo->other, bytes + h->authority, h->authority_n) ==
		    m->authority.invert)
		return 0;
	if (m->scheme.kind != HD_MATCH_ANY && scheme_matches(c, &m->scheme) == m->scheme.invert)
		return 0;
	return all_lines_match(c, m);
}

uint32_t proxy_route_find(const struct hd_snapshot *s, const struct hd_vhost *v,
			  const struct proxy_request_view *q, void *regex_scratch,
			  struct proxy_route_memo *memo)
{
	struct match_context c = { .s = s, .q = q, .scratch = regex_scratch, .memo = memo };

	memo->path.subject = memo->other.subject = NULL;
	for (uint32_t i = 0; i < v->routes_count; i++)
		if (route_matches(&c, &s->routes[v->routes_first + i].match))
			return v->routes_first + i;
	return HD_NONE;
}

int proxy_route_text_matches(const struct hd_snapshot *s, const struct hd_string_match *m,
			     void *regex_scratch, struct proxy_regex_memo *memo, struct hd_str text)
{
	const struct match_context c = { .s = s, .scratch = regex_scratch };

	return string_matches(&c, m, memo, (const uint8_t *)text.p, text.n) != m->invert;
}
