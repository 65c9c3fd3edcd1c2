/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of names, by DNS and /etc/hosts: asked for as they are wanted, again when they expire.
 * What was known stays when an answer does not come. Single thread; nothing here waits. */
#ifndef SOURCE_NAMES_H
#define SOURCE_NAMES_H

#include <heddle/addr.h>
#include <heddle/base.h>

#define SOURCE_NAMES_MOST 4096	  /* more are not asked for */
#define SOURCE_NAME_ADDRESSES 64 /* of one name; more are left out */

struct source_names;

struct source_want {
	struct hd_str name;
	uint8_t is_first_only; /* that another address comes first is a change */
};

/* As they were last told: IPv4 when there is any, else IPv6. */
struct source_name {
	const char *name;
	const struct hd_ip *ips; /* in order of their bytes */
	uint32_t n;
	struct hd_ip first;  /* of the last answer */
	hd_ns asks_at;	     /* HD_NS_NEVER: an answer is awaited */
	uint32_t failures;   /* in a row */
	hd_ns failed_at;     /* the last of them */
	const char *error;   /* of the last of them; "" */
	uint8_t is_answered; /* ever */
};

struct source_names_stats {
	uint64_t queries, failures, changes, left_out;
};

/* servers: "127.0.0.1:5353"; NULL: as /etc/resolv.conf says, also when it changes. 0 or a negative
 * errno. */
[[nodiscard]] int source_names_create(const char *servers, struct source_names **out);
void source_names_destroy(struct source_names *s);
/* From now on these are wanted; refresh: how soon a name without a lifetime is asked for again.
 * 0 or -ENOMEM, then some are missing. */
[[nodiscard]] int source_names_want(struct source_names *s, const struct source_want *wants,
				    uint32_t n, hd_ns refresh, hd_ns now);
/* Becomes readable when there is something for source_names_run. */
int source_names_fd(const struct source_names *s);
/* Takes what came and asks for what is due; now and then also without readability. True: some
 * address of a wanted name changed. */
int source_names_run(struct source_names *s, hd_ns now);
/* Names that have no answer of any kind yet. */
uint32_t source_names_unanswered(const struct source_names *s);
/* 0: not wanted. */
int source_names_find(const struct source_names *s, struct hd_str name, struct source_name *out);
/* The i-th; 0: there are no more. */
int source_names_at(const struct source_names *s, uint32_t i, struct source_name *out);
void source_names_stats(const struct source_names *s, struct source_names_stats *out);

#endif
