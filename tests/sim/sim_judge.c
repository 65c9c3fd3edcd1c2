/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_judge.h"

#include "sim_dut.h"

static const char *const outcomes[] = {
	[SIM_PENDING] = "pending",
	[SIM_ANSWERED] = "answered",
	[SIM_LOCAL] = "answered by the proxy",
	[SIM_CUT] = "cut",
	[SIM_UNANSWERED] = "unanswered",
	[SIM_GIVEN_UP] = "given up",
};

/* Whether the connection already had trouble of a kind that may end it. */
static int had_trouble_before(const struct sim_world *w, uint32_t id)
{
	for (uint32_t i = w->requests[id].connection; i < id; i++) {
		enum sim_outcome o = w->requests[i].outcome;
		if (!sim_dut_is_there() && w->requests[i].plan.close)
			return 1;
		if (o == SIM_LOCAL || o == SIM_CUT || o == SIM_GIVEN_UP)
			return 1;
	}
	return 0;
}

static int may_be(const struct sim_world *w, uint32_t id, const struct sim_request *q)
{
	enum sim_fault fault = q->plan.fault;
	int harmless = fault == SIM_NO_FAULT || fault >= SIM_SURPLUS;

	switch (q->outcome) {
	case SIM_ANSWERED:
		return harmless || w->profile->offsets; /* the cut came behind its end */
	case SIM_LOCAL:
		/* Unseen, and all resets that would have said so lost: the proxy gives up waiting.
		 */
		return !harmless || q->poisoned || (w->profile->shuts > 0 && q->heads == 0) ||
		       (w->profile->lossy && (q->timed_out || q->heads == 0));
	case SIM_CUT:
		return fault == SIM_RESET_AMID || fault == SIM_CLOSE_AMID;
	case SIM_UNANSWERED:
		return w->drained || had_trouble_before(w, id);
	case SIM_GIVEN_UP:
		return w->profile->aborts > 0;
	default:
		return 0;
	}
}

/* A request reaches backends once. Sent again it may be only when no byte of it was acknowledged;
 * that a backend has seen it all the same takes a lost acknowledgement and a lost reset. */
static int may_come_twice(const struct sim_world *w, const struct sim_request *q)
{
	return w->profile->cut || (w->profile->lossy && q->reset_after);
}

/* Of the others the proxy may have seen nothing, or no whole head. */
static int must_be_logged(const struct sim_request *q)
{
	return q->outcome == SIM_ANSWERED || q->outcome == SIM_LOCAL || q->outcome == SIM_CUT ||
	       q->records > 1;
}

static void judge(struct sim_world *w, uint32_t id)
{
	const struct sim_request *q = &w->requests[id];

	if (q->outcome == SIM_PENDING || (!w->profile->cut && !may_be(w, id, q)))
		sim_fail(w, "request %u (%s, fault %d) was %s", id, q->plan.method, q->plan.fault,
			 outcomes[q->outcome]);
	if (q->heads > 1 && !may_come_twice(w, q))
		sim_fail(w, "request %u reached backends %u times", id, q->heads);
	if (sim_dut_is_there() && q->records != 1 && must_be_logged(q))
		sim_fail(w, "request %u was %s and logged %u times", id, outcomes[q->outcome],
			 q->records);
	if (q->outcome == SIM_ANSWERED && q->wholes == 0)
		sim_fail(w, "request %u was answered but never whole at a backend", id);
}

void sim_judge(struct sim_world *w)
{
	for (uint32_t id = 0; id < w->n_requests; id++)
		judge(w, id);
}
