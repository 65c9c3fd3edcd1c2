/* SPDX-License-Identifier: Apache-2.0 */
/* Destinations of a rule: which cluster each is, and their weights. */
#include "policy_model.h"

#define MAX_TOTAL_WEIGHT (1u << 28)

static void destination_warn(struct policy_load *l, const struct policy_object *origin,
			     const struct policy_yaml *destination, uint32_t cluster, uint16_t port,
			     int by_version)
{
	const struct policy_yaml *subset = policy_get(destination, "subset"),
				 *host = policy_get(destination, "host");
	struct policy_check c;

	policy_object_check(l, origin, &c);
	if (subset != NULL && by_version && cluster != HD_NONE)
		policy_warning(
			&c, subset,
			"subset \"%.*s\" is defined by no DestinationRule: taken as the workloads "
			"labelled version=%.*s (Istio would answer 503)",
			POLICY_STR(subset->text), POLICY_STR(subset->text));
	else if (subset != NULL && by_version)
		policy_warning(
			&c, subset,
			"subset \"%.*s\" is defined by no DestinationRule and no workload is labelled "
			"version=%.*s: requests to it get 503",
			POLICY_STR(subset->text), POLICY_STR(subset->text));
	else if (cluster == HD_NONE)
		policy_warning(&c, host, "%.*s has no port %u: requests to it get 503",
			       POLICY_STR(host->text), port);
}

uint32_t policy_destination_cluster(struct policy_load *l, const struct policy_object *origin,
				    uint16_t context_port, const struct policy_yaml *destination,
				    uint16_t *port)
{
	const struct policy_yaml *host = policy_get(destination, "host");
	struct hd_str full = policy_host_full(l, host->text, origin->namespace_);
	const struct policy_service *s = policy_map_get(&l->services_by_host, full);
	int64_t number = policy_get_int(policy_get(destination, "port"), "number", 0);
	struct policy_check c;
	uint32_t cluster;
	int by_version;

	*port = number != 0 ? (uint16_t)number : context_port;
	if (s == NULL) {
		policy_object_check(l, origin, &c);
		policy_warning(&c, host, "no service is called %.*s: requests to it get 503",
			       POLICY_STR(full));
		return HD_NONE;
	}
	if (number == 0 && s->n_ports == 1)
		*port = s->ports[0].port;
	cluster = policy_cluster_find(l, s, *port, policy_get_str(destination, "subset"),
				      &by_version);
	destination_warn(l, origin, destination, cluster, *port, by_version);
	return cluster;
}

static void destination_add(struct policy_load *l, const struct policy_object *origin,
			    uint16_t context_port, struct hd_str key,
			    const struct policy_yaml *entry, uint32_t weight, int is_single)
{
	const struct policy_yaml *destination = policy_get(entry, "destination");
	struct hd_str subset = policy_get_str(destination, "subset");
	struct hd_str host =
		policy_host_full(l, policy_get_str(destination, "host"), origin->namespace_);
	struct hd_destination *d;
	uint16_t port;
	uint32_t cluster = policy_destination_cluster(l, origin, context_port, destination, &port);

	d = policy_vec_push(&l->arena, &l->destinations_out);
	d->cluster = cluster;
	d->weight = weight;
	/* Those of a single one are part of the route's. */
	d->edits =
		is_single ? 0 : policy_build_edits(l, origin, NULL, policy_get(entry, "headers"));
	d->host = policy_out(l, host);
	d->subset = policy_out(l, subset);
	d->source = policy_source(l, origin, entry);
	*(struct hd_str *)policy_vec_push(&l->arena, &l->destination_keys) =
		policy_out(l, policy_str_printf(&l->arena, "%.*s|%u|%.*s|%.*s", POLICY_STR(key),
						port, POLICY_STR(subset), POLICY_STR(host)));
}

/* The workers' sums are of 32 bits with a sign. */
static void weights_bound(struct policy_load *l, struct policy_destinations *all)
{
	uint32_t shift = 0, sum = 0;

	while (all->total_weight >> shift > MAX_TOTAL_WEIGHT)
		shift++;
	for (uint32_t i = 0; shift > 0 && i < all->count; i++) {
		struct hd_destination *d = policy_vec_at(&l->destinations_out, all->first + i);

		d->weight = d->weight >> shift > 0 ? d->weight >> shift : 1;
		sum += d->weight;
	}
	all->total_weight = shift > 0 ? sum : all->total_weight;
}

static uint64_t hash_add(uint64_t hash, const void *p, size_t n)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < n; i++) /* FNV-1a */
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Workers go on in a choice over reloads that leave it as it is. */
static void choice_add(struct policy_load *l, const struct policy_destinations *all)
{
	struct hd_choice *c = policy_vec_push(&l->arena, &l->choices);

	c->key = UINT64_C(0xcbf29ce484222325);
	c->first = all->first;
	c->count = all->count;
	for (uint32_t i = all->first; i < all->first + all->count; i++) {
		const struct hd_destination *d = policy_vec_at(&l->destinations_out, i);
		const struct hd_str *key = policy_vec_at(&l->destination_keys, i);

		c->key = hash_add(c->key, key->p, key->n);
		c->key = hash_add(c->key, &d->weight, sizeof(d->weight));
	}
}

struct policy_destinations policy_destinations_add(struct policy_load *l,
						   const struct policy_object *origin,
						   uint16_t port, struct hd_str key,
						   const struct policy_yaml *list)
{
	struct policy_destinations all = { .first = l->destinations_out.n };

	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		int64_t weight = list->n == 1 ? 1 : policy_get_int(y, "weight", 0);

		if (weight == 0)
			continue;
		destination_add(l, origin, port, key, y, (uint32_t)weight, list->n == 1);
		all.total_weight += (uint32_t)weight;
		all.count++;
	}
	weights_bound(l, &all);
	if (all.count > 1)
		choice_add(l, &all);
	return all;
}
