/* SPDX-License-Identifier: Apache-2.0 */
/* Generations of policy: from texts to a published snapshot, and back. Control thread.
 *
 * A generation is the texts of the policy files (layer 0) with what `config apply` laid over them
 * (a layer each). A load is all or nothing: the generation in use stays until the next one is
 * whole. What was laid over is kept until the files change or are read again on demand. Snapshots
 * that were replaced are freed when no worker can read them any more. */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include <time.h>

#include <heddle/dp.h>

#include "health.h"
#include "policy.h"
#include "sock_host.h"
#include "source_names.h"

#define RELOAD_HISTORY 8

struct reload_generation {
	uint64_t number;
	enum sock_origin origin;
	time_t since;
	uint32_t warnings;
	struct policy_texts texts;
};

struct reload {
	struct policy *policy;
	struct source_names *names; /* NULL: names have no addresses */
	struct certs *certs; /* NULL: TLS is nobody's business (tests) */
	struct hd_dp *dp;   /* NULL until reload_use: loads build and publish nothing */
	char *const *paths; /* policy files and folders */
	uint32_t n_paths;
	struct hd_snapshot *snapshot;
	struct reload_generation now;
	struct reload_generation history[RELOAD_HISTORY]; /* the newest first */
	uint32_t n_history;
	struct hd_snapshot **retired; /* the oldest first */
	uint32_t n_retired, retired_capacity;
	struct policy_texts seen; /* files as they were last read, also when their load failed */
	struct health *health;	  /* NULL as long as dp is */
	uint64_t loads, failures;
	char last_failure[512];
};

/* Takes ownership of policy; paths must outlive it. */
void reload_init(struct reload *r, struct policy *policy, char *const *paths, uint32_t n_paths);
/* From now on loads are for these workers. The policy that was loaded before is made known to
 * health and reserved; the caller starts the workers on it. 0 or -ENOMEM. */
[[nodiscard]] int reload_use(struct reload *r, struct hd_dp *dp, struct health *health);
/* After workers are gone. */
void reload_fini(struct reload *r);

/* Reads the files. -EINVAL with rows in diags; the generation in use stays. */
[[nodiscard]] int reload_files(struct reload *r, struct policy_diags *diags);
/* The same when the files differ from what was last read; 1 when they do not. */
[[nodiscard]] int reload_changed(struct reload *r, struct policy_diags *diags);
[[nodiscard]] int reload_check(struct reload *r, const struct policy_texts *over,
			       struct policy_diags *diags);
/* Builds what reload_apply would in a registry of its own, which scratch is, and shows it to see.
 */
[[nodiscard]] int reload_preview(struct reload *r, struct policy *scratch,
				 const struct policy_texts *over, struct policy_diags *diags,
				 void (*see)(void *ctx, const struct hd_snapshot *preview),
				 void *ctx);
[[nodiscard]] int reload_apply(struct reload *r, const struct policy_texts *over,
			       struct policy_diags *diags);
/* The same texts once more: names lead elsewhere. */
[[nodiscard]] int reload_again(struct reload *r, struct policy_diags *diags);
/* -ENOENT: nothing to return to. */
[[nodiscard]] int reload_rollback(struct reload *r, struct policy_diags *diags);
/* Frees what no worker reads any more. */
void reload_sweep(struct reload *r);
uint32_t reload_generations(const struct reload *r, struct sock_generation *out, uint32_t capacity);

#endif
