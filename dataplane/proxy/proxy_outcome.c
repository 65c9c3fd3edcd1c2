/* SPDX-License-Identifier: Apache-2.0 */
/* What came of a try, told to ctrl when its cluster's outliers are detected (istio-api.md 5.1).
 *
 * An endpoint that only succeeds has nothing to tell: a success says something only after a
 * failure. So failures are told always, successes while ctrl watches the endpoint, and the first
 * one after a failure of this worker's own, because ctrl may not have seen that yet. */
#include "proxy_state.h"

/* grpc-status -> the HTTP status that it counts as (istio-api.md 3.4). */
static const uint16_t grpc_as_http[] = { 200, 499, 500, 400, 504, 404, 409, 403, 429,
					 400, 409, 400, 501, 500, 503, 500, 401 };

static void put(struct proxy *p, const struct proxy_exchange *x, enum hd_outcome_kind kind,
		uint16_t status)
{
	struct hd_outcome *o = hd_ring_slot(p->outcomes);

	if (o == NULL) {
		proxy_count(p, HD_WORKER_OUTCOMES_LOST);
		return;
	}
	*o = (struct hd_outcome){
		.at = p->now,
		.endpoint = x->endpoint_slot,
		.generation = (uint32_t)x->generation,
		.status = status,
		.kind = (uint8_t)kind,
		.was_sent = x->up != NULL,
	};
	hd_ring_push(p->outcomes);
}

static void tell(struct proxy *p, const struct proxy_exchange *x, enum hd_outcome_kind kind,
		 uint16_t status, int is_failure)
{
	struct proxy_endpoint_state *st = proxy_pool_endpoint(p, x->endpoint_slot);

	st->stats.outcomes++;
	st->stats.failed_outcomes += is_failure;
	if (!is_failure && !st->told_failure && !p->watched[x->endpoint_slot])
		return;
	st->told_failure = is_failure != 0;
	put(p, x, kind, status);
}

static int is_told(const struct proxy *p, const struct proxy_exchange *x)
{
	return x->outlier != PROXY_OUTLIER_OFF && p->outcomes != NULL;
}

/* An answer that is all head carries the status of gRPC in it. */
static uint16_t status_of(const struct proxy *p, const struct proxy_exchange *x,
			  const uint8_t *bytes)
{
	const struct http_field *f =
		x->is_grpc ? proxy_field_find(&p->head, bytes, "grpc-status") : NULL;
	uint32_t code = 0;

	if (f == NULL || f->value_n == 0 || f->value_n > 2)
		return p->head.status;
	for (uint32_t i = 0; i < f->value_n; i++) {
		uint32_t digit = (uint32_t)bytes[f->value + i] - '0';
		if (digit > 9)
			return p->head.status;
		code = code * 10 + digit;
	}
	return code < HD_ARRAY_SIZE(grpc_as_http) ? grpc_as_http[code] : 500;
}

void proxy_outcome_answer(struct proxy *p, const struct proxy_exchange *x, const uint8_t *bytes)
{
	uint16_t status;

	if (!is_told(p, x))
		return;
	status = status_of(p, x, bytes);
	/* Which codes are errors is known to ctrl when the rule lists them. */
	tell(p, x, HD_OUTCOME_ANSWER, status, status >= 500 || x->outlier == PROXY_OUTLIER_CODES);
}

void proxy_outcome_connected(struct proxy *p, const struct proxy_exchange *x)
{
	if (is_told(p, x))
		tell(p, x, HD_OUTCOME_CONNECTED, 0, 0);
}

void proxy_outcome_timeout(struct proxy *p, const struct proxy_exchange *x)
{
	if (is_told(p, x))
		tell(p, x, HD_OUTCOME_TIMEOUT, 0, 1);
}

void proxy_outcome_cut(struct proxy *p, const struct proxy_exchange *x)
{
	if (is_told(p, x))
		tell(p, x, HD_OUTCOME_RESET, 0, 1);
}

void proxy_outcome_failed(struct proxy *p, const struct proxy_exchange *x, enum proxy_failure why)
{
	if (!is_told(p, x))
		return;
	switch (why) {
	case PROXY_FAIL_CONNECT:
	case PROXY_FAIL_UNREACHABLE:
	case PROXY_FAIL_TLS_NAME:
	case PROXY_FAIL_TLS_CERTIFICATE:
	case PROXY_FAIL_TLS_PLAINTEXT:
	case PROXY_FAIL_TLS_HANDSHAKE:
		tell(p, x, HD_OUTCOME_CONNECT_FAILURE, 0, 1);
		return;
	case PROXY_FAIL_CONNECT_TIMEOUT:
	case PROXY_FAIL_PER_TRY_TIMEOUT:
		tell(p, x, HD_OUTCOME_TIMEOUT, 0, 1);
		return;
	case PROXY_FAIL_TERMINATED:
	case PROXY_FAIL_PROTOCOL:
		tell(p, x, HD_OUTCOME_RESET, 0, 1);
		return;
	/* No fault of the endpoint's. */
	case PROXY_FAIL_LOCAL:
	case PROXY_FAIL_OVERFLOW:
	case PROXY_FAIL_NO_PLACE:
	case PROXY_FAIL_NO_ENDPOINT:
	case PROXY_FAIL_NO_CLUSTER:
		return;
	}
}
