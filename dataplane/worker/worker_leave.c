/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_leave.h"

#define PLACES 256 /* of connections a turn */
#define PAUSE_NS HD_NS_PER_S

void worker_leave_begin(struct worker *w, hd_ns now)
{
	if (net_n_leaving(w->stack.net) == 0 || w->leave_due != HD_NS_NEVER)
		return;
	w->leave_cursor = 0;
	w->leave_due = now;
}

static void finish(struct worker *w, hd_ns now)
{
	net_leaving_drop(w->stack.net);
	w->leave_cursor = 0;
	w->leave_due = net_n_leaving(w->stack.net) > 0 ? now + PAUSE_NS : HD_NS_NEVER;
}

int worker_leave_run(struct worker *w, hd_ns now)
{
	struct tcp_conn *c;

	if (hd_likely(w->leave_due > now))
		return 0;
	for (int i = 0; i < PLACES; i++) {
		if (!tcp_conn_step(w->stack.tcp, &w->leave_cursor, &c)) {
			finish(w, now);
			return 1;
		}
		if (c != NULL)
			net_leaving_mark(w->stack.net, &tcp_conn_key(c)->local);
	}
	return 1;
}
