/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_isn.h"

#include "core_siphash.h"

#define ISN_TICK_NS_SHIFT 12 /* 4,096 ns: RFC 9293 3.4.1 asks for about 4 us */

enum purpose { PURPOSE_ISN = 1, PURPOSE_TIMESTAMP, PURPOSE_PORT };

/* What is hashed: packed words, so that no padding takes part. */
struct message {
	uint64_t local[2], remote[2];
	uint64_t ports; /* and the purpose */
	uint64_t extra;
};
_Static_assert(sizeof(struct message) == 48, "no padding");

static uint64_t keyed(const uint64_t secret[2], const struct flow_key *k, enum purpose purpose,
		      uint64_t extra)
{
	struct message m = {
		.local = { k->local.q[0], k->local.q[1] },
		.remote = { k->remote.q[0], k->remote.q[1] },
		.ports = (uint64_t)purpose << 32 | (uint32_t)k->local_port << 16 | k->remote_port,
		.extra = extra,
	};

	return siphash_2_4(secret, &m, sizeof(m));
}

uint32_t tcp_isn_generate(const uint64_t secret[2], const struct flow_key *key, hd_ns now)
{
	return (uint32_t)keyed(secret, key, PURPOSE_ISN, 0) + (uint32_t)(now >> ISN_TICK_NS_SHIFT);
}

uint32_t tcp_isn_timestamp_offset(const uint64_t secret[2], const struct flow_key *key)
{
	return (uint32_t)keyed(secret, key, PURPOSE_TIMESTAMP, 0);
}

uint64_t tcp_isn_port_seed(const uint64_t secret[2], const struct flow_key *key, uint64_t n)
{
	struct flow_key k = *key;

	k.local_port = 0;
	return keyed(secret, &k, PURPOSE_PORT, n);
}
