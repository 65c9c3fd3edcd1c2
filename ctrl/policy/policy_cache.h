/* SPDX-License-Identifier: Apache-2.0 */
/* Documents that were read before. A change of policy is a change of few documents: the others keep
 * their trees, checked by their schemas, and their warnings, from load to load. Found by their
 * bytes and never changed but for the line that they begin in. */
#ifndef POLICY_CACHE_H
#define POLICY_CACHE_H

#include "policy_diag.h"
#include "policy_yaml.h"

struct policy_document {
	struct policy_document *next; /* in its bucket */
	uint64_t hash;
	uint64_t used; /* by which load */
	char *file, *bytes;
	size_t n;
	uint32_t line; /* lines before it */
	uint32_t nodes, copies;
	uint8_t whole;		   /* read to its end */
	struct policy_arena arena; /* of all below */
	struct policy_vec roots;   /* struct policy_yaml * */
	struct policy_vec objects; /* struct policy_object *: what each load starts from */
	struct policy_diags diags;
};

struct policy_cache {
	struct policy_document **buckets;
	uint32_t n, mask;
	uint64_t load;
};

void policy_cache_fini(struct policy_cache *c);
void policy_cache_begin(struct policy_cache *c);
/* A document of these bytes that this load has not used yet, moved to its line; NULL: none. */
struct policy_document *policy_cache_find(struct policy_cache *c, const char *file,
					  const char *bytes, size_t n, uint32_t line);
/* An empty one for these bytes, NULL without memory. Its arena leaves through `oom`. */
struct policy_document *policy_cache_add(struct policy_cache *c, const char *file,
					 const char *bytes, size_t n, uint32_t line, jmp_buf *oom);
/* At the end of a load: forgets what has errors, what was not finished and what no load has asked
 * for lately. */
void policy_cache_end(struct policy_cache *c);

#endif
