/* SPDX-License-Identifier: Apache-2.0 */
/* Gateway servers of TLS, HTTPS and TCP: which server name leads to which certificate and where
 * from there (istio-api.md 1.5). */
#include <strings.h>

#include "policy_build_gateway.h"

enum {
	MODE_PASSTHROUGH,
	MODE_SIMPLE,
	MODE_MUTUAL,
	MODE_AUTO_PASSTHROUGH,
	MODE_ISTIO_MUTUAL,
	MODE_OPTIONAL_MUTUAL,
};

static uint32_t count(const struct policy_yaml *map, const char *name)
{
	const struct policy_yaml *y = policy_get(map, name);

	return y != NULL ? y->n : 0;
}

static void credential_put(struct hd_tls_context *c, uint32_t row)
{
	if (c->n_credentials < HD_TLS_MAX_CREDENTIALS)
		c->credentials[c->n_credentials++] = row;
}

/* From Secrets, from files, or from a list of files: at most one of these is there. */
static void credentials_fill(struct policy_load *l, const struct policy_object *o,
			     const struct policy_yaml *tls, struct hd_tls_context *c)
{
	const struct policy_yaml *one = policy_get(tls, "credentialName"),
				 *names = policy_get(tls, "credentialNames"),
				 *files = policy_get(tls, "tlsCertificates");
	struct hd_source source = policy_source(l, o, tls);

	if (one != NULL && one->text.n > 0)
		credential_put(c, policy_tls_secret_credential(l, o, one, one->text));
	for (const struct policy_yaml *y = names != NULL ? names->first : NULL; y != NULL;
	     y = y->next)
		credential_put(c, policy_tls_secret_credential(l, o, y, y->text));
	for (const struct policy_yaml *y = files != NULL ? files->first : NULL; y != NULL;
	     y = y->next)
		credential_put(c,
			       policy_tls_credential_file(l, policy_get_str(y, "serverCertificate"),
							  policy_get_str(y, "privateKey"), source));
	if (c->n_credentials == 0)
		credential_put(
			c, policy_tls_credential_file(l, policy_get_str(tls, "serverCertificate"),
						      policy_get_str(tls, "privateKey"), source));
}

/* Roots that callers' certificates end at. */
static uint32_t roots_of(struct policy_load *l, const struct policy_object *o,
			 const struct policy_yaml *tls)
{
	const struct policy_yaml *own = policy_get(tls, "caCertCredentialName"),
				 *name = policy_get(tls, "credentialName"),
				 *list = policy_get(tls, "credentialNames");
	struct policy_check c;
	uint32_t row = HD_NONE;

	if (own != NULL && own->text.n > 0)
		return policy_tls_secret_roots(l, o, own, own->text);
	if (name != NULL && name->text.n > 0)
		row = policy_tls_secret_roots(l, o, name, name->text);
	if (row == HD_NONE && list != NULL && list->first != NULL)
		row = policy_tls_secret_roots(l, o, list->first, list->first->text);
	if (row == HD_NONE && policy_get_str(tls, "caCertificates").n > 0)
		row = policy_tls_roots_file(l, policy_get_str(tls, "caCertificates"),
					    policy_get_str(tls, "caCrl"), policy_source(l, o, tls));
	if (row == HD_NONE) {
		policy_object_check(l, o, &c);
		policy_warning(
			&c, tls,
			"no roots for the certificates of callers are given (caCertificates, "
			"ca.crt of the Secret): all are refused");
	}
	return row;
}

static uint16_t version_of(int64_t word)
{
	static const uint16_t versions[] = { 0, 0x0303, 0x0303, 0x0303, 0x0304 };

	return versions[word];
}

/* OpenSSL's list of the names that are Envoy's; those of TLS 1.3 cannot be chosen. */
static struct hd_str joined(struct policy_load *l, const struct policy_yaml *list)
{
	struct hd_str out = { "", 0 };

	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		out = policy_str_printf(&l->arena, "%.*s%s%.*s", POLICY_STR(out),
					out.n > 0 ? ":" : "", POLICY_STR(y->text));
	return out;
}

static void peer_fill(struct policy_load *l, const struct policy_object *o,
		      const struct policy_yaml *tls, int64_t mode, struct hd_tls_context *c)
{
	const struct policy_yaml *names = policy_get(tls, "subjectAltNames");
	struct hd_str *list =
		policy_alloc_array(&l->arena, count(tls, "subjectAltNames") + 1, sizeof(*list));

	c->peer = mode == MODE_SIMPLE		 ? HD_TLS_PEER_NONE
		  : mode == MODE_OPTIONAL_MUTUAL ? HD_TLS_PEER_OPTIONAL
						 : HD_TLS_PEER_REQUIRED;
	if (mode == MODE_SIMPLE)
		return;
	c->bundle = roots_of(l, o, tls);
	for (const struct policy_yaml *y = names != NULL ? names->first : NULL; y != NULL;
	     y = y->next)
		list[c->n_names++] = y->text;
	c->names = list;
	c->names_rule = c->n_names > 0 ? HD_TLS_NAMES_LISTED : HD_TLS_NAMES_ANY;
}

/* Without the mesh's identity, or without roots for callers that must show a certificate, nobody
 * gets in: the context is left out and its names with it. */
static uint32_t context_of(struct policy_load *l, struct gateway_port *g,
			   const struct policy_object *o, const struct policy_yaml *tls,
			   int64_t mode)
{
	struct hd_tls_context c = {
		.role = HD_TLS_SERVER,
		.name = policy_str_printf(&l->arena, "%.*s:%u", POLICY_STR(g->label), g->port),
		.bundle = HD_NONE,
		.names_rule = HD_TLS_NAMES_ANY,
		.alpns = { HD_ALPN_HTTP_1_1 },
		.n_alpns = 1,
		.version_min = version_of(policy_get_int(tls, "minProtocolVersion", 0)),
		.version_max = version_of(policy_get_int(tls, "maxProtocolVersion", 0)),
		.ciphers = joined(l, policy_get(tls, "cipherSuites")),
		.curves = joined(l, policy_get(tls, "ecdhCurves")),
	};
	const struct policy_yaml *names = policy_get(tls, "subjectAltNames");
	uint32_t n = 0;

	if (mode == MODE_ISTIO_MUTUAL) {
		struct hd_str *list = policy_alloc_array(
			&l->arena, count(tls, "subjectAltNames") + 1, sizeof(*list));

		for (const struct policy_yaml *y = names != NULL ? names->first : NULL; y != NULL;
		     y = y->next)
			list[n++] = y->text;
		return 1 + policy_tls_mesh_server(l, g->label, list, n);
	}
	credentials_fill(l, o, tls, &c);
	peer_fill(l, o, tls, mode, &c);
	if (c.peer != HD_TLS_PEER_NONE && c.bundle == HD_NONE)
		return 0;
	if (c.version_min == 0)
		policy_tls_defaults(l, &c);
	return 1 + policy_tls_context_add(l, &c);
}

struct server_names {
	struct policy_load *l;
	const struct policy_object *gateway;
	const struct policy_yaml *server;
	struct hd_str vs_namespace;
};

static struct hd_str server_allows(void *ctx, struct hd_str name)
{
	const struct server_names *q = ctx;

	for (const struct policy_yaml *y = policy_get(q->server, "hosts")->first; y != NULL;
	     y = y->next) {
		struct hd_str ns, host = policy_gateway_host(q->l, q->gateway, y, &ns), both;

		if (!policy_str_is(ns, "*") && !hd_str_eq(ns, q->vs_namespace))
			continue;
		both = policy_gateway_overlap(host, name);
		if (both.n > 0)
			return both;
	}
	return (struct hd_str){ "", 0 };
}

/* Not ended here: the tls rules of VirtualServices say where a name goes. */
static void passthrough(struct policy_load *l, struct gateway_port *g,
			const struct policy_object *o, const struct policy_yaml *server)
{
	const struct policy_route_context context = { .port = g->port, .gateway = g->label };
	struct server_names names = { .l = l, .gateway = o, .server = server };
	struct policy_sni q = {
		.context = &context,
		.key = policy_str_printf(&l->arena, "%.*s:%u", POLICY_STR(g->label), g->port),
		.allowed = server_allows,
		.ctx = &names,
		.taken = &g->taken,
	};

	for (uint32_t i = 0; i < l->virtual_services.n; i++) {
		const struct policy_object *vs =
			*(struct policy_object **)policy_vec_at(&l->virtual_services, i);

		if (!policy_gateway_binds(l, vs, g->label))
			continue;
		names.vs_namespace = vs->namespace_;
		policy_sni_rules(l, vs, &q, &g->servers);
	}
}

/* The first VirtualService whose tcp rule applies has all streams of the port. */
static struct policy_destinations stream_of(struct policy_load *l, const struct gateway_port *g)
{
	const struct policy_route_context context = { .port = g->port, .gateway = g->label };
	struct hd_str key = policy_str_printf(&l->arena, "%.*s:%u", POLICY_STR(g->label), g->port);
	struct policy_destinations d = { 0 };

	for (uint32_t i = 0; i < l->virtual_services.n; i++) {
		const struct policy_object *vs =
			*(struct policy_object **)policy_vec_at(&l->virtual_services, i);

		if (policy_gateway_binds(l, vs, g->label) &&
		    policy_stream_rule(l, vs, &context, NULL, key, &d))
			break;
	}
	return d;
}

static void terminating(struct policy_load *l, struct gateway_port *g,
			const struct policy_object *o, const struct policy_yaml *server,
			int is_http, uint32_t context, uint8_t is_mesh)
{
	int64_t mode = policy_get_int(policy_get(server, "tls"), "mode", MODE_PASSTHROUGH);
	struct policy_destinations d = { 0 };
	struct gateway_table table;
	uint32_t router = HD_NONE;

	policy_gateway_table_init(l, &table, g->port, g->label);
	if (is_http) {
		policy_gateway_table_bind(l, &table, o, server);
		router = policy_gateway_table_finish(l, &table);
	} else {
		d = stream_of(l, g);
	}
	for (const struct policy_yaml *y = policy_get(server, "hosts")->first; y != NULL;
	     y = y->next) {
		struct hd_str ns, host = policy_gateway_host(l, o, y, &ns);
		struct hd_tls_server *row = policy_sni_add(l, &g->taken, &g->servers, host);
		struct policy_check c;

		if (row == NULL) {
			policy_object_check(l, o, &c);
			policy_warning(
				&c, y,
				"an earlier server of port %u has host %.*s: this one has no "
				"effect on it",
				g->port, POLICY_STR(host));
			continue;
		}
		row->context = context;
		row->is_mesh = is_mesh;
		row->wants_peer = mode == MODE_MUTUAL || mode == MODE_ISTIO_MUTUAL;
		row->protocol = is_http ? HD_PROTO_HTTP : HD_PROTO_TCP;
		row->router = router;
		row->destinations_first = row->choice = d.first;
		row->destinations_count = d.count;
		row->total_weight = d.total_weight;
		row->source = policy_source(l, o, server);
	}
}

void policy_server_tls(struct policy_load *l, struct gateway_port *g, const struct policy_object *o,
		       const struct policy_yaml *server)
{
	const struct policy_yaml *tls = policy_get(server, "tls");
	struct hd_str protocol = policy_get_str(policy_get(server, "port"), "protocol");
	int64_t mode = policy_get_int(tls, "mode", MODE_PASSTHROUGH);
	struct policy_check c;
	uint32_t context;

	policy_object_check(l, o, &c);
	if (mode == MODE_AUTO_PASSTHROUGH) {
		policy_warning(&c, tls,
			       "tls mode AUTO_PASSTHROUGH is known but not yet honoured: nothing "
			       "listens for this server");
		return;
	}
	if (mode == MODE_PASSTHROUGH) {
		passthrough(l, g, o, server);
		return;
	}
	if (mode == MODE_ISTIO_MUTUAL && !policy_tls_has_identity(l)) {
		policy_warning(&c, tls,
			       "tls mode ISTIO_MUTUAL needs `identity` in the node file: nothing "
			       "listens for this server");
		return;
	}
	context = context_of(l, g, o, tls, mode);
	if (context != 0)
		terminating(l, g, o, server, protocol.n == 5, context, mode == MODE_ISTIO_MUTUAL);
}

void policy_server_tcp(struct policy_load *l, struct gateway_port *g, const struct policy_object *o)
{
	struct policy_check c;

	g->d = stream_of(l, g);
	if (g->d.count > 0)
		return;
	policy_object_check(l, o, &c);
	policy_warning(&c, policy_get(g->server, "port"),
		       "no tcp rule of a VirtualService leads on from port %u: nothing listens",
		       g->port);
}
