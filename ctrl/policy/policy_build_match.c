/* SPDX-License-Identifier: Apache-2.0 */
/* Matches: whether one can hold on a port and gateway of this node at all, and their texts. */
#include "policy_model.h"

int policy_node_has_labels(const struct policy_load *l, const struct policy_yaml *wanted)
{
	const struct policy_settings *s = &l->policy->settings;

	for (const struct policy_yaml *y = wanted != NULL ? wanted->first : NULL; y != NULL;
	     y = y->next) {
		int found = 0;

		for (uint32_t i = 0; i < s->n_labels; i++)
			found |= policy_str_is(y->key, s->labels[i].key) &&
				 policy_str_is(y->text, s->labels[i].value);
		if (!found)
			return 0;
	}
	return 1;
}

static int gateway_listed(struct policy_load *l, const struct policy_object *origin,
			  struct hd_str wanted, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list->first; y != NULL; y = y->next) {
		struct hd_str name = y->text;

		if (wanted.n == 0 ? policy_str_is(name, "mesh") : hd_str_eq(name, wanted))
			return 1;
		if (wanted.n > 0 && !policy_str_has(name, '/') &&
		    hd_str_eq(policy_str_printf(&l->arena, "%.*s/%.*s",
						POLICY_STR(origin->namespace_), POLICY_STR(name)),
			      wanted))
			return 1;
	}
	return 0;
}

int policy_match_applies(struct policy_load *l, const struct policy_object *origin,
			 const struct policy_route_context *context,
			 const struct policy_yaml *match)
{
	const struct policy_yaml *gateways = policy_get(match, "gateways");
	const struct policy_yaml *namespace_ = policy_get(match, "sourceNamespace");

	if (policy_get_int(match, "port", context->port) != context->port)
		return 0;
	if (gateways != NULL && gateways->n > 0) /* these switch the labels off, as in Istio */
		return gateway_listed(l, origin, context->gateway, gateways);
	if (!policy_node_has_labels(l, policy_get(match, "sourceLabels")))
		return 0;
	return namespace_ == NULL || namespace_->text.n == 0 ||
	       policy_str_is(namespace_->text, l->policy->settings.node_namespace);
}

void policy_build_string_match(struct policy_load *l, const struct policy_object *origin,
			       const struct policy_yaml *y, int prefix_matters,
			       struct hd_string_match *out)
{
	const struct policy_yaml *exact = policy_get(y, "exact"), *prefix = policy_get(y, "prefix");
	const struct policy_yaml *regex = policy_get(y, "regex");
	enum policy_regex_shape shape;
	struct hd_str text;

	*out = (struct hd_string_match){ .kind = HD_MATCH_ANY, .regex = HD_NONE };
	if (exact != NULL || prefix != NULL) {
		out->kind = exact != NULL ? HD_MATCH_EXACT : HD_MATCH_PREFIX;
		out->text = policy_out(l, exact != NULL ? exact->text : prefix->text);
	}
	if (regex == NULL)
		return;
	shape = policy_regex_shape(&l->arena, regex->text, &text);
	if (prefix_matters && shape == POLICY_REGEX_LITERAL_PREFIX)
		shape = POLICY_REGEX_TRUE; /* what is replaced then is the whole path */
	out->kind = shape == POLICY_REGEX_LITERAL	   ? HD_MATCH_EXACT
		    : shape == POLICY_REGEX_LITERAL_PREFIX ? HD_MATCH_PREFIX
							   : HD_MATCH_REGEX;
	out->text = policy_out(l, shape == POLICY_REGEX_TRUE ? regex->text : text);
	if (shape != POLICY_REGEX_TRUE)
		return;
	out->regex = policy_regex_set_add(&l->regexes, out->text);
	if (out->regex == l->regex_places.n)
		*(struct policy_regex_place *)policy_vec_push(&l->arena, &l->regex_places) =
			(struct policy_regex_place){ origin->file, regex };
}
