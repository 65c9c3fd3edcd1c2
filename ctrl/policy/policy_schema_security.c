/* SPDX-License-Identifier: Apache-2.0 */
/* PeerAuthentication, AuthorizationPolicy and RequestAuthentication (security.istio.io). */
#include "policy_rules.h"

#define NOW POLICY_NOW
#define INERT POLICY_INERT

static const struct policy_field target_ref_fields[] = {
	POLICY_STR_("group", NOW),
	{ .name = "kind", .type = POLICY_T_STRING, .required = 1, .honour = NOW },
	{ .name = "name", .type = POLICY_T_STRING, .required = 1, .honour = NOW },
	POLICY_STR_("namespace", NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_target_ref = { "PolicyTargetReference", target_ref_fields,
							policy_rule_target_ref };

static const char *const mtls_words[] = { "UNSET", "DISABLE", "PERMISSIVE", "STRICT", NULL };
static const struct policy_field mtls_fields[] = {
	{ .name = "mode",
	  .type = POLICY_T_ENUM,
	  .words = mtls_words,
	  .note = "`STRICT` is refused when the node file has no `identity`" },
	POLICY_END,
};
static const struct policy_schema mtls = { "MutualTLS", mtls_fields };
static const struct policy_field peer_fields[] = {
	POLICY_OBJ("selector", policy_schema_selector, NOW),
	POLICY_OBJ("mtls", mtls, NOW),
	POLICY_OBJMAP("portLevelMtls", mtls, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_peer_authentication = { "PeerAuthentication", peer_fields,
								 policy_rule_peer_authentication };

static const struct policy_field source_fields[] = {
	POLICY_STRS("principals", NOW),
	POLICY_STRS("notPrincipals", NOW),
	POLICY_STRS("requestPrincipals", NOW),
	POLICY_STRS("notRequestPrincipals", NOW),
	POLICY_STRS("namespaces", NOW),
	POLICY_STRS("notNamespaces", NOW),
	POLICY_STRS("ipBlocks", NOW),
	POLICY_STRS("notIpBlocks", NOW),
	POLICY_STRS("remoteIpBlocks", NOW),
	POLICY_STRS("notRemoteIpBlocks", NOW),
	POLICY_STRS("serviceAccounts", NOW),
	POLICY_STRS("notServiceAccounts", NOW),
	POLICY_STRS("trustDomains", NOW),
	POLICY_STRS("notTrustDomains", NOW),
	POLICY_END,
};
static const struct policy_schema source = { "Source", source_fields, policy_rule_authz_source };
static const struct policy_field from_fields[] = {
	{ .name = "source",
	  .type = POLICY_T_OBJECT,
	  .object = &source,
	  .required = 1,
	  .honour = NOW },
	POLICY_END,
};
static const struct policy_schema from = { "Rule.From", from_fields };
static const struct policy_field operation_fields[] = {
	POLICY_STRS("hosts", NOW),
	POLICY_STRS("notHosts", NOW),
	POLICY_STRS("ports", NOW),
	POLICY_STRS("notPorts", NOW),
	POLICY_STRS("methods", NOW),
	POLICY_STRS("notMethods", NOW),
	POLICY_STRS("paths", NOW),
	POLICY_STRS("notPaths", NOW),
	POLICY_END,
};
static const struct policy_schema operation = { "Operation", operation_fields,
						policy_rule_authz_operation };
static const struct policy_field to_fields[] = {
	{ .name = "operation",
	  .type = POLICY_T_OBJECT,
	  .object = &operation,
	  .required = 1,
	  .honour = NOW },
	POLICY_END,
};
static const struct policy_schema to = { "Rule.To", to_fields };
static const struct policy_field condition_fields[] = {
	{ .name = "key", .type = POLICY_T_STRING, .required = 1, .honour = NOW },
	POLICY_STRS("values", NOW),
	POLICY_STRS("notValues", NOW),
	POLICY_END,
};
static const struct policy_schema condition = { "Condition", condition_fields,
						policy_rule_authz_condition };
static const struct policy_field rule_fields[] = {
	POLICY_OBJS("from", from, NOW),
	POLICY_OBJS("to", to, NOW),
	POLICY_OBJS("when", condition, NOW),
	POLICY_END,
};
static const struct policy_schema rule = { "Rule", rule_fields };
static const char *const action_words[] = { "ALLOW", "DENY", "AUDIT", "CUSTOM", NULL };
static const struct policy_field provider_fields[] = {
	POLICY_STR_("name", NOW),
	POLICY_END,
};
static const struct policy_schema provider = { "ExtensionProvider", provider_fields };
static const struct policy_field authz_fields[] = {
	POLICY_OBJ("selector", policy_schema_selector, NOW),
	POLICY_OBJ("targetRef", policy_schema_target_ref, NOW),
	{ .name = "targetRefs",
	  .type = POLICY_T_OBJECT,
	  .shape = POLICY_LIST,
	  .object = &policy_schema_target_ref,
	  .note = "a Service, a ServiceEntry, or an Istio Gateway of the same namespace" },
	POLICY_OBJS("rules", rule, NOW),
	POLICY_ENUM_("action", action_words, NOW),
	{ .name = "provider",
	  .type = POLICY_T_OBJECT,
	  .object = &provider,
	  .note = "no provider is asked: what a CUSTOM rule matches is denied" },
	POLICY_END,
};
const struct policy_schema policy_schema_authorization_policy = {
	"AuthorizationPolicy", authz_fields, policy_rule_authorization_policy
};

static const struct policy_field jwt_header_fields[] = {
	{ .name = "name", .type = POLICY_T_STRING, .required = 1, .honour = NOW },
	POLICY_STR_("prefix", NOW),
	POLICY_END,
};
static const struct policy_schema jwt_header = { "JWTHeader", jwt_header_fields };
static const struct policy_field claim_header_fields[] = {
	{ .name = "header", .type = POLICY_T_STRING, .required = 1, .honour = NOW },
	{ .name = "claim",
	  .type = POLICY_T_STRING,
	  .required = 1,
	  .note = "texts, integers and booleans; `a.b` is b inside a" },
	POLICY_END,
};
static const struct policy_schema claim_header = { "ClaimToHeader", claim_header_fields,
						   policy_rule_claim_header };
static const char *const presence_words[] = { "OPTIONAL", "REQUIRED", NULL };
static const struct policy_field jwt_fields[] = {
	{ .name = "issuer", .type = POLICY_T_STRING, .required = 1, .honour = NOW },
	POLICY_FULLS("audiences", NOW),
	{ .name = "jwksUri",
	  .type = POLICY_T_STRING,
	  .note = "is not fetched: a warning, and tokens of this issuer are refused until the keys stand in `jwks`" },
	{ .name = "jwks",
	  .type = POLICY_T_STRING,
	  .note = "RSA of 2,048 to 8,192 bits, P-256, P-384, P-521, Ed25519; other keys are left out with a warning" },
	POLICY_OBJS("fromHeaders", jwt_header, NOW),
	{ .name = "fromParams",
	  .type = POLICY_T_STRING,
	  .shape = POLICY_LIST,
	  .min = 1,
	  .note = "at most 8" },
	POLICY_FULLS("fromCookies", NOW),
	POLICY_STR_("outputPayloadToHeader", NOW),
	POLICY_BOOL_("forwardOriginalToken", NOW),
	POLICY_OBJS("outputClaimToHeaders", claim_header, NOW),
	POLICY_DUR("timeout", POLICY_MS, INERT),
	POLICY_FULLS("spaceDelimitedClaims", NOW),
	{ .name = "presence",
	  .type = POLICY_T_ENUM,
	  .words = presence_words,
	  .note = "`REQUIRED`: a request without any token is answered with 401" },
	POLICY_END,
};
static const struct policy_schema jwt = { "JWTRule", jwt_fields, policy_rule_jwt };
static const struct policy_field request_fields[] = {
	POLICY_OBJ("selector", policy_schema_selector, NOW),
	POLICY_OBJ("targetRef", policy_schema_target_ref, NOW),
	POLICY_OBJS("targetRefs", policy_schema_target_ref, NOW),
	POLICY_OBJS("jwtRules", jwt, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_request_authentication = {
	"RequestAuthentication", request_fields, policy_rule_request_authentication
};
