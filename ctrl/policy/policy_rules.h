/* SPDX-License-Identifier: Apache-2.0 */
/* What a row of a table cannot say: checks of whole objects and blocks, as Istio's validation makes
 * them. */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include "policy_schema.h"

typedef void policy_rule(struct policy_check *c, struct policy_yaml *map);

/* policy_rules_route.c */
policy_rule policy_rule_string_match, policy_rule_http_match, policy_rule_destination,
	policy_rule_rewrite, policy_rule_redirect, policy_rule_cors, policy_rule_retries,
	policy_rule_abort, policy_rule_delay, policy_rule_request_headers,
	policy_rule_response_headers, policy_rule_http_route, policy_rule_tls_route,
	policy_rule_tcp_route, policy_rule_direct_response, policy_rule_percent, policy_rule_fault,
	policy_rule_l4_match, policy_rule_virtual_service;

/* policy_rules_traffic.c */
policy_rule policy_rule_load_balancer, policy_rule_locality, policy_rule_maglev, policy_rule_pool,
	policy_rule_pool_http, policy_rule_hash, policy_rule_outlier, policy_rule_client_tls,
	policy_rule_subset, policy_rule_traffic_policy, policy_rule_destination_rule,
	policy_rule_cookie, policy_rule_warmup, policy_rule_tunnel;

/* policy_rules_entry.c */
policy_rule policy_rule_service_entry, policy_rule_workload_entry, policy_rule_probe,
	policy_rule_probe_http, policy_rule_gateway, policy_rule_server, policy_rule_gateway_port,
	policy_rule_sidecar, policy_rule_service;

/* policy_rules_security.c */
policy_rule policy_rule_peer_authentication, policy_rule_authorization_policy,
	policy_rule_authz_source, policy_rule_authz_operation, policy_rule_authz_condition,
	policy_rule_authz_from, policy_rule_authz_to, policy_rule_jwt,
	policy_rule_request_authentication, policy_rule_target_ref, policy_rule_claim_header,
	policy_rule_tag_override;

/* Shared: exportTo lists; `tilde`: "~" is allowed. */
void policy_rule_export_to(struct policy_check *c, const struct policy_yaml *list, int tilde);

/* policy_rules_word.c */
int policy_word_label(struct hd_str s);				 /* a DNS label, in either case */
int policy_word_token(struct hd_str s);				 /* a name of a header */
int policy_word_subnet(struct policy_check *c, struct hd_str s); /* an address or a CIDR block */
int policy_word_grpc_status(struct hd_str s); /* the code of "UNAVAILABLE" and the like; -1: none */
void policy_rule_labels(struct policy_check *c, const struct policy_yaml *map);
void policy_rule_selector(struct policy_check *c, const struct policy_yaml *map);
void policy_rule_gateways(struct policy_check *c, const struct policy_yaml *list);
void policy_rule_subnets(struct policy_check *c, const struct policy_yaml *list);
void policy_rule_header_value(struct policy_check *c, const struct policy_yaml *value);

#endif
