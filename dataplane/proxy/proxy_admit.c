/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization of an exchange: before its route, by the workloads of the service that it names,
 * and of the endpoint it is about to go to. docs/decisions/0017-whose-authorization.md */
#include "proxy_authz.h"
#include "proxy_state.h"

static struct hd_str sni_of(const struct proxy_exchange *x)
{
	if (x->down != NULL)
		return proxy_tls_sni(x->down);
	if (x->sni == NULL)
		return (struct hd_str){ "", 0 };
	return (struct hd_str){ rte_pktmbuf_mtod(x->sni, const char *), x->sni->data_len };
}

static void view_init(const struct proxy *p, const struct proxy_exchange *x, const uint8_t *bytes,
		      struct proxy_authz_view *v)
{
	const uint8_t *mark;

	*v = (struct proxy_authz_view){ .principal = proxy_peer_principal(x->peer),
					.sni = sni_of(x),
					.source = x->down_remote.ip,
					.remote = x->down_remote.ip,
					.dialled = x->down_local };
	if (x->is_stream)
		return;
	v->bytes = bytes;
	v->head = &p->head;
	v->remote =
		proxy_authz_remote(bytes, &p->head, &x->down_remote.ip, x->role == HD_ROLE_GATEWAY);
	mark = memchr(p->path, '?', p->path_n);
	v->path = p->path;
	v->path_n = mark != NULL ? (uint32_t)(mark - p->path) : p->path_n;
}

static void count(struct proxy *p, const struct proxy_authz_verdict *v)
{
	struct hd_authz_count *of = p->own->authz;

	if (v->audited != 0)
		of[v->audited - 1].matched++;
	if (v->policy != 0 && v->is_denied)
		of[v->policy - 1].denied++;
	else if (v->policy != 0)
		of[v->policy - 1].allowed++;
}

static void refuse(struct proxy *p, struct proxy_exchange *x, const struct proxy_authz_verdict *v)
{
	const struct proxy_answer a = { .status = 403,
					.body = "RBAC: access denied",
					.details = proxy_authz_details(&p->snapshot->authz, v) };

	count(p, v);
	proxy_count(p, HD_PROXY_DENIED);
	proxy_exchange_reply(p, x, &a);
}

static void admit(struct proxy *p, struct proxy_exchange *x, uint32_t target,
		  const struct proxy_authz_verdict *v)
{
	count(p, v);
	x->admitted_as = target;
	x->admitted_generation = p->snapshot->generation;
}

/* The first of the targets that lets it pass; when none does, what the first said. */
static int admit_any(struct proxy *p, struct proxy_exchange *x, const uint32_t *targets, uint32_t n,
		     const uint8_t *bytes)
{
	struct proxy_authz_verdict first = { 0 }, v;
	struct proxy_authz_view view;

	view_init(p, x, bytes, &view);
	for (uint32_t i = 0; i < n; i++) {
		v = proxy_authz_decide(&p->snapshot->authz, targets[i], &view);
		if (!v.is_denied) {
			admit(p, x, targets[i], &v);
			return 1;
		}
		if (i == 0)
			first = v;
	}
	refuse(p, x, &first);
	return 0;
}

int proxy_admit_request(struct proxy *p, struct proxy_exchange *x, const struct hd_listener *l,
			const struct hd_vhost *vhost, const uint8_t *bytes)
{
	if (x->role == HD_ROLE_GATEWAY)
		return l == NULL || l->authz == 0 || admit_any(p, x, &l->authz, 1, bytes);
	if (x->role != HD_ROLE_WAYPOINT || vhost == NULL || vhost->authz_count == 0)
		return 1;
	return admit_any(p, x, p->snapshot->authz.words + vhost->authz_first, vhost->authz_count,
			 bytes);
}

int proxy_admit_endpoint(struct proxy *p, struct proxy_exchange *x, const struct hd_endpoint *ep,
			 const uint8_t *bytes)
{
	if (x->role != HD_ROLE_WAYPOINT ||
	    (x->admitted_as == ep->authz && x->admitted_generation == p->snapshot->generation))
		return 1;
	if (bytes == NULL && !x->is_stream)
		bytes = proxy_exchange_parse_again(p, x);
	return admit_any(p, x, &ep->authz, 1, bytes);
}
