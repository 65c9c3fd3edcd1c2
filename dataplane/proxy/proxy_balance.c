/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_balance.h"

#define DRAWS 5 /* Envoy's host_selection_retry_max_attempts, as Istio sets it */

uint32_t proxy_balance_destination(const struct hd_destination *d, uint32_t n,
				   uint32_t total_weight, int32_t *now)
{
	uint32_t best = 0;
	int32_t highest = INT32_MIN;

	if (n == 1)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		if (d[i].weight == 0)
			continue;
		now[i] += (int32_t)d[i].weight;
		if (now[i] > highest) {
			highest = now[i];
			best = i;
		}
	}
	now[best] -= (int32_t)total_weight;
	return best;
}

/* Both lists are in order of their keys. Of choices with one key the first goes on as the first. */
void proxy_balance_carry(const struct hd_snapshot *from, const struct hd_snapshot *to,
			 uint32_t worker)
{
	const struct hd_choice *a = from->choices, *end = a + from->n_choices;
	const int32_t *before = from->workers[worker].wrr;
	int32_t *now = to->workers[worker].wrr;

	for (uint32_t i = 0; i < to->n_choices; i++) {
		const struct hd_choice *b = &to->choices[i];

		while (a < end && a->key < b->key)
			a++;
		if (a == end)
			return;
		if (a->key != b->key || a->count != b->count)
			continue;
		memcpy(now + b->first, before + a->first, b->count * sizeof(*now));
		a++;
	}
}

static const struct hd_endpoint *at(const struct proxy_balance *b, const struct hd_cluster *c,
				    uint32_t i)
{
	return &b->snapshot->endpoints[c->endpoints_first + i];
}

static int is_healthy(const struct proxy_balance *b, const struct hd_endpoint *ep)
{
	return __atomic_load_n(&b->health[ep->slot], __ATOMIC_RELAXED) == HD_EP_HEALTHY;
}

/* The first healthy one from i on, around the end; HD_NONE when there is none. */
static uint32_t healthy_from(const struct proxy_balance *b, const struct hd_cluster *c, uint32_t i)
{
	for (uint32_t k = 0; k < c->endpoints_count; k++) {
		if (is_healthy(b, at(b, c, i)))
			return i;
		if (++i == c->endpoints_count)
			i = 0;
	}
	return HD_NONE;
}

static uint32_t draw_round_robin(const struct proxy_balance *b, const struct hd_cluster *c)
{
	uint32_t i = healthy_from(b, c, *b->cursor < c->endpoints_count ? *b->cursor : 0);

	if (i != HD_NONE)
		*b->cursor = i + 1;
	return i;
}

static uint32_t draw_random(const struct proxy_balance *b, const struct hd_cluster *c)
{
	return healthy_from(b, c, proxy_random_below(b->random, c->endpoints_count));
}

/* The power of two choices, drawn with replacement; the second only when it has strictly fewer
 * requests (istio-api.md 5.3). */
static uint32_t draw_least_request(const struct proxy_balance *b, const struct hd_cluster *c)
{
	uint32_t i = draw_random(b, c), k;

	if (i == HD_NONE || c->endpoints_count == 1)
		return i;
	k = draw_random(b, c);
	if (hd_unlikely(k == HD_NONE)) /* ctrl took the last one away between the two */
		return i;
	return b->state(b->ctx, at(b, c, k)->slot)->stats.active <
			       b->state(b->ctx, at(b, c, i)->slot)->stats.active
		       ? k
		       : i;
}

/* Smooth weighted round robin over endpoints of unequal weight; with least request the weight
 * shrinks with the load, as in Envoy's weight / (active + 1). */
static uint32_t draw_weighted(const struct proxy_balance *b, const struct hd_cluster *c)
{
	uint32_t best = HD_NONE;
	int64_t total = 0, highest = INT64_MIN;

	for (uint32_t i = 0; i < c->endpoints_count; i++) {
		const struct hd_endpoint *ep = at(b, c, i);
		struct proxy_endpoint_state *st = b->state(b->ctx, ep->slot);
		int64_t weight = ep->weight;
		if (!is_healthy(b, ep))
			continue;
		if (c->lb == HD_LB_LEAST_REQUEST)
			weight = weight * 1024 / (st->stats.active + 1);
		total += weight;
		st->weight_now += (int32_t)weight;
		if (st->weight_now > highest) {
			highest = st->weight_now;
			best = i;
		}
	}
	if (best != HD_NONE)
		b->state(b->ctx, at(b, c, best)->slot)->weight_now -= (int32_t)total;
	return best;
}

/* The first entry at or behind the hash, around the end. */
static uint32_t ring_find(const struct hd_place *ring, uint32_t n, uint64_t hash)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (ring[mid].hash < hash)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n ? low : 0;
}

/* Where the endpoint is not healthy, that of the next place; so those of others stay. */
static uint32_t draw_hashed(const struct proxy_balance *b, const struct hd_cluster *c,
			    uint32_t attempt)
{
	const struct hd_place *places = b->snapshot->places + c->places_first;
	uint64_t hash = b->has_hash ? b->hash : proxy_random_next(b->random);
	uint32_t at_place;

	if (c->lb == HD_LB_MAGLEV)
		at_place = (uint32_t)((attempt > 0 ? hash ^ (UINT64_MAX - attempt + 1) : hash) %
				      c->places_count);
	else
		at_place = (ring_find(places, c->places_count, hash) + attempt) % c->places_count;
	for (uint32_t k = 0; k < c->places_count; k++) {
		uint32_t i = places[at_place].endpoint;

		if (is_healthy(b, at(b, c, i)))
			return i;
		at_place = at_place + 1 == c->places_count ? 0 : at_place + 1;
	}
	return HD_NONE;
}

static uint32_t draw(const struct proxy_balance *b, const struct hd_cluster *c, int is_weighted,
		     uint32_t attempt)
{
	if (c->places_count > 0)
		return draw_hashed(b, c, attempt);
	if (c->lb == HD_LB_RANDOM)
		return draw_random(b, c);
	if (is_weighted)
		return draw_weighted(b, c);
	return c->lb == HD_LB_ROUND_ROBIN ? draw_round_robin(b, c) : draw_least_request(b, c);
}

static int was_tried(const uint32_t *tried, uint32_t n, uint32_t slot)
{
	for (uint32_t i = 0; i < n; i++)
		if (tried[i] == slot)
			return 1;
	return 0;
}

uint32_t proxy_balance_endpoint(const struct proxy_balance *b, const struct hd_cluster *c,
				int is_weighted, const uint32_t *tried, uint32_t n_tried)
{
	uint32_t i = HD_NONE;

	if (c->endpoints_count == 0)
		return HD_NONE;
	for (uint32_t k = 0; k < DRAWS; k++) {
		i = draw(b, c, is_weighted, k);
		if (i == HD_NONE || !was_tried(tried, n_tried, at(b, c, i)->slot))
			break;
	}
	return i == HD_NONE ? HD_NONE : c->endpoints_first + i;
}
