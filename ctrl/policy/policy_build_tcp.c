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
	if (list == NULL || list->n == 0)
		return 1;
	for (const struct policy_yaml *y = list->first; y != NULL; y = y->next)
		if (prefix_has(l, y->text, vip))
			return 1;
	return 0;
}

static int rule_applies(struct policy_load *l, const struct policy_object *vs,
			const struct policy_yaml *rule, const struct policy_route_context *context,
			const struct hd_ip *vip)
{
	const struct policy_yaml *matches = policy_get(rule, "match");

	if (matches == NULL || matches->n == 0)
		return 1;
	for (const struct policy_yaml *m = matches->first; m != NULL; m = m->next)
		if (policy_match_applies(l, vs, context, m) &&
		    policy_node_has_labels(l, policy_get(m, "sourceLabels")) &&
		    subnets_have(l, policy_get(m, "destinationSubnets"), vip))
			return 1;
	return 0;
}

static void destinations_fill(struct policy_load *l, const struct policy_object *vs,
			      const struct policy_yaml *rule, struct hd_listener *row)
{
	char text[HD_ADDR_STRLEN];
	struct hd_str key = policy_str_printf(&l->arena, "%.*s#tcp@%s", POLICY_STR(vs->label),
					      hd_addr_format(&row->addr, text));
	struct policy_destinations d =
		policy_destinations_add(l, vs, row->addr.port, key, policy_get(rule, "route"));

	row->destinations_first = row->choice = d.first;
	row->destinations_count = d.count;
	row->total_weight = d.total_weight;
	row->cluster = HD_NONE;
}

static void stream_fill(struct policy_load *l, const struct policy_service *s,
			const struct policy_service_port *p, struct hd_listener *row)
{
	const struct policy_object *vs = policy_virtual_service_of(l, s->host);
	const struct policy_yaml *tcp = vs != NULL ? policy_get(vs->body, "tcp") : NULL;
	const struct policy_route_context context = { .port = p->port };

	row->cluster = p->cluster;
	for (const struct policy_yaml *y = tcp != NULL ? tcp->first : NULL; y != NULL; y = y->next)
		if (rule_applies(l, vs, y, &context, &row->addr.ip)) {
			destinations_fill(l, vs, y, row);
			return;
		}
}

/* Each address has a count of its own; what leads nowhere is closed at once by the worker. */
static void port_listeners(struct policy_load *l, const struct policy_service *s,
			   const struct policy_service_port *p)
{
	for (uint32_t i = 0; i < s->n_vips; i++) {
		struct hd_listener row;

		policy_listener_fill(l, &row, s, p);
		row.addr = (struct hd_addr){ s->vips[i], p->port };
		stream_fill(l, s, p, &row);
		policy_listener_add(l, &row, s->object);
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
