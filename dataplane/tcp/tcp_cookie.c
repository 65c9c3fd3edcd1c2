/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_cookie.h"

#include "core_siphash.h"

#define PERIODS 32 /* five bits of time */
#define AGE_MAX 1  /* periods before the present one */
#define TS_BITS 6  /* scale in four, SACK and ECN in one each */
#define TS_MASK ((1u << TS_BITS) - 1)
#define TS_NO_SCALE 15
#define TS_SACK 0x10
#define TS_ECN 0x20

/* Three bits: the largest that the peer's MSS reaches. */
static const uint16_t mss_table[8] = { 256, 536, 1220, 1360, 1400, 1440, 1460, 8960 };

struct message {
	uint64_t local[2], remote[2];
	uint64_t ports_and_isn;
	uint64_t data;
};
_Static_assert(sizeof(struct message) == 48, "no padding");

static uint32_t keyed(const uint64_t secret[2], const struct flow_key *k, uint32_t peer_isn,
		      uint64_t data)
{
	struct message m = {
		.local = { k->local.q[0], k->local.q[1] },
		.remote = { k->remote.q[0], k->remote.q[1] },
		.ports_and_isn =
			(uint64_t)peer_isn << 32 | (uint32_t)k->local_port << 16 | k->remote_port,
		.data = data,
	};

	return (uint32_t)siphash_2_4(secret, &m, sizeof(m));
}

#define DATA_MASK 0x1000 /* beside every value of the data byte: keys what hides it */

static uint32_t seal(const uint64_t secret[2], const struct flow_key *k, uint32_t peer_isn,
		     uint32_t data)
{
	return keyed(secret, k, peer_isn, data) << 8 |
	       (data ^ (keyed(secret, k, peer_isn, DATA_MASK) & 0xff));
}

static uint32_t period(hd_ns now)
{
	return (uint32_t)(now / TCP_COOKIE_PERIOD_NS) % PERIODS;
}

uint32_t tcp_cookie_make(const uint64_t secret[2], const struct flow_key *key, uint32_t peer_isn,
			 uint16_t peer_mss, hd_ns now)
{
	uint32_t i = 0;

	while (i + 1 < HD_ARRAY_SIZE(mss_table) && mss_table[i + 1] <= peer_mss)
		i++;
	return seal(secret, key, peer_isn, period(now) << 3 | i);
}

uint16_t tcp_cookie_check(const uint64_t secret[2], const struct flow_key *key, uint32_t peer_isn,
			  uint32_t cookie, hd_ns now)
{
	uint32_t data = (cookie ^ keyed(secret, key, peer_isn, DATA_MASK)) & 0xff;

	if ((period(now) - (data >> 3)) % PERIODS > AGE_MAX ||
	    seal(secret, key, peer_isn, data) != cookie)
		return 0;
	return mss_table[data & 7];
}

uint32_t tcp_cookie_timestamp(uint32_t timestamp, const struct tcp_options *offered)
{
	uint32_t bits = offered->present & TCP_OPTION_SCALE
				? (offered->scale > TCP_OPTIONS_MAX_SCALE ? TCP_OPTIONS_MAX_SCALE
									  : offered->scale)
				: TS_NO_SCALE;
	uint32_t ts;

	bits |= offered->present & TCP_OPTION_SACK_OK ? TS_SACK : 0;
	bits |= offered->present & TCP_OPTION_ECN ? TS_ECN : 0;
	ts = (timestamp & ~TS_MASK) | bits;
	/* Never ahead of the clock: the next segment's must not be smaller. */
	return (int32_t)(ts - timestamp) > 0 ? ts - (TS_MASK + 1) : ts;
}

void tcp_cookie_recall(uint32_t echoed, struct tcp_options *offered)
{
	uint32_t bits = echoed & TS_MASK;

	offered->present |= bits & TS_SACK ? TCP_OPTION_SACK_OK : 0;
	offered->present |= bits & TS_ECN ? TCP_OPTION_ECN : 0;
	if ((bits & 15) != TS_NO_SCALE) {
		offered->present |= TCP_OPTION_SCALE;
		offered->scale = bits & 15;
	}
}
