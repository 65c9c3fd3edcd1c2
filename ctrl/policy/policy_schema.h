/* SPDX-License-Identifier: Apache-2.0 */
/* What objects look like: a table a kind, one row a field. The walk over a table checks names,
 * types, ranges and says what is not honoured yet; `check` functions of single objects hold what a
 * row cannot say. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "policy_yaml.h"

enum policy_type {
	POLICY_T_STRING, /* at least min bytes; one when it is required */
	POLICY_T_BOOL,
	POLICY_T_INT,	   /* min..max */
	POLICY_T_DOUBLE,   /* min..max */
	POLICY_T_DURATION, /* min..max in ns; whole milliseconds */
	POLICY_T_ENUM,
	POLICY_T_OBJECT,
	POLICY_T_PORT_OR_NAME, /* IntOrString */
	POLICY_T_ANY,	       /* not looked into */
};

enum policy_shape { POLICY_ONE, POLICY_LIST, POLICY_MAP };

enum policy_honour {
	POLICY_NOW,	   /* does what Istio does */
	POLICY_INERT,	   /* has no effect on a data plane */
	POLICY_LATER,	   /* known, not honoured yet: a warning that names it */
	POLICY_UNENFORCED, /* asks for protection that is not there yet: an error unless allowed */
};

struct policy_schema;

struct policy_field {
	const char *name; /* lowerCamelCase */
	uint8_t type, shape, honour;
	uint8_t required;
	const struct policy_schema *object;
	const char *const *words; /* of an enum, in the order of its numbers */
	int64_t min, max;	  /* both 0: any */
	const char *note;	  /* for the reference page: what of it is honoured */
};

struct policy_check;

struct policy_schema {
	const char *name;
	const struct policy_field *fields; /* ends with a nameless one */
	void (*check)(struct policy_check *c, struct policy_yaml *map);
	uint8_t open; /* other fields are nobody's business */
};

/* One walk over one object. */
struct policy_check {
	struct policy_arena *arena;
	struct policy_diags *diags;
	const char *file;
	uint8_t strict;	  /* unknown fields are errors */
	uint8_t security; /* unknown fields fail closed, the warning says so */
	uint8_t allow_unenforced;
	struct policy_map warned; /* by field, once an object */
};

void policy_check_object(struct policy_check *c, const struct policy_schema *schema,
			 struct policy_yaml *map);

/* The child of a checked map, by the field's name; NULL when absent, null or refused. */
struct policy_yaml *policy_get(const struct policy_yaml *map, const char *name);
/* Values with a default. */
struct hd_str policy_get_str(const struct policy_yaml *map, const char *name);
int64_t policy_get_int(const struct policy_yaml *map, const char *name, int64_t otherwise);

/* Rows at the place of y: of the key for maps and lists, of the value for scalars. */
void policy_error(struct policy_check *c, const struct policy_yaml *y, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void policy_warning(struct policy_check *c, const struct policy_yaml *y, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void policy_unenforced(struct policy_check *c, const struct policy_yaml *y, const char *what);
uint32_t policy_line(const struct policy_yaml *y);
uint32_t policy_col(const struct policy_yaml *y);

/* The nearest of the names to a word, or NULL when none is near. */
const char *policy_nearest(struct hd_str word, const char *const *names, uint32_t n);

/* Go's time.ParseDuration. 0, or -1 when the text is none. */
int policy_duration_parse(struct hd_str text, int64_t *ns);

/* Rows of a table. */
#define POLICY_STR_(n, h)                                       \
	{                                                       \
		.name = n, .type = POLICY_T_STRING, .honour = h \
	}
#define POLICY_STRS(n, h)                                                             \
	{                                                                             \
		.name = n, .type = POLICY_T_STRING, .shape = POLICY_LIST, .honour = h \
	}
#define POLICY_FULL(n, h)                                                 \
	{                                                                 \
		.name = n, .type = POLICY_T_STRING, .min = 1, .honour = h \
	}
#define POLICY_FULLS(n, h)                                                                      \
	{                                                                                       \
		.name = n, .type = POLICY_T_STRING, .shape = POLICY_LIST, .min = 1, .honour = h \
	}
#define POLICY_STRMAP(n, h)                                                          \
	{                                                                            \
		.name = n, .type = POLICY_T_STRING, .shape = POLICY_MAP, .honour = h \
	}
#define POLICY_BOOL_(n, h)                                    \
	{                                                     \
		.name = n, .type = POLICY_T_BOOL, .honour = h \
	}
#define POLICY_INT_(n, lo, hi, h)                                                  \
	{                                                                          \
		.name = n, .type = POLICY_T_INT, .min = lo, .max = hi, .honour = h \
	}
#define POLICY_INTS(n, lo, hi, h)                                                            \
	{                                                                                    \
		.name = n, .type = POLICY_T_INT, .shape = POLICY_LIST, .min = lo, .max = hi, \
		.honour = h                                                                  \
	}
#define POLICY_INTMAP(n, lo, hi, h)                                                         \
	{                                                                                   \
		.name = n, .type = POLICY_T_INT, .shape = POLICY_MAP, .min = lo, .max = hi, \
		.honour = h                                                                 \
	}
#define POLICY_DOUBLE_(n, lo, hi, h)                                                  \
	{                                                                             \
		.name = n, .type = POLICY_T_DOUBLE, .min = lo, .max = hi, .honour = h \
	}
#define POLICY_DUR(n, lo, h)                                                                   \
	{                                                                                      \
		.name = n, .type = POLICY_T_DURATION, .min = lo, .max = INT64_MAX, .honour = h \
	}
#define POLICY_ENUM_(n, w, h)                                             \
	{                                                                 \
		.name = n, .type = POLICY_T_ENUM, .words = w, .honour = h \
	}
#define POLICY_OBJ(n, s, h)                                                   \
	{                                                                     \
		.name = n, .type = POLICY_T_OBJECT, .object = &s, .honour = h \
	}
#define POLICY_OBJS(n, s, h)                                                            \
	{                                                                               \
		.name = n, .type = POLICY_T_OBJECT, .shape = POLICY_LIST, .object = &s, \
		.honour = h                                                             \
	}
#define POLICY_OBJMAP(n, s, h)                                                                     \
	{                                                                                          \
		.name = n, .type = POLICY_T_OBJECT, .shape = POLICY_MAP, .object = &s, .honour = h \
	}
#define POLICY_PORTNAME(n, h)                                         \
	{                                                             \
		.name = n, .type = POLICY_T_PORT_OR_NAME, .honour = h \
	}
#define POLICY_ANY_(n, h)                                    \
	{                                                    \
		.name = n, .type = POLICY_T_ANY, .honour = h \
	}
#define POLICY_END           \
	{                    \
		.name = NULL \
	}

#define POLICY_MS 1000000 /* the shortest duration that Istio takes */
#define POLICY_U32 4294967295LL
#define POLICY_I32 2147483647LL

/* The kinds. */
enum policy_kind {
	POLICY_SERVICE,
	POLICY_ENDPOINT_SLICE,
	POLICY_POD,
	POLICY_NAMESPACE,
	POLICY_SERVICE_ACCOUNT,
	POLICY_SECRET,
	POLICY_CONFIG_MAP,
	POLICY_VIRTUAL_SERVICE,
	POLICY_DESTINATION_RULE,
	POLICY_SERVICE_ENTRY,
	POLICY_WORKLOAD_ENTRY,
	POLICY_WORKLOAD_GROUP,
	POLICY_GATEWAY,
	POLICY_SIDECAR,
	POLICY_PEER_AUTHENTICATION,
	POLICY_AUTHORIZATION_POLICY,
	POLICY_REQUEST_AUTHENTICATION,
	POLICY_TELEMETRY,
	POLICY_MESH_CONFIG,
	POLICY_KINDS
};

struct policy_kind_row {
	const char *group, *kind; /* group: "networking.istio.io", "" for v1 */
	const char *versions;	  /* "v1 v1beta1 v1alpha3" */
	enum policy_kind id;
	const struct policy_schema *schema;
	uint8_t security;
	uint8_t flat;	  /* the schema's fields stand beside metadata, not under spec */
	const char *note; /* for the reference page */
};

extern const struct policy_kind_row policy_kinds[POLICY_KINDS];

extern const struct policy_schema policy_schema_service, policy_schema_endpoint_slice,
	policy_schema_pod, policy_schema_namespace, policy_schema_service_account,
	policy_schema_secret, policy_schema_config_map;
extern const struct policy_schema policy_schema_virtual_service, policy_schema_destination_rule,
	policy_schema_service_entry, policy_schema_workload_entry, policy_schema_workload_group,
	policy_schema_gateway, policy_schema_sidecar;
extern const struct policy_schema policy_schema_peer_authentication,
	policy_schema_authorization_policy, policy_schema_request_authentication,
	policy_schema_telemetry, policy_schema_mesh_config, policy_schema_mesh_config_object;
extern const struct policy_schema policy_schema_metadata, policy_schema_node;
/* Blocks that several kinds share. */
extern const struct policy_schema policy_schema_selector, policy_schema_string_match,
	policy_schema_connection_pool, policy_schema_workload_entry_spec, policy_schema_client_tls,
	policy_schema_locality, policy_schema_outlier, policy_schema_destination,
	policy_schema_retries, policy_schema_target_ref;

/* Checks of shared blocks. */
int policy_host_valid(struct hd_str host);
int policy_label_valid(struct hd_str label); /* DNS-1123 label */
int policy_match_is_star(const struct policy_yaml *string_match);

#endif
