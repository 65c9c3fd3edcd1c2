/* SPDX-License-Identifier: Apache-2.0 */
/* VirtualService (networking.istio.io). */
#include "policy_rules.h"

#define NOW POLICY_NOW
#define LATER POLICY_LATER
#define INERT POLICY_INERT

static const struct policy_field string_match_fields[] = {
	POLICY_STR_("exact", NOW),
	POLICY_STR_("prefix", NOW),
	POLICY_STR_("regex", NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_string_match = { "StringMatch", string_match_fields,
							  policy_rule_string_match };

static const struct policy_field http_match_fields[] = {
	POLICY_STR_("name", NOW),
	POLICY_OBJ("uri", policy_schema_string_match, NOW),
	POLICY_OBJ("scheme", policy_schema_string_match, NOW),
	POLICY_OBJ("method", policy_schema_string_match, NOW),
	POLICY_OBJ("authority", policy_schema_string_match, NOW),
	POLICY_OBJMAP("headers", policy_schema_string_match, NOW),
	POLICY_OBJMAP("withoutHeaders", policy_schema_string_match, NOW),
	POLICY_OBJMAP("queryParams", policy_schema_string_match, NOW),
	POLICY_INT_("port", 1, 65535, NOW),
	POLICY_STRMAP("sourceLabels", NOW),
	POLICY_STR_("sourceNamespace", NOW),
	POLICY_STRS("gateways", NOW),
	POLICY_BOOL_("ignoreUriCase", NOW),
	POLICY_STR_("statPrefix", LATER),
	POLICY_END,
};
static const struct policy_schema http_match = { "HTTPMatchRequest", http_match_fields,
						 policy_rule_http_match };

static const struct policy_field port_fields[] = {
	POLICY_INT_("number", 1, 65535, NOW),
	POLICY_END,
};
static const struct policy_schema port = { "PortSelector", port_fields };

static const struct policy_field destination_fields[] = {
	{ .name = "host", .type = POLICY_T_STRING, .required = 1 },
	POLICY_STR_("subset", NOW),
	POLICY_OBJ("port", port, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_destination = { "Destination", destination_fields,
							 policy_rule_destination };

static const struct policy_field header_fields[] = {
	POLICY_STRMAP("set", NOW),
	POLICY_STRMAP("add", NOW),
	POLICY_STRS("remove", NOW),
	POLICY_END,
};
static const struct policy_schema request_headers = { "HeaderOperations", header_fields,
						      policy_rule_request_headers };
static const struct policy_schema response_headers = { "HeaderOperations", header_fields,
						       policy_rule_response_headers };
static const struct policy_field headers_fields[] = {
	POLICY_OBJ("request", request_headers, NOW),
	POLICY_OBJ("response", response_headers, NOW),
	POLICY_END,
};
static const struct policy_schema headers = { "Headers", headers_fields };

static const struct policy_field http_destination_fields[] = {
	{ .name = "destination",
	  .type = POLICY_T_OBJECT,
	  .object = &policy_schema_destination,
	  .required = 1 },
	POLICY_INT_("weight", 0, POLICY_I32, NOW),
	POLICY_OBJ("headers", headers, NOW),
	POLICY_END,
};
static const struct policy_schema http_destination = { "HTTPRouteDestination",
						       http_destination_fields };

static const struct policy_field regex_rewrite_fields[] = {
	{ .name = "match", .type = POLICY_T_STRING, .note = "up to 128 steps" },
	POLICY_STR_("rewrite", NOW),
	POLICY_END,
};
static const struct policy_schema regex_rewrite = { "RegexRewrite", regex_rewrite_fields };
static const struct policy_field rewrite_fields[] = {
	{ .name = "uri", .type = POLICY_T_STRING, .note = "up to 127 bytes" },
	{ .name = "authority", .type = POLICY_T_STRING, .note = "up to 127 bytes" },
	POLICY_OBJ("uriRegexRewrite", regex_rewrite, NOW),
	POLICY_END,
};
static const struct policy_schema rewrite = { "HTTPRewrite", rewrite_fields, policy_rule_rewrite };

static const char *const derive_words[] = { "FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT", NULL };
static const struct policy_field redirect_fields[] = {
	POLICY_STR_("uri", NOW),
	POLICY_STR_("prefixRewrite", NOW),
	POLICY_STR_("authority", NOW),
	POLICY_STR_("scheme", NOW),
	POLICY_INT_("port", 1, 65535, NOW),
	POLICY_ENUM_("derivePort", derive_words, NOW),
	POLICY_INT_("redirectCode", 0, POLICY_U32, NOW),
	POLICY_END,
};
static const struct policy_schema redirect = { "HTTPRedirect", redirect_fields,
					       policy_rule_redirect };

static const struct policy_field body_fields[] = {
	POLICY_STR_("string", NOW),
	POLICY_STR_("bytes", NOW),
	POLICY_END,
};
static const struct policy_schema body = { "HTTPBody", body_fields };
static const struct policy_field direct_fields[] = {
	{ .name = "status", .type = POLICY_T_INT, .min = 200, .max = 600, .required = 1 },
	{ .name = "body", .type = POLICY_T_OBJECT, .object = &body, .note = "up to 16 KiB" },
	POLICY_END,
};
static const struct policy_schema direct = { "HTTPDirectResponse", direct_fields,
					     policy_rule_direct_response };

static const struct policy_field delegate_fields[] = {
	{ .name = "name", .type = POLICY_T_STRING, .required = 1 },
	POLICY_STR_("namespace", NOW),
	POLICY_END,
};
static const struct policy_schema delegate = { "Delegate", delegate_fields };

static const struct policy_field retries_fields[] = {
	POLICY_INT_("attempts", 0, POLICY_I32, NOW),
	POLICY_DUR("perTryTimeout", POLICY_MS, NOW),
	POLICY_STR_("retryOn", NOW),
	POLICY_BOOL_("retryRemoteLocalities", LATER),
	POLICY_BOOL_("retryIgnorePreviousHosts", NOW),
	POLICY_DUR("backoff", POLICY_MS, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_retries = { "HTTPRetry", retries_fields,
						     policy_rule_retries };

static const struct policy_field percent_fields[] = {
	POLICY_DOUBLE_("value", 0, 100, NOW),
	POLICY_END,
};
static const struct policy_schema percent = { "Percent", percent_fields };
static const struct policy_schema fault_percent = { "Percent", percent_fields,
						    policy_rule_percent };

static const struct policy_field delay_fields[] = {
	POLICY_INT_("percent", 0, 100, NOW),
	POLICY_DUR("fixedDelay", POLICY_MS, NOW),
	POLICY_DUR("exponentialDelay", POLICY_MS, INERT),
	POLICY_OBJ("percentage", fault_percent, NOW),
	POLICY_END,
};
static const struct policy_schema delay = { "HTTPFaultInjection.Delay", delay_fields,
					    policy_rule_delay };
static const struct policy_field abort_fields[] = {
	POLICY_INT_("httpStatus", 200, 600, NOW),
	POLICY_STR_("grpcStatus", NOW),
	POLICY_STR_("http2Error", INERT),
	POLICY_OBJ("percentage", fault_percent, NOW),
	POLICY_END,
};
static const struct policy_schema abort_ = { "HTTPFaultInjection.Abort", abort_fields,
					     policy_rule_abort };
static const struct policy_field fault_fields[] = {
	POLICY_OBJ("delay", delay, NOW),
	POLICY_OBJ("abort", abort_, NOW),
	POLICY_END,
};
static const struct policy_schema fault = { "HTTPFaultInjection", fault_fields, policy_rule_fault };

static const struct policy_field mirrors_fields[] = {
	{ .name = "destination",
	  .type = POLICY_T_OBJECT,
	  .object = &policy_schema_destination,
	  .required = 1 },
	POLICY_OBJ("percentage", percent, NOW),
	POLICY_END,
};
static const struct policy_schema mirrors = { "HTTPMirrorPolicy", mirrors_fields };

static const char *const preflight_words[] = { "UNSPECIFIED", "FORWARD", "IGNORE", NULL };
static const struct policy_field cors_fields[] = {
	POLICY_STRS("allowOrigin", NOW),
	POLICY_OBJS("allowOrigins", policy_schema_string_match, NOW),
	POLICY_STRS("allowMethods", NOW),
	POLICY_STRS("allowHeaders", NOW),
	POLICY_STRS("exposeHeaders", NOW),
	POLICY_DUR("maxAge", POLICY_MS, NOW),
	POLICY_BOOL_("allowCredentials", NOW),
	POLICY_ENUM_("unmatchedPreflights", preflight_words, NOW),
	POLICY_END,
};
static const struct policy_schema cors = { "CorsPolicy", cors_fields, policy_rule_cors };

static const struct policy_field http_route_fields[] = {
	POLICY_STR_("name", NOW),
	POLICY_OBJS("match", http_match, NOW),
	POLICY_OBJS("route", http_destination, NOW),
	POLICY_OBJ("redirect", redirect, NOW),
	POLICY_OBJ("directResponse", direct, NOW),
	POLICY_OBJ("delegate", delegate, NOW),
	POLICY_OBJ("rewrite", rewrite, NOW),
	POLICY_DUR("timeout", POLICY_MS, NOW),
	POLICY_OBJ("retries", policy_schema_retries, NOW),
	POLICY_OBJ("fault", fault, NOW),
	POLICY_OBJ("mirror", policy_schema_destination, NOW),
	POLICY_OBJS("mirrors", mirrors, NOW),
	POLICY_OBJ("mirrorPercentage", percent, NOW),
	POLICY_INT_("mirrorPercent", 0, 100, NOW),
	POLICY_OBJ("corsPolicy", cors, NOW),
	POLICY_OBJ("headers", headers, NOW),
	POLICY_END,
};
static const struct policy_schema http_route = { "HTTPRoute", http_route_fields,
						 policy_rule_http_route };

static const struct policy_field l4_destination_fields[] = {
	{ .name = "destination",
	  .type = POLICY_T_OBJECT,
	  .object = &policy_schema_destination,
	  .required = 1 },
	POLICY_INT_("weight", 0, POLICY_I32, NOW),
	POLICY_END,
};
static const struct policy_schema l4_destination = { "RouteDestination", l4_destination_fields };

static const struct policy_field tls_match_fields[] = {
	{ .name = "sniHosts",
	  .type = POLICY_T_STRING,
	  .shape = POLICY_LIST,
	  .required = 1,
	  .honour = INERT },
	POLICY_STRS("destinationSubnets", INERT),
	POLICY_INT_("port", 1, 65535, INERT),
	POLICY_STRMAP("sourceLabels", INERT),
	POLICY_STRS("gateways", INERT),
	POLICY_STR_("sourceNamespace", INERT),
	POLICY_END,
};
static const struct policy_schema tls_match = { "TLSMatchAttributes", tls_match_fields,
						policy_rule_l4_match };
static const struct policy_field tls_route_fields[] = {
	{ .name = "match",
	  .type = POLICY_T_OBJECT,
	  .shape = POLICY_LIST,
	  .object = &tls_match,
	  .required = 1 },
	POLICY_OBJS("route", l4_destination, INERT),
	POLICY_END,
};
static const struct policy_schema tls_route = { "TLSRoute", tls_route_fields,
						policy_rule_tls_route };

static const struct policy_field tcp_match_fields[] = {
	POLICY_STRS("destinationSubnets", NOW),
	POLICY_INT_("port", 1, 65535, NOW),
	POLICY_STR_("sourceSubnet", INERT),
	POLICY_STRMAP("sourceLabels", NOW),
	POLICY_STRS("gateways", NOW),
	POLICY_STR_("sourceNamespace", NOW),
	POLICY_END,
};
static const struct policy_schema tcp_match = { "L4MatchAttributes", tcp_match_fields,
						policy_rule_l4_match };
static const struct policy_field tcp_route_fields[] = {
	POLICY_OBJS("match", tcp_match, NOW),
	POLICY_OBJS("route", l4_destination, NOW),
	POLICY_END,
};
static const struct policy_schema tcp_route = { "TCPRoute", tcp_route_fields,
						policy_rule_tcp_route };

/* `retries` and `timeout` do not stand here in Istio; their author means every route that has none
 * of its own. */
static const struct policy_field virtual_service_fields[] = {
	POLICY_STRS("hosts", NOW),
	POLICY_STRS("gateways", NOW),
	POLICY_OBJS("http", http_route, NOW),
	POLICY_OBJS("tls", tls_route, NOW),
	{ .name = "tcp", .type = POLICY_T_OBJECT, .shape = POLICY_LIST, .object = &tcp_route },
	POLICY_STRS("exportTo", NOW),
	POLICY_OBJ("retries", policy_schema_retries, NOW),
	POLICY_DUR("timeout", POLICY_MS, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_virtual_service = { "VirtualService",
							     virtual_service_fields,
							     policy_rule_virtual_service };
