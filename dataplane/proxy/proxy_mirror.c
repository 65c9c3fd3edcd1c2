/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of requests for other clusters, sent and forgotten (istio-api.md 5.7, observed-istio.md
 * 10). A copy is an exchange without a caller: it has the head and, by reference, the body, which
 * it gathers while the request passes. It goes out when the request is complete, in a turn of its
 * own; its answer goes nowhere. Where it cannot be made or kept it is dropped, and the request does
 * not notice. */
#include <errno.h>

#include "core_mbuf.h"
#include "proxy_edit.h"
#include "proxy_share.h"
#include "proxy_state.h"

static void drop(struct proxy *p, struct proxy_exchange *copy)
{
	proxy_count(p, HD_PROXY_MIRROR_DROPPED);
	proxy_exchange_destroy(p, copy);
}

static void copy_decisions(struct proxy_exchange *copy, const struct proxy_exchange *x)
{
	copy->role = x->role;
	copy->method = x->method;
	copy->protocol = x->protocol;
	copy->is_grpc = x->is_grpc;
	copy->keeps_id = x->keeps_id;
	memcpy(copy->request_id, x->request_id, sizeof(copy->request_id));
	copy->request = x->request;
	copy->timeout = x->timeout;
	copy->rewrites = x->rewrites;
	copy->patches = (x->patches & PROXY_PATCH_EDITS) | PROXY_PATCH_SHADOW;
	copy->destination = x->destination;
	copy->route = x->route;
	copy->route_generation = x->route_generation;
	copy->has_hash = x->has_hash;
	copy->hash = x->hash;
	copy->is_secure = x->is_secure;
	copy->down_remote = x->down_remote;
	copy->down_local = x->down_local;
	copy->decorator_n = x->decorator_n;
	memcpy(copy->decorator, x->decorator, x->decorator_n);
	memcpy(copy->route_name, x->route_name, sizeof(copy->route_name));
	copy->has_strip = x->has_strip;
	copy->strip = x->strip;
}

/* A copy is judged by the workload that it goes to as coming from its caller, who may be gone by
 * then (docs/decisions/0017-whose-authorization.md). 0 or -ENOMEM. */
static int copy_caller(struct proxy *p, struct proxy_exchange *copy, const struct proxy_exchange *x)
{
	struct hd_str sni = proxy_tls_sni(x->down);

	proxy_token_share(p, x, copy);
	copy->is_mesh = x->is_mesh;
	if (x->peer != NULL)
		tls_identity_hold(x->peer, p->worker);
	copy->peer = x->peer;
	if (sni.n == 0)
		return 0;
	copy->sni = core_mbuf_alloc(p->pools.bufs, 1);
	if (copy->sni == NULL)
		return -ENOMEM;
	memcpy(rte_pktmbuf_mtod(copy->sni, char *), sni.p, sni.n);
	copy->sni->data_len = (uint16_t)sni.n;
	return 0;
}

void proxy_mirror_end(struct proxy *p, struct proxy_exchange *copy)
{
	p->n_copies--;
	if (copy->peer != NULL)
		tls_identity_put(copy->peer, p->worker);
	if (copy->sni != NULL)
		rte_pktmbuf_free(copy->sni);
}

static void copy_begin(struct proxy *p, struct proxy_exchange *x, uint32_t cluster)
{
	struct proxy_exchange *copy;

	if (x->n_copies == PROXY_COPIES_MAX || p->n_copies >= p->copies_max) {
		proxy_count(p, HD_PROXY_MIRROR_DROPPED);
		return;
	}
	copy = proxy_exchange_create_copy(p, cluster);
	if (copy == NULL)
		return;
	copy_decisions(copy, x);
	if (copy_caller(p, copy, x) < 0 ||
	    proxy_relay_share(&copy->head, &x->head, p->pools.indirect) < 0)
		drop(p, copy);
	else
		x->copies[x->n_copies++] = copy;
}

void proxy_mirror_begin(struct proxy *p, struct proxy_exchange *x, const struct hd_extras *e)
{
	if (x->is_upgrade)
		return;
	for (uint32_t i = 0; i < e->mirrors_count; i++) {
		const struct hd_mirror *m = &p->snapshot->mirrors[e->mirrors_first + i];

		if (proxy_share_draw(&p->own->dice[m->share.die], m->share.per_million, &p->random))
			copy_begin(p, x, m->cluster);
	}
}

void proxy_mirror_drop(struct proxy *p, struct proxy_exchange *x)
{
	while (x->n_copies > 0)
		drop(p, x->copies[--x->n_copies]);
}

static int gather(struct proxy *p, struct proxy_exchange *copy, const struct bufq *body)
{
	uint32_t before = copy->replay.bufs;

	if (copy->replay.bytes + body->bytes > PROXY_REPLAY_MAX ||
	    p->replay_bufs + body->bufs > p->replay_bufs_max ||
	    proxy_relay_share(&copy->replay, body, p->pools.indirect) < 0)
		return -1;
	p->replay_bufs += copy->replay.bufs - before;
	return 0;
}

void proxy_mirror_gather(struct proxy *p, struct proxy_exchange *x, const struct bufq *body)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < x->n_copies; i++) {
		if (gather(p, x->copies[i], body) == 0)
			x->copies[n++] = x->copies[i];
		else
			drop(p, x->copies[i]);
	}
	x->n_copies = (uint8_t)n;
}

void proxy_mirror_complete(struct proxy *p, struct proxy_exchange *x)
{
	while (x->n_copies > 0) {
		struct proxy_exchange *copy = x->copies[--x->n_copies];

		proxy_count(p, HD_PROXY_MIRRORED);
		copy->request.done = 1;
		copy->request_done = p->now;
		copy->deadline =
			p->now + (copy->timeout > 0 ? copy->timeout : PROXY_STREAM_TIMEOUT);
		copy->wake = p->now;
		proxy_exchange_arm(p, copy);
	}
}

/* As Envoy's own client does with what it sends. */
void proxy_mirror_mark(const struct proxy_exchange *x, struct proxy_edit_head *h)
{
	char text[HD_ADDR_STRLEN], joined[512];
	struct hd_str own = { proxy_rewrite_ip(&x->up_local.ip, text), 0 },
		      before = proxy_edit_find(h, "x-forwarded-for");

	own.n = (uint32_t)strlen(own.p);
	proxy_edit_replace(h, "x-envoy-internal", (struct hd_str){ "true", 4 });
	if (before.p == NULL || before.n + own.n + 1 > sizeof(joined)) {
		proxy_edit_append(h, "x-forwarded-for", own);
		return;
	}
	memcpy(joined, before.p, before.n);
	joined[before.n] = ',';
	memcpy(joined + before.n + 1, own.p, own.n);
	proxy_edit_replace(h, "x-forwarded-for", (struct hd_str){ joined, before.n + 1 + own.n });
}
