/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <errno.h>
#include <stdlib.h>

#include <heddle/log.h>

/* Outcomes taken at once: the control thread has other work too. */
#define DRAIN 65536

struct endpoint_row {
	uint64_t first_generation, generation; /* of snapshots that had it; 0: none */
	uint32_t endpoint, cluster;	       /* indices in the snapshot in use */
	uint8_t word;			       /* as workers know it */
	uint8_t is_watched;
	hd_ns failed_at, decided_in;
	uint64_t outcomes, failures; /* counted by the workers at the last sweep */
	struct health_outlier_host outlier;
	struct health_rate rate;
	const struct health_probe_row *probe; /* NULL: nobody asks it */
};

struct cluster_row {
	uint64_t generation;
	hd_ns next_sweep;
	uint8_t is_panic;
	uint32_t healthy;
	uint64_t detected_low, detected_failing;
	struct health_outlier_cluster outlier;
	struct health_rates rates;
	struct health_group groups[HD_GROUPS];
};

struct health {
	struct hd_dp *dp;
	const struct hd_snapshot *snapshot; /* NULL until the first */
	struct endpoint_row *endpoints;	    /* by slot */
	struct cluster_row *clusters;
	uint32_t n_endpoints, n_clusters;
	struct health_rate *rates; /* work space, one for each endpoint */
	hd_ns next_sweep;
	uint64_t lost; /* outcomes that workers could not tell, so far */
	struct health_totals totals;
	struct health_overrides overrides;
	struct health_probes probes;
};

struct health *health_create(void)
{
	struct health *h = calloc(1, sizeof(*h));

	if (h != NULL)
		h->next_sweep = HD_NS_NEVER;
	return h;
}

void health_destroy(struct health *h)
{
	if (h == NULL)
		return;
	health_probes_fini(&h->probes);
	free(h->endpoints);
	free(h->clusters);
	free(h->rates);
	free(h);
}

/* Rows for n slots, those beyond the old ones zero. */
static int rows_grow(void **rows, uint32_t *have, uint32_t n, size_t bytes)
{
	void *p;

	if (n <= *have)
		return 0;
	n = n + n / 2;
	p = realloc(*rows, n * bytes);
	if (p == NULL)
		return -ENOMEM;
	memset((char *)p + *have * bytes, 0, (n - *have) * bytes);
	*rows = p;
	*have = n;
	return 0;
}

int health_reserve(struct health *h, const struct hd_snapshot *s)
{
	uint32_t no_rates = 0;
	int rc = rows_grow((void **)&h->endpoints, &h->n_endpoints, s->endpoint_slots,
			   sizeof(*h->endpoints));

	if (rc == 0)
		rc = rows_grow((void **)&h->clusters, &h->n_clusters, s->cluster_slots,
			       sizeof(*h->clusters));
	if (rc == 0)
		rc = rows_grow((void **)&h->rates, &no_rates, s->n_endpoints + 1,
			       sizeof(*h->rates));
	return rc == 0 ? health_probes_reserve(&h->probes, s) : rc;
}

static struct endpoint_row *endpoint_row(const struct health *h, const struct hd_cluster *c,
					 uint32_t i)
{
	return &h->endpoints[h->snapshot->endpoints[c->endpoints_first + i].slot];
}

/* What an operator says, else what the objects say. */
static uint8_t said_of(const struct health *h, const struct endpoint_row *r)
{
	const struct hd_endpoint *e = &h->snapshot->endpoints[r->endpoint];
	uint8_t said =
		h->overrides.n > 0 ? health_override_get(&h->overrides, &e->addr) : HD_EP_HEALTHY;

	return said != HD_EP_HEALTHY ? said : e->health;
}

static void word_write(struct health *h, struct endpoint_row *r, uint32_t slot, uint8_t word)
{
	if (r->word == word)
		return;
	r->word = word;
	hd_dp_set_health(h->dp, slot, word);
}

static int is_failing(const struct endpoint_row *r)
{
	return r->probe != NULL && r->probe->is_failing;
}

/* The group of endpoint i; groups lie one behind the other. */
static uint32_t group_of(const struct hd_cluster *c, uint32_t i)
{
	uint32_t g = 0;

	while (g + 1 < c->n_groups && i >= c->groups[g].end)
		g++;
	return g;
}

static void groups_count(const struct health *h, const struct hd_cluster *c,
			 struct health_group *groups)
{
	for (uint32_t i = 0; i < c->endpoints_count; i++) {
		const struct endpoint_row *r = endpoint_row(h, c, i);
		struct health_group *g = &groups[group_of(c, i)];

		if (said_of(h, r) != HD_EP_HEALTHY)
			continue; /* whom an operator took out is not counted */
		g->total++;
		g->healthy += !r->outlier.is_ejected && !is_failing(r);
	}
}

/* Workers need not know of a panic: then they are told that everybody is healthy. */
static uint8_t word_of(const struct health *h, const struct endpoint_row *r, int is_panic)
{
	uint8_t said = said_of(h, r);

	if (said != HD_EP_HEALTHY || is_panic)
		return said;
	if (is_failing(r))
		return HD_EP_UNREADY;
	return r->outlier.is_ejected ? HD_EP_EJECTED : HD_EP_HEALTHY;
}

static void weights_write(struct health *h, const struct hd_cluster *c,
			  const struct health_group *groups)
{
	uint16_t weights[HD_GROUPS] = { 0 };

	for (uint32_t i = 0; i < c->n_groups; i++)
		weights[i] = groups[i].weight;
	hd_dp_set_group_weights(h->dp, c->slot, weights);
}

/* What workers are to know of the endpoints of a cluster. */
static void words_write(struct health *h, const struct hd_cluster *c)
{
	struct cluster_row *row = &h->clusters[c->slot];
	struct health_group groups[HD_GROUPS] = { 0 };
	uint32_t n = c->n_groups > 0 ? c->n_groups : 1;

	groups_count(h, c, groups);
	health_groups_judge(c,
			    row->outlier.rule != NULL ? row->outlier.rule->min_health_percent : 0,
			    groups, n);
	row->healthy = row->is_panic = 0;
	for (uint32_t i = 0; i < n; i++) {
		row->healthy += groups[i].healthy;
		row->is_panic |= groups[i].is_panic;
	}
	memcpy(row->groups, groups, sizeof(groups));
	for (uint32_t i = 0; i < c->endpoints_count; i++) {
		struct endpoint_row *r = endpoint_row(h, c, i);

		word_write(h, r, h->snapshot->endpoints[r->endpoint].slot,
			   word_of(h, r, groups[group_of(c, i)].is_panic));
	}
	if (c->n_groups > 0)
		weights_write(h, c, groups);
}

static void watch(struct health *h, struct endpoint_row *r, int is_watched)
{
	if (r->is_watched == is_watched)
		return;
	r->is_watched = is_watched != 0;
	hd_dp_set_watched(h->dp, h->snapshot->endpoints[r->endpoint].slot, is_watched);
}

/* Slots are used again: of one that the last snapshot did not have nothing is known. */
static void endpoint_enter(struct health *h, uint32_t index, uint32_t cluster, uint64_t last)
{
	const struct hd_snapshot *s = h->snapshot;
	uint32_t slot = s->endpoints[index].slot;
	struct endpoint_row *r = &h->endpoints[slot];

	if (r->generation == 0 || r->generation != last) {
		*r = (struct endpoint_row){ .first_generation = s->generation };
		hd_dp_set_health(h->dp, slot, HD_EP_HEALTHY);
		hd_dp_set_watched(h->dp, slot, 0);
	}
	r->generation = s->generation;
	r->endpoint = index;
	r->cluster = cluster;
	r->probe = s->endpoints[index].probe != 0
			   ? health_probes_find(&h->probes, &s->endpoints[index].addr)
			   : NULL;
	if (s->clusters[cluster].outlier == 0) {
		r->outlier = (struct health_outlier_host){ 0 };
		watch(h, r, 0);
	}
}

static void cluster_enter(struct health *h, uint32_t index, uint64_t last, hd_ns now)
{
	const struct hd_snapshot *s = h->snapshot;
	const struct hd_cluster *c = &s->clusters[index];
	struct cluster_row *row = &h->clusters[c->slot];
	struct health_outlier_cluster *o = &row->outlier;

	if (row->generation == 0 || row->generation != last)
		*row = (struct cluster_row){ .next_sweep = HD_NS_NEVER };
	row->generation = s->generation;
	o->rule = c->outlier != 0 ? &s->outliers[c->outlier - 1] : NULL;
	o->n_hosts = c->endpoints_count;
	o->n_ejected = 0;
	for (uint32_t i = 0; i < c->endpoints_count + c->endpoints_unready; i++) {
		endpoint_enter(h, c->endpoints_first + i, index, last);
		o->n_ejected += endpoint_row(h, c, i)->outlier.is_ejected;
	}
	if (o->rule == NULL)
		row->next_sweep = HD_NS_NEVER;
	else if (row->next_sweep > now + o->rule->interval)
		row->next_sweep = now + o->rule->interval;
	if (row->next_sweep < h->next_sweep)
		h->next_sweep = row->next_sweep;
	words_write(h, c);
}

void health_snapshot(struct health *h, struct hd_dp *dp, const struct hd_snapshot *s, hd_ns now)
{
	uint64_t last = h->snapshot != NULL ? h->snapshot->generation : 0;

	h->dp = dp;
	h->snapshot = s;
	h->next_sweep = HD_NS_NEVER;
	health_probes_snapshot(&h->probes, s, now);
	for (uint32_t i = 0; i < s->n_clusters; i++)
		cluster_enter(h, i, last, now);
}

static void say_ejected(const struct health *h, const struct endpoint_row *r,
			const struct health_outlier_cluster *c)
{
	const struct hd_cluster *cluster = &h->snapshot->clusters[r->cluster];
	char text[HD_ADDR_STRLEN];

	hd_log(HD_LOG_WARNING, "health",
	       "%s of %.*s is ejected for %.1f s: %s (ejection %u, %u of %u endpoints are out, at most %u %%)",
	       hd_addr_format(&h->snapshot->endpoints[r->endpoint].addr, text),
	       (int)cluster->name.n, cluster->name.p,
	       (double)(health_outlier_until(c->rule, &r->outlier) - r->outlier.ejected_at) /
		       (double)HD_NS_PER_S,
	       health_detector_name(r->outlier.by), r->outlier.ejections, c->n_ejected, c->n_hosts,
	       c->rule->max_ejection_percent);
}

/* How long a decision took: from the failure to the word that workers read. */
static void time_note(struct health *h, struct endpoint_row *r, const struct hd_outcome *o)
{
	hd_ns now = hd_dp_now(h->dp);

	r->decided_in = now > o->at ? now - o->at : 0;
	if (r->decided_in > h->totals.slowest)
		h->totals.slowest = r->decided_in;
}

void health_put(struct health *h, const struct hd_outcome *o, hd_ns now)
{
	struct endpoint_row *r;
	struct cluster_row *c;

	h->totals.outcomes++;
	r = o->endpoint < h->n_endpoints ? &h->endpoints[o->endpoint] : NULL;
	if (r == NULL || r->generation != h->snapshot->generation ||
	    (int32_t)(o->generation - (uint32_t)r->first_generation) < 0) {
		h->totals.stale++;
		return;
	}
	c = &h->clusters[h->snapshot->clusters[r->cluster].slot];
	if (c->outlier.rule == NULL)
		return;
	if (health_outlier_is_failure(c->outlier.rule, o)) {
		r->failed_at = now;
		watch(h, r, 1);
	}
	if (!health_outlier_put(&c->outlier, &r->outlier, o, now))
		return;
	words_write(h, &h->snapshot->clusters[r->cluster]);
	h->totals.ejections++;
	time_note(h, r, o);
	say_ejected(h, r, &c->outlier);
}

/* What was lost may have been successes: nobody is ejected on such evidence. */
static void look_for_losses(struct health *h)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; i < hd_dp_n_workers(h->dp); i++)
		lost += __atomic_load_n(&hd_dp_stats(h->dp, i)->counters[HD_WORKER_OUTCOMES_LOST],
					__ATOMIC_RELAXED);
	if (lost == h->lost)
		return;
	h->lost = lost;
	for (uint32_t i = 0; i < h->snapshot->n_endpoints; i++) {
		struct health_outlier_host *o =
			&h->endpoints[h->snapshot->endpoints[i].slot].outlier;

		o->consecutive_5xx = o->consecutive_gateway = o->consecutive_local = 0;
	}
}

/* The ring whose first outcome is the oldest of all. */
static struct hd_ring *oldest(const struct health *h, const struct hd_outcome **out)
{
	struct hd_ring *found = NULL;

	for (uint32_t i = 0; i < hd_dp_n_workers(h->dp); i++) {
		struct hd_ring *ring = hd_dp_outcome_ring(h->dp, i);
		const struct hd_outcome *o = hd_ring_peek(ring);

		if (o == NULL || (found != NULL && o->at >= (*out)->at))
			continue;
		found = ring;
		*out = o;
	}
	return found;
}

uint32_t health_drain(struct health *h, hd_ns now)
{
	const struct hd_outcome *o;
	struct hd_ring *ring;
	uint32_t n = 0;

	if (h->snapshot == NULL)
		return 0;
	while (n < DRAIN && (ring = oldest(h, &o)) != NULL) {
		health_put(h, o, now);
		hd_ring_pop(ring);
		n++;
	}
	look_for_losses(h);
	return n;
}

/* What workers counted for an endpoint since the last sweep. */
static void rate_read(const struct health *h, struct endpoint_row *r)
{
	uint32_t slot = h->snapshot->endpoints[r->endpoint].slot;
	uint64_t outcomes = 0, failures = 0;

	for (uint32_t i = 0; i < hd_dp_n_workers(h->dp); i++) {
		const struct hd_endpoint_stats *s = hd_dp_endpoint_stats(h->dp, i, slot);

		if (s == NULL)
			continue;
		outcomes += __atomic_load_n(&s->outcomes, __ATOMIC_RELAXED);
		failures += __atomic_load_n(&s->failed_outcomes, __ATOMIC_RELAXED);
	}
	r->rate.tries = outcomes - r->outcomes;
	r->rate.failures = failures - r->failures;
	r->outcomes = outcomes;
	r->failures = failures;
}

static void rates_look(struct health *h, const struct hd_cluster *c, struct cluster_row *row)
{
	for (uint32_t i = 0; i < c->endpoints_count; i++) {
		struct endpoint_row *r = endpoint_row(h, c, i);

		rate_read(h, r);
		h->rates[i] = r->rate;
	}
	health_rates_judge(h->rates, c->endpoints_count, &row->rates);
	for (uint32_t i = 0; i < c->endpoints_count; i++)
		endpoint_row(h, c, i)->rate = h->rates[i];
	row->detected_low += row->rates.n_low;
	row->detected_failing += row->rates.n_failing;
}

static void say_returned(const struct health *h, const struct hd_cluster *c,
			 const struct endpoint_row *r, hd_ns now)
{
	char text[HD_ADDR_STRLEN];

	hd_log(HD_LOG_NOTICE, "health", "%s of %.*s is back in rotation after %.1f s",
	       hd_addr_format(&h->snapshot->endpoints[r->endpoint].addr, text), (int)c->name.n,
	       c->name.p, (double)(now - r->outlier.ejected_at) / (double)HD_NS_PER_S);
}

static void sweep(struct health *h, const struct hd_cluster *c, struct cluster_row *row, hd_ns now)
{
	const struct hd_outlier *rule = row->outlier.rule;
	uint32_t returned = 0;

	for (uint32_t i = 0; i < c->endpoints_count; i++) {
		struct endpoint_row *r = endpoint_row(h, c, i);

		if (health_outlier_sweep(&row->outlier, &r->outlier, now)) {
			say_returned(h, c, r, now);
			returned++;
		}
		if (r->is_watched && health_outlier_is_quiet(&r->outlier) &&
		    now - r->failed_at >= rule->interval)
			watch(h, r, 0);
	}
	rates_look(h, c, row);
	h->totals.returns += returned;
	if (returned > 0)
		words_write(h, c);
}

static void all_words_write(struct health *h)
{
	for (uint32_t i = 0; i < h->snapshot->n_clusters; i++)
		words_write(h, &h->snapshot->clusters[i]);
}

static void say_probed(const struct health_probe_row *r)
{
	char text[HD_ADDR_STRLEN];

	hd_log(r->is_failing ? HD_LOG_WARNING : HD_LOG_NOTICE, "health", "%s %s its probe: %s",
	       hd_addr_format(&r->addr, text), r->is_failing ? "fails" : "passes", r->why);
}

void health_tick(struct health *h, hd_ns now)
{
	const struct hd_snapshot *s = h->snapshot;

	if (health_probes_run(&h->probes, h->dp, now, say_probed) > 0)
		all_words_write(h);
	if (now < h->next_sweep)
		return;
	h->next_sweep = HD_NS_NEVER;
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		struct cluster_row *row = &h->clusters[s->clusters[i].slot];

		if (row->next_sweep <= now) {
			sweep(h, &s->clusters[i], row, now);
			/* Without drift, and without making up for sweeps that were missed. */
			row->next_sweep += row->outlier.rule->interval;
			if (row->next_sweep <= now)
				row->next_sweep = now + row->outlier.rule->interval;
		}
		if (row->next_sweep < h->next_sweep)
			h->next_sweep = row->next_sweep;
	}
}

int health_say(struct health *h, const struct hd_addr *addr, uint8_t health)
{
	int rc = health_override_set(&h->overrides, addr, health);

	if (rc == 0 && h->snapshot != NULL)
		all_words_write(h);
	return rc;
}

void health_look(const struct health *h, const struct hd_endpoint *e, struct health_view *out)
{
	const struct endpoint_row *r = &h->endpoints[e->slot];
	const struct hd_cluster *c = &h->snapshot->clusters[r->cluster];
	uint8_t said = health_override_get(&h->overrides, &e->addr);

	*out = (struct health_view){ .health = e->health, .until = HD_NS_NEVER };
	out->is_watched = r->is_watched;
	out->decided_in = r->decided_in;
	out->rate = r->rate;
	out->probe = r->probe;
	if (c->outlier != 0)
		out->outlier = &r->outlier;
	if (said != HD_EP_HEALTHY) {
		out->health = said;
		out->is_said = 1;
	} else if (is_failing(r)) {
		out->health = HD_EP_UNREADY;
	} else if (r->outlier.is_ejected) {
		out->health = HD_EP_EJECTED;
		out->until =
			health_outlier_until(&h->snapshot->outliers[c->outlier - 1], &r->outlier);
	}
}

void health_cluster_look(const struct health *h, const struct hd_cluster *c,
			 struct health_cluster_view *out)
{
	const struct cluster_row *row = &h->clusters[c->slot];

	*out = (struct health_cluster_view){ .healthy = row->healthy,
					     .is_panic = row->is_panic,
					     .outlier = c->outlier != 0 ? &row->outlier : NULL,
					     .rates = row->rates,
					     .detected_low = row->detected_low,
					     .detected_failing = row->detected_failing,
					     .groups = row->groups };
}

const struct health_totals *health_totals(const struct health *h)
{
	return &h->totals;
}
