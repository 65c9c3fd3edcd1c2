/* SPDX-License-Identifier: Apache-2.0 */
/* Delegation: a rule of a VirtualService that stands for the rules of another one, which has no
 * hosts. One level deep. What the root says and the delegate leaves unset holds for the delegate's
 * rules; their matches must fit both. */
#include "policy_model.h"

static struct policy_yaml *map_create(struct policy_load *l, const struct policy_yaml *like,
				      enum policy_yaml_type type)
{
	struct policy_yaml *y = policy_alloc(&l->arena, sizeof(*y));

	*y = *like;
	y->type = (uint8_t)type;
	y->first = y->next = NULL;
	y->n = 0;
	return y;
}

static void child_add(struct policy_load *l, struct policy_yaml *map,
		      const struct policy_yaml *child)
{
	struct policy_yaml *copy = policy_alloc(&l->arena, sizeof(*copy));

	*copy = *child;
	copy->next = map->first;
	map->first = copy;
	map->n++;
}

/* A text that is not in the file, at the place of one that is. */
static void word_add(struct policy_load *l, struct policy_yaml *map, const struct policy_yaml *like,
		     struct hd_str text)
{
	struct policy_yaml y = *like;

	y.text = text;
	child_add(l, map, &y);
}

/* Whether one StringMatch leaves room for the other below it. */
static int string_fits(const struct policy_yaml *root, const struct policy_yaml *leaf)
{
	const struct policy_yaml *prefix = policy_get(root, "prefix"),
				 *exact = policy_get(root, "exact");
	const struct policy_yaml *inner = policy_get(leaf, "exact");

	if (root == NULL || leaf == NULL)
		return 1;
	if (exact != NULL)
		return inner != NULL && hd_str_eq(exact->text, inner->text);
	if (inner == NULL)
		inner = policy_get(leaf, "prefix");
	return prefix != NULL && inner != NULL && inner->text.n >= prefix->text.n &&
	       memcmp(inner->text.p, prefix->text.p, prefix->text.n) == 0;
}

static int listed(const struct policy_yaml *list, struct hd_str word)
{
	for (const struct policy_yaml *y = list->first; y != NULL; y = y->next)
		if (hd_str_eq(y->text, word))
			return 1;
	return 0;
}

static int gateways_fit(const struct policy_yaml *root, const struct policy_yaml *leaf)
{
	if (root == NULL || leaf == NULL || root->n == 0)
		return 1;
	for (const struct policy_yaml *y = leaf->first; y != NULL; y = y->next)
		if (!listed(root, y->text))
			return 0;
	return 1;
}

static int match_fits(const struct policy_yaml *root, const struct policy_yaml *leaf)
{
	static const char *const strings[] = { "uri", "scheme", "method", "authority" };
	const struct policy_yaml *a = policy_get(root, "port"), *b = policy_get(leaf, "port");
	const struct policy_yaml *c = policy_get(root, "sourceNamespace"),
				 *d = policy_get(leaf, "sourceNamespace");

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(strings); i++)
		if (!string_fits(policy_get(root, strings[i]), policy_get(leaf, strings[i])))
			return 0;
	if ((a != NULL && b != NULL && a->i != b->i) ||
	    (c != NULL && d != NULL && !hd_str_eq(c->text, d->text)))
		return 0;
	if (policy_get_int(root, "ignoreUriCase", 0) != policy_get_int(leaf, "ignoreUriCase", 0))
		return 0;
	return gateways_fit(policy_get(root, "gateways"), policy_get(leaf, "gateways"));
}

/* Both maps; the leaf's value where both have a name. */
static void union_add(struct policy_load *l, struct policy_yaml *out,
		      const struct policy_yaml *root, const struct policy_yaml *leaf)
{
	struct policy_yaml *map = map_create(l, leaf, POLICY_YAML_MAP);

	for (const struct policy_yaml *y = leaf->first; y != NULL; y = y->next)
		child_add(l, map, y);
	for (const struct policy_yaml *y = root->first; y != NULL; y = y->next)
		if (policy_yaml_raw(leaf, y->key.p) == NULL)
			child_add(l, map, y);
	child_add(l, out, map);
}

static int is_name(const struct policy_yaml *y)
{
	return y->field != NULL && strcmp(y->field->name, "name") == 0;
}

static void names_join(struct policy_load *l, struct policy_yaml *out,
		       const struct policy_yaml *root, const struct policy_yaml *leaf)
{
	const struct policy_yaml *a = policy_get(root, "name"), *b = policy_get(leaf, "name");

	if (a != NULL && b != NULL)
		word_add(l, out, b,
			 policy_str_printf(&l->arena, "%.*s-%.*s", POLICY_STR(a->text),
					   POLICY_STR(b->text)));
	else if (a != NULL || b != NULL)
		child_add(l, out, a != NULL ? a : b);
}

static struct policy_yaml *match_merge(struct policy_load *l, const struct policy_yaml *root,
				       const struct policy_yaml *leaf)
{
	struct policy_yaml *out = map_create(l, leaf, POLICY_YAML_MAP);

	names_join(l, out, root, leaf);
	for (const struct policy_yaml *y = leaf->first; y != NULL; y = y->next) {
		const struct policy_yaml *same =
			y->field != NULL ? policy_get(root, y->field->name) : NULL;

		if (is_name(y))
			continue;
		if (same != NULL && y->field->shape == POLICY_MAP)
			union_add(l, out, same, y);
		else
			child_add(l, out, y);
	}
	for (const struct policy_yaml *y = root->first; y != NULL; y = y->next)
		if (y->field != NULL && !is_name(y) && policy_get(leaf, y->field->name) == NULL)
			child_add(l, out, y);
	return out;
}

/* Each of the leaf's matches with each of the root's that it fits. NULL: none fits. */
static struct policy_yaml *matches_merge(struct policy_load *l, const struct policy_yaml *root,
					 const struct policy_yaml *leaf)
{
	struct policy_yaml *out = map_create(l, leaf, POLICY_YAML_LIST), **tail = &out->first;

	for (const struct policy_yaml *a = leaf->first; a != NULL; a = a->next)
		for (const struct policy_yaml *b = root->first; b != NULL; b = b->next) {
			if (!match_fits(b, a))
				continue;
			*tail = match_merge(l, b, a);
			tail = &(*tail)->next;
			out->n++;
		}
	return out->n > 0 ? out : NULL;
}

static int matches_add(struct policy_load *l, struct policy_yaml *out,
		       const struct policy_yaml *root, const struct policy_yaml *leaf)
{
	const struct policy_yaml *a = policy_get(root, "match"), *b = policy_get(leaf, "match"),
				 *merged;

	if (a != NULL && a->n == 0)
		a = NULL;
	if (b != NULL && b->n == 0)
		b = NULL;
	merged = a != NULL && b != NULL ? matches_merge(l, a, b) : a != NULL ? a : b;
	if (merged != NULL)
		child_add(l, out, merged);
	return merged != NULL || (a == NULL && b == NULL);
}

/* NULL: no match of the two fits. */
static struct policy_yaml *rule_merge(struct policy_load *l, const struct policy_yaml *root,
				      const struct policy_yaml *leaf)
{
	static const char *const inherited[] = {
		"rewrite", "timeout",	       "retries",    "fault",  "mirror",
		"mirrors", "mirrorPercentage", "corsPolicy", "headers"
	};
	struct policy_yaml *out = map_create(l, leaf, POLICY_YAML_MAP);

	if (!matches_add(l, out, root, leaf))
		return NULL;
	names_join(l, out, root, leaf);
	for (const struct policy_yaml *y = leaf->first; y != NULL; y = y->next)
		if (y->field != NULL && !is_name(y) && strcmp(y->field->name, "match") != 0)
			child_add(l, out, y);
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(inherited); i++) {
		const struct policy_yaml *y = policy_get(root, inherited[i]);

		if (y != NULL && policy_get(leaf, inherited[i]) == NULL)
			child_add(l, out, y);
	}
	return out;
}

static const struct policy_object *delegate_find(struct policy_load *l,
						 const struct policy_object *vs,
						 const struct policy_yaml *delegate)
{
	struct hd_str name = policy_get_str(delegate, "name"),
		      ns = policy_get_str(delegate, "namespace");
	const struct policy_yaml *hosts;
	struct policy_object **found;

	if (ns.n == 0)
		ns = vs->namespace_;
	found = policy_map_get(&l->by_identity,
			       policy_str_printf(&l->arena, "VirtualService %.*s/%.*s",
						 POLICY_STR(ns), POLICY_STR(name)));
	hosts = found != NULL ? policy_get((*found)->body, "hosts") : NULL;
	return found != NULL && (hosts == NULL || hosts->n == 0) ? *found : NULL;
}

static void rule_push(struct policy_load *l, struct policy_vec *out,
		      const struct policy_object *origin, const struct policy_yaml *yaml,
		      uint32_t index)
{
	*(struct policy_rule *)policy_vec_push(&l->arena, out) =
		(struct policy_rule){ yaml, origin, index };
}

static void delegate_expand(struct policy_load *l, const struct policy_object *vs,
			    const struct policy_yaml *root, uint32_t index, struct policy_vec *out)
{
	const struct policy_yaml *delegate = policy_get(root, "delegate");
	const struct policy_object *to = delegate_find(l, vs, delegate);
	const struct policy_yaml *http = to != NULL ? policy_get(to->body, "http") : NULL;
	struct policy_check c;

	policy_object_check(l, vs, &c);
	if (to == NULL) {
		policy_warning(
			&c, delegate,
			"no VirtualService without hosts is called %.*s: this rule has no effect",
			POLICY_STR(policy_get_str(delegate, "name")));
		return;
	}
	for (const struct policy_yaml *leaf = http != NULL ? http->first : NULL; leaf != NULL;
	     leaf = leaf->next) {
		struct policy_yaml *merged =
			policy_get(leaf, "delegate") == NULL ? rule_merge(l, root, leaf) : NULL;

		policy_object_check(l, to, &c);
		if (merged != NULL)
			rule_push(l, out, to, merged, index);
		else
			policy_warning(
				&c, leaf,
				"this rule fits no match of %.*s, which delegates to it: no effect there",
				POLICY_STR(vs->label));
	}
}

void policy_rules_of(struct policy_load *l, const struct policy_object *vs, struct policy_vec *out)
{
	const struct policy_yaml *http = policy_get(vs->body, "http");
	uint32_t index = 0;

	policy_vec_init(out, sizeof(struct policy_rule));
	for (const struct policy_yaml *y = http != NULL ? http->first : NULL; y != NULL;
	     y = y->next, index++)
		if (policy_get(y, "delegate") != NULL)
			delegate_expand(l, vs, y, index, out);
		else
			rule_push(l, out, vs, y, index);
}
