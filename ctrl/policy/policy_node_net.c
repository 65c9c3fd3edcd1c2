/* SPDX-License-Identifier: Apache-2.0 */
/* Ports and routes of the node file: what would never work on the wire is refused here, where its
 * line is known. */
#include <stdlib.h>
#include <strings.h>

#include "policy_address.h"
#include "policy_node.h"

/* "10.1.0.1/24"; the length is of the mapped form. -1: no prefix. */
static int prefix_parse(struct node_load *l, struct hd_str text, struct hd_prefix *out)
{
	const char *slash = memchr(text.p, '/', text.n);
	struct hd_str ip =
		slash != NULL
			? policy_str_copy(&l->arena,
					  (struct hd_str){ text.p, (uint32_t)(slash - text.p) })
			: text;
	long bits;
	char *end;

	if (slash == NULL || slash[1] < '0' || slash[1] > '9' || hd_ip_parse(ip.p, &out->ip) != 0)
		return -1;
	bits = strtol(slash + 1, &end, 10);
	if (*end != '\0' || bits > (hd_ip_is_v4(&out->ip) ? 32 : 128))
		return -1;
	out->len = (uint8_t)(hd_ip_is_v4(&out->ip) ? 96 + bits : bits);
	return 0;
}

static int is_link_local(const struct hd_ip *ip)
{
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

static void copy_bounded(struct node_load *l, const struct policy_yaml *y, char *out, size_t bytes)
{
	if (y == NULL)
		return;
	if (y->text.n >= bytes)
		policy_error(&l->check, y, "%s is longer than %zu bytes", y->field->name,
			     bytes - 1);
	else
		memcpy(out, y->text.p, y->text.n + 1);
}

/* Against every address before it: one twice answers ARP twice, and of two ports with one subnet
 * nobody knows which leads to a neighbour. Every port has a link-local subnet. */
static int address_clashes(struct node_load *l, const struct policy_yaml *y, uint32_t port,
			   const struct hd_prefix *p)
{
	const struct hd_node *n = &l->node->dp;

	for (uint32_t i = 0; i <= port; i++)
		for (uint32_t k = 0; k < n->ports[i].n_addresses; k++) {
			const struct hd_prefix *o = &n->ports[i].addresses[k];

			if (hd_ip_eq(&o->ip, &p->ip)) {
				policy_error(&l->check, y,
					     "address \"%.*s\" is given twice (first in line %u): "
					     "take another",
					     POLICY_STR(y->text), l->addresses[i][k]->line);
				return 1;
			}
			if (i < port && policy_prefix_overlaps(o, p) && !is_link_local(&p->ip)) {
				policy_error(
					&l->check, y,
					"the subnet of \"%.*s\" overlaps that of \"%.*s\" on port "
					"%s (line %u): give each port a subnet of its own",
					POLICY_STR(y->text), POLICY_STR(l->addresses[i][k]->text),
					n->ports[i].name, l->addresses[i][k]->line);
				return 1;
			}
		}
	return 0;
}

static void port_address(struct node_load *l, uint32_t port, const struct policy_yaml *y)
{
	struct hd_node_port *p = &l->node->dp.ports[port];
	struct hd_prefix at = { 0 };
	const char *why;

	if (prefix_parse(l, y->text, &at) != 0) {
		policy_error(&l->check, y,
			     "\"%.*s\" is no address with its subnet's length, such as 10.1.0.1/24",
			     POLICY_STR(y->text));
		return;
	}
	why = policy_address_wrong_in(&at);
	if (why != NULL)
		policy_error(&l->check, y,
			     "\"%.*s\" %s: a port needs an address that a host can have, such as "
			     "10.1.0.1/24",
			     POLICY_STR(y->text), why);
	else if (!address_clashes(l, y, port, &at)) {
		l->addresses[port][p->n_addresses] = y;
		p->addresses[p->n_addresses++] = at;
	}
}

static void port_addresses(struct node_load *l, uint32_t port, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		if (l->node->dp.ports[port].n_addresses == HD_MAX_PORT_ADDRESSES) {
			policy_error(&l->check, y, "a port has at most %d addresses",
				     HD_MAX_PORT_ADDRESSES);
			return;
		}
		port_address(l, port, y);
	}
}

/* The device itself without its arguments; a PCI address without the domain that all have. */
static struct hd_str device_name(struct hd_str device)
{
	struct hd_str name = { device.p, (uint32_t)strcspn(device.p, ",") };

	if (name.n == strlen("0000:3b:00.0") && strncmp(name.p, "0000:", 5) == 0) {
		name.p += 5;
		name.n -= 5;
	}
	return name;
}

/* The kernel interface that a vdev reads: "c0" of "net_af_packet0,iface=c0". */
static struct hd_str device_iface(struct hd_str device)
{
	const char *at = strstr(device.p, ",iface=");

	if (at == NULL)
		return (struct hd_str){ "", 0 };
	at += strlen(",iface=");
	return (struct hd_str){ at, (uint32_t)strcspn(at, ",") };
}

static int same_word(struct hd_str a, struct hd_str b)
{
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static void port_device(struct node_load *l, uint32_t port, const struct policy_yaml *y)
{
	struct hd_str iface = device_iface(y->text);

	l->devices[port] = y;
	if (iface.n == 0 && (policy_str_starts(y->text, "net_af_packet") ||
			     policy_str_starts(y->text, "net_af_xdp")))
		policy_error(&l->check, y,
			     "device \"%.*s\" reads an interface of the kernel: name it, as in "
			     "\"%.*s,iface=eth1\"",
			     POLICY_STR(y->text), POLICY_STR(device_name(y->text)));
	for (uint32_t i = 0; i < port; i++) {
		const struct policy_yaml *o = l->devices[i];

		if (same_word(device_name(o->text), device_name(y->text)))
			policy_error(&l->check, y,
				     "device \"%.*s\" is given twice (first in line %u): each port "
				     "needs a device of its own",
				     POLICY_STR(device_name(y->text)), o->line);
		else if (iface.n > 0 && hd_str_eq(device_iface(o->text), iface))
			policy_error(&l->check, y,
				     "interface \"%.*s\" is given twice (first in line %u): each "
				     "port needs one of its own",
				     POLICY_STR(iface), o->line);
	}
}

static void port_read(struct node_load *l, const struct policy_yaml *y)
{
	struct hd_node *n = &l->node->dp;
	uint32_t port = n->n_ports;
	struct hd_node_port *p = &n->ports[port];

	if (port == HD_MAX_PORTS) {
		policy_error(&l->check, y, "more than %d ports", HD_MAX_PORTS);
		return;
	}
	copy_bounded(l, policy_get(y, "name"), p->name, sizeof(p->name));
	copy_bounded(l, policy_get(y, "device"), p->device, sizeof(p->device));
	p->side = policy_get_int(y, "side", 0) == 0 ? HD_SIDE_MESH : HD_SIDE_WORKLOAD;
	p->mtu = (uint16_t)policy_get_int(y, "mtu", 0);
	p->vlan = (uint16_t)policy_get_int(y, "vlan", 0);
	for (uint32_t i = 0; i < port; i++)
		if (strcmp(n->ports[i].name, p->name) == 0)
			policy_error(&l->check, policy_get(y, "name"),
				     "port name \"%s\" is given twice", p->name);
	port_device(l, port, policy_get(y, "device"));
	port_addresses(l, port, policy_get(y, "addresses"));
	n->n_ports++;
}

void policy_node_ports(struct node_load *l, const struct policy_yaml *ports)
{
	for (const struct policy_yaml *y = ports->first; y != NULL; y = y->next)
		port_read(l, y);
	if (l->node->dp.n_ports == 0)
		policy_error(&l->check, ports, "a node needs at least one port");
}

/* Why a gateway is none, or NULL. */
static const char *via_wrong(const struct hd_node *n, const struct hd_ip *via)
{
	const char *why = policy_address_wrong(via);

	if (why != NULL)
		return why;
	if (is_link_local(via)) /* every port has that subnet */
		return n->n_ports > 1 ? "could be behind any port: give the gateway's address in "
					"a port's subnet"
				      : NULL;
	for (uint32_t i = 0; i < n->n_ports; i++)
		for (uint32_t k = 0; k < n->ports[i].n_addresses; k++) {
			struct hd_prefix at = n->ports[i].addresses[k];

			if (!policy_prefix_overlaps(&at, &(struct hd_prefix){ *via, 128 }))
				continue;
			if (hd_ip_eq(&at.ip, via))
				return "is this node's own address: give the next router's";
			at.ip = *via;
			return policy_address_wrong_in(&at);
		}
	return "is in no subnet of a port: give a port an address in the gateway's subnet";
}

static int network_is(const struct hd_prefix *a, const struct hd_prefix *b)
{
	struct hd_ip x = policy_prefix_network(a), y = policy_prefix_network(b);

	return a->len == b->len && hd_ip_eq(&x, &y);
}

static void to_check(struct node_load *l, const struct policy_yaml *y, const struct hd_prefix *to)
{
	const struct hd_node *n = &l->node->dp;
	struct hd_ip network = policy_prefix_network(to);
	char text[HD_ADDR_STRLEN];

	if (!hd_ip_eq(&network, &to->ip))
		policy_error(&l->check, y,
			     "\"%.*s\" has bits behind its length: the prefix is %s/%u",
			     POLICY_STR(y->text), hd_ip_format(&network, text),
			     to->len - (hd_ip_is_v4(&to->ip) ? 96 : 0));
	for (uint32_t i = 0; i < n->n_routes; i++)
		if (network_is(&n->routes[i].to, to))
			policy_error(&l->check, y,
				     "the route to \"%.*s\" is given twice (first in line %u): "
				     "keep one",
				     POLICY_STR(y->text), l->routes[i]->line);
	for (uint32_t i = 0; i < n->n_ports; i++)
		for (uint32_t k = 0; k < n->ports[i].n_addresses; k++)
			if (network_is(&n->ports[i].addresses[k], to))
				policy_error(&l->check, y,
					     "\"%.*s\" is the subnet of port %s: it needs no route",
					     POLICY_STR(y->text), n->ports[i].name);
}

static void route_read(struct node_load *l, const struct policy_yaml *y)
{
	struct hd_node *n = &l->node->dp;
	const struct policy_yaml *to = policy_get(y, "to"), *via = policy_get(y, "via");
	struct hd_node_route *r = &n->routes[n->n_routes];
	const char *why;

	if (n->n_routes == HD_MAX_ROUTES)
		policy_error(&l->check, y, "more than %d routes", HD_MAX_ROUTES);
	else if (prefix_parse(l, to->text, &r->to) != 0)
		policy_error(&l->check, to, "\"%.*s\" is no prefix such as 10.0.0.0/8",
			     POLICY_STR(to->text));
	else if (hd_ip_parse(via->text.p, &r->via) != 0)
		policy_error(&l->check, via, "\"%.*s\" is no address", POLICY_STR(via->text));
	else if (hd_ip_is_v4(&r->via) != hd_ip_is_v4(&r->to.ip))
		policy_error(&l->check, via, "the route and its gateway are of two families");
	else {
		why = via_wrong(n, &r->via);
		if (why != NULL)
			policy_error(&l->check, via, "gateway \"%.*s\" %s", POLICY_STR(via->text),
				     why);
		to_check(l, to, &r->to);
		l->routes[n->n_routes++] = to;
	}
}

void policy_node_routes(struct node_load *l, const struct policy_yaml *routes)
{
	for (const struct policy_yaml *y = routes != NULL ? routes->first : NULL; y != NULL;
	     y = y->next)
		route_read(l, y);
}
