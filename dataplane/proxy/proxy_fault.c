/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that a route injects, before anything else happens to a request: first the delay, then the
 * abort; no retry and no timeout knows of them (istio-api.md 1.1.7, observed-istio.md 5). */
#include "proxy_share.h"
#include "proxy_state.h"

static int is_drawn(struct proxy *p, struct hd_share share, uint32_t die)
{
	return share.per_million > 0 &&
	       proxy_share_draw(&p->own->dice[die], share.per_million, &p->random);
}

static int abort_drawn(struct proxy *p, struct proxy_exchange *x, const struct hd_fault *f,
		       uint32_t die)
{
	struct proxy_answer a = {
		.status = f->status,
		.grpc = f->grpc,
		.flags = HD_FLAG_FI,
		.body = "fault filter abort",
		.details = "fault_filter_abort",
	};

	if (f->status == 0 || !is_drawn(p, f->aborted, die))
		return 0;
	proxy_count(p, HD_PROXY_ABORTED);
	proxy_exchange_reply(p, x, &a);
	return 1;
}

int proxy_fault_begin(struct proxy *p, struct proxy_exchange *x, const struct hd_fault *f)
{
	if (!is_drawn(p, f->delayed, f->delayed.die))
		return abort_drawn(p, x, f, f->aborted.die);
	proxy_count(p, HD_PROXY_DELAYED);
	x->flags |= HD_FLAG_DI;
	x->state = EXCHANGE_DELAYED;
	x->wake = p->now + f->delay;
	proxy_exchange_arm(p, x);
	return 1;
}

int proxy_fault_after_delay(struct proxy *p, struct proxy_exchange *x, const struct hd_fault *f)
{
	return abort_drawn(p, x, f, f->die_after_delay);
}
