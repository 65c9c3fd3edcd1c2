/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to a head that is ready to go out: lines are taken away and put behind the others, as
 * policy says (observed-istio.md 8). The head is ours: names in lower case, CRLF at every end. */
#ifndef PROXY_EDIT_H
#define PROXY_EDIT_H

#include <heddle/snapshot.h>

#include "http.h"

/* Room that heads get for what policy adds. */
#define PROXY_EDIT_EXTRA 8192

struct proxy_exchange;

/* A head under edit: n bytes at `at`, which may become `room`. */
struct proxy_edit_head {
	uint8_t *at;
	uint32_t n, room;
	uint32_t left_out; /* lines that did not fit */
};

/* Where values come from. */
struct proxy_edit_view {
	const struct hd_snapshot *snapshot;
	const struct proxy_exchange *x;
	const uint8_t *bytes; /* of the request's head; NULL when the head under edit is a
				 request's, or nobody asks */
	const struct http_head *head;
	struct hd_str path; /* normalised, with the query */
};

/* `count` edits from `first` on, as one level. */
void proxy_edit_run(const struct proxy_edit_view *v, uint32_t first, uint32_t count,
		    struct proxy_edit_head *h);
/* The value of the first line of that name; p is NULL when there is none. */
struct hd_str proxy_edit_find(const struct proxy_edit_head *h, const char *lower);
/* The line stands where one of that name stood, or at the end; all others of the name go. */
void proxy_edit_replace(struct proxy_edit_head *h, const char *lower, struct hd_str value);
/* The line goes to the end. */
void proxy_edit_append(struct proxy_edit_head *h, const char *lower, struct hd_str value);

#endif
