/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of a request, by which consistent hashing picks its endpoint, as Envoy computes it
 * (istio-api.md 5.3). */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proxy_state.h"

#define VALUES_MAX 8 /* lines of one name that count */

static int value_order(const struct hd_str *a, const struct hd_str *b)
{
	int order = memcmp(a->p, b->p, RTE_MIN(a->n, b->n));

	return order != 0 ? order : a->n < b->n ? -1 : a->n > b->n;
}

/* In order, whatever the order of the lines. */
static void value_insert(struct hd_str *values, uint32_t n, struct hd_str v)
{
	for (; n > 0 && value_order(&values[n - 1], &v) > 0; n--)
		values[n] = values[n - 1];
	values[n] = v;
}

static int hash_header(const struct http_head *h, const uint8_t *bytes, struct hd_str name,
		       uint64_t *out)
{
	struct hd_str values[VALUES_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < h->n_fields && n < VALUES_MAX; i++) {
		const struct http_field *f = &h->fields[i];

		if (f->name_n == name.n && http_name_eq(bytes + f->name, f->name_n, name.p))
			value_insert(values, n++,
				     (struct hd_str){ (const char *)bytes + f->value, f->value_n });
	}
	*out = 0;
	for (uint32_t i = 0; i < n; i++) /* each is the next one's seed */
		*out = XXH64(values[i].p, values[i].n, *out);
	return n > 0;
}

/* The value of a cookie, without quotes around it. p is NULL when there is none. */
static struct hd_str cookie_value(struct hd_str line, struct hd_str name)
{
	const char *p = line.p, *end = line.p + line.n;

	while (p < end) {
		const char *mark = memchr(p, ';', (size_t)(end - p)), *stop = mark ? mark : end;

		while (p < stop && (*p == ' ' || *p == '\t'))
			p++;
		if ((size_t)(stop - p) > name.n && memcmp(p, name.p, name.n) == 0 &&
		    p[name.n] == '=') {
			p += name.n + 1;
			while (stop > p && (stop[-1] == ' ' || stop[-1] == '\t'))
				stop--;
			if (stop - p >= 2 && *p == '"' && stop[-1] == '"')
				return (struct hd_str){ p + 1, (uint32_t)(stop - p - 2) };
			return (struct hd_str){ p, (uint32_t)(stop - p) };
		}
		p = stop + 1;
	}
	return (struct hd_str){ NULL, 0 };
}

static void hex16(uint64_t n, char out[16])
{
	for (int i = 15; i >= 0; i--, n >>= 4)
		out[i] = "0123456789abcdef"[n & 15];
}

/* "10.0.0.1:8080" */
static uint32_t put_address(const struct hd_addr *a, char *out)
{
	char text[HD_ADDR_STRLEN];
	const char *ip = proxy_rewrite_ip(&a->ip, text);
	uint32_t n = (uint32_t)strlen(ip), brackets = !hd_ip_is_v4(&a->ip);

	out[0] = '[';
	memcpy(out + brackets, ip, n);
	n += brackets;
	if (brackets)
		out[n++] = ']';
	out[n++] = ':';
	return n + proxy_rewrite_decimal((uint8_t *)out + n, a->port);
}

/* A cookie of ours, for a caller that brought none: the same for all that its connection asks. */
static void make_cookie(struct proxy_exchange *x, const struct hd_hash *h, uint32_t index,
			uint64_t *out)
{
	char text[2 * HD_ADDR_STRLEN + 16];
	uint32_t n = put_address(&x->down_remote, text);

	n += put_address(&x->down_local, text + n);
	hex16(XXH64(text, n, 0), x->cookie);
	*out = XXH64(x->cookie, sizeof(x->cookie), 0);
	if (x->patches & PROXY_PATCH_COOKIE)
		return;
	x->patches |= PROXY_PATCH_COOKIE;
	x->cookie_index = index;
}

static int hash_cookie(struct proxy_exchange *x, const struct http_head *head, const uint8_t *bytes,
		       const struct hd_hash *h, uint32_t index, uint64_t *out)
{
	for (uint32_t i = 0; i < head->n_fields; i++) {
		const struct http_field *f = &head->fields[i];
		struct hd_str line = { (const char *)bytes + f->value, f->value_n }, v;

		v = f->id == HTTP_F_COOKIE ? cookie_value(line, h->name)
					   : (struct hd_str){ NULL, 0 };
		if (v.n == 0)
			continue;
		*out = XXH64(v.p, v.n, 0);
		return 1;
	}
	if (!h->makes_cookie)
		return 0;
	make_cookie(x, h, index, out);
	return 1;
}

static int hash_source(const struct proxy_exchange *x, uint64_t *out)
{
	char text[HD_ADDR_STRLEN];
	const char *ip = proxy_rewrite_ip(&x->down_remote.ip, text);

	*out = XXH64(ip, strlen(ip), 0);
	return 1;
}

static int hash_query(struct proxy *p, struct hd_str name, uint64_t *out)
{
	const char *path = (const char *)p->path, *mark = memchr(path, '?', p->path_n);
	struct hd_str query, v;

	if (mark == NULL)
		return 0;
	query = (struct hd_str){ mark + 1, (uint32_t)(path + p->path_n - mark - 1) };
	if (proxy_route_query(query, name, &v) < 0)
		return 0;
	*out = XXH64(v.p, v.n, 0);
	return 1;
}

/* Each that is there turns what was found before, so that two equal ones do not cancel out. */
void proxy_hash_request(struct proxy *p, struct proxy_exchange *x, uint32_t first, uint32_t count,
			const uint8_t *bytes)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct hd_hash *h = &p->snapshot->hashes[first + i];
		uint64_t v = 0;
		int found = 0;

		if (h->kind == HD_HASH_SOURCE)
			found = hash_source(x, &v);
		else if (bytes == NULL) /* a stream */
			continue;
		else if (h->kind == HD_HASH_HEADER)
			found = hash_header(&p->head, bytes, h->name, &v);
		else if (h->kind == HD_HASH_COOKIE)
			found = hash_cookie(x, &p->head, bytes, h, i, &v);
		else
			found = hash_query(p, h->name, &v);
		if (!found)
			continue;
		x->hash = (x->has_hash ? x->hash << 1 | x->hash >> 63 : 0) ^ v;
		x->has_hash = 1;
	}
}

void proxy_hash_patch(const struct proxy_edit_view *v, const struct hd_route *r,
		      struct proxy_edit_head *h)
{
	const struct proxy_exchange *x = v->x;
	const struct hd_hash *hash;
	char text[512];
	uint32_t n;

	if (x->cookie_index >= r->hashes_count)
		return;
	hash = &v->snapshot->hashes[r->hashes_first + x->cookie_index];
	n = hash->name.n + hash->cookie_tail.n + 19;
	if (n > sizeof(text)) {
		h->left_out++;
		return;
	}
	memcpy(text, hash->name.p, hash->name.n);
	n = hash->name.n;
	text[n++] = '=';
	text[n++] = '"';
	memcpy(text + n, x->cookie, sizeof(x->cookie));
	n += sizeof(x->cookie);
	text[n++] = '"';
	memcpy(text + n, hash->cookie_tail.p, hash->cookie_tail.n);
	proxy_edit_append(h, "set-cookie", (struct hd_str){ text, n + hash->cookie_tail.n });
}
