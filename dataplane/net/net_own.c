/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses are ours: the ports' own, each on its own port (the strong host model of RFC
 * 1122 3.3.4.2: what serves workloads is not reachable from the mesh), and the vips of the policy,
 * on every port. */
#include "net_priv.h"

static void mark(struct net *n, const struct hd_ip *ip)
{
	uint32_t h = net_own_hash(ip);

	n->own_filter[h / 64] |= UINT64_C(1) << (h % 64);
}

void net_own_build(struct net *n)
{
	memset(n->own_filter, 0, sizeof(n->own_filter));
	memset(n->own_hits, 0, sizeof(n->own_hits));
	for (uint32_t p = 0; p < n->n_ifs; p++) {
		for (uint32_t a = 0; a < n->ifs[p].n_addrs; a++) {
			const struct net_addr *at = &n->ifs[p].addrs[a];
			struct hd_ip broadcast = hd_ip_from_v4(at->broadcast);

			mark(n, &at->prefix.ip);
			if (at->broadcast != 0)
				mark(n, &broadcast);
		}
	}
	for (uint32_t v = 0; v < n->n_vips; v++)
		mark(n, &n->vips[v]);
	for (uint32_t v = 0; v < n->n_leaving; v++)
		mark(n, &n->leaving[v]);
}

uint32_t net_own_place(const struct hd_ip *sorted, uint32_t count, const struct hd_ip *ip)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (memcmp(ip->b, sorted[middle].b, sizeof(ip->b)) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int is_among(const struct hd_ip *sorted, uint32_t count, const struct hd_ip *ip)
{
	uint32_t at = net_own_place(sorted, count, ip);

	return at < count && hd_ip_eq(&sorted[at], ip);
}

int net_own_vip(const struct net *n, const struct hd_ip *ip)
{
	return is_among(n->vips, n->n_vips, ip) || net_leaving_has(n, ip);
}

static int is_address_of(const struct net_if *i, const struct hd_ip *ip)
{
	for (uint32_t a = 0; a < i->n_addrs; a++) {
		if (hd_ip_eq(&i->addrs[a].prefix.ip, ip))
			return !i->addrs[a].duplicate;
	}
	return 0;
}

/* Ours for a packet that came in by port i. */
int net_own_at(struct net *n, const struct net_if *i, const struct hd_ip *ip)
{
	if (!net_own_maybe(n, ip))
		return 0;
	if (!is_address_of(i, ip) && !net_own_vip(n, ip))
		return 0;
	n->own_hits[net_own_hash(ip) % NET_OWN_HITS] =
		(struct net_own_hit){ .ip = *ip, .port_plus_1 = i->index + 1u };
	return 1;
}

int net_own_any(const struct net *n, const struct hd_ip *ip)
{
	if (!net_own_maybe(n, ip))
		return 0;
	for (uint32_t p = 0; p < n->n_ifs; p++) {
		if (is_address_of(&n->ifs[p], ip))
			return 1;
	}
	return net_own_vip(n, ip);
}

int net_own_alone(const struct net *n, const struct hd_ip *ip)
{
	return net_own_any(n, ip) && !is_among(n->elsewhere, n->n_elsewhere, ip);
}

int net_own_broadcast(const struct net_if *i, uint32_t be32)
{
	for (uint32_t a = 0; a < i->n_addrs; a++) {
		if (i->addrs[a].broadcast == be32 && be32 != 0)
			return 1;
	}
	return be32 == 0xffffffff;
}
