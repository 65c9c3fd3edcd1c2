/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes' own objects, and the kinds as a whole. What has no meaning for traffic is listed so
 * that a slip of the pen is still told from a field that exists. */
#include "policy_rules.h"

#define NOW POLICY_NOW
#define LATER POLICY_LATER
#define INERT POLICY_INERT

static const struct policy_field metadata_fields[] = {
	POLICY_STR_("name", NOW),
	POLICY_STR_("namespace", NOW),
	POLICY_STRMAP("labels", NOW),
	POLICY_STRMAP("annotations", NOW),
	POLICY_STR_("creationTimestamp", NOW),
	POLICY_STR_("deletionTimestamp", NOW),
	POLICY_STR_("generateName", INERT),
	POLICY_STR_("resourceVersion", INERT),
	POLICY_STR_("uid", INERT),
	POLICY_STR_("selfLink", INERT),
	POLICY_ANY_("generation", INERT),
	POLICY_ANY_("deletionGracePeriodSeconds", INERT),
	POLICY_ANY_("finalizers", INERT),
	POLICY_ANY_("ownerReferences", INERT),
	POLICY_ANY_("managedFields", INERT),
	POLICY_END,
};
const struct policy_schema policy_schema_metadata = { "ObjectMeta", metadata_fields };

static const char *const protocol_words[] = { "TCP", "UDP", "SCTP", NULL };
static const struct policy_field service_port_fields[] = {
	POLICY_STR_("name", NOW),
	{ .name = "port", .type = POLICY_T_INT, .min = 1, .max = 65535, .required = 1 },
	POLICY_PORTNAME("targetPort", NOW),
	POLICY_ENUM_("protocol", protocol_words, NOW),
	POLICY_STR_("appProtocol", NOW),
	POLICY_INT_("nodePort", 0, 65535, INERT),
	POLICY_END,
};
static const struct policy_schema service_port = { "ServicePort", service_port_fields };
static const char *const affinity_words[] = { "None", "ClientIP", NULL };
static const struct policy_field service_fields[] = {
	POLICY_STR_("type", NOW),
	POLICY_STR_("clusterIP", NOW),
	POLICY_STRS("clusterIPs", NOW),
	POLICY_STRMAP("selector", NOW),
	POLICY_OBJS("ports", service_port, NOW),
	POLICY_BOOL_("publishNotReadyAddresses", NOW),
	POLICY_STRS("externalIPs", LATER),
	POLICY_STR_("externalName", LATER),
	POLICY_ENUM_("sessionAffinity", affinity_words, NOW),
	POLICY_ANY_("sessionAffinityConfig", INERT),
	POLICY_STR_("trafficDistribution", LATER),
	POLICY_ANY_("ipFamilies", INERT),
	POLICY_ANY_("ipFamilyPolicy", INERT),
	POLICY_ANY_("internalTrafficPolicy", INERT),
	POLICY_ANY_("externalTrafficPolicy", INERT),
	POLICY_ANY_("healthCheckNodePort", INERT),
	POLICY_ANY_("allocateLoadBalancerNodePorts", INERT),
	POLICY_ANY_("loadBalancerIP", INERT),
	POLICY_ANY_("loadBalancerClass", INERT),
	POLICY_ANY_("loadBalancerSourceRanges", INERT),
	POLICY_END,
};
const struct policy_schema policy_schema_service = { "Service", service_fields,
						     policy_rule_service };

static const struct policy_field slice_port_fields[] = {
	POLICY_STR_("name", NOW),
	POLICY_INT_("port", 1, 65535, NOW),
	POLICY_ENUM_("protocol", protocol_words, NOW),
	POLICY_STR_("appProtocol", INERT),
	POLICY_END,
};
static const struct policy_schema slice_port = { "EndpointPort", slice_port_fields };
static const struct policy_field conditions_fields[] = {
	POLICY_BOOL_("ready", NOW),
	POLICY_BOOL_("serving", INERT),
	POLICY_BOOL_("terminating", NOW),
	POLICY_END,
};
static const struct policy_schema conditions = { "EndpointConditions", conditions_fields };
static const struct policy_field reference_fields[] = {
	POLICY_STR_("kind", NOW),	  POLICY_STR_("name", NOW),
	POLICY_STR_("namespace", NOW),	  POLICY_STR_("uid", INERT),
	POLICY_STR_("apiVersion", INERT), POLICY_STR_("resourceVersion", INERT),
	POLICY_STR_("fieldPath", INERT),  POLICY_END,
};
static const struct policy_schema reference = { "ObjectReference", reference_fields };
static const struct policy_field endpoint_fields[] = {
	POLICY_STRS("addresses", NOW),
	POLICY_OBJ("conditions", conditions, NOW),
	POLICY_STR_("hostname", INERT),
	POLICY_OBJ("targetRef", reference, NOW),
	POLICY_STR_("nodeName", INERT),
	POLICY_STR_("zone", NOW),
	POLICY_ANY_("hints", INERT),
	POLICY_ANY_("deprecatedTopology", INERT),
	POLICY_END,
};
static const struct policy_schema endpoint = { "Endpoint", endpoint_fields };
static const char *const family_words[] = { "IPv4", "IPv6", "FQDN", NULL };
static const struct policy_field slice_fields[] = {
	POLICY_ENUM_("addressType", family_words, NOW),
	POLICY_OBJS("endpoints", endpoint, NOW),
	POLICY_OBJS("ports", slice_port, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_endpoint_slice = { "EndpointSlice", slice_fields };

static const struct policy_field container_port_fields[] = {
	POLICY_STR_("name", NOW),     POLICY_INT_("containerPort", 1, 65535, NOW),
	POLICY_STR_("protocol", NOW), POLICY_ANY_("hostPort", INERT),
	POLICY_ANY_("hostIP", INERT), POLICY_END,
};
static const struct policy_schema container_port = { "ContainerPort", container_port_fields };
static const struct policy_field container_fields[] = {
	POLICY_STR_("name", NOW),
	POLICY_OBJS("ports", container_port, NOW),
	POLICY_END,
};
static const struct policy_schema container = { "Container", container_fields, NULL, 1 };
static const struct policy_field pod_spec_fields[] = {
	POLICY_STR_("serviceAccountName", NOW),
	POLICY_OBJS("containers", container, NOW),
	POLICY_OBJS("initContainers", container, NOW),
	POLICY_STR_("nodeName", INERT),
	POLICY_END,
};
static const struct policy_schema pod_spec = { "PodSpec", pod_spec_fields, NULL, 1 };
static const struct policy_field pod_ip_fields[] = {
	POLICY_STR_("ip", NOW),
	POLICY_END,
};
static const struct policy_schema pod_ip = { "PodIP", pod_ip_fields };
static const struct policy_field pod_condition_fields[] = {
	POLICY_STR_("type", NOW),
	POLICY_STR_("status", NOW),
	POLICY_END,
};
static const struct policy_schema pod_condition = { "PodCondition", pod_condition_fields, NULL, 1 };
static const struct policy_field pod_status_fields[] = {
	POLICY_STR_("phase", NOW),
	POLICY_STR_("podIP", NOW),
	POLICY_OBJS("podIPs", pod_ip, NOW),
	POLICY_OBJS("conditions", pod_condition, NOW),
	POLICY_END,
};
static const struct policy_schema pod_status = { "PodStatus", pod_status_fields, NULL, 1 };
static const struct policy_field pod_fields[] = {
	POLICY_OBJ("spec", pod_spec, NOW),
	POLICY_OBJ("status", pod_status, NOW),
	POLICY_END,
};
const struct policy_schema policy_schema_pod = { "Pod", pod_fields };

static const struct policy_field namespace_fields[] = {
	POLICY_ANY_("spec", INERT),
	POLICY_ANY_("status", INERT),
	POLICY_END,
};
const struct policy_schema policy_schema_namespace = { "Namespace", namespace_fields };

static const struct policy_field account_fields[] = {
	POLICY_ANY_("secrets", INERT),
	POLICY_ANY_("imagePullSecrets", INERT),
	POLICY_ANY_("automountServiceAccountToken", INERT),
	POLICY_END,
};
const struct policy_schema policy_schema_service_account = { "ServiceAccount", account_fields };

static const struct policy_field secret_fields[] = {
	POLICY_STR_("type", INERT),
	{ .name = "data",
	  .type = POLICY_T_STRING,
	  .shape = POLICY_MAP,
	  .note = "`tls.crt`, `tls.key`, `ca.crt`, `ca.crl` (or `cert`, `key`, `cacert`, `crl`), where a Gateway or a DestinationRule names the Secret" },
	POLICY_STRMAP("stringData", NOW),
	POLICY_ANY_("immutable", INERT),
	POLICY_END,
};
const struct policy_schema policy_schema_secret = { "Secret", secret_fields };

static const struct policy_field config_map_fields[] = {
	POLICY_STRMAP("data", NOW),
	POLICY_ANY_("binaryData", INERT),
	POLICY_ANY_("immutable", INERT),
	POLICY_END,
};
const struct policy_schema policy_schema_config_map = { "ConfigMap", config_map_fields };

#define NETWORKING "networking.istio.io"
#define SECURITY "security.istio.io"

const struct policy_kind_row policy_kinds[POLICY_KINDS] = {
	{ "", "Service", "v1", POLICY_SERVICE, &policy_schema_service },
	{ "discovery.k8s.io", "EndpointSlice", "v1 v1beta1", POLICY_ENDPOINT_SLICE,
	  &policy_schema_endpoint_slice, 0, 1 },
	{ "", "Pod", "v1", POLICY_POD, &policy_schema_pod, 0, 1 },
	{ "", "Namespace", "v1", POLICY_NAMESPACE, &policy_schema_namespace, 0, 1 },
	{ "", "ServiceAccount", "v1", POLICY_SERVICE_ACCOUNT, &policy_schema_service_account, 0,
	  1 },
	{ "", "Secret", "v1", POLICY_SECRET, &policy_schema_secret, 0, 1 },
	{ "", "ConfigMap", "v1", POLICY_CONFIG_MAP, &policy_schema_config_map, 0, 1 },
	{ NETWORKING, "VirtualService", "v1 v1beta1 v1alpha3", POLICY_VIRTUAL_SERVICE,
	  &policy_schema_virtual_service },
	{ NETWORKING, "DestinationRule", "v1 v1beta1 v1alpha3", POLICY_DESTINATION_RULE,
	  &policy_schema_destination_rule },
	{ NETWORKING, "ServiceEntry", "v1 v1beta1 v1alpha3", POLICY_SERVICE_ENTRY,
	  &policy_schema_service_entry },
	{ NETWORKING, "WorkloadEntry", "v1 v1beta1 v1alpha3", POLICY_WORKLOAD_ENTRY,
	  &policy_schema_workload_entry },
	{ NETWORKING, "WorkloadGroup", "v1 v1beta1 v1alpha3", POLICY_WORKLOAD_GROUP,
	  &policy_schema_workload_group },
	{ NETWORKING, "Gateway", "v1 v1beta1 v1alpha3", POLICY_GATEWAY, &policy_schema_gateway },
	{ NETWORKING, "Sidecar", "v1 v1beta1 v1alpha3", POLICY_SIDECAR, &policy_schema_sidecar },
	{ SECURITY, "PeerAuthentication", "v1 v1beta1", POLICY_PEER_AUTHENTICATION,
	  &policy_schema_peer_authentication, 1 },
	{ SECURITY, "AuthorizationPolicy", "v1 v1beta1", POLICY_AUTHORIZATION_POLICY,
	  &policy_schema_authorization_policy, 1 },
	{ SECURITY, "RequestAuthentication", "v1 v1beta1", POLICY_REQUEST_AUTHENTICATION,
	  &policy_schema_request_authentication, 1, 0, "refused until it is enforced" },
	{ "telemetry.istio.io", "Telemetry", "v1 v1alpha1", POLICY_TELEMETRY,
	  &policy_schema_telemetry },
	{ NULL, "MeshConfig", NULL, POLICY_MESH_CONFIG, &policy_schema_mesh_config, 0,
	  1 }, /* any apiVersion or none */
};
