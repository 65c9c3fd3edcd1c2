/* SPDX-License-Identifier: Apache-2.0 */
/* What is decided before any request: whether a match can hold on a port and gateway, and which
 * cluster a destination is. */
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
