/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses of both families in one shape: IPv4 is kept as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
#ifndef HEDDLE_ADDR_H
#define HEDDLE_ADDR_H

#include <arpa/inet.h>
#include <stdio.h>

#include <heddle/base.h>

struct hd_ip {
	union {
		uint8_t b[16];
		uint32_t w[4];
		uint64_t q[2];
	};
};

struct hd_addr {
	struct hd_ip ip;
	uint16_t port; /* host order */
};

struct hd_prefix {
	struct hd_ip ip;
	uint8_t len; /* bits; of the mapped form for IPv4: 96 + n */
};

#define HD_ADDR_STRLEN 56 /* "[v6]:65535" with its end */

/* be32: an IPv4 address in network order. */
static inline struct hd_ip hd_ip_from_v4(uint32_t be32)
{
	struct hd_ip ip;
	ip.q[0] = 0;
	ip.w[2] = htonl(0xffff);
	ip.w[3] = be32;
	return ip;
}

static inline int hd_ip_is_v4(const struct hd_ip *ip)
{
	return ip->q[0] == 0 && ip->w[2] == htonl(0xffff);
}

static inline int hd_ip_eq(const struct hd_ip *a, const struct hd_ip *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

static inline int hd_ip_is_zero(const struct hd_ip *ip)
{
	return ip->q[0] == 0 && (ip->q[1] == 0 || (hd_ip_is_v4(ip) && ip->w[3] == 0));
}

static inline int hd_prefix_has(const struct hd_prefix *p, const struct hd_ip *ip)
{
	unsigned int whole = p->len / 8, rest = p->len % 8;

	if (memcmp(p->ip.b, ip->b, whole) != 0)
		return 0;
	return rest == 0 || ((p->ip.b[whole] ^ ip->b[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

/* Parses either family. 0, or -1 when the text is not an address. */
static inline int hd_ip_parse(const char *text, struct hd_ip *ip)
{
	uint32_t v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ip = hd_ip_from_v4(v4);
		return 0;
	}
	return inet_pton(AF_INET6, text, ip->b) == 1 ? 0 : -1;
}

static inline const char *hd_ip_format(const struct hd_ip *ip, char out[HD_ADDR_STRLEN])
{
	if (hd_ip_is_v4(ip))
		inet_ntop(AF_INET, &ip->w[3], out, HD_ADDR_STRLEN);
	else
		inet_ntop(AF_INET6, ip->b, out, HD_ADDR_STRLEN);
	return out;
}

/* "10.2.0.2:80" or "[fd00::2]:80". */
static inline const char *hd_addr_format(const struct hd_addr *a, char out[HD_ADDR_STRLEN])
{
	char ip[HD_ADDR_STRLEN];

	hd_ip_format(&a->ip, ip);
	snprintf(out, HD_ADDR_STRLEN, hd_ip_is_v4(&a->ip) ? "%.45s:%u" : "[%.45s]:%u", ip, a->port);
	return out;
}

#endif
