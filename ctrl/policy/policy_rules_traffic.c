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

void policy_rule_hash(struct policy_check *c, struct policy_yaml *map)
{
	int by = has(map, "httpHeaderName") + has(map, "httpCookie") +
		 has(map, "httpQueryParameterName") + (policy_get_int(map, "useSourceIp", 0) != 0);
	int tables = has(map, "ringHash") + has(map, "maglev") +
		     (policy_get_int(map, "minimumRingSize", 0) != 0);

	if (by > 1)
		policy_error(c, map,
			     "consistentHash hashes one thing: keep one of httpHeaderName, "
			     "httpCookie, httpQueryParameterName and useSourceIp");
	if (tables > 1)
		policy_error(c, map,
			     "consistentHash takes one of ringHash, maglev and minimumRingSize");
}

void policy_rule_cookie(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *list = policy_get(map, "attributes");

	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		const struct policy_yaml *name = policy_get(y, "name");

		if (name == NULL || name->text.n == 0) {
			policy_error(c, y, "an attribute of a cookie needs \"name\"");
			continue;
		}
		for (const struct policy_yaml *o = list->first; o != y; o = o->next)
			if (hd_str_eq(policy_get_str(o, "name"), name->text))
				policy_error(c, y, "attribute \"%.*s\" is given twice",
					     POLICY_STR(name->text));
	}
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

/* region, region/zone or region/zone/subzone; a single * may stand at the end. */
static int locality_valid(struct hd_str s)
{
	uint32_t parts = 0, start = 0;

	for (uint32_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] == '*' && i + 1 != s.n)
			return 0;
		if (i < s.n && (s.p[i] != '/' || parts == 2))
			continue;
		if (i == start)
			return 0;
		start = i + 1;
		parts++;
	}
	return 1;
}

/* Whether all of `s` lies in `o`: "a", "a/" with a star and "a/b" contain "a/b/c". */
static int locality_covers(struct hd_str o, struct hd_str s)
{
	if (o.n > 0 && o.p[o.n - 1] == '*')
		o.n--;
	if (o.n > 0 && o.p[o.n - 1] == '/')
		o.n--;
	return o.n == 0 ||
	       (s.n >= o.n && memcmp(o.p, s.p, o.n) == 0 && (s.n == o.n || s.p[o.n] == '/'));
}

/* One after those before it in its list. */
static void locality_check(struct policy_check *c, const struct policy_yaml *at, struct hd_str s,
			   const struct hd_str *before, uint32_t n)
{
	if (!locality_valid(s))
		policy_error(
			c, at,
			"locality \"%.*s\" must be region, region/zone or region/zone/subzone, "
			"with a * only at its end",
			POLICY_STR(s));
	for (uint32_t i = 0; i < n; i++)
		if (locality_covers(before[i], s)) {
			policy_error(c, at, "locality \"%.*s\" overlaps \"%.*s\"", POLICY_STR(s),
				     POLICY_STR(before[i]));
			return;
		}
}

static void localities_check(struct policy_check *c, const struct policy_yaml *distribute)
{
	struct hd_str *from = policy_alloc_array(c->arena, distribute->n, sizeof(*from));
	uint32_t n = 0;

	for (const struct policy_yaml *d = distribute->first; d != NULL; d = d->next) {
		const struct policy_yaml *to = policy_get(d, "to"), *at = policy_get(d, "from");
		struct hd_str *keys =
			policy_alloc_array(c->arena, to != NULL ? to->n : 0, sizeof(*keys));
		uint32_t k = 0;

		from[n] = policy_get_str(d, "from");
		locality_check(c, at != NULL ? at : d, from[n], from, n);
		n++;
		for (const struct policy_yaml *y = to != NULL ? to->first : NULL; y != NULL;
		     y = y->next) {
			locality_check(c, y, y->key, keys, k);
			keys[k++] = y->key;
		}
	}
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
	if (d) {
		distribute_check(c, distribute);
		localities_check(c, distribute);
	}
	if (f)
		failover_check(c, failover);
}

void policy_rule_pool(struct policy_check *c, struct policy_yaml *map)
{
	if (!has(map, "tcp") && !has(map, "http"))
		policy_error(c, map, "connectionPool needs tcp or http");
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

	if (policy_get_int(map, "insecureSkipVerify", 0) != 0 &&
	    ((mode == TLS_SIMPLE && (has(map, "caCertificates") || has(map, "credentialName") ||
				     has(map, "subjectAltNames"))) ||
	     (mode == TLS_MUTUAL && (has(map, "caCertificates") || has(map, "subjectAltNames")))))
		policy_error(c, map,
			     "insecureSkipVerify verifies nothing: it does not go together with "
			     "caCertificates, credentialName or subjectAltNames");
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

	const struct policy_yaml *host = policy_get(map, "targetHost");

	if (host != NULL && !policy_host_valid(host->text))
		policy_error(c, host, "targetHost \"%.*s\" is neither a name nor an address",
			     POLICY_STR(host->text));
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
		policy_error(c, map,
			     "trafficPolicy says nothing: give it a block, or leave it out");
	if (has(map, "tunnel") && has(map, "proxyProtocol"))
		policy_error(c, map, "tunnel and proxyProtocol do not go together");
}

void policy_rule_subset(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *name = policy_get(map, "name");

	if (name != NULL && !policy_label_valid(name->text))
		policy_error(c, name, "subset name \"%.*s\" is no DNS label",
			     POLICY_STR(name->text));
	policy_rule_labels(c, policy_get(map, "labels"));
}

static void subsets_once(struct policy_check *c, const struct policy_yaml *list)
{
	struct policy_map seen;

	policy_map_init(&seen, c->arena);
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		const struct policy_yaml *name = policy_get(y, "name");

		if (name != NULL && policy_map_add(&seen, name->text, (void *)y) != NULL)
			policy_error(c, name, "subset \"%.*s\" is given twice: keep one",
				     POLICY_STR(name->text));
	}
}

/* It speaks for the workloads of its own namespace. */
static void selecting_rule(struct policy_check *c, const struct policy_yaml *map)
{
	const struct policy_yaml *selector = policy_get(map, "workloadSelector"),
				 *to = policy_get(map, "exportTo");

	policy_rule_selector(c, policy_get(selector, "matchLabels"));
	for (const struct policy_yaml *y = selector != NULL && to != NULL ? to->first : NULL;
	     y != NULL; y = y->next)
		if (policy_str_is(y->text, "*"))
			policy_error(
				c, y,
				"a DestinationRule with workloadSelector is exported to its own "
				"namespace only: write \".\"");
}

void policy_rule_destination_rule(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *host = policy_get(map, "host");

	if (host != NULL && !policy_host_valid(host->text))
		policy_error(c, host, "host \"%.*s\" is no host name", POLICY_STR(host->text));
	policy_rule_export_to(c, policy_get(map, "exportTo"), 0);
	subsets_once(c, policy_get(map, "subsets"));
	selecting_rule(c, map);
}
