/* SPDX-License-Identifier: Apache-2.0 */
/* DestinationRule: what Istio's validation refuses beyond types and ranges. */
#include "policy_rules.h"

#define TABLE_MAX 5000011

static int has(const struct policy_yaml *map, const char *name)
{
	return policy_get(map, name) != NULL;
}

void policy_rule_load_balancer(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *simple = policy_get(map, "simple");

	if (simple != NULL && has(map, "consistentHash"))
		policy_error(c, map, "loadBalancer takes either simple or consistentHash");
	if (has(map, "warmup") && has(map, "warmupDurationSecs"))
		policy_error(c, map, "loadBalancer takes either warmup or warmupDurationSecs");
}

static int prime(int64_t n)
{
	if (n < 2)
		return 0;
	for (int64_t k = 2; k * k <= n; k++)
		if (n % k == 0)
			return 0;
	return 1;
}

void policy_rule_maglev(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *size = policy_get(map, "tableSize");
	int64_t n = size != NULL ? size->i : 0;

	if (n <= 0 || n >= TABLE_MAX || !prime(n))
		policy_error(c, size != NULL ? size : map,
			     "maglev.tableSize must be a prime below %d", TABLE_MAX);
}

void policy_rule_warmup(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *aggression = policy_get(map, "aggression");

	if (aggression != NULL && aggression->d <= 0)
		policy_error(c, aggression, "warmup.aggression must be above 0");
}

static void distribute_check(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *d = list->first; d != NULL; d = d->next) {
		const struct policy_yaml *to = policy_get(d, "to");
		int64_t sum = 0;

		for (const struct policy_yaml *y = to != NULL ? to->first : NULL; y != NULL;
		     y = y->next)
			sum += y->i;
		if (sum != 100)
			policy_error(c, to != NULL ? to : d,
				     "the weights of distribute add up to %lld, not 100",
				     (long long)sum);
	}
}

static void failover_check(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *f = list->first; f != NULL; f = f->next) {
		struct hd_str from = policy_get_str(f, "from"), to = policy_get_str(f, "to");

		if (hd_str_eq(from, to))
			policy_error(c, f, "failover from and to are the same region");
		else if (policy_str_has(from, '/') || policy_str_has(to, '/') ||
			 policy_str_has(from, '*') || policy_str_has(to, '*'))
			policy_error(c, f, "failover takes names of regions only");
	}
}

void policy_rule_locality(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *distribute = policy_get(map, "distribute"),
				 *failover = policy_get(map, "failover");
	int d = distribute != NULL && distribute->n > 0, f = failover != NULL && failover->n > 0;

	if (d && (f || has(map, "failoverPriority")))
		policy_error(c, map, "distribute does not go together with failover");
	if (d)
		distribute_check(c, distribute);
	if (f)
		failover_check(c, failover);
}

void policy_rule_pool_http(struct policy_check *c, struct policy_yaml *map)
{
	if (policy_get_int(map, "h2UpgradePolicy", 0) == 2 &&
	    policy_get_int(map, "useClientProtocol", 0) != 0)
		policy_error(c, policy_get(map, "useClientProtocol"),
			     "useClientProtocol does not go together with h2UpgradePolicy UPGRADE");
}

void policy_rule_outlier(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *local = policy_get(map, "consecutiveLocalOriginFailures");
	const struct policy_yaml *old = policy_get(map, "consecutiveErrors");

	if (local != NULL && local->i > 0 &&
	    policy_get_int(map, "splitExternalLocalOriginErrors", 0) == 0)
		policy_error(c, local,
			     "consecutiveLocalOriginFailures needs splitExternalLocalOriginErrors");
	if (old != NULL)
		policy_warning(c, old,
			       "consecutiveErrors has no effect: it is consecutive5xxErrors today");
}

enum { TLS_DISABLE, TLS_SIMPLE, TLS_MUTUAL, TLS_ISTIO_MUTUAL };

void policy_rule_client_tls(struct policy_check *c, struct policy_yaml *map)
{
	int64_t mode = policy_get_int(map, "mode", TLS_DISABLE);
	int files = has(map, "clientCertificate") || has(map, "privateKey") ||
		    has(map, "caCertificates");

	if (mode == TLS_MUTUAL && !has(map, "credentialName") &&
	    (policy_get_str(map, "clientCertificate").n == 0 ||
	     policy_get_str(map, "privateKey").n == 0))
		policy_error(
			c, map,
			"tls MUTUAL needs clientCertificate and privateKey, or credentialName");
	if (mode != TLS_ISTIO_MUTUAL && has(map, "credentialName") && files)
		policy_error(c, map, "tls takes either credentialName or files");
	if (mode == TLS_ISTIO_MUTUAL && files)
		policy_warning(
			c, map,
			"tls ISTIO_MUTUAL uses the mesh's certificates: the files have no effect");
}

void policy_rule_tunnel(struct policy_check *c, struct policy_yaml *map)
{
	struct hd_str protocol = policy_get_str(map, "protocol");

	if (protocol.n > 0 && !policy_str_is(protocol, "CONNECT") &&
	    !policy_str_is(protocol, "POST"))
		policy_error(c, policy_get(map, "protocol"),
			     "tunnel.protocol must be CONNECT or POST");
}

void policy_rule_traffic_policy(struct policy_check *c, struct policy_yaml *map)
{
	static const char *const blocks[] = { "loadBalancer",	   "connectionPool",
					      "outlierDetection",  "tls",
					      "portLevelSettings", "tunnel",
					      "proxyProtocol",	   "retryBudget" };
	int any = 0;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(blocks); i++)
		any |= has(map, blocks[i]);
	if (!any)
		policy_warning(c, map, "trafficPolicy says nothing");
	if (has(map, "tunnel") && has(map, "proxyProtocol"))
		policy_error(c, map, "tunnel and proxyProtocol do not go together");
}

void policy_rule_subset(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *name = policy_get(map, "name");

	if (name != NULL && !policy_label_valid(name->text))
		policy_error(c, name, "subset name \"%.*s\" is no DNS label",
			     POLICY_STR(name->text));
}

void policy_rule_destination_rule(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *host = policy_get(map, "host");

	if (host != NULL && !policy_host_valid(host->text))
		policy_error(c, host, "host \"%.*s\" is no host name", POLICY_STR(host->text));
	policy_rule_export_to(c, policy_get(map, "exportTo"), 0);
}
