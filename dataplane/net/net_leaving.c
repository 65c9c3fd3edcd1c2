/* SPDX-License-Identifier: Apache-2.0 */
/* Vips that a reload took away. Their connections must end as they would have: the caller of a long
 * answer acknowledges it to this address. So it stays ours until a sweep over all connections finds
 * none that uses it; meanwhile nobody listens there, so a SYN is reset. It is not announced and not
 * defended: who claims it has it. */
#include "net_priv.h"

static uint32_t place(const struct net *n, const struct hd_ip *ip)
{
	return net_own_place(n->leaving, n->n_leaving, ip);
}

static int is_at(const struct net *n, uint32_t at, const struct hd_ip *ip)
{
	return at < n->n_leaving && hd_ip_eq(&n->leaving[at], ip);
}

int net_leaving_has(const struct net *n, const struct hd_ip *ip)
{
	return n->n_leaving > 0 && is_at(n, place(n, ip), ip);
}

/* Counts as used in the sweep that goes on: it may have passed this address's connections. */
static void add(struct net *n, const struct hd_ip *ip)
{
	uint32_t at = place(n, ip), behind = n->n_leaving - at;

	if (is_at(n, at, ip))
		return;
	if (n->n_leaving == NET_MAX_LEAVING) {
		hd_count(n->stats, HD_NET_IP_LEAVING);
		return;
	}
	memmove(&n->leaving[at + 1], &n->leaving[at], behind * sizeof(*ip));
	memmove(&n->leaving_used[at + 1], &n->leaving_used[at], behind);
	n->leaving[at] = *ip;
	n->leaving_used[at] = 1;
	n->n_leaving++;
}

static void keep_but(struct net *n, int (*goes)(const struct net *n, uint32_t at))
{
	uint32_t kept = 0;

	for (uint32_t at = 0; at < n->n_leaving; at++) {
		if (goes(n, at))
			continue;
		n->leaving[kept] = n->leaving[at];
		n->leaving_used[kept++] = n->leaving_used[at];
	}
	n->n_leaving = kept;
}

static int is_back(const struct net *n, uint32_t at)
{
	uint32_t v = net_own_place(n->vips, n->n_vips, &n->leaving[at]);

	return v < n->n_vips && hd_ip_eq(&n->vips[v], &n->leaving[at]);
}

/* After the vips have changed from `old`. */
void net_leaving_update(struct net *n, const struct hd_ip *old, uint32_t count)
{
	uint32_t v = 0;

	keep_but(n, is_back);
	for (uint32_t k = 0; k < count; k++) { /* both are sorted */
		while (v < n->n_vips && memcmp(n->vips[v].b, old[k].b, sizeof(old[k].b)) < 0)
			v++;
		if (v == n->n_vips || !hd_ip_eq(&n->vips[v], &old[k]))
			add(n, &old[k]);
	}
}

/* Another station claims it. 0: it is none of these. */
int net_leaving_cede(struct net *n, const struct hd_ip *ip)
{
	uint32_t at = place(n, ip);

	if (!is_at(n, at, ip))
		return 0;
	n->n_leaving--;
	memmove(&n->leaving[at], &n->leaving[at + 1], (n->n_leaving - at) * sizeof(*ip));
	memmove(&n->leaving_used[at], &n->leaving_used[at + 1], n->n_leaving - at);
	net_own_build(n);
	return 1;
}

uint32_t net_n_leaving(const struct net *n)
{
	return n->n_leaving;
}

void net_leaving_mark(struct net *n, const struct hd_ip *ip)
{
	uint32_t at = place(n, ip);

	if (is_at(n, at, ip))
		n->leaving_used[at] = 1;
}

static int is_unused(const struct net *n, uint32_t at)
{
	return !n->leaving_used[at];
}

void net_leaving_drop(struct net *n)
{
	uint32_t before = n->n_leaving;

	keep_but(n, is_unused);
	memset(n->leaving_used, 0, n->n_leaving);
	if (n->n_leaving != before)
		net_own_build(n);
}
