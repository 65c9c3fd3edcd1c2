/* SPDX-License-Identifier: Apache-2.0 */
/* Consistent hashing: what of a request is hashed, and where endpoints lie on the ring or in
 * Maglev's table, entry for entry where Envoy puts them (istio-api.md 1.2.2, 5.3), so that a caller
 * that moves between the two keeps its backend. */
#include <math.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "policy_model.h"

#define RING_SIZE 1024
#define RING_MOST 8388608
#define TABLE_SIZE 65537

/* Policies. */

static struct hd_hash *hash_add(struct policy_load *l, struct hd_cluster *c, enum hd_hash_kind kind,
				struct hd_str name)
{
	struct hd_hash *h = policy_vec_push(&l->arena, &l->hashes);

	h->kind = (uint8_t)kind;
	h->name = policy_out(l, name);
	c->hashes_count++;
	return h;
}

/* What stands behind the value in a cookie of ours. */
static struct hd_str cookie_tail(struct policy_load *l, const struct policy_yaml *cookie)
{
	struct policy_arena *a = &l->arena;
	struct hd_str path = policy_get_str(cookie, "path"), s = { "", 0 };
	int64_t seconds = policy_get_int(cookie, "ttl", 0) / (int64_t)HD_NS_PER_S;
	const struct policy_yaml *list = policy_get(cookie, "attributes");

	if (seconds > 0)
		s = policy_str_printf(a, "; Max-Age=%llu", (unsigned long long)seconds);
	if (path.n > 0)
		s = policy_str_printf(a, "%.*s; Path=%.*s", POLICY_STR(s), POLICY_STR(path));
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		struct hd_str value = policy_get_str(y, "value");

		s = policy_str_printf(a, "%.*s; %.*s%s%.*s", POLICY_STR(s),
				      POLICY_STR(policy_get_str(y, "name")), value.n > 0 ? "=" : "",
				      POLICY_STR(value));
	}
	return policy_out(l, policy_str_printf(a, "%.*s; HttpOnly", POLICY_STR(s)));
}

static void hashes_fill(struct policy_load *l, struct hd_cluster *c, const struct policy_yaml *hash)
{
	const struct policy_yaml *header = policy_get(hash, "httpHeaderName"),
				 *cookie = policy_get(hash, "httpCookie"),
				 *query = policy_get(hash, "httpQueryParameterName");
	struct hd_hash *h;

	if (header != NULL)
		hash_add(l, c, HD_HASH_HEADER, policy_str_lower(&l->arena, header->text));
	if (cookie != NULL) {
		h = hash_add(l, c, HD_HASH_COOKIE, policy_get_str(cookie, "name"));
		h->makes_cookie = policy_get(cookie, "ttl") != NULL;
		h->cookie_tail = cookie_tail(l, cookie);
	}
	if (policy_get_int(hash, "useSourceIp", 0) != 0)
		hash_add(l, c, HD_HASH_SOURCE, (struct hd_str){ "", 0 });
	if (query != NULL)
		hash_add(l, c, HD_HASH_QUERY, query->text);
}

/* Places. */

static const struct hd_endpoint *endpoint_at(struct policy_load *l, const struct hd_cluster *c,
					     uint32_t i)
{
	return policy_vec_at(&l->endpoints, c->endpoints_first + i);
}

static double weight_sum(struct policy_load *l, const struct hd_cluster *c, uint32_t *least,
			 uint32_t *most)
{
	double sum = 0;

	*least = UINT32_MAX;
	*most = 0;
	for (uint32_t i = 0; i < c->endpoints_count; i++) {
		uint32_t w = endpoint_at(l, c, i)->weight;

		sum += w;
		*least = w < *least ? w : *least;
		*most = w > *most ? w : *most;
	}
	return sum;
}

static int place_order(const void *a, const void *b)
{
	const struct hd_place *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static void place_add(struct policy_load *l, uint64_t hash, uint32_t endpoint)
{
	struct hd_place *p = policy_vec_push(&l->arena, &l->places);

	p->hash = hash;
	p->endpoint = endpoint;
}

/* Entries of an endpoint: as many as its share of the ring, counted over all of them, so that what
 * is cut off at one goes to the next. Their hashes are of "10.0.0.1:80_0", "10.0.0.1:80_1" and so
 * on. */
static void ring_fill(struct policy_load *l, struct hd_cluster *c, uint64_t wanted)
{
	uint32_t least, most;
	double sum = weight_sum(l, c, &least, &most), share = least / sum;
	double scale = fmin(ceil(share * (double)wanted) / share, RING_MOST);
	double current = 0, target = 0;

	for (uint32_t i = 0; i < c->endpoints_count; i++) {
		const struct hd_endpoint *e = endpoint_at(l, c, i);
		char text[HD_ADDR_STRLEN], key[HD_ADDR_STRLEN + 16];

		hd_addr_format(&e->addr, text);
		target += scale * (e->weight / sum);
		for (uint32_t k = 0; current < target; k++, current++) {
			int n = snprintf(key, sizeof(key), "%s_%u", text, k);

			place_add(l, XXH64(key, (size_t)n, 0), i);
		}
	}
	c->places_count = l->places.n - c->places_first;
	qsort(policy_vec_at(&l->places, c->places_first), c->places_count, sizeof(struct hd_place),
	      place_order);
}

struct maglev_row {
	char key[HD_ADDR_STRLEN];
	uint32_t endpoint;
	uint64_t offset, skip, next;
	double weight, target;
};

static int row_order(const void *a, const void *b)
{
	return strcmp(((const struct maglev_row *)a)->key, ((const struct maglev_row *)b)->key);
}

static struct maglev_row *maglev_rows(struct policy_load *l, const struct hd_cluster *c,
				      uint64_t size, double sum)
{
	struct maglev_row *rows = policy_alloc_array(&l->arena, c->endpoints_count, sizeof(*rows));

	for (uint32_t i = 0; i < c->endpoints_count; i++) {
		const struct hd_endpoint *e = endpoint_at(l, c, i);
		struct maglev_row *r = &rows[i];
		size_t n;

		hd_addr_format(&e->addr, r->key);
		n = strlen(r->key);
		r->endpoint = i;
		r->weight = e->weight / sum;
		r->offset = XXH64(r->key, n, 0) % size;
		r->skip = XXH64(r->key, n, 1) % (size - 1) + 1;
	}
	qsort(rows, c->endpoints_count, sizeof(*rows), row_order);
	return rows;
}

/* Each in turn takes the next free place of its own permutation; those of less weight miss turns.
 */
static void maglev_fill(struct policy_load *l, struct hd_cluster *c, uint64_t size)
{
	uint32_t least, most;
	double sum = weight_sum(l, c, &least, &most), top = most / sum;
	struct maglev_row *rows = maglev_rows(l, c, size, sum);
	struct hd_place *table;
	uint64_t filled = 0;

	for (uint64_t i = 0; i < size; i++)
		place_add(l, 0, HD_NONE);
	c->places_count = (uint32_t)size;
	table = policy_vec_at(&l->places, c->places_first);
	for (uint32_t round = 1; filled < size; round++)
		for (uint32_t i = 0; i < c->endpoints_count && filled < size; i++) {
			struct maglev_row *r = &rows[i];
			uint64_t at;

			if (round * r->weight < r->target)
				continue;
			r->target += top;
			do
				at = (r->offset + r->skip * r->next++) % size;
			while (table[at].endpoint != HD_NONE);
			table[at].endpoint = r->endpoint;
			filled++;
		}
}

void policy_build_hash(struct policy_load *l, struct hd_cluster *c,
		       const struct policy_yaml *load_balancer)
{
	const struct policy_yaml *hash = policy_get(load_balancer, "consistentHash"),
				 *maglev = policy_get(hash, "maglev");
	int64_t size = policy_get_int(hash, "minimumRingSize", 0);

	if (hash == NULL)
		return;
	c->lb = maglev != NULL ? HD_LB_MAGLEV : HD_LB_RING_HASH;
	c->hashes_first = l->hashes.n;
	c->places_first = l->places.n;
	hashes_fill(l, c, hash);
	size = policy_get_int(policy_get(hash, "ringHash"), "minimumRingSize", size);
	if (c->endpoints_count == 0)
		return;
	if (maglev != NULL)
		maglev_fill(l, c, (uint64_t)policy_get_int(maglev, "tableSize", TABLE_SIZE));
	else
		ring_fill(l, c,
			  size <= 0	     ? RING_SIZE
			  : size < RING_MOST ? (uint64_t)size
					     : RING_MOST);
}

/* Of several destinations all that any of them hashes counts (istio-api.md 5.3). */
void policy_build_route_hash(struct policy_load *l, struct hd_route *r)
{
	r->hashes_first = l->hashes.n;
	for (uint32_t i = 0; i < r->destinations_count; i++) {
		const struct hd_destination *d =
			policy_vec_at(&l->destinations_out, r->destinations_first + i);
		const struct hd_cluster *c =
			d->cluster != HD_NONE ? policy_vec_at(&l->clusters, d->cluster) : NULL;

		if (c == NULL || c->hashes_count == 0)
			continue;
		if (r->destinations_count == 1) {
			r->hashes_first = c->hashes_first;
			r->hashes_count = c->hashes_count;
			r->retry.forgets_tried = 1;
			return;
		}
		for (uint32_t k = 0; k < c->hashes_count; k++) {
			struct hd_hash h =
				*(struct hd_hash *)policy_vec_at(&l->hashes, c->hashes_first + k);

			*(struct hd_hash *)policy_vec_push(&l->arena, &l->hashes) = h;
			r->hashes_count++;
		}
	}
}
