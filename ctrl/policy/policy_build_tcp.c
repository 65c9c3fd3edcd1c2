/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners of opaque ports, and the tcp rules that say where their streams go. All of it is known
 * beforehand: the port, the address dialled, the node. */
#include <stdlib.h>

#include "policy_model.h"

static int prefix_has(struct policy_load *l, struct hd_str text, const struct hd_ip *ip)
{
	const char *slash = memchr(text.p, '/', text.n);
	struct hd_str head =
		slash != NULL
			? policy_str_copy(&l->arena,
					  (struct hd_str){ text.p, (uint32_t)(slash - text.p) })
			: text;
	struct hd_prefix prefix;
	long bits;

	if (hd_ip_parse(head.p, &prefix.ip) != 0 || hd_ip_is_v4(&prefix.ip) != hd_ip_is_v4(ip))
		return 0;
	bits = slash != NULL ? strtol(slash + 1, NULL, 10) : hd_ip_is_v4(ip) ? 32 : 128;
	prefix.len = (uint8_t)(hd_ip_is_v4(ip) ? 96 + (bits & 63) : bits & 255);
	return prefix.len <= 128 && hd_prefix_has(&prefix, ip);
}

static int subnets_have(struct policy_load *l, const struct policy_yaml *list,
			const struct hd_ip *vip)
{
	if (list == NULL || list->n == 0 || vip == NULL)
		return 1;
	for (const struct policy_yaml *y = list->first; y != NULL; y = y->next)
		if (prefix_has(l, y->text, vip))
			return 1;
	return 0;
}

static int match_applies(struct policy_load *l, const struct policy_object *vs,
			 const struct policy_yaml *m, const struct policy_route_context *context,
			 const struct hd_ip *vip)
{
	return policy_match_applies(l, vs, context, m) &&
	       policy_node_has_labels(l, policy_get(m, "sourceLabels")) &&
	       subnets_have(l, policy_get(m, "destinationSubnets"), vip);
}

static int rule_applies(struct policy_load *l, const struct policy_object *vs,
			const struct policy_yaml *rule, const struct policy_route_context *context,
			const struct hd_ip *vip)
{
	const struct policy_yaml *matches = policy_get(rule, "match");

	if (matches == NULL || matches->n == 0)
		return 1;
	for (const struct policy_yaml *m = matches->first; m != NULL; m = m->next)
		if (match_applies(l, vs, m, context, vip))
			return 1;
	return 0;
}

int policy_stream_rule(struct policy_load *l, const struct policy_object *vs,
		       const struct policy_route_context *context, const struct hd_ip *vip,
		       struct hd_str key, struct policy_destinations *out)
{
	const struct policy_yaml *tcp = vs != NULL ? policy_get(vs->body, "tcp") : NULL;

	for (const struct policy_yaml *y = tcp != NULL ? tcp->first : NULL; y != NULL; y = y->next)
		if (rule_applies(l, vs, y, context, vip)) {
			key = policy_str_printf(&l->arena, "%.*s#tcp@%.*s", POLICY_STR(vs->label),
						POLICY_STR(key));
			*out = policy_destinations_add(l, vs, context->port, key,
						       policy_get(y, "route"));
			return 1;
		}
	return 0;
}

struct hd_tls_server *policy_sni_add(struct policy_load *l, struct policy_map *taken,
				     struct policy_vec *servers, struct hd_str name)
{
	struct hd_tls_server *row;
	int wild = name.n > 0 && name.p[0] == '*';

	if (name.n == 0 || policy_map_add(taken, name, (void *)name.p) != NULL)
		return NULL;
	row = policy_vec_push(&l->arena, servers);
	*row = (struct hd_tls_server){
		.kind = !wild	      ? HD_DOMAIN_EXACT
			: name.n == 1 ? HD_DOMAIN_ANY
				      : HD_DOMAIN_SUFFIX,
		.protocol = HD_PROTO_TCP,
		.router = HD_NONE,
		.cluster = HD_NONE,
	};
	row->text = policy_out(
		l, policy_str_lower(&l->arena, (struct hd_str){ name.p + wild, name.n - wild }));
	return row;
}

static void sni_rule(struct policy_load *l, const struct policy_object *vs,
		     const struct policy_sni *q, const struct policy_yaml *rule,
		     struct policy_vec *servers)
{
	const struct policy_yaml *matches = policy_get(rule, "match");
	struct policy_destinations d = { 0 };
	int made = 0;

	for (const struct policy_yaml *m = matches != NULL ? matches->first : NULL; m != NULL;
	     m = m->next) {
		const struct policy_yaml *names = policy_get(m, "sniHosts");

		if (!match_applies(l, vs, m, q->context, q->vip))
			continue;
		for (const struct policy_yaml *y = names != NULL ? names->first : NULL; y != NULL;
		     y = y->next) {
			struct hd_str name = policy_str_lower(&l->arena, y->text);
			struct hd_tls_server *row;

			if (q->allowed != NULL)
				name = q->allowed(q->ctx, name);
			row = policy_sni_add(l, q->taken, servers, name);
			if (row == NULL)
				continue;
			if (!made++)
				d = policy_destinations_add(
					l, vs, q->context->port,
					policy_str_printf(&l->arena, "%.*s#tls@%.*s:%u",
							  POLICY_STR(vs->label), POLICY_STR(q->key),
							  rule->line),
					policy_get(rule, "route"));
			row->destinations_first = row->choice = d.first;
			row->destinations_count = d.count;
			row->total_weight = d.total_weight;
			row->source = policy_source(l, vs, rule);
		}
	}
}

void policy_sni_rules(struct policy_load *l, const struct policy_object *vs,
		      const struct policy_sni *q, struct policy_vec *servers)
{
	const struct policy_yaml *tls = vs != NULL ? policy_get(vs->body, "tls") : NULL;

	for (const struct policy_yaml *y = tls != NULL ? tls->first : NULL; y != NULL; y = y->next)
		sni_rule(l, vs, q, y, servers);
}

void policy_sni_finish(struct policy_load *l, const struct policy_vec *servers,
		       struct hd_listener *row)
{
	row->servers_first = l->tls_servers.n;
	row->servers_count = servers->n;
	for (uint32_t i = 0; i < servers->n; i++)
		*(struct hd_tls_server *)policy_vec_push(&l->arena, &l->tls_servers) =
			*(struct hd_tls_server *)policy_vec_at(servers, i);
}

static void stream_fill(struct policy_load *l, const struct policy_service *s,
			const struct policy_service_port *p, struct hd_listener *row)
{
	const struct policy_object *vs = policy_virtual_service_of(l, s->host);
	const struct policy_route_context context = { .port = p->port };
	struct policy_destinations d;
	struct policy_vec servers;
	struct policy_map taken;
	char text[HD_ADDR_STRLEN];
	struct policy_sni q = {
		.context = &context,
		.vip = &row->addr.ip,
		.key = policy_str_printf(&l->arena, "%s", hd_addr_format(&row->addr, text)),
		.taken = &taken,
	};

	row->cluster = p->cluster;
	if (p->is_tls) {
		policy_map_init(&taken, &l->arena);
		policy_vec_init(&servers, sizeof(struct hd_tls_server));
		policy_sni_rules(l, vs, &q, &servers);
		policy_sni_finish(l, &servers, row);
	} else if (policy_stream_rule(l, vs, &context, &row->addr.ip, q.key, &d)) {
		row->destinations_first = row->choice = d.first;
		row->destinations_count = d.count;
		row->total_weight = d.total_weight;
		row->cluster = HD_NONE;
	}
}

/* Each address has a count of its own; what leads nowhere is closed at once by the worker. */
static void port_listeners(struct policy_load *l, const struct policy_service *s,
			   const struct policy_service_port *p)
{
	struct hd_listener row;

	if (s->n_vips > 0)
		policy_listener_fill(l, &row, s, p);
	for (uint32_t i = 0; i < s->n_vips; i++) {
		struct hd_listener each = row;

		each.addr = (struct hd_addr){ s->vips[i], p->port };
		stream_fill(l, s, p, &each);
		policy_listener_add(l, &each, s->object);
	}
}

void policy_build_streams(struct policy_load *l)
{
	for (uint32_t i = 0; i < l->services.n; i++) {
		const struct policy_service *s =
			*(struct policy_service **)policy_vec_at(&l->services, i);

		for (uint32_t k = 0; k < s->n_ports; k++)
			if (s->ports[k].protocol == HD_PROTO_TCP && s->ports[k].cluster != HD_NONE)
				port_listeners(l, s, &s->ports[k]);
	}
}
