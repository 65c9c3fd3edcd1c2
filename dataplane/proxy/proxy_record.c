/* SPDX-License-Identifier: Apache-2.0 */
/* The access record of a finished exchange (or of a stream that opens), written straight into the
 * ring that ctrl reads. */
#include "proxy_state.h"

/* A part of the request's head, cut to fit. Returns its real length, 0 when the head could not be
 * kept. */
static uint16_t put_span(const struct proxy_exchange *x, struct proxy_span s, char *out,
			 uint32_t room)
{
	uint32_t n = RTE_MIN((uint32_t)s.n, room);

	if ((uint32_t)s.at + n > x->head.bytes)
		return 0;
	if (n > 0)
		bufq_copy_out(&x->head, s.at, out, n);
	return s.n;
}

static void put_times(const struct proxy *p, const struct proxy_exchange *x,
		      struct hd_access_record *r)
{
	r->start_wall = (hd_ns)((int64_t)x->started + p->wall_offset);
	r->duration = p->now - x->started;
	r->upstream_time = x->upstream_time;
}

static void put_addresses(const struct proxy_exchange *x, struct hd_access_record *r)
{
	r->down_remote = x->down_remote;
	r->down_local = x->down_local;
	r->up_remote = x->up_addr;
	r->up_local = x->up_local;
}

/* A token that ends here does not get into logs. */
static void put_path(const struct proxy_exchange *x, struct hd_access_record *r)
{
	uint32_t n;

	r->path_n = put_span(x, x->path, r->path, sizeof(r->path));
	r->path_cut = r->path_n > sizeof(r->path);
	if (hd_likely(x->strip.n_params == 0))
		return;
	n = RTE_MIN((uint32_t)r->path_n, (uint32_t)sizeof(r->path));
	r->path_n = (uint16_t)proxy_strip_params(&x->strip, (uint8_t *)r->path, n);
}

static void put_request(const struct proxy_exchange *x, struct hd_access_record *r)
{
	struct proxy_span method = { x->method_at, x->method_n };
	uint16_t method_n = put_span(x, method, r->method, sizeof(r->method));

	r->method_n = (uint8_t)RTE_MIN(method_n, sizeof(r->method));
	put_path(x, r);
	r->authority_n = put_span(x, x->authority, r->authority, sizeof(r->authority));
	r->agent_n = put_span(x, x->agent, r->agent, sizeof(r->agent));
	r->forwarded_for_n =
		put_span(x, x->forwarded_for, r->forwarded_for, sizeof(r->forwarded_for));
	memcpy(r->request_id, x->request_id, sizeof(r->request_id));
}

static void put_decisions(const struct proxy_exchange *x, struct hd_access_record *r)
{
	size_t details_n = strlen(x->details);

	r->flags = x->flags;
	r->status = x->status;
	r->retries = x->retry.made;
	r->protocol = x->protocol;
	r->bytes_received = x->bytes_received;
	r->bytes_sent = x->bytes_sent;
	r->details_n = (uint16_t)details_n;
	memcpy(r->details, x->details, RTE_MIN(details_n, sizeof(r->details)));
	r->cluster_n = x->cluster_n;
	memcpy(r->cluster, x->cluster_name, x->cluster_n);
	memcpy(r->route_name, x->route_name, sizeof(r->route_name));
	memcpy(r->route_source, x->route_source, sizeof(r->route_source));
	r->route_source_line = x->route_line;
}

/* The leg is there as long as its caller is. */
static void put_tls(const struct proxy_exchange *x, struct hd_access_record *r)
{
	struct hd_str sni, who = x->peer != NULL && x->down != NULL ? x->peer->spiffe_id
								     : (struct hd_str){ "", 0 };

	r->tls_version = r->sni_n = r->peer_n = 0;
	if (hd_likely(x->down == NULL || x->down->tls == NULL))
		return;
	sni = proxy_tls_sni(x->down);
	r->tls_version = x->down->tls->version;
	r->sni_n = (uint16_t)sni.n;
	r->peer_n = (uint16_t)RTE_MIN(who.n, (uint32_t)UINT16_MAX);
	memcpy(r->sni, sni.p, RTE_MIN(sni.n, (uint32_t)sizeof(r->sni)));
	memcpy(r->peer, who.p, RTE_MIN(who.n, (uint32_t)sizeof(r->peer)));
}

static void record(struct proxy *p, const struct proxy_exchange *x, int opens)
{
	struct hd_access_record *r;

	if (p->access == NULL || (x->patches & PROXY_PATCH_SHADOW))
		return;
	r = hd_ring_slot(p->access);
	if (r == NULL) {
		proxy_count(p, HD_WORKER_LOG_RING_FULL);
		return;
	}
	put_times(p, x, r);
	put_addresses(x, r);
	put_request(x, r);
	put_decisions(x, r);
	put_tls(x, r);
	r->worker = (uint8_t)p->worker;
	r->opens = (uint8_t)opens;
	hd_ring_push(p->access);
}

void proxy_record_write(struct proxy *p, const struct proxy_exchange *x)
{
	record(p, x, 0);
}

void proxy_record_open(struct proxy *p, const struct proxy_exchange *x)
{
	record(p, x, 1);
}
