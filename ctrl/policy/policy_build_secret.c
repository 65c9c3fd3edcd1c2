/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets as Gateways and DestinationRules name them: `tls.crt`, `tls.key`, `ca.crt`, `ca.crl` in
 * base64 under data, or as they are under stringData; and Istio's older names cert, key, cacert. */
#include "policy_build_tls.h"

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Standard base64 with padding; white space between is nobody's business. -1: it is none. */
static int base64_decode(struct hd_str in, char *out, uint32_t *n)
{
	uint32_t bits = 0, have = 0, at = 0;

	for (uint32_t i = 0; i < in.n; i++) {
		int d = digit_of(in.p[i]);

		if (in.p[i] == '=' || in.p[i] == '\n' || in.p[i] == '\r' || in.p[i] == ' ')
			continue;
		if (d < 0)
			return -1;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[at++] = (char)(bits >> have);
		}
	}
	*n = at;
	return 0;
}

static struct hd_str value_decode(struct policy_load *l, const struct policy_object *secret,
				  const struct policy_yaml *y)
{
	struct hd_str out = { policy_alloc(&l->arena, y->text.n + 1), 0 };
	struct policy_check c;

	if (base64_decode(y->text, (char *)out.p, &out.n) == 0)
		return out;
	policy_object_check(l, secret, &c);
	policy_error(&c, y, "%.*s is no base64", POLICY_STR(y->key));
	return (struct hd_str){ "", 0 };
}

/* The first of the names that the Secret has; empty: none. */
static struct hd_str value_of(struct policy_load *l, const struct policy_object *secret,
			      const char *const names[2])
{
	const struct policy_yaml *data = policy_get(secret->body, "data"),
				 *plain = policy_get(secret->body, "stringData");

	for (uint32_t i = 0; i < 2; i++) {
		const struct policy_yaml *y =
			plain != NULL ? policy_yaml_raw(plain, names[i]) : NULL;

		if (y != NULL)
			return y->text;
		y = data != NULL ? policy_yaml_raw(data, names[i]) : NULL;
		if (y != NULL)
			return value_decode(l, secret, y);
	}
	return (struct hd_str){ "", 0 };
}

static const char *const chain_names[] = { "tls.crt", "cert" };
static const char *const key_names[] = { "tls.key", "key" };
static const char *const root_names[] = { "ca.crt", "cacert" };
static const char *const crl_names[] = { "ca.crl", "crl" };

/* "ns/name", else a name in the namespace of the gateway, which is this node's, else in the
 * object's own. */
static const struct policy_object *secret_find(struct policy_load *l, const struct policy_object *o,
					       struct hd_str name)
{
	struct hd_str places[] = { policy_str(l->policy->settings.node_namespace), o->namespace_ };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(places); i++) {
		struct hd_str key =
			policy_str_has(name, '/')
				? policy_str_printf(&l->arena, "Secret %.*s", POLICY_STR(name))
				: policy_str_printf(&l->arena, "Secret %.*s/%.*s",
						    POLICY_STR(places[i]), POLICY_STR(name));
		struct policy_object **found = policy_map_get(&l->by_identity, key);

		if (found != NULL)
			return *found;
	}
	return NULL;
}

uint32_t policy_tls_secret_credential(struct policy_load *l, const struct policy_object *o,
				      const struct policy_yaml *at, struct hd_str name)
{
	const struct policy_object *secret = secret_find(l, o, name);
	struct policy_tls_credential c = { .source = policy_source(l, o, at) };
	struct policy_check check;

	policy_object_check(l, o, &check);
	if (secret == NULL) {
		policy_warning(&check, at,
			       "there is no Secret \"%.*s\": connections that need it are refused",
			       POLICY_STR(name));
		c.name = policy_str_printf(&l->arena, "Secret %.*s (missing)", POLICY_STR(name));
		return policy_tls_credential_add(l, &c);
	}
	c.name = secret->label;
	c.chain.pem = value_of(l, secret, chain_names);
	c.key.pem = value_of(l, secret, key_names);
	if (c.chain.pem.n == 0 || c.key.pem.n == 0)
		policy_warning(
			&check, at,
			"%.*s has no tls.crt and tls.key: connections that need it are refused",
			POLICY_STR(secret->label));
	return policy_tls_credential_add(l, &c);
}

/* Of "shop" the roots stand in it, or in a Secret "shop-cacert". */
uint32_t policy_tls_secret_roots(struct policy_load *l, const struct policy_object *o,
				 const struct policy_yaml *at, struct hd_str name)
{
	struct hd_str beside = policy_str_printf(&l->arena, "%.*s-cacert", POLICY_STR(name));
	const struct policy_object *secrets[] = { secret_find(l, o, beside),
						  secret_find(l, o, name) };
	struct policy_tls_bundle b = { .source = policy_source(l, o, at) };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(secrets); i++) {
		if (secrets[i] == NULL)
			continue;
		b.roots.pem = value_of(l, secrets[i], root_names);
		b.crl.pem = value_of(l, secrets[i], crl_names);
		if (b.roots.pem.n == 0)
			continue;
		b.name = secrets[i]->label;
		return policy_tls_bundle_add(l, &b);
	}
	return HD_NONE;
}
