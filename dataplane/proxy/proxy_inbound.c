/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_inbound.h"
#include "proxy_state.h"

#define ISTIO_ALPNS                                                                  \
	(HD_ALPN_BIT(HD_ALPN_ISTIO) | HD_ALPN_BIT(HD_ALPN_ISTIO_PEER_EXCHANGE) |     \
	 HD_ALPN_BIT(HD_ALPN_ISTIO_HTTP_1_0) | HD_ALPN_BIT(HD_ALPN_ISTIO_HTTP_1_1) | \
	 HD_ALPN_BIT(HD_ALPN_ISTIO_H2))

/* Mesh TLS is between nodes: what comes from a local workload is this node's own. */
static uint8_t inbound_of(const struct proxy_leg *leg, const struct hd_listener *l)
{
	return leg->role == HD_ROLE_SIDECAR ? HD_INBOUND_PLAIN : l->inbound;
}

int proxy_inbound_looks(const struct proxy *p, const struct proxy_leg *leg,
			const struct hd_listener *l)
{
	return l->servers_count > 0 || inbound_of(leg, l) != HD_INBOUND_PLAIN;
}

uint32_t proxy_inbound_server_key(const struct hd_tls_server *server)
{
	return hd_name_hash(server->text.p, server->text.n) + server->kind;
}

const struct hd_tls_server *proxy_inbound_server_again(const struct hd_snapshot *s,
						       const struct hd_listener *l, uint32_t key)
{
	const struct hd_tls_server *row = s->tls_servers + l->servers_first;

	for (uint32_t i = 0; i < l->servers_count; i++)
		if (proxy_inbound_server_key(&row[i]) == key)
			return &row[i];
	return NULL;
}

void proxy_inbound_begin(struct proxy *p, struct proxy_leg *leg, const struct hd_listener *l)
{
	int may_be_silent = l->servers_count == 0 && l->inbound == HD_INBOUND_PERMISSIVE &&
			    l->protocol != HD_PROTO_TCP;

	leg->state = LEG_SNIFF;
	list_push_back(&p->at_rest, &leg->link);
	proxy_leg_set_due(p, leg,
			  p->now + (may_be_silent ? PROXY_IDLE_TIMEOUT : PROXY_SNIFF_TIMEOUT));
}

static void leave_rest(struct proxy_leg *leg)
{
	if (list_is_linked(&leg->link))
		list_remove(&leg->link);
}

/* Reset without a word, as Envoy does where no filter chain matches. */
static void refuse(struct proxy *p, struct proxy_leg *leg, enum hd_counter why)
{
	proxy_count(p, why);
	leave_rest(leg);
	proxy_exchange_refuse_connection(p, leg);
}

/* From here on the stream is what its listener says it is. */
static void settle(struct proxy *p, struct proxy_leg *leg, const struct hd_listener *l,
		   const struct hd_tls_server *server)
{
	uint8_t protocol = server != NULL ? server->protocol : l->protocol;

	leave_rest(leg);
	if (protocol == HD_PROTO_TCP)
		proxy_exchange_begin_tunnel(p, leg, l, server);
	else
		proxy_leg_open(p, leg);
}

static void handshake(struct proxy *p, struct proxy_leg *leg, uint32_t context, uint8_t is_mesh,
		      const struct hd_tls_server *server)
{
	const struct flow_key *k = tcp_conn_key(leg->conn);
	const struct hd_addr remote = { k->remote, k->remote_port };
	struct tls_conn *conn = p->tls != NULL && context > 0
					? tls_accept(p->tls, context - 1, &remote, leg, p->now)
					: NULL;

	leave_rest(leg);
	if (proxy_tls_begin(p, leg, conn) < 0) {
		proxy_leg_abort(p, leg);
		return;
	}
	leg->state = LEG_HANDSHAKE;
	leg->is_mesh = is_mesh;
	leg->due = HD_NS_NEVER; /* dataplane/tls has the deadline */
	if (server != NULL)
		leg->tls->server = proxy_inbound_server_key(server);
	proxy_leg_event(p, leg, 0);
}

static void by_server_name(struct proxy *p, struct proxy_leg *leg, const struct hd_listener *l,
			   const struct tls_hello *hello)
{
	const struct hd_tls_server *server =
		hd_snapshot_server(p->snapshot, l, hello->sni, hello->sni_n);

	if (server == NULL) {
		refuse(p, leg, HD_PROXY_UNKNOWN_NAME);
		return;
	}
	leg->down.server = (uint32_t)(server - p->snapshot->tls_servers) + 1;
	if (server->context == 0)
		settle(p, leg, l, server);
	else
		handshake(p, leg, server->context, server->is_mesh, server);
}

static void begin_tls(struct proxy *p, struct proxy_leg *leg, const struct hd_listener *l,
		      const struct tls_hello *hello)
{
	uint8_t inbound = inbound_of(leg, l);

	if (inbound == HD_INBOUND_STRICT ||
	    (inbound == HD_INBOUND_PERMISSIVE && (hello->alpns & ISTIO_ALPNS)))
		handshake(p, leg, l->tls_context, 1, NULL);
	else if (l->servers_count > 0)
		by_server_name(p, leg, l, hello);
	else if (l->protocol == HD_PROTO_TCP)
		settle(p, leg, l, NULL); /* the workload's own TLS */
	else
		refuse(p, leg, HD_PROXY_FOREIGN_TLS);
}

/* What may not begin in clear. */
static int wants_tls(const struct proxy_leg *leg, const struct hd_listener *l)
{
	return inbound_of(leg, l) == HD_INBOUND_STRICT || l->servers_count > 0;
}

/* Whether it is in clear is not known before its first bytes were looked at; a stream that a server
 * name led to has TLS of its own. */
void proxy_inbound_judge(struct proxy_leg *leg, const struct hd_listener *l)
{
	if (leg->state != LEG_SNIFF && leg->tls == NULL && leg->down.server == 0)
		leg->is_refused = wants_tls(leg, l) != 0;
}

enum hd_counter proxy_inbound_why(const struct proxy_leg *leg)
{
	return leg->tls != NULL ? HD_TLS_NO_CERTIFICATE : HD_PROXY_PLAINTEXT_REFUSED;
}

void proxy_inbound_refuse(struct proxy *p, struct proxy_leg *leg)
{
	refuse(p, leg, proxy_inbound_why(leg));
}

static void begin_plain(struct proxy *p, struct proxy_leg *leg, const struct hd_listener *l)
{
	if (wants_tls(leg, l))
		refuse(p, leg, HD_PROXY_PLAINTEXT_REFUSED);
	else
		settle(p, leg, l, NULL);
}

void proxy_inbound_event(struct proxy *p, struct proxy_leg *leg)
{
	const struct hd_listener *l = proxy_exchange_listener(p, leg);
	struct tls_hello hello;

	if (l == NULL) { /* a reload took it away */
		proxy_leg_abort(p, leg);
		return;
	}
	if (!proxy_inbound_looks(p, leg, l)) {
		settle(p, leg, l, NULL);
		return;
	}
	if (tcp_conn_rx(leg->conn)->bytes < leg->look_at && !leg->fin)
		return;
	switch (tls_sniff(tcp_conn_rx(leg->conn), &hello)) {
	case TLS_SNIFF_MORE:
		leg->look_at = hello.look_at;
		if (leg->fin)
			proxy_leg_linger(p, leg);
		else if (tcp_conn_rx(leg->conn)->bytes > 0 &&
			 leg->due > p->now + PROXY_SNIFF_TIMEOUT)
			proxy_leg_set_due(p, leg, p->now + PROXY_SNIFF_TIMEOUT);
		return;
	case TLS_SNIFF_PLAIN:
		begin_plain(p, leg, l);
		return;
	case TLS_SNIFF_HELLO:
		begin_tls(p, leg, l, &hello);
		return;
	case TLS_SNIFF_BAD:
		refuse(p, leg, HD_PROXY_BAD_HELLO);
	}
}

void proxy_inbound_opened(struct proxy *p, struct proxy_leg *leg)
{
	const struct hd_listener *l = proxy_exchange_listener(p, leg);
	const struct hd_tls_server *server = NULL;

	if (l != NULL && leg->tls->server != 0)
		server = proxy_inbound_server_again(p->snapshot, l, leg->tls->server);
	if (l == NULL || (leg->tls->server != 0 && server == NULL))
		proxy_leg_abort(p, leg);
	else
		settle(p, leg, l, server);
}

/* A caller of an opaque port that says nothing waits for the other side to speak first: that is no
 * TLS. */
void proxy_inbound_timeout(struct proxy *p, struct proxy_leg *leg)
{
	const struct hd_listener *l = proxy_exchange_listener(p, leg);

	if (l != NULL && leg->state == LEG_SNIFF && l->protocol == HD_PROTO_TCP &&
	    tcp_conn_rx(leg->conn)->bytes == 0 && l->servers_count == 0 &&
	    inbound_of(leg, l) == HD_INBOUND_PERMISSIVE) {
		settle(p, leg, l, NULL);
		return;
	}
	leave_rest(leg);
	proxy_count(p, tcp_conn_rx(leg->conn)->bytes > 0 ? HD_PROXY_HELLO_TIMEOUTS
							 : HD_PROXY_IDLE_TIMEOUTS);
	proxy_leg_abort(p, leg);
}
