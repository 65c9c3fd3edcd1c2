/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_names.h"

#include <poll.h>
#include <stdlib.h>

#include <heddle/log.h>

#include "daemon_loop.h"

#define LOOK_MS 20

static int find(void *ctx, struct hd_str name, struct policy_name *out)
{
	struct source_name found;

	if (!source_names_find(ctx, name, &found) || found.n == 0)
		return 0;
	*out = (struct policy_name){ found.ips, found.n, found.first };
	return 1;
}

struct policy_resolver names_resolver(struct source_names *s)
{
	return (struct policy_resolver){ find, s };
}

void names_want(struct source_names *s, const struct hd_snapshot *snapshot, hd_ns now)
{
	const struct policy_wants *w = policy_snapshot_wants(snapshot);
	struct source_want *wants = calloc(w->n + 1, sizeof(*wants));

	for (uint32_t i = 0; wants != NULL && i < w->n; i++)
		wants[i] = (struct source_want){ w->rows[i].name, w->rows[i].is_first_only };
	if (wants == NULL || source_names_want(s, wants, w->n, w->refresh, now) != 0)
		hd_log(HD_LOG_WARNING, "names",
		       "some names are not asked for, for lack of memory, until policy is loaded again");
	free(wants);
}

int names_run(struct source_names *s, hd_ns now)
{
	int changed = source_names_run(s, now);
	struct source_name n;

	for (uint32_t i = 0; source_names_at(s, i, &n); i++)
		if (n.failures == 1 && n.failed_at == now)
			hd_log(HD_LOG_WARNING, "names", "%s: %s; %s", n.name, n.error,
			       n.n > 0 ? "its former addresses stay" : "it has no address");
	return changed;
}

int names_await(struct source_names *s, hd_ns patience)
{
	hd_ns end = loop_now() + patience;
	int changed = names_run(s, loop_now());

	while (source_names_unanswered(s) > 0 && loop_now() < end) {
		struct pollfd fd = { source_names_fd(s), POLLIN, 0 };

		poll(&fd, 1, LOOK_MS);
		changed |= names_run(s, loop_now());
	}
	return changed;
}

int names_row(const struct source_names *s, uint32_t i, hd_ns now, struct sock_name *out)
{
	struct source_name n;

	if (!source_names_at(s, i, &n))
		return 0;
	*out = (struct sock_name){ .name = n.name,
				   .ips = n.ips,
				   .n = n.n,
				   .failures = n.failures,
				   .error = n.error };
	if (n.asks_at != HD_NS_NEVER)
		out->asks_in = n.asks_at > now ? n.asks_at - now : 0;
	return 1;
}
