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
	uint64_t load_runs_s; /* for how long a load has been under way; 0: none, or not for long */
	uint64_t retry_in_s; /* a load that failed is tried again then; 0: it is not */
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

enum sock_load_kind {
	SOCK_LOAD_CHECK,
	SOCK_LOAD_PREVIEW, /* builds what apply would, and throws it away */
	SOCK_LOAD_APPLY,
	SOCK_LOAD_ROLLBACK,
	SOCK_LOAD_RELOAD /* reads the files again, as SIGHUP does */
};

/* A load of policy that a client asks for. Reading and building take their time: the host does that
 * on another thread and says when it is over. */
struct sock_load {
	enum sock_load_kind kind;
	struct policy_texts over;	 /* what check, preview and apply lay over the texts in use */
	char **paths;			 /* files that the host reads and adds to over */
	uint32_t n_paths;
	/* rc: 0 or a negative errno; -EINVAL: rows of diags say why; -ENOENT: no generation to roll
	 * back to; -ECANCELED: the daemon ends. preview: of that kind, until done returns. */
	void (*done)(struct sock_load *load, int rc, const struct policy_diags *diags,
		     const struct hd_snapshot *preview);
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
	/* Begins a load. It is the host's until it calls done, which it does once, perhaps before
	 * this returns. -EBUSY: too many wait already; done is not called. */
	int (*load)(void *arg, struct sock_load *load);
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
