/* SPDX-License-Identifier: Apache-2.0 */
/* ServiceEntry, WorkloadEntry, Gateway and Sidecar (networking.istio.io). */
#include "policy_rules.h"

#define NOW POLICY_NOW
#define LATER POLICY_LATER
#define INERT POLICY_INERT
#define UNENFORCED POLICY_UNENFORCED

static const struct policy_field selector_fields[] = {
	POLICY_STRMAP("matchLabels", NOW),
	POLICY_STRMAP("labels", NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_selector = { "WorkloadSelector", selector_fields };

static const struct policy_field workload_fields[] = {
	POLICY_STR_("address", NOW),	    POLICY_INTMAP("ports", 1, 65535, NOW),
	POLICY_STRMAP("labels", NOW),	    POLICY_STR_("network", LATER),
	POLICY_STR_("locality", NOW),	    POLICY_INT_("weight", 0, POLICY_U32, NOW),
	POLICY_STR_("serviceAccount", NOW), POLICY_END,
};
const struct policy_schema policy_schema_workload_entry_spec = { "WorkloadEntry", workload_fields,
								 policy_rule_workload_entry };
const struct policy_schema policy_schema_workload_entry = { "WorkloadEntry", workload_fields,
							    policy_rule_workload_entry };

/* The template only says what its entries were made from. */
static const struct policy_schema group_template = { "WorkloadEntry", workload_fields };
static const struct policy_field group_meta_fields[] = {
	POLICY_STRMAP("labels", INERT),
	POLICY_STRMAP("annotations", INERT),
	POLICY_END,
};
static const struct policy_schema group_meta = { "WorkloadGroup.ObjectMeta", group_meta_fields };
static const struct policy_field probe_header_fields[] = {
	{ .name = "name", .type = POLICY_T_STRING, .required = 1 },
	POLICY_STR_("value", NOW),
	POLICY_END,
};
static const struct policy_schema probe_header = { "HTTPHeader", probe_header_fields };
static const struct policy_field probe_http_fields[] = {
	POLICY_STR_("path", NOW),
	{ .name = "port", .type = POLICY_T_INT, .min = 1, .max = 65535, .required = 1 },
	POLICY_STR_("host", NOW),
	{ .name = "scheme", .type = POLICY_T_STRING, .note = "`HTTP`; `HTTPS` not yet" },
	POLICY_OBJS("httpHeaders", probe_header, NOW),
	POLICY_END,
};
static const struct policy_schema probe_http = { "HTTPHealthCheckConfig", probe_http_fields,
						 policy_rule_probe_http };
static const struct policy_field probe_tcp_fields[] = {
	POLICY_STR_("host", INERT),
	{ .name = "port", .type = POLICY_T_INT, .min = 1, .max = 65535, .required = 1 },
	POLICY_END,
};
static const struct policy_schema probe_tcp = { "TCPHealthCheckConfig", probe_tcp_fields };
static const struct policy_field probe_fields[] = {
	POLICY_INT_("initialDelaySeconds", 0, POLICY_I32, NOW),
	POLICY_INT_("timeoutSeconds", 0, POLICY_I32, NOW),
	POLICY_INT_("periodSeconds", 0, POLICY_I32, NOW),
	POLICY_INT_("successThreshold", 0, POLICY_I32, NOW),
	POLICY_INT_("failureThreshold", 0, POLICY_I32, NOW),
	POLICY_OBJ("httpGet", probe_http, NOW),
	POLICY_OBJ("tcpSocket", probe_tcp, NOW),
	POLICY_ANY_("exec", LATER),
	POLICY_ANY_("grpc", LATER),
	POLICY_END,
};
static const struct policy_schema probe = { "ReadinessProbe", probe_fields, policy_rule_probe };
static const struct policy_field group_fields[] = {
	POLICY_OBJ("metadata", group_meta, INERT),
	POLICY_OBJ("template", group_template, INERT),
	POLICY_OBJ("probe", probe, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_workload_group = { "WorkloadGroup", group_fields };

static const struct policy_field entry_port_fields[] = {
	{ .name = "number", .type = POLICY_T_INT, .min = 1, .max = 65535, .required = 1 },
	POLICY_STR_("protocol", NOW),
	{ .name = "name", .type = POLICY_T_STRING, .required = 1 },
	POLICY_INT_("targetPort", 1, 65535, NOW),
	POLICY_END,
};
static const struct policy_schema entry_port = { "ServicePort", entry_port_fields };

static const char *const location_words[] = { "MESH_EXTERNAL", "MESH_INTERNAL", NULL };
static const char *const resolution_words[] = { "NONE",	       "STATIC", "DNS", "DNS_ROUND_ROBIN",
						"DYNAMIC_DNS", NULL };
static const struct policy_field service_entry_fields[] = {
	POLICY_STRS("hosts", NOW),
	POLICY_STRS("addresses", NOW),
	POLICY_OBJS("ports", entry_port, NOW),
	POLICY_ENUM_("location", location_words, NOW),
	{ .name = "resolution",
	  .type = POLICY_T_ENUM,
	  .words = resolution_words,
	  .note = "`DYNAMIC_DNS` not yet" },
	POLICY_OBJS("endpoints", policy_schema_workload_entry_spec, NOW),
	POLICY_OBJ("workloadSelector", policy_schema_selector, NOW),
	POLICY_STRS("exportTo", NOW),
	POLICY_STRS("subjectAltNames", NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_service_entry = { "ServiceEntry", service_entry_fields,
							   policy_rule_service_entry };

static const struct policy_field gateway_port_fields[] = {
	{ .name = "number", .type = POLICY_T_INT, .min = 1, .max = 65535, .required = 1 },
	{ .name = "protocol", .type = POLICY_T_STRING, .required = 1 },
	{ .name = "name", .type = POLICY_T_STRING, .required = 1 },
	POLICY_INT_("targetPort", 0, 65535, INERT),
	POLICY_END,
};
static const struct policy_schema gateway_port = { "Gateway.Port", gateway_port_fields,
						   policy_rule_gateway_port };

static const char *const server_tls_words[] = {
	"PASSTHROUGH",	"SIMPLE",	   "MUTUAL", "AUTO_PASSTHROUGH",
	"ISTIO_MUTUAL", "OPTIONAL_MUTUAL", NULL
};
static const char *const tls_versions[] = { "TLS_AUTO", "TLSV1_0", "TLSV1_1",
					    "TLSV1_2",	"TLSV1_3", NULL };
static const struct policy_field certificate_fields[] = {
	POLICY_STR_("serverCertificate", NOW),
	POLICY_STR_("privateKey", NOW),
	POLICY_STR_("caCertificates", NOW),
	POLICY_END,
};
static const struct policy_schema certificate = { "ServerTLSSettings.TLSCertificate",
						  certificate_fields };
static const struct policy_field server_tls_fields[] = {
	POLICY_BOOL_("httpsRedirect", NOW),
	{ .name = "mode",
	  .type = POLICY_T_ENUM,
	  .words = server_tls_words,
	  .note = "`AUTO_PASSTHROUGH` not yet" },
	POLICY_STR_("serverCertificate", NOW),
	POLICY_STR_("privateKey", NOW),
	POLICY_STR_("caCertificates", NOW),
	POLICY_STR_("caCrl", NOW),
	POLICY_STR_("credentialName", NOW),
	POLICY_STRS("credentialNames", NOW),
	POLICY_STR_("caCertCredentialName", NOW),
	POLICY_OBJS("tlsCertificates", certificate, NOW),
	POLICY_STRS("subjectAltNames", NOW),
	POLICY_STRS("verifyCertificateSpki", UNENFORCED),
	POLICY_STRS("verifyCertificateHash", UNENFORCED),
	POLICY_ENUM_("minProtocolVersion", tls_versions, NOW),
	POLICY_ENUM_("maxProtocolVersion", tls_versions, NOW),
	POLICY_STRS("cipherSuites", NOW),
	POLICY_STRS("ecdhCurves", NOW),
	POLICY_BOOL_("insecureSkipVerify", LATER),
	POLICY_END,
};
static const struct policy_schema server_tls = { "ServerTLSSettings", server_tls_fields };

static const struct policy_field server_fields[] = {
	{ .name = "port", .type = POLICY_T_OBJECT, .object = &gateway_port, .required = 1 },
	{ .name = "bind", .type = POLICY_T_STRING, .note = "addresses; unix sockets not yet" },
	POLICY_STRS("hosts", NOW),
	POLICY_OBJ("tls", server_tls, NOW),
	POLICY_STR_("defaultEndpoint", INERT),
	POLICY_STR_("name", INERT),
	POLICY_END,
};
static const struct policy_schema server = { "Server", server_fields, policy_rule_server };
static const struct policy_field gateway_fields[] = {
	POLICY_OBJS("servers", server, NOW),
	POLICY_STRMAP("selector", NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_gateway = { "Gateway", gateway_fields,
						     policy_rule_gateway };

static const char *const capture_words[] = { "DEFAULT", "IPTABLES", "NONE", NULL };
static const struct policy_field sidecar_port_fields[] = {
	POLICY_INT_("number", 0, 65535, INERT),
	POLICY_STR_("protocol", INERT),
	POLICY_STR_("name", INERT),
	POLICY_INT_("targetPort", 0, 65535, INERT),
	POLICY_END,
};
static const struct policy_schema sidecar_port = { "SidecarPort", sidecar_port_fields };
static const struct policy_field egress_fields[] = {
	POLICY_OBJ("port", sidecar_port, LATER),
	POLICY_STR_("bind", LATER),
	POLICY_ENUM_("captureMode", capture_words, INERT),
	POLICY_STRS("hosts", NOW),
	POLICY_END,
};
static const struct policy_schema egress = { "IstioEgressListener", egress_fields };
static const struct policy_field ingress_fields[] = {
	POLICY_OBJ("port", sidecar_port, INERT),
	POLICY_STR_("bind", INERT),
	POLICY_ENUM_("captureMode", capture_words, INERT),
	POLICY_STR_("defaultEndpoint", INERT),
	POLICY_OBJ("tls", server_tls, INERT),
	POLICY_OBJ("connectionPool", policy_schema_connection_pool, INERT),
	POLICY_END,
};
static const struct policy_schema ingress = { "IstioIngressListener", ingress_fields };
static const char *const outbound_words[] = { "REGISTRY_ONLY", "ALLOW_ANY", NULL };
static const struct policy_field outbound_fields[] = {
	POLICY_ENUM_("mode", outbound_words, NOW),
	POLICY_OBJ("egressProxy", policy_schema_destination, LATER),
	POLICY_END,
};
static const struct policy_schema outbound = { "OutboundTrafficPolicy", outbound_fields };
static const struct policy_field sidecar_fields[] = {
	POLICY_OBJ("workloadSelector", policy_schema_selector, NOW),
	POLICY_OBJS("ingress", ingress, LATER),
	POLICY_OBJS("egress", egress, NOW),
	POLICY_OBJ("outboundTrafficPolicy", outbound, NOW),
	POLICY_OBJ("inboundConnectionPool", policy_schema_connection_pool, LATER),
	POLICY_END,
};
const struct policy_schema policy_schema_sidecar = { "Sidecar", sidecar_fields,
						     policy_rule_sidecar };
