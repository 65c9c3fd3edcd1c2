/* SPDX-License-Identifier: Apache-2.0 */
/* DPDK's command line for a node: what the operator wrote, and what follows from the rest of the node file. */
#ifndef WORKER_EAL_H
#define WORKER_EAL_H

#include <heddle/node.h>

#define WORKER_EAL_MAX_ARGS 128
#define WORKER_EAL_TEXT 4096

struct worker_eal_args {
	char *argv[WORKER_EAL_MAX_ARGS + 1];
	int argc;
	char text[WORKER_EAL_TEXT]; /* of the arguments that are ours */
	size_t used;
};

/* has_huge_pages: the system has some; without any, memory comes from ordinary pages unless the operator said otherwise.
 * 0, or -E2BIG. */
[[nodiscard]] int worker_eal_build(const struct hd_node *node, int has_huge_pages, struct worker_eal_args *out);
int worker_eal_has_huge_pages(void);
/* A card reads and writes buffers by itself, and only huge pages stay where it was told they are. 0, or -EINVAL with one line
 * in error. */
[[nodiscard]] int worker_eal_check_memory(const struct hd_node *node, int has_huge_pages, char *error, size_t error_bytes);

/* 0, or a negative errno with one line in error. */
[[nodiscard]] int worker_eal_init(const struct hd_node *node, char *error, size_t error_bytes);

#endif
