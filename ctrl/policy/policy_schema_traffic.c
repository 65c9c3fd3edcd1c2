/* SPDX-License-Identifier: Apache-2.0 */
/* DestinationRule (networking.istio.io). */
#include "policy_rules.h"

#define NOW POLICY_NOW
#define LATER POLICY_LATER
#define INERT POLICY_INERT

/* PASSTHROUGH is last of those with a meaning here; LEAST_CONN is LEAST_REQUEST's old name. */
static const char *const simple_words[] = { "UNSPECIFIED", "LEAST_CONN",    "RANDOM", "PASSTHROUGH",
					    "ROUND_ROBIN", "LEAST_REQUEST", NULL };

static const struct policy_field attribute_fields[] = {
	POLICY_STR_("name", NOW),
	POLICY_STR_("value", NOW),
	POLICY_END,
};
static const struct policy_schema attribute = { "HTTPCookie.Attribute", attribute_fields };
static const struct policy_field cookie_fields[] = {
	{ .name = "name", .type = POLICY_T_STRING, .required = 1 },
	POLICY_STR_("path", NOW),
	POLICY_DUR("ttl", 0, NOW),
	POLICY_OBJS("attributes", attribute, NOW),
	POLICY_END,
};
static const struct policy_schema cookie = { "HTTPCookie", cookie_fields, policy_rule_cookie };
static const struct policy_field ring_fields[] = {
	POLICY_INT_("minimumRingSize", 0, INT64_MAX, NOW),
	POLICY_END,
};
static const struct policy_schema ring = { "RingHash", ring_fields };
static const struct policy_field maglev_fields[] = {
	POLICY_INT_("tableSize", 0, INT64_MAX, NOW),
	POLICY_END,
};
static const struct policy_schema maglev = { "MagLev", maglev_fields, policy_rule_maglev };
static const struct policy_field hash_fields[] = {
	POLICY_STR_("httpHeaderName", NOW),
	POLICY_OBJ("httpCookie", cookie, NOW),
	POLICY_BOOL_("useSourceIp", NOW),
	POLICY_STR_("httpQueryParameterName", NOW),
	POLICY_OBJ("ringHash", ring, NOW),
	POLICY_OBJ("maglev", maglev, NOW),
	POLICY_INT_("minimumRingSize", 0, INT64_MAX, NOW),
	POLICY_END,
};
static const struct policy_schema consistent_hash = { "ConsistentHashLB", hash_fields,
						      policy_rule_hash };

static const struct policy_field distribute_fields[] = {
	POLICY_STR_("from", NOW),
	POLICY_INTMAP("to", 1, 100, NOW),
	POLICY_END,
};
static const struct policy_schema distribute = { "LocalityLoadBalancerSetting.Distribute",
						 distribute_fields };
static const struct policy_field failover_fields[] = {
	POLICY_STR_("from", NOW),
	POLICY_STR_("to", NOW),
	POLICY_END,
};
static const struct policy_schema failover = { "LocalityLoadBalancerSetting.Failover",
					       failover_fields };
static const struct policy_field locality_fields[] = {
	POLICY_OBJS("distribute", distribute, NOW),
	POLICY_OBJS("failover", failover, NOW),
	POLICY_STRS("failoverPriority", NOW),
	POLICY_BOOL_("enabled", NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_locality = { "LocalityLoadBalancerSetting",
						      locality_fields, policy_rule_locality };

static const struct policy_field zone_fields[] = {
	POLICY_BOOL_("enabled", INERT),
	POLICY_OBJS("failover", failover, INERT),
	POLICY_STRS("failoverPriority", INERT),
	POLICY_INT_("minClusterSize", 0, POLICY_U32, INERT),
	POLICY_END,
};
static const struct policy_schema zone_aware = { "ZoneAwareLoadBalancerSetting", zone_fields };

static const struct policy_field warmup_fields[] = {
	{ .name = "duration",
	  .type = POLICY_T_DURATION,
	  .min = POLICY_MS,
	  .max = INT64_MAX,
	  .required = 1,
	  .honour = INERT },
	POLICY_DOUBLE_("minimumPercent", 0, 100, INERT),
	POLICY_DOUBLE_("aggression", 0, 0, INERT),
	POLICY_END,
};
static const struct policy_schema warmup = { "WarmupConfiguration", warmup_fields,
					     policy_rule_warmup };

static const struct policy_field load_balancer_fields[] = {
	POLICY_ENUM_("simple", simple_words, NOW),
	POLICY_OBJ("consistentHash", consistent_hash, NOW),
	POLICY_OBJ("localityLbSetting", policy_schema_locality, NOW),
	POLICY_OBJ("zoneAwareLbSetting", zone_aware, LATER),
	POLICY_DUR("warmupDurationSecs", POLICY_MS, LATER),
	POLICY_OBJ("warmup", warmup, LATER),
	POLICY_ANY_("backendUtilization", LATER),
	POLICY_END,
};
static const struct policy_schema load_balancer = { "LoadBalancerSettings", load_balancer_fields,
						    policy_rule_load_balancer };

static const struct policy_field keepalive_fields[] = {
	POLICY_INT_("probes", 0, POLICY_U32, NOW),
	POLICY_DUR("time", POLICY_MS, NOW),
	POLICY_DUR("interval", POLICY_MS, NOW),
	POLICY_END,
};
static const struct policy_schema keepalive = { "TcpKeepalive", keepalive_fields };
static const struct policy_field pool_tcp_fields[] = {
	POLICY_INT_("maxConnections", 0, POLICY_I32, NOW),
	POLICY_DUR("connectTimeout", POLICY_MS, NOW),
	POLICY_OBJ("tcpKeepalive", keepalive, NOW),
	POLICY_DUR("maxConnectionDuration", POLICY_MS, NOW),
	POLICY_DUR("idleTimeout", 0, NOW),
	POLICY_END,
};
static const struct policy_schema pool_tcp = { "ConnectionPoolSettings.TCPSettings",
					       pool_tcp_fields };

static const char *const h2_words[] = { "DEFAULT", "DO_NOT_UPGRADE", "UPGRADE", NULL };
static const struct policy_field h2_keepalive_fields[] = {
	{ .name = "interval",
	  .type = POLICY_T_DURATION,
	  .min = POLICY_MS,
	  .max = INT64_MAX,
	  .required = 1,
	  .honour = INERT },
	{ .name = "timeout",
	  .type = POLICY_T_DURATION,
	  .min = POLICY_MS,
	  .max = INT64_MAX,
	  .required = 1,
	  .honour = INERT },
	POLICY_END,
};
static const struct policy_schema h2_keepalive = { "HTTP2KeepAlive", h2_keepalive_fields };
static const struct policy_field pool_http_fields[] = {
	POLICY_INT_("http1MaxPendingRequests", 0, POLICY_I32, NOW),
	POLICY_INT_("http2MaxRequests", 0, POLICY_I32, NOW),
	POLICY_INT_("maxRequestsPerConnection", 0, POLICY_I32, NOW),
	POLICY_INT_("maxRetries", 0, POLICY_I32, NOW),
	POLICY_DUR("idleTimeout", POLICY_MS, NOW),
	POLICY_ENUM_("h2UpgradePolicy", h2_words, LATER),
	POLICY_BOOL_("useClientProtocol", LATER),
	POLICY_INT_("maxConcurrentStreams", 0, POLICY_I32, LATER),
	POLICY_OBJ("http2KeepAlive", h2_keepalive, LATER),
	POLICY_END,
};
static const struct policy_schema pool_http = { "ConnectionPoolSettings.HTTPSettings",
						pool_http_fields, policy_rule_pool_http };
static const struct policy_field pool_fields[] = {
	POLICY_OBJ("tcp", pool_tcp, NOW),
	POLICY_OBJ("http", pool_http, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_connection_pool = { "ConnectionPoolSettings", pool_fields,
							     policy_rule_pool };

static const struct policy_field outlier_fields[] = {
	POLICY_INT_("consecutiveErrors", 0, POLICY_I32, INERT),
	POLICY_INT_("consecutive5xxErrors", 0, POLICY_U32, NOW),
	POLICY_INT_("consecutiveGatewayErrors", 0, POLICY_U32, NOW),
	POLICY_BOOL_("splitExternalLocalOriginErrors", NOW),
	POLICY_INT_("consecutiveLocalOriginFailures", 0, POLICY_U32, NOW),
	POLICY_DUR("interval", POLICY_MS, NOW),
	POLICY_DUR("baseEjectionTime", POLICY_MS, NOW),
	POLICY_INT_("maxEjectionPercent", 0, 100, NOW),
	POLICY_INT_("minHealthPercent", 0, 100, NOW),
	POLICY_INTS("outlierDetectionHttpErrorCodes", 100, 599, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_outlier = { "OutlierDetection", outlier_fields,
						     policy_rule_outlier };

static const char *const tls_words[] = { "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL", NULL };
static const struct policy_field client_tls_fields[] = {
	{ .name = "mode",
	  .type = POLICY_T_ENUM,
	  .words = tls_words,
	  .note = "`ISTIO_MUTUAL` is refused when the node file has no `identity`" },
	POLICY_STR_("clientCertificate", NOW),
	POLICY_STR_("privateKey", NOW),
	POLICY_STR_("caCertificates", NOW),
	POLICY_STR_("caCrl", NOW),
	POLICY_STR_("credentialName", NOW),
	POLICY_STRS("subjectAltNames", NOW),
	{ .name = "sni",
	  .type = POLICY_T_STRING,
	  .note = "without it the service's host; without `subjectAltNames` the certificate must "
		  "be of that name" },
	POLICY_BOOL_("insecureSkipVerify", NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_client_tls = { "ClientTLSSettings", client_tls_fields,
							policy_rule_client_tls };

static const struct policy_field port_fields[] = {
	POLICY_INT_("number", 1, 65535, NOW),
	POLICY_END,
};
static const struct policy_schema port = { "PortSelector", port_fields };
static const struct policy_field port_policy_fields[] = {
	{ .name = "port", .type = POLICY_T_OBJECT, .object = &port, .required = 1 },
	POLICY_OBJ("loadBalancer", load_balancer, NOW),
	POLICY_OBJ("connectionPool", policy_schema_connection_pool, NOW),
	POLICY_OBJ("outlierDetection", policy_schema_outlier, NOW),
	POLICY_OBJ("tls", policy_schema_client_tls, NOW),
	POLICY_END,
};
static const struct policy_schema port_policy = { "TrafficPolicy.PortTrafficPolicy",
						  port_policy_fields, policy_rule_traffic_policy };

static const struct policy_field tunnel_fields[] = {
	POLICY_STR_("protocol", INERT),
	{ .name = "targetHost", .type = POLICY_T_STRING, .required = 1, .honour = INERT },
	{ .name = "targetPort",
	  .type = POLICY_T_INT,
	  .min = 1,
	  .max = 65535,
	  .required = 1,
	  .honour = INERT },
	POLICY_END,
};
static const struct policy_schema tunnel = { "TunnelSettings", tunnel_fields, policy_rule_tunnel };
static const char *const proxy_words[] = { "V1", "V2", NULL };
static const struct policy_field proxy_protocol_fields[] = {
	POLICY_ENUM_("version", proxy_words, INERT),
	POLICY_END,
};
static const struct policy_schema proxy_protocol = { "ProxyProtocol", proxy_protocol_fields };
static const struct policy_field budget_fields[] = {
	POLICY_DOUBLE_("percent", 0, 100, NOW),
	POLICY_INT_("minRetryConcurrency", 0, POLICY_U32, NOW),
	POLICY_DUR("budgetInterval", 0, LATER),
	POLICY_END,
};
static const struct policy_schema budget = { "RetryBudget", budget_fields };

static const struct policy_field policy_fields[] = {
	POLICY_OBJ("loadBalancer", load_balancer, NOW),
	POLICY_OBJ("connectionPool", policy_schema_connection_pool, NOW),
	POLICY_OBJ("outlierDetection", policy_schema_outlier, NOW),
	POLICY_OBJ("tls", policy_schema_client_tls, NOW),
	POLICY_OBJS("portLevelSettings", port_policy, NOW),
	POLICY_OBJ("tunnel", tunnel, LATER),
	POLICY_OBJ("proxyProtocol", proxy_protocol, LATER),
	POLICY_OBJ("retryBudget", budget, NOW),
	POLICY_END,
};
static const struct policy_schema traffic_policy = { "TrafficPolicy", policy_fields,
						     policy_rule_traffic_policy };

static const struct policy_field subset_fields[] = {
	{ .name = "name", .type = POLICY_T_STRING, .required = 1 },
	POLICY_STRMAP("labels", NOW),
	POLICY_OBJ("trafficPolicy", traffic_policy, NOW),
	POLICY_END,
};
static const struct policy_schema subset = { "Subset", subset_fields, policy_rule_subset };

static const struct policy_field destination_rule_fields[] = {
	{ .name = "host", .type = POLICY_T_STRING, .required = 1 },
	POLICY_OBJ("trafficPolicy", traffic_policy, NOW),
	POLICY_OBJS("subsets", subset, NOW),
	POLICY_STRS("exportTo", NOW),
	POLICY_OBJ("workloadSelector", policy_schema_selector, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_destination_rule = { "DestinationRule",
							      destination_rule_fields,
							      policy_rule_destination_rule };
