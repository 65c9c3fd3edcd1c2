/* SPDX-License-Identifier: Apache-2.0 */
/* What we say unasked: at start a probe for each address (RFC 5227 2.1.1, RFC 4862 5.4), then two
 * announcements, two seconds apart (RFC 5227 2.3); after a reload that brought new vips the
 * announcements. Paced, so that ten thousand vips are no storm. The addresses are used meanwhile,
 * as RFC 4429 allows: a restarted proxy must not wait for its own addresses. */
#include "net_priv.h"

#define PROBE_ROUND 0
#define ROUNDS 3
#define A_STEP 16
#define STEP_NS (10 * HD_NS_PER_MS)
#define PROBE_WAIT_NS HD_NS_PER_S
#define ANNOUNCE_WAIT_NS (2 * HD_NS_PER_S)

static void begin(struct net *n, uint32_t round)
{
	n->announce_round = round;
	n->announce_next = 0;
	wheel_arm(&n->wheel, &n->announce_timer, n->now);
}

void net_announce_start(struct net *n)
{
	n->tentative_until = n->now + PROBE_WAIT_NS;
	begin(n, PROBE_ROUND);
}

/* The first vips come right after the start and are still probed; later ones are announced. */
void net_announce_vips(struct net *n)
{
	if (n->announce_round != PROBE_ROUND)
		begin(n, PROBE_ROUND + 1);
}

static void speak(struct net *n, struct net_if *i, const struct hd_ip *ip)
{
	int v4 = hd_ip_is_v4(ip);

	if (n->announce_round == PROBE_ROUND)
		(v4 ? net_arp_probe : net_nd_probe)(n, i, ip);
	else
		(v4 ? net_arp_announce : net_nd_announce)(n, i, ip);
}

/* Addresses are numbered: the ports' own first, then the vips. 0: past the last one. */
static int say_number(struct net *n, uint32_t number)
{
	const struct hd_ip *vip;

	for (uint32_t p = 0; p < n->n_ifs; p++) {
		struct net_if *i = &n->ifs[p];

		if (number < i->n_addrs) {
			if (!i->addrs[number].duplicate)
				speak(n, i, &i->addrs[number].prefix.ip);
			return 1;
		}
		number -= i->n_addrs;
	}
	if (number >= n->n_vips)
		return 0;
	vip = &n->vips[number];
	for (uint32_t p = 0; p < n->n_ifs; p++) {
		if (net_if_on_link(&n->ifs[p], vip))
			speak(n, &n->ifs[p], vip);
	}
	return 1;
}

void net_announce_run(struct net *n)
{
	for (int k = 0; k < A_STEP; k++) {
		if (say_number(n, n->announce_next)) {
			n->announce_next++;
			continue;
		}
		if (++n->announce_round < ROUNDS) {
			n->announce_next = 0;
			wheel_arm(&n->wheel, &n->announce_timer,
				  n->now + (n->announce_round == 1 ? PROBE_WAIT_NS
								   : ANNOUNCE_WAIT_NS));
		}
		return;
	}
	wheel_arm(&n->wheel, &n->announce_timer, n->now + STEP_NS);
}
