/* SPDX-License-Identifier: Apache-2.0 */
/* The node file: kind DataPlane. */
#include "policy_schema.h"

#define NOW POLICY_NOW
#define REQUIRED(n)                                               \
	{                                                         \
		.name = n, .type = POLICY_T_STRING, .required = 1 \
	}

static const struct policy_field metadata_fields[] = {
	REQUIRED("name"),
	POLICY_STR_("namespace", NOW),
	POLICY_STRMAP("labels", NOW),
	POLICY_STRMAP("annotations", POLICY_INERT),
	POLICY_END,
};
static const struct policy_schema metadata = { "metadata", metadata_fields };

static const char *const side_words[] = { "mesh", "workload", NULL };
static const char *const idle_words[] = { "poll", "adaptive", NULL };
static const char *const format_words[] = { "text", "json", NULL };

static const struct policy_field port_fields[] = {
	REQUIRED("name"),
	REQUIRED("device"),
	{ .name = "side", .type = POLICY_T_ENUM, .words = side_words, .required = 1 },
	POLICY_STRS("addresses", NOW),
	POLICY_INT_("mtu", 576, 9702, NOW),
	POLICY_INT_("vlan", 1, 4094, NOW),
	POLICY_END,
};
static const struct policy_schema port = { "ports", port_fields };
static const struct policy_field route_fields[] = {
	REQUIRED("to"),
	REQUIRED("via"),
	POLICY_END,
};
static const struct policy_schema route = { "routes", route_fields };
static const struct policy_field identity_fields[] = {
	REQUIRED("certificate"),	 REQUIRED("key"), REQUIRED("trustBundle"),
	POLICY_STR_("trustDomain", NOW), POLICY_STR_("crl", NOW),
	POLICY_END,
};
static const struct policy_schema identity = { "identity", identity_fields };
static const struct policy_field control_fields[] = {
	POLICY_STR_("socket", NOW),
	POLICY_END,
};
static const struct policy_schema control = { "control", control_fields };
static const struct policy_field metrics_fields[] = {
	POLICY_STR_("listen", NOW),
	POLICY_END,
};
static const struct policy_schema metrics = { "metrics", metrics_fields };
static const struct policy_field log_fields[] = {
	POLICY_STR_("path", NOW),
	POLICY_ENUM_("format", format_words, NOW),
	POLICY_END,
};
static const struct policy_schema access_log = { "accessLog", log_fields };
static const struct policy_field limits_fields[] = {
	POLICY_INT_("connections", 64, 16777216, NOW),
	POLICY_INT_("mbufs", 1024, 16777216, NOW),
	POLICY_END,
};
static const struct policy_schema limits = { "limits", limits_fields };

static const struct policy_field spec_fields[] = {
	POLICY_STRS("eal", NOW),
	POLICY_INTS("workers", 0, 1023, NOW),
	POLICY_INT_("mainLcore", 0, 1023, NOW),
	POLICY_INT_("handshakeThreads", 0, 16, NOW),
	POLICY_ENUM_("idle", idle_words, NOW),
	{ .name = "ports",
	  .type = POLICY_T_OBJECT,
	  .shape = POLICY_LIST,
	  .object = &port,
	  .required = 1 },
	POLICY_OBJS("routes", route, NOW),
	POLICY_OBJ("identity", identity, NOW),
	POLICY_STR_("defaultNamespace", NOW),
	POLICY_STR_("locality", NOW),
	POLICY_STRS("policy", NOW),
	POLICY_OBJ("control", control, NOW),
	POLICY_OBJ("metrics", metrics, NOW),
	POLICY_OBJ("accessLog", access_log, NOW),
	POLICY_OBJ("limits", limits, NOW),
	POLICY_END,
};
static const struct policy_schema spec = { "spec", spec_fields };

static const struct policy_field node_fields[] = {
	REQUIRED("apiVersion"),
	REQUIRED("kind"),
	{ .name = "metadata", .type = POLICY_T_OBJECT, .object = &metadata, .required = 1 },
	{ .name = "spec", .type = POLICY_T_OBJECT, .object = &spec, .required = 1 },
	POLICY_END,
};
const struct policy_schema policy_schema_node = { "the node file", node_fields };
