/* SPDX-License-Identifier: Apache-2.0 */
/* How an exchange begins: from a request head, or a TCP stream, to a decision copied out of the
 * snapshot. */
#include <immintrin.h>

#include "proxy_state.h"

#define PROGRAM_GROWTH 256 /* of a path, for which heads have room */

static struct proxy_exchange *create_bare(struct proxy *p)
{
	struct proxy_exchange *x = core_pool_get(&p->exchanges);

	if (x == NULL) {
		proxy_count(p, HD_PROXY_NO_MEMORY);
		return NULL;
	}
	memset(x, 0, offsetof(struct proxy_exchange, request_id));
	x->request_id[0] = x->route_name[0] = x->route_source[0] = 0;
	x->state = EXCHANGE_BACKOFF;
	x->timer.kind = PROXY_TIMER_EXCHANGE;
	x->can_replay = 1;
	x->details = "via_upstream";
	x->started = p->now;
	x->request_done = x->deadline = x->try_deadline = x->wake = x->upstream_time = HD_NS_NEVER;
	return x;
}

static struct proxy_exchange *create(struct proxy *p, struct proxy_leg *down)
{
	struct proxy_exchange *x = create_bare(p);
	const struct flow_key *k = tcp_conn_key(down->conn);

	if (x == NULL)
		return NULL;
	x->down = down;
	x->peer = down->peer;
	x->is_secure = down->tls != NULL;
	x->is_mesh = down->is_mesh;
	x->role = down->role;
	x->down_local = (struct hd_addr){ k->local, k->local_port };
	x->down_remote = (struct hd_addr){ k->remote, k->remote_port };
	if (list_is_linked(&down->link))
		list_remove(&down->link);
	down->state = LEG_BUSY;
	down->exchange = x;
	proxy_leg_set_due(p, down, p->now + PROXY_STREAM_TIMEOUT);
	return x;
}

static void copy_text(char *out, size_t room, struct hd_str s)
{
	size_t n = RTE_MIN((size_t)s.n, room - 1);

	if (n > 0)
		memcpy(out, s.p, n);
	out[n] = 0;
}

static struct proxy_span span_of(const struct http_head *h, enum http_field_id id)
{
	const struct http_field *f;

	if (h->first[id] == 0)
		return (struct proxy_span){ 0, 0 };
	f = &h->fields[h->first[id] - 1];
	return (struct proxy_span){ f->value, f->value_n };
}

static int has_grpc_type(const uint8_t *bytes, const struct http_head *h)
{
	struct proxy_span s = span_of(h, HTTP_F_CONTENT_TYPE);

	return s.n >= 16 && memcmp(bytes + s.at, "application/grpc", 16) == 0 &&
	       (s.n == 16 || bytes[s.at + 16] == '+');
}

static void note_request_id(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes,
			    const struct http_head *h)
{
	struct proxy_span s = span_of(h, HTTP_F_X_REQUEST_ID);

	if (s.n > 0 && x->role != HD_ROLE_GATEWAY) {
		copy_text(x->request_id, sizeof(x->request_id),
			  (struct hd_str){ (const char *)bytes + s.at, s.n });
		x->keeps_id = 1;
	} else {
		proxy_rewrite_uuid(proxy_random_next(&p->random), proxy_random_next(&p->random),
				   x->request_id);
	}
}

static void describe(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes)
{
	const struct http_head *h = &p->head;

	x->protocol = h->minor == 0 ? 10 : 11;
	x->method = h->method;
	x->method_at = h->start;
	x->method_n = h->method_n;
	x->path = (struct proxy_span){ h->path, h->path_n };
	x->authority = (struct proxy_span){ h->authority, h->authority_n };
	x->agent = span_of(h, HTTP_F_USER_AGENT);
	x->forwarded_for = span_of(h, HTTP_F_X_FORWARDED_FOR);
	x->close_down = !h->keep_alive;
	x->is_upgrade = h->upgrade == HTTP_UPGRADE_WEBSOCKET;
	x->is_grpc = has_grpc_type(bytes, h) != 0;
	note_request_id(p, x, bytes, h);
	proxy_body_init(&x->request, h, h->framing == HTTP_BODY_CHUNKED);
}

/* The normalised path with its query comes to lie in p->path. p->path_n is 0 when it cannot be
 * normalised. An absolute form may come without a path. */
static void normalize(struct proxy *p, const uint8_t *bytes)
{
	const struct http_head *h = &p->head;
	uint32_t n = h->path_n;

	if (n > 0 && bytes[h->path] != '?') {
		p->path_n = http_path_normalize_as(p->snapshot->paths, bytes + h->path, n, p->path);
		return;
	}
	p->path[0] = '/';
	memcpy(p->path + 1, bytes + h->path, n);
	p->path_n = http_path_normalize_as(p->snapshot->paths, p->path, n + 1, p->path);
}

static void find_server_again(const struct proxy *p, struct proxy_leg *down,
			      const struct hd_listener *l)
{
	const struct hd_tls_server *server;

	if (down->down.server == 0 || down->tls == NULL)
		return;
	server = proxy_inbound_server_again(p->snapshot, l, down->tls->server);
	down->down.server = server != NULL ? (uint32_t)(server - p->snapshot->tls_servers) + 1 : 0;
	down->is_refused = server != NULL && server->wants_peer && down->peer == NULL;
}

const struct hd_listener *proxy_exchange_listener(struct proxy *p, struct proxy_leg *down)
{
	const struct flow_key *k;
	const struct hd_listener *l;

	if (down->down.generation == (uint32_t)p->snapshot->generation)
		return &p->snapshot->listeners[down->down.listener];
	k = tcp_conn_key(down->conn);
	l = hd_snapshot_listener(p->snapshot, &k->local, k->local_port);
	if (l != NULL) {
		down->down.listener = (uint32_t)(l - p->snapshot->listeners);
		down->down.generation = (uint32_t)p->snapshot->generation;
		proxy_inbound_judge(down, l);
		find_server_again(p, down, l);
	}
	return l;
}

/* HD_NONE: no request is served here. */
static uint32_t router_of(const struct proxy *p, const struct proxy_leg *down,
			  const struct hd_listener *l)
{
	if (hd_likely(l == NULL || l->servers_count == 0 || l->protocol == HD_PROTO_TCP))
		return l != NULL ? l->router : HD_NONE;
	if (down->tls == NULL || down->down.server == 0)
		return HD_NONE;
	return p->snapshot->tls_servers[down->down.server - 1].router;
}

static uint32_t host_hash(const uint8_t *p, uint32_t n)
{
	uint64_t h = n, w;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = _mm_crc32_u64(h, w);
	}
	for (; n > 0; n--, p++)
		h = _mm_crc32_u8((uint32_t)h, *p);
	return (uint32_t)h;
}

static uint32_t find_vhost(struct proxy *p, uint32_t router, const uint8_t *authority, uint32_t n)
{
	const struct hd_snapshot *s = p->snapshot;
	struct proxy_host_memo *m = &p->hosts[host_hash(authority, n) % PROXY_HOST_MEMO];
	uint32_t vhost;

	if (m->generation == s->generation && m->router == router && m->n == n &&
	    memcmp(m->authority, authority, n) == 0)
		return m->vhost;
	vhost = proxy_route_vhost(s, &s->routers[router], p->host,
				  proxy_route_host(authority, n, p->host));
	if (n <= sizeof(m->authority)) {
		*m = (struct proxy_host_memo){
			.generation = s->generation, .router = router, .vhost = vhost, .n = n
		};
		memcpy(m->authority, authority, n);
	}
	return vhost;
}

static const struct proxy_answer no_route = { .status = 404,
					      .flags = HD_FLAG_NR,
					      .details = "route_not_found" };

/* The route of the request, or NULL and what to answer instead. */
static const struct hd_route *find_route(struct proxy *p, struct proxy_leg *down,
					 const uint8_t *bytes, struct proxy_answer *a,
					 const struct hd_vhost **of)
{
	const struct hd_snapshot *s = p->snapshot;
	const struct hd_listener *l = proxy_exchange_listener(p, down);
	const uint8_t *mark = memchr(p->path, '?', p->path_n);
	struct proxy_request_view q = {
		.bytes = bytes,
		.head = &p->head,
		.path = p->path,
		.path_n = mark != NULL ? (uint32_t)(mark - p->path) : p->path_n,
		.is_edge = down->role == HD_ROLE_GATEWAY,
		.is_secure = down->tls != NULL,
	};
	uint32_t vhost, route, router = router_of(p, down, l);

	if (mark != NULL)
		q.query = (struct hd_str){ (const char *)mark + 1, p->path_n - q.path_n - 1 };
	*a = no_route;
	*of = NULL;
	if (router == HD_NONE)
		return NULL;
	vhost = find_vhost(p, router, bytes + p->head.authority, p->head.authority_n);
	if (vhost == HD_NONE) {
		if (s->routers[router].unknown_host_status != 404)
			*a = (struct proxy_answer){ .status =
							    s->routers[router].unknown_host_status,
						    .details = "direct_response" };
		return NULL;
	}
	*of = &s->vhosts[vhost];
	route = proxy_route_find(s, *of, &q, p->own->regex_scratch, &p->memo);
	return route != HD_NONE ? &s->routes[route] : NULL;
}

static void copy_retry(struct proxy *p, struct proxy_exchange *x, const struct hd_retry_policy *r)
{
	x->retry.on = r->on;
	x->retry.left = r->attempts;
	x->retry.forgets_tried = r->forgets_tried;
	x->retry.backoff_base = r->backoff_base;
	x->retry.n_statuses = (uint16_t)RTE_MIN(r->statuses_count, (uint32_t)PROXY_RETRY_STATUSES);
	for (uint32_t i = 0; i < x->retry.n_statuses; i++)
		x->retry.statuses[i] = p->snapshot->retry_statuses[r->statuses_first + i];
}

static void copy_cluster(struct proxy *p, struct proxy_exchange *x, uint32_t cluster)
{
	const struct hd_cluster *c = &p->snapshot->clusters[cluster];

	x->generation = p->snapshot->generation;
	x->cluster = cluster;
	x->cluster_slot = c->slot;
	x->cluster_n = (uint16_t)RTE_MIN((size_t)c->name.n, sizeof(x->cluster_name));
	if (x->cluster_n > 0)
		memcpy(x->cluster_name, c->name.p, x->cluster_n);
	x->outlier = c->outlier == 0				       ? PROXY_OUTLIER_OFF
		     : p->snapshot->outliers[c->outlier - 1].has_codes ? PROXY_OUTLIER_CODES
								       : PROXY_OUTLIER_5XX;
	x->idle_timeout = c->idle_timeout;
	x->max_connection_duration = c->max_connection_duration;
	x->max_requests_per_connection = c->max_requests_per_connection;
}

/* How much of the path a match is about: all of it, unless it is a prefix. */
static uint32_t matched_of(const struct hd_string_match *uri)
{
	return uri->kind == HD_MATCH_PREFIX ? uri->text.n
	       : uri->kind == HD_MATCH_ANY  ? 1
					    : UINT32_MAX;
}

/* Whether heads are to be patched on their way. */
static uint8_t patches_of(const struct proxy *p, const struct hd_route *r)
{
	uint32_t edits = r->edits;

	for (uint32_t i = 0; r->destinations_count > 1 && i < r->destinations_count; i++)
		edits |= p->snapshot->destinations[r->destinations_first + i].edits;
	return edits != 0 ? PROXY_PATCH_EDITS : 0;
}

static void copy_route(struct proxy *p, struct proxy_exchange *x, const struct hd_route *r)
{
	x->timeout = r->timeout;
	if (r->retry.per_try_timeout > 0 &&
	    (r->timeout == 0 || r->retry.per_try_timeout < r->timeout))
		x->per_try_timeout = r->retry.per_try_timeout;
	copy_retry(p, x, &r->retry);
	x->rewrites = r->rewrite != 0;
	x->patches = patches_of(p, r);
	x->destination = HD_NONE;
	x->route = (uint32_t)(r - p->snapshot->routes);
	x->route_generation = p->snapshot->generation;
	copy_text(x->route_name, sizeof(x->route_name), r->name);
	copy_text(x->route_source, sizeof(x->route_source), r->source.file);
	x->route_line = r->source.line;
	x->decorator_n = (uint16_t)RTE_MIN(r->decorator.n, (uint32_t)PROXY_DECORATOR_MAX);
	if (x->decorator_n > 0)
		memcpy(x->decorator, r->decorator.p, x->decorator_n);
}

/* The weighted choice; HD_NONE when what was chosen does not exist. */
static uint32_t choose_destination(struct proxy *p, uint32_t first, uint32_t count,
				   uint32_t total_weight, uint32_t choice, uint32_t *index)
{
	const struct hd_destination *d = p->snapshot->destinations + first;
	uint32_t i;

	if (count == 0)
		return HD_NONE;
	i = proxy_balance_destination(d, count, total_weight, p->own->wrr + choice);
	p->own->destination_requests[first + i]++;
	*index = i;
	return d[i].cluster;
}

static uint32_t choose_cluster(struct proxy *p, struct proxy_exchange *x, const struct hd_route *r)
{
	return choose_destination(p, r->destinations_first, r->destinations_count, r->total_weight,
				  r->choice, &x->destination);
}

static uint32_t stream_cluster(struct proxy *p, const struct hd_listener *l,
			       const struct hd_tls_server *server)
{
	uint32_t unused;

	if (server != NULL)
		return server->destinations_count == 0
			       ? server->cluster
			       : choose_destination(p, server->destinations_first,
						    server->destinations_count,
						    server->total_weight, server->choice, &unused);
	if (hd_likely(l->destinations_count == 0))
		return l->cluster;
	return choose_destination(p, l->destinations_first, l->destinations_count, l->total_weight,
				  l->choice, &unused);
}

const struct hd_cluster *proxy_exchange_cluster(const struct proxy *p, struct proxy_exchange *x)
{
	const struct hd_snapshot *s = p->snapshot;
	uint32_t i;

	if (x->generation == s->generation)
		return &s->clusters[x->cluster];
	i = x->cluster_slot < s->cluster_slots ? s->cluster_of_slot[x->cluster_slot] : HD_NONE;
	if (i == HD_NONE)
		return NULL;
	x->generation = s->generation;
	x->cluster = i;
	return &s->clusters[i];
}

struct proxy_exchange *proxy_exchange_create_copy(struct proxy *p, uint32_t cluster)
{
	struct proxy_exchange *x = create_bare(p);

	if (x == NULL)
		return NULL;
	p->n_copies++;
	x->patches = PROXY_PATCH_SHADOW;
	x->is_routed = 1;
	copy_cluster(p, x, cluster);
	return x;
}

static struct proxy_endpoint_state *state_of(const void *ctx, uint32_t slot)
{
	return proxy_pool_endpoint(ctx, slot);
}

static int is_weighted(struct proxy *p, const struct hd_cluster *c)
{
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, c->slot);
	const struct hd_endpoint *ep = p->snapshot->endpoints + c->endpoints_first;

	if (hd_likely(cs->generation == p->snapshot->generation))
		return cs->is_weighted;
	cs->generation = p->snapshot->generation;
	cs->is_weighted = 0;
	for (uint32_t i = 1; i < c->endpoints_count; i++)
		cs->is_weighted |= ep[i].weight != ep[0].weight;
	return cs->is_weighted;
}

/* The cluster as if it had only the endpoints of one group, drawn by weight. While nobody is
 * healthy all of it. */
static struct hd_cluster narrow(struct proxy *p, const struct hd_cluster *c)
{
	const uint16_t *weights = p->group_weights[c->slot].of;
	struct hd_cluster view = *c;
	uint32_t sum = 0, draw, begin = 0;

	for (uint32_t i = 0; i < c->n_groups; i++)
		sum += __atomic_load_n(&weights[i], __ATOMIC_RELAXED);
	if (sum == 0)
		return view;
	draw = proxy_random_below(&p->random, sum);
	for (uint32_t i = 0; i < c->n_groups; i++) {
		uint32_t weight = __atomic_load_n(&weights[i], __ATOMIC_RELAXED);
		if (draw < weight) {
			view.endpoints_first += begin;
			view.endpoints_count = c->groups[i].end - begin;
			break;
		}
		draw -= weight;
		begin = c->groups[i].end;
	}
	return view;
}

/* Words and weights may not fit together for a moment: then whoever is healthy will do. */
static uint32_t draw_endpoint(struct proxy *p, const struct proxy_balance *b,
			      const struct proxy_exchange *x, const struct hd_cluster *c)
{
	int by_weight = is_weighted(p, c);
	uint32_t i = HD_NONE;

	if (hd_unlikely(c->n_groups > 0)) {
		const struct hd_cluster view = narrow(p, c);
		i = proxy_balance_endpoint(b, &view, by_weight, x->retry.tried, x->retry.n_tried);
	}
	if (i != HD_NONE)
		return i;
	return proxy_balance_endpoint(b, c, by_weight, x->retry.tried, x->retry.n_tried);
}

/* The one that the caller dialled; whether it is well does not matter. */
static const struct hd_endpoint *pick_dialled(const struct proxy *p, const struct proxy_exchange *x,
					      const struct hd_cluster *c)
{
	const struct hd_endpoint *ep = p->snapshot->endpoints + c->endpoints_first;

	for (uint32_t i = 0; i < c->endpoints_count; i++)
		if (hd_ip_eq(&ep[i].addr.ip, &x->down_local.ip))
			return &ep[i];
	return NULL;
}

static const struct hd_endpoint *pick(struct proxy *p, const struct proxy_exchange *x,
				      const struct hd_cluster *c)
{
	struct proxy_balance b = {
		.snapshot = p->snapshot,
		.health = p->health,
		.cursor = &proxy_pool_cluster(p, c->slot)->cursor,
		.random = &p->random,
		.state = state_of,
		.ctx = p,
		.has_hash = x->has_hash,
		.hash = x->hash,
	};
	uint32_t i;

	if (hd_unlikely(c->lb == HD_LB_DIALLED))
		return pick_dialled(p, x, c);
	i = draw_endpoint(p, &b, x, c);
	return i == HD_NONE ? NULL : &p->snapshot->endpoints[i];
}

static void join_endpoint(struct proxy *p, struct proxy_exchange *x)
{
	struct proxy_endpoint_state *st = proxy_pool_endpoint(p, x->endpoint_slot);
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, x->cluster_slot);

	x->on_endpoint = 1;
	st->stats.active++;
	st->stats.requests++;
	cs->stats.requests_active++;
	cs->stats.requests++;
}

static void refuse_try(struct proxy *p, struct proxy_exchange *x, enum proxy_failure why)
{
	if (why == PROXY_FAIL_OVERFLOW) {
		proxy_count(p, HD_PROXY_OVERFLOW);
		proxy_pool_cluster(p, x->cluster_slot)->stats.overflow++;
	} else if (why == PROXY_FAIL_NO_ENDPOINT) {
		proxy_count(p, HD_PROXY_NO_ENDPOINT);
	} else if (why == PROXY_FAIL_NO_CLUSTER) {
		proxy_count(p, HD_PROXY_NO_CLUSTER);
	}
	x->state = EXCHANGE_BACKOFF;
	proxy_exchange_try_failed(p, x, why);
}

/* bytes: the request's head, when it lies parsed in p->head; else NULL. */
static void start_try(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes)
{
	const struct hd_cluster *c = proxy_exchange_cluster(p, x);
	const struct hd_endpoint *ep = c != NULL ? pick(p, x, c) : NULL;
	struct proxy_leg *up;

	if (ep == NULL) {
		refuse_try(p, x, c == NULL ? PROXY_FAIL_NO_CLUSTER : PROXY_FAIL_NO_ENDPOINT);
		return;
	}
	if (hd_unlikely(ep->authz != 0) && !proxy_admit_endpoint(p, x, ep, bytes))
		return;
	x->endpoint_slot = ep->slot;
	x->up_addr = ep->addr;
	switch (proxy_pool_get(p, x, c, ep, &up)) {
	case POOL_READY:
		join_endpoint(p, x);
		if (bytes != NULL)
			proxy_exchange_send(p, x, up, bytes);
		else
			proxy_exchange_connected(p, x, up);
		return;
	case POOL_WAIT:
		join_endpoint(p, x);
		return;
	case POOL_LATER:
		x->has_asked = 1;
		proxy_exchange_pause(p, x, p->now + PROXY_QUOTA_PATIENCE);
		return;
	case POOL_OVERFLOW:
		refuse_try(p, x, PROXY_FAIL_OVERFLOW);
		return;
	case POOL_NO_CONNECT:
		proxy_count(p, x->failure == PROXY_FAIL_NO_PLACE ? HD_PROXY_NO_PLACE
								 : HD_PROXY_CONNECT_FAILURES);
		refuse_try(p, x, x->failure);
	}
}

void proxy_exchange_start_try(struct proxy *p, struct proxy_exchange *x)
{
	start_try(p, x, NULL);
}

/* The head moves from the receive queue to the exchange, which keeps it for further tries and the
 * access record. */
static int keep_head(struct proxy *p, struct proxy_exchange *x)
{
	uint32_t n = p->head.bytes;

	if (bufq_move(&x->head, proxy_leg_rx(x->down), n, p->pools.indirect) < 0)
		return -1;
	proxy_leg_received(x->down, n);
	return 0;
}

static void reply_silently(struct proxy *p, struct proxy_exchange *x, uint16_t status,
			   const char *details)
{
	struct proxy_answer a = { .status = status, .details = details };

	proxy_exchange_reply(p, x, &a);
}

/* The scheme is the connection's, unless a proxy in front of us says otherwise. */
struct hd_str proxy_exchange_scheme(const struct proxy_exchange *x, const struct http_head *h,
				    const uint8_t *bytes)
{
	struct proxy_span s = span_of(h, HTTP_F_X_FORWARDED_PROTO);

	if (x->role != HD_ROLE_GATEWAY && s.n == 5 && memcmp(bytes + s.at, "https", 5) == 0)
		return (struct hd_str){ "https", 5 };
	return x->is_secure ? (struct hd_str){ "https", 5 } : (struct hd_str){ "http", 4 };
}

static void answer_route(struct proxy *p, struct proxy_exchange *x, const struct hd_route *r,
			 const uint8_t *bytes)
{
	const struct hd_answer *w = &p->snapshot->answers[r->answer - 1];
	const char *path = (const char *)p->path, *mark = memchr(path, '?', p->path_n);
	uint32_t path_n = mark != NULL ? (uint32_t)(mark - path) : p->path_n;
	struct proxy_own_answer own;
	struct proxy_redirect_view v = {
		.scheme = proxy_exchange_scheme(x, &p->head, bytes),
		.authority = { (const char *)bytes + p->head.authority, p->head.authority_n },
		.path = { path, path_n },
		.query = { path + path_n, p->path_n - path_n },
		.matched_n = matched_of(&r->match.uri),
		.port = tcp_conn_key(x->down->conn)->local_port,
	};
	struct proxy_answer a = { .status = w->status, .details = "direct_response", .own = &own };

	proxy_reply_own(w, &v, &own);
	proxy_exchange_reply(p, x, &a);
}

/* Everything but faults, which come first. */
static void serve(struct proxy *p, struct proxy_exchange *x, const struct hd_route *r,
		  const uint8_t *bytes)
{
	const struct hd_extras *e = r->extras != 0 ? &p->snapshot->extras[r->extras - 1] : NULL;
	struct proxy_answer a;
	uint32_t cluster;

	if (hd_unlikely(e != NULL) && e->cors != 0 &&
	    proxy_cors_begin(p, x, &p->snapshot->cors[e->cors - 1], bytes))
		return;
	if (r->answer != 0) {
		answer_route(p, x, r, bytes);
		return;
	}
	cluster = choose_cluster(p, x, r);
	if (cluster == HD_NONE) {
		proxy_count(p, HD_PROXY_NO_CLUSTER);
		a = proxy_reply_of_failure(PROXY_FAIL_NO_CLUSTER, 0);
		proxy_exchange_reply(p, x, &a);
		return;
	}
	copy_cluster(p, x, cluster);
	x->is_routed = 1;
	x->rewrites |= proxy_patch_authority(p, x, r).n > 0;
	if (hd_unlikely(r->hashes_count > 0))
		proxy_hash_request(p, x, r->hashes_first, r->hashes_count, bytes);
	if (hd_unlikely(e != NULL) && e->mirrors_count > 0)
		proxy_mirror_begin(p, x, e);
	if (x->request.done)
		proxy_exchange_request_complete(p, x);
	start_try(p, x, bytes);
}

static void route(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes)
{
	struct proxy_answer a;
	const struct hd_vhost *vhost;
	const struct hd_route *r = find_route(p, x->down, bytes, &a, &vhost);

	if (!proxy_admit_request(p, x, proxy_exchange_listener(p, x->down), vhost, bytes))
		return;
	if (r == NULL) {
		proxy_count(p, HD_PROXY_NO_ROUTE);
		proxy_exchange_reply(p, x, &a);
		return;
	}
	copy_route(p, x, r);
	if (hd_unlikely(r->extras != 0) &&
	    proxy_fault_begin(p, x, &p->snapshot->extras[r->extras - 1].fault))
		return;
	serve(p, x, r, bytes);
}

/* The policy may be another one by now; then that one says what happens. */
void proxy_exchange_resume(struct proxy *p, struct proxy_exchange *x)
{
	const uint8_t *bytes = proxy_exchange_parse_again(p, x);
	const struct hd_route *r = proxy_exchange_route(p, x, bytes);

	x->state = EXCHANGE_BACKOFF;
	if (r == NULL) {
		proxy_count(p, HD_PROXY_NO_ROUTE);
		proxy_exchange_reply(p, x, &no_route);
		return;
	}
	copy_route(p, x, r);
	if (r->extras != 0 &&
	    proxy_fault_after_delay(p, x, &p->snapshot->extras[r->extras - 1].fault))
		return;
	serve(p, x, r, bytes);
}

void proxy_exchange_judge_again(struct proxy *p, struct proxy_exchange *x)
{
	x->state = EXCHANGE_BACKOFF;
	if (x->is_routed)
		proxy_exchange_start_try(p, x);
	else
		route(p, x, proxy_exchange_parse_again(p, x));
}

void proxy_exchange_begin(struct proxy *p, struct proxy_leg *down, const uint8_t *bytes)
{
	struct proxy_exchange *x = create(p, down);

	if (x == NULL) {
		proxy_leg_linger(p, down);
		return;
	}
	down->requests++;
	proxy_count(p, HD_PROXY_REQUESTS);
	p->stats->requests++;
	describe(p, x, bytes);
	if (keep_head(p, x) < 0) {
		proxy_count(p, HD_PROXY_NO_MEMORY);
		x->details = "out_of_buffers";
		proxy_exchange_destroy(p, x);
		proxy_leg_abort(p, down);
		return;
	}
	normalize(p, bytes);
	if (p->path_n == 0)
		reply_silently(p, x, 400, "path_normalization_failed");
	else if (p->head.upgrade == HTTP_UPGRADE_OTHER)
		reply_silently(p, x, 403, "upgrade_failed");
	else
		route(p, x, bytes);
}

void proxy_exchange_refuse(struct proxy *p, struct proxy_leg *down, const struct http_error *e)
{
	struct proxy_exchange *x = create(p, down);
	struct proxy_answer a = proxy_reply_of_error(e);

	proxy_count(p, HD_PROXY_REFUSED_REQUESTS);
	if (x == NULL) {
		proxy_leg_linger(p, down);
		return;
	}
	x->close_down = 1;
	proxy_leg_discard(down);
	proxy_exchange_reply(p, x, &a);
}

void proxy_exchange_refuse_connection(struct proxy *p, struct proxy_leg *down)
{
	struct proxy_exchange *x = create(p, down);

	if (x != NULL) {
		x->is_stream = 1;
		x->flags = HD_FLAG_NR;
		x->details = "filter_chain_not_found";
		proxy_exchange_destroy(p, x);
	}
	proxy_leg_abort(p, down);
}

void proxy_exchange_begin_tunnel(struct proxy *p, struct proxy_leg *down,
				 const struct hd_listener *l, const struct hd_tls_server *server)
{
	struct proxy_exchange *x = create(p, down);
	uint32_t cluster = stream_cluster(p, l, server);

	if (x == NULL) {
		proxy_leg_abort(p, down);
		return;
	}
	x->is_stream = 1;
	if (cluster == HD_NONE) {
		proxy_count(p, HD_PROXY_NO_CLUSTER);
		x->flags = HD_FLAG_NC;
		x->details = "cluster_not_found";
		proxy_exchange_destroy(p, x);
		proxy_leg_abort(p, down);
		return;
	}
	x->is_resend = 1; /* a stream has a connection of its own */
	x->close_down = 1;
	copy_cluster(p, x, cluster);
	proxy_hash_request(p, x, p->snapshot->clusters[cluster].hashes_first,
			   p->snapshot->clusters[cluster].hashes_count, NULL);
	start_try(p, x, NULL);
}

const uint8_t *proxy_exchange_parse_again(struct proxy *p, struct proxy_exchange *x)
{
	struct http_error e;
	const uint8_t *bytes;
	uint32_t n;

	bytes = bufq_front(&x->head, &n);
	if (x->head.bufs > 1) {
		n = x->head.bytes;
		bufq_copy_out(&x->head, 0, p->in, n);
		bytes = p->in;
	}
	(void)http1_parse_request(bytes, n, &p->head, &e); /* it was accepted once */
	normalize(p, bytes);
	return bytes;
}

static uint64_t expected_ms(const struct proxy *p, const struct proxy_exchange *x)
{
	hd_ns left = x->timeout;

	if (x->deadline != HD_NS_NEVER)
		left = x->deadline > p->now ? x->deadline - p->now : HD_NS_PER_MS;
	if (x->per_try_timeout > 0 && (left == 0 || x->per_try_timeout < left))
		left = x->per_try_timeout;
	return left / HD_NS_PER_MS;
}

/* A try that comes after a reload is rewritten as the new policy says. */
const struct hd_route *proxy_exchange_route(struct proxy *p, const struct proxy_exchange *x,
					    const uint8_t *bytes)
{
	const struct hd_vhost *vhost;
	struct proxy_answer a;

	if (hd_likely(x->route_generation == p->snapshot->generation))
		return &p->snapshot->routes[x->route];
	return x->down != NULL ? find_route(p, x->down, bytes, &a, &vhost) : NULL;
}

static void patch_program(struct proxy *p, uint32_t program, uint32_t path_n,
			  struct proxy_request_patch *q)
{
	int n = proxy_program_replace(p->snapshot, &p->snapshot->programs[program - 1],
				      (const char *)p->path, path_n, p->regex_path,
				      &p->turn_steps);

	if (n < 0 || (uint32_t)n > path_n + PROGRAM_GROWTH) {
		proxy_count(p, HD_PROXY_REWRITE_SKIPPED);
		return;
	}
	q->new_path = p->regex_path;
	q->new_path_n = (uint32_t)n;
	q->path_skip = path_n;
}

static void patch_rewrite(struct proxy *p, const struct proxy_exchange *x, const uint8_t *bytes,
			  struct proxy_request_patch *q)
{
	const struct hd_route *r = proxy_exchange_route(p, x, bytes);
	const struct hd_rewrite *w;
	struct hd_str authority;
	const uint8_t *mark;
	uint32_t path_n;

	if (r == NULL)
		return;
	authority = proxy_patch_authority(p, x, r);
	if (authority.n > 0) {
		q->new_authority = authority.p;
		q->new_authority_n = authority.n;
	}
	if (r->rewrite == 0)
		return;
	w = &p->snapshot->rewrites[r->rewrite - 1];
	mark = memchr(p->path, '?', p->path_n);
	path_n = mark != NULL ? (uint32_t)(mark - p->path) : p->path_n;
	if (w->program != 0)
		patch_program(p, w->program, path_n, q);
	if (w->path_change != HD_PATH_KEPT) {
		q->new_path = w->path.p;
		q->new_path_n = w->path.n;
		q->path_skip = w->path_change == HD_PATH_PREFIX
				       ? RTE_MIN(matched_of(&r->match.uri), path_n)
				       : path_n;
	}
	if (w->authority.n > 0) {
		q->new_authority = w->authority.p;
		q->new_authority_n = w->authority.n;
	}
}

/* The client certificate is told of on the mesh's side and by gateways; a local workload has none.
 */
static void patch_secure(struct proxy *p, const struct proxy_exchange *x,
			 struct proxy_request_patch *q)
{
	struct hd_str own = x->is_mesh ? p->snapshot->identity : (struct hd_str){ "", 0 };

	q->is_secure = 1;
	if (x->peer != NULL && x->role != HD_ROLE_SIDECAR)
		q->xfcc = proxy_xfcc_element(&p->xfcc, x->peer, own, x->role == HD_ROLE_GATEWAY);
}

int proxy_exchange_render(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes,
			  struct bufq *out)
{
	char ip[HD_ADDR_STRLEN];
	struct proxy_request_patch q = {
		.strip = x->has_strip ? &x->strip : NULL,
		.claims = proxy_token_fields(p, x),
		.path = p->path,
		.path_n = p->path_n,
		.role = x->role,
		.is_upgrade = x->is_upgrade,
		.is_chunked = x->request.is_chunked_out,
		.attempt = (uint16_t)(x->retry.made + 1),
		.request_id = x->keeps_id ? NULL : x->request_id,
		.decorator = x->decorator,
		.decorator_n = x->decorator_n,
		.expected_ms = expected_ms(p, x),
	};
	uint32_t n, extra = (x->rewrites ? PROXY_REWRITE_EXTRA : 0) +
			    (x->patches ? PROXY_EDIT_EXTRA : 0) +
			    q.claims.n;
	struct proxy_head_room room;

	if (hd_unlikely(x->strip.n_params > 0))
		q.path_n = p->path_n = proxy_strip_params(&x->strip, p->path, p->path_n);
	if (hd_unlikely(x->is_secure))
		patch_secure(p, x, &q);
	extra += q.xfcc.n;
	room = proxy_head_begin(p, extra);
	if (room.at == NULL)
		return -1;
	if (x->role == HD_ROLE_GATEWAY)
		q.down_ip = proxy_rewrite_ip(&x->down_remote.ip, ip);
	if (hd_unlikely(x->rewrites))
		patch_rewrite(p, x, bytes, &q);
	n = proxy_rewrite_request(bytes, &p->head, &q, room.at);
	if (hd_unlikely(x->patches))
		n = proxy_patch_request(p, x, bytes, room.at, n,
					p->head.bytes + PROXY_REWRITE_SLACK + extra);
	return proxy_head_end(p, &room, n, out);
}
