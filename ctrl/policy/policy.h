/* SPDX-License-Identifier: Apache-2.0 */
/* The policy room: the node file and the mesh's objects in, an immutable snapshot out. Any thread,
 * one load of a registry at a time; another thread may free its snapshots meanwhile. Nothing here
 * blocks on a worker, logs or exits. Every complaint is a row of policy_diags with file, line and
 * column.
 *
 * A load is all or nothing: it either returns a whole snapshot or leaves everything as it was.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdio.h>

#include <heddle/node.h>
#include <heddle/snapshot.h>

/* Diagnostics. Rows keep the order in which they were found; after a load they are sorted by file,
 * line, column. */
enum policy_severity { POLICY_ERROR, POLICY_WARNING };

struct policy_diag {
	char *file;
	uint32_t line, col; /* 1-based; 0: the file as a whole */
	enum policy_severity severity;
	char *message;
};

struct policy_diags {
	struct policy_diag *rows;
	uint32_t n, capacity;
	uint32_t errors, warnings;
	uint32_t left_out; /* rows past the limit of a thousand, or lost to a failed allocation */
};

void policy_diags_init(struct policy_diags *d);
void policy_diags_fini(struct policy_diags *d);
/* One line a row: "file:line:col: error: message"; the severity word only for warnings. */
void policy_diags_print(const struct policy_diags *d, FILE *out);
/* "file:line:col: message" of one row, cut to fit. */
void policy_diag_format(const struct policy_diag *row, char *out, size_t bytes);

/* The node file (kind: DataPlane). */
struct policy_label {
	char *key, *value;
};

struct policy_identity {			/* all NULL: the node has no identity */
	char *certificate, *key, *trust_bundle, *crl; /* paths; crl: NULL when there is none */
};

enum policy_log_format { POLICY_LOG_TEXT, POLICY_LOG_JSON };

struct policy_node {
	struct hd_node dp;
	char *file; /* as it was given */
	char *name, *namespace_;
	struct policy_label *labels;
	uint32_t n_labels;
	struct policy_identity identity;
	char *trust_domain;	       /* "cluster.local" */
	char *default_namespace;       /* "default" */
	char *region, *zone, *subzone; /* of `locality`; "" when not given */
	char **policy_paths;	       /* files or folders */
	uint32_t n_policy_paths;
	char *control_socket;	/* "/run/heddle.sock" */
	struct hd_addr metrics; /* port 0: no metrics endpoint */
	char *access_log_path;	/* NULL: no access log */
	enum policy_log_format access_log_format;
};

/* 0 and a node for policy_node_free, or -EINVAL (diags has errors), -ENOMEM. Relative paths become
 * relative to the file's folder. */
[[nodiscard]] int policy_node_read(const char *path, struct policy_node **out,
				   struct policy_diags *diags);
[[nodiscard]] int policy_node_parse(const char *name, const char *text, size_t bytes,
				    struct policy_node **out, struct policy_diags *diags);
void policy_node_free(struct policy_node *n);
/* Whether DPDK's EAL would take the arguments (NULL behind the last), as far as that shows without
 * it. -EINVAL: `at` is the one that is wrong and `why` says what. */
[[nodiscard]] int policy_eal_check(char *const *args, uint32_t *at, char *why, size_t bytes);

/* The texts that a load reads: keep them to roll back, to show, or to load again. Names are what
 * diagnostics say. */
struct policy_text {
	char *name;
	char *bytes;
	size_t n;
	uint32_t layer; /* an object here replaces the one of the same kind, namespace and name in a
			 * lower layer: what `config apply` lays over the files (layer 0) */
};

struct policy_texts {
	struct policy_text *rows;
	uint32_t n, capacity;
};

void policy_texts_init(struct policy_texts *t);
void policy_texts_fini(struct policy_texts *t);
/* Copies name and bytes. A text of the same name is replaced. */
[[nodiscard]] int policy_texts_add(struct policy_texts *t, const char *name, const char *bytes,
				   size_t n);
/* Adds a file, or each *.yaml, *.yml and *.json below a folder (in order of name, hidden ones left
 * out). -EINVAL with an error row when it cannot be read; another negative errno, mostly with such
 * a row, when that may be over by itself (-EMFILE, -ENOMEM). */
[[nodiscard]] int policy_texts_read(struct policy_texts *t, const char *path,
				    struct policy_diags *diags);

/* The registry of slots: names of clusters and endpoints that outlive generations. One for each
 * daemon. */
struct policy;

/* What a load needs to know of the node; copied. node_labels select Gateways. */
struct policy_settings {
	const char *default_namespace; /* NULL: "default" */
	const char *domain;	       /* NULL: "cluster.local" */
	const char *node_namespace;    /* NULL: default_namespace */
	const char *trust_domain;      /* NULL: "cluster.local" */
	const struct policy_identity
		*identity;		     /* NULL: none, and so no TLS of the mesh; not copied */
	const char *region, *zone, *subzone; /* where the node is; NULL: "" */
	const char *spiffe_id; /* what its certificate says; NULL: not known */
	const struct policy_label *labels;
	uint32_t n_labels;
	const struct hd_node *node; /* port addresses; NULL: no Gateway listeners */
	uint32_t n_workers;	    /* at least 1 */
	uint8_t strict;		    /* unknown fields are errors */
	uint8_t allow_unenforced;   /* security that is not enforced yet: a warning, not an error */
};

[[nodiscard]] struct policy *policy_create(const struct policy_settings *s);

/* Where the names of ServiceEntries with resolution DNS lead to now. find: 0 when the name has no
 * address yet. */
struct policy_name {
	const struct hd_ip *ips;
	uint32_t n;
	struct hd_ip first; /* of the latest answer */
};

struct policy_resolver {
	int (*find)(void *ctx, struct hd_str name, struct policy_name *out);
	void *ctx;
};

/* For the loads that follow; without one, names have no addresses. */
void policy_set_resolver(struct policy *p, const struct policy_resolver *r);
/* Settings as a node file gives them. */
void policy_settings_from_node(struct policy_settings *s, const struct policy_node *node);
void policy_destroy(struct policy *p);

/* Builds a snapshot of all texts. 0; -EINVAL with error rows; -ENOMEM. Slots of what the previous
 * generations named stay; slots of what is gone are reused once policy_snapshot_free was called for
 * the last snapshot that has them. Warnings may be there in either case. */
[[nodiscard]] int policy_load(struct policy *p, const struct policy_texts *texts,
			      uint64_t generation, struct hd_snapshot **out,
			      struct policy_diags *diags);
/* Loads for the diagnostics alone; changes nothing, slots included. 0, -EINVAL or -ENOMEM. */
[[nodiscard]] int policy_check(struct policy *p, const struct policy_texts *texts,
			       struct policy_diags *diags);

/* Whether anything of text `i` of those it was loaded from is in force: an object that nothing in a
 * higher layer replaces. */
int policy_snapshot_uses_text(const struct hd_snapshot *s, uint32_t i);
/* Adds what `previous` counted for destinations that `next` has too (same object, route, host and
 * subset). Once, when no worker reads `previous` any more and before it is freed. */
void policy_snapshot_carry(struct hd_snapshot *next, const struct hd_snapshot *previous);
/* Requests that chose destination `index`: over all workers, with what was carried. */
uint64_t policy_destination_requests(const struct hd_snapshot *s, uint32_t index);
/* What was decided by AuthorizationPolicy `index`, the same way. */
struct hd_authz_count policy_authz_counts(const struct hd_snapshot *s, uint32_t index);
/* The names whose addresses a snapshot has, some of them several times. */
struct policy_wanted {
	struct hd_str name;
	uint8_t is_first_only; /* only the first address of an answer counts */
};

struct policy_wants {
	const struct policy_wanted *rows;
	uint32_t n;
	hd_ns refresh; /* for names without a lifetime */
};

const struct policy_wants *policy_snapshot_wants(const struct hd_snapshot *s);
/* No worker may be reading it. `p` may be NULL when the registry is gone. */
void policy_snapshot_free(struct policy *p, struct hd_snapshot *s);

#endif
