/* SPDX-License-Identifier: Apache-2.0 */
/* The endpoint of /metrics, /healthz and /readyz. Runs inside the caller's loop, in the control
 * thread. */
#ifndef OBSERVE_HTTP_H
#define OBSERVE_HTTP_H

#include <heddle/addr.h>

#include "observe_text.h"

struct observe_http;

struct observe_http_ops {
	int (*ready)(void *arg);
	void (*metrics)(void *arg, struct observe_text *t);
};

/* Connections that we closed: one more came than there are places for; no head came in time. */
struct observe_http_stats {
	uint64_t shed, late;
};

/* 0, or a negative errno (-EADDRINUSE). */
[[nodiscard]] int observe_http_open(const struct hd_addr *listen,
				    const struct observe_http_ops *ops, void *arg,
				    struct observe_http **out);
void observe_http_close(struct observe_http *h);
/* Readable when observe_http_run has something to do; also call it now and then for its deadlines.
 */
int observe_http_fd(const struct observe_http *h);
void observe_http_run(struct observe_http *h, hd_ns now);
void observe_http_stats(const struct observe_http *h, struct observe_http_stats *out);

#endif
