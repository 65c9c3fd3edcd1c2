/* SPDX-License-Identifier: Apache-2.0 */
/* YAML (and so JSON) as a tree with places. Sizes, depth and what aliases may multiply are bounded.
 */
#ifndef POLICY_YAML_H
#define POLICY_YAML_H

#include <yaml.h>

#include "policy_arena.h"
#include "policy_diag.h"

#define POLICY_YAML_MAX_BYTES ((size_t)256 << 20)
#define POLICY_YAML_MAX_DEPTH 64
#define POLICY_YAML_MAX_NODES 8000000u
#define POLICY_YAML_MAX_COPIES 100000u /* nodes that aliases and merge keys may add to one text */

enum policy_yaml_type { POLICY_YAML_SCALAR, POLICY_YAML_MAP, POLICY_YAML_LIST };

struct policy_field;

struct policy_yaml {
	uint8_t type;
	uint8_t plain;	    /* an unquoted scalar: may be a number, a boolean or null */
	uint8_t bad;	    /* the schema refused the value: an error row stands for it */
	uint8_t unset;	    /* null: as if the key were not there */
	uint32_t line, col; /* 1-based */
	uint32_t n;	    /* children */
	struct hd_str text; /* of a scalar; NUL behind */
	struct policy_yaml *first, *next;
	struct hd_str key; /* in a map */
	uint32_t key_line, key_col;

	/* What the schema made of it. */
	const struct policy_field *field; /* NULL: unknown, or inside a free-form value */
	int64_t i;			  /* integer, boolean, enum's index, duration in ns */
	double d;
};

struct policy_yaml_reader {
	struct policy_arena *arena;
	struct policy_diags *diags;
	const char *file;
	const char *bytes;
	size_t n;
	uint32_t line_base,
		col_base; /* what stands before the text, when it stands inside another */
	yaml_parser_t parser;
	yaml_event_t event;
	uint8_t parser_open, event_held, failed;
	uint32_t nodes, copies;
	struct policy_map anchors;
};

/* Pushes a root (struct policy_yaml *) for each document that is not empty. 0, or -1 with error
 * rows. The reader must be in memory that outlives a longjmp; fini frees what libyaml holds. */
int policy_yaml_read(struct policy_yaml_reader *r, struct policy_vec *documents);
void policy_yaml_reader_fini(struct policy_yaml_reader *r);

/* The child of a map by its key as written; NULL also for null. */
struct policy_yaml *policy_yaml_raw(const struct policy_yaml *map, const char *key);

/* What a scalar is under YAML's core rules. */
enum policy_scalar {
	POLICY_SCALAR_NULL,
	POLICY_SCALAR_BOOL,
	POLICY_SCALAR_INT,
	POLICY_SCALAR_FLOAT,
	POLICY_SCALAR_STRING
};
enum policy_scalar policy_yaml_scalar(const struct policy_yaml *y);

#endif
