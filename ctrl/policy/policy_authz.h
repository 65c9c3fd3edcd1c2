/* SPDX-License-Identifier: Apache-2.0 */
/* AuthorizationPolicies on their way into a snapshot: rules into arrays (policy_authz.c), the rules
 * of one scope into a list that finds them fast (policy_authz_list.c), and which lists apply to a
 * workload (policy_authz_apply.c). */
#ifndef POLICY_AUTHZ_H
#define POLICY_AUTHZ_H

#include <heddle/snapshot.h>

#include "policy_schema.h"

struct policy_load;
struct policy_object;
struct policy_service;
struct policy_service_port;

struct policy_authz_policy {
	const struct policy_object *object;
	const struct policy_yaml *selector; /* map of labels, NULL: none */
	uint8_t said;			    /* hd_authz_action as it was written */
	struct policy_vec rules;	    /* uint32_t, by their final numbers, rising */
	uint8_t action; /* hd_authz_action as it is applied: a dry run is AUDIT */
	uint8_t has_targets;
	uint8_t by_port, by_ip; /* as in hd_authz_profile */
};

/* A RequestAuthentication. */
struct policy_authz_request {
	struct policy_authz_policy whom; /* for its selector and targets */
	uint32_t first, count;		 /* in jwt_rules */
};

/* The lists of some policies that always apply together. */
struct policy_authz_scope {
	uint32_t lists[HD_AUTHZ_ACTIONS]; /* as in hd_authz_profile */
	uint32_t allow_policy;
	uint8_t by_port, by_ip, any;
};

/* In a load; the vecs are the arrays of the snapshot. */
struct policy_authz {
	struct policy_vec values, terms, groups, rules, dimensions, buckets, lists, profiles,
		targets, words, policies_out;
	struct policy_vec policies; /* struct policy_authz_policy, by namespace and name */
	struct policy_vec requests; /* struct policy_authz_request, in the order of files */
	struct policy_vec jwt_rules, jwt_keys, jwt_places, jwt_claim_headers, jwt_texts;
	struct policy_map scopes; /* numbers of policies -> struct policy_authz_scope */
	struct policy_map profiles_by_key, targets_by_key;
	struct policy_map applied;   /* what a workload is known by -> profile + 1 */
	struct policy_map jwt_lists; /* numbers of rules -> place in words + 1 */
	struct policy_map aliases;   /* trust domains that are the mesh's own */
};

/* All policies into rules; first of all. */
void policy_authz_read(struct policy_load *l);

/* One rule of a policy into the arrays. */
void policy_authz_rule(struct policy_load *l, struct policy_authz_policy *p,
		       const struct policy_yaml *rule, struct hd_authz_rule *out);

/* policy_build_jwt.c: the rules of a RequestAuthentication. */
void policy_build_jwt(struct policy_load *l, const struct policy_object *o, uint32_t *first,
		      uint32_t *count);
void policy_jwt_out(struct policy_load *l, struct hd_jwt *out,
		    void *(*array_out)(struct policy_load *l, const struct policy_vec *v));

/* A list of rules (rising numbers) that share an action; 1 + its index, 0 when there are none. */
uint32_t policy_authz_list(struct policy_load *l, const struct policy_vec *rules);

/* What applies to a workload of a service: the index of a target, 0: nothing. Its labels are those
 * it has and those that the service's selector demands of it. */
uint32_t policy_authz_target(struct policy_load *l, const struct policy_service *s,
			     const struct policy_yaml *labels, const struct hd_addr *workload);
/* The targets of the backends of a port, each once, in `words`. None when somebody is behind it to
 * whom nothing applies. */
void policy_authz_targets(struct policy_load *l, const struct policy_service *s,
			  const struct policy_service_port *port, uint32_t *first, uint32_t *count);
/* What applies to this node as the gateway "namespace/name". */
uint32_t policy_authz_gateway(struct policy_load *l, struct hd_str gateway);

#endif
