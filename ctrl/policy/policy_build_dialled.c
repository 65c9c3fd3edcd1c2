/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters of the original destination: their endpoints are the addresses that callers dial. */
#include "policy_model.h"

enum { SIMPLE_PASSTHROUGH = 3 }; /* loadBalancer.simple */

/* To the address that the caller dialled: resolution NONE with its port, PASSTHROUGH with the one
 * dialled. */
static struct policy_service_port dialled_port(struct policy_load *l,
					       const struct policy_service *s,
					       const struct policy_service_port *p)
{
	const struct hd_ip *ips = s->is_dialled ? s->dialled : s->vips;
	uint32_t n = s->is_dialled ? s->n_dialled : s->n_vips;
	struct policy_service_port view = *p;

	policy_vec_init(&view.backends, sizeof(struct policy_backend));
	for (uint32_t i = 0; i < n; i++)
		*(struct policy_backend *)policy_vec_push(&l->arena, &view.backends) =
			(struct policy_backend){
				.addr = { ips[i], s->is_dialled ? p->target : p->port },
				.namespace_ = s->namespace_,
				.weight = 1,
				.ready = 1,
			};
	return view;
}

/* Heddle answers for the addresses that it accepts connections for: what it dials there it would
 * get itself. The port that has such a subnet, or NULL. */
static const char *own_subnet_of(const struct policy_load *l, const struct hd_ip *ip)
{
	const struct hd_node *node = l->policy->settings.node;

	for (uint32_t i = 0; node != NULL && i < node->n_ports; i++)
		for (uint32_t k = 0; k < node->ports[i].n_addresses; k++)
			if (hd_prefix_has(&node->ports[i].addresses[k], ip))
				return node->ports[i].name;
	return NULL;
}

static void addresses_note(struct policy_load *l, const struct policy_service *s,
			  const struct policy_traffic *t, const struct policy_vec *backends)
{
	const struct policy_object *o = s->is_dialled ? s->object : t->object;
	const struct policy_yaml *at = s->is_dialled ? policy_get(o->body, "resolution")
						     : policy_get(t->load_balancer, "simple");
	char text[HD_ADDR_STRLEN];
	struct policy_check c;

	policy_object_check(l, o, &c);
	if (at == NULL)
		at = o->body;
	if (backends->n == 0)
		policy_warning(&c, at,
			       "%.*s has no address of its own that a caller could dial: requests to it "
			       "get 503",
			       POLICY_STR(s->host));
	for (uint32_t i = 0; i < backends->n; i++) {
		const struct hd_ip *ip =
			&((struct policy_backend *)policy_vec_at(backends, i))->addr.ip;
		const char *port = own_subnet_of(l, ip);

		if (port == NULL)
			((struct hd_vip *)policy_vec_push(&l->arena, &l->elsewhere))->ip = *ip;
		else
			policy_warning(&c, at,
				       "%s lies in a subnet of port %s, where Heddle itself answers for "
				       "it: nothing can be dialled there",
				       hd_ip_format(ip, text), port);
	}
}

int policy_is_dialled(const struct policy_service *s, const struct policy_traffic *t)
{
	return s->is_dialled ||
	       policy_get_int(t->load_balancer, "simple", 0) == SIMPLE_PASSTHROUGH;
}

void policy_dialled_fill(struct policy_load *l, const struct policy_service *s,
			 const struct policy_traffic *t, struct policy_service_port *p)
{
	*p = dialled_port(l, s, p);
	if (p->port == s->ports[0].port)
		addresses_note(l, s, t, &p->backends);
}
