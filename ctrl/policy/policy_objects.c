/* SPDX-License-Identifier: Apache-2.0 */
/* Documents into objects: which kind, which name, checked by the kind's table. */
#include "policy_model.h"

#define LIST_DEPTH 4

static const struct policy_field envelope_fields[] = {
	POLICY_STR_("apiVersion", POLICY_NOW), POLICY_STR_("kind", POLICY_NOW),
	POLICY_ANY_("metadata", POLICY_NOW),   POLICY_ANY_("spec", POLICY_NOW),
	POLICY_ANY_("status", POLICY_INERT),   POLICY_END
};
static const struct policy_schema envelope = { "an object", envelope_fields };

/* Real kinds that Heddle does not read. Those that protect something must not be left out in
 * silence. */
static const struct {
	const char *group, *kind;
	uint8_t protects;
} other_kinds[] = {
	{ "networking.istio.io", "EnvoyFilter", 0 },
	{ "networking.istio.io", "ProxyConfig", 0 },
	{ "policy.linkerd.io", "Server", 1 },
	{ "policy.linkerd.io", "ServerAuthorization", 1 },
	{ "policy.linkerd.io", "AuthorizationPolicy", 1 },
	{ "policy.linkerd.io", "MeshTLSAuthentication", 1 },
	{ "policy.linkerd.io", "NetworkAuthentication", 1 },
	{ "", "Endpoints", 0 },
	{ "", "Node", 0 },
	{ "", "Event", 0 },
	{ "", "PersistentVolume", 0 },
	{ "", "PersistentVolumeClaim", 0 },
	{ "", "ReplicationController", 0 },
	{ "", "LimitRange", 0 },
	{ "", "ResourceQuota", 0 },
	{ "", "PodTemplate", 0 },
};

static const char *const known_groups[] = { "", "discovery.k8s.io", "networking.istio.io",
					    "security.istio.io", "telemetry.istio.io" };

static void object_add(struct policy_load *l, const char *file, struct policy_yaml *root,
		       unsigned int depth);

static void check_init(struct policy_check *c, struct policy_load *l, const char *file)
{
	*c = (struct policy_check){
		.arena = &l->arena,
		.diags = l->diags,
		.file = file,
		.strict = l->policy->settings.strict,
		.allow_unenforced = l->policy->settings.allow_unenforced,
	};
	policy_map_init(&c->warned, &l->arena);
}

static int version_known(const char *versions, struct hd_str version)
{
	const char *p = versions;

	while (p != NULL) {
		size_t n = strcspn(p, " ");

		if (n == version.n && memcmp(p, version.p, n) == 0)
			return 1;
		p = p[n] == ' ' ? p + n + 1 : NULL;
	}
	return 0;
}

static struct hd_str group_of(struct hd_str api)
{
	const char *slash = memchr(api.p, '/', api.n);

	return slash != NULL ? (struct hd_str){ api.p, (uint32_t)(slash - api.p) }
			     : (struct hd_str){ "", 0 };
}

static const struct policy_kind_row *row_find(struct hd_str group, struct hd_str kind)
{
	for (uint32_t i = 0; i < POLICY_KINDS; i++) {
		const struct policy_kind_row *r = &policy_kinds[i];

		if (policy_str_is(kind, r->kind) &&
		    (r->group == NULL || policy_str_is(group, r->group)))
			return r;
	}
	return NULL;
}

static const char *kind_nearest(struct hd_str group, struct hd_str kind)
{
	const char *names[POLICY_KINDS];
	uint32_t n = 0;

	for (uint32_t i = 0; i < POLICY_KINDS; i++)
		if (policy_kinds[i].group != NULL && policy_str_is(group, policy_kinds[i].group))
			names[n++] = policy_kinds[i].kind;
	return policy_nearest(kind, names, n);
}

/* A kind that has no table: refused in a group that Heddle knows, passed over with a word
 * otherwise. */
static void kind_other(struct policy_check *c, const struct policy_yaml *kind, struct hd_str group)
{
	const char *near;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(other_kinds); i++)
		if (policy_str_is(kind->text, other_kinds[i].kind) &&
		    policy_str_is(group, other_kinds[i].group)) {
			if (other_kinds[i].protects)
				policy_unenforced(c, kind, other_kinds[i].kind);
			else
				policy_warning(c, kind, "%s is known but not yet honoured",
					       other_kinds[i].kind);
			return;
		}
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(known_groups); i++) {
		if (!policy_str_is(group, known_groups[i]))
			continue;
		near = kind_nearest(group, kind->text);
		policy_error(c, kind, "%s has no kind \"%.*s\"%s%s%s",
			     group.n > 0 ? known_groups[i] : "v1", POLICY_STR(kind->text),
			     near != NULL ? ": did you mean \"" : "", near != NULL ? near : "",
			     near != NULL ? "\"?" : "");
		return;
	}
	policy_warning(c, kind, "%.*s of %.*s is not a kind that Heddle reads: left out",
		       POLICY_STR(kind->text), POLICY_STR(group));
}

static const struct policy_kind_row *row_of(struct policy_check *c, const struct policy_yaml *root)
{
	const struct policy_yaml *api = policy_yaml_raw(root, "apiVersion"),
				 *kind = policy_yaml_raw(root, "kind");
	const struct policy_kind_row *row;
	struct hd_str group, version;

	if (kind == NULL || kind->type != POLICY_YAML_SCALAR) {
		policy_error(c, root, "an object needs \"kind\"");
		return NULL;
	}
	if (policy_str_is(kind->text, "MeshConfig"))
		return &policy_kinds[POLICY_MESH_CONFIG];
	if (api == NULL || api->type != POLICY_YAML_SCALAR) {
		policy_error(c, root, "an object needs \"apiVersion\"");
		return NULL;
	}
	group = group_of(api->text);
	version = group.n > 0
			  ? (struct hd_str){ api->text.p + group.n + 1, api->text.n - group.n - 1 }
			  : api->text;
	row = row_find(group, kind->text);
	if (row == NULL) {
		kind_other(c, kind, group);
		return NULL;
	}
	if (!version_known(row->versions, version)) {
		policy_error(c, api, "%s has no version \"%.*s\", but %s", row->kind,
			     POLICY_STR(version), row->versions);
		return NULL;
	}
	return row;
}

static struct policy_yaml *map_empty(struct policy_load *l, const struct policy_yaml *at)
{
	struct policy_yaml *y = policy_alloc(&l->arena, sizeof(*y));

	y->type = POLICY_YAML_MAP;
	y->line = at->line;
	y->col = at->col;
	return y;
}

/* What stands beside metadata, as a map of its own. */
static struct policy_yaml *flat_body(struct policy_load *l, const struct policy_yaml *root)
{
	struct policy_yaml *body = map_empty(l, root), **tail = &body->first;

	for (const struct policy_yaml *y = root->first; y != NULL; y = y->next) {
		struct policy_yaml *copy;

		if (policy_str_is(y->key, "apiVersion") || policy_str_is(y->key, "kind") ||
		    policy_str_is(y->key, "metadata"))
			continue;
		copy = policy_alloc(&l->arena, sizeof(*copy));
		*copy = *y;
		copy->next = NULL;
		*tail = copy;
		tail = &copy->next;
		body->n++;
	}
	return body;
}

static struct policy_yaml *body_of(struct policy_check *c, struct policy_load *l,
				   const struct policy_kind_row *row, struct policy_yaml *root)
{
	struct policy_yaml *spec = policy_yaml_raw(root, "spec");

	if (row->flat && !(row->id == POLICY_MESH_CONFIG && spec != NULL))
		return flat_body(l, root);
	policy_check_object(c, &envelope, root);
	if (spec == NULL)
		return map_empty(l, root);
	if (spec->type != POLICY_YAML_MAP) {
		policy_error(c, spec, "spec must be a map");
		return NULL;
	}
	return spec;
}

/* As Kubernetes has them: DNS names in lower case. */
static int name_valid(struct hd_str s)
{
	for (uint32_t i = 0; i < s.n; i++) {
		char ch = s.p[i];
		int inner = ch == '-' || ch == '.';

		if (!(ch >= 'a' && ch <= 'z') && !(ch >= '0' && ch <= '9') &&
		    (!inner || i == 0 || i + 1 == s.n))
			return 0;
	}
	return s.n <= 253;
}

static void names_check(struct policy_check *c, const struct policy_object *o)
{
	const struct policy_yaml *name = policy_get(o->metadata, "name"),
				 *ns = policy_get(o->metadata, "namespace");

	if (name != NULL && !name_valid(name->text))
		policy_error(c, name, "name \"%.*s\" must be a DNS name in lower case",
			     POLICY_STR(name->text));
	if (name != NULL && o->row->id == POLICY_GATEWAY && !policy_label_valid(name->text))
		policy_error(c, name, "the name of a Gateway, \"%.*s\", must be without dots",
			     POLICY_STR(name->text));
	if (ns != NULL && ns->text.n > 0 && !policy_label_valid(ns->text))
		policy_error(c, ns, "namespace \"%.*s\" must be a DNS label in lower case",
			     POLICY_STR(ns->text));
}

static int is_istios(const struct policy_kind_row *row)
{
	return row->group != NULL && strstr(row->group, ".istio.io") != NULL;
}

/* Istio tries out AuthorizationPolicies only, and refuses the annotation elsewhere: its author
 * would believe the object to be without effect. */
static void dry_run_check(struct policy_check *c, const struct policy_object *o)
{
	static const char *const words[] = { "true", "false", "True", "False", "TRUE", "FALSE",
					     "1",    "0",     "t",    "f",     "T",    "F" };
	const struct policy_yaml *y =
		policy_yaml_raw(policy_get(o->metadata, "annotations"), "istio.io/dry-run");

	if (y == NULL || !is_istios(o->row))
		return;
	if (o->row->id != POLICY_AUTHORIZATION_POLICY) {
		policy_error(c, y, "istio.io/dry-run is for AuthorizationPolicies: take it away");
		return;
	}
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(words); i++)
		if (policy_str_is(y->text, words[i]))
			return;
	policy_error(c, y, "istio.io/dry-run is \"true\" or \"false\", not \"%.*s\"",
		     POLICY_STR(y->text));
}

static struct hd_str name_of(struct policy_check *c, struct policy_load *l,
			     const struct policy_object *o, const struct policy_yaml *root)
{
	struct hd_str name = policy_get_str(o->metadata, "name");

	if (name.n == 0 && o->row->id == POLICY_MESH_CONFIG)
		return policy_str_printf(&l->arena, "mesh");
	if (name.n == 0)
		policy_error(c, o->metadata != NULL ? o->metadata : root,
			     "metadata needs \"name\"");
	return name;
}

/* kubectl applied twice leaves what was applied last. In a higher layer that is what the layer is
 * for. */
static void object_enter(struct policy_load *l, struct policy_check *c, struct policy_object *o)
{
	struct policy_object **slot = policy_map_get(&l->by_identity, o->identity);

	*(struct policy_object **)policy_vec_push(&l->arena, &l->objects) = o;
	if (slot == NULL) {
		slot = policy_alloc(&l->arena, sizeof(*slot));
		policy_map_add(&l->by_identity, o->identity, slot);
	} else {
		struct policy_yaml at = { .line = o->line, .col = o->col };

		(*slot)->replaced = 1;
		if (o->layer == (*slot)->layer)
			policy_warning(c, &at, "%.*s is given twice: this one replaces %s:%u",
				       POLICY_STR(o->label), (*slot)->file, (*slot)->line);
	}
	*slot = o;
}

static void object_describe(struct policy_load *l, struct policy_check *c, struct policy_object *o,
			    struct policy_yaml *root)
{
	struct policy_yaml *metadata = policy_yaml_raw(root, "metadata");

	if (metadata != NULL && metadata->type != POLICY_YAML_MAP) {
		policy_error(c, metadata, "metadata must be a map");
		metadata = NULL;
	}
	if (metadata != NULL)
		policy_check_object(c, &policy_schema_metadata, metadata);
	o->metadata = metadata;
	o->labels = policy_get(metadata, "labels");
	o->created = policy_get_str(metadata, "creationTimestamp");
	o->namespace_ = policy_get_str(metadata, "namespace");
	if (o->namespace_.n == 0)
		o->namespace_ = policy_str(l->policy->settings.default_namespace);
	o->name = name_of(c, l, o, root);
	names_check(c, o);
	dry_run_check(c, o);
	o->label = policy_str_printf(&l->arena, "%s %.*s/%.*s", o->row->kind,
				     POLICY_STR(o->namespace_), POLICY_STR(o->name));
	o->identity = o->row->id == POLICY_NAMESPACE
			      ? policy_str_printf(&l->arena, "Namespace %.*s", POLICY_STR(o->name))
			      : o->label;
}

static void object_read(struct policy_load *l, struct policy_check *c,
			const struct policy_kind_row *row, struct policy_yaml *root)
{
	struct policy_object *o = policy_alloc(&l->arena, sizeof(*o));

	o->row = row;
	o->file = c->file;
	o->line = root->line;
	o->col = root->col;
	o->body = body_of(c, l, row, root);
	if (o->body == NULL)
		return;
	o->own_body = o->body != policy_yaml_raw(root, "spec");
	object_describe(l, c, o, root);
	c->security = row->security;
	policy_check_object(c, row->schema, o->body);
	*(struct policy_object **)policy_vec_push(&l->arena, &l->document->objects) = o;
}

/* `kind: List`, and the lists of one kind that the API server gives. */
static int is_list(const struct policy_yaml *root)
{
	const struct policy_yaml *kind = policy_yaml_raw(root, "kind");

	return kind != NULL && kind->type == POLICY_YAML_SCALAR &&
	       policy_str_ends(kind->text, (struct hd_str){ "List", 4 }) &&
	       policy_yaml_raw(root, "items") != NULL;
}

static void list_add(struct policy_load *l, struct policy_check *c, struct policy_yaml *root,
		     unsigned int depth)
{
	struct policy_yaml *items = policy_yaml_raw(root, "items");

	if (items->type != POLICY_YAML_LIST || depth >= LIST_DEPTH) {
		policy_error(c, items,
			     depth >= LIST_DEPTH ? "lists in lists go too deep"
						 : "items must be a list");
		return;
	}
	for (struct policy_yaml *y = items->first; y != NULL; y = y->next)
		object_add(l, c->file, y, depth + 1);
}

static void object_add(struct policy_load *l, const char *file, struct policy_yaml *root,
		       unsigned int depth)
{
	const struct policy_kind_row *row;
	struct policy_check c;

	check_init(&c, l, file);
	if (root->type != POLICY_YAML_MAP) {
		policy_error(&c, root,
			     "a document must be an object: a map with apiVersion and kind");
		return;
	}
	if (is_list(root)) {
		list_add(l, &c, root, depth);
		return;
	}
	row = row_of(&c, root);
	if (row != NULL)
		object_read(l, &c, row, root);
}

static void text_read(struct policy_load *l, struct policy_yaml_reader r, struct policy_vec *roots)
{
	policy_vec_init(roots, sizeof(struct policy_yaml *));
	r.arena = &l->arena;
	r.diags = l->diags;
	l->reader = r;
	(void)policy_yaml_read(&l->reader, roots); /* its errors stand in diags */
}

/* How far a block's text is indented: the columns that its reader does not see. */
static uint32_t block_indent(const struct policy_load *l, const char *file, uint32_t line)
{
	const char *p = NULL, *start;

	for (uint32_t i = 0; i < l->texts->n; i++)
		if (strcmp(l->texts->rows[i].name, file) == 0)
			p = l->texts->rows[i].bytes;
	for (uint32_t i = 0; p != NULL && i < line; i++) {
		p = strchr(p, '\n');
		p += p != NULL;
	}
	for (start = p; p != NULL && *p == ' ';)
		p++;
	return (uint32_t)(p - start);
}

/* Istio's ConfigMap holds the MeshConfig as a text under "mesh". */
static void mesh_text_read(struct policy_load *l, const struct policy_object *o)
{
	const struct policy_yaml *data = policy_get(o->body, "data"),
				 *text = policy_yaml_raw(data, "mesh");
	struct policy_vec roots;
	struct policy_check c;

	if (text == NULL)
		return;
	text_read(l,
		  (struct policy_yaml_reader){ .file = o->file,
					       .bytes = text->text.p,
					       .n = text->text.n,
					       .line_base = text->line,
					       .col_base = block_indent(l, o->file, text->line) },
		  &roots);
	check_init(&c, l, o->file);
	for (uint32_t i = 0; i < roots.n; i++) {
		struct policy_yaml *root = *(struct policy_yaml **)policy_vec_at(&roots, i);

		if (root->type != POLICY_YAML_MAP) {
			policy_error(&c, root, "the mesh's configuration must be a map");
			continue;
		}
		policy_check_object(&c, &policy_schema_mesh_config, root);
		l->mesh = root;
	}
}

static void mesh_find(struct policy_load *l)
{
	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o =
			*(struct policy_object **)policy_vec_at(&l->objects, i);

		if (o->replaced)
			continue;
		if (o->row->id == POLICY_MESH_CONFIG)
			l->mesh = o->body;
		else if (o->row->id == POLICY_CONFIG_MAP && policy_str_is(o->name, "istio"))
			mesh_text_read(l, o);
	}
	l->root_namespace = policy_get_str(l->mesh, "rootNamespace");
	if (l->root_namespace.n == 0)
		l->root_namespace = policy_str("istio-system");
}

static void policy_modes_check(struct policy_check *c, const struct policy_yaml *map)
{
	const struct policy_yaml *mode = policy_get(map, "mode");

	if (mode != NULL && mode->i == 3)
		policy_unenforced(c, mode,
				  "PeerAuthentication mode STRICT without an identity of the node");
}

static void peer_enforced(struct policy_check *c, const struct policy_object *o)
{
	const struct policy_yaml *ports = policy_get(o->body, "portLevelMtls");

	policy_modes_check(c, policy_get(o->body, "mtls"));
	for (const struct policy_yaml *y = ports != NULL ? ports->first : NULL; y != NULL;
	     y = y->next)
		policy_modes_check(c, y);
}

enum { ISTIO_MUTUAL = 3 };

static void traffic_enforced(struct policy_check *c, const struct policy_yaml *policy)
{
	const struct policy_yaml *ports = policy_get(policy, "portLevelSettings");
	const struct policy_yaml *mode = policy_get(policy_get(policy, "tls"), "mode");

	if (mode != NULL && mode->i == ISTIO_MUTUAL)
		policy_unenforced(c, mode, "tls mode ISTIO_MUTUAL without an identity of the node");
	for (const struct policy_yaml *y = ports != NULL ? ports->first : NULL; y != NULL;
	     y = y->next)
		traffic_enforced(c, y);
}

static void rule_enforced(struct policy_check *c, const struct policy_object *o)
{
	const struct policy_yaml *subsets = policy_get(o->body, "subsets");

	traffic_enforced(c, policy_get(o->body, "trafficPolicy"));
	for (const struct policy_yaml *y = subsets != NULL ? subsets->first : NULL; y != NULL;
	     y = y->next)
		traffic_enforced(c, policy_get(y, "trafficPolicy"));
}

/* Security is never silently open: what asks for protection that is not there. */
static void enforcement_check(struct policy_load *l, const struct policy_object *o)
{
	struct policy_check c;

	check_init(&c, l, o->file);
	switch (o->row->id) {
	case POLICY_PEER_AUTHENTICATION:
		if (l->policy->settings.identity == NULL)
			peer_enforced(&c, o);
		break;
	case POLICY_DESTINATION_RULE:
		if (l->policy->settings.identity == NULL)
			rule_enforced(&c, o);
		break;
	default:
		break;
	}
}

/* The document lends its arena and its diags, so that all that is made of it stays with it. */
static void document_open(struct policy_load *l, struct policy_document *d)
{
	l->document = d;
	l->lent_arena = l->arena;
	l->lent_diags = l->diags;
	l->arena = d->arena;
	l->diags = &d->diags;
}

void policy_document_close(struct policy_load *l)
{
	if (l->document == NULL)
		return;
	l->document->arena = l->arena;
	l->arena = l->lent_arena;
	l->diags = l->lent_diags;
	l->document = NULL;
}

static void document_read(struct policy_load *l, struct policy_document *d, uint32_t nodes,
			  uint32_t copies)
{
	document_open(l, d);
	text_read(l,
		  (struct policy_yaml_reader){ .file = d->file,
					       .bytes = d->bytes,
					       .n = d->n,
					       .line_base = d->line,
					       .nodes = nodes,
					       .copies = copies },
		  &d->roots);
	d->nodes = l->reader.nodes - nodes;
	d->copies = l->reader.copies - copies;
	for (uint32_t k = 0; k < d->roots.n; k++)
		object_add(l, d->file, *(struct policy_yaml **)policy_vec_at(&d->roots, k), 0);
	policy_document_close(l);
	d->whole = 1;
}

/* A load changes what it has of an object. */
static void document_enter(struct policy_load *l, const struct policy_document *d)
{
	struct policy_check c;

	check_init(&c, l, d->file);
	policy_diags_append(l->diags, &d->diags);
	for (uint32_t i = 0; i < d->objects.n; i++) {
		struct policy_object *o = policy_alloc(&l->arena, sizeof(*o));

		*o = **(struct policy_object **)policy_vec_at(&d->objects, i);
		o->layer = l->layer;
		o->text = l->text;
		object_enter(l, &c, o);
	}
}

static void too_many(struct policy_load *l, const struct policy_document *d)
{
	struct policy_yaml at = { .line = d->line + 1, .col = 1 };
	struct policy_check c;

	check_init(&c, l, d->file);
	policy_error(&c, &at, "more than %u values in one file: take a part of it into another",
		     POLICY_YAML_MAX_NODES);
}

static int has_pair(const char *p, size_t n, char first, const char *seconds)
{
	const char *at = p, *end = p + n;

	while ((at = memchr(at, first, (size_t)(end - at))) != NULL)
		if (++at < end && strchr(seconds, *at) != NULL)
			return 1;
	return 0;
}

/* A line of "---" begins a document wherever it stands (YAML 1.2 9.1.2), unless the text has
 * directives, ends documents by "..." or ends lines in a way that is counted otherwise here. */
static int may_split(const char *p, size_t n)
{
	return n > 0 && memchr(p, 0, n) == NULL && *p != '%' && *p != '.' &&
	       memchr(p, '\r', n) == NULL && !has_pair(p, n, '\n', "%.") &&
	       !has_pair(p, n, '\xc2', "\x85") && !has_pair(p, n, '\xe2', "\x80");
}

/* The bytes up to the next document, and how many lines they are. */
static size_t document_bytes(const char *p, size_t n, uint32_t *lines)
{
	const char *at = p, *end = p + n;

	*lines = 0;
	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		++*lines;
		if (end - at >= 3 && memcmp(at, "---", 3) == 0 &&
		    (end - at == 3 || strchr(" \t\n", at[3]) != NULL))
			return (size_t)(at - p);
	}
	return n;
}

static void text_enter(struct policy_load *l, const struct policy_text *t)
{
	int split = t->n <= POLICY_YAML_MAX_BYTES && may_split(t->bytes, t->n);
	uint32_t line = 0, lines = 0, nodes = 0, copies = 0;
	struct policy_cache *cache = &l->policy->documents;

	for (size_t at = 0; at < t->n || at == 0; line += lines) {
		const char *p = t->bytes + at;
		size_t n = split ? document_bytes(p, t->n - at, &lines) : t->n;
		struct policy_document *d = policy_cache_find(cache, t->name, p, n, line);

		if (d == NULL) {
			d = policy_cache_add(cache, t->name, p, n, line, &l->oom);
			if (d == NULL)
				policy_arena_exhausted(&l->arena);
			document_read(l, d, nodes, copies);
		}
		document_enter(l, d);
		nodes += d->nodes;
		copies += d->copies;
		if (nodes > POLICY_YAML_MAX_NODES && d->diags.errors == 0)
			too_many(l, d);
		if (nodes > POLICY_YAML_MAX_NODES || n == 0)
			return;
		at += n;
	}
}

void policy_objects_read(struct policy_load *l, const struct policy_texts *texts)
{
	l->texts = texts;
	for (uint32_t i = 0; i < texts->n; i++) {
		l->layer = texts->rows[i].layer;
		l->text = i;
		text_enter(l, &texts->rows[i]);
	}
	mesh_find(l);
	if (l->diags->errors > l->errors)
		return;
	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o =
			*(struct policy_object **)policy_vec_at(&l->objects, i);

		if (!o->replaced)
			enforcement_check(l, o);
	}
}
