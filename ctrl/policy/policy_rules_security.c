/* SPDX-License-Identifier: Apache-2.0 */
/* The security kinds: what Istio's validation refuses, and what is refused because it is not
 * enforced yet. */
#include <stdlib.h>
#include <strings.h>

#include <heddle/jwt.h>

#include "policy_rules.h"

#define ACCOUNT_MAX 320 /* bytes */
#define ACCOUNTS_MAX 16

enum { MTLS_UNSET, MTLS_DISABLE, MTLS_PERMISSIVE, MTLS_STRICT };
enum { ACTION_ALLOW, ACTION_DENY, ACTION_AUDIT, ACTION_CUSTOM };

static int has(const struct policy_yaml *map, const char *name)
{
	return policy_get(map, name) != NULL;
}

static uint32_t count(const struct policy_yaml *map, const char *name)
{
	const struct policy_yaml *y = policy_get(map, name);

	return y != NULL ? y->n : 0;
}

void policy_rule_peer_authentication(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *ports = policy_get(map, "portLevelMtls");

	policy_rule_selector(c, policy_get(policy_get(map, "selector"), "matchLabels"));
	if (ports == NULL)
		return;
	if (ports->n == 0)
		policy_error(c, ports, "portLevelMtls is empty");
	if (count(policy_get(map, "selector"), "matchLabels") == 0)
		policy_error(c, ports, "portLevelMtls needs a selector");
	for (const struct policy_yaml *y = ports->first; y != NULL; y = y->next) {
		char *end;
		long port = strtol(y->key.p, &end, 10);

		if (*end != '\0' || port < 1 || port > 65535)
			policy_error(c, y, "portLevelMtls: \"%.*s\" is no port",
				     POLICY_STR(y->key));
	}
}

static void values_filled(struct policy_check *c, const struct policy_yaml *map)
{
	for (const struct policy_yaml *f = map->first; f != NULL; f = f->next)
		for (const struct policy_yaml *y = f->type == POLICY_YAML_LIST ? f->first : NULL;
		     y != NULL; y = y->next)
			if (y->type == POLICY_YAML_SCALAR && y->text.n == 0)
				policy_error(c, y, "%s has an empty value",
					     f->field != NULL ? f->field->name : "a list");
}

static void blocks_check(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		if (y->text.n > 0 && !policy_word_subnet(c, y->text))
			policy_error(c, y, "%s: \"%.*s\" is neither an address nor a CIDR block",
				     list->field->name, POLICY_STR(y->text));
}

/* An empty list is a mistake, a map with nothing but unknown fields was warned about and fails
 * closed. */
static void not_empty(struct policy_check *c, const struct policy_yaml *map, const char *what)
{
	int any = map->n > 0;

	for (const struct policy_yaml *f = map->first; f != NULL; f = f->next) {
		if (f->type == POLICY_YAML_LIST && f->n == 0)
			policy_error(c, f, "%s.%.*s is empty", what, POLICY_STR(f->key));
		any &= !f->unset;
	}
	if (!any)
		policy_error(c, map, "%s is empty", what);
}

/* "account" or "namespace/account". */
static void accounts_check(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		const char *slash = memchr(y->text.p, '/', y->text.n);
		uint32_t n = slash != NULL ? (uint32_t)(slash - y->text.p) : y->text.n;
		int whole = n > 0 &&
			    (slash == NULL || (n + 1 < y->text.n &&
					       memchr(slash + 1, '/', y->text.n - n - 1) == NULL));

		if (!whole || policy_str_has(y->text, '*') || y->text.n > ACCOUNT_MAX)
			policy_error(c, y,
				     "\"%.*s\" must be account or namespace/account, without "
				     "wildcards",
				     POLICY_STR(y->text));
	}
	if (list != NULL && list->n > ACCOUNTS_MAX)
		policy_error(c, list, "at most %d accounts are taken", ACCOUNTS_MAX);
}

/* One *, at an end. */
static void domains_check(struct policy_check *c, const struct policy_yaml *list, int no_slash)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		const char *star = memchr(y->text.p, '*', y->text.n);
		uint32_t at = star != NULL ? (uint32_t)(star - y->text.p) : 0;

		if (star != NULL && ((at > 0 && at + 1 < y->text.n) ||
				     memchr(star + 1, '*', y->text.n - at - 1) != NULL))
			policy_error(c, y, "\"%.*s\" may have one *, at its beginning or its end",
				     POLICY_STR(y->text));
		if (no_slash && policy_str_has(y->text, '/'))
			policy_error(c, y, "\"%.*s\" is no trust domain", POLICY_STR(y->text));
	}
}

void policy_rule_authz_source(struct policy_check *c, struct policy_yaml *map)
{
	static const char *const blocks[] = { "ipBlocks", "notIpBlocks", "remoteIpBlocks",
					      "notRemoteIpBlocks" };
	int accounts = has(map, "serviceAccounts") || has(map, "notServiceAccounts");

	not_empty(c, map, "source");
	values_filled(c, map);
	accounts_check(c, policy_get(map, "serviceAccounts"));
	accounts_check(c, policy_get(map, "notServiceAccounts"));
	domains_check(c, policy_get(map, "trustDomains"), 1);
	domains_check(c, policy_get(map, "notTrustDomains"), 1);
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(blocks); i++)
		blocks_check(c, policy_get(map, blocks[i]));
	if (accounts && (has(map, "principals") || has(map, "notPrincipals") ||
			 has(map, "namespaces") || has(map, "notNamespaces")))
		policy_error(c, map,
			     "serviceAccounts does not go together with principals or namespaces");
}

static void ports_check(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		char *end;
		long port = strtol(y->text.p, &end, 10);

		if (*end != '\0' || port < 1 || port > 65535)
			policy_error(c, y, "%s: \"%.*s\" is no port", list->field->name,
				     POLICY_STR(y->text));
	}
}

/* {*} is one segment, {**} any number of characters and the last template of a path. */
static const char *template_wrong(struct hd_str s)
{
	int templates = 0, doubled = 0;

	for (uint32_t i = 0; i < s.n; i++) {
		uint32_t start = i, stars = 0;

		if (s.p[i] == '*')
			return templates > 0 || memchr(s.p, '{', s.n) != NULL
				       ? "a template does not go together with a plain *"
				       : NULL;
		if (s.p[i] == '}')
			return "a } without {";
		if (s.p[i] != '{')
			continue;
		for (i++; i < s.n && s.p[i] == '*'; i++)
			stars++;
		if (i >= s.n || s.p[i] != '}' || stars < 1 || stars > 2)
			return "a template is {*} or {**}";
		if ((start > 0 && s.p[start - 1] != '/') || (i + 1 < s.n && s.p[i + 1] != '/'))
			return "a template is a whole segment";
		if (doubled)
			return "no template may follow {**}";
		doubled = stars == 2;
		templates++;
	}
	return NULL;
}

static void paths_check(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		const char *why = template_wrong(y->text);

		if (why != NULL)
			policy_error(c, y, "%s: \"%.*s\": %s", list->field->name,
				     POLICY_STR(y->text), why);
	}
}

/* Methods are compared as they are, and those of requests are tokens in upper case. */
static void methods_check(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		int lower = 0;

		for (uint32_t i = 0; i < y->text.n; i++)
			lower |= y->text.p[i] >= 'a' && y->text.p[i] <= 'z';
		if (!policy_word_token(y->text))
			policy_warning(c, y, "%s: no request has the method \"%.*s\"",
				       list->field->name, POLICY_STR(y->text));
		else if (lower)
			policy_warning(
				c, y,
				"%s: \"%.*s\" matches no usual request: methods are in upper "
				"case and are compared as they are",
				list->field->name, POLICY_STR(y->text));
	}
}

/* Policy sees a path without its query and fragment. */
static void paths_reach(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		int begins = y->text.n > 0 &&
			     (y->text.p[0] == '/' || y->text.p[0] == '*' || y->text.p[0] == '{');

		if (y->text.n > 0 && (!begins || strcspn(y->text.p, "?# \t\r\n") < y->text.n))
			policy_warning(
				c, y,
				"%s: no request has the path \"%.*s\": paths begin with / and "
				"are compared without query",
				list->field->name, POLICY_STR(y->text));
	}
}

void policy_rule_authz_operation(struct policy_check *c, struct policy_yaml *map)
{
	not_empty(c, map, "operation");
	values_filled(c, map);
	ports_check(c, policy_get(map, "ports"));
	ports_check(c, policy_get(map, "notPorts"));
	paths_check(c, policy_get(map, "paths"));
	paths_check(c, policy_get(map, "notPaths"));
	paths_reach(c, policy_get(map, "paths"));
	paths_reach(c, policy_get(map, "notPaths"));
	methods_check(c, policy_get(map, "methods"));
	methods_check(c, policy_get(map, "notMethods"));
}

static const char *const when_keys[] = { "source.ip",
					 "remote.ip",
					 "source.namespace",
					 "source.serviceAccount",
					 "source.trustDomain",
					 "source.principal",
					 "request.auth.principal",
					 "request.auth.audiences",
					 "request.auth.presenter",
					 "destination.ip",
					 "destination.port",
					 "connection.sni" };
static const char *const when_prefixes[] = { "request.headers[", "request.auth.claims[",
					     "experimental.envoy.filters." };

static int when_key_known(struct hd_str key)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(when_keys); i++)
		if (policy_str_is(key, when_keys[i]))
			return 1;
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(when_prefixes); i++)
		if (policy_str_starts(key, when_prefixes[i]))
			return key.n > strlen(when_prefixes[i]) + 1 &&
			       (i == 2 || key.p[key.n - 1] == ']');
	return 0;
}

void policy_rule_authz_condition(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *key = policy_get(map, "key");
	const char *near;

	if (key == NULL)
		return;
	if (!when_key_known(key->text)) {
		near = policy_nearest(key->text, when_keys, HD_ARRAY_SIZE(when_keys));
		policy_error(c, key, "when does not know the key \"%.*s\"%s%s%s",
			     POLICY_STR(key->text), near != NULL ? ": did you mean " : "",
			     near != NULL ? near : "", near != NULL ? "?" : "");
	}
	if (count(map, "values") + count(map, "notValues") == 0)
		policy_error(c, map, "when needs values or notValues");
	values_filled(c, map);
	if (policy_str_is(key->text, "source.ip") || policy_str_is(key->text, "remote.ip") ||
	    policy_str_is(key->text, "destination.ip")) {
		blocks_check(c, policy_get(map, "values"));
		blocks_check(c, policy_get(map, "notValues"));
	}
	if (policy_str_is(key->text, "source.serviceAccount")) {
		accounts_check(c, policy_get(map, "values"));
		accounts_check(c, policy_get(map, "notValues"));
	}
	if (policy_str_is(key->text, "source.trustDomain")) {
		domains_check(c, policy_get(map, "values"), 0);
		domains_check(c, policy_get(map, "notValues"), 0);
	}
	if (policy_str_is(key->text, "destination.port")) {
		ports_check(c, policy_get(map, "values"));
		ports_check(c, policy_get(map, "notValues"));
	}
}

/* CUSTOM runs before identities are known to the filter chain. */
static void custom_rule(struct policy_check *c, const struct policy_yaml *rule)
{
	static const char *const identities[] = { "principals",	       "notPrincipals",
						  "namespaces",	       "notNamespaces",
						  "serviceAccounts",   "notServiceAccounts",
						  "trustDomains",      "notTrustDomains",
						  "requestPrincipals", "notRequestPrincipals" };
	const struct policy_yaml *from = policy_get(rule, "from"), *when = policy_get(rule, "when");

	for (const struct policy_yaml *f = from != NULL ? from->first : NULL; f != NULL;
	     f = f->next)
		for (uint32_t i = 0; i < HD_ARRAY_SIZE(identities); i++) {
			const struct policy_yaml *y =
				policy_get(policy_get(f, "source"), identities[i]);

			if (y != NULL)
				policy_error(c, y, "%s does not go together with action CUSTOM",
					     identities[i]);
		}
	for (const struct policy_yaml *w = when != NULL ? when->first : NULL; w != NULL;
	     w = w->next) {
		struct hd_str key = policy_get_str(w, "key");

		if (policy_str_starts(key, "request.auth.") ||
		    policy_str_is(key, "source.namespace") ||
		    policy_str_is(key, "source.principal") ||
		    policy_str_is(key, "source.serviceAccount") ||
		    policy_str_is(key, "source.trustDomain"))
			policy_error(c, policy_get(w, "key"),
				     "%.*s does not go together with action CUSTOM",
				     POLICY_STR(key));
	}
}

static void rule_lists(struct policy_check *c, const struct policy_yaml *rule)
{
	static const char *const lists[] = { "from", "to", "when" };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(lists); i++) {
		const struct policy_yaml *y = policy_get(rule, lists[i]);

		if (y != NULL && y->n == 0)
			policy_error(c, y, "%s is empty", lists[i]);
	}
}

/* Of a dotted name: each part a DNS label, or nothing at all. */
static int group_valid(struct hd_str s)
{
	while (s.n > 0) {
		const char *dot = memchr(s.p, '.', s.n);
		uint32_t n = dot != NULL ? (uint32_t)(dot - s.p) : s.n;

		if (!policy_label_valid((struct hd_str){ s.p, n }))
			return 0;
		s.p += n + (dot != NULL);
		s.n -= n + (dot != NULL);
	}
	return 1;
}

static int kind_valid(struct hd_str s)
{
	for (uint32_t i = 0; i < s.n; i++) {
		int letter = (s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'z';
		int other = (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] == '-' && i + 1 < s.n);

		if (!letter && (i == 0 || !other))
			return 0;
	}
	return 1;
}

void policy_rule_target_ref(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *group = policy_get(map, "group"), *kind = policy_get(map, "kind");
	const struct policy_yaml *ns = policy_get(map, "namespace");

	if (group != NULL && !group_valid(group->text))
		policy_error(c, group, "targetRef group \"%.*s\" is no API group",
			     POLICY_STR(group->text));
	if (kind != NULL && !kind_valid(kind->text))
		policy_error(c, kind, "targetRef kind \"%.*s\" is no kind", POLICY_STR(kind->text));
	if (ns != NULL && ns->text.n > 0)
		policy_error(c, ns, "targetRef takes no namespace: it refers to its own");
}

/* Fields that say where a request ends, whom it is for or who sent it are not for tokens to set. */
static int is_ours(struct hd_str name)
{
	static const char *const words[] = { "host",
					     "content-length",
					     "transfer-encoding",
					     "connection",
					     "upgrade",
					     "te",
					     "trailer",
					     "keep-alive",
					     "expect",
					     "x-forwarded-client-cert" };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(words); i++)
		if (name.n == strlen(words[i]) && strncasecmp(name.p, words[i], name.n) == 0)
			return 1;
	return 0;
}

static void output_header(struct policy_check *c, const struct policy_yaml *y)
{
	for (uint32_t i = 0; y != NULL && i < y->text.n; i++) {
		char ch = y->text.p[i];

		if (!((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z') && !(ch >= '0' && ch <= '9') &&
		    ch != '-' && ch != '_') {
			policy_error(c, y, "header \"%.*s\" is no header name",
				     POLICY_STR(y->text));
			return;
		}
	}
	if (y != NULL && is_ours(y->text))
		policy_error(c, y, "header \"%.*s\" cannot be set from a token",
			     POLICY_STR(y->text));
}

void policy_rule_claim_header(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *header = policy_get(map, "header");

	if (header != NULL && header->text.n == 0)
		policy_error(c, header, "header \"\" is no header name");
	output_header(c, header);
}

void policy_rule_tag_override(struct policy_check *c, struct policy_yaml *map)
{
	int removes = policy_get_int(map, "operation", 0) == 1;
	uint32_t n = policy_get_str(map, "value").n;

	if (removes && n > 0)
		policy_error(c, map, "a tag that is removed takes no value");
	else if (!removes && n == 0)
		policy_error(c, map, "a tag needs \"value\"");
}

static void target_check(struct policy_check *c, const struct policy_yaml *map)
{
	int one = has(map, "targetRef"), many = count(map, "targetRefs") > 0;

	policy_rule_selector(c, policy_get(policy_get(map, "selector"), "matchLabels"));
	if (has(map, "selector") + one + many > 1)
		policy_error(c, map, "only one of selector, targetRef and targetRefs is taken");
}

void policy_rule_authorization_policy(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *rules = policy_get(map, "rules");
	int64_t action = policy_get_int(map, "action", ACTION_ALLOW);
	uint32_t n = rules != NULL ? rules->n : 0;

	if (action == ACTION_CUSTOM && policy_get_str(policy_get(map, "provider"), "name").n == 0)
		policy_error(c, map, "action CUSTOM needs provider.name");
	if (action != ACTION_CUSTOM && has(map, "provider"))
		policy_error(c, policy_get(map, "provider"),
			     "provider goes only with action CUSTOM");
	if ((action == ACTION_DENY || action == ACTION_CUSTOM) && n == 0)
		policy_error(c, map, "action %s needs rules: without them it does nothing",
			     action == ACTION_DENY ? "DENY" : "CUSTOM");
	target_check(c, map);
	for (const struct policy_yaml *r = n > 0 ? rules->first : NULL; r != NULL; r = r->next) {
		rule_lists(c, r);
		if (action == ACTION_CUSTOM)
			custom_rule(c, r);
	}
}

void policy_rule_jwt(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *uri = policy_get(map, "jwksUri");

	if (uri != NULL && !policy_str_starts(uri->text, "http://") &&
	    !policy_str_starts(uri->text, "https://"))
		policy_error(c, uri, "jwksUri \"%.*s\" is no http or https URL",
			     POLICY_STR(uri->text));
	if (policy_get_str(map, "issuer").n == 0 && uri == NULL)
		policy_error(c, map, "a JWT rule needs \"issuer\" or \"jwksUri\"");
	if (uri != NULL && has(map, "jwks"))
		policy_error(c, uri, "jwksUri and jwks do not go together");
	output_header(c, policy_get(map, "outputPayloadToHeader"));
	if (count(map, "fromParams") > HD_JWT_PARAMS)
		policy_error(c, policy_get(map, "fromParams"), "at most %d fromParams are taken",
			     HD_JWT_PARAMS);
}

void policy_rule_request_authentication(struct policy_check *c, struct policy_yaml *map)
{
	target_check(c, map);
}
