/* SPDX-License-Identifier: Apache-2.0 */
/* One load from texts to a snapshot, and the registry behind all loads. */
#include <errno.h>
#include <stdlib.h>

#include "policy.h"
#include "policy_model.h"

static size_t copied_bytes(const struct policy_settings *s)
{
	size_t n = strlen(s->default_namespace) + strlen(s->domain) + strlen(s->node_namespace) +
		   strlen(s->trust_domain) + strlen(s->region) + strlen(s->zone) +
		   strlen(s->subzone) + strlen(s->spiffe_id) + 8;

	for (uint32_t i = 0; i < s->n_labels; i++)
		n += strlen(s->labels[i].key) + strlen(s->labels[i].value) + 2;
	return n + s->n_labels * sizeof(struct policy_label) + sizeof(struct hd_node) + 64;
}

static char *string_take(char **at, const char *s)
{
	char *p = *at;
	size_t n = strlen(s) + 1;

	memcpy(p, s, n);
	*at += n;
	return p;
}

/* Everything that settings point at, in one block: the node first, for its alignment. */
static int settings_copy(struct policy *p, const struct policy_settings *from)
{
	struct policy_settings s = *from;
	struct policy_label *labels;
	char *at;

	if (s.default_namespace == NULL)
		s.default_namespace = "default";
	if (s.domain == NULL)
		s.domain = "cluster.local";
	if (s.node_namespace == NULL)
		s.node_namespace = s.default_namespace;
	if (s.trust_domain == NULL)
		s.trust_domain = "cluster.local";
	s.region = s.region != NULL ? s.region : "";
	s.zone = s.zone != NULL ? s.zone : "";
	s.subzone = s.subzone != NULL ? s.subzone : "";
	if (s.spiffe_id == NULL)
		s.spiffe_id = "";
	s.n_workers += s.n_workers == 0;
	p->strings = at = malloc(copied_bytes(&s));
	if (at == NULL)
		return -ENOMEM;
	if (s.node != NULL) {
		memcpy(at, s.node, sizeof(*s.node));
		s.node = (struct hd_node *)at;
		at += (sizeof(*s.node) + 15) & ~(size_t)15;
	}
	labels = (struct policy_label *)at;
	at += s.n_labels * sizeof(*labels);
	for (uint32_t i = 0; i < s.n_labels; i++) {
		labels[i].key = string_take(&at, s.labels[i].key);
		labels[i].value = string_take(&at, s.labels[i].value);
	}
	s.labels = labels;
	s.default_namespace = string_take(&at, s.default_namespace);
	s.domain = string_take(&at, s.domain);
	s.node_namespace = string_take(&at, s.node_namespace);
	s.trust_domain = string_take(&at, s.trust_domain);
	s.region = string_take(&at, s.region);
	s.zone = string_take(&at, s.zone);
	s.subzone = string_take(&at, s.subzone);
	s.spiffe_id = string_take(&at, s.spiffe_id);
	p->settings = s;
	return 0;
}

struct policy *policy_create(const struct policy_settings *s)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	policy_spare_init(&p->spare);
	policy_slots_init(&p->clusters);
	policy_slots_init(&p->endpoints);
	policy_slots_init(&p->credentials);
	policy_slots_init(&p->bundles);
	policy_slots_init(&p->contexts);
	if (settings_copy(p, s) != 0) {
		free(p);
		return NULL;
	}
	return p;
}

void policy_destroy(struct policy *p)
{
	if (p == NULL)
		return;
	policy_slots_fini(&p->clusters);
	policy_slots_fini(&p->endpoints);
	policy_slots_fini(&p->credentials);
	policy_slots_fini(&p->bundles);
	policy_slots_fini(&p->contexts);
	policy_cache_fini(&p->documents);
	policy_spare_fini(&p->spare);
	policy_regex_db_put(p->regexes);
	pthread_mutex_destroy(&p->lock);
	free(p->strings);
	free(p);
}

void policy_settings_from_node(struct policy_settings *s, const struct policy_node *node)
{
	*s = (struct policy_settings){
		.default_namespace = node->default_namespace,
		.node_namespace = node->namespace_,
		.trust_domain = node->trust_domain,
		.identity = node->identity.certificate != NULL ? &node->identity : NULL,
		.region = node->region,
		.zone = node->zone,
		.subzone = node->subzone,
		.labels = node->labels,
		.n_labels = node->n_labels,
		.node = &node->dp,
		.n_workers = node->dp.n_workers,
	};
}

void policy_set_resolver(struct policy *p, const struct policy_resolver *r)
{
	p->resolver = *r;
}

static int run(struct policy_load *l, const struct policy_texts *texts, uint64_t generation,
	       struct hd_snapshot **out)
{
	int rc = policy_private_create(l);

	if (rc != 0)
		return rc;
	policy_objects_read(l, texts);
	if (l->diags->errors > l->errors)
		return -EINVAL;
	policy_resolve_sidecar(l);
	policy_resolve_services(l);
	policy_sidecar_tell(l);
	policy_resolve_workloads(l);
	policy_resolve_rules(l);
	policy_resolve_peers(l);
	policy_build(l);
	if (l->diags->errors > l->errors)
		return -EINVAL;
	return policy_snapshot_make(l, generation, out);
}

int policy_load(struct policy *p, const struct policy_texts *texts, uint64_t generation,
		struct hd_snapshot **out, struct policy_diags *diags)
{
	struct policy_load *l = calloc(1, sizeof(*l));
	volatile int rc = -ENOMEM;

	if (l == NULL)
		return -ENOMEM;
	l->policy = p;
	l->diags = diags;
	l->errors = diags->errors;
	policy_arena_init(&l->arena, &l->oom);
	l->arena.spare = &p->spare;
	policy_vec_init(&l->objects, sizeof(struct policy_object *));
	policy_map_init(&l->by_identity, &l->arena);
	policy_cache_begin(&p->documents);
	if (setjmp(l->oom) == 0)
		rc = run(l, texts, generation, out);
	else
		rc = -ENOMEM;
	policy_slots_unlock(l);
	policy_yaml_reader_fini(&l->reader);
	policy_document_close(l);
	if (rc != 0)
		policy_private_drop(l);
	policy_arena_fini(&l->arena);
	policy_cache_end(&p->documents);
	free(l);
	policy_diags_sort(diags);
	return rc;
}

int policy_check(struct policy *p, const struct policy_texts *texts, struct policy_diags *diags)
{
	struct hd_snapshot *s = NULL;
	int rc = policy_load(p, texts, 0, &s, diags);

	if (rc == 0)
		policy_snapshot_free(p, s);
	return rc;
}
