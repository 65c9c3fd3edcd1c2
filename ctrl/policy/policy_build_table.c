/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of names and addresses, and what is copied into the snapshot's arena. */
#include "policy_model.h"

struct hd_str policy_out(struct policy_load *l, struct hd_str s)
{
	struct hd_str *known;

	if (s.n == 0)
		return (struct hd_str){ "", 0 };
	known = policy_map_get(&l->interned, s);
	if (known != NULL)
		return *known;
	known = policy_alloc(&l->arena, sizeof(*known));
	*known = policy_str_copy(policy_private_arena(l->private), s);
	policy_map_add(&l->interned, *known, known);
	return *known;
}

struct hd_source policy_source(struct policy_load *l, const struct policy_object *o,
			       const struct policy_yaml *at)
{
	struct policy_object *own =
		(struct policy_object *)o; /* what it is called is copied once */

	if (own->out_label.p == NULL) {
		own->out_file = policy_out(l, policy_str(o->file));
		own->out_label = policy_out(l, o->label);
	}
	return (struct hd_source){
		.file = o->out_file,
		.line = at != NULL ? policy_line(at) : o->line,
		.col = at != NULL ? policy_col(at) : o->col,
		.object = o->out_label,
	};
}

void policy_names_init(struct policy_names *n, struct policy_arena *a)
{
	policy_map_init(&n->known, a);
	policy_vec_init(&n->domains, sizeof(struct hd_domain));
	n->any_vhost = HD_NONE;
}

void policy_names_add(struct policy_load *l, struct policy_names *n, struct hd_str host,
		      uint32_t vhost)
{
	struct hd_str text = policy_out(l, host);
	struct hd_domain *d;

	if (policy_str_is(host, "*")) {
		if (n->any_vhost == HD_NONE)
			n->any_vhost = vhost;
		return;
	}
	if (policy_map_add(&n->known, text, (void *)text.p) != NULL)
		return;
	d = policy_vec_push(&l->arena, &n->domains);
	d->kind = policy_str_starts(text, "*.") ? HD_DOMAIN_SUFFIX : HD_DOMAIN_EXACT;
	d->text = d->kind == HD_DOMAIN_SUFFIX ? (struct hd_str){ text.p + 1, text.n - 1 } : text;
	d->vhost = vhost;
}

static uint32_t table_size(uint32_t n)
{
	uint32_t size = 4;

	while (size < n * 2)
		size *= 2;
	return size;
}

struct hd_router policy_names_finish(struct policy_load *l, const struct policy_names *n)
{
	uint32_t size = table_size(n->domains.n), base = l->domains.n;
	struct hd_router r = {
		.table_first = l->domain_table.n,
		.table_mask = size - 1,
		.any_vhost = n->any_vhost,
		.unknown_host_status = 404,
	};

	for (uint32_t i = 0; i < size; i++)
		*(uint32_t *)policy_vec_push(&l->arena, &l->domain_table) = HD_NONE;
	for (uint32_t i = 0; i < n->domains.n; i++) {
		const struct hd_domain *d = policy_vec_at(&n->domains, i);
		uint32_t at = hd_name_hash(d->text.p, d->text.n) & r.table_mask, *cell;

		if (d->kind == HD_DOMAIN_SUFFIX && d->text.n > r.suffix_longest)
			r.suffix_longest = d->text.n;
		while (*(cell = policy_vec_at(&l->domain_table, r.table_first + at)) != HD_NONE)
			at = (at + 1) & r.table_mask;
		*cell = base + i;
		*(struct hd_domain *)policy_vec_push(&l->arena, &l->domains) = *d;
	}
	return r;
}

uint32_t policy_router_add(struct policy_load *l, const struct hd_router *r)
{
	*(struct hd_router *)policy_vec_push(&l->arena, &l->routers) = *r;
	return l->routers.n - 1;
}

uint32_t policy_vhost_add(struct policy_load *l, struct hd_str name,
			  struct policy_route_range routes)
{
	struct hd_vhost *v = policy_vec_push(&l->arena, &l->vhosts);

	*v = (struct hd_vhost){ .name = policy_out(l, name),
				.routes_first = routes.first,
				.routes_count = routes.count };
	return l->vhosts.n - 1;
}

static int own_address(const struct policy_load *l, const struct hd_ip *ip)
{
	const struct hd_node *node = l->policy->settings.node;

	for (uint32_t p = 0; node != NULL && p < node->n_ports; p++)
		for (uint32_t i = 0; i < node->ports[p].n_addresses; i++)
			if (hd_ip_eq(&node->ports[p].addresses[i].ip, ip))
				return 1;
	return 0;
}

static void vip_add(struct policy_load *l, const struct hd_ip *ip)
{
	struct hd_str key =
		policy_str_copy(&l->arena, (struct hd_str){ (const char *)ip, sizeof(*ip) });

	if (own_address(l, ip) || policy_map_add(&l->vips_by_address, key, (void *)key.p) != NULL)
		return;
	((struct hd_vip *)policy_vec_push(&l->arena, &l->vips))->ip = *ip;
}

void policy_listener_add(struct policy_load *l, const struct hd_listener *row,
			 const struct policy_object *o)
{
	struct hd_str key =
		policy_str_copy(&l->arena, (struct hd_str){ (const char *)&row->addr, 18 });
	struct policy_yaml at = { .line = row->source.line, .col = row->source.col };
	char text[HD_ADDR_STRLEN];
	const struct policy_object *before;
	struct policy_check c;

	before = policy_map_add(&l->listeners_by_address, key, (void *)o);
	if (before != NULL) {
		policy_object_check(l, o, &c);
		policy_warning(&c, &at, "%s already belongs to %.*s: not listened on for %.*s",
			       hd_addr_format(&row->addr, text), POLICY_STR(before->label),
			       POLICY_STR(o->label));
		return;
	}
	*(struct hd_listener *)policy_vec_push(&l->arena, &l->listeners) = *row;
	vip_add(l, &row->addr.ip);
}
