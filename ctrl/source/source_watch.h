/* SPDX-License-Identifier: Apache-2.0 */
/* Watches policy files and folders for changes. A Kubernetes volume (files that lead through a
 * symlink `..data` which is swapped by a rename) counts as changed when that link moves. Single
 * thread. */
#ifndef SOURCE_WATCH_H
#define SOURCE_WATCH_H

#include <heddle/base.h>

struct source_watch;

[[nodiscard]] int source_watch_create(struct source_watch **out);
void source_watch_destroy(struct source_watch *w);
/* Watches these paths instead of the former ones; copies them. What cannot be watched now is tried
 * again by source_watch_retry. -ENOMEM keeps nothing watched. */
[[nodiscard]] int source_watch_set(struct source_watch *w, char *const *paths, uint32_t n);
/* Becomes readable when something happened. */
int source_watch_fd(const struct source_watch *w);
/* Consumes what happened. True when a watched file may have changed. */
int source_watch_read(struct source_watch *w);
/* A watched file that is written and was not closed since, so that it may not be whole; NULL: there
 * is none. */
const char *source_watch_unfinished(const struct source_watch *w);
/* They count as whole, until they are written again. */
void source_watch_forget(struct source_watch *w);
/* Watches what came back since. True when something did. */
int source_watch_retry(struct source_watch *w);

#endif
