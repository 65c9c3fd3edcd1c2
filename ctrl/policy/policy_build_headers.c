/* SPDX-License-Identifier: Apache-2.0 */
/* What `headers` of routes and destinations do to heads, in the order in which Envoy does it: of
 * each level what is removed, then what is set, then what is added, names in order
 * (istio-api.md 1.1.9, observed-istio.md 8). */
#include <stdlib.h>
#include <strings.h>

#include "policy_model.h"

#define EDIT_TEXT_MAX 4096 /* what a worker has room for, beside what it fills in itself */

struct edits_run {
	struct policy_load *l;
	struct policy_check check;
	struct hd_edits *out;
	int is_request;
	uint32_t literal; /* bytes of texts so far */
};

static int name_is(struct hd_str s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static int is_host(struct hd_str name)
{
	return name_is(name, "host") || name_is(name, ":authority");
}

/* What frames messages and connections is the data plane's own. */
static int is_framing(struct hd_str name)
{
	static const char *const words[] = { "content-length",	"transfer-encoding", "connection",
					     "upgrade",		"keep-alive",	     "trailer",
					     "proxy-connection" };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(words); i++)
		if (name_is(name, words[i]))
			return 1;
	return 0;
}

static struct hd_piece *piece_add(struct edits_run *r, struct hd_edit *e)
{
	struct hd_piece *piece = policy_vec_push(&r->l->arena, &r->l->pieces);

	if (e->pieces_count++ == 0)
		e->pieces_first = r->l->pieces.n - 1;
	return piece;
}

static void text_add(struct edits_run *r, struct hd_edit *e, const char *p, const char *end)
{
	struct hd_piece *piece;

	if (p == end)
		return;
	piece = piece_add(r, e);
	piece->kind = HD_PIECE_TEXT;
	piece->text = policy_out(r->l, (struct hd_str){ p, (uint32_t)(end - p) });
	r->literal += piece->text.n;
}

static enum hd_piece_kind kind_of(struct hd_str word)
{
	static const struct {
		const char *name;
		enum hd_piece_kind kind;
	} rows[] = {
#define PIECE_ROW(symbol, name) { name, HD_PIECE_##symbol },
		HD_PIECES(PIECE_ROW)
#undef PIECE_ROW
	};

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(rows); i++)
		if (policy_str_is(word, rows[i].name))
			return rows[i].kind;
	return HD_PIECE_TEXT;
}

static struct hd_str lower_out(struct edits_run *r, const char *p, const char *end)
{
	return policy_out(
		r->l, policy_str_lower(&r->l->arena, (struct hd_str){ p, (uint32_t)(end - p) }));
}

/* "REQ(a?b):12" between its percent signs. 0: it is none. */
static int operator_add(struct edits_run *r, struct hd_edit *e, const struct policy_yaml *y,
			struct hd_str s)
{
	const char *end = s.p + s.n, *open = memchr(s.p, '(', s.n);
	const char *close = open != NULL ? memchr(open, ')', (size_t)(end - open)) : NULL, *mark;
	struct hd_str word = { s.p, open != NULL ? (uint32_t)(open - s.p) : s.n };
	enum hd_piece_kind kind = kind_of(word);
	int names = kind == HD_PIECE_REQ || kind == HD_PIECE_RESP;
	struct hd_piece *piece;

	if (kind == HD_PIECE_TEXT) {
		policy_warning(&r->check, y,
			       "%%%.*s%% is not honoured: the header is left as it is",
			       POLICY_STR(s));
		return 0;
	}
	if (names != (close != NULL) || (names && close == open + 1)) {
		policy_error(&r->check, y, "%%%.*s%% is not written as Envoy wants it",
			     POLICY_STR(s));
		return 0;
	}
	piece = piece_add(r, e);
	piece->kind = (uint8_t)kind;
	r->out->needs_request |= kind == HD_PIECE_REQ;
	if (!names)
		return 1;
	mark = memchr(open, '?', (size_t)(close - open));
	piece->text = lower_out(r, open + 1, mark != NULL ? mark : close);
	if (mark != NULL)
		piece->or_else = lower_out(r, mark + 1, close);
	if (close + 1 < end && close[1] == ':')
		piece->most = (uint16_t)strtoul(close + 2, NULL, 10);
	return 1;
}

/* A header's value may hold no end of a line, and nothing else that controls. */
static int is_plain(struct hd_str s)
{
	for (uint32_t i = 0; i < s.n; i++)
		if (((uint8_t)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return 0;
	return 1;
}

/* The pieces of "a %REQ(b)% c"; "%%" is a percent sign. 0: the edit cannot be made. */
static int pieces_add(struct edits_run *r, struct hd_edit *e, const struct policy_yaml *y)
{
	const char *p = y->text.p, *end = p + y->text.n;

	if (!is_plain(y->text)) {
		policy_error(&r->check, y, "a header's value may not hold control characters");
		return 0;
	}
	while (p < end) {
		const char *mark = memchr(p, '%', (size_t)(end - p)), *close;

		text_add(r, e, p, mark != NULL ? mark : end);
		if (mark == NULL)
			break;
		close = memchr(mark + 1, '%', (size_t)(end - mark - 1));
		if (close == NULL) {
			policy_error(&r->check, y, "a percent sign alone: write %%%% for one");
			return 0;
		}
		if (close == mark + 1)
			text_add(r, e, close, close + 1);
		else if (!operator_add(r, e, y,
				       (struct hd_str){ mark + 1, (uint32_t)(close - mark - 1) }))
			return 0;
		p = close + 1;
	}
	return 1;
}

static void edit_add(struct edits_run *r, enum hd_edit_kind kind, struct hd_str name,
		     const struct policy_yaml *y)
{
	struct hd_edit e = { .kind = (uint8_t)kind };
	int is_server = !r->is_request && name_is(name, "server");

	if (r->is_request && is_host(name))
		return; /* the Host is the rewrite's */
	if (is_framing(name)) {
		policy_warning(&r->check, y,
			       "changing %.*s is not honoured: Heddle frames messages itself",
			       POLICY_STR(name));
		return;
	}
	e.name = lower_out(r, name.p, name.p + name.n);
	if (is_server && kind != HD_EDIT_SET)
		return;	 /* it is always there, and ours */
	if (is_server) { /* it stands where it was set, and says what it always says */
		piece_add(r, &e)->kind = HD_PIECE_SERVER;
	} else if (kind != HD_EDIT_REMOVE && !pieces_add(r, &e, y)) {
		return;
	}
	*(struct hd_edit *)policy_vec_push(&r->l->arena, &r->l->edit_list) = e;
}

static int key_order(const void *a, const void *b)
{
	return policy_str_cmp((*(const struct policy_yaml *const *)a)->key,
			      (*(const struct policy_yaml *const *)b)->key);
}

static int has_name(const struct policy_yaml *map, struct hd_str name)
{
	for (const struct policy_yaml *y = map != NULL ? map->first : NULL; y != NULL; y = y->next)
		if (y->key.n == name.n && strncasecmp(y->key.p, name.p, name.n) == 0)
			return 1;
	return 0;
}

/* later: a map whose values count instead. */
static void map_add(struct edits_run *r, enum hd_edit_kind kind, const struct policy_yaml *map,
		    const struct policy_yaml *later)
{
	uint32_t n = map != NULL ? map->n : 0, i = 0;
	const struct policy_yaml **sorted =
		policy_alloc_array(&r->l->arena, n + 1, sizeof(const struct policy_yaml *));

	for (const struct policy_yaml *y = n > 0 ? map->first : NULL; y != NULL; y = y->next)
		sorted[i++] = y;
	qsort(sorted, i, sizeof(*sorted), key_order);
	for (uint32_t k = 0; k < i; k++)
		if (!has_name(later, sorted[k]->key))
			edit_add(r, kind, sorted[k]->key, sorted[k]);
}

/* One side of up to two blocks: all removals, all that is set, all that is added. */
static void side_add(struct edits_run *r, const struct policy_yaml *const *blocks, const char *side,
		     uint32_t *first, uint32_t *count)
{
	const struct policy_yaml *ops[2] = { policy_get(blocks[0], side),
					     policy_get(blocks[1], side) };

	*first = r->l->edit_list.n;
	for (int i = 0; i < 2; i++) {
		const struct policy_yaml *list = policy_get(ops[i], "remove");

		for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
		     y = y->next)
			edit_add(r, HD_EDIT_REMOVE, y->text, y);
	}
	map_add(r, HD_EDIT_SET, policy_get(ops[0], "set"), policy_get(ops[1], "set"));
	map_add(r, HD_EDIT_SET, policy_get(ops[1], "set"), NULL);
	for (int i = 0; i < 2; i++)
		map_add(r, HD_EDIT_ADD, policy_get(ops[i], "add"), NULL);
	*count = r->l->edit_list.n - *first;
	if (r->literal > EDIT_TEXT_MAX)
		policy_warning(&r->check, ops[0] != NULL ? ops[0] : ops[1],
			       "more than %d bytes of header values: what does not fit is left out",
			       EDIT_TEXT_MAX);
	r->literal = 0;
}

const struct policy_yaml *policy_headers_host(const struct policy_yaml *headers)
{
	static const char *const maps[] = { "set", "add" };
	const struct policy_yaml *request = policy_get(headers, "request");

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(maps); i++) {
		const struct policy_yaml *m = policy_get(request, maps[i]);

		for (const struct policy_yaml *y = m != NULL ? m->first : NULL; y != NULL;
		     y = y->next)
			if (is_host(y->key))
				return y;
	}
	return NULL;
}

static struct hd_str authority_of(struct policy_load *l, struct policy_check *c,
				  const struct policy_yaml *headers)
{
	const struct policy_yaml *host = policy_headers_host(headers);

	if (host == NULL)
		return (struct hd_str){ "", 0 };
	if (host->text.n <= HD_REWRITE_MAX)
		return policy_out(l, host->text);
	policy_warning(c, host, "a Host of more than %d bytes is known but not yet honoured",
		       HD_REWRITE_MAX);
	return (struct hd_str){ "", 0 };
}

uint32_t policy_build_edits(struct policy_load *l, const struct policy_object *origin,
			    const struct policy_yaml *route, const struct policy_yaml *single)
{
	const struct policy_yaml *blocks[2] = { route, single };
	struct hd_edits e = { 0 };
	struct edits_run r = { .l = l, .out = &e, .is_request = 1 };

	if (route == NULL && single == NULL)
		return 0;
	policy_object_check(l, origin, &r.check);
	side_add(&r, blocks, "request", &e.request_first, &e.request_count);
	e.needs_request = 0;
	r.is_request = 0;
	side_add(&r, blocks, "response", &e.response_first, &e.response_count);
	if (route == NULL)
		e.authority = authority_of(l, &r.check, single);
	if (e.request_count + e.response_count + e.authority.n == 0)
		return 0;
	*(struct hd_edits *)policy_vec_push(&l->arena, &l->edits) = e;
	return l->edits.n;
}
