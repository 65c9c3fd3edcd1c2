/* SPDX-License-Identifier: Apache-2.0 */
/* Generations of policy: from texts to a published snapshot, and back. Control thread, but for
 * reload_build.
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
	char last_failure[512];	   /* of the last load that policy was wrong in; "": none since */
	char passing_failure[512]; /* why the files could not be read the last time; "": they could */
};

/* Takes ownership of policy; paths must outlive it. */
void reload_init(struct reload *r, struct policy *policy, char *const *paths, uint32_t n_paths);
/* From now on loads are for these workers. The policy that was loaded before is made known to
 * health and reserved; the caller starts the workers on it. 0 or -ENOMEM. */
[[nodiscard]] int reload_use(struct reload *r, struct hd_dp *dp, struct health *health);
/* After workers are gone. */
void reload_fini(struct reload *r);

/* A load has three steps. What is asked for is written into `struct reload_load`; reload_build reads
 * files, parses and builds, which may take long, on any thread; reload_end puts the outcome into
 * force, on the control thread. From the first to the last step there is no other load, so that
 * what a load reads of `struct reload` stays as it is. */
enum reload_kind {
	RELOAD_FILES,	/* reads the files */
	RELOAD_CHANGED, /* the same when they differ from what was last read; 1 when they do not */
	RELOAD_AGAIN,	/* the texts in use once more: names lead elsewhere */
	RELOAD_CHECK,	/* the others are over the texts in use */
	RELOAD_PREVIEW,
	RELOAD_APPLY,
	RELOAD_ROLLBACK /* -ENOENT: nothing to return to */
};

struct reload_load {
	enum reload_kind kind;
	struct policy_texts *over;  /* of check, preview and apply; becomes the highest layer */
	char *const *over_paths;    /* files that are read and added to it */
	uint32_t n_over_paths;
	struct policy *scratch;	    /* of preview: the registry that it is built in */
	struct policy_diags *diags; /* -EINVAL: its rows say why */

	int rc;
	struct policy_texts texts;     /* that were built from */
	struct policy_texts files;     /* as they were read */
	int has_files;
	struct hd_snapshot *snapshot;  /* NULL: none was built; a preview's is freed at the end */
};

void reload_build(const struct reload *r, struct reload_load *l);
/* Publishes, or notes the failure; the generation in use stays then. Returns l->rc, which may be
 * -ENOMEM from here, and frees what l has. */
int reload_end(struct reload *r, struct reload_load *l);
/* Instead of the end: nothing comes of it. */
void reload_discard(struct reload *r, struct reload_load *l);
/* All of it at once. */
[[nodiscard]] int reload_run(struct reload *r, struct reload_load *l);
[[nodiscard]] int reload_files(struct reload *r, struct policy_diags *diags);
[[nodiscard]] int reload_again(struct reload *r, struct policy_diags *diags);

/* Frees what no worker reads any more. */
void reload_sweep(struct reload *r);
uint32_t reload_generations(const struct reload *r, struct sock_generation *out, uint32_t capacity);

#endif
