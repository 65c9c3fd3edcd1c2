/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket asks of the daemon around it. */
#ifndef SOCK_HOST_H
#define SOCK_HOST_H

#include <time.h>

#include <heddle/dp.h>

#include "health.h"
#include "policy.h"

struct sock_status {
	const char *version;
	uint64_t uptime_s;
	int ready, draining;
	int unenforced; /* --allow-unenforced was given */
	uint64_t reloads, reload_failures;
	uint64_t access_lost;
	char last_failure[512]; /* of the last load that failed; empty when the last one succeeded
				 */
};

enum sock_origin { SOCK_FROM_FILES, SOCK_FROM_APPLY, SOCK_FROM_ROLLBACK };

/* A generation of policy that was or is in use. */
struct sock_generation {
	uint64_t number;
	enum sock_origin origin;
	time_t since;
	uint32_t files, applied, warnings;
	int current;
};

struct sock_certificate {
	const char *kind, *name; /* "certificate" or "roots" */
	const char *state;	 /* "ok", "expiring", "expired", "refused" (the former one stays), "missing" */
	const char *error, *file, *asked_by; /* "" when there is none */
	int64_t expires_in_s;
	int is_identity;
	struct hd_tls_certificate_info info;
};

/* A name of a ServiceEntry, and where it leads to. */
struct sock_name {
	const char *name, *error; /* of the last answer that did not come; "" */
	const struct hd_ip *ips;
	uint32_t n, failures; /* in a row */
	hd_ns asks_in;	      /* until it is asked for again; 0: now */
};

struct sock_rates {
	double busy; /* share of the last second, 0 to 1 */
	double requests_per_second;
};

struct observe_requests;
struct observe_failures;

struct sock_host {
	void *arg;
	struct hd_dp *dp;
	const struct policy_node *node;
	void (*status)(void *arg, struct sock_status *out);
	/* Of the last second. */
	void (*rates)(void *arg, uint32_t worker, struct sock_rates *out);
	const struct hd_snapshot *(*snapshot)(void *arg);
	const struct policy_texts *(*texts)(void *arg);
	/* The newest first; how many were written. */
	uint32_t (*generations)(void *arg, struct sock_generation *out, uint32_t capacity);
	/* The texts laid over the files. 0 or a negative errno with rows in diags; -EINVAL: the
	 * rows say why. */
	int (*config_check)(void *arg, const struct policy_texts *over, struct policy_diags *diags);
	/* Builds what apply would, shows it to see and throws it away. */
	int (*config_preview)(void *arg, const struct policy_texts *over,
			      struct policy_diags *diags,
			      void (*see)(void *ctx, const struct hd_snapshot *preview), void *ctx);
	int (*config_apply)(void *arg, const struct policy_texts *over, struct policy_diags *diags);
	/* -ENOENT: there is none before this one. */
	int (*config_rollback)(void *arg, struct policy_diags *diags);
	/* Reads the files again, as SIGHUP does. */
	int (*config_reload)(void *arg, struct policy_diags *diags);
	/* -EINVAL: no such level; -ENOENT: no such area. area may be NULL. */
	int (*log)(void *arg, const char *level, const char *area);
	/* What an operator says about an endpoint, and what is known of all of them. */
	int (*endpoint_set)(void *arg, const struct hd_addr *addr, uint8_t health);
	const struct health *(*health)(void *arg);
	const struct observe_requests *(*requests)(void *arg);
	const struct observe_failures *(*failures)(void *arg);
	/* How many were written. */
	uint32_t (*certificates)(void *arg, struct sock_certificate *out, uint32_t capacity);
	/* The i-th name; 0: there are no more. */
	int (*name)(void *arg, uint32_t i, struct sock_name *out);
	/* The metrics endpoint's text, for free(). NULL: out of memory. */
	char *(*metrics)(void *arg);
	void (*drain)(void *arg);
	void (*stop)(void *arg);
};

#endif
