/* SPDX-License-Identifier: Apache-2.0 */
/* AuthorizationPolicy as its documentation reads: policy by policy, rule by rule, value by value.
 * It shares no line with the evaluator that it judges. */
#ifndef TESTS_AUTHZ_PLAIN_H
#define TESTS_AUTHZ_PLAIN_H

#include <stdint.h>

#define PLAIN_VALUES 4
#define PLAIN_ENTRIES 3
#define PLAIN_RULES 4

/* A list of a field; n 0: the field is not there. */
struct plain_list {
	const char *values[PLAIN_VALUES];
	int n;
};

/* In the order of plain_source_names and plain_operation_names; behind each its not-form. */
#define PLAIN_SOURCE_FIELDS 14
#define PLAIN_OPERATION_FIELDS 8
extern const char *const plain_source_names[PLAIN_SOURCE_FIELDS];
extern const char *const plain_operation_names[PLAIN_OPERATION_FIELDS];

struct plain_condition {
	const char *key;
	struct plain_list values, not_values;
};

struct plain_rule {
	struct plain_list sources[PLAIN_ENTRIES][PLAIN_SOURCE_FIELDS];
	struct plain_list operations[PLAIN_ENTRIES][PLAIN_OPERATION_FIELDS];
	struct plain_condition conditions[PLAIN_ENTRIES];
	int n_sources, n_operations, n_conditions;
};

enum plain_action { PLAIN_ALLOW, PLAIN_DENY, PLAIN_AUDIT, PLAIN_CUSTOM };

struct plain_policy {
	char name[24];
	const char *namespace_;
	const char *label[2]; /* selector; NULL: none */
	enum plain_action action;
	int dry_run;
	struct plain_rule rules[PLAIN_RULES];
	int n_rules;
};

struct plain_workload {
	const char *namespace_;
	const char *labels[3][2];
	const char *ip;
	int port;
};

struct plain_pair {
	const char *name, *value;
};

struct plain_request {
	int is_stream;
	const char *principal;		/* "": none */
	const char *source, *forwarded; /* forwarded: NULL or x-forwarded-for */
	const char *dialled_ip;
	int dialled_port;
	const char *sni;
	const char *method, *path, *host;
	struct plain_pair headers[4];
	int n_headers;
	int has_token;
	const char *issuer, *subject;
	struct plain_pair claims[6]; /* names as they stand in a key: "[a][b]" */
	int n_claims;
};

/* 1: it may pass. id: the rule that decided, as Istio names it, or "none". */
int plain_decide(const struct plain_policy *policies, int n, const struct plain_workload *w,
		 const struct plain_request *q, char id[192]);

#endif
