/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry (telemetry.istio.io) and MeshConfig. */
#include "policy_rules.h"

#define NOW POLICY_NOW
#define LATER POLICY_LATER
#define INERT POLICY_INERT

static const char *const mode_words[] = { "CLIENT_AND_SERVER", "CLIENT", "SERVER", NULL };
static const struct policy_field mode_fields[] = {
	POLICY_ENUM_("mode", mode_words, INERT),
	POLICY_END,
};
static const struct policy_schema mode = { "WorkloadSelector", mode_fields };
static const struct policy_field provider_fields[] = {
	{ .name = "name", .type = POLICY_T_STRING, .required = 1, .honour = INERT },
	POLICY_END,
};
static const struct policy_schema provider = { "ProviderRef", provider_fields };
static const struct policy_field tag_fields[] = {
	POLICY_ANY_("literal", INERT),
	POLICY_ANY_("environment", INERT),
	POLICY_ANY_("header", INERT),
	POLICY_ANY_("formatter", INERT),
	POLICY_END,
};
static const struct policy_schema tag = { "Tracing.CustomTag", tag_fields };
static const struct policy_field tracing_fields[] = {
	POLICY_OBJ("match", mode, INERT),
	POLICY_OBJS("providers", provider, INERT),
	POLICY_DOUBLE_("randomSamplingPercentage", 0, 100, INERT),
	POLICY_BOOL_("disableSpanReporting", INERT),
	POLICY_OBJMAP("customTags", tag, INERT),
	POLICY_BOOL_("useRequestIdForTraceSampling", INERT),
	POLICY_BOOL_("enableIstioTags", INERT),
	POLICY_BOOL_("disableContextPropagation", INERT),
	POLICY_END,
};
static const struct policy_schema tracing = { "Tracing", tracing_fields };
static const char *const metric_words[] = {
	"ALL_METRICS",	      "REQUEST_COUNT",		"REQUEST_DURATION",	  "REQUEST_SIZE",
	"RESPONSE_SIZE",      "TCP_OPENED_CONNECTIONS", "TCP_CLOSED_CONNECTIONS", "TCP_SENT_BYTES",
	"TCP_RECEIVED_BYTES", "GRPC_REQUEST_MESSAGES",	"GRPC_RESPONSE_MESSAGES", NULL
};
static const struct policy_field metric_match_fields[] = {
	POLICY_ENUM_("metric", metric_words, INERT),
	POLICY_FULL("customMetric", INERT),
	POLICY_ENUM_("mode", mode_words, INERT),
	POLICY_END,
};
static const struct policy_schema metric_match = { "MetricSelector", metric_match_fields };
static const char *const tag_words[] = { "UPSERT", "REMOVE", NULL };
static const struct policy_field override_tag_fields[] = {
	POLICY_ENUM_("operation", tag_words, INERT),
	POLICY_STR_("value", INERT),
	POLICY_END,
};
static const struct policy_schema override_tag = { "MetricsOverrides.TagOverride",
						   override_tag_fields, policy_rule_tag_override };
static const struct policy_field override_fields[] = {
	POLICY_OBJ("match", metric_match, INERT),
	POLICY_BOOL_("disabled", INERT),
	POLICY_OBJMAP("tagOverrides", override_tag, INERT),
	POLICY_END,
};
static const struct policy_schema override = { "MetricsOverrides", override_fields };
static const struct policy_field metrics_fields[] = {
	POLICY_OBJS("providers", provider, INERT),
	POLICY_OBJS("overrides", override, INERT),
	POLICY_DUR("reportingInterval", POLICY_MS, INERT),
	POLICY_END,
};
static const struct policy_schema metrics = { "Metrics", metrics_fields };
static const struct policy_field filter_fields[] = {
	POLICY_STR_("expression", INERT),
	POLICY_END,
};
static const struct policy_schema filter = { "AccessLogging.Filter", filter_fields };
static const struct policy_field logging_fields[] = {
	POLICY_OBJ("match", mode, INERT),
	POLICY_OBJS("providers", provider, INERT),
	POLICY_BOOL_("disabled", INERT),
	POLICY_OBJ("filter", filter, INERT),
	POLICY_END,
};
static const struct policy_schema logging = { "AccessLogging", logging_fields };
static const struct policy_field telemetry_fields[] = {
	POLICY_OBJ("selector", policy_schema_selector, INERT),
	POLICY_OBJ("targetRef", policy_schema_target_ref, INERT),
	POLICY_OBJS("targetRefs", policy_schema_target_ref, INERT),
	POLICY_OBJS("tracing", tracing, LATER),
	POLICY_OBJS("metrics", metrics, LATER),
	POLICY_OBJS("accessLogging", logging, LATER),
	POLICY_END,
};
const struct policy_schema policy_schema_telemetry = { "Telemetry", telemetry_fields };

static const char *const outbound_words[] = { "REGISTRY_ONLY", "ALLOW_ANY", "ALLOW_ANY_DYNAMIC_DNS",
					      NULL };
static const struct policy_field outbound_fields[] = {
	POLICY_ENUM_("mode", outbound_words, NOW),
	POLICY_ANY_("tls", LATER),
	POLICY_END,
};
static const struct policy_schema outbound = { "OutboundTrafficPolicy", outbound_fields };
static const struct policy_field keepalive_fields[] = {
	POLICY_INT_("probes", 0, POLICY_U32, NOW),
	POLICY_DUR("time", POLICY_MS, NOW),
	POLICY_DUR("interval", POLICY_MS, NOW),
	POLICY_END,
};
static const struct policy_schema keepalive = { "TcpKeepalive", keepalive_fields };
static const char *const normal_words[] = {
	"DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES", NULL
};
static const struct policy_field normal_fields[] = {
	POLICY_ENUM_("normalization", normal_words, NOW),
	POLICY_END,
};
static const struct policy_schema normal = { "ProxyPathNormalization", normal_fields };
static const char *const encoding_words[] = { "TEXT", "JSON", NULL };
static const char *const h2_words[] = { "DO_NOT_UPGRADE", "UPGRADE", NULL };

static const struct policy_field default_traffic_fields[] = {
	POLICY_OBJ("connectionPool", policy_schema_connection_pool, NOW),
	POLICY_OBJ("outlierDetection", policy_schema_outlier, NOW),
	POLICY_END,
};
static const struct policy_schema default_traffic = { "DefaultTrafficPolicy",
						      default_traffic_fields };

static const struct policy_field mesh_fields[] = {
	POLICY_STR_("rootNamespace", NOW),
	POLICY_DUR("connectTimeout", POLICY_MS, NOW),
	POLICY_OBJ("tcpKeepalive", keepalive, NOW),
	POLICY_OBJ("outboundTrafficPolicy", outbound, NOW),
	POLICY_OBJ("defaultHttpRetryPolicy", policy_schema_retries, NOW),
	POLICY_STRS("defaultVirtualServiceExportTo", NOW),
	POLICY_STRS("defaultDestinationRuleExportTo", NOW),
	POLICY_STRS("defaultServiceExportTo", NOW),
	POLICY_OBJ("pathNormalization", normal, NOW),
	{ .name = "trustDomain", .type = POLICY_T_STRING, .note = "in AuthorizationPolicy; certificates are judged by the node file's `trustDomain`" },
	{ .name = "trustDomainAliases",
	  .type = POLICY_T_STRING,
	  .shape = POLICY_LIST,
	  .note = "in AuthorizationPolicy" },
	POLICY_BOOL_("enableAutoMtls", NOW),
	POLICY_ENUM_("h2UpgradePolicy", h2_words, LATER),
	POLICY_STR_("accessLogFile", LATER),
	POLICY_STR_("accessLogFormat", LATER),
	POLICY_ENUM_("accessLogEncoding", encoding_words, LATER),
	POLICY_BOOL_("enableTracing", LATER),
	POLICY_DUR("protocolDetectionTimeout", 0, LATER),
	POLICY_ANY_("defaultConfig", LATER),
	POLICY_ANY_("inboundTrafficPolicy", LATER),
	POLICY_OBJ("localityLbSetting", policy_schema_locality, NOW),
	POLICY_ANY_("zoneAwareLbSetting", LATER),
	POLICY_ANY_("extensionProviders", LATER),
	POLICY_ANY_("defaultProviders", LATER),
	{ .name = "meshMTLS", .type = POLICY_T_ANY, .note = "`minProtocolVersion`" },
	{ .name = "tlsDefaults", .type = POLICY_T_ANY, .note = "`minProtocolVersion`" },
	POLICY_OBJ("defaultTrafficPolicy", default_traffic, NOW),
	POLICY_ANY_("defaultInboundHttpRetryPolicy", LATER),
	POLICY_ANY_("caCertificates", LATER),
	POLICY_ANY_("serviceSettings", LATER),
	POLICY_ANY_("serviceScopeConfigs", LATER),
	POLICY_ANY_("serviceEntryVisibility", LATER),
	POLICY_DUR("dnsRefreshRate", POLICY_MS, NOW),
	POLICY_DUR("hboneIdleTimeout", 0, LATER),
	POLICY_STR_("inboundClusterStatName", LATER),
	POLICY_STR_("outboundClusterStatName", LATER),
	/* About parts of Istio that are not here. */
	POLICY_INT_("proxyListenPort", 0, 65535, INERT),
	POLICY_INT_("proxyInboundListenPort", 0, 65535, INERT),
	POLICY_INT_("proxyHttpPort", 0, 65535, INERT),
	POLICY_BOOL_("enablePrometheusMerge", INERT),
	POLICY_BOOL_("enableEnvoyAccessLogService", INERT),
	POLICY_BOOL_("disableEnvoyListenerLog", INERT),
	POLICY_BOOL_("verifyCertificateAtClient", INERT),
	POLICY_ANY_("discoverySelectors", INERT),
	POLICY_ANY_("configSources", INERT),
	POLICY_ANY_("certificates", INERT),
	POLICY_ANY_("ca", INERT),
	POLICY_STR_("ingressClass", INERT),
	POLICY_STR_("ingressService", INERT),
	POLICY_STR_("ingressSelector", INERT),
	POLICY_ANY_("ingressControllerMode", INERT),
	POLICY_END,
};
const struct policy_schema policy_schema_mesh_config = { "MeshConfig", mesh_fields };
