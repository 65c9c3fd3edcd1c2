/* SPDX-License-Identifier: Apache-2.0 */
/* What a route changes in heads that go out, beyond its rewrite: its header operations, those of
 * the destination, and CORS. Rare, so all of it happens to heads that are ready. */
#include "proxy_edit.h"
#include "proxy_state.h"

static const struct hd_edits *edits_at(const struct proxy *p, uint32_t index)
{
	return index != 0 ? &p->snapshot->edits[index - 1] : NULL;
}

static int leads_to(const struct proxy *p, const struct hd_destination *d, uint32_t slot)
{
	return d->cluster != HD_NONE && p->snapshot->clusters[d->cluster].slot == slot;
}

/* Where the request went. In another generation than its own the route may have others, or in
 * another order: the one that leads to the same cluster then. */
static const struct hd_destination *destination_of(const struct proxy *p,
						   const struct proxy_exchange *x,
						   const struct hd_route *r)
{
	const struct hd_destination *d = p->snapshot->destinations + r->destinations_first;
	uint32_t n = r->destinations_count;

	if (x->destination < n && (hd_likely(x->route_generation == p->snapshot->generation) ||
				   leads_to(p, &d[x->destination], x->cluster_slot)))
		return &d[x->destination];
	for (uint32_t i = 0; x->destination != HD_NONE && i < n; i++)
		if (leads_to(p, &d[i], x->cluster_slot))
			return &d[i];
	return NULL;
}

/* The destination's when it has its own; it comes first (istio-api.md 1.1.9). */
static const struct hd_edits *destination_edits(const struct proxy *p,
						const struct proxy_exchange *x,
						const struct hd_route *r)
{
	const struct hd_destination *d = destination_of(p, x, r);

	return d != NULL ? edits_at(p, d->edits) : NULL;
}

struct hd_str proxy_patch_authority(struct proxy *p, const struct proxy_exchange *x,
				    const struct hd_route *r)
{
	const struct hd_edits *e = destination_edits(p, x, r);

	return e != NULL ? e->authority : (struct hd_str){ "", 0 };
}

static void run_request(const struct proxy_edit_view *v, const struct hd_edits *e,
			struct proxy_edit_head *h)
{
	if (e != NULL && e->request_count > 0)
		proxy_edit_run(v, e->request_first, e->request_count, h);
}

static void run_response(const struct proxy_edit_view *v, const struct hd_edits *e,
			 struct proxy_edit_head *h)
{
	if (e != NULL && e->response_count > 0)
		proxy_edit_run(v, e->response_first, e->response_count, h);
}

static uint32_t finish(struct proxy *p, const struct proxy_edit_head *h)
{
	p->stats->counters[HD_PROXY_EDITS_CUT] += h->left_out;
	return h->n;
}

uint32_t proxy_patch_request(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes,
			     uint8_t *at, uint32_t n, uint32_t room)
{
	const struct hd_route *r =
		x->patches & PROXY_PATCH_EDITS ? proxy_exchange_route(p, x, bytes) : NULL;
	struct proxy_edit_head h = { .at = at, .n = n, .room = room };
	struct proxy_edit_view v = {
		.snapshot = p->snapshot,
		.x = x,
		.bytes = bytes,
		.head = &p->head,
		.path = { (const char *)p->path, p->path_n },
	};

	if (r != NULL) {
		run_request(&v, destination_edits(p, x, r), &h);
		run_request(&v, edits_at(p, r->edits), &h);
	}
	if (x->patches & PROXY_PATCH_SHADOW)
		proxy_mirror_mark(x, &h);
	return finish(p, &h);
}

static void patch_response(struct proxy *p, struct proxy_exchange *x, const struct hd_route *r,
			   const struct proxy_edit_view *v, struct proxy_edit_head *h)
{
	const struct hd_extras *e = r->extras != 0 ? &p->snapshot->extras[r->extras - 1] : NULL;
	int is_preflight = (x->patches & PROXY_PATCH_PREFLIGHT) != 0;

	if ((x->patches & PROXY_PATCH_COOKIE) && x->answer_begun)
		proxy_hash_patch(v, r, h);
	if (!is_preflight) {
		run_response(v, destination_edits(p, x, r), h);
		run_response(v, edits_at(p, r->edits), h);
	}
	if ((x->patches & PROXY_PATCH_CORS) && e != NULL && e->cors != 0)
		proxy_cors_patch(v, &p->snapshot->cors[e->cors - 1], is_preflight, h);
}

/* The request is read again for what the answer needs of it; what lies parsed now, the answer's
 * head, is put back. */
uint32_t proxy_patch_response(struct proxy *p, struct proxy_exchange *x, uint8_t *at, uint32_t n,
			      uint32_t room)
{
	struct http_head answer = p->head;
	const uint8_t *bytes = proxy_exchange_parse_again(p, x);
	const struct hd_route *r = proxy_exchange_route(p, x, bytes);
	struct proxy_edit_head h = { .at = at, .n = n, .room = room };
	struct proxy_edit_view v = {
		.snapshot = p->snapshot,
		.x = x,
		.bytes = bytes,
		.head = &p->head,
		.path = { (const char *)p->path, p->path_n },
	};

	if (r != NULL)
		patch_response(p, x, r, &v, &h);
	p->head = answer;
	return finish(p, &h);
}

/* An answer of ours: its head, with the location behind the first line, is put together and
 * patched. Returns its length in p->out; 0: it does not fit. */
uint32_t proxy_patch_reply(struct proxy *p, struct proxy_exchange *x,
			   const struct proxy_own_answer *own, const char *head, uint32_t n)
{
	uint32_t line = (uint32_t)((const char *)memchr(head, '\n', n) - head) + 1;
	struct proxy_edit_head h = { .at = p->out, .n = n, .room = sizeof(p->out) };

	memcpy(p->out, head, n);
	for (uint32_t i = 0, pieces = own != NULL ? own->n_location : 0; i < pieces; i++) {
		struct hd_str s = own->location[i];

		if (h.n + s.n + 12 > h.room)
			return 0;
		if (i == 0) {
			memmove(p->out + line + 12, p->out + line, h.n - line);
			memcpy(p->out + line, "location: \r\n", 12);
			h.n += 12;
			line += 10;
		}
		memmove(p->out + line + s.n, p->out + line, h.n - line);
		memcpy(p->out + line, s.p, s.n);
		line += s.n;
		h.n += s.n;
	}
	return proxy_patch_response(p, x, p->out, h.n, h.room);
}
