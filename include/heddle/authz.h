/* SPDX-License-Identifier: Apache-2.0 */
/* AuthorizationPolicy as a part of the snapshot: rules in arrays, and for each workload the lists that apply to it.
 *
 * ctrl/policy writes it, dataplane/proxy evaluates it (proxy_authz.c). References are indices into the arrays of the same
 * snapshot; `words` holds lists of numbers that the others point into.
 */
#ifndef HEDDLE_AUTHZ_H
#define HEDDLE_AUTHZ_H

#include <heddle/addr.h>
#include <heddle/base.h>

/* What a term looks at. From HD_AUTHZ_FIRST_HTTP on: not known of a TCP stream. */
enum hd_authz_field {
	HD_AUTHZ_NEVER,		    /* a field that Heddle does not know: an ALLOW rule with it matches nothing */
	HD_AUTHZ_PRINCIPAL,	    /* "cluster.local/ns/default/sa/web", without the scheme */
	HD_AUTHZ_NAMESPACE,	    /* its parts; an account is a suffix of the whole */
	HD_AUTHZ_TRUST_DOMAIN,
	HD_AUTHZ_SOURCE_IP,	    /* who sent the packets */
	HD_AUTHZ_REMOTE_IP,	    /* who is behind them, by x-forwarded-for */
	HD_AUTHZ_DESTINATION_IP,    /* the address dialled, or the workload's */
	HD_AUTHZ_DESTINATION_PORT,
	HD_AUTHZ_SNI,
	HD_AUTHZ_REQUEST_PRINCIPAL, /* text: issuer, second: subject */
	HD_AUTHZ_FIRST_HTTP = HD_AUTHZ_REQUEST_PRINCIPAL,
	HD_AUTHZ_HOST,
	HD_AUTHZ_METHOD,
	HD_AUTHZ_PATH,
	HD_AUTHZ_HEADER,	    /* of the term's name, lower case */
	HD_AUTHZ_CLAIM,		    /* of the term's name: "groups", "a\0b" for [a][b] */
};

enum hd_authz_kind {
	HD_AUTHZ_EXACT,
	HD_AUTHZ_PREFIX,
	HD_AUTHZ_SUFFIX,
	HD_AUTHZ_PRESENT,  /* anything; of all but headers: that is not empty */
	HD_AUTHZ_TEMPLATE, /* a path with {*} and {**} */
	HD_AUTHZ_CIDR,
	HD_AUTHZ_PORT,
};

struct hd_authz_value {
	uint8_t kind;	     /* hd_authz_kind */
	uint8_t second_kind; /* of fields with two parts */
	uint16_t port;
	struct hd_str text;  /* lower case for hosts */
	union {
		struct hd_str second;
		struct hd_prefix cidr;
	};
};

/* Any of the values matches; or none does, when negated. Exact values come first. */
struct hd_authz_term {
	uint8_t field; /* hd_authz_field */
	uint8_t negate;
	uint32_t values_first, values_count; /* in values */
	uint32_t exact_count;
	uint32_t table_first, table_mask; /* in words: a table of the exact ones by hd_authz_hash (UINT32_MAX: free); mask 0: none */
	struct hd_str name;
};

/* A source, an operation, or all of a rule's conditions: every term of it holds. */
struct hd_authz_group {
	uint32_t terms_first, terms_count;
};

/* Any source, any operation, and the conditions. A count of 0: whatever. */
struct hd_authz_rule {
	uint32_t policy;
	uint32_t sources_first, sources_count; /* in groups */
	uint32_t operations_first, operations_count;
	struct hd_authz_group when;
	uint8_t needs_http; /* an ALLOW rule with it matches no TCP stream; others forget what is HTTP's */
	struct hd_str details; /* "rbac_access_denied_matched_policy[ns[..]-policy[..]-rule[0]]", terminated */
	uint32_t line;	       /* of the rule in its policy's file */
};

enum hd_authz_action { HD_AUTHZ_CUSTOM, HD_AUTHZ_AUDIT, HD_AUTHZ_DENY, HD_AUTHZ_ALLOW, HD_AUTHZ_ACTIONS };

#define HD_AUTHZ_LONGEST 256 /* anchors are shorter */

/* One value of a request that rules are found by: those whose source (or operation, or condition) needs it. */
struct hd_authz_dimension {
	uint8_t field;
	uint8_t has_exact;
	struct hd_str name;
	uint64_t prefixes[4], suffixes[4]; /* bit n: there is one of n bytes; of addresses: prefixes of n bits */
};

struct hd_authz_bucket {
	uint32_t hash; /* hd_authz_anchor */
	uint32_t first, count; /* rules, in words; count 0: free */
};

/* Rules of one action that always apply together. Rules are numbered in the order of their names, which is the order in
 * which Envoy reports them. */
struct hd_authz_list {
	uint32_t all_first, all_count;		   /* in words: every rule */
	uint32_t always_first, always_count;	   /* those that must be looked at */
	uint32_t dimensions_first, dimensions_count; /* the others are found by these */
	uint32_t table_first, table_mask;	   /* in buckets, open-addressed */
};

/* What applies to a workload: mesh-wide, of its namespace, and by its labels. */
#define HD_AUTHZ_SCOPES 3
struct hd_authz_profile {
	uint32_t lists[HD_AUTHZ_ACTIONS][HD_AUTHZ_SCOPES]; /* 1 + index; 0: none */
	uint32_t allow_policy; /* 1 + the first ALLOW policy; 0: there is none, and what is not denied may pass */
	uint32_t jwt_first, jwt_count; /* in words: rules of RequestAuthentications */
	uint8_t by_port, by_ip; /* a rule asks for the destination's port or address */
};

/* What one or many endpoints of a cluster have in common. */
struct hd_authz_target {
	uint32_t profile;
	struct hd_addr workload; /* when its profile asks */
};

struct hd_authz {
	const struct hd_authz_value *values;
	const struct hd_authz_term *terms;
	const struct hd_authz_group *groups;
	const struct hd_authz_rule *rules;
	const struct hd_authz_dimension *dimensions;
	const struct hd_authz_bucket *buckets;
	const struct hd_authz_list *lists;
	const struct hd_authz_profile *profiles;
	const struct hd_authz_target *targets;
	const uint32_t *words;
	uint32_t n_rules, n_lists, n_profiles, n_targets;
};

/* Of a text, or of the beginning or the end of one. */
static inline uint32_t hd_authz_hash(const char *p, uint32_t n)
{
	uint64_t h = n, w = 0;

	for (uint32_t left = n; left >= 8; left -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = __builtin_ia32_crc32di(h, w);
	}
	if (n >= 8 && n % 8 != 0) { /* the last eight again, as far as they are new */
		memcpy(&w, p + n % 8 - 8, 8);
		h = __builtin_ia32_crc32di(h, w);
	} else if (n % 8 != 0) {
		for (uint32_t i = 0; i < n; i++)
			w = w << 8 | (uint8_t)p[i];
		h = __builtin_ia32_crc32di(h, w);
	}
	return (uint32_t)h;
}

/* What a value is found by in a list's table. */
static inline uint32_t hd_authz_anchor(uint32_t h, uint32_t dimension, enum hd_authz_kind kind, uint32_t n)
{
	h ^= (dimension * 8 + kind) * 0x9e3779b1u + n * 0x85ebca77u;
	h *= 0xc2b2ae3du;
	return h ^ (h >> 15);
}

/* Of the first `bits` bits of an address. */
static inline uint32_t hd_authz_hash_ip(const struct hd_ip *ip, uint32_t bits)
{
	uint64_t high = __builtin_bswap64(ip->q[0]), low = __builtin_bswap64(ip->q[1]);

	if (bits < 64) {
		high &= bits == 0 ? 0 : UINT64_MAX << (64 - bits);
		low = 0;
	} else if (bits < 128) {
		low &= bits == 64 ? 0 : UINT64_MAX << (128 - bits);
	}
	high = (high ^ low * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)(high ^ (high >> 32));
}

#endif
