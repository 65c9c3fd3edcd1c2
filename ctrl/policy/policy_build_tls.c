/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates, roots and contexts that listeners and clusters need, each once. What is named here
 * are places; nobody reads a key in this room, except those that stand in Secrets. */
#include "policy_build_tls.h"

#define SYSTEM_ROOTS "/etc/ssl/certs/ca-certificates.crt"

static uint32_t row_named(struct policy_map *by_key, struct hd_str key)
{
	uintptr_t found = (uintptr_t)policy_map_get(by_key, key);

	return found != 0 ? (uint32_t)found - 1 : HD_NONE;
}

static struct hd_str text_key(struct policy_load *l, const struct policy_tls_text *t)
{
	return t->path.n > 0 ? t->path
			     : policy_str_printf(&l->arena, "%u:%u",
						 hd_name_hash(t->pem.p, t->pem.n), t->pem.n);
}

static struct policy_tls_text text_out(struct policy_load *l, const struct policy_tls_text *t)
{
	return (struct policy_tls_text){ policy_out(l, t->path), policy_out(l, t->pem) };
}

uint32_t policy_tls_credential_add(struct policy_load *l, const struct policy_tls_credential *c)
{
	struct hd_str key =
		policy_out(l, policy_str_printf(&l->arena, "credential %.*s", POLICY_STR(c->name)));
	uint32_t at = row_named(&l->tls.by_key, key);
	struct policy_tls_credential *row;

	if (at != HD_NONE)
		return at;
	at = l->tls.credentials.n;
	row = policy_vec_push(&l->arena, &l->tls.credentials);
	*row = *c;
	row->slot = HD_NONE;
	row->name = policy_out(l, c->name);
	row->chain = text_out(l, &c->chain);
	row->key = text_out(l, &c->key);
	*(struct hd_str *)policy_vec_push(&l->arena, &l->tls.credential_keys) = key;
	policy_map_add(&l->tls.by_key, key, (void *)(uintptr_t)(at + 1));
	return at;
}

static const struct hd_str *strings_out(struct policy_load *l, const struct hd_str *from,
					uint32_t n)
{
	struct hd_str *out;

	if (n == 0)
		return NULL;
	out = policy_alloc_array(policy_private_arena(l->private), n, sizeof(*out));
	for (uint32_t i = 0; i < n; i++)
		out[i] = policy_out(l, from[i]);
	return out;
}

uint32_t policy_tls_bundle_add(struct policy_load *l, const struct policy_tls_bundle *b)
{
	struct hd_str crl =
		b->crl.path.n + b->crl.pem.n > 0 ? text_key(l, &b->crl) : (struct hd_str){ "", 0 };
	struct hd_str key = policy_out(l, policy_str_printf(&l->arena, "bundle %.*s crl %.*s",
							    POLICY_STR(b->name), POLICY_STR(crl)));
	uint32_t at = row_named(&l->tls.by_key, key);
	struct policy_tls_bundle *row;

	if (at != HD_NONE)
		return at;
	at = l->tls.bundles.n;
	row = policy_vec_push(&l->arena, &l->tls.bundles);
	*row = *b;
	row->slot = HD_NONE;
	row->name = policy_out(l, b->name);
	row->trust_domain = policy_out(l, b->trust_domain);
	row->roots = text_out(l, &b->roots);
	row->crl = text_out(l, &b->crl);
	row->aliases = strings_out(l, b->aliases, b->n_aliases);
	*(struct hd_str *)policy_vec_push(&l->arena, &l->tls.bundle_keys) = key;
	policy_map_add(&l->tls.by_key, key, (void *)(uintptr_t)(at + 1));
	return at;
}

/* All that a context says, so that two alike are one and one that changes has another slot. A
 * server's name counts: tickets of one listener open no other. */
static struct hd_str context_key(struct policy_load *l, const struct hd_tls_context *c)
{
	struct hd_str key = policy_str_printf(
		&l->arena, "context %u %u %u %u %u %u-%u %u c=%.*s g=%.*s s=%.*s", c->role,
		c->bundle, c->peer, c->names_rule, c->no_resumption, c->version_min, c->version_max,
		c->n_credentials, POLICY_STR(c->ciphers), POLICY_STR(c->curves),
		POLICY_STR(c->sni));

	if (c->role == HD_TLS_SERVER)
		key = policy_str_printf(&l->arena, "%.*s for=%.*s", POLICY_STR(key),
					POLICY_STR(c->name));
	for (uint32_t i = 0; i < c->n_credentials; i++)
		key = policy_str_printf(&l->arena, "%.*s %.*s", POLICY_STR(key),
					POLICY_STR(*(struct hd_str *)policy_vec_at(
						&l->tls.credential_keys, c->credentials[i])));
	if (c->bundle != HD_NONE)
		key = policy_str_printf(&l->arena, "%.*s %.*s", POLICY_STR(key),
					POLICY_STR(*(struct hd_str *)policy_vec_at(
						&l->tls.bundle_keys, c->bundle)));
	for (uint32_t i = 0; i < c->n_names; i++)
		key = policy_str_printf(&l->arena, "%.*s n=%.*s", POLICY_STR(key),
					POLICY_STR(c->names[i]));
	for (uint32_t i = 0; i < c->n_alpns; i++)
		key = policy_str_printf(&l->arena, "%.*s a=%u", POLICY_STR(key), c->alpns[i]);
	return key;
}

uint32_t policy_tls_context_add(struct policy_load *l, const struct hd_tls_context *c)
{
	struct hd_str key = context_key(l, c);
	uint32_t at = row_named(&l->tls.by_key, key);
	struct policy_tls_context *row;

	if (at != HD_NONE)
		return at;
	key = policy_out(l, key);
	at = l->tls.contexts.n;
	row = policy_vec_push(&l->arena, &l->tls.contexts);
	row->slot = HD_NONE;
	row->context = *c;
	row->context.name = policy_out(l, c->name);
	row->context.names = strings_out(l, c->names, c->n_names);
	row->context.sni = policy_out(l, c->sni);
	row->context.ciphers = policy_out(l, c->ciphers);
	row->context.curves = policy_out(l, c->curves);
	*(struct hd_str *)policy_vec_push(&l->arena, &l->tls.context_keys) = key;
	policy_map_add(&l->tls.by_key, key, (void *)(uintptr_t)(at + 1));
	return at;
}

static uint32_t mesh_credential(struct policy_load *l)
{
	const struct policy_identity *id = l->policy->settings.identity;
	const struct policy_tls_credential c = {
		.name = policy_str("identity"),
		.chain.path = policy_str(id->certificate),
		.key.path = policy_str(id->key),
		.is_identity = 1,
	};

	return policy_tls_credential_add(l, &c);
}

static uint32_t mesh_bundle(struct policy_load *l)
{
	const struct policy_identity *id = l->policy->settings.identity;
	const struct policy_yaml *list = policy_get(l->mesh, "trustDomainAliases");
	struct hd_str *aliases =
		policy_alloc_array(&l->arena, list != NULL ? list->n : 1, sizeof(*aliases));
	struct policy_tls_bundle b = {
		.name = policy_str("mesh"),
		.trust_domain = policy_str(l->policy->settings.trust_domain),
		.roots.path = policy_str(id->trust_bundle),
		.crl.path = id->crl != NULL ? policy_str(id->crl) : (struct hd_str){ "", 0 },
		.aliases = aliases,
	};

	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		aliases[b.n_aliases++] = y->text;
	return policy_tls_bundle_add(l, &b);
}

int policy_tls_has_identity(const struct policy_load *l)
{
	return l->policy->settings.identity != NULL;
}

/* The version that the mesh asks for at least (meshConfig.meshMTLS). */
static uint16_t mesh_version_min(const struct policy_load *l)
{
	const struct policy_yaml *y =
		policy_yaml_raw(policy_get(l->mesh, "meshMTLS"), "minProtocolVersion");

	return y != NULL && policy_str_is(y->text, "TLSV1_3") ? 0x0304 : 0;
}

/* The mesh's callers. The server chooses http/1.1; the names that begin with "istio" are only told
 * apart, never chosen (istio-api.md 1.7). */
uint32_t policy_tls_mesh_server(struct policy_load *l, struct hd_str name,
				const struct hd_str *names, uint32_t n_names)
{
	const struct hd_tls_context c = {
		.role = HD_TLS_SERVER,
		.name = name,
		.credentials = { mesh_credential(l) },
		.n_credentials = 1,
		.bundle = mesh_bundle(l),
		.peer = HD_TLS_PEER_REQUIRED,
		.names_rule = HD_TLS_NAMES_SPIFFE,
		.names = names,
		.n_names = n_names,
		.alpns = { HD_ALPN_HTTP_1_1 },
		.n_alpns = 1,
		.version_min = mesh_version_min(l),
	};

	return policy_tls_context_add(l, &c);
}

static uint32_t mesh_client(struct policy_load *l, uint8_t protocol, const struct hd_str *names,
			    uint32_t n_names)
{
	struct hd_tls_context c = {
		.role = HD_TLS_CLIENT,
		.name = n_names > 0 ? names[0] : policy_str("any workload of the mesh"),
		.credentials = { mesh_credential(l) },
		.n_credentials = 1,
		.bundle = mesh_bundle(l),
		.peer = HD_TLS_PEER_REQUIRED,
		.names_rule = HD_TLS_NAMES_SPIFFE,
		.names = names,
		.n_names = n_names,
		.alpns = { HD_ALPN_ISTIO_HTTP_1_1, HD_ALPN_ISTIO, HD_ALPN_HTTP_1_1 },
		.n_alpns = 3,
	};

	if (protocol == HD_PROTO_TCP) {
		c.alpns[0] = HD_ALPN_ISTIO_PEER_EXCHANGE;
		c.n_alpns = 2;
	}
	return policy_tls_context_add(l, &c);
}

struct hd_str policy_tls_spiffe(struct policy_load *l, struct hd_str namespace_,
				struct hd_str account)
{
	if (namespace_.n == 0 || account.n == 0)
		return (struct hd_str){ "", 0 };
	return policy_str_printf(&l->arena, "spiffe://%s/ns/%.*s/sa/%.*s",
				 l->policy->settings.trust_domain, POLICY_STR(namespace_),
				 POLICY_STR(account));
}

/* The list as strings; n of it. */
static struct hd_str *names_of(struct policy_load *l, const struct policy_yaml *list, uint32_t *n)
{
	struct hd_str *names =
		policy_alloc_array(&l->arena, list != NULL ? list->n + 1 : 1, sizeof(*names));

	*n = 0;
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		names[(*n)++] = y->text;
	return names;
}

/* An endpoint of the mesh: its own identity or one that the ServiceEntry lists, unless the rule
 * lists others. */
static uint32_t endpoint_mesh(struct policy_load *l, const struct policy_client_tls *t,
			      const struct policy_backend *b, struct hd_str *identity)
{
	uint32_t n;
	struct hd_str *names = names_of(l, policy_get(t->block, "subjectAltNames"), &n);

	if (n == 0) {
		names = names_of(l, policy_get(t->service->object->body, "subjectAltNames"), &n);
		names[n] = policy_tls_spiffe(l, b->namespace_, b->account);
		n += names[n].n > 0;
	}
	*identity = n == 1 ? names[0] : (struct hd_str){ "", 0 };
	return mesh_client(l, t->protocol, names, n);
}

/* Automatic mTLS (istio-api.md 1.2.5): no tls block, a service of the mesh, and nobody switched it
 * off for the workload. */
static int is_automatic(struct policy_load *l, const struct policy_client_tls *t,
			const struct policy_backend *b)
{
	const struct policy_object *o = t->service->object;
	int external = t->service->entry && policy_get_int(o->body, "location", 0) == 0;

	return !external && b->speaks_mesh && policy_tls_has_identity(l) &&
	       policy_get_int(l->mesh, "enableAutoMtls", 1) != 0 &&
	       policy_peer_of_namespace(l, t->service->namespace_) != POLICY_PEER_DISABLE &&
	       policy_peer_of(l, b->namespace_, b->labels, b->addr.port) != POLICY_PEER_DISABLE;
}

uint32_t policy_tls_endpoint(struct policy_load *l, const struct policy_client_tls *t,
			     const struct policy_backend *b, struct hd_str *identity)
{
	*identity = (struct hd_str){ "", 0 };
	if (t->block == NULL)
		return is_automatic(l, t, b) ? 1 + endpoint_mesh(l, t, b, identity) : 0;
	if (t->mode == POLICY_TLS_ISTIO_MUTUAL)
		return policy_tls_has_identity(l) ? 1 + endpoint_mesh(l, t, b, identity) : 0;
	return t->context;
}

uint32_t policy_tls_roots_file(struct policy_load *l, struct hd_str path, struct hd_str crl,
			       struct hd_source source)
{
	struct policy_tls_bundle b = { .source = source, .crl.path = crl };

	b.roots.path =
		path.n > 0 && !policy_str_is(path, "system") ? path : policy_str(SYSTEM_ROOTS);
	b.name = b.roots.path;
	return policy_tls_bundle_add(l, &b);
}

uint32_t policy_tls_credential_file(struct policy_load *l, struct hd_str chain, struct hd_str key,
				    struct hd_source source)
{
	const struct policy_tls_credential c = {
		.name = policy_str_printf(&l->arena, "%.*s with %.*s", POLICY_STR(chain),
					  POLICY_STR(key)),
		.chain.path = chain,
		.key.path = key,
		.source = source,
	};

	return policy_tls_credential_add(l, &c);
}

/* Whom SIMPLE and MUTUAL expect: a listed name, else whoever the server name says. */
static void client_names(struct policy_load *l, const struct policy_client_tls *t,
			 struct hd_tls_context *c)
{
	const struct policy_yaml *list = policy_get(t->block, "subjectAltNames");

	if (list == NULL || list->n == 0)
		list = policy_get(t->service->object->body, "subjectAltNames");
	c->names = names_of(l, list, &c->n_names);
	c->names_rule = c->n_names > 0 ? HD_TLS_NAMES_LISTED : HD_TLS_NAMES_SNI;
}

static void client_roots(struct policy_load *l, const struct policy_client_tls *t,
			 const struct policy_object *o, struct hd_tls_context *c)
{
	struct hd_str secret = policy_get_str(t->block, "credentialName");

	if (policy_get_int(t->block, "insecureSkipVerify", 0) != 0) {
		c->peer = HD_TLS_PEER_NONE;
		c->names_rule = HD_TLS_NAMES_ANY;
		c->n_names = 0;
		return;
	}
	c->peer = HD_TLS_PEER_REQUIRED;
	client_names(l, t, c);
	if (secret.n > 0)
		c->bundle = policy_tls_secret_roots(l, o, policy_get(t->block, "credentialName"),
						    secret);
	if (c->bundle == HD_NONE)
		c->bundle = policy_tls_roots_file(l, policy_get_str(t->block, "caCertificates"),
						  policy_get_str(t->block, "caCrl"),
						  policy_source(l, o, t->block));
}

static void client_credential(struct policy_load *l, const struct policy_client_tls *t,
			      const struct policy_object *o, struct hd_tls_context *c)
{
	struct hd_str secret = policy_get_str(t->block, "credentialName");
	struct hd_str chain = policy_get_str(t->block, "clientCertificate");

	if (t->mode != POLICY_TLS_MUTUAL)
		return;
	c->credentials[0] =
		secret.n > 0 ? policy_tls_secret_credential(
				       l, o, policy_get(t->block, "credentialName"), secret)
			     : policy_tls_credential_file(l, chain,
							  policy_get_str(t->block, "privateKey"),
							  policy_source(l, o, t->block));
	c->n_credentials = 1;
}

/* meshConfig.tlsDefaults; what is not of the mesh obeys it. */
void policy_tls_defaults(const struct policy_load *l, struct hd_tls_context *c)
{
	const struct policy_yaml *y =
		policy_yaml_raw(policy_get(l->mesh, "tlsDefaults"), "minProtocolVersion");

	if (y != NULL && policy_str_is(y->text, "TLSV1_3"))
		c->version_min = 0x0304;
}

struct policy_client_tls policy_tls_client(struct policy_load *l, const struct policy_service *s,
					   uint16_t port, uint8_t protocol, struct hd_str subset,
					   const struct policy_traffic *traffic)
{
	const struct policy_object *o = traffic->object != NULL ? traffic->object : s->object;
	struct policy_client_tls t = { .block = traffic->tls, .service = s, .protocol = protocol };
	struct hd_tls_context c = { .role = HD_TLS_CLIENT,
				    .name = s->host,
				    .bundle = HD_NONE,
				    .alpns = { HD_ALPN_HTTP_1_1 },
				    .n_alpns = protocol != HD_PROTO_TCP };

	t.mode = policy_get_int(t.block, "mode", POLICY_TLS_DISABLE);
	t.sni = policy_get_str(t.block, "sni");
	if (t.block == NULL || t.mode == POLICY_TLS_ISTIO_MUTUAL) {
		if (t.sni.n == 0)
			t.sni = policy_str_printf(&l->arena, "outbound_.%u_.%.*s_.%.*s", port,
						  POLICY_STR(subset), POLICY_STR(s->host));
		return t;
	}
	if (t.mode == POLICY_TLS_DISABLE)
		return t;
	if (t.sni.n == 0 && !policy_str_has(s->host, '*'))
		t.sni = s->host;
	client_roots(l, &t, o, &c);
	client_credential(l, &t, o, &c);
	policy_tls_defaults(l, &c);
	t.context = 1 + policy_tls_context_add(l, &c);
	return t;
}

void policy_build_inbound(struct policy_load *l, const struct policy_service *s,
			  const struct policy_service_port *p, struct hd_listener *row)
{
	if (!policy_tls_has_identity(l))
		return;
	switch (policy_peer_of_port(l, s, p)) {
	case POLICY_PEER_STRICT:
		row->inbound = HD_INBOUND_STRICT;
		break;
	case POLICY_PEER_DISABLE:
		return;
	default:
		row->inbound = HD_INBOUND_PERMISSIVE;
	}
	row->tls_context =
		1 + policy_tls_mesh_server(
			    l,
			    policy_str_printf(&l->arena, "%.*s:%u", POLICY_STR(s->host), p->port),
			    NULL, 0);
}

void policy_tls_begin(struct policy_load *l)
{
	policy_map_init(&l->tls.by_key, &l->arena);
	policy_vec_init(&l->tls.credentials, sizeof(struct policy_tls_credential));
	policy_vec_init(&l->tls.bundles, sizeof(struct policy_tls_bundle));
	policy_vec_init(&l->tls.contexts, sizeof(struct policy_tls_context));
	policy_vec_init(&l->tls.credential_keys, sizeof(struct hd_str));
	policy_vec_init(&l->tls.bundle_keys, sizeof(struct hd_str));
	policy_vec_init(&l->tls.context_keys, sizeof(struct hd_str));
	policy_vec_init(&l->tls_servers, sizeof(struct hd_tls_server));
	if (!policy_tls_has_identity(l))
		return;
	(void)mesh_credential(l); /* shown and watched whether anything uses it or not */
	(void)mesh_bundle(l);
}
