/* SPDX-License-Identifier: Apache-2.0 */
/* Authentication and authorization of an exchange: before its route, by the workloads of the
 * service that it names, and of the endpoint it is about to go to.
 * docs/decisions/0017-whose-authorization.md */
#include "proxy_state.h"

#define PROXY_REALM_MAX 640

struct hd_str proxy_exchange_sni(const struct proxy_exchange *x)
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
					.sni = proxy_exchange_sni(x),
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

/* "jwt_authn_access_denied{Jwt_is_expired}" */
static void tell(char *out, size_t room, const char *text)
{
	static const char head[] = "jwt_authn_access_denied{";
	size_t n = sizeof(head) - 1;

	memcpy(out, head, n);
	for (; *text != '\0' && n + 2 < room; text++)
		out[n++] = *text == ' ' ? '_' : *text;
	out[n++] = '}';
	out[n] = '\0';
}

static uint32_t put(char *out, uint32_t at, const void *p, uint32_t n)
{
	const char *quote = n > 0 ? memchr(p, '"', n) : NULL;

	if (quote != NULL) /* a quoted string ends there */
		n = (uint32_t)(quote - (const char *)p);
	memcpy(out + at, p, n);
	return at + n;
}

/* RFC 6750 3, with the URI that was asked for as the realm, as Envoy has it. Who brought no token
 * is told of no error. */
static void challenge(struct proxy *p, const struct proxy_exchange *x, enum hd_jwt_status status,
		      const uint8_t *bytes, char out[PROXY_REALM_MAX])
{
	static const char head[] = "Bearer realm=\"", tail[] = "\", error=\"invalid_token\"";
	int is_secure = x->is_secure;
	uint32_t n = 0;

	memcpy(out, head, sizeof(head) - 1);
	n = sizeof(head) - 1;
	n = put(out, n, is_secure ? "https://" : "http://", is_secure ? 8 : 7);
	n = put(out, n, bytes + p->head.authority, RTE_MIN((uint32_t)p->head.authority_n, 255u));
	n = put(out, n, p->path, RTE_MIN(p->path_n, 256u));
	memcpy(out + n, tail, sizeof(tail));
	if (status == HD_JWT_MISSING)
		out[n + 1] = '\0';
}

static struct proxy_strip_view strip_view(const struct proxy *p, const uint8_t *bytes)
{
	return (struct proxy_strip_view){ &p->head, bytes, p->path, p->path_n };
}

/* What its backend gets is decided here and now: further tries may come after a reload. */
static void admit(struct proxy *p, struct proxy_exchange *x, uint32_t target,
		  const struct proxy_authz_verdict *v, const uint8_t *bytes)
{
	const struct hd_authz *z = &p->snapshot->authz;
	const struct hd_authz_profile *profile = &z->profiles[z->targets[target].profile];

	count(p, v);
	x->admitted_as = target;
	x->admitted_generation = p->snapshot->generation;
	x->strip.n_params = 0;
	x->has_strip = profile->jwt_count > 0 && !x->is_stream;
	if (hd_unlikely(x->has_strip)) {
		const struct proxy_strip_view view = strip_view(p, bytes);

		proxy_strip_decide(&view, &p->snapshot->jwt, z->words + profile->jwt_first,
				   profile->jwt_count, proxy_token_rule(p, x), &x->strip);
	}
}

static void refuse_token(struct proxy *p, struct proxy_exchange *x, enum hd_jwt_status status,
			 const uint8_t *bytes)
{
	char realm[PROXY_REALM_MAX];
	const struct proxy_answer a = { .status = proxy_token_http(status),
					.body = proxy_token_text(status),
					.details = p->told,
					.authenticate = realm };

	tell(p->told, sizeof(p->told), proxy_token_text(status));
	challenge(p, x, status, bytes, realm);
	proxy_count(p, HD_PROXY_TOKENS_REFUSED);
	proxy_exchange_reply(p, x, &a);
}

static int has_line(const struct http_head *h, const uint8_t *bytes, const char *name)
{
	for (uint32_t i = 0; i < h->n_fields; i++)
		if (http_name_eq(bytes + h->fields[i].name, h->fields[i].name_n, name))
			return 1;
	return 0;
}

/* A browser sends no token with these. */
static int is_preflight(const struct proxy *p, const uint8_t *bytes)
{
	return p->head.method == HTTP_OPTIONS && has_line(&p->head, bytes, "origin") &&
	       has_line(&p->head, bytes, "access-control-request-method");
}

/* What came of one target. */
struct judgement {
	struct proxy_authz_verdict verdict;
	enum hd_jwt_status status; /* not OK: refused for its token */
	int is_later;
};

static int has_custom(const struct hd_authz_profile *profile)
{
	uint32_t any = 0;

	for (int i = 0; i < HD_AUTHZ_SCOPES; i++)
		any |= profile->lists[HD_AUTHZ_CUSTOM][i];
	return any != 0;
}

/* 1: the token is good (then claims is filled), or there is none, and the rest decides. */
static int judge_token(struct proxy *p, struct proxy_exchange *x,
		       const struct hd_authz_profile *profile, const uint8_t *bytes,
		       struct judgement *j, struct proxy_authz_view *view,
		       struct proxy_claims *claims)
{
	const struct proxy_strip_view at = strip_view(p, bytes);

	switch (proxy_token_judge(p, x, profile, &at, &j->status)) {
	case TOKEN_LATER:
		j->is_later = 1;
		return 0;
	case TOKEN_BAD:
		return 0;
	case TOKEN_GOOD:
		*claims = proxy_token_claims(p, x);
		view->claims = claims;
		break;
	case TOKEN_NONE:
		break;
	}
	j->status = HD_JWT_OK;
	return 1;
}

/* CUSTOM comes before tokens, the others after (istio-api.md 0.4). */
static struct judgement judge(struct proxy *p, struct proxy_exchange *x, uint32_t target,
			      struct proxy_authz_view *view, const uint8_t *bytes)
{
	const struct hd_authz *z = &p->snapshot->authz;
	const struct hd_authz_profile *profile = &z->profiles[z->targets[target].profile];
	struct judgement j = { .status = HD_JWT_OK };
	struct proxy_claims claims;

	view->claims = NULL;
	proxy_token_release(p, x);
	if (profile->jwt_count > 0 && !x->is_stream && !is_preflight(p, bytes)) {
		if (has_custom(profile)) {
			j.verdict = proxy_authz_decide(z, target, view);
			if (j.verdict.is_denied && j.verdict.action == HD_AUTHZ_CUSTOM)
				return j;
		}
		if (!judge_token(p, x, profile, bytes, &j, view, &claims))
			return j;
	}
	j.verdict = proxy_authz_decide(z, target, view);
	view->claims = NULL;
	return j;
}

/* The first of the targets that lets it pass; when none does, what the first said. */
static int admit_any(struct proxy *p, struct proxy_exchange *x, const uint32_t *targets, uint32_t n,
		     const uint8_t *bytes)
{
	struct judgement first = { 0 };
	struct proxy_authz_view view;

	view_init(p, x, bytes, &view);
	for (uint32_t i = 0; i < n; i++) {
		struct judgement j = judge(p, x, targets[i], &view, bytes);

		if (j.is_later)
			return 0;
		if (j.status == HD_JWT_OK && !j.verdict.is_denied) {
			admit(p, x, targets[i], &j.verdict, bytes);
			return 1;
		}
		if (i == 0)
			first = j;
	}
	if (first.status != HD_JWT_OK)
		refuse_token(p, x, first.status, bytes);
	else
		refuse(p, x, &first.verdict);
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
