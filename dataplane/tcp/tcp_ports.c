/* SPDX-License-Identifier: Apache-2.0 */
/* The local port of an active open (RFC 6056 3.3.2 with a keyed generator): every choice is drawn
 * anew over the whole range, so one port tells nothing about the next, nor one destination about
 * another. A tuple in TIME-WAIT is taken only when nothing else was found: our sequence numbers and
 * timestamps then lie above those of the old connection (RFC 6191, RFC 6528). */
#include <errno.h>

#include "tcp_stack.h"

#define PORT_MIN 1024
#define PORT_COUNT (65536 - PORT_MIN)
#define DRAWS 64       /* that steer here */
#define DRAWS_MAX 4096 /* in all: with many workers most draws belong to others */

static uint16_t draw(struct tcp *t, const struct flow_key *key)
{
	uint64_t r = tcp_isn_port_seed(t->config.secret, key, t->ports_chosen++);

	return (uint16_t)(PORT_MIN + (((r & UINT32_MAX) * PORT_COUNT) >> 32));
}

int tcp_ports_choose(struct tcp *t, struct flow_key *key, uint32_t *hash)
{
	uint32_t tried = 0;
	uint16_t waiting = 0;
	int found;

	for (uint32_t i = 0; i < DRAWS_MAX && tried < DRAWS; i++) {
		key->local_port = draw(t, key);
		if (t->ops->steers_here != NULL && !t->ops->steers_here(t->ctx, key))
			continue;
		tried++;
		*hash = t->ops->hash(t->ctx, key);

		uint32_t value = tcp_lookup(t, key, *hash, &found);

		if (!found)
			return 0;
		if (value & TCP_VALUE_WAIT && tcp_wait_at(t, value)->has_ts)
			waiting = key->local_port;
	}
	if (waiting == 0) {
		tcp_count(t, HD_TCP_NO_PORTS);
		return -EADDRNOTAVAIL;
	}
	key->local_port = waiting;
	*hash = t->ops->hash(t->ctx, key);
	tcp_wait_drop(t, tcp_wait_at(t, tcp_lookup(t, key, *hash, &found)));
	return 0;
}
