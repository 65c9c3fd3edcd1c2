/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which one frame is thrown away, and the one counter that rises by one when it is:
 * an operator reads the name, not the code. */
#include "net_world.h"

enum base {
	BASE_TCP4,  /* 10.1.0.2:1 -> 10.1.0.10:80, SYN */
	BASE_TCP6,  /* fd00:1::2 -> fd00:1::10 */
	BASE_UDP4,
	BASE_PING4, /* echo request to 10.1.0.10 */
	BASE_ARP,   /* 10.1.0.2 asks for 10.1.0.10 */
	BASE_NS,    /* fd00:1::2 asks for fd00:1::10, by unicast, with its MAC */
	BASE_NA,    /* fd00:1::2 tells its MAC */
	BASE_QUOTE4, /* port unreachable that quotes 20 bytes of UDP */
};

/* Bytes are written over, at offsets from the Ethernet header. */
struct patch {
	uint16_t at, n;
	uint8_t b[8];
};

static const struct drop {
	const char *what;
	enum base base;
	uint32_t cut; /* the frame's bytes; 0: whole */
	struct patch patches[3];
	enum hd_counter counter;
} drops[] = {
	{ "13 bytes", BASE_TCP4, 13, {}, HD_NET_RUNT },
	{ "IPv4 header cut off", BASE_TCP4, 14 + 19, {}, HD_NET_RUNT },
	{ "LLDP", BASE_TCP4, 0, { { 12, 2, { 0x88, 0xcc } } }, HD_NET_ETHERTYPE },
	{ "802.1Q", BASE_TCP4, 0, { { 12, 2, { 0x81, 0x00 } } }, HD_NET_VLAN },
	{ "another station", BASE_TCP4, 0, { { 5, 1, { 9 } } }, HD_NET_OTHER_MAC },
	{ "from a group", BASE_TCP4, 0, { { 6, 1, { 3 } } }, HD_NET_BAD_SMAC },
	{ "from our MAC", BASE_TCP4, 0, { { 6, 6, { 2, 0, 0, 0, 0, 1 } } }, HD_NET_BAD_SMAC },
	{ "IPv5", BASE_TCP4, 0, { { 14, 1, { 0x55 } } }, HD_NET_IP_HEADER },
	{ "4 words of header", BASE_TCP4, 0, { { 14, 1, { 0x44 } } }, HD_NET_IP_HEADER },
	{ "longer than its frame", BASE_TCP4, 0, { { 16, 2, { 1, 0 } } }, HD_NET_IP_TRUNCATED },
	{ "header checksum", BASE_TCP4, 0, { { 24, 1, { 0xaa } } }, HD_NET_IP_CHECKSUM },
	{ "more fragments", BASE_TCP4, 0, { { 20, 1, { 0x20 } } }, HD_NET_IP_FRAGMENT },
	{ "a later fragment", BASE_TCP4, 0, { { 21, 1, { 1 } } }, HD_NET_IP_FRAGMENT },
	{ "from 127.0.0.1", BASE_TCP4, 0, { { 26, 4, { 127, 0, 0, 1 } } }, HD_NET_IP_SOURCE },
	{ "from 224.0.0.1", BASE_TCP4, 0, { { 26, 4, { 224, 0, 0, 1 } } }, HD_NET_IP_SOURCE },
	{ "from us", BASE_TCP4, 0, { { 26, 4, { 10, 1, 0, 1 } } }, HD_NET_IP_LAND },
	{ "to the broadcast", BASE_TCP4, 0, { { 30, 4, { 10, 1, 0, 255 } } }, HD_NET_IP_GROUP },
	{ "to 10.1.0.77", BASE_TCP4, 0, { { 30, 4, { 10, 1, 0, 77 } } }, HD_NET_IP_NOT_OURS },
	{ "SCTP", BASE_TCP4, 0, { { 23, 1, { 132 } } }, HD_NET_IP_PROTOCOL },
	{ "TCP checksum", BASE_TCP4, 0, { { 50, 1, { 0xaa } } }, HD_NET_TCP_CHECKSUM },
	{ "TCP offset 4", BASE_TCP4, 0, { { 46, 1, { 0x40 } } }, HD_TCP_BAD_OFFSET },
	{ "TCP offset behind its end", BASE_TCP4, 0, { { 46, 1, { 0xf0 } } }, HD_TCP_BAD_OFFSET },
	{ "UDP", BASE_UDP4, 0, {}, HD_NET_UDP_PORT },
	{ "IPv6, version 4", BASE_TCP6, 0, { { 14, 1, { 0x40 } } }, HD_NET_IP_HEADER },
	{ "IPv6 header cut off", BASE_TCP6, 14 + 39, {}, HD_NET_RUNT },
	{ "IPv6, longer than its frame", BASE_TCP6, 0, { { 18, 2, { 1, 0 } } }, HD_NET_IP_TRUNCATED },
	{ "IPv6, a chain without an end", BASE_TCP6, 0, { { 20, 1, { 60 } }, { 54, 2, { 6, 99 } } },
	  HD_NET_IP_CHAIN },
	{ "IPv6, an option longer than its header", BASE_TCP6, 0,
	  { { 20, 1, { 60 } }, { 54, 4, { 6, 0, 5, 99 } } }, HD_NET_IP_OPTION },
	{ "IPv6, segments left", BASE_TCP6, 0, { { 20, 1, { 43 } }, { 54, 4, { 6, 0, 0, 1 } } },
	  HD_NET_IP_SOURCE_ROUTE },
	{ "IPv6, a fragment", BASE_TCP6, 0, { { 20, 1, { 44 } }, { 54, 4, { 6, 0, 0, 1 } } },
	  HD_NET_IP_FRAGMENT },
	{ "IPv6 from a group", BASE_TCP6, 0, { { 22, 1, { 0xff } } }, HD_NET_IP_SOURCE },
	{ "IPv6 from us", BASE_TCP6, 0, { { 37, 1, { 1 } } }, HD_NET_IP_LAND },
	{ "IPv6 to another", BASE_TCP6, 0, { { 53, 1, { 77 } } }, HD_NET_IP_NOT_OURS },
	{ "ICMP of 7 bytes", BASE_PING4, 0, { { 16, 2, { 0, 27 } } }, HD_NET_ICMP_MALFORMED },
	{ "ICMP checksum", BASE_PING4, 0, { { 36, 1, { 0xaa } } }, HD_NET_ICMP_CHECKSUM },
	{ "ICMP redirect", BASE_PING4, 0, { { 34, 4, { 5, 0, 0xfa, 0xff } } }, HD_NET_ICMP_IGNORED },
	{ "an error about UDP", BASE_QUOTE4, 0, {}, HD_NET_ICMP_QUOTE },
	{ "ARP cut off", BASE_ARP, 41, {}, HD_NET_ARP_MALFORMED },
	{ "ARP of another hardware", BASE_ARP, 0, { { 15, 1, { 6 } } }, HD_NET_ARP_MALFORMED },
	{ "ARP from a group", BASE_ARP, 0, { { 22, 1, { 1 } } }, HD_NET_ARP_MALFORMED },
	{ "ARP for 10.1.0.77", BASE_ARP, 0, { { 41, 1, { 77 } } }, HD_NET_ARP_NOT_OURS },
	{ "ARP that claims our address", BASE_ARP, 0, { { 31, 1, { 1 } } }, HD_NET_ARP_CONFLICT },
	{ "ND over a router", BASE_NS, 0, { { 21, 1, { 254 } } }, HD_NET_ND_MALFORMED },
	{ "ND for another", BASE_NS, 0, { { 77, 1, { 77 } }, { 56, 2, { 0, 0 } } }, HD_NET_ND_NOT_OURS },
	{ "an answer that nobody asked for", BASE_NA, 0, {}, HD_NET_ND_NOT_OURS },
};

static void base_build(struct frame *f, enum base base)
{
	static const uint8_t nobody[6], udp[8] = { 0, 1, 0, 53, 0, 8 };
	static const uint8_t quote[28] = { 0x45, [9] = 17, [12] = 10, 1, 0, 10, 10, 1, 0, 2 };
	struct tcp_args a = { .src = "10.1.0.2", .dst = "10.1.0.10", .sport = 1, .dport = 80,
			      .flags = 2 };

	switch (base) {
	case BASE_TCP6:
		a.src = "fd00:1::2";
		a.dst = "fd00:1::10";
		/* fall through */
	case BASE_TCP4:
		frame_tcp(f, &a);
		return;
	case BASE_UDP4:
		frame_ip(f, a.src, a.dst, 17, udp, sizeof(udp));
		return;
	case BASE_PING4:
		frame_icmp(f, a.src, a.dst, 8, 0, 0, NULL, 0);
		return;
	case BASE_ARP:
		frame_arp(f, 1, world_far_mac, a.src, nobody, a.dst);
		return;
	case BASE_NS:
		frame_nd(f, 135, "fd00:1::2", "fd00:1::10", 0, "fd00:1::10", 1, world_far_mac);
		return;
	case BASE_NA:
		frame_nd(f, 136, "fd00:1::2", "fd00:1::1", 0x60, "fd00:1::2", 2, world_far_mac);
		return;
	case BASE_QUOTE4:
		frame_icmp(f, a.src, a.dst, 3, 3, 0, quote, sizeof(quote));
		return;
	}
}

/* What was right before the patch stays right, so that the frame is wrong in one way: of IPv4 the
 * header's checksum (unless that is the way), of neighbour discovery the one over its target. */
static void frame_build(struct frame *f, const struct drop *d)
{
	base_build(f, d->base);
	for (size_t i = 0; i < HD_ARRAY_SIZE(d->patches); i++)
		memcpy(f->b + d->patches[i].at, d->patches[i].b, d->patches[i].n);
	if (d->base == BASE_NS && d->counter == HD_NET_ND_NOT_OURS)
		frame_nd(f, 135, "fd00:1::2", "fd00:1::10", 0, "fd00:1::77", 1, world_far_mac);
	if (f->b[12] == 8 && f->b[13] == 0 && d->counter != HD_NET_IP_CHECKSUM &&
	    (f->b[14] & 15) == 5)
		frame_fix_ip4(f);
	if (d->cut != 0)
		f->n = d->cut;
}

static void each_drop_has_its_name_and_no_other(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < HD_ARRAY_SIZE(drops); i++) {
		struct hd_worker_stats before = w->stats;
		struct frame f;

		frame_build(&f, &drops[i]);
		if (world_rx(w, 0, &f) != 0)
			fail_msg("%s: let through", drops[i].what);
		for (uint32_t c = 0; c < HD_COUNTER_MAX; c++) {
			uint64_t rose = w->stats.counters[c] - before.counters[c];

			if (rose != (c == (uint32_t)drops[i].counter))
				fail_msg("%s: counter %u rose by %u, not %u by one", drops[i].what, c,
					 (unsigned int)rose, drops[i].counter);
		}
		while (world_sent(w, 0, &f) != 0)
			;
	}
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(each_drop_has_its_name_and_no_other),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
