/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_edit.h"
#include "proxy_state.h"

/* The line after the one at `at`; the empty line at the end is the last. */
static uint32_t line_end(const struct proxy_edit_head *h, uint32_t at)
{
	const uint8_t *p = memchr(h->at + at, '\n', h->n - at);

	return p != NULL ? (uint32_t)(p - h->at) + 1 : h->n;
}

static int is_named(const uint8_t *line, uint32_t n, struct hd_str name)
{
	return n > name.n && line[name.n] == ':' && memcmp(line, name.p, name.n) == 0;
}

static void cut_lines(struct proxy_edit_head *h, struct hd_str name, uint32_t from)
{
	uint32_t at = line_end(h, 0), to;

	for (at = RTE_MAX(at, from); at < h->n; at = to) {
		to = line_end(h, at);
		if (!is_named(h->at + at, to - at, name))
			continue;
		memmove(h->at + at, h->at + to, h->n - to);
		h->n -= to - at;
		to = at;
	}
}

static struct hd_str find(const struct proxy_edit_head *h, struct hd_str name)
{
	uint32_t to;

	for (uint32_t at = line_end(h, 0); at < h->n; at = to) {
		to = line_end(h, at);
		if (is_named(h->at + at, to - at, name))
			return (struct hd_str){ (const char *)h->at + at + name.n + 2,
						to - at - name.n - 4 };
	}
	return (struct hd_str){ NULL, 0 };
}

struct hd_str proxy_edit_find(const struct proxy_edit_head *h, const char *lower)
{
	return find(h, (struct hd_str){ lower, (uint32_t)strlen(lower) });
}

/* Lines that wait behind the head until its own are through. */
struct behind {
	uint8_t *at, *end;
	int is_full;
};

static void put(struct behind *b, const void *p, uint32_t n)
{
	if ((size_t)(b->end - b->at) < n) {
		b->is_full = 1;
		return;
	}
	if (n > 0)
		memcpy(b->at, p, n);
	b->at += n;
}

static void put_str(struct behind *b, struct hd_str s, uint32_t most)
{
	put(b, s.p, most > 0 ? RTE_MIN(s.n, most) : s.n);
}

static void put_number(struct behind *b, uint64_t n)
{
	uint8_t digits[20];

	put(b, digits, proxy_rewrite_decimal(digits, n));
}

static void put_ip(struct behind *b, const struct hd_addr *a)
{
	char text[HD_ADDR_STRLEN];
	const char *p = proxy_rewrite_ip(&a->ip, text);

	put(b, p, (uint32_t)strlen(p));
}

/* Nothing for a backend that was not asked. */
static void put_address(struct behind *b, const struct hd_addr *a)
{
	int brackets = !hd_ip_is_v4(&a->ip);

	if (a->port == 0)
		return;
	put(b, "[", brackets ? 1 : 0);
	put_ip(b, a);
	put(b, "]:" + !brackets, brackets ? 2 : 1);
	put_number(b, a->port);
}

/* Of the request, where its head is at hand. */
static struct hd_str request_value(const struct proxy_edit_view *v, struct hd_str name)
{
	const struct http_head *h = v->head;
	char lower[64];

	if (name.n == 0 || name.n >= sizeof(lower))
		return (struct hd_str){ NULL, 0 };
	if (name.n == 5 && memcmp(name.p, ":path", 5) == 0)
		return v->path;
	if (name.n == 7 && memcmp(name.p, ":method", 7) == 0)
		return (struct hd_str){ (const char *)v->bytes + h->start, h->method_n };
	if (name.n == 10 && memcmp(name.p, ":authority", 10) == 0)
		return (struct hd_str){ (const char *)v->bytes + h->authority, h->authority_n };
	if (name.n == 7 && memcmp(name.p, ":scheme", 7) == 0)
		return proxy_exchange_scheme(v->x, h, v->bytes);
	if (name.n == 12 && memcmp(name.p, "x-request-id", 12) == 0)
		return (struct hd_str){ v->x->request_id, (uint32_t)strlen(v->x->request_id) };
	memcpy(lower, name.p, name.n);
	lower[name.n] = '\0';
	for (uint32_t i = 0; i < h->n_fields; i++)
		if (http_name_eq(v->bytes + h->fields[i].name, h->fields[i].name_n, lower))
			return (struct hd_str){ (const char *)v->bytes + h->fields[i].value,
						h->fields[i].value_n };
	return (struct hd_str){ NULL, 0 };
}

static struct hd_str value_of(const struct proxy_edit_view *v, const struct proxy_edit_head *h,
			      struct hd_str name, int of_request)
{
	int is_here =
		h->at[0] == 'H' && memcmp(h->at, "HTTP/1.1 ", 9) == 0 ? !of_request : of_request;

	if (is_here && name.n > 0 && name.p[0] != ':')
		return find(h, name);
	return of_request && v->head != NULL ? request_value(v, name) : (struct hd_str){ NULL, 0 };
}

static void put_named(struct behind *b, const struct proxy_edit_view *v,
		      const struct proxy_edit_head *h, const struct hd_piece *piece)
{
	int of_request = piece->kind == HD_PIECE_REQ;
	struct hd_str s = value_of(v, h, piece->text, of_request);

	if (s.p == NULL && piece->or_else.n > 0)
		s = value_of(v, h, piece->or_else, of_request);
	put_str(b, s, piece->most);
}

static void put_peer(struct behind *b, const struct proxy_exchange *x)
{
	struct hd_str principal = proxy_peer_principal(x->peer);

	if (principal.n == 0)
		return;
	put(b, "spiffe://", 9);
	put_str(b, principal, 0);
}

static void put_piece(struct behind *b, const struct proxy_edit_view *v,
		      const struct proxy_edit_head *h, const struct hd_piece *piece)
{
	const struct proxy_exchange *x = v->x;

	switch ((enum hd_piece_kind)piece->kind) {
	case HD_PIECE_TEXT:
		put_str(b, piece->text, 0);
		return;
	case HD_PIECE_SERVER:
		put(b, "istio-envoy" + (x->role == HD_ROLE_SIDECAR ? 6 : 0),
		    x->role == HD_ROLE_SIDECAR ? 5 : 11);
		return;
	case HD_PIECE_REQ:
	case HD_PIECE_RESP:
		put_named(b, v, h, piece);
		return;
	case HD_PIECE_DOWN_REMOTE:
	case HD_PIECE_DIRECT_REMOTE:
		put_address(b, &x->down_remote);
		return;
	case HD_PIECE_DOWN_REMOTE_IP:
	case HD_PIECE_DIRECT_REMOTE_IP:
		put_ip(b, &x->down_remote);
		return;
	case HD_PIECE_DOWN_REMOTE_PORT:
		put_number(b, x->down_remote.port);
		return;
	case HD_PIECE_DOWN_LOCAL:
		put_address(b, &x->down_local);
		return;
	case HD_PIECE_DOWN_LOCAL_IP:
		put_ip(b, &x->down_local);
		return;
	case HD_PIECE_DOWN_LOCAL_PORT:
		put_number(b, x->down_local.port);
		return;
	case HD_PIECE_UP_HOST:
	case HD_PIECE_UP_REMOTE:
		put_address(b, &x->up_addr);
		return;
	case HD_PIECE_UP_LOCAL:
		put_address(b, &x->up_local);
		return;
	case HD_PIECE_CLUSTER:
		put(b, x->cluster_name, x->cluster_n);
		return;
	case HD_PIECE_PROTOCOL:
		put(b, "HTTP/1.1", 8);
		return;
	case HD_PIECE_STATUS:
		put_number(b, x->status);
		return;
	case HD_PIECE_DETAILS:
		put(b, x->details, (uint32_t)strlen(x->details));
		return;
	case HD_PIECE_ROUTE:
		put(b, x->route_name, (uint32_t)strlen(x->route_name));
		return;
	case HD_PIECE_PEER:
		put_peer(b, x);
		return;
	case HD_PIECE_SERVER_NAME:
		put_str(b, proxy_exchange_sni(x), 0);
		return;
	}
}

/* "name: value", unless the value is empty or does not fit. */
static void put_line(struct behind *b, const struct proxy_edit_view *v, struct proxy_edit_head *h,
		     const struct hd_edit *e)
{
	uint8_t *line = b->at;

	b->is_full = 0;
	put_str(b, e->name, 0);
	put(b, ": ", 2);
	for (uint32_t i = 0; i < e->pieces_count; i++)
		put_piece(b, v, h, &v->snapshot->pieces[e->pieces_first + i]);
	if ((size_t)(b->at - line) > e->name.n + 2)
		put(b, "\r\n", 2);
	else
		b->at = line;
	h->left_out += b->is_full != 0;
	if (b->is_full)
		b->at = line;
}

/* What waits comes to stand before the empty line. */
static void join(struct proxy_edit_head *h, const struct behind *b, const uint8_t *from)
{
	uint32_t n = (uint32_t)(b->at - from);

	memmove(h->at + h->n - 2, from, n);
	h->n += n;
	memcpy(h->at + h->n - 2, "\r\n", 2);
}

/* Of what waits, up to `end`, the lines of the same names go. */
static void make_way(struct proxy_edit_head *h, const uint8_t *from, const uint8_t *end)
{
	while (from < end) {
		const uint8_t *colon = memchr(from, ':', (size_t)(end - from)),
			      *stop = memchr(from, '\n', (size_t)(end - from));
		struct hd_str name = { (const char *)from, (uint32_t)(colon - from) };

		cut_lines(h, name, 0);
		from = stop + 1;
	}
}

/* Values are those before anything was set, but after the removals (Envoy's order). */
void proxy_edit_run(const struct proxy_edit_view *v, uint32_t first, uint32_t count,
		    struct proxy_edit_head *h)
{
	const struct hd_edit *e = v->snapshot->edit_list + first, *end = e + count;
	struct behind b = { .end = h->at + h->room };
	uint8_t *from, *set_end;

	for (; e < end && e->kind == HD_EDIT_REMOVE; e++)
		cut_lines(h, e->name, 0);
	from = b.at = h->at + h->n;
	for (; e < end && e->kind == HD_EDIT_SET; e++)
		put_line(&b, v, h, e);
	set_end = b.at;
	for (; e < end; e++)
		put_line(&b, v, h, e);
	make_way(h, from, set_end);
	join(h, &b, from);
}

void proxy_edit_append(struct proxy_edit_head *h, const char *lower, struct hd_str value)
{
	struct behind b = { .at = h->at + h->n, .end = h->at + h->room };
	uint8_t *from = b.at;

	put(&b, lower, (uint32_t)strlen(lower));
	put(&b, ": ", 2);
	put_str(&b, value, 0);
	put(&b, "\r\n", 2);
	if (b.is_full)
		h->left_out++;
	else
		join(h, &b, from);
}

void proxy_edit_replace(struct proxy_edit_head *h, const char *lower, struct hd_str value)
{
	struct hd_str name = { lower, (uint32_t)strlen(lower) }, old = find(h, name);
	uint8_t *at = (uint8_t *)(uintptr_t)old.p;

	if (old.p == NULL) {
		proxy_edit_append(h, lower, value);
		return;
	}
	if (h->n + value.n > h->room) {
		h->left_out++;
		return;
	}
	memmove(at + value.n, at + old.n, (size_t)(h->at + h->n - (at + old.n)));
	if (value.n > 0)
		memcpy(at, value.p, value.n);
	h->n += value.n - old.n;
	cut_lines(h, name, (uint32_t)(at - h->at) + value.n + 2);
}
