/* SPDX-License-Identifier: Apache-2.0 */
/* The finished arrays as one snapshot, and what ctrl does with snapshots. */
#include <errno.h>
#include <stdlib.h>

#include "policy_model.h"

#define DNS_REFRESH (60 * (int64_t)HD_NS_PER_S) /* istiod's */

/* Behind hd_snapshot.arena. */
struct policy_private {
	struct policy_arena arena;
	struct hd_snapshot *snapshot;
	struct hd_str *destination_keys;
	struct policy_regex_db *regexes;
	void **scratches;
	uint32_t n_scratches;
	uint32_t clusters_held, endpoints_held; /* whose slots are held */
	uint32_t credentials_held, bundles_held, contexts_held;
	struct policy_tls tls;
	struct policy_wants wants;
	uint8_t *text_is_used; /* by text */
};

struct policy_arena *policy_private_arena(struct policy_private *p)
{
	return &p->arena;
}

int policy_private_create(struct policy_load *l)
{
	l->private = calloc(1, sizeof(*l->private));
	if (l->private == NULL)
		return -ENOMEM;
	policy_arena_init(&l->private->arena, &l->oom);
	l->private->arena.spare = &l->policy->spare;
	return 0;
}

static void slots_lock(struct policy_load *l)
{
	pthread_mutex_lock(&l->policy->lock);
	l->holds_the_lock = 1;
}

void policy_slots_unlock(struct policy_load *l)
{
	if (l->holds_the_lock)
		pthread_mutex_unlock(&l->policy->lock);
	l->holds_the_lock = 0;
}

static void slots_put(struct policy *p, const struct policy_private *x)
{
	pthread_mutex_lock(&p->lock);
	for (uint32_t i = 0; i < x->clusters_held; i++)
		policy_slots_put(&p->clusters, x->snapshot->clusters[i].slot);
	for (uint32_t i = 0; i < x->endpoints_held; i++)
		policy_slots_put(&p->endpoints, x->snapshot->endpoints[i].slot);
	for (uint32_t i = 0; i < x->credentials_held; i++)
		policy_slots_put(&p->credentials, x->tls.credentials[i].slot);
	for (uint32_t i = 0; i < x->bundles_held; i++)
		policy_slots_put(&p->bundles, x->tls.bundles[i].slot);
	for (uint32_t i = 0; i < x->contexts_held; i++)
		policy_slots_put(&p->contexts, x->tls.contexts[i].slot);
	pthread_mutex_unlock(&p->lock);
}

static void private_destroy(struct policy *p, struct policy_private *x)
{
	if (p != NULL)
		slots_put(p, x);
	for (uint32_t i = 0; i < x->n_scratches; i++)
		policy_regex_scratch_destroy(x->scratches[i]);
	policy_regex_db_put(x->regexes);
	x->arena.spare = p != NULL ? &p->spare : NULL;
	policy_arena_fini(&x->arena);
	free(x);
}

void policy_private_drop(struct policy_load *l)
{
	if (l->private != NULL)
		private_destroy(l->policy, l->private);
	l->private = NULL;
}

void policy_snapshot_free(struct policy *p, struct hd_snapshot *s)
{
	if (s != NULL)
		private_destroy(p, s->arena);
}

static void *array_out(struct policy_load *l, const struct policy_vec *v)
{
	void *p = policy_alloc_array(&l->private->arena, v->n > 0 ? v->n : 1, v->bytes);

	if (v->n > 0)
		memcpy(p, v->p, (size_t)v->n * v->bytes);
	return p;
}

static void listener_table(struct policy_load *l, struct hd_snapshot *s)
{
	uint32_t size = 4, *table;

	while (size < s->n_listeners * 2)
		size *= 2;
	table = policy_alloc_array(&l->private->arena, size, sizeof(*table));
	memset(table, 0xff, size * sizeof(*table));
	for (uint32_t i = 0; i < s->n_listeners; i++) {
		uint32_t at = hd_addr_hash(&s->listeners[i].addr.ip, s->listeners[i].addr.port) &
			      (size - 1);

		while (table[at] != HD_NONE)
			at = (at + 1) & (size - 1);
		table[at] = i;
	}
	s->listener_table = table;
	s->listener_mask = size - 1;
}

static int vip_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct hd_vip));
}

/* In the order that workers search by. */
static struct hd_vip *vips_out(struct policy_load *l, const struct policy_vec *v)
{
	struct hd_vip *vips = array_out(l, v);

	qsort(vips, v->n, sizeof(*vips), vip_order);
	return vips;
}

static void authz_out(struct policy_load *l, struct hd_authz *z)
{
	const struct policy_authz *a = &l->authz;

	z->values = array_out(l, &a->values);
	z->terms = array_out(l, &a->terms);
	z->groups = array_out(l, &a->groups);
	z->rules = array_out(l, &a->rules);
	z->n_rules = a->rules.n;
	z->dimensions = array_out(l, &a->dimensions);
	z->buckets = array_out(l, &a->buckets);
	z->lists = array_out(l, &a->lists);
	z->n_lists = a->lists.n;
	z->profiles = array_out(l, &a->profiles);
	z->n_profiles = a->profiles.n;
	z->targets = array_out(l, &a->targets);
	z->n_targets = a->targets.n;
	z->words = array_out(l, &a->words);
}

static int choice_order(const void *a, const void *b)
{
	const struct hd_choice *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static void choices_sort(struct policy_load *l)
{
	if (l->choices.n > 1)
		qsort(policy_vec_at(&l->choices, 0), l->choices.n, sizeof(struct hd_choice),
		      choice_order);
}

static void arrays_out(struct policy_load *l, struct hd_snapshot *s)
{
	s->listeners = array_out(l, &l->listeners);
	s->n_listeners = l->listeners.n;
	s->vips = vips_out(l, &l->vips);
	s->n_vips = l->vips.n;
	s->elsewhere = vips_out(l, &l->elsewhere);
	s->n_elsewhere = l->elsewhere.n;
	s->routers = array_out(l, &l->routers);
	s->n_routers = l->routers.n;
	s->domain_table = array_out(l, &l->domain_table);
	s->domains = array_out(l, &l->domains);
	s->n_domains = l->domains.n;
	s->vhosts = array_out(l, &l->vhosts);
	s->n_vhosts = l->vhosts.n;
	s->routes = array_out(l, &l->routes);
	s->n_routes = l->routes.n;
	s->header_matches = array_out(l, &l->header_matches);
	s->n_header_matches = l->header_matches.n;
	s->destinations = array_out(l, &l->destinations_out);
	s->n_destinations = l->destinations_out.n;
	choices_sort(l);
	s->choices = array_out(l, &l->choices);
	s->n_choices = l->choices.n;
	s->retry_statuses = array_out(l, &l->retry_statuses);
	s->answers = array_out(l, &l->answers);
	s->n_answers = l->answers.n;
	s->rewrites = array_out(l, &l->rewrites);
	s->n_rewrites = l->rewrites.n;
	s->edits = array_out(l, &l->edits);
	s->n_edits = l->edits.n;
	s->edit_list = array_out(l, &l->edit_list);
	s->pieces = array_out(l, &l->pieces);
	s->extras = array_out(l, &l->extras);
	s->n_extras = l->extras.n;
	s->cors = array_out(l, &l->cors);
	s->origin_matches = array_out(l, &l->origin_matches);
	s->mirrors = array_out(l, &l->mirrors);
	s->n_dice = l->n_dice;
	s->hashes = array_out(l, &l->hashes);
	s->places = array_out(l, &l->places);
	s->programs = array_out(l, &l->programs);
	s->steps = array_out(l, &l->steps);
	s->clusters = array_out(l, &l->clusters);
	s->n_clusters = l->clusters.n;
	s->endpoints = array_out(l, &l->endpoints);
	s->n_endpoints = l->endpoints.n;
	s->probes = array_out(l, &l->probes);
	s->n_probes = l->probes.n;
	s->outliers = array_out(l, &l->outliers);
	s->n_outliers = l->outliers.n;
	s->identity = policy_out(l, policy_str(l->policy->settings.spiffe_id));
	s->tls_servers = array_out(l, &l->tls_servers);
	s->n_tls_servers = l->tls_servers.n;
	l->private->tls = (struct policy_tls){
		.credentials = array_out(l, &l->tls.credentials),
		.bundles = array_out(l, &l->tls.bundles),
		.contexts = array_out(l, &l->tls.contexts),
		.n_credentials = l->tls.credentials.n,
		.n_bundles = l->tls.bundles.n,
		.n_contexts = l->tls.contexts.n,
	};
	s->services = array_out(l, &l->services_out);
	s->n_services = l->services_out.n;
	authz_out(l, &s->authz);
	policy_jwt_out(l, &s->jwt, array_out);
	s->authz_policies = array_out(l, &l->authz.policies_out);
	s->n_authz_policies = l->authz.policies_out.n;
	l->private->destination_keys = array_out(l, &l->destination_keys);
	listener_table(l, s);
}

/* What one worker writes shares no cache line with another's. */
static void *lines_alloc(struct policy_arena *a, size_t n, size_t bytes)
{
	uintptr_t p = (uintptr_t)policy_alloc(a, n * bytes + 2 * HD_CACHE_LINE);

	return (void *)((p + HD_CACHE_LINE - 1) & ~(uintptr_t)(HD_CACHE_LINE - 1));
}

static void workers_out(struct policy_load *l, struct hd_snapshot *s)
{
	struct policy_arena *a = &l->private->arena;
	uint32_t n = s->n_workers;

	s->workers = lines_alloc(a, n, sizeof(*s->workers));
	s->destination_carried = lines_alloc(a, s->n_destinations, sizeof(uint64_t));
	s->authz_carried = lines_alloc(a, s->n_authz_policies, sizeof(struct hd_authz_count));
	for (uint32_t i = 0; i < n; i++) {
		s->workers[i].authz =
			lines_alloc(a, s->n_authz_policies, sizeof(struct hd_authz_count));
		s->workers[i].wrr = lines_alloc(a, s->n_destinations, sizeof(int32_t));
		s->workers[i].destination_requests =
			lines_alloc(a, s->n_destinations, sizeof(uint64_t));
		s->workers[i].dice = lines_alloc(a, s->n_dice, sizeof(struct hd_die));
	}
}

static void match_renumber(struct hd_string_match *m, const uint32_t *rank)
{
	if (m->kind == HD_MATCH_REGEX)
		m->regex = rank[m->regex];
}

/* Ids become those of the sorted set; the places of the expressions move along. */
static void regexes_renumber(struct policy_load *l)
{
	const uint32_t *rank = policy_regex_set_sort(&l->regexes);
	struct policy_regex_place *places =
		policy_alloc_array(&l->arena, l->regex_places.n, sizeof(*places));

	for (uint32_t i = 0; i < l->regex_places.n; i++)
		places[rank[i]] = *(struct policy_regex_place *)policy_vec_at(&l->regex_places, i);
	l->regex_places.p = (char *)places;
	for (uint32_t i = 0; i < l->routes.n; i++) {
		struct hd_route_match *m =
			&((struct hd_route *)policy_vec_at(&l->routes, i))->match;

		match_renumber(&m->uri, rank);
		match_renumber(&m->method, rank);
		match_renumber(&m->scheme, rank);
		match_renumber(&m->authority, rank);
	}
	for (uint32_t i = 0; i < l->origin_matches.n; i++)
		match_renumber(policy_vec_at(&l->origin_matches, i), rank);
	for (uint32_t i = 0; i < l->header_matches.n; i++)
		match_renumber(
			&((struct hd_header_match *)policy_vec_at(&l->header_matches, i))->value,
			rank);
}

static void regex_error(struct policy_load *l, uint32_t at_fault, const char *why)
{
	const struct policy_regex_place *place = policy_vec_at(&l->regex_places, at_fault);
	struct policy_check c = { .arena = &l->arena, .diags = l->diags, .file = place->file };

	policy_error(&c, place->yaml, "regex \"%.*s\" cannot be used: %s",
		     POLICY_STR(place->yaml->text), why);
}

static int regexes_out(struct policy_load *l, struct hd_snapshot *s)
{
	struct policy_private *x = l->private;
	char why[256];
	uint32_t at_fault = 0;
	int rc = policy_regex_db_make(&l->regexes, l->policy->regexes, &x->regexes, &at_fault, why,
				      sizeof(why));

	if (rc == -EINVAL)
		regex_error(l, at_fault, why);
	if (rc != 0 || x->regexes == NULL)
		return rc;
	x->scratches = policy_alloc_array(&x->arena, s->n_workers, sizeof(*x->scratches));
	for (; x->n_scratches < s->n_workers; x->n_scratches++) {
		void *scratch = policy_regex_scratch_create(x->regexes);

		if (scratch == NULL)
			return -ENOMEM;
		x->scratches[x->n_scratches] = s->workers[x->n_scratches].regex_scratch = scratch;
	}
	s->regex_db = policy_regex_db_database(x->regexes);
	if (l->policy->regexes != x->regexes) {
		policy_regex_db_put(l->policy->regexes);
		l->policy->regexes = policy_regex_db_get(x->regexes);
	}
	return 0;
}

static uint32_t *slots_table(struct policy_arena *a, uint32_t n)
{
	uint32_t *table = policy_alloc_array(a, n, sizeof(*table));

	for (uint32_t i = 0; i < n; i++)
		table[i] = HD_NONE;
	return table;
}

/* Its cluster's name and its address, bytes as they are: there are many. */
static struct hd_str endpoint_key(struct policy_load *l, const struct hd_cluster *c,
				  const struct hd_endpoint *e)
{
	uint32_t n = c->name.n + (uint32_t)sizeof(e->addr.ip) + (uint32_t)sizeof(e->addr.port);
	char *p = policy_alloc(&l->arena, n);

	memcpy(p, c->name.p, c->name.n);
	memcpy(p + c->name.n, &e->addr.ip, sizeof(e->addr.ip));
	memcpy(p + n - sizeof(e->addr.port), &e->addr.port, sizeof(e->addr.port));
	return (struct hd_str){ p, n };
}

/* The last step: nothing after it fails, so what is held is held by a whole snapshot. */
static int slots_hold(struct policy_load *l, struct hd_snapshot *s)
{
	struct hd_cluster *clusters = (struct hd_cluster *)s->clusters;
	struct hd_endpoint *endpoints = (struct hd_endpoint *)s->endpoints;
	struct policy_private *x = l->private;
	uint32_t *of_slot = slots_table(&x->arena, l->policy->clusters.n + s->n_clusters);

	s->cluster_of_slot = of_slot;
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		uint32_t end = clusters[i].endpoints_first + clusters[i].endpoints_count +
			       clusters[i].endpoints_unready;
		int64_t slot = policy_slots_get(&l->policy->clusters, clusters[i].name);

		if (slot < 0)
			return -ENOMEM;
		clusters[i].slot = (uint32_t)slot;
		of_slot[slot] = i;
		x->clusters_held++;
		for (uint32_t k = clusters[i].endpoints_first; k < end; k++) {
			slot = policy_slots_get(&l->policy->endpoints,
						endpoint_key(l, &clusters[i], &endpoints[k]));
			if (slot < 0)
				return -ENOMEM;
			endpoints[k].slot = (uint32_t)slot;
			x->endpoints_held++;
		}
	}
	s->cluster_slots = l->policy->clusters.n;
	s->endpoint_slots = l->policy->endpoints.n;
	return 0;
}

static int slot_hold(struct policy_slots *slots, const struct policy_vec *keys, uint32_t i,
		     uint32_t *slot)
{
	int64_t got = policy_slots_get(slots, *(struct hd_str *)policy_vec_at(keys, i));

	if (got < 0)
		return -ENOMEM;
	*slot = (uint32_t)got;
	return 0;
}

/* Rows of the load's tables become slots. */
static void context_number(const struct policy_tls *t, struct hd_tls_context *c)
{
	for (uint32_t i = 0; i < c->n_credentials; i++)
		c->credentials[i] = t->credentials[c->credentials[i]].slot;
	c->bundle = c->bundle != HD_NONE ? t->bundles[c->bundle].slot : HD_TLS_NONE;
}

static int tls_hold(struct policy_load *l)
{
	struct policy *p = l->policy;
	struct policy_private *x = l->private;
	struct policy_tls_credential *credentials = (void *)x->tls.credentials;
	struct policy_tls_bundle *bundles = (void *)x->tls.bundles;
	struct policy_tls_context *contexts = (void *)x->tls.contexts;
	int rc = 0;

	for (uint32_t i = 0; i < x->tls.n_credentials && rc == 0; i++) {
		rc = slot_hold(&p->credentials, &l->tls.credential_keys, i, &credentials[i].slot);
		x->credentials_held += rc == 0;
	}
	for (uint32_t i = 0; i < x->tls.n_bundles && rc == 0; i++) {
		rc = slot_hold(&p->bundles, &l->tls.bundle_keys, i, &bundles[i].slot);
		x->bundles_held += rc == 0;
	}
	for (uint32_t i = 0; i < x->tls.n_contexts && rc == 0; i++) {
		context_number(&x->tls, &contexts[i].context);
		rc = slot_hold(&p->contexts, &l->tls.context_keys, i, &contexts[i].slot);
		x->contexts_held += rc == 0;
	}
	return rc;
}

static void context_place(const struct policy_tls *t, uint32_t *context)
{
	if (*context != 0)
		*context = t->contexts[*context - 1].slot + 1;
}

static void tls_number(struct policy_load *l, struct hd_snapshot *s)
{
	const struct policy_tls *t = &l->private->tls;

	for (uint32_t i = 0; i < s->n_listeners; i++)
		context_place(t, &((struct hd_listener *)s->listeners)[i].tls_context);
	for (uint32_t i = 0; i < s->n_tls_servers; i++)
		context_place(t, &((struct hd_tls_server *)s->tls_servers)[i].context);
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		context_place(t, &((struct hd_endpoint *)s->endpoints)[i].tls_context);
}

const struct policy_wants *policy_snapshot_wants(const struct hd_snapshot *s)
{
	const struct policy_private *x = s->arena;

	return &x->wants;
}

static void wants_out(struct policy_load *l)
{
	struct policy_wanted *rows = array_out(l, &l->wants);

	for (uint32_t i = 0; i < l->wants.n; i++)
		rows[i].name = policy_out(l, rows[i].name);
	l->private->wants = (struct policy_wants){
		rows, l->wants.n, (hd_ns)policy_get_int(l->mesh, "dnsRefreshRate", DNS_REFRESH)
	};
}

const struct policy_tls *policy_snapshot_tls(const struct hd_snapshot *s)
{
	return &((const struct policy_private *)s->arena)->tls;
}

static uint8_t paths_of(const struct policy_load *l)
{
	static const uint8_t by_word[] = { HD_PATHS_BASE, HD_PATHS_NONE, HD_PATHS_BASE,
					   HD_PATHS_MERGE, HD_PATHS_DECODE_AND_MERGE };

	return by_word[policy_get_int(policy_get(l->mesh, "pathNormalization"), "normalization",
				      0)];
}

static void texts_mark(struct policy_load *l)
{
	struct policy_private *x = l->private;

	x->text_is_used = policy_alloc(&x->arena, l->texts->n + 1);
	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o = policy_object_at(l, i);

		x->text_is_used[o->text] |= !o->replaced;
	}
}

int policy_snapshot_make(struct policy_load *l, uint64_t generation, struct hd_snapshot **out)
{
	struct policy_private *x = l->private;
	struct hd_snapshot *s = policy_alloc(&x->arena, sizeof(*s));
	int rc;

	x->snapshot = s;
	s->generation = generation;
	s->n_workers = l->policy->settings.n_workers;
	s->arena = x;
	s->paths = paths_of(l);
	regexes_renumber(l);
	arrays_out(l, s);
	workers_out(l, s);
	texts_mark(l);
	rc = regexes_out(l, s);
	if (rc != 0)
		return rc;
	slots_lock(l);
	rc = slots_hold(l, s);
	if (rc == 0)
		rc = tls_hold(l);
	policy_slots_unlock(l);
	if (rc != 0)
		return rc;
	tls_number(l, s);
	wants_out(l);
	*out = s;
	return 0;
}

int policy_snapshot_uses_text(const struct hd_snapshot *s, uint32_t i)
{
	return ((const struct policy_private *)s->arena)->text_is_used[i];
}

uint64_t policy_destination_requests(const struct hd_snapshot *s, uint32_t index)
{
	uint64_t sum = s->destination_carried[index];

	for (uint32_t i = 0; i < s->n_workers; i++)
		sum += __atomic_load_n(&s->workers[i].destination_requests[index],
				       __ATOMIC_RELAXED);
	return sum;
}

static uint64_t count_of(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

struct hd_authz_count policy_authz_counts(const struct hd_snapshot *s, uint32_t index)
{
	struct hd_authz_count sum = s->authz_carried[index];

	for (uint32_t i = 0; i < s->n_workers; i++) {
		const struct hd_authz_count *c = &s->workers[i].authz[index];

		sum.allowed += count_of(&c->allowed);
		sum.denied += count_of(&c->denied);
		sum.matched += count_of(&c->matched);
	}
	return sum;
}

/* Both are in the order of their names. */
static void authz_carry(struct hd_snapshot *next, const struct hd_snapshot *previous)
{
	uint32_t i = 0, k = 0;

	while (i < next->n_authz_policies && k < previous->n_authz_policies) {
		const struct hd_authz_policy *a = &next->authz_policies[i],
					     *b = &previous->authz_policies[k];
		int order = policy_str_cmp(a->namespace_, b->namespace_);

		if (order == 0)
			order = policy_str_cmp(a->name, b->name);
		if (order == 0)
			next->authz_carried[i] = policy_authz_counts(previous, k);
		i += order <= 0;
		k += order >= 0;
	}
}

void policy_snapshot_carry(struct hd_snapshot *next, const struct hd_snapshot *previous)
{
	const struct policy_private *to = next->arena, *from = previous->arena;
	struct policy_arena arena;
	struct policy_map by_key;
	jmp_buf oom;

	authz_carry(next, previous);
	policy_arena_init(&arena, &oom);
	if (setjmp(oom) !=
	    0) { /* counts start at zero then: a figure in a table, not worth a failure */
		policy_arena_fini(&arena);
		return;
	}
	policy_map_init(&by_key, &arena);
	for (uint32_t i = 0; i < previous->n_destinations; i++)
		policy_map_add(&by_key, from->destination_keys[i], (void *)(uintptr_t)(i + 1));
	for (uint32_t i = 0; i < next->n_destinations; i++) {
		uintptr_t at = (uintptr_t)policy_map_get(&by_key, to->destination_keys[i]);

		if (at != 0)
			next->destination_carried[i] +=
				policy_destination_requests(previous, (uint32_t)at - 1);
	}
	policy_arena_fini(&arena);
}
