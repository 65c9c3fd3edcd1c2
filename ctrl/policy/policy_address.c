/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_address.h"

static const char *wrong4(uint32_t a)
{
	if (a >> 24 == 0)
		return "is no address of a host (0.0.0.0/8 stands for \"this network\")";
	if (a >> 24 == 127)
		return "is a loopback address";
	if (a >> 28 == 0xe)
		return "is a multicast group";
	if (a == UINT32_MAX)
		return "is the broadcast address of every subnet";
	return a >> 28 == 0xf ? "is reserved (240.0.0.0/4)" : NULL;
}

static const char *wrong6(const struct hd_ip *ip)
{
	static const struct hd_ip loopback = { .b = { [15] = 1 } };

	if (hd_ip_is_zero(ip))
		return "is the unspecified address";
	if (hd_ip_eq(ip, &loopback))
		return "is a loopback address";
	return ip->b[0] == 0xff ? "is a multicast group" : NULL;
}

/* RFC 6890, RFC 4291 2.4. */
const char *policy_address_wrong(const struct hd_ip *ip)
{
	return hd_ip_is_v4(ip) ? wrong4(ntohl(ip->w[3])) : wrong6(ip);
}

/* Bits behind the length: all clear, all set. */
static void host_bits(const struct hd_prefix *p, int *clear, int *set)
{
	*clear = *set = 1;
	for (unsigned int i = p->len; i < 128; i++) {
		int bit = p->ip.b[i / 8] >> (7 - i % 8) & 1;

		*clear &= !bit;
		*set &= bit;
	}
}

/* RFC 3021 and RFC 6164: both addresses of the longest subnets but one are hosts. */
const char *policy_address_wrong_in(const struct hd_prefix *subnet)
{
	const char *why = policy_address_wrong(&subnet->ip);
	int clear, set, v4 = hd_ip_is_v4(&subnet->ip);

	if (why != NULL || subnet->len >= 127)
		return why;
	host_bits(subnet, &clear, &set);
	if (clear)
		return v4 ? "is the address of the subnet itself"
			  : "is the subnet's router anycast address (RFC 4291 2.6.1)";
	return v4 && set ? "is the broadcast address of its subnet" : NULL;
}

struct hd_ip policy_prefix_network(const struct hd_prefix *p)
{
	struct hd_ip ip = p->ip;

	for (unsigned int i = p->len; i < 128; i++)
		ip.b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return ip;
}

int policy_prefix_overlaps(const struct hd_prefix *a, const struct hd_prefix *b)
{
	const struct hd_prefix *wide = a->len < b->len ? a : b, *narrow = wide == a ? b : a;

	return hd_ip_is_v4(&a->ip) == hd_ip_is_v4(&b->ip) && hd_prefix_has(wide, &narrow->ip);
}
