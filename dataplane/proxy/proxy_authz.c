/* SPDX-License-Identifier: Apache-2.0 */
/* istio-api.md 1.8, observed-istio.md 17. */
#include "proxy_authz.h"

/* The request with what several terms ask of it taken apart once. */
struct facts {
	const struct hd_authz *z;
	const struct proxy_authz_view *v;
	const struct hd_addr *workload;
};

static uint8_t lower(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? c | 0x20 : c;
}

static struct hd_str str(const void *p, uint32_t n)
{
	return (struct hd_str){ p, n };
}

static uint32_t find(struct hd_str s, const char *word, uint32_t word_n)
{
	for (uint32_t i = 0; i + word_n <= s.n; i++)
		if (s.p[i] == '/' && memcmp(s.p + i, word, word_n) == 0)
			return i;
	return UINT32_MAX;
}

/* A part of "cluster.local/ns/default/sa/web"; n 0: it is no workload's identity. */
static struct hd_str identity_part(struct hd_str p, int want_domain)
{
	const struct hd_str none = { "", 0 };
	uint32_t at = find(p, "/ns/", 4), end;
	struct hd_str rest, ns, sa;

	if (at == UINT32_MAX)
		return none;
	rest = str(p.p + at + 4, p.n - at - 4);
	end = find(rest, "/sa/", 4);
	if (end == UINT32_MAX)
		return none;
	ns = str(rest.p, end);
	sa = str(rest.p + end + 4, rest.n - end - 4);
	if (memchr(ns.p, '/', ns.n) != NULL || memchr(sa.p, '/', sa.n) != NULL)
		return none;
	return want_domain ? str(p.p, at) : ns;
}

static int same(const char *text, const char *p, uint32_t n, int fold)
{
	if (!fold)
		return memcmp(text, p, n) == 0;
	for (uint32_t i = 0; i < n; i++)
		if ((uint8_t)text[i] != lower((uint8_t)p[i]))
			return 0;
	return 1;
}

/* What a template's segment may hold: unreserved, escapes, sub-delims but the star. */
static int is_template_byte(uint8_t c)
{
	static const char others[] = "-._~%!$&'()+,;:@=";

	return (uint8_t)(c - '0') < 10 || (uint8_t)((c | 0x20) - 'a') < 26 ||
	       (c != 0 && strchr(others, c) != NULL);
}

static uint32_t template_run(struct hd_str s, uint32_t at, int with_slash)
{
	uint32_t i = at;

	while (i < s.n && (is_template_byte((uint8_t)s.p[i]) || (with_slash && s.p[i] == '/')))
		i++;
	return i - at;
}

/* {*}: one segment, not empty. {**}: whatever is left, but for the text behind it. At most one
 * {**}, and no {*} behind it: so there is one way to match. */
static int template_matches(struct hd_str t, struct hd_str s)
{
	uint32_t i = 0, at = 0, tail;

	while (i < t.n && t.p[i] != '{') {
		if (at >= s.n || s.p[at++] != t.p[i++])
			return 0;
	}
	while (i < t.n && t.n - i >= 3 && memcmp(t.p + i, "{*}", 3) == 0) {
		uint32_t run = template_run(s, at, 0);

		if (run == 0)
			return 0;
		i += 3;
		at += run;
		while (i < t.n && t.p[i] != '{')
			if (at >= s.n || s.p[at++] != t.p[i++])
				return 0;
	}
	if (i == t.n)
		return at == s.n;
	tail = t.n - i - 4;
	return s.n - at >= tail && memcmp(t.p + i + 4, s.p + s.n - tail, tail) == 0 &&
	       template_run(s, at, 1) >= s.n - at - tail;
}

static int text_matches(uint8_t kind, struct hd_str m, struct hd_str s, int fold)
{
	switch ((enum hd_authz_kind)kind) {
	case HD_AUTHZ_EXACT:
		return m.n == s.n && same(m.p, s.p, s.n, fold);
	case HD_AUTHZ_PREFIX:
		return m.n <= s.n && same(m.p, s.p, m.n, fold);
	case HD_AUTHZ_SUFFIX:
		return m.n <= s.n && same(m.p, s.p + s.n - m.n, m.n, fold);
	case HD_AUTHZ_PRESENT:
		return s.n > 0;
	case HD_AUTHZ_TEMPLATE:
		return template_matches(m, s);
	case HD_AUTHZ_CIDR:
	case HD_AUTHZ_PORT:
		return 0;
	}
	return 0;
}

/* The text in lower case when that matters; NULL: too long for any value that is looked up. */
static const char *folded(struct hd_str s, int fold, char out[HD_AUTHZ_LONGEST])
{
	if (!fold)
		return s.p;
	if (s.n >= HD_AUTHZ_LONGEST)
		return NULL;
	for (uint32_t i = 0; i < s.n; i++)
		out[i] = (char)lower((uint8_t)s.p[i]);
	return out;
}

static int in_table(const struct facts *f, const struct hd_authz_term *t, struct hd_str s, int fold)
{
	const uint32_t *table = f->z->words + t->table_first;
	char room[HD_AUTHZ_LONGEST];
	const char *text = folded(s, fold, room);

	if (text == NULL) {
		for (uint32_t i = 0; i < t->exact_count; i++)
			if (text_matches(HD_AUTHZ_EXACT, f->z->values[t->values_first + i].text, s,
					 fold))
				return 1;
		return 0;
	}
	for (uint32_t i = hd_authz_hash(text, s.n) & t->table_mask; table[i] != UINT32_MAX;
	     i = (i + 1) & t->table_mask)
		if (text_matches(HD_AUTHZ_EXACT, f->z->values[table[i]].text, s, fold))
			return 1;
	return 0;
}

static int any_text(const struct facts *f, const struct hd_authz_term *t, struct hd_str s)
{
	const struct hd_authz_value *v = f->z->values + t->values_first;
	int fold = t->field == HD_AUTHZ_HOST;
	uint32_t i = 0;

	if (t->table_mask > 0) {
		if (in_table(f, t, s, fold))
			return 1;
		i = t->exact_count;
	}
	for (; i < t->values_count; i++)
		if (text_matches(v[i].kind, v[i].text, s, fold))
			return 1;
	return 0;
}

static int any_pair(const struct facts *f, const struct hd_authz_term *t, struct hd_str first,
		    struct hd_str second)
{
	const struct hd_authz_value *v = f->z->values + t->values_first;

	for (uint32_t i = 0; i < t->values_count; i++)
		if (text_matches(v[i].kind, v[i].text, first, 0) &&
		    text_matches(v[i].second_kind, v[i].second, second, 0))
			return 1;
	return 0;
}

static int any_block(const struct facts *f, const struct hd_authz_term *t, const struct hd_ip *ip)
{
	const struct hd_authz_value *v = f->z->values + t->values_first;

	for (uint32_t i = 0; i < t->values_count; i++)
		if (hd_prefix_has(&v[i].cidr, ip))
			return 1;
	return 0;
}

static int any_port(const struct facts *f, const struct hd_authz_term *t)
{
	const struct hd_authz_value *v = f->z->values + t->values_first;

	for (uint32_t i = 0; i < t->values_count; i++)
		if (v[i].port == f->v->dialled.port || v[i].port == f->workload->port)
			return 1;
	return 0;
}

static int name_is(const uint8_t *p, uint32_t n, struct hd_str name)
{
	return n == name.n && same(name.p, (const char *)p, n, 1);
}

/* The lines of a name, one by one; *i is where to go on. A certificate's field means nothing when
 * nobody has shown a certificate (istio-api.md 3.3). */
static int next_line(const struct facts *f, struct hd_str name, uint32_t *i, struct hd_str *value)
{
	const struct http_head *h = f->v->head;

	for (; *i < h->n_fields; ++*i) {
		const struct http_field *l = &h->fields[*i];

		if (!name_is(f->v->bytes + l->name, l->name_n, name) ||
		    (l->id == HTTP_F_X_FORWARDED_CLIENT_CERT && f->v->principal.n == 0))
			continue;
		*value = str(f->v->bytes + l->value, l->value_n);
		++*i;
		return 1;
	}
	return 0;
}

static struct hd_str authority_of(const struct facts *f)
{
	return str(f->v->bytes + f->v->head->authority, f->v->head->authority_n);
}

static struct hd_str method_of(const struct facts *f)
{
	return str(f->v->bytes + f->v->head->start, f->v->head->method_n);
}

/* Envoy's names for what is no line. */
static int pseudo_line(const struct facts *f, struct hd_str name, struct hd_str *value)
{
	if (name.n == 10 && memcmp(name.p, ":authority", 10) == 0)
		*value = authority_of(f);
	else if (name.n == 7 && memcmp(name.p, ":method", 7) == 0)
		*value = method_of(f);
	else
		return 0;
	return 1;
}

static int header_matches(const struct facts *f, const struct hd_authz_term *t, struct hd_str s)
{
	const struct hd_authz_value *v = f->z->values + t->values_first;

	if (any_text(f, t, s))
		return 1;
	for (uint32_t i = t->exact_count; s.n == 0 && i < t->values_count; i++)
		if (v[i].kind == HD_AUTHZ_PRESENT)
			return 1;
	return 0;
}

static int any_header(const struct facts *f, const struct hd_authz_term *t)
{
	struct hd_str s;
	uint32_t i = 0;

	if (t->name.n > 0 && t->name.p[0] == ':')
		return pseudo_line(f, t->name, &s) && header_matches(f, t, s);
	while (next_line(f, t->name, &i, &s))
		if (header_matches(f, t, s))
			return 1;
	return 0;
}

static int any_claim(const struct facts *f, const struct hd_authz_term *t)
{
	const struct proxy_claims *c = f->v->claims;

	for (uint32_t i = 0; c != NULL && i < c->n; i++)
		if (hd_str_eq(proxy_claim_text(c, c->rows[i].name), t->name) &&
		    any_text(f, t, proxy_claim_text(c, c->rows[i].value)))
			return 1;
	return 0;
}

/* The one text that a field is about; n 0 also for what is not there. */
static struct hd_str text_of(const struct facts *f, uint8_t field)
{
	switch ((enum hd_authz_field)field) {
	case HD_AUTHZ_PRINCIPAL:
		return f->v->principal;
	case HD_AUTHZ_NAMESPACE:
		return identity_part(f->v->principal, 0);
	case HD_AUTHZ_TRUST_DOMAIN:
		return identity_part(f->v->principal, 1);
	case HD_AUTHZ_SNI:
		return f->v->sni;
	case HD_AUTHZ_HOST:
		return authority_of(f);
	case HD_AUTHZ_METHOD:
		return method_of(f);
	case HD_AUTHZ_PATH:
		return str(f->v->path, f->v->path_n);
	default:
		return (struct hd_str){ "", 0 };
	}
}

static int any_matches(const struct facts *f, const struct hd_authz_term *t)
{
	const struct proxy_claims *c = f->v->claims;

	switch ((enum hd_authz_field)t->field) {
	case HD_AUTHZ_NEVER:
		return 0;
	case HD_AUTHZ_SOURCE_IP:
		return any_block(f, t, &f->v->source);
	case HD_AUTHZ_REMOTE_IP:
		return any_block(f, t, &f->v->remote);
	case HD_AUTHZ_DESTINATION_IP:
		return any_block(f, t, &f->v->dialled.ip) || any_block(f, t, &f->workload->ip);
	case HD_AUTHZ_DESTINATION_PORT:
		return any_port(f, t);
	case HD_AUTHZ_REQUEST_PRINCIPAL:
		return c != NULL && any_pair(f, t, c->issuer, c->subject);
	case HD_AUTHZ_HEADER:
		return any_header(f, t);
	case HD_AUTHZ_CLAIM:
		return any_claim(f, t);
	default:
		return any_text(f, t, text_of(f, t->field));
	}
}

static int group_holds(const struct facts *f, struct hd_authz_group g)
{
	for (uint32_t i = 0; i < g.terms_count; i++) {
		const struct hd_authz_term *t = &f->z->terms[g.terms_first + i];

		if (f->v->bytes == NULL && t->field >= HD_AUTHZ_FIRST_HTTP)
			continue;
		if (any_matches(f, t) == t->negate)
			return 0;
	}
	return 1;
}

static int any_group(const struct facts *f, uint32_t first, uint32_t count)
{
	if (count == 0)
		return 1;
	for (uint32_t i = 0; i < count; i++)
		if (group_holds(f, f->z->groups[first + i]))
			return 1;
	return 0;
}

static int rule_matches(const struct facts *f, const struct hd_authz_rule *r,
			enum hd_authz_action action)
{
	if (f->v->bytes == NULL && r->needs_http && action == HD_AUTHZ_ALLOW)
		return 0;
	return any_group(f, r->sources_first, r->sources_count) &&
	       any_group(f, r->operations_first, r->operations_count) && group_holds(f, r->when);
}

/* The search in one list: the lowest rule that matches, below what was found before. */
struct search {
	const struct facts *f;
	const struct hd_authz_list *list;
	enum hd_authz_action action;
	uint32_t best; /* HD_AUTHZ_NO_RULE: none yet */
};

static void try_rules(struct search *s, uint32_t first, uint32_t count)
{
	const uint32_t *rules = s->f->z->words + first;

	for (uint32_t i = 0; i < count && rules[i] < s->best; i++)
		if (rule_matches(s->f, &s->f->z->rules[rules[i]], s->action))
			s->best = rules[i];
}

static void try_anchor(struct search *s, uint32_t hash)
{
	const struct hd_authz_bucket *b = s->f->z->buckets + s->list->table_first;

	for (uint32_t i = hash & s->list->table_mask; b[i].count > 0;
	     i = (i + 1) & s->list->table_mask)
		if (b[i].hash == hash) {
			try_rules(s, b[i].first, b[i].count);
			return;
		}
}

/* The lengths that are in use, up to n, the shortest first; *from is where to go on. */
static int next_length(const uint64_t bits[4], uint32_t n, uint32_t *from, uint32_t *length)
{
	for (uint32_t i = *from / 64; i < 4; i++) {
		uint64_t left = bits[i];

		if (i == *from / 64)
			left &= UINT64_MAX << (*from % 64);
		if (left == 0)
			continue;
		*length = i * 64 + (uint32_t)__builtin_ctzll(left);
		*from = *length + 1;
		return *length <= n;
	}
	return 0;
}

static void try_text(struct search *s, uint32_t dimension, struct hd_str text)
{
	const struct hd_authz_dimension *d =
		&s->f->z->dimensions[s->list->dimensions_first + dimension];
	char room[HD_AUTHZ_LONGEST];
	const char *p = folded(text, d->field == HD_AUTHZ_HOST, room);
	uint32_t from = 0, n;

	if (p == NULL) {
		try_rules(s, s->list->all_first, s->list->all_count);
		return;
	}
	if (d->has_exact)
		try_anchor(s, hd_authz_anchor(hd_authz_hash(p, text.n), dimension, HD_AUTHZ_EXACT,
					      text.n));
	while (next_length(d->prefixes, text.n, &from, &n))
		try_anchor(s, hd_authz_anchor(hd_authz_hash(p, n), dimension, HD_AUTHZ_PREFIX, n));
	from = 0;
	while (next_length(d->suffixes, text.n, &from, &n))
		try_anchor(s, hd_authz_anchor(hd_authz_hash(p + text.n - n, n), dimension,
					      HD_AUTHZ_SUFFIX, n));
}

static void try_address(struct search *s, uint32_t dimension, const struct hd_ip *ip)
{
	const struct hd_authz_dimension *d =
		&s->f->z->dimensions[s->list->dimensions_first + dimension];
	uint32_t from = 0, n;

	while (next_length(d->prefixes, 128, &from, &n))
		try_anchor(s,
			   hd_authz_anchor(hd_authz_hash_ip(ip, n), dimension, HD_AUTHZ_CIDR, n));
}

static void try_lines(struct search *s, uint32_t dimension, struct hd_str name)
{
	struct hd_str text;
	uint32_t i = 0;

	if (name.n > 0 && name.p[0] == ':') {
		if (pseudo_line(s->f, name, &text))
			try_text(s, dimension, text);
		return;
	}
	while (next_line(s->f, name, &i, &text))
		try_text(s, dimension, text);
}

static void try_claims(struct search *s, uint32_t dimension, struct hd_str name)
{
	const struct proxy_claims *c = s->f->v->claims;

	for (uint32_t i = 0; c != NULL && i < c->n; i++)
		if (hd_str_eq(proxy_claim_text(c, c->rows[i].name), name))
			try_text(s, dimension, proxy_claim_text(c, c->rows[i].value));
}

/* The rules whose needs the request meets in one value. */
static void try_dimension(struct search *s, uint32_t i)
{
	const struct hd_authz_dimension *d = &s->f->z->dimensions[s->list->dimensions_first + i];

	if (d->field == HD_AUTHZ_SOURCE_IP)
		try_address(s, i, &s->f->v->source);
	else if (d->field == HD_AUTHZ_REMOTE_IP)
		try_address(s, i, &s->f->v->remote);
	else if (d->field == HD_AUTHZ_HEADER)
		try_lines(s, i, d->name);
	else if (d->field == HD_AUTHZ_CLAIM)
		try_claims(s, i, d->name);
	else
		try_text(s, i, text_of(s->f, d->field));
}

/* Of a stream every rule is looked at: what finds it may be HTTP's. */
static void search_list(struct search *s, uint32_t list)
{
	s->list = &s->f->z->lists[list];
	if (s->f->v->bytes == NULL) {
		try_rules(s, s->list->all_first, s->list->all_count);
		return;
	}
	try_rules(s, s->list->always_first, s->list->always_count);
	for (uint32_t i = 0; i < s->list->dimensions_count; i++)
		try_dimension(s, i);
}

static uint32_t first_match(const struct facts *f, const struct hd_authz_profile *p,
			    enum hd_authz_action action)
{
	struct search s = { .f = f, .action = action, .best = HD_AUTHZ_NO_RULE };

	for (uint32_t i = 0; i < HD_AUTHZ_SCOPES; i++)
		if (p->lists[action][i] != 0)
			search_list(&s, p->lists[action][i] - 1);
	return s.best;
}

static struct proxy_authz_verdict by_rule(const struct facts *f, uint32_t rule,
					  enum hd_authz_action action)
{
	return (struct proxy_authz_verdict){ .is_denied = action != HD_AUTHZ_ALLOW,
					     .action = (uint8_t)action,
					     .rule = rule,
					     .policy = f->z->rules[rule].policy + 1 };
}

static struct proxy_authz_verdict decide(const struct facts *f, const struct hd_authz_profile *p)
{
	uint32_t rule = first_match(f, p, HD_AUTHZ_CUSTOM);

	/* No provider can be asked: what would be asked is refused. */
	if (rule != HD_AUTHZ_NO_RULE)
		return by_rule(f, rule, HD_AUTHZ_CUSTOM);
	rule = first_match(f, p, HD_AUTHZ_DENY);
	if (rule != HD_AUTHZ_NO_RULE)
		return by_rule(f, rule, HD_AUTHZ_DENY);
	if (p->allow_policy == 0)
		return (struct proxy_authz_verdict){ .rule = HD_AUTHZ_NO_RULE,
						     .action = HD_AUTHZ_ALLOW };
	rule = first_match(f, p, HD_AUTHZ_ALLOW);
	if (rule != HD_AUTHZ_NO_RULE)
		return by_rule(f, rule, HD_AUTHZ_ALLOW);
	return (struct proxy_authz_verdict){ .is_denied = 1,
					     .action = HD_AUTHZ_ALLOW,
					     .rule = HD_AUTHZ_NO_RULE,
					     .policy = p->allow_policy };
}

struct proxy_authz_verdict proxy_authz_decide(const struct hd_authz *z, uint32_t target,
					      const struct proxy_authz_view *v)
{
	const struct hd_authz_target *t = &z->targets[target];
	const struct hd_authz_profile *p = &z->profiles[t->profile];
	struct facts f = { .z = z, .v = v, .workload = &t->workload };
	struct proxy_authz_verdict out;
	uint32_t audit;

	out = decide(&f, p);
	audit = first_match(&f, p, HD_AUTHZ_AUDIT);
	if (audit != HD_AUTHZ_NO_RULE)
		out.audited = z->rules[audit].policy + 1;
	return out;
}

const char *proxy_authz_details(const struct hd_authz *z, const struct proxy_authz_verdict *v)
{
	return v->rule != HD_AUTHZ_NO_RULE ? z->rules[v->rule].details.p
					   : "rbac_access_denied_matched_policy[none]";
}

/* The last element of the last line; blanks around it do not count. */
static struct hd_str last_forwarded(const uint8_t *bytes, const struct http_head *h)
{
	struct hd_str s = { "", 0 };
	uint32_t start;

	if (h->first[HTTP_F_X_FORWARDED_FOR] == 0)
		return s;
	for (uint32_t i = h->n_fields; i > 0; i--) {
		const struct http_field *f = &h->fields[i - 1];

		if (f->id != HTTP_F_X_FORWARDED_FOR)
			continue;
		s = str(bytes + f->value, f->value_n);
		break;
	}
	for (start = s.n; start > 0 && s.p[start - 1] != ','; start--)
		;
	s = str(s.p + start, s.n - start);
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str(s.p + 1, s.n - 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

struct hd_ip proxy_authz_remote(const uint8_t *bytes, const struct http_head *h,
				const struct hd_ip *source, int is_edge)
{
	struct hd_str s = is_edge ? (struct hd_str){ "", 0 } : last_forwarded(bytes, h);
	char text[HD_ADDR_STRLEN];
	struct hd_ip ip;

	if (s.n == 0 || s.n >= sizeof(text))
		return *source;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return hd_ip_parse(text, &ip) == 0 ? ip : *source;
}
