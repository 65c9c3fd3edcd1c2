/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a request is tried again, and when (istio-api.md 5.6). */
#include "proxy_state.h"

#define RETRY_RESETS (HD_RETRY_RESET | HD_RETRY_5XX | HD_RETRY_GATEWAY_ERROR)
#define RETRY_CONNECTS (RETRY_RESETS | HD_RETRY_CONNECT_FAILURE | HD_RETRY_RESET_BEFORE_REQUEST)

/* Conditions that ask for another try after such a failure. */
static const uint32_t conditions[] = {
	[PROXY_FAIL_CONNECT] = RETRY_CONNECTS,
	[PROXY_FAIL_UNREACHABLE] = RETRY_CONNECTS,
	[PROXY_FAIL_TLS_NAME] = RETRY_CONNECTS,
	[PROXY_FAIL_TLS_CERTIFICATE] = RETRY_CONNECTS,
	[PROXY_FAIL_TLS_PLAINTEXT] = RETRY_CONNECTS,
	[PROXY_FAIL_TLS_HANDSHAKE] = RETRY_CONNECTS,
	[PROXY_FAIL_LOCAL] = RETRY_CONNECTS,
	[PROXY_FAIL_CONNECT_TIMEOUT] = RETRY_CONNECTS,
	[PROXY_FAIL_TERMINATED] = RETRY_RESETS,
	[PROXY_FAIL_PROTOCOL] = RETRY_RESETS,
	[PROXY_FAIL_PER_TRY_TIMEOUT] = RETRY_RESETS,
	[PROXY_FAIL_OVERFLOW] = 0,
	[PROXY_FAIL_NO_PLACE] = 0,
	[PROXY_FAIL_NO_ENDPOINT] = 0,
	[PROXY_FAIL_NO_CLUSTER] = 0,
};

/* A budget grows with the load, each worker's with its own; requests that wait for a connection are
 * among the active ones. */
static int is_within_budget(const struct proxy *p, const struct hd_cluster *c,
			    const struct proxy_cluster_state *cs)
{
	uint64_t by_load = (uint64_t)c->retry_budget * cs->stats.requests_active / 10000;
	uint32_t least = RTE_MAX(c->retry_budget_min / p->snapshot->n_workers, 1u);

	return cs->stats.retries_active < RTE_MAX(by_load, least);
}

static int may_be_under_way(struct proxy *p, const struct hd_cluster *c,
			    const struct proxy_cluster_state *cs)
{
	if (hd_unlikely(c->has_retry_budget))
		return is_within_budget(p, c, cs);
	if (proxy_quota_has_room(p, c->slot, QUOTA_RETRIES, cs->stats.retries_active,
				 c->max_retries))
		return 1;
	proxy_quota_ask(p, c->slot, QUOTA_RETRIES);
	return 0;
}

/* There is a try left and room for it; sets the flag of what there is not. */
static int may_retry(struct proxy *p, struct proxy_exchange *x)
{
	const struct hd_cluster *c = proxy_exchange_cluster(p, x);
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, x->cluster_slot);

	if (!x->can_replay || x->interim_sent || c == NULL)
		return 0;
	if (x->retry.left == 0) {
		if (x->retry.made > 0)
			x->flags |= HD_FLAG_URX;
		return 0;
	}
	if (!may_be_under_way(p, c, cs)) {
		proxy_count(p, HD_PROXY_RETRY_OVERFLOW);
		x->flags |= HD_FLAG_UO;
		return 0;
	}
	return 1;
}

int proxy_retry_failure(struct proxy *p, struct proxy_exchange *x, enum proxy_failure why)
{
	if (!(conditions[why] & x->retry.on) || !may_retry(p, x))
		return 0;
	proxy_retry_schedule(p, x);
	return 1;
}

static int is_wanted(const struct proxy_exchange *x, uint16_t status)
{
	uint32_t on = x->retry.on;

	if ((on & HD_RETRY_5XX) && status >= 500)
		return 1;
	if ((on & HD_RETRY_GATEWAY_ERROR) && status >= 502 && status <= 504)
		return 1;
	if ((on & HD_RETRY_RETRIABLE_4XX) && status == 409)
		return 1;
	for (uint32_t i = 0; i < x->retry.n_statuses; i++)
		if (x->retry.statuses[i] == status)
			return 1;
	return 0;
}

/* gRPC says so in an answer that is all head ("trailers-only"). */
static int is_wanted_by_grpc(const struct proxy_exchange *x, const struct http_head *h,
			     const uint8_t *bytes)
{
	const struct http_field *f;

	if (!x->is_grpc || !(x->retry.on & (HD_RETRY_GRPC_UNAVAILABLE | HD_RETRY_GRPC_CANCELLED)))
		return 0;
	f = proxy_field_find(h, bytes, "grpc-status");
	if (f == NULL)
		return 0;
	if (f->value_n == 2 && memcmp(bytes + f->value, "14", 2) == 0)
		return (x->retry.on & HD_RETRY_GRPC_UNAVAILABLE) != 0;
	return f->value_n == 1 && bytes[f->value] == '1' && (x->retry.on & HD_RETRY_GRPC_CANCELLED);
}

/* A backend that says it is overloaded is not asked again (istio-api.md 5.6). */
int proxy_retry_wants_answer(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes)
{
	const struct http_head *h = &p->head;

	if (!is_wanted(x, h->status) && !is_wanted_by_grpc(x, h, bytes))
		return 0;
	return proxy_field_find(h, bytes, "x-envoy-overloaded") == NULL && may_retry(p, x);
}

static void remember_tried(struct proxy_exchange *x)
{
	struct proxy_retry *r = &x->retry;

	if (r->forgets_tried)
		return;
	if (r->n_tried < PROXY_TRIED_MAX)
		r->tried[r->n_tried++] = x->endpoint_slot;
	else
		r->tried[r->made % PROXY_TRIED_MAX] = x->endpoint_slot;
}

/* Full jitter: uniform in [0, min(base x 2^(n-1), 10 x base)) before the n-th retry, in steps of a
 * microsecond. */
static hd_ns backoff(struct proxy *p, const struct proxy_retry *r)
{
	uint64_t base_us = r->backoff_base / HD_NS_PER_US;
	uint64_t most_us =
		r->made > 4 ? 10 * base_us : RTE_MIN(base_us << (r->made - 1), 10 * base_us);

	if (most_us == 0)
		return 0;
	return proxy_random_below(&p->random, (uint32_t)RTE_MIN(most_us, (uint64_t)UINT32_MAX)) *
	       HD_NS_PER_US;
}

void proxy_retry_schedule(struct proxy *p, struct proxy_exchange *x)
{
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, x->cluster_slot);

	remember_tried(x);
	x->retry.left--;
	x->retry.made++;
	x->retry.counted = 1;
	cs->stats.retries_active++;
	cs->stats.retries++;
	proxy_count(p, HD_PROXY_RETRIES);
	x->state = EXCHANGE_BACKOFF;
	x->wake = p->now + backoff(p, &x->retry);
}

void proxy_retry_end(struct proxy *p, struct proxy_exchange *x)
{
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, x->cluster_slot);

	if (!x->retry.counted)
		return;
	x->retry.counted = 0;
	cs->stats.retries_active--;
	proxy_quota_put(p, x->cluster_slot, QUOTA_RETRIES, cs->stats.retries_active);
}

int proxy_retry_needs_body(const struct proxy_exchange *x)
{
	const uint32_t before_sending = HD_RETRY_CONNECT_FAILURE | HD_RETRY_REFUSED_STREAM |
					HD_RETRY_RESET_BEFORE_REQUEST | HD_RETRY_GRPC_UNAVAILABLE |
					HD_RETRY_GRPC_CANCELLED;

	return x->retry.left > 0 && (x->retry.on & ~before_sending) && !x->interim_sent;
}

int proxy_retry_is_unseen(const struct proxy_exchange *x)
{
	return x->up != NULL && x->up->requests > 1 && !x->interim_sent &&
	       tcp_acked_offset(x->up->conn) <= x->sent_from;
}
